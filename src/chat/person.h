/*
 * person: who somebody is, who is more than a guest without a name.
 *
 * Immutable and counted, so that it travels in letters between threads: who
 * gets another name is another person from then on. A person has a name, a
 * user id (logged in), or both. Only who has a token that limits what he may,
 * or expires, pays for its grant.
 */
#ifndef NATTER_CHAT_PERSON_H
#define NATTER_CHAT_PERSON_H

#include "chat/identity.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct person {
	atomic_uint refs;
	uint8_t role;        /* enum role: in no room in particular, see person_role() */
	bool granted;        /* BYTES begins with its grant */
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

/* The same with what the user's token allows (ref'd; may be NULL). */
struct person *person_new_granted(const char *user, const char *name, enum role role, struct grant *grant, uint64_t serial);

/* What P (may be NULL) is like but for its name, which is NAME now (may be NULL, if P is a user). NULL: no memory. */
struct person *person_renamed(const struct person *p, const char *name, uint64_t serial);
struct person *person_ref(struct person *p); /* NULL passes through */
void person_unref(struct person *p);         /* NULL is fine */

/* What P's token allows; P may be NULL. NULL: all, for ever. */
struct grant *person_grant(const struct person *p);

/* What P (may be NULL) is in the room of that name. */
enum role person_role(const struct person *p, const char *room, size_t len);

/* Whether others see no difference: the same member of a room, with the same name. Both may be NULL. */
bool person_is_same(const struct person *a, const struct person *b);

/* The number of a user, by which all its connections hold its name together; no session has it. */
uint64_t person_holder(const char *user);

/* Whether the holder of a name is a user. */
static inline bool person_is_user(uint64_t holder) { return holder >> 63; }

#endif
