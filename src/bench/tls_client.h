/*
 * tls_client: TLS on a client's socket, for wss://.
 *
 * OpenSSL reads and writes the socket itself; tls_client_read() and
 * tls_client_write() are as recv() and send() on a socket that does not block,
 * but that reading has to go on until EAGAIN: what OpenSSL has read already,
 * the socket does not tell again. No session is resumed: each connection is a
 * new client. Buffers are kept only while there is something in them.
 */
#ifndef NATTER_BENCH_TLS_CLIENT_H
#define NATTER_BENCH_TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * What all connections share. Servers have to show a certificate of CACERT (a
 * file; NULL: the system's), unless INSECURE. NULL: WHY says why.
 */
SSL_CTX *tls_client_context(const char *cacert, bool insecure, char *why, size_t size);

/* A connection to HOST, a name or an address, on FD, which stays the caller's. NULL: no memory. */
SSL *tls_client_new(SSL_CTX *ctx, const char *host, int fd);

/* Goes on with the handshake: 0 done; POLLIN or POLLOUT: when to call again; -1: WHY says why. */
int tls_client_handshake(SSL *ssl, char *why, size_t size);

ssize_t tls_client_read(SSL *ssl, void *data, size_t size);
ssize_t tls_client_write(SSL *ssl, const void *data, size_t len);

#endif
