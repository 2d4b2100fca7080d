/* The plain dialect on two workers; what all sessions have in common. */
#include <config.h>

#include "world.h"

#define WORKERS 2

static void build(size_t max_rooms, uint32_t announce_max)
{
	world_init();
	world.hub.rules.max_rooms = max_rooms;
	world.hub.rules.announce_max = announce_max;
	world_open();
}

static void enter(struct client *c, const char *room, uint32_t history)
{
	struct payload *name = payload_new(room, strlen(room));

	session_enter(&c->session, name, history);
	payload_unref(name);
}

static struct client *join(unsigned worker, const char *address, const char *room)
{
	struct client *c = arrive(worker, address);

	enter(c, room, 0);
	assert_true(c->held);
	settle();
	assert_false(c->held);
	return c;
}

static void test_chat_across_workers(void **state)
{
	struct client *a, *b;

	(void)state;
	build(10, 100);
	a = join(0, "192.0.2.1", "tea");
	b = join(1, "192.0.2.2", "tea");
	expect(a, 0, "{\"type\":\"system\",\"message\":\"192.0.2.1 connected\"}");
	expect(a, 1, "192.0.2.2 connected");
	expect(b, 0, "192.0.2.2 connected");
	say(a, "{\"message\":\"hi\"}");
	say(b, "{\"type\":\"typing\"}");
	settle();
	assert_int_equal(a->n, 4);
	assert_int_equal(b->n, 3);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(a->lines[i + 2], b->lines[i + 1]);
	expect(a, 2, "{\"message\":\"hi\",\"type\":\"usermsg\",\"room\":\"tea\",\"seq\":1,\"time\":");
	expect(a, 3, "{\"type\":\"typing\"}");
	depart(b);
	settle();
	expect(a, 4, "192.0.2.2 disconnected");
	assert_int_equal(b->n, 3);
	world_close();
}

static void test_history_comes_first_and_once(void **state)
{
	struct client *a, *b, *c;

	(void)state;
	build(10, 100);
	a = join(0, "a", "tea");
	for (int i = 0; i < 5; i++)
		say(a, "{\"message\":\"old\"}");
	settle();
	b = arrive(1, "b");
	enter(b, "tea", 3);
	say(a, "{\"message\":\"new\"}");
	settle();
	assert_int_equal(b->n, 5); /* three, its own line, and the new one */
	expect(b, 0, "\"seq\":3");
	expect(b, 2, "\"seq\":5");
	for (int i = 0; i < 5; i++)
		say(a, "{\"message\":\"newer\"}");
	c = arrive(1, "c");
	enter(c, "tea", 2); /* while the messages are still on their way, which are no past */
	say(a, "{\"message\":\"newest\"}");
	settle();
	/* all that a had, the others have from some message on, without a gap */
	for (size_t i = 2; i < b->n; i++)
		assert_string_equal(b->lines[i], a->lines[a->n - b->n + i]);
	assert_in_range(heard(c, 0, "\"seq\":"), 6, 8);
	for (size_t i = 0, seq = 13 - heard(c, 0, "\"seq\":"); seq <= 12; i++) {
		char part[32];

		snprintf(part, sizeof(part), "\"seq\":%zu,", seq);
		seq += strstr(c->lines[i], part) != NULL;
		assert_true(i < c->n);
	}
	world_close();
}

static void test_leaving_before_the_answer(void **state)
{
	struct client *a, *b;

	(void)state;
	build(10, 100);
	a = join(0, "a", "tea");
	b = arrive(1, "b");
	enter(b, "tea", 10);
	depart(b);
	settle();
	assert_int_equal(b->n, 0);
	expect(a, 1, "b connected");
	expect(a, 2, "b disconnected");
	world_close();
}

static void test_names_are_unique_in_the_server(void **state)
{
	struct client *a, *b;

	(void)state;
	build(10, 100);
	a = join(0, "a", "tea");
	b = join(1, "b", "coffee");
	session_ask_name(&a->session, "Ann", 3);
	session_ask_name(&b->session, "ANN", 3);
	expect(b, 1, "\"code\":\"name_taken\"");
	say(b, "{\"message\":\"x\",\"name\":\"ann\"}");
	expect(b, 2, "\"code\":\"name_taken\"");
	depart(a);
	session_ask_name(&b->session, "ann", 3);
	say(b, "{\"message\":\"x\",\"name\":\"other\"}");
	settle();
	expect(b, 3, "\"name\":\"ann\"");
	world_close();
}

static void test_rooms_are_bounded_and_kept_for_a_while(void **state)
{
	struct client *a, *c;

	(void)state;
	build(2, 100);
	a = join(0, "a", "one");
	join(1, "b", "two");
	c = arrive(0, "c");
	enter(c, "three", 0);
	settle();
	expect(c, 0, "\"code\":\"too_many_rooms\"");
	assert_int_equal(c->closed, CLOSE_too_many_rooms);
	depart(a);
	settle();
	hub_tick(world.hubs[0]);
	hub_tick(world.hubs[1]);
	assert_int_equal(world.rooms.value, 2); /* not yet: room_keep */
	clock_set_offset(2000, 0);
	hub_tick(world.hubs[0]);
	hub_tick(world.hubs[1]);
	assert_int_equal(world.rooms.value, 1);
	world_close();
}

/* What another worker cannot work off is not read for ever. */
static void test_speakers_wait_for_a_worker_that_is_behind(void **state)
{
	struct client *a, *b;
	unsigned i;

	(void)state;
	build(10, 0);
	a = join(0, "a", "tea");
	b = join(1, "b", "tea");
	for (i = 0; i < 10000 && a->paused == 0 && b->paused == 0; i++) {
		say(a, "{}");
		say(b, "{}");
		mailbox_open(world.boxes[i % 2], i % 2 ? 1 : 0); /* one hardly opens its letters */
	}
	assert_in_range(i, 1000, 9999);
	settle();
	a->paused = b->paused = 0;
	for (i = 0; i < 40; i++) {
		say(a, "{}");
		say(b, "{}");
		settle();
	}
	assert_int_equal(a->paused + b->paused, 0);
	world_close();
}

/* An empty room gives way to a new one also when the other worker is its home. */
static void test_places_travel(void **state)
{
	(void)state;
	build(1, 100);
	for (unsigned i = 0; i < 30; i++) {
		char name[16];
		struct client *c;

		snprintf(name, sizeof(name), "room %u", i);
		c = join(i % WORKERS, "c", name);
		assert_int_equal(c->closed, -1);
		assert_int_equal(world.rooms.value, 1);
		forget(c);
		settle();
	}
	world_close();
}

static void test_announcements_are_summed_up(void **state)
{
	struct client *c[6];

	(void)state;
	build(10, 2);
	for (unsigned i = 0; i < 6; i++)
		c[i] = join(i % WORKERS, "x", "tea");
	assert_int_equal(c[0]->n, 2);
	depart(c[5]);
	settle();
	hub_tick(world.hubs[0]);
	hub_tick(world.hubs[1]);
	settle();
	assert_int_equal(c[0]->n, 3);
	expect(c[0], 2, "4 connected, 1 disconnected");
	hub_hush(world.hubs[0]);
	hub_hush(world.hubs[1]);
	for (unsigned i = 0; i < 6; i++)
		forget(c[i]);
	world_close();
}

static void test_rate(void **state)
{
	struct client *a;

	(void)state;
	build(10, 100);
	world.policy.rate = (struct bucket_limit){ 10, 3 };
	a = join(0, "a", "tea");
	for (int i = 0; i < 3; i++)
		say(a, "{}");
	assert_int_equal(a->paused, 0);
	say(a, "{}");
	assert_in_range(a->paused, 1, 100);
	clock_set_offset(999, 0);
	for (int i = 0; i < 40; i++)
		say(a, "{}");
	assert_int_equal(a->closed, -1);
	clock_set_offset(2500, 0); /* pressing on without a break */
	say(a, "{}");
	assert_int_equal(a->closed, CLOSE_rate_limited);
	settle();
	world_close();
}

/* Somebody who is logged in as USER, in the room tea. */
static struct client *login(unsigned worker, const char *token)
{
	struct client *c = arrive(worker, "a");
	const char *why;
	struct identity *id = identity_of_token(world.tokens, token, strlen(token), &why);

	assert_non_null(id);
	session_identify(&c->session, id);
	identity_free(id);
	enter(c, "tea", 0);
	settle();
	return c;
}

/* All connections of a user together, whatever worker they are on; guests and other users each for themselves. */
static void test_rate_of_a_user(void **state)
{
	struct client *a, *b, *other, *guest;

	(void)state;
	build(10, 100);
	world.policy.rate = (struct bucket_limit){ 10, 6 };
	world.policy.flood_time = 60000;
	add_token("0123456789abcdef-ann", "ann", NULL, ROLE_USER);
	add_token("0123456789abcdef-bob", "bob", NULL, ROLE_USER);
	a = login(0, "0123456789abcdef-ann");
	b = login(1, "0123456789abcdef-ann");
	other = login(1, "0123456789abcdef-bob");
	guest = join(0, "g", "tea");
	for (int i = 0; i < 3; i++) {
		say(a, "{}");
		say(b, "{}");
	}
	assert_int_equal(a->paused + b->paused, 0);
	say(a, "{}");
	assert_in_range(a->paused, 1, 100);
	say(b, "{}");
	assert_in_range(b->paused, 101, 200);
	say(other, "{}");
	say(guest, "{}");
	assert_int_equal(other->paused + guest->paused, 0);
	/* Neither going and coming back, nor being alone, makes it full again. */
	forget(a);
	forget(b);
	settle();
	a = login(0, "0123456789abcdef-ann");
	say(a, "{}");
	assert_in_range(a->paused, 201, 300);
	settle();
	world_close();
}

/* A second connection that speaks now and then is slowed down by the first one's flood, but did not flood itself. */
static void test_who_comes_back_late_had_a_break(void **state)
{
	struct client *a, *b;

	(void)state;
	build(10, 100);
	world.policy.rate = (struct bucket_limit){ 10, 6 };
	world.policy.flood_time = 10000;
	add_token("0123456789abcdef-ann", "ann", NULL, ROLE_USER);
	a = login(0, "0123456789abcdef-ann");
	b = login(1, "0123456789abcdef-ann");
	for (int t = 0; t < 20000 && a->closed < 0; t += 100) {
		clock_set_offset(t, 0);
		say(a, "{}"); /* what it may, */
		say(a, "{}"); /* and as much again */
		if (t % 4000 == 3900)
			say(b, "{}");
	}
	assert_int_equal(a->closed, CLOSE_rate_limited);
	assert_true(b->paused > 0);
	assert_int_equal(b->closed, -1);
	settle();
	world_close();
}

/* What a client of natter.v1 asks for of the past is paid for when it comes. */
static void test_rate_of_the_past(void **state)
{
	struct client *a;
	char text[1200];

	(void)state;
	build(10, 100);
	world.policy.past = (struct bucket_limit){ 10, 20 }; /* KiB */
	world.policy.flood_time = 3000;
	a = welcomed(0, "a", NULL);
	say(a, "{\"type\":\"join\",\"room\":\"tea\"}");
	sprintf(text, "{\"type\":\"message\",\"room\":\"tea\",\"message\":\"%01000d\"}", 7);
	for (int i = 0; i < 10; i++)
		say(a, text);
	settle();
	assert_int_equal(a->paused, 0);
	say(a, "{\"type\":\"history\",\"room\":\"tea\"}");
	settle();
	assert_int_equal(a->paused, 0); /* some 10 KiB */
	say(a, "{\"type\":\"history\",\"room\":\"tea\"}");
	say(a, "{\"type\":\"leave\",\"room\":\"tea\"}");
	settle();
	a->paused = 0;
	say(a, "{\"type\":\"join\",\"room\":\"tea\",\"history\":10}");
	settle();
	assert_in_range(a->paused, 500, 2000);
	assert_int_equal(a->closed, -1);
	for (int t = 1000; t < 6000 && a->closed < 0; t += 1000) {
		clock_set_offset(t, 0);
		say(a, "{\"type\":\"history\",\"room\":\"tea\"}");
		say(a, "{\"type\":\"history\",\"room\":\"tea\"}");
		settle();
	}
	assert_int_equal(a->closed, CLOSE_rate_limited);
	world_close();
}

/* Twelve clients on two workers, letters opened a few at a time in random order: one order for all. */
static void test_random_interleavings(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct client *c[12];
		unsigned said = 0;

		world_init();
		world.hub.rules.announce_max = 0;
		world.hub.send_soon = seed % 2 ? send_later : NULL;
		world.policy.announce = ANNOUNCE_OFF;
		world_open();
		srand(seed);
		for (unsigned i = 0; i < 12; i++)
			c[i] = join(i % WORKERS, "x", i < 8 ? "tea" : "coffee");
		for (unsigned k = 0; k < 400; k++) {
			char text[64];

			snprintf(text, sizeof(text), "{\"message\":%u}", said++);
			say(c[(unsigned)rand() % 12], text);
			mailbox_open(world.boxes[(unsigned)rand() % WORKERS], (size_t)(rand() % 4));
			if (rand() % 4 == 0)
				hub_send(world.hubs[(unsigned)rand() % WORKERS]);
		}
		settle();
		for (unsigned i = 1; i < 8; i++) {
			assert_int_equal(c[i]->n, c[0]->n);
			for (size_t k = 0; k < c[0]->n; k++)
				assert_string_equal(c[i]->lines[k], c[0]->lines[k]);
		}
		assert_int_equal(c[0]->n + c[8]->n, said);
		for (size_t k = 0; k < c[0]->n; k++) {
			char seq[32];

			snprintf(seq, sizeof(seq), "\"seq\":%zu,", k + 1);
			expect(c[0], k, seq);
		}
		for (unsigned i = 0; i < 12; i++)
			forget(c[i]);
		world_close();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chat_across_workers),
		cmocka_unit_test(test_history_comes_first_and_once),
		cmocka_unit_test(test_leaving_before_the_answer),
		cmocka_unit_test(test_names_are_unique_in_the_server),
		cmocka_unit_test(test_rooms_are_bounded_and_kept_for_a_while),
		cmocka_unit_test(test_speakers_wait_for_a_worker_that_is_behind),
		cmocka_unit_test(test_places_travel),
		cmocka_unit_test(test_announcements_are_summed_up),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_rate_of_a_user),
		cmocka_unit_test(test_who_comes_back_late_had_a_break),
		cmocka_unit_test(test_rate_of_the_past),
		cmocka_unit_test(test_random_interleavings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
