#include <config.h>

#include "chat/room.h"
#include "chat/room_inner.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/strmap.h"
#include "chat/message.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CATCH_UP_PAGE 200  /* messages that are read at a time for who missed many */

static void drop_past(struct join_letter *l)
{
	for (size_t i = 0; i < l->n_past; i++)
		payload_unref(l->past[i]);
	free(l->past);
	l->past = NULL;
	l->n_past = 0;
}

void join_letter_free(struct join_letter *l)
{
	drop_past(l);
	payload_unref(l->room);
	payload_unref(l->cid);
	payload_unref(l->arrival);
	payload_unref(l->parting);
	payload_unref(l->address);
	payload_unref(l->topic);
	person_unref(l->person);
	free(l);
}

static struct join_letter *join_of(struct errand *e) { return list_entry(e, struct join_letter, errand); }

static void drop_join(struct errand *e) { join_letter_free(join_of(e)); }

/* ---- joining ---- */

static void send_back(struct room *r, struct join_letter *l)
{
	l->letter.open = r->opts->answer;
	r->opts->post(r->opts->owner, l->worker, &l->letter);
}

static void refuse_join(struct room *r, struct join_letter *l, enum reply why, uint64_t last)
{
	l->why = why;
	l->retry_after = last > UINT32_MAX ? 0 : (uint32_t)last;
	send_back(r, l);
}

/* It is in, with all that it missed; or its first page goes ahead. */
static void let_in(struct room *r, struct join_letter *l)
{
	struct payload *arrival = l->arrival;
	struct person *p = person_ref(l->person);
	bool announced = l->announced, other = false;

	if (!l->told) {
		l->members = (uint32_t)members_count(&r->members);
		l->guests = r->members.guests;
		l->topic = payload_ref(r->topic);
		l->muted = room_sanctioned(r, SANCTION_MUTE, l->person, l->address) > 0;
		memcpy(l->epoch, r->epoch, sizeof(l->epoch));
	}
	l->joined = !l->more;
	l->arrival = NULL;
	if (l->joined) {
		r->by_worker[l->worker]++;
		r->seats++;
		r->v1_seats += l->v1;
		other = members_add(&r->members, p, clock_wall_ms());
		if (!l->told) {
			l->members = (uint32_t)members_count(&r->members);
			l->guests = r->members.guests;
		}
		stats_add(STAT_members, 1);
	} else {
		l->arrival = payload_ref(arrival);
	}
	send_back(r, l);
	if (announced && other)
		room_announce(r, arrival, &r->came, "join", p);
	person_unref(p);
	payload_unref(arrival);
}

static void read_past(struct room *r, struct join_letter *l)
{
	list_append(&r->reading, &l->errand.node);
	l->seq = r->seq; /* the page has all up to here; what comes later is in `recents` */
	if (l->since)
		room_journal(r)->read_after(r->journal, l->from, CATCH_UP_PAGE, &l->errand);
	else
		room_journal(r)->read_before(r->journal, r->seq + 1, l->history, &l->errand);
}

/* What was missed cannot all be had: it is told, or was promised and is broken off. */
static void not_recovered(struct room *r, struct join_letter *l)
{
	l->since = l->recovered = false;
	if (l->more) {
		l->more = false;
		l->broken = true;
		refuse_join(r, l, REPLY_COUNT, 0);
		return;
	}
	l->seq = r->seq;
	if (l->history)
		read_past(r, l);
	else
		let_in(r, l);
}

static void admit(struct room *r, struct join_letter *l)
{
	uint64_t last = room_sanctioned(r, SANCTION_BAN, l->person, l->address);

	if (last) {
		l->more = false;
		refuse_join(r, l, REPLY_banned, last);
		return;
	}
	if (!l->since && l->history == 0) {
		l->seq = r->seq;
		let_in(r, l);
		return;
	}
	if (l->since && !r->subscribed) {
		refuse_join(r, l, REPLY_storage_unavailable, 0);
		return;
	}
	if (l->since && (strcmp(l->from_epoch, r->epoch) != 0 || l->from > r->seq ||
			 (!l->more && r->seq - l->from > l->recover_max))) {
		not_recovered(r, l);
		return;
	}
	l->recovered = l->since;
	if (l->since && l->from == r->seq) {
		l->seq = r->seq;
		l->more = false;
		let_in(r, l);
		return;
	}
	read_past(r, l);
}

static void marked(struct room *r, struct errand *e, const struct journal_state *s)
{
	struct join_letter *l = join_of(e);
	uint64_t *mark;

	if (s->status == JOURNAL_OK)
		room_mark(r, person_user(l->person), s->n ? strtoull(s->found[0].value->data, NULL, 10) : 0);
	mark = r->marks ? strmap_get(r->marks, person_user(l->person), strlen(person_user(l->person))) : NULL;
	l->read = mark ? *mark : 0;
	l->marked = true;
	admit(r, l);
}

/* A user's read marker comes with the answer. */
static void run_join(struct room *r, struct errand *e)
{
	struct join_letter *l = join_of(e);
	const char *user = l->v1 ? person_user(l->person) : NULL;
	uint64_t *mark = user && r->marks ? strmap_get(r->marks, user, strlen(user)) : NULL;

	if (mark)
		l->read = *mark;
	else if (user && !l->marked && room_state(r, JOURNAL_GET, "read:", user, r->name->data, NULL, 0, e, marked))
		return;
	admit(r, l);
}

/* ---- the past ---- */

void room_note_recent(struct room *r, uint64_t seq, struct payload *plain, struct payload *v1)
{
	struct recent *n = malloc(sizeof(*n));

	if (n == NULL) {
		log_limited(LOG_LEVEL_ERROR, "no memory for a newcomer's past", "seq=%" PRIu64, seq);
		return;
	}
	*n = (struct recent){ NULL, seq, payload_ref(plain), payload_ref(v1) };
	*r->recents_tail = n;
	r->recents_tail = &n->next;
}

/* What is erased is not shown to who comes just now. */
void room_erase_recent(struct room *r, const struct journal_message *erasure)
{
	struct journal_message gone = { .seq = erasure->target, .time = erasure->time, .changed = erasure->seq };

	for (struct recent *n = r->recents; n; n = n->next) {
		if (n->seq != erasure->target)
			continue;
		payload_unref(n->plain);
		payload_unref(n->v1);
		n->plain = NULL;
		n->v1 = room_render(r, &gone);
	}
}

void room_drop_recents(struct room *r)
{
	struct recent *n;

	while ((n = r->recents) != NULL) {
		r->recents = n->next;
		payload_unref(n->plain);
		payload_unref(n->v1);
		free(n);
	}
	r->recents_tail = &r->recents;
}

static struct payload *recent_text(const struct recent *n, const struct join_letter *l)
{
	return n->seq <= l->seq ? NULL : l->v1 ? n->v1 : n->plain;
}

/* Adds TEXT (taken) to what L brings. Whether there was the memory for it. */
static bool bring(struct join_letter *l, struct payload *text)
{
	if (text)
		l->past[l->n_past++] = text;
	return text != NULL;
}

/* L brings the N messages at M, and where that is all there is, also what was said since it asked. false: no memory. */
static bool bring_all(struct room *r, struct join_letter *l, const struct journal_message *m, size_t n)
{
	size_t later = 0;
	bool whole = true;

	for (struct recent *c = r->recents; c; c = c->next)
		later += recent_text(c, l) != NULL;
	if (n + later == 0)
		return true;
	l->past = calloc(n + later, sizeof(*l->past));
	if (l->past == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (l->v1)
			whole = bring(l, room_render(r, &m[i])) && whole;
		else if (room_is_plain(&m[i]))
			whole = bring(l, message_stamp(m[i].body, r->where, m[i].seq, m[i].time, "")) && whole;
	for (struct recent *c = r->recents; c && !l->more; c = c->next)
		if (recent_text(c, l))
			bring(l, payload_ref(recent_text(c, l)));
	return whole;
}

/* Whether L has all that was missed up to where it stood when it asked, and where M leaves it. */
static bool is_whole(const struct join_letter *l, const struct journal_message *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (m[i].seq != l->from + 1 + i)
			return false;
	return n > 0 || l->from >= l->seq;
}

size_t room_page_size(const struct journal_message *m, size_t n, bool first)
{
	size_t bytes = 0, i = 0;

	for (; i < n; i++) {
		const struct journal_message *x = first ? &m[i] : &m[n - 1 - i];

		bytes += x->body ? x->body->len : 0;
		if (i > 0 && bytes > ROOM_PAGE_BYTES)
			break;
	}
	return i;
}

/* A page of the past for L. What has its place but was not delivered yet comes live. */
static void join_page(struct room *r, struct errand *e, enum journal_status status, const struct journal_message *m,
		      size_t n, bool more)
{
	struct join_letter *l = join_of(e);
	size_t size;

	(void)more;
	list_remove(&r->reading, &e->node);
	while (n && m[n - 1].seq > l->seq)
		n--;
	if (l->since && (status != JOURNAL_OK || !is_whole(l, m, n))) {
		not_recovered(r, l);
		goto done;
	}
	size = room_page_size(m, n, l->since);
	if (!l->since)
		m += n - size;
	l->more = l->since && size && m[size - 1].seq < l->seq;
	if (!bring_all(r, l, m, size) && l->since) {
		drop_past(l);
		not_recovered(r, l);
		goto done;
	}
	if (l->more)
		l->from = m[size - 1].seq;
	let_in(r, l);
done:
	if (list_empty(&r->reading))
		room_drop_recents(r);
}

void room_join(struct room *r, struct join_letter *l)
{
	l->errand.run = run_join;
	l->errand.page = join_page;
	l->errand.drop = drop_join;
	room_run(r, &l->errand);
}
