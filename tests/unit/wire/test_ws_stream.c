/*
 * ws_stream: a table of what clients send and what must come of it, each fed
 * whole, byte by byte, and cut at every position, with the same result; the
 * refusals at their exact bytes; limits; memory.
 *
 * A case is written as a script: frames separated by '|', each its first byte
 * in hexadecimal, a colon and the payload, which is masked on the way, or a '#'
 * and the payload in hexadecimal; or '=' and raw bytes in hexadecimal.
 */
#include <config.h>

#include "wire/ws_deflate.h"
#include "wire/ws_frame.h"
#include "wire/ws_stream.h"

#include <stdio.h>

#include "feed.h"

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d}; /* of RFC 6455 section 5.7 */
static const struct ws_limits generous = {1 << 20, 1 << 20, 1000};

/* Bytes that grow */
struct bytes {
	unsigned char *s;
	size_t len, size;
};

static void add(struct bytes *b, const void *s, size_t len)
{
	if (!b->s || b->len + len > b->size) {
		b->size = (b->len + len) * 2 + 1;
		b->s = realloc(b->s, b->size);
		assert_non_null(b->s);
	}
	if (len)
		memcpy(b->s + b->len, s, len);
	b->len += len;
}

static void add_frame(struct bytes *b, unsigned char first, const void *payload, size_t len)
{
	unsigned char head[WS_FRAME_HEAD_MAX_SERVER];
	size_t head_len = ws_frame_encode(head, WS_OP_TEXT, false, len), i;
	const unsigned char *p = payload;
	unsigned char byte;

	head[0] = first;
	head[1] |= 0x80;
	add(b, head, head_len);
	add(b, key, 4);
	for (i = 0; i < len; i++) {
		byte = p[i] ^ key[i % 4];
		add(b, &byte, 1);
	}
}

static unsigned char hex_byte(const char *s)
{
	char digits[3] = {s[0], s[1], 0}, *end;
	unsigned long value = strtoul(digits, &end, 16);

	assert_ptr_equal(end, digits + 2);
	return (unsigned char)value;
}

static void add_hex(struct bytes *b, const char *hex, size_t len)
{
	unsigned char byte;

	for (; len; hex += 2, len -= 2) {
		byte = hex_byte(hex);
		add(b, &byte, 1);
	}
}

static struct bytes from_script(const char *script)
{
	struct bytes b = {NULL, 0, 0}, payload;
	size_t len;

	while (*script) {
		len = strcspn(script, "|");
		if (*script == '=') {
			add_hex(&b, script + 1, len - 1);
			script += len;
		} else if (script[2] == '#') {
			memset(&payload, 0, sizeof(payload));
			add_hex(&payload, script + 3, len - 3);
			add_frame(&b, hex_byte(script), payload.s, payload.len);
			free(payload.s);
			script += len;
		} else {
			assert_int_equal(script[2], ':');
			add_frame(&b, hex_byte(script), script + 3, len - 3);
			script += len;
		}
		if (*script == '|')
			script++;
	}
	return b;
}

/* What was agreed as to compression with the next connections. */
static enum { NO_DEFLATE, SHARED_INFLATER, OWN_INFLATER } agreed;
static struct ws_inflater *shared;

static struct ws_inflater *inflater(void)
{
	if (!shared) {
		shared = ws_inflater_new(15, false);
		assert_non_null(shared);
	}
	return agreed == NO_DEFLATE ? NULL : agreed == SHARED_INFLATER ? shared : ws_inflater_new(15, true);
}

/* A connection: keeps what was not used up, as the contract wants it, and writes down the events. */
struct client {
	struct ws_stream stream;
	struct bytes rest; /* not used up yet */
	struct bytes log;  /* "TEXT(Hello) BAD 1002 why" */
	bool over;
	size_t fed, over_at; /* bytes in all; and when the end was reported */
	uint16_t code;
};

static void client_start(struct client *c, const struct ws_limits *limits)
{
	memset(c, 0, sizeof(*c));
	ws_stream_init(&c->stream, limits, inflater());
}

static void client_stop(struct client *c)
{
	ws_stream_clear(&c->stream);
	free(c->rest.s);
	free(c->log.s);
}

static void write_down(struct client *c, const struct ws_event *ev)
{
	static const char *const names[] = {
		[WS_EVENT_TEXT] = "TEXT", [WS_EVENT_BINARY] = "BINARY", [WS_EVENT_PING] = "PING",
		[WS_EVENT_PONG] = "PONG", [WS_EVENT_CLOSE] = "CLOSE",	[WS_EVENT_BAD] = "BAD",
	};
	char line[160];
	int n;

	add(&c->log, " ", c->log.len ? 1 : 0);
	add(&c->log, names[ev->type], strlen(names[ev->type]));
	if (ev->type == WS_EVENT_BAD || ev->type == WS_EVENT_CLOSE) {
		n = snprintf(line, sizeof(line), " %u", ev->code);
		add(&c->log, line, (size_t)n);
		c->code = ev->code;
	} else {
		assert_int_equal(ev->code, 0);
	}
	assert_int_equal(ev->type == WS_EVENT_BAD, ev->why != NULL);
	if (ev->type == WS_EVENT_BAD) {
		add(&c->log, " ", 1);
		add(&c->log, ev->why, strlen(ev->why));
		return;
	}
	assert_non_null(ev->data);
	add(&c->log, "(", 1);
	add(&c->log, ev->data, ev->len);
	add(&c->log, ")", 1);
}

static void client_feed(struct client *c, const unsigned char *bytes, size_t len)
{
	unsigned char *buf, *before;
	struct ws_event ev;
	size_t at = 0, used;

	if (c->over)
		return;
	add(&c->rest, bytes, len);
	c->fed += len;
	buf = feed_copy(c->rest.s, c->rest.len);
	before = feed_copy(c->rest.s, c->rest.len);
	do {
		used = ws_stream_read(&c->stream, buf + at, c->rest.len - at, &ev);
		assert_true(used <= c->rest.len - at);
		at += used;
		if (ev.type != WS_EVENT_MORE)
			write_down(c, &ev);
		if (ev.type == WS_EVENT_BAD || ev.type == WS_EVENT_CLOSE) {
			c->over = true;
			c->over_at = c->fed;
			assert_null(c->stream.assembly);
		}
	} while (!c->over && ev.type != WS_EVENT_MORE);
	if (!c->over) { /* what is left is little, and unchanged */
		c->rest.len -= at;
		assert_true(c->rest.len < WS_FRAME_HEAD_MAX + WS_CONTROL_MAX);
		assert_memory_equal(buf + at, before + at, c->rest.len);
		memcpy(c->rest.s, buf + at, c->rest.len);
	}
	free(buf);
	free(before);
}

/* Feeds B in pieces of STEP bytes, the first of FIRST; leaves the log in *C. */
static void run(struct client *c, const struct ws_limits *limits, const struct bytes *b, size_t first,
		size_t step)
{
	size_t at, n;

	client_start(c, limits);
	if (!b->len)
		client_feed(c, NULL, 0);
	for (at = 0; at < b->len; at += n) {
		n = at ? step : first;
		if (n > b->len - at)
			n = b->len - at;
		client_feed(c, b->s + at, n);
	}
	add(&c->log, "", 1);
}

static void expect_same(struct client *c, const struct client *whole, const char *how, size_t at)
{
	if (c->log.len != whole->log.len || memcmp(c->log.s, whole->log.s, c->log.len))
		fail_msg("%s %zu: \"%s\" instead of \"%s\"", how, at, (char *)c->log.s, (char *)whole->log.s);
	client_stop(c);
}

/*
 * The same, however it is cut. WANT is the log, or its beginning where it ends
 * in a code. Returns the number of bytes at which the end was reported when
 * fed byte by byte; 0: it was not.
 */
static size_t check(const char *want, const struct ws_limits *limits, const struct bytes *b)
{
	struct client whole, c;
	size_t cut, over_at;

	run(&whole, limits, b, b->len, 1);
	if (want && strncmp((char *)whole.log.s, want, strlen(want)))
		fail_msg("\"%s\" instead of \"%s\"", (char *)whole.log.s, want);
	if (want && !strstr(want, "BAD"))
		assert_string_equal((char *)whole.log.s, want);

	run(&c, limits, b, 1, 1);
	over_at = c.over_at;
	expect_same(&c, &whole, "byte by byte", 0);
	for (cut = 1; cut < b->len; cut++) {
		run(&c, limits, b, cut, b->len - cut);
		expect_same(&c, &whole, "cut at", cut);
	}
	client_stop(&whole);
	return over_at;
}

static void check_script(const char *script, const char *want, size_t over_at, const struct ws_limits *limits)
{
	struct bytes b = from_script(script);
	size_t got = check(want, limits, &b);

	if (got != over_at)
		fail_msg("\"%s\": over at byte %zu instead of %zu", script, got, over_at);
	free(b.s);
}

#define X25 "0123456789abcdefghijklmno"
#define X125 X25 X25 X25 X25 X25

static void test_good(void **unused)
{
	static const struct {
		const char *script, *want;
	} cases[] = {
		{"", ""},
		{"=818537fa213d7f9f4d5158", "TEXT(Hello)"}, /* RFC 6455 section 5.7 */
		{"81:", "TEXT()"},
		{"82:", "BINARY()"},
		{"82:\x01\xff\x80", "BINARY(\x01\xff\x80)"},
		{"81:\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
		 "TEXT(\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5)"},
		{"81:one|81:two|82:three", "TEXT(one) TEXT(two) BINARY(three)"},
		{"81:" X125, "TEXT(" X125 ")"},
		{"81:" X125 "x", "TEXT(" X125 "x)"},
		{"81:" X125 X125, "TEXT(" X125 X125 ")"},
		/* fragments */
		{"01:Hel|80:lo", "TEXT(Hello)"},
		{"01:|80:", "TEXT()"},
		{"01:|00:|00:|80:", "TEXT()"},
		{"02:|00:x|80:", "BINARY(x)"},
		{"02:a|00:b|00:c|80:d|81:e", "BINARY(abcd) TEXT(e)"},
		{"01:a|80:b|01:c|80:d", "TEXT(ab) TEXT(cd)"},
		/* a character over two and three fragments */
		{"01:\xe2|80:\x82\xac", "TEXT(\xe2\x82\xac)"},
		{"01:\xe2|00:\x82|80:\xac", "TEXT(\xe2\x82\xac)"},
		{"01:x\xf0\x9f|00:|00:\x98|80:\x80y", "TEXT(x\xf0\x9f\x98\x80y)"},
		{"02:\xe2|80:\xff", "BINARY(\xe2\xff)"},
		/* control frames */
		{"89:", "PING()"},
		{"89:" X125, "PING(" X125 ")"},
		{"8a:", "PONG()"},
		{"8a:unasked", "PONG(unasked)"},
		{"89:a|89:b|8a:c", "PING(a) PING(b) PONG(c)"},
		{"89:\xff\xfe", "PING(\xff\xfe)"},
		/* in between */
		{"01:Hel|89:x|80:lo", "PING(x) TEXT(Hello)"},
		{"01:a|89:1|8a:2|00:b|89:3|80:c|89:4", "PING(1) PONG(2) PING(3) TEXT(abc) PING(4)"},
		{"01:\xe2|89:\x82\xac|80:\x82\xac", "PING(\x82\xac) TEXT(\xe2\x82\xac)"},
		/* not whole */
		{"01:Hello", ""},
		{"01:Hello|89:x|00:", "PING(x)"},
		{"=8185", ""},
		{"=81fe0100", ""},
		{"=89fd01020304aabb", ""},
	};
	size_t i;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++)
		check_script(cases[i].script, cases[i].want, 0, &generous);
}

static void test_close(void **unused)
{
	static const struct {
		const char *script, *want;
		size_t over_at;
	} cases[] = {
		{"88:", "CLOSE 1005()", 6},
		{"88:\x03\xe8", "CLOSE 1000()", 8},
		{"88:\x03\xe9going", "CLOSE 1001(going)", 13},
		{"88:\x0b\xb8\xe2\x82\xac", "CLOSE 3000(\xe2\x82\xac)", 11},
		{"88:\x13\x87last", "CLOSE 4999(last)", 12},
		{"88:\x03\xe8|81:not read", "CLOSE 1000()", 8},
		{"01:half|88:\x03\xe8|80:a message", "CLOSE 1000()", 18},
		{"88:\x03\xe8" X25 X25 X25 X25 "0123456789abcdefghijklm",
		 "CLOSE 1000(" X25 X25 X25 X25 "0123456789abcdefghijklm)", 131},
		/* half a code, at the byte that says so */
		{"88:\x03", "BAD 1002", 2},
		{"=888100000000", "BAD 1002", 2},
		{"88:\x03\xed", "BAD 1002", 8},	/* 1005 */
		{"88:\x03\xeetext", "BAD 1002", 12},	/* 1006 */
		{"88:\x13\x88", "BAD 1002", 8},	/* 5000 */
		{"88:\xff\xff", "BAD 1002", 8},
		{"88:\x03\xe8 \xff", "BAD 1007", 10},
		{"88:\x03\xe8\xe2\x82", "BAD 1007", 10},
		{"88:\x03\xed\xff", "BAD 1002", 9},
	};
	size_t i;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++)
		check_script(cases[i].script, cases[i].want, cases[i].over_at, &generous);
}

static bool receivable(unsigned code)
{
	static const unsigned registered[] = {1000, 1001, 1002, 1003, 1007, 1008,
					      1009, 1010, 1011, 1012, 1013, 1014};
	size_t i;

	for (i = 0; i < COUNT(registered); i++) {
		if (code == registered[i])
			return true;
	}
	return code / 1000 == 3 || code / 1000 == 4;
}

static void test_every_close_code(void **unused)
{
	unsigned char frame[8], payload[2];
	struct bytes b = {NULL, 0, 0};
	struct ws_stream s;
	struct ws_event ev;
	unsigned code;

	(void)unused;
	for (code = 0; code <= 65535; code++) {
		assert_int_equal(ws_close_code_valid(code), receivable(code));
		payload[0] = (unsigned char)(code >> 8);
		payload[1] = (unsigned char)code;
		b.len = 0;
		add_frame(&b, 0x88, payload, 2);
		memcpy(frame, b.s, sizeof(frame));
		ws_stream_init(&s, &generous, NULL);
		ws_stream_read(&s, frame, sizeof(frame), &ev);
		assert_int_equal(ev.type, receivable(code) ? WS_EVENT_CLOSE : WS_EVENT_BAD);
		assert_int_equal(ev.code, receivable(code) ? code : 1002);
	}
	assert_false(ws_close_code_valid(65536 + 1000));
	free(b.s);
}

static void test_bad_protocol(void **unused)
{
	static const struct {
		const char *script, *want;
		size_t over_at;
	} cases[] = {
		/* RSV bits: at the first byte, of all frames */
		{"c1:x", "BAD 1002", 1},
		{"a1:x", "BAD 1002", 1},
		{"91:x", "BAD 1002", 1},
		{"c9:x", "BAD 1002", 1},
		{"d8:", "BAD 1002", 1},
		{"01:a|40:b", "BAD 1002", 8},
		{"81:ok|f2:", "TEXT(ok) BAD 1002", 9},
		/* reserved opcodes */
		{"83:x", "BAD 1002", 1},
		{"87:x", "BAD 1002", 1},
		{"8b:x", "BAD 1002", 1},
		{"8f:x", "BAD 1002", 1},
		{"03:x", "BAD 1002", 1},
		{"01:a|85:x", "BAD 1002", 8},
		/* no mask: at the second byte */
		{"=810548656c6c6f", "BAD 1002", 2},
		{"=8100", "BAD 1002", 2},
		{"=8900", "BAD 1002", 2},
		{"=8800", "BAD 1002", 2},
		{"=827e00", "BAD 1002", 2},
		{"81:ok|=8200", "TEXT(ok) BAD 1002", 10},
		{"01:a|=8000", "BAD 1002", 9},
		/* control frames */
		{"09:x", "BAD 1002", 1},
		{"08:", "BAD 1002", 1},
		{"0a:", "BAD 1002", 1},
		{"89:" X125 "x", "BAD 1002", 2},
		{"=88fe", "BAD 1002", 2},
		{"=8aff", "BAD 1002", 2},
		{"01:a|09:x", "BAD 1002", 8},
		{"09:x|80:y", "BAD 1002", 1},
		/* lengths */
		{"=81fe007d00000000", "BAD 1002", 4},
		{"=82ff000000000000ffff00000000", "BAD 1002", 8},
		{"=82ff8000000000000000", "BAD 1002", 3},
		{"01:a|=80fe0001", "BAD 1002", 11},
		/* fragmentation */
		{"80:x", "BAD 1002", 1},
		{"00:x", "BAD 1002", 1},
		{"80:", "BAD 1002", 1},
		{"81:a|80:b", "TEXT(a) BAD 1002", 8},
		{"01:a|80:b|80:c", "TEXT(ab) BAD 1002", 15},
		{"01:a|81:b", "BAD 1002", 8},
		{"01:a|01:b", "BAD 1002", 8},
		{"01:a|82:b", "BAD 1002", 8},
		{"02:a|02:b", "BAD 1002", 8},
		{"01:|81:", "BAD 1002", 7},
		{"01:a|89:p|81:b", "PING(p) BAD 1002", 15},
		{"89:p|00:a", "PING(p) BAD 1002", 8},
		/* two faults: the first byte's is reported, however it comes */
		{"=c100", "BAD 1002 an RSV", 1},
		{"=8300", "BAD 1002 a frame has a reserved", 1},
		{"=0900", "BAD 1002 a control frame is fragmented", 1},
		{"=817e0000", "BAD 1002 a frame is not masked", 2},
	};
	size_t i;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++)
		check_script(cases[i].script, cases[i].want, cases[i].over_at, &generous);
}

/* Text fails at the first byte that cannot be right, in the middle of a frame too. */
static void test_bad_text(void **unused)
{
	static const struct {
		const char *script, *want;
		size_t over_at;
	} cases[] = {
		{"81:\xff", "BAD 1007", 7},
		{"81:ab\xff" "cdef", "BAD 1007", 9},
		{"81:" X125 X125 "\xc0" X125, "BAD 1007", 8 + 251},
		{"81:ab\xed\xa0\x80", "BAD 1007", 10},
		{"81:\xf4\x90\x80\x80", "BAD 1007", 8},
		{"81:\xe0\x80\x80", "BAD 1007", 8},
		{"81:\xf0\x80\x80\x80", "BAD 1007", 8},
		/* ends within a character: at the last byte; in fragments, at the last fragment's */
		{"81:a\xe2\x82", "BAD 1007", 9},
		{"01:a\xe2|80:\x82", "BAD 1007", 15},
		{"01:a\xe2|80:", "BAD 1007", 14},
		/* in a fragment, before anything more of the message */
		{"01:a\xff" "b|80:c", "BAD 1007", 8},
		{"01:a\xe2|00:\x41|80:c", "BAD 1007", 15},
		{"01:a\xe2|89:p|80:\x82\x20", "PING(p) BAD 1007", 8 + 7 + 8},
		{"81:fine|81:\xf8", "TEXT(fine) BAD 1007", 17},
		/* Autobahn 6.4.1 */
		{"01:\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5|00:\xf4\x90\x80\x80|80:edited", "BAD 1007",
		 17 + 8},
	};
	size_t i;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++)
		check_script(cases[i].script, cases[i].want, cases[i].over_at, &generous);
}

static void test_limits(void **unused)
{
	static const struct {
		const char *script, *want;
		size_t over_at;
		struct ws_limits limits;
	} cases[] = {
		/* a frame: exactly, and one over, which shows when its header is whole */
		{"81:12345", "TEXT(12345)", 0, {5, 100, 100}},
		{"81:123456", "BAD 1009 a frame", 6, {5, 100, 100}},
		{"82:12345", "BINARY(12345)", 0, {5, 5, 1}},
		{"01:12345|80:12345", "TEXT(1234512345)", 0, {5, 100, 100}},
		{"01:12345|80:123456", "BAD 1009 a frame", 17, {5, 100, 100}},
		{"89:" X125, "PING(" X125 ")", 0, {5, 5, 5}},
		{"81:" X125 "x", "TEXT(" X125 "x)", 0, {126, 126, 1}},
		{"81:" X125 "x", "BAD 1009 a frame", 8, {125, 1000, 1}},
		/* a message */
		{"81:12345", "TEXT(12345)", 0, {100, 5, 100}},
		{"81:123456", "BAD 1009 a message", 6, {100, 5, 100}},
		{"01:123|80:45", "TEXT(12345)", 0, {100, 5, 100}},
		{"01:123|80:456", "BAD 1009 a message", 15, {100, 5, 100}},
		{"01:12345|00:|80:", "TEXT(12345)", 0, {100, 5, 100}},
		{"01:12345|80:6", "BAD 1009 a message", 17, {100, 5, 100}},
		{"01:12345|80:|81:1234|01:1|80:2345", "TEXT(12345) TEXT(1234) TEXT(12345)", 0, {100, 5, 100}},
		{"81:", "TEXT()", 0, {0, 0, 1}},
		{"81:1", "BAD 1009", 6, {0, 0, 1}},
		/* fragments */
		{"81:1|82:2", "TEXT(1) BINARY(2)", 0, {100, 100, 1}},
		{"01:1|80:2", "BAD 1009 a message has too many", 13, {100, 100, 1}},
		{"01:1|00:2|80:3", "TEXT(123)", 0, {100, 100, 3}},
		{"01:1|00:2|00:3|80:4", "BAD 1009 a message has too many", 27, {100, 100, 3}},
		{"01:|00:|00:|00:", "BAD 1009 a message has too many", 24, {100, 100, 3}},
		{"01:1|89:|89:|89:|00:2|8a:|80:3", "PING() PING() PING() PONG() TEXT(123)", 0, {100, 100, 3}},
		/* announced lengths of all sizes, and sums that would overflow */
		{"=82ff7fffffffffffffff00000000", "BAD 1009 a frame", 14, {100, 100, 100}},
		{"=82ff7fffffffffffffff00000000", "BAD 1009 a message", 14, {UINT64_MAX, 100, 100}},
		{"=82ff7fffffffffffffff00000000", "", 0, {UINT64_MAX, UINT64_MAX, 100}},
		{"02:1|=00ff7fffffffffffffff00000000", "BAD 1009 a message", 21, {UINT64_MAX, INT64_MAX, 100}},
	};
	size_t i;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++)
		check_script(cases[i].script, cases[i].want, cases[i].over_at, &cases[i].limits);
}

#define HELLO "f248cdc9c90700" /* RFC 7692 section 7.2.3.1 */

/* Compressed messages, whole and in pieces; what comes of them without their sender's context, and with it. */
static void test_deflate(void **unused)
{
	static const struct {
		const char *script, *without, *with; /* with NULL: the same */
		size_t over_at;
	} cases[] = {
		{"c1#" HELLO, "TEXT(Hello)", NULL, 0},
		{"c2#" HELLO, "BINARY(Hello)", NULL, 0},
		{"41#f248|80#cdc9c90700", "TEXT(Hello)", NULL, 0},
		{"41#|00#f248|00#|80#cdc9c90700", "TEXT(Hello)", NULL, 0},
		{"41#f248|89:x|80#cdc9c90700|81:plain|c1#" HELLO, "PING(x) TEXT(Hello) TEXT(plain) TEXT(Hello)", NULL, 0},
		/* section 7.2.3: takeover, stored, last block, two blocks */
		{"c1#" HELLO "|c1#f200110000", "TEXT(Hello) BAD 1007", "TEXT(Hello) TEXT(Hello)", 0},
		{"c1#000500faff48656c6c6f00", "TEXT(Hello)", NULL, 0},
		{"c1#f348cdc9c9070000", "TEXT(Hello)", NULL, 0},
		{"c1#f24805000000ffffcac9c90700", "TEXT(Hello)", NULL, 0},
		/* the last block ends the message; it is what the tail completes; others follow it, with its window */
		{"c1#f348cdc9c90700", "TEXT(Hello)", NULL, 0},
		{"c1#01", "TEXT()", NULL, 0},
		{"c1#f348cdc9c90700" HELLO, "TEXT(HelloHello)", NULL, 0},
		{"c1#f348cdc9c90700f200110000", "TEXT(HelloHello)", NULL, 0},
		{"c1#f348cdc9c9070000|c1#f200110000", "TEXT(Hello) BAD 1007", "TEXT(Hello) TEXT(Hello)", 0},
		/* empty */
		{"c1#00", "TEXT()", NULL, 0},
		{"c1#", "TEXT()", NULL, 0},
		{"c2#0000", "BAD 1007", NULL, 8},
		{"41#|80#", "TEXT()", NULL, 0},
		/* no such bytes, or not all of them */
		{"c1#ffff", "BAD 1007 a compressed", NULL, 8},
		{"c1#f248cdc9", "BAD 1007 a compressed", NULL, 10},
		{"41#f248|80#ffff", "BAD 1007 a compressed", NULL, 16},
		/* text: "\xce" "\xba", which is a character, and halves of it */
		{"c1#000200fdffceba00", "TEXT(\xce\xba)", NULL, 0},
		{"c1#000100feffce00", "BAD 1007 a text", NULL, 13},
		{"c1#000200fdffbace00", "BAD 1007 a text", NULL, 14},
		{"c2#000200fdffbace00", "BINARY(\xba\xce)", NULL, 0},
		/* bits where they mean nothing */
		{"41#f248|c0#cdc9c90700", "BAD 1002", NULL, 9},
		{"c9:x", "BAD 1002", NULL, 1},
		{"c8:", "BAD 1002", NULL, 1},
		{"a1:x", "BAD 1002", NULL, 1},
		{"e1:x", "BAD 1002", NULL, 1},
		{"91:x", "BAD 1002", NULL, 1},
	};
	size_t i, over_at;
	struct bytes b;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++) {
		for (agreed = SHARED_INFLATER; agreed <= OWN_INFLATER; agreed++) {
			b = from_script(cases[i].script);
			over_at = check(agreed == OWN_INFLATER && cases[i].with ? cases[i].with : cases[i].without,
					&generous, &b);
			if (cases[i].over_at && over_at != cases[i].over_at)
				fail_msg("\"%s\": over at byte %zu", cases[i].script, over_at);
			free(b.s);
		}
	}
	agreed = NO_DEFLATE;
	check_script("c1#" HELLO, "BAD 1002 an RSV bit is set, and no extension", 1, &generous);
}

/* What a message inflates to is bounded by max_message. */
static void test_inflated_limit(void **unused)
{
	static const struct {
		const char *script, *want;
		struct ws_limits limits;
	} cases[] = {
		{"c1#" HELLO, "TEXT(Hello)", {7, 5, 1}},
		{"c1#" HELLO, "BAD 1009 a message is too long", {7, 4, 1}},
		{"c1#" HELLO, "BAD 1009 a message is too long", {7, 0, 1}},
		{"41#f248|80#cdc9c90700", "BAD 1009 a message is too long", {7, 4, 2}},
		{"41#f248|00#cdc9|80#c90700", "BAD 1009 a message has too many", {100, 100, 2}},
		{"c1#000500faff48656c6c6f00", "TEXT(Hello)", {5, 5, 1}}, /* stored: longer than it is */
	};
	struct bytes b;
	size_t i;

	(void)unused;
	agreed = SHARED_INFLATER;
	for (i = 0; i < COUNT(cases); i++) {
		b = from_script(cases[i].script);
		check(cases[i].want, &cases[i].limits, &b);
		free(b.s);
	}
	agreed = NO_DEFLATE;
}

/* What it may be on the wire: an eighth and 64 bytes more, in a frame and in all. */
static void test_compressed_limit(void **unused)
{
	static const struct {
		unsigned char first;
		size_t len, then;
		const char *want;
		struct ws_limits limits;
	} cases[] = {
		{0xc2, 72, 0, "BAD 1007", {8, 9, 1}}, /* it is read, and found to be nothing */
		{0xc2, 74, 0, "BAD 1009 a frame", {8, 100, 1}},
		{0xc2, 74, 0, "BAD 1009 a message", {100, 8, 1}},
		{0x42, 40, 33, "BAD 1007", {100, 8, 2}},
		{0x42, 40, 34, "BAD 1009 a message", {100, 8, 2}},
		{0x82, 9, 0, "BAD 1009 a frame", {8, 8, 1}},
		{0x02, 8, 1, "BAD 1009 a message", {8, 8, 2}},
	};
	unsigned char nothing[80];
	struct bytes b;
	size_t i;

	(void)unused;
	memset(nothing, 0xff, sizeof(nothing));
	agreed = OWN_INFLATER;
	for (i = 0; i < COUNT(cases); i++) {
		memset(&b, 0, sizeof(b));
		add_frame(&b, cases[i].first, nothing, cases[i].len);
		if (cases[i].then)
			add_frame(&b, 0x80, nothing, cases[i].then);
		check(cases[i].want, &cases[i].limits, &b);
		free(b.s);
	}
	agreed = NO_DEFLATE;
}

/* Messages of the lengths where encodings change, in place and in pieces, text and binary. */
static void test_lengths(void **unused)
{
	static const size_t lengths[] = {0,   1,   7,   124,   125,   126,   127,   128,
					 129, 255, 256, 65535, 65536, 65537, 70000, 300000};
	struct client whole, c;
	struct bytes b, payload;
	size_t i, k, step;
	char byte;

	(void)unused;
	for (i = 0; i < COUNT(lengths) * 2; i++) {
		memset(&b, 0, sizeof(b));
		memset(&payload, 0, sizeof(payload));
		for (k = 0; k < lengths[i / 2]; k++) {
			byte = (char)(i % 2 ? 'a' + k % 26 : k * 7);
			add(&payload, &byte, 1);
		}
		add_frame(&b, i % 2 ? 0x81 : 0x82, payload.s, payload.len);
		run(&whole, &generous, &b, b.len, 1);
		assert_int_equal(whole.log.len, payload.len + strlen(i % 2 ? "TEXT()" : "BINARY()") + 1);
		assert_memory_equal(whole.log.s + strlen(i % 2 ? "TEXT(" : "BINARY("), payload.s, payload.len);
		for (step = b.len > 1000 ? 501 : 1; step < b.len; step += 1 + step * 2) {
			run(&c, &generous, &b, step, step);
			expect_same(&c, &whole, "in steps of", step);
		}
		for (k = 1; k < b.len; k += k < 20 || k + 20 > b.len ? 1 : 1 + b.len / 50) {
			run(&c, &generous, &b, k, b.len - k);
			expect_same(&c, &whole, "cut at", k);
		}
		client_stop(&whole);
		free(b.s);
		free(payload.s);
	}
}

/* A whole unfragmented message is not copied, and an idle stream holds nothing. */
static void test_in_place(void **unused)
{
	struct bytes b = from_script("81:small|01:in |80:pieces");
	struct ws_stream s;
	struct ws_event ev;
	size_t used;

	(void)unused;
	ws_stream_init(&s, &generous, NULL);
	used = ws_stream_read(&s, b.s, b.len, &ev);
	assert_int_equal(used, 11);
	assert_ptr_equal(ev.data, b.s + 6);
	assert_null(s.assembly);

	used += ws_stream_read(&s, b.s + used, b.len - used, &ev);
	assert_int_equal(used, b.len);
	assert_int_equal(ev.len, 9);
	assert_memory_equal(ev.data, "in pieces", 9);
	assert_non_null(s.assembly);
	assert_int_equal(ws_stream_read(&s, NULL, 0, &ev), 0);
	assert_int_equal(ev.type, WS_EVENT_MORE);
	assert_null(s.assembly);

	/* a header without a byte of its payload is left to the caller */
	memcpy(b.s, "\x81\x85\1\2\3\4", 6);
	assert_int_equal(ws_stream_read(&s, b.s, 6, &ev), 0);
	assert_int_equal(ev.type, WS_EVENT_MORE);
	assert_null(s.assembly);
	ws_stream_clear(&s);
	ws_stream_clear(&s);
	free(b.s);
}

/* Random conversations with a few faults in them: however they are cut, the same comes of them. */
static void random_frames(struct bytes *b, uint64_t *seed)
{
	static const unsigned char firsts[] = {0x81, 0x82, 0x01, 0x02, 0x00, 0x00,
					       0x00, 0x80, 0x80, 0x89, 0x8a};
	unsigned char payload[300];
	bool within = false;
	size_t i, len, frames = 1 + feed_random(seed) % 8;
	unsigned char first;

	while (frames--) {
		first = firsts[feed_random(seed) % COUNT(firsts)];
		if (feed_random(seed) % 20 && first < 0x88) { /* most often as it should be */
			first = (unsigned char)((first & 0x80) | (within ? 0 : 1 + feed_random(seed) % 2));
			within = first < 0x80;
		}
		len = feed_random(seed) % (feed_random(seed) % 4 || first > 0x88 ? 20 : sizeof(payload));
		for (i = 0; i < len; i++)
			payload[i] = (unsigned char)('a' + feed_random(seed) % 26);
		if (len > 3 && feed_random(seed) % 3 == 0)
			memcpy(payload + feed_random(seed) % (len - 2), "\xe2\x82\xac", 3);
		add_frame(b, first, payload, len);
	}
	if (feed_random(seed) % 3 == 0)
		b->s[feed_random(seed) % b->len] ^= (unsigned char)(1u << feed_random(seed) % 8);
}

static void test_random_cuts(void **unused)
{
	static const struct ws_limits tight = {250, 400, 4};
	const struct ws_limits *limits;
	struct client whole, c;
	uint64_t seed = 6455;
	struct bytes b;
	size_t round, k, first, step;

	(void)unused;
	for (round = 0; round < 1500; round++) {
		memset(&b, 0, sizeof(b));
		random_frames(&b, &seed);
		limits = round % 2 ? &generous : &tight;
		run(&whole, limits, &b, b.len, 1);
		run(&c, limits, &b, 1, 1);
		expect_same(&c, &whole, "byte by byte, round", round);
		for (k = 0; k < 10; k++) {
			first = 1 + feed_random(&seed) % b.len;
			step = 1 + feed_random(&seed) % 200;
			run(&c, limits, &b, first, step);
			expect_same(&c, &whole, "random cuts, round", round);
		}
		client_stop(&whole);
		free(b.s);
	}
}

/*
 * Memory. The same source once more, under other names and with an allocator
 * that counts, and that fails when told to.
 */
static size_t largest, allocations, fail_at;

static bool may_allocate(size_t size)
{
	if (size > largest)
		largest = size;
	return ++allocations != fail_at;
}

static void *counted_calloc(size_t n, size_t size)
{
	return may_allocate(n * size) ? calloc(n, size) : NULL;
}

static void *counted_realloc(void *p, size_t size)
{
	return may_allocate(size) ? realloc(p, size) : NULL;
}

#define ws_stream_init counted_stream_init
#define ws_stream_clear counted_stream_clear
#define ws_stream_read counted_stream_read
#define ws_close_code_valid counted_close_code_valid
#define calloc counted_calloc
#define realloc counted_realloc
void ws_stream_init(struct ws_stream *s, const struct ws_limits *limits, struct ws_inflater *inflater);
void ws_stream_clear(struct ws_stream *s);
size_t ws_stream_read(struct ws_stream *s, unsigned char *buf, size_t len, struct ws_event *ev);
bool ws_close_code_valid(unsigned code);
#include "wire/ws_stream.c"
#undef calloc
#undef realloc
#undef ws_close_code_valid
#undef ws_stream_read
#undef ws_stream_clear
#undef ws_stream_init

static void counted_start(struct ws_stream *s, const struct ws_limits *limits, size_t failing)
{
	counted_stream_init(s, limits, inflater());
	largest = allocations = 0;
	fail_at = failing;
}

/* A connection pays for bytes that it sent, not for those that it announced. */
static void test_memory_follows_the_bytes(void **unused)
{
	static const struct ws_limits huge = {UINT64_MAX, UINT64_MAX, 10};
	unsigned char head[14] = {0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};
	unsigned char bytes[1000] = {0};
	struct ws_stream s;
	struct ws_event ev;
	size_t sent;

	(void)unused;
	counted_start(&s, &huge, 0);
	assert_int_equal(counted_stream_read(&s, head, sizeof(head), &ev), 0);
	assert_int_equal(allocations, 0);
	memcpy(bytes, head, sizeof(head));
	assert_int_equal(counted_stream_read(&s, bytes, 15, &ev), 15);
	assert_true(largest <= 256);
	for (sent = 1; sent < 1000000; sent += sizeof(bytes)) {
		assert_int_equal(counted_stream_read(&s, bytes, sizeof(bytes), &ev), sizeof(bytes));
		assert_true(largest <= 2 * (sent + sizeof(bytes)) + 256);
	}
	assert_true(allocations < 20);
	counted_stream_clear(&s);

	/* no more than the message can still grow to */
	counted_start(&s, &huge, 0);
	memcpy(bytes, "\x82\xfe\x03\x20\0\0\0\0", 8); /* 800 bytes */
	counted_stream_read(&s, bytes, 8 + 500, &ev);
	counted_stream_read(&s, bytes, 299, &ev);
	assert_int_equal(largest, sizeof(struct ws_assembly) + 800);
	counted_stream_clear(&s);
}

static void test_no_memory(void **unused)
{
	struct bytes b = from_script("01:" X125 "|00:" X125 "|89:p|80:" X125 X125 X125);
	unsigned char *copy;
	struct ws_stream s;
	struct ws_event ev;
	size_t failing, used;

	(void)unused;
	for (failing = 1;; failing++) {
		copy = feed_copy(b.s, b.len);
		counted_start(&s, &generous, failing);
		used = 0;
		do
			used += counted_stream_read(&s, copy + used, b.len - used, &ev);
		while (ev.type == WS_EVENT_PING);
		free(copy);
		if (allocations < failing)
			break;
		assert_int_equal(ev.type, WS_EVENT_BAD);
		assert_int_equal(ev.code, 1011);
		assert_non_null(ev.why);
		assert_null(s.assembly);
	}
	assert_true(failing > 3); /* the struct, and its growth */
	assert_int_equal(ev.type, WS_EVENT_TEXT);
	assert_int_equal(ev.len, 5 * 125);
	counted_stream_clear(&s);
	free(b.s);
}

/* A message that wants to become a thousand times as long: it gets max_message and a byte. */
static void test_bomb(void **unused)
{
	enum { BOMB = 64 << 20, MOST = 1 << 20 };
	static const struct ws_limits limits = {MOST, MOST, 10};
	struct ws_deflater *d = ws_deflater_new(9);
	unsigned char *zeros = calloc(1, BOMB);
	const unsigned char *bomb;
	struct bytes b = {NULL, 0, 0};
	struct ws_stream s;
	struct ws_event ev;
	size_t len;

	(void)unused;
	assert_non_null(d);
	assert_non_null(zeros);
	bomb = ws_deflater_run(d, zeros, BOMB, &len);
	assert_non_null(bomb);
	assert_true(len < 70000);
	add_frame(&b, 0xc2, bomb, len);
	for (agreed = SHARED_INFLATER; agreed <= OWN_INFLATER; agreed++) {
		counted_start(&s, &limits, 0);
		assert_int_equal(counted_stream_read(&s, b.s, b.len, &ev), b.len);
		assert_int_equal(ev.type, WS_EVENT_BAD);
		assert_int_equal(ev.code, 1009);
		assert_true(largest <= MOST + 1 + sizeof(struct ws_assembly));
		counted_stream_clear(&s);
		ws_mask(b.s + b.len - len, len, key, 0); /* it was unmasked in place */
	}
	agreed = NO_DEFLATE;
	ws_deflater_free(d);
	free(zeros);
	free(b.s);
}

static void test_no_memory_to_inflate(void **unused)
{
	struct bytes b = from_script("41#f248|80#cdc9c90700");
	unsigned char *copy;
	struct ws_stream s;
	struct ws_event ev;
	size_t failing;

	(void)unused;
	agreed = SHARED_INFLATER;
	for (failing = 1;; failing++) {
		copy = feed_copy(b.s, b.len);
		counted_start(&s, &generous, failing);
		counted_stream_read(&s, copy, b.len, &ev);
		free(copy);
		if (allocations < failing)
			break;
		assert_int_equal(ev.type, WS_EVENT_BAD);
		assert_int_equal(ev.code, 1011);
		assert_null(s.assembly);
	}
	assert_true(failing > 3);
	assert_int_equal(ev.type, WS_EVENT_TEXT);
	counted_stream_clear(&s);
	agreed = NO_DEFLATE;
	free(b.s);
}

static int free_shared(void **unused)
{
	(void)unused;
	ws_inflater_free(shared);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_every_close_code),
		cmocka_unit_test(test_bad_protocol),
		cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_deflate),
		cmocka_unit_test(test_inflated_limit),
		cmocka_unit_test(test_compressed_limit),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_random_cuts),
		cmocka_unit_test(test_memory_follows_the_bytes),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_no_memory_to_inflate),
	};

	return cmocka_run_group_tests(tests, NULL, free_shared);
}
