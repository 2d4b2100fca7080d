/*
 * jwt: whatever a token's text is, somebody comes of it only if it is signed;
 * whatever signed claims are, who comes of them has a user, and a name and
 * rooms that can be such, and an end that is not over.
 *
 * Input: one byte, odd: the rest is a token. Even: a header, a newline and
 * claims, which we sign; as a token it is somebody's if its claims are and its
 * header is one that is known to be good. Without libjwt, only the claims.
 */
#include <config.h>

#include "base/clock.h"
#include "chat/jwt_identity.h"
#include "chat/name.h"

#include "fuzz.h"

#include <openssl/hmac.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW 1800000000 /* s */

static const char good_header[] = "{\"alg\":\"HS256\"}";
static struct jwt_issuer issuer = {.kid = "", .issuer = "", .audience = "", .leeway = 1000};

/* LEN bytes as base64url; its end. */
static char *put(char *to, const unsigned char *b, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0, n = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | b[i];
		for (n += 8; n >= 6; n -= 6)
			*to++ = digits[bits >> (n - 6) & 63];
	}
	if (n)
		*to++ = digits[bits << (6 - n) & 63];
	return to;
}

static void check(const struct identity *id, int64_t now)
{
	const char *why;
	struct payload *p = name_user(id->user->data, id->user->len, &why);

	CHECK(p);
	payload_unref(p);
	if (id->name) {
		p = name_person(id->name->data, id->name->len, &why);
		CHECK(p && p->len == id->name->len && memcmp(p->data, id->name->data, p->len) == 0);
		payload_unref(p);
	}
	CHECK(id->role >= ROLE_USER && id->role < ROLE_COUNT);
	CHECK(grant_expires(id->grant) > now);
	for (unsigned what = 0; what < GRANT_WHATS; what++) {
		grant_allows(id->grant, (enum grant_what)what, "lobby", 5);
		grant_allows(id->grant, (enum grant_what)what, "", 0);
	}
}

/* The identity of LEN bytes by F; it is checked, and freed. Whether there was one. */
static bool is_somebody(const char *text, size_t len, bool token)
{
	char *copy = fuzz_copy(text, len);
	const char *why = NULL;
	int64_t now = clock_wall_ms();
	struct identity *id = token ? jwt_identity(&issuer, issuer.key != NULL, copy, len, &why)
				    : jwt_identity_of_claims(&issuer, copy, len, now, &why);

	CHECK((id == NULL) == (why != NULL && why[0] != '\0') || id);
	if (id)
		check(id, now);
	identity_free(id);
	fuzz_free(copy, len);
	return id != NULL;
}

static void try_signed(const char *header, size_t header_len, const char *claims, size_t len)
{
	static char token[65536];
	unsigned char mac[64];
	unsigned mac_len = 0;
	bool known = header_len == strlen(good_header) && memcmp(header, good_header, header_len) == 0;
	bool alone = is_somebody(claims, len, false), whole;
	char *end;

	if (header_len > 8192 || len > 8192)
		return;
	end = put(token, (const unsigned char *)header, header_len);
	*end++ = '.';
	end = put(end, (const unsigned char *)claims, len);
	CHECK(HMAC(EVP_sha256(), SECRET, 32, (unsigned char *)token, (size_t)(end - token), mac, &mac_len));
	*end++ = '.';
	end = put(end, mac, mac_len);
	whole = is_somebody(token, (size_t)(end - token), true);
	CHECK(alone || !whole);
	if (issuer.key && known && end - token <= IDENTITY_TOKEN_MAX)
		CHECK(alone == whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data + 1, *line;
	const char *why;

	clock_set_offset(0, 0);
	clock_set_offset(0, NOW * INT64_C(1000) - clock_wall_ms());
	if (issuer.key == NULL)
		issuer.key = jwt_key_new(JWT_HS256, SECRET, 32, &why);
	if (len-- == 0)
		return 0;
	if (data[0] & 1) {
		is_somebody(text, len, true);
		return 0;
	}
	line = memchr(text, '\n', len);
	if (line)
		try_signed(text, (size_t)(line - text), line + 1, len - (size_t)(line + 1 - text));
	else
		try_signed(good_header, strlen(good_header), text, len);
	return 0;
}
