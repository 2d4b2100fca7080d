#include <config.h>

#include "store/sqlite_reader.h"
#include "store/desk.h"
#include "store/sqlite_db.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUERIES_A_TURN 64

struct sqlite_reader {
	struct sqlite_writer *writer;
	struct desk *desk;
	struct sqlite_db *db; /* NULL: not open */
	bool check, damaged;
	char path[4096];
};

static struct sqlite_db *open_file(struct sqlite_reader *r, char *err, size_t size)
{
	struct sqlite_db_opts o = { .path = r->path };
	struct sqlite_db *db = NULL;

	return sqlite_db_open(&o, &db, err, size) == SQLITE_DB_OPEN ? db : NULL;
}

/* The writer is not to add to what is damaged. */
static void report_damage(struct sqlite_reader *r, const char *words)
{
	struct journal_message m = { .body = payload_new(words, strlen(words)) };
	struct request *q = r->damaged ? NULL : sqlite_request_new(BROKEN, NULL, &m, NULL);

	payload_unref(m.body);
	if (q) {
		r->damaged = true;
		sqlite_writer_post(r->writer, NULL, q);
	}
}

static void read_page(struct sqlite_reader *r, struct query *q)
{
	char err[256] = "";

	q->status = JOURNAL_UNAVAILABLE;
	if (r->db == NULL)
		r->db = open_file(r, err, sizeof(err));
	if (r->db && sqlite_db_page(r->db, q->room->name, q->after, q->at, q->limit, &q->messages, &q->n, &q->more) == 0) {
		q->status = JOURNAL_OK;
	} else {
		log_limited(LOG_LEVEL_ERROR, "the journal cannot be read", "file=%s error=\"%s\"", r->path,
			    r->db ? sqlite_db_error(r->db) : err);
		if (r->db && sqlite_db_is_broken(r->db))
			report_damage(r, sqlite_db_error(r->db));
	}
	/* One that was opened as it lay there would not see what is written later. */
	if (r->db && (q->status != JOURNAL_OK || sqlite_db_is_read_only(r->db))) {
		sqlite_db_close(r->db);
		r->db = NULL;
	}
}

static void open_query(struct letter *letter, void *reader)
{
	struct query *q = (struct query *)letter;

	read_page(reader, q);
	query_answer(q);
}

static bool read_meanwhile(void *arg)
{
	struct sqlite_reader *r = arg;

	mailbox_open(desk_mailbox(r->desk), QUERIES_A_TURN);
	return !desk_is_closing(r->desk);
}

static void check(struct sqlite_reader *r)
{
	uint64_t begin = clock_ms();
	char words[256] = "";
	struct sqlite_db *db = open_file(r, words, sizeof(words));
	int rc = db ? sqlite_db_check(db, read_meanwhile, r, words, sizeof(words)) : -1;

	if (rc > 0)
		report_damage(r, words);
	else if (rc == 0)
		log_info("the journal is sound, after a stop without a farewell", "file=%s ms=%llu", r->path,
			 (unsigned long long)(clock_ms() - begin));
	sqlite_db_close(db);
}

static void work(void *arg)
{
	struct sqlite_reader *r = arg;

	if (r->check)
		check(r);
	do {
		while (mailbox_open(desk_mailbox(r->desk), QUERIES_A_TURN) > 0)
			;
	} while (desk_wait(r->desk, 3600000));
	while (mailbox_open(desk_mailbox(r->desk), QUERIES_A_TURN) > 0)
		;
	sqlite_db_close(r->db);
	r->db = NULL;
}

void sqlite_reader_post(struct sqlite_reader *r, struct query *q)
{
	q->letter.open = open_query;
	mailbox_post(desk_mailbox(r->desk), &q->letter);
}

struct sqlite_reader *sqlite_reader_new(const char *folder, struct sqlite_writer *writer)
{
	struct sqlite_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->writer = writer;
	snprintf(r->path, sizeof(r->path), "%s/journal.db", folder);
	r->desk = desk_new(r);
	if (r->desk)
		return r;
	free(r);
	return NULL;
}

int sqlite_reader_start(struct sqlite_reader *r, bool check_file)
{
	r->check = check_file;
	return desk_start(r->desk, work, r);
}

void sqlite_reader_free(struct sqlite_reader *r)
{
	if (r == NULL)
		return;
	desk_close(r->desk);
	desk_free(r->desk);
	free(r);
}
