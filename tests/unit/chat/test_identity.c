#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/identity.h"

/* ---- roles ---- */

static void test_roles(void **state)
{
	static const char *const words[] = { "guest", "user", "moderator", "admin" };
	enum role r;

	(void)state;
	assert_int_equal(ROLE_COUNT, 4);
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		assert_string_equal(role_name((enum role)i), words[i]);
		assert_true(role_parse(words[i], strlen(words[i]), &r));
		assert_int_equal(r, i);
	}
	assert_true(ROLE_GUEST < ROLE_USER && ROLE_USER < ROLE_MODERATOR && ROLE_MODERATOR < ROLE_ADMIN);
	assert_false(role_parse("", 0, &r));
	assert_false(role_parse("Admin", 5, &r));
	assert_false(role_parse("admins", 6, &r));
	assert_false(role_parse("admin", 4, &r));
}

/* ---- tokens ---- */

static const char *add(struct tokens *t, const char *token, const char *user, const char *name, enum role role)
{
	unsigned char hash[TOKEN_HASH_LEN];
	const char *why = NULL;

	assert_true(tokens_hash(token, strlen(token), hash));
	return tokens_add(t, hash, user, name, role, &why) == 0 ? NULL : why;
}

static struct identity *who(const struct tokens *t, const char *token)
{
	const char *why;

	return identity_of_token(t, token, strlen(token), &why);
}

/* FIPS 180-2's own example. */
static void test_hash(void **state)
{
	static const unsigned char want[TOKEN_HASH_LEN] = {
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
		0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
	};
	unsigned char hash[TOKEN_HASH_LEN];

	(void)state;
	assert_true(tokens_hash("abc", 3, hash));
	assert_memory_equal(hash, want, sizeof(want));
}

static void test_whose_it_is(void **state)
{
	struct tokens *t = tokens_new();
	struct identity *id;
	const char *why = NULL;

	(void)state;
	assert_null(add(t, "red", "u1", "Ann", ROLE_USER));
	assert_null(add(t, "blue", "u1", NULL, ROLE_MODERATOR)); /* a user may have several */
	assert_null(add(t, "green", "u2", "", ROLE_ADMIN));

	id = who(t, "red");
	assert_string_equal(id->user->data, "u1");
	assert_string_equal(id->name->data, "Ann");
	assert_int_equal(id->role, ROLE_USER);
	assert_null(id->grant); /* all rooms, for ever */
	identity_free(id);
	id = who(t, "blue");
	assert_string_equal(id->user->data, "u1");
	assert_null(id->name);
	assert_int_equal(id->role, ROLE_MODERATOR);
	identity_free(id);
	id = who(t, "green");
	assert_null(id->name);
	assert_int_equal(id->role, ROLE_ADMIN);
	identity_free(id);

	assert_null(who(t, "yellow"));
	assert_null(who(t, "re"));
	assert_null(who(t, "redd"));
	assert_null(identity_of_token(t, "red", 4, &why)); /* the NUL counts */
	assert_null(who(t, ""));
	assert_null(who(NULL, "red"));
	assert_string_equal(why, "this token is not known here");
	tokens_free(t);
}

/* An identity lives on when the table is gone, as it does after a reload. */
static void test_identity_outlives_the_table(void **state)
{
	struct tokens *t = tokens_new();
	struct identity *id, *copy;

	(void)state;
	assert_null(add(t, "red", "u1", "Ann", ROLE_USER));
	id = who(t, "red");
	tokens_free(t);
	copy = identity_copy(id);
	identity_free(id);
	assert_string_equal(copy->user->data, "u1");
	assert_string_equal(copy->name->data, "Ann");
	identity_free(copy);
	identity_free(NULL);
	tokens_free(NULL);
}

static void test_what_is_refused(void **state)
{
	struct tokens *t = tokens_new();
	char user[66];
	struct identity *id;

	(void)state;
	assert_null(add(t, "red", "u1", NULL, ROLE_USER));
	assert_string_equal(add(t, "red", "u2", NULL, ROLE_USER), "the same token is there already");
	assert_string_equal(add(t, "a", "", NULL, ROLE_USER), "the user's id is empty");
	memset(user, 'u', sizeof(user));
	user[65] = '\0';
	assert_string_equal(add(t, "a", user, NULL, ROLE_USER), "the user's id is longer than 64 bytes");
	assert_non_null(add(t, "a", "a\tb", NULL, ROLE_USER));
	assert_non_null(add(t, "a", "a\x7f", NULL, ROLE_USER));
	assert_non_null(add(t, "a", "\xff", NULL, ROLE_USER));
	assert_non_null(add(t, "a", "\xc2\x85", NULL, ROLE_USER)); /* U+0085 */
	assert_string_equal(add(t, "a", "u", "  ", ROLE_USER), "the name is empty");
	assert_non_null(add(t, "a", "u", "A\nnn", ROLE_USER));
	assert_null(who(t, "a"));
	/* what was refused left nothing behind */
	user[64] = '\0';
	assert_null(add(t, "a", user, "  A\xcc\x8a  nn ", ROLE_USER));
	id = who(t, "a");
	assert_string_equal(id->user->data, user);
	assert_string_equal(id->name->data, "\xc3\x85 nn"); /* prepared */
	identity_free(id);
	tokens_free(t);
}

static void test_the_longest(void **state)
{
	static char token[IDENTITY_TOKEN_MAX + 1];
	struct tokens *t = tokens_new();
	unsigned char hash[TOKEN_HASH_LEN];
	struct identity *id;
	const char *why;

	(void)state;
	memset(token, 'x', sizeof(token));
	assert_true(tokens_hash(token, IDENTITY_TOKEN_MAX, hash));
	assert_int_equal(tokens_add(t, hash, "u", NULL, ROLE_USER, &why), 0);
	assert_true(tokens_hash(token, IDENTITY_TOKEN_MAX + 1, hash));
	assert_int_equal(tokens_add(t, hash, "v", NULL, ROLE_USER, &why), 0);
	id = identity_of_token(t, token, IDENTITY_TOKEN_MAX, &why);
	assert_non_null(id);
	identity_free(id);
	assert_null(identity_of_token(t, token, IDENTITY_TOKEN_MAX + 1, &why));
	tokens_free(t);
}

static void test_many(void **state)
{
	struct tokens *t = tokens_new();
	char token[16], user[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(token, sizeof(token), "t%d", i);
		snprintf(user, sizeof(user), "u%d", i);
		assert_null(add(t, token, user, NULL, ROLE_USER));
	}
	for (int i = 0; i < 1000; i += 37) {
		struct identity *id;

		snprintf(token, sizeof(token), "t%d", i);
		snprintf(user, sizeof(user), "u%d", i);
		id = who(t, token);
		assert_string_equal(id->user->data, user);
		identity_free(id);
	}
	assert_null(who(t, "t1000"));
	tokens_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_whose_it_is),
		cmocka_unit_test(test_identity_outlives_the_table),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_the_longest),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
