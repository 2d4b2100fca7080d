/*
 * reload: from a configuration's source to settings in force, also again.
 *
 * A reload reads the source whole, makes everything new that it needs (tokens,
 * endpoints, sockets) and only then has the crew turn to it; or it changes
 * nothing and logs what is wrong. What is asked for while one is under way
 * makes one more, afterwards. Belongs to the first worker's thread.
 */
#ifndef NATTER_DAEMON_RELOAD_H
#define NATTER_DAEMON_RELOAD_H

#include "daemon/faults.h"

#include <stdbool.h>

struct config;
struct crew;
struct reload;
struct settings;

/* Where the configuration is from: as the command line says it. */
struct reload_source {
	const char *file;        /* NULL: defaults */
	const char *host, *port; /* instead of its listeners; NULL: those */
	const char *user;        /* instead of the option; NULL: that */
	bool any_host;           /* set by loading: HOST is no address, all are listened on */
};

/* The caller owns it. NULL: FAULTS says why. */
struct config *reload_load(struct reload_source *from, struct faults *faults);

/* Before CFG is put to use: logs what is to be known of it, and lets it have as many files as it may. */
void reload_prepare(struct config *cfg);

/* FROM is copied, C must outlive it. NULL: no memory. */
struct reload *reload_new(const struct reload_source *from, struct crew *c);

/* From the first worker's loop: loads the source again. */
void reload_start(struct reload *r);

/* NULL is fine. */
void reload_free(struct reload *r);

#endif
