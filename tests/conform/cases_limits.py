"""Sections 9 and 10: large messages, many messages, many fragments (RFC 6455 section 10.4). Nothing is timed."""
from client import BINARY, CONT, NAMES, TEXT, cut, fragments, frame, head
from registry import add, case

K, M = 1024, 1024 * 1024


def content(opcode, size):
    """All bytes, or text of several scripts; its period is no power of two, so that a shift would be seen."""
    unit = "Dies ist Text, κείμενο, текст, 文字, 🌍. ".encode() if opcode == TEXT else bytes(range(251))
    return unit * (size // len(unit)) + b"." * (size % len(unit))


def echoes(t, opcode, size):
    message = content(opcode, size)
    ws = t.connect()
    ws.send(frame(opcode, message))
    ws.expect(opcode, message)
    ws.expect_goodbye()


def echoes_fragments(t, opcode, size, piece):
    message = content(opcode, size)
    ws = t.connect()
    ws.send(fragments(opcode, cut(message, piece)))
    ws.expect(opcode, message)
    ws.expect_goodbye()


def echoes_cut(t, opcode, size, piece):
    """The writes are of PIECE bytes."""
    message = content(opcode, size)
    ws = t.connect()
    ws.send_cut(frame(opcode, message), piece)
    ws.expect(opcode, message)
    ws.expect_goodbye()


def echoes_in_turn(t, opcode, size):
    """1000 messages, each sent when the last has come back."""
    message = content(opcode, size)
    ws = t.connect()
    for _ in range(t.count(1000, 250, size)):
        ws.send(frame(opcode, message))
        ws.expect(opcode, message)
    ws.expect_goodbye()


def echoes_back_to_back(t, opcode, size):
    """1000 messages that are all sent before the first is read, as far as the system takes them."""
    count = t.count(1000, 1000, size)
    messages = [b"%d" % i + content(opcode, size) for i in range(count)]
    ws = t.connect()
    ws.send(*(frame(opcode, m) for m in messages))
    for m in messages:
        ws.expect(opcode, m)
    ws.expect_goodbye()


SIZES = (64 * K, 256 * K, M, 4 * M, 8 * M, 16 * M)
FRAGMENTS = (64, 256, K, 4 * K, 16 * K, 64 * K, 256 * K, M, 4 * M)
CHOPS = (64, 128, 256, 512, K, 2 * K)
SMALL = (0, 16, 64, 256, K, 4 * K)

for part, kind in ((0, TEXT), (1, BINARY)):
    name = NAMES[kind]
    for i, size in enumerate(SIZES, 1):
        add(f"9.{1 + part}.{i}", f"{name} of {size // K} KiB", echoes, kind, size, quick=("whole", "random"))
    for i, piece in enumerate(FRAGMENTS, 1):
        add(f"9.{3 + part}.{i}", f"{name} of 4 MiB in fragments of {piece} bytes", echoes_fragments, kind, 4 * M,
            piece, quick=("random",))
        add(f"9.{11 + part}.{i}", f"{name} of 16 MiB in fragments of {piece} bytes", echoes_fragments, kind, 16 * M,
            piece, quick=("whole",) if piece in (64, 4 * M) and kind == TEXT else ())
    for i, chop in enumerate(CHOPS, 1):
        add(f"9.{5 + part}.{i}", f"{name} of 1 MiB, {chop} bytes a write", echoes_cut, kind, M, chop,
            quick=("whole",))
    for i, size in enumerate(SMALL, 1):
        add(f"9.{7 + part}.{i}", f"1000 messages of {name} of {size} bytes, one by one", echoes_in_turn, kind, size,
            quick=("whole",))
        add(f"9.{13 + part}.{i}", f"1000 messages of {name} of {size} bytes, back to back", echoes_back_to_back,
            kind, size, quick=("whole", "random"))


# ---- 9.20: where the limits are ----

def too_big(t, *sent):
    ws = t.connect()
    ws.send(*sent)
    ws.expect_failed(1009)


add("9.20.1", "the header of a frame of 16 MiB and a byte", too_big, head(BINARY, 16 * M + 1))
add("9.20.2", "the header of a frame of 2^31 bytes", too_big, head(BINARY, 1 << 31))
add("9.20.3", "the header of a frame of 2^32 bytes", too_big, head(TEXT, 1 << 32))
add("9.20.4", "the header of a frame of 2^63 - 1 bytes", too_big, head(TEXT, (1 << 63) - 1))
add("9.20.5", "a message of 16 MiB, then the header of a fragment of a byte", too_big,
    frame(BINARY, bytes(16 * M), fin=False), head(CONT, 1), quick=("whole",))
add("9.20.6", "fragments of 1 MiB, the header of the 17th", too_big,
    frame(BINARY, bytes(M), fin=False), *[frame(CONT, bytes(M), fin=False)] * 15, head(CONT, M), quick=("random",))
add("9.20.7", "a fragment of a byte, then the header of one of 2^63 - 1", too_big,
    frame(BINARY, b"x", fin=False), head(CONT, (1 << 63) - 1))


@case("9.20.8", "a message of 16 MiB and empty fragments behind it", quick=("whole",))
def full_and_empty(t):
    message = content(BINARY, 16 * M)
    ws = t.connect()
    ws.send(fragments(BINARY, [message, b"", b"", b""]))
    ws.expect(BINARY, message)
    ws.expect_goodbye()


@case("9.20.9", "a million fragments", quick=())
def a_million_fragments(t):
    ws = t.connect()
    ws.send(frame(BINARY, b"a", fin=False), frame(CONT, b"b", fin=False) * 999_998, frame(CONT, b"c"))
    ws.expect(BINARY, b"a" + b"b" * 999_998 + b"c")
    ws.expect_goodbye()


add("9.20.10", "a million fragments and one", too_big,
    frame(BINARY, b"a", fin=False), frame(CONT, b"b", fin=False) * 999_999, frame(CONT, b"c"), quick=())


# ---- 10 ----

add("10.1.1", "text of 65536 bytes in fragments of 1300", echoes_fragments, TEXT, 65536, 1300)
add("10.1.2", "binary of 65536 bytes in fragments of 1300", echoes_fragments, BINARY, 65536, 1300)
