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

struct listeners {
	struct listener **v; /* the workers' sockets at the first place, at the second, … */
	size_t n;            /* of places */
	unsigned workers;
};

/* Worker I's socket at a place; NULL: the first one's is the only one. */
static struct listener **at(const struct listeners *l, size_t place, unsigned i) { return &l->v[place * l->workers + i]; }

static struct listener *last(const struct listeners *l) { return *at(l, l->n - 1, 0); }

/* The words for several addresses at once; the second one may be missing on a machine. */
static const struct {
	const char *word, *v4, *v6;
} words[] = {
	{ "*", "0.0.0.0", "::" },
	{ "localhost", "127.0.0.1", "::1" },
};

static void free_twins(struct listener **of_place, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		listener_free(of_place[i]);
		of_place[i] = NULL;
	}
}

/* A socket for each other worker, or for none of them. */
static void open_twins(struct listeners *l, struct listener **of_place)
{
	for (unsigned i = 1; i < l->workers; i++) {
		of_place[i] = listener_twin(of_place[0]);
		if (of_place[i] == NULL) {
			log_debug("one worker accepts for all", "listener=%s error=\"%s\"", listener_name(of_place[0]),
				  strerror(errno));
			free_twins(of_place, i);
			return;
		}
	}
}

static int add(struct listeners *l, struct listener *one, bool twins)
{
	struct listener **grown = realloc(l->v, (l->n + 1) * l->workers * sizeof(struct listener *));
	struct listener **of_place;

	if (grown == NULL) {
		listener_free(one);
		return -1;
	}
	l->v = grown;
	of_place = at(l, l->n++, 0);
	for (unsigned i = 0; i < l->workers; i++)
		of_place[i] = i ? NULL : one;
	if (twins)
		open_twins(l, of_place);
	log_info("listening", "listener=%s address=%s", listener_name(one), listener_address(one));
	return 0;
}

static int open_one(struct listeners *l, const struct listener_opts *o, char *err, size_t errlen)
{
	struct listener *one = listener_open(o, err, errlen);

	return one ? add(l, one, o->address != NULL) : -1;
}

static int open_address(struct listeners *l, struct listener_opts *o, const char *address, char *err, size_t errlen)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(address, words[i].word) != 0)
			continue;
		o->address = words[i].v4;
		if (open_one(l, o, err, errlen) < 0)
			return -1;
		o->port = listener_port(last(l)); /* the same for both, also where any will do */
		o->address = words[i].v6;
		if (open_one(l, o, err, errlen) == 0)
			return 0;
		if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
			return -1;
		log_info("no IPv6 here", "listener=%s", o->name);
		return 0;
	}
	o->address = address;
	return open_one(l, o, err, errlen);
}

/* All the given sockets of this name; of any name where no other listener wants one. */
static int adopt_given(struct listeners *l, const char *name, bool any, struct given_sockets *given, char *err,
		       size_t errlen)
{
	struct listener *one;
	size_t before = l->n;
	int fd;

	while ((fd = given_sockets_take(given, any ? NULL : name)) >= 0) {
		one = listener_adopt(name, fd, err, errlen);
		if (one == NULL || add(l, one, false) < 0)
			return -1;
	}
	if (l->n > before)
		return 0;
	snprintf(err, errlen,
		 "listener %s: no socket was given for it; a natterd.socket of systemd does that, with FileDescriptorName=%s",
		 name, name);
	return -1;
}

static size_t count_given(const struct config *cfg)
{
	size_t n = 0;

	for (size_t i = 0; i < cfg->n_listeners; i++)
		n += cfg->listeners[i].given;
	return n;
}

static int open_named(struct listeners *l, const struct config *cfg, const struct config_listener *c, char *err,
		      size_t errlen)
{
	struct listener_opts o = {
		.name = c->name, .port = (uint16_t)c->port, .mode = c->mode_bits, .backlog = (int)cfg->backlog,
		.bind = privs_bind,
	};

	if (c->path[0]) {
		o.path = c->path;
		return open_one(l, &o, err, errlen);
	}
	for (size_t i = 0; i < c->address.n; i++) {
		if (open_address(l, &o, c->address.v[i], err, errlen) < 0)
			return -1;
		o.port = listener_port(last(l));
	}
	return 0;
}

/* Those at the places from FIRST on. */
static void expect_proxies(struct listeners *l, size_t first, bool proxied)
{
	for (size_t place = first; place < l->n; place++)
		for (unsigned i = 0; i < l->workers; i++)
			if (*at(l, place, i))
				listener_set_proxied(*at(l, place, i), proxied);
}

static int open_all(struct listeners *l, const struct config *cfg, struct given_sockets *given, char *err, size_t errlen)
{
	bool any = count_given(cfg) == 1;

	for (size_t i = 0; i < cfg->n_listeners; i++) {
		const struct config_listener *c = &cfg->listeners[i];
		size_t before = l->n;

		if ((c->given ? adopt_given(l, c->name, any, given, err, errlen) : open_named(l, cfg, c, err, errlen)) < 0)
			return -1;
		expect_proxies(l, before, c->proxy_protocol);
	}
	for (int fd; (fd = given_sockets_take(given, NULL)) >= 0; close(fd))
		log_warning("a socket was given that no listener asks for", "fd=%d", fd);
	return 0;
}

struct listeners *listeners_open(const struct config *cfg, unsigned workers, char *err, size_t errlen)
{
	struct listeners *l = calloc(1, sizeof(*l));
	struct given_sockets given;

	snprintf(err, errlen, "no memory");
	if (l == NULL)
		return NULL;
	l->workers = workers;
	given_sockets_find(&given);
	if (open_all(l, cfg, &given, err, errlen) < 0) {
		listeners_free(l);
		l = NULL;
	}
	given_sockets_forget(&given);
	return l;
}

void listeners_set_tls(struct listeners *l, const struct certificates *certs)
{
	for (size_t i = 0; i < l->n * l->workers; i++)
		if (l->v[i])
			listener_set_tls(l->v[i], certificates_of(certs, listener_name(l->v[i])));
}

int listeners_start(struct listeners *l, struct worker *const *workers)
{
	for (size_t place = 0; place < l->n; place++) {
		if (l->workers > 1 && *at(l, place, 1) == NULL)
			listener_deal(*at(l, place, 0), workers, l->workers);
		for (unsigned i = 0; i < l->workers; i++)
			if (*at(l, place, i) && listener_start(*at(l, place, i), workers[i]) < 0)
				return -1;
	}
	return 0;
}

void listeners_close(struct listeners *l, unsigned i)
{
	for (size_t place = 0; place < l->n; place++)
		if (*at(l, place, i))
			listener_close(*at(l, place, i));
}

void listeners_free(struct listeners *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n * l->workers; i++)
		listener_free(l->v[i]);
	free(l->v);
	free(l);
}
