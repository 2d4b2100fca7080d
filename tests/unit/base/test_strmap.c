/* Unit tests of base/strmap: the reference vectors of SipHash, and the map against a naive one. */
#include <config.h>

#include "base/strmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Key 00 01 .. 0f, as two little-endian words. */
static const uint64_t seed[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

/*
 * The first 16 vectors of vectors_sip64 in the reference implementation
 * (https://github.com/veorq/SipHash/blob/master/vectors.h): the hash of the
 * bytes 00 01 .. of that length, as a little-endian number. The one of length
 * 15 is also the example in the paper's appendix.
 */
static const uint64_t vectors[] = {
	UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0x74f839c593dc67fd), UINT64_C(0x0d6c8009d9a94f5a),
	UINT64_C(0x85676696d7fb7e2d), UINT64_C(0xcf2794e0277187b7), UINT64_C(0x18765564cd99a68d),
	UINT64_C(0xcbc9466e58fee3ce), UINT64_C(0xab0200f58b01d137), UINT64_C(0x93f5f5799a932462),
	UINT64_C(0x9e0082df0ba9e4b0), UINT64_C(0x7a5dbbc594ddb9f3), UINT64_C(0xf4b32f46226bada7),
	UINT64_C(0x751e8fbc860ee5fb), UINT64_C(0x14ea5627c0843d90), UINT64_C(0xf723ca908e7af2ee),
	UINT64_C(0xa129ca6149be45e5),
};

static void siphash_vectors(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(vectors) / sizeof(vectors[0]); len++) {
		unsigned char *data = malloc(len ? len : 1); /* of its own, so that a byte too far is seen */

		for (size_t i = 0; i < len; i++)
			data[i] = (unsigned char)i;
		assert_true(strmap_siphash(seed, data, len) == vectors[len]);
		free(data);
	}
}

static void hash_is_seeded_and_steady(void **state)
{
	(void)state;
	assert_true(strmap_hash("room", 4) == strmap_hash("room", 4));
	assert_true(strmap_hash("room", 4) != strmap_hash("roon", 4));
	assert_true(strmap_hash("room", 4) != strmap_siphash((uint64_t[2]){0, 0}, "room", 4));
}

static void empty_map(void **state)
{
	struct strmap *m = strmap_new();
	size_t pos = 0;

	(void)state;
	assert_int_equal(strmap_count(m), 0);
	assert_null(strmap_get(m, "x", 1));
	assert_null(strmap_get_hashed(m, "x", 1, strmap_hash("x", 1)));
	assert_null(strmap_del(m, "x", 1));
	assert_null(strmap_next(m, &pos, NULL, NULL));
	strmap_free(m);
	strmap_free(NULL);
}

static void put_get_del(void **state)
{
	struct strmap *m = strmap_new();
	char key[] = "key";
	int a, b;

	(void)state;
	assert_int_equal(strmap_put(m, key, 3, &a), 0);
	key[0] = 'x'; /* it has a copy */
	assert_ptr_equal(strmap_get(m, "key", 3), &a);
	assert_ptr_equal(strmap_get_hashed(m, "key", 3, strmap_hash("key", 3)), &a);
	assert_null(strmap_get_hashed(m, "ke", 2, strmap_hash("key", 3))); /* as if the hashes collided */
	assert_null(strmap_get_hashed(m, "kez", 3, strmap_hash("key", 3)));
	assert_null(strmap_get(m, "ke", 2));
	assert_null(strmap_get(m, "keys", 4));
	assert_int_equal(strmap_put(m, "key", 3, &b), 0);
	assert_int_equal(strmap_count(m), 1);
	assert_ptr_equal(strmap_get(m, "key", 3), &b);
	assert_ptr_equal(strmap_del(m, "key", 3), &b);
	assert_null(strmap_del(m, "key", 3));
	assert_int_equal(strmap_count(m), 0);
	strmap_free(m);
}

static void any_bytes_are_a_key(void **state)
{
	struct strmap *m = strmap_new();
	int a, b, c;

	(void)state;
	assert_int_equal(strmap_put(m, NULL, 0, &a), 0);
	assert_int_equal(strmap_put(m, "a\0b", 3, &b), 0);
	assert_int_equal(strmap_put(m, "a\0c", 3, &c), 0);
	assert_ptr_equal(strmap_get(m, "", 0), &a);
	assert_ptr_equal(strmap_get(m, "a\0b", 3), &b);
	assert_ptr_equal(strmap_get(m, "a\0c", 3), &c);
	assert_null(strmap_get(m, "a", 1));
	assert_ptr_equal(strmap_del(m, NULL, 0), &a);
	strmap_free(m);
}

#define NAIVE 3000

/* A map of the keys "key-0" … as an array. */
struct naive {
	struct strmap *map;
	char *value[NAIVE]; /* NULL: not there */
	size_t count;
	char values[NAIVE][2];
};

static size_t key_of(unsigned n, char key[16])
{
	return (size_t)snprintf(key, 16, "key-%u", n);
}

static void assert_walk(struct naive *n)
{
	bool seen[NAIVE] = {false};
	const char *key;
	size_t pos = 0, len, count = 0;
	char copy[16], *value;

	while ((value = strmap_next(n->map, &pos, &key, &len))) {
		unsigned k;

		assert_true(len < sizeof(copy));
		memcpy(copy, key, len);
		copy[len] = '\0';
		assert_int_equal(sscanf(copy, "key-%u", &k), 1);
		assert_true(k < NAIVE && !seen[k]);
		assert_ptr_equal(value, n->value[k]);
		seen[k] = true;
		count++;
	}
	assert_int_equal(count, n->count);
}

static void assert_all(struct naive *n)
{
	char key[16];

	for (unsigned k = 0; k < NAIVE; k++) {
		size_t len = key_of(k, key);

		assert_ptr_equal(strmap_get(n->map, key, len), n->value[k]);
	}
	assert_walk(n);
}

static void step(struct naive *n, unsigned k, bool put, unsigned which)
{
	char key[16];
	size_t len = key_of(k, key);

	assert_ptr_equal(strmap_get(n->map, key, len), n->value[k]);
	if (put) {
		assert_int_equal(strmap_put(n->map, key, len, &n->values[k][which]), 0);
		n->count += !n->value[k];
		n->value[k] = &n->values[k][which];
	} else {
		assert_ptr_equal(strmap_del(n->map, key, len), n->value[k]);
		n->count -= n->value[k] != NULL;
		n->value[k] = NULL;
	}
	assert_int_equal(strmap_count(n->map), n->count);
}

/* Waves of mostly putting and mostly deleting, so that it grows and shrinks again and again. */
static void like_a_naive_map(void **state)
{
	static struct naive n;
	uint32_t random = 42;
	size_t most = 0, least_after = NAIVE;

	(void)state;
	n.map = strmap_new();
	for (int i = 0; i < 200000; i++) {
		bool growing = i / 20000 % 2 == 0;
		unsigned k, dice;

		random = random * 1664525 + 1013904223;
		k = (random >> 8) % NAIVE;
		random = random * 1664525 + 1013904223;
		dice = (random >> 16) % 100;
		step(&n, k, growing ? dice < 90 : dice < 3, dice & 1);
		most = n.count > most ? n.count : most;
		if (most > 2000 && n.count < least_after)
			least_after = n.count;
		if (i % 5000 == 0)
			assert_all(&n);
	}
	assert_all(&n);
	assert_true(most > NAIVE * 8 / 10);
	assert_true(least_after < NAIVE / 10);
	strmap_free(n.map);
}

static void all_in_and_all_out(void **state)
{
	static struct naive n;

	(void)state;
	n.map = strmap_new();
	for (int round = 0; round < 3; round++) {
		for (unsigned k = 0; k < NAIVE; k++)
			step(&n, k, true, 0);
		assert_all(&n);
		for (unsigned k = NAIVE; k-- > 0;)
			step(&n, k, false, 0);
		assert_all(&n);
	}
	strmap_free(n.map);
}

/* The slots that a walk of an emptied map passes: few again, once it is mostly empty. */
static void shrinks(void **state)
{
	static struct naive n;
	size_t pos = 0;

	(void)state;
	n.map = strmap_new();
	for (unsigned k = 0; k < NAIVE; k++)
		step(&n, k, true, 0);
	while (strmap_next(n.map, &pos, NULL, NULL))
		;
	assert_in_range(pos, NAIVE, 3 * NAIVE);
	for (unsigned k = 0; k < NAIVE; k++)
		step(&n, k, false, 0);
	pos = 0;
	assert_null(strmap_next(n.map, &pos, NULL, NULL));
	assert_true(pos <= 16);
	strmap_free(n.map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_vectors),
		cmocka_unit_test(hash_is_seeded_and_steady),
		cmocka_unit_test(empty_map),
		cmocka_unit_test(put_get_del),
		cmocka_unit_test(any_bytes_are_a_key),
		cmocka_unit_test(like_a_naive_map),
		cmocka_unit_test(all_in_and_all_out),
		cmocka_unit_test(shrinks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
