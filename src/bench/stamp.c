/* stamp: see stamp.h. */
#include <config.h>

#include "bench/stamp.h"

#include <string.h>

#define BEGIN '^'
#define RUN_AT 1
#define SENDER_AT 5
#define SEQ_AT 9
#define TIME_AT 14
#define CHECK_AT 22

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The digits' values plus 1; 0 for all other characters. */
static const unsigned char values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};

static void write_digits(char *out, unsigned n, uint64_t value)
{
	while (n--) {
		out[n] = digits[value & 63];
		value >>= 6;
	}
}

/* -1: not all are digits. */
static int64_t read_digits(const char *in, unsigned n)
{
	int64_t value = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned v = values[(unsigned char)in[i]];

		if (v == 0)
			return -1;
		value = value << 6 | (v - 1);
	}
	return value;
}

static uint32_t check_of(const struct stamp *s)
{
	uint64_t h = (s->time_us ^ (uint64_t)s->sender << 40 ^ (uint64_t)s->seq << 20 ^ s->run) *
		     UINT64_C(0x9E3779B97F4A7C15);

	return (uint32_t)(h >> 52);
}

void stamp_write(char out[STAMP_LEN], const struct stamp *s)
{
	out[0] = BEGIN;
	write_digits(out + RUN_AT, 4, s->run);
	write_digits(out + SENDER_AT, 4, s->sender);
	write_digits(out + SEQ_AT, 5, s->seq);
	write_digits(out + TIME_AT, 8, s->time_us);
	write_digits(out + CHECK_AT, 2, check_of(s));
}

static int read_stamp(const char *at, uint32_t run, struct stamp *s)
{
	int64_t sender, seq, time;

	if (read_digits(at + RUN_AT, 4) != (int64_t)run)
		return 0;
	sender = read_digits(at + SENDER_AT, 4);
	seq = read_digits(at + SEQ_AT, 5);
	time = read_digits(at + TIME_AT, 8);
	if (sender < 0 || seq < 0 || time < 0)
		return 0;
	s->run = run;
	s->sender = (uint32_t)sender;
	s->seq = (uint32_t)seq;
	s->time_us = (uint64_t)time;
	return read_digits(at + CHECK_AT, 2) == (int64_t)check_of(s);
}

const char *stamp_find(const char *text, size_t len, uint32_t run, struct stamp *s)
{
	const char *end = text + len;

	while (end - text >= STAMP_LEN) {
		const char *at = memchr(text, BEGIN, (size_t)(end - text) - STAMP_LEN + 1);

		if (at == NULL)
			return NULL;
		if (read_stamp(at, run, s))
			return at + STAMP_LEN;
		text = at + 1;
	}
	return NULL;
}
