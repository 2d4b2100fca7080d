/*
 * tls: what a listener shows and allows its TLS clients: certificates, keys,
 * versions, ciphers, tickets.
 *
 * Immutable once made, counted, and shared by all workers: new certificates
 * are a new struct tls, which a listener gives to connections from then on
 * (listener_set_tls), while those that are there keep theirs.
 *
 * Which certificate a client sees: those that are for the name that it asks
 * for (SNI), *.name included, else those for the first name of the first one;
 * and of these, where there is one of each kind (ECDSA, RSA, …), the one that
 * it has the algorithms for.
 */
#ifndef NATTER_NET_TLS_H
#define NATTER_NET_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct tls;
struct tls_tickets;

/* Files in PEM. */
struct tls_certificate {
	const char *chain; /* the certificate, then those that issued it */
	const char *key;   /* its private key; "": that is in the file of the chain, too */
};

struct tls_opts {
	const struct tls_certificate *certificates;
	size_t n;
	const char *ciphers;         /* by OpenSSL's names, those of TLS 1.3 as well; "": tls.c knows */
	bool only_13;                /* no TLS 1.2 */
	struct tls_tickets *tickets; /* NULL: none; counted */
};

/*
 * Reads all files. NULL: ERR names the file and what is wrong with it. What
 * may be meant so (an expired certificate, a chain that breaks off) is logged.
 */
struct tls *tls_new(const struct tls_opts *opts, char *err, size_t errlen);

/* NULL is fine to both. */
struct tls *tls_ref(struct tls *t);
void tls_unref(struct tls *t);

/* A session for one connection, with a reference to T, until it is freed. NULL: no memory. */
SSL *tls_session_new(struct tls *t);
void tls_session_free(SSL *ssl);

#endif
