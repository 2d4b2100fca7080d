/*
 * utf8 against a decoder that knows only how RFC 3629 makes bytes of a code
 * point: both agree on the first impossible byte and on what is complete,
 * whole, in pieces, byte by byte, and from each alignment.
 *
 * Input: 4 bytes of cuts, an alignment, the text.
 */
#include <config.h>

#include "wire/utf8.h"

#include "fuzz.h"

/* How many bytes a character takes that begins with LEAD; 0: none does. */
static size_t length_of(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >> 5 == 0x6)
		return 2;
	if (lead >> 4 == 0xe)
		return 3;
	return lead >> 3 == 0x1e ? 4 : 0;
}

/* Whether some code point that needs SIZE bytes lies in LOW to HIGH. */
static bool any_code_point(size_t size, uint32_t low, uint32_t high)
{
	static const uint32_t first[] = {0, 0, 0x80, 0x800, 0x10000};

	if (low < first[size])
		low = first[size];
	if (high > 0x10ffff)
		high = 0x10ffff;
	return low <= high && !(low >= 0xd800 && high <= 0xdfff);
}

/* Whether N bytes are one character's, or its beginning. */
static bool possible(const uint8_t *s, size_t n)
{
	size_t size = length_of(s[0]), i;
	uint32_t low = s[0], high;

	if (!size || n > size)
		return false;
	if (size > 1)
		low &= 0x7fu >> size;
	for (high = low, i = 1; i < size; i++) {
		if (i < n && s[i] >> 6 != 2)
			return false;
		low = low << 6 | (i < n ? s[i] & 0x3fu : 0);
		high = high << 6 | (i < n ? s[i] & 0x3fu : 0x3fu);
	}
	return any_code_point(size, low, high);
}

/* The place of the first impossible byte, LEN where there is none; *whole: the last character is. */
static size_t first_bad(const uint8_t *s, size_t len, bool *whole)
{
	size_t begin = 0, end;

	*whole = true;
	for (end = 1; end <= len; end++) {
		if (!possible(s + begin, end - begin))
			return end - 1;
		*whole = end - begin == length_of(s[begin]);
		if (*whole)
			begin = end;
	}
	return len;
}

static void in_pieces(const uint8_t *s, size_t len, struct fuzz_cuts cuts, size_t bad, bool whole)
{
	utf8_state state = UTF8_START;
	size_t at, n;

	for (at = 0; at < len; at += n) {
		uint8_t *piece;
		bool good;

		n = fuzz_cut(&cuts, len - at);
		piece = fuzz_copy(s + at, n);
		good = utf8_feed(&state, piece, n);
		fuzz_free(piece, n);
		CHECK(good == (at + n <= bad));
		if (!good)
			return;
	}
	CHECK((state == UTF8_START) == whole);
}

static bool feed_from_start(const uint8_t *s, size_t len)
{
	utf8_state state = UTF8_START;

	return utf8_feed(&state, s, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = {data, len};
	struct fuzz_cuts cuts = fuzz_cuts(&in);
	size_t shift = fuzz_byte(&in) % 32, bad;
	uint8_t *memory = malloc(shift + in.len + 1), *text;
	bool whole;

	CHECK(memory);
	text = memory + 1 + shift;
	if (in.len)
		memcpy(text, in.data, in.len);
	bad = first_bad(text, in.len, &whole);

	CHECK(feed_from_start(text, in.len) == (bad == in.len));
	CHECK(feed_from_start(text, bad));
	CHECK(bad == in.len || !feed_from_start(text, bad + 1));
	CHECK(utf8_valid(text, in.len) == (bad == in.len && whole));
	in_pieces(text, in.len, cuts, bad, whole);
	in_pieces(text, in.len, fuzz_bytewise(), bad, whole);
	free(memory);
	return 0;
}
