/*
 * forwarded: whose request a proxy passes on, by X-Forwarded-For or by RFC
 * 7239's Forwarded.
 *
 * Each proxy appends the address that it was asked from, so both are lists of
 * hops, the nearest one last; all fields of the name are one list. Reading
 * from its end, each hop is believed that a believed one wrote, and the first
 * that is no trusted proxy itself is the client: what stands before it the
 * client may have written himself, and is not looked at. Which of the two
 * fields a proxy sets is for the configuration to say: the other one is the
 * client's own. Pure.
 */
#ifndef NATTER_WIRE_FORWARDED_H
#define NATTER_WIRE_FORWARDED_H

#include "wire/http_head.h"
#include "wire/netmask.h"

enum forwarded_by {
	FORWARDED_NOT,        /* no field counts */
	FORWARDED_X,          /* X-Forwarded-For, X-Forwarded-Host */
	FORWARDED_RFC7239,    /* Forwarded */
};

#define FORWARDED_HOPS_MAX 64  /* elements of one Forwarded field */
#define FORWARDED_HOSTS_MAX 16

/*
 * CLIENT is the connection's peer, a proxy of TRUSTED; then, of the request in
 * H, the right-most hop that is not. It stays the last trusted one whose own
 * peer is told as "unknown", by an obfuscated name, or not at all. X-Forwarded-For
 * takes addresses with or without a port, those of IPv6 also without brackets;
 * Forwarded what RFC 7239 section 6 says. False: WHY (static) says which
 * field cannot be read; answer 400, for nothing says whose the request is.
 */
bool forwarded_client(const struct http_head *h, const char *buf, enum forwarded_by by, const struct net_list *trusted,
		      struct net_addr *client, const char **why);

/*
 * The hosts that proxies were asked for, the nearest one's first: those of
 * X-Forwarded-Host or of Forwarded's host. Returns how many there are.
 */
size_t forwarded_hosts(const struct http_head *h, const char *buf, enum forwarded_by by,
		       struct http_piece hosts[FORWARDED_HOSTS_MAX]);

#endif
