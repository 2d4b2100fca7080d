/*
 * utf8: see utf8.h.
 *
 * The decoder is an automaton whose rows are 64-bit words: a state is a shift
 * of 6 bits, and the row of a byte, shifted right by the state, has the next
 * state in its lowest 6 bits. So a byte costs one load, which does not wait for
 * the byte before, and one shift. A failure is a state that is never left.
 */
#include <config.h>

#include "wire/utf8.h"

#include <string.h>

enum {
	START = 0, /* between two characters: UTF8_START */
	FAILED = 6,
	TAIL1 = 12,    /* one more byte 80-BF */
	TAIL2 = 18,    /* two */
	TAIL3 = 24,    /* three */
	AFTER_E0 = 30, /* A0-BF and one more: below, the form is overlong */
	AFTER_ED = 36, /* 80-9F and one more: above are the surrogates */
	AFTER_F0 = 42, /* 90-BF and two more: below, the form is overlong */
	AFTER_F4 = 48, /* 80-8F and two more: above U+10FFFF */
	STATE_MASK = 63,
};

/* A row: where each state goes. What is not named fails. */
/* clang-format off */
#define TO(from, to) ((uint64_t)((to) ^ FAILED) << (from))
#define ALL_FAILED ((uint64_t)FAILED << START | (uint64_t)FAILED << FAILED | (uint64_t)FAILED << TAIL1 | \
		    (uint64_t)FAILED << TAIL2 | (uint64_t)FAILED << TAIL3 | \
		    (uint64_t)FAILED << AFTER_E0 | (uint64_t)FAILED << AFTER_ED | \
		    (uint64_t)FAILED << AFTER_F0 | (uint64_t)FAILED << AFTER_F4)

#define TAIL (TO(TAIL1, START) | TO(TAIL2, TAIL1) | TO(TAIL3, TAIL2))
#define ROW(moves) (ALL_FAILED ^ (moves))
#define LEAD(to) ROW(TO(START, to))

#define ROW_80_8F ROW(TAIL | TO(AFTER_ED, TAIL1) | TO(AFTER_F4, TAIL2))
#define ROW_90_9F ROW(TAIL | TO(AFTER_ED, TAIL1) | TO(AFTER_F0, TAIL2))
#define ROW_A0_BF ROW(TAIL | TO(AFTER_E0, TAIL1) | TO(AFTER_F0, TAIL2))

#define X2(row) row, row
#define X4(row) X2(row), X2(row)
#define X8(row) X4(row), X4(row)
#define X16(row) X8(row), X8(row)
#define X32(row) X16(row), X16(row)

static const uint64_t rows[256] = {
	X32(LEAD(START)), X32(LEAD(START)), X32(LEAD(START)), X32(LEAD(START)), /* 00-7F */
	X16(ROW_80_8F), X16(ROW_90_9F), X32(ROW_A0_BF),                         /* 80-BF */
	X2(ALL_FAILED), X2(LEAD(TAIL1)), X4(LEAD(TAIL1)), X8(LEAD(TAIL1)),      /* C0-C1, C2-CF */
	X16(LEAD(TAIL1)),                                                       /* D0-DF */
	LEAD(AFTER_E0), X8(LEAD(TAIL2)), X4(LEAD(TAIL2)),                       /* E0, E1-EC */
	LEAD(AFTER_ED), X2(LEAD(TAIL2)),                                        /* ED, EE-EF */
	LEAD(AFTER_F0), X2(LEAD(TAIL3)), LEAD(TAIL3), LEAD(AFTER_F4),           /* F0, F1-F3, F4 */
	X8(ALL_FAILED), X2(ALL_FAILED), ALL_FAILED,                             /* F5-FF */
};
/* clang-format on */

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define BLOCK 16 /* bytes that the automaton takes before ASCII is tried again; at least a word */

static inline uint64_t load(const unsigned char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Passes over ASCII, word by word; stops before the word that has anything else, or at less than a word. */
static inline const unsigned char *skip_ascii(const unsigned char *p, const unsigned char *end)
{
	while (end - p >= 32 && !((load(p) | load(p + 8) | load(p + 16) | load(p + 24)) & HIGH_BITS))
		p += 32;
	while (end - p >= 8 && !(load(p) & HIGH_BITS))
		p += 8;
	return p;
}

bool utf8_feed(utf8_state *state, const unsigned char *data, size_t len)
{
	const unsigned char *p = data, *end, *stop;
	uint64_t now = *state;

	if (!len)
		return true; /* DATA may be NULL */
	end = data + len;
	while (p < end) {
		if (now == START)
			p = skip_ascii(p, end);
		stop = end - p > BLOCK ? p + BLOCK : end;
		while (p < stop)
			now = rows[*p++] >> (now & STATE_MASK);
		now &= STATE_MASK;
		if (now == FAILED)
			return false;
	}
	*state = (utf8_state)now;
	return true;
}

bool utf8_valid(const void *data, size_t len)
{
	utf8_state state = UTF8_START;

	return utf8_feed(&state, data, len) && state == UTF8_START;
}
