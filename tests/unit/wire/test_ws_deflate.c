/*
 * ws_deflate: offers and their answers; inflating with room of all sizes;
 * deflating, inflated again by zlib as a client does it, in the smallest
 * window that ws_deflate_fits() allows.
 */
#include <config.h>

#include "wire/ws_deflate.h"

#include <stdio.h>
#include <zlib.h>

#include "feed.h"

#define PMD "permessage-deflate"
#define ALWAYS PMD "; server_no_context_takeover"

static const struct {
	const char *fields;   /* several are separated by '|' */
	const char *answer;   /* with takeover allowed; NULL: none */
	const char *without;  /* and without; NULL: as above with client_no_context_takeover behind ALWAYS */
} offers[] = {
	{NULL, NULL, NULL},
	{"x-webkit-deflate-frame", NULL, NULL},
	{"permessage-deflat", NULL, NULL},
	{PMD, ALWAYS, ALWAYS "; client_no_context_takeover"},
	{PMD "; client_max_window_bits", ALWAYS, ALWAYS "; client_no_context_takeover"}, /* a browser's */
	{PMD "; server_no_context_takeover", ALWAYS, ALWAYS "; client_no_context_takeover"},
	{PMD "; client_no_context_takeover", ALWAYS "; client_no_context_takeover",
	 ALWAYS "; client_no_context_takeover"},
	{PMD "; server_max_window_bits=8", ALWAYS "; server_max_window_bits=8",
	 ALWAYS "; client_no_context_takeover; server_max_window_bits=8"},
	{PMD "; server_max_window_bits=\"10\"", ALWAYS "; server_max_window_bits=10",
	 ALWAYS "; client_no_context_takeover; server_max_window_bits=10"},
	{PMD ";client_max_window_bits=15;server_max_window_bits=15",
	 ALWAYS "; server_max_window_bits=15; client_max_window_bits=15",
	 ALWAYS "; client_no_context_takeover; server_max_window_bits=15; client_max_window_bits=15"},
	{PMD "; client_max_window_bits=9; client_no_context_takeover",
	 ALWAYS "; client_no_context_takeover; client_max_window_bits=9",
	 ALWAYS "; client_no_context_takeover; client_max_window_bits=9"},
	/* passed over */
	{PMD "; x", NULL, NULL},
	{PMD "; server_max_window_bits", NULL, NULL},
	{PMD "; server_max_window_bits=7", NULL, NULL},
	{PMD "; server_max_window_bits=16", NULL, NULL},
	{PMD "; server_max_window_bits=08", NULL, NULL},
	{PMD "; server_max_window_bits=010", NULL, NULL},
	{PMD "; server_max_window_bits=1", NULL, NULL},
	{PMD "; server_max_window_bits=20", NULL, NULL},
	{PMD "; server_max_window_bits=1a", NULL, NULL},
	{PMD "; server_max_window_bits=", NULL, NULL},
	{PMD "; server_max_window_bits=10; server_max_window_bits=10", NULL, NULL},
	{PMD "; client_max_window_bits=7", NULL, NULL},
	{PMD "; client_max_window_bits=16", NULL, NULL},
	{PMD "; client_max_window_bits; client_max_window_bits=10", NULL, NULL},
	{PMD "; server_no_context_takeover=1", NULL, NULL},
	{PMD "; client_no_context_takeover=true", NULL, NULL},
	{PMD "; client_no_context_takeover; client_no_context_takeover", NULL, NULL},
	{PMD "; SERVER_NO_CONTEXT_TAKEOVER", NULL, NULL},
	{PMD ";", NULL, NULL},
	{PMD "; server_max_window_bits=\"1\\0\"", ALWAYS "; server_max_window_bits=10",
	 ALWAYS "; client_no_context_takeover; server_max_window_bits=10"},
	/* the first that is to be had, in one field and in several */
	{PMD "; x, " PMD "; server_max_window_bits=11", ALWAYS "; server_max_window_bits=11",
	 ALWAYS "; client_no_context_takeover; server_max_window_bits=11"},
	{"foo; server_max_window_bits=9, " PMD, ALWAYS, ALWAYS "; client_no_context_takeover"},
	{PMD "; server_max_window_bits=9; x=1| " PMD "|" PMD "; server_max_window_bits=10", ALWAYS,
	 ALWAYS "; client_no_context_takeover"},
	{PMD "; server_max_window_bits=12, " PMD, ALWAYS "; server_max_window_bits=12",
	 ALWAYS "; client_no_context_takeover; server_max_window_bits=12"},
	{PMD "; client_no_context_takeover; x, " PMD, ALWAYS, ALWAYS "; client_no_context_takeover"},
};

static void parse(struct http_head *h, char *bytes, const char *fields)
{
	char *to = bytes + sprintf(bytes, "GET / HTTP/1.1\r\nHost: x\r\n");

	while (fields) {
		size_t n = strcspn(fields, "|");

		to += sprintf(to, "Sec-WebSocket-Extensions: %.*s\r\n", (int)n, fields);
		fields = fields[n] ? fields + n + 1 : NULL;
	}
	strcpy(to, "\r\n");
	http_head_init(h, HTTP_HEAD_LIMIT);
	assert_int_equal(http_head_parse(h, bytes, strlen(bytes)), HTTP_OK);
}

static void test_offers(void **unused)
{
	static const struct ws_deflate nothing;
	char bytes[1000], answer[WS_DEFLATE_ANSWER_MAX];
	struct ws_deflate agreed;
	struct http_head h;
	const char *want;
	size_t i;
	int takeover;

	(void)unused;
	for (i = 0; i < COUNT(offers); i++) {
		parse(&h, bytes, offers[i].fields);
		for (takeover = 0; takeover < 2; takeover++) {
			want = takeover ? offers[i].answer : offers[i].without;
			memset(&agreed, 0xff, sizeof(agreed));
			if (ws_deflate_negotiate(&h, bytes, takeover, &agreed) != (want != NULL))
				fail_msg("\"%s\"", offers[i].fields);
			if (!want) {
				assert_memory_equal(&agreed, &nothing, sizeof(nothing));
				continue;
			}
			assert_int_equal(ws_deflate_answer(&agreed, answer), strlen(want));
			assert_string_equal(answer, want);
			assert_in_range(agreed.server_bits, 8, 15);
			assert_in_range(agreed.client_bits, 8, 15);
			assert_int_equal(agreed.client_takeover, !strstr(want, "client_no_context_takeover"));
		}
	}
}

/* Of repeated words with some noise: compressible, with distances of all sizes. */
static unsigned char *text_of(size_t len, uint64_t seed)
{
	unsigned char *text = malloc(len + 1);
	size_t i;

	assert_non_null(text);
	for (i = 0; i < len; i++) {
		if (i > 8 && feed_random(&seed) % 8)
			text[i] = text[i - 1 - feed_random(&seed) % (i < 40000 ? i : 40000)];
		else
			text[i] = (unsigned char)('a' + feed_random(&seed) % 26);
		if (i > 100 && feed_random(&seed) % 4 == 0) { /* a whole phrase from somewhere before */
			size_t from = feed_random(&seed) % (i - 50), n = 3 + feed_random(&seed) % 40;

			for (; n && i < len; n--)
				text[i++] = text[from++];
			i--;
		}
	}
	return text;
}

/* As a client does it: a window of 2^BITS, fresh, and the tail put back. */
static void check_inflated(const unsigned char *data, size_t n, int bits, const unsigned char *want, size_t len)
{
	unsigned char *in = malloc(n + 4), *out = malloc(len + 1);
	z_stream z = {0};
	int result;
	size_t i;

	memcpy(in, data, n);
	memcpy(in + n, "\0\0\xff\xff", 4);
	assert_int_equal(inflateInit2(&z, -bits), Z_OK);
	z.next_in = in;
	z.next_out = out;
	z.avail_in = (uInt)(n + 4);
	/* Piece by piece, so that zlib has nothing but its window to look back into. */
	for (i = 0; i < len + 1; i += 16) {
		z.avail_out = len + 1 - i < 16 ? (uInt)(len + 1 - i) : 16;
		result = inflate(&z, Z_SYNC_FLUSH);
		assert_true(result == Z_OK || result == Z_BUF_ERROR);
	}
	assert_int_equal(z.total_out, len);
	assert_memory_equal(out, want, len);
	inflateEnd(&z);
	free(in);
	free(out);
}

static void test_deflated_fits(void **unused)
{
	static const size_t lengths[] = {60, 255, 256, 257, 511, 512, 513, 1024, 5000, 32768, 32769, 100000, 300000};
	struct ws_deflater *d = ws_deflater_new(1);
	const unsigned char *out;
	unsigned char *text;
	size_t i, n, tried = 0;
	int bits;

	(void)unused;
	assert_non_null(d);
	for (i = 0; i < COUNT(lengths); i++) {
		text = text_of(lengths[i], 7692 + i);
		out = ws_deflater_run(d, text, lengths[i], &n);
		assert_non_null(out);
		assert_true(n < lengths[i]);
		for (bits = 8; bits <= 15; bits++) {
			assert_int_equal(ws_deflate_fits((unsigned)bits, lengths[i]),
					 bits == 15 || lengths[i] <= (size_t)1 << bits);
			if (ws_deflate_fits((unsigned)bits, lengths[i])) {
				check_inflated(out, n, bits, text, lengths[i]);
				tried++;
			}
		}
		free(text);
	}
	/* from 60 bytes to 300,000 */
	assert_int_equal(tried, 8 + 8 + 8 + 7 + 7 + 7 + 6 + 6 + 3 + 1 + 1 + 1 + 1);
	ws_deflater_free(d);
}

/* What does not become shorter is left as it is, and costs no room beyond its own. */
static void test_incompressible(void **unused)
{
	struct ws_deflater *d = ws_deflater_new(1);
	unsigned char noise[70000];
	uint64_t seed = 1951;
	size_t i, n, len;

	(void)unused;
	for (i = 0; i < sizeof(noise); i++)
		noise[i] = (unsigned char)(feed_random(&seed) >> 20);
	for (len = 0; len < sizeof(noise); len = len * 2 + 1)
		assert_null(ws_deflater_run(d, noise, len, &n));
	/* and the next one is not disturbed */
	memset(noise, 'x', 1000);
	assert_non_null(ws_deflater_run(d, noise, 1000, &n));
	assert_true(n < 20);
	check_inflated(ws_deflater_run(d, noise, 1000, &n), n, 10, noise, 1000);
	ws_deflater_free(d);
}

/* However small the room it is given, the same comes of a message, or the same is wrong with it. */
static void test_inflate_in_pieces(void **unused)
{
	struct ws_deflater *d = ws_deflater_new(6);
	unsigned char *text = text_of(5000, 3), *damaged, out[6000];
	const unsigned char *deflated;
	enum ws_inflate_verdict verdict, first;
	uint64_t seed = 5;
	size_t len, n, at, round, room;
	struct ws_inflater *i;

	(void)unused;
	deflated = ws_deflater_run(d, text, 5000, &len);
	for (round = 0; round < 300; round++) {
		damaged = feed_copy(deflated, len);
		if (round >= 100)
			damaged[feed_random(&seed) % len] ^= (unsigned char)(1 << feed_random(&seed) % 8);
		first = WS_INFLATE_NO_MEMORY;
		for (room = 6000; room > 0; room /= 4) {
			i = ws_inflater_new(15, false);
			ws_inflater_begin(i, damaged, len);
			at = 0;
			do {
				verdict = ws_inflater_run(i, out + at, room < 6000 - at ? room : 6000 - at, &n);
				at += n;
			} while (verdict == WS_INFLATE_MORE && at < 6000);
			ws_inflater_free(i);
			if (first == WS_INFLATE_NO_MEMORY)
				first = verdict;
			assert_int_equal(verdict, first);
			if (round < 100) {
				assert_int_equal(verdict, WS_INFLATE_DONE);
				assert_int_equal(at, 5000);
				assert_memory_equal(out, text, 5000);
			}
		}
		free(damaged);
	}
	free(text);
	ws_deflater_free(d);
}

/* A client's own context: each message may look back into those before it, as far as its window goes. */
static void test_takeover(void **unused)
{
	int bits;

	(void)unused;
	for (bits = 9; bits <= 15; bits++) {
		struct ws_inflater *i = ws_inflater_new((unsigned)bits, true);
		unsigned char *text = text_of(60000, (uint64_t)bits), in[70000], out[70000];
		z_stream z = {0};
		size_t at, len, n;

		assert_true(ws_inflater_takeover(i));
		assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -bits, 8, 0), Z_OK);
		for (at = 0; at < 60000; at += len) {
			len = at + at / 3 + 10 < 60000 ? at / 3 + 10 : 60000 - at;
			z.next_in = text + at;
			z.avail_in = (uInt)len;
			z.next_out = in;
			z.avail_out = sizeof(in);
			assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
			ws_inflater_begin(i, in, sizeof(in) - z.avail_out - 4);
			assert_int_equal(ws_inflater_run(i, out, sizeof(out), &n), WS_INFLATE_DONE);
			assert_int_equal(n, len);
			assert_memory_equal(out, text + at, len);
		}
		deflateEnd(&z);
		ws_inflater_free(i);
		free(text);
	}
	ws_inflater_free(NULL);
	ws_deflater_free(NULL);
}

/*
 * A stored block that ends where the tail does, that is not sent: fuzzing found that the verdict depended on
 * whether the output was full then.
 */
static void test_block_that_takes_the_tail(void **unused)
{
	static const unsigned char sent[] = {0x00, 6, 0, 0xf9, 0xff, 'h', 'i'};

	(void)unused;
	for (size_t room = 1; room <= 8; room++) {
		struct ws_inflater *i = ws_inflater_new(15, false);
		enum ws_inflate_verdict verdict;
		unsigned char out[64];
		size_t at = 0, n;

		assert_non_null(i);
		ws_inflater_begin(i, sent, sizeof(sent));
		do {
			verdict = ws_inflater_run(i, out + at, room, &n);
			at += n;
		} while (verdict == WS_INFLATE_MORE);
		assert_int_equal(verdict, WS_INFLATE_DONE);
		assert_int_equal(at, 6);
		assert_memory_equal(out, "hi\0\0\xff\xff", 6);
		ws_inflater_free(i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_deflated_fits),
		cmocka_unit_test(test_incompressible),
		cmocka_unit_test(test_inflate_in_pieces),
		cmocka_unit_test(test_takeover),
		cmocka_unit_test(test_block_that_takes_the_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
