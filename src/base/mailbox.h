/*
 * mailbox: many writers, one reader, one wake-up: the door between threads.
 *
 * A letter is the first member of whatever is sent; its `open` function runs
 * on the reader's thread, once, and owns the letter from then on (it frees
 * it). Letters of one writer are opened in the order in which they were
 * posted; all letters have one order. Posting never blocks and never fails.
 *
 * The mailbox knows no event loop: `wake` is called by the writer that finds
 * the reader not yet told, on the writer's thread, and has to make the
 * reader's loop call mailbox_open() soon.
 */
#ifndef NATTER_BASE_MAILBOX_H
#define NATTER_BASE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

struct letter {
	struct letter *next;                                /* the mailbox's */
	void (*open)(struct letter *letter, void *reader);  /* on the reader's thread; owns the letter */
};

struct mailbox;

/* WAKE(wake_arg) as above; READER is handed to every letter's open. NULL: no memory. */
struct mailbox *mailbox_new(void (*wake)(void *wake_arg), void *wake_arg, void *reader);

/* Another reader, before the first letter is posted: for those who need the mailbox to come into being. */
void mailbox_set_reader(struct mailbox *m, void *reader);

/* Letters that were never opened are opened first. No writer may be left. */
void mailbox_free(struct mailbox *m);

/* Takes LETTER. Any thread. */
void mailbox_post(struct mailbox *m, struct letter *letter);

/*
 * Letters that are collected to be posted in one go: one writer's, for one
 * mailbox. Zeroed: empty.
 */
struct letter_batch {
	struct letter *newest, *oldest;
	size_t n;
};

/* Takes LETTER. Whether it is the first one. */
bool letter_batch_add(struct letter_batch *b, struct letter *letter);

/* Posts all that B holds, in the order of adding, and wakes the reader once if at all. B is empty then. Any thread. */
void mailbox_post_batch(struct mailbox *m, struct letter_batch *b);

/* About how many letters lie there that the reader has not come to. Any thread. */
size_t mailbox_waiting(const struct mailbox *m);

/*
 * Opens what lies in the box, and what is posted meanwhile, up to MAX letters;
 * returns how many. When letters are left over, wake is called again, so none
 * is forgotten. Reader's thread only.
 */
size_t mailbox_open(struct mailbox *m, size_t max);

#endif
