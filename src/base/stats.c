/* stats: see stats.h. */
#include <config.h>

#include "base/stats.h"

#include <inttypes.h>
#include <stdio.h>

static struct stats spare;

_Thread_local struct stats *stats_mine = &spare;

static const char *const names[STAT_COUNT] = {
#define STAT(name, kind, help) [STAT_##name] = #name,
#include "base/stats.def"
#undef STAT
};

void stats_use(struct stats *s)
{
	stats_mine = s ? s : &spare;
}

const char *stats_name(enum stat_id which)
{
	return names[which];
}

static int64_t sum(struct stats *const *all, size_t n, enum stat_id which)
{
	int64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += stats_read(all[i], which);
	return total;
}

char *stats_format(struct stats *const *all, size_t n, char *buf, size_t size)
{
	size_t at = 0;

	if (size > 0)
		buf[0] = '\0';
	for (int i = 0; i < STAT_COUNT && at < size; i++) {
		int len = snprintf(buf + at, size - at, "%s%s=%" PRId64, i ? " " : "", names[i],
				   sum(all, n, (enum stat_id)i));
		at += len > 0 ? (size_t)len : 0;
	}
	return buf;
}
