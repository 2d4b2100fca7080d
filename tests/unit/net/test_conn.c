/*
 * A worker, its listener on loopback, and clients that speak bytes. The tests
 * turn the loop by hand and move the worker's tick instead of waiting.
 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/book.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/sweep.h"
#include "net/worker.h"
#include "net/ws_conn.h"
#include "wire/netmask.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 20000

#define REQUEST                                                                                                       \
	"GET /tea HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                               \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
#define HEAD_REQUEST "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
#define ACCEPTED                                                                                                      \
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                           \
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

static const struct ws_limits limits = { 1000, 2000, 10 };

/* What upstairs was told and does. */
static struct {
	struct conn *conn;          /* the last one that opened */
	struct conn_answer answer;  /* to every request */
	char messages[70000];       /* "t:text " and "b:binary " one behind the other */
	size_t len;
	unsigned requests, opened, messages_in, closed;
	int reason;                 /* of the last close, or -1 */
	bool full, websocket;       /* of the last request */
	const char *greeting;       /* sent when it opens */
	bool hold;                  /* when it opens */
	uint32_t pause;             /* after every message, ms */
	bool hold_after;            /* every message */
	const char *address;        /* at the end; NULL: 127.0.0.1 */
} up;

static void on_request(struct conn *c, const struct http_request *r, struct conn_answer *a)
{
	(void)c;
	assert_string_equal(r->listener, "main");
	assert_string_equal(r->address, up.address ? up.address : "127.0.0.1");
	up.requests++;
	up.full = r->full;
	up.websocket = r->websocket;
	*a = up.answer;
}

static void on_open(struct conn *c)
{
	assert_ptr_equal(conn_of_owner(conn_owner(c)), c);
	up.conn = c;
	up.opened++;
	if (up.greeting)
		ws_conn_send(c, true, up.greeting, strlen(up.greeting));
	if (up.hold)
		conn_hold(c, true);
}

static void on_message(struct conn *c, bool text, char *data, size_t len)
{
	assert_true(conn_is_open(c));
	assert_true(up.len + len + 4 < sizeof(up.messages));
	up.len += (size_t)sprintf(up.messages + up.len, "%c:%.*s ", text ? 't' : 'b', (int)len, data);
	up.messages_in++;
	if (up.pause)
		conn_pause(c, up.pause);
	if (up.hold_after)
		conn_hold(c, true);
}

static void on_closed(struct conn *c, enum close_reason r)
{
	assert_string_equal(conn_address(c), up.address ? up.address : "127.0.0.1");
	up.closed++;
	up.reason = (int)r;
	up.conn = NULL;
}

static void on_flood(struct conn *c) { conn_close(c, CLOSE_rate_limited, NULL); }

static const struct worker_ops ops = { .request = on_request, .open = on_open, .message = on_message,
				       .closed = on_closed, .flood = on_flood };

static struct worker *worker;
static struct listener *listener;
static struct shared_count total;

struct client {
	int fd;
	unsigned char in[70000]; /* what came and was not expected yet */
	size_t len;
	bool eof;
};

static struct client clients[4];

static int build(void **state)
{
	struct worker_opts w = { .ops = &ops, .total = &total, .max_connections = 3, .max_head = 4096,
				 .send_queue = 100000, .handshake_timeout = 10000, .ping_interval = 30000,
				 .ping_timeout = 20000, .close_timeout = 5000 };
	struct listener_opts l = { .name = "main", .address = "127.0.0.1", .backlog = 10 };
	char err[256] = "";

	(void)state;
	memset(&up, 0, sizeof(up));
	up.reason = -1;
	for (size_t i = 0; i < 4; i++)
		clients[i].fd = -1;
	up.answer = (struct conn_answer){ .status = 101, .limits = &limits };
	worker = worker_new(&w);
	event_del(worker->ev_tick); /* ticks come by hand only, however slow the machine is */
	stats_use(worker_stats(worker));
	listener = listener_open(&l, err, sizeof(err));
	if (listener == NULL)
		fail_msg("%s", err);
	return listener_start(listener, worker);
}

static void turn(void) { event_base_loop(worker_base(worker), EVLOOP_NONBLOCK); }

/* Time enough for all that is on its way over loopback to arrive. */
static void calm(void)
{
	for (int i = 0; i < 10; i++) {
		turn();
		usleep(500);
	}
}

#define until(condition)                                                                                              \
	do {                                                                                                          \
		uint64_t over = clock_ms() + PATIENCE_MS;                                                             \
		while (!(condition)) {                                                                                \
			if (clock_ms() > over)                                                                        \
				fail_msg("never: %s", #condition);                                                    \
			turn();                                                                                       \
		}                                                                                                     \
	} while (0)

static void hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static int tear_down(void **state)
{
	(void)state;
	clock_set_offset(0, 0);
	for (size_t i = 0; i < 4; i++)
		hang_up(&clients[i]); /* of a test that failed */
	until(total.value == 0);
	listener_free(listener);
	turn();
	worker_free(worker);
	stats_use(NULL);
	return 0;
}

/* ---- clients ---- */

static struct client *join_at(size_t i)
{
	struct client *c = &clients[i];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(listener_port(listener)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	memset(c, 0, sizeof(*c));
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	return c;
}

static void put(struct client *c, const void *data, size_t len)
{
	assert_int_equal(send(c->fd, data, len, MSG_NOSIGNAL), len);
}

static void receive(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->len, sizeof(c->in) - c->len, 0);

	if (n == 0)
		c->eof = true;
	else if (n > 0)
		c->len += (size_t)n;
	else if (errno != EAGAIN && errno != EWOULDBLOCK)
		fail_msg("recv: %s", strerror(errno)); /* a reset, above all */
}

static bool has(struct client *c, size_t len)
{
	receive(c);
	return c->len >= len;
}

static bool at_end(struct client *c)
{
	receive(c);
	return c->eof;
}

/* The next bytes are these. */
static void expect(struct client *c, const void *data, size_t len)
{
	until(has(c, len));
	assert_memory_equal(c->in, data, len);
	memmove(c->in, c->in + len, c->len -= len);
}

#define expect_text(c, text) expect(c, text, sizeof(text) - 1)

/* Nothing more comes, and the other side has closed. */
static void expect_end(struct client *c)
{
	until(at_end(c));
	assert_int_equal(c->len, 0);
}

static void leave(struct client *c)
{
	hang_up(c);
	until(total.value == 0);
}

/* A masked frame of up to 65535 bytes to OUT; its length. */
static size_t frame(unsigned char *out, unsigned first, const void *data, size_t len)
{
	static const unsigned char mask[4] = { 0x11, 0x22, 0x33, 0x44 };
	size_t n = 0;

	out[n++] = (unsigned char)first;
	if (len < 126) {
		out[n++] = (unsigned char)(0x80 | len);
	} else {
		out[n++] = 0x80 | 126;
		out[n++] = (unsigned char)(len >> 8);
		out[n++] = (unsigned char)len;
	}
	memcpy(out + n, mask, 4);
	n += 4;
	for (size_t i = 0; i < len; i++)
		out[n++] = ((const unsigned char *)data)[i] ^ mask[i % 4];
	return n;
}

static void put_frame(struct client *c, unsigned first, const void *data, size_t len)
{
	unsigned char out[4096];

	put(c, out, frame(out, first, data, len));
}

static void put_text(struct client *c, const char *text) { put_frame(c, 0x81, text, strlen(text)); }

static struct client *join(void)
{
	struct client *c = join_at(0);

	put(c, REQUEST, sizeof(REQUEST) - 1);
	expect_text(c, ACCEPTED);
	assert_int_equal(up.opened, 1);
	return c;
}

static struct conn *first_of(struct list *l)
{
	assert_false(list_empty(l));
	return list_entry(list_first(l), struct conn, node);
}

/* As if so many seconds had passed. */
static void pass(uint32_t ticks)
{
	worker->tick += ticks;
	sweep(worker);
}

/* ---- the beginning ---- */

static void test_request_and_frame_in_one_packet(void **state)
{
	struct client *c = join_at(0);
	unsigned char out[1024];
	size_t n = sizeof(REQUEST) - 1;

	(void)state;
	up.greeting = "hello";
	memcpy(out, REQUEST, n);
	n += frame(out + n, 0x81, "one", 3);
	n += frame(out + n, 0x82, "two", 3);
	put(c, out, n);
	expect_text(c, ACCEPTED "\x81\x05hello");
	until(up.messages_in == 2);
	assert_string_equal(up.messages, "t:one b:two ");
	assert_int_equal(up.requests, 1);
	assert_true(up.websocket);
	assert_false(up.full);
	leave(c);
	assert_int_equal(up.reason, CLOSE_peer_gone);
}

static void test_byte_by_byte(void **state)
{
	struct client *c = join_at(0);
	unsigned char out[1024];
	size_t n = sizeof(REQUEST) - 1;

	(void)state;
	memcpy(out, REQUEST, n);
	n += frame(out + n, 0x01, "he", 2);
	n += frame(out + n, 0x89, "?", 1);
	n += frame(out + n, 0x80, "llo", 3);
	for (size_t i = 0; i < n; i++) {
		put(c, out + i, 1);
		turn();
	}
	until(up.messages_in == 1);
	assert_string_equal(up.messages, "t:hello ");
	expect_text(c, ACCEPTED "\x8a\x01?");
	leave(c);
}

static void test_answers_over_http(void **state)
{
	static const char body[] = "body";
	static char long_name[4000];
	struct client *c = join_at(0);
	char *text;

	(void)state;
	up.answer = (struct conn_answer){ .status = 404, .why = "there is no such room" };
	put(c, REQUEST, sizeof(REQUEST) - 1);
	until(at_end(c));
	text = (char *)c->in;
	assert_int_equal(strncmp(text, "HTTP/1.1 404 Not Found\r\n", 24), 0);
	assert_non_null(strstr(text, "\r\nContent-Length: 22\r\n"));
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nthere is no such room\n");
	leave(c);
	assert_int_equal(up.closed, 0);
	assert_int_equal(up.opened, 0);

	up.answer = (struct conn_answer){ .status = 200, .type = "text/x", .body = body, .body_len = 4 };
	c = join_at(0);
	put(c, HEAD_REQUEST, sizeof(HEAD_REQUEST) - 1);
	until(at_end(c));
	assert_false(up.websocket);
	assert_non_null(strstr((char *)c->in, "\r\nContent-Length: 4\r\n"));
	assert_memory_equal(c->in + c->len - 4, "\r\n\r\n", 4);
	leave(c);
	assert_int_equal(up.closed, 0);

	/* a 101 that cannot be said: the owner is let go of, although it never opened */
	up.answer = (struct conn_answer){ .status = 101, .limits = &limits, .subprotocol = long_name, .subprotocol_len = 4000 };
	c = join_at(0);
	put(c, REQUEST, sizeof(REQUEST) - 1);
	until(at_end(c));
	assert_int_equal(strncmp((char *)c->in, "HTTP/1.1 400 ", 13), 0);
	leave(c);
	assert_int_equal(up.closed, 1);
	assert_int_equal(up.opened, 0);
	assert_int_equal(up.reason, CLOSE_http_done);
}

static void test_broken_requests_do_not_go_upstairs(void **state)
{
	struct client *c = join_at(0);

	(void)state;
	put(c, "nonsense\r\n\r\n", 12);
	until(at_end(c));
	assert_int_equal(strncmp((char *)c->in, "HTTP/1.1 400 Bad Request\r\n", 26), 0);
	leave(c);
	c = join_at(0);
	put(c, "GET", 3);
	calm();
	assert_int_equal(total.value, 1);
	leave(c);
	assert_int_equal(up.requests, 0);
	assert_int_equal(up.closed, 0);
}

static void test_who_is_too_many_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct client *c = join_at(i);

		put(c, REQUEST, sizeof(REQUEST) - 1);
		until(up.requests == i + 1);
		assert_int_equal(up.full, i == 3);
	}
	assert_int_equal(stats_read(worker_stats(worker), STAT_refused_full), 1);
	for (size_t i = 0; i < 4; i++)
		hang_up(&clients[i]);
	until(total.value == 0);
	assert_int_equal(up.closed, 4);
}

/* Has the limits of addresses and handshakes, too. */
static struct worker_shared shared;

static void share(struct addr_limit_opts addr, size_t max_handshakes)
{
	shared = (struct worker_shared){ .addresses = addr_limit_book() };
	worker->opts.shared = &shared;
	worker->opts.addr = addr;
	worker->opts.max_handshakes = max_handshakes;
}

static void unshare(void)
{
	until(total.value == 0);
	assert_int_equal(shared.handshakes.value, 0);
	worker->opts.shared = NULL;
	book_free(shared.addresses);
}

static void test_an_address_with_too_many_is_told(void **state)
{
	static const char refusal[] = "HTTP/1.1 429 Too Many Requests\r\n";
	struct client *c;

	(void)state;
	share((struct addr_limit_opts){ .connections = 1 }, 100);
	join();
	c = join_at(1);
	put(c, REQUEST, sizeof(REQUEST) - 1);
	expect_text(c, refusal);
	until(at_end(c));
	assert_non_null(strstr((char *)c->in, "\r\nRetry-After: 10\r\n"));
	assert_non_null(strstr((char *)c->in, "your address has as many connections"));
	assert_int_equal(up.requests, 1);
	assert_int_equal(stats_read(worker_stats(worker), STAT_refused_address_connections), 1);
	hang_up(c);
	hang_up(&clients[0]);
	until(total.value == 0);
	c = join_at(2);
	put(c, REQUEST, sizeof(REQUEST) - 1);
	expect_text(c, ACCEPTED); /* there is a place again */
	hang_up(c);
	unshare();
}

static bool is_reset(const struct client *c)
{
	char byte;

	return recv(c->fd, &byte, 1, 0) < 0 && errno == ECONNRESET;
}

/* An address that goes on and on gets a reset, and upstairs hears nothing of it. */
static void test_an_address_that_goes_on_is_turned_away(void **state)
{
	struct client *c;
	unsigned resets = 0;
	int64_t accepted = 1;
	bool reset;

	(void)state;
	share((struct addr_limit_opts){ .connections = 1 }, 100);
	worker->opts.max_connections = 100;
	join();
	for (unsigned i = 0; i < 30; i++) {
		c = join_at(1);
		until((reset = is_reset(c)) || stats_read(worker_stats(worker), STAT_accepted) > accepted);
		accepted += !reset;
		resets += reset;
		hang_up(c);
		calm();
	}
	assert_int_equal(stats_read(worker_stats(worker), STAT_turned_away), resets);
	assert_in_range(resets, 10, 19); /* a second later one more is told */
	hang_up(&clients[0]);
	unshare();
}

static void test_an_exempt_address(void **state)
{
	static const char *const loopback = "127.0.0.1";
	struct net_list *list = net_list_new(&loopback, 1);

	(void)state;
	share((struct addr_limit_opts){ .connections = 1, .rate = 1, .handshakes = 1 }, 100);
	for (int trusted = 0; trusted < 2; trusted++) {
		worker->opts.exempt = trusted ? NULL : list;
		worker->opts.trusted = trusted ? list : NULL;
		for (size_t i = 0; i < 3; i++) {
			struct client *c = join_at(i);

			put(c, REQUEST, sizeof(REQUEST) - 1);
			expect_text(c, ACCEPTED);
		}
		for (size_t i = 0; i < 3; i++)
			hang_up(&clients[i]);
		until(total.value == 0);
	}
	assert_int_equal(book_count(shared.addresses), 0);
	worker->opts.trusted = NULL;
	unshare();
	net_list_free(list);
}

/* For one more than max_handshakes the oldest goes. */
static void test_handshakes_give_way(void **state)
{
	(void)state;
	share((struct addr_limit_opts){ 0 }, 2);
	for (size_t i = 0; i < 2; i++) {
		join_at(i);
		until(worker->handshaking.count == i + 1);
	}
	join_at(2);
	expect_end(&clients[0]);
	until(total.value == 2);
	put(&clients[1], "GET", 3);
	until(worker->heads.count == 1);
	worker->tick++;
	join_at(3);
	expect_text(&clients[1], "HTTP/1.1 503 Service Unavailable\r\n");
	until(at_end(&clients[1]));
	assert_non_null(strstr((char *)clients[1].in, "\r\nRetry-After: 10\r\n"));
	assert_non_null(strstr((char *)clients[1].in, "max_handshakes others began"));
	until(total.value == 2); /* it is not waited for */
	assert_int_equal(stats_read(worker_stats(worker), STAT_http_errors), 1);
	assert_int_equal(stats_read(worker_stats(worker), STAT_closed_crowded_out), 2);
	for (size_t i = 2; i < 4; i++) { /* they are well */
		put(&clients[i], REQUEST, sizeof(REQUEST) - 1);
		expect_text(&clients[i], ACCEPTED);
	}
	for (size_t i = 0; i < 4; i++)
		hang_up(&clients[i]);
	unshare();
}

/* ---- the end ---- */

static void test_close_handshake(void **state)
{
	struct client *c = join();

	(void)state;
	put_frame(c, 0x88, "\x0f\xa1" "bye", 5);
	put_text(c, "too late");
	expect_text(c, "\x88\x02\x0f\xa1");
	expect_end(c);
	assert_int_equal(up.closed, 1);
	assert_int_equal(up.reason, CLOSE_by_peer);
	put_text(c, "much too late"); /* dropped, not answered with a reset */
	calm();
	receive(c);
	assert_int_equal(up.messages_in, 0);
	assert_int_equal(total.value, 1);
	assert_true(stats_read(worker_stats(worker), STAT_bytes_in) > (int64_t)sizeof(REQUEST) + 30); /* it came */
	leave(c);
	assert_int_equal(up.closed, 1);
}

static void test_close_without_a_code(void **state)
{
	struct client *c = join();

	(void)state;
	put_frame(c, 0x88, "", 0);
	expect(c, "\x88\x00", 2);
	expect_end(c);
	leave(c);
}

static void test_closing_from_here(void **state)
{
	struct client *c = join();

	(void)state;
	ws_conn_send(up.conn, true, "last", 4);
	conn_close(up.conn, CLOSE_bye, NULL);
	assert_false(conn_is_open(up.conn));
	ws_conn_send(up.conn, true, "lost", 4);
	conn_close(up.conn, CLOSE_going_away, NULL); /* the first reason counts */
	put_text(c, "in between");
	expect_text(c, "\x81\x04last\x88\x06\x03\xe8" "Bye!");
	expect_end(c);
	assert_int_equal(up.reason, CLOSE_bye);
	assert_int_equal(up.messages_in, 0);
	put_frame(c, 0x88, "\x03\xe8", 2);
	leave(c);
	assert_int_equal(up.closed, 1);
}

static void test_close_in_other_words(void **state)
{
	struct client *c = join();

	(void)state;
	conn_close(up.conn, CLOSE_protocol_error, "no");
	expect_text(c, "\x88\x04\x03\xea" "no");
	expect_end(c);
	leave(c);
}

static void test_half_closed_by_the_peer(void **state)
{
	struct client *c = join();

	(void)state;
	put_text(c, "the last thing");
	shutdown(c->fd, SHUT_WR);
	until(total.value == 0);
	assert_string_equal(up.messages, "t:the last thing ");
	assert_int_equal(up.closed, 1);
	assert_int_equal(up.reason, CLOSE_peer_gone);
	expect_end(c);
	hang_up(c);
}

static void test_mistakes_are_answered(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		unsigned code;
		int reason;
	} rows[] = {
		{ "\x81\x02hi", 4, 1002, CLOSE_protocol_error },                /* no mask */
		{ "\xc1\x80\0\0\0\0", 6, 1002, CLOSE_protocol_error },          /* RSV1 */
		{ "\x80\x80\0\0\0\0", 6, 1002, CLOSE_protocol_error },          /* continues nothing */
		{ "\x81\x81\0\0\0\0\xff", 7, 1007, CLOSE_bad_utf8 },
		{ "\x82\xfe\x03\xe9\0\0\0\0", 8, 1009, CLOSE_too_big },         /* 1001 bytes to come */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client *c;

		up.opened = up.closed = 0;
		c = join();
		put(c, rows[i].bytes, rows[i].len);
		until(at_end(c));
		assert_true(c->len >= 4);
		assert_int_equal(c->in[0], 0x88);
		assert_int_equal(c->in[1], c->len - 2);
		assert_int_equal(c->in[2] << 8 | c->in[3], rows[i].code);
		assert_int_equal(up.reason, rows[i].reason);
		leave(c);
		assert_int_equal(up.closed, 1);
	}
	assert_int_equal(stats_read(worker_stats(worker), STAT_closed_protocol), 5);
	assert_int_equal(up.messages_in, 0);
}

/* ---- deadlines ---- */

static void test_handshake_timeout(void **state)
{
	struct client *c = join_at(0);

	(void)state;
	until(worker->handshaking.count == 1);
	put(c, "GET /", 5);
	until(worker->heads.count == 1);
	calm();
	worker->tick = first_of(&worker->heads)->since;
	pass(10); /* 10 s, but the tick that was under way does not count */
	assert_int_equal(worker->heads.count, 1);
	pass(1);
	assert_int_equal(worker->heads.count, 0);
	expect_text(c, "HTTP/1.1 408 Request Timeout\r\n");
	until(at_end(c));
	assert_non_null(strstr((char *)c->in, "\r\n\r\nthe opening handshake took too long\n"));
	assert_int_equal(total.value, 1); /* what comes still is read, or a reset would take the answer along */
	put(c, " HTTP/1.1\r\n", 11);
	calm();
	hang_up(c);
	until(total.value == 0);
	assert_int_equal(stats_read(worker_stats(worker), STAT_closed_handshake), 1);
	assert_int_equal(stats_read(worker_stats(worker), STAT_http_errors), 1);
	assert_int_equal(up.requests, 0);
}

/* Who says nothing at all has no bufferevent, and its end. */
static void test_handshake_without_a_byte(void **state)
{
	struct client *c = join_at(0);

	(void)state;
	until(worker->handshaking.count == 1);
	assert_null(first_of(&worker->handshaking)->bev);
	worker->tick = first_of(&worker->handshaking)->since;
	pass(10);
	assert_int_equal(worker->handshaking.count, 1);
	pass(1);
	until(total.value == 0);
	expect_end(c);
	assert_int_equal(stats_read(worker_stats(worker), STAT_closed_handshake), 1);
	hang_up(c);
}

static void test_close_timeout(void **state)
{
	struct client *c = join();

	(void)state;
	conn_close(up.conn, CLOSE_bye, NULL);
	until(worker->draining.count == 1);
	worker->tick = first_of(&worker->draining)->since;
	pass(5);
	assert_int_equal(worker->draining.count, 1);
	pass(1);
	assert_int_equal(worker->draining.count, 0);
	until(total.value == 0); /* though the client never closed */
	assert_int_equal(up.closed, 1);
	hang_up(c);
}

static void test_silence(void **state)
{
	struct client *c = join();

	(void)state;
	worker->tick = up.conn->since;
	pass(30);
	calm();
	receive(c);
	assert_int_equal(c->len, 0);
	worker->tick = up.conn->since;
	pass(31);
	expect(c, "\x89\x00", 2);
	put_frame(c, 0x8a, "", 0);
	until(up.conn->pinged == 0);
	assert_true(conn_is_open(up.conn));
	worker->tick = up.conn->since;
	pass(31);
	expect(c, "\x89\x00", 2);
	worker->tick = up.conn->since;
	pass(31 + 20);
	assert_true(conn_is_open(up.conn)); /* and no second ping */
	worker->tick = up.conn->since;
	pass(31 + 21);
	assert_false(conn_is_open(up.conn));
	expect_text(c, "\x88\x16\x0f\xa0" "no pong came in time");
	expect_end(c);
	assert_int_equal(up.reason, CLOSE_ping_timeout);
	leave(c);
}

/* Who was silent for longer than new limits allow is asked first, and has the time to answer. */
static void test_silence_and_other_limits(void **state)
{
	struct client *c = join();
	struct worker_opts o = worker->opts;

	(void)state;
	worker->tick = up.conn->since + 29;
	o.ping_interval = 1000;
	o.ping_timeout = 2000;
	o.upstairs = o.total = NULL; /* what does not change */
	worker_change(worker, &o);
	assert_ptr_equal(worker->opts.total, &total);
	pass(1);
	expect(c, "\x89\x00", 2);
	pass(1);
	assert_true(conn_is_open(up.conn));
	pass(1);
	assert_false(conn_is_open(up.conn));
	until(up.reason == CLOSE_ping_timeout);
	leave(c);
}

/* ---- listeners that go ---- */

static bool refuses(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(listener_port(listener)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), rc = connect(fd, (struct sockaddr *)&to, sizeof(to));

	close(fd);
	return rc < 0;
}

static void test_retiring_takes_who_waits(void **state)
{
	struct client *a = join_at(0), *b = join_at(1);

	(void)state;
	assert_int_equal(total.value, 0);
	listener_retire(listener);
	assert_int_equal(total.value, 2);
	assert_true(refuses());
	put(a, REQUEST, sizeof(REQUEST) - 1);
	until(has(a, 12));
	assert_memory_equal(a->in, "HTTP/1.1 101", 12);
	hang_up(b);
	leave(a);
}

static void test_a_handshake_outlives_its_listener(void **state)
{
	struct client *a = join_at(0), *b = join_at(1);

	(void)state;
	put(a, REQUEST, 10);
	until(worker->heads.count == 1 && worker->handshaking.count == 1);
	listener_free(listener);
	listener = NULL;
	put(a, &REQUEST[10], sizeof(REQUEST) - 11);
	until(has(a, 12));
	assert_memory_equal(a->in, "HTTP/1.1 101", 12);
	hang_up(b);
	leave(a);
}

static void test_an_heir_takes_who_waits(void **state)
{
	struct listener *heir = listener_heir(listener, "heir");
	struct client *c = join_at(0);

	(void)state;
	assert_non_null(heir);
	assert_string_equal(listener_name(heir), "heir");
	assert_string_equal(listener_address(heir), listener_address(listener));
	listener_hand_over(listener, heir);
	listener_free(listener);
	listener = heir;
	assert_int_equal(listener_set_backlog(heir, 5), 0);
	assert_int_equal(listener_set_mode(heir, 0600), 0); /* of TCP: nothing */
	assert_int_equal(listener_start(heir, worker), 0);
	until(total.value == 1);
	leave(c);
}

static void test_beside_another(void **state)
{
	struct listener_opts o = { .name = "all", .address = "0.0.0.0", .backlog = 10, .port = listener_port(listener) };
	struct listener *all;
	char err[256];

	(void)state;
	assert_null(listener_open(&o, err, sizeof(err)));
	assert_int_equal(errno, EADDRINUSE);
	o.beside = true;
	assert_null(listener_open(&o, err, sizeof(err)));
#if !defined(NATTER_PORTABLE) && defined(__linux__)
	assert_int_equal(listener_share(listener), 0);
	all = listener_open(&o, err, sizeof(err));
	assert_non_null(all);
	assert_false(refuses());
	listener_free(all);
#else
	all = NULL;
	assert_int_equal(listener_share(listener), -1);
	assert_null(all);
#endif
}

/* ---- pausing and holding ---- */

static void put_three(struct client *c)
{
	unsigned char out[256];
	size_t n = frame(out, 0x81, "1", 1);

	n += frame(out + n, 0x81, "2", 1);
	n += frame(out + n, 0x81, "3", 1);
	put(c, out, n);
}

static void test_pause(void **state)
{
	struct client *c = join();

	(void)state;
	up.pause = 60000;
	put_three(c);
	until(up.messages_in == 1);
	assert_int_equal(worker->paused.count, 1);
	assert_int_equal(worker->open.count, 0);
	put_text(c, "4");
	calm();
	assert_string_equal(up.messages, "t:1 ");
	assert_true(conn_resume(worker) > clock_ms() + 50000); /* not yet */
	assert_string_equal(up.messages, "t:1 ");
	clock_set_offset(60001, 0);
	assert_true(conn_resume(worker) > clock_ms() + 50000); /* one more, and paused again */
	assert_string_equal(up.messages, "t:1 t:2 ");
	up.pause = 0;
	clock_set_offset(120002, 0);
	assert_int_equal(conn_resume(worker), 0);
	until(up.messages_in == 4);
	assert_string_equal(up.messages, "t:1 t:2 t:3 t:4 ");
	assert_int_equal(worker->open.count, 1);
	leave(c);
}

static void test_pause_ends_by_itself(void **state)
{
	struct client *c = join();
	uint64_t began = clock_ms();

	(void)state;
	up.pause = 40;
	put_three(c);
	until(up.messages_in == 3);
	assert_true(clock_ms() - began >= 80);
	assert_string_equal(up.messages, "t:1 t:2 t:3 ");
	until(worker->open.count == 1);
	leave(c);
}

/* Whom we do not read cannot answer: nobody is asked, and nobody's time runs. */
static void test_deadlines_stand_still_in_a_pause(void **state)
{
	struct client *c = join();

	(void)state;
	pass(31);
	expect(c, "\x89\0", 2); /* a ping: a message is answer enough */
	up.pause = 600000;
	put_text(c, "1");
	until(worker->paused.count == 1);
	pass(300);
	calm();
	receive(c);
	assert_int_equal(c->len, 0);
	assert_int_equal(worker->paused.count, 1);
	up.pause = 0;
	clock_set_offset(600001, 0);
	conn_resume(worker);
	pass(30);
	calm();
	receive(c);
	assert_int_equal(c->len, 0); /* it has all its time again, although nothing came */
	pass(1);
	expect(c, "\x89\0", 2);
	leave(c);
}

/* Frames of any kind count; nothing is lost. */
static void test_too_many_bytes(void **state)
{
	struct client *c = join();
	char text[900];

	(void)state;
	worker->opts.byte_rate = 1000;
	worker->opts.byte_burst = 2500;
	worker->opts.flood_time = 3000;
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 2; i++)
		put_frame(c, 0x81, text, sizeof(text));
	until(up.messages_in == 2);
	assert_int_equal(worker->paused.count, 0);
	for (int i = 0; i < 8; i++) /* 128 bytes each, that nobody is told of */
		put_frame(c, 0x8a, text, 122);
	until(worker->paused.count == 1);
	assert_int_equal(stats_read(worker_stats(worker), STAT_paused_bytes), 1);
	put_text(c, "more");
	calm();
	assert_int_equal(up.messages_in, 2);
	pass(1);
	assert_in_range(conn_resume(worker), clock_ms(), clock_ms() + 1000);
	clock_set_offset(1000, 0);
	conn_resume(worker);
	until(up.messages_in == 3);
	assert_int_equal(worker->paused.count, 0);
	pass(1);
	pass(1);
	assert_int_equal(first_of(&worker->open)->bytes, 0); /* forgiven */
	assert_int_equal(first_of(&worker->open)->flooding, 0);
	leave(c);
}

static void test_too_many_bytes_for_too_long(void **state)
{
	struct client *c = join();
	char text[900];
	int t = 0;

	(void)state;
	worker->opts.byte_rate = 1000;
	worker->opts.byte_burst = 1000;
	worker->opts.flood_time = 3000;
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 20; i++)
		put_frame(c, 0x81, text, sizeof(text));
	until(worker->paused.count == 1);
	while (up.closed == 0 && ++t < 20) {
		pass(1);
		clock_set_offset(t * 1000, 0);
		conn_resume(worker);
		calm();
	}
	assert_in_range(t, 3, 5);
	assert_int_equal(up.reason, CLOSE_rate_limited);
	assert_int_equal(stats_read(worker_stats(worker), STAT_closed_rate_limited), 1);
	leave(c);
}

/* Has LEN bytes wait for the connection of the I-th client, who does not read. */
static struct conn *stuff(size_t i, size_t len)
{
	static char bytes[1000];
	struct conn *c;
	int little = 2048;

	put(join_at(i), REQUEST, sizeof(REQUEST) - 1);
	setsockopt(clients[i].fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
	expect_text(&clients[i], ACCEPTED);
	c = up.conn;
	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
	for (int k = 0; k < 20; k++, turn()) /* until the system takes no more of it */
		while (c->state == CONN_OPEN && conn_waiting(c) < len)
			conn_write(c, bytes, sizeof(bytes));
	return c;
}

/* For all readers together: those for whom most waits go, and nobody else. */
static void test_queues_max(void **state)
{
	static const char bytes[500];
	struct conn *small, *most, *more;

	(void)state;
	share((struct addr_limit_opts){ 0 }, 100);
	worker->opts.queues_max = 100000;
	small = stuff(0, 20000);
	most = stuff(1, 60000);
	more = stuff(2, 15000);
	assert_int_equal(stats_read(worker_stats(worker), STAT_closed_queues), 0);
	for (int i = 0; i < 10; i++)
		conn_write(more, "0123456789", 10);
	turn();
	assert_int_equal(most->state, CONN_OPEN);
	while (stats_read(worker_stats(worker), STAT_closed_queues) == 0) {
		assert_true(stats_read(worker_stats(worker), STAT_backlog_bytes) <= 100000);
		assert_true(conn_is_open(more) && conn_is_open(most));
		conn_write(more, bytes, sizeof(bytes));
		turn();
	}
	assert_true(stats_read(worker_stats(worker), STAT_backlog_bytes) < 50000);
	assert_true(conn_is_open(small) && conn_is_open(more));
	until(up.closed == 1);
	assert_int_equal(up.reason, CLOSE_queues_full);
	pass(1);
	assert_int_equal(shared.queued, stats_read(worker_stats(worker), STAT_backlog_bytes));
	for (size_t i = 0; i < 3; i++)
		hang_up(&clients[i]);
	until(total.value == 0);
	pass(1);
	assert_int_equal(shared.queued, 0);
	unshare();
}

/* The ping of a sweep is one too much: who goes is not taken from under the sweep. */
static void test_queues_max_while_sweeping(void **state)
{
	static const size_t waiting[] = { 5000, 30000, 20000, 20000 };
	struct conn *c[4];

	(void)state;
	share((struct addr_limit_opts){ 0 }, 100);
	for (size_t i = 0; i < 4; i++)
		c[i] = stuff(i, waiting[i]);
	worker->opts.queues_max = stats_read(worker_stats(worker), STAT_backlog_bytes);
	pass(31);
	until(up.closed > 0);
	assert_int_equal(up.reason, CLOSE_queues_full);
	assert_true(conn_is_open(c[0]) && conn_is_open(c[2]) && conn_is_open(c[3]));
	assert_int_equal(up.closed, 1);
	for (size_t i = 0; i < 4; i++)
		hang_up(&clients[i]);
	until(total.value == 0);
	unshare();
}

/* Another worker has nearly all of it: ours stay, and go as soon as it is our share. */
static void test_queues_of_others(void **state)
{
	struct conn *c;

	(void)state;
	share((struct addr_limit_opts){ 0 }, 100);
	worker->opts.workers = 2;
	worker->opts.queues_max = 100000;
	shared.queued = 90000;
	c = stuff(0, 40000);
	assert_true(conn_is_open(c));
	pass(1);
	assert_in_range(shared.queued, 130000, 132000);
	assert_true(conn_is_open(c));
	for (int i = 0; i < 20; i++)
		conn_write(c, REQUEST, 1000 < sizeof(REQUEST) ? 1000 : sizeof(REQUEST) - 1);
	stuff(1, 20000);
	until(up.closed == 1);
	hang_up(&clients[0]);
	hang_up(&clients[1]);
	until(total.value == 0);
	pass(1);
	assert_int_equal(shared.queued, 90000);
	unshare();
}

/* Who is paused can be sent to, and closed. */
static void test_closing_the_paused(void **state)
{
	struct client *c = join();

	(void)state;
	conn_pause(up.conn, 60000);
	ws_conn_send(up.conn, false, "x", 1);
	conn_close(up.conn, CLOSE_bye, NULL);
	assert_int_equal(worker->paused.count, 0);
	expect_text(c, "\x82\x01x\x88\x06\x03\xe8" "Bye!");
	expect_end(c);
	leave(c);
}

static void test_hold(void **state)
{
	struct client *c = join_at(0);
	unsigned char out[1024];
	size_t n = sizeof(REQUEST) - 1;

	(void)state;
	up.hold = true;
	memcpy(out, REQUEST, n);
	n += frame(out + n, 0x81, "1", 1);
	put(c, out, n);
	expect_text(c, ACCEPTED);
	put_text(c, "2");
	calm();
	assert_int_equal(up.messages_in, 0);
	ws_conn_send(up.conn, true, "past", 4); /* the other direction is not held */
	expect_text(c, "\x81\x04past");
	conn_hold(up.conn, false);
	until(up.messages_in == 2);
	assert_string_equal(up.messages, "t:1 t:2 ");
	leave(c);
}

/* What upstairs does with a message may be why the next one has to wait. */
static void test_held_from_within_a_message(void **state)
{
	struct client *c = join();

	(void)state;
	up.hold_after = true;
	put_three(c);
	until(up.messages_in == 1);
	calm();
	assert_string_equal(up.messages, "t:1 ");
	conn_hold(up.conn, false);
	until(up.messages_in == 2);
	up.hold_after = false;
	calm();
	assert_string_equal(up.messages, "t:1 t:2 ");
	conn_hold(up.conn, false);
	until(up.messages_in == 3);
	assert_string_equal(up.messages, "t:1 t:2 t:3 ");
	leave(c);
}

static bool is_watched(const struct conn *c)
{
	return c->bev ? bufferevent_get_enabled(c->bev) & EV_READ : event_pending(&c->readable, EV_READ, NULL);
}

static void test_held_and_paused(void **state)
{
	struct client *c = join();

	(void)state;
	conn_hold(up.conn, true);
	conn_pause(up.conn, 60000);
	put_three(c);
	calm();
	conn_hold(up.conn, false);
	calm();
	assert_int_equal(up.messages_in, 0); /* paused still, and not read from the socket either */
	assert_false(is_watched(up.conn));
	conn_hold(up.conn, true);
	clock_set_offset(60001, 0);
	assert_int_equal(conn_resume(worker), 0);
	calm();
	assert_int_equal(up.messages_in, 0); /* held still */
	conn_hold(up.conn, false);
	until(up.messages_in == 3);
	assert_string_equal(up.messages, "t:1 t:2 t:3 ");
	leave(c);
}

/* Who is held and sends on is not read any more, and loses nothing. */
static void test_held_with_much_to_say(void **state)
{
	struct client *c = join();
	unsigned char out[1024];
	char text[901];
	size_t n;

	(void)state;
	memset(text, 'x', 900);
	text[900] = '\0';
	n = frame(out, 0x81, text, 900);
	conn_hold(up.conn, true);
	for (int i = 0; i < 75; i++) {
		put(c, out, n);
		turn();
	}
	until(!is_watched(up.conn));
	assert_int_equal(up.messages_in, 0);
	conn_hold(up.conn, false);
	until(up.messages_in == 75);
	assert_int_equal(up.len, 75 * 903);
	leave(c);
}

/* ---- parking ---- */

/* A client whose connection is parked. */
static struct client *join_parked(void)
{
	struct client *c = join();

	calm();
	sweep(worker);
	assert_null(up.conn->bev);
	return c;
}

static void test_whole_frames_are_read_parked(void **state)
{
	struct client *c = join_parked();

	(void)state;
	put_three(c);
	until(up.messages_in == 3);
	put_frame(c, 0x89, "x", 1);
	expect_text(c, "\x8a\x01x");
	assert_null(up.conn->bev);
	assert_int_equal(stats_read(worker_stats(worker), STAT_bytes_in), sizeof(REQUEST) - 1 + 4 * 7);
	leave(c);
	assert_int_equal(up.reason, CLOSE_peer_gone);
}

/* Cut anywhere, in a bufferevent meanwhile, and parked again. */
static void test_a_part_of_a_frame_is_buffered(void **state)
{
	struct client *c = join_parked();
	unsigned char out[64];
	size_t n = frame(out, 0x81, "whole", 5);

	(void)state;
	memcpy(out + n, out, n);
	for (size_t cut = 1; cut < 2 * n; cut++) {
		put(c, out, cut);
		until(up.messages_in == cut / n);
		calm();
		if (cut != n) /* a message that has begun is collected, a head that is not whole is buffered */
			assert_true(up.conn->bev || up.conn->stream.assembly);
		sweep(worker);
		put(c, out + cut, 2 * n - cut);
		until(up.messages_in == 2);
		assert_string_equal(up.messages, "t:whole t:whole ");
		up.messages_in = 0;
		up.len = 0;
		sweep(worker);
		assert_null(up.conn->bev);
	}
	assert_int_equal(stats_read(worker_stats(worker), STAT_bytes_in), sizeof(REQUEST) - 1 + (2 * n - 1) * 2 * n);
	leave(c);
}

static void test_paused_while_parked(void **state)
{
	struct client *c = join_parked();

	(void)state;
	up.pause = 60000;
	put_three(c); /* the first pauses; the others came with it and are kept */
	until(up.messages_in == 1);
	put_three(c);
	calm();
	assert_int_equal(up.messages_in, 1);
	up.pause = 0;
	sweep(worker);
	clock_set_offset(60001, 0);
	conn_resume(worker);
	until(up.messages_in == 6);
	assert_string_equal(up.messages, "t:1 t:2 t:3 t:1 t:2 t:3 ");
	sweep(worker);
	assert_null(up.conn->bev);
	conn_pause(up.conn, 60000); /* with nothing there: no bufferevent is needed to wait */
	assert_null(up.conn->bev);
	put_three(c);
	calm();
	assert_int_equal(up.messages_in, 6);
	clock_set_offset(120002, 0);
	conn_resume(worker);
	until(up.messages_in == 9);
	leave(c);
}

static void test_held_while_parked(void **state)
{
	struct client *c = join_parked();

	(void)state;
	conn_hold(up.conn, true);
	put_three(c);
	calm();
	assert_int_equal(up.messages_in, 0);
	conn_hold(up.conn, false);
	until(up.messages_in == 3);
	leave(c);
}

static void test_a_backlog_is_buffered(void **state)
{
	struct client *c = join_parked();
	static char much[60000];
	unsigned sent = 0;

	(void)state;
	for (; up.conn->bev == NULL; sent++)
		ws_conn_send(up.conn, false, much, sizeof(much));
	sweep(worker);
	assert_non_null(up.conn->bev);
	put_three(c);
	until(up.messages_in == 3);
	for (size_t left = sent * (sizeof(much) + 4); left > 0; left -= c->len, c->len = 0)
		until(has(c, 1));
	until(stats_read(worker_stats(worker), STAT_backlog_bytes) == 0);
	sweep(worker);
	assert_null(up.conn->bev);
	leave(c);
}

static void test_closing_the_parked(void **state)
{
	struct client *c = join_parked();

	(void)state;
	conn_close(up.conn, CLOSE_bye, NULL);
	until(worker->draining.count == 1);
	put_text(c, "too late");
	calm();
	expect_text(c, "\x88\x06\x03\xe8" "Bye!");
	expect_end(c);
	assert_int_equal(up.messages_in, 0);
	leave(c);
}

/* Filters and bufferevents go from one connection to the next; not too many are kept. */
static void test_bufferevents_are_kept(void **state)
{
	struct client *c;

	(void)state;
	leave(join_parked());
	up.opened = 0;
	leave(join_parked());
	assert_int_equal(worker->upgrades.n, 1);
	assert_int_equal(worker->bevs.n, 0);
	up.opened = 0;
	c = join_parked();
	put(c, "\x81", 1);
	until(up.conn->bev != NULL);
	put(c, "\x80\0\0\0\0", 5);
	until(up.messages_in == 1);
	sweep(worker);
	assert_int_equal(worker->bevs.n, 1);
	leave(c);
	for (unsigned i = 0; i < BEV_POOL_KEPT; i++)
		bev_pool_give(&worker->bevs, bufferevent_socket_new(worker_base(worker), -1, 0));
	assert_int_equal(worker->bevs.n, BEV_POOL_KEPT);
}

/* ---- addresses ---- */

/* The longest address there is, which a proxy says that its connection is of. */
static void test_an_address_from_a_proxy(void **state)
{
	static const char longest[] = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", *const loopback = "127.0.0.0/8";
	struct net_list *trusted = net_list_new(&loopback, 1);
	struct client *c;

	(void)state;
	worker->opts.trusted = trusted;
	c = join();
	assert_string_equal(conn_address(up.conn), "127.0.0.1");
	conn_set_address(up.conn, "10.0.0.1");
	assert_string_equal(conn_address(up.conn), "10.0.0.1");
	conn_set_address(up.conn, longest);
	up.address = longest;
	hang_up(c);
	until(up.closed == 1);
	until(total.value == 0);
	worker->opts.trusted = NULL;
	net_list_free(trusted);
}

/* Set in the request, as front does by a header. */
static void test_a_forwarded_address_counts(void **state)
{
	static const char *const loopback = "127.0.0.1";
	struct net_list *trusted = net_list_new(&loopback, 1);
	struct conn *c;

	(void)state;
	share((struct addr_limit_opts){ .connections = 1 }, 100);
	worker->opts.trusted = trusted;
	for (size_t i = 0; i < 2; i++) {
		join_at(i);
		until(worker->handshaking.count == 1);
		c = first_of(&worker->handshaking);
		conn_set_address(c, "10.0.0.7");
		conn_set_address(c, i ? "10.0.0.8" : "2001:db8::1");
		conn_set_address(c, i ? "2001:db8::2" : "2001:db8::1");
		up.address = conn_address(c);
		put(&clients[i], REQUEST, sizeof(REQUEST) - 1);
		if (i == 0)
			expect_text(&clients[i], ACCEPTED);
		else
			expect_text(&clients[i], "HTTP/1.1 429 ");
	}
	up.address = "2001:db8::1";
	hang_up(&clients[1]);
	hang_up(&clients[0]);
	until(up.closed == 1);
	worker->opts.trusted = NULL;
	unshare();
	net_list_free(trusted);
}

/* Who is no proxy keeps his own. */
static void test_an_address_for_good(void **state)
{
	static const char *const other = "10.0.0.0/8";
	struct net_list *trusted = net_list_new(&other, 1);
	struct client *c;

	(void)state;
	worker->opts.trusted = trusted;
	c = join();
	conn_set_address(up.conn, "10.0.0.1");
	hang_up(c);
	until(up.closed == 1);
	until(total.value == 0);
	worker->opts.trusted = NULL;
	net_list_free(trusted);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, build, tear_down)

/* Hundreds of them, who come at once and go at once: each turn does some of it, and then the others have theirs. */
static void test_many_come_and_go(void **state)
{
	enum { MANY = 400 }; /* libevent asks for 32 events, then 64, then 128 */
	int fds[MANY];
	unsigned before;

	(void)state;
	worker->opts.max_connections = MANY;
	for (int i = 0; i < MANY; i++) {
		fds[i] = join_at(0)->fd;
		turn(); /* the queue of a listener is short */
	}
	until(worker->handshaking.count == MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(send(fds[i], REQUEST, sizeof(REQUEST) - 1, MSG_NOSIGNAL), sizeof(REQUEST) - 1);
	do {
		before = up.opened;
		event_base_loop(worker_base(worker), EVLOOP_ONCE);
		assert_true(up.opened <= before + 64);
	} while (up.opened < MANY);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	do {
		before = up.closed;
		event_base_loop(worker_base(worker), EVLOOP_ONCE);
		assert_true(up.closed <= before + 64);
	} while (up.closed < MANY);
	clients[0].fd = -1;
	until(total.value == 0);
	assert_int_equal(worker->closing.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_request_and_frame_in_one_packet),
		TEST(test_byte_by_byte),
		TEST(test_answers_over_http),
		TEST(test_broken_requests_do_not_go_upstairs),
		TEST(test_who_is_too_many_is_told),
		TEST(test_an_address_with_too_many_is_told),
		TEST(test_an_address_that_goes_on_is_turned_away),
		TEST(test_an_exempt_address),
		TEST(test_handshakes_give_way),
		TEST(test_close_handshake),
		TEST(test_close_without_a_code),
		TEST(test_closing_from_here),
		TEST(test_close_in_other_words),
		TEST(test_half_closed_by_the_peer),
		TEST(test_mistakes_are_answered),
		TEST(test_handshake_timeout),
		TEST(test_handshake_without_a_byte),
		TEST(test_close_timeout),
		TEST(test_silence),
		TEST(test_silence_and_other_limits),
		TEST(test_retiring_takes_who_waits),
		TEST(test_a_handshake_outlives_its_listener),
		TEST(test_an_heir_takes_who_waits),
		TEST(test_beside_another),
		TEST(test_pause),
		TEST(test_pause_ends_by_itself),
		TEST(test_deadlines_stand_still_in_a_pause),
		TEST(test_too_many_bytes),
		TEST(test_too_many_bytes_for_too_long),
		TEST(test_queues_max),
		TEST(test_queues_max_while_sweeping),
		TEST(test_queues_of_others),
		TEST(test_closing_the_paused),
		TEST(test_hold),
		TEST(test_held_from_within_a_message),
		TEST(test_held_and_paused),
		TEST(test_held_with_much_to_say),
		TEST(test_whole_frames_are_read_parked),
		TEST(test_a_part_of_a_frame_is_buffered),
		TEST(test_paused_while_parked),
		TEST(test_held_while_parked),
		TEST(test_a_backlog_is_buffered),
		TEST(test_closing_the_parked),
		TEST(test_bufferevents_are_kept),
		TEST(test_an_address_from_a_proxy),
		TEST(test_a_forwarded_address_counts),
		TEST(test_an_address_for_good),
		TEST(test_many_come_and_go),
	};

	log_set_level(LOG_LEVEL_ERROR); /* that it is full is told, and meant to be */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
