/*
 * traffic: fanout and echo. Senders and receivers in rooms; every message is
 * stamped, and every delivery checked and timed.
 *
 * echo is a fan-out to nobody else: a room for each connection, with one sender.
 */
#ifndef NATTER_BENCH_TRAFFIC_H
#define NATTER_BENCH_TRAFFIC_H

#include "bench/loop.h"
#include "bench/options.h"
#include "bench/report.h"

/*
 * Runs it. True: *r is filled. False: no connection; r->why says why ("":
 * interrupted). Its memory is static.
 */
bool traffic_run(struct loop *l, const struct options *o, struct report *r);

#endif
