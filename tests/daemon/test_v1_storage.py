"""natter.v1: a store that cannot: said at once, nothing acknowledged is lost, and it goes on by itself."""
import os
import sqlite3
import struct
import subprocess

import pytest

from natterd import hide_store, wait_for
from test_journal import has_sqlite
from v1 import COMMON, KILL_PROOF, V1, contiguous, new_room

pytestmark = pytest.mark.skipif(not has_sqlite(), reason="natterd was built without SQLite")
JOURNAL = "history_messages = 10000\nhistory_bytes = 100M\n"


@pytest.fixture
def small_disk(state):
    """A state directory on a tmpfs of 1 MB."""
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "none", state], check=False,
                                           stderr=subprocess.DEVNULL).returncode:
        pytest.skip("needs root, to mount a small tmpfs")
    yield state
    subprocess.run(["umount", "-l", state], check=True)


def fill(c, room, size=2000):
    """Says so much until it is refused: (acknowledged as cid -> answer, what was refused as cid -> text)."""
    acked = {}
    for i in range(100000):
        cid, text = f"fill{i}", f"{i} " + "x" * size
        got = c.request("message", cid, room=room, message=text)
        if got["type"] == "error":
            assert got["code"] == "storage_unavailable", got
            return acked, (cid, text)
        acked[cid] = (got, text)
    raise AssertionError("never full")


def test_full_disk(small_disk, start, room):
    d = start(f"state_dir = {small_disk}\n" + KILL_PROOF + COMMON + JOURNAL)
    ballast = os.path.join(small_disk, "ballast")
    with open(ballast, "wb") as f:
        f.write(bytes(400000))
    a, b, user = V1(d), V1(d), V1(d, user="u1")
    epoch = a.join(room)["epoch"]
    b.join(room)
    user.join(room)
    acked, (cid, text) = fill(a, room)
    assert len(acked) > 10
    last = max(m["seq"] for m, _ in acked.values())
    assert last == len(acked)
    # others are refused as well, in any room; nobody hears what was refused
    b.error("storage_unavailable", "message", room=room, message=text)
    other = new_room()
    V1(d).join(room)
    c = V1(d)
    assert c.request("join", room=other)["type"] in ("joined", "error")
    # what needs no store goes on
    a.ok("typing", room=room)
    user.expect("typing")
    assert len(b.ok("history", room=room, limit=10)["messages"]) == 10
    a.ok("name", name="Mirabel")
    newcomer = V1(d)
    assert newcomer.join(room, since={"epoch": epoch, "seq": last - 5})["recovered"] is True
    contiguous([newcomer.expect("usermsg")["seq"] for _ in range(5)], last - 4)
    # there is room again, and it goes on by itself, with the next seq, and the refused cid unused
    os.unlink(ballast)
    got = wait_for("the disk", lambda: (x := a.request("message", cid, room=room, message=text))["type"] == "ok" and x)
    assert got["seq"] == last + 1 and "duplicate" not in got
    heard = [m["seq"] for m in (b.expect("usermsg") for _ in range(last + 1))]
    contiguous(heard, 1)
    user.ok("read", room=room, seq=last)
    # nothing acknowledged is lost, also not by a kill -9
    d.kill()
    d.start()
    c = V1(d)
    j = c.join(room, since={"epoch": epoch, "seq": 0})
    assert j["recovered"] is True and j["epoch"] == epoch
    there = {m["seq"]: m for m in (c.expect("usermsg") for _ in range(j["seq"]))}
    contiguous(there, 1)
    for m, said in acked.values():
        assert there[m["seq"]]["message"] == said and there[m["seq"]]["time"] == m["time"]
    d.hang_up()
    d.stop()


def test_full_disk_many_times(small_disk, start, room):
    """Full and free again while two speak without waiting: acknowledged is stored, refused is not."""
    d = start(f"state_dir = {small_disk}\n" + KILL_PROOF + COMMON + JOURNAL)
    ballast = os.path.join(small_disk, "ballast")
    a, b = V1(d), V1(d)
    epoch = a.join(room)["epoch"]
    b.join(room)
    acked, refused = {}, set()
    for n in range(4):
        with open(ballast, "wb", buffering=0) as f:
            try:
                while f.write(bytes(4096)) == 4096:
                    pass
            except OSError:
                pass
        cids = [(c, c.post("message", room=room, message=f"{n}-{i}-{c.prefix} " + "y" * 500), f"{n}-{i}-{c.prefix}")
                for i in range(40) for c in (a, b)]
        for c, cid, text in cids:
            got = c.answer(cid)
            if got["type"] == "ok":
                assert got["seq"] not in acked
                acked[got["seq"]] = text
            else:
                assert got["code"] == "storage_unavailable"
                refused.add(text)
        os.unlink(ballast)
        wait_for("the disk", lambda: a.request("message", room=room, message="again")["type"] == "ok")
    assert refused
    last = a.ok("message", room=room, message="last")["seq"]
    c = V1(d)
    assert c.join(room, since={"epoch": epoch, "seq": 0})["recovered"] is True
    there = {m["seq"]: m["message"].split()[0] for m in (c.expect("usermsg") for _ in range(last))}
    contiguous(there, 1)
    for seq, text in acked.items():
        assert there[seq] == text
    assert not refused & set(there.values())
    d.hang_up()
    d.stop()


def test_journal_size(start, state, room):
    """The bound of one's own making is a full disk."""
    d = start(f"state_dir = {state}\njournal_size = 600K\n" + COMMON + JOURNAL)
    a = V1(d)
    a.join(room)
    acked, _ = fill(a, room)
    assert len(acked) > 5
    a.ok("typing", room=room)
    page = a.ok("history", room=room, limit=5)["messages"]
    assert [m["seq"] for m in page] == list(range(len(acked) - 4, len(acked) + 1))


def test_a_corrupted_file(start, state, room):
    """The daemon starts, its rooms refuse, the log says how to repair, nothing is thrown away."""
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON)
    a = V1(d)
    a.join(room)
    a.say(room, "x")
    d.hang_up()
    d.stop()
    path = os.path.join(state, "journal.db")
    with open(path, "r+b") as f:
        f.write(b"\xa5" * 4096)
    with open(path, "rb") as f:
        damaged = f.read()
    d.start()
    assert d.log_contains("the journal is damaged") and d.log_contains("sqlite3 journal.db .dump |")
    a, b = V1(d), V1(d)
    answers = [c.request("join", room=room) for c in (a, b)]
    assert {x["type"] for x in answers} <= {"joined", "error"}
    if answers[0]["type"] == "joined":
        a.error("storage_unavailable", "message", room=room, message="x")
        a.error("storage_unavailable", "history", room=room)
        a.ok("typing", room=room)
        b.expect("typing")
    else:
        assert answers[0]["code"] == "storage_unavailable"
    a.sync()
    d.hang_up()
    d.stop()
    with open(path, "rb") as f:
        assert f.read() == damaged


def test_a_page_that_is_damaged_in_the_middle(start, state, room):
    """Whatever it can read of it: an error, or what was said; never an end."""
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON + JOURNAL)
    a = V1(d)
    epoch = a.join(room)["epoch"]
    said = {m["seq"]: m.text for m in (a.say(room, f"{i} " + "z" * 1500) for i in range(60))}
    d.hang_up()
    d.stop()
    path = os.path.join(state, "journal.db")
    with open(path, "r+b") as f:
        size = os.path.getsize(path)
        f.seek(size // 2 // 4096 * 4096)
        f.write(b"\xa5" * 8192)
    d.start()
    a = V1(d)
    got = a.request("join", room=room, since={"epoch": epoch, "seq": 0})
    if got["type"] == "joined" and got["recovered"]:
        for _ in range(got["seq"]):
            m = a.expect("usermsg")
            assert said[m["seq"]] == m.text
    a.close()
    b = V1(d)
    b.sync()


def test_a_file_that_cannot_be_opened_for_now(start, state, room):
    """Nothing is made up in the place of what cannot be read; then everybody there hears of the epoch."""
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON)
    a = V1(d, user="u1")
    epoch = a.join(room)["epoch"]
    said = [a.say(room, i) for i in range(3)]
    d.hang_up()
    d.stop()
    hide_store(state, True)
    d.start()
    a, b, c = V1(d, user="u1"), V1(d), d.connect(f"/{room}?history=5")
    assert [(j["epoch"], j["seq"]) for j in (x.join(room) for x in (a, b))] == [("", 0)] * 2
    V1(d).error("storage_unavailable", "join", room=room, since={"epoch": epoch, "seq": 3})
    a.error("storage_unavailable", "message", "the-cid", room=room, message="x")
    a.error("storage_unavailable", "history", room=room)
    a.error("storage_unavailable", "edit", room=room, seq=1, message="x")
    a.error("storage_unavailable", "direct", user="u2", message="x")
    a.ok("typing", room=room)
    b.expect("typing")
    hide_store(state, False)
    new = a.expect("epoch", room=room)
    assert b.expect("epoch", room=room) == new and new["seq"] == 3 and new["epoch"] not in ("", epoch)
    assert a.ok("history", room=room)["messages"] == said
    assert a.ok("message", "the-cid", room=room, message="x")["seq"] == 4
    assert c.recv_until(message="x")["seq"] == 4  # the plain dialect has no word for epochs
    b.hear("x")
    assert V1(d).join(room, since={"epoch": epoch, "seq": 3})["recovered"] is False
    assert V1(d).join(room, since={"epoch": new["epoch"], "seq": 3})["recovered"] is True


@pytest.fixture
def read_only(state):
    """Makes the state directory's file system one that is only read, and writable again."""
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "none", state], check=False,
                                           stderr=subprocess.DEVNULL).returncode:
        pytest.skip("needs root, to mount a tmpfs")

    def turn(on):
        return subprocess.run(["mount", "-o", "remount,ro" if on else "remount,rw", state], check=False,
                              capture_output=True).returncode == 0
    yield turn
    subprocess.run(["umount", "-l", state], check=True)


def test_read_only(read_only, start, state, room):
    """History works, sending refuses; a file that is writable again is written."""
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON)
    a = V1(d)
    epoch = a.join(room)["epoch"]
    said = [a.say(room, i) for i in range(5)]
    d.hang_up()
    d.stop()
    path = os.path.join(state, "journal.db")
    subprocess.run(["chattr", "+i", path], check=False, capture_output=True)
    immutable = subprocess.run(["touch", path], check=False, capture_output=True).returncode != 0
    if not immutable and not read_only(True):
        pytest.skip("neither chattr +i nor remount,ro works here")
    d.start()
    b = V1(d)
    assert b.join(room, since={"epoch": epoch, "seq": 0})["recovered"] in (True, False)
    page = b.ok("history", room=room)["messages"]
    assert page == said
    b.error("storage_unavailable", "message", room=room, message="x")
    subprocess.run(["chattr", "-i", path], check=False, capture_output=True)
    if not immutable:
        assert read_only(False)


def test_read_only_in_mid_flight(start, state, room):
    """The file cannot grow any more (RLIMIT_FSIZE, as a quota does it): the same as a full disk."""
    d = start(f"state_dir = {state}\n" + KILL_PROOF + COMMON + JOURNAL)
    a, b = V1(d), V1(d)
    a.join(room)
    b.join(room)
    a.say(room, "before")
    if subprocess.run(["prlimit", f"--pid={d.process.pid}", "--fsize=400000:"], check=False, capture_output=True).returncode:
        pytest.skip("prlimit is missing (Debian: util-linux)")
    acked, (cid, text) = fill(a, room)
    last = len(acked) + 1
    assert len(b.ok("history", room=room, limit=5)["messages"]) == 5
    subprocess.run(["prlimit", f"--pid={d.process.pid}", "--fsize=unlimited:"], check=True, capture_output=True)
    got = wait_for("it to be written", lambda: (x := a.request("message", cid, room=room, message=text))["type"] == "ok" and x)
    assert got["seq"] == last + 1


def test_a_slow_store_blocks_no_worker(start, state, room):
    """Somebody holds the file: messages wait for it, and in their room what is relayed behind them; all else goes on."""
    d = start(f"state_dir = {state}\nworkers = 1\n" + KILL_PROOF + COMMON)
    a, b, other = V1(d), V1(d), new_room()
    for c in (a, b):
        c.join(room)
        c.join(other)
    said = a.say(room, "before")
    b.hear("before")
    holder = sqlite3.connect(os.path.join(state, "journal.db"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waiting = a.post("message", room=room, message="held up")
    a.post("typing", room=room)
    for _ in range(20):
        a.ok("typing", room=other)
        b.expect("typing", room=other)
        assert b.ok("ping")["time"] and b.ok("who", room=room)["guests"] == 2
    assert b.ok("history", room=room)["messages"] == [said]
    V1(d, "/?name=Mirabel").join(room)
    assert waiting not in a.answers  # for some seconds; all that was meanwhile
    holder.execute("COMMIT")
    holder.close()
    assert a.answer(waiting)["seq"] == 2
    b.hear("held up")
    b.expect("typing", room=room)


# A library that sets the wall clock of the process that it is loaded into by so many seconds as a file says.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
static volatile long long *offset;
__attribute__((constructor)) static void begin(void)
{
	int fd = open(getenv("NATTER_TEST_CLOCK"), O_RDONLY);
	void *p = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || p == MAP_FAILED)
		abort();
	offset = p;
}
int clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int r;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	r = real(id, ts);
	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) && offset)
		ts->tv_sec += *offset;
	return r;
}
"""
DAY = 86400


@pytest.fixture
def clock(tmp_path):
    """An environment whose wall clock set(SECONDS) moves."""
    source, lib, file = tmp_path / "clock.c", tmp_path / "clock.so", tmp_path / "offset"
    source.write_text(SHIM)
    file.write_bytes(bytes(8))
    subprocess.run([*os.environ.get("CC", "cc").split(), "-shared", "-fPIC", "-o", lib, source, "-ldl"], check=True)

    class Clock:
        env = {"LD_PRELOAD": str(lib), "NATTER_TEST_CLOCK": str(file),
               "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}

        @staticmethod
        def set(seconds):
            with open(file, "r+b", buffering=0) as f:
                f.write(struct.pack("=q", seconds))
    return Clock


@pytest.mark.parametrize("journal", ["memory", "sqlite"])
def test_clock_back(clock, start, state, room, journal):
    """`time` never falls within a room, in one run and over a restart."""
    d = start(f"journal = {journal}\nstate_dir = {state}\n" + KILL_PROOF + COMMON, env=clock.env)
    a = V1(d)
    epoch = a.join(room)["epoch"]
    first = a.say(room, "x")["time"]
    clock.set(-DAY)
    new = V1(d)
    other = new_room()
    new.join(other)
    assert new.say(other, "x")["time"] < first - DAY * 500  # the clock was moved indeed
    times = [a.say(room, i)["time"] for i in range(5)]
    assert all(t >= first for t in times) and times == sorted(times)
    if journal == "sqlite":
        d.kill()
        d.start()
        a = V1(d)
        assert a.join(room)["epoch"] == epoch
        assert a.say(room, "y")["time"] >= times[-1]


@pytest.mark.parametrize("journal", ["memory", "sqlite"])
@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_deadlines_do_not_follow_the_clock(clock, start, state, room, journal, jump):
    """What is kept for a while (cids, mutes, sessions, names) is kept for that long, whatever the clock does."""
    d = start(f"journal = {journal}\nstate_dir = {state}\nsession_keep = 60s\n" + COMMON, env=clock.env)
    a, mod, u = V1(d, "/?name=Mirabel"), V1(d, user="mod0"), V1(d, user="u1")
    for c in (a, mod, u):
        c.join(room)
    first = a.ok("message", "the-cid", room=room, message="x")
    mod.ok("mute", room=room, user="u1", duration=60)
    short = V1(d, user="u2")
    short.join(room)
    mod.ok("mute", room=room, user="u2", duration=2)
    a.close()
    clock.set(jump)
    assert 0 < u.error("muted", "message", room=room, message="x")["retry_after"] <= 60
    b = V1(d)
    b.error("name_taken", "name", name="Mirabel")
    assert b.ok("ping")["time"] != 0
    c = V1(d, resume=a.session)
    c.join(room)
    got = c.ok("message", "the-cid", room=room, message="x")
    assert got["duplicate"] is True and got["seq"] == first["seq"]
    wait_for("the end of a mute", lambda: short.request("message", room=room, message="x")["type"] == "ok")
    u.error("muted", "message", room=room, message="x")
