/*
 * sender: hands bytes of many connections to the system.
 *
 * A plain sender calls send() for each at once. A sender with a ring (io_uring)
 * collects up to SENDER_BATCH of them and enters the kernel once for all; when
 * fewer than SENDER_FEW have come together, send() is cheaper and done instead.
 * The ring is tried when it is made, and a sender whose ring fails later is a
 * plain one from then on: nothing is lost and nothing is sent twice by that.
 *
 * Nothing ever waits: each send takes what the socket has room for, and its
 * result says how much that was. One worker's.
 */
#ifndef NATTER_NET_SENDER_H
#define NATTER_NET_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sender;
struct conn;

/*
 * Also the entries of a ring. A ring has 64 + 2 * 16 + 4 bytes an entry in the
 * kernel, and 40 here: 35 KB a worker. The rest of a call is 0.5 us, which
 * 256 sends of 2 to 4 us do not feel any more.
 */
#define SENDER_BATCH 256

/* By ring, one send costs 1.2 times a send(), 3 cost 1.1, 8 as much, 128 and more 0.87 to 0.97. */
#define SENDER_FEW 8

struct sender_job {
	struct conn *conn;
	const char *data;
	size_t len;
	int fd;
	int32_t result; /* bytes that were taken, or -errno, or SENDER_UNSENT */
};

#define SENDER_UNSENT INT32_MIN

/* What became of a job. May send on the same connection, and may not add jobs. */
typedef void sender_done_fn(const struct sender_job *job);

/* NULL: no memory. */
struct sender *sender_new(sender_done_fn *done);

/* NULL is fine. No job may be left. */
void sender_free(struct sender *s);

/*
 * Makes and tries a ring; on the thread that will send. -1: there is none, WHY
 * (static, or strerror's) says why, and the sender stays a plain one.
 */
int sender_use_ring(struct sender *s, const char **why);

bool sender_has_ring(const struct sender *s);

/*
 * Sends LEN bytes on FD, now or at sender_finish(): until DONE was called the
 * bytes must stay where they are, and C must have no second job.
 */
void sender_add(struct sender *s, struct conn *c, int fd, const void *data, size_t len);

/* Every job is sent, and DONE was called for it, when this returns. */
void sender_finish(struct sender *s);

#endif
