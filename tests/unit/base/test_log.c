/*
 * Unit tests of base/log: lines caught from stderr by a pipe and from a
 * journald of our own, bounds, limits, and log_quote with hostile bytes cut
 * at every size.
 */
#include <config.h>

#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#define ELLIPSIS "\xe2\x80\xa6"
#define STAMP_LEN 25


/* ---- catching stderr ---- */

static int real_stderr = -1, pipe_end = -1;
static char caught[65536];

static void catch_stderr(void)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	fflush(stderr);
	real_stderr = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	pipe_end = ends[0];
}

/* What came since; stderr is the real one again. */
static const char *caught_stderr(void)
{
	size_t at = 0;
	ssize_t n;

	while ((n = read(pipe_end, caught + at, sizeof(caught) - 1 - at)) > 0)
		at += (size_t)n;
	caught[at] = '\0';
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(pipe_end);
	real_stderr = pipe_end = -1;
	return caught;
}

static int fresh(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	clock_set_offset(0, 0);
	return log_open(LOG_TARGET_STDERR, LOG_LEVEL_INFO, "natter-test");
}

static int tidy(void **state)
{
	if (real_stderr >= 0)
		caught_stderr();
	log_close();
	return fresh(state);
}

static size_t lines_in(const char *s)
{
	size_t n = 0;

	while ((s = strchr(s, '\n'))) {
		n++;
		s++;
	}
	return n;
}


/* ---- stderr ---- */

static void set_wall(int64_t ms)
{
	clock_set_offset(0, 0);
	clock_set_offset(0, ms - clock_wall_ms());
}

static void stderr_line_with_time(void **state)
{
	const int64_t then = INT64_C(1795222923456); /* 2026-11-21T01:02:03.456Z */
	unsigned ms;

	(void)state;
	catch_stderr();
	set_wall(then);
	log_info("listening", "name=%s address=%s", "main", "127.0.0.1:9600");
	caught_stderr();
	assert_memory_equal(caught, "2026-11-21T01:02:0", 18);
	assert_int_equal(sscanf(caught + 20, "%3uZ", &ms), 1);
	assert_int_equal(caught[19], '.');
	assert_string_equal(caught + 23, "Z info: listening name=main address=127.0.0.1:9600\n");
}

static void stderr_line_for_journald(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "8:12345", 1);
	catch_stderr();
	log_warning("slow disk", "ms=%d", 7);
	log_error("gone", "");
	assert_string_equal(caught_stderr(), "warning: slow disk ms=7\nerror: gone\n");
}

static void levels(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "8:12345", 1);
	catch_stderr();
	log_debug("one", "");
	log_line(LOG_LEVEL_DEBUG, "two", "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("three", "a=%d", 1);
	log_set_level(LOG_LEVEL_ERROR);
	assert_true(log_enabled(LOG_LEVEL_ERROR));
	assert_false(log_enabled(LOG_LEVEL_WARNING));
	log_warning("four", "");
	log_error("five", "");
	assert_string_equal(caught_stderr(), "debug: three a=1\nerror: five\n");
}

static void parses_words(void **state)
{
	(void)state;
	assert_int_equal(log_level_parse("error"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_parse("warning"), LOG_LEVEL_WARNING);
	assert_int_equal(log_level_parse("info"), LOG_LEVEL_INFO);
	assert_int_equal(log_level_parse("debug"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("Info"), -1);
	assert_int_equal(log_level_parse(""), -1);
	assert_int_equal(log_target_parse("stderr"), LOG_TARGET_STDERR);
	assert_int_equal(log_target_parse("syslog"), LOG_TARGET_SYSLOG);
	assert_int_equal(log_target_parse("journald"), LOG_TARGET_JOURNALD);
	assert_int_equal(log_target_parse("stdout"), -1);
}

static void errno_is_left_alone(void **state)
{
	(void)state;
	catch_stderr();
	errno = ENOTTY;
	log_info("x", "%s", "y");
	assert_int_equal(errno, ENOTTY);
	close(STDERR_FILENO);
	errno = ENOTTY;
	log_info("nowhere to go", "");
	assert_int_equal(errno, ENOTTY);
	caught_stderr();
}

static void controls_do_not_make_lines(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "8:12345", 1);
	catch_stderr();
	log_info("x", "a=%s", "1\nerror: forged\x1b[2J\x7f");
	assert_string_equal(caught_stderr(), "info: x a=1?error: forged?[2J?\n");
}

/* Lines of every length around the bound, of one to three bytes a character. */
static void long_lines_are_cut_at_a_character(void **state)
{
	static const char *const chars[] = {"x", "\xc3\xa4", "\xe2\x82\xac"};
	char value[4096];

	(void)state;
	for (int stamped = 0; stamped < 2; stamped++) {
		if (stamped)
			unsetenv("JOURNAL_STREAM");
		else
			setenv("JOURNAL_STREAM", "8:12345", 1);
		for (size_t c = 0; c < 3; c++) {
			size_t width = strlen(chars[c]);

			for (size_t len = 1990; len < 2060; len++) {
				char *text, *end;
				size_t text_len;

				memset(value, 'a', sizeof(value));
				for (size_t i = len % width; i < len; i += width)
					memcpy(value + i, chars[c], width);
				value[len] = '\0';
				catch_stderr();
				log_info("e", "v=%s", value);
				caught_stderr();
				text = caught + (stamped ? STAMP_LEN : 0);
				text_len = strlen(text);
				assert_true(strlen(caught) <= 2048);
				assert_int_equal(lines_in(caught), 1);
				assert_int_equal(text[text_len - 1], '\n');
				assert_memory_equal(text, "info: e v=", 10);
				text[text_len - 1] = '\0';
				end = strstr(text, ELLIPSIS);
				if (!end) {
					assert_string_equal(text + 10, value);
					continue;
				}
				assert_string_equal(end, ELLIPSIS);
				assert_true(text_len >= 2048 - STAMP_LEN - width);
				assert_memory_equal(text + 10, value, (size_t)(end - text) - 10);
				assert_int_equal((size_t)(end - text - 10 - (ptrdiff_t)(len % width)) % width, 0);
			}
		}
	}
}

static void long_event(void **state)
{
	char event[5000];

	(void)state;
	memset(event, 'e', sizeof(event) - 1);
	event[sizeof(event) - 1] = '\0';
	setenv("JOURNAL_STREAM", "8:12345", 1);
	catch_stderr();
	log_info(event, "a=%d", 1);
	caught_stderr();
	assert_true(strlen(caught) <= 2048);
	assert_string_equal(caught + strlen(caught) - 5, "e" ELLIPSIS "\n");
}

static void *log_often(void *arg)
{
	char value[201];

	memset(value, *(char *)arg, 200);
	value[200] = '\0';
	for (int i = 0; i < 15; i++) {
		log_info("from a thread", "v=%s", value);
		log_set_level(LOG_LEVEL_INFO);
	}
	return NULL;
}

/* Four threads at once, writing less than any pipe holds. */
static void lines_are_never_interleaved(void **state)
{
	static char letters[] = "abcd";
	size_t counts[4] = {0};
	pthread_t threads[4];
	char *line, *rest = caught;

	(void)state;
	catch_stderr();
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_often, &letters[i]), 0);
	log_open(LOG_TARGET_STDERR, LOG_LEVEL_INFO, "natter-test"); /* in the middle of it */
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	caught_stderr();
	while ((line = strtok_r(rest, "\n", &rest))) {
		const char *value = line + STAMP_LEN + strlen("info: from a thread v=");

		assert_int_equal(strlen(line), STAMP_LEN + strlen("info: from a thread v=") + 200);
		assert_in_range(*value, 'a', 'd');
		assert_int_equal(strspn(value, (char[]){*value, '\0'}), 200);
		counts[*value - 'a']++;
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(counts[i], 15);
}


/* ---- limits ---- */

static void flood(int times)
{
	for (int i = 0; i < times; i++)
		log_limited(LOG_LEVEL_INFO, "refused", "n=%d", i);
}

static void limited_to_ten_a_second(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "8:12345", 1);
	clock_set_offset(1000000, 0);
	catch_stderr();
	flood(1000);
	assert_int_equal(lines_in(caught_stderr()), 10);
	assert_null(strstr(caught, "suppressed"));
	assert_non_null(strstr(caught, "info: refused n=9\n"));

	clock_set_offset(1002000, 0);
	catch_stderr();
	flood(12);
	caught_stderr();
	assert_int_equal(lines_in(caught), 10);
	assert_memory_equal(caught, "info: refused n=0 suppressed=990\ninfo: refused n=1\n", 50);

	clock_set_offset(1004000, 0);
	catch_stderr();
	flood(1);
	assert_string_equal(caught_stderr(), "info: refused n=0 suppressed=2\n");
}

static void limits_are_per_place(void **state)
{
	(void)state;
	clock_set_offset(2000000, 0);
	catch_stderr();
	for (int i = 0; i < 20; i++) {
		log_limited(LOG_LEVEL_INFO, "one", "");
		log_limited(LOG_LEVEL_INFO, "two", "");
		log_limited(LOG_LEVEL_DEBUG, "three", "");
	}
	assert_int_equal(lines_in(caught_stderr()), 20);
}

static void suppressed_survives_a_long_line(void **state)
{
	struct log_limit limit = {.suppressed = UINT32_MAX};
	char value[3000];

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	catch_stderr();
	log_line_limited(&limit, LOG_LEVEL_INFO, "e", "v=%s", value);
	caught_stderr();
	assert_true(strlen(caught) <= 2048);
	assert_non_null(strstr(caught, "v" ELLIPSIS " suppressed=4294967295\n"));
	assert_int_equal(limit.suppressed, 0);
}

static void *flood_a_place(void *arg)
{
	for (int i = 0; i < 1000; i++)
		log_line_limited(arg, LOG_LEVEL_INFO, "flood", "");
	return NULL;
}

static void limited_from_threads(void **state)
{
	static struct log_limit limit;
	pthread_t threads[4];

	(void)state;
	catch_stderr();
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, flood_a_place, &limit), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(lines_in(caught_stderr()) % 10, 0); /* some seconds of ten each */
	assert_true(limit.suppressed > 0);
}


/* ---- journald ---- */

static char journald_dir[64], journald_path[80];
static int fake_journald = -1;

static void listen_as_journald(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", journald_path);
	unlink(journald_path);
	fake_journald = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(bind(fake_journald, (struct sockaddr *)&addr, sizeof(addr)), 0);
	fcntl(fake_journald, F_SETFL, O_NONBLOCK);
}

static int journald_new(void **state)
{
	snprintf(journald_dir, sizeof(journald_dir), "/tmp/natter-test-log.XXXXXX");
	if (!mkdtemp(journald_dir))
		return -1;
	snprintf(journald_path, sizeof(journald_path), "%s/socket", journald_dir);
	log_set_journald_path(journald_path);
	listen_as_journald();
	return fresh(state);
}

static int journald_free(void **state)
{
	log_close();
	if (fake_journald >= 0)
		close(fake_journald);
	fake_journald = -1;
	unlink(journald_path);
	rmdir(journald_dir);
	return tidy(state);
}

static void assert_journal(const char *datagram, size_t len)
{
	char buf[8192];
	ssize_t n = recv(fake_journald, buf, sizeof(buf), 0);

	assert_int_equal(n, len);
	assert_memory_equal(buf, datagram, len);
}

static void journald_fields(void **state)
{
	static const char info[] = "PRIORITY=6\nSYSLOG_IDENTIFIER=natter-test\nMESSAGE=info: listening a=1\n";
	static const char error[] = "PRIORITY=3\nSYSLOG_IDENTIFIER=natter-test\nMESSAGE=error: gone\n";

	(void)state;
	catch_stderr();
	assert_int_equal(log_open(LOG_TARGET_JOURNALD, LOG_LEVEL_DEBUG, "natter-test"), 0);
	log_info("listening", "a=%d", 1);
	log_error("gone", "");
	assert_journal(info, sizeof(info) - 1);
	assert_journal(error, sizeof(error) - 1);
	log_close();
	assert_string_equal(caught_stderr(), "");
}

static void journald_takes_newlines_as_data(void **state)
{
	static const char expected[] = "PRIORITY=4\nSYSLOG_IDENTIFIER=natter-test\nMESSAGE\n"
				       "\x15\0\0\0\0\0\0\0warning: e 1\nFORGED=2\n";

	(void)state;
	log_open(LOG_TARGET_JOURNALD, LOG_LEVEL_INFO, "natter-test");
	log_warning("e", "%s", "1\nFORGED=2");
	assert_journal(expected, sizeof(expected) - 1);
}

static void journald_lines_are_bounded(void **state)
{
	char value[5000], buf[8192];
	ssize_t n;

	(void)state;
	memset(value, '\n', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_open(LOG_TARGET_JOURNALD, LOG_LEVEL_INFO, "natter-test");
	log_info("e", "v=%s", value);
	n = recv(fake_journald, buf, sizeof(buf), 0);
	assert_in_range(n, 2000, 2200);
	assert_memory_equal(buf + n - 4, ELLIPSIS "\n", 4);
}

static void journald_out_of_reach(void **state)
{
	char long_path[300];

	(void)state;
	setenv("JOURNAL_STREAM", "8:12345", 1);
	close(fake_journald);
	fake_journald = -1;
	unlink(journald_path);
	errno = 0;
	assert_int_equal(log_open(LOG_TARGET_JOURNALD, LOG_LEVEL_INFO, "natter-test"), -1);
	assert_int_equal(errno, ENOENT);
	catch_stderr();
	log_info("still here", "");
	assert_string_equal(caught_stderr(), "info: still here\n");

	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	log_set_journald_path(long_path);
	assert_int_equal(log_open(LOG_TARGET_JOURNALD, LOG_LEVEL_INFO, "natter-test"), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	log_set_journald_path(journald_path);
}

static void journald_restarts(void **state)
{
	static const char again[] = "PRIORITY=6\nSYSLOG_IDENTIFIER=natter-test\nMESSAGE=info: again\n";

	(void)state;
	setenv("JOURNAL_STREAM", "8:12345", 1);
	log_open(LOG_TARGET_JOURNALD, LOG_LEVEL_INFO, "natter-test");
	close(fake_journald);
	fake_journald = -1;
	catch_stderr();
	log_info("meanwhile", "");
	log_info("meanwhile", "b=2");
	assert_string_equal(caught_stderr(), "info: meanwhile\ninfo: meanwhile b=2\n");
	for (int i = 0; i < 2; i++) { /* at first it was gone meanwhile, then it is another one at once */
		if (fake_journald >= 0)
			close(fake_journald);
		listen_as_journald();
		log_info("again", "");
		assert_journal(again, sizeof(again) - 1);
	}
}

/* A journald that does not read must not stop us: what it cannot take (Linux queues 10 to 512) goes to stderr. */
static void journald_stuck(void **state)
{
	size_t sent = 0;
	char buf[8192];

	(void)state;
	setenv("JOURNAL_STREAM", "8:12345", 1);
	log_open(LOG_TARGET_JOURNALD, LOG_LEVEL_INFO, "natter-test");
	catch_stderr();
	for (int i = 0; i < 700; i++)
		log_info("e", "i=%d", i);
	caught_stderr();
	while (recv(fake_journald, buf, sizeof(buf), 0) > 0)
		sent++;
	assert_in_range(sent, 1, 699);
	assert_int_equal(sent + lines_in(caught), 700);
}

static void syslog_takes_lines(void **state)
{
	(void)state;
	catch_stderr();
	assert_int_equal(log_open(LOG_TARGET_SYSLOG, LOG_LEVEL_INFO, "natter-test"), 0);
	log_debug("unit test", "");
	log_close();
	log_info("back on stderr", "");
	caught_stderr();
	assert_string_equal(caught + STAMP_LEN, "info: back on stderr\n");
}


/* ---- log_quote ---- */

static void assert_quoted(const char *value, size_t len, const char *expected)
{
	char buf[256];

	assert_ptr_equal(log_quote(buf, sizeof(buf), value, len), buf);
	assert_string_equal(buf, expected);
}

#define QUOTED(value, expected) assert_quoted(value, sizeof(value) - 1, expected)

static void quotes_what_needs_it(void **state)
{
	(void)state;
	QUOTED("plain", "plain");
	QUOTED("127.0.0.1:80/path?x'y", "127.0.0.1:80/path?x'y");
	QUOTED("J\xc3\xb6rg", "J\xc3\xb6rg");
	QUOTED("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
	QUOTED("", "\"\"");
	QUOTED("a b", "\"a b\"");
	QUOTED("a=b", "\"a=b\"");
	QUOTED("say \"hi\"", "\"say \\\"hi\\\"\"");
	QUOTED("c:\\x", "\"c:\\\\x\"");
	QUOTED("a\nb\x7f\0c", "\"a\\x0ab\\x7f\\x00c\"");
	QUOTED("\xc2\x9b" "2J", "\"\\xc2\\x9b2J\"");
	QUOTED("\xff\xc3", "\"\\xff\\xc3\"");
	QUOTED("\xc0\xaf", "\"\\xc0\\xaf\"");
	QUOTED("\xed\xa0\x80", "\"\\xed\\xa0\\x80\"");
	QUOTED("\xe0\x9f\xbf", "\"\\xe0\\x9f\\xbf\"");
	QUOTED("\xf0\x8f\xbf\xbf", "\"\\xf0\\x8f\\xbf\\xbf\"");
	QUOTED("\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"");
	QUOTED("\xe2\x82", "\"\\xe2\\x82\"");
}

static void cuts(void **state)
{
	char buf[16];

	(void)state;
	assert_string_equal(log_quote(buf, 8, "1234567", 7), "1234567");
	assert_string_equal(log_quote(buf, 8, "12345678", 8), "1234" ELLIPSIS);
	assert_string_equal(log_quote(buf, 9, "12345\xe2\x82\xac", 8), "12345\xe2\x82\xac");
	assert_string_equal(log_quote(buf, 8, "12345\xe2\x82\xac", 8), "1234" ELLIPSIS);
	assert_string_equal(log_quote(buf, 8, "123\xe2\x82\xac" "78", 8), "123" ELLIPSIS);
	assert_string_equal(log_quote(buf, 8, "a b c", 5), "\"a b c\"");
	assert_string_equal(log_quote(buf, 8, "a b cd", 6), "\"a " ELLIPSIS "\"");
	assert_string_equal(log_quote(buf, 8, "\xff\xff", 2), "\"" ELLIPSIS "\"");
	assert_string_equal(log_quote(buf, 11, "\xff\xff", 2), "\"\\xff\\xff\"");
	assert_string_equal(log_quote(buf, 10, "\xff\xff", 2), "\"\\xff" ELLIPSIS "\"");
}

/* The quoted inside of LEN bytes, back as it was: its length. Fails on what must not be there. */
static size_t unquote(const char *s, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; n++) {
		unsigned byte;

		assert_true((unsigned char)s[i] >= 0x20 && s[i] != 0x7f && s[i] != '"');
		if (s[i] != '\\') {
			out[n] = s[i++];
		} else if (s[i + 1] != 'x') {
			assert_true(s[i + 1] == '"' || s[i + 1] == '\\');
			out[n] = s[i + 1];
			i += 2;
		} else {
			assert_true(i + 4 <= len);
			assert_int_equal(sscanf(s + i, "\\x%2x", &byte), 1);
			out[n] = (char)byte;
			i += 4;
		}
	}
	return n;
}

/* What comes out, whatever goes in: bounded, printable, and the beginning of the value. */
static void check_quote(const char *value, size_t len, size_t size)
{
	char *buf = malloc(size), back[512], *s = buf;
	size_t n, full = 0;
	bool was_cut;

	memset(buf, '#', size);
	log_quote(buf, size, value, len);
	n = strnlen(buf, size);
	assert_true(n < size);
	if (buf[0] == '"') {
		assert_true(n >= 2);
		assert_int_equal(buf[n - 1], '"');
		s = buf + 1;
		full = 2;
		n -= 2;
	} else {
		assert_true(n > 0);
		assert_null(memchr(buf, ' ', n));
		assert_null(memchr(buf, '=', n));
		assert_null(memchr(buf, '\\', n));
	}
	was_cut = n >= 3 && !memcmp(s + n - 3, ELLIPSIS, 3);
	full += n;
	n = unquote(s, was_cut ? n - 3 : n, back);
	assert_memory_equal(back, value, n);
	assert_true(was_cut ? n < len : n == len);
	assert_true(!was_cut || full + 7 >= size); /* not cut earlier than it had to */
	free(buf);
}

/* Bytes that mean trouble more often than not; never an ellipsis, which would look like a cut. */
static size_t hostile(uint32_t *random, char *value)
{
	static const char *const pieces[] = {
		"a", "Z9", " ", "=", "\"", "\\", "\n", "\x1b[", "\x7f", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
		"\xc2\x9b", "\xc2", "\xe2\x82", "\xf0\x9f", "\x80", "\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf5", "\\x41",
	};
	size_t len = 0, count, plain;

	*random = *random * 1664525 + 1013904223;
	count = (*random >> 16) % 24;
	plain = *random >> 30 ? sizeof(pieces) / sizeof(pieces[0]) : 2; /* one in four is plain */
	for (; count > 0; count--) {
		const char *p;

		*random = *random * 1664525 + 1013904223;
		p = pieces[(*random >> 16) % plain];
		memcpy(value + len, p, strlen(p));
		len += strlen(p);
	}
	return len;
}

static void hostile_bytes_at_every_size(void **state)
{
	uint32_t random = 3;
	char built[256];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		size_t len = hostile(&random, built);
		char *value = malloc(len ? len : 1); /* of its own, so that a byte too far is seen */

		memcpy(value, built, len);
		for (size_t size = 8; size < 4 * len + 12; size++)
			check_quote(value, len, size);
		free(value);
	}
}

static void every_byte_alone(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char value = (char)c;

		for (size_t size = 8; size < 12; size++)
			check_quote(&value, 1, size);
	}
}

static void too_small_a_buffer_is_not_overrun(void **state)
{
	(void)state;
	for (size_t size = 0; size < 8; size++) {
		char *buf = malloc(size + 1);

		buf[size] = '#';
		log_quote(buf, size, "a \xff", 3);
		assert_int_equal(buf[size], '#');
		assert_true(size == 0 || memchr(buf, '\0', size));
		free(buf);
	}
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, fresh, tidy)
#define JOURNALD_TEST(name) cmocka_unit_test_setup_teardown(name, journald_new, journald_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(stderr_line_with_time),
		LOG_TEST(stderr_line_for_journald),
		LOG_TEST(levels),
		LOG_TEST(parses_words),
		LOG_TEST(errno_is_left_alone),
		LOG_TEST(controls_do_not_make_lines),
		LOG_TEST(long_lines_are_cut_at_a_character),
		LOG_TEST(long_event),
		LOG_TEST(lines_are_never_interleaved),
		LOG_TEST(limited_to_ten_a_second),
		LOG_TEST(limits_are_per_place),
		LOG_TEST(suppressed_survives_a_long_line),
		LOG_TEST(limited_from_threads),
		JOURNALD_TEST(journald_fields),
		JOURNALD_TEST(journald_takes_newlines_as_data),
		JOURNALD_TEST(journald_lines_are_bounded),
		JOURNALD_TEST(journald_out_of_reach),
		JOURNALD_TEST(journald_restarts),
		JOURNALD_TEST(journald_stuck),
		LOG_TEST(syslog_takes_lines),
		cmocka_unit_test(quotes_what_needs_it),
		cmocka_unit_test(cuts),
		cmocka_unit_test(hostile_bytes_at_every_size),
		cmocka_unit_test(every_byte_alone),
		cmocka_unit_test(too_small_a_buffer_is_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
