/*
 * stamp: the mark that natterbench puts into every message's text, and finds
 * again wherever the server put that text, without a JSON parser.
 *
 * 24 characters: '^', the run (4), the sender (4), the message's number (5),
 * the time it was due (8), a check value (2); digits of base64url, which no
 * server needs to escape. Pure.
 */
#ifndef NATTER_BENCH_STAMP_H
#define NATTER_BENCH_STAMP_H

#include <stddef.h>
#include <stdint.h>

#define STAMP_LEN 24
#define STAMP_SENDERS (1u << 24)
#define STAMP_SEQS (1u << 30)

struct stamp {
	uint32_t run;     /* 24 bits: stamps of other runs are none */
	uint32_t sender;  /* 24 bits, of the whole run */
	uint32_t seq;     /* 30 bits, from 0 for each sender */
	uint64_t time_us; /* 48 bits, when it was due */
};

/* Writes S to OUT, without a NUL. */
void stamp_write(char out[STAMP_LEN], const struct stamp *s);

/*
 * Finds the next stamp of RUN in LEN bytes and fills *S. Returns what follows
 * it, or NULL: there is none. A stamp with a wrong check value is none.
 */
const char *stamp_find(const char *text, size_t len, uint32_t run, struct stamp *s);

#endif
