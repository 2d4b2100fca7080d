/*
 * A ring whose kernel misbehaves: io_uring_submit_and_wait() is ours here and
 * plays the kernel's part on the ring's own memory.
 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <liburing.h>

static int fake_submit_and_wait(struct io_uring *io, unsigned wait);

/* A copy of it all under other names, for the library's is linked as well. */
#define io_uring_submit_and_wait fake_submit_and_wait
#define ring_new faked_ring_new
#define ring_send faked_ring_send
#define ring_free faked_ring_free
struct ring;
struct sender_job;
struct ring *ring_new(const char **why);
int ring_send(struct ring *r, struct sender_job *jobs, size_t n);
void ring_free(struct ring *r);
#include "net/ring.c"

/* What the kernel does at each call: it takes, tells the ends of and returns so much. */
static struct step {
	unsigned take, tell;
	int result; /* of the last one told; 0: as the others, the job's length */
	int rc;
} steps[4];
static unsigned calls, told;

static int fake_submit_and_wait(struct io_uring *io, unsigned wait)
{
	const struct step *s = &steps[calls++];
	unsigned tail = *io->cq.ktail;

	assert_in_range(wait, 1, SENDER_BATCH);
	for (unsigned i = 0; i < s->tell; i++) {
		struct io_uring_cqe *cqe = &io->cq.cqes[(tail + i) & *io->cq.kring_mask];

		cqe->user_data = told++;
		cqe->res = i + 1 == s->tell && s->result ? s->result : 5;
	}
	*io->cq.ktail = tail + s->tell;
	*io->sq.khead += s->take;
	return s->rc;
}

static struct sender_job jobs[10];

/* Ten jobs of five bytes against these steps; returns ring_send()'s verdict. */
static int play(const struct step *what, size_t n)
{
	const char *why;
	struct ring *r = ring_new(&why);
	int rc;

	if (r == NULL) {
		print_message("no io_uring here: %s\n", why);
		skip();
	}
	memset(steps, 0, sizeof(steps));
	memcpy(steps, what, n * sizeof(*what));
	calls = told = 0;
	for (size_t i = 0; i < 10; i++)
		jobs[i] = (struct sender_job){ .fd = -1, .data = "12345", .len = 5 };
	rc = ring_send(r, jobs, 10);
	assert_int_equal(calls, n);
	ring_free(r);
	return rc;
}

static void expect(size_t from, size_t to, int result)
{
	for (size_t i = from; i < to; i++)
		assert_int_equal(jobs[i].result, result);
}

static void test_taken_bit_by_bit(void **state)
{
	static const struct step s[] = { { 3, 3, 0, 3 }, { 0, 0, 0, -EINTR }, { 7, 6, -EAGAIN, 7 }, { 0, 1, 0, 0 } };

	(void)state;
	assert_int_equal(play(s, 4), 0);
	expect(0, 8, 5);
	expect(8, 9, -EAGAIN);
	expect(9, 10, 5);
}

static void test_fails_at_once(void **state)
{
	static const struct step s[] = { { 0, 0, 0, -ENOMEM } };

	(void)state;
	assert_int_equal(play(s, 1), -1);
	expect(0, 10, SENDER_UNSENT);
}

/* Three were sent; two were taken and never heard of again; five were not taken. */
static void test_fails_in_the_middle(void **state)
{
	static const struct step s[] = { { 4, 3, 0, 4 }, { 1, 0, 0, -EBADF } };

	(void)state;
	assert_int_equal(play(s, 2), -1);
	expect(0, 3, 5);
	expect(3, 5, -EIO);
	expect(5, 10, SENDER_UNSENT);
}

/* All were done before the error was told. */
static void test_fails_after_the_end(void **state)
{
	static const struct step s[] = { { 10, 10, 0, -EBADF } };

	(void)state;
	assert_int_equal(play(s, 1), 0);
	expect(0, 10, 5);
}

static void test_refuses_a_job(void **state)
{
	static const int results[] = { -EINVAL, -EACCES, -EOPNOTSUPP, -ECANCELED };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const struct step s[] = { { 10, 4, results[i], 10 }, { 0, 6, 0, 0 } };

		assert_int_equal(play(s, 2), -1);
		expect(0, 3, 5);
		expect(3, 4, SENDER_UNSENT);
		expect(4, 10, 5);
	}
}

/* Nothing but a send goes through. */
static void test_is_restricted(void **state)
{
	const char *why;
	struct ring *r = ring_new(&why);
	struct io_uring_cqe *cqe;

	(void)state;
	if (r == NULL)
		skip();
	io_uring_prep_nop(io_uring_get_sqe(&r->io));
	io_uring_submit(&r->io);
	assert_int_equal(io_uring_peek_cqe(&r->io, &cqe), 0);
	assert_int_equal(cqe->res, -EACCES);
	ring_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken_bit_by_bit),
		cmocka_unit_test(test_fails_at_once),
		cmocka_unit_test(test_fails_in_the_middle),
		cmocka_unit_test(test_fails_after_the_end),
		cmocka_unit_test(test_refuses_a_job),
		cmocka_unit_test(test_is_restricted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
