/*
 * sanctions: who is banned from a room, and who is muted there.
 *
 * A user is known by id, a guest by address (the /64 for IPv6). Each is a key
 * under which the room's home keeps it at the journal as well, so that it
 * outlives the daemon: "ban u:7", "mute a:203.0.113.9". Belongs to the room.
 */
#ifndef NATTER_CHAT_SANCTIONS_H
#define NATTER_CHAT_SANCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SANCTIONS_MAX 1000 /* of a room; a moderator's flood ends there */
#define SANCTION_KEY_MAX 128

enum sanction { SANCTION_BAN, SANCTION_MUTE, SANCTION_COUNT };

struct sanctions {
	struct strmap *map; /* NULL: none yet */
};

const char *sanction_word(enum sanction what);

/* The key of WHAT for a user, or with USER NULL for an address. */
void sanction_key(char key[SANCTION_KEY_MAX], enum sanction what, const char *user, const char *address);

/*
 * From NOW on, for KEEP ms (0: for good). LABEL: the key of the name that a
 * guest had, or "". 0, or -1: there are SANCTIONS_MAX, or no memory.
 */
int sanctions_set(struct sanctions *s, const char *key, const char *label, uint64_t keep, uint64_t now);
void sanctions_lift(struct sanctions *s, const char *key);

/* Whether there is no place for KEY. */
bool sanctions_are_full(const struct sanctions *s, const char *key);

/* The key of a WHAT with this label, until it is lifted; NULL: there is none. */
const char *sanctions_labelled(const struct sanctions *s, enum sanction what, const char *label);

/* The ms that it still lasts; 0: there is none; UINT64_MAX: for good. */
uint64_t sanctions_last(struct sanctions *s, enum sanction what, const char *user, const char *address, uint64_t now);

void sanctions_clear(struct sanctions *s);

#endif
