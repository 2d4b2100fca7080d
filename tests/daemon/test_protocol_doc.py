"""Plays every example of natter-protocol(7) against a real daemon.

An example is a `.Bd -literal` block of the page's source; one that is no
conversation says so in the line above, `.\\" not played: WHAT`. Its lines:

    ann opens /lobby?name=ann                   a connection, of the plain dialect
    ann opens / as natter.v1, natter.bearer.X   subprotocols; a comment in the block's head may add `with HEADER: VALUE`
    bob opens /@x: 400                          it is refused
    ann> {"message":"hi"}                       ann sends a text message; no JSON is sent as it stands
    ann, bob< {"message":"hi"}                  ann and bob receive one
    ann< close 1003 "REASON"                    the server closes
    ann closes                                  so does she: with a close frame; `goes`: without
    the server starts anew without its store    nobody is there then; its journal cannot be read until
    the store is back                           (for both, the daemon's state_dir is STATE)
      ,"more":1}                                a line that begins with a blank goes on with the one before

All that a client receives in the example has to stand there, in its order, with all members and no other; at the
example's end nobody has anything left. Values are as they stand, but for those that are other ones each time
(VARYING): the same value of the example has to be the same one throughout, sent or received.

What went before is in comments above the block, `.\\" before: LINE`: the same lines, but of what is received only
the given members count and everything else is skipped; or `.\\" conf: LINE` for the daemon's configuration.
"""
import hashlib
import itertools
import json
import os
import re
import socket
import struct
import subprocess
import tempfile
import threading
import time

import pytest

import jwt
from natterd import DEADLINE, Closed, Natterd, frame, hide_store, run, wait_for
from test_journal import has_sqlite

WORKERS = [1, 2]

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PAGE = os.path.join(TOP, "doc", "natter-protocol.7.in")

# Who is who: ann is a moderator, bob a user like others.
TOKENS = (("ann-token", "ann", "Ann", "moderator"), ("bob-token", "bob", "Bob", "user"))
CONF = "announce = name\n" + "".join(
    f'token "sha256:{hashlib.sha256(token.encode()).hexdigest()}" {{ user = {user} name = {name} role = {role} }}\n'
    for token, user, name, role in TOKENS)
# Tokens with an end, and for some rooms: these words stand for them.
SIGNED = {
    "ann-token-for-10-minutes": lambda: jwt.token("ann", 600, name="Ann"),
    "ann-token-for-a-day": lambda: jwt.token("ann", 86400, name="Ann"),
    "bob-token-for-news": lambda: jwt.token("bob", 86400, rooms={"join": ["news"], "write": []}),
    "bob-token-for-team-rooms": lambda: jwt.token("bob", 86400, rooms=["team-*"]),
}


class Example:
    """One block: .line is where it begins, .conf, .before and .lines what it says."""

    def __init__(self, line, conf, before, lines):
        self.line, self.conf, self.before, self.lines = line, conf, before, lines

    def __repr__(self):
        return f"line{self.line}"


def unroff(line):
    """A literal block's line as it is printed."""
    assert line[:1] not in (".", "'"), f"a macro in an example: {line}"
    return line.replace("\\&", "").replace("\\e", "\\").replace("\\-", "-").replace("\\(aq", "'").replace("\\(dq", '"')


def joined(lines):
    """Lines that begin with a blank go on with the one before."""
    whole = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            whole[-1] += " " + line.strip()
        elif line:
            whole.append(line)
    return whole


def examples(source):
    """The examples of a page's source."""
    found, conf, before, played, block, begin = [], [], [], True, None, 0
    for number, line in enumerate(source.splitlines(), 1):
        if block is not None:
            if line == ".Ed":
                if played:
                    found.append(Example(begin, conf, before, joined(block)))
                conf, before, played, block = [], [], True, None
            else:
                block.append(unroff(line))
        elif line.startswith(".Bd -literal"):
            block, begin = [], number
        elif line.startswith('.\\" not played: '):
            played = False
        elif line.startswith('.\\" conf: '):
            conf.append(line[10:])
        elif line.startswith('.\\" before: '):
            before.append(line[12:])
        elif line.startswith('.\\"  '):
            before.append(line[3:].strip())
        else:
            assert not (conf or before) or line in (".Pp",), f"line {number}: no example after its comments"
    return found


# ---- values that are other ones each time ----

def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Values:
    """What stands for what in one example."""

    def __init__(self):
        self.actual = {}  # (kind, the example's) to the daemon's

    def is_time(self, name, value):
        return name in ("time", "since") and isinstance(value, int) and not isinstance(value, bool)

    def put_in(self, value, name=""):
        """What is to be sent."""
        if isinstance(value, dict):
            return {k: self.put_in(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.put_in(v, name) for v in value]
        if name == "token" and value in SIGNED:
            return SIGNED[value]()
        return self.actual.get((name, value), value) if name in ("session", "epoch") else value

    def bind(self, kind, expected, actual):
        assert self.actual.setdefault((kind, expected), actual) == actual, f"{kind} {expected!r} was another one before"

    def match(self, expected, actual, name="", part=False):
        """Compares what came with what the example says; PART: members that it does not say are fine."""
        if isinstance(expected, dict):
            assert isinstance(actual, dict), (expected, actual)
            missing, extra = expected.keys() - actual.keys(), actual.keys() - expected.keys()
            assert not missing, f"members {sorted(missing)} did not come: {actual}"
            assert part or not extra, f"members {sorted(extra)} came as well: {actual}"
            for k, v in expected.items():
                self.match(v, actual[k], k, part)
        elif isinstance(expected, list):
            assert isinstance(actual, list) and len(actual) == len(expected), (expected, actual)
            for e, a in zip(expected, actual):
                self.match(e, a, name, part)
        elif name in ("session", "epoch") and isinstance(expected, str) and expected:
            assert isinstance(actual, str) and actual, (name, actual)
            self.bind(name, expected, actual)
            others = [e for (k, e), a in self.actual.items() if k == name and a == actual]
            assert others == [expected], f"{name} {actual!r} is {others} in the example"
            if name == "session":
                assert len(expected) == len(actual), f"a secret has {len(actual)} bytes"
        elif self.is_time(name, expected):
            assert self.is_time(name, actual), (name, actual)
            assert len(str(actual)) == len(str(expected)), (name, actual)
            self.bind(name, expected, actual)
        elif name in ("retry_after", "in"):
            assert is_number(actual) and 0 < actual <= expected, (name, actual)
        elif name == "version":
            assert isinstance(actual, str) and actual == run("--version")[1].split()[1], actual
        elif is_number(expected):
            assert is_number(actual) and actual == expected, f"{name}: {actual!r}, not {expected!r}"
        else:
            assert type(expected) is type(actual) and expected == actual, f"{name}: {actual!r}, not {expected!r}"


# ---- playing ----

NAMES = r"([a-z]+(?:, [a-z]+)*)"
OPENS = re.compile(NAMES + r" opens (\S+?)(?: as (\S+(?:, \S+)*?))?(?: with ([^\"]+?))?(?:: (\d{3}))?")
SENDS = re.compile(NAMES + r"> (.*)")
RECEIVES = re.compile(NAMES + r"< (.*)")
CLOSE = re.compile(r'close (\d+)(?: "(.*)")?')
ENDS = re.compile(NAMES + r" (closes|goes)")


class Play:
    """One example and its clients. STATE: the daemon's state directory, where it has one."""

    def __init__(self, daemon, state):
        self.daemon, self.state, self.clients, self.values = daemon, state, {}, Values()

    def starts_without_store(self):
        self.daemon.stop()
        hide_store(self.state, True)
        self.daemon.start()
        wait_for("the store to fail", lambda: self.daemon.log_contains("unable to open database file"))

    def opens(self, who, path, subprotocols, header, status):
        for word in SIGNED:
            if subprotocols and word in subprotocols:
                subprotocols = subprotocols.replace(word, SIGNED[word]())
        headers = [f"Sec-WebSocket-Protocol: {subprotocols}"] if subprotocols else []
        client = self.daemon.connect(path, headers=headers + ([header] if header else []), upgrade=False)
        client.send_raw(client.request)
        client.read_handshake(int(status or 101))
        if status:
            client.close()
            return
        if subprotocols:
            assert client.headers.get("sec-websocket-protocol") == subprotocols.split(",")[0], client.headers
        assert who not in self.clients, f"{who} is there already"
        self.clients[who] = client

    def sends(self, who, text):
        try:
            text = json.dumps(self.values.put_in(json.loads(text)), ensure_ascii=False)
        except ValueError:
            pass
        self.clients[who].send(text)

    def receives(self, who, what):
        close = CLOSE.fullmatch(what)
        try:
            got = self.clients[who].recv()
        except TimeoutError:
            raise AssertionError(f"{who} received nothing") from None
        except Closed as e:
            assert close and e.args == (int(close[1]), close[2] or ""), (e.args, what)
            self.ends(who, "closes")
            return
        assert not close, f"{who} received {got}"
        self.values.match(json.loads(what), json.loads(got))

    def skips_to(self, who, what):
        """To a message that has these members."""
        close, client = CLOSE.fullmatch(what), self.clients[who]
        if close:
            assert client.recv_close() == (int(close[1]), close[2] or "")
            self.ends(who, "goes")
            return
        while True:
            got = client.recv_json()
            values, self.values.actual = dict(self.values.actual), dict(self.values.actual)
            try:
                self.values.match(json.loads(what), got, part=True)
                return
            except AssertionError:
                self.values.actual = values

    def ends(self, who, how):
        client = self.clients.pop(who)
        time.sleep(0.1)  # the daemon has read all
        if how == "closes":
            client.send_raw(frame(8, struct.pack(">H", 1000)))
            client.read_to_end()
        client.close()
        time.sleep(0.1)  # the daemon knows

    def pending(self, who):
        """What is there without waiting."""
        client = self.clients[who]
        client.sock.settimeout(0.001)
        try:
            return client.recv()
        except TimeoutError:
            return None
        finally:
            client.sock.settimeout(DEADLINE)

    def line(self, line, before):
        opens, sends, receives, ends = (x.fullmatch(line) for x in (OPENS, SENDS, RECEIVES, ENDS))
        if opens:
            self.opens(*opens.groups())
        elif sends:
            self.sends(*sends.groups())
        elif receives:
            for who in receives[1].split(", "):
                (self.skips_to if before else self.receives)(who, receives[2])
        elif ends:
            self.ends(*ends.groups())
        elif line == "the server starts anew without its store":
            self.starts_without_store()
        elif line == "the store is back":
            hide_store(self.state, False)
        else:
            raise AssertionError("no line of an example")

    def lines(self, lines, before):
        for line in lines:
            try:
                self.line(line, before)
            except (AssertionError, Closed, KeyError, ValueError, OSError) as e:
                raise AssertionError(f"{line}\n    {type(e).__name__}: {e}") from e

    def drain(self):
        """What the clients have received so far is not the example's."""
        if self.clients:
            time.sleep(0.1)
            for who in self.clients:
                while self.pending(who) is not None:
                    pass

    def nothing_is_left(self):
        time.sleep(0.1)
        for who in self.clients:
            left = self.pending(who)
            assert left is None, f"{who} also received {left}"


def conf(example):
    signed = jwt.section(leeway="0") if any(word in line for word in SIGNED for line in example.before + example.lines) else ""
    if signed:
        jwt.needed()
    return CONF + signed + "\n".join(example.conf) + "\n"


def play(example):
    stores = any("STATE" in line for line in example.conf)
    if stores and not has_sqlite():
        pytest.skip("natterd was built without SQLite")
    with tempfile.TemporaryDirectory(prefix="natterd-state-") as state, \
            Natterd(re.sub(r"\bSTATE\b", state, conf(example))) as daemon:
        p = Play(daemon, state)
        try:
            p.lines(example.before, before=True)
            p.drain()
            p.lines(example.lines, before=False)
            p.nothing_is_left()
        finally:
            for client in p.clients.values():
                client.close()


with open(PAGE, encoding="utf-8") as f:
    SOURCE = f.read()
EXAMPLES = examples(SOURCE)


@pytest.mark.parametrize("example", EXAMPLES, ids=repr)
def test_example(workers, example):
    play(example)


# ---- everything is in the manual ----

def rows(file, macro):
    with open(os.path.join(TOP, "src", file), encoding="utf-8") as f:
        found = re.findall(rf"^{macro}\((\w+)", f.read(), re.M)
    assert found, f"no {macro} rows in {file}"
    return found


@pytest.fixture(scope="module")
def page():
    return subprocess.run(["awk", "-f", f"{TOP}/doc/tables.awk", "-v", f"src={TOP}", "-v", "sysconfdir=/etc", PAGE],
                          capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("file, macro",
                         [("base/close.def", "CLOSE"), ("chat/reply.def", "REPLY"), ("chat/command.def", "COMMAND")])
def test_every_row_is_in_the_manual(page, file, macro):
    for row in rows(file, macro):
        assert re.search(rf"\b{row}\b", page), f"{macro} {row}"


def types(pattern):
    """The types of what natter.v1 clients send, or receive, in the examples."""
    found = set()
    for example in EXAMPLES:
        v1 = {who for line in example.before + example.lines if (m := OPENS.fullmatch(line)) and "natter.v1" in (m[3] or "")
              for who in [m[1]]}
        for m in filter(None, map(pattern.fullmatch, example.lines)):
            if v1.intersection(m[1].split(", ")) and m[2].startswith("{"):
                whole = json.loads(m[2])
                found |= {x.get("type") for x in [whole, *whole.get("messages", [])]}
    return found


def test_every_request_has_an_example():
    assert set(rows("chat/command.def", "COMMAND")) <= types(SENDS)


def test_every_type_of_the_server_has_an_example():
    """Those that session.c keeps clients from using; `system` is not for natter.v1."""
    with open(os.path.join(TOP, "src/chat/session.c"), encoding="utf-8") as f:
        ours = re.search(r"ours\[\] = \{(.*?)\};", f.read(), re.S)[1]
    assert set(re.findall(r'"(\w+)"', ours)) - {"system"} <= types(RECEIVES)


# ---- the clients at the manual's end ----

class Line:
    """A line to a daemon that can be cut, and is mended at once; but the second try of all ends in its handshake."""

    def __init__(self, port):
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port, self.to, self.ends, self.lock = self.door.getsockname()[1], port, [], threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        for i in itertools.count():
            try:
                a = self.door.accept()[0]
            except OSError:
                return
            if i == 1:
                a.recv(1)
                a.close()
                continue
            b = socket.create_connection(("127.0.0.1", self.to))
            with self.lock:
                self.ends += [a, b]
            for x, y in ((a, b), (b, a)):
                threading.Thread(target=self.carry, args=(x, y), daemon=True).start()

    def carry(self, x, y):
        try:
            while data := x.recv(65536):
                y.sendall(data)
        except OSError:
            pass
        self.end(x, y)

    def end(self, *ends):
        for x in ends:
            try:
                x.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        with self.lock:
            self.end(*self.ends)
            self.ends = []

    def close(self):
        self.door.close()
        self.cut()


# As a browser's: node's own never says that an opening handshake failed.
WS = """
const WS = require(%s);
globalThis.WebSocket = class extends WS {
	constructor(...args) {
		super(...args);
		this.on("error", () => {});
	}
};
""" % json.dumps(os.path.join(TOP, "tests/browser/node_modules/ws"))


@pytest.fixture(scope="module")
def node():
    """Runs JavaScript; its lines as they come."""
    command = ["node", "-e"]
    try:
        found = subprocess.run([*command, WS], capture_output=True, check=False)
    except OSError:
        found = None
    if found is None or found.returncode:
        pytest.skip("there is no node with the package ws (tests/browser)")

    def go(script):
        p = subprocess.Popen([*command, WS + script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        timer = threading.Timer(6 * DEADLINE, p.kill)
        timer.daemon = True
        timer.start()
        return p
    return go


def script(which):
    return re.search(rf'^\.\\" not played: {which}\n\.Bd -literal\n(.*?)^\.Ed', SOURCE, re.M | re.S)[1]


def test_the_plain_client(workers, plain, node):
    js = script("plain")
    assert "localhost:9600" in js
    with node(js.replace("localhost:9600", f"127.0.0.1:{plain.port}")) as p:
        assert p.stdout.readline() == "127.0.0.1 connected\n"
        assert p.stdout.readline() == "ann hello\n"
        p.kill()


def test_the_natter_v1_client_knows_when_to_stop():
    (final,) = re.findall(r"const final = \[([\d, ]+)\]", script("v1"))
    with open(os.path.join(TOP, "src/base/close.def"), encoding="utf-8") as f:
        closes = re.findall(r"^CLOSE\(\w+, (\d+), (\w+)", f.read(), re.M)
    assert set(final.split(", ")) == {code for code, verdict in closes if verdict == "STAY_AWAY" and code < "4"}


CUTS = """
const shown = [], say = chat("ws://127.0.0.1:PORT/lobby", (m) => {
	shown.push(m && m.message);
	console.log(JSON.stringify(m));
});
let n = 0;
process.stdin.once("data", () => setInterval(() => { if (n < 100) say("MINE" + n++); }, 20));
"""


def test_the_natter_v1_client(workers, start, node):
    """Two of them talk over lines that are cut: each hears everything once, in the same order."""
    daemon = start("")
    lines = [Line(daemon.port) for _ in "ab"]
    clients = [node(script("v1") + CUTS.replace("PORT", str(line.port)).replace("MINE", name))
               for line, name in zip(lines, "ab")]
    for p in clients:
        assert p.stdout.readline() == "null\n"  # it has joined
    for p in clients:
        p.stdin.write("\n")
        p.stdin.flush()
    for i in range(6):
        time.sleep(0.3)
        lines[i % 2].cut()
    heard = [[json.loads(p.stdout.readline()) for _ in range(200)] for p in clients]
    for p, line in zip(clients, lines):
        p.kill()
        p.communicate()
        line.close()
    assert None not in heard[0] and heard[0] == heard[1]
    assert [m["seq"] for m in heard[0]] == list(range(1, 201))
    assert sorted(m["message"] for m in heard[0]) == sorted(x + str(i) for x in "ab" for i in range(100))


# ---- and the examples can fail ----

GOOD = """\
ann opens /lobby?name=ann
ann< {"type":"system","message":"ann connected"}
ann> {"message":"hi"}
ann< {"message":"hi","name":"ann","type":"usermsg","room":"lobby","seq":1,"time":1795229941605}
ann> {"message":"ho"}
ann< {"message":"ho","name":"ann","type":"usermsg","room":"lobby","seq":2,"time":1795229941606}
ann> [1]
ann< {"type":"error","code":"bad_json","message":"the message is not a JSON object: it is an array"}
bob opens /a/..%2f%00: 400
"""


def block(text):
    return f".Bd -literal\n{text}.Ed\n"


def test_a_right_example_is_played(workers):
    (example,) = examples(block(GOOD))
    play(example)


@pytest.mark.parametrize("what, instead", [
    ('"name":"ann",', ""),                          # a member is missing
    ('"seq":1', '"seq":1,"more":1'),                # one too many
    ('"seq":2', '"seq":3'),
    ('"seq":1', '"seq":"1"'),
    ('"seq":1', '"seq":true'),
    ('"time":1795229941605', '"time":"now"'),
    ('"code":"bad_json"', '"code":"bad_request"'),
    ("ann connected", "bob connected"),
    ("bob opens /a/..%2f%00: 400", "bob opens /a: 400"),
    ("bob opens /a/..%2f%00: 400", "bob opens /a/..%2f%00"),
    ("bob opens /a/..%2f%00: 400", "bob opens /lobby?name=bob"),  # ann hears that
    ('ann> {"message":"ho"}', ""),
    ('ann> {"message":"ho"}', "bob> {}"),
    ("ann> [1]", "ann says something"),
])
def test_a_wrong_example_fails(workers, what, instead, monkeypatch):
    monkeypatch.setattr("natterd.DEADLINE", 1.0)
    assert what in GOOD
    text = GOOD.replace(what, instead)
    (example,) = examples(block(text))
    with pytest.raises(AssertionError):
        play(example)


def wrong(value, name=""):
    """VALUE as it must not be, in all ways that have to be noticed."""
    if isinstance(value, dict):
        yield dict(value, also=1)
        for k, v in value.items():
            yield {other: x for other, x in value.items() if other != k}
            for w in wrong(v, k):
                yield dict(value, **{k: w})
    elif isinstance(value, list):
        yield [*value, 1]
        for i, v in enumerate(value):
            for w in wrong(v, name):
                yield [*value[:i], w, *value[i + 1 :]]
    elif value is None:
        yield ""
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, str):
        yield None
        if name not in ("session", "epoch", "version"):
            yield value + "x"
    else:
        yield str(value)
        if name not in ("time", "since"):
            yield value + 1


def test_nothing_in_an_example_is_left_unchecked():
    for example in EXAMPLES:
        for line in example.lines:
            got = RECEIVES.fullmatch(line)
            if not got or CLOSE.fullmatch(got[2]):
                continue
            whole = json.loads(got[2])
            whole.pop("version", None)  # that of the daemon
            Values().match(whole, whole)
            for w in wrong(whole):
                with pytest.raises(AssertionError):
                    Values().match(whole, w)
