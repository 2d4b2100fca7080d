/*
 * config_check: what one option alone does not show to be wrong.
 *
 * Looks at a configuration that could be read, and tells everything that it
 * finds. What the files that it names are like is found by those that read
 * them: token_table, listeners.
 */
#ifndef NATTER_DAEMON_CONFIG_CHECK_H
#define NATTER_DAEMON_CONFIG_CHECK_H

#include "daemon/config.h"
#include "daemon/faults.h"

#include <stdbool.h>

/* Adds what is wrong with C, which was read from FILE. */
void config_check(const struct config *c, const char *file, struct faults *f);

/* Whether S may go into JSON, a header or a path: UTF-8 without control characters. */
bool config_is_text(const char *s);

#endif
