/*
 * histogram: how often which value came, in fixed memory.
 *
 * Log-linear, as HDR histograms are: every power of two is divided into 128
 * buckets, so a value read back is wrong by less than 0.8 %; below 256 it is
 * exact. Values are any unit's (natterbench's are microseconds). A plain value.
 */
#ifndef NATTER_BENCH_HISTOGRAM_H
#define NATTER_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS 40 /* of the largest value; larger ones count as that */
#define HISTOGRAM_STEPS 7 /* 2 to this power: buckets per power of two */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_BITS - HISTOGRAM_STEPS + 1) << HISTOGRAM_STEPS)

struct histogram {
	uint64_t count, max, sum;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* One more VALUE. (Zeroed memory is an empty histogram.) */
void histogram_add(struct histogram *h, uint64_t value);

/* The value that PERCENT (0 to 100) of all do not exceed; 0 when there is none. 100 gives the exact maximum. */
uint64_t histogram_percentile(const struct histogram *h, double percent);

/* The mean, exact; 0 when there is none. */
double histogram_mean(const struct histogram *h);

#endif
