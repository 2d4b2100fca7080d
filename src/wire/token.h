/*
 * token: the token by which somebody presents himself in a request head.
 *
 * Pure, and whose token it is is another's business. Where it may be:
 *
 *     Authorization: Bearer X             RFC 6750 section 2.1; other schemes mean somebody else
 *     Cookie: NAME=X                      RFC 6265, where a cookie's name is set; quotes are cut off
 *     Sec-WebSocket-Protocol: natter.bearer.X      an offer that is never echoed
 *     GET /?token=X                       percent-decoded, where that is allowed
 *
 * The same token may be in several of these, two different ones may not.
 */
#ifndef NATTER_WIRE_TOKEN_H
#define NATTER_WIRE_TOKEN_H

#include "wire/http_head.h"

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_MAX 4096 /* bytes */

enum token_verdict {
	TOKEN_NONE, /* none is presented */
	TOKEN_OK,   /* text and len are filled */
	TOKEN_BAD,  /* why is filled; answer 400 */
};

struct token_places {
	const char *cookie; /* its name, case-sensitive; NULL or empty: none */
	bool query;         /* whether ?token= counts; else it is passed over */
};

/* The caller's room for a token; it is some 4 KB, and best wiped when it has been used. */
struct token {
	const char *why;          /* one line, static */
	size_t len;
	char text[TOKEN_MAX + 1]; /* NUL-terminated, for which it may have no other NUL */
};

/*
 * Looks for a token in H, whose bytes are in BUF. BAD: two different tokens;
 * an empty one (but for a cookie, which sites empty when somebody logs out);
 * one longer than TOKEN_MAX; one with white space in Authorization; a ?token=
 * that cannot be decoded.
 */
enum token_verdict token_find(const struct http_head *h, const char *buf, const struct token_places *where,
			      struct token *t);

#endif
