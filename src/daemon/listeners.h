/*
 * listeners: the configuration's listeners as open sockets.
 *
 * One named listener can be several sockets: "*" is one for IPv4 and one for
 * IPv6, "localhost" likewise; where the machine has no IPv6 that one is left out.
 */
#ifndef NATTER_DAEMON_LISTENERS_H
#define NATTER_DAEMON_LISTENERS_H

#include "daemon/config.h"

#include <stddef.h>

struct listeners;
struct worker;

/* NULL: ERR says why, and none is open. */
struct listeners *listeners_open(const struct config *cfg, char *err, size_t errlen);

/* All accept into W. 0, or -1: no memory. */
int listeners_start(struct listeners *l, struct worker *w);

/* NULL is fine. */
void listeners_free(struct listeners *l);

#endif
