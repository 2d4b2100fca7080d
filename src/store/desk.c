#include <config.h>

#include "store/desk.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct desk {
	struct mailbox *mailbox;
	pthread_mutex_t lock;
	pthread_cond_t news;
	bool letters, closing, running;
	pthread_t thread;
	void (*work)(void *arg);
	void *arg;
};

static void wake(void *arg)
{
	struct desk *d = arg;

	pthread_mutex_lock(&d->lock);
	d->letters = true;
	pthread_cond_signal(&d->news);
	pthread_mutex_unlock(&d->lock);
}

struct desk *desk_new(void *reader)
{
	struct desk *d = calloc(1, sizeof(*d));
	pthread_condattr_t attr;

	if (d == NULL)
		return NULL;
	d->mailbox = mailbox_new(wake, d, reader);
	if (d->mailbox == NULL) {
		free(d);
		return NULL;
	}
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->news, &attr);
	pthread_condattr_destroy(&attr);
	return d;
}

static void *run(void *arg)
{
	struct desk *d = arg;

	d->work(d->arg);
	return NULL;
}

int desk_start(struct desk *d, void (*work)(void *arg), void *arg)
{
	sigset_t all, old;

	d->work = work;
	d->arg = arg;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are for the threads with a loop */
	d->running = pthread_create(&d->thread, NULL, run, d) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return d->running ? 0 : -1;
}

struct mailbox *desk_mailbox(struct desk *d) { return d->mailbox; }

bool desk_wait(struct desk *d, uint64_t ms)
{
	struct timespec until;
	bool open;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&d->lock);
	while (!d->letters && !d->closing && rc == 0)
		rc = pthread_cond_timedwait(&d->news, &d->lock, &until);
	d->letters = false;
	open = !d->closing;
	pthread_mutex_unlock(&d->lock);
	return open;
}

bool desk_is_closing(struct desk *d)
{
	bool closing;

	pthread_mutex_lock(&d->lock);
	closing = d->closing;
	pthread_mutex_unlock(&d->lock);
	return closing;
}

void desk_close(struct desk *d)
{
	if (d == NULL || !d->running)
		return;
	pthread_mutex_lock(&d->lock);
	d->closing = true;
	pthread_cond_signal(&d->news);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	d->running = false;
}

void desk_free(struct desk *d)
{
	if (d == NULL)
		return;
	mailbox_free(d->mailbox);
	pthread_cond_destroy(&d->news);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
