#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/members.h"

#include <jansson.h>

/* The page as "name/user,name/user". */
static const char *page(const struct members *m, const char *after, size_t limit, bool *more)
{
	static char out[1000];
	json_t *rows = members_page(m, after, limit, more), *row;
	size_t i;

	out[0] = '\0';
	json_array_foreach(rows, i, row) {
		const char *name = json_string_value(json_object_get(row, "name"));
		const char *user = json_string_value(json_object_get(row, "user"));

		assert_true(json_is_integer(json_object_get(row, "since")));
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s/%s", i ? "," : "", name ? name : "",
			 user ? user : "");
	}
	json_decref(rows);
	return out;
}

static void test_guests_are_counted(void **state)
{
	struct members m = { .guests = 0 };
	bool more = true;

	(void)state;
	assert_false(members_remove(&m, NULL)); /* nobody is there */
	assert_int_equal(m.guests, 0);
	assert_true(members_add(&m, NULL, 1));
	assert_true(members_add(&m, NULL, 1));
	assert_int_equal(m.guests, 2);
	assert_int_equal(members_count(&m), 0);
	assert_string_equal(page(&m, "", 10, &more), "");
	assert_false(more);
	assert_true(members_remove(&m, NULL));
	assert_int_equal(m.guests, 1);
	members_clear(&m);
	assert_int_equal(m.guests, 0);
	members_clear(&m);
}

static void test_connections_of_one_user(void **state)
{
	struct person *one = person_new("7", "Ann", ROLE_USER, 1), *other = person_new("7", "Ann", ROLE_USER, 2);
	struct person *guest = person_new(NULL, "7", ROLE_GUEST, 3);
	struct members m = { .guests = 0 };

	(void)state;
	assert_false(members_remove(&m, one));
	assert_true(members_add(&m, one, 5));
	assert_false(members_add(&m, other, 6));
	assert_true(members_add(&m, guest, 7)); /* whose name is the user's id: somebody else */
	assert_int_equal(members_count(&m), 2);
	assert_int_equal(members_find(&m, "u7")->seats, 2);
	assert_int_equal(members_find(&m, "u7")->since, 5);
	assert_ptr_equal(members_find(&m, "n7")->person, guest);
	assert_null(members_find(&m, "u8"));
	assert_ptr_equal(members_named(&m, person_key(one))->person, one);
	assert_null(members_named(&m, "nobody"));
	assert_false(members_remove(&m, other));
	assert_int_equal(members_count(&m), 2);
	assert_true(members_remove(&m, other)); /* who it is counts, not which struct */
	assert_null(members_find(&m, "u7"));
	assert_false(members_remove(&m, one));
	person_unref(one);
	person_unref(other);
	person_unref(guest);
	members_clear(&m); /* with the guest */
}

static void test_pages(void **state)
{
	static const char *const names[] = { "dora", "anna", NULL, "carl", "bert" };
	struct members m = { .guests = 0 };
	bool more;

	(void)state;
	assert_string_equal(page(&m, "", 10, &more), "");
	for (size_t i = 0; i < 5; i++) {
		char user[8];
		struct person *p;

		snprintf(user, sizeof(user), "b%zu", i);
		p = person_new(i == 1 ? NULL : user, names[i], ROLE_USER, i + 1);
		assert_true(members_add(&m, p, 1));
		person_unref(p);
	}
	assert_string_equal(page(&m, "", 10, &more), "anna/,/b2,bert/b4,carl/b3,dora/b0"); /* who has no name: by the user */
	assert_false(more);
	assert_string_equal(page(&m, "", 5, &more), "anna/,/b2,bert/b4,carl/b3,dora/b0");
	assert_false(more);
	assert_string_equal(page(&m, "", 2, &more), "anna/,/b2");
	assert_true(more);
	assert_string_equal(page(&m, "b2", 2, &more), "bert/b4,carl/b3");
	assert_true(more);
	assert_string_equal(page(&m, "carl", 2, &more), "dora/b0");
	assert_false(more);
	assert_string_equal(page(&m, "dora", 2, &more), "");
	assert_false(more);
	assert_string_equal(page(&m, "c", 1, &more), "carl/b3"); /* who need not be there */
	assert_string_equal(page(&m, "", 0, &more), "");
	assert_true(more);
	members_clear(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guests_are_counted),
		cmocka_unit_test(test_connections_of_one_user),
		cmocka_unit_test(test_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
