"""Plain HTTP and the opening handshake on the public port."""
import email.utils
import gzip
import subprocess
import time

import pytest

from natterd import Client, frame

GOOD = ["GET / HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw=="]


def ask(daemon, request, pieces=None):
    """Sends bytes; (status, headers, body). The server closes in good order."""
    c = daemon.connect(upgrade=False)
    if pieces:
        for i in range(0, len(request), pieces):
            c.send_raw(request[i : i + pieces])
    else:
        c.send_raw(request)
    c.read_response()
    body = c.read_to_end() if c.status != 101 else b""
    c.close()
    return c.status, c.headers, body


def request(*lines):
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def without(name):
    return [x for x in GOOD if not x.lower().startswith(name.lower())]


def test_page(plain):
    for path, kind in (("/", "text/html"), ("/chat.js", "text/javascript"), ("/chat.css", "text/css")):
        status, headers, body = ask(plain, request(f"GET {path} HTTP/1.1", "Host: x"))
        assert status == 200 and headers["content-type"].startswith(kind)
        assert len(body) == int(headers["content-length"]) > 100
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        status, again, body = ask(plain, request(f"HEAD {path} HTTP/1.1", "Host: x"))
        assert status == 200 and body == b"" and again["content-length"] == headers["content-length"]


def test_scripts_for_the_pages_of_other_servers(plain):
    for path in ("/natter.js", "/natter.mjs"):
        status, headers, body = ask(plain, request(f"GET {path} HTTP/1.1", "Host: x", "Origin: https://shop.example"))
        assert status == 200 and headers["content-type"] == "text/javascript; charset=utf-8"
        assert headers["access-control-allow-origin"] == "*" and b"Natter" in body
    assert "access-control-allow-origin" not in ask(plain, request("GET / HTTP/1.1", "Host: x"))[1]


@pytest.mark.parametrize("accept, gzipped", [
    ("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("x-gzip", True), ("deflate, *;q=0.1", True), ("gzip ; q=1", True),
    ("", False), ("identity", False), ("gzip;q=0", False), ("gzip; q=0.000, *", False), ("*;q=0", False), ("gzipped", False)])
def test_page_compressed(plain, accept, gzipped):
    plainly = ask(plain, request("GET /chat.js HTTP/1.1", "Host: x"))
    status, headers, body = ask(plain, request("GET /chat.js HTTP/1.1", "Host: x", f"Accept-Encoding: {accept}"))
    assert status == 200 and headers["vary"] == "Accept-Encoding"
    assert (headers.get("content-encoding") == "gzip") == gzipped
    assert (headers["etag"] != plainly[1]["etag"]) == gzipped
    assert len(body) == int(headers["content-length"])
    assert (gzip.decompress(body) if gzipped else body) == plainly[2]


def test_page_unchanged(plain):
    """What a browser has is not sent again, in the form in which it has it."""
    for accept in ("identity", "gzip"):
        def get(*lines, method="GET"):
            return ask(plain, request(f"{method} / HTTP/1.1", "Host: x", f"Accept-Encoding: {accept}", *lines))
        _, headers, body = get()
        etag = headers["etag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            status, again, nothing = get(f"If-None-Match: {known}")
            assert (status, nothing) == (304, b"") and again["etag"] == etag and again["cache-control"] == "no-cache"
        for unknown in ('"other"', etag[:-1], etag[1:-1], '"-gzip"'):
            assert get(f"If-None-Match: {unknown}")[0::2] == (200, body)
        assert get(f"If-None-Match: {etag}", method="HEAD")[0] == 304
    assert get(f"If-None-Match: {ask(plain, request('GET / HTTP/1.1', 'Host: x'))[1]['etag']}")[0] == 200


def test_page_headers(plain):
    """The page is shut in; what pages of others embed is not."""
    _, page, _ = ask(plain, request("GET / HTTP/1.1", "Host: x"))
    policy = page["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "require-trusted-types-for 'script'" in policy
    assert page["referrer-policy"] == "no-referrer" and page["cross-origin-resource-policy"] == "same-origin"
    for path in ("/natter.js", "/natter.mjs", "/widget.js", "/words.js"):
        status, headers, _ = ask(plain, request(f"GET {path} HTTP/1.1", "Host: x", "Origin: https://shop.example"))
        assert status == 200 and headers["access-control-allow-origin"] == "*"
        assert headers["cross-origin-resource-policy"] == "cross-origin" and "max-age=" in headers["cache-control"]
        assert headers["x-content-type-options"] == "nosniff"


def test_client_is_small(plain):
    for path, most in (("/natter.js", 6 * 1024), ("/widget.js", 7 * 1024), ("/chat.js", 16 * 1024)):
        _, headers, _ = ask(plain, request(f"HEAD {path} HTTP/1.1", "Host: x", "Accept-Encoding: gzip"))
        assert headers["content-encoding"] == "gzip" and int(headers["content-length"]) < most


def test_page_with_curl_compressed(plain, tmp_path):
    url, etag, out = f"http://127.0.0.1:{plain.port}/natter.js", tmp_path / "etag", tmp_path / "out"

    def curl(*options):
        return subprocess.run(["curl", "-sS", "-m", "10", "--compressed", "-o", out, "-w", "%{http_code} %{size_download}",
                               *options, url], capture_output=True, text=True, check=True).stdout.split()
    status, size = curl("--etag-save", etag)
    assert status == "200" and b"class Natter" in out.read_bytes() and int(size) < out.stat().st_size / 2
    assert curl("--etag-compare", etag) == ["304", "0"]


def test_page_with_curl(plain):
    out = subprocess.run(["curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code} %{size_download}",
                          f"http://127.0.0.1:{plain.port}/"], capture_output=True, text=True, check=True).stdout
    assert out.startswith("200 ")


def test_page_can_be_turned_off(start):
    d = start("page = no\n")
    assert ask(d, request("GET /natter.js HTTP/1.1", "Host: x"))[0] == 200  # other pages may need it
    assert ask(d, request("GET / HTTP/1.1", "Host: x"))[0] == 426
    assert ask(d, request("GET /chat.js HTTP/1.1", "Host: x"))[0] == 426


def test_healthz(plain):
    status, headers, body = ask(plain, request("GET /healthz HTTP/1.1", "Host: x"))
    assert (status, body) == (200, b"ok\n")
    sent = email.utils.parsedate_to_datetime(headers["date"]).timestamp()
    assert abs(sent - time.time()) < 60


def test_not_found(start):
    d = start('endpoint "/chat" { }\n')
    assert ask(d, request("GET /nothing HTTP/1.1", "Host: x"))[0] == 404
    status, headers, _ = ask(d, request("GET /chat HTTP/1.1", "Host: x"))
    assert status == 426 and headers["sec-websocket-version"] == "13" and headers["upgrade"].lower() == "websocket"


REFUSED = [
    (400, [*without("Host"), ]),
    (400, [*GOOD, "Host: other"]),
    (400, [*without("Host"), "Host:"]),
    (400, [*without("Sec-WebSocket-Key")]),
    (400, [*without("Sec-WebSocket-Key"), "Sec-WebSocket-Key: short"]),
    (400, [*GOOD, "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw=="]),
    (400, [*without("Connection"), "Connection: close"]),
    (400, [*GOOD, "X y: z"]),
    (400, [*GOOD, "X : z"]),
    (400, [*GOOD, "X: a", " b"]),
    (400, [*GOOD, "X: a\x00b"]),
    (400, [*GOOD, "X: a\rb"]),
    (400, [*GOOD, "Content-Length: 5"]),
    (400, [*GOOD, "Transfer-Encoding: chunked"]),
    (400, ["GET /%zz HTTP/1.1", *GOOD[1:]]),
    (400, ["GET nowhere HTTP/1.1", *GOOD[1:]]),
    (405, ["POST / HTTP/1.1", *GOOD[1:]]),
    (405, ["DELETE / HTTP/1.1", "Host: x"]),
    (426, [*without("Sec-WebSocket-Version"), "Sec-WebSocket-Version: 8"]),
    (414, ["GET /" + "x" * 20000 + " HTTP/1.1", *GOOD[1:]]),
    (414, ["GET /" + "x" * 8000 + " HTTP/1.1", *GOOD[1:]]),
    (431, [*GOOD, "X: " + "y" * 20000]),
    (431, [*GOOD, *[f"X{i}: y" for i in range(101)]]),
    (505, ["GET / HTTP/2.0", *GOOD[1:]]),
]


@pytest.mark.parametrize("status, lines", REFUSED, ids=range(len(REFUSED)))
@pytest.mark.parametrize("pieces", [None, 1, 7])
def test_refused(plain, status, lines, pieces):
    data = request(*lines)
    if pieces and len(data) > 4000:
        pieces *= 100
    got, headers, body = ask(plain, data, pieces)
    assert got == status
    assert body.strip() and b"\n" not in body.strip()  # one line that says what is wrong
    assert headers["connection"].lower().startswith("close")
    if status == 426:
        assert headers["sec-websocket-version"] == "13"
    if status == 405:
        assert headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("lines", [
    [*without("Connection"), "connection: keep-alive, UPGRADE"],
    [*without("Upgrade"), "UPGRADE: WebSocket"],
    [*without("Host"), "Host: [::1]:9600"],
    ["GET http://localhost/x HTTP/1.1", *GOOD[1:]],
    [*GOOD, "Cookie: " + "c" * 8000],
    [*GOOD, "X-Latin: gr\xfc\xdfe"],
], ids=range(6))
@pytest.mark.parametrize("pieces", [None, 1])
def test_accepted(plain, lines, pieces):
    assert ask(plain, request(*lines), pieces)[0] == 101


def test_tls_client_on_the_plain_port(plain):
    assert ask(plain, bytes.fromhex("16030100c8010000c40303") + b"\x00" * 50)[0] == 400


def test_full_server_says_so(start):
    d = start("max_connections = 3\n")
    three = [d.connect("/full") for _ in range(3)]
    status, headers, body = ask(d, request(*GOOD))
    assert status == 503 and "retry-after" in headers and body.strip()
    three[0].close()
    d.counter_reaches("refused_full", 1)
    from natterd import wait_for
    wait_for("a free place", lambda: d.counters()["connections"] < 3)
    d.connect("/full").close()
    for c in three:
        c.close()


def test_slow_handshakes_are_answered_and_silent_ones_closed(start):
    d = start("handshake_timeout = 1s\n")
    silent = d.connect(upgrade=False)
    slow = d.connect(upgrade=False)
    slow.send_raw(b"GET / HTTP/1.1\r\nHost: lo")
    assert slow.read_response() == 408 and slow.read_to_end() == b"the opening handshake took too long\n"
    assert silent.read_to_end() == b""
    assert d.counters()["closed_handshake"] == 2 and d.counters()["http_errors"] == 1
    silent.close()
    slow.close()


def test_data_behind_the_request_is_not_lost(plain):
    c = plain.connect("/behind", upgrade=False)
    whole = c.request + b"".join(frame(1, f'{{"message":{i}}}') for i in range(50))
    cut = len(c.request) + 3  # in the middle of the first frame's header
    c.send_raw(whole[:cut])
    c.read_handshake()
    c.send_raw(whole[cut:])
    c.recv_until(type="system")
    assert [c.recv_json()["message"] for _ in range(50)] == list(range(50))
    c.close()


def test_request_cut_everywhere(plain):
    base = Client("127.0.0.1", plain.port, "/cut?name=", upgrade=False)
    data = base.request + frame(1, '{"type":"x"}')
    base.close()
    for i in range(0, len(data), 3):
        c = plain.connect("/cut", upgrade=False)
        c.send_raw(data[:i])
        c.send_raw(data[i:])
        c.read_handshake()
        c.recv_until(type="x")
        c.close()
