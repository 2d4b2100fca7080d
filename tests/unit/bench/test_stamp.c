/* Unit tests of bench/stamp: found wherever it is, and only when it is whole. */
#include <config.h>

#include "bench/stamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define RUN 0xABCDEF

static const struct stamp sample = {.run = RUN,
				    .sender = 123456,
				    .seq = 987654321,
				    .time_us = UINT64_C(0xFEDCBA987654)};

static void assert_same(const struct stamp *a, const struct stamp *b)
{
	assert_int_equal(a->run, b->run);
	assert_int_equal(a->sender, b->sender);
	assert_int_equal(a->seq, b->seq);
	assert_true(a->time_us == b->time_us);
}

static void there_and_back(void **state)
{
	const struct stamp ends[] = {
	    sample,
	    {.run = RUN},
	    {.run = RUN,
	     .sender = STAMP_SENDERS - 1,
	     .seq = STAMP_SEQS - 1,
	     .time_us = (UINT64_C(1) << 48) - 1},
	};
	char text[STAMP_LEN];
	struct stamp got;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		stamp_write(text, &ends[i]);
		assert_ptr_equal(stamp_find(text, STAMP_LEN, RUN, &got), text + STAMP_LEN);
		assert_same(&got, &ends[i]);
	}
}

static void anywhere_in_a_message(void **state)
{
	char stamp[STAMP_LEN], text[200];
	struct stamp got;
	const char *after;
	size_t len;

	(void)state;
	stamp_write(stamp, &sample);
	len = (size_t)snprintf(text, sizeof(text), "{\"a\":\"^^^^\",\"message\":\"^%.*sxxxx\"}", STAMP_LEN,
			       stamp);
	after = stamp_find(text, len, RUN, &got);
	assert_non_null(after);
	assert_memory_equal(after, "xxxx\"}", 6);
	assert_same(&got, &sample);
	assert_null(stamp_find(after, len - (size_t)(after - text), RUN, &got));
}

static void two_in_one_message(void **state)
{
	struct stamp got, second = sample;
	char text[3 * STAMP_LEN];
	const char *at;

	(void)state;
	second.seq = 7;
	memset(text, '-', sizeof(text));
	stamp_write(text + 3, &sample);
	stamp_write(text + sizeof(text) - STAMP_LEN, &second);
	at = stamp_find(text, sizeof(text), RUN, &got);
	assert_same(&got, &sample);
	at = stamp_find(at, (size_t)(text + sizeof(text) - at), RUN, &got);
	assert_ptr_equal(at, text + sizeof(text));
	assert_same(&got, &second);
}

static void neither_cut_nor_changed_nor_anothers(void **state)
{
	char text[STAMP_LEN], changed[STAMP_LEN];
	struct stamp got;

	(void)state;
	stamp_write(text, &sample);
	for (size_t len = 0; len < STAMP_LEN; len++)
		assert_null(stamp_find(text, len, RUN, &got));
	assert_null(stamp_find(text, STAMP_LEN, RUN + 1, &got));
	for (size_t i = 0; i < STAMP_LEN; i++) {
		memcpy(changed, text, STAMP_LEN);
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		assert_null(stamp_find(changed, STAMP_LEN, RUN, &got));
		changed[i] = '"';
		assert_null(stamp_find(changed, STAMP_LEN, RUN, &got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(anywhere_in_a_message),
	    cmocka_unit_test(two_in_one_message),
	    cmocka_unit_test(neither_cut_nor_changed_nor_anothers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
