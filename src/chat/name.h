/*
 * name: what rooms and people may be called.
 *
 * Names are prepared, not only checked: rooms by NFC (case-sensitive), people
 * by the nickname profile of RFC 8266 (white space trimmed and folded, NFKC),
 * which also gives the key by which two names are the same (case-folded).
 */
#ifndef NATTER_CHAT_NAME_H
#define NATTER_CHAT_NAME_H

#include "base/payload.h"

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

/* What two names have in common that count as the same. NULL: no memory, or no name. */
struct payload *name_key(const char *name, size_t len);

#endif
