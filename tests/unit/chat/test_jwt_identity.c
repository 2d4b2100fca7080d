#include <config.h>

#include "jwt_keys.h"

#include "base/clock.h"
#include "chat/jwt_identity.h"

#ifdef HAVE_LIBJWT

#define NOW 1800000000 /* s */
#define HS "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define GOOD "{\"sub\":\"7\",\"exp\":1800000600}"
#define UNKNOWN "this token is not known here"

/* One of each kind, and two that are told apart by their ids. */
static struct jwt_issuer issuers[] = {
	{ .kid = "", .issuer = "", .audience = "" },
	{ .kid = "", .issuer = "", .audience = "" },
	{ .kid = "", .issuer = "", .audience = "" },
	{ .kid = "new", .issuer = "", .audience = "" },
	{ .kid = "old", .issuer = "", .audience = "" },
};
static size_t n_issuers = 5;

static int make_keys(void **state)
{
	const char *why;

	(void)state;
	issuers[0].key = jwt_key_new(JWT_HS256, SECRET, 32, &why);
	issuers[1].key = jwt_key_new(JWT_RS256, rsa_public, strlen(rsa_public), &why);
	issuers[2].key = jwt_key_new(JWT_ES256, ec_public, strlen(ec_public), &why);
	issuers[3].key = jwt_key_new(JWT_HS256, SECRET_2, 32, &why);
	issuers[4].key = jwt_key_new(JWT_HS256, "the key of the years before, with 44 bytes..", 44, &why);
	return 0;
}

static int free_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5; i++)
		jwt_key_free(issuers[i].key);
	clock_set_offset(0, 0);
	return 0;
}

/* The wall clock stands (nearly) at NOW plus so many ms. */
static void set_clock(int64_t ms)
{
	clock_set_offset(0, 0);
	clock_set_offset(0, NOW * INT64_C(1000) + ms - clock_wall_ms());
}

static int each(void **state)
{
	(void)state;
	set_clock(0);
	for (size_t i = 0; i < 5; i++) {
		issuers[i].issuer = issuers[i].audience = (char *)(uintptr_t)"";
		issuers[i].leeway = 0;
	}
	return 0;
}

static struct identity *who_is(const char *token, size_t len, const char **why)
{
	char *copy = malloc(len ? len : 1); /* so that a sanitizer sees what is read beyond it */
	struct identity *id;

	memcpy(copy, token, len);
	id = jwt_identity(issuers, n_issuers, copy, len, why);
	free(copy);
	return id;
}

static struct identity *accepted(const char *token)
{
	const char *why = NULL;
	struct identity *id = who_is(token, strlen(token), &why);

	if (id == NULL)
		fail_msg("refused for: %s", why);
	return id;
}

static void accept(const char *token)
{
	struct identity *id = accepted(token);

	assert_string_equal(id->user->data, "7");
	identity_free(id);
}

static void refuse(const char *token, const char *want)
{
	const char *why = NULL;
	struct identity *id = who_is(token, strlen(token), &why);

	if (id)
		fail_msg("taken, but should be refused for: %s", want);
	if (strcmp(why, want) != 0)
		fail_msg("refused for: %s, not: %s", why, want);
}

static char *hs(const char *claims) { return token_of(HS, claims, SECRET); }

static void accept_claims(const char *claims) { accept(hs(claims)); }
static void refuse_claims(const char *claims, const char *want) { refuse(hs(claims), want); }

/* ---- who ---- */

static void test_algorithms(void **state)
{
	(void)state;
	accept(token_of(HS, GOOD, SECRET));
	accept(token_of("{\"alg\":\"RS256\",\"typ\":\"jwt\"}", GOOD, rsa_private));
	accept(token_of("{\"alg\":\"ES256\"}", GOOD, ec_private));
}

/* RFC 7515 section A.1 is a JWT with CR LF in its JSON; so may ours be. */
static void test_white_space(void **state)
{
	(void)state;
	accept(token_of("{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}", "{\"sub\":\"7\",\r\n \"exp\":1800000600}", SECRET));
}

static void test_identity(void **state)
{
	struct identity *id = accepted(hs("{\"sub\":\"7\",\"name\":\" Ann  B \",\"role\":\"moderator\",\"exp\":1800000600}"));

	(void)state;
	assert_string_equal(id->user->data, "7");
	assert_string_equal(id->name->data, "Ann B");
	assert_int_equal(id->role, ROLE_MODERATOR);
	assert_int_equal(grant_expires(id->grant), INT64_C(1800000600000));
	identity_free(id);
}

static void test_users(void **state)
{
	static const char none[] = "the token has no user (sub), or one that is no string";
	char claims[200], user[66];

	(void)state;
	refuse_claims("{\"exp\":1800000600}", none);
	refuse_claims("{\"sub\":7,\"exp\":1800000600}", none);
	refuse_claims("{\"sub\":null,\"exp\":1800000600}", none);
	refuse_claims("{\"sub\":[\"7\"],\"exp\":1800000600}", none);
	refuse_claims("{\"sub\":\"\",\"exp\":1800000600}", "the user's id is empty");
	refuse_claims("{\"sub\":\"a\\nb\",\"exp\":1800000600}", "the user's id is not UTF-8, or has a control character in it");
	memset(user, 'u', 65);
	user[65] = '\0';
	snprintf(claims, sizeof(claims), "{\"sub\":\"%s\",\"exp\":1800000600}", user);
	refuse_claims(claims, "the user's id is longer than 64 bytes");
	snprintf(claims, sizeof(claims), "{\"sub\":\"%s\",\"exp\":1800000600}", user + 1);
	identity_free(accepted(hs(claims)));
}

/* A name that is none here does not keep somebody out. */
static void test_names(void **state)
{
	static const char *const none[] = { "7", "null", "\"\"", "\"a\\tb\"", "[\"Ann\"]", "\"A\\u202en\"" };
	char claims[200];
	struct identity *id;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		snprintf(claims, sizeof(claims), "{\"sub\":\"7\",\"exp\":1800000600,\"name\":%s}", none[i]);
		id = accepted(hs(claims));
		assert_null(id->name);
		identity_free(id);
	}
}

static void test_roles(void **state)
{
	static const struct {
		const char *json;
		enum role role;
	} rows[] = { { "\"admin\"", ROLE_ADMIN },   { "\"moderator\"", ROLE_MODERATOR }, { "\"user\"", ROLE_USER },
		     { "\"guest\"", ROLE_USER },    { "\"Admin\"", ROLE_USER },          { "\"editor\"", ROLE_USER },
		     { "[\"admin\"]", ROLE_USER },  { "null", ROLE_USER },               { "3", ROLE_USER },
		     { "\"admin \"", ROLE_USER } };
	char claims[200];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct identity *id;

		snprintf(claims, sizeof(claims), "{\"sub\":\"7\",\"exp\":1800000600,\"role\":%s}", rows[i].json);
		id = accepted(hs(claims));
		assert_int_equal(id->role, rows[i].role);
		identity_free(id);
	}
}

/* ---- rooms ---- */

static bool may(const struct identity *id, enum grant_what what, const char *room)
{
	return grant_allows(id->grant, what, room, strlen(room));
}

static struct identity *with_rooms(const char *rooms)
{
	char claims[1000];

	snprintf(claims, sizeof(claims), "{\"sub\":\"7\",\"exp\":1800000600,\"rooms\":%s}", rooms);
	return accepted(hs(claims));
}

static void test_rooms(void **state)
{
	struct identity *id = accepted(hs(GOOD));

	(void)state;
	assert_true(may(id, GRANT_JOIN, "x") && may(id, GRANT_WRITE, "x") && !may(id, GRANT_MODERATE, "x"));
	identity_free(id);
	id = with_rooms("[\"lobby\",\"team-*\"]");
	assert_true(may(id, GRANT_JOIN, "lobby") && may(id, GRANT_JOIN, "team-1") && !may(id, GRANT_JOIN, "x"));
	assert_true(may(id, GRANT_WRITE, "lobby"));
	identity_free(id);
	id = with_rooms("[]");
	assert_false(may(id, GRANT_JOIN, "lobby"));
	identity_free(id);
	id = with_rooms("{\"join\":[\"*\"],\"write\":[\"a\"],\"moderate\":[\"b\"]}");
	assert_true(may(id, GRANT_JOIN, "x") && may(id, GRANT_WRITE, "a") && may(id, GRANT_MODERATE, "b"));
	assert_false(may(id, GRANT_WRITE, "b") || may(id, GRANT_MODERATE, "a"));
	identity_free(id);
	id = with_rooms("{\"write\":[]}");
	assert_true(may(id, GRANT_JOIN, "x") && !may(id, GRANT_WRITE, "x"));
	identity_free(id);
	id = with_rooms("{}");
	assert_true(may(id, GRANT_JOIN, "x") && may(id, GRANT_WRITE, "x"));
	identity_free(id);
}

/* What is not understood may be a limit: such a token is not taken. */
static void test_bad_rooms(void **state)
{
	static const char no_list[] = "the token has rooms that are no list of patterns";
	static const char more[] = "the token has rooms with something else than join, write and moderate";
	static const struct {
		const char *json, *why;
	} rows[] = { { "\"lobby\"", no_list },           { "null", no_list },
		     { "true", no_list },                { "[1]", no_list },
		     { "[[\"a\"]]", no_list },           { "[null]", no_list },
		     { "{\"join\":\"a\"}", no_list },    { "{\"write\":null}", no_list },
		     { "{\"write\":[1]}", no_list },     { "{\"writes\":[]}", more },
		     { "{\"join\":[],\"x\":1}", more },  { "[\"@a\"]", "a room's name cannot begin with @" },
		     { "[\"\"]", "the room's name is empty" } };
	char claims[2000];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(claims, sizeof(claims), "{\"sub\":\"7\",\"exp\":1800000600,\"rooms\":%s}", rows[i].json);
		refuse_claims(claims, rows[i].why);
	}
	n = (size_t)snprintf(claims, sizeof(claims), "{\"sub\":\"7\",\"exp\":1800000600,\"rooms\":[\"a\"");
	for (int i = 0; i < 64; i++)
		n += (size_t)snprintf(claims + n, sizeof(claims) - n, ",\"r%d\"", i);
	snprintf(claims + n, sizeof(claims) - n, "]}");
	refuse_claims(claims, "it has more than 64 patterns of rooms");
}

/* ---- times ---- */

static void test_exp(void **state)
{
	static const char *const bad[] = { "\"1800000600\"", "-1", "0", "null", "true", "[1800000600]", "1e300", "253402300800",
					   "99999999999999", "-1e300", "-0.0", "{}" };
	static const char no_time[] = "the token has no exp, or one that is no time", over[] = "the token has expired";
	char claims[100];

	(void)state;
	refuse_claims("{\"sub\":\"7\"}", no_time);
	refuse_claims("{\"sub\":\"7\",\"Exp\":1800000600}", no_time);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(claims, sizeof(claims), "{\"sub\":\"7\",\"exp\":%s}", bad[i]);
		refuse_claims(claims, no_time);
	}
	/* more than 64 bits, and more than a double, are no JSON to jansson, which libjwt asks, too */
	refuse_claims("{\"sub\":\"7\",\"exp\":99999999999999999999}", UNKNOWN);
	refuse_claims("{\"sub\":\"7\",\"exp\":1e999}", UNKNOWN);
	refuse_claims("{\"sub\":\"7\",\"exp\":1}", over);
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000000}", over);
	accept_claims("{\"sub\":\"7\",\"exp\":1800000010}");
	accept_claims("{\"sub\":\"7\",\"exp\":1800000009.5}"); /* RFC 7519 section 2 allows it */
	accept_claims("{\"sub\":\"7\",\"exp\":1.80000001e9}");
	accept_claims("{\"sub\":\"7\",\"exp\":253402300799}");
	set_clock(9000);
	accept_claims("{\"sub\":\"7\",\"exp\":1800000010}");
	set_clock(10000);
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000010}", over);
}

static void test_nbf(void **state)
{
	static const char *const bad[] = { "\"1800000000\"", "-5", "null", "1e300", "[]" };
	char claims[100];

	(void)state;
	accept_claims("{\"sub\":\"7\",\"exp\":1800000600,\"nbf\":1800000000}");
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000600,\"nbf\":1800000030}", "the token is not valid yet");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(claims, sizeof(claims), "{\"sub\":\"7\",\"exp\":1800000600,\"nbf\":%s}", bad[i]);
		refuse_claims(claims, "the token has an nbf that is no time");
	}
	set_clock(30000);
	accept_claims("{\"sub\":\"7\",\"exp\":1800000600,\"nbf\":1800000030}");
}

static void test_leeway(void **state)
{
	struct identity *id;

	(void)state;
	issuers[0].leeway = 30000;
	accept_claims("{\"sub\":\"7\",\"exp\":1800000600,\"nbf\":1800000030}");
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000600,\"nbf\":1800000040}", "the token is not valid yet");
	id = accepted(hs("{\"sub\":\"7\",\"exp\":1799999980}"));
	assert_int_equal(grant_expires(id->grant), INT64_C(1800000010000));
	identity_free(id);
	refuse_claims("{\"sub\":\"7\",\"exp\":1799999970}", "the token has expired");
}

/* ---- from whom, for whom ---- */

static void test_issuer(void **state)
{
	static const char other[] = "the token is from another issuer (iss)";

	(void)state;
	accept_claims("{\"sub\":\"7\",\"exp\":1800000600,\"iss\":\"https://any.example\"}");
	issuers[0].issuer = (char *)(uintptr_t)"https://example.org";
	accept_claims("{\"sub\":\"7\",\"exp\":1800000600,\"iss\":\"https://example.org\"}");
	refuse_claims(GOOD, other);
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000600,\"iss\":\"https://example.org/\"}", other);
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000600,\"iss\":[\"https://example.org\"]}", other);
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000600,\"iss\":null}", other);
	/* it is that key's alone */
	accept(token_of("{\"alg\":\"RS256\"}", GOOD, rsa_private));
}

static void test_audience(void **state)
{
	static const char other[] = "the token is for another audience (aud)";

	(void)state;
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000600,\"aud\":\"chat\"}", other); /* RFC 7519 section 4.1.3 */
	issuers[0].audience = (char *)(uintptr_t)"chat";
	accept_claims("{\"sub\":\"7\",\"exp\":1800000600,\"aud\":\"chat\"}");
	accept_claims("{\"sub\":\"7\",\"exp\":1800000600,\"aud\":[\"shop\",\"chat\"]}");
	refuse_claims(GOOD, other);
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000600,\"aud\":\"chats\"}", other);
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000600,\"aud\":[]}", other);
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000600,\"aud\":[\"shop\",[\"chat\"]]}", other);
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000600,\"aud\":{\"chat\":\"chat\"}}", other);
	refuse_claims("{\"sub\":\"7\",\"exp\":1800000600,\"aud\":1}", other);
}

/* ---- keys ---- */

static void test_kid(void **state)
{
	static const char old[] = "the key of the years before, with 44 bytes..";

	(void)state;
	accept(token_of("{\"alg\":\"HS256\",\"kid\":\"new\"}", GOOD, SECRET_2));
	accept(token_of("{\"alg\":\"HS256\",\"kid\":\"old\"}", GOOD, old));
	/* a key without an id is for all of its algorithm */
	accept(token_of("{\"alg\":\"HS256\",\"kid\":\"new\"}", GOOD, SECRET));
	accept(token_of("{\"alg\":\"HS256\",\"kid\":\"whatever\"}", GOOD, SECRET));
	/* one with an id is for those that name it */
	refuse(token_of("{\"alg\":\"HS256\",\"kid\":\"old\"}", GOOD, SECRET_2), UNKNOWN);
	refuse(token_of("{\"alg\":\"HS256\",\"kid\":\"NEW\"}", GOOD, SECRET_2), UNKNOWN);
	refuse(token_of("{\"alg\":\"HS256\",\"kid\":\"\"}", GOOD, SECRET_2), UNKNOWN);
	refuse(token_of(HS, GOOD, SECRET_2), UNKNOWN);
	/* and it is text */
	refuse(token_of("{\"alg\":\"HS256\",\"kid\":null}", GOOD, SECRET), UNKNOWN);
	refuse(token_of("{\"alg\":\"HS256\",\"kid\":1}", GOOD, SECRET), UNKNOWN);
	refuse(token_of("{\"alg\":\"HS256\",\"kid\":[\"new\"]}", GOOD, SECRET_2), UNKNOWN);
	refuse(token_of("{\"alg\":\"HS256\",\"kid\":\"../../dev/null\"}", GOOD, SECRET_2), UNKNOWN);
}

/* Without ids two keys of an algorithm are tried one after the other. */
static void test_two_keys_without_ids(void **state)
{
	(void)state;
	issuers[3].kid = issuers[4].kid = (char *)(uintptr_t)"";
	accept(token_of(HS, GOOD, SECRET));
	accept(token_of(HS, GOOD, SECRET_2));
	refuse(token_of(HS, GOOD, "somebody else's key, of 32 bytes"), UNKNOWN);
	issuers[3].kid = (char *)(uintptr_t)"new";
	issuers[4].kid = (char *)(uintptr_t)"old";
}

/* ---- attacks ---- */

static void test_algorithm_confusion(void **state)
{
	char none[300] = "";

	(void)state;
	/* the public key as the secret of an HMAC */
	refuse(token_of("{\"alg\":\"HS256\"}", GOOD, rsa_public), UNKNOWN);
	refuse(token_of("{\"alg\":\"HS256\"}", GOOD, ec_public), UNKNOWN);
	refuse(token_of("{\"alg\":\"RS256\"}", GOOD, SECRET), UNKNOWN);
	refuse(token_of("{\"alg\":\"ES256\"}", GOOD, rsa_private), UNKNOWN);
	refuse(token_of("{\"alg\":\"RS256\"}", GOOD, ec_private), UNKNOWN);
	/* no signature, in all spellings */
	for (int i = 0; i < 4; i++) {
		static const char *const words[] = { "none", "None", "NONE", "nOnE" };
		char header[40];

		snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", words[i]);
		refuse(token_of(header, GOOD, SECRET), UNKNOWN);
		none[0] = '\0';
		put_base64url(none, header, strlen(header));
		strcat(none, ".");
		put_base64url(none, GOOD, strlen(GOOD));
		refuse(none, UNKNOWN);
		strcat(none, ".");
		refuse(none, UNKNOWN);
	}
}

static void test_headers(void **state)
{
	static const char *const bad[] = {
		"{}", "[]", "null", "", "\"HS256\"", "{\"alg\":null}", "{\"alg\":1}", "{\"alg\":\"\"}", "{\"alg\":[\"HS256\"]}",
		"{\"alg\":\"hs256\"}", "{\"alg\":\"HS512\"}", "{\"alg\":\"HS256 \"}", "{\"alg\":\"HS256\\u0000\"}",
		"{\"Alg\":\"HS256\"}", "{\"alg\":\"HS256\"", "{\"alg\":\"HS256\"} ,", "{\"alg\":\"HS256\"}{}",
		"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "{\"alg\":\"none\",\"alg\":\"HS256\"}",
		"{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", "{\"alg\":\"HS256\",\"crit\":[]}",
		"{\"alg\":\"HS256\",\"crit\":null}", "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
		"{\"alg\":\"HS256\",\"typ\":\"JWE\"}", "{\"alg\":\"HS256\",\"typ\":1}", "{\"alg\":\"HS256\",\"typ\":null}",
		"{\"alg\":\"HS256\",\"x\":\"\xff\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(token_of(bad[i], GOOD, SECRET), UNKNOWN);
	/* keys that a token brings along, or says where to fetch, are not looked at */
	accept(token_of("{\"alg\":\"HS256\",\"jku\":\"http://192.0.2.1/\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}", GOOD, SECRET));
	refuse(token_of("{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"QUFB\"}}", GOOD, "AAA"), UNKNOWN);
}

static void test_claims_that_are_none(void **state)
{
	static const char *const bad[] = {
		"[]", "null", "7", "\"x\"", "{", "{\"sub\":\"7\"", "{\"sub\":\"7\",\"exp\":1800000600}x",
		"{\"sub\":\"7\",\"sub\":\"8\",\"exp\":1800000600}", "{\"sub\":\"7\",\"exp\":1800000600,\"exp\":1}",
		"{\"sub\":\"7\",\"exp\":1800000600,\"rooms\":{\"join\":[],\"join\":[\"*\"]}}",
		"{\"sub\":\"7\\u0000\",\"exp\":1800000600}", "{\"sub\":\"\xff\",\"exp\":1800000600}",
	};
	const char *why;

	(void)state;
	/* Some of these libjwt refuses itself, as a signature that is wrong; none is taken. */
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *t = hs(bad[i]);

		assert_null(who_is(t, strlen(t), &why));
		assert_non_null(why);
	}
}

/* Whatever is cut off, at whatever end. */
static void test_truncated(void **state)
{
	static const struct {
		const char *header, *private;
	} rows[] = { { HS, SECRET }, { "{\"alg\":\"RS256\"}", rsa_private }, { "{\"alg\":\"ES256\"}", ec_private } };
	const char *why;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char *t = token_of(rows[i].header, GOOD, rows[i].private);
		size_t len = strlen(t);

		for (size_t n = 0; n < len; n++) {
			assert_null(who_is(t, n, &why));
			assert_null(who_is(t + len - n, n, &why));
		}
		accept(t);
	}
}

static void test_bad_base64(void **state)
{
	static const char odd[] = "=+/ \n\r\t%!\"\x80\xff\x7f";
	char t[400], *dot;
	const char *why;
	size_t len;

	(void)state;
	strcpy(t, hs(GOOD));
	len = strlen(t);
	for (size_t at = 0; at <= len; at++)
		for (size_t k = 0; k < sizeof(odd); k++) { /* with the NUL */
			memmove(t + at + 1, t + at, len - at + 1);
			t[at] = odd[k];
			assert_null(who_is(t, len + 1, &why));
			memmove(t + at, t + at + 1, len - at + 1);
		}
	accept(t);
	/* padding */
	strcat(t, "=");
	refuse(t, UNKNOWN);
	t[len] = '\0';
	/* more parts, or empty ones */
	strcat(t, ".");
	refuse(t, UNKNOWN);
	strcat(t, "AAAA");
	refuse(t, UNKNOWN);
	t[len] = '\0';
	dot = strchr(t, '.');
	refuse(dot, UNKNOWN);
	refuse("..", UNKNOWN);
	refuse("...", UNKNOWN);
	refuse("", UNKNOWN);
	refuse(".", UNKNOWN);
	refuse("e30.e30.", UNKNOWN);
}

/* The last character of a part has bits that say nothing: they have to be 0, or one token had several spellings. */
static void test_one_spelling(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char t[400];
	size_t len;

	(void)state;
	strcpy(t, hs(GOOD));
	len = strlen(t);
	assert_int_equal((len - (size_t)(strrchr(t, '.') + 1 - t)) % 4, 3); /* 32 bytes: two bits are left */
	for (unsigned add = 1; add < 4; add++) {
		char was = t[len - 1];

		t[len - 1] = digits[(unsigned)(strchr(digits, was) - digits) + add];
		refuse(t, UNKNOWN);
		t[len - 1] = was;
	}
	accept(t);
}

static void test_huge(void **state)
{
	static char claims[8000];
	const char *why;
	char *t;
	size_t n;

	(void)state;
	n = (size_t)snprintf(claims, sizeof(claims), "{\"sub\":\"7\",\"exp\":1800000600,\"x\":\"");
	memset(claims + n, 'x', 4000);
	strcpy(claims + n + 4000, "\"}");
	t = hs(claims);
	assert_true(strlen(t) > IDENTITY_TOKEN_MAX);
	refuse(t, UNKNOWN);
	/* the longest */
	for (size_t len = n;; len++) {
		memset(claims + n, 'x', len);
		strcpy(claims + len, "\"}");
		t = hs(claims);
		if (strlen(t) > IDENTITY_TOKEN_MAX)
			break;
		if (len > 2950)
			accept(t);
	}
	assert_int_equal(strlen(t), IDENTITY_TOKEN_MAX + 1);
	refuse(t, UNKNOWN);
	/* deep, and all dots */
	memset(claims, '[', 2900);
	claims[2900] = '\0';
	t = hs(claims);
	assert_null(who_is(t, strlen(t), &why));
	memset(claims, '.', 4096);
	assert_null(who_is(claims, 4096, &why));
	memset(claims, 'A', 4096);
	assert_null(who_is(claims, 4096, &why));
}

static void test_no_keys(void **state)
{
	(void)state;
	n_issuers = 0;
	refuse(hs(GOOD), UNKNOWN);
	n_issuers = 5;
}

/* Through the table: what static tokens know goes first, and the rest is asked of the keys. */
static void test_in_the_table(void **state)
{
	struct tokens *t = tokens_new();
	unsigned char hash[TOKEN_HASH_LEN];
	struct jwt_issuer i = issuers[0];
	struct identity *id, *copy;
	const char *why;

	(void)state;
	i.key = jwt_key_new(JWT_HS256, SECRET, 32, &why);
	assert_true(tokens_hash("a.b.c", 5, hash));
	assert_int_equal(tokens_add(t, hash, "static", NULL, ROLE_USER, &why), 0);
	assert_int_equal(tokens_add_issuer(t, &i), 0);
	id = identity_of_token(t, "a.b.c", 5, &why);
	assert_string_equal(id->user->data, "static");
	identity_free(id);
	hs(GOOD);
	id = identity_of_token(t, hs(GOOD), strlen(hs(GOOD)), &why);
	tokens_free(t);
	copy = identity_copy(id);
	identity_free(id);
	assert_string_equal(copy->user->data, "7");
	assert_int_equal(grant_expires(copy->grant), INT64_C(1800000600000));
	identity_free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_algorithms, each),
		cmocka_unit_test_setup(test_white_space, each),
		cmocka_unit_test_setup(test_identity, each),
		cmocka_unit_test_setup(test_users, each),
		cmocka_unit_test_setup(test_names, each),
		cmocka_unit_test_setup(test_roles, each),
		cmocka_unit_test_setup(test_rooms, each),
		cmocka_unit_test_setup(test_bad_rooms, each),
		cmocka_unit_test_setup(test_exp, each),
		cmocka_unit_test_setup(test_nbf, each),
		cmocka_unit_test_setup(test_leeway, each),
		cmocka_unit_test_setup(test_issuer, each),
		cmocka_unit_test_setup(test_audience, each),
		cmocka_unit_test_setup(test_kid, each),
		cmocka_unit_test_setup(test_two_keys_without_ids, each),
		cmocka_unit_test_setup(test_algorithm_confusion, each),
		cmocka_unit_test_setup(test_headers, each),
		cmocka_unit_test_setup(test_claims_that_are_none, each),
		cmocka_unit_test_setup(test_truncated, each),
		cmocka_unit_test_setup(test_bad_base64, each),
		cmocka_unit_test_setup(test_one_spelling, each),
		cmocka_unit_test_setup(test_huge, each),
		cmocka_unit_test_setup(test_no_keys, each),
		cmocka_unit_test_setup(test_in_the_table, each),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}

#else

int main(void)
{
	puts("built without libjwt");
	return 77;
}

#endif
