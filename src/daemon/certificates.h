/*
 * certificates: what the configuration says of TLS, as net's struct tls for
 * each listener that speaks it, and the keys of their tickets.
 *
 * All files are read at once, so that a reload has new ones whole or not at
 * all: make new certificates, and when the rest of the configuration is good
 * as well give them to the listeners (listeners_set_tls) and free the old ones.
 */
#ifndef NATTER_DAEMON_CERTIFICATES_H
#define NATTER_DAEMON_CERTIFICATES_H

#include "daemon/config.h"

struct certificates;
struct tls;

/*
 * Reads all that CFG names. BEFORE (or NULL) are those of until now, whose
 * ticket keys live on where no file gives others. NULL: ERR names the file and
 * what is wrong with it, and BEFORE is as it was.
 */
struct certificates *certificates_new(const struct config *cfg, const struct certificates *before, char *err,
				      size_t errlen);

/* NULL is fine. Connections keep what they need. */
void certificates_free(struct certificates *c);

/* What the listener NAME speaks; NULL: plain. */
struct tls *certificates_of(const struct certificates *c, const char *name);

#endif
