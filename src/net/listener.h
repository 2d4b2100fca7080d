/*
 * listener: a listening socket and its accepting.
 *
 * Opening and accepting are apart, so that every problem (port in use, no
 * permission) is told before the daemon detaches or any worker runs. A named
 * listener of the configuration is one or more sockets: "*" is one for IPv4
 * and one for IPv6 (IPV6_V6ONLY).
 *
 * Accepting takes some 64 connections a turn and then lets others have their
 * turn; out of file descriptors it pauses for a second instead of spinning.
 */
#ifndef NATTER_NET_LISTENER_H
#define NATTER_NET_LISTENER_H

#include <stddef.h>
#include <stdint.h>

struct listener;
struct worker;

struct listener_opts {
	const char *name;     /* must outlive the listener */
	const char *address;  /* literal v4 or v6 address, or "localhost"'s; NULL: a unix socket */
	uint16_t port;        /* 0: any free one */
	const char *path;     /* of a unix socket; an abandoned one is replaced */
	unsigned mode;        /* of a unix socket */
	int backlog;
};

/*
 * Opens, binds and listens. NULL: ERR says why in words for a sysadmin, errno
 * is the system's word (EAFNOSUPPORT: this machine has no IPv6).
 */
struct listener *listener_open(const struct listener_opts *opts, char *err, size_t errlen);

/* Accepts into W from now on. 0, or -1: no memory. */
int listener_start(struct listener *l, struct worker *w);

/* Closes; a unix socket's file goes too. */
void listener_free(struct listener *l);

const char *listener_name(const struct listener *l);
/* "127.0.0.1:9600", "[::1]:9600" or the path. */
const char *listener_address(const struct listener *l);
uint16_t listener_port(const struct listener *l);

#endif
