/*
 * bucket: see bucket.h.
 *
 * A rate in tokens a second is the same number in thousandths a millisecond,
 * so refilling is one multiplication and never rounds.
 */
#include <config.h>

#include "base/bucket.h"

#define TOKEN 1000                      /* thousandths */
#define DEEPEST_DEBT (INT64_MIN / 4)    /* where counting stops: no sum below can overflow */

static int64_t full(const struct bucket_limit *l)
{
	return (int64_t)l->burst * TOKEN;
}

static void refill(struct bucket *b, const struct bucket_limit *l, uint64_t now_ms)
{
	uint64_t elapsed = now_ms > b->filled ? now_ms - b->filled : 0;

	b->filled += elapsed;
	if (b->level >= full(l) || elapsed > (uint64_t)(full(l) - b->level) / l->rate)
		b->level = full(l);
	else
		b->level += (int64_t)(elapsed * l->rate);
}

void bucket_init(struct bucket *b, const struct bucket_limit *l, uint64_t now_ms)
{
	b->level = full(l);
	b->filled = now_ms;
}

uint32_t bucket_take(struct bucket *b, const struct bucket_limit *l, uint32_t cost, uint64_t now_ms)
{
	uint64_t wait;

	if (l->rate == 0)
		return 0;
	refill(b, l, now_ms);
	b->level -= (int64_t)cost * TOKEN;
	if (b->level < DEEPEST_DEBT)
		b->level = DEEPEST_DEBT;
	if (b->level >= 0)
		return 0;
	wait = ((uint64_t)-b->level + l->rate - 1) / l->rate;
	return wait < UINT32_MAX ? (uint32_t)wait : UINT32_MAX;
}
