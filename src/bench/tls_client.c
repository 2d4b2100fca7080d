/* tls_client: see tls_client.h. */
#include <config.h>

#include "bench/tls_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define READ_AHEAD 65536 /* in one read of the socket: some records */

static const char *reason(void)
{
	const char *s = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return s ? s : errno ? strerror(errno) : "the connection ended";
}

SSL_CTX *tls_client_context(const char *cacert, bool insecure, char *why, size_t size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL) {
		snprintf(why, size, "OpenSSL gives no context: %s", reason());
		return NULL;
	}
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
	if (insecure)
		return ctx;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (cacert ? SSL_CTX_load_verify_locations(ctx, cacert, NULL) : SSL_CTX_set_default_verify_paths(ctx))
		return ctx;
	snprintf(why, size, "--cacert %s: no certificates can be read from it: %s", cacert ? cacert : "", reason());
	SSL_CTX_free(ctx);
	return NULL;
}

SSL *tls_client_new(SSL_CTX *ctx, const char *host, int fd)
{
	struct in6_addr address;
	SSL *ssl = SSL_new(ctx);
	int ok;

	if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
		ok = ssl && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	else
		ok = ssl && SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
	if (ok && SSL_set_fd(ssl, fd)) {
		SSL_set_connect_state(ssl);
		return ssl;
	}
	SSL_free(ssl);
	return NULL;
}

int tls_client_handshake(SSL *ssl, char *why, size_t size)
{
	int n, error;

	ERR_clear_error();
	errno = 0;
	n = SSL_do_handshake(ssl);
	if (n == 1)
		return 0;
	error = SSL_get_error(ssl, n);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
	if (SSL_get_verify_result(ssl) != X509_V_OK)
		snprintf(why, size, "%s: give its authority's file (--cacert), or --insecure",
			 X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
	else
		snprintf(why, size, "%s", reason());
	ERR_clear_error();
	return -1;
}

/* After a read or write that gave N <= 0: 0 at the server's end, or -1 and errno. */
static ssize_t failed(SSL *ssl, int n)
{
	switch (SSL_get_error(ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
	case SSL_ERROR_ZERO_RETURN: return 0;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return errno ? -1 : 0;
	default:
		ERR_clear_error();
		errno = EPROTO;
		return -1;
	}
}

ssize_t tls_client_read(SSL *ssl, void *data, size_t size)
{
	size_t len = 0;
	int n = 0;

	/* A record at a time. */
	while (len < size) {
		ERR_clear_error();
		errno = 0;
		n = SSL_read(ssl, (char *)data + len, (int)(size - len));
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return len ? (ssize_t)len : failed(ssl, n);
}

ssize_t tls_client_write(SSL *ssl, const void *data, size_t len)
{
	size_t done = 0;
	int n = 0;

	while (done < len) {
		ERR_clear_error();
		errno = 0;
		n = SSL_write(ssl, (const char *)data + done, (int)(len - done));
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done ? (ssize_t)done : failed(ssl, n);
}
