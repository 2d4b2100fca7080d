"""nginx, Apache httpd and HAProxy in front of natterd, by the snippets of contrib/: ws and wss, and the client's address."""
import os

import pytest

import proxies
from natterd import Client, Closed, frame, wait_for
from proxies import VARIANTS, Proxy, swap

CASES = [(name, tls) for name in VARIANTS for tls in (False, True)]
NEEDS = {"nginx": "nginx", "apache2": "apache2-bin", "haproxy": "haproxy"}


class Front:
    """How its clients see a proxy."""

    def __init__(self, proxy, prefix, certificate):
        self.proxy, self.prefix, self.certificate = proxy, prefix, certificate

    def connect(self, path, source, headers=(), upgrade=True):
        c = Client("127.0.0.1", self.proxy.port, self.prefix + path, upgrade=False, source=source,
                   headers=[*headers])
        c.request = c.request.replace(b"Host: localhost", f"Host: example.org:{self.proxy.port}".encode())
        if self.certificate:
            c.sock = self.certificate.context.wrap_socket(c.sock, server_hostname="example.org")
        if upgrade:
            c.send_raw(c.request)
            c.read_handshake()
        return c


@pytest.fixture(scope="module", params=CASES, ids=[f"{name}-{'wss' if tls else 'ws'}" for name, tls in CASES])
def front(request, certificate):
    name, tls = request.param
    program, prefix, variant = VARIANTS[name]
    if not proxies.find(program):
        pytest.skip(f"{program} is missing (Debian: {NEEDS[program]})")
    if name == "nginx-stream" and not os.path.exists(proxies.STREAM_MODULE):
        pytest.skip("nginx's stream module is missing (Debian: libnginx-mod-stream)")
    cert = certificate if tls else None
    passes_on = prefix == ""  # as it is: TLS ends in natterd
    conf, build = variant(None if passes_on else cert)
    if passes_on and tls:
        conf = swap(conf, ("proxy_protocol = yes", cert.listener() + "proxy_protocol = yes"))
    p = Proxy(conf, build)
    yield Front(p, prefix, cert)
    p.stop()


def test_others_see_the_clients_address(front):
    a = front.connect("/tea", "127.0.0.2")
    assert a.recv_json()["message"] == "127.0.0.2 connected"
    # What a client writes of itself does not count.
    b = front.connect("/tea", "127.0.0.3", ["X-Forwarded-For: 198.51.100.1", "Forwarded: for=198.51.100.2"])
    assert a.recv_json()["message"] == "127.0.0.3 connected"
    assert b.recv_json()["message"] == "127.0.0.3 connected"
    b.send_json(message="hello")
    assert a.recv_until(message="hello") and b.recv_until(message="hello")
    b.close()
    assert a.recv_json()["message"] == "127.0.0.3 disconnected"
    a.close()


def test_what_is_said_passes_unchanged(front):
    a = front.connect("/much", "127.0.0.2")
    a.recv()
    for text in ("x" * 60000, "Grüße €", "y"):
        a.send_json(message=text)
        assert a.recv_json()["message"] == text
    a.send_raw(frame(1, '{"message":"in', fin=False) + frame(0, ' parts"}'))
    assert a.recv_json()["message"] == "in parts"
    a.send_raw(frame(8, b"\x03\xe8"))
    with pytest.raises(Closed) as end:
        a.recv()
    assert end.value.args[0] == 1000
    a.close()


def test_pages_of_the_same_host_only(front):
    front.connect("/", "127.0.0.2", ["Origin: https://example.org"]).close()
    c = front.connect("/", "127.0.0.2", ["Origin: https://evil.example"], upgrade=False)
    c.send_raw(c.request)
    assert c.read_response() == 403
    c.close()
    # The address in the log is the client's, too.
    wait_for("the refusal", lambda: "refused address=127.0.0.2 origin=https://evil.example" in front.proxy.natterd.log())


def test_the_page(front):
    c = front.connect("/", "127.0.0.2", upgrade=False)
    c.send_raw(f"GET {front.prefix}/ HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n".encode())
    assert c.read_response() == 200
    assert b"<title>" in c.read_to_end()
    c.close()


def test_nothing_was_wrong_meanwhile(front):
    """Health checks above all, whose connections are the proxy's own."""
    counters = front.proxy.natterd.counters()
    assert counters["refused_proxy"] == counters["refused_forwarded"] == 0
    assert counters["accepted"] > 0
