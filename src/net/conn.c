#include <config.h>

#include "net/conn.h"
#include "net/fanout.h"
#include "net/handshake.h"
#include "net/sender.h"
#include "net/worker.h"

#include "base/clock.h"
#include "base/log.h"

#include <event2/buffer.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* A corked write is let go when it has grown to this. */
#define CORK_MAX 65536

/* Who has more than this to read first is not read itself. */
#define THROTTLE_ABOVE 65536

/* Who is held may send so much meanwhile. */
#define HELD_MAX 65536

/* A backlog that does not shrink for so many ticks is a reader that is stuck. */
#define STUCK_TICKS 60

static struct evbuffer *input_of(struct conn *c) { return bufferevent_get_input(c->bev); }
static struct evbuffer *output_of(struct conn *c) { return bufferevent_get_output(c->bev); }

/* ---- states ---- */

static struct list *list_of(const struct conn *c)
{
	switch ((enum conn_state)c->state) {
	case CONN_HANDSHAKE:
		return &c->worker->handshaking;
	case CONN_OPEN:
		return c->paused ? &c->worker->paused : &c->worker->open;
	case CONN_DRAINING:
		return &c->worker->draining;
	case CONN_CLOSING:
	case CONN_DEAD:
		break;
	}
	return &c->worker->closing;
}

void conn_set_state(struct conn *c, enum conn_state state)
{
	list_remove(list_of(c), &c->node);
	if (c->state == CONN_OPEN)
		stats_add(STAT_sessions, -1);
	c->state = state;
	c->entered = c->worker->tick;
	if (state == CONN_OPEN) {
		c->heard = c->worker->tick;
		stats_add(STAT_sessions, 1);
	}
	list_append(list_of(c), &c->node);
	if (state == CONN_CLOSING || state == CONN_DEAD)
		worker_reap_soon(c->worker);
}

static void set_paused(struct conn *c, bool paused)
{
	list_remove(list_of(c), &c->node);
	c->paused = paused;
	list_append(list_of(c), &c->node);
}

bool conn_is_open(const struct conn *c) { return c->state == CONN_OPEN; }
void *conn_owner(const struct conn *c) { return c->owner; }
struct worker *conn_worker(const struct conn *c) { return c->worker; }

/* ---- writing ---- */

/* Leaves to the bufferevent what the system did not take. 0, or -1: too much waits already, or no memory. */
static int queue(struct conn *c, const char *data, size_t len)
{
	struct evbuffer *out = output_of(c);
	size_t waiting = evbuffer_get_length(out);

	if (waiting + len > c->worker->opts.send_queue || evbuffer_add(out, data, len) < 0)
		return -1;
	if (waiting == 0) {
		c->moved = c->worker->tick;
		c->backlog = 0;
		bufferevent_enable(c->bev, EV_WRITE);
	}
	return 0;
}

/* After a send that took N of the bytes, or failed (-errno): queues the rest. As push(). */
static enum close_reason pushed(struct conn *c, const char *data, size_t len, ssize_t n)
{
	if (n < 0 && n != -EAGAIN && n != -EWOULDBLOCK && n != -EINTR && n != -ENOBUFS)
		return CLOSE_io_error;
	if (n > 0) {
		stats_add(STAT_bytes_out, n);
		data += n;
		len -= (size_t)n;
	}
	if (len == 0)
		return CLOSE_COUNT;
	stats_add(STAT_sends_short, 1);
	return queue(c, data, len) < 0 ? CLOSE_slow_reader : CLOSE_COUNT;
}

/* Sends or queues. CLOSE_COUNT: well; else why the connection has to end. */
static enum close_reason push(struct conn *c, const char *data, size_t len)
{
	ssize_t n;

	if (c->sending)
		sender_finish(c->worker->sender);
	if (evbuffer_get_length(output_of(c)) > 0)
		return queue(c, data, len) < 0 ? CLOSE_slow_reader : CLOSE_COUNT;
	n = send(c->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	stats_add(STAT_sends, 1);
	return pushed(c, data, len, n < 0 ? -errno : n);
}

static enum close_reason let_go_cork(struct conn *c)
{
	struct worker *w = c->worker;
	size_t len = w->cork_len;

	w->cork_len = 0;
	return len ? push(c, w->cork, len) : CLOSE_COUNT;
}

/* Whether DATA could be laid into the cork. */
static bool cork_put(struct worker *w, const void *data, size_t len)
{
	if (w->cork_len + len > w->cork_size) {
		size_t size = w->cork_len + len + 4096;
		char *grown = size > CORK_MAX ? NULL : realloc(w->cork, size);

		if (grown == NULL)
			return false;
		w->cork = grown;
		w->cork_size = size;
	}
	memcpy(w->cork + w->cork_len, data, len);
	w->cork_len += len;
	return true;
}

static enum close_reason write_in_order(struct conn *c, const void *data, size_t len)
{
	if (c->worker->corked == c) {
		enum close_reason end;

		if (cork_put(c->worker, data, len))
			return CLOSE_COUNT;
		end = let_go_cork(c);
		if (end != CLOSE_COUNT)
			return end;
		if (cork_put(c->worker, data, len))
			return CLOSE_COUNT;
	}
	return push(c, data, len);
}

void conn_write_batch(struct conn *c, const void *data, size_t len)
{
	enum close_reason end;

	if (c->state != CONN_OPEN && c->state != CONN_HANDSHAKE)
		return;
	end = write_in_order(c, data, len);
	if (end != CLOSE_COUNT)
		conn_close(c, end, NULL);
}

void conn_write_soon(struct conn *c, const void *data, size_t len)
{
	bool clear = (c->state == CONN_OPEN || c->state == CONN_HANDSHAKE) && !c->sending &&
		     c->worker->corked != c && evbuffer_get_length(output_of(c)) == 0;

	if (!clear) {
		conn_write_batch(c, data, len);
		return;
	}
	c->sending = 1;
	sender_add(c->worker->sender, c, c->fd, data, len);
}

void conn_sent(const struct sender_job *job)
{
	struct conn *c = job->conn;
	enum close_reason end = pushed(c, job->data, job->len, job->result);

	c->sending = 0;
	if (end != CLOSE_COUNT)
		conn_close(c, end, NULL);
}

void conn_write(struct conn *c, const void *data, size_t len)
{
	if (c->seats)
		fanout_serve(c);
	conn_write_batch(c, data, len);
}

void conn_write_static(struct conn *c, const void *data, size_t len)
{
	if (evbuffer_add_reference(output_of(c), data, len, NULL, NULL) < 0)
		conn_close(c, CLOSE_no_memory, NULL);
	else
		bufferevent_enable(c->bev, EV_WRITE);
}

void conn_last_words(struct conn *c, const void *data, size_t len)
{
	if (write_in_order(c, data, len) != CLOSE_COUNT)
		c->eof = 1; /* nobody can be told anything */
}

void conn_cork(struct conn *c)
{
	c->worker->corked = c;
	c->worker->cork_len = 0;
}

void conn_uncork(struct conn *c)
{
	enum close_reason end;

	c->worker->corked = NULL;
	end = let_go_cork(c);
	if (end != CLOSE_COUNT)
		conn_close(c, end, NULL);
}

/* ---- reading ---- */

static bool is_throttled(struct conn *c) { return evbuffer_get_length(output_of(c)) > THROTTLE_ABOVE; }

static void read_input(struct conn *c)
{
	struct evbuffer *in = input_of(c);

	if (c->state == CONN_DRAINING || c->state == CONN_CLOSING) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	if (c->state == CONN_DEAD || c->protocol == NULL || c->paused)
		return;
	if (c->held) {
		if (evbuffer_get_length(in) > HELD_MAX)
			bufferevent_disable(c->bev, EV_READ);
		return;
	}
	c->throttled = is_throttled(c);
	if (c->throttled) {
		bufferevent_disable(c->bev, EV_READ);
		return;
	}
	conn_cork(c);
	c->protocol->input(c, in);
	conn_uncork(c);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	c->heard = c->worker->tick;
	c->pinged = 0;
	read_input(c);
}

/* Half-closes: our last words are out, the peer's may still come. */
static void finish_draining(struct conn *c)
{
	if (c->eof) {
		conn_set_state(c, CONN_DEAD);
	} else if (!c->fin) {
		c->fin = 1;
		shutdown(c->fd, SHUT_WR);
	}
}

/* The backlog is gone: write directly again. */
static void on_drained(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	bufferevent_disable(bev, EV_WRITE);
	if (c->state == CONN_DRAINING) {
		finish_draining(c);
	} else if (c->state == CONN_OPEN && c->throttled) {
		c->throttled = 0;
		if (!c->paused)
			conn_look_again(c);
	}
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	c->eof = 1;
	if (c->state == CONN_DRAINING) {
		if ((what & BEV_EVENT_ERROR) || evbuffer_get_length(output_of(c)) == 0)
			conn_set_state(c, CONN_DEAD);
	} else {
		conn_close(c, (what & BEV_EVENT_EOF) ? CLOSE_peer_gone : CLOSE_io_error, NULL);
	}
}

/* Counts what enters the input. */
static void on_input_change(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	(void)buf;
	(void)arg;
	if (info->n_added)
		stats_add(STAT_bytes_in, (int64_t)info->n_added);
}

/* Counts what waits in the output, and what the bufferevent sends of it. */
static void on_output_change(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	(void)buf;
	(void)arg;
	stats_add(STAT_backlog_bytes, (int64_t)info->n_added - (int64_t)info->n_deleted);
	stats_add(STAT_bytes_out, (int64_t)info->n_deleted);
}

void conn_look_again(struct conn *c)
{
	bufferevent_enable(c->bev, EV_READ);
	if (evbuffer_get_length(input_of(c)) > 0)
		bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

void conn_become(struct conn *c, const struct conn_protocol *p)
{
	c->protocol = p;
	bufferevent_setcb(c->bev, on_read, on_drained, on_event, c);
	conn_look_again(c);
}

/* ---- pausing ---- */

void conn_pause(struct conn *c, uint32_t ms)
{
	if (c->state != CONN_OPEN || c->paused)
		return;
	set_paused(c, true);
	c->resume_at = clock_ms() + ms;
	bufferevent_disable(c->bev, EV_READ);
	stats_add(STAT_paused, 1);
	worker_pause_until(c->worker, c->resume_at);
}

void conn_hold(struct conn *c, bool held)
{
	bool was = c->held;

	c->held = held;
	if (was && !held && c->state == CONN_OPEN && !c->paused && !c->throttled)
		conn_look_again(c);
}

static void resume(struct conn *c)
{
	set_paused(c, false);
	c->heard = c->worker->tick;
	if (c->throttled)
		return; /* on_drained goes on */
	bufferevent_enable(c->bev, EV_READ);
	if (evbuffer_get_length(input_of(c)) > 0)
		read_input(c);
}

uint64_t conn_resume(struct worker *w)
{
	uint64_t now = clock_ms(), next = 0;
	size_t n = w->paused.count;

	/* Who waits on, or is paused again, goes to the list's end: each is looked at once. */
	while (n-- > 0 && !list_empty(&w->paused)) {
		struct conn *c = list_entry(list_first(&w->paused), struct conn, node);

		if (c->resume_at <= now) {
			resume(c);
		} else {
			list_remove(&w->paused, &c->node);
			list_append(&w->paused, &c->node);
		}
	}
	list_each(node, &w->paused) {
		struct conn *c = list_entry(node, struct conn, node);

		if (next == 0 || c->resume_at < next)
			next = c->resume_at;
	}
	return next;
}

/* ---- the beginning and the end ---- */

int conn_accept(struct worker *w, struct listener *l, int fd, const struct sockaddr *peer, bool full)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		goto fail;
	c->worker = w;
	c->fd = fd;
	c->bev = bufferevent_socket_new(w->base, -1, 0);
	if (c->bev == NULL || evbuffer_add_cb(input_of(c), on_input_change, c) == NULL ||
	    evbuffer_add_cb(output_of(c), on_output_change, c) == NULL)
		goto fail;
	c->entered = w->tick;
	list_append(&w->handshaking, &c->node);
	if (handshake_start(c, l, peer, full) < 0) {
		list_remove(&w->handshaking, &c->node);
		goto fail;
	}
	stats_add(STAT_accepted, 1);
	stats_add(STAT_connections, 1);
	return 0;
fail:
	if (c && c->bev)
		bufferevent_free(c->bev);
	free(c);
	close(fd);
	shared_count_give(w->opts.total);
	return -1;
}

static void count_close(const struct conn *c)
{
	switch ((enum close_reason)c->reason) {
	case CLOSE_slow_reader:
		stats_add(STAT_closed_slow, 1);
		break;
	case CLOSE_handshake_timeout:
		stats_add(STAT_closed_handshake, 1);
		break;
	case CLOSE_ping_timeout:
		stats_add(STAT_closed_ping, 1);
		break;
	case CLOSE_protocol_error:
	case CLOSE_unsupported_data:
	case CLOSE_bad_utf8:
	case CLOSE_too_big:
		stats_add(STAT_closed_protocol, 1);
		break;
	default:
		break;
	}
}

void conn_close(struct conn *c, enum close_reason reason, const char *why)
{
	if (c->state >= CONN_CLOSING)
		return;
	if (close_code(reason) && c->seats)
		fanout_serve(c); /* the close frame is the last thing; this may end C for a worse reason */
	if (c->state >= CONN_CLOSING)
		return;
	c->reason = (uint8_t)reason;
	c->close_why = why ? why : close_text(reason);
	log_debug("closing", "fd=%d reason=%s why=\"%s\"", c->fd, close_name(reason), c->close_why);
	count_close(c);
	if (c->state == CONN_HANDSHAKE) {
		handshake_free(c->handshake);
		c->handshake = NULL;
	} else {
		ws_stream_clear(&c->stream);
	}
	conn_set_state(c, CONN_CLOSING);
	if (c->protocol && c->protocol->farewell)
		c->protocol->farewell(c, reason);
	else
		c->eof = 1;
}

/* With a reset: nothing more of this shall wait in the kernel. */
static void drop_backlog(struct conn *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void conn_free(struct conn *c)
{
	struct evbuffer *out = output_of(c);

	list_remove(list_of(c), &c->node);
	if (c->state == CONN_OPEN)
		stats_add(STAT_sessions, -1);
	if (c->state == CONN_HANDSHAKE)
		handshake_free(c->handshake);
	else if (c->state == CONN_OPEN)
		ws_stream_clear(&c->stream);
	if (evbuffer_get_length(out) > 0) {
		stats_add(STAT_backlog_bytes, -(int64_t)evbuffer_get_length(out));
		drop_backlog(c);
	}
	evbuffer_remove_cb(out, on_output_change, c);
	bufferevent_free(c->bev);
	close(c->fd);
	stats_add(STAT_connections, -1);
	shared_count_give(c->worker->opts.total);
	free(c);
}

/* The turn in which the connection closed is over. */
static void reap(struct conn *c)
{
	if (c->opened) {
		c->opened = 0;
		c->worker->opts.ops->closed(c, c->reason);
	}
	if (c->state == CONN_DEAD || (c->eof && evbuffer_get_length(output_of(c)) == 0)) {
		conn_free(c);
		return;
	}
	if (c->reason == CLOSE_slow_reader || c->reason == CLOSE_io_error || c->reason == CLOSE_no_memory) {
		conn_free(c);
		return;
	}
	conn_set_state(c, CONN_DRAINING);
	evbuffer_drain(input_of(c), evbuffer_get_length(input_of(c)));
	bufferevent_enable(c->bev, EV_READ);
	if (evbuffer_get_length(output_of(c)) == 0)
		finish_draining(c);
}

void conn_reap(struct worker *w)
{
	struct list_node *n;

	while ((n = list_first(&w->closing)) != NULL)
		reap(list_entry(n, struct conn, node));
}

/* ---- deadlines ---- */

static bool overdue(const struct conn *c, uint32_t ms) { return c->worker->tick - c->entered >= worker_ticks(ms); }

/* Whether C's backlog has not become smaller for too long. */
static bool is_stuck(struct conn *c)
{
	uint32_t waiting = (uint32_t)evbuffer_get_length(output_of(c));

	if (waiting == 0)
		return false;
	if (waiting < c->backlog || c->backlog == 0)
		c->moved = c->worker->tick;
	c->backlog = waiting;
	return c->worker->tick - c->moved >= STUCK_TICKS;
}

static void sweep_open(struct conn *c)
{
	const struct worker_opts *o = &c->worker->opts;
	uint32_t silent = c->worker->tick - c->heard;

	if (is_stuck(c))
		conn_close(c, CLOSE_slow_reader, NULL);
	else if (o->ping_interval == 0 || c->throttled)
		return;
	else if (c->pinged && silent >= worker_ticks(o->ping_interval) + worker_ticks(o->ping_timeout))
		conn_close(c, CLOSE_ping_timeout, NULL);
	else if (!c->pinged && silent >= worker_ticks(o->ping_interval) && c->protocol->quiet)
		c->protocol->quiet(c);
}

void conn_sweep(struct worker *w)
{
	/* The first two lists are in the order of their deadlines. */
	list_each_safe(node, &w->handshaking) {
		struct conn *c = list_entry(node, struct conn, node);

		if (!overdue(c, w->opts.handshake_timeout))
			break;
		conn_close(c, CLOSE_handshake_timeout, NULL);
	}
	list_each_safe(node, &w->draining) {
		struct conn *c = list_entry(node, struct conn, node);

		if (!overdue(c, w->opts.close_timeout))
			break;
		conn_set_state(c, CONN_DEAD);
	}
	list_each_safe(node, &w->open) {
		sweep_open(list_entry(node, struct conn, node));
	}
	list_each_safe(node, &w->paused) {
		struct conn *c = list_entry(node, struct conn, node);

		if (is_stuck(c))
			conn_close(c, CLOSE_slow_reader, NULL);
	}
}
