/*
 * ws_deflate: any bytes, as two messages of a client, inflate to the same in
 * one piece of output and in many, and to what zlib itself makes of them; a
 * message that is deflated is shorter, the same each time, and comes back from
 * our inflater of each window that it is said to fit, and from zlib.
 *
 * Input: level, window and takeover, where the first message ends, 4 bytes of
 * cuts, the messages.
 */
#include <config.h>

#include "wire/ws_deflate.h"

#include "fuzz.h"

#include <zlib.h>

#define MOST 8192 /* bytes of an inflated message */

struct message {
	enum ws_inflate_verdict verdict;
	unsigned char *s;
	size_t len;
};

/* Inflates a message in pieces of output (CUTS NULL: one), never more than MOST bytes. */
static struct message inflate_message(struct ws_inflater *i, const void *data, size_t len, struct fuzz_cuts *cuts)
{
	struct message m = {WS_INFLATE_MORE, malloc(MOST), 0};
	void *in = fuzz_copy(data, len);

	CHECK(m.s);
	ws_inflater_begin(i, in, len);
	while (m.verdict == WS_INFLATE_MORE && m.len < MOST) {
		size_t size = cuts ? fuzz_cut(cuts, MOST - m.len) : MOST, n;
		unsigned char *out = malloc(size);

		CHECK(out);
		m.verdict = ws_inflater_run(i, out, size, &n);
		CHECK(m.verdict != WS_INFLATE_NO_MEMORY && n <= size && (n == size || m.verdict != WS_INFLATE_MORE));
		memcpy(m.s + m.len, out, n);
		m.len += n;
		free(out);
	}
	fuzz_free(in, len);
	return m;
}

/*
 * What zlib makes of a message's bytes and the tail that is not sent; of no
 * bytes, what an empty message should have been. False: a block said that it
 * was the last.
 */
static bool zlib_inflate(z_stream *z, const void *data, size_t len, struct message *m)
{
	unsigned char *in = calloc(1, len + 5);
	int result;

	m->s = malloc(MOST);
	CHECK(in && m->s);
	if (len)
		memcpy(in, data, len);
	else
		len = 1;
	memcpy(in + len, "\0\0\xff\xff", 4);
	z->next_in = in;
	z->avail_in = (uInt)len + 4;
	z->next_out = m->s;
	z->avail_out = MOST;
	result = inflate(z, Z_SYNC_FLUSH);
	m->len = MOST - z->avail_out;
	m->verdict = WS_INFLATE_BAD;
	if (result == Z_OK && !z->avail_in && z->data_type & 128)
		m->verdict = WS_INFLATE_DONE;
	else if (result == Z_OK && !z->avail_out)
		m->verdict = WS_INFLATE_MORE;
	free(in);
	return result != Z_STREAM_END;
}

/*
 * The same came of both ways. A client that exceeds its window is allowed one
 * difference: zlib does not see that while what is meant is still in the
 * output. Returns false then.
 */
static bool same(unsigned bits, const struct message *a, const struct message *b)
{
	bool equal = a->verdict == b->verdict && a->len == b->len;

	CHECK(!memcmp(a->s, b->s, a->len < b->len ? a->len : b->len));
	CHECK(equal || (bits < 15 && (a->verdict == WS_INFLATE_BAD || b->verdict == WS_INFLATE_BAD)));
	return equal;
}

/* ---- what clients send ---- */

/* The ways of one client's messages, side by side. */
struct ways {
	struct ws_inflater *whole, *pieces, *bytes;
	unsigned bits;
	z_stream zlib;
	bool with_zlib; /* which does not go on behind a last block */
};

static int zlib_bits(unsigned bits) { return -(int)(bits > 8 ? bits : 9); }

static bool inflate_all_ways(struct ways *w, const void *data, size_t len, struct fuzz_cuts cuts)
{
	struct fuzz_cuts bytewise = fuzz_bytewise();
	struct message whole = inflate_message(w->whole, data, len, NULL), reference;
	struct message pieces = inflate_message(w->pieces, data, len, &cuts);
	struct message bytes = inflate_message(w->bytes, data, len, &bytewise);
	bool go_on = whole.verdict == WS_INFLATE_DONE;

	go_on = same(w->bits, &whole, &pieces) && go_on;
	go_on = same(w->bits, &whole, &bytes) && go_on;
	if (w->with_zlib) {
		w->with_zlib = zlib_inflate(&w->zlib, data, len, &reference);
		if (w->with_zlib)
			go_on = same(w->bits, &whole, &reference) && go_on;
		free(reference.s);
	}
	free(whole.s);
	free(pieces.s);
	free(bytes.s);
	return go_on;
}

static void check_client(const struct fuzz_input *in, unsigned bits, bool takeover, size_t first, struct fuzz_cuts cuts)
{
	struct ways w = {ws_inflater_new(bits, takeover), ws_inflater_new(bits, takeover), ws_inflater_new(bits, takeover),
			 bits, {0}, true};

	CHECK(w.whole && w.pieces && w.bytes && ws_inflater_takeover(w.whole) == takeover);
	CHECK(inflateInit2(&w.zlib, zlib_bits(bits)) == Z_OK);
	if (inflate_all_ways(&w, in->data, first, cuts) || !takeover) {
		if (!takeover) {
			CHECK(inflateReset(&w.zlib) == Z_OK);
			w.with_zlib = true;
		}
		inflate_all_ways(&w, in->data + first, in->len - first, cuts);
	}
	inflateEnd(&w.zlib);
	ws_inflater_free(w.whole);
	ws_inflater_free(w.pieces);
	ws_inflater_free(w.bytes);
}

/* ---- what clients are sent ---- */

static void comes_back(const struct message *m, const void *data, size_t len)
{
	CHECK(m->verdict == WS_INFLATE_DONE && m->len == len && !memcmp(m->s, data, len));
	free(m->s);
}

static void check_window(unsigned bits, const void *message, size_t len, const void *deflated, size_t n,
			 struct fuzz_cuts cuts)
{
	struct ws_inflater *i = ws_inflater_new(bits, bits % 2);
	z_stream z = {0};
	struct message m;

	CHECK(i);
	m = inflate_message(i, deflated, n, &cuts);
	comes_back(&m, message, len);
	ws_inflater_free(i);

	CHECK(inflateInit2(&z, -(int)bits) == Z_OK);
	CHECK(zlib_inflate(&z, deflated, n, &m));
	comes_back(&m, message, len);
	inflateEnd(&z);
}

/* Deflates a message twice, with another one in between: nothing of these is remembered. */
static void check_deflater(const struct fuzz_input *in, int level, unsigned bits, struct fuzz_cuts cuts)
{
	struct ws_deflater *d = ws_deflater_new(level);
	void *message = fuzz_copy(in->data, in->len);
	size_t n = 0, other, again = 0;
	unsigned char *deflated = NULL;
	const unsigned char *p;

	CHECK(d);
	p = ws_deflater_run(d, message, in->len, &n);
	CHECK(!p || n < in->len);
	if (p) {
		deflated = fuzz_copy(p, n);
		check_window(ws_deflate_fits(bits, in->len) ? bits : 15, message, in->len, deflated, n, cuts);
	}
	ws_deflater_run(d, message, in->len / 2, &other);
	p = ws_deflater_run(d, message, in->len, &again);
	CHECK(!p == !deflated && again == n && (!p || !memcmp(p, deflated, n)));
	if (deflated)
		fuzz_free(deflated, n);
	fuzz_free(message, in->len);
	ws_deflater_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = {data, len};
	uint8_t choice = fuzz_byte(&in);
	size_t first = fuzz_byte(&in);
	struct fuzz_cuts cuts = fuzz_cuts(&in);

	if (in.len >= MOST)
		in.len = MOST - 1;
	check_client(&in, 8 + choice % 8, choice & 8, first < in.len ? first : in.len, cuts);
	check_deflater(&in, 1 + choice / 16 % 9, 8 + choice % 8, cuts);
	return 0;
}
