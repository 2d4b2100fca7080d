#include <config.h>

#include "chat/directory.h"

#include "base/book.h"
#include "base/clock.h"
#include "base/ptrset.h"
#include "base/strmap.h"
#include "chat/person.h"
#include "chat/session.h"

#include <stdlib.h>

/* Users who are gone of whom it is remembered how much they said, and for how many ms. */
#define USERS_REMEMBERED 4096
#define USERS_REMEMBERED_MS 60000

struct directory {
	unsigned worker;
	struct book *users;      /* struct shared_bucket, by holder */
	struct ptrset sessions;  /* by serial */
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
	ptrset_clear(&d->sessions);
	strmap_free(d->logins);
	free(d);
}

/* Serials are given one after the other: there is no better hash. */
static uint32_t serial_of(const void *session) { return ((const struct session *)session)->serial; }
static bool has_serial(const void *session, const void *serial) { return serial_of(session) == *(const uint32_t *)serial; }

static const struct ptrset_ops by_serial = { serial_of, has_serial };

int directory_add(struct directory *d, struct session *s) { return ptrset_add(&d->sessions, &by_serial, s); }
void directory_remove(struct directory *d, const struct session *s) { ptrset_remove(&d->sessions, &by_serial, s); }

struct session *directory_get(const struct directory *d, uint32_t serial)
{
	return ptrset_get(&d->sessions, &by_serial, serial, &serial);
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
