#include <config.h>

#include "chat/v1.h"

#include "base/clock.h"
#include "base/log.h"
#include "chat/command.h"
#include "chat/expiry.h"
#include "chat/json_text.h"
#include "chat/keeper.h"
#include "chat/name.h"
#include "chat/room.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What may wait for a client that is being sent what it missed. */
#define PAGES_AHEAD (64 * 1024)

/* ---- speaking ---- */

static void send_text(struct session *s, const struct payload *p)
{
	if (p)
		s->sink.ops->send(&s->sink, p->data, p->len);
	else
		s->sink.ops->close(&s->sink, CLOSE_no_memory);
}

/* Sends O, which is taken. */
static void send_json(struct session *s, json_t *o)
{
	struct payload *p = o ? json_text(o) : NULL;

	send_text(s, p);
	payload_unref(p);
	json_decref(o);
}

/* Whether P is its own JSON between quotes. */
static bool is_plain(const struct payload *p)
{
	for (uint32_t i = 0; i < p->len; i++)
		if ((unsigned char)p->data[i] < ' ' || p->data[i] == '"' || p->data[i] == '\\')
			return false;
	return true;
}

/* ,"cid":"…" or "", in BUF or, where it has to be escaped, in *MADE. */
static const char *cid_member(const struct payload *cid, char *buf, size_t size, struct payload **made)
{
	json_t *json;
	struct payload *text;

	*made = NULL;
	if (cid == NULL)
		return "";
	if (is_plain(cid)) {
		snprintf(buf, size, ",\"cid\":\"%s\"", cid->data);
		return buf;
	}
	json = json_stringn(cid->data, cid->len);
	text = json ? json_text(json) : NULL;
	*made = text ? text_concat(",\"cid\":", text->data, (char *)NULL) : NULL;
	payload_unref(text);
	json_decref(json);
	return *made ? (*made)->data : "";
}

/* HEAD is an open object, which gets the cid, MORE, and its end. */
static void send_open(struct session *s, const char *head, const struct payload *cid, const char *more)
{
	char buf[COMMAND_CID_MAX + 16];
	struct payload *made, *text;
	const char *member = cid_member(cid, buf, sizeof(buf), &made);

	text = text_concat(head, member, more, "}", (char *)NULL);
	send_text(s, text);
	payload_unref(text);
	payload_unref(made);
}

void v1_ok(struct session *s, const struct payload *cid, const char *more)
{
	send_open(s, "{\"type\":\"ok\"", cid, more);
}

/* The same; WHERE (may be NULL) says which conversation it was. */
static void ok_where(struct session *s, const struct payload *cid, const char *more, const struct payload *where)
{
	struct payload *head = where ? text_concat("{\"type\":\"ok\"", where->data, (char *)NULL) : NULL;

	send_open(s, head ? head->data : "{\"type\":\"ok\"", cid, more);
	payload_unref(head);
}

void v1_error(struct session *s, const struct payload *cid, enum reply why, const char *detail, uint32_t retry_after)
{
	char text[512], more[40] = "";
	struct payload *head;
	json_t *o;

	snprintf(text, sizeof(text), "%s%s%s", reply_text(why), detail ? ": " : "", detail ? detail : "");
	o = json_pack("{s:s,s:s,s:s}", "type", "error", "code", reply_code(why), "message", text);
	if (o == NULL) /* the detail is not UTF-8 */
		o = json_pack("{s:s,s:s,s:s}", "type", "error", "code", reply_code(why), "message", reply_text(why));
	if (retry_after)
		snprintf(more, sizeof(more), ",\"retry_after\":%.1f", retry_after / 1000.0);
	head = o ? json_text_open(o) : NULL;
	if (head)
		send_open(s, head->data, cid, more);
	payload_unref(head);
	json_decref(o);
	reply_count(why);
}

void v1_answer(struct session *s, struct request *q)
{
	char more[96] = "";

	if (q->why != REPLY_COUNT) {
		v1_error(s, q->cid, q->why, NULL, q->retry_after);
	} else if (q->answer) {
		send_open(s, q->answer->data, q->cid, "");
		if (q->op == room_history)
			session_pays_for_past(s, q->answer->len);
	} else {
		if (q->answer_time)
			snprintf(more, sizeof(more), ",\"seq\":%" PRIu64 ",\"time\":%" PRId64 "%s", q->answer_seq,
				 q->answer_time, q->duplicate ? ",\"duplicate\":true" : "");
		else if (q->answer_seq || q->op == room_read)
			snprintf(more, sizeof(more), ",\"seq\":%" PRIu64, q->answer_seq);
		ok_where(s, q->cid, more, q->where);
	}
}

/* ---- beginning and end ---- */

static void set_identity(json_t *o, const struct person *p)
{
	if (p == NULL)
		return;
	if (person_name(p))
		json_object_set_new(o, "name", json_string(person_name(p)));
	if (person_user(p)) {
		json_object_set_new(o, "user", json_string(person_user(p)));
		json_object_set_new(o, "role", json_string(role_name(p->role)));
	}
}

static void welcome(struct session *s, const char *secret, const struct payload *room)
{
	const struct session_policy *p = s->policy;
	json_t *o = json_pack(
		"{s:s,s:s,s:s,s:s%,s:b,s:{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I},s:I}", "type", "welcome", "version",
		PACKAGE_VERSION, "session", secret, "room", room->data, (size_t)room->len, "anonymous", (int)p->anonymous,
		"limits", "max_message", (json_int_t)p->max_message, "message_rate", (json_int_t)p->rate.rate,
		"message_burst", (json_int_t)p->rate.burst, "max_depth", (json_int_t)p->limits.max_depth, "max_members",
		(json_int_t)p->limits.max_members, "history_max", (json_int_t)p->history_max, "recover_max",
		(json_int_t)p->recover_max, "rooms_per_connection", (json_int_t)p->rooms_max, "cid_keep",
		(json_int_t)(p->cid_keep / 1000), "session_keep", (json_int_t)(p->session_keep / 1000), "ping_interval",
		(json_int_t)(p->ping_interval / 1000));

	if (o && p->read_only)
		json_object_set_new(o, "read_only", json_true());
	if (o)
		set_identity(o, s->person);
	send_json(s, o);
}

static int await_login(struct session *s)
{
	int64_t by = (int64_t)clock_ms() + s->policy->auth_timeout;

	s->stranger = expiry_set(hub_strangers(s->hub), s->serial, s, by, by) == 0;
	return s->stranger ? 0 : -1;
}

int v1_begin(struct session *s, struct payload *room)
{
	char secret[SECRET_TEXT_LEN + 1];

	s->is_v1 = true;
	if (!keeper_open(s) || !secret_make(&hub_options(s->hub)->key, s->v1.id, secret))
		return -1;
	keeper_note_name(hub_keeper(s->hub), s->v1.id, s->person);
	if (!s->policy->anonymous && person_user(s->person) == NULL && await_login(s) < 0)
		return -1;
	welcome(s, secret, room);
	return 0;
}

static void place_free(struct session *s, struct place *p)
{
	struct place **at = &s->v1.places;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	payload_unref(p->cid);
	free(p);
}

static void leave(struct session *s, struct place *p, bool announced)
{
	struct payload *line = announced ? session_line(s, "disconnected") : NULL;

	hub_leave(s->hub, &p->membership, s->person, announced, line);
	payload_unref(line);
	place_free(s, p);
}

static void leave_all(struct session *s, bool announced)
{
	while (s->v1.places)
		leave(s, s->v1.places, announced);
}

void v1_clear(struct session *s, bool announced)
{
	leave_all(s, announced);
	keeper_close(hub_keeper(s->hub), s);
	s->v1 = (struct v1){ .places = NULL };
}

void v1_replaced(struct session *s)
{
	leave_all(s, s->policy->announce != ANNOUNCE_OFF);
	s->replaced = true;
	s->sink.ops->close(&s->sink, CLOSE_replaced);
}

void v1_resumed(struct session *s, enum reply why, const unsigned char *id, struct person *p, const struct payload *cid)
{
	json_t *o;

	if (s->resuming)
		s->sink.ops->hold(&s->sink, false);
	s->resuming = false;
	if (why == REPLY_COUNT) {
		memmove(s->v1.id, id, SECRET_ID_LEN);
		if (p && s->person == NULL) {
			session_become(s, p, false);
			keeper_note_name(hub_keeper(s->hub), s->v1.id, p);
		} else if (p) { /* it has another name by now */
			keeper_drop_name(hub_keeper(s->hub), p);
		}
		o = json_pack("{s:s}", "type", "ok");
		if (o && cid)
			json_object_set_new(o, "cid", json_stringn(cid->data, cid->len));
		if (o)
			set_identity(o, s->person);
		send_json(s, o);
	} else {
		v1_error(s, cid, why, NULL, 0);
	}
}

void v1_renamed(struct session *s, struct person *old, struct person *now)
{
	const char *was = person_name(old), *is = person_name(now);

	for (struct place *p = s->v1.places; p; p = p->next)
		if (p->membership.seat.taken)
			hub_rename(s->hub, &p->membership, old, now, s->policy->announce != ANNOUNCE_OFF);
	if (!now && was && !s->asking) /* a token's owner has the name now */
		send_json(s, json_pack("{s:s,s:n,s:s}", "type", "renamed", "name", "by", "token"));
	else if (person_user(old) && !was && is && !s->asking)
		send_json(s, json_pack("{s:s,s:s,s:s}", "type", "renamed", "name", is, "by", "token"));
}

/* ---- rooms ---- */

size_t v1_places(const struct session *s)
{
	size_t n = 0;

	for (const struct place *p = s->v1.places; p; p = p->next)
		n++;
	return n;
}

struct place *v1_place(const struct session *s, const struct payload *room)
{
	for (struct place *p = s->v1.places; p; p = p->next) {
		const struct payload *here = p->membership.branch ? hub_room_name(&p->membership) : NULL;

		if (here && here->len == room->len && memcmp(here->data, room->data, room->len) == 0)
			return p;
	}
	return NULL;
}

int v1_join(struct session *s, const struct hub_wish *wish)
{
	struct place *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -1;
	p->number = hub_next_place(s->hub);
	if (hub_join(s->hub, &p->membership, s, wish) < 0) {
		free(p);
		return -1;
	}
	p->next = s->v1.places;
	s->v1.places = p;
	s->sink.ops->hold(&s->sink, true);
	return 0;
}

static void finish_leaving(struct session *s, struct place *p)
{
	struct payload *cid = payload_ref(p->cid);

	leave(s, p, s->policy->announce != ANNOUNCE_OFF);
	v1_ok(s, cid, "");
	payload_unref(cid);
}

void v1_leave(struct session *s, struct place *p, struct payload *cid)
{
	p->cid = payload_ref(cid);
	p->leaving = true;
	if (p->asked == 0)
		finish_leaving(s, p);
	else
		s->sink.ops->hold(&s->sink, true); /* what comes next is for after that */
}

void v1_asked(struct place *p, struct request *q)
{
	q->place = p->number;
	p->asked++;
}

void v1_room_answered(struct session *s, struct request *q)
{
	struct place *p = v1_place(s, q->room);

	v1_answer(s, q);
	if (p && p->number == q->place && --p->asked == 0 && p->leaving) {
		finish_leaving(s, p);
		s->sink.ops->hold(&s->sink, false);
	}
}

static void tell_joined(struct session *s, const struct join_letter *l)
{
	const char *role = role_name(person_role(s->person, l->room->data, l->room->len));
	json_t *o = json_pack("{s:s,s:s%,s:s,s:I,s:I,s:I,s:s}", "type", "joined", "room", l->room->data,
			      (size_t)l->room->len, "epoch", l->epoch, "seq", (json_int_t)l->seq, "members",
			      (json_int_t)l->members, "guests", (json_int_t)l->guests, "role", role);
	struct payload *text;
	char more[128] = "";
	size_t n = 0;

	if (l->read)
		n += (size_t)snprintf(more, sizeof(more), ",\"read\":%" PRIu64, l->read);
	if (!session_may(s, GRANT_WRITE, l->room->data, l->room->len))
		n += (size_t)snprintf(more + n, sizeof(more) - n, ",\"read_only\":true");
	if (l->asked_since)
		snprintf(more + n, sizeof(more) - n, ",\"recovered\":%s", l->recovered ? "true" : "false");
	text = o ? json_text_open(o) : NULL;
	json_decref(o);
	if (text && l->topic) {
		struct payload *whole = text_concat(text->data, l->topic->data, (char *)NULL);

		payload_unref(text);
		text = whole;
	}
	if (text)
		send_open(s, text->data, l->cid, more);
	payload_unref(text);
}

/* What L brought is gone to the client. */
static void send_past(struct session *s, struct join_letter *l)
{
	size_t len = 0;

	for (size_t i = 0; i < l->n_past; i++) {
		len += l->past[i]->len;
		s->sink.ops->send(&s->sink, l->past[i]->data, l->past[i]->len);
		payload_unref(l->past[i]);
	}
	session_pays_for_past(s, len);
	free(l->past);
	l->past = NULL;
	l->n_past = 0;
}

/* The next page, once the client has taken what it was sent. */
static void go_on(struct session *s, struct join_letter *l)
{
	if (s->sink.ops->waiting(&s->sink) <= PAGES_AHEAD)
		hub_join_more(s->hub, l);
}

void v1_joined(struct session *s, struct membership *m, struct join_letter *l)
{
	struct place *p = (struct place *)m;

	if (!l->told)
		s->sink.ops->hold(&s->sink, false);
	if (l->broken) {
		s->sink.ops->close(&s->sink, CLOSE_recovery_lost);
		place_free(s, p);
		return;
	}
	if (!l->joined && !l->more) {
		v1_error(s, l->cid, l->why, NULL, l->retry_after);
		place_free(s, p);
		return;
	}
	if (!l->told)
		tell_joined(s, l);
	l->told = true;
	send_past(s, l);
	if (l->more) {
		l->parked = true;
		go_on(s, l);
	} else if (l->person != s->person) {
		hub_rename(s->hub, m, l->person, s->person, s->policy->announce != ANNOUNCE_OFF);
	}
}

void v1_drained(struct session *s)
{
	for (struct place *p = s->v1.places; p; p = p->next) {
		struct join_letter *l = hub_parked(&p->membership);

		if (l)
			go_on(s, l);
	}
}

void v1_discipline(struct session *s, const struct payload *room, struct payload *text, bool out, bool muted)
{
	struct place *p = v1_place(s, room);

	if (p == NULL || p->leaving)
		return;
	p->membership.seat.muted = muted;
	if (out)
		leave(s, p, s->policy->announce != ANNOUNCE_OFF);
	if (text)
		send_text(s, text);
}

void v1_expiring(struct session *s, int64_t left)
{
	send_json(s, json_pack("{s:s,s:I}", "type", "token_expiring", "in", (json_int_t)((left + 999) / 1000)));
}

void v1_keep_to_grant(struct session *s)
{
	for (struct place *p = s->v1.places, *next; p; p = next) {
		const struct payload *room = p->membership.branch ? hub_room_name(&p->membership) : NULL;
		json_t *o;

		next = p->next;
		if (room == NULL || p->leaving || session_may(s, GRANT_JOIN, room->data, room->len))
			continue;
		o = json_pack("{s:s,s:s%,s:s}", "type", "kicked", "room", room->data, (size_t)room->len, "reason",
			      "your token does not allow this room");
		leave(s, p, s->policy->announce != ANNOUNCE_OFF);
		send_json(s, o);
	}
}

/* ---- requests ---- */

void v1_text(struct session *s, const char *text, size_t len)
{
	char words[160] = "";
	struct message m;
	enum reply bad = message_decode(&m, text, len, &s->policy->limits, words, sizeof(words));

	if (bad == REPLY_COUNT && !s->replaced)
		command_do(s, &m);
	else if (!s->replaced)
		v1_error(s, NULL, bad, words[0] ? words : NULL, 0);
	message_clear(&m);
}
