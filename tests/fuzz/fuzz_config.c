/*
 * config: any bytes are loaded or refused with a sentence that names the file;
 * what is loaded is within the ranges of config.def, and is printed as a file
 * that loads again and is printed the same. A refused file leaves nothing
 * behind that the next one would feel.
 *
 * Input: the file.
 */
#include <config.h>

#include "daemon/config.h"
#include "wire/utf8.h"

#include "fuzz.h"

#include <unistd.h>

static char path[4096]; /* of the file that all inputs are written to */

static void remove_file(void) { unlink(path); }

static void make_file(void)
{
	const char *dir = getenv("TMPDIR");
	int fd;

	snprintf(path, sizeof(path), "%s/natter-fuzz-XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(path);
	CHECK(fd >= 0);
	close(fd);
	atexit(remove_file);
}

static struct config *load(const void *bytes, size_t len, char *err, size_t size)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fwrite(bytes, 1, len, f) == len && !fclose(f));
	memset(err, 'x', size);
	return config_load(path, err, size);
}

/* ---- values ---- */

/* "64K" to 65536, "10s" to 10000. */
static uint64_t number(const char *s, bool is_time)
{
	static const struct {
		const char *unit;
		uint64_t size, time;
	} units[] = {{"", 1, 1000}, {"K", 1 << 10, 0}, {"M", 1 << 20, 0}, {"G", 1 << 30, 0}, {"ms", 0, 1},
		     {"s", 0, 1000}, {"min", 0, 60000}, {"h", 0, 3600000}, {"d", 0, 86400000}};
	char *end;
	uint64_t n = strtoull(s, &end, 10);
	size_t i = 0;

	while (strcmp(end, units[i].unit) != 0)
		i++;
	return n * (is_time ? units[i].time : units[i].size);
}

static bool check_SIZE(uint64_t n, const char *min, const char *max)
{
	return n >= number(min, false) && n <= number(max, false);
}

static bool check_INT(uint32_t n, const char *min, const char *max) { return check_SIZE(n, min, max); }

static bool check_AUTO(uint32_t n, const char *min, const char *max) { return n == 0 || check_SIZE(n, min, max); }

static bool check_TIME(uint32_t n, const char *min, const char *max)
{
	return n >= number(min, true) && n <= number(max, true);
}

static bool check_STRING(const char *s, const char *min, const char *max)
{
	(void)min, (void)max;
	for (const char *p = s; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	}
	return utf8_valid(s, strlen(s));
}

static bool check_LIST(struct config_list l, const char *min, const char *max)
{
	for (size_t i = 0; i < l.n; i++) {
		if (!check_STRING(l.v[i], min, max))
			return false;
	}
	return true;
}

static bool check_BOOL(bool b, const char *min, const char *max)
{
	(void)b, (void)min, (void)max;
	return true;
}

/* A word's value is one of those in the table. */
static bool check_LOG(uint32_t w, const char *min, const char *max) { (void)min, (void)max; return w <= CONFIG_LOG_JOURNALD; }
static bool check_LOG_LEVEL(uint32_t w, const char *min, const char *max) { (void)min, (void)max; return w <= CONFIG_LOG_LEVEL_DEBUG; }
static bool check_JOURNAL(uint32_t w, const char *min, const char *max) { (void)min, (void)max; return w <= CONFIG_JOURNAL_SQLITE; }
static bool check_DURABILITY(uint32_t w, const char *min, const char *max) { (void)min, (void)max; return w <= CONFIG_DURABILITY_DISK; }
static bool check_ANNOUNCE(uint32_t w, const char *min, const char *max) { (void)min, (void)max; return w <= CONFIG_ANNOUNCE_OFF; }
static bool check_HANDLER(uint32_t w, const char *min, const char *max) { (void)min, (void)max; return w <= CONFIG_HANDLER_COMMANDS; }
static bool check_IO_URING(uint32_t w, const char *min, const char *max) { (void)min, (void)max; return w <= CONFIG_IO_URING_OFF; }
static bool check_FORWARDED(uint32_t w, const char *min, const char *max) { (void)min, (void)max; return w <= CONFIG_FORWARDED_FORWARDED; }
static bool check_ANONYMOUS(uint32_t w, const char *min, const char *max) { (void)min, (void)max; return w <= CONFIG_ANONYMOUS_NO; }
static bool check_ALGORITHM(uint32_t w, const char *min, const char *max) { (void)min, (void)max; return w <= CONFIG_ALGORITHM_ES256; }
static bool check_ROLE(uint32_t w, const char *min, const char *max) { (void)min, (void)max; return w <= CONFIG_ROLE_ADMIN; }
static bool check_TLS_VERSION(uint32_t w, const char *min, const char *max) { (void)min, (void)max; return w <= CONFIG_TLS_VERSION_V1_3; }

static void check_values(const struct config *c)
{
	CHECK(c->n_listeners && c->n_endpoints);
#define GLOBAL(kind, name, def, min, max, when, help) CHECK(check_##kind(c->name, min, max));
#include "daemon/config.def"
	for (size_t i = 0; i < c->n_listeners; i++) {
		const struct config_listener *l = &c->listeners[i];

		CHECK(l->mode_bits <= 07777 && (!*l->path || *l->path == '/'));
#define LISTENER(kind, name, def, min, max, when, help) CHECK(check_##kind(l->name, min, max));
#include "daemon/config.def"
	}
	for (size_t i = 0; i < c->n_certificates; i++) {
		const struct config_certificate *t = &c->certificates[i];

		CHECK(*t->chain);
#define CERTIFICATE(kind, name, def, min, max, when, help) CHECK(check_##kind(t->name, min, max));
#include "daemon/config.def"
	}
	for (size_t i = 0; i < c->n_endpoints; i++) {
		const struct config_endpoint *e = &c->endpoints[i];

		CHECK(*e->path_pattern == '/');
#define ENDPOINT(kind, name, def, min, max, when, help) CHECK(check_##kind(e->name, min, max));
#include "daemon/config.def"
	}
	for (size_t i = 0; i < c->n_tokens; i++) {
		const struct config_token *t = &c->tokens[i];

		CHECK(t->hashed ? !strncmp(t->title, "sha256:", 7) && strlen(t->title) == 71 : *t->title == '/');
		CHECK(*t->user && strlen(t->user) <= 64 && !strncmp(t->where, path, strlen(path)));
#define TOKEN(kind, name, def, min, max, when, help) CHECK(check_##kind(t->name, min, max));
#include "daemon/config.def"
	}
	for (size_t i = 0; i < c->n_jwts; i++) {
		const struct config_jwt *j = &c->jwts[i];

		CHECK(*j->key == '/' && !strncmp(j->where, path, strlen(path)));
#define JWT(kind, name, def, min, max, when, help) CHECK(check_##kind(j->name, min, max));
#include "daemon/config.def"
	}
}

/* ---- printing ---- */

static char *printed(const struct config *c, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	CHECK(f);
	config_print(c, f);
	CHECK(!fclose(f) && text);
	return text;
}

static void check_printed(const struct config *c)
{
	char err[512], *first, *second;
	size_t len, again;
	struct config *copy;

	first = printed(c, &len);
	copy = load(first, len, err, sizeof(err));
	CHECK(copy);
	second = printed(copy, &again);
	CHECK(again == len && !memcmp(first, second, len));
	config_free(copy);
	free(first);
	free(second);
}

static void check_refused(const char *err, size_t size)
{
	CHECK(memchr(err, 0, size));
	CHECK(!strncmp(err, path, strlen(path)) && err[strlen(path)] == ':');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char err[512];
	struct config *c;

	if (!*path)
		make_file();
	c = load(data, len, err, sizeof(err));
	if (c) {
		check_values(c);
		check_printed(c);
	} else {
		check_refused(err, sizeof(err));
	}
	config_free(c);

	c = config_load(NULL, err, sizeof(err));
	CHECK(c && c->n_listeners == 1 && c->n_endpoints == 1);
	config_free(c);
	return 0;
}
