#include <config.h>

#include "net/framer.h"
#include "net/worker.h"

#include "wire/ws_deflate.h"

#include <string.h>

void framer_init(struct framer *f, struct worker *w, enum ws_opcode opcode, const void *data, size_t len)
{
	*f = (struct framer){ .worker = w, .opcode = opcode, .data = data, .len = len };
}

static void deflate_once(struct framer *f)
{
	struct ws_deflater *d = worker_deflater(f->worker);

	f->tried = true;
	f->deflated = d ? ws_deflater_run(d, f->data, f->len, &f->deflated_len) : NULL;
	if (f->deflated == NULL)
		return;
	stats_add(STAT_deflated, 1);
	stats_add(STAT_deflate_bytes_in, (int64_t)f->len);
	stats_add(STAT_deflate_bytes_out, (int64_t)f->deflated_len);
}

void framer_make(struct framer *f, unsigned bits, struct framer_frame *frame)
{
	bool takes = bits && f->len >= f->worker->opts.deflate_min && ws_deflate_fits(bits, f->len);

	if (takes && !f->tried)
		deflate_once(f);
	if (takes && f->deflated) {
		frame->body = f->deflated;
		frame->body_len = f->deflated_len;
	} else {
		takes = false;
		frame->body = f->data;
		frame->body_len = f->len;
	}
	frame->head_len = ws_frame_encode(frame->head, f->opcode, takes, frame->body_len);
}
