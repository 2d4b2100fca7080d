/*
 * journal: what the chat asks of a store, and how the store answers.
 *
 * A journal keeps the order and the past of rooms. All of it is asynchronous:
 * a request returns at once, and its answer is a letter to the mailbox of the
 * asking thread's port, so every callback runs on that thread and never from
 * within a request (but for JOURNAL_NO_MEMORY: there is no letter to send
 * then). Delivery and acknowledgement of a message happen only from its
 * ordered event.
 *
 * (room, epoch, seq) that anybody saw is never used again: seq rises by 1
 * within an epoch, and a journal that cannot prove where it stood begins a new
 * epoch. So does a room that was forgotten: one without members of which no
 * message, cid or state is left.
 *
 * A sender is an opaque byte string that names who says something, and has to
 * outlive a restart where its cids are to: a user's id, else a session's id
 * (never a number that a start counts from 1 again). A journal only compares it.
 *
 * A message's body is what message_encode() makes: an open JSON object, to
 * which the home adds room, seq and time on the way out. A journal stores and
 * gives back these bytes as they are.
 *
 * Besides messages it keeps state: small values under opaque keys, such as
 * bans, topics and read markers, which may expire.
 */
#ifndef NATTER_CHAT_JOURNAL_H
#define NATTER_CHAT_JOURNAL_H

#include "base/mailbox.h"
#include "base/payload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define JOURNAL_EPOCH_MAX 32  /* bytes of an epoch with its NUL */
#define JOURNAL_CIDS_MAX 1000 /* that are kept of a sender in a room */

/*
 * A thread's door to a journal: where answers go, and what was asked in this turn of its loop. That is sent together at
 * the end of the turn, for who stores it to do it in one go. The thread's own; it outlives the subscriptions made
 * through it, and goes after a last send().
 */
struct journal_port {
	struct mailbox *to;
	void (*send_soon)(void *arg); /* the journal's send() is due at the end of this turn; NULL: all goes at once */
	void *arg;
	struct letter_batch out;      /* the journal's; zeroed at first */
};

enum journal_status {
	JOURNAL_OK,
	JOURNAL_UNAVAILABLE, /* the store can not do it now; nothing has happened */
	JOURNAL_NO_MEMORY,
	JOURNAL_CID_REUSED,  /* the sender said something else under this cid */
	JOURNAL_NO_MESSAGE,  /* there is none, or none any more, that could be amended or erased */
};

enum journal_kind { JOURNAL_MESSAGE, JOURNAL_AMENDMENT, JOURNAL_ERASURE };

/* A message, or what became of one, in its place. */
struct journal_message {
	uint64_t seq;           /* from 1; amendments and erasures take one as well */
	int64_t time;           /* ms since 1970; never falls within a room */
	enum journal_kind kind;
	uint64_t target;        /* of an amendment or erasure: the message's seq */
	uint64_t changed;       /* of a message in a page: the seq of what last amended or erased it; 0: nothing */
	struct payload *sender; /* as given; NULL: none was */
	struct payload *body;   /* NULL: erased; of an amendment also: overtaken by a later one */
	void *tag;              /* as given; NULL for what another home appended, and in pages */
};

/* What is to be appended. All is ref'd. */
struct journal_entry {
	struct payload *body;
	struct payload *sender;  /* may be NULL without a cid */
	struct payload *cid;     /* NULL: none */
	struct payload *content; /* what has to be the same in a repeat under the same cid; NULL: the body */
};

/* What a room's home is told. All on the home's thread. */
struct journal_listener {
	/* Where the room stands, before any message. SEQ: the last one given, 0 in an empty room. */
	void (*subscribed)(void *home, const char *epoch, uint64_t seq);
	/* The next message in order; the bytes of *m are the journal's, payloads may be ref'd. */
	void (*message)(void *home, const struct journal_message *m);
	/* An append repeated what has its place already, SEQ: nothing is sent again. */
	void (*duplicate)(void *home, void *tag, uint64_t seq, int64_t time);
	/* A request that came to nothing, and used up no seq. TAG is the one given with it. */
	void (*refused)(void *home, void *tag, enum journal_status why);
	/* The answer to a read: N messages in order; MORE: there are others beyond. */
	void (*page)(void *home, void *tag, enum journal_status status, const struct journal_message *m, size_t n,
		     bool more);
	/* The past before SEQ may differ from what was told: as after a new subscription. */
	void (*epoch_changed)(void *home, const char *epoch, uint64_t seq);
	/*
	 * From now on appends are refused, until `available`. It may come instead of `subscribed`
	 * where the store cannot even be read; then that one follows when it can.
	 */
	void (*unavailable)(void *home);
	void (*available)(void *home);
};

/*
 * A request about state, and its answer: one letter there and back. SCOPE is
 * whose it is ("room:" and a room's name, "read:" and a user's), KEY which;
 * both opaque bytes, at most 1 KB each. A room is not forgotten while it has
 * state, or its name is the key of any: somebody's mark in it.
 * The journal takes the letter and posts it to the port's mailbox with
 * `answered` as its open function, which owns it again and frees it with
 * journal_state_clear(). What is asked through one port takes effect in that
 * order; reads of pages wait for nothing.
 */
enum journal_verb { JOURNAL_GET, JOURNAL_PUT, JOURNAL_DELETE, JOURNAL_LIST };

struct journal_value {
	struct payload *key, *value;
	uint64_t keep; /* ms until it expires; 0: it does not */
};

struct journal_state {
	struct letter letter;
	void (*answered)(struct letter *letter, void *reader);
	struct mailbox *to;          /* the journal's */
	enum journal_verb verb;
	struct payload *scope, *key; /* of a LIST: what the keys begin with, NULL for all */
	struct payload *value;       /* of a PUT */
	uint64_t keep;               /* of a PUT: ms until it expires; 0: never */

	enum journal_status status;  /* the answer: OK also where there is nothing to get or delete */
	struct journal_value *found; /* of GET (one or none) and LIST (by key); malloc'ed */
	size_t n;
};

/* Releases all that *S holds, not the letter itself. */
static inline void journal_state_clear(struct journal_state *s)
{
	for (size_t i = 0; i < s->n; i++) {
		payload_unref(s->found[i].key);
		payload_unref(s->found[i].value);
	}
	free(s->found);
	payload_unref(s->scope);
	payload_unref(s->key);
	payload_unref(s->value);
}

struct journal;
struct journal_room;

struct journal_ops {
	/*
	 * HOME is told of all that happens in ROOM from now on, by letters to
	 * PORT's mailbox. NULL: no memory. NAME is ref'd.
	 */
	struct journal_room *(*subscribe)(struct journal *j, struct payload *name, struct journal_port *port,
					  const struct journal_listener *listener, void *home);
	/* After this HOME hears nothing any more. Call it on the home's thread. */
	void (*unsubscribe)(struct journal_room *r);
	/* Gives an entry its place. Answered by `message`, `duplicate` or `refused` with TAG. */
	void (*append)(struct journal_room *r, const struct journal_entry *e, void *tag);
	/*
	 * Gives the message TARGET another body (ref'd), or none: the old one is erased from the store.
	 * Who may is the caller's to know. SENDER (ref'd, or NULL) is who does it. Answered as append is.
	 */
	void (*amend)(struct journal_room *r, uint64_t target, struct payload *sender, struct payload *body, void *tag);
	void (*erase)(struct journal_room *r, uint64_t target, struct payload *sender, void *tag);
	/* Up to LIMIT messages with a seq below BEFORE (0: the last ones), answered by `page` with TAG. */
	void (*read_before)(struct journal_room *r, uint64_t before, size_t limit, void *tag);
	/* The same, the first ones with a seq above AFTER. */
	void (*read_after)(struct journal_room *r, uint64_t after, size_t limit, void *tag);
	/* Takes S; see there. */
	void (*state)(struct journal *j, struct journal_port *port, struct journal_state *s);
	/* Sends off what was asked through PORT; also after the last unsubscribe. Whether there was anything. */
	bool (*send)(struct journal *j, struct journal_port *port);
	/* Nobody is subscribed any more. Letters may be left in the homes' mailboxes: they need no journal. */
	void (*free)(struct journal *j);
};

struct journal {
	const struct journal_ops *ops;
};

#endif
