/*
 * listener: a listening socket and its accepting.
 *
 * Opening and accepting are apart, so that every problem (port in use, no
 * permission) is told before the daemon detaches or any worker runs. A named
 * listener of the configuration is one or more sockets: "*" is one for IPv4
 * and one for IPv6 (IPV6_V6ONLY).
 *
 * Several workers at one place: each has a socket of its own there
 * (listener_twin), among which the system shares out the connections; where
 * that cannot be, one worker accepts for all and hands on (listener_deal). The
 * first socket is alone there when it begins to listen: whatever listens there
 * already, with or without SO_REUSEPORT, is a port in use. Only where it takes
 * the place of listeners of this process (listener_share) it may stand beside
 * them until they are gone.
 *
 * Accepting takes some 16 connections a turn and then lets others have their
 * turn; out of file descriptors it pauses for a second instead of spinning.
 */
#ifndef NATTER_NET_LISTENER_H
#define NATTER_NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct listener;
struct tls;
struct worker;

struct listener_opts {
	const char *name;     /* copied */
	const char *address;  /* literal v4 or v6 address, or "localhost"'s; NULL: a unix socket */
	uint16_t port;        /* 0: any free one */
	const char *path;     /* of a unix socket; an abandoned one is replaced */
	unsigned mode;        /* of a unix socket */
	int backlog;
	bool beside;          /* those of ours that are there already share the place: see listener_share() */
	int (*bind)(int, const struct sockaddr *, socklen_t); /* in place of bind(2) for TCP; NULL: bind(2) */
};

/*
 * Opens, binds and listens. NULL: ERR says why in words for a sysadmin, errno
 * is the system's word (EAFNOSUPPORT: this machine has no IPv6).
 */
struct listener *listener_open(const struct listener_opts *opts, char *err, size_t errlen);

/*
 * One whose socket listens already, and is taken over; where it is a unix
 * socket its file is not ours to remove. NULL: ERR says why, and FD is open.
 */
struct listener *listener_adopt(const char *name, int fd, char *err, size_t errlen);

/*
 * One more socket where FIRST, a TCP socket, listens. NULL with errno: this
 * system has one at a place, or gives none.
 */
struct listener *listener_twin(struct listener *first);

/*
 * One more for the very socket of L, called NAME and not started, which is to
 * take over from L: nothing is lost between the two. NULL with errno.
 */
struct listener *listener_heir(const struct listener *l, const char *name);

/* Before L goes: a unix socket's file is the HEIR's to remove. On the thread of their worker. */
void listener_hand_over(struct listener *l, struct listener *heir);

/* Any thread: lets sockets of the same user that are opened as `beside` listen where L does. 0, or -1 with errno. */
int listener_share(struct listener *l);

/* Any thread: so many connections may wait. A unix socket's permissions. Both 0, or -1 with errno. */
int listener_set_backlog(struct listener *l, int backlog);
int listener_set_mode(struct listener *l, unsigned mode);
/* From now on each connection of L has to begin with a PROXY header; where L is started, on its worker's thread. */
void listener_set_proxied(struct listener *l, bool proxied);
bool listener_is_proxied(const struct listener *l);

/* Accepts into W, which does not run yet or is this thread's, from now on. 0, or -1: no memory. */
int listener_start(struct listener *l, struct worker *w);

/* Before the start: what is accepted goes to each of the N WORKERS in turn. The array must outlive L. */
void listener_deal(struct listener *l, struct worker *const *workers, unsigned n);

/*
 * Who has not begun its TLS handshake, or connects later, has to speak TLS, as T
 * (a reference is taken) says; NULL: plain. On any thread.
 */
void listener_set_tls(struct listener *l, struct tls *t);

/* A reference to that, or NULL; and whether there is one. On any thread. */
struct tls *listener_tls(struct listener *l);
bool listener_speaks_tls(struct listener *l);

/* Accepts no more; a unix socket's file goes too. On the thread of L's worker; twice is fine. */
void listener_close(struct listener *l);

/* The same, when what waits to be accepted is accepted. */
void listener_retire(struct listener *l);

/* It is closed, or its worker does not run. Handshakes of its connections may go on, and hold it. NULL is fine. */
void listener_free(struct listener *l);

/* For who holds it, for its name. Any thread. NULL passes through, and is fine. */
struct listener *listener_ref(struct listener *l);
void listener_unref(struct listener *l);

const char *listener_name(const struct listener *l);
/* "127.0.0.1:9600", "[::1]:9600" or the path. */
const char *listener_address(const struct listener *l);
uint16_t listener_port(const struct listener *l);

#endif
