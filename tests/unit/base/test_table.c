/* Unit tests of base/table: against an array that says who is in. */
#include <config.h>

#include "base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define N 2000

struct entry {
	uint32_t key;
	bool in;
};

/* So bad that there are long runs, which go round the end. */
static uint32_t key_of(const void *slot) { return (*(struct entry *const *)slot)->key; }
static uint32_t bad_hash(const void *slot) { return (key_of(slot) / 16 * 16 - 8) << 21; }
static uint32_t good_hash(const void *slot) { return key_of(slot) * 2654435761u; }
static bool has(const void *slot, const void *key) { return key_of(slot) == *(const uint32_t *)key; }

static struct entry entries[N];

static struct entry *get(const struct table *t, const struct table_ops *ops, uint32_t i)
{
	struct entry *e = &entries[i], **slot = table_get(t, ops, ops->hash(&e), &e->key);

	return slot ? *slot : NULL;
}

static void check(const struct table *t, const struct table_ops *ops)
{
	size_t in = 0, walked = 0;
	struct entry *const *e;

	for (uint32_t i = 0; i < N; i++) {
		assert_ptr_equal(get(t, ops, i), entries[i].in ? &entries[i] : NULL);
		in += entries[i].in;
	}
	assert_int_equal(t->count, in);
	for (size_t pos = 0; (e = table_next(t, ops, &pos)) != NULL; walked++)
		assert_true((*e)->in);
	assert_int_equal(walked, in);
}

static void take_out(struct table *t, const struct table_ops *ops, struct entry *e)
{
	table_remove(t, ops, table_get(t, ops, ops->hash(&e), &e->key));
}

static void as_an_array(void **state)
{
	const struct table_ops ops = { sizeof(struct entry *), *state ? bad_hash : good_hash, has };
	struct table t = { NULL, 0, 0 };
	unsigned seed = 7;
	size_t largest = 0;

	for (uint32_t i = 0; i < N; i++)
		entries[i] = (struct entry){ i, false };
	check(&t, &ops);
	take_out(&t, &ops, &entries[0]);
	/* grows to about all, shrinks to about none */
	for (int round = 0; round < 60000; round++) {
		struct entry *e = &entries[rand_r(&seed) % N];
		bool add = rand_r(&seed) % 16 < (round < 30000 ? 14 : 2);

		if (add && !e->in)
			assert_ptr_equal(*(struct entry **)table_add(&t, &ops, &e), e);
		else if (!add)
			take_out(&t, &ops, e);
		e->in = add;
		if (round % 3000 == 0)
			check(&t, &ops);
		if (round == 30000)
			largest = t.size;
	}
	check(&t, &ops);
	for (uint32_t i = 0; i < N; i++)
		take_out(&t, &ops, &entries[i]);
	assert_int_equal(t.count, 0);
	assert_true(t.size < largest / 16);
	table_clear(&t);
	assert_null(t.slots);
}

/* Of odd size, by value; no table is larger than its entries by more than half, but the smallest. */
struct wide {
	uint32_t not_0, key, value;
};

static uint32_t hash_wide(const void *slot) { return ((const struct wide *)slot)->key * 2654435761u; }
static bool has_key(const void *slot, const void *key) { return ((const struct wide *)slot)->key == *(const uint32_t *)key; }

static void by_value(void **state)
{
	const struct table_ops ops = { sizeof(struct wide), hash_wide, has_key };
	struct table t = { NULL, 0, 0 };
	struct wide *found;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		struct wide w = { 1, i, i * 3 };

		assert_non_null(table_add(&t, &ops, &w));
		assert_true(t.size == 8 || t.size < t.count * 3 / 2);
		assert_true(t.count < t.size);
	}
	for (uint32_t i = 0; i < N; i++) {
		found = table_get(&t, &ops, i * 2654435761u, &i);
		assert_int_equal(found->value, i * 3);
	}
	table_clear(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(as_an_array, NULL),
		{ "as_an_array, many collisions", as_an_array, NULL, NULL, entries },
		cmocka_unit_test(by_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
