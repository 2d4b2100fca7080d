/*
 * jwt_key: a key, and whether it signed a JSON Web Token.
 *
 * A key is for one algorithm, so that no token chooses which: a public key is
 * never the secret of an HMAC. HS256 has the secret's bytes, RS256 and ES256
 * the public key (PEM). Immutable; any thread. The only file that stands on
 * libjwt; where natter is built without it there are no keys.
 */
#ifndef NATTER_CHAT_JWT_KEY_H
#define NATTER_CHAT_JWT_KEY_H

#include <stdbool.h>
#include <stddef.h>

/* RFC 7518 section 3.1 */
enum jwt_algorithm { JWT_HS256, JWT_RS256, JWT_ES256 };

#define JWT_SECRET_MIN 32 /* bytes of an HS256 secret: RFC 7518 section 3.2 */
#define JWT_RSA_BITS_MIN 2048

struct jwt_key;

/* From the bytes of a key file, which are copied. NULL: *why (static) says what is wrong with it. */
struct jwt_key *jwt_key_new(enum jwt_algorithm algorithm, const void *bytes, size_t len, const char **why);

/* Wipes it. NULL is fine. */
void jwt_key_free(struct jwt_key *k);

/* As in a token's header, static: "HS256". */
const char *jwt_key_algorithm(const struct jwt_key *k);

/*
 * Whether K signed TOKEN, a JWS in compact form (RFC 7515 section 7.1). It has to have been found to be one, of
 * base64url without padding and with no empty part: libjwt 1.10 writes beyond its buffers otherwise.
 */
bool jwt_key_signed(const struct jwt_key *k, const char *token);

#endif
