/*
 * proxy_hdr: the same verdict whole and byte by byte, nothing read behind the
 * header, and no address but one that the bytes have.
 *
 * Input: 4 bytes of cuts, the connection's first bytes.
 */
#include <config.h>

#include "wire/proxy_hdr.h"

#include <arpa/inet.h>

#include "fuzz.h"

/* The first LEN bytes in memory of their own size. */
static enum proxy_hdr_verdict parse(struct proxy_hdr *p, const uint8_t *bytes, size_t len)
{
	void *copy = fuzz_copy(bytes, len);
	enum proxy_hdr_verdict v;

	memset(p, 0xff, sizeof(*p));
	v = proxy_hdr_parse(p, copy, len);
	fuzz_free(copy, len);
	return v;
}

/* A line of version 1 says its source again as it is, and one of 2 has its bytes where they belong. */
static void check_source(const struct proxy_hdr *p, const uint8_t *bytes)
{
	char line[PROXY_HDR_V1_MAX + 1], words[2][PROXY_HDR_V1_MAX + 1];
	struct net_addr a;

	if (p->source.kind != NET_ADDR_IP)
		return;
	if (bytes[0] == 'P') {
		memcpy(line, bytes, p->length);
		line[p->length] = '\0';
		CHECK(sscanf(line, "PROXY %s %s ", words[0], words[1]) == 2);
		CHECK(net_addr_parse(&a, words[1], strlen(words[1])) && net_addr_same(&a, &p->source));
	} else {
		size_t n = bytes[13] >> 4 == 1 ? 4 : 16;

		CHECK(p->length >= 16 + 2 * n + 4 && memcmp(bytes + 16, p->source.bytes + 16 - n, n) == 0);
	}
}

static void check_good(const struct proxy_hdr *p, const uint8_t *bytes, size_t len)
{
	struct proxy_hdr other;

	CHECK(p->why == NULL && p->length > 0 && p->length <= len);
	CHECK(p->length <= (bytes[0] == 'P' ? PROXY_HDR_V1_MAX : PROXY_HDR_MAX));
	CHECK(parse(&other, bytes, p->length) == PROXY_HDR_OK);
	CHECK(other.length == p->length && net_addr_same(&other.source, &p->source));
	CHECK(parse(&other, bytes, p->length - 1) == PROXY_HDR_MORE);
	check_source(p, bytes);
}

/* What is whole is not refused in pieces, and what is refused is refused for good. */
static void in_pieces(const uint8_t *bytes, size_t len, struct fuzz_cuts cuts, enum proxy_hdr_verdict whole,
		      const struct proxy_hdr *want)
{
	enum proxy_hdr_verdict v = PROXY_HDR_MORE;
	struct proxy_hdr p;

	for (size_t at = 0; at < len && v == PROXY_HDR_MORE;) {
		at += fuzz_cut(&cuts, len - at);
		v = parse(&p, bytes, at);
	}
	CHECK(len == 0 || v == whole);
	if (v == PROXY_HDR_OK)
		CHECK(p.length == want->length && net_addr_same(&p.source, &want->source));
	if (len && v == PROXY_HDR_BAD)
		CHECK(p.why && *p.why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = {data, len};
	struct fuzz_cuts cuts = fuzz_cuts(&in);
	struct proxy_hdr p;
	enum proxy_hdr_verdict v = parse(&p, in.data, in.len);

	CHECK(v != PROXY_HDR_MORE || in.len < PROXY_HDR_MAX);
	CHECK((v == PROXY_HDR_BAD) == (p.why != NULL));
	if (v == PROXY_HDR_OK)
		check_good(&p, in.data, in.len);
	in_pieces(in.data, in.len, cuts, v, &p);
	in_pieces(in.data, in.len, fuzz_bytewise(), v, &p);
	return 0;
}
