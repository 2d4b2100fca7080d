/*
 * message: what is decoded keeps to its limits; what is encoded and stamped is
 * strict JSON with the room, seq and time given, no member of it twice, and
 * every other member as it was sent; decoded and encoded again it says the
 * same, and from then on it is the same bytes. Signed it has the name given,
 * retyped the type, amended what the change says and all else as it was.
 * Refusals have words that are UTF-8.
 *
 * Input: max_depth, max_members, the room and the space for details, the text.
 */
#include <config.h>

#include "chat/json_text.h"
#include "chat/message.h"

#include "fuzz.h"
#include "fuzz_text.h"

/* How to read what comes of IN: it has no member twice, unless it is one of those within that IN has twice. */
static size_t strictness(const struct fuzz_input *in)
{
	json_error_t e;
	json_t *strict = json_loadb((const char *)in->data, in->len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &e);

	json_decref(strict);
	return strict ? JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES : JSON_ALLOW_NUL;
}

static const char *const rooms[] = {"lobby", "", "\"quoted\\", "tea \xc3\xa9\xf0\x9f\x98\x80"};

/* Containers and what they hold, as the limits count it: an empty one is 1. */
static unsigned long members(const json_t *value)
{
	unsigned long n = json_is_object(value) ? json_object_size(value) : json_array_size(value);
	const char *key;
	json_t *v;
	size_t i;

	if ((json_is_object(value) || json_is_array(value)) && !n)
		return 1;
	json_object_foreach((json_t *)(uintptr_t)value, key, v) n += members(v);
	json_array_foreach(value, i, v) n += members(v);
	return n;
}

static unsigned depth(const json_t *value)
{
	unsigned deepest = 0, d;
	const char *key;
	json_t *v;
	size_t i;

	if (!json_is_object(value) && !json_is_array(value))
		return 0;
	json_object_foreach((json_t *)(uintptr_t)value, key, v) deepest = (d = depth(v)) > deepest ? d : deepest;
	json_array_foreach(value, i, v) deepest = (d = depth(v)) > deepest ? d : deepest;
	return deepest + 1;
}

/* As JSON.parse sees it: all numbers are doubles. */
static json_t *load(const char *text, size_t len, size_t flags)
{
	json_error_t e;

	return json_loadb(text, len, flags | JSON_DECODE_INT_AS_REAL, &e);
}

static bool has_string(const json_t *object, const char *member, const char *want)
{
	const char *is = json_string_value(json_object_get(object, member));

	return is && !strcmp(is, want);
}

static bool has_integer(const json_t *object, const char *member, int64_t want)
{
	const json_t *is = json_object_get(object, member);

	return json_is_integer(is) && json_integer_value(is) == want;
}

/* Whether SENT and GOT are the same but for members that the server may set. */
static void same_but_for_the_servers(const struct fuzz_input *sent, const struct payload *got)
{
	static const char *const owned[] = {"room", "seq", "time", "user"};
	json_t *a = load((const char *)sent->data, sent->len, JSON_ALLOW_NUL);
	json_t *b = load(got->data, got->len, strictness(sent));

	CHECK(a && b);
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
		json_object_del(a, owned[i]);
		json_object_del(b, owned[i]);
	}
	if (!json_object_get(a, "type"))
		json_object_del(b, "type");
	CHECK(json_equal(a, b));
	json_decref(a);
	json_decref(b);
}

static struct message decoded(const char *text, size_t len, const struct message_limits *limits)
{
	struct message m;
	char detail[160];

	CHECK(message_decode(&m, text, len, limits, detail, sizeof(detail)) == REPLY_COUNT);
	return m;
}

static struct payload *encoded(const char *text, size_t len, const struct message_limits *limits)
{
	struct message m = decoded(text, len, limits);
	struct payload *body = message_encode(&m, "usermsg");

	CHECK(body);
	message_clear(&m);
	return body;
}

/* TEXT has members of the server's, so it is not passed on as it is. */
static struct payload *encoded_and_stamped(const struct payload *text, const struct payload *where, uint64_t seq,
					   int64_t time)
{
	const struct message_limits roomy = {UINT32_MAX, UINT32_MAX};
	struct payload *body = encoded(text->data, text->len, &roomy), *stamped = message_stamp(body, where, seq, time, "");

	CHECK(stamped);
	payload_unref(body);
	return stamped;
}

static void check_stamp(const struct fuzz_input *in, const struct payload *body, const char *room, uint64_t seq,
			int64_t time)
{
	json_t *name = json_string(room), *object;
	struct payload *room_json = json_text(name), *where, *stamped, *again, *third;
	json_error_t e;

	CHECK(room_json);
	where = text_concat(",\"room\":", room_json->data, (char *)NULL);
	CHECK(where);
	stamped = message_stamp(body, where, seq, time, "");
	CHECK(stamped);
	object = json_loadb(stamped->data, stamped->len, strictness(in), &e);
	CHECK(object && has_string(object, "room", room));
	CHECK(has_integer(object, "seq", (int64_t)seq) && has_integer(object, "time", time));
	CHECK(json_object_get(object, "type") && !json_object_get(object, "user"));
	same_but_for_the_servers(in, stamped);

	again = encoded_and_stamped(stamped, where, seq, time);
	same_but_for_the_servers(in, again);
	third = encoded_and_stamped(again, where, seq, time);
	CHECK(third->len == again->len && !memcmp(third->data, again->data, again->len));
	payload_unref(again);
	payload_unref(third);
	payload_unref(stamped);
	payload_unref(where);
	payload_unref(room_json);
	json_decref(object);
	json_decref(name);
}

/* WHO is "" or has a name and a user. */
static void check_relayed(const struct fuzz_input *in, const char *room, int64_t time, const char *who)
{
	const struct message_limits roomy = {UINT32_MAX, UINT32_MAX};
	char *text = fuzz_copy(in->data, in->len);
	struct message m = decoded(text, in->len, &roomy);
	bool has_room = json_object_get(m.object, "room"), has_time = json_object_get(m.object, "time");
	struct payload *p = message_encode_relayed(&m, room, time, who);
	json_error_t e;
	json_t *object;

	CHECK(p);
	object = json_loadb(p->data, p->len, strictness(in), &e);
	CHECK(object && !json_object_get(object, "seq"));
	CHECK(has_room ? has_string(object, "room", room) : !json_object_get(object, "room"));
	CHECK(has_time ? has_integer(object, "time", time) : !json_object_get(object, "time"));
	if (who[0])
		CHECK(has_string(object, "name", "ann") && has_string(object, "user", "7"));
	else
		CHECK(!json_object_get(object, "user"));
	if (!who[0])
		same_but_for_the_servers(in, p);
	payload_unref(p);
	json_decref(object);
	message_clear(&m);
	fuzz_free(text, in->len);
}

/* BODY and more of it, whole and decoded. */
static json_t *closed(const struct payload *body, size_t flags)
{
	struct payload *whole = message_sign(body, "}");
	json_t *object;

	CHECK(whole && whole->len == body->len + 1 && !whole->data[whole->len]);
	object = load(whole->data, whole->len, flags);
	CHECK(object);
	payload_unref(whole);
	return object;
}

static void check_retyped(const struct payload *body, size_t flags)
{
	struct payload *retyped = message_retype(body, "edit");
	json_t *was, *is;

	CHECK(retyped);
	was = closed(body, flags);
	is = closed(retyped, flags);
	CHECK(has_string(is, "type", "edit"));
	json_object_set_new(was, "type", json_string("edit"));
	CHECK(json_equal(was, is));
	json_decref(was);
	json_decref(is);
	payload_unref(retyped);
}

/* Signed after the name was taken out, as it is done for who has one; then amended by itself and by another text. */
static void check_changed(const struct fuzz_input *in, struct message *m)
{
	static const char other[] = "{\"message\":\"new\",\"x\":[1]";
	size_t flags = strictness(in);
	struct payload *change = payload_new(other, sizeof(other) - 1), *body, *suffixed, *same, *amended;
	json_t *was, *is, *changes;

	message_take_out(m, "name");
	CHECK(!json_object_get(m->object, "name"));
	CHECK(message_is_chat(m) == (json_object_get(m->object, "message") != NULL));
	body = message_encode(m, "usermsg");
	CHECK(body && change);
	suffixed = message_sign(body, ",\"name\":\"ann\"");
	CHECK(suffixed);
	was = closed(suffixed, flags);
	CHECK(has_string(was, "name", "ann"));
	check_retyped(suffixed, flags);

	same = message_amend(suffixed, body);
	amended = message_amend(suffixed, change);
	CHECK(same && amended);
	is = closed(same, flags);
	CHECK(json_equal(was, is));
	json_decref(is);
	is = closed(amended, flags);
	changes = closed(change, flags);
	json_object_update(was, changes);
	CHECK(json_equal(was, is));
	json_decref(is);
	json_decref(was);
	json_decref(changes);
	payload_unref(same);
	payload_unref(amended);
	payload_unref(suffixed);
	payload_unref(body);
	payload_unref(change);
}

static void check_good(const struct fuzz_input *in, const char *text, const struct message_limits *limits,
		       const char *room)
{
	struct message m = decoded(text, in->len, limits);
	struct payload *body = encoded(text, in->len, limits);

	CHECK(json_is_object(m.object));
	CHECK(depth(m.object) <= limits->max_depth && members(m.object) <= limits->max_members);
	check_stamp(in, body, room, 1 + (uint64_t)in->len, 1700000000000);
	check_stamp(in, body, room, INT64_MAX, INT64_MIN);
	check_relayed(in, room, 42, "");
	check_relayed(in, room, -42, ",\"name\":\"ann\",\"user\":\"7\"");
	check_changed(in, &m);
	message_clear(&m);
	payload_unref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = {data, len};
	struct message_limits limits = {.max_depth = fuzz_byte(&in), .max_members = fuzz_byte(&in)};
	uint8_t choice = fuzz_byte(&in);
	size_t size = 1 + choice / 4 * 3;
	struct message m;
	char *text, *detail;
	enum reply r;

	if (!fuzz_is_text((const char *)in.data, in.len))
		return 0; /* the floor below lets none through */
	text = fuzz_copy(in.data, in.len);
	detail = malloc(size);
	CHECK(detail);
	memset(detail, 0xff, size);
	r = message_decode(&m, text, in.len, &limits, detail, size);
	if (r == REPLY_COUNT) {
		message_clear(&m);
		check_good(&in, text, &limits, rooms[choice % 4]);
	} else {
		CHECK(!m.object && (r == REPLY_bad_json || r == REPLY_too_complex));
		CHECK(memchr(detail, 0, size) && fuzz_is_text(detail, strlen(detail)));
	}
	free(detail);
	fuzz_free(text, in.len);
	return 0;
}
