"""A natter.v1 client for the tests: asks, waits for its answer, and keeps what comes meanwhile in its order.

Here is also what the configurations of these tests have in common: tokens of made-up users.
"""
import collections
import hashlib
import itertools
import json
import os

from natterd import DEADLINE, TEXT, Closed, frame

# Types that answer a request beside `ok` and `error`.
ANSWERS = {"join": "joined", "who": "who", "history": "history", "rooms": "rooms", "conversations": "conversations",
           "ping": "pong"}
USERS = 60  # whom `tokens()` knows


def unique(members):
    """An object of which no member is there twice: other languages' parsers refuse that, or take the first one."""
    names = [name for name, _ in members]
    assert len(set(names)) == len(names), members
    return dict(members)


class Frame(dict):
    """What came: an object, and the text that it was."""

    def __init__(self, text):
        super().__init__(json.loads(text, object_pairs_hook=unique))
        self.text = text


class Refused(Exception):
    """The answer was an error."""

    def __init__(self, answer):
        super().__init__(answer.text)
        self.answer = answer
        self.code = answer["code"]


class V1:
    """One connection. `events` are frames that nobody took yet; answers to requests are not among them."""

    def __init__(self, daemon, path="/", *, token=None, headers=(), protocols="natter.v1", resume=None, welcome=True,
                 user=None, **kwargs):
        headers = list(headers)
        if protocols:
            headers.append(f"Sec-WebSocket-Protocol: {protocols}")
        if user is not None:
            token = secret(user)
        if token:
            headers.append(f"Authorization: Bearer {token}")
        self.client = daemon.connect(path, headers=headers, **kwargs)
        self.events = collections.deque()
        self.answers = {}
        self.prefix = os.urandom(6).hex()
        self.numbers = itertools.count(1)
        self.welcome = None
        if welcome:
            self.welcome = self.read()
            assert self.welcome["type"] == "welcome", self.welcome
            self.session = self.welcome["session"]
        if resume:
            self.ok("resume", session=resume)
            self.session = resume

    # ---- out ----

    def post(self, type, cid=None, **members):
        """Sends a request without waiting; its cid."""
        cid = cid or self.cid()
        self.client.send(json.dumps({"type": type, "cid": cid, **members}))
        return cid

    def cid(self):
        return f"{self.prefix}-{next(self.numbers)}"

    def send(self, **members):
        """Sends just that."""
        self.client.send(json.dumps(members))

    # ---- in ----

    def read(self):
        return Frame(self.client.recv())

    def pump(self):
        """Takes one frame in."""
        got = self.read()
        if "cid" in got and got["type"] in {"ok", "error", *ANSWERS.values()}:
            self.answers.setdefault(got["cid"], collections.deque()).append(got)
        else:
            self.events.append(got)

    def answer(self, cid):
        """The answer to the request that had this cid."""
        while cid not in self.answers:
            self.pump()
        got = self.answers[cid].popleft()
        if not self.answers[cid]:
            del self.answers[cid]
        return got

    def request(self, type, cid=None, **members):
        """Asks, and waits for the answer."""
        return self.answer(self.post(type, cid, **members))

    def ok(self, type, cid=None, **members):
        """Asks for what has to be granted."""
        got = self.request(type, cid, **members)
        if got["type"] == "error":
            raise Refused(got)
        assert got["type"] == ANSWERS.get(type, "ok"), got
        return got

    def error(self, code, type, cid=None, **members):
        """Asks for what has to be refused so."""
        got = self.request(type, cid, **members)
        assert got["type"] == "error" and got["code"] == code, (code, got)
        assert got["message"], got
        return got

    def next(self):
        """The next event, whatever it is."""
        while not self.events:
            self.pump()
        return self.events.popleft()

    def expect(self, type, **members):
        """The next event with these members; others before it are dropped."""
        while True:
            got = self.next()
            if got["type"] == type and all(k in got and got[k] == v for k, v in members.items()):
                return got

    def sync(self):
        """What this connection's worker had to say before is in `events` now."""
        self.ok("ping")

    def nothing(self, *types, seconds=0.3, **members):
        """None of these comes, nor has come."""
        def wrong(got):
            return (not types or got["type"] in types) and all(got.get(k) == v for k, v in members.items())
        self.client.sock.settimeout(seconds)
        try:
            while True:
                self.pump()
        except TimeoutError:
            pass
        finally:
            self.client.sock.settimeout(DEADLINE)
        bad = [x for x in self.events if wrong(x)]
        assert not bad, bad

    def closed(self):
        """Reads to the close frame: (code, reason). What comes before it is kept."""
        try:
            while True:
                self.pump()
        except Closed as e:
            assert e.args, "the connection ended without a close frame"
            return e.args

    # ---- what one does all the time ----

    def join(self, room, **members):
        return self.ok("join", room=room, **members)

    def leave(self, room):
        return self.ok("leave", room=room)

    def say(self, room, message, **members):
        """Says it, and takes its own copy (and what was before it)."""
        got = self.ok("message", room=room, message=message, **members)
        return self.expect("usermsg", room=room, seq=got["seq"])

    def hear(self, message, **members):
        return self.expect("usermsg", message=message, **members)

    def close(self):
        self.client.close()

    def reset(self):
        """Goes as a cut line does, with an RST."""
        self.client.reset()


# ---- rooms, users ----

numbers = itertools.count(1)
users = itertools.count(1)


def new_room(stem="r"):
    """A room that no other test of this run is in."""
    return f"{stem}{next(numbers)}-{os.getpid()}"


def new_user():
    """A user that no other test of this module has: `mod...` of tokens() aside. Its id."""
    return f"u{next(users) % USERS}"


def secret(user):
    """The token of a user that tokens() made."""
    return f"the-secret-of-{user}-0123456789abcdef"


def display(user):
    """The name in its token."""
    return "The " + user.capitalize()


def token_section(token, user, name=None, role=None):
    text = f'token sha256:{hashlib.sha256(token.encode()).hexdigest()} {{ user = "{user}"'
    if name:
        text += f' name = "{name}"'
    if role:
        text += f' role = "{role}"'
    return text + " }\n"


def tokens():
    """u0 … are users, mod0 … mod4 moderators, adm is an admin; anon and bare have no name of their own."""
    text = "".join(token_section(secret(f"u{i}"), f"u{i}", display(f"u{i}")) for i in range(USERS))
    text += "".join(token_section(secret(f"mod{i}"), f"mod{i}", display(f"mod{i}"), "moderator") for i in range(5))
    text += token_section(secret("adm"), "adm", display("adm"), "admin")
    return text + token_section(secret("bare"), "bare")


# The portable build cannot know whether the machine went on when the daemon was killed: there only the disk proves anything.
KILL_PROOF = "durability = disk\n" if os.environ.get("NATTER_PORTABLE") == "yes" else ""
COMMON = "announce = name\nmessage_rate = 0\ntoken_cookie = natter_token\n" + tokens()


def contiguous(seqs, begin):
    """They rise by one from there, none missing and none twice."""
    seqs = list(seqs)
    assert seqs == list(range(begin, begin + len(seqs))), seqs


def batch(*requests):
    """Many requests as bytes to be written at once: how a client that does not wait for answers does it."""
    return b"".join(frame(TEXT, json.dumps(r)) for r in requests)


def plain(daemon, room, **kwargs):
    """A client of the plain dialect that has its place in the room."""
    c = daemon.connect(f"/{room}", **kwargs)
    mark = os.urandom(6).hex()
    c.send_json(type="here", mark=mark)
    c.recv_until(type="here", mark=mark)
    return c

