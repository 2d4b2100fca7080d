/*
 * web_assets: the files of src/web, compiled in.
 *
 * src/web/embed.sh writes web_assets.c at build time from the files that
 * src/web/local.mk lists. The data is constant and belongs to nobody; any
 * thread may read it.
 */
#ifndef NATTER_DAEMON_WEB_ASSETS_H
#define NATTER_DAEMON_WEB_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

struct web_asset {
	const char *path;          /* as in a request: "/" (index.html), "/chat.js" */
	const char *type;          /* the Content-Type */
	const unsigned char *data; /* SIZE bytes; a NUL that does not count stands behind them */
	size_t size;
	const char *etag; /* of the bytes, with its double quotes */
	bool shared;      /* pages of other servers may use it */
};

extern const struct web_asset web_assets[];
extern const size_t web_assets_count;

#endif
