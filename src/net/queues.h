/*
 * queues: the memory of what waits for all readers together (queues_max).
 *
 * Each worker knows what waits for its own readers, and tells the others when
 * that has grown by some, and once a second. Where all of it is too much the
 * worker that has its share or more of it drops those connections for which
 * most waits, with a reset: what waits for them is gone at once.
 */
#ifndef NATTER_NET_QUEUES_H
#define NATTER_NET_QUEUES_H

#include <stdbool.h>
#include <stddef.h>

struct conn;
struct worker;

/* LEN bytes are about to wait for C. Whether it is there still to wait for them. */
bool queues_room(struct conn *c, size_t len);

/* Once a second. */
void queues_sweep(struct worker *w);

#endif
