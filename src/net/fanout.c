#include <config.h>

#include "net/fanout.h"
#include "net/conn.h"
#include "net/worker.h"

#include "wire/ws_frame.h"

#include <stdlib.h>
#include <string.h>

struct member {
	struct fanout_seat *seat;
	struct conn *conn;
	uint64_t sent; /* the room's bytes up to here are with the connection */
};

struct batch {
	char *data;
	size_t len, size;
	uint64_t begin; /* position of data[0] */
};

struct fanout {
	struct worker *worker;
	struct member *members;
	uint32_t n, capacity;
	uint32_t cursor;                /* members before it have had the flushing batch */
	struct batch filling, flushing; /* flushing ends where filling begins */
	struct fanout *next_dirty;
	bool dirty;
};

struct fanout *fanout_new(struct worker *w)
{
	struct fanout *f = calloc(1, sizeof(*f));

	if (f)
		f->worker = w;
	return f;
}

/* ---- batches ---- */

/* Gives the buffer back: one waits at the worker for the next room's turn. */
static void batch_release(struct batch *b, struct worker *w)
{
	if (w->spare_batch == NULL && b->size <= 65536) {
		w->spare_batch = b->data;
		w->spare_size = b->size;
	} else {
		free(b->data);
	}
	b->data = NULL;
	b->len = b->size = 0;
}

static bool batch_reserve(struct batch *b, struct worker *w, size_t more)
{
	size_t size = b->size ? b->size : 4096;
	char *grown;

	if (b->data == NULL && w->spare_batch) {
		b->data = w->spare_batch;
		b->size = w->spare_size;
		w->spare_batch = NULL;
	}
	if (b->len + more <= b->size)
		return true;
	while (size < b->len + more)
		size *= 2;
	grown = realloc(b->data, size);
	if (grown == NULL)
		return false;
	b->data = grown;
	b->size = size;
	return true;
}

static void mark_dirty(struct fanout *f)
{
	struct worker *w = f->worker;

	if (!f->dirty) {
		f->dirty = true;
		f->next_dirty = NULL;
		*w->dirty_tail = f;
		w->dirty_tail = &f->next_dirty;
	}
	worker_flush_soon(w);
}

static void unmark_dirty(struct fanout *f)
{
	struct fanout **p = &f->worker->dirty;

	if (!f->dirty)
		return;
	while (*p != f)
		p = &(*p)->next_dirty;
	*p = f->next_dirty;
	if (f->worker->dirty_tail == &f->next_dirty)
		f->worker->dirty_tail = p;
	f->dirty = false;
}

int fanout_publish(struct fanout *f, const char *text, size_t len)
{
	unsigned char head[WS_FRAME_HEAD_MAX_SERVER];
	size_t n = ws_frame_encode(head, WS_OP_TEXT, false, len);
	struct batch *b = &f->filling;

	if (f->n == 0)
		return 0;
	if (!batch_reserve(b, f->worker, n + len))
		return -1;
	memcpy(b->data + b->len, head, n);
	memcpy(b->data + b->len + n, text, len);
	b->len += n + len;
	mark_dirty(f);
	stats_add(STAT_deliveries, f->n);
	return 0;
}

/* ---- sending ---- */

static uint64_t end_of(const struct batch *b) { return b->begin + b->len; }

static void send_rest(struct member *m, const struct batch *b)
{
	uint64_t from = m->sent;

	if (b->len == 0 || from >= end_of(b))
		return;
	m->sent = end_of(b);
	conn_write_batch(m->conn, b->data + (from - b->begin), (size_t)(end_of(b) - from));
}

static void serve(struct member *m, const struct fanout *f)
{
	send_rest(m, &f->flushing);
	send_rest(m, &f->filling);
}

void fanout_serve(struct conn *c)
{
	for (struct fanout_seat *s = c->seats; s; s = s->next)
		if (s->fanout->dirty)
			serve(&s->fanout->members[s->index], s->fanout);
}

/* Begins with what was filled, if nothing is being flushed. */
static void begin_flush(struct fanout *f)
{
	struct batch empty = { .begin = end_of(&f->filling) };

	if (f->flushing.len)
		return;
	f->flushing = f->filling;
	f->filling = empty;
	f->cursor = 0;
}

/* Up to FANOUT_STRIDE members get their batch. Returns whether there is more to do. */
static bool flush_stride(struct fanout *f)
{
	uint32_t stop;

	begin_flush(f);
	stop = f->n - f->cursor > FANOUT_STRIDE ? f->cursor + FANOUT_STRIDE : f->n;
	while (f->cursor < stop)
		send_rest(&f->members[f->cursor++], &f->flushing);
	if (f->cursor < f->n)
		return true;
	batch_release(&f->flushing, f->worker);
	return f->filling.len > 0;
}

int fanout_flush(struct worker *w)
{
	struct fanout *f = w->dirty;

	/* Each dirty room has its stride; who has more goes to the end of a new list. */
	w->dirty = NULL;
	w->dirty_tail = &w->dirty;
	while (f) {
		struct fanout *next = f->next_dirty;

		f->dirty = false;
		if (flush_stride(f)) {
			f->dirty = true;
			f->next_dirty = NULL;
			*w->dirty_tail = f;
			w->dirty_tail = &f->next_dirty;
		}
		f = next;
	}
	return w->dirty != NULL;
}

/* ---- members ---- */

static void put(struct fanout *f, uint32_t index, const struct member *m)
{
	f->members[index] = *m;
	m->seat->index = index;
}

int fanout_add(struct fanout *f, struct fanout_seat *seat, struct conn *c)
{
	struct member m = { seat, c, end_of(&f->filling) };

	if (f->n == f->capacity) {
		uint32_t capacity = f->capacity ? f->capacity + f->capacity / 2 + 1 : 2;
		struct member *grown = realloc(f->members, capacity * sizeof(*grown));

		if (grown == NULL)
			return -1;
		f->members = grown;
		f->capacity = capacity;
	}
	seat->fanout = f;
	seat->conn = c;
	seat->next = c->seats;
	c->seats = seat;
	put(f, f->n++, &m);
	return 0;
}

static void unlink_seat(struct fanout_seat *seat)
{
	struct fanout_seat **p = &seat->conn->seats;

	while (*p != seat)
		p = &(*p)->next;
	*p = seat->next;
}

void fanout_remove(struct fanout_seat *seat)
{
	struct fanout *f = seat->fanout;
	uint32_t gap = seat->index;

	if (f->dirty)
		serve(&f->members[gap], f);
	unlink_seat(seat);
	/* Members that had the flushing batch stay before the cursor, the others behind it. */
	if (f->flushing.len && gap < f->cursor) {
		put(f, gap, &f->members[--f->cursor]);
		gap = f->cursor;
	}
	if (gap != --f->n)
		put(f, gap, &f->members[f->n]);
	if (f->capacity > 16 && f->n < f->capacity / 4) {
		struct member *smaller = realloc(f->members, f->capacity / 2 * sizeof(*smaller));

		if (smaller) {
			f->members = smaller;
			f->capacity /= 2;
		}
	}
}

void fanout_free(struct fanout *f)
{
	if (f == NULL)
		return;
	unmark_dirty(f);
	free(f->filling.data);
	free(f->flushing.data);
	free(f->members);
	free(f);
}
