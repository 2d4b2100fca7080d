#include <config.h>

#include "chat/sanctions.h"

#include "base/strmap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = { [SANCTION_BAN] = "ban", [SANCTION_MUTE] = "mute" };

const char *sanction_word(enum sanction what) { return words[what]; }

/* An IPv6 client has a /64 of addresses at least. */
static void network_of(char to[INET6_ADDRSTRLEN + 4], const char *address)
{
	struct in6_addr a;

	if (inet_pton(AF_INET6, address, &a) != 1) {
		snprintf(to, INET6_ADDRSTRLEN + 4, "%s", address);
		return;
	}
	memset(a.s6_addr + 8, 0, 8);
	inet_ntop(AF_INET6, &a, to, INET6_ADDRSTRLEN);
	strcat(to, "/64");
}

void sanction_key(char key[SANCTION_KEY_MAX], enum sanction what, const char *user, const char *address)
{
	char network[INET6_ADDRSTRLEN + 4];

	if (user) {
		snprintf(key, SANCTION_KEY_MAX, "%s u:%s", words[what], user);
		return;
	}
	network_of(network, address);
	snprintf(key, SANCTION_KEY_MAX, "%s a:%s", words[what], network);
}

int sanctions_set(struct sanctions *s, const char *key, uint64_t keep, uint64_t now)
{
	uint64_t *until;

	if (s->map == NULL)
		s->map = strmap_new();
	if (s->map == NULL)
		return -1;
	until = strmap_get(s->map, key, strlen(key));
	if (until == NULL && strmap_count(s->map) < SANCTIONS_MAX) {
		until = malloc(sizeof(*until));
		if (until && strmap_put(s->map, key, strlen(key), until) < 0) {
			free(until);
			until = NULL;
		}
	}
	if (until == NULL)
		return -1;
	*until = keep ? now + keep : UINT64_MAX;
	return 0;
}

void sanctions_lift(struct sanctions *s, const char *key)
{
	if (s->map)
		free(strmap_del(s->map, key, strlen(key)));
}

uint64_t sanctions_last(struct sanctions *s, enum sanction what, const char *user, const char *address, uint64_t now)
{
	char key[SANCTION_KEY_MAX];
	uint64_t *until;

	if (s->map == NULL || strmap_count(s->map) == 0 || (user == NULL && address == NULL))
		return 0;
	sanction_key(key, what, user, address);
	until = strmap_get(s->map, key, strlen(key));
	if (until == NULL || *until == UINT64_MAX)
		return until ? UINT64_MAX : 0;
	if (*until > now)
		return *until - now;
	sanctions_lift(s, key);
	return 0;
}

void sanctions_clear(struct sanctions *s)
{
	void *until;

	for (size_t pos = 0; s->map && (until = strmap_next(s->map, &pos, NULL, NULL)) != NULL;)
		free(until);
	strmap_free(s->map);
	s->map = NULL;
}
