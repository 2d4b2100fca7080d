/*
 * accepted: an accepted socket on its way to the worker that will have it.
 *
 * Where one worker accepts for all, the others get their connections by
 * letter; a connection stays for good where it arrives. Its place in the total
 * is counted by the one that accepted, and given back here when it comes to
 * nothing: no memory, or the worker is leaving.
 */
#ifndef NATTER_NET_ACCEPTED_H
#define NATTER_NET_ACCEPTED_H

#include <stdbool.h>

struct listener;
struct sockaddr;
struct tls;
struct worker;

struct accepted {
	struct worker *from;       /* whose thread calls */
	struct listener *listener; /* must outlive the handshake */
	struct tls *tls;           /* what it speaks; NULL: plain. Taken */
	int fd;                    /* taken */
	bool full;                 /* only to be told so */
};

/* Gives A, whose peer's address has LEN bytes, to the worker TO. */
void accepted_give(struct worker *to, const struct accepted *a, const struct sockaddr *peer, int len);

#endif
