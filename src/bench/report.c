/* report: see report.h. */
#include <config.h>

#include "bench/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY 95 /* percent of a core: then natterbench itself may be the limit */

static const struct {
	const char *name;
	double percent;
} percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}, {"max", 100}};

#define N_PERCENTILES (sizeof(percentiles) / sizeof(percentiles[0]))

static bool has_traffic(const struct options *o)
{
	return o->mode == BENCH_FANOUT || o->mode == BENCH_ECHO;
}

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static double per_second(const struct report *r, uint64_t n)
{
	return ratio((double)n * 1e6, (double)r->window_us);
}

static double percent_of_core(const struct report *r, uint64_t cpu_us)
{
	return 100 * ratio((double)cpu_us, (double)r->window_us);
}

/* What the server's CPU time is divided by. */
static uint64_t units(const struct options *o, const struct report *r)
{
	return has_traffic(o) ? r->delivered : r->handshakes;
}

static double cpu_per_unit(const struct options *o, const struct report *r)
{
	return ratio((double)(o->mode == BENCH_IDLE ? r->opening_cpu_us : r->server_cpu_us),
		     (double)units(o, r));
}

static double bytes_per_connection(const struct report *r)
{
	return ratio((double)(r->rss_after - r->rss_before), (double)r->connections);
}

static bool all_well(const struct report *r)
{
	return r->lost + r->twice + r->late + r->misrouted + r->disagreeing == 0;
}

int report_status(const struct options *o, const struct report *r)
{
	if (!all_well(r) || r->connections_lost || r->handshakes_failed)
		return 1;
	return has_traffic(o) && r->delivered_all == 0;
}

/* ---- text ---- */

/* 1234567 as 1,234,567. */
static const char *grouped(char out[32], double value)
{
	char digits[32];
	int n = snprintf(digits, sizeof(digits), "%.0f", value), at = 0;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

static void print_count(const char *name, double value, const char *unit)
{
	char buf[32];

	printf("  %-15s %14s %s", name, grouped(buf, value), unit);
}

static void print_us(double us)
{
	if (us < 1000)
		printf("%.0f us", us);
	else if (us < 1e6)
		printf("%.2f ms", us / 1e3);
	else
		printf("%.2f s", us / 1e6);
}

static void print_latency(const struct report *r, const char *name)
{
	if (r->latency.count == 0)
		return;
	printf("  %-15s", name);
	for (size_t i = 0; i < N_PERCENTILES; i++) {
		printf("%s %s ", i ? "  " : "", percentiles[i].name);
		print_us((double)histogram_percentile(&r->latency, percentiles[i].percent));
	}
	putchar('\n');
}

static void print_memory(const struct report *r)
{
	if (r->rss_after >= 0)
		printf("  %-15s %14.1f MiB\n", "server memory", (double)r->rss_after / 1048576);
}

static void print_cpu(const struct options *o, const struct report *r, const char *unit)
{
	if (!r->server || units(o, r) == 0)
		return;
	printf("  %-15s %14.3f us per %s (%.1f %% of a core)\n", "server CPU", cpu_per_unit(o, r), unit,
	       percent_of_core(r, r->server_cpu_us));
}

static const char *plural(uint32_t n)
{
	return n == 1 ? "" : "s";
}

static void print_what(const struct options *o, const struct report *r)
{
	printf("natterbench %s %s\n", options_mode_names[o->mode], o->url);
	if (o->mode == BENCH_FANOUT)
		printf("%u room%s of %u receiver%s and %u sender%s, ", (unsigned)o->rooms, plural(o->rooms),
		       (unsigned)o->receivers, plural(o->receivers), (unsigned)o->senders,
		       plural(o->senders));
	else if (o->mode == BENCH_CONNECT)
		printf("%u handshakes at a time, ", (unsigned)o->concurrency);
	else
		printf("%u connections, ", (unsigned)r->connections);
	if (has_traffic(o)) {
		printf("messages of %u bytes, ", (unsigned)r->message_size);
		if (o->rate > 0)
			printf("open loop (%.10g messages/s), ", o->rate);
		else
			printf("closed loop (window %u), ", (unsigned)o->window);
	}
	printf("%s%s%.1f s%s\n\n", r->tls, r->tls[0] ? ", " : "", (double)r->window_us / 1e6, r->interrupted ? " (interrupted)" : "");
}

static void print_problem(uint64_t n, const char *what)
{
	if (n)
		printf("  %-15s %14" PRIu64 " %s\n", "", n, what);
}

static void print_integrity(const struct report *r)
{
	char buf[32];

	printf("  %-15s %14s deliveries: ", "checked", grouped(buf, (double)r->delivered_all));
	if (r->delivered_all == 0)
		puts("nothing came back. Does the server relay these messages? See --format.");
	else
		puts(all_well(r) ? "none lost, none twice, all in one order" : "NOT as they were sent:");
	print_problem(r->lost, "lost");
	print_problem(r->twice, "came twice");
	print_problem(r->late, "came after a later message of the same sender");
	print_problem(r->disagreeing, "receivers saw another order than their room");
	print_problem(r->misrouted, "came where they were not sent to (is this path one room for all?)");
}

static void print_warnings(const struct report *r)
{
	if (r->connections_lost)
		printf("\n%" PRIu64 " connections were lost: %s\n", r->connections_lost, r->why);
	if (r->handshakes_failed)
		printf("\n%" PRIu64 " handshakes failed: %s\n", r->handshakes_failed, r->why);
	if (r->unsent)
		printf(
		    "\n%" PRIu64
		    " messages were due, but the server did not take them: this rate is more than it can do,\n"
		    "and the latency leaves them out.\n",
		    r->unsent);
	if (r->stalls)
		printf("\nSenders waited in vain for what they had sent, %" PRIu64
		       " times. If the server never sends it to\n"
		       "them: --no-self, or --rate.\n",
		       r->stalls);
	if (r->complaint[0])
		printf("\nThe server replied: %s\n", r->complaint);
	if (percent_of_core(r, r->own_cpu_us) > BUSY)
		printf(
		    "\nnatterbench itself was busy for %.0f %% of the time: the rates may be its own limit, not the server's.\n",
		    percent_of_core(r, r->own_cpu_us));
}

static void print_traffic(const struct options *o, const struct report *r)
{
	print_count("messages", per_second(r, r->sent), "/s\n");
	print_count("deliveries", per_second(r, r->delivered), "/s");
	printf(" (%.1f MiB/s)\n", per_second(r, r->bytes) / 1048576);
	print_cpu(o, r, "delivery");
	print_memory(r);
	print_latency(r, "latency");
	if (o->deflate)
		print_count("compressed", (double)r->deflated, "messages came compressed\n");
	print_integrity(r);
}

static void print_idle(const struct options *o, const struct report *r)
{
	print_count("opened in", (double)r->opening_us / 1e3, "ms");
	printf(" (%.0f handshakes/s)\n", ratio((double)r->handshakes * 1e6, (double)r->opening_us));
	if (r->server)
		printf("  %-15s %14.3f us per handshake; %.2f %% of a core while idle\n", "server CPU",
		       cpu_per_unit(o, r), percent_of_core(r, r->server_cpu_us));
	if (r->rss_after >= 0)
		printf("  %-15s %14.0f bytes per connection (%.1f MiB, %.1f before)\n", "server memory",
		       bytes_per_connection(r), (double)r->rss_after / 1048576,
		       (double)r->rss_before / 1048576);
	print_latency(r, "handshake");
	print_count("still open", (double)(r->connections - r->connections_lost), "connections\n");
}

static void print_text(const struct options *o, const struct report *r)
{
	print_what(o, r);
	if (has_traffic(o)) {
		print_traffic(o, r);
	} else if (o->mode == BENCH_IDLE) {
		print_idle(o, r);
	} else {
		print_count("handshakes", per_second(r, r->handshakes), "/s\n");
		print_cpu(o, r, "handshake, and its close");
		print_memory(r);
		print_latency(r, "handshake");
	}
	print_warnings(r);
}

/* ---- JSON ---- */

static void put(json_t *o, const char *name, json_t *value)
{
	json_object_set_new(o, name, value);
}
static void put_int(json_t *o, const char *name, uint64_t n)
{
	put(o, name, json_integer((json_int_t)n));
}
static void put_real(json_t *o, const char *name, double n)
{
	put(o, name, json_real(n));
}

static json_t *latency_json(const struct report *r)
{
	json_t *j = json_object();

	put_int(j, "count", r->latency.count);
	put_real(j, "mean", histogram_mean(&r->latency));
	for (size_t i = 0; i < N_PERCENTILES; i++)
		put_int(j, percentiles[i].name, histogram_percentile(&r->latency, percentiles[i].percent));
	return j;
}

static json_t *server_json(const struct options *o, const struct report *r)
{
	json_t *j = json_object();

	put_real(j, "cpu_s", (double)r->server_cpu_us / 1e6);
	put_real(j, "cpu_percent", percent_of_core(r, r->server_cpu_us));
	put_real(j, has_traffic(o) ? "cpu_us_per_delivery" : "cpu_us_per_handshake", cpu_per_unit(o, r));
	if (r->rss_after >= 0) {
		put_int(j, "rss_before", (uint64_t)r->rss_before);
		put_int(j, "rss", (uint64_t)r->rss_after);
		if (o->mode == BENCH_IDLE)
			put_real(j, "bytes_per_connection", bytes_per_connection(r));
	}
	return j;
}

static void put_traffic(json_t *j, const struct options *o, const struct report *r)
{
	json_t *check = json_object();

	put_int(j, "rooms", o->rooms);
	put_int(j, "receivers", o->receivers);
	put_int(j, "senders", o->senders);
	put_int(j, "message_bytes", r->message_size);
	if (o->rate > 0)
		put_real(j, "rate", o->rate);
	else
		put_int(j, "window", o->window);
	put_int(j, "sent", r->sent);
	put_int(j, "delivered", r->delivered);
	put_real(j, "messages_per_s", per_second(r, r->sent));
	put_real(j, "deliveries_per_s", per_second(r, r->delivered));
	put_real(j, "bytes_per_s", per_second(r, r->bytes));
	if (o->deflate)
		put_int(j, "deflated", r->deflated);
	put_int(check, "sent", r->sent_all);
	put_int(check, "expected", r->expected_all);
	put_int(check, "delivered", r->delivered_all);
	put_int(check, "lost", r->lost);
	put_int(check, "duplicates", r->twice);
	put_int(check, "out_of_order", r->late);
	put_int(check, "order_mismatches", r->disagreeing);
	put_int(check, "misrouted", r->misrouted);
	put_int(check, "unsent", r->unsent);
	put_int(check, "stalls", r->stalls);
	put_int(check, "other_messages", r->others);
	put(j, "integrity", check);
	if (r->complaint[0])
		put(j, "server_error", json_string(r->complaint));
}

static void print_json(const struct options *o, const struct report *r)
{
	json_t *j = json_object();

	put(j, "natterbench", json_string(PACKAGE_VERSION));
	put(j, "mode", json_string(options_mode_names[o->mode]));
	put(j, "url", json_string(o->url));
	put_real(j, "seconds", (double)r->window_us / 1e6);
	put(j, "interrupted", json_boolean(r->interrupted));
	if (r->tls[0])
		put(j, "tls", json_string(r->tls));
	put_int(j, "connections", r->connections);
	put_int(j, "connections_lost", r->connections_lost);
	if (r->why[0])
		put(j, "why", json_string(r->why));
	if (has_traffic(o)) {
		put_traffic(j, o, r);
	} else {
		put_int(j, "handshakes", r->handshakes);
		put_int(j, "handshakes_failed", r->handshakes_failed);
		put_real(j, "handshakes_per_s",
			 o->mode == BENCH_IDLE ? ratio((double)r->handshakes * 1e6, (double)r->opening_us)
					       : per_second(r, r->handshakes));
	}
	put(j, has_traffic(o) ? "latency_us" : "handshake_us", latency_json(r));
	if (r->server)
		put(j, "server", server_json(o, r));
	put_real(j, "own_cpu_percent", percent_of_core(r, r->own_cpu_us));
	put_int(j, "status", (uint64_t)report_status(o, r));
	json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(j);
}

int report_print(const struct options *o, const struct report *r)
{
	if (o->json)
		print_json(o, r);
	else
		print_text(o, r);
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : -1;
}
