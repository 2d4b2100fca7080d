/*
 * crew: all workers, from the opening of their sockets to the last one's end.
 *
 * It owns what they share (the listeners, the journal, names and totals), a
 * front for each, and the threads. The first worker runs on the thread that
 * calls crew_run(), which is the one that gets the signals; the others have a
 * thread each, in which all signals are blocked. To stop, each is told by
 * letter and drains; the first one serves letters and signals until the last
 * one is gone, and what still lay in the mailboxes then is opened before
 * anything is freed.
 */
#ifndef NATTER_DAEMON_CREW_H
#define NATTER_DAEMON_CREW_H

#include "daemon/config.h"

#include <stddef.h>
#include <stdint.h>

struct crew;
struct event_base;

/* How many workers CFG asks for: its number, or one for each core that this process may use. */
unsigned crew_size(const struct config *cfg);

/* Opens the listeners of CFG, which must outlive it. NULL: ERR says why. */
struct crew *crew_open(const struct config *cfg, char *err, size_t errlen);

/* Makes the workers and all they need, in the process that will run them. 0, or -1: ERR says why. */
int crew_prepare(struct crew *c, char *err, size_t errlen);

/* The other workers' threads begin to serve. 0, or -1: ERR says why, and none of them runs. */
int crew_start(struct crew *c, char *err, size_t errlen);

/* The first worker serves, on this thread, until crew_stop() is through for all. */
void crew_run(struct crew *c);

/* From the first worker's loop. Closes the listeners and all connections (1001); a second call gives up waiting. */
void crew_stop(struct crew *c);

/* None may run. NULL is fine. */
void crew_free(struct crew *c);

/* The first worker's, for signals. */
struct event_base *crew_base(struct crew *c);

/* How many workers there are. */
unsigned crew_workers(const struct crew *c);

/*
 * Before crew_run(): ALIVE is called each MS milliseconds as long as every
 * worker opened its letters since the last time, and while they stop. 0 or -1.
 */
int crew_watch(struct crew *c, uint32_t ms, void (*alive)(void));

/* Counters as "name=value …" in BUF: worker I's, or for I = crew_workers() the sum of all; returns BUF. */
char *crew_stats(const struct crew *c, unsigned i, char *buf, size_t size);

#endif
