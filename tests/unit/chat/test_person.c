#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/person.h"

static void test_guest_with_a_name(void **state)
{
	struct person *p = person_new(NULL, "Ann \"A\" O'Neil", ROLE_GUEST, 4711), *same = person_new(NULL, "ANN \"a\" o'neil", ROLE_GUEST, 5);

	(void)state;
	assert_null(person_user(p));
	assert_string_equal(person_name(p), "Ann \"A\" O'Neil");
	assert_int_equal(p->role, ROLE_GUEST);
	assert_int_equal(p->holder, 4711);
	assert_false(person_is_user(p->holder));
	assert_string_equal(person_suffix(p), ",\"name\":\"Ann \\\"A\\\" O'Neil\"");
	assert_int_equal(person_ident(p)[0], 'n');
	assert_string_equal(person_ident(p) + 1, person_key(p));
	assert_string_equal(person_key(p), person_key(same));
	assert_string_equal(person_ident(p), person_ident(same));
	person_unref(p);
	person_unref(same);
}

static void test_user(void **state)
{
	struct person *p = person_new("7", "Ann", ROLE_MODERATOR, 4711), *nameless = person_new("7", NULL, ROLE_USER, 12);
	struct person *guest = person_new(NULL, "7", ROLE_GUEST, 1);

	(void)state;
	assert_string_equal(person_user(p), "7");
	assert_string_equal(person_ident(p), "u7");
	assert_string_equal(person_suffix(p), ",\"name\":\"Ann\",\"user\":\"7\"");
	assert_int_equal(p->role, ROLE_MODERATOR);
	assert_true(p->holder == person_holder("7"));
	assert_true(person_is_user(p->holder));
	assert_true(person_holder("8") != p->holder);
	assert_null(person_name(nameless));
	assert_null(person_key(nameless));
	assert_string_equal(person_ident(nameless), "u7");
	assert_string_equal(person_suffix(nameless), ",\"user\":\"7\"");
	assert_true(nameless->holder == p->holder);
	assert_string_not_equal(person_ident(guest), person_ident(p)); /* a name is no user's id */
	person_unref(p);
	person_unref(nameless);
	person_unref(guest);
}

/* What a token allows goes with a person, also to another name; others have no place for it. */
static void test_grants(void **state)
{
	struct grant *g = grant_new(5000);
	struct person *p, *named, *plain = person_new("7", "Ann", ROLE_USER, 1), *other = person_new("8", "Bob", ROLE_MODERATOR, 1);
	const char *why;

	(void)state;
	grant_limit(g, GRANT_MODERATE);
	assert_int_equal(grant_add(g, GRANT_MODERATE, "team-*", 6, &why), 0);
	p = person_new_granted("7", NULL, ROLE_USER, g, 1);
	grant_unref(g); /* it has its own */
	assert_string_equal(person_user(p), "7");
	assert_string_equal(person_suffix(p), ",\"user\":\"7\"");
	assert_int_equal(grant_expires(person_grant(p)), 5000);
	named = person_renamed(p, "Ann", 1);
	person_unref(p);
	assert_string_equal(person_user(named), "7");
	assert_string_equal(person_name(named), "Ann");
	assert_string_equal(person_ident(named), "u7");
	assert_string_equal(person_suffix(named), ",\"name\":\"Ann\",\"user\":\"7\"");
	assert_int_equal(grant_expires(person_grant(named)), 5000);
	assert_int_equal(person_role(named, "team-1", 6), ROLE_MODERATOR);
	assert_int_equal(person_role(named, "lobby", 5), ROLE_USER);
	assert_int_equal(person_role(plain, "team-1", 6), ROLE_USER);
	assert_int_equal(person_role(other, "lobby", 5), ROLE_MODERATOR);
	assert_int_equal(person_role(NULL, "team-1", 6), ROLE_GUEST);
	assert_null(person_grant(plain));
	assert_null(person_grant(NULL));
	assert_true(person_is_same(named, plain)); /* to others */
	assert_false(person_is_same(named, other) || person_is_same(named, NULL) || person_is_same(NULL, named));
	assert_true(person_is_same(NULL, NULL));
	p = person_renamed(NULL, "Zoe", 9);
	assert_null(person_user(p));
	assert_int_equal(p->holder, 9);
	person_unref(p);
	person_unref(named);
	person_unref(plain);
	person_unref(other);
}

static void test_nobody(void **state)
{
	(void)state;
	assert_null(person_new(NULL, NULL, ROLE_GUEST, 1));
	assert_null(person_ref(NULL));
	person_unref(NULL);
}

/* As small as can be: a name that is its own key is there once; and nobody's texts are longer than it can tell. */
static void test_texts(void **state)
{
	struct person *p = person_new(NULL, "ann", ROLE_GUEST, 1), *u = person_new("7", "ann", ROLE_USER, 1);
	char huge[70000];

	(void)state;
	assert_ptr_equal(person_name(p), person_key(p));
	assert_ptr_equal(person_name(u), person_key(u));
	assert_string_equal(person_shown(p), "ann");
	assert_string_equal(person_suffix(NULL), "");
	assert_null(person_shown(NULL));
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_null(person_new(huge, "ann", ROLE_USER, 1));
	person_unref(p);
	person_unref(u);
}

static void test_counted(void **state)
{
	struct person *p = person_new("7", "Ann", ROLE_USER, 1);

	(void)state;
	assert_ptr_equal(person_ref(p), p);
	person_unref(p);
	assert_string_equal(person_name(p), "Ann");
	person_unref(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest_with_a_name),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_grants),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
