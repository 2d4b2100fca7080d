/*
 * reply: what the server says to one client or a room of its own accord.
 *
 * Error replies come from the table reply.def.
 */
#ifndef NATTER_CHAT_REPLY_H
#define NATTER_CHAT_REPLY_H

#include "base/payload.h"
#include "chat/sink.h"

enum reply {
#define REPLY(id, text) REPLY_##id,
#include "chat/reply.def"
#undef REPLY
	REPLY_COUNT
};

/* The row's id, as sent. */
const char *reply_code(enum reply r);
const char *reply_text(enum reply r);

/* Sends an error; DETAIL is set behind the row's text, unless it is NULL or not UTF-8. */
void reply_error(struct sink *to, enum reply r, const char *detail);

/* For who sends R in other ways: it is counted. */
void reply_count(enum reply r);

/* {"type":"system","message":TEXT}; NULL: no memory, or TEXT is not UTF-8. The caller owns it. */
struct payload *reply_system(const char *text);

#endif
