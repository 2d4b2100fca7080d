#include <config.h>

#include "store/sqlite_letter.h"
#include "store/sqlite_db.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
	if (memory)
		return memory;
	log_error("no memory for a letter from the journal", "");
	abort();
}

void journal_room_release(struct journal_room *r)
{
	if (!r->gone || r->queries)
		return;
	payload_unref(r->name);
	free(r);
}

/* ---- requests ---- */

struct request *sqlite_request_new(enum verb verb, struct journal_room *room, const struct journal_message *message,
			    struct payload *cid)
{
	struct request *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->verb = verb;
	q->room = room;
	q->cid = payload_ref(cid);
	if (message) {
		q->message = *message;
		payload_ref(message->sender);
		payload_ref(message->body);
	}
	return q;
}

void sqlite_request_free(struct request *q)
{
	if (q == NULL)
		return;
	payload_unref(q->message.sender);
	payload_unref(q->message.body);
	payload_unref(q->cid);
	free(q);
}

static void open_answer(struct letter *letter, void *reader)
{
	struct request *q = (struct request *)letter;
	const struct journal_listener *l = q->room->listener;
	const struct journal_message *m = &q->message;

	(void)reader;
	if (l && q->status != JOURNAL_OK)
		l->refused(q->room->home, m->tag, q->status);
	else if (l && q->duplicate)
		l->duplicate(q->room->home, m->tag, m->seq, m->time);
	else if (l)
		l->message(q->room->home, m);
	sqlite_request_free(q);
}

static void open_farewell(struct letter *letter, void *reader)
{
	struct request *q = (struct request *)letter;
	struct journal_room *r = q->room;

	(void)reader;
	r->gone = true;
	journal_room_release(r);
	sqlite_request_free(q);
}

void request_answer(struct request *q)
{
	q->letter.open = q->verb == UNSUBSCRIBE ? open_farewell : open_answer;
	mailbox_post(q->room->to, &q->letter);
}

/* ---- queries ---- */

static void open_page(struct letter *letter, void *reader)
{
	struct query *q = (struct query *)letter;
	struct journal_room *r = q->room;

	(void)reader;
	if (r->listener)
		r->listener->page(r->home, q->tag, q->status, q->messages, q->n, q->more);
	sqlite_db_page_free(q->messages, q->n);
	free(q);
	r->queries--;
	journal_room_release(r);
}

void query_answer(struct query *q)
{
	q->letter.open = open_page;
	mailbox_post(q->room->to, &q->letter);
}

/* ---- news ---- */

struct news_letter {
	struct letter letter;
	struct journal_room *room;
	enum news what;
	char epoch[JOURNAL_EPOCH_MAX];
	uint64_t seq;
};

static void open_news(struct letter *letter, void *reader)
{
	struct news_letter *n = (struct news_letter *)letter;
	const struct journal_listener *l = n->room->listener;
	void *home = n->room->home;

	(void)reader;
	if (l && n->what == NEWS_SUBSCRIBED)
		l->subscribed(home, n->epoch, n->seq);
	else if (l && n->what == NEWS_EPOCH)
		l->epoch_changed(home, n->epoch, n->seq);
	else if (l && n->what == NEWS_UNAVAILABLE)
		l->unavailable(home);
	else if (l)
		l->available(home);
	free(n);
}

void news_post(struct journal_room *room, enum news what, const char *epoch, uint64_t seq)
{
	struct news_letter *n = must(malloc(sizeof(*n)));

	*n = (struct news_letter){ .letter.open = open_news, .room = room, .what = what, .seq = seq };
	snprintf(n->epoch, sizeof(n->epoch), "%s", epoch ? epoch : "");
	mailbox_post(room->to, &n->letter);
}

void news_post_message(struct journal_room *room, const struct journal_message *m)
{
	struct request *q = must(sqlite_request_new(APPEND, room, m, NULL));

	q->message.tag = NULL;
	request_answer(q);
}
