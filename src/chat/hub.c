#include <config.h>

#include "chat/hub.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "chat/room.h"
#include "chat/session.h"

#include <stdlib.h>
#include <string.h>

/* More letters than this, waiting at one worker, make speakers slow down; looked at once in so many messages. */
#define LETTERS_BEHIND 2048
#define LOOK_EVERY 16

struct hub {
	struct hub_opts opts;
	struct room_opts room_opts;
	struct strmap *rooms;    /* struct room: those that are at home here */
	struct strmap *branches; /* struct branch: those with members here */
	struct strmap *speakers; /* struct session, by serial: those that said something */
	uint32_t last_serial;
	bool hushed, behind;
	unsigned said;
	struct letter_batch out[]; /* one a worker */
};

/* A room as this worker sees it: its members here. */
struct branch {
	struct payload *name;
	struct audience *audience;
	unsigned home;   /* the worker that gives the order */
	size_t members;  /* with those whose answer is on its way */
};

uint32_t hub_next_serial(struct hub *h) { return ++h->last_serial; }
uint64_t hub_id(const struct hub *h, uint32_t serial) { return ((uint64_t)(h->opts.self + 1) << 32) | serial; }
struct shared_map *hub_names(struct hub *h) { return h->opts.names; }
const struct payload *hub_room_name(const struct membership *m) { return m->branch->name; }

/* ---- letters ---- */

static void post(struct hub *h, unsigned worker, struct letter *letter)
{
	if (worker == h->opts.self || h->opts.send_soon == NULL)
		mailbox_post(h->opts.mailboxes[worker], letter);
	else if (letter_batch_add(&h->out[worker], letter))
		h->opts.send_soon(h->opts.send_arg);
}

unsigned hub_send(struct hub *h)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < h->opts.n; i++) {
		sent += h->out[i].newest != NULL;
		mailbox_post_batch(h->opts.mailboxes[i], &h->out[i]);
	}
	return sent;
}

/* ---- letters to a room's home ---- */

static unsigned home_of(const struct hub *h, const struct payload *room)
{
	return (unsigned)(strmap_hash(room->data, room->len) % h->opts.n);
}

struct home_letter {
	struct letter letter;
	struct payload *room;
	struct payload *text; /* body, line, or NULL */
	unsigned worker;
};

static void post_home(struct hub *h, const struct branch *b, void (*open)(struct letter *, void *),
		      struct payload *text)
{
	struct home_letter *l = malloc(sizeof(*l));

	if (l == NULL) {
		log_limited(LOG_LEVEL_ERROR, "no memory for a letter", "worker=%u", b->home);
		return;
	}
	*l = (struct home_letter){ { NULL, open }, payload_ref(b->name), payload_ref(text), h->opts.self };
	post(h, b->home, &l->letter);
}

static void home_letter_free(struct home_letter *l)
{
	payload_unref(l->room);
	payload_unref(l->text);
	free(l);
}

static struct room *room_of(struct hub *h, const struct home_letter *l)
{
	return strmap_get(h->rooms, l->room->data, l->room->len);
}

static void open_leave(struct letter *letter, void *reader)
{
	struct home_letter *l = (struct home_letter *)letter;
	struct hub *h = reader;
	struct room *r = room_of(h, l);

	if (r)
		room_leave(r, l->worker, h->hushed ? NULL : l->text);
	home_letter_free(l);
}

static void open_say(struct letter *letter, void *reader)
{
	struct say_letter *l = (struct say_letter *)letter;
	struct room *r = strmap_get(((struct hub *)reader)->rooms, l->room->data, l->room->len);

	if (r)
		room_say(r, l);
	else
		say_letter_free(l);
}

static void open_relay(struct letter *letter, void *reader)
{
	struct home_letter *l = (struct home_letter *)letter;
	struct room *r = room_of(reader, l);

	if (r)
		room_relay(r, l->text);
	home_letter_free(l);
}

/* Frees R, whose place among max_rooms is the caller's then. */
static void remove_room(struct hub *h, struct room *r)
{
	strmap_del(h->rooms, room_name(r)->data, room_name(r)->len);
	room_free(r);
}

/* The room here that is empty longest gives way to a new one, somewhere. Whether one did: its place is the caller's. */
static bool make_place(struct hub *h)
{
	struct room *r, *oldest = NULL;

	for (size_t pos = 0; (r = strmap_next(h->rooms, &pos, NULL, NULL)) != NULL;)
		if (room_is_empty(r) && (oldest == NULL || room_empty_since(r) < room_empty_since(oldest)))
			oldest = r;
	if (oldest)
		remove_room(h, oldest);
	return oldest != NULL;
}

static void give_place(struct hub *h, struct join_letter *l)
{
	if (l->place)
		shared_count_give(h->opts.rooms);
	l->place = false;
}

/* A room in the place that L has with it, or NULL: no memory. */
static struct room *new_room(struct hub *h, struct join_letter *l)
{
	struct room *r = room_new(&h->room_opts, l->room);

	if (r && strmap_put(h->rooms, l->room->data, l->room->len, r) == 0) {
		l->place = false;
		return r;
	}
	room_free(r);
	return NULL;
}

static void open_join(struct letter *letter, void *reader);

/* Another worker asks for the place of an empty room. */
static void open_ask(struct letter *letter, void *reader)
{
	struct join_letter *l = (struct join_letter *)letter;
	struct hub *h = reader;

	l->place = make_place(h);
	l->letter.open = open_join;
	post(h, home_of(h, l->room), letter);
}

static void open_join(struct letter *letter, void *reader)
{
	struct join_letter *l = (struct join_letter *)letter;
	struct hub *h = reader;
	struct room *r = strmap_get(h->rooms, l->room->data, l->room->len);

	if (r == NULL) {
		l->place = l->place || shared_count_take(h->opts.rooms, h->opts.max_rooms) || make_place(h);
		if (!l->place && ++l->asked < h->opts.n) {
			l->letter.open = open_ask;
			post(h, (h->opts.self + l->asked) % h->opts.n, letter);
			return;
		}
		r = l->place ? new_room(h, l) : NULL;
	}
	give_place(h, l);
	if (r) {
		room_join(r, l);
		return;
	}
	l->letter.open = h->room_opts.answer;
	post(h, l->worker, letter);
}

/* ---- letters from a room's home ---- */

static struct branch *branch_of(struct hub *h, const struct payload *room)
{
	return strmap_get(h->branches, room->data, room->len);
}

static void open_publish(struct letter *letter, void *reader)
{
	struct publish_letter *l = (struct publish_letter *)letter;
	struct branch *b = branch_of(reader, l->room);

	if (b)
		b->audience->ops->publish(b->audience, l->text, l->dialects);
	payload_unref(l->room);
	payload_unref(l->text);
	free(l);
}

/* A message came back; who said it may be gone. */
static void open_refused(struct letter *letter, void *reader)
{
	struct say_letter *l = (struct say_letter *)letter;
	struct hub *h = reader;
	struct session *s = strmap_get(h->speakers, (const char *)&l->serial, sizeof(l->serial));

	if (s)
		session_refused(s, l->why);
	say_letter_free(l);
}

static void branch_release(struct hub *h, struct branch *b)
{
	if (--b->members > 0)
		return;
	strmap_del(h->branches, b->name->data, b->name->len);
	b->audience->ops->free(b->audience);
	payload_unref(b->name);
	free(b);
}

/* The home's answer to a join; whether the session is still there is for us to say. */
static void open_answer(struct letter *letter, void *reader)
{
	struct join_letter *l = (struct join_letter *)letter;
	struct membership *m = l->member;
	struct branch *b = l->branch;
	struct hub *h = reader;
	bool in = l->joined && m;

	if (l->joined && m == NULL) {
		post_home(h, b, open_leave, l->parting);
	} else if (in && b->audience->ops->add(b->audience, &m->seat, &session_of(m)->sink) < 0) {
		post_home(h, b, open_leave, NULL);
		in = false;
	}
	if (!in)
		branch_release(h, b);
	if (m) {
		m->seat.taken = in;
		m->branch = in ? b : NULL;
		session_joined(session_of(m), m, l->past, l->n_past);
	}
	join_letter_free(l);
}

/* ---- what sessions ask for ---- */

static struct branch *branch_get(struct hub *h, struct payload *room)
{
	struct branch *b = branch_of(h, room);

	if (b)
		return b;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return NULL;
	b->audience = h->opts.audience_new(h->opts.audience_arg);
	if (b->audience == NULL || strmap_put(h->branches, room->data, room->len, b) < 0) {
		if (b->audience)
			b->audience->ops->free(b->audience);
		free(b);
		return NULL;
	}
	b->name = payload_ref(room);
	b->home = home_of(h, room);
	return b;
}

int hub_join(struct hub *h, struct membership *m, struct payload *room, uint32_t history, struct payload *arrival)
{
	struct join_letter *l = calloc(1, sizeof(*l));
	struct branch *b = l ? branch_get(h, room) : NULL;

	if (b == NULL) {
		free(l);
		return -1;
	}
	b->members++;
	*m = (struct membership){ .seat.place = { l }, .branch = b };
	l->letter.open = open_join;
	l->worker = h->opts.self;
	l->room = payload_ref(room);
	l->branch = b;
	l->member = m;
	l->arrival = h->hushed ? NULL : payload_ref(arrival);
	l->history = history;
	post(h, b->home, &l->letter);
	return 0;
}

void hub_leave(struct hub *h, struct membership *m, struct payload *parting)
{
	struct join_letter *asked = m->seat.taken ? NULL : m->seat.place[0];
	struct branch *b = m->branch;

	if (b == NULL)
		return;
	if (h->hushed)
		parting = NULL; /* the home may not know yet */
	m->branch = NULL;
	if (asked) {
		/* The answer will find nobody, and leave for us. */
		asked->member = NULL;
		asked->parting = payload_ref(parting);
		return;
	}
	b->audience->ops->remove(b->audience, &m->seat);
	post_home(h, b, open_leave, parting);
	branch_release(h, b);
}

void hub_say(struct hub *h, const struct membership *m, struct payload *body, struct payload *sender, uint32_t serial)
{
	struct say_letter *l = malloc(sizeof(*l));

	if (l == NULL) {
		log_limited(LOG_LEVEL_ERROR, "no memory for a letter", "worker=%u", m->branch->home);
		return;
	}
	*l = (struct say_letter){ .letter.open = open_say, .worker = h->opts.self, .serial = serial };
	l->room = payload_ref(m->branch->name);
	l->body = payload_ref(body);
	l->sender = payload_ref(sender);
	post(h, m->branch->home, &l->letter);
}

int hub_add_speaker(struct hub *h, uint32_t serial, struct session *s)
{
	return strmap_put(h->speakers, (const char *)&serial, sizeof(serial), s);
}

void hub_remove_speaker(struct hub *h, uint32_t serial)
{
	strmap_del(h->speakers, (const char *)&serial, sizeof(serial));
}

void hub_relay(struct hub *h, const struct membership *m, struct payload *text)
{
	post_home(h, m->branch, open_relay, text);
}

bool hub_is_behind(struct hub *h)
{
	if (!h->behind && ++h->said % LOOK_EVERY)
		return false;
	h->behind = false;
	for (unsigned i = 0; i < h->opts.n && !h->behind; i++)
		h->behind = i != h->opts.self && mailbox_waiting(h->opts.mailboxes[i]) > LETTERS_BEHIND;
	return h->behind;
}

/* ---- life ---- */

struct hub *hub_new(const struct hub_opts *opts)
{
	struct hub *h = calloc(1, sizeof(*h) + opts->n * sizeof(h->out[0]));

	if (h == NULL)
		return NULL;
	h->opts = *opts;
	h->room_opts = (struct room_opts){ &h->opts, h, post, open_answer, open_refused, open_publish };
	h->rooms = strmap_new();
	h->branches = strmap_new();
	h->speakers = strmap_new();
	if (h->rooms && h->branches && h->speakers)
		return h;
	hub_free(h);
	return NULL;
}

void hub_free(struct hub *h)
{
	struct room *r;

	if (h == NULL)
		return;
	for (size_t pos = 0; h->rooms && (r = strmap_next(h->rooms, &pos, NULL, NULL)) != NULL;) {
		room_free(r);
		shared_count_give(h->opts.rooms);
	}
	strmap_free(h->rooms);
	strmap_free(h->branches);
	strmap_free(h->speakers);
	free(h);
}

void hub_hush(struct hub *h) { h->hushed = true; }

void hub_tick(struct hub *h)
{
	uint64_t now = clock_ms();
	struct room *r, *over = NULL;

	for (size_t pos = 0; (r = strmap_next(h->rooms, &pos, NULL, NULL)) != NULL;) {
		room_tick(r);
		if (room_is_empty(r) && now - room_empty_since(r) >= h->opts.room_keep)
			over = r;
	}
	/* The map must not change in the walk: one a tick is enough, max_rooms makes its own place. */
	if (over) {
		remove_room(h, over);
		shared_count_give(h->opts.rooms);
	}
}
