/* crowd: see crowd.h. */
#include <config.h>

#include "bench/crowd.h"

#include "bench/must.h"

#include "base/clock.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define OTHER_FILES 24     /* besides connections */
#define PER_SOURCE 10000   /* of some 28,000 local ports: with most of them taken, connect() searches long */
#define CONNECT_SOURCES 16 /* closed connections keep their ports for a while */
#define QUIET_US 300000
#define SETTLE_US 5000000
#define FOR_EVER_US UINT64_C(1000000000000)

static void raise_file_limit(uint32_t n)
{
	struct rlimit r;
	rlim_t need = (rlim_t)n + OTHER_FILES;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	getrlimit(RLIMIT_NOFILE, &r);
	if (r.rlim_cur != RLIM_INFINITY && r.rlim_cur < need) {
		fprintf(
		    stderr,
		    "natterbench: %lu connections need %lu open files, and this process may have %lu.\n"
		    "Raise the limit (as root: ulimit -Hn %lu; systemd: LimitNOFILE=), or ask for fewer connections.\n",
		    (unsigned long)n, (unsigned long)need, (unsigned long)r.rlim_cur, (unsigned long)need);
		exit(2);
	}
}

/* 127.0.0.1, 127.0.0.2, ... as many as the local ports call for; all of them are this machine's on Linux. */
static void find_sources(struct crowd *k, const struct options *o)
{
	size_t n = o->mode == BENCH_CONNECT ? CONNECT_SOURCES : k->n / PER_SOURCE + 1;

	k->pool.sources = o->sources;
	k->pool.n_sources = o->n_sources;
#ifdef __linux__
	if (o->n_sources || !k->target.loopback || n == 1)
		return;
	k->sources = must_calloc(n, sizeof(*k->sources));
	for (size_t i = 0; i < n; i++) {
		struct sockaddr_in *in = (struct sockaddr_in *)&k->sources[i];

		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)i);
	}
	k->pool.sources = k->sources;
	k->pool.n_sources = n;
#else
	(void)n;
#endif
}

void crowd_init(struct crowd *k, struct loop *l, const struct options *o, uint32_t n,
		const struct client_ops *ops, void *arg)
{
	char why[512];

	*k = (struct crowd){.loop = l, .n = n, .concurrency = o->concurrency, .timeout_us = o->timeout_us};
	raise_file_limit(n);
	if (target_init(&k->target, o->url, o->rooms > 1, why, sizeof(why)) != 0)
		options_bad("%s", why);
	k->target.subprotocol = o->subprotocol;
	k->target.headers = o->headers;
	k->target.deflate = o->deflate;
	k->target.n_headers = o->n_headers;
	k->target.seed = (uint32_t)(clock_wall_ms() ^ (int64_t)clock_us() << 12);
	client_pool_init(&k->pool, l->base, &k->target, ops, arg);
	if (k->target.tls && (k->pool.tls = tls_client_context(o->cacert, o->insecure, why, sizeof(why))) == NULL)
		options_bad("%s", why);
	find_sources(k, o);
	k->clients = must_calloc(n, sizeof(*k->clients));
	for (uint32_t i = 0; i < n; i++)
		client_init(&k->clients[i], &k->pool, i, i);
}

void crowd_clear(struct crowd *k)
{
	for (uint32_t i = 0; i < k->n; i++)
		client_clear(&k->clients[i]);
	free(k->clients);
	free(k->sources);
	SSL_CTX_free(k->pool.tls);
	client_pool_clear(&k->pool);
	target_clear(&k->target);
}

static void begin_more(struct crowd *k)
{
	while (k->opening && k->failed == 0 && k->begun < k->n && k->begun - k->open < k->concurrency)
		if (!client_open(&k->clients[k->begun++]))
			k->failed++;
}

void crowd_opened(struct crowd *k)
{
	k->open++;
	k->moved_us = clock_us();
	begin_more(k);
}

void crowd_gone(struct crowd *k, bool was_open)
{
	if (was_open)
		k->lost++;
	else
		k->failed++;
}

static bool all_open(void *arg)
{
	struct crowd *k = arg;

	if (loop_progress_due(k->loop))
		loop_progress(k->loop, "opening connections: %u of %u", (unsigned)k->open, (unsigned)k->n);
	if (k->open < k->n && clock_us() - k->moved_us > k->timeout_us && k->failed == 0) {
		k->failed++;
		if (k->pool.why[0] == '\0')
			snprintf(k->pool.why, sizeof(k->pool.why),
				 "the server has not answered an opening handshake for %.3g s",
				 (double)k->timeout_us / 1e6);
	}
	return k->failed || k->lost || k->open == k->n;
}

bool crowd_open(struct crowd *k)
{
	k->opening = true;
	k->moved_us = clock_us();
	begin_more(k);
	loop_run(k->loop, clock_us() + FOR_EVER_US, all_open, k, false);
	k->opening = false;
	return k->open == k->n && k->failed + k->lost == 0;
}

static bool quiet(void *arg)
{
	struct crowd *k = arg;
	uint64_t now = clock_us();

	if (k->pool.bytes_read != k->settled_bytes) {
		k->settled_bytes = k->pool.bytes_read;
		k->moved_us = now;
	}
	return now - k->moved_us > QUIET_US;
}

void crowd_settle(struct crowd *k)
{
	k->moved_us = clock_us();
	loop_run(k->loop, clock_us() + SETTLE_US, quiet, k, false);
}

static bool all_gone(void *arg)
{
	struct crowd *k = arg;

	return k->lost >= k->open;
}

void crowd_close(struct crowd *k)
{
	for (uint32_t i = 0; i < k->n; i++)
		client_close(&k->clients[i]);
	loop_run(k->loop, clock_us() + 1000000, all_gone, k, true);
}
