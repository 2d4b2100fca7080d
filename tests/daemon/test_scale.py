"""Crowds: what they cost, coming and going all at once, and 1,000 who do not read."""
import json
import os
import resource
import selectors
import socket
import subprocess
import time

import pytest

from natterd import DEADLINE, HERE, TEXT, frame, wait_for

BENCH = os.environ.get("NATTERBENCH") or os.path.join(HERE, "..", "..", "natterbench")
SANITIZED = os.environ.get("NATTER_SANITIZER", "no") != "no"
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
CONFIG = "message_rate = 0\nannounce = off\nmax_connections = 100000\nping_interval = 0\n"


def needs_files(n):
    if FILES < n + 200:
        pytest.skip(f"a process may have no more than {FILES} open files here (ulimit -Hn)")


def crowd(daemon, n, concurrency=1000):
    """A natterbench that holds N idle clients in one room, while it lives."""
    return subprocess.Popen([BENCH, "idle", f"ws://127.0.0.1:{daemon.port}/crowd", "-n", str(n), "-d", "600",
                             "--warmup", "0", "--concurrency", str(concurrency), "--json", "-q"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)


def test_an_idle_client_takes_400_bytes(start):
    """HACKING.md has the sum."""
    n = 15000
    needs_files(n)
    d = start(CONFIG + "workers = 1\n")
    c = d.connect("/crowd")  # what the first one of all has loaded is not the others' share
    before = d.memory()
    p = crowd(d, n, 64)
    try:
        d.counter_reaches("sessions", n + 1)
        time.sleep(1.5)  # a sweep later
        each = (d.memory() - before) / n
        assert each < (4000 if SANITIZED else 400), each
    finally:
        p.kill()
        p.wait()
    c.close()


def named(daemon, numbers):
    """Sockets of natter.v1 clients with names of 13 characters, all in one room."""
    socks = [socket.create_connection((daemon.host, daemon.port), DEADLINE) for _ in numbers]
    for i, s in zip(numbers, socks):
        s.sendall(f"GET /?name=client-{i:06} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: natter.v1\r\n"
                  "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n".encode()
                  + frame(TEXT, '{"type":"join","room":"crowd"}'))
    for s in socks:
        got = b""
        while b'"joined"' not in got:
            more = s.recv(65536)
            assert more, got
            got += more
        assert b'"name":"client-' in got
    return socks


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is another")
def test_a_named_client_of_natter_v1_takes_some_640_bytes(start):
    """HACKING.md has the sum. (The first ones bring what all have together; of 15,000 it is less than of these.)"""
    n = 4000
    needs_files(n)
    d = start(CONFIG + "workers = 1\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, n + 200), hard))
    socks = named(d, range(100))
    try:
        before = d.memory("RssAnon")
        for i in range(100, n + 100, 100):
            socks += named(d, range(i, i + 100))
        each = (d.memory("RssAnon") - before) / n
        print(f"{each:.0f} bytes each")
        assert each <= 660
    finally:
        for s in socks:
            s.close()


def test_thousands_come_and_go_at_once(start):
    """Others lose nothing by it, and the room is as good as new."""
    n = min(15000, FILES - 500)
    d = start(CONFIG + "announce_max = 100\n")
    a, b = d.connect("/quiet"), d.connect("/quiet")
    d.wait_members(2)
    said = 0
    for _ in range(2):
        p = crowd(d, n)
        try:
            while d.counters()["sessions"] < n + 2:
                a.send_json(message=said)
                assert a.recv_json()["message"] == b.recv_json()["message"] == said
                said += 1
                assert p.poll() is None, p.communicate()
        finally:
            p.kill()
            p.wait()
        while d.counters()["connections"] > 2:
            a.send_json(message=said)
            assert a.recv_json()["message"] == b.recv_json()["message"] == said
            said += 1
    c = d.connect("/crowd")
    c.send_json(message="anybody?")
    assert c.recv_json()["message"] == "anybody?"
    for client in (a, b, c):
        client.close()


def test_1000_who_do_not_read_among_1000_who_do(start):
    """Memory is bounded by send_queue; those who read have everything, in order."""
    needs_files(2100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    queue = 32 * 1024
    d = start(CONFIG + f"send_queue = {queue}\n")
    stuck = [d.connect("/crowd", receive_buffer=2048) for _ in range(1000)]
    active = [d.connect("/crowd") for _ in range(1000)]
    d.wait_members(2000)
    before, most = d.memory(), 0
    seen = {c.sock: bytearray() for c in active}
    selector = selectors.DefaultSelector()
    for s in seen:
        s.setblocking(False)
        selector.register(s, selectors.EVENT_READ)
    sent = 0
    while d.counters()["closed_slow"] < 1000:
        assert sent < 3000, d.counters()
        text = json.dumps({"message": f"<{sent:05}>", "pad": "x" * 8000})
        active[0].sock.setblocking(True)
        active[0].sock.sendall(frame(TEXT, text))
        active[0].sock.setblocking(False)
        sent += 1
        expect(seen, selector, b"<%05d>" % (sent - 1))
        counters = d.counters()
        most = max(most, counters["backlog_bytes"])
        assert counters["backlog_bytes"] <= 1000 * queue
        assert d.memory() - before < (200 if SANITIZED else 80) << 20
    assert most > 1000 * queue // 8, "nobody was slow"
    wait_for("the slow ones to be gone", lambda: d.counters()["sessions"] == 1000)
    wait_for("their backlogs to be freed", lambda: d.counters()["backlog_bytes"] == 0)
    for c in stuck + active:
        c.close()


def expect(seen, selector, marker):
    """Each has got MARKER next, and nothing else that looks like it."""
    waiting, end = set(seen), time.monotonic() + DEADLINE
    while waiting:
        assert time.monotonic() < end, f"{len(waiting)} did not get {marker}"
        for key, _ in selector.select(1):
            data = seen[key.fileobj]
            data += key.fileobj.recv(65536)
            if key.fileobj in waiting and marker in data and data.endswith(b"}"):
                assert data.count(b'"<') == 1
                waiting.discard(key.fileobj)
    for data in seen.values():
        data.clear()
