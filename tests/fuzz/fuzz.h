/*
 * fuzz: what the fuzz targets share. An input begins with a few bytes that
 * choose limits and where the rest is cut; the rest is what the target is fed.
 */
#ifndef NATTER_TESTS_FUZZ_H
#define NATTER_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What must be true, in every build. */
#define CHECK(truth) ((truth) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #truth))

static inline _Noreturn void fuzz_fail(const char *file, int line, const char *truth)
{
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, truth);
	abort();
}

struct fuzz_input {
	const uint8_t *data;
	size_t len;
};

/* The next byte, which is gone then; 0 at the end. */
static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
	if (!in->len)
		return 0;
	in->len--;
	return *in->data++;
}

/* LEN bytes in memory of exactly their size, so that ASan sees each step beyond them; the caller frees. */
static inline void *fuzz_copy(const void *bytes, size_t len)
{
	void *copy = calloc(len ? len : 1, 1);

	CHECK(copy);
	if (len)
		memcpy(copy, bytes, len);
	return len ? copy : (char *)copy + 1;
}

static inline void fuzz_free(void *copy, size_t len)
{
	free(len ? copy : (char *)copy - 1);
}

/* Where to cut: four lengths of 1 to 1017 bytes, one after another, mostly short. */
struct fuzz_cuts {
	uint8_t lengths[4];
	unsigned next;
};

static inline struct fuzz_cuts fuzz_cuts(struct fuzz_input *in)
{
	struct fuzz_cuts cuts = {{0}, 0};

	for (size_t i = 0; i < sizeof(cuts.lengths); i++)
		cuts.lengths[i] = fuzz_byte(in);
	return cuts;
}

/* The length of the next piece of what is LEFT. */
static inline size_t fuzz_cut(struct fuzz_cuts *cuts, size_t left)
{
	size_t c = cuts->lengths[cuts->next++ % sizeof(cuts->lengths)], n = 1 + c * c / 64;

	return n < left ? n : left;
}

/* The same with a cut behind each byte, and with none. */
static inline struct fuzz_cuts fuzz_bytewise(void) { return (struct fuzz_cuts){{0}, 0}; }

#endif
