#include <config.h>

#include "chat/room.h"
#include "chat/room_inner.h"

#include "base/strmap.h"
#include "chat/json_text.h"
#include "chat/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARKS_MAX 4096 /* read markers that are kept in mind; the journal has all */

/* Q's answer is O (taken), with what WHERE says. */
static void answer_with(struct room *r, struct request *q, json_t *o)
{
	struct payload *text = o ? json_text_open(o) : NULL;

	q->answer = text ? message_sign(text, r->where->data) : NULL;
	if (q->answer == NULL)
		q->why = REPLY_storage_unavailable;
	payload_unref(text);
	json_decref(o);
	room_answer(r, q);
}

/* ---- who is there, what was said ---- */

void room_who(struct room *r, struct request *q)
{
	bool more = false, few = members_count(&r->members) <= r->opts->hub->rules.who_max;
	json_t *page = few ? members_page(&r->members, q->text->data, q->limit, &more) : NULL;

	answer_with(r, q, json_pack("{s:s,s:o*,s:b,s:I,s:I}", "type", "who", "members", page, "more", (int)more, "count",
				    (json_int_t)members_count(&r->members), "guests", (json_int_t)r->members.guests));
}

json_t *room_row(const struct room *r)
{
	json_t *row = json_pack("{s:s%,s:I,s:I}", "room", r->name->data, (size_t)r->name->len, "members",
				(json_int_t)members_count(&r->members), "guests", (json_int_t)r->members.guests);

	if (row && r->topic) {
		json_t *topic = json_loadb(r->topic->data + 9, r->topic->len - 9, JSON_DECODE_ANY, NULL);

		json_object_set_new(row, "topic", topic);
	}
	return row;
}

/* The whole texts of a page, one after the other. They are JSON already: nothing is decoded. */
static struct payload *texts(const struct room *r, const struct journal_message *m, size_t n)
{
	struct payload **all = calloc(n + 1, sizeof(*all)), *text = NULL;
	size_t len = 0;
	char *to;

	for (size_t i = 0; all && i < n; i++) {
		all[i] = room_render(r, &m[i]);
		len += all[i] ? all[i]->len + 1U : 0;
	}
	if (all)
		text = payload_new(NULL, len);
	to = text ? text->data : NULL;
	for (size_t i = 0; to && i < n; i++) {
		if (all[i] == NULL)
			continue;
		if (to > text->data)
			*to++ = ',';
		memcpy(to, all[i]->data, all[i]->len);
		to += all[i]->len;
	}
	if (to)
		text->len = (uint32_t)(to - text->data);
	if (to)
		*to = '\0';
	for (size_t i = 0; all && i < n; i++)
		payload_unref(all[i]);
	free(all);
	return text;
}

static void history_page(struct room *r, struct errand *e, enum journal_status status, const struct journal_message *m,
			 size_t n, bool more)
{
	struct request *q = request_of(e);
	struct payload *all = NULL;
	size_t size;

	size = room_page_size(m, n, q->after);
	more = more || size < n;
	if (!q->after)
		m += n - size;
	list_remove(&r->reading, &e->node);
	if (status == JOURNAL_OK)
		all = texts(r, m, size);
	if (all)
		q->answer = text_concat("{\"type\":\"history\"", r->where->data, ",\"epoch\":\"", r->epoch, "\",\"messages\":[",
				      all->data, more ? "],\"more\":true" : "],\"more\":false", (char *)NULL);
	payload_unref(all);
	if (q->answer)
		room_answer(r, q);
	else
		room_refuse(r, q, REPLY_storage_unavailable);
}

void room_history(struct room *r, struct request *q)
{
	q->errand.page = history_page;
	list_append(&r->reading, &q->errand.node);
	if (q->after)
		room_journal(r)->read_after(r->journal, q->seq, q->limit, &q->errand);
	else
		room_journal(r)->read_before(r->journal, q->seq, q->limit, &q->errand);
}

/* ---- changing what was said ---- */

/* Whether Q may change M, which its sender said; a moderator may change all but what two say to each other. */
static enum reply judge_change(const struct room *r, const struct request *q, const struct journal_message *m, size_t n)
{
	if (n == 0 || m->seq != q->seq || m->kind != JOURNAL_MESSAGE || m->body == NULL)
		return REPLY_no_message;
	if (person_role(q->by, r->name->data, r->name->len) >= ROLE_MODERATOR && r->users[0] == NULL)
		return REPLY_COUNT;
	if (m->sender && q->sender && m->sender->len == q->sender->len &&
	    memcmp(m->sender->data, q->sender->data, m->sender->len) == 0)
		return REPLY_COUNT;
	return REPLY_not_yours;
}

static void change_page(struct room *r, struct errand *e, enum journal_status status, const struct journal_message *m,
			size_t n, bool more)
{
	struct request *q = request_of(e);
	enum reply bad = status == JOURNAL_OK ? judge_change(r, q, m, n) : REPLY_storage_unavailable;
	struct payload *body = NULL;

	(void)more;
	list_remove(&r->reading, &e->node);
	if (bad == REPLY_COUNT && q->content) {
		body = message_amend(m->body, q->content);
		bad = body ? REPLY_COUNT : REPLY_storage_unavailable;
	}
	if (bad != REPLY_COUNT) {
		room_refuse(r, q, bad);
		return;
	}
	room_store(r, q);
	if (body)
		room_journal(r)->amend(r->journal, q->seq, q->sender, body, e);
	else
		room_journal(r)->erase(r->journal, q->seq, q->sender, e);
	payload_unref(body);
}

static void change(struct room *r, struct request *q)
{
	if (room_refuse_muted(r, q))
		return;
	if (q->seq == 0) {
		room_refuse(r, q, REPLY_no_message);
		return;
	}
	q->errand.page = change_page;
	list_append(&r->reading, &q->errand.node);
	room_journal(r)->read_after(r->journal, q->seq - 1, 1, &q->errand);
}

void room_edit(struct room *r, struct request *q) { change(r, q); }
void room_delete(struct room *r, struct request *q) { change(r, q); }

/* ---- what is kept ---- */

static void kept(struct room *r, struct errand *e, const struct journal_state *s)
{
	struct request *q = request_of(e);
	struct payload *news;

	if (s->status != JOURNAL_OK)
		q->why = REPLY_storage_unavailable;
	else if (q->kept)
		q->kept(r, q);
	if (q->why == REPLY_COUNT && q->news && q->holder) {
		room_discipline(r, q);
		return;
	}
	news = q->news;
	q->news = NULL;
	room_answer(r, q);
	if (news)
		room_tell(r, news, DIALECT_V1);
	payload_unref(news);
}

void room_keep(struct room *r, struct request *q, enum journal_verb verb, const char *scope, const char *of,
	       const char *key, struct payload *value, uint64_t keep, void (*then)(struct room *r, struct request *q))
{
	q->kept = then;
	if ((verb == JOURNAL_PUT && value == NULL) ||
	    !room_state(r, verb, scope, of, key, value, keep, &q->errand, kept))
		room_refuse(r, q, REPLY_storage_unavailable);
}

/* ---- read markers ---- */

void room_mark(struct room *r, const char *user, uint64_t seq)
{
	uint64_t *mark;

	if (r->marks == NULL)
		r->marks = strmap_new();
	if (r->marks == NULL)
		return;
	mark = strmap_get(r->marks, user, strlen(user));
	if (mark == NULL && strmap_count(r->marks) < MARKS_MAX) {
		mark = calloc(1, sizeof(*mark));
		if (mark && strmap_put(r->marks, user, strlen(user), mark) < 0) {
			free(mark);
			mark = NULL;
		}
	}
	if (mark && *mark < seq)
		*mark = seq;
}

/* Q's user has read up to KNOWN at least. */
static void mark(struct room *r, struct request *q, uint64_t known)
{
	char value[24];
	struct payload *p;

	q->answer_seq = q->seq > r->seq ? r->seq : q->seq; /* nobody has read what is to come */
	if (q->answer_seq <= known) {
		q->answer_seq = known;
		room_answer(r, q);
		return;
	}
	room_mark(r, person_user(q->by), q->answer_seq);
	snprintf(value, sizeof(value), "%" PRIu64, q->answer_seq);
	p = payload_new(value, strlen(value));
	room_keep(r, q, JOURNAL_PUT, "read:", person_user(q->by), r->name->data, p, 0, NULL);
	payload_unref(p);
}

static void marked(struct room *r, struct errand *e, const struct journal_state *s)
{
	struct request *q = request_of(e);
	uint64_t *known;

	if (s->status != JOURNAL_OK) {
		room_refuse(r, q, REPLY_storage_unavailable);
		return;
	}
	room_mark(r, person_user(q->by), s->n ? strtoull(s->found[0].value->data, NULL, 10) : 0);
	known = r->marks ? strmap_get(r->marks, person_user(q->by), strlen(person_user(q->by))) : NULL;
	mark(r, q, known ? *known : 0);
}

void room_read(struct room *r, struct request *q)
{
	uint64_t *known = r->marks ? strmap_get(r->marks, person_user(q->by), strlen(person_user(q->by))) : NULL;

	if (known)
		mark(r, q, *known);
	else if (!room_state(r, JOURNAL_GET, "read:", person_user(q->by), r->name->data, NULL, 0, &q->errand, marked))
		room_refuse(r, q, REPLY_storage_unavailable);
}

/* ---- conversations ---- */

void room_conversed(struct room *r, const struct journal_message *m)
{
	char value[64];
	struct payload *p;

	snprintf(value, sizeof(value), "{\"seq\":%" PRIu64 ",\"time\":%" PRId64 "}", m->seq, m->time);
	p = payload_new(value, strlen(value));
	for (unsigned i = 0; p && i < 2; i++)
		room_state(r, JOURNAL_PUT, "direct:", r->users[i]->data, r->users[1 - i]->data, p, 0, NULL, NULL);
	payload_unref(p);
}
