/*
 * settings: what a configuration has become: all that a reload replaces.
 *
 * Everything in it is made from the configuration, before anything is changed,
 * and then only read, by all workers. Each worker has a pointer to those in
 * force and is told of others by letter; when the last one has them the old
 * ones are freed. Only the endpoints live on, with their configuration, as long
 * as there are connections that came in by them. Endpoints that a reload does
 * not change are the same ones, so that reloads alone take no memory.
 */
#ifndef NATTER_DAEMON_SETTINGS_H
#define NATTER_DAEMON_SETTINGS_H

#include "daemon/config.h"
#include "daemon/faults.h"

struct certificates;
struct endpoints;
struct net_list;
struct tokens;

struct settings {
	struct config *config;
	struct endpoints *endpoints;
	struct tokens *tokens;
	struct certificates *certificates;
	struct net_list *trusted_proxies, *address_exempt;
};

/* Takes CFG. NOW: those in force, or NULL. NULL: FAULTS says why. */
struct settings *settings_new(struct config *cfg, const struct settings *now, struct faults *faults);

/* NULL is fine. */
void settings_free(struct settings *s);

#endif
