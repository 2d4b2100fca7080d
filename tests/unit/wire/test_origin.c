/*
 * origin: what an Origin is, and which are the same, or of the same host.
 */
#include <config.h>

#include "wire/origin.h"

#include <stdio.h>

#include "feed.h"

/* As the table's texts have it: "scheme host port", "null", or NULL. */
static const char *parsed(const char *text)
{
	static char out[400];
	char *copy = feed_copy(text, strlen(text));
	struct origin o;
	bool good = origin_parse(&o, copy, strlen(text));

	if (good && o.null)
		strcpy(out, "null");
	else if (good)
		snprintf(out, sizeof(out), "%.*s %.*s %u", (int)o.scheme_len, o.scheme, (int)o.host_len, o.host, o.port);
	free(copy);
	return good ? out : NULL;
}

static void test_parse(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "null", "null" },
		{ "http://example.com", "http example.com 80" },
		{ "https://example.com", "https example.com 443" },
		{ "HTTPS://Example.COM:8443", "HTTPS Example.COM 8443" },
		{ "https://example.com.", "https example.com 443" },
		{ "https://example.com.:1", "https example.com 1" },
		{ "http://localhost:0", "http localhost 0" },
		{ "http://127.0.0.1:65535", "http 127.0.0.1 65535" },
		{ "http://[::1]:9600", "http [::1] 9600" },
		{ "http://[2001:db8::1]", "http [2001:db8::1] 80" },
		{ "http://xn--bcher-kva.example", "http xn--bcher-kva.example 80" },
		{ "http://a_b.example", "http a_b.example 80" },
		{ "wss://example.com", "wss example.com 443" },
		{ "file://", "file  0" },
		{ "chrome-extension://abcdef", "chrome-extension abcdef 0" },
		{ "capacitor://localhost", "capacitor localhost 0" },
		{ "a+b-c.d1://x:5", "a+b-c.d1 x 5" },
		{ "", NULL },
		{ "Null", NULL },
		{ "null ", NULL },
		{ "*", NULL },
		{ "example.com", NULL },
		{ "//example.com", NULL },
		{ "://example.com", NULL },
		{ "http:/example.com", NULL },
		{ "http://", NULL },
		{ "https://:443", NULL },
		{ "file://:1", NULL },
		{ "http://example.com/", NULL },
		{ "http://example.com/page", NULL },
		{ "http://example.com?x", NULL },
		{ "http://user@example.com", NULL },
		{ "http://example.com..", NULL },
		{ "http://.", NULL },
		{ "http://..:80", NULL },
		{ "http://example.com:", NULL },
		{ "http://example.com:65536", NULL },
		{ "http://example.com:123456", NULL },
		{ "http://example.com:8a", NULL },
		{ "http://example.com:-1", NULL },
		{ "http://a http://b", NULL },
		{ "http://a, http://b", NULL },
		{ "http://b\xc3\xbc""cher.example", NULL },
		{ "http://a\"b", NULL },
		{ "http://a'b", NULL },
		{ "http://a\\b", NULL },
		{ "http://[::1", NULL },
		{ "http://[::1]x", NULL },
		{ "http://[]", NULL },
		{ "http://[1.2.3.4]", NULL },
		{ "http://[g::]", NULL },
		{ "http://::1", NULL },
		{ "1http://a", NULL },
		{ " http://a", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *got = parsed(cases[i].text);

		if ((got == NULL) != (cases[i].want == NULL) || (got && strcmp(got, cases[i].want) != 0))
			fail_msg("%s is %s", cases[i].text, got ? got : "no origin");
	}
}

/* Every beginning of an origin is read within its own bytes, and only some are origins. */
static void test_every_beginning(void **state)
{
	static const char whole[] = "https://[2001:db8::1]:8443";
	struct origin o;

	(void)state;
	for (size_t len = 0; len <= strlen(whole); len++) {
		char *copy = feed_copy(whole, len);
		/* up to "]", and with one digit of the port or more */
		bool want = len == 21 || len > 22;

		assert_int_equal(origin_parse(&o, copy, len), want);
		free(copy);
	}
}

static void test_length(void **state)
{
	char text[ORIGIN_MAX + 2] = "http://";
	struct origin o;

	(void)state;
	memset(text + 7, 'a', sizeof(text) - 7);
	assert_true(origin_parse(&o, text, ORIGIN_MAX));
	assert_false(origin_parse(&o, text, ORIGIN_MAX + 1));
	text[10] = '\0';
	assert_false(origin_parse(&o, text, 20));
}

static void test_same(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "https://example.com", "https://example.com", true },
		{ "https://example.com", "HTTPS://EXAMPLE.com:443", true },
		{ "http://example.com:80", "http://example.com", true },
		{ "http://example.com.", "http://example.com", true },
		{ "http://[::1]", "http://[0:0::0:1]:80", true },
		{ "file://", "file://", true },
		{ "chrome-extension://abc", "chrome-extension://abc", true },
		{ "http://example.com", "https://example.com", false },
		{ "http://example.com", "http://example.com:8080", false },
		{ "http://example.com:443", "https://example.com", false },
		{ "http://example.com", "http://www.example.com", false },
		{ "http://example.com", "http://example.co", false },
		{ "http://[::1]", "http://[::2]", false },
		{ "http://[::ffff:127.0.0.1]", "http://127.0.0.1", false },
		{ "file://", "file://x", false },
		{ "null", "null", false },
		{ "null", "http://null", false },
		{ "chrome-extension://abc", "moz-extension://abc", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct origin a, b;

		assert_true(origin_parse(&a, cases[i].a, strlen(cases[i].a)));
		assert_true(origin_parse(&b, cases[i].b, strlen(cases[i].b)));
		if (origin_same(&a, &b) != cases[i].same || origin_same(&b, &a) != cases[i].same)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
	}
}

static void test_of_host(void **state)
{
	static const struct {
		const char *origin, *host;
		bool of;
	} cases[] = {
		{ "https://example.com", "example.com", true },
		{ "https://example.com", "EXAMPLE.com:9600", true },
		{ "http://example.com:8080", "example.com", true },
		{ "http://example.com.", "example.com", true },
		{ "http://example.com", "example.com.:80", true },
		{ "http://example.com", "example.com:", true },
		{ "http://127.0.0.1:1", "127.0.0.1:2", true },
		{ "http://[::1]:80", "[0:0:0:0:0:0:0:1]:9600", true },
		{ "http://[::1]", "[::1]", true },
		{ "http://localhost", "127.0.0.1", false },
		{ "http://example.com", "www.example.com", false },
		{ "http://www.example.com", "example.com", false },
		{ "http://example.com.evil.example", "example.com", false },
		{ "http://example.com", "example.com.evil.example", false },
		{ "http://example.com", "example.com,evil.example", false },
		{ "http://example.com", "", false },
		{ "http://example.com", ":80", false },
		{ "http://[::1]", "[::2]", false },
		{ "http://[::1]", "::1", false },
		{ "file://", "", false },
		{ "file://", "example.com", false },
		{ "null", "null", false },
		{ "http://e", "e/x", false },
		{ "http://e", "x@e", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *host = feed_copy(cases[i].host, strlen(cases[i].host));
		struct origin o;

		assert_true(origin_parse(&o, cases[i].origin, strlen(cases[i].origin)));
		if (origin_of_host(&o, host, strlen(cases[i].host)) != cases[i].of)
			fail_msg("%s and the host %s", cases[i].origin, cases[i].host);
		free(host);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_every_beginning), cmocka_unit_test(test_length),
		cmocka_unit_test(test_same),  cmocka_unit_test(test_of_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
