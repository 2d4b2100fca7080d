#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/key_file.h"
#include "daemon/storage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/natter-key-XXXXXX", path[64], new_path[64];

static int make_dir(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/session.key", dir);
	snprintf(new_path, sizeof(new_path), "%s/session.key.new", dir);
	unsetenv("STATE_DIRECTORY");
	return 0;
}

static int remove_dir(void **state)
{
	char lock[64];

	(void)state;
	snprintf(lock, sizeof(lock), "%s/lock", dir);
	unlink(lock);
	return rmdir(dir);
}

static int remove_key(void **state)
{
	(void)state;
	unlink(path);
	rmdir(path);
	return 0;
}

static void write_file(const char *where, const void *bytes, size_t len, mode_t mode)
{
	FILE *f = fopen(where, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
	chmod(where, mode);
}

static void refuses(const char *want)
{
	struct secret_key key;
	char err[512], whole[512];

	assert_int_equal(key_file_load(dir, &key, err, sizeof(err)), -1);
	snprintf(whole, sizeof(whole), "%s: %s", path, want);
	assert_string_equal(err, whole);
}

static void test_made_once(void **state)
{
	struct secret_key first, second;
	struct stat st;
	char err[512];

	(void)state;
	write_file(new_path, "half", 4, 0600); /* what a start left that was killed */
	assert_int_equal(key_file_load(dir, &first, err, sizeof(err)), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, SECRET_KEY_LEN);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_not_equal(access(new_path, F_OK), 0);
	assert_int_equal(key_file_load(dir, &second, err, sizeof(err)), 0);
	assert_memory_equal(&first, &second, sizeof(first));
	unlink(path);
	assert_int_equal(key_file_load(dir, &second, err, sizeof(err)), 0);
	assert_memory_not_equal(&first, &second, sizeof(first));
}

static void test_what_is_refused(void **state)
{
	static const char bytes[SECRET_KEY_LEN + 1];
	static const char size[] = "it is no key, for that has 32 bytes: remove it, and sessions begin anew";
	static const char others[] =
		"others than its owner have access to it: chmod 0600 it, or remove it and sessions begin anew";
	struct secret_key key;
	char err[512];

	(void)state;
	write_file(path, bytes, 0, 0600);
	refuses(size);
	write_file(path, bytes, SECRET_KEY_LEN - 1, 0600);
	refuses(size);
	write_file(path, bytes, SECRET_KEY_LEN + 1, 0600);
	refuses(size);
	write_file(path, bytes, SECRET_KEY_LEN, 0640);
	refuses(others);
	write_file(path, bytes, SECRET_KEY_LEN, 0604);
	refuses(others);
	write_file(path, bytes, SECRET_KEY_LEN, 0400);
	assert_int_equal(key_file_load(dir, &key, err, sizeof(err)), 0);
	assert_memory_equal(&key, bytes, SECRET_KEY_LEN);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refuses("it is no file");
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuses("it is no file");
}

static void test_no_folder(void **state)
{
	struct secret_key key;
	char err[512];

	(void)state;
	assert_int_equal(key_file_load("/nowhere/at/all", &key, err, sizeof(err)), -1);
	assert_string_equal(err, "state_dir /nowhere/at/all: No such file or directory");
}

/* Something is in the way of a new key: there is one all the same, for this process. */
static void test_not_stored(void **state)
{
	struct secret_key first, second;
	char err[512];

	(void)state;
	assert_int_equal(mkdir(new_path, 0700), 0);
	assert_int_equal(key_file_load(dir, &first, err, sizeof(err)), 1);
	assert_string_equal(err, "File exists");
	assert_int_equal(key_file_load(dir, &second, err, sizeof(err)), 1);
	assert_memory_not_equal(&first, &second, sizeof(first));
	assert_int_not_equal(access(path, F_OK), 0);
	rmdir(new_path);
}

/* ---- storage hands it on ---- */

static struct secret_key key_of_storage(const char *state_dir)
{
	char err[512];
	struct config *c = config_load(NULL, err, sizeof(err));
	struct storage *s;
	struct secret_key key;

	free(c->state_dir);
	c->state_dir = strdup(state_dir);
	s = storage_open(c, err, sizeof(err));
	if (s == NULL)
		fail_msg("%s", err);
	key = *storage_secret_key(s);
	storage_free(s);
	config_free(c);
	return key;
}

static void test_storage(void **state)
{
	struct secret_key first = key_of_storage(dir), second = key_of_storage(dir);

	(void)state;
	assert_memory_equal(&first, &second, sizeof(first));
	first = key_of_storage("");
	assert_memory_not_equal(&first, &second, sizeof(first));
	second = key_of_storage("");
	assert_memory_not_equal(&first, &second, sizeof(first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_made_once, remove_key),
		cmocka_unit_test_teardown(test_what_is_refused, remove_key),
		cmocka_unit_test(test_no_folder),
		cmocka_unit_test_teardown(test_not_stored, remove_key),
		cmocka_unit_test_teardown(test_storage, remove_key),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
