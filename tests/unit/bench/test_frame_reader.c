/* Unit tests of bench/frame_reader: whole, byte by byte, and cut everywhere; and what is refused. */
#include <config.h>

#include "bench/frame_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct seen {
	char log[4096]; /* "1:text 8:.. " : opcode, payload or its length */
	unsigned calls, stop_after;
	struct frame_reader *clear; /* at stop: as a client that goes */
};

static bool on_frame(void *arg, enum ws_opcode opcode, bool deflated, const unsigned char *data, size_t len)
{
	struct seen *s = arg;
	size_t at = strlen(s->log);

	if (deflated)
		s->log[at++] = 'z';
	if (len < 40)
		snprintf(s->log + at, sizeof(s->log) - at, "%x:%.*s ", (unsigned)opcode, (int)len,
			 (const char *)data);
	else
		snprintf(s->log + at, sizeof(s->log) - at, "%x:%zu:%c%c ", (unsigned)opcode, len, data[0],
			 data[len - 1]);
	if (++s->calls != s->stop_after)
		return true;
	if (s->clear)
		frame_reader_clear(s->clear);
	return false;
}

/* A frame with FIN as given; returns where the next one goes. */
static unsigned char *put(unsigned char *at, int first, const char *fill, size_t len)
{
	size_t head = ws_frame_encode(at, (enum ws_opcode)(first & 15), false, len);

	at[0] = (unsigned char)first;
	for (size_t i = 0; i < len; i++)
		at[head + i] = (unsigned char)fill[i % strlen(fill)];
	return at + head + len;
}

static unsigned char stream[200000];
static const char expected[] = "1:hello 1: 2:200:0x 9:p 1:abcdef a:q 1:70000:za 1:end 8: ";

static size_t make_stream(void)
{
	unsigned char *at = stream;

	at = put(at, 0x81, "hello", 5);
	at = put(at, 0x81, "x", 0);
	at = put(at, 0x82, "01234567890x", 200);
	at[-1] = 'x';
	at = put(at, 0x01, "ab", 2);
	at = put(at, 0x89, "p", 1); /* between the frames of a message */
	at = put(at, 0x00, "cd", 2);
	at = put(at, 0x80, "ef", 2);
	at = put(at, 0x8a, "q", 1);
	at = put(at, 0x81, "za", 70000);
	at = put(at, 0x81, "end", 3);
	at = put(at, 0x88, "x", 0);
	return (size_t)(at - stream);
}

/* In exact memory of its own, so that a sanitizer sees a step beyond it. */
static bool feed(struct frame_reader *r, const unsigned char *data, size_t len, struct seen *s)
{
	unsigned char *copy = malloc(len ? len : 1);
	bool ok;

	assert_non_null(copy);
	memcpy(copy, data, len);
	ok = frame_reader_read(r, copy, len, on_frame, s);
	free(copy);
	return ok;
}

static void whole(void **state)
{
	struct frame_reader r = {0};
	struct seen s = {0};

	(void)state;
	assert_true(feed(&r, stream, make_stream(), &s));
	assert_string_equal(s.log, expected);
	assert_null(r.kept); /* nothing was copied */
	frame_reader_clear(&r);
}

static void byte_by_byte(void **state)
{
	struct frame_reader r = {0};
	struct seen s = {0};
	size_t len = make_stream();

	(void)state;
	for (size_t i = 0; i < len; i++)
		assert_true(feed(&r, stream + i, 1, &s));
	assert_string_equal(s.log, expected);
	assert_int_equal(r.kept_len, 0);
	frame_reader_clear(&r);
}

static void cut_everywhere(void **state)
{
	size_t len = make_stream();

	(void)state;
	for (size_t cut = 1; cut < len; cut += cut < 300 || cut > len - 300 ? 1 : 997) {
		struct frame_reader r = {0};
		struct seen s = {0};

		assert_true(feed(&r, stream, cut, &s));
		assert_true(feed(&r, stream + cut, len - cut, &s));
		assert_string_equal(s.log, expected);
		frame_reader_clear(&r);
	}
}

/* The callback may end it, and clear the reader, wherever it is called. */
static void stopped(void **state)
{
	size_t len = make_stream();

	(void)state;
	for (unsigned after = 1; after <= 9; after++) {
		for (int bytewise = 0; bytewise < 2; bytewise++) {
			struct frame_reader r = {0};
			struct seen s = {.stop_after = after, .clear = &r};
			size_t at = 0;

			while (at < len && feed(&r, stream + at, bytewise ? 1 : len, &s))
				at++;
			assert_int_equal(s.calls, after);
			assert_null(r.why);
			assert_null(r.kept);
			frame_reader_clear(&r);
		}
	}
}

static void refuse(const unsigned char *bytes, size_t len, const char *why)
{
	for (int bytewise = 0; bytewise < 2; bytewise++) {
		struct frame_reader r = {0};
		struct seen s = {0};
		bool ok = true;

		for (size_t at = 0; ok && at < len; at += bytewise ? 1 : len)
			ok = feed(&r, bytes + at, bytewise ? 1 : len, &s);
		assert_false(ok);
		assert_string_equal(r.why, why);
		frame_reader_clear(&r);
	}
}

static void refused(void **state)
{
	(void)state;
	refuse((const unsigned char *)"\x81\x81mask!", 7, "the server masks its frames");
	refuse((const unsigned char *)"\xc1\x01!", 3, "a frame has a reserved bit set");
	refuse((const unsigned char *)"\x80\x01!", 3, "a message's frames are not in order");
	refuse((const unsigned char *)"\x01\x01!\x81\x01!", 6, "a message's frames are not in order");
	refuse((const unsigned char *)"\x83\x01!", 3, "a frame has a reserved opcode");
	refuse((const unsigned char *)"\x81\x7f\0\0\0\0\x01\0\0\x01", 10, "a frame is too long");
}

/* RSV1 counts where it was agreed on, at a message's first frame. */
static void deflated(void **state)
{
	static const unsigned char frames[] = "\xc1\x01!\x81\x01?\x41\x01"
					      "a\x89\x00\x80\x01"
					      "b\x01\x01"
					      "c\xc0\x01"
					      "d";
	struct frame_reader r = {.deflate = true};
	struct seen s = {0};

	(void)state;
	assert_false(feed(&r, frames, sizeof(frames) - 1, &s));
	assert_string_equal(s.log, "z1:! 1:? 9: z1:ab ");
	assert_string_equal(r.why, "a frame has a reserved bit set");
	frame_reader_clear(&r);
	r.deflate = true;
	assert_false(feed(&r, (const unsigned char *)"\xc9\x00", 2, &s));
	frame_reader_clear(&r);
	r.deflate = true;
	assert_false(feed(&r, (const unsigned char *)"\xa1\x00", 2, &s));
	frame_reader_clear(&r);
}

static void message_too_long(void **state)
{
	const size_t part = FRAME_READER_MAX / 2;
	unsigned char *frames = malloc(2 * (part + 20)), *end;
	struct frame_reader r = {0};
	struct seen s = {0};

	(void)state;
	assert_non_null(frames);
	end = put(frames, 0x01, "x", part);
	assert_true(frame_reader_read(&r, frames, (size_t)(end - frames), on_frame, &s));
	end = put(frames, 0x80, "x", part + 1);
	assert_false(frame_reader_read(&r, frames, (size_t)(end - frames), on_frame, &s));
	assert_string_equal(r.why, "a message is too long");
	frame_reader_clear(&r);
	free(frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole),
	    cmocka_unit_test(byte_by_byte),
	    cmocka_unit_test(cut_everywhere),
	    cmocka_unit_test(stopped),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(deflated),
	    cmocka_unit_test(message_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
