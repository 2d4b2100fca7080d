/*
 * desk: a thread that sleeps until there are letters for it.
 *
 * For work that may block (a disk): the thread has a mailbox, and opens it
 * itself when it likes, so that it can take many letters for one go.
 */
#ifndef NATTER_STORE_DESK_H
#define NATTER_STORE_DESK_H

#include "base/mailbox.h"

#include <stdbool.h>
#include <stdint.h>

struct desk;

/* READER is what the letters' open is given. NULL: no memory. The thread is not there yet. */
struct desk *desk_new(void *reader);

/* Starts the thread, which runs WORK(arg) once, with all signals blocked. 0, or -1. */
int desk_start(struct desk *d, void (*work)(void *arg), void *arg);

struct mailbox *desk_mailbox(struct desk *d);

/*
 * Sleeps until there is a letter, or for MS milliseconds. false: the desk is
 * to close; letters may be left. Only the thread itself.
 */
bool desk_wait(struct desk *d, uint64_t ms);

/* Whether it is to close. Any thread. */
bool desk_is_closing(struct desk *d);

/* Has the work end, and waits for that. NULL is fine. */
void desk_close(struct desk *d);

/* Opens letters that are left. Nobody may post any more. NULL is fine. */
void desk_free(struct desk *d);

#endif
