#include <config.h>

#include "net/addr_limit.h"

#include "base/book.h"
#include "base/bucket.h"
#include "base/stats.h"
#include "wire/netmask.h"

#include <stddef.h>
#include <string.h>

/* Addresses without connections that are remembered, in all; about 2 MB. */
#define REMEMBERED 16384

/* For so long an address without connections is remembered: until all buckets are full again. */
#define REMEMBERED_MS 60000

/* So many refusals an address is told at once, and so many a second: others are turned away. */
static const struct bucket_limit told_limit = { .rate = 1, .burst = 10 };

/* What a new connection takes from its bucket, so that what it gains a second is what may come a minute. */
#define MINUTE 60

struct addr {
	uint32_t connections, handshakes;
	uint64_t now; /* ms, when it was last looked at; 0: never */
	struct bucket fresh, told;
};

struct book *addr_limit_book(void) { return book_new(sizeof(struct addr), REMEMBERED, REMEMBERED_MS); }

uint64_t addr_limit_key(const struct net_addr *a)
{
	uint64_t key = 0;
	bool v4 = net_addr_is_v4(a);

	if (a->kind != NET_ADDR_IP)
		return 0;
	for (unsigned i = v4 ? 12 : 0; i < (v4 ? 16 : 8); i++)
		key = key << 8 | a->bytes[i];
	return v4 ? key | UINT64_C(1) << 32 : key; /* no IPv6 network begins with so many zeros, but ::/64 */
}

uint64_t addr_limit_key_of_text(const char *address)
{
	struct net_addr a;

	return net_addr_parse(&a, address, strlen(address)) ? addr_limit_key(&a) : 0;
}

static struct bucket_limit fresh_limit(const struct addr_limit_opts *o)
{
	return (struct bucket_limit){ .rate = o->rate, .burst = o->rate ? (o->rate - 1) * MINUTE : 0 };
}

static enum admission judge(struct addr *a, const struct addr_limit_opts *o, uint64_t now)
{
	struct bucket_limit fresh = fresh_limit(o);

	if (a->now == 0) {
		bucket_init(&a->fresh, &fresh, now);
		bucket_init(&a->told, &told_limit, now);
	}
	a->now = now;
	if (o->handshakes && a->handshakes >= o->handshakes)
		return ADMISSION_HANDSHAKES;
	if (o->connections && a->connections >= o->connections)
		return ADMISSION_CONNECTIONS;
	/* Who is refused takes nothing: one that asks again and again is let in as often as one that waits. */
	if (bucket_take(&a->fresh, &fresh, 0, now) > 0)
		return ADMISSION_RATE;
	bucket_take(&a->fresh, &fresh, MINUTE, now);
	return ADMISSION_OK;
}

static const enum stat_id refused_stat[] = {
	[ADMISSION_CONNECTIONS] = STAT_refused_address_connections,
	[ADMISSION_RATE] = STAT_refused_address_rate,
	[ADMISSION_HANDSHAKES] = STAT_refused_address_handshakes,
};

enum admission addr_limit_admit(struct book *b, const struct addr_limit_opts *o, uint64_t key, uint64_t now)
{
	struct addr *a = book_open(b, key, now);
	enum admission answer;

	if (a == NULL)
		return ADMISSION_TURNED_AWAY;
	if (now < a->now)
		now = a->now; /* of another thread, that looked at its clock a little later */
	answer = judge(a, o, now);
	if (answer != ADMISSION_OK) {
		stats_add(refused_stat[answer], 1);
		if (bucket_take(&a->told, &told_limit, 0, now) > 0)
			answer = ADMISSION_TURNED_AWAY;
		else
			bucket_take(&a->told, &told_limit, 1, now);
	}
	if (answer != ADMISSION_TURNED_AWAY) {
		a->connections++;
		a->handshakes++;
	}
	book_close(b, a, answer != ADMISSION_TURNED_AWAY);
	return answer;
}

void addr_limit_done(struct book *b, uint64_t key, uint64_t now)
{
	struct addr *a = book_open(b, key, now);

	if (a == NULL) /* cannot be: it has users */
		return;
	a->handshakes--;
	book_close(b, a, 0);
}

void addr_limit_leave(struct book *b, uint64_t key, bool done, uint64_t now)
{
	struct addr *a = book_open(b, key, now);

	if (a == NULL)
		return;
	a->connections--;
	a->handshakes -= !done;
	book_close(b, a, -1);
}

const char *admission_why(enum admission a)
{
	static const char *const why[] = {
		[ADMISSION_OK] = "",
		[ADMISSION_FULL] = "the server has as many connections as it may have; try again later",
		[ADMISSION_CONNECTIONS] = "your address has as many connections as it may have; try again later",
		[ADMISSION_RATE] = "too many new connections came from your address; try again later",
		[ADMISSION_HANDSHAKES] = "too many connections from your address wait for their request; try again later",
		[ADMISSION_TURNED_AWAY] = "too many connections come from your address; try again later",
	};

	return why[a];
}
