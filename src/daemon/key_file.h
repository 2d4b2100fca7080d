/*
 * key_file: the key that signs session secrets, kept in the state directory.
 *
 * session.key is 32 random bytes that nobody but natterd may read. It is made
 * when it is missing, whole or not at all; sessions outlive a restart by it.
 */
#ifndef NATTER_DAEMON_KEY_FILE_H
#define NATTER_DAEMON_KEY_FILE_H

#include "chat/secret.h"

#include <stddef.h>

/*
 * Reads FOLDER's key, or makes it. FOLDER is locked by us. 1: it is there, but
 * could not be stored, ERR says why; 0; or -1, and ERR says why: there is a
 * file that cannot be read, is no key, or can be read by others.
 */
int key_file_load(const char *folder, struct secret_key *key, char *err, size_t errlen);

#endif
