/*
 * table: see table.h.
 *
 * Linear probing. A hash's place is its share of the table, so a table may have
 * any size: at most 7/8 of the slots are used, it grows by a quarter, and under
 * 1/8 it is halved. A removal moves back what was pushed behind it (compare
 * strmap.c).
 */
#include <config.h>

#include "base/table.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 8

void table_clear(struct table *t)
{
	free(t->slots);
	*t = (struct table){ NULL, 0, 0 };
}

static char *slot(const struct table *t, const struct table_ops *ops, size_t i) { return t->slots + i * ops->entry; }

static bool is_free(const char *slot)
{
	uintptr_t first;

	memcpy(&first, slot, sizeof(first));
	return first == 0;
}

static size_t home(const struct table *t, uint32_t hash) { return (size_t)((uint64_t)hash * t->size >> 32); }
static size_t after(const struct table *t, size_t i) { return i + 1 < t->size ? i + 1 : 0; }

void *table_get(const struct table *t, const struct table_ops *ops, uint32_t hash, const void *key)
{
	if (t->count)
		for (size_t i = home(t, hash); !is_free(slot(t, ops, i)); i = after(t, i))
			if (ops->has(slot(t, ops, i), key))
				return slot(t, ops, i);
	return NULL;
}

/* There is a free slot. */
static void *put(struct table *t, const struct table_ops *ops, const void *entry)
{
	size_t i = home(t, ops->hash(entry));

	while (!is_free(slot(t, ops, i)))
		i = after(t, i);
	return memcpy(slot(t, ops, i), entry, ops->entry);
}

/* 0, or -1: no memory, unchanged. */
static int resize(struct table *t, const struct table_ops *ops, size_t size)
{
	struct table now = { calloc(size, ops->entry), size, t->count };
	const void *entry;

	if (!now.slots)
		return -1;
	for (size_t pos = 0; (entry = table_next(t, ops, &pos)) != NULL;)
		put(&now, ops, entry);
	free(t->slots);
	*t = now;
	return 0;
}

void *table_add(struct table *t, const struct table_ops *ops, const void *entry)
{
	if (t->count >= t->size - t->size / 8 && resize(t, ops, t->size ? t->size + t->size / 4 : SLOTS_MIN) < 0)
		return NULL;
	t->count++;
	return put(t, ops, entry);
}

/* Slots from A on to B, going round. */
static size_t way(const struct table *t, size_t a, size_t b) { return b >= a ? b - a : b + t->size - a; }

void table_remove(struct table *t, const struct table_ops *ops, void *entry)
{
	size_t hole = entry ? (size_t)((char *)entry - t->slots) / ops->entry : 0;

	if (entry == NULL)
		return;
	for (size_t i = after(t, hole); !is_free(slot(t, ops, i)); i = after(t, i)) {
		/* it may move when its home is not behind the hole, going round from it to here */
		if (way(t, home(t, ops->hash(slot(t, ops, i))), i) >= way(t, hole, i)) {
			memcpy(slot(t, ops, hole), slot(t, ops, i), ops->entry);
			hole = i;
		}
	}
	memset(slot(t, ops, hole), 0, ops->entry);
	t->count--;
	if (t->size > SLOTS_MIN && t->count < t->size / 8)
		resize(t, ops, t->size / 2 < SLOTS_MIN ? SLOTS_MIN : t->size / 2); /* where there is no memory for it, it stays large */
}

void *table_next(const struct table *t, const struct table_ops *ops, size_t *pos)
{
	while (*pos < t->size) {
		char *entry = slot(t, ops, (*pos)++);

		if (!is_free(entry))
			return entry;
	}
	return NULL;
}
