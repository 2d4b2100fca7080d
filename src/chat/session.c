#include <config.h>

#include "chat/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "chat/directory.h"
#include "chat/expiry.h"
#include "chat/json_text.h"
#include "chat/keeper.h"
#include "chat/name.h"
#include "chat/name_cache.h"
#include "chat/reply.h"
#include "chat/room.h"
#include "chat/v1.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Since when a session presses is told in units of so many ms, in 22 bits: 6 days go round. */
#define PRESSING_UNIT 128
#define PRESSING_MASK 0x3fffffu

/* A message that comes so long (ms) after a pause was not waiting meanwhile. */
#define BREAK_MS 1000

/* Who speaks while another worker is behind is not read for so long. */
#define BEHIND_MS 5

uint64_t session_id(const struct session *s) { return hub_id(s->hub, s->serial); }

void session_init(struct session *s, struct hub *hub, const struct session_policy *policy, const struct sink_ops *ops)
{
	s->sink.ops = ops;
	s->hub = hub;
	s->policy = policy;
	s->serial = hub_next_serial(hub);
	bucket_init(&s->bucket, &policy->rate, clock_ms());
}

static const char *shown(const struct session *s)
{
	return s->person ? person_shown(s->person) : "guest";
}

struct payload *session_line(struct session *s, const char *what)
{
	const char *who = shown(s);
	char line[NAME_MAX_BYTES + 128];

	if (s->policy->announce == ANNOUNCE_OFF)
		return NULL;
	if (s->policy->announce == ANNOUNCE_ADDRESS)
		who = s->sink.ops->address(&s->sink);
	snprintf(line, sizeof(line), "%s %s", who, what);
	return reply_system(line);
}

static bool is_announced(const struct session *s) { return s->policy->announce != ANNOUNCE_OFF; }

static bool enlist(struct session *s)
{
	if (!s->registered)
		s->registered = directory_add(hub_directory(s->hub), s) == 0;
	return s->registered;
}

/* It logged in, or is gone. */
static void end_waiting(struct session *s)
{
	if (s->stranger)
		expiry_clear(hub_strangers(s->hub), s->serial);
	s->stranger = false;
}

/* Its token's end was WAS and is NOW; 0: it has none. */
static void note_expiry(struct session *s, int64_t was, int64_t now)
{
	struct expiry *x = hub_expiry(s->hub);

	if (now == 0 && was)
		expiry_clear(x, s->serial);
	else if (now != was && expiry_set(x, s->serial, s, now - s->policy->token_warning, now) < 0)
		s->sink.ops->close(&s->sink, CLOSE_no_memory);
}

void session_expiring(struct session *s, int64_t left)
{
	if (left == 0)
		s->sink.ops->close(&s->sink, CLOSE_token_expired);
	else if (s->is_v1)
		v1_expiring(s, left);
}

static void release_name(struct session *s, const struct person *p)
{
	if (person_key(p))
		shared_map_release(hub_options(s->hub)->names, person_key(p), strlen(person_key(p)), p->holder);
}

/* Leaves all rooms. */
static void depart(struct session *s)
{
	struct payload *line;

	if (s->is_v1) {
		v1_clear(s, is_announced(s));
		return;
	}
	line = s->room.branch ? session_line(s, "disconnected") : NULL;
	if (s->room.branch)
		hub_leave(s->hub, &s->room, s->person, is_announced(s), line);
	payload_unref(line);
}

void session_clear(struct session *s)
{
	bool kept = s->is_v1;

	if (s->hub == NULL)
		return;
	note_expiry(s, grant_expires(person_grant(s->person)), 0);
	end_waiting(s);
	depart(s); /* a v1's name goes to the keeper */
	if (s->registered)
		directory_remove(hub_directory(s->hub), s);
	if (s->logged_in)
		directory_logout(hub_directory(s->hub), s->person->holder, s);
	s->registered = s->logged_in = false;
	if (!kept)
		release_name(s, s->person);
	person_unref(s->person);
	s->person = NULL;
	s->is_v1 = false;
}

/* ---- names ---- */

void session_become(struct session *s, struct person *p, bool keep)
{
	struct person *old = s->person;

	if (s->logged_in)
		directory_logout(hub_directory(s->hub), old->holder, s);
	s->person = p;
	note_expiry(s, grant_expires(person_grant(old)), grant_expires(person_grant(p)));
	if (person_user(p))
		end_waiting(s);
	s->logged_in = person_user(p) && directory_login(hub_directory(s->hub), p->holder, s) == 0;
	if (p)
		enlist(s);
	if (s->is_v1)
		v1_renamed(s, old, p);
	else if (s->room.branch && s->room.seat.taken)
		hub_rename(s->hub, &s->room, old, p, is_announced(s));
	if (!keep)
		release_name(s, old);
	person_unref(old);
}

/* Claims KEY for S as USER, or as a guest; the other's number if it is taken. */
static uint64_t claim(struct session *s, const struct payload *key, const char *user)
{
	return shared_map_claim(hub_options(s->hub)->names, key->data, key->len,
				user ? person_holder(user) : session_id(s));
}

enum reply session_claim(struct session *s, const char *name, struct person **p)
{
	const char *user = person_user(s->person);
	struct payload *key = name_key(name, strlen(name));

	*p = NULL;
	if (key == NULL)
		return REPLY_bad_name;
	if (user == NULL && name_list_has(s->policy->reserved_names, key)) {
		payload_unref(key);
		return REPLY_name_reserved;
	}
	if (claim(s, key, user) == 0)
		*p = person_renamed(s->person, name, session_id(s));
	payload_unref(key);
	return *p ? REPLY_COUNT : REPLY_name_taken;
}

/* REPLY_COUNT: it is its name. Else WHY, of WHY_MAX bytes, says more. */
#define WHY_MAX (NAME_MAX_BYTES + 64)
static enum reply take(struct session *s, const char *name, size_t len, char *why)
{
	const char *wrong = NULL;
	struct payload *prepared = name_person(name, len, &wrong);
	struct person *p = NULL;
	enum reply bad = prepared ? session_claim(s, prepared->data, &p) : REPLY_bad_name;

	if (p)
		session_become(s, p, false);
	snprintf(why, WHY_MAX, "%s", prepared ? prepared->data : wrong ? wrong : "there is no memory");
	payload_unref(prepared);
	return bad;
}

void session_ask_name(struct session *s, const char *name, size_t len)
{
	char why[WHY_MAX];
	enum reply bad = take(s, name, len, why);

	if (bad != REPLY_COUNT)
		reply_error(&s->sink, bad, why);
}

/* A token's name is a guest's: the guest's worker is asked to take it away, and the answer comes back. */
struct take_letter {
	struct letter letter;
	struct payload *key, *name;
	uint64_t holder, to; /* the guest's number, and the user's */
	unsigned worker;     /* of who takes it, */
	uint32_t serial;
	bool taken;
};

static void open_taken(struct letter *letter, void *reader)
{
	struct take_letter *l = (struct take_letter *)letter;
	struct session *s = hub_session(reader, l->serial);
	struct shared_map *names = hub_options(reader)->names;
	struct person *p = NULL;

	if (s && s->person && s->person->holder == l->to && person_name(s->person) == NULL &&
	    (l->taken || shared_map_claim(names, l->key->data, l->key->len, l->to) == 0))
		p = person_renamed(s->person, l->name->data, session_id(s));
	else if (l->taken)
		shared_map_release(names, l->key->data, l->key->len, l->to);
	if (p)
		session_become(s, p, false);
	payload_unref(l->key);
	payload_unref(l->name);
	free(l);
}

static void open_take(struct letter *letter, void *reader)
{
	struct take_letter *l = (struct take_letter *)letter;
	struct hub *h = reader;
	struct session *s = hub_session(h, (uint32_t)l->holder);

	l->taken = shared_map_move(hub_options(h)->names, l->key->data, l->key->len, l->holder, l->to);
	if (l->taken && s && s->person && person_user(s->person) == NULL)
		session_become(s, NULL, true);
	else if (l->taken)
		keeper_take_name(hub_keeper(h), (uint32_t)l->holder);
	l->letter.open = open_taken;
	hub_post(h, l->worker, letter);
}

static void take_name(struct session *s, const char *name, struct payload *key, uint64_t holder)
{
	struct take_letter *l = person_is_user(holder) || !enlist(s) ? NULL : malloc(sizeof(*l));

	if (l == NULL)
		return;
	*l = (struct take_letter){ .letter.open = open_take, .key = payload_ref(key),
				   .name = payload_new(name, strlen(name)), .holder = holder,
				   .to = s->person->holder, .worker = hub_options(s->hub)->self, .serial = s->serial };
	hub_post(s->hub, (unsigned)(holder >> 32) - 1, &l->letter);
}

/* The name that S has as USER, claimed once more; NULL: none. */
static const char *name_of_before(struct session *s, const char *user)
{
	struct shared_map *names = hub_options(s->hub)->names;
	const struct person *p = s->person;

	if (person_user(p) == NULL || person_name(p) == NULL || strcmp(person_user(p), user) != 0)
		return NULL;
	return shared_map_claim(names, person_key(p), strlen(person_key(p)), p->holder) == 0 ? person_name(p) : NULL;
}

/* A user keeps the name that it has, if the token gives none that can be had. */
void session_identify(struct session *s, const struct identity *id)
{
	const char *user = id->user->data, *name = id->name ? id->name->data : NULL, *has = NULL;
	struct payload *key = name ? name_key(name, strlen(name)) : NULL;
	uint64_t holder = key ? claim(s, key, user) : 0;
	struct person *p;

	if (key && holder == 0)
		has = name;
	else
		has = name_of_before(s, user);
	p = person_new_granted(user, has, id->role, id->grant, session_id(s));
	if (p) {
		session_become(s, p, false);
		if (has == NULL && holder && holder != UINT64_MAX)
			take_name(s, name, key, holder);
	}
	payload_unref(key);
}

bool session_may(const struct session *s, enum grant_what what, const char *room, size_t len)
{
	if (what == GRANT_WRITE && s->policy->read_only && person_user(s->person) == NULL)
		return false;
	if (what == GRANT_MODERATE)
		return person_role(s->person, room, len) >= ROLE_MODERATOR;
	return grant_allows(person_grant(s->person), what, room, len);
}

enum reply session_why_not(const struct session *s)
{
	return person_user(s->person) ? REPLY_read_only : REPLY_login_needed;
}

/* Whether somebody else holds NAME. */
static bool held_by_other(struct session *s, const char *name)
{
	struct shared_map *names = hub_options(s->hub)->names;
	const struct payload *key = name_cache_key(hub_name_keys(s->hub), name, strlen(name));
	uint64_t holder;
	bool reserved;

	holder = key && shared_map_count(names) ? shared_map_holder(names, key->data, key->len) : 0;
	reserved = key && name_list_has(s->policy->reserved_names, key);
	return reserved || (holder != 0 && holder != session_id(s));
}

/* ---- rooms ---- */

void session_enter(struct session *s, struct payload *room, uint32_t history)
{
	uint32_t most = s->policy->history_max;
	struct hub_wish wish = { .room = room, .person = s->person, .announced = is_announced(s),
				 .address = s->sink.ops->address(&s->sink), .arrival = session_line(s, "connected"),
				 .history = history < most ? history : most };

	if (hub_join(s->hub, &s->room, s, &wish) < 0)
		s->sink.ops->close(&s->sink, CLOSE_no_memory);
	else
		s->sink.ops->hold(&s->sink, true); /* what it says is for the room it is on its way to */
	payload_unref(wish.arrival);
}

void session_welcome(struct session *s, struct payload *room, const char *name, size_t len)
{
	char why[WHY_MAX];
	enum reply bad = len ? take(s, name, len, why) : REPLY_COUNT;

	if (v1_begin(s, room) < 0 || !enlist(s))
		s->sink.ops->close(&s->sink, CLOSE_no_memory);
	else if (bad != REPLY_COUNT)
		reply_error(&s->sink, bad, why);
}

void session_joined(struct session *s, struct membership *m, struct join_letter *l)
{
	if (s->is_v1) {
		v1_joined(s, m, l);
		return;
	}
	if (!l->joined) {
		reply_error(&s->sink, l->why, NULL);
		s->sink.ops->close(&s->sink, l->why == REPLY_banned ? CLOSE_banned : CLOSE_too_many_rooms);
		return;
	}
	for (size_t i = 0; i < l->n_past; i++)
		s->sink.ops->send(&s->sink, l->past[i]->data, l->past[i]->len);
	if (l->person != s->person)
		hub_rename(s->hub, m, l->person, s->person, is_announced(s));
	s->sink.ops->hold(&s->sink, false);
}

/* The plain dialect has no private messages. */
bool session_deliver(struct session *s, struct payload *text)
{
	if (s->is_v1)
		s->sink.ops->send(&s->sink, text->data, text->len);
	return s->is_v1;
}

struct payload *session_user(const struct session *s)
{
	const char *user = person_user(s->person);

	return user ? payload_new(user, strlen(user)) : NULL;
}

void session_discipline(struct session *s, const struct payload *room, struct payload *text, bool out, bool muted)
{
	const struct payload *here;

	if (s->is_v1) {
		v1_discipline(s, room, text, out, muted);
		return;
	}
	here = s->room.branch && s->room.seat.taken ? hub_room_name(&s->room) : NULL;
	if (here == NULL || here->len != room->len || memcmp(here->data, room->data, room->len) != 0)
		return;
	s->room.seat.muted = muted;
	if (!out)
		return;
	depart(s);
	reply_error(&s->sink, REPLY_not_joined, "a moderator has put you out");
}

/* ---- messages ---- */

bool session_type_is_reserved(const struct session_policy *p, const char *type)
{
	static const char *const ours[] = { "welcome", "ok",     "error", "joined", "presence", "renamed", "kicked", "muted",
					    "epoch",   "system", "pong",  "edit",   "delete",   "deleted", "direct", "topic",
					    "who",     "rooms",  "history", "conversations", "token_expiring" };

	for (size_t i = 0; type && i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcmp(type, ours[i]) == 0)
			return true;
	for (size_t i = 0; type && i < p->n_reserved_types; i++)
		if (strcmp(type, p->reserved_types[i]) == 0)
			return true;
	return false;
}

/* What a plain client's message may not be; REPLY_COUNT: it may. DETAIL is the word in question. */
static enum reply judge(struct session *s, const struct message *m, const char **detail)
{
	const char *type = message_type(m), *name = message_name(m);
	const struct payload *room = hub_room_name(&s->room);

	*detail = NULL;
	if (!session_may(s, GRANT_WRITE, room->data, room->len))
		return session_why_not(s);
	*detail = type;
	if (session_type_is_reserved(s->policy, type))
		return REPLY_reserved_type;
	*detail = name;
	if (person_name(s->person) == NULL && name && held_by_other(s, name))
		return REPLY_name_taken;
	return REPLY_COUNT;
}

/* Only a refusal comes back. */
static void refused(struct session *s, struct request *q) { reply_error(&s->sink, q->why, NULL); }

/*
 * To the room's home, where OP does it. Without a sender, but for users: a
 * guest of the plain dialect does not outlive its connection.
 */
static void say(struct session *s, struct payload *body, void (*op)(struct room *, struct request *))
{
	struct request *q = request_new();
	const char *user = person_user(s->person), *address;

	if (q == NULL || !enlist(s)) {
		request_free(q);
		s->sink.ops->close(&s->sink, CLOSE_no_memory);
		return;
	}
	q->op = op;
	q->answered = refused;
	q->quiet = true;
	q->room = payload_ref((struct payload *)hub_room_name(&s->room));
	q->body = payload_ref(body);
	q->by = person_ref(s->person);
	if (user)
		q->sender = text_concat("u", user, (char *)NULL);
	if (s->room.seat.muted) {
		address = s->sink.ops->address(&s->sink);
		q->address = payload_new(address, strlen(address));
	}
	hub_ask(s->hub, q, s->serial);
}

static void pass_on(struct session *s, struct message *m)
{
	bool chat = message_is_chat(m);
	const char *suffix = person_suffix(s->person);
	struct payload *p, *open;

	if (person_name(s->person))
		message_take_out(m, "name");
	if (chat) {
		open = message_encode(m, s->policy->default_type);
		p = open && suffix[0] ? message_sign(open, suffix) : payload_ref(open);
		payload_unref(open);
	} else {
		p = message_encode_relayed(m, hub_room_name(&s->room)->data, clock_wall_ms(), suffix);
	}
	if (p == NULL) {
		s->sink.ops->close(&s->sink, CLOSE_no_memory);
		return;
	}
	if (chat)
		say(s, p, room_say);
	else if (s->room.seat.muted)
		say(s, p, room_pass);
	else
		hub_relay(s->hub, &s->room, p);
	payload_unref(p);
	session_keep_pace(s);
}

void session_keep_pace(struct session *s)
{
	if (hub_is_behind(s->hub))
		s->sink.ops->pause(&s->sink, BEHIND_MS);
}

/* For how many ms S has been slowed down again and again. Who comes back late from a pause had a break. */
static uint32_t pressing_for(struct session *s, uint64_t now)
{
	uint32_t unit = (uint32_t)(now / PRESSING_UNIT) & PRESSING_MASK;

	if (!s->pressing || (int32_t)((uint32_t)now - s->paused_until) > BREAK_MS)
		s->pressing_since = unit;
	s->pressing = true;
	return ((unit - s->pressing_since) & PRESSING_MASK) * PRESSING_UNIT;
}

/* S is not read for WAIT ms; who never stops is told and closed. Whether it may go on. */
static bool slow_down(struct session *s, uint32_t wait, uint64_t now)
{
	if (pressing_for(s, now) + 1 > s->policy->flood_time) {
		session_floods(s);
		return false;
	}
	s->paused_until = (uint32_t)(now + wait);
	s->sink.ops->pause(&s->sink, wait);
	return true;
}

void session_floods(struct session *s)
{
	reply_error(&s->sink, REPLY_rate_limited, NULL);
	s->sink.ops->close(&s->sink, CLOSE_rate_limited);
}

/* What S's user, if it is logged in, says on all connections together: as bucket_take(). */
static uint32_t take_from_user(struct session *s, uint32_t cost, uint64_t now)
{
	struct shared_bucket *b = NULL;

	if (s->logged_in)
		b = directory_bucket(hub_directory(s->hub), s->person->holder);
	return b ? shared_bucket_take(b, &s->policy->rate, cost, now) : 0;
}

bool session_pays(struct session *s, uint32_t cost)
{
	uint64_t now = clock_ms();
	uint32_t wait = bucket_take(&s->bucket, &s->policy->rate, cost, now), user = take_from_user(s, cost, now);

	if (wait == 0 && user == 0) {
		s->pressing = s->pressing && s->pressing_past;
		return true;
	}
	if (user > wait)
		stats_add(STAT_paused_user, 1);
	return slow_down(s, user > wait ? user : wait, now);
}

void session_pays_for_past(struct session *s, size_t len)
{
	uint64_t now = clock_ms();
	uint32_t kib = (uint32_t)((len + 1023) / 1024);
	uint32_t wait = kib == 0 ? 0 : shared_bucket_take(&s->v1.past, &s->policy->past, kib, now);

	s->pressing_past = wait > 0;
	if (wait == 0)
		return;
	stats_add(STAT_paused_history, 1);
	slow_down(s, wait, now);
}

void session_text(struct session *s, const char *text, size_t len)
{
	char words[160] = "";
	const char *detail = words;
	struct message m;
	enum reply bad;

	if (!session_pays(s, 1))
		return;
	if (s->is_v1) {
		v1_text(s, text, len);
		return;
	}
	if (!s->room.seat.taken) {
		reply_error(&s->sink, REPLY_not_joined, NULL);
		return;
	}
	bad = message_decode(&m, text, len, &s->policy->limits, words, sizeof(words));
	if (bad == REPLY_COUNT)
		bad = judge(s, &m, &detail);
	if (bad == REPLY_COUNT)
		pass_on(s, &m);
	else
		reply_error(&s->sink, bad, detail);
	message_clear(&m);
}

void session_drained(struct session *s)
{
	if (s->is_v1)
		v1_drained(s);
}
