/*
 * members: who is in a room, as its home knows it.
 *
 * Persons are known one by one: several connections of one user are one
 * member. Guests without a name are only counted. Belongs to the room.
 */
#ifndef NATTER_CHAT_MEMBERS_H
#define NATTER_CHAT_MEMBERS_H

#include "base/table.h"
#include "chat/person.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct members {
	struct table persons; /* struct member, by ident */
	uint32_t guests;
};

struct member {
	struct person *person;
	int64_t since;  /* ms since 1970 */
	uint32_t seats; /* its connections */
	uint32_t hash;  /* of its ident */
};

/* A connection of P (ref'd; NULL: a guest) is in. Whether somebody new is. */
bool members_add(struct members *m, struct person *p, int64_t now);

/* And out. Whether somebody has gone. */
bool members_remove(struct members *m, const struct person *p);

size_t members_count(const struct members *m); /* persons */

/* By ident, or by the key of a name, until somebody comes or goes; NULL: not there. */
const struct member *members_find(const struct members *m, const char *ident);
const struct member *members_named(const struct members *m, const char *key);

/* Up to LIMIT of them behind AFTER ("" from the first), by name and ident, as JSON; *more: there are others. NULL: no memory. */
json_t *members_page(const struct members *m, const char *after, size_t limit, bool *more);

void members_clear(struct members *m);

#endif
