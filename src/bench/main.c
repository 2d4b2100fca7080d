/*
 * main: natterbench. Arguments, the mode's run, the report, the exit status.
 */
#include <config.h>

#include "bench/loop.h"
#include "bench/meter.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/sockets.h"
#include "bench/traffic.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static bool (*const runs[])(struct loop *, const struct options *, struct report *) = {
	[BENCH_FANOUT] = traffic_run,
	[BENCH_ECHO] = traffic_run,
	[BENCH_CONNECT] = sockets_connect,
	[BENCH_IDLE] = sockets_idle,
};

int main(int argc, char **argv)
{
	static struct options o;
	static struct report r;
	struct loop loop;
	struct meter m;
	pid_t missing;
	bool done;

	options_parse(&o, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	if (meter_read(&m, o.pids, o.n_pids, &missing) != 0)
		options_bad("--pid: there is no process %ld on this machine", (long)missing);
	if (loop_init(&loop, !o.quiet && isatty(STDERR_FILENO)) != 0) {
		fputs("natterbench: the system gives no event loop\n", stderr);
		return 2;
	}
	r.why = "";
	done = runs[o.mode](&loop, &o, &r);
	loop_clear(&loop);
	if (!done) {
		fprintf(stderr, "natterbench: %s\n", r.why[0] ? r.why : "interrupted before all connections were open");
		return 2;
	}
	if (report_print(&o, &r) != 0) {
		perror("natterbench: standard output");
		return 2;
	}
	return report_status(&o, &r);
}
