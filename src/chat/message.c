#include <config.h>

#include "chat/message.h"

#include "chat/json_text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* What a look at the text shows before anything is allocated for it. */
struct scan {
	uint32_t depth, members;
	uint32_t top;    /* members of the object itself, as they are written */
	bool spaced;     /* there is white space between the tokens */
	bool minus_zero; /* an integer -0, which jansson would make 0 and JSON.parse does not */
};

/* Behind the string that begins before P. */
static const char *skip_string(const char *p, const char *end)
{
	while (p < end && *p != '"')
		p += *p == '\\' && p + 1 < end ? 2 : 1;
	return p < end ? p + 1 : end;
}

static bool is_minus_zero(const char *p, const char *end)
{
	return end - p >= 2 && p[1] == '0' && (end - p == 2 || !(isdigit((unsigned char)p[2]) || strchr(".eE", p[2])));
}

/* Counts; what is no JSON is jansson's to say. */
static struct scan scan(const char *p, size_t len)
{
	const char *end = p + len;
	uint32_t depth = 0;
	struct scan s = { 0 };

	while (p < end) {
		char c = *p++;

		if (c == '"') {
			p = skip_string(p, end);
		} else if (c == '{' || c == '[') {
			s.members++;
			if (++depth > s.depth)
				s.depth = depth;
		} else if (c == '}' || c == ']') {
			depth -= depth > 0;
		} else if (c == ',') {
			s.members++;
			s.top += depth == 1;
		} else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
			s.spaced = true;
		} else if (c == '-' && is_minus_zero(p - 1, end)) {
			s.minus_zero = true;
		}
	}
	return s;
}

/* Where and why, without the text that jansson quotes: it may hold half a character. */
static enum reply explain(const json_error_t *e, char *detail, size_t size)
{
	const char *near = strstr(e->text, " near '");
	int len = near ? (int)(near - e->text) : (int)strlen(e->text);

	snprintf(detail, size, "line %d, column %d: %.*s", e->line, e->column, len, e->text);
	return REPLY_bad_json;
}

static enum reply too_complex(const char *what, unsigned is, unsigned may_be, char *detail, size_t size)
{
	snprintf(detail, size, "%s: %u, at most %u", what, is, may_be);
	return REPLY_too_complex;
}

enum reply message_decode(struct message *m, const char *text, size_t len, const struct message_limits *limits,
			  char *detail, size_t size)
{
	struct scan s = scan(text, len);
	json_error_t e;

	*m = (struct message){ NULL, NULL, 0 };
	if (s.depth > limits->max_depth)
		return too_complex("depth", s.depth, limits->max_depth, detail, size);
	if (s.members > limits->max_members)
		return too_complex("members", s.members, limits->max_members, detail, size);
	m->object = json_loadb(text, len, JSON_ALLOW_NUL, &e);
	if (m->object == NULL)
		return explain(&e, detail, size);
	if (s.minus_zero) { /* as JSON.parse: all numbers are doubles */
		json_decref(m->object);
		m->object = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &e);
		if (m->object == NULL)
			return explain(&e, detail, size);
	}
	if (!json_is_object(m->object)) {
		snprintf(detail, size, "it is an array");
		message_clear(m);
		return REPLY_bad_json;
	}
	/* A member that is written twice would be read so by some and so by others. */
	if (!s.spaced && json_object_size(m->object) == s.top + 1) {
		m->text = text;
		m->len = len;
	}
	return REPLY_COUNT;
}

void message_clear(struct message *m)
{
	json_decref(m->object);
	*m = (struct message){ NULL, NULL, 0 };
}

bool message_is_chat(const struct message *m) { return json_object_get(m->object, "message") != NULL; }
const char *message_type(const struct message *m) { return json_string_value(json_object_get(m->object, "type")); }
const char *message_name(const struct message *m) { return json_string_value(json_object_get(m->object, "name")); }

void message_take_out(struct message *m, const char *member)
{
	if (json_object_del(m->object, member) == 0)
		m->text = NULL;
}

/* Without its last byte, and with TYPE as a last member (NULL: without). */
static struct payload *open_as_sent(const struct message *m, const char *type)
{
	static const char member[] = ",\"type\":\"";
	size_t len = m->len - 1, n = type ? sizeof(member) - 1 : 0, of_type = type ? strlen(type) : 0;
	struct payload *p = payload_new(NULL, len + n + of_type + (type != NULL));

	if (p == NULL)
		return NULL;
	memcpy(p->data, m->text, len);
	if (type == NULL)
		return p;
	memcpy(p->data + len, member, n);
	memcpy(p->data + len + n, type, of_type);
	p->data[len + n + of_type] = '"';
	return p;
}

/* Whether S is its own JSON between quotes. */
static bool is_plain(const char *s)
{
	return strpbrk(s, "\"\\") == NULL;
}

struct payload *message_encode(struct message *m, const char *default_type)
{
	static const char *const owned[] = { "room", "seq", "time", "user" };
	bool typed = json_object_get(m->object, "type") != NULL;

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		message_take_out(m, owned[i]);
	if (m->text && (typed || is_plain(default_type)))
		return open_as_sent(m, typed ? NULL : default_type);
	if (!typed && json_object_set_new(m->object, "type", json_string(default_type)) < 0)
		return NULL;
	return json_text_open(m->object);
}

struct payload *message_sign(const struct payload *body, const char *suffix)
{
	size_t n = strlen(suffix);
	struct payload *p = payload_new(NULL, body->len + n);

	if (p == NULL)
		return NULL;
	memcpy(p->data, body->data, body->len);
	memcpy(p->data + body->len, suffix, n);
	return p;
}

/* An open object, decoded; NULL: no memory. */
static json_t *decode_open(const struct payload *body)
{
	struct payload *whole = message_sign(body, "}");
	size_t flags = JSON_ALLOW_NUL | (scan(body->data, body->len).minus_zero ? JSON_DECODE_INT_AS_REAL : 0);
	json_t *o = whole ? json_loadb(whole->data, whole->len, flags, NULL) : NULL;

	payload_unref(whole);
	return o;
}

static struct payload *encode_open(json_t *o)
{
	struct payload *p = o ? json_text_open(o) : NULL;

	json_decref(o);
	return p;
}

struct payload *message_retype(const struct payload *body, const char *type)
{
	json_t *o = decode_open(body);

	if (o)
		json_object_set_new(o, "type", json_string(type));
	return encode_open(o);
}

struct payload *message_amend(const struct payload *body, const struct payload *changes)
{
	json_t *o = decode_open(body), *c = decode_open(changes);

	if (o && c)
		json_object_update(o, c);
	json_decref(c);
	return encode_open(o);
}

struct payload *message_without(struct payload *body, const char *member)
{
	char key[32];
	json_t *o;

	snprintf(key, sizeof(key), "\"%s\":", member);
	if (body == NULL || strstr(body->data, key) == NULL)
		return body;
	o = decode_open(body);
	if (o)
		json_object_del(o, member);
	payload_unref(body);
	return encode_open(o);
}

/* Puts LABEL and N in front of what TO points at; returns where they begin. snprintf() takes a twentieth of a message's work. */
static char *prepend(char *to, const char *label, uint64_t n)
{
	size_t len = strlen(label);

	do
		*--to = (char)('0' + n % 10);
	while (n /= 10);
	return memcpy(to - len, label, len);
}

struct payload *message_stamp(const struct payload *body, const struct payload *where, uint64_t seq, int64_t time,
			      const char *more)
{
	char buffer[64], *end = buffer + sizeof(buffer);
	char *at = time < 0 ? prepend(end, ",\"time\":-", 0 - (uint64_t)time) : prepend(end, ",\"time\":", (uint64_t)time);
	char *numbers = prepend(at, ",\"seq\":", seq);
	size_t n = (size_t)(end - numbers), m = strlen(more);
	struct payload *p = payload_new(NULL, body->len + where->len + n + m + 1);
	char *to;

	if (p == NULL)
		return NULL;
	to = p->data;
	memcpy(to, body->data, body->len);
	memcpy(to += body->len, where->data, where->len);
	memcpy(to += where->len, numbers, n);
	memcpy(to += n, more, m);
	to[m] = '}';
	return p;
}

/* Sets a member that is there already. 0, or -1: no memory. */
static int correct(struct message *m, const char *member, json_t *value)
{
	if (json_object_get(m->object, member)) {
		m->text = NULL;
		return json_object_set_new(m->object, member, value);
	}
	json_decref(value);
	return 0;
}

/* The text OPEN, closed. */
static struct payload *closed(const char *open, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);
	struct payload *p = payload_new(NULL, len + n + 1);

	if (p == NULL)
		return NULL;
	memcpy(p->data, open, len);
	memcpy(p->data + len, suffix, n);
	p->data[len + n] = '}';
	return p;
}

struct payload *message_encode_relayed(struct message *m, const char *room, int64_t time, const char *who)
{
	struct payload *body, *p;

	message_take_out(m, "seq");
	message_take_out(m, "user");
	if (who[0])
		message_take_out(m, "name");
	if (correct(m, "room", json_string(room)) < 0 || correct(m, "time", json_integer(time)) < 0)
		return NULL;
	if (json_object_size(m->object) == 0) /* nothing but what is the server's */
		return who[0] ? closed("{", 1, who + 1) : payload_new("{}", 2);
	if (m->text)
		return closed(m->text, m->len - 1, who);
	body = json_text_open(m->object);
	p = body ? closed(body->data, body->len, who) : NULL;
	payload_unref(body);
	return p;
}
