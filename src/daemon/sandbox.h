/*
 * sandbox: the system calls that natterd needs to serve, and no others, by a
 * seccomp filter over all threads.
 *
 * It is closed when everything that is only made at a start is there: threads,
 * rings, the journal's files. So no thread, program or ring begins afterwards,
 * and what came in by a hole in a parser finds a process that can read, write,
 * open files as its user, and open sockets. A call that no version of a library
 * makes by itself (execve, ptrace, io_uring_setup, mount, …) ends the process
 * with SIGSYS: somebody is in it. Any other call that is not on the list fails
 * with ENOSYS, for a newer libc that tries a newer call first takes the older
 * one then; where it is a kind of an allowed call, as mmap with PROT_EXEC or
 * socket(AF_NETLINK), with EPERM. The kernel's audit log names what was refused.
 */
#ifndef NATTER_DAEMON_SANDBOX_H
#define NATTER_DAEMON_SANDBOX_H

#include <stddef.h>

/* Closes it for all threads, for good. 1; 0: this natter has none; -1: ERR says why it could not be closed. */
int sandbox_close(char *err, size_t errlen);

#endif
