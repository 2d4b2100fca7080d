#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chat/json_text.h"
#include "chat/message.h"

static const struct message_limits limits = { 3, 5 };

static enum reply decode(const char *text, char *detail)
{
	struct message m;
	enum reply r = message_decode(&m, text, strlen(text), &limits, detail, 160);

	message_clear(&m);
	return r;
}

static void test_refused(void **state)
{
	char detail[160];

	(void)state;
	assert_int_equal(decode("{}", detail), REPLY_COUNT);
	assert_int_equal(decode("", detail), REPLY_bad_json);
	assert_int_equal(decode("[1]", detail), REPLY_bad_json);
	assert_string_equal(detail, "it is an array");
	assert_int_equal(decode("{\n  \"a\": nope}", detail), REPLY_bad_json);
	assert_non_null(strstr(detail, "line 2"));
	assert_null(strstr(detail, "nope"));
	assert_int_equal(decode("{\"a\":9223372036854775807}", detail), REPLY_COUNT);
	assert_int_equal(decode("{\"a\":9223372036854775808}", detail), REPLY_bad_json);
	assert_int_equal(decode("{\"a\":-9223372036854775809}", detail), REPLY_bad_json);
	assert_int_equal(decode("{\"a\":-0,\"b\":9223372036854775808}", detail), REPLY_bad_json);
}

static void test_bounds(void **state)
{
	char detail[160];

	(void)state;
	assert_int_equal(decode("{\"a\":[[1]]}", detail), REPLY_COUNT);
	assert_int_equal(decode("{\"a\":[[[1]]]}", detail), REPLY_too_complex);
	assert_string_equal(detail, "depth: 4, at most 3");
	assert_int_equal(decode("{\"a\":[1,2,3,4]}", detail), REPLY_COUNT);
	assert_int_equal(decode("{\"a\":[1,2,3,4,5]}", detail), REPLY_too_complex);
	assert_string_equal(detail, "members: 6, at most 5");
	/* what stands in strings does not count */
	assert_int_equal(decode("{\"a\":\"[[[[{{{,,,,,,\\\"[[[[[[,,,,,\"}", detail), REPLY_COUNT);
}

static char *encoded(const char *text, bool relayed)
{
	struct message m;
	char detail[160];
	struct payload *p;
	char *s;

	assert_int_equal(message_decode(&m, text, strlen(text), &limits, detail, sizeof(detail)), REPLY_COUNT);
	p = relayed ? message_encode_relayed(&m, "tea", 42, "") : message_encode(&m, "usermsg");
	s = strdup(p->data);
	assert_int_equal(strlen(s), p->len);
	payload_unref(p);
	message_clear(&m);
	return s;
}

static void expect_encoded(const char *text, bool relayed, const char *want)
{
	char *got = encoded(text, relayed);

	assert_string_equal(got, want);
	free(got);
}

static void test_encode(void **state)
{
	(void)state;
	expect_encoded("{\"message\":1}", false, "{\"message\":1,\"type\":\"usermsg\"");
	expect_encoded("{ \"type\" : \"x\", \"message\":\"\\u00e9\\/\" }", false, "{\"type\":\"x\",\"message\":\"é/\"");
	expect_encoded("{\"message\":1,\"seq\":9,\"room\":\"q\",\"time\":1,\"user\":\"root\"}", false,
		       "{\"message\":1,\"type\":\"usermsg\"");
	expect_encoded("{\"a\": -0}", true, "{\"a\":-0.0}");
	expect_encoded("{\"a\":-9223372036854775808}", true, "{\"a\":-9223372036854775808}");
}

/* What is compact, and has nothing that the server changes, goes on byte by byte; anything else is made anew. */
static void test_as_sent(void **state)
{
	char *got, detail[160];
	struct message m;
	struct payload *p;

	(void)state;
	expect_encoded("{\"message\":\"\\u00e9\\/\",\"n\":-0}", false, "{\"message\":\"\\u00e9\\/\",\"n\":-0,\"type\":\"usermsg\"");
	expect_encoded("{\"message\":1e2,\"type\":7}", false, "{\"message\":1e2,\"type\":7");
	expect_encoded("{\"x\":[1e2,{}]}", true, "{\"x\":[1e2,{}]}");
	/* white space, a member twice, also where it is spelled differently, a member of the server's in disguise */
	expect_encoded("{\"message\":1e2 }", false, "{\"message\":100.0,\"type\":\"usermsg\"");
	expect_encoded("{\"message\":1e2,\"message\":2}", false, "{\"message\":2,\"type\":\"usermsg\"");
	expect_encoded("{\"message\":1,\"\\u006dessage\":1e2}", false, "{\"message\":100.0,\"type\":\"usermsg\"");
	expect_encoded("{\"message\":1e2,\"\\u0073eq\":9}", false, "{\"message\":100.0,\"type\":\"usermsg\"");
	expect_encoded("{\"x\":1e2,\"tim\\u0065\":9}", true, "{\"x\":100.0,\"time\":42}");
	/* within, JSON.parse takes the last one, and gets both */
	expect_encoded("{\"x\":{\"a\":1,\"a\":2}}", true, "{\"x\":{\"a\":1,\"a\":2}}");

	/* a member that is taken out, or is not there to be taken out; a type that has to be escaped */
	assert_int_equal(message_decode(&m, "{\"message\":1e2,\"name\":7}", 24, &limits, detail, sizeof(detail)), REPLY_COUNT);
	message_take_out(&m, "cid");
	assert_non_null(m.text);
	message_take_out(&m, "name");
	p = message_encode(&m, "usermsg");
	assert_string_equal(p->data, "{\"message\":100.0,\"type\":\"usermsg\"");
	payload_unref(p);
	message_clear(&m);
	assert_int_equal(message_decode(&m, "{\"message\":1e2}", 15, &limits, detail, sizeof(detail)), REPLY_COUNT);
	p = message_encode(&m, "a\"b");
	assert_string_equal(p->data, "{\"message\":100.0,\"type\":\"a\\\"b\"");
	payload_unref(p);
	message_clear(&m);
	got = encoded("{\"message\":\"[{,\\\\\\\" :}\"}", false);
	assert_string_equal(got, "{\"message\":\"[{,\\\\\\\" :}\",\"type\":\"usermsg\"");
	free(got);
}

static void test_relayed(void **state)
{
	(void)state;
	expect_encoded("{}", true, "{}");
	expect_encoded("{\"a\":[true,null]}", true, "{\"a\":[true,null]}");
	expect_encoded("{\"room\":\"q\",\"seq\":1,\"time\":5,\"user\":\"u\"}", true, "{\"room\":\"tea\",\"time\":42}");
}

static void test_stamp(void **state)
{
	struct payload *body = payload_new("{\"message\":1", 12), *room = payload_new(",\"room\":\"tea\"", 13);
	struct payload *p = message_stamp(body, room, 18446744073709551615u, 1795229941605, "");

	(void)state;
	assert_string_equal(p->data, "{\"message\":1,\"room\":\"tea\",\"seq\":18446744073709551615,\"time\":1795229941605}");
	assert_int_equal(p->len, strlen(p->data));
	payload_unref(p);
	payload_unref(body);
	payload_unref(room);
}

static struct payload *open_text(const char *text) { return payload_new(text, strlen(text)); }

/* P, which is taken, is WANT. */
static void is_text(struct payload *p, const char *want)
{
	assert_non_null(p);
	assert_string_equal(p->data, want);
	assert_int_equal(p->len, strlen(want));
	payload_unref(p);
}

static void test_stamp_with_more(void **state)
{
	struct payload *body = open_text("{\"message\":1"), *where = open_text(",\"between\":[\"7\",\"9\"]");

	(void)state;
	is_text(message_stamp(body, where, 1, -5, ",\"edited\":9"),
		"{\"message\":1,\"between\":[\"7\",\"9\"],\"seq\":1,\"time\":-5,\"edited\":9}");
	payload_unref(body);
	payload_unref(where);
}

static void test_sign(void **state)
{
	struct payload *body = open_text("{\"message\":1e2");

	(void)state;
	is_text(message_sign(body, ",\"name\":\"ann\""), "{\"message\":1e2,\"name\":\"ann\"");
	is_text(message_sign(body, ""), "{\"message\":1e2");
	assert_string_equal(body->data, "{\"message\":1e2");
	payload_unref(body);
}

static void test_retype(void **state)
{
	struct payload *body = open_text("{\"message\":\"a\\u0000b\",\"type\":\"usermsg\",\"name\":\"ann\"");
	struct payload *bare = open_text("{\"message\":1"), *zero = open_text("{\"message\":-0,\"n\":[1,-0]");

	(void)state;
	is_text(message_retype(body, "edit"), "{\"message\":\"a\\u0000b\",\"type\":\"edit\",\"name\":\"ann\"");
	is_text(message_retype(bare, "a\"b"), "{\"message\":1,\"type\":\"a\\\"b\"");
	is_text(message_retype(zero, "edit"), "{\"message\":-0.0,\"n\":[1.0,-0.0],\"type\":\"edit\"");
	payload_unref(body);
	payload_unref(bare);
	payload_unref(zero);
}

static void test_without(void **state)
{
	struct payload *body = open_text("{\"message\":\"\\\"target\\\":1\",\"target\":[1],\"x\":{\"target\":2}");

	(void)state;
	is_text(message_without(payload_ref(body), "edited"), body->data);
	is_text(message_without(body, "target"), "{\"message\":\"\\\"target\\\":1\",\"x\":{\"target\":2}");
	assert_null(message_without(NULL, "target"));
}

static void test_amend(void **state)
{
	struct payload *body = open_text("{\"message\":\"old\",\"type\":\"usermsg\",\"x\":{\"a\":1},\"name\":\"ann\"");
	struct payload *change = open_text("{\"x\":[2],\"message\":null,\"y\":-0"), *none = open_text("{\"message\":1");

	(void)state;
	is_text(message_amend(body, none), "{\"message\":1,\"type\":\"usermsg\",\"x\":{\"a\":1},\"name\":\"ann\"");
	is_text(message_amend(body, change),
		"{\"message\":null,\"type\":\"usermsg\",\"x\":[2.0],\"name\":\"ann\",\"y\":-0.0");
	is_text(message_amend(none, none), "{\"message\":1");
	payload_unref(body);
	payload_unref(change);
	payload_unref(none);
}

/* NAME and user are who sent it, whatever the text says; "" is a guest's, whose name it may be. */
static void relayed_is(const char *text, const char *who, const char *want)
{
	struct message m;
	char detail[160];

	assert_int_equal(message_decode(&m, text, strlen(text), &limits, detail, sizeof(detail)), REPLY_COUNT);
	is_text(message_encode_relayed(&m, "tea", 42, who), want);
	message_clear(&m);
}

static void test_relayed_with_who(void **state)
{
	static const char ann[] = ",\"name\":\"ann\",\"user\":\"7\"", user[] = ",\"user\":\"7\"";

	(void)state;
	relayed_is("{\"type\":\"typing\"}", ann, "{\"type\":\"typing\",\"name\":\"ann\",\"user\":\"7\"}");
	relayed_is("{\"x\":1e2}", ann, "{\"x\":1e2,\"name\":\"ann\",\"user\":\"7\"}");
	relayed_is("{}", ann, "{\"name\":\"ann\",\"user\":\"7\"}");
	relayed_is("{\"name\":\"bob\",\"user\":\"8\",\"seq\":3}", ann, "{\"name\":\"ann\",\"user\":\"7\"}");
	relayed_is("{\"name\":\"bob\",\"user\":\"8\",\"time\":3}", ann, "{\"time\":42,\"name\":\"ann\",\"user\":\"7\"}");
	relayed_is("{\"n\\u0061me\":\"bob\",\"x\":1}", ann, "{\"x\":1,\"name\":\"ann\",\"user\":\"7\"}");
	relayed_is("{\"x\":1,\"name\":\"bob\"}", user, "{\"x\":1,\"user\":\"7\"}");
	relayed_is("{\"x\":1,\"name\":\"bob\",\"user\":\"8\"}", "", "{\"x\":1,\"name\":\"bob\"}");
	relayed_is("{\"room\":{},\"x\":1}", "", "{\"room\":\"tea\",\"x\":1}");
}

static void test_text_concat(void **state)
{
	char big[5001];

	(void)state;
	is_text(text_concat("", (char *)NULL), "");
	is_text(text_concat("a", (char *)NULL), "a");
	is_text(text_concat("a", "", "bc", "d", (char *)NULL), "abcd");
	memset(big, 'x', 5000);
	big[5000] = '\0';
	is_text(text_concat(big, (char *)NULL), big);
}

static void test_large(void **state)
{
	char text[20000] = "{\"message\":\"";
	char *got;

	(void)state;
	memset(text + 12, 'x', 19000);
	strcpy(text + 19012, "\"}");
	got = encoded(text, false);
	assert_int_equal(strlen(got), 19012 + 1 + strlen(",\"type\":\"usermsg\""));
	free(got);
}

static void test_name(void **state)
{
	struct message m;
	char detail[160];
	static const char text[] = "{\"message\":\"hi\",\"name\":7}";

	(void)state;
	assert_int_equal(message_decode(&m, text, sizeof(text) - 1, &limits, detail, sizeof(detail)), REPLY_COUNT);
	assert_true(message_is_chat(&m));
	assert_null(message_name(&m));
	assert_null(message_type(&m));
	message_clear(&m);
	assert_int_equal(message_decode(&m, "{\"name\":\"ann\",\"type\":\"x\"}", 25, &limits, detail, sizeof(detail)), REPLY_COUNT);
	assert_string_equal(message_name(&m), "ann");
	assert_string_equal(message_type(&m), "x");
	assert_false(message_is_chat(&m));
	message_clear(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_bounds), cmocka_unit_test(test_encode),
		cmocka_unit_test(test_as_sent),
		cmocka_unit_test(test_relayed), cmocka_unit_test(test_stamp),  cmocka_unit_test(test_large),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_stamp_with_more),
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_retype),
		cmocka_unit_test(test_amend),
		cmocka_unit_test(test_without),
		cmocka_unit_test(test_relayed_with_who),
		cmocka_unit_test(test_text_concat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
