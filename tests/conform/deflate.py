"""permessage-deflate from the client's side (RFC 7692): offers and answers, messages packed and unpacked."""
import zlib
from typing import NamedTuple, Optional

from client import CONT, RSV1, Frame, Mismatch, cut, frame

TAIL = b"\x00\x00\xff\xff"           # what ends a flush, and is not sent (section 7.2.1)
LAST_BLOCK = b"\x01\x00\x00\xff\xff"  # an empty stored block that says it is the last

NO_CONTEXT_S, NO_CONTEXT_C = "server_no_context_takeover", "client_no_context_takeover"
BITS_S, BITS_C = "server_max_window_bits", "client_max_window_bits"


class Agreement(NamedTuple):
    """What an answer says."""
    server_no_context: bool
    client_no_context: bool
    server_bits: Optional[int] = None
    client_bits: Optional[int] = None


def parse_answer(value):
    """The Agreement that Sec-WebSocket-Extensions states, or None without one. Nothing but what may be there."""
    if value is None:
        return None
    name, *parameters = (part.strip() for part in value.split(";"))
    found = dict(p.split("=") if "=" in p else (p, None) for p in parameters)
    right = (name == "permessage-deflate" and len(found) == len(parameters)
             and set(found) <= {NO_CONTEXT_S, NO_CONTEXT_C, BITS_S, BITS_C}
             and all(found.get(flag) is None for flag in (NO_CONTEXT_S, NO_CONTEXT_C))
             and all(found[bits] in map(str, range(8, 16)) for bits in (BITS_S, BITS_C) if bits in found))
    if not right:
        raise Mismatch("an answer as RFC 7692 has it", value)
    bits = [int(found[b]) if b in found else None for b in (BITS_S, BITS_C)]
    return Agreement(NO_CONTEXT_S in found, NO_CONTEXT_C in found, *bits)


class Packer:
    """What compresses the client's messages, with or without the context of those before."""

    def __init__(self, bits=15, takeover=False, level=6, strategy=zlib.Z_DEFAULT_STRATEGY):
        # zlib reaches back at most 2^bits - 262: with 9 it stays within 2^8, and 8 it does not know.
        self.settings = (level, zlib.DEFLATED, -max(bits, 9), 8, strategy)
        self.takeover = takeover
        self.deflater = None

    def __call__(self, message, flush_every=None, flush=zlib.Z_SYNC_FLUSH):
        """The payload of the message. FLUSH_EVERY so many bytes a new block begins."""
        if self.deflater is None or not self.takeover:
            self.deflater = zlib.compressobj(*self.settings)
        packed = b"".join(self.deflater.compress(piece) + self.deflater.flush(flush)
                          for piece in cut(message, flush_every or len(message) or 1))
        if not packed.endswith(TAIL):  # zlib has nothing to flush where nothing came after the last one
            packed += TAIL
        return packed[:-len(TAIL)] or b"\x00"


def unpack(payload, bits=15):
    """The message. ValueError where it is no deflated one, or reaches back further than 2^BITS bytes."""
    inflater = zlib.decompressobj(-bits)
    try:
        if bits == 15:
            message = inflater.decompress(payload + TAIL + LAST_BLOCK)
        else:
            message = inflate_strictly(inflater, payload + TAIL + LAST_BLOCK)
    except zlib.error as e:
        raise ValueError(f"it does not inflate with {bits} bits: {e}") from None
    if not inflater.eof or inflater.unused_data:
        raise ValueError("it does not end between two blocks")
    return message


def inflate_strictly(inflater, data):
    """By one byte of output at a time: only so zlib looks at nothing but its window."""
    out = bytearray()
    for piece in cut(data, 64):
        while True:
            got = inflater.decompress(piece, 1)
            out += got
            piece = inflater.unconsumed_tail
            if not got and not piece:
                break
    return bytes(out)


def packed_frames(opcode, payload, size=None):
    """A compressed message, in fragments of SIZE bytes: RSV1 is set on the first alone."""
    pieces = cut(payload, size or len(payload) or 1)
    return b"".join(frame(CONT if i else opcode, piece, fin=i == len(pieces) - 1, rsv=0 if i else RSV1)
                    for i, piece in enumerate(pieces))


class Deflated:
    """A connection on which permessage-deflate is agreed."""

    def __init__(self, trial, path="/deflate", offer="permessage-deflate", fields=None, **how):
        """FIELDS: those of the request, where it is not one with the OFFER."""
        self.ws = trial.connect(path, fields or [f"Sec-WebSocket-Extensions: {offer}"], **how)
        self.agreed = parse_answer(self.ws.fields.get("sec-websocket-extensions"))
        if self.agreed is None:
            raise Mismatch("permessage-deflate in the answer", self.ws.fields)
        self.pack = self.packer()

    def packer(self, **how):
        """For what the client sends: with the window and the context that were agreed."""
        return Packer(self.agreed.client_bits or 15, not self.agreed.client_no_context, **how)

    def send(self, opcode, message, size=None):
        """A message, compressed, in fragments of SIZE bytes."""
        self.ws.send(packed_frames(opcode, self.pack(message), size))

    def expect(self, opcode, message):
        """The message comes, compressed or not; if so, as it was agreed. Returns the Frame."""
        got = self.ws.receive()
        wanted = Frame(opcode, message)
        if not isinstance(got, Frame) or got.opcode != opcode or got.rsv & ~RSV1:
            raise Mismatch(wanted, got)
        try:
            payload = unpack(got.payload, self.agreed.server_bits or 15) if got.rsv else got.payload
        except ValueError as e:
            raise Mismatch(wanted, f"{got}: {e}") from None
        if payload != message:
            raise Mismatch(wanted, f"{Frame(got.opcode, payload)}, from {got}")
        return got

    def echo(self, opcode, message, size=None):
        self.send(opcode, message, size)
        return self.expect(opcode, message)

    def expect_goodbye(self):
        self.ws.expect_goodbye()
