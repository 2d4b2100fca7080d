#include <config.h>

#include "chat/hub.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "chat/directory.h"
#include "chat/expiry.h"
#include "chat/json_text.h"
#include "chat/keeper.h"
#include "chat/message.h"
#include "chat/name_cache.h"
#include "chat/room.h"
#include "chat/session.h"

#include <jansson.h>
#include <stdio.h>
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
	struct directory *directory;
	struct name_cache *name_keys;
	struct keeper *keeper;
	struct expiry *expiry, *strangers; /* whose token ends; and who has to log in, by monotonic time */
	uint32_t last_serial, last_place;
	bool hushed, behind;
	unsigned said;
	struct journal_port port;
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
uint32_t hub_next_place(struct hub *h) { return ++h->last_place; }
uint64_t hub_id(const struct hub *h, uint32_t serial) { return ((uint64_t)(h->opts.self + 1) << 32) | serial; }
struct shared_map *hub_names(struct hub *h) { return h->opts.names; }
const struct hub_opts *hub_options(const struct hub *h) { return &h->opts; }
const struct hub_rules *hub_rules(const struct hub *h) { return &h->opts.rules; }
void hub_set_rules(struct hub *h, const struct hub_rules *r) { h->opts.rules = *r; }
struct expiry *hub_expiry(struct hub *h) { return h->expiry; }
struct expiry *hub_strangers(struct hub *h) { return h->strangers; }
struct keeper *hub_keeper(struct hub *h) { return h->keeper; }
struct name_cache *hub_name_keys(struct hub *h) { return h->name_keys; }
struct directory *hub_directory(struct hub *h) { return h->directory; }
struct session *hub_session(struct hub *h, uint32_t serial) { return directory_get(h->directory, serial); }
const struct payload *hub_room_name(const struct membership *m) { return m->branch->name; }

/* ---- letters ---- */

static void post(struct hub *h, unsigned worker, struct letter *letter)
{
	if (worker == h->opts.self || h->opts.send_soon == NULL)
		mailbox_post(h->opts.mailboxes[worker], letter);
	else if (letter_batch_add(&h->out[worker], letter))
		h->opts.send_soon(h->opts.send_arg);
}

void hub_post(struct hub *h, unsigned worker, struct letter *l) { post(h, worker, l); }

unsigned hub_send(struct hub *h)
{
	/* first: what a letter brings about at another worker is asked of the journal behind it */
	unsigned sent = h->opts.journal->ops->send(h->opts.journal, &h->port);

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
	struct payload *text;
};

static void home_letter_free(struct home_letter *l)
{
	payload_unref(l->room);
	payload_unref(l->text);
	free(l);
}

struct room *hub_home_room(struct hub *h, const struct payload *name)
{
	return strmap_get(h->rooms, name->data, name->len);
}

static void part_letter_free(struct part_letter *l)
{
	payload_unref(l->room);
	payload_unref(l->line);
	person_unref(l->person);
	person_unref(l->now);
	free(l);
}

static void open_part(struct letter *letter, void *reader)
{
	struct part_letter *l = (struct part_letter *)letter;
	struct hub *h = reader;
	struct room *r = hub_home_room(h, l->room);

	l->announced = l->announced && !h->hushed;
	if (r)
		room_part(r, l);
	part_letter_free(l);
}

/* M's member of PERSON goes. */
static void post_part(struct hub *h, const struct branch *b, bool v1, struct person *person, bool announced,
		      struct payload *line)
{
	struct part_letter *l = malloc(sizeof(*l));

	if (l == NULL) {
		log_limited(LOG_LEVEL_ERROR, "no memory for a letter", "worker=%u", b->home);
		return;
	}
	*l = (struct part_letter){ .letter.open = open_part, .room = payload_ref(b->name), .worker = h->opts.self,
				   .v1 = v1, .announced = announced, .person = person_ref(person),
				   .line = payload_ref(line) };
	post(h, b->home, &l->letter);
}

void hub_rename(struct hub *h, struct membership *m, struct person *old, struct person *now, bool announced)
{
	struct part_letter *l = m->branch && !person_is_same(old, now) ? calloc(1, sizeof(*l)) : NULL;

	if (l == NULL)
		return;
	l->letter.open = open_part;
	l->room = payload_ref(m->branch->name);
	l->worker = h->opts.self;
	l->renamed = true;
	l->announced = announced;
	l->person = person_ref(old);
	l->now = person_ref(now);
	post(h, m->branch->home, &l->letter);
}

static void open_relay(struct letter *letter, void *reader)
{
	struct home_letter *l = (struct home_letter *)letter;
	struct room *r = hub_home_room(reader, l->room);

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
	struct room *r = hub_home_room(h, l->room);

	if (r == NULL) {
		l->place = l->place || shared_count_take(h->opts.rooms, h->opts.rules.max_rooms) || make_place(h);
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
	l->why = REPLY_too_many_rooms;
	l->letter.open = h->room_opts.answer;
	post(h, l->worker, letter);
}

/* ---- requests, at the home and on the way ---- */

static void send_back(struct hub *h, struct request *q)
{
	q->letter.open = h->room_opts.answered;
	post(h, q->worker, &q->letter);
}

/* A room for a request that needs none to have been there. */
static struct room *room_for(struct hub *h, struct request *q)
{
	struct room *r;

	if (!shared_count_take(h->opts.rooms, h->opts.rules.max_rooms) && !make_place(h))
		return NULL;
	r = room_new(&h->room_opts, q->room);
	if (r && strmap_put(h->rooms, q->room->data, q->room->len, r) == 0)
		return r;
	room_free(r);
	shared_count_give(h->opts.rooms);
	return NULL;
}

static void open_request(struct letter *letter, void *reader)
{
	struct request *q = (struct request *)letter;
	struct hub *h = reader;
	struct room *r = hub_home_room(h, q->room);

	if (r == NULL && q->create)
		r = room_for(h, q);
	if (r) {
		room_ask(r, q);
		return;
	}
	q->why = q->create ? REPLY_too_many_rooms : REPLY_not_joined;
	send_back(h, q);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(room_name(*(struct room *const *)a)->data, room_name(*(struct room *const *)b)->data);
}

/* Adds this worker's rooms to those of the workers before it. */
static void collect_rooms(struct hub *h, struct request *q)
{
	struct room **all = malloc((strmap_count(h->rooms) + 1) * sizeof(struct room *)), *r;
	size_t n = 0;

	for (size_t pos = 0; all && (r = strmap_next(h->rooms, &pos, NULL, NULL)) != NULL;)
		if (room_name(r)->data[0] != '@' && strcmp(room_name(r)->data, q->text->data) > 0)
			all[n++] = r;
	if (n)
		qsort(all, n, sizeof(struct room *), by_name);
	for (size_t i = 0; i < n && i <= q->limit; i++)
		json_array_append_new(q->rows, room_row(all[i]));
	free(all);
}

static void open_rooms(struct letter *letter, void *reader)
{
	struct request *q = (struct request *)letter;
	struct hub *h = reader;

	collect_rooms(h, q);
	if (++q->asked < h->opts.n)
		post(h, (h->opts.self + 1) % h->opts.n, letter);
	else
		send_back(h, q);
}

static size_t deliver(struct hub *h, uint64_t holder, struct payload *text)
{
	struct session *one, **all;
	size_t n = holder ? directory_find(h->directory, holder, &one, &all) : 0, heard = 0;

	for (size_t i = 0; i < n; i++)
		heard += session_deliver(all[i], text);
	return heard;
}

static void open_deliver(struct letter *letter, void *reader)
{
	struct direct_letter *l = (struct direct_letter *)letter;

	deliver(reader, l->holders[0], l->text);
	if (l->holders[1] != l->holders[0])
		deliver(reader, l->holders[1], l->text);
	payload_unref(l->text);
	free(l);
}

static void open_direct(struct letter *letter, void *reader)
{
	struct request *q = (struct request *)letter;
	struct hub *h = reader;

	q->limit += (uint32_t)deliver(h, q->holder, q->body);
	if (++q->asked < h->opts.n && person_is_user(q->holder)) {
		post(h, (h->opts.self + 1) % h->opts.n, letter);
		return;
	}
	if (q->limit == 0)
		q->why = REPLY_not_there;
	send_back(h, q);
}

/* Q, which is for its target's user, says so and has its room. false: no memory. */
static bool address(struct request *q)
{
	json_t *o = json_pack("{s:s}", "to", q->target.user->data);
	struct payload *to = o ? json_text_open(o) : NULL, *body = NULL;

	if (to) {
		to->data[0] = ',';
		body = message_sign(q->body, to->data);
	}
	payload_unref(to);
	json_decref(o);
	if (body == NULL)
		return false;
	payload_unref(q->body);
	q->body = body;
	q->room = hub_conversation(person_user(q->by), q->target.user->data);
	return q->room != NULL;
}

/* Looks for whose number it is. */
static void open_conversation(struct letter *letter, void *reader)
{
	struct request *q = (struct request *)letter;
	struct hub *h = reader;
	struct session *one, **all;

	if (q->target.user == NULL && directory_find(h->directory, q->holder, &one, &all))
		q->target.user = session_user(all[0]);
	if (q->target.user && address(q)) {
		q->letter.open = open_request;
		post(h, home_of(h, q->room), letter);
	} else if (++q->asked < h->opts.n) {
		post(h, (h->opts.self + 1) % h->opts.n, letter);
	} else {
		q->why = REPLY_not_there;
		send_back(h, q);
	}
}

static void open_located(struct letter *letter, void *reader)
{
	struct request *q = (struct request *)letter;
	struct room *r = hub_home_room(reader, q->room);

	if (r) {
		room_located(r, q);
		return;
	}
	q->why = REPLY_not_joined;
	send_back(reader, q);
}

/* The address of a guest here, for a ban or a mute. */
static void open_locate(struct letter *letter, void *reader)
{
	struct request *q = (struct request *)letter;
	struct session *one, **all;

	payload_unref(q->address);
	q->address = NULL;
	if (directory_find(hub_directory(reader), q->holder, &one, &all)) {
		const char *address = all[0]->sink.ops->address(&all[0]->sink);

		q->address = payload_new(address, strlen(address));
	}
	letter->open = open_located;
	post(reader, home_of(reader, q->room), letter);
}

static void open_disciplined(struct letter *letter, void *reader)
{
	struct request *q = (struct request *)letter;
	struct room *r = hub_home_room(reader, q->room);

	if (r)
		room_discipline(r, q);
	else
		send_back(reader, q);
}

/* What a moderator does to a holder's sessions; the answer comes when all know. */
static void open_discipline(struct letter *letter, void *reader)
{
	struct request *q = (struct request *)letter;
	struct hub *h = reader;
	struct session *one, **all;
	size_t n = directory_find(h->directory, q->holder, &one, &all);

	for (size_t i = 0; i < n; i++)
		session_discipline(all[i], q->room, q->news, q->out, q->muted);
	letter->open = open_disciplined;
	post(h, home_of(h, q->room), letter);
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

/* A request came back; who asked may be gone. */
static void open_answered(struct letter *letter, void *reader)
{
	struct request *q = (struct request *)letter;
	struct session *s = hub_session(reader, q->serial);

	if (s)
		q->answered(s, q);
	request_free(q);
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
		post_part(h, b, l->v1, l->person, l->announced, l->parting);
	} else if (in && b->audience->ops->add(b->audience, &m->seat, &l->session->sink,
					       l->v1 ? DIALECT_V1 : DIALECT_PLAIN) < 0) {
		post_part(h, b, l->v1, l->person, l->announced, NULL);
		l->why = REPLY_too_many_rooms;
		in = l->joined = false;
	}
	if (l->more && m) {
		session_joined(l->session, m, l); /* keeps it */
		return;
	}
	if (!in)
		branch_release(h, b);
	if (m) {
		m->seat.taken = in;
		m->seat.muted = l->muted;
		m->branch = in ? b : NULL;
		session_joined(l->session, m, l);
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

int hub_join(struct hub *h, struct membership *m, struct session *s, const struct hub_wish *wish)
{
	struct join_letter *l = calloc(1, sizeof(*l));
	struct branch *b = l ? branch_get(h, wish->room) : NULL;

	if (b == NULL) {
		free(l);
		return -1;
	}
	b->members++;
	m->seat.place[0] = l;
	m->seat.taken = false;
	m->seat.v1 = wish->v1;
	m->branch = b;
	l->letter.open = open_join;
	l->worker = h->opts.self;
	l->v1 = wish->v1;
	l->room = payload_ref(wish->room);
	l->branch = b;
	l->member = m;
	l->session = s;
	l->cid = payload_ref(wish->cid);
	l->person = person_ref(wish->person);
	l->address = wish->address ? payload_new(wish->address, strlen(wish->address)) : NULL;
	l->announced = wish->announced && !h->hushed;
	l->arrival = l->announced ? payload_ref(wish->arrival) : NULL;
	l->history = wish->history;
	l->since = l->asked_since = wish->since;
	if (wish->since)
		snprintf(l->from_epoch, sizeof(l->from_epoch), "%s", wish->epoch);
	l->from = wish->seq;
	l->recover_max = wish->recover_max;
	post(h, b->home, &l->letter);
	return 0;
}

struct join_letter *hub_parked(const struct membership *m)
{
	struct join_letter *l = m->branch && !m->seat.taken ? m->seat.place[0] : NULL;

	return l && l->parked ? l : NULL;
}

void hub_join_more(struct hub *h, struct join_letter *l)
{
	l->parked = false;
	l->letter.open = open_join;
	post(h, l->branch->home, &l->letter);
}

void hub_leave(struct hub *h, struct membership *m, struct person *p, bool announced, struct payload *parting)
{
	struct join_letter *asked = m->seat.taken ? NULL : m->seat.place[0];
	struct branch *b = m->branch;

	if (b == NULL)
		return;
	if (h->hushed)
		announced = false; /* the home may not know yet */
	m->branch = NULL;
	if (asked && asked->parked) {
		branch_release(h, b);
		join_letter_free(asked);
		return;
	}
	if (asked) {
		/* The answer will find nobody, and leave for us. */
		asked->member = NULL;
		asked->parting = announced ? payload_ref(parting) : NULL;
		return;
	}
	b->audience->ops->remove(b->audience, &m->seat);
	m->seat.taken = false;
	post_part(h, b, m->seat.v1, p, announced, parting);
	branch_release(h, b);
}

/* Q sets out for WORKER. */
static void set_out(struct hub *h, struct request *q, uint32_t serial, unsigned worker,
		    void (*open)(struct letter *, void *))
{
	q->worker = h->opts.self;
	q->serial = serial;
	q->letter.open = open;
	post(h, worker, &q->letter);
}

void hub_ask(struct hub *h, struct request *q, uint32_t serial)
{
	set_out(h, q, serial, home_of(h, q->room), open_request);
}

void hub_ask_rooms(struct hub *h, struct request *q, uint32_t serial)
{
	q->rows = json_array();
	set_out(h, q, serial, h->opts.self, open_rooms);
}

void hub_ask_direct(struct hub *h, struct request *q, uint32_t serial)
{
	bool user = person_is_user(q->holder);

	set_out(h, q, serial, user ? h->opts.self : (unsigned)(q->holder >> 32) - 1, open_direct);
}

void hub_ask_conversation(struct hub *h, struct request *q, uint32_t serial)
{
	set_out(h, q, serial, h->opts.self, open_conversation);
}

struct payload *hub_conversation(const char *one, const char *other)
{
	const char *a = strcmp(one, other) <= 0 ? one : other, *b = a == one ? other : one;
	size_t n = strlen(a), m = strlen(b);
	struct payload *p = payload_new(NULL, n + m + 2);

	if (p == NULL)
		return NULL;
	p->data[0] = '@';
	memcpy(p->data + 1, a, n);
	p->data[n + 1] = ROOM_USERS_APART;
	memcpy(p->data + n + 2, b, m);
	return p;
}

void hub_ask_state(struct hub *h, struct journal_state *s)
{
	h->opts.journal->ops->state(h->opts.journal, &h->port, s);
}

void hub_relay(struct hub *h, const struct membership *m, struct payload *text)
{
	struct home_letter *l = malloc(sizeof(*l));

	if (l == NULL) {
		log_limited(LOG_LEVEL_ERROR, "no memory for a letter", "worker=%u", m->branch->home);
		return;
	}
	*l = (struct home_letter){ { NULL, open_relay }, payload_ref(m->branch->name), payload_ref(text) };
	post(h, m->branch->home, &l->letter);
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
	h->port = (struct journal_port){ .to = opts->mailboxes[opts->self], .send_soon = opts->send_soon, .arg = opts->send_arg };
	h->room_opts = (struct room_opts){ &h->opts, h, &h->port, post, open_answer, open_answered, open_publish, open_deliver,
					   open_discipline, open_locate };
	h->rooms = strmap_new();
	h->branches = strmap_new();
	h->directory = directory_new(opts->self, opts->users);
	h->name_keys = name_cache_new();
	h->keeper = keeper_new(h);
	h->expiry = expiry_new();
	h->strangers = expiry_new();
	if (h->rooms && h->branches && h->directory && h->name_keys && h->keeper && h->expiry && h->strangers)
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
	h->opts.journal->ops->send(h->opts.journal, &h->port);
	strmap_free(h->rooms);
	strmap_free(h->branches);
	directory_free(h->directory);
	name_cache_free(h->name_keys);
	keeper_free(h->keeper);
	expiry_free(h->expiry);
	expiry_free(h->strangers);
	free(h);
}

static void tell_expiring(struct hub *h)
{
	int64_t now = clock_wall_ms(), left;
	struct session *s;

	while ((s = expiry_next(h->expiry, now, &left)) != NULL)
		session_expiring(s, left);
	while ((s = expiry_next(h->strangers, (int64_t)clock_ms(), &left)) != NULL)
		s->sink.ops->close(&s->sink, CLOSE_auth_timeout);
}

void hub_hush(struct hub *h) { h->hushed = true; }

void hub_tick(struct hub *h)
{
	uint64_t now = clock_ms();
	struct room *r, *over = NULL;

	keeper_tick(h->keeper);
	tell_expiring(h);

	for (size_t pos = 0; (r = strmap_next(h->rooms, &pos, NULL, NULL)) != NULL;) {
		room_tick(r);
		if (room_is_empty(r) && now - room_empty_since(r) >= h->opts.rules.room_keep)
			over = r;
	}
	/* The map must not change in the walk: one a tick is enough, max_rooms makes its own place. */
	if (over) {
		remove_room(h, over);
		shared_count_give(h->opts.rooms);
	}
}
