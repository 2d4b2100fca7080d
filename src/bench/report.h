/*
 * report: what was measured, as text for people or as one JSON object, and the
 * exit status that follows from it.
 */
#ifndef NATTER_BENCH_REPORT_H
#define NATTER_BENCH_REPORT_H

#include "bench/histogram.h"
#include "bench/options.h"

#include <stdbool.h>
#include <stdint.h>

struct report {
	uint64_t window_us;       /* what rates and CPU times cover */
	struct histogram latency; /* µs: of a delivery; connect, idle: of a handshake */

	/* fanout, echo: in the window */
	uint64_t sent, delivered, bytes;
	uint32_t message_size; /* bytes of a frame's payload as sent */

	/* fanout, echo: in the whole run */
	uint64_t sent_all, delivered_all, expected_all;
	uint64_t lost, twice, late; /* late: after a later one of the same sender */
	uint64_t misrouted;         /* in a room that they were not sent to */
	uint64_t disagreeing;       /* receivers whose order is not their room's */
	uint64_t unsent;            /* due, but not taken by the server */
	uint64_t stalls;            /* closed loop: times that a sender gave up waiting */
	uint64_t deflated;          /* messages that came compressed */
	uint64_t others;            /* messages of no sender of this run */
	char complaint[200];        /* the first error that the server replied with; "": none */

	/* all modes */
	uint32_t connections;
	char tls[64]; /* version and cipher; "": plain */
	uint64_t connections_lost;
	const char *why; /* the first of them; "": none */

	/* connect, idle */
	uint64_t handshakes, handshakes_failed;
	uint64_t opening_us; /* idle: that it took to open all */
	uint64_t opening_cpu_us;

	/* --pid */
	bool server;
	uint64_t server_cpu_us;        /* in the window */
	int64_t rss_before, rss_after; /* bytes; -1: unknown */
	uint64_t own_cpu_us;           /* natterbench's, in the window */
	bool interrupted;
};

/* 0 or 1, as natterbench exits. */
int report_status(const struct options *o, const struct report *r);

/* Prints it to stdout. Returns 0, or -1 when that fails. */
int report_print(const struct options *o, const struct report *r);

#endif
