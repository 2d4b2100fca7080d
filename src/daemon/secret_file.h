/*
 * secret_file: a small file with a secret, or with a key, read whole.
 */
#ifndef NATTER_DAEMON_SECRET_FILE_H
#define NATTER_DAEMON_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_FILE_MAX (16 * 1024) /* bytes */

/* The caller's, some 16 KB; to be wiped when it has been used. */
struct secret_file {
	size_t len;
	char bytes[SECRET_FILE_MAX];
};

/*
 * Reads PATH, as far as there is room; a longer one is cut. NULL, or what is
 * wrong (static, or strerror()'s): it cannot be read, is no file, or everybody
 * on the machine may write it; or, if it is a SECRET, read it.
 */
const char *secret_file_read(struct secret_file *f, const char *path, bool secret);

void secret_file_wipe(struct secret_file *f);

#endif
