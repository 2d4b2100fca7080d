#include <config.h>

#include "store/sqlite_writer.h"
#include "store/desk.h"
#include "store/proof.h"
#include "store/sqlite_db.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/strmap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPAIR "sqlite3 journal.db .dump | sed 's/^ROLLBACK.*/COMMIT;/' | sqlite3 new.db; mv journal.db damaged.db; " \
	"rm -f journal.db-wal journal.db-shm; mv new.db journal.db"
#define TIDY_EVERY 10000 /* ms */
#define TIDY_SOON 100    /* where there is more to do */
#define CLOCK_EVERY 1000 /* ms after which a transaction also notes the clocks */
#define AGED_A_TIME 20   /* rooms that are trimmed in one go for their age */
#define EMPTY_A_TIME 200 /* rooms that are looked at in one go, whether they can be forgotten */

/* How it is with the file. */
enum condition {
	CLOSED,  /* not to be reached: opening is tried again */
	BLOCKED, /* not to be written: writing is tried again */
	UP,
	DAMAGED, /* for good: somebody has to repair it */
};

/* A room that somebody is subscribed to. */
struct stored_room {
	struct payload *name;
	struct sqlite_db_room now, committed;
	bool loaded, touched; /* touched: in this transaction */
	struct stored_room *next_touched;
	uint64_t told; /* the last seq that the homes heard of */
	struct journal_room *homes;
	size_t users; /* homes, and those about to be */
};

struct sqlite_writer {
	struct journal_sqlite_opts opts;
	char path[4096], mark[4096];
	struct desk *desk;
	struct sqlite_db *db;
	enum condition condition;
	uint64_t next_try, next_tidy, clocks_noted; /* ms */
	int64_t looked_at; /* the id of the empty room that was last */

	char epoch[JOURNAL_EPOCH_MAX]; /* of rooms that are new */
	bool renewed;                  /* and of all others, which the file does not know yet */
	bool begun;                    /* the file knows of this run */
	bool unclean;                  /* the last one had no farewell */
	bool judged;                   /* the past was, when the file was first open */
	char run[40], last_run[40];
	int64_t cid_clock, state_clock; /* what these are ahead of clock_ms() */

	struct strmap *rooms;
	struct stored_room *touched;
	struct request *batch, **tail;
	bool in_transaction, failed;
	bool scrub; /* a text was erased, and may still lie in the write-ahead log */
	atomic_size_t pending;
};

static int64_t cid_now(const struct sqlite_writer *w) { return (int64_t)clock_ms() + w->cid_clock; }
static int64_t state_now(const struct sqlite_writer *w) { return (int64_t)clock_ms() + w->state_clock; }

bool sqlite_writer_wants_check(const struct sqlite_writer *w) { return w->unclean && w->condition != DAMAGED; }

/* A word that no other start has. */
static void draw(char *to, size_t size)
{
	struct {
		int64_t wall;
		uint64_t mono;
		long pid;
		const void *where;
	} now;

	memset(&now, 0, sizeof(now));
	now.wall = clock_wall_ms();
	now.mono = clock_us();
	now.pid = (long)getpid();
	now.where = to;
	/* strmap's hash has a random seed */
	snprintf(to, size, "%" PRIx64 "-%08x", (uint64_t)now.wall, (unsigned)strmap_hash((char *)&now, sizeof(now)));
}

/* ---- whether it can be written ---- */

static void tell_all(struct sqlite_writer *w, enum news what)
{
	struct stored_room *s;

	for (size_t pos = 0; (s = strmap_next(w->rooms, &pos, NULL, NULL)) != NULL;)
		for (struct journal_room *r = s->homes; r; r = r->next)
			news_post(r, what, NULL, 0);
}

static void set_condition(struct sqlite_writer *w, enum condition c, const char *why)
{
	enum condition was = w->condition;

	w->next_try = clock_ms() + w->opts.retry;
	if (was == c || was == DAMAGED)
		return;
	w->condition = c;
	if (c == DAMAGED)
		log_error("the journal is damaged: rooms refuse messages, nothing is thrown away",
			  "file=%s error=\"%s\" repair=\"stop natterd; " REPAIR "; start natterd\"", w->path, why);
	else if (c != UP)
		log_error("the journal cannot be written: rooms refuse messages until it can", "file=%s error=\"%s\"",
			  w->path, why);
	else if (was != UP)
		log_info("the journal can be written again", "file=%s", w->path);
	if (was == UP)
		tell_all(w, NEWS_UNAVAILABLE);
}

static void set_back(struct sqlite_writer *w, const char *why)
{
	set_condition(w, w->db && sqlite_db_is_broken(w->db) ? DAMAGED : BLOCKED, why);
}

/* ---- opening ---- */

/* Whether the past is what was told; if not, all rooms get a new epoch. */
static void judge_past(struct sqlite_writer *w, struct proof *now)
{
	struct proof mark;
	const char *why = "nothing says how the last run ended";
	int there = sqlite_db_get_text(w->db, "run", now->run, sizeof(now->run));

	w->renewed = w->unclean = false;
	if (there == 1 && proof_read(w->mark, &mark)) {
		w->unclean = !mark.clean;
		why = proof_lacks(&mark, now);
	}
	if (there == 1 && why == NULL && sqlite_db_get_text(w->db, "epoch", w->epoch, sizeof(w->epoch)) == 1)
		return;
	draw(w->epoch, sizeof(w->epoch));
	w->renewed = true;
	if (there == 0)
		return; /* there is no past */
	w->unclean = true;
	log_warning("that nothing is missing from the journal cannot be proved: rooms begin a new epoch",
		    "file=%s why=\"%s\"", w->path, why ? why : "it has no epoch");
}

static void set_clocks(struct sqlite_writer *w)
{
	int64_t now = (int64_t)clock_ms(), at = 0, mono = 0, wall = 0, gone;

	if (sqlite_db_newest_cid(w->db, &at) < 0)
		at = 0;
	w->cid_clock = at - now;
	if (sqlite_db_get_number(w->db, "mono", &mono) == 1 && sqlite_db_get_number(w->db, "wall", &wall) == 1) {
		gone = clock_wall_ms() - wall;
		w->state_clock = mono + (gone > 0 ? gone : 0) - now;
	} else {
		w->state_clock = 1000000 - now;
	}
}

static int note_clocks(struct sqlite_writer *w)
{
	w->clocks_noted = clock_ms();
	return sqlite_db_set_number(w->db, "mono", state_now(w)) < 0 ||
	       sqlite_db_set_number(w->db, "wall", clock_wall_ms()) < 0 ? -1 : 0;
}

/* Has the file, and then the mark, say that this run is in progress. 0, or -1: it cannot be written. */
static int begin_run(struct sqlite_writer *w)
{
	struct proof mark = { .disk = w->opts.disk };

	draw(w->run, sizeof(w->run));
	if (sqlite_db_begin(w->db) < 0)
		return -1;
	if (sqlite_db_set_text(w->db, "run", w->run) < 0 || sqlite_db_set_text(w->db, "epoch", w->epoch) < 0 ||
	    (w->renewed && sqlite_db_set_epochs(w->db, w->epoch) < 0) || note_clocks(w) < 0 ||
	    sqlite_db_commit(w->db) < 0) {
		sqlite_db_rollback(w->db);
		return -1;
	}
	w->begun = true;
	w->renewed = false;
	proof_of_boot(&mark);
	memcpy(mark.run, w->run, sizeof(mark.run));
	if (!proof_of_file(w->path, &mark) || proof_write(w->mark, &mark) < 0)
		log_warning("the journal's mark cannot be written: the next start may begin a new epoch",
			    "file=%s error=\"%s\"", w->mark, strerror(errno));
	return 0;
}

/* Whether it is the file of which the rooms have heard already. */
static bool is_the_same(struct sqlite_writer *w)
{
	char run[sizeof(w->last_run)] = "";

	return sqlite_db_get_text(w->db, "run", run, sizeof(run)) >= 0 && strcmp(run, w->last_run) == 0;
}

/* SQLITE_DB_FOREIGN: nothing is to be done with this file. */
static enum sqlite_db_open open_file(struct sqlite_writer *w, char *err, size_t size)
{
	struct sqlite_db_opts o = { w->path, true, w->opts.disk, w->opts.max_bytes };
	struct proof now = { 0 };
	enum sqlite_db_open result;

	proof_of_boot(&now);
	proof_of_file(w->path, &now); /* before anything may touch it */
	result = sqlite_db_open(&o, &w->db, err, size);
	if (result != SQLITE_DB_OPEN) {
		w->db = NULL;
		return result;
	}
	if (!w->judged) {
		judge_past(w, &now);
		set_clocks(w);
		memcpy(w->last_run, now.run, sizeof(w->last_run));
		w->judged = true;
	} else if (!is_the_same(w)) {
		snprintf(err, size, "the file was exchanged: restart natterd");
		sqlite_db_close(w->db);
		w->db = NULL;
		return SQLITE_DB_FOREIGN;
	}
	if (sqlite_db_is_read_only(w->db))
		snprintf(err, size, "the file or its folder is read-only");
	else if (begin_run(w) < 0)
		snprintf(err, size, "%s", sqlite_db_error(w->db));
	else
		err[0] = '\0';
	return result;
}

/* ---- rooms ---- */

static struct stored_room *stored_get(struct sqlite_writer *w, struct payload *name)
{
	struct stored_room *s = strmap_get(w->rooms, name->data, name->len);

	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL || strmap_put(w->rooms, name->data, name->len, s) < 0)
			abort(); /* small and fixed */
		s->name = payload_ref(name);
	}
	s->users++;
	return s;
}

static void stored_release(struct sqlite_writer *w, struct stored_room *s)
{
	if (--s->users)
		return;
	strmap_del(w->rooms, s->name->data, s->name->len);
	payload_unref(s->name);
	free(s);
}

/* Whether it is known where the room stands. */
static bool load(struct sqlite_writer *w, struct stored_room *s)
{
	struct sqlite_db_room r = { .first = 1 };
	int there;

	if (s->loaded || w->db == NULL || w->failed)
		return s->loaded;
	there = sqlite_db_load_room(w->db, s->name, &r);
	if (there < 0) {
		w->failed = w->in_transaction;
		set_back(w, sqlite_db_error(w->db));
		return false;
	}
	if (there == 0 || w->renewed)
		memcpy(r.epoch, w->epoch, sizeof(r.epoch));
	s->now = s->committed = r;
	s->told = r.seq;
	return s->loaded = true;
}

static void touch(struct sqlite_writer *w, struct stored_room *s)
{
	if (s->touched)
		return;
	s->touched = true;
	s->next_touched = w->touched;
	w->touched = s;
}

static void tell_where(struct journal_room *r)
{
	news_post(r, NEWS_SUBSCRIBED, r->stored->committed.epoch, r->stored->told);
	r->told = true;
}

/* ---- the transaction ---- */

static void begin(struct sqlite_writer *w)
{
	w->failed = false;
	if (w->condition != UP)
		return;
	if (sqlite_db_has_moved(w->db))
		set_condition(w, BLOCKED, "the file is not in its place any more");
	else if (sqlite_db_begin(w->db) < 0)
		set_back(w, sqlite_db_error(w->db));
	else
		w->in_transaction = true;
}

static int save_touched(struct sqlite_writer *w)
{
	int64_t wall = clock_wall_ms();
	struct sqlite_db_keep keep = { w->opts.messages, w->opts.bytes,
				       w->opts.age ? wall - (int64_t)w->opts.age : 0 };

	for (struct stored_room *s = w->touched; s; s = s->next_touched)
		if (sqlite_db_trim(w->db, &s->now, &keep) < 0 || sqlite_db_save_room(w->db, s->name, &s->now) < 0)
			return -1;
	return w->touched && clock_ms() - w->clocks_noted >= CLOCK_EVERY ? note_clocks(w) : 0;
}

/* Commits, or has nothing have happened: then false. */
static bool finish(struct sqlite_writer *w)
{
	bool good = w->in_transaction && !w->failed && save_touched(w) == 0 && sqlite_db_commit(w->db) == 0;
	struct stored_room *s;

	if (w->in_transaction && !good) {
		sqlite_db_rollback(w->db);
		set_back(w, sqlite_db_error(w->db));
	}
	while ((s = w->touched) != NULL) {
		w->touched = s->next_touched;
		s->touched = false;
		if (good)
			s->committed = s->now;
		else
			s->now = s->committed;
	}
	w->in_transaction = w->failed = false;
	return good;
}

/* ---- requests: first all are done, then, after the commit, all are answered ---- */

/* Whether Q is what its sender said before, or is not to be done for another reason. */
static bool settle_by_cid(struct sqlite_writer *w, struct request *q, struct stored_room *s)
{
	struct sqlite_db_cid c = { .sender = q->message.sender, .cid = q->cid };
	int there = sqlite_db_find_cid(w->db, s->now.id, &c, cid_now(w) - (int64_t)w->opts.cid_keep);

	if (there < 0)
		w->failed = true;
	if (there != 1)
		return there < 0;
	q->duplicate = c.digest == q->digest;
	q->status = q->duplicate ? JOURNAL_OK : JOURNAL_CID_REUSED;
	q->message.seq = c.seq;
	q->message.time = c.time;
	return true;
}

static void give_place(struct request *q, const struct stored_room *s)
{
	int64_t wall = clock_wall_ms();

	q->message.seq = s->now.seq + 1;
	q->message.time = wall > s->now.time ? wall : s->now.time;
}

static void do_append(struct sqlite_writer *w, struct request *q, struct stored_room *s)
{
	struct sqlite_db_cid c = { .sender = q->message.sender, .cid = q->cid, .digest = q->digest };

	if (q->cid && settle_by_cid(w, q, s))
		return;
	give_place(q, s);
	c.seq = q->message.seq;
	c.time = q->message.time;
	if (sqlite_db_add(w->db, &s->now, &q->message) < 0 ||
	    (q->cid && sqlite_db_put_cid(w->db, s->now.id, &c, cid_now(w)) < 0))
		w->failed = true;
	else
		q->status = JOURNAL_OK;
}

static void do_change(struct sqlite_writer *w, struct request *q, struct stored_room *s)
{
	int there;

	give_place(q, s);
	there = sqlite_db_change(w->db, &s->now, q->message.target, q->message.body, q->message.seq);
	if (there == 0)
		q->status = JOURNAL_NO_MESSAGE;
	else if (there < 0 || sqlite_db_add(w->db, &s->now, &q->message) < 0)
		w->failed = true;
	else
		q->status = JOURNAL_OK;
	w->scrub = w->scrub || there == 1;
}

static void do_in_room(struct sqlite_writer *w, struct request *q)
{
	struct stored_room *s = q->room->stored;

	q->status = JOURNAL_UNAVAILABLE;
	if (!w->in_transaction || w->failed || !load(w, s))
		return;
	touch(w, s);
	if (s->now.id == 0 && sqlite_db_save_room(w->db, s->name, &s->now) < 0)
		w->failed = true;
	else if (q->verb == APPEND)
		do_append(w, q, s);
	else
		do_change(w, q, s);
}

static bool writes(const struct request *q)
{
	return q->verb == APPEND || q->verb == CHANGE ||
	       (q->verb == STATE && (q->state->verb == JOURNAL_PUT || q->state->verb == JOURNAL_DELETE));
}

static void do_state(struct sqlite_writer *w, struct request *q)
{
	q->state->status = JOURNAL_UNAVAILABLE;
	if (w->db == NULL || w->failed || (writes(q) && !w->in_transaction))
		return;
	if (sqlite_db_state(w->db, q->state, state_now(w)) < 0) {
		w->failed = w->in_transaction;
		set_back(w, sqlite_db_error(w->db));
	}
}

static void do_request(struct sqlite_writer *w, struct request *q)
{
	switch (q->verb) {
	case SUBSCRIBE:
		q->room->stored = stored_get(w, q->room->name);
		load(w, q->room->stored);
		break;
	case APPEND:
	case CHANGE:
		do_in_room(w, q);
		break;
	case STATE:
		do_state(w, q);
		break;
	case UNSUBSCRIBE:
	case BROKEN:
		break;
	}
}

static void answer_subscribe(struct sqlite_writer *w, struct request *q)
{
	struct journal_room *r = q->room;
	struct stored_room *s = r->stored;

	r->next = s->homes;
	s->homes = r;
	if (load(w, s))
		tell_where(r);
	if (w->condition != UP)
		news_post(r, NEWS_UNAVAILABLE, NULL, 0);
	sqlite_request_free(q);
}

static void answer_unsubscribe(struct sqlite_writer *w, struct request *q)
{
	struct journal_room *r = q->room, **at = &r->stored->homes;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	stored_release(w, r->stored);
	request_answer(q);
}

static void answer_in_room(struct request *q)
{
	struct stored_room *s = q->room->stored;

	if (q->status == JOURNAL_OK && !q->duplicate) {
		s->told = q->message.seq;
		for (struct journal_room *r = s->homes; r; r = r->next)
			if (r != q->room && r->told)
				news_post_message(r, &q->message);
	}
	request_answer(q);
}

static void answer_state(struct request *q)
{
	struct journal_state *s = q->state;

	sqlite_request_free(q);
	s->letter.open = s->answered;
	mailbox_post(s->to, &s->letter);
}

/* COMMITTED: what was to be written is. */
static void answer(struct sqlite_writer *w, struct request *q, bool committed)
{
	atomic_fetch_sub_explicit(&w->pending, q->weight, memory_order_relaxed);
	if (writes(q) && !committed) {
		if (q->verb == STATE)
			q->state->status = JOURNAL_UNAVAILABLE;
		else
			q->status = JOURNAL_UNAVAILABLE;
	}
	switch (q->verb) {
	case SUBSCRIBE:
		answer_subscribe(w, q);
		break;
	case UNSUBSCRIBE:
		answer_unsubscribe(w, q);
		break;
	case APPEND:
	case CHANGE:
		answer_in_room(q);
		break;
	case STATE:
		answer_state(q);
		break;
	case BROKEN:
		set_condition(w, DAMAGED, q->message.body ? q->message.body->data : "");
		sqlite_request_free(q);
		break;
	}
}

/* A letter's way into the batch. */
static void take(struct letter *letter, void *reader)
{
	struct sqlite_writer *w = reader;
	struct request *q = (struct request *)letter;

	q->next = NULL;
	*w->tail = q;
	w->tail = &q->next;
}

/* Takes what lies in the mailbox, and does it in one go. Whether there was anything. */
static bool do_batch(struct sqlite_writer *w)
{
	struct request *q, *next;
	bool any = false, committed;

	w->batch = NULL;
	w->tail = &w->batch;
	if (mailbox_open(desk_mailbox(w->desk), w->opts.batch) == 0)
		return false;
	for (q = w->batch; q; q = q->next)
		any = any || writes(q);
	if (any)
		begin(w);
	for (q = w->batch; q; q = q->next)
		do_request(w, q);
	committed = finish(w);
	for (q = w->batch; q; q = next) {
		next = q->next;
		answer(w, q, committed);
	}
	return true;
}

/* ---- upkeep ---- */

/* These return 1 where there is more to do. */

static int trim_aged(struct sqlite_writer *w)
{
	int64_t since = clock_wall_ms() - (int64_t)w->opts.age;
	struct sqlite_db_keep keep = { w->opts.messages, w->opts.bytes, since };

	for (int i = 0; w->opts.age && i < AGED_A_TIME; i++) {
		struct sqlite_db_room row = { 0 };
		struct payload *name = NULL;
		struct stored_room *s;
		int rc = sqlite_db_aged_room(w->db, since, &name);

		if (rc != 1)
			return rc;
		s = strmap_get(w->rooms, name->data, name->len);
		if (s && load(w, s)) {
			touch(w, s); /* finish() trims it and saves it */
			rc = sqlite_db_trim(w->db, &s->now, &keep) < 0 ? -1 : sqlite_db_save_room(w->db, name, &s->now);
		} else {
			rc = sqlite_db_load_room(w->db, name, &row) != 1 || sqlite_db_trim(w->db, &row, &keep) < 0
				     ? -1
				     : sqlite_db_save_room(w->db, name, &row);
		}
		payload_unref(name);
		if (rc < 0)
			return -1;
	}
	return w->opts.age != 0;
}

/*
 * A room of which nothing is left but its row loses that, or who comes to ever
 * new rooms would make the file grow for ever. When it comes again its seq
 * begins at 1, so what is new has an epoch of its own from now on. That stays
 * so when the transaction fails: an epoch more does no harm.
 */
static int forget_rooms(struct sqlite_writer *w)
{
	bool any = false;

	for (int i = 0; i < EMPTY_A_TIME; i++) {
		struct payload *name = NULL;
		int rc = sqlite_db_empty_room(w->db, &w->looked_at, &name);
		bool in_use = rc == 1 && strmap_get(w->rooms, name->data, name->len);

		payload_unref(name);
		if (rc == 0)
			w->looked_at = 0;
		if (rc != 1)
			return rc;
		if (in_use)
			continue;
		rc = sqlite_db_forget_room(w->db, w->looked_at);
		if (rc == 1 && !any) {
			any = true;
			draw(w->epoch, sizeof(w->epoch));
			rc = sqlite_db_set_text(w->db, "epoch", w->epoch);
		}
		if (rc < 0)
			return -1;
	}
	return 1;
}

static void tidy(struct sqlite_writer *w)
{
	int aged = 0, empty = 0;

	if (clock_ms() < w->next_tidy)
		return;
	w->next_tidy = clock_ms() + TIDY_EVERY;
	begin(w);
	if (!w->in_transaction)
		return;
	w->failed = sqlite_db_sweep_cids(w->db, cid_now(w) - (int64_t)w->opts.cid_keep) < 0 ||
		    sqlite_db_sweep_state(w->db, state_now(w)) < 0 || (aged = trim_aged(w)) < 0 ||
		    (empty = forget_rooms(w)) < 0;
	if (finish(w) && (aged || empty))
		w->next_tidy = clock_ms() + TIDY_SOON;
}

/* Erased texts leave the write-ahead log as well, when there is a quiet moment. */
static void scrub(struct sqlite_writer *w)
{
	if (w->scrub && w->condition == UP)
		w->scrub = sqlite_db_checkpoint(w->db) < 0;
}

/* What became of the file since it could not be written. */
static void come_back(struct sqlite_writer *w)
{
	struct stored_room *s;

	set_condition(w, UP, NULL);
	for (size_t pos = 0; (s = strmap_next(w->rooms, &pos, NULL, NULL)) != NULL;) {
		bool there = load(w, s);

		for (struct journal_room *r = s->homes; r; r = r->next) {
			if (!r->told && there)
				tell_where(r);
			news_post(r, NEWS_AVAILABLE, NULL, 0);
		}
	}
}

static bool probe(struct sqlite_writer *w)
{
	return !sqlite_db_has_moved(w->db) && sqlite_db_probe(w->db) == 0 && (w->begun || begin_run(w) == 0);
}

/* Opens a file that was not to be opened, or only to be read. Whether it can be written now. */
static bool reopen(struct sqlite_writer *w)
{
	enum sqlite_db_open result;
	char err[512];

	sqlite_db_close(w->db);
	result = open_file(w, err, sizeof(err));
	if (result == SQLITE_DB_BROKEN || result == SQLITE_DB_FOREIGN)
		set_condition(w, DAMAGED, err);
	else if (result == SQLITE_DB_OPEN && err[0])
		set_condition(w, BLOCKED, err);
	return result == SQLITE_DB_OPEN && err[0] == '\0';
}

static void try_again(struct sqlite_writer *w)
{
	if (w->condition == UP || w->condition == DAMAGED || clock_ms() < w->next_try)
		return;
	w->next_try = clock_ms() + w->opts.retry;
	if (w->db == NULL || sqlite_db_is_read_only(w->db) ? reopen(w) : probe(w))
		come_back(w);
	else if (w->db && sqlite_db_is_broken(w->db))
		set_condition(w, DAMAGED, sqlite_db_error(w->db));
}

/* ---- the thread ---- */

/* After this the next start can prove that nothing is missing. */
static void leave(struct sqlite_writer *w)
{
	struct proof mark = { .clean = true, .disk = w->opts.disk };
	bool whole = w->begun && w->condition != DAMAGED && !sqlite_db_has_moved(w->db);

	if (w->condition == UP) {
		begin(w);
		w->failed = w->in_transaction && note_clocks(w) < 0;
		finish(w);
	}
	sqlite_db_close(w->db);
	w->db = NULL;
	proof_of_boot(&mark);
	memcpy(mark.run, w->run, sizeof(mark.run));
	if (whole && proof_of_file(w->path, &mark) && proof_write(w->mark, &mark) < 0)
		log_warning("the journal's mark cannot be written: the next start may begin a new epoch",
			    "file=%s error=\"%s\"", w->mark, strerror(errno));
}

static uint64_t next_look(const struct sqlite_writer *w)
{
	uint64_t now = clock_ms(), at = w->condition == UP ? w->next_tidy : w->next_try;

	return at > now ? at - now : 1;
}

static void work(void *arg)
{
	struct sqlite_writer *w = arg;

	do {
		while (do_batch(w))
			try_again(w);
		try_again(w);
		tidy(w);
		scrub(w);
	} while (desk_wait(w->desk, w->condition == DAMAGED ? 3600000 : next_look(w)));
	while (do_batch(w))
		;
	scrub(w);
	leave(w);
}

bool sqlite_writer_post(struct sqlite_writer *w, struct journal_port *port, struct request *q)
{
	size_t before = atomic_fetch_add_explicit(&w->pending, q->weight, memory_order_relaxed);

	if (q->weight && before > w->opts.max_pending) {
		atomic_fetch_sub_explicit(&w->pending, q->weight, memory_order_relaxed);
		return false;
	}
	q->letter.open = take;
	if (port == NULL || port->send_soon == NULL)
		mailbox_post(desk_mailbox(w->desk), &q->letter);
	else if (letter_batch_add(&port->out, &q->letter))
		port->send_soon(port->arg);
	return true;
}

bool sqlite_writer_send(struct sqlite_writer *w, struct journal_port *port)
{
	bool any = port->out.newest != NULL;

	mailbox_post_batch(desk_mailbox(w->desk), &port->out);
	return any;
}

/* ---- life ---- */

struct sqlite_writer *sqlite_writer_new(const struct journal_sqlite_opts *opts, char *err, size_t size)
{
	struct sqlite_writer *w = calloc(1, sizeof(*w));
	enum sqlite_db_open result;
	char why[512];

	snprintf(err, size, "no memory");
	if (w == NULL)
		return NULL;
	w->opts = *opts;
	w->condition = UP;
	snprintf(w->path, sizeof(w->path), "%s/journal.db", opts->folder);
	snprintf(w->mark, sizeof(w->mark), "%s/journal.mark", opts->folder);
	w->next_tidy = clock_ms() + TIDY_EVERY;
	w->rooms = strmap_new();
	w->desk = desk_new(w);
	if (w->rooms == NULL || w->desk == NULL)
		goto fail;
	result = open_file(w, why, sizeof(why));
	if (result == SQLITE_DB_FOREIGN) {
		snprintf(err, size, "%s", why);
		goto fail;
	}
	if (result != SQLITE_DB_OPEN)
		set_condition(w, result == SQLITE_DB_BROKEN ? DAMAGED : CLOSED, why);
	else if (why[0])
		set_condition(w, BLOCKED, why);
	return w;
fail:
	sqlite_writer_free(w);
	return NULL;
}

int sqlite_writer_start(struct sqlite_writer *w) { return desk_start(w->desk, work, w); }

void sqlite_writer_free(struct sqlite_writer *w)
{
	if (w == NULL)
		return;
	desk_close(w->desk);
	desk_free(w->desk);
	sqlite_db_close(w->db); /* of one that was never started */
	strmap_free(w->rooms);
	free(w);
}
