/*
 * ledger: what one receiver got of each sender: what is lost, came twice or
 * came late, and a running hash over all of it in the order it came.
 *
 * In order, a message costs a comparison. What came out of order is told from
 * what came twice by the last 64 of each sender, kept from the first gap on.
 * Two receivers that got everything once in the same order have the same hash.
 */
#ifndef NATTER_BENCH_LEDGER_H
#define NATTER_BENCH_LEDGER_H

#include <stdint.h>

struct ledger {
	uint32_t senders;
	uint32_t *next; /* a sender: the number that is expected */
	uint64_t *seen; /* a sender: which of the 64 before `next` came, bit 0 the last; NULL: all */
	uint64_t got;   /* messages, each counted once */
	uint64_t order; /* the hash */
	uint64_t missing, twice, late; /* late ones are not missing any more */
};

enum ledger_verdict { LEDGER_NEXT, LEDGER_GAP, LEDGER_LATE, LEDGER_TWICE };

/* For messages of SENDERS senders, numbered from 0. */
void ledger_init(struct ledger *l, uint32_t senders);
void ledger_clear(struct ledger *l);

/* Message SEQ of SENDER came. GAP: it did, and others before it have not come. */
enum ledger_verdict ledger_note(struct ledger *l, uint32_t sender, uint32_t seq);

/* How many of the SENT messages of SENDER beyond those that came last are lacking: a tail. */
uint32_t ledger_tail(const struct ledger *l, uint32_t sender, uint32_t sent);

/*
 * Of N receivers' hashes, how many differ from the one that most have. Sorts
 * HASHES.
 */
uint64_t ledger_disagree(uint64_t *hashes, uint64_t n);

#endif
