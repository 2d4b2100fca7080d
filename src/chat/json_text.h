/*
 * json_text: a jansson value as compact JSON in a payload, and texts put together.
 */
#ifndef NATTER_CHAT_JSON_TEXT_H
#define NATTER_CHAT_JSON_TEXT_H

#include "base/payload.h"

#include <jansson.h>

/* NULL: no memory. The caller owns it. Any thread. */
struct payload *json_text(const json_t *value);

/* The same without the last byte: an object that is still open. VALUE is an object with members. */
struct payload *json_text_open(const json_t *value);

/* Texts one after the other, up to a (char *)NULL. NULL: no memory. The caller owns it. */
struct payload *text_concat(const char *first, ...);

#endif
