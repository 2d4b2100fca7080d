#include <config.h>

#include "daemon/listeners.h"

#include "base/log.h"
#include "net/listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listeners {
	struct listener **v;
	size_t n;
};

/* The words for several addresses at once; the second one may be missing on a machine. */
static const struct {
	const char *word, *v4, *v6;
} words[] = {
	{ "*", "0.0.0.0", "::" },
	{ "localhost", "127.0.0.1", "::1" },
};

static int add(struct listeners *l, struct listener *one)
{
	struct listener **grown = realloc(l->v, (l->n + 1) * sizeof(struct listener *));

	if (grown == NULL) {
		listener_free(one);
		return -1;
	}
	l->v = grown;
	l->v[l->n++] = one;
	log_info("listening", "listener=%s address=%s", listener_name(one), listener_address(one));
	return 0;
}

static int open_one(struct listeners *l, const struct listener_opts *o, char *err, size_t errlen)
{
	struct listener *one = listener_open(o, err, errlen);

	return one ? add(l, one) : -1;
}

static int open_address(struct listeners *l, struct listener_opts *o, const char *address, char *err, size_t errlen)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(address, words[i].word) != 0)
			continue;
		o->address = words[i].v4;
		if (open_one(l, o, err, errlen) < 0)
			return -1;
		o->port = listener_port(l->v[l->n - 1]); /* the same for both, also where any will do */
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

static int open_named(struct listeners *l, const struct config *cfg, const struct config_listener *c, char *err,
		      size_t errlen)
{
	struct listener_opts o = {
		.name = c->name, .port = (uint16_t)c->port, .mode = c->mode_bits, .backlog = (int)cfg->backlog,
	};

	if (c->path[0]) {
		o.path = c->path;
		return open_one(l, &o, err, errlen);
	}
	for (size_t i = 0; i < c->address.n; i++) {
		if (open_address(l, &o, c->address.v[i], err, errlen) < 0)
			return -1;
		o.port = listener_port(l->v[l->n - 1]);
	}
	return 0;
}

struct listeners *listeners_open(const struct config *cfg, char *err, size_t errlen)
{
	struct listeners *l = calloc(1, sizeof(*l));

	snprintf(err, errlen, "no memory");
	if (l == NULL)
		return NULL;
	for (size_t i = 0; i < cfg->n_listeners; i++) {
		if (open_named(l, cfg, &cfg->listeners[i], err, errlen) < 0) {
			listeners_free(l);
			return NULL;
		}
	}
	return l;
}

int listeners_start(struct listeners *l, struct worker *w)
{
	for (size_t i = 0; i < l->n; i++)
		if (listener_start(l->v[i], w) < 0)
			return -1;
	return 0;
}

void listeners_free(struct listeners *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n; i++)
		listener_free(l->v[i]);
	free(l->v);
	free(l);
}
