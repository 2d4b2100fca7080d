"""natter.v1: a client's id makes that what was said once is there once."""
import pytest

from natterd import TEXT, frame
from v1 import COMMON, V1, new_room, new_user

WORKERS = [1, 2]


def test_a_repeat_is_acknowledged_with_the_first_seq_and_not_sent_again(server, room):
    a, b = V1(server), V1(server)
    a.join(room)
    b.join(room)
    first = a.ok("message", "id", room=room, message="x", more=[1])
    assert "duplicate" not in first
    for _ in range(3):
        again = a.ok("message", "id", room=room, message="x", more=[1])
        assert (again["seq"], again["time"], again["duplicate"]) == (first["seq"], first["time"], True)
    assert a.say(room, "y")["seq"] == first["seq"] + 1
    assert [b.expect("usermsg")["message"] for _ in range(2)] == ["x", "y"]


def test_while_the_first_is_pending_a_repeat_waits_for_it(server, room):
    a = V1(server)
    a.join(room)
    for n in range(30):
        text = f'{{"type":"message","cid":"p{n}","room":"{room}","message":{n}}}'
        a.client.send_raw(frame(TEXT, text) * 3)
        answers = [a.answer(f"p{n}") for _ in range(3)]
        assert [x.get("duplicate", False) for x in answers] == [False, True, True]
        assert len({(x["seq"], x["time"]) for x in answers}) == 1
    assert [a.expect("usermsg")["seq"] for _ in range(30)] == list(range(1, 31))


def test_pending_repeats_of_two_connections_of_a_user(server, room):
    user = new_user()
    a, b = V1(server, user=user), V1(server, user=user)
    a.join(room)
    b.join(room)
    for n in range(20):
        x, y = a.post("message", f"p{n}", room=room, message=n), b.post("message", f"p{n}", room=room, message=n)
        one, two = a.answer(x), b.answer(y)
        assert one["seq"] == two["seq"] == n + 1
        assert {one.get("duplicate", False), two.get("duplicate", False)} == {False, True}


def test_other_content_under_the_same_cid(server, room):
    a = V1(server)
    a.join(room)
    first = a.ok("message", "id", room=room, message="x")
    a.error("cid_reused", "message", "id", room=room, message="y")
    a.error("cid_reused", "message", "id", room=room, message="x", more=1)
    assert a.ok("message", "id", room=room, message="x")["seq"] == first["seq"]


def test_a_cid_is_a_rooms(server, room):
    a, other = V1(server), new_room()
    a.join(room)
    a.join(other)
    a.ok("message", "id", room=room, message="x")
    assert "duplicate" not in a.ok("message", "id", room=other, message="y")


def test_a_cid_is_a_senders(server, room):
    a, b = V1(server), V1(server)
    a.join(room)
    b.join(room)
    assert a.ok("message", "id", room=room, message="x")["seq"] == 1
    got = b.ok("message", "id", room=room, message="y")
    assert got["seq"] == 2 and "duplicate" not in got


def test_a_cid_is_a_users_on_all_connections(server, room):
    user = new_user()
    a, b = V1(server, user=user), V1(server, user=user)
    a.join(room)
    b.join(room)
    first = a.ok("message", "id", room=room, message="x")
    assert b.ok("message", "id", room=room, message="x")["seq"] == first["seq"]
    b.error("cid_reused", "message", "id", room=room, message="other")


def test_refused_requests_are_not_remembered(server, room):
    a = V1(server)
    a.error("not_joined", "message", "id", room=room, message="x")
    a.join(room)
    got = a.ok("message", "id", room=room, message="something else")
    assert got["seq"] == 1 and "duplicate" not in got


def test_a_mutes_refusal_is_not_remembered(server, room):
    user = new_user()
    a, mod = V1(server, user=user), V1(server, user="mod0")
    a.join(room)
    mod.join(room)
    mod.ok("mute", room=room, user=user, duration=60)
    a.error("muted", "message", "id", room=room, message="x")
    mod.ok("mute", room=room, user=user, duration=0)
    assert "duplicate" not in a.ok("message", "id", room=room, message="x")


def test_across_reconnects(server, room):
    a = V1(server)
    a.join(room)
    first = a.ok("message", "id", room=room, message="x")
    a.close()
    b = V1(server, resume=a.session)
    b.join(room)
    got = b.ok("message", "id", room=room, message="x")
    assert got["seq"] == first["seq"] and got["duplicate"] is True
    b.error("cid_reused", "message", "id", room=room, message="y")


def test_another_session_is_another_sender(server, room):
    a = V1(server)
    a.join(room)
    a.ok("message", "id", room=room, message="x")
    a.close()
    b = V1(server)
    b.join(room)
    assert "duplicate" not in b.ok("message", "id", room=room, message="y")


@pytest.mark.parametrize("durability", ["process", "disk"])
def test_across_kill_9(start, state, room, durability):
    d = start(f"state_dir = {state}\ndurability = {durability}\n" + COMMON)
    a, u = V1(d), V1(d, user="u1")
    a.join(room)
    u.join(room)
    first = a.ok("message", "id", room=room, message="x")
    second = u.ok("message", "id", room=room, message="y")
    d.kill()
    d.start()
    b, v = V1(d, resume=a.session), V1(d, user="u1")
    b.join(room)
    v.join(room)
    for c, text, m in ((b, "x", first), (v, "y", second)):
        got = c.ok("message", "id", room=room, message=text)
        assert (got["seq"], got["time"], got["duplicate"]) == (m["seq"], m["time"], True)
        c.error("cid_reused", "message", "id", room=room, message="other")


def test_directs_are_repeated_as_well(server, room):
    """The cid of any message that is stored: a repeat makes no second event."""
    user, other = new_user(), new_user()
    a, b = V1(server, user=user), V1(server, user=other)
    a.join(room)
    b.join(room)
    first = a.ok("direct", "d1", user=other, message="x")
    again = a.ok("direct", "d1", user=other, message="x")
    assert again["seq"] == first["seq"] and again["duplicate"] is True
    b.expect("direct")
    b.sync()
    b.nothing("direct")
