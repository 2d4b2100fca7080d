/* Unit tests of base/shared: claims, releases and ceilings, alone and from many threads. */
#include <config.h>

#include "base/shared.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define THREADS 8
#define KEYS 64
#define ROUNDS 20000

static void one_holder_a_key(void **state)
{
	struct shared_map *m = shared_map_new();

	(void)state;
	assert_int_equal(shared_map_count(m), 0);
	assert_int_equal(shared_map_holder(m, "ann", 3), 0);
	assert_int_equal(shared_map_claim(m, "ann", 3, 7), 0);
	assert_int_equal(shared_map_claim(m, "ann", 3, 7), 0);
	assert_int_equal(shared_map_claim(m, "ann", 3, 8), 7);
	assert_int_equal(shared_map_claim(m, "an", 2, 8), 0);
	assert_int_equal(shared_map_holder(m, "ann", 3), 7);
	assert_int_equal(shared_map_holder(m, "an", 2), 8);
	assert_int_equal(shared_map_count(m), 2);

	shared_map_release(m, "ann", 3, 8);
	assert_int_equal(shared_map_holder(m, "ann", 3), 7);
	shared_map_release(m, "bob", 3, 7);
	shared_map_release(m, "ann", 3, 7);
	shared_map_release(m, "ann", 3, 7);
	assert_int_equal(shared_map_holder(m, "ann", 3), 0);
	assert_int_equal(shared_map_count(m), 1);
	shared_map_release(m, "ann", 3, 7);
	assert_int_equal(shared_map_count(m), 1);
	assert_int_equal(shared_map_claim(m, "ann", 3, 8), 0);
	shared_map_free(m); /* with two keys held */
	shared_map_free(NULL);
}

/* A user's connections hold its name together: the last one lets it go. */
static void claims_are_counted(void **state)
{
	struct shared_map *m = shared_map_new();

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(shared_map_claim(m, "ann", 3, 7), 0);
	assert_int_equal(shared_map_count(m), 1);
	for (int i = 0; i < 2; i++) {
		shared_map_release(m, "ann", 3, 7);
		shared_map_release(m, "ann", 3, 8); /* not its */
		assert_int_equal(shared_map_holder(m, "ann", 3), 7);
		assert_int_equal(shared_map_claim(m, "ann", 3, 8), 7); /* refused: not counted */
	}
	shared_map_release(m, "ann", 3, 7);
	assert_int_equal(shared_map_holder(m, "ann", 3), 0);
	assert_int_equal(shared_map_count(m), 0);
	assert_int_equal(shared_map_claim(m, "ann", 3, 8), 0);
	shared_map_release(m, "ann", 3, 8);
	assert_int_equal(shared_map_count(m), 0);
	shared_map_free(m);
}

static void a_key_moves_with_all_claims(void **state)
{
	struct shared_map *m = shared_map_new();

	(void)state;
	assert_false(shared_map_move(m, "ann", 3, 7, 8)); /* nobody's */
	assert_int_equal(shared_map_count(m), 0);
	assert_int_equal(shared_map_claim(m, "ann", 3, 7), 0);
	assert_int_equal(shared_map_claim(m, "ann", 3, 7), 0);
	assert_false(shared_map_move(m, "ann", 3, 8, 9));
	assert_int_equal(shared_map_holder(m, "ann", 3), 7);
	assert_true(shared_map_move(m, "ann", 3, 7, 8));
	assert_int_equal(shared_map_holder(m, "ann", 3), 8);
	assert_int_equal(shared_map_count(m), 1);
	shared_map_release(m, "ann", 3, 7); /* the former holder's releases do nothing */
	shared_map_release(m, "ann", 3, 8);
	assert_int_equal(shared_map_holder(m, "ann", 3), 8);
	shared_map_release(m, "ann", 3, 8);
	assert_int_equal(shared_map_holder(m, "ann", 3), 0);
	assert_false(shared_map_move(m, "ann", 3, 8, 7));
	assert_int_equal(shared_map_claim(m, "ann", 3, 7), 0);
	assert_true(shared_map_move(m, "ann", 3, 7, 7));
	assert_int_equal(shared_map_holder(m, "ann", 3), 7);
	shared_map_free(m);
}

static void holders_of_64_bits_and_odd_keys(void **state)
{
	struct shared_map *m = shared_map_new();

	(void)state;
	assert_int_equal(shared_map_claim(m, "", 0, UINT64_MAX - 1), 0);
	assert_int_equal(shared_map_claim(m, "a\0b", 3, UINT64_C(1) << 40), 0);
	assert_int_equal(shared_map_claim(m, "a\0c", 3, 5), 0);
	assert_true(shared_map_claim(m, "", 0, 1) == UINT64_MAX - 1);
	assert_true(shared_map_holder(m, "a\0b", 3) == UINT64_C(1) << 40);
	shared_map_free(m);
}

static void many_keys(void **state)
{
	struct shared_map *m = shared_map_new();
	char key[16];

	(void)state;
	for (uint64_t i = 1; i <= 5000; i++)
		assert_int_equal(shared_map_claim(m, key, (size_t)sprintf(key, "%d", (int)i), i), 0);
	assert_int_equal(shared_map_count(m), 5000);
	for (uint64_t i = 1; i <= 5000; i++) {
		assert_int_equal(shared_map_claim(m, key, (size_t)sprintf(key, "%d", (int)i), 9999), i);
		shared_map_release(m, key, strlen(key), i);
	}
	assert_int_equal(shared_map_count(m), 0);
	shared_map_free(m);
}

struct arena {
	struct shared_map *map;
	_Atomic uint64_t holder[KEYS]; /* who thinks it holds the key */
	struct shared_count room;
	atomic_int inside, taken, wrong;
};

struct thread {
	struct arena *arena;
	uint64_t number;
	pthread_t id;
};

static void run(struct arena *a, void *(*body)(void *))
{
	struct thread threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		threads[i].arena = a;
		threads[i].number = (uint64_t)i + 1;
		assert_int_equal(pthread_create(&threads[i].id, NULL, body, &threads[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i].id, NULL);
}

/* Claims a key; where it is granted, nobody else may believe to hold it until it is released. */
static void claim_and_release(struct arena *a, uint64_t me, unsigned k)
{
	char key[16];
	size_t len = (size_t)sprintf(key, "name-%u", k);
	uint64_t answer = shared_map_claim(a->map, key, len, me);

	if (answer != 0) {
		if (answer == me || answer > THREADS)
			a->wrong++;
		return;
	}
	if (atomic_exchange(&a->holder[k], me) != 0)
		a->wrong++;
	if (shared_map_holder(a->map, key, len) != me || shared_map_count(a->map) == 0)
		a->wrong++;
	if (atomic_exchange(&a->holder[k], 0) != me)
		a->wrong++;
	shared_map_release(a->map, key, len, me);
}

static void *claim_often(void *arg)
{
	struct thread *t = arg;
	uint32_t random = (uint32_t)t->number;

	for (int i = 0; i < ROUNDS; i++) {
		random = random * 1664525 + 1013904223;
		claim_and_release(t->arena, t->number, (random >> 16) % KEYS);
	}
	return NULL;
}

static void one_holder_among_threads(void **state)
{
	static struct arena a;

	(void)state;
	a.map = shared_map_new();
	run(&a, claim_often);
	assert_int_equal(a.wrong, 0);
	assert_int_equal(shared_map_count(a.map), 0);
	shared_map_free(a.map);
}

static void count_up_to_a_ceiling(void **state)
{
	struct shared_count c = {0};

	(void)state;
	assert_true(shared_count_take(&c, 2));
	assert_true(shared_count_take(&c, 2));
	assert_false(shared_count_take(&c, 2));
	assert_true(shared_count_take(&c, 3));
	assert_false(shared_count_take(&c, 1));
	assert_true(shared_count_take(&c, 0));
	assert_int_equal(c.value, 4);
	for (int i = 0; i < 3; i++)
		shared_count_give(&c);
	assert_true(shared_count_take(&c, 2));
	assert_false(shared_count_take(&c, 2));
}

static void *go_in_and_out(void *arg)
{
	struct arena *a = ((struct thread *)arg)->arena;

	for (int i = 0; i < ROUNDS; i++) {
		if (!shared_count_take(&a->room, 3))
			continue;
		if (atomic_fetch_add(&a->inside, 1) >= 3)
			a->wrong++;
		a->taken++;
		atomic_fetch_sub(&a->inside, 1);
		shared_count_give(&a->room);
	}
	return NULL;
}

static void ceiling_among_threads(void **state)
{
	static struct arena a;

	(void)state;
	run(&a, go_in_and_out);
	assert_int_equal(a.wrong, 0);
	assert_int_equal(a.room.value, 0);
	assert_true(a.taken > 0);
}

static void bucket_for_several(void **state)
{
	const struct bucket_limit l = {.rate = 2, .burst = 5}, none = {.rate = 0, .burst = 1};
	struct shared_bucket b = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(shared_bucket_take(&b, &none, 7, 1000), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(shared_bucket_take(&b, &l, 1, 1000), 0);
	assert_int_equal(shared_bucket_take(&b, &l, 1, 1000), 500);
	assert_int_equal(shared_bucket_take(&b, &l, 1, 1000), 1000);
	assert_int_equal(shared_bucket_take(&b, &l, 0, 1999), 1);
	assert_int_equal(shared_bucket_take(&b, &l, 0, 2000), 0);
	assert_int_equal(shared_bucket_take(&b, &l, 5, 10000000), 0); /* full, and no more */
	assert_int_equal(shared_bucket_take(&b, &l, 1, 10000000), 500);
	for (int i = 0; i < 10; i++)
		shared_bucket_take(&b, &l, UINT32_MAX, 10000000);
	assert_int_equal(shared_bucket_take(&b, &l, 1, 10000000), UINT32_MAX);
}

/* However the times of two buckets are cut up, they say the same. */
static void bucket_is_as_one_of_its_own(void **state)
{
	const struct bucket_limit l = {.rate = 20, .burst = 200};
	struct shared_bucket b = {0};
	struct bucket own;
	uint64_t now = 5000;

	(void)state;
	bucket_init(&own, &l, now);
	srand(1);
	for (int i = 0; i < 10000; i++) {
		uint32_t cost = (uint32_t)(rand() % 6);

		now += (uint64_t)(rand() % 300);
		assert_int_equal(shared_bucket_take(&b, &l, cost, now), bucket_take(&own, &l, cost, now));
	}
}

static struct shared_bucket common;

static void *take_often(void *arg)
{
	static const struct bucket_limit l = {.rate = 1000, .burst = ROUNDS};
	struct arena *a = ((struct thread *)arg)->arena;

	for (int i = 0; i < ROUNDS; i++)
		if (shared_bucket_take(&common, &l, 1, 1000) == 0)
			atomic_fetch_add(&a->inside, 1);
	return NULL;
}

/* All threads together get what is in it, and not one more. */
static void bucket_among_threads(void **state)
{
	static struct arena a;

	(void)state;
	run(&a, take_often);
	assert_int_equal(a.inside, ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_holder_a_key),
		cmocka_unit_test(claims_are_counted),
		cmocka_unit_test(a_key_moves_with_all_claims),
		cmocka_unit_test(holders_of_64_bits_and_odd_keys),
		cmocka_unit_test(many_keys),
		cmocka_unit_test(one_holder_among_threads),
		cmocka_unit_test(count_up_to_a_ceiling),
		cmocka_unit_test(ceiling_among_threads),
		cmocka_unit_test(bucket_for_several),
		cmocka_unit_test(bucket_is_as_one_of_its_own),
		cmocka_unit_test(bucket_among_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
