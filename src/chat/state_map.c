#include <config.h>

#include "chat/state_map.h"

#include "base/clock.h"
#include "base/strmap.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_EVERY 1000 /* ms between two looks for what has expired */

struct entry {
	struct payload *value;
	uint64_t until; /* ms; 0: for ever */
};

struct scope {
	struct strmap *entries;
};

struct state_map {
	pthread_mutex_t lock;
	struct strmap *scopes;
	size_t count;
	uint64_t swept;
};

struct state_map *state_map_new(void)
{
	struct state_map *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->scopes = strmap_new();
	if (m->scopes == NULL) {
		free(m);
		return NULL;
	}
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

static void drop_entry(struct state_map *m, struct scope *s, const char *key, size_t len)
{
	struct entry *e = strmap_del(s->entries, key, len);

	if (e == NULL)
		return;
	m->count--;
	payload_unref(e->value);
	free(e);
}

static void drop_scope_if_empty(struct state_map *m, struct scope *s, const char *name, size_t len)
{
	if (strmap_count(s->entries) > 0)
		return;
	strmap_del(m->scopes, name, len);
	strmap_free(s->entries);
	free(s);
}

void state_map_free(struct state_map *m)
{
	struct scope *s;
	struct entry *e;

	if (m == NULL)
		return;
	for (size_t at = 0; (s = strmap_next(m->scopes, &at, NULL, NULL)) != NULL;) {
		for (size_t pos = 0; (e = strmap_next(s->entries, &pos, NULL, NULL)) != NULL;) {
			payload_unref(e->value);
			free(e);
		}
		strmap_free(s->entries);
		free(s);
	}
	strmap_free(m->scopes);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static bool over(const struct entry *e, uint64_t now) { return e->until && e->until <= now; }

/* Removes one entry of S that has expired. The map must not change in a walk: one at a time. */
static bool drop_one(struct state_map *m, struct scope *s, uint64_t now)
{
	struct entry *e;
	const char *key;
	size_t len;

	for (size_t pos = 0; (e = strmap_next(s->entries, &pos, &key, &len)) != NULL;) {
		if (!over(e, now))
			continue;
		struct payload *copy = payload_new(key, len);

		if (copy)
			drop_entry(m, s, copy->data, copy->len);
		payload_unref(copy);
		return copy != NULL;
	}
	return false;
}

/* What nobody asked for again goes as well, a little at a time. */
static void sweep(struct state_map *m, uint64_t now)
{
	struct scope *s;
	const char *name;
	size_t len;

	if (now - m->swept < SWEEP_EVERY)
		return;
	m->swept = now;
	for (size_t at = 0; (s = strmap_next(m->scopes, &at, &name, &len)) != NULL;) {
		while (drop_one(m, s, now))
			;
		if (strmap_count(s->entries) == 0) {
			struct payload *copy = payload_new(name, len);

			if (copy)
				drop_scope_if_empty(m, s, copy->data, copy->len);
			payload_unref(copy);
			return; /* the map has changed: the others have their turn */
		}
	}
}

static struct scope *scope_get(struct state_map *m, const struct payload *name)
{
	struct scope *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->entries = strmap_new();
	if (s->entries && strmap_put(m->scopes, name->data, name->len, s) == 0)
		return s;
	strmap_free(s->entries);
	free(s);
	return NULL;
}

static enum journal_status put(struct state_map *m, struct scope *s, const struct journal_state *q, uint64_t now)
{
	struct entry *e = s ? strmap_get(s->entries, q->key->data, q->key->len) : NULL;

	if (e == NULL) {
		if (m->count >= STATE_MAP_MAX)
			return JOURNAL_UNAVAILABLE;
		s = s ? s : scope_get(m, q->scope);
		e = s ? calloc(1, sizeof(*e)) : NULL;
		if (e == NULL || strmap_put(s->entries, q->key->data, q->key->len, e) < 0) {
			free(e);
			if (s)
				drop_scope_if_empty(m, s, q->scope->data, q->scope->len);
			return JOURNAL_NO_MEMORY;
		}
		m->count++;
	}
	payload_unref(e->value);
	e->value = payload_ref(q->value);
	e->until = q->keep ? now + q->keep : 0;
	return JOURNAL_OK;
}

static void give(struct journal_state *q, struct payload *key, const struct entry *e, uint64_t now)
{
	q->found[q->n++] = (struct journal_value){ key, payload_ref(e->value), e->until ? e->until - now : 0 };
}

static enum journal_status get(struct scope *s, struct journal_state *q, uint64_t now)
{
	const struct entry *e = s ? strmap_get(s->entries, q->key->data, q->key->len) : NULL;

	if (e == NULL || over(e, now))
		return JOURNAL_OK;
	q->found = calloc(1, sizeof(*q->found));
	if (q->found == NULL)
		return JOURNAL_NO_MEMORY;
	give(q, payload_ref(q->key), e, now);
	return JOURNAL_OK;
}

static int by_key(const void *a, const void *b)
{
	const struct payload *x = ((const struct journal_value *)a)->key, *y = ((const struct journal_value *)b)->key;
	int d = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);

	return d ? d : (x->len > y->len) - (x->len < y->len);
}

static enum journal_status list(struct scope *s, struct journal_state *q, uint64_t now)
{
	struct entry *e;
	const char *key;
	size_t len;

	if (s == NULL)
		return JOURNAL_OK;
	q->found = calloc(strmap_count(s->entries), sizeof(*q->found));
	if (q->found == NULL)
		return JOURNAL_NO_MEMORY;
	for (size_t pos = 0; (e = strmap_next(s->entries, &pos, &key, &len)) != NULL;) {
		struct payload *copy;

		if (over(e, now) || (q->key && (q->key->len > len || memcmp(q->key->data, key, q->key->len) != 0)))
			continue;
		copy = payload_new(key, len);
		if (copy == NULL)
			return JOURNAL_NO_MEMORY;
		give(q, copy, e, now);
	}
	if (q->n)
		qsort(q->found, q->n, sizeof(*q->found), by_key);
	return JOURNAL_OK;
}

static enum journal_status delete(struct state_map *m, struct scope *s, const struct journal_state *q)
{
	if (s == NULL)
		return JOURNAL_OK;
	drop_entry(m, s, q->key->data, q->key->len);
	drop_scope_if_empty(m, s, q->scope->data, q->scope->len);
	return JOURNAL_OK;
}

void state_map_do(struct state_map *m, struct journal_state *q)
{
	uint64_t now = clock_ms();
	struct scope *s;

	pthread_mutex_lock(&m->lock);
	sweep(m, now);
	s = strmap_get(m->scopes, q->scope->data, q->scope->len);
	switch (q->verb) {
	case JOURNAL_GET:
		q->status = get(s, q, now);
		break;
	case JOURNAL_PUT:
		q->status = put(m, s, q, now);
		break;
	case JOURNAL_DELETE:
		q->status = delete(m, s, q);
		break;
	case JOURNAL_LIST:
		q->status = list(s, q, now);
		break;
	}
	pthread_mutex_unlock(&m->lock);
}
