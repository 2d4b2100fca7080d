/*
 * given_sockets: listening sockets that whoever starts natterd gives it, by
 * the convention of systemd's sd_listen_fds(3): file descriptors from 3 on,
 * $LISTEN_FDS of them, with their names in $LISTEN_FDNAMES, if $LISTEN_PID is
 * this process.
 */
#ifndef NATTER_DAEMON_GIVEN_SOCKETS_H
#define NATTER_DAEMON_GIVEN_SOCKETS_H

#define GIVEN_SOCKETS_MAX 64

struct given_sockets {
	int n;                             /* the sockets are 3, 4, … */
	const char *name[GIVEN_SOCKETS_MAX]; /* "unknown" where it has none; of the process's environment */
	int taken[GIVEN_SOCKETS_MAX];      /* whether a listener has it */
};

/* What there is; takes the variables out of the environment. */
void given_sockets_find(struct given_sockets *g);

/* The next socket called NAME (NULL: any) that nobody has, which is taken then; -1: there is none. */
int given_sockets_take(struct given_sockets *g, const char *name);

#endif
