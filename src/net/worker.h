/*
 * worker: a thread's event loop with all that lives in it.
 *
 * Each worker owns an event_base, a mailbox and its connections, and nothing
 * else touches them. Time is told in ticks, one a second: a connection notes
 * the tick of what happened to it, and one sweep a tick closes what is overdue
 * instead of a timer per connection. Connections that end are marked and put
 * on the closing list; the reaper frees them at the end of a loop turn, so
 * nobody's pointer goes stale in the middle of one.
 *
 * The struct is open to the files of net only; upstairs it is opaque.
 */
#ifndef NATTER_NET_WORKER_H
#define NATTER_NET_WORKER_H

#include "base/close.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "base/shared.h"
#include "base/stats.h"

#include "net/addr_limit.h"
#include "net/bev_pool.h"
#include "net/upgrade_filter.h"
#include "wire/forwarded.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct conn;
struct worker;
struct http_request;
struct conn_answer;

/* What upstairs does with input. All on the worker's thread. */
struct worker_ops {
	/*
	 * A request is complete and is no broken attempt at a WebSocket: fill
	 * the answer. R and what it points to is gone afterwards.
	 */
	void (*request)(struct conn *c, const struct http_request *r, struct conn_answer *a);
	/* The 101 is on its way; from now on messages come and may be sent. */
	void (*open)(struct conn *c);
	/* A whole message. The bytes are the callee's to change until it returns. */
	void (*message)(struct conn *c, bool text, char *data, size_t len);
	/* The connection is closing: let go of what the owner's bytes hold. Once after each answer of 101, also where open never came. */
	void (*closed)(struct conn *c, enum close_reason reason);
	/* Every tick. */
	void (*tick)(struct worker *w);
	/* The end of a turn for which worker_post_soon() asked; NULL: nobody asks. */
	void (*post)(struct worker *w);
	/* A backlog of an open connection is gone; NULL: nobody waits for that. */
	void (*drained)(struct conn *c);
	/* An open connection sent more than byte_rate for flood_time: say so and close it; NULL: nobody minds. */
	void (*flood)(struct conn *c);
};

/* What all workers share. */
struct worker_shared {
	struct book *addresses;          /* addr_limit.h */
	struct shared_count handshakes;  /* that are not done */
	_Atomic int64_t queued;          /* bytes that wait for readers, as the workers last said */
};

struct worker_opts {
	const struct worker_ops *ops;
	void *upstairs;             /* what worker_upstairs() gives back */
	const struct net_list *trusted; /* proxies that say whose connection it is; NULL: none */
	enum forwarded_by forwarded;    /* and by which field of a request */
	size_t owner_size;          /* bytes that upstairs keeps with each connection: conn_owner() */
	struct shared_count *total; /* connections of all workers */
	size_t max_connections;     /* of all workers */
	struct worker_shared *shared;
	size_t max_handshakes;      /* of all workers, that are not done; for one more the oldest goes, by and by */
	struct addr_limit_opts addr; /* what an address may have */
	const struct net_list *exempt; /* addresses that may have any number, besides the trusted proxies; NULL: none */
	unsigned workers;           /* how many there are; 0 is 1 */
	size_t max_head;            /* bytes of a request head */
	size_t send_queue;          /* bytes that may wait for one reader, */
	int64_t queues_max;         /* and for all readers of all workers; 0: no limit */
	uint32_t byte_rate;         /* bytes a second that a client may send for long; 0: no limit */
	uint32_t byte_burst;        /* and at once */
	size_t deflate_min;         /* bytes of a message that is worth compressing */
	uint32_t handshake_timeout; /* all of these in ms */
	uint32_t ping_interval;     /* 0: never ping */
	uint32_t ping_timeout;
	uint32_t close_timeout;
	uint32_t flood_time;        /* of sending more than byte_rate */
	bool io_uring;              /* to send by it, where it is to be had */
};

#define WORKER_INBOX 65536

struct fanout_wire;
struct sender;
struct ws_deflater;
struct ws_inflater;

struct worker {
	struct event_base *base;
	struct worker_opts opts;
	struct mailbox *mailbox;
	struct stats stats;

	/* connections by state, each list in the order of entering it */
	struct list handshaking; /* no byte has come */
	struct list heads;       /* a part of a request head has, in this order */
	struct list open, closing, draining, paused;
	uint32_t tick; /* seconds since the worker began */
	bool leaving;  /* worker_drain() was called: nobody is let in any more */
	uint64_t pause_at; /* ms, when ev_pause is due; 0: it is not pending */

	unsigned char *inbox; /* what a parked connection's socket has goes here: WORKER_INBOX bytes */
	struct bev_pool bevs;
	struct upgrade_pool upgrades;

	/* what one connection is sent while its input is being read, as one send */
	struct conn *corked;
	char *cork;
	size_t cork_len, cork_size;

	/* rooms with a batch to flush at the end of this turn */
	struct fanout_wire *dirty, **dirty_tail;
	char *spare_batch; /* a batch buffer that waits for its next use */
	size_t spare_size;
	int64_t queued; /* what this one last added to shared->queued */
	uint64_t flush_rest; /* us from the last flush until there is something to do for the next; 0: it goes on */
	bool flush_due, reap_due, post_due, relief_due;
	uint32_t handshakes; /* gone on with in this turn */

	struct sender *sender;        /* of what rooms are sent */
	struct ws_inflater *inflater; /* for all clients that keep no context; NULL until one came */
	struct ws_deflater *deflater; /* NULL until somebody takes compressed messages */

	struct event *ev_tick, *ev_wake, *ev_post, *ev_reap, *ev_pause, *ev_flush, *ev_flush_later, *ev_give_up; /* in a row: freed in a walk */
	int wake_read, wake_write; /* an eventfd twice, or a pipe */
};

/* Whose thread this is; a thread that makes workers may be that of the last one until they run. */
extern _Thread_local struct worker *worker_here;

/* NULL: no memory or no file descriptors. */
struct worker *worker_new(const struct worker_opts *opts);

/* NULL is fine. */
void worker_free(struct worker *w);

/* This thread is W's from now on: worker_here, and where it counts. worker_run() does it; else for setting up and clearing away. */
void worker_enter(struct worker *w);

/* On the thread that will run W: what it has to make there, a ring. Without this there is none. */
void worker_begin(struct worker *w);

/*
 * Runs the loop until worker_drain() is through. When this returns, all
 * connections are gone, upstairs was told of each, and all letters are opened
 * but those that others still write.
 */
void worker_run(struct worker *w);

/*
 * Closes every connection with 1001 and lets worker_run() return when the last
 * one is gone or TIMEOUT ms have passed. Listeners are the caller's to close.
 */
void worker_drain(struct worker *w, uint32_t timeout);

/*
 * On its thread: OPTS count from now on, for open connections as well, but for
 * what a worker has for good: ops, upstairs, owner_size, total, shared, workers
 * and io_uring.
 */
void worker_change(struct worker *w, const struct worker_opts *opts);

void *worker_upstairs(const struct worker *w);
struct event_base *worker_base(const struct worker *w);
struct mailbox *worker_mailbox(const struct worker *w);
struct stats *worker_stats(struct worker *w);

/* Made when they are first asked for, and kept. NULL: no memory. */
struct ws_inflater *worker_inflater(struct worker *w);
struct ws_deflater *worker_deflater(struct worker *w);

/* Has ops->post called when what is ready in this turn is done. */
void worker_post_soon(struct worker *w);

/* Has the reaper run at the end of this turn. For conn only. */
void worker_reap_soon(struct worker *w);

/* Whether one more handshake may begin in this turn; counts it. For conn only. */
bool worker_has_time(struct worker *w);

/* Has the paused looked after at the monotonic time AT (ms), or sooner. For conn only. */
void worker_pause_until(struct worker *w, uint64_t at);

/* Has the dirty rooms flushed at the end of this turn. For fanout only. */
void worker_flush_soon(struct worker *w);

/* How many ticks MS are: rounded up, and one for the tick that is under way. */
uint32_t worker_ticks(uint32_t ms);

#endif
