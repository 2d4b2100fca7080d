/*
 * origins: which pages may open a WebSocket at an endpoint.
 *
 * A request's Origin is held against the endpoint's option origins: the words
 * same-host, null and *, and exact origins.
 */
#ifndef NATTER_DAEMON_ORIGINS_H
#define NATTER_DAEMON_ORIGINS_H

#include "daemon/config.h"
#include "wire/forwarded.h"
#include "wire/http_head.h"
#include "wire/origin.h"

/* Whether TEXT may be an element of the option origins. */
bool origins_valid(const char *text);

/*
 * NULL: the request in H may become a WebSocket at E. Else a sentence for the
 * client (static), answered 403. Hosts that proxies report in the fields of BY
 * are the request's as well, beside its own: no page can set these fields.
 */
const char *origins_refusal(const struct config_endpoint *e, const struct http_head *h, const char *buf,
			    enum forwarded_by by);

/* The line of natterd.conf that would allow a refused request, in OUT; empty where no line would. Returns OUT. */
char *origins_allowing(const struct config_endpoint *e, const struct http_head *h, const char *buf, char *out,
		       size_t size);

/* Whether pages of every origin may connect. */
bool origins_are_all(const struct config_endpoint *e);

#endif
