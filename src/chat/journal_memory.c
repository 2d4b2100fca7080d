#include <config.h>

#include "chat/journal_memory.h"

#include "base/clock.h"

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

	struct journal_message *ring; /* grows up to opts.messages */
	size_t first, n, size, bytes;
};

/* ---- the ring ---- */

static struct journal_message *at(struct journal_room *r, size_t i) { return &r->ring[(r->first + i) % r->size]; }

static void forget_oldest(struct journal_room *r)
{
	struct journal_message *m = at(r, 0);

	r->bytes -= m->body->len;
	payload_unref(m->body);
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

	if (r->journal->opts.messages == 0 || m->body->len > most || !make_place(r))
		return;
	while (r->n && r->bytes + m->body->len > most)
		forget_oldest(r);
	r->n++;
	*at(r, r->n - 1) = *m;
	payload_ref(m->body);
	r->bytes += m->body->len;
}

/* ---- letters ---- */

static void room_free(struct journal_room *r)
{
	while (r->n)
		forget_oldest(r);
	free(r->ring);
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
	payload_unref(l->message.body);
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
		payload_unref(l->messages[i].body);
	free(l);
}

/* ---- the interface ---- */

static struct journal_room *subscribe(struct journal *j, struct payload *name, struct mailbox *to,
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
	r->to = to;
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

static void append(struct journal_room *r, struct payload *body, uint64_t sender, void *tag)
{
	struct plain_letter *l = calloc(1, sizeof(*l));
	int64_t now = clock_wall_ms();

	if (l == NULL) {
		r->listener->refused(r->home, tag, JOURNAL_NO_MEMORY);
		return;
	}
	if (now > r->time)
		r->time = now; /* a clock that was set back does not take the room's time along */
	l->letter.open = open_message;
	l->room = r;
	l->message = (struct journal_message){ ++r->seq, r->time, sender, tag, payload_ref(body) };
	remember(r, &l->message);
	post(r, &l->letter);
}

static void read_before(struct journal_room *r, uint64_t before, size_t limit, void *tag)
{
	size_t end = r->n, n;
	struct page_letter *l;

	while (end > 0 && before && at(r, end - 1)->seq >= before)
		end--;
	n = end < limit ? end : limit;
	l = calloc(1, sizeof(*l) + n * sizeof(l->messages[0]));
	if (l == NULL) {
		r->listener->page(r->home, tag, JOURNAL_NO_MEMORY, NULL, 0, false);
		return;
	}
	l->letter.open = open_page;
	l->room = r;
	l->tag = tag;
	l->n = n;
	l->more = n < end;
	for (size_t i = 0; i < n; i++) {
		l->messages[i] = *at(r, end - n + i);
		l->messages[i].tag = NULL;
		payload_ref(l->messages[i].body);
	}
	post(r, &l->letter);
}

static void journal_free(struct journal *j) { free(j); }

static const struct journal_ops ops = { subscribe, unsubscribe, append, read_before, journal_free };

struct journal *journal_memory_new(const struct journal_memory_opts *opts)
{
	struct journal_memory *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return NULL;
	j->journal.ops = &ops;
	j->opts = *opts;
	snprintf(j->boot, sizeof(j->boot), "%" PRIx64, (uint64_t)clock_wall_ms());
	return &j->journal;
}
