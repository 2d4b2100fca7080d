/*
 * framer: one message on its way out, as a frame in whatever form a recipient
 * takes it: as it is, or compressed (RFC 7692), which is done once for all.
 *
 * Lives on the stack while a message is sent; the worker's deflater keeps the
 * compressed bytes, so one framer at a time.
 */
#ifndef NATTER_NET_FRAMER_H
#define NATTER_NET_FRAMER_H

#include "wire/ws_frame.h"

struct worker;

struct framer {
	struct worker *worker;
	enum ws_opcode opcode;
	const void *data;
	size_t len;
	const void *deflated; /* NULL: not to be had, or not tried */
	size_t deflated_len;
	bool tried;
};

struct framer_frame {
	unsigned char head[WS_FRAME_HEAD_MAX_SERVER];
	size_t head_len;
	const void *body;
	size_t body_len;
};

/* DATA stays where it is until the last frame was used. */
void framer_init(struct framer *f, struct worker *w, enum ws_opcode opcode, const void *data, size_t len);

/*
 * The message for a recipient whose window for compressed messages is 2^BITS;
 * 0: it takes none. Messages shorter than deflate_min, longer than the window,
 * or that would not become shorter go as they are.
 */
void framer_make(struct framer *f, unsigned bits, struct framer_frame *frame);

#endif
