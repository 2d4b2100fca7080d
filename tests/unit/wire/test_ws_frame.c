/*
 * ws_frame: headers whole and cut at every position, each refusal at its exact
 * byte; masking against the loop of RFC 6455 section 5.3.
 */
#include <config.h>

#include "wire/ws_frame.h"

#include "feed.h"

struct sample {
	unsigned char bytes[WS_FRAME_HEAD_MAX];
	size_t size;
};

#define BYTES(...) {{__VA_ARGS__}, sizeof((unsigned char[]){__VA_ARGS__})}

static enum ws_verdict decode(struct ws_frame *f, const void *bytes, size_t len, const char **why)
{
	unsigned char *exact = feed_copy(bytes, len);
	enum ws_verdict verdict;

	memset(f, 0xa5, sizeof(*f));
	*why = NULL;
	verdict = ws_frame_decode(f, exact, len, why);
	assert_int_equal(verdict == WS_BAD, *why != NULL);
	free(exact);
	return verdict;
}

/* A good header: MORE for all its beginnings, then OK, whatever comes behind. */
static void check_good(const unsigned char *bytes, size_t size, struct ws_frame want)
{
	unsigned char long_enough[WS_FRAME_HEAD_MAX + 4] = {0};
	struct ws_frame f;
	const char *why;
	size_t len;

	memcpy(long_enough, bytes, size);
	for (len = 0; len < size; len++)
		assert_int_equal(decode(&f, bytes, len, &why), WS_MORE);
	for (; len <= sizeof(long_enough); len++) {
		assert_int_equal(decode(&f, long_enough, len, &why), WS_OK);
		assert_int_equal(f.opcode, want.opcode);
		assert_int_equal(f.fin, want.fin);
		assert_int_equal(f.masked, want.masked);
		assert_int_equal(f.rsv, want.rsv);
		assert_int_equal(f.len, want.len);
		assert_int_equal(f.head, size);
		if (want.masked)
			assert_memory_equal(f.mask, want.mask, 4);
	}
}

/* A bad one: MORE before the byte that shows it, BAD and the same sentence from it on. */
static void check_bad(const unsigned char *bytes, size_t bad_at)
{
	unsigned char whole[WS_FRAME_HEAD_MAX + 1] = {0};
	const char *why, *first = NULL;
	struct ws_frame f;
	size_t len;

	memcpy(whole, bytes, bad_at);
	for (len = 0; len < bad_at; len++)
		assert_int_equal(decode(&f, whole, len, &why), WS_MORE);
	for (; len <= sizeof(whole); len++) {
		assert_int_equal(decode(&f, whole, len, &why), WS_BAD);
		if (first)
			assert_string_equal(why, first);
		first = why;
	}
}

static void test_good_headers(void **unused)
{
	static const struct {
		struct sample in;
		struct ws_frame want;
	} cases[] = {
		{BYTES(0x81, 0x05), {.opcode = WS_OP_TEXT, .fin = true, .len = 5}},
		{BYTES(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d),
		 {.opcode = WS_OP_TEXT,
		  .fin = true,
		  .masked = true,
		  .len = 5,
		  .mask = {0x37, 0xfa, 0x21, 0x3d}}},
		{BYTES(0x01, 0x03), {.opcode = WS_OP_TEXT, .len = 3}},
		{BYTES(0x80, 0x02), {.opcode = WS_OP_CONTINUATION, .fin = true, .len = 2}},
		{BYTES(0x00, 0x80, 1, 2, 3, 4),
		 {.opcode = WS_OP_CONTINUATION, .masked = true, .mask = {1, 2, 3, 4}}},
		{BYTES(0x89, 0xfd, 0, 0, 0, 0),
		 {.opcode = WS_OP_PING, .fin = true, .masked = true, .len = 125}},
		{BYTES(0x8a, 0x00), {.opcode = WS_OP_PONG, .fin = true}},
		{BYTES(0x88, 0x02), {.opcode = WS_OP_CLOSE, .fin = true, .len = 2}},
		{BYTES(0x82, 0x7d), {.opcode = WS_OP_BINARY, .fin = true, .len = 125}},
		{BYTES(0x82, 0x7e, 0x00, 0x7e), {.opcode = WS_OP_BINARY, .fin = true, .len = 126}},
		{BYTES(0x82, 0x7e, 0x01, 0x00), {.opcode = WS_OP_BINARY, .fin = true, .len = 256}},
		{BYTES(0x82, 0xfe, 0xff, 0xff, 9, 8, 7, 6),
		 {.opcode = WS_OP_BINARY, .fin = true, .masked = true, .len = 65535, .mask = {9, 8, 7, 6}}},
		{BYTES(0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0),
		 {.opcode = WS_OP_BINARY, .fin = true, .len = 65536}},
		{BYTES(0x82, 0x7f, 0, 0, 0, 1, 0, 0, 0, 0),
		 {.opcode = WS_OP_BINARY, .fin = true, .len = UINT64_C(0x100000000)}},
		{BYTES(0x02, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 4, 3, 2, 1),
		 {.opcode = WS_OP_BINARY, .masked = true, .len = UINT64_MAX >> 1, .mask = {4, 3, 2, 1}}},
		{BYTES(0xc1, 0x00), {.opcode = WS_OP_TEXT, .fin = true, .rsv = 4}},
		{BYTES(0xa1, 0x00), {.opcode = WS_OP_TEXT, .fin = true, .rsv = 2}},
		{BYTES(0x91, 0x00), {.opcode = WS_OP_TEXT, .fin = true, .rsv = 1}},
		{BYTES(0xf9, 0x00), {.opcode = WS_OP_PING, .fin = true, .rsv = 7}},
	};
	size_t i;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++)
		check_good(cases[i].in.bytes, cases[i].in.size, cases[i].want);
}

static void test_bad_headers(void **unused)
{
	static const struct sample cases[] = {
		/* fragmented control frames, each at its first byte */
		BYTES(0x08), BYTES(0x09), BYTES(0x0a),
		/* long ones, at the second */
		BYTES(0x88, 0x7e), BYTES(0x89, 0xfe), BYTES(0x8a, 0x7f), BYTES(0x88, 0xff),
		/* 16 bits that 7 would do for: at the fourth */
		BYTES(0x81, 0x7e, 0x00, 0x00), BYTES(0x81, 0xfe, 0x00, 0x7d), BYTES(0x02, 0x7e, 0x00, 0x7d),
		/* 64 bits that 16 would do for: once 48 of them are 0 */
		BYTES(0x81, 0x7f, 0, 0, 0, 0, 0, 0), BYTES(0x82, 0xff, 0, 0, 0, 0, 0, 0),
		/* the top bit: at the third byte */
		BYTES(0x81, 0x7f, 0x80), BYTES(0x82, 0xff, 0xff),
	};
	static const unsigned char reserved[] = {3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf};
	unsigned char first;
	size_t i;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++)
		check_bad(cases[i].bytes, cases[i].size);
	for (i = 0; i < COUNT(reserved); i++) {
		first = reserved[i];
		check_bad(&first, 1);
		first |= 0x80;
		check_bad(&first, 1);
	}
}

/* All first two bytes there are, with a valid length behind them. */
static void test_all_first_bytes(void **unused)
{
	unsigned char s[WS_FRAME_HEAD_MAX] = {0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0};
	unsigned opcode, len7, size;
	struct ws_frame f;
	const char *why;
	bool good;
	int a, b;

	(void)unused;
	for (a = 0; a < 256; a++) {
		for (b = 0; b < 256; b++) {
			opcode = a & 15;
			len7 = b & 127;
			s[0] = (unsigned char)a;
			s[1] = (unsigned char)b;
			good = opcode <= 2 || (opcode >= 8 && opcode <= 10 && a >= 128 && len7 <= 125);
			assert_int_equal(decode(&f, s, sizeof(s), &why), good ? WS_OK : WS_BAD);
			if (!good)
				continue;
			size = 2 + (len7 == 126 ? 2 : len7 == 127 ? 8 : 0) + (b >= 128 ? 4 : 0);
			assert_int_equal(f.head, size);
			assert_int_equal(f.len, len7 == 126   ? 0x1234
						: len7 == 127 ? UINT64_C(0x123456789abcdef0)
							      : len7);
			assert_int_equal(f.opcode, opcode);
			assert_int_equal(f.rsv, a >> 4 & 7);
			assert_int_equal(f.fin, a >= 128);
			assert_int_equal(f.masked, b >= 128);
			if (f.masked)
				assert_memory_equal(f.mask, s + size - 4, 4);
		}
	}
}

/* Each length has one encoding: the shortest. */
static void test_lengths_are_minimal(void **unused)
{
	unsigned char s[10];
	struct ws_frame f;
	const char *why;
	unsigned len;

	(void)unused;
	for (len = 0; len <= 70000; len++) {
		memcpy(s, "\x82\x7e", 2);
		s[2] = (unsigned char)(len >> 8);
		s[3] = (unsigned char)len;
		if (len < 65536)
			assert_int_equal(decode(&f, s, 4, &why), len < 126 ? WS_BAD : WS_OK);
		memcpy(s, "\x82\x7f\0\0\0\0\0", 7);
		s[7] = (unsigned char)(len >> 16);
		s[8] = (unsigned char)(len >> 8);
		s[9] = (unsigned char)len;
		assert_int_equal(decode(&f, s, 10, &why), len < 65536 ? WS_BAD : WS_OK);
	}
}

static void test_encode(void **unused)
{
	static const struct {
		enum ws_opcode opcode;
		bool rsv1;
		uint64_t len;
		struct sample want;
	} cases[] = {
		{WS_OP_TEXT, false, 0, BYTES(0x81, 0)},
		{WS_OP_TEXT, true, 5, BYTES(0xc1, 5)},
		{WS_OP_BINARY, false, 125, BYTES(0x82, 125)},
		{WS_OP_BINARY, false, 126, BYTES(0x82, 126, 0, 126)},
		{WS_OP_BINARY, true, 256, BYTES(0xc2, 126, 1, 0)},
		{WS_OP_BINARY, false, 65535, BYTES(0x82, 126, 0xff, 0xff)},
		{WS_OP_BINARY, false, 65536, BYTES(0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0)},
		{WS_OP_TEXT, false, UINT64_C(0x123456789abcdef0),
		 BYTES(0x81, 127, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0)},
		{WS_OP_CLOSE, false, 2, BYTES(0x88, 2)},
		{WS_OP_PING, false, 0, BYTES(0x89, 0)},
		{WS_OP_PONG, false, 125, BYTES(0x8a, 125)},
	};
	unsigned char out[WS_FRAME_HEAD_MAX_SERVER + 1];
	size_t i, n;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++) {
		memset(out, 0xee, sizeof(out));
		n = ws_frame_encode(out, cases[i].opcode, cases[i].rsv1, cases[i].len);
		assert_int_equal(n, cases[i].want.size);
		assert_memory_equal(out, cases[i].want.bytes, n);
		assert_int_equal(out[n], 0xee);
		check_good(out, n,
			   (struct ws_frame){.opcode = (uint8_t)cases[i].opcode,
					     .fin = true,
					     .rsv = cases[i].rsv1 ? 4 : 0,
					     .len = cases[i].len});
	}
}

static void mask_naively(unsigned char *data, size_t len, const uint8_t mask[4], uint64_t offset)
{
	size_t i;

	for (i = 0; i < len; i++)
		data[i] ^= mask[(i + offset) % 4];
}

static void check_mask(unsigned char *got, unsigned char *want, size_t shift, size_t len, uint64_t offset)
{
	static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

	ws_mask(got + shift, len, mask, offset);
	mask_naively(want + shift, len, mask, offset);
}

static void test_mask(void **unused)
{
	unsigned char got[192], want[192];
	uint64_t offset, seed = 7;
	size_t len, shift, i;

	(void)unused;
	for (i = 0; i < sizeof(got); i++)
		got[i] = want[i] = (unsigned char)feed_random(&seed);
	for (len = 0; len <= 130; len++) {
		for (shift = 0; shift <= 16; shift++) {
			for (offset = 0; offset < 8; offset++) {
				check_mask(got, want, shift, len, offset);
				/* also what lies before and behind it */
				assert_memory_equal(got, want, sizeof(got));
			}
			check_mask(got, want, shift, len, (UINT64_C(1) << 40) + 3);
			check_mask(got, want, shift, len, UINT64_MAX - 1);
			assert_memory_equal(got, want, sizeof(got));
		}
	}
	ws_mask(NULL, 0, (const uint8_t[4]){1, 2, 3, 4}, 5);
}

static void test_mask_in_pieces(void **unused)
{
	static const uint8_t mask[4] = {1, 0x80, 0xff, 0x5a};
	unsigned char got[5000], want[5000];
	size_t at, n, i;
	uint64_t seed = 3;

	(void)unused;
	for (i = 0; i < sizeof(got); i++)
		got[i] = want[i] = (unsigned char)i;
	for (at = 0; at < sizeof(got); at += n) {
		n = feed_random(&seed) % 300;
		if (n > sizeof(got) - at)
			n = sizeof(got) - at;
		ws_mask(got + at, n, mask, at);
	}
	mask_naively(want, sizeof(want), mask, 0);
	assert_memory_equal(got, want, sizeof(got));
	ws_mask(got, sizeof(got), mask, 0);
	for (i = 0; i < sizeof(got); i++)
		assert_int_equal(got[i], (unsigned char)i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_headers),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_all_first_bytes),
		cmocka_unit_test(test_lengths_are_minimal),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_mask_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
