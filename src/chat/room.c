#include <config.h>

#include "chat/room.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "chat/json_text.h"
#include "chat/message.h"
#include "chat/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is not stored, behind messages that are still being stored. */
struct relay {
	struct relay *next;
	struct payload *text;
	uint64_t after; /* so many appends have to be settled first */
};

/* What was delivered while somebody's page was being read. */
struct recent {
	struct recent *next;
	uint64_t seq;
	struct payload *text;
};

struct room {
	const struct room_opts *opts;
	struct payload *name, *name_json;
	struct journal_room *journal;
	bool ready;                       /* the journal has said where the room stands, or that it cannot */
	char epoch[JOURNAL_EPOCH_MAX];
	uint64_t seq;                     /* last one delivered */
	struct join_letter *waiting, **waiting_tail; /* for `ready` */
	struct list saying;               /* what is being stored */
	struct list reading;              /* joins whose history is being read */
	struct recent *recents, **recents_tail; /* as long as there are any */
	uint64_t appended, settled;       /* our appends, and how many of them the journal has answered */
	struct relay *relays, **relays_tail;
	uint32_t came, went;              /* not told yet */
	uint32_t members;
	uint64_t empty_since;
	uint32_t by_worker[];
};

const struct payload *room_name(const struct room *r) { return r->name; }
bool room_is_empty(const struct room *r) { return r->members == 0 && r->waiting == NULL && list_empty(&r->reading); }
uint64_t room_empty_since(const struct room *r) { return r->empty_since; }

static const struct journal_ops *journal_of(const struct room *r) { return r->opts->hub->journal->ops; }

void join_letter_free(struct join_letter *l)
{
	for (size_t i = 0; i < l->n_past; i++)
		payload_unref(l->past[i]);
	free(l->past);
	payload_unref(l->room);
	payload_unref(l->arrival);
	payload_unref(l->parting);
	free(l);
}

void say_letter_free(struct say_letter *l)
{
	payload_unref(l->room);
	payload_unref(l->body);
	payload_unref(l->sender);
	free(l);
}

/* ---- to the branches ---- */

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
	stats_add(STAT_published, 1);
}

/* What is said later is heard later: nothing unstored overtakes a message that is being stored. */
static void relay(struct room *r, struct payload *text)
{
	struct relay *l;

	if (r->settled == r->appended) {
		publish(r, text, DIALECT_ALL);
		return;
	}
	l = malloc(sizeof(*l));
	if (l == NULL) {
		log_limited(LOG_LEVEL_ERROR, "no memory to relay", "bytes=%u", text->len);
		return;
	}
	*l = (struct relay){ NULL, payload_ref(text), r->appended };
	*r->relays_tail = l;
	r->relays_tail = &l->next;
}

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
		publish(r, r->relays->text, DIALECT_ALL);
		drop_first_relay(r);
	}
}

/* In a large room one line for each that comes would be members² lines: they are summed up. */
static void announce(struct room *r, struct payload *line, uint32_t *sum)
{
	if (line == NULL || r->members == 0)
		return;
	if (r->members > r->opts->hub->announce_max)
		++*sum;
	else
		relay(r, line);
}

void room_tick(struct room *r)
{
	char line[96];
	struct payload *p;

	if (r->came && r->went)
		snprintf(line, sizeof(line), "%u connected, %u disconnected", r->came, r->went);
	else if (r->came || r->went)
		snprintf(line, sizeof(line), "%u %s", r->came + r->went, r->came ? "connected" : "disconnected");
	else
		return;
	r->came = r->went = 0;
	p = r->members ? reply_system(line) : NULL;
	if (p)
		relay(r, p);
	payload_unref(p);
}

/* ---- joining and leaving ---- */

static void answer(struct room *r, struct join_letter *l)
{
	uint32_t *members = &r->by_worker[l->worker];
	struct payload *arrival = l->arrival;
	unsigned worker = l->worker;

	l->arrival = NULL;
	l->joined = true;
	l->seq = r->seq;
	memcpy(l->epoch, r->epoch, sizeof(l->epoch));
	++*members;
	r->members++;
	stats_add(STAT_members, 1);
	l->letter.open = r->opts->answer;
	r->opts->post(r->opts->owner, worker, &l->letter);
	announce(r, arrival, &r->came);
	payload_unref(arrival);
}

static void admit(struct room *r, struct join_letter *l)
{
	if (l->history == 0) {
		answer(r, l);
		return;
	}
	list_append(&r->reading, &l->node);
	l->seq = r->seq; /* the page has all up to here; what comes later is in `recents` */
	journal_of(r)->read_before(r->journal, 0, l->history, l);
}

void room_join(struct room *r, struct join_letter *l)
{
	if (r->ready) {
		admit(r, l);
		return;
	}
	l->next = NULL;
	*r->waiting_tail = l;
	r->waiting_tail = &l->next;
}

void room_leave(struct room *r, unsigned worker, struct payload *parting)
{
	r->by_worker[worker]--;
	stats_add(STAT_members, -1);
	if (--r->members == 0)
		r->empty_since = clock_ms();
	announce(r, parting, &r->went);
}

/* ---- the order ---- */

void room_say(struct room *r, struct say_letter *l)
{
	struct journal_entry e = { .body = l->body, .sender = l->sender };

	r->appended++;
	list_append(&r->saying, &l->node);
	journal_of(r)->append(r->journal, &e, l);
}

/* The journal has answered L, which is over. */
static void settle_said(struct room *r, struct say_letter *l)
{
	list_remove(&r->saying, &l->node);
	say_letter_free(l);
	settle(r);
}

void room_relay(struct room *r, struct payload *text) { relay(r, text); }

static void admit_waiting(struct room *r)
{
	struct join_letter *l = r->waiting, *next;

	r->ready = true;
	r->waiting = NULL;
	r->waiting_tail = &r->waiting;
	for (; l; l = next) {
		next = l->next;
		admit(r, l);
	}
}

static void on_epoch(void *home, const char *epoch, uint64_t seq)
{
	struct room *r = home;

	snprintf(r->epoch, sizeof(r->epoch), "%s", epoch);
	r->seq = seq;
}

static void on_subscribed(void *home, const char *epoch, uint64_t seq)
{
	on_epoch(home, epoch, seq);
	admit_waiting(home);
}

/* Who comes may come: all that is not stored goes on. */
static void on_unavailable(void *home)
{
	struct room *r = home;

	if (!r->ready)
		admit_waiting(r);
}

static void on_available(void *home) { (void)home; }

/* The plain dialect has no words for what became of a message; its history shows it. */
static bool is_shown(const struct journal_message *m) { return m->kind == JOURNAL_MESSAGE && m->body; }

static void note_recent(struct room *r, uint64_t seq, struct payload *text)
{
	struct recent *n = malloc(sizeof(*n));

	if (n == NULL) {
		log_limited(LOG_LEVEL_ERROR, "no memory for a newcomer's past", "seq=%llu", (unsigned long long)seq);
		return;
	}
	*n = (struct recent){ NULL, seq, payload_ref(text) };
	*r->recents_tail = n;
	r->recents_tail = &n->next;
}

/* What is erased is not shown to who comes just now. */
static void erase_recent(struct room *r, uint64_t seq)
{
	for (struct recent *n = r->recents; n; n = n->next) {
		if (n->seq != seq)
			continue;
		payload_unref(n->text);
		n->text = NULL;
	}
}

static void drop_recents(struct room *r)
{
	struct recent *n;

	while ((n = r->recents) != NULL) {
		r->recents = n->next;
		payload_unref(n->text);
		free(n);
	}
	r->recents_tail = &r->recents;
}

static void on_message(void *home, const struct journal_message *m)
{
	struct room *r = home;
	struct payload *text;

	r->seq = m->seq;
	stats_add(STAT_stored, 1);
	if (!is_shown(m)) {
		if (m->kind == JOURNAL_ERASURE)
			erase_recent(r, m->target);
		if (m->tag)
			settle_said(r, m->tag);
		return;
	}
	text = message_stamp(m->body, r->name_json, m->seq, m->time);
	if (text)
		publish(r, text, DIALECT_ALL);
	if (text && !list_empty(&r->reading))
		note_recent(r, m->seq, text);
	if (text == NULL)
		log_limited(LOG_LEVEL_ERROR, "no memory for a message", "seq=%llu", (unsigned long long)m->seq);
	payload_unref(text);
	if (m->tag)
		settle_said(r, m->tag);
}

/* It has its place already, and everybody who was there has it. */
static void on_duplicate(void *home, void *tag, uint64_t seq, int64_t time)
{
	(void)seq;
	(void)time;
	settle_said(home, tag);
}

static void on_refused(void *home, void *tag, enum journal_status why)
{
	struct room *r = home;
	struct say_letter *l = tag;

	log_limited(LOG_LEVEL_ERROR, "a message was not stored", "status=%d", (int)why);
	list_remove(&r->saying, &l->node);
	l->why = REPLY_storage_unavailable;
	l->letter.open = r->opts->refuse;
	r->opts->post(r->opts->owner, l->worker, &l->letter);
	settle(r);
}

/* N texts, COUNT others behind them, and only the last WANTED of all: how many of the N are too many. */
static size_t skip_of(size_t n, size_t count, size_t wanted)
{
	size_t all = n + count;

	return all <= wanted ? 0 : all - wanted < n ? all - wanted : n;
}

/* The past that a newcomer asked for. What has its place but was not delivered yet comes live. */
static void on_page(void *home, void *tag, enum journal_status status, const struct journal_message *m, size_t n,
		    bool more)
{
	struct room *r = home;
	struct join_letter *l = tag;
	size_t later = 0, skip;

	(void)status;
	(void)more;
	list_remove(&r->reading, &l->node);
	while (n && m[n - 1].seq > l->seq)
		n--;
	for (struct recent *c = r->recents; c; c = c->next)
		later += c->seq > l->seq && c->text;
	l->past = n + later ? calloc(n + later, sizeof(*l->past)) : NULL;
	skip = skip_of(n, later, l->history);
	for (size_t i = skip; l->past && i < n; i++) {
		if (!is_shown(&m[i]))
			continue;
		l->past[l->n_past] = message_stamp(m[i].body, r->name_json, m[i].seq, m[i].time);
		if (l->past[l->n_past] == NULL)
			break;
		l->n_past++;
	}
	skip = later > l->history ? later - l->history : 0;
	for (struct recent *c = r->recents; l->past && c; c = c->next)
		if (c->seq > l->seq && c->text) {
			if (skip)
				skip--;
			else
				l->past[l->n_past++] = payload_ref(c->text);
		}
	if (list_empty(&r->reading))
		drop_recents(r);
	answer(r, l);
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

struct room *room_new(const struct room_opts *opts, struct payload *name)
{
	const struct hub_opts *hub = opts->hub;
	struct room *r = calloc(1, sizeof(*r) + hub->n * sizeof(r->by_worker[0]));
	json_t *json = json_stringn(name->data, name->len);

	if (r == NULL || json == NULL)
		goto fail;
	r->opts = opts;
	r->name = payload_ref(name);
	r->name_json = json_text(json);
	r->waiting_tail = &r->waiting;
	list_init(&r->saying);
	list_init(&r->reading);
	r->recents_tail = &r->recents;
	r->relays_tail = &r->relays;
	r->empty_since = clock_ms();
	if (r->name_json == NULL)
		goto fail;
	r->journal = hub->journal->ops->subscribe(hub->journal, name, hub->mailboxes[hub->self], &listener, r);
	if (r->journal == NULL)
		goto fail;
	json_decref(json);
	stats_add(STAT_rooms, 1);
	return r;
fail:
	json_decref(json);
	if (r) {
		payload_unref(r->name);
		payload_unref(r->name_json);
	}
	free(r);
	return NULL;
}

void room_free(struct room *r)
{
	struct join_letter *next;
	struct list_node *n;

	if (r == NULL)
		return;
	journal_of(r)->unsubscribe(r->journal);
	while ((n = list_first(&r->saying)) != NULL) {
		list_remove(&r->saying, n);
		say_letter_free(list_entry(n, struct say_letter, node));
	}
	while ((n = list_first(&r->reading)) != NULL) {
		list_remove(&r->reading, n);
		join_letter_free(list_entry(n, struct join_letter, node));
	}
	for (struct join_letter *l = r->waiting; l; l = next) {
		next = l->next;
		join_letter_free(l);
	}
	while (r->relays)
		drop_first_relay(r);
	drop_recents(r);
	payload_unref(r->name);
	payload_unref(r->name_json);
	stats_add(STAT_members, -(int64_t)r->members);
	stats_add(STAT_rooms, -1);
	free(r);
}
