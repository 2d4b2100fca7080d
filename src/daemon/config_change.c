#include <config.h>

#include "daemon/config_change.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum type { TYPE_BOOL, TYPE_U32, TYPE_U64, TYPE_STRING, TYPE_LIST };
enum when { RESTART, RELOAD, CONNECT };

struct member {
	const char *name;
	enum type type;
	enum when when;
	size_t offset;
};

/* By the member's type in the struct, so that a new kind needs nothing here. */
#define TYPE_OF(m) \
	_Generic((m), bool: TYPE_BOOL, uint32_t: TYPE_U32, uint64_t: TYPE_U64, char *: TYPE_STRING, struct config_list: TYPE_LIST)
#define MEMBER(of, name, when) { #name, TYPE_OF(((struct of *)NULL)->name), when, offsetof(struct of, name) },

static const struct member globals[] = {
#define GLOBAL(kind, name, def, min, max, when, help) MEMBER(config, name, when)
#include "daemon/config.def"
};
static const struct member of_listener[] = {
#define LISTENER(kind, name, def, min, max, when, help) MEMBER(config_listener, name, when)
#include "daemon/config.def"
};
static const struct member of_endpoint[] = {
#define ENDPOINT(kind, name, def, min, max, when, help) MEMBER(config_endpoint, name, when)
#include "daemon/config.def"
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const size_t sizes[] = {
	[TYPE_BOOL] = sizeof(bool), [TYPE_U32] = sizeof(uint32_t), [TYPE_U64] = sizeof(uint64_t),
};

/* ---- values ---- */

static bool same_list(const struct config_list *a, const struct config_list *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = strcmp(a->v[i], b->v[i]) == 0;
	return same;
}

static bool same(const struct member *m, const void *a, const void *b)
{
	const void *x = (const char *)a + m->offset, *y = (const char *)b + m->offset;

	if (m->type == TYPE_LIST)
		return same_list(x, y);
	if (m->type == TYPE_STRING)
		return strcmp(*(char *const *)x, *(char *const *)y) == 0;
	return memcmp(x, y, sizes[m->type]) == 0;
}

static bool all_same(const struct member *m, size_t n, const void *a, const void *b)
{
	for (size_t i = 0; i < n; i++)
		if (!same(&m[i], a, b))
			return false;
	return true;
}

static void clear_list(struct config_list *l)
{
	for (size_t i = 0; l->v && i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

static bool copy_list(struct config_list *to, const struct config_list *from)
{
	struct config_list l = { calloc(from->n + 1, sizeof(*l.v)), from->n };
	bool good = l.v != NULL;

	for (size_t i = 0; good && i < l.n; i++)
		good = (l.v[i] = strdup(from->v[i])) != NULL;
	if (good) {
		clear_list(to);
		*to = l;
	} else {
		clear_list(&l);
	}
	return good;
}

/* Sets the member of TO, which has a value or is zeroed. false: no memory, and it remains. */
static bool copy(const struct member *m, void *to, const void *from)
{
	void *x = (char *)to + m->offset;
	const void *y = (const char *)from + m->offset;
	char *text;

	if (m->type == TYPE_LIST)
		return copy_list(x, y);
	if (m->type != TYPE_STRING) {
		memcpy(x, y, sizes[m->type]);
		return true;
	}
	text = strdup(*(char *const *)y);
	if (text == NULL)
		return false;
	free(*(char **)x);
	*(char **)x = text;
	return true;
}

/* ---- listeners ---- */

static struct config_listener *find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_listeners; i++)
		if (strcmp(c->listeners[i].name, name) == 0)
			return &c->listeners[i];
	return NULL;
}

static void clear(struct config_listener *l)
{
	for (size_t i = 0; i < COUNT(of_listener); i++) {
		void *x = (char *)l + of_listener[i].offset;

		if (of_listener[i].type == TYPE_LIST)
			clear_list(x);
		else if (of_listener[i].type == TYPE_STRING)
			free(*(char **)x);
	}
	free(l->name);
	free(l->where);
}

/* All of TO, but its name, is as in FROM. */
static bool copy_listener(struct config_listener *to, const struct config_listener *from)
{
	bool good = true;

	for (size_t i = 0; i < COUNT(of_listener); i++)
		good = copy(&of_listener[i], to, from) && good;
	to->mode_bits = from->mode_bits;
	return good;
}

static bool add_listener(struct config *c, const struct config_listener *from)
{
	struct config_listener *grown = realloc(c->listeners, (c->n_listeners + 1) * sizeof(*grown)), *l;

	if (grown == NULL)
		return false;
	c->listeners = grown;
	l = &grown[c->n_listeners++];
	memset(l, 0, sizeof(*l));
	l->name = strdup(from->name);
	l->where = strdup(from->where);
	return copy_listener(l, from) && l->name && l->where;
}

static void remove_listener(struct config *c, struct config_listener *l)
{
	clear(l);
	memmove(l, l + 1, (size_t)(c->listeners + --c->n_listeners - l) * sizeof(*l));
}

static bool keep_listener(struct config_listener *next, const struct config_listener *now,
			  void (*kept)(const char *, const char *, const char *))
{
	bool keep = false;

	for (size_t i = 0; i < COUNT(of_listener); i++) {
		const struct member *m = &of_listener[i];

		if (same(m, next, now) || (m->when != RESTART && !now->given))
			continue;
		kept("listener", next->name, m->name);
		keep = true;
	}
	return !keep || copy_listener(next, now);
}

/* Given sockets are those of the start: none comes, none goes. */
static bool keep_listeners(struct config *next, const struct config *now,
			   void (*kept)(const char *, const char *, const char *))
{
	bool good = true;

	for (size_t i = next->n_listeners; i-- > 0;) {
		struct config_listener *l = &next->listeners[i], *was = find(now, l->name);

		if (was) {
			good = keep_listener(l, was, kept) && good;
		} else if (l->given) {
			kept("listener", l->name, "given");
			remove_listener(next, l);
		}
	}
	for (size_t i = 0; i < now->n_listeners; i++) {
		const struct config_listener *l = &now->listeners[i];

		if (!l->given || find(next, l->name))
			continue;
		kept("listener", l->name, "given");
		good = add_listener(next, l) && good;
	}
	return good;
}

/* ---- all ---- */

int config_keep(struct config *next, const struct config *now, void (*kept)(const char *, const char *, const char *))
{
	bool good = true;

	for (size_t i = 0; i < COUNT(globals); i++) {
		if (globals[i].when != RESTART || same(&globals[i], next, now))
			continue;
		kept("", "", globals[i].name);
		good = copy(&globals[i], next, now) && good;
	}
	return keep_listeners(next, now, kept) && good ? 0 : -1;
}

bool config_same_endpoints(const struct config *a, const struct config *b)
{
	bool good = a->n_endpoints == b->n_endpoints && all_same(globals, COUNT(globals), a, b);

	for (size_t i = 0; good && i < a->n_endpoints; i++)
		good = strcmp(a->endpoints[i].path_pattern, b->endpoints[i].path_pattern) == 0 &&
		       all_same(of_endpoint, COUNT(of_endpoint), &a->endpoints[i], &b->endpoints[i]);
	return good;
}
