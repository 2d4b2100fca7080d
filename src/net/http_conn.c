#include <config.h>

#include "net/http_conn.h"
#include "net/worker.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Room for a response head; extra lines are ours and short. */
#define HEAD_MAX 2048

/* Writes the head to OUT with a Date (RFC 9110 section 6.6.1); its length, 0: it does not fit. */
static size_t write_head(char out[HEAD_MAX], const struct conn_answer *a, const char *type, size_t len)
{
	char extra[HEAD_MAX - 512], date[64];
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;

	strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&now, &tm));
	snprintf(extra, sizeof(extra), "%s%s", date, a->extra ? a->extra : "");
	return http_response_head(out, HEAD_MAX, a->status, type, len, extra);
}

/* Writes head and sentence in one go. */
static void answer_in_words(struct conn *c, const struct conn_answer *a, bool head_only)
{
	char out[HEAD_MAX];
	size_t len = strlen(a->why) + 1;
	size_t n = write_head(out, a, "text/plain; charset=utf-8", len);

	if (n && !head_only)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s\n", a->why);
	conn_write(c, out, n < sizeof(out) ? n : sizeof(out) - 1);
}

static void answer_with_body(struct conn *c, const struct conn_answer *a, bool head_only)
{
	char out[HEAD_MAX];

	conn_write(c, out, write_head(out, a, a->type, a->body_len));
	if (c->state == CONN_HANDSHAKE && !head_only && a->body_len) /* else A is gone */
		conn_write_static(c, a->body, a->body_len);
}

void http_conn_answer(struct conn *c, const struct conn_answer *a, bool head_only, enum close_reason reason)
{
	head_only = head_only || a->status == 304;
	stats_add(a->status >= 400 ? STAT_http_errors : STAT_http_requests, 1);
	conn_become(c, CONN_HTTP);
	if (a->why)
		answer_in_words(c, a, head_only);
	else
		answer_with_body(c, a, head_only);
	conn_close(c, reason, NULL);
}
