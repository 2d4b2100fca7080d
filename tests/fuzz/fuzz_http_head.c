/*
 * http_head: a head fed whole, byte by byte and in pieces has one verdict, with
 * the same status and the same pieces; it ends where its last byte came; the
 * fields and what separates them are the head, without a gap; lists, queries
 * and percent-decoding stay within what they were given.
 *
 * Input: max_head, 4 bytes of cuts, the head and what follows it.
 */
#include <config.h>

#include "wire/http_head.h"

#include "fuzz.h"

static bool is_white(char c) { return c == ' ' || c == '\t'; }

static bool same_piece(struct http_piece a, struct http_piece b) { return a.at == b.at && a.len == b.len; }

static bool within(struct http_piece inner, size_t begin, size_t end)
{
	return inner.at >= begin && (size_t)inner.at + inner.len <= end;
}

/* The bytes move between two calls, and nothing readable follows them. */
static enum http_verdict parse(struct http_head *h, const struct fuzz_input *in, size_t max_head,
			       struct fuzz_cuts cuts, size_t *fed)
{
	enum http_verdict verdict = HTTP_MORE;

	http_head_init(h, max_head);
	for (*fed = 0; verdict == HTTP_MORE && *fed < in->len;) {
		char *buf;

		*fed += fuzz_cut(&cuts, in->len - *fed);
		buf = fuzz_copy(in->data, *fed);
		verdict = http_head_parse(h, buf, *fed);
		fuzz_free(buf, *fed);
	}
	return verdict;
}

static void same(const struct http_head *a, const struct http_head *b, enum http_verdict verdict)
{
	if (verdict == HTTP_BAD)
		CHECK(a->status == b->status && !strcmp(a->why, b->why));
	if (verdict != HTTP_OK)
		return;
	CHECK(same_piece(a->target, b->target) && same_piece(a->host, b->host));
	CHECK(same_piece(a->path, b->path) && same_piece(a->query, b->query));
	CHECK(a->length == b->length && a->minor == b->minor && a->head_only == b->head_only);
	CHECK(a->n_fields == b->n_fields);
	CHECK(!memcmp(a->fields, b->fields, a->n_fields * sizeof(a->fields[0])));
}

static void check_target(const struct http_head *h, const char *buf)
{
	size_t begin = h->target.at, end = begin + h->target.len;

	CHECK(h->target.len && begin >= 4 && end < h->length);
	CHECK(!memcmp(buf + begin - (h->head_only ? 5 : 4), h->head_only ? "HEAD " : "GET ", h->head_only ? 5 : 4));
	CHECK(!memcmp(buf + end, " HTTP/1.", 8) && buf[end + 8] == '0' + h->minor);
	CHECK(within(h->path, begin, end) && (!h->path.len || buf[h->path.at] == '/'));
	if (h->query.at)
		CHECK(within(h->query, begin, end) && buf[h->query.at - 1] == '?');
	CHECK((h->query.at ? h->query.at + h->query.len : h->path.at + h->path.len) == end);
	CHECK(within(h->host, 0, h->length) && (h->host.len || !h->minor));
	for (; begin < end; begin++)
		CHECK(buf[begin] > 0x20 && buf[begin] < 0x7f);
}

/* The fields lie one behind the other, from the request line to the empty line. */
static void check_fields(const struct http_head *h, const char *buf)
{
	size_t at = h->target.at + h->target.len + sizeof(" HTTP/1.1\r\n") - 1, end;

	for (unsigned i = 0; i < h->n_fields; i++) {
		struct http_piece name = h->fields[i].name, value = h->fields[i].value;

		CHECK(name.at == at && http_token(buf + at, name.len));
		CHECK(buf[at += name.len] == ':');
		for (at++; at < value.at; at++)
			CHECK(is_white(buf[at]));
		CHECK(value.at == at);
		for (end = at + value.len; at < end; at++)
			CHECK((unsigned char)buf[at] >= 0x20 ? buf[at] != 0x7f : buf[at] == '\t');
		CHECK(!value.len || (!is_white(buf[value.at]) && !is_white(buf[end - 1])));
		while (is_white(buf[at]))
			at++;
		CHECK(!memcmp(buf + at, "\r\n", 2));
		at += 2;
	}
	CHECK(at + 2 == h->length && !memcmp(buf + at, "\r\n", 2));
}

/* The list that all fields of one name are. */
static void check_list(const struct http_head *h, const char *buf, struct http_piece called)
{
	char *name = malloc(called.len + 1u);
	struct http_piece element, value;
	uint32_t pos = 0;

	CHECK(name);
	memcpy(name, buf + called.at, called.len);
	name[called.len] = '\0';
	CHECK(http_head_field(h, buf, name, 0, &value));
	for (size_t end = value.at; http_head_list_next(h, buf, name, &pos, &element); end = element.at + element.len) {
		CHECK(element.len && within(element, end, h->length));
		CHECK(!is_white(buf[element.at]) && !is_white(buf[element.at + element.len - 1]));
		CHECK(buf[element.at] != ',');
	}
	CHECK(!http_head_list_next(h, buf, name, &pos, &element));
	free(name);
}

static void check_decoded(const char *s, size_t len, size_t size)
{
	char *out = fuzz_copy("", 0), *roomy = malloc(len + 1);
	int n;

	CHECK(roomy && http_percent_decode(s, len, true, out, 0) == -1);
	fuzz_free(out, 0);
	n = http_percent_decode(s, len, true, roomy, len + 1);
	CHECK(n <= (int)len && strlen(roomy) == (n < 0 ? 0 : (size_t)n));
	out = malloc(size);
	CHECK(out && http_percent_decode(s, len, true, out, size) == (n < (int)size ? n : -1));
	CHECK(strlen(out) < size && (n < 0 || n >= (int)size || !strcmp(out, roomy)));
	free(out);
	free(roomy);
}

static void check_query(const char *s, size_t len)
{
	char value[8];

	for (const char *const *name = (const char *const[]){"", "name", "history", "a", NULL}; *name; name++) {
		int n = http_query_get(s, len, *name, value, sizeof(value));

		CHECK(n >= -2 && n < (int)sizeof(value) && (n < 0 || strlen(value) == (size_t)n));
	}
}

static void check_piece(const char *buf, struct http_piece piece)
{
	char *s = fuzz_copy(buf + piece.at, piece.len);

	check_decoded(s, piece.len, piece.len / 2u + 1);
	check_query(s, piece.len);
	fuzz_free(s, piece.len);
}

static void check_head(const struct http_head *h, const struct fuzz_input *in)
{
	char *buf = fuzz_copy(in->data, h->length);

	check_target(h, buf);
	check_fields(h, buf);
	for (unsigned i = 0; i < h->n_fields; i++)
		check_list(h, buf, h->fields[i].name);
	check_piece(buf, h->path);
	check_piece(buf, h->query);
	fuzz_free(buf, h->length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = {data, len};
	uint8_t limit = fuzz_byte(&in);
	size_t max_head = limit < 128 ? 16384 : 8 * (limit - 127u), fed;
	struct fuzz_cuts cuts = fuzz_cuts(&in);
	struct http_head whole, pieces;
	enum http_verdict verdict = HTTP_MORE;
	char *buf = fuzz_copy(in.data, in.len);

	http_head_init(&whole, max_head);
	if (in.len)
		verdict = http_head_parse(&whole, buf, in.len);
	fuzz_free(buf, in.len);
	CHECK(parse(&pieces, &in, max_head, cuts, &fed) == verdict);
	same(&whole, &pieces, verdict);
	CHECK(parse(&pieces, &in, max_head, fuzz_bytewise(), &fed) == verdict);
	same(&whole, &pieces, verdict);

	CHECK(verdict != HTTP_MORE || in.len < max_head);
	if (verdict == HTTP_OK) {
		CHECK(whole.length == fed && fed <= max_head);
		check_head(&whole, &in);
	}
	return 0;
}
