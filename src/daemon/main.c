/*
 * main: natterd's command line, signals and process.
 */
#include <config.h>

#include "daemon/certificates.h"
#include "daemon/config.h"
#include "daemon/crew.h"
#include "daemon/origins.h"
#include "daemon/privs.h"
#include "daemon/readable.h"
#include "daemon/sd_notify.h"
#include "daemon/token_table.h"

#include "base/log.h"
#include "base/stats.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Besides connections: listeners, logs, epoll and what libraries open; and for each worker but the first. */
#define OTHER_FILES 64
#define FILES_A_WORKER 8

struct arguments {
	const char *file, *host, *port, *user;
	bool check, detach, print;
};

static const char usage[] =
	"Usage: natterd [-c FILE] [-t] [-d] [-u USER] [HOST PORT]\n"
	"The chat server the WebSocket tutorials should have ended with.\n"
	"\n"
	"  -c, --config FILE   read this configuration (default: " NATTER_CONF_FILE ",\n"
	"                      or built-in defaults where HOST and PORT are given)\n"
	"  -t, --test          check the configuration and exit\n"
	"  -d, --daemon        detach from the terminal once the sockets are open\n"
	"  -u, --user USER     become USER when started as root (default: the option user)\n"
	"      --print-config  print every option with its value in force and exit\n"
	"      --help          print this and exit\n"
	"      --version       print the version and exit\n"
	"\n"
	"HOST PORT replace the configuration's listeners: natterd 127.0.0.1 9600\n"
	"See natterd(8), natterd.conf(5) and natter-protocol(7).\n";

static void bad_usage(const char *what)
{
	fprintf(stderr, "natterd: %s\nTry 'natterd --help'.\n", what);
	exit(2);
}

static void print_and_exit(const char *text)
{
	fputs(text, stdout);
	exit(fflush(stdout) == 0 ? 0 : 1);
}

static struct arguments parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "test", no_argument, NULL, 't' },
		{ "daemon", no_argument, NULL, 'd' },       { "print-config", no_argument, NULL, 'p' },
		{ "user", required_argument, NULL, 'u' },
		{ "help", no_argument, NULL, 'h' },         { "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	struct arguments a = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "c:tdu:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			a.file = optarg;
			break;
		case 't':
			a.check = true;
			break;
		case 'd':
			a.detach = true;
			break;
		case 'u':
			a.user = optarg;
			break;
		case 'p':
			a.print = true;
			break;
		case 'h':
			print_and_exit(usage);
			break;
		case 'v':
			print_and_exit("natterd " PACKAGE_VERSION "\n");
			break;
		default:
			exit(2); /* getopt has said what is wrong */
		}
	}
	if (argc - optind != 0 && argc - optind != 2)
		bad_usage("HOST and PORT come together, and nothing else does");
	if (argc - optind == 2) {
		a.host = argv[optind];
		a.port = argv[optind + 1];
	} else if (a.file == NULL) {
		a.file = NATTER_CONF_FILE;
	}
	return a;
}

static void die(const char *what)
{
	fprintf(stderr, "natterd: %s\n", what);
	exit(1);
}

static struct config *load(const struct arguments *a, bool *any_host)
{
	char err[512];
	struct config *cfg = config_load(a->file, err, sizeof(err));
	int rc;

	if (cfg == NULL)
		die(err);
	if (a->file == NULL && config_allow_all_origins(cfg) < 0)
		die("no memory");
	rc = a->host ? config_set_listener(cfg, a->host, a->port, err, sizeof(err)) : 0;
	if (rc < 0)
		die(err);
	if (a->user) {
		free(cfg->user);
		cfg->user = strdup(a->user);
		if (cfg->user == NULL)
			die(strerror(errno));
	}
	*any_host = rc == 1;
	return cfg;
}

/* Whoever looks for it finds that pages of other sites get in. */
static void tell_origins(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->n_endpoints; i++)
		if (origins_are_all(&cfg->endpoints[i]))
			log_info("pages of every origin may connect", "origins=* endpoint=%s",
				 cfg->endpoints[i].path_pattern);
}

static void complain(const char *text) { fprintf(stderr, "natterd: %s\n", text); }

/* What the configuration names besides itself, as the user that will reload it. */
static void check_files(const struct config *cfg)
{
	char err[512];
	struct certificates *c;
	struct tokens *t;

	if (readable_check(cfg, complain) > 0)
		exit(1);
	t = token_table_new(cfg, err, sizeof(err));
	c = t ? certificates_new(cfg, NULL, err, sizeof(err)) : NULL;
	if (c == NULL)
		die(err);
	certificates_free(c);
	tokens_free(t);
}

/* The configuration itself was read already, maybe as root. What is wrong with it, or NULL. */
static const char *check_file(const char *file)
{
	static char why[8192];

	return file == NULL || readable(file, why, sizeof(why)) ? NULL : why;
}

/* natterd -t */
static void check(const struct arguments *a, const struct config *cfg)
{
	const char *why = check_file(a->file);

	if (why)
		fprintf(stderr, "natterd: %s: %s\n", a->file, why);
	check_files(cfg);
	if (why)
		exit(1);
	fprintf(stderr, "natterd: the configuration is good\n");
}

/* As many files as the system lets us, and no more connections than that. */
static void fit_to_file_limit(struct config *cfg)
{
	struct rlimit r;
	rlim_t others = OTHER_FILES + FILES_A_WORKER * (rlim_t)(crew_size(cfg) - 1);
	rlim_t wanted = (rlim_t)cfg->max_connections + others;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	if (r.rlim_max < wanted && geteuid() == 0) {
		r.rlim_cur = r.rlim_max = wanted;
		setrlimit(RLIMIT_NOFILE, &r);
		getrlimit(RLIMIT_NOFILE, &r);
	}
	if (r.rlim_cur < wanted && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max < wanted ? r.rlim_max : wanted;
		setrlimit(RLIMIT_NOFILE, &r);
		getrlimit(RLIMIT_NOFILE, &r);
	}
	if (r.rlim_cur >= wanted)
		return;
	log_warning("max_connections is lowered to what the file limit allows", "max_connections=%u limit=%llu",
		    cfg->max_connections, (unsigned long long)r.rlim_cur);
	cfg->max_connections = r.rlim_cur > others + OTHER_FILES ? (uint32_t)(r.rlim_cur - others) : OTHER_FILES;
}

/* ---- the process ---- */

static void detach(void)
{
	int null;
	pid_t pid = fork();

	if (pid < 0)
		die(strerror(errno));
	if (pid > 0)
		_exit(0);
	setsid();
	null = open("/dev/null", O_RDWR);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		if (null > 2)
			close(null);
	}
}

static int write_pid_file(const char *path)
{
	FILE *f;

	if (path[0] == '\0')
		return 0;
	f = fopen(path, "we");
	if (f == NULL || fprintf(f, "%ld\n", (long)getpid()) < 0 || fclose(f) != 0) {
		log_error("cannot write the pid_file", "path=%s error=\"%s\"", path, strerror(errno));
		return -1;
	}
	return 0;
}

/* ---- signals ---- */

static void on_terminate(evutil_socket_t sig, short what, void *arg)
{
	(void)what;
	log_info("stopping", "signal=%d", (int)sig);
	sd_notify_send("STOPPING=1");
	crew_stop(arg);
}

static void on_hangup(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	(void)arg;
	log_warning("this version does not reload its configuration: restart it to apply changes", "signal=HUP");
}

/* The sum comes last: who reads the log for it finds all of it there. */
static void on_usr1(evutil_socket_t sig, short what, void *arg)
{
	const struct crew *c = arg;
	unsigned n = crew_workers(c);
	char line[STAT_COUNT * 48];

	(void)sig;
	(void)what;
	for (unsigned i = 0; n > 1 && i < n; i++)
		log_info("worker's counters", "worker=%u %s", i, crew_stats(c, i, line, sizeof(line)));
	log_info("counters", "%s", crew_stats(c, n, line, sizeof(line)));
}

#define SIGNALS 4

static int add_signals(struct crew *c, struct event *ev[SIGNALS])
{
	static const struct {
		int sig;
		event_callback_fn fn;
	} rows[SIGNALS] = {
		{ SIGTERM, on_terminate }, { SIGINT, on_terminate }, { SIGHUP, on_hangup }, { SIGUSR1, on_usr1 },
	};

	for (int i = 0; i < SIGNALS; i++) {
		ev[i] = evsignal_new(crew_base(c), rows[i].sig, rows[i].fn, c);
		if (ev[i] == NULL || evsignal_add(ev[i], NULL) < 0)
			return -1;
	}
	return 0;
}

/* It is ending already: a signal that comes now must not kill it before its exit status is there. */
static void block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
}

/* 0, or -1 when it could not start. */
static int start_and_run(struct crew *c)
{
	char err[256];

	if (crew_start(c, err, sizeof(err)) < 0) {
		log_error("cannot start", "error=\"%s\"", err);
		return -1;
	}
	log_info("ready", "version=%s pid=%ld workers=%u", PACKAGE_VERSION, (long)getpid(), crew_workers(c));
	sd_notify_send("READY=1");
	crew_run(c);
	block_signals();
	return 0;
}

/* Everything from an open crew to its end. */
static int serve(struct crew *c, const struct config *cfg)
{
	struct event *ev[SIGNALS] = { NULL };
	char err[256] = "no memory";
	int rc = -1;

	if (crew_prepare(c, err, sizeof(err)) < 0 || add_signals(c, ev) < 0) {
		log_error("cannot start", "error=\"%s\"", err);
	} else if (write_pid_file(cfg->pid_file) == 0) {
		rc = start_and_run(c);
		if (cfg->pid_file[0])
			unlink(cfg->pid_file);
		if (rc == 0)
			log_info("stopped", "pid=%ld", (long)getpid());
	}
	for (int i = 0; i < SIGNALS; i++)
		if (ev[i])
			event_free(ev[i]);
	return rc;
}

int main(int argc, char **argv)
{
	struct arguments a = parse(argc, argv);
	const bool alone = a.file == NULL && a.user == NULL; /* nobody was asked who natterd shall be */
	bool any_host = false;
	struct config *cfg = load(&a, &any_host);
	char err[512];
	const char *why;
	struct crew *c;
	int rc;

	if (a.print)
		config_print(cfg, stdout);
	if (a.check) {
		log_set_level(LOG_LEVEL_ERROR);
		if (privs_drop(cfg, alone, err, sizeof(err)) < 0 || privs_finish(err, sizeof(err)) < 0)
			die(err);
		check(&a, cfg);
	}
	if (a.check || a.print) {
		config_free(cfg);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	if (log_open((enum log_target)cfg->log, (enum log_level)cfg->log_level, "natterd") < 0)
		log_warning("cannot reach journald, logging to stderr", "error=\"%s\"", strerror(errno));
	if (any_host)
		log_warning("HOST is not an address of this machine in figures: listening on all", "host=%s", a.host);
	tell_origins(cfg);
	fit_to_file_limit(cfg);
	if (privs_drop(cfg, alone, err, sizeof(err)) < 0)
		die(err);
	why = check_file(a.file);
	if (why)
		log_warning("the configuration cannot be reloaded", "file=%s why=\"%s\"", a.file, why);
	if (readable_check(cfg, complain) > 0)
		exit(1);
	c = crew_open(cfg, err, sizeof(err));
	if (c == NULL || privs_finish(err, sizeof(err)) < 0)
		die(err);
	if (a.detach)
		detach();
	rc = serve(c, cfg);
	crew_free(c);
	config_free(cfg);
	log_close();
	return rc < 0 ? 1 : 0;
}
