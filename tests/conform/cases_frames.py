"""Sections 1 to 4: frames one by one (RFC 6455 sections 5.2, 5.3, 5.5)."""
from client import BINARY, CLOSE, NAMES, PING, PONG, TEXT, close_frame, cut, frame
from registry import add, case


def echoes(t, opcode, size):
    payload = b"*" * size if opcode == TEXT else bytes(i % 251 for i in range(size))
    ws = t.connect()
    ws.send(frame(opcode, payload))
    ws.expect(opcode, payload)
    ws.expect_goodbye()


def echoes_cut(t, opcode, size, piece):
    ws = t.connect()
    ws.send_cut(frame(opcode, b"*" * size), piece)
    ws.expect(opcode, b"*" * size)
    ws.expect_goodbye()


def echoes_lengths(t, opcode, lengths):
    ws = t.connect()
    ws.send(*(frame(opcode, b"*" * n) for n in lengths))
    for n in lengths:
        ws.expect(opcode, b"*" * n)
    ws.expect_goodbye()


for part, kind in ((1, TEXT), (2, BINARY)):
    for i, length in enumerate((0, 125, 126, 127, 128, 65535, 65536), 1):
        add(f"1.{part}.{i}", f"{NAMES[kind]} of {length} bytes", echoes, kind, length)
    add(f"1.{part}.8", f"{NAMES[kind]} of 65536 bytes, 997 a write", echoes_cut, kind, 65536, 997)
    for i, length in enumerate((1, 2, 3, 4, 5, 7, 8, 9, 124, 65534, 65537, 131071), 9):
        add(f"1.{part}.{i}", f"{NAMES[kind]} of {length} bytes", echoes, kind, length)
    add(f"1.{part}.21", f"{NAMES[kind]} of all lengths from 0 to 300", echoes_lengths, kind, range(301))
    add(f"1.{part}.22", f"{NAMES[kind]} of all lengths from 65520 to 65550", echoes_lengths, kind, range(65520, 65551))


# ---- 2: pings and pongs ----

def pongs(t, *payloads):
    ws = t.connect()
    ws.send(*(frame(PING, p) for p in payloads))
    for p in payloads:
        ws.expect(PONG, p)
    ws.expect_goodbye()


def ignores_pongs(t, *payloads):
    ws = t.connect()
    ws.send(*(frame(PONG, p) for p in payloads))
    ws.expect_alive()
    ws.expect_goodbye()


def fails(t, *sent, code=1002):
    ws = t.connect()
    ws.send(*sent)
    ws.expect_failed(code)


TEN = [b"payload-%d" % i for i in range(10)]

add("2.1", "a ping without payload", pongs, b"")
add("2.2", "a ping with text", pongs, b"Hello, world!")
add("2.3", "a ping with bytes that are no text", pongs, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")
add("2.4", "a ping of 125 bytes", pongs, b"\xfe" * 125)
add("2.5", "a ping of 126 bytes fails", fails, frame(PING, b"\xfe" * 126))
add("2.7", "an unsolicited pong without payload", ignores_pongs, b"")
add("2.8", "an unsolicited pong with payload", ignores_pongs, b"unsolicited")
add("2.10", "ten pings", pongs, *TEN)
add("2.12", "pings of all sizes from 0 to 125", pongs, *(bytes(range(n)) for n in range(126)))
add("2.13", "pongs of all sizes from 0 to 125", ignores_pongs, *(bytes(range(n)) for n in range(126)))
add("2.14", "a pong of 126 bytes fails", fails, frame(PONG, b"\xfe" * 126))
add("2.15", "a ping of 65536 bytes fails", fails, frame(PING, b"\xfe" * 65536))
add("2.16", "a thousand pings", pongs, *(b"%d" % i for i in range(1000)))


@case("2.6", "a ping of 125 bytes, a byte a write")
def ping_in_bytes(t):
    ws = t.connect()
    ws.send_cut(frame(PING, b"\xfe" * 125), 1)
    ws.expect(PONG, b"\xfe" * 125)
    ws.expect_goodbye()


@case("2.9", "an unsolicited pong, then a ping")
def pong_then_ping(t):
    ws = t.connect()
    ws.send(frame(PONG, b"unsolicited"), frame(PING, b"ping"))
    ws.expect(PONG, b"ping")
    ws.expect_goodbye()


@case("2.11", "ten pings, a byte a write")
def ten_pings_in_bytes(t):
    ws = t.connect()
    for piece in cut(b"".join(frame(PING, p) for p in TEN), 1):
        ws.send(piece)
    for p in TEN:
        ws.expect(PONG, p)
    ws.expect_goodbye()


@case("2.17", "pings between messages are answered in their order")
def pings_between_messages(t):
    ws = t.connect()
    ws.send(*(frame(PING if i % 2 else TEXT, b"%d" % i) for i in range(20)))
    for i in range(20):
        ws.expect(PONG if i % 2 else TEXT, b"%d" % i)
    ws.expect_goodbye()


# ---- 3 and 4: reserved bits, opcodes ----

def echoes_then_fails(t, bad, how="send"):
    """What comes before the bad frame is answered, what comes behind it is not."""
    ws = t.connect()
    getattr(ws, how)(frame(TEXT, b"before"), bad, frame(PING, b"behind"))
    ws.expect(TEXT, b"before")
    ws.expect_failed(1002)


def rsv(bits, opcode=TEXT, payload=b"reserved"):
    return frame(opcode, payload, rsv=bits)


add("3.1", "text with RSV3", fails, rsv(1))
add("3.2", "text with RSV2, after a message, before a ping", echoes_then_fails, rsv(2))
add("3.3", "text with RSV2 and RSV3, a frame a write", echoes_then_fails, rsv(3), "send_each")
add("3.4", "text with RSV1, after a message, before a ping", echoes_then_fails, rsv(4))
add("3.5", "binary with RSV1 and RSV3", fails, rsv(5, BINARY))
add("3.6", "a ping with RSV1 and RSV2", fails, rsv(6, PING))
add("3.7", "a close frame with all RSV bits", fails, close_frame(1000, rsv=7))
for i, (kind, payload) in enumerate(((TEXT, b"x"), (TEXT, b""), (BINARY, b"x"), (PING, b"x"), (PONG, b"x"),
                                     (CLOSE, b"\x03\xe8")), 8):
    for bits in range(1, 8):
        add(f"3.{i}.{bits}", f"{NAMES[kind]} of {len(payload)} bytes with RSV bits {bits:03b}", echoes_then_fails,
            rsv(bits, kind, payload))


def reserved(opcode, payload=b"", **how):
    return frame(opcode, payload, **how)


for part, opcodes in ((1, range(3, 8)), (2, range(11, 16))):
    for i, opcode in enumerate(opcodes, 1):
        add(f"4.{part}.{i}", f"opcode {opcode}", fails, reserved(opcode))
        add(f"4.{part}.{i + 5}", f"opcode {opcode} with payload, after a message, before a ping", echoes_then_fails,
            reserved(opcode, b"reserved opcode"))
        add(f"4.{part}.{i + 10}", f"opcode {opcode} without FIN", fails, reserved(opcode, b"x", fin=False))
        add(f"4.{part}.{i + 15}", f"opcode {opcode} of 126 bytes, a frame a write", echoes_then_fails,
            reserved(opcode, bytes(126)), "send_each")
        add(f"4.{part}.{i + 20}", f"opcode {opcode} within a message", fails,
            frame(TEXT, b"a", fin=False), reserved(opcode, b"b"))
