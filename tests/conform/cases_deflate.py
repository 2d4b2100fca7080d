"""Sections 12 and 13: compressed messages of all sizes, after all agreements (RFC 7692)."""
import functools
import itertools
import random

from client import BINARY, TEXT, Mismatch
from deflate import BITS_C, BITS_S, NO_CONTEXT_C, NO_CONTEXT_S, Agreement, Deflated, packed_frames
from registry import ALL_WRITES, add

# ---- 12: kinds of content ----

CONTENT_SIZE = 300_000
WORDS = ("Habe nun ach Philosophie Juristerei und Medizin und leider auch Theologie durchaus studiert mit heißem "
         "Bemühn Da steh ich nun ich armer Tor und bin so klug als wie zuvor").split()


def prose(rng):
    return " ".join(rng.choice(WORDS) for _ in range(CONTENT_SIZE // 4)).encode()


def picture(rng):
    """Grey levels that change slowly, with some noise."""
    level, pixels = 128, bytearray()
    for _ in range(CONTENT_SIZE):
        level = (level + rng.choice((-1, 0, 0, 0, 1))) % 256
        pixels.append(level)
    return bytes(pixels)


def noise(rng):
    return rng.randbytes(CONTENT_SIZE)


def json_text(rng):
    return b",".join(b'{"id": %d, "name": "%s", "active": %s}' % (i, rng.choice(WORDS).encode("ascii", "replace"),
                                                                rng.choice((b"true", b"false")))
                     for i in range(CONTENT_SIZE // 40))


def html(rng):
    return b"".join(b'<tr class="row"><td>%d</td><td><a href="/x/%d">x</a></td></tr>\n' % (i, rng.randrange(10000))
                    for i in range(CONTENT_SIZE // 60))


KINDS = (("prose", TEXT, prose), ("a picture", BINARY, picture), ("noise", BINARY, noise),
         ("JSON", TEXT, json_text), ("HTML", TEXT, html))


@functools.lru_cache(maxsize=None)
def content(make):
    return make(random.Random(12)) * 2


def as_text(piece):
    """The piece without what is cut of a character at its ends; of the same size."""
    return piece.decode(errors="ignore").encode().ljust(len(piece), b".")


def pieces_of(opcode, make, size, count):
    """COUNT messages from all over the content."""
    whole = content(make)
    pieces = [whole[start:start + size] for start in (i * 7919 % (len(whole) // 2) for i in range(count))]
    return [as_text(piece) for piece in pieces] if opcode == TEXT else pieces


SIZES = [(n, None) for n in (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)] + [
    (8192, 256), (16384, 256), (32768, 256), (65536, 256),
    (131072, 256), (131072, 1024), (131072, 4096), (131072, 32768)]
DISTINCT = 8  # messages that are compressed once and sent again and again


def many_messages(t, opcode, make, size, piece):
    """1000 messages, some at a time on their way."""
    d = Deflated(t)
    messages = pieces_of(opcode, make, size, DISTINCT)
    packed = [packed_frames(opcode, d.pack(m), piece) for m in messages]
    for done in range(0, t.count(1000, 24, size), DISTINCT):
        some = min(DISTINCT, t.count(1000, 24, size) - done)
        d.ws.send(*packed[:some])
        for message in messages[:some]:
            d.expect(opcode, message)
    d.expect_goodbye()


def many_with_context(t, opcode, make, size, piece):
    """Each refers to those before it."""
    d = Deflated(t, "/takeover")
    for message in pieces_of(opcode, make, size, t.count(200, 24, size)):
        d.echo(opcode, message, piece)
    d.expect_goodbye()


for part, (name, opcode, make) in enumerate(KINDS, 1):
    for i, (size, piece) in enumerate(SIZES, 1):
        title = f"{name}: messages of {size} bytes" + (f" in fragments of {piece}" if piece else "")
        ways = ALL_WRITES if size <= 1024 else (ALL_WRITES[(i + part) % len(ALL_WRITES)],)
        add(f"12.{part}.{i}", title, many_messages, opcode, make, size, piece, quick=ways)
        add(f"12.{part + 5}.{i}", title + ", with context", many_with_context, opcode, make, size, piece, quick=ways)


# ---- 13: all combinations of the parameters ----

ABSENT, WITHOUT_VALUE = "absent", "without value"
ALL_BITS = tuple(range(8, 16))


def digits(n):
    """Random hexadecimal digits: they compress by half, and repeat nothing by chance that is long."""
    return random.Random(n).randbytes(n // 2).hex().encode()


# The last one repeats itself at a distance that only a window of 2^15 reaches.
MESSAGES = (b"Hello", b"", b"to be or not to be " * 40, digits(1000), digits(1000), digits(17000) * 2)


def offer_of(server_no_context, client_no_context, server_bits, client_bits):
    parameters = [NO_CONTEXT_S] * server_no_context + [NO_CONTEXT_C] * client_no_context
    if server_bits != ABSENT:
        parameters.append(f"{BITS_S}={server_bits}")
    if client_bits != ABSENT:
        parameters.append(BITS_C if client_bits == WITHOUT_VALUE else f"{BITS_C}={client_bits}")
    return "; ".join(["permessage-deflate", *parameters])


def combination(t, path, server_no_context, client_no_context, server_bits, client_bits):
    """The answer is as documented, and what comes then is as the answer says."""
    d = Deflated(t, path, offer_of(server_no_context, client_no_context, server_bits, client_bits))
    wanted = Agreement(True, client_no_context or path == "/deflate",
                       server_bits if server_bits in ALL_BITS else None, client_bits if client_bits in ALL_BITS else None)
    if d.agreed != wanted:
        raise Mismatch(wanted, d.agreed)
    for message in MESSAGES:
        d.echo(TEXT, message)
    d.expect_goodbye()


def add_combinations():
    ways = itertools.product(("/deflate", "/takeover"), (False, True), (False, True))
    for part, (path, server_no_context, client_no_context) in enumerate(ways, 1):
        bits = itertools.product((ABSENT, *ALL_BITS), (ABSENT, WITHOUT_VALUE, *ALL_BITS))
        for i, (server_bits, client_bits) in enumerate(bits, 1):
            parameters = (server_no_context, client_no_context, server_bits, client_bits)
            add(f"13.{part}.{i}", f"{path}: {offer_of(*parameters)}", combination, path, *parameters,
                quick=("random",))


add_combinations()
