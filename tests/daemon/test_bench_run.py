"""tests/bench/run and plot, on clients so few that the figures say nothing."""
import json
import os
import re
import stat
import subprocess
import xml.etree.ElementTree

import pytest

import certs
from natterd import HERE

BENCH = os.path.join(HERE, "..", "bench")
TINY = ("--tiny", "--rounds", "1", "--seconds", "0.8", "--only", "natterd")
SVG = "{http://www.w3.org/2000/svg}"

pytestmark = pytest.mark.skipif(os.environ.get("NATTER_PORTABLE") == "yes", reason="memory is not told")


def bench_run(folder, *args, status=0, cwd=None):
    """Runs it; (the table, what results.json holds, what it said on the way)."""
    out = folder / "results.txt"
    p = subprocess.run([os.path.join(BENCH, "run"), "--out", str(out), *args], capture_output=True, text=True, timeout=120,
                       check=False, stdin=subprocess.DEVNULL, cwd=cwd)
    assert p.returncode == status, p.stdout + p.stderr
    return out.read_text(), json.loads(out.with_suffix(".json").read_text()), p.stderr


def fake_natterbench(folder, script):
    path = folder / "natterbench"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return "--natterbench", str(path)


def plot(folder):
    out = folder / "bench.svg"
    subprocess.run([os.path.join(BENCH, "plot"), str(folder / "results.json"), str(out)], check=True, timeout=60)
    root = xml.etree.ElementTree.parse(out).getroot()
    assert root.tag == SVG + "svg"
    return [r.get("class") for r in root.iter(SVG + "rect")]


def test_run_and_plot(tmp_path):
    table, results, _ = bench_run(tmp_path, *TINY, "--workload", "room,big,busy,small,idle,connect,half-room,half-big,half-small")
    names = [w["name"] for w in results["workloads"]]
    assert names == ["room", "big", "busy", "small", "idle", "connect", "half-room", "half-big", "half-small"]
    assert results["failures"] == [] and "FAILED" not in table and results["machine"]["date"] in table
    for w in results["workloads"]:
        assert w["title"] in table
        (row,) = w["rows"]
        if row.get("note") == "cannot do as much" and w["rate"]:
            continue  # on a machine as busy as that
        assert row["server"] == "natterd" and row["ratio"] == 1
        assert all(row[f]["min"] <= row[f]["median"] <= row[f]["max"] for f in w["figures"])
    assert plot(tmp_path) == ["bar natterd"] * 5

    # Another server, four times as slow: a bar more in each group.
    for w in results["workloads"]:
        other = json.loads(json.dumps(w["rows"][0]).replace('"natterd"', '"<other>"'))
        for f in w["figures"]:
            if f in other:
                other[f]["median"] *= 4
        w["rows"].append(other)
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert plot(tmp_path) == ["bar natterd", "bar"] * 5


def test_tls(tmp_path):
    if certs.OPENSSL is None:
        pytest.skip("openssl is missing (Debian: openssl)")
    table, results, _ = bench_run(tmp_path, *TINY, "--workload", "tls,tls-idle,tls-connect")
    assert [w["title"][:4] for w in results["workloads"]] == ["TLS:"] * 3 and "FAILED" not in table
    assert plot(tmp_path) == ["bar natterd"]


def test_about_natterd_alone(tmp_path):
    """Rows are sizes, or what is beside; the first one is compared with."""
    table, results, _ = bench_run(tmp_path, *TINY, "--workload", "grow-rooms,fair,storm")
    assert "FAILED" not in table
    rows = {w["name"]: w["rows"] for w in results["workloads"]}
    assert [r["server"] for r in rows["grow-rooms"]][:2] == ["1 room", "10 rooms"]
    assert [r["server"] for r in rows["fair"]][0] == "alone" and rows["fair"][1]["large messages/s"]["median"] > 0
    assert all(r[0]["ratio"] == 1 for r in rows.values())
    (storm,) = rows["storm"]
    assert 0 < storm["seconds in all"]["median"] == pytest.approx(storm["joining"]["median"] + storm["leaving"]["median"])


def test_what_make_bench_builds(tmp_path):
    """natterd's workers in one process with clients; the heap of TLS connections."""
    path = os.path.join(os.path.dirname(os.environ.get("NATTERD") or os.path.join(BENCH, "..", "..", "x")), "tests/bench/workers")
    if not os.access(path, os.X_OK):
        pytest.skip("make bench builds it")
    if certs.OPENSSL is None:
        pytest.skip("openssl is missing (Debian: openssl)")
    table, results, _ = bench_run(tmp_path, *TINY, "--workload", "tls-heap,workers-big,workers-small")
    assert "FAILED" not in table
    assert 10000 < results["workloads"][0]["rows"][0]["heap/connection"]["median"] < 100000
    for w in results["workloads"][1:]:
        assert [r["server"] for r in w["rows"]] == ["1 worker", "2 workers"] and w["reference"] == "1 worker"
        assert w["rows"][0]["busiest %"]["median"] == 100 > w["rows"][1]["busiest %"]["median"] >= 50


def test_half_load_needs_full_load(tmp_path):
    _, results, _ = bench_run(tmp_path, *TINY, "--workload", "half-big")
    assert [w["name"] for w in results["workloads"]] == ["big", "half-big"]
    (full,) = results["workloads"][0]["rows"]
    half = results["workloads"][1]
    assert 0 < half["rate"] <= full["messages/s"]["median"] / 2
    assert half["rows"][0].get("note") == "cannot do as much" or 0 < half["rows"][0]["core %"]["median"] < 100


def test_half_load_is_half_of_the_core(tmp_path):
    report = {"messages_per_s": 1000, "deliveries_per_s": 1000, "own_cpu_percent": 1,
              "server": {"cpu_us_per_delivery": 1, "cpu_percent": 40}, "latency_us": {"p50": 1, "p99": 1, "p99.9": 1},
              "integrity": {"unsent": 0}}
    fake = fake_natterbench(tmp_path, f"echo '{json.dumps(report)}'\n")
    table, results, _ = bench_run(tmp_path, *TINY, *fake, "--workload", "half-big")
    assert "(312 messages/s)" in table and results["workloads"][1]["rate"] == 312.5  # 250 take 40 %


def test_loss_is_a_failure(tmp_path):
    fake = fake_natterbench(tmp_path, 'echo "3 lost"; exit 1\n')
    table, results, said = bench_run(tmp_path, *TINY, *fake, "--workload", "big,half-big", status=1)
    assert "3 lost" in said and "FAILED: big, natterd" in table
    assert [w["rows"][0]["note"] for w in results["workloads"]] == ["FAILED", "was not measured at full load"]
    assert len(results["failures"]) == 1


def test_a_server_that_dies(tmp_path):
    fake = fake_natterbench(tmp_path, 'while [ "$1" != -p ]; do shift; done; kill -9 $2\n'
                            'until grep -q ") Z" /proc/$2/stat; do sleep 0.1; done; exit 1\n')
    table, _, _ = bench_run(tmp_path, *TINY, *fake, "--workload", "big", status=1)
    assert "ended with status -9" in table


def test_rate_that_is_too_much(tmp_path):
    """What was due and not taken is no failure, and no latency either."""
    report = {"messages_per_s": 1000, "deliveries_per_s": 1000, "own_cpu_percent": 1,
              "server": {"cpu_us_per_delivery": 1, "cpu_percent": 1},
              "latency_us": {"p50": 1, "p99": 1, "p99.9": 1}, "integrity": {"unsent": 5}}
    fake = fake_natterbench(tmp_path, f"echo '{json.dumps(report)}'\n")
    table, _, _ = bench_run(tmp_path, *TINY, *fake, "--workload", "half-big")
    assert "cannot do as much" in table and "(500 messages/s)" in table


def test_unknown_names(tmp_path):
    for args in (("--only", "apache"), ("--workload", "huge")):
        p = subprocess.run([os.path.join(BENCH, "run"), *args], capture_output=True, text=True, check=False)
        assert p.returncode == 1 and f"there is no {args[0][2:].replace('only', 'server')} {args[1]}" in p.stderr


def test_interrupted(tmp_path):
    """What there is so far is written, and no server is left behind."""
    fake = fake_natterbench(tmp_path, 'while [ "$1" != -p ]; do shift; done; echo $2 >server; kill $PPID; sleep 1\n')
    table, results, _ = bench_run(tmp_path, *TINY, *fake, status=1, cwd=tmp_path)
    assert "not all rounds were run" in table and "not measured" in table and len(results["failures"]) == 1
    assert not os.path.exists(f"/proc/{(tmp_path / 'server').read_text().strip()}")


def test_reference(tmp_path):
    table, _, _ = bench_run(tmp_path, *TINY[:-1], "natterd,natterd plain send", "--reference", "natterd plain send",
                            "--workload", "room")
    assert "x natterd, plain send" in table and len(re.findall(r"^  natterd.* \d", table, re.M)) == 2
