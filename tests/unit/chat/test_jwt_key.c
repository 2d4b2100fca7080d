#include <config.h>

#include "jwt_keys.h"

#include "chat/jwt_key.h"

#include <openssl/err.h>

#ifdef HAVE_LIBJWT

static struct jwt_key *key(enum jwt_algorithm a, const char *text)
{
	const char *why = NULL;
	struct jwt_key *k = jwt_key_new(a, text, strlen(text), &why);

	if (k == NULL)
		fail_msg("%s", why);
	return k;
}

static void refuses(enum jwt_algorithm a, const char *text, size_t len, const char *want)
{
	const char *why = NULL;

	assert_null(jwt_key_new(a, text, len, &why));
	if (strncmp(why, want, strlen(want)) != 0)
		fail_msg("refused for: %s", why);
	assert_int_equal(ERR_peek_error(), 0);
}

static void test_good_keys(void **state)
{
	struct jwt_key *k;

	(void)state;
	k = key(JWT_HS256, SECRET);
	assert_string_equal(jwt_key_algorithm(k), "HS256");
	jwt_key_free(k);
	k = key(JWT_RS256, rsa_public);
	assert_string_equal(jwt_key_algorithm(k), "RS256");
	jwt_key_free(k);
	k = key(JWT_ES256, ec_public);
	assert_string_equal(jwt_key_algorithm(k), "ES256");
	jwt_key_free(k);
	jwt_key_free(NULL);
}

static void test_refused(void **state)
{
	static const char no_pem[] = "it is no public key in PEM form";
	static const char private[] = "it has a private key";
	static const char p256[] = "it is no key of the curve P-256";
	char broken[sizeof(rsa_public)];

	(void)state;
	refuses(JWT_HS256, "", 0, "it is shorter than 32 bytes");
	refuses(JWT_HS256, SECRET, 31, "it is shorter than 32 bytes");
	refuses(JWT_HS256, "0123456789abcdef0123456789abcde\n", 32, "it is shorter than 32 bytes"); /* the newline is none of it */
	refuses(JWT_HS256, rsa_public, strlen(rsa_public), "it is a PEM file");
	refuses(JWT_HS256, ec_private, strlen(ec_private), "it is a PEM file");
	refuses(JWT_RS256, "", 0, no_pem);
	refuses(JWT_RS256, SECRET, 32, no_pem);
	refuses(JWT_RS256, ec_public, strlen(ec_public), "it is no RSA key");
	refuses(JWT_RS256, rsa_private, strlen(rsa_private), private);
	refuses(JWT_RS256, rsa_1024_public, strlen(rsa_1024_public), "the RSA key has fewer than 2048 bits");
	refuses(JWT_ES256, rsa_public, strlen(rsa_public), p256);
	refuses(JWT_ES256, ec_384_public, strlen(ec_384_public), p256);
	refuses(JWT_ES256, ec_secp256k1_public, strlen(ec_secp256k1_public), p256);
	refuses(JWT_ES256, ed25519_public, strlen(ed25519_public), p256);
	refuses(JWT_ES256, ec_private, strlen(ec_private), private);
	memcpy(broken, rsa_public, sizeof(broken));
	broken[100] ^= 1;
	refuses(JWT_RS256, broken, 90, no_pem);
}

static void signs(enum jwt_algorithm a, const char *public, const char *header, const char *private, bool good)
{
	struct jwt_key *k = key(a, public);

	if (jwt_key_signed(k, token_of(header, "{\"sub\":\"7\"}", private)) != good)
		fail_msg("%s", header);
	assert_int_equal(ERR_peek_error(), 0); /* TLS looks there */
	jwt_key_free(k);
}

static void test_signatures(void **state)
{
	static const char hs[] = "{\"alg\":\"HS256\"}", rs[] = "{\"alg\":\"RS256\"}", es[] = "{\"alg\":\"ES256\"}";

	(void)state;
	signs(JWT_HS256, SECRET, hs, SECRET, true);
	signs(JWT_HS256, SECRET "\n", hs, SECRET, true);
	signs(JWT_HS256, SECRET "\r\n", hs, SECRET, true);
	signs(JWT_HS256, SECRET "\n\n", hs, SECRET "\n", true); /* one newline */
	signs(JWT_HS256, SECRET, hs, SECRET_2, false);
	signs(JWT_HS256, SECRET, hs, SECRET "x", false);
	signs(JWT_RS256, rsa_public, rs, rsa_private, true);
	signs(JWT_ES256, ec_public, es, ec_private, true);
	signs(JWT_ES256, ec_public, es, ec_other_private, false);
	signs(JWT_ES256, ec_public, es, ec_384_private, false);
	signs(JWT_RS256, rsa_public, rs, ec_private, false);
	/* the key's algorithm counts, whatever the header says */
	signs(JWT_RS256, rsa_public, hs, rsa_public, false);
	signs(JWT_ES256, ec_public, hs, ec_public, false);
	signs(JWT_RS256, rsa_public, es, ec_private, false);
	signs(JWT_HS256, SECRET, rs, rsa_private, false);
	signs(JWT_HS256, SECRET, "{\"alg\":\"HS384\"}", SECRET, false);
	signs(JWT_HS256, SECRET, "{\"alg\":\"none\"}", SECRET, false);
	signs(JWT_HS256, SECRET, "{}", SECRET, false);
}

/* Each byte of each kind of signature counts. */
static void test_changed_signatures(void **state)
{
	static const struct {
		enum jwt_algorithm algorithm;
		const char *public, *private, *header;
	} rows[] = { { JWT_HS256, SECRET, SECRET, "{\"alg\":\"HS256\"}" },
		     { JWT_RS256, rsa_public, rsa_private, "{\"alg\":\"RS256\"}" },
		     { JWT_ES256, ec_public, ec_private, "{\"alg\":\"ES256\"}" } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct jwt_key *k = key(rows[i].algorithm, rows[i].public);
		char *t = token_of(rows[i].header, "{\"sub\":\"7\",\"exp\":4102444800}", rows[i].private);
		size_t len = strlen(t);

		for (size_t at = 0; at + 1 < len; at += i == 1 ? 7 : 1) {
			char was = t[at];

			if (was == '.')
				continue;
			t[at] = was == 'A' ? 'B' : 'A';
			assert_false(jwt_key_signed(k, t));
			t[at] = was;
		}
		assert_true(jwt_key_signed(k, t));
		*strrchr(t, '.') = '\0';
		assert_false(jwt_key_signed(k, t));
		jwt_key_free(k);
	}
}

/* Whether K takes T with another signature, given in base64url. */
static bool takes(const struct jwt_key *k, const char *t, const char *signature)
{
	char changed[2048];

	snprintf(changed, sizeof(changed), "%.*s.%s", (int)(strrchr(t, '.') - t), t, signature);
	return jwt_key_signed(k, changed);
}

/* Zeros and ones of every length above all that a signature may have, and DER in place of ES256's two numbers. */
static void test_forms_of_a_signature(void **state)
{
	struct jwt_key *es = key(JWT_ES256, ec_public), *rs = key(JWT_RS256, rsa_public);
	char of_es[2048], of_rs[2048], text[400];

	(void)state;
	strcpy(of_es, token_of("{\"alg\":\"ES256\"}", "{\"sub\":\"7\"}", ec_private));
	strcpy(of_rs, token_of("{\"alg\":\"RS256\"}", "{\"sub\":\"7\"}", rsa_private));
	for (size_t n = 1; n < sizeof(text); n++) {
		memset(text, 'A', n); /* CVE-2022-21449 */
		text[n] = '\0';
		if (n % 4 != 1 && (takes(es, of_es, text) || takes(rs, of_rs, text)))
			fail_msg("%zu zeros", n);
		memset(text, '_', n);
		if (n % 4 != 1 && (takes(es, of_es, text) || takes(rs, of_rs, text)))
			fail_msg("%zu ones", n);
	}
	assert_false(takes(es, of_es, "MAYCAQECAQE"));
	assert_true(takes(es, of_es, strrchr(of_es, '.') + 1));
	assert_true(takes(rs, of_rs, strrchr(of_rs, '.') + 1));
	assert_int_equal(ERR_peek_error(), 0);
	jwt_key_free(es);
	jwt_key_free(rs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_keys),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_changed_signatures),
		cmocka_unit_test(test_forms_of_a_signature),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("built without libjwt");
	return 77;
}

#endif
