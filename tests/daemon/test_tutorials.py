"""The four tutorials' pages, by the very bytes they send (PRODUCT.md section 1)."""
import asyncio
import json
import re
import subprocess
import time

import pytest
import websockets

from natterd import BINARY, Closed, Natterd, frame

JSON_CHAT = '{"type":"chat","chat_user":"Bob","chat_message":"Hello <b>all</b>","message":"Hello"}'


def lines_of(client, n):
    return [client.recv_json() for _ in range(n)]


# ---- the chat server: any path, no subprotocol, connected and disconnected lines, JSON to everyone ----

@pytest.mark.parametrize("path", ["/websocket.php", "/deamon.php", "/"])
def test_chat_page(plain, path):
    a = plain.connect(path)
    assert a.recv() == '{"type":"system","message":"127.0.0.1 connected"}'
    b = plain.connect(path, headers=["Origin: http://localhost", "Cookie: PHPSESSID=abc"])
    for c in (a, b):
        assert c.recv() == '{"type":"system","message":"127.0.0.1 connected"}'
    a.send(JSON_CHAT)
    for c in (a, b):  # the sender too
        got = c.recv_json()
        for member, value in json.loads(JSON_CHAT).items():
            assert got[member] == value
    b.close()
    assert a.recv() == '{"type":"system","message":"127.0.0.1 disconnected"}'
    a.close()


def test_chat_page_leaves_with_a_close_frame(plain):
    a = plain.connect("/leaving")
    lines_of(a, 1)
    b = plain.connect("/leaving")
    lines_of(a, 1)
    b.send_raw(frame(8, b"\x03\xe8"))
    assert b.recv_close() == (1000, "") if b.recv_json() else False
    assert a.recv_json() == {"type": "system", "message": "127.0.0.1 disconnected"}
    a.close()
    b.close()


def test_chat_page_in_pieces_and_lumps(plain):
    """One recv() is not one frame, nor one handshake."""
    a = plain.connect("/pieces", upgrade=False)
    a.send_bytewise(a.request)
    a.read_handshake()
    a.recv()
    a.send_bytewise(frame(1, JSON_CHAT))
    assert a.recv_json()["message"] == "Hello"
    # request and first message in one packet, then three messages in one
    b = plain.connect("/lumps", upgrade=False)
    b.send_raw(b.request + frame(1, '{"message":"first"}'))
    b.read_handshake()
    assert b.recv_json()["type"] == "system"
    assert b.recv_json()["message"] == "first"
    b.send_raw(b"".join(frame(1, json.dumps({"message": str(i)})) for i in range(3)))
    assert [m["message"] for m in lines_of(b, 3)] == ["0", "1", "2"]
    # one message in fragments with a ping in between
    b.send_raw(frame(1, '{"message":', fin=False) + frame(9, "p") + frame(0, '"whole"', fin=False) + frame(0, "}"))
    assert b.recv_json()["message"] == "whole"
    a.close()
    b.close()


def test_forged_system_line_is_refused(plain):
    a = plain.connect("/forged")
    lines_of(a, 1)
    b = plain.connect("/forged")
    lines_of(a, 1), lines_of(b, 1)
    a.send('{"type":"system","message":"10.0.0.1 connected"}')
    error = a.recv_json()
    assert (error["type"], error["code"]) == ("error", "reserved_type")
    b.expect_silence()
    a.close()
    b.close()


# ---- its older cousin: no type ----

def test_usermsg_page(plain):
    a = plain.connect("/demo/server.php")
    a.recv()
    a.send('{"message":"hi there","name":"Sanwebe","color":"#ff7000"}')
    got = a.recv_json()
    assert got["type"] == "usermsg"
    assert (got["name"], got["message"], got["color"]) == ("Sanwebe", "hi there", "#ff7000")
    a.close()


# ---- the echo server on port 1222 ----

@pytest.fixture(scope="module")
def echo_server():
    config = ('listener main { address = {"127.0.0.1"} port = 0 }\n'
              'endpoint "/echo" { handler = echo }\nendpoint "/*" { handler = commands origins = {"null"} }\n')
    with Natterd(config) as daemon:
        yield daemon


def ask(client, text):
    client.send(text)
    return client.recv()


def test_commands_page(echo_server):
    c = echo_server.connect("/", headers=["Origin: null"])
    assert ask(c, "hello") == "Hello!"
    assert ask(c, "hi") == "Hi!"
    assert ask(c, "name") == "I am natterd."
    assert re.fullmatch(r"(\d+ (day|hour|minute|second)s?(, )?)+", ask(c, "age"))
    assert abs(time.mktime(time.strptime(ask(c, "date") + " " + ask(c, "time"), "%Y-%m-%d %H:%M:%S")) - time.time()) < 60
    assert ask(c, "thanks") == "You're welcome."
    assert ask(c, "What is this?") == "You have entered: What is this?"
    assert ask(c, "") == "You have entered: "
    assert ask(c, "Grüße €") == "You have entered: Grüße €"
    assert ask(c, "bye") == "Bye!"
    assert c.recv_close() == (1000, "Bye!")
    c.send_raw(frame(8, b"\x03\xe8"))
    c.expect_eof()
    c.close()


def test_echo_handler(echo_server):
    c = echo_server.connect("/echo")
    assert ask(c, "as it is {") == "as it is {"
    c.send_raw(frame(2, bytes(range(256))))
    assert c.recv() == bytes(range(256))
    c.send_raw(frame(1, "a" * 60000, fin=False) + frame(0, "b"))
    assert c.recv() == "a" * 60000 + "b"
    c.close()


# ---- the handshake walk-through ----

def test_walk_through_request(plain):
    c = plain.connect(upgrade=False)
    c.send_raw(b"GET ws://echo.websocket.org/?encoding=text HTTP/1.1\r\n"
               b"Origin: http://websocket.org\r\nCookie: __utma=99as\r\nConnection: Upgrade\r\n"
               b"Host: echo.websocket.org\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n"
               b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n")
    assert c.read_response() == 101
    assert c.headers["sec-websocket-accept"] == "HSmrc0sMlYUkAGmm5OPpG2HaGWk="
    assert "sec-websocket-protocol" not in c.headers
    c.recv()
    c.close()


@pytest.mark.parametrize("offer, answer", [("chat", "chat"), ("myProtocol", "myProtocol"),
                                           ("chat, superchat", "chat")])
def test_subprotocol_is_echoed(plain, offer, answer):
    c = plain.connect(headers=[f"Sec-WebSocket-Protocol: {offer}"])
    assert c.headers["sec-websocket-protocol"] == answer
    c.close()


def test_websockets_library_with_subprotocol(plain):
    async def go():
        async with websockets.connect(plain.url("/lib"), subprotocols=["myProtocol"]) as ws:
            assert ws.subprotocol == "myProtocol"
            await ws.recv()
            await ws.send('{"message":"x"}')
            assert json.loads(await ws.recv())["seq"] == 1
    asyncio.run(go())


# ---- the start ----

def test_start_without_configuration(plain):
    log = plain.log()
    assert "origins=*" in log
    assert f"address=127.0.0.1:{plain.port}" in log


def test_any_other_host_listens_on_all():
    with Natterd(host="chat.example.org") as daemon:
        log = daemon.log()
        assert "listening on all" in log and "chat.example.org" in log
        assert "0.0.0.0:" in log
        daemon.host = "127.0.0.1"
        c = daemon.connect()
        c.recv()
        c.close()


def test_localhost_is_both_families():
    with Natterd(host="localhost") as daemon:
        assert "address=127.0.0.1:" in daemon.log()
        daemon.host = "127.0.0.1"
        daemon.connect().close()
        if "address=[::1]:" in daemon.log():
            daemon.host = "::1"
            c = daemon.connect()
            assert c.recv_json()["message"] == "::1 connected"
            c.close()


def test_websocket_is_installed_like_the_tutorials_start_it(plain):
    """php -q websocket.php HOST PORT has its like: natterd HOST PORT."""
    port = plain.port
    p = subprocess.run([BINARY, "127.0.0.1", str(port)], capture_output=True, text=True, check=False)
    assert p.returncode == 1 and f"127.0.0.1:{port}" in p.stderr and "in use" in p.stderr


# ---- what those servers get wrong ----

def test_post_from_another_site_reaches_nobody(plain):
    a = plain.connect("/post")
    a.recv()
    b = plain.connect(upgrade=False)
    body = '{"message":"forged"}'
    b.send_raw(f"POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    assert b.read_response() == 405
    a.expect_silence()
    a.close()
    b.close()


@pytest.mark.parametrize("origin", ["http://localhost", "null", "https://another.example", "file://"])
def test_every_origin_may_connect(plain, origin):
    c = plain.connect("/origins", headers=[f"Origin: {origin}"])
    c.recv()
    c.close()


def test_unmasked_frame_ends_that_connection_only(plain):
    a = plain.connect("/unmasked")
    lines_of(a, 1)
    b = plain.connect("/unmasked")
    lines_of(a, 1), lines_of(b, 1)
    b.send_raw(frame(1, '{"message":"x"}', mask=None))
    assert b.recv_close()[0] == 1002
    assert a.recv_json()["message"] == "127.0.0.1 disconnected"
    a.send('{"message":"still here"}')
    assert a.recv_json()["message"] == "still here"
    with pytest.raises(Closed):
        b.recv()
    a.close()
    b.close()
