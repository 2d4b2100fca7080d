/*
 * ws_upgrade: the opening handshake, one fault at a time.
 */
#include <config.h>

#include "wire/ws_upgrade.h"

#include <pthread.h>
#include <stdio.h>

#include "feed.h"

#define GET "GET /chat HTTP/1.1\r\n"
#define HOST "Host: localhost:9600\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION_13 "Sec-WebSocket-Version: 13\r\n"
#define ALL GET HOST UPGRADE CONNECTION KEY VERSION_13

static void parse(struct http_head *h, const char *bytes)
{
	http_head_init(h, HTTP_HEAD_LIMIT);
	if (http_head_parse(h, bytes, strlen(bytes)) != HTTP_OK)
		fail_msg("%s: %s", bytes, h->why ? h->why : "more");
}

static void test_accept(void **unused)
{
	char accept[WS_ACCEPT_LEN + 1];

	(void)unused;
	assert_true(ws_accept("x3JJHMbDL1EzLkh9GBhXDw==", accept));
	assert_string_equal(accept, "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
	assert_true(ws_accept("dGhlIHNhbXBsZSBub25jZQ==", accept)); /* RFC 6455 section 1.3 */
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void *accept_often(void *wrong)
{
	char accept[WS_ACCEPT_LEN + 1];
	int i;

	for (i = 0; i < 1000; i++) {
		memset(accept, 0, sizeof(accept));
		if (!ws_accept("x3JJHMbDL1EzLkh9GBhXDw==", accept) ||
		    strcmp(accept, "HSmrc0sMlYUkAGmm5OPpG2HaGWk=") != 0)
			++*(int *)wrong;
	}
	return NULL;
}

/* Each thread has its own context, and leaves none behind (LeakSanitizer looks). */
static void test_accept_in_threads(void **unused)
{
	pthread_t threads[8];
	int wrong[8] = {0};
	size_t i, round;

	(void)unused;
	for (round = 0; round < 3; round++) {
		for (i = 0; i < COUNT(threads); i++)
			assert_int_equal(pthread_create(&threads[i], NULL, accept_often, &wrong[i]), 0);
		for (i = 0; i < COUNT(threads); i++) {
			assert_int_equal(pthread_join(threads[i], NULL), 0);
			assert_int_equal(wrong[i], 0);
		}
	}
}

static void test_verdicts(void **unused)
{
	static const struct {
		enum ws_upgrade_verdict verdict;
		unsigned status;
		const char *bytes;
	} cases[] = {
		/* plain requests */
		{WS_UPGRADE_NONE, 0, GET HOST "\r\n"},
		{WS_UPGRADE_NONE, 0, "HEAD / HTTP/1.1\r\n" HOST "\r\n"},
		{WS_UPGRADE_NONE, 0, "GET / HTTP/1.0\r\n\r\n"},
		{WS_UPGRADE_NONE, 0, GET HOST CONNECTION "\r\n"},
		{WS_UPGRADE_NONE, 0, GET HOST CONNECTION "Upgrade: h2c\r\n\r\n"},
		{WS_UPGRADE_NONE, 0, GET HOST "Upgrade: websockets\r\n\r\n"},
		{WS_UPGRADE_NONE, 0, GET HOST VERSION_13 "\r\n"},

		{WS_UPGRADE_OK, 0, ALL "\r\n"},
		{WS_UPGRADE_OK, 0,
		 "GET ws://echo.websocket.org/?encoding=text HTTP/1.1\r\n" HOST UPGRADE CONNECTION KEY VERSION_13
		 "Origin: http://websocket.org\r\nCookie: __utma=99as\r\n\r\n"},
		{WS_UPGRADE_OK, 0, GET HOST "upgrade: WebSocket\r\nconnection: UPGRADE\r\n" KEY VERSION_13 "\r\n"},
		{WS_UPGRADE_OK, 0, GET HOST UPGRADE "Connection: keep-alive, Upgrade\r\n" KEY VERSION_13 "\r\n"},
		{WS_UPGRADE_OK, 0,
		 GET HOST UPGRADE "Connection: keep-alive\r\nConnection: ,upgrade ,\r\n" KEY VERSION_13 "\r\n"},
		{WS_UPGRADE_OK, 0, GET HOST "Upgrade: h2c, websocket\r\n" CONNECTION KEY VERSION_13 "\r\n"},
		{WS_UPGRADE_OK, 0, ALL "Sec-WebSocket-Protocol: chat\r\n\r\n"},
		{WS_UPGRADE_OK, 0, ALL "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n\r\n"},
		{WS_UPGRADE_OK, 0, ALL "Sec-WebSocket-Protocol: chat, Chat, cha, chats\r\n\r\n"},
		{WS_UPGRADE_OK, 0, ALL "Sec-WebSocket-Protocol: , a,\r\nSec-WebSocket-Protocol:\r\n\r\n"},
		{WS_UPGRADE_OK, 0,
		 ALL "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"},

		{WS_UPGRADE_BAD, 400, "GET / HTTP/1.0\r\n" HOST UPGRADE CONNECTION KEY VERSION_13 "\r\n"},
		{WS_UPGRADE_BAD, 400, "HEAD / HTTP/1.1\r\n" HOST UPGRADE CONNECTION KEY VERSION_13 "\r\n"},
		{WS_UPGRADE_BAD, 400, GET HOST CONNECTION KEY VERSION_13 "\r\n"},
		{WS_UPGRADE_BAD, 400, GET HOST "Upgrade: h2c\r\n" CONNECTION KEY VERSION_13 "\r\n"},
		{WS_UPGRADE_BAD, 400, GET HOST UPGRADE KEY VERSION_13 "\r\n"},
		{WS_UPGRADE_BAD, 400, GET HOST UPGRADE "Connection: keep-alive\r\n" KEY VERSION_13 "\r\n"},
		{WS_UPGRADE_BAD, 400, GET HOST UPGRADE "Connection: close\r\n" KEY VERSION_13 "\r\n"},
		{WS_UPGRADE_BAD, 400, GET HOST UPGRADE CONNECTION VERSION_13 "\r\n"},
		{WS_UPGRADE_BAD, 400, ALL KEY "\r\n"},
		{WS_UPGRADE_BAD, 426, GET HOST UPGRADE CONNECTION KEY "\r\n"},
		{WS_UPGRADE_BAD, 426, GET HOST UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 8\r\n\r\n"},
		{WS_UPGRADE_BAD, 426, GET HOST UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 14\r\n\r\n"},
		{WS_UPGRADE_BAD, 426, GET HOST UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 13, 8\r\n\r\n"},
		{WS_UPGRADE_BAD, 426, GET HOST UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 013\r\n\r\n"},
		{WS_UPGRADE_BAD, 426, GET HOST UPGRADE CONNECTION KEY "Sec-WebSocket-Version:\r\n\r\n"},
		{WS_UPGRADE_BAD, 426, ALL VERSION_13 "\r\n"},
		{WS_UPGRADE_BAD, 400, ALL "Sec-WebSocket-Protocol: chat, chat\r\n\r\n"},
		{WS_UPGRADE_BAD, 400,
		 ALL "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: x, chat\r\n\r\n"},
		{WS_UPGRADE_BAD, 400, ALL "Sec-WebSocket-Protocol:\r\n\r\n"},
		{WS_UPGRADE_BAD, 400, ALL "Sec-WebSocket-Protocol: , ,\r\n\r\n"},
		{WS_UPGRADE_BAD, 400, ALL "Sec-WebSocket-Extensions:\r\n\r\n"},
		{WS_UPGRADE_BAD, 400, ALL "Sec-WebSocket-Protocol: a b\r\n\r\n"},
		{WS_UPGRADE_BAD, 400, ALL "Sec-WebSocket-Protocol: a, \"b\"\r\n\r\n"},
		{WS_UPGRADE_BAD, 400, ALL "Sec-WebSocket-Protocol: a/b\r\n\r\n"},
		{WS_UPGRADE_BAD, 400, ALL "Sec-WebSocket-Protocol: caf\xc3\xa9\r\n\r\n"},
	};
	enum ws_upgrade_verdict got;
	struct ws_upgrade u;
	struct http_head h;
	size_t i;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++) {
		parse(&h, cases[i].bytes);
		memset(&u, 0xa5, sizeof(u));
		got = ws_upgrade_check(&h, cases[i].bytes, &u);
		if (got != cases[i].verdict || u.status != cases[i].status)
			fail_msg("%s: %d %u %s", cases[i].bytes, got, u.status, u.why ? u.why : "");
		assert_int_equal(u.why != NULL, got == WS_UPGRADE_BAD);
		assert_string_equal(u.accept, got == WS_UPGRADE_OK ? "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" : "");
	}
}

static enum ws_upgrade_verdict check_key(const char *key)
{
	struct ws_upgrade u;
	struct http_head h;
	char bytes[300];

	snprintf(bytes, sizeof(bytes),
		 GET HOST UPGRADE CONNECTION VERSION_13 "Sec-WebSocket-Key: %s\r\n\r\n", key);
	parse(&h, bytes);
	return ws_upgrade_check(&h, bytes, &u);
}

static void test_keys(void **unused)
{
	static const char *const good[] = {
		"AAAAAAAAAAAAAAAAAAAAAA==", "/////////////////////w==", "+/+/+/+/+/+/+/+/+/+/+w==",
		"x3JJHMbDL1EzLkh9GBhXDw==", "  x3JJHMbDL1EzLkh9GBhXDw==\t",
	};
	static const char *const bad[] = {
		"", "=", "==", "x3JJHMbDL1EzLkh9GBhXDw", "x3JJHMbDL1EzLkh9GBhXDw=", "x3JJHMbDL1EzLkh9GBhXDw===",
		"x3JJHMbDL1EzLkh9GBhXD===", "x3JJHMbDL1EzLkh9GBhXDwAA", "x3JJHMbDL1EzLkh9GBhXDwA=",
		"x3JJHMbDL1EzLkh9GBh=Dw==", "x3JJHMbDL1EzLkh9GBh-Dw==", "x3JJHMbDL1EzLkh9GBh_Dw==",
		"x3JJHMbDL1EzLkh9GBh Dw==", "x3JJHMbDL1EzLkh9GBhXDw==, x3JJHMbDL1EzLkh9GBhXDw==",
		"x3JJHMbDL1EzLkh9GBhXDw==AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAA==",
	};
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char key[] = "x3JJHMbDL1EzLkh9GBhXDw==";
	bool good_there;
	size_t i;
	int c;

	(void)unused;
	for (i = 0; i < COUNT(good); i++)
		assert_int_equal(check_key(good[i]), WS_UPGRADE_OK);
	for (i = 0; i < COUNT(bad); i++)
		assert_int_equal(check_key(bad[i]), WS_UPGRADE_BAD);
	/* each character at each place; the last one has 4 bits that must be 0 */
	for (i = 0; i < 22; i++) {
		for (c = 33; c < 256; c++) {
			if (c == 127)
				continue;
			memcpy(key, "x3JJHMbDL1EzLkh9GBhXDw==", sizeof(key));
			key[i] = (char)c;
			good_there = strchr(i < 21 ? alphabet : "AQgw", c);
			assert_int_equal(check_key(key), good_there ? WS_UPGRADE_OK : WS_UPGRADE_BAD);
		}
	}
}

static void test_offers(void **unused)
{
	static const char bytes[] = ALL "Sec-WebSocket-Protocol: myProtocol , natter.bearer.a.b-c\r\n"
					"Other: x\r\n"
					"sec-websocket-protocol: ,chat,\r\n\r\n";
	static const char *const want[] = {"myProtocol", "natter.bearer.a.b-c", "chat"};
	struct http_piece name;
	struct http_head h;
	uint32_t pos = 0;
	size_t i;

	(void)unused;
	parse(&h, bytes);
	for (i = 0; i < COUNT(want); i++) {
		assert_true(ws_upgrade_offer(&h, bytes, &pos, &name));
		assert_int_equal(name.len, strlen(want[i]));
		assert_memory_equal(bytes + name.at, want[i], name.len);
	}
	assert_false(ws_upgrade_offer(&h, bytes, &pos, &name));
}

static void test_many_offers(void **unused)
{
	char bytes[2000] = ALL "Sec-WebSocket-Protocol: p0";
	struct ws_upgrade u;
	struct http_head h;
	size_t len;
	int i;

	(void)unused;
	for (i = 1; i < WS_OFFERS_MAX; i++) {
		len = strlen(bytes);
		snprintf(bytes + len, sizeof(bytes) - len, ", p%d", i);
	}
	len = strlen(bytes);
	strcpy(bytes + len, "\r\n\r\n");
	parse(&h, bytes);
	assert_int_equal(ws_upgrade_check(&h, bytes, &u), WS_UPGRADE_OK);
	strcpy(bytes + len, ", one-more\r\n\r\n");
	parse(&h, bytes);
	assert_int_equal(ws_upgrade_check(&h, bytes, &u), WS_UPGRADE_BAD);
	assert_int_equal(u.status, 400);
}

static void check_answer(const struct ws_upgrade *u, const char *subprotocol, size_t len,
			 const char *extensions, const char *want)
{
	size_t whole = strlen(want), size;
	char *out;

	for (size = 0; size <= whole + 1; size++) {
		out = feed_copy(want, size); /* of this size, and not a byte more */
		memset(out, '#', size);
		assert_int_equal(ws_upgrade_answer(u, subprotocol, len, extensions, out, size), size < whole ? 0 : whole);
		if (size >= whole)
			assert_memory_equal(out, want, whole);
		if (size > whole)
			assert_int_equal(out[whole], '#');
		free(out);
	}
}

static void test_answer(void **unused)
{
	struct ws_upgrade u;
	struct http_head h;

	(void)unused;
	parse(&h, ALL "\r\n");
	assert_int_equal(ws_upgrade_check(&h, ALL "\r\n", &u), WS_UPGRADE_OK);
	check_answer(&u, NULL, 0, NULL,
		     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	check_answer(&u, "chat, other", 4, NULL,
		     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		     "Sec-WebSocket-Protocol: chat\r\n\r\n");
	check_answer(&u, NULL, 0, "permessage-deflate; server_no_context_takeover",
		     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		     "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n");
	check_answer(&u, "chat", 4, "x",
		     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		     "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x\r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_accept_in_threads),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_many_offers),
		cmocka_unit_test(test_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
