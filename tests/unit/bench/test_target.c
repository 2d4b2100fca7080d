/* Unit tests of bench/target: URLs, rooms, the request. */
#include <config.h>

#include "bench/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <cmocka.h>

static struct target t;
static char why[300];

static void parse(const char *url, bool rooms)
{
	assert_int_equal(target_init(&t, url, rooms, why, sizeof(why)), 0);
}

static void tcp(void **state)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&t.address;

	(void)state;
	parse("ws://127.0.0.1:9600/a?b=c", false);
	assert_string_equal(t.host, "127.0.0.1:9600");
	assert_string_equal(t.path, "/a?b=c");
	assert_int_equal(ntohs(in->sin_port), 9600);
	assert_true(t.loopback);
	target_clear(&t);

	parse("ws://127.0.0.1", false);
	assert_string_equal(t.path, "/");
	assert_int_equal(ntohs(in->sin_port), 80);
	target_clear(&t);

	parse("ws://[::1]:81/x", true);
	assert_string_equal(t.host, "[::1]:81");
	assert_string_equal(t.path, "/x-{room}");
	assert_int_equal(t.address.ss_family, AF_INET6);
	assert_false(t.loopback);
	target_clear(&t);
}

static void secure(void **state)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&t.address;

	(void)state;
	parse("wss://127.0.0.1/a", false);
	assert_true(t.tls);
	assert_string_equal(t.name, "127.0.0.1");
	assert_string_equal(t.host, "127.0.0.1");
	assert_int_equal(ntohs(in->sin_port), 443);
	target_clear(&t);
	parse("wss://[::1]:9601", false);
	assert_string_equal(t.name, "::1");
	assert_string_equal(t.host, "[::1]:9601");
	target_clear(&t);
	parse("ws://127.0.0.1/", false);
	assert_false(t.tls);
	target_clear(&t);
}

static void unix_socket(void **state)
{
	(void)state;
	parse("ws+unix:///run/a.sock:/room/{room}", true);
	assert_string_equal(((const struct sockaddr_un *)&t.address)->sun_path, "/run/a.sock");
	assert_string_equal(t.path, "/room/{room}");
	target_clear(&t);
	parse("ws+unix:///run/a.sock", false);
	assert_string_equal(t.path, "/");
	target_clear(&t);
}

static void refused(void **state)
{
	static const char *const urls[] = {"",
					   "http://localhost/",
					   "wss://",
					   "wss://:1/",
					   "wss+unix:///run/a.sock",
					   "ws://",
					   "ws://:80/",
					   "ws://[::1/",
					   "ws://[::1]80/",
					   "ws+unix://relative",
					   "ws://127.0.0.1:no-port/"};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		why[0] = '\0';
		assert_int_equal(target_init(&t, urls[i], false, why, sizeof(why)), -1);
		assert_true(why[0] != '\0');
		target_clear(&t);
	}
}

static void request(void **state)
{
	const char *const headers[] = {"Origin: http://a", "X-B: c"};
	char head[600], again[600], key[TARGET_KEY_LEN];
	size_t len;

	(void)state;
	parse("ws://127.0.0.1:9600/{room}/x", true);
	t.subprotocol = "chat";
	t.headers = headers;
	t.n_headers = 2;
	len = target_request(&t, 5, 42, head, sizeof(head));
	assert_int_equal(len, strlen(head));
	assert_int_equal(strncmp(head, "GET /42/x HTTP/1.1\r\nHost: 127.0.0.1:9600\r\n", 42), 0);
	assert_non_null(
	    strstr(head, "\r\nSec-WebSocket-Protocol: chat\r\nOrigin: http://a\r\nX-B: c\r\n\r\n"));
	target_key(&t, 5, key);
	assert_memory_equal(strstr(head, "-Key: ") + 6, key, TARGET_KEY_LEN);
	assert_memory_equal(key + 22, "==", 2);
	target_request(&t, 6, 42, again, sizeof(again));
	assert_string_not_equal(head, again);
	for (size_t size = 0; size <= len; size++)
		assert_int_equal(target_request(&t, 5, 42, again, size), 0);
	target_clear(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tcp),
	    cmocka_unit_test(secure),
	    cmocka_unit_test(unix_socket),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
