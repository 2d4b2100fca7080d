#include <config.h>

#include "chat/json_text.h"

#include <stdarg.h>
#include <string.h>

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

struct payload *text_concat(const char *first, ...)
{
	struct payload *p;
	size_t len = 0;
	va_list parts;

	va_start(parts, first);
	for (const char *s = first; s; s = va_arg(parts, const char *))
		len += strlen(s);
	va_end(parts);
	p = payload_new(NULL, len);
	if (p == NULL)
		return NULL;
	len = 0;
	va_start(parts, first);
	for (const char *s = first; s; s = va_arg(parts, const char *)) {
		memcpy(p->data + len, s, strlen(s));
		len += strlen(s);
	}
	va_end(parts);
	return p;
}
