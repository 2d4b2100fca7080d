#include <config.h>

#include "store/journal_sqlite.h"
#include "store/sqlite_reader.h"
#include "store/sqlite_writer.h"

#include "base/strmap.h"

#include <stdio.h>
#include <stdlib.h>

struct journal_sqlite {
	struct journal journal; /* first: it is what callers hold */
	struct sqlite_writer *writer;
	struct sqlite_reader *reader;
};

static struct journal_sqlite *of(struct journal *j) { return (struct journal_sqlite *)j; }
static struct sqlite_writer *writer_of(struct journal_room *r) { return of(r->journal)->writer; }

/* What a waiting request takes, about. */
static size_t weigh(const struct journal_message *m)
{
	return sizeof(struct request) + (m->body ? m->body->len : 0) + (m->sender ? m->sender->len : 0);
}

static struct journal_room *subscribe(struct journal *j, struct payload *name, struct journal_port *port,
				      const struct journal_listener *listener, void *home)
{
	struct journal_room *r = calloc(1, sizeof(*r));
	struct request *q = r ? sqlite_request_new(SUBSCRIBE, r, NULL, NULL) : NULL;

	if (q)
		r->farewell = sqlite_request_new(UNSUBSCRIBE, r, NULL, NULL);
	if (q == NULL || r->farewell == NULL) {
		sqlite_request_free(q);
		free(r);
		return NULL;
	}
	r->journal = j;
	r->name = payload_ref(name);
	r->to = port->to;
	r->port = port;
	r->listener = listener;
	r->home = home;
	sqlite_writer_post(writer_of(r), port, q);
	return r;
}

static void unsubscribe(struct journal_room *r)
{
	struct request *q = r->farewell;

	r->listener = NULL;
	r->farewell = NULL;
	sqlite_writer_post(writer_of(r), r->port, q);
}

/* Q NULL: there is no memory. */
static void post(struct journal_room *r, struct request *q, void *tag)
{
	if (q == NULL) {
		r->listener->refused(r->home, tag, JOURNAL_NO_MEMORY);
		return;
	}
	q->weight = weigh(&q->message);
	if (sqlite_writer_post(writer_of(r), r->port, q))
		return;
	q->status = JOURNAL_UNAVAILABLE;
	request_answer(q);
}

static void append(struct journal_room *r, const struct journal_entry *e, void *tag)
{
	static const uint64_t seed[2] = { 0, 0 }; /* the same at every start */
	const struct payload *content = e->content ? e->content : e->body;
	struct journal_message m = { .sender = e->sender, .body = e->body, .tag = tag };
	struct request *q = sqlite_request_new(APPEND, r, &m, e->cid);

	if (q && e->cid)
		q->digest = strmap_siphash(seed, content->data, content->len);
	post(r, q, tag);
}

static void amend(struct journal_room *r, uint64_t target, struct payload *sender, struct payload *body, void *tag)
{
	struct journal_message m = { .kind = body ? JOURNAL_AMENDMENT : JOURNAL_ERASURE, .target = target,
				     .sender = sender, .body = body, .tag = tag };

	post(r, sqlite_request_new(CHANGE, r, &m, NULL), tag);
}

static void erase(struct journal_room *r, uint64_t target, struct payload *sender, void *tag)
{
	amend(r, target, sender, NULL, tag);
}

static void read_page(struct journal_room *r, bool after, uint64_t at, size_t limit, void *tag)
{
	struct query *q = calloc(1, sizeof(*q));

	if (q == NULL) {
		r->listener->page(r->home, tag, JOURNAL_NO_MEMORY, NULL, 0, false);
		return;
	}
	q->room = r;
	q->after = after;
	q->at = at;
	q->limit = limit;
	q->tag = tag;
	r->queries++;
	sqlite_reader_post(of(r->journal)->reader, q);
}

static void read_before(struct journal_room *r, uint64_t before, size_t limit, void *tag)
{
	read_page(r, false, before, limit, tag);
}

static void read_after(struct journal_room *r, uint64_t after, size_t limit, void *tag)
{
	read_page(r, true, after, limit, tag);
}

static void state(struct journal *j, struct journal_port *port, struct journal_state *s)
{
	struct request *q = sqlite_request_new(STATE, NULL, NULL, NULL);

	s->to = port->to;
	if (q) {
		q->state = s;
		q->weight = sizeof(*q) + (s->value ? s->value->len : 0);
		if (sqlite_writer_post(of(j)->writer, port, q))
			return;
	}
	s->status = q ? JOURNAL_UNAVAILABLE : JOURNAL_NO_MEMORY;
	sqlite_request_free(q);
	s->letter.open = s->answered;
	mailbox_post(s->to, &s->letter);
}

static bool send(struct journal *j, struct journal_port *port) { return sqlite_writer_send(of(j)->writer, port); }

static void journal_free(struct journal *j)
{
	sqlite_reader_free(of(j)->reader); /* which may still tell the writer something */
	sqlite_writer_free(of(j)->writer);
	free(j);
}

static const struct journal_ops ops = { subscribe, unsubscribe, append, amend, erase,
					read_before, read_after, state, send, journal_free };

struct journal *journal_sqlite_new(const struct journal_sqlite_opts *opts, char *err, size_t size)
{
	struct journal_sqlite *j = calloc(1, sizeof(*j));
	struct journal_sqlite_opts o = *opts;

	snprintf(err, size, "no memory");
	if (j == NULL)
		return NULL;
	j->journal.ops = &ops;
	o.max_pending = o.max_pending ? o.max_pending : 64 * 1024 * 1024;
	o.retry = o.retry ? o.retry : 1000;
	o.batch = o.batch ? o.batch : 1024;
	j->writer = sqlite_writer_new(&o, err, size);
	j->reader = j->writer ? sqlite_reader_new(o.folder, j->writer) : NULL;
	if (j->reader && sqlite_reader_start(j->reader, sqlite_writer_wants_check(j->writer)) == 0 &&
	    sqlite_writer_start(j->writer) == 0)
		return &j->journal;
	if (j->writer)
		snprintf(err, size, "no memory for the journal's threads");
	journal_free(&j->journal);
	return NULL;
}
