/*
 * origin: of which page a request is (RFC 6454), and whether that is the same
 * as another, or of the same host as the request.
 *
 * A browser sends Origin with every WebSocket's request, and no page can
 * change it; nothing else keeps another site's page from using the cookies or
 * the network of whoever looks at it. Pure.
 */
#ifndef NATTER_WIRE_ORIGIN_H
#define NATTER_WIRE_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORIGIN_MAX 300 /* bytes of an origin; host names have 255 at most */

/* Points into the text it was parsed from. */
struct origin {
	bool null;          /* "null": a file, a sandbox, a privacy setting; nothing else is set */
	const char *scheme; /* as written */
	const char *host;   /* as written, an IPv6 address in its brackets; without a dot at its end */
	size_t scheme_len, host_len;
	uint16_t port;      /* the scheme's own where none is written; 0: there is none */
};

/*
 * "null", or SCHEME://HOST[:PORT] (RFC 6454 section 6.2) and nothing behind
 * it; internationalized names as they are sent, in ASCII. An empty host is for
 * other schemes than http, https, ws and wss ("file://"). False: it is neither.
 */
bool origin_parse(struct origin *o, const char *text, size_t len);

/* The same scheme, host and port, however they are written (RFC 6454 section 5); null is no origin's same. */
bool origin_same(const struct origin *a, const struct origin *b);

/*
 * Whether O is of the host in a Host field, HOST[:PORT]; ports may differ, as
 * they do not separate cookies either.
 */
bool origin_of_host(const struct origin *o, const char *host, size_t len);

#endif
