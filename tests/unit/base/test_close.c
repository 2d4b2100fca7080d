/* Unit tests of base/close: every row of close.def is one that RFC 6455 lets us send. */
#include <config.h>

#include "base/close.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum verdict { RECONNECT, STAY_AWAY };

static const enum verdict verdicts[] = {
#define CLOSE(id, code, verdict, text) verdict,
#include "base/close.def"
#undef CLOSE
};

static void rows(void **state)
{
	(void)state;
	assert_string_equal(close_name(CLOSE_peer_gone), "peer_gone");
	assert_int_equal(close_code(CLOSE_peer_gone), 0);
	assert_string_equal(close_name(CLOSE_bye), "bye");
	assert_int_equal(close_code(CLOSE_bye), 1000);
	assert_string_equal(close_text(CLOSE_bye), "Bye!");
	assert_string_equal(close_text(CLOSE_by_peer), "");
	assert_int_equal(close_code(CLOSE_going_away), 1001);
	assert_int_equal(close_code(CLOSE_too_big), 1009);
}

/* RFC 6455 7.4: what an endpoint may set in a Close frame, and our own ranges. */
static bool may_be_sent(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 4000 && code <= 4999);
}

static void every_row_is_sound(void **state)
{
	(void)state;
	for (int i = 0; i < CLOSE_COUNT; i++) {
		enum close_reason r = (enum close_reason)i;
		unsigned code = close_code(r);

		assert_true(strlen(close_name(r)) > 0);
		assert_true(strlen(close_text(r)) <= 123);
		assert_true(code == 0 || may_be_sent(code));
		if (code >= 4000)
			assert_int_equal(verdicts[i], code < 4500 ? RECONNECT : STAY_AWAY);
		for (const char *c = close_text(r); *c; c++)
			assert_in_range((unsigned char)*c, 0x20, 0x7e);
	}
}

static void own_codes_are_used_once(void **state)
{
	(void)state;
	for (int i = 0; i < CLOSE_COUNT; i++)
		for (int j = 0; j < i; j++)
			if (close_code((enum close_reason)i) >= 4000)
				assert_int_not_equal(close_code((enum close_reason)i),
						     close_code((enum close_reason)j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(every_row_is_sound),
		cmocka_unit_test(own_codes_are_used_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
