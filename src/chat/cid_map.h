/*
 * cid_map: which client ids a room has seen of late, and what came of them.
 *
 * A repeat of a message under the same cid of the same sender finds its first
 * place here. What is older than `keep` is gone, and of a sender only the
 * latest JOURNAL_CIDS_MAX are kept. One owner; not thread-safe.
 */
#ifndef NATTER_CHAT_CID_MAP_H
#define NATTER_CHAT_CID_MAP_H

#include "base/payload.h"

#include <stdint.h>

struct cid_map;

struct cid_seen {
	uint64_t seq;
	int64_t time;
	uint64_t digest; /* of the content */
};

/* KEEP: ms that a cid is remembered. NULL: no memory. */
struct cid_map *cid_map_new(uint64_t keep);
void cid_map_free(struct cid_map *m);

/* Takes the bytes SENDER and CID; NULL: not seen, or no more. NOW: clock_ms(). */
const struct cid_seen *cid_map_find(struct cid_map *m, const struct payload *sender, const struct payload *cid,
				    uint64_t now);

/* Remembers one that is not there. 0, or -1: no memory. */
int cid_map_put(struct cid_map *m, const struct payload *sender, const struct payload *cid,
		const struct cid_seen *seen, uint64_t now);

#endif
