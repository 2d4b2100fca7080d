"""Section 7: the closing handshake (RFC 6455 sections 5.5.1, 7)."""
from cases_frames import fails
from client import CLOSE, CONT, PING, TEXT, close_frame, frame
from registry import add, case

KUHN = bytes.fromhex("cebae1bdb9cf83cebcceb5eda080656469746564")  # Greek, a surrogate, "edited"


def closes(t, sent, code):
    """Our close frame is answered with its code, and the connection ends."""
    ws = t.connect()
    ws.send(sent)
    ws.expect_closed(code)


@case("7.1.1", "a message, then close")
def message_and_close(t):
    ws = t.connect()
    ws.send(frame(TEXT, b"Hello World!"))
    ws.expect(TEXT, b"Hello World!")
    ws.expect_goodbye()


def nothing_after_close(t, *behind):
    ws = t.connect()
    ws.send(close_frame(1000), *behind)
    ws.expect_closed(1000)


add("7.1.2", "two close frames", nothing_after_close, close_frame(1000))
add("7.1.3", "a ping behind the close frame", nothing_after_close, frame(PING, b"ping"))
add("7.1.4", "a message behind the close frame", nothing_after_close, frame(TEXT, b"Hello World!"))
add("7.1.7", "a frame that is wrong behind the close frame", nothing_after_close, frame(3, b"what?", mask=None))
add("7.1.8", "1000 messages behind the close frame", nothing_after_close, frame(TEXT, b"x" * 1000) * 1000)
add("7.1.9", "half a frame behind the close frame", nothing_after_close, frame(TEXT, b"Hello World!")[:9])


@case("7.1.5", "a close frame within a message, whose rest comes behind it")
def close_within_message(t):
    ws = t.connect()
    ws.send(frame(TEXT, b"fragment1", fin=False), close_frame(1000), frame(CONT, b"fragment2"))
    ws.expect_closed(1000)


@case("7.1.6", "a message of 256 KiB, a short one, a close frame, a ping")
def close_behind_much(t):
    ws = t.connect()
    much = b"BAsd7&jh23" * 26215
    ws.send(frame(TEXT, much), frame(TEXT, b"Hello World!"), close_frame(1000), frame(PING))
    ws.expect(TEXT, much)
    ws.expect(TEXT, b"Hello World!")
    ws.expect_closed(1000)


add("7.3.1", "a close frame without payload", closes, close_frame(), None)
add("7.3.2", "a close frame of one byte", fails, frame(CLOSE, b"a"))
add("7.3.3", "a close frame with a code", closes, close_frame(1000), 1000)
add("7.3.4", "a close frame with code and reason", closes, close_frame(1000, b"Hello World!"), 1000)
add("7.3.5", "a close frame with a reason of 123 bytes", closes, close_frame(1000, b"*" * 123), 1000)
add("7.3.6", "a close frame with a reason of 124 bytes", fails, close_frame(1000, b"*" * 124))
add("7.3.7", "a close frame of 65536 bytes", fails, close_frame(1000, b"*" * 65534))
add("7.3.8", "a close frame without FIN", fails, close_frame(1000, fin=False))
for i, byte in enumerate((0x00, 0x03, 0xff), 9):
    add(f"7.3.{i}", f"a close frame of the byte {byte:02x}", fails, frame(CLOSE, bytes([byte])))


# ---- 7.5: reasons ----

BAD_REASONS = (KUHN, b"\xff", b"reason \xc0\xaf", b"cut \xe2\x82", b"\xf4\x90\x80\x80", b"x" * 122 + b"\xc3")
GOOD_REASONS = ("auf Wiedersehen, schöne Grüße".encode(), "κόσμε 🌍".encode(), b"\0", b"x" * 121 + b"\xc3\xa9")


def fails_reason(t, reason, code):
    fails(t, close_frame(code, reason), code=1007)


for i, reason in enumerate(BAD_REASONS, 1):
    add(f"7.5.{i}", f"a reason that is not UTF-8: {reason[:16]!r}", fails_reason, reason, 1000)
    add(f"7.5.{i + 10}", f"the same with code 4000: {reason[:16]!r}", fails_reason, reason, 4000)
for i, reason in enumerate(GOOD_REASONS, 21):
    add(f"7.5.{i}", f"a reason that is UTF-8: {reason[:16]!r}", closes, close_frame(1000, reason), 1000)

add("7.5.31", "a code that may not be sent with a reason that is not UTF-8", fails, close_frame(999, b"\xff"))


# ---- 7.7, 7.9, 7.13: codes ----

VALID = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999, 1012, 1013, 1014, 3001, 4500)
INVALID = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 1015, 1, 500, 1017, 1099, 1999)
BEYOND = (5000, 65535, 5001, 9999, 32767, 32768)

for part, codes in ((7, VALID), (9, INVALID), (13, BEYOND)):
    for i, code in enumerate(codes, 1):
        if part == 7:
            add(f"7.7.{i}", f"code {code}", closes, close_frame(code), code)
        else:
            add(f"7.{part}.{i}", f"code {code}, which may not be sent", fails, close_frame(code))


def may_be_sent(code):
    """Section 7.4 and IANA's registry."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def all_codes(t, codes):
    for code in codes:
        ws = t.connect()
        ws.send(close_frame(code))
        if may_be_sent(code):
            ws.expect_closed(code)
        else:
            ws.expect_failed(1002)
        t.hang_up()


add("7.14.1", "all codes from 990 to 1030", all_codes, range(990, 1031))
for i, low in enumerate(range(0, 5200, 400), 2):
    add(f"7.14.{i}", f"all codes from {low} to {low + 399}", all_codes, range(low, low + 400), quick=())
add("7.14.15", "every 101st code from 5200 to 65535", all_codes, range(5200, 65536, 101), quick=())
