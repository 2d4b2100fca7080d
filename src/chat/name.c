#include <config.h>

#include "chat/name.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#define BYTES(s) ((const uint8_t *)(const void *)(s))

static bool is_control(ucs4_t c)
{
	return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Zl | UC_CATEGORY_MASK_Zp);
}

/* Marks that reorder the text around them: a name would change its neighbours. */
static bool is_bidi_control(ucs4_t c)
{
	return uc_is_property_bidi_control(c);
}

static bool is_invisible(ucs4_t c)
{
	return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cf | UC_CATEGORY_MASK_Cn | UC_CATEGORY_MASK_Co);
}

/* Walks valid UTF-8; NULL, or what is wrong with the first character that is refused. */
static const char *refused(const uint8_t *s, size_t len, bool person)
{
	for (size_t i = 0; i < len;) {
		ucs4_t c;
		int n = u8_mbtoucr(&c, s + i, len - i);

		if (n <= 0)
			return "the name is not UTF-8";
		i += (size_t)n;
		if (c >= ' ' && c < 0x7f)
			continue; /* without a look at libunistring's tables */
		if (is_control(c))
			return "the name has a control character in it";
		if (is_bidi_control(c))
			return "the name has a character in it that changes the direction of text";
		if (person && is_invisible(c))
			return "the name has an invisible or unassigned character in it";
	}
	return NULL;
}

static bool is_ascii(const char *s, size_t len)
{
	while (len > 0 && (unsigned char)s[len - 1] < 0x80)
		len--;
	return len == 0;
}

static struct payload *normalized(uninorm_t form, const char *in, size_t len, const char **why)
{
	size_t n = 0;
	uint8_t *s = NULL;
	struct payload *p;

	if (is_ascii(in, len)) {
		p = payload_new(in, len);
	} else {
		s = u8_check(BYTES(in), len) ? NULL : u8_normalize(form, BYTES(in), len, NULL, &n);
		p = s ? payload_new(s, n) : NULL;
	}
	if (p == NULL)
		*why = s || u8_check(BYTES(in), len) == NULL ? "there is no memory" : "the name is not UTF-8";
	free(s);
	return p;
}

static struct payload *reject(struct payload *p, const char **why, const char *reason)
{
	payload_unref(p);
	*why = reason;
	return NULL;
}

struct payload *name_room(const char *in, size_t len, const char **why)
{
	struct payload *p;
	const char *bad;

	if (len == 0)
		return reject(NULL, why, "the room's name is empty");
	if (len > ROOM_NAME_MAX)
		return reject(NULL, why, "the room's name is longer than 128 bytes");
	p = normalized(UNINORM_NFC, in, len, why);
	if (p == NULL)
		return NULL;
	if (p->len > ROOM_NAME_MAX)
		return reject(p, why, "the room's name is longer than 128 bytes");
	bad = refused(BYTES(p->data), p->len, false);
	if (bad)
		return reject(p, why, bad);
	if (p->data[0] == '@')
		return reject(p, why, "a room's name cannot begin with @");
	return p;
}

/* All kinds of space become U+0020, none at the ends, no two together (RFC 8266 section 2.1). */
static void fold_spaces(struct payload *p)
{
	const uint8_t *s = BYTES(p->data);
	uint32_t to = 0;

	for (uint32_t i = 0; i < p->len;) {
		ucs4_t c;
		int n = u8_mbtoucr(&c, s + i, p->len - i);

		if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Zs)) {
			if (to > 0 && p->data[to - 1] != ' ')
				p->data[to++] = ' ';
		} else {
			memmove(p->data + to, p->data + i, (size_t)n);
			to += (uint32_t)n;
		}
		i += (uint32_t)n;
	}
	while (to > 0 && p->data[to - 1] == ' ')
		to--;
	p->len = to;
	p->data[to] = '\0';
}

struct payload *name_person(const char *in, size_t len, const char **why)
{
	struct payload *p;
	const char *bad;

	if (len > NAME_MAX_BYTES)
		return reject(NULL, why, "the name is longer than 64 bytes");
	p = normalized(UNINORM_NFKC, in, len, why);
	if (p == NULL)
		return NULL;
	fold_spaces(p);
	if (p->len == 0)
		return reject(p, why, "the name is empty");
	if (p->len > NAME_MAX_BYTES)
		return reject(p, why, "the name is longer than 64 bytes");
	bad = refused(BYTES(p->data), p->len, true);
	return bad ? reject(p, why, bad) : p;
}

struct payload *name_user(const char *in, size_t len, const char **why)
{
	struct payload *p;

	if (len == 0)
		return reject(NULL, why, "the user's id is empty");
	if (len > USER_MAX_BYTES)
		return reject(NULL, why, "the user's id is longer than 64 bytes");
	if (refused(BYTES(in), len, false))
		return reject(NULL, why, "the user's id is not UTF-8, or has a control character in it");
	p = payload_new(in, len);
	return p ? p : reject(NULL, why, "there is no memory");
}

struct payload *name_key(const char *name, size_t len)
{
	const char *why;
	struct payload *p = name_person(name, len, &why), *key;
	uint8_t *s;
	size_t n = 0;

	if (p == NULL)
		return NULL;
	s = u8_casefold(BYTES(p->data), p->len, NULL, UNINORM_NFKC, NULL, &n);
	key = s ? payload_new(s, n) : NULL;
	free(s);
	payload_unref(p);
	return key;
}
