/*
 * proxied: a connection whose first bytes are a PROXY header.
 *
 * The header is read from the socket by itself, not a byte more, so that what
 * follows, TLS or a request, begins as on any other connection. Only trusted
 * proxies get as far as this.
 */
#ifndef NATTER_NET_PROXIED_H
#define NATTER_NET_PROXIED_H

#include <stdbool.h>

struct conn;
struct listener;

/*
 * C's socket is readable and its header not whole yet. True: now it is, C has
 * its address, and the header is expected no more; the socket may hold
 * further bytes. False: more is needed, or C is closing.
 */
bool proxied_read(struct conn *c);

/* No header is expected any more: frees the part that came. */
void proxied_forget(struct conn *c);

/* Counts and logs that a connection of L's, from ADDRESS, was refused. */
void proxied_refuse(const struct listener *l, const char *address, const char *why);

#endif
