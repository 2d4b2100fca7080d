/*
 * handshake: an accepted connection until it is a WebSocket or has its answer.
 *
 * Puts the upgrade filter on the connection, asks upstairs what to do with the
 * request, and sends what follows: the 101, or an HTTP answer. What it needs
 * for that is gone with the last byte of the handshake.
 */
#ifndef NATTER_NET_HANDSHAKE_H
#define NATTER_NET_HANDSHAKE_H

#include <stdbool.h>

struct conn;
struct handshake;
struct listener;
struct sockaddr;

/* Begins it on C, whose fd the bufferevent does not have yet. 0, or -1: no memory. */
int handshake_start(struct conn *c, struct listener *l, const struct sockaddr *peer, bool full);

/* For a connection that ends before its time. NULL is fine. */
void handshake_free(struct handshake *h);

#endif
