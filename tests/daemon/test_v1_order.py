"""natter.v1: each message has one place in one order, and everything comes at its time."""
import json
import os
import random
import shutil

import pytest

from natterd import Natterd, frame, TEXT
from v1 import COMMON, KILL_PROOF, V1, contiguous, new_room, plain

WORKERS = [1, 2]
SEED = int(os.environ.get("NATTERD_SEED") or 20261122)


def post_many(c, room, texts):
    """Sends all that in one piece, without waiting; the cids."""
    cids = [c.cid() for _ in texts]
    c.client.send_raw(b"".join(frame(TEXT, json.dumps({"type": "message", "room": room, "cid": cid, "message": t}))
                               for cid, t in zip(cids, texts)))
    return cids


def test_seq_rises_by_one_from_one_in_an_empty_room(server):
    for n in range(6):
        room = new_room()
        c = V1(server)
        assert c.join(room)["seq"] == 0
        contiguous([c.say(room, i)["seq"] for i in range(20)], 1)
        c.close()


def test_one_order_for_all_members_on_all_workers(server, room):
    """Many say much at once, in both dialects; everybody hears the same texts in the same order."""
    speakers = [V1(server) for _ in range(6)]
    listeners = [V1(server) for _ in range(4)]
    old = [plain(server, room) for _ in range(3)]
    for c in speakers + listeners:
        c.join(room)
    for n in range(10):
        for i, c in enumerate(speakers):
            post_many(c, room, [f"{i}-{n}-{k}" for k in range(10)])
        for i, p in enumerate(old):
            for k in range(5):
                p.send_json(message=f"p{i}-{n}-{k}")
    total = 10 * (60 + 15)

    def heard(c):
        out = []
        while len(out) < total:
            text = c.recv()
            if '"usermsg"' in text:
                out.append(text)
        return out
    first = None
    for c in speakers + listeners:
        texts = [c.expect("usermsg").text for _ in range(total)]
        first = first or texts
        assert texts == first
    for p in old:
        assert heard(p) == first
        p.close()
    contiguous([json.loads(x)["seq"] for x in first], 1)
    times = [json.loads(x)["time"] for x in first]
    assert times == sorted(times)
    for i in range(6):  # and who speaks is heard in its own order
        mine = [m["message"] for m in map(json.loads, first) if m["message"].startswith(f"{i}-")]
        assert mine == [f"{i}-{n}-{k}" for n in range(10) for k in range(10)]


def test_ok_comes_before_the_own_copy(server, room):
    c, other = V1(server), V1(server)
    c.join(room)
    other.join(room)
    for n in range(20):
        post_many(other, room, ["noise"] * 20)
        cids = post_many(c, room, [f"mine{n}-{k}" for k in range(5)])
        acked = {}
        copies = 0
        while copies < 5:
            got = c.read()
            if got.get("cid") in cids:
                acked[got["seq"]] = got
            elif str(got.get("message")).startswith(f"mine{n}-"):
                assert got["seq"] in acked and acked[got["seq"]]["time"] == got["time"], got
                copies += 1


class Watch:
    """Reads one client's frames and sees that a room's order is kept, whatever the client asked."""

    def __init__(self, c):
        self.c, self.asked, self.next, self.acked, self.rooms = c, {}, {}, set(), {}
        self.ended, self.joins = set(), {}

    def ask(self, type, **members):
        cid = self.c.post(type, **members)
        self.asked[cid] = (type, members)

    def answer(self, got, type, asked):
        room = asked["room"]
        if type == "join":
            self.joins[room] = (asked, got)
            assert got["type"] == "joined", got
            assert room not in self.next
            if "since" in asked:
                assert got["recovered"] is True, got
                self.next[room] = asked["since"]["seq"] + 1
            else:
                self.next[room] = max(1, got["seq"] - asked.get("history", 0) + 1)
            self.rooms[room] = (got["epoch"], got["seq"])
        elif type == "leave":
            assert got["type"] == "ok", got
            del self.next[room]
        else:
            assert got["type"] == "ok", got
            self.acked.add((room, got["seq"]))
            assert self.next[room] <= got["seq"]

    def step(self):
        got = self.c.read()
        if got.get("cid") in self.asked:
            return self.answer(got, *self.asked.pop(got["cid"]))
        room = got["room"]
        assert room in self.next, ("after the ok to leave, or before joined", got)
        if got["type"] != "usermsg":
            return None
        assert got["seq"] == self.next[room], (got, self.next[room], self.joins.get(room))
        self.next[room] += 1
        epoch, seq = self.rooms[room]
        self.rooms[room] = (epoch, max(seq, got["seq"]))
        if got.get("by") == self.c.prefix:
            assert (room, got["seq"]) in self.acked, ("no ok before the own copy", got)
        if got["message"] == "the end":
            self.ended.add(room)
        return None


@pytest.mark.parametrize("seed", range(6))
def test_joined_comes_before_all_and_nothing_after_leave(server, seed):
    """Random interleavings of joins (with since, with history, without), leaves and messages in three rooms,
    which others fill meanwhile. Nobody waits for an answer."""
    rng = random.Random(SEED + seed)
    rooms = [new_room() for _ in range(3)]
    noise = [V1(server) for _ in range(2)]
    for c in noise:
        for r in rooms:
            c.join(r)
    watches = [Watch(V1(server)) for _ in range(3)]
    inside = [set() for _ in watches]
    seen = [{} for _ in watches]
    for step in range(150):
        if rng.random() < 0.5:
            post_many(rng.choice(noise), rng.choice(rooms), ["noise"] * rng.randrange(1, 12))
        i = rng.randrange(len(watches))
        w, room = watches[i], rng.choice(rooms)
        if room not in inside[i]:
            more = {}
            if room in w.rooms and rng.random() < 0.7 and room in seen[i]:
                epoch, seq = w.rooms[room]
                more = {"since": {"epoch": epoch, "seq": rng.randrange(max(0, seq - 20), seq + 1)}}
            elif rng.random() < 0.5:
                more = {"history": rng.randrange(1, 20)}
            w.ask("join", room=room, **more)
            inside[i].add(room)
        elif rng.random() < 0.5:
            w.ask("message", room=room, message=step, by=w.c.prefix)
        else:
            w.ask("leave", room=room)
            inside[i].discard(room)
        if rng.random() < 0.3:
            while w.asked:
                w.step()
            seen[i] = dict(w.rooms)
    for w, rooms_in in zip(watches, inside):
        for room in rooms:
            if room not in rooms_in:
                w.ask("join", room=room)
    for w in watches:
        while w.asked:
            w.step()
    for room in rooms:
        noise[0].say(room, "the end")
    for w in watches:
        while w.ended != set(rooms):
            w.step()
        w.c.close()
    for c in noise:
        c.close()


def test_missed_messages_come_after_joined_and_before_live_ones(server, room):
    speaker = V1(server)
    speaker.join(room)
    c = V1(server)
    epoch = c.join(room)["epoch"]
    c.leave(room)
    for n in range(8):
        post_many(speaker, room, range(100))
        cid = c.post("join", room=room, since={"epoch": epoch, "seq": 100 * n})
        assert c.answer(cid)["recovered"] is True
        contiguous([c.expect("usermsg")["seq"] for _ in range(100)], 100 * n + 1)
        c.leave(room)
        c.events.clear()


def test_a_seq_that_anybody_saw_is_never_used_again(start, state, room):
    """Not after kill -9 in mid-flight: what was seen or acknowledged stays, byte by byte, in the same epoch."""
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON)
    seen, acked, epoch = {}, {}, None
    for _ in range(4):
        a, b = V1(d), V1(d)
        for c in (a, b):
            j = c.join(room)
            assert epoch in (None, j["epoch"])
            epoch = j["epoch"]
        texts = [os.urandom(4).hex() for _ in range(200)]
        cids = dict(zip(post_many(a, room, texts), texts))
        for _ in range(50):
            m = b.expect("usermsg")
            assert seen.setdefault(m["seq"], m.text) == m.text
        n = len(acked)
        while len(acked) < n + 50:
            got = a.read()
            if got.get("cid") in cids:
                assert got["type"] == "ok" and got["seq"] not in acked
                acked[got["seq"]] = cids[got["cid"]]
        d.kill()
        a.close()
        b.close()
        d.start()
        c = V1(d)
        j = c.join(room, since={"epoch": epoch, "seq": 0})
        assert j["recovered"] is True and j["epoch"] == epoch
        there = {m["seq"]: m for m in (c.expect("usermsg") for _ in range(j["seq"]))}
        contiguous(there, 1)
        for seq, text in seen.items():
            assert there[seq].text == text
        for seq, text in acked.items():
            assert there[seq]["message"] == text
        seen = {seq: m.text for seq, m in there.items()}
        c.close()


def test_a_restored_file_means_a_new_epoch(start, state, room):
    """It has its messages and counts on; `since` of the old epoch is not taken for whole."""
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON)
    c = V1(d)
    epoch = c.join(room)["epoch"]
    c.say(room, "kept")
    d.hang_up()
    d.stop()
    shutil.copy(f"{state}/journal.db", f"{state}/copy")
    d.start()
    c = V1(d)
    assert c.join(room)["epoch"] == epoch
    lost = c.say(room, "lost")
    d.hang_up()
    d.stop()
    for name in ("journal.db-wal", "journal.db-shm"):
        if os.path.exists(f"{state}/{name}"):
            os.unlink(f"{state}/{name}")
    os.rename(f"{state}/copy", f"{state}/journal.db")
    d.start()
    c = V1(d)
    j = c.join(room, since={"epoch": epoch, "seq": lost["seq"]})
    assert j["epoch"] != epoch and j["recovered"] is False
    assert [m["message"] for m in c.ok("history", room=room)["messages"]] == ["kept"]
    assert c.say(room, "new")["seq"] > 1


def test_memory_begins_a_new_epoch_at_each_start(start, room):
    d = start("journal = memory\n" + COMMON)
    c = V1(d)
    epoch = c.join(room)["epoch"]
    c.say(room, "x")
    d.kill()
    d.start()
    j = V1(d).join(room, since={"epoch": epoch, "seq": 1})
    assert j["epoch"] != epoch and j["recovered"] is False


def test_time_never_falls(server, room):
    c = V1(server)
    c.join(room)
    times = [c.say(room, i)["time"] for i in range(200)]
    assert times == sorted(times)


def test_order_is_kept_when_members_are_cut(workers):
    """Members that go by RST in the middle of everything disturb nobody's order."""
    with Natterd("announce = off\nmessage_rate = 0\n") as d:
        room = new_room()
        stay = V1(d)
        stay.join(room)
        for n in range(15):
            c = V1(d)
            c.join(room)
            post_many(c, room, [f"{n}"] * 5)
            post_many(stay, room, ["x"] * 5)
            c.answer(c.post("ping"))
            c.reset()
        end = stay.ok("message", room=room, message="end")["seq"]
        contiguous([stay.expect("usermsg")["seq"] for _ in range(end)], 1)
        d.hang_up()
