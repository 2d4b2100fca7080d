/*
 * ws_deflate: the extension permessage-deflate (RFC 7692): agreeing on it,
 * inflating what clients send, deflating what they are sent.
 *
 * We never keep a context from message to message: the answer always says
 * server_no_context_takeover, so a broadcast is deflated once and the bytes
 * fit every client. A client may keep one where the endpoint allows it, and
 * costs its own inflater then; all others of a worker share one.
 *
 * A window smaller than the message would need one's own compression. Such a
 * client shares the frame where the message fits its window (no distance in it
 * can be longer then), and is sent it uncompressed where it does not.
 *
 * Inflaters and deflaters belong to one thread.
 */
#ifndef NATTER_WIRE_WS_DEFLATE_H
#define NATTER_WIRE_WS_DEFLATE_H

#include "wire/http_head.h"

#define WS_DEFLATE_ANSWER_MAX 160 /* bytes that ws_deflate_answer() writes at most */

/* What was agreed with one client; all zeros: nothing. */
struct ws_deflate {
	uint8_t server_bits;    /* 8 to 15: its window for what we send, as a power of 2 */
	uint8_t client_bits;    /* 8 to 15: the window it uses for what it sends */
	bool server_bits_named; /* by the offer, and so by the answer */
	bool client_bits_named;
	bool client_takeover;   /* it may keep its context from message to message */
};

/*
 * Takes the client's first offer of permessage-deflate that is to be had.
 * TAKEOVER: whether the client may keep its context. An offer with unknown,
 * doubled or malformed parameters is passed over (section 7.1). False: there
 * is none, *agreed is zeros.
 */
bool ws_deflate_negotiate(const struct http_head *h, const char *buf, bool takeover, struct ws_deflate *agreed);

/* The value of Sec-WebSocket-Extensions that accepts it, NUL-terminated. Returns its length. */
size_t ws_deflate_answer(const struct ws_deflate *agreed, char out[WS_DEFLATE_ANSWER_MAX]);

/* Whether a message of LEN bytes, deflated by ws_deflater_run(), can be inflated in a window of 2^BITS. */
bool ws_deflate_fits(unsigned bits, size_t len);

/* ---- what clients send ---- */

struct ws_inflater;

enum ws_inflate_verdict {
	WS_INFLATE_MORE,      /* the room is full; call again */
	WS_INFLATE_DONE,
	WS_INFLATE_BAD,       /* these bytes are no deflated message */
	WS_INFLATE_NO_MEMORY,
};

/*
 * For clients whose window is at most 2^BITS bytes. TAKEOVER: for one client,
 * whose context is kept from message to message. NULL: no memory.
 */
struct ws_inflater *ws_inflater_new(unsigned bits, bool takeover);

/* NULL is fine. */
void ws_inflater_free(struct ws_inflater *i);

/* Whether it is one client's own. */
bool ws_inflater_takeover(const struct ws_inflater *i);

/* Begins a message of LEN compressed bytes, which stay where they are until it is done. */
void ws_inflater_begin(struct ws_inflater *i, const void *data, size_t len);

/* Writes up to SIZE bytes of it to OUT; *n: how many. SIZE is not 0. */
enum ws_inflate_verdict ws_inflater_run(struct ws_inflater *i, void *out, size_t size, size_t *n);

/* ---- what clients are sent ---- */

struct ws_deflater;

/* LEVEL: zlib's, 1 to 9. NULL: no memory. */
struct ws_deflater *ws_deflater_new(int level);

/* NULL is fine. */
void ws_deflater_free(struct ws_deflater *d);

/*
 * The payload of a frame with RSV1 set for a message of LEN bytes; *n: its
 * length. Valid until the next call. NULL: it would not be shorter, or there
 * is no memory; send the message as it is.
 */
const unsigned char *ws_deflater_run(struct ws_deflater *d, const void *data, size_t len, size_t *n);

#endif
