#include <config.h>

#include "net/accepted.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/worker.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct accepted_letter {
	struct letter letter;
	struct worker *to;
	struct accepted accepted;
	struct sockaddr_storage peer;
};

void accepted_drop(struct worker *to, const struct accepted *a)
{
	close(a->fd);
	shared_count_give(to->opts.total);
	if (a->addr)
		addr_limit_leave(to->opts.shared->addresses, a->addr, false, clock_ms());
}

static void accept_here(struct worker *w, const struct accepted *a, const struct sockaddr *peer)
{
	if (conn_accept(w, a, peer) < 0)
		log_limited(LOG_LEVEL_ERROR, "no memory for a connection", "listener=%s", listener_name(a->listener));
}

static void open_accepted(struct letter *letter, void *reader)
{
	struct accepted_letter *l = (struct accepted_letter *)letter;
	struct listener *listener = l->accepted.listener;

	(void)reader;
	if (l->to->leaving)
		accepted_drop(l->to, &l->accepted);
	else
		accept_here(l->to, &l->accepted, (struct sockaddr *)&l->peer);
	listener_unref(listener);
	free(l);
}

void accepted_give(struct worker *to, const struct accepted *a, const struct sockaddr *peer, int len)
{
	struct accepted_letter *l;

	if (to == a->from) {
		accept_here(to, a, peer);
		return;
	}
	l = calloc(1, sizeof(*l));
	if (l == NULL) {
		log_limited(LOG_LEVEL_ERROR, "no memory for a connection", "listener=%s", listener_name(a->listener));
		accepted_drop(to, a);
		return;
	}
	l->letter.open = open_accepted;
	l->to = to;
	l->accepted = *a;
	listener_ref(a->listener);
	memcpy(&l->peer, peer, (size_t)len < sizeof(l->peer) ? (size_t)len : sizeof(l->peer));
	stats_add(STAT_handed_on, 1);
	mailbox_post(to->mailbox, &l->letter);
}
