/*
 * frame_reader: a server's bytes to messages (RFC 6455 section 5), at the client.
 *
 * The counterpart of wire/ws_stream, which reads clients' masked frames. It
 * parses where the bytes lie and keeps memory only for a frame, or a message
 * in several frames, that is not complete yet. Nothing is checked that a load
 * generator need not know: text is not validated. Pure; zeroed memory is a
 * reader at a connection's beginning.
 */
#ifndef NATTER_BENCH_FRAME_READER_H
#define NATTER_BENCH_FRAME_READER_H

#include "wire/ws_frame.h"

#include <stdbool.h>
#include <stddef.h>

#define FRAME_READER_MAX (16u << 20) /* bytes of a message; above it: bad */

struct frame_reader {
	unsigned char *kept; /* the beginning of a frame */
	size_t kept_len, kept_size;
	unsigned char *message; /* the frames so far of a message in several */
	size_t message_len;
	uint8_t opcode;  /* that message's; 0: there is none */
	bool deflated;   /* that message is: RSV1 of its first frame */
	bool deflate;    /* permessage-deflate was agreed on: RSV1 may be set; the user's to set */
	const char *why; /* after false: what was wrong, static */
};

/*
 * Takes whole messages and control frames; DATA is valid during the call only,
 * and DEFLATED when it is to be inflated.
 * False: read no further (the connection is gone, the reader with it perhaps).
 */
typedef bool (*frame_reader_cb)(void *arg, enum ws_opcode opcode, bool deflated, const unsigned char *data,
				size_t len);

/*
 * Goes on with LEN bytes. False: the bytes are no frames (why is set), or the
 * callback said so (why is NULL, and R was not touched after it).
 */
bool frame_reader_read(struct frame_reader *r, const unsigned char *data, size_t len, frame_reader_cb cb,
		       void *arg);

/* Frees what is kept; the reader is at a beginning again. */
void frame_reader_clear(struct frame_reader *r);

#endif
