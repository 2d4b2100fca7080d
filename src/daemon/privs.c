#include <config.h>

#include "daemon/privs.h"

#include "base/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#if defined(__linux__) && !defined(NATTER_PORTABLE)
#define HAVE_CAPABILITIES 1
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#else
#define HAVE_CAPABILITIES 0
#endif

/* For who starts `natterd HOST PORT` as root where natter was never installed. */
#define NO_ONE "nobody"

#ifdef __FreeBSD__
#define MAKE_USER "pw useradd %s -d /nonexistent -s /usr/sbin/nologin"
#else
#define MAKE_USER "useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin %s"
#endif

static int fail(const char *what, char *err, size_t errlen)
{
	snprintf(err, errlen, "%s: %s", what, strerror(errno));
	return -1;
}

static struct passwd *find_user(const struct config *cfg, bool alone, char *err, size_t errlen)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(cfg->user);
	if (pw == NULL && errno == 0 && alone)
		pw = getpwnam(NO_ONE);
	if (pw == NULL)
		snprintf(err, errlen,
			 "started as root, natterd becomes the user \"%s\", and there is none: make it (" MAKE_USER
			 "), or name another one by the option user or by -u",
			 cfg->user, cfg->user);
	return pw;
}

#if HAVE_CAPABILITIES

/* The one capability, as far as this process may have it, and no other. */
static int keep_one(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct set[_LINUX_CAPABILITY_U32S_3];
	const uint32_t one = 1u << CAP_NET_BIND_SERVICE;

	if (syscall(SYS_capget, &head, set) < 0)
		return -1;
	/* In the unit, whose filter has no capset, there is nothing to give up but what is ambient. */
	if (((set[0].permitted | set[0].inheritable) & ~one) == 0 && (set[1].permitted | set[1].inheritable) == 0 &&
	    set[0].effective == set[0].permitted)
		return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL ? -1 : 0;
	set[0].effective = set[0].permitted &= one;
	set[1].effective = set[1].permitted = 0;
	set[0].inheritable = set[1].inheritable = 0; /* and with them what is ambient */
	return (int)syscall(SYS_capset, &head, set);
}

/* What no program begun by this process could get either. */
static int bound(void)
{
	for (unsigned long c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if (c != CAP_NET_BIND_SERVICE && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 && errno != EPERM)
			return -1;
	return 0;
}

static int become(const struct passwd *pw)
{
	if (bound() < 0)
		return -1;
	if (pw->pw_uid == 0)
		return 0;
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || initgroups(pw->pw_name, pw->pw_gid) < 0 ||
			       setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
			       setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0 ?
		       -1 :
		       0;
}

static int give_up_rest(char *err, size_t errlen)
{
	if (keep_one() < 0)
		return fail("cannot give up capabilities", err, errlen);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail("cannot set no_new_privs", err, errlen);
	return 0;
}

/* Nobody of the same user reads keys out of our memory; but a sanitizer looks for leaks that way. */
static void hide_memory(bool hide) { prctl(PR_SET_DUMPABLE, !hide, 0, 0, 0); }

int privs_bind(int fd, const struct sockaddr *addr, socklen_t len) { return bind(fd, addr, len); }

int privs_finish(char *err, size_t errlen)
{
	(void)err;
	(void)errlen;
	return 0;
}

#else

/* Effectively that user; really still root, until privs_finish(). */
static int become(const struct passwd *pw)
{
	if (pw->pw_uid == 0)
		return 0;
	return initgroups(pw->pw_name, pw->pw_gid) < 0 || setegid(pw->pw_gid) < 0 || seteuid(pw->pw_uid) < 0 ? -1 : 0;
}

static int give_up_rest(char *err, size_t errlen)
{
	(void)err;
	(void)errlen;
	return 0;
}

static void hide_memory(bool hide) { (void)hide; }

static bool is_waiting(void) { return getuid() == 0 && geteuid() != 0; }

int privs_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	uid_t user = geteuid();
	int rc, e;

	if (!is_waiting() || addr->sa_family == AF_UNIX)
		return bind(fd, addr, len);
	if (seteuid(0) < 0)
		return -1;
	rc = bind(fd, addr, len);
	e = errno;
	if (seteuid(user) < 0)
		return -1;
	errno = e;
	return rc;
}

int privs_finish(char *err, size_t errlen)
{
	gid_t group = getegid();
	uid_t user = geteuid();

	if (!is_waiting())
		return 0;
	if (seteuid(0) < 0 || setgid(group) < 0 || setuid(user) < 0)
		return fail("cannot give up root's rights", err, errlen);
	if (setuid(0) == 0 || seteuid(0) == 0) {
		snprintf(err, errlen, "root's rights could not be given up");
		return -1;
	}
	return 0;
}

#endif

/* Passwords, keys and what people said would be in a core file. */
static void forbid_core(bool forbid)
{
	struct rlimit none = { 0, 0 };

	if (forbid)
		setrlimit(RLIMIT_CORE, &none);
#ifdef NATTER_SANITIZED
	hide_memory(false);
#else
	hide_memory(forbid);
#endif
}

int privs_drop(const struct config *cfg, bool alone, char *err, size_t errlen)
{
	const bool root = geteuid() == 0;
	const struct passwd *pw = root ? find_user(cfg, alone, err, errlen) : NULL;

	if (root && pw == NULL)
		return -1;
	if (root && become(pw) < 0) {
		snprintf(err, errlen,
			 "cannot become the user %s: %s (where natterd shall stay what is called root, as in a container "
			 "that has no other users, say so: user = root, or -u root)",
			 pw->pw_name, strerror(errno));
		return -1;
	}
	if (give_up_rest(err, errlen) < 0)
		return -1;
	forbid_core(!cfg->core_dumps);
	if (root && geteuid() == 0)
		log_warning("the user stays root, and may change files that are root's", "user=%s", pw->pw_name);
	else if (root)
		log_info("root's rights are given up", "user=%s uid=%ld", pw->pw_name, (long)geteuid());
	return 0;
}
