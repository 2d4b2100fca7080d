/*
 * strmap: a hash map from byte strings to pointers.
 *
 * Hashed by SipHash-2-4 with a seed drawn once per process, so that strangers
 * who choose keys (room names, user names) cannot choose collisions. A key's
 * hash is the same in every map: compute it once, carry it along. Keys are
 * copied, values belong to the caller. Open addressing, grows by itself and
 * shrinks when it is mostly empty. One owner; not thread-safe.
 */
#ifndef NATTER_BASE_STRMAP_H
#define NATTER_BASE_STRMAP_H

#include <stddef.h>
#include <stdint.h>

struct strmap;

/* NULL when there is no memory. */
struct strmap *strmap_new(void);
void strmap_free(struct strmap *m);

size_t strmap_count(const struct strmap *m);

/* The process-wide seeded hash of a key. */
uint64_t strmap_hash(const char *key, size_t len);

/* SipHash-2-4 itself; SEED is its 16-byte key as two little-endian words. */
uint64_t strmap_siphash(const uint64_t seed[2], const void *data, size_t len);

/* The value, or NULL. */
void *strmap_get(const struct strmap *m, const char *key, size_t len);
void *strmap_get_hashed(const struct strmap *m, const char *key, size_t len, uint64_t hash);

/* Sets VALUE (not NULL) for the key, new or not. 0, or -1: no memory, unchanged. */
int strmap_put(struct strmap *m, const char *key, size_t len, void *value);

/* Removes the key; returns its value, or NULL where there was none. */
void *strmap_del(struct strmap *m, const char *key, size_t len);

/*
 * Walks all entries in no order: *POS starts at 0; returns the next value or
 * NULL at the end, and its key where KEY and LEN are given. The map must not
 * change meanwhile.
 */
void *strmap_next(const struct strmap *m, size_t *pos, const char **key, size_t *len);

#endif
