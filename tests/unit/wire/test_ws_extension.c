/*
 * ws_extension: Sec-WebSocket-Extensions in all its forms, written down item by
 * item: "name" for an offer, ";name" and ";name=value" for its parameters, ";!"
 * for a malformed one, "$" for the end and "#" where it is no list.
 */
#include <config.h>

#include "wire/ws_extension.h"

#include <stdio.h>

#include "feed.h"

static const struct {
	const char *fields; /* several are separated by '|' */
	const char *items;
} cases[] = {
	{NULL, "$"},
	{"", "$"},
	{" , ,\t, ", "$"},
	{"a", "a$"},
	{"permessage-deflate", "permessage-deflate$"},
	{"a,b", "ab$"},
	{",a,,b,", "ab$"},
	{"a|b", "ab$"},
	{"|a|,|b", "ab$"},
	{"a;x", "a;x$"},
	{"a ; x ;\ty", "a;x;y$"},
	{"a;x=1", "a;x=1$"},
	{"a;x = 1 , b", "a;x=1b$"},
	{"a;x=1;y;z=2,b;x", "a;x=1;y;z=2b;x$"},
	{"a;x=\"1\"", "a;x=1$"},
	{"a;x=\"1\";y,b", "a;x=1;yb$"},
	{"a;x=\"1\\0\",b", "a;x=10b$"},
	{"a;x=\"\\1\\0\",b", "a;x=10b$"},
	{"a;x=123456789,b", "a;x=12345678b$"}, /* as much as there is room */
	{"a;x=\"1234567\\89\",b", "a;x=12345678b$"},
	/* parameters that are none */
	{"a;x=\"1\\\\\",b", "a;!b$"},
	{"a;x=\"\\ \",b", "a;!b$"},
	{"a;", "a;!$"},
	{"a;;x", "a;!;x$"},
	{"a;,b", "a;!b$"},
	{"a;=", "a;!$"},
	{"a;x=", "a;!$"},
	{"a;x=,b", "a;!b$"},
	{"a;x=1 2;y", "a;!;y$"},
	{"a;x y", "a;!$"},
	{"a;x=\"\"", "a;!$"},
	{"a;x=\"1 2\"", "a;!$"},
	{"a;x=\"1,2;3\",b", "a;!b$"},
	{"a;x=\"1\"2,b", "a;!b$"},
	{"a;x=\"1\\\"\",b", "a;!b$"},
	{"a;\"x\"=1,b", "a;!b$"},
	{"a;x/y,b", "a;!b$"},
	{"a;x=1/2|b", "a;!b$"},
	/* no list */
	{"a b", "#"},
	{"a=b", "#"},
	{"a/b", "#"},
	{"\"a\"", "#"},
	{";x", "#"},
	{"a,;x", "a#"},
	{"a;x=\"1", "a#"},
	{"a;x=\"1\\\"", "a#"},
	{"a;x=\"", "a#"},
	{"a;x=\"1\\", "a#"},
	{"a|b c", "a#"},
};

/* A head with these fields; the caller frees. */
static char *head_with(const char *fields)
{
	char *bytes = malloc(1000), *to;

	assert_non_null(bytes);
	to = bytes + sprintf(bytes, "GET / HTTP/1.1\r\nHost: x\r\n");
	while (fields) {
		size_t n = strcspn(fields, "|");

		to += sprintf(to, "sec-websocket-EXTENSIONS: %.*s\r\n", (int)n, fields);
		fields = fields[n] ? fields + n + 1 : NULL;
	}
	strcpy(to, "\r\n");
	return bytes;
}

static void parse(struct http_head *h, const char *bytes)
{
	http_head_init(h, HTTP_HEAD_LIMIT);
	if (http_head_parse(h, bytes, strlen(bytes)) != HTTP_OK)
		fail_msg("%s: %s", bytes, h->why ? h->why : "more");
}

static int write_item(char *to, const char *bytes, const struct ws_extension_item *item)
{
	char value[8];
	size_t n;

	switch (item->kind) {
	case WS_EXTENSION_OFFER:
		return sprintf(to, "%.*s", item->name.len, bytes + item->name.at);
	case WS_EXTENSION_PARAM:
		n = ws_extension_value(item, bytes, value, sizeof(value));
		return sprintf(to, item->has_value ? ";%.*s=%.*s" : ";%.*s", item->name.len, bytes + item->name.at,
			       (int)n, value);
	case WS_EXTENSION_MALFORMED: return sprintf(to, ";!");
	case WS_EXTENSION_END: return sprintf(to, "$");
	case WS_EXTENSION_BAD: return sprintf(to, "#");
	}
	return 0;
}

static void test_items(void **unused)
{
	struct ws_extension_item item;
	struct http_head h;
	char *bytes, got[200];
	size_t i;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++) {
		struct ws_extension_place place = {0};
		char *to = got;

		bytes = head_with(cases[i].fields);
		parse(&h, bytes);
		do {
			item = ws_extension_next(&h, bytes, &place);
			to += write_item(to, bytes, &item);
		} while (item.kind < WS_EXTENSION_END);
		if (strcmp(got, cases[i].items) != 0)
			fail_msg("\"%s\": %s instead of %s", cases[i].fields, got, cases[i].items);
		/* no field at all is no error, one without an offer is */
		assert_int_equal(ws_extension_valid(&h, bytes), !cases[i].fields || (!strchr(got, '#') && got[0] != '$'));
		free(bytes);
	}
}

/* At the end it stays at the end. */
static void test_end(void **unused)
{
	struct ws_extension_place place = {0};
	char *bytes = head_with("a|b");
	struct http_head h;
	int i;

	(void)unused;
	parse(&h, bytes);
	for (i = 0; i < 2; i++)
		assert_int_equal(ws_extension_next(&h, bytes, &place).kind, WS_EXTENSION_OFFER);
	for (i = 0; i < 3; i++)
		assert_int_equal(ws_extension_next(&h, bytes, &place).kind, WS_EXTENSION_END);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
