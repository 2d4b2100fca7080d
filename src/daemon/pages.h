/*
 * pages: answers requests for the files of src/web.
 *
 * Each is there as it is and gzipped (at the first call of pages_open()), with
 * an ETag for either. What pages of other servers embed (natter.js, widget.js)
 * may be loaded from anywhere; the chat page runs its own scripts and styles,
 * talks to its own server, and nothing else.
 *
 * All is constant after pages_open(), which is called before there are threads.
 */
#ifndef NATTER_DAEMON_PAGES_H
#define NATTER_DAEMON_PAGES_H

#include "net/conn.h"

#include <stdbool.h>

/* Compresses; again is nothing. What cannot be compressed is served as it is. */
void pages_open(void);

/*
 * Whether PATH is a file of ours: then A is the answer, 200 or 304 (RFC 9110
 * sections 12.5.3 and 13.1.2). SHARED_ONLY: the chat page itself is not served.
 */
bool pages_answer(const struct http_request *r, const char *path, bool shared_only, struct conn_answer *a);

#endif
