/* Unit tests of bench/histogram: exact below 256, within 1 % above, bounds. */
#include <config.h>

#include "bench/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct histogram h;

static int empty(void **state)
{
	(void)state;
	memset(&h, 0, sizeof(h));
	return 0;
}

static void nothing(void **state)
{
	(void)state;
	assert_int_equal(histogram_percentile(&h, 50), 0);
	assert_int_equal(histogram_percentile(&h, 100), 0);
	assert_true(histogram_mean(&h) == 0);
}

static void small_values_are_exact(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 200; i++)
		histogram_add(&h, i);
	assert_int_equal(histogram_percentile(&h, 0), 0);
	assert_int_equal(histogram_percentile(&h, 50), 99);
	assert_int_equal(histogram_percentile(&h, 99), 197);
	assert_int_equal(histogram_percentile(&h, 100), 199);
	assert_true(histogram_mean(&h) == 99.5);
}

/* Each value alone, beside one that is larger so that the maximum does not help. */
static void error_is_below_one_percent(void **state)
{
	(void)state;
	for (uint64_t v = 1; v < UINT64_C(1) << (HISTOGRAM_BITS - 1); v = v * 33 / 32 + 1) {
		uint64_t got;

		memset(&h, 0, sizeof(h));
		histogram_add(&h, v);
		histogram_add(&h, v * 2);
		got = histogram_percentile(&h, 50);
		assert_true(got * 100 >= v * 99 && got * 100 <= v * 101);
		assert_true(v >= 256 || got == v);
	}
}

/* A percentile never falls while it rises, through every bucket. */
static void buckets_are_in_order(void **state)
{
	uint64_t last = 0;

	(void)state;
	for (uint64_t v = 1; v >> HISTOGRAM_BITS == 0; v += v / 300 + 1)
		histogram_add(&h, v);
	for (double p = 0; p <= 100; p += 0.01) {
		uint64_t got = histogram_percentile(&h, p);

		assert_true(got >= last);
		last = got;
	}
}

static void percentiles(void **state)
{
	(void)state;
	for (int i = 0; i < 990; i++)
		histogram_add(&h, 1000);
	for (int i = 0; i < 9; i++)
		histogram_add(&h, 50000);
	histogram_add(&h, 7777777);
	assert_in_range(histogram_percentile(&h, 50), 990, 1010);
	assert_in_range(histogram_percentile(&h, 99), 990, 1010);
	assert_in_range(histogram_percentile(&h, 99.9), 49500, 50500);
	assert_int_equal(histogram_percentile(&h, 100), 7777777);
}

static void what_is_too_large(void **state)
{
	(void)state;
	histogram_add(&h, UINT64_MAX);
	histogram_add(&h, 1);
	assert_int_equal(histogram_percentile(&h, 50), 1);
	assert_true(histogram_percentile(&h, 99) >= (UINT64_C(1) << HISTOGRAM_BITS) / 100 * 99);
	assert_int_equal(histogram_percentile(&h, 100), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(nothing, empty),
	    cmocka_unit_test_setup(small_values_are_exact, empty),
	    cmocka_unit_test_setup(error_is_below_one_percent, empty),
	    cmocka_unit_test_setup(buckets_are_in_order, empty),
	    cmocka_unit_test_setup(percentiles, empty),
	    cmocka_unit_test_setup(what_is_too_large, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
