#include <config.h>

#include "daemon/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *bad_mode(int fd, bool secret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is no file";
	if (secret && (st.st_mode & (S_IROTH | S_IWOTH)))
		return "everybody on this machine can read or write it: chmod o-rw it";
	return st.st_mode & S_IWOTH ? "everybody on this machine can write it: chmod o-w it" : NULL;
}

const char *secret_file_read(struct secret_file *f, const char *path, bool secret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would keep us waiting */
	const char *why;
	ssize_t n = 1;

	f->len = 0;
	if (fd < 0)
		return strerror(errno);
	why = bad_mode(fd, secret);
	while (why == NULL && n != 0 && f->len < sizeof(f->bytes)) {
		n = read(fd, f->bytes + f->len, sizeof(f->bytes) - f->len);
		if (n < 0 && errno != EINTR)
			why = strerror(errno);
		f->len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	return why;
}

/* As memset, but not to be left out because nobody reads it. */
void secret_file_wipe(struct secret_file *f)
{
	volatile char *p = f->bytes;

	for (size_t i = 0; i < sizeof(f->bytes); i++)
		p[i] = 0;
}
