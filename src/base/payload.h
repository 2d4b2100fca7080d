/*
 * payload: immutable, counted bytes: encoded once, sent to many.
 *
 * The count is atomic, so a payload is one of the two things (with mailbox
 * letters) that travel between threads. Nobody writes to one after it was
 * handed on. A NUL that does not count stands behind the bytes.
 */
#ifndef NATTER_BASE_PAYLOAD_H
#define NATTER_BASE_PAYLOAD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct payload {
	atomic_uint refs;
	uint32_t len;
	char data[];
};

/*
 * A copy of LEN bytes (DATA may be NULL: uninitialised, for the caller to
 * fill before handing it on). The caller owns one reference. NULL when there
 * is no memory or LEN exceeds 2^31.
 */
struct payload *payload_new(const void *data, size_t len);

/* One more reference; returns P. NULL passes through. */
struct payload *payload_ref(struct payload *p);

/* One reference less; the last one frees. NULL is fine. */
void payload_unref(struct payload *p);

#endif
