/*
 * meter: what processes used so far, of the system's own account.
 *
 * CPU time is that of all threads, also of those that have ended, in
 * nanoseconds where the system counts so. Resident memory is Linux's
 * (/proc/PID/status); elsewhere, and in a portable build, it is unknown.
 */
#ifndef NATTER_BENCH_METER_H
#define NATTER_BENCH_METER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct meter {
	uint64_t cpu_us; /* of all processes together */
	int64_t rss;     /* bytes; -1: unknown */
};

/* Reads the N processes' account. Returns 0, or -1 with the process that is not there in *missing. */
int meter_read(struct meter *m, const pid_t *pids, size_t n, pid_t *missing);

/* CPU time of this process, in µs. */
uint64_t meter_own_us(void);

#endif
