"""The torture run, a small one: tests/torture/run; and its checker, which has to find what is wrong."""
import ast
import json
import os
import subprocess

import pytest

from natterd import HERE
from test_journal import has_sqlite

TORTURE = os.path.join(HERE, "..", "torture")
SEED = int(os.environ.get("NATTERD_SEED") or 1)


@pytest.mark.parametrize("journal", ["memory", "sqlite"])
@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_small_torture(journal, seed):
    if journal == "sqlite" and not has_sqlite():
        pytest.skip("natterd was built without SQLite")
    p = subprocess.run([os.path.join(TORTURE, "run"), "--journal", journal, "--seed", str(seed), "--messages", "1000",
                        "--clients", "20", "--rooms", "3", "--processes", "4", "--client-kills", "3", "--daemon-kills", "2"],
                       capture_output=True, text=True, timeout=300, check=False)
    assert p.returncode == 0, p.stdout + p.stderr
    assert "well: 20 clients, 1000 messages acknowledged" in p.stdout


# ---- the checker ----

def frame(room, seq, text, time=5):
    return json.dumps({"type": "usermsg", "message": text, "room": room, "seq": seq, "time": time})


def said(i):
    return f"c{i % 2}-{i} xx"


class Logs:
    """A run of two clients in a room, of which one was away for a while; as it should be."""

    def __init__(self, path):
        self.path = path
        m = [f"M tea E1 {i} {frame('tea', i, said(i))}" for i in range(1, 9)]
        self.lines = {
            "journal": m + [x.replace("M", "H", 1) for x in m],
            "client-00": ["W s0", "J tea E1 0 -"] + m[:3] + ["X cut: reset"] + m[3:],
            "client-01": ["W s1", "J tea E1 0 -"] + m[:4] + ["X cut: half-open", "J tea E1 7 yes"] + m[4:],
        }
        for i in range(1, 9):
            who = f"client-0{i % 2}"
            self.lines[who].insert(2, f"S c{i % 2}-{i} tea {said(i)}")
            self.lines[who].append(f"A c{i % 2}-{i} tea {i}")

    def at(self, name, begin):
        """The number of the line that begins so."""
        return next(i for i, x in enumerate(self.lines[name]) if x.startswith(begin))

    def check(self, stay=1):
        for name, lines in self.lines.items():
            (self.path / f"{name}.log").write_text("".join(x + "\n" for x in lines))
        p = subprocess.run(["/usr/bin/python3", "-B", os.path.join(TORTURE, "check.py"), str(self.path), str(stay)],
                           capture_output=True, text=True, check=False)
        assert "Traceback" not in p.stderr, p.stderr
        return p.returncode, p.stdout


@pytest.fixture
def logs(tmp_path):
    return Logs(tmp_path)


def test_the_checker_is_content(logs):
    assert logs.check() == (0, "well: 2 clients, 8 messages acknowledged, 16 heard, 8 in the journal; "
                            "1 times back in a room, 3 missed and recovered, 0 said again; 1 were never cut\n")


def test_the_checker_wants_some_who_stay(logs):
    assert logs.check(stay=2) == (1, "WRONG 1 clients stayed connected, and 2 had to\n")


def lost(logs):
    del logs.lines["client-00"][logs.at("client-00", "M tea E1 5")]


def lost_at_the_end(logs):
    del logs.lines["client-00"][logs.at("client-00", "M tea E1 8")]


def doubled(logs):
    i = logs.at("client-01", "M tea E1 5")
    logs.lines["client-01"].insert(i, logs.lines["client-01"][i])


def swapped(logs):
    x, i = logs.lines["client-01"], logs.at("client-01", "M tea E1 5")
    x[i], x[i + 1] = x[i + 1], x[i]


def other_bytes(logs):
    i = logs.at("client-00", "M tea E1 5")
    logs.lines["client-00"][i] = logs.lines["client-00"][i].replace('"time": 5', '"time":5')


def other_epoch(logs):
    i = logs.at("client-00", "M tea E1 5")
    logs.lines["client-00"][i] = logs.lines["client-00"][i].replace("E1", "E2")


def said_twice(logs):
    """Lost in the acknowledgement and said again under another seq: everybody has it, twice."""
    line = f"M tea E1 9 {frame('tea', 9, said(8))}"
    for name in logs.lines:
        logs.lines[name].append(line)
    logs.lines["journal"].append(line.replace("M", "H", 1))


def from_nowhere(logs):
    line = f"M tea E1 9 {frame('tea', 9, 'who said that?')}"
    for name in logs.lines:
        logs.lines[name].append(line)
    logs.lines["journal"].append(line.replace("M", "H", 1))


def not_recovered(logs):
    i = logs.at("client-01", "J tea E1 7")
    logs.lines["client-01"][i] = "J tea E1 7 no"


def not_acknowledged(logs):
    del logs.lines["client-01"][logs.at("client-01", "A c1-3")]


def acknowledged_and_lost(logs):
    """Nobody has it, the journal neither."""
    for name, lines in logs.lines.items():
        logs.lines[name] = [x for x in lines if " E1 8 " not in x]


def acknowledged_as_another(logs):
    i = logs.at("client-01", "A c1-3")
    logs.lines["client-01"][i] = "A c1-3 tea 4"


def acknowledged_twice(logs):
    logs.lines["client-01"].append("A c1-3 tea 5")


def an_error(logs):
    logs.lines["client-01"].append("E what is this?")


def history_differs(logs):
    i = logs.at("journal", "H tea E1 3")
    logs.lines["journal"][i] = logs.lines["journal"][i].replace("xx", "yy")


def a_gap_in_the_journal(logs):
    for name, lines in logs.lines.items():
        logs.lines[name] = [x for x in lines if " E1 4 " not in x]


def the_same_in_both_clients(logs):
    """What all members miss is not right for that."""
    for name in ("client-00", "client-01"):
        lost_line = logs.at(name, "M tea E1 6")
        del logs.lines[name][lost_line]


@pytest.mark.parametrize("doctor", [lost, lost_at_the_end, doubled, swapped, other_bytes, other_epoch, said_twice, from_nowhere,
                                    not_recovered, not_acknowledged, acknowledged_and_lost, acknowledged_as_another,
                                    acknowledged_twice, an_error, history_differs, a_gap_in_the_journal,
                                    the_same_in_both_clients], ids=lambda f: f.__name__)
def test_the_checker_finds(logs, doctor):
    doctor(logs)
    status, out = logs.check()
    assert status == 1 and "WRONG" in out, out


def test_the_checker_wants_logs(logs):
    logs.lines = {"journal": []}
    assert logs.check()[0] == 1


def test_a_seed_repeats_its_decisions():
    code = """if True:
        from runpy import run_path
        from types import SimpleNamespace
        import client
        decisions = run_path("run")["decisions"]
        print([client.decide(7, n, 400) for n in range(50)])
        for seed in (7, 8):
            print(decisions(SimpleNamespace(seed=seed, journal="sqlite", client_kills=6, daemon_kills=5), 20000, 10))
        """
    out = [subprocess.run(["/usr/bin/python3", "-B", "-c", code], cwd=TORTURE, capture_output=True, text=True, check=True).stdout
           for _ in range(2)]
    assert out[0] == out[1] and "half-open" in out[0] and "reset" in out[0]
    seven, eight = map(ast.literal_eval, out[0].splitlines()[1:])
    assert len(seven) == 11 and [who for _, who, _ in seven].count(None) == 5 and seven != eight
