/*
 * ws_conn: WebSocket over a conn, once the handshake is done.
 *
 * Reads frames, answers pings and closes, keeps the connection alive with its
 * own pings, and hands whole messages upstairs.
 */
#ifndef NATTER_NET_WS_CONN_H
#define NATTER_NET_WS_CONN_H

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

/* Sends one message, unfragmented, to this connection alone. */
void ws_conn_send(struct conn *c, bool text, const void *data, size_t len);

#endif
