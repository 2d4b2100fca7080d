#include <config.h>

#include "chat/json_text.h"

/* Most messages fit here, and are then encoded in one pass. */
#define USUAL 4096

static struct payload *encode(const json_t *value, size_t cut)
{
	char usual[USUAL];
	size_t len = json_dumpb(value, usual, sizeof(usual), JSON_COMPACT | JSON_ENCODE_ANY);
	struct payload *p;

	if (len <= cut)
		return NULL;
	if (len <= sizeof(usual))
		return payload_new(usual, len - cut);
	p = payload_new(NULL, len);
	if (p) {
		json_dumpb(value, p->data, len, JSON_COMPACT | JSON_ENCODE_ANY);
		p->len = (uint32_t)(len - cut);
		p->data[p->len] = '\0';
	}
	return p;
}

struct payload *json_text(const json_t *value) { return encode(value, 0); }
struct payload *json_text_open(const json_t *value) { return encode(value, 1); }
