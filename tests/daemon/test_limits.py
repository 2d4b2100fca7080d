"""What strangers can grow has a bound, and who breaks it hurts itself alone."""
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time

import pytest

from natterd import DEADLINE, TEXT, Closed, frame, wait_for


def enter(daemon, path, **kwargs):
    c = daemon.connect(path, **kwargs)
    c.recv_until(type="system")
    return c


def there(daemon, path):
    """A client that has its place in a room where nothing is announced: with several workers that takes a moment."""
    c = daemon.connect(path)
    c.send_json(type="there", port=c.sock.getsockname()[1])
    c.recv_until(type="there", port=c.sock.getsockname()[1])
    return c


def test_500_messages_in_one_packet(plain):
    """Under the default limits: the sender is slowed down, and nothing is lost."""
    c = enter(plain, "/packet")
    c.send_raw(b"".join(frame(TEXT, f'{{"message":{i}}}') for i in range(500)))
    c.sock.settimeout(60)
    got = [c.recv_json() for _ in range(500)]
    assert [m["message"] for m in got] == list(range(500))
    assert [m["seq"] for m in got] == list(range(1, 501))
    assert plain.counters()["paused"] > 0
    c.close()


def test_who_is_paused_does_not_slow_others(plain):
    fast, other = enter(plain, "/fast"), enter(plain, "/other")
    fast.send_raw(b"".join(frame(TEXT, f'{{"message":{i}}}') for i in range(400)))
    for i in range(20):
        other.send_json(message=i)
        assert other.recv_until(message=i)
    fast.close()
    other.close()


def test_flood_ends_with_rate_limited(start):
    d = start("message_rate = 10\nmessage_burst = 5\nflood_time = 2s\n")
    c = enter(d, "/flood")
    c.send_raw(b"".join(frame(TEXT, '{"type":"x"}') for i in range(2000)))
    assert c.recv_until(type="error")["code"] == "rate_limited"
    assert c.recv_close()[0] == 4500
    c.close()


def test_pause_then_rest(start):
    d = start("message_rate = 20\nmessage_burst = 5\nflood_time = 2s\n")
    c = enter(d, "/rest")
    for _ in range(4):
        c.send_raw(b"".join(frame(TEXT, '{"type":"x"}') for i in range(25)))
        for _ in range(25):
            c.recv_until(type="x")
        time.sleep(0.3)
    c.close()


IDLE = """
import resource, socket, sys
host, port, n, origin = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
request = (f"GET /idle HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n"
           f"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\\r\\nOrigin: {origin}\\r\\n\\r\\n").encode()
socks = []
for i in range(n):
    s = socket.create_connection((host, port), 20)
    s.sendall(request)
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        head += s.recv(4096)
    assert head.startswith(b"HTTP/1.1 101 "), head
    socks.append(s)
print("open", flush=True)
sys.stdin.read()
"""


def test_1500_idle_clients_under_the_default_limits(plain):
    """From one address, with the Origins of other sites; in processes of their own, for the files."""
    before = plain.counters()["sessions"]
    origins = ["http://localhost", "null", "https://another.example"]
    crowd = [subprocess.Popen([sys.executable, "-c", IDLE, "127.0.0.1", str(plain.port), "500", o],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for o in origins]
    try:
        for p in crowd:
            assert p.stdout.readline() == "open\n"
        plain.counter_reaches("sessions", 1500)
        c = plain.connect("/idle?name=active")
        c.send_json(message="anybody?")
        assert c.recv_until(message="anybody?")
        c.close()
    finally:
        for p in crowd:
            p.stdin.close()
            p.wait()
    wait_for("all to be gone", lambda: plain.counters()["sessions"] <= before)


STUCK = """
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect((sys.argv[1], int(sys.argv[2])))
s.sendall(b"GET /stopped HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n"
          b"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\\r\\n\\r\\n")
s.recv(100)
print("open", flush=True)
while s.recv(4096):
    pass
"""


def test_stopped_reader_among_active_ones(start):
    """kill -STOP: the others feel nothing, and it is closed with its own reason."""
    d = start("send_queue = 256K\nmessage_rate = 0\nlog_level = debug\n")
    p = subprocess.Popen([sys.executable, "-c", STUCK, "127.0.0.1", str(d.port)], stdout=subprocess.PIPE, text=True)
    try:
        assert p.stdout.readline() == "open\n"
        os.kill(p.pid, signal.SIGSTOP)
        a, b = enter(d, "/stopped"), enter(d, "/stopped")
        slowest, closed = 0.0, 0
        for i in range(2000):
            t = time.monotonic()
            a.send_json(message="x" * 4000, n=i)
            assert b.recv_until(type="usermsg")["n"] == i
            a.recv_until(type="usermsg")
            slowest = max(slowest, time.monotonic() - t)
            if i % 50 == 49:
                c = d.counters()
                assert c["backlog_bytes"] <= 256 * 1024
                closed = c["closed_slow"]
                if closed:
                    break
        assert closed == 1 and "reason=slow_reader" in d.log()
        assert slowest < DEADLINE / 4
        assert d.counters()["backlog_bytes"] == 0
        a.close()
        b.close()
    finally:
        os.kill(p.pid, signal.SIGCONT)
        p.kill()
        p.wait()


def test_slow_reader_gets_everything_within_send_queue(start):
    d = start("send_queue = 64M\nmessage_rate = 0\n")
    a = enter(d, "/slow")
    slow = enter(d, "/slow", receive_buffer=4096)
    for i in range(1500):
        a.send_json(message="y" * 8000, n=i)
        a.recv_until(n=i)
    wait_for("a backlog", lambda: d.counters()["backlog_bytes"] > 0)
    assert [slow.recv_until(type="usermsg")["n"] for _ in range(1500)] == list(range(1500))
    assert d.counters()["backlog_bytes"] == 0
    a.close()
    slow.close()


def test_echo_client_that_does_not_read_is_not_read_either(start):
    """Its own answers cannot fill the queue: it is slowed down by TCP."""
    d = start('endpoint "/*" { handler = echo }\nsend_queue = 1M\nbyte_rate = 0\n')
    c = d.connect(receive_buffer=4096)
    c.sock.settimeout(1)
    sent, data = 0, frame(TEXT, "z" * 10000)
    try:
        while sent < 5000:
            c.sock.sendall(data)
            sent += 1
    except (TimeoutError, socket.timeout):
        pass
    assert sent < 5000
    counters = d.counters()
    assert counters["closed_slow"] == 0 and counters["backlog_bytes"] < 1024 * 1024
    c.sock.settimeout(DEADLINE)
    for _ in range(sent):
        assert c.recv() == "z" * 10000
    c.close()


def test_half_received_messages_cost_what_was_sent(start):
    """A frame header that announces 64 KiB allocates nothing."""
    d = start("")
    clients = [enter(d, "/half") for _ in range(100)]
    before = d.memory()
    for c in clients:
        c.send_raw(frame(TEXT, b"x" * 65000)[:20])
    for c in clients[:1]:
        c.send_raw(frame(TEXT, b"x" * 65000)[20:200])
    d.counters()
    assert d.memory() - before < 4 * 1024 * 1024
    for c in clients:
        c.close()


def test_out_of_file_descriptors_pauses_accepting(start):
    d = start("max_connections = 64\n", files=100)
    # as natterd lowers max_connections to fit, take the files from under it
    clients = []
    resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (40, 40))
    for _ in range(60):
        clients.append(d.connect("/files", upgrade=False))
    d.counter_reaches("accept_pauses", 1)
    t0, ticks0 = time.monotonic(), cpu(d)
    time.sleep(2)
    assert cpu(d) - ticks0 < 0.5 * (time.monotonic() - t0), "it spins"
    for c in clients:
        c.close()
    c = enter(d, "/files")
    c.close()


def cpu(d):
    with open(f"/proc/{d.process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_half_open_requests_give_way(start):
    """A worker keeps a part of a request's head of 1024 clients; who sent the first byte longest ago goes for one more."""
    d = start("handshake_timeout = 60s\nworkers = 1\n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 4096),
                                                resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    before = d.memory("RssAnon")
    heads = []
    try:
        for _ in range(1034):
            heads.append(socket.create_connection((d.host, d.port)))
            heads[-1].sendall(b"GET / HTTP/1.1\r\nHost:")
        for s in heads[:10]:
            s.settimeout(DEADLINE)
            assert s.makefile("rb").read().startswith(b"HTTP/1.1 503 ")
        for s in heads[10:]:
            s.settimeout(0)
            with pytest.raises(BlockingIOError):
                s.recv(1)
        assert d.memory("RssAnon") - before < 1024 * 16000  # under ASan, too
        heads[-1].settimeout(DEADLINE)
        heads[-1].sendall(b" a\r\n\r\n")
        assert heads[-1].recv(12) == b"HTTP/1.1 200"
    finally:
        for s in heads:
            s.close()


def test_idle_daemon_does_nothing(start):
    d = start("")
    c = enter(d, "/still")
    time.sleep(0.2)
    before = cpu(d)
    time.sleep(2)
    assert cpu(d) - before <= 0.1
    c.close()


def test_resets_in_every_state(start):
    d = start("")
    request = d.connect(upgrade=False)
    data = request.request + frame(TEXT, '{"message":"x"}') * 3
    request.close()
    for i in range(0, len(data), 5):
        c = d.connect(upgrade=False)
        c.send_raw(data[:i])
        c.reset()
    wait_for("all to be gone", lambda: d.counters()["connections"] == 0)
    enter(d, "/").close()


def test_many_come_and_go_while_others_chat(start):
    d = start("message_rate = 0\nannounce = off\n")
    a, b = there(d, "/busy"), there(d, "/busy")
    for i in range(300):
        c = d.connect("/busy") if i % 3 < 2 else there(d, "/busy")
        a.send_json(message=i)
        if i % 3 == 0:
            c.reset()
        elif i % 3 == 1:
            c.close()
        else:
            assert c.recv_json()["message"] <= i
            c.close()
        assert a.recv_until(type="usermsg")["seq"] == b.recv_until(type="usermsg")["seq"] == i + 1
    a.close()
    b.close()


def test_order_is_the_same_for_all(start):
    d = start("message_rate = 0\nannounce = off\n")
    clients = [there(d, "/order") for _ in range(8)]
    for i in range(50):
        for k, c in enumerate(clients):
            c.send_json(message=i, who=k)
    logs = [[json.dumps(c.recv_until(type="usermsg"), sort_keys=True) for _ in range(400)] for c in clients]
    assert all(log == logs[0] for log in logs)
    for k in range(8):
        mine = [m["message"] for m in map(json.loads, logs[0]) if m["who"] == k]
        assert mine == list(range(50))
    for c in clients:
        c.close()
