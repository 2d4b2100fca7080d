/*
 * jwt_identity: a JSON Web Token (RFC 7519) as somebody's identity.
 *
 * A token is looked at strictly, and before anything else: three parts of
 * canonical base64url, a header with a known algorithm and nothing critical in
 * it (RFC 7515 section 4.1.11), no member twice. Then its signature, by the
 * keys for which it can be; then whom it is for, and until when; and last its
 * claims:
 *
 *     exp, nbf, iss, aud    as RFC 7519 has them; exp must be there
 *     sub                   the user's id; must be there
 *     name                  what the user is called; one that cannot be a name is left out
 *     role                  user, moderator, admin; any other word is user
 *     rooms                 ["lobby", "team-*"]: only these may be joined
 *                           {"join": [...], "write": [...], "moderate": [...]}: the same for each
 *
 * Pure but for the clock; any thread.
 */
#ifndef NATTER_CHAT_JWT_IDENTITY_H
#define NATTER_CHAT_JWT_IDENTITY_H

#include "chat/identity.h"
#include "chat/jwt_key.h"

#include <stddef.h>
#include <stdint.h>

/* Whose tokens are believed. The texts are never NULL. */
struct jwt_issuer {
	struct jwt_key *key;
	char *kid;       /* only for tokens that name it so; empty: for all of the key's algorithm */
	char *issuer;    /* what iss has to be; empty: anything */
	char *audience;  /* what has to be in aud; empty: there must be no aud */
	uint32_t leeway; /* ms that clocks may differ */
};

/*
 * Who presents TOKEN (any bytes), which one of N issuers made. The caller owns
 * it. NULL: *why (static) says why not; what a token holds is told only about
 * one that is signed.
 */
struct identity *jwt_identity(const struct jwt_issuer *issuers, size_t n, const char *token, size_t len,
			      const char **why);

/* The second half of it: who CLAIMS, the JSON of a token that I signed, are at NOW (wall time, ms). NULL as above. */
struct identity *jwt_identity_of_claims(const struct jwt_issuer *i, const char *claims, size_t len, int64_t now,
					const char **why);

#endif
