/*
 * grant: what a token allows, and until when.
 *
 * Rooms are named by patterns, in which * stands for any text. What is not
 * limited is as for everybody: each room may be joined and written, and none
 * moderated. Immutable once its maker gives it away, and counted, so that it
 * travels with a person between threads. Who has no token, or a token that
 * limits nothing and never expires, has none: NULL.
 */
#ifndef NATTER_CHAT_GRANT_H
#define NATTER_CHAT_GRANT_H

#include "base/payload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRANT_PATTERNS_MAX 64 /* for each of these */

enum grant_what { GRANT_JOIN, GRANT_WRITE, GRANT_MODERATE, GRANT_WHATS };

struct grant;

/* EXPIRES: wall time, ms; 0: never. NULL: no memory. */
struct grant *grant_new(int64_t expires);
struct grant *grant_ref(struct grant *g); /* NULL passes through */
void grant_unref(struct grant *g);        /* NULL is fine */

/* From now on WHAT is allowed only in the rooms that are added. */
void grant_limit(struct grant *g, enum grant_what what);

/* Allows WHAT, which is limited, in the rooms of PATTERN (any bytes). 0, or -1: *why (static) says what is wrong. */
int grant_add(struct grant *g, enum grant_what what, const char *pattern, size_t len, const char **why);

/* Whether G (may be NULL) allows WHAT in the room of that name. */
bool grant_allows(const struct grant *g, enum grant_what what, const char *room, size_t len);

/* When it ends; 0: never. G may be NULL. */
int64_t grant_expires(const struct grant *g);

#endif
