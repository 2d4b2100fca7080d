"""natter.v1: every error code is provoked, and says more than its code."""
import os
import re

import pytest

import jwt
from natterd import HERE
from v1 import COMMON, V1, display, new_room, new_user, plain, secret

with open(os.path.join(HERE, "..", "..", "src", "chat", "reply.def"), encoding="utf-8") as f:
    TEXTS = dict(re.findall(r'^REPLY\((\w+),\s*"([^"]*)"', f.read(), re.M))


def inside(d, room, **kwargs):
    c = V1(d, **kwargs)
    c.join(room)
    return c


def bad_frame(d, text):
    c = V1(d)
    c.client.send(text)
    return c.read()


def full_of_sanctions(d, room):
    """A moderator bans until there are too many."""
    mod = inside(d, room, user="mod0")
    for i in range(1001):
        got = mod.request("ban", room=room, user=f"nobody{i}", duration=600)
        if got["type"] == "error":
            return got
    return got


def forged_name(d, room):
    V1(d).ok("name", name="Leopoldine")
    return V1(d).request("name", name="leopoldine")


def reused(d, room):
    c = inside(d, room)
    c.ok("message", "id", room=room, message="x")
    return c.request("message", "id", room=room, message="y")


def sanctioned(d, room, type_):
    user, mod = new_user(), inside(d, room, user="mod0")
    mod.ok(type_, room=room, user=user, duration=60)
    c = V1(d, user=user)
    if type_ == "ban":
        return c.request("join", room=room)
    c.join(room)
    return c.request("message", room=room, message="x")


def not_yours(d, room):
    inside(d, room).say(room, "x")
    return inside(d, room).request("edit", room=room, seq=1, message="y")


def too_many_joined(d, room):
    c = V1(d)
    for i in range(c.welcome["limits"]["rooms_per_connection"] + 1):
        got = c.request("join", room=f"{room}-{i}")
    return got


def flood(d, room):
    c = V1(d)
    c.client.sock.settimeout(60)
    c.join(room)
    try:
        while True:
            for _ in range(50):
                c.send(type="ping")
            c.client.sock.settimeout(0.5)
            try:
                while True:
                    got = c.read()
                    if got["type"] == "error":
                        return got
            except TimeoutError:
                pass
            c.client.sock.settimeout(60)
    except (BrokenPipeError, ConnectionResetError):
        while True:
            got = c.read()
            if got["type"] == "error":
                return got


def unstorable(d, room):
    c = inside(d, room)
    return c.request("message", room=room, message="x")


def too_many_rooms(d, room):
    c = inside(d, room)
    c.join(room + "2")
    return c.request("join", room=room + "3")


def damaged(state):
    """A journal that cannot be used."""
    with open(os.path.join(state, "journal.db"), "wb") as f:
        f.write(b"\xa5" * 8192)
    os.chmod(os.path.join(state, "journal.db"), 0o640)
    return f"state_dir = {state}\n"


def signed(_):
    """Knows a key."""
    jwt.needed()
    return jwt.section()


def limited(d, room):
    return V1(d, token=jwt.token("ann", rooms=["lobby"])).request("join", room=room)


def unwritable(d, room):
    c = inside(d, room, token=jwt.token("ann", rooms={"write": []}))
    return c.request("message", room=room, message="x")


# code: how it is provoked, from (daemon, room); and where it needs a daemon of its own: that one's configuration.
ROWS = {
    "bad_json": lambda d, room: bad_frame(d, "{"),
    "too_complex": lambda d, room: bad_frame(d, "[" * 40 + "]" * 40),
    "reserved_type": lambda d, room: inside(d, room).request("system", room=room, message="x"),
    "bad_name": lambda d, room: V1(d).request("name", name=""),
    "name_taken": forged_name,
    "bad_request": lambda d, room: V1(d).request("join"),
    "too_many_rooms": (too_many_rooms, "max_rooms = 2\n"),
    "storage_unavailable": (unstorable, damaged),
    "rate_limited": (flood, "message_rate = 10\nmessage_burst = 5\nflood_time = 1s\n"),
    "bad_cid": lambda d, room: bad_frame(d, '{"type":"ping","cid":""}'),
    "cid_reused": reused,
    "login_needed": lambda d, room: V1(d).request("conversations"),
    "bad_token": lambda d, room: V1(d).request("auth", token="x"),
    "forbidden": lambda d, room: inside(d, room, user=new_user()).request("topic", room=room, topic="x"),
    "room_forbidden": (limited, signed),
    "read_only": (unwritable, signed),
    "session_unknown": lambda d, room: V1(d).request("resume", session="x" * 43),
    "name_reserved": (lambda d, room: V1(d).request("name", name="admin"), 'reserved_names = {"admin"}\n'),
    "bad_room": lambda d, room: V1(d).request("join", room="@x"),
    "no_such_room": (lambda d, room: V1(d).request("join", room=room), "create_rooms = no\nrooms = {lobby}\n"),
    "already_joined": lambda d, room: inside(d, room).request("join", room=room),
    "not_joined": lambda d, room: V1(d).request("leave", room=room),
    "too_many_joined": too_many_joined,
    "banned": lambda d, room: sanctioned(d, room, "ban"),
    "muted": lambda d, room: sanctioned(d, room, "mute"),
    "not_there": lambda d, room: V1(d).request("direct", to="Nobody There", message="x"),
    "no_message": lambda d, room: inside(d, room).request("edit", room=room, seq=1, message="x"),
    "not_yours": not_yours,
    "list_full": full_of_sanctions,
}


def test_the_table_has_every_code():
    assert set(ROWS) == set(TEXTS)


@pytest.mark.parametrize("code", TEXTS)
def test_code(server, start, state, room, code):
    row, d = ROWS[code], server
    if isinstance(row, tuple):
        row, config = row
        config = config(state) if callable(config) else config
        d = start((COMMON.replace("message_rate = 0\n", "") if "message_rate" in config else COMMON) + config)
    got = row(d, room)
    assert got["type"] == "error" and got["code"] == code, got
    assert got["message"].startswith(TEXTS[code]), got
    assert set(got) <= {"type", "cid", "code", "message", "retry_after", "room"}


# ---- what each request needs ----

@pytest.mark.parametrize("type_", ["join", "leave", "message", "edit", "delete", "who", "history", "read", "kick", "ban",
                                   "mute", "topic", "typing"])
@pytest.mark.parametrize("value", [1, None, [], {}, True])
def test_room_is_a_string(server, type_, value):
    c = V1(server, user="mod1")
    more = {"message": "x", "seq": 1, "user": "u", "duration": 1, "topic": "x"}
    assert c.request(type_, room=value, **more)["code"] in ("bad_request", "bad_room")
    c.close()


@pytest.mark.parametrize("type_, members", [
    ("join", {}), ("leave", {}), ("message", {}), ("message", {"room": None}), ("edit", {"seq": 1}), ("who", {}),
    ("history", {}), ("read", {"seq": 1}), ("direct", {"to": "x"}), ("direct", {"message": "x"}),
    ("direct", {"to": 1, "message": "x"}), ("direct", {"user": [], "message": "x"}), ("resume", {}), ("auth", {}), ("name", {}),
    ("rooms", {"limit": "x"}), ("rooms", {"after": 1}), ("kick", {"user": "x"}),
])
def test_missing_members(server, type_, members):
    c = V1(server, user="mod1")
    got = c.request(type_, **members)
    assert got["type"] == "error" and got["code"] in ("bad_request", "bad_room"), got
    c.close()


@pytest.mark.parametrize("type_, members", [
    ("message", {}), ("edit", {"seq": 1}), ("read", {}), ("read", {"seq": "1"}), ("read", {"seq": -1}), ("topic", {}),
    ("history", {"before": 1, "after": 1}), ("history", {"before": "x"}), ("history", {"after": -1}),
    ("history", {"limit": "x"}), ("who", {"limit": "x"}), ("who", {"after": 5}), ("kick", {}), ("ban", {"user": "x"}),
    ("join", {"history": "x"}), ("join", {"history": -1}), ("kick", {"user": 1}), ("kick", {"name": 1}),
    ("mute", {"user": "x", "duration": "1"}), ("kick", {"user": "x", "reason": 1}),
])
def test_missing_members_in_a_room(server, room, type_, members):
    c = V1(server, user="mod1")
    c.join(room)
    if type_ == "join":
        c.leave(room)
    got = c.request(type_, room=room, **members)
    assert got["type"] == "error" and got["code"] == "bad_request", got
    c.close()


@pytest.mark.parametrize("text", ['{}', '{"type":1}', '{"type":null}', '{"type":""}', '{"cid":"x"}', '{"message":"x"}'])
def test_a_frame_without_a_type(server, text):
    got = bad_frame(server, text)
    assert got["type"] == "error" and got["code"] == "bad_request", got


@pytest.mark.parametrize("cid", ["", "x" * 65, "\u00e9" * 33, 1, None, [], {}])
def test_bad_cids(server, room, cid):
    c = V1(server)
    c.join(room)
    c.send(type="message", room=room, message="x", cid=cid)
    c.send(type="ping", cid=cid)
    for _ in range(2):
        got = c.expect("error")
        assert got["code"] == "bad_cid" and "cid" not in got, got
    assert c.say(room, "y")["seq"] == 1


def test_the_plain_dialect_has_them_too(server, room):
    p = plain(server, room)
    for text, code in (("{", "bad_json"), ('{"type":"system"}', "reserved_type"), ("[" * 40 + "]" * 40, "too_complex")):
        p.send(text)
        got = p.recv_until(type="error")
        assert got["code"] == code and got["message"].startswith(TEXTS[code])
    p.close()


def test_every_answer_has_its_cid(server):
    """Errors of all requests, without waiting: each is answered once, by its own cid."""
    room = new_room()
    c = V1(server)
    cids = [c.post(t, room=room, message="x", seq=1, user="u", duration=1, topic="t", token="x", session="s", name="")
            for t in ("leave", "message", "edit", "delete", "who", "history", "read", "kick", "ban", "mute", "topic", "auth",
                      "resume", "name", "conversations", "typing", "direct", "system")] 
    for cid in cids:
        assert c.answer(cid)["type"] == "error"
    c.sync()
    assert not c.answers and not c.events
    assert c.ok("auth", token=secret("u1"))["name"] == display("u1")
