#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/expiry.h"
#include "chat/session.h"

#define MANY 500

static struct session sessions[MANY];

static void test_told_then_over(void **state)
{
	struct expiry *x = expiry_new();
	int64_t left = -1;

	(void)state;
	assert_null(expiry_next(x, 1000000, &left));
	assert_int_equal(expiry_set(x, 7, &sessions[0], 1000, 1060), 0);
	assert_null(expiry_next(x, 999, &left));
	assert_ptr_equal(expiry_next(x, 1000, &left), &sessions[0]);
	assert_int_equal(left, 60);
	assert_null(expiry_next(x, 1000, &left)); /* once */
	assert_null(expiry_next(x, 1059, &left));
	assert_ptr_equal(expiry_next(x, 1060, &left), &sessions[0]);
	assert_int_equal(left, 0);
	assert_int_equal(expiry_count(x), 0);
	assert_null(expiry_next(x, 1000000, &left));
	/* nobody looked for long: it is over, and not told first */
	assert_int_equal(expiry_set(x, 7, &sessions[0], 1000, 1060), 0);
	assert_ptr_equal(expiry_next(x, 5000, &left), &sessions[0]);
	assert_int_equal(left, 0);
	assert_int_equal(expiry_count(x), 0);
	expiry_free(x);
}

static void test_renewed_and_cleared(void **state)
{
	struct expiry *x = expiry_new();
	int64_t left;

	(void)state;
	assert_int_equal(expiry_set(x, 7, &sessions[0], 1000, 1060), 0);
	assert_ptr_equal(expiry_next(x, 1010, &left), &sessions[0]);
	assert_int_equal(expiry_set(x, 7, &sessions[0], 2000, 2060), 0);
	assert_int_equal(expiry_count(x), 1);
	assert_null(expiry_next(x, 1999, &left));
	assert_ptr_equal(expiry_next(x, 2000, &left), &sessions[0]); /* told again */
	expiry_clear(x, 7);
	expiry_clear(x, 7);
	expiry_clear(x, 8);
	assert_int_equal(expiry_count(x), 0);
	assert_null(expiry_next(x, 1000000, &left));
	assert_int_equal(expiry_set(x, 7, &sessions[0], 1000, 1060), 0);
	expiry_free(x);
	expiry_free(NULL);
}

/* Whatever is set, moved and cleared: all come, in order, and no other. */
static void test_order(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed < 20; seed++) {
		struct expiry *x = expiry_new();
		int64_t end[MANY] = { 0 }, left, last = 0;
		size_t n = 0, came = 0;
		struct session *s;
		unsigned r = seed;

		for (int i = 0; i < 4 * MANY; i++) {
			uint32_t k = (r = r * 1103515245 + 12345) / 65536 % MANY;

			r = r * 1103515245 + 12345;
			if (r / 65536 % 4 == 0) {
				expiry_clear(x, k);
				end[k] = 0;
				continue;
			}
			end[k] = 1 + r / 65536 % 10000;
			assert_int_equal(expiry_set(x, k, &sessions[k], end[k], end[k]), 0);
		}
		for (int i = 0; i < MANY; i++)
			n += end[i] != 0;
		assert_int_equal(expiry_count(x), n);
		while (n > came && (s = expiry_next(x, 20000, &left)) != NULL) {
			int64_t its = end[s - sessions];

			assert_int_equal(left, 0);
			assert_true(its >= last && its > 0);
			end[s - sessions] = 0;
			last = its;
			came++;
		}
		assert_int_equal(came, n);
		assert_int_equal(expiry_count(x), 0);
		expiry_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_then_over),
		cmocka_unit_test(test_renewed_and_cleared),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
