/*
 * http_head: requests whole, byte by byte and cut at every position, each
 * refusal at the exact byte that cannot be right; lists, queries, responses.
 */
#include <config.h>

#include "wire/http_head.h"

#include <ctype.h>
#include <stdio.h>

#include "feed.h"

#define LIMIT 16384

/* Goes on with the first LEN bytes, which lie elsewhere each time. */
static enum http_verdict feed(struct http_head *h, const char *bytes, size_t len)
{
	char *moved = feed_copy(bytes, len);
	enum http_verdict verdict = http_head_parse(h, moved, len);

	free(moved);
	return verdict;
}

static void expect_same_piece(struct http_piece a, struct http_piece b)
{
	assert_int_equal(a.at, b.at);
	assert_int_equal(a.len, b.len);
}

static void expect_same(const struct http_head *a, const struct http_head *b)
{
	unsigned i;

	expect_same_piece(a->target, b->target);
	expect_same_piece(a->host, b->host);
	expect_same_piece(a->path, b->path);
	expect_same_piece(a->query, b->query);
	assert_int_equal(a->length, b->length);
	assert_int_equal(a->minor, b->minor);
	assert_int_equal(a->head_only, b->head_only);
	assert_int_equal(a->n_fields, b->n_fields);
	for (i = 0; i < a->n_fields; i++) {
		expect_same_piece(a->fields[i].name, b->fields[i].name);
		expect_same_piece(a->fields[i].value, b->fields[i].value);
	}
}

/* LEN bytes, WHOLE of which are a good head: complete at its last byte, however it is cut. */
static void check_good(struct http_head *h, const char *bytes, size_t len, size_t whole)
{
	struct http_head again;
	size_t cut;

	http_head_init(h, LIMIT);
	if (feed(h, bytes, len) != HTTP_OK)
		fail_msg("%s: %u %s", bytes, h->status, h->why ? h->why : "more");
	assert_int_equal(h->length, whole);
	assert_int_equal(http_head_parse(h, bytes, len), HTTP_OK); /* and stays so */

	http_head_init(&again, LIMIT);
	for (cut = 0; cut < whole; cut++)
		assert_int_equal(feed(&again, bytes, cut), HTTP_MORE);
	assert_int_equal(feed(&again, bytes, whole), HTTP_OK);
	expect_same(&again, h);
	for (cut = 0; cut < whole; cut++) {
		http_head_init(&again, LIMIT);
		assert_int_equal(feed(&again, bytes, cut), HTTP_MORE);
		assert_int_equal(feed(&again, bytes, len), HTTP_OK);
		expect_same(&again, h);
	}
}

/* A bad one, whose first BAD_AT bytes show it, and no less. */
static void check_bad(const char *bytes, size_t len, size_t bad_at, unsigned status)
{
	struct http_head h;
	const char *why;
	size_t cut;

	http_head_init(&h, LIMIT);
	for (cut = 0; cut < bad_at; cut++) {
		if (feed(&h, bytes, cut) != HTTP_MORE)
			fail_msg("%s: not MORE at %zu but %u %s", bytes, cut, h.status, h.why ? h.why : "ok");
	}
	if (feed(&h, bytes, bad_at) != HTTP_BAD)
		fail_msg("%s: not refused at %zu", bytes, bad_at);
	if (h.status != status)
		fail_msg("%s: %u %s", bytes, h.status, h.why);
	assert_non_null(h.why);
	assert_null(strpbrk(h.why, "\r\n"));
	why = h.why;
	assert_int_equal(http_head_parse(&h, bytes, len), HTTP_BAD); /* and stays so */
	assert_ptr_equal(h.why, why);

	for (cut = 0; cut <= len; cut++) {
		http_head_init(&h, LIMIT);
		assert_int_equal(feed(&h, bytes, cut), cut < bad_at ? HTTP_MORE : HTTP_BAD);
		assert_int_equal(feed(&h, bytes, len), HTTP_BAD);
		assert_int_equal(h.status, status);
		assert_ptr_equal(h.why, why);
	}
}

static void expect_piece(const char *bytes, struct http_piece piece, const char *want)
{
	if (piece.len != strlen(want) || memcmp(bytes + piece.at, want, piece.len))
		fail_msg("\"%.*s\" instead of \"%s\"", piece.len, bytes + piece.at, want);
}

#define HOST "Host: h\r\n"
#define END HOST "\r\n"

static void test_good_requests(void **unused)
{
	static const struct {
		const char *bytes, *target, *host, *path, *query;
		unsigned minor, n_fields;
	} cases[] = {
		{"GET / HTTP/1.1\r\n" END, "/", "h", "/", "", 1, 1},
		{"HEAD / HTTP/1.1\r\n" END, "/", "h", "/", "", 1, 1},
		{"GET /a/b?c=d&e HTTP/1.1\r\n" END, "/a/b?c=d&e", "h", "/a/b", "c=d&e", 1, 1},
		{"GET /? HTTP/1.1\r\n" END, "/?", "h", "/", "", 1, 1},
		{"GET /a?b?c/d HTTP/1.1\r\n" END, "/a?b?c/d", "h", "/a", "b?c/d", 1, 1},
		{"GET //a//b HTTP/1.1\r\n" END, "//a//b", "h", "//a//b", "", 1, 1},
		{"GET /%41%zz% HTTP/1.1\r\n" END, "/%41%zz%", "h", "/%41%zz%", "", 1, 1},
		{"GET /{}|^`[]\\?{}|^`[]\\ HTTP/1.1\r\n" END, "/{}|^`[]\\?{}|^`[]\\", "h", "/{}|^`[]\\",
		 "{}|^`[]\\", 1, 1},
		{"GET /a:b@c HTTP/1.1\r\n" END, "/a:b@c", "h", "/a:b@c", "", 1, 1},
		{"\r\nGET / HTTP/1.1\r\n" END, "/", "h", "/", "", 1, 1},
		{"\r\n\r\nGET / HTTP/1.1\r\n" END, "/", "h", "/", "", 1, 1},
		{"GET / HTTP/1.2\r\n" END, "/", "h", "/", "", 2, 1},
		{"GET / HTTP/1.0\r\n\r\n", "/", "", "/", "", 0, 0},
		{"GET / HTTP/1.0\r\nHost:\r\n\r\n", "/", "", "/", "", 0, 1},
		{"GET / HTTP/1.0\r\n" END, "/", "h", "/", "", 0, 1},
		/* absolute-form; its authority counts, not the Host field's */
		{"GET ws://echo.websocket.org/?encoding=text HTTP/1.1\r\nHost: echo.websocket.org\r\n\r\n",
		 "ws://echo.websocket.org/?encoding=text", "echo.websocket.org", "/", "encoding=text", 1, 1},
		{"GET wss://a:9600/x HTTP/1.1\r\n" END, "wss://a:9600/x", "a:9600", "/x", "", 1, 1},
		{"GET http://a HTTP/1.1\r\n" END, "http://a", "a", "", "", 1, 1},
		{"GET http://a?q HTTP/1.1\r\n" END, "http://a?q", "a", "", "q", 1, 1},
		{"GET HTTPS://[::1]:1/ HTTP/1.1\r\n" END, "HTTPS://[::1]:1/", "[::1]:1", "/", "", 1, 1},
		{"GET hTTp://A.b:/ HTTP/1.0\r\n\r\n", "hTTp://A.b:/", "A.b:", "/", "", 0, 0},
		/* fields */
		{"GET / HTTP/1.1\r\nhOST:h\r\nA:\r\nB: \t \r\nC:c \t\r\nD:\td e\tf \xff\x80\r\n\r\n", "/", "h",
		 "/", "", 1, 5},
		{"GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ: x\r\n" END, "/", "h", "/", "", 1, 2},
		{"GET / HTTP/1.1\r\nContent-Length: 0\r\n" END, "/", "h", "/", "", 1, 2},
		{"GET / HTTP/1.1\r\ncontent-length: 000\r\n" END, "/", "h", "/", "", 1, 2},
		{"GET / HTTP/1.1\r\nA: 1\r\na: 2\r\nA: 3\r\n" END, "/", "h", "/", "", 1, 4},
	};
	struct http_head h;
	char more[1000];
	size_t i, len;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++) {
		len = strlen(cases[i].bytes);
		check_good(&h, cases[i].bytes, len, len);
		expect_piece(cases[i].bytes, h.target, cases[i].target);
		expect_piece(cases[i].bytes, h.host, cases[i].host);
		expect_piece(cases[i].bytes, h.path, cases[i].path);
		expect_piece(cases[i].bytes, h.query, cases[i].query);
		assert_int_equal(h.minor, cases[i].minor);
		assert_int_equal(h.n_fields, cases[i].n_fields);
		assert_int_equal(h.head_only, strstr(cases[i].bytes, "HEAD /") != NULL);
		/* the client's first data is not looked at */
		memcpy(more, cases[i].bytes, len);
		memcpy(more + len, "\x81\x80\0\r\n", 6);
		check_good(&h, more, len + 6, len);
	}
}

static void test_field_values(void **unused)
{
	static const char bytes[] = "GET / HTTP/1.1\r\n" HOST
				    "A:\r\nB: \t \r\nC:c \t\r\nD:\td e\tf \r\nc: 2\r\n\r\n";
	struct http_head h;
	struct http_piece value;

	(void)unused;
	check_good(&h, bytes, strlen(bytes), strlen(bytes));
	assert_true(http_head_field(&h, bytes, "host", 0, &value));
	expect_piece(bytes, value, "h");
	assert_true(http_head_field(&h, bytes, "A", 0, &value));
	expect_piece(bytes, value, "");
	assert_true(http_head_field(&h, bytes, "B", 0, &value));
	expect_piece(bytes, value, "");
	assert_true(http_head_field(&h, bytes, "C", 0, &value));
	expect_piece(bytes, value, "c");
	assert_true(http_head_field(&h, bytes, "C", 1, &value));
	expect_piece(bytes, value, "2");
	assert_false(http_head_field(&h, bytes, "C", 2, &value));
	assert_true(http_head_field(&h, bytes, "D", 0, &value));
	expect_piece(bytes, value, "d e\tf");
	assert_false(http_head_field(&h, bytes, "E", 0, &value));
	assert_false(http_head_field(&h, bytes, "Hos", 0, &value));
	assert_false(http_head_field(&h, bytes, "Hostt", 0, &value));
}

/* The first piece is possible; with the first byte of the second it is refused. */
static void test_bad_requests(void **unused)
{
	static const struct {
		unsigned status;
		const char *possible, *rest;
	} cases[] = {
		/* what is no HTTP at all */
		{400, "", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
		{400, "", "\x80\x2e\x01"},
		{400, "", "\x01"},
		{400, "", "\n"},
		{400, "", " GET / HTTP/1.1\r\n"},
		{400, "", "{\"json\":1}"},
		{400, "", "<policy-file-request/>"},
		{400, "SSH-2.0-OpenSSH_9.2p1", "\r\n"},
		{400, "\r", "GET / HTTP/1.1\r\n"},
		{400, "\r\n\r\n", "\r\n"},
		{400, "\r\n", "\n"},
		/* method */
		{400, "GET", "\r\n"},
		{400, "GET", "\t/ HTTP/1.1\r\n"},
		{400, "G", "\x7f"},
		{400, "GET", "/ HTTP/1.1\r\n"},
		{400, "GE", "\xc3\xa4T / HTTP/1.1\r\n"},
		{405, "POST / HTTP/1.1\r", "\n"},
		{405, "get / HTTP/1.1\r", "\n"},
		{405, "GETS / HTTP/1.1\r", "\n"},
		{405, "G / HTTP/1.0\r", "\n"},
		{405, "OPTIONS * HTTP/1.1\r", "\n"},
		{405, "CONNECT example.org:443 HTTP/1.1\r", "\n" END},
		{505, "PRI * HTTP/", "2.0\r\n\r\nSM\r\n\r\n"},
		{400, "POST / HTTP/1.1\r", "x"},
		{400, "POST ", " HTTP/1.1\r\n"},
		{400, "POST /", "\x01"},
		/* target */
		{400, "GET ", " / HTTP/1.1\r\n"},
		{400, "GET ", "* HTTP/1.1\r\n"},
		{400, "GET ", "\r\n"},
		{400, "GET ", "x HTTP/1.1\r\n"},
		{400, "GET ", "?a HTTP/1.1\r\n"},
		{400, "GET ", "example.org:80 HTTP/1.1\r\n"},
		{400, "GET /", "\r\n"},
		{400, "GET /", "\n"},
		{400, "GET /a", "#b HTTP/1.1\r\n"},
		{400, "GET /a?b", "#c HTTP/1.1\r\n"},
		{400, "GET /", "\" HTTP/1.1\r\n"},
		{400, "GET /", "< HTTP/1.1\r\n"},
		{400, "GET /", "\xc3\xa4 HTTP/1.1\r\n"},
		{400, "GET /?", "\xff HTTP/1.1\r\n"},
		{400, "GET /", "\t HTTP/1.1\r\n"},
		{400, "GET /", "\x7f HTTP/1.1\r\n"},
		{400, "GET h", "ost/ HTTP/1.1\r\n"},
		{400, "GET ", "ftp://a/ HTTP/1.1\r\n"},
		{400, "GET htt", "x://a/ HTTP/1.1\r\n"},
		{400, "GET http", "\r\n"},
		{400, "GET ws:", "a HTTP/1.1\r\n"},
		{400, "GET ws:/", "a HTTP/1.1\r\n"},
		{400, "GET wss", "s://a HTTP/1.1\r\n"},
		{400, "GET http://", "/ HTTP/1.1\r\n"},
		{400, "GET http://", " HTTP/1.1\r\n"},
		{400, "GET http://", "?a HTTP/1.1\r\n"},
		{400, "GET http://a", "\r\n"},
		{400, "GET http://user", "@a/ HTTP/1.1\r\n"},
		{400, "GET http://a:x", "/ HTTP/1.1\r\n"},
		{400, "GET http://a:65536", "/ HTTP/1.1\r\n"},
		{400, "GET http://[::1", "/ HTTP/1.1\r\n"},
		{400, "GET http://::1", "/ HTTP/1.1\r\n"},
		{400, "GET http://a", "\"/ HTTP/1.1\r\n"},
		{400, "GET http://a", "#/ HTTP/1.1\r\n"},
		/* version */
		{400, "GET / ", " HTTP/1.1\r\n"},
		{400, "GET / ", "\r\n"},
		{400, "GET / ", "http/1.1\r\n"},
		{400, "GET / HTT", "X/1.1\r\n"},
		{400, "GET / HTTP/", "x.1\r\n"},
		{505, "GET / HTTP/", "2.0\r\n"},
		{505, "GET / HTTP/", "0.9\r\n"},
		{505, "GET / HTTP/", "3\r\n"},
		{400, "GET / HTTP/1", ",1\r\n"},
		{400, "GET / HTTP/1", "1.1\r\n"},
		{400, "GET / HTTP/1.", "x\r\n"},
		{400, "GET / HTTP/1.", "*\r\n"},
		{400, "GET / HTTP/1.1", "0\r\n"},
		{400, "GET / HTTP/1.1", " \r\n"},
		{400, "GET / HTTP/1.1", "\n"},
		{400, "GET / HTTP/1.1\r", "\r\n"},
		{400, "GET / HTTP/1.1\r", "Host: h\r\n"},
		/* field names */
		{400, "GET / HTTP/1.1\r\n", " " END},
		{400, "GET / HTTP/1.1\r\n", "\tA: x\r\n"},
		{400, "GET / HTTP/1.1\r\n", ": x\r\n"},
		{400, "GET / HTTP/1.1\r\n", "\n"},
		{400, "GET / HTTP/1.1\r\n", "\"a\": x\r\n"},
		{400, "GET / HTTP/1.1\r\nHost", " : h\r\n"},
		{400, "GET / HTTP/1.1\r\nHost", "\t: h\r\n"},
		{400, "GET / HTTP/1.1\r\nHost", "\r\n"},
		{400, "GET / HTTP/1.1\r\nHost", "\n"},
		{400, "GET / HTTP/1.1\r\nHo", "(st: h\r\n"},
		{400, "GET / HTTP/1.1\r\nHo", "\xc3\xb6: h\r\n"},
		/* field values */
		{400, "GET / HTTP/1.1\r\n" HOST, " folded\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST, "\tfolded\r\n"},
		{400, "GET / HTTP/1.1\r\nA: b", "\n"},
		{400, "GET / HTTP/1.1\r\nA:", "\n"},
		{400, "GET / HTTP/1.1\r\nA: b\r", "c\r\n"},
		{400, "GET / HTTP/1.1\r\nA: b\r", "\r\n"},
		{400, "GET / HTTP/1.1\r\nA: b", "\x01\r\n"},
		{400, "GET / HTTP/1.1\r\nA: b", "\x7f\r\n"},
		{400, "GET / HTTP/1.1\r\nA: b", "\x1b[31m\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "\r", "x"},
		/* Host */
		{400, "GET / HTTP/1.1\r\n\r", "\n"},
		{400, "GET / HTTP/1.1\r\nA: b\r\n\r", "\n"},
		{400, "GET http://a/ HTTP/1.1\r\n\r", "\n"},
		{400, "GET / HTTP/1.1\r\nHost:\r", "\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: \t\r", "\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r", "\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nhOST: i\r", "\n\r\n"},
		{400, "GET / HTTP/1.0\r\nHost: h\r\nHost: h\r", "\n\r\n"},
		{400, "GET / HTTP/1.0\r\nHost:\r\nHost:\r", "\n\r\n"},
		{400, "GET http://a/ HTTP/1.1\r\nHost: /\r", "\n\r\n"},
		/* a body */
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r", "\n\r\nx"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 010\r", "\n\r\nx"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length:\r", "\n\r\nx"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length: +0\r", "\n\r\nx"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 0x0\r", "\n\r\nx"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 0, 0\r", "\n\r\nx"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 0\r", "\n\r\nx"},
		{400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r", "\n\r\nx"},
		{400, "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r", "\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "transfer-encoding:\r", "\n\r\n"},
	};
	char bytes[300];
	size_t i, possible, rest;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++) {
		possible = strlen(cases[i].possible);
		rest = strlen(cases[i].rest);
		memcpy(bytes, cases[i].possible, possible);
		memcpy(bytes + possible, cases[i].rest, rest + 1);
		check_bad(bytes, possible + rest, possible + 1, cases[i].status);
	}
}

static void test_host_values(void **unused)
{
	static const struct {
		bool good;
		const char *value;
	} cases[] = {
		{true, "example.org"}, {true, "example.org:9600"}, {true, "localhost:"},
		{true, "127.0.0.1:65535"}, {true, "[::1]"}, {true, "[2001:db8::192.0.2.1]:80"},
		{true, "a_b-c~d"}, {true, "x%41%fF"}, {true, "a,b;c=!"}, {true, "EXAMPLE.ORG."},
		{true, "1:00080"},
		{false, "a b"}, {false, "a, b"}, {false, "a/b"}, {false, "http://a"}, {false, "u@a"},
		/* ports */
		{false, ":80"}, {false, "a:8o"}, {false, "a:-1"}, {false, "a:65536"}, {false, "a:1:2"},
		{false, "a:99999999999999999999"},
		/* IPv6 */
		{false, "::1"}, {false, "[::1"}, {false, "::1]"}, {false, "[]"}, {false, "[::1]x"},
		{false, "[::1]:x"}, {false, "[1.2.3.4]"}, {false, "[::1%25eth0]"}, {false, "[:::]"},
		{false, "[::g]"}, {false, "[0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0]"},
		/* characters */
		{false, "a%"}, {false, "a%4"}, {false, "a%4x"}, {false, "a%x4"}, {false, "a\\b"},
		{false, "a\xc3\xa4"}, {false, "a?b"}, {false, "a#b"}, {false, "<a>"}, {false, "\"a\""},
		{false, "{a}"}, {false, "a^b"}, {false, "a|b"},
	};
	struct http_head h;
	char bytes[200];
	size_t i;
	int len;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++) {
		len = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].value);
		if (!cases[i].good) {
			check_bad(bytes, (size_t)len, (size_t)len - 2, 400);
			continue;
		}
		check_good(&h, bytes, (size_t)len, (size_t)len);
		expect_piece(bytes, h.host, cases[i].value);
	}
}

/* Each byte there is, at each kind of place. */
static void check_byte(const char *before, unsigned char c, const char *after, bool good)
{
	struct http_head h;
	char bytes[200];
	size_t at = strlen(before);
	enum http_verdict verdict;

	memcpy(bytes, before, at);
	bytes[at] = (char)c;
	memcpy(bytes + at + 1, after, strlen(after) + 1);
	http_head_init(&h, LIMIT);
	assert_int_equal(http_head_parse(&h, bytes, at), HTTP_MORE);
	verdict = http_head_parse(&h, bytes, at + 1);
	if (verdict != (good ? HTTP_MORE : HTTP_BAD))
		fail_msg("byte %02x behind \"%s\": %d", c, before, verdict);
	http_head_init(&h, LIMIT);
	assert_int_equal(http_head_parse(&h, bytes, at + 1 + strlen(after)), good ? HTTP_OK : HTTP_BAD);
}

static void test_every_byte(void **unused)
{
	const char *version;
	bool token, target;
	unsigned char c;
	int i;

	(void)unused;
	for (i = 0; i < 256; i++) {
		c = (unsigned char)i;
		token = c && (strchr("!#$%&'*+-.^_`|~", c) || (c < 128 && isalnum(c)));
		target = c > 32 && c < 127 && !strchr("\"#<>", c);
		version = c == ' ' ? "HTTP/1.1\r\n" END : " HTTP/1.1\r\n" END;
		check_byte("GET /a", c, version, target || c == ' ');
		check_byte("GET /?a", c, version, target || c == ' ');
		check_byte("GET / HTTP/1.1\r\n" HOST "A", c, c == ':' ? "\r\n\r\n" : ":\r\n\r\n",
			   token || c == ':');
		check_byte("GET / HTTP/1.1\r\n" HOST "A: b", c, c == '\r' ? "\n\r\n" : "\r\n\r\n",
			   c == '\t' || c == '\r' || (c >= 32 && c != 127));
		check_byte("GET / HTTP/1.1\r\n" HOST, c, c == '\r' ? "\n" : ":\r\n\r\n", token || c == '\r');
	}
}

/* A head of exactly LEN bytes, whose target or last value is as long as that needs */
static char *head_of(size_t len, bool long_line)
{
	static const char line[] = "GET /", line_end[] = " HTTP/1.1\r\nHost: h\r\nA: ", end[] = "\r\n\r\n";
	char *bytes = malloc(len + 1);
	size_t fill = len - strlen(line) - strlen(line_end) - strlen(end);

	assert_non_null(bytes);
	memset(bytes, 'x', len);
	bytes[len] = '\0';
	memcpy(bytes, line, strlen(line));
	memcpy(bytes + strlen(line) + (long_line ? fill : 0), line_end, strlen(line_end));
	memcpy(bytes + len - strlen(end), end, strlen(end));
	return bytes;
}

static enum http_verdict parse_limited(struct http_head *h, const char *bytes, size_t len, size_t limit)
{
	http_head_init(h, limit);
	return http_head_parse(h, bytes, len);
}

static void test_max_head(void **unused)
{
	static const size_t sizes[] = {64, 200, 16384, 65535};
	struct http_head h;
	char *bytes;
	size_t i, size;

	(void)unused;
	for (i = 0; i < COUNT(sizes) * 2; i++) {
		size = sizes[i / 2];
		bytes = head_of(size, i % 2);
		assert_int_equal(parse_limited(&h, bytes, size, size), HTTP_OK);
		assert_int_equal(h.length, size);
		expect_piece(bytes, h.host, "h");
		assert_int_equal(parse_limited(&h, bytes, size, size - 1), HTTP_BAD);
		assert_int_equal(h.status, 431);
		/* at the last byte that it may have, not before */
		assert_int_equal(parse_limited(&h, bytes, size - 2, size - 1), HTTP_MORE);
		assert_int_equal(http_head_parse(&h, bytes, size - 1), HTTP_BAD);
		assert_int_equal(h.status, 431);
		free(bytes);
	}

	/* the request line alone: its last byte in, and out */
	bytes = head_of(200, true);
	size = (size_t)(strchr(bytes, '\n') - bytes) + 1;
	assert_int_equal(parse_limited(&h, bytes, 200, size), HTTP_BAD);
	assert_int_equal(h.status, 431);
	assert_int_equal(parse_limited(&h, bytes, 200, size - 1), HTTP_BAD);
	assert_int_equal(h.status, 414);
	assert_int_equal(parse_limited(&h, bytes, 49, 50), HTTP_MORE);
	assert_int_equal(parse_limited(&h, bytes, 50, 50), HTTP_BAD);
	assert_int_equal(h.status, 414);
	free(bytes);

	/* more is never accepted than HTTP_HEAD_LIMIT */
	bytes = head_of(HTTP_HEAD_LIMIT + 1, false);
	assert_int_equal(parse_limited(&h, bytes, HTTP_HEAD_LIMIT + 1, 1 << 20), HTTP_BAD);
	assert_int_equal(h.status, 431);
	free(bytes);
	bytes = head_of(HTTP_HEAD_LIMIT + 1000, true);
	assert_int_equal(parse_limited(&h, bytes, HTTP_HEAD_LIMIT - 1, 1 << 20), HTTP_MORE);
	assert_int_equal(http_head_parse(&h, bytes, HTTP_HEAD_LIMIT), HTTP_BAD);
	assert_int_equal(h.status, 414);
	memset(bytes, 'x', HTTP_HEAD_LIMIT + 1000); /* a method without end */
	assert_int_equal(parse_limited(&h, bytes, HTTP_HEAD_LIMIT + 1000, 1 << 20), HTTP_BAD);
	assert_int_equal(h.status, 414);
	free(bytes);
}

static void test_max_fields(void **unused)
{
	char bytes[2000] = "GET / HTTP/1.1\r\n" HOST;
	struct http_head h;
	size_t len;
	int n;

	(void)unused;
	for (n = 1; n < HTTP_FIELDS_MAX; n++)
		strcat(bytes, "A: b\r\n");
	len = strlen(bytes);
	strcpy(bytes + len, "\r\n");
	check_good(&h, bytes, len + 2, len + 2);
	assert_int_equal(h.n_fields, HTTP_FIELDS_MAX);
	strcpy(bytes + len, "A: b\r\n\r\n");
	check_bad(bytes, strlen(bytes), len + 1, 431);
}

static void test_lists(void **unused)
{
	static const char bytes[] = "GET / HTTP/1.1\r\n" HOST
				    "L: a, b,,c d ,\t\r\n"
				    "M: other\r\n"
				    "L:\r\n"
				    "l: , ,\r\n"
				    "L: x; y=\"1, 2\\\", 3\" , \"open, end\r\n"
				    "Connection: keep-alive, Upgrade\r\n"
				    "\r\n";
	static const char *const want[] = {"a", "b", "c d", "x; y=\"1, 2\\\", 3\"", "\"open, end"};
	struct http_piece element;
	struct http_head h;
	uint32_t pos = 0;
	size_t i;

	(void)unused;
	check_good(&h, bytes, strlen(bytes), strlen(bytes));
	for (i = 0; i < COUNT(want); i++) {
		assert_true(http_head_list_next(&h, bytes, "L", &pos, &element));
		expect_piece(bytes, element, want[i]);
	}
	assert_false(http_head_list_next(&h, bytes, "L", &pos, &element));
	assert_false(http_head_list_next(&h, bytes, "L", &pos, &element));
	pos = 0;
	assert_false(http_head_list_next(&h, bytes, "N", &pos, &element));

	assert_true(http_head_has_token(&h, bytes, "connection", "upgrade"));
	assert_true(http_head_has_token(&h, bytes, "CONNECTION", "KEEP-ALIVE"));
	assert_false(http_head_has_token(&h, bytes, "Connection", "Upgrad"));
	assert_false(http_head_has_token(&h, bytes, "Connection", "Upgrades"));
	assert_false(http_head_has_token(&h, bytes, "Connection", "keep-alive, Upgrade"));
	assert_false(http_head_has_token(&h, bytes, "Upgrade", "Upgrade"));
	assert_true(http_head_has_token(&h, bytes, "L", "B"));
	assert_false(http_head_has_token(&h, bytes, "L", ""));
	assert_false(http_head_has_token(&h, bytes, "L", "2"));
}

static void test_token(void **unused)
{
	static const char *const good[] = {"a", "chat", "natter.v1", "!#$%&'*+-.^_`|~09AZaz"};
	static const char *const bad[] = {"", "a b", "a/b", "a,b", "a=", "\"a\"", "a\t",
					  "\xc3\xa4", "a\x7f", "@", "[a]"};
	size_t i;

	(void)unused;
	for (i = 0; i < COUNT(good); i++)
		assert_true(http_token(good[i], strlen(good[i])));
	for (i = 0; i < COUNT(bad); i++)
		assert_false(http_token(bad[i], strlen(bad[i])));
	assert_false(http_token("a\0b", 3));
}

static int percent_decode(const char *in, bool plus, char *out, size_t size)
{
	char *exact = feed_copy(in, strlen(in));
	int n;

	memset(out, '#', size);
	n = http_percent_decode(exact, strlen(in), plus, out, size);
	if (size)
		assert_int_equal(out[n < 0 ? 0 : n], '\0');
	free(exact);
	return n;
}

static void test_percent_decode(void **unused)
{
	static const struct {
		const char *in;
		bool plus;
		const char *want; /* NULL: refused */
	} cases[] = {
		{"", false, ""},
		{"lobby", false, "lobby"},
		{"a%20b", false, "a b"},
		{"%41%6a%6A", false, "Ajj"},
		{"%e2%82%AC", false, "\xe2\x82\xac"},
		{"%2f%25%2541", false, "/%%41"},
		{"a+b", false, "a+b"},
		{"a+b%2b", true, "a b+"},
		{"%ff%80", false, "\xff\x80"},
		{"%00", false, NULL},
		{"a%00b", true, NULL},
		{"%", false, NULL},
		{"a%4", false, NULL},
		{"%4g", false, NULL},
		{"%g4", false, NULL},
		{"% 4", false, NULL},
		{"%%41", false, NULL},
		{"%-1", false, NULL},
	};
	char out[50];
	size_t i, fits;
	int n;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++) {
		n = percent_decode(cases[i].in, cases[i].plus, out, sizeof(out));
		if (!cases[i].want) {
			assert_int_equal(n, -1);
			continue;
		}
		fits = strlen(cases[i].want);
		assert_int_equal(n, fits);
		assert_string_equal(out, cases[i].want);
		assert_int_equal(percent_decode(cases[i].in, cases[i].plus, out, fits + 1), n);
		assert_int_equal(percent_decode(cases[i].in, cases[i].plus, out, fits), -1);
	}
	assert_int_equal(http_percent_decode("a\0b", 3, false, out, sizeof(out)), -1);
}

static void test_query_get(void **unused)
{
	static const struct {
		const char *query, *name, *want;
		int n; /* without WANT */
	} cases[] = {
		{"name=ann", "name", "ann", 0},
		{"history=20&name=ann", "name", "ann", 0},
		{"history=20&name=ann", "history", "20", 0},
		{"name=a+b%26c", "name", "a b&c", 0},
		{"name=a=b", "name", "a=b", 0},
		{"name=", "name", "", 0},
		{"name", "name", "", 0},
		{"name&name=x", "name", "", 0},
		{"name=1&name=2", "name", "1", 0},
		{"n%61me=ann", "name", "ann", 0},
		{"a+b=1", "a b", "1", 0},
		{"&&name=ann&", "name", "ann", 0},
		{"%zz=1&name=ann", "name", "ann", 0},
		{"x=%zz&name=ann", "name", "ann", 0},
		{"", "name", NULL, -1},
		{"names=ann", "name", NULL, -1},
		{"nam=ann", "name", NULL, -1},
		{"Name=ann", "name", NULL, -1},
		{"x=name", "name", NULL, -1},
		{"name%00=x", "name", NULL, -1},
		{"name%=x", "name", NULL, -1},
		{"=x", "name", NULL, -1},
		{"name=%", "name", NULL, -2},
		{"name=a%0", "name", NULL, -2},
		{"name=%00", "name", NULL, -2},
		{"name=%zz&name=ann", "name", NULL, -2},
		{"name=sixteen-is-full!", "name", NULL, -2},
		{"name=fifteen-is-fine", "name", "fifteen-is-fine", 0},
	};
	char out[16], *exact;
	size_t i;
	int n;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++) {
		exact = feed_copy(cases[i].query, strlen(cases[i].query));
		n = http_query_get(exact, strlen(cases[i].query), cases[i].name, out, sizeof(out));
		if (n != (cases[i].want ? (int)strlen(cases[i].want) : cases[i].n))
			fail_msg("%s in %s: %d", cases[i].name, cases[i].query, n);
		if (cases[i].want)
			assert_string_equal(out, cases[i].want);
		free(exact);
	}
}

static void test_responses(void **unused)
{
	static const struct {
		unsigned status;
		const char *type;
		size_t content_length;
		const char *extra, *want;
	} cases[] = {
		{200, "text/html; charset=utf-8", 1234, "Cache-Control: no-store\r\nX: y\r\n",
		 "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1234\r\n"
		 "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\nX: y\r\n\r\n"},
		{404, NULL, 0, NULL,
		 "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
		{405, NULL, 3, NULL,
		 "HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 3\r\n"
		 "Allow: GET, HEAD\r\n\r\n"},
		{426, "text/plain", 9, NULL,
		 "HTTP/1.1 426 Upgrade Required\r\nConnection: close, Upgrade\r\nContent-Length: 9\r\n"
		 "Content-Type: text/plain\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"},
		{429, NULL, 0, NULL,
		 "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\n"
		 "Retry-After: 10\r\n\r\n"},
		{503, NULL, 0, NULL,
		 "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n"
		 "Retry-After: 10\r\n\r\n"},
		{599, NULL, 0, NULL, "HTTP/1.1 599 Unknown\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
	};
	char out[400];
	size_t i, n, size;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++) {
		n = http_response_head(out, sizeof(out), cases[i].status, cases[i].type,
				       cases[i].content_length, cases[i].extra);
		assert_int_equal(n, strlen(cases[i].want));
		assert_string_equal(out, cases[i].want);
		size = n; /* the NUL has no room */
		assert_int_equal(http_response_head(out, size, cases[i].status, cases[i].type,
						    cases[i].content_length, cases[i].extra), 0);
		assert_int_equal(http_response_head(out, size + 1, cases[i].status, cases[i].type,
						    cases[i].content_length, cases[i].extra), n);
	}
	assert_int_equal(http_response_head(NULL, 0, 200, NULL, 0, NULL), 0);
}

static void test_reasons(void **unused)
{
	static const unsigned statuses[] = {101, 200, 400, 403, 404, 405, 414, 426, 429, 431, 500, 503, 505};
	size_t i, j;

	(void)unused;
	for (i = 0; i < COUNT(statuses); i++) {
		assert_string_not_equal(http_reason(statuses[i]), "Unknown");
		for (j = 0; j < i; j++)
			assert_string_not_equal(http_reason(statuses[i]), http_reason(statuses[j]));
	}
	assert_string_equal(http_reason(404), "Not Found");
	assert_string_equal(http_reason(0), "Unknown");
	assert_string_equal(http_reason(600), "Unknown");
}

/* Heads with a random fault: whatever comes of it, the same comes of it byte by byte. */
static void test_random_faults(void **unused)
{
	static const char *const seeds[] = {
		"GET ws://echo.websocket.org:80/a?encoding=text HTTP/1.1\r\n"
		"Host: [::1]:9600\r\nA: b, c\r\n\r\n",
		"\r\nHEAD /websocket.php HTTP/1.0\r\n"
		"Content-Length: 0\r\nHost: a%41\r\nConnection: Upgrade\r\n\r\n",
	};
	static const char faults[] = " \t\r\n\0:/?#%[]@,\"\x7f\x80""0A";
	struct http_head whole, h;
	enum http_verdict want, got;
	char bytes[200];
	uint64_t seed = 9112;
	size_t round, len, cut;

	(void)unused;
	for (round = 0; round < 4000; round++) {
		len = strlen(seeds[round % 2]);
		memcpy(bytes, seeds[round % 2], len);
		bytes[feed_random(&seed) % len] = faults[feed_random(&seed) % (sizeof(faults) - 1)];
		want = parse_limited(&whole, bytes, len, 150 - (round % 3) * 40);
		http_head_init(&h, whole.max_head);
		got = HTTP_MORE;
		for (cut = 0; cut <= len && got == HTTP_MORE; cut++)
			got = feed(&h, bytes, cut);
		assert_int_equal(got, want);
		if (want == HTTP_OK)
			expect_same(&h, &whole);
		assert_int_equal(h.status, whole.status);
		assert_ptr_equal(h.why, whole.why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_requests),
		cmocka_unit_test(test_field_values),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_host_values),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_max_head),
		cmocka_unit_test(test_max_fields),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_percent_decode),
		cmocka_unit_test(test_query_get),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_random_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
