#include <config.h>

#include "net/fanout.h"
#include "net/conn.h"
#include "net/framer.h"
#include "net/sender.h"
#include "net/worker.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

struct member {
	struct conn *conn;
	uint64_t sent; /* the room's bytes up to here are with the connection */
};

struct batch {
	char *data;
	size_t len, size;
	uint64_t begin; /* position of data[0] */
};

/* The members of one kind who take the same bytes. */
struct fanout_wire {
	struct worker *worker;
	struct fanout_wire *next;       /* of the room */
	struct fanout_wire *next_dirty; /* of the worker */
	struct member *members;
	uint32_t n, capacity;
	uint32_t cursor;                /* members before it have had the flushing batch */
	struct batch filling, flushing; /* flushing ends where filling begins */
	uint64_t begun, rests_until;    /* us: see rest() */
	uint8_t deflate_bits;           /* as struct conn has it */
	uint8_t kind;                   /* 0: free, for nobody is in it */
	bool dirty;
};

struct fanout {
	struct fanout_wire first; /* of the list; the others come with their first member */
};

struct fanout *fanout_new(struct worker *w)
{
	struct fanout *f = calloc(1, sizeof(*f));

	if (f)
		f->first.worker = w;
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

/* Before the rooms that gave way: a small one does not wait for their strides. */
static void mark_dirty(struct fanout_wire *wire)
{
	struct worker *w = wire->worker;

	worker_flush_soon(w);
	if (wire->dirty)
		return;
	wire->dirty = true;
	wire->next_dirty = w->dirty;
	if (w->dirty == NULL)
		w->dirty_tail = &wire->next_dirty;
	w->dirty = wire;
}

/* Goes on in the next turn. */
static void stay_dirty(struct fanout_wire *wire)
{
	struct worker *w = wire->worker;

	wire->next_dirty = NULL;
	*w->dirty_tail = wire;
	w->dirty_tail = &wire->next_dirty;
}

static void unmark_dirty(struct fanout_wire *wire)
{
	struct fanout_wire **p = &wire->worker->dirty;

	if (!wire->dirty)
		return;
	while (*p != wire)
		p = &(*p)->next_dirty;
	*p = wire->next_dirty;
	if (wire->worker->dirty_tail == &wire->next_dirty)
		wire->worker->dirty_tail = p;
	wire->dirty = false;
}

static int append(struct fanout_wire *wire, const struct framer_frame *f)
{
	struct batch *b = &wire->filling;

	if (!batch_reserve(b, wire->worker, f->head_len + f->body_len))
		return -1;
	memcpy(b->data + b->len, f->head, f->head_len);
	memcpy(b->data + b->len + f->head_len, f->body, f->body_len);
	b->len += f->head_len + f->body_len;
	mark_dirty(wire);
	stats_add(STAT_deliveries, wire->n);
	return 0;
}

int fanout_publish(struct fanout *f, const char *text, size_t len, unsigned kinds)
{
	struct framer framer;
	struct framer_frame frame;
	int result = 0;

	framer_init(&framer, f->first.worker, WS_OP_TEXT, text, len);
	for (struct fanout_wire *wire = &f->first; wire; wire = wire->next) {
		if (!(wire->kind & kinds))
			continue;
		framer_make(&framer, wire->deflate_bits, &frame);
		if (append(wire, &frame) < 0)
			result = -1;
	}
	return result;
}

/* ---- sending ---- */

static uint64_t end_of(const struct batch *b) { return b->begin + b->len; }

typedef void write_fn(struct conn *c, const void *data, size_t len);

static void send_rest(struct member *m, const struct batch *b, write_fn *write)
{
	uint64_t from = m->sent;

	if (b->len == 0 || from >= end_of(b))
		return;
	m->sent = end_of(b);
	write(m->conn, b->data + (from - b->begin), (size_t)(end_of(b) - from));
}

static void serve(struct member *m, const struct fanout_wire *wire)
{
	send_rest(m, &wire->flushing, conn_write_batch);
	send_rest(m, &wire->filling, conn_write_batch);
}

void fanout_serve(struct conn *c)
{
	for (struct fanout_seat *s = c->seats; s; s = s->next)
		if (s->wire->dirty)
			serve(&s->wire->members[s->index], s->wire);
}

/*
 * Of N workers each sends to an Nth of a large room, in an Nth of the time. It
 * rests for the others' part before the next flush: otherwise N times as many
 * batches go out, each with an Nth of the messages, and cost nearly as much
 * each. A room that is quiet is not kept waiting by this.
 */
static bool is_paced(const struct fanout_wire *wire)
{
	return wire->worker->opts.workers > 1 && wire->n >= FANOUT_PACED;
}

static void rest(struct fanout_wire *wire)
{
	uint64_t now = clock_us(), long_as = (now - wire->begun) * (wire->worker->opts.workers - 1);

	wire->rests_until = now + (long_as < FANOUT_REST_MAX ? long_as : FANOUT_REST_MAX);
}

/* How many us it is to rest still. */
static uint64_t rest_left(const struct fanout_wire *wire)
{
	uint64_t now;

	if (wire->rests_until == 0 || wire->flushing.len)
		return 0;
	now = clock_us();
	return wire->rests_until > now ? wire->rests_until - now : 0;
}

/* Begins with what was filled, if nothing is being flushed. */
static void begin_flush(struct fanout_wire *wire)
{
	struct batch empty = { .begin = end_of(&wire->filling) };

	if (wire->flushing.len)
		return;
	wire->flushing = wire->filling;
	wire->filling = empty;
	wire->cursor = 0;
	if (is_paced(wire))
		wire->begun = clock_us();
}

/* The rest of the members get their batch; where they are more than FANOUT_WHOLE, a stride of them. */
static void begin_stride(struct fanout_wire *wire)
{
	uint32_t stop;

	begin_flush(wire);
	stop = wire->n > FANOUT_WHOLE ? wire->cursor + FANOUT_STRIDE : wire->n;
	if (stop > wire->n)
		stop = wire->n;
	while (wire->cursor < stop)
		send_rest(&wire->members[wire->cursor++], &wire->flushing, conn_write_soon);
}

/* They have had it. Returns whether there is more to do. */
static bool end_stride(struct fanout_wire *wire)
{
	if (wire->cursor < wire->n)
		return true;
	batch_release(&wire->flushing, wire->worker);
	wire->rests_until = 0;
	if (is_paced(wire))
		rest(wire);
	return wire->filling.len > 0;
}

/* The strides that were begun. Who has more to do, now or after its rest, stays dirty. */
static void end_strides(struct worker *w, struct fanout_wire *wire)
{
	while (wire) {
		struct fanout_wire *next = wire->next_dirty;

		wire->dirty = end_stride(wire);
		if (wire->dirty) {
			w->flush_rest = rest_left(wire) < w->flush_rest ? rest_left(wire) : w->flush_rest;
			stay_dirty(wire);
		}
		wire = next;
	}
}

int fanout_flush(struct worker *w)
{
	struct fanout_wire *wire = w->dirty, *resting = NULL, **p = &wire;

	/* Each dirty room has its stride; who has more goes to a new list, and so does who rests. */
	w->dirty = NULL;
	w->dirty_tail = &w->dirty;
	w->flush_rest = UINT64_MAX;
	while (*p) {
		struct fanout_wire *this = *p;
		uint64_t left = rest_left(this);

		if (left == 0) {
			begin_stride(this);
			p = &this->next_dirty;
			continue;
		}
		if (left < w->flush_rest)
			w->flush_rest = left;
		*p = this->next_dirty;
		this->next_dirty = resting;
		resting = this;
	}
	sender_finish(w->sender); /* all rooms together: many are small */
	end_strides(w, wire);
	while (resting) {
		struct fanout_wire *next = resting->next_dirty;

		stay_dirty(resting);
		resting = next;
	}
	return w->dirty != NULL;
}

/* ---- members ---- */

/* The seat of C that is in WIRE; it is in few. */
static struct fanout_seat *seat_in(struct conn *c, const struct fanout_wire *wire)
{
	struct fanout_seat *s = c->seats;

	while (s->wire != wire)
		s = s->next;
	return s;
}

static void put(struct fanout_wire *wire, uint32_t index, const struct member *m)
{
	wire->members[index] = *m;
	seat_in(m->conn, wire)->index = index;
}

/* A free wire, or a new one, for members of KIND who take BITS. NULL: no memory. */
static struct fanout_wire *wire_new(struct fanout *f, uint8_t bits, uint8_t kind)
{
	struct fanout_wire *wire = &f->first;

	while (wire->kind) {
		if (wire->next == NULL) {
			wire->next = calloc(1, sizeof(*wire));
			if (wire->next == NULL)
				return NULL;
			wire->next->worker = wire->worker;
		}
		wire = wire->next;
	}
	wire->deflate_bits = bits;
	wire->kind = kind;
	return wire;
}

static struct fanout_wire *wire_for(struct fanout *f, uint8_t bits, uint8_t kind)
{
	for (struct fanout_wire *wire = &f->first; wire; wire = wire->next)
		if (wire->deflate_bits == bits && wire->kind == kind)
			return wire;
	return wire_new(f, bits, kind);
}

static bool members_reserve(struct fanout_wire *wire)
{
	uint32_t capacity = wire->capacity ? wire->capacity + wire->capacity / 2 + 1 : 2;
	struct member *grown;

	if (wire->n < wire->capacity)
		return true;
	grown = realloc(wire->members, capacity * sizeof(*grown));
	if (grown == NULL)
		return false;
	wire->members = grown;
	wire->capacity = capacity;
	return true;
}

int fanout_add(struct fanout *f, struct fanout_seat *seat, struct conn *c, unsigned kind)
{
	struct fanout_wire *wire = wire_for(f, c->deflate_bits, (uint8_t)kind);
	struct member m = { c, 0 };

	if (wire == NULL || !members_reserve(wire))
		return -1;
	seat->wire = wire;
	seat->next = c->seats;
	c->seats = seat;
	m.sent = end_of(&wire->filling);
	put(wire, wire->n++, &m);
	return 0;
}

static void unlink_seat(struct conn *c, struct fanout_seat *seat)
{
	struct fanout_seat **p = &c->seats;

	while (*p != seat)
		p = &(*p)->next;
	*p = seat->next;
}

void fanout_remove(struct fanout_seat *seat)
{
	struct fanout_wire *wire = seat->wire;
	uint32_t gap = seat->index;
	struct conn *c = wire->members[gap].conn;

	if (wire->dirty)
		serve(&wire->members[gap], wire);
	/* Members that had the flushing batch stay before the cursor, the others behind it. */
	if (wire->flushing.len && gap < wire->cursor) {
		put(wire, gap, &wire->members[--wire->cursor]);
		gap = wire->cursor;
	}
	if (gap != --wire->n)
		put(wire, gap, &wire->members[wire->n]);
	else if (wire->n == 0)
		wire->kind = 0;
	unlink_seat(c, seat);
	if (wire->capacity > 16 && wire->n < wire->capacity / 4) {
		struct member *smaller = realloc(wire->members, wire->capacity / 2 * sizeof(*smaller));

		if (smaller) {
			wire->members = smaller;
			wire->capacity /= 2;
		}
	}
}

static void wire_clear(struct fanout_wire *wire)
{
	unmark_dirty(wire);
	free(wire->filling.data);
	free(wire->flushing.data);
	free(wire->members);
}

void fanout_free(struct fanout *f)
{
	struct fanout_wire *wire, *next;

	if (f == NULL)
		return;
	for (wire = f->first.next; wire; wire = next) {
		next = wire->next;
		wire_clear(wire);
		free(wire);
	}
	wire_clear(&f->first);
	free(f);
}
