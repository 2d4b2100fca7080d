"""A WebSocket client that sees frames, for the conformance suite.

It stands on a bare socket and shares no code with the daemon, nor with the
client of tests/daemon. frame() can say all that RFC 6455 section 5.2 allows
and all that it forbids. A Client writes what it is given whole, byte by byte
or in random pieces, and judges what comes back: every frame of the server has
to be unmasked, whole, and of a length that is written in the shortest form.

What is not as expected raises a Mismatch, which says both.
"""
import base64
import hashlib
import select
import socket
import struct
import time
from typing import NamedTuple

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
RSV1, RSV2, RSV3 = 4, 2, 1
NAMES = {CONT: "continuation", TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}

MASK = b"\x37\xfa\x21\x3d"  # the RFC's example
DEADLINE = 20.0             # seconds that anything may take on a busy machine
BYTEWISE_MAX = 65536 + 14   # what is longer is written in random pieces, not byte by byte
SHOWN = 24                  # bytes of a payload in a report

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Mismatch(Exception):
    """The server did something else than it should."""

    def __init__(self, expected, got):
        super().__init__(f"expected {expected}, got {got}")


# ---- what is sent ----

def head(opcode, length, fin=True, rsv=0, mask=MASK, form=None):
    """A frame's header. mask=None: unmasked. form: 7, 16 or 64 bits for the length; the shortest by default."""
    form = form or (7 if length < 126 else 16 if length < 65536 else 64)
    bit = 0 if mask is None else 0x80
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if form == 7:
        size = bytes([bit | length])
    elif form == 16:
        size = bytes([bit | 126]) + struct.pack(">H", length)
    else:
        size = bytes([bit | 127]) + struct.pack(">Q", length)
    return first + size + (mask or b"")


def masked(payload, mask=MASK):
    """The payload as it goes over the wire (section 5.3)."""
    key = (mask * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")


def frame(opcode, payload=b"", fin=True, rsv=0, mask=MASK, form=None):
    """A client's frame, right or wrong."""
    return head(opcode, len(payload), fin, rsv, mask, form) + (payload if mask is None else masked(payload, mask))


def fragments(opcode, pieces, rsv=0, between=b""):
    """A message as one frame for each piece; BETWEEN are frames that go in between."""
    last = len(pieces) - 1
    return between.join(frame(CONT if i else opcode, piece, fin=i == last, rsv=0 if i else rsv)
                        for i, piece in enumerate(pieces))


def cut(payload, size):
    """Pieces of SIZE bytes; one, perhaps empty, at least."""
    return [payload[i:i + size] for i in range(0, len(payload), size)] or [b""]


def close_frame(code=None, reason=b"", **how):
    return frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason, **how)


# ---- ways of writing it ----

def whole(data, _rng):
    yield data


def bytewise(data, rng):
    if len(data) > BYTEWISE_MAX:
        return at_random(data, rng)
    return (data[i:i + 1] for i in range(len(data)))


def at_random(data, rng):
    """Pieces of all magnitudes, more of the small ones where there is little to send."""
    most = (16, 1500, 65536) if len(data) > 4096 else (3, 16, 1500)
    while data:
        n = rng.randint(1, rng.choice(most))
        yield data[:n]
        data = data[n:]


WRITES = {"whole": whole, "bytes": bytewise, "random": at_random}


# ---- what comes back ----

class Frame(NamedTuple):
    """A frame of the server; it is the message's only one."""
    opcode: int
    payload: bytes
    rsv: int = 0

    def __str__(self):
        flags = f" with RSV bits {self.rsv:03b}" if self.rsv else ""
        if self.opcode == CLOSE and len(self.payload) >= 2:
            return f"close {self.code}{flags} {self.payload[2:]!r}"
        shown = repr(self.payload[:SHOWN]) + ("…" if len(self.payload) > SHOWN else "")
        return f"{NAMES[self.opcode]}{flags} {shown} ({len(self.payload)} bytes)"

    @property
    def code(self):
        return struct.unpack(">H", self.payload[:2])[0] if self.payload else None


class End:
    """The server ended its side in good order."""

    def __str__(self):
        return "the end of the connection"


class Client:
    """One connection. It is open when the constructor returns, or was answered with STATUS."""

    def __init__(self, port, rng, writes="whole", path="/", fields=(), status=101, first=b"", request="whole"):
        """FIELDS: further lines of the request, written as REQUEST says. FIRST: bytes that follow it directly."""
        self.rng = rng
        self.pieces = WRITES[writes]
        self.buffer = bytearray()
        self.sock = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}", *fields]
        head_and_first = "".join(line + "\r\n" for line in lines).encode() + b"\r\n" + first
        for piece in WRITES[request](head_and_first, rng):
            self._write(piece)
        self.fields = self._read_response(status)

    # -- writing --

    def send(self, *frames):
        """Writes the frames, one after another, in this connection's way of writing."""
        for piece in self.pieces(memoryview(b"".join(frames)), self.rng):
            self._write(piece)

    def send_each(self, *frames):
        """One frame a write, at least."""
        for one in frames:
            self.send(one)

    def send_cut(self, data, size):
        """SIZE bytes a write, whatever the way of writing."""
        for piece in cut(memoryview(data), size):
            self._write(piece)

    def half_close(self):
        """Nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def _write(self, piece):
        while piece:
            try:
                piece = piece[self.sock.send(piece):]
            except BlockingIOError:
                self._read_while_full()
            except (BrokenPipeError, ConnectionResetError):
                raise Mismatch("to be read to the end", "a reset while writing") from None

    def _read_while_full(self):
        """The server may wait for us to read its answers before it reads on."""
        readable, writable, _ = select.select([self.sock], [self.sock], [], DEADLINE)
        if not readable and not writable:
            raise Mismatch("to be read", f"a server that read nothing for {DEADLINE:.0f} s")
        if readable and not self._read(0) and not writable:
            time.sleep(0.001)  # at the end already: only the writing is left to wait for

    # -- reading --

    def _read(self, patience=DEADLINE):
        """Reads what is there; False at the end, TimeoutError when nothing comes for so long."""
        if not select.select([self.sock], [], [], patience)[0]:
            raise TimeoutError
        try:
            data = self.sock.recv(1 << 20)
        except ConnectionResetError:
            raise Mismatch("the connection to end in good order", "a reset") from None
        self.buffer += data
        return bool(data)

    def _need(self, n):
        while len(self.buffer) < n:
            try:
                if not self._read():
                    return False
            except TimeoutError:
                raise Mismatch("an answer", f"nothing for {DEADLINE:.0f} s") from None
        return True

    def _take(self, n):
        if not self._need(n):
            raise Mismatch(f"{n} bytes of a frame", f"the end after {bytes(self.buffer[:SHOWN])!r}")
        data = bytes(memoryview(self.buffer)[:n])
        del self.buffer[:n]
        return data

    def _read_response(self, status):
        while b"\r\n\r\n" not in self.buffer:
            if not self._need(len(self.buffer) + 1):
                raise Mismatch("a response head", bytes(self.buffer))
        lines = self._take(self.buffer.index(b"\r\n\r\n") + 4).decode("latin-1").split("\r\n")
        fields = {}
        for name, value in (line.split(":", 1) for line in lines[1:-2]):
            name = name.lower()
            fields[name] = fields[name] + ", " + value.strip() if name in fields else value.strip()
        if not lines[0].startswith(f"HTTP/1.1 {status} "):
            raise Mismatch(f"HTTP status {status}", lines[0])
        accept = base64.b64encode(hashlib.sha1((KEY + GUID).encode()).digest()).decode()
        if status == 101 and fields.get("sec-websocket-accept") != accept:
            raise Mismatch(f"Sec-WebSocket-Accept: {accept}", fields)
        return fields

    def receive(self):
        """The next Frame, or End."""
        if not self._need(1):
            return End()
        first, second = self._take(2)
        opcode, rsv, size = first & 15, first >> 4 & 7, second & 0x7f
        if second & 0x80 or not first & 0x80 or opcode not in (TEXT, BINARY, CLOSE, PING, PONG):
            raise Mismatch("an unmasked, unfragmented frame", f"one that begins {first:02x} {second:02x}")
        least = 0
        if size == 126:
            size, least = struct.unpack(">H", self._take(2))[0], 126
        elif size == 127:
            size, least = struct.unpack(">Q", self._take(8))[0], 65536
        if size < least or (opcode >= CLOSE and size > 125):
            raise Mismatch("a length in its shortest form", f"{size} in the form for {least} and more")
        return Frame(opcode, self._take(size), rsv)

    # -- judging --

    def expect(self, opcode, payload=b""):
        """The next frame is this one, uncompressed."""
        got, wanted = self.receive(), Frame(opcode, payload)
        if got != wanted:
            raise Mismatch(wanted, got)

    def expect_end(self):
        """Nothing more comes: the server has half-closed, and not reset."""
        got = self.receive()
        if not isinstance(got, End):
            raise Mismatch(End(), got)

    def expect_closed(self, code):
        """A close frame with this code, or none where it is None, with a valid reason; then the end."""
        got = self.receive()
        if not isinstance(got, Frame) or got.opcode != CLOSE or got.rsv or len(got.payload) == 1 or got.code != code:
            raise Mismatch(f"close {code or 'without a code'}", got)
        try:
            reason = got.payload[2:].decode()
        except UnicodeDecodeError:
            raise Mismatch("a reason that is UTF-8", got) from None
        self.expect_end()
        return reason

    def expect_failed(self, code):
        """The server closes for what we did wrong, and says why."""
        if not self.expect_closed(code):
            raise Mismatch(f"close {code} with a reason", "none")

    def expect_alive(self):
        """All that was sent is read and judged, and the connection stands: a ping comes back."""
        self.send(frame(PING, b"alive?"))
        self.expect(PONG, b"alive?")

    def expect_silence(self, seconds=0.1):
        """Nothing comes for so long."""
        try:
            if not self.buffer:
                self._read(seconds)
        except TimeoutError:
            return
        raise Mismatch(f"nothing for {seconds} s", self.receive())

    def expect_goodbye(self):
        """We close the connection, and it ends as it should."""
        self.send(close_frame(1000))
        self.expect_closed(1000)

    def close(self):
        self.sock.close()
