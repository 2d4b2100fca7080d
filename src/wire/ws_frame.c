/*
 * ws_frame: see ws_frame.h.
 */
#include <config.h>

#include "wire/ws_frame.h"

#include <string.h>

#define FIN 0x80
#define RSV1 0x40
#define MASKED 0x80
#define IS_CONTROL 0x08
#define LENGTH_16 126 /* the length is in the next 2 bytes */
#define LENGTH_64 127 /* the length is in the next 8 bytes */

static enum ws_verdict bad(const char **why, const char *sentence)
{
	*why = sentence;
	return WS_BAD;
}

/* The extended length behind the first two bytes; each check is made as soon as its bytes are there. */
static enum ws_verdict decode_length(struct ws_frame *f, const unsigned char *buf, size_t len,
				     const char **why)
{
	size_t size = f->len == LENGTH_16 ? 2 : 8;
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < size && 2 + i < len; i++) {
		value = value << 8 | buf[2 + i];
		if (size == 8 && i == 0 && value > 0x7f)
			return bad(why, "the top bit of a frame's length is set");
		if (size == 8 && i == 5 && value == 0)
			return bad(why, "a frame's length is not minimally encoded");
	}
	if (i < size)
		return WS_MORE;
	if (size == 2 && value < LENGTH_16)
		return bad(why, "a frame's length is not minimally encoded");
	f->len = value;
	f->head = (uint8_t)(f->head + size);
	return WS_OK;
}

enum ws_verdict ws_frame_decode(struct ws_frame *f, const unsigned char *buf, size_t len, const char **why)
{
	enum ws_verdict verdict;

	if (len < 1)
		return WS_MORE;
	f->fin = buf[0] & FIN;
	f->rsv = buf[0] >> 4 & 7;
	f->opcode = buf[0] & 0x0f;
	if ((f->opcode & ~IS_CONTROL) > 2)
		return bad(why, "a frame has a reserved opcode");
	if ((f->opcode & IS_CONTROL) && !f->fin)
		return bad(why, "a control frame is fragmented");

	if (len < 2)
		return WS_MORE;
	f->masked = buf[1] & MASKED;
	f->len = buf[1] & 0x7f;
	f->head = 2;
	if (f->len > WS_CONTROL_MAX) {
		if (f->opcode & IS_CONTROL)
			return bad(why, "a control frame is longer than 125 bytes");
		verdict = decode_length(f, buf, len, why);
		if (verdict != WS_OK)
			return verdict;
	}

	if (f->masked) {
		if (len < f->head + sizeof(f->mask))
			return WS_MORE;
		memcpy(f->mask, buf + f->head, sizeof(f->mask));
		f->head += sizeof(f->mask);
	}
	return WS_OK;
}

size_t ws_frame_encode(unsigned char out[WS_FRAME_HEAD_MAX_SERVER], enum ws_opcode opcode, bool rsv1,
		       uint64_t len)
{
	int i;

	out[0] = (unsigned char)(FIN | (rsv1 ? RSV1 : 0) | opcode);
	if (len < LENGTH_16) {
		out[1] = (unsigned char)len;
		return 2;
	}
	if (len <= UINT16_MAX) {
		out[1] = LENGTH_16;
		out[2] = (unsigned char)(len >> 8);
		out[3] = (unsigned char)len;
		return 4;
	}
	out[1] = LENGTH_64;
	for (i = 0; i < 8; i++)
		out[2 + i] = (unsigned char)(len >> (56 - 8 * i));
	return 10;
}

/* 16 bytes; gcc and clang make it a register of SSE2, NEON and the like, or words where there is none. */
typedef uint64_t vector __attribute__((vector_size(16)));

static inline void mask_16_bytes(unsigned char *data, uint64_t key)
{
	vector v;

	memcpy(&v, data, sizeof(v));
	v ^= (vector){key, key};
	memcpy(data, &v, sizeof(v));
}

static inline void mask_8_bytes(unsigned char *data, uint64_t key)
{
	uint64_t word;

	memcpy(&word, data, sizeof(word));
	word ^= key;
	memcpy(data, &word, sizeof(word));
}

/* The mask twice, turned so that it begins at OFFSET, as it lies in memory. */
static inline uint64_t mask_word(const uint8_t mask[4], uint64_t offset)
{
	unsigned turn = (offset & 3) * 8;
	uint64_t word;
	uint32_t half;

	memcpy(&half, mask, sizeof(half));
	word = (uint64_t)half << 32 | half;
	if (!turn)
		return word;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return word << turn | word >> (64 - turn);
#else
	return word >> turn | word << (64 - turn);
#endif
}

void ws_mask(unsigned char *data, size_t len, const uint8_t mask[4], uint64_t offset)
{
	uint64_t key = mask_word(mask, offset);
	size_t i;

	for (; len >= 64; data += 64, len -= 64) {
		mask_16_bytes(data, key);
		mask_16_bytes(data + 16, key);
		mask_16_bytes(data + 32, key);
		mask_16_bytes(data + 48, key);
	}
	for (; len >= 8; data += 8, len -= 8)
		mask_8_bytes(data, key);
	for (i = 0; i < len; i++)
		data[i] ^= mask[(offset + i) & 3];
}
