/* Unit tests of base/bucket: exact arithmetic, debts, long gaps, extreme numbers. */
#include <config.h>

#include "base/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define EVER UINT64_MAX

static void burst_then_wait(void **state)
{
	const struct bucket_limit l = {.rate = 2, .burst = 5};
	struct bucket b;

	(void)state;
	bucket_init(&b, &l, 1000);
	for (int i = 0; i < 5; i++)
		assert_int_equal(bucket_take(&b, &l, 1, 1000), 0);
	assert_int_equal(b.level, 0);
	assert_int_equal(bucket_take(&b, &l, 1, 1000), 500);
	assert_int_equal(bucket_take(&b, &l, 1, 1000), 1000);
	assert_int_equal(bucket_take(&b, &l, 0, 1999), 1);
	assert_int_equal(bucket_take(&b, &l, 0, 2000), 0);
	assert_int_equal(b.level, 0);
}

static void no_limit(void **state)
{
	const struct bucket_limit l = {.rate = 0, .burst = 1};
	struct bucket b;

	(void)state;
	bucket_init(&b, &l, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(bucket_take(&b, &l, UINT32_MAX, 0), 0);
}

static void wait_is_rounded_up_and_enough(void **state)
{
	(void)state;
	for (uint32_t rate = 1; rate < 5000; rate += 7) {
		const struct bucket_limit l = {.rate = rate, .burst = 1};
		struct bucket b;
		uint32_t wait;

		bucket_init(&b, &l, 0);
		wait = bucket_take(&b, &l, 3, 0);
		assert_int_equal(wait, (2000 + rate - 1) / rate);
		assert_true(wait == 1 || bucket_take(&b, &l, 0, wait - 1) == 1);
		assert_int_equal(bucket_take(&b, &l, 0, wait), 0);
	}
}

/* However the time is cut up, the same tokens arrive: nothing is lost to rounding. */
static void many_small_steps_are_one_large(void **state)
{
	const struct bucket_limit l = {.rate = 3, .burst = 1000};
	struct bucket small, large;
	uint32_t random = 1;
	uint64_t now = 0;

	(void)state;
	bucket_init(&small, &l, 0);
	bucket_init(&large, &l, 0);
	bucket_take(&small, &l, 1000, 0);
	bucket_take(&large, &l, 1000, 0);
	while (now < 300000) {
		now += (random = random * 1664525 + 1013904223) >> 29;
		bucket_take(&small, &l, 0, now);
		assert_int_equal(small.level, 3 * now);
	}
	bucket_take(&large, &l, 0, now);
	assert_int_equal(small.level, large.level);
}

/* Against a bucket that gains its tokens millisecond by millisecond. */
static void like_a_naive_one(void **state)
{
	const struct bucket_limit l = {.rate = 17, .burst = 20};
	int64_t level = 20000;
	uint32_t random = 7;
	struct bucket b;
	uint64_t now = 0;

	(void)state;
	bucket_init(&b, &l, now);
	for (int i = 0; i < 20000; i++) {
		uint32_t gap = (random = random * 1664525 + 1013904223) >> 24;
		uint32_t cost = (random = random * 1664525 + 1013904223) >> 29;
		uint32_t wait;

		for (now += gap; gap > 0; gap--)
			level = level + 17 < 20000 ? level + 17 : 20000;
		level -= cost * 1000;
		wait = bucket_take(&b, &l, cost, now);
		assert_int_equal(b.level, level);
		assert_int_equal(wait, level < 0 ? (-level + 16) / 17 : 0);
	}
}

static void long_gaps_fill_it_and_no_more(void **state)
{
	/* times 8, 2^61 is 0 in 64 bits */
	static const uint64_t gaps[] = {20000 / 8, 1000000, UINT64_C(1) << 40, UINT64_C(1) << 61, EVER / 2, EVER - 1, EVER};
	const struct bucket_limit l = {.rate = 8, .burst = 10};

	(void)state;
	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
		struct bucket b;

		bucket_init(&b, &l, 0);
		bucket_take(&b, &l, 20, 0);
		assert_int_equal(b.level, -10000);
		assert_int_equal(bucket_take(&b, &l, 0, gaps[i]), 0);
		assert_int_equal(b.level, 10000);
		assert_int_equal(bucket_take(&b, &l, 10, gaps[i]), 0);
		assert_int_equal(bucket_take(&b, &l, 8, gaps[i]), 1000);
	}
}

static void extremes_do_not_overflow(void **state)
{
	const struct bucket_limit fast = {.rate = UINT32_MAX, .burst = UINT32_MAX}, slow = {.rate = 1, .burst = 1};
	struct bucket b;

	(void)state;
	bucket_init(&b, &fast, 0);
	assert_int_equal(bucket_take(&b, &fast, UINT32_MAX, 0), 0);
	assert_int_equal(bucket_take(&b, &fast, UINT32_MAX, 0), 1000);
	assert_int_equal(bucket_take(&b, &fast, 0, 999), 1);
	assert_int_equal(bucket_take(&b, &fast, 0, 1000), 0);
	assert_int_equal(bucket_take(&b, &fast, 0, EVER), 0);
	assert_int_equal(b.level, INT64_C(1000) * UINT32_MAX);

	bucket_init(&b, &slow, 0);
	for (int i = 0; i < 3000000; i++) /* more than 2^63 thousandths */
		assert_int_equal(bucket_take(&b, &slow, UINT32_MAX, 0), UINT32_MAX);
	assert_int_equal(bucket_take(&b, &fast, 0, EVER), 0);
	assert_int_equal(b.level, INT64_C(1000) * UINT32_MAX);
}

static void time_going_back_gives_nothing(void **state)
{
	const struct bucket_limit l = {.rate = 10, .burst = 1};
	struct bucket b;

	(void)state;
	bucket_init(&b, &l, 5000);
	assert_int_equal(bucket_take(&b, &l, 2, 5000), 100);
	assert_int_equal(bucket_take(&b, &l, 0, 0), 100);
	assert_int_equal(bucket_take(&b, &l, 0, 4999), 100);
	assert_int_equal(bucket_take(&b, &l, 0, 5099), 1);
	assert_int_equal(bucket_take(&b, &l, 0, 5100), 0);
}

static void another_limit_takes_over(void **state)
{
	const struct bucket_limit wide = {.rate = 10, .burst = 100}, narrow = {.rate = 1, .burst = 2};
	struct bucket b;

	(void)state;
	bucket_init(&b, &wide, 0);
	assert_int_equal(bucket_take(&b, &narrow, 2, 0), 0);
	assert_int_equal(b.level, 0);
	assert_int_equal(bucket_take(&b, &narrow, 1, 0), 1000);
	assert_int_equal(bucket_take(&b, &wide, 0, 50), 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_then_wait),
		cmocka_unit_test(no_limit),
		cmocka_unit_test(wait_is_rounded_up_and_enough),
		cmocka_unit_test(many_small_steps_are_one_large),
		cmocka_unit_test(like_a_naive_one),
		cmocka_unit_test(long_gaps_fill_it_and_no_more),
		cmocka_unit_test(extremes_do_not_overflow),
		cmocka_unit_test(time_going_back_gives_nothing),
		cmocka_unit_test(another_limit_takes_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
