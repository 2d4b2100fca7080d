#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/grant.h"

static bool allows(const struct grant *g, enum grant_what what, const char *room)
{
	return grant_allows(g, what, room, strlen(room));
}

static void test_no_limits(void **state)
{
	struct grant *g = grant_new(0);

	(void)state;
	for (int i = 0; i < 2; i++, g = NULL) {
		assert_true(allows(g, GRANT_JOIN, "lobby"));
		assert_true(allows(g, GRANT_WRITE, "lobby"));
		assert_false(allows(g, GRANT_MODERATE, "lobby"));
		assert_int_equal(grant_expires(g), 0);
		if (i == 0)
			grant_unref(g);
	}
	grant_unref(NULL);
	assert_null(grant_ref(NULL));
}

/* Each kind has its own list; a list without patterns allows nothing. */
static void test_kinds(void **state)
{
	struct grant *g = grant_new(5000);
	const char *why;

	(void)state;
	assert_int_equal(grant_expires(g), 5000);
	grant_limit(g, GRANT_JOIN);
	assert_false(allows(g, GRANT_JOIN, "lobby"));
	assert_true(allows(g, GRANT_WRITE, "lobby"));
	assert_int_equal(grant_add(g, GRANT_JOIN, "lobby", 5, &why), 0);
	assert_int_equal(grant_add(g, GRANT_JOIN, "team-*", 6, &why), 0);
	grant_limit(g, GRANT_MODERATE);
	assert_int_equal(grant_add(g, GRANT_MODERATE, "team-1", 6, &why), 0);
	assert_true(allows(g, GRANT_JOIN, "lobby"));
	assert_true(allows(g, GRANT_JOIN, "team-1"));
	assert_false(allows(g, GRANT_JOIN, "teams"));
	assert_true(allows(g, GRANT_MODERATE, "team-1"));
	assert_false(allows(g, GRANT_MODERATE, "team-2"));
	assert_false(allows(g, GRANT_MODERATE, "lobby"));
	assert_ptr_equal(grant_ref(g), g);
	grant_unref(g);
	grant_unref(g);
}

static void test_patterns(void **state)
{
	static const struct {
		const char *pattern, *room;
		bool fits;
	} rows[] = {
		{ "lobby", "lobby", true },    { "lobby", "Lobby", false },  { "lobby", "lobb", false },
		{ "lobby", "lobbyy", false },  { "*", "", true },            { "*", "anything", true },
		{ "**", "x", true },           { "a*", "a", true },          { "a*", "ab", true },
		{ "a*", "ba", false },         { "*a", "a", true },          { "*a", "bca", true },
		{ "*a", "ab", false },         { "a*b*c", "abc", true },     { "a*b*c", "aXbYbZc", true },
		{ "a*b*c", "acb", false },     { "*ab", "aab", true },       { "*aab*", "aaaab", true },
		{ "a*b", "a*b", true },        { "a?c", "abc", false },      { "[ab]", "a", false },
		{ "a.c", "abc", false },       { "\xc3\xa9*", "\xc3\xa9t\xc3\xa9", true },
		{ "e\xcc\x81*", "\xc3\xa9t\xc3\xa9", true }, /* NFC, as rooms are */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct grant *g = grant_new(0);
		const char *why;

		grant_limit(g, GRANT_JOIN);
		assert_int_equal(grant_add(g, GRANT_JOIN, rows[i].pattern, strlen(rows[i].pattern), &why), 0);
		if (allows(g, GRANT_JOIN, rows[i].room) != rows[i].fits)
			fail_msg("%s and %s", rows[i].pattern, rows[i].room);
		grant_unref(g);
	}
}

/* The worst that a pattern and a room can do is a few thousand steps. */
static void test_a_slow_pattern(void **state)
{
	struct grant *g = grant_new(0);
	char pattern[129], room[129];
	const char *why;

	(void)state;
	for (size_t i = 0; i < 128; i += 2)
		memcpy(pattern + i, "a*", 2);
	pattern[127] = 'b';
	memset(room, 'a', 128);
	grant_limit(g, GRANT_JOIN);
	assert_int_equal(grant_add(g, GRANT_JOIN, pattern, 128, &why), 0);
	for (int i = 0; i < 1000; i++)
		assert_false(grant_allows(g, GRANT_JOIN, room, 128));
	room[127] = 'b';
	assert_true(grant_allows(g, GRANT_JOIN, room, 128));
	grant_unref(g);
}

static void test_refused(void **state)
{
	struct grant *g = grant_new(0);
	char text[16], long_one[130];
	const char *why;

	(void)state;
	assert_int_equal(grant_add(g, GRANT_JOIN, "", 0, &why), -1);
	assert_string_equal(why, "the room's name is empty");
	assert_int_equal(grant_add(g, GRANT_JOIN, "@x", 2, &why), -1);
	assert_int_equal(grant_add(g, GRANT_JOIN, "a\nb", 3, &why), -1);
	assert_int_equal(grant_add(g, GRANT_JOIN, "\xff", 1, &why), -1);
	memset(long_one, 'x', sizeof(long_one));
	assert_int_equal(grant_add(g, GRANT_JOIN, long_one, 129, &why), -1);
	assert_int_equal(grant_add(g, GRANT_JOIN, long_one, 128, &why), 0);
	for (int i = 1; i < GRANT_PATTERNS_MAX; i++) {
		snprintf(text, sizeof(text), "r%d", i);
		assert_int_equal(grant_add(g, GRANT_JOIN, text, strlen(text), &why), 0);
	}
	assert_int_equal(grant_add(g, GRANT_JOIN, "r", 1, &why), -1);
	assert_string_equal(why, "it has more than 64 patterns of rooms");
	assert_int_equal(grant_add(g, GRANT_WRITE, "r", 1, &why), 0);
	grant_unref(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limits), cmocka_unit_test(test_kinds),   cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_a_slow_pattern), cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
