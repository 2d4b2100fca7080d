#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/endpoint.h"

#include <unistd.h>

static char dir[] = "/tmp/natter-config-XXXXXX", path[64];

static int make_dir(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/conf", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static struct config *load(const char *text, char *err)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
	return config_load(path, err, 512);
}

static struct config *good(const char *text)
{
	char err[512];
	struct config *c = load(text, err);

	if (c == NULL)
		fail_msg("%s", err);
	return c;
}

/* The error is PATH followed by WANT. */
static void bad(const char *text, const char *want)
{
	char err[512];

	assert_null(load(text, err));
	assert_int_equal(strncmp(err, path, strlen(path)), 0);
	if (strstr(err + strlen(path), want) != err + strlen(path))
		fail_msg("%s is not %s", err, want);
}

static void test_defaults(void **state)
{
	char err[512];
	struct config *c = config_load(NULL, err, sizeof(err));

	(void)state;
	assert_int_equal(c->max_message, 65536);
	assert_int_equal(c->ping_interval, 30000);
	assert_int_equal(c->announce, CONFIG_ANNOUNCE_ADDRESS);
	assert_true(c->page);
	assert_int_equal(c->n_listeners, 1);
	assert_string_equal(c->listeners[0].name, "main");
	assert_int_equal(c->listeners[0].port, 9600);
	assert_int_equal(c->listeners[0].mode_bits, 0660);
	assert_string_equal(c->listeners[0].address.v[0], "*");
	assert_int_equal(c->n_endpoints, 1);
	assert_string_equal(c->endpoints[0].path_pattern, "/*");
	assert_int_equal(c->reserved_type.n, 2);
	config_free(c);
}

static void test_kinds(void **state)
{
	struct config *c = good("max_message = 2M\nsend_queue = 4096\nping_interval = 500ms\nroom_keep = 2d\n"
				"flood_time = 90\npage = off\nannounce = off\nlog = syslog\nrooms = {\"a b\", c}\n"
				"default_type = \"x \\\"y\\\"\"\nmax_rooms = 5 # five\n");

	(void)state;
	assert_int_equal(c->max_message, 2 << 20);
	assert_int_equal(c->send_queue, 4096);
	assert_int_equal(c->ping_interval, 500);
	assert_int_equal(c->room_keep, 172800000);
	assert_int_equal(c->flood_time, 90000);
	assert_false(c->page);
	assert_int_equal(c->log, CONFIG_LOG_SYSLOG);
	assert_int_equal(c->rooms.n, 2);
	assert_string_equal(c->rooms.v[0], "a b");
	assert_string_equal(c->default_type, "x \"y\"");
	config_free(c);
}

static void test_errors_name_the_line(void **state)
{
	static const struct {
		const char *text, *want;
	} endless[] = {
		{"page = no\n/* no end", ": a comment or a quoted text has no end"},
		{"pid_file = \"no end", ":1: premature end of file"},
		{"pid_file = 'no end", ":1: unterminated string constant"},
	};

	(void)state;
	bad("max_message = 1", ":1: max_message: expected a size like 64K or 1M from 125 to 1G, not '1'");
	bad("\n\nmax_rooms = x\n", ":3: max_rooms: expected a number from 1 to 10000000");
	bad("max_rooms = 99999999999999999999999\n", ":1: max_rooms");
	bad("max_rooms = -1\n", ":1: max_rooms");
	bad("nonsense = 1\n", ":1: no such option 'nonsense'");
	bad("page = 7\n", ":1: page: expected yes or no");
	bad("announce = shout\n", ":1: announce: expected one of address name off");
	bad("ping_interval = 2weeks\n", ":1: ping_interval: expected a time");
	bad("listener a {\n\nport = 70000\n}\n", ":3: port");
	bad("endpoint nope {\n}\n", ":2: endpoint \"nope\": an endpoint's path begins with /");
	bad("endpoint \"/a*b\" {\n}\n", ":2: endpoint \"/a*b\"");
	bad("default_type = \"\xff\"\n", ":1: default_type: expected UTF-8");
	bad("listener a { }\nendpoint \"/x\" { listener = {b} }\n", ": endpoint \"/x\": there is no listener \"b\"");
	bad("max_rooms = {", ":1: ");
	bad("= 5\n", ":1: ");
	/* each is followed by a file that the scanner must be out of this one's comment or text for */
	for (size_t i = 0; i < sizeof(endless) / sizeof(endless[0]); i++) {
		bad(endless[i].text, endless[i].want);
		config_free(good("page = no # ' \" */\n"));
	}
	bad("end\\ of\\ file = x\n", ":1: ");
}

static void test_print_can_be_loaded_again(void **state)
{
	struct config *c = good("rooms = {\"a$b\", \"c\\\\d\"}\nmax_message = 100000\nping_interval = 1500ms\nroom_keep = 0\n"
				"listener u { path = /run/x.sock mode = \"0600\" }\n"
				"endpoint \"/e\" { handler = echo listener = {u} announce = name }\n");
	char *first = NULL, *second = NULL;
	size_t n;
	FILE *f = open_memstream(&first, &n);

	(void)state;
	config_print(c, f);
	fclose(f);
	config_free(c);
	c = good(first);
	assert_string_equal(c->rooms.v[0], "a$b");
	assert_string_equal(c->rooms.v[1], "c\\d");
	assert_int_equal(c->max_message, 100000);
	f = open_memstream(&second, &n);
	config_print(c, f);
	fclose(f);
	assert_string_equal(first, second);
	config_free(c);
	free(first);
	free(second);
}

static char *printed(struct config *c)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	config_print(c, f);
	fclose(f);
	config_free(c);
	return text;
}

/* It says of itself that it changes nothing but announce. */
static void test_the_file_that_is_installed(void **state)
{
	const char *srcdir = getenv("srcdir");
	char file[512], err[512] = "", *ours, *defaults;
	struct config *c;

	(void)state;
	snprintf(file, sizeof(file), "%s/conf/natterd.conf", srcdir ? srcdir : ".");
	c = config_load(file, err, sizeof(err));
	if (c == NULL)
		fail_msg("%s", err);
	assert_int_equal(c->announce, CONFIG_ANNOUNCE_NAME);
	ours = printed(c);
	defaults = printed(good("announce = name\n"));
	assert_string_equal(ours, defaults);
	free(defaults);
	defaults = printed(good(ours));
	assert_string_equal(ours, defaults);
	free(defaults);
	free(ours);
}

static void test_host_and_port(void **state)
{
	struct config *c = good("listener a { }\nlistener b { port = 1 }\nendpoint \"/x\" { listener = {b} }\n");
	char err[512];

	(void)state;
	assert_int_equal(config_set_listener(c, "127.0.0.1", "70000", err, sizeof(err)), -1);
	assert_int_equal(c->n_listeners, 2);
	assert_int_equal(config_set_listener(c, "::1", "80", err, sizeof(err)), 0);
	assert_int_equal(c->n_listeners, 1);
	assert_string_equal(c->listeners[0].address.v[0], "::1");
	assert_int_equal(c->listeners[0].port, 80);
	assert_int_equal(c->endpoints[0].listener.n, 0);
	assert_int_equal(config_set_listener(c, "localhost", "0", err, sizeof(err)), 0);
	assert_string_equal(c->listeners[0].address.v[0], "localhost");
	assert_int_equal(config_set_listener(c, "chat.example.org", "0", err, sizeof(err)), 1);
	assert_string_equal(c->listeners[0].address.v[0], "*");
	config_free(c);
}

static const char *room_at(const struct endpoints *e, const char *listener, const char *where)
{
	static char out[200];
	const struct endpoint *ep = endpoint_find(e, listener, where);
	unsigned status = 0;
	const char *why = NULL;
	struct payload *p = ep ? endpoint_room(e, ep, where, &status, &why) : NULL;

	if (ep == NULL)
		return "none";
	snprintf(out, sizeof(out), "%s", p ? p->data : status == 404 ? "404" : "400");
	payload_unref(p);
	return out;
}

/* An empty list is a value, and not the same as none. */
static void test_endpoint_inherits_what_it_does_not_say(void **state)
{
	struct config *c = good("subprotocols = {a}\nendpoint \"/none\" { subprotocols = {} }\nendpoint \"/as\" { }\n");

	(void)state;
	assert_int_equal(c->endpoints[0].subprotocols.n, 0);
	assert_int_equal(c->endpoints[1].subprotocols.n, 1);
	config_free(c);
}

static void test_endpoints(void **state)
{
	struct config *c = good("create_rooms = no\nrooms = {lobby, red}\nlistener a { }\nlistener b { }\n"
				"endpoint \"/*\" { }\nendpoint \"/team/*\" { listener = {b} subprotocols = {chat} }\n"
				"endpoint \"/team/help\" { room = desk }\n");
	struct endpoints *e = endpoints_new(c);
	const struct endpoint *any, *team;

	(void)state;
	assert_string_equal(room_at(e, "a", "/"), "lobby");
	assert_string_equal(room_at(e, "a", "/red"), "red");
	assert_string_equal(room_at(e, "a", "/blue"), "404");
	assert_string_equal(room_at(e, "a", "/@red"), "400");
	assert_string_equal(room_at(e, "b", "/team/red"), "red");
	assert_string_equal(room_at(e, "a", "/team/red"), "404"); /* the room team/red of the other pattern */
	assert_string_equal(room_at(e, "b", "/team/"), "400");
	assert_string_equal(room_at(e, "b", "/team/help"), "desk");
	any = endpoint_find(e, "a", "/");
	team = endpoint_find(e, "b", "/team/x");
	assert_true(endpoint_speaks(any, "anything", 8));
	assert_false(endpoint_speaks(any, "natter.v1", 9));
	assert_false(endpoint_speaks(any, "natter.bearer.x", 15));
	assert_true(endpoint_speaks(team, "chat", 4));
	assert_false(endpoint_speaks(team, "Chat", 4));
	endpoints_free(e);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),	     cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_errors_name_the_line), cmocka_unit_test(test_print_can_be_loaded_again),
		cmocka_unit_test(test_the_file_that_is_installed),
		cmocka_unit_test(test_host_and_port),	     cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_endpoint_inherits_what_it_does_not_say),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
