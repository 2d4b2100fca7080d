#include <config.h>

#include "net/tls.h"
#include "net/tls_tickets.h"

#include "base/log.h"
#include "base/strmap.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* For TLS 1.2: forward secret and authenticated. (All of TLS 1.3's are.) */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* Kinds of keys of which a name has one each. */
#define KINDS_MAX 4

/* More of a certificate's names are not looked at, nor longer ones. */
#define NAMES_MAX 1000
#define NAME_LEN 256

/* One file of the configuration, read. */
struct certificate {
	const struct tls_certificate *files;
	X509 *leaf;
	STACK_OF(X509) *chain; /* the others, as they are sent */
	EVP_PKEY *key;
	char **names;          /* in small letters; the first part may be * */
	size_t n_names;
};

struct context {
	SSL_CTX *ctx;
	const struct certificate *of[KINDS_MAX]; /* one of a kind; while it is being made */
	size_t n;
};

struct tls {
	_Atomic unsigned refs;
	struct context *contexts; /* the first is for whoever asks for no name that is known */
	size_t n;
	struct strmap *names;     /* to its SSL_CTX */
	struct tls_tickets *tickets;
};

/* While it is being made. */
struct building {
	const struct tls_opts *opts;
	struct certificate *certificates;
	struct tls *tls;
	char *err;
	size_t errlen;
};

/* ---- files ---- */

/* OpenSSL's reason for what failed last, the first of them. */
static const char *reason(void)
{
	unsigned long e = ERR_get_error();
	const char *s = e ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return s ? s : "OpenSSL does not say why";
}

static bool blame(struct building *b, const char *file, const char *what, const char *why)
{
	snprintf(b->err, b->errlen, "%s: %s%s%s", file, what, why ? ": " : "", why ? why : "");
	return false;
}

/* NULL: ERR says why. */
static BIO *open_file(struct building *b, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would keep us waiting */
	struct stat st;
	BIO *bio = NULL;
	FILE *f;

	if (fd < 0 || fstat(fd, &st) < 0) {
		blame(b, path, strerror(errno), NULL);
	} else if (!S_ISREG(st.st_mode)) {
		blame(b, path, "it is no file", NULL);
	} else if ((f = fdopen(fd, "r")) != NULL) {
		bio = BIO_new_fp(f, BIO_CLOSE);
		if (bio)
			return bio;
		fclose(f);
		fd = -1;
		blame(b, path, "no memory", NULL);
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* Whether what could not be read was only not there. */
static bool was_end(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static bool read_chain(struct building *b, struct certificate *c)
{
	BIO *bio = open_file(b, c->files->chain);
	bool good = false;
	X509 *x;

	if (bio == NULL)
		return false;
	c->chain = sk_X509_new_null();
	c->leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	if (c->leaf == NULL)
		blame(b, c->files->chain, was_end() ? "it has no certificate (PEM, CERTIFICATE)" : "a certificate cannot be read",
		      was_end() ? NULL : reason());
	while (c->leaf && c->chain && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (!sk_X509_push(c->chain, x))
			X509_free(x);
	if (c->leaf && c->chain) {
		good = was_end();
		if (!good)
			blame(b, c->files->chain, "a certificate of the chain cannot be read", reason());
	}
	ERR_clear_error();
	BIO_free(bio);
	return good;
}

/* Nobody is there to type a pass phrase. */
static int no_phrase(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static bool read_key(struct building *b, struct certificate *c)
{
	const char *path = c->files->key[0] ? c->files->key : c->files->chain;
	BIO *bio = open_file(b, path);
	bool locked = false;

	if (bio == NULL)
		return false;
	c->key = PEM_read_bio_PrivateKey(bio, NULL, no_phrase, &locked);
	BIO_free(bio);
	if (locked)
		return blame(b, path, "the private key has a pass phrase, which nobody can type here: openssl pkey -in it -out another file", NULL);
	if (c->key == NULL)
		return blame(b, path, "it has no private key that can be read (PEM, PRIVATE KEY)", reason());
	if (X509_check_private_key(c->leaf, c->key) != 1) {
		ERR_clear_error();
		return blame(b, path, "this private key does not belong to the certificate", c->files->chain);
	}
	return true;
}

/* ---- what may be meant so ---- */

static void warn_of_keys(const struct certificate *c)
{
	const char *path = c->files->key[0] ? c->files->key : c->files->chain;
	struct stat st;

	if (stat(path, &st) == 0 && st.st_mode & (S_IROTH | S_IWOTH))
		log_warning("everybody on this machine can read a private key", "file=%s", path);
}

static void warn_of_times(const struct certificate *c)
{
	if (X509_cmp_current_time(X509_get0_notAfter(c->leaf)) < 0)
		log_warning("a certificate has expired: clients will refuse it", "file=%s", c->files->chain);
	else if (X509_cmp_current_time(X509_get0_notBefore(c->leaf)) > 0)
		log_warning("a certificate is not valid yet: clients will refuse it", "file=%s", c->files->chain);
}

static void warn_of_chain(const struct certificate *c)
{
	X509 *last = c->leaf;

	for (int i = 0; i < sk_X509_num(c->chain); i++) {
		X509 *x = sk_X509_value(c->chain, i);

		if (X509_check_issued(x, last) != X509_V_OK) {
			log_warning("a chain is out of order: clients may refuse it", "file=%s certificate=%d",
				    c->files->chain, i + 2);
			return;
		}
		last = x;
	}
	if (last == c->leaf && X509_check_issued(last, last) != X509_V_OK)
		log_info("a certificate comes without those that issued it: fine if clients know its issuer", "file=%s",
			 c->files->chain);
}

/* ---- names ---- */

/* Adds a name in small letters. A text with a NUL or of a strange length is none. */
static bool add_name(struct certificate *c, const ASN1_STRING *s)
{
	int len = ASN1_STRING_length(s);
	char *name;

	if (len <= 0 || len > NAME_LEN || memchr(ASN1_STRING_get0_data(s), 0, (size_t)len))
		return true;
	name = strndup((const char *)ASN1_STRING_get0_data(s), (size_t)len);
	if (name == NULL)
		return false;
	for (char *p = name; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	c->names[c->n_names++] = name;
	return true;
}

static bool find_names(struct certificate *c)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
	X509_NAME *subject = X509_get_subject_name(c->leaf);
	int n = all ? sk_GENERAL_NAME_num(all) : 0, cn = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	bool good;

	n = n > NAMES_MAX ? NAMES_MAX : n;
	c->names = calloc((size_t)n + 1, sizeof(*c->names));
	good = c->names != NULL;
	for (int i = 0; good && i < n; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);

		if (g->type == GEN_DNS)
			good = add_name(c, g->d.dNSName);
	}
	if (good && c->n_names == 0 && cn >= 0)
		good = add_name(c, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, cn)));
	GENERAL_NAMES_free(all);
	ERR_clear_error();
	return good;
}

/* ".example.org" of "chat.example.org"; NULL: a * has nothing to stand for. */
static const char *parent(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot && dot > name && dot[1] ? dot : NULL;
}

/* Whether C is for NAME, in words or by a *. */
static bool is_for(const struct certificate *c, const char *name)
{
	const char *up = parent(name);

	for (size_t i = 0; i < c->n_names; i++)
		if (strcmp(c->names[i], name) == 0 ||
		    (up && name[0] != '*' && c->names[i][0] == '*' && strcmp(c->names[i] + 1, up) == 0))
			return true;
	return false;
}

/* ---- contexts ---- */

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in, unsigned inlen,
		       void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl;
	(void)arg;
	return SSL_select_next_proto((unsigned char **)(uintptr_t)out, outlen, ours, sizeof(ours) - 1, in, inlen) ==
			       OPENSSL_NPN_NEGOTIATED ?
		       SSL_TLSEXT_ERR_OK :
		       SSL_TLSEXT_ERR_NOACK;
}

/* The client's name for us, or one with a * instead of its first part. */
static int choose_context(SSL *ssl, int *alert, void *arg)
{
	const struct tls *t = arg;
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), *up;
	char name[NAME_LEN + 2];
	size_t len = asked ? strlen(asked) : 0;
	SSL_CTX *ctx;

	(void)alert;
	if (len == 0 || len > NAME_LEN)
		return SSL_TLSEXT_ERR_NOACK;
	for (size_t i = 0; i <= len; i++)
		name[i] = asked[i] >= 'A' && asked[i] <= 'Z' ? (char)(asked[i] + ('a' - 'A')) : asked[i];
	ctx = strmap_get(t->names, name, len);
	up = parent(name);
	if (ctx == NULL && up && up - name >= 1) {
		char *star = name + (up - name) - 1;

		*star = '*';
		ctx = strmap_get(t->names, star, strlen(star));
	}
	if (ctx == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_SSL_CTX(ssl, ctx);
	return SSL_TLSEXT_ERR_OK;
}

/* "TLS_A:B:TLS_C" to "TLS_A:TLS_C" and "B": OpenSSL has them in two lists. */
static void split_ciphers(const char *all, char *of_13, char *others)
{
	*of_13 = *others = '\0';
	while (*all) {
		size_t n = strcspn(all, ":, ");
		char *to = strncmp(all, "TLS_", 4) == 0 ? of_13 : others;

		if (n && *to)
			strcat(to, ":");
		strncat(to, all, n);
		all += n + (all[n] != '\0');
	}
}

static bool set_ciphers(struct building *b, SSL_CTX *ctx)
{
	const char *all = b->opts->ciphers;
	size_t size = strlen(all) + 1;
	char *of_13 = malloc(size), *others = malloc(size);
	bool good = of_13 && others;

	if (good) {
		split_ciphers(all, of_13, others);
		good = (*of_13 == '\0' || SSL_CTX_set_ciphersuites(ctx, of_13)) &&
		       SSL_CTX_set_cipher_list(ctx, *others ? others : CIPHERS);
	}
	if (!good)
		snprintf(b->err, b->errlen, "tls_ciphers \"%s\": %s", all, reason());
	free(of_13);
	free(others);
	return good;
}

static SSL_CTX *new_context(struct building *b)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL) {
		snprintf(b->err, b->errlen, "TLS: %s", reason());
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, b->opts->only_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF); /* frames and heads say themselves where they end */
#endif
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_dh_auto(ctx, 1); /* for those whose ciphers ask for it */
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
	tls_tickets_use(ctx, b->tls->tickets);
	SSL_CTX_set_tlsext_servername_callback(ctx, choose_context);
	SSL_CTX_set_tlsext_servername_arg(ctx, b->tls);
	if (set_ciphers(b, ctx))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* One of each kind that is for NAME, or for nobody (NAME is NULL) the first, into TO. */
static void gather(const struct building *b, const char *name, struct context *to)
{
	memset(to, 0, sizeof(*to));
	for (size_t i = 0; i < b->opts->n && to->n < KINDS_MAX; i++) {
		const struct certificate *c = &b->certificates[i];
		bool known = false;

		for (size_t k = 0; k < to->n; k++)
			known = known || EVP_PKEY_base_id(to->of[k]->key) == EVP_PKEY_base_id(c->key);
		if (!known && (name ? is_for(c, name) : to->n == 0))
			to->of[to->n++] = c;
	}
}

/* The context for NAME, which may be there already. NULL: ERR says why. */
static SSL_CTX *context_for(struct building *b, const char *name)
{
	struct tls *t = b->tls;
	struct context one, *grown;

	gather(b, name, &one);
	for (size_t i = 0; i < t->n; i++)
		if (t->contexts[i].n == one.n && memcmp(t->contexts[i].of, one.of, sizeof(one.of)) == 0)
			return t->contexts[i].ctx;
	grown = realloc(t->contexts, (t->n + 1) * sizeof(*grown));
	if (grown == NULL)
		return NULL;
	t->contexts = grown;
	one.ctx = new_context(b);
	if (one.ctx == NULL)
		return NULL;
	t->contexts[t->n++] = one;
	for (size_t i = 0; i < one.n; i++)
		if (SSL_CTX_use_cert_and_key(one.ctx, one.of[i]->leaf, one.of[i]->key, one.of[i]->chain, 1) != 1) {
			blame(b, one.of[i]->files->chain, "this certificate cannot be used", reason());
			return NULL;
		}
	return one.ctx;
}

static bool make_contexts(struct building *b)
{
	const struct certificate *first = &b->certificates[0];

	if (context_for(b, first->n_names ? first->names[0] : NULL) == NULL)
		return false;
	for (size_t i = 0; i < b->opts->n; i++)
		for (size_t k = 0; k < b->certificates[i].n_names; k++) {
			const char *name = b->certificates[i].names[k];
			SSL_CTX *ctx = context_for(b, name);

			if (ctx == NULL || strmap_put(b->tls->names, name, strlen(name), ctx) < 0)
				return false;
		}
	return true;
}

/* ---- the whole ---- */

static bool read_one(struct building *b, struct certificate *c)
{
	if (!read_chain(b, c) || !read_key(b, c) || !find_names(c))
		return false;
	warn_of_keys(c);
	warn_of_times(c);
	warn_of_chain(c);
	return true;
}

static bool build(struct building *b)
{
	if (b->certificates == NULL || b->tls->names == NULL)
		return false;
	if (b->opts->n == 0) {
		snprintf(b->err, b->errlen, "TLS needs a certificate");
		return false;
	}
	for (size_t i = 0; i < b->opts->n; i++) {
		b->certificates[i].files = &b->opts->certificates[i];
		if (!read_one(b, &b->certificates[i]))
			return false;
	}
	return make_contexts(b);
}

static void free_certificates(struct building *b)
{
	for (size_t i = 0; b->certificates && i < b->opts->n; i++) {
		struct certificate *c = &b->certificates[i];

		X509_free(c->leaf);
		sk_X509_pop_free(c->chain, X509_free);
		EVP_PKEY_free(c->key);
		while (c->n_names)
			free(c->names[--c->n_names]);
		free(c->names);
	}
	free(b->certificates);
}

struct tls *tls_new(const struct tls_opts *opts, char *err, size_t errlen)
{
	struct building b = { .opts = opts, .err = err, .errlen = errlen };
	bool good;

	snprintf(err, errlen, "no memory");
	ERR_clear_error();
	b.tls = calloc(1, sizeof(*b.tls));
	if (b.tls == NULL)
		return NULL;
	b.tls->refs = 1;
	b.tls->names = strmap_new();
	b.tls->tickets = opts->tickets ? tls_tickets_ref(opts->tickets) : NULL;
	b.certificates = calloc(opts->n + 1, sizeof(*b.certificates));
	good = build(&b);
	free_certificates(&b);
	if (good)
		return b.tls;
	tls_unref(b.tls);
	return NULL;
}

struct tls *tls_ref(struct tls *t)
{
	if (t)
		t->refs++;
	return t;
}

void tls_unref(struct tls *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	for (size_t i = 0; i < t->n; i++)
		SSL_CTX_free(t->contexts[i].ctx);
	free(t->contexts);
	strmap_free(t->names);
	tls_tickets_unref(t->tickets);
	free(t);
}

SSL *tls_session_new(struct tls *t)
{
	SSL *ssl = SSL_new(t->contexts[0].ctx);

	if (ssl)
		SSL_set_app_data(ssl, tls_ref(t));
	return ssl;
}

void tls_session_free(SSL *ssl)
{
	struct tls *t = SSL_get_app_data(ssl);

	SSL_free(ssl);
	tls_unref(t);
}
