/*
 * ws_stream: the same bytes whole, byte by byte and in pieces give the same
 * events, one by one; no data is longer than max_message or a control frame
 * may be; texts and reasons are UTF-8, close codes are ones that may be sent;
 * what remains unused is less than a control frame. Without an inflater, with
 * a shared one, which must not remember, and with a client's own.
 *
 * Input: which inflater and its window, three limits, 4 bytes of cuts, what
 * the client sends.
 */
#include <config.h>

#include "wire/utf8.h"
#include "wire/ws_deflate.h"
#include "wire/ws_frame.h"
#include "wire/ws_stream.h"

#include "fuzz.h"

enum inflating { NOT, SHARED, TAKEOVER };

struct setting {
	enum inflating inflating;
	unsigned bits;
	struct ws_inflater *shared;
	struct ws_limits limits;
};

/* All that came of a stream, as bytes. */
struct record {
	unsigned char *s;
	size_t len;
};

static void note(struct record *r, const void *s, size_t len)
{
	r->s = realloc(r->s, r->len + len + 1);
	CHECK(r->s);
	if (len)
		memcpy(r->s + r->len, s, len);
	r->len += len;
}

static bool is_close_code(unsigned code) { return code == 1005 || ws_close_code_valid(code); }

static void check_event(const struct ws_event *ev, const struct ws_limits *limits)
{
	switch (ev->type) {
	case WS_EVENT_MORE: break;
	case WS_EVENT_TEXT: CHECK(utf8_valid(ev->data, ev->len)); /* fall through */
	case WS_EVENT_BINARY: CHECK(ev->len <= limits->max_message); break;
	case WS_EVENT_PING:
	case WS_EVENT_PONG: CHECK(ev->len <= WS_CONTROL_MAX); break;
	case WS_EVENT_CLOSE:
		CHECK(is_close_code(ev->code) && ev->len <= WS_CONTROL_MAX - 2 && utf8_valid(ev->data, ev->len));
		break;
	case WS_EVENT_BAD:
		CHECK((ev->code == 1002 || ev->code == 1007 || ev->code == 1009) && ev->why && *ev->why && !ev->len);
		break;
	}
}

static void note_event(struct record *r, const struct ws_event *ev)
{
	note(r, &ev->type, sizeof(ev->type));
	note(r, &ev->code, sizeof(ev->code));
	note(r, &ev->len, sizeof(ev->len));
	note(r, ev->data, ev->len);
	note(r, ev->why ? ev->why : "", ev->why ? strlen(ev->why) : 0);
}

/* Reads all events that are in the LEN bytes; returns how many of these are used up. */
static size_t read_events(struct ws_stream *s, const void *bytes, size_t len, struct record *r, bool *ended)
{
	unsigned char *buf = fuzz_copy(bytes, len);
	struct ws_event ev;
	size_t used = 0, n;

	do {
		n = ws_stream_read(s, buf + used, len - used, &ev);
		CHECK(n <= len - used && (n || ev.type == WS_EVENT_MORE));
		used += n;
		check_event(&ev, s->limits);
		if (ev.type != WS_EVENT_MORE)
			note_event(r, &ev);
		*ended = ev.type == WS_EVENT_CLOSE || ev.type == WS_EVENT_BAD;
	} while (ev.type != WS_EVENT_MORE && !*ended);
	fuzz_free(buf, len);
	CHECK(*ended || len - used < WS_FRAME_HEAD_MAX + WS_CONTROL_MAX);
	return used;
}

static struct ws_inflater *inflater_for(const struct setting *setting)
{
	struct ws_inflater *own;

	if (setting->inflating != TAKEOVER)
		return setting->shared;
	own = ws_inflater_new(setting->bits, true);
	CHECK(own);
	return own;
}

/* One connection. CUTS NULL: all its bytes at once. */
static struct record run(const struct setting *setting, const struct fuzz_input *in, struct fuzz_cuts *cuts)
{
	struct record r = {NULL, 0};
	size_t fed = 0, used = 0;
	bool ended = false;
	struct ws_stream s;

	ws_stream_init(&s, &setting->limits, inflater_for(setting));
	while (!ended && fed < in->len) {
		fed += cuts ? fuzz_cut(cuts, in->len - fed) : in->len;
		used += read_events(&s, in->data + used, fed - used, &r, &ended);
	}
	ws_stream_clear(&s);
	return r;
}

static void run_again(const struct setting *setting, const struct fuzz_input *in, struct fuzz_cuts cuts,
		      const struct record *expected)
{
	struct record r = run(setting, in, &cuts);

	CHECK(r.len == expected->len && (!r.len || !memcmp(r.s, expected->s, r.len)));
	free(r.s);
}

/* From 1 to 8129. */
static uint32_t limit(struct fuzz_input *in)
{
	uint32_t b = fuzz_byte(in);

	return 1 + b * b / 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = {data, len};
	uint8_t choice = fuzz_byte(&in);
	struct setting setting = {.inflating = choice % 3, .bits = 8 + choice / 3 % 8};
	struct fuzz_cuts cuts;
	struct record whole;

	setting.limits.max_frame = limit(&in);
	setting.limits.max_message = limit(&in);
	setting.limits.max_fragments = fuzz_byte(&in);
	cuts = fuzz_cuts(&in);
	if (setting.inflating == SHARED) {
		setting.shared = ws_inflater_new(15, false);
		CHECK(setting.shared);
	}

	whole = run(&setting, &in, NULL);
	run_again(&setting, &in, cuts, &whole);
	run_again(&setting, &in, fuzz_bytewise(), &whole);
	free(whole.s);
	ws_inflater_free(setting.shared);
	return 0;
}
