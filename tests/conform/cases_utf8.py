"""Section 6: text is UTF-8, and fails at the first impossible byte (RFC 6455 section 8.1, RFC 3629).

The strings are those of Markus Kuhn's UTF-8 decoder stress test, as the
Autobahn test suite has them; Python's own decoder says which are valid, and
where the others become impossible.
"""
from cases_frames import fails
from client import CONT, TEXT, cut, fragments, frame, head, masked
from registry import add, case

GREEK = bytes.fromhex("cebae1bdb9cf83cebcceb5")  # κόσμε
SENTENCE = "Hello-µ@ßöäüàá-UTF-8!!".encode()
BEHIND = b"edited"


def valid(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def possible(data):
    """Whether these bytes may begin a valid text: some end makes it valid."""
    return any(valid(data + n * last) for n in range(4) for last in (b"\x80", b"\xbf"))


def first_impossible(data):
    """Where the byte is that no valid text can have there; None where only the end is wrong."""
    return next((i for i in range(len(data)) if not possible(data[:i + 1])), None)


def sequences(*words):
    return [bytes.fromhex(word) for word in words]


MISSING_LAST = sequences("c0", "e080", "f08080", "f8808080", "fc80808080",
                         "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf")
SURROGATES = sequences("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf")
LOW_AND_HIGH = sequences("edb080", "edbfbf")
NONCHARACTERS = ["efbfbe", "efbfbf"] + [
    f"{lead}{second}bf{last}" for lead in ("f0", "f1", "f2", "f3", "f4") for second in ("8f", "9f", "af", "bf")
    for last in ("be", "bf") if (lead, second) != ("f0", "8f") and (lead != "f4" or second == "8f")]

GROUPS = (  # 6.5 and on
    ("valid sequences", [*(b"hello" + s + b"world" for s in sequences("24", "c2a2", "e282ac", "f0a4ada2")), GREEK]),
    ("all prefixes of a valid text", [GREEK[:i] for i in range(1, len(GREEK) + 1)]),
    ("the first of each length", sequences("00", "c280", "e0a080", "f0908080")),
    ("the first of 5 and 6 bytes", sequences("f888808080", "fc8480808080")),
    ("the last of each length", sequences("7f", "dfbf", "efbfbf", "f48fbfbf")),
    ("the last of 4, 5 and 6 bytes", sequences("f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf")),
    ("other borders", sequences("ed9fbf", "ee8080", "efbfbd", "f48fbfbf", "f4908080")),
    ("unexpected continuation bytes",
     [*sequences("80", "bf"), *(sequences("80bf" * 3)[0][:n] for n in range(2, 7)), bytes(range(0x80, 0xc0))]),
    ("lonely first bytes", [b"".join(bytes([b]) + b" " for b in range(low, high + 1)) for low, high in
                            ((0xc0, 0xdf), (0xe0, 0xef), (0xf0, 0xf7), (0xf8, 0xfb), (0xfc, 0xfd))]),
    ("the last byte missing", MISSING_LAST),
    ("incomplete sequences in a row", [b"".join(MISSING_LAST)]),
    ("impossible bytes", sequences("fe", "ff", "fefeffff")),
    ("overlong ASCII", sequences("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af")),
    ("the longest overlong", sequences("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf")),
    ("overlong NUL", sequences("c080", "e08080", "f0808080", "f880808080", "fc8080808080")),
    ("single surrogates", SURROGATES),
    ("pairs of surrogates", [a + b for a in SURROGATES[:4] for b in LOW_AND_HIGH]),
    ("noncharacters, which are valid", sequences(*NONCHARACTERS)),
    ("specials, which are valid", sequences(*(f"efbf{last:02x}" for last in range(0xb9, 0xc0)))),
)


def echoes_text(t, pieces):
    ws = t.connect()
    ws.send(fragments(TEXT, pieces))
    ws.expect(TEXT, b"".join(pieces))
    ws.expect_goodbye()


def fails_text(t, pieces):
    fails(t, fragments(TEXT, pieces), code=1007)


add("6.1.1", "text of no bytes", echoes_text, [b""])
add("6.1.2", "text of three empty fragments", echoes_text, [b""] * 3)
add("6.1.3", "text of three fragments, only the middle one not empty", echoes_text, [b"", b"middle", b""])
add("6.2.1", "text of several scripts", echoes_text, [SENTENCE])
add("6.2.2", "the same in two fragments", echoes_text, [SENTENCE[:8], SENTENCE[8:]])
add("6.2.3", "the same in fragments of a byte", echoes_text, cut(SENTENCE, 1))
add("6.2.4", "Greek text in fragments of a byte", echoes_text, cut(GREEK, 1))

IMPOSSIBLE = GREEK + bytes.fromhex("eda080") + BEHIND
add("6.3.1", "invalid text", fails_text, [IMPOSSIBLE])
add("6.3.2", "the same in fragments of a byte", fails_text, cut(IMPOSSIBLE, 1))


@case("6.2.5", "text cut at every byte into two and three fragments")
def every_cut(t):
    ws = t.connect()
    text = "aß€🌍z".encode()
    for i in range(len(text) + 1):
        for j in range(i, len(text) + 1):
            ws.send(fragments(TEXT, [text[:i], text[i:j], text[j:]]))
            ws.expect(TEXT, text)
    ws.expect_goodbye()


# ---- 6.4: fail-fast ----

BEYOND = GREEK + bytes.fromhex("f4908080") + BEHIND  # U+110000: impossible from its second byte on


def frames_fail_fast(t, good, bad):
    """The first frame is fine; at the second the connection ends, without waiting for the third."""
    ws = t.connect()
    ws.send(frame(TEXT, good, fin=False))
    ws.expect_silence()
    ws.expect_alive()
    ws.send(frame(CONT, bad, fin=False))
    ws.expect_failed(1007)


def chops_fail_fast(t, text, good, bad):
    """The same within one frame."""
    ws = t.connect()
    announced, payload = head(TEXT, len(text)), masked(text)
    ws.send(announced, payload[:good])
    ws.expect_silence()
    ws.send(payload[good:bad])
    ws.expect_failed(1007)


add("6.4.1", "a frame that makes the text invalid, before the last", frames_fail_fast, GREEK, bytes.fromhex("f4908080"))
add("6.4.2", "a frame of the one byte that does", frames_fail_fast, BEYOND[:12], BEYOND[12:13])
add("6.4.3", "a part of a frame that makes the text invalid, before its end", chops_fail_fast, BEYOND, 11, 15)
add("6.4.4", "the one byte that does, before the frame's end", chops_fail_fast, BEYOND, 12, 13)


def fails_in_frame(t, data):
    """At the first impossible byte: the frame would go on for 1000 bytes, and so would the message."""
    ws = t.connect()
    sent = b"text " * 30 + data[:first_impossible(data) + 1]
    ws.send(head(TEXT, len(sent) + 1000, fin=False), masked(sent))
    ws.expect_failed(1007)


def fails_in_fragment(t, data):
    """The bytes of a sequence come in a frame each."""
    ws = t.connect()
    at = first_impossible(data)
    ws.send(*(frame(CONT if i else TEXT, data[i:i + 1], fin=False) for i in range(at)))
    if at:
        ws.expect_alive()
    ws.send(frame(CONT if at else TEXT, data[at:at + 1], fin=False))
    ws.expect_failed(1007)


for group, (title, texts) in enumerate(GROUPS, 5):
    for i, text in enumerate(texts, 1):
        shown = text[:16].hex() + ("…" if len(text) > 16 else "")
        add(f"6.{group}.{i}", f"{title}: {shown}", echoes_text if valid(text) else fails_text, [text])
        add(f"6.{group + 20}.{i}", f"{title}, a byte a frame: {shown}", echoes_text if valid(text) else fails_text,
            cut(text, 1))
        if first_impossible(text) is not None:
            add(f"6.{group + 40}.{i}", f"{title}, fail-fast within a frame: {shown}", fails_in_frame, text)
            add(f"6.{group + 60}.{i}", f"{title}, fail-fast by frames: {shown}", fails_in_fragment, text)


# ---- 6.90: in bulk ----

@case("6.90.1", "a text of all characters", quick=("whole", "random"))
def all_characters(t):
    text = "".join(chr(c) for c in range(0x110000) if not 0xd800 <= c <= 0xdfff).encode()
    ws = t.connect()
    ws.send(frame(TEXT, text))
    ws.expect(TEXT, text)
    ws.send(fragments(TEXT, cut(text, 65521)))
    ws.expect(TEXT, text)
    ws.expect_goodbye()


SECOND_BYTES = bytes.fromhex("007f808f909fa0bfc0ff")  # on both sides of all borders


def pairs_of_bytes(t, first_bytes):
    """A fragment of two bytes: those that may begin a text are waited for, the others fail at once."""
    for first in first_bytes:
        for second in SECOND_BYTES:
            pair = bytes([first, second])
            ws = t.connect()
            ws.send(frame(TEXT, pair, fin=False))
            if possible(pair):
                ws.expect_alive()
            else:
                ws.expect_failed(1007)
            t.hang_up()


for i, low in enumerate(range(0, 256, 64), 1):
    add(f"6.91.{i}", f"all pairs of a byte from {low:02x} to {low + 63:02x} and one from a border", pairs_of_bytes,
        range(low, low + 64), quick=("whole",))


def invalid_at(t, size, places):
    """A bad byte anywhere in a long text, which comes whole: no place is overlooked."""
    for place in places:
        ws = t.connect()
        text = bytearray(b"x" * size)
        text[place] = 0xff
        ws.send(frame(TEXT, bytes(text)))
        ws.expect_failed(1007)
        t.hang_up()


add("6.92.1", "a bad byte at each place of a text of 130 bytes", invalid_at, 130, range(130), quick=("whole",))
add("6.92.2", "a bad byte at places of a text of 65536 bytes", invalid_at, 65536, (0, 1, 32767, 65535),
    quick=("whole", "random"))
