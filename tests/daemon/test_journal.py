"""What was said is kept: the journal sqlite in a real daemon."""
import json
import os
import shutil
import stat
import subprocess
import tempfile

import pytest

from natterd import Natterd, run, wait_for
from test_chat import enter


def has_sqlite():
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "c")
        with open(path, "w", encoding="ascii") as f:
            f.write("journal = sqlite\nlistener main { address = {\"127.0.0.1\"} port = 0 }\n")
        return "built without" not in run("-c", path)[1]


pytestmark = pytest.mark.skipif(not has_sqlite(), reason="natterd was built without SQLite")


@pytest.fixture
def state():
    d = tempfile.mkdtemp(prefix="natterd-state-")
    yield d
    shutil.rmtree(d, ignore_errors=True)


@pytest.fixture(params=["process", "disk"])
def keeping(request, state, start):
    """A daemon that keeps."""
    return start(f"state_dir = {state}\ndurability = {request.param}\nannounce = off\n")


def has_proof(daemon):
    """Killed, the portable build cannot know whether the machine went on: then only the disk proves anything."""
    return os.environ.get("NATTER_PORTABLE") != "yes" or daemon.log_contains("durability=disk")


def past(daemon, path, n=100):
    """The last N messages, as a newcomer gets them: to the first one that it says itself."""
    c = daemon.connect(f"{path}?history={n}")
    c.send_json(marker=1)  # unstored
    got = []
    while "marker" not in (m := c.recv_json()):
        got.append(m)
    c.close()
    return got


def say(client, text):
    client.send_json(message=text)
    return client.recv_until(message=text)


def test_kill_and_restart(keeping):
    c = keeping.connect("/tea")
    told = [say(c, f"m{i}") for i in range(20)]
    assert [m["seq"] for m in told] == list(range(1, 21))
    keeping.kill()
    keeping.start()
    assert past(keeping, "/tea") == told  # every byte that counts: seq, time, text
    assert [m["seq"] for m in past(keeping, "/tea", 3)] == [18, 19, 20]
    c = keeping.connect("/tea")
    assert say(c, "on")["seq"] == 21
    assert say(keeping.connect("/other"), "x")["seq"] == 1
    assert keeping.log_contains("rooms begin a new epoch") != has_proof(keeping)
    wait_for("the check of the file", lambda: keeping.log_contains("the journal is sound"))


def test_killed_in_mid_flight(keeping):
    """What anybody saw is there, in its place, five times over."""
    seen = {}
    for _ in range(5):
        c = keeping.connect("/tea")
        for i in range(150):
            c.send_json(message=i)
        for _ in range(40):
            m = c.recv_until(type="usermsg")
            assert m["seq"] not in seen or seen[m["seq"]] == m
            seen[m["seq"]] = m
        keeping.kill()
        c.close()
        keeping.start()
        there = {m["seq"]: m for m in past(keeping, "/tea", 200)}
        assert sorted(there) == list(range(min(there), max(there) + 1))
        for seq, m in seen.items():
            assert seq < min(there) or there[seq] == m
    assert keeping.log_contains("rooms begin a new epoch") != has_proof(keeping)


def test_a_clean_restart_needs_no_check(keeping):
    c = keeping.connect("/tea")
    told = say(c, "a")
    c.close()
    keeping.stop()
    keeping.start()
    assert past(keeping, "/tea") == [told]
    assert not keeping.log_contains("the journal is sound")


def test_a_room_that_was_let_go_has_its_past(state, start):
    d = start(f"state_dir = {state}\nannounce = off\nroom_keep = 0\n")
    c = d.connect("/tea")
    told = say(c, "a")
    c.close()
    wait_for("the room to go", lambda: d.counters()["rooms"] == 0)
    assert past(d, "/tea") == [told]
    assert say(d.connect("/tea"), "b")["seq"] == 2


def test_files_are_not_for_everybody(state, start):
    d = start(f"state_dir = {state}\n")
    say(enter(d, "/tea"), "a")
    for name in os.listdir(state):
        assert stat.S_IMODE(os.stat(os.path.join(state, name)).st_mode) & 0o007 == 0, name


def test_one_daemon_a_directory(state, start, tmp_path):
    d = start(f"state_dir = {state}\n")
    status, out = run("-c", d.config_path)
    assert status == 1 and f"state_dir {state} is in use: another natterd runs with it" in out
    say(enter(d, "/tea"), "a")  # unharmed
    other = start("journal = memory\n")
    assert other.log_contains("journal=memory")


def test_systemd_gives_the_directory(state, start):
    d = start("announce = off\n", env={"STATE_DIRECTORY": state})
    assert d.log_contains(f"journal=sqlite folder={state}")


@pytest.mark.parametrize("config, words", [
    ("journal = sqlite\n", "journal = sqlite: set state_dir"),
    ("state_dir = here\n", "state_dir: expected an absolute path, not 'here'"),
    ("state_dir = /nowhere/at/all\n", "state_dir /nowhere/at/all: No such file or directory"),
    ("state_dir = /dev/null\n", "state_dir /dev/null: it is no directory"),
])
def test_it_says_what_is_wrong(tmp_path, config, words):
    path = tmp_path / "c"
    path.write_text(config + 'listener main { address = {"127.0.0.1"} port = 0 }\n')
    status, out = run("-c", str(path))
    assert status == 1 and words in out


def sqlite(state, sql):
    subprocess.run(["/usr/bin/python3", "-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
                    "c.executescript(sys.argv[2])", os.path.join(state, "journal.db"), sql], check=True)


def test_a_later_format_is_refused(state, start):
    d = start(f"state_dir = {state}\n")
    d.stop()
    sqlite(state, "PRAGMA user_version = 99")
    status, out = run("-c", d.config_path)
    assert status == 1 and "was written by a later natter (format 99" in out
    sqlite(state, "PRAGMA user_version = 4")


# ---- a store that cannot ----

def refused(client, text="x"):
    client.send_json(message=text)
    while "code" not in (m := client.recv_json()):
        assert m["message"] == text, m
        client.send_json(message=text)
    assert m["type"] == "error" and m["code"] == "storage_unavailable", m


def test_full_disk(state, start):
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "none", state], check=False,
                                           stderr=subprocess.DEVNULL).returncode:
        pytest.skip("needs root, to mount a small tmpfs")
    try:
        d = start(f"state_dir = {state}\nannounce = off\nmessage_rate = 0\nhistory_bytes = 100M\n")
        ballast = os.path.join(state, "ballast")
        with open(ballast, "wb") as f:
            f.write(bytes(500000))
        c, other = d.connect("/tea"), d.connect("/tea")
        before = say(c, "first")
        refused(c, "x" * 2000)
        assert past(d, "/tea", 200)[0] == before  # history goes on
        other.send_json(typing=True)  # and what is not stored
        assert c.recv_until(typing=True)
        refused(d.connect("/tea"))
        last = past(d, "/tea", 1)[0]["seq"]
        os.unlink(ballast)

        def again():
            c.send_json(message="again")
            while True:
                m = c.recv_json()
                if "code" in m or m.get("message") == "again":
                    return m if "seq" in m else None
        m = wait_for("the disk", again)
        assert m["seq"] == last + 1
        assert d.log_contains("the journal can be written again")
        told = past(d, "/tea", 200)
        d.kill()
        d.start()
        assert past(d, "/tea", 200) == told
        d.stop()
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def test_a_damaged_file(state, start):
    d = start(f"state_dir = {state}\nannounce = off\n")
    say(d.connect("/tea"), "a")
    d.stop()
    path = os.path.join(state, "journal.db")
    with open(path, "r+b") as f:
        f.write(b"\xa5" * 4096)
    with open(path, "rb") as f:
        damaged = f.read()
    d.start()
    assert d.log_contains("the journal is damaged") and d.log_contains("sqlite3 journal.db .dump |")
    c = d.connect("/tea?history=5")
    refused(c)
    c.send_json(typing=1)
    assert c.recv_json() == {"typing": 1}
    c.close()
    d.stop()
    with open(path, "rb") as f:
        assert f.read() == damaged  # nothing is thrown away


def test_repair_as_the_manual_says(state, start):
    if not shutil.which("sqlite3"):
        pytest.skip("sqlite3 is not there (Debian: sqlite3)")
    d = start(f"state_dir = {state}\nannounce = off\n")
    told = say(d.connect("/tea"), "a")
    d.stop()
    subprocess.run("sqlite3 journal.db .dump | sed 's/^ROLLBACK.*/COMMIT;/' | sqlite3 new.db && mv journal.db damaged.db &&"
                   "rm -f journal.db-wal journal.db-shm && mv new.db journal.db", shell=True, cwd=state, check=True)
    d.start()
    assert d.log_contains("rooms begin a new epoch")
    assert past(d, "/tea") == [told]
    assert say(d.connect("/tea"), "b")["seq"] == 2


def test_newcomers_to_a_busy_room_miss_nothing(state, start):
    """The page is read beside the commits: what comes meanwhile is neither lost nor there twice."""
    d = start(f"state_dir = {state}\nannounce = off\nmessage_rate = 0\nhistory_max = 50\n")
    c = d.connect("/busy")
    for turn in range(15):
        for _ in range(200):
            c.send_json(message="x")
        newcomer = d.connect("/busy?history=50")
        seqs = []
        for _ in range(200):
            c.send_json(message="y")
        c.send_json(message=f"end {turn}")
        while True:
            m = newcomer.recv_json()
            seqs.append(m["seq"])
            if m["message"] == f"end {turn}":
                break
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        while c.recv_json()["message"] != f"end {turn}":
            pass
        newcomer.close()
