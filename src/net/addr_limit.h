/*
 * addr_limit: how many connections an address may have, make and leave half done.
 *
 * An address of IPv4 counts by itself, one of IPv6 by its /64, which is what a
 * customer is given. The counts are in a book that all workers share; they are
 * touched when a connection comes, when its handshake is done and when it
 * goes. Who exceeds a limit is told so (429), but a few times only: an address
 * that goes on is turned away, which takes no memory and no answer.
 *
 * Any thread may call.
 */
#ifndef NATTER_NET_ADDR_LIMIT_H
#define NATTER_NET_ADDR_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct book;
struct net_addr;

/* Of each address; 0: no limit. */
struct addr_limit_opts {
	uint32_t connections; /* at a time */
	uint32_t rate;        /* new ones a minute */
	uint32_t handshakes;  /* that are not done, at a time */
};

/* Whether a connection may come in. */
enum admission {
	ADMISSION_OK,
	ADMISSION_FULL,        /* the others: it comes in to be refused */
	ADMISSION_CONNECTIONS,
	ADMISSION_RATE,
	ADMISSION_HANDSHAKES,
	ADMISSION_TURNED_AWAY, /* it does not come in */
};

/* What is noted of addresses, for addr_limit_*(). NULL: no memory. */
struct book *addr_limit_book(void);

/* By what A counts; 0: it does not (a unix socket's peer, or nobody that we know). */
uint64_t addr_limit_key(const struct net_addr *a);
uint64_t addr_limit_key_of_text(const char *address);

/*
 * A connection, with its handshake still to do, comes from KEY at NOW (ms). It
 * is counted, unless it is turned away.
 */
enum admission addr_limit_admit(struct book *b, const struct addr_limit_opts *o, uint64_t key, uint64_t now);

/* Of one that was counted: its handshake is done; and it goes, with its handshake DONE or not. */
void addr_limit_done(struct book *b, uint64_t key, uint64_t now);
void addr_limit_leave(struct book *b, uint64_t key, bool done, uint64_t now);

/* Why it is refused, in a sentence for who asks. */
const char *admission_why(enum admission a);

#endif
