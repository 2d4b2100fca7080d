/*
 * main: natterd's command line, signals and process.
 */
#include <config.h>

#include "daemon/certificates.h"
#include "daemon/config.h"
#include "daemon/crew.h"
#include "daemon/faults.h"
#include "daemon/privs.h"
#include "daemon/readable.h"
#include "daemon/reload.h"
#include "daemon/sd_notify.h"
#include "daemon/settings.h"

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
#include <unistd.h>

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

static void die_of(const char *line) { fprintf(stderr, "natterd: %s\n", line); }

/* Of all that is wrong, a line each. */
static void die_of_faults(char *why)
{
	faults_each(why, die_of);
	exit(1);
}

/* The configuration itself was read already, maybe as root. What is wrong with it, or NULL. */
static const char *check_file(const char *file)
{
	static char why[8192];

	return file == NULL || readable(file, why, sizeof(why)) ? NULL : why;
}

/* natterd -t: whether CFG, which could be read, is good with what it names besides itself, as the user that will reload it. */
static void check(const char *file, struct config *cfg)
{
	char why[FAULTS_SIZE];
	struct faults faults;
	struct settings *s;

	const char *bad_file = check_file(file);

	if (bad_file)
		fprintf(stderr, "natterd: %s: %s\n", file, bad_file);
	if (readable_check(cfg, die_of) > 0)
		exit(1);
	faults_init(&faults, why, sizeof(why));
	s = settings_new(config_ref(cfg), NULL, &faults);
	if (s == NULL)
		die_of_faults(why);
	settings_free(s);
	if (bad_file)
		exit(1);
	fprintf(stderr, "natterd: the configuration is good\n");
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

/* What signals are about. */
struct process {
	struct crew *crew;
	struct reload *reload;
};

static void on_terminate(evutil_socket_t sig, short what, void *arg)
{
	(void)what;
	log_info("stopping", "signal=%d", (int)sig);
	sd_notify_send("STOPPING=1");
	crew_stop(((struct process *)arg)->crew);
}

static void on_hangup(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	reload_start(((struct process *)arg)->reload);
}

/* The sum comes last: who reads the log for it finds all of it there. */
static void on_usr1(evutil_socket_t sig, short what, void *arg)
{
	const struct crew *c = ((struct process *)arg)->crew;
	unsigned n = crew_workers(c);
	char line[STAT_COUNT * 48];

	(void)sig;
	(void)what;
	for (unsigned i = 0; n > 1 && i < n; i++)
		log_info("worker's counters", "worker=%u %s", i, crew_stats(c, i, line, sizeof(line)));
	log_info("counters", "%s", crew_stats(c, n, line, sizeof(line)));
}

#define SIGNALS 4

static int add_signals(struct process *p, struct event *ev[SIGNALS])
{
	static const struct {
		int sig;
		event_callback_fn fn;
	} rows[SIGNALS] = {
		{ SIGTERM, on_terminate }, { SIGINT, on_terminate }, { SIGHUP, on_hangup }, { SIGUSR1, on_usr1 },
	};

	for (int i = 0; i < SIGNALS; i++) {
		ev[i] = evsignal_new(crew_base(p->crew), rows[i].sig, rows[i].fn, p);
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

static void tell_alive(void) { sd_notify_send("WATCHDOG=1"); }

/* 0, or -1 when it could not start. */
static int start_and_run(struct crew *c)
{
	const uint32_t watchdog = sd_notify_watchdog();
	char err[256];

	if (crew_start(c, err, sizeof(err)) < 0) {
		log_error("cannot start", "error=\"%s\"", err);
		return -1;
	}
	log_info("ready", "version=%s pid=%ld workers=%u", PACKAGE_VERSION, (long)getpid(), crew_workers(c));
	sd_notify_send("READY=1");
	if (watchdog && crew_watch(c, watchdog / 3 + 1, tell_alive) < 0)
		log_warning("systemd will not hear that natterd lives", "");
	crew_run(c);
	block_signals();
	return 0;
}

/* Everything from an open crew to its end. */
static int serve(struct process *p)
{
	struct event *ev[SIGNALS] = { NULL };
	char err[256] = "no memory";
	int rc = -1;

	if (p->reload == NULL || crew_prepare(p->crew, err, sizeof(err)) < 0 || add_signals(p, ev) < 0) {
		log_error("cannot start", "error=\"%s\"", err);
	} else if (write_pid_file(crew_settings(p->crew)->config->pid_file) == 0) {
		rc = start_and_run(p->crew);
		if (crew_settings(p->crew)->config->pid_file[0])
			unlink(crew_settings(p->crew)->config->pid_file);
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
	struct reload_source source = { a.file, a.host, a.port, a.user, false };
	struct process p;
	char why[FAULTS_SIZE], err[512];
	const char *bad_file;
	struct faults faults;
	struct config *cfg;
	struct settings *s;
	int rc;

	faults_init(&faults, why, sizeof(why));
	cfg = reload_load(&source, &faults);
	if (cfg == NULL)
		die_of_faults(why);
	if (a.print)
		config_print(cfg, stdout);
	if (a.check) {
		log_set_level(LOG_LEVEL_ERROR);
		if (privs_drop(cfg, alone, err, sizeof(err)) < 0 || privs_finish(err, sizeof(err)) < 0)
			die(err);
		check(a.file, cfg);
	}
	if (a.check || a.print) {
		config_free(cfg);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	if (log_open((enum log_target)cfg->log, (enum log_level)cfg->log_level, "natterd") < 0)
		log_warning("cannot reach journald, logging to stderr", "error=\"%s\"", strerror(errno));
	if (source.any_host)
		log_warning("HOST is not an address of this machine in figures: listening on all", "host=%s", a.host);
	reload_prepare(cfg);
	if (privs_drop(cfg, alone, err, sizeof(err)) < 0)
		die(err);
	bad_file = check_file(a.file);
	if (bad_file)
		log_warning("the configuration cannot be reloaded", "file=%s why=\"%s\"", a.file, bad_file);
	if (readable_check(cfg, die_of) > 0)
		exit(1);
	s = settings_new(cfg, NULL, &faults);
	p.crew = s ? crew_open(s, &faults) : NULL;
	if (p.crew == NULL)
		die_of_faults(why);
	if (privs_finish(err, sizeof(err)) < 0)
		die(err);
	if (a.detach)
		detach();
	p.reload = reload_new(&source, p.crew);
	rc = serve(&p);
	reload_free(p.reload);
	crew_free(p.crew);
	log_close();
	return rc < 0 ? 1 : 0;
}
