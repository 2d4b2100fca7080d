#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/commander.h"

static char *ask(const char *text, uint64_t uptime, bool *bye)
{
	struct payload *p = commander_answer(text, strlen(text), uptime, 86400000ll * 365, bye);
	char *s = strdup(p->data);

	payload_unref(p);
	return s;
}

static void expect(const char *text, uint64_t uptime, const char *want)
{
	bool bye = false;
	char *got = ask(text, uptime, &bye);

	assert_string_equal(got, want);
	assert_int_equal(bye, strcmp(want, "Bye!") == 0);
	free(got);
}

static void test_words(void **state)
{
	(void)state;
	expect("hello", 0, "Hello!");
	expect(" HELLO\r\n", 0, "Hello!");
	expect("hi", 0, "Hi!");
	expect("name", 0, "I am natterd.");
	expect("thanks", 0, "You're welcome.");
	expect("bye", 0, "Bye!");
	expect("goodbye", 0, "You have entered: goodbye");
	expect("", 0, "You have entered: ");
	expect("hello hello", 0, "You have entered: hello hello");
}

static void test_age(void **state)
{
	(void)state;
	expect("age", 0, "0 seconds");
	expect("age", 1, "1 second");
	expect("age", 60, "1 minute");
	expect("age", 3600 + 120 + 3, "1 hour, 2 minutes, 3 seconds");
	expect("age", 2 * 86400 + 1, "2 days, 1 second");
	expect("age", UINT64_MAX, "213503982334601 days, 7 hours, 15 seconds");
}

static void test_clock(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	expect("date", 0, "1971-01-01");
	expect("time", 0, "00:00:00");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words), cmocka_unit_test(test_age), cmocka_unit_test(test_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
