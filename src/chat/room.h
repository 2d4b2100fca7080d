/*
 * room: a room at its home: who is in it, and who gives the order.
 *
 * It knows its members, appends to the journal, and sends what the journal
 * puts in order to every worker that has members. A direct conversation is a
 * room as well: its name begins with @ and holds its two users, it has no
 * members, and what is said there goes to all their connections. Belongs to
 * the hub of its home worker, which calls it; it sends letters, never calls back.
 *
 * room.c has the members and the order, room_join.c how somebody comes in with
 * what was missed, room_requests.c what else a session may ask of it,
 * room_moderation.c what its moderators do.
 */
#ifndef NATTER_CHAT_ROOM_H
#define NATTER_CHAT_ROOM_H

#include "base/list.h"
#include "chat/hub.h"
#include "chat/journal.h"
#include "chat/reply.h"
#include "chat/request.h"

/* Between the users in a conversation's name; no user's id and no room's name has it. */
#define ROOM_USERS_APART '\x01'

/* A request for a place, and its answer: one letter there and back; several times where much was missed. */
struct join_letter {
	struct letter letter;
	struct errand errand;
	unsigned worker;            /* of the branch */
	bool v1;
	struct payload *room;
	struct branch *branch;      /* this and the next five are the asking hub's; the home does not look at them */
	struct membership *member;  /* NULL: it went while the answer was on its way */
	struct session *session;    /* whose that is */
	struct payload *cid;        /* of natter.v1's request; or NULL */
	struct payload *parting;    /* and this was to be said */
	bool parked;                /* it waits there until the client has taken what it was sent */
	struct person *person;      /* NULL: a guest */
	struct payload *address;    /* NULL: does not matter */
	bool announced;             /* others may know, and */
	struct payload *arrival;    /* read this line; or NULL */
	uint32_t history;
	bool asked_since, since;    /* what came after FROM in FROM_EPOCH was missed; up to */
	char from_epoch[JOURNAL_EPOCH_MAX];
	uint64_t from;              /* moves on with every page */
	uint32_t recover_max;
	unsigned asked;             /* other workers, for the place of an empty room of theirs */
	bool place;                 /* it has one of max_rooms with it */
	bool marked;                /* `read` is known */

	bool joined;                /* the answer */
	bool recovered;             /* all that was missed is here or comes with further pages */
	bool more;                  /* those are to be asked for, with this letter; not a member until the last one */
	bool broken;                /* they are gone */
	bool told;                  /* that it joined */
	bool muted;
	enum reply why;             /* not joined */
	uint32_t retry_after;       /* ms */
	uint32_t members, guests;
	struct payload *topic;      /* ,"topic":"…"; or NULL */
	uint64_t read;              /* 0: no marker */
	char epoch[JOURNAL_EPOCH_MAX];
	uint64_t seq;
	struct payload **past;      /* whole texts, in order */
	size_t n_past;
};

void join_letter_free(struct join_letter *l);

/* A member goes, or is another person now. */
struct part_letter {
	struct letter letter;
	struct payload *room;
	unsigned worker;
	bool v1, announced;
	struct person *person; /* NULL: a guest */
	struct person *now;    /* another person: it stays */
	bool renamed;          /* into NOW, which may be NULL: a guest */
	struct payload *line;  /* that others read; or NULL */
};

/* What a room needs of its hub. */
struct room_opts {
	const struct hub_opts *hub;
	struct hub *owner;
	struct journal_port *port;
	void (*post)(struct hub *owner, unsigned worker, struct letter *l);
	void (*answer)(struct letter *l, void *hub);   /* opens join_letters on their way back */
	void (*answered)(struct letter *l, void *hub); /* requests */
	void (*publish)(struct letter *l, void *hub);  /* publish_letters */
	void (*deliver)(struct letter *l, void *hub);  /* direct_letters */
	void (*discipline)(struct letter *l, void *hub); /* requests on their round to their holder's sessions */
	void (*locate)(struct letter *l, void *hub);   /* requests that need their holder's address, for room_located() */
};

struct publish_letter {
	struct letter letter;
	struct payload *room;
	struct payload *text;
	unsigned dialects;
};

/* For all connections of one or two holders of names. */
struct direct_letter {
	struct letter letter;
	uint64_t holders[2]; /* 0: none */
	struct payload *text;
};

/* NAME is ref'd. NULL: no memory. */
struct room *room_new(const struct room_opts *opts, struct payload *name);
void room_free(struct room *r);

/* Takes L, and answers it when the journal has said where the room stands. */
void room_join(struct room *r, struct join_letter *l);
/* A member is gone, or renamed; as long as it was hushed nothing is announced. L stays the caller's. */
void room_part(struct room *r, const struct part_letter *l);
void room_relay(struct room *r, struct payload *text);

/* Takes Q: runs its `op` when the room is ready. */
void room_ask(struct room *r, struct request *q);

/* What a request's `op` may be; all take it. */
void room_say(struct room *r, struct request *q);
void room_edit(struct room *r, struct request *q);
void room_delete(struct room *r, struct request *q);
void room_history(struct room *r, struct request *q);
void room_who(struct room *r, struct request *q);
void room_read(struct room *r, struct request *q);
void room_topic(struct room *r, struct request *q);
void room_kick(struct room *r, struct request *q);
void room_ban(struct room *r, struct request *q);
void room_mute(struct room *r, struct request *q);

/* Takes Q, with its holder's address if that is there still. */
void room_located(struct room *r, struct request *q);

/* Takes Q to the workers of its holder's sessions, where its news and what else it brings is for them; then it is answered. */
void room_discipline(struct room *r, struct request *q);

/* Something that is not stored, of who may be muted. */
void room_pass(struct room *r, struct request *q);

/* Tells what was summed up. Once a second. */
void room_tick(struct room *r);

/* Whether nobody is in it, or about to be. */
bool room_is_empty(const struct room *r);
uint64_t room_empty_since(const struct room *r); /* ms */
const struct payload *room_name(const struct room *r);

/* A row for the list of rooms; NULL: no memory. The caller owns it. */
struct json_t *room_row(const struct room *r);

#endif
