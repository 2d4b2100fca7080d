/*
 * options: natterbench's command line, as a struct.
 */
#ifndef NATTER_BENCH_OPTIONS_H
#define NATTER_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

enum bench_mode { BENCH_FANOUT, BENCH_ECHO, BENCH_CONNECT, BENCH_IDLE };

#define OPTIONS_LIST_MAX 64 /* of --pid, --header, --source */

struct options {
	enum bench_mode mode;
	const char *url;
	uint32_t receivers, senders, rooms; /* receivers and senders: of each room */
	uint32_t connections;               /* echo, idle */
	uint32_t concurrency;               /* handshakes at a time */
	uint32_t window;                    /* closed loop; meaningful when rate is 0 */
	double rate;                        /* open loop: messages per second in all */
	uint32_t size;                      /* bytes of a message's text */
	uint64_t duration_us, warmup_us, timeout_us;
	const char *text; /* of a message, with {message} in it */
	const char *subprotocol;
	const char *cacert; /* wss: whose certificates are accepted; NULL: the system's */
	bool insecure;      /* wss: any is */
	const char *headers[OPTIONS_LIST_MAX];
	size_t n_headers;
	struct sockaddr_storage sources[OPTIONS_LIST_MAX];
	size_t n_sources;
	pid_t pids[OPTIONS_LIST_MAX];
	size_t n_pids;
	bool no_self; /* the server does not send senders what they said */
	bool deflate; /* offer permessage-deflate */
	bool json, quiet;
};

extern const char *const options_mode_names[];

/* Where in a message's text the stamp and its padding go. */
#define OPTIONS_PLACE "{message}"

/* Parses; on an error, --help and --version it does not return. The strings are argv's. */
void options_parse(struct options *o, int argc, char **argv);

/* Says what is wrong with the arguments, and exits with 2. */
void options_bad(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
