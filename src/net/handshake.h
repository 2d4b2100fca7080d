/*
 * handshake: an accepted connection until it is a WebSocket or has its answer.
 *
 * Puts the upgrade filter on the connection, asks upstairs what to do with the
 * request, and sends what follows: the 101, or an HTTP answer. What it needs
 * for that is gone with the last byte of the handshake.
 */
#ifndef NATTER_NET_HANDSHAKE_H
#define NATTER_NET_HANDSHAKE_H

#include "base/close.h"

#include <stddef.h>

struct conn;
struct handshake;

/* NULL: no memory. */
struct handshake *handshake_new(struct conn *c);

/* The first bytes of C, which may be all that it needs: then it is gone when this returns. */
void handshake_feed(struct handshake *h, const void *data, size_t len);

/* It reads the rest from the socket as it comes. */
void handshake_watch(struct handshake *h);

/* The rest is not waited for: what came is answered by STATUS, and the connection closed for REASON. H is gone. */
void handshake_give_up(struct handshake *h, unsigned status, enum close_reason reason);

/* For a connection that ends before its time. NULL is fine. */
void handshake_free(struct handshake *h);

#endif
