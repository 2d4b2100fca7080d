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

#include <unistr.h>

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

static void person_stays(const char *in) { person_is(in, in); }

/* Refused, for a reason with WORD in it. */
static void person_is_refused(const char *in, const char *word)
{
	const char *why = NULL;

	assert_null(name_person(in, strlen(in), &why));
	assert_non_null(why);
	assert_non_null(strstr(why, word));
}

static bool same(const char *a, const char *b)
{
	struct payload *k = name_key(a, strlen(a)), *l = name_key(b, strlen(b));
	bool result = k && l && k->len == l->len && memcmp(k->data, l->data, k->len) == 0;

	assert_non_null(k);
	assert_non_null(l);
	payload_unref(k);
	payload_unref(l);
	return result;
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

/* RFC 8266 section 4, tables 1 and 2. */
static void test_examples_of_the_rfc(void **state)
{
	(void)state;
	person_stays("Foo");
	person_stays("foo");
	person_stays("Foo Bar");
	person_stays("foo bar");
	person_stays("\u03a3");
	person_stays("\u03c3");
	person_stays("\u03c2");
	person_stays("\u265a");
	person_is("Richard \u2163", "Richard IV");
	assert_true(same("Foo", "foo"));
	assert_true(same("Foo Bar", "foo bar"));
	assert_true(same("\u03a3", "\u03c3"));
	assert_true(same("\u03c2", "\u03c3")); /* the RFC's comparison keeps these two apart; they differ in case only */
	assert_true(same("Richard \u2163", "richard iv"));
	assert_false(same("Foo", "Foo Bar"));
	assert_false(same("Foo Bar", "FooBar"));
	/* what the profile does, once done, it does not do again */
	person_is("\u00a0 a \u1680\u2003b\u3000", "a b");
	person_is("\u00a8x", "\u0308x");
	person_stays("\u0308x");
}

static void test_scripts(void **state)
{
	static const char mix[] = "scripts";

	(void)state;
	/* one */
	person_stays("J\u00fcrgen O\u2019Neill-Stra\u00dfe 7");
	person_stays("\u0410\u043d\u043d\u0430 \u041f.");
	person_stays("\u0391\u03bd\u03bd\u03b1");
	person_stays("\u0645\u062d\u0645\u062f");
	person_stays("\u05d3\u05e0\u05d4");
	person_stays("\u0906\u0930\u0924\u0940");
	person_stays("\u0e2d\u0e19\u0e19\u0e32");
	person_stays("q\u0323\u0307"); /* marks of all scripts */
	/* those written together */
	person_stays("\u5c71\u7530\u592a\u90ce");
	person_stays("\u5c71\u7530\u306e\u30bf\u30ed\u30fc Taro");
	person_stays("\u3055\u304f\u3089 Sakura");
	person_stays("\u91d1\ubbfc\uc900 Kim");
	person_stays("\ubbfc\uc900");
	person_stays("\u738b\u3105\u3106 Wang");
	person_is("\uff83\uff7d\uff84", "\u30c6\u30b9\u30c8"); /* of half width */
	/* others not */
	person_is_refused("p\u0430ypal", mix);
	person_is_refused("\u0410nna", mix);
	person_is_refused("\u0391nna", mix);
	person_is_refused("\u0391\u043d", mix);
	person_is_refused("Anna \u0410\u043d\u043d\u0430", mix);
	person_is_refused("\u3055\ubbfc", mix);
	person_is_refused("\u3105\u30bf", mix);
	person_is_refused("\u3105\ubbfc", mix);
	person_is_refused("\u5c71\u0410", mix);
	person_is_refused("\u0410\u5c71", mix);
	person_is_refused("\u00b5Torrent", mix); /* by NFKC a Greek letter */
	/* rooms are named by who runs the site as well */
	room_is("p\u0430ypal", 7, "p\u0430ypal");
}

static void test_emoji_digits_and_what_is_not_seen(void **state)
{
	static const char invisible[] = "invisible", direction[] = "direction", control[] = "control";

	(void)state;
	person_stays("42");
	person_stays("\U0001f600");
	person_stays("\u0410\u043d\u043d\u0430 \U0001f338 2");
	person_stays("Ann \U0001f469\U0001f3fd \U0001f1eb\U0001f1f7");
	person_stays("\u0663\u0664");
	person_stays("-_.!~");
	/* a heart in colour is a heart, and nothing else in colour is anything */
	person_is("Ann \u2764\ufe0f", "Ann \u2764");
	person_is("e\ufe0f\u0301", "\u00e9");
	person_is("An\ufe0fn", "Ann");
	person_is_refused("\ufe0f", "empty");
	person_is_refused(" \ufe0f ", "empty");

	person_is_refused("ann\u200b", invisible);
	person_is_refused("a\u200dnn", invisible);
	person_is_refused("a\u200cnn", invisible);
	person_is_refused("\ufeffann", invisible);
	person_is_refused("a\u00adnn", invisible);
	person_is_refused("a\u2060nn", invisible);
	person_is_refused("a\u034fnn", invisible);
	person_is_refused("ann\ufe0e", invisible);
	person_is_refused("ann\U000e0061", invisible);
	person_is_refused("\u3164", invisible); /* Hangul's filler */
	person_is_refused("\u2800", invisible);
	person_is_refused("\ue000", invisible);
	person_is_refused("\u0378", invisible); /* no character yet */
	person_is_refused("\u202eann", direction);
	person_is_refused("ann\u2067", direction);
	person_is_refused("ann\u200f", direction);
	person_is_refused("ann\u061c", direction);
	person_is_refused("a\u2028n", control);
	person_is_refused("a\xc2\x85n", control);
	person_is_refused("\xc3", "UTF-8");
	person_is_refused("\xc3\xef\xb8\x8f\xa9", "UTF-8");
	person_is_refused("\xed\xa0\x80", "UTF-8");
}

static void test_keys(void **state)
{
	static const char *const spelled[] = { "STRA\xc3\x9f\x45", "STRASSE", " strasse ", "\xef\xbc\xb3trasse" };
	struct payload *first = name_key(spelled[0], strlen(spelled[0])), *other = name_key("strase", 6);

	(void)state;
	for (size_t i = 1; i < sizeof(spelled) / sizeof(spelled[0]); i++) {
		struct payload *k = name_key(spelled[i], strlen(spelled[i]));

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

/* Without ICU they are different names. */
static void test_look_alikes(void **state)
{
	static const char *const pairs[][2] = {
		{ "paypal", "p\u0430ypal" }, /* Cyrillic a: the name is refused, and compared all the same */
		{ "paypal", "\u0440\u0430\u0443\u0440\u04301" },
		{ "modern", "modem" },
		{ "CORNER", "comer" },
		{ "g00gle", "Google" },
		{ "paypa1", "PAYPAL" },
		{ "\u0421\u0410\u0421\u0410", "caca" },
		{ "ann\u2019s", "ann's" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
#ifdef HAVE_ICU
		if (!same(pairs[i][0], pairs[i][1]))
			fail_msg("%s, %s", pairs[i][0], pairs[i][1]);
#else
		assert_false(same(pairs[i][0], pairs[i][1]));
#endif
	}
	assert_false(same("paypal", "papal"));
	assert_false(same("ann", "anne"));
	assert_false(same("\u5c71", "\u5ddd"));
	assert_true(same("\u0410\u043d\u043d\u0430", "\u0430\u041d\u041d\u0410"));
}

/* Large blocks of characters that are like each other. */
static bool is_one_of_many(ucs4_t c)
{
	return (c >= 0x3400 && c < 0xa000) || (c >= 0xac00 && c < 0xd7a4) || (c >= 0x17000 && c < 0x18d00) || c >= 0x20000;
}

/* Every one where there are tables of what looks like what; elsewhere a look here and there. */
#ifdef HAVE_ICU
enum { STEP = 1, STEP_OF_MANY = 17, NAMES = 20000 };
#else
enum { STEP = 31, STEP_OF_MANY = 31 * 31, NAMES = 500 };
#endif

/* A name of any one character again and again: all that are names have a key. */
static void test_all_names_have_keys(void **state)
{
	size_t longest = 0, names = 0;

	(void)state;
	for (ucs4_t c = 0x21; c < 0x110000; c += is_one_of_many(c) ? STEP_OF_MANY : STEP) {
		uint8_t one[6], all[NAME_MAX_BYTES];
		int n = u8_uctomb(one, c, sizeof(one));
		struct payload *p = NULL, *key;
		const char *why;
		size_t len = 0;

		if (n <= 0)
			continue;
		/* as many as make a name: NFKC may need more room */
		for (int copies = NAME_MAX_BYTES / n; copies > 0 && p == NULL; copies = p || copies == 1 ? 0 : copies / 2) {
			for (len = 0; len < (size_t)(copies * n); len += (size_t)n)
				memcpy(all + len, one, (size_t)n);
			p = name_person((char *)all, len, &why);
		}
		if (p == NULL)
			continue;
		key = name_key(p->data, p->len);
		if (key == NULL)
			fail_msg("U+%04X has no key", (unsigned)c);
		names++;
		longest = key->len > longest ? key->len : longest;
		payload_unref(key);
		payload_unref(p);
	}
	print_message("%zu names, the longest key of %zu bytes\n", names, longest);
	assert_true(names > NAMES);
}

static bool listed(const struct name_list *list, const char *name)
{
	struct payload *key = name_key(name, strlen(name));
	bool result = name_list_has(list, key);

	payload_unref(key);
	return result;
}

static void test_lists(void **state)
{
	static const char *const reserved[] = { "admin", "Root", "Stra\u00dfe 7", "admin", "The  Boss" };
	static const char *const wrong[] = { "admin", "a\nb", "" };
	const char *bad = "";
	struct name_list *list = name_list_new(reserved, 5, &bad);

	(void)state;
	assert_non_null(list);
	assert_null(bad);
	assert_true(listed(list, "admin"));
	assert_true(listed(list, " ADMIN"));
	assert_true(listed(list, "root"));
	assert_true(listed(list, "STRASSE 7"));
	assert_true(listed(list, "the boss"));
	assert_false(listed(list, "theboss"));
	assert_false(listed(list, "administrator"));
	assert_false(listed(list, "adm"));
#ifdef HAVE_ICU
	assert_true(listed(list, "adrnin"));
	assert_true(listed(list, "\u0430dmin"));
	assert_true(listed(list, "r00t"));
#endif
	name_list_free(list);

	list = name_list_new(NULL, 0, &bad);
	assert_non_null(list);
	assert_false(listed(list, "admin"));
	name_list_free(list);
	assert_false(listed(NULL, "admin"));
	name_list_free(NULL);

	assert_null(name_list_new(wrong, 3, &bad));
	assert_ptr_equal(bad, wrong[1]);
	assert_null(name_list_new(wrong + 2, 1, &bad));
	assert_string_equal(bad, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rooms),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_people),
		cmocka_unit_test(test_examples_of_the_rfc),
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_emoji_digits_and_what_is_not_seen),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_look_alikes),
		cmocka_unit_test(test_all_names_have_keys),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
