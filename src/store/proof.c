#include <config.h>

#include "store/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "natter journal %7s %7s run=%39s boot=%39s inode=%" SCNu64 " size=%" SCNu64 " changed=%" SCNd64

int proof_read(const char *mark, struct proof *p)
{
	char state[8], durability[8];
	FILE *f = fopen(mark, "re");
	int n;

	if (f == NULL)
		return 0;
	memset(p, 0, sizeof(*p));
	n = fscanf(f, FORMAT, state, durability, p->run, p->boot, &p->inode, &p->size, &p->changed);
	fclose(f);
	if (n != 7)
		return 0;
	p->clean = strcmp(state, "clean") == 0;
	p->disk = strcmp(durability, "disk") == 0;
	if (strcmp(p->boot, "?") == 0)
		p->boot[0] = '\0';
	return 1;
}

static int sync_folder_of(const char *path)
{
	char folder[4200];
	char *slash;
	int fd, rc;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	fd = open(slash ? folder : ".", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

int proof_write(const char *mark, const struct proof *p)
{
	char fresh[4200], text[320];
	int fd, n, wrong;
	bool good;

	n = snprintf(fresh, sizeof(fresh), "%s.new", mark);
	if (n < 0 || (size_t)n >= sizeof(fresh)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	n = snprintf(text, sizeof(text),
		     "natter journal %s %s run=%s boot=%s inode=%" PRIu64 " size=%" PRIu64 " changed=%" PRId64 "\n",
		     p->clean ? "clean" : "running", p->disk ? "disk" : "process", p->run, p->boot[0] ? p->boot : "?",
		     p->inode, p->size, p->changed);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return -1;
	good = write(fd, text, (size_t)n) == n && fsync(fd) == 0;
	wrong = errno;
	if (close(fd) == 0 && good && rename(fresh, mark) == 0)
		return sync_folder_of(mark);
	if (!good)
		errno = wrong;
	unlink(fresh);
	return -1;
}

int proof_of_file(const char *path, struct proof *p)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	p->inode = (uint64_t)st.st_ino;
	p->size = (uint64_t)st.st_size;
#ifdef __APPLE__
	p->changed = (int64_t)st.st_ctimespec.tv_sec * 1000000000 + st.st_ctimespec.tv_nsec;
#else
	p->changed = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
#endif
	return 1;
}

void proof_of_boot(struct proof *p)
{
	p->boot[0] = '\0';
#if defined __linux__ && !defined NATTER_PORTABLE
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f == NULL)
		return;
	if (fscanf(f, "%39s", p->boot) != 1)
		p->boot[0] = '\0';
	fclose(f);
#endif
}

const char *proof_lacks(const struct proof *mark, const struct proof *now)
{
	if (mark->inode != now->inode || strcmp(mark->run, now->run) != 0)
		return "the file is another one than was in use: restored, repaired or moved";
	if (mark->clean)
		return mark->changed == now->changed && mark->size == now->size
			       ? NULL
			       : "the file was changed after the last stop";
	if (mark->disk || (mark->boot[0] && strcmp(mark->boot, now->boot) == 0))
		return NULL;
	return mark->boot[0] && now->boot[0] ? "the machine stopped while the durability was below disk"
					     : "natterd was killed, the durability was below disk, and whether the "
					       "machine stopped cannot be known here";
}
