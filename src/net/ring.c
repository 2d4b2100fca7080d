#include <config.h>

#include "net/ring.h"
#include "net/sender.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A job's length is 32 bits there; what a send leaves over is sent later. */
#define LEN_MAX (1u << 30)

struct ring {
	struct io_uring io;
};

/* ---- sending ---- */

static void prepare(struct ring *r, struct sender_job *job, size_t i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->io); /* there are as many as jobs */

	io_uring_prep_send(sqe, job->fd, job->data, job->len < LEN_MAX ? job->len : LEN_MAX,
			   MSG_NOSIGNAL | MSG_DONTWAIT);
	sqe->user_data = i;
	job->result = SENDER_UNSENT;
}

/* Results by which the ring refuses the job itself: nothing was tried. */
static bool is_refusal(int result)
{
	return result == -EINVAL || result == -EACCES || result == -EOPNOTSUPP || result == -ECANCELED;
}

/* Takes what results are there. Returns their number. */
static size_t take_results(struct ring *r, struct sender_job *jobs, bool *refused)
{
	struct io_uring_cqe *cqe;
	unsigned head;
	size_t n = 0;

	io_uring_for_each_cqe(&r->io, head, cqe) {
		if (is_refusal(cqe->res))
			*refused = true;
		else
			jobs[cqe->user_data].result = cqe->res;
		n++;
	}
	io_uring_cq_advance(&r->io, (unsigned)n);
	return n;
}

/* The ring broke: what the kernel took without telling its end may have been sent, or not. */
static void doubt(struct ring *r, struct sender_job *jobs, size_t n)
{
	size_t taken = n - io_uring_sq_ready(&r->io);

	for (size_t i = 0; i < taken; i++)
		if (jobs[i].result == SENDER_UNSENT)
			jobs[i].result = -EIO;
}

int ring_send(struct ring *r, struct sender_job *jobs, size_t n)
{
	bool refused = false;
	size_t ended = 0;

	for (size_t i = 0; i < n; i++)
		prepare(r, &jobs[i], i);
	while (ended < n) {
		int rc = io_uring_submit_and_wait(&r->io, (unsigned)(n - ended));

		ended += take_results(r, jobs, &refused);
		if (rc < 0 && rc != -EINTR && ended < n) {
			doubt(r, jobs, n);
			return -1;
		}
	}
	return refused ? -1 : 0;
}

/* ---- making ---- */

static int init(struct ring *r)
{
	struct io_uring_params p = { .flags = IORING_SETUP_R_DISABLED };
	int rc = -EINVAL;

#if defined IORING_SETUP_COOP_TASKRUN && defined IORING_SETUP_SINGLE_ISSUER
	p.flags |= IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER; /* Linux 6.0 */
	rc = io_uring_queue_init_params(SENDER_BATCH, &r->io, &p);
#endif
	if (rc == -EINVAL) {
		memset(&p, 0, sizeof(p));
		p.flags = IORING_SETUP_R_DISABLED;
		rc = io_uring_queue_init_params(SENDER_BATCH, &r->io, &p);
	}
	return rc;
}

static bool knows_send(struct ring *r)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&r->io);
	bool yes = probe && io_uring_opcode_supported(probe, IORING_OP_SEND);

	if (probe)
		io_uring_free_probe(probe);
	return yes;
}

/* By io_uring_register(), because liburing.so 2.3 forgets to export the two functions for it. */
static int restrict_and_enable(struct ring *r)
{
	struct io_uring_restriction only = { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_SEND };
	unsigned fd = (unsigned)r->io.ring_fd;
	int rc = io_uring_register(fd, IORING_REGISTER_RESTRICTIONS, &only, 1);

	return rc < 0 ? rc : io_uring_register(fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* One send by the ring that must end at once. Its result; 1 << 30: it did not end. */
static int try_send(struct ring *r, int fd)
{
	struct sender_job job = { .fd = fd, .data = "natter", .len = 6 };
	bool refused = false;
	int rc;

	prepare(r, &job, 0);
	rc = io_uring_submit(&r->io);
	if (rc < 0)
		return rc;
	if (take_results(r, &job, &refused) != 1)
		return 1 << 30;
	return refused ? -EINVAL : job.result;
}

/* Into a pair of sockets: one send that arrives, and one that finds no room. */
static const char *try_pair(struct ring *r, const int fd[2])
{
	char got[6] = "";
	int rc = try_send(r, fd[0]);

	if (rc < 0)
		return strerror(-rc);
	if (rc != 6 || recv(fd[1], got, sizeof(got), MSG_DONTWAIT) != 6 || memcmp(got, "natter", 6) != 0)
		return "a send did not arrive";
	while (send(fd[0], got, sizeof(got), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		;
	return try_send(r, fd[0]) == -EAGAIN ? NULL : "a send without room does not end at once";
}

static const char *try_out(struct ring *r)
{
	const char *why;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return strerror(errno);
	why = try_pair(r, fd);
	close(fd[0]);
	close(fd[1]);
	return why;
}

struct ring *ring_new(const char **why)
{
	struct ring *r = calloc(1, sizeof(*r));
	int rc = r ? init(r) : -ENOMEM;

	if (rc < 0) {
		*why = strerror(-rc);
		free(r);
		return NULL;
	}
	*why = NULL;
	if (!knows_send(r))
		*why = "the kernel's io_uring cannot send";
	else if ((rc = restrict_and_enable(r)) < 0)
		*why = strerror(-rc);
	else
		*why = try_out(r);
	if (*why) {
		ring_free(r);
		return NULL;
	}
	return r;
}

void ring_free(struct ring *r)
{
	if (r == NULL)
		return;
	io_uring_queue_exit(&r->io);
	free(r);
}
