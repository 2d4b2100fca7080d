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
	uint64_t holder;     /* by which it holds its name: a user's number, or the session's */
	atomic_uint refs;
	uint8_t role;        /* enum role: in no room in particular, see person_role() */
	bool granted;        /* BYTES begins with its grant */
	uint16_t user_at, name_at, key_at, ident_at, suffix_at; /* these texts, from the struct's start; 0: none */
	char bytes[];
};

#define PERSON_TEXT(p, text) ((p) && (p)->text##_at ? (const char *)(p) + (p)->text##_at : NULL)

/* P may be NULL in all of these. Its id, NULL: a guest. Its name as it is shown, and the key by which that is unique; NULL: none. */
static inline const char *person_user(const struct person *p) { return PERSON_TEXT(p, user); }
static inline const char *person_name(const struct person *p) { return PERSON_TEXT(p, name); }
static inline const char *person_key(const struct person *p) { return PERSON_TEXT(p, key); }

static inline const char *person_shown(const struct person *p) { return p && p->name_at ? person_name(p) : person_user(p); }

/* Who counts as the same member of a room: "u" and the user, or "n" and the key. */
static inline const char *person_ident(const struct person *p) { return PERSON_TEXT(p, ident); }

/* What its messages end with, as they are stored: ,"name":"ann","user":"7" */
static inline const char *person_suffix(const struct person *p) { return p ? PERSON_TEXT(p, suffix) : ""; }

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
