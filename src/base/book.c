/*
 * book: see book.h.
 *
 * As in base/shared a key's hash has its shard in the upper bits. Entries
 * without users are in a list in the order in which they were last asked for.
 */
#include <config.h>

#include "base/book.h"

#include "base/list.h"
#include "base/strmap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SHARD_BITS 4
#define SHARDS (1 << SHARD_BITS)

struct shard {
	pthread_mutex_t lock;
	struct strmap *entries; /* NULL: this shard was not made */
	struct list unused;
};

struct entry {
	struct list_node node; /* in unused, while it has no users */
	struct shard *shard;
	uint64_t key, asked;   /* ms */
	uint32_t uses;
	_Alignas(8) unsigned char bytes[];
};

struct book {
	size_t size, unused;
	uint64_t keep;
	atomic_uint next; /* shard to be looked through */
	struct shard shards[SHARDS];
};

static struct entry *entry_of(void *bytes) { return (struct entry *)(void *)((char *)bytes - offsetof(struct entry, bytes)); }

static void forget(struct entry *e)
{
	strmap_del(e->shard->entries, (const char *)&e->key, sizeof(e->key));
	list_remove(&e->shard->unused, &e->node);
	free(e);
}

static struct entry *make(struct book *b, struct shard *s, uint64_t key)
{
	struct entry *e = calloc(1, sizeof(*e) + b->size);

	if (e == NULL || strmap_put(s->entries, (const char *)&key, sizeof(key), e) < 0) {
		free(e);
		return NULL;
	}
	e->shard = s;
	e->key = key;
	list_append(&s->unused, &e->node);
	if (s->unused.count > b->unused / SHARDS + 1)
		forget(list_entry(list_first(&s->unused), struct entry, node));
	return e;
}

void *book_open(struct book *b, uint64_t key, uint64_t now)
{
	uint64_t hash = strmap_hash((const char *)&key, sizeof(key));
	struct shard *s = &b->shards[hash >> (64 - SHARD_BITS)];
	struct entry *e;

	pthread_mutex_lock(&s->lock);
	e = strmap_get_hashed(s->entries, (const char *)&key, sizeof(key), hash);
	if (e == NULL)
		e = make(b, s, key);
	if (e) {
		if (now > e->asked) /* another thread's may be a little behind */
			e->asked = now;
		return e->bytes;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

void book_close(struct book *b, void *entry, int uses)
{
	struct entry *e = entry_of(entry);
	struct shard *s = e->shard;

	(void)b;
	if (e->uses == 0)
		list_remove(&s->unused, &e->node);
	e->uses = (uint32_t)((int64_t)e->uses + uses);
	if (e->uses == 0)
		list_append(&s->unused, &e->node);
	pthread_mutex_unlock(&s->lock);
}

void book_tick(struct book *b, uint64_t now)
{
	struct shard *s = &b->shards[atomic_fetch_add_explicit(&b->next, 1, memory_order_relaxed) % SHARDS];

	pthread_mutex_lock(&s->lock);
	while (!list_empty(&s->unused)) {
		struct entry *e = list_entry(list_first(&s->unused), struct entry, node);

		if (now - e->asked < b->keep || now < e->asked)
			break;
		forget(e);
	}
	pthread_mutex_unlock(&s->lock);
}

size_t book_count(struct book *b)
{
	size_t n = 0;

	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_lock(&b->shards[i].lock);
		n += strmap_count(b->shards[i].entries);
		pthread_mutex_unlock(&b->shards[i].lock);
	}
	return n;
}

struct book *book_new(size_t size, size_t unused, uint64_t keep)
{
	struct book *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->size = size;
	b->unused = unused;
	b->keep = keep;
	for (size_t i = 0; i < SHARDS; i++) {
		struct strmap *entries = strmap_new();

		if (entries == NULL || pthread_mutex_init(&b->shards[i].lock, NULL)) {
			strmap_free(entries);
			book_free(b);
			return NULL;
		}
		list_init(&b->shards[i].unused);
		b->shards[i].entries = entries;
	}
	return b;
}

void book_free(struct book *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < SHARDS && b->shards[i].entries; i++) {
		size_t pos = 0;
		struct entry *e;

		while ((e = strmap_next(b->shards[i].entries, &pos, NULL, NULL)))
			free(e);
		strmap_free(b->shards[i].entries);
		pthread_mutex_destroy(&b->shards[i].lock);
	}
	free(b);
}
