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
#include "chat/journal_memory.h"

/* What the home was told, in order. */
static struct told {
	char kind;
	uint64_t seq;
	int64_t time;
	size_t n;
	bool more;
	char epoch[JOURNAL_EPOCH_MAX], body[64];
	uint64_t seqs[64];
} told[256];
static size_t n_told;

static struct told *note(char kind)
{
	struct told *t = &told[n_told++];

	memset(t, 0, sizeof(*t));
	t->kind = kind;
	return t;
}

static void on_subscribed(void *home, const char *epoch, uint64_t seq)
{
	struct told *t = note('s');

	assert_ptr_equal(home, &n_told);
	t->seq = seq;
	strcpy(t->epoch, epoch);
}

static void on_message(void *home, const struct journal_message *m)
{
	struct told *t = note('m');

	(void)home;
	assert_null(m->sender);
	assert_ptr_equal(m->tag, told);
	t->seq = m->seq;
	t->time = m->time;
	memcpy(t->body, m->body->data, m->body->len + 1);
}

static void on_refused(void *home, void *tag, enum journal_status why)
{
	(void)home;
	(void)tag;
	(void)why;
	fail();
}

static void on_page(void *home, void *tag, enum journal_status status, const struct journal_message *m, size_t n,
		    bool more)
{
	struct told *t = note('p');

	(void)home;
	assert_ptr_equal(tag, &told[1]);
	assert_int_equal(status, JOURNAL_OK);
	t->n = n;
	t->more = more;
	for (size_t i = 0; i < n; i++)
		t->seqs[i] = m[i].seq;
}

static const struct journal_listener listener = {
	.subscribed = on_subscribed, .message = on_message, .refused = on_refused, .page = on_page,
};

static void no_wake(void *arg) { (void)arg; }

static struct journal *journal;
static struct mailbox *box;
static struct journal_port port;
static struct journal_room *room;

static struct journal_room *subscribe(void)
{
	struct payload *name = payload_new("tea", 3);
	struct journal_room *r = journal->ops->subscribe(journal, name, &port, &listener, &n_told);

	payload_unref(name);
	return r;
}

static void build(size_t messages, size_t bytes)
{
	struct journal_memory_opts o = { messages, bytes, 600000 };

	n_told = 0;
	journal = journal_memory_new(&o);
	port.to = box = mailbox_new(no_wake, NULL, NULL);
	room = subscribe();
	assert_int_equal(n_told, 0); /* never from within a request */
	mailbox_open(box, 1000);
	assert_int_equal(n_told, 1);
	assert_int_equal(told[0].kind, 's');
	n_told = 0;
}

static void tear_down(void)
{
	journal->ops->unsubscribe(room);
	mailbox_free(box);
	journal->ops->free(journal);
	clock_set_offset(0, 0);
}

static void append(const char *text)
{
	struct payload *p = payload_new(text, strlen(text));

	journal->ops->append(room, &(struct journal_entry){ .body = p }, told);
	payload_unref(p);
}

/* The seqs of a page, as "3 4 5" with a + for more behind. */
static const char *page(uint64_t before, size_t limit)
{
	static char text[512];
	size_t n = 0;

	n_told = 0;
	journal->ops->read_before(room, before, limit, &told[1]);
	assert_int_equal(n_told, 0);
	mailbox_open(box, 1000);
	assert_int_equal(n_told, 1);
	text[0] = '\0';
	for (size_t i = 0; i < told[0].n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d", i ? " " : "", (int)told[0].seqs[i]);
	if (told[0].more)
		strcat(text, "+");
	return text;
}

static void test_order(void **state)
{
	(void)state;
	build(10, 1000);
	append("a");
	append("b");
	assert_int_equal(n_told, 0);
	mailbox_open(box, 1000);
	assert_int_equal(n_told, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(told[i].kind, 'm');
		assert_int_equal(told[i].seq, i + 1);
		assert_int_equal(told[i].body[0], 'a' + (char)i);
	}
	tear_down();
}

static void test_time_never_falls(void **state)
{
	(void)state;
	build(10, 1000);
	append("a");
	clock_set_offset(0, -3600000);
	append("b");
	clock_set_offset(0, 3600000);
	append("c");
	mailbox_open(box, 1000);
	assert_true(told[1].time >= told[0].time);
	assert_true(told[2].time >= told[0].time + 3600000 - 1000);
	tear_down();
}

static void test_pages(void **state)
{
	(void)state;
	build(5, 1000);
	assert_string_equal(page(0, 10), "");
	for (int i = 0; i < 8; i++)
		append("x");
	mailbox_open(box, 1000);
	assert_string_equal(page(0, 10), "4 5 6 7 8");
	assert_string_equal(page(0, 2), "7 8+");
	assert_string_equal(page(7, 2), "5 6+");
	assert_string_equal(page(6, 2), "4 5");
	assert_string_equal(page(4, 2), "");
	tear_down();
}

static void test_bounds_in_bytes(void **state)
{
	(void)state;
	build(100, 10);
	append("1234");
	append("5678");
	append("90");
	mailbox_open(box, 1000);
	assert_string_equal(page(0, 10), "1 2 3");
	append("x");
	mailbox_open(box, 1000);
	assert_string_equal(page(0, 10), "2 3 4");
	append("a body that is larger than all");
	mailbox_open(box, 1000);
	assert_string_equal(page(0, 10), "2 3 4");
	append("0123456789");
	mailbox_open(box, 1000);
	assert_string_equal(page(0, 10), "6");
	tear_down();
}

static void test_no_past(void **state)
{
	(void)state;
	build(0, 1000);
	append("x");
	mailbox_open(box, 1000);
	assert_int_equal(told[0].seq, 1);
	assert_string_equal(page(0, 10), "");
	tear_down();
}

static void test_silence_after_unsubscribing(void **state)
{
	char epoch[JOURNAL_EPOCH_MAX];

	(void)state;
	build(10, 1000);
	append("x");
	journal->ops->read_before(room, 0, 5, &told[1]);
	journal->ops->unsubscribe(room);
	mailbox_open(box, 1000);
	assert_int_equal(n_told, 0);
	room = subscribe();
	mailbox_open(box, 1000);
	strcpy(epoch, told[0].epoch);
	assert_int_equal(told[0].seq, 0);
	journal->ops->unsubscribe(room);
	room = subscribe();
	mailbox_open(box, 1000);
	assert_string_not_equal(told[1].epoch, epoch);
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),	cmocka_unit_test(test_time_never_falls),
		cmocka_unit_test(test_pages),	cmocka_unit_test(test_bounds_in_bytes),
		cmocka_unit_test(test_no_past), cmocka_unit_test(test_silence_after_unsubscribing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
