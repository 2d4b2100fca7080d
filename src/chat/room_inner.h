/*
 * room_inner: a room's own fields, for the files that are the room.
 */
#ifndef NATTER_CHAT_ROOM_INNER_H
#define NATTER_CHAT_ROOM_INNER_H

#include "chat/members.h"
#include "chat/room.h"
#include "chat/sanctions.h"

/* What is not stored, behind messages that are still being stored. */
struct relay {
	struct relay *next;
	struct payload *text;
	unsigned dialects;
	uint64_t after; /* so many appends have to be settled first */
};

/* What was delivered while somebody's page was being read. */
struct recent {
	struct recent *next;
	uint64_t seq;
	struct payload *plain, *v1; /* as each dialect gets it; or NULL */
};

struct room {
	const struct room_opts *opts;
	struct payload *name;
	struct payload *where;            /* ,"room":"lobby" or ,"between":["7","9"] */
	struct payload *users[2];         /* of a conversation; else NULL */
	struct journal_room *journal;
	bool subscribed, answered, known; /* the journal has said where it stands; that, or that it cannot; its state */
	bool remembered;                  /* and that state could be read */
	char epoch[JOURNAL_EPOCH_MAX];
	uint64_t seq;                     /* last one delivered */
	struct list waiting;              /* errands: for both */
	struct list storing;              /* errands at the journal, to be stored, */
	struct list reading;              /* or to be read */
	struct recent *recents, **recents_tail; /* as long as there are any of the latter */
	size_t pending;                   /* letters to the journal about state that hold an errand */
	uint64_t appended, settled;       /* our appends, and how many of them the journal has answered */
	struct relay *relays, **relays_tail;
	struct members members;
	struct sanctions sanctions;
	struct payload *topic;            /* ,"topic":"…"; or NULL */
	struct strmap *marks;             /* uint64_t *, by user: read markers */
	uint32_t came, went;              /* not told yet */
	bool count_changed;               /* likewise, by natter.v1 */
	uint32_t seats, v1_seats;         /* connections */
	uint64_t empty_since;
	uint32_t by_worker[];
};

static inline const struct journal_ops *room_journal(const struct room *r) { return r->opts->hub->journal->ops; }

/* TEXT (ref'd) for all, behind what was said before. */
void room_tell(struct room *r, struct payload *text, unsigned dialects);

/* Takes Q, answered. */
void room_answer(struct room *r, struct request *q);
void room_refuse(struct room *r, struct request *q, enum reply why);

/* How somebody's coming or going is told: LINE (may be NULL) to plain clients, EVENT to natter.v1's; or it is added to *SUM. */
void room_announce(struct room *r, struct payload *line, uint32_t *sum, const char *event, const struct person *p);

/* Runs E, at once or when the room is ready. */
void room_run(struct room *r, struct errand *e);

/* For who is being told the past: what was said meanwhile, and what of it was erased. */
void room_note_recent(struct room *r, uint64_t seq, struct payload *plain, struct payload *v1);
void room_erase_recent(struct room *r, const struct journal_message *erasure);
void room_drop_recents(struct room *r);

/* The plain dialect has no words for what became of a message; its history shows it. */
static inline bool room_is_plain(const struct journal_message *m) { return m->kind == JOURNAL_MESSAGE && m->body; }

/*
 * How many of the N messages at M, from the first or else from the last one
 * on, are sent at a time: as many as ROOM_PAGE_BYTES allow, one at least.
 */
#define ROOM_PAGE_BYTES (256 * 1024)
size_t room_page_size(const struct journal_message *m, size_t n, bool first);

/* Whether Q is refused, because who asks is muted. */
bool room_refuse_muted(struct room *r, struct request *q);

/* Q is at the journal; until room_settle(). */
void room_store(struct room *r, struct request *q);

/* What a journal's message is for natter.v1. NULL: no memory. */
struct payload *room_render(const struct room *r, const struct journal_message *m);

/* Whether a request about the state under SCOPE is posted; the room waits for it if E, which `answered` hands back. */
struct state_letter {
	struct journal_state state; /* first */
	struct payload *room;
	struct errand *errand;      /* NULL: nobody waits */
	void (*done)(struct room *r, struct errand *e, const struct journal_state *s);
};

bool room_state(struct room *r, enum journal_verb verb, const char *scope, const char *of, const char *key,
		struct payload *value, uint64_t keep, struct errand *e,
		void (*done)(struct room *r, struct errand *e, const struct journal_state *s));

/* Q is answered when the journal has what it changes of the state; THEN comes first. See room_state(). */
void room_keep(struct room *r, struct request *q, enum journal_verb verb, const char *scope, const char *of,
	       const char *key, struct payload *value, uint64_t keep, void (*then)(struct room *r, struct request *q));

/* The ms that USER's or else ADDRESS's sanction lasts, see sanctions_last(). */
uint64_t room_sanctioned(struct room *r, enum sanction what, const struct person *p, const struct payload *address);

/* Both users' lists of conversations have M, the last word. */
void room_conversed(struct room *r, const struct journal_message *m);

/* A read marker is known now. */
void room_mark(struct room *r, const char *user, uint64_t seq);

/* The state that a room begins with: topic, bans, mutes. */
void room_remember(struct room *r, const struct journal_state *s);

#endif
