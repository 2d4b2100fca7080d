/*
 * codec: what src/wire does to each byte, beside memcpy of the same bytes in
 * the same run. `make bench` runs it; `codec mask utf8` only these.
 *
 * Everything is repeated in rounds, interleaved with memcpy, and the medians
 * are compared: the machine may be slow, or slower than a moment ago, but the
 * ratios hold. Cycles are the time-stamp counter's, where there is one.
 */
#include <config.h>

#include "wire/utf8.h"
#include "wire/ws_deflate.h"
#include "wire/ws_frame.h"
#include "wire/ws_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 15
#define BYTES_A_ROUND (16u << 20)
#define LARGEST (4u << 20)

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
static unsigned char *from, *to;
static volatile size_t sink; /* so that nothing is left out as unused */

/* One thing that is measured: what it does to N bytes at DATA, one round after the other. */
struct job {
	const char *name;
	void (*prepare)(unsigned char *data, size_t n); /* not timed; NULL: nothing */
	void (*run)(unsigned char *data, size_t n);
	size_t units; /* frames or messages that it handles in a run; 0: it is bytes that count */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cycles(void)
{
#if defined __x86_64__ || defined __i386__
	return (double)__builtin_ia32_rdtsc();
#else
	return 0;
#endif
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
	return v[n / 2];
}

static void copy(unsigned char *data, size_t n)
{
	memcpy(to, data, n);
	__asm__ volatile("" : : "r"(to) : "memory");
}

/* Seconds and cycles of one run, as a mean over enough of them to be seen by the clock. */
static void time_runs(const struct job *job, unsigned char *data, size_t n, double *seconds, double *ticks)
{
	size_t i, runs = job->prepare ? 1 : BYTES_A_ROUND / n + 1;
	double begin, begin_ticks;

	if (job->prepare)
		job->prepare(data, n);
	begin = now();
	begin_ticks = cycles();
	for (i = 0; i < runs; i++)
		job->run(data, n);
	*ticks = (cycles() - begin_ticks) / (double)runs;
	*seconds = (now() - begin) / (double)runs;
}

/* A line of the table: the job on N bytes at DATA beside memcpy of them. */
static void measure(const struct job *job, unsigned char *data, size_t n)
{
	static const struct job memcpy_job = {"memcpy", NULL, copy, 0};
	double job_s[ROUNDS], job_c[ROUNDS], copy_s[ROUNDS], copy_c[ROUNDS];
	double seconds, beside;
	size_t i;

	for (i = 0; i < ROUNDS; i++) {
		time_runs(&memcpy_job, data, n, &copy_s[i], &copy_c[i]);
		time_runs(job, data, n, &job_s[i], &job_c[i]);
	}
	seconds = median(job_s, ROUNDS);
	beside = median(copy_s, ROUNDS);
	printf("%-26s %8zu %8.2f %8.2f", job->name, n, (double)n / seconds / 1e9, (double)n / beside / 1e9);
	if (cycles() > 0)
		printf(" %8.2f %8.2f", (double)n / median(job_c, ROUNDS), (double)n / median(copy_c, ROUNDS));
	else
		printf("        -        -");
	printf(" %8.2f", seconds / beside);
	if (job->units)
		printf("   %.1f ns each", seconds / (double)job->units * 1e9);
	printf("\n");
}

/* ---- masking ---- */

static void mask(unsigned char *data, size_t n)
{
	ws_mask(data, n, key, 0);
}

static void mask_turned(unsigned char *data, size_t n)
{
	ws_mask(data, n, key, 3);
}

static void bench_mask(void)
{
	static const struct job aligned = {"mask", NULL, mask, 0}, turned = {"mask, offset 3", NULL, mask_turned, 0};
	static const size_t lengths[] = {16, 128, 1024, 4096, 65536, LARGEST};
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		measure(&aligned, from, lengths[i]);
	measure(&turned, from + 1, 4096);
}

/* ---- UTF-8 ---- */

static void validate(unsigned char *data, size_t n)
{
	sink += utf8_valid(data, n);
}

/* Fills N bytes with whole characters of TEXT. */
static void fill(unsigned char *data, size_t n, const char *text)
{
	size_t len = strlen(text), i;

	memset(data, ' ', n);
	for (i = 0; i + len <= n; i += len)
		memcpy(data + i, text, len);
}

static void bench_utf8(void)
{
	static const struct {
		struct job job;
		const char *text;
	} cases[] = {
		{{"UTF-8, ASCII", NULL, validate, 0}, "The quick brown fox jumps over the lazy dog. "},
		{{"UTF-8, German", NULL, validate, 0}, "Zw\xc3\xb6lf Boxk\xc3\xa4mpfer jagen Viktor \xc3\xbc" "ber den Deich. "},
		{{"UTF-8, Greek", NULL, validate, 0}, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5 \xce\xbe\xce\xb5\xcf\x83 "},
		{{"UTF-8, Japanese", NULL, validate, 0}, "\xe3\x81\x84\xe3\x82\x8d\xe3\x81\xaf\xe3\x81\xab\xe3\x81\xbb"},
		{{"UTF-8, emoji", NULL, validate, 0}, "\xf0\x9f\x98\x80\xf0\x9f\x8e\x89"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fill(from, LARGEST, cases[i].text);
		measure(&cases[i].job, from, 4096);
		if (i == 0) {
			measure(&cases[i].job, from, 100);
			measure(&cases[i].job, from, 65536);
		}
	}
}

/* ---- frames ---- */

static size_t payload_len; /* of each frame */

/* Fills N bytes with whole masked text frames. */
static void fill_frames(unsigned char *data, size_t n)
{
	unsigned char head[WS_FRAME_HEAD_MAX_SERVER];
	size_t head_len = ws_frame_encode(head, WS_OP_TEXT, false, payload_len), at;

	head[1] |= 0x80;
	for (at = 0; at + head_len + 4 + payload_len <= n; at += head_len + 4 + payload_len) {
		memcpy(data + at, head, head_len);
		memcpy(data + at + head_len, key, 4);
		memset(data + at + head_len + 4, 'x', payload_len);
		ws_mask(data + at + head_len + 4, payload_len, key, 0);
	}
}

static void read_frames(unsigned char *data, size_t n)
{
	static const struct ws_limits limits = {LARGEST, LARGEST, 100};
	struct ws_stream s;
	struct ws_event ev;
	size_t used = 0;

	ws_stream_init(&s, &limits, NULL);
	do {
		used += ws_stream_read(&s, data + used, n - used, &ev);
		sink += ev.len;
	} while (ev.type != WS_EVENT_MORE);
	ws_stream_clear(&s);
}

static void bench_frames(void)
{
	static const size_t lengths[] = {20, 100, 1000, 10000};
	char name[32];
	size_t i, n;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct job job = {name, fill_frames, read_frames, 0};

		payload_len = lengths[i];
		snprintf(name, sizeof(name), "frames of %zu", payload_len);
		n = payload_len + 6 + (payload_len > 125 ? 2 : 0);
		job.units = 65536 / n;
		measure(&job, from, job.units * n);
	}
}

/* ---- permessage-deflate ---- */

/* What people say in a chat, as near as a table of words comes to it. */
static size_t chat_message(char *out, size_t n)
{
	static const char *const words[] = {
		"the", "of", "and", "a", "to", "in", "is", "you", "that", "it", "he", "was", "for", "on", "are", "as",
		"with", "his", "they", "I'm", "at", "be", "this", "have", "from", "or", "one", "had", "by", "word", "but",
		"not", "what", "all", "were", "we", "when", "your", "can", "said", "there", "use", "an", "each", "which",
		"she", "do", "how", "their", "if", "will", "up", "other", "about", "out", "many", "then", "them", "these",
		"so", "some", "her", "would", "make", "like", "him", "into", "time", "has", "look", "two", "more",
	};
	static uint32_t seed = 1;
	size_t at = (size_t)sprintf(out, "{\"type\":\"usermsg\",\"name\":\"ann\",\"color\":\"#8F3A6B\",\"message\":\"");

	while (at + 80 < n) {
		seed = seed * 1664525 + 1013904223;
		at += (size_t)sprintf(out + at, "%s ", words[(seed >> 16) % (sizeof(words) / sizeof(words[0]))]);
	}
	return at + (size_t)sprintf(out + at, "\",\"room\":\"lobby\",\"seq\":%u,\"time\":1781700000%03u}", seed % 9000 + 1000,
				    seed % 1000);
}

static void bench_deflate(void)
{
	static const size_t lengths[] = {160, 256, 512, 1024, 4096, 16384, 65536};
	struct ws_deflater *d = ws_deflater_new(1);
	struct ws_inflater *f = ws_inflater_new(15, false);
	static char message[70000], out[70000];
	double deflate_s[ROUNDS], inflate_s[ROUNDS], begin, total;
	const unsigned char *deflated = NULL;
	size_t i, k, round, runs, len, n = 0, got;

	if (!d || !f)
		abort();
	printf("\n%-26s %8s %8s %8s %8s %8s\n", "permessage-deflate", "bytes", "deflated", "saved", "deflate", "inflate");
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		runs = 400000 / lengths[i] + 1;
		total = 0;
		for (round = 0; round < ROUNDS; round++) {
			deflate_s[round] = inflate_s[round] = 0;
			for (k = 0; k < runs; k++) {
				len = chat_message(message, lengths[i]);
				begin = now();
				deflated = ws_deflater_run(d, message, len, &n);
				deflate_s[round] += (now() - begin) / (double)runs;
				if (!deflated)
					abort();
				total += (double)n / (double)len;
				begin = now();
				ws_inflater_begin(f, deflated, n);
				if (ws_inflater_run(f, out, sizeof(out), &got) != WS_INFLATE_DONE || got != len)
					abort();
				inflate_s[round] += (now() - begin) / (double)runs;
			}
		}
		total /= (double)(runs * ROUNDS);
		printf("%-26s %8zu %8.0f %7.0f%% %5.1f us %5.1f us\n", "a chat message", lengths[i],
		       (double)lengths[i] * total, 100 * (1 - total), median(deflate_s, ROUNDS) * 1e6,
		       median(inflate_s, ROUNDS) * 1e6);
	}
	ws_deflater_free(d);
	ws_inflater_free(f);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {{"mask", bench_mask}, {"utf8", bench_utf8}, {"frames", bench_frames}, {"deflate", bench_deflate}};
	size_t i;
	int a;

	from = malloc(LARGEST + 64);
	to = malloc(LARGEST + 64);
	if (!from || !to)
		return 1;
	memset(from, 'x', LARGEST + 64);
	memset(to, 'x', LARGEST + 64);
	printf("%-26s %8s %8s %8s %8s %8s %8s\n", "beside memcpy", "bytes", "GB/s", "memcpy", "B/cycle", "memcpy",
	       "time x");
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (a = 1; a < argc && strcmp(argv[a], parts[i].name) != 0; a++)
			;
		if (argc == 1 || a < argc)
			parts[i].run();
	}
	free(from);
	free(to);
	return 0;
}
