/*
 * ws_deflate: see ws_deflate.h.
 */
#include <config.h>

#include "wire/ws_deflate.h"
#include "wire/ws_extension.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define BITS_MIN 8
#define BITS_MAX 15
#define LEVEL_MEMORY 8       /* zlib's default; with less, deflating more than 4 KiB is slower */
#define OUTPUT_KEPT 65536    /* a larger output buffer is not kept */

/* What ends a message on the way through zlib, and is not sent (section 7.2.1). */
static const unsigned char sync_tail[4] = {0x00, 0x00, 0xff, 0xff};

/* ---- agreeing ---- */

enum { SERVER_NO_TAKEOVER = 1, CLIENT_NO_TAKEOVER = 2, SERVER_BITS = 4, CLIENT_BITS = 8 };

static bool is_called(const char *buf, const struct http_piece *name, const char *what)
{
	return name->len == strlen(what) && !memcmp(buf + name->at, what, name->len);
}

/* "8" to "15" without leading zeros; 0 for anything else. */
static uint8_t window_bits(const char *buf, const struct ws_extension_item *param)
{
	char s[3];
	size_t len = ws_extension_value(param, buf, s, sizeof(s));

	if (len == 1 && (s[0] == '8' || s[0] == '9'))
		return (uint8_t)(s[0] - '0');
	if (len == 2 && s[0] == '1' && s[1] >= '0' && s[1] <= '5')
		return (uint8_t)(10 + s[1] - '0');
	return 0;
}

/* Which parameter it is, its value taken over; 0: one that declines the offer. */
static unsigned take_param(const char *buf, const struct ws_extension_item *param, struct ws_deflate *d)
{
	uint8_t bits = window_bits(buf, param);

	if (param->kind != WS_EXTENSION_PARAM)
		return 0;
	if (is_called(buf, &param->name, "server_no_context_takeover") && !param->has_value)
		return SERVER_NO_TAKEOVER;
	if (is_called(buf, &param->name, "client_no_context_takeover") && !param->has_value) {
		d->client_takeover = false;
		return CLIENT_NO_TAKEOVER;
	}
	if (is_called(buf, &param->name, "server_max_window_bits") && bits) {
		d->server_bits = bits;
		d->server_bits_named = true;
		return SERVER_BITS;
	}
	if (is_called(buf, &param->name, "client_max_window_bits") && (bits || !param->has_value)) {
		if (bits)
			d->client_bits = bits;
		d->client_bits_named = bits != 0;
		return CLIENT_BITS;
	}
	return 0;
}

bool ws_deflate_negotiate(const struct http_head *h, const char *buf, bool takeover, struct ws_deflate *agreed)
{
	static const struct ws_deflate nothing;
	struct ws_extension_place place = {0};
	struct ws_extension_item item;
	bool good = false;
	unsigned seen = 0, which;

	do {
		item = ws_extension_next(h, buf, &place);
		if (item.kind == WS_EXTENSION_PARAM || item.kind == WS_EXTENSION_MALFORMED) {
			which = take_param(buf, &item, agreed);
			good = good && which && !(seen & which);
			seen |= which;
			continue;
		}
		if (good && item.kind != WS_EXTENSION_BAD)
			return true;
		good = item.kind == WS_EXTENSION_OFFER && is_called(buf, &item.name, "permessage-deflate");
		seen = 0;
		*agreed = (struct ws_deflate){BITS_MAX, BITS_MAX, .client_takeover = takeover};
	} while (item.kind < WS_EXTENSION_END);
	*agreed = nothing;
	return false;
}

size_t ws_deflate_answer(const struct ws_deflate *agreed, char out[WS_DEFLATE_ANSWER_MAX])
{
	char server_bits[32] = "", client_bits[32] = "";

	if (agreed->server_bits_named)
		snprintf(server_bits, sizeof(server_bits), "; server_max_window_bits=%u", agreed->server_bits);
	if (agreed->client_bits_named)
		snprintf(client_bits, sizeof(client_bits), "; client_max_window_bits=%u", agreed->client_bits);
	return (size_t)snprintf(out, WS_DEFLATE_ANSWER_MAX, "permessage-deflate; server_no_context_takeover%s%s%s",
				agreed->client_takeover ? "" : "; client_no_context_takeover", server_bits, client_bits);
}

bool ws_deflate_fits(unsigned bits, size_t len)
{
	return bits >= BITS_MAX || len <= (size_t)1 << bits;
}

/* ---- what clients send ---- */

struct ws_inflater {
	z_stream z;
	bool takeover;
	bool tail; /* zlib has the message, and its tail as well */
};

struct ws_inflater *ws_inflater_new(unsigned bits, bool takeover)
{
	struct ws_inflater *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->takeover = takeover;
	/* zlib's deflate takes 9 bits where it is told 8. */
	if (inflateInit2(&i->z, -(int)(bits > BITS_MIN ? bits : BITS_MIN + 1)) != Z_OK) {
		free(i);
		return NULL;
	}
	return i;
}

void ws_inflater_free(struct ws_inflater *i)
{
	if (!i)
		return;
	inflateEnd(&i->z);
	free(i);
}

bool ws_inflater_takeover(const struct ws_inflater *i)
{
	return i->takeover;
}

static void give(struct ws_inflater *i, const void *data, size_t len)
{
	i->z.next_in = (Bytef *)(uintptr_t)data;
	i->z.avail_in = (uInt)len;
}

void ws_inflater_begin(struct ws_inflater *i, const void *data, size_t len)
{
	if (!i->takeover)
		inflateReset(&i->z);
	if (len)
		give(i, data, len);
	else
		give(i, sync_tail, 1); /* an empty message, as it should have been sent (section 7.2.3.6) */
	i->tail = false;
}

/*
 * A block said that it was the last one (section 7.2.3.4). What follows goes
 * on with the window as it is, which inflateReset() would forget.
 */
static bool restart(struct ws_inflater *i)
{
	return inflateResetKeep(&i->z) == Z_OK;
}

enum ws_inflate_verdict ws_inflater_run(struct ws_inflater *i, void *out, size_t size, size_t *n)
{
	z_stream *z = &i->z;
	enum ws_inflate_verdict verdict;

	z->next_out = out;
	z->avail_out = (uInt)size;
	for (;;) {
		int result = inflate(z, Z_SYNC_FLUSH);

		verdict = WS_INFLATE_BAD;
		if (result == Z_MEM_ERROR)
			verdict = WS_INFLATE_NO_MEMORY;
		if (result == Z_STREAM_END && restart(i)) {
			if (z->avail_in)
				continue;
			verdict = WS_INFLATE_DONE;
			break;
		}
		if (result != Z_OK && result != Z_BUF_ERROR)
			break;
		if (i->tail && z->data_type & 128) { /* between two blocks; the next call would not say so again */
			verdict = WS_INFLATE_DONE;
			break;
		}
		if (!z->avail_out)
			verdict = WS_INFLATE_MORE;
		if (!z->avail_out || i->tail)
			break;
		give(i, sync_tail, sizeof(sync_tail));
		i->tail = true;
	}
	*n = size - z->avail_out;
	return verdict;
}

/* ---- what clients are sent ---- */

struct ws_deflater {
	z_stream z;
	unsigned char *out;
	size_t size;
};

struct ws_deflater *ws_deflater_new(int level)
{
	struct ws_deflater *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	if (deflateInit2(&d->z, level, Z_DEFLATED, -BITS_MAX, LEVEL_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(d);
		return NULL;
	}
	return d;
}

void ws_deflater_free(struct ws_deflater *d)
{
	if (!d)
		return;
	deflateEnd(&d->z);
	free(d->out);
	free(d);
}

static bool reserve(struct ws_deflater *d, size_t size)
{
	unsigned char *out;

	if (size <= d->size && (size > OUTPUT_KEPT || d->size <= OUTPUT_KEPT))
		return true;
	out = realloc(d->out, size);
	if (!out)
		return false;
	d->out = out;
	d->size = size;
	return true;
}

const unsigned char *ws_deflater_run(struct ws_deflater *d, const void *data, size_t len, size_t *n)
{
	/* Room for what is shorter than the message, and for the tail: what does not fit is not wanted. */
	size_t size = len + sizeof(sync_tail);

	if (!len || len > UINT32_MAX - sizeof(sync_tail) || !reserve(d, size) || deflateReset(&d->z) != Z_OK)
		return NULL;
	d->z.next_in = (Bytef *)(uintptr_t)data;
	d->z.avail_in = (uInt)len;
	d->z.next_out = d->out;
	d->z.avail_out = (uInt)(size - 1);
	/* With room left the tail is written whole. */
	if (deflate(&d->z, Z_SYNC_FLUSH) != Z_OK || d->z.avail_in || !d->z.avail_out)
		return NULL;
	*n = size - 1 - d->z.avail_out - sizeof(sync_tail);
	return d->out;
}
