/*
 * upgrade_filter: the bufferevent filter that performs the RFC 6455 handshake.
 *
 * It sits on the socket's bufferevent while the request head comes in, and
 * takes itself away when the head is complete or cannot become one; whatever
 * the client sent behind the head stays in the socket's input for the next
 * reader. Kept for good it would cost every message a copy and every
 * connection a kilobyte.
 */
#ifndef NATTER_NET_UPGRADE_FILTER_H
#define NATTER_NET_UPGRADE_FILTER_H

#include "wire/http_head.h"
#include "wire/ws_upgrade.h"

#include <event2/bufferevent.h>
#include <event2/event.h>

struct upgrade_filter;

struct upgrade_filter_ops {
	/*
	 * The head is there, or refused (head->status is not 0). BYTES are its
	 * bytes. Called with the filter still in place: decide, do not write.
	 */
	void (*head)(void *arg, const struct http_head *head, const char *bytes);
	/* The filter is gone: the socket's bufferevent is the caller's alone. Write now. */
	void (*done)(void *arg);
	/* The peer closed, or an error, before the head was complete. */
	void (*gone)(void *arg);
};

/*
 * Puts a filter on SOCKET, whose fd is not set yet, and enables reading.
 * NULL: no memory. OPS and ARG must outlive it.
 */
struct upgrade_filter *upgrade_filter_new(struct bufferevent *socket, size_t max_head,
					  const struct upgrade_filter_ops *ops, void *arg);

/* Takes the filter away before its time. NULL is fine. */
void upgrade_filter_free(struct upgrade_filter *u);

#endif
