/* must: see must.h. */
#include <config.h>

#include "bench/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
	if (p == NULL) {
		fputs("natterbench: out of memory\n", stderr);
		exit(2);
	}
	return p;
}

void *must_calloc(size_t n, size_t size)
{
	return must(calloc(n ? n : 1, size ? size : 1));
}

void *must_realloc(void *p, size_t size)
{
	return must(realloc(p, size ? size : 1));
}

char *must_strdup(const char *s)
{
	return must(strdup(s));
}
