#include <config.h>

#include "chat/room.h"
#include "chat/room_inner.h"

#include "base/clock.h"
#include "base/log.h"
#include "chat/json_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- topic ---- */

static void set_topic(struct room *r, const char *topic, size_t len)
{
	json_t *json = len ? json_stringn(topic, len) : NULL;
	struct payload *text = json ? json_text(json) : NULL;

	payload_unref(r->topic);
	r->topic = text ? text_concat(",\"topic\":", text->data, (char *)NULL) : NULL;
	payload_unref(text);
	json_decref(json);
}

void room_topic(struct room *r, struct request *q)
{
	struct payload *text;
	char time[40];

	set_topic(r, q->text->data, q->text->len);
	room_state(r, q->text->len ? JOURNAL_PUT : JOURNAL_DELETE, "room:", r->name->data, "topic", q->text, 0, NULL, NULL);
	snprintf(time, sizeof(time), ",\"time\":%" PRId64 "}", clock_wall_ms());
	text = text_concat("{\"type\":\"topic\"", r->topic ? r->topic->data : ",\"topic\":\"\"", r->where->data,
			 q->by ? q->by->suffix : "", time, (char *)NULL);
	room_answer(r, q);
	if (text)
		room_tell(r, text, DIALECT_V1);
	payload_unref(text);
}

/* ---- kick, ban, mute ---- */

uint64_t room_sanctioned(struct room *r, enum sanction what, const struct person *p, const struct payload *address)
{
	const char *user = p ? p->user : NULL;

	return sanctions_last(&r->sanctions, what, user, user || address == NULL ? NULL : address->data, clock_ms());
}

void room_remember(struct room *r, const struct journal_state *s)
{
	uint64_t now = clock_ms();

	for (size_t i = 0; i < s->n; i++) {
		const struct journal_value *v = &s->found[i];

		if (strcmp(v->key->data, "topic") == 0)
			set_topic(r, v->value->data, v->value->len);
		else
			sanctions_set(&r->sanctions, v->key->data, v->value->data, v->keep, now);
	}
}

static void lift(struct room *r, const char *key)
{
	room_state(r, JOURNAL_DELETE, "room:", r->name->data, key, NULL, 0, NULL, NULL);
	sanctions_lift(&r->sanctions, key);
}

/* For KEEP ms; 0, or -1: there are too many. */
static int sanction(struct room *r, const char *key, const char *label, uint64_t keep)
{
	struct payload *value;

	if (sanctions_set(&r->sanctions, key, label, keep, clock_ms()) < 0)
		return -1;
	value = payload_new(label, strlen(label));
	if (value)
		room_state(r, JOURNAL_PUT, "room:", r->name->data, key, value, keep, NULL, NULL);
	payload_unref(value);
	return 0;
}

void room_sanction(struct room *r, int what, const char *address, const char *label, uint64_t keep)
{
	char key[SANCTION_KEY_MAX];

	sanction_key(key, (enum sanction)what, NULL, address);
	if (sanction(r, key, label, keep) < 0)
		log_limited(LOG_LEVEL_WARNING, "a room has as many bans and mutes as it may have", "room=%s", r->name->data);
}

/* The member whom Q means; NULL: not there. */
static const struct member *find(const struct room *r, const struct request *q)
{
	char ident[80];

	if (q->target.user == NULL)
		return members_named(&r->members, q->target.key->data);
	snprintf(ident, sizeof(ident), "u%s", q->target.user->data);
	return members_find(&r->members, ident);
}

/* Tells the workers what happens to HOLDER's connections here; D is copied, its text taken. */
static void discipline(struct room *r, uint64_t holder, struct discipline_letter d)
{
	unsigned only = person_is_user(holder) ? UINT32_MAX : (unsigned)(holder >> 32) - 1;

	for (unsigned w = 0; w < r->opts->hub->n; w++) {
		struct discipline_letter *l = only == UINT32_MAX || only == w ? malloc(sizeof(*l)) : NULL;

		if (l == NULL)
			continue;
		*l = d;
		l->letter = (struct letter){ NULL, r->opts->discipline };
		l->room = payload_ref(r->name);
		l->holder = holder;
		l->text = payload_ref(d.text);
		l->label = payload_ref(d.label);
		r->opts->post(r->opts->owner, w, &l->letter);
	}
	payload_unref(d.text);
}

/* {"type":TYPE,"room":…,"by":…,"reason":…,MEMBER:seconds} */
static struct payload *verdict(const struct room *r, const struct request *q, const char *type, const char *member)
{
	const char *by = q->by ? q->by->name ? q->by->name : q->by->user : NULL;
	json_t *o = json_pack("{s:s,s:s*,s:s*}", "type", type, "by", by, "reason", q->text ? q->text->data : NULL);
	struct payload *text, *whole;

	if (o && member)
		json_object_set_new(o, member, json_integer((json_int_t)((q->keep + 999) / 1000)));
	text = o ? json_text_open(o) : NULL;
	whole = text ? text_concat(text->data, r->where->data, "}", (char *)NULL) : NULL;
	payload_unref(text);
	json_decref(o);
	return whole;
}

void room_kick(struct room *r, struct request *q)
{
	const struct member *m = find(r, q);

	if (m == NULL) {
		room_refuse(r, q, REPLY_not_there);
		return;
	}
	discipline(r, m->person->holder, (struct discipline_letter){ .text = verdict(r, q, "kicked", NULL), .out = true,
								      .guest = -1 });
	room_answer(r, q);
}

/* The end of WHAT, also for who is not there any more. */
static void pardon(struct room *r, struct request *q, enum sanction what, const struct member *m, const char *user)
{
	char key[SANCTION_KEY_MAX];
	const char *known = user ? key : NULL;

	if (user)
		sanction_key(key, what, user, NULL);
	else if (q->target.key)
		known = sanctions_labelled(&r->sanctions, what, q->target.key->data);
	if (known == NULL) {
		room_refuse(r, q, REPLY_not_there);
		return;
	}
	lift(r, known);
	if (m && what == SANCTION_MUTE)
		discipline(r, m->person->holder, (struct discipline_letter){ .text = verdict(r, q, "muted", "duration"),
									      .guest = -1 });
	room_answer(r, q);
}

static void punish(struct room *r, struct request *q, enum sanction what)
{
	const struct member *m = find(r, q);
	const char *user = q->target.user ? q->target.user->data : m ? m->person->user : NULL;
	bool ban = what == SANCTION_BAN;
	struct discipline_letter d = { .out = ban, .muted = !ban, .guest = user ? -1 : (int)what,
				       .label = q->target.key, .keep = q->keep };
	char key[SANCTION_KEY_MAX];

	if (q->keep == 0) {
		pardon(r, q, what, m, user);
		return;
	}
	if (user == NULL && m == NULL) {
		room_refuse(r, q, REPLY_not_there);
		return;
	}
	if (user) {
		sanction_key(key, what, user, NULL);
		if (sanction(r, key, "", q->keep) < 0) {
			room_refuse(r, q, REPLY_list_full);
			return;
		}
	}
	if (m) {
		d.text = verdict(r, q, ban ? "kicked" : "muted", ban ? "banned" : "duration");
		discipline(r, m->person->holder, d);
	}
	room_answer(r, q);
}

void room_ban(struct room *r, struct request *q) { punish(r, q, SANCTION_BAN); }
void room_mute(struct room *r, struct request *q) { punish(r, q, SANCTION_MUTE); }
