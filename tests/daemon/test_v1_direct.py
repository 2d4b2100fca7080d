"""natter.v1: private messages, conversations, and read markers."""
import json

import pytest

from natterd import wait_for
from v1 import COMMON, KILL_PROOF, V1, contiguous, display, new_user

WORKERS = [1, 2]


@pytest.fixture
def pair(server):
    """Two users, one connection each: (client, client, id, id)."""
    a, b = new_user(), new_user()
    return V1(server, user=a), V1(server, user=b), a, b


# ---- direct ----

def test_direct_reaches_every_connection_of_both(server, pair):
    a, b, ida, idb = pair
    a2, b2, other = V1(server, user=ida), V1(server, user=idb), V1(server, user=new_user())
    got = a.ok("direct", user=idb, message="psst", color="grey")
    assert got["seq"] == 1 and got["between"] == sorted([ida, idb])
    texts = set()
    for c in (a, b, a2, b2):
        m = c.expect("direct")
        texts.add(m.text)
        assert (m["message"], m["color"], m["user"], m["name"], m["to"]) == ("psst", "grey", ida, display(ida), idb)
        assert m["between"] == sorted([ida, idb]) and (m["seq"], m["time"]) == (1, got["time"]) and "cid" not in m
    assert len(texts) == 1
    other.nothing("direct")


def test_members_that_are_the_servers_are_there_once(server, pair):
    a, b, ida, idb = pair
    forged = {"between": ["x", "y"], "time": 5, "name": "root"}
    seq = a.ok("direct", user=idb, **forged, seq=77, message="x")["seq"]
    a.ok("edit", seq=seq, message="y", **forged, user="root", target=5, **{"with": idb})
    a.ok("message", message="z", **forged, seq=77, user="root", **{"with": idb})
    for type in ("direct", "edit", "direct"):
        m = b.expect(type)
        assert (m["between"], m["user"], m["name"]) == (sorted([ida, idb]), ida, display(ida)) and m["time"] > 10**12
        assert all(m.text.count(f'"{it}":') == 1 for it in m), m.text


def test_direct_by_name(server, pair):
    a, b, _, idb = pair
    got = a.ok("direct", to=display(idb), message="x")
    assert got["seq"] == 1 and b.expect("direct")["to"] == idb


def test_ok_comes_before_the_own_copy_of_a_direct(server, pair):
    a, _, _, idb = pair
    cid = a.post("direct", user=idb, message="x")
    assert a.read()["cid"] == cid
    assert a.read()["type"] == "direct"


def test_direct_to_one_who_is_away_is_stored(server, pair):
    a, b, _, idb = pair
    b.close()
    a.ok("direct", user=idb, message="while you were out")
    b = V1(server, user=idb)
    page = b.ok("history", **{"with": a.welcome["user"]})
    assert [m["message"] for m in page["messages"]] == ["while you were out"]
    assert page["between"] == sorted([a.welcome["user"], idb])


def test_a_conversation_has_its_order(server, pair):
    a, b, ida, idb = pair
    for i in range(20):
        (a if i % 3 else b).ok("direct", user=idb if i % 3 else ida, message=i)
    heard = [b.expect("direct") for _ in range(20)]
    contiguous([m["seq"] for m in heard], 1)
    assert [a.expect("direct").text for _ in range(20)] == [m.text for m in heard]


def test_edit_and_delete_in_a_conversation(server, pair):
    a, b, ida, idb = pair
    m = a.ok("direct", user=idb, message="x")
    n = a.ok("direct", user=idb, message="y")
    b.error("not_yours", "edit", seq=m["seq"], message="no", **{"with": ida})
    a.ok("edit", seq=m["seq"], message="z", **{"with": idb})
    e = b.expect("edit")
    assert (e["target"], e["message"], e["between"]) == (m["seq"], "z", sorted([ida, idb])) and "room" not in e
    a.ok("delete", seq=n["seq"], **{"with": idb})
    assert b.expect("delete")["target"] == n["seq"]
    page = b.ok("history", **{"with": ida})["messages"]
    assert [x["type"] for x in page] == ["direct", "deleted", "edit", "delete"] and page[0]["message"] == "z"


def test_a_moderator_is_no_party(server, pair):
    a, _, ida, idb = pair
    a.ok("direct", user=idb, message="private")
    mod = V1(server, user="mod0")
    page = mod.ok("history", **{"with": ida})
    assert page["messages"] == []  # its own conversation with ida, which is empty
    assert mod.request("edit", seq=1, message="x", **{"with": ida})["code"] == "no_message"


def test_what_was_missed_of_a_conversation(server, pair):
    a, b, ida, idb = pair
    for i in range(5):
        a.ok("direct", user=idb, message=i)
    c = V1(server, user=idb)
    page = c.ok("history", after=2, **{"with": ida})
    assert page["between"] == sorted([ida, idb]) and page["epoch"] and not page["more"]
    contiguous([m["seq"] for m in page["messages"]], 3)
    c.error("bad_request", "join", since={"epoch": page["epoch"], "seq": 2}, **{"with": ida})


def test_a_message_in_a_conversation(server, pair):
    a, b, ida, idb = pair
    got = a.ok("message", message="x", **{"with": idb})
    m = b.expect("direct")
    assert (m["seq"], m["message"], m["user"]) == (got["seq"], "x", ida)


def test_with_oneself_and_with_a_guest(server, pair):
    a, _, ida, _ = pair
    guest = V1(server)
    guest.error("login_needed", "history", **{"with": ida})
    guest.error("login_needed", "message", message="x", **{"with": ida})


def test_direct_with_a_guest_is_relayed(server, pair):
    a, _, ida, _ = pair
    guest = V1(server, "/?name=Fitzgerald" + ida)
    got = a.ok("direct", to="Fitzgerald" + ida, message="x")
    assert "seq" not in got and "between" not in got
    m = guest.expect("direct")
    assert (m["message"], m["user"], m["name"], m["to"]) == ("x", ida, display(ida), "Fitzgerald" + ida)
    assert "seq" not in m and m["time"] > 10**12
    guest.ok("direct", user=ida, message="y")
    m = a.expect("direct", message="y")
    assert m["name"] == "Fitzgerald" + ida and "user" not in m and "seq" not in m
    assert "Fitzgerald" not in a.ok("conversations").text
    guest.close()


def test_direct_between_guests(server):
    a, b = V1(server, "/?name=Araminta"), V1(server, "/?name=Barnaby")
    a.ok("direct", to="Barnaby", message="x")
    m = b.expect("direct")
    assert (m["name"], m["to"]) == ("Araminta", "Barnaby")
    V1(server).ok("direct", to="barnaby", message="nameless")  # the same name
    assert "name" not in b.expect("direct", message="nameless")
    a.close()
    b.close()


def test_direct_to_nobody(server):
    a = V1(server, user=new_user())
    a.error("not_there", "direct", to="Nobody At All", message="x")
    V1(server).error("not_there", "direct", user="nobody-at-all", message="x")
    a.error("bad_request", "direct", message="x")


def test_a_plain_client_cannot_be_addressed(server):
    """It has a name like others, and no words for a private message."""
    p = server.connect("/?name=Cornelius")
    c = V1(server, user=new_user())
    wait_for("the name", lambda: c.request("name", name="Cornelius")["type"] == "error")
    c.error("not_there", "direct", to="Cornelius", message="x")
    assert not any(json.loads(text)["type"] == "direct" for text in texts_until_now(p))
    p.close()


def texts_until_now(p):
    """What a plain client was sent."""
    p.send_json(type="mark")
    texts = []
    while not texts or json.loads(texts[-1])["type"] != "mark":
        texts.append(p.recv())
    return texts


def test_conversations(server, pair):
    a, b, ida, idb = pair
    third = V1(server, user=new_user())
    idc = third.welcome["user"]
    assert a.ok("conversations")["conversations"] == []
    a.ok("direct", user=idb, message=1)
    a.ok("direct", user=idb, message=2)
    third.ok("direct", user=ida, message=3)
    got = {c["with"]: c for c in a.ok("conversations")["conversations"]}
    assert {w: c["seq"] for w, c in got.items()} == {idb: 2, idc: 1}
    assert all(c["time"] > 10**12 for c in got.values())
    assert [c["with"] for c in b.ok("conversations")["conversations"]] == [ida]
    a.ok("read", seq=1, **{"with": idb})
    got = {c["with"]: c for c in a.ok("conversations")["conversations"]}
    assert got[idb]["read"] == 1 and "read" not in got[idc]
    assert "read" not in b.ok("conversations")["conversations"][0]


def test_conversations_survive_kill_9(start, state):
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON)
    a, b = V1(d, user="u1"), V1(d, user="u2")
    a.ok("direct", user="u2", message="x")
    a.ok("read", seq=1, **{"with": "u2"})
    d.kill()
    d.start()
    a, b = V1(d, user="u1"), V1(d, user="u2")
    got = a.ok("conversations")["conversations"]
    assert [(c["with"], c["seq"], c["read"]) for c in got] == [("u2", 1, 1)]
    assert [m["message"] for m in b.ok("history", **{"with": "u1"})["messages"]] == ["x"]


def test_conversations_are_for_users(server):
    V1(server).error("login_needed", "conversations")


# ---- read markers ----

def test_read_is_monotonic(server, room):
    c = V1(server, user=new_user())
    c.join(room)
    for i in range(5):
        c.say(room, i)
    assert c.ok("read", room=room, seq=3)["seq"] == 3
    assert c.ok("read", room=room, seq=1)["seq"] == 3
    assert c.ok("read", room=room, seq=5)["seq"] == 5
    c.leave(room)
    assert c.join(room)["read"] == 5


def test_read_is_kept_per_user_and_private(server, room):
    one, other = new_user(), new_user()
    a, b, c = V1(server, user=one), V1(server, user=one), V1(server, user=other)
    for x in (a, c):
        x.join(room)
    a.say(room, "x")
    a.say(room, "y")
    a.ok("read", room=room, seq=2)
    assert b.join(room)["read"] == 2
    c.expect("usermsg", seq=2)
    c.sync()
    c.nothing("read")
    c.leave(room)
    assert "read" not in c.join(room)


def test_read_needs_a_login_and_a_room(server, room):
    guest = V1(server)
    guest.join(room)
    guest.error("login_needed", "read", room=room, seq=1)
    V1(server, user=new_user()).error("not_joined", "read", room=room, seq=1)


def test_read_beyond_the_last(server, room):
    """A marker is never where no message was yet."""
    c = V1(server, user=new_user())
    c.join(room)
    c.say(room, "x")
    got = c.request("read", room=room, seq=10**9)
    assert got["type"] == "error" or got["seq"] <= 1, got


def test_read_survives_kill_9(start, state, room):
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON)
    c = V1(d, user="u1")
    c.join(room)
    c.say(room, "x")
    c.ok("read", room=room, seq=1)
    d.kill()
    d.start()
    assert V1(d, user="u1").join(room)["read"] == 1
