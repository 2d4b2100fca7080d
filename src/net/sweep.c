#include <config.h>

#include "net/sweep.h"
#include "net/conn.h"
#include "net/queues.h"
#include "net/worker.h"
#include "net/ws_conn.h"

/* A backlog that does not shrink for so many ticks is a reader that is stuck. */
#define STUCK_TICKS 60

static bool overdue(const struct conn *c, uint32_t ms) { return worker_here->tick - c->since >= worker_ticks(ms); }

/* Whether C's backlog has not become smaller for too long. */
static bool is_stuck(struct conn *c)
{
	uint32_t waiting = (uint32_t)conn_waiting(c);

	if (waiting == 0)
		return false;
	if (waiting < c->backlog || c->backlog == 0)
		c->stuck = 0;
	c->backlog = waiting;
	return c->stuck++ >= STUCK_TICKS;
}

/* A second's bytes are forgiven. Whether C sent more than that for too long. */
static bool is_flooding(struct conn *c)
{
	const struct worker_opts *o = &worker_here->opts;

	if (c->bytes == 0 && c->flooding == 0)
		return false;
	c->bytes -= c->bytes < o->byte_rate ? c->bytes : o->byte_rate;
	c->flooding = c->too_fast ? (uint16_t)(c->flooding + 1) : 0;
	if (!c->paused)
		c->too_fast = 0;
	return o->ops->flood && c->flooding >= worker_ticks(o->flood_time);
}

static void sweep_open(struct conn *c)
{
	const struct worker_opts *o = &worker_here->opts;
	uint32_t silent = worker_here->tick - c->since;

	if (is_stuck(c))
		conn_close(c, CLOSE_slow_reader, NULL);
	else if (is_flooding(c))
		o->ops->flood(c);
	else if (o->ping_interval == 0 || c->throttled)
		return;
	else if (c->pinged && silent >= worker_ticks(o->ping_interval) + worker_ticks(o->ping_timeout))
		conn_close(c, CLOSE_ping_timeout, NULL);
	else if (!c->pinged && silent >= worker_ticks(o->ping_interval))
		ws_conn_ping(c);
}

void sweep_forgive(struct worker *w)
{
	uint32_t most = worker_ticks(w->opts.ping_interval);

	list_each(node, &w->open) {
		struct conn *c = list_entry(node, struct conn, node);

		if (w->tick - c->since > most)
			c->since = w->tick - most;
	}
}

void sweep(struct worker *w)
{
	/* These, and those who drain, are in the order of their deadlines. */
	list_each_safe(node, &w->handshaking) {
		struct conn *c = list_entry(node, struct conn, node);

		if (!overdue(c, w->opts.handshake_timeout))
			break;
		conn_overdue(c);
	}
	list_each_safe(node, &w->heads) {
		struct conn *c = list_entry(node, struct conn, node);

		if (overdue(c, w->opts.handshake_timeout))
			conn_overdue(c);
	}
	list_each_safe(node, &w->draining) {
		struct conn *c = list_entry(node, struct conn, node);

		if (overdue(c, w->opts.close_timeout))
			conn_set_state(c, CONN_DEAD);
		else
			conn_finish(c);
	}
	list_each_safe(node, &w->open) {
		struct conn *c = list_entry(node, struct conn, node);

		conn_park(c);
		sweep_open(c);
	}
	list_each_safe(node, &w->paused) {
		struct conn *c = list_entry(node, struct conn, node);

		if (is_stuck(c))
			conn_close(c, CLOSE_slow_reader, NULL);
		else if (is_flooding(c))
			w->opts.ops->flood(c);
	}
	if (w->opts.shared)
		conn_crowd_out(w);
	queues_sweep(w);
}
