/*
 * ws_upgrade: see ws_upgrade.h.
 */
#include <config.h>

#include "wire/ws_upgrade.h"
#include "wire/ws_extension.h"

#include <openssl/evp.h>

#include <pthread.h>
#include <string.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_LEN 24
#define SHA1_LEN 20

static pthread_once_t sha1_once = PTHREAD_ONCE_INIT;
static const EVP_MD *sha1;             /* fetched once: looking it up costs more than the digest */
static pthread_key_t sha1_context_key; /* its destructor frees sha1_context at the thread's end */
static _Thread_local EVP_MD_CTX *sha1_context;

static void sha1_context_free(void *context)
{
	EVP_MD_CTX_free(context);
	sha1_context = NULL;
}

static void sha1_prepare(void)
{
	if (pthread_key_create(&sha1_context_key, sha1_context_free) != 0)
		return;
#if OPENSSL_VERSION_NUMBER >= 0x30000000L && !defined(LIBRESSL_VERSION_NUMBER)
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
#else
	sha1 = EVP_sha1();
#endif
}

/* This thread's context, or NULL: no memory. */
static EVP_MD_CTX *sha1_context_get(void)
{
	if (sha1_context)
		return sha1_context;
	pthread_once(&sha1_once, sha1_prepare);
	if (!sha1)
		return NULL;
	sha1_context = EVP_MD_CTX_new();
	if (sha1_context && pthread_setspecific(sha1_context_key, sha1_context) != 0)
		sha1_context_free(sha1_context);
	return sha1_context;
}

bool ws_accept(const char key[24], char accept[WS_ACCEPT_LEN + 1])
{
	unsigned char digest[SHA1_LEN];
	EVP_MD_CTX *context = sha1_context_get();

	if (!context || !EVP_DigestInit_ex(context, sha1, NULL) || !EVP_DigestUpdate(context, key, KEY_LEN) ||
	    !EVP_DigestUpdate(context, GUID, strlen(GUID)) || !EVP_DigestFinal_ex(context, digest, NULL))
		return false;
	EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
	return true;
}

/* 16 bytes of base64 as RFC 4648 wants it: 22 characters, of the last one only two bits used, and "==". */
static bool key_valid(const char *key, size_t len)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i;

	if (len != KEY_LEN || memcmp(key + 22, "==", 2) != 0)
		return false;
	for (i = 0; i < 22; i++) {
		if (!memchr(i < 21 ? alphabet : "AQgw", key[i], i < 21 ? 64 : 4))
			return false;
	}
	return true;
}

/* Whether there is exactly one field called NAME. */
static bool field_once(const struct http_head *h, const char *buf, const char *name, struct http_piece *value)
{
	struct http_piece second;

	return http_head_field(h, buf, name, 0, value) && !http_head_field(h, buf, name, 1, &second);
}

/* What is wrong with the offered subprotocols, or NULL. */
static const char *judge_offers(const struct http_head *h, const char *buf)
{
	struct http_piece names[WS_OFFERS_MAX + 1], field;
	uint32_t pos = 0;
	size_t i, n;

	for (n = 0; ws_upgrade_offer(h, buf, &pos, &names[n]); n++) {
		if (!http_token(buf + names[n].at, names[n].len))
			return "Sec-WebSocket-Protocol has a name that is not a token";
		if (n == WS_OFFERS_MAX)
			return "Sec-WebSocket-Protocol has too many names";
		for (i = 0; i < n; i++) {
			if (names[i].len == names[n].len &&
			    !memcmp(buf + names[i].at, buf + names[n].at, names[n].len))
				return "Sec-WebSocket-Protocol has a name twice";
		}
	}
	if (!n && http_head_field(h, buf, "Sec-WebSocket-Protocol", 0, &field))
		return "Sec-WebSocket-Protocol has no name";
	return NULL;
}

static enum ws_upgrade_verdict bad(struct ws_upgrade *u, uint16_t status, const char *why)
{
	u->status = status;
	u->why = why;
	return WS_UPGRADE_BAD;
}

enum ws_upgrade_verdict ws_upgrade_check(const struct http_head *h, const char *buf, struct ws_upgrade *u)
{
	bool upgrade = http_head_has_token(h, buf, "Upgrade", "websocket");
	struct http_piece key, version;
	const char *why;

	memset(u, 0, sizeof(*u));
	if (!upgrade && !http_head_field(h, buf, "Sec-WebSocket-Key", 0, &key))
		return WS_UPGRADE_NONE;

	if (h->minor < 1)
		return bad(u, 400,
			   "a WebSocket is not opened over HTTP/1.0; a proxy in between must use HTTP/1.1");
	if (h->head_only)
		return bad(u, 400, "a WebSocket is opened with GET, not with HEAD");
	if (!upgrade)
		return bad(u, 400,
			   "the field Upgrade: websocket is missing; a proxy in between must pass it on");
	if (!http_head_has_token(h, buf, "Connection", "Upgrade"))
		return bad(u, 400,
			   "Upgrade is missing in the Connection field; a proxy in between must set it");
	if (!field_once(h, buf, "Sec-WebSocket-Version", &version) || version.len != 2 ||
	    memcmp(buf + version.at, "13", 2) != 0)
		return bad(u, 426, "only version 13 of the WebSocket protocol is spoken here");
	if (!field_once(h, buf, "Sec-WebSocket-Key", &key))
		return bad(u, 400, "there is not exactly one Sec-WebSocket-Key");
	if (!key_valid(buf + key.at, key.len))
		return bad(u, 400, "Sec-WebSocket-Key is not 16 bytes of base64");
	why = judge_offers(h, buf);
	if (why)
		return bad(u, 400, why);
	if (!ws_extension_valid(h, buf))
		return bad(u, 400, "Sec-WebSocket-Extensions is no list of extensions");
	if (!ws_accept(buf + key.at, u->accept))
		return bad(u, 503, "there is no memory for another WebSocket");
	return WS_UPGRADE_OK;
}

bool ws_upgrade_offer(const struct http_head *h, const char *buf, uint32_t *pos, struct http_piece *name)
{
	return http_head_list_next(h, buf, "Sec-WebSocket-Protocol", pos, name);
}

static char *put(char *out, const char *s, size_t len)
{
	memcpy(out, s, len);
	return out + len;
}

#define PUT(out, literal) put((out), (literal), sizeof(literal) - 1)

size_t ws_upgrade_answer(const struct ws_upgrade *u, const char *subprotocol, size_t subprotocol_len,
			 const char *extensions, char *out, size_t size)
{
	static const char begin[] = "HTTP/1.1 101 Switching Protocols\r\n"
				    "Upgrade: websocket\r\n"
				    "Connection: Upgrade\r\n"
				    "Sec-WebSocket-Accept: ";
	static const char protocol[] = "\r\nSec-WebSocket-Protocol: ";
	static const char extension[] = "\r\nSec-WebSocket-Extensions: ";
	static const char end[] = "\r\n\r\n";
	size_t extensions_len = extensions ? strlen(extensions) : 0;
	size_t whole = sizeof(begin) - 1 + WS_ACCEPT_LEN + sizeof(end) - 1;
	char *p = out;

	if (subprotocol)
		whole += sizeof(protocol) - 1 + subprotocol_len;
	if (extensions)
		whole += sizeof(extension) - 1 + extensions_len;
	if (size < whole)
		return 0;
	p = PUT(p, begin);
	p = put(p, u->accept, WS_ACCEPT_LEN);
	if (subprotocol) {
		p = PUT(p, protocol);
		p = put(p, subprotocol, subprotocol_len);
	}
	if (extensions) {
		p = PUT(p, extension);
		p = put(p, extensions, extensions_len);
	}
	p = PUT(p, end);
	return (size_t)(p - out);
}
