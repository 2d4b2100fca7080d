/*
 * person: who somebody is, who is more than a guest without a name.
 *
 * Immutable and counted, so that it travels in letters between threads: who
 * gets another name is another person from then on. A person has a name, a
 * user id (logged in), or both.
 */
#ifndef NATTER_CHAT_PERSON_H
#define NATTER_CHAT_PERSON_H

#include "chat/identity.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct person {
	atomic_uint refs;
	enum role role;
	uint64_t holder;     /* by which it holds its name: a user's number, or the session's */
	const char *user;    /* NULL: a guest */
	const char *name;    /* as it is shown; NULL: none */
	const char *key;     /* by which it is unique */
	const char *ident;   /* who counts as the same member of a room: "u" and the user, or "n" and the key */
	const char *suffix;  /* what its messages end with, as they are stored: ,"name":"ann","user":"7" */
	char bytes[];
};

/*
 * NAME is prepared, see name.h; USER or NAME may be NULL, not both. SERIAL:
 * what holds a guest's name. NULL: no memory.
 */
struct person *person_new(const char *user, const char *name, enum role role, uint64_t serial);
struct person *person_ref(struct person *p); /* NULL passes through */
void person_unref(struct person *p);         /* NULL is fine */

/* The number of a user, by which all its connections hold its name together; no session has it. */
uint64_t person_holder(const char *user);

/* Whether the holder of a name is a user. */
static inline bool person_is_user(uint64_t holder) { return holder >> 63; }

#endif
