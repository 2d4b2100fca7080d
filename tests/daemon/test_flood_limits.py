"""Who sends, asks for or leaves unread more than it may: what it gets, what is counted, and that nothing is lost."""
import concurrent.futures
import select
import struct
import time

import pytest

from natterd import DEADLINE, PING, TEXT, Closed, frame
from v1 import COMMON, V1

WORKERS = [1, 2]
SLOW = COMMON.replace("message_rate = 0", "message_rate = 20\nmessage_burst = 20")


def flood(c, data, deadline=DEADLINE):
    """Sends DATA again and again, as fast as it is taken, until the connection ends; what it was told is in its buffer."""
    end = time.monotonic() + deadline
    left = b""
    c.sock.settimeout(0)
    try:
        while time.monotonic() < end:
            readable, writable, _ = select.select([c.sock], [c.sock], [], 1)
            if readable:
                c.more()
            if writable:
                left = left or data
                left = left[c.sock.send(left) :]
    except (Closed, ConnectionResetError, BrokenPipeError):
        return
    finally:
        c.sock.settimeout(DEADLINE)
    raise AssertionError("it may flood for ever")


# ---- messages ----


def test_a_user_on_many_connections(start, room):
    """All of them together get message_rate; another user is not slowed down, and nothing is lost."""
    d = start(SLOW)
    mine = [V1(d, user="u1") for _ in range(4)]
    other = V1(d, user="u2")
    for c in mine + [other]:
        c.ok("join", room=room)
    begin = time.monotonic()
    cids = [[c.post("message", room=room, message=i) for i in range(15)] for c in mine]
    for i in range(10):
        other.say(room, f"other {i}")
    assert time.monotonic() - begin < 1.5, "another user waits as well"
    seqs = [c.answer(cid)["seq"] for c, mine_cids in zip(mine, cids) for cid in mine_cids]
    assert len(set(seqs)) == 60
    # 4 joins at 5 and 60 messages of which 20 were free, 20 a second; alone each of them would not have waited
    assert time.monotonic() - begin > 1.8
    assert d.counters()["paused_user"] > 0


def test_deadlines_stand_still(start):
    """Whom we do not read cannot answer a ping."""
    d = start("message_rate = 1\nmessage_burst = 1\nping_interval = 1s\nping_timeout = 1s\nannounce = off\n")
    c = d.connect("/still")
    c.send_raw(b"".join(frame(TEXT, f'{{"message":{i}}}') for i in range(5)))
    assert [c.recv_json()["message"] for _ in range(5)] == list(range(5))
    assert d.counters()["closed_ping"] == 0


# ---- bytes ----


def test_too_many_bytes_wait(start):
    """Nothing is lost, in the time that they may take."""
    d = start("message_rate = 0\nbyte_rate = 100K\nbyte_burst = 50K\nannounce = off\n")
    c = d.connect("/bytes")
    begin = time.monotonic()
    for i in range(40):
        c.send_json(message=i, more="x" * 5000)
    assert [c.recv_json()["message"] for _ in range(40)] == list(range(40))
    assert time.monotonic() - begin > 1.0  # 200 KB, of which 50 and what was read with them are free
    assert d.counters()["paused_bytes"] > 0
    other = d.connect("/bytes")
    other.send_json(message="quick")
    assert other.recv_until(message="quick")


def test_too_many_bytes_for_too_long(start):
    """Messages, control frames, pieces that never become a message: all count, at every endpoint, and cost little."""
    d = start("byte_rate = 20K\nbyte_burst = 10K\nflood_time = 1s\nannounce = off\nmessage_rate = 0\n"
              "max_message = 1G\nmax_fragments = 10000000\n"
              'endpoint "/*" { handler = chat }\nendpoint "/echo" { handler = echo }\n')
    said = frame(TEXT, '{"type":"x","more":"' + "y" * 1000 + '"}')
    floods = [(d.connect("/bytes"), said), (d.connect("/echo"), said), (d.connect("/bytes"), frame(PING, "hello") * 100),
              (d.connect("/bytes"), frame(0, b"x" * 100, fin=False) * 10)]
    floods[-1][0].send_raw(frame(TEXT, b"x", fin=False))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda f: flood(*f), floods))
    for c, _ in floods:
        assert struct.pack(">H", 4500) in c.buffer
    assert b'"rate_limited"' in floods[0][0].buffer and b'"rate_limited"' not in floods[1][0].buffer
    assert d.counters()["closed_rate_limited"] == 4
    assert d.cpu() < 3


# ---- what was said before ----


def test_history_again_and_again(start, room):
    """It is answered as fast as history_rate says, and no faster; who goes on is closed."""
    d = start(COMMON + "history_rate = 40K\nhistory_burst = 40K\nflood_time = 4s\n")
    c, other = V1(d), V1(d)
    for x in (c, other):
        x.ok("join", room=room)
    for i in range(20):
        other.say(room, "x" * 1000)
    begin = time.monotonic()
    for _ in range(5):
        assert len(c.ok("history", room=room, limit=20)["messages"]) == 20
    assert 1.2 < time.monotonic() - begin < DEADLINE  # some 110 KB
    assert d.counters()["paused_history"] > 0
    for _ in range(3):
        c.post("history", room=room, limit=20)
    begin = time.monotonic()
    other.say(room, "and the other one feels nothing of it")
    assert time.monotonic() - begin < 1.5
    with pytest.raises(Closed) as end:
        for _ in range(40):
            c.ok("history", room=room, limit=20)
    assert end.value.args[0] == 4500
    assert [e for e in c.events if e["type"] == "error"][-1]["code"] == "rate_limited"


def test_joining_again_and_again_for_the_past(start, room):
    d = start(COMMON + "history_rate = 40K\nhistory_burst = 40K\nflood_time = 1min\n")
    c = V1(d)
    epoch = c.ok("join", room=room)["epoch"]
    for i in range(20):
        c.say(room, "x" * 1000)
    begin = time.monotonic()
    for _ in range(5):
        c.ok("leave", room=room)
        got = c.ok("join", room=room, since={"epoch": epoch, "seq": 0})
        assert got["recovered"] is True
    c.ok("ping")
    assert time.monotonic() - begin > 1.2
    assert d.counters()["paused_history"] > 0


# ---- what waits for readers ----


def test_queues_of_all_readers(start):
    """Three who stopped reading are within send_queue each, but not all together: one goes, the reading ones stay."""
    d = start("message_rate = 0\nsend_queue = 3M\nqueues_max = 4M\nannounce = off\n")
    stopped = []
    for _ in range(3):
        c = d.connect("/stopped", receive_buffer=4096)
        stopped.append(c)
    a, b = d.connect("/stopped"), d.connect("/stopped")
    d.wait_members(5)
    for i in range(1200):
        a.send_json(message="x" * 8000, n=i)
        assert a.recv_until(type="usermsg")["n"] == b.recv_until(type="usermsg")["n"] == i
        if i % 25 == 24:
            counters = d.counters()
            assert counters["backlog_bytes"] <= 4.2 * 1024 * 1024
            if counters["closed_queues"]:
                break
    assert counters["closed_queues"] >= 1
    assert counters["closed_slow"] == 0
    assert "too much waits for slow readers" in d.log()
    a.send_json(message="still", n=-1)
    assert b.recv_until(message="still")


# ---- the rest, each with its counter ----


def test_counters_of_sizes_and_rooms(start, room):
    d = start(COMMON + "max_head = 2K\nmax_message = 2K\nmax_fragments = 100\nrooms_per_connection = 1\n")
    c = d.connect("/", headers=["X-Much: " + "x" * 3000], upgrade=False)
    c.send_raw(c.request)
    assert c.read_response() == 431
    c = d.connect("/big")
    c.send("x" * 3000)
    assert c.recv_close()[0] == 1009
    c = d.connect("/pieces")
    c.send_raw(frame(TEXT, "x", fin=False) + frame(0, "x", fin=False) * 200)
    assert c.recv_close()[0] == 1009
    c = V1(d)
    c.ok("join", room=room)
    assert c.request("join", room=room + "2")["code"] == "too_many_joined"
    before = d.counters()["errors_sent"]
    c.client.send("[" * 40 + "]" * 40)
    assert c.next()["code"] == "too_complex"
    counters = d.counters()
    assert (counters["refused_head"], counters["closed_too_big"], counters["refused_rooms"]) == (1, 2, 1)
    assert counters["errors_sent"] == before + 1
