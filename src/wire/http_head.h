/*
 * http_head: an HTTP/1.1 request head, from bytes to a struct, and a response
 * head from values to bytes (RFC 9112, RFC 9110).
 *
 * The parser is incremental and strict. The caller keeps the bytes together
 * and calls again with all of them when more have come; the parser remembers
 * how far it got, checks each line once as it becomes complete, and refuses at
 * the first byte that cannot be right. It keeps offsets, not pointers, so the
 * bytes may move between calls. It never looks beyond the head: what follows
 * is the client's first data.
 *
 * Refused with 400: bare CR or LF, obs-fold, white space before the colon,
 * characters not allowed in names, values and targets, no or several Host
 * fields or an empty one (HTTP/1.1), a body (Transfer-Encoding, or a
 * Content-Length other than 0): natter reads none, and what follows such a
 * head would be taken for frames. 405: methods other than GET and HEAD.
 * 414: the request line alone exceeds the limit. 431: head too large, too many
 * fields. 505: not HTTP/1.x.
 */
#ifndef NATTER_WIRE_HTTP_HEAD_H
#define NATTER_WIRE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_LIMIT 65535 /* what max_head may be at most */
#define HTTP_FIELDS_MAX 100

/* A piece of the head: where it begins in the bytes, and its length. */
struct http_piece {
	uint16_t at, len;
};

enum http_verdict { HTTP_OK, HTTP_MORE, HTTP_BAD };

struct http_head {
	/* the result, valid after HTTP_OK */
	struct http_piece target;    /* as sent */
	struct http_piece host;      /* the absolute-form's authority, else the Host field's value */
	struct http_piece path;      /* still encoded; begins with '/'; empty (absolute-form without one): means "/" */
	struct http_piece query;     /* behind '?', without it; empty when there is none */
	uint16_t length;             /* of the whole head with its empty line */
	uint8_t minor;               /* HTTP/1.minor */
	bool head_only;              /* HEAD */
	uint8_t n_fields;
	struct {
		struct http_piece name, value; /* value without white space around it */
	} fields[HTTP_FIELDS_MAX];

	/* after HTTP_BAD */
	uint16_t status;
	const char *why; /* one line in English, static */

	/* the parser's own */
	uint16_t max_head, line, seen;
	uint8_t phase;
	bool other_method;
};

/* Ready for a new head of at most MAX_HEAD bytes (up to HTTP_HEAD_LIMIT). */
void http_head_init(struct http_head *h, size_t max_head);

/* Goes on with the head in BUF, of which LEN bytes are there; the first bytes are those of the last call. */
enum http_verdict http_head_parse(struct http_head *h, const char *buf, size_t len);

/* The value of the INDEXth (from 0) field called NAME, case-insensitively; false: there is none. */
bool http_head_field(const struct http_head *h, const char *buf, const char *name, unsigned index,
		     struct http_piece *value);

/*
 * Whether a comma-separated list in any field called NAME holds TOKEN,
 * case-insensitively (RFC 9110 section 5.6.1).
 */
bool http_head_has_token(const struct http_head *h, const char *buf, const char *name, const char *token);

/*
 * The elements of all fields called NAME, as one list: *pos starts at 0;
 * false at the end. Empty elements are passed over, white space is cut off.
 */
bool http_head_list_next(const struct http_head *h, const char *buf, const char *name, uint32_t *pos,
			 struct http_piece *element);

/* Whether LEN bytes are a token: letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2). */
bool http_token(const char *s, size_t len);

/*
 * Percent-decodes (RFC 3986 section 2.1) into OUT, which is NUL-terminated.
 * Returns the decoded length, or -1: a '%' without two hex digits, an encoded
 * NUL, or more than SIZE - 1 bytes. PLUS: '+' means space (query strings).
 */
int http_percent_decode(const char *in, size_t len, bool plus, char *out, size_t size);

/*
 * The decoded value of NAME in a query string "a=b&c=d". Returns its length;
 * -1: not there; -2: there, but not decodable or too long.
 */
int http_query_get(const char *query, size_t len, const char *name, char *out, size_t size);

/* "Not Found" for 404; "Unknown" for what natter never sends. */
const char *http_reason(unsigned status);

/*
 * Writes a response head to OUT, NUL-terminated: status line, Connection: close,
 * Content-Length, Content-Type unless TYPE is NULL, EXTRA (whole
 * lines with CRLF, or NULL), what RFC 6455 section 4.4 and RFC 9110 section
 * 15 want for the status (Sec-WebSocket-Version: 13 and Upgrade with 426, Allow with 405,
 * Retry-After with 503 and 429), and the empty line. Returns its length, or 0
 * when it does not fit.
 */
size_t http_response_head(char *out, size_t size, unsigned status, const char *type, size_t content_length,
			  const char *extra);

#endif
