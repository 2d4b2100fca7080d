#include <config.h>

#include "daemon/listeners.h"
#include "daemon/certificates.h"
#include "daemon/given_sockets.h"
#include "daemon/privs.h"

#include "base/log.h"
#include "net/listener.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where one named listener listens: an address and a port, a path, or a given socket. */
struct place {
	char *address;         /* of TCP, as it was asked for; NULL: a unix or a given socket */
	bool any_port, given;
	struct listener *of[]; /* each worker's; NULL: the first one's is the only one */
};

struct listeners {
	struct place **v;
	size_t n;
	unsigned workers;
};

/* What opening needs to know. */
struct opening {
	struct listeners *to;
	struct listeners *now; /* those in force; NULL: at the start */
	const struct config *config;
	const struct config_listener *c;
	struct given_sockets given; /* at the start only */
	struct faults *faults;
};

/* The words for several addresses at once; the second one may be missing on a machine. */
static const struct {
	const char *word, *v4, *v6;
} words[] = {
	{ "*", "0.0.0.0", "::" },
	{ "localhost", "127.0.0.1", "::1" },
};

/* ---- places ---- */

static void free_place(struct place *p, unsigned workers)
{
	for (unsigned i = 0; i < workers; i++)
		listener_free(p->of[i]);
	free(p->address);
	free(p);
}

static bool has(const struct listeners *l, const struct place *p)
{
	for (size_t i = 0; l && i < l->n; i++)
		if (l->v[i] == p)
			return true;
	return false;
}

/* A socket for each other worker, or for none of them. */
static void open_twins(struct place *p, unsigned workers)
{
	for (unsigned i = 1; i < workers; i++) {
		p->of[i] = listener_twin(p->of[0]);
		if (p->of[i])
			continue;
		log_debug("one worker accepts for all", "listener=%s error=\"%s\"", listener_name(p->of[0]), strerror(errno));
		for (unsigned k = 1; k < i; k++) {
			listener_free(p->of[k]);
			p->of[k] = NULL;
		}
		return;
	}
}

/* Takes ONE, if it is one. The place, or NULL: no memory. */
static struct place *add(struct opening *o, struct listener *one, const char *address)
{
	struct listeners *l = o->to;
	struct place **grown = realloc(l->v, (l->n + 1) * sizeof(struct place *));
	struct place *p = calloc(1, sizeof(*p) + l->workers * sizeof(p->of[0]));

	l->v = grown ? grown : l->v;
	if (p)
		p->address = address ? strdup(address) : NULL;
	if (grown == NULL || p == NULL || (address && p->address == NULL)) {
		faults_add(o->faults, "listener %s: no memory", o->c->name);
		listener_free(one);
		free(p);
		return NULL;
	}
	p->of[0] = one;
	p->given = o->c->given;
	p->any_port = o->c->port == 0;
	l->v[l->n++] = p;
	return p;
}

/* ---- those that are there already ---- */

static bool is_at(const struct place *p, const struct opening *o, const struct listener_opts *opts)
{
	if (p->given)
		return false;
	if (opts->path || p->address == NULL)
		return opts->path && p->address == NULL && strcmp(listener_address(p->of[0]), opts->path) == 0;
	if (strcmp(p->address, opts->address) != 0)
		return false;
	if (o->c->port == 0 && (!p->any_port || strcmp(listener_name(p->of[0]), o->c->name) != 0))
		return false;
	return opts->port == 0 || listener_port(p->of[0]) == opts->port;
}

/* The same sockets under another name. NULL: no memory, or no file descriptors. */
static struct place *rename_place(struct opening *o, const struct place *was)
{
	struct place *p = add(o, NULL, was->address);

	for (unsigned i = 0; p && i < o->to->workers && was->of[i]; i++) {
		p->of[i] = listener_heir(was->of[i], o->c->name);
		if (p->of[i])
			continue;
		faults_add(o->faults, "listener %s: cannot take over %s: %s", o->c->name, listener_address(was->of[0]),
			   strerror(errno));
		return NULL;
	}
	return p;
}

/* Takes P of those in force over. */
static struct place *keep(struct opening *o, struct place *p)
{
	struct listeners *l = o->to;
	struct place **grown;

	if (strcmp(listener_name(p->of[0]), o->c->name) != 0)
		return rename_place(o, p);
	grown = realloc(l->v, (l->n + 1) * sizeof(struct place *));
	if (grown == NULL) {
		faults_add(o->faults, "listener %s: no memory", o->c->name);
		return NULL;
	}
	l->v = grown;
	return l->v[l->n++] = p;
}

static struct place *find(const struct opening *o, const struct listener_opts *opts)
{
	for (size_t i = 0; o->now && i < o->now->n; i++)
		if (is_at(o->now->v[i], o, opts) && !has(o->to, o->now->v[i]))
			return o->now->v[i];
	return NULL;
}

/* ---- opening ---- */

static bool is_wild(const char *address) { return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0; }

/* Whether P and OPTS cannot both be on their own: the same port, and an address that is the same or all. */
static bool overlaps(const struct place *p, const struct listener_opts *opts)
{
	return p->address && opts->address && listener_port(p->of[0]) == opts->port &&
	       !strchr(p->address, ':') == !strchr(opts->address, ':') &&
	       (is_wild(p->address) || is_wild(opts->address) || strcmp(p->address, opts->address) == 0);
}

/*
 * Where a listener of ours is in the way, which shall go: beside it, until it
 * is gone. Whether that may be; else errno.
 */
static bool share_with_old(const struct opening *o, const struct listener_opts *opts)
{
	unsigned shared = 0;

	for (size_t i = 0; o->now && i < o->now->n; i++) {
		struct place *p = o->now->v[i];

		for (unsigned k = 0; overlaps(p, opts) && k < o->now->workers && p->of[k]; k++, shared++)
			if (listener_share(p->of[k]) < 0)
				return false;
	}
	errno = EADDRINUSE;
	return shared > 0;
}

static struct listener *open_socket(struct opening *o, struct listener_opts *opts, char *why, size_t size)
{
	struct listener *one = listener_open(opts, why, size);

	if (one || errno != EADDRINUSE || !share_with_old(o, opts))
		return one;
	opts->beside = true;
	one = listener_open(opts, why, size);
	opts->beside = false;
	return one;
}

/* The place, as it is there or a new one. NULL: FAULTS says why; but without IPv6, where the SECOND of two may be missing. */
static struct place *open_one(struct opening *o, struct listener_opts *opts, bool second)
{
	struct place *p = find(o, opts);
	char why[512];
	struct listener *one;

	if (p)
		return keep(o, p);
	one = open_socket(o, opts, why, sizeof(why));
	if (one == NULL) {
		if (!second || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
			faults_add(o->faults, "%s", why);
		else
			log_info("no IPv6 here", "listener=%s", opts->name);
		return NULL;
	}
	p = add(o, one, opts->address);
	if (p && opts->address)
		open_twins(p, o->to->workers);
	return p;
}

static void open_address(struct opening *o, struct listener_opts *opts, const char *address)
{
	struct place *p;
	size_t i = 0;

	while (i < sizeof(words) / sizeof(words[0]) && strcmp(address, words[i].word) != 0)
		i++;
	opts->address = i < sizeof(words) / sizeof(words[0]) ? words[i].v4 : address;
	p = open_one(o, opts, false);
	if (p)
		opts->port = listener_port(p->of[0]); /* the same for all, also where any will do */
	if (p == NULL || opts->address == address)
		return;
	opts->address = words[i].v6;
	open_one(o, opts, true);
}

/* All the given sockets of this name; of any name where no other listener wants one. */
static void adopt_given(struct opening *o, bool any)
{
	const char *name = o->c->name;
	size_t before = o->to->n;
	struct listener *one;
	char why[512];
	int fd;

	while ((fd = given_sockets_take(&o->given, any ? NULL : name)) >= 0) {
		one = listener_adopt(name, fd, why, sizeof(why));
		if (one == NULL)
			faults_add(o->faults, "%s", why);
		if (one == NULL || add(o, one, NULL) == NULL)
			return;
	}
	if (o->to->n == before)
		faults_add(o->faults,
			   "listener %s: no socket was given for it; a natterd.socket of systemd does that, with FileDescriptorName=%s",
			   name, name);
}

/* They are those of the start. */
static void keep_given(struct opening *o)
{
	for (size_t i = 0; i < o->now->n; i++) {
		struct place *p = o->now->v[i];

		if (p->given && strcmp(listener_name(p->of[0]), o->c->name) == 0)
			keep(o, p);
	}
}

static size_t count_given(const struct config *cfg)
{
	size_t n = 0;

	for (size_t i = 0; i < cfg->n_listeners; i++)
		n += cfg->listeners[i].given;
	return n;
}

static void open_named(struct opening *o)
{
	const struct config_listener *c = o->c;
	struct listener_opts opts = {
		.name = c->name, .port = (uint16_t)c->port, .mode = c->mode_bits, .backlog = (int)o->config->backlog,
		.bind = privs_bind,
	};

	if (c->path[0]) {
		opts.path = c->path;
		open_one(o, &opts, false);
		return;
	}
	for (size_t i = 0; i < c->address.n; i++)
		open_address(o, &opts, c->address.v[i]);
}

static void open_all(struct opening *o)
{
	bool any = count_given(o->config) == 1;

	for (size_t i = 0; i < o->config->n_listeners; i++) {
		o->c = &o->config->listeners[i];
		if (!o->c->given)
			open_named(o);
		else if (o->now)
			keep_given(o);
		else
			adopt_given(o, any);
	}
}

/* What was opened beside an old listener must not be beside one that stays. */
static void check_overlaps(struct opening *o)
{
	for (size_t i = 0; i < o->to->n; i++) {
		const struct place *p = o->to->v[i];
		struct listener_opts opts = { .address = p->address, .port = listener_port(p->of[0]) };

		for (size_t k = 0; k < i; k++)
			if (overlaps(o->to->v[k], &opts))
				faults_add(o->faults, "cannot listen on %s: listener %s is on %s already", listener_address(p->of[0]),
					   listener_name(o->to->v[k]->of[0]), listener_address(o->to->v[k]->of[0]));
	}
}

static void log_place(const struct place *p, const char *event)
{
	log_info(event, "listener=%s address=%s", listener_name(p->of[0]), listener_address(p->of[0]));
}

static const struct config_listener *config_of(const struct config *cfg, const struct place *p)
{
	for (size_t i = 0; i < cfg->n_listeners; i++)
		if (strcmp(cfg->listeners[i].name, listener_name(p->of[0])) == 0)
			return &cfg->listeners[i];
	return NULL;
}

/* What its connections begin with. */
static void expect(struct place *p, const struct config_listener *c, unsigned workers)
{
	for (unsigned i = 0; i < workers && p->of[i]; i++)
		listener_set_proxied(p->of[i], c->proxy_protocol);
}

static struct listeners *new_listeners(unsigned workers, struct faults *faults)
{
	struct listeners *l = calloc(1, sizeof(*l));

	if (l)
		l->workers = workers;
	else
		faults_add(faults, "no memory");
	return l;
}

void listeners_set_tls(struct listeners *l, const struct certificates *certs)
{
	for (size_t i = 0; i < l->n; i++) {
		struct listener *const *of = l->v[i]->of;

		for (unsigned k = 0; k < l->workers && of[k]; k++)
			listener_set_tls(of[k], certificates_of(certs, listener_name(of[k])));
	}
}

struct listeners *listeners_open(const struct config *cfg, unsigned workers, struct faults *faults)
{
	struct opening o = { .to = new_listeners(workers, faults), .config = cfg, .faults = faults };
	size_t before = faults->len;

	if (o.to == NULL)
		return NULL;
	given_sockets_find(&o.given);
	open_all(&o);
	for (int fd; (fd = given_sockets_take(&o.given, NULL)) >= 0; close(fd))
		log_warning("a socket was given that no listener asks for", "fd=%d", fd);
	given_sockets_forget(&o.given);
	if (faults->len != before) {
		listeners_free(o.to);
		return NULL;
	}
	for (size_t i = 0; i < o.to->n; i++) {
		expect(o.to->v[i], config_of(cfg, o.to->v[i]), workers);
		log_place(o.to->v[i], "listening");
	}
	return o.to;
}

/* ---- one after the other ---- */

struct listeners *listeners_next(struct listeners *now, const struct config *cfg, struct faults *faults)
{
	struct opening o = { .to = new_listeners(now->workers, faults), .now = now, .config = cfg, .faults = faults };
	size_t before = faults->len;

	if (o.to == NULL)
		return NULL;
	open_all(&o);
	if (faults->len == before)
		check_overlaps(&o);
	if (faults->len == before)
		return o.to;
	listeners_drop(o.to, now);
	return NULL;
}

/* What of a place's sockets can be changed in place. */
static void adjust(struct place *p, const struct config *cfg, unsigned workers)
{
	const struct config_listener *c = config_of(cfg, p);

	for (unsigned i = 0; i < workers && p->of[i] && !p->given; i++)
		if (listener_set_backlog(p->of[i], (int)cfg->backlog) < 0)
			log_warning("cannot change a listener's backlog", "listener=%s error=\"%s\"", listener_name(p->of[i]),
				    strerror(errno));
	expect(p, c, workers);
	if (!p->given && listener_set_mode(p->of[0], c->mode_bits) < 0)
		log_warning("cannot change a unix socket's mode", "listener=%s error=\"%s\"", c->name, strerror(errno));
}

void listeners_commit(struct listeners *now, struct listeners *next, const struct config *cfg)
{
	for (size_t i = 0; i < now->n; i++) {
		struct place *p = now->v[i];

		if (has(next, p))
			continue;
		log_place(p, "not listening any more");
		for (size_t k = 0; k < next->n; k++)
			if (strcmp(listener_address(next->v[k]->of[0]), listener_address(p->of[0])) == 0)
				listener_hand_over(p->of[0], next->v[k]->of[0]);
	}
	for (size_t i = 0; i < next->n; i++) {
		struct place *p = next->v[i];

		adjust(p, cfg, next->workers);
		if (!has(now, p))
			log_place(p, "listening");
	}
}

static int start(struct listeners *l, struct place *p, struct worker *const *workers, unsigned i)
{
	if (i == 0 && l->workers > 1 && p->of[1] == NULL)
		listener_deal(p->of[0], workers, l->workers);
	return p->of[i] ? listener_start(p->of[i], workers[i]) : 0;
}

int listeners_start(struct listeners *l, struct worker *const *workers)
{
	for (size_t place = 0; place < l->n; place++)
		for (unsigned i = 0; i < l->workers; i++)
			if (start(l, l->v[place], workers, i) < 0)
				return -1;
	return 0;
}

void listeners_turn(struct listeners *now, struct listeners *next, struct worker *const *workers, unsigned i)
{
	for (size_t k = 0; k < next->n; k++) {
		struct place *p = next->v[k];

		if (has(now, p) || start(next, p, workers, i) == 0)
			continue;
		log_error("no memory to accept connections", "listener=%s worker=%u", listener_name(p->of[0]), i);
		listener_close(p->of[i]); /* the other workers' sockets get what comes */
	}
	for (size_t k = 0; k < now->n; k++)
		if (!has(next, now->v[k]) && now->v[k]->of[i])
			listener_retire(now->v[k]->of[i]);
}

void listeners_drop(struct listeners *gone, const struct listeners *kept)
{
	if (gone == NULL)
		return;
	for (size_t i = 0; i < gone->n; i++)
		if (!has(kept, gone->v[i]))
			free_place(gone->v[i], gone->workers);
	free(gone->v);
	free(gone);
}

void listeners_close(struct listeners *l, unsigned i)
{
	for (size_t place = 0; place < l->n; place++)
		if (l->v[place]->of[i])
			listener_close(l->v[place]->of[i]);
}

void listeners_free(struct listeners *l) { listeners_drop(l, NULL); }
