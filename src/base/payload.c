/* payload: see payload.h. */
#include <config.h>

#include "base/payload.h"

#include <stdlib.h>
#include <string.h>

#define LEN_MAX UINT32_C(0x80000000)

struct payload *payload_new(const void *data, size_t len)
{
	struct payload *p = len <= LEN_MAX ? malloc(sizeof(*p) + len + 1) : NULL;

	if (!p)
		return NULL;
	atomic_init(&p->refs, 1);
	p->len = (uint32_t)len;
	if (data && len > 0)
		memcpy(p->data, data, len);
	p->data[len] = '\0';
	return p;
}

struct payload *payload_ref(struct payload *p)
{
	if (p)
		atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void payload_unref(struct payload *p)
{
	if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
		free(p);
}
