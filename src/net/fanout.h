/*
 * fanout: a room's members on one worker, and what they are sent together.
 *
 * Members stand in dense arrays ("wires"), one for each wire form and kind: those
 * who take messages as they are, and those who take compressed ones, by the size
 * of their window; and of these those of each kind, for what is published may be
 * for some kinds only (chat's dialects; here they are bits). It is compressed once
 * for all, framed once for each wire, appended to its batch, and the batch goes
 * out at the end of the loop turn with one send per member. Positions count all
 * bytes the wire ever framed, so "how far has this member been served" is one
 * number: somebody who joins in mid-batch gets what came after, and who is sent
 * something for itself alone is served the rest of the batch first (fanout_serve),
 * so its own order of things never breaks.
 *
 * A flush of more than FANOUT_WHOLE sends gives way to other events after each
 * FANOUT_STRIDE, and goes on in the next turn, after the rooms that have not
 * begun; what is published meanwhile collects in a second batch.
 *
 * One worker's; members may be removed at any time but not from within a send.
 */
#ifndef NATTER_NET_FANOUT_H
#define NATTER_NET_FANOUT_H

#include <stddef.h>
#include <stdint.h>

struct conn;
struct worker;
struct fanout;
struct fanout_wire;

/* One connection's place in one room; lives where the membership lives. */
struct fanout_seat {
	struct fanout_wire *wire;
	struct fanout_seat *next; /* of the same connection */
	uint32_t index;           /* in the wire's array */
};

/*
 * Some 2 ms of sending on a core of its own. Giving way costs coalescing: what is
 * said meanwhile goes into another batch. With 512 a room of 1010 pays 1.3 times
 * as much for a message. Who needs several turns anyway has short ones: others
 * wait for one or two of them, and a send may take 9 us as well as 2.
 */
#define FANOUT_WHOLE 1024
#define FANOUT_STRIDE 128

/* Where there are several workers, a flush to so many rests afterwards, for at most so many us. */
#define FANOUT_PACED 256
#define FANOUT_REST_MAX 4000

/* NULL: no memory. */
struct fanout *fanout_new(struct worker *w);

/* No member may be left. */
void fanout_free(struct fanout *f);

/* KIND: one bit, of the low eight; it stays until fanout_remove(). 0, or -1: no memory. */
int fanout_add(struct fanout *f, struct fanout_seat *seat, struct conn *c, unsigned kind);
void fanout_remove(struct fanout_seat *seat);

/* One text message to all members of now whose kind is in KINDS, at the end of this turn. 0, or -1: no memory. */
int fanout_publish(struct fanout *f, const char *text, size_t len, unsigned kinds);

/* Sends C what the batches of its rooms still hold for it. */
void fanout_serve(struct conn *c);

/* The worker's end-of-turn event. Returns whether batches are left, for when worker.flush_rest us have passed. */
int fanout_flush(struct worker *w);

#endif
