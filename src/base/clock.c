/* clock: see clock.h. */
#include <config.h>

#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t mono_offset_ms, wall_offset_ms;

static uint64_t now_us(clockid_t id, const _Atomic int64_t *offset_ms)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000 +
	       (uint64_t)atomic_load_explicit(offset_ms, memory_order_relaxed) * 1000;
}

uint64_t clock_ms(void)
{
	return now_us(CLOCK_MONOTONIC, &mono_offset_ms) / 1000;
}

uint64_t clock_us(void)
{
	return now_us(CLOCK_MONOTONIC, &mono_offset_ms);
}

int64_t clock_wall_ms(void)
{
	return (int64_t)now_us(CLOCK_REALTIME, &wall_offset_ms) / 1000;
}

void clock_set_offset(int64_t mono_ms, int64_t wall_ms)
{
	atomic_store_explicit(&mono_offset_ms, mono_ms, memory_order_relaxed);
	atomic_store_explicit(&wall_offset_ms, wall_ms, memory_order_relaxed);
}
