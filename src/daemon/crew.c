#include <config.h>

#include "daemon/crew.h"
#include "daemon/front.h"
#include "daemon/listeners.h"
#include "daemon/sandbox.h"
#include "daemon/settings.h"
#include "daemon/storage.h"

#include "base/book.h"
#include "base/clock.h"
#include "base/log.h"
#include "chat/directory.h"
#include "net/worker.h"
#include "wire/netmask.h"
#include "wire/ws_upgrade.h"

#include <event2/event.h>
#include <jansson.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Letters opened before the crew stops. */
#define LETTERS_AT_STOP 65536

#define WORKERS_MAX 256 /* as the option's maximum */

struct hand;

/* What a worker is told, or tells; there is one of each, so telling cannot fail. */
struct order {
	struct letter letter; /* first: the mailbox's way back */
	struct hand *hand;
};

/* One of the crew. */
struct hand {
	struct crew *crew;
	unsigned i;
	struct front *front;
	pthread_t thread; /* but for the first one */
	struct order drain, give_up, gone, turn, turned, ask, answer;
};

struct crew {
	struct settings *settings;
	struct listeners *listeners;
	struct worker_shared shared;
	struct storage *storage;
	struct journal *journal;
	struct shared_map *names, *sessions;
	struct book *users;
	struct shared_count connections, rooms;
	struct mailbox **mailboxes;
	struct worker **workers;
	unsigned n;
	unsigned running;                /* threads besides the first one's; the first one's to count */
	bool stopping, giving_up;
	struct settings *old;            /* while some worker has not turned from it to settings yet */
	struct listeners *old_listeners; /* likewise */
	unsigned turning;                /* how many have not */
	void (*turned)(void *arg);
	void *turned_arg;
	/* where the threads wait until all that is only made at a start is there, and the sandbox closed */
	pthread_mutex_t gate_lock;
	pthread_cond_t gate_moved;
	unsigned at_gate;
	bool gate_open;
	struct event *watch;
	void (*alive)(void);
	unsigned asked; /* workers that have not answered yet that they live */
	struct hand hands[];
};

/* ---- how many ---- */

static long cores(void)
{
#if defined(__linux__) && !defined(NATTER_PORTABLE)
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return CPU_COUNT(&set);
#endif
	return sysconf(_SC_NPROCESSORS_ONLN);
}

unsigned crew_size(const struct config *cfg)
{
	long n = cfg->workers ? (long)cfg->workers : cores();

	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

/* ---- making ---- */

/* Whether OpenSSL can do what every handshake needs, by RFC 6455's own example; also has it loaded in time. */
static bool can_accept(void)
{
	char accept[WS_ACCEPT_LEN + 1];

	return ws_accept("dGhlIHNhbXBsZSBub25jZQ==", accept) && strcmp(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == 0;
}

/* The storage and the listeners. 0, or -1: FAULTS says why. */
static int open_all_of(struct crew *c, struct faults *faults)
{
	char why[512];

	c->storage = storage_open(c->settings->config, why, sizeof(why));
	if (c->storage)
		c->listeners = listeners_open(c->settings->config, c->n, faults);
	else
		faults_add(faults, "%s", why);
	if (c->listeners)
		listeners_set_tls(c->listeners, c->settings->certificates);
	return c->listeners ? 0 : -1;
}

struct crew *crew_open(struct settings *s, struct faults *faults)
{
	unsigned n = crew_size(s->config);
	struct crew *c = can_accept() ? calloc(1, sizeof(*c) + n * sizeof(c->hands[0])) : NULL;

	if (c == NULL) {
		settings_free(s);
		faults_add(faults, "%s", can_accept() ? "no memory" : "OpenSSL has no SHA-1, without which no WebSocket can be opened: see openssl.cnf");
		return NULL;
	}
	c->settings = s;
	c->n = n;
	pthread_mutex_init(&c->gate_lock, NULL);
	pthread_cond_init(&c->gate_moved, NULL);
	for (unsigned i = 0; i < n; i++) {
		c->hands[i].crew = c;
		c->hands[i].i = i;
	}
	c->mailboxes = calloc(n, sizeof(struct mailbox *));
	c->workers = calloc(n, sizeof(struct worker *));
	if (c->mailboxes == NULL || c->workers == NULL)
		faults_add(faults, "no memory");
	else if (open_all_of(c, faults) == 0)
		return c;
	crew_free(c);
	return NULL;
}

static int make_fronts(struct crew *c)
{
	struct front_opts o = { .settings = c->settings, .shared = &c->shared, .users = c->users,
				.connections = &c->connections,
				.workers = c->n, .started = clock_ms() };

	for (unsigned i = 0; i < c->n; i++) {
		c->hands[i].front = front_new(&o);
		if (c->hands[i].front == NULL)
			return -1;
		c->workers[i] = front_worker(c->hands[i].front);
		c->mailboxes[i] = worker_mailbox(c->workers[i]);
	}
	return 0;
}

static int make_hubs(struct crew *c)
{
	struct hub_opts o = {
		.n = c->n,
		.mailboxes = c->mailboxes,
		.journal = c->journal,
		.names = c->names,
		.sessions = c->sessions,
		.users = c->users,
		.rooms = &c->rooms,
		.key = *storage_secret_key(c->storage),
		.key_kept = storage_is_kept(c->storage),
	};

	for (o.self = 0; o.self < c->n; o.self++)
		if (front_open_hub(c->hands[o.self].front, &o) < 0)
			return -1;
	if (o.key_kept)
		front_restore(c->hands[0].front);
	return 0;
}

int crew_prepare(struct crew *c, char *err, size_t errlen)
{
	json_object_seed(0); /* once, while there is one thread */
	c->shared.addresses = addr_limit_book();
	c->names = shared_map_new();
	c->sessions = shared_map_new();
	c->users = directory_users();
	c->journal = storage_journal(c->storage, err, errlen);
	if (c->journal == NULL)
		return -1;
	if (c->shared.addresses && c->names && c->sessions && c->users && make_fronts(c) == 0 && make_hubs(c) == 0 &&
	    listeners_start(c->listeners, c->workers) == 0)
		return 0;
	snprintf(err, errlen, "no memory or file descriptors for %u workers", c->n);
	return -1;
}

/* ---- letters between the hands ---- */

static void tell(struct hand *whom, struct order *o, struct hand *about, void (*open)(struct letter *, void *))
{
	o->letter.open = open;
	o->hand = about;
	mailbox_post(whom->crew->mailboxes[whom->i], &o->letter);
}

static void drain(struct hand *h)
{
	listeners_close(h->crew->listeners, h->i);
	front_drain(h->front);
}

static void open_drain(struct letter *letter, void *reader)
{
	(void)reader;
	drain(((struct order *)letter)->hand);
}

static void give_up(const struct hand *h) { event_base_loopbreak(worker_base(front_worker(h->front))); }

static void open_give_up(struct letter *letter, void *reader)
{
	(void)reader;
	give_up(((struct order *)letter)->hand);
}

static void open_gone(struct letter *letter, void *reader)
{
	(void)reader;
	((struct order *)letter)->hand->crew->running--;
}

/* ---- do they live? ---- */

static void open_answer(struct letter *letter, void *reader)
{
	(void)reader;
	((struct order *)letter)->hand->crew->asked--;
}

static void open_ask(struct letter *letter, void *reader)
{
	struct hand *h = ((struct order *)letter)->hand;

	(void)reader;
	tell(&h->crew->hands[0], &h->answer, h, open_answer);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct crew *c = arg;

	(void)fd;
	(void)what;
	if (c->asked > 0 && !c->stopping)
		return;
	c->alive();
	for (unsigned i = 1; i < c->n && !c->stopping; i++, c->asked++)
		tell(&c->hands[i], &c->hands[i].ask, &c->hands[i], open_ask);
}

int crew_watch(struct crew *c, uint32_t ms, void (*alive)(void))
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	c->alive = alive;
	c->watch = event_new(crew_base(c), -1, EV_PERSIST, on_watch, c);
	return c->watch ? event_add(c->watch, &tv) : -1;
}

/* ---- other settings ---- */

static void all_turned(struct crew *c)
{
	settings_free(c->old);
	listeners_drop(c->old_listeners, c->listeners);
	c->old = NULL;
	c->old_listeners = NULL;
	if (!c->stopping)
		c->turned(c->turned_arg);
}

static void open_turned(struct letter *letter, void *reader)
{
	struct crew *c = ((struct order *)letter)->hand->crew;

	(void)reader;
	if (--c->turning == 0)
		all_turned(c);
}

static void turn(struct hand *h)
{
	struct crew *c = h->crew;

	front_turn(h->front, c->settings);
	listeners_turn(c->old_listeners, c->listeners, c->workers, h->i);
	tell(&c->hands[0], &h->turned, h, open_turned);
}

static void open_turn(struct letter *letter, void *reader)
{
	(void)reader;
	turn(((struct order *)letter)->hand);
}

const struct settings *crew_settings(const struct crew *c) { return c->settings; }

bool crew_can_turn(const struct crew *c) { return !c->stopping && c->turning == 0; }

struct listeners *crew_open_listeners(struct crew *c, const struct config *cfg, struct faults *faults)
{
	return listeners_next(c->listeners, cfg, faults);
}

void crew_close_listeners(struct crew *c, struct listeners *l) { listeners_drop(l, c->listeners); }

void crew_turn(struct crew *c, struct settings *s, struct listeners *l, void (*done)(void *arg), void *arg)
{
	c->old = c->settings;
	c->old_listeners = c->listeners;
	c->settings = s;
	c->listeners = l;
	c->turned = done;
	c->turned_arg = arg;
	c->turning = c->n;
	listeners_commit(c->old_listeners, l, s->config);
	listeners_set_tls(l, s->certificates);
	for (unsigned i = 1; i < c->n; i++)
		tell(&c->hands[i], &c->hands[i].turn, &c->hands[i], open_turn);
	turn(&c->hands[0]);
}

/* ---- threads ---- */

static void wait_at_gate(struct crew *c)
{
	pthread_mutex_lock(&c->gate_lock);
	c->at_gate++;
	pthread_cond_broadcast(&c->gate_moved);
	while (!c->gate_open)
		pthread_cond_wait(&c->gate_moved, &c->gate_lock);
	pthread_mutex_unlock(&c->gate_lock);
}

static void wait_for_all(struct crew *c)
{
	pthread_mutex_lock(&c->gate_lock);
	while (c->at_gate < c->running)
		pthread_cond_wait(&c->gate_moved, &c->gate_lock);
	pthread_mutex_unlock(&c->gate_lock);
}

static void open_gate(struct crew *c)
{
	pthread_mutex_lock(&c->gate_lock);
	c->gate_open = true;
	pthread_cond_broadcast(&c->gate_moved);
	pthread_mutex_unlock(&c->gate_lock);
}

/* The first worker begins on this thread; then nothing is made any more that the sandbox forbids. */
static void begin(struct crew *c)
{
	char err[128];
	int rc;

	worker_begin(front_worker(c->hands[0].front));
	wait_for_all(c);
	rc = c->settings->config->seccomp ? sandbox_close(err, sizeof(err)) : 0;
	if (rc > 0)
		log_info("system calls are restricted", "by=seccomp");
	else if (rc < 0)
		log_warning("system calls could not be restricted", "error=\"%s\"", err);
}

static void *work(void *arg)
{
	struct hand *h = arg;

	worker_begin(front_worker(h->front));
	wait_at_gate(h->crew);
	worker_run(front_worker(h->front));
	tell(&h->crew->hands[0], &h->gone, h, open_gone);
	return NULL;
}

/* What lies in the mailboxes when nobody writes any more but by opening it. */
static void open_all(struct crew *c)
{
	size_t opened;

	do {
		opened = 0;
		for (unsigned i = 0; i < c->n; i++) {
			worker_enter(c->workers[i]);
			opened += mailbox_open(c->mailboxes[i], SIZE_MAX) + front_send(c->hands[i].front);
		}
	} while (opened);
}

/* The N threads that are there already end. */
static void dismiss(struct crew *c, unsigned n)
{
	for (unsigned i = 1; i <= n; i++)
		tell(&c->hands[i], &c->hands[i].give_up, &c->hands[i], open_give_up);
	for (unsigned i = 1; i <= n; i++)
		pthread_join(c->hands[i].thread, NULL);
	open_all(c);
}

int crew_start(struct crew *c, char *err, size_t errlen)
{
	sigset_t all, before;
	int e = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 1; i < c->n && e == 0; i++) {
		e = pthread_create(&c->hands[i].thread, NULL, work, &c->hands[i]);
		if (e == 0)
			c->running++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e == 0)
		begin(c);
	open_gate(c);
	if (e == 0)
		return 0;
	snprintf(err, errlen, "the thread of worker %u of %u: %s", c->running + 2, c->n, strerror(e));
	dismiss(c, c->running);
	return -1;
}

void crew_run(struct crew *c)
{
	worker_run(front_worker(c->hands[0].front));
	/* Signals and letters are still for us. */
	while (c->running > 0)
		event_base_loop(crew_base(c), EVLOOP_ONCE);
	for (unsigned i = 1; i < c->n; i++)
		pthread_join(c->hands[i].thread, NULL);
	open_all(c);
}

void crew_stop(struct crew *c)
{
	if (c->giving_up)
		return;
	c->giving_up = c->stopping;
	/* What lies here is heard by all before they are closed: others get it before they are told to drain. */
	mailbox_open(c->mailboxes[0], LETTERS_AT_STOP);
	front_send(c->hands[0].front);
	for (unsigned i = 1; i < c->n; i++) {
		struct hand *h = &c->hands[i];

		if (c->stopping)
			tell(h, &h->give_up, h, open_give_up);
		else
			tell(h, &h->drain, h, open_drain);
	}
	if (c->stopping)
		give_up(&c->hands[0]);
	else
		drain(&c->hands[0]);
	c->stopping = true;
}

/* ---- the rest ---- */

void crew_free(struct crew *c)
{
	if (c == NULL)
		return;
	if (c->watch)
		event_free(c->watch);
	listeners_drop(c->old_listeners, c->listeners);
	listeners_free(c->listeners);
	for (unsigned i = 0; i < c->n; i++)
		front_close_hub(c->hands[i].front);
	if (c->journal)
		c->journal->ops->free(c->journal); /* whose threads still post to the workers */
	for (unsigned i = 0; i < c->n; i++)
		front_free(c->hands[i].front);
	storage_free(c->storage);
	shared_map_free(c->names);
	shared_map_free(c->sessions);
	book_free(c->users);
	book_free(c->shared.addresses);
	pthread_cond_destroy(&c->gate_moved);
	pthread_mutex_destroy(&c->gate_lock);
	settings_free(c->old);
	settings_free(c->settings);
	free(c->mailboxes);
	free(c->workers);
	free(c);
}

struct event_base *crew_base(struct crew *c) { return worker_base(front_worker(c->hands[0].front)); }

unsigned crew_workers(const struct crew *c) { return c->n; }

char *crew_stats(const struct crew *c, unsigned i, char *buf, size_t size)
{
	struct stats *all[WORKERS_MAX];

	for (unsigned k = 0; k < c->n; k++)
		all[k] = worker_stats(c->workers[k]);
	return i < c->n ? stats_format(&all[i], 1, buf, size) : stats_format(all, c->n, buf, size);
}
