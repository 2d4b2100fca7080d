/*
 * name_cache: keys of names that were asked for of late.
 *
 * Pages send the same name with every message, and its key (name.h) costs as
 * much as a fourth of decoding the message. One a hub, on its thread.
 */
#ifndef NATTER_CHAT_NAME_CACHE_H
#define NATTER_CHAT_NAME_CACHE_H

#include "base/payload.h"

#include <stddef.h>

#define NAME_CACHE_SIZE 256 /* names, each in the one place that its hash gives */

struct name_cache;

struct name_cache *name_cache_new(void); /* NULL: no memory */
void name_cache_free(struct name_cache *c); /* NULL is fine */

/* As name_key(); until the next call. */
const struct payload *name_cache_key(struct name_cache *c, const char *name, size_t len);

#endif
