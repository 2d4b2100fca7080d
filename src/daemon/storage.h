/*
 * storage: the state directory, and what is in it: the journal that the
 * configuration asks for, and the key that signs session secrets.
 *
 * The directory is option state_dir, else the one that systemd names in
 * $STATE_DIRECTORY, else there is none. It is locked as long as the storage is
 * there, so that no two daemons share it. The lock outlives a fork: it is
 * taken before the daemon detaches, and the journal is made afterwards, for
 * threads and open databases would not.
 */
#ifndef NATTER_DAEMON_STORAGE_H
#define NATTER_DAEMON_STORAGE_H

#include "daemon/config.h"

#include "chat/journal.h"
#include "chat/secret.h"

#include <stdbool.h>
#include <stddef.h>

struct storage;

/* CFG must stay until the journal is made. NULL: ERR says why. */
struct storage *storage_open(const struct config *cfg, char *err, size_t errlen);

/*
 * The key for session secrets: the state directory's, else one that ends with
 * this process. It is the storage's.
 */
const struct secret_key *storage_secret_key(const struct storage *s);

/* Whether there is a state directory, so that the key is that of the last start. */
bool storage_is_kept(const struct storage *s);

/* The journal, which is to be freed before the storage is. NULL: ERR says why. */
struct journal *storage_journal(const struct storage *s, char *err, size_t errlen);

/* NULL is fine. */
void storage_free(struct storage *s);

#endif
