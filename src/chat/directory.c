#include <config.h>

#include "chat/directory.h"

#include "base/book.h"
#include "base/clock.h"
#include "base/strmap.h"
#include "base/table.h"
#include "chat/person.h"
#include "chat/session.h"

#include <stdlib.h>

/* Users who are gone of whom it is remembered how much they said, and for how many ms. */
#define USERS_REMEMBERED 4096
#define USERS_REMEMBERED_MS 60000

struct directory {
	unsigned worker;
	struct book *users;      /* struct shared_bucket, by holder */
	struct table sessions;   /* pointers to them, by serial */
	struct strmap *logins;   /* struct login, by holder */
};

/* A user's sessions here. */
struct login {
	struct session **v;
	size_t n, size;
	struct shared_bucket *bucket; /* or NULL */
};

struct book *directory_users(void)
{
	return book_new(sizeof(struct shared_bucket), USERS_REMEMBERED, USERS_REMEMBERED_MS);
}

struct directory *directory_new(unsigned worker, struct book *users)
{
	struct directory *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->worker = worker;
	d->users = users;
	d->logins = strmap_new();
	if (d->logins)
		return d;
	directory_free(d);
	return NULL;
}

void directory_free(struct directory *d)
{
	if (d == NULL)
		return;
	table_clear(&d->sessions);
	strmap_free(d->logins);
	free(d);
}

/* Serials are given one after the other: by the golden ratio they are as far from each other as can be. */
static uint32_t hash_serial(uint32_t serial) { return serial * UINT32_C(2654435769); }

static uint32_t serial_of(const void *entry) { return (*(struct session *const *)entry)->serial; }
static uint32_t hash_of(const void *entry) { return hash_serial(serial_of(entry)); }
static bool has_serial(const void *entry, const void *serial) { return serial_of(entry) == *(const uint32_t *)serial; }

static const struct table_ops by_serial = { sizeof(struct session *), hash_of, has_serial };

static struct session **find(const struct directory *d, uint32_t serial)
{
	return table_get(&d->sessions, &by_serial, hash_serial(serial), &serial);
}

int directory_add(struct directory *d, struct session *s) { return table_add(&d->sessions, &by_serial, &s) ? 0 : -1; }
void directory_remove(struct directory *d, const struct session *s) { table_remove(&d->sessions, &by_serial, find(d, s->serial)); }

struct session *directory_get(const struct directory *d, uint32_t serial)
{
	struct session **s = find(d, serial);

	return s ? *s : NULL;
}

static struct shared_bucket *take_bucket(struct book *users, uint64_t holder)
{
	struct shared_bucket *b = users ? book_open(users, holder, clock_ms()) : NULL;

	if (b)
		book_close(users, b, 1);
	return b;
}

static void give_bucket(struct book *users, uint64_t holder, struct shared_bucket *b)
{
	if (b && book_open(users, holder, clock_ms()))
		book_close(users, b, -1);
}

struct shared_bucket *directory_bucket(const struct directory *d, uint64_t holder)
{
	struct login *l = strmap_get(d->logins, (const char *)&holder, sizeof(holder));

	return l ? l->bucket : NULL;
}

int directory_login(struct directory *d, uint64_t holder, struct session *s)
{
	struct login *l = strmap_get(d->logins, (const char *)&holder, sizeof(holder));

	if (l == NULL) {
		l = calloc(1, sizeof(*l));
		if (l == NULL || strmap_put(d->logins, (const char *)&holder, sizeof(holder), l) < 0) {
			free(l);
			return -1;
		}
		l->bucket = take_bucket(d->users, holder);
	}
	if (l->n == l->size) {
		size_t size = l->size ? l->size * 2 : 1;
		struct session **v = realloc(l->v, size * sizeof(struct session *));

		if (v == NULL)
			return -1;
		l->v = v;
		l->size = size;
	}
	l->v[l->n++] = s;
	return 0;
}

void directory_logout(struct directory *d, uint64_t holder, struct session *s)
{
	struct login *l = strmap_get(d->logins, (const char *)&holder, sizeof(holder));
	size_t i = 0;

	while (l && i < l->n && l->v[i] != s)
		i++;
	if (l == NULL || i == l->n)
		return;
	l->v[i] = l->v[--l->n];
	if (l->n)
		return;
	strmap_del(d->logins, (const char *)&holder, sizeof(holder));
	give_bucket(d->users, holder, l->bucket);
	free(l->v);
	free(l);
}

size_t directory_find(const struct directory *d, uint64_t holder, struct session **one, struct session ***all)
{
	const struct login *login;

	*all = one;
	if (person_is_user(holder)) {
		login = strmap_get(d->logins, (const char *)&holder, sizeof(holder));
		*all = login ? login->v : one;
		return login ? login->n : 0;
	}
	*one = holder >> 32 == d->worker + 1 ? directory_get(d, (uint32_t)holder) : NULL;
	return *one != NULL;
}
