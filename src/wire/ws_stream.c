/*
 * ws_stream: see ws_stream.h.
 *
 * A verdict never depends on how the bytes were cut: each check is made at the
 * earliest byte that can fail it, in the order of the bytes.
 */
#include <config.h>

#include "wire/ws_stream.h"
#include "wire/utf8.h"
#include "wire/ws_deflate.h"
#include "wire/ws_frame.h"

#include <stdlib.h>
#include <string.h>

#define RSV1 4         /* as struct ws_frame has it: the message is compressed, RFC 7692 section 6 */
#define NO_STATUS 1005 /* a close frame without a code, section 7.4.1 */
#define BAD_PROTOCOL 1002
#define BAD_TEXT 1007
#define TOO_BIG 1009
#define NO_MEMORY 1011

#define ASSEMBLY_MIN 128 /* the first allocation for a message, unless the message is shorter */

struct ws_assembly {
	uint64_t left;      /* of the current frame: payload bytes that have not come yet */
	uint64_t at;        /* of the current frame: payload bytes that have come */
	uint8_t mask[4];    /* of the current frame */
	bool fin;           /* the current frame is the message's last */
	bool delivered;     /* the caller has the message; nothing of it is needed at the next call */
	bool compressed;    /* the message: to be inflated when it is whole */
	uint8_t opcode;     /* of the message */
	uint32_t fragments; /* frames so far */
	utf8_state text;    /* how far the validation has come */
	size_t len, size;   /* bytes collected; bytes of room */
	unsigned char data[];
};

void ws_stream_init(struct ws_stream *s, const struct ws_limits *limits, struct ws_inflater *inflater)
{
	s->assembly = NULL;
	s->limits = limits;
	s->inflater = inflater;
}

static void assembly_replace(struct ws_stream *s, struct ws_assembly *by)
{
	free(s->assembly);
	s->assembly = by;
}

void ws_stream_clear(struct ws_stream *s)
{
	assembly_replace(s, NULL);
	if (s->inflater && ws_inflater_takeover(s->inflater))
		ws_inflater_free(s->inflater);
	s->inflater = NULL;
}

bool ws_close_code_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

static void bad(struct ws_stream *s, struct ws_event *ev, uint16_t code, const char *why)
{
	ws_stream_clear(s);
	*ev = (struct ws_event){.type = WS_EVENT_BAD, .code = code, .why = why};
}

static void message(struct ws_event *ev, uint8_t opcode, const unsigned char *data, size_t len)
{
	ev->type = opcode == WS_OP_TEXT ? WS_EVENT_TEXT : WS_EVENT_BINARY;
	ev->data = data;
	ev->len = len;
}

static void bad_text(struct ws_stream *s, struct ws_event *ev)
{
	bad(s, ev, BAD_TEXT, "a text message is not UTF-8");
}

static void no_memory(struct ws_stream *s, struct ws_event *ev)
{
	bad(s, ev, NO_MEMORY, "there is no memory for the message");
}

static void too_long(struct ws_stream *s, struct ws_event *ev)
{
	bad(s, ev, TOO_BIG, "a message is too long");
}

/*
 * A compressed message, LEN bytes at DATA (in the stream's assembly perhaps),
 * that is whole: becomes an assembly of its own, of one byte more than
 * max_message at most.
 */
static void read_compressed(struct ws_stream *s, uint8_t opcode, const unsigned char *data, size_t len,
			    struct ws_event *ev)
{
	uint64_t most = s->limits->max_message + 1, size = (uint64_t)len * 4 + ASSEMBLY_MIN;
	enum ws_inflate_verdict verdict = WS_INFLATE_MORE;
	struct ws_assembly *out = NULL, *grown;
	utf8_state text = UTF8_START;
	bool valid = true;
	size_t used = 0, n;

	ws_inflater_begin(s->inflater, data, len);
	for (; verdict == WS_INFLATE_MORE && valid && used < most; size *= 2) {
		if (size > most)
			size = most;
		grown = size > SIZE_MAX - sizeof(*out) ? NULL : realloc(out, sizeof(*out) + (size_t)size);
		if (!grown) {
			verdict = WS_INFLATE_NO_MEMORY;
			break;
		}
		out = grown;
		verdict = ws_inflater_run(s->inflater, out->data + used, (size_t)size - used, &n);
		valid = opcode != WS_OP_TEXT || utf8_feed(&text, out->data + used, n);
		used += n;
	}
	if (out)
		*out = (struct ws_assembly){.delivered = true};
	assembly_replace(s, out);

	if (verdict == WS_INFLATE_NO_MEMORY)
		no_memory(s, ev);
	else if (verdict == WS_INFLATE_BAD)
		bad(s, ev, BAD_TEXT, "a compressed message cannot be inflated");
	else if (!valid || (verdict == WS_INFLATE_DONE && text != UTF8_START))
		bad_text(s, ev);
	else if (used == most)
		too_long(s, ev);
	else
		message(ev, opcode, out->data, used);
}

/* A message that is one frame and wholly there. */
static void read_in_place(struct ws_stream *s, const struct ws_frame *f, unsigned char *payload,
			  struct ws_event *ev)
{
	size_t len = (size_t)f->len;

	ws_mask(payload, len, f->mask, 0);
	if (f->rsv)
		read_compressed(s, f->opcode, payload, len, ev);
	else if (f->opcode == WS_OP_TEXT && !utf8_valid(payload, len))
		bad_text(s, ev);
	else
		message(ev, f->opcode, payload, len);
}

static void read_close(struct ws_stream *s, const unsigned char *payload, size_t len, struct ws_event *ev)
{
	ev->type = WS_EVENT_CLOSE;
	ev->code = NO_STATUS;
	ev->data = payload;
	if (len >= 2) {
		ev->code = (uint16_t)(payload[0] << 8 | payload[1]);
		ev->data = payload + 2;
		ev->len = len - 2;
		if (!ws_close_code_valid(ev->code))
			bad(s, ev, BAD_PROTOCOL, "a close frame has a code that may not be sent");
		else if (!utf8_valid(ev->data, ev->len))
			bad(s, ev, BAD_TEXT, "the reason of a close frame is not UTF-8");
	}
	ws_stream_clear(s);
}

/* A control frame, once it is whole. Returns the bytes used up. */
static size_t read_control(struct ws_stream *s, const struct ws_frame *f, unsigned char *buf, size_t len,
			   struct ws_event *ev)
{
	unsigned char *payload = buf + f->head;

	if (len - f->head < f->len)
		return 0;
	ws_mask(payload, (size_t)f->len, f->mask, 0);
	if (f->opcode == WS_OP_CLOSE) {
		read_close(s, payload, (size_t)f->len, ev);
	} else {
		ev->type = f->opcode == WS_OP_PING ? WS_EVENT_PING : WS_EVENT_PONG;
		ev->data = payload;
		ev->len = (size_t)f->len;
	}
	return f->head + (size_t)f->len;
}

/* A limit for bytes on the wire: what does not compress becomes longer, with the smallest blocks by an eighth. */
static uint64_t stretched(uint64_t limit, bool compressed)
{
	return compressed ? limit + limit / 8 + 64 : limit;
}

/* Room for N bytes more, that have really come: doubled, but never beyond what the message can grow to. */
static bool assembly_reserve(struct ws_stream *s, size_t n)
{
	struct ws_assembly *a = s->assembly;
	uint64_t most = a->fin ? a->len + a->left : stretched(s->limits->max_message, a->compressed);
	uint64_t size = a->size ? (uint64_t)a->size * 2 : ASSEMBLY_MIN;
	uint64_t need = (uint64_t)a->len + n;

	if (need <= a->size)
		return true;
	if (size > most)
		size = most;
	if (size < need)
		size = need;
	if (size > SIZE_MAX - sizeof(*a))
		return false;
	a = realloc(a, sizeof(*a) + (size_t)size);
	if (!a)
		return false;
	a->size = (size_t)size;
	s->assembly = a;
	return true;
}

/* Collects what is there of the current frame's payload. Returns the bytes used up. */
static size_t read_payload(struct ws_stream *s, const unsigned char *buf, size_t len, struct ws_event *ev)
{
	size_t n = s->assembly->left < len ? (size_t)s->assembly->left : len;
	struct ws_assembly *a;
	unsigned char *to;

	if (!assembly_reserve(s, n)) {
		no_memory(s, ev);
		return n;
	}
	a = s->assembly;
	to = a->data + a->len;
	memcpy(to, buf, n);
	ws_mask(to, n, a->mask, a->at);
	a->len += n;
	a->at += n;
	a->left -= n;
	if (a->opcode == WS_OP_TEXT && !a->compressed &&
	    (!utf8_feed(&a->text, to, n) || (a->fin && !a->left && a->text != UTF8_START))) {
		bad_text(s, ev);
	} else if (a->fin && !a->left && a->compressed) {
		read_compressed(s, a->opcode, a->data, a->len, ev);
	} else if (a->fin && !a->left) {
		a->delivered = true;
		message(ev, a->opcode, a->data, a->len);
	}
	return n;
}

/* The current frame, whose payload follows, becomes part of a message. */
static bool assembly_add_frame(struct ws_stream *s, const struct ws_frame *f)
{
	struct ws_assembly *a = s->assembly;

	if (!a) {
		a = s->assembly = calloc(1, sizeof(*a));
		if (!a)
			return false;
		a->opcode = f->opcode;
		a->compressed = f->rsv != 0;
	}
	a->left = f->len;
	a->at = 0;
	a->fin = f->fin;
	a->fragments++;
	memcpy(a->mask, f->mask, sizeof(a->mask));
	return true;
}

static const char *over_limit(const struct ws_stream *s, const struct ws_frame *f)
{
	const struct ws_assembly *a = s->assembly;
	bool compressed = a ? a->compressed : f->rsv != 0;
	uint64_t most = stretched(s->limits->max_message, compressed);
	uint64_t before = a ? a->len : 0;

	if (f->len > stretched(s->limits->max_frame, compressed))
		return "a frame is too long";
	if (f->len > most || before > most - f->len)
		return "a message is too long";
	if (a && a->fragments >= s->limits->max_fragments)
		return "a message has too many fragments";
	return NULL;
}

/* What is wrong with a frame's first byte after those that came before, or NULL. */
static const char *judge_first_byte(const struct ws_stream *s, const struct ws_frame *f)
{
	if (f->rsv && !s->inflater)
		return "an RSV bit is set, and no extension was agreed on";
	if (f->rsv && (f->rsv != RSV1 || (f->opcode != WS_OP_TEXT && f->opcode != WS_OP_BINARY)))
		return "an RSV bit is set where it means nothing";
	if (f->opcode == WS_OP_CONTINUATION && !s->assembly)
		return "a continuation frame continues nothing";
	if ((f->opcode == WS_OP_TEXT || f->opcode == WS_OP_BINARY) && s->assembly)
		return "a new message begins before the last one has ended";
	return NULL;
}

/* A frame's header, of which there is a byte or more: judged byte by byte. */
static enum ws_verdict read_head(const struct ws_stream *s, struct ws_frame *f, const unsigned char *buf,
				 size_t len, const char **why)
{
	*why = NULL;
	if (ws_frame_decode(f, buf, 1, why) != WS_BAD)
		*why = judge_first_byte(s, f);
	if (*why)
		return WS_BAD;
	if (len < 2)
		return WS_MORE;

	ws_frame_decode(f, buf, 2, why);
	if (!f->masked)
		*why = "a frame is not masked";
	else if (f->opcode == WS_OP_CLOSE && f->len == 1)
		*why = "a close frame has half a code";
	if (*why)
		return WS_BAD;
	return ws_frame_decode(f, buf, len, why);
}

/* A frame from its header on. Returns the bytes used up; none where more must come first. */
static size_t read_frame(struct ws_stream *s, unsigned char *buf, size_t len, struct ws_event *ev)
{
	struct ws_frame f;
	const char *why;

	switch (read_head(s, &f, buf, len, &why)) {
	case WS_OK: break;
	case WS_MORE: return 0;
	case WS_BAD: bad(s, ev, BAD_PROTOCOL, why); return len;
	}
	if (f.opcode >= WS_OP_CLOSE)
		return read_control(s, &f, buf, len, ev);

	why = over_limit(s, &f);
	if (why) {
		bad(s, ev, TOO_BIG, why);
		return len;
	}
	if (f.fin && !s->assembly && f.len <= len - f.head) {
		read_in_place(s, &f, buf + f.head, ev);
		return f.head + (size_t)f.len;
	}
	if (f.len && len == f.head)
		return 0; /* nothing of the payload yet: nothing to hold */
	if (!assembly_add_frame(s, &f)) {
		no_memory(s, ev);
		return len;
	}
	return f.head + read_payload(s, buf + f.head, len - f.head, ev);
}

/*
 * What nearly all clients send nearly always: a message in one frame of up to
 * 125 bytes, whole. Returns the bytes used up; none where it is anything else.
 */
static inline size_t read_small(struct ws_stream *s, unsigned char *buf, size_t len, struct ws_event *ev)
{
	const struct ws_limits *limits = s->limits;
	struct ws_frame f;

	if (s->assembly || len < 6 || (buf[0] != (0x80 | WS_OP_TEXT) && buf[0] != (0x80 | WS_OP_BINARY)))
		return 0;
	f.rsv = 0;
	f.opcode = buf[0] & 0x0f;
	f.len = (uint64_t)buf[1] - 0x80; /* without the mask bit: huge */
	if (f.len > WS_CONTROL_MAX || f.len > len - 6)
		return 0;
	if (f.len > limits->max_frame || f.len > limits->max_message)
		return 0;
	memcpy(f.mask, buf + 2, sizeof(f.mask));
	read_in_place(s, &f, buf + 6, ev);
	return 6 + (size_t)f.len;
}

size_t ws_stream_read(struct ws_stream *s, unsigned char *buf, size_t len, struct ws_event *ev)
{
	size_t used, n;

	*ev = (struct ws_event){.type = WS_EVENT_MORE};
	if (s->assembly && s->assembly->delivered)
		assembly_replace(s, NULL);

	used = read_small(s, buf, len, ev);
	while (ev->type == WS_EVENT_MORE && used < len) {
		if (s->assembly && s->assembly->left)
			n = read_payload(s, buf + used, len - used, ev);
		else
			n = read_frame(s, buf + used, len - used, ev);
		if (!n)
			break;
		used += n;
	}
	return used;
}
