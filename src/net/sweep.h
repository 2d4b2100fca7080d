/*
 * sweep: what is overdue on a worker's connections, looked for once a tick.
 *
 * Time to finish the handshake, to answer a ping, to finish closing; backlogs
 * that do not shrink. Connections note the tick of what happened to them, so
 * that none needs a timer; lists in the order of their deadlines are not
 * walked further than to the first that has time left.
 */
#ifndef NATTER_NET_SWEEP_H
#define NATTER_NET_SWEEP_H

struct worker;

/* Closes what is overdue, pings who is silent, parks who is idle. */
void sweep(struct worker *w);

/* The limits have changed: who is silent for longer than the new ones allow has the whole ping_timeout from now on. */
void sweep_forgive(struct worker *w);

#endif
