"""The plain dialect (PRODUCT.md section 2)."""
import json
import random

import pytest

from natterd import frame

WORKERS = [1, 2]


def enter(daemon, path, **kwargs):
    """A client that has its own `connected` line behind it."""
    c = daemon.connect(path, **kwargs)
    c.recv_until(type="system")
    return c


def own_room():
    """A room that nobody is in: where somebody was just before, one may hear that they went."""
    return f"/own{random.randrange(10**9)}"


def error_of(client):
    got = client.recv_json()
    assert got["type"] == "error", got
    return got["code"]


# ---- rooms ----

@pytest.mark.parametrize("one, other", [("/a%20b", "/a b"), ("/caf%C3%A9", "/cafe%CC%81"), ("/x/y", "/x%2Fy"),
                                        ("/", "/lobby"), ("/q?name=", "/q")])
def test_paths_of_the_same_room(plain, one, other):
    a = enter(plain, one)
    b = enter(plain, other.replace(" ", "%20"))
    assert a.recv_json()["type"] == "system"
    b.send('{"message":"hi"}')
    assert a.recv_json()["room"] == b.recv_json()["room"]
    a.close()
    b.close()


def test_rooms_are_apart_and_case_counts(plain):
    a, b = enter(plain, "/Room"), enter(plain, "/room")
    b.send('{"message":"hi"}')
    assert b.recv_json()["room"] == "room"
    a.expect_silence()
    a.close()
    b.close()


@pytest.mark.parametrize("path", ["/%00", "/%0a", "/@ann", "/" + "x" * 129, "/%E2%80%AE", "/%ff", "/%zz", "/%D8%9C"])
def test_bad_room_names(plain, path):
    c = plain.connect(path, upgrade=False)
    c.send_raw(c.request)
    assert c.read_response() == 400
    assert c.read_to_end().strip()  # a sentence
    c.close()


def test_128_bytes_are_a_room(plain):
    c = enter(plain, "/" + "x" * 128)
    c.close()


# ---- messages ----

def test_members_that_the_server_owns(plain):
    c = enter(plain, "/owned")
    c.send('{"message":"hi","room":"other","seq":77,"time":1,"user":"root","name":"ann","extra":[1,{"a":null}]}')
    got = c.recv_json()
    assert got["room"] == "owned" and got["seq"] == 1 and got["time"] > 10**12
    assert "user" not in got and got["name"] == "ann" and got["extra"] == [1, {"a": None}]
    assert got["type"] == "usermsg"
    c.close()


def test_seq_rises_by_one_and_time_never_falls(plain):
    c = enter(plain, "/seq")
    for i in range(20):
        c.send_json(message=i)
    got = [c.recv_json() for _ in range(20)]
    assert [m["seq"] for m in got] == list(range(1, 21))
    assert all(a["time"] <= b["time"] for a, b in zip(got, got[1:]))
    c.close()


def test_nothing_overtakes(plain):
    """Stored or not, and the parting line: what is said first is heard first."""
    a, b = enter(plain, "/overtake"), enter(plain, "/overtake")
    a.recv()
    b.send_raw(frame(1, '{"message":1}') + frame(1, '{"type":"x"}') + frame(1, '{"message":2}') + frame(8, b"\x03\xe8"))
    got = [a.recv_json() for _ in range(4)]
    assert [m.get("message", m["type"]) for m in got] == [1, "x", 2, "127.0.0.1 disconnected"]
    a.close()
    b.close()


def test_type_is_kept(plain):
    c = enter(plain, "/kept")
    c.send('{"type":"shout","message":"HI"}')
    assert c.recv_json()["type"] == "shout"
    c.close()


@pytest.mark.parametrize("text", ['{"type":"typing","who":"ann"}', "{}", '{"chat_user":"ann","chat_message":"hi"}'])
def test_other_objects_are_relayed_as_they_are_and_not_stored(plain, text):
    path = own_room()
    c = enter(plain, path)
    c.send(text)
    assert c.recv() == text
    c.send('{"message":"first"}')
    assert c.recv_json()["seq"] == 1
    d = plain.connect(path + "?history=10")
    assert d.recv_json()["message"] == "first"
    assert d.recv_json()["type"] == "system"
    c.close()
    d.close()


def test_relayed_objects_do_not_lie(plain):
    c = enter(plain, "/lies")
    c.send('{"type":"x","seq":5,"user":"root","room":"other","time":1}')
    got = c.recv_json()
    assert "seq" not in got and "user" not in got and got["room"] == "lies" and got["time"] > 10**12
    c.close()


VALUES = ['0', '-0', '1', '-1', '9007199254740993', '9223372036854775807', '-9223372036854775808', '0.1', '1e300',
          '1E-7', '-0.0', '123456789.123456789', 'true', 'null', '""', '"\\u0000"', '"\\ud83d\\ude00"', '"\\/"',
          '"<\\u2028>"', '[]', '[[],{}]', '{"a":{"b":[0.5]}}']


@pytest.mark.parametrize("value", VALUES)
def test_values_survive(plain, value):
    """As JSON.parse sees them: all numbers are doubles there."""
    c = enter(plain, own_room())
    c.send(f'{{"type":"x","v":{value}}}')
    got = json.loads(c.recv(), parse_int=float)["v"]
    want = json.loads(value, parse_int=float)
    assert got == want and str(got) == str(want)
    c.close()


@pytest.mark.parametrize("text", ["", " ", "hello", "[1]", '"x"', "1", "null", '{"a":1', '{"a":1}}', "{'a':1}",
                                  '{"a":1,}', '{"a":9223372036854775808}', '{"a":1e999}', '{"a":"\\ud800"}',
                                  '{"a":NaN}', '{"a":01}', "\ufeff{}"])
def test_bad_json(plain, text):
    c = enter(plain, own_room())
    c.send(text)
    error = c.recv_json()
    assert (error["type"], error["code"]) == ("error", "bad_json")
    assert len(error["message"]) > 20
    c.send('{"message":"alive"}')
    assert c.recv_json()["message"] == "alive"
    c.close()


def test_depth_and_members_are_bounded(plain):
    c = enter(plain, "/complex")
    for text, good in [('{"a":' + "[" * 31 + "]" * 31 + "}", True), ('{"a":' + "[" * 32 + "]" * 32 + "}", False),
                       ('{"a":[' + ",".join("0" * 200) + "]}", True), ('{"a":[' + ",".join("0" * 300) + "]}", False),
                       ('{"a":"' + "[" * 500 + '"}', True)]:
        c.send(text)
        got = c.recv_json()
        assert (got.get("code") == "too_complex") != good, (text[:40], got)
    c.close()


def test_errors_go_to_the_sender_alone(plain):
    a, b = enter(plain, "/alone"), enter(plain, "/alone")
    a.recv()
    b.send("nonsense")
    assert error_of(b) == "bad_json"
    a.expect_silence()
    a.close()
    b.close()


def test_binary_is_unsupported(plain):
    c = enter(plain, "/binary")
    c.send_raw(frame(2, b"{}"))
    assert c.recv_close()[0] == 1003
    c.close()


def test_large_messages(start):
    d = start("max_frame = 4M\nmax_message = 4M\nsend_queue = 16M\n")
    a, b = enter(d, "/large"), enter(d, "/large")
    a.recv()
    for n in (125, 126, 65535, 65536, 1000000):
        a.send_json(message="x" * n)
        assert b.recv_json()["message"] == a.recv_json()["message"] == "x" * n
    a.close()
    b.close()


# ---- names ----

def test_name_of_the_session(plain):
    a = enter(plain, "/names?name=Ann")
    a.send('{"message":"hi","name":"Somebody"}')
    assert a.recv_json()["name"] == "Ann"
    a.send('{"type":"x"}')
    assert a.recv_json()["name"] == "Ann"
    # taken, also written differently
    for name in ("Ann", "ANN", "%20ann%20", "%EF%BC%A1nn"):
        b = plain.connect(f"{own_room()}?name={name}")
        assert error_of(b) == "name_taken"
        b.recv_until(type="system")
        b.send('{"message":"hi","name":"ann"}')
        assert error_of(b) == "name_taken"
        b.send('{"message":"hi","name":"bob"}')
        assert b.recv_json()["name"] == "bob"
        b.close()
    a.close()
    # and free again
    c = enter(plain, "/names3")
    def free():
        d = plain.connect("/names4?name=ann")
        got = d.recv_json()
        d.close()
        return got["type"] == "system"
    from natterd import wait_for
    wait_for("the name to be free", free)
    c.close()


@pytest.mark.parametrize("name", ["%00", "%0A", "x" * 65, "%E2%80%AEnna", "%20", "%ff", "%E2%80%8B", "p%D0%B0ypal"])
def test_bad_names(plain, name):
    c = plain.connect(f"/badnames?name={name}")
    assert error_of(c) == "bad_name"
    c.recv_until(type="system")
    c.close()


# ---- history ----

def test_history_comes_first(plain):
    a = enter(plain, "/history")
    for i in range(30):
        a.send_json(message=i)
    texts = [a.recv() for _ in range(30)]
    b = plain.connect("/history?history=20")
    assert [b.recv() for _ in range(20)] == texts[10:]  # the same bytes
    assert b.recv_json()["type"] == "system"
    a.close()
    b.close()


def test_history_is_bounded(start):
    d = start("history_messages = 5\nhistory_max = 3\n")
    a = enter(d, "/bounded")
    for i in range(9):
        a.send_json(message=i)
        a.recv_until(message=i)
    b = d.connect("/bounded?history=100")
    assert [b.recv_json()["message"] for _ in range(3)] == [6, 7, 8]
    assert b.recv_json()["type"] == "system"
    a.close()
    b.close()


def test_history_is_bounded_in_bytes(start):
    d = start("history_bytes = 10K\nmessage_rate = 0\n")
    a = enter(d, "/bytes")
    for i in range(50):
        a.send_json(message="x" * 1000, n=i)
        a.recv_until(n=i)
    b = d.connect("/bytes?history=200")
    got = 0
    while b.recv_json()["type"] != "system":
        got += 1
    assert 5 <= got <= 9
    a.close()
    b.close()


# ---- announcements ----

def test_announce_by_name(start):
    d = start("announce = name\n")
    a = d.connect("/r?name=Ann")
    assert a.recv_json() == {"type": "system", "message": "Ann connected"}
    b = d.connect("/r")
    assert b.recv_json() == {"type": "system", "message": "guest connected"}
    a.recv()
    b.close()
    assert a.recv_json() == {"type": "system", "message": "guest disconnected"}
    a.close()


def test_announce_off(start):
    d = start('announce = off\nendpoint "/loud" { announce = address }\nendpoint "/*" { }\n')
    a, b = d.connect("/r"), d.connect("/r")
    d.wait_members(2)
    b.close()
    d.wait_members(1)
    a.expect_silence()
    c = d.connect("/loud")
    assert c.recv_json()["message"] == "127.0.0.1 connected"
    a.close()
    c.close()


def test_announcements_are_summed_up(start):
    d = start("announce_max = 3\n")
    many = [enter(d, "/sum")] + [d.connect("/sum") for _ in range(9)]
    got = []
    while sum(got) < 7:
        line = many[0].recv_json()["message"]
        if line.endswith(" connected") and line[0].isdigit() and "." not in line:
            got.append(int(line.split()[0]))
    assert sum(got) == 7 and len(got) <= 5
    for c in many[5:]:
        c.close()
    gone = 0
    while gone < 5:
        line = many[0].recv_json()["message"]
        gone += 1 if line.startswith("127.") else int(line.split()[0]) if "disconnected" in line else 0
    for c in many[:5]:
        c.close()


# ---- endpoints and limits of rooms ----

def test_endpoints(start):
    d = start('default_type = line\nendpoint "/support" { room = help default_type = ask }\n'
              'endpoint "/team/*" { subprotocols = {"chat", "v2"} }\n')
    a = enter(d, "/support")
    a.send('{"message":"?"}')
    got = a.recv_json()
    assert (got["room"], got["type"]) == ("help", "ask")
    b = enter(d, "/team/red", headers=["Sec-WebSocket-Protocol: x, v2, chat"])
    assert b.headers["sec-websocket-protocol"] == "v2"
    b.send('{"message":"?"}')
    got = b.recv_json()
    assert (got["room"], got["type"]) == ("red", "line")
    for path, status in (("/other", 404), ("/team/", 400), ("/team", 404)):
        c = d.connect(path, upgrade=False)
        c.send_raw(c.request)
        assert c.read_response() == status
        c.close()
    a.close()
    b.close()


def test_endpoint_of_one_listener(start):
    d = start('listener a { address = {"127.0.0.1"} port = 0 }\nlistener b { address = {"127.0.0.1"} port = 0 }\n'
              'endpoint "/only" { listener = {"b"} handler = echo }\nendpoint "/*" { }\n')
    import re
    ports = dict(re.findall(r"listener=(\w) address=127.0.0.1:(\d+)", d.log()))
    d.port = int(ports["b"])
    c = d.connect("/only")
    c.send("echo")
    assert c.recv() == "echo"
    c.close()
    d.port = int(ports["a"])
    c = d.connect("/only")
    assert c.recv_json()["type"] == "system"
    c.close()


def test_rooms_may_be_fixed(start):
    d = start('create_rooms = no\nrooms = {"lobby", "caf\u00e9"}\n')
    enter(d, "/").close()
    enter(d, "/caf%C3%A9").close()
    c = d.connect("/new", upgrade=False)
    c.send_raw(c.request)
    assert c.read_response() == 404
    c.close()


def test_number_of_rooms_is_bounded(start):
    d = start("max_rooms = 2\n")
    a, b = enter(d, "/1"), enter(d, "/2")
    c = d.connect("/3")
    assert error_of(c) == "too_many_rooms"
    assert c.recv_close()[0] == 4001
    c.close()
    b.close()  # an empty room gives way
    from natterd import wait_for

    def place():
        e = d.connect("/3")
        got = e.recv_json()
        e.close()
        return got["type"] == "system"
    wait_for("a place", place)
    a.close()


def test_empty_rooms_go_after_room_keep(start):
    d = start("room_keep = 0\n")
    enter(d, "/short").close()
    from natterd import wait_for
    wait_for("the room to go", lambda: d.counters()["rooms"] == 0)
