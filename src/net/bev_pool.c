#include <config.h>

#include "net/bev_pool.h"

#include "base/stats.h"

#include <event2/buffer.h>
#include <event2/event.h>

/* Counts what enters the input. */
static void on_input_change(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	(void)buf;
	(void)arg;
	if (info->n_added)
		stats_add(STAT_bytes_in, (int64_t)info->n_added);
}

/* Counts what waits in the output, and what the bufferevent sends of it. */
static void on_output_change(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	(void)buf;
	(void)arg;
	stats_add(STAT_backlog_bytes, (int64_t)info->n_added - (int64_t)info->n_deleted);
	stats_add(STAT_bytes_out, (int64_t)info->n_deleted);
}

int bev_count(struct bufferevent *bev)
{
	return evbuffer_add_cb(bufferevent_get_input(bev), on_input_change, NULL) &&
			       evbuffer_add_cb(bufferevent_get_output(bev), on_output_change, NULL) ?
		       0 :
		       -1;
}

struct bufferevent *bev_pool_take(struct bev_pool *p, struct event_base *base)
{
	struct bufferevent *bev;

	if (p->n > 0)
		return p->spare[--p->n];
	bev = bufferevent_socket_new(base, -1, 0);
	if (bev == NULL)
		return NULL;
	bufferevent_disable(bev, EV_WRITE);
	if (bev_count(bev) == 0)
		return bev;
	bufferevent_free(bev);
	return NULL;
}

void bev_pool_give(struct bev_pool *p, struct bufferevent *bev)
{
	bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
	bufferevent_disable(bev, EV_READ | EV_WRITE);
	bufferevent_setfd(bev, -1);
	if (p->n < BEV_POOL_KEPT)
		p->spare[p->n++] = bev;
	else
		bufferevent_free(bev);
}

void bev_pool_drop(struct bufferevent *bev)
{
	struct evbuffer *out = bufferevent_get_output(bev);

	stats_add(STAT_backlog_bytes, -(int64_t)evbuffer_get_length(out));
	evbuffer_remove_cb(out, on_output_change, NULL);
	bufferevent_free(bev);
}

void bev_pool_clear(struct bev_pool *p)
{
	while (p->n > 0)
		bufferevent_free(p->spare[--p->n]);
}
