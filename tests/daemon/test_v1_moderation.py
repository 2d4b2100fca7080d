"""natter.v1: kick, mute, ban and topic: who may, whom it meets, and for how long."""
import pytest

from natterd import wait_for
from v1 import COMMON, KILL_PROOF, V1, display, new_room, new_user, plain

WORKERS = [1, 2]


@pytest.fixture
def mod(server, room):
    """A moderator in the room."""
    c = V1(server, user="mod0")
    c.join(room)
    return c


def member(server, room, **kwargs):
    c = V1(server, **kwargs)
    c.join(room)
    return c


def test_who_may(server, room, mod):
    victim = new_user()
    there = member(server, room, user=victim)
    for c, code in ((member(server, room), "login_needed"), (member(server, room, user=new_user()), "forbidden")):
        c.error(code, "kick", room=room, user=victim)
        c.error(code, "mute", room=room, user=victim, duration=5)
        c.error(code, "ban", room=room, user=victim, duration=5)
        c.error(code, "topic", room=room, topic="x")
    member(server, room, user="adm").ok("kick", room=room, user=victim)
    there.expect("kicked")


# ---- kick ----

def test_kick_ends_membership_not_the_connection(server, room, mod):
    user, other = new_user(), new_room()
    a, b = member(server, room, user=user), member(server, room, user=user)
    a.join(other)
    mod.ok("kick", room=room, user=user, reason="enough")
    for c in (a, b):
        k = c.expect("kicked")
        assert (k["room"], k["reason"], k["by"]) == (room, "enough", display("mod0")) and "banned" not in k
        c.error("not_joined", "message", room=room, message="x")
    a.say(other, "still here")
    mod.expect("presence", event="leave", name=display(user))
    a.join(room)
    a.say(room, "back")


def test_kick_by_name(server, room, mod):
    c = member(server, room, path="/?name=Ignatius")
    mod.ok("kick", room=room, name="ignatius")
    c.expect("kicked", room=room)
    mod.error("not_there", "kick", room=room, name="Ignatius")
    mod.error("not_there", "kick", room=room, user="nobody")
    mod.error("bad_request", "kick", room=room)
    c.close()


def test_a_kicked_plain_client(server, room, mod):
    """It has only the one room: it is closed, or hears nothing more."""
    p = plain(server, f"{room}?name=Hortensia")
    mod.ok("kick", room=room, name="Hortensia")
    wait_for("her to be out", lambda: mod.ok("who", room=room)["count"] == 1)
    p.close()


# ---- mute ----

def test_mute(server, room, mod):
    user, other = new_user(), new_room()
    a, b = member(server, room, user=user), member(server, room)
    a.join(other)
    mod.ok("mute", room=room, user=user, duration=60, reason="shh")
    m = a.expect("muted")
    assert (m["room"], m["duration"], m["by"], m["reason"]) == (room, 60, display("mod0"), "shh")
    e = a.error("muted", "message", room=room, message="x")
    assert 0 < e["retry_after"] <= 60
    a.error("muted", "typing", room=room)
    a.say(other, "elsewhere")
    mod.say(room, "it is quiet")
    assert b.expect("usermsg")["message"] == "it is quiet"
    again = member(server, room, user=user)  # another connection of the same user
    again.error("muted", "message", room=room, message="x")
    mod.ok("mute", room=room, user=user, duration=0)
    assert a.expect("muted")["duration"] == 0
    a.say(room, "free")
    again.say(room, "as well")


def test_mute_ends_by_itself(server, room, mod):
    user = new_user()
    a = member(server, room, user=user)
    mod.ok("mute", room=room, user=user, duration=1)
    wait_for("the end of it", lambda: a.request("message", room=room, message="x")["type"] == "ok")


def test_mute_a_guest_by_its_address(start, room):
    """A guest that comes back as another one is the same address; users of that address are not meant."""
    d = start(COMMON)
    mod, guest, user = member(d, room, user="mod0"), member(d, room, path="/?name=Lysander"), member(d, room, user="u1")
    mod.ok("mute", room=room, name="Lysander", duration=60)
    guest.error("muted", "message", room=room, message="x")
    other = member(d, room)
    other.error("muted", "message", room=room, message="x")
    user.say(room, "x")
    p = d.connect(f"/{room}")
    p.send_json(message="x")
    assert p.recv_until(type="error")["code"] == "muted"
    mod.ok("mute", room=room, name="Lysander", duration=0)
    guest.say(room, "x")
    p.send_json(message="free")
    p.recv_until(message="free")
    p.close()


# ---- ban ----

def test_ban_a_user(server, room, mod):
    user, other = new_user(), new_room()
    a = member(server, room, user=user)
    mod.ok("ban", room=room, user=user, duration=60, reason="out")
    k = a.expect("kicked")
    assert (k["room"], k["banned"], k["reason"], k["by"]) == (room, 60, "out", display("mod0"))
    e = a.error("banned", "join", room=room)
    assert 0 < e["retry_after"] <= 60
    V1(server, user=user).error("banned", "join", room=room)
    a.join(other)
    member(server, room)  # another one of the same address
    mod.ok("ban", room=room, user=user, duration=0)
    a.join(room)


def test_ban_one_who_is_away(server, room, mod):
    user = new_user()
    mod.ok("ban", room=room, user=user, duration=60)
    V1(server, user=user).error("banned", "join", room=room)
    mod.ok("ban", room=room, user=user, duration=0)


def test_ban_ends_by_itself(server, room, mod):
    user = new_user()
    mod.ok("ban", room=room, user=user, duration=1)
    a = V1(server, user=user)
    wait_for("the end of it", lambda: a.request("join", room=room)["type"] == "joined")


def test_ban_a_guest_by_its_address(start, room):
    d = start(COMMON)
    mod, guest, user = member(d, room, user="mod0"), member(d, room, path="/?name=Lysander"), member(d, room, user="u1")
    mod.ok("ban", room=room, name="Lysander", duration=60)
    guest.expect("kicked", banned=60)
    V1(d).error("banned", "join", room=room)
    user.say(room, "not me")
    p = d.connect(f"/{room}")  # the plain dialect joins by connecting
    assert p.recv_close()[0] == 4503
    p.close()
    V1(d, user="u2").join(room)
    mod.ok("ban", room=room, name="Lysander", duration=0)
    V1(d).join(room)


def test_ban_a_guest_by_its_64_of_ipv6(start, room):
    """The /64: a whole household. ::1 and another address of ::/64 are one."""
    d = start(COMMON + '\nlistener six { address = {"::1"} port = 0 }\n', host="::1")
    mod, guest = member(d, room, user="mod0"), member(d, room, path="/?name=Lysander")
    mod.ok("ban", room=room, name="Lysander", duration=60)
    guest.expect("kicked", banned=60)
    V1(d).error("banned", "join", room=room)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_bans_mutes_and_topics_are_kept_over_a_restart(start, state, room, how):
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON)
    mod = member(d, room, user="mod0")
    member(d, room, user="u1")
    mod.ok("ban", room=room, user="u1", duration=600)
    mod.ok("mute", room=room, user="u2", duration=600)
    mod.ok("topic", room=room, topic="Tea")
    guest = member(d, new_room(), path="/?name=Lysander")
    guest.join(room)
    mod.ok("mute", room=room, name="Lysander", duration=600)
    if how == "stop":
        d.hang_up()
    getattr(d, how)()
    d.start()
    e = V1(d, user="u1").error("banned", "join", room=room)
    assert 500 < e["retry_after"] <= 600
    b = V1(d, user="u2")
    assert b.join(room)["topic"] == "Tea"
    b.error("muted", "message", room=room, message="x")
    member(d, room).error("muted", "message", room=room, message="x")
    member(d, room, user="u3").say(room, "x")


@pytest.mark.parametrize("type_", ["ban", "mute"])
def test_durations(server, room, mod, type_):
    for duration in (-1, -0.5, "5", None, [], 1e30):
        mod.error("bad_request", type_, room=room, user="x", duration=duration)
    mod.error("bad_request", type_, room=room, user="x")
    mod.error("bad_request", type_, room=room, duration=5)


def test_a_lift_without_a_ban(server, room, mod):
    mod.ok("ban", room=room, user=new_user(), duration=0)
    mod.ok("mute", room=room, user=new_user(), duration=0)


def test_mutes_and_bans_are_a_rooms(server, room, mod):
    other, user = new_room(), new_user()
    mod.ok("ban", room=room, user=user, duration=60)
    V1(server, user=user).join(other)


# ---- topic ----

def test_topic(server, room, mod):
    a, p = member(server, room), plain(server, room)
    mod.ok("topic", room=room, topic="Tea & <cake>")
    t = a.expect("topic")
    assert (t["room"], t["topic"], t["name"], t["user"]) == (room, "Tea & <cake>", display("mod0"), "mod0")
    assert t["time"] > 10**12 and "seq" not in t
    assert V1(server).join(room)["topic"] == "Tea & <cake>"
    mod.ok("topic", room=room, topic="")
    assert a.expect("topic")["topic"] == ""
    assert "topic" not in V1(server).join(room)
    mod.error("bad_request", "topic", room=room)
    mod.error("bad_request", "topic", room=room, topic=1)
    p.close()


def test_moderators_need_be_there_or_not(server, room):
    """A moderator who is not in the room: done, or not_joined; never silence."""
    got = V1(server, user="mod1").request("kick", room=room, user="nobody")
    assert got["code"] in ("not_joined", "not_there", "no_such_room")
