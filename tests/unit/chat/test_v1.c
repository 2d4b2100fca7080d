/*
 * natter.v1 under random interleavings: people join rooms with since and
 * history, leave, speak, edit, erase, lose their connections and resume, while
 * the mailboxes of two or three workers are opened a few letters at a time in
 * random order. Every line that anybody was sent is held against the promises:
 *
 *   - one order for all: seq without gap, the same bytes for everybody
 *   - `joined` first, then what was missed, then what is live, nothing twice
 *   - `ok` before the sender's own copy
 *   - nothing of a room after the `ok` to `leave`
 *   - what is said under a cid has one place, however often it is repeated
 *
 * Each seed is a world. NATTER_SEED=7 runs that one alone, NATTER_SEEDS=5000
 * so many of them, NATTER_TRACE=1 tells what is said and read.
 */
#include <config.h>

#include "world.h"

#include "chat/v1.h"

#include <jansson.h>
#include <sys/types.h>
#include <time.h>

#define SEEDS 200
#define STEPS 700
#define ROOMS 3
#define PEOPLE 6
#define CONNS 400 /* of one seed */
#define ORDERS 128
#define SAID 4096
#define PENDING 2048

/* In place of libc's: a seed is the same world in every process, down to where a room has its home. */
ssize_t getrandom(void *buf, size_t len, unsigned flags);
ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
	static uint32_t state = 1;

	(void)flags;
	for (size_t i = 0; i < len; i++)
		((unsigned char *)buf)[i] = (unsigned char)((state = state * 1664525 + 1013904223) >> 24);
	return (ssize_t)len;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	*t = (struct timespec){ .tv_sec = id == CLOCK_REALTIME ? 1795229941 : 1000 };
	return 0;
}

static const char *const rooms[ROOMS] = { "tea", "coffee", "room \"3\"\\" };

static unsigned long seed;
static uint64_t randomness;

/* xorshift: the same on every host */
static unsigned pick(unsigned n)
{
	randomness ^= randomness << 13;
	randomness ^= randomness >> 7;
	randomness ^= randomness << 17;
	return (unsigned)((randomness >> 11) % n);
}

static bool chance(unsigned percent) { return pick(100) < percent; }

/* ---- what is known ---- */

/* A room's order in one epoch, as anybody saw it first. */
struct order {
	unsigned room;
	char epoch[JOURNAL_EPOCH_MAX];
	uint64_t max;
	char *texts[SAID];
	bool changed[SAID]; /* as it was seen then, it had been edited or erased */
};

/* Something that was said, under the cid "m" and its number. */
struct said {
	unsigned by, room;
	bool acked, dropped; /* answered; with an error */
	bool repeated;
	uint64_t seq;        /* of the ok, and */
	struct order *order; /* where, as far as it is known */
	struct order *seen_in; /* where it was read, and */
	uint64_t seen;
};

enum kind { JOIN, LEAVE, SAY, CHANGE, OTHER, RESUME };

/* A request without its answer. */
struct pending {
	char cid[24];
	enum kind kind;
	unsigned room, said;
	bool again;    /* it was said before */
	bool answered;
	bool since;    /* of a join */
	char epoch[JOURNAL_EPOCH_MAX];
	uint64_t from;
	uint32_t history;
};

/* A connection's view of a room. */
struct view {
	bool in, put_out;
	struct order *order;
	uint64_t next; /* seq; 0: not known yet, */
	uint64_t joined, history; /* but it is one of so many up to that one, or the next */
};

struct conn {
	struct client *client;
	unsigned who;
	bool plain, over; /* nothing is said here any more */
	size_t read;
	char secret[64];
	struct view views[ROOMS];
	struct pending pending[PENDING];
	size_t n_pending;
};

/* Somebody with a session, on one connection after the other. */
struct human {
	struct conn *conn;
	char secret[64];
	char epochs[ROOMS][JOURNAL_EPOCH_MAX]; /* "": never there */
	uint64_t seqs[ROOMS];
	bool wanted[ROOMS]; /* a room that it was in when the connection went */
};

static struct conn *conns[CONNS];
static size_t n_conns;
static struct human people[PEOPLE];
static struct order *orders[ORDERS];
static size_t n_orders;
static struct said said[SAID];
static unsigned n_said, n_requests;
static unsigned long lines_read, recoveries, resumptions, repetitions, replacements;

static void trace(const char *what, const struct conn *c, const char *text)
{
	size_t number = 0;

	if (!getenv("NATTER_TRACE"))
		return;
	while (conns[number] != c)
		number++;
	printf("%s person %u, connection %zu: %s\n", what, c->who, number, text);
}

static void wrong(const struct conn *c, size_t line, const char *what)
{
	size_t from = line > 12 ? line - 12 : 0;

	for (size_t i = from; i < c->client->n && i <= line; i++)
		print_message("%4zu %s\n", i, c->client->lines[i]);
	fail_msg("NATTER_SEED=%lu: %u's %s, line %zu", seed, c->who, what, line);
}

static struct order *order_of(unsigned room, const char *epoch)
{
	struct order *o;

	for (size_t i = 0; i < n_orders; i++)
		if (orders[i]->room == room && strcmp(orders[i]->epoch, epoch) == 0)
			return orders[i];
	assert_true(n_orders < ORDERS);
	o = calloc(1, sizeof(*o));
	o->room = room;
	snprintf(o->epoch, sizeof(o->epoch), "%s", epoch);
	return orders[n_orders++] = o;
}

static struct pending *pending_of(struct conn *c, const char *cid)
{
	for (size_t i = 0; cid && i < c->n_pending; i++)
		if (!c->pending[i].answered && strcmp(c->pending[i].cid, cid) == 0)
			return &c->pending[i];
	return NULL;
}

/* ---- asking ---- */

static struct pending *note(struct conn *c, enum kind kind, unsigned room)
{
	struct pending *p = &c->pending[c->n_pending++];

	assert_true(c->n_pending < PENDING);
	*p = (struct pending){ .kind = kind, .room = room };
	snprintf(p->cid, sizeof(p->cid), "q%u", n_requests++);
	return p;
}

static void utter(struct conn *c, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	trace(">", c, text);
	say(c->client, text);
	free(text);
}

static void ask_join(struct conn *c, unsigned room, bool since, uint32_t history)
{
	struct human *h = &people[c->who];
	struct pending *p = note(c, JOIN, room);
	json_t *o = json_pack("{s:s,s:s,s:s}", "type", "join", "room", rooms[room], "cid", p->cid);

	p->since = since && h->epochs[room][0];
	p->history = history;
	if (p->since) {
		snprintf(p->epoch, sizeof(p->epoch), "%s", h->epochs[room]);
		p->from = h->seqs[room];
		json_object_set_new(o, "since", json_pack("{s:s,s:I}", "epoch", p->epoch, "seq", (json_int_t)p->from));
	}
	if (history)
		json_object_set_new(o, "history", json_integer(history));
	utter(c, o);
}

static void ask_leave(struct conn *c, unsigned room)
{
	struct pending *p = note(c, LEAVE, room);

	utter(c, json_pack("{s:s,s:s,s:s}", "type", "leave", "room", rooms[room], "cid", p->cid));
}

/* Number I is said elsewhere too: which comes first cannot be known. */
static void is_repeated(unsigned i)
{
	said[i].repeated = true;
	for (size_t k = 0; k < n_conns; k++)
		for (size_t j = 0; j < conns[k]->n_pending; j++)
			conns[k]->pending[j].again |= conns[k]->pending[j].kind == SAY && conns[k]->pending[j].said == i;
}

/* Says number I, perhaps once more. */
static void ask_say(struct conn *c, unsigned i, bool again)
{
	struct pending *p;

	if (again)
		is_repeated(i);
	p = note(c, SAY, said[i].room);
	snprintf(p->cid, sizeof(p->cid), "m%u", i);
	p->said = i;
	p->again = again;
	repetitions += again;
	utter(c, json_pack("{s:s,s:s,s:s,s:i}", "type", "message", "room", rooms[said[i].room], "cid", p->cid, "message",
			   (int)i));
}

static void say_something(struct conn *c, unsigned room)
{
	if (n_said == SAID)
		return;
	said[n_said] = (struct said){ .by = c->who, .room = room };
	ask_say(c, n_said++, false);
}

static void repeat_something(struct conn *c)
{
	for (unsigned i = n_said, tries = 40; i-- > 0 && tries-- > 0;)
		if (said[i].by == c->who && !said[i].dropped && chance(30)) {
			ask_say(c, i, true);
			return;
		}
}

static void change_something(struct conn *c)
{
	for (unsigned i = n_said, tries = 40; i-- > 0 && tries-- > 0;) {
		struct pending *p;
		json_t *o;

		if (!said[i].acked || !said[i].order || !chance(20))
			continue;
		p = note(c, CHANGE, said[i].room);
		o = json_pack("{s:s,s:s,s:s,s:I}", "type", chance(50) ? "edit" : "delete", "room", rooms[said[i].room],
			      "cid", p->cid, "seq", (json_int_t)said[i].seq);
		json_object_set_new(o, "message", json_string("changed"));
		utter(c, o);
		return;
	}
}

/* The number of what it said last in ROOM on this connection; -1: nothing. */
static int said_last(const struct conn *c, unsigned room)
{
	for (size_t i = c->n_pending; i-- > 0;)
		if (c->pending[i].kind == SAY && c->pending[i].room == room && !c->pending[i].again)
			return (int)c->pending[i].said;
	return -1;
}

static void ask_something(struct conn *c)
{
	static const char *const types[] = { "who", "history", "rooms", "ping", "typing", "history" };
	const char *type = types[pick(6)];
	unsigned room = pick(ROOMS);
	struct pending *p = note(c, OTHER, room);
	json_t *o = json_pack("{s:s,s:s,s:s}", "type", type, "room", rooms[room], "cid", p->cid);

	if (strcmp(type, "history") == 0 && chance(50))
		json_object_set_new(o, "after", json_integer(pick(10)));
	if (strcmp(type, "typing") == 0)
		json_object_set_new(o, "behind", json_integer(said_last(c, room)));
	utter(c, o);
}

static void take_name(struct conn *c)
{
	struct pending *p = note(c, OTHER, 0);
	char name[16];

	snprintf(name, sizeof(name), "ann%u", pick(PEOPLE + 2));
	utter(c, json_pack("{s:s,s:s,s:s}", "type", "name", "cid", p->cid, "name", name));
}

/* ---- coming and going ---- */

static struct conn *conn_new(unsigned who)
{
	struct conn *c = calloc(1, sizeof(*c));

	assert_true(n_conns < CONNS);
	c->who = who;
	conns[n_conns++] = c;
	return c;
}

static void connect(unsigned who)
{
	struct human *h = &people[who];
	struct conn *c = conn_new(who);
	struct pending *p;

	c->client = welcomed(pick(world.n), "192.0.2.1", NULL);
	if (chance(10))
		c->client->waiting = 1 << 20; /* it takes nothing for a while */
	h->conn = c;
	if (h->secret[0] && chance(90)) {
		p = note(c, RESUME, 0);
		utter(c, json_pack("{s:s,s:s,s:s}", "type", "resume", "session", h->secret, "cid", p->cid));
		for (unsigned r = 0; r < ROOMS; r++)
			if (h->wanted[r] && chance(90))
				ask_join(c, r, true, chance(20) ? pick(8) : 0);
	} else {
		h->secret[0] = '\0';
		for (unsigned i = 0; i < n_said; i++)
			said[i].dropped |= said[i].by == who; /* who is nobody else cannot repeat it */
	}
	memset(h->wanted, 0, sizeof(h->wanted));
}

static void lose(struct conn *c, bool server_knows)
{
	struct human *h = &people[c->who];

	trace("-", c, server_knows ? "lost" : "lost, the server does not know");
	if (server_knows && !c->client->gone)
		depart(c->client);
	c->over = true;
	if (h->conn != c)
		return;
	h->conn = NULL;
	for (unsigned r = 0; r < ROOMS; r++)
		h->wanted[r] = c->views[r].in;
}

/* ---- reading ---- */

static int room_number(const json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "room"));

	for (int r = 0; name && r < ROOMS; r++)
		if (strcmp(rooms[r], name) == 0)
			return r;
	return -1;
}

static bool type_is(const json_t *o, const char *type)
{
	const char *is = json_string_value(json_object_get(o, "type"));

	return is && strcmp(is, type) == 0;
}

static uint64_t whole(const json_t *o, const char *member)
{
	return (uint64_t)json_integer_value(json_object_get(o, member));
}

/* A frame with a place in O's order. */
static void record(struct conn *c, size_t line, struct order *order, uint64_t seq, const json_t *o)
{
	const char *text = c->client->lines[line];
	bool changed = json_object_get(o, "edited") || json_object_get(o, "deleted") || type_is(o, "edit");
	json_t *number = json_object_get(o, "message");
	struct said *s;

	if (seq >= SAID)
		wrong(c, line, "seq is beyond all that was said");
	if (order->max < seq)
		order->max = seq;
	if (order->texts[seq] == NULL || (order->changed[seq] && !changed)) {
		free(order->texts[seq]);
		order->texts[seq] = strdup(text);
		order->changed[seq] = changed;
	} else if (!changed && strcmp(order->texts[seq], text) != 0) {
		print_message("others have %s\n", order->texts[seq]);
		wrong(c, line, "message has other bytes");
	}
	if (!json_is_integer(number) || changed)
		return;
	s = &said[json_integer_value(number)];
	if (s->seen_in == order && s->seen != seq)
		wrong(c, line, "message has two places");
	s->seen_in = order;
	s->seen = seq;
	if (s->acked && s->order == order && s->seq != seq)
		wrong(c, line, "message has not the place of its ok");
}

static void read_frame(struct conn *c, size_t line, const json_t *o, unsigned room)
{
	struct view *v = &c->views[room];
	uint64_t seq = whole(o, "seq");
	json_t *number = json_object_get(o, "message");
	struct pending *p;
	char cid[24];

	if (!v->in)
		wrong(c, line, "message of a room where it is not");
	if (v->next ? seq != v->next : seq > v->joined + 1 || seq + v->history < v->joined + 1)
		wrong(c, line, "message is not the next one");
	v->next = seq + 1;
	record(c, line, v->order, seq, o);
	snprintf(people[c->who].epochs[room], JOURNAL_EPOCH_MAX, "%s", v->order->epoch);
	people[c->who].seqs[room] = seq;
	if (!json_is_integer(number))
		return;
	snprintf(cid, sizeof(cid), "m%d", (int)json_integer_value(number));
	p = pending_of(c, cid);
	if (p && !p->again && said[p->said].by == c->who)
		wrong(c, line, "own copy comes before its ok");
}

/* What is not stored does not overtake what the same client said before. */
static void read_relayed(const struct conn *c, size_t line, const json_t *o, const struct view *v)
{
	json_int_t behind = json_integer_value(json_object_get(o, "behind"));
	const struct said *s = behind < 0 ? NULL : &said[behind];

	if (s && !s->repeated && v->next && s->seen_in == v->order && s->seen >= v->next)
		wrong(c, line, "relay overtakes a message");
}

static void read_joined(struct conn *c, size_t line, const json_t *o, struct pending *p)
{
	struct view *v = &c->views[p->room];
	const char *epoch = json_string_value(json_object_get(o, "epoch"));
	bool recovered = json_is_true(json_object_get(o, "recovered"));

	if (p->kind != JOIN || room_number(o) != (int)p->room || epoch == NULL)
		wrong(c, line, "joined answers something else");
	if (v->in)
		wrong(c, line, "joined comes where it is already");
	if (p->since != (json_object_get(o, "recovered") != NULL))
		wrong(c, line, "recovered is there or is not");
	*v = (struct view){ .in = true, .order = order_of(p->room, epoch), .joined = whole(o, "seq") };
	if (recovered) {
		recoveries++;
		if (strcmp(epoch, p->epoch) != 0 || p->from > v->joined)
			wrong(c, line, "recovery is of another epoch");
		v->next = p->from + 1;
	} else {
		if (p->since && strcmp(epoch, p->epoch) == 0 && p->from <= v->joined && world.past.messages >= 1000 &&
		    v->joined - p->from <= world.policy.recover_max)
			wrong(c, line, "missed messages are there, and not recovered");
		v->history = p->since && p->history == 0 ? 50 : p->history;
		if (v->history == 0)
			v->next = v->joined + 1;
		snprintf(people[c->who].epochs[p->room], JOURNAL_EPOCH_MAX, "%s", epoch);
		people[c->who].seqs[p->room] = v->joined;
	}
}

static void repeat_unanswered(struct conn *c)
{
	for (unsigned i = 0; i < n_said; i++)
		if (said[i].by == c->who && !said[i].acked && !said[i].dropped)
			ask_say(c, i, true);
}

static void read_said(struct conn *c, size_t line, const json_t *o, struct pending *p)
{
	struct said *s = &said[p->said];
	uint64_t seq = whole(o, "seq");
	struct order *order = c->views[p->room].order;

	if (seq == 0)
		wrong(c, line, "ok has no seq");
	if (s->acked && s->order == order && s->seq != seq)
		wrong(c, line, "repetition has another place");
	if (!p->again && json_object_get(o, "duplicate"))
		wrong(c, line, "first ok says that it is a repetition");
	s->acked = true;
	s->seq = seq;
	s->order = order;
	if (s->seen_in && s->seen_in == order && s->seen != seq)
		wrong(c, line, "ok has not the place of the message");
}

static void read_answer(struct conn *c, size_t line, const json_t *o, struct pending *p)
{
	bool ok = !type_is(o, "error");
	struct human *h = &people[c->who];
	unsigned kind = p->kind, room = p->room;

	if (p->kind == JOIN && type_is(o, "joined"))
		read_joined(c, line, o, p);
	p->answered = true;
	if (kind == LEAVE && ok) {
		if (!c->views[room].in && !c->views[room].put_out)
			wrong(c, line, "leaving is answered twice");
		c->views[room].in = false;
		c->views[room].put_out = false;
	} else if (kind == SAY && ok) {
		read_said(c, line, o, p);
	} else if (kind == SAY) {
		said[p->said].dropped |= !said[p->said].acked;
	} else if (kind == OTHER && room_number(o) >= 0) {
		if (!c->views[room].in && !c->views[room].put_out)
			wrong(c, line, "answer about a room comes after leaving it");
	} else if (kind == RESUME && ok) {
		resumptions++;
		if (h->conn == c)
			repeat_unanswered(c);
	} else if (kind == RESUME && h->conn == c) {
		snprintf(h->secret, sizeof(h->secret), "%s", c->secret);
		for (unsigned i = 0; i < n_said; i++)
			said[i].dropped |= said[i].by == c->who;
	}
}

static void read_line(struct conn *c, size_t line)
{
	json_t *o = json_loads(c->client->lines[line], 0, NULL);
	const char *cid = json_string_value(json_object_get(o, "cid"));
	struct pending *p = pending_of(c, cid);
	int room = room_number(o);

	lines_read++;
	if (o == NULL)
		wrong(c, line, "line is no JSON");
	if ((line == 0) != type_is(o, "welcome"))
		wrong(c, line, "welcome is not first");
	if (line == 0) {
		snprintf(c->secret, sizeof(c->secret), "%s", json_string_value(json_object_get(o, "session")));
		if (people[c->who].secret[0] == '\0')
			strcpy(people[c->who].secret, c->secret);
	} else if (p) {
		read_answer(c, line, o, p);
	} else if (cid) {
		wrong(c, line, "answer is to nothing");
	} else if (type_is(o, "error")) {
		wrong(c, line, "error has no cid");
	} else if (room >= 0 && json_object_get(o, "seq") && !type_is(o, "epoch")) {
		read_frame(c, line, o, (unsigned)room);
	} else if (room >= 0 && type_is(o, "kicked")) {
		if (!c->views[room].in)
			wrong(c, line, "being put out comes where it is not");
		c->views[room].in = false;
		c->views[room].put_out = true;
	} else if (room >= 0 && !c->views[room].in) {
		wrong(c, line, "news of a room where it is not");
	} else if (room >= 0 && type_is(o, "typing")) {
		read_relayed(c, line, o, &c->views[room]);
	}
	json_decref(o);
}

static void read_plain_line(struct conn *c, size_t line)
{
	json_t *o = json_loads(c->client->lines[line], 0, NULL);
	struct view *v = &c->views[0];
	uint64_t seq = whole(o, "seq");

	/* Its epoch is not told, and edits it does not hear of. */
	if (o == NULL || (seq && room_number(o) != 0) || (seq && seq < v->next))
		wrong(c, line, "plain message is out of order");
	if (seq)
		v->next = seq + 1;
	for (size_t i = n_orders; seq && i-- > 0;)
		if (orders[i]->room == 0 && orders[i]->texts[seq] && strcmp(orders[i]->texts[seq], c->client->lines[line]) == 0)
			break;
	json_decref(o);
}

/* Reads what has come since. */
static void read_all(void)
{
	for (size_t i = 0; i < n_conns; i++) {
		struct conn *c = conns[i];

		while (c->read < c->client->n) {
			size_t line = c->read++;

			trace("<", c, c->client->lines[line]);
			if (c->plain)
				read_plain_line(c, line);
			else
				read_line(c, line);
		}
		if (c->client->closed >= 0 && !c->client->gone) {
			if (c->client->closed != CLOSE_replaced && c->client->closed != CLOSE_recovery_lost && !c->plain)
				wrong(c, c->client->n - 1, "connection is closed");
			replacements += c->client->closed == CLOSE_replaced;
			lose(c, true);
		}
	}
}

/* ---- a seed ---- */

static void do_something(void)
{
	unsigned who = pick(PEOPLE), room = pick(ROOMS), what = pick(100);
	struct conn *c = people[who].conn;

	if (c == NULL) {
		connect(who);
		return;
	}
	if (c->n_pending > PENDING - SAID / 8 || c->client->queued > QUEUE - 60) {
		lose(c, true);
	} else if (what < 45) {
		say_something(c, room);
	} else if (what < 60) {
		ask_join(c, room, chance(50), chance(40) ? pick(12) : 0);
	} else if (what < 68) {
		ask_leave(c, room);
	} else if (what < 74) {
		change_something(c);
	} else if (what < 80) {
		repeat_something(c);
	} else if (what < 88) {
		ask_something(c);
	} else if (what < 90) {
		take_name(c);
	} else if (what < 96) {
		lose(c, chance(50));
	} else if (c->client->waiting) {
		c->client->waiting = 0;
		session_drained(&c->client->session);
	}
}

/* Somebody says much at once: more than a page, or than a ring. */
static void burst(unsigned n)
{
	struct conn *c = people[pick(PEOPLE)].conn;
	unsigned room = pick(ROOMS);

	for (unsigned i = 0; c && i < n && c->client->queued == 0 && !c->client->held && c->n_pending < PENDING - 300; i++)
		say_something(c, room);
}

static void turn(void)
{
	unsigned w = pick(world.n);

	mailbox_open(world.boxes[w], pick(5));
	if (chance(25))
		hub_send(world.hubs[pick(world.n)]);
	for (struct client *c = world.clients; c; c = c->next)
		if (chance(50))
			pump(c);
}

static int64_t clock_offset;

static void time_passes(void)
{
	clock_offset += pick(3000);
	clock_set_offset(clock_offset, clock_offset);
	for (unsigned i = 0; i < world.n; i++)
		hub_tick(world.hubs[i]);
}

static void begin(void)
{
	memset(people, 0, sizeof(people));
	memset(said, 0, sizeof(said));
	n_conns = n_orders = 0;
	n_said = n_requests = 0;
	clock_offset = 0;
	randomness = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	world_init();
	world.n = 2 + pick(2);
	world.past = (struct journal_memory_opts){ chance(60) ? 2000 : 20 + pick(50), 1000000, 600000 };
	world.policy.announce = chance(50) ? ANNOUNCE_NAME : ANNOUNCE_OFF;
	world.policy.recover_max = chance(70) ? 1000 : pick(20);
	world.policy.rooms_max = 3;
	world.hub.rules.max_rooms = chance(80) ? 10 : 2;
	world.hub.rules.announce_max = pick(10);
	world.hub.rules.room_keep = 2000;
	world.hub.rules.session_keep = chance(80) ? 120000 : 4000;
	world.hub.send_soon = chance(50) ? send_later : NULL;
	world.hub.key_kept = chance(50);
	world_open();
	if (chance(50)) {
		struct conn *c = conn_new(0);
		struct payload *name = payload_new(rooms[0], strlen(rooms[0]));

		c->plain = true;
		c->client = arrive(pick(world.n), "192.0.2.2");
		session_enter(&c->client->session, name, pick(5));
		payload_unref(name);
	}
}

/* All letters opened: everybody has everything. */
static void end(void)
{
	for (int i = 0; i < 5; i++) {
		settle();
		read_all();
		for (size_t k = 0; k < n_conns; k++) {
			struct client *c = conns[k]->client;

			if (c->waiting && !c->gone) {
				c->waiting = 0;
				session_drained(&c->session);
			}
		}
	}
	for (size_t k = 0; k < n_conns; k++) {
		struct conn *c = conns[k];

		if (c->plain || c->client->gone)
			continue;
		for (size_t i = 0; i < c->n_pending; i++)
			if (!c->pending[i].answered)
				fail_msg("NATTER_SEED=%lu: %u's request %s is not answered", seed, c->who, c->pending[i].cid);
		for (unsigned r = 0; r < ROOMS; r++) {
			const struct view *v = &c->views[r];

			if (v->in && (v->next ? v->next - 1 : v->joined) < v->order->max)
				fail_msg("NATTER_SEED=%lu: %u lacks messages of %s", seed, c->who, rooms[r]);
		}
	}
	for (size_t i = 0; i < n_orders; i++)
		for (unsigned r = 0; r < SAID; r++)
			free(orders[i]->texts[r]);
	for (size_t i = 0; i < n_orders; i++)
		free(orders[i]);
	world_close();
	for (size_t i = 0; i < n_conns; i++)
		free(conns[i]);
}

static void test_random_interleavings(void **state)
{
	const char *one = getenv("NATTER_SEED"), *many = getenv("NATTER_SEEDS");
	unsigned long first = one ? strtoul(one, NULL, 10) : 1;
	unsigned long n = one ? 1 : many ? strtoul(many, NULL, 10) : SEEDS;

	(void)state;
	for (seed = first; seed < first + n; seed++) {
		begin();
		for (unsigned i = 0; i < STEPS; i++) {
			if (chance(60))
				do_something();
			else
				turn();
			if (chance(1) && chance(50))
				time_passes();
			if (seed % 8 == 0 && i % 200 == 100)
				burst(250);
			read_all();
		}
		end();
	}
	print_message("seeds %lu to %lu: %lu lines, %lu recoveries, %lu resumptions, %lu repetitions, %lu replacements\n",
		      first, first + n - 1, lines_read, recoveries, resumptions, repetitions, replacements);
	if (!one && !many) { /* all of it has happened */
		assert_true(recoveries > n);
		assert_true(resumptions > n);
		assert_true(repetitions > n);
		assert_true(replacements > n / 4);
	}
}

/* ---- tokens that end ---- */

/* C is USER, with a token that ends in MS and is for the rooms of PATTERN (NULL: all). */
static void log_in(struct client *c, const char *user, const char *name, int64_t ms, const char *pattern)
{
	struct identity id = { .user = payload_new(user, strlen(user)), .role = ROLE_USER };
	const char *why;

	id.name = name ? payload_new(name, strlen(name)) : NULL;
	id.grant = grant_new(clock_wall_ms() + ms);
	if (pattern) {
		grant_limit(id.grant, GRANT_JOIN);
		assert_int_equal(grant_add(id.grant, GRANT_JOIN, pattern, strlen(pattern), &why), 0);
	}
	session_identify(&c->session, &id);
	if (c->session.is_v1)
		v1_keep_to_grant(&c->session);
	payload_unref(id.user);
	payload_unref(id.name);
	grant_unref(id.grant);
}

static void test_a_token_s_end(void **state)
{
	struct client *c, *renews, *guest, *plain;
	size_t n;

	(void)state;
	world_init();
	world_open();
	world.policy.token_warning = 60000;
	guest = welcomed(0, "192.0.2.3", NULL);
	c = welcomed(0, "192.0.2.1", NULL);
	renews = welcomed(world.n - 1, "192.0.2.2", NULL);
	plain = arrive(0, "192.0.2.4");
	log_in(plain, "9", NULL, 600000, NULL);
	log_in(c, "7", "Ann", 600000, NULL);
	log_in(renews, "8", "Bob", 600000, NULL);
	tick();
	clock_set_offset(0, 539000);
	n = c->n;
	tick();
	assert_int_equal(heard(c, n, "token_expiring"), 0);
	clock_set_offset(0, 540500);
	tick();
	tick();
	assert_int_equal(heard(c, n, "{\"type\":\"token_expiring\",\"in\":60}"), 1);
	assert_int_equal(heard(renews, 0, "token_expiring"), 1);
	assert_int_equal(heard(plain, 0, "token_expiring"), 0);
	/* another name does not renew it, nor tell it again */
	expect_answer(c, "{\"type\":\"name\",\"name\":\"Zoe\"}", "{\"type\":\"ok\"");
	log_in(renews, "8", "Bob", 600000, NULL);
	tick();
	assert_int_equal(heard(c, n, "token_expiring"), 1);
	clock_set_offset(0, 601000);
	tick();
	assert_int_equal(c->closed, CLOSE_token_expired);
	assert_int_equal(plain->closed, CLOSE_token_expired);
	assert_int_equal(renews->closed, -1);
	assert_int_equal(guest->closed, -1);
	/* the clock is set back: nothing happens twice */
	clock_set_offset(0, 0);
	tick();
	assert_int_equal(heard(renews, 0, "token_expiring"), 1);
	clock_set_offset(0, 1081000);
	tick();
	assert_int_equal(heard(renews, 0, "token_expiring"), 2);
	forget(renews); /* goes before its end */
	clock_set_offset(0, 9000000);
	tick();
	assert_int_equal(guest->closed, -1);
	world_close();
}

/* Nobody else hears of a renewal; a token for other rooms puts out of these. */
static void test_renewal_in_rooms(void **state)
{
	struct client *c, *other;
	size_t n;

	(void)state;
	world_init();
	world_open();
	other = welcomed(0, "192.0.2.3", "Bob");
	c = welcomed(world.n - 1, "192.0.2.1", NULL);
	log_in(c, "7", "Ann", 600000, NULL);
	expect_answer(other, "{\"type\":\"join\",\"room\":\"tea\"}", "joined");
	expect_answer(c, "{\"type\":\"join\",\"room\":\"tea\"}", "joined");
	expect_answer(c, "{\"type\":\"join\",\"room\":\"team-1\"}", "joined");
	n = other->n;
	log_in(c, "7", "Ann", 900000, NULL);
	log_in(c, "7", NULL, 900000, NULL); /* keeps its name */
	settle();
	assert_int_equal(other->n, n);
	log_in(c, "7", NULL, 900000, "team-*");
	settle();
	assert_int_equal(heard(c, 0, "{\"type\":\"kicked\",\"room\":\"tea\",\"reason\":\"your token does not allow this room\"}"), 1);
	assert_int_equal(heard(other, n, "\"event\":\"leave\",\"name\":\"Ann\""), 1);
	expect_answer(c, "{\"type\":\"message\",\"room\":\"tea\",\"message\":\"x\"}", "not_joined");
	expect_answer(c, "{\"type\":\"message\",\"cid\":\"1\",\"room\":\"team-1\",\"message\":\"x\"}", "{\"type\":\"ok\"");
	expect_answer(c, "{\"type\":\"join\",\"room\":\"tea\"}", "room_forbidden");
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_s_end),
		cmocka_unit_test(test_renewal_in_rooms),
		cmocka_unit_test(test_random_interleavings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
