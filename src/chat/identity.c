#include <config.h>

#include "chat/identity.h"

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
	return copy;
}

static void drop_texts(struct identity *id)
{
	payload_unref(id->user);
	payload_unref(id->name);
}

void identity_free(struct identity *id)
{
	if (id == NULL)
		return;
	drop_texts(id);
	free(id);
}

/* ---- static tokens ---- */

struct entry {
	unsigned char hash[TOKEN_HASH_LEN];
	struct identity identity;
};

struct tokens {
	struct entry *v;
	size_t n, room;
};

struct tokens *tokens_new(void) { return calloc(1, sizeof(struct tokens)); }

void tokens_free(struct tokens *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		drop_texts(&t->v[i].identity);
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
		drop_texts(&id);
		return -1;
	}
	memcpy(t->v[t->n].hash, hash, TOKEN_HASH_LEN);
	t->v[t->n++].identity = id;
	return 0;
}

/* ---- whose is it? ---- */

struct identity *identity_of_token(const struct tokens *t, const char *token, size_t len)
{
	unsigned char hash[TOKEN_HASH_LEN];
	const struct entry *e;

	if (t == NULL || len == 0 || len > IDENTITY_TOKEN_MAX || !tokens_hash(token, len, hash))
		return NULL;
	e = find(t, hash);
	return e ? identity_copy(&e->identity) : NULL;
}
