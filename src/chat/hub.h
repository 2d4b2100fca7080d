/*
 * hub: one worker's part of all rooms: the homes it keeps, the members it has.
 *
 * A room has one home worker (by the hash of its name), whose hub owns the
 * order: struct room. Every worker with members has a struct branch: the
 * members' seats and the audience. The two speak by letters between the
 * workers' mailboxes, also when they are the same worker, so there is one way
 * for everything and one order:
 *
 *     branch --join, leave, say--> room --joined, publish--> every branch
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

#include <stdbool.h>
#include <stdint.h>

struct hub_opts {
	unsigned self, n;                 /* this worker, and how many there are */
	struct mailbox *const *mailboxes; /* one a worker; their reader is the worker's hub */
	struct journal *journal;
	struct shared_map *names;         /* who has which name, in the whole server */
	struct shared_count *rooms;       /* how many rooms have a home */
	size_t max_rooms;
	uint32_t room_keep;               /* ms that an empty room keeps its past */
	uint32_t announce_max;            /* members above which joins and partings are summed up */
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

/* No session may be left. Letters to this hub must not be opened any more. */
void hub_free(struct hub *h);

/* Posts the letters to other workers, which are collected while a turn lasts. How many workers got some. */
unsigned hub_send(struct hub *h);

/* Once a second: sums of joins and partings go out, rooms that were empty for long are let go. */
void hub_tick(struct hub *h);

/* From now on nobody's coming and going is announced: all are leaving. */
void hub_hush(struct hub *h);

/* A number for a session; with it, the number that no other session of the server has, never 0. */
uint32_t hub_next_serial(struct hub *h);
uint64_t hub_id(const struct hub *h, uint32_t serial);
struct shared_map *hub_names(struct hub *h);

/*
 * Asks for a place in ROOM (ref'd) for M, with the last HISTORY messages.
 * ARRIVAL: the line for all when it is there (ref'd; NULL: none). Answered, on
 * this thread and later, by session_joined(); until then hub_leave() may be
 * called as well. -1: no memory.
 */
int hub_join(struct hub *h, struct membership *m, struct payload *room, uint32_t history, struct payload *arrival);

/* Ends M, whether its answer has come or not. PARTING (ref'd) is told to all others; NULL: nothing. */
void hub_leave(struct hub *h, struct membership *m, struct payload *parting);

/*
 * A chat message, to be stored and given its place. BODY and SENDER (see
 * journal.h; NULL: nobody who outlives the session) are ref'd. When it is
 * refused, session_refused() is called for the speaker of that SERIAL.
 */
void hub_say(struct hub *h, const struct membership *m, struct payload *body, struct payload *sender, uint32_t serial);

/* Sessions that have something being stored are known by serial. -1: no memory. */
int hub_add_speaker(struct hub *h, uint32_t serial, struct session *s);
void hub_remove_speaker(struct hub *h, uint32_t serial);

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
