/*
 * book: what all threads together note about each key: an address, a user.
 *
 * The other shared structure besides base/shared, and like it split into
 * shards with a mutex each. An entry is a few bytes of the caller's, zeroed
 * when the key comes up first. It stays while it has users; without, it is
 * kept for a while, so that what it knows (how often somebody came) outlives a
 * connection: until nobody asked for it for KEEP ms, or until too many such
 * entries are there, when the one that was asked for longest ago goes. So
 * strangers who come under ever new keys cannot make it grow.
 */
#ifndef NATTER_BASE_BOOK_H
#define NATTER_BASE_BOOK_H

#include <stddef.h>
#include <stdint.h>

struct book;

/* Entries of SIZE bytes, of which UNUSED at most, and for KEEP ms, are kept without users. NULL: no memory. */
struct book *book_new(size_t size, size_t unused, uint64_t keep);
void book_free(struct book *b); /* NULL is fine */

/*
 * KEY's entry at the monotonic time NOW (ms), made if need be. Its shard is
 * locked until book_close(): be quick, and open no other one. NULL: no memory,
 * nothing is locked.
 */
void *book_open(struct book *b, uint64_t key, uint64_t now);

/* Done with ENTRY, which has USES users more (or fewer) now. With one it stays where it is. */
void book_close(struct book *b, void *entry, int uses);

/* Lets go of what was kept long enough, in one of the shards: to be called once a second and thread. */
void book_tick(struct book *b, uint64_t now);

/* Entries, with users or without. */
size_t book_count(struct book *b);

#endif
