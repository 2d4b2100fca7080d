#include <config.h>

#include "chat/cid_map.h"

#include "base/list.h"
#include "base/strmap.h"
#include "chat/journal.h"

#include <stdlib.h>
#include <string.h>

struct sender {
	struct list cids; /* oldest first */
	size_t len;
	char name[];
};

struct cid {
	struct list_node of_map, of_sender;
	struct sender *sender;
	struct cid_seen seen;
	uint64_t at; /* ms */
	size_t len;
	char key[]; /* the sender's length, the sender, the cid */
};

struct cid_map {
	uint64_t keep;
	struct strmap *senders, *cids;
	struct list order; /* of all cids, oldest first */
};

struct cid_map *cid_map_new(uint64_t keep)
{
	struct cid_map *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->keep = keep;
	list_init(&m->order);
	m->senders = strmap_new();
	m->cids = strmap_new();
	if (m->senders && m->cids)
		return m;
	cid_map_free(m);
	return NULL;
}

static void let_go(struct cid_map *m, struct cid *c)
{
	struct sender *s = c->sender;

	strmap_del(m->cids, c->key, c->len);
	list_remove(&m->order, &c->of_map);
	list_remove(&s->cids, &c->of_sender);
	free(c);
	if (list_empty(&s->cids)) {
		strmap_del(m->senders, s->name, s->len);
		free(s);
	}
}

static struct cid *oldest(struct cid_map *m)
{
	struct list_node *n = list_first(&m->order);

	return n ? list_entry(n, struct cid, of_map) : NULL;
}

void cid_map_free(struct cid_map *m)
{
	struct cid *c;

	if (m == NULL)
		return;
	while ((c = oldest(m)) != NULL)
		let_go(m, c);
	strmap_free(m->senders);
	strmap_free(m->cids);
	free(m);
}

static void forget_old(struct cid_map *m, uint64_t now)
{
	struct cid *c;

	while ((c = oldest(m)) != NULL && now - c->at >= m->keep)
		let_go(m, c);
}

/* A cid that is in no map yet. NULL: no memory. */
static struct cid *cid_new(const struct payload *sender, const struct payload *cid)
{
	size_t len = sizeof(sender->len) + sender->len + cid->len;
	struct cid *c = calloc(1, sizeof(*c) + len);

	if (c == NULL)
		return NULL;
	c->len = len;
	memcpy(c->key, &sender->len, sizeof(sender->len));
	memcpy(c->key + sizeof(sender->len), sender->data, sender->len);
	memcpy(c->key + sizeof(sender->len) + sender->len, cid->data, cid->len);
	return c;
}

const struct cid_seen *cid_map_find(struct cid_map *m, const struct payload *sender, const struct payload *cid,
				    uint64_t now)
{
	struct cid *key, *found;

	forget_old(m, now);
	if (strmap_count(m->cids) == 0 || (key = cid_new(sender, cid)) == NULL)
		return NULL;
	found = strmap_get(m->cids, key->key, key->len);
	free(key);
	return found ? &found->seen : NULL;
}

static struct sender *sender_get(struct cid_map *m, const struct payload *name)
{
	struct sender *s = strmap_get(m->senders, name->data, name->len);

	if (s)
		return s;
	s = calloc(1, sizeof(*s) + name->len);
	if (s == NULL)
		return NULL;
	list_init(&s->cids);
	s->len = name->len;
	memcpy(s->name, name->data, name->len);
	if (strmap_put(m->senders, s->name, s->len, s) == 0)
		return s;
	free(s);
	return NULL;
}

int cid_map_put(struct cid_map *m, const struct payload *sender, const struct payload *cid,
		const struct cid_seen *seen, uint64_t now)
{
	struct cid *c = cid_new(sender, cid);
	struct sender *s = c ? sender_get(m, sender) : NULL;

	if (s == NULL || strmap_put(m->cids, c->key, c->len, c) < 0) {
		if (s && list_empty(&s->cids)) {
			strmap_del(m->senders, s->name, s->len);
			free(s);
		}
		free(c);
		return -1;
	}
	c->sender = s;
	c->seen = *seen;
	c->at = now;
	list_append(&m->order, &c->of_map);
	list_append(&s->cids, &c->of_sender);
	if (s->cids.count > JOURNAL_CIDS_MAX)
		let_go(m, list_entry(list_first(&s->cids), struct cid, of_sender));
	return 0;
}
