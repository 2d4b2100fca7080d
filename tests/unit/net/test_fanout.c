/*
 * A worker with WebSocket clients on socketpairs; the tests read what arrives.
 * All of it by send(), and again by io_uring where it is to be had.
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

#include "base/clock.h"
#include "net/conn.h"
#include "net/fanout.h"
#include "net/sender.h"
#include "net/worker.h"
#include "net/ws_conn.h"

#include <event2/buffer.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* What kinds mean is upstairs' business. */
enum { KIND_A = 1, KIND_B = 2, ALL = KIND_A | KIND_B };

static struct worker *worker;
static struct shared_count total;
static int closed_with;
static bool use_ring;

static void on_closed(struct conn *c, enum close_reason r)
{
	(void)c;
	closed_with = (int)r;
}

static void build(size_t send_queue)
{
	static const struct worker_ops ops = { .closed = on_closed };
	struct worker_opts o = { .ops = &ops, .total = &total, .max_connections = 10000, .max_head = 4096,
				 .send_queue = send_queue, .deflate_min = 100,
				 .handshake_timeout = 10000, .close_timeout = 1000 };

	const char *why;

	closed_with = -1;
	worker = worker_new(&o);
	stats_use(worker_stats(worker));
	if (use_ring && sender_use_ring(worker->sender, &why) < 0) {
		worker_free(worker);
		print_message("no io_uring here: %s\n", why);
		skip();
	}
}

/* Those of both kinds. */
static int64_t sends(void)
{
	const struct stats *s = worker_stats(worker);

	return stats_read(s, STAT_sends) + stats_read(s, STAT_ring_sends);
}

static void turn(void) { event_base_loop(worker_base(worker), EVLOOP_NONBLOCK); }

struct client {
	struct fanout_seat seat;
	struct conn *conn;
	int fd;
};

/* A connection as it is when its handshake is done. */
static void open_client_with(struct client *c, int buffer, const struct ws_deflate *deflate)
{
	static const struct ws_limits limits = { 65536, 65536, 100 };
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	for (int i = 0; i < 2; i++) {
		fcntl(fd[i], F_SETFL, O_NONBLOCK);
		if (buffer)
			setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	}
	c->fd = fd[1];
	c->conn = calloc(1, sizeof(*c->conn));
	c->conn->fd = fd[0];
	c->conn->bev = bev_pool_take(&worker->bevs, worker_base(worker));
	bufferevent_setfd(c->conn->bev, fd[0]);
	list_append(&worker->handshaking, &c->conn->node);
	assert_true(shared_count_take(&total, 0));
	c->conn->opened = 1;
	ws_conn_start(c->conn, &limits, deflate);
}

static void open_client(struct client *c, int buffer)
{
	static const struct ws_deflate none;

	open_client_with(c, buffer, &none);
}

/* All that has arrived, as text: frames of up to 125 bytes as [text]. */
static const char *arrived(struct client *c)
{
	static char out[65536];
	unsigned char buf[32768];
	size_t n = 0;
	ssize_t len = read(c->fd, buf, sizeof(buf));

	for (ssize_t i = 0; i + 1 < len; i += 2 + buf[i + 1])
		n += (size_t)snprintf(out + n, sizeof(out) - n, "[%.*s]", buf[i + 1], (char *)&buf[i + 2]);
	out[n] = '\0';
	return out;
}

static void expect(struct client *c, const char *want) { assert_string_equal(arrived(c), want); }

static void publish_to(struct fanout *f, unsigned kinds, const char *text)
{
	assert_int_equal(fanout_publish(f, text, strlen(text), kinds), 0);
}

static void publish(struct fanout *f, const char *text) { publish_to(f, ALL, text); }

static void end(struct client *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		conn_free(c[i].conn);
		close(c[i].fd);
	}
}

static void tear_down(struct fanout *f)
{
	fanout_free(f);
	turn();
	worker_free(worker);
	stats_use(NULL);
	assert_int_equal(total.value, 0);
}

static void test_one_batch_a_turn(void **state)
{
	struct client c[3];
	struct fanout *f;
	int64_t before;

	(void)state;
	build(100000);
	f = fanout_new(worker);
	for (size_t i = 0; i < 3; i++) {
		open_client(&c[i], 0);
		fanout_add(f, &c[i].seat, c[i].conn, KIND_A);
	}
	before = sends();
	for (int i = 0; i < 5; i++)
		publish(f, "x");
	expect(&c[0], "");
	turn();
	for (size_t i = 0; i < 3; i++)
		expect(&c[i], "[x][x][x][x][x]");
	assert_int_equal(sends() - before, 3);
	for (size_t i = 0; i < 3; i++)
		fanout_remove(&c[i].seat);
	end(c, 3);
	tear_down(f);
}

static void test_joining_leaving_and_own_messages_in_mid_batch(void **state)
{
	struct client c[4];
	struct fanout *f;

	(void)state;
	build(100000);
	f = fanout_new(worker);
	for (size_t i = 0; i < 4; i++)
		open_client(&c[i], 0);
	fanout_add(f, &c[0].seat, c[0].conn, KIND_A);
	fanout_add(f, &c[1].seat, c[1].conn, KIND_A);
	publish(f, "a");
	fanout_add(f, &c[2].seat, c[2].conn, KIND_A); /* hears what comes after */
	ws_conn_send(c[0].conn, true, "mine", 4);
	publish(f, "b");
	fanout_remove(&c[1].seat); /* heard what came before */
	fanout_add(f, &c[3].seat, c[3].conn, KIND_A);
	ws_conn_send(c[3].conn, true, "first", 5);
	publish(f, "c");
	ws_conn_send(c[2].conn, true, "last", 4);
	turn();
	expect(&c[0], "[a][mine][b][c]");
	expect(&c[1], "[a][b]");
	expect(&c[2], "[b][c][last]");
	expect(&c[3], "[first][c]");
	fanout_remove(&c[0].seat);
	fanout_remove(&c[2].seat);
	fanout_remove(&c[3].seat);
	end(c, 4);
	tear_down(f);
}

/* One of several workers: a large room rests between two flushes, for the others' part of the work. */
static void test_large_rooms_rest(void **state)
{
	static struct client c[FANOUT_PACED];
	struct fanout *f;

	(void)state;
	build(100000);
	worker->opts.workers = 2;
	f = fanout_new(worker);
	for (size_t i = 0; i < FANOUT_PACED; i++) {
		open_client(&c[i], 0);
		fanout_add(f, &c[i].seat, c[i].conn, KIND_A);
	}
	publish(f, "1"); /* after silence: at once */
	assert_false(fanout_flush(worker));
	expect(&c[0], "[1]");
	clock_set_offset(-60000, 0); /* a minute back: it rests, however slow this machine is */
	publish(f, "2");
	publish(f, "3");
	assert_true(fanout_flush(worker));
	assert_in_range(worker->flush_rest, 1, 60000000 + FANOUT_REST_MAX);
	expect(&c[0], "");
	ws_conn_send(c[1].conn, true, "!", 1); /* who is spoken to alone has its order */
	expect(&c[1], "[1][2][3][!]");
	clock_set_offset(60000, 0);
	assert_false(fanout_flush(worker));
	expect(&c[0], "[2][3]");
	expect(&c[1], "");
	fanout_remove(&c[2].seat); /* one fewer is not large */
	publish(f, "4");
	clock_set_offset(120000, 0);
	assert_false(fanout_flush(worker));
	publish(f, "5");
	assert_false(fanout_flush(worker));
	expect(&c[0], "[4][5]");
	clock_set_offset(0, 0);
	for (size_t i = 0; i < FANOUT_PACED; i++)
		if (i != 2)
			fanout_remove(&c[i].seat);
	end(c, FANOUT_PACED);
	tear_down(f);
}

#define MANY (FANOUT_WHOLE + FANOUT_STRIDE)
#define FIRST FANOUT_STRIDE /* so many have it after the first turn */

/* A flush that gives way, members that come and go meanwhile: each hears each batch once. */
static void test_changes_while_a_flush_is_under_way(void **state)
{
	static struct client c[MANY + 1];
	struct fanout *f;

	(void)state;
	build(100000);
	f = fanout_new(worker);
	for (size_t i = 0; i <= MANY; i++)
		open_client(&c[i], 0);
	for (size_t i = 0; i < MANY; i++)
		fanout_add(f, &c[i].seat, c[i].conn, KIND_A);
	publish(f, "1");
	assert_true(fanout_flush(worker)); /* the first stride */
	expect(&c[0], "[1]");
	expect(&c[FIRST - 1], "[1]");
	expect(&c[FIRST], "");
	publish(f, "2");
	fanout_remove(&c[3].seat);                  /* had its 1 */
	fanout_remove(&c[MANY - 3].seat);           /* had nothing */
	fanout_remove(&c[FIRST].seat);
	fanout_add(f, &c[MANY].seat, c[MANY].conn, KIND_A); /* hears what comes after */
	publish(f, "3");
	while (fanout_flush(worker))
		;
	expect(&c[3], "[1][2]");
	expect(&c[MANY - 3], "[1][2]");
	expect(&c[FIRST], "[1][2]");
	expect(&c[MANY], "[3]");
	for (size_t i = 0; i < MANY; i++) {
		if (i == 3 || i == MANY - 3 || i == FIRST)
			continue;
		expect(&c[i], i < FIRST && i != 0 && i != FIRST - 1 ? "[1][2][3]"
			     : i < FIRST				     ? "[2][3]"
										     : "[1][2][3]");
		fanout_remove(&c[i].seat);
	}
	fanout_remove(&c[MANY].seat);
	end(c, MANY + 1);
	tear_down(f);
}

/* Each hears what is for its kind, in the order in which it was published, in one send a turn. */
static void test_kinds_in_one_room(void **state)
{
	struct client c[4];
	struct fanout *f;
	int64_t before;

	(void)state;
	build(100000);
	f = fanout_new(worker);
	for (size_t i = 0; i < 4; i++) {
		open_client(&c[i], 0);
		assert_int_equal(fanout_add(f, &c[i].seat, c[i].conn, i % 2 ? KIND_B : KIND_A), 0);
	}
	before = sends();
	publish(f, "1");
	publish_to(f, KIND_A, "a");
	publish_to(f, KIND_B, "b");
	publish(f, "2");
	publish_to(f, KIND_B, "c");
	publish_to(f, KIND_A, "d");
	publish(f, "3");
	publish_to(f, 4, "nobody's");
	turn();
	for (size_t i = 0; i < 4; i++)
		expect(&c[i], i % 2 ? "[1][b][2][c][3]" : "[1][a][2][d][3]");
	assert_int_equal(sends() - before, 4);
	assert_int_equal(stats_read(worker_stats(worker), STAT_deliveries), 20);

	/* for one kind only: the others are not woken */
	publish_to(f, KIND_B, "4");
	turn();
	for (size_t i = 0; i < 4; i++)
		expect(&c[i], i % 2 ? "[4]" : "");
	assert_int_equal(sends() - before, 6);
	publish_to(f, 4, "nobody's");
	assert_null(worker->dirty);
	for (size_t i = 0; i < 4; i++)
		fanout_remove(&c[i].seat);
	end(c, 4);
	tear_down(f);
}

static void test_kinds_come_and_go_in_mid_batch(void **state)
{
	struct client c[5];
	struct fanout *f;

	(void)state;
	build(100000);
	f = fanout_new(worker);
	for (size_t i = 0; i < 5; i++)
		open_client(&c[i], 0);
	fanout_add(f, &c[0].seat, c[0].conn, KIND_B); /* the first kind of a room may be any */
	publish(f, "1");
	fanout_add(f, &c[1].seat, c[1].conn, KIND_A);
	publish_to(f, KIND_A, "a");
	publish_to(f, KIND_B, "b");
	fanout_add(f, &c[2].seat, c[2].conn, KIND_B);
	ws_conn_send(c[1].conn, true, "mine", 4);
	publish(f, "2");
	ws_conn_send(c[0].conn, true, "own", 3);
	fanout_remove(&c[1].seat); /* the last of its kind; heard what came before */
	publish(f, "3");
	fanout_add(f, &c[3].seat, c[3].conn, KIND_A); /* hears what comes after */
	publish_to(f, KIND_B, "c");
	publish_to(f, KIND_A, "d");
	fanout_remove(&c[0].seat);
	fanout_add(f, &c[4].seat, c[4].conn, KIND_B);
	publish(f, "4");
	turn();
	expect(&c[0], "[1][b][2][own][3][c]");
	expect(&c[1], "[a][mine][2]");
	expect(&c[2], "[2][3][c][4]");
	expect(&c[3], "[d][4]");
	expect(&c[4], "[4]");
	for (size_t i = 2; i < 5; i++)
		fanout_remove(&c[i].seat);
	end(c, 5);
	tear_down(f);
}

/* What the last of one kind left in its batch is not for the first of another, also in mid-flush. */
static void test_a_wire_changes_its_kind(void **state)
{
	struct client c[3];
	struct fanout_wire *wire;
	struct fanout *f;

	(void)state;
	build(100000);
	f = fanout_new(worker);
	for (size_t i = 0; i < 3; i++)
		open_client(&c[i], 0);
	fanout_add(f, &c[0].seat, c[0].conn, KIND_A);
	wire = c[0].seat.wire;
	publish(f, "1");
	fanout_remove(&c[0].seat);
	publish(f, "nobody's");
	fanout_add(f, &c[1].seat, c[1].conn, KIND_B);
	assert_ptr_equal(c[1].seat.wire, wire); /* rather than a new one */
	publish_to(f, KIND_A, "a");
	publish_to(f, KIND_B, "b");
	fanout_add(f, &c[2].seat, c[2].conn, KIND_A);
	publish(f, "2");
	turn();
	expect(&c[0], "[1]");
	expect(&c[1], "[b][2]");
	expect(&c[2], "[2]");
	for (size_t i = 1; i < 3; i++)
		fanout_remove(&c[i].seat);
	publish(f, "nobody's");
	turn();
	fanout_add(f, &c[0].seat, c[0].conn, KIND_B);
	publish(f, "3");
	turn();
	expect(&c[0], "[3]");
	fanout_remove(&c[0].seat);
	end(c, 3);
	tear_down(f);
}

/* Both kinds of a large room, one flush under way for each: each hears its own batches once. */
static void test_kinds_in_large_rooms(void **state)
{
	static struct client c[MANY + 3];
	struct fanout *f;

	(void)state;
	build(100000);
	f = fanout_new(worker);
	for (size_t i = 0; i < MANY + 3; i++)
		open_client(&c[i], 0);
	for (size_t i = 0; i < MANY + 2; i++)
		fanout_add(f, &c[i].seat, c[i].conn, i < MANY ? KIND_A : KIND_B);
	publish(f, "1");
	assert_true(fanout_flush(worker)); /* a stride of A's, and all of B's */
	expect(&c[FIRST], "");
	expect(&c[MANY], "[1]");
	publish_to(f, KIND_B, "b");
	publish(f, "2");
	fanout_remove(&c[FIRST].seat); /* had nothing */
	fanout_remove(&c[MANY].seat);  /* had its 1 */
	fanout_add(f, &c[MANY + 2].seat, c[MANY + 2].conn, KIND_A);
	publish_to(f, KIND_A, "a");
	while (fanout_flush(worker))
		;
	expect(&c[FIRST], "[1][2]");
	expect(&c[0], "[1][2][a]");
	expect(&c[MANY - 1], "[1][2][a]");
	expect(&c[MANY], "[b][2]");
	expect(&c[MANY + 1], "[1][b][2]");
	expect(&c[MANY + 2], "[a]");
	for (size_t i = 0; i < MANY + 3; i++)
		if (i != FIRST && i != MANY)
			fanout_remove(&c[i].seat);
	end(c, MANY + 3);
	tear_down(f);
}

/* A large room's flush gives way to small rooms, which go first, and to events. */
static void test_small_rooms_meanwhile(void **state)
{
	static struct client c[MANY], small[5];
	struct fanout *f, *g;
	unsigned turns = 0;

	(void)state;
	build(100000);
	f = fanout_new(worker);
	g = fanout_new(worker);
	for (size_t i = 0; i < MANY; i++) {
		open_client(&c[i], 0);
		fanout_add(f, &c[i].seat, c[i].conn, KIND_A);
	}
	for (size_t i = 0; i < 5; i++) {
		open_client(&small[i], 0);
		fanout_add(g, &small[i].seat, small[i].conn, KIND_A);
	}
	publish(f, "1");
	assert_true(fanout_flush(worker));
	publish(g, "a");
	publish(f, "2");
	assert_true(worker->dirty == small[0].seat.wire);
	assert_true(fanout_flush(worker));
	expect(&small[4], "[a]");
	expect(&c[2 * FANOUT_STRIDE - 1], "[1]");
	expect(&c[2 * FANOUT_STRIDE], "");
	while (fanout_flush(worker))
		if (turns++ == 0)
			publish(g, "b");
	assert_int_equal(turns, 2 * MANY / FANOUT_STRIDE - 3); /* two had been; after the last there is nothing to do */
	expect(&small[4], "[b]");
	expect(&c[MANY - 1], "[1][2]");
	expect(&c[1], "[1][2]");
	for (size_t i = 0; i < MANY; i++)
		fanout_remove(&c[i].seat);
	for (size_t i = 0; i < 5; i++)
		fanout_remove(&small[i].seat);
	end(c, MANY);
	end(small, 5);
	fanout_free(g);
	tear_down(f);
}

/* Who is in both rooms has what each said in its order, also while a short write is in the way. */
static void test_in_two_rooms(void **state)
{
	struct client c[10];
	struct fanout_seat second[10];
	struct fanout *f, *g;
	static unsigned char all[400 * 127];
	static char text[126];
	size_t n = 0;

	(void)state;
	build(1000000);
	f = fanout_new(worker);
	g = fanout_new(worker);
	for (size_t i = 0; i < 10; i++) {
		open_client(&c[i], i ? 0 : 4096);
		assert_int_equal(fanout_add(f, &c[i].seat, c[i].conn, KIND_A), 0);
		assert_int_equal(fanout_add(g, &second[i], c[i].conn, KIND_A), 0);
	}
	memset(text, 'x', 125);
	for (unsigned i = 0; i < 200; i++) {
		text[124] = (char)('0' + i % 10);
		publish(f, text);
		text[124] = (char)('a' + i % 10);
		publish(g, text);
		turn();
		for (size_t k = 1; k < 10; k++) {
			const char *got = arrived(&c[k]);

			assert_int_equal(strlen(got), 2 * 127);
			assert_true((got[125] == '0' + (int)(i % 10)) != (got[252] == '0' + (int)(i % 10)));
		}
	}
	assert_true(evbuffer_get_length(bufferevent_get_output(c[0].conn->bev)) > 0);
	for (unsigned idle = 0; n < sizeof(all) && idle < 100000; idle++) {
		ssize_t more = read(c[0].fd, all + n, sizeof(all) - n);

		n += more > 0 ? (size_t)more : 0;
		turn();
	}
	assert_int_equal(n, sizeof(all));
	for (unsigned i = 0, digit = 0, letter = 0; i < 400; i++) {
		const unsigned char *frame = all + i * 127;

		assert_int_equal(frame[1], 125);
		if (frame[126] < 'a')
			assert_int_equal(frame[126], '0' + digit++ % 10);
		else
			assert_int_equal(frame[126], 'a' + letter++ % 10);
	}
	for (size_t i = 0; i < 10; i++) {
		fanout_remove(&c[i].seat);
		fanout_remove(&second[i]);
	}
	end(c, 10);
	fanout_free(g);
	tear_down(f);
}

static void test_peers_gone_in_mid_flush(void **state)
{
	struct client c[20];
	struct fanout *f;

	(void)state;
	build(100000);
	f = fanout_new(worker);
	for (size_t i = 0; i < 20; i++) {
		open_client(&c[i], 0);
		fanout_add(f, &c[i].seat, c[i].conn, KIND_A);
	}
	for (size_t i = 0; i < 20; i += 3)
		close(c[i].fd);
	publish(f, "1");
	fanout_flush(worker);
	publish(f, "2");
	fanout_flush(worker);
	for (size_t i = 0; i < 20; i++) {
		if (i % 3 == 0) {
			assert_int_equal(c[i].conn->reason, CLOSE_io_error);
			fanout_remove(&c[i].seat);
		} else {
			expect(&c[i], "[1][2]");
		}
	}
	turn(); /* the reaper */
	assert_int_equal(total.value, 13);
	for (size_t i = 0; i < 20; i++) {
		if (i % 3) {
			fanout_remove(&c[i].seat);
			end(&c[i], 1);
		}
	}
	tear_down(f);
}

static void test_short_writes(void **state)
{
	struct client c;
	struct fanout *f;
	static unsigned char all[1000 * 102];
	char text[101];
	size_t n = 0, got = 0;

	(void)state;
	build(10000000);
	f = fanout_new(worker);
	open_client(&c, 2048);
	fanout_add(f, &c.seat, c.conn, KIND_A);
	memset(text, 'x', 100);
	text[100] = '\0';
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(text + 95, 6, "%05u", i);
		publish(f, text);
		if (i % 7 == 0)
			turn();
	}
	turn();
	assert_true(stats_read(worker_stats(worker), STAT_sends_short) > 0);
	assert_true(stats_read(worker_stats(worker), STAT_backlog_bytes) == 0 || c.conn->state == CONN_OPEN);
	for (unsigned idle = 0; n < sizeof(all) && idle < 100000; idle++) {
		ssize_t more = read(c.fd, all + n, sizeof(all) - n);

		n += more > 0 ? (size_t)more : 0;
		turn();
	}
	assert_int_equal(n, sizeof(all));
	for (; got < 1000; got++) {
		snprintf(text + 95, 6, "%05zu", got);
		assert_memory_equal(all + got * 102 + 2, text, 100);
	}
	fanout_remove(&c.seat);
	end(&c, 1);
	tear_down(f);
}

static void test_slow_reader_is_closed_alone(void **state)
{
	struct client c[2];
	struct fanout *f;

	(void)state;
	build(20000);
	f = fanout_new(worker);
	open_client(&c[0], 2048);
	open_client(&c[1], 0);
	for (size_t i = 0; i < 2; i++)
		fanout_add(f, &c[i].seat, c[i].conn, KIND_A);
	for (unsigned i = 0; i < 1000 && conn_is_open(c[0].conn); i++) {
		publish(f, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890");
		fanout_flush(worker);
		assert_string_not_equal(arrived(&c[1]), "");
	}
	assert_int_equal(c[0].conn->reason, CLOSE_slow_reader);
	fanout_remove(&c[0].seat);
	turn(); /* the reaper */
	assert_int_equal(closed_with, CLOSE_slow_reader);
	assert_true(conn_is_open(c[1].conn));
	assert_int_equal(stats_read(worker_stats(worker), STAT_closed_slow), 1);
	close(c[0].fd);
	fanout_remove(&c[1].seat);
	end(&c[1], 1);
	tear_down(f);
}

/* One frame that has arrived: its first byte; the payload's length in *LEN. -1: none. */
static int frame_at(struct client *c, size_t *len)
{
	unsigned char head[4];
	char payload[65536];

	if (read(c->fd, head, 2) != 2)
		return -1;
	*len = head[1];
	if (*len == 126) {
		assert_int_equal(read(c->fd, head + 2, 2), 2);
		*len = (size_t)head[2] << 8 | head[3];
	}
	assert_int_equal(read(c->fd, payload, *len), *len);
	return head[0];
}

/* Members who take messages as they are, and compressed in windows of two sizes. */
static void test_compressed_members(void **state)
{
	static const struct ws_deflate forms[] = { { 0 }, { .server_bits = 15, .client_bits = 15 },
						   { .server_bits = 8, .client_bits = 15 },
						   { .server_bits = 15, .client_bits = 9, .client_takeover = true } };
	static const struct {
		size_t len;
		bool compressed[4];
	} steps[] = {
		{ 99, { false } },
		{ 200, { false, true, true, true } },
		{ 257, { false, true, false, true } },
		{ 20000, { false, true, false, true } },
		{ 3, { false } },
	};
	struct client c[4], late;
	char text[20000];
	struct fanout *f;
	size_t len;

	(void)state;
	build(100000);
	memset(text, 'x', sizeof(text));
	f = fanout_new(worker);
	for (size_t i = 0; i < 4; i++) {
		open_client_with(&c[i], 0, &forms[i]);
		assert_int_equal(fanout_add(f, &c[i].seat, c[i].conn, KIND_A), 0);
	}
	for (size_t k = 0; k < 5; k++)
		assert_int_equal(fanout_publish(f, text, steps[k].len, ALL), 0);
	assert_int_equal(stats_read(worker_stats(worker), STAT_deflated), 3);
	open_client_with(&late, 0, &forms[1]);
	assert_int_equal(fanout_add(f, &late.seat, late.conn, KIND_A), 0);
	ws_conn_send(c[1].conn, true, text, 150); /* its own, behind what the batch holds for it */
	turn();
	for (size_t i = 0; i < 4; i++) {
		for (size_t k = 0; k < 5; k++) {
			assert_int_equal(frame_at(&c[i], &len), steps[k].compressed[i] ? 0xc1 : 0x81);
			if (steps[k].compressed[i])
				assert_true(len < steps[k].len / 2);
			else
				assert_int_equal(len, steps[k].len);
		}
	}
	assert_int_equal(frame_at(&c[1], &len), 0xc1);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(frame_at(&c[i], &len), -1);
	assert_int_equal(frame_at(&late, &len), -1);

	/* they may go in any order, and others come */
	fanout_remove(&c[1].seat);
	assert_int_equal(fanout_publish(f, text, 200, ALL), 0);
	fanout_remove(&c[2].seat);
	turn();
	assert_int_equal(frame_at(&c[1], &len), -1);
	assert_int_equal(frame_at(&late, &len), 0xc1);
	assert_int_equal(frame_at(&c[2], &len), 0xc1); /* it heard what came before it went */
	fanout_remove(&c[0].seat);
	fanout_remove(&c[3].seat);
	fanout_remove(&late.seat);
	assert_int_equal(fanout_publish(f, text, 200, ALL), 0); /* to nobody */
	end(c, 4);
	end(&late, 1);
	tear_down(f);
}

/* Compressed once for both kinds, and each has what is for its own. */
static void test_compressed_members_of_both_kinds(void **state)
{
	static const struct ws_deflate forms[] = { { 0 }, { .server_bits = 15, .client_bits = 15 } };
	static const struct {
		size_t len;
		unsigned kinds;
	} steps[] = { { 200, ALL }, { 300, KIND_B }, { 50, ALL }, { 400, KIND_A }, { 500, ALL } };
	struct client c[4], late;
	char text[500];
	struct fanout *f;
	size_t len;

	(void)state;
	build(100000);
	memset(text, 'x', sizeof(text));
	f = fanout_new(worker);
	for (size_t i = 0; i < 4; i++) {
		open_client_with(&c[i], 0, &forms[i % 2]);
		assert_int_equal(fanout_add(f, &c[i].seat, c[i].conn, i < 2 ? KIND_A : KIND_B), 0);
	}
	for (size_t k = 0; k < 5; k++) {
		assert_int_equal(fanout_publish(f, text, steps[k].len, steps[k].kinds), 0);
		if (k == 3) {
			open_client_with(&late, 0, &forms[1]);
			assert_int_equal(fanout_add(f, &late.seat, late.conn, KIND_B), 0);
		}
	}
	assert_int_equal(stats_read(worker_stats(worker), STAT_deflated), 4);
	turn();
	for (size_t i = 0; i < 4; i++) {
		for (size_t k = 0; k < 5; k++) {
			bool deflated = i % 2 && steps[k].len >= 100;

			if (!(steps[k].kinds & (i < 2 ? KIND_A : KIND_B)))
				continue;
			assert_int_equal(frame_at(&c[i], &len), deflated ? 0xc1 : 0x81);
			assert_true(deflated ? len < steps[k].len / 2 : len == steps[k].len);
		}
		assert_int_equal(frame_at(&c[i], &len), -1);
	}
	assert_int_equal(frame_at(&late, &len), 0xc1);
	assert_int_equal(frame_at(&late, &len), -1);

	/* a wire that is empty serves who takes another form */
	fanout_remove(&c[0].seat);
	fanout_remove(&late.seat);
	assert_int_equal(fanout_add(f, &late.seat, late.conn, KIND_A), 0);
	assert_int_equal(fanout_add(f, &c[0].seat, c[0].conn, KIND_B), 0);
	assert_int_equal(fanout_publish(f, text, 200, KIND_A), 0);
	turn();
	assert_int_equal(frame_at(&late, &len), 0xc1);
	assert_int_equal(frame_at(&c[1], &len), 0xc1);
	assert_int_equal(frame_at(&c[0], &len), -1);
	for (size_t i = 0; i < 4; i++)
		fanout_remove(&c[i].seat);
	fanout_remove(&late.seat);
	end(c, 4);
	end(&late, 1);
	tear_down(f);
}

int main(void)
{
	struct rlimit files;
	int failed;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large_rooms_rest),
		cmocka_unit_test(test_one_batch_a_turn),
		cmocka_unit_test(test_joining_leaving_and_own_messages_in_mid_batch),
		cmocka_unit_test(test_changes_while_a_flush_is_under_way),
		cmocka_unit_test(test_kinds_in_one_room),
		cmocka_unit_test(test_kinds_come_and_go_in_mid_batch),
		cmocka_unit_test(test_a_wire_changes_its_kind),
		cmocka_unit_test(test_kinds_in_large_rooms),
		cmocka_unit_test(test_small_rooms_meanwhile),
		cmocka_unit_test(test_in_two_rooms),
		cmocka_unit_test(test_peers_gone_in_mid_flush),
		cmocka_unit_test(test_short_writes),
		cmocka_unit_test(test_slow_reader_is_closed_alone),
		cmocka_unit_test(test_compressed_members),
		cmocka_unit_test(test_compressed_members_of_both_kinds),
	};

	/* Two files a client. */
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
	setrlimit(RLIMIT_NOFILE, &files);
	failed = cmocka_run_group_tests_name("by send", tests, NULL, NULL);
	use_ring = true;
	return failed + cmocka_run_group_tests_name("by io_uring", tests, NULL, NULL);
}
