#include <config.h>

#include "chat/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "chat/name.h"
#include "chat/reply.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who speaks while another worker is behind is not read for so long. */
#define BEHIND_MS 20

struct session *session_of(struct membership *m)
{
	return (struct session *)((char *)m - offsetof(struct session, room));
}

static uint64_t id_of(const struct session *s) { return hub_id(s->hub, s->serial); }

void session_init(struct session *s, struct hub *hub, const struct session_policy *policy, const struct sink_ops *ops)
{
	s->sink.ops = ops;
	s->hub = hub;
	s->policy = policy;
	s->serial = hub_next_serial(hub);
	bucket_init(&s->bucket, &policy->rate, clock_ms());
}

/* "203.0.113.9 connected", as far as the policy lets others know; NULL: nothing. */
static struct payload *line_for(struct session *s, const char *what)
{
	const char *who = s->person ? s->person->name->data : "guest";
	char line[NAME_MAX_BYTES + 128];

	if (s->policy->announce == ANNOUNCE_OFF)
		return NULL;
	if (s->policy->announce == ANNOUNCE_ADDRESS)
		who = s->sink.ops->address(&s->sink);
	snprintf(line, sizeof(line), "%s %s", who, what);
	return reply_system(line);
}

static void person_free(struct person *p)
{
	if (p == NULL)
		return;
	payload_unref(p->name);
	payload_unref(p->key);
	free(p);
}

void session_clear(struct session *s)
{
	struct payload *parting = s->room.branch ? line_for(s, "disconnected") : NULL;

	if (s->room.branch)
		hub_leave(s->hub, &s->room, parting);
	payload_unref(parting);
	if (s->speaks)
		hub_remove_speaker(s->hub, s->serial);
	s->speaks = false;
	if (s->person)
		shared_map_release(hub_names(s->hub), s->person->key->data, s->person->key->len, id_of(s));
	person_free(s->person);
	s->person = NULL;
}

/* ---- names ---- */

void session_ask_name(struct session *s, const char *name, size_t len)
{
	const char *why = NULL;
	struct person *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return;
	p->name = name_person(name, len, &why);
	p->key = p->name ? name_key(p->name->data, p->name->len) : NULL;
	if (p->key == NULL) {
		reply_error(&s->sink, REPLY_bad_name, why);
	} else if (shared_map_claim(hub_names(s->hub), p->key->data, p->key->len, id_of(s)) != 0) {
		reply_error(&s->sink, REPLY_name_taken, p->name->data);
	} else {
		s->person = p;
		return;
	}
	person_free(p);
}

/* Whether somebody else holds NAME. */
static bool held_by_other(struct session *s, const char *name)
{
	struct shared_map *names = hub_names(s->hub);
	struct payload *key;
	uint64_t holder;

	if (shared_map_count(names) == 0)
		return false;
	key = name_key(name, strlen(name));
	holder = key ? shared_map_holder(names, key->data, key->len) : 0;
	payload_unref(key);
	return holder != 0 && holder != id_of(s);
}

/* ---- rooms ---- */

void session_enter(struct session *s, struct payload *room, uint32_t history)
{
	struct payload *arrival = line_for(s, "connected");
	uint32_t most = s->policy->history_max;

	if (hub_join(s->hub, &s->room, room, history < most ? history : most, arrival) < 0)
		s->sink.ops->close(&s->sink, CLOSE_no_memory);
	else
		s->sink.ops->hold(&s->sink, true); /* what it says is for the room it is on its way to */
	payload_unref(arrival);
}

void session_joined(struct session *s, struct membership *m, struct payload *const *past, size_t n)
{
	if (m->branch == NULL) {
		reply_error(&s->sink, REPLY_too_many_rooms, NULL);
		s->sink.ops->close(&s->sink, CLOSE_too_many_rooms);
		return;
	}
	for (size_t i = 0; i < n; i++)
		s->sink.ops->send(&s->sink, past[i]->data, past[i]->len);
	s->sink.ops->hold(&s->sink, false);
}

/* ---- messages ---- */

static bool is_reserved(const struct session_policy *p, const char *type)
{
	for (size_t i = 0; type && i < p->n_reserved_types; i++)
		if (strcmp(type, p->reserved_types[i]) == 0)
			return true;
	return false;
}

/* What a plain client's message may not be; REPLY_COUNT: it may. DETAIL is the word in question. */
static enum reply judge(struct session *s, const struct message *m, const char **detail)
{
	const char *type = message_type(m), *name = message_name(m);

	*detail = type;
	if (is_reserved(s->policy, type))
		return REPLY_reserved_type;
	*detail = name;
	if (s->person == NULL && name && held_by_other(s, name))
		return REPLY_name_taken;
	return REPLY_COUNT;
}

/* Without a sender: the plain dialect knows nobody who outlives a connection. */
static void say(struct session *s, struct payload *body)
{
	if (!s->speaks)
		s->speaks = hub_add_speaker(s->hub, s->serial, s) == 0;
	hub_say(s->hub, &s->room, body, NULL, s->serial);
}

void session_refused(struct session *s, enum reply why) { reply_error(&s->sink, why, NULL); }

static void pass_on(struct session *s, struct message *m)
{
	bool chat = message_is_chat(m);
	struct membership *room = &s->room;
	struct payload *p = NULL;

	if (s->person == NULL || message_set_name(m, s->person->name->data) == 0)
		p = chat ? message_encode(m, s->policy->default_type)
			 : message_encode_relayed(m, hub_room_name(room)->data, clock_wall_ms());
	if (p == NULL) {
		s->sink.ops->close(&s->sink, CLOSE_no_memory);
		return;
	}
	if (chat)
		say(s, p);
	else
		hub_relay(s->hub, room, p);
	payload_unref(p);
	if (hub_is_behind(s->hub))
		s->sink.ops->pause(&s->sink, BEHIND_MS);
}

/* Who sends too fast is not read for a while; who never stops is told and closed. */
static bool keeps_pace(struct session *s)
{
	uint64_t now = clock_ms();
	uint32_t wait = bucket_take(&s->bucket, &s->policy->rate, 1, now);

	if (wait == 0) {
		s->pressing_since = 0;
		return true;
	}
	if (s->pressing_since == 0)
		s->pressing_since = (uint32_t)now | 1; /* never 0 */
	if ((uint32_t)now - s->pressing_since + 1 > s->policy->flood_time) {
		reply_error(&s->sink, REPLY_rate_limited, NULL);
		s->sink.ops->close(&s->sink, CLOSE_rate_limited);
		return false;
	}
	s->sink.ops->pause(&s->sink, wait);
	return true;
}

void session_text(struct session *s, const char *text, size_t len)
{
	char words[160] = "";
	const char *detail = words;
	struct message m;
	enum reply bad;

	if (!keeps_pace(s) || !s->room.seat.taken)
		return;
	bad = message_decode(&m, text, len, &s->policy->limits, words, sizeof(words));
	if (bad == REPLY_COUNT)
		bad = judge(s, &m, &detail);
	if (bad == REPLY_COUNT)
		pass_on(s, &m);
	else
		reply_error(&s->sink, bad, detail);
	message_clear(&m);
}
