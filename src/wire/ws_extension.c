/*
 * ws_extension: see ws_extension.h.
 */
#include <config.h>

#include "wire/ws_extension.h"

#include <string.h>

#define FIELD "Sec-WebSocket-Extensions"

/* A field's value under the reader's finger. */
struct reader {
	const char *buf;
	uint16_t at, end;
};

static bool is_at(const struct reader *r, char c) { return r->at < r->end && r->buf[r->at] == c; }

static void skip_space(struct reader *r)
{
	while (is_at(r, ' ') || is_at(r, '\t'))
		r->at++;
}

/* Past what separates the list's elements. */
static void skip_commas(struct reader *r)
{
	skip_space(r);
	while (is_at(r, ',')) {
		r->at++;
		skip_space(r);
	}
}

static bool at_end_of_item(struct reader *r)
{
	skip_space(r);
	return r->at == r->end || is_at(r, ';') || is_at(r, ',');
}

static bool read_token(struct reader *r, struct http_piece *token)
{
	token->at = r->at;
	while (r->at < r->end && http_token(r->buf + r->at, 1))
		r->at++;
	token->len = (uint16_t)(r->at - token->at);
	return token->len > 0;
}

/* Past a quoted string (RFC 9110 section 5.6.4). False: it has no end. */
static bool skip_quoted(struct reader *r)
{
	for (r->at++; r->at < r->end; r->at++) {
		if (r->buf[r->at] == '"') {
			r->at++;
			return true;
		}
		if (r->buf[r->at] == '\\')
			r->at++;
	}
	return false;
}

/* A token, or one in quotes, where any character may be escaped. */
static bool read_value(struct reader *r, struct http_piece *value)
{
	if (!is_at(r, '"'))
		return read_token(r, value);
	value->at = (uint16_t)(r->at + 1);
	if (!skip_quoted(r))
		return false;
	value->len = (uint16_t)(r->at - 1 - value->at);
	for (uint16_t i = 0; i < value->len; i++) {
		i += r->buf[value->at + i] == '\\';
		if (!http_token(r->buf + value->at + i, 1))
			return false;
	}
	return value->len > 0;
}

static bool read_param(struct reader *r, struct ws_extension_item *item)
{
	if (!read_token(r, &item->name))
		return false;
	skip_space(r);
	if (is_at(r, '=')) {
		r->at++;
		skip_space(r);
		item->has_value = true;
		if (!read_value(r, &item->value))
			return false;
	}
	return at_end_of_item(r);
}

/* A parameter, from its semicolon on; whatever it is, the reader stands behind it. */
static void next_param(struct reader *r, struct ws_extension_item *item)
{
	uint16_t begin;

	r->at++;
	skip_space(r);
	begin = r->at;
	item->kind = WS_EXTENSION_PARAM;
	if (read_param(r, item))
		return;
	item->kind = WS_EXTENSION_MALFORMED;
	for (r->at = begin; r->at < r->end && !is_at(r, ';') && !is_at(r, ',');) {
		if (!is_at(r, '"'))
			r->at++;
		else if (!skip_quoted(r))
			item->kind = WS_EXTENSION_BAD;
	}
}

struct ws_extension_item ws_extension_next(const struct http_head *h, const char *buf,
					   struct ws_extension_place *place)
{
	struct ws_extension_item item = {.kind = WS_EXTENSION_END};
	struct http_piece field;

	for (; http_head_field(h, buf, FIELD, place->field, &field); place->field++, place->at = 0) {
		struct reader r = {buf, place->at ? place->at : field.at, (uint16_t)(field.at + field.len)};

		if (place->at && is_at(&r, ';')) {
			next_param(&r, &item);
			place->at = r.at;
			return item;
		}
		skip_commas(&r);
		if (r.at == r.end)
			continue;
		item.kind = WS_EXTENSION_OFFER;
		if (!read_token(&r, &item.name) || !at_end_of_item(&r))
			item.kind = WS_EXTENSION_BAD;
		place->at = r.at;
		return item;
	}
	return item;
}

size_t ws_extension_value(const struct ws_extension_item *item, const char *buf, char *out, size_t size)
{
	size_t n = 0;

	for (uint16_t i = 0; i < item->value.len && n < size; i++) {
		i += buf[item->value.at + i] == '\\'; /* no token has one of its own */
		out[n++] = buf[item->value.at + i];
	}
	return n;
}

bool ws_extension_valid(const struct http_head *h, const char *buf)
{
	struct ws_extension_place place = {0};
	enum ws_extension_kind kind = ws_extension_next(h, buf, &place).kind;
	struct http_piece field;

	if (kind == WS_EXTENSION_END)
		return !http_head_field(h, buf, FIELD, 0, &field);
	while (kind < WS_EXTENSION_END)
		kind = ws_extension_next(h, buf, &place).kind;
	return kind == WS_EXTENSION_END;
}
