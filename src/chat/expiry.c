#include <config.h>

#include "chat/expiry.h"

#include "base/strmap.h"

#include <stdbool.h>
#include <stdlib.h>

struct deadline {
	size_t index;     /* in the heap */
	int64_t due, end; /* wall time, ms */
	struct session *session;
	uint32_t serial;
};

struct expiry {
	struct strmap *by_serial;
	struct deadline **heap; /* the earliest first */
	size_t n, room;
};

struct expiry *expiry_new(void)
{
	struct expiry *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->by_serial = strmap_new();
	if (x->by_serial)
		return x;
	free(x);
	return NULL;
}

void expiry_free(struct expiry *x)
{
	if (x == NULL)
		return;
	strmap_free(x->by_serial);
	for (size_t i = 0; i < x->n; i++)
		free(x->heap[i]);
	free(x->heap);
	free(x);
}

size_t expiry_count(const struct expiry *x) { return x->n; }

static void place(struct expiry *x, size_t i, struct deadline *d)
{
	x->heap[i] = d;
	d->index = i;
}

/* D finds its place from INDEX on, upwards or downwards. */
static void sift(struct expiry *x, size_t i, struct deadline *d)
{
	for (size_t up; i > 0 && x->heap[up = (i - 1) / 2]->due > d->due; i = up)
		place(x, i, x->heap[up]);
	for (size_t down; (down = 2 * i + 1) < x->n; i = down) {
		if (down + 1 < x->n && x->heap[down + 1]->due < x->heap[down]->due)
			down++;
		if (x->heap[down]->due >= d->due)
			break;
		place(x, i, x->heap[down]);
	}
	place(x, i, d);
}

static struct deadline *find(const struct expiry *x, uint32_t serial)
{
	return strmap_get(x->by_serial, (const char *)&serial, sizeof(serial));
}

static bool make_room(struct expiry *x)
{
	size_t room = x->room ? x->room * 2 : 16;
	struct deadline **heap;

	if (x->n < x->room)
		return true;
	heap = realloc(x->heap, room * sizeof(struct deadline *));
	if (heap == NULL)
		return false;
	x->heap = heap;
	x->room = room;
	return true;
}

/* A new one, at the heap's end. NULL: no memory. */
static struct deadline *add(struct expiry *x, uint32_t serial)
{
	struct deadline *d = make_room(x) ? calloc(1, sizeof(*d)) : NULL;

	if (d == NULL || strmap_put(x->by_serial, (const char *)&serial, sizeof(serial), d) < 0) {
		free(d);
		return NULL;
	}
	d->serial = serial;
	place(x, x->n++, d);
	return d;
}

int expiry_set(struct expiry *x, uint32_t serial, struct session *s, int64_t tell, int64_t end)
{
	struct deadline *d = find(x, serial);

	if (d == NULL)
		d = add(x, serial);
	if (d == NULL)
		return -1;
	d->session = s;
	d->due = tell;
	d->end = end;
	sift(x, d->index, d);
	return 0;
}

void expiry_clear(struct expiry *x, uint32_t serial)
{
	struct deadline *d = strmap_del(x->by_serial, (const char *)&serial, sizeof(serial)), *last;

	if (d == NULL)
		return;
	last = x->heap[--x->n];
	if (last != d)
		sift(x, d->index, last);
	free(d);
}

struct session *expiry_next(struct expiry *x, int64_t now, int64_t *left)
{
	struct deadline *d = x->n ? x->heap[0] : NULL;
	struct session *s;

	if (d == NULL || d->due > now)
		return NULL;
	s = d->session;
	*left = d->end > now ? d->end - now : 0;
	if (*left == 0) {
		expiry_clear(x, d->serial);
	} else {
		d->due = d->end;
		sift(x, 0, d);
	}
	return s;
}
