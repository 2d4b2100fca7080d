#include <config.h>

#include "daemon/config_check.h"

#include "chat/name.h"
#include "wire/utf8.h"

#include <string.h>
#include <sys/un.h>

bool config_is_text(const char *s)
{
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return utf8_valid(s, strlen(s));
}

static bool names_certificate(const struct config *c, const char *title)
{
	for (size_t i = 0; i < c->n_certificates; i++)
		if (strcmp(c->certificates[i].title, title) == 0)
			return true;
	return false;
}

/* Every section that a listener names has to be there, and one that speaks TLS needs one. */
static void check_tls(const struct config *c, const struct config_listener *l, struct faults *f)
{
	static const char intro[] = "%s: listener \"%s\": %s";

	if (l->certificate[0] && l->certificates.n)
		faults_add(f, intro, l->where, l->name, "expected certificate, or certificates, not both");
	if (l->key[0] && !l->certificate[0])
		faults_add(f, intro, l->where, l->name, "key: expected a certificate, too");
	for (size_t i = 0; i < l->certificates.n; i++)
		if (!names_certificate(c, l->certificates.v[i]))
			faults_add(f, "%s: listener \"%s\": there is no certificate \"%s\"", l->where, l->name,
				   l->certificates.v[i]);
	if (l->tls && !l->certificate[0] && c->n_certificates == 0)
		faults_add(f, intro, l->where, l->name, "tls = yes needs a certificate: certificate = FILE and key = FILE");
}

static void check_listener(const struct config *c, const struct config_listener *l, const char *file, struct faults *f)
{
	static const char intro[] = "%s: listener \"%s\": %s";
	struct sockaddr_un un;

	if (l->path[0] && l->path[0] != '/')
		faults_add(f, intro, l->where, l->name, "path: expected an absolute path");
	if (strlen(l->path) >= sizeof(un.sun_path))
		faults_add(f, intro, l->where, l->name, "path: too long for a unix socket");
	if (l->mode[0] == '\0' || strspn(l->mode, "01234567") != strlen(l->mode) || strlen(l->mode) > 4)
		faults_add(f, intro, l->where, l->name, "mode: expected octal permissions like 0660");
	if (l->proxy_protocol && c->trusted_proxies.n == 0)
		faults_add(f, intro, file, l->name,
			   "with proxy_protocol = yes nobody can connect while trusted_proxies is empty");
	check_tls(c, l, f);
}

static bool names_listener(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_listeners; i++)
		if (strcmp(c->listeners[i].name, name) == 0)
			return true;
	return false;
}

static void check_endpoint(const struct config *c, const struct config_endpoint *e, const char *file, struct faults *f)
{
	const char *path = e->path_pattern, *star = strchr(path, '*');

	if (path[0] != '/')
		faults_add(f, "%s: endpoint \"%s\": an endpoint's path begins with /", e->where, path);
	else if (star && (star[1] != '\0' || star[-1] != '/'))
		faults_add(f, "%s: endpoint \"%s\": an endpoint's path may have a * only as its end /*", e->where, path);
	for (size_t i = 0; i < e->listener.n; i++)
		if (!names_listener(c, e->listener.v[i]))
			faults_add(f, "%s: endpoint \"%s\": there is no listener \"%s\"", file, path, e->listener.v[i]);
}

static void check_token(const struct config_token *t, struct faults *f)
{
	const char *why = NULL;
	struct payload *p;

	if (!t->hashed && (t->title[0] != '/' || !config_is_text(t->title))) {
		/* The title is not repeated: it may be the token itself. */
		faults_add(f, "%s: token: expected sha256: and 64 hex digits, or the absolute path of a file that has the token",
			   t->where);
		return;
	}
	p = t->user ? name_user(t->user, strlen(t->user), &why) : NULL;
	if (t->user == NULL)
		why = "user: expected a user's id";
	if (p && t->name[0]) {
		payload_unref(p);
		p = name_person(t->name, strlen(t->name), &why);
	}
	if (p == NULL)
		faults_add(f, "%s: token \"%s\": %s", t->where, t->title, why);
	payload_unref(p);
}

static void check_jwt(const struct config_jwt *j, struct faults *f)
{
	static const char intro[] = "%s: jwt \"%s\": %s";

	if (j->algorithm == CONFIG_MISSING)
		faults_add(f, intro, j->where, j->title, "algorithm: expected one of HS256 RS256 ES256");
	if (j->key == NULL || j->key[0] != '/')
		faults_add(f, intro, j->where, j->title, "key: expected the absolute path of a file that has the key");
}

void config_check(const struct config *c, const char *file, struct faults *f)
{
	for (size_t i = 0; i < c->n_listeners; i++)
		check_listener(c, &c->listeners[i], file, f);
	for (size_t i = 0; i < c->n_certificates; i++)
		if (c->certificates[i].chain == NULL || c->certificates[i].chain[0] == '\0')
			faults_add(f, "%s: certificate \"%s\": chain: expected a file", c->certificates[i].where,
				   c->certificates[i].title);
	for (size_t i = 0; i < c->n_endpoints; i++)
		check_endpoint(c, &c->endpoints[i], file, f);
	for (size_t i = 0; i < c->n_tokens; i++)
		check_token(&c->tokens[i], f);
	for (size_t i = 0; i < c->n_jwts; i++)
		check_jwt(&c->jwts[i], f);
}
