#include <config.h>

#include "chat/journal_memory.h"

#include "base/clock.h"
#include "base/strmap.h"
#include "chat/cid_map.h"
#include "chat/state_map.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct journal_memory {
	struct journal journal; /* first: it is what callers hold */
	struct journal_memory_opts opts;
	char boot[JOURNAL_EPOCH_MAX - 12]; /* no two starts have the same */
	atomic_uint epochs;
	struct state_map *state;
};

struct journal_room {
	struct journal_memory *journal;
	struct mailbox *to;
	const struct journal_listener *listener; /* NULL: unsubscribed */
	void *home;
	char epoch[JOURNAL_EPOCH_MAX];
	uint64_t seq;
	int64_t time;
	size_t letters; /* on their way: the room waits for them */
	struct cid_map *cids; /* NULL: none was given yet */

	struct journal_message *ring; /* grows up to opts.messages */
	size_t first, n, size, bytes;
};

/* ---- the ring ---- */

static struct journal_message *at(struct journal_room *r, size_t i) { return &r->ring[(r->first + i) % r->size]; }

static size_t len_of(const struct journal_message *m) { return m->body ? m->body->len : 0; }

static void release(struct journal_message *m)
{
	payload_unref(m->body);
	payload_unref(m->sender);
}

static void forget_oldest(struct journal_room *r)
{
	struct journal_message *m = at(r, 0);

	r->bytes -= len_of(m);
	release(m);
	r->first = (r->first + 1) % r->size;
	r->n--;
}

/* Room for one more, if there may be one. */
static bool make_place(struct journal_room *r)
{
	size_t most = r->journal->opts.messages, size = r->size ? r->size * 2 : 16;
	struct journal_message *ring;

	if (r->n < r->size)
		return true;
	if (r->size < most) {
		size = size > most ? most : size;
		ring = malloc(size * sizeof(*ring));
		if (ring) {
			for (size_t i = 0; i < r->n; i++)
				ring[i] = *at(r, i);
			free(r->ring);
			r->ring = ring;
			r->first = 0;
			r->size = size;
			return true;
		}
	}
	if (r->n)
		forget_oldest(r);
	return r->n < r->size;
}

static void remember(struct journal_room *r, const struct journal_message *m)
{
	size_t most = r->journal->opts.bytes;

	if (r->journal->opts.messages == 0 || len_of(m) > most || !make_place(r))
		return;
	while (r->n && r->bytes + len_of(m) > most)
		forget_oldest(r);
	r->n++;
	*at(r, r->n - 1) = *m;
	at(r, r->n - 1)->tag = NULL;
	payload_ref(m->body);
	payload_ref(m->sender);
	r->bytes += len_of(m);
}

/* How many in the ring have a seq below SEQ. */
static size_t count_below(struct journal_room *r, uint64_t seq)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (at(r, middle)->seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The message SEQ, if it can be amended. */
static struct journal_message *find_message(struct journal_room *r, uint64_t seq)
{
	size_t i = count_below(r, seq);
	struct journal_message *m = i < r->n ? at(r, i) : NULL;

	return m && m->seq == seq && m->kind == JOURNAL_MESSAGE && m->body ? m : NULL;
}

static void set_body(struct journal_room *r, struct journal_message *m, struct payload *body)
{
	r->bytes -= len_of(m);
	payload_unref(m->body);
	m->body = payload_ref(body);
	r->bytes += len_of(m);
}

/* The room's next place. */
static struct journal_message next_place(struct journal_room *r)
{
	int64_t now = clock_wall_ms();

	if (now > r->time)
		r->time = now; /* a clock that was set back does not take the room's time along */
	return (struct journal_message){ .seq = ++r->seq, .time = r->time };
}

/* ---- letters ---- */

static void room_free(struct journal_room *r)
{
	while (r->n)
		forget_oldest(r);
	free(r->ring);
	cid_map_free(r->cids);
	free(r);
}

/* A letter of R was opened; whether somebody is subscribed to hear of it. */
static bool arrived(struct journal_room *r)
{
	r->letters--;
	return r->listener != NULL;
}

static void done_with(struct journal_room *r)
{
	if (r->listener == NULL && r->letters == 0)
		room_free(r);
}

static void post(struct journal_room *r, struct letter *l)
{
	r->letters++;
	mailbox_post(r->to, l);
}

struct plain_letter {
	struct letter letter;
	struct journal_room *room;
	struct journal_message message;
	enum journal_status why; /* it was refused */
};

static void open_subscribed(struct letter *letter, void *reader)
{
	struct plain_letter *l = (struct plain_letter *)letter;
	struct journal_room *r = l->room;

	(void)reader;
	if (arrived(r))
		r->listener->subscribed(r->home, r->epoch, l->message.seq);
	done_with(r);
	free(l);
}

static void open_message(struct letter *letter, void *reader)
{
	struct plain_letter *l = (struct plain_letter *)letter;
	struct journal_room *r = l->room;

	(void)reader;
	if (arrived(r))
		r->listener->message(r->home, &l->message);
	done_with(r);
	release(&l->message);
	free(l);
}

static void open_duplicate(struct letter *letter, void *reader)
{
	struct plain_letter *l = (struct plain_letter *)letter;
	struct journal_room *r = l->room;

	(void)reader;
	if (arrived(r))
		r->listener->duplicate(r->home, l->message.tag, l->message.seq, l->message.time);
	done_with(r);
	free(l);
}

static void open_refused(struct letter *letter, void *reader)
{
	struct plain_letter *l = (struct plain_letter *)letter;
	struct journal_room *r = l->room;

	(void)reader;
	if (arrived(r))
		r->listener->refused(r->home, l->message.tag, l->why);
	done_with(r);
	free(l);
}

struct page_letter {
	struct letter letter;
	struct journal_room *room;
	void *tag;
	size_t n;
	bool more;
	struct journal_message messages[];
};

static void open_page(struct letter *letter, void *reader)
{
	struct page_letter *l = (struct page_letter *)letter;
	struct journal_room *r = l->room;

	(void)reader;
	if (arrived(r))
		r->listener->page(r->home, l->tag, JOURNAL_OK, l->messages, l->n, l->more);
	done_with(r);
	for (size_t i = 0; i < l->n; i++)
		release(&l->messages[i]);
	free(l);
}

/* ---- the interface ---- */

static struct journal_room *subscribe(struct journal *j, struct payload *name, struct journal_port *port,
				      const struct journal_listener *listener, void *home)
{
	struct journal_memory *jm = (struct journal_memory *)j;
	struct journal_room *r = calloc(1, sizeof(*r));
	struct plain_letter *l = calloc(1, sizeof(*l));

	(void)name; /* nothing outlives the subscription */
	if (r == NULL || l == NULL) {
		free(r);
		free(l);
		return NULL;
	}
	r->journal = jm;
	r->to = port->to;
	r->listener = listener;
	r->home = home;
	snprintf(r->epoch, sizeof(r->epoch), "%s-%x", jm->boot, atomic_fetch_add(&jm->epochs, 1));
	l->letter.open = open_subscribed;
	l->room = r;
	post(r, &l->letter);
	return r;
}

static void unsubscribe(struct journal_room *r)
{
	r->listener = NULL;
	done_with(r);
}

/* A letter to answer a request with. NULL: the home was told that there is no memory. */
static struct plain_letter *new_answer(struct journal_room *r, void (*open)(struct letter *, void *), void *tag)
{
	struct plain_letter *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		r->listener->refused(r->home, tag, JOURNAL_NO_MEMORY);
		return NULL;
	}
	l->letter.open = open;
	l->room = r;
	l->message.tag = tag;
	return l;
}

static void refuse(struct journal_room *r, struct plain_letter *l, enum journal_status why)
{
	l->letter.open = open_refused;
	l->why = why;
	post(r, &l->letter);
}

static void deliver(struct journal_room *r, struct plain_letter *l, struct journal_message m)
{
	m.tag = l->message.tag;
	payload_ref(m.body);
	payload_ref(m.sender);
	l->message = m;
	remember(r, &m);
	post(r, &l->letter);
}

static uint64_t digest_of(const struct journal_entry *e)
{
	static const uint64_t seed[2] = { 0, 0 };
	const struct payload *p = e->content ? e->content : e->body;

	return strmap_siphash(seed, p->data, p->len);
}

/* Whether the entry's cid was seen: then L is on its way, as the answer. */
static bool is_repeat(struct journal_room *r, const struct journal_entry *e, struct plain_letter *l)
{
	const struct cid_seen *seen;

	if (r->cids == NULL)
		r->cids = cid_map_new(r->journal->opts.cid_keep);
	if (r->cids == NULL) {
		refuse(r, l, JOURNAL_NO_MEMORY);
		return true;
	}
	seen = cid_map_find(r->cids, e->sender, e->cid, clock_ms());
	if (seen == NULL)
		return false;
	if (seen->digest != digest_of(e)) {
		refuse(r, l, JOURNAL_CID_REUSED);
		return true;
	}
	l->letter.open = open_duplicate;
	l->message.seq = seen->seq;
	l->message.time = seen->time;
	post(r, &l->letter);
	return true;
}

static void append(struct journal_room *r, const struct journal_entry *e, void *tag)
{
	struct plain_letter *l = new_answer(r, open_message, tag);
	struct journal_message m;

	if (l == NULL || (e->cid && is_repeat(r, e, l)))
		return;
	m = next_place(r);
	m.sender = e->sender;
	m.body = e->body;
	if (e->cid) {
		struct cid_seen seen = { m.seq, m.time, digest_of(e) };

		if (cid_map_put(r->cids, e->sender, e->cid, &seen, clock_ms()) < 0) {
			r->seq--;
			refuse(r, l, JOURNAL_NO_MEMORY);
			return;
		}
	}
	deliver(r, l, m);
}

/* BODY NULL: erases. Earlier amendments of the same message lose their text, too. */
static void change(struct journal_room *r, uint64_t target, struct payload *sender, struct payload *body, void *tag)
{
	struct plain_letter *l = new_answer(r, open_message, tag);
	struct journal_message *old = l ? find_message(r, target) : NULL, m;

	if (l == NULL)
		return;
	if (old == NULL) {
		refuse(r, l, JOURNAL_NO_MESSAGE);
		return;
	}
	m = next_place(r);
	for (size_t i = old->changed ? count_below(r, old->changed) : r->n; i < r->n; i++)
		if (at(r, i)->target == target)
			set_body(r, at(r, i), NULL);
	old->changed = m.seq;
	set_body(r, old, body);
	m.kind = body ? JOURNAL_AMENDMENT : JOURNAL_ERASURE;
	m.target = target;
	m.sender = sender;
	m.body = body;
	deliver(r, l, m);
}

static void amend(struct journal_room *r, uint64_t target, struct payload *sender, struct payload *body, void *tag)
{
	change(r, target, sender, body, tag);
}

static void erase(struct journal_room *r, uint64_t target, struct payload *sender, void *tag)
{
	change(r, target, sender, NULL, tag);
}

/* N messages of the ring from FROM on. */
static void give_page(struct journal_room *r, size_t from, size_t n, bool more, void *tag)
{
	struct page_letter *l = calloc(1, sizeof(*l) + n * sizeof(l->messages[0]));

	if (l == NULL) {
		r->listener->page(r->home, tag, JOURNAL_NO_MEMORY, NULL, 0, false);
		return;
	}
	l->letter.open = open_page;
	l->room = r;
	l->tag = tag;
	l->n = n;
	l->more = more;
	for (size_t i = 0; i < n; i++) {
		l->messages[i] = *at(r, from + i);
		payload_ref(l->messages[i].body);
		payload_ref(l->messages[i].sender);
	}
	post(r, &l->letter);
}

static void read_before(struct journal_room *r, uint64_t before, size_t limit, void *tag)
{
	size_t end = before ? count_below(r, before) : r->n, n = end < limit ? end : limit;

	give_page(r, end - n, n, n < end, tag);
}

static void read_after(struct journal_room *r, uint64_t after, size_t limit, void *tag)
{
	size_t from = count_below(r, after + 1), rest = r->n - from, n = rest < limit ? rest : limit;

	give_page(r, from, n, n < rest, tag);
}

static void state(struct journal *j, struct journal_port *port, struct journal_state *s)
{
	state_map_do(((struct journal_memory *)j)->state, s);
	s->letter.open = s->answered;
	mailbox_post(port->to, &s->letter);
}

/* Nobody else is asked. */
static bool send(struct journal *j, struct journal_port *port)
{
	(void)j;
	(void)port;
	return false;
}

static void journal_free(struct journal *j)
{
	state_map_free(((struct journal_memory *)j)->state);
	free(j);
}

static const struct journal_ops ops = { subscribe, unsubscribe, append, amend, erase,
					read_before, read_after, state, send, journal_free };

struct journal *journal_memory_new(const struct journal_memory_opts *opts)
{
	struct journal_memory *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return NULL;
	j->journal.ops = &ops;
	j->opts = *opts;
	j->state = state_map_new();
	if (j->state == NULL) {
		free(j);
		return NULL;
	}
	snprintf(j->boot, sizeof(j->boot), "%" PRIx64, (uint64_t)clock_wall_ms());
	return &j->journal;
}
