#include <config.h>

#include "net/upgrade_filter.h"

#include <event2/buffer.h>
#include <stdlib.h>

struct upgrade_filter {
	struct bufferevent *socket, *filter;
	const struct upgrade_filter_ops *ops;
	void *arg;
	size_t max_head;
	struct http_head head;
};

/*
 * Takes the filter off the socket, also from within its own input callback:
 * without BEV_OPT_CLOSE_ON_FREE the socket's bufferevent stays, its callbacks
 * are cleared, and libevent keeps the freed struct until the stack unwinds.
 */
static void detach(struct upgrade_filter *u)
{
	bufferevent_free(u->filter);
	u->filter = NULL;
}

static void finish(struct upgrade_filter *u, const char *bytes)
{
	const struct upgrade_filter_ops *ops = u->ops;
	void *arg = u->arg;
	size_t used = u->head.status ? evbuffer_get_length(bufferevent_get_input(u->socket)) : u->head.length;

	ops->head(arg, &u->head, bytes);
	evbuffer_drain(bufferevent_get_input(u->socket), used);
	detach(u);
	free(u);
	ops->done(arg);
}

/*
 * The filter's input callback. It never passes anything through: it answers
 * BEV_NEED_MORE until it is gone, and then too, since libevent would call a
 * filter that is content (BEV_OK) again while bytes are left.
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
	if (u->filter == NULL || len == 0)
		return BEV_NEED_MORE;
	if (len > u->max_head + 4)
		len = u->max_head + 4; /* the parser looks no further */
	bytes = (const char *)evbuffer_pullup(src, (ev_ssize_t)len);
	if (bytes == NULL) {
		u->ops->gone(u->arg);
	} else if (http_head_parse(&u->head, bytes, len) != HTTP_MORE) {
		finish(u, bytes);
	}
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
	u->ops->gone(u->arg);
}

struct upgrade_filter *upgrade_filter_new(struct bufferevent *socket, size_t max_head,
					  const struct upgrade_filter_ops *ops, void *arg)
{
	struct upgrade_filter *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->socket = socket;
	u->ops = ops;
	u->arg = arg;
	u->max_head = max_head;
	http_head_init(&u->head, max_head);
	u->filter = bufferevent_filter_new(socket, on_input, on_output, 0, NULL, u);
	if (u->filter == NULL) {
		free(u);
		return NULL;
	}
	bufferevent_setcb(u->filter, NULL, NULL, on_event, u);
	/* In this order, before the fd is set, a handshake costs two epoll_ctl and not six. */
	bufferevent_enable(u->filter, EV_READ);
	bufferevent_disable(socket, EV_WRITE);
	return u;
}

void upgrade_filter_free(struct upgrade_filter *u)
{
	if (u == NULL)
		return;
	detach(u);
	free(u);
}
