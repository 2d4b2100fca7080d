/*
 * shared: the few facts that all threads share, outside the letters' way.
 *
 * A shared_map gives a key to one holder: unique names. It is split into shards with a mutex each and is touched at
 * connect, close and rename, never per delivery. Totals that a limit needs are
 * C11 atomics in struct shared_count.
 */
#ifndef NATTER_BASE_SHARED_H
#define NATTER_BASE_SHARED_H

#include "base/bucket.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shared_map;

/* NULL when there is no memory. */
struct shared_map *shared_map_new(void);
void shared_map_free(struct shared_map *m);

/*
 * Claims KEY for HOLDER (not 0). Returns 0, also when HOLDER has it already,
 * which then has to release it as often; the other holder's number when it is
 * taken. UINT64_MAX when there is no memory.
 */
uint64_t shared_map_claim(struct shared_map *m, const char *key, size_t len, uint64_t holder);

/* Takes back one claim of HOLDER's, if it has one; the last one lets KEY go. */
void shared_map_release(struct shared_map *m, const char *key, size_t len, uint64_t holder);

/* Who has KEY; 0: nobody. */
uint64_t shared_map_holder(struct shared_map *m, const char *key, size_t len);

/* KEY is TO's with all claims, if it is FROM's. Whether it was. */
bool shared_map_move(struct shared_map *m, const char *key, size_t len, uint64_t from, uint64_t to);

/* How many keys are held, without a lock: good enough to ask "none at all?". */
size_t shared_map_count(const struct shared_map *m);

/* A total with a ceiling. */
struct shared_count {
	atomic_size_t value;
};

/* One more, unless there are MAX already (0: no ceiling). Whether it was counted. */
bool shared_count_take(struct shared_count *c, size_t max);
void shared_count_give(struct shared_count *c);
size_t shared_count_get(const struct shared_count *c);

/* A bucket (see bucket.h) from which several threads take, without a lock. Zeroed it is full. */
struct shared_bucket {
	_Atomic int64_t full_at; /* ns, when it would be full again if nobody took any more */
};

/* As bucket_take(). */
uint32_t shared_bucket_take(struct shared_bucket *b, const struct bucket_limit *l, uint32_t cost, uint64_t now_ms);

#endif
