/*
 * listeners: the configuration's listeners as open sockets.
 *
 * One named listener can be several places: "*" is one for IPv4 and one for
 * IPv6, "localhost" likewise; where the machine has no IPv6 that one is left out.
 * At each place every worker has a socket of its own, or the first worker
 * accepts for all: at unix sockets, and where the system has nothing better.
 */
#ifndef NATTER_DAEMON_LISTENERS_H
#define NATTER_DAEMON_LISTENERS_H

#include "daemon/config.h"

#include <stddef.h>

struct certificates;
struct listeners;
struct worker;

/* For so many WORKERS. NULL: ERR says why, and none is open. */
struct listeners *listeners_open(const struct config *cfg, unsigned workers, char *err, size_t errlen);

/*
 * Who has not begun its TLS handshake, or connects later, has to speak what CERTS
 * say for its listener. On any thread, all at once.
 */
void listeners_set_tls(struct listeners *l, const struct certificates *certs);

/* All accept into WORKERS (as many as were opened for), whose array must outlive them. 0, or -1: no memory. */
int listeners_start(struct listeners *l, struct worker *const *workers);

/* Those of worker I accept no more. On its thread. */
void listeners_close(struct listeners *l, unsigned i);

/* When no worker runs. NULL is fine. */
void listeners_free(struct listeners *l);

#endif
