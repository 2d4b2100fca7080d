/*
 * endpoint: what the paths of the configuration lead to.
 *
 * The configuration's endpoints in the form in which requests need them: each
 * with its handler, its limits and its sessions' policy. Built once, read only,
 * and counted: a WebSocket holds those by which it came in until it is gone, so
 * that a reload changes nothing under it. What counts for all at once is not
 * here but in the configuration in force: see settings.h.
 */
#ifndef NATTER_DAEMON_ENDPOINT_H
#define NATTER_DAEMON_ENDPOINT_H

#include "base/payload.h"
#include "chat/session.h"
#include "daemon/config.h"
#include "wire/ws_stream.h"

#include <stdatomic.h>
#include <stddef.h>

#define ENDPOINT_V1 "natter.v1" /* the subprotocol */

struct endpoint {
	struct endpoints *all; /* in which it lies */
	const struct config_endpoint *config;
	struct session_policy policy;
	struct ws_limits limits;
};

struct endpoints {
	atomic_uint refs;
	struct config *config;
	struct name_list *reserved_names;
	size_t n;
	struct endpoint list[];
};

/* CFG is ref'd. NULL: no memory. */
struct endpoints *endpoints_new(struct config *cfg);
/* Any thread; NULL passes through, and is fine. */
struct endpoints *endpoints_ref(struct endpoints *e);
void endpoints_unref(struct endpoints *e);

/*
 * The endpoint for a decoded PATH on LISTENER, or NULL. An exact path wins over
 * a pattern, a longer pattern over a shorter one.
 */
const struct endpoint *endpoint_find(const struct endpoints *e, const char *listener, const char *path);

/*
 * The room that PATH names at this endpoint, which NOW lets clients enter; NOW
 * NULL: whether or not. NULL: *status and *why say what to answer. The caller
 * owns it.
 */
struct payload *endpoint_room(const struct config *now, const struct endpoint *ep, const char *path, unsigned *status,
			      const char **why);

/* Where clients may not create rooms: whether the configuration did. */
bool endpoint_room_exists(const struct config *now, const struct payload *room);

/* Whether the endpoint speaks the subprotocol. */
bool endpoint_speaks(const struct endpoint *ep, const char *subprotocol, size_t len);

#endif
