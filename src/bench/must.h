/*
 * must: memory for a program that has nothing better to do without it than to
 * say so and end. Used at set-up and at a connection's first long message,
 * never per delivery.
 */
#ifndef NATTER_BENCH_MUST_H
#define NATTER_BENCH_MUST_H

#include <stddef.h>

/* N members of SIZE bytes, zeroed. The caller frees them. */
void *must_calloc(size_t n, size_t size);

/* realloc(); takes P. */
void *must_realloc(void *p, size_t size);

/* A copy of S; the caller frees it. */
char *must_strdup(const char *s);

#endif
