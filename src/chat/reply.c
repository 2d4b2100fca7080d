#include <config.h>

#include "chat/reply.h"

#include "base/stats.h"
#include "chat/json_text.h"

#include <jansson.h>
#include <stdio.h>

static const struct {
	const char *code, *text;
} rows[] = {
#define REPLY(id, text) { #id, text },
#include "chat/reply.def"
#undef REPLY
};

const char *reply_code(enum reply r) { return rows[r].code; }
const char *reply_text(enum reply r) { return rows[r].text; }

void reply_count(enum reply r)
{
	stats_add(STAT_errors_sent, 1);
	stats_add(STAT_refused_rooms, r == REPLY_too_many_rooms || r == REPLY_too_many_joined);
}

void reply_error(struct sink *to, enum reply r, const char *detail)
{
	char text[512];
	struct payload *p;
	json_t *o, *message = NULL;

	if (detail) {
		snprintf(text, sizeof(text), "%s: %s", rows[r].text, detail);
		message = json_string(text);
	}
	if (message == NULL)
		message = json_string(rows[r].text);
	o = json_pack("{s:s,s:s,s:o}", "type", "error", "code", rows[r].code, "message", message);
	p = o ? json_text(o) : NULL;
	json_decref(o);
	if (p)
		to->ops->send(to, p->data, p->len);
	payload_unref(p);
	reply_count(r);
}

struct payload *reply_system(const char *text)
{
	json_t *o = json_pack("{s:s,s:s}", "type", "system", "message", text);
	struct payload *p = o ? json_text(o) : NULL;

	json_decref(o);
	return p;
}
