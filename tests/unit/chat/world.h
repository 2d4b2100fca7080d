/*
 * world: some workers' hubs in one thread, and clients, for the tests of chat.
 *
 * The mailboxes are opened by hand, in whatever order, so every interleaving
 * that threads could make can be made. A client keeps what it was sent; what
 * it says while its session is held waits, as with a real connection.
 *
 *     world_init(); world.hub.rules.max_rooms = 3; world_open(); …; world_close();
 */
#ifndef NATTER_TESTS_WORLD_H
#define NATTER_TESTS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/book.h"
#include "base/clock.h"
#include "chat/directory.h"
#include "chat/hub.h"
#include "chat/journal_memory.h"
#include "chat/session.h"

#define WORKERS_MAX 3
#define LINES 16384
#define QUEUE 2048

struct client {
	struct session session; /* first: the sink's */
	struct client *next;
	const char *address;
	bool gone;              /* its session is cleared */
	char *lines[LINES];     /* what it was sent, in order */
	size_t n;
	char *queue[QUEUE];     /* what it said while it was held */
	size_t queued;
	bool held;
	uint32_t paused;
	size_t waiting;         /* bytes that it says it has not taken */
	int closed;             /* a close reason, or -1 */
};

static struct world {
	unsigned n; /* workers */
	struct hub_opts hub;
	struct journal_memory_opts past;
	struct session_policy policy;
	struct mailbox *boxes[WORKERS_MAX];
	struct hub *hubs[WORKERS_MAX];
	struct journal *journal;
	struct tokens *tokens;
	struct shared_count rooms;
	struct client *clients;
} world;

/* ---- a client's sink ---- */

static inline void client_send(struct sink *s, const char *text, size_t len)
{
	struct client *c = (struct client *)s;

	assert_false(c->gone);
	assert_true(c->n < LINES);
	if (c->closed < 0)
		c->lines[c->n++] = strndup(text, len);
}

static inline void client_close(struct sink *s, enum close_reason r)
{
	struct client *c = (struct client *)s;

	if (c->closed < 0)
		c->closed = (int)r;
}

static inline void client_pause(struct sink *s, uint32_t ms) { ((struct client *)s)->paused = ms; }
static inline void client_hold(struct sink *s, bool held) { ((struct client *)s)->held = held; }
static inline size_t client_waiting(struct sink *s) { return ((struct client *)s)->waiting; }
static inline const char *client_address(struct sink *s) { return ((struct client *)s)->address; }

/* ---- an audience that sends at once ---- */

struct crowd {
	struct audience audience;
	struct {
		struct sink *sink;
		enum dialect dialect;
	} members[128];
	size_t n;
};

static inline int crowd_add(struct audience *a, struct seat *seat, struct sink *sink, enum dialect dialect)
{
	struct crowd *c = (struct crowd *)a;

	assert_true(c->n < 128);
	seat->place[0] = sink;
	c->members[c->n].sink = sink;
	c->members[c->n++].dialect = dialect;
	return 0;
}

static inline void crowd_remove(struct audience *a, struct seat *seat)
{
	struct crowd *c = (struct crowd *)a;
	size_t i = 0;

	while (c->members[i].sink != seat->place[0])
		i++;
	c->members[i] = c->members[--c->n];
}

static inline void crowd_publish(struct audience *a, struct payload *text, unsigned dialects)
{
	struct crowd *c = (struct crowd *)a;

	for (size_t i = 0; i < c->n; i++)
		if (c->members[i].dialect & dialects)
			client_send(c->members[i].sink, text->data, text->len);
}

static inline void crowd_free(struct audience *a)
{
	assert_int_equal(((struct crowd *)a)->n, 0);
	free(a);
}

static inline struct audience *crowd_new(void *arg)
{
	static const struct audience_ops ops = { crowd_add, crowd_remove, crowd_publish, crowd_free };
	struct crowd *c = calloc(1, sizeof(*c));

	(void)arg;
	c->audience.ops = &ops;
	return &c->audience;
}

/* ---- the world ---- */

static inline void no_wake(void *arg) { (void)arg; }
static inline void send_later(void *arg) { (void)arg; } /* for hub.send_soon: letters to others wait for hub_send() */

static inline void world_init(void)
{
	static const char *const reserved[] = { "system", "error" };

	memset(&world, 0, sizeof(world));
	world.n = 2;
	world.past = (struct journal_memory_opts){ 100, 100000, 600000 };
	world.policy = (struct session_policy){
		.limits = { 8, 32 }, .rate = { 0, 1 }, .flood_time = 1000, .history_max = 50,
		.announce = ANNOUNCE_ADDRESS, .default_type = "usermsg", .reserved_types = reserved, .n_reserved_types = 2,
		.anonymous = true, .auth_timeout = 10000, .recover_max = 1000, .rooms_max = 8,
		.max_message = 65536, .cid_keep = 600000, .session_keep = 120000, .ping_interval = 25000,
	};
	world.hub = (struct hub_opts){ .rules = { .max_rooms = 10, .room_keep = 1000, .announce_max = 100,
						  .who_max = 100, .session_keep = 120000 },
				       .audience_new = crowd_new };
	assert_true(secret_key_draw(&world.hub.key));
	world.tokens = tokens_new();
	world.hub.rules.tokens = world.tokens;
}

static inline void world_open_hubs(void)
{
	world.hub.n = world.n;
	world.hub.mailboxes = world.boxes;
	world.hub.journal = world.journal;
	world.hub.names = shared_map_new();
	world.hub.sessions = shared_map_new();
	world.hub.users = directory_users();
	world.hub.rooms = &world.rooms;
	for (unsigned i = 0; i < world.n; i++)
		world.boxes[i] = mailbox_new(no_wake, NULL, NULL);
	for (world.hub.self = 0; world.hub.self < world.n; world.hub.self++) {
		world.hubs[world.hub.self] = hub_new(&world.hub);
		mailbox_set_reader(world.boxes[world.hub.self], world.hubs[world.hub.self]);
	}
}

static inline void world_open(void)
{
	world.journal = journal_memory_new(&world.past);
	world_open_hubs();
}

/* ---- clients ---- */

static inline struct client *arrive(unsigned worker, const char *address)
{
	struct client *c = calloc(1, sizeof(*c));
	static const struct sink_ops ops = { client_send, client_close, client_pause, client_hold, client_waiting,
					     client_address };

	c->closed = -1;
	c->address = address;
	c->next = world.clients;
	world.clients = c;
	session_init(&c->session, world.hubs[worker], &world.policy, &ops);
	return c;
}

/* What it said while it was held. Whether there was something to be said now. */
static inline bool pump(struct client *c)
{
	bool any = false;

	while (c->queued && !c->held && c->closed < 0 && !c->gone) {
		char *text = c->queue[0];

		memmove(c->queue, c->queue + 1, --c->queued * sizeof(*c->queue));
		session_text(&c->session, text, strlen(text));
		free(text);
		any = true;
	}
	return any;
}

static inline void say(struct client *c, const char *text)
{
	if (c->closed >= 0 || c->gone)
		return;
	if (c->held || c->queued) {
		assert_true(c->queued < QUEUE);
		c->queue[c->queued++] = strdup(text);
		return;
	}
	session_text(&c->session, text, strlen(text));
}

/* Opens letters until none is left. */
static inline void settle(void)
{
	size_t n;

	do {
		n = 0;
		for (unsigned i = 0; i < world.n; i++)
			n += mailbox_open(world.boxes[i], 1000) + hub_send(world.hubs[i]);
		for (struct client *c = world.clients; c; c = c->next)
			n += pump(c);
	} while (n);
}

static inline void depart(struct client *c)
{
	session_clear(&c->session);
	c->gone = true;
}

static inline void forget(struct client *c)
{
	struct client **at = &world.clients;

	if (!c->gone)
		session_clear(&c->session);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	for (size_t i = 0; i < c->n; i++)
		free(c->lines[i]);
	for (size_t i = 0; i < c->queued; i++)
		free(c->queue[i]);
	free(c);
}

static inline void world_close_hubs(void)
{
	settle();
	for (unsigned i = 0; i < world.n; i++) {
		mailbox_set_reader(world.boxes[i], NULL);
		hub_free(world.hubs[i]);
	}
	for (unsigned i = 0; i < world.n; i++)
		mailbox_free(world.boxes[i]);
	shared_map_free(world.hub.names);
	shared_map_free(world.hub.sessions);
	book_free(world.hub.users);
	assert_int_equal(world.rooms.value, 0);
}

/* The clients go with it. */
static inline void world_close(void)
{
	settle();
	for (unsigned i = 0; i < world.n; i++)
		hub_hush(world.hubs[i]);
	while (world.clients)
		forget(world.clients);
	world_close_hubs();
	world.journal->ops->free(world.journal);
	tokens_free(world.tokens);
	clock_set_offset(0, 0);
}

/* The journal and the key stay. */
static inline void world_restart(void)
{
	settle();
	for (unsigned i = 0; i < world.n; i++)
		hub_hush(world.hubs[i]);
	while (world.clients)
		forget(world.clients);
	world_close_hubs();
	world_open_hubs();
}

static inline void tick(void)
{
	for (unsigned i = 0; i < world.n; i++)
		hub_tick(world.hubs[i]);
	settle();
}

static inline void add_token(const char *token, const char *user, const char *name, enum role role)
{
	unsigned char hash[TOKEN_HASH_LEN];
	const char *why = NULL;

	assert_true(tokens_hash(token, strlen(token), hash));
	assert_int_equal(tokens_add(world.tokens, hash, user, name, role, &why), 0);
}

/* ---- natter.v1 ---- */

/* NAME: as ?name= in the path; NULL: none. */
static inline struct client *welcomed(unsigned worker, const char *address, const char *name)
{
	struct client *c = arrive(worker, address);
	struct payload *room = payload_new("lobby", 5);

	session_welcome(&c->session, room, name ? name : "", name ? strlen(name) : 0);
	payload_unref(room);
	return c;
}

/* Says TEXT, and the first line that comes of it. */
static inline const char *ask(struct client *c, const char *text)
{
	size_t n = c->n;

	say(c, text);
	settle();
	if (c->n == n)
		fail_msg("no answer to %s", text);
	return c->lines[n];
}

static inline void expect_answer(struct client *c, const char *text, const char *part)
{
	const char *is = ask(c, text);

	if (strstr(is, part) == NULL)
		fail_msg("%s: the answer is %s, not with %s", text, is, part);
}

static inline void expect(const struct client *c, size_t i, const char *part)
{
	assert_true(i < c->n);
	if (strstr(c->lines[i], part) == NULL)
		fail_msg("line %zu is %s, not with %s", i, c->lines[i], part);
}

/* How many lines from FROM on have PART. */
static inline size_t heard(const struct client *c, size_t from, const char *part)
{
	size_t n = 0;

	for (size_t i = from; i < c->n; i++)
		n += strstr(c->lines[i], part) != NULL;
	return n;
}

static inline const char *last(const struct client *c)
{
	assert_true(c->n > 0);
	return c->lines[c->n - 1];
}

#endif
