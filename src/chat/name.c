#include <config.h>

#include "chat/name.h"

#include "base/strmap.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>
#ifdef HAVE_ICU
# include <pthread.h>
# include <unicode/uspoof.h>
#endif

/* Of NAME_MAX_BYTES; the longest that came of one is of 378, see test_name.c. */
#define SKELETON_MAX 1024

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

/* Or unassigned, or private. RFC 8264 sections 9.10, 9.13; and a letter of Braille without dots. */
static bool is_invisible(ucs4_t c)
{
	return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cf | UC_CATEGORY_MASK_Cn | UC_CATEGORY_MASK_Co) ||
	       uc_is_property_default_ignorable_code_point(c) || c == 0x2800;
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

/*
 * U+FE0F, which phones set behind a heart or a sun to have it in colour, is taken
 * away: two names would differ in it alone. Returns what is left in TO.
 */
static size_t without_selectors(char *to, const char *in, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len;) {
		if (len - i >= 3 && memcmp(in + i, "\xef\xb8\x8f", 3) == 0)
			i += 3;
		else
			to[n++] = in[i++];
	}
	return n;
}

/* The nickname profile. */
static struct payload *nickname(const char *in, size_t len, const char **why)
{
	char plain[NAME_MAX_BYTES];
	struct payload *p;
	const char *bad;

	if (len > NAME_MAX_BYTES)
		return reject(NULL, why, "the name is longer than 64 bytes");
	if (u8_check(BYTES(in), len))
		return reject(NULL, why, "the name is not UTF-8");
	p = normalized(UNINORM_NFKC, plain, without_selectors(plain, in, len), why);
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

/* ---- scripts ---- */

/* Those that are written together somewhere; and all others. */
enum { LATIN = 1, HAN = 2, HIRAGANA = 4, KATAKANA = 8, HANGUL = 16, BOPOMOFO = 32, OTHER = 64 };

/* 0: a character of all scripts (digits, punctuation, emoji), or a mark on one of any. */
static unsigned script_bit(const uc_script_t *script)
{
	static const struct {
		const char *name;
		unsigned bit;
	} known[] = { { "Common", 0 }, { "Latin", LATIN }, { "Inherited", 0 }, { "Han", HAN },
		      { "Hiragana", HIRAGANA }, { "Katakana", KATAKANA }, { "Hangul", HANGUL },
		      { "Bopomofo", BOPOMOFO } };

	for (size_t i = 0; script && i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(script->name, known[i].name) == 0)
			return known[i].bit;
	return script ? OTHER : 0;
}

/* UTS #39 section 5.2, "Highly Restrictive": one script, or those of Japanese, Korean, Chinese with Latin. */
static bool stand_together(unsigned scripts)
{
	static const unsigned sets[] = { LATIN | HAN | HIRAGANA | KATAKANA, LATIN | HAN | HANGUL,
					 LATIN | HAN | BOPOMOFO };

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if ((scripts & ~sets[i]) == 0)
			return true;
	return scripts == OTHER;
}

static bool mixes_scripts(const uint8_t *s, size_t len)
{
	const uc_script_t *other = NULL;
	unsigned seen = 0;

	for (size_t i = 0; i < len;) {
		const uc_script_t *script;
		unsigned bit;
		ucs4_t c;

		i += (size_t)u8_mbtoucr(&c, s + i, len - i);
		script = uc_script(c);
		bit = script_bit(script);
		if (bit == OTHER && other && script != other)
			return true;
		if (bit == OTHER)
			other = script;
		seen |= bit;
	}
	return !stand_together(seen);
}

struct payload *name_person(const char *in, size_t len, const char **why)
{
	struct payload *p = nickname(in, len, why);

	if (p && !is_ascii(p->data, p->len) && mixes_scripts(BYTES(p->data), p->len))
		return reject(p, why, "the name mixes letters of several scripts, such as Latin and Cyrillic ones");
	return p;
}

/* ---- which names are the same ---- */

static struct payload *folded(const uint8_t *s, size_t len)
{
	size_t n = 0;
	uint8_t *f = u8_casefold(s, len, NULL, UNINORM_NFKC, NULL, &n);
	struct payload *p = f ? payload_new(f, n) : NULL;

	free(f);
	return p;
}

#ifdef HAVE_ICU
/* One for all threads, until the process ends: asking it changes nothing in it. NULL: it could not be had. */
static USpoofChecker *spoof;

static void open_spoof(void)
{
	UErrorCode status = U_ZERO_ERROR;

	spoof = uspoof_open(&status);
}

/* What P looks like (UTS #39 section 4); folded again, for 0 looks like O. Takes P. */
static struct payload *skeleton(struct payload *p)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	UErrorCode status = U_ZERO_ERROR;
	char out[SKELETON_MAX];
	int32_t n;

	if (p == NULL)
		return NULL;
	pthread_once(&once, open_spoof);
	n = uspoof_getSkeletonUTF8(spoof, 0, p->data, (int32_t)p->len, out, sizeof(out), &status);
	payload_unref(p);
	return U_FAILURE(status) ? NULL : folded(BYTES(out), (size_t)n);
}
#else
static struct payload *skeleton(struct payload *p) { return p; }
#endif

struct payload *name_key(const char *name, size_t len)
{
	const char *why;
	struct payload *p = nickname(name, len, &why), *key;

	if (p == NULL)
		return NULL;
	key = skeleton(folded(BYTES(p->data), p->len));
	payload_unref(p);
	return key;
}

/* ---- lists ---- */

struct name_list {
	struct strmap *keys; /* each one's value is the list */
};

struct name_list *name_list_new(const char *const *names, size_t n, const char **bad)
{
	struct name_list *list = calloc(1, sizeof(*list));

	*bad = NULL;
	if (list == NULL)
		return NULL;
	list->keys = strmap_new();
	for (size_t i = 0; list->keys && i < n; i++) {
		struct payload *key = name_key(names[i], strlen(names[i]));
		int put = key ? strmap_put(list->keys, key->data, key->len, list) : 0;

		if (key == NULL)
			*bad = names[i];
		payload_unref(key);
		if (*bad || put < 0)
			goto fail;
	}
	if (list->keys)
		return list;
fail:
	name_list_free(list);
	return NULL;
}

void name_list_free(struct name_list *list)
{
	if (list == NULL)
		return;
	strmap_free(list->keys);
	free(list);
}

bool name_list_has(const struct name_list *list, const struct payload *key)
{
	return list && strmap_get(list->keys, key->data, key->len);
}
