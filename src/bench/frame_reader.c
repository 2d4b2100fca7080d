/* frame_reader: see frame_reader.h. */
#include <config.h>

#include "bench/frame_reader.h"

#include "bench/must.h"

#include <stdlib.h>
#include <string.h>

#define RSV1 4 /* as ws_frame_decode() gives it */

enum outcome { TAKEN, SHORT, STOP };

static enum outcome bad(struct frame_reader *r, const char *why)
{
	r->why = why;
	return STOP;
}

/* A frame of a message in several. */
static enum outcome take_fragment(struct frame_reader *r, const struct ws_frame *f,
				  const unsigned char *payload, frame_reader_cb cb, void *arg)
{
	unsigned char *message;
	uint8_t opcode;
	size_t len;
	bool go_on, deflated;

	if (r->message_len + f->len > FRAME_READER_MAX)
		return bad(r, "a message is too long");
	if (f->opcode != WS_OP_CONTINUATION) {
		r->opcode = f->opcode;
		r->deflated = f->rsv;
	}
	r->message = must_realloc(r->message, r->message_len + (size_t)f->len);
	memcpy(r->message + r->message_len, payload, (size_t)f->len);
	r->message_len += (size_t)f->len;
	if (!f->fin)
		return TAKEN;

	message = r->message;
	opcode = r->opcode;
	deflated = r->deflated;
	len = r->message_len;
	r->message = NULL;
	r->message_len = r->opcode = 0;
	go_on = cb(arg, (enum ws_opcode)opcode, deflated, message, len);
	free(message);
	return go_on ? TAKEN : STOP;
}

static enum outcome take_frame(struct frame_reader *r, const struct ws_frame *f, const unsigned char *payload,
			       frame_reader_cb cb, void *arg)
{
	bool control = f->opcode >= WS_OP_CLOSE;

	if (!control && (f->opcode == WS_OP_CONTINUATION) != (r->opcode != 0))
		return bad(r, "a message's frames are not in order");
	if (!control && (r->opcode || !f->fin))
		return take_fragment(r, f, payload, cb, arg);
	return cb(arg, (enum ws_opcode)f->opcode, f->rsv, payload, (size_t)f->len) ? TAKEN : STOP;
}

/*
 * The frame at DATA. *size becomes its size, or when it is SHORT the bytes that
 * are known to be needed.
 */
static enum outcome read_frame(struct frame_reader *r, const unsigned char *data, size_t len, size_t *size,
			       frame_reader_cb cb, void *arg)
{
	struct ws_frame f;

	switch (ws_frame_decode(&f, data, len, &r->why)) {
	case WS_BAD: return STOP;
	case WS_MORE: *size = len + 1; return SHORT;
	case WS_OK: break;
	}
	if (f.masked)
		return bad(r, "the server masks its frames");
	if (f.rsv &&
	    (f.rsv != RSV1 || !r->deflate || f.opcode == WS_OP_CONTINUATION || f.opcode >= WS_OP_CLOSE))
		return bad(r, "a frame has a reserved bit set");
	if (f.len > FRAME_READER_MAX)
		return bad(r, "a frame is too long");
	*size = f.head + (size_t)f.len;
	return len < *size ? SHORT : take_frame(r, &f, data + f.head, cb, arg);
}

static void keep(struct frame_reader *r, const unsigned char *data, size_t len)
{
	if (r->kept_len + len > r->kept_size) {
		r->kept_size = r->kept_len + len + 256;
		r->kept = must_realloc(r->kept, r->kept_size);
	}
	memcpy(r->kept + r->kept_len, data, len);
	r->kept_len += len;
}

/*
 * The kept frame, with just as many bytes more as it needs. Its memory is the
 * callback's while that runs, for the reader may be cleared there.
 */
static enum outcome finish_kept(struct frame_reader *r, const unsigned char **data, size_t *len,
				frame_reader_cb cb, void *arg)
{
	size_t need;
	enum outcome o = SHORT;

	while (o == SHORT) {
		unsigned char *kept = r->kept;
		size_t kept_len = r->kept_len, kept_size = r->kept_size;

		r->kept = NULL;
		r->kept_len = r->kept_size = 0;
		o = read_frame(r, kept, kept_len, &need, cb, arg);
		if (o == STOP) {
			free(kept);
			return STOP;
		}
		r->kept = kept;
		r->kept_size = kept_size;
		if (o == SHORT) {
			size_t more = need - kept_len < *len ? need - kept_len : *len;

			r->kept_len = kept_len;
			if (*len == 0)
				return SHORT;
			keep(r, *data, more);
			*data += more;
			*len -= more;
		}
	}
	return TAKEN;
}

bool frame_reader_read(struct frame_reader *r, const unsigned char *data, size_t len, frame_reader_cb cb,
		       void *arg)
{
	r->why = NULL;
	if (r->kept_len) {
		switch (finish_kept(r, &data, &len, cb, arg)) {
		case STOP: return false;
		case SHORT: return true;
		case TAKEN: break;
		}
	}
	while (len) {
		size_t size = 0;

		switch (read_frame(r, data, len, &size, cb, arg)) {
		case STOP: return false;
		case SHORT: keep(r, data, len); return true;
		case TAKEN: break;
		}
		data += size;
		len -= size;
	}
	return true;
}

void frame_reader_clear(struct frame_reader *r)
{
	free(r->kept);
	free(r->message);
	*r = (struct frame_reader){0};
}
