"""Section 23: conversations made at random, right and wrong frames, judged by a model of a server (RFC 6455, RFC 7692).

The model is written from the RFCs: it takes the frames as they are sent and
says what a server that echoes has to answer, in order, and how it has to end.
"""
import random
import struct
import zlib

from cases_deflated import PROSE
from cases_strict import is_text
from cases_utf8 import possible
from client import BINARY, CLOSE, CONT, PING, PONG, RSV1, TEXT, close_frame, cut, frame, head
from deflate import BITS_C, BITS_S, LAST_BLOCK, NO_CONTEXT_C, TAIL, Deflated
from registry import add

LIMIT = 16 << 20         # max_frame and max_message
TOO_LONG = 32 << 20      # also of what is compressed, which may become longer than it was
END = object()           # a Verdict that is no code: the client has closed, without one


class Model:
    """What a server answers to frames, given as (first byte, masked, length, its shortest form, payload)."""

    def __init__(self, deflated, takeover):
        self.deflated, self.takeover = deflated, takeover
        self.inflater = None
        self.kind, self.compressed, self.message = None, False, b""
        self.answers = []    # (opcode, payload)
        self.verdict = None  # a close code, END, or None while the connection stands
        self.failed = False

    def fail(self, code):
        self.verdict, self.failed = code, True

    def take(self, first, masked, length, shortest, payload):
        opcode, fin, rsv = first & 15, bool(first & 0x80), first >> 4 & 7
        if (opcode not in (CONT, TEXT, BINARY, CLOSE, PING, PONG) or (opcode >= CLOSE and not fin)
                or rsv & 3 or (rsv and not (self.deflated and opcode in (TEXT, BINARY)))
                or (opcode == CONT) == (self.kind is None) and opcode < CLOSE
                or not masked or (opcode >= CLOSE and length > 125) or (opcode == CLOSE and length == 1)
                or not shortest):
            self.fail(1002)
        elif opcode >= CLOSE:
            self.control(opcode, payload)
        elif length + len(self.message) > LIMIT:
            self.fail(1009)
        else:
            self.data(opcode, fin, bool(rsv), payload)

    def control(self, opcode, payload):
        if opcode == PING:
            self.answers.append((PONG, payload))
        if opcode != CLOSE:
            return
        code = struct.unpack(">H", payload[:2])[0] if payload else None
        if code is None:
            self.verdict = END
        elif not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
            self.fail(1002)
        elif not is_text(payload[2:]):
            self.fail(1007)
        else:
            self.verdict = code

    def data(self, opcode, fin, compressed, payload):
        if opcode != CONT:
            self.kind, self.compressed, self.message = opcode, compressed, b""
        self.message += payload
        if self.kind == TEXT and not self.compressed and not possible(self.message):
            self.fail(1007)
        elif fin:
            message = self.inflate() if self.compressed else self.message
            if message is None or (self.kind == TEXT and not is_text(message)):
                self.fail(1007)
                return
            self.answers.append((self.kind, message))
            self.kind, self.message = None, b""

    def inflate(self):
        """The message, or None. ValueError: a block says that it is the last, which zlib here does not go on from."""
        if self.inflater is None or not self.takeover:
            self.inflater = zlib.decompressobj(-15)
        try:
            message = self.inflater.decompress((self.message or b"\0") + TAIL)
            if self.inflater.eof:
                raise ValueError
            rest = self.inflater.copy()
            rest.decompress(LAST_BLOCK)
        except zlib.error:
            return None
        return message if rest.eof and not rest.unused_data else None


class Talk:
    """Makes the frames of a conversation, each of which the model has judged."""

    def __init__(self, rng, model, pack, faults):
        self.rng, self.model, self.pack, self.faults = rng, model, pack, faults
        self.sent = []

    def chance(self, percent):
        return self.rng.randrange(100) < percent

    def wrong(self):
        return self.chance(self.faults)

    def add(self, opcode, payload=b"", fin=True, rsv=0):
        """A frame, with something wrong in its header now and then."""
        rng, mask, form, length = self.rng, self.rng.randbytes(4), None, len(payload)
        if self.model.verdict is not None:
            return  # what comes behind the end is judged no more
        if self.wrong():
            what = rng.randrange(7)
            rsv = rng.randrange(8) if what == 0 else rsv
            opcode = rng.randrange(16) if what == 1 else opcode
            fin = fin != (what == 2)
            mask = None if what == 3 else mask
            form = (16 if length < 126 else 64) if what == 4 else None
            length = rng.choice((TOO_LONG, 1 << 32, (1 << 63) - 1)) if what == 5 else length
            payload = payload + rng.randbytes(rng.randint(1, 130)) if what == 6 else payload
            length = len(payload) if what == 6 else length
        if length > len(payload):  # a header alone: it has to be judged by that
            self.sent.append(head(opcode, length, fin, rsv, mask))
        else:
            self.sent.append(frame(opcode, payload, fin, rsv, mask, form))
        self.model.take(self.sent[-1][0], mask is not None, length, form is None, payload)

    def control(self):
        rng = self.rng
        kind = rng.choice((PING, PONG))
        self.add(kind, rng.randbytes(rng.choice((0, 1, 5, 124, 125))))

    def content(self, kind):
        """Prose; text with something that is not UTF-8 in it now and then."""
        rng = self.rng
        begin = rng.randrange(len(PROSE))
        data = PROSE[begin:begin + rng.choice((0, 1, 10, 125, 126, 200, 700))]
        data = data.decode(errors="ignore").encode() if kind == TEXT else data
        half = len(data) // 2
        bad = rng.choice((b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90")) if self.wrong() else b""
        return data[:half] + bad + data[half:]

    def packed(self, data):
        """Compressed in one of many ways; now and then a bit of it is changed, or a byte is a second time there."""
        rng = self.rng
        data = self.pack(data, rng.choice((None, None, 1, 40)), rng.choice((zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH)))
        if not self.wrong():
            return data
        at = rng.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + rng.randrange(2):]

    def message(self):
        """A message in some frames, whole or not, with control frames in between."""
        rng, kind = self.rng, self.rng.choice((TEXT, BINARY))
        data, rsv = self.content(kind), 0
        if self.model.deflated and self.chance(60):
            data, rsv = self.packed(data), RSV1
        pieces = cut(data, rng.choice((1, 7, 60, 126, 1000)) if len(data) < 300 else rng.choice((60, 126, 1000)))
        if self.wrong():
            pieces = pieces[:-1] or [b""]
        last = len(pieces) - 1
        for i, piece in enumerate(pieces):
            if i and self.chance(20):
                self.control()
            if i and self.chance(5):
                self.add(CONT, fin=False)
            self.add(CONT if i else kind, piece, i == last and not self.wrong(), 0 if i else rsv)

    def goodbye(self):
        rng = self.rng
        code = rng.choice((None, 1000, 1001, 1011, 3000, 4999, 1000, 1000))
        if self.wrong():
            code = rng.choice((0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535))
        reason = rng.choice((b"", b"bye", "schöne Grüße".encode(), b"\xff" if self.wrong() else b"x" * 123))
        payload = b"" if code is None else close_frame(code, reason, mask=None)[2:]
        self.add(CLOSE, payload)


def offer(rng, takeover):
    parts = ["permessage-deflate"]
    if takeover and rng.random() < 0.3:
        parts.append(NO_CONTEXT_C)
    if rng.random() < 0.4:
        parts.append(f"{BITS_S}={rng.randint(8, 15)}")
    if rng.random() < 0.4:
        parts.append(BITS_C)
    return "; ".join(parts)


def prepare(seed, agreed, pack, faults):
    """The frames of a conversation and the model that has judged them; None where there is one that it cannot judge."""
    rng = random.Random(seed)
    takeover = agreed is not None and not agreed.client_no_context
    talk = Talk(rng, Model(agreed is not None, takeover), pack, faults)
    try:
        for _ in range(rng.randint(1, 12)):
            talk.control() if talk.chance(25) else talk.message()
        talk.goodbye()
    except ValueError:
        return None
    return talk.sent, talk.model


def conversation(t, seed, path, faults):
    rng = random.Random(f"offer {seed}")
    if path == "/":
        d, ws = None, t.connect(path)
        prepared = prepare(seed, None, None, faults)
    else:
        d = Deflated(t, path, offer(rng, path == "/takeover"))
        ws = d.ws
        prepared = prepare(seed, d.agreed, d.pack, faults)
    if prepared is None:
        return
    sent, model = prepared
    behind = [frame(PING, b"behind"), frame(TEXT, b"behind")] if model.verdict is not None else []
    ws.send(*sent, *behind)
    for opcode, payload in model.answers:
        if d and opcode != PONG:
            d.expect(opcode, payload)
        else:
            ws.expect(opcode, payload)
    if model.verdict is None:  # a message is not ended, and its client not gone
        ws.expect_alive()
    elif model.failed:
        ws.expect_failed(model.verdict)
    else:
        ws.expect_closed(None if model.verdict is END else model.verdict)


def conversations(t, part, path, faults):
    for i in range(t.count(200, 8, 1000)):
        conversation(t, f"{t.seed} {part} {i}", path, faults)
        t.hang_up()


for n, where in enumerate(("/", "/deflate", "/takeover"), 1):
    for k, percent in enumerate((0, 1, 4), 1):
        for j in range(10 * k + 1, 10 * k + 6):
            add(f"23.{n}.{j}", f"{where}: conversations with {percent} % of faults", conversations, f"{n} {j}", where,
                percent, quick=("random",))
