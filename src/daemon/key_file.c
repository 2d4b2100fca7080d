#include <config.h>

#include "daemon/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "session.key"
#define NEW_NAME "session.key.new" /* what a start that failed may have left */

/* What is wrong with the open file, or NULL: KEY is filled. */
static const char *read_key(int fd, struct secret_key *key)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is no file";
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return "others than its owner have access to it: chmod 0600 it, or remove it and sessions begin anew";
	do
		n = read(fd, key->bytes, SECRET_KEY_LEN);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return strerror(errno);
	if (n != SECRET_KEY_LEN || st.st_size != SECRET_KEY_LEN)
		return "it is no key, for that has 32 bytes: remove it, and sessions begin anew";
	return NULL;
}

static bool write_all(int fd, const struct secret_key *key)
{
	size_t done = 0;

	while (done < SECRET_KEY_LEN) {
		ssize_t n = write(fd, key->bytes + done, SECRET_KEY_LEN - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			return false;
	}
	return fsync(fd) == 0;
}

/* FOLDER, open, gets the key as its file, whole or not at all. errno says why not. */
static bool store(int folder, const struct secret_key *key)
{
	bool good;
	int fd, e;

	unlinkat(folder, NEW_NAME, 0);
	fd = openat(folder, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	good = write_all(fd, key);
	e = errno;
	if (close(fd) < 0 && good) {
		good = false;
		e = errno;
	}
	if (good && renameat(folder, NEW_NAME, folder, NAME) == 0 && fsync(folder) == 0)
		return true;
	if (good)
		e = errno;
	unlinkat(folder, NEW_NAME, 0);
	errno = e;
	return false;
}

static int make(int folder, struct secret_key *key, char *err, size_t errlen)
{
	if (!secret_key_draw(key)) {
		snprintf(err, errlen, "OpenSSL has no random numbers");
		return -1;
	}
	if (store(folder, key))
		return 0;
	snprintf(err, errlen, "%s", strerror(errno));
	return 1;
}

int key_file_load(const char *folder, struct secret_key *key, char *err, size_t errlen)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, rc;
	const char *why;

	if (dir < 0) {
		snprintf(err, errlen, "state_dir %s: %s", folder, strerror(errno));
		return -1;
	}
	fd = openat(dir, NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT) {
		rc = make(dir, key, err, errlen);
	} else {
		why = fd < 0 ? strerror(errno) : read_key(fd, key);
		if (why)
			snprintf(err, errlen, "%s/%s: %s", folder, NAME, why);
		rc = why ? -1 : 0;
	}
	if (fd >= 0)
		close(fd);
	close(dir);
	return rc;
}
