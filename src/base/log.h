/*
 * log: what happened, as one line of key=value pairs.
 *
 * A line is a level, an event in words, and pairs that the caller prints:
 *
 *     log_info("listening", "name=%s address=%s", name, addr);
 *
 * goes out as   info: listening name=main address=127.0.0.1:9600
 *
 * to stderr (with a time stamp unless journald reads it), syslog, or journald's
 * socket. Values that a stranger chose go through log_quote(). No message
 * texts, no tokens, ever. Any thread.
 */
#ifndef NATTER_BASE_LOG_H
#define NATTER_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG, LOG_TARGET_JOURNALD };

/*
 * Opens the target; may be called again to change it. Returns 0, or -1 with
 * errno when journald's socket cannot be reached (then stderr stays).
 * IDENT must stay valid.
 */
int log_open(enum log_target target, enum log_level level, const char *ident);
void log_close(void);

/* For tests: where journald's socket is, from the next log_open() on. PATH must stay valid. */
void log_set_journald_path(const char *path);

void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Parse "error", "warning", "info", "debug" / "stderr", "syslog", "journald"; -1: neither. */
int log_level_parse(const char *s);
int log_target_parse(const char *s);

#ifdef __GNUC__
#pragma GCC diagnostic ignored "-Wformat-zero-length" /* an event may need no pairs */
#endif

/* FMT may be "". EVENT: a few words, no '='. */
void log_line(enum log_level level, const char *event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_error(event, ...) log_line(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warning(event, ...) log_line(LOG_LEVEL_WARNING, event, __VA_ARGS__)
#define log_info(event, ...) log_line(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...)                                                                   \
	do {                                                                                    \
		if (log_enabled(LOG_LEVEL_DEBUG))                                               \
			log_line(LOG_LEVEL_DEBUG, event, __VA_ARGS__);                          \
	} while (0)

/*
 * For what strangers can cause: at most `burst` (10) lines a second from one
 * place; the first line afterwards says how many were left out
 * (suppressed=N). The state is static at the call site.
 */
struct log_limit {
	uint64_t window; /* ms, start of the current second; owned by log.c under its lock */
	uint32_t lines, suppressed;
};
void log_line_limited(struct log_limit *limit, enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define log_limited(level, event, ...)                                                          \
	do {                                                                                    \
		static struct log_limit log_limit_here;                                         \
		if (log_enabled(level))                                                         \
			log_line_limited(&log_limit_here, level, event, __VA_ARGS__);           \
	} while (0)

/*
 * VALUE as a log value in BUF: as it is when it is plain, else in double
 * quotes with control and non-UTF-8 bytes, quotes and backslashes escaped
 * (\xNN, \", \\); cut with "…" to fit SIZE (at least 8). Returns BUF.
 */
char *log_quote(char *buf, size_t size, const char *value, size_t len);

#endif
