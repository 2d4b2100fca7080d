/*
 * shared: see shared.h.
 *
 * A key's hash has its shard in the upper bits; the shard's strmap uses the
 * lower ones. Holds are allocated, since a pointer may be too short for one.
 */
#include <config.h>

#include "base/shared.h"

#include "base/strmap.h"

#include <pthread.h>
#include <stdlib.h>

#define SHARD_BITS 4

struct shard {
	pthread_mutex_t lock;
	struct strmap *holders; /* key to struct hold; NULL: this shard was not made */
};

struct hold {
	uint64_t holder;
	size_t claims; /* of this holder */
};

struct shared_map {
	atomic_size_t count;
	struct shard shards[1 << SHARD_BITS];
};

static bool shard_init(struct shard *s)
{
	struct strmap *holders = strmap_new();

	if (!holders || pthread_mutex_init(&s->lock, NULL)) {
		strmap_free(holders);
		return false;
	}
	s->holders = holders;
	return true;
}

static void shard_clear(struct shard *s)
{
	size_t pos = 0;
	struct hold *held;

	if (!s->holders)
		return;
	while ((held = strmap_next(s->holders, &pos, NULL, NULL)))
		free(held);
	strmap_free(s->holders);
	pthread_mutex_destroy(&s->lock);
}

struct shared_map *shared_map_new(void)
{
	struct shared_map *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	atomic_init(&m->count, 0);
	for (size_t i = 0; i < 1 << SHARD_BITS; i++)
		if (!shard_init(&m->shards[i]))
			goto fail;
	return m;
fail:
	shared_map_free(m);
	return NULL;
}

void shared_map_free(struct shared_map *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < 1 << SHARD_BITS; i++)
		shard_clear(&m->shards[i]);
	free(m);
}

/* The shard of a hash, locked. */
static struct shard *enter(struct shared_map *m, uint64_t hash)
{
	struct shard *s = &m->shards[hash >> (64 - SHARD_BITS)];

	pthread_mutex_lock(&s->lock);
	return s;
}

static bool put(struct shared_map *m, struct shard *s, const char *key, size_t len, uint64_t holder)
{
	struct hold *held = malloc(sizeof(*held));

	if (!held || strmap_put(s->holders, key, len, held) < 0) {
		free(held);
		return false;
	}
	*held = (struct hold){ holder, 1 };
	atomic_fetch_add_explicit(&m->count, 1, memory_order_relaxed);
	return true;
}

uint64_t shared_map_claim(struct shared_map *m, const char *key, size_t len, uint64_t holder)
{
	uint64_t hash = strmap_hash(key, len), answer;
	struct shard *s = enter(m, hash);
	struct hold *held = strmap_get_hashed(s->holders, key, len, hash);

	if (held && held->holder == holder)
		answer = (held->claims++, 0);
	else if (held)
		answer = held->holder;
	else
		answer = put(m, s, key, len, holder) ? 0 : UINT64_MAX;
	pthread_mutex_unlock(&s->lock);
	return answer;
}

void shared_map_release(struct shared_map *m, const char *key, size_t len, uint64_t holder)
{
	uint64_t hash = strmap_hash(key, len);
	struct shard *s = enter(m, hash);
	struct hold *held = strmap_get_hashed(s->holders, key, len, hash);

	if (held && held->holder == holder && --held->claims == 0) {
		strmap_del(s->holders, key, len);
		free(held);
		atomic_fetch_sub_explicit(&m->count, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&s->lock);
}

uint64_t shared_map_holder(struct shared_map *m, const char *key, size_t len)
{
	uint64_t hash = strmap_hash(key, len), holder;
	struct shard *s = enter(m, hash);
	const struct hold *held = strmap_get_hashed(s->holders, key, len, hash);

	holder = held ? held->holder : 0;
	pthread_mutex_unlock(&s->lock);
	return holder;
}

bool shared_map_move(struct shared_map *m, const char *key, size_t len, uint64_t from, uint64_t to)
{
	uint64_t hash = strmap_hash(key, len);
	struct shard *s = enter(m, hash);
	struct hold *held = strmap_get_hashed(s->holders, key, len, hash);
	bool moved = held && held->holder == from;

	if (moved)
		held->holder = to;
	pthread_mutex_unlock(&s->lock);
	return moved;
}

size_t shared_map_count(const struct shared_map *m)
{
	return atomic_load_explicit(&m->count, memory_order_relaxed);
}

bool shared_count_take(struct shared_count *c, size_t max)
{
	size_t n = atomic_load_explicit(&c->value, memory_order_relaxed);

	do
		if (max > 0 && n >= max)
			return false;
	while (!atomic_compare_exchange_weak_explicit(&c->value, &n, n + 1, memory_order_relaxed,
						      memory_order_relaxed));
	return true;
}

void shared_count_give(struct shared_count *c)
{
	atomic_fetch_sub_explicit(&c->value, 1, memory_order_relaxed);
}

size_t shared_count_get(const struct shared_count *c)
{
	return atomic_load_explicit(&c->value, memory_order_relaxed);
}

#define MS 1000000               /* ns */
#define SECOND (INT64_C(1000) * MS)
#define DEEPEST_DEBT (INT64_C(1) << 61) /* ns, where counting stops */

uint32_t shared_bucket_take(struct shared_bucket *b, const struct bucket_limit *l, uint32_t cost, uint64_t now_ms)
{
	int64_t now = (int64_t)now_ms * MS, was = atomic_load_explicit(&b->full_at, memory_order_relaxed), is, wait;

	if (l->rate == 0)
		return 0;
	do {
		is = (was > now ? was : now) + (int64_t)cost * SECOND / l->rate;
		if (is > now + DEEPEST_DEBT)
			is = now + DEEPEST_DEBT;
	} while (!atomic_compare_exchange_weak_explicit(&b->full_at, &was, is, memory_order_relaxed, memory_order_relaxed));
	wait = (is - now - (int64_t)l->burst * SECOND / l->rate + MS - 1) / MS;
	return wait <= 0 ? 0 : wait < UINT32_MAX ? (uint32_t)wait : UINT32_MAX;
}
