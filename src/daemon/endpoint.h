/*
 * endpoint: what the paths of the configuration lead to.
 *
 * The configuration's endpoints in the form in which requests need them: each
 * with its handler, its limits and its sessions' policy. Built once, read only.
 */
#ifndef NATTER_DAEMON_ENDPOINT_H
#define NATTER_DAEMON_ENDPOINT_H

#include "base/payload.h"
#include "chat/session.h"
#include "daemon/config.h"
#include "wire/ws_stream.h"

#include <stddef.h>

#define ENDPOINT_V1 "natter.v1" /* the subprotocol */

struct endpoint {
	const struct config_endpoint *config;
	const struct config *global;
	struct session_policy policy;
	struct ws_limits limits;
};

struct endpoints {
	const struct config *config;
	struct name_list *reserved_names;
	size_t n;
	struct endpoint list[];
};

/* CFG and TOKENS (NULL: none) must outlive it. NULL: no memory. */
struct endpoints *endpoints_new(const struct config *cfg, const struct tokens *tokens);
void endpoints_free(struct endpoints *e);

/*
 * The endpoint for a decoded PATH on LISTENER, or NULL. An exact path wins over
 * a pattern, a longer pattern over a shorter one.
 */
const struct endpoint *endpoint_find(const struct endpoints *e, const char *listener, const char *path);

/*
 * The room that PATH names at this endpoint; ANY: whether or not it may be
 * entered. NULL: *status and *why say what to answer. The caller owns it.
 */
struct payload *endpoint_room(const struct endpoints *e, const struct endpoint *ep, const char *path, bool any,
			      unsigned *status, const char **why);

/* Whether the endpoint speaks the subprotocol. */
bool endpoint_speaks(const struct endpoint *ep, const char *subprotocol, size_t len);

#endif
