#include <config.h>

#include "chat/grant.h"

#include "chat/name.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct patterns {
	struct payload **v;
	size_t n;
	bool limited;
};

struct grant {
	atomic_uint refs;
	int64_t expires;
	struct patterns of[GRANT_WHATS];
};

struct grant *grant_new(int64_t expires)
{
	struct grant *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	atomic_init(&g->refs, 1);
	g->expires = expires;
	return g;
}

struct grant *grant_ref(struct grant *g)
{
	if (g)
		atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
	return g;
}

void grant_unref(struct grant *g)
{
	if (g == NULL || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned what = 0; what < GRANT_WHATS; what++) {
		for (size_t i = 0; i < g->of[what].n; i++)
			payload_unref(g->of[what].v[i]);
		free(g->of[what].v);
	}
	free(g);
}

void grant_limit(struct grant *g, enum grant_what what) { g->of[what].limited = true; }

int grant_add(struct grant *g, enum grant_what what, const char *pattern, size_t len, const char **why)
{
	struct patterns *p = &g->of[what];
	struct payload **v;

	*why = "it has more than 64 patterns of rooms";
	if (p->n == GRANT_PATTERNS_MAX)
		return -1;
	*why = "there is no memory";
	v = realloc(p->v, (p->n + 1) * sizeof(struct payload *));
	if (v == NULL)
		return -1;
	p->v = v;
	v[p->n] = name_room(pattern, len, why); /* as the names with which it will be compared */
	if (v[p->n] == NULL)
		return -1;
	p->n++;
	return 0;
}

/* Whether PATTERN, in which * stands for any text, is all of S. At most one step back a byte: n * m steps. */
static bool matches(const struct payload *pattern, const char *s, size_t len)
{
	const char *p = pattern->data, *p_end = p + pattern->len, *end = s + len, *star = NULL, *from = NULL;

	while (s < end) {
		if (p < p_end && *p == '*') {
			star = ++p;
			from = s;
		} else if (p < p_end && *p == *s) {
			p++;
			s++;
		} else if (star) {
			p = star;
			s = ++from;
		} else {
			return false;
		}
	}
	while (p < p_end && *p == '*')
		p++;
	return p == p_end;
}

bool grant_allows(const struct grant *g, enum grant_what what, const char *room, size_t len)
{
	const struct patterns *p = g ? &g->of[what] : NULL;

	if (p == NULL || !p->limited)
		return what != GRANT_MODERATE;
	for (size_t i = 0; i < p->n; i++)
		if (matches(p->v[i], room, len))
			return true;
	return false;
}

int64_t grant_expires(const struct grant *g) { return g ? g->expires : 0; }
