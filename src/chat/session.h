/*
 * session: one seat at the chat: who it is, where it is, what it may do.
 *
 * A session takes the texts that its client sends, keeps to the limits, and
 * speaks to the client through its sink. This is the plain dialect: the client
 * is in one room, everything it sends goes there, no type is a command.
 *
 * Belongs to its worker, and to whoever holds the connection.
 */
#ifndef NATTER_CHAT_SESSION_H
#define NATTER_CHAT_SESSION_H

#include "base/bucket.h"
#include "base/payload.h"
#include "chat/hub.h"
#include "chat/message.h"
#include "chat/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum announce { ANNOUNCE_ADDRESS, ANNOUNCE_NAME, ANNOUNCE_OFF };

/* What an endpoint's sessions have in common; must outlive them. */
struct session_policy {
	struct message_limits limits;
	struct bucket_limit rate;        /* of messages */
	uint32_t flood_time;             /* ms without a break of being paused, then close */
	uint32_t history_max;            /* what may be asked for at joining */
	enum announce announce;
	const char *default_type;
	const char *const *reserved_types;
	size_t n_reserved_types;
};

/* Who somebody is who has a name. */
struct person {
	struct payload *name, *key; /* as it is shown, as it is unique */
};

/* Lives where the connection lives; only session.c looks into it. What every client pays: see HACKING.md. */
struct session {
	struct sink sink; /* first: what holds the sink holds the session */
	struct hub *hub;
	const struct session_policy *policy;
	struct person *person; /* NULL: a guest */
	struct membership room;
	struct bucket bucket;
	uint32_t serial;
	bool speaks; /* the hub knows it as a speaker */
	uint32_t pressing_since; /* ms, the low half: since when it sends faster than it may, without a break; 0: it does not */
};

/* Makes a session in zeroed memory; the sink's ops are OPS. */
void session_init(struct session *s, struct hub *hub, const struct session_policy *policy, const struct sink_ops *ops);

/* Leaves its room, lets its name go. One that was never made, but is zeroed, is fine. */
void session_clear(struct session *s);

/* Asks for a name; the client is told when it cannot have it. */
void session_ask_name(struct session *s, const char *name, size_t len);

/* Enters ROOM (ref'd), with the last HISTORY messages first. */
void session_enter(struct session *s, struct payload *room, uint32_t history);

/* A text message from the client. */
void session_text(struct session *s, const char *text, size_t len);

/* What it said was not stored, because of WHY. */
void session_refused(struct session *s, enum reply why);

/* The session that a membership lies in. */
struct session *session_of(struct membership *m);

/* The hub's answer to a join, with N whole texts of the past; m->branch is NULL when it was refused. */
void session_joined(struct session *s, struct membership *m, struct payload *const *past, size_t n);

#endif
