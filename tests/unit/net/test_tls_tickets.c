/* Ticket keys as time goes by: the tests move the clock. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/tls_tickets.h"

#define HOUR 3600

static const char secret[] = "thirty-two bytes, and some more of them";

static int64_t moved; /* s */

static void pass(int64_t seconds)
{
	moved += seconds;
	clock_set_offset(0, moved * 1000);
}

/* To the middle of a lifetime, so that no test stands on an edge. */
static int begin(void **state)
{
	(void)state;
	clock_set_offset(0, 0);
	moved = 0;
	pass(HOUR / 2 - clock_wall_ms() / 1000 % HOUR);
	return 0;
}

static int end(void **state)
{
	(void)state;
	clock_set_offset(0, 0);
	return 0;
}

static struct tls_ticket_key seal(struct tls_tickets *t)
{
	struct tls_ticket_key key;

	assert_int_equal(tls_tickets_seal(t, &key), 0);
	return key;
}

/* What opening what KEY sealed says; 1 and 2 with the same key. */
static int open_with(struct tls_tickets *t, const struct tls_ticket_key *key)
{
	struct tls_ticket_key found;
	int verdict = tls_tickets_open(t, key->name, &found);

	if (verdict > 0)
		assert_memory_equal(&found, key, sizeof(found));
	return verdict;
}

static void rotate(struct tls_tickets *t)
{
	struct tls_ticket_key first = seal(t), second, third;

	assert_int_equal(open_with(t, &first), 1);
	pass(HOUR);
	assert_int_equal(open_with(t, &first), 2);
	second = seal(t);
	assert_memory_not_equal(first.name, second.name, sizeof(first.name));
	assert_memory_not_equal(first.cipher, second.cipher, sizeof(first.cipher));
	assert_memory_not_equal(first.mac, second.mac, sizeof(first.mac));
	assert_memory_not_equal(second.mac, second.cipher, sizeof(second.mac));
	assert_int_equal(open_with(t, &second), 1);
	pass(HOUR);
	third = seal(t);
	assert_int_equal(open_with(t, &first), 0);
	assert_int_equal(open_with(t, &second), 2);
	assert_int_equal(open_with(t, &third), 1);
	pass(10 * HOUR);
	assert_int_equal(open_with(t, &third), 0);
}

static void test_rotation(void **state)
{
	struct tls_tickets *t = tls_tickets_new(HOUR, NULL, 0);

	(void)state;
	assert_int_equal(tls_tickets_lifetime(t), HOUR);
	rotate(t);
	tls_tickets_unref(t);
}

static void test_rotation_with_a_secret(void **state)
{
	struct tls_tickets *t = tls_tickets_new(HOUR, secret, sizeof(secret));

	(void)state;
	rotate(t);
	tls_tickets_unref(t);
}

static void test_a_secret_is_shared(void **state)
{
	struct tls_tickets *one = tls_tickets_new(HOUR, secret, sizeof(secret));
	struct tls_tickets *other = tls_tickets_new(HOUR, secret, sizeof(secret));
	struct tls_tickets *stranger = tls_tickets_new(HOUR, secret, sizeof(secret) - 5);
	struct tls_tickets *alone = tls_tickets_new(HOUR, NULL, 0);
	struct tls_ticket_key key = seal(one), later;

	(void)state;
	assert_int_equal(open_with(other, &key), 1);
	assert_int_equal(open_with(stranger, &key), 0);
	assert_int_equal(open_with(alone, &key), 0);
	pass(HOUR);
	later = seal(one);
	pass(-HOUR); /* whose clock is behind opens it all the same */
	assert_int_equal(open_with(other, &later), 1);
	tls_tickets_unref(one);
	tls_tickets_unref(other);
	tls_tickets_unref(stranger);
	tls_tickets_unref(alone);
}

static void test_names_that_nobody_gave(void **state)
{
	struct tls_tickets *t = tls_tickets_new(HOUR, secret, sizeof(secret));
	struct tls_ticket_key key, found;

	(void)state;
	memset(&key, 0, sizeof(key));
	assert_int_equal(tls_tickets_open(t, key.name, &found), 0);
	tls_tickets_unref(tls_tickets_ref(t));
	assert_int_equal(tls_tickets_open(t, seal(t).name, &found), 1);
	tls_tickets_unref(t);
	tls_tickets_unref(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rotation),
		TEST(test_rotation_with_a_secret),
		TEST(test_a_secret_is_shared),
		TEST(test_names_that_nobody_gave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
