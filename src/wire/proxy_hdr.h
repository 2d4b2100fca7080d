/*
 * proxy_hdr: the PROXY protocol's header, version 1 (a line of text) and 2
 * (binary), with which a proxy that passes on bytes says whose connection it
 * is. See HAProxy's doc/proxy-protocol.txt, whose sections are cited.
 *
 * Bytes in, an address out: the caller keeps the bytes together and calls
 * again with all of them when more have come. What follows the header is never
 * looked at. Pure.
 */
#ifndef NATTER_WIRE_PROXY_HDR_H
#define NATTER_WIRE_PROXY_HDR_H

#include "wire/netmask.h"

#include <stddef.h>
#include <stdint.h>

#define PROXY_HDR_V1_MAX 107 /* section 2.1 */
#define PROXY_HDR_MAX 4096   /* bytes of one of version 2 with all its TLVs; larger ones are refused */

enum proxy_hdr_verdict { PROXY_HDR_OK, PROXY_HDR_MORE, PROXY_HDR_BAD };

struct proxy_hdr {
	/*
	 * Who connected to the proxy. NET_ADDR_NONE: the header does not say (UNKNOWN,
	 * or another family), or the connection is the proxy's own (LOCAL).
	 */
	struct net_addr source;
	size_t length;   /* after OK: of the header */
	const char *why; /* after BAD: one line, static */
};

/*
 * The LEN bytes in BUF are a connection's first. BAD at the first byte that
 * cannot be right: no header, a malformed or too long one, a combination that
 * section 2.2 does not know, a TLV that is longer than the header, or a CRC32c
 * (PP2_TYPE_CRC32C) that is wrong. Other TLVs are passed over. MORE: all of
 * the bytes belong to the header.
 */
enum proxy_hdr_verdict proxy_hdr_parse(struct proxy_hdr *p, const void *buf, size_t len);

#endif
