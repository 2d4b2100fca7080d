/*
 * room: a room at its home: who gives the order.
 *
 * It counts its members by worker, appends to the journal, and sends what the
 * journal puts in order to every worker that has members. Belongs to the hub
 * of its home worker, which calls it; it sends letters, never calls back.
 */
#ifndef NATTER_CHAT_ROOM_H
#define NATTER_CHAT_ROOM_H

#include "base/list.h"
#include "chat/hub.h"
#include "chat/journal.h"
#include "chat/reply.h"

/* A request for a place, and its answer: one letter there and back. */
struct join_letter {
	struct letter letter;
	struct join_letter *next;   /* waiting for the journal */
	struct list_node node;      /* or for a page of it */
	unsigned worker;            /* of the branch */
	struct payload *room;
	struct branch *branch;      /* this and the next two are the asking hub's; the home does not look at them */
	struct membership *member;  /* NULL: it went while the answer was on its way */
	struct payload *parting;    /* and this was to be said */
	struct payload *arrival;    /* the line for all, or NULL */
	uint32_t history;
	unsigned asked;             /* other workers, for the place of an empty room of theirs */
	bool place;                 /* it has one of max_rooms with it */

	bool joined;                /* the answer */
	char epoch[JOURNAL_EPOCH_MAX];
	uint64_t seq;
	struct payload **past;      /* whole texts, in order */
	size_t n_past;
};

void join_letter_free(struct join_letter *l);

/* A message for the order; comes back only when it was refused. */
struct say_letter {
	struct letter letter;
	struct list_node node; /* at the home, while it is being stored */
	unsigned worker;       /* of who says it, */
	uint32_t serial;       /* and the session's */
	struct payload *room, *body;
	struct payload *sender; /* opaque, see journal.h; or NULL */
	enum reply why;        /* the answer */
};

void say_letter_free(struct say_letter *l);

struct room;

/* What a room needs of its hub. */
struct room_opts {
	const struct hub_opts *hub;
	struct hub *owner;
	void (*post)(struct hub *owner, unsigned worker, struct letter *l);
	void (*answer)(struct letter *l, void *hub); /* opens join_letters on their way back */
	void (*refuse)(struct letter *l, void *hub); /* say_letters */
	void (*publish)(struct letter *l, void *hub); /* opens publish_letters */
};

struct publish_letter {
	struct letter letter;
	struct payload *room;
	struct payload *text;
	unsigned dialects;
};

/* NAME is ref'd. NULL: no memory. */
struct room *room_new(const struct room_opts *opts, struct payload *name);
void room_free(struct room *r);

/* Takes L, and answers it when the journal has said where the room stands. */
void room_join(struct room *r, struct join_letter *l);
/* A member of WORKER is gone. PARTING: ref'd, or NULL. */
void room_leave(struct room *r, unsigned worker, struct payload *parting);
/* Takes L. */
void room_say(struct room *r, struct say_letter *l);
void room_relay(struct room *r, struct payload *text);

/* Tells what was summed up. Once a second. */
void room_tick(struct room *r);

/* Whether nobody is in it, or about to be. */
bool room_is_empty(const struct room *r);
uint64_t room_empty_since(const struct room *r); /* ms */
const struct payload *room_name(const struct room *r);

#endif
