/*
 * shared: see shared.h.
 *
 * A slot holds a key's hash and not the key: 64 bits of SipHash with a secret
 * seed, of which two among a million are the same by a chance of one in 30
 * million, and nobody can make it so; who is told then that a name is taken
 * takes another one. The hash has the shard in its upper bits and the place in the
 * shard's table in its lower ones.
 */
#include <config.h>

#include "base/shared.h"

#include "base/strmap.h"
#include "base/table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SHARD_BITS 4

/* A key that is held. In words, so that there is no padding. */
struct slot {
	uint32_t claims; /* of this holder; not 0 */
	uint32_t hash[2], holder[2];
};

struct shard {
	pthread_mutex_t lock;
	bool made;
	struct table slots;
};

struct shared_map {
	atomic_size_t count;
	struct shard shards[1 << SHARD_BITS];
};

static uint64_t number(const uint32_t words[2])
{
	uint64_t n;

	memcpy(&n, words, sizeof(n));
	return n;
}

static void set_number(uint32_t words[2], uint64_t n) { memcpy(words, &n, sizeof(n)); }

struct shared_map *shared_map_new(void)
{
	struct shared_map *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	atomic_init(&m->count, 0);
	for (size_t i = 0; i < 1 << SHARD_BITS; i++) {
		m->shards[i].made = pthread_mutex_init(&m->shards[i].lock, NULL) == 0;
		if (!m->shards[i].made)
			goto fail;
	}
	return m;
fail:
	shared_map_free(m);
	return NULL;
}

void shared_map_free(struct shared_map *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < 1 << SHARD_BITS; i++) {
		table_clear(&m->shards[i].slots);
		if (m->shards[i].made)
			pthread_mutex_destroy(&m->shards[i].lock);
	}
	free(m);
}

static uint64_t hash_of(const void *slot) { return number(((const struct slot *)slot)->hash); }
static uint32_t low_half(const void *slot) { return (uint32_t)hash_of(slot); }
static bool has_hash(const void *slot, const void *hash) { return hash_of(slot) == *(const uint64_t *)hash; }

static const struct table_ops by_hash = { sizeof(struct slot), low_half, has_hash };

/* The shard of a key, locked; and the key's slot where it is held, or NULL. */
static struct shard *enter(struct shared_map *m, uint64_t hash, struct slot **held)
{
	struct shard *s = &m->shards[hash >> (64 - SHARD_BITS)];

	pthread_mutex_lock(&s->lock);
	*held = table_get(&s->slots, &by_hash, (uint32_t)hash, &hash);
	return s;
}

static bool put(struct shared_map *m, struct shard *s, uint64_t hash, uint64_t holder)
{
	struct slot slot = { .claims = 1 };

	set_number(slot.hash, hash);
	set_number(slot.holder, holder);
	if (table_add(&s->slots, &by_hash, &slot) == NULL)
		return false;
	atomic_fetch_add_explicit(&m->count, 1, memory_order_relaxed);
	return true;
}

static void drop(struct shared_map *m, struct shard *s, struct slot *slot)
{
	table_remove(&s->slots, &by_hash, slot);
	atomic_fetch_sub_explicit(&m->count, 1, memory_order_relaxed);
}

uint64_t shared_map_claim(struct shared_map *m, const char *key, size_t len, uint64_t holder)
{
	uint64_t hash = strmap_hash(key, len), answer;
	struct slot *held;
	struct shard *s = enter(m, hash, &held);

	if (held && number(held->holder) == holder)
		answer = (held->claims++, 0);
	else if (held)
		answer = number(held->holder);
	else
		answer = put(m, s, hash, holder) ? 0 : UINT64_MAX;
	pthread_mutex_unlock(&s->lock);
	return answer;
}

void shared_map_release(struct shared_map *m, const char *key, size_t len, uint64_t holder)
{
	struct slot *held;
	struct shard *s = enter(m, strmap_hash(key, len), &held);

	if (held && number(held->holder) == holder && --held->claims == 0)
		drop(m, s, held);
	pthread_mutex_unlock(&s->lock);
}

uint64_t shared_map_holder(struct shared_map *m, const char *key, size_t len)
{
	struct slot *held;
	struct shard *s = enter(m, strmap_hash(key, len), &held);
	uint64_t holder = held ? number(held->holder) : 0;

	pthread_mutex_unlock(&s->lock);
	return holder;
}

bool shared_map_move(struct shared_map *m, const char *key, size_t len, uint64_t from, uint64_t to)
{
	struct slot *held;
	struct shard *s = enter(m, strmap_hash(key, len), &held);
	bool moved = held && number(held->holder) == from;

	if (moved)
		set_number(held->holder, to);
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
