/*
 * readable: whether all files that a reload reads can be read.
 *
 * What root could read at a start its user may not be able to read at a
 * reload, months later, when a certificate is to be renewed. So it is tried at
 * every start, and by natterd -t, as the user that reloads.
 */
#ifndef NATTER_DAEMON_READABLE_H
#define NATTER_DAEMON_READABLE_H

#include "daemon/config.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether the user of this process may read PATH. If not, WHY says what is in
 * the way: the first file or folder, behind symbolic links too, that it may not
 * enter or read, and the command that mends it. A file that is missing is for
 * who wants to read it to say.
 */
bool readable(const char *path, char *why, size_t size);

/* Tells PROBLEM of each file that CFG names and a reload could not read. Returns how many. */
unsigned readable_check(const struct config *cfg, void (*problem)(const char *text));

#endif
