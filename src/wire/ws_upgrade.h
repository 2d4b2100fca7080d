/*
 * ws_upgrade: the server's side of the RFC 6455 opening handshake (section 4.2).
 *
 * A parsed request head goes in; out comes whether it asks for a WebSocket,
 * and what to answer: the 101, or the status and sentence that refuse it.
 */
#ifndef NATTER_WIRE_WS_UPGRADE_H
#define NATTER_WIRE_WS_UPGRADE_H

#include "wire/http_head.h"

enum ws_upgrade_verdict {
	WS_UPGRADE_NONE, /* a plain HTTP request */
	WS_UPGRADE_OK,   /* accept is filled */
	WS_UPGRADE_BAD,  /* status and why are filled */
};

#define WS_ACCEPT_LEN 28
#define WS_OFFERS_MAX 64 /* subprotocols a client may name */

struct ws_upgrade {
	char accept[WS_ACCEPT_LEN + 1]; /* Sec-WebSocket-Accept, NUL-terminated */
	uint16_t status;
	const char *why; /* one line, static */
};

/*
 * Judges H, whose bytes are in BUF. A request is taken for an attempt at a
 * WebSocket when an Upgrade field names "websocket" or any Sec-WebSocket-Key
 * is there. BAD: 400 for HTTP/1.0, HEAD, a missing "Upgrade" in Connection, a missing
 * Upgrade field, a missing, doubled or malformed key (16 bytes of canonical base64), a
 * malformed Sec-WebSocket-Protocol (not tokens, one twice, more than WS_OFFERS_MAX),
 * a Sec-WebSocket-Extensions that is no list of extensions;
 * 426 for no version, several, or another than 13; 503 without memory.
 */
enum ws_upgrade_verdict ws_upgrade_check(const struct http_head *h, const char *buf, struct ws_upgrade *u);

/*
 * The client's next subprotocol, in its order: *pos starts at 0; false at the
 * end. (natter.bearer.TOKEN is among them; never echo that one.)
 */
bool ws_upgrade_offer(const struct http_head *h, const char *buf, uint32_t *pos, struct http_piece *name);

/*
 * Writes the 101 to OUT (not NUL-terminated) with the subprotocol and the
 * extensions (NUL-terminated) unless they are NULL. Returns its length, 0
 * when it does not fit.
 */
size_t ws_upgrade_answer(const struct ws_upgrade *u, const char *subprotocol, size_t subprotocol_len,
			 const char *extensions, char *out, size_t size);

/*
 * Sec-WebSocket-Accept for a key of 24 characters. False: no memory. Any
 * thread; each keeps a digest context, which goes when the thread ends.
 */
bool ws_accept(const char key[24], char accept[WS_ACCEPT_LEN + 1]);

#endif
