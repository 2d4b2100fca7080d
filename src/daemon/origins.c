#include <config.h>

#include "daemon/origins.h"

#include <stdio.h>
#include <string.h>

#define ALL "*"
#define NONE "null"
#define SAME_HOST "same-host"

bool origins_valid(const char *text)
{
	struct origin o;

	return strcmp(text, ALL) == 0 || strcmp(text, SAME_HOST) == 0 || origin_parse(&o, text, strlen(text));
}

static bool lists(const struct config_endpoint *e, const char *word)
{
	for (size_t i = 0; i < e->origins.n; i++)
		if (strcmp(e->origins.v[i], word) == 0)
			return true;
	return false;
}

bool origins_are_all(const struct config_endpoint *e) { return lists(e, ALL); }

static bool lists_origin(const struct config_endpoint *e, const struct origin *o)
{
	struct origin one;

	for (size_t i = 0; i < e->origins.n; i++)
		if (origin_parse(&one, e->origins.v[i], strlen(e->origins.v[i])) && origin_same(&one, o))
			return true;
	return false;
}

static bool is_of_host(const struct origin *o, const struct http_head *h, const char *buf, enum forwarded_by by)
{
	struct http_piece hosts[FORWARDED_HOSTS_MAX];
	size_t n;

	if (origin_of_host(o, buf + h->host.at, h->host.len))
		return true;
	n = forwarded_hosts(h, buf, by, hosts);
	while (n-- > 0)
		if (origin_of_host(o, buf + hosts[n].at, hosts[n].len))
			return true;
	return false;
}

/* The request's one Origin. False: it has none, several, or none that can be read. */
static bool read_origin(const struct http_head *h, const char *buf, struct origin *o)
{
	struct http_piece value, second;

	return http_head_field(h, buf, "Origin", 0, &value) && !http_head_field(h, buf, "Origin", 1, &second) &&
	       origin_parse(o, buf + value.at, value.len);
}

const char *origins_refusal(const struct config_endpoint *e, const struct http_head *h, const char *buf,
			    enum forwarded_by by)
{
	struct http_piece value;
	struct origin o;

	if (!http_head_field(h, buf, "Origin", 0, &value))
		return e->origin_required ? "there is no Origin: only pages in a browser may connect here" : NULL;
	if (origins_are_all(e))
		return NULL;
	if (!read_origin(h, buf, &o))
		return "the Origin cannot be read";
	if (o.null ? lists(e, NONE) : lists_origin(e, &o) || (lists(e, SAME_HOST) && is_of_host(&o, h, buf, by)))
		return NULL;
	return "pages of this origin may not connect here; the server's log has the line that would allow it";
}

/* Appends to OUT, as far as there is room. */
static size_t put(char *out, size_t size, size_t at, const char *text, size_t len)
{
	int n = at < size ? snprintf(out + at, size - at, "%.*s", (int)len, text) : 0;

	return at + (n > 0 ? (size_t)n : 0);
}

char *origins_allowing(const struct config_endpoint *e, const struct http_head *h, const char *buf, char *out,
		       size_t size)
{
	struct http_piece value;
	struct origin o;
	size_t at = 0;

	out[0] = '\0';
	if (!http_head_field(h, buf, "Origin", 0, &value)) {
		snprintf(out, size, "origin_required = no");
		return out;
	}
	if (!read_origin(h, buf, &o))
		return out;
	/* In quotes that a log line need not escape; nothing that is an origin has one. */
	at = put(out, size, at, "origins = {", 11);
	for (size_t i = 0; i < e->origins.n; i++) {
		at = put(out, size, at, "'", 1);
		at = put(out, size, at, e->origins.v[i], strlen(e->origins.v[i]));
		at = put(out, size, at, "', ", 3);
	}
	at = put(out, size, at, "'", 1);
	at = put(out, size, at, buf + value.at, value.len);
	put(out, size, at, "'}", 2);
	return out;
}
