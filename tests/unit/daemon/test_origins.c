/*
 * origins: which pages an endpoint lets in, and the line that would let in who was refused.
 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/origins.h"

#include <unistd.h>

static struct config *config;
static struct http_head head;
static char bytes[2048];

static void build(const char *text)
{
	char path[] = "/tmp/natter-origins-XXXXXX", err[512] = "";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	config_free(config);
	config = config_load(path, err, sizeof(err));
	unlink(path);
	if (config == NULL)
		fail_msg("%s", err);
}

static int tear_down(void **state)
{
	(void)state;
	config_free(config);
	config = NULL;
	return 0;
}

/* A request to chat.example:9600 with more fields, each with its CRLF. */
static void request(const char *fields)
{
	snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: chat.example:9600\r\n%s\r\n", fields);
	http_head_init(&head, 4096);
	assert_int_equal(http_head_parse(&head, bytes, strlen(bytes)), HTTP_OK);
}

static bool admits(const char *fields, enum forwarded_by by)
{
	request(fields);
	return origins_refusal(&config->endpoints[0], &head, bytes, by) == NULL;
}

static const char *line(void)
{
	static char out[1024];

	return origins_allowing(&config->endpoints[0], &head, bytes, out, sizeof(out));
}

#define SAME "Origin: https://chat.example\r\n"
#define OTHER "Origin: https://evil.example\r\n"
#define FILE_ORIGIN "Origin: null\r\n"

static void test_same_host(void **state)
{
	(void)state;
	build("");
	assert_true(admits("", FORWARDED_NOT));
	assert_true(admits(SAME, FORWARDED_NOT));
	assert_true(admits("Origin: http://CHAT.example.:80\r\n", FORWARDED_NOT));
	assert_false(admits(OTHER, FORWARDED_NOT));
	assert_false(admits(FILE_ORIGIN, FORWARDED_NOT));
	assert_false(admits("Origin: http://x.chat.example\r\n", FORWARDED_NOT));
	assert_false(admits("Origin: rubbish\r\n", FORWARDED_NOT));
	assert_false(admits("Origin:\r\n", FORWARDED_NOT));
	assert_false(admits(SAME SAME, FORWARDED_NOT));
	assert_false(admits(SAME OTHER, FORWARDED_NOT));
	assert_false(admits("Origin: https://chat.example https://evil.example\r\n", FORWARDED_NOT));
}

/* What a proxy says it was asked for is the request's host too; what anybody else says is not. */
static void test_forwarded_host(void **state)
{
	static const char x[] = "Origin: https://www.example\r\nX-Forwarded-Host: www.example\r\n",
			  two[] = "Origin: https://www.example\r\nX-Forwarded-Host: www.example:443, inner\r\n",
			  rfc[] = "Origin: https://www.example\r\nForwarded: for=1.2.3.4;host=www.example\r\n",
			  own[] = SAME "X-Forwarded-Host: www.example\r\n";

	(void)state;
	build("");
	assert_true(admits(x, FORWARDED_X));
	assert_true(admits(two, FORWARDED_X));
	assert_true(admits(own, FORWARDED_X));
	assert_false(admits(rfc, FORWARDED_X));
	assert_true(admits(rfc, FORWARDED_RFC7239));
	assert_false(admits(x, FORWARDED_RFC7239));
	assert_false(admits(x, FORWARDED_NOT));
	assert_false(admits(rfc, FORWARDED_NOT));
	assert_false(admits(OTHER "X-Forwarded-Host: www.example\r\n", FORWARDED_X));
}

static void test_lists(void **state)
{
	(void)state;
	build("origins = {\"https://evil.example:443\", \"app://x\", \"file://\"}");
	assert_true(admits(OTHER, FORWARDED_NOT));
	assert_true(admits("Origin: app://x\r\n", FORWARDED_NOT));
	assert_true(admits("Origin: file://\r\n", FORWARDED_NOT));
	assert_false(admits(SAME, FORWARDED_NOT));
	assert_false(admits(FILE_ORIGIN, FORWARDED_NOT));
	assert_false(admits("Origin: http://evil.example\r\n", FORWARDED_NOT));
	build("origins = {\"null\"}");
	assert_true(admits(FILE_ORIGIN, FORWARDED_NOT));
	assert_false(admits(OTHER, FORWARDED_NOT));
	build("origins = {\"*\"}");
	assert_true(admits(FILE_ORIGIN, FORWARDED_NOT));
	assert_true(admits(OTHER, FORWARDED_NOT));
	assert_true(admits("Origin: rubbish\r\n", FORWARDED_NOT));
	assert_true(origins_are_all(&config->endpoints[0]));
	build("origins = {}");
	assert_false(admits(SAME, FORWARDED_NOT));
	assert_true(admits("", FORWARDED_NOT));
	assert_false(origins_are_all(&config->endpoints[0]));
}

static void test_required(void **state)
{
	(void)state;
	build("origins = {\"*\"} endpoint \"/\" { origin_required = yes }");
	assert_false(admits("", FORWARDED_NOT));
	assert_string_equal(line(), "origin_required = no");
	assert_true(admits(OTHER, FORWARDED_NOT));
}

/* Each refused request gets its line; with this line it is let in, and so is who was before. */
static void test_the_line_that_allows(void **state)
{
	static const char *const refused[] = { OTHER, FILE_ORIGIN, "Origin: http://[::1]:5\r\n", "Origin: file://\r\n" };
	char text[1100];

	(void)state;
	build("");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_false(admits(refused[i], FORWARDED_NOT));
		snprintf(text, sizeof(text), "%s", line());
		build(text);
		for (size_t k = 0; k <= i; k++)
			assert_true(admits(refused[k], FORWARDED_NOT));
		assert_true(admits(SAME, FORWARDED_NOT));
	}
	assert_string_equal(text, "origins = {'same-host', 'https://evil.example', 'null', 'http://[::1]:5', 'file://'}");
	assert_false(admits("Origin: rubbish'}\r\n", FORWARDED_NOT));
	assert_string_equal(line(), "");
}

/* A list that is too long for a log line is cut, and nothing is written beyond. */
static void test_a_long_line(void **state)
{
	char out[40];

	(void)state;
	build("");
	request(OTHER);
	for (size_t size = 1; size <= sizeof(out); size++) {
		memset(out, 'x', sizeof(out));
		origins_allowing(&config->endpoints[0], &head, bytes, out, size);
		assert_true(strlen(out) < size);
		assert_true(size == sizeof(out) || out[size] == 'x');
	}
}

static void test_valid(void **state)
{
	(void)state;
	assert_true(origins_valid("*") && origins_valid("null") && origins_valid("same-host"));
	assert_true(origins_valid("https://example.com") && origins_valid("http://[::1]:80"));
	assert_false(origins_valid("") || origins_valid("example.com") || origins_valid("https://example.com/"));
	assert_false(origins_valid("https://*.example.com") || origins_valid("Same-Host"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_same_host),	     TEST(test_forwarded_host), TEST(test_lists),
		TEST(test_required),	     TEST(test_the_line_that_allows), TEST(test_a_long_line),
		TEST(test_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
