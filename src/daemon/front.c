#include <config.h>

#include "daemon/front.h"
#include "daemon/endpoint.h"
#include "daemon/listeners.h"
#include "daemon/web_assets.h"

#include "base/clock.h"
#include "base/log.h"
#include "chat/audience.h"
#include "chat/commander.h"
#include "chat/hub.h"
#include "chat/journal_memory.h"
#include "chat/name.h"
#include "chat/session.h"
#include "net/conn.h"
#include "net/fanout.h"
#include "net/worker.h"
#include "net/ws_conn.h"
#include "wire/ws_upgrade.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A path that is longer names no page and no room. */
#define PATH_MAX_BYTES 8000 /* of a request line, RFC 9112 section 3 */

struct front {
	const struct config *config;
	struct listeners *listeners;
	struct endpoints *endpoints;
	struct worker *worker;
	struct hub *hub;
	struct mailbox *mailboxes[1];
	struct journal *journal;
	struct shared_map *names;
	struct shared_count connections, rooms;
	uint64_t started; /* ms */
	bool stopping;
};

/* ---- a sink is a connection ---- */

struct client {
	struct sink sink; /* first: the session's way back */
	struct conn *conn;
	const struct endpoint *endpoint;
	struct session *session; /* NULL: not a chat endpoint */
	struct payload *room;    /* until it is entered */
	uint32_t history;
	int name_len;            /* -1: none was asked for */
	char *name;              /* until it is asked for */
};

static struct client *client_of(struct sink *s) { return (struct client *)s; }

static void sink_send(struct sink *s, const char *text, size_t len) { ws_conn_send(client_of(s)->conn, true, text, len); }
static void sink_close(struct sink *s, enum close_reason reason) { conn_close(client_of(s)->conn, reason, NULL); }
static void sink_pause(struct sink *s, uint32_t ms) { conn_pause(client_of(s)->conn, ms); }
static void sink_hold(struct sink *s, bool held) { conn_hold(client_of(s)->conn, held); }

static const struct sink_ops sink_ops = { sink_send, sink_close, sink_pause, sink_hold };

/* ---- an audience is a fan-out ---- */

struct crowd {
	struct audience audience; /* first: the hub's way back */
	struct fanout *fanout;
};

_Static_assert(sizeof(struct fanout_seat) <= sizeof(struct seat), "a fanout_seat lives in a seat");

static struct fanout *fanout_of(struct audience *a) { return ((struct crowd *)a)->fanout; }

static int crowd_add(struct audience *a, struct seat *seat, struct sink *sink)
{
	return fanout_add(fanout_of(a), (struct fanout_seat *)seat, client_of(sink)->conn);
}

static void crowd_remove(struct audience *a, struct seat *seat)
{
	(void)a;
	fanout_remove((struct fanout_seat *)seat);
}

static void crowd_publish(struct audience *a, struct payload *text, unsigned dialects)
{
	if ((dialects & DIALECT_PLAIN) && fanout_publish(fanout_of(a), text->data, text->len) < 0)
		log_limited(LOG_LEVEL_ERROR, "no memory for a room's batch", "bytes=%u", text->len);
}

static void crowd_free(struct audience *a)
{
	fanout_free(fanout_of(a));
	free(a);
}

static struct audience *crowd_new(void *arg)
{
	static const struct audience_ops ops = { crowd_add, crowd_remove, crowd_publish, crowd_free };
	struct front *f = arg;
	struct crowd *c = malloc(sizeof(*c));

	if (c == NULL)
		return NULL;
	c->audience.ops = &ops;
	c->fanout = fanout_new(f->worker);
	if (c->fanout == NULL) {
		free(c);
		return NULL;
	}
	return &c->audience;
}

/* ---- plain requests ---- */

/* The page runs its own script and style, talks to its own server, and nothing else. */
static const char page_headers[] =
	"Cache-Control: no-cache\r\n"
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'\r\n"
	"Referrer-Policy: no-referrer\r\n"
	"X-Content-Type-Options: nosniff\r\n";

static void refuse(struct conn_answer *a, unsigned status, const char *why)
{
	a->status = status;
	a->why = why;
}

static bool answer_asset(const struct front *f, const char *path, struct conn_answer *a)
{
	for (size_t i = 0; f->config->page && i < web_assets_count; i++) {
		const struct web_asset *w = &web_assets[i];

		if (strcmp(w->path, path) != 0)
			continue;
		a->status = 200;
		a->type = w->type;
		a->body = w->data;
		a->body_len = w->size;
		a->extra = page_headers;
		return true;
	}
	return false;
}

static void answer_page(const struct front *f, const struct http_request *r, const char *path, struct conn_answer *a)
{
	if (answer_asset(f, path, a))
		return;
	if (strcmp(path, "/healthz") == 0)
		refuse(a, 200, "ok");
	else if (endpoint_find(f->endpoints, r->listener, path))
		refuse(a, 426, "this address speaks WebSocket: open it with a WebSocket client");
	else
		refuse(a, 404, "there is nothing here");
}

/* ---- WebSockets ---- */

static const char *text_of(const struct http_request *r, struct http_piece p) { return r->bytes + p.at; }

static void choose_subprotocol(const struct http_request *r, const struct endpoint *ep, struct conn_answer *a)
{
	struct http_piece offer;
	uint32_t pos = 0;

	while (ws_upgrade_offer(r->head, r->bytes, &pos, &offer)) {
		if (!endpoint_speaks(ep, text_of(r, offer), offer.len))
			continue;
		a->subprotocol = text_of(r, offer);
		a->subprotocol_len = offer.len;
		return;
	}
}

static void client_free(struct client *c)
{
	if (c == NULL)
		return;
	session_free(c->session);
	payload_unref(c->room);
	free(c->name);
	free(c);
}

/* What the query asks for: ?name=ann&history=20. */
static void read_query(struct client *c, const struct http_request *r)
{
	const char *query = text_of(r, r->head->query);
	char value[4 * NAME_MAX_BYTES];
	int n = http_query_get(query, r->head->query.len, "history", value, sizeof(value));
	long history = n > 0 ? strtol(value, NULL, 10) : 0;

	c->history = history < 0 ? 0 : history > 1000000 ? 1000000 : (uint32_t)history;
	n = http_query_get(query, r->head->query.len, "name", value, sizeof(value));
	c->name_len = -1;
	if (n == -2) { /* whatever it is, it is no name: a control character says so */
		n = 1;
		strcpy(value, "\x7f");
	}
	if (n > 0 && (c->name = strdup(value)) != NULL)
		c->name_len = n;
}

static struct client *client_new(struct front *f, struct conn *conn, const struct endpoint *ep,
				 const struct http_request *r)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->sink.ops = &sink_ops;
	c->conn = conn;
	c->endpoint = ep;
	if (ep->config->handler != CONFIG_HANDLER_CHAT)
		return c;
	c->session = session_new(f->hub, &ep->policy, &c->sink, r->address);
	if (c->session == NULL) {
		free(c);
		return NULL;
	}
	read_query(c, r);
	return c;
}

static void answer_websocket(struct front *f, struct conn *conn, const struct http_request *r, const char *path,
			     struct conn_answer *a)
{
	const struct endpoint *ep = endpoint_find(f->endpoints, r->listener, path);
	struct payload *room = NULL;
	struct client *c;

	if (ep == NULL) {
		refuse(a, 404, "there is no WebSocket here");
		return;
	}
	if (ep->config->handler == CONFIG_HANDLER_CHAT) {
		room = endpoint_room(f->endpoints, ep, path, &a->status, &a->why);
		if (room == NULL)
			return;
	}
	c = client_new(f, conn, ep, r);
	if (c == NULL) {
		payload_unref(room);
		refuse(a, 503, "the server is out of memory; try again later");
		return;
	}
	c->room = room;
	*a = (struct conn_answer){ .status = 101, .owner = c, .limits = &ep->limits, .deflate = ep->config->deflate,
				   .deflate_takeover = ep->config->deflate_takeover };
	choose_subprotocol(r, ep, a);
}

static void on_request(struct conn *conn, const struct http_request *r, struct conn_answer *a)
{
	struct front *f = worker_upstairs(conn_worker(conn));
	char path[PATH_MAX_BYTES] = "/";

	if (r->full)
		refuse(a, 503, "the server has as many connections as it may have; try again later");
	else if (r->head->path.len >= sizeof(path))
		refuse(a, 414, "the path is too long");
	else if (r->head->path.len &&
		 http_percent_decode(text_of(r, r->head->path), r->head->path.len, false, path, sizeof(path)) < 0)
		refuse(a, 400, "the path is not properly percent-encoded");
	else if (r->websocket)
		answer_websocket(f, conn, r, path, a);
	else
		answer_page(f, r, path, a);
}

static void on_open(struct conn *conn)
{
	struct client *c = conn_owner(conn);

	if (c->session == NULL)
		return;
	if (c->name_len >= 0)
		session_ask_name(c->session, c->name, (size_t)c->name_len);
	session_enter(c->session, c->room, c->history);
	free(c->name);
	payload_unref(c->room);
	c->name = NULL;
	c->room = NULL;
}

static void take_chat(struct front *f, struct client *c, bool text, char *data, size_t len)
{
	(void)f;
	if (text)
		session_text(c->session, data, len);
	else
		conn_close(c->conn, CLOSE_unsupported_data, NULL);
}

static void take_echo(struct front *f, struct client *c, bool text, char *data, size_t len)
{
	(void)f;
	ws_conn_send(c->conn, text, data, len);
}

static void take_command(struct front *f, struct client *c, bool text, char *data, size_t len)
{
	struct payload *answer = NULL;
	bool bye = false;

	if (!text) {
		conn_close(c->conn, CLOSE_unsupported_data, NULL);
		return;
	}
	answer = commander_answer(data, len, (clock_ms() - f->started) / 1000, clock_wall_ms(), &bye);
	if (answer)
		ws_conn_send(c->conn, true, answer->data, answer->len);
	payload_unref(answer);
	if (answer == NULL)
		conn_close(c->conn, CLOSE_no_memory, NULL);
	else if (bye)
		conn_close(c->conn, CLOSE_bye, NULL);
}

static void on_message(struct conn *conn, bool text, char *data, size_t len)
{
	static void (*const take[])(struct front *, struct client *, bool, char *, size_t) = {
		[CONFIG_HANDLER_CHAT] = take_chat,
		[CONFIG_HANDLER_ECHO] = take_echo,
		[CONFIG_HANDLER_COMMANDS] = take_command,
	};
	struct client *c = conn_owner(conn);

	take[c->endpoint->config->handler](worker_upstairs(conn_worker(conn)), c, text, data, len);
}

static void on_closed(struct conn *conn, enum close_reason reason)
{
	(void)reason;
	client_free(conn_owner(conn));
}

static void on_tick(struct worker *w)
{
	struct front *f = worker_upstairs(w);

	hub_tick(f->hub);
}

static const struct worker_ops worker_ops = { on_request, on_open, on_message, on_closed, on_tick };

/* ---- life ---- */

struct front *front_open(const struct config *cfg, char *err, size_t errlen)
{
	struct front *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	f->config = cfg;
	f->started = clock_ms();
	f->listeners = listeners_open(cfg, err, errlen);
	if (f->listeners == NULL) {
		free(f);
		return NULL;
	}
	return f;
}

static struct worker *make_worker(struct front *f)
{
	const struct config *c = f->config;
	struct worker_opts o = {
		.ops = &worker_ops,
		.upstairs = f,
		.total = &f->connections,
		.max_connections = c->max_connections,
		.max_head = (size_t)c->max_head,
		.send_queue = (size_t)c->send_queue,
		.deflate_min = (size_t)c->deflate_min,
		.handshake_timeout = c->handshake_timeout,
		.ping_interval = c->ping_interval,
		.ping_timeout = c->ping_timeout,
		.close_timeout = c->close_timeout,
		.io_uring = c->io_uring == CONFIG_IO_URING_AUTO,
	};

	return worker_new(&o);
}

static struct hub *make_hub(struct front *f)
{
	const struct config *c = f->config;
	struct hub_opts o = {
		.self = 0,
		.n = 1,
		.mailboxes = f->mailboxes,
		.journal = f->journal,
		.names = f->names,
		.rooms = &f->rooms,
		.max_rooms = c->max_rooms,
		.room_keep = c->room_keep,
		.announce_max = c->announce_max,
		.audience_new = crowd_new,
		.audience_arg = f,
	};

	return hub_new(&o);
}

int front_start(struct front *f)
{
	const struct config *c = f->config;
	struct journal_memory_opts past = { c->history_messages, (size_t)c->history_bytes };

	f->endpoints = endpoints_new(c);
	f->names = shared_map_new();
	f->journal = journal_memory_new(&past);
	f->worker = make_worker(f);
	if (f->endpoints == NULL || f->names == NULL || f->journal == NULL || f->worker == NULL)
		return -1;
	f->mailboxes[0] = worker_mailbox(f->worker);
	f->hub = make_hub(f);
	if (f->hub == NULL)
		return -1;
	mailbox_set_reader(f->mailboxes[0], f->hub);
	return listeners_start(f->listeners, f->worker);
}

void front_run(struct front *f) { worker_run(f->worker); }

void front_stop(struct front *f)
{
	if (f->stopping) {
		event_base_loopbreak(worker_base(f->worker));
		return;
	}
	f->stopping = true;
	listeners_free(f->listeners);
	f->listeners = NULL;
	hub_hush(f->hub);
	worker_drain(f->worker, f->config->shutdown_timeout);
}

void front_free(struct front *f)
{
	if (f == NULL)
		return;
	listeners_free(f->listeners);
	hub_free(f->hub);
	if (f->journal)
		f->journal->ops->free(f->journal);
	worker_free(f->worker);
	shared_map_free(f->names);
	endpoints_free(f->endpoints);
	free(f);
}

struct event_base *front_base(struct front *f) { return worker_base(f->worker); }

char *front_stats(struct front *f, char *buf, size_t size)
{
	struct stats *all[] = { worker_stats(f->worker) };

	return stats_format(all, 1, buf, size);
}
