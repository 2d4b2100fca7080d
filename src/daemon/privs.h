/*
 * privs: who natterd is, and what the system lets it do.
 *
 * Started as root it becomes the user of the configuration before it opens
 * anything, so that what a start can open a reload can open again, and what it
 * makes is that user's. Of root's rights it keeps one, CAP_NET_BIND_SERVICE,
 * for a reload that opens port 443; no program that it might start gets more.
 * Where there are no capabilities (other systems, --enable-portable) root's
 * right is used for ports below 1024 while it starts and is given up then.
 * All of it on the only thread there is yet.
 */
#ifndef NATTER_DAEMON_PRIVS_H
#define NATTER_DAEMON_PRIVS_H

#include "daemon/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/*
 * Started as root: switches to CFG's user, or to nobody where there is no such
 * user and ALONE says that nothing was configured. In any case gives up
 * what is not needed. 0, or -1: ERR says why, and how it is mended.
 */
int privs_drop(const struct config *cfg, bool alone, char *err, size_t errlen);

/* As bind(2), for a start's listeners: with root's rights where they are needed and only waiting to be given up. */
int privs_bind(int fd, const struct sockaddr *addr, socklen_t len);

/* All listeners are open: nothing of root is left. 0, or -1: ERR says why. */
int privs_finish(char *err, size_t errlen);

#endif
