/*
 * feed: what the tests of src/wire share: bytes in buffers of their exact size,
 * so that a sanitizer sees each step beyond them, and a repeatable source of
 * random numbers.
 */
#ifndef NATTER_TESTS_WIRE_FEED_H
#define NATTER_TESTS_WIRE_FEED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* LEN bytes in memory of their own; the caller frees. */
static inline void *feed_copy(const void *bytes, size_t len)
{
	void *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	if (len)
		memcpy(copy, bytes, len);
	return copy;
}

/* xorshift64: the same numbers in every run */
static inline uint64_t feed_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

#endif
