/*
 * bev_pool: socket bufferevents that wait for their next connection.
 *
 * A bufferevent is over a kilobyte, so a connection has one only while it
 * needs one: while a part of a frame or a backlog is to be buffered. (For the
 * handshake there are those of the upgrade filters.) A few are kept here
 * between two uses.
 */
#ifndef NATTER_NET_BEV_POOL_H
#define NATTER_NET_BEV_POOL_H

#include <event2/bufferevent.h>

#define BEV_POOL_KEPT 64

struct bev_pool {
	struct bufferevent *spare[BEV_POOL_KEPT];
	unsigned n;
};

/* One without fd and callbacks, of which nothing is enabled; its traffic is counted. NULL: no memory. */
struct bufferevent *bev_pool_take(struct bev_pool *p, struct event_base *base);

/* Takes back one that is empty and well, and lets go of its fd, which stays open. */
void bev_pool_give(struct bev_pool *p, struct bufferevent *bev);

/* Frees one for good, whatever is in it; its fd stays open. Any that is counted. */
void bev_pool_drop(struct bufferevent *bev);

/* Has the traffic of any bufferevent counted. 0, or -1: no memory. */
int bev_count(struct bufferevent *bev);

/* Frees those that are kept. */
void bev_pool_clear(struct bev_pool *p);

#endif
