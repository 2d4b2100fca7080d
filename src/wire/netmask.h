/*
 * netmask: addresses, networks, and lists of networks ("who is trusted").
 *
 * An address is 16 bytes, those of IPv4 as IPv6 maps them (RFC 4291 section
 * 2.5.5.2), so that the same client is the same address on a socket of either
 * kind. Pure; a list is read only once it is made, and any thread may ask it.
 */
#ifndef NATTER_WIRE_NETMASK_H
#define NATTER_WIRE_NETMASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

#define NET_ADDR_TEXT 46 /* bytes that an address as text may need, with its NUL */

struct net_addr {
	uint8_t kind; /* enum net_addr_kind */
	uint8_t bytes[16];
};

enum net_addr_kind {
	NET_ADDR_NONE, /* of no kind we know */
	NET_ADDR_UNIX, /* the peer of a unix socket; bytes are 0 */
	NET_ADDR_IP,
};

/* An IPv4 or IPv6 address in figures, without port, brackets or zone. False: it is none. */
bool net_addr_parse(struct net_addr *a, const char *text, size_t len);

/* An address of 4 or 16 bytes, in network order. */
void net_addr_of_bytes(struct net_addr *a, const void *bytes, size_t len);

/* A socket's peer. */
void net_addr_of(struct net_addr *a, const struct sockaddr *peer);

bool net_addr_is_v4(const struct net_addr *a);
bool net_addr_same(const struct net_addr *a, const struct net_addr *b);

/* "203.0.113.9", "2001:db8::1", or "unix" for all that is no IP address. Returns BUF. */
char *net_addr_text(const struct net_addr *a, char buf[NET_ADDR_TEXT]);

/*
 * Whether TEXT can be in a list: an address, a network as address/bits without
 * bits set behind the prefix, or the word "unix" for peers of unix sockets.
 */
bool netmask_valid(const char *text);

struct net_list;

/* Of N texts, each of them valid. NULL: no memory, or one is not. */
struct net_list *net_list_new(const char *const *texts, size_t n);

/* NULL is fine. */
void net_list_free(struct net_list *l);

/* Whether A is in one of L's networks; 0.0.0.0/0 is all of IPv4, ::/0 all of IPv6 and no IPv4. NULL: an empty list. */
bool net_list_has(const struct net_list *l, const struct net_addr *a);

#endif
