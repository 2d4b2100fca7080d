/*
 * ws_frame: one WebSocket frame header, and masking (RFC 6455 section 5).
 *
 * Pure. What a frame means within its message is ws_stream's business.
 */
#ifndef NATTER_WIRE_WS_FRAME_H
#define NATTER_WIRE_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ws_opcode {
	WS_OP_CONTINUATION = 0x0,
	WS_OP_TEXT = 0x1,
	WS_OP_BINARY = 0x2,
	WS_OP_CLOSE = 0x8,
	WS_OP_PING = 0x9,
	WS_OP_PONG = 0xA,
};

enum ws_verdict { WS_OK, WS_MORE, WS_BAD };

#define WS_FRAME_HEAD_MAX 14         /* client to server, masked */
#define WS_FRAME_HEAD_MAX_SERVER 10  /* server to client */
#define WS_CONTROL_MAX 125           /* payload of a control frame, section 5.5 */

struct ws_frame {
	uint64_t len;    /* payload bytes */
	uint8_t mask[4]; /* meaningful when masked */
	uint8_t opcode;
	uint8_t rsv;     /* RSV1 is 4, RSV2 is 2, RSV3 is 1 */
	uint8_t head;    /* bytes of the header itself */
	bool fin, masked;
};

/*
 * Decodes the header at BUF. WS_OK: *f is filled. WS_MORE: LEN bytes are a
 * possible beginning. WS_BAD: *why says what is wrong (close code 1002); as
 * soon as the bytes at hand show it: reserved opcodes, fragmented or long
 * control frames, lengths not minimally encoded or with the top bit set.
 * RSV bits and the mask bit are reported, not judged.
 */
enum ws_verdict ws_frame_decode(struct ws_frame *f, const unsigned char *buf, size_t len, const char **why);

/* Writes an unmasked header with FIN set (RSV1 too where asked); returns its size, 2, 4 or 10. */
size_t ws_frame_encode(unsigned char out[WS_FRAME_HEAD_MAX_SERVER], enum ws_opcode opcode, bool rsv1,
		       uint64_t len);

/*
 * Masks or unmasks in place, a machine word or vector at a time (section 5.3).
 * OFFSET is where DATA begins within the frame's payload.
 */
void ws_mask(unsigned char *data, size_t len, const uint8_t mask[4], uint64_t offset);

#endif
