"""natter.v1: a session outlives its connection, and is nobody else's."""
import os
import stat
import time

import pytest

from natterd import wait_for
from v1 import COMMON, KILL_PROOF, V1, contiguous, display, new_user, secret

WORKERS = [1, 2]


def again(d, session):
    """A new connection that asks for that session: (client, answer)."""
    c = V1(d)
    return c, c.request("resume", session=session)


def test_resume(server, room):
    a = V1(server)
    a.join(room)
    first = a.say(room, "one")
    a.reset()
    b, answer = again(server, a.session)
    assert answer["type"] == "ok"
    j = b.join(room, since={"epoch": V1(server).join(room)["epoch"], "seq": first["seq"]})
    assert j["recovered"] is True


def test_the_senders_id_comes_back(server, room):
    """What a session said is its own after a resume: it may edit it, and its cids count."""
    a = V1(server)
    a.join(room)
    cid = a.cid()
    m = a.ok("message", cid, room=room, message="mine")
    a.reset()
    b = V1(server, resume=a.session)
    b.join(room)
    got = b.ok("message", cid, room=room, message="mine")
    assert got["duplicate"] is True and got["seq"] == m["seq"]
    b.ok("edit", room=room, seq=m["seq"], message="still mine")
    stranger = V1(server)
    stranger.join(room)
    stranger.error("not_yours", "edit", room=room, seq=m["seq"], message="not mine")


def test_a_connection_that_holds_the_session_is_replaced(server, room):
    a, watch = V1(server), V1(server)
    a.join(room)
    watch.join(room)
    b, answer = again(server, a.session)
    assert answer["type"] == "ok"
    code, reason = a.closed()
    assert code == 4501 and reason
    b.join(room)
    b.say(room, "x")
    watch.hear("x")
    wait_for("the old one to be out", lambda: watch.ok("who", room=room)["guests"] == 2)


def test_a_half_open_connection_is_replaced(server, room):
    """The old connection never reads again, and the room is full of what it would have got."""
    a, b = V1(server, receive_buffer=4096), V1(server)
    epoch = a.join(room)["epoch"]
    b.join(room)
    for i in range(60):
        b.ok("message", room=room, message="x" * 5000)
    c = V1(server, resume=a.session)
    assert c.join(room, since={"epoch": epoch, "seq": 0})["recovered"] is True
    contiguous([c.expect("usermsg")["seq"] for _ in range(60)], 1)
    c.say(room, "on")


def test_resumes_of_the_same_session_in_a_row(server):
    a = V1(server)
    old = a
    for _ in range(10):
        new = V1(server, resume=a.session)
        assert old.closed()[0] == 4501
        old = new
    old.sync()


def test_resumes_of_the_same_session_at_once(server, room):
    """One connection has it in the end."""
    a = V1(server)
    a.join(room)
    clients = [V1(server) for _ in range(8)]
    cids = [c.post("resume", session=a.session) for c in clients]
    alive = []
    for c, cid in zip(clients, cids):
        try:
            assert c.answer(cid)["type"] == "ok"
            c.sync()
            alive.append(c)
        except Exception as e:
            assert e.args[0] == 4501, e
    alive = [c for c in alive if survives(c)]
    assert len(alive) == 1
    alive[0].join(room)
    alive[0].say(room, "x")


def survives(c):
    try:
        c.nothing("never", seconds=0.5)
        return True
    except Exception as e:
        assert e.args[0] == 4501, e
        return False


def test_the_old_secret_is_the_connections_secret(server):
    """After a resume; the one of the new welcome is void."""
    a = V1(server)
    a.close()
    b = V1(server)
    void = b.session
    b.ok("resume", session=a.session)
    assert again(server, void)[1]["code"] == "session_unknown"
    c, answer = again(server, a.session)
    assert answer["type"] == "ok" and b.closed()[0] == 4501
    c.sync()


@pytest.mark.parametrize("change", ["first", "middle", "last", "short", "long", "empty", "other"])
def test_a_forged_secret(server, change):
    a = V1(server)
    s = a.session

    def turned(i):
        return s[:i] + ("A" if s[i] != "A" else "B") + s[i + 1 :]
    # the last character of 43 has bits that count for nothing: the one before
    forged = {"first": turned(0), "middle": turned(20), "last": turned(len(s) - 2), "short": s[:-1], "long": s + "A",
              "empty": "", "other": "x" * len(s)}[change]
    c, answer = again(server, forged)
    assert answer["type"] == "error" and answer["code"] in ("session_unknown", "bad_request")
    a.sync()  # unharmed
    c.sync()  # and the asking one lives on with a session of its own


def test_no_string(server):
    V1(server).error("bad_request", "resume", session=1)
    V1(server).error("bad_request", "resume")


def test_resume_is_the_first_request(server, room):
    a, b = V1(server), V1(server)
    b.join(room)
    b.error("bad_request", "resume", session=a.session)
    a.sync()


def test_ones_own_session(server):
    """The secret of this connection's own welcome: nothing to replace, or refused; it lives on."""
    a = V1(server)
    a.request("resume", session=a.session)
    a.sync()


def test_a_session_expires(start, room):
    d = start("announce = off\nsession_keep = 1s\n")
    a = V1(d)
    a.join(room)
    a.close()

    def expired():
        time.sleep(2.5)  # longer than it is kept; to ask is to have it again
        c, answer = again(d, a.session)
        c.close()
        return answer.get("code") == "session_unknown"
    wait_for("it to expire", expired)


def test_a_connected_session_does_not_expire(start, room):
    d = start("announce = off\nsession_keep = 1s\n")
    a = V1(d)
    a.join(room)
    time.sleep(2.5)
    assert again(d, a.session)[1]["type"] == "ok"


def test_sessions_survive_kill_9(start, state, room):
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON)
    a, u = V1(d, "/?name=Millicent"), V1(d, user="u1")
    epoch = a.join(room)["epoch"]
    u.join(room)
    cid = a.cid()
    first = a.ok("message", cid, room=room, message="before")
    d.kill()
    d.start()
    b, answer = again(d, a.session)
    assert answer["type"] == "ok" and answer["name"] == "Millicent"
    j = b.join(room, since={"epoch": epoch, "seq": 0})
    assert j["recovered"] is True and b.expect("usermsg")["name"] == "Millicent"
    got = b.ok("message", cid, room=room, message="before")
    assert got["duplicate"] is True and got["seq"] == first["seq"]
    b.ok("edit", room=room, seq=first["seq"], message="after")
    v = V1(d, resume=u.session)
    assert v.ok("auth", token=secret("u1"))["user"] == "u1"


def test_names_are_held_over_a_restart(start, state):
    """For those who come back within session_keep."""
    d = start(f"state_dir = {state}\nsession_keep = 60s\n" + COMMON)
    a = V1(d, "/?name=Millicent")
    assert a.welcome["name"] == "Millicent"
    a.join("tea")
    a.say("tea", "what was stored before this is stored")
    d.kill()
    d.start()
    b, answer = again(d, a.session)
    assert answer["type"] == "ok" and answer["name"] == "Millicent"
    V1(d).error("name_taken", "name", name="Millicent")
    b.sync()


def test_sessions_of_another_daemon(start, state):
    """Without a state directory nobody outlives the daemon; the key is each start's own."""
    d = start("announce = off\njournal = memory\n")
    a = V1(d)
    d.hang_up()
    d.stop()
    d.start()
    assert again(d, a.session)[1]["code"] == "session_unknown"


def test_the_key_is_not_for_everybody(start, state):
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON)
    V1(d)
    for name in os.listdir(state):
        assert stat.S_IMODE(os.stat(os.path.join(state, name)).st_mode) & 0o007 == 0, name


def test_user_comes_back_with_the_session(server, room):
    """Or has to log in again: what the answer says is what counts."""
    user = new_user()
    a = V1(server, user=user)
    a.reset()
    b, answer = again(server, a.session)
    assert answer["type"] == "ok"
    b.ok("auth", token=secret(user))
    b.join(room)
    m = b.say(room, "x")
    assert (m["user"], m["name"]) == (user, display(user))


def test_a_session_is_no_login(server, room):
    """Who takes up another user's session is who it was."""
    one, other = new_user(), new_user()
    a = V1(server, user=one)
    a.join(room)
    m = a.say(room, "mine")
    b = V1(server, user=other)
    got = b.ok("resume", session=a.session)
    assert (got["user"], got["name"]) == (other, display(other))
    assert a.closed()[0] == 4501
    b.join(room)
    assert b.say(room, "x")["user"] == other
    b.error("not_yours", "edit", room=room, seq=m["seq"], message="x")
    c = V1(server, resume=a.session)  # a guest now
    c.join(room)
    assert not {"user", "name"} & c.say(room, "x").keys()
    c.error("login_needed", "conversations")
    c.error("not_yours", "delete", room=room, seq=m["seq"])


def test_a_name_that_a_token_took_meanwhile_does_not_come_back(server, room):
    user = new_user()
    a = V1(server)
    a.ok("name", name=display(user))
    a.close()
    owner = V1(server, user=user)
    if "name" not in owner.welcome:  # held by the session, which has to give it up first
        assert owner.expect("renamed")["name"] == display(user)
    got = again(server, a.session)
    assert got[1]["type"] == "ok" and "name" not in got[1]
    got[0].join(room)
    assert "name" not in got[0].say(room, "x")
    owner.join(room)
    assert owner.say(room, "x")["name"] == display(user)


def test_a_cut_in_mid_flight_loses_nothing(server, room):
    """RST again and again: resume, since, and unacknowledged cids once more."""
    watch = V1(server)
    epoch = watch.join(room)["epoch"]
    a = V1(server)
    a.join(room)
    session, last, unacked, got = a.session, 0, {}, []
    for n in range(12):
        for k in range(15):
            unacked[a.post("message", room=room, message=f"{n}-{k}", cid=f"c-{n}-{k}")] = f"{n}-{k}"
        for _ in range(n * 2):  # some of what comes is read
            m = a.read()
            if m.get("cid") in unacked:
                del unacked[m["cid"]]
            elif m["type"] == "usermsg":
                got.append(m)
                last = m["seq"]
        a.reset()
        a = V1(server, resume=session)
        assert a.join(room, since={"epoch": epoch, "seq": last})["recovered"] is True
        for cid, text in list(unacked.items()):
            assert a.request("message", cid, room=room, message=text)["type"] == "ok"
            del unacked[cid]
        for m in [e for e in a.events if e["type"] == "usermsg"]:
            got.append(m)
            last = m["seq"]
        a.events.clear()
    while len(got) < 12 * 15:
        got.append(a.expect("usermsg"))
    contiguous([m["seq"] for m in got], 1)
    assert sorted(m["message"] for m in got) == sorted(f"{n}-{k}" for n in range(12) for k in range(15))
    assert [watch.expect("usermsg").text for _ in got] == [m.text for m in got]
