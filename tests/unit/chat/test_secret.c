#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/secret.h"

/* Of the key 00 01 … 1f and the id f0 f1 … ff, by Python's hmac. */
#define KNOWN "8PHy8_T19vf4-fr7_P3-_x48dgPuFW8NGHPqq8FTQmQ"

static struct secret_key known_key(void)
{
	struct secret_key k;

	for (unsigned i = 0; i < SECRET_KEY_LEN; i++)
		k.bytes[i] = (unsigned char)i;
	return k;
}

static void known_id(unsigned char id[SECRET_ID_LEN])
{
	for (unsigned i = 0; i < SECRET_ID_LEN; i++)
		id[i] = (unsigned char)(0xf0 + i);
}

/* In memory of its exact size: nothing is read behind it. */
static bool opens(const struct secret_key *key, const char *text, size_t len)
{
	char *exact = malloc(len ? len : 1);
	unsigned char id[SECRET_ID_LEN];
	bool good;

	memcpy(exact, text, len);
	good = secret_open(key, exact, len, id);
	free(exact);
	return good;
}

static void test_known_answer(void **state)
{
	struct secret_key k = known_key();
	unsigned char id[SECRET_ID_LEN], back[SECRET_ID_LEN];
	char text[SECRET_TEXT_LEN + 1];

	(void)state;
	known_id(id);
	assert_true(secret_make(&k, id, text));
	assert_string_equal(text, KNOWN);
	assert_true(secret_open(&k, KNOWN, SECRET_TEXT_LEN, back));
	assert_memory_equal(id, back, sizeof(id));
}

static void test_round_trips(void **state)
{
	struct secret_key k, other;
	unsigned char id[SECRET_ID_LEN], back[SECRET_ID_LEN], last[SECRET_ID_LEN] = { 0 };
	char text[SECRET_TEXT_LEN + 1];

	(void)state;
	assert_true(secret_key_draw(&k));
	assert_true(secret_key_draw(&other));
	assert_memory_not_equal(k.bytes, other.bytes, SECRET_KEY_LEN);
	for (int i = 0; i < 200; i++) {
		assert_true(secret_draw_id(id));
		assert_memory_not_equal(id, last, sizeof(id));
		memcpy(last, id, sizeof(id));
		assert_true(secret_make(&k, id, text));
		assert_int_equal(strlen(text), SECRET_TEXT_LEN);
		assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
				 SECRET_TEXT_LEN);
		assert_true(secret_open(&k, text, SECRET_TEXT_LEN, back));
		assert_memory_equal(id, back, sizeof(id));
		assert_false(opens(&other, text, SECRET_TEXT_LEN));
	}
}

/* Each character replaced by each byte there is: only the secret itself is genuine. */
static void test_every_forgery_of_a_character(void **state)
{
	struct secret_key k = known_key();
	char text[SECRET_TEXT_LEN + 1];

	(void)state;
	for (size_t i = 0; i < SECRET_TEXT_LEN; i++) {
		for (int c = 0; c < 256; c++) {
			strcpy(text, KNOWN);
			text[i] = (char)c;
			assert_int_equal(opens(&k, text, SECRET_TEXT_LEN), text[i] == KNOWN[i]);
		}
	}
}

/* The last character has two bits that are no part of a byte: Q is 16, R to T are 17 to 19. */
static void test_one_spelling(void **state)
{
	struct secret_key k = known_key();
	char text[] = KNOWN;

	(void)state;
	for (char c = 'R'; c <= 'T'; c++) {
		text[SECRET_TEXT_LEN - 1] = c;
		assert_false(opens(&k, text, SECRET_TEXT_LEN));
	}
}

static void test_lengths(void **state)
{
	struct secret_key k = known_key();
	char text[3 * SECRET_TEXT_LEN];

	(void)state;
	memset(text, 'A', sizeof(text));
	memcpy(text, KNOWN, SECRET_TEXT_LEN);
	for (size_t len = 0; len <= sizeof(text); len++)
		assert_int_equal(opens(&k, text, len), len == SECRET_TEXT_LEN);
	text[SECRET_TEXT_LEN] = '=';
	assert_false(opens(&k, text, SECRET_TEXT_LEN + 1));
}

/* A refused text leaves the id as it was. */
static void test_refused_fills_nothing(void **state)
{
	struct secret_key k = known_key();
	unsigned char id[SECRET_ID_LEN] = { 1, 2, 3 }, before[SECRET_ID_LEN];
	char text[] = KNOWN;

	(void)state;
	memcpy(before, id, sizeof(id));
	text[40] = text[40] == 'A' ? 'B' : 'A';
	assert_false(secret_open(&k, text, SECRET_TEXT_LEN, id));
	assert_memory_equal(id, before, sizeof(id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answer),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_every_forgery_of_a_character),
		cmocka_unit_test(test_one_spelling),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_refused_fills_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
