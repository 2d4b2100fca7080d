#include <config.h>

#include "chat/command.h"

#include "base/clock.h"
#include "base/log.h"
#include "chat/json_text.h"
#include "chat/keeper.h"
#include "chat/name.h"
#include "chat/reply.h"
#include "chat/request.h"
#include "chat/room.h"
#include "chat/v1.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MAX (10 * 365 * 86400.0) /* seconds */

enum who { GUEST, WRITER, USER, MODERATOR };
enum needs { NOTHING, FIRST, PLACE, PLACE_OR_WITH };

/* A request that is being done. */
struct ask {
	struct session *s;
	struct message *m;
	const struct command *row;
	struct payload *cid;  /* or NULL */
	struct payload *room; /* that it is about; or NULL */
	struct place *place;  /* in it; NULL: a conversation */
	const char *detail;   /* of the error that the command returns */
};

struct command {
	const char *id;
	enum who who;
	uint32_t cost;
	enum needs needs;
	enum reply (*run)(struct ask *a); /* REPLY_COUNT: it is answered, or will be */
};

/* ---- members of a request ---- */

static json_t *member(const struct ask *a, const char *name) { return json_object_get(a->m->object, name); }
static const char *string(const struct ask *a, const char *name) { return json_string_value(member(a, name)); }

/* A string as a payload, the caller's; NULL: not there, or no string, or longer than MAX bytes. */
static struct payload *text_of(const struct ask *a, const char *name, size_t max)
{
	json_t *o = member(a, name);

	if (!json_is_string(o) || json_string_length(o) > max || strlen(json_string_value(o)) != json_string_length(o))
		return NULL;
	return payload_new(json_string_value(o), json_string_length(o));
}

/* A whole number from 0; -1: not there; -2: something else. A frame with a -0 somewhere has doubles only. */
static int64_t whole(const json_t *o)
{
	if (o == NULL)
		return -1;
	if (json_is_real(o) && json_real_value(o) >= 0 && json_real_value(o) <= 9e15 &&
	    json_real_value(o) == (double)(int64_t)json_real_value(o))
		return (int64_t)json_real_value(o);
	return json_is_integer(o) && json_integer_value(o) >= 0 ? json_integer_value(o) : -2;
}

static int64_t number(const struct ask *a, const char *name) { return whole(member(a, name)); }

/* `after`, a name; the caller's, "" where it is not there. NULL: it is no string, or longer than MAX bytes. */
static struct payload *after_of(const struct ask *a, size_t max)
{
	return member(a, "after") ? text_of(a, "after", max) : payload_new("", 0);
}

static enum reply bad(struct ask *a, const char *why)
{
	a->detail = why;
	return REPLY_bad_request;
}

/* `limit`, as far as MOST goes. -1: it is no number. */
static int64_t limit_of(const struct ask *a, uint32_t usual, uint32_t most)
{
	int64_t n = number(a, "limit");

	if (n == -1)
		n = usual;
	return n < 0 ? -1 : n > most ? most : n;
}

/* ---- to the home and back ---- */

static struct payload *sender_of(const struct session *s)
{
	struct payload *p;

	if (person_user(s->person))
		return text_concat("u", person_user(s->person), (char *)NULL);
	p = payload_new(NULL, 1 + SECRET_ID_LEN);
	if (p) {
		p->data[0] = 's';
		memcpy(p->data + 1, s->v1.id, SECRET_ID_LEN);
	}
	return p;
}

static struct request *request_for(const struct ask *a, void (*op)(struct room *, struct request *))
{
	struct session *s = a->s;
	struct request *q = request_new();
	const char *address;

	if (q == NULL)
		return NULL;
	q->op = op;
	q->answered = v1_room_answered;
	q->room = payload_ref(a->room);
	q->create = a->room && a->place == NULL;
	q->cid = payload_ref(a->cid);
	q->by = person_ref(s->person);
	if (a->place && a->place->membership.seat.muted) {
		address = s->sink.ops->address(&s->sink);
		q->address = payload_new(address, strlen(address));
	}
	return q;
}

static enum reply ask_home(struct ask *a, struct request *q)
{
	if (a->place)
		v1_asked(a->place, q);
	hub_ask(a->s->hub, q, a->s->serial);
	return REPLY_COUNT;
}

static enum reply no_memory(struct ask *a, struct request *q)
{
	request_free(q);
	a->s->sink.ops->close(&a->s->sink, CLOSE_no_memory);
	return REPLY_COUNT;
}

/* ---- who one is ---- */

static enum reply command_resume(struct ask *a)
{
	struct session *s = a->s;
	const char *secret = string(a, "session");
	enum reply why;

	if (secret == NULL)
		return bad(a, "session is the secret of an earlier welcome");
	why = keeper_resume(hub_keeper(s->hub), s, secret, strlen(secret), a->cid);
	if (s->resuming)
		s->sink.ops->hold(&s->sink, true);
	return why;
}

static void tell_identity(struct ask *a)
{
	const struct person *p = a->s->person;
	json_t *o = json_pack("{s:s*,s:s*,s:s}", "name", person_name(p), "user", person_user(p), "role", role_name(p->role));
	struct payload *text = o ? json_text_open(o) : NULL;

	if (text)
		text->data[0] = ',';
	v1_ok(a->s, a->cid, text ? text->data : "");
	payload_unref(text);
	json_decref(o);
}

static enum reply command_auth(struct ask *a)
{
	const char *token = string(a, "token");
	struct identity *id;

	if (token == NULL)
		return bad(a, "token is a string");
	id = identity_of_token(hub_rules(a->s->hub)->tokens, token, strlen(token), &a->detail);
	if (id == NULL) {
		log_limited(LOG_LEVEL_INFO, "token refused", "address=%s why=\"%s\"", a->s->sink.ops->address(&a->s->sink),
			    a->detail);
		return REPLY_bad_token;
	}
	if (person_user(a->s->person) && strcmp(person_user(a->s->person), id->user->data) != 0) {
		identity_free(id);
		return bad(a, "another user is logged in here");
	}
	a->s->asking = true;
	session_identify(a->s, id);
	a->s->asking = false;
	identity_free(id);
	tell_identity(a);
	v1_keep_to_grant(a->s);
	return REPLY_COUNT;
}

static enum reply give_up_name(struct ask *a)
{
	struct session *s = a->s;
	struct person *now = NULL;

	if (person_user(s->person))
		now = person_renamed(s->person, NULL, session_id(s));
	keeper_forget_name(hub_keeper(s->hub), s->person);
	s->asking = true;
	session_become(s, now, false);
	s->asking = false;
	v1_ok(s, a->cid, ",\"name\":null");
	return REPLY_COUNT;
}

static enum reply command_name(struct ask *a)
{
	struct session *s = a->s;
	struct payload *prepared;
	struct person *p;
	enum reply why;
	json_t *o = member(a, "name"), *answer;

	if (json_is_null(o))
		return give_up_name(a);
	if (!json_is_string(o))
		return bad(a, "name is a string or null");
	prepared = name_person(json_string_value(o), json_string_length(o), &a->detail);
	if (prepared == NULL)
		return REPLY_bad_name;
	why = session_claim(s, prepared->data, &p);
	payload_unref(prepared);
	if (why != REPLY_COUNT)
		return why;
	if (person_key(s->person) && strcmp(person_key(s->person), person_key(p)) != 0)
		keeper_forget_name(hub_keeper(s->hub), s->person);
	keeper_note_name(hub_keeper(s->hub), s->v1.id, p);
	s->asking = true;
	session_become(s, p, false);
	s->asking = false;
	answer = json_pack("{s:s}", "name", person_name(p));
	prepared = answer ? json_text_open(answer) : NULL;
	if (prepared)
		prepared->data[0] = ',';
	v1_ok(s, a->cid, prepared ? prepared->data : "");
	payload_unref(prepared);
	json_decref(answer);
	return REPLY_COUNT;
}

/* ---- rooms ---- */

static enum reply read_since(struct ask *a, struct hub_wish *wish)
{
	json_t *since = member(a, "since"), *epoch = json_object_get(since, "epoch");
	int64_t seq = whole(json_object_get(since, "seq"));

	if (since == NULL)
		return REPLY_COUNT;
	if (!json_is_string(epoch) || seq < 0)
		return bad(a, "since has the epoch and the seq of what came last");
	wish->since = true;
	wish->epoch = json_string_value(epoch);
	wish->seq = (uint64_t)seq;
	return REPLY_COUNT;
}

static enum reply command_join(struct ask *a)
{
	struct session *s = a->s;
	const struct session_policy *p = s->policy;
	const struct hub_rules *rules = hub_rules(s->hub);
	json_t *name = member(a, "room");
	int64_t history = number(a, "history");
	struct hub_wish wish = { .person = s->person, .cid = a->cid, .v1 = true, .announced = p->announce != ANNOUNCE_OFF,
				 .address = s->sink.ops->address(&s->sink), .recover_max = p->recover_max };
	enum reply why = REPLY_COUNT;

	if (!json_is_string(name) || history == -2)
		return bad(a, "room is a string, history a number from 0");
	if (read_since(a, &wish) != REPLY_COUNT)
		return REPLY_bad_request;
	if (history < 0)
		history = wish.since ? COMMAND_PAGE : 0; /* if what was missed cannot be had */
	wish.history = history > p->history_max ? p->history_max : (uint32_t)history;
	wish.room = name_room(json_string_value(name), json_string_length(name), &a->detail);
	if (wish.room == NULL)
		why = REPLY_bad_room;
	else if (rules->room_exists && !rules->room_exists(rules->room_exists_arg, wish.room))
		why = REPLY_no_such_room;
	else if (!session_may(s, GRANT_JOIN, wish.room->data, wish.room->len))
		why = REPLY_room_forbidden;
	else if (v1_place(s, wish.room))
		why = REPLY_already_joined;
	else if (v1_places(s) >= p->rooms_max)
		why = REPLY_too_many_joined;
	if (why == REPLY_COUNT) {
		wish.arrival = session_line(s, "connected");
		if (v1_join(s, &wish) < 0)
			s->sink.ops->close(&s->sink, CLOSE_no_memory);
		payload_unref(wish.arrival);
	}
	payload_unref(wish.room);
	return why;
}

static enum reply command_leave(struct ask *a)
{
	v1_leave(a->s, a->place, a->cid);
	return REPLY_COUNT;
}

/* Q asks for a page of a list of names. REPLY_COUNT: it is in Q. */
static enum reply read_page(struct ask *a, struct request *q, size_t name_max)
{
	int64_t limit = limit_of(a, COMMAND_PAGE, COMMAND_LIST_MAX);

	q->limit = (uint32_t)limit;
	q->text = after_of(a, name_max);
	return limit < 0 || q->text == NULL ? bad(a, "after is a name, limit a number") : REPLY_COUNT;
}

static enum reply command_who(struct ask *a)
{
	struct request *q = request_for(a, room_who);

	if (q == NULL)
		return no_memory(a, q);
	if (read_page(a, q, 4 * NAME_MAX_BYTES) != REPLY_COUNT) {
		request_free(q);
		return REPLY_bad_request;
	}
	return ask_home(a, q);
}

static int by_room(const void *a, const void *b)
{
	return strcmp(json_string_value(json_object_get(*(json_t *const *)a, "room")),
		      json_string_value(json_object_get(*(json_t *const *)b, "room")));
}

/* The workers' rooms are in order each by itself. */
static void rooms_answered(struct session *s, struct request *q)
{
	size_t n = json_array_size(q->rows);
	json_t **rows = malloc((n + 1) * sizeof(json_t *)), *sorted = json_array(), *o;

	for (size_t i = 0; rows && i < n; i++)
		rows[i] = json_array_get(q->rows, i);
	if (rows && n)
		qsort(rows, n, sizeof(json_t *), by_room);
	for (size_t i = 0; rows && i < n && i < q->limit; i++)
		json_array_append(sorted, rows[i]);
	o = json_pack("{s:s,s:o,s:b}", "type", "rooms", "rooms", sorted, "more", (int)(n > q->limit));
	q->answer = o ? json_text_open(o) : NULL;
	if (q->answer == NULL)
		q->why = REPLY_storage_unavailable;
	v1_answer(s, q);
	json_decref(o);
	free(rows);
}

static enum reply command_rooms(struct ask *a)
{
	struct request *q = request_for(a, NULL);

	if (q == NULL)
		return no_memory(a, q);
	if (read_page(a, q, ROOM_NAME_MAX) != REPLY_COUNT) {
		request_free(q);
		return REPLY_bad_request;
	}
	q->answered = rooms_answered;
	hub_ask_rooms(a->s->hub, q, a->s->serial);
	return REPLY_COUNT;
}

/* ---- messages ---- */

/* What a request has that is not for others, or the server's own to say; AND another such member. */
static void strip(struct ask *a, const char *and)
{
	static const char *const own[] = { "type", "cid", "room", "name" };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		message_take_out(a->m, own[i]);
	if (a->place == NULL)
		message_take_out(a->m, "between");
	message_take_out(a->m, and);
}

/* Gives Q what is to be stored. 0, or -1: no memory. */
static int compose(struct ask *a, struct request *q, const char *type)
{
	const char *suffix = person_suffix(a->s->person);

	strip(a, a->place ? "seq" : "to");
	q->content = message_encode(a->m, type);
	if (q->content)
		q->body = suffix[0] ? message_sign(q->content, suffix) : payload_ref(q->content);
	q->sender = sender_of(a->s);
	return q->content && q->body && q->sender ? 0 : -1;
}

static void direct_answered(struct session *s, struct request *q) { v1_answer(s, q); }

/* To USER (ref'd; NULL: whoever has the HOLDER), by a user: stored. */
static enum reply say_to(struct ask *a, struct payload *user, uint64_t holder)
{
	struct request *q = request_for(a, room_say);

	if (q == NULL || compose(a, q, "direct") < 0)
		return no_memory(a, q);
	payload_unref(q->room);
	q->room = NULL;
	q->answered = direct_answered;
	q->create = true;
	q->holder = holder;
	q->target.user = payload_ref(user);
	hub_ask_conversation(a->s->hub, q, a->s->serial);
	return REPLY_COUNT;
}

static enum reply say_with(struct ask *a)
{
	struct payload *user = text_of(a, "with", NAME_MAX_BYTES);
	enum reply why;

	message_take_out(a->m, "with");
	why = user ? say_to(a, user, 0) : no_memory(a, NULL);
	payload_unref(user);
	return why;
}

static enum reply command_message(struct ask *a)
{
	struct request *q;

	if (member(a, "message") == NULL)
		return bad(a, "message is what is said");
	if (a->place == NULL)
		return say_with(a);
	q = request_for(a, room_say);
	if (q == NULL || compose(a, q, a->s->policy->default_type) < 0)
		return no_memory(a, q);
	session_keep_pace(a->s);
	return ask_home(a, q);
}

/* For whom a direct message is: *holder, and where it is known *user. */
static enum reply addressee(struct ask *a, uint64_t *holder, const char **user)
{
	const char *to = string(a, "to");
	struct payload *key;

	*user = string(a, "user");
	if ((*user == NULL) == (to == NULL))
		return bad(a, "a direct message is for one user, or to one name");
	if (*user) {
		if (strlen(*user) > NAME_MAX_BYTES || strchr(*user, ROOM_USERS_APART) || **user == '\0')
			return bad(a, "this is no user");
		*holder = person_holder(*user);
		return REPLY_COUNT;
	}
	key = name_key(to, strlen(to));
	*holder = key ? shared_map_holder(hub_options(a->s->hub)->names, key->data, key->len) : 0;
	payload_unref(key);
	return *holder ? REPLY_COUNT : REPLY_not_there;
}

/* The text of a direct message that is not stored; TO as it was asked for. */
static struct payload *relayed_direct(struct ask *a, const char *to)
{
	json_t *o = a->m->object;

	json_object_set_new(o, "to", json_string(to));
	json_object_set_new(o, "type", json_string("direct"));
	json_object_set_new(o, "time", json_integer(clock_wall_ms()));
	return message_encode_relayed(a->m, "", clock_wall_ms(), person_suffix(a->s->person));
}

static enum reply relay_to(struct ask *a, uint64_t holder, const char *to)
{
	struct request *q = request_for(a, NULL);

	if (q == NULL)
		return no_memory(a, q);
	strip(a, "user");
	q->answered = direct_answered;
	q->holder = holder;
	q->body = relayed_direct(a, to);
	if (q->body == NULL)
		return no_memory(a, q);
	hub_ask_direct(a->s->hub, q, a->s->serial);
	return REPLY_COUNT;
}

static enum reply command_direct(struct ask *a)
{
	const char *user, *me = person_user(a->s->person);
	struct payload *to = text_of(a, string(a, "to") ? "to" : "user", 4 * NAME_MAX_BYTES);
	uint64_t holder = 0;
	enum reply why = member(a, "message") ? addressee(a, &holder, &user) : bad(a, "message is what is said");

	if (why == REPLY_COUNT && to == NULL)
		why = REPLY_not_there;
	else if (why == REPLY_COUNT && me && person_is_user(holder))
		why = say_to(a, user ? to : NULL, holder);
	else if (why == REPLY_COUNT)
		why = relay_to(a, holder, to->data);
	payload_unref(to);
	return why;
}

static enum reply seq_of(struct ask *a, uint64_t *seq)
{
	int64_t n = number(a, "seq");

	if (n < 0)
		return bad(a, "seq is the number of a message");
	*seq = (uint64_t)n;
	return REPLY_COUNT;
}

static enum reply command_edit(struct ask *a)
{
	struct request *q;
	uint64_t seq;

	if (member(a, "message") == NULL)
		return bad(a, "message is the new text");
	if (seq_of(a, &seq) != REPLY_COUNT)
		return REPLY_bad_request;
	q = request_for(a, room_edit);
	if (q == NULL)
		return no_memory(a, q);
	q->seq = seq;
	strip(a, a->place ? "seq" : "with");
	message_take_out(a->m, "seq");
	message_take_out(a->m, "user");
	message_take_out(a->m, "time");
	message_take_out(a->m, "target");
	if (a->place == NULL)
		message_take_out(a->m, "to");
	q->content = json_text_open(a->m->object);
	q->sender = sender_of(a->s);
	if (q->content == NULL || q->sender == NULL)
		return no_memory(a, q);
	return ask_home(a, q);
}

static enum reply command_delete(struct ask *a)
{
	struct request *q;
	uint64_t seq;

	if (seq_of(a, &seq) != REPLY_COUNT)
		return REPLY_bad_request;
	q = request_for(a, room_delete);
	if (q == NULL)
		return no_memory(a, q);
	q->seq = seq;
	q->sender = sender_of(a->s);
	return ask_home(a, q);
}

static enum reply command_history(struct ask *a)
{
	struct request *q;
	int64_t before = number(a, "before"), after = number(a, "after");
	int64_t limit = limit_of(a, COMMAND_PAGE, a->s->policy->history_max);

	if (before == -2 || after == -2 || (before >= 0 && after >= 0) || limit < 0)
		return bad(a, "either before or after is a seq, and limit a number");
	q = request_for(a, room_history);
	if (q == NULL)
		return no_memory(a, q);
	q->after = after >= 0;
	q->seq = after >= 0 ? (uint64_t)after : before > 0 ? (uint64_t)before : 0;
	q->limit = (uint32_t)limit;
	return ask_home(a, q);
}

static enum reply command_read(struct ask *a)
{
	struct request *q;
	uint64_t seq;

	if (seq_of(a, &seq) != REPLY_COUNT)
		return REPLY_bad_request;
	q = request_for(a, room_read);
	if (q == NULL)
		return no_memory(a, q);
	q->seq = seq;
	return ask_home(a, q);
}

/* ---- conversations ---- */

struct conversations {
	struct journal_state state; /* first */
	uint32_t serial;
	struct payload *cid;
	char *me;
	json_t *rows; /* by user */
};

static void conversations_free(struct conversations *c)
{
	journal_state_clear(&c->state);
	payload_unref(c->cid);
	json_decref(c->rows);
	free(c->me);
	free(c);
}

static json_int_t time_of(const json_t *row) { return json_integer_value(json_object_get(row, "time")); }

static int by_time(const void *a, const void *b)
{
	json_int_t x = time_of(*(json_t *const *)a), y = time_of(*(json_t *const *)b);

	return (x < y) - (x > y);
}

/* The newest first, and not more than COMMAND_LIST_MAX. */
static json_t *newest(json_t *rows)
{
	size_t n = 0, all = json_object_size(rows);
	json_t **v = malloc((all + 1) * sizeof(json_t *)), *list = json_array(), *row;
	const char *with;

	json_object_foreach(rows, with, row)
		if (v)
			v[n++] = row;
	if (n)
		qsort(v, n, sizeof(json_t *), by_time);
	for (size_t i = 0; i < n && i < COMMAND_LIST_MAX; i++)
		json_array_append(list, v[i]);
	free(v);
	return list;
}

static void conversations_answer(struct session *s, struct conversations *c)
{
	json_t *o = json_pack("{s:s,s:o,s:b}", "type", "conversations", "conversations", newest(c->rows), "more",
			      (int)(json_object_size(c->rows) > COMMAND_LIST_MAX));
	struct request q = { .why = REPLY_COUNT, .cid = c->cid };

	q.answer = o ? json_text_open(o) : NULL;
	if (q.answer == NULL)
		q.why = REPLY_storage_unavailable;
	v1_answer(s, &q);
	payload_unref(q.answer);
	json_decref(o);
}

/* The user's read markers, of which some are a conversation's. */
static void open_marks(struct letter *letter, void *reader)
{
	struct conversations *c = (struct conversations *)letter;
	struct session *s = reader ? hub_session(reader, c->serial) : NULL;

	for (size_t i = 0; i < c->state.n; i++) {
		const char *room = c->state.found[i].key->data, *apart = strchr(room, ROOM_USERS_APART);
		char first[4 * NAME_MAX_BYTES];
		json_t *row;

		if (room[0] != '@' || apart == NULL)
			continue;
		snprintf(first, sizeof(first), "%.*s", (int)(apart - room - 1), room + 1);
		row = json_object_get(c->rows, strcmp(first, c->me) == 0 ? apart + 1 : first);
		if (row)
			json_object_set_new(row, "read",
					    json_integer(strtoll(c->state.found[i].value->data, NULL, 10)));
	}
	if (s && s->is_v1)
		conversations_answer(s, c);
	conversations_free(c);
}

static void open_conversations(struct letter *letter, void *reader)
{
	struct conversations *c = (struct conversations *)letter;
	struct session *s = reader ? hub_session(reader, c->serial) : NULL;

	for (size_t i = 0; i < c->state.n; i++) {
		const struct journal_value *v = &c->state.found[i];
		json_t *row = json_loadb(v->value->data, v->value->len, 0, NULL);

		if (row == NULL)
			continue;
		json_object_set_new(row, "with", json_stringn(v->key->data, v->key->len));
		json_object_set_new(c->rows, v->key->data, row);
	}
	if (s == NULL || !s->is_v1 || c->state.status != JOURNAL_OK) {
		if (s && s->is_v1)
			v1_error(s, c->cid, REPLY_storage_unavailable, NULL, 0);
		conversations_free(c);
		return;
	}
	journal_state_clear(&c->state);
	c->state = (struct journal_state){ .answered = open_marks, .verb = JOURNAL_LIST,
					   .scope = text_concat("read:", c->me, (char *)NULL), .key = payload_new("@", 1) };
	hub_ask_state(reader, &c->state);
}

static enum reply command_conversations(struct ask *a)
{
	struct conversations *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return no_memory(a, NULL);
	c->serial = a->s->serial;
	c->cid = payload_ref(a->cid);
	c->me = strdup(person_user(a->s->person));
	c->rows = json_object();
	c->state = (struct journal_state){ .answered = open_conversations, .verb = JOURNAL_LIST,
					   .scope = text_concat("direct:", person_user(a->s->person), (char *)NULL) };
	if (c->me == NULL || c->rows == NULL || c->state.scope == NULL) {
		conversations_free(c);
		return no_memory(a, NULL);
	}
	hub_ask_state(a->s->hub, &c->state);
	return REPLY_COUNT;
}

/* ---- moderation ---- */

/* Whom and why. REPLY_COUNT: it is in Q. */
static enum reply read_target(struct ask *a, struct request *q)
{
	const char *user = string(a, "user"), *name = string(a, "name");

	if ((user == NULL) == (name == NULL))
		return bad(a, "whom: either user or name");
	if (user)
		q->target.user = text_of(a, "user", NAME_MAX_BYTES);
	else
		q->target.key = name_key(name, strlen(name));
	if (q->target.user == NULL && q->target.key == NULL)
		return REPLY_not_there;
	if (member(a, "reason")) {
		q->text = text_of(a, "reason", COMMAND_TOPIC_MAX);
		if (q->text == NULL)
			return bad(a, "reason is a string of at most 500 bytes");
	}
	return REPLY_COUNT;
}

static enum reply moderate(struct ask *a, void (*op)(struct room *, struct request *), bool lasting)
{
	struct request *q = request_for(a, op);
	json_t *duration = member(a, "duration");
	double seconds = json_number_value(duration);
	enum reply why;

	if (q == NULL)
		return no_memory(a, q);
	why = read_target(a, q);
	if (why == REPLY_COUNT && lasting && (!json_is_number(duration) || seconds < 0 || seconds > DURATION_MAX))
		why = bad(a, "duration is a number of seconds, up to ten years; 0 ends it");
	if (why != REPLY_COUNT) {
		request_free(q);
		return why;
	}
	q->keep = (uint64_t)(seconds * 1000);
	return ask_home(a, q);
}

static enum reply command_kick(struct ask *a) { return moderate(a, room_kick, false); }
static enum reply command_ban(struct ask *a) { return moderate(a, room_ban, true); }
static enum reply command_mute(struct ask *a) { return moderate(a, room_mute, true); }

static enum reply command_topic(struct ask *a)
{
	struct payload *topic = text_of(a, "topic", COMMAND_TOPIC_MAX);
	struct request *q;

	if (topic == NULL)
		return bad(a, "topic is a string of at most 500 bytes");
	q = request_for(a, room_topic);
	if (q == NULL) {
		payload_unref(topic);
		return no_memory(a, q);
	}
	q->text = topic;
	return ask_home(a, q);
}

/* ---- the rest ---- */

static enum reply command_ping(struct ask *a)
{
	struct request q = { .why = REPLY_COUNT, .cid = a->cid };
	char text[64];

	snprintf(text, sizeof(text), "{\"type\":\"pong\",\"time\":%" PRId64, clock_wall_ms());
	q.answer = payload_new(text, strlen(text));
	if (q.answer == NULL)
		return no_memory(a, NULL);
	v1_answer(a->s, &q);
	payload_unref(q.answer);
	return REPLY_COUNT;
}

/* What is not a request is for the room, as it is. */
static enum reply relay(struct ask *a)
{
	const char *type = message_type(a->m);
	struct request *q;
	struct payload *p;

	if (session_type_is_reserved(a->s->policy, type) || strcmp(type, a->s->policy->default_type) == 0)
		return REPLY_reserved_type;
	message_take_out(a->m, "cid");
	message_take_out(a->m, "name");
	json_object_set_new(a->m->object, "time", json_integer(0));
	p = message_encode_relayed(a->m, a->room->data, clock_wall_ms(), person_suffix(a->s->person));
	if (p == NULL)
		return no_memory(a, NULL);
	if (a->place->membership.seat.muted) {
		q = request_for(a, room_pass);
		if (q == NULL) {
			payload_unref(p);
			return no_memory(a, q);
		}
		q->quiet = a->cid == NULL;
		q->body = p;
		if (!q->quiet)
			return ask_home(a, q);
		hub_ask(a->s->hub, q, a->s->serial);
		return REPLY_COUNT;
	}
	hub_relay(a->s->hub, &a->place->membership, p);
	payload_unref(p);
	if (a->cid)
		v1_ok(a->s, a->cid, "");
	return REPLY_COUNT;
}

/* ---- the table ---- */

static const struct command table[] = {
#define COMMAND(id, role, cost, needs, members, help) { #id, role, cost, needs, command_##id },
#include "chat/command.def"
#undef COMMAND
};

static const struct command relaying = { "", WRITER, 1, PLACE, relay };

static const struct command *row_of(const char *type)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].id, type) == 0)
			return &table[i];
	return &relaying;
}

/* Before anybody is logged in, where that has to be. */
static bool is_for_strangers(const struct command *c)
{
	return c->run == command_auth || c->run == command_resume || c->run == command_ping;
}

/* The place or the conversation that the request names. */
static enum reply find_room(struct ask *a)
{
	json_t *name = member(a, "room");
	const char *with = string(a, "with"), *me = person_user(a->s->person);

	if (a->row->needs == PLACE_OR_WITH && with && name == NULL) {
		if (me == NULL)
			return REPLY_login_needed;
		if (strlen(with) > NAME_MAX_BYTES || strchr(with, ROOM_USERS_APART) || *with == '\0')
			return bad(a, "with is a user");
		a->room = hub_conversation(me, with);
		return a->room ? REPLY_COUNT : REPLY_storage_unavailable;
	}
	if (!json_is_string(name))
		return bad(a, "room is a string");
	a->room = name_room(json_string_value(name), json_string_length(name), &a->detail);
	if (a->room == NULL)
		return REPLY_bad_room;
	a->place = v1_place(a->s, a->room);
	return a->place && !a->place->leaving ? REPLY_COUNT : REPLY_not_joined;
}

/* Whether one may do it at all; in the room, if it is about one that was found. */
static enum reply check_role(const struct ask *a)
{
	const struct session *s = a->s;
	const char *room = a->room ? a->room->data : "";
	size_t len = a->room ? a->room->len : 0;

	if (a->row->who >= USER && person_user(s->person) == NULL)
		return REPLY_login_needed;
	if (a->row->who == MODERATOR && !session_may(s, GRANT_MODERATE, room, len))
		return REPLY_forbidden;
	/* Between users all is allowed: a token is about rooms. */
	if (a->row->who == WRITER && (a->place || person_user(s->person) == NULL) &&
	    !session_may(s, GRANT_WRITE, room, len))
		return session_why_not(s);
	return REPLY_COUNT;
}

static enum reply check(struct ask *a)
{
	const struct session *s = a->s;
	enum reply found = REPLY_COUNT, may;

	if (a->row->needs == FIRST && s->begun)
		return bad(a, "this is for the first request of a connection");
	if (s->stranger && !is_for_strangers(a->row))
		return REPLY_login_needed;
	if (a->row->needs >= PLACE)
		found = find_room(a);
	may = check_role(a);
	if (may != REPLY_COUNT) {
		a->detail = NULL;
		return may;
	}
	return found;
}

void command_do(struct session *s, struct message *m)
{
	struct ask a = { .s = s, .m = m };
	const char *type = message_type(m);
	json_t *cid = json_object_get(m->object, "cid");
	enum reply why = REPLY_COUNT;

	if (cid && (!json_is_string(cid) || json_string_length(cid) == 0 || json_string_length(cid) > COMMAND_CID_MAX))
		why = REPLY_bad_cid;
	else if (cid)
		a.cid = payload_new(json_string_value(cid), json_string_length(cid));
	if (why == REPLY_COUNT && type == NULL)
		why = bad(&a, "type is a string");
	if (why == REPLY_COUNT) {
		a.row = row_of(type);
		if (a.row->cost > 1 && !session_pays(s, a.row->cost - 1))
			goto done;
		why = check(&a);
	}
	if (why == REPLY_COUNT)
		why = a.row->run(&a);
	if (why != REPLY_COUNT)
		v1_error(s, a.cid, why, a.detail, 0);
	s->begun = true;
done:
	payload_unref(a.room);
	payload_unref(a.cid);
}
