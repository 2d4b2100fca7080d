/*
 * stats: the counters of stats.def.
 *
 * Every thread that counts has a struct stats of its own, set once with
 * stats_use(); counting is an addition to memory that no other thread writes.
 * Reading sums over all of them and may be a moment behind.
 */
#ifndef NATTER_BASE_STATS_H
#define NATTER_BASE_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum stat_id {
#define STAT(name, kind, help) STAT_##name,
#include "base/stats.def"
#undef STAT
	STAT_COUNT
};

struct stats {
	_Alignas(64) _Atomic int64_t value[STAT_COUNT];
};

extern _Thread_local struct stats *stats_mine;

/* From now on this thread counts in S (zeroed by the caller); NULL: in a spare that nobody reads. */
void stats_use(struct stats *s);

/* Adds N, which may be negative for gauges, to this thread's counter. */
static inline void stats_add(enum stat_id which, int64_t n)
{
	_Atomic int64_t *v = &stats_mine->value[which];
	atomic_store_explicit(v, atomic_load_explicit(v, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline int64_t stats_read(const struct stats *s, enum stat_id which)
{
	return atomic_load_explicit(&s->value[which], memory_order_relaxed);
}

/* The row's name, as logged. */
const char *stats_name(enum stat_id which);

/*
 * Writes "name=value name=value …", summed over the N blocks of ALL, to BUF
 * (NUL-terminated, truncated to SIZE). Returns BUF.
 */
char *stats_format(struct stats *const *all, size_t n, char *buf, size_t size);

#endif
