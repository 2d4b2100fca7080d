#include <config.h>

#include "net/ws_conn.h"
#include "net/conn.h"
#include "net/framer.h"
#include "net/worker.h"

#include "wire/ws_frame.h"

#include <event2/buffer.h>
#include <string.h>

/* More than this of unread input that is in pieces is never joined at once. */
#define JOIN_MAX (WS_FRAME_HEAD_MAX + WS_CONTROL_MAX)

void ws_conn_send(struct conn *c, bool text, const void *data, size_t len)
{
	struct framer framer;
	struct framer_frame f;
	bool corked = c->worker->corked == c;

	if (!conn_is_open(c))
		return;
	framer_init(&framer, c->worker, text ? WS_OP_TEXT : WS_OP_BINARY, data, len);
	framer_make(&framer, c->deflate_bits, &f);
	/* Head and body in one send. */
	if (!corked && c->worker->corked == NULL)
		conn_cork(c);
	conn_write(c, f.head, f.head_len);
	conn_write(c, f.body, f.body_len);
	if (!corked && c->worker->corked == c)
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

/* Nothing came for a while: is anybody there? */
static void on_quiet(struct conn *c)
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

static void on_farewell(struct conn *c, enum close_reason reason)
{
	if (reason == CLOSE_by_peer)
		send_close(c, c->peer_code, ""); /* the echo of section 5.5.1 */
	else if (close_code(reason))
		send_close(c, close_code(reason), c->close_why);
}

static void on_event(struct conn *c, const struct ws_event *ev)
{
	switch (ev->type) {
	case WS_EVENT_TEXT:
	case WS_EVENT_BINARY:
		stats_add(STAT_messages_in, 1);
		c->worker->opts.ops->message(c, ev->type == WS_EVENT_TEXT, (char *)(uintptr_t)ev->data, ev->len);
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

static bool is_ready(const struct conn *c) { return conn_is_open(c) && !c->paused && !c->held; }

/*
 * Reads what lies contiguous at P. Returns how much of it was used up; *more:
 * what is left is the beginning of something.
 */
static size_t read_piece(struct conn *c, unsigned char *p, size_t len, bool *more)
{
	size_t used = 0;
	struct ws_event ev;

	*more = false;
	/* Also once with nothing left, which frees what the last message took. */
	while (!*more && is_ready(c)) {
		used += ws_stream_read(&c->stream, p + used, len - used, &ev);
		*more = ev.type == WS_EVENT_MORE;
		on_event(c, &ev);
	}
	return used;
}

static void on_input(struct conn *c, struct evbuffer *in)
{
	bool more = false;
	size_t len;

	while (is_ready(c) && (len = evbuffer_get_length(in)) > 0) {
		size_t piece = evbuffer_get_contiguous_space(in);
		unsigned char *p;

		if (more && piece < len && piece < JOIN_MAX)
			piece = len < JOIN_MAX ? len : JOIN_MAX;
		p = evbuffer_pullup(in, (ev_ssize_t)piece);
		if (p == NULL) {
			conn_close(c, CLOSE_no_memory, NULL);
			return;
		}
		evbuffer_drain(in, read_piece(c, p, piece, &more));
		if (more && piece == len)
			return;
	}
}

static const struct conn_protocol websocket = { "websocket", on_input, on_farewell, on_quiet };

void ws_conn_start(struct conn *c, const struct ws_limits *limits, const struct ws_deflate *deflate)
{
	struct ws_inflater *inflater = NULL;

	if (deflate->client_takeover)
		inflater = ws_inflater_new(deflate->client_bits, true);
	else if (deflate->client_bits)
		inflater = worker_inflater(c->worker);
	ws_stream_init(&c->stream, limits, inflater);
	c->deflate_bits = deflate->server_bits;
	conn_set_state(c, CONN_OPEN);
	conn_become(c, &websocket);
	if (deflate->client_bits && inflater == NULL)
		conn_close(c, CLOSE_no_memory, NULL);
}
