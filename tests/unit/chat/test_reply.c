#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/stats.h"
#include "chat/reply.h"

#include <jansson.h>

/* A client: the last text it was sent, and how many there were. */
struct client {
	struct sink sink;
	char text[1024];
	size_t len;
	unsigned n;
};

static void on_send(struct sink *s, const char *text, size_t len)
{
	struct client *c = (struct client *)s;

	assert_true(len < sizeof(c->text));
	memcpy(c->text, text, len);
	c->text[len] = '\0';
	c->len = len;
	c->n++;
}

static const struct sink_ops ops = { .send = on_send };

static void expect_error(enum reply r, const char *detail, const char *want)
{
	struct client c = { .sink = { &ops } };

	reply_error(&c.sink, r, detail);
	assert_int_equal(c.n, 1);
	assert_string_equal(c.text, want);
	assert_int_equal(c.len, strlen(want));
}

static void test_bytes(void **state)
{
	(void)state;
	expect_error(REPLY_rate_limited, NULL,
		     "{\"type\":\"error\",\"code\":\"rate_limited\",\"message\":\"too many messages for too long\"}");
	expect_error(REPLY_name_taken, "ann",
		     "{\"type\":\"error\",\"code\":\"name_taken\",\"message\":\"somebody else has this name: ann\"}");
	expect_error(REPLY_name_taken, "",
		     "{\"type\":\"error\",\"code\":\"name_taken\",\"message\":\"somebody else has this name: \"}");
	expect_error(REPLY_name_taken, "\xc3\xa9 \"x\"\\\n",
		     "{\"type\":\"error\",\"code\":\"name_taken\","
		     "\"message\":\"somebody else has this name: \xc3\xa9 \\\"x\\\"\\\\\\n\"}");
}

/* What is not UTF-8 never reaches a client: it would take the connection for broken. */
static void test_detail_that_is_no_utf8(void **state)
{
	(void)state;
	expect_error(REPLY_bad_request, "\xff",
		     "{\"type\":\"error\",\"code\":\"bad_request\",\"message\":\"the request is not understood\"}");
}

static void test_long_detail_is_cut(void **state)
{
	struct client c = { .sink = { &ops } };
	char detail[2000];
	json_t *o;

	(void)state;
	memset(detail, 'x', sizeof(detail) - 1);
	detail[sizeof(detail) - 1] = '\0';
	reply_error(&c.sink, REPLY_bad_request, detail);
	o = json_loadb(c.text, c.len, 0, NULL);
	assert_non_null(o);
	assert_int_equal(json_string_length(json_object_get(o, "message")), 511);
	json_decref(o);
}

static void test_every_row(void **state)
{
	(void)state;
	for (int r = 0; r < REPLY_COUNT; r++) {
		char want[256];

		snprintf(want, sizeof(want), "{\"type\":\"error\",\"code\":\"%s\",\"message\":\"%s\"}",
			 reply_code((enum reply)r), reply_text((enum reply)r));
		expect_error((enum reply)r, NULL, want);
	}
	assert_string_equal(reply_code(REPLY_bad_json), "bad_json");
	assert_string_equal(reply_text(REPLY_bad_json), "the message is not a JSON object");
}

static void test_errors_are_counted(void **state)
{
	static struct stats mine;
	struct client c = { .sink = { &ops } };

	(void)state;
	stats_use(&mine);
	reply_error(&c.sink, REPLY_bad_json, NULL);
	reply_error(&c.sink, REPLY_bad_json, "\xff");
	stats_use(NULL);
	assert_int_equal(stats_read(&mine, STAT_errors_sent), 2);
}

static void test_system(void **state)
{
	struct payload *p = reply_system("\"ann\" connected");

	(void)state;
	assert_non_null(p);
	assert_string_equal(p->data, "{\"type\":\"system\",\"message\":\"\\\"ann\\\" connected\"}");
	assert_int_equal(p->len, strlen(p->data));
	payload_unref(p);
	assert_null(reply_system("\xc3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),		   cmocka_unit_test(test_detail_that_is_no_utf8),
		cmocka_unit_test(test_long_detail_is_cut), cmocka_unit_test(test_every_row),
		cmocka_unit_test(test_errors_are_counted), cmocka_unit_test(test_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
