#include <config.h>

#include "daemon/front.h"
#include "daemon/endpoint.h"
#include "daemon/origins.h"
#include "daemon/pages.h"
#include "daemon/settings.h"

#include "base/book.h"
#include "base/clock.h"
#include "base/log.h"
#include "chat/audience.h"
#include "chat/commander.h"
#include "chat/hub.h"
#include "chat/keeper.h"
#include "chat/name.h"
#include "chat/session.h"
#include "net/conn.h"
#include "net/fanout.h"
#include "net/worker.h"
#include "net/ws_conn.h"
#include "wire/token.h"
#include "wire/ws_upgrade.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* So long the start waits for the names of before. */
#define RESTORE_MS 2000

/* A path that is longer names no page and no room. */
#define PATH_MAX_BYTES 8000 /* of a request line, RFC 9112 section 3 */

/* What a request for a chat asks for; from the request until it opens, which is one go. */
struct arrival {
	struct payload *room;   /* NULL: none is on its way */
	struct identity *who;   /* NULL: who knows */
	bool v1;                /* by natter.v1 */
	uint32_t history;
	int name_len;           /* not above 0: none was asked for */
	char name[4 * NAME_MAX_BYTES];
};

struct front {
	struct front_opts opts;
	struct worker *worker;
	struct hub *hub;
	struct arrival arrival;
};

/* ---- a sink is a session's is a connection's ---- */

/* What a connection owns: see conn_owner(). Of other endpoints than chat only the policy is set, for its endpoint. */
static struct session *session_of_conn(struct conn *c) { return conn_owner(c); }
static struct conn *conn_of(struct sink *s) { return conn_of_owner(s); }

static const struct endpoint *endpoint_of(const struct session *s)
{
	return (const struct endpoint *)((const char *)s->policy - offsetof(struct endpoint, policy));
}

static void sink_send(struct sink *s, const char *text, size_t len) { ws_conn_send(conn_of(s), true, text, len); }
static void sink_close(struct sink *s, enum close_reason reason) { conn_close(conn_of(s), reason, NULL); }
static void sink_pause(struct sink *s, uint32_t ms) { conn_pause(conn_of(s), ms); }
static void sink_hold(struct sink *s, bool held) { conn_hold(conn_of(s), held); }
static size_t sink_waiting(struct sink *s) { return conn_waiting(conn_of(s)); }
static const char *sink_address(struct sink *s) { return conn_address(conn_of(s)); }

static const struct sink_ops sink_ops = { sink_send, sink_close, sink_pause, sink_hold, sink_waiting,
					  sink_address };

/* ---- an audience is a fan-out ---- */

struct crowd {
	struct audience audience; /* first: the hub's way back */
	struct fanout *fanout;
};

_Static_assert(offsetof(struct fanout_seat, index) + sizeof(uint32_t) <= offsetof(struct seat, taken),
	       "a fanout_seat lives in a seat");

static struct fanout *fanout_of(struct audience *a) { return ((struct crowd *)a)->fanout; }

static int crowd_add(struct audience *a, struct seat *seat, struct sink *sink, enum dialect dialect)
{
	return fanout_add(fanout_of(a), (struct fanout_seat *)seat, conn_of(sink), dialect);
}

static void crowd_remove(struct audience *a, struct seat *seat)
{
	(void)a;
	fanout_remove((struct fanout_seat *)seat);
}

static void crowd_publish(struct audience *a, struct payload *text, unsigned dialects)
{
	if (fanout_publish(fanout_of(a), text->data, text->len, dialects) < 0)
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

static void refuse(struct conn_answer *a, unsigned status, const char *why)
{
	a->status = status;
	a->why = why;
}

static void answer_page(const struct front *f, const struct http_request *r, const char *path, struct conn_answer *a)
{
	if (pages_answer(r, path, !f->opts.settings->config->page, a))
		return;
	if (strcmp(path, "/healthz") == 0)
		refuse(a, 200, "ok");
	else if (endpoint_find(f->opts.settings->endpoints, r->listener, path))
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

/* The request's arrival is over, one way or the other. */
static void forget_arrival(struct arrival *a)
{
	payload_unref(a->room);
	identity_free(a->who);
	a->room = NULL;
	a->who = NULL;
}

/* What the query asks for: ?name=ann&history=20. */
static void read_query(struct arrival *to, const struct http_request *r)
{
	const char *query = text_of(r, r->head->query);
	char number[32];
	int n = http_query_get(query, r->head->query.len, "history", number, sizeof(number));
	long history = n > 0 ? strtol(number, NULL, 10) : 0;

	to->history = history < 0 ? 0 : history > 1000000 ? 1000000 : (uint32_t)history;
	to->name_len = http_query_get(query, r->head->query.len, "name", to->name, sizeof(to->name));
	if (to->name_len == -2) { /* whatever it is, it is no name: a control character says so */
		to->name_len = 1;
		strcpy(to->name, "\x7f");
	}
}

/* As memset, but not to be left out because nobody reads it. */
static void wipe(struct token *t)
{
	volatile char *p = t->text;

	for (size_t i = 0; i < t->len; i++)
		p[i] = 0;
}

/* Who it is, by the token that the request presents. Whether it may come in; else A says why not. */
static bool identify(struct front *f, const struct http_request *r, const struct endpoint *ep, struct conn_answer *a)
{
	const struct config *c = f->opts.settings->config;
	const struct token_places places = { c->token_cookie, c->token_query };
	struct token token;
	const char *why = NULL;
	enum token_verdict verdict = token_find(r->head, r->bytes, &places, &token);

	if (verdict == TOKEN_BAD)
		refuse(a, 400, why = token.why);
	else if (verdict == TOKEN_OK)
		f->arrival.who = identity_of_token(f->opts.settings->tokens, token.text, token.len, &why);
	wipe(&token);
	if (verdict != TOKEN_NONE && f->arrival.who == NULL)
		log_limited(LOG_LEVEL_INFO, "token refused", "address=%s why=\"%s\"", r->address, why);
	if (verdict == TOKEN_OK && f->arrival.who == NULL)
		refuse(a, 401, why);
	else if (verdict == TOKEN_NONE && !ep->policy.anonymous && !f->arrival.v1)
		refuse(a, 401, "this chat is for those who are logged in: a token is needed");
	else if (verdict != TOKEN_BAD)
		return true;
	return false;
}

/* Whether the token that was found allows the room into which the client comes by connecting. */
static bool admit(const struct front *f, struct conn_answer *a)
{
	const struct arrival *to = &f->arrival;

	if (to->v1 || to->who == NULL || grant_allows(to->who->grant, GRANT_JOIN, to->room->data, to->room->len))
		return true;
	refuse(a, 403, "your token does not allow this room");
	return false;
}

static bool same_list(const struct config_list *a, const struct config_list *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = strcmp(a->v[i], b->v[i]) == 0;
	return same;
}

/* Whether a page like the request's may connect here; else A and the log say why not. */
static bool admit_origin(struct front *f, const struct http_request *r, const struct endpoint *ep, struct conn_answer *a)
{
	const struct config *c = f->opts.settings->config;
	const char *why = origins_refusal(ep->config, r->head, r->bytes, r->by);
	struct http_piece origin = { 0, 0 };
	char line[1024], from[400], host[300];
	bool global = ep->config->origin_required == c->origin_required && same_list(&ep->config->origins, &c->origins);

	if (why == NULL)
		return true;
	refuse(a, 403, why);
	stats_add(STAT_refused_origin, 1);
	http_head_field(r->head, r->bytes, "Origin", 0, &origin);
	log_limited(LOG_LEVEL_WARNING, "a page of another origin was refused",
		    "address=%s origin=%s host=%s endpoint=%s allow=\"%s\" where=\"%s\"", r->address,
		    log_quote(from, sizeof(from), text_of(r, origin), origin.len),
		    log_quote(host, sizeof(host), text_of(r, r->head->host), r->head->host.len), ep->config->path_pattern,
		    origins_allowing(ep->config, r->head, r->bytes, line, sizeof(line)),
		    global ? "outside of all sections" : "inside of this endpoint");
	return false;
}

static bool is_v1(const struct conn_answer *a)
{
	return a->subprotocol_len == sizeof(ENDPOINT_V1) - 1 &&
	       memcmp(a->subprotocol, ENDPOINT_V1, a->subprotocol_len) == 0;
}

static bool answer_chat(struct front *f, struct conn *conn, const struct http_request *r, const char *path,
			const struct endpoint *ep, struct conn_answer *a)
{
	f->arrival.v1 = is_v1(a);
	f->arrival.room = endpoint_room(f->arrival.v1 ? NULL : f->opts.settings->config, ep, path, &a->status, &a->why);
	if (f->arrival.room == NULL || !identify(f, r, ep, a) || !admit(f, a))
		return false;
	read_query(&f->arrival, r);
	session_init(session_of_conn(conn), f->hub, &ep->policy, &sink_ops);
	return true;
}

static void answer_websocket(struct front *f, struct conn *conn, const struct http_request *r, const char *path,
			     struct conn_answer *a)
{
	const struct endpoint *ep = endpoint_find(f->opts.settings->endpoints, r->listener, path);

	if (ep == NULL) {
		refuse(a, 404, "there is no WebSocket here");
		return;
	}
	*a = (struct conn_answer){ .limits = &ep->limits, .deflate = ep->config->deflate,
				   .deflate_takeover = ep->config->deflate_takeover };
	if (!admit_origin(f, r, ep, a))
		return;
	choose_subprotocol(r, ep, a);
	if (ep->config->handler == CONFIG_HANDLER_CHAT && !answer_chat(f, conn, r, path, ep, a)) {
		forget_arrival(&f->arrival);
		return;
	}
	session_of_conn(conn)->policy = &ep->policy;
	endpoints_ref(ep->all); /* until it is closed */
	a->status = 101;
}

static void on_request(struct conn *conn, const struct http_request *r, struct conn_answer *a)
{
	struct front *f = worker_upstairs(conn_worker(conn));
	char path[PATH_MAX_BYTES] = "/";

	forget_arrival(&f->arrival); /* of one that was not opened */
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
	struct arrival *a = &((struct front *)worker_upstairs(conn_worker(conn)))->arrival;
	struct session *s = session_of_conn(conn);

	if (a->room == NULL)
		return;
	if (a->who)
		session_identify(s, a->who);
	if (a->name_len < 0 || (a->who && a->who->name))
		a->name_len = 0;
	if (a->v1) {
		session_welcome(s, a->room, a->name, (size_t)a->name_len);
	} else {
		if (a->name_len)
			session_ask_name(s, a->name, (size_t)a->name_len);
		session_enter(s, a->room, a->history);
	}
	forget_arrival(a);
}

static void take_chat(struct front *f, struct conn *c, bool text, char *data, size_t len)
{
	(void)f;
	if (text)
		session_text(session_of_conn(c), data, len);
	else
		conn_close(c, CLOSE_unsupported_data, NULL);
}

static void take_echo(struct front *f, struct conn *c, bool text, char *data, size_t len)
{
	(void)f;
	ws_conn_send(c, text, data, len);
}

static void take_command(struct front *f, struct conn *c, bool text, char *data, size_t len)
{
	struct payload *answer = NULL;
	bool bye = false;

	if (!text) {
		conn_close(c, CLOSE_unsupported_data, NULL);
		return;
	}
	answer = commander_answer(data, len, (clock_ms() - f->opts.started) / 1000, clock_wall_ms(), &bye);
	if (answer)
		ws_conn_send(c, true, answer->data, answer->len);
	payload_unref(answer);
	if (answer == NULL)
		conn_close(c, CLOSE_no_memory, NULL);
	else if (bye)
		conn_close(c, CLOSE_bye, NULL);
}

static void on_message(struct conn *c, bool text, char *data, size_t len)
{
	static void (*const take[])(struct front *, struct conn *, bool, char *, size_t) = {
		[CONFIG_HANDLER_CHAT] = take_chat,
		[CONFIG_HANDLER_ECHO] = take_echo,
		[CONFIG_HANDLER_COMMANDS] = take_command,
	};
	const struct endpoint *ep = endpoint_of(session_of_conn(c));

	take[ep->config->handler](worker_upstairs(conn_worker(c)), c, text, data, len);
}

static void on_closed(struct conn *conn, enum close_reason reason)
{
	struct session *s = session_of_conn(conn);
	struct endpoints *all = endpoint_of(s)->all;

	(void)reason;
	session_clear(s);
	endpoints_unref(all);
}

static void on_flood(struct conn *conn)
{
	struct session *s = session_of_conn(conn);

	if (endpoint_of(s)->config->handler == CONFIG_HANDLER_CHAT)
		session_floods(s);
	else
		conn_close(conn, CLOSE_rate_limited, NULL);
}

static void on_tick(struct worker *w)
{
	struct front *f = worker_upstairs(w);

	hub_tick(f->hub);
	book_tick(f->opts.shared->addresses, clock_ms());
	book_tick(f->opts.users, clock_ms());
}

static void on_post(struct worker *w)
{
	struct front *f = worker_upstairs(w);

	hub_send(f->hub);
}

static void on_drained(struct conn *conn)
{
	struct session *s = session_of_conn(conn);

	if (endpoint_of(s)->config->handler == CONFIG_HANDLER_CHAT)
		session_drained(s);
}

static const struct worker_ops worker_ops = { on_request, on_open, on_message, on_closed, on_tick, on_post, on_drained, on_flood };

/* ---- life ---- */

static const enum forwarded_by forwarded_by[] = {
	[CONFIG_FORWARDED_OFF] = FORWARDED_NOT,
	[CONFIG_FORWARDED_X_FORWARDED_FOR] = FORWARDED_X,
	[CONFIG_FORWARDED_FORWARDED] = FORWARDED_RFC7239,
};

static struct worker_opts worker_opts_of(struct front *f)
{
	const struct config *c = f->opts.settings->config;

	return (struct worker_opts){
		.ops = &worker_ops,
		.upstairs = f,
		.trusted = f->opts.settings->trusted_proxies,
		.forwarded = forwarded_by[c->forwarded],
		.exempt = f->opts.settings->address_exempt,
		.shared = f->opts.shared,
		.max_handshakes = c->max_handshakes,
		.addr = { c->address_connections, c->address_rate, c->address_handshakes },
		.owner_size = sizeof(struct session),
		.total = f->opts.connections,
		.max_connections = c->max_connections,
		.workers = f->opts.workers,
		.max_head = (size_t)c->max_head,
		.send_queue = (size_t)c->send_queue,
		.queues_max = (int64_t)c->queues_max,
		.byte_rate = (uint32_t)c->byte_rate,
		.byte_burst = (uint32_t)c->byte_burst,
		.flood_time = c->flood_time,
		.deflate_min = (size_t)c->deflate_min,
		.handshake_timeout = c->handshake_timeout,
		.ping_interval = c->ping_interval,
		.ping_timeout = c->ping_timeout,
		.close_timeout = c->close_timeout,
		.io_uring = c->io_uring == CONFIG_IO_URING_AUTO,
	};
}

static bool room_exists(const void *config, const struct payload *room) { return endpoint_room_exists(config, room); }

static struct hub_rules hub_rules_of(const struct front *f)
{
	const struct config *c = f->opts.settings->config;

	return (struct hub_rules){
		.max_rooms = c->max_rooms,
		.room_keep = c->room_keep,
		.announce_max = c->announce_max,
		.who_max = c->who_max,
		.session_keep = c->session_keep,
		.tokens = f->opts.settings->tokens,
		.room_exists = room_exists,
		.room_exists_arg = c,
	};
}

struct front *front_new(const struct front_opts *opts)
{
	struct front *f = calloc(1, sizeof(*f));
	struct worker_opts o;

	if (f == NULL)
		return NULL;
	f->opts = *opts;
	pages_open();
	o = worker_opts_of(f);
	f->worker = worker_new(&o);
	if (f->worker)
		return f;
	free(f);
	return NULL;
}

void front_turn(struct front *f, const struct settings *s)
{
	struct worker_opts o;
	struct hub_rules rules;

	f->opts.settings = s;
	o = worker_opts_of(f);
	rules = hub_rules_of(f);
	worker_change(f->worker, &o);
	hub_set_rules(f->hub, &rules);
}

static void send_soon(void *arg)
{
	const struct front *f = arg;

	worker_post_soon(f->worker);
}

int front_open_hub(struct front *f, const struct hub_opts *hub)
{
	struct hub_opts o = *hub;

	o.rules = hub_rules_of(f);
	o.audience_new = crowd_new;
	o.audience_arg = f;
	o.send_soon = send_soon;
	o.send_arg = f;
	f->hub = hub_new(&o);
	if (f->hub == NULL)
		return -1;
	mailbox_set_reader(worker_mailbox(f->worker), f->hub);
	return 0;
}

void front_restore(struct front *f)
{
	struct timespec little = { 0, 1000000 };
	struct keeper *k = hub_keeper(f->hub);
	uint64_t begun = clock_ms();

	worker_enter(f->worker);
	keeper_restore(k);
	while (!keeper_is_restored(k) && clock_ms() - begun < RESTORE_MS) {
		mailbox_open(worker_mailbox(f->worker), SIZE_MAX);
		nanosleep(&little, NULL);
	}
}

void front_drain(struct front *f)
{
	hub_hush(f->hub);
	worker_drain(f->worker, f->opts.settings->config->shutdown_timeout);
}

unsigned front_send(struct front *f) { return hub_send(f->hub); }

void front_close_hub(struct front *f)
{
	if (f == NULL)
		return;
	worker_enter(f->worker);
	mailbox_set_reader(worker_mailbox(f->worker), NULL);
	hub_free(f->hub);
	f->hub = NULL;
}

void front_free(struct front *f)
{
	if (f == NULL)
		return;
	front_close_hub(f);
	worker_free(f->worker);
	forget_arrival(&f->arrival);
	free(f);
}

struct worker *front_worker(const struct front *f) { return f->worker; }
