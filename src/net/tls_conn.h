/*
 * tls_conn: TLS between a connection and its socket.
 *
 * A bufferevent_openssl, with which the connection does what it does with a
 * plain one: it reads from its input, leaves to its output what the system
 * does not take, and has EV_WRITE on only while something waits there. Sending
 * at once goes by OpenSSL (tls_conn_send); never by send(), which would put
 * plain text on the wire. Its callbacks come deferred, never from within a
 * call of ours.
 */
#ifndef NATTER_NET_TLS_CONN_H
#define NATTER_NET_TLS_CONN_H

#include <event2/bufferevent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls;

/*
 * So many bytes at most go to the output at once (evbuffer_add): then each of
 * its chains is one TLS record, and what was sent of a backlog is seen by it.
 */
#define TLS_CONN_PIECE 16336

/* Whether a connection that begins with BYTE speaks TLS: the type of a handshake's record. */
bool tls_conn_is_hello(unsigned char byte);

/* The server's side on FD, which stays the caller's. No callbacks, nothing enabled; its traffic is counted. NULL: no memory. */
struct bufferevent *tls_conn_new(struct tls *t, struct event_base *base, int fd);

/* As send(), but -errno: -EAGAIN where nothing was taken. What was not taken goes to the output next, unchanged. */
ssize_t tls_conn_send(struct bufferevent *bev, const char *data, size_t len);

/* Says that nothing more comes (close_notify). false: not now, the socket is full. */
bool tls_conn_finish(struct bufferevent *bev);

/* Whether the client came back with a ticket; when the handshake is done. */
bool tls_conn_is_resumed(struct bufferevent *bev);

/* Why it failed, in OpenSSL's words; after an error event, once. */
const char *tls_conn_error(struct bufferevent *bev);

/* Frees it, whatever is in it, and its TLS session; the fd stays open. */
void tls_conn_free(struct bufferevent *bev);

#endif
