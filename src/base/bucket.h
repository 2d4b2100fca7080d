/*
 * bucket: token-bucket arithmetic, a plain value without a clock of its own.
 *
 * It holds up to `burst` tokens and gains `rate` tokens a second. Who takes
 * from it may overdraw it once: the debt says how long to wait. A rate of 0
 * means no limit. Tokens are counted in thousandths, so nothing is lost to
 * rounding between two calls.
 */
#ifndef NATTER_BASE_BUCKET_H
#define NATTER_BASE_BUCKET_H

#include <stdint.h>

struct bucket {
	int64_t level;   /* thousandths of a token; negative: overdrawn */
	uint64_t filled; /* ms, when level was last brought up to date */
};

struct bucket_limit {
	uint32_t rate;  /* tokens per second; 0: no limit */
	uint32_t burst; /* tokens it holds at most, at least 1 */
};

/* Full, at the monotonic time NOW_MS. */
void bucket_init(struct bucket *b, const struct bucket_limit *l, uint64_t now_ms);

/*
 * Takes COST tokens at NOW_MS. Returns 0 while the bucket is not overdrawn,
 * else the milliseconds (at least 1) until its level is 0 again. The tokens
 * are taken in either case.
 */
uint32_t bucket_take(struct bucket *b, const struct bucket_limit *l, uint32_t cost, uint64_t now_ms);

#endif
