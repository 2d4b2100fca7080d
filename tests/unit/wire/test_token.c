/*
 * token: where a request head may present one, each alone, together, and with
 * everything that can be wrong with it.
 */
#include <config.h>

#include "wire/token.h"

#include <stdio.h>

#include "feed.h"

#define AMBIGUOUS "two different tokens are ambiguous"
#define EMPTY "the token is empty"
#define SPACE "the token in the Authorization field has white space in it"
#define UNDECODABLE "the token in the address cannot be decoded, or is too long"

static const struct token_places everywhere = {"auth", true}, nowhere = {NULL, false}, no_name = {"", false};

static const struct {
	const char *query;
	const char *fields;     /* several are separated by '|' */
	const char *everywhere; /* the token; NULL: none; "!" and a sentence: refused */
	const char *nowhere;    /* the same without a cookie and the query */
} cases[] = {
	{"", "", NULL, NULL},
	/* Authorization */
	{"", "Authorization: Bearer abc", "abc", "abc"},
	{"", "AUTHORIZATION: bEARER   abc", "abc", "abc"},
	{"", "Authorization: Bearer\tabc", "abc", "abc"},
	{"", "Authorization: Bearer a.b-c_d~e+f/g==", "a.b-c_d~e+f/g==", "a.b-c_d~e+f/g=="},
	{"", "Authorization: Bearer ", "!" EMPTY, "!" EMPTY},
	{"", "Authorization: Bearer", "!" EMPTY, "!" EMPTY},
	{"", "Authorization: Bearer a b", "!" SPACE, "!" SPACE},
	{"", "Authorization: Bearer a\tb", "!" SPACE, "!" SPACE},
	{"", "Authorization: Bearerabc", NULL, NULL},
	{"", "Authorization: Beare", NULL, NULL},
	{"", "Authorization: Basic YTpi", NULL, NULL},
	{"", "Authorization:", NULL, NULL},
	{"", "Authorization: Basic YTpi|Authorization: Bearer abc", "abc", "abc"},
	{"", "Authorization: Bearer abc|Authorization: Bearer abc", "abc", "abc"},
	{"", "Authorization: Bearer abc|Authorization: Bearer abd", "!" AMBIGUOUS, "!" AMBIGUOUS},
	{"", "Authorization: Bearer abc|Authorization: Bearer ab", "!" AMBIGUOUS, "!" AMBIGUOUS},
	{"", "Proxy-Authorization: Bearer abc", NULL, NULL},
	/* the cookie auth */
	{"", "Cookie: auth=abc", "abc", NULL},
	{"", "Cookie: a=b; auth=abc; c=d", "abc", NULL},
	{"", "Cookie: a=b;auth=abc;c=d", "abc", NULL},
	{"", "Cookie: a=b|Cookie: auth=abc", "abc", NULL},
	{"", "Cookie: auth=\"abc\"", "abc", NULL},
	{"", "Cookie: auth=\"abc", "\"abc", NULL},
	{"", "Cookie: auth=\"", "\"", NULL},
	{"", "Cookie: auth = abc ; c=d", "abc", NULL},
	{"", "Cookie: auth=a=b==", "a=b==", NULL},
	{"", "Cookie: auth=a%20b", "a%20b", NULL},
	{"", "Cookie: auth=", NULL, NULL},
	{"", "Cookie: auth=\"\"", NULL, NULL},
	{"", "Cookie: auth=; auth=abc", "abc", NULL},
	{"", "Cookie: auth", NULL, NULL},
	{"", "Cookie: ;;= ;=auth;;", NULL, NULL},
	{"", "Cookie: Auth=abc", NULL, NULL},
	{"", "Cookie: xauth=abc; authx=abc; aut=abc", NULL, NULL},
	{"", "Cookie: x=\"; auth=abc", "abc", NULL},
	{"", "Cookie: x=auth=abc", NULL, NULL},
	{"", "Cookie: auth=abc; auth=abc", "abc", NULL},
	{"", "Cookie: auth=abc; auth=def", "!" AMBIGUOUS, NULL},
	{"", "Cookie: auth=abc|Cookie: auth=def", "!" AMBIGUOUS, NULL},
	{"", "Set-Cookie: auth=abc", NULL, NULL},
	/* subprotocols */
	{"", "Sec-WebSocket-Protocol: natter.bearer.abc", "abc", "abc"},
	{"", "Sec-WebSocket-Protocol: natter.v1, natter.bearer.a.b.c, chat", "a.b.c", "a.b.c"},
	{"", "Sec-WebSocket-Protocol: natter.v1|Sec-WebSocket-Protocol: natter.bearer.abc", "abc", "abc"},
	{"", "Sec-WebSocket-Protocol: natter.bearer.", "!" EMPTY, "!" EMPTY},
	{"", "Sec-WebSocket-Protocol: natter.bearer", NULL, NULL},
	{"", "Sec-WebSocket-Protocol: Natter.Bearer.abc", NULL, NULL},
	{"", "Sec-WebSocket-Protocol: xnatter.bearer.abc", NULL, NULL},
	{"", "Sec-WebSocket-Protocol: natter.bearer.abc, natter.bearer.abd", "!" AMBIGUOUS, "!" AMBIGUOUS},
	/* the query */
	{"?token=abc", "", "abc", NULL},
	{"?a=b&token=abc&c=d", "", "abc", NULL},
	{"?token=a%2Bb%2fc%3d", "", "a+b/c=", NULL},
	{"?%74oken=abc", "", "abc", NULL},
	{"?token=a=b", "", "a=b", NULL},
	{"?&&token=abc&&", "", "abc", NULL},
	{"?token=", "", "!" EMPTY, NULL},
	{"?token", "", "!" EMPTY, NULL},
	{"?token=a%2", "", "!" UNDECODABLE, NULL},
	{"?token=a%00", "", "!" UNDECODABLE, NULL},
	{"?Token=abc&tokens=abc&toke=abc", "", NULL, NULL},
	{"?token=abc&token=abc", "", "abc", NULL},
	{"?token=abc&token=%61bc", "", "abc", NULL},
	{"?token=abc&token=abd", "", "!" AMBIGUOUS, NULL},
	/* several places */
	{"?token=abc", "Authorization: Bearer abc|Cookie: auth=abc|Sec-WebSocket-Protocol: natter.bearer.abc", "abc", "abc"},
	{"?token=x", "Authorization: Bearer abc", "!" AMBIGUOUS, "abc"},
	{"", "Authorization: Bearer abc|Cookie: auth=x", "!" AMBIGUOUS, "abc"},
	{"", "Authorization: Bearer abc|Sec-WebSocket-Protocol: natter.bearer.x", "!" AMBIGUOUS, "!" AMBIGUOUS},
	{"?token=x", "Cookie: auth=abc", "!" AMBIGUOUS, NULL},
	{"", "Authorization: Basic YTpi|Cookie: auth=abc", "abc", NULL},
};

/* A parsed head, in memory of its exact size; the caller frees. */
static char *head_with(const char *query, const char *fields, struct http_head *h)
{
	char *text = malloc(strlen(query) + strlen(fields) + 200), *exact, *to;

	assert_non_null(text);
	to = text + sprintf(text, "GET /room%s HTTP/1.1\r\nHost: x\r\n", query);
	while (*fields) {
		size_t n = strcspn(fields, "|");

		to += sprintf(to, "%.*s\r\n", (int)n, fields);
		fields += n + (fields[n] == '|');
	}
	to += sprintf(to, "\r\n");
	exact = feed_copy(text, (size_t)(to - text));
	http_head_init(h, HTTP_HEAD_LIMIT);
	if (http_head_parse(h, exact, (size_t)(to - text)) != HTTP_OK)
		fail_msg("%s: %s", text, h->why ? h->why : "more");
	free(text);
	return exact;
}

static void check(const struct http_head *h, const char *buf, const struct token_places *where, const char *want)
{
	enum token_verdict verdict;
	struct token t;
	bool good;

	memset(&t, 'x', sizeof(t));
	verdict = token_find(h, buf, where, &t);
	if (want == NULL)
		good = verdict == TOKEN_NONE && t.len == 0;
	else if (want[0] == '!')
		good = verdict == TOKEN_BAD && strcmp(t.why, want + 1) == 0;
	else
		good = verdict == TOKEN_OK && strcmp(t.text, want) == 0 && t.len == strlen(want);
	if (!good)
		fail_msg("%.*s: verdict %d, \"%s\" instead of \"%s\"", h->length, buf, verdict,
			 verdict == TOKEN_BAD ? t.why : t.text, want ? want : "");
}

static void test_places(void **unused)
{
	struct http_head h;
	size_t i;

	(void)unused;
	for (i = 0; i < COUNT(cases); i++) {
		char *buf = head_with(cases[i].query, cases[i].fields, &h);

		check(&h, buf, &everywhere, cases[i].everywhere);
		check(&h, buf, &nowhere, cases[i].nowhere);
		check(&h, buf, &no_name, cases[i].nowhere);
		free(buf);
	}
}

/* 4096 bytes are a token, 4097 are none, wherever they are. */
static void test_the_longest(void **unused)
{
	static const struct {
		const char *query, *field, *too_long;
	} places[] = {
		{"", "Authorization: Bearer ", "!the token is longer than 4096 bytes"},
		{"", "Cookie: auth=", "!the token is longer than 4096 bytes"},
		{"", "Sec-WebSocket-Protocol: natter.bearer.", "!the token is longer than 4096 bytes"},
		{"?token=", "", "!" UNDECODABLE},
	};
	char token[TOKEN_MAX + 2], query[TOKEN_MAX + 50], fields[TOKEN_MAX + 50];
	struct http_head h;
	size_t i, len;

	(void)unused;
	for (i = 0; i < COUNT(places); i++) {
		for (len = TOKEN_MAX - 1; len <= TOKEN_MAX + 1; len++) {
			char *buf;

			memset(token, 'a', len);
			token[len] = '\0';
			sprintf(query, "%s%s", places[i].query, *places[i].query ? token : "");
			sprintf(fields, "%s%s", places[i].field, *places[i].field ? token : "");
			buf = head_with(query, fields, &h);
			check(&h, buf, &everywhere, len > TOKEN_MAX ? places[i].too_long : token);
			free(buf);
		}
	}
}

/* Any bytes in these fields: a verdict, and no step beyond them (a sanitizer sees it). */
static void test_noise(void **unused)
{
	static const char letters[] = "auth=;\" \tBearer natter.bearer.,abc%2&token=";
	uint64_t seed = 42;
	char fields[300], query[60];
	struct http_head h;
	struct token t;
	int round;

	(void)unused;
	for (round = 0; round < 5000; round++) {
		char noise[4][41];
		char *buf;

		for (int k = 0; k < 4; k++) {
			size_t n = feed_random(&seed) % 40, j;

			for (j = 0; j < n; j++) {
				do
					noise[k][j] = letters[feed_random(&seed) % (sizeof(letters) - 1)];
				while (k == 3 && strchr("\" \t", noise[k][j]));
			}
			noise[k][n] = '\0';
		}
		sprintf(fields, "Authorization: Bearer%s|Cookie: auth=%s|Sec-WebSocket-Protocol: natter.bearer.%s",
			noise[0], noise[1], noise[2]);
		sprintf(query, "?%s", noise[3]);
		buf = head_with(query, fields, &h);
		switch (token_find(&h, buf, &everywhere, &t)) {
		case TOKEN_NONE: assert_int_equal(t.len, 0); break;
		case TOKEN_OK: assert_int_equal(t.len, strlen(t.text)); break;
		case TOKEN_BAD: assert_non_null(t.why); break;
		}
		free(buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_the_longest),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
