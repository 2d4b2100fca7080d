/*
 * netmask: addresses as text and back, which texts are networks, and who is in them.
 */
#include <config.h>

#include "wire/netmask.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "feed.h"

/* S in memory of its own length. */
static bool parse(struct net_addr *a, const char *s)
{
	char *copy = feed_copy(s, strlen(s));
	bool good = net_addr_parse(a, copy, strlen(s));

	free(copy);
	return good;
}

static void test_addresses(void **state)
{
	static const struct {
		const char *text, *back; /* NULL: none */
	} cases[] = {
		{ "127.0.0.1", "127.0.0.1" },       { "255.255.255.255", "255.255.255.255" },
		{ "::", "::" },                     { "::1", "::1" },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" }, { "::ffff:10.1.2.3", "10.1.2.3" },
		{ "::ffff:a01:203", "10.1.2.3" },   { "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "", NULL },                       { "1.2.3", NULL },
		{ "1.2.3.4.5", NULL },              { "1.2.3.256", NULL },
		{ "1.2.3.4 ", NULL },               { " 1.2.3.4", NULL },
		{ "[::1]", NULL },                  { "::1%lo", NULL },
		{ ":::", NULL },                    { "12345::", NULL },
		{ "localhost", NULL },              { "unix", NULL },
		{ "1.2.3.4:80", NULL },             { "0xff.1.2.3", NULL },
		{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL },
	};
	char buf[NET_ADDR_TEXT];
	struct net_addr a, b;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (parse(&a, cases[i].text) != (cases[i].back != NULL))
			fail_msg("%s", cases[i].text);
		assert_int_equal(a.kind, cases[i].back ? NET_ADDR_IP : NET_ADDR_NONE);
		if (cases[i].back == NULL)
			continue;
		assert_string_equal(net_addr_text(&a, buf), cases[i].back);
		assert_true(parse(&b, buf));
		assert_true(net_addr_same(&a, &b));
		assert_int_equal(net_addr_is_v4(&a), strchr(buf, ':') == NULL);
	}
	assert_false(net_addr_parse(&a, "1.2.3.4\0x", 9));
}

static void test_sockets(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct net_addr a, b;
	char buf[NET_ADDR_TEXT];

	(void)state;
	inet_pton(AF_INET, "192.0.2.7", &in.sin_addr);
	net_addr_of(&a, (struct sockaddr *)&in);
	assert_string_equal(net_addr_text(&a, buf), "192.0.2.7");
	/* as a socket for both kinds tells it */
	inet_pton(AF_INET6, "::ffff:192.0.2.7", &in6.sin6_addr);
	net_addr_of(&b, (struct sockaddr *)&in6);
	assert_true(net_addr_same(&a, &b));
	inet_pton(AF_INET6, "fe80::1", &in6.sin6_addr);
	in6.sin6_scope_id = 3;
	net_addr_of(&b, (struct sockaddr *)&in6);
	assert_string_equal(net_addr_text(&b, buf), "fe80::1");
	assert_false(net_addr_same(&a, &b));
	net_addr_of(&a, (struct sockaddr *)&un);
	assert_int_equal(a.kind, NET_ADDR_UNIX);
	assert_string_equal(net_addr_text(&a, buf), "unix");
	un.sun_family = AF_UNSPEC;
	net_addr_of(&a, (struct sockaddr *)&un);
	assert_int_equal(a.kind, NET_ADDR_NONE);
	assert_string_equal(net_addr_text(&a, buf), "unix");
}

static void test_valid(void **state)
{
	static const char *const good[] = { "10.0.0.0/8", "0.0.0.0/0", "::/0", "::1", "1.2.3.4", "1.2.3.4/32", "::1/128",
					    "fd00::/8", "10.128.0.0/9", "::ffff:0:0/96", "unix", "fe80::/10" };
	static const char *const bad[] = { "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.1/8", "10.0.0.0/08",
					   "10.0.0.0/-1", "10.0.0.0/ 8", "10.0.0.0/8 ", "10.0.0.0/8/8", "10/8", "10.0.0.0/255.0.0.0",
					   "::1/64", "fe80::/8", "unix/0", "Unix", "*", "localhost", "[::1]", "1.2.3.4/+8",
					   "10.0.0.0/1000", "::/0128" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!netmask_valid(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (netmask_valid(bad[i]))
			fail_msg("%s", bad[i]);
}

/* Whether ADDRESS is in the list of one network. */
static bool is_in(const char *network, const char *address)
{
	struct net_list *l = net_list_new(&network, 1);
	struct net_addr a = { .kind = NET_ADDR_UNIX };
	bool has;

	assert_non_null(l);
	assert_true(strcmp(address, "unix") == 0 || parse(&a, address));
	has = net_list_has(l, &a);
	net_list_free(l);
	return has;
}

static void test_has(void **state)
{
	static const struct {
		const char *network, *in, *out;
	} cases[] = {
		{ "10.0.0.0/8", "10.255.255.255", "11.0.0.0" },
		{ "10.0.0.0/8", "10.0.0.0", "9.255.255.255" },
		{ "10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1" },
		{ "192.0.2.128/25", "192.0.2.128", "192.0.2.127" },
		{ "192.0.2.1", "192.0.2.1", "192.0.2.0" },
		{ "192.0.2.0/31", "192.0.2.1", "192.0.2.2" },
		{ "0.0.0.0/0", "255.1.2.3", "::1" },
		{ "0.0.0.0/0", "0.0.0.0", "unix" },
		{ "::/0", "2001:db8::1", "10.0.0.1" },
		{ "::/0", "::1", "unix" },
		{ "::ffff:0:0/96", "10.0.0.1", "::1" },
		{ "::ffff:10.0.0.0/104", "10.0.0.1", "11.0.0.1" },
		{ "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1" },
		{ "fd00::/8", "fdff::1", "fe00::1" },
		{ "::1", "::1", "::2" },
		{ "unix", "unix", "127.0.0.1" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (!is_in(cases[i].network, cases[i].in) || is_in(cases[i].network, cases[i].out))
			fail_msg("%s", cases[i].network);
}

/* Each length of prefix: what agrees in so many bits is in, what differs in the last of them is not. */
static void test_every_prefix(void **state)
{
	struct net_addr net, a;
	char buf[NET_ADDR_TEXT], text[NET_ADDR_TEXT + 8];
	const char *one = text;

	(void)state;
	assert_true(parse(&net, "8000::"));
	for (unsigned bits = 1; bits <= 128; bits++) {
		struct net_list *l;

		snprintf(text, sizeof(text), "%s/%u", net_addr_text(&net, buf), bits);
		l = net_list_new(&one, 1);
		assert_non_null(l);
		a = net;
		for (unsigned i = bits; i < 128; i++)
			a.bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
		assert_true(net_list_has(l, &a));
		a.bytes[(bits - 1) / 8] ^= (uint8_t)(0x80 >> (bits - 1) % 8);
		assert_false(net_list_has(l, &a));
		net_list_free(l);
	}
}

static void test_lists(void **state)
{
	static const char *const texts[] = { "10.0.0.0/8", "unix", "fd00::/8" }, *const bad[] = { "10.0.0.0/8", "x" };
	static const struct net_addr nobody = { .kind = NET_ADDR_NONE };
	struct net_list *l = net_list_new(texts, 3), *empty = net_list_new(NULL, 0);
	struct net_addr a;

	(void)state;
	assert_non_null(l);
	assert_non_null(empty);
	assert_true(parse(&a, "fd00::5"));
	assert_true(net_list_has(l, &a));
	assert_false(net_list_has(empty, &a));
	assert_false(net_list_has(NULL, &a));
	assert_true(parse(&a, "192.0.2.1"));
	assert_false(net_list_has(l, &a));
	assert_false(net_list_has(l, &nobody));
	assert_null(net_list_new(bad, 2));
	net_list_free(l);
	net_list_free(empty);
	net_list_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_sockets),      cmocka_unit_test(test_valid),
		cmocka_unit_test(test_has),       cmocka_unit_test(test_every_prefix), cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
