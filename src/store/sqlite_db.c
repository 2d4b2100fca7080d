#include <config.h>

#include "store/sqlite_db.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION 0x6e747472 /* the file says it is natter's */
#define BUSY_MS 5000           /* somebody looks at the file with a tool */
#define TRIM_STEP 256          /* messages that are looked at together */
#define TRIM_STEPS 8
#define PROBE_BYTES 65536

enum statement {
#define STATEMENT(id, sql) SQL_##id,
#include "store/sqlite_db.def"
	SQL_COUNT
};

static const char *const sql[] = {
#define STATEMENT(id, sql) sql,
#include "store/sqlite_db.def"
};
static const char *const pragmas[] = {
#define PRAGMA(sql) sql,
#include "store/sqlite_db.def"
};
static const char *const migrations[] = {
#define MIGRATION(sql) sql,
#include "store/sqlite_db.def"
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FORMAT ((int)COUNT(migrations))

struct sqlite_db {
	sqlite3 *handle;
	sqlite3_stmt *statements[SQL_COUNT];
	int code; /* of the last failure */
	char error[200];
	bool read_only;
};

const char *sqlite_db_error(const struct sqlite_db *db) { return db->error; }
bool sqlite_db_is_broken(const struct sqlite_db *db) { return db->code == SQLITE_CORRUPT || db->code == SQLITE_NOTADB; }
bool sqlite_db_is_read_only(const struct sqlite_db *db) { return db->read_only; }

/* ---- statements ---- */

static int failed(struct sqlite_db *db)
{
	db->code = sqlite3_errcode(db->handle) & 0xff;
	snprintf(db->error, sizeof(db->error), "%s", sqlite3_errmsg(db->handle));
	return -1;
}

static int no_memory(struct sqlite_db *db)
{
	db->code = SQLITE_NOMEM;
	snprintf(db->error, sizeof(db->error), "no memory");
	return -1;
}

static void reset(struct sqlite_db *db, enum statement id)
{
	sqlite3_reset(db->statements[id]);
	sqlite3_clear_bindings(db->statements[id]);
}

/* The next row: 1; 0: there is none; -1. Then the statement is reset. */
static int next(struct sqlite_db *db, enum statement id)
{
	int rc = sqlite3_step(db->statements[id]), result;

	if (rc == SQLITE_ROW)
		return 1;
	result = rc == SQLITE_DONE ? 0 : failed(db);
	reset(db, id);
	return result;
}

static int bind_payload(sqlite3_stmt *s, int i, const struct payload *p)
{
	/* An empty blob is not NULL. */
	return p ? sqlite3_bind_blob64(s, i, p->data, p->len, SQLITE_STATIC) : sqlite3_bind_null(s, i);
}

/*
 * Runs a statement up to its first row, as next() does. TYPES has a letter an
 * argument: i int64_t, n the same with 0 for NULL, p struct payload *, t char *.
 */
static int run(struct sqlite_db *db, enum statement id, const char *types, ...)
{
	sqlite3_stmt **s = &db->statements[id];
	int rc = SQLITE_OK;
	va_list ap;

	if (*s == NULL && sqlite3_prepare_v3(db->handle, sql[id], -1, SQLITE_PREPARE_PERSISTENT, s, NULL) != SQLITE_OK)
		return failed(db);
	va_start(ap, types);
	for (int i = 1; types[i - 1] && rc == SQLITE_OK; i++) {
		if (types[i - 1] == 'p') {
			rc = bind_payload(*s, i, va_arg(ap, const struct payload *));
		} else if (types[i - 1] == 't') {
			rc = sqlite3_bind_text(*s, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
		} else {
			int64_t n = va_arg(ap, int64_t);

			rc = n == 0 && types[i - 1] == 'n' ? sqlite3_bind_null(*s, i) : sqlite3_bind_int64(*s, i, n);
		}
	}
	va_end(ap);
	if (rc == SQLITE_OK)
		return next(db, id);
	failed(db);
	reset(db, id);
	return -1;
}

static int64_t number(struct sqlite_db *db, enum statement id, int column)
{
	return sqlite3_column_int64(db->statements[id], column);
}

/* A blob as a payload; NULL: it is NULL, or there is no memory, which *FAILED tells. */
static struct payload *blob(struct sqlite_db *db, enum statement id, int column, bool *no_mem)
{
	sqlite3_stmt *s = db->statements[id];
	struct payload *p;

	if (sqlite3_column_type(s, column) == SQLITE_NULL)
		return NULL;
	p = payload_new(sqlite3_column_blob(s, column), (size_t)sqlite3_column_bytes(s, column));
	if (p == NULL)
		*no_mem = true;
	return p;
}

/* A statement that has one number as its result. */
static int ask(struct sqlite_db *db, const char *text, int64_t *n)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(db->handle, text, -1, &s, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*n = sqlite3_column_int64(s, 0);
	else
		failed(db);
	sqlite3_finalize(s);
	return rc == SQLITE_ROW ? 0 : -1;
}

static int execute(struct sqlite_db *db, const char *text)
{
	return sqlite3_exec(db->handle, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(db);
}

/* ---- opening ---- */

static int open_handle(struct sqlite_db *db, const char *name, int flags)
{
	sqlite3_close(db->handle);
	db->handle = NULL;
	if (sqlite3_open_v2(name, &db->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK)
		return db->handle ? failed(db) : no_memory(db);
	sqlite3_busy_timeout(db->handle, BUSY_MS);
	return 0;
}

/* Without a write-ahead log the file of a read-only folder is all there is. */
static int open_immutable(struct sqlite_db *db, const char *path)
{
	char name[4400];
	struct stat st;
	int n;

	snprintf(name, sizeof(name), "%s-wal", path);
	if (stat(name, &st) == 0 && st.st_size > 0)
		return -1;
	n = snprintf(name, sizeof(name), "file:%s?immutable=1", path);
	if (n < 0 || (size_t)n >= sizeof(name) || strpbrk(path, "?#%"))
		return -1;
	db->read_only = true;
	return open_handle(db, name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

/* What the file says of itself. */
struct label {
	int64_t application, version, tables;
	bool dumped; /* it has been through text, which keeps rows only: meta has the format as well */
};

static int read_label(struct sqlite_db *db, struct label *l)
{
	if (ask(db, "PRAGMA application_id", &l->application) < 0 || ask(db, "PRAGMA user_version", &l->version) < 0 ||
	    ask(db, "SELECT count(*) FROM sqlite_master", &l->tables) < 0)
		return -1;
	l->dumped = l->tables > 0 && l->application == 0 && l->version == 0 &&
		    ask(db, "SELECT value FROM meta WHERE key = 'natter format'", &l->version) == 0;
	if (l->dumped)
		l->application = APPLICATION;
	db->code = SQLITE_OK;
	return 0;
}

static enum sqlite_db_open judge(const struct label *l, const char *path, char *err, size_t size)
{
	if (l->tables > 0 && l->application != APPLICATION) {
		snprintf(err, size, "%s is a database, but not one of natter's", path);
		return SQLITE_DB_FOREIGN;
	}
	if (l->version <= FORMAT)
		return SQLITE_DB_OPEN;
	snprintf(err, size, "%s was written by a later natter (format %d; this one knows %d): "
		 "install that version again, or move the file away to begin without a past",
		 path, (int)l->version, FORMAT);
	return SQLITE_DB_FOREIGN;
}

/* All in one transaction: a migration is done, or has not happened. */
static int migrate(struct sqlite_db *db, const struct label *l)
{
	char text[192];

	if (l->version == FORMAT && !l->dumped)
		return 0;
	if (execute(db, "BEGIN IMMEDIATE") < 0)
		return -1;
	for (int64_t v = l->version; v < FORMAT; v++)
		if (execute(db, migrations[v]) < 0)
			goto fail;
	snprintf(text, sizeof(text), "PRAGMA application_id = %d; PRAGMA user_version = %d;"
		 "INSERT OR REPLACE INTO meta VALUES ('natter format', %d)", APPLICATION, FORMAT, FORMAT);
	if (execute(db, text) == 0 && execute(db, "COMMIT") == 0)
		return 0;
fail:
	sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

static int set_up(struct sqlite_db *db, const struct sqlite_db_opts *o)
{
	char text[96];
	int64_t page = 4096;

	for (size_t i = 0; i < COUNT(pragmas); i++)
		if (execute(db, pragmas[i]) < 0)
			return -1;
	if (execute(db, o->sync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL") < 0 ||
	    ask(db, "PRAGMA page_size", &page) < 0)
		return -1;
	if (o->max_bytes == 0)
		return 0;
	snprintf(text, sizeof(text), "PRAGMA max_page_count = %lld", (long long)(o->max_bytes / (uint64_t)page));
	return execute(db, text);
}

/* A file that cannot be written is read as it is. */
static enum sqlite_db_open open_to_read(struct sqlite_db *db, const struct sqlite_db_opts *o, struct label *l, char *err,
					size_t size)
{
	if ((read_label(db, l) < 0 && !sqlite_db_is_broken(db) &&
	     (open_immutable(db, o->path) < 0 || read_label(db, l) < 0)) || sqlite_db_is_broken(db)) {
		snprintf(err, size, "%s", db->error);
		return sqlite_db_is_broken(db) ? SQLITE_DB_BROKEN : SQLITE_DB_FAILED;
	}
	return judge(l, o->path, err, size);
}

/* What people said is not for everybody; SQLite's other files have the permissions of this one. */
static void make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	if (fd >= 0)
		close(fd);
}

enum sqlite_db_open sqlite_db_open(const struct sqlite_db_opts *o, struct sqlite_db **to, char *err, size_t size)
{
	struct sqlite_db *db = calloc(1, sizeof(*db));
	enum sqlite_db_open result = SQLITE_DB_FAILED;
	struct label l = { 0 };

	snprintf(err, size, "no memory");
	if (db == NULL)
		return SQLITE_DB_FAILED;
	if (o->writes)
		make_file(o->path);
	if (open_handle(db, o->path, SQLITE_OPEN_READWRITE | (o->writes ? SQLITE_OPEN_CREATE : 0)) < 0) {
		snprintf(err, size, "%s", db->error);
		goto fail;
	}
	db->read_only = sqlite3_db_readonly(db->handle, "main") == 1;
	result = open_to_read(db, o, &l, err, size);
	if (result != SQLITE_DB_OPEN)
		goto fail;
	if (!o->writes)
		execute(db, "PRAGMA query_only = ON");
	else if (!db->read_only && (set_up(db, o) < 0 || migrate(db, &l) < 0))
		goto cannot;
	if (l.version == 0 && (!o->writes || db->read_only)) {
		snprintf(db->error, sizeof(db->error), "there are no tables in it yet");
		goto cannot;
	}
	*to = db;
	return SQLITE_DB_OPEN;
cannot:
	snprintf(err, size, "%s", db->error);
	result = sqlite_db_is_broken(db) ? SQLITE_DB_BROKEN : SQLITE_DB_FAILED;
fail:
	sqlite_db_close(db);
	return result;
}

void sqlite_db_close(struct sqlite_db *db)
{
	if (db == NULL)
		return;
	for (size_t i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(db->statements[i]);
	sqlite3_close(db->handle);
	free(db);
}

bool sqlite_db_has_moved(struct sqlite_db *db)
{
	int moved = 0;

	return sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

/* ---- transactions ---- */

int sqlite_db_begin(struct sqlite_db *db) { return run(db, SQL_begin, ""); }
int sqlite_db_commit(struct sqlite_db *db) { return run(db, SQL_commit, ""); }

void sqlite_db_rollback(struct sqlite_db *db)
{
	char error[sizeof(db->error)];
	int code = db->code;

	memcpy(error, db->error, sizeof(error)); /* why it has come to this is worth more */
	if (!sqlite3_get_autocommit(db->handle))
		run(db, SQL_rollback, "");
	memcpy(db->error, error, sizeof(error));
	db->code = code;
}

/* ---- meta ---- */

int sqlite_db_get_text(struct sqlite_db *db, const char *key, char *text, size_t size)
{
	int there = run(db, SQL_meta_get, "t", key);

	if (there == 1) {
		const unsigned char *value = sqlite3_column_text(db->statements[SQL_meta_get], 0);

		snprintf(text, size, "%s", value ? (const char *)value : "");
		reset(db, SQL_meta_get);
	}
	return there;
}

int sqlite_db_get_number(struct sqlite_db *db, const char *key, int64_t *n)
{
	int there = run(db, SQL_meta_get, "t", key);

	if (there == 1) {
		*n = number(db, SQL_meta_get, 0);
		reset(db, SQL_meta_get);
	}
	return there;
}

int sqlite_db_set_text(struct sqlite_db *db, const char *key, const char *text)
{
	return run(db, SQL_meta_set, "tt", key, text);
}

int sqlite_db_set_number(struct sqlite_db *db, const char *key, int64_t n) { return run(db, SQL_meta_set, "ti", key, n); }

/* ---- rooms ---- */

int sqlite_db_load_room(struct sqlite_db *db, const struct payload *name, struct sqlite_db_room *r)
{
	int there = run(db, SQL_room_load, "p", name);
	const unsigned char *epoch;

	if (there != 1)
		return there;
	r->id = number(db, SQL_room_load, 0);
	epoch = sqlite3_column_text(db->statements[SQL_room_load], 1);
	snprintf(r->epoch, sizeof(r->epoch), "%s", epoch ? (const char *)epoch : "");
	r->seq = (uint64_t)number(db, SQL_room_load, 2);
	r->time = number(db, SQL_room_load, 3);
	r->first = (uint64_t)number(db, SQL_room_load, 4);
	r->bytes = (uint64_t)number(db, SQL_room_load, 5);
	r->oldest = number(db, SQL_room_load, 6);
	reset(db, SQL_room_load);
	return 1;
}

int sqlite_db_save_room(struct sqlite_db *db, const struct payload *name, struct sqlite_db_room *r)
{
	if (r->id)
		return run(db, SQL_room_save, "iiiiin", r->id, (int64_t)r->seq, r->time, (int64_t)r->first,
			   (int64_t)r->bytes, r->oldest);
	if (run(db, SQL_room_add, "ptiiiin", name, r->epoch, (int64_t)r->seq, r->time, (int64_t)r->first,
		(int64_t)r->bytes, r->oldest) < 0)
		return -1;
	r->id = sqlite3_last_insert_rowid(db->handle);
	return 0;
}

int sqlite_db_set_epochs(struct sqlite_db *db, const char *epoch) { return run(db, SQL_rooms_epoch, "t", epoch); }

int sqlite_db_aged_room(struct sqlite_db *db, int64_t time, struct payload **name)
{
	int there = run(db, SQL_rooms_aged, "i", time);
	bool no_mem = false;

	if (there != 1)
		return there;
	*name = blob(db, SQL_rooms_aged, 0, &no_mem);
	reset(db, SQL_rooms_aged);
	return *name ? 1 : no_memory(db);
}

int sqlite_db_empty_room(struct sqlite_db *db, int64_t *id, struct payload **name)
{
	int there = run(db, SQL_rooms_empty, "i", *id);
	bool no_mem = false;

	if (there != 1)
		return there;
	*id = number(db, SQL_rooms_empty, 0);
	*name = blob(db, SQL_rooms_empty, 1, &no_mem);
	reset(db, SQL_rooms_empty);
	return *name ? 1 : no_memory(db);
}

int sqlite_db_forget_room(struct sqlite_db *db, int64_t id)
{
	return run(db, SQL_room_forget, "i", id) < 0 ? -1 : sqlite3_changes(db->handle) > 0;
}

/* ---- messages ---- */

int sqlite_db_add(struct sqlite_db *db, struct sqlite_db_room *room, const struct journal_message *m)
{
	if (run(db, SQL_message_add, "iiiinpp", room->id, (int64_t)m->seq, m->time, (int64_t)m->kind, (int64_t)m->target,
		m->sender, m->body) < 0)
		return -1;
	if (room->first == m->seq)
		room->oldest = m->time;
	room->seq = m->seq;
	room->time = m->time;
	room->bytes += m->body ? m->body->len : 0;
	return 0;
}

int sqlite_db_change(struct sqlite_db *db, struct sqlite_db_room *room, uint64_t target, const struct payload *body,
		     uint64_t changed)
{
	int64_t id = room->id, seq = (int64_t)target, lost;
	int there = run(db, SQL_message_find, "ii", id, seq);

	if (there != 1)
		return there;
	lost = number(db, SQL_message_find, 0);
	reset(db, SQL_message_find);
	if (run(db, SQL_events_bytes, "ii", id, seq) != 1)
		return -1;
	lost += number(db, SQL_events_bytes, 0);
	reset(db, SQL_events_bytes);
	if (run(db, SQL_events_wipe, "ii", id, seq) < 0 ||
	    run(db, SQL_message_change, "iipi", id, seq, body, (int64_t)changed) < 0)
		return -1;
	room->bytes = room->bytes - (uint64_t)lost + (body ? body->len : 0);
	return 1;
}

/* Whether the room's oldest message, of that time, has to go. */
static bool exceeds(const struct sqlite_db_room *r, const struct sqlite_db_keep *k, int64_t time)
{
	return r->seq - r->first + 1 > k->messages || r->bytes > k->bytes || time < k->since;
}

/* One step: *MORE when it may have to go on. */
static int trim_step(struct sqlite_db *db, struct sqlite_db_room *r, const struct sqlite_db_keep *k, bool *more)
{
	uint64_t first = r->first;
	int rows = 0, there = run(db, SQL_oldest, "ii", r->id, (int64_t)TRIM_STEP);

	*more = false;
	r->oldest = 0;
	for (; there == 1; there = next(db, SQL_oldest)) {
		rows++;
		r->first = (uint64_t)number(db, SQL_oldest, 0);
		if (!exceeds(r, k, number(db, SQL_oldest, 1))) {
			r->oldest = number(db, SQL_oldest, 1);
			reset(db, SQL_oldest);
			break;
		}
		r->bytes -= (uint64_t)number(db, SQL_oldest, 2);
		r->first++;
		*more = rows == TRIM_STEP;
	}
	if (there < 0)
		return -1;
	return r->first > first ? run(db, SQL_trim, "ii", r->id, (int64_t)r->first) : 0;
}

int sqlite_db_trim(struct sqlite_db *db, struct sqlite_db_room *r, const struct sqlite_db_keep *keep)
{
	bool more = r->oldest && exceeds(r, keep, r->oldest);

	for (int step = 0; more && step < TRIM_STEPS; step++)
		if (trim_step(db, r, keep, &more) < 0)
			return -1;
	if (more)
		r->oldest = 1; /* not known, and there is reason to come again */
	return more;
}

void sqlite_db_page_free(struct journal_message *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		payload_unref(m[i].sender);
		payload_unref(m[i].body);
	}
	free(m);
}

static bool read_message(struct sqlite_db *db, enum statement id, struct journal_message *m)
{
	bool no_mem = false;

	*m = (struct journal_message){
		.seq = (uint64_t)number(db, id, 0), .time = number(db, id, 1), .kind = (enum journal_kind)number(db, id, 2),
		.target = (uint64_t)number(db, id, 3), .changed = (uint64_t)number(db, id, 4),
		.sender = blob(db, id, 5, &no_mem), .body = blob(db, id, 6, &no_mem),
	};
	return !no_mem;
}

static void reverse(struct journal_message *m, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct journal_message swap = m[i];

		m[i] = m[n - 1 - i];
		m[n - 1 - i] = swap;
	}
}

int sqlite_db_page(struct sqlite_db *db, const struct payload *room, bool after, uint64_t at, size_t limit,
		   struct journal_message **to, size_t *n, bool *more)
{
	enum statement id = after ? SQL_page_after : SQL_page_before;
	int64_t bound = at == 0 && !after ? INT64_MAX : (int64_t)(at > INT64_MAX ? INT64_MAX : at);
	struct journal_message *m = NULL, *larger;
	size_t size = 0;
	int there;

	*n = 0;
	*to = NULL;
	*more = false;
	for (there = run(db, id, "pii", room, bound, (int64_t)limit + 1); there == 1; there = next(db, id)) {
		if (*n == limit) { /* one more than asked for */
			*more = true;
			reset(db, id);
			break;
		}
		if (*n == size) {
			size = size ? size * 2 : 64;
			larger = realloc(m, size * sizeof(*m));
			m = larger ? larger : m;
			if (larger == NULL)
				goto fail;
		}
		if (!read_message(db, id, &m[(*n)++]))
			goto fail;
	}
	if (there < 0) {
		sqlite_db_page_free(m, *n);
		return -1;
	}
	if (!after)
		reverse(m, *n);
	*to = m;
	return 0;
fail:
	reset(db, id);
	sqlite_db_page_free(m, *n);
	return no_memory(db);
}

/* ---- cids ---- */

int sqlite_db_find_cid(struct sqlite_db *db, int64_t room, struct sqlite_db_cid *c, int64_t since)
{
	int there = run(db, SQL_cid_find, "ippi", room, c->sender, c->cid, since);

	if (there != 1)
		return there;
	c->seq = (uint64_t)number(db, SQL_cid_find, 0);
	c->time = number(db, SQL_cid_find, 1);
	c->digest = (uint64_t)number(db, SQL_cid_find, 2);
	reset(db, SQL_cid_find);
	return 1;
}

int sqlite_db_put_cid(struct sqlite_db *db, int64_t room, const struct sqlite_db_cid *c, int64_t now)
{
	int there = run(db, SQL_cid_last, "ip", room, c->sender);
	int64_t n = 1;

	if (there < 0)
		return -1;
	if (there == 1) {
		n = number(db, SQL_cid_last, 0) + 1;
		reset(db, SQL_cid_last);
	}
	if (run(db, SQL_cid_put, "ippiiiii", room, c->sender, c->cid, n, (int64_t)c->seq, c->time, (int64_t)c->digest,
		now) < 0)
		return -1;
	return n > JOURNAL_CIDS_MAX ? run(db, SQL_cid_bound, "ipi", room, c->sender, n - JOURNAL_CIDS_MAX) : 0;
}

int sqlite_db_newest_cid(struct sqlite_db *db, int64_t *at)
{
	int there = run(db, SQL_cid_newest, "");

	*at = 0;
	if (there == 1) {
		*at = number(db, SQL_cid_newest, 0);
		reset(db, SQL_cid_newest);
	}
	return there < 0 ? -1 : 0;
}

int sqlite_db_sweep_cids(struct sqlite_db *db, int64_t since) { return run(db, SQL_cid_sweep, "i", since); }

/* ---- state ---- */

/* The row of a GET or LIST, one more. */
static int take_value(struct sqlite_db *db, enum statement id, struct journal_state *s, int64_t now)
{
	struct journal_value *larger = realloc(s->found, (s->n + 1) * sizeof(*larger));
	int64_t until = number(db, id, 2);
	bool no_mem = false;

	if (larger == NULL)
		return -1;
	s->found = larger;
	larger[s->n++] = (struct journal_value){ blob(db, id, 0, &no_mem), blob(db, id, 1, &no_mem),
						 until ? (uint64_t)(until - now) : 0 };
	return no_mem ? -1 : 0;
}

static bool begins_with(struct sqlite_db *db, enum statement id, const struct payload *prefix)
{
	size_t len = (size_t)sqlite3_column_bytes(db->statements[id], 0);

	return prefix->len == 0 ||
	       (len >= prefix->len && memcmp(sqlite3_column_blob(db->statements[id], 0), prefix->data, prefix->len) == 0);
}

static int list_state(struct sqlite_db *db, struct journal_state *s, int64_t now)
{
	enum statement id = s->verb == JOURNAL_GET ? SQL_state_get : SQL_state_list;
	struct payload *key = s->key ? payload_ref(s->key) : payload_new("", 0);
	int there = key ? run(db, id, "ppi", s->scope, key, now) : no_memory(db);

	for (; there == 1; there = next(db, id)) {
		if (s->verb == JOURNAL_LIST && !begins_with(db, id, key)) {
			reset(db, id);
			break;
		}
		if (take_value(db, id, s, now) < 0) {
			reset(db, id);
			there = no_memory(db);
			break;
		}
	}
	payload_unref(key);
	return there < 0 ? -1 : 0;
}

int sqlite_db_state(struct sqlite_db *db, struct journal_state *s, int64_t now)
{
	int rc;

	if (s->verb == JOURNAL_PUT)
		rc = run(db, SQL_state_put, "pppi", s->scope, s->key, s->value, s->keep ? now + (int64_t)s->keep : INT64_C(0));
	else if (s->verb == JOURNAL_DELETE)
		rc = run(db, SQL_state_delete, "pp", s->scope, s->key);
	else
		rc = list_state(db, s, now);
	s->status = rc < 0 ? JOURNAL_UNAVAILABLE : JOURNAL_OK;
	return rc;
}

int sqlite_db_sweep_state(struct sqlite_db *db, int64_t now) { return run(db, SQL_state_sweep, "i", now); }

/* ---- upkeep ---- */

int sqlite_db_probe(struct sqlite_db *db)
{
	char text[96];

	snprintf(text, sizeof(text), "INSERT OR REPLACE INTO meta VALUES ('probe', zeroblob(%d))", PROBE_BYTES);
	return execute(db, text) < 0 || execute(db, "DELETE FROM meta WHERE key = 'probe'") < 0 ? -1 : 0;
}

int sqlite_db_checkpoint(struct sqlite_db *db)
{
	int rc;

	sqlite3_busy_timeout(db->handle, 0); /* who reads just now may go on: another time */
	rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(db->handle, BUSY_MS);
	return rc == SQLITE_OK ? 0 : failed(db);
}

struct watch {
	bool (*meanwhile)(void *arg);
	void *arg;
};

static int on_progress(void *arg)
{
	struct watch *w = arg;

	return !w->meanwhile(w->arg);
}

int sqlite_db_check(struct sqlite_db *db, bool (*meanwhile)(void *arg), void *arg, char *words, size_t size)
{
	struct watch w = { meanwhile, arg };
	sqlite3_stmt *s = NULL;
	int rc;

	sqlite3_progress_handler(db->handle, 1000, on_progress, &w);
	rc = sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(3)", -1, &s, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		snprintf(words, size, "%s", (const char *)sqlite3_column_text(s, 0));
	else
		failed(db);
	sqlite3_finalize(s);
	sqlite3_progress_handler(db->handle, 0, NULL, NULL);
	if (rc == SQLITE_ROW)
		return strcmp(words, "ok") != 0;
	snprintf(words, size, "%s", db->error);
	return sqlite_db_is_broken(db) ? 1 : -1;
}
