#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/endpoint.h"

#include <unistd.h>

static struct config *config;
static struct endpoints *endpoints;

static void build(const char *text)
{
	char path[] = "/tmp/natter-endpoint-XXXXXX", err[512] = "";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	config = config_load(path, err, sizeof(err));
	unlink(path);
	if (config == NULL)
		fail_msg("%s", err);
	endpoints = endpoints_new(config);
	assert_non_null(endpoints);
}

static int tear_down(void **state)
{
	(void)state;
	endpoints_unref(endpoints);
	config_free(config);
	endpoints = NULL;
	config = NULL;
	return 0;
}

/* PATH on LISTENER leads to the endpoint of PATTERN; NULL: to none. */
static void leads_to(const char *listener, const char *path, const char *pattern)
{
	const struct endpoint *ep = endpoint_find(endpoints, listener, path);

	if (pattern == NULL) {
		assert_null(ep);
		return;
	}
	if (ep == NULL)
		fail_msg("%s leads nowhere", path);
	assert_string_equal(ep->config->path_pattern, pattern);
}

static void test_the_best_fit_wins(void **state)
{
	(void)state;
	build("endpoint \"/a/b/*\" { }\nendpoint \"/a/b/c\" { }\nendpoint \"/*\" { }\nendpoint \"/a/*\" { }\n");
	leads_to("main", "/", "/*");
	leads_to("main", "/x", "/*");
	leads_to("main", "/a", "/*"); /* the slash belongs to the pattern */
	leads_to("main", "/a/", "/a/*");
	leads_to("main", "/ab/c", "/*");
	leads_to("main", "/a/b", "/a/*");
	leads_to("main", "/a/b/", "/a/b/*");
	leads_to("main", "/a/b/c", "/a/b/c");
	leads_to("main", "/a/b/cd", "/a/b/*");
	leads_to("main", "/a/b/c/", "/a/b/*");
	leads_to("main", "/A/b/c", "/*");
}

static void test_listeners(void **state)
{
	(void)state;
	build("listener in { }\nlistener out { }\nendpoint \"/x\" { listener = {in} }\n"
	      "endpoint \"/x/*\" { listener = {in, out} }\nendpoint \"/y\" { }\n");
	leads_to("in", "/x", "/x");
	leads_to("out", "/x", NULL);
	leads_to("in", "/x/1", "/x/*");
	leads_to("out", "/x/1", "/x/*");
	leads_to("i", "/x", NULL);
	leads_to("inn", "/x", NULL);
	leads_to("out", "/y", "/y");
	leads_to("out", "/y/", NULL);
	leads_to("out", "/", NULL);
}

/* The room of PATH is WANT, or it is refused with STATUS and the sentence WANT. */
static void room_is(const char *path, unsigned status, const char *want)
{
	const struct endpoint *ep = endpoint_find(endpoints, "main", path);
	const char *why = NULL;
	unsigned got = 0;
	struct payload *p;

	assert_non_null(ep);
	p = endpoint_room(config, ep, path, &got, &why);
	if (status == 0) {
		if (p == NULL)
			fail_msg("%s: %s", path, why);
		assert_string_equal(p->data, want);
		assert_int_equal(p->len, strlen(want));
		payload_unref(p);
		return;
	}
	assert_null(p);
	assert_int_equal(got, status);
	assert_string_equal(why, want);
}

static void test_rooms_of_paths(void **state)
{
	char path[1 + 129 + 1] = "/";

	(void)state;
	build("endpoint \"/*\" { }\nendpoint \"/team/*\" { }\nendpoint \"/help\" { }\nendpoint \"/x/y\" { }\n"
	      "endpoint \"/desk/*\" { room = \"front desk\" }\n");
	room_is("/", 0, "lobby");
	room_is("/tea", 0, "tea");
	room_is("/tea/green", 0, "tea/green");
	room_is("/team/red", 0, "red");
	room_is("/team/", 400, "the room's name is empty");
	room_is("/help", 0, "help");
	room_is("/x/y", 0, "x/y");
	room_is("/desk/", 0, "front desk");
	room_is("/desk/whatever", 0, "front desk");
	room_is("/cafe\xcc\x81", 0, "caf\xc3\xa9");
	room_is("/@ann", 400, "a room's name cannot begin with @");
	room_is("/\xff", 400, "the name is not UTF-8");
	memset(path + 1, 'x', 129);
	room_is(path, 400, "the room's name is longer than 128 bytes");
	path[1 + 128] = '\0';
	room_is(path, 0, path + 1);
}

static void test_rooms_that_are_listed(void **state)
{
	const char *why = NULL;
	unsigned status = 0;
	struct payload *p;

	(void)state;
	build("create_rooms = no\nrooms = {red, \"caf\xc3\xa9\"}\nendpoint \"/*\" { }\nendpoint \"/team/*\" { }\n"
	      "endpoint \"/help\" { room = desk }\n");
	room_is("/red", 0, "red");
	room_is("/team/red", 0, "red");
	room_is("/cafe\xcc\x81", 0, "caf\xc3\xa9"); /* compared as it is prepared */
	room_is("/re", 404, "there is no such room");
	room_is("/redd", 404, "there is no such room");
	room_is("/Red", 404, "there is no such room");
	room_is("/", 404, "there is no such room"); /* the lobby is not listed */
	room_is("/help", 0, "desk");                /* an endpoint's own room exists */
	room_is("/@red", 400, "a room's name cannot begin with @");
	/* what a natter.v1 client is only told need not be there, but has to be a name */
	p = endpoint_room(NULL, endpoint_find(endpoints, "main", "/"), "/", &status, &why);
	assert_string_equal(p->data, "lobby");
	payload_unref(p);
	assert_null(endpoint_room(NULL, endpoint_find(endpoints, "main", "/@x"), "/@x", &status, &why));
	assert_int_equal(status, 400);
}

static bool speaks(const char *path, const char *subprotocol)
{
	const struct endpoint *ep = endpoint_find(endpoints, "main", path);

	assert_non_null(ep);
	return endpoint_speaks(ep, subprotocol, strlen(subprotocol));
}

static void test_subprotocols(void **state)
{
	(void)state;
	build("endpoint \"/any\" { }\nendpoint \"/one\" { subprotocols = {chat2} }\n"
	      "endpoint \"/two\" { subprotocols = {chat, \"natter.v1\", \"natter.bearer.x\"} }\n"
	      "endpoint \"/echo\" { handler = echo subprotocols = {\"*\", \"natter.v1\"} }\n");
	assert_true(speaks("/any", "chat"));
	assert_true(speaks("/any", "natter.v10"));
	assert_true(speaks("/any", "natter.bearer"));
	assert_true(speaks("/any", "natter.v1"));
	assert_false(speaks("/any", "natter.bearer."));
	assert_false(speaks("/any", "natter.bearer.secret"));
	assert_false(speaks("/one", "chat"));
	assert_true(speaks("/one", "chat2"));
	assert_true(speaks("/two", "chat"));
	assert_false(speaks("/two", "cha"));
	assert_false(speaks("/two", "chats"));
	assert_false(speaks("/two", "CHAT"));
	assert_true(speaks("/two", "natter.v1"));
	assert_false(speaks("/one", "natter.v1"));
	assert_false(speaks("/echo", "natter.v1")); /* though it is listed: a dialect of the chat */
	assert_true(speaks("/echo", "natter.v2"));
	assert_false(speaks("/two", "natter.bearer.x"));
	assert_true(endpoint_speaks(endpoint_find(endpoints, "main", "/two"), "chatty", 4)); /* by length */
}

static void test_no_subprotocols(void **state)
{
	(void)state;
	build("subprotocols = {}\nendpoint \"/none\" { }\nendpoint \"/one\" { subprotocols = {chat} }\n");
	assert_false(speaks("/none", "chat"));
	assert_false(speaks("/none", ""));
	assert_true(speaks("/one", "chat"));
}

static void test_limits_and_policy(void **state)
{
	const struct endpoint *a, *b;

	(void)state;
	build("max_frame = 1000\nmax_message = 2000\nmax_fragments = 3\nmax_depth = 4\nmax_members = 5\n"
	      "message_rate = 6\nmessage_burst = 7\nflood_time = 8s\nhistory_max = 9\nannounce = name\n"
	      "default_type = say\nreserved_type = {root}\n"
	      "endpoint \"/a\" { }\nendpoint \"/b\" { announce = off default_type = \"\" }\n");
	a = endpoint_find(endpoints, "main", "/a");
	b = endpoint_find(endpoints, "main", "/b");
	assert_int_equal(a->limits.max_frame, 1000);
	assert_int_equal(a->limits.max_message, 2000);
	assert_int_equal(a->limits.max_fragments, 3);
	assert_int_equal(a->policy.limits.max_depth, 4);
	assert_int_equal(a->policy.limits.max_members, 5);
	assert_int_equal(a->policy.rate.rate, 6);
	assert_int_equal(a->policy.rate.burst, 7);
	assert_int_equal(a->policy.flood_time, 8000);
	assert_int_equal(a->policy.history_max, 9);
	assert_int_equal(a->policy.announce, ANNOUNCE_NAME);
	assert_string_equal(a->policy.default_type, "say");
	assert_int_equal(a->policy.n_reserved_types, 1);
	assert_string_equal(a->policy.reserved_types[0], "root");
	assert_int_equal(b->policy.announce, ANNOUNCE_OFF);
	assert_string_equal(b->policy.default_type, "");
	assert_int_equal(b->policy.flood_time, 8000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_the_best_fit_wins, tear_down),
		cmocka_unit_test_teardown(test_listeners, tear_down),
		cmocka_unit_test_teardown(test_rooms_of_paths, tear_down),
		cmocka_unit_test_teardown(test_rooms_that_are_listed, tear_down),
		cmocka_unit_test_teardown(test_subprotocols, tear_down),
		cmocka_unit_test_teardown(test_no_subprotocols, tear_down),
		cmocka_unit_test_teardown(test_limits_and_policy, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
