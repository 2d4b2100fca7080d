/*
 * config_change: one configuration after another.
 *
 * What differs between the configuration in force and the next one, as far as
 * a reload has to know: options that need a restart keep the value in force.
 * By the column `when` of config.def.
 */
#ifndef NATTER_DAEMON_CONFIG_CHANGE_H
#define NATTER_DAEMON_CONFIG_CHANGE_H

#include "daemon/config.h"

#include <stdbool.h>

/*
 * Gives options of NEXT that need a restart the values that they have in NOW,
 * and calls KEPT for each that was another: KIND is "listener" with its NAME
 * and OPTION, or "" for a global one. A listener that is there by a given
 * socket stays as it is as a whole. -1: no memory.
 */
int config_keep(struct config *next, const struct config *now,
		void (*kept)(const char *kind, const char *name, const char *option));

/* Whether endpoints, and all global options, are the same in both. */
bool config_same_endpoints(const struct config *a, const struct config *b);

#endif
