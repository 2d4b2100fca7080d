/*
 * command: the requests of natter.v1, a table: command.def.
 */
#ifndef NATTER_CHAT_COMMAND_H
#define NATTER_CHAT_COMMAND_H

#include "chat/message.h"
#include "chat/session.h"

#define COMMAND_CID_MAX 64    /* bytes of a cid */
#define COMMAND_TOPIC_MAX 500 /* bytes of a topic, and of a reason */
#define COMMAND_LIST_MAX 200  /* members, rooms or conversations at a time */
#define COMMAND_PAGE 50       /* messages, members or rooms, where none are asked for */

/* Does what M, a whole object of natter.v1's S, asks for; the answer comes, perhaps later. M may be changed. */
void command_do(struct session *s, struct message *m);

#endif
