/* Unit tests of base/clock: units, rising, offsets, offsets set while others read. */
#include <config.h>

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

static void sleep_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static int back_to_now(void **state)
{
	(void)state;
	clock_set_offset(0, 0);
	return 0;
}

static void never_falls(void **state)
{
	uint64_t last = clock_us();

	(void)state;
	for (int i = 0; i < 10000; i++) {
		uint64_t now = clock_us();

		assert_true(now >= last);
		last = now;
	}
}

static void units(void **state)
{
	uint64_t ms = clock_ms(), us = clock_us();

	(void)state;
	assert_in_range(us / 1000, ms, ms + 5000);
	sleep_ms(30);
	assert_in_range(clock_ms() - ms, 29, 20000);
	assert_in_range(clock_us() - us, 29000, 20000000);
}

static void wall_is_the_time_of_day(void **state)
{
	int64_t before = (int64_t)time(NULL) * 1000 - 1000, now = clock_wall_ms();

	(void)state;
	assert_true(now >= before);
	assert_true(now <= before + 20000);
}

static void offsets_move_one_clock_each(void **state)
{
	uint64_t ms = clock_ms(), us = clock_us();
	int64_t wall = clock_wall_ms();

	(void)state;
	clock_set_offset(3600000, 0);
	assert_in_range(clock_ms() - ms, 3600000, 3620000);
	assert_in_range(clock_us() - us, UINT64_C(3600000000), UINT64_C(3620000000));
	assert_in_range(clock_wall_ms() - wall, 0, 20000);
	clock_set_offset(0, -3600000);
	assert_in_range(clock_ms() - ms, 0, 20000);
	assert_in_range(wall - clock_wall_ms(), 3580000, 3600000);
}

static void *read_all(void *arg)
{
	uint64_t *sum = arg;

	for (int i = 0; i < 20000; i++)
		*sum += clock_ms() + clock_us() + (uint64_t)clock_wall_ms();
	return NULL;
}

static void offsets_while_others_read(void **state)
{
	uint64_t sum = 0;
	pthread_t reader;

	(void)state;
	assert_int_equal(pthread_create(&reader, NULL, read_all, &sum), 0);
	for (int i = 0; i < 20000; i++)
		clock_set_offset(i, -i);
	pthread_join(reader, NULL);
	assert_int_not_equal(sum, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_falls),
		cmocka_unit_test(units),
		cmocka_unit_test(wall_is_the_time_of_day),
		cmocka_unit_test_teardown(offsets_move_one_clock_each, back_to_now),
		cmocka_unit_test_teardown(offsets_while_others_read, back_to_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
