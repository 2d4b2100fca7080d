/* Sessions that outlive their connections, between two workers. */
#include <config.h>

#include "world.h"

#include "chat/keeper.h"

static void build(bool key_kept)
{
	world_init();
	world.hub.key_kept = key_kept;
	world_open();
}

/* The secret that C was told. */
static const char *secret_of(const struct client *c)
{
	static char secret[4][64];
	static unsigned i;
	const char *at = strstr(c->lines[0], "\"session\":\"");

	assert_non_null(at);
	snprintf(secret[i = (i + 1) % 4], 64, "%.*s", SECRET_TEXT_LEN, at + 11);
	return secret[i];
}

static void resume(struct client *c, const char *secret)
{
	char text[160];

	snprintf(text, sizeof(text), "{\"type\":\"resume\",\"cid\":\"r\",\"session\":\"%s\"}", secret);
	say(c, text);
}

/* A new connection on WORKER resumes SECRET; the answer has PART. */
static struct client *back(unsigned worker, const char *secret, const char *part)
{
	struct client *c = welcomed(worker, "192.0.2.9", NULL);

	resume(c, secret);
	settle();
	assert_int_equal(c->n, 2);
	expect(c, 1, "\"cid\":\"r\"");
	expect(c, 1, part);
	assert_false(c->held);
	return c;
}

static void cannot_be(struct client *c, const char *name)
{
	char text[80];

	snprintf(text, sizeof(text), "{\"type\":\"name\",\"name\":\"%s\"}", name);
	expect_answer(c, text, "\"code\":\"name_taken\"");
}

static void can_be(struct client *c, const char *name)
{
	char text[80];

	snprintf(text, sizeof(text), "{\"type\":\"name\",\"name\":\"%s\"}", name);
	expect_answer(c, text, "{\"type\":\"ok\"");
}

static void test_name_and_sender_come_back(void **state)
{
	struct client *a, *b, *other;
	char secret[64];

	(void)state;
	build(false);
	a = welcomed(0, "192.0.2.1", "Ann");
	expect(a, 0, "\"name\":\"Ann\"");
	expect_answer(a, "{\"type\":\"join\",\"room\":\"tea\"}", "\"type\":\"joined\"");
	expect_answer(a, "{\"type\":\"message\",\"room\":\"tea\",\"cid\":\"m\",\"message\":1}", "\"seq\":1");
	strcpy(secret, secret_of(a));
	depart(a);
	settle();
	other = welcomed(1, "192.0.2.2", NULL);
	cannot_be(other, "ann");
	b = back(1, secret, "{\"type\":\"ok\",\"cid\":\"r\",\"name\":\"Ann\"}");
	cannot_be(other, "ann");
	expect_answer(b, "{\"type\":\"join\",\"room\":\"tea\"}", "\"type\":\"joined\"");
	expect_answer(b, "{\"type\":\"message\",\"room\":\"tea\",\"cid\":\"m\",\"message\":1}", "\"duplicate\":true");
	expect_answer(b, "{\"type\":\"edit\",\"room\":\"tea\",\"seq\":1,\"message\":2}", "{\"type\":\"ok\",\"seq\":2");
	/* and once more, with the first secret; the one of its own welcome is nobody's any more */
	depart(b);
	settle();
	back(0, secret_of(b), "\"code\":\"session_unknown\"");
	b = back(0, secret, "\"name\":\"Ann\"");
	expect_answer(b, "{\"type\":\"name\",\"name\":null}", "\"name\":null");
	can_be(other, "ann");
	world_close();
}

static void test_replaced(void **state)
{
	struct client *a, *b, *other;

	(void)state;
	build(false);
	a = welcomed(0, "192.0.2.1", "Ann");
	expect_answer(a, "{\"type\":\"join\",\"room\":\"tea\"}", "\"type\":\"joined\"");
	other = welcomed(1, "192.0.2.2", NULL);
	expect_answer(other, "{\"type\":\"join\",\"room\":\"tea\"}", "\"members\":1");
	b = back(1, secret_of(a), "\"name\":\"Ann\"");
	assert_int_equal(a->closed, CLOSE_replaced);
	expect_answer(other, "{\"type\":\"who\",\"room\":\"tea\"}", "\"members\":[]");
	depart(a); /* some time later: it has nothing left to be kept */
	settle();
	cannot_be(other, "ann");
	expect_answer(b, "{\"type\":\"join\",\"room\":\"tea\"}", "\"members\":1");
	/* on the same worker too */
	back(1, secret_of(a), "\"name\":\"Ann\"");
	assert_int_equal(b->closed, CLOSE_replaced);
	world_close();
}

static void test_they_expire(void **state)
{
	struct client *a, *b, *other;

	(void)state;
	build(false);
	a = welcomed(0, "192.0.2.1", "Ann");
	b = welcomed(1, "192.0.2.1", "Bob");
	other = welcomed(1, "192.0.2.2", NULL);
	depart(a);
	clock_set_offset(60000, 0);
	depart(b);
	clock_set_offset(119000, 0);
	tick();
	cannot_be(other, "ann");
	clock_set_offset(121000, 0);
	tick();
	can_be(other, "ann");
	back(1, secret_of(a), "\"code\":\"session_unknown\"");
	back(0, secret_of(b), "\"name\":\"Bob\"");
	world_close();
}

static void test_so_many_are_kept(void **state)
{
	char first[64] = "", second[64] = "";
	struct client *other;

	(void)state;
	build(false);
	for (int i = 0; i <= KEEPER_MAX; i++) {
		struct client *c = welcomed(0, "192.0.2.1", i == 0 ? "Ann" : i == 1 ? "Bob" : NULL);

		if (i < 2)
			strcpy(i ? second : first, secret_of(c));
		forget(c);
	}
	settle();
	other = welcomed(1, "192.0.2.2", NULL);
	cannot_be(other, "bob");
	can_be(other, "ann");
	back(1, first, "\"code\":\"session_unknown\"");
	back(1, second, "\"name\":\"Bob\"");
	world_close();
}

static void test_after_a_restart(void **state)
{
	char ann[64], nobody[64], bob[64];
	struct client *a, *other;

	(void)state;
	build(true);
	a = welcomed(0, "192.0.2.1", NULL);
	strcpy(ann, secret_of(a));
	can_be(a, "Eve");
	can_be(a, "Ann"); /* and Eve is nobody any more */
	strcpy(nobody, secret_of(welcomed(1, "192.0.2.1", NULL)));
	a = welcomed(1, "192.0.2.1", "Bob");
	strcpy(bob, secret_of(a));
	expect_answer(a, "{\"type\":\"name\",\"name\":null}", "\"name\":null");
	settle();
	world_restart();
	keeper_restore(hub_keeper(world.hubs[0]));
	settle();
	other = welcomed(1, "192.0.2.2", NULL);
	cannot_be(other, "ann");
	back(1, ann, "\"name\":\"Ann\"");
	cannot_be(other, "ann");
	back(0, nobody, "{\"type\":\"ok\",\"cid\":\"r\"}");
	back(0, bob, "{\"type\":\"ok\",\"cid\":\"r\"}"); /* without a name */
	can_be(other, "Eve");
	can_be(other, "Bob");
	/* a secret of before is good as long as a session is kept, and no longer */
	world_restart();
	keeper_restore(hub_keeper(world.hubs[0]));
	settle();
	clock_set_offset(121000, 121000);
	tick();
	back(0, nobody, "\"code\":\"session_unknown\"");
	back(1, ann, "\"code\":\"session_unknown\"");
	other = welcomed(1, "192.0.2.2", NULL);
	can_be(other, "ann");
	world_close();
}

static const struct journal_ops *sound;
static unsigned forgotten;

static void no_matter(void *arg) { (void)arg; }

static void watch_names(struct journal *j, struct journal_port *port, struct journal_state *s)
{
	if (s->scope->len == 5 && memcmp(s->scope->data, "names", 5) == 0) {
		assert_null(port->send_soon);
		if (s->verb == JOURNAL_DELETE) {
			assert_int_not_equal(shared_map_holder(world.hub.names, s->key->data, s->key->len), 0);
			forgotten++;
		}
	}
	sound->state(j, port, s);
}

/* Who claims it next may be faster than this worker's turn: the journal hears that it is nobody's, and then it is. */
static void test_a_name_is_forgotten_before_it_is_free(void **state)
{
	struct journal_ops ops;
	struct client *a, *b;

	(void)state;
	world_init();
	world.hub.key_kept = true;
	world.hub.send_soon = no_matter;
	world_open();
	sound = world.journal->ops;
	ops = *sound;
	ops.state = watch_names;
	world.journal->ops = &ops;
	forgotten = 0;
	a = welcomed(0, "192.0.2.1", "Ann");
	expect_answer(a, "{\"type\":\"name\",\"name\":null}", "\"name\":null");
	assert_int_equal(forgotten, 1);
	can_be(a, "Eve");
	can_be(a, "Ann");
	assert_int_equal(forgotten, 2);
	b = welcomed(1, "192.0.2.9", "Bob");
	depart(a);
	resume(b, secret_of(a)); /* has another name by now */
	settle();
	assert_int_equal(forgotten, 3);
	depart(b);
	clock_set_offset(130000, 0);
	tick();
	assert_int_equal(forgotten, 4);
	world.journal->ops = sound;
	world_close();
}

/* Where nothing outlives the process, nothing is noted, and nobody is believed. */
static void test_after_a_restart_that_forgets(void **state)
{
	struct client *a, *other;
	char secret[64];

	(void)state;
	build(false);
	a = welcomed(0, "192.0.2.1", "Ann");
	strcpy(secret, secret_of(a));
	world_restart();
	keeper_restore(hub_keeper(world.hubs[0]));
	settle();
	other = welcomed(1, "192.0.2.2", NULL);
	can_be(other, "ann");
	back(1, secret, "\"code\":\"session_unknown\"");
	world_close();
}

/* The connection that asks goes while the answer is on its way: the session is kept for the next one. */
static void test_resume_on_its_way(void **state)
{
	struct client *a, *b, *other;
	char secret[64];

	(void)state;
	build(false);
	for (unsigned step = 0; step < 5; step++) {
		a = welcomed(0, "192.0.2.1", "Ann");
		strcpy(secret, secret_of(a));
		b = welcomed(1, "192.0.2.9", NULL);
		resume(b, secret);
		assert_true(b->held);
		for (unsigned i = 0; i < step; i++)
			mailbox_open(world.boxes[i % 2], 1);
		depart(b);
		if (step % 2)
			depart(a);
		settle();
		other = welcomed(1, "192.0.2.2", NULL);
		cannot_be(other, "ann");
		b = back(step % 2, secret, "\"name\":\"Ann\"");
		expect_answer(b, "{\"type\":\"name\",\"name\":null}", "\"name\":null");
		can_be(other, "ann");
		while (world.clients)
			forget(world.clients);
		clock_set_offset(130000 * (step + 1), 0);
		tick();
	}
	assert_int_equal(shared_map_count(world.hub.names), 0);
	assert_int_equal(shared_map_count(world.hub.sessions), 0);
	world_close();
}

/* Two ask at once: both are answered, one has it. */
static void test_two_resume_at_once(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 8; order++) {
		struct client *a, *b, *c;
		char secret[64];

		build(false);
		a = welcomed(0, "192.0.2.1", "Ann");
		strcpy(secret, secret_of(a));
		if (order & 1)
			depart(a);
		b = welcomed(1, "192.0.2.9", NULL);
		c = welcomed(order & 2 ? 1 : 0, "192.0.2.9", NULL);
		resume(b, secret);
		if (order & 4)
			mailbox_open(world.boxes[0], 1);
		resume(c, secret);
		settle();
		assert_false(b->held);
		assert_false(c->held);
		assert_int_equal((b->closed == CLOSE_replaced) + (c->closed == CLOSE_replaced), 1);
		assert_int_equal(a->closed, order & 1 ? -1 : CLOSE_replaced);
		expect(b->closed < 0 ? b : c, 1, "\"name\":\"Ann\"");
		assert_int_equal(shared_map_count(world.hub.names), 1);
		while (world.clients)
			forget(world.clients);
		settle();
		back(0, secret, "\"name\":\"Ann\"");
		world_close();
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = { "", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
	struct client *a;
	char secret[64];

	(void)state;
	build(true);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		back(0, bad[i], "\"code\":\"session_unknown\"");
	a = welcomed(0, "192.0.2.1", NULL);
	strcpy(secret, secret_of(a));
	expect_answer(a, "{\"type\":\"resume\"}", "\"code\":\"bad_request\"");
	resume(a, secret); /* not the first request any more */
	settle();
	expect(a, 2, "\"code\":\"bad_request\"");
	a = welcomed(1, "192.0.2.1", "Ann"); /* its own */
	resume(a, secret_of(a));
	settle();
	expect(a, 1, "{\"type\":\"ok\",\"cid\":\"r\",\"name\":\"Ann\"}");
	assert_int_equal(a->closed, -1);
	world_close();
}

/* Who a user is a token says, not a secret; and a user's name is taken from the guest who is kept. */
static void test_users(void **state)
{
	struct client *a, *u, *b;

	(void)state;
	build(false);
	add_token("secret", "7", "Ann", ROLE_USER);
	a = welcomed(0, "192.0.2.1", "Ann");
	depart(a);
	settle();
	u = welcomed(1, "192.0.2.2", NULL);
	expect_answer(u, "{\"type\":\"auth\",\"token\":\"secret\"}", "\"user\":\"7\"");
	expect_answer(u, "{\"type\":\"join\",\"room\":\"tea\"}", "\"joined\"");
	expect_answer(u, "{\"type\":\"message\",\"room\":\"tea\",\"message\":1}", "\"ok\"");
	expect(u, u->n - 1, "\"name\":\"Ann\",\"user\":\"7\"");
	b = back(0, secret_of(a), "{\"type\":\"ok\",\"cid\":\"r\"}");
	cannot_be(b, "ann");
	back(0, secret_of(u), "{\"type\":\"ok\",\"cid\":\"r\"}"); /* no user, no name */
	assert_int_equal(u->closed, CLOSE_replaced);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_and_sender_come_back),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_they_expire),
		cmocka_unit_test(test_so_many_are_kept),
		cmocka_unit_test(test_a_name_is_forgotten_before_it_is_free),
		cmocka_unit_test(test_after_a_restart),
		cmocka_unit_test(test_after_a_restart_that_forgets),
		cmocka_unit_test(test_resume_on_its_way),
		cmocka_unit_test(test_two_resume_at_once),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
