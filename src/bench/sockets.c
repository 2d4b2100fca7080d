/* sockets: see sockets.h. */
#include <config.h>

#include "bench/sockets.h"

#include "bench/crowd.h"
#include "bench/meter.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define FAILURES_MAX 1000 /* then connect gives up */

struct sockets {
	const struct options *o;
	struct loop *loop;
	struct report *r;
	struct crowd crowd;
	bool again;   /* connect: whoever is gone begins anew */
	uint64_t all; /* handshakes, in the whole run */
	uint64_t failed, shown;
	uint32_t source; /* connect: numbers choose sources, so each connection has a new one */
};

static char last_why[CLIENT_WHY];

static void on_message(struct client *c, const char *text, size_t len)
{
	(void)c;
	(void)text;
	(void)len;
}

static void on_writable(struct client *c)
{
	(void)c;
}

static void count_handshake(struct sockets *s, const struct client *c)
{
	s->r->handshakes++;
	histogram_add(&s->r->latency, clock_us() - c->begun_us);
}

static void finish(struct sockets *s, struct report *r)
{
	loop_progress(s->loop, NULL);
	memcpy(last_why, s->crowd.pool.why, sizeof(last_why));
	r->why = last_why;
	memcpy(r->tls, s->crowd.pool.tls_kind, sizeof(r->tls));
	r->interrupted = s->loop->interrupted;
}

/* ---- connect ---- */

static void reopen(struct sockets *s, struct client *c)
{
	while (s->again && s->failed < FAILURES_MAX) {
		uint32_t room = c->room;

		client_init(c, &s->crowd.pool, s->source++, room);
		if (client_open(c))
			return;
		s->failed++;
	}
}

static void connect_opened(struct client *c)
{
	struct sockets *s = c->pool->arg;

	s->all++;
	count_handshake(s, c);
	client_close(c);
}

static void connect_gone(struct client *c, bool was_open)
{
	struct sockets *s = c->pool->arg;

	if (!was_open)
		s->failed++;
	reopen(s, c);
}

/* Handshakes that the server does not answer count as failed, and begin anew. */
static bool connect_check(void *arg)
{
	struct sockets *s = arg;
	uint64_t now = clock_us();

	if (loop_progress_due(s->loop)) {
		loop_progress(s->loop, "%llu handshakes/s", (unsigned long long)(s->all - s->shown) * 2);
		s->shown = s->all;
	}
	for (uint32_t i = 0; i < s->crowd.n; i++) {
		struct client *c = &s->crowd.clients[i];

		if (c->state == CLIENT_GONE || now - c->begun_us < s->o->timeout_us)
			continue;
		if (c->state < CLIENT_OPEN) {
			s->failed++;
			if (s->crowd.pool.why[0] == '\0')
				snprintf(s->crowd.pool.why, sizeof(s->crowd.pool.why),
					 "the server did not answer within %.3g s",
					 (double)s->o->timeout_us / 1e6);
		}
		client_clear(c);
		reopen(s, c);
	}
	return s->failed >= FAILURES_MAX || (s->failed && s->all == 0);
}

bool sockets_connect(struct loop *l, const struct options *o, struct report *r)
{
	static const struct client_ops ops = {connect_opened, on_message, on_writable, connect_gone};
	struct sockets s = {.o = o, .loop = l, .r = r, .again = true};
	struct meter before, after;
	pid_t missing = 0;
	uint64_t own, from;

	crowd_init(&s.crowd, l, o, o->concurrency, &ops, &s);
	for (uint32_t i = 0; i < s.crowd.n; i++)
		reopen(&s, &s.crowd.clients[i]);
	loop_run(l, clock_us() + o->warmup_us, connect_check, &s, false);
	r->handshakes = 0;
	memset(&r->latency, 0, sizeof(r->latency));
	own = meter_own_us();
	meter_read(&before, o->pids, o->n_pids, &missing);
	from = clock_us();
	loop_run(l, from + o->duration_us, connect_check, &s, false);
	r->window_us = clock_us() - from;
	if (meter_read(&after, o->pids, o->n_pids, &missing) == 0)
		r->server_cpu_us = after.cpu_us - before.cpu_us;
	r->own_cpu_us = meter_own_us() - own;
	r->server = o->n_pids && missing == 0;
	r->rss_before = before.rss;
	r->rss_after = after.rss;
	r->handshakes_failed = s.failed;
	r->connections = o->concurrency;
	s.again = false;
	finish(&s, r);
	crowd_clear(&s.crowd);
	return s.all > 0;
}

/* ---- idle ---- */

static void idle_opened(struct client *c)
{
	struct sockets *s = c->pool->arg;

	count_handshake(s, c);
	crowd_opened(&s->crowd);
}

static void idle_gone(struct client *c, bool was_open)
{
	struct sockets *s = c->pool->arg;

	crowd_gone(&s->crowd, was_open);
}

static bool idle_check(void *arg)
{
	struct sockets *s = arg;

	if (loop_progress_due(s->loop))
		loop_progress(s->loop, "%u connections are open", (unsigned)(s->crowd.open - s->crowd.lost));
	return s->crowd.lost == s->crowd.n;
}

static void hold(struct sockets *s, struct meter *before, pid_t *missing)
{
	struct report *r = s->r;
	uint64_t own = meter_own_us(), from = clock_us();
	struct meter settled, after;

	meter_read(&settled, s->o->pids, s->o->n_pids, missing);
	loop_run(s->loop, from + s->o->duration_us, idle_check, s, false);
	r->window_us = clock_us() - from;
	r->own_cpu_us = meter_own_us() - own;
	if (meter_read(&after, s->o->pids, s->o->n_pids, missing) == 0)
		r->server_cpu_us = after.cpu_us - settled.cpu_us;
	r->rss_before = before->rss;
	r->rss_after = after.rss;
	r->server = s->o->n_pids && *missing == 0;
	r->connections_lost = s->crowd.lost;
}

bool sockets_idle(struct loop *l, const struct options *o, struct report *r)
{
	static const struct client_ops ops = {idle_opened, on_message, on_writable, idle_gone};
	struct sockets s = {.o = o, .loop = l, .r = r};
	struct meter before, opened;
	pid_t missing = 0;
	uint64_t from;
	bool ok;

	crowd_init(&s.crowd, l, o, o->connections, &ops, &s);
	r->connections = o->connections;
	meter_read(&before, o->pids, o->n_pids, &missing);
	from = clock_us();
	ok = crowd_open(&s.crowd);
	r->opening_us = clock_us() - from;
	if (ok) {
		if (meter_read(&opened, o->pids, o->n_pids, &missing) == 0)
			r->opening_cpu_us = opened.cpu_us - before.cpu_us;
		crowd_settle(&s.crowd);
		hold(&s, &before, &missing);
	}
	finish(&s, r);
	if (ok)
		crowd_close(&s.crowd);
	crowd_clear(&s.crowd);
	return ok;
}
