/*
 * secret: what gives a client its session back: an id, signed.
 *
 * A session's id is 16 bytes (see keeper.c for what they are). Its secret,
 * which only its client is ever told, is the id and 16 bytes of an
 * HMAC-SHA256 of it, as base64url: who has
 * the key (daemon/key_file) knows a secret of its own without keeping a list,
 * and nobody else can make one. Pure but for the random numbers; any thread.
 *
 * With identity the only file of chat that stands on OpenSSL's libcrypto.
 */
#ifndef NATTER_CHAT_SECRET_H
#define NATTER_CHAT_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_KEY_LEN 32
#define SECRET_ID_LEN 16
#define SECRET_TEXT_LEN 43 /* 32 bytes as base64url without padding */

struct secret_key {
	unsigned char bytes[SECRET_KEY_LEN];
};

/* Draws a key. false: there are no random numbers. */
bool secret_key_draw(struct secret_key *key);

/* Draws a session's id. false: there are no random numbers. */
bool secret_draw_id(unsigned char id[SECRET_ID_LEN]);

/* The secret of the session ID, NUL-terminated. false: OpenSSL has no memory, or no SHA-256. */
bool secret_make(const struct secret_key *key, const unsigned char id[SECRET_ID_LEN], char text[SECRET_TEXT_LEN + 1]);

/*
 * Whether TEXT (any bytes) is a secret that was made with this key; ID is
 * filled then. It has exactly one spelling. Takes the same time wherever a
 * signature is wrong.
 */
bool secret_open(const struct secret_key *key, const char *text, size_t len, unsigned char id[SECRET_ID_LEN]);

#endif
