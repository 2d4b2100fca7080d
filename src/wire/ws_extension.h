/*
 * ws_extension: Sec-WebSocket-Extensions as a list of offers and their
 * parameters (RFC 6455 section 9.1), in one field or in several.
 *
 * Pure. What an offer means is the business of the extension's own file.
 */
#ifndef NATTER_WIRE_WS_EXTENSION_H
#define NATTER_WIRE_WS_EXTENSION_H

#include "wire/http_head.h"

enum ws_extension_kind {
	WS_EXTENSION_OFFER,     /* name: an extension's; its parameters follow */
	WS_EXTENSION_PARAM,     /* name and value: a parameter of the offer before it */
	WS_EXTENSION_MALFORMED, /* a parameter of the offer before it that is none */
	WS_EXTENSION_END,
	WS_EXTENSION_BAD,       /* no such list at all; nothing follows */
};

struct ws_extension_item {
	enum ws_extension_kind kind;
	struct http_piece name;
	struct http_piece value; /* a token as it was quoted, without the quotes: ws_extension_value() */
	bool has_value;
};

/* A reader's place; begins as zeros. */
struct ws_extension_place {
	unsigned field;
	uint16_t at;
};

/* The next item of all the fields of H, whose bytes are in BUF, in their order. */
struct ws_extension_item ws_extension_next(const struct http_head *h, const char *buf,
					   struct ws_extension_place *place);

/* Writes the first SIZE bytes of a parameter's value to OUT, without a 0; returns how many there are of these. */
size_t ws_extension_value(const struct ws_extension_item *item, const char *buf, char *out, size_t size);

/* Whether the fields, if there are any, are a list of offers; malformed parameters are left to who reads them. */
bool ws_extension_valid(const struct http_head *h, const char *buf);

#endif
