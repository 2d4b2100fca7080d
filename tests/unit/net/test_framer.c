/*
 * framer: which form a message takes for whom, and that it is compressed once.
 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/framer.h"
#include "net/worker.h"
#include "wire/ws_deflate.h"

static struct worker *worker;
static struct shared_count total;

static int set_up(void **state)
{
	static const struct worker_ops ops;
	struct worker_opts o = { .ops = &ops, .total = &total, .max_connections = 10, .max_head = 4096,
				 .send_queue = 4096, .deflate_min = 100 };

	(void)state;
	worker = worker_new(&o);
	stats_use(worker_stats(worker));
	return worker == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	worker_free(worker);
	stats_use(NULL);
	return 0;
}

static int64_t deflated(void) { return stats_read(worker_stats(worker), STAT_deflated); }

static void expect_plain(struct framer *f, unsigned bits)
{
	struct framer_frame frame;

	framer_make(f, bits, &frame);
	assert_int_equal(frame.head[0], 0x80 | f->opcode);
	assert_ptr_equal(frame.body, f->data);
	assert_int_equal(frame.body_len, f->len);
}

static void expect_deflated(struct framer *f, unsigned bits)
{
	struct ws_inflater *i = ws_inflater_new(bits, false);
	struct framer_frame frame;
	char out[5000];
	size_t n;

	framer_make(f, bits, &frame);
	assert_int_equal(frame.head[0], 0xc0 | f->opcode);
	assert_int_equal(frame.head[1], frame.body_len);
	assert_int_equal(frame.head_len, 2);
	assert_true(frame.body_len < f->len);
	ws_inflater_begin(i, frame.body, frame.body_len);
	assert_int_equal(ws_inflater_run(i, out, sizeof(out), &n), WS_INFLATE_DONE);
	assert_int_equal(n, f->len);
	assert_memory_equal(out, f->data, n);
	ws_inflater_free(i);
}

static void test_forms(void **state)
{
	struct framer f;
	char text[2000];
	int64_t before = deflated();

	(void)state;
	memset(text, 'x', sizeof(text));

	framer_init(&f, worker, WS_OP_TEXT, text, 99); /* shorter than deflate_min */
	expect_plain(&f, 0);
	expect_plain(&f, 15);
	assert_int_equal(deflated(), before);

	framer_init(&f, worker, WS_OP_TEXT, text, 100);
	expect_plain(&f, 0);
	assert_int_equal(deflated(), before); /* not for nobody */
	for (unsigned bits = 8; bits <= 15; bits++)
		expect_deflated(&f, bits);
	expect_plain(&f, 0);
	assert_int_equal(deflated(), before + 1); /* once for all */

	framer_init(&f, worker, WS_OP_BINARY, text, 1025); /* larger than a window of 2^10 */
	expect_plain(&f, 8);
	expect_plain(&f, 10);
	assert_int_equal(deflated(), before + 1);
	expect_deflated(&f, 11);
	expect_plain(&f, 10);
	expect_deflated(&f, 15);
	assert_int_equal(deflated(), before + 2);
}

static void test_what_does_not_shrink(void **state)
{
	unsigned char noise[300];
	uint32_t seed = 1;
	struct framer f;
	int64_t before = deflated();

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (unsigned char)((seed = seed * 1664525 + 1013904223) >> 24);
	framer_init(&f, worker, WS_OP_BINARY, noise, sizeof(noise));
	expect_plain(&f, 15);
	expect_plain(&f, 9);
	assert_int_equal(deflated(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_what_does_not_shrink),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
