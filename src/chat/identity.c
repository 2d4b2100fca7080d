#include <config.h>

#include "chat/identity.h"

#include "chat/jwt_identity.h"
#include "chat/name.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* ---- roles ---- */

static const char *const role_words[] = {
#define ROLE(ID, word) #word,
#include "chat/identity.def"
#undef ROLE
};

const char *role_name(enum role r) { return role_words[r]; }

bool role_parse(const char *word, size_t len, enum role *r)
{
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		if (strlen(role_words[i]) != len || memcmp(role_words[i], word, len) != 0)
			continue;
		*r = (enum role)i;
		return true;
	}
	return false;
}

/* ---- identities ---- */

struct identity *identity_copy(const struct identity *id)
{
	struct identity *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *id;
	payload_ref(copy->user);
	payload_ref(copy->name);
	grant_ref(copy->grant);
	return copy;
}

static void drop_parts(struct identity *id)
{
	payload_unref(id->user);
	payload_unref(id->name);
	grant_unref(id->grant);
}

void identity_free(struct identity *id)
{
	if (id == NULL)
		return;
	drop_parts(id);
	free(id);
}

/* ---- the table ---- */

struct entry {
	unsigned char hash[TOKEN_HASH_LEN];
	struct identity identity;
};

struct tokens {
	struct entry *v;
	size_t n, room;
	struct jwt_issuer *issuers;
	size_t n_issuers;
};

struct tokens *tokens_new(void) { return calloc(1, sizeof(struct tokens)); }

static void drop_issuer(struct jwt_issuer *i)
{
	jwt_key_free(i->key);
	free(i->kid);
	free(i->issuer);
	free(i->audience);
}

void tokens_free(struct tokens *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		drop_parts(&t->v[i].identity);
	for (size_t i = 0; i < t->n_issuers; i++)
		drop_issuer(&t->issuers[i]);
	free(t->issuers);
	free(t->v);
	free(t);
}

bool tokens_hash(const char *token, size_t len, unsigned char hash[TOKEN_HASH_LEN])
{
	return EVP_Digest(token, len, hash, NULL, EVP_sha256(), NULL) == 1;
}

/* The entry with this hash, or NULL. All are compared, whole. */
static const struct entry *find(const struct tokens *t, const unsigned char hash[TOKEN_HASH_LEN])
{
	const struct entry *found = NULL;

	for (size_t i = 0; i < t->n; i++)
		if (CRYPTO_memcmp(t->v[i].hash, hash, TOKEN_HASH_LEN) == 0)
			found = &t->v[i];
	return found;
}

static bool make_room(struct tokens *t)
{
	size_t room = t->room ? t->room * 2 : 8;
	struct entry *v;

	if (t->n < t->room)
		return true;
	v = realloc(t->v, room * sizeof(*v));
	if (v == NULL)
		return false;
	t->v = v;
	t->room = room;
	return true;
}

int tokens_add(struct tokens *t, const unsigned char hash[TOKEN_HASH_LEN], const char *user, const char *name,
	       enum role role, const char **why)
{
	struct identity id = { .role = role };

	*why = "there is no memory";
	if (!make_room(t))
		return -1;
	if (find(t, hash)) {
		*why = "the same token is there already";
		return -1;
	}
	id.user = name_user(user, strlen(user), why);
	if (id.user && name && name[0])
		id.name = name_person(name, strlen(name), why);
	if (id.user == NULL || (name && name[0] && id.name == NULL)) {
		drop_parts(&id);
		return -1;
	}
	memcpy(t->v[t->n].hash, hash, TOKEN_HASH_LEN);
	t->v[t->n++].identity = id;
	return 0;
}

int tokens_add_issuer(struct tokens *t, const struct jwt_issuer *i)
{
	struct jwt_issuer *v = realloc(t->issuers, (t->n_issuers + 1) * sizeof(*v)), *to;

	if (v == NULL)
		return -1;
	t->issuers = v;
	to = &v[t->n_issuers];
	*to = (struct jwt_issuer){ .kid = strdup(i->kid), .issuer = strdup(i->issuer), .audience = strdup(i->audience),
				   .leeway = i->leeway };
	if (to->kid == NULL || to->issuer == NULL || to->audience == NULL) {
		drop_issuer(to);
		return -1;
	}
	to->key = i->key;
	t->n_issuers++;
	return 0;
}

/* ---- whose is it? ---- */

struct identity *identity_of_token(const struct tokens *t, const char *token, size_t len, const char **why)
{
	unsigned char hash[TOKEN_HASH_LEN];
	const struct entry *e;

	*why = "this token is not known here";
	if (t == NULL || len == 0 || len > IDENTITY_TOKEN_MAX || !tokens_hash(token, len, hash))
		return NULL;
	e = find(t, hash);
	if (e)
		return identity_copy(&e->identity);
	return t->n_issuers ? jwt_identity(t->issuers, t->n_issuers, token, len, why) : NULL;
}
