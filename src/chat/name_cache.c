#include <config.h>

#include "chat/name_cache.h"

#include "base/strmap.h"
#include "chat/name.h"

#include <stdlib.h>
#include <string.h>

/* A longer one is none, and is not kept. */
#define KEPT_MAX 256

struct name_cache {
	struct {
		struct payload *name, *key;
	} kept[NAME_CACHE_SIZE];
	struct payload *unkept; /* the key of one that was not */
};

struct name_cache *name_cache_new(void) { return calloc(1, sizeof(struct name_cache)); }

void name_cache_free(struct name_cache *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < NAME_CACHE_SIZE; i++) {
		payload_unref(c->kept[i].name);
		payload_unref(c->kept[i].key);
	}
	payload_unref(c->unkept);
	free(c);
}

const struct payload *name_cache_key(struct name_cache *c, const char *name, size_t len)
{
	size_t i = strmap_hash(name, len) % NAME_CACHE_SIZE;
	struct payload *known = c->kept[i].name, *key;

	if (known && known->len == len && memcmp(known->data, name, len) == 0)
		return c->kept[i].key;
	key = name_key(name, len);
	known = len <= KEPT_MAX ? payload_new(name, len) : NULL;
	if (known == NULL) {
		payload_unref(c->unkept);
		return c->unkept = key;
	}
	payload_unref(c->kept[i].name);
	payload_unref(c->kept[i].key);
	c->kept[i].name = known;
	return c->kept[i].key = key; /* NULL, where it is no name, is worth keeping too */
}
