/*
 * token_table: the configuration's tokens and keys as the table that chat asks.
 *
 * Where a token's title is a file the token is read from it, hashed and wiped,
 * and keys that sign tokens (jwt) are read from theirs: at the start, so that
 * what is wrong is found then, and by natterd -t; and once more for another
 * configuration. A table is only read from then on, by all workers.
 */
#ifndef NATTER_DAEMON_TOKEN_TABLE_H
#define NATTER_DAEMON_TOKEN_TABLE_H

#include "chat/identity.h"
#include "daemon/config.h"

#include <stddef.h>

/* The caller owns the table. NULL: ERR says why, "FILE:LINE: …", a line for each token. */
struct tokens *token_table_new(const struct config *cfg, char *err, size_t errlen);

#endif
