"""SIGHUP: what counts from when on, option by option; listeners that come and go; files that change nothing.

Every row of config.def has its test here, or fails test_every_option_is_observed: what is marked RELOAD or CONNECT
is seen to change, what is marked RESTART is said to need one.
"""
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

import jwt
from natterd import CONT, DEADLINE, HERE, PING, TEXT, Client, Closed, Natterd, frame, run, wait_for
from test_bench import bench_json
from test_daemon import given, until_listening
from test_deflate import OFFER
from v1 import V1, new_room, secret, token_section

SRC = os.environ.get("srcdir", os.path.join(HERE, "..", ".."))
PORTABLE = os.environ.get("NATTER_PORTABLE") == "yes"
OBSERVED = set()


def rows():
    """{option: when} of config.def, as "max_frame" or "listener.port"."""
    with open(os.path.join(SRC, "src", "daemon", "config.def"), encoding="utf-8") as f:
        found = re.findall(r'^([A-Z]+)\([A-Z_]+, (\w+), .* (RESTART|RELOAD|CONNECT), "', f.read(), re.M)
    return {name if section == "GLOBAL" else f"{section.lower()}.{name}": when for section, name, when in found}


def observes(*options):
    """The test sees these options change."""
    OBSERVED.update(options)
    return lambda test: test


def test_every_option_is_observed():
    reloaded = {name for name, when in rows().items() if when != "RESTART"}
    assert reloaded - OBSERVED == set(), "options without a test that sees them change"
    assert OBSERVED - reloaded == set(), "no such options, or they need a restart"
    assert {name for name, when in rows().items() if when == "RESTART"} == {*RESTART, "listener.given"}


# ---- tools ----

def status(d, path="/", headers=(), port=None, plain=False):
    """The status of the answer to a handshake, or to a PLAIN request."""
    c = Client(d.host, port or d.port, path, headers=headers, upgrade=False)
    c.send_raw(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() if plain else c.request)
    c.read_response()
    c.close()
    return c.status


def said(c, text="x", **members):
    """What comes back of what C says."""
    c.send_json(message=text, **members)
    while True:
        got = c.recv_json()
        if got.get("message") == text or got["type"] == "error":
            return got


def closes(d, path, data):
    """The code by which a new connection ends that sends this."""
    c = d.connect(path)
    c.send_raw(data)
    return c.recv_close()[0]


# ---- options: new connections ----

@observes("max_frame", "max_message", "max_fragments", "max_depth", "max_members")
def test_sizes_are_those_of_the_connections_beginning(start):
    d = start("max_frame = 1000\nmax_message = 1000\n")
    old = d.connect("/sizes")
    d.reload("max_frame = 200\nmax_message = 300\nmax_fragments = 2\nmax_depth = 2\nmax_members = 3\n")
    assert said(old, "x" * 900)["type"] == "usermsg"
    assert said(old, [[[]]])["type"] == "usermsg"
    assert closes(d, "/sizes", frame(TEXT, "x" * 201)) == 1009
    assert closes(d, "/sizes", frame(TEXT, "x" * 160, fin=False) + frame(CONT, "x" * 160)) == 1009
    assert closes(d, "/sizes", frame(TEXT, "{", fin=False) + frame(CONT, "", fin=False) + frame(CONT, "}")) == 1009
    new = d.connect("/sizes")
    assert said(new, [[]])["code"] == "too_complex"
    assert said(new, [1, 2, 3])["code"] == "too_complex"
    assert said(new, 1)["type"] == "usermsg"


@observes("history_max", "message_rate", "message_burst", "recover_max", "session_keep", "rooms_per_connection")
def test_a_new_client_is_told_new_limits(start):
    limits = {"history_max": 7, "message_rate": 8, "message_burst": 9, "recover_max": 10, "session_keep": 11,
              "rooms_per_connection": 2, "max_message": 1024}
    d = start("")
    old = V1(d)
    d.reload("".join(f"{k} = {v}\n" for k, v in limits.items()))
    new = V1(d)
    assert {k: new.welcome["limits"][k] for k in limits} == limits
    for c, rooms in ((old, 3), (new, 2)):
        for i in range(rooms):
            c.join(f"{i}")
    new.error("too_many_joined", "join", room="2")
    c = d.connect("/history")
    for i in range(9):
        said(c, i)
    late, got = d.connect("/history?history=100"), []
    late.send_json(message="end")
    while "end" not in got:
        got.append(late.recv_json()["message"])
    assert [x for x in got if isinstance(x, int)] == list(range(2, 9))


@observes("flood_time")
def test_flood_time(start):
    d = start("message_rate = 10\nmessage_burst = 5\nflood_time = 1h\n")
    d.reload("message_rate = 10\nmessage_burst = 5\nflood_time = 1s\n")
    c = d.connect("/flood")
    c.send_raw(b"".join(frame(TEXT, '{"type":"x"}') for i in range(2000)))
    assert c.recv_until(type="error")["code"] == "rate_limited"
    assert c.recv_close()[0] == 4500


@observes("anonymous", "endpoint.anonymous", "token_cookie", "token_query", "token.user", "token.name", "token.role")
def test_who_may_come(start):
    token = "a-token"
    section = 'token "sha256:%s" { user = "%s" name = "%s" role = %s }\n'
    ann = section % (hashlib.sha256(token.encode()).hexdigest(), "7", "Ann", "user")
    closed = 'anonymous = no\ntoken_cookie = t\ntoken_query = yes\nendpoint "/*" { }\nendpoint "/open/*" { anonymous = yes }\n'
    d = start('endpoint "/*" { }\nendpoint "/open/*" { anonymous = no }\n')
    guest, old = V1(d), V1(d)
    assert guest.welcome["anonymous"] and status(d, "/x") == 101 and status(d, "/open/x") == 401
    d.reload(closed)
    assert not V1(d).welcome["anonymous"] and status(d, "/x") == 401 and status(d, "/open/x") == 101
    assert status(d, "/x?token=" + token) == 401
    d.reload(closed + ann)
    assert status(d, "/x?token=" + token) == 101
    assert status(d, "/x", ["Cookie: t=" + token]) == 101
    got = old.ok("auth", token=token)  # at once for all
    assert (got["user"], got["name"], got["role"]) == ("7", "Ann", "user")
    d.reload(closed + section % (hashlib.sha256(token.encode()).hexdigest(), "8", "Bob", "moderator"))
    got = V1(d, token=token).welcome
    assert (got["user"], got["name"], got["role"]) == ("8", "Bob", "moderator")
    d.reload(closed)
    # Ann is Ann until she goes; then her token is worth nothing, and her session's secret makes her nobody's user.
    old.join("there")
    assert old.say("there", "still here")["user"] == "7"
    session = old.session
    old.close()
    assert status(d, "/x?token=" + token) == 401
    V1(d, path="/open/x").error("bad_token", "auth", token=token)
    again = V1(d, path="/open/x", resume=session)
    again.join("there")
    assert "user" not in again.say("there", "who am I?")


@observes("jwt.algorithm", "jwt.key", "jwt.kid", "jwt.issuer", "jwt.audience", "jwt.leeway", "token_warning")
def test_keys_that_sign(start):
    jwt.needed()
    d = start("")

    def taken(**kwargs):
        return status(d, "/x", ["Authorization: Bearer " + jwt.token("ann", **kwargs)]) == 101

    assert not taken()
    d.reload(jwt.section())
    assert taken() and not taken(secret=jwt.SECRET_2)
    for more, good, bad in (({"secret": jwt.SECRET_2}, {"secret": jwt.SECRET_2}, {}),
                            ({"kid": "k"}, {"header": {"kid": "k"}}, {}), ({"issuer": "i"}, {"iss": "i"}, {"iss": "j"}),
                            ({"audience": "a"}, {"aud": "a"}, {"aud": "b"}), ({"leeway": "0"}, {}, {"ends_in": -5}),
                            ({"leeway": "5min"}, {"ends_in": -5}, {"ends_in": -999}),
                            ({"algorithm": "ES256"}, {"algorithm": "ES256"}, {})):
        d.reload(jwt.section(**more))
        assert taken(**good) and not taken(**bad), more
    d.reload("token_warning = 1h\n" + jwt.section())
    V1(d, token=jwt.token("ann")).expect("token_expiring")


TLS = {"tls_min_version", "tls_ciphers", "tls_tickets", "tls_ticket_file", "listener.tls", "listener.certificate",
       "listener.key", "listener.certificates", "certificate.chain", "certificate.key"} & rows().keys()


@observes(*TLS)
def test_tls(start, tmp_path):
    """What certificates a listener shows, by which versions and ciphers; test_tls.py has what becomes of connections."""
    if not TLS:
        pytest.skip("this natterd has no TLS")
    import ssl
    from certs import Authority

    authority = Authority(str(tmp_path))
    files = {x: authority.issue(x, "localhost") for x in ("a", "b", "c")}

    def at(more, name="main"):
        return f'listener {name} {{ address = {{"127.0.0.1"}} port = 0 tls = yes {more} }}\n'

    def show(**limits):
        """The socket of a handshake that is done, and the subject of what was shown."""
        context = ssl.create_default_context(cafile=authority.ca)
        context.maximum_version = limits.pop("most", ssl.TLSVersion.TLSv1_3)
        s = context.wrap_socket(socket.create_connection((d.host, d.port), DEADLINE), server_hostname="localhost")
        return s, dict(x[0] for x in s.getpeercert()["subject"])["commonName"], context

    def own(title):
        return at('certificate = "{}" key = "{}"'.format(*files[title]))

    def section(title):
        return 'certificate {} {{ chain = "{}" key = "{}" }}\n'.format(title, *files[title])

    d = start('listener main { address = {"127.0.0.1"} port = 0 }\n')
    assert status(d) == 101
    d.reload(own("a"))
    assert show()[1] == "a"
    d.reload(own("b"))
    assert show()[1] == "b"
    d.reload(section("a") + section("c") + at(""))
    assert show()[1] == "a"
    d.reload(section("a") + section("c") + at('certificates = {"c"}'))
    assert show()[1] == "c"
    d.reload('certificate c {{ chain = "{}" key = "{}" }}\n'.format(*files["b"]) + at(""))
    assert show()[1] == "b"
    log = d.reload('certificate c {{ chain = "{}" key = "{}" }}\n'.format(files["b"][0], files["a"][1]) + at(""), good=False)
    assert files["a"][1] in log and show()[1] == "b"  # the old one is in force
    d.reload(own("a") + 'tls_ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305"\n')
    assert show(most=ssl.TLSVersion.TLSv1_2)[0].cipher()[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"
    d.reload(own("a") + "tls_min_version = 1.3\n")
    with pytest.raises(ssl.SSLError):
        show(most=ssl.TLSVersion.TLSv1_2)

    def ticket():
        return show(most=ssl.TLSVersion.TLSv1_2)[0].session.has_ticket

    d.reload(own("a"))
    assert ticket()
    d.reload(own("a") + "tls_tickets = 0\n")
    assert not ticket()
    for name in ("one", "two"):
        with open(os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
            f.write(os.urandom(48))
    d.reload(own("a") + f'tls_ticket_file = "{tmp_path}/one"\n')
    s, _, context = show(most=ssl.TLSVersion.TLSv1_2)
    for name, resumed in (("one", True), ("two", False)):
        d.reload(own("a") + f'tls_ticket_file = "{tmp_path}/{name}"\n')
        again = context.wrap_socket(socket.create_connection((d.host, d.port), DEADLINE), server_hostname="localhost",
                                    session=s.session)
        assert again.session_reused == resumed


@observes("reserved_names", "default_type", "endpoint.default_type", "reserved_type", "subprotocols",
          "endpoint.subprotocols", "announce", "endpoint.announce")
def test_what_is_said_and_how(start):
    d = start('announce = off\nendpoint "/*" { }\nendpoint "/e/*" { }\n')
    old, v1 = d.connect("/words"), V1(d)
    d.reload('announce = off\nreserved_names = {boss}\ndefault_type = say\nreserved_type = {root}\nsubprotocols = {a}\n'
             'endpoint "/*" { announce = name }\nendpoint "/e/*" { default_type = utter subprotocols = {b} announce = off }\n')
    v1.ok("name", name="boss")
    v1.ok("name", name=None)
    new, other = d.connect("/words?name=ann"), d.connect("/e/x", headers=["Sec-WebSocket-Protocol: a, b"])
    assert other.headers["sec-websocket-protocol"] == "b"
    assert said(old, "1")["type"] == "usermsg" and said(new, "2")["type"] == "say" and said(other)["type"] == "utter"
    assert said(old, "3", type="root")["type"] == "root" and said(new, "4", type="root")["code"] == "reserved_type"
    assert "sec-websocket-protocol" not in d.connect("/words", headers=["Sec-WebSocket-Protocol: b"]).headers
    boss = d.connect("/words?name=boss")
    assert boss.recv_until(type="error")["code"] == "name_reserved"
    assert new.recv_until(type="system")["message"]  # somebody came, by name
    d.reload('announce = address\nendpoint "/*" { }\n')
    d.connect("/words").close()
    assert new.recv_until(type="system", message="127.0.0.1 connected")


@observes("deflate", "deflate_takeover", "deflate_min", "endpoint.deflate", "endpoint.deflate_takeover")
def test_compression(start):
    def agreed(path="/"):
        return d.connect(path, headers=[OFFER]).headers.get("sec-websocket-extensions")

    on = 'announce = off\ndeflate = yes\nendpoint "/*" { }\n'
    d = start('announce = off\nendpoint "/*" { }\nendpoint "/e/*" { }\n')
    assert agreed() is None and agreed("/e/x") is None
    d.reload(on + 'endpoint "/e/*" { deflate = no }\n')
    assert "client_no_context_takeover" in agreed() and agreed("/e/x") is None
    d.reload(on + 'deflate_takeover = yes\nendpoint "/e/*" { deflate_takeover = no }\n')
    assert "client_no_context_takeover" not in agreed() and "client_no_context_takeover" in agreed("/e/x")
    c = d.connect("/min", headers=[OFFER])

    def compressed():
        c.send_json(message="x" * 100)
        a, b = c.take(2)
        c.take(b if b < 126 else struct.unpack(">H", c.take(2))[0])
        return bool(a & 0x40)

    assert not compressed()
    d.reload(on + "deflate_min = 50\n")
    assert compressed()  # at once


# ---- options: at once ----

@observes("log", "log_level")
def test_the_log(start):
    d = start("")
    d.connect("/log").close()
    wait_for("the end", lambda: d.counters()["connections"] == 0)
    assert " debug: " not in d.log()
    d.reload("log_level = debug\n")
    d.connect("/log").close()
    wait_for("the end", lambda: d.log_contains(" debug: closing "))
    d.write_config(d.common("log = syslog\npage = no\n"))
    d.signal(signal.SIGHUP)
    wait_for("the reload", lambda: status(d, plain=True) == 426)
    d.reload("")
    assert d.counters()["reloads"] == 3 and d.log().count(" info: reloaded ") == 2  # one was told elsewhere


@observes("max_connections", "page", "max_head")
def test_who_is_answered(start):
    d = start("")
    one = d.connect("/one")
    assert status(d, plain=True) == 200
    d.reload("max_connections = 2\npage = no\nmax_head = 1K\n")
    assert status(d, plain=True) == 426
    wait_for("the place", lambda: d.counters()["connections"] == 1)
    assert status(d, headers=["X: " + "x" * 2000]) == 431
    wait_for("the place", lambda: d.counters()["connections"] == 1)
    two = d.connect("/one")
    assert status(d) == 503
    assert said(one)["message"] == said(two)["message"]


@observes("address_connections", "address_rate", "address_handshakes", "address_exempt", "max_handshakes")
def test_what_an_address_may_have(start):
    d = start("address_connections = 1\naddress_rate = 5\n")
    assert [status(d) for _ in range(9)] == [101] * 9  # loopback is exempt
    one = d.connect()
    d.reload("address_exempt = {}\naddress_connections = 1\n")
    two = d.connect()  # who was there does not count
    assert status(d) == 429
    d.reload("address_exempt = {}\naddress_handshakes = 1\n")
    assert status(d) == 101
    head = d.connect(upgrade=False)
    head.send_raw(b"GET ")
    wait_for("it to be there", lambda: d.counters()["connections"] == 3)
    assert status(d) == 429
    head.close()
    d.reload("address_exempt = {}\naddress_rate = 5\n")
    wait_for("its rate", lambda: status(d) == 429)
    for c in (one, two):
        said(c, str(id(c)))
    d = start("workers = 1\n")
    d.reload("workers = 1\nmax_handshakes = 1\n")
    first, last = d.connect(upgrade=False), d.connect(upgrade=False)
    first.read_to_end()
    last.send_raw(last.request)
    last.read_handshake()


@observes("trusted_proxies", "forwarded", "listener.proxy_protocol")
def test_proxies(start):
    proxy = ["X-Forwarded-For: 203.0.113.5", 'Forwarded: for="198.51.100.7"']

    def called():
        c = d.connect("/who", headers=proxy)
        return c.recv_until(type="system")["message"].split()[0]

    d = start("announce = address\n")
    assert called() == "127.0.0.1"
    d.reload("announce = address\ntrusted_proxies = {127.0.0.1}\n")
    assert called() == "203.0.113.5"
    d.reload("announce = address\ntrusted_proxies = {127.0.0.1}\nforwarded = forwarded\n")
    assert called() == "198.51.100.7"
    d.reload("announce = address\ntrusted_proxies = {127.0.0.1}\nforwarded = off\n" +
             'listener main { address = {"127.0.0.1"} port = 0 proxy_protocol = yes }\n')
    c = d.connect("/who", upgrade=False)
    c.send_raw(b"PROXY TCP4 192.0.2.3 192.0.2.4 1 2\r\n" + c.request)
    c.read_handshake()
    assert c.recv_until(type="system")["message"].split()[0] == "192.0.2.3"


@observes("origins", "endpoint.origins", "origin_required", "endpoint.origin_required")
def test_origins(start):
    origin = ["Origin: https://a.example"]
    d = start('endpoint "/*" { }\nendpoint "/e/*" { }\n')
    assert [status(d, x, origin) for x in ("/", "/e/x")] == [403, 403] and status(d) == 101
    d.reload('origins = {"https://a.example"}\norigin_required = yes\nendpoint "/*" { }\n'
             'endpoint "/e/*" { origins = {"https://b.example"} origin_required = no }\n')
    assert [status(d, x, origin) for x in ("/", "/e/x")] == [101, 403]
    assert [status(d, x) for x in ("/", "/e/x")] == [403, 101]


@observes("max_rooms", "rooms", "create_rooms")
def test_rooms(start):
    d = start("")
    v1, plain = V1(d), d.connect("/a")
    said(plain)
    d.reload("create_rooms = no\nrooms = {a}\n")
    assert status(d, "/a") == 101 and status(d, "/b") == 404
    v1.error("no_such_room", "join", room="b")  # at once for all
    d.reload("create_rooms = no\nrooms = {b}\n")
    assert status(d, "/a") == 404 and status(d, "/b") == 101
    v1.join("b")
    assert said(plain)["type"] == "usermsg"  # who is there stays
    d.reload("max_rooms = 2\n")
    v1.error("too_many_rooms", "join", room="c")
    full = d.connect("/d")
    assert full.recv_close()[0] == 4001


@observes("announce_max", "who_max")
def test_large_rooms(start, room):
    d = start("announce = name\n")
    a, b = V1(d), V1(d)
    a.ok("name", name="ann")
    b.ok("name", name="bob")
    a.join(room)
    b.join(room)
    plain = d.connect("/" + room)
    assert len(a.ok("who", room=room)["members"]) == 2
    d.reload("announce = name\nwho_max = 0\nannounce_max = 0\n")
    assert "members" not in a.ok("who", room=room)
    said(plain)
    V1(d, path=f"/{room}")
    c = d.connect(f"/{room}?name=carl")
    assert re.fullmatch(r"\d+ connected", plain.recv_until(type="system")["message"])
    c.close()


@observes("send_queue")
def test_send_queue(start):
    d = start("message_rate = 0\nsend_queue = 1G\nannounce = off\n")
    slow, fast = d.connect("/queue", receive_buffer=4096), d.connect("/queue")
    said(slow)
    d.reload("message_rate = 0\nsend_queue = 64K\nannounce = off\n")
    for i in range(400):
        said(fast, "x" * 60000)
        if i % 20 == 0 and d.counters()["closed_slow"]:
            break
    assert d.counter_reaches("closed_slow", 1) == 1 and said(fast)["type"] == "usermsg"


@observes("queues_max")
def test_queues_max(start):
    big = "message_rate = 0\nbyte_rate = 0\nsend_queue = 1G\nannounce = off\n"
    d = start(big)
    slow, fast = d.connect("/queue", receive_buffer=4096), d.connect("/queue")
    said(slow)
    wait_for("a queue", lambda: said(fast, "x" * 60000) and d.counters()["backlog_bytes"] > 1 << 20)
    assert d.counters()["closed_queues"] == 0
    d.reload(big + "queues_max = 64K\n")
    said(fast)
    assert d.counter_reaches("closed_queues", 1) == 1


@observes("byte_rate", "byte_burst")
def test_bytes_a_second(start):
    d = start("")
    c = d.connect("/bytes")
    for config, paused in (("byte_rate = 1K\n", 0), ("byte_rate = 1M\nbyte_burst = 1K\n", 1)):
        d.reload(config)
        said(c, "x" * 3000)
        assert d.counters()["paused"] == paused


@observes("history_rate", "history_burst")
def test_the_past_a_second(start, room):
    d = start("")
    old = V1(d)
    old.join(room)
    for i in range(5):
        old.say(room, f"{i}" * 1000)
    for config, paused in (("history_rate = 1K\n", 0), ("history_rate = 1M\nhistory_burst = 1K\n", 1)):
        d.reload(config)
        for c in (old, V1(d)):
            if c is not old:
                c.join(room)
            c.ok("history", room=room, limit=5)
            c.ok("history", room=room, limit=5)
        wait_for("the counter", lambda want=paused: (d.counters()["paused"] > 0) == want)


@observes("backlog")
def test_backlog(start):
    d = start("backlog = 100\n")
    ss = shutil.which("ss") or shutil.which("ss", path="/usr/sbin:/sbin")

    def queues():
        out = subprocess.run([ss, "-Hltn", f"sport = :{d.port}"], capture_output=True, text=True, check=True).stdout
        return {int(line.split()[2]) for line in out.splitlines()}

    if ss is None:
        pytest.skip("ss (iproute2) is not there to look at sockets with")
    assert queues() == {100}
    d.reload("backlog = 77\n")
    assert queues() == {77}


TIMES = """handshake_timeout = {0}
ping_interval = {0}
ping_timeout = {0}
close_timeout = {1}
auth_timeout = {1}
shutdown_timeout = {1}
room_keep = {0}
endpoint "/*" {{ }}
endpoint "/in/*" {{ anonymous = no }}
"""


@observes("handshake_timeout", "ping_interval", "ping_timeout", "close_timeout", "auth_timeout", "shutdown_timeout",
          "room_keep")
def test_times(start):
    d = start(TIMES.format("1h", "5min"))
    head, idle, ended, room = d.connect(upgrade=False), d.connect("/idle"), d.connect("/e"), d.connect("/r")
    head.send_raw(b"GET / HTTP/1.1\r\n")
    said(room)
    room.close()
    ended.send_raw(frame(TEXT, "{}", mask=None))
    assert ended.recv_close()[0] == 1002
    wait_for("them to be there", lambda: (lambda c: (c["connections"], c["rooms"]))(d.counters()) == (3, 3))
    d.reload(TIMES.format("1s", "1s"))
    stranger = V1(d, path="/in/x")
    head.read_to_end()
    assert stranger.closed()[0] >= 4000
    while idle.recv_frame()[1] != PING:
        pass
    assert idle.recv_close()[0] == 4000
    wait_for("all to be gone", lambda: (lambda c: (c["connections"], c["rooms"]))(d.counters()) == (0, 0))
    d.connect("/stays")
    d.signal(signal.SIGTERM)
    assert d.process.wait(DEADLINE) == 0


# ---- options: after a restart ----

RESTART = {
    "pid_file": "/nonexistent/pid", "workers": "7", "io_uring": "off", "state_dir": "/nonexistent", "journal": "sqlite",
    "durability": "disk", "journal_size": "1M", "history_messages": "7", "history_bytes": "7K", "history_days": "7",
    "cid_keep": "1h", "user": "nobody", "seccomp": "no", "core_dumps": "yes",
}


def test_what_needs_a_restart_is_said_and_kept(start):
    d = start("workers = 2\nio_uring = auto\n")
    new = "".join(f'{k} = "{v}"\n' for k, v in RESTART.items())
    log = d.reload(new)
    said_so = sorted({*RESTART} - {"user"} if "-u" in d.command else RESTART)  # the command line has the last word
    assert sorted(re.findall(r"warning: takes effect after a restart option=(\w+)\n", log)) == said_so
    said(d.connect("/kept"))
    assert V1(d).welcome["limits"]["cid_keep"] == 600
    log = d.reload(new)  # and again, for they still differ
    assert log.count("takes effect after a restart") == len(said_so)
    assert "takes effect" not in d.reload("workers = 2\nio_uring = auto\n")


# ---- endpoints ----

@observes("endpoint.listener", "endpoint.handler", "endpoint.room")
def test_endpoints(start):
    listeners = 'listener main { address = {"127.0.0.1"} port = 0 }\nlistener side { address = {"127.0.0.1"} port = 0 }\n'
    d = start(listeners + 'endpoint "/a" { }\nendpoint "/b" { }\nendpoint "/c" { handler = echo }\n')
    a, b, c = d.connect("/a"), d.connect("/b"), d.connect("/c")
    side = int(re.search(r"listener=side address=127.0.0.1:(\d+)", d.log())[1])
    main = int(re.search(r"listener=main address=127.0.0.1:(\d+)", d.log())[1])
    d.reload(listeners + 'endpoint "/a" { handler = echo }\nendpoint "/b" { room = z listener = {side} }\n')
    assert said(a)["room"] == "a" and said(b)["room"] == "b"  # who is there stays, as it came
    c.send("echoed")
    assert c.recv() == "echoed"
    new = Client(d.host, side, "/a")
    new.send("echoed")
    assert new.recv() == "echoed"
    assert said(Client(d.host, side, "/b"))["room"] == "z" and status(d, "/b", port=main) == 404
    assert status(d, "/c") == 404


# ---- listeners ----

def listening(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), DEADLINE).close()
        return True
    except ConnectionRefusedError:
        return False


def at(port, name="main", address="127.0.0.1"):
    return f'listener {name} {{ address = {{"{address}"}} port = {port} }}\n'


@observes("listener.address", "listener.port")
def test_listeners_come_and_go(start):
    d = start("")
    first = d.port
    old = d.connect("/room")
    log = d.reload(at(0) + at(0, "second"))
    assert log.count("info: listening") == 1
    second = int(re.search(r"listener=second address=127.0.0.1:(\d+)", log)[1])
    assert listening(first) and listening(second)
    log = d.reload(at(0, "second"))
    assert f"not listening any more listener=main address=127.0.0.1:{first}" in log
    wait_for("its end", lambda: not listening(first))
    said(old)
    assert said(Client(d.host, second, "/room"))["room"] == "room"
    log = d.reload(at(second, "renamed"))  # the same sockets
    assert f"listening listener=renamed address=127.0.0.1:{second}" in log
    assert said(Client(d.host, second, "/room"))["room"] == "room"


@pytest.mark.skipif(PORTABLE, reason="two listeners on one port need SO_REUSEPORT")
def test_other_addresses_on_the_same_port(start):
    d = start(at(0))
    for address in ("*", "127.0.0.1", "0.0.0.0", "localhost"):
        d.reload(at(d.port, address=address))
        assert said(d.connect("/room"))["room"] == "room"
    status_of = d.reload(at(d.port, address="*") + at(d.port, "second"), good=False)
    assert "cannot listen on" in status_of


def test_connections_meet_a_listener_at_every_moment(start):
    """A socket that stays, or goes on under another name, misses nobody; nor does one that other addresses take over."""
    d = start("message_rate = 0\n" + at(0))
    stop, done, wrong = threading.Event(), [], []

    def knock():
        while not stop.is_set():
            try:
                c = d.connect("/room")
                said(c)
                c.close()
                done.append(1)
            except Exception as e:  # pylint: disable=broad-except
                wrong.append(e)
                return

    threads = [threading.Thread(target=knock) for _ in range(3)]
    for t in threads:
        t.start()
    for i in range(20):
        d.reload(f"message_rate = 0\nmax_head = {i + 2}K\n" + at(d.port, f"name{i}"))
        n = len(done)
        wait_for("some to come", lambda: len(done) > n + 2 or wrong)
    stop.set()
    for t in threads:
        t.join()
    assert not wrong, wrong
    assert len(done) > 40


@observes("listener.path", "listener.mode")
def test_unix_sockets(start, tmp_path):
    def at(name, mode="0660", title="local"):
        return f'listener main {{ address = {{"127.0.0.1"}} port = 0 }}\nlistener {title} {{ path = "{tmp_path}/{name}" mode = "{mode}" }}\n'

    def there(name):
        return said(Client(None, None, "/room", unix=f"{tmp_path}/{name}"))["room"] == "room"

    d = start(at("a"))
    inode = os.stat(tmp_path / "a").st_ino
    assert there("a")
    d.reload(at("a", "0600"))
    assert os.stat(tmp_path / "a").st_mode & 0o777 == 0o600 and os.stat(tmp_path / "a").st_ino == inode and there("a")
    d.reload(at("a", "0600", "other"))
    assert os.stat(tmp_path / "a").st_ino == inode and there("a")
    d.reload(at("b"))
    assert there("b")
    wait_for("the old one to go", lambda: not os.path.exists(tmp_path / "a"))
    d.stop()
    assert not os.path.exists(tmp_path / "b")


def test_who_waits_at_a_listener_that_goes_is_served(start, tmp_path):
    """The daemon is stopped while they come, so that they wait in the queue when it reads the signal."""
    d = start(f'workers = 2\nlistener local {{ path = "{tmp_path}/a" }}\n' + at(0))
    d.write_config(f"workers = 2\n{at(0, 'new')}")
    d.signal(signal.SIGSTOP)
    wait_for("it to stop", lambda: open(f"/proc/{d.process.pid}/stat").read().split(") ")[1][0] == "T"
             if os.path.exists("/proc/self/stat") else True)
    waiting = [Client(d.host, d.port, "/w", upgrade=False) for _ in range(30)]
    waiting += [Client(None, None, "/w", unix=f"{tmp_path}/a", upgrade=False) for _ in range(30)]
    for c in waiting:
        c.send_raw(c.request)
    d.signal(signal.SIGHUP)
    d.signal(signal.SIGCONT)
    for c in waiting:
        c.read_handshake()
        assert said(c, str(id(c)))["room"] == "w"
    wait_for("it to close", lambda: not listening(d.port))


def test_handshakes_under_way_outlive_their_listener(start):
    d = start(at(0))
    c = d.connect("/room", upgrade=False)
    c.send_raw(c.request[:20])
    wait_for("it to be there", lambda: d.counters()["connections"] == 1)
    d.reload(at(0, "new"))
    wait_for("the end of the old one", lambda: not listening(d.port))
    c.send_raw(c.request[20:])
    c.read_handshake()
    said(c)


def test_a_place_that_is_taken_refuses_all(start):
    d = start("")
    with socket.create_server(("127.0.0.1", 0)) as s:
        log = d.reload("max_connections = 1\n" + at(0) + at(s.getsockname()[1], "taken") + at(0, "third"), good=False)
    assert "in use" in log and "listening listener" not in log
    a, b = d.connect("/room"), d.connect("/room")  # max_connections is what it was
    said(a)
    said(b)
    assert d.counters()["reloads_refused"] == 1


def test_given_sockets_stay(tmp_path):
    tcp = socket.create_server(("127.0.0.1", 0))
    p = given("listener main { given = yes }\n", "main", [tcp], tmp_path)
    lines = []
    try:
        while not any(" ready " in x for x in lines):
            lines.append(p.stderr.readline())
        for config, what in (("listener main { given = yes }\npage = no\n", ["reloaded"]),
                             ("listener main { port = 0 }\n", ["restart option=port listener=main",
                                                               "restart option=given listener=main", "reloaded"]),
                             ('listener other { path = "%s/s" }\nlistener more { given = yes }\n' % tmp_path,
                              ["restart option=given listener=more", "restart option=given listener=main", "reloaded"])):
            with open(tmp_path / "natterd.conf", "w", encoding="utf-8") as f:
                f.write(config)
            p.send_signal(signal.SIGHUP)
            for text in what:
                while text not in (line := p.stderr.readline()):
                    assert line, lines
            said(Client("127.0.0.1", tcp.getsockname()[1], "/room"))
    finally:
        p.send_signal(signal.SIGTERM)
    assert p.wait(20) == 0
    tcp.close()


# ---- files that change nothing ----

BAD = [
    ("= 5\n", [":1: "]),
    ("no_such = 1\n", [":1: no such option 'no_such'"]),
    ("max_frame = much\n", [":1: max_frame: expected a size"]),
    ("max_frame = 1\n", [":1: max_frame: expected a size like 64K or 1M from 125 to 1G"]),
    ("listener a { \n", ["a section, a comment or a quoted text has no end"]),
    ('listener a { path = x mode = "9" }\nendpoint x { listener = {a, b, c} }\nendpoint "/*a" { }\ntoken secret { user = a }\n'
     'token /a { }\n', [':1: listener \\"a\\": path: expected an absolute path', ':1: listener \\"a\\": mode: expected octal',
                        ':2: endpoint \\"x\\": an endpoint\'s path begins with /', 'there is no listener \\"b\\"',
                        'there is no listener \\"c\\"', ':3: endpoint \\"/*a\\": an endpoint\'s path may have a *',
                        ":4: token: expected sha256:", ':5: token \\"/a\\": user: expected']),
    ('listener a { path = "/nonexistent/a" }\nlistener b { path = "/nonexistent/b" }\ntoken /nonexistent/c { user = c }\n'
     'token /nonexistent/d { user = d }\n', ["/nonexistent/a", "/nonexistent/b", "/nonexistent/c", "/nonexistent/d"]),
]


def test_a_bad_file_changes_nothing_and_all_is_said(start):
    d = start("max_frame = 1000\n")
    for config, faults in BAD:
        log = d.reload(config, good=False)
        lines = [x for x in log.splitlines() if "error: cannot reload" in x]
        assert len(lines) == len(faults), lines
        for want in faults:
            assert any(want in x for x in lines), (want, lines)
        assert "secret" not in log
        assert status(d, plain=True) == 200 and closes(d, "/x", frame(TEXT, "x" * 1001)) == 1009
    d.reload("page = no\n")
    assert status(d, plain=True) == 426


def test_natterd_t_tells_all_as_well(tmp_path):
    path = tmp_path / "conf"
    for config, faults in BAD:
        path.write_text(config, encoding="utf-8")
        code, out = run("-t", "-c", str(path))
        lines = out.strip().splitlines()
        if "listener" in config and "token" in config and "/nonexistent" in config:
            faults = faults[2:]  # nothing is opened
        assert code == 1 and len(lines) == len(faults), lines
        for want in faults:
            assert any(want.replace('\\"', '"') in x for x in lines), (want, lines)


def test_a_file_that_is_gone_changes_nothing(start):
    d = start("")
    os.unlink(d.config_path)
    d.signal(signal.SIGHUP)
    wait_for("it to be refused", lambda: d.log_contains("not reloaded"))
    assert d.log_contains("No such file") and listening(d.port)


def test_without_a_file(start):
    d = start()
    d.signal(signal.SIGHUP)
    wait_for("the reload", lambda: d.log_contains("info: reloaded "))
    said(d.connect("/room"))


# ---- systemd ----

@pytest.mark.skipif(PORTABLE, reason="built without systemd")
def test_systemd_is_told(start, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(DEADLINE)
        d = start("", env={"NOTIFY_SOCKET": path})
        assert s.recv(100) == b"READY=1"
        for good in (True, False):
            before = time.monotonic_ns() // 1000
            d.reload("" if good else "x = y\n", good)
            got = dict(x.split("=") for x in s.recv(100).decode().split("\n"))
            assert got.keys() == {"RELOADING", "MONOTONIC_USEC"} and got["RELOADING"] == "1"
            assert before <= int(got["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
            assert s.recv(100) == b"READY=1"


# ---- under load ----

def many_configs(d, port):
    """Good and bad ones, with other limits, listeners, endpoints and tokens; forever."""
    i = 0
    while True:
        i += 1
        common = f"message_rate = 0\nannounce = off\nsend_queue = 16M\nmax_head = {i % 7 + 8}K\nhandshake_timeout = 1min\n"
        yield True, common + at(port)
        yield True, common + at(port, f"other{i}") + at(0, f"more{i}")
        yield False, common + at(port) + "max_frame = 1\n"
        yield True, common + at(port) + token_section(secret(f"u{i}"), f"u{i}") + f'endpoint "/e{i}" {{ }}\nendpoint "/*" {{ }}\n'
        yield False, common + at(port) + "token /nonexistent/a { user = a }\n" + at(0, "gone")
        if not PORTABLE:
            yield True, common + at(port, address="0.0.0.0")


def test_a_thousand_clients_chat_meanwhile(start):
    d = start("workers = 2\nmessage_rate = 0\nannounce = off\nsend_queue = 16M\n" + at(0))
    result = {}

    def chat():
        result.update(bench_json("--warmup", 0.5, "--duration", 3, "--rooms", 50, "-r", 18, "-s", 2, "--rate", 400,
                                 "fanout", d.url("/room/{room}")))

    t = threading.Thread(target=chat)
    t.start()
    wait_for("them to be there", lambda: not t.is_alive() or d.counters()["members"] == 1000)
    configs, n = many_configs(d, d.port), 0
    while t.is_alive():
        good, config = next(configs)
        d.reload("workers = 2\n" + config, good)
        n += 1
    t.join()
    i = result["integrity"]
    assert result["connections"] == 1000 and result["connections_lost"] == 0 and i["sent"] > 500
    assert i["expected"] == i["delivered"] and not any(
        i[k] for k in ("lost", "duplicates", "out_of_order", "order_mismatches", "misrouted", "unsent")), i
    assert n >= 10, n


def test_memory_does_not_grow(start):
    """Reloads that change much, while clients come and go and one stays from each tenth."""
    d = start("workers = 2\n" + at(0))
    configs = many_configs(d, d.port)
    stay = [d.connect("/stay")]

    def reloads(n):
        for i in range(n):
            good, config = next(configs)
            d.reload("workers = 2\n" + config, good)
            if i % 10 == 0:
                stay.append(d.connect("/stay"))
                stay.pop(0).close()
        return d.memory()

    before = reloads(40)
    after = reloads(110)
    assert after < before + (4 << 20), (before, after)
    files = len(os.listdir(f"/proc/{d.process.pid}/fd"))
    reloads(12)
    wait_for("files to be closed", lambda: len(os.listdir(f"/proc/{d.process.pid}/fd")) <= files + 4)


def test_a_hail_of_signals(start):
    """Those that come while one is under way make one more; the last file counts."""
    d = start("")
    c = d.connect("/room")
    for i in range(300):
        if i == 250:
            d.write_config(d.common("page = no\n"))
        d.signal(signal.SIGHUP)
    wait_for("the last file to count", lambda: status(d, plain=True) == 426)
    said(c)


def test_stopping_in_the_middle(start):
    for _ in range(10):
        d = start("workers = 2\n" + at(0))
        c = d.connect("/room")
        d.signal(signal.SIGHUP)
        d.signal(signal.SIGTERM)
        assert c.recv_close()[0] == 1001
        c.close()
        d.stop()
