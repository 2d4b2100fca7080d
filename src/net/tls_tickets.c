#include <config.h>

#include "net/tls_tickets.h"

#include "base/clock.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
#include <openssl/core_names.h>
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The last lifetime, this one, and the next: another machine's clock may be ahead. */
#define KEPT 3

struct tls_tickets {
	_Atomic unsigned refs;
	uint32_t lifetime; /* s */
	pthread_mutex_t lock;
	struct {
		bool made;
		uint64_t period;
		struct tls_ticket_key key;
	} kept[KEPT];
	size_t secret_len; /* 0: none */
	unsigned char secret[];
};

struct tls_tickets *tls_tickets_new(uint32_t lifetime, const void *secret, size_t len)
{
	struct tls_tickets *t = calloc(1, sizeof(*t) + len);

	if (t == NULL || pthread_mutex_init(&t->lock, NULL) != 0) {
		free(t);
		return NULL;
	}
	t->refs = 1;
	t->lifetime = lifetime;
	t->secret_len = len;
	if (len)
		memcpy(t->secret, secret, len);
	return t;
}

struct tls_tickets *tls_tickets_ref(struct tls_tickets *t)
{
	t->refs++;
	return t;
}

void tls_tickets_unref(struct tls_tickets *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	pthread_mutex_destroy(&t->lock);
	OPENSSL_cleanse(t->kept, sizeof(t->kept));
	OPENSSL_cleanse(t->secret, t->secret_len);
	free(t);
}

uint32_t tls_tickets_lifetime(const struct tls_tickets *t) { return t->lifetime; }

/* ---- keys ---- */

static uint64_t period_now(const struct tls_tickets *t) { return (uint64_t)(clock_wall_ms() / 1000) / t->lifetime; }

/* 64 bytes that the secret gives for a period and a use. */
static bool derive(const struct tls_tickets *t, uint64_t period, unsigned char use, unsigned char out[64])
{
	unsigned char what[32] = "natterd TLS ticket";
	unsigned len = 64;

	for (int i = 0; i < 8; i++)
		what[20 + i] = (unsigned char)(period >> (8 * i));
	what[28] = use;
	return HMAC(EVP_sha512(), t->secret, (int)t->secret_len, what, sizeof(what), out, &len) != NULL;
}

static bool make(const struct tls_tickets *t, uint64_t period, struct tls_ticket_key *key)
{
	unsigned char both[64];
	bool good;

	if (t->secret_len == 0)
		return RAND_bytes((unsigned char *)key, sizeof(*key)) == 1;
	good = derive(t, period, 'n', both);
	memcpy(key->name, both, sizeof(key->name));
	good = good && derive(t, period, 'k', both);
	memcpy(key->cipher, both, 32);
	memcpy(key->mac, both + 32, 32);
	OPENSSL_cleanse(both, sizeof(both));
	return good;
}

/* The key of a period; NULL: there is none, or (MAKE_IT) it cannot be made. A period has a place of its own. */
static struct tls_ticket_key *key_of(struct tls_tickets *t, uint64_t period, bool make_it)
{
	size_t i = period % KEPT;

	if (t->kept[i].made && t->kept[i].period == period)
		return &t->kept[i].key;
	if (!make_it)
		return NULL;
	t->kept[i].made = make(t, period, &t->kept[i].key);
	t->kept[i].period = period;
	return t->kept[i].made ? &t->kept[i].key : NULL;
}

/* What opens nothing any more is wiped. */
static void forget_old(struct tls_tickets *t, uint64_t now)
{
	for (size_t i = 0; i < KEPT; i++)
		if (t->kept[i].made && t->kept[i].period + 1 < now) {
			OPENSSL_cleanse(&t->kept[i].key, sizeof(t->kept[i].key));
			t->kept[i].made = false;
		}
}

int tls_tickets_seal(struct tls_tickets *t, struct tls_ticket_key *key)
{
	uint64_t now = period_now(t);
	const struct tls_ticket_key *k;

	pthread_mutex_lock(&t->lock);
	forget_old(t, now);
	k = key_of(t, now, true);
	if (k)
		*key = *k;
	pthread_mutex_unlock(&t->lock);
	return k ? 0 : -1;
}

int tls_tickets_open(struct tls_tickets *t, const unsigned char name[TLS_TICKETS_NAME], struct tls_ticket_key *key)
{
	uint64_t now = period_now(t);
	int found = 0;

	pthread_mutex_lock(&t->lock);
	forget_old(t, now);
	for (uint64_t p = now ? now - 1 : 0; p <= now + 1 && !found; p++) {
		const struct tls_ticket_key *k = key_of(t, p, t->secret_len > 0);

		if (k == NULL || CRYPTO_memcmp(k->name, name, TLS_TICKETS_NAME) != 0)
			continue;
		*key = *k;
		found = p < now ? 2 : 1;
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}

/* ---- OpenSSL's callback ---- */

/* Fills KEY, and a ticket's NAME and IV that is to be sealed. What the callback is to return below 1, or 1 or 2: go on. */
static int choose(SSL *ssl, unsigned char *name, unsigned char *iv, int sealing, struct tls_ticket_key *key)
{
	struct tls_tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (!sealing)
		return tls_tickets_open(t, name, key);
	if (tls_tickets_seal(t, key) < 0 || RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
		return -1;
	memcpy(name, key->name, TLS_TICKETS_NAME);
	return 1;
}

static bool init_cipher(EVP_CIPHER_CTX *ctx, const struct tls_ticket_key *key, const unsigned char *iv, int sealing)
{
	return EVP_CipherInit_ex(ctx, EVP_aes_256_cbc(), NULL, key->cipher, iv, sealing) == 1;
}

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
typedef EVP_MAC_CTX mac_ctx;

static bool init_mac(mac_ctx *ctx, struct tls_ticket_key *key)
{
	char sha256[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(ctx, params) == 1;
}
#define set_callback SSL_CTX_set_tlsext_ticket_key_evp_cb
#else
typedef HMAC_CTX mac_ctx;

static bool init_mac(mac_ctx *ctx, struct tls_ticket_key *key)
{
	return HMAC_Init_ex(ctx, key->mac, sizeof(key->mac), EVP_sha256(), NULL) == 1;
}
#define set_callback SSL_CTX_set_tlsext_ticket_key_cb
#endif

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, mac_ctx *mac, int sealing)
{
	struct tls_ticket_key key;
	int verdict = choose(ssl, name, iv, sealing, &key);

	if (verdict > 0 && (!init_cipher(cipher, &key, iv, sealing) || !init_mac(mac, &key)))
		verdict = -1;
	OPENSSL_cleanse(&key, sizeof(key));
	return verdict;
}

void tls_tickets_use(SSL_CTX *ctx, struct tls_tickets *t)
{
	static const unsigned char who[] = "natterd";

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, who, sizeof(who) - 1);
	if (t == NULL) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ctx, 0);
		return;
	}
	SSL_CTX_set_app_data(ctx, t);
	SSL_CTX_set_timeout(ctx, (long)t->lifetime);
	SSL_CTX_set_num_tickets(ctx, 1); /* a page has one connection */
	set_callback(ctx, on_ticket);
}
