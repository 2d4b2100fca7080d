#include <config.h>

#include "daemon/settings.h"
#include "daemon/config_change.h"
#include "daemon/endpoint.h"
#include "daemon/token_table.h"

#include <stdlib.h>

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
	s->endpoints = now && config_same_endpoints(cfg, now->endpoints->config) ? endpoints_ref(now->endpoints) :
										     endpoints_new(cfg);
	if (s->endpoints == NULL)
		faults_add(faults, "no memory");
	if (s->tokens && s->endpoints)
		return s;
	settings_free(s);
	return NULL;
}

void settings_free(struct settings *s)
{
	if (s == NULL)
		return;
	tokens_free(s->tokens);
	endpoints_unref(s->endpoints);
	config_free(s->config);
	free(s);
}
