/* Unit tests of bench/ledger: what is lost, late or twice, told apart; orders compared. */
#include <config.h>

#include "bench/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void in_order(void **state)
{
	struct ledger l;

	(void)state;
	ledger_init(&l, 2);
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(ledger_note(&l, 0, i), LEDGER_NEXT);
		assert_int_equal(ledger_note(&l, 1, i), LEDGER_NEXT);
	}
	assert_int_equal(l.got, 200);
	assert_int_equal(l.missing + l.twice + l.late, 0);
	assert_null(l.seen);
	assert_int_equal(ledger_tail(&l, 0, 100), 0);
	assert_int_equal(ledger_tail(&l, 0, 103), 3);
	ledger_clear(&l);
}

static void a_gap_stays_or_closes(void **state)
{
	struct ledger l;

	(void)state;
	ledger_init(&l, 1);
	ledger_note(&l, 0, 0);
	assert_int_equal(ledger_note(&l, 0, 3), LEDGER_GAP);
	assert_int_equal(l.missing, 2);
	assert_int_equal(ledger_note(&l, 0, 4), LEDGER_NEXT);
	assert_int_equal(ledger_note(&l, 0, 2), LEDGER_LATE);
	assert_int_equal(ledger_note(&l, 0, 2), LEDGER_TWICE);
	assert_int_equal(ledger_note(&l, 0, 3), LEDGER_TWICE);
	assert_int_equal(ledger_note(&l, 0, 0), LEDGER_TWICE);
	assert_int_equal(l.missing, 1);
	assert_int_equal(l.late, 1);
	assert_int_equal(l.twice, 3);
	assert_int_equal(l.got, 4);
	ledger_clear(&l);
}

static void twice_without_a_gap(void **state)
{
	struct ledger l;

	(void)state;
	ledger_init(&l, 1);
	ledger_note(&l, 0, 0);
	assert_int_equal(ledger_note(&l, 0, 0), LEDGER_TWICE);
	assert_int_equal(ledger_note(&l, 0, 1), LEDGER_NEXT);
	assert_int_equal(l.got, 2);
	assert_int_equal(l.twice, 1);
	ledger_clear(&l);
}

static void a_large_gap(void **state)
{
	struct ledger l;

	(void)state;
	ledger_init(&l, 1);
	assert_int_equal(ledger_note(&l, 0, 1000), LEDGER_GAP);
	assert_int_equal(l.missing, 1000);
	assert_int_equal(ledger_note(&l, 0, 1000), LEDGER_TWICE);
	assert_int_equal(ledger_note(&l, 0, 999), LEDGER_LATE);
	assert_int_equal(ledger_note(&l, 0, 0), LEDGER_LATE);
	assert_int_equal(l.missing, 998);
	ledger_clear(&l);
}

static uint64_t hash_of(const uint32_t (*messages)[2], int n)
{
	struct ledger l;
	uint64_t order;

	ledger_init(&l, 3);
	for (int i = 0; i < n; i++)
		ledger_note(&l, messages[i][0], messages[i][1]);
	order = l.order;
	ledger_clear(&l);
	return order;
}

static void orders(void **state)
{
	static const uint32_t one[][2] = {{0, 0}, {1, 0}, {2, 0}, {0, 1}};
	static const uint32_t other[][2] = {{0, 0}, {2, 0}, {1, 0}, {0, 1}};
	uint64_t same[] = {hash_of(one, 4), hash_of(one, 4), hash_of(one, 4)};
	uint64_t differ[] = {hash_of(one, 4), hash_of(other, 4), hash_of(one, 4), hash_of(one, 3)};

	(void)state;
	assert_int_equal(ledger_disagree(same, 3), 0);
	assert_int_equal(ledger_disagree(differ, 4), 2);
	assert_int_equal(ledger_disagree(same, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(in_order),
	    cmocka_unit_test(a_gap_stays_or_closes),
	    cmocka_unit_test(twice_without_a_gap),
	    cmocka_unit_test(a_large_gap),
	    cmocka_unit_test(orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
