/*
 * listeners: the configuration's listeners as open sockets.
 *
 * One named listener can be several places: "*" is one for IPv4 and one for
 * IPv6, "localhost" likewise; where the machine has no IPv6 that one is left out.
 * At each place every worker has a socket of its own, or the first worker
 * accepts for all: at unix sockets, and where the system has nothing better.
 *
 * A reload opens the next ones beside those in force: a place that is in both
 * keeps its sockets. Everything that can fail has happened when they are open.
 * Then each worker turns from the old ones to the next, and the old ones go.
 */
#ifndef NATTER_DAEMON_LISTENERS_H
#define NATTER_DAEMON_LISTENERS_H

#include "daemon/config.h"
#include "daemon/faults.h"

#include <stddef.h>

struct certificates;
struct listeners;
struct worker;

/* For so many WORKERS. NULL: FAULTS says why, and none is open. */
struct listeners *listeners_open(const struct config *cfg, unsigned workers, struct faults *faults);

/* The next ones, after NOW, which remain as they are. NULL: FAULTS says why. On the thread that opened NOW. */
struct listeners *listeners_next(struct listeners *now, const struct config *cfg, struct faults *faults);

/*
 * Who has not begun its TLS handshake, or connects later, has to speak what CERTS
 * say for its listener. On any thread, all at once.
 */
void listeners_set_tls(struct listeners *l, const struct certificates *certs);

/* All accept into WORKERS (as many as were opened for), whose array must outlive them. 0, or -1: no memory. */
int listeners_start(struct listeners *l, struct worker *const *workers);

/* NEXT follow NOW for good, before the first worker turns: what all share of a place is as NEXT say. Logs what is new. */
void listeners_commit(struct listeners *now, struct listeners *next, const struct config *cfg);

/* On the thread of worker I of WORKERS: new places accept, those that are in NOW only accept what waits and close. */
void listeners_turn(struct listeners *now, struct listeners *next, struct worker *const *workers, unsigned i);

/* When all workers have turned, or, to give NEXT up, none: what is in GONE alone goes. NULL is fine. */
void listeners_drop(struct listeners *gone, const struct listeners *kept);

/* Those of worker I accept no more. On its thread. */
void listeners_close(struct listeners *l, unsigned i);

/* When no worker runs. NULL is fine. */
void listeners_free(struct listeners *l);

#endif
