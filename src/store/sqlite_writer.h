/*
 * sqlite_writer: the one thread that writes the file of journal_sqlite.
 *
 * It owns the file's writing connection, the rooms that somebody is subscribed
 * to, the epochs, the clocks, and the knowledge of whether the file can be
 * written: see journal_sqlite.h.
 */
#ifndef NATTER_STORE_SQLITE_WRITER_H
#define NATTER_STORE_SQLITE_WRITER_H

#include "store/journal_sqlite.h"
#include "store/sqlite_letter.h"

struct sqlite_writer;

/* Opens the file. OPTS with all defaults filled in. NULL: as journal_sqlite_new(). */
struct sqlite_writer *sqlite_writer_new(const struct journal_sqlite_opts *opts, char *err, size_t size);

/* Whether the file should be checked. Before the thread is started. */
bool sqlite_writer_wants_check(const struct sqlite_writer *w);

/* 0, or -1: no thread. */
int sqlite_writer_start(struct sqlite_writer *w);

/* Takes Q, to be sent with what else was asked through PORT; NULL: at once. false: too much is waiting; Q is the caller's. */
bool sqlite_writer_post(struct sqlite_writer *w, struct journal_port *port, struct request *q);

/* Whether there was anything to send. */
bool sqlite_writer_send(struct sqlite_writer *w, struct journal_port *port);

/* Does what is left, says farewell to the file, ends the thread, frees. NULL is fine. */
void sqlite_writer_free(struct sqlite_writer *w);

#endif
