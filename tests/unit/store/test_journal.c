/*
 * The conformance tests of chat/journal.h, run against every journal, and what
 * only a journal that keeps has to show.
 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "chat/journal_memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_SQLITE
#include "store/journal_sqlite.h"
#include "store/proof.h"
#include <sqlite3.h>
#ifdef __linux__
#include <sys/mount.h>
#endif
#endif

#define CID_KEEP 600000
#define PATIENCE 60 /* seconds, on a busy machine */

/* ---- the home: what it was told, in order ---- */

enum what { SUBSCRIBED = 1, MESSAGE, DUPLICATE, REFUSED, PAGE, EPOCH, UNAVAILABLE, AVAILABLE, STATE };

static struct told {
	enum what what;
	uint64_t seq, target, changed, tag;
	int64_t time;
	int kind, status;
	char epoch[JOURNAL_EPOCH_MAX], body[64], sender[32];
	bool more;
	size_t n;
	char text[2048]; /* of a page or list */
} *told;
static size_t n_told, size_told;
static int home; /* its address is it */

static struct told *note(enum what what)
{
	struct told *t;

	if (n_told == size_told)
		told = realloc(told, (size_told = size_told ? 2 * size_told : 64) * sizeof(*told));
	t = &told[n_told++];
	memset(t, 0, sizeof(*t));
	t->what = what;
	return t;
}

static void text_of(char *to, size_t size, const struct payload *p)
{
	snprintf(to, size, "%.*s", p ? (int)p->len : 1, p ? p->data : "-");
}

static void on_subscribed(void *h, const char *epoch, uint64_t seq)
{
	struct told *t = note(SUBSCRIBED);

	assert_ptr_equal(h, &home);
	t->seq = seq;
	strcpy(t->epoch, epoch);
}

static void on_epoch(void *h, const char *epoch, uint64_t seq)
{
	on_subscribed(h, epoch, seq);
	told[n_told - 1].what = EPOCH;
}

static void on_message(void *h, const struct journal_message *m)
{
	struct told *t = note(MESSAGE);

	assert_ptr_equal(h, &home);
	t->seq = m->seq;
	t->time = m->time;
	t->kind = (int)m->kind;
	t->target = m->target;
	t->tag = (uintptr_t)m->tag;
	text_of(t->body, sizeof(t->body), m->body);
	text_of(t->sender, sizeof(t->sender), m->sender);
}

static void on_duplicate(void *h, void *tag, uint64_t seq, int64_t time)
{
	struct told *t = note(DUPLICATE);

	(void)h;
	t->tag = (uintptr_t)tag;
	t->seq = seq;
	t->time = time;
}

static void on_refused(void *h, void *tag, enum journal_status why)
{
	struct told *t = note(REFUSED);

	(void)h;
	t->tag = (uintptr_t)tag;
	t->status = (int)why;
}

/* As "3:c 4:d~5 6!4- +": seq, what it is of what, body, what changed it; a + for more beyond. */
static void on_page(void *h, void *tag, enum journal_status status, const struct journal_message *m, size_t n, bool more)
{
	static const char signs[] = ":~!";
	struct told *t = note(PAGE);
	size_t at = 0;

	(void)h;
	t->tag = (uintptr_t)tag;
	t->status = (int)status;
	t->n = n;
	t->more = more;
	for (size_t i = 0; i < n && at < sizeof(t->text) - 160; i++) {
		char body[64];

		text_of(body, sizeof(body), m[i].body);
		at += (size_t)snprintf(t->text + at, sizeof(t->text) - at, "%s%d%c", i ? " " : "", (int)m[i].seq, signs[m[i].kind]);
		if (m[i].target)
			at += (size_t)snprintf(t->text + at, sizeof(t->text) - at, "%d", (int)m[i].target);
		at += (size_t)snprintf(t->text + at, sizeof(t->text) - at, "%s", body);
		if (m[i].changed)
			at += (size_t)snprintf(t->text + at, sizeof(t->text) - at, "^%d", (int)m[i].changed);
		assert_null(m[i].tag);
	}
	t->seq = n ? m[n - 1].seq : 0;
	t->time = n ? m[n - 1].time : 0;
	if (n)
		text_of(t->sender, sizeof(t->sender), m[n - 1].sender);
	if (more)
		strcat(t->text, " +");
}

static void on_unavailable(void *h)
{
	(void)h;
	note(UNAVAILABLE);
}

static void on_available(void *h)
{
	(void)h;
	note(AVAILABLE);
}

static const struct journal_listener listener = {
	on_subscribed, on_message, on_duplicate, on_refused, on_page, on_epoch, on_unavailable, on_available,
};

/* ---- its thread ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static bool letters;
static struct mailbox *box;
static struct journal_port port;

static void wake(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	letters = true;
	pthread_cond_signal(&news);
	pthread_mutex_unlock(&lock);
}

/* Opens letters until N things were told, or for MS: whether they were. */
static bool listen_for(size_t n, unsigned ms)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	for (;;) {
		mailbox_open(box, 100000);
		if (n_told >= n || rc)
			return n_told >= n;
		pthread_mutex_lock(&lock);
		while (!letters && rc == 0)
			rc = pthread_cond_timedwait(&news, &lock, &until);
		letters = false;
		pthread_mutex_unlock(&lock);
	}
}

static void wait_for(size_t n)
{
	if (!listen_for(n, PATIENCE * 1000))
		fail_msg("told %zu of %zu", n_told, n);
}

/* ---- the journals ---- */

static char folder[256];

struct kind {
	const char *name;
	bool keeps, disk;
};

static const struct kind memory = { "memory", false, false };
static struct journal *journal;
static struct journal_room *room;
static const struct kind *kind;
static uint64_t keep_messages, keep_bytes;
#ifdef HAVE_SQLITE
static const struct kind process = { "sqlite, process", true, false }, disk = { "sqlite, disk", true, true };
static uint64_t keep_age, max_bytes, max_pending;
static char open_error[512];
#endif

static struct journal *open_journal(void)
{
	struct journal_memory_opts m = { (size_t)keep_messages, (size_t)keep_bytes, CID_KEEP };
#ifdef HAVE_SQLITE
	struct journal_sqlite_opts s = { .folder = folder, .disk = kind->disk, .messages = keep_messages,
					 .bytes = keep_bytes, .age = keep_age, .max_bytes = max_bytes,
					 .cid_keep = CID_KEEP, .max_pending = max_pending, .retry = 20 };

	if (kind->keeps)
		return journal_sqlite_new(&s, open_error, sizeof(open_error));
#endif
	return journal_memory_new(&m);
}

static struct journal_room *subscribe_to(const char *name)
{
	struct payload *p = payload_new(name, strlen(name));
	struct journal_room *r = journal->ops->subscribe(journal, p, &port, &listener, &home);

	payload_unref(p);
	assert_non_null(r);
	return r;
}

static void start(void)
{
	n_told = 0;
	port = (struct journal_port){ .to = box = mailbox_new(wake, NULL, NULL) };
	journal = open_journal();
	assert_non_null(journal);
	room = subscribe_to("tea");
	assert_int_equal(n_told, 0); /* never from within a request */
}

static void stop(void)
{
	if (journal == NULL)
		return;
	if (room)
		journal->ops->unsubscribe(room);
	journal->ops->free(journal);
	mailbox_free(box);
	journal = NULL;
	room = NULL;
}

static void remove_folder(void)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	char path[600];

	while (d && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(folder);
}

static int set_up(void **state)
{
	kind = *state;
	keep_messages = 1000;
	keep_bytes = 100000;
#ifdef HAVE_SQLITE
	keep_age = max_bytes = max_pending = 0;
#endif
	snprintf(folder, sizeof(folder), "%s/natter-journal-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(folder));
	start();
	wait_for(1);
	assert_int_equal(told[0].what, SUBSCRIBED);
	assert_int_equal(told[0].seq, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stop();
	clock_set_offset(0, 0);
	remove_folder();
	free(told);
	told = NULL;
	n_told = size_told = 0;
	return 0;
}

/* ---- requests ---- */

static struct payload *bytes(const char *s) { return s ? payload_new(s, strlen(s)) : NULL; }

static void append_full(const char *body, const char *sender, const char *cid, const char *content, uintptr_t tag)
{
	struct journal_entry e = { bytes(body), bytes(sender), bytes(cid), bytes(content) };
	size_t before = n_told;

	journal->ops->append(room, &e, (void *)tag);
	assert_int_equal(n_told, before);
	payload_unref(e.body);
	payload_unref(e.sender);
	payload_unref(e.cid);
	payload_unref(e.content);
}

static void append(const char *body) { append_full(body, NULL, NULL, NULL, 7); }

/* The next answer. */
static struct told *answer(void)
{
	wait_for(n_told + 1);
	return &told[n_told - 1];
}

static struct told *say(const char *body)
{
	append(body);
	return answer();
}

static struct told *say_cid(const char *body, const char *sender, const char *cid)
{
	append_full(body, sender, cid, NULL, 9);
	return answer();
}

static struct told *change(uint64_t target, const char *body)
{
	struct payload *p = bytes(body), *sender = bytes("moderator");

	if (p)
		journal->ops->amend(room, target, sender, p, &home);
	else
		journal->ops->erase(room, target, sender, &home);
	payload_unref(p);
	payload_unref(sender);
	return answer();
}

static const char *before(uint64_t seq, size_t limit)
{
	journal->ops->read_before(room, seq, limit, &home);
	assert_int_equal(answer()->what, PAGE);
	assert_int_equal(told[n_told - 1].status, JOURNAL_OK);
	assert_int_equal(told[n_told - 1].tag, (uintptr_t)&home);
	return told[n_told - 1].text;
}

static const char *after(uint64_t seq, size_t limit)
{
	journal->ops->read_after(room, seq, limit, &home);
	assert_int_equal(answer()->what, PAGE);
	return told[n_told - 1].text;
}

static void on_state(struct letter *letter, void *reader)
{
	struct journal_state *s = (struct journal_state *)letter;
	struct told *t = note(STATE);
	size_t at = 0;

	(void)reader;
	t->status = (int)s->status;
	t->n = s->n;
	for (size_t i = 0; i < s->n; i++)
		at += (size_t)snprintf(t->text + at, sizeof(t->text) - at, "%s%.*s=%.*s", i ? " " : "",
				       (int)s->found[i].key->len, s->found[i].key->data, (int)s->found[i].value->len,
				       s->found[i].value->data);
	t->time = s->n ? (int64_t)s->found[0].keep : 0;
	journal_state_clear(s);
	free(s);
}

static const char *state_do(enum journal_verb verb, const char *scope, const char *key, const char *value, uint64_t keep)
{
	struct journal_state *s = calloc(1, sizeof(*s));

	s->answered = on_state;
	s->verb = verb;
	s->scope = bytes(scope);
	s->key = bytes(key);
	s->value = bytes(value);
	s->keep = keep;
	journal->ops->state(journal, &port, s);
	assert_int_equal(answer()->what, STATE);
	return told[n_told - 1].text;
}

static const char *put(const char *scope, const char *key, const char *value, uint64_t keep)
{
	return state_do(JOURNAL_PUT, scope, key, value, keep);
}
static const char *get(const char *scope, const char *key) { return state_do(JOURNAL_GET, scope, key, NULL, 0); }
static const char *list(const char *scope, const char *key) { return state_do(JOURNAL_LIST, scope, key, NULL, 0); }

/* ---- every journal ---- */

static void test_order_without_gaps(void **state)
{
	(void)state;
	for (uintptr_t i = 1; i <= 500; i++) {
		char text[16];

		snprintf(text, sizeof(text), "m%d", (int)i);
		append_full(text, "ann", NULL, NULL, i);
	}
	wait_for(501);
	for (size_t i = 1; i <= 500; i++) {
		char text[16];

		snprintf(text, sizeof(text), "m%d", (int)i);
		assert_int_equal(told[i].what, MESSAGE);
		assert_int_equal(told[i].seq, i);
		assert_int_equal(told[i].tag, i);
		assert_int_equal(told[i].kind, JOURNAL_MESSAGE);
		assert_string_equal(told[i].body, text);
		assert_string_equal(told[i].sender, "ann");
		assert_true(i == 1 || told[i].time >= told[i - 1].time);
	}
	assert_false(listen_for(502, 20));
}

static void test_time_never_falls(void **state)
{
	int64_t first = say("a")->time;

	(void)state;
	clock_set_offset(0, -3600000);
	assert_true(say("b")->time >= first);
	clock_set_offset(0, 3600000);
	assert_true(say("c")->time >= first + 3600000 - 1000);
	clock_set_offset(0, 0);
	assert_true(say("d")->time >= first + 3600000 - 1000);
}

static void test_bodies_are_bytes(void **state)
{
	struct journal_entry e = { .body = payload_new("a\0b", 3) };

	(void)state;
	journal->ops->append(room, &e, NULL);
	payload_unref(e.body);
	assert_int_equal(answer()->seq, 1);
	assert_string_equal(say("")->body, "");
	assert_string_equal(after(1, 1), "2:");
}

static void test_a_repeat_is_not_sent_again(void **state)
{
	struct told first, *t;

	(void)state;
	append_full("a", "ann", "c1", NULL, 1);
	append_full("a", "ann", "c1", NULL, 2); /* while the first is pending */
	wait_for(3);
	first = told[1];
	assert_int_equal(first.what, MESSAGE);
	assert_int_equal(told[2].what, DUPLICATE);
	assert_int_equal(told[2].tag, 2);
	assert_int_equal(told[2].seq, 1);
	assert_int_equal(told[2].time, first.time);
	t = say_cid("other", "ann", "c1");
	assert_int_equal(t->what, REFUSED);
	assert_int_equal(t->status, JOURNAL_CID_REUSED);
	assert_int_equal(t->tag, 9);
	assert_int_equal(say_cid("a", "ben", "c1")->seq, 2); /* another sender */
	assert_int_equal(told[n_told - 1].what, MESSAGE);
	assert_int_equal(say_cid("a", "ann", "c2")->seq, 3); /* another cid */
	assert_int_equal(say_cid("a", "an", "nc1")->seq, 4);
	/* the content is what counts, where it is given */
	append_full("{name:ann,text", "ann", "c3", "text", 1);
	assert_int_equal(answer()->seq, 5);
	append_full("{name:anna,text", "ann", "c3", "text", 1);
	assert_int_equal(answer()->what, DUPLICATE);
	assert_string_equal(after(0, 100), "1:a 2:a 3:a 4:a 5:{name:ann,text");
}

static void test_cids_are_forgotten_in_time(void **state)
{
	(void)state;
	say_cid("a", "ann", "c1");
	clock_set_offset(CID_KEEP - 5000, 0);
	assert_int_equal(say_cid("a", "ann", "c1")->what, DUPLICATE);
	clock_set_offset(CID_KEEP - 5000, 10 * CID_KEEP); /* the wall clock does not matter */
	assert_int_equal(say_cid("a", "ann", "c1")->what, DUPLICATE);
	clock_set_offset(CID_KEEP + 1000, 0);
	assert_int_equal(say_cid("a", "ann", "c1")->what, MESSAGE);
	assert_int_equal(told[n_told - 1].seq, 2);
	assert_int_equal(say_cid("a", "ann", "c1")->seq, 2);
}

static void test_a_sender_has_so_many_cids(void **state)
{
	char cid[16];

	(void)state;
	say_cid("a", "ben", "0");
	for (int i = 0; i <= JOURNAL_CIDS_MAX; i++) {
		snprintf(cid, sizeof(cid), "%d", i);
		append_full("a", "ann", cid, NULL, 1);
	}
	wait_for(n_told + JOURNAL_CIDS_MAX + 1);
	assert_int_equal(say_cid("a", "ann", "1")->what, DUPLICATE);
	assert_int_equal(say_cid("a", "ann", cid)->what, DUPLICATE);
	assert_int_equal(say_cid("a", "ben", "0")->what, DUPLICATE);
	assert_int_equal(say_cid("a", "ann", "0")->what, MESSAGE);
}

static void test_amend_and_erase(void **state)
{
	struct told *t;

	(void)state;
	say("a");
	say("b");
	t = change(1, "a2");
	assert_int_equal(t->what, MESSAGE);
	assert_int_equal(t->kind, JOURNAL_AMENDMENT);
	assert_int_equal(t->seq, 3);
	assert_int_equal(t->target, 1);
	assert_int_equal(t->tag, (uintptr_t)&home);
	assert_string_equal(t->body, "a2");
	assert_string_equal(t->sender, "moderator");
	assert_string_equal(before(0, 9), "1:a2^3 2:b 3~1a2");
	assert_int_equal(change(1, "a3")->seq, 4);
	assert_string_equal(before(0, 9), "1:a3^4 2:b 3~1- 4~1a3");
	t = change(1, NULL);
	assert_int_equal(t->kind, JOURNAL_ERASURE);
	assert_int_equal(t->seq, 5);
	assert_string_equal(t->body, "-");
	assert_string_equal(before(0, 9), "1:-^5 2:b 3~1- 4~1- 5!1-");
	/* what is not there, is no message, or is erased */
	assert_int_equal(change(77, "x")->status, JOURNAL_NO_MESSAGE);
	assert_int_equal(change(3, "x")->status, JOURNAL_NO_MESSAGE);
	assert_int_equal(change(1, "x")->status, JOURNAL_NO_MESSAGE);
	assert_int_equal(change(1, NULL)->what, REFUSED);
	assert_int_equal(say("c")->seq, 6); /* refusals use up nothing */
}

static void test_pages(void **state)
{
	(void)state;
	assert_string_equal(before(0, 10), "");
	assert_string_equal(after(0, 10), "");
	for (int i = 0; i < 8; i++)
		append("x");
	wait_for(n_told + 8);
	assert_string_equal(before(0, 2), "7:x 8:x +");
	assert_string_equal(before(7, 2), "5:x 6:x +");
	assert_string_equal(before(3, 2), "1:x 2:x");
	assert_string_equal(before(1, 2), "");
	assert_string_equal(before(UINT64_MAX, 1), "8:x +");
	assert_string_equal(before(3, 0), " +");
	assert_string_equal(after(0, 2), "1:x 2:x +");
	assert_string_equal(after(6, 2), "7:x 8:x");
	assert_string_equal(after(7, 5), "8:x");
	assert_string_equal(after(8, 5), "");
	assert_string_equal(after(UINT64_MAX - 1, 5), "");
	append_full("y", "ann", NULL, NULL, 1);
	answer();
	before(0, 1);
	assert_string_equal(told[n_told - 1].sender, "ann");
}

static void test_retention_by_count(void **state)
{
	(void)state;
	stop();
	keep_messages = 5;
	start();
	for (int i = 0; i < 8; i++)
		append("x");
	wait_for(9);
	assert_string_equal(before(0, 10), "4:x 5:x 6:x 7:x 8:x");
	assert_string_equal(after(0, 1), "4:x +");
	assert_string_equal(before(4, 2), "");
	assert_int_equal(change(2, "y")->status, JOURNAL_NO_MESSAGE);
	change(5, "y");
	assert_string_equal(before(0, 10), "5:y^9 6:x 7:x 8:x 9~5y");
}

static void test_retention_by_bytes(void **state)
{
	(void)state;
	stop();
	keep_bytes = 10;
	start();
	append("1234");
	append("5678");
	append("90");
	wait_for(4);
	assert_string_equal(before(0, 10), "1:1234 2:5678 3:90");
	say("x");
	assert_string_equal(before(0, 10), "2:5678 3:90 4:x");
	change(2, NULL);
	say("1234567");
	assert_string_equal(before(0, 10), "2:-^5 3:90 4:x 5!2- 6:1234567");
	say("0123456789");
	assert_string_equal(before(0, 10), "7:0123456789");
}

static void test_no_past(void **state)
{
	(void)state;
	stop();
	keep_messages = 0;
	start();
	wait_for(1);
	say("x");
	assert_int_equal(say("x")->seq, 2);
	assert_string_equal(before(0, 10), "");
}

static void test_state(void **state)
{
	(void)state;
	assert_string_equal(get("room:tea", "ban:ann"), "");
	put("room:tea", "ban:ann", "1", 0);
	put("room:tea", "ban:ben", "2", 60000);
	put("room:tea", "topic", "Tea", 0);
	put("user:ann", "read:tea", "7", 0);
	assert_int_equal(told[n_told - 1].status, JOURNAL_OK);
	assert_string_equal(get("room:tea", "ban:ann"), "ban:ann=1");
	assert_int_equal(told[n_told - 1].time, 0);
	get("room:tea", "ban:ben");
	assert_true(told[n_told - 1].time > 50000 && told[n_told - 1].time <= 60000);
	assert_string_equal(list("room:tea", "ban:"), "ban:ann=1 ban:ben=2");
	assert_string_equal(list("room:tea", NULL), "ban:ann=1 ban:ben=2 topic=Tea");
	assert_string_equal(list("room:te", NULL), "");
	put("room:tea", "topic", "Coffee", 0);
	assert_string_equal(get("room:tea", "topic"), "topic=Coffee");
	state_do(JOURNAL_DELETE, "room:tea", "ban:ann", NULL, 0);
	state_do(JOURNAL_DELETE, "room:tea", "nothing", NULL, 0);
	assert_int_equal(told[n_told - 1].status, JOURNAL_OK);
	assert_string_equal(list("room:tea", "ban:"), "ban:ben=2");
	clock_set_offset(61000, 0);
	assert_string_equal(list("room:tea", NULL), "topic=Coffee");
	assert_string_equal(get("room:tea", "ban:ben"), "");
	put("room:tea", "ban:ben", "", 1000);
	assert_string_equal(get("room:tea", "ban:ben"), "ban:ben=");
	assert_string_equal(list("user:ann", NULL), "read:tea=7");
}

static void test_silence_after_unsubscribing(void **state)
{
	(void)state;
	append("x");
	append_full("x", "ann", "1", NULL, 1);
	journal->ops->read_before(room, 0, 5, &home);
	journal->ops->unsubscribe(room);
	assert_false(listen_for(2, 100));
	room = subscribe_to("tea");
	wait_for(2);
	assert_int_equal(told[1].what, SUBSCRIBED);
	if (kind->keeps) {
		assert_string_equal(told[1].epoch, told[0].epoch);
		assert_int_equal(told[1].seq, 2);
	} else {
		assert_string_not_equal(told[1].epoch, told[0].epoch);
		assert_int_equal(told[1].seq, 0);
	}
	assert_false(listen_for(3, 50));
}

static void test_rooms_are_apart(void **state)
{
	struct journal_room *tea = room, *coffee;

	(void)state;
	say("t");
	coffee = room = subscribe_to("coffee");
	assert_int_equal(answer()->seq, 0);
	assert_int_equal(say_cid("c", "ann", "1")->seq, 1);
	assert_string_equal(before(0, 5), "1:c");
	room = tea;
	assert_int_equal(say_cid("c", "ann", "1")->seq, 2);
	assert_int_equal(told[n_told - 1].what, MESSAGE);
	journal->ops->unsubscribe(coffee);
	assert_string_equal(before(0, 5), "1:t 2:c");
}

#ifdef HAVE_SQLITE

/* ---- what only a journal that keeps can show ---- */

/* Waits for the next thing of a kind, from the I-th on; returns its index. */
static size_t wait_what(enum what what, size_t i)
{
	for (;; i++) {
		wait_for(i + 1);
		if (told[i].what == what)
			return i;
	}
}

static void restart(void)
{
	stop();
	start();
	wait_for(1);
	assert_int_equal(told[0].what, SUBSCRIBED);
}

static void path_in(char *to, const char *name) { snprintf(to, 400, "%s/%s", folder, name); }

static void test_two_homes_hear_the_same(void **state)
{
	struct journal_room *other;

	(void)state;
	say("a");
	other = subscribe_to("tea");
	assert_int_equal(answer()->seq, 1);
	append("b");
	wait_for(n_told + 2);
	assert_int_equal(told[n_told - 1].seq, 2);
	assert_int_equal(told[n_told - 2].seq, 2);
	assert_int_equal(told[n_told - 1].tag + told[n_told - 2].tag, 7); /* only who appended has its tag */
	journal->ops->unsubscribe(other);
	say("c");
	assert_false(listen_for(n_told + 1, 50));
}

static void is_due(void *arg) { ++*(int *)arg; }

static void test_a_turn_is_sent_together(void **state)
{
	int due = 0;

	(void)state;
	port.send_soon = is_due;
	port.arg = &due;
	append("a");
	append("b");
	assert_int_equal(due, 1);
	assert_false(listen_for(2, 50));
	assert_true(journal->ops->send(journal, &port));
	wait_for(3);
	assert_int_equal(told[1].seq, 1);
	assert_int_equal(told[2].seq, 2);
	assert_false(journal->ops->send(journal, &port));
	append("c");
	journal->ops->unsubscribe(room);
	assert_int_equal(due, 2);
	assert_true(journal->ops->send(journal, &port));
	port.send_soon = NULL;
	room = subscribe_to("tea");
	wait_for(4);
	assert_int_equal(told[3].what, SUBSCRIBED);
	assert_int_equal(told[3].seq, 3); /* in the order of asking */
}

static void test_a_restart_keeps_all(void **state)
{
	char epoch[JOURNAL_EPOCH_MAX];

	(void)state;
	strcpy(epoch, told[0].epoch);
	say_cid("a", "ann", "1");
	say("b");
	change(2, "b2");
	put("s", "forever", "1", 0);
	put("s", "hour", "1", 3600000);
	put("s", "minute", "1", 60000);
	stop();
	clock_set_offset(0, 120000); /* two minutes pass while it is down */
	start();
	wait_for(1);
	assert_string_equal(told[0].epoch, epoch);
	assert_int_equal(told[0].seq, 3);
	assert_string_equal(before(0, 9), "1:a 2:b2^3 3~2b2");
	assert_int_equal(say_cid("a", "ann", "1")->what, DUPLICATE);
	assert_int_equal(say("c")->seq, 4);
	assert_string_equal(list("s", NULL), "forever=1 hour=1");
	stop();
	clock_set_offset(0, -7200000); /* and now it goes back */
	start();
	wait_for(1);
	assert_string_equal(told[0].epoch, epoch);
	assert_int_equal(say("d")->seq, 5);
	assert_string_equal(list("s", NULL), "forever=1 hour=1");
	before(0, 2);
	assert_true(told[n_told - 1].time >= clock_wall_ms() + 7200000 - 60000); /* time did not fall */
}

static void test_retention_by_age(void **state)
{
	(void)state;
	stop();
	keep_age = 86400000;
	start();
	wait_for(1);
	say("a");
	clock_set_offset(0, 80000000);
	say("b");
	clock_set_offset(0, 90000000);
	say("c");
	assert_string_equal(before(0, 9), "2:b 3:c");
	/* a room in which nothing is said */
	clock_set_offset(20000, 300000000);
	put("s", "k", "v", 0);
	for (int i = 0; i < 500 && before(0, 9)[0]; i++)
		usleep(20000), put("s", "k", "v", 0);
	assert_string_equal(before(0, 9), "");
	assert_int_equal(say("d")->seq, 4);
	assert_string_equal(before(0, 9), "4:d");
}

/* A child that begins a run and ends it without a farewell, after saying TEXT in the room. */
static void run_without_farewell(const char *text)
{
	int status, fd[2];
	char byte;
	pid_t pid;

	stop();
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		start();
		if (!listen_for(1, PATIENCE * 1000))
			_exit(2);
		append(text);
		if (!listen_for(2, PATIENCE * 1000) || told[1].what != MESSAGE)
			_exit(3);
		if (write(fd[1], "", 1) == 1)
			pause();
		_exit(4);
	}
	close(fd[1]);
	assert_int_equal(read(fd[0], &byte, 1), 1);
	close(fd[0]);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void edit_mark(const char *find, const char *put_there)
{
	char path[400], text[512], *at;
	size_t n;
	FILE *f;

	path_in(path, "journal.mark");
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	at = strstr(text, find);
	assert_non_null(at);
	memcpy(at, put_there, strlen(put_there));
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static void copy_file(const char *from, const char *to)
{
	char a[400], b[400], command[900];

	path_in(a, from);
	path_in(b, to);
	snprintf(command, sizeof(command), "cp '%s' '%s'", a, b);
	assert_int_equal(system(command), 0);
}

static void expect_epoch(const char *epoch, bool same, uint64_t seq)
{
	start();
	wait_for(1);
	assert_int_equal(told[0].what, SUBSCRIBED);
	assert_int_equal(told[0].seq, seq);
	if (same)
		assert_string_equal(told[0].epoch, epoch);
	else
		assert_string_not_equal(told[0].epoch, epoch);
}

/* Whether it can be known that the system went on, with what was not on the disk yet. */
static bool knows_boot(void)
{
	struct proof p;

	proof_of_boot(&p);
#if defined __linux__ && !defined NATTER_PORTABLE
	assert_true(p.boot[0]);
#endif
	return p.boot[0];
}

static void test_epochs(void **state)
{
	char epoch[JOURNAL_EPOCH_MAX], path[400], other[400];

	(void)state;
	strcpy(epoch, told[0].epoch);
	/* an unclean stop: nothing is lost as long as the system runs */
	run_without_farewell("a");
	expect_epoch(epoch, kind->disk || knows_boot(), 1);
	strcpy(epoch, told[0].epoch);
	/* the system went down: it depends on the durability */
	run_without_farewell("b");
	edit_mark("boot=", "boot=0");
	expect_epoch(epoch, kind->disk, 2);
	strcpy(epoch, told[0].epoch);
	assert_string_equal(before(0, 9), "1:a 2:b");
	assert_int_equal(say("c")->seq, 3); /* counts on */
	/* a clean stop proves all, whatever the durability and the system */
	stop();
	edit_mark("boot=", "boot=0");
	expect_epoch(epoch, true, 3);
	/* a restored file */
	stop();
	copy_file("journal.db", "backup");
	expect_epoch(epoch, true, 3);
	say("d");
	stop();
	copy_file("backup", "journal.db"); /* the same inode, the mark is of a later run */
	expect_epoch(epoch, false, 3);
	strcpy(epoch, told[0].epoch);
	stop();
	copy_file("journal.db", "backup"); /* the same content, another file */
	path_in(path, "backup");
	path_in(other, "journal.db");
	assert_int_equal(rename(path, other), 0);
	expect_epoch(epoch, false, 3);
	strcpy(epoch, told[0].epoch);
	/* no mark at all */
	stop();
	path_in(path, "journal.mark");
	assert_int_equal(unlink(path), 0);
	expect_epoch(epoch, false, 3);
}

/* Appends as fast as it goes until it is killed; each seq that it was told goes through the pipe. */
static void append_until_killed(int to)
{
	uint64_t reported = 1, said = 0;

	start();
	wait_for(1);
	for (;;) {
		char cid[32];

		while (said < n_told + 200) {
			snprintf(cid, sizeof(cid), "%d-%d", (int)getpid(), (int)said++);
			append_full(cid, "ann", cid, NULL, 1);
		}
		listen_for(n_told + 1, 1000);
		for (; reported < n_told; reported++)
			if (told[reported].what == MESSAGE &&
			    write(to, &told[reported].seq, sizeof(told[reported].seq)) < 0)
				_exit(1);
	}
}

static void test_kill_in_mid_flight(void **state)
{
	uint64_t last = 0;
	char epoch[JOURNAL_EPOCH_MAX];

	(void)state;
	strcpy(epoch, told[0].epoch);
	stop();
	keep_messages = 1000000;
	keep_bytes = 1000000000;
	for (int round = 0; round < 3; round++) {
		uint64_t seq, first = last;
		int fd[2];
		pid_t pid;

		assert_int_equal(pipe(fd), 0);
		pid = fork();
		if (pid == 0) {
			close(fd[0]);
			append_until_killed(fd[1]);
		}
		close(fd[1]);
		while (last < first + 500 * ((uint64_t)round + 1) && read(fd[0], &seq, sizeof(seq)) == sizeof(seq)) {
			assert_true(seq == last + 1 || last == first); /* what the last one was not told may be there */
			last = seq;
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(fd[0], &seq, sizeof(seq)) == sizeof(seq))
			last = seq;
		close(fd[0]);
		assert_true(last > first);
		start();
		wait_for(1);
		if (kind->disk || knows_boot())
			assert_string_equal(told[0].epoch, epoch);
		else
			assert_string_not_equal(told[0].epoch, epoch);
		strcpy(epoch, told[0].epoch);
		assert_true(told[0].seq >= last);
		journal->ops->read_after(room, 0, 1000000, NULL);
		assert_int_equal(answer()->n, told[0].seq); /* each of them, without a gap */
		last = told[0].seq;
		stop();
	}
	start();
	wait_for(1);
}

/* ---- a store that cannot ---- */

static bool is_root(void) { return geteuid() == 0; }

static void expect_refused(struct told *t)
{
	assert_int_equal(t->what, REFUSED);
	assert_int_equal(t->status, JOURNAL_UNAVAILABLE);
}

/* Says it until it is refused; returns the last seq. */
static uint64_t say_until_refused(void)
{
	char text[4001];
	uint64_t last = 0;

	memset(text, 'x', 4000);
	text[4000] = '\0';
	for (int i = 0; i < 5000; i++) {
		size_t from = n_told;

		append(text);
		for (;; from++) {
			wait_for(from + 1);
			if (told[from].what == MESSAGE) {
				assert_true(last == 0 || told[from].seq == last + 1);
				last = told[from].seq;
				break;
			}
			if (told[from].what == REFUSED) {
				assert_int_equal(told[from].status, JOURNAL_UNAVAILABLE);
				return last;
			}
			assert_int_equal(told[from].what, UNAVAILABLE);
		}
	}
	fail_msg("it was never full");
	return 0;
}

static void test_full(void **state)
{
	bool small = false;
	char ballast[400];
	uint64_t last;
	size_t i, n;
	int fd;

	(void)state;
	stop();
	keep_bytes = 100000000;
#ifdef __linux__
	small = is_root() && mount("none", folder, "tmpfs", 0, "size=1m") == 0;
#endif
	if (!small)
		max_bytes = 400000; /* a stand-in: no coming back from it */
	start();
	wait_for(1);
	path_in(ballast, "ballast");
	if (small) {
		fd = open(ballast, O_CREAT | O_WRONLY, 0600);
		assert_true(fd >= 0 && posix_fallocate(fd, 0, 600000) == 0);
		close(fd);
	}
	last = say_until_refused();
	assert_true(last > 0);
	for (i = 0; i < n_told && told[i].what != UNAVAILABLE; i++)
		;
	assert_true(i < n_told);
	append("y");
	do
		answer();
	while (told[n_told - 1].what != REFUSED);
	journal->ops->read_before(room, 0, 10000, NULL);
	n = wait_what(PAGE, n_told);
	assert_int_equal(told[n].status, JOURNAL_OK); /* the past is there, all of it */
	assert_int_equal(told[n].n, last);
	if (small) {
		unlink(ballast);
		n = wait_what(AVAILABLE, n);
		append("z");
		n = wait_what(MESSAGE, n);
		assert_int_equal(told[n].seq, last + 1); /* refusals used up nothing */
		restart();
		assert_int_equal(told[0].seq, last + 1);
	}
	stop();
#ifdef __linux__
	if (small)
		assert_int_equal(umount(folder), 0);
#endif
	max_bytes = 0;
	start();
	wait_for(1);
}

static void test_folder_gone_and_back(void **state)
{
	char away[300];
	size_t n;

	(void)state;
	say("a");
	snprintf(away, sizeof(away), "%s-away", folder);
	assert_int_equal(rename(folder, away), 0);
	append("b");
	n = wait_what(UNAVAILABLE, n_told);
	n = wait_what(REFUSED, n);
	assert_int_equal(rename(away, folder), 0);
	wait_what(AVAILABLE, n);
	assert_int_equal(say("c")->seq, 2);
	assert_string_equal(before(0, 9), "1:a 2:c");
	restart();
	assert_int_equal(told[0].seq, 2);
}

static void test_no_folder_at_first(void **state)
{
	char away[300];
	size_t n;

	(void)state;
	stop();
	snprintf(away, sizeof(away), "%s-away", folder);
	assert_int_equal(rename(folder, away), 0);
	start();
	wait_for(1);
	assert_int_equal(told[0].what, UNAVAILABLE);
	append("b");
	expect_refused(answer());
	assert_int_equal(rename(away, folder), 0);
	n = wait_what(SUBSCRIBED, 1);
	wait_what(AVAILABLE, n);
	assert_int_equal(say("c")->seq, 1);
}

static void test_read_only(void **state)
{
	(void)state;
	say("a");
	say("b");
	stop();
#ifdef __linux__
	if (!is_root() || mount(folder, folder, "none", MS_BIND, NULL) < 0) {
		start();
		wait_for(1);
		skip();
	}
	assert_int_equal(mount("none", folder, "none", MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
	start();
	wait_for(2);
	assert_int_equal(told[0].what, SUBSCRIBED);
	assert_int_equal(told[0].seq, 2);
	assert_int_equal(told[1].what, UNAVAILABLE);
	assert_string_equal(before(0, 9), "1:a 2:b");
	append("c");
	expect_refused(answer());
	assert_int_equal(mount("none", folder, "none", MS_BIND | MS_REMOUNT, NULL), 0);
	wait_what(AVAILABLE, n_told); /* by itself */
	assert_int_equal(say("d")->seq, 3);
	assert_string_equal(before(0, 9), "1:a 2:b 3:d");
	stop();
	umount(folder);
#endif
	start();
	wait_for(1);
	assert_int_equal(told[0].seq, 3);
}

static void spoil(const char *name, long at, size_t n)
{
	char path[400], junk[512];
	FILE *f;

	path_in(path, name);
	f = fopen(path, "r+");
	assert_non_null(f);
	memset(junk, 0xa5, sizeof(junk));
	fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
	for (; n; n -= sizeof(junk))
		assert_int_equal(fwrite(junk, sizeof(junk), 1, f), 1);
	fclose(f);
}

static void test_no_database(void **state)
{
	struct stat before_st, after_st;
	char path[400];

	(void)state;
	say("a");
	stop();
	spoil("journal.db", 0, 512);
	path_in(path, "journal.db");
	assert_int_equal(stat(path, &before_st), 0);
	start();
	wait_for(1);
	assert_int_equal(told[0].what, UNAVAILABLE);
	append("b");
	expect_refused(answer());
	journal->ops->read_before(room, 0, 5, NULL);
	assert_int_equal(answer()->status, JOURNAL_UNAVAILABLE);
	put("s", "k", "v", 0);
	assert_int_equal(told[n_told - 1].status, JOURNAL_UNAVAILABLE);
	assert_int_equal(stat(path, &after_st), 0);
	assert_int_equal(before_st.st_mtime, after_st.st_mtime);
	assert_int_equal(before_st.st_size, after_st.st_size);
}

static void test_damage_is_found_beside_the_service(void **state)
{
	char text[2001];
	size_t n;

	(void)state;
	memset(text, 'x', 2000);
	text[2000] = '\0';
	for (int i = 0; i < 40; i++)
		append(text);
	wait_for(n_told + 40);
	run_without_farewell("a"); /* so that it is looked at */
	start();
	wait_for(1);
	stop(); /* takes the write-ahead log in */
	run_without_farewell("b");
	spoil("journal.db", -40960, 20480);
	start();
	wait_for(1);
	assert_int_equal(told[0].what, SUBSCRIBED); /* the service is there at once */
	n = wait_what(UNAVAILABLE, 1);
	append("c");
	n = wait_what(REFUSED, n);
	assert_int_equal(told[n].status, JOURNAL_UNAVAILABLE);
}

/* ---- the file ---- */

static void sql(const char *text)
{
	char path[400], *error = NULL;
	sqlite3 *db;

	path_in(path, "journal.db");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s", error);
	sqlite3_close(db);
}

static int rooms_in_file(void)
{
	char path[400];
	sqlite3_stmt *s;
	sqlite3 *db;
	int n;

	path_in(path, "journal.db");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, PATIENCE * 1000);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM rooms", -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
}

/* Until the writer has tidied so far. */
static void wait_for_rooms(int n)
{
	for (int i = 0; i < PATIENCE * 50 && rooms_in_file() != n; i++)
		usleep(20000), put("s", "k", "v", 0);
	assert_int_equal(rooms_in_file(), n);
}

static const char *enter(const char *name, uint64_t seq)
{
	room = subscribe_to(name);
	assert_int_equal(answer()->what, SUBSCRIBED);
	assert_int_equal(told[n_told - 1].seq, seq);
	return told[n_told - 1].epoch;
}

static void leave(void)
{
	journal->ops->unsubscribe(room);
	room = NULL;
}

/* Of those of which nothing is left no row is: it is strangers who name rooms. */
static void test_rooms_are_forgotten(void **state)
{
	char epoch[JOURNAL_EPOCH_MAX], later[JOURNAL_EPOCH_MAX];
	struct journal_room *tea;

	(void)state;
	stop();
	keep_age = 86400000;
	start();
	wait_for(1);
	strcpy(epoch, told[0].epoch);
	say("t");
	tea = room;
	assert_string_equal(enter("cid", 0), epoch);
	say_cid("c", "ann", "1");
	leave();
	enter("topic", 0);
	say("t");
	put("room:topic", "topic", "T", 0);
	leave();
	enter("read", 0);
	say("t");
	put("read:ann", "read", "1", 0);
	leave();
	enter("never", 0);
	assert_int_equal(change(7, "x")->status, JOURNAL_NO_MESSAGE);
	leave();
	for (int i = 0; i < 500; i++) { /* more than are looked at in one go */
		char name[16];

		snprintf(name, sizeof(name), "r%d", i);
		enter(name, 0);
		say("x");
		leave();
	}
	assert_true(rooms_in_file() >= 504);
	/* tea has a subscriber, the others a cid, a topic and somebody's mark */
	clock_set_offset(20000, 90000000);
	wait_for_rooms(4);
	strcpy(later, enter("r7", 0));
	assert_string_not_equal(later, epoch);
	assert_int_equal(say("y")->seq, 1);
	leave();
	room = tea;
	assert_string_equal(before(0, 9), "");
	assert_int_equal(say("u")->seq, 2); /* as if nothing had been */
	stop();
	/* a restart knows of it */
	start();
	wait_for(1);
	assert_string_equal(told[0].epoch, epoch);
	assert_int_equal(told[0].seq, 2);
	leave();
	assert_string_not_equal(enter("r8", 0), epoch);
	leave();
	assert_string_equal(enter("r7", 1), later);
	leave();
	/* and when cids and state are gone as well */
	state_do(JOURNAL_DELETE, "room:topic", "topic", NULL, 0);
	state_do(JOURNAL_DELETE, "read:ann", "read", NULL, 0);
	clock_set_offset(CID_KEEP + 60000, 200000000);
	wait_for_rooms(0);
	assert_string_not_equal(enter("tea", 0), epoch);
	assert_string_not_equal(told[n_told - 1].epoch, later);
	assert_int_equal(say("v")->seq, 1);
	assert_string_equal(before(0, 9), "1:v");
}

static void test_formats(void **state)
{
	(void)state;
	say("a");
	stop();
	/* as the first format was, without state */
	sql("DROP TABLE state; DROP INDEX rooms_empty; PRAGMA user_version = 1");
	start();
	wait_for(1);
	assert_string_equal(before(0, 5), "1:a");
	put("s", "k", "v", 0);
	assert_string_equal(get("s", "k"), "k=v");
	stop();
	/* as a later one will be */
	sql("PRAGMA user_version = 99");
	assert_null(open_journal());
	assert_non_null(strstr(open_error, "later natter (format 99; this one knows 4)"));
	sql("PRAGMA user_version = 4; PRAGMA application_id = 1");
	assert_null(open_journal());
	assert_non_null(strstr(open_error, "not one of natter's"));
	sql("PRAGMA application_id = 1853125746");
	start();
	wait_for(1);
	assert_string_equal(before(0, 5), "1:a");
}

/* Whether a file of the folder holds the bytes. */
static bool folder_holds(const char *word)
{
	char command[400];

	snprintf(command, sizeof(command), "grep -aqr '%s' '%s'", word, folder);
	return system(command) == 0;
}

static void test_erased_texts_are_nowhere(void **state)
{
	(void)state;
	say("the-first-secret");
	say("the-second-secret");
	change(1, "amended-secret");
	assert_true(folder_holds("the-second-secret"));
	change(1, NULL);
	change(2, NULL);
	put("s", "k", "v", 0); /* the writer has had its quiet moment */
	for (int i = 0; i < 100 && folder_holds("-secret"); i++)
		usleep(50000);
	assert_false(folder_holds("-secret"));
}

/* Somebody holds the file: requests return at once, those that are too many are refused. */
static void test_a_slow_disk_blocks_nobody(void **state)
{
	char path[400];
	uint64_t begin;
	sqlite3 *db;

	(void)state;
	stop();
	max_pending = 10000;
	start();
	wait_for(1);
	path_in(path, "journal.db");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	begin = clock_ms();
	for (int i = 0; i < 1000; i++)
		append("x");
	assert_true(clock_ms() - begin < 2000);
	wait_for(100);
	for (size_t i = 1; i < n_told; i++)
		expect_refused(&told[i]);
	assert_string_equal(before(0, 9), ""); /* reading goes on */
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	wait_for(1002);
	before(0, 1000);
	assert_true(told[n_told - 1].n > 0 && told[n_told - 1].n < 1000);
}

/* A page from the middle costs the same, whatever there is besides; ratios are for `make bench`. */
static void test_many_batches(void **state)
{
	(void)state;
	for (int i = 0; i < 3000; i++)
		append("x");
	wait_for(3001);
	assert_int_equal(told[3000].seq, 3000);
	assert_string_equal(after(2500, 2), "2501:x 2502:x +");
	assert_string_equal(before(2003, 9), "2001:x 2002:x"); /* keeps 1,000 */
}

#endif

/* ---- which test for which journal ---- */

#define NAME(kind, name) #kind ": " #name
#define TEST(name, kind) { NAME(kind, name), test_##name, set_up, tear_down, (void *)(uintptr_t)&kind }
#define ALL(kind)                                                                                       \
	TEST(order_without_gaps, kind), TEST(time_never_falls, kind), TEST(bodies_are_bytes, kind),     \
	TEST(a_repeat_is_not_sent_again, kind), TEST(cids_are_forgotten_in_time, kind),                 \
	TEST(a_sender_has_so_many_cids, kind), TEST(amend_and_erase, kind), TEST(pages, kind),          \
	TEST(retention_by_count, kind), TEST(retention_by_bytes, kind), TEST(no_past, kind),            \
	TEST(state, kind), TEST(silence_after_unsubscribing, kind), TEST(rooms_are_apart, kind)
#define KEEPING(kind)                                                                                   \
	TEST(two_homes_hear_the_same, kind), TEST(a_restart_keeps_all, kind), TEST(epochs, kind),       \
	TEST(kill_in_mid_flight, kind)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(memory),
#ifdef HAVE_SQLITE
		ALL(process),
		ALL(disk),
		KEEPING(process),
		KEEPING(disk),
		TEST(retention_by_age, process),
		TEST(full, process),
		TEST(full, disk),
		TEST(folder_gone_and_back, process),
		TEST(no_folder_at_first, process),
		TEST(read_only, process),
		TEST(no_database, process),
		TEST(damage_is_found_beside_the_service, process),
		TEST(rooms_are_forgotten, process),
		TEST(formats, process),
		TEST(erased_texts_are_nowhere, process),
		TEST(a_slow_disk_blocks_nobody, process),
		TEST(many_batches, process),
		TEST(a_turn_is_sent_together, process),
#endif
	};

	log_open(LOG_TARGET_STDERR, LOG_LEVEL_ERROR, "test_journal");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
