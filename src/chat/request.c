#include <config.h>

#include "chat/request.h"

#include <jansson.h>
#include <stdlib.h>

static void drop(struct errand *e) { request_free(request_of(e)); }

struct request *request_new(void)
{
	struct request *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->why = REPLY_COUNT;
	q->errand.drop = drop;
	return q;
}

void request_free(struct request *q)
{
	if (q == NULL)
		return;
	payload_unref(q->room);
	payload_unref(q->cid);
	person_unref(q->by);
	payload_unref(q->body);
	payload_unref(q->content);
	payload_unref(q->sender);
	payload_unref(q->text);
	payload_unref(q->address);
	payload_unref(q->target.user);
	payload_unref(q->target.key);
	payload_unref(q->answer);
	payload_unref(q->where);
	payload_unref(q->news);
	json_decref(q->rows);
	free(q);
}
