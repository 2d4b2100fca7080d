/*
 * hub: one worker's part of all rooms: the homes it keeps, the members it has.
 *
 * A room has one home worker (by the hash of its name), whose hub owns the
 * order: struct room. Every worker with members has a struct branch: the
 * members' seats and the audience. The two speak by letters between the
 * workers' mailboxes, also when they are the same worker, so there is one way
 * for everything and one order:
 *
 *     branch --join, part, ask--> room --joined, answer, publish--> every branch
 *
 * A letter names the room; who has no such room lets it fall. Letters to other
 * workers are collected until the turn's end, so that what one turn reads
 * wakes another worker once and is one batch there. Everything here belongs to
 * the hub's worker.
 */
#ifndef NATTER_CHAT_HUB_H
#define NATTER_CHAT_HUB_H

#include "base/list.h"
#include "base/mailbox.h"
#include "base/payload.h"
#include "base/shared.h"
#include "base/strmap.h"
#include "chat/audience.h"
#include "chat/journal.h"
#include "chat/person.h"
#include "chat/secret.h"

#include <stdbool.h>
#include <stdint.h>

struct book;

/* What counts for all at once, and may change while there are sessions: see hub_set_rules(). */
struct hub_rules {
	size_t max_rooms;
	uint32_t room_keep;               /* ms that an empty room keeps its past */
	uint32_t announce_max;            /* members above which joins and partings are summed up */
	uint32_t who_max;                 /* members above which they are only counted */
	uint32_t session_keep;            /* ms that a session outlives its connection */
	const struct tokens *tokens;      /* by which one may log in; NULL: none */
	/* whether a room that a client names may be entered; NULL: any */
	bool (*room_exists)(const void *arg, const struct payload *room);
	const void *room_exists_arg;
};

struct hub_opts {
	unsigned self, n;                 /* this worker, and how many there are */
	struct mailbox *const *mailboxes; /* one a worker; their reader is the worker's hub */
	struct journal *journal;
	struct shared_map *names;         /* who has which name, in the whole server */
	struct shared_map *sessions;      /* and who has which session, if it is not whose it was: see keeper.h */
	struct book *users;               /* directory_users(), or NULL */
	struct shared_count *rooms;       /* how many rooms have a home */
	struct hub_rules rules;           /* until others are set */
	struct secret_key key;            /* that signs sessions */
	bool key_kept;                    /* it is older than this process: so may sessions be */
	struct audience *(*audience_new)(void *arg); /* NULL: no memory */
	void *audience_arg;
	void (*send_soon)(void *arg);     /* hub_send() is due at the end of this turn; NULL: letters go at once */
	void *send_arg;
};

struct session;
struct branch;

/*
 * A session's place in a room; lives in the session, zeroed at first. The
 * answer to a join does not find it by its address but by the letter, which
 * is told when the session goes.
 */
struct membership {
	struct seat seat;      /* until it is taken, place[0] is the letter that asks for it */
	struct branch *branch; /* NULL: in no room */
};

struct hub *hub_new(const struct hub_opts *opts);

/* From now on R counts, whose tokens and arg must stay until others do. */
void hub_set_rules(struct hub *h, const struct hub_rules *r);
const struct hub_rules *hub_rules(const struct hub *h);

/* No session may be left. Letters to this hub must not be opened any more. */
void hub_free(struct hub *h);

/* Posts the letters to other workers and the journal, which are collected while a turn lasts. How many of these got some. */
unsigned hub_send(struct hub *h);

/* Once a second: sums of joins and partings go out, rooms that were empty for long are let go. */
void hub_tick(struct hub *h);

/* From now on nobody's coming and going is announced: all are leaving. */
void hub_hush(struct hub *h);

/* A number for a place in a room, which no other of its session has. */
uint32_t hub_next_place(struct hub *h);

/* A number for a session; with it, the number that no other session of the server has, never 0. */
uint32_t hub_next_serial(struct hub *h);
uint64_t hub_id(const struct hub *h, uint32_t serial);
struct shared_map *hub_names(struct hub *h);

/* How somebody enters a room. All is ref'd; see struct join_letter. */
struct hub_wish {
	struct payload *room;
	struct person *person;
	struct payload *cid;     /* or NULL */
	const char *address;     /* or NULL */
	bool v1, announced;
	struct payload *arrival; /* the line for all when it is there; or NULL */
	uint32_t history;
	bool since;
	const char *epoch;
	uint64_t seq;
	uint32_t recover_max;
};

/*
 * Asks for a place for M, which is S's. Answered, on this thread and later, by
 * session_joined(); until then hub_leave() may be called as well. -1: no memory.
 */
int hub_join(struct hub *h, struct membership *m, struct session *s, const struct hub_wish *wish);

struct join_letter;

/* The answer that session_joined() kept of a place that is not taken yet; or NULL. */
struct join_letter *hub_parked(const struct membership *m);

/* Takes L, which session_joined() kept because there was more: asks for it. */
void hub_join_more(struct hub *h, struct join_letter *l);

/* Ends M, whether its answer has come or not. P is who it is, PARTING (ref'd) is told to others, if ANNOUNCED. */
void hub_leave(struct hub *h, struct membership *m, struct person *p, bool announced, struct payload *parting);

/* M, which has its place, was OLD and is NOW; each may be NULL: a guest. */
void hub_rename(struct hub *h, struct membership *m, struct person *old, struct person *now, bool announced);

/* Takes Q, whose room, op and answered are set, and asks the room's home on behalf of the session SERIAL. */
struct request;
void hub_ask(struct hub *h, struct request *q, uint32_t serial);

/* Takes Q: collects up to its limit of rooms behind its text; their rows come back in order. */
void hub_ask_rooms(struct hub *h, struct request *q, uint32_t serial);

/* Takes Q: its body goes to all connections of its holder; without any: not_there. */
void hub_ask_direct(struct hub *h, struct request *q, uint32_t serial);

/* Takes Q, a direct message of a user to its target's user, or to its holder, whom only a worker of his knows; as hub_ask() does. */
void hub_ask_conversation(struct hub *h, struct request *q, uint32_t serial);

/* The name of the conversation of two users. The caller owns it. NULL: no memory. */
struct payload *hub_conversation(const char *one, const char *other);

/* Takes S: a request about state whose answer comes to this hub's mailbox. */
void hub_ask_state(struct hub *h, struct journal_state *s);

/* Keys of names, see name_cache.h. */
struct name_cache *hub_name_keys(struct hub *h);

/* The sessions here that may be written to. */
struct directory *hub_directory(struct hub *h);
struct session *hub_session(struct hub *h, uint32_t serial); /* NULL: it is gone */

/* A letter to the worker of HOLDER's session; or to another worker. */
void hub_post(struct hub *h, unsigned worker, struct letter *l);

const struct hub_opts *hub_options(const struct hub *h);
struct expiry *hub_expiry(struct hub *h);    /* whose token ends when */
struct expiry *hub_strangers(struct hub *h); /* who has to log in, by monotonic time */
struct keeper *hub_keeper(struct hub *h);

struct room;
/* The room of that name, if this is its home; or NULL. */
struct room *hub_home_room(struct hub *h, const struct payload *name);

/* TEXT (ref'd) for all in the room, as it is, not stored. */
void hub_relay(struct hub *h, const struct membership *m, struct payload *text);

/*
 * Whether another worker has so many letters waiting that who speaks here has
 * to slow down: with one worker, what cannot be worked off is not read; with
 * several, one could read more than the others can send.
 */
bool hub_is_behind(struct hub *h);

/* The room's name. */
const struct payload *hub_room_name(const struct membership *m);

#endif
