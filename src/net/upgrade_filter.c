#include <config.h>

#include "net/upgrade_filter.h"
#include "net/bev_pool.h"

#include <event2/buffer.h>
#include <stdlib.h>

struct upgrade_filter {
	struct bufferevent *socket, *filter;
	const struct upgrade_filter_ops *ops; /* NULL: it has no socket */
	void *arg;
	size_t max_head;
	bool ended; /* the bufferevents have seen an end or an error: not to be used again */
	struct http_head head;
};

static struct evbuffer *input_of(struct upgrade_filter *u) { return bufferevent_get_input(u->socket); }

static void finish(struct upgrade_filter *u, const char *bytes)
{
	const struct upgrade_filter_ops *ops = u->ops;
	size_t used = u->head.status ? evbuffer_get_length(input_of(u)) : u->head.length;

	ops->head(u->arg, &u->head, bytes);
	evbuffer_drain(input_of(u), used);
	ops->done(u->arg, input_of(u));
}

/*
 * The filter's input callback. It never passes anything through: it answers
 * BEV_NEED_MORE, since libevent would call a filter that is content (BEV_OK)
 * again while bytes are left.
 */
static enum bufferevent_filter_result on_input(struct evbuffer *src, struct evbuffer *dst, ev_ssize_t limit,
					       enum bufferevent_flush_mode mode, void *arg)
{
	struct upgrade_filter *u = arg;
	size_t len = evbuffer_get_length(src);
	const char *bytes;

	(void)dst;
	(void)limit;
	(void)mode;
	if (u->ops == NULL || len == 0)
		return BEV_NEED_MORE;
	if (len > u->max_head + 4)
		len = u->max_head + 4; /* the parser looks no further */
	bytes = (const char *)evbuffer_pullup(src, (ev_ssize_t)len);
	if (bytes == NULL)
		u->ops->gone(u->arg);
	else if (http_head_parse(&u->head, bytes, len) != HTTP_MORE)
		finish(u, bytes);
	return BEV_NEED_MORE;
}

static enum bufferevent_filter_result on_output(struct evbuffer *src, struct evbuffer *dst, ev_ssize_t limit,
						enum bufferevent_flush_mode mode, void *arg)
{
	(void)limit;
	(void)mode;
	(void)arg;
	return evbuffer_remove_buffer(src, dst, evbuffer_get_length(src)) < 0 ? BEV_ERROR : BEV_OK;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct upgrade_filter *u = arg;

	(void)bev;
	(void)what;
	u->ended = true;
	if (u->ops)
		u->ops->gone(u->arg);
}

struct upgrade_filter *upgrade_filter_take(struct upgrade_pool *p, struct bev_pool *bevs, struct event_base *base)
{
	struct upgrade_filter *u;

	if (p->n > 0)
		return p->spare[--p->n];
	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return NULL;
	u->socket = bev_pool_take(bevs, base);
	u->filter = u->socket ? bufferevent_filter_new(u->socket, on_input, on_output, 0, NULL, u) : NULL;
	if (u->filter == NULL) {
		if (u->socket)
			bev_pool_drop(u->socket);
		free(u);
		return NULL;
	}
	bufferevent_setcb(u->filter, NULL, NULL, on_event, u);
	/* In this order, before the fd is set, a handshake needs no epoll_ctl for writing. */
	bufferevent_enable(u->filter, EV_READ);
	bufferevent_disable(u->socket, EV_WRITE);
	return u;
}

void upgrade_filter_start(struct upgrade_filter *u, size_t max_head, const struct upgrade_filter_ops *ops, void *arg)
{
	u->ops = ops;
	u->arg = arg;
	u->max_head = max_head;
	http_head_init(&u->head, max_head);
}

void upgrade_filter_feed(struct upgrade_filter *u, const void *data, size_t len)
{
	evbuffer_unfreeze(input_of(u), 0); /* as it is while the bufferevent itself is reading */
	if (evbuffer_add(input_of(u), data, len) < 0)
		u->ops->gone(u->arg);
	else
		bufferevent_trigger(u->socket, EV_READ, BEV_TRIG_IGNORE_WATERMARKS);
}

void upgrade_filter_watch(struct upgrade_filter *u, int fd) { bufferevent_setfd(u->socket, fd); }

/* From within its own callbacks, too: libevent keeps what is freed until the stack unwinds. */
static void pair_free(struct upgrade_filter *u)
{
	bufferevent_free(u->filter);
	bev_pool_drop(u->socket);
	free(u);
}

void upgrade_filter_give(struct upgrade_pool *p, struct upgrade_filter *u)
{
	if (u == NULL)
		return;
	u->ops = NULL;
	evbuffer_drain(input_of(u), evbuffer_get_length(input_of(u)));
	bufferevent_setfd(u->socket, -1);
	if (u->ended || p->n == UPGRADE_POOL_KEPT)
		pair_free(u);
	else
		p->spare[p->n++] = u;
}

void upgrade_pool_clear(struct upgrade_pool *p)
{
	while (p->n > 0)
		pair_free(p->spare[--p->n]);
}
