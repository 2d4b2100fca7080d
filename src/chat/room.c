#include <config.h>

#include "chat/room.h"
#include "chat/room_inner.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/strmap.h"
#include "chat/json_text.h"
#include "chat/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct payload *room_name(const struct room *r) { return r->name; }
uint64_t room_empty_since(const struct room *r) { return r->empty_since; }

bool room_is_empty(const struct room *r)
{
	return r->seats == 0 && r->pending == 0 && list_empty(&r->waiting) && list_empty(&r->reading) &&
	       list_empty(&r->storing);
}

/* ---- to the branches ---- */

static void publish_to_users(struct room *r, struct payload *text)
{
	const struct hub_opts *hub = r->opts->hub;

	for (unsigned w = 0; w < hub->n; w++) {
		struct direct_letter *l = malloc(sizeof(*l));

		if (l == NULL) {
			log_limited(LOG_LEVEL_ERROR, "no memory to publish", "worker=%u", w);
			return;
		}
		*l = (struct direct_letter){ { NULL, r->opts->deliver },
					     { person_holder(r->users[0]->data), person_holder(r->users[1]->data) },
					     payload_ref(text) };
		r->opts->post(r->opts->owner, w, &l->letter);
	}
}

static void publish(struct room *r, struct payload *text, unsigned dialects)
{
	const struct hub_opts *hub = r->opts->hub;

	for (unsigned w = 0; w < hub->n; w++) {
		struct publish_letter *l;

		if (r->by_worker[w] == 0)
			continue;
		l = malloc(sizeof(*l));
		if (l == NULL) {
			log_limited(LOG_LEVEL_ERROR, "no memory to publish", "worker=%u", w);
			continue;
		}
		*l = (struct publish_letter){ { NULL, r->opts->publish }, payload_ref(r->name), payload_ref(text),
					      dialects };
		r->opts->post(r->opts->owner, w, &l->letter);
	}
	if (r->users[0])
		publish_to_users(r, text);
	stats_add(STAT_published, 1);
}

/* What is said later is heard later: nothing unstored overtakes a message that is being stored. */
void room_tell(struct room *r, struct payload *text, unsigned dialects)
{
	struct relay *l;

	if (r->settled == r->appended) {
		publish(r, text, dialects);
		return;
	}
	l = malloc(sizeof(*l));
	if (l == NULL) {
		log_limited(LOG_LEVEL_ERROR, "no memory to relay", "bytes=%u", text->len);
		return;
	}
	*l = (struct relay){ NULL, payload_ref(text), dialects, r->appended };
	*r->relays_tail = l;
	r->relays_tail = &l->next;
}

void room_relay(struct room *r, struct payload *text) { room_tell(r, text, DIALECT_ALL); }

static void drop_first_relay(struct room *r)
{
	struct relay *l = r->relays;

	r->relays = l->next;
	if (r->relays == NULL)
		r->relays_tail = &r->relays;
	payload_unref(l->text);
	free(l);
}

/* The journal has answered one of our appends. */
static void settle(struct room *r)
{
	r->settled++;
	while (r->relays && r->relays->after <= r->settled) {
		publish(r, r->relays->text, r->relays->dialects);
		drop_first_relay(r);
	}
}

/* ---- who comes and goes ---- */

/* EVENT, with the room and how many are in it, for natter.v1. MORE: further members. */
static void tell_presence(struct room *r, const char *event, const struct person *p, const char *more)
{
	char counts[80];
	struct payload *text;

	if (r->v1_seats == 0)
		return;
	snprintf(counts, sizeof(counts), ",\"members\":%zu,\"guests\":%" PRIu32 "}", members_count(&r->members),
		 r->members.guests);
	text = text_concat("{\"type\":\"presence\",\"event\":\"", event, "\"", person_suffix(p), more, r->where->data,
			 counts, (char *)NULL);
	if (text)
		room_tell(r, text, DIALECT_V1);
	payload_unref(text);
}

static bool is_crowded(const struct room *r) { return r->seats > r->opts->hub->rules.announce_max; }

/* In a large room one line for each that comes would be members² lines: they are summed up. */
void room_announce(struct room *r, struct payload *line, uint32_t *sum, const char *event, const struct person *p)
{
	if (r->seats == 0)
		return;
	if (line && is_crowded(r))
		++*sum;
	else if (line && r->seats > r->v1_seats)
		room_tell(r, line, DIALECT_PLAIN);
	if (p && !is_crowded(r))
		tell_presence(r, event, p, "");
	else
		r->count_changed = true;
}

void room_tick(struct room *r)
{
	char line[96];
	struct payload *p;

	if (r->count_changed)
		tell_presence(r, "count", NULL, "");
	r->count_changed = false;
	if (r->came && r->went)
		snprintf(line, sizeof(line), "%u connected, %u disconnected", r->came, r->went);
	else if (r->came || r->went)
		snprintf(line, sizeof(line), "%u %s", r->came + r->went, r->came ? "connected" : "disconnected");
	else
		return;
	r->came = r->went = 0;
	p = r->seats > r->v1_seats ? reply_system(line) : NULL;
	if (p)
		room_tell(r, p, DIALECT_PLAIN);
	payload_unref(p);
}

void room_part(struct room *r, const struct part_letter *l)
{
	bool other = members_remove(&r->members, l->person);

	if (l->renamed) {
		bool came = members_add(&r->members, l->now, clock_wall_ms());
		struct payload *old = NULL;

		if (person_name(l->person) && other && came) {
			json_t *name = json_string(person_name(l->person));
			struct payload *text = name ? json_text(name) : NULL;

			old = text ? text_concat(",\"old\":", text->data, (char *)NULL) : NULL;
			payload_unref(text);
			json_decref(name);
		}
		if (l->announced && other && came && !is_crowded(r))
			tell_presence(r, "rename", l->now, old ? old->data : ",\"old\":null");
		else if (l->announced && (other || came))
			r->count_changed = true;
		payload_unref(old);
		return;
	}
	r->by_worker[l->worker]--;
	r->v1_seats -= l->v1;
	stats_add(STAT_members, -1);
	if (--r->seats == 0)
		r->empty_since = clock_ms();
	if (l->announced && other)
		room_announce(r, l->line, &r->went, "leave", l->person);
}

/* ---- the past ---- */

/* BODY (taken) with the user who did it, if it was one. */
static struct payload *sign_by(struct payload *body, const struct payload *sender)
{
	struct person *p = sender && sender->data[0] == 'u' ? person_new(sender->data + 1, NULL, ROLE_USER, 0) : NULL;
	struct payload *whole = p ? message_sign(body, person_suffix(p)) : NULL;

	person_unref(p);
	if (whole == NULL)
		return body;
	payload_unref(body);
	return whole;
}

struct payload *room_render(const struct room *r, const struct journal_message *m)
{
	static const char *const changes[] = { [JOURNAL_AMENDMENT] = "edit", [JOURNAL_ERASURE] = "delete" };
	char more[64] = "";
	struct payload *body = NULL, *text;

	if (m->kind == JOURNAL_MESSAGE && m->body && m->changed == 0)
		return message_stamp(m->body, r->where, m->seq, m->time, more);
	if (m->kind == JOURNAL_MESSAGE && m->body) {
		snprintf(more, sizeof(more), ",\"edited\":%" PRIu64, m->changed);
		body = message_without(payload_ref(m->body), "edited");
	} else if (m->kind == JOURNAL_MESSAGE) {
		snprintf(more, sizeof(more), ",\"deleted\":%" PRIu64, m->changed);
		body = text_concat("{\"type\":\"deleted\"", (char *)NULL);
	} else if (m->body) {
		snprintf(more, sizeof(more), ",\"target\":%" PRIu64, m->target);
		body = message_without(message_retype(m->body, changes[m->kind]), "target");
	} else {
		snprintf(more, sizeof(more), ",\"target\":%" PRIu64, m->target);
		body = text_concat("{\"type\":\"", changes[m->kind], "\"", (char *)NULL);
		if (body && m->kind == JOURNAL_ERASURE)
			body = sign_by(body, m->sender);
	}
	text = body ? message_stamp(body, r->where, m->seq, m->time, more) : NULL;
	payload_unref(body);
	return text;
}

/* ---- requests ---- */

void room_answer(struct room *r, struct request *q)
{
	if (q->quiet && q->why == REPLY_COUNT) {
		request_free(q);
		return;
	}
	if (r->users[0])
		q->where = payload_ref(r->where);
	q->letter.open = r->opts->answered;
	r->opts->post(r->opts->owner, q->worker, &q->letter);
}

void room_refuse(struct room *r, struct request *q, enum reply why)
{
	q->why = why;
	room_answer(r, q);
}

bool room_refuse_muted(struct room *r, struct request *q)
{
	uint64_t last = room_sanctioned(r, SANCTION_MUTE, q->by, q->address);

	if (last == 0)
		return false;
	q->retry_after = last > UINT32_MAX ? 0 : (uint32_t)last;
	room_refuse(r, q, REPLY_muted);
	return true;
}

void room_store(struct room *r, struct request *q)
{
	r->appended++;
	list_append(&r->storing, &q->errand.node);
}

void room_say(struct room *r, struct request *q)
{
	struct journal_entry e = { .body = q->body, .sender = q->sender, .cid = q->sender ? q->cid : NULL,
				   .content = q->content };

	if (room_refuse_muted(r, q))
		return;
	room_store(r, q);
	room_journal(r)->append(r->journal, &e, &q->errand);
}

void room_pass(struct room *r, struct request *q)
{
	if (room_refuse_muted(r, q))
		return;
	room_relay(r, q->body);
	room_answer(r, q);
}

/* The journal has answered Q, which goes back. */
static struct request *stored(struct room *r, struct errand *e)
{
	list_remove(&r->storing, &e->node);
	return request_of(e);
}

static bool is_ready(const struct room *r) { return r->answered && r->known; }

static void run_waiting(struct room *r)
{
	struct list_node *n;

	while (is_ready(r) && (n = list_first(&r->waiting)) != NULL) {
		struct errand *e = list_entry(n, struct errand, node);

		list_remove(&r->waiting, n);
		e->run(r, e);
	}
}

static void run_request(struct room *r, struct errand *e) { request_of(e)->op(r, request_of(e)); }

void room_run(struct room *r, struct errand *e)
{
	if (is_ready(r))
		e->run(r, e);
	else
		list_append(&r->waiting, &e->node);
}

void room_ask(struct room *r, struct request *q)
{
	q->errand.run = run_request;
	room_run(r, &q->errand);
}

/* ---- state ---- */

static void open_state(struct letter *letter, void *reader)
{
	struct state_letter *l = (struct state_letter *)letter;
	struct room *r = reader ? hub_home_room(reader, l->room) : NULL;

	if (r && l->errand)
		r->pending--;
	if (r && l->done)
		l->done(r, l->errand, &l->state);
	else if (l->errand)
		l->errand->drop(l->errand);
	journal_state_clear(&l->state);
	payload_unref(l->room);
	free(l);
}

bool room_state(struct room *r, enum journal_verb verb, const char *scope, const char *of, const char *key,
		struct payload *value, uint64_t keep, struct errand *e,
		void (*done)(struct room *r, struct errand *e, const struct journal_state *s))
{
	const struct hub_opts *hub = r->opts->hub;
	struct state_letter *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return false;
	*l = (struct state_letter){
		.state = { .answered = open_state, .verb = verb, .keep = keep,
			   .scope = text_concat(scope, of, (char *)NULL), .key = key ? payload_new(key, strlen(key)) : NULL,
			   .value = payload_ref(value) },
		.room = payload_ref(r->name), .errand = e, .done = done,
	};
	r->pending += e != NULL;
	hub->journal->ops->state(hub->journal, r->opts->port, &l->state);
	return true;
}

static void known(struct room *r, struct errand *e, const struct journal_state *s)
{
	(void)e;
	if (s->status == JOURNAL_OK)
		room_remember(r, s);
	r->remembered = r->remembered || s->status == JOURNAL_OK;
	r->known = true;
	run_waiting(r);
}

/* Asks for topic, bans and mutes. Whether they are asked for; a conversation has none. */
static bool ask_state(struct room *r)
{
	return r->users[0] == NULL && room_state(r, JOURNAL_LIST, "room:", r->name->data, NULL, NULL, 0, NULL, known);
}

/* ---- what the journal tells ---- */

/* The past may differ from what was told: whoever counts begins anew. */
static void on_epoch(void *home, const char *epoch, uint64_t seq)
{
	struct room *r = home;
	char numbers[64];
	struct payload *text;

	snprintf(r->epoch, sizeof(r->epoch), "%s", epoch);
	r->seq = seq;
	snprintf(numbers, sizeof(numbers), "\",\"seq\":%" PRIu64 "}", seq);
	if (r->v1_seats == 0)
		return;
	text = text_concat("{\"type\":\"epoch\"", r->where->data, ",\"epoch\":\"", epoch, numbers, (char *)NULL);
	if (text)
		room_tell(r, text, DIALECT_V1);
	payload_unref(text);
}

/* What could not be read when the room came into being is read now. */
static void on_available(void *home)
{
	struct room *r = home;

	if (r->known && !r->remembered)
		ask_state(r);
}

/* Who came before that was told of no epoch. */
static void on_subscribed(void *home, const char *epoch, uint64_t seq)
{
	struct room *r = home;

	on_epoch(home, epoch, seq);
	r->subscribed = r->answered = true;
	on_available(home);
	run_waiting(r);
}

/* Who comes may come: all that is not stored goes on. */
static void on_unavailable(void *home)
{
	struct room *r = home;

	r->answered = true;
	run_waiting(r);
}

static void deliver(struct room *r, const struct journal_message *m)
{
	struct payload *v1 = room_render(r, m);

	if (v1 == NULL) {
		log_limited(LOG_LEVEL_ERROR, "no memory for a message", "seq=%" PRIu64, m->seq);
		return;
	}
	publish(r, v1, room_is_plain(m) ? DIALECT_ALL : DIALECT_V1);
	if (!list_empty(&r->reading))
		room_note_recent(r, m->seq, room_is_plain(m) ? v1 : NULL, v1);
	payload_unref(v1);
}

static void on_message(void *home, const struct journal_message *m)
{
	struct room *r = home;

	r->seq = m->seq;
	stats_add(STAT_stored, 1);
	if (m->kind == JOURNAL_ERASURE)
		room_erase_recent(r, m);
	if (m->tag) { /* who said it learns of it first */
		struct request *q = stored(r, m->tag);

		q->answer_seq = m->seq;
		q->answer_time = m->time;
		room_answer(r, q);
	}
	deliver(r, m);
	if (r->users[0])
		room_conversed(r, m);
	if (m->tag)
		settle(r);
}

/* It has its place already, and everybody who was there has it. */
static void on_duplicate(void *home, void *tag, uint64_t seq, int64_t time)
{
	struct room *r = home;
	struct request *q = stored(r, tag);

	q->answer_seq = seq;
	q->answer_time = time;
	q->duplicate = true;
	room_answer(r, q);
	settle(r);
}

static void on_refused(void *home, void *tag, enum journal_status why)
{
	static const enum reply words[] = { [JOURNAL_UNAVAILABLE] = REPLY_storage_unavailable,
					    [JOURNAL_NO_MEMORY] = REPLY_storage_unavailable,
					    [JOURNAL_CID_REUSED] = REPLY_cid_reused,
					    [JOURNAL_NO_MESSAGE] = REPLY_no_message };
	struct room *r = home;

	if (words[why] == REPLY_storage_unavailable)
		log_limited(LOG_LEVEL_ERROR, "a message was not stored", "status=%d", (int)why);
	room_refuse(r, stored(r, tag), words[why]);
	settle(r);
}

static void on_page(void *home, void *tag, enum journal_status status, const struct journal_message *m, size_t n,
		    bool more)
{
	struct errand *e = tag;

	e->page(home, e, status, m, n, more);
}

static const struct journal_listener listener = {
	.subscribed = on_subscribed,
	.message = on_message,
	.duplicate = on_duplicate,
	.refused = on_refused,
	.page = on_page,
	.epoch_changed = on_epoch,
	.unavailable = on_unavailable,
	.available = on_available,
};

/* ---- life ---- */

/* NAME is a conversation's: @, and its two users. */
static bool set_users(struct room *r)
{
	const char *a = r->name->data + 1, *apart = strchr(a, ROOM_USERS_APART);

	if (r->name->data[0] != '@' || apart == NULL)
		return true;
	r->users[0] = payload_new(a, (size_t)(apart - a));
	r->users[1] = payload_new(apart + 1, strlen(apart + 1));
	return r->users[0] && r->users[1];
}

/* ,"room":"lobby" or ,"between":["7","9"] */
static bool set_where(struct room *r)
{
	json_t *json;
	struct payload *text;

	if (!set_users(r))
		return false;
	json = r->users[0] ? json_pack("[s,s]", r->users[0]->data, r->users[1]->data)
			   : json_stringn(r->name->data, r->name->len);
	text = json ? json_text(json) : NULL;
	r->where = text ? text_concat(r->users[0] ? ",\"between\":" : ",\"room\":", text->data, (char *)NULL) : NULL;
	payload_unref(text);
	json_decref(json);
	return r->where != NULL;
}

static void room_clear(struct room *r)
{
	for (unsigned i = 0; i < 2; i++)
		payload_unref(r->users[i]);
	payload_unref(r->name);
	payload_unref(r->where);
	payload_unref(r->topic);
	free(r);
}

struct room *room_new(const struct room_opts *opts, struct payload *name)
{
	const struct hub_opts *hub = opts->hub;
	struct room *r = calloc(1, sizeof(*r) + hub->n * sizeof(r->by_worker[0]));

	if (r == NULL)
		return NULL;
	r->opts = opts;
	r->name = payload_ref(name);
	list_init(&r->waiting);
	list_init(&r->storing);
	list_init(&r->reading);
	r->recents_tail = &r->recents;
	r->relays_tail = &r->relays;
	r->empty_since = clock_ms();
	if (set_where(r))
		r->journal = hub->journal->ops->subscribe(hub->journal, name, opts->port, &listener, r);
	if (r->journal == NULL) {
		room_clear(r);
		return NULL;
	}
	r->known = !ask_state(r);
	stats_add(STAT_rooms, 1);
	return r;
}

static void drop_errands(struct list *l)
{
	struct list_node *n;

	while ((n = list_first(l)) != NULL) {
		struct errand *e = list_entry(n, struct errand, node);

		list_remove(l, n);
		e->drop(e);
	}
}

void room_free(struct room *r)
{
	uint64_t *mark;

	if (r == NULL)
		return;
	room_journal(r)->unsubscribe(r->journal);
	drop_errands(&r->waiting);
	drop_errands(&r->storing);
	drop_errands(&r->reading);
	while (r->relays)
		drop_first_relay(r);
	room_drop_recents(r);
	members_clear(&r->members);
	sanctions_clear(&r->sanctions);
	for (size_t pos = 0; r->marks && (mark = strmap_next(r->marks, &pos, NULL, NULL)) != NULL;)
		free(mark);
	strmap_free(r->marks);
	stats_add(STAT_members, -(int64_t)r->seats);
	stats_add(STAT_rooms, -1);
	room_clear(r);
}
