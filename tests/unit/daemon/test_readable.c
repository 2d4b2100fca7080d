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

#include "daemon/readable.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOMEBODY 65534

static char dir[] = "/tmp/natter-readable-XXXXXX";

/* A folder with a folder with a file, and links to both: all for everybody. */
static int make_tree(void **state)
{
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("live", 0755) | mkdir("archive", 0755), 0);
	f = fopen("archive/it's a key", "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(symlink("../archive/it's a key", "live/key"), 0);
	assert_int_equal(symlink("live", "link"), 0);
	return 0;
}

static int remove_tree(void **state)
{
	(void)state;
	unlink("live/key");
	unlink("link");
	unlink("archive/it's a key");
	rmdir("live");
	rmdir("archive");
	return chdir("/") | rmdir(dir);
}

/* What readable() says of PATH to somebody who is not root; "": that it can be read. */
static char *ask(const char *path)
{
	static char why[8192];
	int fd[2], status;
	pid_t child;
	ssize_t n;

	assert_int_equal(pipe(fd), 0);
	child = fork();
	if (child == 0) {
		if (geteuid() == 0 && (setgid(SOMEBODY) < 0 || setuid(SOMEBODY) < 0))
			_exit(1);
		if (readable(path, why, sizeof(why)))
			why[0] = '\0';
		_exit(write(fd[1], why, strlen(why)) < 0);
	}
	close(fd[1]);
	n = read(fd[0], why, sizeof(why) - 1);
	close(fd[0]);
	assert_true(n >= 0);
	why[n] = '\0';
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return why;
}

static void assert_obstacle(const char *path, const char *what)
{
	const char *why = ask(path);

	if (strstr(why, what) == NULL)
		fail_msg("of %s it says \"%s\", without \"%s\"", path, why, what);
}

static void test_readable(void **state)
{
	(void)state;
	assert_string_equal(ask("live/key"), "");
	assert_string_equal(ask("link/key"), "");
	assert_string_equal(ask(dir), "");
}

static void test_not_there(void **state)
{
	(void)state;
	assert_string_equal(ask("live/nothing"), "");
	assert_string_equal(ask("archive/it's a key/below"), "");
	assert_string_equal(ask(""), "");
	chmod("live", 0);
	assert_obstacle("live/nothing", "may not enter live;");
	chmod("live", 0755);
}

static void test_file(void **state)
{
	(void)state;
	chmod("archive/it's a key", 0);
	assert_obstacle("archive/it's a key", "may not read archive/it's a key; to mend it: ");
	assert_obstacle("archive/it's a key", " 'archive/it'\\''s a key'");
	assert_obstacle("link/key", "may not read link/../archive/it's a key;");
	chmod("archive/it's a key", 0644);
}

static void test_folder_behind_links(void **state)
{
	char path[128], expected[160];

	(void)state;
	snprintf(path, sizeof(path), "%s/link/key", dir);
	chmod("archive", 0);
	snprintf(expected, sizeof(expected), "may not enter %s/link/../archive;", dir);
	assert_obstacle(path, expected);
	assert_obstacle("live/key", "may not enter live/../archive;");
#ifdef __linux__
	assert_obstacle("live/key", ":x live/../archive");
#endif
	chmod("live", 0);
	assert_obstacle("link/key", "may not enter live;"); /* the first in the way */
	chmod("live", 0755);
	chmod("archive", 0755);
}

static void test_relative_in_a_closed_folder(void **state)
{
	char expected[160];

	(void)state;
	chmod(dir, 0);
	snprintf(expected, sizeof(expected), "may not enter %s;", dir);
	assert_obstacle("live/key", expected);
	chmod(dir, 0755);
	assert_string_equal(ask("live/key"), "");
}

static void test_links_in_a_circle(void **state)
{
	(void)state;
	assert_int_equal(symlink("round", "round"), 0);
	assert_string_equal(ask("round"), "");
	unlink("round");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readable),
		cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_folder_behind_links),
		cmocka_unit_test(test_relative_in_a_closed_folder),
		cmocka_unit_test(test_links_in_a_circle),
	};

	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
