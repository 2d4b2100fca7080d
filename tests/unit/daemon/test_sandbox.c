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

#include "daemon/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAVE_SECCOMP
#include <linux/netlink.h>
#include <sys/syscall.h>

enum { WELL = 10, NOT_CLOSED, WRONG };

/* How a process ends that closes its sandbox and then does FN: its exit status, or minus its signal. */
static int ends(int (*fn)(void))
{
	pid_t child = fork();
	char err[128];
	int status;

	if (child == 0)
		_exit(sandbox_close(err, sizeof(err)) == 1 ? fn() : NOT_CLOSED);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int serve(void)
{
	char path[] = "/tmp/natter-sandbox-XXXXXX", buf[8];
	int pair[2], fd = mkstemp(path), s = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_UNIX, SOCK_DGRAM, 0);
	bool good = fd >= 0 && s >= 0 && u >= 0 && pipe(pair) < 0 && errno == ENOSYS;

	good = good && write(fd, "natter", 6) == 6 && pread(fd, buf, 6, 0) == 6 && fsync(fd) == 0 && rename(path, path) == 0;
	good = good && listen(s, 1) == 0 && malloc(1 << 20) != NULL && unlink(path) == 0;
	return good ? WELL : WRONG;
}

static int refused(void)
{
	bool good = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) < 0 && errno == ENOSYS;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	good = good && page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0 && errno == ENOSYS;
	good = good && mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
	good = good && symlink("/nowhere", "/nowhere/link") < 0 && errno == ENOSYS;
	good = good && kill(getppid(), 0) < 0 && errno == ENOSYS;
	good = good && syscall(SYS_tgkill, getppid(), getppid(), 0) < 0 && errno == ENOSYS;
	return good ? WELL : WRONG;
}

static int run_a_program(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return WRONG;
}

static int fork_one(void) { return fork() < 0 ? WRONG : WRONG + 1; }

static int make_a_ring(void)
{
	syscall(SYS_io_uring_setup, 1, NULL);
	return WRONG;
}

static int become_root(void)
{
	(void)!setuid(0);
	return WRONG;
}

static int give_up(void) { abort(); }

static int to_thread[2], from_thread[2];

/* Begun before the sandbox was closed. */
static void *other_thread(void *arg)
{
	char c = 'n';

	(void)arg;
	if (read(to_thread[0], &c, 1) == 1)
		c = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) < 0 && errno == ENOSYS ? 'y' : 'n';
	(void)!write(from_thread[1], &c, 1);
	return NULL;
}

static int ask_thread(void)
{
	char c = '?';

	return write(to_thread[1], &c, 1) == 1 && read(from_thread[0], &c, 1) == 1 && c == 'y' ? WELL : WRONG;
}

static void test_serves(void **state)
{
	(void)state;
	assert_int_equal(ends(serve), WELL);
}

static void test_refuses(void **state)
{
	(void)state;
	assert_int_equal(ends(refused), WELL);
}

static void test_kills(void **state)
{
	(void)state;
	assert_int_equal(ends(run_a_program), -SIGSYS);
	assert_int_equal(ends(fork_one), -SIGSYS);
	assert_int_equal(ends(make_a_ring), -SIGSYS);
	assert_int_equal(ends(become_root), -SIGSYS);
}

static void test_abort_is_its_own(void **state)
{
	(void)state;
	assert_int_equal(ends(give_up), -SIGABRT);
}

static void test_holds_for_all_threads(void **state)
{
	pid_t child = fork();
	char err[128];
	pthread_t t;
	int status;

	(void)state;
	if (child == 0) {
		if (pipe(to_thread) < 0 || pipe(from_thread) < 0 || pthread_create(&t, NULL, other_thread, NULL) != 0)
			_exit(WRONG);
		_exit(sandbox_close(err, sizeof(err)) == 1 ? ask_thread() : NOT_CLOSED);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, WELL << 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serves),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_kills),
		cmocka_unit_test(test_abort_is_its_own),
		cmocka_unit_test(test_holds_for_all_threads),
	};

	if (getenv("LD_PRELOAD") && strstr(getenv("LD_PRELOAD"), "vgpreload"))
		return 0; /* valgrind makes calls of its own */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void test_has_none(void **state)
{
	char err[8];

	(void)state;
	assert_int_equal(sandbox_close(err, sizeof(err)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_has_none) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
