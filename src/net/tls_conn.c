#include <config.h>

#include "net/tls_conn.h"
#include "net/bev_pool.h"
#include "net/tls.h"

#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <errno.h>

/* RFC 8446 section 5.1 */
bool tls_conn_is_hello(unsigned char byte) { return byte == 22; }

struct bufferevent *tls_conn_new(struct tls *t, struct event_base *base, int fd)
{
	SSL *ssl = tls_session_new(t);
	struct bufferevent *bev;

	if (ssl == NULL)
		return NULL;
	bev = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_DEFER_CALLBACKS);
	if (bev == NULL) {
		tls_session_free(ssl);
		return NULL;
	}
	bufferevent_disable(bev, EV_READ | EV_WRITE);
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	if (bev_count(bev) == 0)
		return bev;
	bufferevent_free(bev);
	tls_session_free(ssl);
	return NULL;
}

/* One record. As tls_conn_send(). */
static ssize_t send_piece(SSL *ssl, const char *data, size_t len)
{
	int n;

	ERR_clear_error();
	n = SSL_write(ssl, data, (int)len);
	if (n > 0)
		return n;
	switch (SSL_get_error(ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	default:
		ERR_clear_error();
		return -EPIPE;
	}
}

ssize_t tls_conn_send(struct bufferevent *bev, const char *data, size_t len)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	size_t done = 0;

	while (done < len) {
		size_t piece = len - done < TLS_CONN_PIECE ? len - done : TLS_CONN_PIECE;
		ssize_t n = send_piece(ssl, data + done, piece);

		if (n == -EAGAIN && done > 0)
			break;
		if (n < 0)
			return n;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

bool tls_conn_finish(struct bufferevent *bev)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	bool full;
	int n;

	if (!SSL_is_init_finished(ssl))
		return true;
	ERR_clear_error();
	n = SSL_shutdown(ssl);
	full = n < 0 && SSL_get_error(ssl, n) == SSL_ERROR_WANT_WRITE;
	ERR_clear_error();
	return !full;
}

bool tls_conn_is_resumed(struct bufferevent *bev) { return SSL_session_reused(bufferevent_openssl_get_ssl(bev)) == 1; }

const char *tls_conn_error(struct bufferevent *bev)
{
	unsigned long e;
	const char *first = NULL, *s;

	while ((e = bufferevent_get_openssl_error(bev)) != 0) {
		s = ERR_reason_error_string(e);
		if (s)
			first = s; /* the last one that it gives is the one that came first */
	}
	return first ? first : "the connection broke";
}

void tls_conn_free(struct bufferevent *bev)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	bev_pool_drop(bev);
	tls_session_free(ssl);
}
