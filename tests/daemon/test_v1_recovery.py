"""natter.v1: who missed more than fits into its queue, and reads slowly, gets all of it, or is told."""
import time

import pytest

from natterd import wait_for
from v1 import COMMON, V1, contiguous

JOURNALS = ["memory", "sqlite"]


def test_recovery_is_paced_by_what_the_client_takes(start, room):
    """Thousands were missed, more bytes than send_queue; the client reads slowly, and gets all of them."""
    d = start(COMMON + "history_messages = 5000\nhistory_bytes = 100M\nsend_queue = 64K\n")
    c = V1(d)
    epoch = c.join(room)["epoch"]
    n = 3000
    for i in range(0, n, 100):
        for k in range(100):
            c.send(type="message", room=room, message=f"{i + k} " + "x" * 1000)
        c.sync()
        c.events.clear()
    wait_for("all to be said", lambda: c.ok("history", room=room, limit=1)["messages"][-1]["seq"] == n)
    b = V1(d, receive_buffer=8192)
    b.send(type="join", cid="j", room=room, since={"epoch": epoch, "seq": 0})
    c.say(room, "live one")
    got = b.answer("j")
    assert got["recovered"] is True
    contiguous([b.expect("usermsg")["seq"] for _ in range(n + 1)], 1)
    assert d.counters()["connections"] >= 2


@pytest.mark.parametrize("how", ["since", "history", "page"])
def test_large_messages_of_the_past_drop_nobody(start, room, how):
    """More bytes than send_queue, for a client that does not read just then: it is not taken for a slow reader."""
    d = start(COMMON + "history_messages = 5000\nhistory_bytes = 100M\n")
    c = V1(d)
    epoch = c.join(room)["epoch"]
    for _ in range(300):
        c.ok("message", room=room, message="x" * 50000)
        c.events.clear()
    b = V1(d, receive_buffer=4096)
    if how == "since":
        b.post("join", "j", room=room, since={"epoch": epoch, "seq": 0})
    elif how == "history":
        b.post("join", "j", room=room, history=200)
    else:
        b.join(room)
        b.post("history", "j", room=room, limit=200)
    time.sleep(0.5)
    got = b.answer("j")
    if how == "since":
        assert got["recovered"] is True
        contiguous([b.expect("usermsg")["seq"] for _ in range(300)], 1)
    elif how == "history":
        first = b.expect("usermsg")["seq"]
        contiguous([b.expect("usermsg")["seq"] for _ in range(300 - first)], first + 1)
    else:
        seqs = [m["seq"] for m in got["messages"]]
        assert seqs and got["more"] is True
        contiguous(seqs, 301 - len(seqs))
    b.sync()


@pytest.mark.parametrize("journal", JOURNALS)
def test_a_promise_that_cannot_be_kept_is_broken_off(start, state, room, journal):
    """What was promised is deleted while it is being sent, for the room keeps no more: close 4002, and what was sent
    until then is whole. Who comes back with it is told the truth."""
    keep = 400
    d = start(COMMON + f"journal = {journal}\nstate_dir = {state}\nhistory_messages = {keep}\nhistory_bytes = 1G\n")
    c = V1(d)
    epoch = c.join(room)["epoch"]

    def say(n):
        for i in range(0, n, 20):
            for cid in [c.post("message", room=room, message="x" * 30000) for _ in range(20)]:
                c.answer(cid)
        c.events.clear()
    say(keep)
    slow = V1(d, receive_buffer=4096)
    assert slow.join(room, since={"epoch": epoch, "seq": 0})["recovered"] is True
    say(keep + 100)
    code, _ = slow.closed()
    assert code == 4002
    got = [m["seq"] for m in slow.events if m["type"] == "usermsg"]
    contiguous(got, 1)
    assert len(got) < keep
    back = V1(d, resume=slow.session)
    assert back.join(room, since={"epoch": epoch, "seq": len(got)})["recovered"] is False
