"""natter.v1: being in rooms and speaking there, beside clients of the plain dialect."""
import json
import signal

import pytest

from v1 import V1, batch, contiguous, display, new_room, new_user, plain, secret

WORKERS = [1, 2]


# ---- the welcome ----

def test_welcome(server):
    c = V1(server, "/tea%20room")
    w = c.welcome
    assert c.client.headers["sec-websocket-protocol"] == "natter.v1"
    assert w["room"] == "tea room" and w["anonymous"] is True and w["version"]
    assert len(w["session"]) >= 22  # 128 bits
    assert {"max_message", "message_rate", "message_burst", "history_max", "recover_max", "rooms_per_connection",
            "cid_keep", "session_keep"} <= set(w["limits"])
    assert w["limits"]["max_message"] == 65536 and w["limits"]["cid_keep"] == 600 and w["ping_interval"] == 30
    assert "user" not in w and "name" not in w


def test_welcome_says_who_one_is(server):
    user = new_user()
    w = V1(server, user=user).welcome
    assert (w["user"], w["name"], w["role"]) == (user, display(user), "user")


def test_welcome_grants_the_name_of_the_path(server):
    assert V1(server, "/?name=Gwendolyn").welcome["name"] == "Gwendolyn"


def test_nothing_is_joined_by_connecting(server, room):
    c = V1(server, f"/{room}")
    p = plain(server, room)
    p.send_json(message="hi")
    p.recv_until(message="hi")
    c.sync()
    c.nothing("usermsg")
    c.error("not_joined", "message", room=room, message="x")


def test_the_first_offer_counts(server):
    c = V1(server, protocols="natter.v1, chat")
    assert c.client.headers["sec-websocket-protocol"] == "natter.v1"


@pytest.mark.parametrize("offer", ["chat", "chat, natter.v1", "natter.v2", "NATTER.V1"])
def test_other_subprotocols_are_the_plain_dialect(server, room, offer):
    c = server.connect(f"/{room}", headers=[f"Sec-WebSocket-Protocol: {offer}"])
    c.send_json(message="x")
    assert c.recv_until(message="x")["seq"] == 1
    c.close()


# ---- join, leave ----

def test_join_an_empty_room(server, room):
    c = V1(server)
    j = c.join(room)
    assert j["room"] == room and j["seq"] == 0 and isinstance(j["epoch"], str) and j["epoch"]
    assert j["members"] + j["guests"] == 1 and j["role"] == "guest"
    assert "recovered" not in j and "topic" not in j and "read" not in j


def test_join_tells_ones_role(server, room):
    assert V1(server, user=new_user()).join(room)["role"] == "user"
    assert V1(server, user="mod0").join(room)["role"] == "moderator"
    assert V1(server, user="adm").join(room)["role"] == "admin"


def test_join_counts_members_and_guests(server, room):
    a, b, c = V1(server, user=new_user()), V1(server), V1(server, "/?name=Cecily")
    a.join(room)
    b.join(room)
    j = c.join(room)
    assert (j["members"], j["guests"]) == (2, 1)  # the name is a member, the nameless a guest


def test_join_prepares_the_name_of_the_room(server, room):
    assert V1(server).join(room + "e\u0301")["room"] == room + "\u00e9"


def test_join_with_history(server, room):
    a = V1(server)
    a.join(room)
    said = [a.say(room, i) for i in range(10)]
    b = V1(server)
    assert b.join(room, history=3)["seq"] == 10
    assert [b.next().text for _ in range(3)] == [m.text for m in said[7:]]
    c = V1(server)
    c.join(room)  # none is the default
    a.say(room, "next")
    assert c.expect("usermsg")["message"] == "next"


def test_join_twice(server, room):
    c = V1(server)
    c.join(room)
    c.error("already_joined", "join", room=room)
    assert c.say(room, "x")["seq"] == 1


def test_leave(server, room):
    a, b = V1(server), V1(server)
    a.join(room)
    b.join(room)
    a.leave(room)
    b.say(room, "alone")
    a.sync()
    a.nothing(room=room)
    a.error("not_joined", "leave", room=room)
    a.error("not_joined", "message", room=room, message="x")
    assert a.join(room)["seq"] == 1


def test_several_rooms_on_one_connection(server):
    rooms = [new_room() for _ in range(12)]
    c, others = V1(server), []
    for r in rooms:
        c.join(r)
        others.append(V1(server))
        others[-1].join(r)
    for i, r in enumerate(rooms):
        c.say(r, i)
        assert others[i].expect("usermsg")["message"] == i
    for i, r in enumerate(rooms):
        others[i].say(r, -i - 1)
        assert c.expect("usermsg", room=r)["message"] == -i - 1
    for r in rooms[::2]:
        c.leave(r)
    for i, r in enumerate(rooms):
        others[i].say(r, "after")
    heard = []
    while len(heard) < 6:
        heard.append(c.expect("usermsg", message="after")["room"])
    assert sorted(heard) == sorted(rooms[1::2])
    c.nothing("usermsg")


def test_auth_and_joins_without_waiting(server, room):
    """`auth`, `resume` and `join` may be sent without waiting for the answers."""
    first = V1(server)
    first.close()
    user, other = new_user(), new_room()
    c = V1(server, welcome=False)
    c.client.send_raw(batch({"type": "resume", "cid": "r", "session": first.session},
                            {"type": "auth", "cid": "a", "token": secret(user)},
                            {"type": "join", "cid": "j1", "room": room}, {"type": "join", "cid": "j2", "room": other},
                            {"type": "message", "cid": "m", "room": room, "message": "at once"}))
    assert c.read()["type"] == "welcome"
    assert c.answer("r")["type"] == "ok"
    assert c.answer("a")["user"] == user
    assert c.answer("j1")["role"] == "user" and c.answer("j2")["room"] == other
    assert c.answer("m")["seq"] == 1
    assert c.hear("at once")["user"] == user


# ---- message ----

def test_message(server, room):
    user = new_user()
    a, b = V1(server, user=user), V1(server)
    a.join(room)
    b.join(room)
    got = a.ok("message", room=room, message="hello", color="#123456", big=9007199254740993)
    own = a.expect("usermsg")
    assert (own["message"], own["color"], own["big"]) == ("hello", "#123456", 9007199254740993)
    assert (own["room"], own["seq"], own["time"]) == (room, got["seq"], got["time"])
    assert (own["user"], own["name"]) == (user, display(user))
    assert "cid" not in own
    assert b.expect("usermsg").text == own.text


def test_any_value_is_a_message(server, room):
    c = V1(server)
    c.join(room)
    for value in ("", "x" * 5000, 0, -0.0, 1e300, None, True, [1, [2]], {"a": {"b": []}}, "\u0000\u2028\U0001F600"):
        assert json.dumps(c.say(room, value)["message"]) == json.dumps(value)


def test_other_members_are_kept_whatever_they_are_called(server, room):
    c = V1(server)
    c.join(room)
    others = {"to": "ann", "with": "bob", "limit": 5, "session": "s", "token": "t", "between": [1], "target": 2, "edited": 3}
    m = c.say(room, "x", **others)
    assert {k: m.get(k) for k in others} == others


@pytest.mark.parametrize("cid", ['"', "\\", "a\nb", "\u0001", "\u2028", "\u007f", "\u00e9", "</script>", " "])
def test_any_string_is_a_cid(server, room, cid):
    c = V1(server)
    c.join(room)
    assert c.ok("message", cid, room=room, message="x")["seq"] == 1
    assert c.ok("message", cid, room=room, message="x")["duplicate"] is True
    c.ok("ping", cid)
    c.ok("who", cid, room=room)
    c.error("not_joined", "leave", cid, room="elsewhere")
    c.ok("leave", cid, room=room)


def test_message_without_cid(server, room):
    """No cid in the request: none in the answer; the own copy is the only sign."""
    c = V1(server)
    c.join(room)
    c.send(type="message", room=room, message="x")
    frames = [c.next(), c.next()]
    assert [f["type"] for f in frames if f["type"] != "presence"] in (["ok", "usermsg"], ["usermsg"])
    assert all("cid" not in f for f in frames)


@pytest.mark.parametrize("who", ["plain", "v1"])
def test_a_chat_message_is_the_same_bytes_in_both_dialects(server, room, who):
    name = "Wilhelmina" + who
    a, b, p, q = V1(server, f"/?name={name}"), V1(server), plain(server, room), plain(server, room)
    a.join(room)
    b.join(room)
    if who == "v1":
        a.ok("message", room=room, message="same", extra={"b": 1, "a": [1.5, None]})
    else:
        p.send_json(message="same", extra={"b": 1, "a": [1.5, None]})

    def heard(c):
        while True:
            text = c.recv()
            if json.loads(text).get("message") == "same":
                return text
    texts = {a.hear("same").text, b.hear("same").text, heard(p), heard(q)}
    assert len(texts) == 1
    m = json.loads(texts.pop())
    assert m["type"] == "usermsg" and m["seq"] == 1 and m["room"] == room
    assert m.get("name") == (name if who == "v1" else None)
    for c in (a, b, p, q):
        c.close()


def test_default_type(start, room):
    d = start('announce = off\ndefault_type = "talk"\n')
    c = V1(d)
    c.join(room)
    c.ok("message", room=room, message="x")
    assert c.next()["type"] == "talk"


# ---- what the server owns ----

FORGED = {"room": "elsewhere", "seq": 99, "time": 5, "user": "root", "name": "Root", "cid": "n"}


def test_members_that_the_server_owns_are_overwritten_in_natter_v1(server, room):
    user = new_user()
    c = V1(server, user=user)
    c.join(room)
    m = c.say(room, "x", seq=99, time=5, user="root", name="Root", between=["a", "b"])
    assert (m["room"], m["seq"], m["user"], m["name"]) == (room, 1, user, display(user))
    assert m["time"] > 10**12
    guest = V1(server)
    guest.join(room)
    m = guest.say(room, "y", user="root", seq=1)
    assert "user" not in m and m["seq"] == 2


def test_members_that_the_server_owns_are_overwritten_in_the_plain_dialect(server, room):
    c = V1(server)
    c.join(room)
    p = plain(server, room)
    p.send_json(message="x", **FORGED)
    m = c.hear("x")
    assert m["room"] == room and m["seq"] == 1 and m["time"] > 10**12 and "user" not in m
    assert m["name"] == "Root"  # a nameless plain client's own
    assert m.get("cid") in (None, "n")


def test_relayed_frames_are_not_forged_either(server, room):
    a, b = V1(server), V1(server)
    a.join(room)
    b.join(room)
    a.ok("wave", room=room, user="root", time=5, hand="left")
    m = b.expect("wave")
    assert "user" not in m and m["time"] > 10**12 and m["hand"] == "left" and m["room"] == room and "seq" not in m


def test_values_as_json_parse_sees_them(server, room):
    """All other members keep the value that JSON.parse sees."""
    a = V1(server)
    a.join(room)
    a.client.send('{"type":"message","room":%s,"cid":"v","message":"x","n":1.0,"m":-0,"e":1E2,"u":"\\u00e9\\ud83d\\ude00",'
                  '"dup":1,"dup":2,"slash":"\\/"}' % json.dumps(room))
    assert a.answer("v")["type"] == "ok"
    m = a.hear("x")
    assert m["n"] == 1 and m["e"] == 100 and m["u"] == "\u00e9\U0001F600" and m["dup"] == 2 and m["slash"] == "/"
    assert str(float(m["m"])) == "-0.0" and '"m":-0' in m.text.replace(" ", "")


# ---- other types ----

def test_typing_is_relayed_with_name_and_not_stored(server, room):
    user = new_user()
    a, b, p = V1(server, user=user), V1(server), plain(server, room)
    a.join(room)
    b.join(room)
    a.send(type="typing", room=room)
    m = b.expect("typing")
    assert (m["name"], m["user"], m["room"]) == (display(user), user, room) and "seq" not in m and "cid" not in m
    assert p.recv_until(type="typing")["name"] == display(user)
    assert b.ok("history", room=room)["messages"] == []
    assert a.say(room, "x")["seq"] == 1
    p.close()


def test_an_applications_own_type(server, room):
    a, b = V1(server), V1(server)
    a.join(room)
    b.join(room)
    a.ok("game.move", room=room, from_="e2", to="e4", nested={"x": [1]})
    m = b.expect("game.move")
    assert m["from_"] == "e2" and m["to"] == "e4" and m["nested"] == {"x": [1]} and "cid" not in m
    a.error("not_joined", "game.move", room=new_room())


@pytest.mark.parametrize("type_", ["welcome", "ok", "error", "joined", "usermsg", "system", "presence", "renamed",
                                   "kicked", "muted", "pong"])
def test_types_of_the_server_are_reserved(server, room, type_):
    c = V1(server)
    c.join(room)
    c.error("reserved_type", type_, room=room, message="x")


@pytest.mark.parametrize("type_", ["system", "error", "welcome", "ok", "joined", "presence", "kicked", "muted", "topic",
                                   "edit", "delete", "deleted", "direct", "renamed", "who", "history", "rooms"])
def test_the_plain_dialect_forges_no_event(server, room, type_):
    """What the server says to natter.v1 clients nobody else can say to them."""
    c, p = V1(server), plain(server, room)
    c.join(room)
    p.send_json(type=type_, room=room, topic="x", seq=1, target=1, cid="x")
    assert p.recv_until(type="error")["code"] == "reserved_type"
    p.close()


def test_ping(server):
    c = V1(server)
    assert c.ok("ping", anything=1)["time"] > 10**12
    c.send(type="ping")
    assert c.next()["type"] == "pong"


# ---- what is wrong with a frame ----

@pytest.mark.parametrize("text", ["[]", "1", '"x"', "null", "hello", '{"type":"ping"', '{"type":"ping","n":9223372036854775808}',
                                  '{"type":"ping"}x', ""])
def test_bad_json_and_the_connection_lives_on(server, text):
    c = V1(server)
    c.client.send(text)
    e = c.next()
    assert e["type"] == "error" and e["code"] == "bad_json" and len(e["message"]) > 10
    c.sync()


def test_bad_json_says_where_and_why(server):
    c = V1(server)
    c.client.send('{"type":"ping",\n "x":tru}')
    e = c.next()
    assert "line 2" in e["message"], e


def test_binary_frames_close_1003(server):
    c = V1(server)
    c.client.send(b"\x00\x01", opcode=2)
    assert c.closed()[0] == 1003


def test_several_errors_do_not_end_a_connection(server, room):
    c = V1(server)
    for _ in range(50):
        c.error("not_joined", "leave", room=room)
    c.join(room)
    contiguous([c.say(room, i)["seq"] for i in range(5)], 1)


def test_the_session_is_told_to_nobody_else_and_never_logged(server, room):
    a, b = V1(server), V1(server)
    a.join(room)
    b.join(room)
    a.say(room, "x")
    b.hear("x")
    b.ok("who", room=room)
    assert a.session != b.session
    assert not any(a.session in e.text for e in b.events)
    assert a.session not in server.log()


def test_a_daemon_that_stops_says_so(start, room):
    d = start("announce = off\n")
    c = V1(d)
    c.join(room)
    d.signal(signal.SIGTERM)
    assert c.closed()[0] == 1001
    c.close()
    d.stop()
