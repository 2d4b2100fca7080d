/*
 * front: where net and chat meet.
 *
 * It answers requests (a page, or a WebSocket at an endpoint), gives each
 * WebSocket its handler and session, and joins chat's two output types to net:
 * a sink is a connection, an audience is a fan-out. It owns the worker, its
 * hub, the journal and the listeners.
 */
#ifndef NATTER_DAEMON_FRONT_H
#define NATTER_DAEMON_FRONT_H

#include "daemon/config.h"

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct front;

/* Opens the listeners of CFG, which must outlive it. NULL: ERR says why. */
struct front *front_open(const struct config *cfg, char *err, size_t errlen);

/*
 * Makes the worker and all it needs, in the process and thread that will run
 * it. 0, or -1: no memory or file descriptors.
 */
int front_start(struct front *f);

/* Serves until front_stop() is through. */
void front_run(struct front *f);

/* Closes the listeners and all connections (1001); a second call gives up waiting. */
void front_stop(struct front *f);

/* NULL is fine. */
void front_free(struct front *f);

/* For signals. */
struct event_base *front_base(struct front *f);

/* All counters as "name=value …" in BUF; returns BUF. */
char *front_stats(struct front *f, char *buf, size_t size);

#endif
