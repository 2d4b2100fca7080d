#include <config.h>

#include "wire/forwarded.h"

#include <string.h>
#include <strings.h>

static bool is_white(char c) { return c == ' ' || c == '\t'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static struct http_piece piece(size_t at, size_t len)
{
	return (struct http_piece){ .at = (uint16_t)at, .len = (uint16_t)len };
}

static bool is_word(const char *s, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(s, word, len) == 0;
}

/* ---- hops ---- */

enum hop { HOP_ADDRESS, HOP_UNKNOWN, HOP_BAD };

/* Whether LEN bytes are a "_" and what RFC 7239 section 6.3 lets follow. */
static bool is_obfuscated(const char *s, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (!is_digit(s[i]) && !((s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'z') && !(s[i] && strchr("._-", s[i])))
			return false;
	return len > 1 && s[0] == '_';
}

/* What may follow a node's name: nothing, or a colon and a port, which may be obfuscated. */
static bool is_port(const char *s, size_t len)
{
	size_t n = 1;

	if (len == 0)
		return true;
	if (s[0] != ':')
		return false;
	while (n < len && is_digit(s[n]))
		n++;
	return (n == len && len > 1 && len <= 6) || is_obfuscated(s + 1, len - 1);
}

/* How many bytes of a node are its name: up to the bracket's end, or to the colon. */
static size_t name_length(const char *s, size_t len)
{
	const char *end = memchr(s, len && s[0] == '[' ? ']' : ':', len);

	return end == NULL ? len : s[0] == '[' ? (size_t)(end - s) + 1 : (size_t)(end - s);
}

/* A node of RFC 7239 section 6. */
static enum hop read_node(const char *s, size_t len, struct net_addr *a)
{
	size_t n = name_length(s, len);

	if (len == 0 || !is_port(s + n, len - n))
		return HOP_BAD;
	if (s[0] == '[')
		return n > 2 && s[n - 1] == ']' && memchr(s, ':', n) && net_addr_parse(a, s + 1, n - 2) ? HOP_ADDRESS
												: HOP_BAD;
	if (is_word(s, n, "unknown") || is_obfuscated(s, n))
		return HOP_UNKNOWN;
	return net_addr_parse(a, s, n) ? HOP_ADDRESS : HOP_BAD;
}

/* The same, or an address of IPv6 as it is. */
static enum hop read_x(const char *s, size_t len, struct net_addr *a)
{
	return net_addr_parse(a, s, len) ? HOP_ADDRESS : read_node(s, len, a);
}

/* ---- a list's elements from its end ---- */

/* The last element of what is left of LIST, which loses it; empty ones are passed over. False: there is none. */
static bool take_last(const char *buf, struct http_piece *list, struct http_piece *element)
{
	while (list->len > 0) {
		size_t begin = list->at, end = begin + list->len, at = end;

		while (at > begin && buf[at - 1] != ',')
			at--;
		list->len = (uint16_t)(at > begin ? at - 1 - begin : 0);
		while (at < end && is_white(buf[at]))
			at++;
		while (end > at && is_white(buf[end - 1]))
			end--;
		if (end > at) {
			*element = piece(at, end - at);
			return true;
		}
	}
	return false;
}

/* ---- Forwarded ---- */

/* An element of the field; pieces are empty where it does not say. */
struct element {
	struct http_piece node, host;
	bool has_node, has_host;
};

struct elements {
	size_t n;
	struct element v[FORWARDED_HOPS_MAX];
};

/* How many of the bytes from AT to END are a quoted string with its quotes, none of them escaped; 0: they are none. */
static size_t quoted_length(const char *buf, size_t at, size_t end)
{
	for (size_t i = at + 1; i < end && buf[i] != '\\'; i++)
		if (buf[i] == '"')
			return i + 1 - at;
	return 0;
}

static size_t token_length(const char *buf, size_t at, size_t end)
{
	size_t n = 0;

	while (at + n < end && http_token(buf + at + n, 1))
		n++;
	return n;
}

/* Keeps the value of one of the names we know. False: it is there twice. */
static bool keep(struct element *e, const char *name, size_t len, struct http_piece value)
{
	bool node = is_word(name, len, "for"), host = is_word(name, len, "host");

	if ((node && e->has_node) || (host && e->has_host))
		return false;
	e->has_node |= node;
	e->has_host |= host;
	if (node)
		e->node = value;
	if (host)
		e->host = value;
	return true;
}

/* NAME=VALUE at *AT, which moves behind it. */
static bool read_pair(const char *buf, size_t *at, size_t end, struct element *e)
{
	size_t name = *at, name_len = token_length(buf, name, end), value = name + name_len + 1, len;
	bool quoted;

	if (name_len == 0 || value >= end || buf[value - 1] != '=')
		return false;
	quoted = buf[value] == '"';
	len = quoted ? quoted_length(buf, value, end) : token_length(buf, value, end);
	*at = value + len;
	return len > 0 && keep(e, buf + name, name_len, quoted ? piece(value + 1, len - 2) : piece(value, len));
}

static void skip_white(const char *buf, size_t *at, size_t end)
{
	while (*at < end && is_white(buf[*at]))
		++*at;
}

/* The field's elements (RFC 7239 section 4). False: they are none. */
static bool read_elements(const char *buf, struct http_piece field, struct elements *list)
{
	size_t at = field.at, end = at + field.len;
	bool begun = false;

	list->n = 0;
	for (;; at++) {
		skip_white(buf, &at, end);
		if (at < end && buf[at] != ',' && buf[at] != ';') {
			if (!begun && list->n == FORWARDED_HOPS_MAX)
				return false;
			if (!begun)
				list->v[list->n++] = (struct element){ .has_node = false };
			begun = true;
			if (!read_pair(buf, &at, end, &list->v[list->n - 1]))
				return false;
			skip_white(buf, &at, end);
		}
		if (at == end)
			return true;
		if (buf[at] != ',' && buf[at] != ';')
			return false;
		if (buf[at] == ',')
			begun = false;
	}
}

/* ---- the client ---- */

static unsigned count_fields(const struct http_head *h, const char *buf, const char *name)
{
	struct http_piece value;
	unsigned n = 0;

	while (http_head_field(h, buf, name, n, &value))
		n++;
	return n;
}

/* What a hop was found to be moves the client on. Whether to go on to the one before it. */
static bool step(enum hop hop, const struct net_addr *a, const struct net_list *trusted, struct net_addr *client)
{
	if (hop != HOP_ADDRESS)
		return false;
	*client = *a;
	return net_list_has(trusted, a);
}

/* Goes through one field from its end. HOP_ADDRESS: the client is still to be found, in the field before it. */
static enum hop through_x(const char *buf, struct http_piece list, const struct net_list *trusted, struct net_addr *client)
{
	struct http_piece element;
	struct net_addr a;

	while (take_last(buf, &list, &element)) {
		enum hop hop = read_x(buf + element.at, element.len, &a);

		if (!step(hop, &a, trusted, client))
			return hop == HOP_BAD ? HOP_BAD : HOP_UNKNOWN;
	}
	return HOP_ADDRESS;
}

static enum hop through_rfc7239(const char *buf, struct http_piece field, const struct net_list *trusted,
				struct net_addr *client)
{
	struct elements list;
	struct net_addr a;

	if (!read_elements(buf, field, &list))
		return HOP_BAD;
	while (list.n-- > 0) {
		const struct element *e = &list.v[list.n];
		enum hop hop = e->has_node ? read_node(buf + e->node.at, e->node.len, &a) : HOP_UNKNOWN;

		if (!step(hop, &a, trusted, client))
			return hop == HOP_BAD ? HOP_BAD : HOP_UNKNOWN;
	}
	return HOP_ADDRESS;
}

bool forwarded_client(const struct http_head *h, const char *buf, enum forwarded_by by, const struct net_list *trusted,
		      struct net_addr *client, const char **why)
{
	const char *name = by == FORWARDED_X ? "X-Forwarded-For" : "Forwarded";
	unsigned n = by == FORWARDED_NOT ? 0 : count_fields(h, buf, name);
	enum hop end = HOP_ADDRESS;
	struct http_piece field;

	while (n-- > 0 && end == HOP_ADDRESS && http_head_field(h, buf, name, n, &field))
		end = (by == FORWARDED_X ? through_x : through_rfc7239)(buf, field, trusted, client);
	if (end == HOP_BAD)
		*why = by == FORWARDED_X ? "the proxy's X-Forwarded-For is no list of addresses"
					 : "the proxy's Forwarded is not what RFC 7239 says";
	return end != HOP_BAD;
}

/* ---- hosts ---- */

size_t forwarded_hosts(const struct http_head *h, const char *buf, enum forwarded_by by,
		       struct http_piece hosts[FORWARDED_HOSTS_MAX])
{
	const char *name = by == FORWARDED_X ? "X-Forwarded-Host" : "Forwarded";
	unsigned fields = by == FORWARDED_NOT ? 0 : count_fields(h, buf, name);
	struct http_piece field, host;
	struct elements list;
	size_t n = 0;

	while (fields-- > 0 && http_head_field(h, buf, name, fields, &field)) {
		if (by == FORWARDED_X) {
			while (n < FORWARDED_HOSTS_MAX && take_last(buf, &field, &host))
				hosts[n++] = host;
		} else if (read_elements(buf, field, &list)) {
			while (n < FORWARDED_HOSTS_MAX && list.n-- > 0)
				if (list.v[list.n].has_host)
					hosts[n++] = list.v[list.n].host;
		}
	}
	return n;
}
