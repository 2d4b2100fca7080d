/*
 * http_head: see http_head.h.
 *
 * The parser is a row of phases, one function each. A function takes what
 * belongs to its phase from the bytes at hand, moves h->seen behind it and,
 * where the phase has ended, sets the next one. It is called with a byte at
 * hand, and again for the same phase when the bytes ended too soon.
 */
#include <config.h>

#include "wire/http_head.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define EMPTY_LINES_MAX 2 /* in front of a request line, RFC 9112 section 2.2 */

enum phase {
	AT_START,
	AT_EMPTY_LINE_LF,
	IN_METHOD,
	AT_TARGET,
	IN_SCHEME,
	IN_AUTHORITY,
	IN_PATH,
	IN_QUERY,
	IN_OTHER_TARGET,
	IN_VERSION,
	AT_REQUEST_LINE_LF,
	AT_FIELD,
	IN_NAME,
	BEFORE_VALUE,
	IN_VALUE,
	AT_FIELD_LF,
	AT_END_LF,
	DONE,
	FAILED,
};

/* Characters. The C library's own ask the locale. */

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(unsigned char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_one_of(unsigned char c, const char *set)
{
	return c && strchr(set, c);
}

static bool is_white(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 9110 section 5.6.2 */
static bool is_tchar(unsigned char c)
{
	return is_alnum(c) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

/*
 * In a path or query. RFC 3986 has no [ ] { } | \ ^ ` and no lone % there, but
 * URLs in browsers do, and these send them unencoded (url.spec.whatwg.org).
 */
static bool is_target_char(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '#' && c != '<' && c != '>';
}

/* In a registered name or an IPv4 address, RFC 3986 section 3.2.2 */
static bool is_host_char(unsigned char c)
{
	return is_alnum(c) || is_one_of(c, "-._~!$&'()*+,;=%");
}

static bool is_authority_char(unsigned char c)
{
	return is_host_char(c) || is_one_of(c, ":[]");
}

static bool is_value_char(unsigned char c)
{
	return c >= 0x20 ? c != 0x7f : c == '\t';
}

/* -1: not a hexadecimal digit */
static int hex_value(char digit)
{
	unsigned char c = (unsigned char)digit;

	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Whether N bytes are the same but for the case of ASCII letters. */
static bool same(const char *a, const char *b, size_t n)
{
	size_t i;

	for (i = 0; i < n && lower(a[i]) == lower(b[i]); i++)
		;
	return i == n;
}

static bool piece_is(struct http_piece piece, const char *buf, const char *word)
{
	return piece.len == strlen(word) && same(buf + piece.at, word, piece.len);
}

bool http_token(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len && is_tchar((unsigned char)s[i]); i++)
		;
	return len > 0 && i == len;
}

/* Host values: uri-host [":" port], RFC 9110 section 7.2. (Of IP literals there is only IPv6.) */

static bool ipv6_valid(const char *s, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, &addr) == 1;
}

/* The length of the host at the beginning; 0: it is not one. */
static size_t host_length(const char *s, size_t len)
{
	const char *end;
	size_t i;

	if (len && s[0] == '[') {
		end = memchr(s, ']', len);
		return end && ipv6_valid(s + 1, (size_t)(end - s) - 1) ? (size_t)(end - s) + 1 : 0;
	}
	for (i = 0; i < len && is_host_char((unsigned char)s[i]); i++) {
		if (s[i] == '%' && (len - i < 3 || hex_value(s[i + 1]) < 0 || hex_value(s[i + 2]) < 0))
			return 0;
	}
	return i;
}

static bool port_valid(const char *s, size_t len)
{
	unsigned port = 0;
	size_t i;

	for (i = 0; i < len && is_digit((unsigned char)s[i]) && port <= 65535; i++)
		port = port * 10 + (unsigned)(s[i] - '0');
	return i == len && port <= 65535;
}

static bool host_valid(const char *s, size_t len)
{
	size_t host = host_length(s, len);

	return host && (host == len || (s[host] == ':' && port_valid(s + host + 1, len - host - 1)));
}

/* Steps of the parser */

static void bad(struct http_head *h, uint16_t status, const char *why)
{
	h->phase = FAILED;
	h->status = status;
	h->why = why;
}

static unsigned char next(const struct http_head *h, const char *buf)
{
	return (unsigned char)buf[h->seen];
}

static struct http_piece piece_to_here(const struct http_head *h, uint16_t at)
{
	return (struct http_piece){at, (uint16_t)(h->seen - at)};
}

/* Passes over characters of one kind. False: the bytes end there. */
static bool skip(struct http_head *h, const char *buf, size_t len, bool (*is_kind)(unsigned char))
{
	size_t i = h->seen;

	while (i < len && is_kind((unsigned char)buf[i]))
		i++;
	h->seen = (uint16_t)i;
	return i < len;
}

static void take_lf(struct http_head *h, const char *buf, enum phase then)
{
	if (next(h, buf) != '\n') {
		bad(h, 400, "a CR is not followed by LF");
		return;
	}
	h->seen++;
	h->phase = (uint8_t)then;
}

static void at_start(struct http_head *h, const char *buf, size_t len)
{
	unsigned char c = next(h, buf);

	(void)len;
	if (c == '\r' && h->seen < EMPTY_LINES_MAX * 2) {
		h->seen++;
		h->phase = AT_EMPTY_LINE_LF;
	} else if (is_tchar(c)) {
		h->line = h->seen;
		h->phase = IN_METHOD;
	} else if (c == 0x16) {
		bad(h, 400, "this is TLS and the port speaks plain HTTP: use ws:// or http:// here");
	} else {
		bad(h, 400, "this does not begin like an HTTP request");
	}
}

static void at_empty_line_lf(struct http_head *h, const char *buf, size_t len)
{
	(void)len;
	take_lf(h, buf, AT_START);
}

static void in_method(struct http_head *h, const char *buf, size_t len)
{
	const char *method = buf + h->line;
	size_t method_len;

	if (!skip(h, buf, len, is_tchar))
		return;
	if (next(h, buf) != ' ') {
		bad(h, 400, "the request line does not begin with a method and a space");
		return;
	}
	method_len = (size_t)(h->seen - h->line);
	h->head_only = method_len == 4 && !memcmp(method, "HEAD", 4);
	h->other_method = !h->head_only && !(method_len == 3 && !memcmp(method, "GET", 3));
	h->seen++;
	h->target.at = h->seen;
	h->phase = h->other_method ? IN_OTHER_TARGET : AT_TARGET;
}

static void at_target(struct http_head *h, const char *buf, size_t len)
{
	(void)len;
	h->path.at = h->seen;
	h->phase = next(h, buf) == '/' ? IN_PATH : IN_SCHEME;
}

/* An absolute-form's beginning up to the authority */
static void in_scheme(struct http_head *h, const char *buf, size_t len)
{
	static const char *const schemes[] = {"http://", "https://", "ws://", "wss://"};
	const char *target = buf + h->target.at;
	size_t i, n;

	while (h->seen < len) {
		h->seen++;
		n = (size_t)(h->seen - h->target.at);
		for (i = 0; i < 4 && !(n <= strlen(schemes[i]) && same(target, schemes[i], n)); i++)
			;
		if (i == 4) {
			bad(h, 400, "the request target is neither a path nor an http or ws URL");
			return;
		}
		if (n == strlen(schemes[i])) {
			h->host.at = h->seen;
			h->phase = IN_AUTHORITY;
			return;
		}
	}
}

static void in_authority(struct http_head *h, const char *buf, size_t len)
{
	if (!skip(h, buf, len, is_authority_char))
		return;
	h->host = piece_to_here(h, h->host.at);
	if (!is_one_of(next(h, buf), "/? ") || !host_valid(buf + h->host.at, h->host.len)) {
		bad(h, 400, "the request target is a URL whose host is not valid");
		return;
	}
	h->path.at = h->seen;
	h->phase = IN_PATH;
}

static bool is_path_char(unsigned char c)
{
	return is_target_char(c) && c != '?';
}

/* At the first character that a target cannot have */
static void end_target(struct http_head *h, const char *buf)
{
	unsigned char c = next(h, buf);

	if (c != ' ' || h->seen == h->target.at) {
		bad(h, 400,
		    is_one_of(c, " \r\n") ? "the request line is not METHOD TARGET HTTP/1.1"
					  : "the request target has a character that is not allowed");
		return;
	}
	h->target = piece_to_here(h, h->target.at);
	h->seen++;
	h->line = h->seen;
	h->phase = IN_VERSION;
}

static void in_path(struct http_head *h, const char *buf, size_t len)
{
	if (!skip(h, buf, len, is_path_char))
		return;
	h->path = piece_to_here(h, h->path.at);
	if (next(h, buf) != '?') {
		end_target(h, buf);
		return;
	}
	h->seen++;
	h->query.at = h->seen;
	h->phase = IN_QUERY;
}

static void in_query(struct http_head *h, const char *buf, size_t len)
{
	if (!skip(h, buf, len, is_target_char))
		return;
	h->query = piece_to_here(h, h->query.at);
	end_target(h, buf);
}

/* The target of a method that is refused, once the line is known to be HTTP/1.x */
static void in_other_target(struct http_head *h, const char *buf, size_t len)
{
	if (skip(h, buf, len, is_target_char))
		end_target(h, buf);
}

static void in_version(struct http_head *h, const char *buf, size_t len)
{
	static const char pattern[] = "HTTP/1.*\r"; /* the star is a digit */
	unsigned char c, expected;

	for (; h->seen < len && h->phase == IN_VERSION; h->seen++) {
		c = next(h, buf);
		expected = (unsigned char)pattern[h->seen - h->line];
		if (expected == '*' && is_digit(c))
			h->minor = (uint8_t)(c - '0');
		else if (expected == '1' && is_digit(c) && c != '1')
			bad(h, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
		else if (c != expected || expected == '*')
			bad(h, 400, "the request line does not end in HTTP/1.1");
		else if (c == '\r')
			h->phase = AT_REQUEST_LINE_LF;
	}
}

static void at_request_line_lf(struct http_head *h, const char *buf, size_t len)
{
	(void)len;
	take_lf(h, buf, AT_FIELD);
	if (h->phase == AT_FIELD && h->other_method)
		bad(h, 405, "only GET and HEAD are allowed here");
}

static void at_field(struct http_head *h, const char *buf, size_t len)
{
	unsigned char c = next(h, buf);

	(void)len;
	if (c == '\r') {
		h->seen++;
		h->phase = AT_END_LF;
	} else if (is_white(c)) {
		bad(h, 400, "a line of the head begins with white space");
	} else if (!is_tchar(c)) {
		bad(h, 400, "a line of the head does not begin with a field name");
	} else if (h->n_fields == HTTP_FIELDS_MAX) {
		bad(h, 431, "the request head has too many fields");
	} else {
		h->line = h->seen;
		h->phase = IN_NAME;
	}
}

static void in_name(struct http_head *h, const char *buf, size_t len)
{
	if (!skip(h, buf, len, is_tchar))
		return;
	if (next(h, buf) != ':') {
		bad(h, 400,
		    is_white(next(h, buf)) ? "there is white space between a field name and its colon"
					   : "a field name has a character that is not allowed");
		return;
	}
	h->fields[h->n_fields].name = piece_to_here(h, h->line);
	h->seen++;
	h->phase = BEFORE_VALUE;
}

static void before_value(struct http_head *h, const char *buf, size_t len)
{
	if (!skip(h, buf, len, is_white))
		return;
	h->fields[h->n_fields].value.at = h->seen;
	h->phase = IN_VALUE;
}

static void in_value(struct http_head *h, const char *buf, size_t len)
{
	struct http_piece *value = &h->fields[h->n_fields].value;

	if (!skip(h, buf, len, is_value_char))
		return;
	if (next(h, buf) != '\r') {
		bad(h, 400,
		    next(h, buf) == '\n' ? "a line of the head ends in LF without CR"
					 : "a field value has a control character");
		return;
	}
	*value = piece_to_here(h, value->at);
	while (value->len && is_white((unsigned char)buf[value->at + value->len - 1]))
		value->len--;
	h->seen++;
	h->phase = AT_FIELD_LF;
}

static void judge_host(struct http_head *h, const char *buf, struct http_piece value)
{
	struct http_piece second;

	if (http_head_field(h, buf, "Host", 1, &second))
		bad(h, 400, "there are several Host fields");
	else if (!value.len && h->minor)
		bad(h, 400, "the Host field is empty");
	else if (value.len && !host_valid(buf + value.at, value.len))
		bad(h, 400, "the Host field is not a host name or address with or without a port");
	else if (!h->host.len)
		h->host = value; /* else the absolute-form's counts, RFC 9112 section 3.2.2 */
}

static void judge_content_length(struct http_head *h, const char *buf, struct http_piece value)
{
	struct http_piece second;
	uint16_t i;

	for (i = 0; i < value.len && is_digit((unsigned char)buf[value.at + i]); i++)
		;
	if (!value.len || i < value.len || http_head_field(h, buf, "Content-Length", 1, &second)) {
		bad(h, 400, "Content-Length is not one number");
		return;
	}
	for (i = 0; i < value.len && buf[value.at + i] == '0'; i++)
		;
	if (i < value.len)
		bad(h, 400, "the request has a body (Content-Length), and none is read here");
}

static void at_field_lf(struct http_head *h, const char *buf, size_t len)
{
	struct http_piece name = h->fields[h->n_fields].name, value = h->fields[h->n_fields].value;

	(void)len;
	take_lf(h, buf, AT_FIELD);
	if (h->phase != AT_FIELD)
		return;
	h->n_fields++;
	if (piece_is(name, buf, "Host"))
		judge_host(h, buf, value);
	else if (piece_is(name, buf, "Content-Length"))
		judge_content_length(h, buf, value);
	else if (piece_is(name, buf, "Transfer-Encoding"))
		bad(h, 400, "the request has a body (Transfer-Encoding), and none is read here");
}

static void at_end_lf(struct http_head *h, const char *buf, size_t len)
{
	struct http_piece host;

	(void)len;
	take_lf(h, buf, DONE);
	if (h->phase != DONE)
		return;
	h->length = h->seen;
	if (h->minor && !http_head_field(h, buf, "Host", 0, &host))
		bad(h, 400, "a Host field is missing");
}

static void (*const steps[])(struct http_head *h, const char *buf, size_t len) = {
    [AT_START] = at_start,
    [AT_EMPTY_LINE_LF] = at_empty_line_lf,
    [IN_METHOD] = in_method,
    [AT_TARGET] = at_target,
    [IN_SCHEME] = in_scheme,
    [IN_AUTHORITY] = in_authority,
    [IN_PATH] = in_path,
    [IN_QUERY] = in_query,
    [IN_OTHER_TARGET] = in_other_target,
    [IN_VERSION] = in_version,
    [AT_REQUEST_LINE_LF] = at_request_line_lf,
    [AT_FIELD] = at_field,
    [IN_NAME] = in_name,
    [BEFORE_VALUE] = before_value,
    [IN_VALUE] = in_value,
    [AT_FIELD_LF] = at_field_lf,
    [AT_END_LF] = at_end_lf,
};

void http_head_init(struct http_head *h, size_t max_head)
{
	memset(h, 0, sizeof(*h));
	h->max_head = (uint16_t)(max_head < HTTP_HEAD_LIMIT ? max_head : HTTP_HEAD_LIMIT);
	h->phase = AT_START;
}

enum http_verdict http_head_parse(struct http_head *h, const char *buf, size_t len)
{
	if (len > h->max_head)
		len = h->max_head;
	while (h->seen < len && h->phase < DONE)
		steps[h->phase](h, buf, len);

	if (h->phase < DONE && h->seen == h->max_head) {
		if (h->phase < AT_FIELD)
			bad(h, 414, "the request line is too long");
		else
			bad(h, 431, "the request head is too large");
	}
	if (h->phase < DONE)
		return HTTP_MORE;
	return h->phase == DONE ? HTTP_OK : HTTP_BAD;
}

bool http_head_field(const struct http_head *h, const char *buf, const char *name, unsigned index,
		     struct http_piece *value)
{
	unsigned i;

	for (i = 0; i < h->n_fields; i++) {
		if (piece_is(h->fields[i].name, buf, name) && index-- == 0) {
			*value = h->fields[i].value;
			return true;
		}
	}
	return false;
}

/* Where the list element at FROM ends: at a comma outside quotes (RFC 9110 section 5.6.4), or at LEN. */
static size_t element_end(const char *s, size_t from, size_t len)
{
	bool quoted = false;

	for (; from < len && (quoted || s[from] != ','); from++) {
		if (s[from] == '"')
			quoted = !quoted;
		else if (quoted && s[from] == '\\' && from + 1 < len)
			from++;
	}
	return from;
}

/* The next element of one field's value, from *OFFSET in it. */
static bool field_next(const char *buf, struct http_piece value, size_t *offset, struct http_piece *element)
{
	const char *s = buf + value.at;
	size_t begin = *offset, end;

	while (begin < value.len && (s[begin] == ',' || is_white((unsigned char)s[begin])))
		begin++;
	if (begin == value.len)
		return false;
	end = *offset = element_end(s, begin, value.len);
	while (is_white((unsigned char)s[end - 1]))
		end--;
	*element = (struct http_piece){(uint16_t)(value.at + begin), (uint16_t)(end - begin)};
	return true;
}

bool http_head_list_next(const struct http_head *h, const char *buf, const char *name, uint32_t *pos,
			 struct http_piece *element)
{
	uint32_t i = *pos >> 16;       /* the field */
	size_t offset = *pos & 0xffff; /* in its value */

	for (; i < h->n_fields; i++, offset = 0) {
		if (piece_is(h->fields[i].name, buf, name) &&
		    field_next(buf, h->fields[i].value, &offset, element)) {
			*pos = i << 16 | (uint32_t)offset;
			return true;
		}
	}
	*pos = i << 16;
	return false;
}

bool http_head_has_token(const struct http_head *h, const char *buf, const char *name, const char *token)
{
	struct http_piece element;
	uint32_t pos = 0;

	while (http_head_list_next(h, buf, name, &pos, &element)) {
		if (piece_is(element, buf, token))
			return true;
	}
	return false;
}

/* The character at *IN, which moves on, never 0; -1: not decodable. */
static int percent_next(const char **in, const char *end, bool plus)
{
	unsigned char c = (unsigned char)*(*in)++;
	int high, low;

	if (c == '+' && plus)
		return ' ';
	if (c != '%')
		return c ? c : -1;
	if (end - *in < 2)
		return -1;
	high = hex_value((*in)[0]);
	low = hex_value((*in)[1]);
	*in += 2;
	return high < 0 || low < 0 || !(high | low) ? -1 : high << 4 | low;
}

int http_percent_decode(const char *in, size_t len, bool plus, char *out, size_t size)
{
	const char *end = in + len;
	size_t n = 0;
	int c;

	while (in < end) {
		c = percent_next(&in, end, plus);
		if (c < 0 || n + 1 >= size)
			goto fail;
		out[n++] = (char)c;
	}
	if (!size)
		return -1;
	out[n] = '\0';
	return (int)n;
fail:
	if (size)
		out[0] = '\0';
	return -1;
}

/* Whether the key of a query string is NAME when it is decoded. */
static bool key_is(const char *key, const char *end, const char *name)
{
	while (key < end) {
		if (percent_next(&key, end, true) != (unsigned char)*name++)
			return false;
	}
	return !*name;
}

int http_query_get(const char *query, size_t len, const char *name, char *out, size_t size)
{
	const char *end = query + len, *pair_end, *key_end, *value;
	int n;

	for (; query < end; query = pair_end + 1) {
		pair_end = memchr(query, '&', (size_t)(end - query));
		if (!pair_end)
			pair_end = end;
		key_end = memchr(query, '=', (size_t)(pair_end - query));
		value = key_end ? key_end + 1 : pair_end;
		if (key_is(query, key_end ? key_end : pair_end, name)) {
			n = http_percent_decode(value, (size_t)(pair_end - value), true, out, size);
			return n < 0 ? -2 : n;
		}
	}
	return -1;
}

const char *http_reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} reasons[] = {
	    {101, "Switching Protocols"},
	    {200, "OK"},
	    {304, "Not Modified"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {426, "Upgrade Required"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"},
	    {503, "Service Unavailable"},
	    {505, "HTTP Version Not Supported"},
	};
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Unknown";
}

/* The fields that belong to a status. */
static const char *status_fields(unsigned status)
{
	switch (status) {
	case 405: return "Allow: GET, HEAD\r\n";
	case 426: return "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
	case 429:
	case 503: return "Retry-After: 10\r\n";
	default: return "";
	}
}

size_t http_response_head(char *out, size_t size, unsigned status, const char *type, size_t content_length,
			  const char *extra)
{
	/* who sends Upgrade names it in Connection too: RFC 9110 section 7.8 */
	const char *connection = status == 426 ? "close, Upgrade" : "close";
	int n =
	    snprintf(out, size,
		     "HTTP/1.1 %u %s\r\n"
		     "Connection: %s\r\n"
		     "Content-Length: %zu\r\n"
		     "%s%s%s%s%s\r\n",
		     status, http_reason(status), connection, content_length, type ? "Content-Type: " : "",
		     type ? type : "", type ? "\r\n" : "", status_fields(status), extra ? extra : "");

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}
