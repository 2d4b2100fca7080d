/*
 * shared: the few facts that all threads share, outside the letters' way.
 *
 * A shared_map gives a key to one holder: unique names, and later connections
 * per address. It is split into shards with a mutex each and is touched at
 * connect, close and rename, never per delivery. Totals that a limit needs are
 * C11 atomics in struct shared_count.
 */
#ifndef NATTER_BASE_SHARED_H
#define NATTER_BASE_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shared_map;

/* NULL when there is no memory. */
struct shared_map *shared_map_new(void);
void shared_map_free(struct shared_map *m);

/*
 * Claims KEY for HOLDER (not 0). Returns 0, also when HOLDER has it already;
 * the other holder's number when it is taken; HOLDER's own number is never
 * returned. UINT64_MAX when there is no memory.
 */
uint64_t shared_map_claim(struct shared_map *m, const char *key, size_t len, uint64_t holder);

/* Lets KEY go if HOLDER has it. */
void shared_map_release(struct shared_map *m, const char *key, size_t len, uint64_t holder);

/* Who has KEY; 0: nobody. */
uint64_t shared_map_holder(struct shared_map *m, const char *key, size_t len);

/* How many keys are held, without a lock: good enough to ask "none at all?". */
size_t shared_map_count(const struct shared_map *m);

/* A total with a ceiling. */
struct shared_count {
	atomic_size_t value;
};

/* One more, unless there are MAX already (0: no ceiling). Whether it was counted. */
bool shared_count_take(struct shared_count *c, size_t max);
void shared_count_give(struct shared_count *c);

#endif
