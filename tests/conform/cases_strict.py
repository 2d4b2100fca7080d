"""Section 20: what other suites are lenient about (RFC 6455 sections 5.1 to 5.5, 7.1)."""
import time

from cases_frames import echoes_then_fails, fails
from client import (BINARY, CLOSE, CONT, NAMES, PING, PONG, TEXT, Frame, Mismatch, close_frame, fragments, frame,
                    head, masked)
from registry import add, case

KINDS = (TEXT, BINARY, PING, PONG, CLOSE)
HELLO = b"Hello World!"
BEGUN = frame(TEXT, b"begun", fin=False)


def payload_for(kind):
    return b"\x03\xe8" if kind == CLOSE else HELLO


# ---- 20.1: RSV bits on a close frame ----

for bits in range(1, 8):
    for i, sent in enumerate((frame(CLOSE, rsv=bits), close_frame(1000, rsv=bits), close_frame(1001, b"x", rsv=bits),
                              close_frame(4999, b"x" * 123, rsv=bits))):
        add(f"20.1.{4 * bits + i - 3}", f"a close frame of {len(sent) - 6} bytes with RSV bits {bits:03b}",
            echoes_then_fails, sent)


# ---- 20.2: lengths that are not in their shortest form (section 5.2) ----

LONG_FORMS = [(16, n) for n in (0, 1, 2, 124, 125)] + [(64, n) for n in (0, 1, 125, 126, 127, 256, 65534, 65535)]

for part, kind in enumerate(KINDS):
    for i, (form, size) in enumerate(LONG_FORMS, 1):
        add(f"20.2.{20 * part + i}", f"{NAMES[kind]} of {size} bytes, its length in {form} bits", echoes_then_fails,
            frame(kind, (payload_for(kind) * size)[:size], form=form))
    for i, size in enumerate((1 << 63, (1 << 64) - 1), 14):
        add(f"20.2.{20 * part + i}", f"{NAMES[kind]} of {size} bytes", fails, head(kind, size, form=64))
for i, (form, size) in enumerate(LONG_FORMS, 101):
    add(f"20.2.{i}", f"a continuation of {size} bytes, its length in {form} bits", fails, BEGUN,
        frame(CONT, b"x" * size, form=form))
    add(f"20.2.{i + 20}", f"a first fragment of {size} bytes, its length in {form} bits", fails,
        frame(TEXT, b"x" * size, fin=False, form=form), frame(CONT, b"end"))


# ---- 20.3: masks, which the server has to take as they come (section 5.3) ----

MASKS = [bytes(4), b"\xff" * 4, b"\x00\x00\x00\x01", b"\x80\x00\x00\x00", b"\x00\xff\x00\xff", b"\x81\x85\x88\x8a",
         b"Hell"]
TEXTS = [("Größe " * 60).encode()[:n] for n in range(0, 64)]


def is_text(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def echoes_under_mask(t, mask):
    """All lengths, so that the mask ends at each of its bytes."""
    ws = t.connect()
    for text in TEXTS:
        kind = TEXT if is_text(text) else BINARY
        ws.send(frame(kind, text, mask=mask), frame(PING, text, mask=mask))
        ws.expect(kind, text)
        ws.expect(PONG, text)
    ws.send(close_frame(1000, b"done", mask=mask))
    ws.expect_closed(1000)


for i, mask in enumerate(MASKS, 1):
    add(f"20.3.{i}", f"all frames under the mask {mask.hex()}", echoes_under_mask, mask)


@case("20.3.11", "each fragment under a mask of its own")
def mask_each(t):
    ws = t.connect()
    pieces = [text for text in TEXTS if is_text(text)]
    last = len(pieces) - 1
    ws.send(*(frame(CONT if i else TEXT, piece, fin=i == last, mask=MASKS[i % len(MASKS)])
              for i, piece in enumerate(pieces)))
    ws.expect(TEXT, b"".join(pieces))
    ws.expect_goodbye()


@case("20.3.12", "a payload that is a frame once it is masked, and one that is before")
def mask_makes_frame(t):
    ws = t.connect()
    inner = frame(CLOSE, b"\x03\xe8")
    for payload in (inner, masked(inner), inner * 20, masked(inner * 20)):
        ws.send(frame(BINARY, payload))
        ws.expect(BINARY, payload)
    ws.expect_goodbye()


@case("20.3.13", "65536 bytes under a mask of zeros")
def large_under_zeros(t):
    ws = t.connect()
    ws.send(frame(BINARY, bytes(range(256)) * 256, mask=bytes(4)))
    ws.expect(BINARY, bytes(range(256)) * 256)
    ws.expect_goodbye()


# ---- 20.4: no mask (section 5.1) ----

for i, kind in enumerate(KINDS, 1):
    add(f"20.4.{i}", f"{NAMES[kind]} without a mask", echoes_then_fails, frame(kind, payload_for(kind), mask=None))
    add(f"20.4.{i + 5}", f"{NAMES[kind]} of nothing without a mask", echoes_then_fails, frame(kind, mask=None))
    add(f"20.4.{i + 10}", f"{NAMES[kind]} without a mask, as the first frame", fails,
        frame(kind, payload_for(kind), mask=None))
add("20.4.16", "a continuation without a mask", fails, BEGUN, frame(CONT, b"end", mask=None))
add("20.4.17", "a ping without a mask within a message", fails, BEGUN, frame(PING, b"ping", mask=None))
add("20.4.18", "text of 65536 bytes without a mask", fails, frame(TEXT, b"x" * 65536, mask=None))


# ---- 20.5: the end of the connection (sections 5.5.1, 7.1.1) ----

def half_closes(t, code, *sent):
    """The client's side of the TCP connection is closed at once: the answer still comes, and then the end."""
    ws = t.connect()
    ws.send(frame(TEXT, HELLO), *sent)
    ws.half_close()
    ws.expect(TEXT, HELLO)
    ws.expect_closed(code)


add("20.5.1", "TCP half-closed behind the close frame", half_closes, 1000, close_frame(1000))
add("20.5.2", "TCP half-closed behind a close frame without a code", half_closes, None, close_frame())
add("20.5.3", "TCP half-closed behind the close frame and a message", half_closes, 4000, close_frame(4000, b"x"),
    frame(TEXT, HELLO))
add("20.5.4", "TCP half-closed behind a frame that fails", half_closes, 1002, frame(3))
add("20.5.5", "TCP half-closed behind text that is not UTF-8", half_closes, 1007, frame(TEXT, b"\xff"))


def gone_without_close(t, *sent):
    """There is nobody to close for; what was asked before is answered, and the connection ends."""
    ws = t.connect()
    ws.send(frame(TEXT, HELLO), *sent)
    ws.half_close()
    ws.expect(TEXT, HELLO)
    got = ws.receive()
    if isinstance(got, Frame):
        if got.opcode != CLOSE:
            raise Mismatch("a close frame or the end", got)
        ws.expect_end()


add("20.5.6", "TCP half-closed without a close frame", gone_without_close)
add("20.5.7", "TCP half-closed within a frame", gone_without_close, frame(TEXT, HELLO)[:9])
add("20.5.8", "TCP half-closed within a frame's header", gone_without_close, frame(TEXT, b"x" * 200)[:3])
add("20.5.9", "TCP half-closed within a message", gone_without_close, BEGUN)


@case("20.5.10", "TCP half-closed when the answer to the close frame has come")
def half_close_after_answer(t):
    ws = t.connect()
    ws.expect_goodbye()
    ws.half_close()
    ws.expect_end()


def ends_without_reset(t, code, *sent):
    """Much that is still on its way when the server closes must not cost the client the close frame."""
    ws = t.connect()
    ws.send(*sent, frame(BINARY, bytes(1 << 20)))
    ws.expect_closed(code)
    ws.send(frame(PING))
    ws.expect_end()


add("20.5.11", "a MiB behind the close frame", ends_without_reset, 1000, close_frame(1000))
add("20.5.12", "a MiB behind a frame that fails", ends_without_reset, 1002, frame(3))
add("20.5.13", "a MiB behind text that is not UTF-8", ends_without_reset, 1007, frame(TEXT, b"\xff"))


@case("20.5.14", "the server does not wait for ever for the client to close TCP", quick=("whole",))
def client_stays(t):
    ws = t.connect()
    ws.expect_goodbye()
    try:
        for _ in range(300):  # 30 s; close_timeout is 2
            ws.send(frame(PING))
            time.sleep(0.1)
    except Mismatch:
        return  # a reset: the socket is gone
    raise Mismatch("the connection to be dropped", "that it still takes bytes")


@case("20.5.15", "the answer repeats the code, and once only")
def answer_once(t):
    ws = t.connect()
    ws.send(close_frame(4321, b"first"), close_frame(1000, b"second"), close_frame())
    ws.expect_closed(4321)


# ---- 20.6: a header is judged as soon as its bytes are there ----

def fails_at_once(t, sent):
    """These bytes are wrong whatever follows."""
    ws = t.connect()
    ws.send(frame(TEXT, HELLO), sent)
    ws.expect(TEXT, HELLO)
    ws.expect_failed(1002)


for i, (title, sent) in enumerate((
        ("RSV1 where nothing was agreed", b"\xc1"), ("RSV3", b"\x91"), ("a reserved opcode", b"\x83"),
        ("a reserved control opcode", b"\x8b"), ("a continuation of nothing", b"\x80"),
        ("a ping without FIN", b"\x09"), ("a close without FIN", b"\x08"),
        ("no mask bit", b"\x81\x05"), ("a ping of 126 bytes or more", b"\x89\xfe"),
        ("a close frame of one byte", b"\x88\x81"), ("a ping with a length of 64 bits", b"\x89\xff"),
        ("125 in 16 bits", b"\x82\xfe\x00\x7d"), ("65535 in 64 bits", b"\x82\xff" + bytes(6) + b"\xff\xff"),
        ("the topmost bit of a length", b"\x82\xff\x80" + bytes(7))), 1):
    add(f"20.6.{i}", f"{title}, and nothing behind it", fails_at_once, sent)


# ---- 20.7: frames that come with the request ----

def first_bytes(t, path, first, then):
    """A client should wait for the answer; TCP may bring both at once all the same, in any pieces."""
    ws = t.connect(path, first=first, request=t.writes)
    ws.send(then)
    ws.expect(TEXT, HELLO)
    ws.expect_goodbye()


for i, n in enumerate((0, 1, 2, 5, 6, 7, 17), 1):
    add(f"20.7.{i}", f"{n} bytes of a frame directly behind the request", first_bytes, "/", frame(TEXT, HELLO)[:n],
        frame(TEXT, HELLO)[n:])
add("20.7.8", "a message in two fragments directly behind the request", first_bytes, "/",
    fragments(TEXT, [HELLO[:5], HELLO[5:]]), b"")


@case("20.7.9", "a frame that fails directly behind the request")
def first_fails(t):
    t.connect(first=frame(3), request=t.writes).expect_failed(1002)


@case("20.7.10", "a close frame directly behind the request")
def first_closes(t):
    t.connect(first=close_frame(1000), request=t.writes).expect_closed(1000)
