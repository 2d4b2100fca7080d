/* traffic: see traffic.h. */
#include <config.h>

#include "bench/traffic.h"

#include "bench/crowd.h"
#include "bench/ledger.h"
#include "bench/meter.h"
#include "bench/must.h"
#include "bench/stamp.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 1000 /* messages that the open loop sends before it looks at what came */

struct sender {
	struct client *client;
	struct client
	    *mover;      /* whose copy moves the window: the sender's own, or with --no-self a receiver's */
	uint32_t number; /* of all senders */
	uint32_t index;  /* of its room's */
	uint32_t sent, due; /* due: open loop */
	uint32_t returned;  /* closed loop: all before this number came back, or are given up */
	uint64_t moved_us;
};

struct traffic {
	const struct options *o;
	struct loop *loop;
	struct report *r;
	struct crowd crowd;
	struct sender *senders;
	uint32_t n_senders, members; /* members: of a room */
	uint32_t run;
	unsigned char *plain,
	    *frame; /* a message without stamp; the one that is sent, behind room for its head */
	size_t len, stamp_at;
	bool sending, measuring;
	uint64_t from_us, to_us; /* messages due then have their latency counted */
	uint64_t first_us, next; /* open loop: when message 0 was due; the next one */
	struct event *due;
	uint64_t drained, drained_us;
	uint64_t shown;
};

/* ---- sending ---- */

/* Open loop: when the message is due follows from its number alone. */
static uint64_t due_at(const struct traffic *t, uint64_t k)
{
	return t->first_us + (uint64_t)((double)k * 1e6 / t->o->rate);
}

static void send_one(struct traffic *t, struct sender *s)
{
	struct stamp stamp = {.run = t->run, .sender = s->number, .seq = s->sent};

	stamp.time_us = t->o->rate > 0 ? due_at(t, (uint64_t)s->sent * t->n_senders + s->number) : clock_us();
	memcpy(t->frame, t->plain, t->len);
	stamp_write((char *)t->frame + t->stamp_at, &stamp);
	client_send(s->client, WS_OP_TEXT, t->frame, t->len);
	s->sent++;
	t->r->sent_all++;
	t->r->sent += t->measuring;
	t->r->expected_all += t->members - t->o->no_self;
}

/* As many as the window, or the time, allows and the system takes. */
static void pump(struct traffic *t, struct sender *s)
{
	if (s->client->state != CLIENT_OPEN)
		return;
	if (t->o->rate > 0) {
		while (s->sent < s->due && !client_blocked(s->client))
			send_one(t, s);
		return;
	}
	while (t->sending && s->sent - s->returned < t->o->window && !client_blocked(s->client))
		send_one(t, s);
}

static void schedule(struct traffic *t)
{
	uint64_t now = clock_us(), at = due_at(t, t->next);
	uint64_t wait = at > now ? at - now : 0;
	struct timeval tv = {(time_t)(wait / 1000000), (suseconds_t)(wait % 1000000)};

	event_add(t->due, &tv);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	struct traffic *t = arg;
	uint64_t now = clock_us();

	(void)fd;
	(void)what;
	for (int i = 0; i < AT_ONCE && t->sending && due_at(t, t->next) <= now; i++) {
		struct sender *s = &t->senders[t->next++ % t->n_senders];

		s->due++;
		pump(t, s);
	}
	if (t->sending)
		schedule(t);
}

/*
 * At the end: what was due, and had to wait because this program or the system
 * was late, is not left out. What a sender's socket does not take goes on in drain().
 */
static void catch_up(struct traffic *t)
{
	while (due_at(t, t->next) < t->to_us)
		t->senders[t->next++ % t->n_senders].due++;
	for (uint32_t i = 0; i < t->n_senders; i++)
		pump(t, &t->senders[i]);
}

/* ---- receiving ---- */

static void note(struct traffic *t, struct client *c, const struct stamp *stamp)
{
	struct sender *s = &t->senders[stamp->sender];

	if (s->client->room != c->room || (t->o->no_self && s->client == c)) {
		t->r->misrouted++;
		return;
	}
	if (ledger_note(&c->ledger, s->index, stamp->seq) == LEDGER_TWICE)
		return;
	t->r->delivered_all++;
	t->r->delivered += t->measuring;
	if (stamp->time_us >= t->from_us && stamp->time_us < t->to_us)
		histogram_add(&t->r->latency,
			      c->pool->now_us > stamp->time_us ? c->pool->now_us - stamp->time_us : 0);
	if (c == s->mover && stamp->seq >= s->returned) {
		s->returned = stamp->seq + 1;
		s->moved_us = c->pool->now_us;
		pump(t, s);
	}
}

static void on_other(struct traffic *t, const char *text, size_t len)
{
	static const char error[] = "\"type\":\"error\"";

	t->r->others++;
	if (t->r->complaint[0] == '\0' && len && memmem(text, len, error, sizeof(error) - 1))
		snprintf(t->r->complaint, sizeof(t->r->complaint), "%.*s", (int)len, text);
}

static void on_message(struct client *c, const char *text, size_t len)
{
	struct traffic *t = c->pool->arg;
	const char *at = text, *end = text + len;
	struct stamp stamp;
	bool found = false;

	while ((at = stamp_find(at, (size_t)(end - at), t->run, &stamp))) {
		if (stamp.sender >= t->n_senders || stamp.seq >= t->senders[stamp.sender].sent)
			continue;
		found = true;
		note(t, c, &stamp);
		if (c->state == CLIENT_GONE)
			return;
	}
	if (!found)
		on_other(t, text, len);
}

static void on_opened(struct client *c)
{
	struct traffic *t = c->pool->arg;

	crowd_opened(&t->crowd);
}

static void on_writable(struct client *c)
{
	struct traffic *t = c->pool->arg;

	if (c->owner)
		pump(t, c->owner);
}

static void on_gone(struct client *c, bool was_open)
{
	struct traffic *t = c->pool->arg;

	crowd_gone(&t->crowd, was_open);
}

static const struct client_ops ops = {on_opened, on_message, on_writable, on_gone};

/* ---- set up ---- */

static void make_message(struct traffic *t)
{
	const char *place = strstr(t->o->text, OPTIONS_PLACE);
	size_t before = (size_t)(place - t->o->text), after = strlen(place + strlen(OPTIONS_PLACE));

	t->len = before + t->o->size + after;
	t->stamp_at = before;
	t->plain = must_calloc(t->len + 1, 1);
	memcpy(t->plain, t->o->text, before);
	memset(t->plain + before, 'x', t->o->size);
	memcpy(t->plain + before + t->o->size, place + strlen(OPTIONS_PLACE), after);
	t->frame = (unsigned char *)must_calloc(WS_FRAME_HEAD_MAX + t->len, 1) + WS_FRAME_HEAD_MAX;
	t->r->message_size = (uint32_t)t->len;
}

static uint32_t senders_before(const struct traffic *t, uint32_t place, uint32_t per_room)
{
	return (uint32_t)(((uint64_t)place * per_room + t->members / 2) / t->members);
}

/*
 * Rooms fill evenly, and a room's senders sit evenly among its receivers, so
 * that their own copy is neither the first nor the last of a fan-out.
 */
static void seat(struct traffic *t)
{
	uint32_t rooms = t->crowd.n / t->members, per_room = t->n_senders / rooms;
	struct client **first_receiver = must_calloc(rooms, sizeof(*first_receiver));

	for (uint32_t i = 0; i < t->crowd.n; i++) {
		struct client *c = &t->crowd.clients[i];
		uint32_t place = i / rooms;
		uint32_t index = senders_before(t, place, per_room);
		uint32_t after = senders_before(t, place + 1, per_room);

		c->room = i % rooms;
		ledger_init(&c->ledger, per_room);
		if (after > index) {
			struct sender *s = &t->senders[index * rooms + c->room];

			*s = (struct sender){
			    .client = c, .mover = c, .number = index * rooms + c->room, .index = index};
			c->owner = s;
		} else if (first_receiver[c->room] == NULL) {
			first_receiver[c->room] = c;
		}
	}
	for (uint32_t i = 0; t->o->no_self && i < t->n_senders; i++)
		t->senders[i].mover = first_receiver[t->senders[i].client->room];
	free(first_receiver);
}

static void set_up(struct traffic *t)
{
	bool echo = t->o->mode == BENCH_ECHO;
	uint32_t rooms = echo ? t->o->connections : t->o->rooms;
	uint32_t per_room = echo ? 1 : t->o->senders;

	t->members = echo ? 1 : t->o->receivers + t->o->senders;
	t->n_senders = rooms * per_room;
	t->run = (uint32_t)((uint64_t)clock_wall_ms() * 2654435761u ^ clock_us()) & (STAMP_SENDERS - 1);
	make_message(t);
	crowd_init(&t->crowd, t->loop, t->o, rooms * t->members, &ops, t);
	t->senders = must_calloc(t->n_senders, sizeof(*t->senders));
	seat(t);
	t->due = evtimer_new(t->loop->base, on_due, t);
}

static void tear_down(struct traffic *t)
{
	crowd_clear(&t->crowd);
	if (t->due)
		event_free(t->due);
	free(t->senders);
	free(t->plain);
	free(t->frame - WS_FRAME_HEAD_MAX);
}

/* ---- the run ---- */

static void begin(struct traffic *t)
{
	uint64_t now = clock_us();

	t->sending = true;
	t->from_us = UINT64_MAX; /* nothing counts yet */
	if (t->o->rate > 0) {
		t->first_us = now;
		schedule(t);
		return;
	}
	for (uint32_t i = 0; i < t->n_senders; i++) {
		t->senders[i].moved_us = now;
		pump(t, &t->senders[i]);
	}
}

/* Closed loop: what did not come back for so long does not come. */
static void give_up_waiting(struct traffic *t)
{
	uint64_t now = clock_us();

	for (uint32_t i = 0; i < t->n_senders; i++) {
		struct sender *s = &t->senders[i];

		if (s->sent == s->returned || now - s->moved_us < t->o->timeout_us ||
		    s->client->state != CLIENT_OPEN)
			continue;
		s->returned = s->sent;
		s->moved_us = now;
		t->r->stalls++;
		pump(t, s);
	}
}

/* Every tick; never ends the phase by itself, but when all connections are lost. */
static bool look_after(void *arg)
{
	struct traffic *t = arg;

	if (loop_progress_due(t->loop)) {
		uint64_t n = t->r->delivered_all;

		loop_progress(t->loop, "%s: %llu deliveries/s", t->measuring ? "measuring" : "warming up",
			      (unsigned long long)(n - t->shown) * 2);
		t->shown = n;
	}
	if (t->o->rate <= 0)
		give_up_waiting(t);
	return t->crowd.lost == t->crowd.n;
}

static void measure(struct traffic *t, struct meter *before, struct meter *after, pid_t *missing)
{
	uint64_t own = meter_own_us();
	uint64_t bytes = t->crowd.pool.bytes_read;

	meter_read(before, t->o->pids, t->o->n_pids, missing);
	t->from_us = clock_us();
	t->to_us = UINT64_MAX;
	t->measuring = true;
	loop_run(t->loop, t->from_us + t->o->duration_us, look_after, t, false);
	t->measuring = false;
	t->sending = false;
	t->to_us = clock_us();
	if (meter_read(after, t->o->pids, t->o->n_pids, missing) == 0)
		t->r->server_cpu_us = after->cpu_us - before->cpu_us;
	t->r->window_us = t->to_us - t->from_us;
	t->r->own_cpu_us = meter_own_us() - own;
	t->r->bytes = t->crowd.pool.bytes_read - bytes;
}

static bool drained(void *arg)
{
	struct traffic *t = arg;
	uint64_t now = clock_us();

	if (t->r->delivered_all != t->drained) {
		t->drained = t->r->delivered_all;
		t->drained_us = now;
	}
	if (loop_progress_due(t->loop))
		loop_progress(t->loop, "waiting for the last deliveries: %lld",
			      (long long)(t->r->expected_all - t->r->delivered_all));
	return t->r->delivered_all >= t->r->expected_all || now - t->drained_us > t->o->timeout_us;
}

static void drain(struct traffic *t)
{
	t->drained_us = clock_us();
	loop_run(t->loop, t->drained_us + UINT64_C(600000000), drained, t, true);
	if (t->o->rate > 0)
		t->r->unsent = t->next - t->r->sent_all;
}

/* ---- what came of it ---- */

static void audit_receiver(struct traffic *t, struct client *c, const uint32_t *sent, uint32_t per_room)
{
	const struct sender *self = t->o->no_self ? c->owner : NULL;

	for (uint32_t i = 0; i < per_room; i++)
		if (self == NULL || self->index != i)
			c->ledger.missing += ledger_tail(&c->ledger, i, sent[i]);
	t->r->lost += c->ledger.missing;
	t->r->twice += c->ledger.twice;
	t->r->late += c->ledger.late;
}

/* Those that got everything once and in each sender's order have to agree on all of it. */
static void audit_room(struct traffic *t, uint32_t room, uint32_t rooms)
{
	uint32_t per_room = t->n_senders / rooms;
	uint32_t *sent = must_calloc(per_room, sizeof(*sent));
	uint64_t *hashes = must_calloc(t->members, sizeof(*hashes)), n = 0;

	for (uint32_t i = 0; i < per_room; i++)
		sent[i] = t->senders[i * rooms + room].sent;
	for (uint32_t i = 0; i < t->members; i++) {
		struct client *c = &t->crowd.clients[i * rooms + room];

		audit_receiver(t, c, sent, per_room);
		if (c->ledger.missing + c->ledger.twice + c->ledger.late == 0 && !(t->o->no_self && c->owner))
			hashes[n++] = c->ledger.order;
	}
	if (n)
		t->r->disagreeing += ledger_disagree(hashes, n);
	free(sent);
	free(hashes);
}

static void audit(struct traffic *t)
{
	uint32_t rooms = t->crowd.n / t->members;

	for (uint32_t room = 0; room < rooms; room++)
		audit_room(t, room, rooms);
	t->r->connections = t->crowd.n;
	memcpy(t->r->tls, t->crowd.pool.tls_kind, sizeof(t->r->tls));
	t->r->deflated = t->crowd.pool.deflated;
	t->r->connections_lost = t->crowd.lost;
}

bool traffic_run(struct loop *l, const struct options *o, struct report *r)
{
	static char why[CLIENT_WHY];
	struct traffic t = {.o = o, .loop = l, .r = r};
	struct meter before, after;
	pid_t missing = 0;
	bool opened;

	set_up(&t);
	opened = crowd_open(&t.crowd);
	if (opened) {
		crowd_settle(&t.crowd);
		begin(&t);
		loop_run(l, clock_us() + o->warmup_us, look_after, &t, false);
		measure(&t, &before, &after, &missing);
		if (o->rate > 0)
			catch_up(&t);
		drain(&t);
		r->server = o->n_pids && missing == 0;
		r->rss_before = before.rss;
		r->rss_after = after.rss;
		audit(&t);
	}
	loop_progress(l, NULL);
	memcpy(why, t.crowd.pool.why, sizeof(why));
	r->why = why;
	r->interrupted = l->interrupted;
	if (opened)
		crowd_close(&t.crowd);
	tear_down(&t);
	return opened;
}
