#include <config.h>

#include "wire/netmask.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

#define UNIX_TEXT "unix"

struct netmask {
	struct net_addr net;
	uint8_t bits; /* of net's 128 */
};

struct net_list {
	size_t n;
	struct netmask v[];
};

/* ---- addresses ---- */

void net_addr_of_bytes(struct net_addr *a, const void *bytes, size_t len)
{
	a->kind = NET_ADDR_IP;
	memcpy(a->bytes, mapped, sizeof(mapped)); /* which stay, of an IPv4 address */
	memcpy(a->bytes + sizeof(a->bytes) - len, bytes, len);
}

bool net_addr_parse(struct net_addr *a, const char *text, size_t len)
{
	char copy[NET_ADDR_TEXT];
	unsigned char bytes[16];

	memset(a, 0, sizeof(*a));
	if (len >= sizeof(copy) || memchr(text, '\0', len))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET, copy, bytes) == 1)
		net_addr_of_bytes(a, bytes, 4);
	else if (inet_pton(AF_INET6, copy, bytes) == 1)
		net_addr_of_bytes(a, bytes, 16);
	return a->kind == NET_ADDR_IP;
}

void net_addr_of(struct net_addr *a, const struct sockaddr *peer)
{
	memset(a, 0, sizeof(*a));
	if (peer->sa_family == AF_INET)
		net_addr_of_bytes(a, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
	else if (peer->sa_family == AF_INET6)
		net_addr_of_bytes(a, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, 16);
	else if (peer->sa_family == AF_UNIX)
		a->kind = NET_ADDR_UNIX;
}

bool net_addr_is_v4(const struct net_addr *a)
{
	return a->kind == NET_ADDR_IP && memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
}

bool net_addr_same(const struct net_addr *a, const struct net_addr *b)
{
	return a->kind == b->kind && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

char *net_addr_text(const struct net_addr *a, char buf[NET_ADDR_TEXT])
{
	bool v4 = net_addr_is_v4(a);

	if (a->kind != NET_ADDR_IP ||
	    inet_ntop(v4 ? AF_INET : AF_INET6, a->bytes + (v4 ? sizeof(mapped) : 0), buf, NET_ADDR_TEXT) == NULL)
		strcpy(buf, UNIX_TEXT);
	return buf;
}

/* ---- networks ---- */

/* Up to three digits without a 0 in front. -1: it is no such number, or above MAX. */
static int prefix_bits(const char *s, int max)
{
	int n = 0;

	if (*s == '\0' || strlen(s) > 3 || strspn(s, "0123456789") != strlen(s) || (s[0] == '0' && s[1]))
		return -1;
	for (; *s; s++)
		n = 10 * n + (*s - '0');
	return n <= max ? n : -1;
}

/* Whether A and B begin with the same BITS bits. */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

/* Whether all that follows the prefix is 0. */
static bool is_clean(const struct netmask *m)
{
	for (unsigned i = m->bits; i < 128; i++)
		if (m->net.bytes[i / 8] & (0x80 >> i % 8))
			return false;
	return true;
}

static bool parse(struct netmask *m, const char *text)
{
	const char *slash = strchr(text, '/');
	int bits, skipped;

	memset(m, 0, sizeof(*m));
	if (strcmp(text, UNIX_TEXT) == 0) {
		m->net.kind = NET_ADDR_UNIX;
		return true;
	}
	if (!net_addr_parse(&m->net, text, slash ? (size_t)(slash - text) : strlen(text)))
		return false;
	skipped = strchr(text, ':') == NULL ? 96 : 0; /* as it is written: ::ffff:0:0/96 is all of IPv4, too */
	bits = slash ? prefix_bits(slash + 1, 128 - skipped) : 128 - skipped;
	m->bits = (uint8_t)(skipped + bits);
	return bits >= 0 && is_clean(m);
}

bool netmask_valid(const char *text)
{
	struct netmask m;

	return parse(&m, text);
}

static bool covers(const struct netmask *m, const struct net_addr *a)
{
	if (m->net.kind != a->kind || a->kind == NET_ADDR_NONE)
		return false;
	/* A network of IPv6 that is wide enough to hold the mapped addresses does not mean them. */
	return same_prefix(m->net.bytes, a->bytes, m->bits) && (m->bits >= 96 || !net_addr_is_v4(a));
}

struct net_list *net_list_new(const char *const *texts, size_t n)
{
	struct net_list *l = malloc(sizeof(*l) + n * sizeof(l->v[0]));

	if (l == NULL)
		return NULL;
	for (l->n = 0; l->n < n; l->n++) {
		if (parse(&l->v[l->n], texts[l->n]))
			continue;
		free(l);
		return NULL;
	}
	return l;
}

void net_list_free(struct net_list *l) { free(l); }

bool net_list_has(const struct net_list *l, const struct net_addr *a)
{
	for (size_t i = 0; l && i < l->n; i++)
		if (covers(&l->v[i], a))
			return true;
	return false;
}
