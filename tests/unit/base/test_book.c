/* Unit tests of base/book: entries with users stay, others are kept for a while and only so many; many threads. */
#include <config.h>

#include "base/book.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define SHARDS 16

/* What NOTE's entry of KEY says after this has added to it, and to its users. */
static int note(struct book *b, uint64_t key, uint64_t now, int more, int uses)
{
	int *e = book_open(b, key, now), is;

	assert_non_null(e);
	is = *e += more;
	book_close(b, e, uses);
	return is;
}

static void tick_all(struct book *b, uint64_t now)
{
	for (int i = 0; i < SHARDS; i++)
		book_tick(b, now);
}

static void an_entry_is_remembered_for_a_while(void **state)
{
	struct book *b = book_new(sizeof(int), 100, 1000);

	(void)state;
	assert_int_equal(note(b, 7, 0, 3, 0), 3);
	assert_int_equal(note(b, 8, 0, 1, 0), 1);
	tick_all(b, 999);
	assert_int_equal(note(b, 7, 999, 1, 0), 4);
	tick_all(b, 1000); /* 7 was asked for a moment ago */
	assert_int_equal(book_count(b), 1);
	assert_int_equal(note(b, 7, 1000, 0, 0), 4);
	tick_all(b, 2000);
	assert_int_equal(book_count(b), 0);
	assert_int_equal(note(b, 7, 2000, 0, 0), 0);
	book_free(b);
}

static void one_with_users_stays(void **state)
{
	struct book *b = book_new(sizeof(int), 0, 1000);
	int *e;

	(void)state;
	e = book_open(b, 1, 0);
	*e = 5;
	book_close(b, e, 2);
	for (uint64_t key = 2; key < 2000; key++)
		note(b, key, 1, 1, 0); /* more than are kept */
	tick_all(b, 5000);
	assert_int_equal(book_count(b), 1);
	assert_int_equal(*e, 5);
	assert_int_equal(note(b, 1, 5000, 0, -1), 5);
	tick_all(b, 9000);
	assert_int_equal(note(b, 1, 9000, 0, -1), 5); /* the last one's */
	tick_all(b, 10000);
	assert_int_equal(book_count(b), 0);
	book_free(b);
}

/* Ever new keys do not make it grow; who was asked for last is there still. */
static void it_does_not_grow(void **state)
{
	struct book *b = book_new(sizeof(int), 1000, 60000);

	(void)state;
	for (uint64_t key = 1; key <= 100000; key++) {
		note(b, key << 32, key, 1, 0);
		assert_int_equal(note(b, 0, key, 1, 0), (int)key); /* asked for all the time */
	}
	assert_in_range(book_count(b), 500, 1000 + SHARDS);
	assert_int_equal(note(b, UINT64_C(100000) << 32, 100000, 0, 0), 1);
	assert_int_equal(note(b, UINT64_C(1) << 32, 100000, 0, 0), 0); /* anew */
	book_free(b);
}

static void sizes_of_entries(void **state)
{
	struct book *b = book_new(100, 10, 1000);
	unsigned char *e = book_open(b, 1, 0);

	(void)state;
	assert_int_equal((uintptr_t)e % 8, 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(e[i]++, 0);
	book_close(b, e, 1);
	book_free(b); /* with users: fine */
	book_free(NULL);
}

#define THREADS 4
#define ROUNDS 20000
#define KEYS 50

static void *come_and_go(void *arg)
{
	struct book *b = arg;
	unsigned random = (unsigned)(uintptr_t)&random;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t key;

		random = random * 1664525 + 1013904223;
		key = (random >> 16) % KEYS;
		note(b, key, (uint64_t)i, 1, 1);
		if (i % 100 == 0)
			book_tick(b, (uint64_t)i);
		note(b, key, (uint64_t)i, -1, -1);
	}
	return NULL;
}

static void many_threads(void **state)
{
	struct book *b = book_new(sizeof(int), 10, 5);
	pthread_t t[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, come_and_go, b), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (uint64_t key = 0; key < KEYS; key++)
		assert_int_equal(note(b, key, ROUNDS, 0, 0), 0);
	tick_all(b, 2 * ROUNDS);
	assert_int_equal(book_count(b), 0);
	book_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_is_remembered_for_a_while),
		cmocka_unit_test(one_with_users_stays),
		cmocka_unit_test(it_does_not_grow),
		cmocka_unit_test(sizes_of_entries),
		cmocka_unit_test(many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
