/*
 * forwarded: who the client is behind one proxy, two, and whoever pretends to be some.
 */
#include <config.h>

#include "wire/forwarded.h"

#include <stdio.h>

#include "feed.h"

static const char *const networks[] = { "10.0.0.0/8", "fd00::/8", "unix" };
static struct net_list *trusted;

static int set_up(void **state)
{
	(void)state;
	trusted = net_list_new(networks, COUNT(networks));
	return trusted ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	net_list_free(trusted);
	return 0;
}

/* A head whose fields are separated by '|', in memory of its own length, which the caller frees. */
static char *parse(struct http_head *h, const char *fields)
{
	char text[16384] = "GET / HTTP/1.1\r\nHost: natterd\r\n", *end = text + strlen(text), *buf;

	for (; *fields; fields++) {
		if (*fields == '|')
			end += sprintf(end, "\r\n");
		else
			*end++ = *fields;
	}
	strcpy(end, "\r\n\r\n");
	buf = feed_copy(text, strlen(text));
	http_head_init(h, HTTP_HEAD_LIMIT);
	assert_int_equal(http_head_parse(h, buf, strlen(text)), HTTP_OK);
	return buf;
}

/* The client of a request that 10.0.0.1 passes on; "!": it cannot be known. */
static const char *client_of(enum forwarded_by by, const char *fields)
{
	static char text[NET_ADDR_TEXT];
	struct net_addr a;
	struct http_head h;
	char *buf = parse(&h, fields);
	const char *why = NULL;
	bool good;

	assert_true(net_addr_parse(&a, "10.0.0.1", 8));
	good = forwarded_client(&h, buf, by, trusted, &a, &why);
	free(buf);
	assert_int_equal(why == NULL, good);
	return good ? net_addr_text(&a, text) : "!";
}

struct row {
	const char *fields, *client;
};

static void check(enum forwarded_by by, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *got = client_of(by, rows[i].fields);

		if (strcmp(got, rows[i].client) != 0)
			fail_msg("%s is of %s", rows[i].fields, got);
	}
}

#define X "X-Forwarded-For: "

static void test_x_forwarded_for(void **state)
{
	static const struct row rows[] = {
		{ "A: b", "10.0.0.1" },
		{ X "203.0.113.9", "203.0.113.9" },
		{ "x-forwarded-for:203.0.113.9", "203.0.113.9" },
		{ X "203.0.113.9, 10.0.0.2", "203.0.113.9" },
		{ X "203.0.113.9,10.0.0.2,10.0.0.3", "203.0.113.9" },
		{ X "10.0.0.3, 10.0.0.2", "10.0.0.3" },
		/* what a client wrote himself stands to the left */
		{ X "198.51.100.1, 203.0.113.9", "203.0.113.9" },
		{ X "10.0.0.9, 203.0.113.9", "203.0.113.9" },
		{ X "198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9" },
		{ X "rubbish, \"x, 203.0.113.9", "203.0.113.9" },
		{ X "198.51.100.1|" X "203.0.113.9", "203.0.113.9" },
		{ X "rubbish|" X "203.0.113.9", "203.0.113.9" },
		/* several fields are one list */
		{ X "203.0.113.9|" X "10.0.0.2", "203.0.113.9" },
		{ X "198.51.100.1, 203.0.113.9|A: b|" X "10.0.0.3, 10.0.0.2", "203.0.113.9" },
		{ X "203.0.113.9|" X "|" X ", ,", "203.0.113.9" },
		/* how addresses are written */
		{ X " ,\t203.0.113.9\t, ", "203.0.113.9" },
		{ X "203.0.113.9:47011", "203.0.113.9" },
		{ X "2001:db8::9", "2001:db8::9" },
		{ X "[2001:DB8::9]", "2001:db8::9" },
		{ X "[2001:db8::9]:47011", "2001:db8::9" },
		{ X "2001:db8::9, fd00::1, [fd00::2]:80", "2001:db8::9" },
		{ X "::ffff:203.0.113.9", "203.0.113.9" },
		{ X "203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9" },
		/* who is not known */
		{ X "unknown", "10.0.0.1" },
		{ X "203.0.113.9, unknown", "10.0.0.1" },
		{ X "unknown, 10.0.0.2", "10.0.0.2" },
		{ X "203.0.113.9, _hidden, 10.0.0.2", "10.0.0.2" },
		/* what cannot be read */
		{ X "rubbish", "!" },
		{ X "unix", "!" },
		{ X "203.0.113.9, rubbish", "!" },
		{ X "rubbish, 10.0.0.2", "!" },
		{ X "203.0.113.9|" X "rubbish", "!" },
		{ X "rubbish|" X "10.0.0.2", "!" },
		{ X "203.0.113.9 10.0.0.2", "!" },
		{ X "203.0.113.9:", "!" },
		{ X "203.0.113.9:x", "!" },
		{ X "203.0.113.9:123456", "!" },
		{ X "203.0.113.256", "!" },
		{ X "[2001:db8::9", "!" },
		{ X "[2001:db8::9]47", "!" },
		{ X "[203.0.113.9]", "!" },
		{ X "[]", "!" },
		{ X "\"203.0.113.9\"", "!" },
		{ X "for=203.0.113.9", "!" },
		{ X "fe80::1%eth0", "!" },
		/* the other field is the client's own */
		{ "Forwarded: for=203.0.113.9", "10.0.0.1" },
		{ "Forwarded: for=198.51.100.1|" X "203.0.113.9", "203.0.113.9" },
		{ "Forwarded: (|" X "203.0.113.9", "203.0.113.9" },
	};

	(void)state;
	check(FORWARDED_X, rows, COUNT(rows));
}

#define F "Forwarded: "

static void test_forwarded(void **state)
{
	static const struct row rows[] = {
		{ "A: b", "10.0.0.1" },
		{ F "for=203.0.113.9", "203.0.113.9" },
		{ F "For=203.0.113.9", "203.0.113.9" },
		{ F "for=\"203.0.113.9\"", "203.0.113.9" },
		{ F "for=\"203.0.113.9:47011\"", "203.0.113.9" },
		{ F "for=\"203.0.113.9:_port\"", "203.0.113.9" },
		{ F "for=\"[2001:db8::9]\"", "2001:db8::9" },
		{ F "for=\"[2001:db8::9]:47011\"", "2001:db8::9" },
		{ F "for=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9" },
		{ F "by=10.0.0.1;for=203.0.113.9;host=\"a:80\"", "203.0.113.9" },
		{ F "proto=http ; for=203.0.113.9 ;", "203.0.113.9" },
		{ F ";;for=203.0.113.9;;", "203.0.113.9" },
		{ F "ext=\"a, b; for=1.2.3.4\";for=203.0.113.9", "203.0.113.9" },
		{ F "for=203.0.113.9, for=10.0.0.2", "203.0.113.9" },
		{ F "for=203.0.113.9,for=\"[fd00::1]:5\",for=10.0.0.2", "203.0.113.9" },
		{ F ",, for=203.0.113.9 ,, for=10.0.0.2,", "203.0.113.9" },
		{ F "for=198.51.100.1, for=203.0.113.9", "203.0.113.9" },
		{ F "for=10.0.0.9, for=203.0.113.9, for=10.0.0.2", "203.0.113.9" },
		{ F "for=203.0.113.9|" F "for=10.0.0.2", "203.0.113.9" },
		{ F "rubbish|" F "for=203.0.113.9", "203.0.113.9" },
		{ F "for=\"x|" F "for=203.0.113.9", "203.0.113.9" },
		{ F "|" F "for=203.0.113.9|" F "", "203.0.113.9" },
		/* who is not known */
		{ F "for=unknown", "10.0.0.1" },
		{ F "for=Unknown", "10.0.0.1" },
		{ F "for=\"unknown:80\"", "10.0.0.1" },
		{ F "for=_hidden", "10.0.0.1" },
		{ F "for=\"_SEVKISEK:_p.q-r\"", "10.0.0.1" },
		{ F "for=203.0.113.9, for=_hidden, for=10.0.0.2", "10.0.0.2" },
		{ F "proto=https", "10.0.0.1" },
		{ F "for=203.0.113.9, proto=https", "10.0.0.1" },
		/* what cannot be read */
		{ F "203.0.113.9", "!" },
		{ F "for", "!" },
		{ F "for=", "!" },
		{ F "for=\"\"", "!" },
		{ F "for =203.0.113.9", "!" },
		{ F "for= 203.0.113.9", "!" },
		{ F "for=203.0.113.9:47011", "!" },
		{ F "for=2001:db8::9", "!" },
		{ F "for=[2001:db8::9]", "!" },
		{ F "for=\"2001:db8::9\"", "!" },
		{ F "for=\"[203.0.113.9]\"", "!" },
		{ F "for=\"[2001:db8::9]x\"", "!" },
		{ F "for=\"203.0.113.9", "!" },
		{ F "for=\"203.0.113.9\\\"", "!" },
		{ F "for=\"203.0.113.\\9\"", "!" },
		{ F "for=203.0.113.9;for=203.0.113.10", "!" },
		{ F "for=203.0.113.9 for=203.0.113.10", "!" },
		{ F "for=_", "!" },
		{ F "for=_a@b", "!" },
		{ F "for=rubbish", "!" },
		{ F "for=203.0.113.9;by", "!" },
		{ F "for=203.0.113.9;=x", "!" },
		{ F "for=203.0.113.9, rubbish", "!" },
		{ F "rubbish|" F "for=10.0.0.2", "!" },
		/* quotes that a client leaves open swallow nothing of what the proxy appends */
		{ F "for=\"198.51.100.1, for=203.0.113.9", "!" },
		{ F "for=198.51.100.1;x=\", for=\"[2001:db8::9]\"", "!" },
		{ F "for=198.51.100.1;x=\", for=203.0.113.9;host=\"a\"", "!" },
		{ F "for=198.51.100.1;x=\"\\, for=\"203.0.113.9\"", "!" },
		/* the other field is the client's own */
		{ X "203.0.113.9", "10.0.0.1" },
		{ X "rubbish|" F "for=203.0.113.9", "203.0.113.9" },
	};

	(void)state;
	check(FORWARDED_RFC7239, rows, COUNT(rows));
}

static void test_neither(void **state)
{
	(void)state;
	assert_string_equal(client_of(FORWARDED_NOT, X "203.0.113.9|" F "for=203.0.113.9|" F "rubbish"), "10.0.0.1");
}

static void test_many_hops(void **state)
{
	char fields[8192], *end;

	(void)state;
	for (unsigned n = FORWARDED_HOPS_MAX; n <= FORWARDED_HOPS_MAX + 1; n++) {
		end = fields + sprintf(fields, F "for=203.0.113.9");
		for (unsigned i = 1; i < n; i++)
			end += sprintf(end, ", for=10.0.0.2");
		assert_string_equal(client_of(FORWARDED_RFC7239, fields), n > FORWARDED_HOPS_MAX ? "!" : "203.0.113.9");
	}
	end = fields + sprintf(fields, X "203.0.113.9");
	for (unsigned i = 0; i < 500; i++)
		end += sprintf(end, ", 10.0.0.2");
	assert_string_equal(client_of(FORWARDED_X, fields), "203.0.113.9");
}

/* As one text, each with a blank behind it. */
static const char *hosts_of(enum forwarded_by by, const char *fields)
{
	static char text[4096];
	struct http_piece hosts[FORWARDED_HOSTS_MAX];
	struct http_head h;
	char *buf = parse(&h, fields), *end = text;
	size_t n = forwarded_hosts(&h, buf, by, hosts);

	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		end += sprintf(end, "%.*s ", (int)hosts[i].len, buf + hosts[i].at);
	free(buf);
	return text;
}

static void test_hosts(void **state)
{
	char fields[1024] = "X-Forwarded-Host: last";

	(void)state;
	assert_string_equal(hosts_of(FORWARDED_X, "A: b"), "");
	assert_string_equal(hosts_of(FORWARDED_X, "X-Forwarded-Host: a.example"), "a.example ");
	assert_string_equal(hosts_of(FORWARDED_X, "X-Forwarded-Host: a, b:80|X-Forwarded-Host: c"), "c b:80 a ");
	assert_string_equal(hosts_of(FORWARDED_X, "Forwarded: host=a"), "");
	assert_string_equal(hosts_of(FORWARDED_RFC7239, "Forwarded: host=a|X-Forwarded-Host: b"), "a ");
	assert_string_equal(hosts_of(FORWARDED_RFC7239, "Forwarded: for=1.2.3.4;host=\"a:80\", host=b|Forwarded: host=c"),
			    "c b a:80 ");
	assert_string_equal(hosts_of(FORWARDED_RFC7239, "Forwarded: host=a;host=b"), "");
	assert_string_equal(hosts_of(FORWARDED_NOT, "Forwarded: host=a|X-Forwarded-Host: b"), "");
	for (unsigned i = 0; i < 30; i++)
		strcat(fields, ", x");
	assert_string_equal(hosts_of(FORWARDED_X, fields), "x x x x x x x x x x x x x x x x ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x_forwarded_for), cmocka_unit_test(test_forwarded), cmocka_unit_test(test_neither),
		cmocka_unit_test(test_many_hops),       cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
