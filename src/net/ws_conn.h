/*
 * ws_conn: WebSocket over a conn, once the handshake is done.
 *
 * Reads frames, answers pings and closes, keeps the connection alive with its
 * own pings, and hands whole messages upstairs.
 */
#ifndef NATTER_NET_WS_CONN_H
#define NATTER_NET_WS_CONN_H

#include "base/close.h"
#include "wire/ws_deflate.h"
#include "wire/ws_stream.h"

#include <stdbool.h>
#include <stddef.h>

struct conn;

/*
 * Makes C a WebSocket with these limits (which must outlive it), and with what
 * was agreed on as to compression.
 */
void ws_conn_start(struct conn *c, const struct ws_limits *limits, const struct ws_deflate *deflate);

/*
 * Reads the LEN bytes at P, which it may change, as far as whole frames and
 * upstairs' readiness go. Returns how much was used up; *more: what is left is
 * the beginning of something.
 */
size_t ws_conn_input(struct conn *c, unsigned char *p, size_t len, bool *more);

/* Nothing came for a while: asks whether anybody is there. */
void ws_conn_ping(struct conn *c);

/* Says the last words, a close frame with WHY where there is one for REASON. */
void ws_conn_farewell(struct conn *c, enum close_reason reason, const char *why);

/* Sends one message, unfragmented, to this connection alone. */
void ws_conn_send(struct conn *c, bool text, const void *data, size_t len);

#endif
