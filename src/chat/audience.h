/*
 * audience: a room's members on one worker, as something to speak to.
 *
 * chat owns the type, net's fan-out implements it (joined in daemon/front).
 * What is published goes to all members of that moment; what a sink is sent
 * alone keeps its order with it.
 */
#ifndef NATTER_CHAT_AUDIENCE_H
#define NATTER_CHAT_AUDIENCE_H

#include "base/payload.h"
#include "chat/sink.h"

/* Which dialects' members a payload is for. */
enum dialect { DIALECT_PLAIN = 1, DIALECT_V1 = 2, DIALECT_ALL = 3 };

/* One sink's place in one audience: room for the implementer, kept by the membership. */
struct seat {
	void *place[2];
	uint32_t number;
	bool taken; /* the membership's: whether it was added, */
	bool muted; /* whether its room's home may refuse what it says, */
	bool v1;    /* and whether it is a struct place of natter.v1 */
};

struct audience;

struct audience_ops {
	/* 0, or -1: no memory. SEAT stays where it is until remove. */
	int (*add)(struct audience *a, struct seat *seat, struct sink *sink, enum dialect dialect);
	void (*remove)(struct audience *a, struct seat *seat);
	/* One text message to every member that speaks one of DIALECTS. */
	void (*publish)(struct audience *a, struct payload *text, unsigned dialects);
	/* No member is left. */
	void (*free)(struct audience *a);
};

struct audience {
	const struct audience_ops *ops;
};

#endif
