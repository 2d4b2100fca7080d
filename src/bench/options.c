/* options: see options.h. */
#include <config.h>

#include "bench/options.h"

#include "bench/stamp.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <math.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_CHAT "{\"message\":\"" OPTIONS_PLACE "\"}"
#define TEXT_RAW OPTIONS_PLACE
#define URL "ws://127.0.0.1:9600/natterbench"
#define MAX_SIZE (8u << 20)

const char *const options_mode_names[] = { "fanout", "echo", "connect", "idle" };

static const char usage[] =
	"Usage: natterbench [OPTION...] fanout|echo|connect|idle [URL]\n"
	"Measures a WebSocket chat server: natterd, or any that relays what it gets.\n"
	"\n"
	"  fanout    senders and receivers in rooms: deliveries, latency, loss and order\n"
	"  echo      each connection has what it says sent back\n"
	"  connect   opens and closes connections, again and again\n"
	"  idle      opens connections, and keeps them: memory\n"
	"\n"
	"URL is ws://HOST:PORT/PATH, wss://HOST:PORT/PATH (TLS) or\n"
	"ws+unix:///SOCKET:/PATH (default: " URL ").\n"
	"{room} in it is the room's number.\n"
	"\n"
	"Who and what:\n"
	"  -r, --receivers N      a room's members that only listen (fanout; 100)\n"
	"  -s, --senders N        a room's members that send as well (fanout; 10)\n"
	"      --rooms N          (fanout; 1)\n"
	"  -n, --connections N    (echo: 100; idle: 1000)\n"
	"      --size BYTES       of a message's text (64; at least 24)\n"
	"      --format FORMAT    chat: " TEXT_CHAT ", as natterd takes it; raw: the text\n"
	"      --text TEXT        a format of one's own, with " OPTIONS_PLACE " in it\n"
	"      --no-self          the server does not send senders what they said\n"
	"How fast:\n"
	"  -w, --window N         closed loop: each sender has N messages on their way (1)\n"
	"      --rate N           open loop: N messages a second in all, whatever comes back;\n"
	"                         latency counts from when a message was due\n"
	"      --concurrency N    opening handshakes at a time (64)\n"
	"How long, in seconds:\n"
	"  -d, --duration S       of what is measured (10; idle: 5)\n"
	"      --warmup S         before that (2)\n"
	"      --timeout S        when to give up waiting for the server (5)\n"
	"The opening handshake:\n"
	"      --deflate          offer permessage-deflate, and inflate what comes compressed\n"
	"      --subprotocol P    ask for it\n"
	"      --header LINE      add 'Name: value'; may be repeated\n"
	"      --cacert FILE      wss: the server's certificate is of these authorities\n"
	"                         (the system's)\n"
	"  -k, --insecure         wss: any certificate will do\n"
	"      --source ADDRESS   connect from it; may be repeated, they take turns\n"
	"What to tell:\n"
	"  -p, --pid PID[,PID...] the server's processes: CPU time and memory\n"
	"      --json             one JSON object\n"
	"  -q, --quiet            no progress on the terminal\n"
	"      --help, --version\n"
	"\n"
	"Exit status: 0 all is well; 1 something was lost, doubled or out of order;\n"
	"2 bad arguments, or no connection. See natterbench(1).\n";

enum {
	O_ROOMS = 256, O_SIZE, O_FORMAT, O_TEXT, O_NO_SELF, O_RATE, O_CONCURRENCY, O_WARMUP, O_TIMEOUT,
	O_DEFLATE, O_SUBPROTOCOL, O_HEADER, O_CACERT, O_SOURCE, O_JSON, O_HELP, O_VERSION,
};

static const struct option long_options[] = {
	{ "receivers", required_argument, NULL, 'r' },
	{ "senders", required_argument, NULL, 's' },
	{ "rooms", required_argument, NULL, O_ROOMS },
	{ "connections", required_argument, NULL, 'n' },
	{ "size", required_argument, NULL, O_SIZE },
	{ "format", required_argument, NULL, O_FORMAT },
	{ "text", required_argument, NULL, O_TEXT },
	{ "no-self", no_argument, NULL, O_NO_SELF },
	{ "window", required_argument, NULL, 'w' },
	{ "rate", required_argument, NULL, O_RATE },
	{ "concurrency", required_argument, NULL, O_CONCURRENCY },
	{ "duration", required_argument, NULL, 'd' },
	{ "warmup", required_argument, NULL, O_WARMUP },
	{ "timeout", required_argument, NULL, O_TIMEOUT },
	{ "deflate", no_argument, NULL, O_DEFLATE },
	{ "subprotocol", required_argument, NULL, O_SUBPROTOCOL },
	{ "header", required_argument, NULL, O_HEADER },
	{ "cacert", required_argument, NULL, O_CACERT },
	{ "insecure", no_argument, NULL, 'k' },
	{ "source", required_argument, NULL, O_SOURCE },
	{ "pid", required_argument, NULL, 'p' },
	{ "json", no_argument, NULL, O_JSON },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, O_HELP },
	{ "version", no_argument, NULL, O_VERSION },
	{ NULL, 0, NULL, 0 },
};

void options_bad(const char *format, ...)
{
	va_list ap;

	fputs("natterbench: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputs("\nTry 'natterbench --help'.\n", stderr);
	exit(2);
}

static void print_and_exit(const char *text)
{
	fputs(text, stdout);
	exit(fflush(stdout) == 0 ? 0 : 2);
}

/* A number from MIN to MAX; k and M are understood. */
static double number(const char *name, const char *s, double min, double max)
{
	char *end;
	double n = strtod(s, &end);

	if (*end == 'k') {
		n *= 1e3;
		end++;
	} else if (*end == 'M') {
		n *= 1e6;
		end++;
	}
	if (end == s || *end || !isfinite(n) || n < min || n > max)
		options_bad("--%s %s: expected a number from %.10g to %.10g", name, s, min, max);
	return n;
}

static uint32_t whole(const char *name, const char *s, double min, double max)
{
	double n = number(name, s, min, max);

	if (n != floor(n))
		options_bad("--%s %s: expected a whole number", name, s);
	return (uint32_t)n;
}

static uint64_t seconds(const char *name, const char *s, double min)
{
	return (uint64_t)(number(name, s, min, 1e6) * 1e6);
}

static void add_pids(struct options *o, char *list)
{
	for (char *s = strtok(list, ","); s; s = strtok(NULL, ",")) {
		if (o->n_pids == OPTIONS_LIST_MAX)
			options_bad("--pid: at most %d processes", OPTIONS_LIST_MAX);
		o->pids[o->n_pids++] = (pid_t)whole("pid", s, 1, 1e9);
	}
}

static void add_header(struct options *o, const char *line)
{
	if (o->n_headers == OPTIONS_LIST_MAX)
		options_bad("--header: at most %d lines", OPTIONS_LIST_MAX);
	if (strpbrk(line, "\r\n") || strchr(line, ':') == NULL || *line == ':')
		options_bad("--header '%s': expected one line, 'Name: value'", line);
	o->headers[o->n_headers++] = line;
}

static void add_source(struct options *o, const char *s)
{
	struct sockaddr_storage *a = &o->sources[o->n_sources];

	if (o->n_sources == OPTIONS_LIST_MAX)
		options_bad("--source: at most %d addresses", OPTIONS_LIST_MAX);
	if (inet_pton(AF_INET, s, &((struct sockaddr_in *)a)->sin_addr) == 1)
		a->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, s, &((struct sockaddr_in6 *)a)->sin6_addr) == 1)
		a->ss_family = AF_INET6;
	else
		options_bad("--source %s: expected an IPv4 or IPv6 address of this machine", s);
	o->n_sources++;
}

static void set_text(struct options *o, const char *text)
{
	const char *at = strstr(text, OPTIONS_PLACE);

	if (at == NULL || strstr(at + 1, OPTIONS_PLACE))
		options_bad("--text '%s': it must have " OPTIONS_PLACE " in it once", text);
	if (strlen(text) > 65536)
		options_bad("--text: at most 65536 bytes");
	o->text = text;
}

static void set_format(struct options *o, const char *name)
{
	if (strcmp(name, "chat") == 0)
		o->text = TEXT_CHAT;
	else if (strcmp(name, "raw") == 0)
		o->text = TEXT_RAW;
	else
		options_bad("--format %s: expected chat or raw", name);
}

static void set(struct options *o, int c, char *value)
{
	switch (c) {
	case 'r': o->receivers = whole("receivers", value, 0, 1e6); break;
	case 's': o->senders = whole("senders", value, 1, 1e6); break;
	case 'n': o->connections = whole("connections", value, 1, 1e6); break;
	case 'w': o->window = whole("window", value, 1, 1e6); break;
	case 'd': o->duration_us = seconds("duration", value, 0.01); break;
	case 'p': add_pids(o, value); break;
	case 'k': o->insecure = true; break;
	case 'q': o->quiet = true; break;
	case O_ROOMS: o->rooms = whole("rooms", value, 1, 1e6); break;
	case O_SIZE: o->size = whole("size", value, STAMP_LEN, MAX_SIZE); break;
	case O_FORMAT: set_format(o, value); break;
	case O_TEXT: set_text(o, value); break;
	case O_NO_SELF: o->no_self = true; break;
	case O_RATE: o->rate = number("rate", value, 0.01, 1e8); break;
	case O_CONCURRENCY: o->concurrency = whole("concurrency", value, 1, 1e6); break;
	case O_WARMUP: o->warmup_us = seconds("warmup", value, 0); break;
	case O_TIMEOUT: o->timeout_us = seconds("timeout", value, 0.1); break;
	case O_DEFLATE: o->deflate = true; break;
	case O_SUBPROTOCOL: o->subprotocol = value; break;
	case O_HEADER: add_header(o, value); break;
	case O_CACERT: o->cacert = value; break;
	case O_SOURCE: add_source(o, value); break;
	case O_JSON: o->json = true; break;
	case O_HELP: print_and_exit(usage); break;
	case O_VERSION: print_and_exit("natterbench " PACKAGE_VERSION "\n"); break;
	default: exit(2); /* getopt has said what is wrong */
	}
}

static enum bench_mode mode_of(const char *name)
{
	for (int i = BENCH_FANOUT; i <= BENCH_IDLE; i++)
		if (strcmp(name, options_mode_names[i]) == 0)
			return (enum bench_mode)i;
	options_bad("%s: expected fanout, echo, connect or idle", name);
}

/* What goes without saying, or together. */
static void complete(struct options *o)
{
	if (o->connections == 0)
		o->connections = o->mode == BENCH_IDLE ? 1000 : 100;
	if (o->duration_us == 0)
		o->duration_us = o->mode == BENCH_IDLE ? 5000000 : 10000000;
	if (o->rate > 0 && o->window)
		options_bad("--window is a closed loop, --rate an open one: take one of them");
	if (o->window == 0)
		o->window = 1;
	if (o->no_self && (o->mode != BENCH_FANOUT || o->receivers == 0))
		options_bad("--no-self needs fanout and a receiver");
	if ((double)o->rooms * ((double)o->receivers + o->senders) > 1e6)
		options_bad("more than a million connections");
	if (o->url == NULL)
		o->url = o->mode == BENCH_ECHO || o->mode == BENCH_CONNECT ? URL "-{room}" : URL;
}

void options_parse(struct options *o, int argc, char **argv)
{
	int c;

	*o = (struct options){
		.receivers = 100, .senders = 10, .rooms = 1, .concurrency = 64, .size = 64,
		.warmup_us = 2000000, .timeout_us = 5000000, .text = TEXT_CHAT,
	};
	while ((c = getopt_long(argc, argv, "r:s:n:w:d:p:kqh", long_options, NULL)) != -1)
		set(o, c == 'h' ? O_HELP : c, optarg);
	if (optind == argc)
		options_bad("say what to measure: fanout, echo, connect or idle");
	o->mode = mode_of(argv[optind++]);
	if (optind < argc)
		o->url = argv[optind++];
	if (optind < argc)
		options_bad("%s: one thing to measure, and one URL", argv[optind]);
	complete(o);
}
