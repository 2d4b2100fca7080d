#include <config.h>

#include "daemon/sandbox.h"

#ifdef HAVE_SECCOMP

#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What serving, storing, reloading, logging and ending take; found with strace under all tests, other systems' forms added. */
static const char *const allowed[] = {
	/* what connections do most, which the kernel lets through without asking the filter */
	"read", "readv", "write", "writev", "sendto", "recvfrom", "sendmsg", "recvmsg", "send", "recv", "close", "shutdown",
	"accept", "accept4", "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "poll", "ppoll", "ppoll_time64",
	"select", "_newselect", "pselect6", "pselect6_time64", "io_uring_enter",
	/* threads and signals */
	"futex", "futex_time64", "futex_waitv", "sched_yield", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn",
	"sigaltstack", "restart_syscall", "exit", "exit_group", "set_robust_list", "rseq", "membarrier", "gettid", "getpid",
	"getppid", "getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32", "getegid", "getegid32", "getcpu",
	"sched_getaffinity", "getrusage",
	/* memory, time, chance */
	"brk", "munmap", "mremap", "madvise", "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64",
	"gettimeofday", "time", "nanosleep", "clock_nanosleep", "clock_nanosleep_time64", "getrandom", "sysinfo", "uname",
	/* files: the journal's, and those that a reload reads */
	"open", "openat", "pread64", "pwrite64", "preadv", "pwritev", "lseek", "_llseek", "fcntl", "fcntl64", "flock", "dup",
	"dup2", "dup3", "stat", "stat64", "fstat", "fstat64", "lstat", "lstat64", "newfstatat", "fstatat64", "statx", "statfs",
	"statfs64", "fstatfs", "fstatfs64", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd",
	"getdents64", "ftruncate", "ftruncate64", "fallocate", "fadvise64", "fadvise64_64", "fsync", "fdatasync", "unlink",
	"unlinkat", "rename", "renameat", "renameat2", "fchown", "fchown32", "chmod", "fchmod", "fchmodat", "umask",
	/* listeners that a reload opens, how many connections it allows, and connections to what logs */
	"bind", "listen", "connect", "getsockname", "getpeername", "setsockopt", "getsockopt", "getrlimit", "ugetrlimit",
	"setrlimit",
};

/* Whoever calls these is not natterd. */
static const char *const deadly[] = {
	"execve", "execveat", "fork", "vfork", "clone", "clone3", "ptrace", "process_vm_readv", "process_vm_writev",
	"pidfd_getfd", "io_uring_setup", "bpf", "userfaultfd", "perf_event_open", "mount", "umount2", "move_mount", "open_tree",
	"fsopen", "fsmount", "pivot_root", "chroot", "unshare", "setns", "open_by_handle_at", "init_module", "finit_module",
	"delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "setuid", "setuid32", "setgid", "setgid32",
	"setreuid", "setreuid32", "setregid", "setregid32", "setresuid", "setresuid32", "setresgid", "setresgid32",
	"setgroups", "setgroups32", "setfsuid", "setfsuid32", "setfsgid", "setfsgid32", "capset", "add_key", "request_key",
	"keyctl", "personality", "modify_ldt", "iopl", "ioperm",
};

/* Allowed when one argument is so; the upper half of a register is nothing the kernel looks at. */
static const struct partly {
	const char *name;
	unsigned arg;
	enum scmp_compare how;
	uint32_t mask, value;
} partly[] = {
	{ "mmap", 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 },
	{ "mmap2", 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 },
	{ "mprotect", 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 },
	{ "socket", 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_UNIX },
	{ "socket", 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_INET },
	{ "socket", 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_INET6 },
	{ "ioctl", 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, FIONREAD },
	{ "ioctl", 1, SCMP_CMP_MASKED_EQ, UINT32_MAX, FIONBIO },
	{ "prlimit64", 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, 0 },
};

/* A rule's result; calls that this machine or this libseccomp does not have need none. */
static int known(int rc) { return rc == -EDOM ? 0 : rc; }

static int add_all(scmp_filter_ctx f, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int call = seccomp_syscall_resolve_name(names[i]);
		int rc = call == __NR_SCMP_ERROR ? 0 : known(seccomp_rule_add(f, action, call, 0));

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int add_partly(scmp_filter_ctx f, const struct partly *p)
{
	struct scmp_arg_cmp cmp = { .arg = p->arg, .op = p->how, .datum_a = p->mask, .datum_b = p->value };
	int call = seccomp_syscall_resolve_name(p->name);

	return call == __NR_SCMP_ERROR ? 0 : known(seccomp_rule_add_array(f, SCMP_ACT_ALLOW, call, 1, &cmp));
}

/* abort() sends the process its signal; nobody else gets one. */
static int add_own_signals(scmp_filter_ctx f)
{
	const struct partly own = { "tgkill", 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)getpid() };

	return add_partly(f, &own);
}

static int fill(scmp_filter_ctx f)
{
	int rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);

	seccomp_attr_set(f, SCMP_FLTATR_CTL_LOG, 1);      /* Linux 4.14 */
	seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* libseccomp 2.5: a tree, not a list */
	if (rc == 0)
		rc = add_all(f, SCMP_ACT_ALLOW, allowed, sizeof(allowed) / sizeof(allowed[0]));
	if (rc == 0)
		rc = add_all(f, SCMP_ACT_KILL_PROCESS, deadly, sizeof(deadly) / sizeof(deadly[0]));
	for (size_t i = 0; i < sizeof(partly) / sizeof(partly[0]) && rc == 0; i++)
		rc = add_partly(f, &partly[i]);
	return rc < 0 ? rc : add_own_signals(f);
}

int sandbox_close(char *err, size_t errlen)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int rc = f ? fill(f) : -ENOMEM;

	if (rc == 0)
		rc = seccomp_load(f);
	if (f)
		seccomp_release(f);
	if (rc == 0)
		return 1;
	snprintf(err, errlen, "%s", strerror(-rc));
	return -1;
}

#else

int sandbox_close(char *err, size_t errlen)
{
	(void)err;
	(void)errlen;
	return 0;
}

#endif
