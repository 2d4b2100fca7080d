/*
 * flooder: one address that does what it may not, as fast as it can.
 *
 *     flooder connect|handshake|garbage|mute SOURCE HOST PORT SECONDS
 *
 * connect    opens connections and resets them
 * handshake  sends requests that are no handshakes, and waits for what comes
 * garbage    sends 1000 random bytes
 * mute       opens connections, says nothing, and keeps them until they are closed
 *
 * At the end it says how many connections it opened, and how many of them were
 * reset without an answer. For tests/bench/flood.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AT_A_TIME 64

static const char request[] = "GET /flood HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: wrong\r\n\r\n";

static struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET };
static struct pollfd at[AT_A_TIME];
static unsigned long opened, resets, answers;
static char data[1000];
static const char *what;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void hang_up(struct pollfd *p)
{
	struct linger l = { .l_onoff = 1 };

	setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(p->fd);
	p->fd = -1;
}

static void begin(struct pollfd *p)
{
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	p->events = POLLOUT;
	if (p->fd < 0)
		return;
	if (bind(p->fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    (connect(p->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)) {
		resets += errno == ECONNRESET;
		hang_up(p);
	}
}

/* It is open: says what it has to say. */
static void speak(struct pollfd *p)
{
	bool handshake = what[0] == 'h';

	opened++;
	p->events = POLLIN;
	if (what[0] == 'c')
		hang_up(p);
	else if (what[0] != 'm' && send(p->fd, handshake ? request : data, handshake ? sizeof(request) - 1 : sizeof(data),
					MSG_NOSIGNAL) < 0) {
		resets++;
		hang_up(p);
	}
}

static void listen_to(struct pollfd *p)
{
	char answer[4096];
	ssize_t n = recv(p->fd, answer, sizeof(answer), MSG_DONTWAIT);

	answers += n > 0;
	resets += n < 0;
	hang_up(p);
}

int main(int argc, char **argv)
{
	double end;

	if (argc != 6 || inet_pton(AF_INET, argv[2], &from.sin_addr) != 1 || inet_pton(AF_INET, argv[3], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: flooder connect|handshake|garbage|mute SOURCE HOST PORT SECONDS\n");
		return 2;
	}
	what = argv[1];
	to.sin_port = htons((uint16_t)atoi(argv[4]));
	end = now() + atof(argv[5]);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)rand();
	for (int i = 0; i < AT_A_TIME; i++)
		at[i].fd = -1;
	while (now() < end) {
		for (int i = 0; i < AT_A_TIME; i++)
			if (at[i].fd < 0)
				begin(&at[i]);
		if (poll(at, AT_A_TIME, 100) < 0)
			return 1;
		for (int i = 0; i < AT_A_TIME; i++) {
			if (at[i].fd < 0 || at[i].revents == 0)
				continue;
			if (at[i].revents & (POLLERR | POLLHUP) && at[i].events == POLLOUT) {
				opened++;
				resets++;
				hang_up(&at[i]);
			} else if (at[i].events == POLLOUT) {
				speak(&at[i]);
			} else {
				listen_to(&at[i]);
			}
		}
	}
	printf("opened=%lu answers=%lu resets=%lu\n", opened, answers, resets);
	return 0;
}
