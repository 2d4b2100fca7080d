/*
 * accepted: an accepted socket on its way to the worker that will have it.
 *
 * Where one worker accepts for all, the others get their connections by
 * letter; a connection stays for good where it arrives. Its place in the total
 * and among those of its address is counted by the one that accepted, and given
 * back when it comes to nothing: no memory, or the worker is leaving.
 */
#ifndef NATTER_NET_ACCEPTED_H
#define NATTER_NET_ACCEPTED_H

#include "net/addr_limit.h"

#include <stdint.h>

struct listener;
struct sockaddr;
struct worker;

struct accepted {
	struct worker *from;       /* whose thread calls */
	struct listener *listener; /* ref'd */
	int fd;                    /* taken */
	enum admission admission;  /* not OK: only to be told so */
	uint64_t addr;             /* by what it counts, see addr_limit.h; 0: it does not */
};

/* Gives A, whose peer's address has LEN bytes, to the worker TO. */
void accepted_give(struct worker *to, const struct accepted *a, const struct sockaddr *peer, int len);

/* For TO it comes to nothing: closes the socket, and gives its places back. */
void accepted_drop(struct worker *to, const struct accepted *a);

#endif
