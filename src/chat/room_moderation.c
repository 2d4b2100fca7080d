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

static void tell_topic(struct room *r, struct request *q)
{
	char time[40];

	set_topic(r, q->text->data, q->text->len);
	snprintf(time, sizeof(time), ",\"time\":%" PRId64 "}", clock_wall_ms());
	q->news = text_concat("{\"type\":\"topic\"", r->topic ? r->topic->data : ",\"topic\":\"\"", r->where->data,
			      person_suffix(q->by), time, (char *)NULL);
}

void room_topic(struct room *r, struct request *q)
{
	room_keep(r, q, q->text->len ? JOURNAL_PUT : JOURNAL_DELETE, "room:", r->name->data, "topic", q->text, 0,
		  tell_topic);
}

/* ---- who is kept out, or quiet ---- */

uint64_t room_sanctioned(struct room *r, enum sanction what, const struct person *p, const struct payload *address)
{
	const char *user = person_user(p);

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

/* ---- what moderators do ---- */

/* The member whom Q means; NULL: not there. */
static const struct member *find(const struct room *r, const struct request *q)
{
	char ident[80];

	if (q->target.user == NULL)
		return members_named(&r->members, q->target.key->data);
	snprintf(ident, sizeof(ident), "u%s", q->target.user->data);
	return members_find(&r->members, ident);
}

/* {"type":TYPE,"room":…,"by":…,"reason":…,MEMBER:seconds} */
static struct payload *verdict(const struct room *r, const struct request *q, const char *type, const char *member)
{
	const char *by = person_shown(q->by);
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

/* From home to worker and back, one after the other, so that what a worker says of it comes before the answer. */
void room_discipline(struct room *r, struct request *q)
{
	bool user = person_is_user(q->holder);

	if (q->asked == (user ? r->opts->hub->n : 1)) {
		room_answer(r, q);
		return;
	}
	q->letter.open = r->opts->discipline;
	r->opts->post(r->opts->owner, user ? q->asked : (unsigned)(q->holder >> 32) - 1, &q->letter);
	q->asked++;
}

void room_kick(struct room *r, struct request *q)
{
	const struct member *m = find(r, q);

	if (m == NULL) {
		room_refuse(r, q, REPLY_not_there);
		return;
	}
	q->holder = m->person->holder;
	q->out = true;
	q->news = verdict(r, q, "kicked", NULL);
	room_discipline(r, q);
}

/* Which of the two a request is about. */
static enum sanction sanction_of(const struct request *q) { return q->op == room_ban ? SANCTION_BAN : SANCTION_MUTE; }

static void key_for(char key[SANCTION_KEY_MAX], const struct request *q)
{
	const char *user = q->target.user ? q->target.user->data : NULL;

	sanction_key(key, sanction_of(q), user, user ? NULL : q->address->data);
}

static const char *label_of(const struct request *q) { return q->target.user ? "" : q->target.key->data; }

static void punished(struct room *r, struct request *q)
{
	bool ban = sanction_of(q) == SANCTION_BAN;
	char key[SANCTION_KEY_MAX];

	key_for(key, q);
	q->out = ban;
	q->muted = !ban;
	if (sanctions_set(&r->sanctions, key, label_of(q), q->keep, clock_ms()) < 0)
		q->why = REPLY_list_full;
	else if (q->holder)
		q->news = verdict(r, q, ban ? "kicked" : "muted", ban ? "banned" : "duration");
}

/* Its user, or its address, is known. */
static void punish(struct room *r, struct request *q)
{
	struct payload *label = payload_new(label_of(q), strlen(label_of(q)));
	char key[SANCTION_KEY_MAX];

	key_for(key, q);
	if (sanctions_are_full(&r->sanctions, key))
		room_refuse(r, q, REPLY_list_full);
	else
		room_keep(r, q, JOURNAL_PUT, "room:", r->name->data, key, label, q->keep, punished);
	payload_unref(label);
}

static void pardoned(struct room *r, struct request *q)
{
	sanctions_lift(&r->sanctions, q->text->data);
	if (q->holder && sanction_of(q) == SANCTION_MUTE) {
		payload_unref(q->text);
		q->text = NULL;
		q->news = verdict(r, q, "muted", "duration");
	}
}

/* The end of it, also for who is not there any more. */
static void pardon(struct room *r, struct request *q)
{
	const char *known;
	char key[SANCTION_KEY_MAX];

	if (q->target.user)
		key_for(key, q);
	known = q->target.user ? key : sanctions_labelled(&r->sanctions, sanction_of(q), q->target.key->data);
	payload_unref(q->text);
	q->text = known ? payload_new(known, strlen(known)) : NULL;
	if (q->text)
		room_keep(r, q, JOURNAL_DELETE, "room:", r->name->data, q->text->data, NULL, 0, pardoned);
	else
		room_refuse(r, q, REPLY_not_there);
}

/* Ban and mute: a user by id, a guest by address, which its worker knows. */
static void sanction(struct room *r, struct request *q)
{
	const struct member *m = find(r, q);

	q->holder = m ? m->person->holder : 0;
	if (m && person_user(m->person) && q->target.user == NULL)
		q->target.user = payload_new(person_user(m->person), strlen(person_user(m->person)));
	if (q->keep == 0) {
		pardon(r, q);
	} else if (q->target.user) {
		punish(r, q);
	} else if (m) {
		q->letter.open = r->opts->locate;
		r->opts->post(r->opts->owner, (unsigned)(q->holder >> 32) - 1, &q->letter);
	} else {
		room_refuse(r, q, REPLY_not_there);
	}
}

void room_ban(struct room *r, struct request *q) { sanction(r, q); }
void room_mute(struct room *r, struct request *q) { sanction(r, q); }

void room_located(struct room *r, struct request *q)
{
	if (q->address)
		punish(r, q);
	else
		room_refuse(r, q, REPLY_not_there);
}
