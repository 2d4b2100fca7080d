/*
 * sqlite_db: one connection to the file of journal_sqlite, and all its SQL.
 *
 * Nothing but functions from structs to rows and back: no threads, no letters,
 * no log. A connection is used by one thread at a time; the file's writer has
 * one and its reader has one, which also see each other's commits.
 *
 * Functions return 0 or, where they ask, 1 for "there it is"; -1 is a failure,
 * of which sqlite_db_error() has the words. After one within a transaction
 * roll it back.
 */
#ifndef NATTER_STORE_SQLITE_DB_H
#define NATTER_STORE_SQLITE_DB_H

#include "chat/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite_db;

enum sqlite_db_open {
	SQLITE_DB_OPEN,    /* and may be written, as far as can be told */
	SQLITE_DB_FAILED,  /* there is no reaching it now */
	SQLITE_DB_BROKEN,  /* it is damaged, or no database at all */
	SQLITE_DB_FOREIGN, /* it is not natter's, or of a later natter */
};

struct sqlite_db_opts {
	const char *path;
	bool writes;        /* makes the file and its tables where they are not there */
	bool sync;          /* a commit is on the disk */
	uint64_t max_bytes; /* the file may grow to; 0: no bound */
};

/* Opens *DB. Unless it is SQLITE_DB_OPEN, ERR says why. Never a file of its own beside one it cannot read. */
enum sqlite_db_open sqlite_db_open(const struct sqlite_db_opts *opts, struct sqlite_db **db, char *err, size_t size);
/* NULL is fine. The last connection takes the write-ahead log into the file. */
void sqlite_db_close(struct sqlite_db *db);

/* Words on the last failure, and whether the file is damaged. */
const char *sqlite_db_error(const struct sqlite_db *db);
bool sqlite_db_is_broken(const struct sqlite_db *db);
/* Whether the file at the path is no longer this one. */
bool sqlite_db_has_moved(struct sqlite_db *db);
/* Whether nothing may be written, the file or its folder being read-only. */
bool sqlite_db_is_read_only(const struct sqlite_db *db);

int sqlite_db_begin(struct sqlite_db *db);
int sqlite_db_commit(struct sqlite_db *db);
void sqlite_db_rollback(struct sqlite_db *db);

/* Small facts about the file. TEXT of SIZE; a number. 1: there it is. */
int sqlite_db_get_text(struct sqlite_db *db, const char *key, char *text, size_t size);
int sqlite_db_get_number(struct sqlite_db *db, const char *key, int64_t *n);
int sqlite_db_set_text(struct sqlite_db *db, const char *key, const char *text);
int sqlite_db_set_number(struct sqlite_db *db, const char *key, int64_t n);

/* A room's row. */
struct sqlite_db_room {
	int64_t id; /* 0: not stored yet */
	char epoch[JOURNAL_EPOCH_MAX];
	uint64_t seq;   /* the last one given */
	int64_t time;   /* its time */
	uint64_t first; /* the first one that is kept; seq + 1: none is */
	uint64_t bytes; /* of bodies that are kept */
	int64_t oldest; /* time of the first one that is kept; 0: none is */
};

int sqlite_db_load_room(struct sqlite_db *db, const struct payload *name, struct sqlite_db_room *room);
/* Adds it when its id is 0. */
int sqlite_db_save_room(struct sqlite_db *db, const struct payload *name, struct sqlite_db_room *room);
/* All rooms have the epoch from now on. */
int sqlite_db_set_epochs(struct sqlite_db *db, const char *epoch);
/* A room whose oldest message is of before TIME; *NAME is the caller's. */
int sqlite_db_aged_room(struct sqlite_db *db, int64_t time, struct payload **name);
/* The next room, by id above *ID, that keeps no message; *NAME is the caller's. */
int sqlite_db_empty_room(struct sqlite_db *db, int64_t *id, struct payload **name);
/* Deletes a room's row, unless cids or state of the room are left: 1, it is gone. */
int sqlite_db_forget_room(struct sqlite_db *db, int64_t id);

/* Stores *M as the room's next; the room's numbers follow (without being saved). */
int sqlite_db_add(struct sqlite_db *db, struct sqlite_db_room *room, const struct journal_message *m);
/* Gives the message TARGET another body, or none, and wipes its former amendments. 1, or 0: there is no such message. */
int sqlite_db_change(struct sqlite_db *db, struct sqlite_db_room *room, uint64_t target, const struct payload *body,
		     uint64_t changed);

struct sqlite_db_keep {
	uint64_t messages, bytes; /* of a room at most */
	int64_t since;            /* nothing of before this time; 0: whatever its time */
};
/* Lets the oldest go until the room keeps to it, but not more than some thousand at a time: 1, there is more to go. */
int sqlite_db_trim(struct sqlite_db *db, struct sqlite_db_room *room, const struct sqlite_db_keep *keep);

/* Up to LIMIT messages before AT (0: the last) or, with AFTER, after it, in order, into *M (malloc'ed) and *N. */
int sqlite_db_page(struct sqlite_db *db, const struct payload *room, bool after, uint64_t at, size_t limit,
		   struct journal_message **m, size_t *n, bool *more);
void sqlite_db_page_free(struct journal_message *m, size_t n);

struct sqlite_db_cid {
	const struct payload *sender, *cid;
	uint64_t seq, digest;
	int64_t time;
};
/* Fills in what was noted after SINCE (of the store's clock): 1. */
int sqlite_db_find_cid(struct sqlite_db *db, int64_t room, struct sqlite_db_cid *c, int64_t since);
/* Notes it; of the sender's those beyond JOURNAL_CIDS_MAX go. */
int sqlite_db_put_cid(struct sqlite_db *db, int64_t room, const struct sqlite_db_cid *c, int64_t now);
/* When the latest was noted; 0: there is none. */
int sqlite_db_newest_cid(struct sqlite_db *db, int64_t *at);
/* Some of the oldest go, those of SINCE and before. */
int sqlite_db_sweep_cids(struct sqlite_db *db, int64_t since);

/* Does what *S asks and fills in what it finds; a failure is also the status JOURNAL_UNAVAILABLE. */
int sqlite_db_state(struct sqlite_db *db, struct journal_state *s, int64_t now);
int sqlite_db_sweep_state(struct sqlite_db *db, int64_t now);

/* Writes and takes back some pages, each by a transaction: whether there is room. */
int sqlite_db_probe(struct sqlite_db *db);
/* Takes the write-ahead log into the file and empties it. Erased text is nowhere then. */
int sqlite_db_checkpoint(struct sqlite_db *db);
/*
 * Whether the file is sound: 0; 1: it is not, WORDS says what; -1: given up.
 * MEANWHILE(arg) is called often; when it is false the check is given up.
 */
int sqlite_db_check(struct sqlite_db *db, bool (*meanwhile)(void *arg), void *arg, char *words, size_t size);

#endif
