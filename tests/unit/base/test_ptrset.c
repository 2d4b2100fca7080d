/* Unit tests of base/ptrset: against an array that says who is in. */
#include <config.h>

#include "base/ptrset.h"

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
static uint32_t bad_hash(const void *entry) { return ((const struct entry *)entry)->key / 16 * 16 - 8; }
static uint32_t good_hash(const void *entry) { return ((const struct entry *)entry)->key * 2654435761u; }
static bool has(const void *entry, const void *key) { return ((const struct entry *)entry)->key == *(const uint32_t *)key; }

static struct entry entries[N];

static void check(const struct ptrset *s, const struct ptrset_ops *ops)
{
	size_t in = 0, walked = 0;
	const struct entry *e;

	for (uint32_t i = 0; i < N; i++) {
		e = ptrset_get(s, ops, ops->hash(&entries[i]), &entries[i].key);
		assert_ptr_equal(e, entries[i].in ? &entries[i] : NULL);
		in += entries[i].in;
	}
	assert_int_equal(s->count, in);
	for (size_t pos = 0; (e = ptrset_next(s, &pos)) != NULL; walked++)
		assert_true(e->in);
	assert_int_equal(walked, in);
}

static void as_an_array(void **state)
{
	const struct ptrset_ops ops = { *state ? bad_hash : good_hash, has };
	struct ptrset s = { NULL, 0, 0 };
	unsigned seed = 7;
	size_t largest = 0;

	for (uint32_t i = 0; i < N; i++)
		entries[i] = (struct entry){ i, false };
	check(&s, &ops);
	ptrset_remove(&s, &ops, &entries[0]);
	/* grows to about all, shrinks to about none */
	for (int round = 0; round < 60000; round++) {
		struct entry *e = &entries[rand_r(&seed) % N];
		bool add = rand_r(&seed) % 16 < (round < 30000 ? 14 : 2);

		if (add && !e->in)
			assert_int_equal(ptrset_add(&s, &ops, e), 0);
		else if (!add)
			ptrset_remove(&s, &ops, e);
		e->in = add;
		if (round % 3000 == 0)
			check(&s, &ops);
		if (round == 30000)
			largest = s.size;
	}
	check(&s, &ops);
	for (uint32_t i = 0; i < N; i++)
		ptrset_remove(&s, &ops, &entries[i]);
	assert_int_equal(s.count, 0);
	assert_true(s.size < largest / 16);
	ptrset_clear(&s);
	assert_null(s.slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(as_an_array, NULL),
		{ "as_an_array, many collisions", as_an_array, NULL, NULL, entries },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
