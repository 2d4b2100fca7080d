/* loop: see loop.h. */
#include <config.h>

#include "bench/loop.h"

#include "base/clock.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int ending[] = {SIGINT, SIGTERM};

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	event_base_loopbreak(l->base);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	if (l->check && l->check(l->arg))
		event_base_loopbreak(l->base);
}

/* The second one finds the system's own way. */
static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	l->interrupted = true;
	for (int i = 0; i < 2; i++)
		event_del(l->signals[i]);
	event_base_loopbreak(l->base);
}

int loop_init(struct loop *l, bool show_progress)
{
	struct event_config *config = event_config_new();
	const struct timeval tick = {0, LOOP_TICK_US};

	*l = (struct loop){.show = show_progress};
	if (config == NULL)
		return -1;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
	l->base = event_base_new_with_config(config);
	event_config_free(config);
	if (l->base == NULL)
		return -1;
	l->deadline = evtimer_new(l->base, on_deadline, l);
	l->tick = event_new(l->base, -1, EV_PERSIST, on_tick, l);
	if (l->deadline == NULL || l->tick == NULL || event_add(l->tick, &tick) != 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		l->signals[i] = evsignal_new(l->base, ending[i], on_signal, l);
		if (l->signals[i] == NULL || event_add(l->signals[i], NULL) != 0)
			return -1;
	}
	return 0;
}

void loop_clear(struct loop *l)
{
	for (int i = 0; i < 2; i++)
		if (l->signals[i])
			event_free(l->signals[i]);
	if (l->deadline)
		event_free(l->deadline);
	if (l->tick)
		event_free(l->tick);
	if (l->base)
		event_base_free(l->base);
}

void loop_run(struct loop *l, uint64_t until_us, bool (*check)(void *arg), void *arg, bool finish)
{
	uint64_t now = clock_us();
	struct timeval tv;

	if ((l->interrupted && !finish) || now >= until_us || (check && check(arg)))
		return;
	l->check = check;
	l->arg = arg;
	tv.tv_sec = (time_t)((until_us - now) / 1000000);
	tv.tv_usec = (suseconds_t)((until_us - now) % 1000000);
	event_add(l->deadline, &tv);
	event_base_dispatch(l->base);
	event_del(l->deadline);
	l->check = NULL;
}

bool loop_progress_due(struct loop *l)
{
	uint64_t now = clock_us();

	if (!l->show || now - l->last_shown_us < 500000)
		return false;
	l->last_shown_us = now;
	return true;
}

void loop_progress(struct loop *l, const char *format, ...)
{
	va_list ap;

	if (!l->show || (format == NULL && !l->shown))
		return;
	fputs("\r\033[K", stderr);
	if (format) {
		va_start(ap, format);
		vfprintf(stderr, format, ap);
		va_end(ap);
	}
	fflush(stderr);
	l->shown = format != NULL;
}
