#include <config.h>

#include "daemon/given_sockets.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_FD 3

static long number(const char *variable)
{
	const char *s = getenv(variable);
	char *end;
	long n = s ? strtol(s, &end, 10) : 0;

	return s && *s && *end == '\0' ? n : 0;
}

/* The names lie in a copy that stays for good. */
static void read_names(struct given_sockets *g)
{
	const char *s = getenv("LISTEN_FDNAMES");
	char *names = s ? strdup(s) : NULL;

	for (int i = 0; i < g->n; i++) {
		char *name = names ? strsep(&names, ":") : NULL;

		g->name[i] = name && *name ? name : "unknown";
	}
}

void given_sockets_find(struct given_sockets *g)
{
	long n = number("LISTEN_PID") == (long)getpid() ? number("LISTEN_FDS") : 0;

	memset(g, 0, sizeof(*g));
	g->n = n < 0 ? 0 : n > GIVEN_SOCKETS_MAX ? GIVEN_SOCKETS_MAX : (int)n;
	read_names(g);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

int given_sockets_take(struct given_sockets *g, const char *name)
{
	for (int i = 0; i < g->n; i++) {
		if (g->taken[i] || (name && strcmp(g->name[i], name) != 0))
			continue;
		g->taken[i] = 1;
		return FIRST_FD + i;
	}
	return -1;
}
