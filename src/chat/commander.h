/*
 * commander: the table of hello … bye: text in, text out.
 *
 * What the tutorials' echo server on port 1222 answers, for the endpoint
 * handler `commands`.
 */
#ifndef NATTER_CHAT_COMMANDER_H
#define NATTER_CHAT_COMMANDER_H

#include "base/payload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The answer to TEXT, which the caller owns; NULL: no memory. UPTIME in
 * seconds, NOW in ms since 1970. *bye: say it and close.
 */
struct payload *commander_answer(const char *text, size_t len, uint64_t uptime, int64_t now, bool *bye);

#endif
