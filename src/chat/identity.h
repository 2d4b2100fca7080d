/*
 * identity: who somebody is, and how natter knows: tokens.
 *
 * A token that was presented, wherever it was found, goes to
 * identity_of_token(), the one place that says whose it is. It looks into a
 * table of static tokens, of which only SHA-256 hashes are kept, and asks the
 * keys of the table whether one of them signed it (jwt_identity). The table is
 * built once and then only read, by all workers. An identity has one owner, the
 * session; its texts are payloads and may be shared.
 *
 * With secret and jwt_key the only file of chat that stands on OpenSSL's libcrypto.
 */
#ifndef NATTER_CHAT_IDENTITY_H
#define NATTER_CHAT_IDENTITY_H

#include "base/payload.h"
#include "chat/grant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDENTITY_TOKEN_MAX 4096 /* bytes of a token */
#define TOKEN_HASH_LEN 32

/* Who is higher may do more. ROLE_GUEST is who did not log in. */
enum role {
#define ROLE(ID, word) ROLE_##ID,
#include "chat/identity.def"
#undef ROLE
	ROLE_COUNT
};

/* The role's word, static. */
const char *role_name(enum role r);

/* The role of a word, LEN bytes of it. false: there is none. */
bool role_parse(const char *word, size_t len, enum role *r);

struct identity {
	struct payload *user; /* the user's id */
	struct payload *name; /* prepared by name_person(), or NULL: the token gives none */
	enum role role;
	struct grant *grant;  /* which rooms, and until when; NULL: all, and for ever */
};

/* The same once more, for another owner. NULL: no memory. */
struct identity *identity_copy(const struct identity *id);

/* NULL is fine. */
void identity_free(struct identity *id);

/* ---- the table ---- */

struct tokens;

/* NULL: no memory. */
struct tokens *tokens_new(void);

/* NULL is fine. */
void tokens_free(struct tokens *t);

/* SHA-256 of a token. false: OpenSSL has no memory, or no SHA-256. */
bool tokens_hash(const char *token, size_t len, unsigned char hash[TOKEN_HASH_LEN]);

/*
 * Adds the token with this hash: it is USER, called NAME unless that is NULL
 * or empty, and what is given is checked (and NAME prepared). 0, or -1: *why
 * (static) says what is wrong with it, that the token is there already, or
 * that there is no memory.
 */
int tokens_add(struct tokens *t, const unsigned char hash[TOKEN_HASH_LEN], const char *user, const char *name,
	       enum role role, const char **why);

/*
 * From now on JSON Web Tokens are believed that I's key signed; the key is
 * taken, the texts are copied. 0, or -1: no memory, and nothing is taken.
 */
struct jwt_issuer;
int tokens_add_issuer(struct tokens *t, const struct jwt_issuer *i);

/* ---- whose is it? ---- */

/*
 * Who presents TOKEN (any bytes). The caller owns it. NULL: nobody that is
 * known, or the token is empty or longer than IDENTITY_TOKEN_MAX, or there is no
 * memory; *why (static) says it in words that the client may read. Takes the
 * same time whichever of the static tokens it is, and if it is none. T may be
 * NULL: nobody. Any thread.
 */
struct identity *identity_of_token(const struct tokens *t, const char *token, size_t len, const char **why);

#endif
