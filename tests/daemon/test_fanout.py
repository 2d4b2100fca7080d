"""A room with many members, some of whom do not read: sent to by send(), and by io_uring where it is to be had."""
import pytest

from natterd import wait_for

CONFIG = "message_rate = 0\nmessage_burst = 100000\nsend_queue = 64M\nannounce = off\n"
CLIENTS, STUCK, MESSAGES = 300, 30, 200


@pytest.fixture(params=["auto", "off"])
def daemon(request, start, tmp_path):
    # a unix socket holds 208 KiB, and TCP grows to megabytes
    d = start(CONFIG + f"io_uring = {request.param}\n" + 'listener main { address = {"127.0.0.1"} port = 0 }\n' +
              f'listener small {{ path = "{tmp_path}/s" }}\n')
    d.unix = f"{tmp_path}/s"
    if request.param == "auto":
        wait_for("the worker's choice", lambda: d.log_contains("io_uring"))
    if request.param == "off":
        assert not d.log_contains("io_uring")
    elif not d.log_contains("io_uring is used"):
        line = [x for x in d.log().splitlines() if "io_uring" in x][0]
        assert "io_uring is not available, send() is used why=" in line
        pytest.skip(line.split("info: ")[1])
    d.ring = request.param == "auto"
    return d


def test_300_members_of_whom_30_do_not_read(daemon):
    clients = [daemon.connect("/crowd", unix=daemon.unix if i % 10 == 0 else None) for i in range(CLIENTS)]
    daemon.wait_members(CLIENTS)
    stuck, readers = clients[::10], [c for i, c in enumerate(clients) if i % 10]
    assert len(stuck) == STUCK
    sender, pad = readers[0], "x" * 4000
    for i in range(MESSAGES):
        sender.send_json(message=i, pad=pad)
        if i % 20 == 19 or i < 5:  # alone and together
            for c in readers:
                while c.recv_json()["message"] != i:
                    pass
    n = daemon.counters()
    assert n["deliveries"] == CLIENTS * MESSAGES
    assert n["backlog_bytes"] > 0 and n["sends_short"] >= STUCK and n["closed_slow"] == 0
    if daemon.ring:
        assert n["ring_sends"] > n["sends"] and 0 < n["ring_submits"] <= n["ring_sends"] / 4
    else:
        assert n["ring_sends"] == n["ring_submits"] == 0 and n["sends"] > CLIENTS
    # who begins to read now has it all, in order
    for c in stuck[::3]:
        assert [c.recv_json()["message"] for _ in range(MESSAGES)] == list(range(MESSAGES))
    for c in stuck[1::3]:
        c.reset()
    sender.send_json(message="after")
    for c in readers:
        assert c.recv_json()["message"] == "after"
    for c in clients:
        c.close()


def test_order_at_every_member(daemon):
    clients = [daemon.connect("/order") for _ in range(50)]
    daemon.wait_members(50)
    for k in range(40):
        for c in clients[:10]:
            c.send_json(message=k)
    for c in clients:
        got = [c.recv_json() for _ in range(400)]
        assert [m["seq"] for m in got] == list(range(1, 401))
    for c in clients:
        c.close()


def test_few_talk_by_send(daemon):
    a, b = daemon.connect("/two"), daemon.connect("/two")
    daemon.wait_members(2)
    for i in range(10):
        a.send_json(message=i)
        assert b.recv_json()["message"] == i and a.recv_json()["message"] == i
    assert daemon.counters()["ring_sends"] == 0  # a ring is dearer for so few
    a.close()
    b.close()
