#include <config.h>

#include "wire/origin.h"
#include "wire/netmask.h"

#include <string.h>
#include <strings.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* ---- parsing ---- */

/* Ports of schemes (RFC 6454 section 4). */
static const struct {
	const char *scheme;
	uint16_t port;
} schemes[] = { { "http", 80 }, { "https", 443 }, { "ws", 80 }, { "wss", 443 } };

static uint16_t port_of(const char *scheme, size_t len)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strlen(schemes[i].scheme) == len && strncasecmp(schemes[i].scheme, scheme, len) == 0)
			return schemes[i].port;
	return 0;
}

/* How many bytes of TEXT are a scheme (RFC 3986 section 3.1); 0: it begins with none. */
static size_t scheme_length(const char *text, size_t len)
{
	size_t n = 0;

	if (len == 0 || !is_alpha(text[0]))
		return 0;
	while (n < len && (is_alpha(text[n]) || is_digit(text[n]) || text[n] == '+' || text[n] == '-' || text[n] == '.'))
		n++;
	return n;
}

/* How many bytes of TEXT are a host, with its brackets. */
static size_t host_length(const char *text, size_t len)
{
	const char *end = len && text[0] == '[' ? memchr(text, ']', len) : NULL;
	size_t n = 0;

	if (end)
		return (size_t)(end - text) + 1;
	while (n < len && (is_alpha(text[n]) || is_digit(text[n]) || (text[n] && strchr("-._~%", text[n]))))
		n++;
	return n;
}

/* A port's digits. False: they are none, or too many. */
static bool parse_port(const char *text, size_t len, uint16_t *port)
{
	unsigned n = 0;

	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return false;
		n = 10 * n + (unsigned)(text[i] - '0');
	}
	*port = (uint16_t)n;
	return n <= 65535;
}

/* The address in the brackets of HOST. */
static bool bracketed(const char *host, size_t len, struct net_addr *a)
{
	return len > 2 && host[0] == '[' && host[len - 1] == ']' && memchr(host, ':', len) &&
	       net_addr_parse(a, host + 1, len - 2);
}

static size_t without_dot(const char *host, size_t len) { return len > 1 && host[len - 1] == '.' ? len - 1 : len; }

/* HOST[:PORT], where the port is left as it is if there is none. */
static bool parse_authority(struct origin *o, const char *text, size_t len)
{
	size_t n = host_length(text, len);
	struct net_addr a;

	o->host = text;
	o->host_len = without_dot(text, n);
	if (n && (text[0] == '[' ? !bracketed(text, n, &a) : text[o->host_len - 1] == '.'))
		return false; /* one dot at its end is the root's, a second one nothing */
	if (n == len)
		return n > 0 || o->port == 0;
	return n > 0 && text[n] == ':' && parse_port(text + n + 1, len - n - 1, &o->port);
}

bool origin_parse(struct origin *o, const char *text, size_t len)
{
	size_t n;

	memset(o, 0, sizeof(*o));
	if (len > ORIGIN_MAX)
		return false;
	if (len == 4 && memcmp(text, "null", 4) == 0)
		return o->null = true;
	n = scheme_length(text, len);
	if (n == 0 || len - n < 3 || memcmp(text + n, "://", 3) != 0)
		return false;
	o->scheme = text;
	o->scheme_len = n;
	o->port = port_of(text, n);
	return parse_authority(o, text + n + 3, len - n - 3);
}

/* ---- comparing ---- */

static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

static bool same_host(const char *a, size_t a_len, const char *b, size_t b_len)
{
	struct net_addr one, other;

	if (a_len == 0 || b_len == 0)
		return false;
	if (bracketed(a, a_len, &one) && bracketed(b, b_len, &other))
		return net_addr_same(&one, &other);
	return same_text(a, a_len, b, b_len);
}

bool origin_same(const struct origin *a, const struct origin *b)
{
	if (a->null || b->null || a->port != b->port || !same_text(a->scheme, a->scheme_len, b->scheme, b->scheme_len))
		return false;
	return same_host(a->host, a->host_len, b->host, b->host_len) || (a->host_len == 0 && b->host_len == 0);
}

bool origin_of_host(const struct origin *o, const char *host, size_t len)
{
	size_t n = host_length(host, len);

	if (o->null || (n < len && host[n] != ':'))
		return false;
	return same_host(o->host, o->host_len, host, without_dot(host, n));
}
