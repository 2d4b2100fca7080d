"""Whose a connection is that a proxy passes on: by the PROXY protocol, X-Forwarded-For or Forwarded.

Here the test itself is the proxy; test_proxies.py has real ones.
"""
import os
import socket
import struct

import pytest

from natterd import Closed, Client, Natterd, run, wait_for
from proxies import Secured

V4 = socket.inet_aton("203.0.113.9") + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 47011, 443)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::9") + socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">HH", 1, 2)


def v2(block=V4, family=0x11, command=0x21):
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, family]) + struct.pack(">H", len(block)) + block


TLVS = b"\1\0\2h2" + b"\2\0\14chat.example" + b"\4\1\0" + bytes(256)


def announced(client, address):
    assert client.recv_until(type="system")["message"] == f"{address} connected"
    client.close()


PROXIED = ('trusted_proxies = {"127.0.0.1", "10.0.0.0/8", "unix"}\nhandshake_timeout = 2s\n'
           'listener main { address = {"127.0.0.1"} port = 0 proxy_protocol = yes }\n')


@pytest.fixture(scope="module", params=[1, 2])
def proxied(request):
    with Natterd(f"workers = {request.param}\n" + PROXIED) as d:
        yield d


@pytest.mark.parametrize("header, address", [
    (b"PROXY TCP4 203.0.113.9 192.0.2.1 47011 443\r\n", "203.0.113.9"),
    (b"PROXY TCP6 2001:db8::9 ::1 1 2\r\n", "2001:db8::9"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (v2(), "203.0.113.9"), (v2(V4 + TLVS), "203.0.113.9"), (v2(V6, 0x21), "2001:db8::9"),
    (v2(bytes(216), 0x31), "unix"), (v2(b"", 0), "127.0.0.1"), (v2(b"", 0, 0x20), "127.0.0.1"),
    (v2(V4, 0x11, 0x20), "127.0.0.1")],
    ids=["tcp4", "tcp6", "unknown", "v2", "v2-tlvs", "v2-ipv6", "v2-unix", "v2-unspecified", "v2-local", "v2-local-with-more"])
def test_the_address_that_others_see(proxied, header, address):
    """By itself, in one packet with the request, and byte by byte."""
    announced(proxied.connect(first=header), address)
    c = proxied.connect(upgrade=False)
    c.send_raw(header + c.request)
    c.read_handshake()
    announced(c, address)
    c = proxied.connect(upgrade=False)
    c.send_bytewise(header + c.request)
    c.read_handshake()
    announced(c, address)


@pytest.mark.parametrize("first, why", [
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "there is none: it looks like a plain request"),
    (b"\x16\x03\x01\x02\x00\x01\x00", "there is none: TLS begins at once"),
    (b"PROXY TCP4 203.0.113.9 192.0.2.1 47011\r\n", "it ends too soon"),
    (b"PROXY UNKNOWN " + b"x" * 200, "its line does not end within 107 bytes"),
    (v2(V4[:8]), "it is too short for its addresses"),
    (v2(V4 + b"\3\0\4abcd"), "its CRC32c is wrong"),
    (v2(V4 + bytes(5000)), "it is longer than 4096 bytes")],
    ids=["plain", "tls", "cut-off", "v1-too-long", "v2-too-short", "checksum", "v2-too-long"])
def test_without_a_good_header_it_is_closed(start, first, why):
    d = start("workers = 1\n" + PROXIED)
    for send in (Client.send_raw, Client.send_bytewise):
        c = d.connect(upgrade=False)
        try:
            send(c, first)
            assert c.read_to_end() == b""
        except (BrokenPipeError, ConnectionResetError):
            pass
        c.close()
    assert d.counters()["refused_proxy"] == 2
    assert d.log().count(f'closed listener=main address=127.0.0.1 why="{why}"') == 2
    announced(d.connect(first=v2()), "203.0.113.9")


@pytest.mark.parametrize("header", [b"PROXY TCP6 2001:db8::9 ::1 1 2\r\n", v2(V6 + TLVS, 0x21)], ids=["v1", "v2"])
def test_before_tls(start, certificate, header):
    """By itself, together with the client's hello, and byte by byte with it."""
    d = start(PROXIED.replace("proxy_protocol = yes", certificate.listener() + "proxy_protocol = yes"))
    for step in (len(header), 65536, 1):
        c = d.connect(upgrade=False)
        tls = Secured(c.sock, certificate.context)
        data = header + tls.hello()
        for i in range(0, len(data), step):
            c.sock.sendall(data[i : i + step])
        tls.handshake()
        c.sock = tls
        c.send_raw(c.request)
        c.read_handshake()
        announced(c, "2001:db8::9")
    c = d.connect(upgrade=False)
    c.send_raw(Secured(c.sock, certificate.context).hello())
    assert c.read_to_end() == b""
    assert 'why="there is none: TLS begins at once"' in d.log()
    c.close()


def test_only_a_trusted_proxy_may_connect(proxied):
    before = proxied.counters()["refused_proxy"]
    for first in (v2(), b""):
        with pytest.raises((Closed, ConnectionResetError, BrokenPipeError)):
            proxied.connect(first=first, source="127.0.0.2")
    assert proxied.counters()["refused_proxy"] == before + 2
    assert 'address=127.0.0.2 why="it comes from none of trusted_proxies"' in proxied.log()
    wait_for("nothing to be left of them", lambda: proxied.counters()["connections"] == 0)


def test_half_a_header_is_not_waited_for_for_long(proxied):
    before = proxied.counters()["closed_handshake"]
    clients = [proxied.connect(upgrade=False) for _ in range(3)]
    for c, part in zip(clients, (b"PROXY TC", v2()[:20], b"")):
        c.send_raw(part)
    gone = proxied.connect(upgrade=False)
    gone.send_raw(b"PROX")
    gone.reset()
    for c in clients:
        assert c.read_to_end() == b""
        c.close()
    wait_for("the deadline", lambda: proxied.counters()["closed_handshake"] == before + 3)


def test_fields_count_behind_the_header_where_another_proxy_is(proxied):
    """A client that a proxy of bytes passes on writes what it likes; a second proxy does not."""
    forged = ["X-Forwarded-For: 198.51.100.1"]
    announced(proxied.connect(first=v2(), headers=forged), "203.0.113.9")
    announced(proxied.connect(first=b"PROXY UNKNOWN\r\n", headers=forged), "127.0.0.1")
    announced(proxied.connect(first=v2(b"", 0, 0x20), headers=forged), "127.0.0.1")
    behind = b"PROXY TCP4 10.0.0.5 192.0.2.1 47011 443\r\n"
    announced(proxied.connect(first=behind, headers=forged), "198.51.100.1")


def test_through_a_unix_socket(start, tmp_path):
    path = os.path.join(tmp_path, "s")
    d = start(f'workers = 2\ntrusted_proxies = {{unix}}\nlistener a {{ path = "{path}" proxy_protocol = yes }}\n'
              f'listener b {{ path = "{path}b" }}\n')
    for _ in range(4):
        announced(d.connect(first=v2(V6, 0x21), unix=path), "2001:db8::9")
        announced(d.connect(headers=["X-Forwarded-For: 203.0.113.9"], unix=path + "b"), "203.0.113.9")
    announced(d.connect(unix=path + "b"), "unix")


def test_nobody_could_connect(tmp_path):
    conf = tmp_path / "conf"
    conf.write_text("listener a { proxy_protocol = yes }\n")
    code, out = run("-t", "-c", str(conf))
    assert code == 1 and "with proxy_protocol = yes nobody can connect while trusted_proxies is empty" in out
    conf.write_text('trusted_proxies = {"127.0.0.1/8"}\n')
    code, out = run("-t", "-c", str(conf))
    assert code == 1 and f"{conf}:1: trusted_proxies: expected unix, an address, or a network" in out


# ---- by a request's fields ----

@pytest.fixture(scope="module")
def x():
    with Natterd('trusted_proxies = {"127.0.0.1", "10.0.0.0/8"}\n') as d:
        yield d


@pytest.fixture(scope="module")
def rfc7239():
    with Natterd('trusted_proxies = {"127.0.0.1", "10.0.0.0/8"}\nforwarded = forwarded\n') as d:
        yield d


@pytest.mark.parametrize("fields, address", [
    ([], "127.0.0.1"),
    (["X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
    (["X-Forwarded-For: 198.51.100.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
    (["X-Forwarded-For: rubbish", "X-Forwarded-For: 2001:db8::9", "X-Forwarded-For: 10.0.0.2:80"], "2001:db8::9"),
    (["X-Forwarded-For: unknown, 10.0.0.2"], "10.0.0.2"),
    (["X-Real-IP: 203.0.113.9", "Forwarded: for=203.0.113.9"], "127.0.0.1")])
def test_x_forwarded_for(x, fields, address):
    announced(x.connect(headers=fields), address)


@pytest.mark.parametrize("fields, address", [
    (["Forwarded: for=198.51.100.1, for=\"[2001:db8::9]:80\";proto=https, for=10.0.0.2"], "2001:db8::9"),
    (["Forwarded: for=_hidden"], "127.0.0.1"),
    (["X-Forwarded-For: 203.0.113.9"], "127.0.0.1")])
def test_forwarded(rfc7239, fields, address):
    announced(rfc7239.connect(headers=fields), address)


def test_others_write_what_they_like(x):
    announced(x.connect(headers=["X-Forwarded-For: 203.0.113.9"], source="127.0.0.2"), "127.0.0.2")
    announced(x.connect(headers=["X-Forwarded-For: rubbish"], source="127.0.0.2"), "127.0.0.2")


def test_off_is_off(start):
    d = start('trusted_proxies = {"127.0.0.0/8"}\nforwarded = off\n')
    announced(d.connect(headers=["X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9"]), "127.0.0.1")


def test_what_cannot_be_read_is_refused(x, rfc7239):
    for d, field in ((x, "X-Forwarded-For: 203.0.113.9, rubbish"), (rfc7239, 'Forwarded: for="198.51.100.1, for=203.0.113.9')):
        before = d.counters()["refused_forwarded"]
        c = d.connect(upgrade=False)
        c.send_raw(c.request[:-2] + field.encode() + b"\r\n\r\n")
        assert c.read_response() == 400
        assert b"the proxy's " in c.read_to_end()
        c.close()
        assert d.counters()["refused_forwarded"] == before + 1
        assert f'status=400 why="the proxy\'s {field.split(":")[0]} is ' in d.log()
        announced(d.connect(), "127.0.0.1")


def test_who_left_is_who_came(x):
    """The address is the connection's to its end."""
    a = x.connect("/left", headers=["X-Forwarded-For: 2001:db8:1111:2222:3333:4444:5555:6666"])
    a.recv()
    b = x.connect("/left", headers=["X-Forwarded-For: 203.0.113.9"])
    assert a.recv_json()["message"] == "203.0.113.9 connected"
    b.recv()
    a.close()
    assert b.recv_json()["message"] == "2001:db8:1111:2222:3333:4444:5555:6666 disconnected"
    b.close()
