/*
 * queues: the memory of what waits for all readers together (queues_max).
 *
 * Each worker knows what waits for its own readers, and tells the others when
 * that has grown by some, and once a second. Where all of it is too much the
 * worker that has its share or more of it drops those connections for which
 * most waits, with a reset: what waits for them is gone at once. That is done
 * at the end of a turn: until then more may wait.
 */
#ifndef NATTER_NET_QUEUES_H
#define NATTER_NET_QUEUES_H

struct worker;

/* More waits than before: if it is too much, that is seen to at the end of the turn, for whoever writes may be walking a list. */
void queues_grew(struct worker *w);

/* At the end of such a turn, and once a second. */
void queues_sweep(struct worker *w);

#endif
