/*
 * session: one seat at the chat: who it is, where it is, what it may do.
 *
 * A session takes the texts that its client sends, keeps to the limits, and
 * speaks to the client through its sink. In the plain dialect the client is in
 * one room, everything it sends goes there, no type is a command: that is
 * here. natter.v1 is v1.h, which this calls.
 *
 * Belongs to its worker, and to whoever holds the connection.
 */
#ifndef NATTER_CHAT_SESSION_H
#define NATTER_CHAT_SESSION_H

#include "base/bucket.h"
#include "base/payload.h"
#include "chat/hub.h"
#include "chat/identity.h"
#include "chat/message.h"
#include "chat/person.h"
#include "chat/secret.h"
#include "chat/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum announce { ANNOUNCE_ADDRESS, ANNOUNCE_NAME, ANNOUNCE_OFF };

/* What an endpoint's sessions have in common; must outlive them. Times are in ms. */
struct session_policy {
	struct message_limits limits;
	struct bucket_limit rate;        /* of messages, of a connection, and of all of a user together */
	struct bucket_limit past;        /* of KiB of the past, that a client of natter.v1 asks for */
	uint32_t flood_time;             /* without a break of being paused, then close */
	uint32_t history_max;            /* what may be asked for at a time */
	enum announce announce;
	const char *default_type;
	const char *const *reserved_types;
	size_t n_reserved_types;
	const struct name_list *reserved_names;
	bool anonymous;                  /* who is not logged in may do something, */
	bool read_only;                  /* but nothing that others hear */
	uint32_t token_warning;          /* who has a token that expires is told so long before */
	uint32_t auth_timeout;
	uint32_t recover_max;
	uint32_t rooms_max;              /* of a connection */
	/* only told: */
	uint64_t max_message;
	uint32_t cid_keep, session_keep, ping_interval;
};

/* What a session of natter.v1 has in the place of a plain one's room: see v1.h. */
struct v1 {
	struct place *places;
	struct shared_bucket past; /* of what it asks for of the past; as small as that */
	unsigned char id[SECRET_ID_LEN];
};

/* Lives where the connection lives; only session.c and natter.v1's files look into it. What every client pays: see HACKING.md. */
struct session {
	struct sink sink; /* first: what holds the sink holds the session */
	struct hub *hub;
	const struct session_policy *policy;
	struct person *person; /* NULL: a guest */
	union {
		struct membership room; /* plain */
		struct v1 v1;
	};
	struct bucket bucket;
	uint32_t serial;
	uint32_t paused_until;       /* ms, the low half: where it sent faster than it may */
	uint32_t pressing_since : 22; /* in 128 ms: since when it does, without a break; */
	bool pressing : 1;           /* if it does */
	bool pressing_past : 1;      /* by what it asks for of the past */
	bool is_v1 : 1;
	bool registered : 1; /* the hub knows it by serial, */
	bool logged_in : 1;  /* and by its user */
	/* natter.v1: */
	bool begun : 1;      /* a request was made */
	bool resuming : 1;   /* its answer is on its way */
	bool replaced : 1;   /* another connection has its session */
	bool stranger : 1;   /* it has to log in */
	bool asking : 1;     /* a change of name is the client's wish: its answer tells */
};

/* Makes a session in zeroed memory; the sink's ops are OPS. */
void session_init(struct session *s, struct hub *hub, const struct session_policy *policy, const struct sink_ops *ops);

/* Leaves its rooms, lets its name go. One that was never made, but is zeroed, is fine. */
void session_clear(struct session *s);

/* Who it is by its token (copied), before it enters; and asks for a name. The client is told when it cannot have it. */
void session_identify(struct session *s, const struct identity *id);
void session_ask_name(struct session *s, const char *name, size_t len);

/* The plain dialect: enters ROOM (ref'd), with the last HISTORY messages first. */
void session_enter(struct session *s, struct payload *room, uint32_t history);

/* natter.v1: is welcome, called NAME if that may be (LEN 0: as it is). ROOM is only told. */
void session_welcome(struct session *s, struct payload *room, const char *name, size_t len);

/* A text message from the client. */
void session_text(struct session *s, const char *text, size_t len);

/* It sends more than its connection may, for too long: is told so, and closed. */
void session_floods(struct session *s);

/* All that it was sent is gone to the system. */
void session_drained(struct session *s);

/* ---- for the hub ---- */

/* The hub's answer to a join; L is the hub's again when this returns, unless L->more. */
struct join_letter;
void session_joined(struct session *s, struct membership *m, struct join_letter *l);

/* Its token ends in LEFT ms; 0: it has. */
void session_expiring(struct session *s, int64_t left);

/* A direct message; whether its dialect has such. */
bool session_deliver(struct session *s, struct payload *text);

/* The user, or NULL. The caller owns it. */
struct payload *session_user(const struct session *s);

/* A moderator says that it is muted in ROOM, or out. TEXT tells it. */
void session_discipline(struct session *s, const struct payload *room, struct payload *text, bool out, bool muted);

/* ---- for v1.c, command.c and keeper.c ---- */

uint64_t session_id(const struct session *s);

/* Whether S may do WHAT in the room of that name; and why it may not write. */
bool session_may(const struct session *s, enum grant_what what, const char *room, size_t len);
enum reply session_why_not(const struct session *s);

/* "ann connected", as far as the policy lets others know. The caller owns it. NULL: nothing. */
struct payload *session_line(struct session *s, const char *what);

/* Claims NAME, prepared, for whoever S is, which has no name. REPLY_COUNT: it is S's; P: the new person, the caller's. */
enum reply session_claim(struct session *s, const char *name, struct person **p);

/* S is P from now on (taken; NULL: a guest); rooms are told, the old name let go unless KEEP. */
void session_become(struct session *s, struct person *p, bool keep);

/* Whether S may do something that costs COST now; else it was paused, or closed. */
bool session_pays(struct session *s, uint32_t cost);

/* What S said goes on to other workers: has it wait a little where one of them is behind. */
void session_keep_pace(struct session *s);

/* S, of natter.v1, was sent LEN bytes of the past, for which it asked. */
void session_pays_for_past(struct session *s, size_t len);

/* Whether what the server says has this type, to whomever; or the configuration reserves it. */
bool session_type_is_reserved(const struct session_policy *p, const char *type);

#endif
