/*
 * log: see log.h.
 *
 * A line is built on the caller's stack, with room for a time stamp in front
 * of it, and leaves in one system call under the lock. What journald does not
 * take goes to stderr, so that nothing is lost with it.
 */
#include <config.h>

#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define STAMP_LEN 25  /* "2026-11-21T01:02:03.456Z " */
#define LINE_SIZE 2048 /* with time stamp and newline */
#define BURST 10      /* lines a second from one place */
#define ELLIPSIS "\xe2\x80\xa6"
#define ELLIPSIS_LEN 3

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

struct line {
	enum log_level level;
	size_t len;                /* of the text */
	char stamp[STAMP_LEN];
	char text[LINE_SIZE - STAMP_LEN]; /* one byte is kept for the newline */
};

static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", LOG_ERR},
	[LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
	[LOG_LEVEL_INFO] = {"info", LOG_INFO},
	[LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};

static const char *const targets[] = {
	[LOG_TARGET_STDERR] = "stderr",
	[LOG_TARGET_SYSLOG] = "syslog",
	[LOG_TARGET_JOURNALD] = "journald",
};

static atomic_int log_level = LOG_LEVEL_INFO;

/* All below belongs to the lock, and so does every struct log_limit. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_target log_target = LOG_TARGET_STDERR;
static const char *log_ident = "natterd";
static const char *journald_path = "/run/systemd/journal/socket";
static int journald = -1;


/* ---- opening and closing ---- */

/* A socket connected to journald, or -1 with errno. */
static int journald_connect(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(journald_path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(addr.sun_path, journald_path, strlen(journald_path));
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd < 0)
		return -1;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* Back to stderr. Under the lock. */
static void close_target(void)
{
	if (log_target == LOG_TARGET_SYSLOG)
		closelog();
	if (journald >= 0)
		close(journald);
	journald = -1;
	log_target = LOG_TARGET_STDERR;
}

int log_open(enum log_target target, enum log_level level, const char *ident)
{
	int ret = 0, error = 0;

	log_set_level(level);
	pthread_mutex_lock(&lock);
	close_target();
	log_ident = ident;
	if (target == LOG_TARGET_SYSLOG)
		openlog(ident, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	if (target == LOG_TARGET_JOURNALD && (journald = journald_connect()) < 0) {
		error = errno;
		ret = -1;
	} else {
		log_target = target;
	}
	pthread_mutex_unlock(&lock);
	if (ret < 0)
		errno = error;
	return ret;
}

void log_close(void)
{
	pthread_mutex_lock(&lock);
	close_target();
	pthread_mutex_unlock(&lock);
}

void log_set_journald_path(const char *path)
{
	pthread_mutex_lock(&lock);
	journald_path = path;
	pthread_mutex_unlock(&lock);
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

int log_level_parse(const char *s)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (!strcmp(s, levels[i].name))
			return (int)i;
	return -1;
}

int log_target_parse(const char *s)
{
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (!strcmp(s, targets[i]))
			return (int)i;
	return -1;
}


/* ---- UTF-8, as far as it is needed here ---- */

/* The length of the character that S begins with; 0: it is not UTF-8 (RFC 3629). LEN is at least 1. */
static size_t char_len(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* Whether the character of N bytes is one of the C0 or C1 controls, or DEL. */
static bool is_control(const char *s, size_t n)
{
	unsigned char c = (unsigned char)s[0];

	return n == 1 ? c < 0x20 || c == 0x7f : n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0;
}

/* Ends the LEN bytes of BUF, cut off anywhere, with an ellipsis within them. Returns the new length. */
static size_t cut(char *buf, size_t len)
{
	size_t at = len - ELLIPSIS_LEN;

	while (at > 0 && ((unsigned char)buf[at] & 0xc0) == 0x80)
		at--;
	memcpy(buf + at, ELLIPSIS, ELLIPSIS_LEN);
	return at + ELLIPSIS_LEN;
}


/* ---- a line goes out, under the lock ---- */

static void write_stamp(char stamp[STAMP_LEN])
{
	int64_t now = clock_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm tm;
	char buf[128];

	gmtime_r(&seconds, &tm);
	snprintf(buf, sizeof(buf), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now % 1000));
	memcpy(stamp, buf, STAMP_LEN);
}

/* One line, whatever is in it: controls become question marks. */
static void to_stderr(struct line *l)
{
	bool stamped = !getenv("JOURNAL_STREAM");
	char *from = stamped ? l->stamp : l->text;
	ssize_t n;

	for (size_t i = 0; i < l->len; i++)
		if (is_control(l->text + i, 1))
			l->text[i] = '?';
	l->text[l->len] = '\n';
	if (stamped)
		write_stamp(l->stamp);
	do
		n = write(STDERR_FILENO, from, (size_t)(l->text + l->len + 1 - from));
	while (n < 0 && errno == EINTR);
}

/* The fields up to the text of MESSAGE: after "=", or with a length before it where a newline occurs. */
static size_t journald_head(const struct line *l, char *buf, size_t size)
{
	bool binary = memchr(l->text, '\n', l->len) != NULL;
	int n = snprintf(buf, size, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%.64s\nMESSAGE%s", levels[l->level].priority,
			 log_ident, binary ? "\n" : "=");
	size_t at = (size_t)n;

	for (int i = 0; binary && i < 8; i++)
		buf[at++] = (char)((uint64_t)l->len >> (8 * i) & 0xff);
	return at;
}

/* Whether journald took it. It is given a second chance, as it may have been started anew. */
static bool to_journald(struct line *l)
{
	char head[160];
	struct iovec iov[2] = {{head, journald_head(l, head, sizeof(head) - 8)}, {l->text, l->len + 1}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	l->text[l->len] = '\n';
	for (int attempt = 0; attempt < 2; attempt++) {
		if (journald < 0)
			journald = journald_connect();
		if (journald < 0)
			return false;
		if (sendmsg(journald, &msg, MSG_NOSIGNAL) >= 0)
			return true;
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
			return false;
		close(journald);
		journald = -1;
	}
	return false;
}

static void emit(struct line *l)
{
	pthread_mutex_lock(&lock);
	if (log_target == LOG_TARGET_SYSLOG)
		syslog(levels[l->level].priority, "%.*s", (int)l->len, l->text);
	else if (log_target != LOG_TARGET_JOURNALD || !to_journald(l))
		to_stderr(l);
	pthread_mutex_unlock(&lock);
}


/* ---- a line comes in ---- */

/* Appends to the text, never into the last RESERVE bytes of its room. */
__attribute__((format(printf, 3, 0)))
static void append(struct line *l, size_t reserve, const char *fmt, va_list ap)
{
	size_t room = sizeof(l->text) - reserve - l->len; /* the NUL's byte becomes the newline's */
	int n = vsnprintf(l->text + l->len, room, fmt, ap);

	if (n < 0)
		return;
	l->len += (size_t)n;
	if ((size_t)n >= room)
		l->len = cut(l->text, sizeof(l->text) - reserve - 1);
}

__attribute__((format(printf, 3, 4)))
static void appendf(struct line *l, size_t reserve, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append(l, reserve, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 4, 0)))
static void log_vline(enum log_level level, uint32_t suppressed, const char *event, const char *fmt, va_list ap)
{
	const size_t reserve = suppressed ? sizeof(" suppressed=4294967295") - 1 : 0;
	struct line l;
	int error = errno;

	l.level = level;
	l.len = 0;
	appendf(&l, reserve, "%s: %s%s", levels[level].name, event, *fmt ? " " : "");
	append(&l, reserve, fmt, ap);
	if (suppressed)
		appendf(&l, 0, " suppressed=%u", (unsigned)suppressed);
	emit(&l);
	errno = error;
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	log_vline(level, 0, event, fmt, ap);
	va_end(ap);
}

/* Whether a line may go out now; then *SUPPRESSED is how many before it did not. */
static bool limit_allows(struct log_limit *limit, uint32_t *suppressed)
{
	uint64_t now = clock_ms();
	bool allowed;

	pthread_mutex_lock(&lock);
	if (now - limit->window >= 1000) {
		limit->window = now;
		limit->lines = 0;
	}
	allowed = limit->lines < BURST;
	if (allowed) {
		limit->lines++;
		*suppressed = limit->suppressed;
		limit->suppressed = 0;
	} else if (limit->suppressed < UINT32_MAX) {
		limit->suppressed++;
	}
	pthread_mutex_unlock(&lock);
	return allowed;
}

void log_line_limited(struct log_limit *limit, enum log_level level, const char *event, const char *fmt, ...)
{
	uint32_t suppressed;
	va_list ap;

	if (!log_enabled(level) || !limit_allows(limit, &suppressed))
		return;
	va_start(ap, fmt);
	log_vline(level, suppressed, event, fmt, ap);
	va_end(ap);
}


/* ---- values ---- */

/* Whether nothing within the first SIZE bytes needs quotes. */
static bool is_plain(const char *value, size_t len, size_t size)
{
	size_t n;

	for (size_t i = 0; i < len && i < size; i += n) {
		n = char_len(value + i, len - i);
		if (n == 0 || is_control(value + i, n) || (n == 1 && strchr(" =\"\\", value[i])))
			return false;
	}
	return len > 0;
}

/* As PIECE (4 bytes at most) what VALUE begins with; *USED bytes of it. Returns PIECE's length. */
static size_t escape(char piece[5], const char *value, size_t len, size_t *used)
{
	size_t n = char_len(value, len);

	*used = 1;
	if (n == 1 && (value[0] == '"' || value[0] == '\\'))
		return (size_t)snprintf(piece, 5, "\\%c", value[0]);
	if (n == 0 || is_control(value, n)) /* of a C1 control the second byte comes next, as no character */
		return (size_t)snprintf(piece, 5, "\\x%02x", (unsigned)(unsigned char)value[0]);
	*used = n;
	memcpy(piece, value, n);
	return n;
}

/* The value from BUF[AT] on, up to END, where an ellipsis has to fit. Returns where it ends. */
static size_t quote_inner(char *buf, size_t at, size_t end, const char *value, size_t len, bool plain)
{
	size_t n, used, cut_at = at;
	char piece[5];

	for (size_t i = 0; i < len; i += used) {
		if (plain)
			memcpy(piece, value + i, n = used = char_len(value + i, len - i));
		else
			n = escape(piece, value + i, len - i, &used);
		if (n > end - at) {
			memcpy(buf + cut_at, ELLIPSIS, ELLIPSIS_LEN);
			return cut_at + ELLIPSIS_LEN;
		}
		memcpy(buf + at, piece, n);
		at += n;
		if (end - at >= ELLIPSIS_LEN)
			cut_at = at;
	}
	return at;
}

char *log_quote(char *buf, size_t size, const char *value, size_t len)
{
	bool plain = is_plain(value, len, size);
	size_t at = 0;

	if (size < 8) {
		if (size > 0)
			buf[0] = '\0';
		return buf;
	}
	if (plain) {
		at = quote_inner(buf, 0, size - 1, value, len, true);
	} else {
		buf[0] = '"';
		at = quote_inner(buf, 1, size - 2, value, len, false);
		buf[at++] = '"';
	}
	buf[at] = '\0';
	return buf;
}
