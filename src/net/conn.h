/*
 * conn: the owner of one accepted socket, from accept to close.
 *
 * It knows the state, bounds the backlog and keeps the deadlines. Writing tries
 * the socket directly and leaves to a bufferevent what the system does not take
 * at once, so a reader that keeps up costs one system call per write and arms
 * no event.
 *
 * It has a bufferevent only while it needs one: while a frame is there in part,
 * and while a backlog waits; during the handshake the upgrade filter's has the
 * socket. Otherwise it is parked: its own small event says when there is
 * something to read, which is read into the worker's inbox and used up in
 * place. The sweep parks those that are idle again.
 *
 * A connection ends by conn_close(): that marks it, lets the protocol say its
 * last words, and the worker's reaper does the rest at the end of the turn (or,
 * when many end at once, of one of the next): it tells upstairs, half-closes the socket when the last words are out, reads
 * and drops what still comes until the peer closes too (or close_timeout), and
 * frees. Half-closing first and reading to the end is what keeps the kernel
 * from answering late input with a reset that would take our last words along.
 *
 * Belongs to one worker; the struct is open to the files of net only.
 */
#ifndef NATTER_NET_CONN_H
#define NATTER_NET_CONN_H

#include "base/close.h"
#include "base/list.h"
#include "wire/forwarded.h"
#include "wire/http_head.h"
#include "wire/ws_stream.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

struct accepted;
struct conn;
struct evbuffer;
struct worker;
struct handshake;
struct proxied;
struct listener;
struct fanout_seat;
struct sockaddr;

extern _Thread_local struct worker *worker_here; /* worker.h */

enum conn_state {
	CONN_HANDSHAKE, /* no request yet, or a part of its head */
	CONN_OPEN,      /* a WebSocket */
	CONN_CLOSING,   /* marked; the reaper will see to it this turn */
	CONN_DRAINING,  /* last words going out, input dropped */
	CONN_DEAD,      /* likewise, to be freed */
};

/* A request as upstairs sees it; valid during the request callback only. */
struct http_request {
	const struct http_head *head;
	const char *bytes;       /* the head's bytes, for its pieces */
	const char *listener;    /* the listener's name */
	const char *address;     /* the client's, as text; "unix" for a unix socket */
	enum forwarded_by by;    /* by which field's hosts a trusted proxy says what it was asked for */
	bool websocket;          /* asks for a WebSocket, and rightly */
	bool full;               /* max_connections is reached: to be refused */
};

/* The answer to a request. Zeroed before upstairs fills it. */
struct conn_answer {
	unsigned status;         /* 101, or an HTTP status */

	/* 101: what lies at conn_owner() is closed when the connection is */
	const struct ws_limits *limits;  /* must stay until it is closed */
	const char *subprotocol; /* NULL: none; copied */
	size_t subprotocol_len;
	bool deflate;            /* to agree on permessage-deflate, where the client offers it */
	bool deflate_takeover;   /* and to let the client keep its context */

	/* others */
	const char *why;         /* a sentence, sent as text/plain; NULL: body */
	const char *type;        /* Content-Type of body */
	const void *body;        /* must stay valid until the callback's return + the answer's writing: static data */
	size_t body_len;
	const char *extra;       /* more header lines with CRLF, or NULL */
};

/* What it speaks since its handshake. */
enum conn_protocol { CONN_NOTHING, CONN_HTTP, CONN_WEBSOCKET };

struct conn {
	struct list_node node; /* in the worker's list of its state, or paused */
	struct event readable;     /* while it is parked */
	struct bufferevent *bev;   /* NULL: it is parked, or in its handshake; never where it speaks TLS */
	struct fanout_seat *seats; /* its places in rooms: what they hold goes out before its own */
	union {
		struct {                             /* CONN_HANDSHAKE */
			struct listener *listener;   /* ref'd */
			union {
				struct handshake *handshake; /* NULL: no byte has come, or not through TLS */
				struct proxied *proxied;     /* while expected: a part of its PROXY header, or NULL */
			};
		};
		struct ws_stream stream;             /* from CONN_OPEN on */
	};
	union {
		uint32_t since;     /* tick of the last input when it is open, else of entering the state */
		uint32_t resume_at; /* when paused: ms, the low half */
	};
	uint32_t backlog;        /* bytes of it at the last sweep */
	uint32_t bytes;          /* that it sent above byte_rate */
	int fd;
	union {
		uint16_t peer_code; /* of its close frame; 0: it had none */
		uint16_t flooding;  /* while it is open: sweeps in a row before each of which it sent too many bytes */
	};
	uint8_t reason;
	uint8_t stuck;           /* sweeps since the backlog became smaller, or began */
	uint8_t state : 3;
	uint8_t protocol : 2;    /* enum conn_protocol */
	bool too_fast : 1;       /* sent too many bytes since the last sweep */
	uint8_t deflate_bits : 4; /* its window for compressed messages; 0: none are sent to it */
	bool paused : 1, pinged : 1, throttled : 1, held : 1, eof : 1, fin : 1, opened : 1;
	bool sending : 1;        /* has a job at the worker's sender */
	bool secure : 1;         /* speaks TLS: bev is a tls_conn's, and stays with it */
	bool counted : 1;        /* among the connections of its address */
	uint8_t admission : 3;   /* enum admission: not OK, it is here to be refused */
	bool trusted : 1;        /* the peer is a trusted proxy: conn_set_address() */
	bool expected : 1;       /* its PROXY header is, before anything else */
	bool believed : 1;       /* and so are the fields of its request that say whose it is */
	/* the owner's bytes, as many as the worker's opts say, and the address that counts, as text */
};

/* The worker whose thread this is. */
static inline struct worker *conn_worker(const struct conn *c)
{
	(void)c;
	return worker_here;
}

/*
 * Takes A's socket, which does not block, and begins the handshake. -1: no
 * memory, it is closed, and its places are given back.
 */
int conn_accept(struct worker *w, const struct accepted *a, const struct sockaddr *peer);

/*
 * What upstairs keeps with each connection: worker_opts.owner_size bytes,
 * zeroed at first; and back from there.
 */
void *conn_owner(const struct conn *c);
struct conn *conn_of_owner(const void *owner);

/* The peer's, or what a trusted proxy says it is; as text, "unix" for a unix socket. */
const char *conn_address(const struct conn *c);

/*
 * The address that counts from now on, in at most NET_ADDR_TEXT bytes; of a
 * connection from a trusted proxy only. It may have too many connections:
 * then the request will be refused.
 */
void conn_set_address(struct conn *c, const char *text);

/* Whether it takes and gives messages still. */
bool conn_is_open(const struct conn *c);

/* Whether upstairs may be given what comes: it is open, and neither paused nor held nor throttled. */
bool conn_is_ready(const struct conn *c);

/*
 * Sends bytes, after whatever its rooms hold for it. They are copied or gone
 * when this returns. A backlog above send_queue closes the connection
 * (slow_reader); on a connection that is not open any more nothing happens.
 */
void conn_write(struct conn *c, const void *data, size_t len);

/* The same for bytes that stay where they are for good: not copied, and not counted as a reader's backlog. */
void conn_write_static(struct conn *c, const void *data, size_t len);

/* The same for what a room holds for it: no look at the rooms. For fanout only. */
void conn_write_batch(struct conn *c, const void *data, size_t len);

/*
 * The same, and where nothing is in the way by the worker's sender: DATA stays
 * where it is until sender_finish(), which whoever writes to C meanwhile calls.
 */
void conn_write_soon(struct conn *c, const void *data, size_t len);

/* The sender's answer. */
struct sender_job;
void conn_sent(const struct sender_job *job);

/* Between the two, what C is sent is collected and goes out as one write. */
void conn_cork(struct conn *c);
void conn_uncork(struct conn *c);

/* Bytes that it was sent and that the system has not taken; when they are gone upstairs is told: worker_ops.drained. */
size_t conn_waiting(const struct conn *c);

/* The peer is gone: has it closed. For those who read its socket in conn's place. */
void conn_peer_ended(struct conn *c, bool well);

/* Begins the end. The first reason counts. WHY (static) instead of the reason's text, or NULL. */
void conn_close(struct conn *c, enum close_reason reason, const char *why);

/* No input is looked at for MS milliseconds; what arrives waits. */
void conn_pause(struct conn *c, uint32_t ms);

/* While HELD, input is not looked at either: upstairs is not ready for it. Costs no system call. */
void conn_hold(struct conn *c, bool held);

/* The only writer of the state: moves lists, counts, notes the tick. */
void conn_set_state(struct conn *c, enum conn_state state);

/* Last words, from ws_conn_farewell() only: sent although the connection is closing. */
void conn_last_words(struct conn *c, const void *data, size_t len);

/* The socket is C's own again, with REST (or NULL), which is moved, to be read first. -1: no memory. For handshake only. */
int conn_take_over(struct conn *c, struct evbuffer *rest);

/* From now on it speaks P. */
void conn_become(struct conn *c, enum conn_protocol p);

/* For sweep: lets go of the bufferevent if nothing is in it, nor about to be; closes our side if all is out. */
void conn_park(struct conn *c);
void conn_finish(struct conn *c);
/* The handshake took too long. */
void conn_overdue(struct conn *c);
/* And where there are too many in their handshakes, closes the oldest. */
void conn_crowd_out(struct worker *w);

/* The worker's reaper, for MOST connections; and its pause timer. */
void conn_reap(struct worker *w, size_t most);
/* Lets go on whose pause is over; returns when (ms) the next one's is, 0: nobody is paused. */
uint64_t conn_resume(struct worker *w);
/* Frees at once, without a word. */
void conn_free(struct conn *c);

#endif
