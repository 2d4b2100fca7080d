#include <config.h>

#include "daemon/pages.h"
#include "daemon/web_assets.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <zlib.h>

#define PAGES_MAX 32
#define SHARED_SECONDS "300" /* so long a browser does not ask again for what pages embed */

#define PAGE_POLICY \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " \
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; " \
	"require-trusted-types-for 'script'; trusted-types 'none'\r\n" \
	"Cache-Control: no-cache\r\n" \
	"Cross-Origin-Resource-Policy: same-origin\r\n"
#define SHARED_POLICY \
	"Access-Control-Allow-Origin: *\r\n" \
	"Cache-Control: max-age=" SHARED_SECONDS "\r\n" \
	"Cross-Origin-Resource-Policy: cross-origin\r\n"
#define POLICY \
	"Referrer-Policy: no-referrer\r\n" \
	"X-Content-Type-Options: nosniff\r\n" \
	"Vary: Accept-Encoding\r\n"

/* One form of a file: as it is, or gzipped. */
struct form {
	const unsigned char *data; /* NULL: there is none */
	size_t size;
	char etag[48];
	char headers[1024];
};

static struct {
	struct form plain, gzipped;
} pages[PAGES_MAX];
static bool is_open;

static void write_headers(struct form *f, const struct web_asset *w, const char *etag_end, const char *encoding)
{
	int bare = (int)strlen(w->etag) - 2;

	snprintf(f->etag, sizeof(f->etag), "\"%.*s%s\"", bare, w->etag + 1, etag_end);
	snprintf(f->headers, sizeof(f->headers), "%sETag: %s\r\n%s%s", encoding, f->etag, POLICY,
		 w->shared ? SHARED_POLICY : PAGE_POLICY);
}

/* One gzip member (RFC 1952) of W, into memory of its own; NULL where it is no smaller, or there is no memory. */
static unsigned char *gzip(const struct web_asset *w, size_t *size)
{
	z_stream z = { 0 };
	unsigned char *out = malloc(w->size);
	int done = Z_ERRNO;

	if (out && deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) == Z_OK) {
		z.next_in = (unsigned char *)(uintptr_t)w->data; /* zlib does not write there */
		z.avail_in = (uInt)w->size;
		z.next_out = out;
		z.avail_out = (uInt)w->size;
		done = deflate(&z, Z_FINISH);
		*size = z.total_out;
		deflateEnd(&z);
	}
	if (done == Z_STREAM_END)
		return out;
	free(out);
	return NULL;
}

void pages_open(void)
{
	for (size_t i = 0; !is_open && i < web_assets_count && i < PAGES_MAX; i++) {
		const struct web_asset *w = &web_assets[i];

		pages[i].plain.data = w->data;
		pages[i].plain.size = w->size;
		write_headers(&pages[i].plain, w, "", "");
		pages[i].gzipped.data = gzip(w, &pages[i].gzipped.size);
		write_headers(&pages[i].gzipped, w, "-gzip", "Content-Encoding: gzip\r\n");
	}
	is_open = true;
}

static const char *text_of(const struct http_request *r, struct http_piece p) { return r->bytes + p.at; }

/* Whether "q=0", "q=0.0", ... is among the parameters of an element: it is not acceptable. */
static bool is_refused(const char *s, size_t len)
{
	for (const char *end = s + len; s < end; s++) {
		while (s < end && (*s == ';' || *s == ' ' || *s == '\t'))
			s++;
		if (end - s >= 3 && (*s == 'q' || *s == 'Q') && s[1] == '=') {
			for (s += 2; s < end && (*s == '0' || *s == '.'); s++)
				;
			return s == end || *s == ' ' || *s == ';';
		}
		while (s < end && *s != ';')
			s++;
	}
	return false;
}

static bool takes_gzip(const struct http_request *r)
{
	struct http_piece e;
	uint32_t pos = 0;
	int any = -1; /* what "*" says: -1 nothing */

	while (http_head_list_next(r->head, r->bytes, "Accept-Encoding", &pos, &e)) {
		const char *s = text_of(r, e);
		size_t name = strcspn(s, "; \t,\r");

		if (name > e.len)
			name = e.len;
		if ((name == 4 && strncasecmp(s, "gzip", 4) == 0) || (name == 6 && strncasecmp(s, "x-gzip", 6) == 0))
			return !is_refused(s + name, e.len - name);
		if (name == 1 && *s == '*')
			any = !is_refused(s + name, e.len - name);
	}
	return any == 1;
}

/* Whether the client has this already (RFC 9110 section 13.1.2; the comparison is the weak one). */
static bool is_known(const struct http_request *r, const char *etag)
{
	struct http_piece e;
	uint32_t pos = 0;

	while (http_head_list_next(r->head, r->bytes, "If-None-Match", &pos, &e)) {
		const char *s = text_of(r, e);
		size_t len = e.len;

		if (len == 1 && *s == '*')
			return true;
		if (len > 2 && s[0] == 'W' && s[1] == '/') {
			s += 2;
			len -= 2;
		}
		if (len == strlen(etag) && memcmp(s, etag, len) == 0)
			return true;
	}
	return false;
}

bool pages_answer(const struct http_request *r, const char *path, bool shared_only, struct conn_answer *a)
{
	size_t i = 0;
	const struct form *f;

	while (i < web_assets_count && i < PAGES_MAX && strcmp(web_assets[i].path, path) != 0)
		i++;
	if (i == web_assets_count || i == PAGES_MAX || (shared_only && !web_assets[i].shared))
		return false;
	f = pages[i].gzipped.data && takes_gzip(r) ? &pages[i].gzipped : &pages[i].plain;
	a->status = is_known(r, f->etag) ? 304 : 200;
	a->type = web_assets[i].type;
	a->body = f->data;
	a->body_len = f->size;
	a->extra = f->headers;
	return true;
}
