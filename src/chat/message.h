/*
 * message: chat JSON from a client to a struct, and back to bytes.
 *
 * A message is decoded once, at the worker of who sent it, and encoded once.
 * What goes to a journal and from there to the room is an open JSON object,
 * `{"message":"hi","name":"ann"`, to which message_stamp() adds what is known
 * only when the message has its place: `,"room":"lobby","seq":7,"time":…}`.
 * All members keep the value that JSON.parse sees, but for those that the
 * server owns. A compact text in which the server has nothing to change, which
 * is what pages send, goes on as it was sent: encoding costs as much as half
 * of decoding.
 */
#ifndef NATTER_CHAT_MESSAGE_H
#define NATTER_CHAT_MESSAGE_H

#include "base/payload.h"
#include "chat/reply.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message_limits {
	uint32_t max_depth;   /* of nesting; the message itself is 1 */
	uint32_t max_members; /* members and elements in all */
};

struct message {
	json_t *object;
	/* what was decoded; NULL: it cannot be passed on as it was sent, or has been changed since */
	const char *text;
	size_t len;
};

/*
 * Decodes TEXT, which is UTF-8 and must stay until M is cleared. REPLY_COUNT: well, m->object is the caller's
 * to clear; else the error, with words on where and why in DETAIL.
 */
enum reply message_decode(struct message *m, const char *text, size_t len, const struct message_limits *limits,
			  char *detail, size_t size);
void message_clear(struct message *m);

/* Whether it is a chat message (it has a `message` member), which has a place in the room's order. */
bool message_is_chat(const struct message *m);

/* The string members; NULL: not there, or no string. */
const char *message_type(const struct message *m);
const char *message_name(const struct message *m);

/* Takes a member out, where it is there. */
void message_take_out(struct message *m, const char *member);

/*
 * A chat message as an open object: `type` is set to DEFAULT_TYPE where there
 * is none, and what the server owns is taken out: what message_stamp() will
 * add, and the user. NULL: no memory.
 */
struct payload *message_encode(struct message *m, const char *default_type);

/* An open object with SUFFIX behind it, which begins with a comma. NULL: no memory. */
struct payload *message_sign(const struct payload *body, const char *suffix);

/* An open object with another type; and with other members. NULL: no memory. */
struct payload *message_retype(const struct payload *body, const char *type);
struct payload *message_amend(const struct payload *body, const struct payload *changes);

/* An open object, which one of these two has made, without a member that MORE will be; BODY (taken) where it has none. */
struct payload *message_without(struct payload *body, const char *member);

/*
 * The whole text of what has its place: BODY is an open object, WHERE says
 * where it is (,"room":"lobby"), MORE are further members (,"edited":9) or "".
 * NULL: no memory.
 */
struct payload *message_stamp(const struct payload *body, const struct payload *where, uint64_t seq, int64_t time,
			      const char *more);

/*
 * Any other object as it is, except that members that the server owns do not
 * lie: `room` and `time`, where they are there, are set, `seq` taken out, and
 * `name` and `user` are those of WHO, another open object's text, or "".
 */
struct payload *message_encode_relayed(struct message *m, const char *room, int64_t time, const char *who);

#endif
