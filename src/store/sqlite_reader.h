/*
 * sqlite_reader: the one thread that reads pages of the file of journal_sqlite.
 *
 * Where it is told to, it first checks the file, and goes on reading pages
 * meanwhile. A damage that it finds is told to the writer.
 */
#ifndef NATTER_STORE_SQLITE_READER_H
#define NATTER_STORE_SQLITE_READER_H

#include "store/sqlite_letter.h"
#include "store/sqlite_writer.h"

struct sqlite_reader;

/* WRITER must outlive it. NULL: no memory. */
struct sqlite_reader *sqlite_reader_new(const char *folder, struct sqlite_writer *writer);

/* CHECK: the file. 0, or -1: no thread. */
int sqlite_reader_start(struct sqlite_reader *r, bool check);

/* Takes Q. Any thread. */
void sqlite_reader_post(struct sqlite_reader *r, struct query *q);

/* Answers what is left, ends the thread, frees. NULL is fine. */
void sqlite_reader_free(struct sqlite_reader *r);

#endif
