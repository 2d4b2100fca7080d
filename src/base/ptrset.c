/*
 * ptrset: see ptrset.h.
 *
 * Linear probing; at most 3/4 of the slots are used, and a removal moves back
 * what was pushed behind it (compare strmap.c).
 */
#include <config.h>

#include "base/ptrset.h"

#include <stdlib.h>

#define SLOTS_MIN 8

void ptrset_clear(struct ptrset *s)
{
	free(s->slots);
	*s = (struct ptrset){ NULL, 0, 0 };
}

void *ptrset_get(const struct ptrset *s, const struct ptrset_ops *ops, uint32_t hash, const void *key)
{
	if (s->count)
		for (size_t i = hash & (s->size - 1); s->slots[i]; i = (i + 1) & (s->size - 1))
			if (ops->has(s->slots[i], key))
				return s->slots[i];
	return NULL;
}

/* The slot of ENTRY, or the free one where it belongs. */
static size_t find(void *const *slots, size_t size, const struct ptrset_ops *ops, const void *entry)
{
	size_t i = ops->hash(entry) & (size - 1);

	while (slots[i] && slots[i] != entry)
		i = (i + 1) & (size - 1);
	return i;
}

/* 0, or -1: no memory, unchanged. */
static int resize(struct ptrset *s, const struct ptrset_ops *ops, size_t size)
{
	void **slots = calloc(size, sizeof(void *)), *entry;

	if (!slots)
		return -1;
	for (size_t pos = 0; (entry = ptrset_next(s, &pos)) != NULL;)
		slots[find(slots, size, ops, entry)] = entry;
	free(s->slots);
	s->slots = slots;
	s->size = size;
	return 0;
}

int ptrset_add(struct ptrset *s, const struct ptrset_ops *ops, void *entry)
{
	if (s->count >= s->size / 4 * 3 && resize(s, ops, s->size ? s->size * 2 : SLOTS_MIN) < 0)
		return -1;
	s->slots[find(s->slots, s->size, ops, entry)] = entry;
	s->count++;
	return 0;
}

/* Frees the slot HOLE by moving back what was pushed behind it by collisions. */
static void close_gap(struct ptrset *s, const struct ptrset_ops *ops, size_t hole)
{
	size_t mask = s->size - 1, i = hole;

	while (s->slots[i = (i + 1) & mask]) {
		size_t home = ops->hash(s->slots[i]) & mask;

		/* it may move when its home is not behind the hole, going round from it to here */
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			s->slots[hole] = s->slots[i];
			hole = i;
		}
	}
	s->slots[hole] = NULL;
}

void ptrset_remove(struct ptrset *s, const struct ptrset_ops *ops, const void *entry)
{
	size_t i = s->count ? find(s->slots, s->size, ops, entry) : 0;

	if (s->count == 0 || s->slots[i] == NULL)
		return;
	close_gap(s, ops, i);
	s->count--;
	if (s->size > SLOTS_MIN && s->count < s->size / 8)
		resize(s, ops, s->size / 2); /* where there is no memory for it, it stays large */
}

void *ptrset_next(const struct ptrset *s, size_t *pos)
{
	while (*pos < s->size) {
		void *entry = s->slots[(*pos)++];

		if (entry)
			return entry;
	}
	return NULL;
}
