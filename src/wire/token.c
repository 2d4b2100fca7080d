/*
 * token: see token.h.
 */
#include <config.h>

#include "wire/token.h"

#include <string.h>
#include <strings.h>

#define BEARER "Bearer"
#define OFFER "natter.bearer."

static bool is_space(char c) { return c == ' ' || c == '\t'; }

static bool bad(struct token *t, const char *why)
{
	t->why = why;
	return false;
}

/* Takes a token that is presented somewhere; false: t->why says why not. */
static bool take(struct token *t, const char *s, size_t len)
{
	if (len == 0)
		return bad(t, "the token is empty");
	if (len > TOKEN_MAX)
		return bad(t, "the token is longer than 4096 bytes");
	if (t->len)
		return (t->len == len && memcmp(t->text, s, len) == 0) || bad(t, "two different tokens are ambiguous");
	memcpy(t->text, s, len);
	t->text[len] = '\0';
	t->len = len;
	return true;
}

/* The value of an Authorization field: scheme, spaces, token. */
static bool take_authorization(struct token *t, const char *s, size_t len)
{
	size_t n = sizeof(BEARER) - 1;

	if (len < n || strncasecmp(s, BEARER, n) != 0 || (len > n && !is_space(s[n])))
		return true;
	while (n < len && is_space(s[n]))
		n++;
	for (size_t i = n; i < len; i++)
		if (is_space(s[i]))
			return bad(t, "the token in the Authorization field has white space in it");
	return take(t, s + n, len - n);
}

static bool find_authorization(const struct http_head *h, const char *buf, struct token *t)
{
	struct http_piece value;

	for (unsigned i = 0; http_head_field(h, buf, "Authorization", i, &value); i++)
		if (!take_authorization(t, buf + value.at, value.len))
			return false;
	return true;
}

static void trim(const char **s, size_t *len)
{
	for (; *len && is_space(**s); (*len)--)
		(*s)++;
	while (*len && is_space((*s)[*len - 1]))
		(*len)--;
}

/* NAME=VALUE, white space around each cut off as RFC 6265 section 5.2 does it. */
static bool take_cookie(struct token *t, const char *name, const char *s, size_t len)
{
	const char *sign = memchr(s, '=', len), *value;
	size_t name_len, value_len;

	if (sign == NULL)
		return true;
	name_len = (size_t)(sign - s);
	value = sign + 1;
	value_len = len - name_len - 1;
	trim(&s, &name_len);
	trim(&value, &value_len);
	if (name_len != strlen(name) || memcmp(s, name, name_len) != 0)
		return true;
	if (value_len >= 2 && value[0] == '"' && value[value_len - 1] == '"') {
		value++;
		value_len -= 2;
	}
	return value_len == 0 || take(t, value, value_len);
}

static bool find_cookie(const struct http_head *h, const char *buf, const char *name, struct token *t)
{
	struct http_piece field;

	for (unsigned i = 0; http_head_field(h, buf, "Cookie", i, &field); i++) {
		const char *s = buf + field.at, *end = s + field.len;

		while (s < end) {
			const char *next = memchr(s, ';', (size_t)(end - s));

			if (next == NULL)
				next = end;
			if (!take_cookie(t, name, s, (size_t)(next - s)))
				return false;
			s = next + 1;
		}
	}
	return true;
}

static bool find_offer(const struct http_head *h, const char *buf, struct token *t)
{
	const size_t n = sizeof(OFFER) - 1;
	struct http_piece offer;
	uint32_t pos = 0;

	while (http_head_list_next(h, buf, "Sec-WebSocket-Protocol", &pos, &offer)) {
		if (offer.len < n || memcmp(buf + offer.at, OFFER, n) != 0)
			continue;
		if (!take(t, buf + offer.at + n, offer.len - n))
			return false;
	}
	return true;
}

/* Pair by pair, for http_query_get() gives only the first of a name. */
static bool find_query(const struct http_head *h, const char *buf, struct token *t)
{
	const char *s = buf + h->query.at, *end = s + h->query.len;
	char text[TOKEN_MAX + 1];

	while (s < end) {
		const char *next = memchr(s, '&', (size_t)(end - s));
		int n;

		if (next == NULL)
			next = end;
		n = http_query_get(s, (size_t)(next - s), "token", text, sizeof(text));
		if (n == -2)
			return bad(t, "the token in the address cannot be decoded, or is too long");
		if (n >= 0 && !take(t, text, (size_t)n))
			return false;
		s = next + 1;
	}
	return true;
}

enum token_verdict token_find(const struct http_head *h, const char *buf, const struct token_places *where,
			      struct token *t)
{
	t->why = NULL;
	t->len = 0;
	t->text[0] = '\0';
	if (!find_authorization(h, buf, t) || !find_offer(h, buf, t) ||
	    (where->cookie && where->cookie[0] && !find_cookie(h, buf, where->cookie, t)) ||
	    (where->query && !find_query(h, buf, t)))
		return TOKEN_BAD;
	return t->len ? TOKEN_OK : TOKEN_NONE;
}
