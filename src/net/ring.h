/*
 * ring: one io_uring that can do nothing but send, without waiting.
 *
 * Made and used on one thread. It is restricted to IORING_OP_SEND where the
 * kernel can do that (5.10), and tried on a pair of sockets before it is given
 * out: what must hold is that a send that finds no room ends at once and says
 * so, as with MSG_DONTWAIT. For sender only; not there without liburing.
 */
#ifndef NATTER_NET_RING_H
#define NATTER_NET_RING_H

#include <stddef.h>

struct ring;
struct sender_job;

#ifdef HAVE_LIBURING

/* NULL: WHY says why not. */
struct ring *ring_new(const char **why);

/* NULL is fine. */
void ring_free(struct ring *r);

/*
 * Does JOBS, SENDER_BATCH at most, in their order, and sets their results. 0,
 * or -1: the ring is broken. Then jobs that were certainly not sent have the
 * result SENDER_UNSENT, and one of which nobody knows has -EIO.
 */
int ring_send(struct ring *r, struct sender_job *jobs, size_t n);

#else

static inline struct ring *ring_new(const char **why) { return *why = "built without liburing", (struct ring *)NULL; }
static inline void ring_free(struct ring *r) { (void)r; }
static inline int ring_send(struct ring *r, struct sender_job *jobs, size_t n) { return (void)r, (void)jobs, (void)n, -1; }

#endif
#endif
