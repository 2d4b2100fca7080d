/*
 * keeper: sessions that outlive their connections.
 *
 * Every natter.v1 session has an id, which its client knows as a secret (see
 * secret.h) and by which its messages are its own. When its connection ends,
 * id and name are kept for session_keep; a connection that presents the secret
 * gets them, also from a connection that still has them and is closed. An id
 * tells for whom it was drawn, the process-wide map `sessions` who has it since;
 * the keepers of the two workers speak by letter. Names are noted at the journal too, so that they are
 * held over a restart. One a hub, on its thread.
 */
#ifndef NATTER_CHAT_KEEPER_H
#define NATTER_CHAT_KEEPER_H

#include "chat/reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hub;
struct keeper;
struct payload;
struct person;
struct session;

/* Sessions without a connection, of a worker; the one that is kept longest gives way. */
#define KEEPER_MAX 10000

struct keeper *keeper_new(struct hub *h); /* NULL: no memory */
void keeper_free(struct keeper *k);       /* NULL is fine */

/* Draws an id for S. false: there are no random numbers. */
bool keeper_open(struct session *s);

/* S's connection is over: its id, and its name if it has one, are kept for a while. */
void keeper_close(struct keeper *k, struct session *s);

/*
 * S asks, with CID (may be NULL), for the session of SECRET. REPLY_COUNT: it is asked for, or there already:
 * v1_resumed() is called, perhaps from here; else why not.
 */
enum reply keeper_resume(struct keeper *k, struct session *s, const char *secret, size_t len, struct payload *cid);

/* Somebody's name is taken from whom this keeper keeps; whether there was one of that serial. */
bool keeper_take_name(struct keeper *k, uint32_t serial);

/* A guest's name (P may be NULL, or no guest) is the session's of that id now, or not any more. */
void keeper_note_name(struct keeper *k, const unsigned char *id, const struct person *p);
void keeper_forget_name(struct keeper *k, const struct person *p);

/* The same for P's name, whoever P is, and then anybody may have it. Takes P, which may be NULL. */
void keeper_drop_name(struct keeper *k, struct person *p);

/* At the daemon's start, on one hub: names of before are held for those who come back; and whether that is done. */
void keeper_restore(struct keeper *k);
bool keeper_is_restored(const struct keeper *k);

/* Once a second. */
void keeper_tick(struct keeper *k);

#endif
