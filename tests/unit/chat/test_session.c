/*
 * Two workers' hubs in one thread: the tests open the mailboxes by hand, in
 * whatever order, so every interleaving that threads could make can be made.
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

#include "base/clock.h"
#include "chat/hub.h"
#include "chat/journal_memory.h"
#include "chat/session.h"

#define WORKERS 2
#define LINES 16384

/* A client: what it was sent, in order. */
struct client {
	struct session session; /* first: the sink's */
	const char *address;
	bool gone;
	char *lines[LINES];
	size_t n;
	bool held;
	uint32_t paused;
	int closed; /* a close reason, or -1 */
};

static void on_send(struct sink *s, const char *text, size_t len)
{
	struct client *c = (struct client *)s;

	assert_true(c->n < LINES);
	c->lines[c->n++] = strndup(text, len);
}

static void on_close(struct sink *s, enum close_reason r) { ((struct client *)s)->closed = (int)r; }
static void on_pause(struct sink *s, uint32_t ms) { ((struct client *)s)->paused = ms; }
static void on_hold(struct sink *s, bool held) { ((struct client *)s)->held = held; }

static const char *on_address(struct sink *s) { return ((struct client *)s)->address; }

static const struct sink_ops sink_ops = { on_send, on_close, on_pause, on_hold, on_address };

/* An audience that sends at once. */
struct crowd {
	struct audience audience;
	struct sink *members[128];
	size_t n;
};

static int crowd_add(struct audience *a, struct seat *seat, struct sink *sink)
{
	struct crowd *c = (struct crowd *)a;

	seat->place[0] = sink;
	c->members[c->n++] = sink;
	return 0;
}

static void crowd_remove(struct audience *a, struct seat *seat)
{
	struct crowd *c = (struct crowd *)a;
	size_t i = 0;

	while (c->members[i] != seat->place[0])
		i++;
	c->members[i] = c->members[--c->n];
}

static void crowd_publish(struct audience *a, struct payload *text, unsigned dialects)
{
	struct crowd *c = (struct crowd *)a;

	assert_int_equal(dialects, DIALECT_ALL);
	for (size_t i = 0; i < c->n; i++)
		on_send(c->members[i], text->data, text->len);
}

static void crowd_free(struct audience *a)
{
	assert_int_equal(((struct crowd *)a)->n, 0);
	free(a);
}

static struct audience *crowd_new(void *arg)
{
	static const struct audience_ops ops = { crowd_add, crowd_remove, crowd_publish, crowd_free };
	struct crowd *c = calloc(1, sizeof(*c));

	(void)arg;
	c->audience.ops = &ops;
	return &c->audience;
}

static struct world {
	struct mailbox *boxes[WORKERS];
	struct hub *hubs[WORKERS];
	struct journal *journal;
	struct shared_map *names;
	struct shared_count rooms;
	struct session_policy policy;
} world;

static void no_wake(void *arg) { (void)arg; }

static bool collect; /* letters to the other worker wait for hub_send() */
static void send_later(void *arg) { (void)arg; }

static void build(size_t max_rooms, uint32_t announce_max)
{
	static const char *const reserved[] = { "system", "error" };
	struct journal_memory_opts past = { 100, 100000, 600000 };

	memset(&world, 0, sizeof(world));
	world.journal = journal_memory_new(&past);
	world.names = shared_map_new();
	world.policy = (struct session_policy){
		.limits = { 8, 32 }, .rate = { 0, 1 }, .flood_time = 1000, .history_max = 50,
		.announce = ANNOUNCE_ADDRESS, .default_type = "usermsg", .reserved_types = reserved, .n_reserved_types = 2,
	};
	for (unsigned i = 0; i < WORKERS; i++)
		world.boxes[i] = mailbox_new(no_wake, NULL, NULL);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct hub_opts o = { .self = i, .n = WORKERS, .mailboxes = world.boxes, .journal = world.journal,
				      .names = world.names, .rooms = &world.rooms, .max_rooms = max_rooms,
				      .room_keep = 1000, .announce_max = announce_max, .audience_new = crowd_new,
				      .send_soon = collect ? send_later : NULL };

		world.hubs[i] = hub_new(&o);
		mailbox_set_reader(world.boxes[i], world.hubs[i]);
	}
}

/* Opens letters until none is left. */
static void settle(void)
{
	size_t n;

	do {
		n = 0;
		for (unsigned i = 0; i < WORKERS; i++)
			n += mailbox_open(world.boxes[i], 1000) + hub_send(world.hubs[i]);
	} while (n);
}

static void tear_down(void)
{
	settle();
	for (unsigned i = 0; i < WORKERS; i++)
		hub_free(world.hubs[i]);
	world.journal->ops->free(world.journal);
	for (unsigned i = 0; i < WORKERS; i++)
		mailbox_free(world.boxes[i]);
	shared_map_free(world.names);
	assert_int_equal(world.rooms.value, 0);
	clock_set_offset(0, 0);
}

static struct client *arrive(unsigned worker, const char *address)
{
	struct client *c = calloc(1, sizeof(*c));

	c->closed = -1;
	c->address = address;
	session_init(&c->session, world.hubs[worker], &world.policy, &sink_ops);
	return c;
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

static void say(struct client *c, const char *text) { session_text(&c->session, text, strlen(text)); }

static void depart(struct client *c)
{
	session_clear(&c->session);
	c->gone = true;
}

static void forget(struct client *c)
{
	if (!c->gone)
		session_clear(&c->session);
	for (size_t i = 0; i < c->n; i++)
		free(c->lines[i]);
	free(c);
}

static void expect(const struct client *c, size_t i, const char *part)
{
	assert_true(i < c->n);
	if (strstr(c->lines[i], part) == NULL)
		fail_msg("line %zu is %s, not with %s", i, c->lines[i], part);
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
	forget(a);
	forget(b);
	tear_down();
}

static void test_history_comes_first_and_once(void **state)
{
	struct client *a, *b;

	(void)state;
	build(10, 100);
	a = join(0, "a", "tea");
	for (int i = 0; i < 5; i++)
		say(a, "{\"message\":\"old\"}");
	b = arrive(1, "b");
	enter(b, "tea", 3); /* while the messages are still on their way */
	say(a, "{\"message\":\"new\"}");
	settle();
	assert_int_equal(b->n, 5);
	expect(b, 0, "\"seq\":3");
	expect(b, 2, "\"seq\":5");
	/* all that a had, b has from some message on, without a gap */
	for (size_t i = 0; i + 1 < b->n; i++)
		assert_string_equal(b->lines[i], a->lines[a->n - b->n + i]);
	forget(a);
	forget(b);
	tear_down();
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
	forget(a);
	forget(b);
	tear_down();
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
	forget(a);
	forget(b);
	tear_down();
}

static void test_rooms_are_bounded_and_kept_for_a_while(void **state)
{
	struct client *a, *b, *c;

	(void)state;
	build(2, 100);
	a = join(0, "a", "one");
	b = join(1, "b", "two");
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
	forget(a);
	forget(b);
	forget(c);
	tear_down();
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
	forget(a);
	forget(b);
	tear_down();
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
	tear_down();
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
	tear_down();
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
	forget(a);
	tear_down();
}

/* Twelve clients on two workers, letters opened a few at a time in random order: one order for all. */
static void test_random_interleavings(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct client *c[12];
		unsigned said = 0;

		collect = seed % 2;
		build(10, 0);
		world.policy.announce = ANNOUNCE_OFF;
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
		tear_down();
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
		cmocka_unit_test(test_random_interleavings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
