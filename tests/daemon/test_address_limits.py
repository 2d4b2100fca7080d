"""What one address may have: connections, new ones a minute, handshakes half done. Who has too much hurts nobody else.

Loopback is exempt by default; these daemons do not exempt it, and 127.0.0.2, 127.0.0.3, … are as many addresses.
"""
import contextlib
import os
import time

from natterd import DEADLINE, Closed, wait_for

WORKERS = [1, 2]
COMMON = "address_exempt = {}\nannounce = off\n"
# What opening a connection that was turned away, and speaking on it, may come to.
RESET = (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)


def attempt(d, source, path="/tea"):
    """The status of a handshake from this address, and the client; (None, None) where it was turned away."""
    try:
        c = d.connect(path, upgrade=False, source=source)
        c.send_raw(c.request)
        c.read_response()
        d.kept = getattr(d, "kept", []) + [c]
        return c.status, c
    except RESET:
        return None, None


def refuse_until_turned_away(d, source):
    """The answers that come before the first reset."""
    refused = []
    for _ in range(60):
        status, c = attempt(d, source)
        if status is None:
            return refused
        assert status == 429
        assert int(c.headers["retry-after"]) > 0
        refused.append(c.read_to_end().decode())
        c.close()
    raise AssertionError("it is answered for ever")


def test_connections(start):
    d = start(COMMON + "address_connections = 5\n")
    mine = [attempt(d, "127.0.0.2") for _ in range(5)]
    assert [status for status, _ in mine] == [101] * 5
    refused = refuse_until_turned_away(d, "127.0.0.2")
    assert 5 <= len(refused) <= 30
    assert all("your address has as many connections as it may have" in x for x in refused)
    status, other = attempt(d, "127.0.0.3")
    assert status == 101, "another address feels nothing of it"
    counters = d.counters()
    assert counters["refused_address_connections"] > len(refused)
    assert counters["turned_away"] >= 1
    assert counters["connections"] >= 6
    assert "connections are turned away" in d.log() and "address=127.0.0.2" in d.log()
    for _, c in mine[:2]:
        c.close()
    d.wait_members(4)
    assert [attempt(d, "127.0.0.2")[0] for _ in range(2)] == [101, 101]
    other.send_json(message="still there")
    assert other.recv_until(message="still there")


def test_who_waits_a_while_is_told_again(start):
    d = start(COMMON + "address_connections = 1\n")
    assert attempt(d, "127.0.0.2")[0] == 101
    refuse_until_turned_away(d, "127.0.0.2")
    wait_for("an answer", lambda: time.sleep(0.3) or attempt(d, "127.0.0.2")[0] == 429)


def test_rate(start):
    d = start(COMMON + "address_rate = 4\n")
    for _ in range(4):
        status, c = attempt(d, "127.0.0.2")
        assert status == 101
        c.close()
    assert any("too many new connections" in x for x in refuse_until_turned_away(d, "127.0.0.2"))
    assert attempt(d, "127.0.0.3")[0] == 101
    assert d.counters()["refused_address_rate"] > 4


def test_handshakes(start):
    d = start(COMMON + "address_handshakes = 3\nhandshake_timeout = 2s\n")
    mute = [d.connect(upgrade=False, source="127.0.0.2") for _ in range(2)]
    mute.append(d.connect(upgrade=False, source="127.0.0.2"))
    mute[-1].send_raw(b"GET / HTTP/1.1\r\nHost: ")
    d.counter_reaches("connections", 3)
    assert all("wait for their request" in x for x in refuse_until_turned_away(d, "127.0.0.2"))
    assert attempt(d, "127.0.0.3")[0] == 101
    assert d.counters()["refused_address_handshakes"] > 3
    d.counter_reaches("closed_handshake", 3)  # and they give their places back
    wait_for("a place", lambda: time.sleep(0.3) or attempt(d, "127.0.0.2")[0] == 101)


def test_open_connections_are_no_handshakes(start):
    d = start(COMMON + "address_handshakes = 2\n")
    assert [attempt(d, "127.0.0.2")[0] for _ in range(20)] == [101] * 20


def test_refusals_take_no_memory(start):
    """A thousand connections from an address that is turned away, while another one chats."""
    d = start(COMMON + "address_connections = 1\nmessage_rate = 0\n")
    other = d.connect("/tea", source="127.0.0.3")
    assert attempt(d, "127.0.0.2")[0] == 101
    refuse_until_turned_away(d, "127.0.0.2")
    before = d.memory("RssAnon")
    for i in range(1000):
        with contextlib.suppress(*RESET):
            d.connect("/tea", upgrade=False, source="127.0.0.2").close()
        if i % 100 == 0:
            other.send_json(message=i)
            assert other.recv_until(message=i)
    d.counter_reaches("turned_away", 980)
    assert d.counters()["connections"] <= 2 + 20
    assert d.memory("RssAnon") - before < 1024 * 1024


def test_loopback_is_exempt_by_default(start):
    d = start("address_connections = 1\naddress_rate = 1\naddress_handshakes = 1\n")
    assert [attempt(d, "127.0.0.2")[0] for _ in range(20)] == [101] * 20


def test_an_exempt_network(start):
    d = start("address_connections = 1\naddress_exempt = {\"127.0.0.0/24\"}\n")
    assert [attempt(d, "127.0.0.2")[0] for _ in range(5)] == [101] * 5
    assert attempt(d, "127.0.1.2")[0] == 101
    assert attempt(d, "127.0.1.2")[0] == 429


def test_unix_peers_are_exempt(start):
    d = start(COMMON + "address_connections = 1\naddress_rate = 1\naddress_handshakes = 1\n"
              "listener main { address = {\"127.0.0.1\"} port = 0 }\nlistener door { path = \"/tmp/natterd-test-limits-"
              f"{os.getpid()}\" }}\n")
    clients = [d.connect("/tea", unix=f"/tmp/natterd-test-limits-{os.getpid()}") for _ in range(10)]
    assert all(c.status == 101 for c in clients)


def test_max_handshakes(start):
    """Of all addresses together: for one more the oldest goes."""
    d = start("max_handshakes = 20\nhandshake_timeout = 60s\n")
    mute = [d.connect(upgrade=False) for _ in range(40)]
    d.counter_reaches("closed_crowded_out", 20)
    counters = d.counters()
    assert counters["connections"] == 20
    gone = 0
    for c in mute:
        c.sock.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            assert c.sock.recv(1) == b""
            gone += 1
    assert gone == 20
    assert attempt(d, None)[0] == 101
    mute[-1].sock.settimeout(DEADLINE)
    mute[-1].send_raw(mute[-1].request)
    mute[-1].read_handshake()


def test_slowloris(start):
    """A byte now and then does not prolong the handshake's time."""
    d = start("handshake_timeout = 2s\n")
    slow = [d.connect(upgrade=False) for _ in range(20)]
    mute = d.connect(upgrade=False)
    begun, at = time.monotonic(), 0
    other = d.connect("/tea")
    with contextlib.suppress(*RESET):
        while time.monotonic() - begun < DEADLINE and d.counters()["closed_handshake"] < 21:
            for c in slow:
                c.send_raw(c.request[at : at + 1])
            at += 1
            time.sleep(0.2)
    d.counter_reaches("closed_handshake", 21)
    assert 1.5 < time.monotonic() - begun < DEADLINE / 2
    assert [c.read_response() for c in slow] == [408] * 20
    assert mute.read_to_end() == b""
    other.send_json(message="here")
    assert other.recv_until(message="here")


# ---- behind a proxy, the client's address counts ----

PROXIED = 'trusted_proxies = {"127.0.0.1"}\nannounce = off\naddress_connections = 2\n'


def forwarded(d, address):
    """The status for this client of a proxy that sets X-Forwarded-For."""
    c = d.connect("/tea", headers=[f"X-Forwarded-For: {address}"], upgrade=False)
    c.send_raw(c.request)
    if c.read_response() == 101:
        d.kept = getattr(d, "kept", []) + [c]
    else:
        c.close()
    return c.status


def test_a_forwarded_address_counts(start):
    """IPv6 by /64. A proxy always gets an answer: without one it might take us for dead, for everybody."""
    d = start(PROXIED)
    for address, neighbour, other in (("192.0.2.1", "192.0.2.1", "192.0.2.2"),
                                      ("2001:db8:1:2::3", "2001:db8:1:2:ffff::4", "2001:db8:1:3::3")):
        assert [forwarded(d, address) for _ in range(2)] == [101, 101]
        assert [forwarded(d, neighbour) for _ in range(40)] == [429] * 40
        assert forwarded(d, other) == 101
    wait_for("the refused to be gone", lambda: d.counters()["connections"] == 6)
    for c in d.kept[:2]:
        c.close()
    d.wait_members(4)
    assert forwarded(d, "192.0.2.1") == 101


def test_an_address_by_the_proxy_protocol_counts(start):
    d = start(PROXIED + 'listener main { address = {"127.0.0.1"} port = 0 proxy_protocol = yes }\n')

    def proxied(address):
        try:
            c = d.connect("/tea", upgrade=False)
            c.send_raw(f"PROXY TCP4 {address} 192.0.2.99 1234 80\r\n".encode() + c.request)
            d.kept = getattr(d, "kept", []) + [c]
            return c.read_response()
        except (Closed, *RESET):
            return None

    assert [proxied("192.0.2.1") for _ in range(2)] == [101, 101]
    got = [proxied("192.0.2.1") for _ in range(40)]
    assert got[0] == 429 and got[-1] is None and set(got) == {429, None}
    assert proxied("192.0.2.2") == 101
    assert d.counters()["turned_away"] > 10


def test_a_reload_changes_them(start):
    """Who is counted stays counted, also when its address is exempt from then on."""
    listener = 'listener main { address = {"127.0.0.1"} port = 0 }\n'
    d = start(COMMON + listener + "address_connections = 2\n")

    def attempts(there):
        got = [attempt(d, "127.0.0.2") for _ in range(3)]
        for status, c in got:
            if status == 429:
                c.close()
        wait_for("the refused to be gone", lambda: d.counters()["connections"] == there)
        return [status for status, _ in got]

    assert attempts(2) == [101, 101, 429]
    d.reload(COMMON + listener + "address_connections = 4\n")
    assert attempts(4) == [101, 101, 429]
    d.reload('announce = off\naddress_exempt = {"127.0.0.2"}\naddress_connections = 1\n' + listener)
    assert attempts(7) == [101, 101, 101]
    for c in d.kept:
        c.close()
    wait_for("all to be gone", lambda: d.counters()["connections"] == 0)
    d.reload(COMMON + listener + "address_connections = 2\n")
    assert attempts(2) == [101, 101, 429]
