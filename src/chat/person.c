#include <config.h>

#include "chat/person.h"

#include "base/strmap.h"
#include "chat/json_text.h"
#include "chat/name.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

uint64_t person_holder(const char *user) { return strmap_hash(user, strlen(user)) | UINT64_C(1) << 63; }

static size_t room_for(const char *s) { return s ? strlen(s) + 1 : 0; }

/* Copies S (NULL passes through) to *TO and goes on behind it. */
static const char *put(char **to, const char *s)
{
	size_t n = room_for(s);
	const char *at = *to;

	if (s == NULL)
		return NULL;
	memcpy(*to, s, n);
	*to += n;
	return at;
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
	return person_new_granted(p ? p->user : NULL, name, p ? (enum role)p->role : ROLE_GUEST, person_grant(p), serial);
}

struct person *person_new_granted(const char *user, const char *name, enum role role, struct grant *grant, uint64_t serial)
{
	struct payload *members = members_of(user, name), *key = name ? name_key(name, strlen(name)) : NULL;
	const char *k = key ? key->data : NULL, *ident = user ? user : k;
	struct person *p = NULL;
	char *to;

	if (members && ident && (key || name == NULL))
		p = malloc(sizeof(*p) + (grant ? sizeof(grant) : 0) + room_for(user) + room_for(name) +
			   (user ? room_for(k) : 0) + 1 + room_for(ident) + room_for(members->data));
	if (p) {
		to = p->bytes;
		atomic_init(&p->refs, 1);
		p->role = (uint8_t)role;
		p->granted = grant != NULL;
		if (grant) {
			memcpy(to, &grant, sizeof(struct grant *));
			to += sizeof(struct grant *);
			grant_ref(grant);
		}
		p->holder = user ? person_holder(user) : serial;
		p->user = put(&to, user);
		p->name = put(&to, name);
		p->ident = to;
		*to++ = user ? 'u' : 'n';
		p->key = put(&to, ident);
		if (user)
			p->key = put(&to, k);
		p->suffix = put(&to, members->data);
		p->bytes[p->suffix - p->bytes] = ','; /* where the object opened */
	}
	payload_unref(members);
	payload_unref(key);
	return p;
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
	return strcmp(a->ident, b->ident) == 0 && strcmp(a->suffix, b->suffix) == 0;
}
