#include <config.h>

#include "net/worker.h"
#include "net/conn.h"
#include "net/fanout.h"
#include "net/queues.h"
#include "net/sender.h"
#include "net/sweep.h"

#include "base/clock.h"
#include "base/log.h"
#include "wire/ws_deflate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifndef NATTER_PORTABLE
#include <sys/eventfd.h>
#endif

/* Letters opened in one go, before sockets have their turn again. */
#define LETTERS_A_TURN 4096

/* Thousands who come or go at once take turns with those who talk: each of these is some 15 to 50 us. */
#define HANDSHAKES_A_TURN 64
#define REAPED_A_TURN 64

/* A pause is not told shorter than this. */
#define PAUSE_MIN_MS 5

_Thread_local struct worker *worker_here;

static struct timeval after_ms(uint64_t ms)
{
	return (struct timeval){ .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };
}

uint32_t worker_ticks(uint32_t ms) { return (ms + 999) / 1000 + 1; }

void worker_change(struct worker *w, const struct worker_opts *opts)
{
	struct worker_opts o = *opts;
	bool pings;

	o.ops = w->opts.ops;
	o.upstairs = w->opts.upstairs;
	o.owner_size = w->opts.owner_size;
	o.total = w->opts.total;
	o.shared = w->opts.shared;
	o.workers = w->opts.workers;
	o.io_uring = w->opts.io_uring;
	pings = o.ping_interval != w->opts.ping_interval || o.ping_timeout != w->opts.ping_timeout;
	w->opts = o;
	if (pings)
		sweep_forgive(w);
}

void *worker_upstairs(const struct worker *w) { return w->opts.upstairs; }
struct event_base *worker_base(const struct worker *w) { return w->base; }
struct mailbox *worker_mailbox(const struct worker *w) { return w->mailbox; }
struct stats *worker_stats(struct worker *w) { return &w->stats; }

/* ---- events ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	w->tick++;
	sweep(w);
	if (w->opts.ops->tick)
		w->opts.ops->tick(w);
}

static void open_letters(struct worker *w)
{
	mailbox_open(w->mailbox, LETTERS_A_TURN);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	char drop[64];

	if (what & EV_READ)
		while (read(fd, drop, sizeof(drop)) == (ssize_t)sizeof(drop))
			;
	open_letters(w);
}

static void on_post(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	w->post_due = false;
	w->opts.ops->post(w);
}

static size_t connections(const struct worker *w)
{
	return w->handshaking.count + w->heads.count + w->open.count + w->paused.count + w->closing.count +
	       w->draining.count;
}

static void on_reap(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	w->handshakes = 0;
	if (w->relief_due)
		queues_sweep(w);
	conn_reap(w, REAPED_A_TURN);
	w->reap_due = !list_empty(&w->closing);
	if (w->reap_due && event_add(w->ev_reap, &(struct timeval){ 0, 0 }) < 0) /* a turn later */
		event_active(w->ev_reap, EV_TIMEOUT, 0);
	if (w->leaving && connections(w) == 0)
		event_base_loopbreak(w->base);
}

static void on_pause(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	uint64_t next;

	(void)fd;
	(void)what;
	w->pause_at = 0;
	next = conn_resume(w);
	if (next)
		worker_pause_until(w, next);
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct timeval later = { 0, 0 };

	(void)fd;
	(void)what;
	open_letters(w); /* what other workers have said meanwhile goes with it */
	w->flush_due = false;
	if (!fanout_flush(w))
		return;
	later.tv_usec = (suseconds_t)w->flush_rest;
	evtimer_add(w->ev_flush_later, &later);
}

static void on_give_up(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	log_warning("clients did not close in time", "left=%zu", connections(w));
	event_base_loopbreak(w->base);
}

struct ws_inflater *worker_inflater(struct worker *w)
{
	if (w->inflater == NULL)
		w->inflater = ws_inflater_new(15, false);
	return w->inflater;
}

struct ws_deflater *worker_deflater(struct worker *w)
{
	/* Level 1: on chat messages the others are slower by a quarter to a half, and save 0 to 2 % more. */
	if (w->deflater == NULL)
		w->deflater = ws_deflater_new(1);
	return w->deflater;
}

void worker_post_soon(struct worker *w)
{
	if (w->post_due)
		return;
	w->post_due = true;
	event_active(w->ev_post, EV_TIMEOUT, 0);
}

void worker_reap_soon(struct worker *w)
{
	if (w->reap_due)
		return;
	w->reap_due = true;
	event_active(w->ev_reap, EV_TIMEOUT, 0);
}

bool worker_has_time(struct worker *w)
{
	worker_reap_soon(w); /* which begins to count anew */
	return ++w->handshakes <= HANDSHAKES_A_TURN;
}

void worker_flush_soon(struct worker *w)
{
	if (w->flush_due)
		return;
	w->flush_due = true;
	event_active(w->ev_flush, EV_TIMEOUT, 0);
}

void worker_pause_until(struct worker *w, uint64_t at)
{
	uint64_t now = clock_ms();
	struct timeval tv = after_ms(at > now + PAUSE_MIN_MS ? at - now : PAUSE_MIN_MS);

	if (w->pause_at && w->pause_at <= at)
		return;
	w->pause_at = at;
	evtimer_add(w->ev_pause, &tv);
}

/* The mailbox's: called on the writer's thread, which may be the worker's own. */
static void wake(void *arg)
{
	struct worker *w = arg;
	static const uint64_t one = 1;

	if (w == worker_here) {
		event_active(w->ev_wake, EV_TIMEOUT, 0);
		return;
	}
#ifdef NATTER_PORTABLE
	while (write(w->wake_write, &one, 1) < 0 && errno == EINTR)
		;
#else
	while (write(w->wake_write, &one, sizeof(one)) < 0 && errno == EINTR)
		;
#endif
}

static int open_wake(struct worker *w)
{
#ifdef NATTER_PORTABLE
	int fd[2];

	if (pipe(fd) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		evutil_make_socket_nonblocking(fd[i]);
		evutil_make_socket_closeonexec(fd[i]);
	}
	w->wake_read = fd[0];
	w->wake_write = fd[1];
#else
	w->wake_read = w->wake_write = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
#endif
	return w->wake_read < 0 ? -1 : 0;
}

/* ---- life ---- */

static int make_events(struct worker *w)
{
	struct timeval second = { 1, 0 };

	w->ev_tick = event_new(w->base, -1, EV_PERSIST, on_tick, w);
	w->ev_wake = event_new(w->base, w->wake_read, EV_READ | EV_PERSIST, on_wake, w);
	w->ev_post = event_new(w->base, -1, 0, on_post, w);
	w->ev_reap = event_new(w->base, -1, 0, on_reap, w);
	w->ev_pause = event_new(w->base, -1, 0, on_pause, w);
	w->ev_flush = event_new(w->base, -1, 0, on_flush, w);
	w->ev_flush_later = event_new(w->base, -1, 0, on_flush, w);
	w->ev_give_up = event_new(w->base, -1, 0, on_give_up, w);
	if (!w->ev_tick || !w->ev_wake || !w->ev_post || !w->ev_reap || !w->ev_pause || !w->ev_flush ||
	    !w->ev_flush_later || !w->ev_give_up)
		return -1;
	return event_add(w->ev_tick, &second) < 0 || event_add(w->ev_wake, NULL) < 0 ? -1 : 0;
}

static struct event_base *make_base(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base;

	if (cfg == NULL)
		return NULL;
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

struct worker *worker_new(const struct worker_opts *opts)
{
	struct worker *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);

	if (w == NULL)
		return NULL;
	memset(w, 0, sizeof(*w));
	w->opts = *opts;
	w->wake_read = w->wake_write = -1;
	worker_here = w;
	w->dirty_tail = &w->dirty;
	list_init(&w->handshaking);
	list_init(&w->heads);
	list_init(&w->open);
	list_init(&w->closing);
	list_init(&w->draining);
	list_init(&w->paused);
	w->base = make_base();
	w->mailbox = mailbox_new(wake, w, w);
	w->inbox = malloc(WORKER_INBOX);
	w->sender = sender_new(conn_sent);
	if (w->base == NULL || w->mailbox == NULL || w->inbox == NULL || w->sender == NULL || open_wake(w) < 0 ||
	    make_events(w) < 0) {
		worker_free(w);
		return NULL;
	}
	return w;
}

static void end_all(struct list *l)
{
	struct list_node *n;

	while ((n = list_first(l)) != NULL)
		conn_close(list_entry(n, struct conn, node), CLOSE_going_away, NULL);
}

void worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	mailbox_free(w->mailbox);
	for (struct event **e = &w->ev_tick; e <= &w->ev_give_up; e++)
		if (*e)
			event_free(*e);
	if (w->wake_write >= 0 && w->wake_write != w->wake_read)
		close(w->wake_write);
	if (w->wake_read >= 0)
		close(w->wake_read);
	upgrade_pool_clear(&w->upgrades);
	bev_pool_clear(&w->bevs);
	if (w->base)
		event_base_loop(w->base, EVLOOP_NONBLOCK); /* libevent finalizes freed bufferevents in a loop only */
	if (w->base)
		event_base_free(w->base);
	free(w->inbox);
	free(w->cork);
	free(w->spare_batch);
	sender_free(w->sender);
	ws_inflater_free(w->inflater);
	ws_deflater_free(w->deflater);
	if (w == worker_here)
		worker_here = NULL;
	if (stats_mine == &w->stats)
		stats_use(NULL);
	free(w);
}

/* All connections go, and every letter is opened, while there is somebody upstairs to do it. */
static void close_all(struct worker *w)
{
	struct list_node *n;

	w->leaving = true;
	end_all(&w->handshaking);
	end_all(&w->heads);
	end_all(&w->open);
	end_all(&w->paused);
	conn_reap(w, SIZE_MAX);
	while ((n = list_first(&w->draining)) != NULL)
		conn_free(list_entry(n, struct conn, node));
	while (mailbox_open(w->mailbox, LETTERS_A_TURN) > 0)
		;
	event_base_loop(w->base, EVLOOP_NONBLOCK); /* libevent finalizes freed bufferevents in a loop only */
}

/* On the worker's thread, for a ring belongs to the one that made it. */
static void choose_sending(struct worker *w)
{
	const char *why;

	if (!w->opts.io_uring)
		return;
	if (sender_use_ring(w->sender, &why) == 0)
		log_info("io_uring is used", "entries=%d", SENDER_BATCH);
	else
		log_info("io_uring is not available, send() is used", "why=\"%s\"", why);
}

void worker_enter(struct worker *w)
{
	worker_here = w;
	stats_use(&w->stats);
}

void worker_begin(struct worker *w)
{
	worker_enter(w);
	choose_sending(w);
}

void worker_run(struct worker *w)
{
	worker_enter(w);
	event_base_dispatch(w->base);
	close_all(w);
}

void worker_drain(struct worker *w, uint32_t timeout)
{
	struct timeval tv = after_ms(timeout);

	w->leaving = true;
	end_all(&w->handshaking);
	end_all(&w->heads);
	end_all(&w->open);
	end_all(&w->paused);
	evtimer_add(w->ev_give_up, &tv);
	worker_reap_soon(w);
}
