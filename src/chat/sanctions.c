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

struct entry {
	uint64_t until; /* ms; UINT64_MAX: for good */
	char *key;      /* behind the label: the map's own has no end */
	char label[];
};

int sanctions_set(struct sanctions *s, const char *key, const char *label, uint64_t keep, uint64_t now)
{
	struct entry *e;

	if (s->map == NULL)
		s->map = strmap_new();
	if (s->map == NULL)
		return -1;
	sanctions_lift(s, key);
	if (strmap_count(s->map) >= SANCTIONS_MAX)
		return -1;
	e = malloc(sizeof(*e) + strlen(label) + 1 + strlen(key) + 1);
	if (e == NULL || strmap_put(s->map, key, strlen(key), e) < 0) {
		free(e);
		return -1;
	}
	e->until = keep ? now + keep : UINT64_MAX;
	strcpy(e->label, label);
	e->key = e->label + strlen(label) + 1;
	strcpy(e->key, key);
	return 0;
}

bool sanctions_are_full(const struct sanctions *s, const char *key)
{
	return s->map && strmap_count(s->map) >= SANCTIONS_MAX && !strmap_get(s->map, key, strlen(key));
}

const char *sanctions_labelled(const struct sanctions *s, enum sanction what, const char *label)
{
	size_t word = strlen(words[what]);
	const struct entry *e;

	for (size_t pos = 0; s->map && (e = strmap_next(s->map, &pos, NULL, NULL)) != NULL;)
		if (strcmp(e->label, label) == 0 && strncmp(e->key, words[what], word) == 0)
			return e->key;
	return NULL;
}

void sanctions_lift(struct sanctions *s, const char *key)
{
	if (s->map)
		free(strmap_del(s->map, key, strlen(key)));
}

uint64_t sanctions_last(struct sanctions *s, enum sanction what, const char *user, const char *address, uint64_t now)
{
	char key[SANCTION_KEY_MAX];
	const struct entry *e;

	if (s->map == NULL || strmap_count(s->map) == 0 || (user == NULL && address == NULL))
		return 0;
	sanction_key(key, what, user, address);
	e = strmap_get(s->map, key, strlen(key));
	if (e == NULL || e->until == UINT64_MAX)
		return e ? UINT64_MAX : 0;
	if (e->until > now)
		return e->until - now;
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
