/* histogram: see histogram.h. */
#include <config.h>

#include "bench/histogram.h"

/* Values below twice the steps have a bucket each; above, as many of a value's leading bits count. */
static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value >> HISTOGRAM_BITS)
		value = (UINT64_C(1) << HISTOGRAM_BITS) - 1;
	if (value >> (HISTOGRAM_STEPS + 1) == 0)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEPS;
	return (shift << HISTOGRAM_STEPS) + (unsigned)(value >> shift);
}

/* The middle of a bucket. */
static uint64_t value_of(unsigned bucket)
{
	unsigned shift = bucket >> HISTOGRAM_STEPS;

	if (shift < 2)
		return bucket;
	shift--;
	return ((uint64_t)(bucket - (shift << HISTOGRAM_STEPS)) << shift) + (UINT64_C(1) << shift) / 2;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->buckets[bucket_of(value)]++;
	h->count++;
	h->sum += value;
	if (value > h->max)
		h->max = value;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
	double rank = percent / 100 * (double)h->count *
		      (1 - 1e-12); /* 99.9 % of 1000 are 999, not 999.0000000000001 */
	uint64_t passed = 0;

	if (h->count == 0 || percent >= 100)
		return h->max;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		passed += h->buckets[i];
		if (passed && (double)passed >= rank) {
			uint64_t value = value_of(i);

			return value < h->max ? value : h->max;
		}
	}
	return h->max;
}

double histogram_mean(const struct histogram *h)
{
	return h->count ? (double)h->sum / (double)h->count : 0;
}
