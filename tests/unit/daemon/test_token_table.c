#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/token_table.h"

#include <sys/stat.h>
#include <unistd.h>

/* SHA-256 of abc */
#define ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_IN_CAPITALS "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"

static char dir[] = "/tmp/natter-tokens-XXXXXX", conf[64], file[64];

static int make_dir(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	snprintf(file, sizeof(file), "%s/token", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(conf);
	unlink(file);
	return rmdir(dir);
}

static void write_file(const char *path, const void *bytes, size_t len, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
	chmod(path, mode);
}

static struct tokens *table(const char *text, char *err)
{
	char why[512];
	struct config *c;
	struct tokens *t;

	write_file(conf, text, strlen(text), 0600);
	c = config_load(conf, why, sizeof(why));
	if (c == NULL)
		fail_msg("%s", why);
	t = token_table_new(c, err, 512);
	config_free(c);
	return t;
}

/* The one token of FILE, whose owner u is. */
static struct tokens *table_of_file(char *err)
{
	char text[200];

	snprintf(text, sizeof(text), "token \"%s\" {\nuser = u\n}\n", file);
	return table(text, err);
}

static void knows(const struct tokens *t, const char *token, size_t len, const char *user)
{
	const char *why;
	struct identity *id = identity_of_token(t, token, len, &why);

	assert_non_null(id);
	assert_string_equal(id->user->data, user);
	identity_free(id);
}

static void refuses(const void *bytes, size_t len, mode_t mode, const char *want)
{
	char err[512], whole[512];

	write_file(file, bytes, len, mode);
	assert_null(table_of_file(err));
	snprintf(whole, sizeof(whole), "%s:3: token \"%s\": %s", conf, file, want);
	assert_string_equal(err, whole);
}

static void test_no_tokens(void **state)
{
	char err[512];
	const char *why;
	struct tokens *t = table("", err);

	(void)state;
	assert_non_null(t);
	assert_null(identity_of_token(t, "abc", 3, &why));
	tokens_free(t);
}

static void test_hashes_and_files(void **state)
{
	char err[512], text[400];
	const char *why;
	struct identity *id;
	struct tokens *t;

	(void)state;
	write_file(file, "s3cret\n", 7, 0640);
	snprintf(text, sizeof(text), "token \"" ABC_IN_CAPITALS "\" { user = a name = \" Ann \" role = moderator }\n"
		 "token \"%s\" { user = b role = admin }\n", file);
	t = table(text, err);
	assert_non_null(t);
	id = identity_of_token(t, "abc", 3, &why);
	assert_string_equal(id->user->data, "a");
	assert_string_equal(id->name->data, "Ann");
	assert_int_equal(id->role, ROLE_MODERATOR);
	identity_free(id);
	id = identity_of_token(t, "s3cret", 6, &why);
	assert_string_equal(id->user->data, "b");
	assert_null(id->name);
	assert_int_equal(id->role, ROLE_ADMIN);
	identity_free(id);
	tokens_free(t);
}

static void test_what_files_may_look_like(void **state)
{
	static const char *const contents[] = { "abc", "abc\n", "abc\r\n", "abc\nann's token\n", "abc\n\n\1\2" };
	static char longest[4098];
	char err[512];
	struct tokens *t;

	(void)state;
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		write_file(file, contents[i], strlen(contents[i]), 0600);
		t = table_of_file(err);
		knows(t, "abc", 3, "u");
		tokens_free(t);
	}
	memset(longest, 'x', sizeof(longest));
	memcpy(longest + 4096, "\r\n", 2);
	for (size_t len = 4096; len <= 4098; len += 2) {
		write_file(file, longest, len, 0400);
		t = table_of_file(err);
		knows(t, longest, 4096, "u");
		tokens_free(t);
	}
}

static void test_files_refused(void **state)
{
	static const char empty[] = "its first line, which should be the token, is empty";
	static const char control[] = "its first line, which should be the token, has a control character in it";
	static const char open[] = "everybody on this machine can read or write it: chmod o-rw it";
	static char too_long[9000];

	(void)state;
	refuses("", 0, 0600, empty);
	refuses("\n", 1, 0600, empty);
	refuses("\r\nabc", 5, 0600, empty);
	refuses("a\0b\n", 4, 0600, control);
	refuses("a\tb\n", 4, 0600, control);
	refuses("\x7f" "ELF", 4, 0600, control);
	refuses("abc\n", 4, 0644, open);
	refuses("abc\n", 4, 0602, open);
	memset(too_long, 'x', sizeof(too_long));
	for (size_t len = 4097; len <= sizeof(too_long); len += 1 + len / 100)
		refuses(too_long, len, 0600, "its first line is longer than 4096 bytes");
	too_long[4097] = '\n';
	refuses(too_long, 4098, 0600, "its first line is longer than 4096 bytes");
}

static void test_no_such_file(void **state)
{
	char err[512];

	(void)state;
	assert_null(table("\ntoken \"/nowhere/at/all\" { user = u }\n", err));
	assert_non_null(strstr(err, "/conf:2: token \"/nowhere/at/all\": No such file or directory"));
	assert_null(table("token /tmp { user = u }\n", err));
	assert_non_null(strstr(err, ":1: token \"/tmp\": it is no file"));
	unlink(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_null(table_of_file(err)); /* and nobody waits for a writer */
	assert_non_null(strstr(err, "it is no file"));
	unlink(file);
}

/* Once as a hash in small letters, once in capitals, once as a file: one token. */
static void test_the_same_twice(void **state)
{
	char err[512], text[400];

	(void)state;
	assert_null(table("token \"" ABC "\" { user = a }\ntoken \"" ABC_IN_CAPITALS "\" { user = a }\n", err));
	assert_non_null(strstr(err, "/conf:2: token \"" ABC_IN_CAPITALS "\": the same token is there already"));
	write_file(file, "abc\n", 4, 0600);
	snprintf(text, sizeof(text), "token \"%s\" { user = b }\ntoken \"" ABC "\" { user = a }\n", file);
	assert_null(table(text, err));
	assert_non_null(strstr(err, "/conf:2: token \"" ABC "\": the same token is there already"));
}

/* ---- keys ---- */

#define KEY "0123456789abcdef0123456789abcdef"

static struct tokens *table_of_key(const char *algorithm, const char *key, mode_t mode, char *err)
{
	char text[200];

	write_file(file, key, strlen(key), mode);
	snprintf(text, sizeof(text), "\njwt site { algorithm = %s key = \"%s\" }\n", algorithm, file);
	return table(text, err);
}

static void refuses_key(const char *algorithm, const char *key, mode_t mode, const char *want)
{
	char err[512], whole[512];

	assert_null(table_of_key(algorithm, key, mode, err));
	snprintf(whole, sizeof(whole), "%s:2: jwt \"site\": %s: %s", conf, file, want);
	assert_string_equal(err, whole);
}

static void test_keys(void **state)
{
#ifdef HAVE_LIBJWT
	char err[512];

	tokens_free(table_of_key("HS256", KEY, 0640, err));
	tokens_free(table_of_key("HS256", KEY "\n", 0600, err));
	refuses_key("HS256", KEY, 0644, "everybody on this machine can read or write it: chmod o-rw it");
	refuses_key("HS256", "short\n", 0600,
		    "it is shorter than 32 bytes, which HS256 needs: openssl rand -hex 32 makes a good one");
	/* a public key may be read by all */
	refuses_key("RS256", KEY, 0644, "it is no public key in PEM form (-----BEGIN PUBLIC KEY-----)");
	refuses_key("ES256", KEY, 0646, "everybody on this machine can write it: chmod o-w it");
	unlink(file);
	assert_null(table("jwt site { algorithm = ES256 key = /nowhere/at/all }", err));
	assert_non_null(strstr(err, ":1: jwt \"site\": /nowhere/at/all: No such file or directory"));
	assert_null(table("jwt site { algorithm = ES256 key = /tmp }", err));
	assert_non_null(strstr(err, ":1: jwt \"site\": /tmp: it is no file"));
#else
	refuses_key("HS256", KEY, 0640, "this natterd was built without libjwt, and takes no JSON Web Tokens");
#endif
	(void)state;
}

static void test_a_key_that_is_too_large(void **state)
{
	static char large[20000];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	refuses_key("HS256", large, 0600, "it is too large to be a key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_tokens),
		cmocka_unit_test(test_hashes_and_files),
		cmocka_unit_test(test_what_files_may_look_like),
		cmocka_unit_test(test_files_refused),
		cmocka_unit_test(test_no_such_file),
		cmocka_unit_test(test_the_same_twice),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_a_key_that_is_too_large),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
