/*
 * sqlite_letter: what travels between the rooms' homes and the threads of
 * journal_sqlite.
 *
 * A request goes from a home to the writer and comes back as its own answer,
 * a query likewise to the reader; news go one way. A struct journal_room is
 * what the home holds. It lives until its farewell has come back from the
 * writer and no query is on its way; all that home does on its own thread.
 */
#ifndef NATTER_STORE_SQLITE_LETTER_H
#define NATTER_STORE_SQLITE_LETTER_H

#include "chat/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stored_room;
struct request;

struct journal_room {
	struct journal *journal;
	struct payload *name;
	struct mailbox *to;

	struct journal_port *port;
	const struct journal_listener *listener; /* the home's, as is all up to the next gap; NULL: unsubscribed */
	void *home;
	struct request *farewell; /* kept from the first moment on, for it must not fail */
	size_t queries;           /* on their way */
	bool gone;                /* the farewell has come back */

	struct stored_room *stored; /* the writer's, as is the rest */
	struct journal_room *next;  /* another home of the same room */
	bool told;                  /* where the room stands */
};

enum verb { SUBSCRIBE, UNSUBSCRIBE, APPEND, CHANGE, STATE, BROKEN };

struct request {
	struct letter letter;
	struct request *next; /* in a batch */
	enum verb verb;
	struct journal_room *room;     /* NULL: STATE, BROKEN */
	struct journal_message message; /* what is asked for, and with seq and time what came of it */
	struct payload *cid;
	uint64_t digest;
	size_t weight; /* bytes, while it waits */
	enum journal_status status;
	bool duplicate;
	struct journal_state *state;
};

/* A query for a page. */
struct query {
	struct letter letter;
	struct journal_room *room;
	bool after;
	uint64_t at;
	size_t limit;
	void *tag;
	enum journal_status status;
	struct journal_message *messages;
	size_t n;
	bool more;
};

/* NULL: no memory. MESSAGE's payloads and CID are ref'd. */
struct request *sqlite_request_new(enum verb verb, struct journal_room *room, const struct journal_message *message,
			    struct payload *cid);
void sqlite_request_free(struct request *q);

/* On the journal's threads: Q is answered and on its way back. */
void request_answer(struct request *q);
void query_answer(struct query *q);

/* On the journal's threads: that there is no memory for it ends the process. */
enum news { NEWS_SUBSCRIBED, NEWS_EPOCH, NEWS_UNAVAILABLE, NEWS_AVAILABLE };
void news_post(struct journal_room *room, enum news what, const char *epoch, uint64_t seq);
/* Another home's message. */
void news_post_message(struct journal_room *room, const struct journal_message *m);

/* On the home's thread: frees R when nothing of it is on its way. */
void journal_room_release(struct journal_room *r);

#endif
