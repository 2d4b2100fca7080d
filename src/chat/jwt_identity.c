#include <config.h>

#include "chat/jwt_identity.h"

#include "base/clock.h"
#include "chat/grant.h"
#include "chat/name.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TIME_MAX 253402300799.0 /* s: the end of the year 9999 */
#define UNKNOWN "this token is not known here"

/* ---- base64url, RFC 7515 section 2 ---- */

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* To OUT, which has room for it: how many bytes, or -1: it is none, or not the one spelling that there is. */
static long decode(const char *s, size_t len, char *out)
{
	unsigned bits = 0, n = 0;
	size_t done = 0;

	if (len % 4 == 1)
		return -1;
	for (size_t i = 0; i < len; i++) {
		int v = value_of(s[i]);

		if (v < 0)
			return -1;
		bits = bits << 6 | (unsigned)v;
		n += 6;
		if (n < 8)
			continue;
		n -= 8;
		out[done++] = (char)(bits >> n);
		bits &= (1u << n) - 1;
	}
	return bits == 0 ? (long)done : -1;
}

/* ---- the token as text ---- */

struct parts {
	char text[IDENTITY_TOKEN_MAX + 1]; /* the token; */
	char header[IDENTITY_TOKEN_MAX], claims[IDENTITY_TOKEN_MAX], signature[IDENTITY_TOKEN_MAX];
	long header_len, claims_len;
};

/* As memset, but not to be left out because nobody reads it. */
static void wipe(struct parts *p)
{
	volatile char *c = (volatile char *)p;

	for (size_t i = 0; i < sizeof(*p); i++)
		c[i] = 0;
}

static bool take_apart(struct parts *p, const char *token, size_t len)
{
	const char *first = memchr(token, '.', len), *second;

	second = first ? memchr(first + 1, '.', len - (size_t)(first + 1 - token)) : NULL;
	if (second == NULL || len > IDENTITY_TOKEN_MAX)
		return false;
	memcpy(p->text, token, len);
	p->text[len] = '\0';
	p->header_len = decode(token, (size_t)(first - token), p->header);
	p->claims_len = decode(first + 1, (size_t)(second - first - 1), p->claims);
	return p->header_len > 0 && p->claims_len > 0 &&
	       decode(second + 1, len - (size_t)(second + 1 - token), p->signature) > 0;
}

/* ---- the header, and who may have signed ---- */

struct header {
	json_t *json;
	const char *algorithm, *kid; /* NULL: none */
};

static bool is_typ(const json_t *typ)
{
	return typ == NULL || (json_is_string(typ) && strcasecmp(json_string_value(typ), "JWT") == 0);
}

/* jansson passes over a NUL behind a number, where others end. NULL: it is not JSON, or has a member twice. */
static json_t *json_of(const char *text, size_t len)
{
	return memchr(text, '\0', len) ? NULL : json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
}

static bool read_header(struct header *h, const char *text, size_t len)
{
	json_t *kid;

	h->json = json_of(text, len);
	kid = json_object_get(h->json, "kid");
	h->algorithm = json_string_value(json_object_get(h->json, "alg"));
	h->kid = json_string_value(kid);
	return h->algorithm && (kid == NULL || h->kid) && json_object_get(h->json, "crit") == NULL &&
	       is_typ(json_object_get(h->json, "typ"));
}

static bool may_have_signed(const struct jwt_issuer *i, const struct header *h)
{
	if (strcmp(jwt_key_algorithm(i->key), h->algorithm) != 0)
		return false;
	return i->kid[0] == '\0' || (h->kid && strcmp(i->kid, h->kid) == 0);
}

/* Whose token it is; NULL: nobody's, or it is none. */
static const struct jwt_issuer *find_issuer(const struct jwt_issuer *issuers, size_t n, const struct parts *p)
{
	const struct jwt_issuer *found = NULL;
	struct header h;

	if (read_header(&h, p->header, (size_t)p->header_len))
		for (size_t i = 0; i < n && found == NULL; i++)
			if (may_have_signed(&issuers[i], &h) && jwt_key_signed(issuers[i].key, p->text))
				found = &issuers[i];
	json_decref(h.json);
	return found;
}

/* ---- claims ---- */

/* A NumericDate as ms. false: it is none, or not between 1970 and 9999. */
static bool read_time(const json_t *o, int64_t *ms)
{
	double s = json_number_value(o);

	if (!json_is_number(o) || !(s > 0 && s <= TIME_MAX))
		return false;
	*ms = (int64_t)(s * 1000);
	return true;
}

static bool is_text(const json_t *o, const char *text)
{
	return json_is_string(o) && strcmp(json_string_value(o), text) == 0;
}

static bool is_for(const json_t *aud, const char *audience)
{
	const json_t *o;
	size_t i;

	if (audience[0] == '\0')
		return aud == NULL; /* RFC 7519 section 4.1.3: it is for somebody, and not us */
	json_array_foreach(aud, i, o)
		if (is_text(o, audience))
			return true;
	return is_text(aud, audience);
}

/* What is wrong with when, from whom and for whom it is, or NULL: *expires is filled. */
static const char *bad_validity(const struct jwt_issuer *i, const json_t *claims, int64_t now, int64_t *expires)
{
	const json_t *nbf = json_object_get(claims, "nbf");
	int64_t from = 0;

	if (!read_time(json_object_get(claims, "exp"), expires))
		return "the token has no exp, or one that is no time";
	*expires += i->leeway;
	if (now >= *expires)
		return "the token has expired";
	if (nbf && !read_time(nbf, &from))
		return "the token has an nbf that is no time";
	if (now + i->leeway < from)
		return "the token is not valid yet";
	if (i->issuer[0] && !is_text(json_object_get(claims, "iss"), i->issuer))
		return "the token is from another issuer (iss)";
	if (!is_for(json_object_get(claims, "aud"), i->audience))
		return "the token is for another audience (aud)";
	return NULL;
}

/* What is wrong with LIST, the patterns of the rooms where WHAT is allowed, or NULL. */
static const char *read_patterns(struct grant *g, enum grant_what what, const json_t *list)
{
	const char *why = "the token has rooms that are no list of patterns";
	const json_t *o;
	size_t i;

	if (!json_is_array(list))
		return why;
	grant_limit(g, what);
	json_array_foreach(list, i, o) {
		if (!json_is_string(o))
			return why;
		if (grant_add(g, what, json_string_value(o), json_string_length(o), &why) < 0)
			return why;
	}
	return NULL;
}

static const char *read_rooms(struct grant *g, const json_t *rooms)
{
	static const char *const words[GRANT_WHATS] = {
		[GRANT_JOIN] = "join",
		[GRANT_WRITE] = "write",
		[GRANT_MODERATE] = "moderate",
	};
	size_t known = 0;
	const char *why = NULL;

	if (rooms == NULL)
		return NULL;
	if (!json_is_object(rooms))
		return read_patterns(g, GRANT_JOIN, rooms);
	for (unsigned what = 0; what < GRANT_WHATS && why == NULL; what++) {
		const json_t *list = json_object_get(rooms, words[what]);

		if (list == NULL)
			continue;
		known++;
		why = read_patterns(g, (enum grant_what)what, list);
	}
	if (why == NULL && known < json_object_size(rooms)) /* a limit, perhaps, that would not be kept */
		why = "the token has rooms with something else than join, write and moderate";
	return why;
}

static enum role read_role(const json_t *role)
{
	enum role r = ROLE_USER;

	if (json_is_string(role) && role_parse(json_string_value(role), json_string_length(role), &r) && r > ROLE_USER)
		return r;
	return ROLE_USER;
}

/* What is wrong with who it says that somebody is, or NULL: ID, which is empty, is filled. */
static const char *read_identity(struct identity *id, const json_t *claims, int64_t expires)
{
	const json_t *sub = json_object_get(claims, "sub"), *name = json_object_get(claims, "name");
	const char *why = NULL, *no_name;

	if (!json_is_string(sub))
		return "the token has no user (sub), or one that is no string";
	id->user = name_user(json_string_value(sub), json_string_length(sub), &why);
	if (id->user == NULL)
		return why;
	if (json_is_string(name))
		id->name = name_person(json_string_value(name), json_string_length(name), &no_name);
	id->role = read_role(json_object_get(claims, "role"));
	id->grant = grant_new(expires);
	return id->grant ? read_rooms(id->grant, json_object_get(claims, "rooms")) : "there is no memory";
}

struct identity *jwt_identity_of_claims(const struct jwt_issuer *i, const char *claims, size_t len, int64_t now,
					const char **why)
{
	json_t *o = json_of(claims, len);
	struct identity *id = NULL;
	int64_t expires;

	*why = json_is_object(o) ? bad_validity(i, o, now, &expires)
				 : "the token's claims are no JSON object, or have a member twice";
	if (*why == NULL) {
		id = calloc(1, sizeof(*id));
		*why = id ? read_identity(id, o, expires) : "there is no memory";
	}
	json_decref(o);
	if (*why == NULL)
		return id;
	identity_free(id);
	return NULL;
}

struct identity *jwt_identity(const struct jwt_issuer *issuers, size_t n, const char *token, size_t len,
			      const char **why)
{
	const struct jwt_issuer *i = NULL;
	struct identity *id = NULL;
	struct parts p;

	*why = UNKNOWN;
	if (take_apart(&p, token, len))
		i = find_issuer(issuers, n, &p);
	if (i)
		id = jwt_identity_of_claims(i, p.claims, (size_t)p.claims_len, clock_wall_ms(), why);
	wipe(&p);
	return id;
}
