/* Unit tests of base/bucket: exact arithmetic, debts, long gaps, extreme numbers. */
#include <config.h>

#include "base/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static int64_t level(const struct bucket *b) { return (int64_t)b->tokens * 1000 + b->milli; }

static void burst_then_wait(void **state)
{
	const struct bucket_limit l = {.rate = 2, .burst = 5};
	struct bucket b;

	(void)state;
	bucket_init(&b, &l, 1000);
	for (int i = 0; i < 5; i++)
		assert_int_equal(bucket_take(&b, &l, 1, 1000), 0);
	assert_int_equal(level(&b), 0);
	assert_int_equal(bucket_take(&b, &l, 1, 1000), 500);
	assert_int_equal(bucket_take(&b, &l, 1, 1000), 1000);
	assert_int_equal(bucket_take(&b, &l, 0, 1999), 1);
	assert_int_equal(bucket_take(&b, &l, 0, 2000), 0);
	assert_int_equal(level(&b), 0);
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
		assert_int_equal(level(&small), 3 * now);
	}
	bucket_take(&large, &l, 0, now);
	assert_int_equal(level(&small), level(&large));
}

/* Against a bucket that gains its tokens millisecond by millisecond. */
static void like_a_naive_one(void **state)
{
	const struct bucket_limit l = {.rate = 17, .burst = 20};
	int64_t want = 20000;
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
			want = want + 17 < 20000 ? want + 17 : 20000;
		want -= cost * 1000;
		wait = bucket_take(&b, &l, cost, now);
		assert_int_equal(level(&b), want);
		assert_int_equal(wait, want < 0 ? (-want + 16) / 17 : 0);
	}
}

static void long_gaps_fill_it_and_no_more(void **state)
{
	static const uint64_t gaps[] = {20000 / 8 + 1250, 1000000, UINT64_C(1) << 31, UINT32_MAX};
	const struct bucket_limit l = {.rate = 8, .burst = 10};

	(void)state;
	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
		uint64_t now = UINT64_C(123456789012); /* of which a bucket knows the low half only */
		struct bucket b;

		bucket_init(&b, &l, now);
		bucket_take(&b, &l, 20, now);
		assert_int_equal(level(&b), -10000);
		now += gaps[i];
		assert_int_equal(bucket_take(&b, &l, 0, now), 0);
		assert_int_equal(level(&b), 10000);
		assert_int_equal(bucket_take(&b, &l, 10, now), 0);
		assert_int_equal(bucket_take(&b, &l, 8, now), 1000);
	}
}

static void extremes_do_not_overflow(void **state)
{
	const struct bucket_limit fast = {.rate = 1000000, .burst = 10000000}, slow = {.rate = 1, .burst = 1};
	struct bucket b;

	(void)state;
	bucket_init(&b, &fast, 0);
	assert_int_equal(bucket_take(&b, &fast, 10000000, 0), 0);
	assert_int_equal(bucket_take(&b, &fast, 10000000, 0), 10000);
	assert_int_equal(bucket_take(&b, &fast, 0, 9999), 1);
	assert_int_equal(bucket_take(&b, &fast, 0, 10000), 0);
	assert_int_equal(bucket_take(&b, &fast, 0, UINT32_MAX), 0);
	assert_int_equal(level(&b), INT64_C(10000000000));

	bucket_init(&b, &slow, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(bucket_take(&b, &slow, UINT32_MAX, 0), UINT32_MAX);
	assert_int_equal(level(&b), INT64_C(-2000000000000));
	assert_int_equal(bucket_take(&b, &fast, 0, UINT32_MAX), 0);
	assert_int_equal(level(&b), INT64_C(10000000000));
}

static void another_limit_takes_over(void **state)
{
	const struct bucket_limit wide = {.rate = 10, .burst = 100}, narrow = {.rate = 1, .burst = 2};
	struct bucket b;

	(void)state;
	bucket_init(&b, &wide, 0);
	assert_int_equal(bucket_take(&b, &narrow, 2, 0), 0);
	assert_int_equal(level(&b), 0);
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
		cmocka_unit_test(another_limit_takes_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
