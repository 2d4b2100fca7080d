#include <config.h>

#include "daemon/token_table.h"
#include "daemon/faults.h"

#include "chat/jwt_identity.h"
#include "daemon/secret_file.h"
#include "wire/token.h"

#include <stdio.h>
#include <string.h>

_Static_assert(TOKEN_MAX == IDENTITY_TOKEN_MAX, "what a request may present can be somebody's");
_Static_assert(SECRET_FILE_MAX > TOKEN_MAX + 2, "a line that is too long is seen to be");

static const enum role roles[] = {
	[CONFIG_ROLE_USER] = ROLE_USER,
	[CONFIG_ROLE_MODERATOR] = ROLE_MODERATOR,
	[CONFIG_ROLE_ADMIN] = ROLE_ADMIN,
};

static const enum jwt_algorithm algorithms[] = {
	[CONFIG_ALGORITHM_HS256] = JWT_HS256,
	[CONFIG_ALGORITHM_RS256] = JWT_RS256,
	[CONFIG_ALGORITHM_ES256] = JWT_ES256,
};

/* ---- tokens ---- */

/* Its first line is the token. What is wrong with it, or NULL: f->len is the token's length. */
static const char *cut_line(struct secret_file *f)
{
	const char *end = memchr(f->bytes, '\n', f->len);

	if (end)
		f->len = (size_t)(end - f->bytes);
	if (f->len && f->bytes[f->len - 1] == '\r')
		f->len--;
	if (f->len == 0)
		return "its first line, which should be the token, is empty";
	if (f->len > TOKEN_MAX)
		return "its first line is longer than 4096 bytes";
	for (size_t i = 0; i < f->len; i++)
		if ((unsigned char)f->bytes[i] < ' ' || f->bytes[i] == 0x7f)
			return "its first line, which should be the token, has a control character in it";
	return NULL;
}

static const char *hash_file(const char *path, unsigned char hash[TOKEN_HASH_LEN])
{
	struct secret_file f;
	const char *why = secret_file_read(&f, path, true);

	if (why == NULL)
		why = cut_line(&f);
	if (why == NULL && !tokens_hash(f.bytes, f.len, hash))
		why = "OpenSSL has no SHA-256, or no memory";
	secret_file_wipe(&f);
	return why;
}

/* What is wrong with it, or NULL. */
static const char *add_token(struct tokens *t, const struct config_token *c)
{
	unsigned char hash[TOKEN_HASH_LEN];
	const char *why;

	memcpy(hash, c->sha256, sizeof(hash));
	why = c->hashed ? NULL : hash_file(c->title, hash);
	if (why)
		return why;
	return tokens_add(t, hash, c->user, c->name, roles[c->role], &why) == 0 ? NULL : why;
}

/* ---- keys ---- */

/* What is wrong with it, or NULL. */
static const char *add_jwt(struct tokens *t, const struct config_jwt *c)
{
	struct jwt_issuer i = { .kid = c->kid, .issuer = c->issuer, .audience = c->audience, .leeway = c->leeway };
	struct secret_file f;
	const char *why = secret_file_read(&f, c->key, c->algorithm == CONFIG_ALGORITHM_HS256);

	if (why == NULL && f.len == sizeof(f.bytes))
		why = "it is too large to be a key";
	if (why == NULL)
		i.key = jwt_key_new(algorithms[c->algorithm], f.bytes, f.len, &why);
	secret_file_wipe(&f);
	if (i.key == NULL)
		return why;
	if (tokens_add_issuer(t, &i) == 0)
		return NULL;
	jwt_key_free(i.key);
	return "there is no memory";
}

/* ---- all of it ---- */

static void add_tokens(struct tokens *t, const struct config *cfg, struct faults *faults)
{
	for (size_t i = 0; i < cfg->n_tokens; i++) {
		const struct config_token *c = &cfg->tokens[i];
		const char *why = add_token(t, c);

		if (why)
			faults_add(faults, "%s: token \"%s\": %s", c->where, c->title, why);
	}
}

static void add_jwts(struct tokens *t, const struct config *cfg, struct faults *faults)
{
	for (size_t i = 0; i < cfg->n_jwts; i++) {
		const struct config_jwt *c = &cfg->jwts[i];
		const char *why = add_jwt(t, c);

		if (why)
			faults_add(faults, "%s: jwt \"%s\": %s: %s", c->where, c->title, c->key, why);
	}
}

struct tokens *token_table_new(const struct config *cfg, char *err, size_t errlen)
{
	struct tokens *t = tokens_new();
	struct faults faults;

	snprintf(err, errlen, "no memory");
	faults_init(&faults, err, errlen);
	if (t) {
		add_tokens(t, cfg, &faults);
		add_jwts(t, cfg, &faults);
	}
	if (faults.len == 0)
		return t;
	tokens_free(t);
	return NULL;
}
