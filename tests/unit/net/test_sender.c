/*
 * A sender with and without a ring, on pairs of sockets. Where the kernel (or
 * valgrind) has no io_uring, the ring's half is skipped and says why.
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

#include "base/log.h"
#include "base/stats.h"
#include "net/sender.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY (SENDER_BATCH + SENDER_BATCH / 2)

/* Stands for a struct conn, which a sender does not look into. */
struct client {
	int fd[2]; /* ours, the peer's */
	unsigned done;
	int32_t result;
	size_t len;
};

static struct client clients[MANY];
static struct sender *sender;
static struct stats stats;
static unsigned done_count, break_at; /* the ring breaks when so many jobs are done */

/* The ring's descriptor becomes something that no ring is. */
static void break_ring(void)
{
	DIR *d = opendir("/proc/self/fd");
	int null = open("/dev/null", O_RDWR);
	struct dirent *e;
	unsigned found = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		char to[64] = "";

		if (readlinkat(dirfd(d), e->d_name, to, sizeof(to) - 1) > 0 && strstr(to, "io_uring")) {
			dup2(null, atoi(e->d_name));
			found++;
		}
	}
	assert_int_equal(found, 1);
	close(null);
	closedir(d);
}

static void on_done(const struct sender_job *job)
{
	struct client *c = (struct client *)(void *)job->conn;

	c->done++;
	c->result = job->result;
	assert_int_equal(job->len, c->len);
	if (++done_count == break_at)
		break_ring();
}

static void build(bool ring)
{
	const char *why;

	memset(&stats, 0, sizeof(stats));
	stats_use(&stats);
	done_count = break_at = 0;
	sender = sender_new(on_done);
	if (ring && sender_use_ring(sender, &why) < 0) {
		sender_free(sender);
		print_message("no io_uring here: %s\n", why);
		skip();
	}
	assert_true(sender_has_ring(sender) == ring);
}

static void open_client(struct client *c, int buffer)
{
	memset(c, 0, sizeof(*c));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, c->fd), 0);
	for (int i = 0; i < 2; i++) {
		fcntl(c->fd[i], F_SETFL, O_NONBLOCK);
		if (buffer)
			setsockopt(c->fd[i], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	}
}

static void end(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		close(clients[i].fd[0]);
		if (clients[i].fd[1] >= 0)
			close(clients[i].fd[1]);
	}
	sender_free(sender);
	stats_use(NULL);
}

static void add(struct client *c, const void *data, size_t len)
{
	c->len = len;
	c->done = 0;
	sender_add(sender, (struct conn *)(void *)c, c->fd[0], data, len);
}

/* WANT arrived, once and nothing else. */
static void expect(struct client *c, const char *want)
{
	char got[1000];
	ssize_t n = read(c->fd[1], got, sizeof(got));

	assert_int_equal(c->done, 1);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(got, want, (size_t)n);
	assert_int_equal(c->result, n);
}

static void round_of(size_t n)
{
	static char text[MANY][32];

	for (size_t i = 0; i < n; i++) {
		snprintf(text[i], sizeof(text[i]), "for %zu", i);
		add(&clients[i], text[i], strlen(text[i]));
	}
	sender_finish(sender);
	for (size_t i = 0; i < n; i++)
		expect(&clients[i], text[i]);
}

static int64_t count(enum stat_id id) { return stats_read(&stats, id); }

static void test_all_are_sent(void **state)
{
	static const size_t numbers[] = { 0, 1, SENDER_FEW - 1, SENDER_FEW, 100, SENDER_BATCH, SENDER_BATCH + 1, MANY };
	const bool ring = *(bool *)*state;
	size_t all = 0, by_ring = 0;

	build(ring);
	for (size_t i = 0; i < MANY; i++)
		open_client(&clients[i], 0);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		round_of(numbers[i]);
		all += numbers[i];
		by_ring += numbers[i] / SENDER_BATCH * SENDER_BATCH;
		if (numbers[i] % SENDER_BATCH >= SENDER_FEW)
			by_ring += numbers[i] % SENDER_BATCH;
	}
	if (!ring)
		by_ring = 0;
	assert_int_equal(count(STAT_sends) + count(STAT_ring_sends), all);
	assert_int_equal(count(STAT_ring_sends), by_ring);
	assert_int_equal(count(STAT_ring_submits), ring ? 6 : 0);
	end(MANY);
}

/* Some take a part, some nothing, all others everything; nobody waits. */
static void test_short_and_full(void **state)
{
	static char big[300000];

	build(*(bool *)*state);
	for (size_t i = 0; i < 20; i++)
		open_client(&clients[i], i % 2 ? 0 : 4096);
	for (size_t i = 0; i < 20; i += 2)
		add(&clients[i], big, sizeof(big));
	sender_finish(sender);
	for (size_t i = 0; i < 20; i += 2)
		assert_in_range(clients[i].result, 1, sizeof(big) - 1);
	for (size_t i = 0; i < 20; i++)
		add(&clients[i], "x", 1);
	sender_finish(sender);
	for (size_t i = 0; i < 20; i++) {
		if (i % 2)
			expect(&clients[i], "x");
		else
			assert_int_equal(clients[i].result, -EAGAIN);
	}
	end(20);
}

/* A TCP connection whose peer has sent a reset. */
static void open_reset(struct client *c)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0), peer;

	assert_int_equal(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(l, 1), 0);
	getsockname(l, (struct sockaddr *)&a, &len);
	c->fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	c->fd[1] = -1;
	assert_int_equal(connect(c->fd[0], (struct sockaddr *)&a, sizeof(a)), 0);
	peer = accept(l, NULL, NULL);
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(peer);
	close(l);
}

static void test_peers_that_are_gone(void **state)
{
	build(*(bool *)*state);
	for (size_t i = 0; i < 10; i++)
		open_client(&clients[i], 0);
	close(clients[2].fd[1]);
	clients[2].fd[1] = -1;
	close(clients[5].fd[0]);
	close(clients[5].fd[1]);
	open_reset(&clients[5]);
	for (size_t i = 0; i < 10; i++)
		add(&clients[i], "x", 1);
	sender_finish(sender);
	for (size_t i = 0; i < 10; i++)
		if (i != 2 && i != 5)
			expect(&clients[i], "x");
	assert_int_equal(clients[2].result, -EPIPE);
	assert_int_equal(clients[5].result, -ECONNRESET);
	end(10);
}

static void test_ring_breaks_before(void **state)
{
	(void)state;
	build(true);
	for (size_t i = 0; i < MANY; i++)
		open_client(&clients[i], 0);
	break_ring();
	round_of(MANY);
	assert_false(sender_has_ring(sender));
	assert_int_equal(count(STAT_ring_sends), 0);
	assert_int_equal(count(STAT_sends), MANY);
	round_of(MANY);
	end(MANY);
}

static void test_ring_breaks_in_between(void **state)
{
	(void)state;
	build(true);
	for (size_t i = 0; i < MANY; i++)
		open_client(&clients[i], 0);
	break_at = 10; /* of the first batch */
	round_of(MANY);
	assert_false(sender_has_ring(sender));
	assert_int_equal(count(STAT_ring_sends), SENDER_BATCH);
	assert_int_equal(count(STAT_sends), MANY - SENDER_BATCH);
	end(MANY);
}

int main(void)
{
	static bool no = false, yes = true;
	struct rlimit files;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_all_are_sent, &no),
		cmocka_unit_test_prestate(test_all_are_sent, &yes),
		cmocka_unit_test_prestate(test_short_and_full, &no),
		cmocka_unit_test_prestate(test_short_and_full, &yes),
		cmocka_unit_test_prestate(test_peers_that_are_gone, &no),
		cmocka_unit_test_prestate(test_peers_that_are_gone, &yes),
		cmocka_unit_test(test_ring_breaks_before),
		cmocka_unit_test(test_ring_breaks_in_between),
	};

	log_set_level(LOG_LEVEL_ERROR);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
	setrlimit(RLIMIT_NOFILE, &files);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
