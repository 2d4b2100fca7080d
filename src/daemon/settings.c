#include <config.h>

#include "daemon/settings.h"
#include "daemon/certificates.h"
#include "daemon/config_change.h"
#include "daemon/endpoint.h"
#include "daemon/token_table.h"

#include "wire/netmask.h"

#include <stdlib.h>

static struct net_list *new_list(const struct config_list *l) { return net_list_new((const char *const *)l->v, l->n); }

struct settings *settings_new(struct config *cfg, const struct settings *now, struct faults *faults)
{
	struct settings *s = calloc(1, sizeof(*s));
	char why[FAULTS_SIZE];

	if (s == NULL) {
		config_free(cfg);
		faults_add(faults, "no memory");
		return NULL;
	}
	s->config = cfg;
	s->tokens = token_table_new(cfg, why, sizeof(why));
	if (s->tokens == NULL)
		faults_add_all(faults, why);
	s->certificates = certificates_new(cfg, now ? now->certificates : NULL, why, sizeof(why));
	if (s->certificates == NULL)
		faults_add(faults, "%s", why);
	s->endpoints = now && config_same_endpoints(cfg, now->endpoints->config) ? endpoints_ref(now->endpoints) :
										     endpoints_new(cfg);
	s->trusted_proxies = new_list(&cfg->trusted_proxies);
	s->address_exempt = new_list(&cfg->address_exempt);
	if (s->tokens && s->certificates && s->endpoints && s->trusted_proxies && s->address_exempt)
		return s;
	if (s->tokens && s->certificates)
		faults_add(faults, "no memory");
	settings_free(s);
	return NULL;
}

void settings_free(struct settings *s)
{
	if (s == NULL)
		return;
	tokens_free(s->tokens);
	certificates_free(s->certificates);
	net_list_free(s->trusted_proxies);
	net_list_free(s->address_exempt);
	endpoints_unref(s->endpoints);
	config_free(s->config);
	free(s);
}
