/*
 * journal: appends a second through the journal interface, and how long a page
 * from the middle takes, the last one, and what a resume reads.
 *
 *     journal [FOLDER]       files go there (default: /tmp); MESSAGES=20000 and PAST=1000000 set how many
 *
 * A home keeps so many appends on their way, as many speakers do; each journal
 * gets the same. Every seq is checked.
 */
#include <config.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "chat/journal_memory.h"
#ifdef HAVE_SQLITE
#include "store/journal_sqlite.h"
#endif

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BODY "{\"type\":\"usermsg\",\"name\":\"somebody\",\"message\":\"a message as people write them, of no great length\""

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static bool letters;
static struct mailbox *box;
static struct journal_port port;
static uint64_t last, refused, pages, in_page;
static bool subscribed;

static void wake(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	letters = true;
	pthread_cond_signal(&news);
	pthread_mutex_unlock(&lock);
}

static void sleep_until_letters(void)
{
	pthread_mutex_lock(&lock);
	while (!letters)
		pthread_cond_wait(&news, &lock);
	letters = false;
	pthread_mutex_unlock(&lock);
}

static void on_subscribed(void *home, const char *epoch, uint64_t seq)
{
	(void)home;
	(void)epoch;
	last = seq;
	subscribed = true;
}

static void on_message(void *home, const struct journal_message *m)
{
	(void)home;
	if (m->seq != last + 1) {
		fprintf(stderr, "seq %llu after %llu\n", (unsigned long long)m->seq, (unsigned long long)last);
		exit(1);
	}
	last = m->seq;
}

static void on_duplicate(void *home, void *tag, uint64_t seq, int64_t time)
{
	(void)home;
	(void)tag;
	(void)seq;
	(void)time;
}

static void on_refused(void *home, void *tag, enum journal_status why)
{
	(void)home;
	(void)tag;
	(void)why;
	refused++;
}

static void on_page(void *home, void *tag, enum journal_status status, const struct journal_message *m, size_t n, bool more)
{
	(void)home;
	(void)tag;
	(void)status;
	(void)m;
	(void)more;
	pages++;
	in_page = n;
}

static void on_news(void *home) { (void)home; }

static const struct journal_listener listener = {
	on_subscribed, on_message, on_duplicate, on_refused, on_page, on_subscribed, on_news, on_news,
};

static struct journal_room *enter(struct journal *j)
{
	struct payload *name = payload_new("tea", 3);
	struct journal_room *r;

	port.to = box = mailbox_new(wake, NULL, NULL);
	subscribed = false;
	last = refused = 0;
	r = j->ops->subscribe(j, name, &port, &listener, NULL);
	payload_unref(name);
	while (mailbox_open(box, 1000) == 0 && !subscribed)
		sleep_until_letters();
	return r;
}

static void leave(struct journal *j, struct journal_room *r)
{
	j->ops->unsubscribe(r);
	j->ops->free(j);
	mailbox_free(box);
}

/* Appends N messages, WINDOW on their way at a time; no cid comes twice. Messages a second. */
static double append(struct journal *j, struct journal_room *r, uint64_t n, uint64_t window, bool cids)
{
	struct payload *body = payload_new(BODY, strlen(BODY)), *sender = payload_new("user:somebody", 13);
	static uint64_t cids_given;
	uint64_t first = last, said = 0, begin = clock_us();

	while (last - first + refused < n) {
		while (said < n && said < last - first + refused + window) {
			struct journal_entry e = { .body = body, .sender = sender };
			char cid[24];

			said++;
			snprintf(cid, sizeof(cid), "%llu", (unsigned long long)cids_given++);
			e.cid = cids ? payload_new(cid, strlen(cid)) : NULL;
			j->ops->append(r, &e, NULL);
			payload_unref(e.cid);
		}
		if (mailbox_open(box, 100000) == 0)
			sleep_until_letters();
	}
	payload_unref(body);
	payload_unref(sender);
	return (double)n * 1e6 / (double)(clock_us() - begin);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : otherwise;
}

static void rate(struct journal *j, const char *what, uint64_t n, uint64_t window, bool cids)
{
	struct journal_room *r;

	if (j == NULL) {
		fprintf(stderr, "%s: cannot be opened\n", what);
		exit(1);
	}
	r = enter(j);
	append(j, r, n / 10, window, cids); /* warm */
	printf("%-44s %8.0f /s%s\n", what, append(j, r, n, window, cids), refused ? "  REFUSED" : "");
	fflush(stdout);
	leave(j, r);
}

static struct journal *memory(void)
{
	struct journal_memory_opts o = { 1000, 1 << 20, 600000 };

	return journal_memory_new(&o);
}

#ifdef HAVE_SQLITE
static const char *folder = "/tmp";
static char last_folder[4096];

/* Each in a new folder. */
static struct journal *sqlite(bool disk, uint32_t batch, uint64_t messages)
{
	struct journal_sqlite_opts o = { .folder = last_folder, .disk = disk, .messages = messages, .bytes = messages << 10,
					 .cid_keep = 600000, .batch = batch };
	char err[512];
	struct journal *j;

	snprintf(last_folder, sizeof(last_folder), "%s/natter-bench-XXXXXX", folder);
	if (mkdtemp(last_folder) == NULL) {
		perror(last_folder);
		exit(1);
	}
	j = journal_sqlite_new(&o, err, sizeof(err));
	if (j == NULL)
		fprintf(stderr, "%s\n", err);
	return j;
}

static void remove_last(void)
{
	static const char *const names[] = { "journal.db", "journal.db-wal", "journal.db-shm", "journal.mark" };
	char path[4200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", last_folder, names[i]);
		unlink(path);
	}
	rmdir(last_folder);
}

static void rates(uint64_t n)
{
	rate(sqlite(false, 0, 1000), "sqlite, process; 1000 on their way", n, 1000, false);
	remove_last();
	rate(sqlite(false, 0, 1000), "sqlite, process; 1000, with cids", n, 1000, true);
	remove_last();
	rate(sqlite(false, 0, 1000), "sqlite, process; one after the other", n / 10, 1, false);
	remove_last();
	rate(sqlite(true, 0, 1000), "sqlite, disk; 1000 on their way", n, 1000, false);
	remove_last();
	rate(sqlite(true, 0, 1000), "sqlite, disk; 100 on their way", n, 100, false);
	remove_last();
	rate(sqlite(true, 1, 1000), "sqlite, disk; a commit a message", n / 20, 1000, false);
	remove_last();
}

/* Microseconds that a page of 50 from the middle takes, the least and the middle one of some. */
static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Up to LIMIT messages before SEQ (0: the last ones), or after it. */
static void time_pages(struct journal *j, struct journal_room *r, bool after, uint64_t seq, size_t limit, const char *what)
{
	uint64_t took[201];

	for (size_t i = 0; i < 201; i++) {
		uint64_t begin = clock_us(), want = pages + 1;

		(after ? j->ops->read_after : j->ops->read_before)(r, seq, limit, NULL);
		while (pages < want)
			if (mailbox_open(box, 1000) == 0)
				sleep_until_letters();
		took[i] = clock_us() - begin;
	}
	qsort(took, 201, sizeof(took[0]), by_size);
	printf("%-44s %8llu us  (least %llu, 99 %% %llu; %llu messages)\n", what, (unsigned long long)took[100],
	       (unsigned long long)took[0], (unsigned long long)took[199], (unsigned long long)in_page);
}

static void pages_of(uint64_t past)
{
	struct journal *j = sqlite(false, 0, past);
	struct journal_room *r = j ? enter(j) : NULL;
	char what[64];

	if (r == NULL)
		exit(1);
	append(j, r, past, 10000, false);
	snprintf(what, sizeof(what), "page of 50 from the middle of %llu", (unsigned long long)past);
	time_pages(j, r, false, past / 2, 50, what);
	snprintf(what, sizeof(what), "the last 50 of %llu", (unsigned long long)past);
	time_pages(j, r, false, 0, 50, what);
	snprintf(what, sizeof(what), "a resume of the last 100 of %llu", (unsigned long long)past);
	time_pages(j, r, true, past - 100, 100, what);
	leave(j, r);
	remove_last();
}
#endif

int main(int argc, char **argv)
{
	uint64_t n = from_environment("MESSAGES", 20000);

	printf("journal: a room, bodies of %zu bytes\n", strlen(BODY));
	rate(memory(), "memory; 1000 on their way", n * 10, 1000, false);
	rate(memory(), "memory; 1000, with cids", n * 10, 1000, true);
#ifdef HAVE_SQLITE
	if (argc > 1)
		folder = argv[1];
	rates(n);
	pages_of(1000);
	pages_of(from_environment("PAST", 1000000));
#else
	(void)argc;
	(void)argv;
#endif
	return 0;
}
