#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/sanctions.h"

static const char *key_of(enum sanction what, const char *user, const char *address)
{
	static char key[SANCTION_KEY_MAX];

	sanction_key(key, what, user, address);
	return key;
}

static void test_keys(void **state)
{
	char long_user[65];

	(void)state;
	assert_string_equal(sanction_word(SANCTION_BAN), "ban");
	assert_string_equal(sanction_word(SANCTION_MUTE), "mute");
	assert_string_equal(key_of(SANCTION_BAN, "7", NULL), "ban u:7");
	assert_string_equal(key_of(SANCTION_BAN, "7", "192.0.2.1"), "ban u:7");
	assert_string_equal(key_of(SANCTION_MUTE, NULL, "203.0.113.9"), "mute a:203.0.113.9");
	/* an IPv6 client has a /64 of them, however it is written */
	assert_string_equal(key_of(SANCTION_BAN, NULL, "2001:db8:1:2:3:4:5:6"), "ban a:2001:db8:1:2::/64");
	assert_string_equal(key_of(SANCTION_BAN, NULL, "2001:0db8:1:2::"), "ban a:2001:db8:1:2::/64");
	assert_string_equal(key_of(SANCTION_BAN, NULL, "::1"), "ban a:::/64");
	assert_string_equal(key_of(SANCTION_BAN, NULL, "unix"), "ban a:unix");
	memset(long_user, 'x', 64);
	long_user[64] = '\0';
	assert_int_equal(strlen(key_of(SANCTION_MUTE, long_user, NULL)), 7 + 64);
}

static uint64_t lasts(struct sanctions *s, enum sanction what, const char *user, const char *address, uint64_t now)
{
	return sanctions_last(s, what, user, address, now);
}

static void test_they_end(void **state)
{
	struct sanctions s = { NULL };

	(void)state;
	assert_int_equal(lasts(&s, SANCTION_BAN, "7", NULL, 100), 0);
	assert_int_equal(sanctions_set(&s, "ban u:7", "", 50, 100), 0);
	assert_int_equal(lasts(&s, SANCTION_BAN, "7", NULL, 100), 50);
	assert_int_equal(lasts(&s, SANCTION_BAN, "7", "192.0.2.1", 149), 1);
	assert_int_equal(lasts(&s, SANCTION_MUTE, "7", NULL, 100), 0);
	assert_int_equal(lasts(&s, SANCTION_BAN, "8", NULL, 100), 0);
	assert_int_equal(lasts(&s, SANCTION_BAN, NULL, NULL, 100), 0);
	assert_int_equal(lasts(&s, SANCTION_BAN, "7", NULL, 150), 0);
	assert_int_equal(lasts(&s, SANCTION_BAN, "7", NULL, 100), 0); /* it is gone */
	assert_int_equal(sanctions_set(&s, "ban u:7", "", 0, 100), 0);
	assert_true(lasts(&s, SANCTION_BAN, "7", NULL, UINT64_MAX - 1) == UINT64_MAX);
	assert_int_equal(sanctions_set(&s, "ban u:7", "", 10, 100), 0); /* another one takes its place */
	assert_int_equal(lasts(&s, SANCTION_BAN, "7", NULL, 100), 10);
	sanctions_lift(&s, "ban u:7");
	sanctions_lift(&s, "ban u:7");
	assert_int_equal(lasts(&s, SANCTION_BAN, "7", NULL, 100), 0);
	sanctions_clear(&s);
	sanctions_lift(&s, "ban u:7");
	sanctions_clear(&s);
}

static void test_addresses_and_labels(void **state)
{
	struct sanctions s = { NULL };

	(void)state;
	assert_null(sanctions_labelled(&s, SANCTION_BAN, "ann"));
	sanctions_set(&s, key_of(SANCTION_BAN, NULL, "2001:db8::1"), "ann", 50, 100);
	sanctions_set(&s, key_of(SANCTION_MUTE, NULL, "192.0.2.1"), "bob", 50, 100);
	assert_int_equal(lasts(&s, SANCTION_BAN, NULL, "2001:db8::ffff", 100), 50);
	assert_int_equal(lasts(&s, SANCTION_BAN, NULL, "2001:db8:0:1::1", 100), 0);
	assert_int_equal(lasts(&s, SANCTION_MUTE, NULL, "192.0.2.1", 100), 50);
	assert_int_equal(lasts(&s, SANCTION_MUTE, "7", NULL, 100), 0);
	assert_string_equal(sanctions_labelled(&s, SANCTION_BAN, "ann"), "ban a:2001:db8::/64");
	assert_null(sanctions_labelled(&s, SANCTION_MUTE, "ann"));
	assert_string_equal(sanctions_labelled(&s, SANCTION_MUTE, "bob"), "mute a:192.0.2.1");
	sanctions_lift(&s, sanctions_labelled(&s, SANCTION_MUTE, "bob"));
	assert_null(sanctions_labelled(&s, SANCTION_MUTE, "bob"));
	sanctions_clear(&s);
}

static void test_there_are_so_many(void **state)
{
	struct sanctions s = { NULL };
	char key[SANCTION_KEY_MAX];

	(void)state;
	assert_false(sanctions_are_full(&s, "ban u:0"));
	for (int i = 0; i < SANCTIONS_MAX; i++) {
		snprintf(key, sizeof(key), "ban u:%d", i);
		assert_false(sanctions_are_full(&s, key));
		assert_int_equal(sanctions_set(&s, key, "", 50, 100), 0);
	}
	assert_true(sanctions_are_full(&s, "ban u:x"));
	assert_int_equal(sanctions_set(&s, "ban u:x", "", 50, 100), -1);
	assert_int_equal(lasts(&s, SANCTION_BAN, "x", NULL, 100), 0);
	assert_false(sanctions_are_full(&s, "ban u:7")); /* which has its place */
	assert_int_equal(sanctions_set(&s, "ban u:7", "", 80, 100), 0);
	assert_int_equal(lasts(&s, SANCTION_BAN, "7", NULL, 100), 80);
	assert_int_equal(lasts(&s, SANCTION_BAN, "9", NULL, 160), 0); /* over: its place is free */
	assert_int_equal(sanctions_set(&s, "ban u:x", "", 50, 160), 0);
	sanctions_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_they_end),
		cmocka_unit_test(test_addresses_and_labels),
		cmocka_unit_test(test_there_are_so_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
