/*
 * config: natterd.conf as a struct.
 *
 * Options, defaults and ranges are rows of config.def; libconfuse reads the
 * file. A configuration is checked whole: what config_load() gives is good, or
 * there is none and sentences with file and line on why.
 */
#ifndef NATTER_DAEMON_CONFIG_H
#define NATTER_DAEMON_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>


enum config_log { CONFIG_LOG_STDERR, CONFIG_LOG_SYSLOG, CONFIG_LOG_JOURNALD };
enum config_log_level { CONFIG_LOG_LEVEL_ERROR, CONFIG_LOG_LEVEL_WARNING, CONFIG_LOG_LEVEL_INFO, CONFIG_LOG_LEVEL_DEBUG };
enum config_journal { CONFIG_JOURNAL_AUTO, CONFIG_JOURNAL_MEMORY, CONFIG_JOURNAL_SQLITE };
enum config_durability { CONFIG_DURABILITY_PROCESS, CONFIG_DURABILITY_DISK };
enum config_announce { CONFIG_ANNOUNCE_ADDRESS, CONFIG_ANNOUNCE_NAME, CONFIG_ANNOUNCE_OFF };
enum config_io_uring { CONFIG_IO_URING_AUTO, CONFIG_IO_URING_OFF };
enum config_forwarded { CONFIG_FORWARDED_OFF, CONFIG_FORWARDED_X_FORWARDED_FOR, CONFIG_FORWARDED_FORWARDED };
enum config_role { CONFIG_ROLE_USER, CONFIG_ROLE_MODERATOR, CONFIG_ROLE_ADMIN };
enum config_tls_version { CONFIG_TLS_VERSION_V1_2, CONFIG_TLS_VERSION_V1_3 };
enum config_anonymous { CONFIG_ANONYMOUS_YES, CONFIG_ANONYMOUS_READ_ONLY, CONFIG_ANONYMOUS_NO };
enum config_algorithm { CONFIG_ALGORITHM_HS256, CONFIG_ALGORITHM_RS256, CONFIG_ALGORITHM_ES256 };
enum config_handler { CONFIG_HANDLER_CHAT, CONFIG_HANDLER_ECHO, CONFIG_HANDLER_COMMANDS };

struct config_list {
	char **v;
	size_t n;
};

/* The member that holds a value of each kind. TIME is in milliseconds; AUTO is 0 for auto; a STRING is never NULL. */
typedef bool config_BOOL;
typedef uint32_t config_INT;
typedef uint32_t config_AUTO;
typedef uint64_t config_SIZE;
typedef uint32_t config_TIME;
typedef char *config_STRING;
typedef struct config_list config_LIST;
/* One of the enums above. */
typedef uint32_t config_LOG, config_LOG_LEVEL, config_JOURNAL, config_DURABILITY, config_ANNOUNCE, config_HANDLER, config_IO_URING, config_FORWARDED, config_ROLE, config_ANONYMOUS,
	config_ALGORITHM, config_TLS_VERSION;

/* A word that is not there and has no default. */
#define CONFIG_MISSING UINT32_MAX

struct config_listener {
	char *name, *where; /* FILE:LINE, for what is found wrong later */
	uint32_t mode_bits; /* mode, as a number */
#define LISTENER(kind, name, def, min, max, when, help) config_##kind name;
#include "daemon/config.def"
};

/* In the order of the file. */
struct config_certificate {
	char *title, *where; /* FILE:LINE */
#define CERTIFICATE(kind, name, def, min, max, when, help) config_##kind name;
#include "daemon/config.def"
};

struct config_endpoint {
	char *path_pattern, *where;
#define ENDPOINT(kind, name, def, min, max, when, help) config_##kind name;
#include "daemon/config.def"
};

/* Whose a token is. The token itself is not here: its hash, or the file that has it (token_table). */
struct config_token {
	char *title;              /* sha256:HEX, or the file's path */
	char *where;
	bool hashed;              /* the title is a hash */
	unsigned char sha256[32]; /* if so */
#define TOKEN(kind, name, def, min, max, when, help) config_##kind name;
#include "daemon/config.def"
};

/* A key that signs tokens; it is in a file (token_table). */
struct config_jwt {
	char *title;              /* for people */
	char *where;              /* as above */
#define JWT(kind, name, def, min, max, when, help) config_##kind name;
#include "daemon/config.def"
};

/* Counted: open connections hold the one by which they came in. */
struct config {
	atomic_uint refs;
	struct config_listener *listeners;
	size_t n_listeners;
	struct config_certificate *certificates;
	size_t n_certificates;
	struct config_endpoint *endpoints;
	size_t n_endpoints;
	struct config_token *tokens;
	size_t n_tokens;
	struct config_jwt *jwts;
	size_t n_jwts;
#define GLOBAL(kind, name, def, min, max, when, help) config_##kind name;
#include "daemon/config.def"
};

/*
 * FILE NULL: all defaults. NULL: ERR says why, "FILE:LINE: …" where a line is to blame: the first thing that cannot
 * be read, or else all that is wrong, a line each (see faults.h).
 */
struct config *config_load(const char *file, char *err, size_t errlen);

/* Pages of every origin may connect, as far as no file says otherwise. 0, or -1: no memory. */
int config_allow_all_origins(struct config *c);

/* One more holder. Any thread. */
struct config *config_ref(struct config *c);

/* Lets go of it, and frees it after the last holder. Any thread. NULL is fine. */
void config_free(struct config *c);

/* WHERE in the configuration PATH is named, as "FILE:LINE" where that is known. */
typedef void config_file_fn(void *arg, const char *path, const char *where);

/* FN for each file that C names and that is read at a start and at each reload. */
void config_each_file(const struct config *c, config_file_fn *fn, void *arg);

/*
 * The arguments HOST PORT instead of all listeners: a literal address or
 * localhost is bound, for any other HOST all addresses are. Returns 1 in that
 * last case, 0, or -1 with ERR: the port is none.
 */
int config_set_listener(struct config *c, const char *host, const char *port, char *err, size_t errlen);

/* Every option with its value in force, as a file that can be loaded again. */
void config_print(const struct config *c, FILE *to);

#endif
