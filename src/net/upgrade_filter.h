/*
 * upgrade_filter: the bufferevent filter that performs the RFC 6455 handshake.
 *
 * It sits on a socket bufferevent of its own and takes a connection's socket
 * from the first byte to the end of the request head, or until that cannot
 * become one. Then the socket goes on without it, for kept for good it would
 * cost every message a copy and every connection two kilobytes; and the pair
 * goes on to the next socket.
 */
#ifndef NATTER_NET_UPGRADE_FILTER_H
#define NATTER_NET_UPGRADE_FILTER_H

#include "wire/http_head.h"
#include "wire/ws_upgrade.h"

#include <event2/bufferevent.h>
#include <event2/event.h>

struct bev_pool;
struct evbuffer;
struct upgrade_filter;

#define UPGRADE_POOL_KEPT 64

/* Pairs that wait for their next socket. */
struct upgrade_pool {
	struct upgrade_filter *spare[UPGRADE_POOL_KEPT];
	unsigned n;
};

struct upgrade_filter_ops {
	/*
	 * The head is there, or refused (head->status is not 0). BYTES are its
	 * bytes, which go when this returns: decide, do not write.
	 */
	void (*head)(void *arg, const struct http_head *head, const char *bytes);
	/* The filter is to be given back; take what it has of the peer's further bytes first. Write afterwards. */
	void (*done)(void *arg, struct evbuffer *rest);
	/* The peer closed, or an error, before the head was complete. */
	void (*gone)(void *arg);
};

/* One out of the pools. NULL: no memory. */
struct upgrade_filter *upgrade_filter_take(struct upgrade_pool *p, struct bev_pool *bevs, struct event_base *base);

/* Begins with a head of at most MAX_HEAD bytes. OPS and ARG must be there until it is given back. */
void upgrade_filter_start(struct upgrade_filter *u, size_t max_head, const struct upgrade_filter_ops *ops, void *arg);

/* Takes the first bytes, which may be all that it needs: then it has been given back when this returns. */
void upgrade_filter_feed(struct upgrade_filter *u, const void *data, size_t len);

/* Reads the rest from FD as it comes. */
void upgrade_filter_watch(struct upgrade_filter *u, int fd);

/* Lets go of the fd, which stays open, and of what was read. NULL is fine. */
void upgrade_filter_give(struct upgrade_pool *p, struct upgrade_filter *u);

/* Frees those that are kept. */
void upgrade_pool_clear(struct upgrade_pool *p);

#endif
