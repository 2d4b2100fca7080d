"""Frames on the wire: RFC 6455 through a real socket, at the echo endpoint."""
import struct

import pytest

from natterd import BINARY_OP, CLOSE, CONT, PING, PONG, TEXT, Natterd, close_payload, frame


@pytest.fixture(scope="module")
def echo():
    with Natterd('endpoint "/*" { handler = echo }\nmax_frame = 1M\nmax_message = 2M\nmax_fragments = 100\n'
                 'ping_interval = 0\nclose_timeout = 2s\nsend_queue = 8M\n') as daemon:
        yield daemon


@pytest.fixture
def c(echo):
    client = echo.connect()
    yield client
    client.close()


def ends(client, code):
    """A close frame with this code, then an end in good order: half-closed, not reset."""
    assert client.recv_close()[0] == code
    client.expect_eof()


@pytest.mark.parametrize("n", [0, 1, 2, 125, 126, 127, 128, 65535, 65536, 65537, 1000000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY_OP])
def test_lengths(c, n, opcode):
    c.send_raw(frame(opcode, b"*" * n))
    got = c.recv()
    assert got == ("*" * n if opcode == TEXT else b"*" * n)


@pytest.mark.parametrize("n", [0, 1, 125, 126, 127, 300])
def test_byte_by_byte(c, n):
    c.send_bytewise(frame(TEXT, "*" * n))
    assert c.recv() == "*" * n


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04"])
def test_masks(c, mask):
    c.send_raw(frame(TEXT, "mask me", mask=mask))
    assert c.recv() == "mask me"


def test_ping(c):
    for payload in (b"", b"x", bytes(range(125))):
        c.send_raw(frame(PING, payload))
        assert c.recv_frame() == (True, PONG, payload)
    c.send_raw(frame(PONG, b"unsolicited"))
    c.send("still here")
    assert c.recv() == "still here"


def test_many_pings_at_once(c):
    c.send_raw(b"".join(frame(PING, str(i)) for i in range(1000)))
    assert [c.recv_frame()[2] for _ in range(1000)] == [str(i).encode() for i in range(1000)]


def test_fragments_with_control_frames_between(c):
    c.send_raw(frame(TEXT, "Grü"[:2], fin=False) + frame(PING, "1") + frame(CONT, "ü".encode()[:1], fin=False) +
               frame(PONG, "2") + frame(CONT, "ü".encode()[1:] + b"e"))
    assert c.recv_frame() == (True, PONG, b"1")
    assert c.recv() == "Grüe"


def test_a_thousand_messages_back_to_back(c):
    c.send_raw(b"".join(frame(TEXT, str(i)) for i in range(1000)))
    assert [c.recv() for _ in range(1000)] == [str(i) for i in range(1000)]


BROKEN = [
    (1002, frame(TEXT, "x", mask=None)),
    (1002, frame(TEXT, "x", rsv=4)), (1002, frame(TEXT, "x", rsv=2)), (1002, frame(PING, "x", rsv=1)),
    (1002, frame(CLOSE, close_payload(1000), rsv=4)),
    *[(1002, frame(op, "x")) for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
    (1002, frame(CONT, "x")), (1002, frame(CONT, "x", fin=False)),
    (1002, frame(TEXT, "x", fin=False) + frame(TEXT, "y")),
    (1002, frame(TEXT, "x", fin=False) + frame(BINARY_OP, "y")),
    (1002, frame(PING, "x", fin=False)), (1002, frame(PING, "x" * 126)), (1002, frame(CLOSE, "x" * 126)),
    (1002, b"\x81\xfe\x00\x7d"), (1002, b"\x81\xff" + struct.pack(">Q", 65535)),
    (1002, b"\x81\xff\x80" + b"\0" * 7),
    (1007, frame(TEXT, b"\xff")), (1007, frame(TEXT, b"\xc0\xaf")), (1007, frame(TEXT, b"\xed\xa0\x80")),
    (1007, frame(TEXT, b"\xf4\x90\x80\x80")), (1007, frame(TEXT, b"\xe2\x82")),
    (1007, frame(TEXT, b"abc", fin=False) + frame(CONT, b"\xe2\x82")),
    (1007, frame(CLOSE, b"\x03\xe8\xff")),
    (1002, frame(CLOSE, b"\x03")),
    (1009, frame(TEXT, b"x" * (1024 * 1024 + 1))),
    (1009, b"\x81\xff" + struct.pack(">Q", 2**62) + b"mask"),
    (1009, (frame(TEXT, b"x" * 900000, fin=False) + frame(CONT, b"x" * 900000, fin=False) + frame(CONT, b"x" * 900000))),
    (1009, frame(TEXT, "x", fin=False) + frame(CONT, "x", fin=False) * 100),
]


@pytest.mark.parametrize("code, data", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("bytewise", [False, True])
def test_broken(c, code, data, bytewise):
    try:
        if bytewise and len(data) < 1000:
            c.send_bytewise(data)
        else:
            c.send_raw(data)
    except (BrokenPipeError, ConnectionResetError):
        pytest.fail("the connection was reset before the close frame could be read")
    ends(c, code)


@pytest.mark.parametrize("bad", [b"\xc0", b"abc\xf5", b"\xed\xa0", b"\xf4\x90", b"\xe0\x80"])
def test_utf8_fails_at_the_first_impossible_byte(c, bad):
    """Although the frame goes on, and the message."""
    c.send_raw(frame(TEXT, b"x" * 100, fin=False) + b"\x80\x8a\0\0\0\0" + bad)
    ends(c, 1007)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
                                  4000, 4999])
def test_close_is_echoed(c, code):
    c.send_raw(frame(CLOSE, close_payload(code, "reason")))
    assert c.recv_close()[0] == code
    c.expect_eof()


def test_close_without_a_code(c):
    c.send_raw(frame(CLOSE))
    assert c.recv_frame() == (True, CLOSE, b"")
    c.expect_eof()


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_bad_close_codes(c, code):
    c.send_raw(frame(CLOSE, close_payload(code)))
    ends(c, 1002)


def test_data_after_close_is_ignored(c):
    c.send_raw(frame(CLOSE, close_payload(1000)) + frame(TEXT, "late") * 1000)
    ends(c, 1000)
    c.send_raw(frame(TEXT, "later"))  # no reset yet: it is read and dropped


def test_much_data_behind_an_error_does_not_reset_the_close(c):
    """The close code has to arrive although the client is still sending."""
    c.send_raw(frame(TEXT, b"\xff") + frame(BINARY_OP, b"x" * 60000) * 10)
    ends(c, 1007)


def test_messages_before_close_are_answered(c):
    c.send_raw(frame(TEXT, "one") + frame(TEXT, "two") + frame(CLOSE, close_payload(1000)))
    assert c.recv() == "one" and c.recv() == "two"
    ends(c, 1000)


def test_client_that_never_closes_is_dropped(echo):
    c = echo.connect()
    c.send_raw(frame(CLOSE, close_payload(1000)))
    assert c.recv_close()[0] == 1000
    from natterd import wait_for
    wait_for("the connection to go", lambda: echo.counters()["connections"] == 0)
    c.close()


def test_peer_that_half_closes_gets_its_answers(echo):
    import socket
    c = echo.connect()
    c.send_raw(frame(TEXT, "last words"))
    c.sock.shutdown(socket.SHUT_WR)
    assert c.recv() == "last words"
    c.close()


def test_own_pings_and_ghosts(start):
    d = start("ping_interval = 1s\nping_timeout = 1s\n")
    alive, ghost = d.connect("/g"), d.connect("/g")
    fin, opcode, _ = (lambda f: f)(next(f for f in iter(ghost.recv_frame, None) if f[1] == PING))
    assert fin and opcode == PING
    # recv() answers pings; the ghost does not
    while alive.recv_json()["message"] != "127.0.0.1 disconnected":
        pass
    assert d.counters()["closed_ping"] == 1
    assert ghost.recv_close()[0] == 4000
    alive.close()
    ghost.close()
