#include <config.h>

#include "daemon/readable.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define LINKS_MAX 16

/* What stands in the way: a path, and what is needed there. */
struct obstacle {
	char path[PATH_SIZE];
	bool folder; /* to be entered, not read */
};

static bool is_denied(const char *path, int mode) { return faccessat(AT_FDCWD, path, mode, AT_EACCESS) < 0 && errno == EACCES; }

/* Where the symbolic link PATH leads, as seen from here. false: it is none. */
static bool follow(const char *path, char to[PATH_SIZE])
{
	const char *slash = strrchr(path, '/');
	size_t dir = slash ? (size_t)(slash - path) + 1 : 0;
	char target[PATH_SIZE];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	return snprintf(to, PATH_SIZE, "%.*s%s", target[0] == '/' ? 0 : (int)dir, path, target) < PATH_SIZE;
}

/* The first obstacle on the way to PATH, which is to be read, or entered where it is a FOLDER. */
static bool find(const char *path, bool folder, int links, struct obstacle *o)
{
	char part[PATH_SIZE], to[PATH_SIZE];
	size_t len = strlen(path);

	for (size_t i = 1; i <= len && len < sizeof(part); i++) {
		bool enter = i < len || folder;

		if (i < len && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (links < LINKS_MAX && follow(part, to)) {
			if (find(to, enter, links + 1, o))
				return true;
		} else if (is_denied(part, enter ? X_OK : R_OK)) {
			memcpy(o->path, part, i + 1);
			o->folder = enter;
			return true;
		}
	}
	return false;
}

/* PATH as a word for the shell. */
static void quote(const char *path, char *buf, size_t size)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@%:,=";
	size_t n = 0;

	if (path[strspn(path, plain)] == '\0' && path[0] != '-') {
		snprintf(buf, size, "%s", path);
		return;
	}
	buf[n++] = '\'';
	for (; *path && n + 6 < size; path++)
		n += (size_t)snprintf(buf + n, size - n, *path == '\'' ? "'\\''" : "%c", *path);
	snprintf(buf + n, size - n, "'");
}

static void explain(const struct obstacle *o, char *why, size_t size)
{
	const struct passwd *pw = getpwuid(geteuid());
	const char right = o->folder ? 'x' : 'r';
	char word[PATH_SIZE];

	quote(o->path, word, sizeof(word));
#ifdef __linux__
	snprintf(why, size, "the user %s may not %s %s; to mend it: setfacl -m u:%s:%c %s", pw ? pw->pw_name : "of natterd",
		 o->folder ? "enter" : "read", o->path, pw ? pw->pw_name : "natterd", right, word);
#else
	const struct group *gr = getgrgid(getegid());

	snprintf(why, size, "the user %s may not %s %s; to mend it: chgrp %s %s && chmod g+%c %s",
		 pw ? pw->pw_name : "of natterd", o->folder ? "enter" : "read", o->path, gr ? gr->gr_name : "natterd", word,
		 right, word);
#endif
}

bool readable(const char *path, char *why, size_t size)
{
	struct obstacle o;

	if (!is_denied(path, R_OK))
		return true;
	snprintf(why, size, "%s", strerror(EACCES));
	if (path[0] != '/' && is_denied(".", X_OK) && getcwd(o.path, sizeof(o.path)))
		o.folder = true;
	else if (!find(path, false, 0, &o))
		return false;
	explain(&o, why, size);
	return false;
}

struct check {
	void (*problem)(const char *text);
	unsigned n;
};

static void check(void *arg, const char *path, const char *where)
{
	struct check *c = arg;
	char why[2 * PATH_SIZE + 256], text[4 * PATH_SIZE];

	if (readable(path, why, sizeof(why)))
		return;
	c->n++;
	snprintf(text, sizeof(text), "%s: %s: %s", where, path, why);
	c->problem(text);
}

unsigned readable_check(const struct config *cfg, void (*problem)(const char *text))
{
	struct check c = { problem, 0 };

	config_each_file(cfg, check, &c);
	return c.n;
}
