/*
 * journal_sqlite: the journal that keeps: one SQLite file, a thread that
 * writes it and a thread that reads it.
 *
 * Requests are letters to the writer. It takes all that lie in its mailbox
 * and does them in one transaction (group commit); seq is given within it, and
 * only after the commit is anything delivered or acknowledged. When it fails,
 * nothing of it has happened: all are refused, the homes hear `unavailable`,
 * and the writer tries again from time to time. Pages are the reader's, so
 * they wait for no commit; after an unclean stop it checks the file beside
 * that. Workers' threads only ever post letters.
 *
 * The past of a room outlives subscriptions and restarts, and its epoch as
 * well as long as it can be proved that nothing was lost (see proof.h). A room
 * that has neither subscribers nor anything else left loses its row. cids
 * are kept by a clock that stands still while no journal runs; state expires
 * by one that goes on.
 *
 * In the folder: journal.db with SQLite's -wal and -shm, and journal.mark.
 */
#ifndef NATTER_STORE_JOURNAL_SQLITE_H
#define NATTER_STORE_JOURNAL_SQLITE_H

#include "chat/journal.h"

#include <stdbool.h>

struct journal_sqlite_opts {
	const char *folder;   /* which is there, and nobody else's; copied */
	bool disk;            /* a commit waits for the disk; else it survives the process, not the machine */
	uint64_t messages;    /* a room keeps at most */
	uint64_t bytes;       /* and so many bytes of bodies */
	uint64_t age;         /* and nothing older than so many ms; 0: of any age */
	uint64_t max_bytes;   /* of the file; 0: no bound */
	uint64_t cid_keep;    /* ms that a cid is remembered */
	uint64_t max_pending; /* bytes of requests that may wait for the disk; more are refused. 0: 64 MiB */
	uint32_t retry;       /* ms between two tries while the file cannot be written; 0: a second */
	uint32_t batch;       /* requests in a transaction at most; 0: 1024 */
};

/*
 * Opens the file, or makes it. One that cannot be reached, written or read is
 * no reason not to start: it is logged, and the rooms refuse. NULL with words
 * in ERR: it is not natter's, or of a later natter, or there is no memory.
 */
struct journal *journal_sqlite_new(const struct journal_sqlite_opts *opts, char *err, size_t size);

#endif
