"""Section 5: fragmentation, legal and not (RFC 6455 section 5.4)."""
import itertools

from cases_frames import fails, pongs
from client import BINARY, CONT, PING, PONG, TEXT, cut, fragments, frame
from registry import add, case

FIRST, SECOND = b"fragment1", b"fragment2"
BOTH = FIRST + SECOND
TEXT_1 = frame(TEXT, FIRST, fin=False)
REST = frame(CONT, SECOND)
A_PING = frame(PING, b"ping")


def echoes_fragments(t, how, sent, pings=0, opcode=TEXT, message=BOTH):
    """The pings within are answered before the message is."""
    ws = t.connect()
    getattr(ws, how)(*sent)
    for _ in range(pings):
        ws.expect(PONG, b"ping")
    ws.expect(opcode, message)
    ws.expect_goodbye()


def fails_after_ping(t, how, *sent):
    """The frames before the first bad one were fine."""
    ws = t.connect()
    getattr(ws, how)(A_PING, *sent)
    ws.expect(PONG, b"ping")
    ws.expect_failed(1002)


add("5.1", "a ping in two fragments", fails, frame(PING, FIRST, fin=False), REST)
add("5.2", "a pong in two fragments", fails, frame(PONG, FIRST, fin=False), REST)
add("5.3", "text in two fragments", echoes_fragments, "send", [TEXT_1, REST])
add("5.4", "text in two fragments, a frame a write", echoes_fragments, "send_each", [TEXT_1, REST])
add("5.6", "text in two fragments with a ping in between", echoes_fragments, "send", [TEXT_1, A_PING, REST], 1)
add("5.7", "the same, a frame a write", echoes_fragments, "send_each", [TEXT_1, A_PING, REST], 1)
add("5.9", "a last continuation of nothing, then text", fails_after_ping, "send",
    frame(CONT, b"nothing"), frame(TEXT, b"text"))
add("5.10", "the same, a frame a write", fails_after_ping, "send_each", frame(CONT, b"nothing"), frame(TEXT, b"text"))
add("5.12", "a continuation of nothing, then text", fails_after_ping, "send",
    frame(CONT, b"nothing", fin=False), frame(TEXT, b"text"))
add("5.13", "the same, a frame a write", fails_after_ping, "send_each",
    frame(CONT, b"nothing", fin=False), frame(TEXT, b"text"))
add("5.18", "text in two frames that both say text", fails, TEXT_1, frame(TEXT, SECOND))


def echoes_in_bytes(t, sent, pings):
    ws = t.connect()
    ws.send_cut(b"".join(sent), 1)
    for _ in range(pings):
        ws.expect(PONG, b"ping")
    ws.expect(TEXT, BOTH)
    ws.expect_goodbye()


def fails_in_bytes(t, *sent):
    ws = t.connect()
    ws.send_cut(b"".join(sent), 1)
    ws.expect_failed(1002)


add("5.5", "text in two fragments, a byte a write", echoes_in_bytes, [TEXT_1, REST], 0)
add("5.8", "text in two fragments with a ping, a byte a write", echoes_in_bytes, [TEXT_1, A_PING, REST], 1)
add("5.11", "a last continuation of nothing, a byte a write", fails_in_bytes,
    frame(CONT, b"nothing"), frame(TEXT, b"text"))
add("5.14", "a continuation of nothing, a byte a write", fails_in_bytes,
    frame(CONT, b"nothing", fin=False), frame(TEXT, b"text"))


@case("5.15", "text in two fragments, then a continuation of nothing, then text")
def message_then_continuation(t):
    ws = t.connect()
    ws.send(TEXT_1, REST, frame(CONT, b"fragment3", fin=False), frame(TEXT, b"fragment4"))
    ws.expect(TEXT, BOTH)
    ws.expect_failed(1002)


add("5.16", "twice: a continuation of nothing, then text in two fragments", fails,
    *[frame(CONT, FIRST, fin=False), frame(TEXT, b"fragment2", fin=False), frame(CONT, b"fragment3")] * 2)
add("5.17", "twice: a last continuation of nothing, then text in two fragments", fails,
    *[frame(CONT, FIRST), frame(TEXT, b"fragment2", fin=False), frame(CONT, b"fragment3")] * 2)


def five_fragments(t, how):
    """Pings within are answered at once, not when the message is whole."""
    pieces = [b"fragment%d" % i for i in range(1, 6)]
    frames = [frame(CONT if i else TEXT, p, fin=i == 4) for i, p in enumerate(pieces)]
    send = getattr(ws := t.connect(), how)
    send(frames[0], frames[1], frame(PING, b"one"))
    ws.expect(PONG, b"one")
    ws.expect_silence()
    send(frames[2], frames[3], frame(PING, b"two"), frames[4])
    ws.expect(PONG, b"two")
    ws.expect(TEXT, b"".join(pieces))
    ws.expect_goodbye()


add("5.19", "text in five fragments with pings, and a pause", five_fragments, "send")
add("5.20", "the same, a frame a write", five_fragments, "send_each")


# ---- every sequence of frames ----

SYMBOLS = {"T": (TEXT, True), "t": (TEXT, False), "B": (BINARY, True), "b": (BINARY, False),
           "C": (CONT, True), "c": (CONT, False), "P": (PING, True)}


def answers_to(sequence):
    """What a server has to answer, whether it fails then, and whether a message is left unfinished."""
    answers, kind, message = [], None, b""
    for i, symbol in enumerate(sequence):
        opcode, fin = SYMBOLS[symbol]
        payload = b"<%d>" % i
        if opcode == PING:
            answers.append((PONG, payload))
            continue
        if (opcode == CONT) != (kind is not None):
            return answers, True, False
        kind = kind or opcode
        message += payload
        if fin:
            answers.append((kind, message))
            kind, message = None, b""
    return answers, False, kind is not None


def one_sequence(t, sequence):
    answers, failed, unfinished = answers_to(sequence)
    ws = t.connect()
    ws.send(*(frame(SYMBOLS[s][0], b"<%d>" % i, fin=SYMBOLS[s][1]) for i, s in enumerate(sequence)))
    for opcode, payload in answers:
        ws.expect(opcode, payload)
    if failed:
        ws.expect_failed(1002)
        return
    if unfinished:
        ws.expect_alive()
    ws.expect_goodbye()


def all_sequences(t, length, first=""):
    for sequence in itertools.product(SYMBOLS, repeat=length - len(first)):
        one_sequence(t, first + "".join(sequence))
        t.hang_up()


for n in (1, 2, 3):
    add(f"5.21.{n}", f"all sequences of {n} from whole, first, middle and last frames and pings", all_sequences, n)
for n, symbol in enumerate(SYMBOLS, 1):
    add(f"5.22.{n}", f"the same of 4, those that begin with {symbol}", all_sequences, 4, symbol, quick=())


# ---- every place to cut at ----

SENTENCE = "Grüße, κόσμε 🌍!".encode()


def cut_in_two(t, opcode, between, answer):
    """At every byte, with something in between."""
    ws = t.connect()
    for i in range(len(SENTENCE) + 1):
        ws.send(fragments(opcode, [SENTENCE[:i], SENTENCE[i:]], between=between))
        for pong in answer:
            ws.expect(PONG, pong)
        ws.expect(opcode, SENTENCE)
    ws.expect_goodbye()


for n, (title, between, answer) in enumerate((
        ("nothing", b"", []),
        ("a ping", frame(PING, b"p"), [b"p"]),
        ("a ping of 125 bytes", frame(PING, b"p" * 125), [b"p" * 125]),
        ("a pong", frame(PONG, b"p"), []),
        ("an empty fragment", frame(CONT, fin=False), []),
        ("three pings and a pong", (frame(PING) * 3 + frame(PONG)), [b""] * 3)), 1):
    add(f"5.23.{n}", f"text cut in two at every byte, {title} in between", cut_in_two, TEXT, between, answer)
    add(f"5.24.{n}", f"binary cut in two at every byte, {title} in between", cut_in_two, BINARY, between, answer)


@case("5.25", "text in frames of 1, 2, 3, … bytes, a ping of the same size in each gap")
def pings_in_all_gaps(t):
    ws = t.connect()
    for size in range(1, len(SENTENCE) + 1):
        pieces = cut(SENTENCE, size)
        ws.send(fragments(TEXT, pieces, between=frame(PING, b"." * size)))
        for _ in pieces[1:]:
            ws.expect(PONG, b"." * size)
        ws.expect(TEXT, SENTENCE)
    ws.expect_goodbye()


@case("5.26", "a thousand empty fragments, then one of a byte")
def empty_fragments(t):
    ws = t.connect()
    ws.send(fragments(BINARY, [b""] * 1000 + [b"!"]))
    ws.expect(BINARY, b"!")
    ws.expect_goodbye()


@case("5.28", "pings and pongs of all sizes from 0 to 125 between the fragments")
def all_pings_between(t):
    ws = t.connect()
    pieces = [b"%d" % n for n in range(127)]
    sent = [frame(TEXT, pieces[0], fin=False)]
    for n in range(126):
        sent += [frame(PING, bytes(range(n))), frame(PONG, bytes(range(n))), frame(CONT, pieces[n + 1], fin=n == 125)]
    ws.send(*sent)
    for n in range(126):
        ws.expect(PONG, bytes(range(n)))
    ws.expect(TEXT, b"".join(pieces))
    ws.expect_goodbye()


for n, (title, opcode, size) in enumerate((("a ping", PING, 126), ("a pong", PONG, 126), ("a ping", PING, 65536)), 29):
    add(f"5.{n}", f"{title} of {size} bytes between two fragments fails", fails_after_ping, "send", TEXT_1,
        frame(opcode, bytes(size)), REST)

add("5.27", "pings without a message in between are no fragments", pongs, b"a", b"b")
