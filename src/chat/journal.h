/*
 * journal: what the chat asks of a store, and how the store answers.
 *
 * A journal keeps the order and the past of rooms. All of it is asynchronous:
 * a request returns at once, and its answer is a letter to the mailbox that
 * the room's home gave when it subscribed, so every callback runs on the
 * home's thread and never from within a request (but for JOURNAL_NO_MEMORY:
 * there is no letter to send then). Delivery and acknowledgement of a message
 * happen only from its ordered event.
 *
 * (room, epoch, seq) that anybody saw is never used again: seq rises by 1
 * within an epoch, and a journal that cannot prove where it stood begins a new
 * epoch.
 *
 * A message's body is what message_encode() makes: an open JSON object, to
 * which the home adds room, seq and time on the way out. A journal stores and
 * gives back these bytes as they are.
 */
#ifndef NATTER_CHAT_JOURNAL_H
#define NATTER_CHAT_JOURNAL_H

#include "base/mailbox.h"
#include "base/payload.h"

#include <stddef.h>
#include <stdint.h>

#define JOURNAL_EPOCH_MAX 32 /* bytes of an epoch with its NUL */

/* A message in its place. */
struct journal_message {
	uint64_t seq;          /* from 1 */
	int64_t time;          /* ms since 1970; never falls within a room */
	uint64_t sender;       /* as given with append */
	void *tag;             /* likewise; NULL for what another home appended, and in pages */
	struct payload *body;
};

enum journal_status { JOURNAL_OK, JOURNAL_UNAVAILABLE, JOURNAL_NO_MEMORY };

/* What a room's home is told. All on the home's thread. */
struct journal_listener {
	/* First of all: where the room stands. SEQ: the last one given, 0 in an empty room. */
	void (*subscribed)(void *home, const char *epoch, uint64_t seq);
	/* The next message in order; the bytes of *m are the journal's, BODY may be ref'd. */
	void (*message)(void *home, const struct journal_message *m);
	/* An append that came to nothing. TAG is the one given with it. */
	void (*refused)(void *home, void *tag, enum journal_status why);
	/* The answer to a read: N messages in order; MORE: there are others beyond. */
	void (*page)(void *home, void *tag, enum journal_status status, const struct journal_message *m, size_t n,
		     bool more);
};

struct journal;
struct journal_room;

struct journal_ops {
	/*
	 * HOME is told of all that happens in ROOM from now on, by letters to
	 * TO. NULL: no memory. NAME is ref'd.
	 */
	struct journal_room *(*subscribe)(struct journal *j, struct payload *name, struct mailbox *to,
					  const struct journal_listener *listener, void *home);
	/* After this HOME hears nothing any more. Call it on the home's thread. */
	void (*unsubscribe)(struct journal_room *r);
	/* Gives BODY (ref'd) its place. Answered by `message`, or by `refused` with TAG. */
	void (*append)(struct journal_room *r, struct payload *body, uint64_t sender, void *tag);
	/* Up to LIMIT messages with a seq below BEFORE (0: the last ones), answered by `page` with TAG. */
	void (*read_before)(struct journal_room *r, uint64_t before, size_t limit, void *tag);
	/* Nobody is subscribed any more. */
	void (*free)(struct journal *j);
};

struct journal {
	const struct journal_ops *ops;
};

#endif
