/*
 * v1: what a session of the dialect natter.v1 has besides.
 *
 * It is in several rooms, each a struct place. Requests are rows of
 * command.def, done by command.c; this has what happens to a session: it is
 * welcomed, resumed, named, let in, disciplined. All on the session's worker.
 */
#ifndef NATTER_CHAT_V1_H
#define NATTER_CHAT_V1_H

#include "base/list.h"
#include "chat/request.h"
#include "chat/secret.h"
#include "chat/session.h"

struct place {
	struct membership membership; /* first */
	struct v1 *v1;
	struct place *next;
	struct payload *cid;          /* of the join, and later of the leave; or NULL */
	struct join_letter *more;     /* waits until the client has taken what it was sent */
	uint32_t number;              /* of the session's places, from 1; no other has it */
	uint32_t asked;               /* requests that the home has not answered */
	bool leaving;                 /* when it has */
};

struct v1 {
	struct session *session;
	struct place *places;
	struct payload *cid;       /* of the resume; or NULL */
	struct bucket past;        /* of what it asks for of the past */
	uint32_t n_places, last_number;
	uint32_t login_by;         /* ms, the low half; 0: it need not */
	bool begun;                /* a request was made */
	bool resuming;             /* its answer is on its way */
	bool replaced;             /* another connection has its session */
	bool asking, giving_up;    /* a change of name is the client's wish: its answer tells */
	unsigned char id[SECRET_ID_LEN];
	struct list_node node;     /* of those who have to log in */
};

/* NULL: no memory. */
struct v1 *v1_new(struct session *s, struct payload *room);
void v1_free(struct v1 *v, bool announced);

/* A text message from the client. */
void v1_text(struct v1 *v, const char *text, size_t len);

struct place *v1_place(const struct v1 *v, const struct payload *room); /* or NULL */

/* Asks for a place, as WISH says. -1: no memory. */
int v1_join(struct v1 *v, const struct hub_wish *wish, struct payload *cid);

/* Leaves when all that was asked in PLACE is answered, and says so. */
void v1_leave(struct place *p, struct payload *cid);

/* One of its requests is at the room's home; and answered. */
void v1_asked(struct place *p, struct request *q);
void v1_room_answered(struct session *s, struct request *q);

void v1_joined(struct v1 *v, struct membership *m, struct join_letter *l);
void v1_drained(struct v1 *v);
void v1_expiring(struct v1 *v, int64_t left);

/* Leaves the rooms that its new token does not allow, and tells it. */
void v1_keep_to_grant(struct v1 *v);

void v1_discipline(struct v1 *v, const struct payload *room, struct payload *text, bool out, bool muted);

/* V's session was OLD and is NOW (NULL: a guest): its rooms are told, and it, unless it asked for that. */
void v1_renamed(struct v1 *v, struct person *old, struct person *now);

/* Answers: with what Q brought; with ok and MORE; with an error. CID may be NULL. */
void v1_answer(struct session *s, struct request *q);
void v1_ok(struct session *s, const struct payload *cid, const char *more);
void v1_error(struct session *s, const struct payload *cid, enum reply why, const char *detail, uint32_t retry_after);

/* The keeper's answer to a resume: WHY is REPLY_COUNT, then V has ID and is P (taken, may be NULL). */
void v1_resumed(struct v1 *v, enum reply why, const unsigned char *id, struct person *p);

/* Another connection has the session now. */
void v1_replaced(struct v1 *v);

#endif
