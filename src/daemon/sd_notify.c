#include <config.h>

#include "daemon/sd_notify.h"

#ifdef NATTER_PORTABLE

void sd_notify_send(const char *state) { (void)state; }

uint32_t sd_notify_watchdog(void) { return 0; }

#else

#include "base/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void sd_notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof(a.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(a.sun_path, path, n);
	if (path[0] == '@')
		a.sun_path[0] = '\0'; /* an abstract socket */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&a,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		log_warning("cannot notify systemd", "error=\"%s\"", strerror(errno));
	if (fd >= 0)
		close(fd);
}

static unsigned long long number(const char *variable)
{
	const char *s = getenv(variable);

	return s ? strtoull(s, NULL, 10) : 0;
}

uint32_t sd_notify_watchdog(void)
{
	unsigned long long us = number("WATCHDOG_USEC"), pid = number("WATCHDOG_PID");

	if (pid != 0 && pid != (unsigned long long)getpid())
		return 0;
	return us / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(us / 1000);
}

#endif
