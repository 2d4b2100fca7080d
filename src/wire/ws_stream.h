/*
 * ws_stream: from a client's frames to messages (RFC 6455 sections 5 to 8).
 *
 * It is fed whatever bytes there are and reports one event at a time: a whole
 * message, a control frame, or what the client did wrong. A message that lies
 * unfragmented and whole in the fed bytes is unmasked in place and not copied;
 * any other is collected as it comes, so a connection pays with memory only
 * for bytes it really sent, and an idle one holds none. Text is validated as
 * it arrives and fails at the first impossible byte. Control frames may come
 * in between. A compressed message (RFC 7692) is collected as it was sent and
 * inflated when it is whole, never beyond max_message.
 *
 * Pure: what to do about an event (pong, close) is the caller's business.
 */
#ifndef NATTER_WIRE_WS_STREAM_H
#define NATTER_WIRE_WS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ws_inflater;

/*
 * Shared by all streams of an endpoint; must outlive them. Frames of a
 * compressed message may be an eighth longer, for what does not compress.
 */
struct ws_limits {
	uint64_t max_frame;     /* payload bytes of a data frame */
	uint64_t max_message;   /* bytes of a message, inflated */
	uint32_t max_fragments; /* frames of a message */
};

struct ws_assembly; /* a message that is not whole yet, or that the last call delivered */

struct ws_stream {
	struct ws_assembly *assembly; /* NULL: nothing held */
	const struct ws_limits *limits;
	struct ws_inflater *inflater; /* NULL: permessage-deflate was not agreed on */
};

enum ws_event_type {
	WS_EVENT_MORE, /* nothing complete; feed the rest again, with more behind it */
	WS_EVENT_TEXT, WS_EVENT_BINARY,
	WS_EVENT_PING, WS_EVENT_PONG,
	WS_EVENT_CLOSE, /* code: 1005 where the frame had none; data: the reason, valid UTF-8 */
	WS_EVENT_BAD,   /* code: the close code to answer with; why: what was wrong */
};

struct ws_event {
	enum ws_event_type type;
	uint16_t code;
	const char *why;           /* static */
	const unsigned char *data; /* valid until the next call, or until the fed bytes go */
	size_t len;
};

/*
 * INFLATER: for compressed messages; NULL where permessage-deflate was not
 * agreed on. Takes it where it is one client's own (takeover); a shared one
 * must outlive the stream.
 */
void ws_stream_init(struct ws_stream *s, const struct ws_limits *limits, struct ws_inflater *inflater);

/* Frees what a half-received message holds, and the stream's own inflater. */
void ws_stream_clear(struct ws_stream *s);

/*
 * Reads from BUF, whose bytes it may change, up to the end of the next event.
 * Returns how many bytes were used up: drop them before the next call, but
 * only after using ev->data. With WS_EVENT_MORE fewer than
 * WS_FRAME_HEAD_MAX + WS_CONTROL_MAX bytes remain unused, so a caller that
 * holds pieces needs to join no more than that. After WS_EVENT_BAD or
 * WS_EVENT_CLOSE nothing may be read any more. So read until WS_EVENT_MORE,
 * with LEN 0 too where nothing is left: this lets go of the last message.
 *
 * Refused (code): no mask, RSV bits (but for RSV1 on a message's first frame
 * where it was agreed), bad headers, a continuation without or a new message
 * within a message, bad close payloads (1002); text or a close reason that is
 * not UTF-8, a message that cannot be inflated (1007); limits (1009); no memory
 * (1011).
 */
size_t ws_stream_read(struct ws_stream *s, unsigned char *buf, size_t len, struct ws_event *ev);

/*
 * Whether an endpoint may receive this code in a close frame (section 7.4;
 * IANA: 1000-1003, 1007-1014, 3000-4999).
 */
bool ws_close_code_valid(unsigned code);

#endif
