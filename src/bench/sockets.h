/*
 * sockets: connect and idle. What connections cost that say nothing.
 */
#ifndef NATTER_BENCH_SOCKETS_H
#define NATTER_BENCH_SOCKETS_H

#include "bench/loop.h"
#include "bench/options.h"
#include "bench/report.h"

/* Opens and closes connections for a time. As traffic_run(). */
bool sockets_connect(struct loop *l, const struct options *o, struct report *r);

/* Opens connections, and keeps them. As traffic_run(). */
bool sockets_idle(struct loop *l, const struct options *o, struct report *r);

#endif
