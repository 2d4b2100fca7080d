/*
 * bucket: token-bucket arithmetic, a plain value without a clock of its own.
 *
 * It holds up to `burst` tokens and gains `rate` tokens a second. Who takes
 * from it may overdraw it: the debt says how long to wait. A rate of 0 means
 * no limit. Thousandths of tokens are kept, so nothing is lost to rounding
 * between two calls. Each client has one: it is small.
 */
#ifndef NATTER_BASE_BUCKET_H
#define NATTER_BASE_BUCKET_H

#include <stdint.h>

struct bucket {
	int32_t tokens;  /* negative: overdrawn */
	uint16_t milli;  /* thousandths of a token besides, 0 to 999 */
	uint32_t filled; /* ms, the low half, when it was last brought up to date */
};

struct bucket_limit {
	uint32_t rate;  /* tokens per second, up to 1000000; 0: no limit */
	uint32_t burst; /* tokens it holds at most, up to 10000000 */
};

/* Full, at the monotonic time NOW_MS. */
void bucket_init(struct bucket *b, const struct bucket_limit *l, uint64_t now_ms);

/*
 * Takes COST tokens at NOW_MS, which is never before that of the last call and
 * less than 49 days behind it (else the bucket gains less than it should).
 * Returns 0 while the bucket is not overdrawn, else the milliseconds (at least
 * 1) until its level is 0 again. The tokens are taken in either case.
 */
uint32_t bucket_take(struct bucket *b, const struct bucket_limit *l, uint32_t cost, uint64_t now_ms);

#endif
