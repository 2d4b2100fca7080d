#include <config.h>

#include "net/queues.h"
#include "net/conn.h"
#include "net/worker.h"

#include "base/log.h"

#include <event2/buffer.h>
#include <inttypes.h>

/* So many bytes may begin to wait here before other workers are told of them. */
#define QUEUED_UNTOLD 65536

/* Bytes that wait for the readers of this worker. */
static int64_t queued_here(void) { return stats_read(&worker_here->stats, STAT_backlog_bytes); }

/* Tells the others how many bytes wait here. What wait in all, as the workers last said. */
static int64_t report_queued(struct worker *w)
{
	int64_t now = queued_here(), more = now - w->queued;

	w->queued = now;
	if (more == 0)
		return atomic_load_explicit(&w->opts.shared->queued, memory_order_relaxed);
	return atomic_fetch_add_explicit(&w->opts.shared->queued, more, memory_order_relaxed) + more;
}

static size_t largest_backlog(const struct list *l, size_t largest)
{
	list_each(node, l) {
		size_t len = conn_waiting(list_entry(node, struct conn, node));

		if (len > largest)
			largest = len;
	}
	return largest;
}

/* Closes C, and lets go at once of what waits for it. */
static void drop_queue(struct conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	conn_close(c, CLOSE_queues_full, NULL);
	stats_add(STAT_bytes_out, -(int64_t)evbuffer_get_length(out)); /* which draining takes for sent */
	evbuffer_unfreeze(out, 1);
	evbuffer_drain(out, evbuffer_get_length(out));
	evbuffer_freeze(out, 1);
}

static void drop_above(struct list *l, size_t len, int64_t goal)
{
	list_each_safe(node, l) {
		struct conn *c = list_entry(node, struct conn, node);

		if (queued_here() <= goal)
			return;
		if (conn_waiting(c) > len)
			drop_queue(c);
	}
}

/*
 * More waits than may, and at least our share of it here: connections with the
 * largest backlogs go, none of which is less than half of the largest, until
 * there is an eighth of the share to fill again.
 */
static void relieve(struct worker *w)
{
	int64_t share = w->opts.queues_max / (w->opts.workers ? w->opts.workers : 1);
	size_t largest;

	if (queued_here() < share)
		return; /* others will, when they come to know of it */
	log_limited(LOG_LEVEL_WARNING, "too much waits for slow readers", "queues_max=%" PRId64, w->opts.queues_max);
	while (queued_here() > share - share / 8 &&
	       (largest = largest_backlog(&w->paused, largest_backlog(&w->open, 0))) > 0) {
		drop_above(&w->open, largest / 2, share - share / 8);
		drop_above(&w->paused, largest / 2, share - share / 8);
	}
	report_queued(w);
}

void queues_grew(struct worker *w)
{
	int64_t others;

	if (w->opts.shared == NULL || w->opts.queues_max == 0)
		return;
	if (queued_here() - w->queued > QUEUED_UNTOLD)
		report_queued(w);
	others = atomic_load_explicit(&w->opts.shared->queued, memory_order_relaxed) - w->queued;
	if (others + queued_here() <= w->opts.queues_max)
		return;
	w->relief_due = true;
	worker_reap_soon(w);
}

void queues_sweep(struct worker *w)
{
	w->relief_due = false;
	if (w->opts.shared == NULL || w->opts.queues_max == 0 || report_queued(w) <= w->opts.queues_max)
		return;
	conn_reap(w, SIZE_MAX); /* what waits for those who go already is no reason that others go */
	if (report_queued(w) > w->opts.queues_max)
		relieve(w);
}
