/*
 * utf8: an incremental UTF-8 validator (RFC 3629).
 *
 * Fed in pieces of any size, it fails at the first byte that cannot be part of
 * well-formed UTF-8: overlong forms, surrogates and anything above U+10FFFF
 * included. ASCII is checked a machine word (or vector) at a time.
 */
#ifndef NATTER_WIRE_UTF8_H
#define NATTER_WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* State between two pieces; 0 (UTF8_START) is "between two characters". */
typedef uint32_t utf8_state;
#define UTF8_START 0u

/* Checks LEN bytes more. false: not UTF-8 whatever follows; *state is then meaningless. */
bool utf8_feed(utf8_state *state, const unsigned char *data, size_t len);

/* Whether LEN bytes are well-formed and end between two characters. */
bool utf8_valid(const void *data, size_t len);

#endif
