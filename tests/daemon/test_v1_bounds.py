"""natter.v1: every bound is hit: what is just allowed is, and what is one more is not."""
import json
import time

import pytest

from natterd import wait_for
from v1 import COMMON, V1, new_room, new_user, plain, secret, token_section


def inside(d, room, **kwargs):
    c = V1(d, **kwargs)
    c.join(room)
    return c


def test_rooms_per_connection(start):
    d = start(COMMON + "rooms_per_connection = 3\n")
    c = V1(d)
    assert c.welcome["limits"]["rooms_per_connection"] == 3
    rooms = [new_room() for _ in range(4)]
    for r in rooms[:3]:
        c.join(r)
    c.error("too_many_joined", "join", room=rooms[3])
    c.leave(rooms[0])
    c.join(rooms[3])
    c.error("too_many_joined", "join", room=rooms[0])
    V1(d).join(rooms[0])


def test_rooms_per_connection_without_waiting(start):
    d = start(COMMON + "rooms_per_connection = 3\n")
    c = V1(d)
    cids = [c.post("join", room=new_room()) for _ in range(10)]
    types = [c.answer(cid)["type"] for cid in cids]
    assert types == ["joined"] * 3 + ["error"] * 7


def test_max_rooms(start):
    d = start(COMMON + "max_rooms = 3\nroom_keep = 1h\n")
    c = V1(d)
    rooms = [new_room() for _ in range(4)]
    for r in rooms[:3]:
        c.join(r)
    c.error("too_many_rooms", "join", room=rooms[3])
    c.sync()  # it lives on
    c.leave(rooms[0])
    wait_for("a place", lambda: c.request("join", room=rooms[3])["type"] == "joined")


def test_room_name(server):
    c = V1(server)
    assert c.join("\u00e9" * 64)["room"] == "\u00e9" * 64  # 128 bytes
    c.error("bad_room", "join", room="\u00e9" * 64 + "x")
    for room in ("", "@x", "a\u0000b", "\u202e", "x" * 129):
        c.error("bad_room", "join", room=room)


def test_name_length(server):
    c = V1(server)
    c.ok("name", name="N" * 64)
    c.error("bad_name", "name", name="N" * 65)
    c.ok("name", name=None)


@pytest.mark.parametrize("depth, good", [(32, True), (33, False)])
def test_depth(server, room, depth, good):
    c = inside(server, room)
    nested = "[" * (depth - 1) + "]" * (depth - 1)
    c.client.send('{"type":"message","cid":"d","room":%s,"message":%s}' % (json.dumps(room), nested))
    if good:
        assert c.answer("d")["seq"] == 1
    else:
        assert c.next()["code"] == "too_complex"


@pytest.mark.parametrize("extra, good", [(0, True), (1, False)])
def test_members(start, room, extra, good):
    d = start(COMMON + "max_members = 40\n")
    c = inside(d, room)
    c.send(type="message", cid="d", room=room, message="x", **{f"m{i}": i for i in range(36 + extra)})
    if good:
        assert c.answer("d")["seq"] == 1
    else:
        assert c.expect("error")["code"] == "too_complex"


def test_cid_length(server, room):
    c = inside(server, room)
    assert c.ok("message", "x" * 64, room=room, message="x")["seq"] == 1
    assert c.ok("message", "\u00e9" * 32, room=room, message="x")["seq"] == 2
    c.send(type="message", cid="x" * 65, room=room, message="x")
    assert c.expect("error")["code"] == "bad_cid"


def test_history_limit(start, room):
    d = start(COMMON + "history_max = 20\n")
    c = inside(d, room)
    assert c.welcome["limits"]["history_max"] == 20
    for i in range(40):
        c.say(room, i)
    assert len(c.ok("history", room=room, limit=20)["messages"]) == 20
    page = c.request("history", room=room, limit=21)
    assert page.get("code") == "bad_request" or len(page["messages"]) == 20
    assert len(c.ok("history", room=room)["messages"]) <= 20  # the default is not above it
    b = V1(d)
    got = b.request("join", room=room, history=21)
    if got["type"] == "joined":
        c.say(room, "end")
        n = 0
        while b.expect("usermsg")["message"] != "end":
            n += 1
        assert n == 20


def test_message_size(server, room):
    c = inside(server, room)
    head = len(json.dumps({"type": "message", "cid": "s", "room": room, "message": ""}))
    c.send(type="message", cid="s", room=room, message="x" * (65536 - head))
    assert c.answer("s")["seq"] == 1
    c.send(type="message", cid="t", room=room, message="x" * (65536 - head + 1))
    assert c.closed()[0] == 1009


def test_rate(start, room):
    """Who sends too fast is not read for a while: nothing is lost."""
    d = start(COMMON.replace("message_rate = 0", "message_rate = 20\nmessage_burst = 5"))
    c = inside(d, room)
    assert (c.welcome["limits"]["message_rate"], c.welcome["limits"]["message_burst"]) == (20, 5)
    begin = time.monotonic()
    cids = [c.post("message", room=room, message=i) for i in range(40)]
    assert [c.answer(cid)["seq"] for cid in cids] == list(range(1, 41))
    assert time.monotonic() - begin > 1.2  # 35 beyond the burst, 20 a second


def test_flood_is_told_and_closed(start, room):
    d = start(COMMON.replace("message_rate = 0", "message_rate = 10\nmessage_burst = 5\nflood_time = 1s"))
    c = inside(d, room)
    for _ in range(100):
        c.send(type="typing", room=room)
    code, _ = c.closed()
    assert code == 4500
    assert [e for e in c.events if e["type"] == "error"][-1]["code"] == "rate_limited"


def test_every_request_counts(start, room):
    """Also those that only ask."""
    d = start(COMMON.replace("message_rate = 0", "message_rate = 20\nmessage_burst = 5"))
    c = inside(d, room)
    begin = time.monotonic()
    for cid in [c.post("ping") for _ in range(30)]:
        c.answer(cid)
    assert time.monotonic() - begin > 0.7


def test_topic_length(server, room):
    mod = inside(server, room, user="mod0")
    mod.ok("topic", room=room, topic="\u00e9" * 250)
    assert mod.expect("topic")["topic"] == "\u00e9" * 250
    got = mod.request("topic", room=room, topic="x" * 501)
    assert got["type"] == "error" and got["code"] == "bad_request"


@pytest.mark.parametrize("limit", [0, -1, 201, 10**6])
@pytest.mark.parametrize("type_", ["who", "rooms"])
def test_limits_of_lists(server, room, type_, limit):
    """Above 200 it is refused, or as 200."""
    c = inside(server, room)
    got = c.request(type_, limit=limit, **({"room": room} if type_ == "who" else {}))
    if limit < 0:
        assert got["type"] == "error" and got["code"] == "bad_request"
    else:
        assert got["type"] == "error" or len(got.get("members", got.get("rooms"))) <= 200


def test_a_page_of_rooms_has_200_at_most(start):
    d = start(COMMON + "rooms_per_connection = 250\n")
    c = V1(d)
    for cid in [c.post("join", room=f"r{i:03}") for i in range(230)]:
        assert c.answer(cid)["type"] == "joined"
    page = c.ok("rooms", limit=200)
    assert len(page["rooms"]) == 200 and page["more"] is True
    rest = c.ok("rooms", limit=200, after=page["rooms"][-1]["room"])
    assert [r["room"] for r in page["rooms"] + rest["rooms"]] == [f"r{i:03}" for i in range(230)]
    assert rest["more"] is False


def test_a_page_of_who_has_200_at_most(start, room):
    d = start(COMMON + "who_max = 1000\n")
    clients = [plain(d, f"{room}?name=Ann{i:03}") for i in range(205)]
    c = inside(d, room)
    page = c.ok("who", room=room, limit=200)
    assert len(page["members"]) == 200 and page["more"] is True and page["count"] == 205
    rest = c.ok("who", room=room, limit=200, after=page["members"][-1]["name"])
    assert len({m["name"] for m in page["members"] + rest["members"]}) == 205 and rest["more"] is False
    for p in clients:
        p.close()


def test_cids_per_sender(start, room):
    """A thousand of a sender are remembered; the latest always."""
    d = start(COMMON)
    c = inside(d, room)
    for i in range(0, 1100, 100):
        for cid in [c.post("message", f"c{i + k}", room=room, message="x") for k in range(100)]:
            c.answer(cid)
        c.events.clear()
    assert c.ok("message", "c1099", room=room, message="x")["duplicate"] is True
    assert c.ok("message", "c101", room=room, message="x")["duplicate"] is True
    assert "duplicate" not in c.ok("message", "c1", room=room, message="x")


def test_token_length(server):
    c = V1(server)
    c.error("bad_token", "auth", token="x" * 4096)
    assert c.request("auth", token="x" * 5000)["type"] == "error"


def test_reason_length(server, room):
    """A reason goes to somebody else: it is bounded, whatever the bound."""
    mod, user = inside(server, room, user="mod0"), new_user()
    c = inside(server, room, user=user)
    got = mod.request("kick", room=room, user=user, reason="x" * 30000)
    if got["type"] == "ok":
        assert len(c.expect("kicked")["reason"]) <= 30000
    else:
        assert got["code"] == "bad_request"
        c.sync()


def test_long_types(server, room):
    c, other = inside(server, room), inside(server, room)
    got = c.request("t" * 10000, room=room)
    assert got["type"] in ("ok", "error")
    if got["type"] == "ok":
        assert len(other.expect("t" * 10000)["type"]) == 10000


def test_user_id_length(start):
    d = start("announce = off\n" + token_section(secret("long"), "u" * 64))
    assert V1(d, token=secret("long")).welcome["user"] == "u" * 64
