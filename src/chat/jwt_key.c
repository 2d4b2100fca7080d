#include <config.h>

#include "chat/jwt_key.h"

#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LIBJWT
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

struct jwt_key {
	enum jwt_algorithm algorithm;
	size_t len;
	unsigned char bytes[]; /* and a NUL */
};

static const jwt_alg_t algorithms[] = {
	[JWT_HS256] = JWT_ALG_HS256,
	[JWT_RS256] = JWT_ALG_RS256,
	[JWT_ES256] = JWT_ALG_ES256,
};

static bool has(const char *bytes, size_t len, const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i + n <= len; i++)
		if (memcmp(bytes + i, text, n) == 0)
			return true;
	return false;
}

/* A file that ends as text files do has a newline that is no part of the secret. */
static size_t secret_length(const char *bytes, size_t len)
{
	if (len && bytes[len - 1] == '\n')
		len--;
	return len && bytes[len - 1] == '\r' ? len - 1 : len;
}

static const char *bad_secret(const char *bytes, size_t len)
{
	if (has(bytes, len, "-----BEGIN "))
		return "it is a PEM file; HS256 needs a secret: at least 32 random bytes";
	if (len < JWT_SECRET_MIN)
		return "it is shorter than 32 bytes, which HS256 needs: openssl rand -hex 32 makes a good one";
	return NULL;
}

/* The elliptic curve of KEY is P-256. */
static bool is_p256(EVP_PKEY *key)
{
	unsigned char *point = NULL;
	int n = i2d_PUBKEY(key, &point);
	/* SubjectPublicKeyInfo with id-ecPublicKey and prime256v1, as RFC 5480 has it */
	bool is = n > 0 && has((const char *)point, (size_t)n, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");

	OPENSSL_free(point);
	return is;
}

static const char *bad_public_key(EVP_PKEY *key, enum jwt_algorithm algorithm)
{
	int type = EVP_PKEY_base_id(key);

	if (algorithm == JWT_RS256 && type != EVP_PKEY_RSA)
		return "it is no RSA key, which RS256 needs";
	if (algorithm == JWT_RS256 && EVP_PKEY_bits(key) < JWT_RSA_BITS_MIN)
		return "the RSA key has fewer than 2048 bits";
	if (algorithm == JWT_ES256 && (type != EVP_PKEY_EC || !is_p256(key)))
		return "it is no key of the curve P-256 (prime256v1), which ES256 needs";
	return NULL;
}

static const char *bad_pem(const char *bytes, size_t len, enum jwt_algorithm algorithm)
{
	BIO *bio = BIO_new_mem_buf(bytes, (int)len);
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	const char *why;

	if (has(bytes, len, "PRIVATE KEY-----"))
		why = "it has a private key, which is for who makes tokens; natterd needs the public one: "
		      "openssl pkey -pubout makes it";
	else if (key)
		why = bad_public_key(key, algorithm);
	else
		why = "it is no public key in PEM form (-----BEGIN PUBLIC KEY-----)";
	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	return why;
}

struct jwt_key *jwt_key_new(enum jwt_algorithm algorithm, const void *bytes, size_t len, const char **why)
{
	struct jwt_key *k;

	if (algorithm == JWT_HS256)
		len = secret_length(bytes, len);
	*why = algorithm == JWT_HS256 ? bad_secret(bytes, len) : bad_pem(bytes, len, algorithm);
	if (*why)
		return NULL;
	*why = "there is no memory";
	k = malloc(sizeof(*k) + len + 1);
	if (k == NULL)
		return NULL;
	k->algorithm = algorithm;
	k->len = len;
	memcpy(k->bytes, bytes, len);
	k->bytes[len] = '\0';
	return k;
}

void jwt_key_free(struct jwt_key *k)
{
	if (k)
		OPENSSL_cleanse(k->bytes, k->len);
	free(k);
}

const char *jwt_key_algorithm(const struct jwt_key *k) { return jwt_alg_str(algorithms[k->algorithm]); }

bool jwt_key_signed(const struct jwt_key *k, const char *token)
{
	jwt_t *jwt = NULL;
	bool is = jwt_decode(&jwt, token, k->bytes, (int)k->len) == 0 && jwt &&
		  jwt_get_alg(jwt) == algorithms[k->algorithm];

	jwt_free(jwt);
	ERR_clear_error(); /* of a wrong signature; TLS, on this thread, would take it for its own */
	return is;
}

#else /* HAVE_LIBJWT */

struct jwt_key *jwt_key_new(enum jwt_algorithm algorithm, const void *bytes, size_t len, const char **why)
{
	(void)algorithm, (void)bytes, (void)len;
	*why = "this natterd was built without libjwt, and takes no JSON Web Tokens";
	return NULL;
}

void jwt_key_free(struct jwt_key *k) { (void)k; }
const char *jwt_key_algorithm(const struct jwt_key *k) { return (void)k, ""; }
bool jwt_key_signed(const struct jwt_key *k, const char *token) { return (void)k, (void)token, false; }

#endif
