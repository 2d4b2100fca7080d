"""natter.v1: tokens, wherever they come from, and daemons that want one."""
import time

import pytest

from natterd import Client
from v1 import COMMON, V1, display, new_user, plain, secret, token_section

CLOSED = "anonymous = no\nauth_timeout = 2s\n" + COMMON


@pytest.mark.parametrize("where", ["header", "cookie", "subprotocol", "auth"])
def test_a_token_is_taken(server, room, where):
    user = new_user()
    c = {"header": lambda: V1(server, headers=[f"Authorization: Bearer {secret(user)}"]),
         "cookie": lambda: V1(server, headers=[f"Cookie: a=b; natter_token={secret(user)}; c=d"]),
         "subprotocol": lambda: V1(server, protocols=f"natter.v1, natter.bearer.{secret(user)}"),
         "auth": lambda: V1(server)}[where]()
    assert c.client.headers["sec-websocket-protocol"] == "natter.v1"  # the bearer is never echoed
    who = c.ok("auth", token=secret(user)) if where == "auth" else c.welcome
    assert (who["user"], who["name"], who["role"]) == (user, display(user), "user")
    c.join(room)
    assert c.say(room, "x")["user"] == user


def test_the_bearer_alone_is_never_echoed(server):
    user = new_user()
    c = Client(server.host, server.port, headers=[f"Sec-WebSocket-Protocol: natter.bearer.{secret(user)}"], upgrade=False)
    c.send_raw(c.request)
    c.read_response()
    assert secret(user) not in str(c.headers)
    c.close()


def test_query_token_is_off_by_default(server):
    assert "user" not in V1(server, f"/?token={secret('u1')}").welcome


def test_query_token_where_it_is_allowed(start):
    d = start("token_query = yes\n" + COMMON)
    assert V1(d, f"/?token={secret('u1')}").welcome["user"] == "u1"
    assert secret("u1") not in d.log()


@pytest.mark.parametrize("role", ["user", "moderator", "admin"])
def test_roles(start, room, role):
    d = start("announce = off\n" + token_section("tok", "who", "Who", role))
    w = V1(d, token="tok").welcome
    assert (w["user"], w["role"]) == ("who", role)


def test_a_bad_token(server):
    c = V1(server)
    for token in ("nonsense", "", secret("u1") + "x"):
        c.error("bad_token", "auth", token=token)
    c.error("bad_request", "auth")
    c.error("bad_request", "auth", token=1)
    c.sync()


def test_a_bad_token_in_the_handshake(server):
    """Is no login: 401, or nobody."""
    c = server.connect("/", headers=["Sec-WebSocket-Protocol: natter.v1", "Authorization: Bearer nonsense"], upgrade=False)
    c.send_raw(c.request)
    status = c.read_response()
    assert status in (101, 401)
    if status == 101:
        assert "user" not in c.recv_json()
    c.close()


def test_tokens_are_never_logged(start, room):
    d = start("log_level = debug\ntoken_query = yes\n" + COMMON)
    for c in (V1(d, user="u1"), V1(d, protocols=f"natter.v1, natter.bearer.{secret('u2')}"),
              V1(d, headers=[f"Cookie: natter_token={secret('u3')}"]), V1(d, f"/?token={secret('u4')}")):
        c.join(room)
        c.close()
    c = V1(d)
    c.ok("auth", token=secret("u5"))
    c.error("bad_token", "auth", token="the-secret-of-nobody")
    c.close()
    d.hang_up()
    d.stop()
    assert "the-secret-of" not in d.log() and c.session not in d.log()


def test_auth_again_is_the_same_user(server, room):
    user = new_user()
    c = V1(server, user=user)
    c.join(room)
    assert c.ok("auth", token=secret(user))["user"] == user  # renews
    assert c.say(room, "x")["user"] == user


def test_auth_in_a_room_gives_the_role_there(server, room):
    c, watch = V1(server), V1(server)
    watch.join(room)
    assert c.join(room)["role"] == "guest"
    c.ok("auth", token=secret("mod0"))
    c.ok("topic", room=room, topic="x")
    assert watch.expect("topic")["user"] == "mod0"
    assert [m["name"] for m in watch.ok("who", room=room)["members"]] == [display("mod0")]


# ---- anonymous = no ----

def test_nobody_in_before_the_login(start, room):
    d = start(CLOSED)
    c = V1(d)
    assert c.welcome["anonymous"] is False
    for type_, members in (("join", {"room": room}), ("message", {"room": room, "message": "x"}), ("who", {"room": room}),
                           ("rooms", {}), ("name", {"name": "Ann"}), ("direct", {"user": "u1", "message": "x"}),
                           ("history", {"room": room}), ("conversations", {}), ("own.type", {"room": room})):
        c.error("login_needed", type_, **members)
    c.sync()  # ping is allowed
    c.ok("auth", token=secret("u1"))
    c.join(room)
    c.say(room, "x")


def test_auth_timeout(start):
    d = start(CLOSED)
    begin = time.monotonic()
    c = V1(d)
    code, reason = c.closed()
    assert code == 4502 and reason and time.monotonic() - begin > 1


def test_who_logs_in_in_time_stays(start, room):
    d = start(CLOSED)
    a, b = V1(d), V1(d, user="u2")
    a.ok("auth", token=secret("u1"))
    late = V1(d)
    assert late.closed()[0] == 4502  # after both others' time as well
    time.sleep(1)
    for c in (a, b):
        c.join(room)
        c.say(room, "x")


def test_bad_tokens_do_not_lengthen_the_time(start):
    d = start(CLOSED)
    c = V1(d)
    c.error("bad_token", "auth", token="x")
    assert c.closed()[0] == 4502


def test_plain_clients_need_a_token(start, room):
    d = start(CLOSED)
    c = d.connect(f"/{room}", upgrade=False)
    c.send_raw(c.request)
    assert c.read_response() == 401
    c.close()
    c = d.connect(f"/{room}", headers=["Authorization: Bearer nonsense"], upgrade=False)
    c.send_raw(c.request)
    assert c.read_response() == 401
    c.close()
    p = plain(d, room, headers=[f"Authorization: Bearer {secret('u1')}"])
    p.send_json(message="x")
    m = p.recv_until(message="x")
    assert (m["user"], m["name"]) == ("u1", display("u1"))
    p.close()


def test_a_file_with_the_token(start, tmp_path):
    """`token FILE`: the secret, or its hash, is not in the configuration."""
    f = tmp_path / "token"
    f.write_text("from-a-file-0123456789\n")
    f.chmod(0o600)
    d = start(f'announce = off\ntoken {f} {{ user = "filed" }}\n')
    assert V1(d, token="from-a-file-0123456789").welcome["user"] == "filed"
