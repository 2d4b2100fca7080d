/*
 * request: what a session asks a room's home, and the answer: one letter there
 * and back.
 *
 * The home runs `op`, which takes the request, and sends it back with
 * room_answer(), at once or when the journal has answered; on the session's
 * worker `answered` is run if the session is still there.
 */
#ifndef NATTER_CHAT_REQUEST_H
#define NATTER_CHAT_REQUEST_H

#include "base/list.h"
#include "base/mailbox.h"
#include "base/payload.h"
#include "chat/journal.h"
#include "chat/person.h"
#include "chat/reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct room;
struct session;
struct request;

/* What a room's tag at the journal, and what waits for a room, begins with. */
struct errand {
	struct list_node node;
	void (*run)(struct room *r, struct errand *e); /* when it was waited for */
	void (*page)(struct room *r, struct errand *e, enum journal_status status, const struct journal_message *m,
		     size_t n, bool more);
	void (*drop)(struct errand *e); /* the room goes */
	uint64_t after; /* so many appends have to be settled first */
};

/* Whom a moderator means. */
struct target {
	struct payload *user; /* or NULL, and */
	struct payload *key;  /* a name's */
};

struct request {
	struct letter letter;
	struct errand errand;
	void (*op)(struct room *r, struct request *q);
	void (*kept)(struct room *r, struct request *q); /* when its state is at the journal, before it is answered; or NULL */
	void (*answered)(struct session *s, struct request *q);
	unsigned worker; /* of who asks, */
	uint32_t serial; /* and the session's, */
	uint32_t place;  /* and its place's number; 0: none */
	bool quiet;      /* only a refusal comes back */
	bool create;     /* the room comes into being, if need be */
	struct payload *room;
	struct payload *cid;  /* or NULL */
	struct person *by;    /* or NULL */
	struct payload *body, *content, *sender; /* see journal_entry */
	struct payload *text; /* a topic, a reason; or NULL */
	struct payload *address; /* of who asks, where it matters; or of the guest who is meant */
	struct target target;
	uint64_t seq;         /* target, before, after */
	bool after;
	uint32_t limit;
	uint64_t keep;        /* ms */
	unsigned asked;       /* workers that had it, of those it goes round */
	uint64_t holder;      /* whom a direct message is for, or a moderator means; 0: nobody */
	struct json_t *rows;  /* of rooms, collected on the way */

	enum reply why;       /* the answer: REPLY_COUNT: well */
	uint32_t retry_after; /* ms; 0: nothing to say about it */
	uint64_t answer_seq;  /* 0: none */
	int64_t answer_time;
	bool duplicate;
	struct payload *news;   /* that the room is told behind the answer, or HOLDER before it; or NULL */
	bool out, muted;        /* what happens to the holder's sessions in the room: they leave; they may be muted */
	struct payload *where;  /* ,"between":["7","9"] of a conversation; or NULL */
	struct payload *answer; /* an open object instead of an `ok`; or NULL */
};

struct request *request_new(void); /* zeroed, but for `why`. NULL: no memory. */
void request_free(struct request *q); /* NULL is fine */

static inline struct request *request_of(struct errand *e)
{
	return (struct request *)((char *)e - offsetof(struct request, errand));
}

#endif
