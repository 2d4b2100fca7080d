/*
 * workers [OPTION...]: how long natterd's own workers need to hand messages to sockets, by the wall.
 *
 * One process: the daemon's crew (settings, fronts, hubs, fan-outs, journal memory) with so many
 * workers, and clients at the other ends of unix sockets, which are dealt to the workers in turn.
 * A part: the publishers of all rooms write their bursts, one after the other, while the workers stand at a
 * gate (the writing is no worker's work, and would take a core from them); the clock runs from its opening
 * to the last byte that lies in a member's socket. Then, with the clock stopped,
 * everybody's socket is read, and each member has to have every message of its room once, in its
 * publisher's order and in the one order (seq) that the others of the room have. Worker i has core i, and
 * what it sent is read there: memory of the system that another core gives back is dearer the next time. Sockets have room for all of a part, so nobody's reader is slow, and no load
 * generator takes a worker's core: with N workers on N cores this is what workers bring.
 *
 *     --workers N    1         --rooms N     1        --members N    of a room, 4000
 *     --publishers N of them, 1
 *     --burst N      messages that a publisher writes at a time, 8
 *     --bursts N     of a part, each when the room's first publisher has its copy of the last one; 1
 *     --parts N      40, besides 5 before that do not count
 *
 * Prints one JSON object: wall_us_per_delivery, cpu_us_per_delivery, sends_per_delivery and busiest_percent (the
 * share that the busiest worker has of all workers' CPU time) are of the parts together; the exit status is 1
 * where anything was lost, doubled or misordered.
 */
#include <config.h>

#include "daemon/crew.h"
#include "daemon/reload.h"
#include "daemon/settings.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "wire/ws_frame.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP 5 /* parts */
#define TEXT_MAX 100
#define DEADLINE_US 60000000
#define WORKERS_MAX 64
#define PUBLISHERS_MAX 64
#define BURST_MAX 400

static struct {
	unsigned workers, rooms, members, publishers, burst, bursts, parts;
} o = { 1, 1, 4000, 1, 8, 1, 40 };

struct member {
	int fd;
};

struct room {
	struct member *members; /* the first ones publish */
	uint64_t seq;           /* of its last message */
	uint64_t *said;         /* by each publisher */
	uint64_t order;         /* of this part's messages, as its members had them; 0: nobody was asked yet */
	size_t expected;        /* bytes for each member in this part so far */
};

static struct room *rooms;
static size_t envelope; /* bytes of a frame but for its seq's digits; 0: not known yet */
static char folder[] = "/tmp/natter-workers-XXXXXX";
static char *part_buffer;
static struct crew *crew;

static void die(const char *what)
{
	fprintf(stderr, "workers: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void wrong(const char *what, unsigned room, unsigned member)
{
	fprintf(stderr, "workers: room %u, member %u: %s\n", room, member, what);
	exit(1);
}

/* ---- the daemon ---- */

static void write_config(const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		die(path);
	/* seccomp would be this program's, too. */
	fprintf(f, "listener main { path = \"%s/s\" }\nendpoint \"/*\" { handler = chat }\nworkers = %u\nseccomp = no\n"
		   "announce = off\nmessage_rate = 0\nbyte_rate = 0\nmax_connections = %u\nmax_rooms = 100000\n"
		   "ping_interval = 0\nlog_level = warning\n", folder, o.workers, o.rooms * o.members + 10);
	fclose(f);
}

static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	(void)arg;
	crew_stop(crew);
}

static struct event *stop;

/* Made on the main thread, so that there is somebody to connect to when this returns. */
static void prepare(void)
{
	char why[FAULTS_SIZE], path[sizeof(folder) + 10], err[256];
	struct faults faults;
	struct reload_source source = { .file = path };
	struct config *cfg;
	struct settings *s;

	if (mkdtemp(folder) == NULL)
		die(folder);
	snprintf(path, sizeof(path), "%s/conf", folder);
	write_config(path);
	faults_init(&faults, why, sizeof(why));
	log_set_level(LOG_LEVEL_WARNING);
	cfg = reload_load(&source, &faults);
	unlink(path);
	if (cfg)
		reload_prepare(cfg);
	s = cfg ? settings_new(cfg, NULL, &faults) : NULL;
	crew = s ? crew_open(s, &faults) : NULL;
	if (crew == NULL) {
		fprintf(stderr, "workers: %s\n", why);
		exit(2);
	}
	if (crew_prepare(crew, err, sizeof(err)) < 0) {
		fprintf(stderr, "workers: %s\n", err);
		exit(2);
	}
	stop = evsignal_new(crew_base(crew), SIGUSR2, on_stop, NULL);
	if (stop == NULL || evsignal_add(stop, NULL) < 0)
		die("no memory");
}

/*
 * The gate: libevent calls this in the place of the system's. A worker that something woke waits until the gate,
 * which is locked while publishers write, is open, and then looks again at what there is.
 */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	int n = (int)syscall(SYS_epoll_pwait, fd, events, max, timeout, NULL, 0);

	if (pthread_mutex_trylock(&gate) != 0) {
		pthread_mutex_lock(&gate);
		n = (int)syscall(SYS_epoll_pwait, fd, events, max, 0, NULL, 0);
	}
	pthread_mutex_unlock(&gate);
	return n;
}

static void *serve(void *arg)
{
	char err[256];

	(void)arg;
	if (crew_start(crew, err, sizeof(err)) < 0) {
		fprintf(stderr, "workers: %s\n", err);
		exit(2);
	}
	crew_run(crew);
	return NULL;
}

/* ---- CPU time: this thread's is not a worker's ---- */

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static clockid_t clocks[WORKERS_MAX]; /* the workers' */
static cpu_set_t cores;               /* this process may use */

/* The I-th of them, and again from the first one. */
static cpu_set_t core(unsigned i)
{
	cpu_set_t one;
	int cpu = -1;

	CPU_ZERO(&one);
	for (i %= (unsigned)CPU_COUNT(&cores); !CPU_ISSET(++cpu, &cores) || i-- > 0;)
		;
	CPU_SET(cpu, &one);
	return one;
}

/* This thread goes on at worker I's core. */
static void go_to(unsigned i)
{
	cpu_set_t one = core(i);

	sched_setaffinity(0, sizeof(one), &one);
}

/* All threads but this one, in their order: each to its core. Linux names their clocks as clock_getcpuclockid(3) does. */
static void find_workers(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && atoi(e->d_name) != getpid() && n < o.workers) {
			cpu_set_t one = core(n);

			sched_setaffinity(atoi(e->d_name), sizeof(one), &one);
			clocks[n++] = ~(clockid_t)atoi(e->d_name) * 8 + 6;
		}
	if (d)
		closedir(d);
	if (n != o.workers)
		die("the workers' threads");
}

static void read_clocks(double cpu[WORKERS_MAX])
{
	for (unsigned i = 0; i < o.workers; i++)
		cpu[i] = seconds_of(clocks[i]);
}

/* ---- clients ---- */

static int open_client(unsigned room)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char text[512];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t len = 0;
	ssize_t n;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", folder);
	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		die("connecting");
	n = snprintf(text, sizeof(text), "GET /room%08u HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n", room);
	if (write(fd, text, (size_t)n) != n)
		die("asking");
	do {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n <= 0)
			die("the opening handshake");
		len += (size_t)n;
		text[len] = '\0';
	} while (strstr(text, "\r\n\r\n") == NULL);
	if (strstr(text, " 101 ") == NULL || len != (size_t)(strstr(text, "\r\n\r\n") - text) + 4)
		die("the opening handshake");
	return fd;
}

/* A masked frame (mask 0) with message N of PUBLISHER in ROOM. */
static size_t put_message(char *out, unsigned room, unsigned publisher, uint64_t n)
{
	unsigned char *head = (unsigned char *)out;
	int len = snprintf(out + 6, TEXT_MAX, "{\"message\":\"%08u %08u %08llu xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}",
			   room, publisher, (unsigned long long)n);

	head[0] = 0x80 | WS_OP_TEXT;
	head[1] = (unsigned char)(0x80 | len);
	memset(out + 2, 0, 4);
	return (size_t)len + 6;
}

static unsigned digits(uint64_t n)
{
	unsigned d = 1;

	for (; n >= 10; n /= 10)
		d++;
	return d;
}

static void publish(unsigned room, unsigned publisher)
{
	static char out[65536];
	struct room *r = &rooms[room];
	size_t len = 0;

	for (unsigned i = 0; i < o.burst; i++) {
		r->seq++;
		len += put_message(out + len, room, publisher, ++r->said[publisher]);
		r->expected += envelope + digits(r->seq);
	}
	if (write(r->members[publisher].fd, out, len) != (ssize_t)len)
		die("publishing");
}

/* ---- what has arrived ---- */

static size_t arrived(const struct member *m)
{
	int n = 0;

	ioctl(m->fd, FIONREAD, &n);
	return (size_t)n;
}

static void nap(long us) { nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL); }

static uint64_t begun; /* when the gate opened */

/* Until member I of ROOM has it all. Looked at now and then only, for looking takes a worker's core: 2 % late at most. */
static void await(const struct room *r, unsigned i, uint64_t deadline)
{
	while (arrived(&r->members[i]) < r->expected) {
		uint64_t now = clock_us();

		if (now > deadline)
			wrong("nothing comes any more", (unsigned)(r - rooms), i);
		nap(30 + (long)(now - begun) / 50);
	}
}

/*
 * Members are served in the order in which they came, so each worker's last one has it last: their sockets are
 * looked at first, the clock stops, and then all others are looked at, which is to find nothing. Where it does,
 * the clock goes on.
 */
static uint64_t await_all(uint64_t deadline)
{
	uint64_t end;
	bool sure = true;

	for (unsigned room = 0; room < o.rooms; room++)
		for (unsigned i = o.members > o.workers ? o.members - o.workers : 0; i < o.members; i++)
			await(&rooms[room], i, deadline);
	end = clock_us();
	for (unsigned room = 0; room < o.rooms; room++)
		for (unsigned i = 0; i < o.members; i++)
			if (arrived(&rooms[room].members[i]) < rooms[room].expected) {
				sure = false;
				await(&rooms[room], i, deadline);
			}
	return sure ? end : clock_us();
}

static const char *find(const char *at, size_t len, const char *what)
{
	return memmem(at, len, what, strlen(what));
}

/* Reads what member I has of this part; its length. */
static size_t drain(unsigned room, unsigned i)
{
	const struct room *r = &rooms[room];
	size_t len = 0;

	while (len < r->expected) {
		ssize_t n = recv(r->members[i].fd, part_buffer + len, r->expected - len, MSG_DONTWAIT);

		if (n <= 0)
			wrong("less than it was", room, i);
		len += (size_t)n;
	}
	if (arrived(&r->members[i]))
		wrong("more than was said", room, i);
	return len;
}

/* What member I has, message by message. */
static void check(unsigned room, unsigned i, uint64_t said)
{
	struct room *r = &rooms[room];
	const char *at = part_buffer, *end = part_buffer + drain(room, i), *seq;
	uint64_t order = 1, before[PUBLISHERS_MAX];
	unsigned in, publisher;
	unsigned long long n;

	for (unsigned p = 0; p < o.publishers; p++)
		before[p] = r->said[p] - said / o.publishers;
	for (uint64_t next = r->seq - said + 1; next <= r->seq; next++) {
		seq = find(at, (size_t)(end - at), "\"seq\":");
		at = find(at, (size_t)(end - at), "\"message\":");
		if (seq == NULL || strtoull(seq + 6, NULL, 10) != next)
			wrong("another seq than is next", room, i);
		if (at == NULL || sscanf(at + 10, "\"%u %u %llu ", &in, &publisher, &n) != 3 || in != room ||
		    publisher >= o.publishers || n != ++before[publisher])
			wrong("another message than is next", room, i);
		order = order * UINT64_C(1000003) + publisher;
		at = at > seq ? at : seq;
		at += 6;
	}
	if (r->order && order != r->order)
		wrong("another order than those before it", room, i);
	r->order = order;
}

/* ---- a part ---- */

/* Bytes of a frame, from the first message of all. */
static void learn_envelope(void)
{
	struct room *r = &rooms[0];
	unsigned burst = o.burst;
	uint64_t deadline = clock_us() + DEADLINE_US;
	size_t n = 0;

	o.burst = 1;
	publish(0, 0);
	o.burst = burst;
	for (unsigned i = 0; i < o.members; i++) {
		while (arrived(&r->members[i]) == 0 && clock_us() < deadline)
			nap(100);
		n = (size_t)recv(r->members[i].fd, part_buffer, 4096, MSG_DONTWAIT);
	}
	envelope = n - digits(r->seq);
	r->expected = 0;
}

/* The wall's us. */
static uint64_t run_part(void)
{
	uint64_t deadline = clock_us() + DEADLINE_US;

	begun = clock_us();
	pthread_mutex_lock(&gate);
	for (unsigned burst = 0; burst < o.bursts; burst++) {
		for (unsigned room = 0; room < o.rooms; room++) {
			if (burst)
				await(&rooms[room], 0, deadline);
			for (unsigned p = 0; p < o.publishers; p++)
				publish(room, p);
		}
		if (burst == 0) {
			begun = clock_us();
			pthread_mutex_unlock(&gate);
		}
	}
	return await_all(deadline) - begun;
}

static void clear_part(void)
{
	/* Worker w has every o.workers-th client, as they came. */
	for (unsigned w = 0; w < o.workers; w++) {
		go_to(w);
		for (unsigned n = w; n < o.rooms * o.members; n += o.workers)
			check(n / o.members, n % o.members, (uint64_t)o.burst * o.bursts * o.publishers);
	}
	sched_setaffinity(0, sizeof(cores), &cores);
	for (unsigned room = 0; room < o.rooms; room++)
		rooms[room].expected = rooms[room].order = 0;
	nap(5000000); /* a fan-out rests for 4 ms at most */
}

/* A counter of all workers. */
static double counter(const char *name)
{
	char line[STAT_COUNT * 48], what[40];
	const char *at;

	crew_stats(crew, o.workers, line, sizeof(line));
	snprintf(what, sizeof(what), " %s=", name);
	at = strstr(line, what);
	return at ? strtod(at + strlen(what), NULL) : 0;
}

static double sends(void) { return counter("sends") + counter("ring_sends"); }

static void run(void)
{
	double before[WORKERS_MAX], after[WORKERS_MAX], each[WORKERS_MAX] = { 0 }, cpu = 0, busiest = 0;
	double deliveries = (double)o.rooms * o.members * o.publishers * o.burst * o.bursts * o.parts;
	uint64_t wall = 0;
	double sent = 0;

	for (unsigned part = 0; part < WARM_UP + o.parts; part++) {
		uint64_t us;

		if (part == WARM_UP)
			sent = sends();
		read_clocks(before);
		us = run_part();
		read_clocks(after);
		for (unsigned i = 0; i < o.workers && part >= WARM_UP; i++)
			each[i] += after[i] - before[i];
		wall += part >= WARM_UP ? us : 0;
		clear_part();
	}
	for (unsigned i = 0; i < o.workers; i++) {
		cpu += each[i];
		busiest = each[i] > busiest ? each[i] : busiest;
	}
	printf("{\"workers\": %u, \"rooms\": %u, \"members\": %u, \"deliveries\": %.0f, \"wall_us_per_delivery\": %.4f, "
	       "\"cpu_us_per_delivery\": %.4f, \"busiest_percent\": %.1f, \"sends_per_delivery\": %.3f}\n", o.workers, o.rooms, o.members, deliveries, (double)wall / deliveries,
	       cpu * 1e6 / deliveries, 100 * busiest / cpu, (sends() - sent) / deliveries);
}

/* ---- all of it ---- */

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "workers", required_argument, NULL, 'w' }, { "rooms", required_argument, NULL, 'r' },
		{ "members", required_argument, NULL, 'm' }, { "publishers", required_argument, NULL, 'u' }, { "burst", required_argument, NULL, 'b' },
		{ "bursts", required_argument, NULL, 'B' },  { "parts", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned *const values[] = { &o.workers, &o.rooms, &o.members, &o.publishers, &o.burst, &o.bursts, &o.parts };
	int c, i;

	while ((c = getopt_long(argc, argv, "", options, &i)) != -1) {
		if (c == '?')
			exit(2);
		*values[i] = (unsigned)strtoul(optarg, NULL, 10);
		if (*values[i] == 0 || *values[i] > 100000) {
			fprintf(stderr, "workers: --%s %s: expected a number from 1\n", options[i].name, optarg);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;
	sigset_t set;
	pthread_t first;
	size_t part;

	parse(argc, argv);
	if (o.workers > WORKERS_MAX || o.publishers > PUBLISHERS_MAX || o.publishers > o.members || o.burst > BURST_MAX) {
		fputs("workers: too many workers, publishers or messages\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1UL);
	sched_getaffinity(0, sizeof(cores), &cores);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur != RLIM_INFINITY && files.rlim_cur < (rlim_t)o.rooms * o.members * 2 + 100) {
		fprintf(stderr, "workers: both ends of so many connections are more than %lu open files\n",
			(unsigned long)files.rlim_cur);
		return 2;
	}
	prepare();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	if (pthread_create(&first, NULL, serve, NULL) != 0)
		die("a thread");
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* the first worker's */

	rooms = calloc(o.rooms, sizeof(*rooms));
	part = (size_t)o.publishers * o.burst * o.bursts * 256 + 4096;
	part_buffer = malloc(part);
	if (rooms == NULL || part_buffer == NULL)
		die("no memory");
	for (unsigned room = 0; room < o.rooms; room++) {
		rooms[room].members = calloc(o.members, sizeof(struct member));
		rooms[room].said = calloc(o.publishers, sizeof(uint64_t));
		if (rooms[room].members == NULL || rooms[room].said == NULL)
			die("no memory");
		for (unsigned i = 0; i < o.members; i++)
			rooms[room].members[i].fd = open_client(room);
	}
	find_workers();
	learn_envelope();
	run();
	for (unsigned room = 0; room < o.rooms; room++) {
		for (unsigned i = 0; i < o.members; i++)
			close(rooms[room].members[i].fd);
		free(rooms[room].members);
		free(rooms[room].said);
	}
	kill(getpid(), SIGUSR2);
	pthread_join(first, NULL);
	free(rooms);
	free(part_buffer);
	event_free(stop);
	crew_free(crew);
	rmdir(folder);
	return 0;
}
