#include <config.h>

#include "daemon/certificates.h"
#include "daemon/secret_file.h"

#include "net/tls.h"
#include "net/tls_tickets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct of_listener {
	char *name;
	struct tls *tls;
};

struct certificates {
	struct of_listener *v;
	size_t n;
	struct tls_tickets *tickets; /* NULL: none */
	bool from_file;
};

/* ---- tickets ---- */

static struct tls_tickets *tickets_of_file(const char *path, uint32_t lifetime, char *err, size_t errlen)
{
	struct tls_tickets *t = NULL;
	struct secret_file secret;
	const char *why = secret_file_read(&secret, path, true);

	if (why == NULL && secret.len < TLS_TICKETS_SECRET_MIN)
		why = "it has fewer than 32 bytes: openssl rand -out it 48";
	if (why)
		snprintf(err, errlen, "tls_ticket_file %s: %s", path, why);
	else
		t = tls_tickets_new(lifetime, (const unsigned char *)secret.bytes, secret.len);
	secret_file_wipe(&secret);
	return t;
}

static bool make_tickets(struct certificates *c, const struct config *cfg, const struct certificates *before, char *err,
			 size_t errlen)
{
	uint32_t lifetime = cfg->tls_tickets / 1000 + (cfg->tls_tickets % 1000 > 0);

	if (lifetime == 0)
		return true;
	c->from_file = cfg->tls_ticket_file[0] != '\0';
	if (c->from_file)
		c->tickets = tickets_of_file(cfg->tls_ticket_file, lifetime, err, errlen);
	else if (before && before->tickets && !before->from_file && tls_tickets_lifetime(before->tickets) == lifetime)
		c->tickets = tls_tickets_ref(before->tickets);
	else
		c->tickets = tls_tickets_new(lifetime, NULL, 0);
	return c->tickets != NULL;
}

/* ---- listeners ---- */

static bool has(const struct config_listener *l, const char *title)
{
	for (size_t i = 0; i < l->certificates.n; i++)
		if (strcmp(l->certificates.v[i], title) == 0)
			return true;
	return l->certificates.n == 0;
}

/* The files that L names, or its sections, in their order, into TO; how many. */
static size_t gather(const struct config *cfg, const struct config_listener *l, struct tls_certificate *to)
{
	size_t n = 0;

	if (l->certificate[0]) {
		to[n++] = (struct tls_certificate){ l->certificate, l->key };
		return n;
	}
	for (size_t i = 0; i < cfg->n_certificates; i++)
		if (has(l, cfg->certificates[i].title))
			to[n++] = (struct tls_certificate){ cfg->certificates[i].chain, cfg->certificates[i].key };
	return n;
}

static bool add(struct certificates *c, const struct config *cfg, const struct config_listener *l, char *err, size_t errlen)
{
	struct tls_certificate *files = calloc(cfg->n_certificates + 1, sizeof(*files));
	struct of_listener *to = &c->v[c->n];
	struct tls_opts o = {
		.certificates = files,
		.ciphers = cfg->tls_ciphers,
		.only_13 = cfg->tls_min_version == CONFIG_TLS_VERSION_V1_3,
		.tickets = c->tickets,
	};
	char why[400];

	if (files == NULL || (to->name = strdup(l->name)) == NULL) {
		free(files);
		return false;
	}
	c->n++;
	o.n = gather(cfg, l, files);
	to->tls = tls_new(&o, why, sizeof(why));
	if (to->tls == NULL)
		snprintf(err, errlen, "listener \"%s\": %s", l->name, why);
	free(files);
	return to->tls != NULL;
}

struct certificates *certificates_new(const struct config *cfg, const struct certificates *before, char *err, size_t errlen)
{
	struct certificates *c = calloc(1, sizeof(*c));
	bool good;

	snprintf(err, errlen, "no memory");
	if (c == NULL)
		return NULL;
	c->v = calloc(cfg->n_listeners + 1, sizeof(*c->v));
	good = c->v && make_tickets(c, cfg, before, err, errlen);
	for (size_t i = 0; good && i < cfg->n_listeners; i++)
		if (cfg->listeners[i].tls)
			good = add(c, cfg, &cfg->listeners[i], err, errlen);
	if (good)
		return c;
	certificates_free(c);
	return NULL;
}

void certificates_free(struct certificates *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].name);
		tls_unref(c->v[i].tls);
	}
	free(c->v);
	tls_tickets_unref(c->tickets);
	free(c);
}

struct tls *certificates_of(const struct certificates *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->v[i].name, name) == 0)
			return c->v[i].tls;
	return NULL;
}
