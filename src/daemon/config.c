#include <config.h>

#include "daemon/config.h"
#include "daemon/config_check.h"
#include "daemon/origins.h"

#include "wire/http_head.h"
#include "wire/netmask.h"

#include <arpa/inet.h>
#include <confuse.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table ---- */

enum kind { BOOL, INT, AUTO, SIZE, TIME, STRING, LIST, LOG, LOG_LEVEL, JOURNAL, DURABILITY, ANNOUNCE, HANDLER, IO_URING, FORWARDED,
	    ROLE, ANONYMOUS, ALGORITHM, TLS_VERSION };

struct row {
	enum kind kind;
	const char *name, *def, *min, *max;
	size_t offset; /* of the member */
};

#define ROW(type, kind, name, def, min, max) { kind, #name, def, min, max, offsetof(struct type, name) },

static const struct row global_rows[] = {
#define GLOBAL(kind, name, def, min, max, when, help) ROW(config, kind, name, def, min, max)
#include "daemon/config.def"
};
static const struct row listener_rows[] = {
#define LISTENER(kind, name, def, min, max, when, help) ROW(config_listener, kind, name, def, min, max)
#include "daemon/config.def"
};
static const struct row endpoint_rows[] = {
#define ENDPOINT(kind, name, def, min, max, when, help) ROW(config_endpoint, kind, name, def, min, max)
#include "daemon/config.def"
};
static const struct row certificate_rows[] = {
#define CERTIFICATE(kind, name, def, min, max, when, help) ROW(config_certificate, kind, name, def, min, max)
#include "daemon/config.def"
};
static const struct row token_rows[] = {
#define TOKEN(kind, name, def, min, max, when, help) ROW(config_token, kind, name, def, min, max)
#include "daemon/config.def"
};

static const struct row jwt_rows[] = {
#define JWT(kind, name, def, min, max, when, help) ROW(config_jwt, kind, name, def, min, max)
#include "daemon/config.def"
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define N_GLOBAL COUNT(global_rows)
#define N_LISTENER COUNT(listener_rows)
#define N_ENDPOINT COUNT(endpoint_rows)
#define N_CERTIFICATE COUNT(certificate_rows)
#define N_TOKEN COUNT(token_rows)
#define N_JWT COUNT(jwt_rows)

static const struct {
	enum kind kind;
	const char *word;
	uint32_t value;
} words[] = {
#define ENUM(kind, WORD, word, help) { kind, #word, CONFIG_##kind##_##WORD },
#include "daemon/config.def"
};

static const struct row *find_row(const struct row *rows, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static const struct row *row_of(cfg_t *section, const char *option)
{
	if (strcmp(cfg_name(section), "listener") == 0)
		return find_row(listener_rows, N_LISTENER, option);
	if (strcmp(cfg_name(section), "endpoint") == 0)
		return find_row(endpoint_rows, N_ENDPOINT, option);
	if (strcmp(cfg_name(section), "certificate") == 0)
		return find_row(certificate_rows, N_CERTIFICATE, option);
	if (strcmp(cfg_name(section), "token") == 0)
		return find_row(token_rows, N_TOKEN, option);
	if (strcmp(cfg_name(section), "jwt") == 0)
		return find_row(jwt_rows, N_JWT, option);
	return find_row(global_rows, N_GLOBAL, option);
}

/* ---- values ---- */

static const struct unit {
	const char *name;
	uint64_t factor;
} sizes[] = { { "", 1 }, { "K", 1024 }, { "M", 1024 * 1024 }, { "G", 1024 * 1024 * 1024 }, { NULL, 0 } },
  times[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } },
  numbers[] = { { "", 1 }, { NULL, 0 } };

static const struct unit *units_of(enum kind k) { return k == SIZE ? sizes : k == TIME ? times : numbers; }

/* "64K" to 65536. false: it is not written like that. */
static bool parse_number(enum kind kind, const char *s, uint64_t *value)
{
	char *end;
	unsigned long long n;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	n = strtoull(s, &end, 10);
	for (const struct unit *u = units_of(kind); u->name && errno == 0; u++) {
		if (strcmp(end, u->name) != 0)
			continue;
		*value = n > UINT64_MAX / u->factor ? UINT64_MAX : n * u->factor;
		return true;
	}
	return false;
}

static bool is_number(enum kind k) { return k == INT || k == AUTO || k == SIZE || k == TIME; }

static bool is_auto(const struct row *r, const char *s) { return r->kind == AUTO && strcmp(s, "auto") == 0; }

/* 1: yes, 0: no, -1: neither. */
static int parse_bool(const char *s)
{
	static const char *const yes[] = { "yes", "on", "true" }, *const no[] = { "no", "off", "false" };

	for (size_t i = 0; i < COUNT(yes); i++)
		if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0)
			return strcmp(s, yes[i]) == 0;
	return -1;
}

static bool parse_word(enum kind kind, const char *s, uint32_t *value)
{
	int truth = kind == BOOL || kind == ANONYMOUS ? parse_bool(s) : -1;

	if (truth >= 0) {
		*value = kind == BOOL ? (uint32_t)truth : truth ? CONFIG_ANONYMOUS_YES : CONFIG_ANONYMOUS_NO;
		return true;
	}
	for (size_t i = 0; i < COUNT(words); i++) {
		if (words[i].kind == kind && strcmp(words[i].word, s) == 0) {
			*value = words[i].value;
			return true;
		}
	}
	return false;
}

static void list_words(enum kind kind, char *buf, size_t size)
{
	size_t n = (size_t)snprintf(buf, size, "one of");

	if (kind == BOOL) {
		snprintf(buf, size, "yes or no");
		return;
	}
	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i].kind == kind && n < size)
			n += (size_t)snprintf(buf + n, size - n, " %s", words[i].word);
}

static void expected(const struct row *r, char *buf, size_t size)
{
	static const char *const hints[] = {
		[INT] = "a number", [AUTO] = "auto, or a number", [SIZE] = "a size like 64K or 1M",
		[TIME] = "a time like 500ms, 10s, 2min or 1h",
	};

	if (is_number(r->kind))
		snprintf(buf, size, "%s from %s to %s", hints[r->kind], r->min, r->max);
	else
		list_words(r->kind, buf, size);
}

/* Whether S is a good value for R; WHY says what was expected. */
static bool is_good(const struct row *r, const char *s, char *why, size_t size)
{
	uint64_t n, min, max;
	uint32_t w;

	expected(r, why, size);
	if (is_auto(r, s))
		return true;
	if (is_number(r->kind))
		return parse_number(r->kind, s, &n) && parse_number(r->kind, r->min, &min) &&
		       parse_number(r->kind, r->max, &max) && n >= min && n <= max;
	if (r->kind != STRING && r->kind != LIST)
		return parse_word(r->kind, s, &w);
	if (strcmp(r->name, "token_cookie") == 0 && s[0]) {
		snprintf(why, size, "the name of a cookie: letters, digits and !#$%%&'*+-.^_`|~");
		return http_token(s, strlen(s));
	}
	if (strcmp(r->name, "trusted_proxies") == 0 || strcmp(r->name, "address_exempt") == 0) {
		snprintf(why, size, "unix, an address, or a network like 10.0.0.0/8 without bits set behind its prefix");
		return netmask_valid(s);
	}
	if (strcmp(r->name, "origins") == 0) {
		snprintf(why, size, "same-host, null, * or an origin like https://example.com without a path");
		return origins_valid(s);
	}
	snprintf(why, size, "UTF-8 text without control characters");
	return config_is_text(s);
}

/* ---- reading ---- */

#define END_MARK "end of file" /* an option that no file has: set behind its end */

/* libconfuse reports through a function without an argument of ours. */
static _Thread_local struct {
	char *buf;
	size_t size;
	bool failed;
} report;

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	size_t n = 0;

	if (report.failed)
		return; /* the first one counts */
	report.failed = true;
	if (cfg && cfg->filename && cfg->line)
		n = (size_t)snprintf(report.buf, report.size, "%s:%d: ", cfg->filename, cfg->line);
	if (n < report.size)
		vsnprintf(report.buf + n, report.size - n, fmt, ap);
}

static int check_option(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct row *r = row_of(cfg, cfg_opt_name(opt));
	char why[256];
	/* Called after each value: the new one is the last. */
	const char *s = cfg_opt_size(opt) ? cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1) : NULL;

	if (r == NULL || s == NULL || is_good(r, s, why, sizeof(why)))
		return 0;
	cfg_error(cfg, "%s: expected %s, not '%s'", r->name, why, s);
	return -1;
}

static int hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* "sha256:" and 64 hex digits to a hash. */
static bool parse_hash(const char *s, unsigned char hash[32])
{
	static const char begin[] = "sha256:";

	if (strncmp(s, begin, sizeof(begin) - 1) != 0 || strlen(s) != sizeof(begin) - 1 + 64)
		return false;
	s += sizeof(begin) - 1;
	for (size_t i = 0; i < 32; i++) {
		int high = hex_value(s[2 * i]), low = hex_value(s[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		hash[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* libconfuse's description of a section, made from its rows. Everything is text to it; we know the kinds. */
static void describe(cfg_opt_t *to, const struct row *rows, size_t n)
{
	cfg_opt_t end = CFG_END();

	for (size_t i = 0; i < n; i++) {
		cfg_opt_t text = CFG_STR(rows[i].name, rows[i].def, CFGF_NONE);
		cfg_opt_t inherited = CFG_STR(rows[i].name, NULL, CFGF_NODEFAULT);
		cfg_opt_t list = CFG_STR_LIST(rows[i].name, (char *)(uintptr_t)rows[i].def, CFGF_NONE);
		cfg_opt_t inherited_list = CFG_STR_LIST(rows[i].name, "{}", CFGF_NODEFAULT);

		if (rows[i].kind == LIST)
			to[i] = rows[i].def ? list : inherited_list;
		else
			to[i] = rows[i].def ? text : inherited;
	}
	to[n] = end;
}

static void validate_all(cfg_t *cfg, const char *prefix, const struct row *rows, size_t n)
{
	char name[96];

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s%s", prefix, rows[i].name);
		cfg_set_validate_func(cfg, name, check_option);
	}
}

static cfg_t *new_parser(void)
{
	cfg_opt_t listener[N_LISTENER + 1], certificate[N_CERTIFICATE + 1], endpoint[N_ENDPOINT + 1], token[N_TOKEN + 1];
	cfg_opt_t jwt[N_JWT + 1];
	cfg_opt_t top[N_GLOBAL + 7];
	cfg_opt_t sections[] = {
		CFG_SEC("listener", listener, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_SEC("certificate", certificate, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_SEC("endpoint", endpoint, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_SEC("token", token, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_SEC("jwt", jwt, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_STR(END_MARK, "", CFGF_NONE),
		CFG_END(),
	};
	cfg_t *cfg;

	describe(listener, listener_rows, N_LISTENER);
	describe(certificate, certificate_rows, N_CERTIFICATE);
	describe(endpoint, endpoint_rows, N_ENDPOINT);
	describe(token, token_rows, N_TOKEN);
	describe(jwt, jwt_rows, N_JWT);
	describe(top, global_rows, N_GLOBAL);
	memcpy(top + N_GLOBAL, sections, sizeof(sections));
	cfg = cfg_init(top, CFGF_NONE);
	if (cfg == NULL)
		return NULL;
	cfg_set_error_function(cfg, on_error);
	validate_all(cfg, "", global_rows, N_GLOBAL);
	validate_all(cfg, "listener|", listener_rows, N_LISTENER);
	validate_all(cfg, "certificate|", certificate_rows, N_CERTIFICATE);
	validate_all(cfg, "endpoint|", endpoint_rows, N_ENDPOINT);
	validate_all(cfg, "token|", token_rows, N_TOKEN);
	validate_all(cfg, "jwt|", jwt_rows, N_JWT);
	return cfg;
}

/* ---- from libconfuse to the struct ---- */

static bool copy_list(struct config_list *to, cfg_t *cfg, const char *name)
{
	size_t n = cfg_size(cfg, name);

	to->v = calloc(n + 1, sizeof(*to->v));
	for (to->n = 0; to->v && to->n < n; to->n++) {
		to->v[to->n] = strdup(cfg_getnstr(cfg, name, (unsigned)to->n));
		if (to->v[to->n] == NULL)
			return false;
	}
	return to->v != NULL;
}

static bool store(void *base, const struct row *r, cfg_t *cfg)
{
	char *member = (char *)base + r->offset;
	const char *s = r->kind == LIST ? "" : cfg_getstr(cfg, r->name);
	uint64_t n = 0;
	uint32_t w = 0;

	switch (r->kind) {
	case LIST:
		return copy_list((struct config_list *)(void *)member, cfg, r->name);
	case STRING: /* NULL where there is no default and nothing is said, which config_check() finds */
		return s == NULL || (*(char **)(void *)member = strdup(s)) != NULL;
	case SIZE:
		parse_number(r->kind, s, &n);
		*(uint64_t *)(void *)member = n;
		return true;
	case AUTO:
	case INT:
	case TIME:
		parse_number(r->kind, s, &n); /* not of auto: 0 */
		*(uint32_t *)(void *)member = (uint32_t)n;
		return true;
	case BOOL:
		parse_word(r->kind, s, &w);
		*(bool *)member = w;
		return true;
	default: /* as above: CONFIG_MISSING */
		if (s == NULL)
			w = CONFIG_MISSING;
		else
			parse_word(r->kind, s, &w);
		*(uint32_t *)(void *)member = w;
		return true;
	}
}

/* "FILE:LINE", which the caller owns. */
static char *where_is(cfg_t *s)
{
	char where[4200];

	snprintf(where, sizeof(where), "%s:%d", s->filename ? s->filename : "", s->line);
	return strdup(where);
}

static bool fill_listener(struct config_listener *l, cfg_t *s)
{
	bool good;

	l->name = strdup(cfg_title(s));
	l->where = where_is(s);
	good = l->name && l->where;
	for (size_t i = 0; i < N_LISTENER; i++)
		good = store(l, &listener_rows[i], s) && good;
	if (good)
		l->mode_bits = (uint32_t)strtoul(l->mode, NULL, 8);
	return good;
}

static bool fill_certificate(struct config_certificate *c, cfg_t *s)
{
	bool good;

	c->title = strdup(cfg_title(s));
	c->where = where_is(s);
	good = c->title && c->where;
	for (size_t i = 0; i < N_CERTIFICATE; i++)
		good = store(c, &certificate_rows[i], s) && good;
	return good;
}

/* What the section does not say is as the global option of the same name. */
static bool fill_endpoint(struct config_endpoint *e, cfg_t *s, cfg_t *top)
{
	bool good = (e->path_pattern = strdup(cfg_title(s))) != NULL && (e->where = where_is(s)) != NULL;

	for (size_t i = 0; i < N_ENDPOINT; i++) {
		const struct row *r = &endpoint_rows[i];

		good = store(e, r, r->def || (cfg_getopt(s, r->name)->flags & CFGF_MODIFIED) ? s : top) && good;
	}
	return good;
}

static bool fill_jwt(struct config_jwt *j, cfg_t *s)
{
	bool good = (j->title = strdup(cfg_title(s))) != NULL && (j->where = where_is(s)) != NULL;

	for (size_t i = 0; i < N_JWT; i++)
		good = store(j, &jwt_rows[i], s) && good;
	return good;
}

static bool fill_token(struct config_token *t, cfg_t *s)
{
	bool good = (t->title = strdup(cfg_title(s))) != NULL && (t->where = where_is(s)) != NULL;

	t->hashed = parse_hash(cfg_title(s), t->sha256);
	for (size_t i = 0; i < N_TOKEN; i++)
		good = store(t, &token_rows[i], s) && good;
	return good;
}

static bool fill(struct config *c, cfg_t *cfg)
{
	bool good = true;

	for (size_t i = 0; i < N_GLOBAL; i++)
		good = store(c, &global_rows[i], cfg) && good;
	c->listeners = calloc(cfg_size(cfg, "listener") + 1, sizeof(*c->listeners));
	c->certificates = calloc(cfg_size(cfg, "certificate") + 1, sizeof(*c->certificates));
	c->endpoints = calloc(cfg_size(cfg, "endpoint") + 1, sizeof(*c->endpoints));
	c->tokens = calloc(cfg_size(cfg, "token") + 1, sizeof(*c->tokens));
	c->jwts = calloc(cfg_size(cfg, "jwt") + 1, sizeof(*c->jwts));
	if (!good || c->listeners == NULL || c->certificates == NULL || c->endpoints == NULL || c->tokens == NULL ||
	    c->jwts == NULL)
		return false;
	for (; c->n_listeners < cfg_size(cfg, "listener"); c->n_listeners++)
		if (!fill_listener(&c->listeners[c->n_listeners], cfg_getnsec(cfg, "listener", (unsigned)c->n_listeners)))
			return c->n_listeners++, false;
	for (; c->n_certificates < cfg_size(cfg, "certificate"); c->n_certificates++)
		if (!fill_certificate(&c->certificates[c->n_certificates],
				      cfg_getnsec(cfg, "certificate", (unsigned)c->n_certificates)))
			return c->n_certificates++, false;
	for (; c->n_endpoints < cfg_size(cfg, "endpoint"); c->n_endpoints++)
		if (!fill_endpoint(&c->endpoints[c->n_endpoints],
				   cfg_getnsec(cfg, "endpoint", (unsigned)c->n_endpoints), cfg))
			return c->n_endpoints++, false;
	for (; c->n_tokens < cfg_size(cfg, "token"); c->n_tokens++)
		if (!fill_token(&c->tokens[c->n_tokens], cfg_getnsec(cfg, "token", (unsigned)c->n_tokens)))
			return c->n_tokens++, false;
	for (; c->n_jwts < cfg_size(cfg, "jwt"); c->n_jwts++)
		if (!fill_jwt(&c->jwts[c->n_jwts], cfg_getnsec(cfg, "jwt", (unsigned)c->n_jwts)))
			return c->n_jwts++, false;
	return true;
}

/* At least one listener and one endpoint: a section of defaults where the file has none. */
static bool parse_missing_sections(cfg_t *cfg)
{
	if (cfg_size(cfg, "listener") == 0 && cfg_parse_buf(cfg, "listener main { }\n") != CFG_SUCCESS)
		return false;
	return cfg_size(cfg, "endpoint") > 0 || cfg_parse_buf(cfg, "endpoint \"/*\" { }\n") == CFG_SUCCESS;
}

static void ignore_error(cfg_t *cfg, const char *fmt, va_list ap) { (void)cfg, (void)fmt, (void)ap; }

/*
 * libconfuse's scanner is one for the process, and remains within a comment or
 * a quoted text that has no end. This text leads out of each of these.
 */
static void reset_scanner(void)
{
	cfg_opt_t none[] = { CFG_END() };
	cfg_t *cfg = cfg_init(none, CFGF_IGNORE_UNKNOWN);

	if (cfg == NULL)
		return;
	cfg_set_error_function(cfg, ignore_error);
	cfg_parse_buf(cfg, "*/ #\"\n#'\n");
	cfg_free(cfg);
}

/* Behind the file's end. It is not read as what it is within a section, a comment or a quoted text that has no end. */
#define MARK "\n\"" END_MARK "\" = yes\n"
#define MARK_LEN (sizeof(MARK) - 1)

/* All of the file, and MARK behind it. The caller owns it. */
static char *read_file(const char *file, size_t *len, char *err, size_t errlen)
{
	FILE *f = fopen(file, "r"), *to;
	char *text = NULL, some[4096];
	size_t n, got;
	int e;

	to = f ? open_memstream(&text, &n) : NULL;
	while (to && (got = fread(some, 1, sizeof(some), f)) > 0)
		fwrite(some, 1, got, to);
	e = errno;
	if (to && (fwrite(MARK, 1, MARK_LEN, to), fclose(to)) == 0 && !ferror(f)) {
		fclose(f);
		*len = n - MARK_LEN;
		return text;
	}
	snprintf(err, errlen, "%s: %s", file, strerror(e));
	if (f)
		fclose(f);
	free(text);
	return NULL;
}

/* Sections and options of TEXT, which is FILE's. NULL: it could not be read, or there is no memory. */
static cfg_t *parse_text(const char *file, char *text, size_t len, cfg_errfunc_t on_fault)
{
	cfg_t *cfg = new_parser();
	FILE *f = cfg ? fmemopen(text, len, "r") : NULL;
	int rc = CFG_PARSE_ERROR;

	reset_scanner();
	if (f) {
		cfg_set_error_function(cfg, on_fault);
		free(cfg->filename);
		cfg->filename = strdup(file);
		rc = cfg_parse_fp(cfg, f);
		if (rc != CFG_SUCCESS && !report.failed)
			cfg_error(cfg, "an option without a name");
		fclose(f);
	}
	if (rc == CFG_SUCCESS)
		return cfg;
	if (cfg)
		cfg_free(cfg);
	return NULL;
}

/* A whole file is read once; else it is read again without the mark, which shall not be in what is told. */
static cfg_t *parse_file(const char *file, char *err, size_t errlen)
{
	size_t len;
	char *text = read_file(file, &len, err, errlen);
	cfg_t *cfg = text ? parse_text(file, text, len + MARK_LEN, ignore_error) : NULL;

	if (cfg && strcmp(cfg_getstr(cfg, END_MARK), "yes") != 0) {
		cfg_free(cfg);
		cfg = NULL;
	}
	if (text && cfg == NULL) {
		cfg = len ? parse_text(file, text, len, on_error) : NULL;
		if (cfg)
			snprintf(err, errlen, "%s: a section, a comment or a quoted text has no end", file);
		if (cfg)
			cfg_free(cfg);
		cfg = NULL;
	}
	free(text);
	return cfg;
}

struct config *config_load(const char *file, char *err, size_t errlen)
{
	struct config *c = calloc(1, sizeof(*c));
	struct faults faults;
	cfg_t *cfg;
	bool good;

	snprintf(err, errlen, "no memory");
	report.buf = err;
	report.size = errlen;
	report.failed = false;
	cfg = file ? parse_file(file, err, errlen) : new_parser();
	good = c && cfg && parse_missing_sections(cfg) && fill(c, cfg);
	if (cfg)
		cfg_free(cfg);
	faults_init(&faults, err, errlen);
	if (c)
		atomic_init(&c->refs, 1);
	if (good)
		config_check(c, file, &faults);
	if (good && faults.len == 0)
		return c;
	config_free(c);
	return NULL;
}

static void free_list(struct config_list *l)
{
	while (l->n > 0)
		free(l->v[--l->n]);
	free(l->v);
	l->v = NULL;
}

static void free_rows(void *base, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		void *member = (char *)base + rows[i].offset;

		if (rows[i].kind == STRING)
			free(*(char **)member);
		else if (rows[i].kind == LIST)
			free_list(member);
	}
}

static void free_listeners(struct config *c)
{
	for (size_t i = 0; i < c->n_listeners; i++) {
		free_rows(&c->listeners[i], listener_rows, N_LISTENER);
		free(c->listeners[i].name);
		free(c->listeners[i].where);
	}
	free(c->listeners);
}

struct config *config_ref(struct config *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void config_free(struct config *c)
{
	if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
		return;
	free_listeners(c);
	for (size_t i = 0; i < c->n_certificates; i++) {
		free_rows(&c->certificates[i], certificate_rows, N_CERTIFICATE);
		free(c->certificates[i].title);
		free(c->certificates[i].where);
	}
	free(c->certificates);
	for (size_t i = 0; i < c->n_endpoints; i++) {
		free_rows(&c->endpoints[i], endpoint_rows, N_ENDPOINT);
		free(c->endpoints[i].path_pattern);
		free(c->endpoints[i].where);
	}
	free(c->endpoints);
	for (size_t i = 0; i < c->n_tokens; i++) {
		free_rows(&c->tokens[i], token_rows, N_TOKEN);
		free(c->tokens[i].title);
		free(c->tokens[i].where);
	}
	free(c->tokens);
	for (size_t i = 0; i < c->n_jwts; i++) {
		free_rows(&c->jwts[i], jwt_rows, N_JWT);
		free(c->jwts[i].title);
		free(c->jwts[i].where);
	}
	free(c->jwts);
	free_rows(c, global_rows, N_GLOBAL);
	free(c);
}

void config_each_file(const struct config *c, config_file_fn *fn, void *arg)
{
	for (size_t i = 0; i < c->n_listeners; i++) {
		const struct config_listener *l = &c->listeners[i];

		if (l->tls && l->certificate[0])
			fn(arg, l->certificate, l->where);
		if (l->tls && l->key[0])
			fn(arg, l->key, l->where);
	}
	for (size_t i = 0; i < c->n_certificates; i++) {
		fn(arg, c->certificates[i].chain, c->certificates[i].where);
		if (c->certificates[i].key[0])
			fn(arg, c->certificates[i].key, c->certificates[i].where);
	}
	if (c->tls_ticket_file[0])
		fn(arg, c->tls_ticket_file, "tls_ticket_file");
	for (size_t i = 0; i < c->n_tokens; i++)
		if (!c->tokens[i].hashed)
			fn(arg, c->tokens[i].title, c->tokens[i].where);
	for (size_t i = 0; i < c->n_jwts; i++)
		fn(arg, c->jwts[i].key, c->jwts[i].where);
}

/* ---- HOST PORT ---- */

static int set_to_one(struct config_list *l, const char *text)
{
	free_list(l);
	l->v = calloc(2, sizeof(*l->v));
	if (l->v == NULL || (l->v[0] = strdup(text)) == NULL)
		return -1;
	l->n = 1;
	return 0;
}

int config_allow_all_origins(struct config *c)
{
	int rc = set_to_one(&c->origins, "*");

	for (size_t i = 0; i < c->n_endpoints; i++)
		rc |= set_to_one(&c->endpoints[i].origins, "*");
	return rc;
}

static bool is_literal(const char *host)
{
	unsigned char a[16];

	return inet_pton(AF_INET, host, a) == 1 || inet_pton(AF_INET6, host, a) == 1 || strcmp(host, "localhost") == 0;
}

int config_set_listener(struct config *c, const char *host, const char *port, char *err, size_t errlen)
{
	bool literal = is_literal(host);
	char text[256], why[512];
	const struct row *r = find_row(listener_rows, N_LISTENER, "port");
	struct config *one;

	if (!is_good(r, port, why, sizeof(why))) {
		snprintf(err, errlen, "PORT: expected %s, not '%s'", why, port);
		return -1;
	}
	/* The listener as the file would have it: one way to make one. */
	one = config_load(NULL, err, errlen);
	if (one == NULL)
		return -1;
	snprintf(text, sizeof(text), "%s", literal ? host : "*");
	free(one->listeners[0].address.v[0]);
	one->listeners[0].address.v[0] = strdup(text);
	one->listeners[0].port = (uint32_t)strtoul(port, NULL, 10);
	/* An endpoint of a listener that is gone is on the one that is there. */
	for (size_t i = 0; i < c->n_endpoints; i++) {
		struct config_list *l = &c->endpoints[i].listener;

		while (l->n)
			free(l->v[--l->n]);
	}
	free_listeners(c);
	c->listeners = one->listeners;
	c->n_listeners = one->n_listeners;
	one->listeners = NULL;
	one->n_listeners = 0;
	config_free(one);
	return literal ? 0 : 1;
}

/* ---- printing ---- */

static void print_string(const char *s, FILE *to)
{
	fputc('"', to);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\' || *s == '$')
			fputc('\\', to);
		fputc(*s, to);
	}
	fputc('"', to);
}

static void print_number(enum kind kind, uint64_t n, FILE *to)
{
	const struct unit *best = NULL;

	for (const struct unit *u = units_of(kind); u->name; u++)
		if (n % u->factor == 0 && (best == NULL || u->factor > best->factor) && (n || u->factor == 1))
			best = u;
	if (n == 0)
		fputs("0", to);
	else
		fprintf(to, "%" PRIu64 "%s", n / best->factor, kind == TIME && best->name[0] == '\0' ? "s" : best->name);
}

static void print_word(enum kind kind, uint32_t value, FILE *to)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i].kind == kind && words[i].value == value)
			fputs(words[i].word, to);
}

static void print_value(const struct row *r, const void *base, FILE *to)
{
	const void *member = (const char *)base + r->offset;
	const struct config_list *l = member;

	switch (r->kind) {
	case BOOL:
		fputs(*(const bool *)member ? "yes" : "no", to);
		break;
	case SIZE:
		print_number(r->kind, *(const uint64_t *)member, to);
		break;
	case AUTO:
		if (*(const uint32_t *)member == 0) {
			fputs("auto", to);
			break;
		}
		/* fall through */
	case INT:
	case TIME:
		print_number(r->kind, *(const uint32_t *)member, to);
		break;
	case STRING:
		print_string(*(char *const *)member, to);
		break;
	case LIST:
		for (size_t i = 0; i < l->n; i++) {
			fputs(i ? ", " : "{", to);
			print_string(l->v[i], to);
		}
		fputs(l->n ? "}" : "{}", to);
		break;
	default:
		print_word(r->kind, *(const uint32_t *)member, to);
	}
}

static void print_rows(const struct row *rows, size_t n, const void *base, const char *indent, FILE *to)
{
	for (size_t i = 0; i < n; i++) {
		fprintf(to, "%s%s = ", indent, rows[i].name);
		print_value(&rows[i], base, to);
		fputc('\n', to);
	}
}

static void print_section(const char *kind, const char *title, const struct row *rows, size_t n, const void *base, FILE *to)
{
	fprintf(to, "\n%s ", kind);
	print_string(title, to);
	fputs(" {\n", to);
	print_rows(rows, n, base, "\t", to);
	fputs("}\n", to);
}

void config_print(const struct config *c, FILE *to)
{
	print_rows(global_rows, N_GLOBAL, c, "", to);
	for (size_t i = 0; i < c->n_listeners; i++)
		print_section("listener", c->listeners[i].name, listener_rows, N_LISTENER, &c->listeners[i], to);
	for (size_t i = 0; i < c->n_certificates; i++)
		print_section("certificate", c->certificates[i].title, certificate_rows, N_CERTIFICATE,
			      &c->certificates[i], to);
	for (size_t i = 0; i < c->n_endpoints; i++)
		print_section("endpoint", c->endpoints[i].path_pattern, endpoint_rows, N_ENDPOINT, &c->endpoints[i], to);
	for (size_t i = 0; i < c->n_tokens; i++)
		print_section("token", c->tokens[i].title, token_rows, N_TOKEN, &c->tokens[i], to);
	for (size_t i = 0; i < c->n_jwts; i++)
		print_section("jwt", c->jwts[i].title, jwt_rows, N_JWT, &c->jwts[i], to);
}
