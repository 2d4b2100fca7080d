/* Unit tests of base/stats: a block per thread, sums, and the formatted line at every size. */
#include <config.h>

#include "base/stats.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int spare_again(void **state)
{
	(void)state;
	stats_use(NULL);
	return 0;
}

static void counts_before_use(void **state)
{
	struct stats *before = stats_mine;

	(void)state;
	assert_non_null(before);
	stats_add(STAT_accepted, 1);
	stats_use(NULL);
	assert_ptr_equal(stats_mine, before);
}

static void counts_in_the_block_in_use(void **state)
{
	static struct stats a, b;

	(void)state;
	stats_use(&a);
	stats_add(STAT_connections, 3);
	stats_add(STAT_connections, -1);
	stats_use(&b);
	stats_add(STAT_connections, 10);
	stats_use(NULL);
	stats_add(STAT_connections, 100);
	assert_int_equal(stats_read(&a, STAT_connections), 2);
	assert_int_equal(stats_read(&b, STAT_connections), 10);
	assert_int_equal(stats_read(&a, STAT_sessions), 0);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(stats_name(STAT_connections), "connections");
	assert_string_equal(stats_name(STAT_backlog_bytes), "backlog_bytes");
	for (int i = 0; i < STAT_COUNT; i++)
		assert_true(strlen(stats_name((enum stat_id)i)) > 0);
}

static void formats_the_sums_of_all_rows(void **state)
{
	static struct stats a, b;
	struct stats *all[] = {&a, &b};
	char line[4096], *at = line;

	(void)state;
	for (int i = 0; i < STAT_COUNT; i++) {
		stats_use(&a);
		stats_add((enum stat_id)i, INT64_C(1000000000000) * i);
		stats_use(&b);
		stats_add((enum stat_id)i, -5);
	}
	assert_ptr_equal(stats_format(all, 2, line, sizeof(line)), line);
	for (int i = 0; i < STAT_COUNT; i++) {
		char pair[128];

		snprintf(pair, sizeof(pair), "%s%s=%lld", i ? " " : "", stats_name((enum stat_id)i),
			 1000000000000LL * i - 5);
		assert_memory_equal(at, pair, strlen(pair));
		at += strlen(pair);
	}
	assert_int_equal(*at, '\0');
}

static void is_truncated_to_any_size(void **state)
{
	char whole[4096];
	size_t len;

	(void)state;
	len = strlen(stats_format(NULL, 0, whole, sizeof(whole)));
	assert_memory_equal(whole, "connections=0 ", 14);
	for (size_t size = 0; size <= len + 2; size++) {
		char *buf = malloc(size + 1); /* of exactly the size and a canary */

		buf[size] = '#';
		stats_format(NULL, 0, buf, size);
		assert_int_equal(buf[size], '#');
		if (size > 0) {
			assert_int_equal(strlen(buf), size - 1 < len ? size - 1 : len);
			assert_memory_equal(buf, whole, strlen(buf));
		}
		free(buf);
	}
}

struct thread {
	struct stats stats;
	pthread_t id;
};

static void *count(void *arg)
{
	struct thread *t = arg;

	stats_add(STAT_messages_in, 1); /* in the spare */
	stats_use(&t->stats);
	for (int i = 0; i < 100000; i++)
		stats_add(STAT_messages_in, 1);
	return NULL;
}

static void from_threads(void **state)
{
	static struct thread threads[4];
	struct stats *all[] = {&threads[0].stats, &threads[1].stats, &threads[2].stats, &threads[3].stats};
	char line[4096];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i].id, NULL, count, &threads[i]), 0);
	for (int i = 0; i < 100; i++)
		stats_format(all, 4, line, sizeof(line));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i].id, NULL);
	assert_non_null(strstr(stats_format(all, 4, line, sizeof(line)), " messages_in=400000 "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_before_use),
		cmocka_unit_test(counts_in_the_block_in_use),
		cmocka_unit_test(names),
		cmocka_unit_test_teardown(formats_the_sums_of_all_rows, spare_again),
		cmocka_unit_test(is_truncated_to_any_size),
		cmocka_unit_test(from_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
