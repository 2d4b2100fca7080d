/*
 * http_conn: the few plain HTTP answers of the public port.
 *
 * One answer, then the connection is closed: natter serves a page and a script
 * now and then; whoever wants more puts a web server in front.
 */
#ifndef NATTER_NET_HTTP_CONN_H
#define NATTER_NET_HTTP_CONN_H

#include "net/conn.h"

/* Sends the answer (without its body for HEAD) and closes; CLOSE_http_done, unless there is another reason. */
void http_conn_answer(struct conn *c, const struct conn_answer *a, bool head_only, enum close_reason reason);

#endif
