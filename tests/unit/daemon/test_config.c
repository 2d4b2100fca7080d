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
#include "daemon/config_change.h"
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

/* After the parsing all that is wrong is told. */
static void test_all_errors(void **state)
{
	static const char *const wants[] = {
		":1: listener \"a\": path: expected an absolute path",
		":1: listener \"a\": mode: expected octal permissions like 0660",
		":2: endpoint \"x\": an endpoint's path begins with /",
		": endpoint \"x\": there is no listener \"b\"",
		": endpoint \"x\": there is no listener \"c\"",
		":3: token: expected sha256: and 64 hex digits, or the absolute path of a file that has the token",
		":4: token \"/a\": user: expected a user's id",
	};
	char err[2000], small[200], *lines = err;

	(void)state;
	config_free(good("")); /* makes the file */
	assert_null(load("listener a { path = x mode = \"9\" }\nendpoint x { listener = {a, b, c} }\n"
			 "token s3cret { user = u }\ntoken /a { }\n", err));
	assert_null(config_load(path, err, sizeof(err)));
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		char *line = strsep(&lines, "\n");

		assert_non_null(line);
		assert_int_equal(strncmp(line, path, strlen(path)), 0);
		assert_string_equal(line + strlen(path), wants[i]);
	}
	assert_null(lines);
	/* where they do not fit they are counted */
	assert_null(config_load(path, small, sizeof(small)));
	assert_int_equal(strncmp(small, path, strlen(path)), 0);
	assert_string_equal(strrchr(small, '\n'), "\nand 5 more");
}

static void test_errors_name_the_line(void **state)
{
	static const struct {
		const char *text, *want;
	} endless[] = {
		{"page = no\n/* no end", ": a section, a comment or a quoted text has no end"},
		{"listener a {\n", ": a section, a comment or a quoted text has no end"},
		{"listener a { }\nendpoint \"/\" { room = x\n", ": a section, a comment or a quoted text has no end"},
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

#define HASH "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_tokens(void **state)
{
	struct config *c = good("token \"" HASH "\" { user = \"4711\" }\n"
				"token /a/b { user = \"4711\" name = \"Ann\" role = moderator }\n\n"
				"token \"/c d\" {\nuser = \"a b\"\nrole = admin\n}\n");
	char where[80];

	(void)state;
	assert_int_equal(c->n_tokens, 3);
	assert_true(c->tokens[0].hashed);
	assert_int_equal(c->tokens[0].sha256[0], 0xba);
	assert_int_equal(c->tokens[0].sha256[31], 0xad);
	assert_string_equal(c->tokens[0].user, "4711");
	assert_string_equal(c->tokens[0].name, "");
	assert_int_equal(c->tokens[0].role, CONFIG_ROLE_USER);
	assert_false(c->tokens[1].hashed);
	assert_string_equal(c->tokens[1].title, "/a/b");
	assert_string_equal(c->tokens[1].name, "Ann");
	assert_int_equal(c->tokens[1].role, CONFIG_ROLE_MODERATOR);
	assert_int_equal(c->tokens[2].role, CONFIG_ROLE_ADMIN);
	snprintf(where, sizeof(where), "%s:7", path);
	assert_string_equal(c->tokens[2].where, where);
	config_free(c);
	c = good("");
	assert_int_equal(c->n_tokens, 0);
	config_free(c);
}

/* A title that is none may be the token itself, and is not repeated. */
static void test_tokens_refused(void **state)
{
	static const char title[] = ":1: token: expected sha256: and 64 hex digits, or the absolute path";
	static const char long_user[] = "token /a { user = "
		"uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu }";
	char err[512];

	(void)state;
	bad("token s3cret { user = u }", title);
	assert_null(load("token s3cret { user = u }", err));
	assert_null(strstr(err, "s3cret"));
	bad("token \"sha256:abcd\" { user = u }", title);
	bad("token \"" HASH "0\" { user = u }", title);
	bad("token \"sha256:xa7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\" { user = u }", title);
	bad("token \"\" { user = u }", title);
	bad("token { user = u }", ":1: ");
	bad("token /a { }", ":1: token \"/a\": user: expected a user's id");
	bad("token /a {\nname = Ann\n}", ":3: token \"/a\": user: expected a user's id");
	bad("token /a { user = \"\" }", ":1: token \"/a\": the user's id is empty");
	bad(long_user, ":1: token \"/a\": the user's id is longer than 64 bytes");
	bad("token /a { user = \"a\tb\" }", ":1: user: expected UTF-8 text without control characters");
	bad("token /a { user = u name = \" \" }", ":1: token \"/a\": the name is empty");
	bad("token /a { user = u role = guest }", ":1: role: expected one of user moderator admin, not 'guest'");
	bad("token /a { user = u colour = red }", ":1: no such option 'colour'");
	bad("token /a { user = u }\ntoken /a { user = v }", ":2: ");
}

static void note_file(void *arg, const char *file, const char *where)
{
	char *list = arg;
	size_t n = strlen(list);

	snprintf(list + n, 200 - n, "%s %s ", where, file);
}

static void test_keys(void **state)
{
	struct config *c = good("jwt site { algorithm = HS256 key = /k/a }\n"
				"jwt \"other one\" {\nalgorithm = ES256\nkey = \"/k/b c\"\nkid = \"2026-11\"\n"
				"issuer = \"https://example.org\"\naudience = chat\nleeway = 5s\n}\n");
	char where[200], list[200];

	(void)state;
	assert_int_equal(c->n_jwts, 2);
	assert_string_equal(c->jwts[0].title, "site");
	assert_int_equal(c->jwts[0].algorithm, CONFIG_ALGORITHM_HS256);
	assert_string_equal(c->jwts[0].key, "/k/a");
	assert_string_equal(c->jwts[0].kid, "");
	assert_string_equal(c->jwts[0].issuer, "");
	assert_string_equal(c->jwts[0].audience, "");
	assert_int_equal(c->jwts[0].leeway, 30000);
	assert_int_equal(c->jwts[1].algorithm, CONFIG_ALGORITHM_ES256);
	assert_string_equal(c->jwts[1].key, "/k/b c");
	assert_string_equal(c->jwts[1].kid, "2026-11");
	assert_string_equal(c->jwts[1].issuer, "https://example.org");
	assert_string_equal(c->jwts[1].audience, "chat");
	assert_int_equal(c->jwts[1].leeway, 5000);
	snprintf(where, sizeof(where), "%s:9", path);
	assert_string_equal(c->jwts[1].where, where);
	config_free(c);
	c = good("token /a { user = u }\njwt a { algorithm = HS256 key = /k }");
	list[0] = '\0';
	config_each_file(c, note_file, list);
	snprintf(where, sizeof(where), "%s:1 /a %s:2 /k ", path, path);
	assert_string_equal(list, where);
	config_free(c);
	bad("jwt a { key = /k }", ":1: jwt \"a\": algorithm: expected one of HS256 RS256 ES256");
	bad("jwt a { algorithm = none key = /k }", ":1: algorithm: expected one of HS256 RS256 ES256, not 'none'");
	bad("jwt a { algorithm = hs256 key = /k }", ":1: algorithm: expected one of");
	bad("jwt a {\nalgorithm = HS256\n}", ":3: jwt \"a\": key: expected the absolute path of a file that has the key");
	bad("jwt a { algorithm = HS256 key = k }", ":1: jwt \"a\": key: expected the absolute path");
	bad("jwt a { algorithm = HS256 key = /k leeway = 11min }", ":1: leeway: expected a time");
	bad("jwt a { algorithm = HS256 key = /k }\njwt a { algorithm = HS256 key = /k }", ":2: ");
	bad("jwt { algorithm = HS256 key = /k }", ":1: ");
	bad("anonymous = sometimes", ":1: anonymous: expected one of yes read-only no, not 'sometimes'");
}

static void test_identity_options(void **state)
{
	struct config *c = good("anonymous = no\nendpoint \"/a\" { }\nendpoint \"/b\" { anonymous = yes }\n"
				"endpoint \"/c\" { anonymous = read-only }\nendpoint \"/d\" { anonymous = true }\n"
				"token_cookie = \"auth-1\"\n");

	(void)state;
	assert_int_equal(c->anonymous, CONFIG_ANONYMOUS_NO);
	assert_int_equal(c->endpoints[0].anonymous, CONFIG_ANONYMOUS_NO);
	assert_int_equal(c->endpoints[1].anonymous, CONFIG_ANONYMOUS_YES);
	assert_int_equal(c->endpoints[2].anonymous, CONFIG_ANONYMOUS_READ_ONLY);
	assert_int_equal(c->endpoints[3].anonymous, CONFIG_ANONYMOUS_YES); /* as it was when there were two */
	assert_int_equal(c->token_warning, 60000);
	assert_string_equal(c->token_cookie, "auth-1");
	assert_false(c->token_query);
	assert_int_equal(c->auth_timeout, 10000);
	assert_int_equal(c->session_keep, 120000);
	assert_int_equal(c->recover_max, 10000);
	assert_int_equal(c->rooms_per_connection, 50);
	assert_int_equal(c->reserved_names.n, 5);
	assert_string_equal(c->reserved_names.v[4], "natterd");
	config_free(c);
	bad("token_cookie = \"a=b\"", ":1: token_cookie: expected the name of a cookie: letters, digits and !#$%&'*");
	bad("token_cookie = \"a b\"", ":1: token_cookie: ");
	bad("auth_timeout = 0", ":1: auth_timeout: expected a time like 500ms, 10s, 2min or 1h from 1s to 10min");
	bad("rooms_per_connection = 0", ":1: rooms_per_connection");
}

static void test_print_can_be_loaded_again(void **state)
{
	struct config *c = good("rooms = {\"a$b\", \"c\\\\d\"}\nmax_message = 100000\nping_interval = 1500ms\nroom_keep = 0\n"
				"listener u { path = /run/x.sock mode = \"0600\" }\n"
				"endpoint \"/e\" { handler = echo listener = {u} announce = name }\n"
				"token \"" HASH "\" { user = \"a b\" role = admin }\n"
				"token \"/t$\" { user = u name = \"Ann B\" }\nanonymous = read-only\n"
				"jwt \"j $\" { algorithm = RS256 key = \"/k $\" kid = a leeway = 90s }\n");
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
	assert_string_equal(c->tokens[0].user, "a b");
	assert_int_equal(c->tokens[0].role, CONFIG_ROLE_ADMIN);
	assert_string_equal(c->tokens[1].title, "/t$");
	assert_string_equal(c->tokens[1].name, "Ann B");
	assert_int_equal(c->anonymous, CONFIG_ANONYMOUS_READ_ONLY);
	assert_string_equal(c->jwts[0].title, "j $");
	assert_string_equal(c->jwts[0].key, "/k $");
	assert_int_equal(c->jwts[0].algorithm, CONFIG_ALGORITHM_RS256);
	assert_int_equal(c->jwts[0].leeway, 90000);
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

static char kept[500];

static void note_kept(const char *kind, const char *name, const char *option)
{
	snprintf(kept + strlen(kept), sizeof(kept) - strlen(kept), "%s%s%s%s%s ", kind, kind[0] ? ":" : "", name,
		 name[0] ? ":" : "", option);
}

/* What needs a restart keeps its value, and is told. */
static void test_changes(void **state)
{
	struct config *now = good("pid_file = /a\nworkers = 2\npage = no\nlistener g { given = yes }\n"
				  "listener h { given = yes }\nlistener l { port = 1 address = {a, b} }\n");
	struct config *next = good("pid_file = /b\njournal_size = 1M\nlistener g { port = 5 }\nlistener new { given = yes }\n"
				   "listener l { port = 2 }\nendpoint \"/\" { }\n");
	struct config *same;

	(void)state;
	kept[0] = '\0';
	assert_int_equal(config_keep(next, now, note_kept), 0);
	assert_string_equal(kept, "pid_file workers journal_size listener:new:given listener:g:port listener:g:given "
				  "listener:h:given ");
	assert_string_equal(next->pid_file, "/a");
	assert_int_equal(next->workers, 2);
	assert_int_equal(next->journal_size, 0);
	assert_true(next->page);
	assert_int_equal(next->n_listeners, 3);
	assert_string_equal(next->listeners[0].name, "g");
	assert_true(next->listeners[0].given);
	assert_string_equal(next->listeners[1].name, "l");
	assert_int_equal(next->listeners[1].port, 2);
	assert_string_equal(next->listeners[2].name, "h");
	assert_true(next->listeners[2].given);
	/* and again there is nothing to keep */
	kept[0] = '\0';
	assert_int_equal(config_keep(next, now, note_kept), 0);
	assert_string_equal(kept, "");

	assert_false(config_same_endpoints(now, next));
	same = good("endpoint \"/\" { room = x }\ntoken /a { user = u }\n");
	config_free(next);
	next = good("endpoint \"/\" { room = x }\nlistener other { port = 1 }\n");
	assert_true(config_same_endpoints(same, next));
	config_free(next);
	next = good("endpoint \"/\" { room = y }\n");
	assert_false(config_same_endpoints(same, next));
	config_free(next);
	next = good("endpoint \"/x\" { room = x }\n");
	assert_false(config_same_endpoints(same, next));
	config_free(next);
	next = good("endpoint \"/\" { room = x }\nreserved_names = {a}\n");
	assert_false(config_same_endpoints(same, next));
	config_free(same);
	config_free(next);
	config_free(now);
}

static const char *room_at(const struct endpoints *e, const char *listener, const char *where)
{
	static char out[200];
	const struct endpoint *ep = endpoint_find(e, listener, where);
	unsigned status = 0;
	const char *why = NULL;
	struct payload *p = ep ? endpoint_room(e->config, ep, where, &status, &why) : NULL;

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
	assert_true(endpoint_speaks(any, "natter.v1", 9));
	assert_false(endpoint_speaks(any, "natter.bearer.x", 15));
	assert_true(endpoint_speaks(team, "chat", 4));
	assert_false(endpoint_speaks(team, "Chat", 4));
	endpoints_unref(e);
	config_free(c);
}

static void collect(void *arg, const char *file, const char *where)
{
	char *list = arg;

	assert_int_equal(strncmp(where, path, strlen(path)), 0);
	snprintf(list + strlen(list), 256 - strlen(list), "%s%s ", file, where + strlen(path));
}

/* With where each is named. */
static void test_each_file_that_a_reload_reads(void **state)
{
	struct config *c = good("pid_file = /not/read\ntoken /t/a { user = u }\ntoken \"sha256:"
				"0000000000000000000000000000000000000000000000000000000000000000\" { user = u }\n"
				"jwt site { algorithm = HS256 key = /k/a }\n");
	char list[256] = "";

	(void)state;
	config_each_file(c, collect, list);
	assert_string_equal(list, "/t/a:2 /k/a:4 ");
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),	     cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_tokens),		     cmocka_unit_test(test_tokens_refused),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_identity_options),
		cmocka_unit_test(test_all_errors), cmocka_unit_test(test_changes),
		cmocka_unit_test(test_errors_name_the_line), cmocka_unit_test(test_print_can_be_loaded_again),
		cmocka_unit_test(test_the_file_that_is_installed),
		cmocka_unit_test(test_each_file_that_a_reload_reads),
		cmocka_unit_test(test_host_and_port),	     cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_endpoint_inherits_what_it_does_not_say),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
