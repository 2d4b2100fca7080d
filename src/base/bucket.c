/*
 * bucket: see bucket.h.
 *
 * A rate in tokens a second is the same number in thousandths a millisecond,
 * so refilling is one multiplication and never rounds.
 */
#include <config.h>

#include "base/bucket.h"

#define TOKEN 1000                              /* thousandths */
#define DEEPEST_DEBT (INT64_C(-2000000000) * TOKEN) /* where counting stops */

static int64_t level_of(const struct bucket *b) { return (int64_t)b->tokens * TOKEN + b->milli; }

static void set_level(struct bucket *b, int64_t level)
{
	int64_t tokens = level / TOKEN;

	if (tokens * TOKEN > level)
		tokens--; /* the thousandths are never negative */
	b->tokens = (int32_t)tokens;
	b->milli = (uint16_t)(level - tokens * TOKEN);
}

static int64_t full(const struct bucket_limit *l) { return (int64_t)l->burst * TOKEN; }

void bucket_init(struct bucket *b, const struct bucket_limit *l, uint64_t now_ms)
{
	set_level(b, full(l));
	b->filled = (uint32_t)now_ms;
}

uint32_t bucket_take(struct bucket *b, const struct bucket_limit *l, uint32_t cost, uint64_t now_ms)
{
	uint32_t elapsed = (uint32_t)now_ms - b->filled;
	int64_t level = level_of(b) + (int64_t)elapsed * l->rate;
	uint64_t wait;

	if (l->rate == 0)
		return 0;
	if (level > full(l))
		level = full(l);
	level -= (int64_t)cost * TOKEN;
	if (level < DEEPEST_DEBT)
		level = DEEPEST_DEBT;
	set_level(b, level);
	b->filled = (uint32_t)now_ms;
	if (level >= 0)
		return 0;
	wait = ((uint64_t)-level + l->rate - 1) / l->rate;
	return wait < UINT32_MAX ? (uint32_t)wait : UINT32_MAX;
}
