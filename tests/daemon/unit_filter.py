"""What a unit lets a program call, as systemd would: unit_filter.py LIST COMMAND… runs the command under that.

It is run as the unit's user, who may not read where the tests lie: it needs nothing but this text (python3 -c) and
libseccomp. LIST is the names of the system calls that are allowed; what else the unit denies with a filter is here.
"""
import ctypes
import errno
import os
import socket
import sys

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
EQ, MASKED_EQ = 4, 7  # enum scmp_compare
NO_NEW_PRIVS = 38
WRITE_EXEC, EXEC = 2 | 4, 4  # PROT_
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)


class Argument(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def load(lib, default, rules):
    """A filter of these (action, name, conditions); they are all asked, and the strictest answer counts."""
    lib.seccomp_init.restype = ctypes.c_void_p
    f = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(default)))
    assert f
    for action, name, arguments in rules:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number == -1:  # newer than libseccomp, or another machine's
            continue
        rc = lib.seccomp_rule_add_array(f, ctypes.c_uint32(action), number, len(arguments),
                                        (Argument * len(arguments))(*arguments))
        assert rc in (0, -errno.EDOM, -errno.EACCES), (name, rc)
    rc = lib.seccomp_load(f)
    assert rc == 0, os.strerror(-rc)
    lib.seccomp_release(f)


def main(names, command):
    lib = ctypes.CDLL("libseccomp.so.2")
    assert ctypes.CDLL(None).prctl(NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    # RestrictAddressFamilies=, MemoryDenyWriteExecute=
    load(lib, ALLOW, [
        (ERRNO | errno.EAFNOSUPPORT, "socket", [Argument(0, EQ, f)]) for f in range(64) if f not in FAMILIES] + [
        (ERRNO | errno.EPERM, "mmap", [Argument(2, MASKED_EQ, WRITE_EXEC, WRITE_EXEC)]),
        (ERRNO | errno.EPERM, "mprotect", [Argument(2, MASKED_EQ, EXEC, EXEC)]),
        (ERRNO | errno.EPERM, "pkey_mprotect", [Argument(2, MASKED_EQ, EXEC, EXEC)])])
    load(lib, ERRNO | errno.EPERM, [(ALLOW, name, []) for name in names])  # SystemCallFilter=
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1].split(","), sys.argv[2:])
