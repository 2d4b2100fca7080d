"""Section 21: what a compressed message may look like, and what not (RFC 7692 sections 6, 7.2, 8)."""
import functools
import random
import zlib

from cases_strict import is_text
from client import BINARY, CLOSE, CONT, NAMES, PING, PONG, RSV1, RSV2, RSV3, TEXT, Mismatch, close_frame, cut, frame, head
from deflate import BITS_S, TAIL, Deflated, Packer, packed_frames, unpack
from registry import add, case

K, M = 1024, 1024 * 1024
MOST = 16 * M  # max_message


def rsv1(opcode, payload, **how):
    return frame(opcode, payload, rsv=RSV1, **how)


# ---- 21.1: the examples of section 7.2.3, and other valid forms ----

def inflates(t, message, payload, path="/deflate", opcode=BINARY):
    """The payload is this message; sent whole, and cut in two at every byte."""
    d = Deflated(t, path)
    d.ws.send(rsv1(opcode, payload))
    d.expect(opcode, message)
    for i in range(min(len(payload), 40) + 1) if path == "/deflate" else ():
        d.ws.send(rsv1(opcode, payload[:i], fin=False), frame(CONT, payload[i:]))
        d.expect(opcode, message)
    d.expect_goodbye()


FORMS = (
    ("compressed (7.2.3.1)", b"Hello", "f248cdc9c90700"),
    ("a stored block (7.2.3.3)", b"Hello", "000500faff48656c6c6f00"),
    ("a block that says it is the last (7.2.3.4)", b"Hello", "f348cdc9c9070000"),
    ("two blocks (7.2.3.5)", b"Hello", "f248050000" "00ffffcac9c90700"),
    ("nothing (7.2.3.6)", b"", "00"),
    ("nothing in a fixed block", b"", "0200"),
    ("nothing in a last fixed block", b"", "030000"),
    ("nothing in a last stored block", b"", "010000ffff00"),
    ("nothing in a hundred stored blocks", b"", "000000ffff" * 100 + "00"),
    ("nothing in a hundred last blocks", b"", "010000ffff" * 100 + "00"),
    ("last blocks around a message", b"Hello", "010000ffff" "f348cdc9c90700" "010000ffff" "00"),
    ("twice, in two last blocks", b"HelloHello", "f348cdc9c90700" "f348cdc9c90700" "00"),
    ("a last stored block, then a fixed one", b"HelloHello", "010500faff48656c6c6f" "f248cdc9c90700"),
    ("a last block, then a reference to what it held", b"HelloHello", "f348cdc9c90700" "02130000"),
    ("a stored block, then a reference to what it held", b"HelloHello", "000500faff48656c6c6f" "02130000"),
)


def add_forms():
    for i, (title, message, payload) in enumerate(FORMS, 1):
        add(f"21.1.{i}", title, inflates, message, bytes.fromhex(payload))
        add(f"21.1.{i + 20}", title + ", with context", inflates, message, bytes.fromhex(payload), "/takeover", TEXT)


add_forms()


# ---- 21.2: all that zlib can make ----

PROSE = ("Wer reitet so spät durch Nacht und Wind? Es ist der Vater mit seinem Kind; " * 3
         + "Er hat den Knaben wohl in dem Arm, Er faßt ihn sicher, er hält ihn warm. ").encode() * 5
STRATEGIES = {"default": zlib.Z_DEFAULT_STRATEGY, "filtered": zlib.Z_FILTERED, "Huffman only": zlib.Z_HUFFMAN_ONLY,
              "run lengths": zlib.Z_RLE, "fixed codes": zlib.Z_FIXED}


def made_by_zlib(t, path, level, strategy):
    """Each message in a block, in blocks of all sizes, with either flush, in frames of all sizes."""
    d = Deflated(t, path)
    pack = d.packer(level=level, strategy=strategy)
    for block, size in ((None, None), (None, 1), (None, 50), (1, None), (2, 50), (7, 1), (100, 50)):
        for flush in (zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH):
            message = PROSE[:300] if block else PROSE
            d.ws.send(packed_frames(TEXT, pack(message, block, flush), size))
            d.expect(TEXT, message)
    d.expect_goodbye()


for part, path in enumerate(("/deflate", "/takeover"), 1):
    for i, name in enumerate(STRATEGIES):
        for level in range(10):
            add(f"21.2.{part * 100 + i * 10 + level}", f"{path}: level {level}, strategy {name}", made_by_zlib, path,
                level, STRATEGIES[name], quick=("whole",) if level in (0, 1, 6) else ())


# ---- 21.3: fragments, and control frames in between ----

def packed_with_between(opcode, payload, size, between):
    pieces = cut(payload, size)
    return between.join(frame(CONT if i else opcode, piece, fin=i == len(pieces) - 1, rsv=0 if i else RSV1)
                        for i, piece in enumerate(pieces))


def fragments_of(t, size, between, pong):
    d = Deflated(t)
    payload = d.pack(PROSE)
    d.ws.send(packed_with_between(TEXT, payload, size, between))
    for _ in cut(payload, size)[1:] if pong is not None else ():
        d.ws.expect(PONG, pong)
    d.expect(TEXT, PROSE)
    d.expect_goodbye()


for i, size in enumerate((1, 2, 3, 7, 64, 125, 126, 200), 1):
    for part, (title, between, pong) in enumerate((
            ("nothing", b"", None), ("pings", frame(PING, b"p" * 125), b"p" * 125), ("pongs", frame(PONG, b"p"), None),
            ("empty fragments", frame(CONT, fin=False), None))):
        add(f"21.3.{part * 10 + i}", f"fragments of {size} bytes with {title} in between", fragments_of, size, between,
            pong)


@case("21.3.41", "RSV1 on an empty first fragment, the message in the second, an empty third")
def empty_around(t):
    d = Deflated(t)
    d.ws.send(rsv1(TEXT, b"", fin=False), frame(CONT, d.pack(PROSE), fin=False), frame(CONT))
    d.expect(TEXT, PROSE)
    d.expect_goodbye()


@case("21.3.42", "a close frame within a compressed message")
def close_within(t):
    d = Deflated(t)
    d.ws.send(rsv1(TEXT, d.pack(PROSE)[:20], fin=False), close_frame(1000), frame(CONT, b"\x00"))
    d.ws.expect_closed(1000)


@case("21.3.43", "two connections, their messages interleaved frame by frame, one of them invalid")
def interleaved(t):
    """Those without context may share a worker's inflater: nothing of one may be seen by the other."""
    for bad in (False, True):
        a, b = Deflated(t), Deflated(t)
        one, other = cut(a.pack(PROSE), 20), cut(b.pack(PROSE[::-1]), 20)
        other[-1] = b"\x06" if bad else other[-1]
        for i in range(max(len(one), len(other))):
            for d, pieces in ((b, other), (a, one)):
                if i < len(pieces):
                    d.ws.send(frame(CONT if i else BINARY, pieces[i], fin=i == len(pieces) - 1, rsv=0 if i else RSV1))
        if bad:
            b.ws.expect_failed(1007)
        else:
            b.expect(BINARY, PROSE[::-1])
            b.expect_goodbye()
        a.expect(BINARY, PROSE)
        a.echo(BINARY, PROSE)
        a.expect_goodbye()


# ---- 21.4: messages that are not compressed, and those that are answered so ----

def mixed(t, path):
    """Only the compressed ones are part of the context."""
    d = Deflated(t, path)
    for i in range(60):
        message = b"%d " % i + PROSE[i:10 * i]
        if i % 3:
            d.ws.send(frame(TEXT if is_text(message) else BINARY, message))
            d.expect(TEXT if is_text(message) else BINARY, message)
        else:
            d.echo(BINARY, message)
    d.expect_goodbye()


add("21.4.1", "compressed and uncompressed messages by turns", mixed, "/deflate")
add("21.4.2", "the same with context", mixed, "/takeover")


def is_compressed(t, size, compressible):
    """The answer to what compresses has RSV1, and is shorter; that to noise is as it is."""
    d = Deflated(t)
    message = b"x" * size if compressible else random.Random(size).randbytes(size)
    d.ws.send(frame(BINARY, message))
    got = d.expect(BINARY, message)
    if bool(got.rsv) != compressible or len(got.payload) > size:
        raise Mismatch("RSV1" if compressible else "no RSV1", got)
    d.expect_goodbye()


for i, size in enumerate((100, 125, 126, 1000, 65535, 65536, M), 1):
    add(f"21.4.{i + 10}", f"{size} equal bytes are answered compressed", is_compressed, size, True)
    add(f"21.4.{i + 20}", f"{size} bytes of noise are answered as they are", is_compressed, size, False)


def fits_window(t, bits):
    """What is as long as the client's window comes compressed, what is a byte longer as it is."""
    d = Deflated(t, offer=f"permessage-deflate; {BITS_S}={bits}")
    for size, compressed in ((1 << bits, True), ((1 << bits) + 1, bits == 15), ((1 << bits) - 1, True)):
        got = d.echo(BINARY, (PROSE * 40)[:size])
        if bool(got.rsv) != compressed:
            raise Mismatch(f"{size} bytes {'compressed' if compressed else 'as they are'}", got)
    d.expect_goodbye()


for bits in range(8, 16):
    add(f"21.4.{bits + 30}", f"messages around 2^{bits} bytes for a window of 2^{bits}", fits_window, bits)


# ---- 21.5: the context ----

def last_block_keeps_window(t):
    """After a block that says it is the last a message still refers to those before (section 7.2.3.4)."""
    d = Deflated(t, "/takeover")
    for i in range(3):
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=PROSE) if i else zlib.compressobj(9, zlib.DEFLATED, -15)
        payload = deflater.compress(PROSE) + deflater.flush(zlib.Z_FINISH) + b"\x00"
        if i and len(payload) > 40:
            raise Mismatch("a message that refers to the last", f"one of {len(payload)} bytes")
        d.ws.send(rsv1(TEXT, payload))
        d.expect(TEXT, PROSE)
    d.expect_goodbye()


add("21.5.1", "last blocks, with context", last_block_keeps_window)


@case("21.5.2", "the second Hello of section 7.2.3.2, which refers to the first")
def second_hello(t):
    d = Deflated(t, "/takeover")
    for payload in ("f248cdc9c90700", "f200110000", "f200110000"):
        d.ws.send(rsv1(TEXT, bytes.fromhex(payload)))
        d.expect(TEXT, b"Hello")
    d.expect_goodbye()


def second_hello_fails(t, path, offer):
    d = Deflated(t, path, offer)
    d.ws.send(rsv1(TEXT, bytes.fromhex("f248cdc9c90700")))
    d.expect(TEXT, b"Hello")
    d.ws.send(rsv1(TEXT, bytes.fromhex("f200110000")))
    d.ws.expect_failed(1007)


add("21.5.3", "the same where no context is kept", second_hello_fails, "/deflate", "permessage-deflate")
add("21.5.4", "the same where the client offered to keep none", second_hello_fails, "/takeover",
    "permessage-deflate; client_no_context_takeover")


@case("21.5.5", "a reference 32768 bytes back, over many messages")
def far_back(t):
    d = Deflated(t, "/takeover")
    noise = random.Random(21).randbytes(32768 - 300)
    d.echo(BINARY, noise)
    for _ in range(10):
        sizes = []
        for piece in cut(noise, 1111):
            payload = d.pack(piece)
            sizes.append(len(payload))
            d.ws.send(rsv1(BINARY, payload))
            d.expect(BINARY, piece)
        if sum(sizes) > len(noise) // 10:
            raise Mismatch("messages that refer to earlier ones", f"{sum(sizes)} bytes")
    d.expect_goodbye()


@case("21.5.6", "a thousand messages with context, back to back")
def many_back_to_back(t):
    d = Deflated(t, "/takeover")
    messages = [b"%d " % i + PROSE[:i % 200] for i in range(t.count(1000, 1000, 200))]
    d.ws.send(*(packed_frames(BINARY, d.pack(m)) for m in messages))
    for m in messages:
        d.expect(BINARY, m)
    d.expect_goodbye()


# ---- 21.6: what does not inflate ----

def fails_inflating(t, payload, path="/deflate"):
    """As a frame, in two at every byte, behind a good message."""
    for opcode in (TEXT, BINARY):
        for i in (None, *range(min(len(payload), 12))):
            d = Deflated(t, path)
            d.echo(TEXT, b"good")
            if i is None:
                d.ws.send(rsv1(opcode, payload), frame(PING))
            else:
                d.ws.send(rsv1(opcode, payload[:i], fin=False), frame(CONT, payload[i:]), frame(PING))
            d.ws.expect_failed(1007)
            t.hang_up()


DYNAMIC = zlib.compress(PROSE, 9)[2:-4]

for i, (title, payload) in enumerate((
        ("a block of the reserved type", b"\x06"), ("a last block of the reserved type", b"\x07"),
        ("ones", b"\xff" * 8), ("a stored block whose two lengths do not agree", bytes.fromhex("000500fafe48656c6c6f00")),
        ("a stored block that is cut", bytes.fromhex("000500faff4865")),
        ("a stored block's length that is cut", bytes.fromhex("000500fa")),
        ("a fixed block that is cut", bytes.fromhex("f248cd")),
        ("a fixed block without the next one's header", bytes.fromhex("f248cdc9c9")),
        ("a reference to before the beginning", bytes.fromhex("02130000")),
        ("a distance that is none (30)", bytes.fromhex("f248cdc9c907fa00")),
        ("a dynamic block that is cut in its codes", DYNAMIC[:10]), ("a dynamic block that is cut", DYNAMIC[:-20]),
        ("a dynamic block with too many codes", b"\xfc\xff\xff\xff\xff"),
        ("a message, then a block of the reserved type", bytes.fromhex("f24805000000ffff") + b"\x06"),
        ("a last block, then one of the reserved type", bytes.fromhex("f348cdc9c90700") + b"\x06"),
        ("text that was not compressed", b"Hello World!"), ("what zlib makes with its header", zlib.compress(PROSE)),
        ("what gzip makes", zlib.compressobj(wbits=31).flush())), 1):
    add(f"21.6.{i}", title, fails_inflating, payload)
    if title != "a reference to before the beginning":  # with context there is one: the good message
        add(f"21.6.{i + 20}", title + ", with context", fails_inflating, payload, "/takeover")


def verdict_of(payload):
    """What zlib says to it here: a message, False, or None where there is a last block before the end."""
    inflater = zlib.decompressobj(-15)
    try:
        message = inflater.decompress(payload + TAIL)
    except zlib.error:
        return False
    if inflater.eof:
        return None
    try:
        unpack(payload)
    except ValueError:
        return False
    return message


def mutations(t, part):
    """Valid messages with some bits changed, judged as zlib judges them here."""
    rng = random.Random(f"mutations {part}")
    d = None
    for _ in range(t.count(400, 60, 10)):
        payload = bytearray(Packer(level=rng.choice((1, 6, 9)))(PROSE[:rng.randint(1, 500)]))
        for _ in range(rng.randint(1, 3)):
            payload[rng.randrange(len(payload))] ^= 1 << rng.randrange(8)
        wanted = verdict_of(bytes(payload))
        if wanted is None:
            continue
        d = d or Deflated(t)
        d.ws.send(packed_frames(BINARY, bytes(payload), rng.choice((None, 1, 30))))
        if wanted is not False:
            d.expect(BINARY, wanted)
            continue
        d.ws.expect_failed(1007)
        d = t.hang_up()


for i in range(1, 11):
    add(f"21.7.{i}", "messages of which some bits were changed", mutations, i)


# ---- 21.8: limits ----

@functools.lru_cache(maxsize=None)
def zeros(size):
    """The payload for SIZE bytes of 0, which are no work to compress however many they are."""
    unit = Packer(level=9)(bytes(M), flush=zlib.Z_FULL_FLUSH) + TAIL
    return unit * (size // M) + Packer(level=9)(bytes(size % M))


def largest(t, opcode, payload, size):
    d = Deflated(t)
    d.ws.send(packed_frames(opcode, payload, size))
    d.expect(opcode, bytes(MOST))
    d.expect_goodbye()


def too_big(t, path, *sent):
    d = Deflated(t, path)
    d.ws.send(*sent)
    d.ws.expect_failed(1009)


add("21.8.1", "16 MiB in a frame of 16 KiB", largest, BINARY, zeros(MOST), None, quick=("whole", "random"))
add("21.8.2", "16 MiB in fragments of 64 bytes", largest, BINARY, zeros(MOST), 64, quick=("random",))
add("21.8.3", "16 MiB in a frame of 16 KiB, as text", largest, TEXT, zeros(MOST), None, quick=("whole",))
for i, (title, size) in enumerate((("16 MiB and a byte", MOST + 1), ("17 MiB", 17 * M), ("1 GiB", 1024 * M))):
    for part, path in enumerate(("/deflate", "/takeover")):
        for j, opcode in enumerate((TEXT, BINARY)):
            add(f"21.8.{11 + 4 * i + 2 * part + j}", f"{path}: a {NAMES[opcode]} message of {title}", too_big, path,
                packed_frames(opcode, zeros(size)), quick=("whole",))
            add(f"21.8.{31 + 4 * i + 2 * part + j}", f"{path}: a {NAMES[opcode]} message of {title} in fragments",
                too_big, path, packed_frames(opcode, zeros(size), 1000), quick=("random",))
add("21.8.51", "the header of a compressed frame of 32 MiB", too_big, "/deflate", head(BINARY, 32 * M, rsv=RSV1))
add("21.8.52", "the header of a compressed frame of 2^63 - 1 bytes", too_big, "/deflate",
    head(TEXT, (1 << 63) - 1, rsv=RSV1))


@case("21.8.53", "16 MiB of noise, which becomes longer", quick=("whole",))
def longer_than_itself(t):
    d = Deflated(t)
    d.echo(BINARY, random.Random(8).randbytes(MOST))
    d.expect_goodbye()


@case("21.8.54", "a message of 64 KiB of nothing but empty blocks")
def only_empty_blocks(t):
    d = Deflated(t)
    d.ws.send(rsv1(BINARY, (b"\x00" + TAIL) * 13000 + b"\x00"))
    d.expect(BINARY, b"")
    d.expect_goodbye()


# ---- 21.9: reserved bits where deflate was agreed ----

def fails_agreed(t, *sent, path="/deflate"):
    d = Deflated(t, path)
    d.echo(TEXT, b"good")
    d.ws.send(*sent, frame(PING))
    d.ws.expect_failed(1002)


def add_reserved_bits():
    frames = [(kind, frame(kind, payload, rsv=bits), f"{NAMES[kind]} of {len(payload)} bytes with RSV bits {bits:03b}")
              for kind, payload in ((PING, b""), (PING, b"x"), (PONG, b""), (PONG, b"x"), (CLOSE, b""),
                                    (CLOSE, b"\x03\xe8"), (TEXT, b"\x00"), (BINARY, b"\x00"))
              for bits in range(1, 8)
              if bits != RSV1 or kind >= CLOSE]
    for i, (kind, sent, title) in enumerate(frames, 1):
        add(f"21.9.{i}", title, fails_agreed, sent)
        if kind >= CLOSE:
            add(f"21.9.{i + 100}", title + ", within a compressed message", fails_agreed,
                rsv1(TEXT, b"\xf2\x48", fin=False), sent)


add_reserved_bits()

for i, bits in enumerate((RSV1, RSV2, RSV3, 7), 1):
    for part, (title, first) in enumerate((("a compressed message", rsv1(TEXT, b"\xf2\x48\xcd", fin=False)),
                                           ("an uncompressed message", frame(TEXT, b"a", fin=False)),
                                           ("nothing", b""))):
        add(f"21.9.{200 + part * 10 + i}", f"RSV bits {bits:03b} on a continuation of {title}", fails_agreed, first,
            frame(CONT, b"\xc9\xc9\x07\x00", rsv=bits))
add("21.9.231", "RSV1 on a middle fragment", fails_agreed, rsv1(TEXT, b"\xf2\x48", fin=False),
    frame(CONT, b"\xcd", fin=False), rsv1(CONT, b"\xc9", fin=False))
add("21.9.232", "a compressed message within another", fails_agreed, rsv1(TEXT, b"\xf2\x48", fin=False),
    rsv1(TEXT, b"\x00"))
add("21.9.233", "a compressed frame without a mask", fails_agreed, rsv1(TEXT, b"\x00", mask=None))
add("21.9.234", "a compressed frame whose length is not in its shortest form", fails_agreed,
    rsv1(TEXT, b"\x00", form=16))


# ---- 21.10: compressed text is UTF-8 ----

INVALID = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"caf\xc3", PROSE + b"\x80", b"\x80" + PROSE,
           b"\xf0\x9f\x8c", b"a" * 70000 + b"\xc3" + b"a" * 70000)
VALID = ("κόσμε 🌍".encode(), b"\0", PROSE, "🌍".encode() * 30000, b"\xf4\x8f\xbf\xbf", b"\xef\xbf\xbd")


def fails_text(t, path, text):
    for size in (None, 1 if len(text) < 1000 else 1000):
        d = Deflated(t, path)
        d.echo(BINARY, text)  # which may be anything
        d.send(TEXT, text, size)
        d.ws.expect_failed(1007)
        t.hang_up()


def echoes_text(t, path, text):
    """Its characters may be divided between blocks and between frames."""
    d = Deflated(t, path)
    for block in (None, 1, 2, 3):
        for size in (None, 1 if len(text) < 1000 else 1000):
            d.ws.send(packed_frames(TEXT, d.pack(text, block if len(text) < 5000 else None), size))
            d.expect(TEXT, text)
    d.expect_goodbye()


for part, path in enumerate(("/deflate", "/takeover")):
    for i, text in enumerate(INVALID, 1):
        add(f"21.10.{part * 20 + i}", f"{path}: text that is not UTF-8: {text[:16]!r}", fails_text, path, text)
    for i, text in enumerate(VALID, 11):
        add(f"21.10.{part * 20 + i}", f"{path}: text that is UTF-8: {text[:16]!r}", echoes_text, path, text)


@case("21.10.41", "uncompressed text fails at its first impossible byte all the same")
def fail_fast(t):
    d = Deflated(t)
    d.ws.send(head(TEXT, 100) + frame(TEXT, b"abc\xff")[6:])
    d.ws.expect_failed(1007)
