/*
 * proxy_hdr: both versions of the PROXY header, whole, byte by byte, with what follows, and malformed.
 */
#include <config.h>

#include "wire/proxy_hdr.h"

#include <stdio.h>

#include "feed.h"

/*
 * Feeds a header in pieces of STEP bytes, each time in memory of its own
 * length, as a caller does who has read so much; every part but the last one
 * must want more. Gives the verdict of the last.
 */
static enum proxy_hdr_verdict feed(struct proxy_hdr *p, const void *bytes, size_t len, size_t step)
{
	for (size_t have = step < len ? step : len;; have = have + step < len ? have + step : len) {
		void *copy = feed_copy(bytes, have);
		enum proxy_hdr_verdict v = proxy_hdr_parse(p, copy, have);

		free(copy);
		if (v != PROXY_HDR_MORE || have == len)
			return v;
	}
}

/* Whole and byte by byte: it is of SOURCE ("-": it does not say), and what follows does not matter. */
static void good(const void *header, size_t len, const char *source)
{
	static const char tail[] = "GET / HTTP/1.1\r\n\r\n\n\n";
	char *more = malloc(len + sizeof(tail)), text[NET_ADDR_TEXT];
	struct proxy_hdr p;

	memcpy(more, header, len);
	memcpy(more + len, tail, sizeof(tail));
	for (size_t all = len; all <= len + sizeof(tail); all += sizeof(tail)) {
		for (size_t step = 1; step <= all; step = step == 1 ? 7 : step == 7 ? all : step + 1) {
			assert_int_equal(feed(&p, more, all, step), PROXY_HDR_OK);
			assert_int_equal(p.length, len);
			assert_null(p.why);
			assert_string_equal(p.source.kind == NET_ADDR_NONE ? "-" : net_addr_text(&p.source, text), source);
		}
	}
	for (size_t part = 0; part < len; part++)
		assert_int_equal(proxy_hdr_parse(&p, header, part), PROXY_HDR_MORE);
	free(more);
}

/* Refused for this reason, whole and byte by byte. */
static void refused(const void *header, size_t len, const char *why)
{
	struct proxy_hdr p;

	for (size_t step = 1; step <= len; step = step == 1 && len > 1 ? len : len + 1) {
		if (feed(&p, header, len, step) != PROXY_HDR_BAD || strcmp(p.why, why) != 0)
			fail_msg("%.*s: %s", (int)len, (const char *)header, p.why ? p.why : "not refused");
	}
}

/* ---- version 1 ---- */

static void test_v1(void **state)
{
	static const char *const rows[][2] = {
		{ "PROXY TCP4 203.0.113.9 192.0.2.1 47011 443\r\n", "203.0.113.9" },
		{ "PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0" },
		{ "PROXY TCP6 2001:db8::9 ::1 1 2\r\n", "2001:db8::9" },
		{ "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n", "203.0.113.9" },
		{ "PROXY UNKNOWN\r\n", "-" },
		{ "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		  "-" },
		{ "PROXY UNKNOWN whatever it is\r\n", "-" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		good(rows[i][0], strlen(rows[i][0]), rows[i][1]);
	assert_int_equal(strlen(rows[6][0]), PROXY_HDR_V1_MAX);
}

#define FAMILY "its family is none of TCP4, TCP6 and UNKNOWN"
#define SOON "it ends too soon"
#define ADDRESS "it has an address that is none of its family"
#define PORT "it has a port that is none"
#define BEHIND "there is something behind its ports"

static void test_v1_mistakes(void **state)
{
	static const char *const rows[][2] = {
		{ "PROXY \r\n", FAMILY },
		{ "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", FAMILY },
		{ "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", FAMILY },
		{ "PROXY TCP 1.2.3.4 1.2.3.4 1 2\r\n", FAMILY },
		{ "PROXY UNKNOWNS\r\n", FAMILY },
		{ "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", FAMILY },
		{ "PROXY TCP4\r\n", SOON },
		{ "PROXY TCP4 1.2.3.4\r\n", SOON },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", SOON },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", PORT },
		{ "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", BEHIND },
		{ "PROXY TCP4  1.2.3.4 1.2.3.4 1\r\n", ADDRESS },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", BEHIND },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", BEHIND },
		{ "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", ADDRESS },
		{ "PROXY TCP4 1.2.3.4 1.2.3.256 1 2\r\n", ADDRESS },
		{ "PROXY TCP4 ::1 ::1 1 2\r\n", ADDRESS },
		{ "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", ADDRESS },
		{ "PROXY TCP6 ::1 1.2.3.4 1 2\r\n", ADDRESS },
		{ "PROXY TCP6 [::1] ::1 1 2\r\n", ADDRESS },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", PORT },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1 02\r\n", PORT },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", PORT },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1 123456\r\n", PORT },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", PORT },
		{ "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "its line does not end with CR and LF" },
		{ "PROXY \n", "its line does not end with CR and LF" },
		{ "PROXY UNKNOWN 6789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456"
		  "789012345\r\n", "its line does not end within 107 bytes" },
		{ "PROXYTCP4", "there is none: it looks like a plain request" },
		{ "PUT / HTTP/1.1\r\n", "there is none: it looks like a plain request" },
		{ "GET / HTTP/1.1\r\n", "there is none: it looks like a plain request" },
		{ "proxy TCP4", "there is none" },
		{ "\x16\x03\x01", "there is none: TLS begins at once" },
		{ "\r\n\r\nGET", "there is none" },
		{ "\n", "there is none" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		refused(rows[i][0], strlen(rows[i][0]), rows[i][1]);
	refused("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n", 34, "it has a NUL in its line");
	refused("PROXY UNKNOWN \0\r\n", 17, "it has a NUL in its line");
}

/* ---- version 2 ---- */

struct header {
	unsigned char b[8192];
	size_t len;
};

/* Version and command, family and transport; the length is set by finish(). */
static void begin(struct header *h, unsigned command, unsigned family)
{
	static const unsigned char signature[] = "\r\n\r\n\0\r\nQUIT\n";

	memset(h, 0, sizeof(*h));
	memcpy(h->b, signature, 12);
	h->b[12] = (unsigned char)command;
	h->b[13] = (unsigned char)family;
	h->len = 16;
}

static void add(struct header *h, const void *bytes, size_t len)
{
	memcpy(h->b + h->len, bytes, len);
	h->len += len;
	h->b[14] = (unsigned char)((h->len - 16) >> 8);
	h->b[15] = (unsigned char)(h->len - 16);
}

static void add_tlv(struct header *h, unsigned type, const void *bytes, size_t len)
{
	unsigned char head[3] = { (unsigned char)type, (unsigned char)(len >> 8), (unsigned char)len };

	add(h, head, 3);
	add(h, bytes, len);
}

static const unsigned char v4[12] = { 203, 0, 113, 9, 192, 0, 2, 1, 0xb7, 0xa3, 1, 0xbb };
static const unsigned char v6[36] = { 0x20, 1, 0xd, 0xb8, [15] = 9, [31] = 1, [33] = 1, [35] = 2 };
static const unsigned char un[216] = "/run/a.sock";

static void begin_v4(struct header *h)
{
	begin(h, 0x21, 0x11);
	add(h, v4, sizeof(v4));
}

static void test_v2(void **state)
{
	static const struct {
		unsigned command, family;
		const void *addresses;
		size_t len;
		const char *source;
	} rows[] = {
		{ 0x21, 0x11, v4, sizeof(v4), "203.0.113.9" }, { 0x21, 0x12, v4, sizeof(v4), "203.0.113.9" },
		{ 0x21, 0x21, v6, sizeof(v6), "2001:db8::9" }, { 0x21, 0x22, v6, sizeof(v6), "2001:db8::9" },
		{ 0x21, 0x31, un, sizeof(un), "unix" },        { 0x21, 0x32, un, sizeof(un), "unix" },
		{ 0x21, 0x00, NULL, 0, "-" },		       { 0x21, 0x00, v4, 5, "-" },
		{ 0x20, 0x00, NULL, 0, "-" },		       { 0x20, 0x11, v4, sizeof(v4), "-" },
		{ 0x20, 0x11, NULL, 0, "-" },		       { 0x20, 0x7f, v4, 7, "-" },
	};
	struct header h;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin(&h, rows[i].command, rows[i].family);
		if (rows[i].len)
			add(&h, rows[i].addresses, rows[i].len);
		good(h.b, h.len, rows[i].source);
	}
}

static void test_v2_tlvs(void **state)
{
	static const char big[4096 - 16 - 12 - 3] = "x";
	struct header h;

	(void)state;
	begin_v4(&h);
	add_tlv(&h, 0x01, "h2", 2);
	add_tlv(&h, 0x02, "chat.example", 12);
	add_tlv(&h, 0x04, "", 0);
	add_tlv(&h, 0x20, "\1\0\0\0\0\x21\0\x07TLSv1.3", 15);
	add_tlv(&h, 0xee, "\0\0\0", 3);
	good(h.b, h.len, "203.0.113.9");
	begin_v4(&h);
	add_tlv(&h, 0x04, big, sizeof(big));
	assert_int_equal(h.len, PROXY_HDR_MAX);
	assert_int_equal(proxy_hdr_parse(&(struct proxy_hdr){ .length = 0 }, h.b, h.len), PROXY_HDR_OK);
}

/* Another CRC32c, which is held against its well-known check value below. */
static uint32_t sum(const unsigned char *b, size_t len)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < 8 * len; i++) {
		uint32_t bit = (b[i / 8] >> i % 8 & 1) ^ (crc & 1);

		crc = crc >> 1 ^ (bit ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void test_v2_crc32c(void **state)
{
	struct header h;
	uint32_t crc;

	(void)state;
	assert_int_equal(sum((const unsigned char *)"123456789", 9), 0xe3069283);
	for (int after = 0; after < 2; after++) {
		size_t at;

		begin_v4(&h);
		add_tlv(&h, 0x01, "h2", 2);
		add_tlv(&h, 0x03, "\0\0\0\0", 4);
		at = h.len - 4;
		if (after)
			add_tlv(&h, 0x04, "padding", 7);
		crc = sum(h.b, h.len);
		for (int i = 0; i < 4; i++)
			h.b[at + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
		good(h.b, h.len, "203.0.113.9");
		for (size_t i = 0; i < h.len; i++) {
			/* every byte counts, of the addresses, the TLVs and the sum, but for the one that says it is a sum */
			struct proxy_hdr p;

			h.b[i] ^= 0x40;
			if ((proxy_hdr_parse(&p, h.b, h.len) == PROXY_HDR_OK) != (i == at - 3))
				fail_msg("byte %zu", i);
			h.b[i] ^= 0x40;
		}
	}
}

static void test_v2_mistakes(void **state)
{
	static const unsigned families[] = { 0x01, 0x02, 0x10, 0x13, 0x20, 0x30, 0x33, 0x41, 0xff };
	struct header h;

	(void)state;
	begin(&h, 0x11, 0x11);
	refused(h.b, h.len, "it is of a version that is not spoken here");
	begin(&h, 0x31, 0x11);
	refused(h.b, h.len, "it is of a version that is not spoken here");
	begin(&h, 0x22, 0x11);
	refused(h.b, h.len, "its command is neither LOCAL nor PROXY");
	for (size_t i = 0; i < COUNT(families); i++) {
		begin(&h, 0x21, families[i]);
		add(&h, un, sizeof(un));
		refused(h.b, h.len, "it has a family and transport that are not defined");
	}
	begin(&h, 0x21, 0x11);
	refused(h.b, h.len, "it is too short for its addresses");
	add(&h, v4, 11);
	refused(h.b, h.len, "it is too short for its addresses");
	begin(&h, 0x21, 0x21);
	add(&h, v6, 35);
	refused(h.b, h.len, "it is too short for its addresses");
	begin(&h, 0x21, 0x31);
	add(&h, un, 215);
	refused(h.b, h.len, "it is too short for its addresses");
	begin_v4(&h);
	add(&h, "\4", 1);
	refused(h.b, h.len, "it has a TLV that is longer than the header");
	add(&h, "\0", 1);
	refused(h.b, h.len, "it has a TLV that is longer than the header");
	begin_v4(&h);
	add(&h, "\4\0\2x", 4);
	refused(h.b, h.len, "it has a TLV that is longer than the header");
	begin_v4(&h);
	add_tlv(&h, 0x03, "abc", 3);
	refused(h.b, h.len, "its CRC32c has not four bytes");
	begin_v4(&h);
	add_tlv(&h, 0x03, "abcd", 4);
	refused(h.b, h.len, "its CRC32c is wrong");
	/* which is known before they come */
	begin(&h, 0x21, 0x11);
	h.b[14] = (PROXY_HDR_MAX - 16 + 1) >> 8;
	h.b[15] = (PROXY_HDR_MAX - 16 + 1) & 0xff;
	refused(h.b, h.len, "it is longer than 4096 bytes");
	begin(&h, 0x20, 0x00);
	h.b[14] = h.b[15] = 0xff;
	refused(h.b, h.len, "it is longer than 4096 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v1),	  cmocka_unit_test(test_v1_mistakes), cmocka_unit_test(test_v2),
		cmocka_unit_test(test_v2_tlvs), cmocka_unit_test(test_v2_crc32c),	cmocka_unit_test(test_v2_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
