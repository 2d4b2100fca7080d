/*
 * v1: what a session of the dialect natter.v1 has besides.
 *
 * It is in several rooms, each a struct place. Requests are rows of
 * command.def, done by command.c; this has what happens to a session: it is
 * welcomed, resumed, named, let in, disciplined. All on the session's worker.
 */
#ifndef NATTER_CHAT_V1_H
#define NATTER_CHAT_V1_H

#include "chat/request.h"
#include "chat/session.h"

/* As small as can be, for every client has one. */
struct place {
	struct membership membership; /* first */
	struct place *next;
	struct payload *cid;          /* of the leave; or NULL */
	uint32_t number;              /* no other place of the worker's has it */
	uint32_t asked : 31;          /* requests that the home has not answered */
	bool leaving : 1;             /* when it has */
};

/* S speaks natter.v1 and is welcome; ROOM is only told. 0, or -1: no memory. */
int v1_begin(struct session *s, struct payload *room);
void v1_clear(struct session *s, bool announced);

/* A text message from the client. */
void v1_text(struct session *s, const char *text, size_t len);

struct place *v1_place(const struct session *s, const struct payload *room); /* or NULL */
size_t v1_places(const struct session *s);

/* Asks for a place, as WISH says. -1: no memory. */
int v1_join(struct session *s, const struct hub_wish *wish);

/* Leaves when all that was asked in PLACE is answered, and says so. */
void v1_leave(struct session *s, struct place *p, struct payload *cid);

/* One of its requests is at the room's home; and answered. */
void v1_asked(struct place *p, struct request *q);
void v1_room_answered(struct session *s, struct request *q);

void v1_joined(struct session *s, struct membership *m, struct join_letter *l);
void v1_drained(struct session *s);
void v1_expiring(struct session *s, int64_t left);

/* Leaves the rooms that its new token does not allow, and tells it. */
void v1_keep_to_grant(struct session *s);

void v1_discipline(struct session *s, const struct payload *room, struct payload *text, bool out, bool muted);

/* S was OLD and is NOW (NULL: a guest): its rooms are told, and it, unless it asked for that. */
void v1_renamed(struct session *s, struct person *old, struct person *now);

/* Answers: with what Q brought; with ok and MORE; with an error. CID may be NULL. */
void v1_answer(struct session *s, struct request *q);
void v1_ok(struct session *s, const struct payload *cid, const char *more);
void v1_error(struct session *s, const struct payload *cid, enum reply why, const char *detail, uint32_t retry_after);

/* The keeper's answer to the resume of that CID: WHY is REPLY_COUNT, then S has ID and is P (taken, may be NULL). */
void v1_resumed(struct session *s, enum reply why, const unsigned char *id, struct person *p, const struct payload *cid);

/* Another connection has the session now. */
void v1_replaced(struct session *s);

#endif
