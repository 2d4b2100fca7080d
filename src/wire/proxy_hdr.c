#include <config.h>

#include "wire/proxy_hdr.h"

#include <string.h>

static const char v1_begin[] = "PROXY ";
static const unsigned char v2_begin[12] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

#define V1_BEGIN_LEN (sizeof(v1_begin) - 1)
#define V2_HEAD_LEN 16

#define PP2_LOCAL 0x20 /* version 2 and the command */
#define PP2_PROXY 0x21
#define PP2_TYPE_CRC32C 0x03

static enum proxy_hdr_verdict bad(struct proxy_hdr *p, const char *why)
{
	p->why = why;
	return PROXY_HDR_BAD;
}

/* ---- version 1 ---- */

/* The word of the line from *AT to END, which ends before a blank or there; *AT moves behind the blank. */
static size_t next_word(const char *line, size_t *at, size_t end)
{
	size_t begin = *at;

	while (*at < end && line[*at] != ' ')
		++*at;
	end = *at;
	++*at;
	return end - begin;
}

/* 0 to 65535, without a zero in front. */
static bool is_port(const char *s, size_t len)
{
	unsigned n = 0;

	if (len == 0 || len > 5 || (s[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		n = 10 * n + (unsigned)(s[i] - '0');
	}
	return n <= 65535;
}

/* An address of the family that has colons, or of the other one. */
static bool v1_address(struct net_addr *a, const char *s, size_t len, bool colons)
{
	return (memchr(s, ':', len) != NULL) == colons && net_addr_parse(a, s, len);
}

/* "TCP4 SOURCE DESTINATION PORT PORT" or "UNKNOWN…", from AT to END. */
static enum proxy_hdr_verdict v1_line(struct proxy_hdr *p, const char *line, size_t at, size_t end)
{
	const char *family = line + at, *words[4];
	size_t len = next_word(line, &at, end), lens[4];
	struct net_addr destination;
	bool six = len == 4 && memcmp(family, "TCP6", 4) == 0;

	if (len == 7 && memcmp(family, "UNKNOWN", 7) == 0)
		return PROXY_HDR_OK;
	if (!six && (len != 4 || memcmp(family, "TCP4", 4) != 0))
		return bad(p, "its family is none of TCP4, TCP6 and UNKNOWN");
	for (size_t i = 0; i < 4; i++) {
		if (at > end)
			return bad(p, "it ends too soon");
		words[i] = line + at;
		lens[i] = next_word(line, &at, end);
	}
	if (at <= end)
		return bad(p, "there is something behind its ports");
	if (!v1_address(&p->source, words[0], lens[0], six) || !v1_address(&destination, words[1], lens[1], six))
		return bad(p, "it has an address that is none of its family");
	if (!is_port(words[2], lens[2]) || !is_port(words[3], lens[3]))
		return bad(p, "it has a port that is none");
	return PROXY_HDR_OK;
}

/* Section 2.1. */
static enum proxy_hdr_verdict parse_v1(struct proxy_hdr *p, const char *buf, size_t len)
{
	size_t seen = len < PROXY_HDR_V1_MAX ? len : PROXY_HDR_V1_MAX;
	const char *end = memchr(buf, '\n', seen);

	if (memchr(buf, '\0', end ? (size_t)(end - buf) : seen))
		return bad(p, "it has a NUL in its line");
	if (end == NULL)
		return seen < PROXY_HDR_V1_MAX ? PROXY_HDR_MORE : bad(p, "its line does not end within 107 bytes");
	if (end[-1] != '\r')
		return bad(p, "its line does not end with CR and LF");
	p->length = (size_t)(end - buf) + 1;
	return v1_line(p, buf, V1_BEGIN_LEN, p->length - 2);
}

/* ---- version 2 ---- */

static size_t number16(const unsigned char *b) { return (size_t)(b[0] << 8 | b[1]); }

/* One more byte of a CRC32c (RFC 9260 appendix A), bit by bit: a header has few, and few headers have one. */
static uint32_t crc32c_next(uint32_t crc, unsigned char byte)
{
	crc ^= byte;
	for (int i = 0; i < 8; i++)
		crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	return crc;
}

/* Of the whole header, the four bytes at HOLE taken for 0 (section 2.2.3). */
static uint32_t crc32c(const unsigned char *buf, size_t len, size_t hole)
{
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < len; i++)
		crc = crc32c_next(crc, i >= hole && i < hole + 4 ? 0 : buf[i]);
	return ~crc;
}

/* Everything behind the addresses (section 2.2.1 to 2.2.8). */
static enum proxy_hdr_verdict check_tlvs(struct proxy_hdr *p, const unsigned char *buf, size_t at)
{
	while (at < p->length) {
		const unsigned char *tlv = buf + at;
		size_t len;

		if (p->length - at < 3 || p->length - at - 3 < (len = number16(tlv + 1)))
			return bad(p, "it has a TLV that is longer than the header");
		at += 3 + len;
		if (tlv[0] != PP2_TYPE_CRC32C)
			continue;
		if (len != 4)
			return bad(p, "its CRC32c has not four bytes");
		if (crc32c(buf, p->length, at - 4) != ((uint32_t)number16(tlv + 3) << 16 | number16(tlv + 5)))
			return bad(p, "its CRC32c is wrong");
	}
	return PROXY_HDR_OK;
}

/* Families and transports (section 2.2), the bytes of their addresses, and of one of IP. */
static const struct family {
	unsigned char byte;
	size_t addresses, ip;
} families[] = {
	{ 0x00, 0, 0 },         /* unspecified */
	{ 0x11, 12, 4 },        /* TCP over IPv4 */
	{ 0x12, 12, 4 },        /* UDP */
	{ 0x21, 36, 16 },       /* over IPv6 */
	{ 0x22, 36, 16 },
	{ 0x31, 216, 0 },       /* a unix socket */
	{ 0x32, 216, 0 },
};

static const struct family *find_family(unsigned char byte)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (families[i].byte == byte)
			return &families[i];
	return NULL;
}

static void v2_source(struct net_addr *a, const struct family *f, const unsigned char *source)
{
	if (f->ip)
		net_addr_of_bytes(a, source, f->ip);
	else
		a->kind = NET_ADDR_UNIX;
}

/* A whole header of version 2. */
static enum proxy_hdr_verdict v2_block(struct proxy_hdr *p, const unsigned char *buf, const struct family *f)
{
	if (buf[12] == PP2_LOCAL || f->byte == 0)
		return PROXY_HDR_OK; /* what it has besides means nothing */
	v2_source(&p->source, f, buf + V2_HEAD_LEN);
	return check_tlvs(p, buf, V2_HEAD_LEN + f->addresses);
}

/* Section 2.2. */
static enum proxy_hdr_verdict parse_v2(struct proxy_hdr *p, const unsigned char *buf, size_t len)
{
	const struct family *f = NULL;

	if (len > 12 && buf[12] >> 4 != 2)
		return bad(p, "it is of a version that is not spoken here");
	if (len > 12 && buf[12] != PP2_LOCAL && buf[12] != PP2_PROXY)
		return bad(p, "its command is neither LOCAL nor PROXY");
	if (len > 13 && (f = find_family(buf[13])) == NULL && buf[12] == PP2_PROXY)
		return bad(p, "it has a family and transport that are not defined");
	if (len < V2_HEAD_LEN)
		return PROXY_HDR_MORE;
	p->length = V2_HEAD_LEN + number16(buf + 14);
	if (p->length > PROXY_HDR_MAX)
		return bad(p, "it is longer than 4096 bytes");
	if (buf[12] == PP2_PROXY && p->length < V2_HEAD_LEN + f->addresses)
		return bad(p, "it is too short for its addresses");
	return len < p->length ? PROXY_HDR_MORE : v2_block(p, buf, f ? f : families);
}

/* ---- either ---- */

static const char *what_instead(const unsigned char *buf)
{
	if (buf[0] == 0x16)
		return "there is none: TLS begins at once";
	if (buf[0] >= 'A' && buf[0] <= 'Z')
		return "there is none: it looks like a plain request";
	return "there is none";
}

enum proxy_hdr_verdict proxy_hdr_parse(struct proxy_hdr *p, const void *buf, size_t len)
{
	memset(p, 0, sizeof(*p));
	if (len == 0)
		return PROXY_HDR_MORE;
	if (memcmp(buf, v1_begin, len < V1_BEGIN_LEN ? len : V1_BEGIN_LEN) == 0)
		return len < V1_BEGIN_LEN ? PROXY_HDR_MORE : parse_v1(p, buf, len);
	if (memcmp(buf, v2_begin, len < sizeof(v2_begin) ? len : sizeof(v2_begin)) == 0)
		return len < sizeof(v2_begin) ? PROXY_HDR_MORE : parse_v2(p, buf, len);
	return bad(p, what_instead(buf));
}
