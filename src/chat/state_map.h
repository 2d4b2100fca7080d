/*
 * state_map: a journal's state in memory: values under keys, which may expire.
 *
 * Answers a struct journal_state in place; the journal posts it. Behind a
 * mutex, for requests come from all threads; they are rare (bans, markers),
 * never one a delivery. Bounded: above STATE_MAP_MAX values a PUT is refused.
 */
#ifndef NATTER_CHAT_STATE_MAP_H
#define NATTER_CHAT_STATE_MAP_H

#include "chat/journal.h"

#define STATE_MAP_MAX 1000000

struct state_map;

/* NULL: no memory. */
struct state_map *state_map_new(void);
void state_map_free(struct state_map *m);

/* Does what S asks, and fills in its answer. Any thread. */
void state_map_do(struct state_map *m, struct journal_state *s);

#endif
