#include <config.h>

#include "net/conn.h"
#include "net/accepted.h"
#include "net/addr_limit.h"
#include "net/fanout.h"
#include "net/handshake.h"
#include "net/listener.h"
#include "net/proxied.h"
#include "net/queues.h"
#include "net/sender.h"
#include "net/tls.h"
#include "net/tls_conn.h"
#include "net/worker.h"
#include "net/ws_conn.h"

#include "base/clock.h"
#include "base/log.h"

#include "wire/netmask.h"
#include "wire/ws_frame.h"

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

/* More than this of unread input that is in pieces is never joined at once. */
#define JOIN_MAX (WS_FRAME_HEAD_MAX + WS_CONTROL_MAX)

/* How much waits to be read by us, and by the peer. */
static size_t input_len(const struct conn *c) { return c->bev ? evbuffer_get_length(bufferevent_get_input(c->bev)) : 0; }
static size_t output_len(const struct conn *c) { return c->bev ? evbuffer_get_length(bufferevent_get_output(c->bev)) : 0; }

/* ---- states ---- */

static struct list *list_of(const struct conn *c)
{
	switch ((enum conn_state)c->state) {
	case CONN_HANDSHAKE:
		return (c->handshake && !c->expected) || c->secure ? &worker_here->heads : &worker_here->handshaking;
	case CONN_OPEN:
		return c->paused ? &worker_here->paused : &worker_here->open;
	case CONN_DRAINING:
		return &worker_here->draining;
	case CONN_CLOSING:
	case CONN_DEAD:
		break;
	}
	return &worker_here->closing;
}

static struct book *addresses(void) { return worker_here->opts.shared->addresses; }

static void handshake_over(struct conn *c)
{
	if (worker_here->opts.shared)
		shared_count_give(&worker_here->opts.shared->handshakes);
	if (c->counted)
		addr_limit_done(addresses(), addr_limit_key_of_text(conn_address(c)), clock_ms());
	listener_unref(c->listener); /* and what lies in its place now is the next state's */
}

void conn_set_state(struct conn *c, enum conn_state state)
{
	list_remove(list_of(c), &c->node);
	if (c->state == CONN_OPEN)
		stats_add(STAT_sessions, -1);
	if (c->state == CONN_HANDSHAKE)
		handshake_over(c);
	c->state = state;
	c->since = worker_here->tick;
	if (state == CONN_OPEN)
		stats_add(STAT_sessions, 1);
	list_append(list_of(c), &c->node);
	if (state == CONN_CLOSING || state == CONN_DEAD)
		worker_reap_soon(worker_here);
}

static void set_paused(struct conn *c, bool paused)
{
	list_remove(list_of(c), &c->node);
	c->paused = paused;
	list_append(list_of(c), &c->node);
}

bool conn_is_open(const struct conn *c) { return c->state == CONN_OPEN; }
void *conn_owner(const struct conn *c) { return (void *)(uintptr_t)(c + 1); }
struct conn *conn_of_owner(const void *owner) { return (struct conn *)(uintptr_t)owner - 1; }
const char *conn_address(const struct conn *c) { return (const char *)(c + 1) + worker_here->opts.owner_size; }

/* ---- parking ---- */

static void on_read(struct bufferevent *bev, void *arg);
static void on_drained(struct bufferevent *bev, void *arg);
static void on_event(struct bufferevent *bev, short what, void *arg);

/* Has the socket watched by a bufferevent from now on. False: no memory. */
static bool attach(struct conn *c)
{
	struct bufferevent *bev = bev_pool_take(&worker_here->bevs, worker_here->base);

	if (bev == NULL)
		return false;
	bufferevent_setcb(bev, on_read, on_drained, on_event, c);
	if (!c->paused)
		bufferevent_enable(bev, EV_READ);
	bufferevent_setfd(bev, c->fd);
	event_del(&c->readable); /* in this order epoll need not be told */
	c->bev = bev;
	return true;
}

void conn_park(struct conn *c)
{
	struct bufferevent *bev = c->bev;

	if (bev == NULL || c->secure || c->state != CONN_OPEN || c->paused || c->held || c->throttled || input_len(c) || output_len(c))
		return;
	if (event_add(&c->readable, NULL) < 0)
		return;
	c->bev = NULL;
	bev_pool_give(&worker_here->bevs, bev);
}

/* Whether to hear of it when there is something to read. */
static void watch(struct conn *c, bool watched)
{
	if (c->bev && watched)
		bufferevent_enable(c->bev, EV_READ);
	else if (c->bev)
		bufferevent_disable(c->bev, EV_READ);
	else if (watched)
		event_add(&c->readable, NULL);
	else
		event_del(&c->readable);
}

/* ---- writing ---- */

/* Behind what the output holds. 0, or -1: no memory. */
static int add_output(struct conn *c, const char *data, size_t len)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	for (; c->secure && len > TLS_CONN_PIECE; data += TLS_CONN_PIECE, len -= TLS_CONN_PIECE)
		if (evbuffer_add(out, data, TLS_CONN_PIECE) < 0)
			return -1;
	return evbuffer_add(out, data, len);
}

/* Leaves to the bufferevent what the system did not take. 0, or -1: too much waits already, or no memory. */
static int queue(struct conn *c, const char *data, size_t len)
{
	size_t waiting = output_len(c);

	if (waiting + len > worker_here->opts.send_queue || (c->bev == NULL && !attach(c)) ||
	    add_output(c, data, len) < 0)
		return -1;
	queues_grew(worker_here);
	if (waiting == 0) {
		c->stuck = 0;
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
		sender_finish(worker_here->sender);
	if (output_len(c) > 0)
		return queue(c, data, len) < 0 ? CLOSE_slow_reader : CLOSE_COUNT;
	stats_add(STAT_sends, 1);
	if (c->secure)
		return pushed(c, data, len, tls_conn_send(c->bev, data, len));
	n = send(c->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	return pushed(c, data, len, n < 0 ? -errno : n);
}

static enum close_reason let_go_cork(struct conn *c)
{
	struct worker *w = worker_here;
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
	if (worker_here->corked == c) {
		enum close_reason end;

		if (cork_put(worker_here, data, len))
			return CLOSE_COUNT;
		end = let_go_cork(c);
		if (end != CLOSE_COUNT)
			return end;
		if (cork_put(worker_here, data, len))
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
		     worker_here->corked != c && !c->secure && output_len(c) == 0;

	if (!clear) {
		conn_write_batch(c, data, len);
		return;
	}
	c->sending = 1;
	sender_add(worker_here->sender, c, c->fd, data, len);
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
	if ((c->bev == NULL && !attach(c)) ||
	    evbuffer_add_reference(bufferevent_get_output(c->bev), data, len, NULL, NULL) < 0)
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
	worker_here->corked = c;
	worker_here->cork_len = 0;
}

void conn_uncork(struct conn *c)
{
	enum close_reason end;

	worker_here->corked = NULL;
	end = let_go_cork(c);
	if (end != CLOSE_COUNT)
		conn_close(c, end, NULL);
}

/* ---- reading ---- */

bool conn_is_ready(const struct conn *c)
{
	return c->state == CONN_OPEN && !c->paused && !c->held && !c->throttled;
}

static void throttle(struct conn *c)
{
	c->throttled = output_len(c) > THROTTLE_ABOVE;
	if (c->throttled)
		watch(c, false);
}

/* C sent LEN bytes: above byte_burst it is not read for a while. */
static void count_bytes(struct conn *c, size_t len)
{
	const struct worker_opts *o = &worker_here->opts;

	if (o->byte_rate == 0)
		return;
	c->bytes += (uint32_t)len;
	if (c->bytes <= o->byte_burst || c->state != CONN_OPEN)
		return;
	c->too_fast = 1;
	if (c->paused)
		return;
	stats_add(STAT_paused_bytes, 1);
	conn_pause(c, (uint32_t)((uint64_t)(c->bytes - o->byte_burst) * 1000 / o->byte_rate) + 1);
}

/* Reads what lies in the bufferevent's input, as far as it is there whole. */
static void use_input(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	bool more = false;
	size_t len, used;

	while (conn_is_ready(c) && (len = evbuffer_get_length(in)) > 0) {
		size_t piece = evbuffer_get_contiguous_space(in);
		unsigned char *p;

		if (more && piece < len && piece < JOIN_MAX)
			piece = len < JOIN_MAX ? len : JOIN_MAX;
		p = evbuffer_pullup(in, (ev_ssize_t)piece);
		if (p == NULL) {
			conn_close(c, CLOSE_no_memory, NULL);
			return;
		}
		used = ws_conn_input(c, p, piece, &more);
		evbuffer_drain(in, used);
		count_bytes(c, used);
		if (more && piece == len)
			return;
	}
}

static void read_input(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	if (c->state > CONN_OPEN) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	throttle(c);
	if (c->held && evbuffer_get_length(in) > HELD_MAX)
		watch(c, false);
	if (!conn_is_ready(c))
		return;
	conn_cork(c);
	use_input(c);
	conn_uncork(c);
}

static void heard(struct conn *c)
{
	if (c->state == CONN_OPEN && !c->paused)
		c->since = worker_here->tick;
	c->pinged = 0;
}

/* Gives the filter what TLS has brought of the request's head. */
static void read_head(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	int n;

	if (c->handshake == NULL && (c->handshake = handshake_new(c)) == NULL) {
		conn_close(c, CLOSE_no_memory, NULL);
		return;
	}
	while (c->state == CONN_HANDSHAKE && (n = evbuffer_remove(in, worker_here->inbox, WORKER_INBOX)) > 0) {
		stats_add(STAT_bytes_in, -(int64_t)n); /* about to be counted again */
		handshake_feed(c->handshake, worker_here->inbox, (size_t)n);
	}
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	heard(c);
	if (c->state == CONN_HANDSHAKE)
		read_head(c);
	else
		read_input(c);
}

/* Uses up what came into the inbox while C was parked; the rest waits in a bufferevent. */
static void use_inbox(struct conn *c, size_t len)
{
	unsigned char *inbox = worker_here->inbox;
	size_t used;
	bool more;

	conn_cork(c);
	used = ws_conn_input(c, inbox, len, &more);
	count_bytes(c, used);
	conn_uncork(c);
	if (used == len || c->state != CONN_OPEN)
		return;
	stats_add(STAT_bytes_in, -(int64_t)(len - used)); /* about to be counted again */
	if ((c->bev == NULL && !attach(c)) ||
	    evbuffer_add(bufferevent_get_input(c->bev), inbox + used, len - used) < 0)
		conn_close(c, CLOSE_no_memory, NULL);
}

void conn_peer_ended(struct conn *c, bool well)
{
	c->eof = 1;
	if (c->state != CONN_DRAINING)
		conn_close(c, well ? CLOSE_peer_gone : CLOSE_io_error, NULL);
	else if (!well || output_len(c) == 0)
		conn_set_state(c, CONN_DEAD);
	else
		bufferevent_enable(c->bev, EV_WRITE); /* which a bufferevent_openssl stops at the end of reading */
}

/* The client says hello to TLS, which has the socket from now on. */
static void begin_tls(struct conn *c)
{
	struct tls *t = listener_tls(c->listener);

	list_remove(&worker_here->handshaking, &c->node);
	c->bev = t ? tls_conn_new(t, worker_here->base, c->fd) : NULL;
	c->secure = c->bev != NULL;
	list_append(list_of(c), &c->node);
	tls_unref(t);
	if (c->bev == NULL) {
		conn_close(c, CLOSE_no_memory, NULL);
		return;
	}
	bufferevent_setcb(c->bev, on_read, on_drained, on_event, c);
	bufferevent_enable(c->bev, EV_READ);
	event_del(&c->readable); /* in this order epoll need not be told */
}

/* Whether the first byte that waits is TLS's, where it may be. */
static bool says_hello(const struct conn *c)
{
	unsigned char first;

	return listener_speaks_tls(c->listener) && recv(c->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 &&
	       tls_conn_is_hello(first);
}

/* The first bytes of a request are in the inbox. What is not a whole head yet is the upgrade filter's from now on. */
static void begin_handshake(struct conn *c, size_t len)
{
	struct worker *w = worker_here;

	list_remove(&w->handshaking, &c->node);
	c->handshake = handshake_new(c);
	list_append(list_of(c), &c->node);
	if (c->handshake == NULL) {
		conn_close(c, CLOSE_no_memory, NULL);
		return;
	}
	handshake_feed(c->handshake, w->inbox, len);
	if (c->state != CONN_HANDSHAKE)
		return;
	handshake_watch(c->handshake);
	event_del(&c->readable); /* in this order epoll need not be told */
}

/* The socket of a connection without a bufferevent has bytes, or its end. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	ssize_t n;

	(void)what;
	if (c->state == CONN_OPEN && c->held) {
		if (!attach(c)) /* which keeps it until it is ready */
			conn_close(c, CLOSE_no_memory, NULL);
		return;
	}
	if (c->state == CONN_CLOSING || c->state == CONN_DEAD) {
		watch(c, false); /* the reaper comes to it in a later turn */
		return;
	}
	if (c->state == CONN_HANDSHAKE && !worker_has_time(worker_here))
		return; /* libevent will say so again */
	if (c->state == CONN_HANDSHAKE && c->expected && !proxied_read(c))
		return;
	if (c->state == CONN_HANDSHAKE && says_hello(c)) {
		begin_tls(c);
		return;
	}
	n = recv(fd, worker_here->inbox, WORKER_INBOX, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {
		conn_peer_ended(c, n == 0);
		return;
	}
	if (c->state == CONN_HANDSHAKE) {
		begin_handshake(c, (size_t)n);
		return;
	}
	stats_add(STAT_bytes_in, n);
	heard(c);
	if (c->state == CONN_OPEN)
		use_inbox(c, (size_t)n);
}

/* Half-closes: our last words are out, the peer's may still come. */
static void finish_draining(struct conn *c)
{
	if (c->eof) {
		conn_set_state(c, CONN_DEAD);
	} else if (!c->fin && (!c->secure || tls_conn_finish(c->bev))) {
		c->fin = 1;
		shutdown(c->fd, SHUT_WR);
	}
}

void conn_finish(struct conn *c)
{
	if (output_len(c) == 0)
		finish_draining(c);
}

/* Input may lie there unread, of which nobody will tell us: have it read soon. */
static void look_again(struct conn *c)
{
	watch(c, true);
	if (input_len(c) > 0)
		bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

/* The backlog is gone: write directly again. */
static void on_drained(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	bufferevent_disable(bev, EV_WRITE);
	if (c->state == CONN_DRAINING) {
		finish_draining(c);
		return;
	}
	if (c->state == CONN_OPEN && c->throttled) {
		c->throttled = 0;
		if (!c->paused)
			look_again(c);
	}
	if (c->state == CONN_OPEN && worker_here->opts.ops->drained)
		worker_here->opts.ops->drained(c);
}

size_t conn_waiting(const struct conn *c) { return output_len(c); }

/* Also of TLS: its handshake is done, or failed. */
static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	if (what & BEV_EVENT_CONNECTED) {
		stats_add(STAT_tls_handshakes, 1);
		stats_add(STAT_tls_resumed, tls_conn_is_resumed(bev));
		return;
	}
	if (c->secure && c->state == CONN_HANDSHAKE && what & BEV_EVENT_ERROR) {
		stats_add(STAT_tls_failed, 1);
		log_limited(LOG_LEVEL_INFO, "a TLS handshake failed", "listener=%s address=%s error=\"%s\"",
			    listener_name(c->listener), conn_address(c), tls_conn_error(bev));
	}
	conn_peer_ended(c, !(what & BEV_EVENT_ERROR));
}

int conn_take_over(struct conn *c, struct evbuffer *rest)
{
	size_t len = rest ? evbuffer_get_length(rest) : 0;

	if (c->secure && len == 0)
		return 0;
	if (c->secure) {
		stats_add(STAT_bytes_in, -(int64_t)len); /* about to be counted again */
		return evbuffer_prepend_buffer(bufferevent_get_input(c->bev), rest);
	}
	if (event_add(&c->readable, NULL) < 0 || (len > 0 && !attach(c)))
		return -1;
	stats_add(STAT_bytes_in, -(int64_t)len); /* about to be counted again */
	return len > 0 ? evbuffer_add_buffer(bufferevent_get_input(c->bev), rest) : 0;
}

void conn_become(struct conn *c, enum conn_protocol p)
{
	c->protocol = (uint8_t)p;
	look_again(c);
}

/* ---- pausing ---- */

void conn_pause(struct conn *c, uint32_t ms)
{
	uint64_t now = clock_ms();

	if (c->state != CONN_OPEN || c->paused)
		return;
	set_paused(c, true);
	c->resume_at = (uint32_t)(now + ms);
	watch(c, false);
	stats_add(STAT_paused, 1);
	worker_pause_until(worker_here, now + ms);
}

void conn_hold(struct conn *c, bool held)
{
	bool was = c->held;

	c->held = held;
	if (!was || held || !conn_is_ready(c))
		return;
	conn_park(c);
	look_again(c);
}

static void resume(struct conn *c)
{
	set_paused(c, false);
	c->since = worker_here->tick;
	if (c->throttled)
		return; /* on_drained goes on */
	watch(c, true);
	if (input_len(c) > 0)
		read_input(c);
}

/* How many ms C's pause is to last still; not above 0: it is over. */
static int32_t wait_of(const struct conn *c, uint64_t now) { return (int32_t)(c->resume_at - (uint32_t)now); }

uint64_t conn_resume(struct worker *w)
{
	uint64_t now = clock_ms(), next = 0;
	size_t n = w->paused.count;

	/* Who waits on, or is paused again, goes to the list's end: each is looked at once. */
	while (n-- > 0 && !list_empty(&w->paused)) {
		struct conn *c = list_entry(list_first(&w->paused), struct conn, node);

		if (wait_of(c, now) <= 0) {
			resume(c);
		} else {
			list_remove(&w->paused, &c->node);
			list_append(&w->paused, &c->node);
		}
	}
	list_each(node, &w->paused) {
		struct conn *c = list_entry(node, struct conn, node);

		if (next == 0 || now + (uint64_t)wait_of(c, now) < next)
			next = now + (uint64_t)wait_of(c, now);
	}
	return next;
}

/* ---- the beginning and the end ---- */

/* It does not count any more among those of its address. */
static void leave_address(struct conn *c)
{
	if (c->counted)
		addr_limit_leave(addresses(), addr_limit_key_of_text(conn_address(c)), c->state != CONN_HANDSHAKE,
				 clock_ms());
	c->counted = false;
}

/* It counts, in its handshake, among those of the address that it was given. */
static void enter_address(struct conn *c)
{
	const struct worker_opts *o = &worker_here->opts;
	const char *address = conn_address(c);
	struct net_addr a;
	uint64_t key;
	enum admission answer;

	if (o->shared == NULL || c->state != CONN_HANDSHAKE || !net_addr_parse(&a, address, strlen(address)) ||
	    net_list_has(o->exempt, &a) || net_list_has(o->trusted, &a))
		return;
	key = addr_limit_key(&a);
	answer = key ? addr_limit_admit(addresses(), &o->addr, key, clock_ms()) : ADMISSION_OK;
	c->counted = key && answer != ADMISSION_TURNED_AWAY;
	if (c->admission == ADMISSION_OK)
		c->admission = (uint8_t)answer;
}

void conn_set_address(struct conn *c, const char *text)
{
	if (!c->trusted || strlen(text) >= NET_ADDR_TEXT || strcmp(text, conn_address(c)) == 0)
		return;
	leave_address(c);
	strcpy((char *)(c + 1) + worker_here->opts.owner_size, text);
	enter_address(c);
}

/* Who is longest in its handshake; NULL: nobody is. Those that were heard of are in the order of that. */
static struct conn *oldest_handshake(struct worker *w)
{
	struct list_node *mute = list_first(&w->handshaking), *head = list_first(&w->heads);
	struct conn *m = mute ? list_entry(mute, struct conn, node) : NULL;
	struct conn *h = head ? list_entry(head, struct conn, node) : NULL;

	return m == NULL || (h && h->since <= m->since) ? h : m;
}

/* The end of a handshake: who has begun a request is told. */
static void give_up(struct conn *c, unsigned status, enum close_reason reason)
{
	if (c->handshake && !c->expected)
		handshake_give_up(c->handshake, status, reason);
	else
		conn_close(c, reason, NULL);
}

void conn_overdue(struct conn *c) { give_up(c, 408, CLOSE_handshake_timeout); }

/* Where there are too many, the oldest go; of a worker that has more than its share. */
void conn_crowd_out(struct worker *w)
{
	size_t max = w->opts.max_handshakes, n = w->opts.workers ? w->opts.workers : 1;
	struct conn *c;

	while (shared_count_get(&w->opts.shared->handshakes) > max &&
	       w->handshaking.count + w->heads.count > (max + n - 1) / n && (c = oldest_handshake(w)) != NULL)
		give_up(c, 503, CLOSE_crowded_out);
}

int conn_accept(struct worker *w, const struct accepted *a, const struct sockaddr *peer)
{
	char address[NET_ADDR_TEXT];
	struct net_addr from;
	struct conn *c;
	bool trusted;

	net_addr_of(&from, peer);
	net_addr_text(&from, address);
	trusted = net_list_has(w->opts.trusted, &from);
	if (listener_is_proxied(a->listener) && !trusted) {
		proxied_refuse(a->listener, address, "it comes from none of trusted_proxies");
		accepted_drop(w, a);
		return 0;
	}
	/* A proxy may give any address, others have theirs for good. */
	c = calloc(1, sizeof(*c) + w->opts.owner_size + (trusted ? sizeof(address) : strlen(address) + 1));
	if (c == NULL || event_assign(&c->readable, w->base, a->fd, EV_READ | EV_PERSIST, on_readable, c) < 0 ||
	    event_add(&c->readable, NULL) < 0) {
		free(c);
		accepted_drop(w, a);
		return -1;
	}
	strcpy((char *)(c + 1) + w->opts.owner_size, address);
	c->fd = a->fd;
	c->listener = listener_ref(a->listener);
	c->admission = (uint8_t)a->admission;
	c->counted = a->addr != 0;
	c->trusted = c->believed = trusted;
	c->expected = listener_is_proxied(a->listener);
	c->since = w->tick;
	list_append(&w->handshaking, &c->node);
	if (w->opts.shared) {
		shared_count_take(&w->opts.shared->handshakes, 0);
		conn_crowd_out(w);
	}
	stats_add(STAT_accepted, 1);
	stats_add(STAT_connections, 1);
	return 0;
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
	case CLOSE_queues_full:
		stats_add(STAT_closed_queues, 1);
		break;
	case CLOSE_crowded_out:
		stats_add(STAT_closed_crowded_out, 1);
		break;
	case CLOSE_rate_limited:
		stats_add(STAT_closed_rate_limited, 1);
		break;
	case CLOSE_ping_timeout:
		stats_add(STAT_closed_ping, 1);
		break;
	case CLOSE_protocol_error:
	case CLOSE_unsupported_data:
	case CLOSE_bad_utf8:
	case CLOSE_too_big:
		stats_add(STAT_closed_protocol, 1);
		stats_add(STAT_closed_too_big, c->reason == CLOSE_too_big);
		break;
	default:
		break;
	}
}

/* Frees what the handshake or the WebSocket holds; on the way to the next state. */
static void let_go_of_protocol(struct conn *c)
{
	struct handshake *h;

	proxied_forget(c);
	h = c->state == CONN_HANDSHAKE ? c->handshake : NULL;
	if (c->state == CONN_OPEN)
		ws_stream_clear(&c->stream);
	conn_set_state(c, CONN_CLOSING);
	handshake_free(h);
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
	if (why == NULL)
		why = close_text(reason);
	log_debug("closing", "fd=%d reason=%s why=\"%s\"", c->fd, close_name(reason), why);
	count_close(c);
	let_go_of_protocol(c);
	if (c->protocol == CONN_WEBSOCKET)
		ws_conn_farewell(c, reason, why);
	else if (c->protocol == CONN_NOTHING)
		c->eof = 1; /* there is nothing to say */
}

/* With a reset: nothing more of this shall wait in the kernel. */
static void drop_backlog(struct conn *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* Where nothing went wrong, a last word that costs nothing if nobody hears it. */
static void end_tls(struct conn *c)
{
	if (!c->fin && output_len(c) == 0 && c->reason != CLOSE_io_error)
		tls_conn_finish(c->bev);
	tls_conn_free(c->bev);
}

void conn_free(struct conn *c)
{
	if (c->state < CONN_CLOSING)
		let_go_of_protocol(c);
	list_remove(list_of(c), &c->node);
	event_del(&c->readable);
	if (output_len(c) > 0 || c->reason == CLOSE_queues_full)
		drop_backlog(c);
	if (c->secure)
		end_tls(c);
	else if (c->bev)
		bev_pool_drop(c->bev);
	close(c->fd);
	leave_address(c);
	stats_add(STAT_connections, -1);
	shared_count_give(worker_here->opts.total);
	free(c);
}

/* The turn in which the connection closed is over. */
static void reap(struct conn *c)
{
	if (c->opened) {
		c->opened = 0;
		worker_here->opts.ops->closed(c, c->reason);
	}
	if (c->state == CONN_DEAD || (c->eof && output_len(c) == 0)) {
		conn_free(c);
		return;
	}
	/* Not waited for: who does not read, and those of whom there are too many. */
	if (c->reason == CLOSE_slow_reader || c->reason == CLOSE_queues_full || c->reason == CLOSE_crowded_out ||
	    c->reason == CLOSE_io_error || c->reason == CLOSE_no_memory) {
		conn_free(c);
		return;
	}
	conn_set_state(c, CONN_DRAINING);
	if (c->bev)
		evbuffer_drain(bufferevent_get_input(c->bev), input_len(c));
	watch(c, true);
	if (output_len(c) == 0)
		finish_draining(c);
	else if (c->eof)
		bufferevent_enable(c->bev, EV_WRITE); /* as in conn_peer_ended() */
}

void conn_reap(struct worker *w, size_t most)
{
	struct list_node *n;

	while (most-- > 0 && (n = list_first(&w->closing)) != NULL)
		reap(list_entry(n, struct conn, node));
}
