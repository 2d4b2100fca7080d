/*
 * v1: what clients of natter.v1 say. Three of them, a guest, a moderator and a
 * plain one, share a hub, and whatever they say each frame they get is an
 * object with a type, none of its members twice, and no session is lost.
 *
 * Input: lines. The first byte of a line says who (0 1 2), or which of the
 * three goes and comes again (a b c), or that letters are left lying (-).
 */
#include <config.h>

#include "base/clock.h"
#include "chat/hub.h"
#include "chat/journal_memory.h"
#include "chat/session.h"

#include "fuzz.h"
#include "fuzz_text.h"

#include <jansson.h>
#include <string.h>

struct client {
	struct session session; /* first: the sink's */
	bool closed;
};

static struct mailbox *box;
static struct hub *hub;
static struct session_policy policy = {
	.limits = {16, 64}, .flood_time = 1000, .history_max = 20, .announce = ANNOUNCE_NAME, .default_type = "usermsg",
	.anonymous = true, .auth_timeout = 1000, .recover_max = 100, .rooms_max = 4, .max_message = 65536,
};

static void on_send(struct sink *s, const char *text, size_t len)
{
	json_error_t e;
	json_t *o = json_loadb(text, len, JSON_ALLOW_NUL, &e);

	(void)s;
	CHECK(o && json_is_object(o));
	json_decref(o);
}

static void on_close(struct sink *s, enum close_reason r)
{
	(void)r;
	((struct client *)s)->closed = true;
}

static void on_pause(struct sink *s, uint32_t ms) { (void)s, (void)ms; }
static void on_hold(struct sink *s, bool held) { (void)s, (void)held; }
static size_t on_waiting(struct sink *s) { return (void)s, 0; }
static const char *on_address(struct sink *s) { return (void)s, "192.0.2.1"; }

static const struct sink_ops sink_ops = {on_send, on_close, on_pause, on_hold, on_waiting, on_address};

struct crowd {
	struct audience audience;
	struct sink *members[8];
	size_t n;
};

static int crowd_add(struct audience *a, struct seat *seat, struct sink *sink, enum dialect dialect)
{
	struct crowd *c = (struct crowd *)a;

	(void)dialect;
	CHECK(c->n < 8);
	seat->place[0] = sink;
	c->members[c->n++] = sink;
	return 0;
}

static void crowd_remove(struct audience *a, struct seat *seat)
{
	struct crowd *c = (struct crowd *)a;
	size_t i = 0;

	while (c->members[i] != seat->place[0])
		i++;
	c->members[i] = c->members[--c->n];
}

static void crowd_publish(struct audience *a, struct payload *text, unsigned dialects)
{
	struct crowd *c = (struct crowd *)a;

	(void)dialects;
	for (size_t i = 0; i < c->n; i++)
		on_send(c->members[i], text->data, text->len);
}

static void crowd_free(struct audience *a) { free(a); }

static struct audience *crowd_new(void *arg)
{
	static const struct audience_ops ops = {crowd_add, crowd_remove, crowd_publish, crowd_free};
	struct crowd *c = calloc(1, sizeof(*c));

	(void)arg;
	CHECK(c);
	c->audience.ops = &ops;
	return &c->audience;
}

static void no_wake(void *arg) { (void)arg; }
static void settle(void) { CHECK(mailbox_open(box, 1000000) < 1000000); }

static void come(struct client *c, unsigned i)
{
	struct payload *room = payload_new("lobby", 5), *user = payload_new("mod", 3);
	struct identity who = {.user = user, .role = ROLE_MODERATOR};

	memset(c, 0, sizeof(*c));
	session_init(&c->session, hub, &policy, &sink_ops);
	if (i == 1)
		session_identify(&c->session, &who);
	if (i < 2)
		session_welcome(&c->session, room, "ann", i == 0 ? 3 : 0);
	else
		session_enter(&c->session, room, 5);
	settle();
	payload_unref(room);
	payload_unref(user);
}

static void say(struct client *all, const char *line, size_t len)
{
	unsigned who = (unsigned char)(line[0] - '0'), again = (unsigned char)(line[0] - 'a');
	char *text;

	if (again < 3 || (who < 3 && all[who].closed)) {
		who = again < 3 ? again : who;
		session_clear(&all[who].session);
		come(&all[who], who);
	}
	if (who < 3 && len > 1) {
		text = fuzz_copy((const uint8_t *)line + 1, len - 1);
		session_text(&all[who].session, text, len - 1);
		fuzz_free(text, len - 1);
	}
	if (line[0] != '-')
		settle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct journal_memory_opts past = {.messages = 30, .bytes = 10000, .cid_keep = 600000};
	struct hub_opts o = {.n = 1, .mailboxes = &box,
			     .rules = {.max_rooms = 5, .room_keep = 1000, .announce_max = 2, .who_max = 5,
				       .session_keep = 1000},
			     .audience_new = crowd_new};
	const char *p = (const char *)data, *end = p + len, *next;
	struct shared_count rooms = {0};
	struct client all[3];

	if (!fuzz_is_text(p, len))
		return 0; /* the floor below lets none through */
	o.names = shared_map_new();
	o.sessions = shared_map_new();
	o.rooms = &rooms;
	o.journal = journal_memory_new(&past);
	box = mailbox_new(no_wake, NULL, NULL);
	CHECK(o.names && o.sessions && o.journal && box);
	hub = hub_new(&o);
	CHECK(hub);
	mailbox_set_reader(box, hub);
	for (unsigned i = 0; i < 3; i++)
		come(&all[i], i);
	for (; p < end; p = next) {
		const char *line_end = memchr(p, '\n', (size_t)(end - p));

		next = line_end ? line_end + 1 : end;
		if ((line_end ? line_end : end) > p)
			say(all, p, (size_t)((line_end ? line_end : end) - p));
	}
	for (unsigned i = 0; i < 3; i++)
		session_clear(&all[i].session);
	settle();
	hub_free(hub);
	o.journal->ops->free(o.journal);
	mailbox_set_reader(box, NULL);
	mailbox_free(box);
	shared_map_free(o.names);
	shared_map_free(o.sessions);
	return 0;
}
