/* Unit tests of base/list: order, count, removal while walking, against an array. */
#include <config.h>

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct item {
	int before; /* so that node is not the first member */
	struct list_node node;
	int number;
};

static int number_of(struct list_node *n)
{
	return list_entry(n, struct item, node)->number;
}

/* The list, walked both ways, holds exactly these numbers. */
static void assert_numbers(struct list *l, const int *numbers, size_t count)
{
	struct list_node *back = &l->head;
	size_t i = 0;

	assert_int_equal(l->count, count);
	assert_int_equal(list_empty(l), count == 0);
	list_each(n, l) {
		assert_true(i < count);
		assert_int_equal(number_of(n), numbers[i]);
		i++;
	}
	assert_int_equal(i, count);
	while ((back = back->prev) != &l->head)
		assert_int_equal(number_of(back), numbers[--i]);
	assert_int_equal(i, 0);
	if (count > 0)
		assert_int_equal(number_of(list_first(l)), numbers[0]);
	else
		assert_null(list_first(l));
}

static void empty(void **state)
{
	struct list l;

	(void)state;
	list_init(&l);
	assert_numbers(&l, NULL, 0);
	list_each_safe(n, &l)
		fail();
}

static void appends_in_order_and_unlinks(void **state)
{
	struct item a = {.number = 1}, b = {.number = 2}, c = {.number = 3};
	struct list l;

	(void)state;
	list_init(&l);
	list_append(&l, &a.node);
	assert_numbers(&l, (int[]){1}, 1);
	list_append(&l, &b.node);
	list_append(&l, &c.node);
	assert_numbers(&l, (int[]){1, 2, 3}, 3);
	list_remove(&l, &b.node);
	assert_null(b.node.next);
	assert_null(b.node.prev);
	assert_numbers(&l, (int[]){1, 3}, 2);
	list_remove(&l, &a.node);
	list_append(&l, &a.node);
	assert_numbers(&l, (int[]){3, 1}, 2);
	list_remove(&l, &a.node);
	list_remove(&l, &c.node);
	assert_numbers(&l, NULL, 0);
}

static void safe_walk_moves_every_item(void **state)
{
	struct item items[5];
	struct list from, to;

	(void)state;
	list_init(&from);
	list_init(&to);
	for (int i = 0; i < 5; i++) {
		items[i].number = i;
		list_append(&from, &items[i].node);
	}
	list_each_safe(n, &from) {
		if (number_of(n) == 2)
			continue;
		list_remove(&from, n);
		list_append(&to, n);
	}
	assert_numbers(&from, (int[]){2}, 1);
	assert_numbers(&to, (int[]){0, 1, 3, 4}, 4);
}

static void like_an_array(void **state)
{
	enum { N = 32 };
	struct item items[N];
	bool listed[N] = {false};
	int order[N];
	size_t count = 0;
	uint32_t random = 1;
	struct list l;

	(void)state;
	list_init(&l);
	for (int i = 0; i < N; i++)
		items[i].number = i;
	for (int step = 0; step < 5000; step++) {
		int i = (int)((random = random * 1664525 + 1013904223) >> 16) % N;

		if (listed[i]) {
			size_t at = 0;

			while (order[at] != i)
				at++;
			memmove(order + at, order + at + 1, (--count - at) * sizeof(*order));
			list_remove(&l, &items[i].node);
		} else {
			order[count++] = i;
			list_append(&l, &items[i].node);
		}
		listed[i] = !listed[i];
		assert_numbers(&l, order, count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(appends_in_order_and_unlinks),
		cmocka_unit_test(safe_walk_moves_every_item),
		cmocka_unit_test(like_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
