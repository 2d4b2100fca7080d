/* Unit tests of base/payload: bytes, the NUL behind them, and the count from many threads. */
#include <config.h>

#include "base/payload.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void copies_bytes(void **state)
{
	char bytes[] = "a\0b";
	struct payload *p = payload_new(bytes, 3);

	(void)state;
	assert_non_null(p);
	memset(bytes, 'x', 3);
	assert_int_equal(p->len, 3);
	assert_memory_equal(p->data, "a\0b\0", 4);
	payload_unref(p);
}

static void empty(void **state)
{
	struct payload *p = payload_new(NULL, 0), *q = payload_new("", 0);

	(void)state;
	assert_int_equal(p->len, 0);
	assert_int_equal(p->data[0], '\0');
	assert_int_equal(q->len, 0);
	assert_int_equal(q->data[0], '\0');
	payload_unref(p);
	payload_unref(q);
}

static void is_the_callers_to_fill(void **state)
{
	struct payload *p = payload_new(NULL, 1000);

	(void)state;
	memset(p->data, 'x', 1000);
	assert_int_equal(strlen(p->data), 1000);
	payload_unref(p);
}

static void too_long(void **state)
{
	(void)state;
	assert_null(payload_new(NULL, (size_t)UINT32_C(0x80000001)));
	assert_null(payload_new(NULL, SIZE_MAX));
	assert_null(payload_new(NULL, SIZE_MAX - sizeof(struct payload)));
}

static void counts(void **state)
{
	struct payload *p = payload_new("x", 1);

	(void)state;
	assert_ptr_equal(payload_ref(p), p);
	assert_int_equal(atomic_load(&p->refs), 2);
	payload_unref(p);
	assert_int_equal(atomic_load(&p->refs), 1);
	assert_int_equal(p->data[0], 'x');
	payload_unref(p);
	assert_null(payload_ref(NULL));
	payload_unref(NULL);
}

static void *ref_and_unref(void *arg)
{
	struct payload *p = arg;

	for (int i = 0; i < 20000; i++)
		payload_unref(payload_ref(p));
	payload_unref(p);
	return NULL;
}

/* Whichever thread is last frees: the sanitizers and valgrind see whether one does, once. */
static void from_threads(void **state)
{
	struct payload *p = payload_new("shared", 6);
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, payload_ref(p)), 0);
	payload_unref(p);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_bytes),
		cmocka_unit_test(empty),
		cmocka_unit_test(is_the_callers_to_fill),
		cmocka_unit_test(too_long),
		cmocka_unit_test(counts),
		cmocka_unit_test(from_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
