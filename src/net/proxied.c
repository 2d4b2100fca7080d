#include <config.h>

#include "net/proxied.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/worker.h"

#include "base/log.h"
#include "wire/proxy_hdr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A part of a header. */
struct proxied {
	size_t len;
	unsigned char bytes[];
};

_Static_assert(PROXY_HDR_MAX <= WORKER_INBOX, "a header has room in the inbox");

void proxied_refuse(const struct listener *l, const char *address, const char *why)
{
	stats_add(STAT_refused_proxy, 1);
	log_limited(LOG_LEVEL_WARNING, "a connection without a good PROXY header was closed",
		    "listener=%s address=%s why=\"%s\"", listener_name(l), address, why);
}

void proxied_forget(struct conn *c)
{
	if (!c->expected)
		return;
	free(c->proxied);
	c->proxied = NULL;
	c->expected = false;
}

/* Keeps the header's first LEN bytes, which lie in the inbox. */
static void keep(struct conn *c, size_t len)
{
	struct proxied *p = realloc(c->proxied, sizeof(*p) + len);

	if (p == NULL) {
		conn_close(c, CLOSE_no_memory, NULL);
		return;
	}
	p->len = len;
	memcpy(p->bytes, worker_here->inbox, len);
	c->proxied = p;
}

static void settle(struct conn *c, const struct proxy_hdr *header)
{
	char text[NET_ADDR_TEXT];

	proxied_forget(c);
	if (header->source.kind != NET_ADDR_NONE)
		conn_set_address(c, net_addr_text(&header->source, text));
	if (c->admission == ADMISSION_TURNED_AWAY) {
		stats_add(STAT_turned_away, 1);
		conn_close(c, CLOSE_turned_away, NULL);
		return;
	}
	/* A request's fields are a proxy's word only where another one stands behind the first. */
	c->believed = header->source.kind == NET_ADDR_IP && net_list_has(worker_here->opts.trusted, &header->source);
}

bool proxied_read(struct conn *c)
{
	unsigned char *inbox = worker_here->inbox;
	size_t had = c->proxied ? c->proxied->len : 0, have;
	enum proxy_hdr_verdict verdict;
	struct proxy_hdr header;
	ssize_t n = recv(c->fd, inbox + had, PROXY_HDR_MAX - had, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return false;
	if (n <= 0) {
		conn_peer_ended(c, n == 0);
		return false;
	}
	if (had)
		memcpy(inbox, c->proxied->bytes, had);
	have = had + (size_t)n;
	verdict = proxy_hdr_parse(&header, inbox, have);
	if (verdict == PROXY_HDR_BAD) {
		proxied_refuse(c->listener, conn_address(c), header.why);
		conn_close(c, CLOSE_protocol_error, header.why);
		return false;
	}
	if (verdict == PROXY_HDR_OK)
		have = header.length;
	if (recv(c->fd, inbox + had, have - had, MSG_DONTWAIT) != (ssize_t)(have - had)) {
		conn_peer_ended(c, false); /* what was there a moment ago */
		return false;
	}
	if (verdict == PROXY_HDR_MORE)
		keep(c, have);
	else
		settle(c, &header);
	return verdict == PROXY_HDR_OK && c->state == CONN_HANDSHAKE;
}
