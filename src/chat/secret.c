#include <config.h>

#include "chat/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <string.h>

#define PURPOSE "natter session" /* what is signed is nothing else */
#define SIGNATURE_LEN 16
#define RAW_LEN (SECRET_ID_LEN + SIGNATURE_LEN)

bool secret_key_draw(struct secret_key *key) { return RAND_bytes(key->bytes, SECRET_KEY_LEN) == 1; }

bool secret_draw_id(unsigned char id[SECRET_ID_LEN]) { return RAND_bytes(id, SECRET_ID_LEN) == 1; }

/* Writes the id's signature behind it. */
static bool sign(const struct secret_key *key, unsigned char raw[RAW_LEN])
{
	unsigned char in[sizeof(PURPOSE) - 1 + SECRET_ID_LEN], mac[EVP_MAX_MD_SIZE];

	memcpy(in, PURPOSE, sizeof(PURPOSE) - 1);
	memcpy(in + sizeof(PURPOSE) - 1, raw, SECRET_ID_LEN);
	if (HMAC(EVP_sha256(), key->bytes, SECRET_KEY_LEN, in, sizeof(in), mac, NULL) == NULL)
		return false;
	memcpy(raw + SECRET_ID_LEN, mac, SIGNATURE_LEN);
	return true;
}

/* ---- base64url (RFC 4648 section 5), without padding ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const unsigned char raw[RAW_LEN], char text[SECRET_TEXT_LEN + 1])
{
	uint32_t bits = 0;
	unsigned have = 0;
	char *to = text;

	for (size_t i = 0; i < RAW_LEN; i++) {
		bits = bits << 8 | raw[i];
		for (have += 8; have >= 6; have -= 6)
			*to++ = alphabet[bits >> (have - 6) & 63];
	}
	*to++ = alphabet[bits << (6 - have) & 63];
	*to = '\0';
}

/* Of the last character's bits two are no part of a byte: they are 0, or there would be several spellings. */
static bool decode(const char text[SECRET_TEXT_LEN], unsigned char raw[RAW_LEN])
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (size_t i = 0; i < SECRET_TEXT_LEN; i++) {
		const char *c = memchr(alphabet, text[i], sizeof(alphabet) - 1);

		if (c == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(c - alphabet);
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		raw[n++] = (unsigned char)(bits >> have);
	}
	return (bits & ((1u << have) - 1)) == 0;
}

/* ---- secrets ---- */

bool secret_make(const struct secret_key *key, const unsigned char id[SECRET_ID_LEN], char text[SECRET_TEXT_LEN + 1])
{
	unsigned char raw[RAW_LEN];

	memcpy(raw, id, SECRET_ID_LEN);
	if (!sign(key, raw))
		return false;
	encode(raw, text);
	return true;
}

bool secret_open(const struct secret_key *key, const char *text, size_t len, unsigned char id[SECRET_ID_LEN])
{
	unsigned char given[RAW_LEN], genuine[RAW_LEN];

	if (len != SECRET_TEXT_LEN || !decode(text, given))
		return false;
	memcpy(genuine, given, SECRET_ID_LEN);
	if (!sign(key, genuine) || CRYPTO_memcmp(given, genuine, RAW_LEN) != 0)
		return false;
	memcpy(id, given, SECRET_ID_LEN);
	return true;
}
