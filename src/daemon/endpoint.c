#include <config.h>

#include "daemon/endpoint.h"

#include "chat/name.h"

#include <stdlib.h>
#include <string.h>

static const enum announce announces[] = {
	[CONFIG_ANNOUNCE_ADDRESS] = ANNOUNCE_ADDRESS,
	[CONFIG_ANNOUNCE_NAME] = ANNOUNCE_NAME,
	[CONFIG_ANNOUNCE_OFF] = ANNOUNCE_OFF,
};

static bool in_list(const struct config_list *l, const char *s, size_t len)
{
	for (size_t i = 0; i < l->n; i++)
		if (strlen(l->v[i]) == len && memcmp(l->v[i], s, len) == 0)
			return true;
	return false;
}

bool endpoint_room_exists(const struct config *now, const struct payload *room)
{
	bool fixed = now->create_rooms || in_list(&now->rooms, room->data, room->len);

	for (size_t i = 0; i < now->n_endpoints && !fixed; i++)
		fixed = strlen(now->endpoints[i].room) == room->len &&
			memcmp(now->endpoints[i].room, room->data, room->len) == 0;
	return fixed;
}

static void fill(struct endpoint *ep, struct endpoints *e, const struct config_endpoint *c)
{
	const struct config *cfg = e->config;

	ep->all = e;
	ep->config = c;
	ep->limits = (struct ws_limits){ cfg->max_frame, cfg->max_message, cfg->max_fragments };
	ep->policy = (struct session_policy){
		.limits = { cfg->max_depth, cfg->max_members },
		.rate = { cfg->message_rate, cfg->message_burst },
		.past = { (uint32_t)(cfg->history_rate / 1024), (uint32_t)(cfg->history_burst / 1024) },
		.flood_time = cfg->flood_time,
		.history_max = cfg->history_max,
		.announce = announces[c->announce],
		.default_type = c->default_type,
		.reserved_types = (const char *const *)cfg->reserved_type.v,
		.n_reserved_types = cfg->reserved_type.n,
		.reserved_names = e->reserved_names,
		.anonymous = c->anonymous != CONFIG_ANONYMOUS_NO,
		.read_only = c->anonymous == CONFIG_ANONYMOUS_READ_ONLY,
		.token_warning = cfg->token_warning,
		.auth_timeout = cfg->auth_timeout,
		.recover_max = cfg->recover_max,
		.rooms_max = cfg->rooms_per_connection,
		.max_message = cfg->max_message,
		.cid_keep = cfg->cid_keep,
		.session_keep = cfg->session_keep,
		.ping_interval = cfg->ping_interval,
	};
}

struct endpoints *endpoints_new(struct config *cfg)
{
	const char *bad;
	struct endpoints *e = calloc(1, sizeof(*e) + cfg->n_endpoints * sizeof(e->list[0]));

	if (e == NULL)
		return NULL;
	atomic_init(&e->refs, 1);
	e->n = cfg->n_endpoints;
	e->reserved_names = name_list_new((const char *const *)cfg->reserved_names.v, cfg->reserved_names.n, &bad);
	if (e->reserved_names == NULL) {
		free(e);
		return NULL;
	}
	e->config = config_ref(cfg);
	for (size_t i = 0; i < e->n; i++)
		fill(&e->list[i], e, &cfg->endpoints[i]);
	return e;
}

struct endpoints *endpoints_ref(struct endpoints *e)
{
	if (e)
		atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
	return e;
}

void endpoints_unref(struct endpoints *e)
{
	if (e == NULL || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) > 1)
		return;
	name_list_free(e->reserved_names);
	config_free(e->config);
	free(e);
}

/* How many bytes of a path a pattern (slash and star at its end) fixes, with its last slash; 0: it is an exact path. */
static size_t pattern_prefix(const char *pattern)
{
	size_t n = strlen(pattern);

	return n >= 2 && strcmp(pattern + n - 2, "/*") == 0 ? n - 1 : 0;
}

/* How well the endpoint fits: 0 not at all, the more the better. */
static size_t fit(const struct endpoint *ep, const char *path)
{
	const char *pattern = ep->config->path_pattern;
	size_t prefix = pattern_prefix(pattern);

	if (prefix == 0)
		return strcmp(pattern, path) == 0 ? SIZE_MAX : 0;
	return strncmp(pattern, path, prefix) == 0 ? prefix : 0;
}

const struct endpoint *endpoint_find(const struct endpoints *e, const char *listener, const char *path)
{
	const struct endpoint *best = NULL;
	size_t best_fit = 0;

	for (size_t i = 0; i < e->n; i++) {
		const struct endpoint *ep = &e->list[i];
		size_t f = fit(ep, path);

		if (f <= best_fit || (ep->config->listener.n && !in_list(&ep->config->listener, listener, strlen(listener))))
			continue;
		best = ep;
		best_fit = f;
	}
	return best;
}

struct payload *endpoint_room(const struct config *now, const struct endpoint *ep, const char *path, unsigned *status,
			      const char **why)
{
	size_t prefix = pattern_prefix(ep->config->path_pattern);
	const char *name = ep->config->room;
	struct payload *room;

	if (name[0] == '\0')
		name = path + (prefix ? prefix : 1);
	if (strcmp(path, "/") == 0 && name[0] == '\0')
		name = "lobby";
	*status = 400;
	room = name_room(name, strlen(name), why);
	if (room == NULL || now == NULL || ep->config->room[0] || now->create_rooms ||
	    in_list(&now->rooms, room->data, room->len))
		return room;
	payload_unref(room);
	*status = 404;
	*why = "there is no such room";
	return NULL;
}

bool endpoint_speaks(const struct endpoint *ep, const char *subprotocol, size_t len)
{
	static const char bearer[] = "natter.bearer.";

	/* A token is never echoed, and a dialect that is not spoken here not promised. */
	if (len >= sizeof(bearer) - 1 && memcmp(subprotocol, bearer, sizeof(bearer) - 1) == 0)
		return false;
	if (len == sizeof(ENDPOINT_V1) - 1 && memcmp(subprotocol, ENDPOINT_V1, len) == 0 &&
	    ep->config->handler != CONFIG_HANDLER_CHAT)
		return false;
	return in_list(&ep->config->subprotocols, "*", 1) || in_list(&ep->config->subprotocols, subprotocol, len);
}
