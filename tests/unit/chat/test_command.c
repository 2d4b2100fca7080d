/* The requests of natter.v1, between two workers: what is wrong with them, and what they do. */
#include <config.h>

#include "world.h"

static bool only_tea_and_coffee(const void *arg, const struct payload *room)
{
	(void)arg;
	return strcmp(room->data, "nowhere") != 0;
}

static void build(void)
{
	world_init();
	world.policy.announce = ANNOUNCE_NAME;
	world.policy.rooms_max = 2;
	world.hub.rules.room_exists = only_tea_and_coffee;
	add_token("ann's", "7", "Ann", ROLE_USER);
	add_token("bob's", "8", "Bob", ROLE_USER);
	add_token("mod's", "9", "Mod", ROLE_MODERATOR);
	world_open();
}

static struct client *logged_in(unsigned worker, const char *token)
{
	struct client *c = welcomed(worker, "192.0.2.7", NULL);
	char text[100];

	snprintf(text, sizeof(text), "{\"type\":\"auth\",\"token\":\"%s\"}", token);
	expect_answer(c, text, "{\"type\":\"ok\"");
	return c;
}

static struct client *in_tea(struct client *c)
{
	expect_answer(c, "{\"type\":\"join\",\"room\":\"tea\"}", "{\"type\":\"joined\",\"room\":\"tea\"");
	return c;
}

/* ---- what is wrong ---- */

struct row {
	const char *text, *code;
};

static void refuse(struct client *c, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char part[80];

		snprintf(part, sizeof(part), "{\"type\":\"error\",\"code\":\"%s\"", rows[i].code);
		expect_answer(c, rows[i].text, part);
		assert_int_equal(c->closed, -1);
		assert_false(c->held);
	}
}

#define REFUSE(c, rows) refuse(c, rows, sizeof(rows) / sizeof(rows[0]))

#define CID65 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_bad_requests(void **state)
{
	static const struct row rows[] = {
		{ "", "bad_json" },
		{ "[]", "bad_json" },
		{ "{\"type\":\"ping\"", "bad_json" },
		{ "{\"a\":[[[[[[[[[]]]]]]]]]}", "too_complex" },
		{ "{}", "bad_request" },
		{ "{\"message\":\"hi\"}", "bad_request" },
		{ "{\"type\":7}", "bad_request" },
		{ "{\"type\":null,\"room\":\"tea\"}", "bad_request" },
		{ "{\"type\":\"ping\",\"cid\":7}", "bad_cid" },
		{ "{\"type\":\"ping\",\"cid\":\"\"}", "bad_cid" },
		{ "{\"type\":\"ping\",\"cid\":null}", "bad_cid" },
		{ "{\"type\":\"ping\",\"cid\":\"" CID65 "\"}", "bad_cid" },
		{ "{\"type\":\"resume\"}", "bad_request" },
		{ "{\"type\":\"resume\",\"session\":\"x\"}", "bad_request" },
		{ "{\"type\":\"auth\"}", "bad_request" },
		{ "{\"type\":\"auth\",\"token\":7}", "bad_request" },
		{ "{\"type\":\"auth\",\"token\":\"\"}", "bad_token" },
		{ "{\"type\":\"auth\",\"token\":\"nobody's\"}", "bad_token" },
		{ "{\"type\":\"name\"}", "bad_request" },
		{ "{\"type\":\"name\",\"name\":7}", "bad_request" },
		{ "{\"type\":\"name\",\"name\":\"\"}", "bad_name" },
		{ "{\"type\":\"name\",\"name\":\"a\\u0000b\"}", "bad_name" },
		{ "{\"type\":\"join\"}", "bad_request" },
		{ "{\"type\":\"join\",\"room\":7}", "bad_request" },
		{ "{\"type\":\"join\",\"room\":\"\"}", "bad_room" },
		{ "{\"type\":\"join\",\"room\":\"@7\"}", "bad_room" },
		{ "{\"type\":\"join\",\"room\":\"a\\u0000b\"}", "bad_room" },
		{ "{\"type\":\"join\",\"room\":\"nowhere\"}", "no_such_room" },
		{ "{\"type\":\"join\",\"room\":\"coffee\",\"history\":-1}", "bad_request" },
		{ "{\"type\":\"join\",\"room\":\"coffee\",\"history\":1.5}", "bad_request" },
		{ "{\"type\":\"join\",\"room\":\"coffee\",\"history\":\"1\"}", "bad_request" },
		{ "{\"type\":\"join\",\"room\":\"coffee\",\"since\":7}", "bad_request" },
		{ "{\"type\":\"join\",\"room\":\"coffee\",\"since\":{\"seq\":1}}", "bad_request" },
		{ "{\"type\":\"join\",\"room\":\"coffee\",\"since\":{\"epoch\":\"x\"}}", "bad_request" },
		{ "{\"type\":\"join\",\"room\":\"coffee\",\"since\":{\"epoch\":\"x\",\"seq\":-1}}", "bad_request" },
		{ "{\"type\":\"join\",\"room\":\"tea\"}", "already_joined" },
		{ "{\"type\":\"leave\"}", "bad_request" },
		{ "{\"type\":\"leave\",\"room\":\"coffee\"}", "not_joined" },
		{ "{\"type\":\"leave\",\"room\":\"@\"}", "bad_room" },
		{ "{\"type\":\"message\",\"room\":\"tea\"}", "bad_request" },
		{ "{\"type\":\"message\",\"message\":1}", "bad_request" },
		{ "{\"type\":\"message\",\"room\":\"coffee\",\"message\":1}", "not_joined" },
		{ "{\"type\":\"message\",\"room\":\"@7\\u00019\",\"message\":1}", "bad_room" },
		{ "{\"type\":\"direct\",\"message\":1}", "bad_request" },
		{ "{\"type\":\"direct\",\"to\":\"x\"}", "bad_request" },
		{ "{\"type\":\"direct\",\"to\":\"x\",\"user\":\"7\",\"message\":1}", "bad_request" },
		{ "{\"type\":\"direct\",\"to\":7,\"message\":1}", "bad_request" },
		{ "{\"type\":\"direct\",\"user\":\"\",\"message\":1}", "bad_request" },
		{ "{\"type\":\"direct\",\"user\":\"7\\u00018\",\"message\":1}", "bad_request" },
		{ "{\"type\":\"direct\",\"to\":\"Zoe\",\"message\":1}", "not_there" },
		{ "{\"type\":\"direct\",\"user\":\"12\",\"message\":1}", "not_there" },
		{ "{\"type\":\"edit\",\"room\":\"tea\",\"seq\":1}", "bad_request" },
		{ "{\"type\":\"edit\",\"room\":\"tea\",\"message\":1}", "bad_request" },
		{ "{\"type\":\"edit\",\"room\":\"tea\",\"seq\":\"1\",\"message\":1}", "bad_request" },
		{ "{\"type\":\"edit\",\"room\":\"tea\",\"seq\":0,\"message\":1}", "no_message" },
		{ "{\"type\":\"edit\",\"room\":\"tea\",\"seq\":99,\"message\":1}", "no_message" },
		{ "{\"type\":\"edit\",\"seq\":1,\"message\":1}", "bad_request" },
		{ "{\"type\":\"edit\",\"with\":\"7\",\"seq\":1,\"message\":1}", "login_needed" },
		{ "{\"type\":\"delete\",\"room\":\"tea\"}", "bad_request" },
		{ "{\"type\":\"delete\",\"room\":\"tea\",\"seq\":99}", "no_message" },
		{ "{\"type\":\"delete\",\"room\":\"coffee\",\"seq\":1}", "not_joined" },
		{ "{\"type\":\"who\"}", "bad_request" },
		{ "{\"type\":\"who\",\"room\":\"tea\",\"limit\":-1}", "bad_request" },
		{ "{\"type\":\"who\",\"room\":\"tea\",\"after\":7}", "bad_request" },
		{ "{\"type\":\"history\",\"room\":\"tea\",\"limit\":\"x\"}", "bad_request" },
		{ "{\"type\":\"history\",\"room\":\"tea\",\"before\":1,\"after\":1}", "bad_request" },
		{ "{\"type\":\"history\",\"room\":\"tea\",\"before\":-1}", "bad_request" },
		{ "{\"type\":\"history\",\"room\":\"coffee\"}", "not_joined" },
		{ "{\"type\":\"history\",\"with\":\"7\"}", "login_needed" },
		{ "{\"type\":\"read\",\"room\":\"tea\",\"seq\":1}", "login_needed" },
		{ "{\"type\":\"conversations\"}", "login_needed" },
		{ "{\"type\":\"rooms\",\"limit\":{}}", "bad_request" },
		{ "{\"type\":\"rooms\",\"after\":1}", "bad_request" },
		{ "{\"type\":\"kick\",\"room\":\"tea\",\"user\":\"7\"}", "login_needed" },
		{ "{\"type\":\"topic\",\"room\":\"tea\",\"topic\":\"x\"}", "login_needed" },
		{ "{\"type\":\"typing\"}", "bad_request" },
		{ "{\"type\":\"typing\",\"room\":\"coffee\"}", "not_joined" },
		{ "{\"type\":\"usermsg\",\"room\":\"tea\",\"message\":1}", "reserved_type" },
		{ "{\"type\":\"system\",\"room\":\"tea\"}", "reserved_type" },
		{ "{\"type\":\"joined\",\"room\":\"tea\"}", "reserved_type" },
		{ "{\"type\":\"ok\",\"room\":\"tea\"}", "reserved_type" },
	};
	struct client *c;

	(void)state;
	build();
	c = in_tea(welcomed(1, "192.0.2.1", NULL));
	REFUSE(c, rows);
	expect_answer(c, "{\"type\":\"ping\",\"cid\":\"x\"}", "\"cid\":\"x\"");
	world_close();
}

static void test_bad_requests_of_users(void **state)
{
	static const struct row rows[] = {
		{ "{\"type\":\"auth\",\"token\":\"bob's\"}", "bad_request" },
		{ "{\"type\":\"kick\",\"room\":\"tea\",\"user\":\"8\"}", "forbidden" },
		{ "{\"type\":\"read\",\"room\":\"tea\"}", "bad_request" },
		{ "{\"type\":\"read\",\"room\":\"coffee\",\"seq\":1}", "not_joined" },
		{ "{\"type\":\"read\",\"with\":\"\",\"seq\":1}", "bad_request" },
		{ "{\"type\":\"history\",\"with\":\"a\\u0001b\"}", "bad_request" },
	};
	static const struct row moderators[] = {
		{ "{\"type\":\"kick\",\"room\":\"tea\"}", "bad_request" },
		{ "{\"type\":\"kick\",\"room\":\"tea\",\"user\":\"8\",\"name\":\"Bob\"}", "bad_request" },
		{ "{\"type\":\"kick\",\"room\":\"tea\",\"user\":\"8\",\"reason\":7}", "bad_request" },
		{ "{\"type\":\"kick\",\"room\":\"tea\",\"user\":\"8\"}", "not_there" },
		{ "{\"type\":\"kick\",\"room\":\"tea\",\"name\":\"Zoe\"}", "not_there" },
		{ "{\"type\":\"kick\",\"room\":\"coffee\",\"name\":\"Zoe\"}", "not_joined" },
		{ "{\"type\":\"ban\",\"room\":\"tea\",\"user\":\"8\"}", "bad_request" },
		{ "{\"type\":\"ban\",\"room\":\"tea\",\"user\":\"8\",\"duration\":-1}", "bad_request" },
		{ "{\"type\":\"ban\",\"room\":\"tea\",\"user\":\"8\",\"duration\":1e12}", "bad_request" },
		{ "{\"type\":\"ban\",\"room\":\"tea\",\"name\":\"Zoe\",\"duration\":5}", "not_there" },
		{ "{\"type\":\"ban\",\"room\":\"tea\",\"name\":\"Zoe\",\"duration\":0}", "not_there" },
		{ "{\"type\":\"mute\",\"room\":\"tea\",\"user\":\"8\",\"duration\":\"5\"}", "bad_request" },
		{ "{\"type\":\"topic\",\"room\":\"tea\"}", "bad_request" },
		{ "{\"type\":\"topic\",\"room\":\"tea\",\"topic\":7}", "bad_request" },
	};
	struct client *c;

	(void)state;
	build();
	c = in_tea(logged_in(0, "ann's"));
	REFUSE(c, rows);
	c = in_tea(logged_in(1, "mod's"));
	REFUSE(c, moderators);
	world_close();
}

static void test_strangers(void **state)
{
	static const struct row rows[] = {
		{ "{\"type\":\"join\",\"room\":\"tea\"}", "login_needed" },
		{ "{\"type\":\"name\",\"name\":\"Zoe\"}", "login_needed" },
		{ "{\"type\":\"rooms\"}", "login_needed" },
		{ "{\"type\":\"auth\",\"token\":\"nobody's\"}", "bad_token" },
	};
	struct client *c, *late;

	(void)state;
	build();
	world.policy.anonymous = false;
	c = welcomed(0, "192.0.2.1", NULL);
	late = welcomed(1, "192.0.2.1", NULL);
	expect(c, 0, "\"anonymous\":false");
	REFUSE(c, rows);
	expect_answer(c, "{\"type\":\"ping\"}", "{\"type\":\"pong\"");
	expect_answer(c, "{\"type\":\"auth\",\"token\":\"ann's\"}", "\"role\":\"user\"");
	in_tea(c);
	clock_set_offset(9000, 0);
	tick();
	assert_int_equal(late->closed, -1);
	clock_set_offset(11000, 0);
	tick();
	assert_int_equal(late->closed, CLOSE_auth_timeout);
	assert_int_equal(c->closed, -1);
	world_close();
}

/* ---- what they do ---- */

static void test_who_one_is(void **state)
{
	struct client *c, *guest;

	(void)state;
	build();
	guest = in_tea(welcomed(1, "192.0.2.1", "Ann"));
	c = in_tea(welcomed(0, "192.0.2.1", NULL));
	expect_answer(c, "{\"type\":\"name\",\"cid\":\"1\",\"name\":\"Zoe\"}", "{\"type\":\"ok\",\"cid\":\"1\",\"name\":\"Zoe\"}");
	expect(guest, guest->n - 1, "{\"type\":\"presence\",\"event\":\"rename\",\"name\":\"Zoe\",\"old\":null");
	expect_answer(c, "{\"type\":\"name\",\"name\":\"ANN\"}", "\"code\":\"name_taken\"");
	/* a token's name is a guest's: it changes hands */
	expect_answer(c, "{\"type\":\"auth\",\"token\":\"ann's\"}", "\"user\":\"7\",\"role\":\"user\"}");
	assert_int_equal(heard(guest, 0, "{\"type\":\"renamed\",\"name\":null,\"by\":\"token\"}"), 1);
	assert_int_equal(heard(c, 0, "{\"type\":\"renamed\",\"name\":\"Ann\",\"by\":\"token\"}"), 1);
	expect_answer(guest, "{\"type\":\"name\",\"name\":\"Zoe\"}", "{\"type\":\"ok\"");
	expect_answer(c, "{\"type\":\"name\",\"name\":null}", "\"name\":null");
	expect_answer(guest, "{\"type\":\"who\",\"room\":\"tea\"}",
		      "\"more\":false,\"count\":2,\"guests\":0,\"room\":\"tea\"}");
	world_close();
}

static void test_rooms(void **state)
{
	struct client *a, *b;

	(void)state;
	build();
	a = in_tea(welcomed(0, "192.0.2.1", "Zoe"));
	b = welcomed(1, "192.0.2.1", "Max");
	expect_answer(b, "{\"type\":\"join\",\"cid\":\"j\",\"room\":\"tea\",\"history\":5}",
		      "\"seq\":0,\"members\":2,\"guests\":0,\"role\":\"guest\",\"cid\":\"j\"}");
	expect(a, a->n - 1, "{\"type\":\"presence\",\"event\":\"join\",\"name\":\"Max\",\"room\":\"tea\",\"members\":2");
	expect_answer(b, "{\"type\":\"join\",\"room\":\"coffee\"}", "\"room\":\"coffee\"");
	expect_answer(b, "{\"type\":\"join\",\"room\":\"milk\"}", "\"code\":\"too_many_joined\"");
	expect_answer(a, "{\"type\":\"who\",\"room\":\"tea\",\"limit\":1}", "{\"type\":\"who\",\"members\":[{\"name\":\"Max\"");
	expect(a, a->n - 1, "\"more\":true,\"count\":2");
	expect_answer(a, "{\"type\":\"who\",\"room\":\"tea\",\"after\":\"Max\"}", "\"members\":[{\"name\":\"Zoe\"");
	expect_answer(a, "{\"type\":\"rooms\",\"cid\":\"r\"}", "{\"type\":\"rooms\",\"rooms\":[{\"room\":\"coffee\",\"members\":1,\"guests\":0},{\"room\":\"tea\",\"members\":2");
	expect_answer(a, "{\"type\":\"rooms\",\"limit\":1}", "\"more\":true");
	expect_answer(a, "{\"type\":\"rooms\",\"after\":\"coffee\"}", "{\"type\":\"rooms\",\"rooms\":[{\"room\":\"tea\"");
	expect_answer(b, "{\"type\":\"leave\",\"cid\":\"l\",\"room\":\"tea\"}", "{\"type\":\"ok\",\"cid\":\"l\"}");
	expect(a, a->n - 1, "{\"type\":\"presence\",\"event\":\"leave\",\"name\":\"Max\",\"room\":\"tea\",\"members\":1");
	expect_answer(b, "{\"type\":\"leave\",\"room\":\"tea\"}", "\"code\":\"not_joined\"");
	world_close();
}

static void test_messages(void **state)
{
	struct client *a, *b;
	size_t n;

	(void)state;
	build();
	a = in_tea(welcomed(0, "192.0.2.1", "Zoe"));
	b = in_tea(logged_in(1, "mod's"));
	n = b->n;
	expect_answer(a, "{\"type\":\"message\",\"cid\":\"m\",\"room\":\"tea\",\"message\":\"hi\",\"x\":1e2,\"name\":\"Eve\",\"user\":\"9\",\"seq\":7}",
		      "{\"type\":\"ok\",\"cid\":\"m\",\"seq\":1,\"time\":");
	expect(a, a->n - 1, "{\"message\":\"hi\",\"x\":100.0,\"type\":\"usermsg\",\"name\":\"Zoe\",\"room\":\"tea\",\"seq\":1,\"time\":");
	assert_string_equal(last(a), b->lines[n]);
	assert_int_equal(b->n, n + 1);
	expect_answer(a, "{\"type\":\"message\",\"cid\":\"m\",\"room\":\"tea\",\"message\":\"hi\",\"x\":1e2}", "\"duplicate\":true}");
	expect_answer(a, "{\"type\":\"message\",\"cid\":\"m\",\"room\":\"tea\",\"message\":\"ho\"}", "\"code\":\"cid_reused\"");
	assert_int_equal(b->n, n + 1);
	expect_answer(b, "{\"type\":\"message\",\"room\":\"tea\",\"message\":\"two\"}", "\"seq\":2");

	expect_answer(a, "{\"type\":\"edit\",\"room\":\"tea\",\"seq\":2,\"message\":\"x\"}", "\"code\":\"not_yours\"");
	expect_answer(a, "{\"type\":\"edit\",\"room\":\"tea\",\"seq\":1,\"message\":\"hey\"}", "{\"type\":\"ok\",\"seq\":3");
	expect(b, b->n - 1, "\"type\":\"edit\"");
	expect(b, b->n - 1, "\"message\":\"hey\"");
	expect(b, b->n - 1, "\"seq\":3");
	expect(b, b->n - 1, "\"target\":1");
	expect_answer(b, "{\"type\":\"delete\",\"room\":\"tea\",\"seq\":1}", "\"seq\":4"); /* a moderator */
	expect(a, a->n - 1, "{\"type\":\"delete\",\"user\":\"9\",\"room\":\"tea\",\"seq\":4");
	expect_answer(a, "{\"type\":\"edit\",\"room\":\"tea\",\"seq\":1,\"message\":\"x\"}", "\"code\":\"no_message\"");
	expect_answer(a, "{\"type\":\"delete\",\"room\":\"tea\",\"seq\":3}", "\"code\":\"no_message\"");

	expect_answer(a, "{\"type\":\"history\",\"cid\":\"h\",\"room\":\"tea\"}", "{\"type\":\"deleted\",\"room\":\"tea\",\"seq\":1");
	expect(a, a->n - 1, "\"more\":false,\"cid\":\"h\"}");
	assert_null(strstr(last(a), "\"hi\""));
	assert_null(strstr(last(a), "\"hey\""));
	expect_answer(a, "{\"type\":\"history\",\"room\":\"tea\",\"before\":3,\"limit\":1}", "\"messages\":[{\"message\":\"two\"");
	expect(a, a->n - 1, "\"more\":true}");
	expect_answer(a, "{\"type\":\"history\",\"room\":\"tea\",\"after\":4}", "\"messages\":[],\"more\":false}");

	expect_answer(a, "{\"type\":\"typing\",\"cid\":\"t\",\"room\":\"tea\",\"name\":\"Eve\"}", "{\"type\":\"ok\",\"cid\":\"t\"}");
	expect(b, b->n - 1, "{\"type\":\"typing\",\"room\":\"tea\",\"time\":");
	expect(b, b->n - 1, ",\"name\":\"Zoe\"}");
	world_close();
}

static void test_read_markers(void **state)
{
	struct client *a;

	(void)state;
	build();
	a = in_tea(logged_in(0, "ann's"));
	for (int i = 0; i < 3; i++)
		expect_answer(a, "{\"type\":\"message\",\"room\":\"tea\",\"message\":1}", "{\"type\":\"ok\"");
	expect_answer(a, "{\"type\":\"read\",\"room\":\"tea\",\"seq\":0}", "{\"type\":\"ok\",\"seq\":0}");
	expect_answer(a, "{\"type\":\"read\",\"room\":\"tea\",\"seq\":2}", "{\"type\":\"ok\",\"seq\":2}");
	expect_answer(a, "{\"type\":\"read\",\"room\":\"tea\",\"seq\":1}", "{\"type\":\"ok\",\"seq\":2}"); /* never back */
	expect_answer(logged_in(1, "ann's"), "{\"type\":\"join\",\"room\":\"tea\"}", "\"read\":2");
	expect_answer(a, "{\"type\":\"read\",\"room\":\"tea\",\"seq\":99}", "{\"type\":\"ok\",\"seq\":3}"); /* nor ahead */
	world_close();
}

static void test_direct_messages(void **state)
{
	struct client *a, *a2, *b, *guest;
	size_t n;

	(void)state;
	build();
	a = logged_in(0, "ann's");
	a2 = logged_in(1, "ann's");
	b = logged_in(1, "bob's");
	guest = welcomed(0, "192.0.2.1", "Zoe");
	expect_answer(a, "{\"type\":\"direct\",\"cid\":\"d\",\"user\":\"8\",\"message\":\"hi\"}",
		      "{\"type\":\"ok\",\"between\":[\"7\",\"8\"],\"cid\":\"d\",\"seq\":1");
	expect(b, b->n - 1, "\"message\":\"hi\"");
	expect(b, b->n - 1, "\"between\":[\"7\",\"8\"],\"seq\":1");
	assert_string_equal(last(a), last(b));
	assert_string_equal(last(a2), last(b));
	expect_answer(b, "{\"type\":\"direct\",\"to\":\"ann\",\"message\":\"ho\"}", "\"seq\":2");
	expect(a, a->n - 1, "\"message\":\"ho\"");
	expect_answer(b, "{\"type\":\"read\",\"with\":\"7\",\"seq\":1}", "\"seq\":1");
	expect_answer(b, "{\"type\":\"conversations\",\"cid\":\"c\"}", "\"with\":\"7\",\"read\":1}],\"more\":false,\"cid\":\"c\"}");
	expect_answer(b, "{\"type\":\"history\",\"with\":\"7\",\"limit\":1}", "\"message\":\"ho\"");
	expect_answer(a, "{\"type\":\"edit\",\"with\":\"8\",\"seq\":1,\"message\":\"hey\"}", "\"seq\":3");
	expect(b, b->n - 1, "\"target\":1");
	expect_answer(a, "{\"type\":\"delete\",\"with\":\"8\",\"seq\":2}", "\"code\":\"not_yours\"");

	/* with a guest it is not stored */
	n = a->n;
	expect_answer(guest, "{\"type\":\"direct\",\"cid\":\"g\",\"user\":\"7\",\"message\":\"psst\"}", "{\"type\":\"ok\",\"cid\":\"g\"}");
	assert_int_equal(a->n, n + 1);
	expect(a, n, "\"message\":\"psst\"");
	expect(a, n, "\"name\":\"Zoe\"");
	assert_null(strstr(last(a), "\"seq\""));
	expect_answer(a, "{\"type\":\"direct\",\"to\":\"zoe\",\"message\":\"what?\"}", "{\"type\":\"ok\"}");
	expect(guest, guest->n - 1, "\"message\":\"what?\"");
	expect(guest, guest->n - 1, "\"user\":\"7\"");
	world_close();
}

/* The answer is well, after whatever the room and who is meant are told. */
static void granted(struct client *c, const char *text)
{
	size_t n = c->n;

	say(c, text);
	settle();
	if (heard(c, n, "{\"type\":\"ok\"") != 1)
		fail_msg("%s is not done: %s", text, last(c));
}

/* ---- a journal whose state cannot be read for a while ---- */

static const struct journal_ops *sound;
static const struct journal_listener *told;
static void *home;
static bool unreadable;

static struct journal_room *subscribe(struct journal *j, struct payload *name, struct journal_port *port,
				      const struct journal_listener *listener, void *h)
{
	told = listener;
	home = h;
	return sound->subscribe(j, name, port, listener, h);
}

static void do_state(struct journal *j, struct journal_port *port, struct journal_state *s)
{
	if (!unreadable) {
		sound->state(j, port, s);
		return;
	}
	s->status = JOURNAL_UNAVAILABLE;
	s->letter.open = s->answered;
	mailbox_post(port->to, &s->letter);
}

static void is_noted(struct letter *l, void *reader)
{
	(void)reader;
	journal_state_clear((struct journal_state *)l);
	free(l);
}

static void test_state_that_is_read_later(void **state)
{
	struct journal_state *put = calloc(1, sizeof(*put));
	struct journal_ops ops;

	(void)state;
	build();
	sound = world.journal->ops;
	ops = *sound;
	ops.subscribe = subscribe;
	ops.state = do_state;
	*put = (struct journal_state){ .answered = is_noted, .verb = JOURNAL_PUT,
				       .scope = payload_new("room:tea", 8), .key = payload_new("topic", 5),
				       .value = payload_new("cats", 4) };
	sound->state(world.journal, &(struct journal_port){ .to = world.boxes[0] }, put);
	settle();
	world.journal->ops = &ops;
	unreadable = true;
	assert_null(strstr(ask(welcomed(0, "192.0.2.1", NULL), "{\"type\":\"join\",\"room\":\"tea\"}"), "topic"));
	unreadable = false;
	told->available(home);
	settle();
	expect_answer(welcomed(1, "192.0.2.2", NULL), "{\"type\":\"join\",\"room\":\"tea\"}", "\"topic\":\"cats\"");
	world.journal->ops = sound;
	world_close();
}

static void test_moderation(void **state)
{
	struct client *mod, *guest, *b;
	size_t n;

	(void)state;
	build();
	mod = in_tea(logged_in(0, "mod's"));
	b = in_tea(logged_in(1, "bob's"));
	guest = in_tea(welcomed(1, "203.0.113.9", "Zoe"));

	ask(mod, "{\"type\":\"topic\",\"cid\":\"t\",\"room\":\"tea\",\"topic\":\"green \\\"tea\\\"\"}");
	assert_int_equal(heard(mod, 0, "{\"type\":\"ok\",\"cid\":\"t\"}"), 1);
	expect(b, b->n - 1, "{\"type\":\"topic\",\"topic\":\"green \\\"tea\\\"\",\"room\":\"tea\",\"name\":\"Mod\",\"user\":\"9\"");
	expect_answer(welcomed(0, "192.0.2.1", NULL), "{\"type\":\"join\",\"room\":\"tea\"}", "\"topic\":\"green \\\"tea\\\"\"");

	granted(mod, "{\"type\":\"kick\",\"room\":\"tea\",\"user\":\"8\",\"reason\":\"why not\"}");
	expect(b, b->n - 1, "{\"type\":\"kicked\",\"by\":\"Mod\",\"reason\":\"why not\",\"room\":\"tea\"}");
	expect_answer(b, "{\"type\":\"message\",\"room\":\"tea\",\"message\":1}", "\"code\":\"not_joined\"");
	in_tea(b);

	granted(mod, "{\"type\":\"mute\",\"room\":\"tea\",\"name\":\"zoe\",\"duration\":60}");
	assert_int_equal(heard(guest, 0, "{\"type\":\"muted\",\"by\":\"Mod\",\"duration\":60,\"room\":\"tea\"}"), 1);
	n = mod->n;
	expect_answer(guest, "{\"type\":\"message\",\"room\":\"tea\",\"message\":1}", "\"code\":\"muted\"");
	expect(guest, guest->n - 1, "\"retry_after\":");
	expect_answer(guest, "{\"type\":\"typing\",\"cid\":\"t\",\"room\":\"tea\"}", "\"code\":\"muted\"");
	assert_int_equal(mod->n, n);
	expect_answer(guest, "{\"type\":\"name\",\"name\":\"Eve\"}", "{\"type\":\"ok\""); /* another name is no way out */
	expect_answer(guest, "{\"type\":\"message\",\"room\":\"tea\",\"message\":1}", "\"code\":\"muted\"");
	granted(mod, "{\"type\":\"mute\",\"room\":\"tea\",\"name\":\"zoe\",\"duration\":0}");
	expect_answer(guest, "{\"type\":\"message\",\"room\":\"tea\",\"message\":1}", "{\"type\":\"ok\"");

	granted(mod, "{\"type\":\"ban\",\"room\":\"tea\",\"name\":\"Eve\",\"duration\":60}");
	assert_int_equal(heard(guest, 0, "{\"type\":\"kicked\",\"by\":\"Mod\",\"banned\":60,\"room\":\"tea\"}"), 1);
	expect_answer(guest, "{\"type\":\"join\",\"room\":\"tea\"}", "\"code\":\"banned\"");
	expect_answer(welcomed(0, "203.0.113.9", NULL), "{\"type\":\"join\",\"room\":\"tea\"}", "\"code\":\"banned\"");
	granted(mod, "{\"type\":\"ban\",\"room\":\"tea\",\"user\":\"8\",\"duration\":60}");
	expect_answer(b, "{\"type\":\"join\",\"room\":\"tea\"}", "\"code\":\"banned\"");
	granted(mod, "{\"type\":\"ban\",\"room\":\"tea\",\"user\":\"8\",\"duration\":0}");
	in_tea(b);
	/* who is gone is pardoned by the name that was banned */
	granted(mod, "{\"type\":\"ban\",\"room\":\"tea\",\"name\":\"Eve\",\"duration\":0}");
	in_tea(guest);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_bad_requests_of_users),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_who_one_is),
		cmocka_unit_test(test_rooms),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_read_markers),
		cmocka_unit_test(test_direct_messages),
		cmocka_unit_test(test_state_that_is_read_later),
		cmocka_unit_test(test_moderation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
