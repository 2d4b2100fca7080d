/*
 * tls_tickets: the keys that TLS session tickets are sealed with.
 *
 * A ticket lets a client resume its session on any worker, and where several
 * machines or runs share a secret, on any of those. Keys rotate: each lifetime
 * has its own, which seals for that long and opens for one lifetime more; a
 * ticket that an older one opened is replaced. Without a secret keys are drawn
 * at random and wiped when they are of no use any more. With a secret they are
 * derived from it and the number of the lifetime since 1970, so that all who
 * have it agree without talking.
 *
 * Counted, and shared by all threads under a lock of its own.
 */
#ifndef NATTER_NET_TLS_TICKETS_H
#define NATTER_NET_TLS_TICKETS_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

/* A secret has at least so many bytes. */
#define TLS_TICKETS_SECRET_MIN 32

#define TLS_TICKETS_NAME 16

struct tls_tickets;

/* What a ticket is sealed with. */
struct tls_ticket_key {
	unsigned char name[TLS_TICKETS_NAME]; /* in clear, in the ticket */
	unsigned char cipher[32], mac[32];
};

/* LIFETIME in seconds, not 0. SECRET: LEN bytes, copied; NULL: none. NULL: no memory. */
struct tls_tickets *tls_tickets_new(uint32_t lifetime, const void *secret, size_t len);

struct tls_tickets *tls_tickets_ref(struct tls_tickets *t);
/* NULL is fine. */
void tls_tickets_unref(struct tls_tickets *t);

uint32_t tls_tickets_lifetime(const struct tls_tickets *t);

/* The key to seal with now. 0, or -1: OpenSSL has no random numbers, or no HMAC. */
int tls_tickets_seal(struct tls_tickets *t, struct tls_ticket_key *key);

/* The key of NAME. 1; 2: and the ticket is to be replaced; 0: there is none any more. */
int tls_tickets_open(struct tls_tickets *t, const unsigned char name[TLS_TICKETS_NAME], struct tls_ticket_key *key);

/* CTX's sessions have tickets by T, which outlives them; NULL: none. */
void tls_tickets_use(SSL_CTX *ctx, struct tls_tickets *t);

#endif
