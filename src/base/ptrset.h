/*
 * ptrset: a hash set of pointers to entries that have their key within them.
 *
 * Where entries are many and small: a slot is a pointer and nothing else, which
 * is 11 to 21 bytes an entry. The owner says how an entry is hashed, which
 * should be a look at a member; keys are unique. Open addressing, grows by
 * itself and shrinks when it is mostly empty. One owner; not thread-safe.
 */
#ifndef NATTER_BASE_PTRSET_H
#define NATTER_BASE_PTRSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ptrset {
	void **slots;
	size_t size; /* 0 or a power of two */
	size_t count;
};

/* How entries are hashed, and whether one has a key: one of each for a set's life. */
struct ptrset_ops {
	uint32_t (*hash)(const void *entry);
	bool (*has)(const void *entry, const void *key);
};

/* A zeroed set is empty; afterwards it is, again. Entries are the caller's. */
void ptrset_clear(struct ptrset *s);

/* The entry that has KEY, whose hash is HASH; or NULL. */
void *ptrset_get(const struct ptrset *s, const struct ptrset_ops *ops, uint32_t hash, const void *key);

/* Adds an entry whose key no other one has. 0, or -1: no memory, unchanged. */
int ptrset_add(struct ptrset *s, const struct ptrset_ops *ops, void *entry);

/* Removes this very entry, if it is in. */
void ptrset_remove(struct ptrset *s, const struct ptrset_ops *ops, const void *entry);

/* Walks all entries in no order: *POS starts at 0; NULL at the end. The set must not change meanwhile. */
void *ptrset_next(const struct ptrset *s, size_t *pos);

#endif
