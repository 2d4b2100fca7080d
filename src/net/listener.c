#include <config.h>

#include "net/listener.h"
#include "net/accepted.h"
#include "net/tls.h"
#include "net/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "wire/netmask.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* After so many accepts others have their turn. */
#define ACCEPTS_A_TURN 16

/* So many above max_connections are still told that the server is full. */
#define TOLD_FULL 64

/* Whether several sockets can listen at one place and the system shares out what comes. */
#if defined(__linux__) && defined(SO_REUSEPORT) && !defined(NATTER_PORTABLE)
#define HAVE_TWINS 1
#else
#define HAVE_TWINS 0
#endif

/* Its name and address are for all who hold it; all else is its worker's. */
struct listener {
	atomic_uint refs;
	char *name;
	char *address; /* as text */
	char *path;    /* to be removed at the end; NULL for TCP */
	int fd;
	int backlog;
	uint16_t port;
	atomic_bool proxied; /* for all who hold it, too */
	struct worker *worker;
	struct tls *tls; /* under tls_lock */
	struct worker *const *others; /* who gets what is accepted, in turn; NULL: worker does */
	unsigned n_others, next;
	struct evconnlistener *evl;
	struct event *again; /* enables accepting again */
	unsigned accepted;   /* since others had their turn */
};

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

/* ---- opening ---- */

static void explain(char *err, size_t errlen, const char *where, int e)
{
	const char *hint = "";

	if (e == EADDRINUSE)
		hint = "; another program (another natterd?) listens there: stop it or choose another one";
	else if (e == EACCES)
		hint = "; ports below 1024 need CAP_NET_BIND_SERVICE, a unix socket a writable directory";
	else if (e == EADDRNOTAVAIL)
		hint = "; this machine has no such address";
	snprintf(err, errlen, "cannot listen on %s: %s%s", where, strerror(e), hint);
	errno = e;
}

/* Lets FD share its place with others that were told so. */
static int reuse_port(int fd)
{
#if HAVE_TWINS
	int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
#else
	(void)fd;
	errno = ENOTSUP;
	return -1;
#endif
}

static int new_socket(int family)
{
	int fd = socket(family, SOCK_STREAM, 0), on = 1;

	if (fd < 0)
		return -1;
	evutil_make_socket_nonblocking(fd);
	evutil_make_socket_closeonexec(fd);
	if (family == AF_UNIX)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* accepted sockets inherit it */
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	return fd;
}

/* A literal address to a socket address; its length, or 0. */
static socklen_t tcp_address(union address *a, const char *text, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &a->in.sin_addr) == 1) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(port);
		return sizeof(a->in);
	}
	if (inet_pton(AF_INET6, text, &a->in6.sin6_addr) == 1) {
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons(port);
		return sizeof(a->in6);
	}
	return 0;
}

static uint16_t bound_port(int fd)
{
	union address a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.sa, &len) < 0)
		return 0;
	return ntohs(a.sa.sa_family == AF_INET6 ? a.in6.sin6_port : a.in.sin_port);
}

static char *address_text(const char *address, unsigned port)
{
	char buf[INET6_ADDRSTRLEN + 16];

	snprintf(buf, sizeof(buf), strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, port);
	return strdup(buf);
}

static int open_tcp(struct listener *l, const struct listener_opts *o, char *err, size_t errlen)
{
	union address a;
	socklen_t len = tcp_address(&a, o->address, o->port);
	int e;

	if (len == 0) {
		snprintf(err, errlen, "cannot listen on %s: not an IPv4 or IPv6 address", o->address);
		errno = EINVAL;
		return -1;
	}
	l->address = address_text(o->address, o->port);
	l->fd = new_socket(a.sa.sa_family);
	if (l->address == NULL || l->fd < 0 || (o->beside && reuse_port(l->fd) < 0) ||
	    (o->bind ? o->bind : bind)(l->fd, &a.sa, len) < 0 || listen(l->fd, o->backlog) < 0) {
		e = errno;
		explain(err, errlen, l->address ? l->address : o->address, e);
		return -1;
	}
	l->port = bound_port(l->fd);
	free(l->address);
	l->address = address_text(o->address, l->port);
	return l->address ? 0 : -1;
}

/* Removes a socket file that nobody listens on any more. 0: the path is free; -1: somebody does. */
static int remove_abandoned(const union address *a, socklen_t len)
{
	struct stat st;
	int fd, rc;

	if (lstat(a->un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return 0; /* bind will say what is wrong with it */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return -1;
	rc = connect(fd, &a->sa, len);
	close(fd);
	if (rc == 0) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(a->un.sun_path);
}

static int open_unix(struct listener *l, const struct listener_opts *o, char *err, size_t errlen)
{
	union address a;
	int e;

	memset(&a, 0, sizeof(a));
	a.un.sun_family = AF_UNIX;
	if (strlen(o->path) >= sizeof(a.un.sun_path)) {
		explain(err, errlen, o->path, ENAMETOOLONG);
		return -1;
	}
	strcpy(a.un.sun_path, o->path);
	l->address = strdup(o->path);
	l->fd = new_socket(AF_UNIX);
	if (l->address == NULL || l->fd < 0 || remove_abandoned(&a, sizeof(a.un)) < 0 ||
	    bind(l->fd, &a.sa, sizeof(a.un)) < 0)
		goto fail;
	l->path = strdup(o->path);
	if (l->path == NULL || chmod(o->path, (mode_t)o->mode) < 0 || listen(l->fd, o->backlog) < 0)
		goto fail;
	return 0;
fail:
	e = errno;
	explain(err, errlen, o->path, e);
	return -1;
}

static struct listener *new_listener(const char *name, int backlog)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	atomic_init(&l->refs, 1);
	l->backlog = backlog;
	l->fd = -1;
	l->name = strdup(name);
	if (l->name)
		return l;
	free(l);
	return NULL;
}

struct listener *listener_open(const struct listener_opts *opts, char *err, size_t errlen)
{
	struct listener *l = new_listener(opts->name, opts->backlog);
	int e;

	if (l == NULL) {
		explain(err, errlen, opts->name, ENOMEM);
		return NULL;
	}
	if ((opts->address ? open_tcp(l, opts, err, errlen) : open_unix(l, opts, err, errlen)) == 0)
		return l;
	e = errno;
	listener_free(l);
	errno = e;
	return NULL;
}

/* ---- from others ---- */

static bool is_listening(int fd)
{
	int type = 0, yes = 0;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes;
}

static char *text_of(const union address *a)
{
	char text[INET6_ADDRSTRLEN];

	if (a->sa.sa_family == AF_UNIX)
		return strdup(a->un.sun_path[0] ? a->un.sun_path : "a unix socket without a path");
	if (a->sa.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &a->in6.sin6_addr, text, sizeof(text));
	else if (a->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->in.sin_addr, text, sizeof(text));
	else
		return NULL;
	return address_text(text, ntohs(a->sa.sa_family == AF_INET6 ? a->in6.sin6_port : a->in.sin_port));
}

struct listener *listener_adopt(const char *name, int fd, char *err, size_t errlen)
{
	union address a = { .sa.sa_family = AF_UNSPEC };
	struct listener *l;
	socklen_t len = sizeof(a);
	int on = 1;

	if (!is_listening(fd) || getsockname(fd, &a.sa, &len) < 0) {
		snprintf(err, errlen, "listener %s: file descriptor %d is no listening stream socket", name, fd);
		return NULL;
	}
	l = new_listener(name, 0);
	if (l == NULL || (l->address = text_of(&a)) == NULL) {
		snprintf(err, errlen, "listener %s: no memory, or a socket of a strange kind", name);
		listener_free(l);
		return NULL;
	}
	l->fd = fd;
	l->port = a.sa.sa_family == AF_UNIX ? 0 : bound_port(fd);
	evutil_make_socket_nonblocking(fd);
	evutil_make_socket_closeonexec(fd);
	if (a.sa.sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return l;
}

/* ---- several at one place ---- */

#if HAVE_TWINS

/*
 * FIRST was bound and began to listen without SO_REUSEPORT, which is refused
 * where anything listens; only now that the place is ours others may come in,
 * and only of our user and with SO_REUSEPORT. Another natterd begins without.
 */
static int open_twin(const struct listener *first)
{
	union address a;
	socklen_t len = sizeof(a);
	int e, fd;

	if (getsockname(first->fd, &a.sa, &len) < 0 || reuse_port(first->fd) < 0)
		return -1;
	fd = new_socket(a.sa.sa_family);
	if (fd < 0)
		return -1;
	if (reuse_port(fd) == 0 && bind(fd, &a.sa, len) == 0 && listen(fd, first->backlog) == 0)
		return fd;
	e = errno;
	close(fd);
	errno = e;
	return -1;
}

#else

static int open_twin(const struct listener *first)
{
	(void)first;
	errno = ENOTSUP;
	return -1;
}

#endif

/* Another one where OF listens, on FD (taken; -1: errno says why there is none). NULL with errno. */
static struct listener *sibling(const struct listener *of, const char *name, int fd)
{
	struct listener *l = fd >= 0 ? new_listener(name, of->backlog) : NULL;
	int e = errno;

	if (l) {
		l->fd = fd;
		l->port = of->port;
		l->address = strdup(of->address);
		if (l->address)
			return l;
		e = errno;
		listener_free(l);
	} else if (fd >= 0) {
		close(fd);
	}
	errno = e;
	return NULL;
}

struct listener *listener_twin(struct listener *first) { return sibling(first, first->name, open_twin(first)); }

struct listener *listener_heir(const struct listener *of, const char *name)
{
	return sibling(of, name, fcntl(of->fd, F_DUPFD_CLOEXEC, 0));
}

void listener_hand_over(struct listener *l, struct listener *heir)
{
	heir->path = l->path;
	l->path = NULL;
}

int listener_share(struct listener *l) { return reuse_port(l->fd); }

int listener_set_backlog(struct listener *l, int backlog)
{
	l->backlog = backlog;
	return listen(l->fd, backlog);
}

int listener_set_mode(struct listener *l, unsigned mode) { return l->path ? chmod(l->path, (mode_t)mode) : 0; }

void listener_deal(struct listener *l, struct worker *const *workers, unsigned n)
{
	l->others = workers;
	l->n_others = n;
}

/* ---- TLS ---- */

/* One lock for all, so that a listener may be anybody's: it is held for a few instructions a handshake. */
static pthread_mutex_t tls_lock = PTHREAD_MUTEX_INITIALIZER;

void listener_set_tls(struct listener *l, struct tls *t)
{
	struct tls *before;

	tls_ref(t);
	pthread_mutex_lock(&tls_lock);
	before = l->tls;
	l->tls = t;
	pthread_mutex_unlock(&tls_lock);
	tls_unref(before);
}

struct tls *listener_tls(struct listener *l)
{
	struct tls *t;

	pthread_mutex_lock(&tls_lock);
	t = tls_ref(l->tls);
	pthread_mutex_unlock(&tls_lock);
	return t;
}

bool listener_speaks_tls(struct listener *l)
{
	bool yes;

	pthread_mutex_lock(&tls_lock);
	yes = l->tls != NULL;
	pthread_mutex_unlock(&tls_lock);
	return yes;
}

/* ---- accepting ---- */

static void stop_accepting(struct listener *l, long seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	evconnlistener_disable(l->evl);
	evtimer_add(l->again, &tv);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	l->accepted = 0;
	evconnlistener_enable(l->evl);
}

/* Closed with a reset: of this one nothing more shall wait in the kernel. */
static void turn_away(int fd, const struct net_addr *from, const char *why)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	char address[NET_ADDR_TEXT];

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	stats_add(STAT_turned_away, 1);
	log_limited(LOG_LEVEL_WARNING, "connections are turned away", "address=%s why=\"%s\"",
		    net_addr_text(from, address), why);
}

/* Finds A its place among those of its address and among all. Whether it may come in, perhaps to be refused. */
static bool admit(const struct worker_opts *o, struct accepted *a, const struct net_addr *from)
{
	uint64_t now = clock_ms();

	if (o->shared && !net_list_has(o->exempt, from) && !net_list_has(o->trusted, from))
		a->addr = addr_limit_key(from);
	if (a->addr)
		a->admission = addr_limit_admit(o->shared->addresses, &o->addr, a->addr, now);
	if (a->admission == ADMISSION_TURNED_AWAY) {
		turn_away(a->fd, from, "limits per address");
		return false;
	}
	if (shared_count_take(o->total, o->max_connections))
		return true;
	stats_add(STAT_refused_full, 1);
	log_limited(LOG_LEVEL_WARNING, "max_connections reached", "max_connections=%zu", o->max_connections);
	if (a->admission == ADMISSION_OK)
		a->admission = ADMISSION_FULL;
	if (shared_count_take(o->total, o->max_connections + TOLD_FULL))
		return true;
	if (a->addr)
		addr_limit_leave(o->shared->addresses, a->addr, false, now);
	turn_away(a->fd, from, "max_connections");
	return false;
}

static void on_accept(struct evconnlistener *evl, evutil_socket_t fd, struct sockaddr *peer, int len, void *arg)
{
	struct listener *l = arg;
	struct accepted a = { .from = l->worker, .listener = l, .fd = fd };
	struct net_addr from;

	(void)evl;
	net_addr_of(&from, peer);
	if (admit(&l->worker->opts, &a, &from))
		accepted_give(l->others ? l->others[l->next++ % l->n_others] : l->worker, &a, peer, len);
	if (++l->accepted >= ACCEPTS_A_TURN)
		stop_accepting(l, 0);
}

static void on_accept_error(struct evconnlistener *evl, void *arg)
{
	struct listener *l = arg;
	int e = EVUTIL_SOCKET_ERROR();

	(void)evl;
	if (e == EMFILE || e == ENFILE || e == ENOMEM || e == ENOBUFS) {
		stats_add(STAT_accept_pauses, 1);
		stop_accepting(l, 1);
	}
	log_limited(LOG_LEVEL_WARNING, "cannot accept", "listener=%s error=\"%s\"", l->name, strerror(e));
}

int listener_start(struct listener *l, struct worker *w)
{
	l->worker = w;
	l->again = evtimer_new(worker_base(w), on_again, l);
	l->evl = evconnlistener_new(worker_base(w), on_accept, l, LEV_OPT_CLOSE_ON_EXEC, 0, l->fd);
	if (l->again == NULL || l->evl == NULL)
		return -1;
	evconnlistener_set_error_cb(l->evl, on_accept_error);
	return 0;
}

void listener_close(struct listener *l)
{
	if (l->evl)
		evconnlistener_free(l->evl);
	if (l->again)
		event_free(l->again);
	if (l->fd >= 0)
		close(l->fd);
	if (l->path)
		unlink(l->path);
	free(l->path);
	l->evl = NULL;
	l->again = NULL;
	l->fd = -1;
	l->path = NULL;
}

/* So many may wait in the system's queue at most, where nobody said how many. */
#define QUEUE_MAX 65536

void listener_retire(struct listener *l)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int fd;

	for (int i = 0; l->evl && i <= (l->backlog ? l->backlog : QUEUE_MAX); i++, len = sizeof(peer)) {
		fd = accept(l->fd, (struct sockaddr *)&peer, &len);
		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			break;
		if (fd < 0)
			continue;
		evutil_make_socket_nonblocking(fd);
		evutil_make_socket_closeonexec(fd);
		on_accept(l->evl, fd, (struct sockaddr *)&peer, (int)len, l);
	}
	listener_close(l);
}

void listener_free(struct listener *l)
{
	if (l == NULL)
		return;
	listener_close(l);
	listener_unref(l);
}

struct listener *listener_ref(struct listener *l)
{
	if (l)
		atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

void listener_unref(struct listener *l)
{
	if (l == NULL || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) > 1)
		return;
	tls_unref(l->tls);
	free(l->name);
	free(l->address);
	free(l);
}

void listener_set_proxied(struct listener *l, bool proxied) { l->proxied = proxied; }
bool listener_is_proxied(const struct listener *l) { return l->proxied; }
const char *listener_name(const struct listener *l) { return l->name; }
const char *listener_address(const struct listener *l) { return l->address; }
uint16_t listener_port(const struct listener *l) { return l->port; }
