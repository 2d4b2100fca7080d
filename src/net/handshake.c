#include <config.h>

#include "net/handshake.h"
#include "net/conn.h"
#include "net/http_conn.h"
#include "net/listener.h"
#include "net/tls_conn.h"
#include "net/upgrade_filter.h"
#include "net/worker.h"
#include "net/ws_conn.h"

#include "base/log.h"
#include "wire/ws_deflate.h"

#include <stdlib.h>
#include <string.h>

struct handshake {
	struct conn *conn;
	struct upgrade_filter *filter; /* NULL: given back */
	bool head_only;
	struct conn_answer answer;
	struct ws_deflate deflate; /* what was agreed on */
	size_t accept_len;
	char accept[512 + WS_DEFLATE_ANSWER_MAX]; /* the 101 */
};

static void refuse(struct handshake *h, unsigned status, const char *why)
{
	h->answer.status = status;
	h->answer.why = why;
}

static void prepare_accept(struct handshake *h, const struct http_request *r, const struct ws_upgrade *u)
{
	const struct conn_answer *a = &h->answer;
	char extensions[WS_DEFLATE_ANSWER_MAX];
	bool deflate = a->deflate && ws_deflate_negotiate(r->head, r->bytes, a->deflate_takeover, &h->deflate);

	if (deflate)
		ws_deflate_answer(&h->deflate, extensions);
	h->accept_len = ws_upgrade_answer(u, a->subprotocol, a->subprotocol_len, deflate ? extensions : NULL,
					  h->accept, sizeof(h->accept));
	if (h->accept_len == 0)
		refuse(h, 400, "the subprotocol's name is too long");
}

/* Plain text where TLS was to come, or the other way round: who did not mean it so is told. */
static bool is_wrong_port(struct handshake *h, const char *bytes)
{
	const struct conn *c = h->conn;
	bool expected = listener_speaks_tls(c->listener);

	if (c->secure || (!expected && !tls_conn_is_hello((unsigned char)bytes[0])))
		return false;
	if (expected)
		refuse(h, 400, "this port speaks TLS: use https:// or wss://");
	else
		refuse(h, 400, "this port does not speak TLS: use http:// or ws://");
	log_limited(LOG_LEVEL_INFO, expected ? "a client without TLS on a listener with tls = yes" :
					     "a client with TLS on a listener without tls = yes",
		    "listener=%s address=%s", listener_name(c->listener), conn_address(c));
	return true;
}

/* Finds out whose request a trusted proxy passes on. False: it cannot be known. */
static bool settle_address(struct handshake *h, struct http_request *r)
{
	struct conn *c = h->conn;
	char text[NET_ADDR_TEXT];
	struct net_addr client;
	const char *why;

	if (!c->believed)
		return true;
	r->by = worker_here->opts.forwarded;
	if (!net_addr_parse(&client, conn_address(c), strlen(conn_address(c))))
		client.kind = NET_ADDR_UNIX;
	if (!forwarded_client(r->head, r->bytes, r->by, worker_here->opts.trusted, &client, &why)) {
		stats_add(STAT_refused_forwarded, 1);
		log_limited(LOG_LEVEL_WARNING, "a request was refused", "status=400 why=\"%s\" proxy=%s", why,
			    conn_address(c));
		refuse(h, 400, why);
		return false;
	}
	conn_set_address(c, net_addr_text(&client, text));
	return true;
}

/* The filter's: the head is there. Ask upstairs; write nothing yet. */
static void on_head(void *arg, const struct http_head *head, const char *bytes)
{
	struct handshake *h = arg;
	struct ws_upgrade u;
	enum ws_upgrade_verdict verdict;
	struct http_request r = { .head = head, .bytes = bytes, .full = h->conn->admission == ADMISSION_FULL };

	h->head_only = head->head_only;
	if (is_wrong_port(h, bytes))
		return;
	if (head->status) {
		stats_add(STAT_refused_head, head->status == 431 || head->status == 414);
		refuse(h, head->status, head->why);
		return;
	}
	verdict = ws_upgrade_check(head, bytes, &u);
	if (verdict == WS_UPGRADE_BAD) {
		refuse(h, u.status, u.why);
		return;
	}
	r.websocket = verdict == WS_UPGRADE_OK;
	if (!settle_address(h, &r))
		return;
	if (h->conn->admission > ADMISSION_FULL) {
		refuse(h, 429, admission_why(h->conn->admission));
		return;
	}
	r.listener = listener_name(h->conn->listener);
	r.address = conn_address(h->conn);
	worker_here->opts.ops->request(h->conn, &r, &h->answer);
	if (h->answer.status != 101)
		return;
	h->conn->opened = 1;
	prepare_accept(h, &r, &u);
}

static void give_filter_back(struct handshake *h)
{
	upgrade_filter_give(&worker_here->upgrades, h->filter);
	h->filter = NULL;
}

/* The filter's: the connection is ours. */
static void on_done(void *arg, struct evbuffer *rest)
{
	struct handshake *h = arg;
	struct conn *c = h->conn;

	if (conn_take_over(c, rest) < 0) {
		conn_close(c, CLOSE_no_memory, NULL);
		return;
	}
	give_filter_back(h);
	if (h->answer.status != 101) {
		log_limited(LOG_LEVEL_DEBUG, "request refused or answered", "address=%s status=%u", conn_address(c),
			    h->answer.status);
		http_conn_answer(c, &h->answer, h->head_only, CLOSE_http_done);
		return;
	}
	conn_write(c, h->accept, h->accept_len);
	if (c->state != CONN_HANDSHAKE) /* it could not be written: h is gone */
		return;
	ws_conn_start(c, h->answer.limits, &h->deflate);
	free(h);
	stats_add(STAT_handshakes, 1);
	if (conn_is_open(c))
		worker_here->opts.ops->open(c);
}

static void on_gone(void *arg)
{
	struct handshake *h = arg;

	conn_close(h->conn, CLOSE_peer_gone, NULL);
}

static const struct upgrade_filter_ops filter_ops = { on_head, on_done, on_gone };

struct handshake *handshake_new(struct conn *c)
{
	struct handshake *h = calloc(1, sizeof(*h));
	struct worker *w = worker_here;

	if (h == NULL)
		return NULL;
	h->conn = c;
	h->filter = upgrade_filter_take(&w->upgrades, &w->bevs, w->base);
	if (h->filter == NULL) {
		free(h);
		return NULL;
	}
	upgrade_filter_start(h->filter, w->opts.max_head, &filter_ops, h);
	return h;
}

void handshake_feed(struct handshake *h, const void *data, size_t len) { upgrade_filter_feed(h->filter, data, len); }
void handshake_watch(struct handshake *h) { upgrade_filter_watch(h->filter, h->conn->fd); }

void handshake_give_up(struct handshake *h, unsigned status, enum close_reason reason)
{
	struct conn *c = h->conn;

	refuse(h, status, close_text(reason));
	give_filter_back(h);
	if (conn_take_over(c, NULL) < 0)
		conn_close(c, reason, NULL);
	else
		http_conn_answer(c, &h->answer, false, reason);
}

void handshake_free(struct handshake *h)
{
	if (h == NULL)
		return;
	give_filter_back(h);
	free(h);
}
