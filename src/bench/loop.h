/*
 * loop: the event loop, run for a time or until something is true; SIGINT and
 * SIGTERM end what is being waited for; a line of progress on a terminal.
 */
#ifndef NATTER_BENCH_LOOP_H
#define NATTER_BENCH_LOOP_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#define LOOP_TICK_US 10000

struct loop {
	struct event_base *base;
	struct event *deadline, *tick, *signals[2];
	bool interrupted;
	bool show; /* progress */
	bool shown;
	uint64_t last_shown_us;
	bool (*check)(void *arg); /* of the run; every tick */
	void *arg;
};

/* Returns 0, or -1 when the system gives no event loop. */
int loop_init(struct loop *l, bool show_progress);
void loop_clear(struct loop *l);

/*
 * Runs until clock_us() is UNTIL_US or CHECK (which may be NULL, and is asked at
 * every tick) says true. An interrupt ends it, too, and later calls at
 * once, unless FINISH says that it is for finishing well; a second interrupt ends the process.
 */
void loop_run(struct loop *l, uint64_t until_us, bool (*check)(void *arg), void *arg, bool finish);

/* Every half second: true when a line is to be shown now. */
bool loop_progress_due(struct loop *l);

/* Replaces the line of progress; NULL removes it. */
void loop_progress(struct loop *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
