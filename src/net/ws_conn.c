#include <config.h>

#include "net/ws_conn.h"
#include "net/conn.h"
#include "net/framer.h"
#include "net/worker.h"

#include "wire/ws_frame.h"

#include <string.h>

void ws_conn_send(struct conn *c, bool text, const void *data, size_t len)
{
	struct framer framer;
	struct framer_frame f;
	bool corked = worker_here->corked == c;

	if (!conn_is_open(c))
		return;
	framer_init(&framer, worker_here, text ? WS_OP_TEXT : WS_OP_BINARY, data, len);
	framer_make(&framer, c->deflate_bits, &f);
	/* Head and body in one send. */
	if (!corked && worker_here->corked == NULL)
		conn_cork(c);
	conn_write(c, f.head, f.head_len);
	conn_write(c, f.body, f.body_len);
	if (!corked && worker_here->corked == c)
		conn_uncork(c);
}

static size_t control_frame(unsigned char *out, enum ws_opcode opcode, const void *data, size_t len)
{
	size_t n = ws_frame_encode(out, opcode, false, len);

	memcpy(out + n, data, len);
	return n + len;
}

static void on_ping(struct conn *c, const struct ws_event *ev)
{
	unsigned char pong[WS_FRAME_HEAD_MAX_SERVER + WS_CONTROL_MAX];

	conn_write(c, pong, control_frame(pong, WS_OP_PONG, ev->data, ev->len));
}

void ws_conn_ping(struct conn *c)
{
	static const unsigned char ping[2] = { 0x80 | WS_OP_PING, 0 };

	c->pinged = 1;
	conn_write(c, ping, sizeof(ping));
}

static enum close_reason reason_for(unsigned code)
{
	switch (code) {
	case 1007:
		return CLOSE_bad_utf8;
	case 1009:
		return CLOSE_too_big;
	case 1011:
		return CLOSE_no_memory;
	default:
		return CLOSE_protocol_error;
	}
}

/* Sends a close frame with CODE (0: without one) and TEXT, the last thing the peer gets. */
static void send_close(struct conn *c, unsigned code, const char *text)
{
	unsigned char frame[WS_FRAME_HEAD_MAX_SERVER + WS_CONTROL_MAX], body[WS_CONTROL_MAX];
	size_t len = 0;

	if (code) {
		size_t room = sizeof(body) - 2, n = strlen(text);

		body[len++] = (unsigned char)(code >> 8);
		body[len++] = (unsigned char)code;
		memcpy(body + len, text, n < room ? n : room);
		len += n < room ? n : room;
	}
	conn_last_words(c, frame, control_frame(frame, WS_OP_CLOSE, body, len));
}

void ws_conn_farewell(struct conn *c, enum close_reason reason, const char *why)
{
	if (reason == CLOSE_by_peer)
		send_close(c, c->peer_code, ""); /* the echo of section 5.5.1 */
	else if (close_code(reason))
		send_close(c, close_code(reason), why);
}

static void on_event(struct conn *c, const struct ws_event *ev)
{
	switch (ev->type) {
	case WS_EVENT_TEXT:
	case WS_EVENT_BINARY:
		stats_add(STAT_messages_in, 1);
		worker_here->opts.ops->message(c, ev->type == WS_EVENT_TEXT, (char *)(uintptr_t)ev->data, ev->len);
		break;
	case WS_EVENT_PING:
		on_ping(c, ev);
		break;
	case WS_EVENT_CLOSE:
		c->peer_code = ev->code == 1005 ? 0 : ev->code;
		conn_close(c, CLOSE_by_peer, NULL);
		break;
	case WS_EVENT_BAD:
		conn_close(c, reason_for(ev->code), ev->why);
		break;
	case WS_EVENT_PONG:
	case WS_EVENT_MORE:
		break;
	}
}

size_t ws_conn_input(struct conn *c, unsigned char *p, size_t len, bool *more)
{
	size_t used = 0;
	struct ws_event ev;

	*more = false;
	/* Also once with nothing left, which frees what the last message took. */
	while (!*more && conn_is_ready(c)) {
		used += ws_stream_read(&c->stream, p + used, len - used, &ev);
		*more = ev.type == WS_EVENT_MORE;
		on_event(c, &ev);
	}
	return used;
}

void ws_conn_start(struct conn *c, const struct ws_limits *limits, const struct ws_deflate *deflate)
{
	struct ws_inflater *inflater = NULL;

	if (deflate->client_takeover)
		inflater = ws_inflater_new(deflate->client_bits, true);
	else if (deflate->client_bits)
		inflater = worker_inflater(worker_here);
	conn_set_state(c, CONN_OPEN);
	ws_stream_init(&c->stream, limits, inflater);
	c->deflate_bits = deflate->server_bits;
	conn_become(c, CONN_WEBSOCKET);
	if (deflate->client_bits && inflater == NULL)
		conn_close(c, CLOSE_no_memory, NULL);
}
