/*
 * handshake: an accepted connection until it is a WebSocket or has its answer.
 *
 * Puts the upgrade filter on the connection, asks upstairs what to do with the
 * request, and sends what follows: the 101, or an HTTP answer. What it needs
 * for that is gone with the last byte of the handshake.
 */
#ifndef NATTER_NET_HANDSHAKE_H
#define NATTER_NET_HANDSHAKE_H

struct conn;
struct handshake;

/* Begins it on C, whose bufferevent does not have the fd yet. NULL: no memory. */
struct handshake *handshake_new(struct conn *c);

/* For a connection that ends before its time. NULL is fine. */
void handshake_free(struct handshake *h);

#endif
