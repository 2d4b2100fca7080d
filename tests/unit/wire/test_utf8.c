/*
 * utf8 against a reference that knows nothing of its automaton: the encoder of
 * RFC 3629 section 3 writes every character there is, and whatever it does not
 * write is no UTF-8.
 */
#include <config.h>

#include "wire/utf8.h"

#include "feed.h"

/* What a sequence of 1, 2 or 3 bytes is. */
enum kind { IMPOSSIBLE, BEGINNING, CHARACTER };

static uint8_t one[1 << 8], two[1 << 16], three[1 << 24];

static size_t encode(uint32_t c, unsigned char out[4])
{
	if (c < 0x80) {
		out[0] = (unsigned char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (unsigned char)(0xc0 | c >> 6);
		out[1] = (unsigned char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (unsigned char)(0xe0 | c >> 12);
		out[1] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (unsigned char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (unsigned char)(0xf0 | c >> 18);
	out[1] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (unsigned char)(0x80 | (c & 0x3f));
	return 4;
}

static bool is_scalar(uint32_t c)
{
	return c < 0xd800 || (c > 0xdfff && c < 0x110000);
}

static uint32_t index_of(const unsigned char *s, size_t n)
{
	uint32_t index = 0;

	while (n--)
		index = index << 8 | *s++;
	return index;
}

static int prepare(void **unused)
{
	unsigned char s[4];
	uint32_t c;
	size_t n;

	(void)unused;
	for (c = 0; c < 0x110000; c++) {
		if (!is_scalar(c))
			continue;
		n = encode(c, s);
		one[s[0]] = n == 1 ? CHARACTER : BEGINNING;
		if (n >= 2)
			two[index_of(s, 2)] = n == 2 ? CHARACTER : BEGINNING;
		if (n >= 3)
			three[index_of(s, 3)] = n == 3 ? CHARACTER : BEGINNING;
	}
	return 0;
}

static enum kind kind_of_four(const unsigned char s[4])
{
	uint32_t c = (s[0] & 7u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu);
	unsigned char again[4];

	return is_scalar(c) && encode(c, again) == 4 && !memcmp(s, again, 4) ? CHARACTER : IMPOSSIBLE;
}

/* The reference: bytes not yet a character. */
struct reference {
	unsigned char s[4];
	size_t n;
};

static bool reference_feed(struct reference *r, unsigned char byte)
{
	enum kind kind;

	r->s[r->n++] = byte;
	switch (r->n) {
	case 1: kind = one[byte]; break;
	case 2: kind = two[index_of(r->s, 2)]; break;
	case 3: kind = three[index_of(r->s, 3)]; break;
	default: kind = kind_of_four(r->s); break;
	}
	if (kind == CHARACTER)
		r->n = 0;
	return kind != IMPOSSIBLE;
}

/* Where the reference fails; LEN: nowhere. *WHOLE: it ends between two characters. */
static size_t reference_fails_at(const unsigned char *s, size_t len, bool *whole)
{
	struct reference r = {.n = 0};
	size_t i;

	for (i = 0; i < len && reference_feed(&r, s[i]); i++)
		;
	*whole = i == len && r.n == 0;
	return i;
}

/* Whole, byte by byte, and cut at every position: always what the reference says. */
static void check_all_ways(const unsigned char *bytes, size_t len)
{
	unsigned char *s = feed_copy(bytes, len);
	utf8_state state = UTF8_START;
	bool whole;
	size_t fails_at = reference_fails_at(s, len, &whole), i;

	assert_int_equal(utf8_valid(s, len), whole);
	for (i = 0; i < len && utf8_feed(&state, s + i, 1); i++)
		;
	assert_int_equal(i, fails_at);
	if (fails_at == len)
		assert_int_equal(state == UTF8_START, whole);

	for (i = 0; i <= len; i++) {
		state = UTF8_START;
		assert_int_equal(utf8_feed(&state, s, i), i <= fails_at);
		if (i > fails_at)
			continue;
		assert_int_equal(utf8_feed(&state, s + i, len - i), fails_at == len);
		if (fails_at == len)
			assert_int_equal(state == UTF8_START, whole);
	}
	free(s);
}

static void test_the_reference_itself(void **unused)
{
	(void)unused;
	assert_int_equal(one['a'], CHARACTER);
	assert_int_equal(one[0], CHARACTER);
	assert_int_equal(one[0xc1], IMPOSSIBLE);
	assert_int_equal(one[0xf4], BEGINNING);
	assert_int_equal(one[0xf5], IMPOSSIBLE);
	assert_int_equal(two[0xc2a9], CHARACTER);
	assert_int_equal(two[0xe09f], IMPOSSIBLE);
	assert_int_equal(two[0xeda0], IMPOSSIBLE);
	assert_int_equal(three[0xe282ac], CHARACTER);
	assert_int_equal(kind_of_four((const unsigned char *)"\xf4\x8f\xbf\xbf"), CHARACTER);
	assert_int_equal(kind_of_four((const unsigned char *)"\xf4\x90\x80\x80"), IMPOSSIBLE);
	assert_int_equal(kind_of_four((const unsigned char *)"\xf0\x8f\xbf\xbf"), IMPOSSIBLE);
}

/* All sequences of 1, 2 and 3 bytes. */
static void check_sequences(struct reference r, unsigned char *s, size_t n, size_t most, bool possible)
{
	struct reference then;
	bool possible_then;
	utf8_state state;
	int byte;

	for (byte = 0; byte < 256; byte++) {
		then = r;
		s[n] = (unsigned char)byte;
		possible_then = possible && reference_feed(&then, s[n]);
		state = UTF8_START;
		if (utf8_feed(&state, s, n + 1) != possible_then ||
		    (possible_then && (state == UTF8_START) != (then.n == 0)))
			fail_msg("wrong about %zu bytes: %02x %02x %02x", n + 1, s[0], s[1], s[2]);
		if (n + 1 < most)
			check_sequences(then, s, n + 1, most, possible_then);
	}
}

static void test_all_sequences_of_three(void **unused)
{
	unsigned char s[3] = {0};

	(void)unused;
	check_sequences((struct reference){.n = 0}, s, 0, 3, true);
}

static void test_sequences_of_four(void **unused)
{
	static const unsigned char edges[] = {0x00, 0x41, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x9f,
					      0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xf0, 0xff};
	unsigned char s[4];
	size_t i, j;
	int a, b;

	(void)unused;
	for (a = 0xec; a <= 0xff; a++) {
		for (b = 0; b <= 0xff; b++) {
			for (i = 0; i < COUNT(edges); i++) {
				for (j = 0; j < COUNT(edges); j++) {
					s[0] = (unsigned char)a;
					s[1] = (unsigned char)b;
					s[2] = edges[i];
					s[3] = edges[j];
					check_all_ways(s, 4);
				}
			}
		}
	}
}

static void test_every_character(void **unused)
{
	unsigned char *all = malloc(0x110000 * 4);
	utf8_state state = UTF8_START;
	uint64_t seed = 1;
	size_t len = 0, at, n;
	uint32_t c;

	(void)unused;
	assert_non_null(all);
	for (c = 0; c < 0x110000; c++) {
		n = encode(c, all + len);
		assert_int_equal(utf8_valid(all + len, n), is_scalar(c));
		if (is_scalar(c))
			len += n;
	}
	assert_true(utf8_valid(all, len));
	for (at = 0; at < len; at += n) {
		n = feed_random(&seed) % 100;
		if (n > len - at)
			n = len - at;
		assert_true(utf8_feed(&state, all + at, n));
	}
	assert_int_equal(state, UTF8_START);
	free(all);
}

static void test_samples(void **unused)
{
	static const char *const samples[] = {
		"",
		"Hello, world: thirty-two and more bytes of ASCII, for the long way",
		"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",                     /* Autobahn 6.2 */
		"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80 more", /* Autobahn 6.3 and 6.4 */
		"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80 more",
		"\xf0\x9f\x98\x80\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80 and so on \xf0\x9f\x98",
		"only a tail: \xbf", "the longest \xf4\x8f\xbf\xbf of all", "\xef\xbb\xbf with a mark in front",
		"\xef\xbf\xbe\xef\xbf\xbf noncharacters are characters to UTF-8",
		"overlong \xc0\xaf", "overlong \xe0\x80\xaf", "overlong \xf0\x80\x80\xaf",
		"\xf8\x88\x80\x80\x80",
		"\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff",
		"CESU \xed\xa1\x8c\xed\xbe\xb4", "Latin-1 caf\xe9", "Latin-1 caf\xe9 au lait",
	};
	size_t i;

	(void)unused;
	for (i = 0; i < COUNT(samples); i++)
		check_all_ways((const unsigned char *)samples[i], strlen(samples[i]));
	check_all_ways((const unsigned char *)"NUL \0 is a character", 21);
}

/* Among ASCII of all lengths and alignments, each place: what is not ASCII is never passed over. */
static void test_among_ascii(void **unused)
{
	static const struct {
		const char *s;
		size_t len;
	} insets[] = {{"\x80", 1}, {"\xff", 1}, {"\xc3\xa4", 2}, {"\xe2\x82\xac", 3}, {"\xf0\x9f\x98\x80", 4},
		      {"\xe2\x82", 2}, {"\xf0\x9f\x98", 3}};
	unsigned char memory[16 + 100];
	size_t inset, shift, len, at;
	bool whole;

	(void)unused;
	for (inset = 0; inset < COUNT(insets); inset++) {
		for (shift = 0; shift < 16; shift += 3) {
			for (len = 0; len <= 100; len++) {
				for (at = 0; at + insets[inset].len <= len; at++) {
					memset(memory, 'a', sizeof(memory));
					memcpy(memory + shift + at, insets[inset].s, insets[inset].len);
					reference_fails_at(memory + shift, len, &whole);
					assert_int_equal(utf8_valid(memory + shift, len), whole);
				}
			}
		}
	}
}

static void test_random_text(void **unused)
{
	uint64_t seed = 20260101;
	unsigned char s[200];
	size_t len, round;
	uint32_t c;

	(void)unused;
	for (round = 0; round < 2000; round++) {
		for (len = 0; len + 4 <= sizeof(s);) {
			c = (uint32_t)(feed_random(&seed) % (1u << (7 + feed_random(&seed) % 14)));
			if (is_scalar(c))
				len += encode(c, s + len);
		}
		if (round % 2) /* one byte is another one; most often that is no UTF-8 any more */
			s[feed_random(&seed) % len] = (unsigned char)feed_random(&seed);
		check_all_ways(s, len);
	}
}

static void test_nothing(void **unused)
{
	utf8_state state = UTF8_START;

	(void)unused;
	assert_true(utf8_valid(NULL, 0));
	assert_true(utf8_feed(&state, (const unsigned char *)"\xe2\x82", 2));
	assert_int_not_equal(state, UTF8_START);
	assert_true(utf8_feed(&state, NULL, 0));
	assert_int_not_equal(state, UTF8_START);
	assert_true(utf8_feed(&state, (const unsigned char *)"\xac", 1));
	assert_int_equal(state, UTF8_START);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_reference_itself),
		cmocka_unit_test(test_all_sequences_of_three),
		cmocka_unit_test(test_sequences_of_four),
		cmocka_unit_test(test_every_character),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_among_ascii),
		cmocka_unit_test(test_random_text),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
