/*
 * crowd: the clients of a run, opened so many at a time, and waited for until
 * the server has said what it says to newcomers.
 */
#ifndef NATTER_BENCH_CROWD_H
#define NATTER_BENCH_CROWD_H

#include "bench/client.h"
#include "bench/loop.h"
#include "bench/options.h"

struct crowd {
	struct loop *loop;
	struct client_pool pool;
	struct target target;
	struct client *clients;
	uint32_t n;
	uint32_t begun, open, failed, lost; /* failed: never opened; lost: were open */
	uint32_t concurrency;
	bool opening;
	uint64_t timeout_us, moved_us, settled_bytes;
	struct sockaddr_storage *sources;
};

/*
 * Makes N clients, none of which is open. Exits with 2 and a sentence when the URL
 * is bad or the limit of open files too low. OPS' functions call crowd_opened()
 * and crowd_gone(); its arg is the pool's.
 */
void crowd_init(struct crowd *k, struct loop *l, const struct options *o, uint32_t n,
		const struct client_ops *ops, void *arg);
void crowd_clear(struct crowd *k);

/* Opens all. False: it did not work (the pool's why), or was interrupted (why is empty). */
bool crowd_open(struct crowd *k);

/* Waits until nothing came for 0.3 s, at most 5 s. */
void crowd_settle(struct crowd *k);

/* Closes those that are open, politely but without waiting long. */
void crowd_close(struct crowd *k);

void crowd_opened(struct crowd *k);
void crowd_gone(struct crowd *k, bool was_open);

#endif
