/*
 * crew: all workers, from the opening of their sockets to the last one's end.
 *
 * It owns what they share (the listeners, the settings in force, the journal,
 * names and totals), a front for each, and the threads. The first worker runs on the thread that
 * calls crew_run(), which is the one that gets the signals; the others have a
 * thread each, in which all signals are blocked. To stop, each is told by
 * letter and drains; the first one serves letters and signals until the last
 * one is gone, and what still lay in the mailboxes then is opened before
 * anything is freed.
 *
 * A reload goes the same way: everything new is there before, each worker turns
 * to it when it opens its letter, and when the last one has said so what is old
 * is freed.
 */
#ifndef NATTER_DAEMON_CREW_H
#define NATTER_DAEMON_CREW_H

#include "daemon/config.h"
#include "daemon/faults.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crew;
struct event_base;
struct listeners;
struct settings;

/* How many workers CFG asks for: its number, or one for each core that this process may use. */
unsigned crew_size(const struct config *cfg);

/* Takes S; opens its listeners and its storage. NULL: FAULTS says why. */
struct crew *crew_open(struct settings *s, struct faults *faults);

/* Makes the workers and all they need, in the process that will run them. 0, or -1: ERR says why. */
int crew_prepare(struct crew *c, char *err, size_t errlen);

/* The other workers' threads begin to serve. 0, or -1: ERR says why, and none of them runs. */
int crew_start(struct crew *c, char *err, size_t errlen);

/* The first worker serves, on this thread, until crew_stop() is through for all. */
void crew_run(struct crew *c);

/* Those in force. */
const struct settings *crew_settings(const struct crew *c);

/* Opens what of CFG's listeners is not open yet. NULL: FAULTS says why. */
struct listeners *crew_open_listeners(struct crew *c, const struct config *cfg, struct faults *faults);

/* Closes again what was opened for L. NULL is fine. */
void crew_close_listeners(struct crew *c, struct listeners *l);

/*
 * From the first worker's loop: takes S and L, which are in force for each
 * worker in a moment; DONE(arg) is called when they are for all, and never if
 * the crew stops first. Not again before that.
 */
void crew_turn(struct crew *c, struct settings *s, struct listeners *l, void (*done)(void *arg), void *arg);

/* Whether it can turn now: it runs, is not being stopped, and is through with the last turn. */
bool crew_can_turn(const struct crew *c);

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
