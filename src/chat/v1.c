#include <config.h>

#include "chat/v1.h"

#include "base/clock.h"
#include "base/log.h"
#include "chat/command.h"
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
			session_pays_for_past(s, &s->v1->past, q->answer->len);
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
	if (p->name)
		json_object_set_new(o, "name", json_string(p->name));
	if (p->user) {
		json_object_set_new(o, "user", json_string(p->user));
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

struct v1 *v1_new(struct session *s, struct payload *room)
{
	char secret[SECRET_TEXT_LEN + 1];
	struct v1 *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->session = s;
	bucket_init(&v->past, &s->policy->past, clock_ms());
	s->v1 = v;
	if (keeper_open(hub_keeper(s->hub), v, s->serial) < 0) {
		free(v);
		return NULL;
	}
	if (!secret_make(&hub_options(s->hub)->key, v->id, secret)) {
		keeper_close(hub_keeper(s->hub), v, s->serial, NULL);
		free(v);
		return NULL;
	}
	if (s->person)
		keeper_note_name(hub_keeper(s->hub), v, s->person);
	if (!s->policy->anonymous && (s->person == NULL || s->person->user == NULL))
		v->login_by = (uint32_t)(clock_ms() + s->policy->auth_timeout) | 1;
	if (v->login_by)
		hub_await_login(s->hub, v);
	welcome(s, secret, room);
	return v;
}

static void place_free(struct v1 *v, struct place *p)
{
	struct place **at = &v->places;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	v->n_places--;
	payload_unref(p->cid);
	free(p);
}

static void leave(struct v1 *v, struct place *p, bool announced)
{
	struct session *s = v->session;
	struct payload *line = announced ? session_line(s, "disconnected") : NULL;

	hub_leave(s->hub, &p->membership, s->person, announced, line);
	payload_unref(line);
	place_free(v, p);
}

static void leave_all(struct v1 *v, bool announced)
{
	while (v->places)
		leave(v, v->places, announced);
}

void v1_free(struct v1 *v, bool announced)
{
	struct session *s;

	if (v == NULL)
		return;
	s = v->session;
	leave_all(v, announced);
	if (v->login_by)
		hub_awaited_login(s->hub, v);
	keeper_close(hub_keeper(s->hub), v, s->serial, person_ref(s->person));
	payload_unref(v->cid);
	free(v);
}

void v1_replaced(struct v1 *v)
{
	struct session *s = v->session;

	leave_all(v, s->policy->announce != ANNOUNCE_OFF);
	v->replaced = true;
	s->sink.ops->close(&s->sink, CLOSE_replaced);
}

void v1_resumed(struct v1 *v, enum reply why, const unsigned char *id, struct person *p)
{
	struct session *s = v->session;
	struct payload *cid = v->cid;
	json_t *o;

	if (v->resuming)
		s->sink.ops->hold(&s->sink, false);
	v->resuming = false;
	v->cid = NULL;
	if (why == REPLY_COUNT) {
		memmove(v->id, id, SECRET_ID_LEN);
		if (p && s->person == NULL) {
			session_become(s, p, false);
			keeper_note_name(hub_keeper(s->hub), v, p);
		} else if (p) { /* it has another name by now */
			shared_map_release(hub_options(s->hub)->names, p->key, strlen(p->key), p->holder);
			keeper_forget_name(hub_keeper(s->hub), p);
			person_unref(p);
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
	payload_unref(cid);
}

void v1_renamed(struct v1 *v, struct person *old, struct person *now)
{
	struct session *s = v->session;
	const char *was = old ? old->name : NULL, *is = now ? now->name : NULL;

	for (struct place *p = v->places; p; p = p->next)
		if (p->membership.seat.taken)
			hub_rename(s->hub, &p->membership, old, now, s->policy->announce != ANNOUNCE_OFF);
	if (old && !now && old->name && !v->giving_up) /* a token's owner has the name now */
		send_json(s, json_pack("{s:s,s:n,s:s}", "type", "renamed", "name", "by", "token"));
	else if (old && now && old->user && !was && is && !v->asking)
		send_json(s, json_pack("{s:s,s:s,s:s}", "type", "renamed", "name", is, "by", "token"));
	if (v->login_by && now && now->user) {
		hub_awaited_login(s->hub, v);
		v->login_by = 0;
	}
}

/* ---- rooms ---- */

struct place *v1_place(const struct v1 *v, const struct payload *room)
{
	for (struct place *p = v->places; p; p = p->next) {
		const struct payload *here = p->membership.branch ? hub_room_name(&p->membership) : NULL;

		if (here && here->len == room->len && memcmp(here->data, room->data, room->len) == 0)
			return p;
	}
	return NULL;
}

int v1_join(struct v1 *v, const struct hub_wish *wish, struct payload *cid)
{
	struct place *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -1;
	p->v1 = v;
	p->number = ++v->last_number;
	p->membership.seat.v1 = true;
	if (hub_join(v->session->hub, &p->membership, wish) < 0) {
		free(p);
		return -1;
	}
	p->cid = payload_ref(cid);
	p->next = v->places;
	v->places = p;
	v->n_places++;
	v->session->sink.ops->hold(&v->session->sink, true);
	return 0;
}

static void finish_leaving(struct place *p)
{
	struct session *s = p->v1->session;
	struct payload *cid = payload_ref(p->cid);

	leave(p->v1, p, s->policy->announce != ANNOUNCE_OFF);
	v1_ok(s, cid, "");
	payload_unref(cid);
}

void v1_leave(struct place *p, struct payload *cid)
{
	payload_unref(p->cid);
	p->cid = payload_ref(cid);
	p->leaving = true;
	if (p->asked == 0)
		finish_leaving(p);
	else
		p->v1->session->sink.ops->hold(&p->v1->session->sink, true); /* what comes next is for after that */
}

void v1_asked(struct place *p, struct request *q)
{
	q->place = p->number;
	p->asked++;
}

void v1_room_answered(struct session *s, struct request *q)
{
	struct place *p = v1_place(s->v1, q->room);

	v1_answer(s, q);
	if (p && p->number == q->place && --p->asked == 0 && p->leaving) {
		finish_leaving(p);
		s->sink.ops->hold(&s->sink, false);
	}
}

static void tell_joined(struct session *s, const struct place *p, const struct join_letter *l)
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
		send_open(s, text->data, p->cid, more);
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
	session_pays_for_past(s, &s->v1->past, len);
	free(l->past);
	l->past = NULL;
	l->n_past = 0;
}

/* The next page, once the client has taken what it was sent. */
static void go_on(struct session *s, struct place *p)
{
	struct join_letter *l = p->more;

	if (s->sink.ops->waiting(&s->sink) > PAGES_AHEAD)
		return;
	p->more = NULL;
	hub_join_more(s->hub, l);
}

void v1_joined(struct v1 *v, struct membership *m, struct join_letter *l)
{
	struct session *s = v->session;
	struct place *p = (struct place *)m;

	if (!l->told)
		s->sink.ops->hold(&s->sink, false);
	if (l->broken) {
		s->sink.ops->close(&s->sink, CLOSE_recovery_lost);
		place_free(v, p);
		return;
	}
	if (!l->joined && !l->more) {
		v1_error(s, p->cid, l->why, NULL, l->retry_after);
		place_free(v, p);
		return;
	}
	if (!l->told) {
		tell_joined(s, p, l);
		payload_unref(p->cid);
		p->cid = NULL;
	}
	l->told = true;
	send_past(s, l);
	if (l->more) {
		p->more = l;
		l->parked = true;
		go_on(s, p);
	} else if (l->person != s->person) {
		hub_rename(s->hub, m, l->person, s->person, s->policy->announce != ANNOUNCE_OFF);
	}
}

void v1_drained(struct v1 *v)
{
	for (struct place *p = v->places; p; p = p->next)
		if (p->more)
			go_on(v->session, p);
}

void v1_discipline(struct v1 *v, const struct payload *room, struct payload *text, bool out, bool muted)
{
	struct place *p = v1_place(v, room);
	struct session *s = v->session;

	if (p == NULL || p->leaving)
		return;
	p->membership.seat.muted = muted;
	if (out)
		leave(v, p, s->policy->announce != ANNOUNCE_OFF);
	if (text)
		send_text(s, text);
}

void v1_expiring(struct v1 *v, int64_t left)
{
	send_json(v->session, json_pack("{s:s,s:I}", "type", "token_expiring", "in", (json_int_t)((left + 999) / 1000)));
}

void v1_keep_to_grant(struct v1 *v)
{
	struct session *s = v->session;

	for (struct place *p = v->places, *next; p; p = next) {
		const struct payload *room = p->membership.branch ? hub_room_name(&p->membership) : NULL;
		json_t *o;

		next = p->next;
		if (room == NULL || p->leaving || session_may(s, GRANT_JOIN, room->data, room->len))
			continue;
		o = json_pack("{s:s,s:s%,s:s}", "type", "kicked", "room", room->data, (size_t)room->len, "reason",
			      "your token does not allow this room");
		leave(v, p, s->policy->announce != ANNOUNCE_OFF);
		send_json(s, o);
	}
}

/* ---- requests ---- */

void v1_text(struct v1 *v, const char *text, size_t len)
{
	struct session *s = v->session;
	char words[160] = "";
	struct message m;
	enum reply bad = message_decode(&m, text, len, &s->policy->limits, words, sizeof(words));

	if (bad == REPLY_COUNT && !v->replaced)
		command_do(s, &m);
	else if (!v->replaced)
		v1_error(s, NULL, bad, words[0] ? words : NULL, 0);
	message_clear(&m);
}
