/*
 * directory: which sessions are on this worker, by serial and by who is logged in.
 *
 * Letters name a session by its serial, for it may be gone when they come;
 * what is for a person goes to the holder of a name (see person.h): a guest's
 * session, or all sessions of a user. One a hub, on its thread. What a user
 * may say is counted for all sessions together, also those of other hubs, in a
 * book that the hubs share.
 */
#ifndef NATTER_CHAT_DIRECTORY_H
#define NATTER_CHAT_DIRECTORY_H

#include "base/shared.h"

#include <stddef.h>
#include <stdint.h>

struct book;
struct directory;
struct session;

/* USERS: see directory_users(), or NULL. NULL: no memory. */
struct directory *directory_new(unsigned worker, struct book *users);
void directory_free(struct directory *d);         /* nobody is in it; NULL is fine */

/* By its serial, which does not change meanwhile. 0, or -1: no memory. */
int directory_add(struct directory *d, struct session *s);
void directory_remove(struct directory *d, const struct session *s);
struct session *directory_get(const struct directory *d, uint32_t serial); /* NULL: not here */

/* Under a user's holder as well. 0, or -1: no memory. */
int directory_login(struct directory *d, uint64_t holder, struct session *s);
void directory_logout(struct directory *d, uint64_t holder, struct session *s);

/* The bucket of a user who is logged in here; NULL: there is none. */
struct shared_bucket *directory_bucket(const struct directory *d, uint64_t holder);

/* The book for all directories. NULL: no memory. */
struct book *directory_users(void);

/* How many sessions of a holder are here; *all are these, of which a single one lies in *one. Until the directory changes. */
size_t directory_find(const struct directory *d, uint64_t holder, struct session **one, struct session ***all);

#endif
