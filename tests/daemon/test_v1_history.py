"""natter.v1: the past: what was missed, pages of it, what was edited and what was deleted."""
import json
import os

import pytest

from natterd import wait_for
from v1 import COMMON, KILL_PROOF, V1, contiguous, display, new_user, plain

WORKERS = [1, 2]
JOURNALS = ["memory", "sqlite"]


@pytest.fixture(params=JOURNALS)
def keeping(request, state, start):
    """A daemon with each journal."""
    def go(config=""):
        return start(COMMON + f"journal = {request.param}\nstate_dir = {state}\n" + config)
    return go


@pytest.fixture
def told(server, room):
    """A room with 30 messages: (member, frames)."""
    c = V1(server)
    c.join(room)
    return c, [c.say(room, f"m{i}") for i in range(1, 31)]


# ---- what was missed ----

@pytest.mark.parametrize("since", [0, 1, 17, 29, 30])
def test_since_brings_exactly_the_missed_ones(server, room, told, since):
    c, frames = told
    b = V1(server)
    j = b.join(room, since={"epoch": joined(c, room), "seq": since})
    assert j["recovered"] is True and j["seq"] == 30
    assert [b.expect("usermsg").text for _ in range(30 - since)] == [m.text for m in frames[since:]]
    c.say(room, "live")
    assert b.expect("usermsg")["seq"] == 31


def joined(c, room):
    return c.ok("history", room=room, limit=1)["epoch"]


def test_since_of_another_epoch(server, room, told):
    c, frames = told
    b = V1(server)
    j = b.join(room, since={"epoch": "another", "seq": 3}, history=4)
    assert j["recovered"] is False and j["epoch"] == joined(c, room)
    assert [b.expect("usermsg").text for _ in range(4)] == [m.text for m in frames[-4:]]
    c.say(room, "live")
    assert b.expect("usermsg")["seq"] == 31


def test_since_of_the_future(server, room, told):
    c, _ = told
    b = V1(server)
    assert b.join(room, since={"epoch": joined(c, room), "seq": 31})["recovered"] is False


def test_unrecovered_brings_fifty_by_default(server, room):
    c = V1(server)
    c.join(room)
    for i in range(60):
        c.say(room, i)
    b = V1(server)
    assert b.join(room, since={"epoch": "another", "seq": 3})["recovered"] is False
    contiguous([b.expect("usermsg")["seq"] for _ in range(50)], 11)


def test_more_than_recover_max(keeping, room):
    d = keeping("recover_max = 20\n")
    c = V1(d)
    epoch = c.join(room)["epoch"]
    for i in range(50):
        c.say(room, i)
    b = V1(d)
    assert b.welcome["limits"]["recover_max"] == 20
    assert b.join(room, since={"epoch": epoch, "seq": 30})["recovered"] is True
    contiguous([b.expect("usermsg")["seq"] for _ in range(20)], 31)
    b.leave(room)
    assert b.join(room, since={"epoch": epoch, "seq": 29}, history=5)["recovered"] is False
    contiguous([b.expect("usermsg")["seq"] for _ in range(5)], 46)
    c.say(room, "live")
    assert b.expect("usermsg")["seq"] == 51


def test_what_is_not_kept_any_more_is_not_recovered(keeping, room):
    """Never a part of what was missed as if it were the whole."""
    d = keeping("history_messages = 20\n")
    c = V1(d)
    epoch = c.join(room)["epoch"]
    for i in range(50):
        c.say(room, i)
    for since in range(0, 50, 7):
        b = V1(d)
        j = b.join(room, since={"epoch": epoch, "seq": since})
        got = []
        c.say(room, "end")
        while not got or got[-1]["message"] != "end":
            got.append(b.expect("usermsg"))
        if j["recovered"]:
            contiguous([m["seq"] for m in got], since + 1)
        else:
            contiguous([m["seq"] for m in got], got[0]["seq"])
            assert got[0]["seq"] > since + 1
        b.close()
    assert V1(d).join(room, since={"epoch": epoch, "seq": 1})["recovered"] is False


def test_since_members(server, room):
    c = V1(server)
    for since in (1, "x", {}, {"epoch": "e"}, {"seq": 1}, {"epoch": 1, "seq": 1}, {"epoch": "e", "seq": "1"},
                  {"epoch": "e", "seq": -1}, {"epoch": "e", "seq": 1.5}):
        c.error("bad_request", "join", room=room, since=since)


# ---- pages ----

def test_history_both_ways(server, room, told):
    c, frames = told
    page = c.ok("history", room=room, limit=10)
    assert page["room"] == room and page["epoch"] and page["more"] is True
    assert page["messages"] == frames[20:]
    page = c.ok("history", room=room, before=21, limit=10)
    assert page["messages"] == frames[10:20] and page["more"] is True
    page = c.ok("history", room=room, before=11, limit=10)
    assert page["messages"] == frames[:10] and page["more"] is False
    page = c.ok("history", room=room, before=1)
    assert page["messages"] == [] and page["more"] is False
    page = c.ok("history", room=room, after=0, limit=12)
    assert page["messages"] == frames[:12] and page["more"] is True
    page = c.ok("history", room=room, after=18, limit=12)
    assert page["messages"] == frames[18:] and page["more"] is False
    page = c.ok("history", room=room, after=30)
    assert page["messages"] == [] and page["more"] is False


def test_history_is_the_same_bytes(server, room, told):
    c, frames = told
    assert frames[3].text in c.ok("history", room=room).text


def test_history_brings_fifty_by_default(server, room):
    c = V1(server)
    c.join(room)
    for i in range(60):
        c.say(room, i)
    assert len(c.ok("history", room=room)["messages"]) == 50


def test_history_is_for_members(server, room):
    V1(server).error("not_joined", "history", room=room)


def test_history_after_a_restart(start, state, room):
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON)
    c = V1(d)
    c.join(room)
    frames = [c.say(room, i) for i in range(10)]
    d.kill()
    d.start()
    c = V1(d)
    c.join(room)
    assert c.ok("history", room=room)["messages"] == frames


# ---- edit, delete ----

def test_edit_own(keeping, room):
    d = keeping()
    a, b = V1(d), V1(d)
    a.join(room)
    b.join(room)
    m = a.say(room, "teh", color="red")
    got = a.ok("edit", room=room, seq=m["seq"], message="the", color="blue")
    assert got["seq"] == m["seq"] + 1 and got["time"] >= m["time"]
    for c in (a, b):
        e = c.expect("edit")
        assert (e["target"], e["message"], e["color"], e["seq"], e["room"]) == (m["seq"], "the", "blue", got["seq"], room)
    kept, event = b.ok("history", room=room)["messages"]
    assert (kept["type"], kept["message"], kept["seq"], kept["time"]) == ("usermsg", "the", m["seq"], m["time"])
    assert kept["edited"] == got["seq"]
    assert (event["type"], event["target"], event["seq"]) == ("edit", m["seq"], got["seq"])


def test_edit_twice(keeping, room):
    d = keeping()
    a = V1(d)
    a.join(room)
    m = a.say(room, "1")
    a.ok("edit", room=room, seq=m["seq"], message="2")
    last = a.ok("edit", room=room, seq=m["seq"], message="3")
    kept, first, second = a.ok("history", room=room)["messages"]
    assert kept["message"] == "3" and kept["edited"] == last["seq"]
    assert first["type"] == "edit" and first["target"] == m["seq"] and "message" not in first
    assert second["type"] == "edit" and second["message"] == "3"


def test_delete_own(keeping, room):
    d = keeping()
    a, b = V1(d), V1(d)
    a.join(room)
    b.join(room)
    m = a.say(room, "an indiscretion")
    got = a.ok("delete", room=room, seq=m["seq"])
    e = b.expect("delete")
    assert (e["target"], e["seq"], e["room"]) == (m["seq"], got["seq"], room)
    tomb, event = b.ok("history", room=room)["messages"]
    assert (tomb["type"], tomb["seq"], tomb["time"], tomb["deleted"], tomb["room"]) == \
        ("deleted", m["seq"], m["time"], got["seq"], room)
    assert "message" not in tomb and event["type"] == "delete"
    assert "indiscretion" not in json.dumps(b.ok("history", room=room))
    a.error("no_message", "edit", room=room, seq=m["seq"], message="back")
    a.error("no_message", "delete", room=room, seq=m["seq"])


def test_members_that_the_server_adds_to_edits_are_there_once(keeping, room):
    """Whatever the client calls its own: edited, target, and in conversations between and to as well."""
    d = keeping()
    a, b = V1(d, user="u1"), V1(d, user="u2")
    a.join(room)
    b.join(room)
    own = {"target": "Bob", "edited": "no", "deleted": False, "between": [1], "to": "all"}
    m = a.say(room, "x", **own)
    assert {k: m[k] for k in own} == own
    got = a.ok("edit", room=room, seq=m["seq"], message="y", target=99, edited=98)
    e = b.expect("edit")
    assert (e["target"], e["edited"], e["to"]) == (m["seq"], 98, "all")
    kept, event = b.ok("history", room=room)["messages"]
    assert (kept["target"], kept["edited"], kept["between"]) == ("Bob", got["seq"], [1])
    assert event == e
    m = a.ok("direct", user="u2", message="x", **{k: own[k] for k in own if k != "to"})
    assert b.expect("direct")["between"] == ["u1", "u2"]
    m = a.ok("message", message="x", **{**own, "with": "u2"})
    got = a.ok("edit", seq=m["seq"], message="y", **{**own, "with": "u2"})
    e = b.expect("edit")
    assert (e["target"], e["between"], e["to"]) == (m["seq"], ["u1", "u2"], "u2")
    kept, event = b.ok("history", after=1, **{"with": "u1"})["messages"]
    assert (kept["between"], kept["to"], kept["edited"], event) == (["u1", "u2"], "u2", got["seq"], e)


def test_others_messages(keeping, room):
    d = keeping()
    a, b, mod = V1(d), V1(d), V1(d, user="mod0")
    for c in (a, b, mod):
        c.join(room)
    m = a.say(room, "x")
    b.error("not_yours", "edit", room=room, seq=m["seq"], message="y")
    b.error("not_yours", "delete", room=room, seq=m["seq"])
    mod.ok("edit", room=room, seq=m["seq"], message="[moderated]")
    e = a.expect("edit")
    assert e["message"] == "[moderated]"
    kept = a.ok("history", room=room)["messages"][0]
    assert kept["message"] == "[moderated]" and "user" not in kept  # it is still who said it
    mod.ok("delete", room=room, seq=m["seq"])
    assert a.expect("delete")["user"] == "mod0"


def test_a_users_message_is_its_on_every_connection(keeping, room):
    d = keeping()
    a, b = V1(d, user="u1"), V1(d, user="u1")
    a.join(room)
    b.join(room)
    m = a.say(room, "x")
    b.ok("edit", room=room, seq=m["seq"], message="y")
    kept = b.ok("history", room=room)["messages"][0]
    assert (kept["user"], kept["name"], kept["message"]) == ("u1", display("u1"), "y")
    b.ok("delete", room=room, seq=m["seq"])


def test_what_cannot_be_edited(keeping, room):
    d = keeping()
    a = V1(d)
    a.join(room)
    m = a.say(room, "x")
    e = a.ok("edit", room=room, seq=m["seq"], message="y")
    for seq in (0, 99, e["seq"]):
        a.error("no_message", "edit", room=room, seq=seq, message="z")
        a.error("no_message", "delete", room=room, seq=seq)
    for seq in ("1", 1.5, None, -1):
        assert a.request("edit", room=room, seq=seq, message="z")["code"] in ("bad_request", "no_message")
    a.error("bad_request", "edit", room=room, message="z")
    a.error("bad_request", "delete", room=room)


def test_edits_and_deletes_in_the_gap(keeping, room):
    """What happened to messages while one was away is told by events in the order; their texts are the present ones."""
    d = keeping()
    a, b = V1(d), V1(d)
    a.join(room)
    epoch = b.join(room)["epoch"]
    for i in range(1, 5):
        a.say(room, f"m{i}")
    b.close()
    a.ok("edit", room=room, seq=2, message="m2, edited")
    a.ok("delete", room=room, seq=3)
    a.say(room, "m7")
    a.ok("edit", room=room, seq=7, message="m7, edited")
    a.ok("edit", room=room, seq=7, message="m7, edited again")
    a.sync()
    b = V1(d)
    assert b.join(room, since={"epoch": epoch, "seq": 4})["recovered"] is True
    got = [b.next() for _ in range(5)]
    got = [e for e in got if e["type"] != "presence"]
    while len(got) < 5:
        got.append(b.next())
    assert [(e["type"], e["seq"]) for e in got] == [("edit", 5), ("delete", 6), ("usermsg", 7), ("edit", 8), ("edit", 9)]
    assert got[0]["target"] == 2 and got[0]["message"] == "m2, edited" and got[1]["target"] == 3
    assert got[2]["message"] == "m7, edited again" and got[2]["edited"] == 9
    assert "message" not in got[3] and got[4]["message"] == "m7, edited again"
    c = V1(d)
    assert c.join(room, since={"epoch": epoch, "seq": 0})["recovered"] is True
    got = []
    while len(got) < 9:
        e = c.next()
        if "seq" in e:
            got.append(e)
    assert [(e["type"], e["seq"]) for e in got[:4]] == [("usermsg", 1), ("usermsg", 2), ("deleted", 3), ("usermsg", 4)]
    assert got[1]["message"] == "m2, edited" and "m3" not in got[2].text


def file_has(state, text):
    for name in os.listdir(state):
        if name.startswith("journal"):
            with open(os.path.join(state, name), "rb") as f:
                if text.encode() in f.read():
                    return True
    return False


@pytest.mark.parametrize("how", ["delete", "edit"])
def test_a_text_that_was_deleted_is_erased_from_the_store(start, state, room, how):
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON)
    a = V1(d)
    a.join(room)
    a.say(room, "stays there")
    m = a.ok("message", "the-cid", room=room, message="burn after reading")
    a.say(room, "stays there as well")
    wait_for("it to be in the file", lambda: file_has(state, "burn after reading"))
    if how == "delete":
        a.ok("delete", room=room, seq=m["seq"])
    else:
        a.ok("edit", room=room, seq=m["seq"], message="milk and eggs")
    wait_for("it to be erased", lambda: not file_has(state, "burn after reading"))
    assert file_has(state, "stays there as well")
    d.hang_up()
    d.stop()
    assert not file_has(state, "burn after reading") and file_has(state, "stays there")


def test_the_plain_dialect_has_no_words_for_it(server, room):
    """Its clients hear of no edit and no deletion; its history shows what became of the messages."""
    a, p = V1(server), plain(server, room)
    a.join(room)
    a.say(room, "x")
    a.ok("edit", room=room, seq=1, message="y")
    a.say(room, "gone")
    a.ok("delete", room=room, seq=3)
    a.say(room, "end")
    heard = []
    while not heard or heard[-1]["message"] != "end":
        heard.append(p.recv_json())
    assert [m["message"] for m in heard if m["type"] != "system"] == ["x", "gone", "end"]
    q = server.connect(f"/{room}?history=10")
    assert [q.recv_until(type="usermsg")["message"] for _ in range(2)] == ["y", "end"]
    p.close()
    q.close()


def test_a_muted_sender_edits_nothing(server, room):
    user = new_user()
    a, mod = V1(server, user=user), V1(server, user="mod0")
    a.join(room)
    mod.join(room)
    m = a.say(room, "x")
    mod.ok("mute", room=room, user=user, duration=60)
    a.error("muted", "edit", room=room, seq=m["seq"], message="y")
    mod.ok("mute", room=room, user=user, duration=0)
