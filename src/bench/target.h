/*
 * target: the server's URL, resolved once, and the request that opens a
 * WebSocket there.
 *
 *     ws://HOST[:PORT][/PATH]          TCP, port 80 when none is named
 *     wss://HOST[:PORT][/PATH]         the same by TLS, port 443
 *     ws+unix:///PATH/OF/SOCKET[:/PATH]
 *
 * "{room}" in the path is replaced by the room's number; where there are
 * several rooms and the path has none, "-{room}" is appended.
 */
#ifndef NATTER_BENCH_TARGET_H
#define NATTER_BENCH_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct target {
	char *url, *host, *path;    /* host as the Host field has it */
	char *name;                 /* the host alone: what a certificate has to say; NULL: a unix socket */
	bool tls;
	const char *subprotocol;    /* NULL: none; borrowed */
	const char *const *headers; /* whole lines without CRLF; borrowed */
	size_t n_headers;
	bool deflate; /* offer permessage-deflate, without contexts */
	struct sockaddr_storage address;
	socklen_t address_len;
	bool loopback; /* an IPv4 address 127.x.x.x, so that all of these can be sources */
	uint32_t seed; /* of the keys */
};

#define TARGET_KEY_LEN 24

/*
 * Parses URL and looks the host up. ROOMS: whether the path must name the room.
 * Returns 0, or -1 with a sentence in WHY.
 */
int target_init(struct target *t, const char *url, bool rooms, char *why, size_t size);
void target_clear(struct target *t);

/* The Sec-WebSocket-Key of the connection numbered N. */
void target_key(const struct target *t, uint32_t n, char key[TARGET_KEY_LEN]);

/* Writes the request of connection N to ROOM. Returns its length; 0: it does not fit. */
size_t target_request(const struct target *t, uint32_t n, uint32_t room, char *out, size_t size);

#endif
