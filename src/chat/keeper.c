#include <config.h>

#include "chat/keeper.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/strmap.h"
#include "chat/hub.h"
#include "chat/v1.h"

#include <stdlib.h>
#include <string.h>

/* A session that is on its way between two keepers is looked for so often. */
#define TRIES_MAX 1000

struct kept {
	struct list_node node;
	unsigned char id[SECRET_ID_LEN];
	uint32_t serial;
	uint64_t until; /* ms */
	struct person *person; /* NULL: it has no name */
};

struct keeper {
	struct hub *hub;
	struct journal_port port; /* of names, see ask() */
	struct strmap *kept;  /* by serial */
	struct list in_order; /* of their ends */
	uint64_t started;
	bool restoring;
};

static struct shared_map *sessions_of(const struct keeper *k) { return hub_options(k->hub)->sessions; }
static struct shared_map *names_of(const struct keeper *k) { return hub_options(k->hub)->names; }
static uint64_t number(const struct keeper *k, uint32_t serial) { return hub_id(k->hub, serial); }

/* ---- whose an id is ---- */

/*
 * An id's first half is the number of the session for which it was drawn,
 * hidden by the other half, which is random, and this process's seed. So only
 * ids that went on to another session have to be in the map.
 */
#define HALF (SECRET_ID_LEN / 2)

static uint64_t veil(const unsigned char *id) { return strmap_hash((const char *)id + HALF, SECRET_ID_LEN - HALF); }

static bool draw_id(unsigned char *id, uint64_t number)
{
	if (!secret_draw_id(id))
		return false;
	number ^= veil(id);
	memcpy(id, &number, HALF);
	return true;
}

/* The number of who has ID, or had it last; 0: it is from before this start. */
static uint64_t holder_of(const struct keeper *k, const unsigned char *id)
{
	uint64_t number = shared_map_holder(sessions_of(k), (const char *)id, SECRET_ID_LEN);

	if (number)
		return number;
	memcpy(&number, id, HALF);
	number ^= veil(id);
	return number >> 32 && number >> 32 <= hub_options(k->hub)->n ? number : 0;
}

/* ID, which FROM had, is TO's. */
static void move_id(const struct keeper *k, const unsigned char *id, uint64_t from, uint64_t to)
{
	if (!shared_map_move(sessions_of(k), (const char *)id, SECRET_ID_LEN, from, to))
		shared_map_claim(sessions_of(k), (const char *)id, SECRET_ID_LEN, to);
}

struct keeper *keeper_new(struct hub *h)
{
	struct keeper *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->hub = h;
	k->port.to = hub_options(h)->mailboxes[hub_options(h)->self];
	k->kept = strmap_new();
	k->started = clock_ms();
	list_init(&k->in_order);
	if (k->kept)
		return k;
	free(k);
	return NULL;
}

/* Takes X out; it is the caller's. */
static struct kept *take(struct keeper *k, struct kept *x)
{
	list_remove(&k->in_order, &x->node);
	strmap_del(k->kept, (const char *)&x->serial, sizeof(x->serial));
	return x;
}

/* ---- names at the journal ---- */

static void noted(struct letter *letter, void *reader)
{
	(void)reader;
	journal_state_clear((struct journal_state *)letter);
	free(letter);
}

/*
 * At once, not at the end of this turn: a name that is free can be claimed at another worker, whose note has to come
 * behind ours. So it is forgotten first and let go then.
 */
static void ask(struct keeper *k, struct journal_state *s)
{
	struct journal *j = hub_options(k->hub)->journal;

	j->ops->state(j, &k->port, s);
}

/* KEY's holder is noted: the id and the name; NULL: nobody. */
static void note(struct keeper *k, const char *key, const unsigned char *id, const char *name)
{
	struct journal_state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return;
	s->answered = noted;
	s->verb = id ? JOURNAL_PUT : JOURNAL_DELETE;
	s->scope = payload_new("names", 5);
	s->key = payload_new(key, strlen(key));
	if (id) {
		s->value = payload_new(NULL, SECRET_ID_LEN + strlen(name));
		if (s->value) {
			memcpy(s->value->data, id, SECRET_ID_LEN);
			memcpy(s->value->data + SECRET_ID_LEN, name, strlen(name));
		}
	}
	if (s->scope && s->key && (s->value || id == NULL))
		ask(k, s);
	else
		noted(&s->letter, NULL);
}

static bool is_guest(const struct person *p) { return person_user(p) == NULL && person_key(p); }

void keeper_note_name(struct keeper *k, const unsigned char *id, const struct person *p)
{
	if (is_guest(p) && hub_options(k->hub)->key_kept)
		note(k, person_key(p), id, person_name(p));
}

void keeper_forget_name(struct keeper *k, const struct person *p)
{
	if (is_guest(p) && hub_options(k->hub)->key_kept)
		note(k, person_key(p), NULL, NULL);
}

void keeper_drop_name(struct keeper *k, struct person *p)
{
	keeper_forget_name(k, p);
	if (person_key(p))
		shared_map_release(names_of(k), person_key(p), strlen(person_key(p)), p->holder);
	person_unref(p);
}

/* ---- keeping ---- */

/* X is over: nobody came back. */
static void forget(struct keeper *k, struct kept *x)
{
	shared_map_release(sessions_of(k), (const char *)x->id, SECRET_ID_LEN, number(k, x->serial));
	keeper_drop_name(k, x->person);
	free(x);
}

/* Keeps ID and PERSON (taken) for a while, under SERIAL, which has both. */
static void keep(struct keeper *k, const unsigned char *id, uint32_t serial, struct person *person)
{
	struct kept *x = calloc(1, sizeof(*x));
	struct list_node *oldest;

	if (x == NULL || strmap_put(k->kept, (const char *)&serial, sizeof(serial), x) < 0) {
		free(x);
		shared_map_release(sessions_of(k), (const char *)id, SECRET_ID_LEN, number(k, serial));
		keeper_drop_name(k, person);
		return;
	}
	memcpy(x->id, id, SECRET_ID_LEN);
	x->serial = serial;
	x->person = person;
	x->until = clock_ms() + hub_rules(k->hub)->session_keep;
	list_append(&k->in_order, &x->node);
	oldest = list_first(&k->in_order);
	if (k->in_order.count > KEEPER_MAX)
		forget(k, take(k, list_entry(oldest, struct kept, node)));
}

void keeper_tick(struct keeper *k)
{
	uint64_t now = clock_ms();
	struct list_node *n;

	while ((n = list_first(&k->in_order)) != NULL && list_entry(n, struct kept, node)->until <= now)
		forget(k, take(k, list_entry(n, struct kept, node)));
}

void keeper_free(struct keeper *k)
{
	struct list_node *n;

	if (k == NULL)
		return;
	while ((n = list_first(&k->in_order)) != NULL) {
		struct kept *x = take(k, list_entry(n, struct kept, node));

		person_unref(x->person); /* the next start holds the names */
		free(x);
	}
	strmap_free(k->kept);
	free(k);
}

bool keeper_open(struct session *s) { return draw_id(s->v1.id, session_id(s)); }

/* S's own id is not needed any more. */
static void release_id(struct keeper *k, const struct session *s)
{
	shared_map_release(sessions_of(k), (const char *)s->v1.id, SECRET_ID_LEN, session_id(s));
}

void keeper_close(struct keeper *k, struct session *s)
{
	if (s->resuming) { /* the one that it asked for comes, and is kept then */
		release_id(k, s);
		keeper_drop_name(k, person_ref(s->person));
	} else if (!s->replaced) {
		keep(k, s->v1.id, s->serial, person_ref(s->person));
	}
}

bool keeper_take_name(struct keeper *k, uint32_t serial)
{
	struct kept *x = strmap_get(k->kept, (const char *)&serial, sizeof(serial));

	if (x == NULL || x->person == NULL)
		return false;
	keeper_forget_name(k, x->person);
	person_unref(x->person);
	x->person = NULL;
	return true;
}

/* ---- resuming ---- */

struct resume_letter {
	struct letter letter;
	unsigned char id[SECRET_ID_LEN];
	uint64_t from, to; /* who has it; and who asks */
	unsigned worker;
	uint32_t serial;   /* of who asks */
	unsigned tries;
	bool granted;
	struct person *person;
	struct payload *cid;
};

/* ID, which nobody has, is S's where it can be from before this start, which forgot all that had no name. */
static bool adopt(struct keeper *k, const struct session *s, const unsigned char *id)
{
	const struct hub_opts *o = hub_options(k->hub);

	if (!o->key_kept || clock_ms() - k->started > o->rules.session_keep ||
	    shared_map_claim(sessions_of(k), (const char *)id, SECRET_ID_LEN, session_id(s)) != 0)
		return false;
	release_id(k, s);
	return true;
}

/* The session is here, or with whom its id is now. */
static void open_granted(struct letter *letter, void *reader)
{
	struct resume_letter *l = (struct resume_letter *)letter;
	struct keeper *k = hub_keeper(reader);
	struct session *s = hub_session(reader, l->serial);

	if (s && s->is_v1 && l->granted) {
		release_id(k, s);
		v1_resumed(s, REPLY_COUNT, l->id, l->person, l->cid);
	} else if (s && s->is_v1) {
		v1_resumed(s, adopt(k, s, l->id) ? REPLY_COUNT : REPLY_session_unknown, l->id, NULL, l->cid);
	} else if (l->granted) {
		keep(k, l->id, l->serial, l->person);
	}
	payload_unref(l->cid);
	free(l);
}

/* FROM's name is TO's: a guest's name changes hands, a user's does not. */
static struct person *hand_over(struct keeper *k, struct person *p, uint64_t to)
{
	const char *key = person_key(p);
	struct person *now;

	if (key == NULL || person_user(p) || !shared_map_move(names_of(k), key, strlen(key), p->holder, to)) {
		if (key && person_user(p)) /* who it is, a token says */
			shared_map_release(names_of(k), key, strlen(key), p->holder);
		person_unref(p);
		return NULL;
	}
	now = person_new(NULL, person_name(p), ROLE_GUEST, to);
	if (now == NULL)
		shared_map_release(names_of(k), key, strlen(key), to);
	person_unref(p);
	return now;
}

static void open_resume(struct letter *letter, void *reader);

/* Looks again for who has it, if it is HERE or went on; else it is over. */
static void look_again(struct keeper *k, struct resume_letter *l, bool here)
{
	uint64_t from = shared_map_holder(sessions_of(k), (const char *)l->id, SECRET_ID_LEN);

	if (from == 0 && here)
		from = l->from;
	if (from && l->tries++ < TRIES_MAX) {
		l->from = from;
		hub_post(k->hub, (unsigned)(from >> 32) - 1, &l->letter);
		return;
	}
	l->letter.open = open_granted;
	hub_post(k->hub, l->worker, &l->letter);
}

static void open_resume(struct letter *letter, void *reader)
{
	struct resume_letter *l = (struct resume_letter *)letter;
	struct keeper *k = hub_keeper(reader);
	uint32_t serial = (uint32_t)l->from;
	struct kept *x = strmap_get(k->kept, (const char *)&serial, sizeof(serial));
	struct session *s = hub_session(reader, serial);
	bool here = s && s->is_v1 && memcmp(s->v1.id, l->id, SECRET_ID_LEN) == 0;
	struct person *person;

	if (x && memcmp(x->id, l->id, SECRET_ID_LEN) == 0) {
		person = take(k, x)->person;
		free(x);
	} else if (here && !s->resuming && !s->replaced) {
		person = person_ref(s->person);
		v1_replaced(s);
	} else {
		look_again(k, l, here);
		return;
	}
	move_id(k, l->id, l->from, l->to);
	l->person = hand_over(k, person, l->to);
	l->granted = true;
	l->letter.open = open_granted;
	hub_post(k->hub, l->worker, letter);
}

enum reply keeper_resume(struct keeper *k, struct session *s, const char *secret, size_t len, struct payload *cid)
{
	const struct hub_opts *o = hub_options(k->hub);
	unsigned char id[SECRET_ID_LEN];
	struct resume_letter *l;
	uint64_t from;

	if (!secret_open(&o->key, secret, len, id))
		return REPLY_session_unknown;
	from = holder_of(k, id);
	if (from == session_id(s)) /* its own */
		return v1_resumed(s, REPLY_COUNT, s->v1.id, NULL, cid), REPLY_COUNT;
	if (from == 0) {
		if (!adopt(k, s, id))
			return REPLY_session_unknown;
		v1_resumed(s, REPLY_COUNT, id, NULL, cid);
		return REPLY_COUNT;
	}
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return REPLY_session_unknown;
	memcpy(l->id, id, SECRET_ID_LEN);
	l->letter.open = open_resume;
	l->from = from;
	l->to = session_id(s);
	l->worker = o->self;
	l->serial = s->serial;
	l->cid = payload_ref(cid);
	s->resuming = true;
	hub_post(k->hub, (unsigned)(from >> 32) - 1, &l->letter);
	return REPLY_COUNT;
}

/* ---- after a restart ---- */

static void restore(struct keeper *k, const struct journal_value *v)
{
	uint32_t serial = hub_next_serial(k->hub);
	const unsigned char *id = (const unsigned char *)v->value->data;
	struct person *p;

	if (v->value->len <= SECRET_ID_LEN)
		return;
	if (shared_map_claim(sessions_of(k), (const char *)id, SECRET_ID_LEN, number(k, serial)) != 0)
		return;
	p = person_new(NULL, v->value->data + SECRET_ID_LEN, ROLE_GUEST, number(k, serial));
	if (p && shared_map_claim(names_of(k), person_key(p), strlen(person_key(p)), p->holder) != 0) {
		person_unref(p);
		p = NULL;
	}
	keep(k, id, serial, p);
}

static void open_restored(struct letter *letter, void *reader)
{
	struct journal_state *s = (struct journal_state *)letter;

	for (size_t i = 0; reader && i < s->n; i++)
		restore(hub_keeper(reader), &s->found[i]);
	if (reader)
		hub_keeper(reader)->restoring = false;
	journal_state_clear(s);
	free(s);
}

void keeper_restore(struct keeper *k)
{
	struct journal_state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return;
	s->answered = open_restored;
	s->verb = JOURNAL_LIST;
	s->scope = payload_new("names", 5);
	k->restoring = s->scope != NULL;
	if (s->scope)
		ask(k, s);
	else
		free(s);
}

bool keeper_is_restored(const struct keeper *k) { return !k->restoring; }
