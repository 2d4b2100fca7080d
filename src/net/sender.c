#include <config.h>

#include "net/sender.h"
#include "net/ring.h"

#include "base/log.h"
#include "base/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

struct sender {
	sender_done_fn *done;
	struct ring *ring;        /* NULL: send() */
	struct sender_job *jobs;  /* SENDER_BATCH; NULL without a ring */
	size_t n;
};

struct sender *sender_new(sender_done_fn *done)
{
	struct sender *s = calloc(1, sizeof(*s));

	if (s)
		s->done = done;
	return s;
}

static void drop_ring(struct sender *s)
{
	ring_free(s->ring);
	s->ring = NULL;
}

void sender_free(struct sender *s)
{
	if (s == NULL)
		return;
	drop_ring(s);
	free(s->jobs);
	free(s);
}

int sender_use_ring(struct sender *s, const char **why)
{
	s->jobs = calloc(SENDER_BATCH, sizeof(*s->jobs));
	*why = "no memory";
	s->ring = s->jobs ? ring_new(why) : NULL;
	return s->ring ? 0 : -1;
}

bool sender_has_ring(const struct sender *s) { return s->ring != NULL; }

static void send_plainly(struct sender_job *job)
{
	ssize_t n = send(job->fd, job->data, job->len, MSG_NOSIGNAL | MSG_DONTWAIT);

	stats_add(STAT_sends, 1);
	job->result = n < 0 ? -errno : (int32_t)n;
}

static void send_by_ring(struct sender *s)
{
	stats_add(STAT_ring_submits, 1);
	if (ring_send(s->ring, s->jobs, s->n) == 0) {
		stats_add(STAT_ring_sends, (int64_t)s->n);
		return;
	}
	log_warning("io_uring failed: send() is used from now on", "");
	drop_ring(s);
	for (size_t i = 0; i < s->n; i++)
		if (s->jobs[i].result == SENDER_UNSENT)
			send_plainly(&s->jobs[i]);
		else
			stats_add(STAT_ring_sends, 1);
}

void sender_finish(struct sender *s)
{
	size_t n = s->n;

	if (n == 0)
		return;
	if (s->ring && n >= SENDER_FEW) {
		send_by_ring(s);
	} else {
		for (size_t i = 0; i < n; i++)
			send_plainly(&s->jobs[i]);
	}
	s->n = 0;
	for (size_t i = 0; i < n; i++)
		s->done(&s->jobs[i]);
}

void sender_add(struct sender *s, struct conn *c, int fd, const void *data, size_t len)
{
	struct sender_job job = { .conn = c, .data = data, .len = len, .fd = fd };

	if (s->ring == NULL) {
		send_plainly(&job);
		s->done(&job);
		return;
	}
	s->jobs[s->n++] = job;
	if (s->n == SENDER_BATCH)
		sender_finish(s);
}
