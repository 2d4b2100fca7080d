/*
 * ws_upgrade, ws_extension, token and the agreeing of ws_deflate, on the heads
 * of requests: an accepted one has an accept and tokens as offers, and its answer
 * fits to the byte; extensions are read to their end, each piece within a
 * field of theirs; what is agreed on is in range, was offered with a token,
 * and its answer, taken as an offer, is agreed on as it is; a token is taken
 * from where it may be.
 *
 * Input: which of the good fields to put in, target and host on a line each,
 * and the lines of other fields.
 */
#include <config.h>

#include "wire/token.h"
#include "wire/ws_deflate.h"
#include "wire/ws_extension.h"
#include "wire/ws_upgrade.h"

#include "fuzz.h"

#include <openssl/evp.h>

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define EXTENSIONS "Sec-WebSocket-Extensions"

enum { WITH_UPGRADE = 1, WITH_CONNECTION = 2, WITH_VERSION = 4, WITH_KEY = 8, WITH_HEAD = 16, WITH_HTTP_1_0 = 32 };

/* A request head. */
struct request {
	char *s;
	size_t len;
};

static void add(struct request *to, const void *s, size_t len)
{
	to->s = realloc(to->s, to->len + len + 1);
	CHECK(to->s);
	if (len)
		memcpy(to->s + to->len, s, len);
	to->len += len;
}

static void add_text(struct request *to, const char *s) { add(to, s, strlen(s)); }

/* The input's next line, which is gone then. */
static void add_line(struct request *to, struct fuzz_input *in)
{
	const uint8_t *end = in->len ? memchr(in->data, '\n', in->len) : NULL;
	size_t len = end ? (size_t)(end - in->data) : in->len;

	add(to, in->data, len);
	len += end != NULL;
	in->data += len;
	in->len -= len;
}

static struct request make_request(struct fuzz_input *in)
{
	struct request r = {NULL, 0};
	uint8_t with = fuzz_byte(in);

	add_text(&r, with & WITH_HEAD ? "HEAD " : "GET ");
	add_line(&r, in);
	add_text(&r, with & WITH_HTTP_1_0 ? " HTTP/1.0\r\nHost: " : " HTTP/1.1\r\nHost: ");
	add_line(&r, in);
	add_text(&r, with & WITH_UPGRADE ? "\r\nUpgrade: websocket" : "");
	add_text(&r, with & WITH_CONNECTION ? "\r\nConnection: Upgrade" : "");
	add_text(&r, with & WITH_VERSION ? "\r\nSec-WebSocket-Version: 13" : "");
	add_text(&r, with & WITH_KEY ? "\r\nSec-WebSocket-Key: " KEY : "");
	while (in->len) {
		add_text(&r, "\r\n");
		add_line(&r, in);
	}
	add_text(&r, "\r\n\r\n");
	return r;
}

static bool parse(struct http_head *h, const char *buf, size_t len)
{
	http_head_init(h, 16384);
	return http_head_parse(h, buf, len) == HTTP_OK;
}

static bool in_field(const struct http_head *h, const char *buf, const char *name, struct http_piece piece)
{
	struct http_piece value;

	for (unsigned i = 0; http_head_field(h, buf, name, i, &value); i++) {
		if (piece.at >= value.at && piece.at + piece.len <= value.at + value.len)
			return true;
	}
	return false;
}

/* ---- the handshake ---- */

static void check_accept(const struct http_head *h, const char *buf, const char *accept)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char text[24 + sizeof(guid)], sum[EVP_MAX_MD_SIZE], expected[WS_ACCEPT_LEN + 1];
	struct http_piece key;

	CHECK(http_head_field(h, buf, "Sec-WebSocket-Key", 0, &key) && key.len == 24);
	memcpy(text, buf + key.at, 24);
	memcpy(text + 24, guid, sizeof(guid));
	CHECK(EVP_Digest(text, 24 + sizeof(guid) - 1, sum, NULL, EVP_sha1(), NULL));
	EVP_EncodeBlock(expected, sum, 20);
	CHECK(!strcmp((const char *)expected, accept));
}

/* Each is a token, there only once, and they are not too many. *first: one of them. */
static void check_offers(const struct http_head *h, const char *buf, struct http_piece *first)
{
	struct http_piece names[WS_OFFERS_MAX + 1];
	uint32_t pos = 0;
	size_t n = 0;

	for (; ws_upgrade_offer(h, buf, &pos, &names[n]); n++) {
		CHECK(n < WS_OFFERS_MAX && http_token(buf + names[n].at, names[n].len));
		CHECK(in_field(h, buf, "Sec-WebSocket-Protocol", names[n]));
		for (size_t i = 0; i < n; i++)
			CHECK(names[i].len != names[n].len || memcmp(buf + names[i].at, buf + names[n].at, names[n].len));
	}
	*first = n ? names[n / 2] : (struct http_piece){0, 0};
}

/* The 101 fits to the byte, and is a head of lines of which none was smuggled in. */
static void check_answer(const struct ws_upgrade *u, const char *protocol, size_t protocol_len, const char *extensions)
{
	static const char begin[] = "HTTP/1.1 101 ";
	char roomy[16384], *exact;
	size_t len = ws_upgrade_answer(u, protocol, protocol_len, extensions, roomy, sizeof(roomy)), i, lines = 0;

	CHECK(len && !memcmp(roomy, begin, sizeof(begin) - 1) && !memcmp(roomy + len - 4, "\r\n\r\n", 4));
	for (i = 0; i < len; i++) {
		CHECK((roomy[i] >= 0x20 && roomy[i] < 0x7f) || roomy[i] == '\r' || roomy[i] == '\n');
		lines += roomy[i] == '\n';
	}
	CHECK(lines == 5u + (protocol != NULL) + (extensions != NULL));
	exact = malloc(len);
	CHECK(exact && !ws_upgrade_answer(u, protocol, protocol_len, extensions, exact, len - 1));
	CHECK(ws_upgrade_answer(u, protocol, protocol_len, extensions, exact, len) == len);
	CHECK(!memcmp(exact, roomy, len));
	free(exact);
}

/* ---- extensions ---- */

static void check_item(const struct http_head *h, const char *buf, const struct ws_extension_item *item)
{
	CHECK(http_token(buf + item->name.at, item->name.len) && in_field(h, buf, EXTENSIONS, item->name));
	if (item->has_value) {
		char *value = malloc(item->value.len + 1u);
		size_t len = value ? ws_extension_value(item, buf, value, item->value.len) : 0;

		CHECK(len && http_token(value, len) && in_field(h, buf, EXTENSIONS, item->value));
		free(value);
	}
}

static bool is_param(enum ws_extension_kind kind)
{
	return kind == WS_EXTENSION_PARAM || kind == WS_EXTENSION_MALFORMED;
}

static void check_extensions(const struct http_head *h, const char *buf)
{
	struct ws_extension_item item = {.kind = WS_EXTENSION_END};
	struct ws_extension_place place = {0};
	struct http_piece field;
	size_t n;

	for (n = 0; n == 0 || item.kind < WS_EXTENSION_END; n++) {
		item = ws_extension_next(h, buf, &place);
		CHECK(n || !is_param(item.kind));
		CHECK(n <= h->length);
		if (item.kind == WS_EXTENSION_OFFER || item.kind == WS_EXTENSION_PARAM)
			check_item(h, buf, &item);
	}
	/* no field is fine, a field without an offer is not */
	CHECK(ws_extension_valid(h, buf) ==
	      (item.kind == WS_EXTENSION_END && (n > 1 || !http_head_field(h, buf, EXTENSIONS, 0, &field))));
	if (item.kind == WS_EXTENSION_END)
		CHECK(ws_extension_next(h, buf, &place).kind == WS_EXTENSION_END);
}

static void same_agreed(const struct ws_deflate *a, const struct ws_deflate *b)
{
	CHECK(a->server_bits == b->server_bits && a->client_bits == b->client_bits);
	CHECK(a->server_bits_named == b->server_bits_named && a->client_bits_named == b->client_bits_named);
	CHECK(a->client_takeover == b->client_takeover);
}

/* The answer, which is written like an offer, is agreed on. */
static void check_deflate_answer(const struct ws_deflate *agreed, const char *answer)
{
	struct ws_deflate again;
	struct request r = {NULL, 0};
	struct http_head h;

	add_text(&r, "GET / HTTP/1.1\r\nHost: a\r\n" EXTENSIONS ": ");
	add_text(&r, answer);
	add_text(&r, "\r\n\r\n");
	CHECK(parse(&h, r.s, r.len) && ws_extension_valid(&h, r.s));
	CHECK(ws_deflate_negotiate(&h, r.s, true, &again));
	same_agreed(agreed, &again);
	free(r.s);
}

static void check_agreed(const struct ws_deflate *agreed, bool takeover, char answer[WS_DEFLATE_ANSWER_MAX])
{
	CHECK(agreed->server_bits >= 8 && agreed->server_bits <= 15 && agreed->client_bits >= 8 && agreed->client_bits <= 15);
	CHECK(agreed->server_bits_named || agreed->server_bits == 15);
	CHECK(agreed->client_bits_named || agreed->client_bits == 15);
	CHECK(takeover || !agreed->client_takeover);
	CHECK(ws_deflate_answer(agreed, answer) == strlen(answer) && strlen(answer) < WS_DEFLATE_ANSWER_MAX);
	CHECK(strstr(answer, "server_no_context_takeover"));
	check_deflate_answer(agreed, answer);
}

/* Returns the answer, or NULL where nothing was agreed on. */
static const char *check_deflate(const struct http_head *h, const char *buf, bool takeover, char answer[WS_DEFLATE_ANSWER_MAX])
{
	static const struct ws_deflate nothing;
	struct ws_deflate agreed;

	memset(&agreed, 0xff, sizeof(agreed));
	if (ws_deflate_negotiate(h, buf, takeover, &agreed)) {
		check_agreed(&agreed, takeover, answer);
		return answer;
	}
	same_agreed(&agreed, &nothing);
	return NULL;
}

/* ---- tokens ---- */

static enum token_verdict check_token(const struct http_head *h, const char *buf, const struct token_places *where)
{
	struct token t;
	enum token_verdict verdict;

	memset(&t, 0xff, sizeof(t));
	verdict = token_find(h, buf, where, &t);
	if (verdict == TOKEN_BAD)
		CHECK(t.why && *t.why);
	else
		CHECK(!t.why && t.len <= TOKEN_MAX && strlen(t.text) == t.len && (t.len > 0) == (verdict == TOKEN_OK));
	return verdict;
}

/* Where more places count there is no less of a token. */
static void check_tokens(const struct http_head *h, const char *buf)
{
	static const struct token_places few = {NULL, false}, all = {"a", true};
	enum token_verdict in_few = check_token(h, buf, &few), in_all = check_token(h, buf, &all);

	if (in_few != TOKEN_NONE)
		CHECK(in_all == TOKEN_BAD || in_all == in_few);
}

static void check_head(const struct http_head *h, const char *buf)
{
	char with_takeover[WS_DEFLATE_ANSWER_MAX], without[WS_DEFLATE_ANSWER_MAX];
	const char *extensions = check_deflate(h, buf, false, without);
	enum ws_upgrade_verdict verdict;
	struct http_piece protocol;
	struct ws_upgrade u;

	CHECK((check_deflate(h, buf, true, with_takeover) != NULL) == (extensions != NULL));
	check_extensions(h, buf);
	check_tokens(h, buf);
	verdict = ws_upgrade_check(h, buf, &u);
	if (verdict == WS_UPGRADE_BAD)
		CHECK((u.status == 400 || u.status == 426) && u.why && *u.why);
	if (verdict != WS_UPGRADE_OK)
		return;
	CHECK(h->minor && !h->head_only && ws_extension_valid(h, buf));
	check_accept(h, buf, u.accept);
	check_offers(h, buf, &protocol);
	check_answer(&u, protocol.len ? buf + protocol.at : NULL, protocol.len, extensions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = {data, len};
	struct request r = make_request(&in);
	char *buf = fuzz_copy(r.s, r.len);
	struct http_head h;

	if (parse(&h, buf, r.len)) {
		char *head = fuzz_copy(buf, h.length);

		check_head(&h, head);
		fuzz_free(head, h.length);
	}
	fuzz_free(buf, r.len);
	free(r.s);
	return 0;
}
