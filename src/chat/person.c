#include <config.h>

#include "chat/person.h"

#include "base/strmap.h"
#include "chat/json_text.h"
#include "chat/name.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

uint64_t person_holder(const char *user) { return strmap_hash(user, strlen(user)) | UINT64_C(1) << 63; }

/* Texts behind a person, with their NULs: copied where there is one to copy them to, counted in any case. */
struct texts {
	struct person *to;
	size_t n;
};

/* Where A and B behind each other are now, from the struct's start. */
static uint16_t put(struct texts *t, const char *a, const char *b)
{
	size_t at = t->n, len = strlen(a), n = len + strlen(b) + 1;

	if (t->to) {
		memcpy((char *)t->to + at, a, len);
		memcpy((char *)t->to + at + len, b, n - len);
	}
	t->n += n;
	return (uint16_t)at;
}

/* {"name":"ann","user":"7"}; the caller owns it. */
static struct payload *members_of(const char *user, const char *name)
{
	json_t *o = json_pack("{s:s*,s:s*}", "name", name, "user", user);
	struct payload *p = o ? json_text_open(o) : NULL;

	json_decref(o);
	return p;
}

struct person *person_new(const char *user, const char *name, enum role role, uint64_t serial)
{
	return person_new_granted(user, name, role, NULL, serial);
}

struct person *person_renamed(const struct person *p, const char *name, uint64_t serial)
{
	return person_new_granted(person_user(p), name, p ? (enum role)p->role : ROLE_GUEST, person_grant(p), serial);
}

/* How long P is with these texts, of which USER, NAME and KEY may be NULL; they are put behind TO, which is to be P then. */
static size_t fill(struct person *to, struct person *p, const char *user, const char *name, const char *key,
		   const char *members)
{
	struct texts t = { to, offsetof(struct person, bytes) + (p->granted ? sizeof(struct grant *) : 0) };

	p->ident_at = put(&t, user ? "u" : "n", user ? user : key);
	if (user)
		p->user_at = p->ident_at + 1;
	if (key)
		p->key_at = user ? put(&t, key, "") : p->ident_at + 1;
	if (name)
		p->name_at = strcmp(name, key) == 0 ? p->key_at : put(&t, name, "");
	p->suffix_at = put(&t, ",", members + 1); /* where the object opened */
	return t.n;
}

struct person *person_new_granted(const char *user, const char *name, enum role role, struct grant *grant, uint64_t serial)
{
	struct payload *members = members_of(user, name), *key = name ? name_key(name, strlen(name)) : NULL;
	struct person p = { .holder = user ? person_holder(user) : serial, .role = (uint8_t)role, .granted = grant != NULL };
	struct person *made = NULL;
	const char *k = key ? key->data : NULL;
	size_t len;

	if (members && (user || name) && (key || name == NULL)) {
		len = fill(NULL, &p, user, name, k, members->data);
		made = len <= UINT16_MAX ? malloc(len) : NULL;
	}
	if (made) {
		atomic_init(&p.refs, 1);
		fill(made, &p, user, name, k, members->data);
		memcpy(made, &p, offsetof(struct person, bytes));
		if (grant)
			memcpy(made->bytes, &grant, sizeof(struct grant *));
		grant_ref(grant);
	}
	payload_unref(members);
	payload_unref(key);
	return made;
}

struct person *person_ref(struct person *p)
{
	if (p)
		atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void person_unref(struct person *p)
{
	if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	grant_unref(person_grant(p));
	free(p);
}

struct grant *person_grant(const struct person *p)
{
	struct grant *g = NULL;

	if (p && p->granted)
		memcpy(&g, p->bytes, sizeof(struct grant *));
	return g;
}

enum role person_role(const struct person *p, const char *room, size_t len)
{
	enum role role = p ? (enum role)p->role : ROLE_GUEST;

	return role < ROLE_MODERATOR && grant_allows(person_grant(p), GRANT_MODERATE, room, len) ? ROLE_MODERATOR : role;
}

bool person_is_same(const struct person *a, const struct person *b)
{
	if (a == b || a == NULL || b == NULL)
		return a == b;
	return strcmp(person_ident(a), person_ident(b)) == 0 && strcmp(person_suffix(a), person_suffix(b)) == 0;
}
