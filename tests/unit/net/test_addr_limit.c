/* Unit tests of net/addr_limit: keys, each limit, who is told and who turned away, what is forgotten. */
#include <config.h>

#include "net/addr_limit.h"

#include "base/book.h"
#include "base/stats.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define TOLD 11 /* refusals that are told at once */

static struct book *book;
static struct stats stats;

static int build(void **state)
{
	(void)state;
	stats = (struct stats){ 0 };
	stats_use(&stats);
	book = addr_limit_book();
	return book ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	book_free(book);
	stats_use(NULL);
	return 0;
}

static void test_keys(void **state)
{
	uint64_t a = addr_limit_key_of_text("203.0.113.9");

	(void)state;
	assert_int_equal(a, UINT64_C(0x1cb007109));
	assert_int_equal(addr_limit_key_of_text("::ffff:203.0.113.9"), a);
	assert_int_not_equal(addr_limit_key_of_text("203.0.113.8"), a);
	assert_int_not_equal(addr_limit_key_of_text("0.0.0.0"), 0);
	assert_int_equal(addr_limit_key_of_text("2001:db8:1:2::3"), UINT64_C(0x20010db800010002));
	assert_int_equal(addr_limit_key_of_text("2001:db8:1:2:ffff:ffff:ffff:ffff"), UINT64_C(0x20010db800010002));
	assert_int_not_equal(addr_limit_key_of_text("2001:db8:1:3::3"), UINT64_C(0x20010db800010002));
	assert_int_equal(addr_limit_key_of_text("unix"), 0);
	assert_int_equal(addr_limit_key_of_text("unknown"), 0);
	assert_int_equal(addr_limit_key_of_text(""), 0);
}

/* N connections of KEY that end like ADMISSION. */
static void expect(const struct addr_limit_opts *o, uint64_t key, uint64_t now, unsigned n, enum admission admission)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(addr_limit_admit(book, o, key, now), admission);
}

static void test_connections(void **state)
{
	const struct addr_limit_opts o = { .connections = 3 };

	(void)state;
	expect(&o, 1, 1000, 3, ADMISSION_OK);
	expect(&o, 2, 1000, 3, ADMISSION_OK);
	expect(&o, 1, 1000, TOLD, ADMISSION_CONNECTIONS);
	expect(&o, 1, 1000, 100, ADMISSION_TURNED_AWAY);
	expect(&o, 1, 2000, 1, ADMISSION_CONNECTIONS); /* one a second is told */
	expect(&o, 1, 2000, 1, ADMISSION_TURNED_AWAY);
	assert_int_equal(stats_read(&stats, STAT_refused_address_connections), TOLD + 102);
	for (unsigned i = 0; i < 1 + TOLD; i++)
		addr_limit_leave(book, 1, true, 3000); /* the told ones count as well, while they are there */
	expect(&o, 1, 100000, 1, ADMISSION_CONNECTIONS);
	for (unsigned i = 0; i < 3; i++)
		addr_limit_leave(book, 1, true, 100000);
	expect(&o, 1, 100000, 2, ADMISSION_OK);
}

static void test_rate(void **state)
{
	const struct addr_limit_opts o = { .rate = 6 };

	(void)state;
	for (int i = 0; i < 6; i++) {
		expect(&o, 1, 5000, 1, ADMISSION_OK);
		addr_limit_leave(book, 1, true, 5000);
	}
	expect(&o, 1, 5000, TOLD, ADMISSION_RATE);
	expect(&o, 1, 14999, 9, ADMISSION_RATE);
	expect(&o, 1, 14999, 1, ADMISSION_TURNED_AWAY);
	expect(&o, 1, 15000, 1, ADMISSION_OK); /* one in 10 s, however often it was refused meanwhile */
	expect(&o, 1, 15000, 1, ADMISSION_RATE);
	expect(&o, 1, 75000, 6, ADMISSION_OK); /* a minute's rest */
	expect(&o, 1, 75000, 1, ADMISSION_RATE);
	assert_int_equal(stats_read(&stats, STAT_refused_address_rate), TOLD + 12);
}

static void test_rate_of_one(void **state)
{
	const struct addr_limit_opts o = { .rate = 1 };

	(void)state;
	expect(&o, 1, 5000, 1, ADMISSION_OK);
	expect(&o, 1, 5000, 1, ADMISSION_RATE);
	expect(&o, 1, 64900, 1, ADMISSION_RATE);
	expect(&o, 1, 65000, 1, ADMISSION_OK);
}

static void test_handshakes(void **state)
{
	const struct addr_limit_opts o = { .handshakes = 2, .connections = 100, .rate = 1000 };

	(void)state;
	expect(&o, 1, 1000, 2, ADMISSION_OK);
	expect(&o, 1, 1000, 1, ADMISSION_HANDSHAKES);
	addr_limit_leave(book, 1, false, 1000); /* of the one that was told */
	addr_limit_done(book, 1, 1000);
	expect(&o, 1, 1000, 1, ADMISSION_OK);
	addr_limit_leave(book, 1, false, 1000); /* in its handshake */
	expect(&o, 1, 1000, 1, ADMISSION_OK);
	expect(&o, 1, 1000, 1, ADMISSION_HANDSHAKES);
	assert_int_equal(stats_read(&stats, STAT_refused_address_handshakes), 2);
}

static void test_no_limits(void **state)
{
	(void)state;
	expect(&(struct addr_limit_opts){ 0 }, 1, 1000, 10000, ADMISSION_OK);
}

/* The clock of another thread may be a little behind. */
static void test_time_goes_back(void **state)
{
	const struct addr_limit_opts o = { .rate = 2 };

	(void)state;
	expect(&o, 1, 5000, 2, ADMISSION_OK);
	expect(&o, 1, 4999, 3, ADMISSION_RATE);
	expect(&o, 1, 1, 3, ADMISSION_RATE);
}

static void tick_all(uint64_t now)
{
	for (int i = 0; i < 16; i++)
		book_tick(book, now);
}

/* From ever new networks: those without connections are forgotten, those with connections never. */
static void test_very_many_addresses(void **state)
{
	const struct addr_limit_opts o = { .connections = 1, .rate = 2 };

	(void)state;
	expect(&o, 7, 1000, 1, ADMISSION_OK);
	for (uint64_t i = 0; i < 200000; i++) {
		expect(&o, UINT64_C(0x2001) << 48 | i, 1000, 1, ADMISSION_OK);
		addr_limit_leave(book, UINT64_C(0x2001) << 48 | i, false, 1000);
	}
	assert_in_range(book_count(book), 10000, 16500);
	expect(&o, 7, 1000, 1, ADMISSION_CONNECTIONS);
	addr_limit_leave(book, 7, true, 1000);
	tick_all(60999);
	assert_in_range(book_count(book), 10000, 16500);
	tick_all(61000);
	assert_int_equal(book_count(book), 1);
}

#define THREADS 4
#define ROUNDS 20000

static atomic_int inside, most;

static void *come_and_go(void *arg)
{
	const struct addr_limit_opts o = { .connections = 3 };
	static _Thread_local struct stats mine;

	(void)arg;
	stats_use(&mine);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		enum admission a = addr_limit_admit(book, &o, 1, 1000);
		int n;

		if (a == ADMISSION_OK) {
			n = atomic_fetch_add(&inside, 1) + 1;
			if (n > most)
				most = n;
			addr_limit_done(book, 1, 1000);
			atomic_fetch_sub(&inside, 1);
		}
		if (a != ADMISSION_TURNED_AWAY)
			addr_limit_leave(book, 1, a == ADMISSION_OK, 1000);
	}
	stats_use(NULL);
	return NULL;
}

static void test_threads(void **state)
{
	const struct addr_limit_opts o = { .connections = 3, .handshakes = 3 };
	pthread_t t[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, come_and_go, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_in_range(most, 1, 3);
	expect(&o, 1, 1000, 3, ADMISSION_OK); /* all were given back */
	assert_int_not_equal(addr_limit_admit(book, &o, 1, 1000), ADMISSION_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, build, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keys),	   TEST(test_connections),    TEST(test_rate),
		TEST(test_rate_of_one),	   TEST(test_handshakes),     TEST(test_no_limits),
		TEST(test_time_goes_back), TEST(test_very_many_addresses), TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
