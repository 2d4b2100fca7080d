#include <config.h>

#include "chat/members.h"

#include "base/strmap.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(const void *member) { return ((const struct member *)member)->hash; }
static bool has_ident(const void *member, const void *ident)
{
	return strcmp(person_ident(((const struct member *)member)->person), ident) == 0;
}

static const struct table_ops by_ident = { sizeof(struct member), hash_of, has_ident };

static uint32_t hash_ident(const char *ident) { return (uint32_t)strmap_hash(ident, strlen(ident)); }

bool members_add(struct members *m, struct person *p, int64_t now)
{
	struct member *x;

	if (p == NULL) {
		m->guests++;
		return true;
	}
	x = (struct member *)members_find(m, person_ident(p));
	if (x) {
		x->seats++;
		return false;
	}
	x = table_add(&m->persons, &by_ident, &(struct member){ p, now, 1, hash_ident(person_ident(p)) });
	if (x)
		person_ref(p); /* else it is there, and not shown */
	return x != NULL;
}

bool members_remove(struct members *m, const struct person *p)
{
	struct member *x = p ? (struct member *)members_find(m, person_ident(p)) : NULL;

	if (p == NULL)
		return m->guests > 0 && m->guests-- > 0;
	if (x == NULL || --x->seats > 0)
		return false;
	person_unref(x->person);
	table_remove(&m->persons, &by_ident, x);
	return true;
}

size_t members_count(const struct members *m) { return m->persons.count; }

const struct member *members_find(const struct members *m, const char *ident)
{
	return table_get(&m->persons, &by_ident, hash_ident(ident), ident);
}

const struct member *members_named(const struct members *m, const char *key)
{
	const struct member *x;

	for (size_t pos = 0; (x = table_next(&m->persons, &by_ident, &pos)) != NULL;)
		if (person_key(x->person) && strcmp(person_key(x->person), key) == 0)
			return x;
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const struct person *x = (*(const struct member *const *)a)->person, *y = (*(const struct member *const *)b)->person;

	return strcmp(person_shown(x), person_shown(y));
}

json_t *members_page(const struct members *m, const char *after, size_t limit, bool *more)
{
	const struct member **all = malloc((members_count(m) + 1) * sizeof(*all)), *x;
	json_t *page = json_array();
	size_t n = 0;

	for (size_t pos = 0; all && (x = table_next(&m->persons, &by_ident, &pos)) != NULL;)
		if (strcmp(person_shown(x->person), after) > 0)
			all[n++] = x;
	if (n)
		qsort(all, n, sizeof(*all), compare);
	*more = n > limit;
	for (size_t i = 0; page && i < n && i < limit; i++)
		json_array_append_new(page, json_pack("{s:s*,s:s*,s:I}", "name", person_name(all[i]->person), "user",
						      person_user(all[i]->person), "since", (json_int_t)all[i]->since));
	free(all);
	return page;
}

void members_clear(struct members *m)
{
	struct member *x;

	for (size_t pos = 0; (x = table_next(&m->persons, &by_ident, &pos)) != NULL;)
		person_unref(x->person);
	table_clear(&m->persons);
	m->guests = 0;
}
