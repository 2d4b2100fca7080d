/*
 * Unit tests of base/mailbox: order, wake-ups counted one by one, and four
 * writers against a reader that really sleeps between.
 */
#include <config.h>

#include "base/mailbox.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#define NUMBERS 64

struct desk; /* a reader on the test's own thread */

struct note {
	struct letter letter;
	int number;
	int answers; /* letters that it posts when it is opened */
};

struct desk {
	struct mailbox *box;
	int wakes, count, next_answer;
	int opened[NUMBERS];
};

static void desk_wake(void *arg)
{
	((struct desk *)arg)->wakes++;
}

static void post(struct desk *d, int number, int answers);

static void note_open(struct letter *letter, void *reader)
{
	struct note *n = (struct note *)letter;
	struct desk *d = reader;

	d->opened[d->count++] = n->number;
	for (int i = 0; i < n->answers; i++)
		post(d, d->next_answer++, 0);
	free(n);
}

static void post(struct desk *d, int number, int answers)
{
	struct note *n = malloc(sizeof(*n));

	n->letter.open = note_open;
	n->number = number;
	n->answers = answers;
	mailbox_post(d->box, &n->letter);
}

static int desk_new(void **state)
{
	struct desk *d = calloc(1, sizeof(*d));

	d->box = mailbox_new(desk_wake, d, d);
	d->next_answer = 10;
	*state = d;
	return d->box ? 0 : -1;
}

static int desk_free(void **state)
{
	struct desk *d = *state;

	mailbox_free(d->box);
	free(d);
	return 0;
}

static void assert_opened(const struct desk *d, const int *numbers, int count)
{
	assert_int_equal(d->count, count);
	for (int i = 0; i < count; i++)
		assert_int_equal(d->opened[i], numbers[i]);
}

static void empty(void **state)
{
	struct desk *d = *state;

	assert_int_equal(mailbox_open(d->box, 10), 0);
	assert_int_equal(mailbox_open(d->box, 0), 0);
	assert_int_equal(d->wakes, 0);
	mailbox_free(NULL);
}

static void in_order_with_one_wake(void **state)
{
	struct desk *d = *state;

	for (int i = 1; i <= 3; i++)
		post(d, i, 0);
	assert_int_equal(d->wakes, 1);
	assert_int_equal(mailbox_open(d->box, 10), 3);
	assert_opened(d, (int[]){1, 2, 3}, 3);
	assert_int_equal(d->wakes, 1);
	post(d, 4, 0);
	assert_int_equal(d->wakes, 2);
	assert_int_equal(mailbox_open(d->box, 10), 1);
	assert_int_equal(mailbox_open(d->box, 10), 0); /* for nothing, as after a stale wake-up */
	post(d, 5, 0);
	assert_int_equal(d->wakes, 3);
	assert_int_equal(mailbox_open(d->box, 10), 1);
}

static void leftovers_wake_again(void **state)
{
	struct desk *d = *state;

	for (int i = 1; i <= 5; i++)
		post(d, i, 0);
	assert_int_equal(mailbox_open(d->box, 2), 2);
	assert_int_equal(d->wakes, 2);
	post(d, 6, 0); /* behind the others, and the reader was told already */
	assert_int_equal(d->wakes, 2);
	assert_int_equal(mailbox_open(d->box, 3), 3);
	assert_int_equal(d->wakes, 3); /* number 6 */
	assert_int_equal(mailbox_open(d->box, 0), 0);
	assert_int_equal(d->wakes, 4);
	assert_int_equal(mailbox_open(d->box, 1), 1);
	assert_int_equal(d->wakes, 4); /* exactly emptied */
	assert_opened(d, (int[]){1, 2, 3, 4, 5, 6}, 6);
	post(d, 7, 0);
	assert_int_equal(d->wakes, 5);
	assert_int_equal(mailbox_open(d->box, 9), 1);
}

static void what_a_letter_posts_is_opened_in_the_same_go(void **state)
{
	struct desk *d = *state;

	post(d, 1, 2); /* posts 10 and 11 */
	post(d, 2, 1); /* posts 12 */
	assert_int_equal(mailbox_open(d->box, 100), 5);
	assert_opened(d, (int[]){1, 2, 10, 11, 12}, 5);
	assert_int_equal(d->wakes, 1);
}

static void what_a_letter_posts_may_be_left_over(void **state)
{
	struct desk *d = *state;

	post(d, 1, 2);
	assert_int_equal(mailbox_open(d->box, 1), 1);
	assert_int_equal(d->wakes, 2);
	assert_int_equal(mailbox_open(d->box, 1), 1);
	assert_int_equal(d->wakes, 3);
	assert_int_equal(mailbox_open(d->box, 1), 1);
	assert_int_equal(d->wakes, 3);
	assert_opened(d, (int[]){1, 10, 11}, 3);
}

static struct letter *note(int number)
{
	struct note *n = calloc(1, sizeof(*n));

	n->letter.open = note_open;
	n->number = number;
	return &n->letter;
}

static void a_batch_is_posted_in_its_order_with_one_wake(void **state)
{
	struct desk *d = *state;
	struct letter_batch b = { NULL, NULL, 0 };

	mailbox_post_batch(d->box, &b);
	assert_int_equal(d->wakes, 0);
	assert_true(letter_batch_add(&b, note(1)));
	assert_false(letter_batch_add(&b, note(2)));
	assert_false(letter_batch_add(&b, note(3)));
	assert_int_equal(mailbox_open(d->box, 9), 0);
	mailbox_post_batch(d->box, &b);
	assert_null(b.newest);
	assert_int_equal(d->wakes, 1);
	post(d, 4, 0);
	assert_true(letter_batch_add(&b, note(5)));
	mailbox_post_batch(d->box, &b);
	assert_int_equal(d->wakes, 1);
	assert_int_equal(mailbox_waiting(d->box), 5);
	assert_int_equal(mailbox_open(d->box, 2), 2);
	assert_int_equal(mailbox_waiting(d->box), 3);
	assert_int_equal(mailbox_open(d->box, 9), 3);
	assert_int_equal(mailbox_waiting(d->box), 0);
	assert_opened(d, (int[]){1, 2, 3, 4, 5}, 5);
}

static void free_opens_the_rest(void **state)
{
	struct desk d = {.next_answer = 10};

	(void)state;
	d.box = mailbox_new(desk_wake, &d, &d);
	for (int i = 1; i <= 3; i++)
		post(&d, i, 1);
	mailbox_open(d.box, 1);
	post(&d, 4, 0);
	mailbox_free(d.box);
	assert_opened(&d, (int[]){1, 2, 3, 10, 4, 11, 12}, 7);
}


/* ---- threads ---- */

#define WRITERS 4
#define LETTERS 200000
#define PING_PONGS 10000
#define PATIENCE 60 /* seconds that the reader sleeps before it calls a wake-up lost */

struct hall {
	struct mailbox *box;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	bool awake; /* by the lock */
	atomic_size_t wakes;

	/* the reader's */
	uint32_t next[WRITERS]; /* the number that a writer's next letter has */
	size_t opened, wrong, sleeps;
};

struct writer {
	struct hall *hall;
	unsigned number;
	pthread_t thread;
	size_t letters, rush; /* how many, and how many of them without waiting for the reader */
	uint32_t burst;       /* after the rush, about one in so many waits for it */
	atomic_size_t answered;
};

struct mail {
	struct letter letter;
	struct writer *from;
	uint32_t number;
};

static void hall_wake(void *arg)
{
	struct hall *h = arg;

	h->wakes++;
	pthread_mutex_lock(&h->lock);
	h->awake = true;
	pthread_cond_signal(&h->woken);
	pthread_mutex_unlock(&h->lock);
}

/* Whether a wake-up came. */
static bool hall_sleep(struct hall *h)
{
	struct timespec until;
	bool awake;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE;
	pthread_mutex_lock(&h->lock);
	h->sleeps += !h->awake;
	while (!h->awake && pthread_cond_timedwait(&h->woken, &h->lock, &until) == 0)
		;
	awake = h->awake;
	h->awake = false;
	pthread_mutex_unlock(&h->lock);
	return awake;
}

static void mail_open(struct letter *letter, void *reader)
{
	struct mail *m = (struct mail *)letter;
	struct hall *h = reader;

	h->wrong += m->number != h->next[m->from->number]++;
	h->opened++;
	atomic_fetch_add(&m->from->answered, 1);
	free(m);
}

static void *write_letters(void *arg)
{
	struct writer *w = arg;
	struct letter_batch batch = { NULL, NULL, 0 };
	uint32_t random = w->number + 1;

	for (size_t i = 0; i < w->letters; i++) {
		struct mail *m = malloc(sizeof(*m));

		m->letter.open = mail_open;
		m->from = w;
		m->number = (uint32_t)i;
		random = random * 1664525 + 1013904223;
		letter_batch_add(&batch, &m->letter);
		if (i < w->rush && random >> 30)
			continue; /* more of them in one go */
		mailbox_post_batch(w->hall->box, &batch);
		while (i >= w->rush && (random >> 16) % w->burst == 0 && atomic_load(&w->answered) <= i)
			sched_yield();
	}
	mailbox_post_batch(w->hall->box, &batch);
	return NULL;
}

/* Reads until all letters came, sleeping between; false: a wake-up was lost. */
static bool read_all(struct hall *h, size_t total)
{
	uint32_t random = 99;

	while (h->opened < total) {
		if (!hall_sleep(h))
			return false;
		random = random * 1664525 + 1013904223;
		mailbox_open(h->box, 1 + (random >> 24) * (random >> 24) / 8);
	}
	return true;
}

static void correspond(struct hall *h, size_t letters, size_t rush, uint32_t burst, size_t writers)
{
	struct writer w[WRITERS] = {{0}};

	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->woken, NULL);
	h->box = mailbox_new(hall_wake, h, h);
	for (size_t i = 0; i < writers; i++) {
		w[i].hall = h;
		w[i].number = (unsigned)i;
		w[i].letters = letters;
		w[i].rush = rush;
		w[i].burst = burst;
		assert_int_equal(pthread_create(&w[i].thread, NULL, write_letters, &w[i]), 0);
	}
	assert_true(read_all(h, letters * writers));
	for (size_t i = 0; i < writers; i++)
		pthread_join(w[i].thread, NULL);
	assert_int_equal(mailbox_open(h->box, SIZE_MAX), 0); /* none twice, none more */
	assert_int_equal(h->opened, letters * writers);
	assert_int_equal(h->wrong, 0);
	for (size_t i = 0; i < writers; i++)
		assert_int_equal(h->next[i], letters);
	mailbox_free(h->box);
	pthread_cond_destroy(&h->woken);
	pthread_mutex_destroy(&h->lock);
}

static void four_writers(void **state)
{
	static struct hall h;

	(void)state;
	correspond(&h, LETTERS, LETTERS / 2, 32, WRITERS);
	print_message("%zu letters, %zu wake-ups, %zu sleeps\n", h.opened, (size_t)h.wakes, h.sleeps);
	assert_in_range(h.wakes, 1, h.opened - 1);
}

/* Each letter meets a reader about to sleep or asleep: a wake-up lost stops everything. */
static void ping_pong(void **state)
{
	static struct hall one, two;

	(void)state;
	correspond(&one, PING_PONGS, 0, 1, 1);
	correspond(&two, PING_PONGS, 0, 1, 2);
	print_message("%zu letters, %zu wake-ups, %zu sleeps\n", one.opened, (size_t)one.wakes, one.sleeps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(empty, desk_new, desk_free),
		cmocka_unit_test_setup_teardown(in_order_with_one_wake, desk_new, desk_free),
		cmocka_unit_test_setup_teardown(leftovers_wake_again, desk_new, desk_free),
		cmocka_unit_test_setup_teardown(what_a_letter_posts_is_opened_in_the_same_go, desk_new, desk_free),
		cmocka_unit_test_setup_teardown(what_a_letter_posts_may_be_left_over, desk_new, desk_free),
		cmocka_unit_test_setup_teardown(a_batch_is_posted_in_its_order_with_one_wake, desk_new, desk_free),
		cmocka_unit_test(free_opens_the_rest),
		cmocka_unit_test(four_writers),
		cmocka_unit_test(ping_pong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
