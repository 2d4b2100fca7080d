/*
 * client: one WebSocket connection to the server, from connect() to its end.
 *
 * A pool is what all clients of a run share: the event base, the target, the
 * buffer that is read into, and whom to tell. A client costs no memory of its
 * own beyond its struct while nothing is incomplete: reads are parsed where
 * they lie, writes go out directly, and only what the system does not take waits.
 */
#ifndef NATTER_BENCH_CLIENT_H
#define NATTER_BENCH_CLIENT_H

#include "bench/frame_reader.h"
#include "bench/ledger.h"
#include "bench/target.h"
#include "bench/tls_client.h"

#include "wire/ws_deflate.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum client_state {
	CLIENT_NEW,
	CLIENT_CONNECTING,
	CLIENT_TLS,       /* its handshake, where the target wants TLS */
	CLIENT_HANDSHAKE, /* the request was sent */
	CLIENT_OPEN,
	CLIENT_CLOSING, /* our close frame was sent */
	CLIENT_GONE,
};

struct client;

/* What clients report. In gone(), which comes last, the client may be made and opened anew. */
struct client_ops {
	void (*opened)(struct client *c);
	void (*message)(struct client *c, const char *text, size_t len); /* text or binary, whole */
	void (*writable)(struct client *c);                              /* what waited has gone out */
	void (*gone)(struct client *c, bool was_open); /* pool->why says why, unless we closed it */
};

#define CLIENT_WHY 400

struct client_pool {
	struct event_base *base;
	const struct target *target;
	const struct client_ops *ops;
	void *arg;
	const struct sockaddr_storage *sources; /* where to connect from, in turn; borrowed */
	size_t n_sources;
	unsigned char *buffer; /* every read goes here */
	uint64_t now_us;       /* of the last read */
	uint64_t bytes_read;
	struct ws_inflater
	    *inflater; /* shared, for no client keeps a context; NULL: no message was compressed yet */
	unsigned char *inflated;
	size_t inflated_size;
	uint64_t deflated;    /* messages that came compressed */
	SSL_CTX *tls;         /* the user's to set and to free; NULL: connections are plain */
	char tls_kind[64];    /* version and cipher of the first connection; "": there was none */
	uint64_t mask;        /* of the next frame */
	uint32_t handshakes;  /* ever begun: the next one's number */
	char why[CLIENT_WHY]; /* how the first connection failed or was lost; "": none did */
};

struct client {
	struct client_pool *pool;
	struct event event;
	SSL *ssl; /* NULL: plain, or not connected yet */
	int fd;
	uint8_t state; /* enum client_state */
	uint32_t number, room;
	uint32_t handshake;
	uint64_t begun_us;  /* when it began to connect */
	unsigned char *out; /* what the system has not taken yet */
	size_t out_len;
	struct frame_reader reader; /* during the handshake its kept bytes are the head's */
	struct ledger ledger;
	void *owner; /* the user's */
};

int client_pool_init(struct client_pool *p, struct event_base *base, const struct target *t,
		     const struct client_ops *ops, void *arg);
void client_pool_clear(struct client_pool *p);

void client_init(struct client *c, struct client_pool *p, uint32_t number, uint32_t room);

/* Begins to connect. False: it failed at once (the pool's why is set, nothing is called back). */
bool client_open(struct client *c);

/*
 * Sends PAYLOAD (masked in place) as a frame of its own, with a mask of its own.
 * There must be WS_FRAME_HEAD_MAX bytes of room before it. What the system does
 * not take waits.
 */
void client_send(struct client *c, enum ws_opcode opcode, unsigned char *payload, size_t len);

/* Whether something waits to be sent. */
static inline bool client_blocked(const struct client *c)
{
	return c->out_len != 0;
}

/* Sends a close frame (1000) and waits for the server's end. */
void client_close(struct client *c);

/* Drops the connection at once, if there is one; frees all but the struct. Nothing is called back. */
void client_clear(struct client *c);

#endif
