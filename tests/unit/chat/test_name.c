#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/name.h"

static void room_is(const char *in, size_t len, const char *want)
{
	const char *why = NULL;
	struct payload *p = name_room(in, len, &why);

	if (want == NULL) {
		assert_null(p);
		assert_non_null(why);
		return;
	}
	assert_non_null(p);
	assert_string_equal(p->data, want);
	payload_unref(p);
}

static void test_rooms(void **state)
{
	char long_name[129];

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	long_name[128] = '\0';
	room_is(long_name, 128, long_name);
	long_name[128] = 'x';
	room_is("lobby", 5, "lobby");
	room_is("Lobby", 5, "Lobby");
	room_is("cafe\xcc\x81", 6, "caf\xc3\xa9");
	room_is("a/b c", 5, "a/b c");
	room_is("a@b", 3, "a@b");
	room_is(long_name, 129, NULL);
	room_is("", 0, NULL);
	room_is("@ann", 4, NULL);
	room_is("a\nb", 3, NULL);
	room_is("a\0b", 3, NULL);
	room_is("\xff", 1, NULL);
	room_is("a\xe2\x80\xae", 4, NULL); /* U+202E */
	room_is("\xe2\x81\xa6x", 4, NULL); /* U+2066 */
	room_is("\xe2\x80\xa8", 3, NULL);  /* U+2028 */
}

static void person_is(const char *in, const char *want)
{
	const char *why = NULL;
	struct payload *p = name_person(in, strlen(in), &why);

	if (want == NULL) {
		assert_null(p);
		assert_non_null(why);
		return;
	}
	assert_non_null(p);
	assert_string_equal(p->data, want);
	assert_int_equal(p->len, strlen(want));
	payload_unref(p);
}

static void test_people(void **state)
{
	char name[66];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[65] = '\0';
	person_is(name, NULL);
	name[64] = '\0';
	person_is(name, name);
	person_is("  Ann   Lee ", "Ann Lee");
	person_is("Ann\xe3\x80\x80Lee", "Ann Lee"); /* U+3000 */
	person_is("\xef\xbc\xa1nn", "Ann");         /* fullwidth A */
	person_is("", NULL);
	person_is("   ", NULL);
	person_is("a\tb", NULL);
	person_is("a\xe2\x80\x8b", NULL); /* U+200B */
	person_is("\xe2\x80\xaenna", NULL);
	person_is("\xc3\xa9milie \xf0\x9f\x8c\xb1", "\xc3\xa9milie \xf0\x9f\x8c\xb1");
}

static void test_keys(void **state)
{
	static const char *const same[] = { "STRA\xc3\x9f\x45", "STRASSE", " strasse ", "\xef\xbc\xb3trasse" };
	struct payload *first = name_key(same[0], strlen(same[0])), *other = name_key("strase", 6);

	(void)state;
	for (size_t i = 1; i < sizeof(same) / sizeof(same[0]); i++) {
		struct payload *k = name_key(same[i], strlen(same[i]));

		assert_string_equal(k->data, first->data);
		payload_unref(k);
	}
	assert_string_not_equal(other->data, first->data);
	payload_unref(first);
	payload_unref(other);
	assert_null(name_key("\x01", 1));
}

static void user_is(const char *in, size_t len, bool good)
{
	const char *why = NULL;
	struct payload *p = name_user(in, len, &why);

	assert_int_equal(p != NULL, good);
	if (p == NULL)
		assert_non_null(why);
	else
		assert_memory_equal(p->data, in, len + 1);
	payload_unref(p);
}

/* A user's id is taken as it is, byte by byte. */
static void test_users(void **state)
{
	char id[66];

	(void)state;
	memset(id, 'x', sizeof(id));
	id[64] = '\0';
	user_is(id, 64, true);
	id[64] = 'x';
	user_is(id, 65, false);
	user_is("4711", 4, true);
	user_is(" Ann@example.org ", 17, true);
	user_is("cafe\xcc\x81", 6, true);
	user_is("", 0, false);
	user_is("a\0b", 3, false);
	user_is("a\nb", 3, false);
	user_is("a\x7f", 2, false);
	user_is("\xc2\x85", 2, false);
	user_is("\xc3", 1, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rooms),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_people),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
