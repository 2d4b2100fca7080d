"""natter.v1: names: what may be one, who wins one, and how long it is held."""
import itertools
import json

import pytest

from natterd import BINARY, wait_for
from v1 import V1, display, new_user, plain, secret, token_section

WORKERS = [1, 2]
numbers = itertools.count(1)
SHORT = "announce = name\nmessage_rate = 0\nsession_keep = 1s\n"


def fresh(stem="Guest"):
    """A name that nobody has."""
    return f"{stem} No{next(numbers)}"


def test_name_is_prepared(server, room):
    c = V1(server)
    c.join(room)
    name = fresh()
    assert c.ok("name", name=f"  {name.replace(' ', chr(0x3000))}  ")["name"] == name  # RFC 8266: spaces
    assert c.ok("name", name="\uff21\uff22" + name)["name"] == "AB" + name  # NFKC
    assert c.say(room, "x")["name"] == "AB" + name


def test_a_taken_name(server):
    name = fresh()
    a, b = V1(server), V1(server)
    a.ok("name", name=name)
    b.error("name_taken", "name", name=name)
    b.error("name_taken", "name", name=name.upper())  # the same to RFC 8266's comparison
    b.error("name_taken", "name", name=f" {name} ")
    a.ok("name", name=name)  # it may say so again


def test_names_are_unique_in_the_server_not_only_in_a_room(server, room):
    name = fresh()
    a = plain(server, f"{room}?name={name.replace(' ', '%20')}")
    b = V1(server)
    b.join(room + "x")
    b.error("name_taken", "name", name=name)
    a.close()


def test_one_of_many_gets_a_name(server):
    """All ask at once, on all workers: one wins."""
    name = fresh()
    clients = [V1(server) for _ in range(12)]
    cids = [c.post("name", name=name) for c in clients]
    types = [c.answer(cid)["type"] for c, cid in zip(clients, cids)]
    assert types.count("ok") == 1 and types.count("error") == 11


def test_a_name_is_given_up_with_null(server, room):
    name = fresh()
    a, b = V1(server), V1(server)
    a.join(room)
    a.ok("name", name=name)
    assert a.ok("name", name=None)["name"] is None
    b.ok("name", name=name)
    assert "name" not in a.say(room, "x")


def test_a_changed_name_lets_the_old_one_go(server):
    name = fresh()
    a, b = V1(server), V1(server)
    a.ok("name", name=name)
    a.ok("name", name=fresh())
    b.ok("name", name=name)


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "\u00e9" * 33, "a\u0000b", "a\nb", "\u202eabc", "P\u0430ul",
                                  "\u0391lice"])
def test_bad_names(server, name):
    """Empty, too long, control and bidi characters, and two scripts in one name."""
    V1(server).error("bad_name", "name", name=name)


@pytest.mark.parametrize("name", ["\u0410\u043d\u043d\u0430", "Zo\u00eb-1", "\u5c71\u7530", "Ann \U0001F600", "1st", "O'Neil"])
def test_good_names(server, name):
    """One script, plus what is common to all."""
    c = V1(server)
    assert c.ok("name", name=name)["name"] == name
    c.ok("name", name=None)


def test_names_that_are_no_strings(server):
    c = V1(server)
    for name in (1, [], {}, True):
        c.error("bad_request", "name", name=name)
    c.error("bad_request", "name")


def test_reserved_names(start):
    d = start('announce = off\nreserved_names = {"admin", "Root"}\n' + token_section(secret("boss"), "boss", "Admin"))
    c = V1(d)
    for name in ("admin", "ADMIN", " root "):
        c.error("name_reserved", "name", name=name)
    c.ok("name", name="administrator")
    assert V1(d, user="boss").welcome["name"] == "Admin"  # a token may give it
    assert "name" not in V1(d, "/?name=Root").welcome


def test_names_that_look_alike(start, room):
    """Built with ICU they are the same, wherever names are compared; else only case counts."""
    with open(BINARY, "rb") as f:
        icu = b"libicu" in f.read()
    d = start('announce = off\nreserved_names = {"admin"}\n' + token_section(secret("u1"), "u1", "Paul 1"))
    c, other, p = V1(d), V1(d), plain(d, room)
    c.ok("name", name="Modern")
    owner = V1(d, user="u1")
    for name, code in (("modem", "name_taken"), ("adrnin", "name_reserved"), ("Pau1 l", "name_taken")):
        if icu:
            other.error(code, "name", name=name)
        else:
            other.ok("name", name=name)
            other.ok("name", name=None)
    p.send_json(message="x", name="modem")
    assert p.recv_until(type="error" if icu else "usermsg")
    got = other.request("direct", to="modem", message="x")
    assert (got["type"] == "ok") == icu
    assert not icu or c.expect("direct")["message"] == "x"
    owner.sync()
    p.close()


def named(c, answer, name):
    """The user has its name by the answer; or, where a guest has to give it up first, a moment later."""
    assert answer.get("name", name) == name
    if "name" not in answer:
        assert c.expect("renamed")["name"] == name


def test_a_tokens_name_wins_over_a_guests(server, room):
    user = new_user()
    guest, plain_guest = V1(server), plain(server, room)
    guest.join(room)
    guest.ok("name", name=display(user))
    owner = V1(server, user=user)
    named(owner, owner.welcome, display(user))
    renamed = guest.expect("renamed")
    assert renamed["name"] is None and renamed["by"] == "token"
    assert "name" not in guest.say(room, "x")
    guest.error("name_taken", "name", name=display(user))
    plain_guest.send_json(message="forged", name=display(user))
    assert plain_guest.recv_until(type="error")["code"] == "name_taken"
    plain_guest.close()


def test_a_tokens_name_wins_when_it_comes_later(server, room):
    """By `auth`, and others in the room hear of it."""
    user = new_user()
    guest, owner = V1(server), V1(server)
    guest.join(room)
    guest.ok("name", name=display(user))
    owner.join(room)
    got = owner.ok("auth", token=secret(user))
    assert (got["user"], got["role"]) == (user, "user")
    named(owner, got, display(user))
    assert guest.expect("renamed")["by"] == "token"
    assert owner.say(room, "x")["name"] == display(user)


def test_a_users_name_is_not_taken_by_another_user(server):
    one, other = new_user(), new_user()
    a, b = V1(server, user=one), V1(server, user=other)
    b.error("name_taken", "name", name=display(one))
    again = V1(server, user=one)  # a second connection of the same user shares it
    assert again.welcome["name"] == display(one)
    a.close()


def test_a_name_is_held_for_session_keep(start):
    d = start(SHORT.replace("1s", "60s"))
    a = V1(d)
    a.ok("name", name="Mirabel")
    secret_ = a.session
    a.close()
    b = V1(d)
    b.error("name_taken", "name", name="Mirabel")
    c = V1(d, welcome=False)
    c.read()
    assert c.ok("resume", session=secret_)["name"] == "Mirabel"


def test_a_name_is_given_back_after_session_keep(start):
    d = start(SHORT)
    a = V1(d)
    a.ok("name", name="Mirabel")
    a.close()
    b = V1(d)
    wait_for("the name", lambda: b.request("name", name="Mirabel")["type"] == "ok")


def test_a_name_comes_back_with_resume_in_its_rooms(server, room):
    name = fresh()
    a, watch = V1(server), V1(server)
    watch.join(room)
    a.join(room)
    a.ok("name", name=name)
    a.reset()
    b = V1(server, resume=a.session)
    b.join(room)
    assert b.say(room, "x")["name"] == name
    assert watch.hear("x")["name"] == name


def test_a_nameless_plain_clients_own_name_unless_somebody_has_it(server, room):
    """`name` is the session's where it has one, and a nameless plain client's own otherwise."""
    name = fresh()
    owner, p = V1(server), plain(server, room)
    owner.join(room)
    owner.ok("name", name=name)
    p.send_json(message="free", name="Whoever")
    assert owner.hear("free")["name"] == "Whoever"
    p.send_json(message="forged", name=name)
    assert p.recv_until(type="error")["code"] == "name_taken"
    p.send_json(type="typing", name=name.upper())
    assert p.recv_until(type="error")["code"] == "name_taken"
    p.send_json(message="after")
    seen = []
    while "after" not in seen:
        seen.append(owner.expect("usermsg")["message"])
    assert "forged" not in seen
    q = plain(server, f"{room}?name=Peregrine")
    q.send_json(message="as", name="Somebody else")
    assert owner.hear("as")["name"] == "Peregrine"
    p.close()
    q.close()


def test_a_nameless_natter_v1_client_has_no_name_of_its_own_making(server, room):
    c = V1(server)
    c.join(room)
    m = c.say(room, "x", name=fresh())
    assert "name" not in m


def test_roles_belong_to_users_never_to_names(server, room):
    """A guest that bears a moderator's name, before the moderator came, may nothing."""
    c, victim = V1(server), new_user()
    there = V1(server, user=victim)
    there.join(room)
    assert c.join(room)["role"] == "guest"
    for name in (display("mod4"), "adm", "The Boss"):
        c.ok("name", name=name)
        c.error("login_needed", "topic", room=room, topic="x")
        c.error("login_needed", "kick", room=room, user=victim)
        assert V1(server).ok("ping")
    there.sync()


def test_a_user_may_call_itself_otherwise(server, room):
    user = new_user()
    c = V1(server, user=user)
    c.join(room)
    name = fresh("Called")
    assert c.ok("name", name=name)["name"] == name
    m = c.say(room, "x")
    assert (m["name"], m["user"]) == (name, user)


def test_names_are_kept_apart_from_json(server, room):
    """What a name may hold is told as JSON, whatever it is."""
    c = V1(server)
    c.join(room)
    name = 'Q"\\<b>' + str(next(numbers))
    c.ok("name", name=name)
    assert json.loads(c.say(room, "x").text)["name"] == name
