/*
 * table: a hash table of small entries that have their key within them.
 *
 * Where entries are many and what each costs counts: they lie in the table by
 * value, which is 1.15 to 1.45 times their size while it grows, a quarter at a
 * time. An entry may be a pointer. The owner says how an entry is hashed, which
 * should be a look at a member and spread well over all 32 bits; keys are
 * unique. Open addressing, grows by itself and shrinks when it is mostly empty.
 * One owner; not thread-safe.
 */
#ifndef NATTER_BASE_TABLE_H
#define NATTER_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	char *slots;
	size_t size, count;
};

/* What entries are: one of it for a table's life. */
struct table_ops {
	size_t entry; /* bytes, of which the first sizeof(void *) are not all 0 */
	uint32_t (*hash)(const void *entry);
	bool (*has)(const void *entry, const void *key);
};

/* A zeroed table is empty; afterwards it is, again. */
void table_clear(struct table *t);

/* The entry that has KEY, whose hash is HASH, until the table changes; or NULL. */
void *table_get(const struct table *t, const struct table_ops *ops, uint32_t hash, const void *key);

/* Adds a copy of ENTRY, whose key no other one has. Where it is, until the table changes; NULL: no memory, unchanged. */
void *table_add(struct table *t, const struct table_ops *ops, const void *entry);

/* Removes an entry that table_get() or table_next() gave (NULL is fine). */
void table_remove(struct table *t, const struct table_ops *ops, void *entry);

/* Walks all entries in no order: *POS starts at 0; NULL at the end. The table must not change meanwhile. */
void *table_next(const struct table *t, const struct table_ops *ops, size_t *pos);

#endif
