/*
 * name: what rooms and people may be called.
 *
 * Names are prepared, not only checked: rooms by NFC (case-sensitive), people
 * by the nickname profile of RFC 8266 (white space trimmed and folded, NFKC). A
 * person's name is of one script (Unicode's digits, punctuation and emoji belong
 * to all), or of those that Japanese, Korean or Chinese are written in, with Latin.
 *
 * A name also has a key, by which two names are the same: case-folded; and built
 * with ICU what it looks like (the skeleton of UTS #39), so that a Cyrillic letter
 * that looks like a Latin one, or rn for m, makes no other name of it. Keys are
 * not kept for long: the next ICU has other tables.
 */
#ifndef NATTER_CHAT_NAME_H
#define NATTER_CHAT_NAME_H

#include "base/payload.h"

#include <stdbool.h>
#include <stddef.h>

#define ROOM_NAME_MAX 128 /* bytes */
#define NAME_MAX_BYTES 64
#define USER_MAX_BYTES 64

/*
 * A room's name from IN (any bytes). NULL: *why says what is wrong with it
 * (static), or that there is no memory. The caller owns it.
 */
struct payload *name_room(const char *in, size_t len, const char **why);

/*
 * A person's name from IN. The caller owns it. NULL as above.
 */
struct payload *name_person(const char *in, size_t len, const char **why);

/*
 * A user's id from IN: it is checked only, for it is the site's and not for
 * people to read: 1 to USER_MAX_BYTES bytes of UTF-8 without control
 * characters. The caller owns it. NULL as above.
 */
struct payload *name_user(const char *in, size_t len, const char **why);

/*
 * What two names have in common that count as the same. NULL: no memory, or no
 * name, but for its scripts: who may call himself something that name_person()
 * refuses for them is still compared with those who have names.
 */
struct payload *name_key(const char *name, size_t len);

/* Names nobody may have, say. Read only, so any thread may ask it. */
struct name_list;

/* NULL: *bad is the first of N names that is none; or it is NULL too, and there is no memory. */
struct name_list *name_list_new(const char *const *names, size_t n, const char **bad);
void name_list_free(struct name_list *list);

/* Whether a name with this key is in it. LIST may be NULL, the empty one. */
bool name_list_has(const struct name_list *list, const struct payload *key);

#endif
