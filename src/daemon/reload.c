#include <config.h>

#include "daemon/reload.h"
#include "daemon/config.h"
#include "daemon/config_change.h"
#include "daemon/crew.h"
#include "daemon/origins.h"
#include "daemon/readable.h"
#include "daemon/sd_notify.h"
#include "daemon/settings.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * Besides connections: listeners, logs, epoll, what libraries open, and 64 clients who are told that there are too many
 * (TOLD_FULL in net/listener.c); and for each worker but the first.
 */
#define OTHER_FILES 128
#define FEWEST_CONNECTIONS 64
#define FILES_A_WORKER 8

struct reload {
	struct reload_source source;
	struct crew *crew;
	bool again; /* somebody asked while one was under way */
};

/* ---- settings from a source ---- */

/* The command line has the last word. 0, 1: HOST is no address; or -1: WHY. */
static int apply_arguments(struct config *cfg, const struct reload_source *from, char *why, size_t size)
{
	char *user = from->user ? strdup(from->user) : NULL;

	if ((from->user && user == NULL) || (from->file == NULL && config_allow_all_origins(cfg) < 0)) {
		snprintf(why, size, "no memory");
		free(user);
		return -1;
	}
	if (user) {
		free(cfg->user);
		cfg->user = user;
	}
	return from->host ? config_set_listener(cfg, from->host, from->port, why, size) : 0;
}

struct config *reload_load(struct reload_source *from, struct faults *faults)
{
	char why[FAULTS_SIZE];
	struct config *cfg = config_load(from->file, why, sizeof(why));
	int rc = cfg ? apply_arguments(cfg, from, why, sizeof(why)) : -1;

	from->any_host = rc == 1;
	if (rc >= 0)
		return cfg;
	faults_add_all(faults, why);
	config_free(cfg);
	return NULL;
}

/* Whoever looks for it finds that pages of other sites get in. */
static void tell_origins(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->n_endpoints; i++)
		if (origins_are_all(&cfg->endpoints[i]))
			log_info("pages of every origin may connect", "origins=* endpoint=%s",
				 cfg->endpoints[i].path_pattern);
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
	cfg->max_connections = r.rlim_cur > others + FEWEST_CONNECTIONS ? (uint32_t)(r.rlim_cur - others) : FEWEST_CONNECTIONS;
}

void reload_prepare(struct config *cfg)
{
	tell_origins(cfg);
	fit_to_file_limit(cfg);
}

/* ---- and again ---- */

struct reload *reload_new(const struct reload_source *from, struct crew *c)
{
	struct reload *r = calloc(1, sizeof(*r));

	if (r) {
		r->source = *from;
		r->crew = c;
	}
	return r;
}

void reload_free(struct reload *r) { free(r); }

static void log_kept(const char *kind, const char *name, const char *option)
{
	if (kind[0])
		log_warning("takes effect after a restart", "option=%s %s=%s", option, kind, name);
	else
		log_warning("takes effect after a restart", "option=%s", option);
}

static void log_fault(const char *line)
{
	char quoted[1024];

	log_error("cannot reload", "error=%s", log_quote(quoted, sizeof(quoted), line, strlen(line)));
}

static struct config *load_next(struct reload *r, struct faults *faults)
{
	struct config *cfg = reload_load(&r->source, faults);

	if (cfg == NULL)
		return NULL;
	if (config_keep(cfg, crew_settings(r->crew)->config, log_kept) < 0) {
		faults_add(faults, "no memory");
		config_free(cfg);
		return NULL;
	}
	fit_to_file_limit(cfg);
	return cfg;
}

static void turn_log(const struct config *was, const struct config *now)
{
	log_set_level((enum log_level)now->log_level);
	if (was->log != now->log && log_open((enum log_target)now->log, (enum log_level)now->log_level, "natterd") < 0)
		log_warning("cannot reach journald, logging to stderr", "error=\"%s\"", strerror(errno));
}

static void done(void *arg)
{
	struct reload *r = arg;

	tell_origins(crew_settings(r->crew)->config);
	log_info("reloaded", "file=%s", r->source.file ? r->source.file : "");
	stats_add(STAT_reloads, 1);
	sd_notify_send("READY=1");
	if (!r->again)
		return;
	r->again = false;
	reload_start(r);
}

static void refuse(char *why)
{
	faults_each(why, log_fault);
	log_error("not reloaded, all remains as it was", "");
	stats_add(STAT_reloads_refused, 1);
	sd_notify_send("READY=1");
}

void reload_start(struct reload *r)
{
	char why[FAULTS_SIZE] = "", state[64];
	struct faults faults;
	struct config *cfg;
	struct settings *s = NULL;
	struct listeners *l = NULL;

	if (!crew_can_turn(r->crew)) {
		r->again = true;
		return;
	}
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_us());
	sd_notify_send(state);
	faults_init(&faults, why, sizeof(why));
	cfg = load_next(r, &faults);
	if (cfg) {
		l = crew_open_listeners(r->crew, cfg, &faults);
		if (readable_check(cfg, log_fault) == 0)
			s = settings_new(cfg, crew_settings(r->crew), &faults); /* also for what else is wrong */
		else
			config_free(cfg);
	}
	if (s == NULL || l == NULL) {
		crew_close_listeners(r->crew, l);
		settings_free(s);
		refuse(why);
		return;
	}
	turn_log(crew_settings(r->crew)->config, s->config);
	crew_turn(r->crew, s, l, done, r);
}
