"""Several workers: one order, nothing lost and nothing twice, whichever worker a client is on."""
import os
import random
import re
import resource
import selectors
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from natterd import PROGRAM, CLOSE, Client, Closed, Natterd, close_payload, frame, run, wait_for

PORTABLE = os.environ.get("NATTER_PORTABLE") == "yes"
SECONDS = float(os.environ.get("NATTERD_TORTURE") or 4)  # of each torture
SEED = int(os.environ.get("NATTERD_SEED") or 20261121)
QUIET = "announce = off\nmessage_rate = 0\n"


def unix_natterd(start, config):
    """One that listens at a unix socket, where connections go to the workers in turn."""
    path = os.path.join(tempfile.mkdtemp(prefix="natterd-test-"), "sock")
    d = start(config + f'\nlistener local {{ path = "{path}" }}\n')
    d.connect = lambda *args, **kwargs: Client(None, None, *args, unix=path, **kwargs)
    return d


def enter(daemon, path, n):
    """N clients that have their place in the room."""
    clients = [daemon.connect(path) for _ in range(n)]
    for i, c in enumerate(clients):
        c.send_json(type="here", who=i)
        c.recv_until(type="here", who=i)
    return clients


def open_sessions(daemon, n):
    wait_for(f"{n} sessions", lambda: daemon.counters()["sessions"] == n)
    return [w["sessions"] for w in daemon.worker_counters()]


# ---- how many ----

@pytest.mark.parametrize("value, good", [("auto", True), ("1", True), ("256", True), ("0", False), ("257", False),
                                         ("many", False), ("-1", False), ("2K", False)])
def test_option(tmp_path, value, good):
    path = tmp_path / "natterd.conf"
    path.write_text(f"workers = {value}\n")
    status, out = run("--print-config", "-c", str(path))
    assert (status == 0) == good
    assert (f"workers = {value}\n" if good else "expected auto, or a number from 1 to 256") in out


@pytest.mark.skipif(PORTABLE, reason="knows no affinity")
def test_auto_is_one_for_each_core_it_may_use(start):
    mine = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mine)})
        assert start("workers = auto\n").workers == 1
    finally:
        os.sched_setaffinity(0, mine)
    assert start("workers = auto\n").workers == min(len(mine), 256)


def test_a_thread_that_cannot_be_had(tmp_path):
    path = tmp_path / "natterd.conf"
    path.write_text('workers = 8\nlistener main { address = {"127.0.0.1"} port = 0 }\n')
    huge = 1 << 45  # a thread's stack is as large as this limit: there is room for two or three
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if hard != resource.RLIM_INFINITY:
        pytest.skip("the limit cannot be raised")
    p = subprocess.run([*PROGRAM, "-c", str(path)], capture_output=True, text=True, timeout=20, check=False,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (huge, hard)))
    if "unexpected memory mapping" in p.stderr:
        pytest.skip("ThreadSanitizer does not start with such a limit")
    assert p.returncode == 1
    assert re.search(r'error: cannot start error="the thread of worker [2-8] of 8: ', p.stderr), p.stderr
    assert "Sanitizer" not in p.stderr and " ready " not in p.stderr, p.stderr


# ---- where connections go ----

@pytest.mark.parametrize("n", [2, 4])
def test_connections_are_shared_out(start, n):
    d = start(f"workers = {n}\n")
    assert d.workers == n
    clients = [d.connect("/spread") for _ in range(64)]
    assert all(open_sessions(d, 64))
    if not PORTABLE:
        assert d.counters()["handed_on"] == 0
    for c in clients:
        c.close()


@pytest.mark.parametrize("n", [2, 4])
def test_unix_sockets_deal_round(start, n):
    d = unix_natterd(start, f"workers = {n}\n" + QUIET)
    clients = enter(d, "/dealt", 8 * n)
    assert open_sessions(d, 8 * n) == [8] * n
    assert d.counters()["handed_on"] == 8 * (n - 1)
    for i, c in enumerate(clients):
        c.send_json(message=i)
        assert [x.recv_until(type="usermsg")["message"] for x in clients] == [i] * len(clients)
    for c in clients:
        c.close()


def test_counters_are_sums(start):
    d = unix_natterd(start, "workers = 3\n")
    clients = [d.connect(f"/{i}") for i in range(9)]
    for i, c in enumerate(clients):
        c.send_json(message=i)
        c.recv_until(message=i)
    assert [w["worker"] for w in d.worker_counters()] == [0, 1, 2]

    def calm():
        each = d.worker_counters()
        total = d.counters()
        return total == {k: sum(w[k] for w in each) for k in total} and total
    total = wait_for("counters that stand still", calm)
    assert total["rooms"] == 9 and total["handshakes"] == 9 and total["stored"] == 9
    for c in clients:
        c.close()


# ---- what is the whole server's ----

def test_names(start):
    d = unix_natterd(start, "workers = 2\n" + QUIET)
    a, b = d.connect("/names?name=Ann"), d.connect("/names?name=ann")
    assert b.recv_json()["code"] == "name_taken"
    b.send_json(message="hi", name="ANN")
    assert b.recv_json()["code"] == "name_taken"
    a.send_json(message="hi")
    assert a.recv_json()["name"] == b.recv_json()["name"] == "Ann"
    a.close()

    def free():
        c = d.connect("/names2?name=ann")
        c.send_json(message="x")
        got = c.recv_json()
        c.close()
        return got["type"] == "usermsg"
    wait_for("the name to be free", free)
    b.close()


def status_of(d):
    c = d.connect("/full", upgrade=False)
    c.send_raw(c.request)
    status = c.read_response()
    c.close()
    return status


@pytest.mark.parametrize("n", [2, 4])
def test_max_connections(start, n):
    d = unix_natterd(start, f"workers = {n}\nmax_connections = 6\n")
    clients = [d.connect("/full") for _ in range(6)]
    assert [status_of(d) for _ in range(5)] == [503] * 5
    clients.pop(3).close()
    wait_for("a place", lambda: status_of(d) == 101)
    for c in clients:
        c.close()


def test_max_rooms(start):
    """An empty room gives way, whichever worker is its home."""
    d = unix_natterd(start, "workers = 4\nmax_rooms = 3\n" + QUIET)
    for i in range(30):
        def enter():
            c = d.connect(f"/{i}")
            c.send_json(message=i)
            got = c.recv_json()
            c.close()
            return got.get("message") == i  # else the room before is not left yet, of which there are few
        wait_for("a place", enter)
    assert d.counters()["rooms"] <= 3
    clients = [d.connect(f"/full{i}") for i in range(3)]
    for i, c in enumerate(clients):
        c.send_json(message=i)
        wait_for("the room", lambda c=c: c.recv_json())
    c = d.connect("/more")
    assert c.recv_json()["code"] == "too_many_rooms" and c.recv_close()[0] == 4001
    for c in clients:
        c.close()


# ---- order ----

@pytest.mark.parametrize("n", [1, 2, 4])
def test_all_hear_the_same_order(start, n):
    d = unix_natterd(start, f"workers = {n}\n" + QUIET)
    clients = enter(d, "/order", 12)
    for i, c in enumerate(clients):
        c.send_raw(b"".join(frame(1, f'{{"message":{k},"from":{i}}}') for k in range(50)))
    heard = [[m for m in (c.recv_until(type="usermsg") for _ in range(600))] for c in clients]
    assert [m["seq"] for m in heard[0]] == list(range(1, 601))
    assert all(h == heard[0] for h in heard)
    for i in range(12):
        assert [m["message"] for m in heard[0] if m["from"] == i] == list(range(50))
    for c in clients:
        c.close()


def test_parting_is_heard_last(start):
    """What it said, stored or not, and then that it went: on the other worker as well."""
    d = unix_natterd(start, "workers = 2\n")
    for i in range(20):
        a, b = d.connect(f"/part{i}"), d.connect(f"/part{i}")
        a.recv_until(type="system")
        a.recv_until(type="system")
        b.recv_until(type="system")
        b.send_raw(frame(1, '{"message":1}') + frame(1, '{"type":"x"}') + frame(1, '{"message":2}') +
                   frame(CLOSE, close_payload(1000)))
        got = [a.recv_json() for _ in range(4)]
        assert [m.get("message", m["type"]) for m in got] == [1, "x", 2, "unix disconnected"]
        a.close()
        b.close()


class Member:
    """A client in one room, read without waiting."""

    def __init__(self, daemon, number, room, history):
        self.number, self.room = number, room
        self.client = daemon.connect(f"/{room}?history={history}")
        self.client.sock.setblocking(False)
        self.sent, self.seqs, self.leaving, self.closed = 0, [], False, None

    def say(self, n):
        data = b""
        for _ in range(n):
            data += frame(1, f'{{"message":"m","from":{self.number},"n":{self.sent}}}')
            self.sent += 1
        self.client.sock.setblocking(True)
        self.client.send_raw(data)
        self.client.sock.setblocking(False)


class Torture:
    """Members of many rooms come, talk and go; who hears what is counted.

    Each member hears consecutive seqs, from its history on; a seq is one message for all; a message has one
    seq; what one says has its place in the order of saying; and all that was said by those who stay has.
    """

    def __init__(self, daemon, rooms, seed):
        self.daemon, self.rooms, self.random = daemon, rooms, random.Random(seed)
        self.selector = selectors.DefaultSelector()
        self.members, self.all, self.number = [], [], 0
        self.places = [{} for _ in range(rooms)]  # seq -> (from, n)
        self.told = [{} for _ in range(rooms)]    # (from, n) -> seq

    def join(self):
        self.number += 1
        m = Member(self.daemon, self.number, self.random.randrange(self.rooms), self.random.choice([0, 3, 200]))
        self.members.append(m)
        self.all.append(m)
        self.selector.register(m.client.sock, selectors.EVENT_READ, m)

    def leave(self, m, how):
        self.members.remove(m)
        if how == "reset":
            self.selector.unregister(m.client.sock)
            m.client.reset()
            m.closed = "reset"
        else:
            m.say(self.random.randrange(3))
            m.leaving = True
            m.client.send_raw(frame(CLOSE, close_payload(1000)))

    def hear(self, m, message):
        key, seq = (message["from"], message["n"]), message["seq"]
        places, told = self.places[m.room], self.told[m.room]
        assert message["room"] == str(m.room), message
        assert not m.seqs or seq == m.seqs[-1] + 1, (m.number, m.seqs[-5:], message)
        assert places.setdefault(seq, key) == key, (places[seq], message)
        assert told.setdefault(key, seq) == seq, (told[key], message)
        m.seqs.append(seq)

    def read(self, m):
        try:
            while True:
                m.client.more()
        except BlockingIOError:
            pass
        except (Closed, ConnectionResetError):
            m.closed = m.closed or "eof"
        while m.client.buffer:
            before = m.client.buffer
            try:
                self.hear(m, m.client.recv_json())
            except BlockingIOError:
                m.client.buffer = before  # half a frame
                break
            except Closed as e:
                m.closed = e.args[0] if e.args else m.closed
                break
        if m.closed:
            self.selector.unregister(m.client.sock)
            m.client.close()

    def poll(self, seconds=0):
        for key, _ in self.selector.select(seconds):
            self.read(key.data)

    def act(self):
        dice = self.random.random()
        if len(self.members) < 60 or (dice < 0.12 and len(self.members) < 200):
            self.join()
        elif dice < 0.18:
            self.leave(self.random.choice(self.members), "close")
        elif dice < 0.22:
            self.leave(self.random.choice(self.members), "reset")
        else:
            self.random.choice(self.members).say(self.random.randrange(1, 6))

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(self.random.randrange(1, 8)):
                self.act()
            self.poll()

    def finish(self):
        """Everybody who is left says a last word, and hears all last words of its room."""
        for m in self.members:
            m.say(1)
        last = {(m.number, m.sent - 1): m.room for m in self.members}

        def quiet():
            self.poll(0.01)
            return (all(key in self.told[room] for key, room in last.items()) and
                    all(m.closed for m in self.all if m.leaving) and
                    all(m.seqs and m.seqs[-1] == max(self.places[m.room]) for m in self.members))
        wait_for("all to have heard all", quiet, 60)
        self.check()

    def check(self):
        for m in self.all:
            places = [self.told[m.room].get((m.number, n)) for n in range(m.sent)]
            heard = [p for p in places if p]
            assert heard == sorted(heard), (m.number, places)  # as it said them
            # what one said that went may have found nobody there, or died in its socket
            assert m.leaving or m.closed == "reset" or len(heard) == m.sent, (m.number, places)


def test_exactly_once_at_two(start):
    torture(start, 2)


def test_exactly_once_at_four(start):
    torture(start, 4)


def torture(start, n):
    d = start(f"workers = {n}\n" + QUIET)
    t = Torture(d, 50, SEED + n)
    t.run(SECONDS)
    t.finish()
    counters = d.counters()
    assert counters["stored"] >= sum(map(len, t.places)) > 100
    for m in t.members:
        m.client.close()
    wait_for("all to be gone", lambda: d.counters()["connections"] == 0)
    d.wait_members(0)  # however they went


# ---- the end ----

@pytest.mark.parametrize("n", [2, 4])
def test_sigterm_drains_all(start, n):
    d = start(f"workers = {n}\nlog_level = debug\n")
    clients = [d.connect(f"/{i % 5}") for i in range(40)]
    assert all(open_sessions(d, 40))
    d.signal(signal.SIGTERM)
    for c in clients:
        with pytest.raises(Closed) as end:
            while True:
                assert c.recv_json()["message"].endswith(" connected")  # nobody's parting is told
        assert end.value.args[0] == 1001
        c.send_raw(frame(CLOSE, close_payload(1001)))
        c.expect_eof()
        c.close()
    assert d.process.wait(20) == 0
    for line in d.log().splitlines():  # whole, whichever thread wrote it
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warning|info|debug): ", line), line


def test_a_second_signal_ends_it_at_once(start):
    d = start("workers = 3\nshutdown_timeout = 5min\nclose_timeout = 5min\n" + QUIET)
    clients = [d.connect("/stay") for _ in range(20)]
    d.signal(signal.SIGTERM)
    for c in clients:
        assert c.recv_close()[0] == 1001
    with pytest.raises(subprocess.TimeoutExpired):
        d.process.wait(0.5)
    d.signal(signal.SIGTERM)
    assert d.process.wait(20) == 0
    for c in clients:
        c.close()


def test_the_deadline_is_for_all(start):
    d = start("workers = 3\nshutdown_timeout = 1s\nclose_timeout = 5min\n" + QUIET)
    clients = [d.connect("/stay") for _ in range(20)]
    d.signal(signal.SIGTERM)
    assert d.process.wait(20) == 0
    assert d.log_contains("did not close in time")
    for c in clients:
        c.close()


@pytest.mark.parametrize("again", [False, True])
def test_sigterm_while_all_talk(start, again):
    """Letters that are on their way when it ends are freed (the sanitizers look), and nobody hears a gap."""
    d = start("workers = 4\nshutdown_timeout = 3s\n" + QUIET)
    t = Torture(d, 20, SEED)
    t.run(1)
    stop = threading.Timer(0.2, lambda: d.signal(signal.SIGTERM))
    stop.start()
    end = time.monotonic() + 20
    try:
        while time.monotonic() < end and d.process.poll() is None:
            t.random.choice(t.members).say(5)
            t.poll()
            if again and d.log_contains("stopping"):
                again = False
                d.signal(signal.SIGTERM)
    except OSError:
        pass
    stop.join()
    for m in t.members:
        m.client.close()
    assert d.process.wait(20) == 0


# ---- a port in use ----

def listen_on(family, address, reuse):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind((address, 0))
    s.listen()
    return s


@pytest.mark.parametrize("workers_there", [1, 2])
@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("family, address", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_port_in_use_by_another_process(tmp_path, family, address, reuse, workers_there):
    path = tmp_path / "natterd.conf"
    with listen_on(family, address, reuse) as s:
        path.write_text(f"workers = {workers_there}\nlistener main {{ address = {{\"{address}\"}} "
                        f"port = {s.getsockname()[1]} }}\n")
        status, out = run("-c", str(path))
        assert status == 1 and "in use" in out, out


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_port_in_use_by_another_natterd(start, tmp_path, address):
    d = start(f'workers = 2\nlistener main {{ address = {{"{address}"}} port = 0 }}\n')
    path = tmp_path / "natterd.conf"
    for n in (1, 2, 4):
        path.write_text(f'workers = {n}\nlistener main {{ address = {{"{address}"}} port = {d.port} }}\n')
        status, out = run("-c", str(path))
        assert status == 1 and "in use" in out and "another natterd" in out, out
    every = "*" if address == "127.0.0.1" else "::"
    path.write_text(f'workers = 2\nlistener main {{ address = {{"{every}"}} port = {d.port} }}\n')
    status, out = run("-c", str(path))
    assert status == 1 and "in use" in out, out
    Client(address, d.port).close()


def test_two_natterds_started_at_once(tmp_path):
    for turn in range(8):
        with listen_on(socket.AF_INET, "127.0.0.1", False) as s:
            port = s.getsockname()[1]
        path = tmp_path / "natterd.conf"
        path.write_text(f'workers = 3\nlistener main {{ address = {{"127.0.0.1"}} port = {port} }}\n')
        logs = [tmp_path / f"log{turn}.{i}" for i in range(3)]
        processes = []
        for log in logs:
            with open(log, "wb") as out:
                processes.append(subprocess.Popen([*PROGRAM, "-c", str(path)], stdout=out, stderr=out))

        def settled():
            return all(p.poll() is not None or " ready " in x.read_text() for p, x in zip(processes, logs))
        wait_for("both to be ready or to end", settled)
        serving = [p for p in processes if p.poll() is None]
        for p in serving:
            p.terminate()
        assert [p.wait(20) for p in serving] == [0], [x.read_text() for x in logs]
        assert sum("in use" in x.read_text() for x in logs) == 2
