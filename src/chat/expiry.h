/*
 * expiry: whose token ends when.
 *
 * The sessions of a worker whose tokens expire, the next one first: a heap,
 * and no timer each. A session is told some time before, and closed when it
 * did not renew. Who has no such token costs nothing. One a hub, on its thread.
 */
#ifndef NATTER_CHAT_EXPIRY_H
#define NATTER_CHAT_EXPIRY_H

#include <stddef.h>
#include <stdint.h>

struct expiry;
struct session;

struct expiry *expiry_new(void);      /* NULL: no memory */
void expiry_free(struct expiry *x);   /* nobody is in it; NULL is fine */

/*
 * The session S, known by its SERIAL, ends at END and is told at TELL (wall
 * time, ms); instead of what was set for it before. 0, or -1: no memory.
 */
int expiry_set(struct expiry *x, uint32_t serial, struct session *s, int64_t tell, int64_t end);

/* Nothing is set for it any more; it need not have been. */
void expiry_clear(struct expiry *x, uint32_t serial);

/*
 * One of those who are due at NOW, or NULL. *LEFT is the time that it has, in
 * ms: if that is 0 it is over, and it is cleared; else it is told once.
 */
struct session *expiry_next(struct expiry *x, int64_t now, int64_t *left);

size_t expiry_count(const struct expiry *x);

#endif
