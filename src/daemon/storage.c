#include <config.h>

#include "daemon/storage.h"
#include "daemon/key_file.h"

#include "base/log.h"
#include "chat/journal_memory.h"
#ifdef HAVE_SQLITE
#include "store/journal_sqlite.h"
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY 86400000 /* ms */

struct storage {
	const struct config *config;
	char folder[3900]; /* "": there is none */
	bool sqlite;
	int lock;
	struct secret_key key;
};

/* The first of systemd's, where it gives several. */
static void find_folder(struct storage *s)
{
	const char *given = s->config->state_dir[0] ? s->config->state_dir : getenv("STATE_DIRECTORY");

	if (given)
		snprintf(s->folder, sizeof(s->folder), "%.*s",
			 s->config->state_dir[0] ? (int)strlen(given) : (int)strcspn(given, ":"), given);
}

static int choose(struct storage *s, char *err, size_t errlen)
{
#ifdef HAVE_SQLITE
	s->sqlite = s->config->journal == CONFIG_JOURNAL_SQLITE ||
		    (s->config->journal == CONFIG_JOURNAL_AUTO && s->folder[0]);
#else
	if (s->config->journal == CONFIG_JOURNAL_SQLITE) {
		snprintf(err, errlen, "journal = sqlite: this natterd was built without SQLite");
		return -1;
	}
#endif
	if (s->sqlite && s->folder[0] == '\0') {
		snprintf(err, errlen, "journal = sqlite: set state_dir, for instance to " NATTER_STATE_DIR);
		return -1;
	}
	if (s->folder[0] && s->folder[0] != '/') {
		snprintf(err, errlen, "state_dir: expected an absolute path, not '%s'", s->folder);
		return -1;
	}
	return 0;
}

/* Opens the lock file: for reading where it cannot be written. */
static int open_lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	return fd >= 0 || (errno != EROFS && errno != EACCES) ? fd : open(path, O_RDONLY | O_CLOEXEC);
}

static int lock(struct storage *s, char *err, size_t errlen)
{
	char path[4000];
	struct stat st;

	if (stat(s->folder, &st) < 0 || !S_ISDIR(st.st_mode)) {
		snprintf(err, errlen, "state_dir %s: %s", s->folder,
			 stat(s->folder, &st) < 0 ? strerror(errno) : "it is no directory");
		return -1;
	}
	snprintf(path, sizeof(path), "%s/lock", s->folder);
	s->lock = open_lock(path);
	if (s->lock >= 0 && flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (s->lock >= 0 && errno == EWOULDBLOCK)
		snprintf(err, errlen, "state_dir %s is in use: another natterd runs with it", s->folder);
	else
		snprintf(err, errlen, "%s: %s", path, strerror(errno));
	return -1;
}

static int load_key(struct storage *s, char *err, size_t errlen)
{
	int rc = s->folder[0] ? key_file_load(s->folder, &s->key, err, errlen) : 0;

	if (rc > 0)
		log_warning("sessions end with this process, for their key cannot be stored", "folder=%s error=\"%s\"",
			    s->folder, err);
	if (s->folder[0] || secret_key_draw(&s->key))
		return rc < 0 ? -1 : 0;
	snprintf(err, errlen, "OpenSSL has no random numbers");
	return -1;
}

struct storage *storage_open(const struct config *cfg, char *err, size_t errlen)
{
	struct storage *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	s->config = cfg;
	s->lock = -1;
	find_folder(s);
	if (choose(s, err, errlen) == 0 && (s->folder[0] == '\0' || lock(s, err, errlen) == 0) &&
	    load_key(s, err, errlen) == 0)
		return s;
	storage_free(s);
	return NULL;
}

const struct secret_key *storage_secret_key(const struct storage *s) { return &s->key; }

bool storage_is_kept(const struct storage *s) { return s->folder[0] != '\0'; }

#ifdef HAVE_SQLITE
static struct journal *make_sqlite(const struct storage *s, char *err, size_t errlen)
{
	const struct config *c = s->config;
	struct journal_sqlite_opts o = {
		.folder = s->folder,
		.disk = c->durability == CONFIG_DURABILITY_DISK,
		.messages = c->history_messages,
		.bytes = c->history_bytes,
		.age = (uint64_t)c->history_days * DAY,
		.max_bytes = c->journal_size,
		.cid_keep = c->cid_keep,
	};

	return journal_sqlite_new(&o, err, errlen);
}
#endif

struct journal *storage_journal(const struct storage *s, char *err, size_t errlen)
{
	const struct config *c = s->config;
	struct journal_memory_opts o = { c->history_messages, (size_t)c->history_bytes, c->cid_keep };

	snprintf(err, errlen, "no memory");
#ifdef HAVE_SQLITE
	if (s->sqlite) {
		log_info("what is said is kept", "journal=sqlite folder=%s durability=%s", s->folder,
			 c->durability == CONFIG_DURABILITY_DISK ? "disk" : "process");
		return make_sqlite(s, err, errlen);
	}
#endif
	log_info("what is said is forgotten at the end", "journal=memory");
	return journal_memory_new(&o);
}

void storage_free(struct storage *s)
{
	if (s == NULL)
		return;
	if (s->lock >= 0)
		close(s->lock);
	free(s);
}
