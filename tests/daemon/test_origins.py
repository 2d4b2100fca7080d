"""Which pages may open a WebSocket, as the daemon judges and says it. (wire/test_origin.c has how origins are written.)"""
import os
import re
import time

import pytest

from natterd import HERE, Natterd, run


def status(d, path="/", *headers):
    c = d.connect(path, upgrade=False)
    lines = "".join(h + "\r\n" for h in headers)
    c.send_raw(f"GET {path} HTTP/1.1\r\nHost: localhost:{d.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {c.key}\r\n{lines}\r\n".encode())
    s = c.read_response()
    c.close()
    return s


def origin(d, text, path="/", *headers):
    return status(d, path, f"Origin: {text}", *headers)


def allowing(d):
    """The line that the last refusal logged, and where it belongs."""
    return re.findall(r' allow="([^"]*)" where="([^"]*)"', d.log())[-1]


@pytest.fixture(scope="module")
def default():
    with Natterd('endpoint "/*" { }\nendpoint "/open" { origins = {"*"} }\n'
                 'endpoint "/own" { origins = {"https://app.example"} }\n'
                 'endpoint "/pages" { origin_required = yes }\n') as d:
        yield d


@pytest.mark.parametrize("text, answer", [
    ("http://localhost", 101), ("https://LOCALHOST.:8443", 101), ("http://localhost:1", 101),
    ("http://127.0.0.1", 403), ("https://evil.example", 403), ("http://localhost.evil.example", 403), ("null", 403),
    ("file://", 403), ("localhost", 403), ("", 403), ("http://localhost http://localhost", 403)])
def test_the_same_host_may_connect(default, text, answer):
    assert origin(default, text) == answer


def test_without_an_origin(default):
    assert status(default) == 101
    assert status(default, "/pages") == 403
    assert allowing(default) == ("origin_required = no", "inside of this endpoint")
    assert origin(default, "http://localhost", "/pages") == 101


def test_endpoints_have_their_own(default):
    assert origin(default, "https://evil.example", "/open") == 101
    assert origin(default, "null", "/open") == 101
    assert origin(default, "https://app.example", "/own") == 101
    assert origin(default, "http://localhost", "/own") == 403
    assert allowing(default) == ("origins = {'https://app.example', 'http://localhost'}", "inside of this endpoint")
    log = default.log()
    assert "pages of every origin may connect origins=* endpoint=/open" in log
    assert "endpoint=/* " not in log.split(" ready ")[0]


def test_plain_requests_have_no_origin_to_judge(default):
    c = default.connect(upgrade=False)
    c.send_raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n")
    assert c.read_response() == 200
    c.close()


def test_the_log_has_the_line_that_allows_it(start):
    d = start('endpoint "/*" { }\n')
    for text in ("https://shop.example:8443", "null"):
        assert origin(d, text) == 403
        line, where = allowing(d)
        assert where == "outside of all sections"
        d.stop()
        d = start(line + '\nendpoint "/*" { }\n')
        assert origin(d, text) == 101
        assert origin(d, "http://localhost") == 101
        assert origin(d, "https://evil.example") == 403


def test_refusals_are_counted_and_logged_with_measure(start):
    d = start("")
    # What a stranger writes does not become a pair of the log.
    assert origin(d, 'http://a" allow="x') == 403
    assert 'origin="http://a\\" allow=\\"x"' in d.log()
    begun = time.monotonic()
    for i in range(100):
        assert origin(d, f"https://evil{i}.example") == 403
    assert d.counters()["refused_origin"] == 101
    assert 10 <= d.log().count("a page of another origin was refused") <= 10 * (time.monotonic() - begun + 2)


def test_nobody_but_a_trusted_proxy_says_what_it_was_asked_for(start):
    forwarded = "X-Forwarded-Host: www.example"
    d = start("")
    assert origin(d, "https://www.example", "/", forwarded) == 403
    d = start('trusted_proxies = {"127.0.0.1"}\n')
    assert origin(d, "https://www.example", "/", forwarded) == 101
    assert origin(d, "http://localhost", "/", forwarded) == 101
    assert origin(d, "https://evil.example", "/", forwarded) == 403
    assert origin(d, "https://www.example", "/", "Forwarded: for=1.2.3.4;host=www.example") == 403
    d = start('trusted_proxies = {"10.0.0.0/8"}\n')
    assert origin(d, "https://www.example", "/", forwarded) == 403


def test_without_a_file_everybody_is_let_in():
    """As the tutorials' own servers do: natterd HOST PORT."""
    with Natterd(tls=False) as d:
        assert "-c" not in d.command and d.command[-2:] == ["127.0.0.1", "0"]
        assert "pages of every origin may connect origins=*" in d.log()
        for text in ("https://evil.example", "null", "http://localhost"):
            assert origin(d, text) == 101


def test_the_demo_lets_everybody_in(start):
    with open(os.path.join(HERE, "..", "..", "conf", "demo.conf"), encoding="utf-8") as f:
        d = start(f.read().replace("9600", "0").replace('{"localhost"}', '{"127.0.0.1"}'))
    assert "pages of every origin may connect origins=* endpoint=/*" in d.log()
    assert origin(d, "null") == 101


def test_a_mistake_is_told(tmp_path):
    conf = tmp_path / "conf"
    for text in ("example.com", "https://example.com/", "https://*.example.com"):
        conf.write_text(f'origins = {{"{text}"}}\n')
        code, out = run("-t", "-c", str(conf))
        assert code == 1 and f"{conf}:1: origins: expected same-host, null, * or an origin like " in out and text in out
