/*
 * journal_memory: the journal that forgets at the end: a bounded ring a room.
 *
 * Each room's ring lives with its home and is touched on that thread only;
 * answers still go by letter, as with the journals that have threads of their
 * own. An epoch lasts as long as the room is subscribed, and so do its cids; state
 * (a state_map) lasts as long as the journal. A room has one home at a time.
 */
#ifndef NATTER_CHAT_JOURNAL_MEMORY_H
#define NATTER_CHAT_JOURNAL_MEMORY_H

#include "chat/journal.h"

struct journal_memory_opts {
	size_t messages;   /* a room keeps at most; 0: no past at all */
	size_t bytes;      /* and so many bytes of bodies */
	uint64_t cid_keep; /* ms that a cid is remembered */
};

/* NULL: no memory. */
struct journal *journal_memory_new(const struct journal_memory_opts *opts);

#endif
