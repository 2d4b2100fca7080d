/* Unit tests of chat/name_cache: it says what name_key() says, however often it is asked, of however many names. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/name.h"
#include "chat/name_cache.h"

static void same(struct name_cache *c, const char *name, size_t len)
{
	struct payload *key = name_key(name, len);
	const struct payload *kept = name_cache_key(c, name, len);

	assert_int_equal(key != NULL, kept != NULL);
	if (key) {
		assert_int_equal(key->len, kept->len);
		assert_memory_equal(key->data, kept->data, key->len);
	}
	payload_unref(key);
}

static void test_as_name_key(void **state)
{
	static const char *const names[] = { "ann", "Ann", " ann ", "\xc3\x84nn", "", "\x01", "a\xff", "ann\xe2\x80\x8b" };
	struct name_cache *c = name_cache_new();
	char name[600], big[400];

	(void)state;
	memset(big, 'x', sizeof(big));
	for (int again = 0; again < 3; again++) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			same(c, names[i], strlen(names[i]));
		for (int i = 0; i < 4 * NAME_CACHE_SIZE; i++)
			same(c, name, (size_t)sprintf(name, "Ann %d", i));
		same(c, big, sizeof(big));
		same(c, big, 200);
	}
	name_cache_free(c);
	name_cache_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_name_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
