/*
 * front: where net and chat meet.
 *
 * It answers requests (a page, or a WebSocket at an endpoint), gives each
 * WebSocket its handler and session, and joins chat's two output types to net:
 * a sink is a connection, an audience is a fan-out. There is one for each
 * worker, which it owns together with the worker's hub; crew.c has them all.
 */
#ifndef NATTER_DAEMON_FRONT_H
#define NATTER_DAEMON_FRONT_H

#include "chat/hub.h"
#include "daemon/config.h"

#include <stddef.h>
#include <stdint.h>

struct book;
struct front;
struct settings;
struct worker;
struct worker_shared;

/* What all fronts share; outlives them. */
struct front_opts {
	const struct settings *settings; /* until front_turn() brings others */
	struct worker_shared *shared;
	struct book *users; /* see directory.h */
	struct shared_count *connections;
	unsigned workers; /* how many there are */
	uint64_t started; /* ms, by the monotonic clock */
};

/*
 * Makes the worker, in the process that will run it; any thread may, before
 * others know of it. OPTS is copied. NULL: no memory or file descriptors.
 */
struct front *front_new(const struct front_opts *opts);

/* On the worker's thread: S are in force here from now on; those before are not looked at any more. */
void front_turn(struct front *f, const struct settings *s);

/* Its hub, as HUB says but for its rules and the audience; before the first letter is sent. 0, or -1: no memory. */
int front_open_hub(struct front *f, const struct hub_opts *hub);

/* Before anybody may come, on one of all: names of the last run are held again. */
void front_restore(struct front *f);

/* On the worker's thread: closes all connections (1001), announces nobody's parting; worker_run() returns in time. */
void front_drain(struct front *f);

/* Posts at once the letters that it would post at its turn's end. 0: there were none. */
unsigned front_send(struct front *f);

/* When no letter but the journal's is on its way any more: nobody asks it for anything then. NULL is fine. */
void front_close_hub(struct front *f);

/* When the journal is gone as well. NULL is fine. */
void front_free(struct front *f);

struct worker *front_worker(const struct front *f);

#endif
