/* meter: see meter.h. */
#include <config.h>

#include "bench/meter.h"

#include <stdio.h>
#include <time.h>

static uint64_t clock_read(clockid_t id, int *failed)
{
	struct timespec t;

	if (clock_gettime(id, &t) != 0) {
		*failed = 1;
		return 0;
	}
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int64_t resident(pid_t pid)
{
#ifdef NATTER_PORTABLE
	(void)pid;
	return -1;
#else
	char path[64], line[256];
	long long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %lld kB", &kib) == 1)
			break;
	fclose(f);
	return kib < 0 ? -1 : kib * 1024;
#endif
}

int meter_read(struct meter *m, const pid_t *pids, size_t n, pid_t *missing)
{
	m->cpu_us = 0;
	m->rss = n ? 0 : -1;
	for (size_t i = 0; i < n; i++) {
		clockid_t id;
		int failed = clock_getcpuclockid(pids[i], &id);
		int64_t rss = resident(pids[i]);

		if (!failed)
			m->cpu_us += clock_read(id, &failed);
		if (failed) {
			*missing = pids[i];
			return -1;
		}
		m->rss = m->rss < 0 || rss < 0 ? -1 : m->rss + rss;
	}
	return 0;
}

uint64_t meter_own_us(void)
{
	int failed = 0;

	return clock_read(CLOCK_PROCESS_CPUTIME_ID, &failed);
}
