"""The handshake cases: requests with their exact answers, by section.

The RFCs say what is right (6455 section 4.2, 9110, 9112, 3986, 7692); where
they leave the choice, the manual and http_head.h. `choice` is the reason why
the daemon does not do what a section recommends; the case then holds it to
what it does instead.
"""
import functools
import pathlib
import re
import struct
import subprocess
from dataclasses import dataclass

CONFIG = """
endpoint "/*" { handler = echo }
endpoint "/chat/*" { handler = chat announce = off }
endpoint "/proto" { handler = echo subprotocols = {"chat", "superchat"} }
"""
DEFLATE_CONFIG = 'endpoint "/deflate" { handler = echo deflate = yes }\n'

MAX_HEAD = 16384  # the default of max_head
MAX_FIELDS = 100


# ---- frames ----

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"


def frame(opcode, payload=b"", fin=True):
    """A client's frame of less than 126 bytes."""
    masked = bytes(b ^ MASK[i % 4] for i, b in enumerate(payload))
    return bytes([fin << 7 | opcode, 0x80 | len(payload)]) + MASK + masked


# What shows that a connection lives, and that it is an echo endpoint's.
PROOF = frame(TEXT, b"hello") + frame(CLOSE, struct.pack(">H", 1000))
PROVEN = ((TEXT, b"hello"), (CLOSE, 1000))


# ---- answers ----

@dataclass(frozen=True)
class Answer:
    status: int              # 0: the connection ends without an answer
    fields: dict             # all but Date and Content-Length
    body: bytes = None       # None: one line that says what is wrong
    head_only: bool = False  # the answer to HEAD: fields as if with a body, but no body
    frames: tuple = ()       # of a 101: what the server sends until the connection's end
    proof: bool = False      # of a 101: whether the client is to send PROOF


REASONS = {
    101: "Switching Protocols", 200: "OK", 400: "Bad Request", 405: "Method Not Allowed", 414: "URI Too Long",
    421: "Misdirected Request", 426: "Upgrade Required", 431: "Request Header Fields Too Large",
    501: "Not Implemented", 505: "HTTP Version Not Supported",
}
OF_STATUS = {
    405: {"Allow": "GET, HEAD"},
    426: {"Connection": "close, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
}
WORDS = {"Connection": "close", "Content-Type": "text/plain; charset=utf-8"}
PAGE_FILE = pathlib.Path(__file__).resolve().parents[2] / "src/web/index.html"
PAGE_FIELDS = {
    "Connection": "close", "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache",
    "ETag": '"%x-%x"' % tuple(map(int, subprocess.check_output(["cksum", PAGE_FILE]).split()[:2])),
    "Vary": "Accept-Encoding", "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; require-trusted-types-for 'script'; "
        "trusted-types 'none'",
    "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
}
PAGE_BODY = PAGE_FILE.read_bytes()

KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455's own
ZERO_KEY, ZERO_ACCEPT = "AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="
HIGH_KEY, HIGH_ACCEPT = "+/+/+/+/+/+/+/+/+/+/+w==", "M0DUs3om0SqzerhOhYSMM7WQuBQ="


def refused(status, head_only=False):
    return Answer(status, WORDS | OF_STATUS.get(status, {}), head_only=head_only)


def opened(protocol=None, extensions=None, accept=ACCEPT, frames=()):
    """A WebSocket that answers what is behind the request by FRAMES, and lives on unless they end in a close."""
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
    if protocol:
        fields["Sec-WebSocket-Protocol"] = protocol
    if extensions:
        fields["Sec-WebSocket-Extensions"] = extensions
    ended = bool(frames) and frames[-1][0] == CLOSE
    return Answer(101, fields, frames=tuple(frames) if ended else (*frames, *PROVEN), proof=not ended)


NO_ANSWER = Answer(0, {})
OPENED = opened()
BROKEN = opened(frames=[(CLOSE, 1002)])
IN_CHAT = opened(frames=[(CLOSE, 1003)])  # what chat says to a binary message, and echo does not
HEALTHY = Answer(200, WORDS, b"ok\n")
HEALTHY_HEAD = Answer(200, WORDS, b"ok\n", head_only=True)
PAGE = Answer(200, PAGE_FIELDS, PAGE_BODY)
PAGE_HEAD = Answer(200, PAGE_FIELDS, PAGE_BODY, head_only=True)


# ---- requests ----

ECHO = "GET /echo HTTP/1.1"
FIELDS = [
    ("Host", "localhost"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
]


def head(first, *lines):
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


def opening(*lines, first=ECHO):
    """A good opening with further lines."""
    return head(first, *(f"{name}: {value}" for name, value in FIELDS), *lines)


def with_field(name, *values, first=ECHO):
    """A good opening whose field NAME has these values, one line each, or is not there."""
    others = (f"{n}: {v}" for n, v in FIELDS if n != name)
    return head(first, *others, *(f"{name}: {value}" for value in values))


host, upgrade, connection, ws_version, key = (functools.partial(with_field, name) for name, _ in FIELDS)


def target(t, *lines):
    return opening(*lines, first=f"GET {t} HTTP/1.1")


def method(m):
    return opening(first=f"{m} /echo HTTP/1.1")


def version(v):
    return opening(first=f"GET /echo {v}")


def plain(first, *lines):
    return head(first, "Host: localhost", *lines)


def changed(old, new, count=1):
    """A good opening with bytes changed."""
    assert old in OPENING
    return OPENING.replace(old, new, count)


def protocols(*values, first="GET /proto HTTP/1.1"):
    return opening(*(f"Sec-WebSocket-Protocol: {v}" for v in values), first=first)


def extensions(*values, path="/deflate"):
    return target(path, *(f"Sec-WebSocket-Extensions: {v}" for v in values))


def padded(size):
    """A good opening of SIZE bytes."""
    return opening("X: " + "x" * (size - len(opening("X: "))))


def in_chat(path):
    return target(path) + frame(BINARY, b"x")


OPENING = opening()


# ---- cases ----

@dataclass(frozen=True)
class Case:
    section: str
    id: str
    name: str
    request: bytes            # with what is sent behind it at once
    answer: Answer
    choice: str = ""          # the RFC's section that the daemon does not follow here, and why
    half_close: bool = False  # the client's end follows at once


def section(title, *rows):
    return [Case(title, f"{title.split()[0]}.{i}", *row) for i, row in enumerate(rows, 1)]


METHODS = section(
    "H1 methods",
    ("GET", OPENING, OPENED),
    ("HEAD", method("HEAD"), refused(400, head_only=True)),
    ("POST", method("POST"), refused(405)),
    ("PUT", method("PUT"), refused(405)),
    ("DELETE", method("DELETE"), refused(405)),
    ("PATCH", method("PATCH"), refused(405)),
    ("TRACE", method("TRACE"), refused(405)),
    ("OPTIONS of a path", method("OPTIONS"), refused(405)),
    ("OPTIONS *", plain("OPTIONS * HTTP/1.1"), refused(405)),
    ("CONNECT, authority form", plain("CONNECT localhost:80 HTTP/1.1"), refused(405)),
    ("POST with a body", plain("POST / HTTP/1.1", "Content-Length: 5") + b"hello", refused(405)),
    ("get: methods have a case", method("get"), refused(405),
     "9110 9.1 (501): 405 with Allow says more, and needs no list of methods"),
    ("a method of its own", method("BREW"), refused(405),
     "9110 9.1 (501): 405 with Allow says more, and needs no list of methods"),
    ("no method", opening(first=" /echo HTTP/1.1"), refused(400)),
    ("a method that is no token", method("G(ET"), refused(400)),
    ("a method of 20000 bytes", method("G" * 20000), refused(414),
     "9112 3 (501): the line is too long all the same"),
    ("GET of the page", plain("GET / HTTP/1.1"), PAGE),
    ("HEAD of the page", plain("HEAD / HTTP/1.1"), PAGE_HEAD),
    ("GET of /healthz", plain("GET /healthz HTTP/1.1"), HEALTHY),
    ("HEAD of /healthz", plain("HEAD /healthz HTTP/1.1"), HEALTHY_HEAD),
    ("GET of a WebSocket's path", plain("GET /echo HTTP/1.1"), refused(426)),
    ("HEAD of a WebSocket's path", plain("HEAD /echo HTTP/1.1"), refused(426, head_only=True)),
    ("a broken HEAD has no body", plain("HEAD / HTTP/1.1", "X : y"), refused(400, head_only=True)),
)

VERSIONS = section(
    "H2 versions",
    ("HTTP/1.0 opens nothing", version("HTTP/1.0"), refused(400)),
    ("HTTP/1.0 asks for a page", plain("GET /healthz HTTP/1.0"), HEALTHY),
    ("HTTP/1.0 without Host", head("GET /healthz HTTP/1.0"), HEALTHY),
    ("HTTP/1.0 with two Hosts", plain("GET /healthz HTTP/1.0", "Host: other"), refused(400)),
    ("HTTP/1.0 and keep-alive", plain("GET /healthz HTTP/1.0", "Connection: keep-alive"), HEALTHY),
    ("HTTP/1.0 with Upgrade, of a page",
     plain("GET /healthz HTTP/1.0", "Upgrade: websocket", "Connection: Upgrade"), refused(400),
     "9110 7.8 (ignore it): it comes from a proxy in between, whose owner is told what to set"),
    ("HTTP/1.2 is as good as 1.1", version("HTTP/1.2"), OPENED),
    ("HTTP/1.9 is as good as 1.1", version("HTTP/1.9"), OPENED),
    ("HTTP/0.9", version("HTTP/0.9"), refused(505)),
    ("HTTP/2.0", version("HTTP/2.0"), refused(505)),
    ("HTTP/3.0", version("HTTP/3.0"), refused(505)),
    ("HTTP/1.10", version("HTTP/1.10"), refused(400)),
    ("HTTP/11.1", version("HTTP/11.1"), refused(400)),
    ("HTTP/1.x", version("HTTP/1.x"), refused(400)),
    ("HTTP/1,1", version("HTTP/1,1"), refused(400)),
    ("HTTP/1", version("HTTP/1"), refused(400)),
    ("http/1.1", version("http/1.1"), refused(400)),
    ("HTTPS/1.1", version("HTTPS/1.1"), refused(400)),
    ("no version: HTTP/0.9's request", b"GET /echo\r\n", refused(400)),
    ("no version but its space", version(""), refused(400)),
)

UPGRADE = section(
    "H3 Upgrade and Connection",
    ("Upgrade in capitals", upgrade("WEBSOCKET"), OPENED),
    ("Upgrade as browsers once wrote it", upgrade("WebSocket"), OPENED),
    ("websocket among others", upgrade("h2c, websocket"), OPENED),
    ("websocket in a second field", upgrade("h2c", "websocket"), OPENED),
    ("empty list elements", upgrade(", websocket,"), OPENED),
    ("no Upgrade", upgrade(), refused(400)),
    ("an empty Upgrade", upgrade(""), refused(400)),
    ("another protocol", upgrade("h2c"), refused(400)),
    ("websocket with a version", upgrade("websocket/13"), refused(400)),
    ("websockets", upgrade("websockets"), refused(400)),
    ("two words", upgrade("web socket"), refused(400)),
    ("quoted", upgrade('"websocket"'), refused(400)),
    ("a no-break space before it", upgrade("\xa0websocket"), refused(400)),
    ("Connection in lower case", connection("upgrade"), OPENED),
    ("Connection in capitals", connection("UPGRADE"), OPENED),
    ("keep-alive, Upgrade", connection("keep-alive, Upgrade"), OPENED),
    ("Upgrade,keep-alive", connection("Upgrade,keep-alive"), OPENED),
    ("two Connection fields", connection("keep-alive", "Upgrade"), OPENED),
    ("no Connection", connection(), refused(400)),
    ("an empty Connection", connection(""), refused(400)),
    ("keep-alive alone", connection("keep-alive"), refused(400)),
    ("Upgraded", connection("Upgraded"), refused(400)),
    ("Upgrade in a quoted string", connection('"x, Upgrade, y"'), refused(400)),
    ("h2c is passed over",
     plain("GET /healthz HTTP/1.1", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: "),
     HEALTHY),
)

KEYS = section(
    "H4 Sec-WebSocket-Key",
    ("all zeros", key(ZERO_KEY), opened(accept=ZERO_ACCEPT)),
    ("with + and /", key(HIGH_KEY), opened(accept=HIGH_ACCEPT)),
    ("white space around it", key(f" \t {KEY} \t "), OPENED),
    ("none", key(), refused(400)),
    ("an empty one", key(""), refused(400)),
    ("twice the same", key(KEY, KEY), refused(400)),
    ("two", key(KEY, HIGH_KEY), refused(400)),
    ("a second one, empty", key(KEY, ""), refused(400)),
    ("a list of two", key(f"{KEY}, {HIGH_KEY}"), refused(400)),
    ("15 bytes", key("dGhlIHNhbXBsZSBub25j"), refused(400)),
    ("17 bytes", key("dGhlIHNhbXBsZSBub25jZSE="), refused(400)),
    ("without padding", key(KEY[:22]), refused(400)),
    ("padded too much", key(KEY + "="), refused(400)),
    ("bits behind the 16 bytes", key("dGhlIHNhbXBsZSBub25jZR=="), refused(400)),
    ("base64url", key("-_-_-_-_-_-_-_-_-_-_-w=="), refused(400)),
    ("a space in it", key("dGhlIHNhbXB ZSBub25jZQ=="), refused(400)),
    ("quoted", key(f'"{KEY}"'), refused(400)),
    ("padding in the middle", key("dGhlIHNh==BsZSBub25jZQ=="), refused(400)),
)

VERSION_FIELDS = section(
    "H5 Sec-WebSocket-Version",
    ("white space around it", ws_version("\t 13 \t"), OPENED),
    ("none", ws_version(), refused(426)),
    ("an empty one", ws_version(""), refused(426)),
    ("8", ws_version("8"), refused(426)),
    ("14", ws_version("14"), refused(426)),
    ("255", ws_version("255"), refused(426)),
    ("a list", ws_version("13, 8"), refused(426)),
    ("two fields", ws_version("8", "13"), refused(426)),
    ("twice 13", ws_version("13", "13"), refused(426)),
    ("013", ws_version("013"), refused(426)),
    ("+13", ws_version("+13"), refused(426)),
    ("13.0", ws_version("13.0"), refused(426)),
    ("thirteen", ws_version("thirteen"), refused(426)),
)

LONG_NAME = "p" * 300
PROTOCOLS = section(
    "H6 Sec-WebSocket-Protocol",
    ("none is offered", protocols(), OPENED),
    ("the one that is spoken", protocols("chat"), opened("chat")),
    ("the client's first choice", protocols("superchat, chat"), opened("superchat")),
    ("an unknown one before it", protocols("mqtt, chat"), opened("chat")),
    ("in several fields", protocols("mqtt", "superchat,chat"), opened("superchat")),
    ("none that is spoken", protocols("mqtt"), OPENED),
    ("in another case", protocols("Chat"), OPENED),
    ("cases differ: not the same", protocols("Chat, chat"), opened("chat")),
    ("empty list elements", protocols(", ,chat,,"), opened("chat")),
    ("one field is empty", protocols("", "chat"), opened("chat")),
    ("no white space", protocols("a,b,chat"), opened("chat")),
    ("every character of a token", protocols("!#$%&'*+-.^_`|~, chat"), opened("chat")),
    ("64 names", protocols(", ".join(f"p{i}" for i in range(63)) + ", chat"), opened("chat")),
    ("65 names", protocols(", ".join(f"p{i}" for i in range(64)) + ", chat"), refused(400)),
    ("any, where any is spoken", protocols("soap", first=ECHO), opened("soap")),
    ("a long name", protocols(LONG_NAME, first=ECHO), opened(LONG_NAME)),
    ("a token is not sent back", protocols("natter.bearer.abc, soap", first=ECHO), opened("soap")),
    ("one twice", protocols("chat, chat"), refused(400)),
    ("one twice in two fields", protocols("chat", "chat"), refused(400)),
    ("an empty field", protocols(""), refused(400)),
    ("nothing but commas", protocols(" , ,"), refused(400)),
    ("two words", protocols("super chat"), refused(400)),
    ("quoted", protocols('"chat"'), refused(400)),
    ("with a parameter", protocols("chat;q=1"), refused(400)),
    ("not ASCII", protocols("ch\xe4t"), refused(400)),
)

TWO_HOSTS = opening("Host: localhost")
HOSTS = section(
    "H7 Host",
    ("with a port", host("localhost:9600"), OPENED),
    ("an empty port", host("localhost:"), OPENED),
    ("zeros before the port", host("localhost:00080"), OPENED),
    ("IPv4", host("192.0.2.1:9600"), OPENED),
    ("IPv6", host("[::1]"), OPENED),
    ("IPv6 with a port", host("[2001:DB8::1]:9600"), OPENED),
    ("IPv6 that holds IPv4", host("[::ffff:192.0.2.1]"), OPENED),
    ("percent-encoded", host("%6cocalhost"), OPENED),
    ("every character of a name", host("a-._~!$&'()*+,;=Z"), OPENED),
    ("white space around it", host("\t localhost \t"), OPENED),
    ("as the last field, in lower case", host()[:-2] + b"host:localhost\r\n\r\n", OPENED),
    ("none", host(), refused(400)),
    ("none, of a page", head("GET /healthz HTTP/1.1"), refused(400)),
    ("an empty one", host(""), refused(400)),
    ("twice the same", TWO_HOSTS, refused(400)),
    ("two", host("a", "b"), refused(400)),
    ("a second one, empty", host("a", ""), refused(400)),
    ("two in one", host("a, b"), refused(400)),
    ("a port alone", host(":9600"), refused(400)),
    ("a port in letters", host("localhost:http"), refused(400)),
    ("a negative port", host("localhost:-1"), refused(400)),
    ("a port that TCP has not", host("localhost:65536"), refused(400)),
    ("two ports", host("localhost:80:80"), refused(400)),
    ("a user", host("ann@localhost"), refused(400)),
    ("a path", host("localhost/echo"), refused(400)),
    ("a URL", host("http://localhost"), refused(400)),
    ("IPv6 without brackets", host("::1"), refused(400)),
    ("IPv6 without its end", host("[::1"), refused(400)),
    ("IPv6 with too many parts", host("[1:2:3:4:5:6:7:8:9]"), refused(400)),
    ("IPv6 with a zone", host("[fe80::1%25eth0]"), refused(400)),
    ("IPv4 in brackets", host("[192.0.2.1]"), refused(400)),
    ("an address of the future, RFC 3986 3.2.2", host("[v1.fe80]"), refused(400)),
    ("empty brackets", host("[]"), refused(400)),
    ("letters behind brackets", host("[::1]x"), refused(400)),
    ("half a percent-encoding", host("localhost%2"), refused(400)),
    ("a percent-encoding that is none", host("%zz"), refused(400)),
    ("a quote", host('local"host'), refused(400)),
    ("a backslash", host("local\\host"), refused(400)),
    ("not ASCII", host("l\xf6calhost"), refused(400)),
)

LINES = section(
    "H8 white space and line ends",
    ("an empty line before it", b"\r\n" + OPENING, OPENED),
    ("two empty lines before it", b"\r\n\r\n" + OPENING, OPENED),
    ("many empty lines before it", b"\r\n" * 9 + OPENING, refused(400)),
    ("LF before it", b"\n" + OPENING, refused(400)),
    ("a space before it", b" " + OPENING, refused(400)),
    ("LF for CRLF everywhere", OPENING.replace(b"\r\n", b"\n"), refused(400)),
    ("LF behind the request line", changed(b"1.1\r\n", b"1.1\n"), refused(400)),
    ("LF behind a field", changed(b"localhost\r\n", b"localhost\n"), refused(400)),
    ("LF at the end", OPENING[:-2] + b"\n", refused(400)),
    ("LF twice at the end", OPENING[:-4] + b"\n\n", refused(400)),
    ("CR for CRLF everywhere", OPENING.replace(b"\r\n", b"\r"), refused(400)),
    ("CR in the request line", changed(b"/echo", b"/ec\rho"), refused(400)),
    ("CR in a value", opening("X: a\rb"), refused(400)),
    ("CR in a name", opening("X\ry: a"), refused(400)),
    ("CR CR LF behind the request line", changed(b"1.1\r\n", b"1.1\r\r\n"), refused(400)),
    ("CR CR LF behind a field", changed(b"localhost\r\n", b"localhost\r\r\n"), refused(400)),
    ("CR without LF at the end", OPENING[:-1] + b"x", refused(400)),
    ("two spaces before the target", opening(first="GET  /echo HTTP/1.1"), refused(400)),
    ("two spaces before the version", opening(first="GET /echo  HTTP/1.1"), refused(400)),
    ("a space behind the version", version("HTTP/1.1 "), refused(400)),
    ("tabs in the request line", opening(first="GET\t/echo\tHTTP/1.1"), refused(400)),
    ("a space in the target", target("/ec ho"), refused(400)),
    ("a tab in the target", target("/ec\tho"), refused(400)),
    ("a space before the first field", changed(b"Host", b" Host"), refused(400)),
    ("a folded line", opening("X: a", " b"), refused(400)),
    ("a line folded by a tab", opening("X: a", "\tb"), refused(400)),
    ("Upgrade folded", upgrade("\r\n websocket"), refused(400)),
    ("a line of white space", opening(" ", "X: a"), refused(400)),
    ("a space before the colon", opening("X : a"), refused(400)),
    ("a tab before the colon", opening("X\t: a"), refused(400)),
    ("a space before Host's colon", changed(b"Host:", b"Host :"), refused(400)),
    ("no space behind the colon", OPENING.replace(b": ", b":"), OPENED),
    ("tabs behind the colon", OPENING.replace(b": ", b":\t\t"), OPENED),
    ("white space behind all values", head(ECHO, *(f"{n}: {v} \t" for n, v in FIELDS)), OPENED),
    ("a vertical tab before the value", upgrade("\vwebsocket"), refused(400)),
)

SIZES = section(
    "H9 fields and sizes",
    ("names in lower case", re.sub(rb"\r\n[\w-]+:", lambda m: m[0].lower(), OPENING), OPENED),
    ("names in capitals", re.sub(rb"\r\n[\w-]+:", lambda m: m[0].upper(), OPENING), OPENED),
    ("fields in another order", head(ECHO, *(f"{n}: {v}" for n, v in reversed(FIELDS))), OPENED),
    ("what browsers send besides",
     opening("Origin: http://localhost:1", "User-Agent: x (y)", "Pragma: no-cache", "Cookie: a=b", "Accept-Language: de;q=1"),
     OPENED),
    ("an empty value", opening("X:"), OPENED),
    ("every character of a name", opening("!#$%&'*+-.^_`|~09azAZ: x"), OPENED),
    ("a value that is not ASCII", opening("X: gr\xfc\xdfe \x80\xff"), OPENED),
    ("a colon in a value", opening("X: a:b::"), OPENED),
    ("no name", opening(": a"), refused(400)),
    ("no colon", opening("X"), refused(400)),
    ("a name that is not ASCII", opening("Gr\xfc\xdfe: a"), refused(400)),
    ("parentheses in a name", opening("X(y): a"), refused(400)),
    ("NUL in a name", opening("X\0y: a"), refused(400)),
    ("NUL in a value", opening("X: a\0b"), refused(400)),
    ("NUL behind the key", key(KEY + "\0"), refused(400)),
    ("NUL for an empty line", OPENING[:-2] + b"\0\r\n\r\n", refused(400)),
    ("DEL in a value", opening("X: a\x7fb"), refused(400)),
    ("ESC in a value", opening("X: a\x1bb"), refused(400)),
    ("as many fields as may be", opening(*(f"X{i}: y" for i in range(MAX_FIELDS - len(FIELDS)))), OPENED),
    ("one field more", opening(*(f"X{i}: y" for i in range(MAX_FIELDS - len(FIELDS) + 1))), refused(431)),
    ("a head as large as it may be", padded(MAX_HEAD), OPENED),
    ("one byte more", padded(MAX_HEAD + 1), refused(431)),
    ("a value without end", OPENING[:-2] + b"X: " + b"x" * 20000, refused(431)),
    ("a name without end", OPENING[:-2] + b"x" * 20000, refused(431)),
    ("a long cookie", opening("Cookie: " + "c" * 12000), OPENED),
)

BROWSERS_SEND_IT = "9112 3 (400 for what is no URI): browsers send it as it is"
OFFER = "Sec-WebSocket-Protocol: x"  # is sent back everywhere but at /proto
THERE, ELSEWHERE = OPENED, opened("x")
TARGETS = section(
    "H10 targets and percent-encoding",
    ("the path", target("/proto", OFFER), THERE),
    ("a query", target("/proto?a=b&c", OFFER), THERE),
    ("an empty query", target("/proto?", OFFER), THERE),
    ("a query with ? and /", target("/proto?/?/", OFFER), THERE),
    ("encoded letters", target("/%70rot%6F", OFFER), THERE),
    ("small hex digits", target("/prot%6f", OFFER), THERE),
    ("a path's case counts", target("/PROTO", OFFER), ELSEWHERE),
    ("a slash more behind", target("/proto/", OFFER), ELSEWHERE),
    ("a slash more before", target("//proto", OFFER), ELSEWHERE),
    ("an encoded ? is a path's", target("/proto%3Fa", OFFER), ELSEWHERE),
    ("encoded once, decoded once", target("/%2570roto", OFFER), ELSEWHERE),
    ("+ is no space in a path", target("/proto+", OFFER), ELSEWHERE),
    ("every character of a path", target("/-._~!$&'()*+,;=:@", OFFER), ELSEWHERE),
    ("dots lead nowhere", target("/../../etc/passwd", OFFER), ELSEWHERE),
    ("an encoded slash is a slash", in_chat("/chat%2Froom"), IN_CHAT,
     "3986 2.4 (divide, then decode): endpoints and rooms have one spelling, the decoded one"),
    ("a room with an encoded space", in_chat("/chat/garden%20party"), IN_CHAT),
    ("a room that is not ASCII", in_chat("/chat/gr%C3%BC%C3%9Fe"), IN_CHAT),
    ("a room of 128 bytes", in_chat("/chat/" + "%61" * 128), IN_CHAT),
    ("a room of 129 bytes", target("/chat/" + "%61" * 129), refused(400)),
    ("a room without a name", target("/chat/"), refused(400)),
    ("a room that is not UTF-8", target("/chat/gr%FC"), refused(400)),
    ("a room in overlong UTF-8", target("/chat/%C0%AF"), refused(400)),
    ("a room with an encoded newline", target("/chat/a%0Ab"), refused(400)),
    ("an encoded NUL", target("/a%00b"), refused(400)),
    ("half an encoding", target("/a%4"), refused(400)),
    ("a percent sign", target("/%"), refused(400)),
    ("not hexadecimal", target("/%zz"), refused(400)),
    ("half hexadecimal", target("/%4g"), refused(400)),
    ("two percent signs", target("/%%41"), refused(400)),
    ("%u0041", target("/%u0041"), refused(400)),
    ("a percent sign in a query", target("/echo?a=%"), OPENED, BROWSERS_SEND_IT),
    ("brackets in a path", target("/a[b]"), OPENED, BROWSERS_SEND_IT),
    ("a bar in a query", target("/echo?a|b"), OPENED, BROWSERS_SEND_IT),
    ("a fragment", target("/echo#top"), refused(400)),
    ("a fragment in a query", target("/echo?a#top"), refused(400)),
    ("a quote", target('/a"b'), refused(400)),
    ("angle brackets", target("/<b>"), refused(400)),
    ("NUL", target("/a\0b"), refused(400)),
    ("DEL", target("/a\x7fb"), refused(400)),
    ("not ASCII", target("/gr\xc3\xbc\xc3\x9fe"), refused(400)),
    ("a query that is not ASCII", target("/echo?\xfc"), refused(400)),
    ("no slash", target("echo"), refused(400)),
    ("a query alone", target("?a"), refused(400)),
    ("* is for OPTIONS", target("*"), refused(400)),
    ("an authority is for CONNECT", target("localhost:80"), refused(400)),
    ("absolute form", target("http://localhost/proto", OFFER), THERE),
    ("absolute form, scheme in capitals", target("HTTP://LOCALHOST/proto", OFFER), THERE),
    ("absolute form with port and query", target("http://[::1]:9600/proto?a", OFFER), THERE),
    ("absolute form beats Host", target("http://elsewhere.example/proto", OFFER), THERE),
    ("absolute form without a path", plain("GET http://localhost HTTP/1.1"), PAGE),
    ("absolute form with a query alone", plain("GET http://localhost?a HTTP/1.1"), PAGE),
    ("absolute form needs Host too", host(first="GET http://localhost/echo HTTP/1.1"), refused(400)),
    ("absolute form, another scheme", target("ftp://localhost/echo"), refused(400)),
    ("absolute form without a host", target("http:///echo"), refused(400)),
    ("absolute form with a port alone", target("http://:80/echo"), refused(400)),
    ("absolute form with a user", target("http://ann@localhost/echo"), refused(400)),
    ("absolute form, one slash", target("http:/localhost/echo"), refused(400)),
    ("absolute form with a bad host", target("http://[::1/echo"), refused(400)),
    ("absolute form, ws", target("ws://localhost/echo"), OPENED,
     "6455 4.2.1 (an HTTP URI): no harm in the URI that the client was given"),
    ("absolute form, https without TLS", target("https://localhost/echo"), OPENED,
     "9110 7.4 (421): a proxy in front may end the TLS"),
    ("a path of 1000 bytes", target("/" + "x" * 999), OPENED),
    ("a path of 7985 bytes", target("/" + "x" * 7984), OPENED),
    ("a query of 7900 bytes", target("/echo?" + "x" * 7900), OPENED),
    ("a path too long for a head", target("/" + "x" * 20000), refused(414)),
    ("a query too long for a head", target("/echo?" + "x" * 20000), refused(414)),
    ("HEAD, a path too long", plain(f"HEAD /{'x' * 20000} HTTP/1.1"), refused(414, head_only=True)),
)

CHUNKED, LAST_CHUNK = "Transfer-Encoding: chunked", b"0\r\n\r\n"
BODIES = section(
    "H11 bodies and smuggling",
    ("Content-Length: 0", opening("Content-Length: 0"), OPENED),
    ("Content-Length: 000", opening("Content-Length: 000"), OPENED),
    ("Content-Length and a body", opening("Content-Length: 5") + b"hello", refused(400)),
    ("a body that is a frame", opening("Content-Length: 11") + frame(TEXT, b"hello"), refused(400)),
    ("a body that is a request", opening(f"Content-Length: {len(OPENING)}") + OPENING, refused(400)),
    ("a length whose body is missing", opening("Content-Length: 5"), refused(400)),
    ("a length without end", opening("Content-Length: " + "9" * 40), refused(400)),
    ("a length that wraps to 0", opening(f"Content-Length: {1 << 64}"), refused(400)),
    ("a negative length", opening("Content-Length: -1"), refused(400)),
    ("+0", opening("Content-Length: +0"), refused(400)),
    ("0x0", opening("Content-Length: 0x0"), refused(400)),
    ("a length that is empty", opening("Content-Length:"), refused(400)),
    ("a list of lengths", opening("Content-Length: 0, 5") + b"hello", refused(400)),
    ("two lengths", opening("Content-Length: 0", "Content-Length: 5") + b"hello", refused(400)),
    ("0 twice", opening("Content-Length: 0", "Content-Length: 0"), refused(400)),
    ("0 twice in one field", opening("Content-Length: 0, 0"), refused(400)),
    ("two, the other way", opening("Content-Length: 5", "Content-Length: 0") + b"hello", refused(400)),
    ("a space before the colon", opening("Content-Length : 5") + b"hello", refused(400)),
    ("a page's body", plain("GET /healthz HTTP/1.1", "Content-Length: 5") + b"hello", refused(400)),
    ("chunked", opening(CHUNKED) + b"5\r\nhello\r\n0\r\n\r\n", refused(400)),
    ("chunked, empty", opening(CHUNKED) + LAST_CHUNK, refused(400)),
    ("chunked in another case", opening("transfer-encoding: ChunKed") + LAST_CHUNK, refused(400)),
    ("chunked and a length", opening(CHUNKED, "Content-Length: 0") + LAST_CHUNK, refused(400)),
    ("a length and chunked", opening("Content-Length: 0", CHUNKED) + LAST_CHUNK, refused(400)),
    ("chunked twice", opening("Transfer-Encoding: chunked, chunked") + LAST_CHUNK, refused(400)),
    ("chunked is not last", opening("Transfer-Encoding: chunked, identity"), refused(400)),
    ("an unknown coding first", opening("Transfer-Encoding: gzip, chunked") + LAST_CHUNK, refused(400),
     "9112 6.1 (501): no body is, whatever its coding"),
    ("identity", opening("Transfer-Encoding: identity"), refused(400)),
    ("an empty coding", opening("Transfer-Encoding:"), refused(400)),
    ("chunked with a vertical tab", opening("Transfer-Encoding: \vchunked"), refused(400)),
    ("a space before that colon", opening("Transfer-Encoding : chunked"), refused(400)),
    ("a folded coding", opening("Transfer-Encoding:", " chunked"), refused(400)),
    ("HTTP/1.0 and chunked", plain("GET /healthz HTTP/1.0", CHUNKED), refused(400)),
    ("trailers are announced", opening("Trailer: Upgrade", "TE: trailers"), OPENED),
    ("Expect without a body, RFC 9110 10.1.1", opening("Expect: 100-continue"), OPENED),
    ("Expect with a body", opening("Expect: 100-continue", "Content-Length: 5"), refused(400)),
)

CLIENT_HELLO = bytes.fromhex("16030100 2f 0100002b 0303" + "2a" * 32 + "00 00021301 0100")
HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000 04 00 00000000")
OTHERS = section(
    "H12 other protocols on the port",
    ("TLS", CLIENT_HELLO, refused(400)),
    ("SSL 2", bytes.fromhex("802e0100020015001000000010") + b"\x2a" * 35, refused(400)),
    ("HTTP/2's preface", HTTP_2, refused(505)),
    ("SSH", b"SSH-2.0-OpenSSH_9.2p1\r\n", refused(400)),
    ("SMTP", b"EHLO localhost\r\n", refused(400)),
    ("RTSP", b"DESCRIBE rtsp://localhost/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", refused(400)),
    ("Redis", b"*1\r\n$4\r\nPING\r\n", refused(400)),
    ("SOCKS 4", bytes.fromhex("04010050c0000201") + b"ann\0", refused(400)),
    ("SOCKS 5", bytes.fromhex("050100"), refused(400)),
    ("PostgreSQL", bytes.fromhex("0000000804d2162f"), refused(400)),
    ("MQTT", bytes.fromhex("100e00044d5154540402003c000261 62"), refused(400)),
    ("PROXY 1", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + OPENING, refused(400)),
    ("PROXY 2", bytes.fromhex("0d0a0d0a000d0a515549540a20000000") + OPENING, refused(400)),
    ("a WebSocket frame", frame(TEXT, b"hello"), refused(400)),
    ("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", refused(400)),
    ("UTF-8's byte order mark", b"\xef\xbb\xbf" + OPENING, refused(400)),
    ("zeros", b"\0" * 64, refused(400)),
    ("nothing, and the end", b"", NO_ANSWER, "", True),
    ("an empty line, and the end", b"\r\n", NO_ANSWER, "", True),
    ("half a head, and the end", OPENING[:99], NO_ANSWER, "", True),
    ("a whole request, and the end", plain("GET /healthz HTTP/1.1"), HEALTHY, "", True),
)

LONG = (TEXT, b"x" * 120)
PIPELINED = section(
    "H13 pipelining",
    ("a message behind the head", OPENING + frame(TEXT, b"first"), opened(frames=[(TEXT, b"first")])),
    ("an empty message", OPENING + frame(TEXT), opened(frames=[(TEXT, b"")])),
    ("more than a head may have", OPENING + frame(*LONG) * 200, opened(frames=[LONG] * 200)),
    ("behind the largest head", padded(MAX_HEAD) + frame(TEXT, b"y"), opened(frames=[(TEXT, b"y")])),
    ("a ping", OPENING + frame(PING, b"p"), opened(frames=[(PONG, b"p")])),
    ("a message in two fragments", OPENING + frame(TEXT, b"hel", fin=False) + frame(0, b"lo"),
     opened(frames=[(TEXT, b"hello")])),
    ("a ping, text and binary", OPENING + frame(PING) + frame(TEXT, b"t") + frame(BINARY, b"\xff"),
     opened(frames=[(PONG, b""), (TEXT, b"t"), (BINARY, b"\xff")])),
    ("CRLF CRLF in a message", OPENING + frame(TEXT, b"\r\n\r\n"), opened(frames=[(TEXT, b"\r\n\r\n")])),
    ("goodbye at once", OPENING + frame(CLOSE, b"\x03\xe8"), opened(frames=[(CLOSE, 1000)])),
    ("a message and goodbye", OPENING + PROOF, opened(frames=PROVEN)),
    ("a frame without a mask", OPENING + b"\x81\x05hello", BROKEN),
    ("a second opening", OPENING * 2, BROKEN),
    ("CRLF", OPENING + b"\r\n", BROKEN),
    ("frames behind a refused opening", key() + PROOF, refused(400)),
    ("frames behind another version", ws_version("8") + PROOF, refused(426)),
    ("an opening behind a refused one", TWO_HOSTS + OPENING, refused(400)),
    ("an opening behind a page", plain("GET /healthz HTTP/1.1") + OPENING, HEALTHY),
    ("two pages", plain("GET /healthz HTTP/1.1") * 2, HEALTHY),
    ("20000 bytes behind a refused opening", connection() + b"\xff" * 20000, refused(400)),
)

EXTENSIONS = section(
    "H14 Sec-WebSocket-Extensions",
    ("permessage-deflate", extensions("permessage-deflate", path="/echo"), OPENED),
    ("what browsers offer", extensions("permessage-deflate; client_max_window_bits", path="/echo"), OPENED),
    ("unknown ones", extensions("foo, bar; baz=1; qux", path="/echo"), OPENED),
    ("in several fields", extensions("foo", "bar; baz", path="/echo"), OPENED),
    ("a quoted value", extensions('foo; bar="baz"', path="/echo"), OPENED),
    ("empty list elements", extensions(", foo,,", path="/echo"), OPENED),
)

CASES = [*METHODS, *VERSIONS, *UPGRADE, *KEYS, *VERSION_FIELDS, *PROTOCOLS, *HOSTS, *LINES, *SIZES, *TARGETS,
         *BODIES, *OTHERS, *PIPELINED, *EXTENSIONS]


PMD = "permessage-deflate"


def deflated(more=""):
    return opened(extensions=PMD + "; server_no_context_takeover; client_no_context_takeover" + more)


SERVER, CLIENT = PMD + "; server_max_window_bits", PMD + "; client_max_window_bits"
TEN = deflated("; server_max_window_bits=10")
DEFLATE_CASES = section(
    "H15 permessage-deflate",
    ("nothing is offered", target("/deflate"), OPENED),
    ("alone", extensions(PMD), deflated()),
    ("what browsers offer", extensions(CLIENT), deflated()),
    ("server_no_context_takeover", extensions(PMD + "; server_no_context_takeover"), deflated()),
    ("client_no_context_takeover", extensions(PMD + "; client_no_context_takeover"), deflated()),
    ("the server's window", extensions(SERVER + "=10"), TEN),
    ("the smallest", extensions(SERVER + "=8"), deflated("; server_max_window_bits=8")),
    ("the largest", extensions(SERVER + "=15"), deflated("; server_max_window_bits=15")),
    ("the client's window", extensions(CLIENT + "=9"), deflated("; client_max_window_bits=9")),
    ("both, in the answer's order", extensions(CLIENT + "=12; server_max_window_bits=11"),
     deflated("; server_max_window_bits=11; client_max_window_bits=12")),
    ("all four", extensions(SERVER + "=9; client_no_context_takeover; client_max_window_bits; "
                            "server_no_context_takeover"), deflated("; server_max_window_bits=9")),
    ("a quoted value", extensions(SERVER + '="10"'), TEN),
    ("a quoted value with a backslash", extensions(SERVER + '="1\\0"'), TEN),
    ("no white space", extensions(PMD + ";server_max_window_bits=10"), TEN),
    ("white space, RFC 6455 9.1: implied *LWS", extensions(PMD + " \t;  server_max_window_bits = 10 "), TEN),
    ("the first offer counts", extensions(f"{SERVER}=10, {PMD}"), TEN),
    ("of two fields the first", extensions(SERVER + "=10", PMD), TEN),
    ("behind an unknown extension", extensions(f"x-deflate-frame; a=b, {PMD}"), deflated()),
    ("empty list elements", extensions(f", ,{PMD},"), deflated()),
    ("one field is empty", extensions("", PMD), deflated()),
    ("a comma in quotes divides nothing", extensions(f'x; a="b, {PMD}", {SERVER}=10'), TEN),
    ("an escaped quote ends nothing", extensions(f'x; a="\\", {PMD}", {SERVER}=10'), TEN),
    ("an unknown extension", extensions("x-deflate-frame"), OPENED),
    ("an unknown parameter", extensions(PMD + "; foo"), OPENED),
    ("an unknown parameter, then without", extensions(f"{PMD}; foo=1, {PMD}"), deflated()),
    ("a parameter twice", extensions(f"{PMD}; client_max_window_bits; client_max_window_bits, {SERVER}=9"),
     deflated("; server_max_window_bits=9")),
    ("a flag twice", extensions(PMD + "; server_no_context_takeover; server_no_context_takeover"), OPENED),
    ("a flag with a value", extensions(PMD + "; server_no_context_takeover=1"), OPENED),
    ("the client's flag with a value", extensions(PMD + "; client_no_context_takeover=true"), OPENED),
    ("the server's window without a value", extensions(SERVER), OPENED),
    ("a window of 7", extensions(SERVER + "=7"), OPENED),
    ("a window of 16", extensions(CLIENT + "=16"), OPENED),
    ("a window of 08", extensions(SERVER + "=08"), OPENED),
    ("a window of 010", extensions(CLIENT + "=010"), OPENED),
    ("a window of 1e1", extensions(SERVER + "=1e1"), OPENED),
    ("a window of 4294967306", extensions(SERVER + "=4294967306"), OPENED),
    ("a quoted value that is no token", extensions(f'{SERVER}="1 0", {PMD}'), deflated()),
    ("an empty quoted value", extensions(f'{SERVER}="", {PMD}'), deflated()),
    ("a parameter without a name", extensions(f"{PMD}; =10, {PMD}"), deflated()),
    ("a parameter without its value", extensions(f"{SERVER}=, {PMD}"), deflated()),
    ("a semicolon too many", extensions(f"{PMD};, {SERVER}=9"), deflated("; server_max_window_bits=9")),
    ("a quoted string without its end", extensions(f'{SERVER}="10'), refused(400)),
    ("that, behind a good offer", extensions(f'{PMD}, x; a="b'), refused(400)),
    ("that, where nothing is deflated", extensions('x; a="b', path="/echo"), refused(400)),
    ("a name that is no token", extensions('"permessage-deflate"'), refused(400)),
    ("two words for a name", extensions("permessage deflate"), refused(400)),
    ("no name before the semicolon", extensions("; server_max_window_bits=10"), refused(400)),
    ("that, where nothing is deflated", extensions("a/b", path="/echo"), refused(400)),
    ("a name that is not ASCII", extensions("permessage-d\xe9flate"), refused(400)),
    ("an empty field, RFC 6455 9.1: 1#extension", extensions(""), refused(400)),
    ("that, where nothing is deflated", extensions("", path="/echo"), refused(400)),
)
