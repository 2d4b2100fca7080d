#include <config.h>

#include "chat/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "chat/name.h"
#include "chat/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session {
	struct hub *hub;
	const struct session_policy *policy;
	struct sink *sink;
	struct membership *rooms;
	struct payload *name, *name_key; /* NULL: a guest */
	struct bucket bucket;
	uint64_t id;
	uint64_t pressing_since; /* ms, since when it sends faster than it may, without a break; 0: it does not */
	char address[];
};

struct sink *session_sink(const struct session *s) { return s->sink; }

struct session *session_new(struct hub *hub, const struct session_policy *policy, struct sink *sink,
			    const char *address)
{
	size_t n = strlen(address) + 1;
	struct session *s = calloc(1, sizeof(*s) + n);

	if (s == NULL)
		return NULL;
	s->hub = hub;
	s->policy = policy;
	s->sink = sink;
	s->id = hub_next_id(hub);
	memcpy(s->address, address, n);
	bucket_init(&s->bucket, &policy->rate, clock_ms());
	return s;
}

/* "203.0.113.9 connected", as far as the policy lets others know; NULL: nothing. */
static struct payload *line_for(const struct session *s, const char *what)
{
	const char *who = s->name ? s->name->data : "guest";
	char line[NAME_MAX_BYTES + 128];

	if (s->policy->announce == ANNOUNCE_OFF)
		return NULL;
	snprintf(line, sizeof(line), "%s %s", s->policy->announce == ANNOUNCE_ADDRESS ? s->address : who, what);
	return reply_system(line);
}

void session_free(struct session *s)
{
	struct membership *next;
	struct payload *parting;

	if (s == NULL)
		return;
	parting = s->rooms ? line_for(s, "disconnected") : NULL;
	for (struct membership *m = s->rooms; m; m = next) {
		next = m->next;
		hub_leave(s->hub, m, parting);
	}
	payload_unref(parting);
	if (s->name_key)
		shared_map_release(hub_names(s->hub), s->name_key->data, s->name_key->len, s->id);
	payload_unref(s->name);
	payload_unref(s->name_key);
	free(s);
}

/* ---- names ---- */

void session_ask_name(struct session *s, const char *name, size_t len)
{
	const char *why = NULL;
	struct payload *wanted = name_person(name, len, &why), *key = NULL;

	if (wanted == NULL) {
		reply_error(s->sink, REPLY_bad_name, why);
		return;
	}
	key = name_key(wanted->data, wanted->len);
	if (key == NULL) {
		reply_error(s->sink, REPLY_bad_name, NULL);
	} else if (shared_map_claim(hub_names(s->hub), key->data, key->len, s->id) != 0) {
		reply_error(s->sink, REPLY_name_taken, wanted->data);
	} else {
		s->name = wanted;
		s->name_key = key;
		return;
	}
	payload_unref(wanted);
	payload_unref(key);
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
	return holder != 0 && holder != s->id;
}

/* ---- rooms ---- */

void session_enter(struct session *s, struct payload *room, uint32_t history)
{
	struct membership *m = calloc(1, sizeof(*m));
	struct payload *arrival = line_for(s, "connected");
	uint32_t most = s->policy->history_max;

	if (m)
		m->session = s;
	if (m == NULL || hub_join(s->hub, m, room, history < most ? history : most, arrival) < 0) {
		s->sink->ops->close(s->sink, CLOSE_no_memory);
	} else {
		m->next = s->rooms;
		s->rooms = m;
		s->sink->ops->hold(s->sink, true); /* what it says is for the room it is on its way to */
	}
	payload_unref(arrival);
}

static void unlink_membership(struct session *s, const struct membership *m)
{
	struct membership **p = &s->rooms;

	while (*p != m)
		p = &(*p)->next;
	*p = m->next;
}

void session_joined(struct session *s, struct membership *m, bool joined, struct payload *const *past, size_t n)
{
	if (!joined) {
		unlink_membership(s, m);
		hub_drop(s->hub, m);
		reply_error(s->sink, REPLY_too_many_rooms, NULL);
		s->sink->ops->close(s->sink, CLOSE_too_many_rooms);
		return;
	}
	for (size_t i = 0; i < n; i++)
		s->sink->ops->send(s->sink, past[i]->data, past[i]->len);
	s->sink->ops->hold(s->sink, false);
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
	if (s->name == NULL && name && held_by_other(s, name))
		return REPLY_name_taken;
	return REPLY_COUNT;
}

static void pass_on(struct session *s, struct message *m)
{
	bool chat = message_is_chat(m);
	struct membership *room = s->rooms;
	struct payload *p = NULL;

	if (s->name == NULL || message_set_name(m, s->name->data) == 0)
		p = chat ? message_encode(m, s->policy->default_type)
			 : message_encode_relayed(m, hub_room_name(room)->data, clock_wall_ms());
	if (p == NULL) {
		s->sink->ops->close(s->sink, CLOSE_no_memory);
		return;
	}
	if (chat)
		hub_say(s->hub, room, p, s->id);
	else
		hub_relay(s->hub, room, p);
	payload_unref(p);
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
		s->pressing_since = now;
	if (now - s->pressing_since >= s->policy->flood_time) {
		reply_error(s->sink, REPLY_rate_limited, NULL);
		s->sink->ops->close(s->sink, CLOSE_rate_limited);
		return false;
	}
	s->sink->ops->pause(s->sink, wait);
	return true;
}

void session_text(struct session *s, const char *text, size_t len)
{
	char words[160] = "";
	const char *detail = words;
	struct message m;
	enum reply bad;

	if (!keeps_pace(s) || s->rooms == NULL)
		return;
	bad = message_decode(&m, text, len, &s->policy->limits, words, sizeof(words));
	if (bad == REPLY_COUNT)
		bad = judge(s, &m, &detail);
	if (bad == REPLY_COUNT)
		pass_on(s, &m);
	else
		reply_error(s->sink, bad, detail);
	message_clear(&m);
}
