#include <config.h>

#include "chat/jwt_key.h"

#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LIBJWT
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

/* Bytes of each of the two numbers of an ES256 signature: RFC 7518 section 3.4. */
#define ES256_NUMBER 32

struct jwt_key {
	enum jwt_algorithm algorithm;
	EVP_PKEY *public; /* NULL: HS256, whose secret is the bytes */
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

/* The key of a PEM file; NULL: *why says what is wrong with it. */
static EVP_PKEY *read_pem(const char *bytes, size_t len, enum jwt_algorithm algorithm, const char **why)
{
	BIO *bio = BIO_new_mem_buf(bytes, (int)len);
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

	if (has(bytes, len, "PRIVATE KEY-----"))
		*why = "it has a private key, which is for who makes tokens; natterd needs the public one: "
		       "openssl pkey -pubout makes it";
	else if (key)
		*why = bad_public_key(key, algorithm);
	else
		*why = "it is no public key in PEM form (-----BEGIN PUBLIC KEY-----)";
	BIO_free(bio);
	ERR_clear_error();
	if (*why == NULL)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

struct jwt_key *jwt_key_new(enum jwt_algorithm algorithm, const void *bytes, size_t len, const char **why)
{
	EVP_PKEY *public = NULL;
	struct jwt_key *k;

	*why = NULL;
	if (algorithm == JWT_HS256)
		*why = bad_secret(bytes, len = secret_length(bytes, len));
	else
		public = read_pem(bytes, len, algorithm, why);
	if (*why)
		return NULL;
	*why = "there is no memory";
	if (public)
		len = 0;
	k = malloc(sizeof(*k) + len + 1);
	if (k == NULL) {
		EVP_PKEY_free(public);
		return NULL;
	}
	k->algorithm = algorithm;
	k->public = public;
	k->len = len;
	memcpy(k->bytes, bytes, len);
	k->bytes[len] = '\0';
	return k;
}

void jwt_key_free(struct jwt_key *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->public);
	OPENSSL_cleanse(k->bytes, k->len);
	free(k);
}

const char *jwt_key_algorithm(const struct jwt_key *k) { return jwt_alg_str(algorithms[k->algorithm]); }

/* The two numbers of an ES256 signature in DER, as OpenSSL has them: its length, 0: it is none. To be freed. */
static size_t der_of(const unsigned char *numbers, size_t len, unsigned char **der)
{
	ECDSA_SIG *sig = len == 2 * ES256_NUMBER ? ECDSA_SIG_new() : NULL;
	BIGNUM *r = sig ? BN_bin2bn(numbers, ES256_NUMBER, NULL) : NULL;
	BIGNUM *s = r ? BN_bin2bn(numbers + ES256_NUMBER, ES256_NUMBER, NULL) : NULL;
	int n = 0;

	if (s && ECDSA_SIG_set0(sig, r, s) == 1) {
		n = i2d_ECDSA_SIG(sig, der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return n > 0 ? (size_t)n : 0;
}

/* Whether KEY signed the text; SHA-256, and for RSA PKCS #1 v1.5, as RFC 7518 section 3.1 has it. */
static bool verify(EVP_PKEY *key, const char *text, size_t text_len, const unsigned char *sig, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool is = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		  EVP_DigestVerify(ctx, sig, len, (const unsigned char *)text, text_len) == 1;

	EVP_MD_CTX_free(ctx);
	return is;
}

/* Whether the public key signed the token, which libjwt has read, but has had no key for. */
static bool public_key_signed(const struct jwt_key *k, jwt_t *jwt, const char *token, const void *sig, size_t len)
{
	const char *alg = jwt_get_header(jwt, "alg"), *end = strrchr(token, '.');
	unsigned char *der = NULL;
	bool is;

	if (alg == NULL || end == NULL || strcmp(alg, jwt_key_algorithm(k)) != 0)
		return false;
	if (k->algorithm == JWT_RS256)
		return verify(k->public, token, (size_t)(end - token), sig, len);
	len = der_of(sig, len, &der);
	is = len > 0 && verify(k->public, token, (size_t)(end - token), der, len);
	OPENSSL_free(der);
	return is;
}

bool jwt_key_signed(const struct jwt_key *k, const char *token, const void *signature, size_t len)
{
	jwt_t *jwt = NULL;
	bool is = jwt_decode(&jwt, token, k->public ? NULL : k->bytes, (int)k->len) == 0 && jwt;

	is = is && (k->public ? public_key_signed(k, jwt, token, signature, len) :
				jwt_get_alg(jwt) == algorithms[k->algorithm]);
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

bool jwt_key_signed(const struct jwt_key *k, const char *token, const void *signature, size_t len)
{
	return (void)k, (void)token, (void)signature, (void)len, false;
}

#endif
