/* fuzz_text: whether bytes are text, for targets of the floors that are only given texts. */
#ifndef NATTER_TESTS_FUZZ_TEXT_H
#define NATTER_TESTS_FUZZ_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

static inline bool fuzz_is_text(const char *s, size_t len)
{
	json_t *string = json_stringn(s, len); /* NULL: not UTF-8 */

	json_decref(string);
	return string != NULL;
}

#endif
