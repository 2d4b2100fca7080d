"""natter.v1: who is there: presence, who, and the list of rooms."""
import pytest

from natterd import wait_for
from v1 import COMMON, V1, display, new_room, new_user, plain, token_section, secret

WORKERS = [1, 2]


def event(c, event, **members):
    return c.expect("presence", event=event, **members)


def test_join_leave_and_rename_are_told(server, room):
    a = V1(server)
    a.join(room)
    user = new_user()
    b = V1(server, user=user)
    b.join(room)
    p = event(a, "join")
    assert (p["room"], p["name"], p["user"], p["members"], p["guests"]) == (room, display(user), user, 1, 1)
    name = f"Renamed {user.capitalize()}"
    b.ok("name", name=name)
    p = event(a, "rename")
    assert (p["name"], p["old"]) == (name, display(user))
    b.leave(room)
    p = event(a, "leave")
    assert (p["name"], p["members"], p["guests"]) == (name, 0, 1)


def test_a_connection_that_ends_is_a_leave(server, room):
    a, user = V1(server), new_user()
    a.join(room)
    for go in ("close", "reset"):
        b = V1(server, user=user)
        b.join(room)
        event(a, "join", name=display(user))
        getattr(b, go)()
        assert event(a, "leave", name=display(user))["members"] == 0


def test_presence_is_not_for_plain_clients_who_get_lines(server, room):
    p = plain(server, room)
    user = new_user()
    b = V1(server, user=user)
    b.join(room)
    line = p.recv_until(type="system")
    assert display(user) in line["message"], line
    b.close()
    line = p.recv_until(type="system")
    assert display(user) in line["message"], line
    p.close()


def test_plain_clients_are_told_to_natter_v1(server, room):
    a = V1(server)
    a.join(room)
    p = server.connect(f"/{room}?name=Ottoline")
    got = event(a, "join", name="Ottoline")
    assert (got["members"], got["guests"]) == (1, 1)
    p.close()
    event(a, "leave", name="Ottoline")
    p = server.connect(f"/{room}")
    assert event(a, "count")["guests"] == 2
    p.close()
    assert event(a, "count", guests=1)["members"] == 0


def test_guests_are_counts(server, room):
    a = V1(server)
    a.join(room)
    b = V1(server)
    b.join(room)
    got = event(a, "count", guests=2)
    assert got["members"] == 0 and "name" not in got
    b.close()
    event(a, "count", guests=1)


def test_several_connections_of_one_user_are_one_member(server, room):
    a, user = V1(server), new_user()
    a.join(room)
    first = V1(server, user=user)
    assert first.join(room)["members"] == 1
    event(a, "join", name=display(user))
    more = [V1(server, user=user) for _ in range(4)]
    for c in more:
        assert c.join(room)["members"] == 1
    who = a.ok("who", room=room)
    assert [(m["name"], m["user"]) for m in who["members"]] == [(display(user), user)]
    assert (who["count"], who["guests"]) == (1, 1)
    first.close()
    for c in more[:-1]:
        c.leave(room)
    a.sync()
    a.nothing("presence")
    more[-1].leave(room)
    assert event(a, "leave", name=display(user))["members"] == 0


def test_who(server, room):
    c = V1(server)
    c.join(room)
    others = {}
    for _ in range(7):
        user = new_user()
        others[user] = V1(server, user=user)
        others[user].join(room)
    named = plain(server, f"{room}?name=Quentin")
    who = c.ok("who", room=room)
    assert who["room"] == room and (who["count"], who["guests"], who["more"]) == (8, 1, False)
    assert {m["name"]: m.get("user") for m in who["members"]} == {"Quentin": None,
                                                                  **{display(u): u for u in others}}
    assert all(m["since"] > 10**12 for m in who["members"])
    named.close()


def test_who_is_paged(server, room):
    c = V1(server)
    c.join(room)
    others = []
    for _ in range(5):
        others.append(V1(server, user=new_user()))
        others[-1].join(room)
    all_ = [m["name"] for m in c.ok("who", room=room)["members"]]
    assert len(all_) == 5
    got, after = [], {}
    for more in (True, True, False):
        page = c.ok("who", room=room, limit=2, **after)
        assert page["more"] is more and page["count"] == 5
        got += [m["name"] for m in page["members"]]
        after = {"after": got[-1]}
    assert got == all_


def test_who_needs_membership(server, room):
    V1(server).error("not_joined", "who", room=room)


def test_who_above_who_max_is_a_count(start, room):
    d = start(COMMON + "who_max = 3\n")
    clients = []
    for _ in range(4):
        clients.append(V1(d, user=new_user()))
        clients[-1].join(room)
    who = clients[0].ok("who", room=room)
    assert "members" not in who and who["count"] == 4
    clients.pop().leave(room)
    wait_for("the list", lambda: "members" in clients[0].ok("who", room=room))


def test_arrivals_are_summed_up_above_announce_max(start, room):
    d = start(COMMON + "announce_max = 5\n")
    watch = V1(d)
    watch.join(room)
    p = plain(d, room)
    users = [f"u{i}" for i in range(20)]
    clients = [V1(d, user=u) for u in users]
    for c in clients:
        c.join(room)
    event(watch, "count", members=20)
    told = [e for e in watch.events if e["type"] == "presence" and e["event"] == "join"]
    assert len(told) <= 5
    for c in clients[1:]:
        c.close()
    wait_for("them to be gone", lambda: watch.ok("who", room=room)["count"] == 1)
    clients[0].leave(room)  # below announce_max again: one by one
    event(watch, "leave", name=display(users[0]))
    p.close()


def test_announce_off_tells_nothing(start, room):
    d = start(COMMON.replace("announce = name", "announce = off"))
    a = V1(d)
    a.join(room)
    b = V1(d, user="u1")
    b.join(room)
    b.say(room, "x")
    b.close()
    a.hear("x")
    a.nothing("presence", "system")
    wait_for("u1 to be gone", lambda: a.ok("who", room=room)["count"] == 0)


def test_announce_address_has_no_addresses_for_natter_v1(start, room):
    d = start(COMMON.replace("announce = name", "announce = address"))
    a, p = V1(d), plain(d, room)
    a.join(room)
    assert "127.0.0.1" in p.recv_until(type="system")["message"]
    b = V1(d, user="u1")
    b.join(room)
    b.leave(room)
    event(a, "leave", name=display("u1"))
    q = plain(d, room)
    q.close()
    event(a, "count")
    a.sync()
    assert not any("127.0.0.1" in e.text for e in a.events)
    p.close()


def test_ghost_connections_go_within_the_ping_time_out(start, room):
    d = start(COMMON + "ping_interval = 1s\nping_timeout = 1s\n")
    a, ghost = V1(d), V1(d, user="u1")
    a.join(room)
    ghost.join(room)  # and never reads again
    event(a, "leave", name=display("u1"))
    assert a.ok("who", room=room)["count"] == 0


# ---- rooms ----

def test_rooms_lists_them_with_counts_and_topics(start):
    d = start(COMMON)
    mod = V1(d, user="mod0")
    for r in ("aa", "bb", "cc", "dd", "ee"):
        mod.join(r)
    mod.ok("topic", room="bb", topic="Bees")
    guest, c = V1(d), V1(d)
    guest.join("cc")
    got = c.ok("rooms")
    assert [r["room"] for r in got["rooms"]] == ["aa", "bb", "cc", "dd", "ee"] and got["more"] is False
    by = {r["room"]: r for r in got["rooms"]}
    assert by["bb"]["topic"] == "Bees" and "topic" not in by["aa"]
    assert (by["cc"]["members"], by["cc"]["guests"]) == (1, 1)
    page = c.ok("rooms", limit=2)
    assert [r["room"] for r in page["rooms"]] == ["aa", "bb"] and page["more"] is True
    page = c.ok("rooms", limit=2, after="bb")
    assert [r["room"] for r in page["rooms"]] == ["cc", "dd"] and page["more"] is True
    page = c.ok("rooms", limit=2, after="dd")
    assert [r["room"] for r in page["rooms"]] == ["ee"] and page["more"] is False


def test_conversations_are_not_public_rooms(start):
    d = start(COMMON)
    a = V1(d, user="u1")
    a.ok("direct", user="u2", message="x")
    assert a.ok("rooms")["rooms"] == []
    a.error("bad_room", "join", room="@u1")


@pytest.mark.parametrize("limit", [1, 200])
def test_rooms_limit(server, limit, room):
    c = V1(server)
    c.join(room)
    assert len(c.ok("rooms", limit=limit)["rooms"]) >= 1


def test_a_nameless_user_is_a_member(start, room):
    """A token without a name: the user is there all the same."""
    d = start("announce = name\n" + token_section(secret("bare"), "bare"))
    c = V1(d, user="bare")
    j = c.join(room)
    assert j["members"] + j["guests"] == 1 and j["role"] == "user"
    assert "name" not in c.say(room, "x")


def test_rooms_that_are_empty_keep_out_of_nobodys_way(server):
    c = V1(server)
    r = new_room()
    c.join(r)
    c.leave(r)
    wait_for("the room to be empty", lambda: all(
        x["room"] != r or x["members"] + x["guests"] == 0 for x in c.ok("rooms", limit=200)["rooms"]))
