"""JSON Web Tokens: wherever they come from, what they allow, and when they end."""
import json
import os
import re
import shutil
import subprocess
import time

import pytest

import jwt
from natterd import DEADLINE, HERE, Closed, Natterd, run, wait_for
from v1 import COMMON, V1, new_room, new_user, plain, secret

CONTRIB = os.path.join(HERE, "..", "..", "contrib")
CONFIG = "token_query = yes\ntoken_warning = 2s\n" + COMMON


@pytest.fixture(scope="module", autouse=True)
def with_libjwt():
    jwt.needed()


@pytest.fixture(scope="module")
def server(workers):
    """Knows three keys, and the static tokens of v1.tokens()."""
    config = CONFIG + jwt.section("HS256", leeway="0") + jwt.section("RS256") + jwt.section("ES256")
    with Natterd(config) as d:
        yield d
        d.hang_up()


# ---- where it comes from ----

PLACES = {
    "header": lambda t: {"headers": [f"Authorization: Bearer {t}"]},
    "cookie": lambda t: {"headers": [f"Cookie: a=b; natter_token={t}"]},
    "subprotocol": lambda t: {"bearer": f", natter.bearer.{t}"},
    "query": lambda t: {"path": f"?token={t}"},
}


def present(d, where, token, dialect="natter.v1", path="/", **kwargs):
    """A client whose request has the token there; not more than the socket and its request."""
    how = PLACES[where](token)
    headers = how.get("headers", []) + [f"Sec-WebSocket-Protocol: {dialect}{how.get('bearer', '')}"]
    return d.connect(path + how.get("path", ""), headers=headers, **kwargs)


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
@pytest.mark.parametrize("where", PLACES)
def test_every_place_natter_v1(server, where, algorithm):
    c = present(server, where, jwt.token("ann-7", name="Ann 7", role="moderator", algorithm=algorithm))
    assert c.headers["sec-websocket-protocol"] == "natter.v1"
    welcome = c.recv_json()
    assert (welcome["user"], welcome["name"], welcome["role"]) == ("ann-7", "Ann 7", "moderator")
    c.close()


@pytest.mark.parametrize("where", PLACES)
def test_every_place_plain(server, room, where):
    c = present(server, where, jwt.token("bob-7", name="Bob 7"), "chat", "/" + room)
    c.send_json(message="x")
    m = c.recv_until(message="x")
    assert (m["user"], m["name"]) == ("bob-7", "Bob 7")
    c.close()


def test_by_auth(server, room):
    c = V1(server)
    who = c.ok("auth", token=jwt.token("carl-7", name="Carl 7"))
    assert (who["user"], who["name"], who["role"]) == ("carl-7", "Carl 7", "user")
    c.join(room)
    assert c.say(room, "x")["user"] == "carl-7"


def test_static_tokens_are_as_they_were(server):
    assert V1(server, user="u1").welcome["user"] == "u1"


def refusals():
    """(why, token): all that must not be taken."""
    good = jwt.token("eve")
    head, body, sig = good.split(".")
    with open(jwt.pair("RS256")[1], encoding="ascii") as f:
        public = f.read()
    return [
        ("no signature", jwt.token("eve", algorithm="none")),
        ("none at all", f"{head}.{body}."),
        ("another secret", jwt.token("eve", secret=jwt.SECRET_2)),
        ("the public key as a secret", jwt.token("eve", secret=public)),
        ("changed", f"{head}.{jwt.encode(json.dumps({'sub': 'root', 'exp': 4102444800}).encode())}.{sig}"),
        ("cut", good[:-1]), ("padded", good + "="),
        ("critical", jwt.token("eve", header={"crit": ["exp"]})),
        ("over", jwt.token("eve", -1)), ("without an end", jwt.token("eve", exp=None)),
        ("an end in words", jwt.token("eve", exp="4102444800")),
        ("not yet", jwt.token("eve", nbf=int(time.time()) + 300)), ("without a user", jwt.token(None)),
        ("for somebody", jwt.token("eve", aud="shop")), ("unknown limits", jwt.token("eve", rooms={"read": []})),
    ]


def test_refused(server):
    c = V1(server)
    for why, t in refusals():
        got = c.error("bad_token", "auth", token=t)
        assert got["message"].startswith("this token logs nobody in: "), (why, got)
        s = present(server, "header", t, upgrade=False)
        s.send_raw(s.request)
        assert s.read_response() == 401, why
        s.close()
    c.sync()


def test_says_why_to_who_has_a_signed_one(start):
    d = start(CONFIG + jwt.section(leeway="0"))
    c = V1(d)
    for t, why in ((jwt.token("eve", -1), "the token has expired"), (jwt.token("eve", aud="x"), "another audience"),
                   (jwt.token(7), "no user (sub)"), (jwt.token("eve", -1, secret=jwt.SECRET_2), "not known here")):
        assert why in c.error("bad_token", "auth", token=t)["message"]
        wait_for("the log's line", lambda w=why: w in d.log())


def test_never_logged(start, room):
    """Not a part of it, wherever it was, whether it was taken or not."""
    d = start("log_level = debug\n" + CONFIG + jwt.section())
    tokens = []

    def fresh(**claims):
        tokens.append(jwt.token(**{"sub": new_user(), **claims}))
        return tokens[-1]

    for where in PLACES:
        c = present(d, where, fresh(rooms=["*"]), path="/" + room)
        c.recv_json()
        c.close()
        c = present(d, where, fresh(name="Zoe"), "chat", "/" + room)
        c.close()
        for bad in (fresh(exp=1), fresh(secret=jwt.SECRET_2), fresh(aud="x") + "x", fresh(header={"kid": "a" * 40})[:-20] + "="):
            tokens.append(bad)
            for dialect in ("natter.v1", "chat"):
                c = present(d, where, bad, dialect, "/" + room, upgrade=False)
                c.send_raw(c.request)
                assert c.read_response() in (400, 401)
                assert not any(p in str(c.headers) for p in bad.split("."))
                c.close()
    c = present(d, "header", fresh(), upgrade=False)  # two at once
    c.send_raw(c.request.replace(b"\r\n\r\n", f"\r\nCookie: natter_token={fresh()}\r\n\r\n".encode()))
    assert c.read_response() == 400
    c = V1(d)
    c.ok("auth", token=fresh())
    c.error("bad_token", "auth", token=fresh(exp=1))
    c.error("bad_token", "auth", token=fresh() + "x")
    c.error("bad_request", "auth", token=fresh(sub="another"))
    c.send(type="auth", token=fresh(), more=[fresh()])
    c.send(type=fresh(), token=fresh(), room=room)
    c.client.send('{"type":"auth","token":"' + fresh())
    c.sync()
    c.close()
    assert "token refused" in d.log()
    d.hang_up()
    d.stop()
    log = d.log()
    same = jwt.token("x").split(".")[0]
    for t in tokens:
        for part in re.split(r"[.=]", t):
            assert len(part) < 8 or part not in log, part
    assert same not in log and not re.search(r"eyJ[\w-]{5}", log)


# ---- keys ----

def test_rotation(start):
    """Two keys at once, told apart by their ids; afterwards only the new one."""
    old = jwt.section(title="old", kid="2025")
    new = jwt.section(title="new", secret=jwt.SECRET_2, kid="2026")
    by_old = jwt.token("ann", header={"kid": "2025"})
    by_new = jwt.token("ann", header={"kid": "2026"}, secret=jwt.SECRET_2)
    d = start(COMMON + old + new)
    for t in (by_old, by_new):
        assert V1(d, token=t).welcome["user"] == "ann"
    c = V1(d)
    for t in (jwt.token("ann"), jwt.token("ann", header={"kid": "2026"}),
              jwt.token("ann", header={"kid": "2024"}), jwt.token("ann", secret=jwt.SECRET_2, header={"kid": "2025"})):
        c.error("bad_token", "auth", token=t)
    d = start(COMMON + new)
    assert V1(d, token=by_new).welcome["user"] == "ann"
    V1(d).error("bad_token", "auth", token=by_old)


def test_whom_it_is_for(start):
    d = start(COMMON + jwt.section(issuer="https://example.org", audience="chat"))
    c = V1(d)
    good = {"iss": "https://example.org", "aud": ["shop", "chat"]}
    for wrong in ({"iss": None}, {"iss": "https://example.com"}, {"aud": None}, {"aud": "shop"}):
        c.error("bad_token", "auth", token=jwt.token("ann", **{**good, **wrong}))
    assert c.ok("auth", token=jwt.token("ann", **good))["user"] == "ann"


def test_leeway(start):
    d = start(COMMON + jwt.section())
    c = V1(d)
    c.error("bad_token", "auth", token=jwt.token("ann", -40))
    c.error("bad_token", "auth", token=jwt.token("ann", nbf=int(time.time()) + 60))
    assert c.ok("auth", token=jwt.token("ann", -10, nbf=int(time.time()) + 15))["user"] == "ann"


@pytest.mark.parametrize("algorithm, content, mode, why", [
    ("HS256", "twenty-bytes-of-a-key", 0o600, "shorter than 32 bytes"),
    ("HS256", jwt.SECRET, 0o644, "everybody on this machine can read or write it: chmod o-rw it"),
    ("RS256", jwt.SECRET, 0o600, "no public key in PEM form"),
    ("HS256", None, None, "No such file or directory"),
])
def test_bad_keys(tmp_path, algorithm, content, mode, why):
    """Neither -t nor a start takes them, and both name the file."""
    key, conf = tmp_path / "the.key", tmp_path / "conf"
    if content:
        key.write_text(content)
        key.chmod(mode)
    conf.write_text(f'jwt site {{ algorithm = {algorithm} key = "{key}" }}\nlistener a {{ port = 0 }}\n')
    for args in (("-t",), ()):
        status, out = run("-c", str(conf), *args)
        assert status != 0 and f"{conf}:1: " in out and f"{key}: " in out and why in out, out
        assert content is None or content not in out


# ---- rooms ----

ROOMS = {"join": ["lobby", "team-*", "news"], "write": ["lobby", "team-*"], "moderate": ["team-1"]}


def test_rooms(server):
    c = V1(server, token=jwt.token(new_user(), rooms=ROOMS))
    assert c.welcome["role"] == "user"
    for room in ("secret", "Lobby", "teams", "xlobby"):
        c.error("room_forbidden", "join", room=room)
    c.error("not_joined", "message", room="secret", message="x")
    joined = c.join("lobby")
    assert "read_only" not in joined and joined["role"] == "user"
    c.say("lobby", "x")
    joined = c.join("news", history=5)
    assert joined["read_only"] is True
    for type_, members in (("message", {"message": "x"}), ("typing", {}), ("edit", {"seq": 1, "message": "y"})):
        c.error("read_only", type_, room="news", **members)
    c.ok("who", room="news")
    c.ok("history", room="news")
    c.error("forbidden", "topic", room="news", topic="x")
    c.error("forbidden", "topic", room="lobby", topic="x")
    assert c.join("team-1")["role"] == "moderator"
    c.ok("topic", room="team-1", topic="x")
    assert c.join("team-2")["role"] == "user"
    c.error("forbidden", "ban", room="team-2", user="u1", duration=1)
    c.ok("direct", user=new_user(), message="x")  # that is about no room


def test_a_moderator_of_a_room_deletes_there(server):
    talker, mod = V1(server, user="u9"), V1(server, token=jwt.token("mod-7", rooms={"moderate": ["mine-*"]}))
    mine, other = new_room("mine-"), new_room("other-")
    for room in (mine, other):
        talker.join(room)
        mod.join(room)
        seq = talker.say(room, "x")["seq"]
        if room == mine:
            mod.ok("delete", room=room, seq=seq)
        else:
            mod.error("not_yours", "delete", room=room, seq=seq)


def test_rooms_plain(server):
    t = jwt.token(new_user(), rooms={"join": ["news"], "write": []})
    c = present(server, "header", t, "chat", "/lobby", upgrade=False)
    c.send_raw(c.request)
    assert c.read_response() == 403
    c.close()
    c = present(server, "header", t, "chat", "/news?history=1")
    for text in ('{"message":"x"}', '{"type":"typing"}'):
        c.send(text)
        assert c.recv_until(type="error")["code"] == "read_only"
    c.close()


def test_a_new_token_puts_out_of_rooms(server):
    user, stay, go = new_user(), new_room("stay-"), new_room("go-")
    c, other = V1(server, token=jwt.token(user)), V1(server)
    for x in (other, c):
        x.join(stay)
        x.join(go)
    assert c.ok("auth", token=jwt.token(user, rooms=["stay-*"]))["user"] == user
    assert c.expect("kicked")["room"] == go
    other.expect("presence", event="leave", room=go)
    c.error("not_joined", "message", room=go, message="x")
    c.error("room_forbidden", "join", room=go)
    c.say(stay, "x")


# ---- the end, and renewal ----

# Each is a generator: what it does before all wait, and, behind its yield, what has to come. They wait together.

def told_and_closed(d, room):
    c = V1(d, token=jwt.token(new_user(), 4))
    c.join(room)
    yield
    told = c.expect("token_expiring")
    assert 1 <= told["in"] <= 2 and set(told) == {"type", "in"}
    assert c.closed() == (4003, "the token has expired; come back with a new one")
    assert "token_expiring" not in [e["type"] for e in c.events]  # once


def renewed(d, room):
    user = new_user()
    c, other = V1(d, token=jwt.token(user, 3, name="Renewer")), V1(d)
    other.join(room)
    c.join(room)
    other.expect("presence", event="join", name="Renewer")
    c.expect("token_expiring")
    assert c.ok("auth", token=jwt.token(user, 600, name="Renewer"))["name"] == "Renewer"
    yield
    yield  # all others have ended
    assert c.say(room, "still here")["user"] == user
    other.hear("still here")
    assert not [e for e in other.events if e["type"] == "presence"]  # nobody else was bothered
    assert "token_expiring" not in [e["type"] for e in c.events]


def a_shorter_one(d, room):
    user = new_user()
    c = V1(d, token=jwt.token(user, 600))
    c.ok("auth", token=jwt.token(user, 3))
    yield
    c.expect("token_expiring")
    assert c.closed()[0] == 4003


def a_static_one(d, room):
    c = V1(d, token=jwt.token("u3", 3))
    c.ok("auth", token=secret("u3"))  # without an end
    yield
    yield
    c.sync()
    assert "token_expiring" not in [e["type"] for e in c.events]


def another_user_s(d, room):
    c = V1(d, token=jwt.token("ann", 4))
    c.error("bad_request", "auth", token=jwt.token("bob"))
    c.error("bad_token", "auth", token=jwt.token("ann", -1))
    yield
    assert c.closed()[0] == 4003  # neither renewed it


def a_guest_who_logs_in(d, room):
    c = V1(d)
    c.join(room)
    c.ok("auth", token=jwt.token(new_user(), 3))
    yield
    assert c.closed()[0] == 4003


def a_plain_client(d, room):
    c = present(d, "header", jwt.token(new_user(), 3), "chat", "/" + room)
    yield
    with pytest.raises(Closed) as e:
        while True:
            assert c.recv_json()["type"] in ("system", "usermsg")
    assert e.value.args[0] == 4003


def one_connection_of_two(d, room):
    user = new_user()
    short, long, guest = V1(d, token=jwt.token(user, 3)), V1(d, token=jwt.token(user, 600)), V1(d)
    yield
    assert short.closed()[0] == 4003
    long.sync()
    guest.sync()


def some_go_before(d, room):
    all_ = [V1(d, token=jwt.token(f"many-{i}", 3)) for i in range(30)]
    for i, c in enumerate(all_):
        if i % 3 == 1:
            c.ok("auth", token=jwt.token(f"many-{i}", 600))
        elif i % 3 == 2:
            c.reset()
    yield
    for i, c in enumerate(all_):
        if i % 3 == 0:
            assert c.closed()[0] == 4003
    for i, c in enumerate(all_):
        if i % 3 == 1:
            c.sync()
            c.close()


def test_ends(server):
    cases = [told_and_closed, renewed, a_shorter_one, a_static_one, another_user_s, a_guest_who_logs_in, a_plain_client,
             one_connection_of_two, some_go_before]
    runs = [case(server, new_room()) for case in cases]
    for case in runs:
        next(case)
    late = [case for case in runs if next(case, "over") != "over"]
    assert len(late) == 2
    for case in late:
        assert next(case, "over") == "over"


def test_renewal_keeps_the_name(server, room):
    user = new_user()
    c = V1(server, token=jwt.token(user))
    c.ok("name", name=f"Nick {user}")
    assert c.ok("auth", token=jwt.token(user))["name"] == f"Nick {user}"
    c.join(room)
    assert c.say(room, "x")["name"] == f"Nick {user}"
    V1(server).error("name_taken", "name", name=f"Nick {user}")
    c.ok("name", name=None)
    V1(server).ok("name", name=f"Nick {user}")  # as often claimed as let go


# ---- who is not logged in ----

READ_ONLY = 'announce = name\nanonymous = read-only\nendpoint "/*" { }\n'


def test_read_only_natter_v1(start, room):
    d = start(READ_ONLY + jwt.section())
    user, c = V1(d, token=jwt.token("ann")), V1(d)
    assert user.welcome["read_only"] is True and c.welcome["anonymous"] is True
    user.join(room)
    user.say(room, "for all to read")
    joined = c.join(room, history=5)
    assert joined["read_only"] is True and c.hear("for all to read")
    c.ok("who", room=room)
    c.ok("history", room=room)
    c.ok("rooms")
    for type_, members in (("message", {"message": "x"}), ("typing", {}), ("edit", {"seq": 1, "message": "x"}),
                           ("direct", {"user": "ann", "message": "x"}), ("topic", {"topic": "x"})):
        c.error("login_needed", type_, room=room, **members)
    c.ok("auth", token=jwt.token("bob"))
    c.say(room, "x")
    user.hear("x")
    assert all(e["type"] != "typing" for e in user.events)


def test_read_only_plain(start, room):
    d = start(READ_ONLY + jwt.section())
    user, c = plain(d, room, headers=[f"Authorization: Bearer {jwt.token('ann')}"]), d.connect(f"/{room}?name=carl")
    for text in ('{"message":"x"}', '{"type":"typing"}', '{"x":1}'):
        c.send(text)
        assert c.recv_until(type="error")["code"] == "login_needed"
    user.send_json(message="y")
    assert c.recv_until(message="y")["user"] == "ann"
    user.send_json(message="z")
    m = user.recv_json()
    while m.get("message") != "z":
        assert m.get("message") != "x" and m["type"] != "typing"
        m = user.recv_json()


def test_read_only_at_one_endpoint(start):
    d = start('endpoint "/open" { }\nendpoint "/news" { anonymous = read-only }\nendpoint "/closed" { anonymous = no }\n')
    for path, want in (("/open", "usermsg"), ("/news", "error")):
        c = d.connect(path)
        c.send_json(message="x")
        assert c.recv_until(type=want)["type"] == want
        c.close()
    c = d.connect("/closed", upgrade=False)
    c.send_raw(c.request)
    assert c.read_response() == 401


# ---- the snippets of contrib/ ----

def by_hand(what, *args, newline=True):
    if not shutil.which(what[0]):
        pytest.skip(f"there is no {what[0]}")
    p = subprocess.run([*what, *args], capture_output=True, text=True, check=False, timeout=3 * DEADLINE)
    assert p.returncode == 0, p.stderr
    assert p.stdout.endswith("\n") == newline
    return p.stdout.strip()


PHP = ("php", os.path.join(CONTRIB, "php", "natter-token.php"))
NODE = ("node", os.path.join(CONTRIB, "node", "natter-token.mjs"))


@pytest.mark.parametrize("what, algorithm", [(PHP, "HS256"), (PHP, "RS256"), (NODE, "HS256"), (NODE, "RS256"), (NODE, "ES256")],
                         ids=lambda x: x[0] if isinstance(x, tuple) else x)
def test_contrib(server, what, algorithm):
    key = jwt.key_file("secret-" + jwt.SECRET, jwt.SECRET + "\n") if algorithm == "HS256" else jwt.pair(algorithm)[0]
    claims = json.dumps({"sub": "4711", "name": "Zo\u00eb", "rooms": ["lobby", "team-*"]}, ensure_ascii=False)
    c = V1(server, token=by_hand(what, algorithm, key, claims))
    assert (c.welcome["user"], c.welcome["name"]) == ("4711", "Zo\u00eb")
    c.join("team-9")
    c.error("room_forbidden", "join", room="other")
    c.close()


@pytest.mark.parametrize("what", [PHP, NODE], ids=["php", "node"])
def test_contrib_kid(start, what):
    d = start(COMMON + jwt.section(kid="2026"))
    key = jwt.key_file("secret-" + jwt.SECRET, jwt.SECRET + "\n")
    c = V1(d)
    assert c.ok("auth", token=by_hand(what, "HS256", key, '{"sub":"4711"}', "2026"))["user"] == "4711"
    got = c.error("bad_token", "auth", token=by_hand(what, "HS256", key, '{"sub":"4711","exp":1000000000}', "2026"))
    assert "expired" in got["message"]


def test_the_manual_s_php(start, tmp_path):
    """What natterd.conf(5) shows is run as it stands there, but for its paths and the cookie's way to the browser."""
    if not shutil.which("php"):
        pytest.skip("there is no php")
    with open(os.path.join(HERE, "..", "..", "doc", "natterd.conf.5.in"), encoding="utf-8") as f:
        blocks = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed", f.read(), re.M | re.S)
    (config,) = [b for b in blocks if "anonymous = read-only" in b]
    (php,) = [b for b in blocks if "natter_token(" in b]
    key = tmp_path / "site.key"
    key.write_bytes(os.urandom(32).hex().encode() + b"\n")
    key.chmod(0o600)
    d = start(config.replace("/etc/natter/site.key", str(key)))
    script = tmp_path / "page.php"
    script.write_text("<?php $me = (object)['id' => 4711, 'name' => 'Ann'];\n"
                      "function show(string $name, string $value, array $options) { print $value; }\n"
                      + php.replace('"natter-token.php"', f'"{PHP[1]}"').replace("/etc/natter/site.key", str(key))
                      .replace("setcookie(", "show("))
    token = by_hand(("php",), str(script), newline=False)
    c = V1(d, headers=[f"Cookie: natter={token}"])
    assert (c.welcome["user"], c.welcome["name"]) == ("4711", "Ann")
    c.join("lobby")
    c.say("lobby", "x")
    assert c.join("elsewhere")["read_only"] is True
