"""natterbench: each mode against a real natterd, and against servers that lose, double and swap."""
import asyncio
import base64
import hashlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from natterd import DEADLINE, GUID, HERE, Authority, wait_for

BENCH = os.environ.get("NATTERBENCH") or os.path.join(HERE, "..", "..", "natterbench")
CONF = os.path.join(HERE, "..", "bench", "natterd.conf")
PORTABLE = os.environ.get("NATTER_PORTABLE") == "yes"
FAST = ("--warmup", "0.2", "--duration", "0.5")


def bench(*args, status=0, timeout=60):
    """Runs it; its standard output. `status` None: (status, output, errors)."""
    p = subprocess.run([BENCH, *map(str, args)], capture_output=True, text=True, timeout=timeout, check=False,
                       stdin=subprocess.DEVNULL)
    assert "Sanitizer" not in p.stderr and "runtime error" not in p.stderr, p.stderr
    if status is None:
        return p.returncode, p.stdout, p.stderr
    assert p.returncode == status, (p.returncode, p.stdout, p.stderr)
    return p.stdout


def bench_json(*args, status=0):
    return json.loads(bench("--json", *args, status=status))


@pytest.fixture(scope="module")
def daemon():
    """With the limits lifted that a load generator meets."""
    from natterd import Natterd
    with open(CONF, encoding="utf-8") as f:
        with Natterd(re.sub(r"port = \d+", "port = 0", f.read())) as d:
            yield d


def check_latency(latency):
    order = [latency[k] for k in ("p50", "p90", "p99", "p99.9", "max")]
    assert latency["count"] > 0 and order == sorted(order) and order[-1] > 0


def check_integrity(r, members):
    i = r["integrity"]
    assert i["sent"] > 0
    assert i["expected"] == i["delivered"] == i["sent"] * members
    assert not any(i[k] for k in ("lost", "duplicates", "out_of_order", "order_mismatches", "misrouted", "unsent"))
    assert r["status"] == 0 and r["interrupted"] is False and r["connections_lost"] == 0


# ---- each mode ----


def test_fanout(daemon):
    r = bench_json(*FAST, "-r", 20, "-s", 3, "-w", 2, "-p", daemon.process.pid, "fanout", daemon.url("/fanout"))
    assert (r["mode"], r["rooms"], r["receivers"], r["senders"], r["window"]) == ("fanout", 1, 20, 3, 2)
    assert r["connections"] == 23
    check_integrity(r, 23)
    check_latency(r["latency_us"])
    assert r["delivered"] > 0 and 0.4 < r["seconds"] < 5
    assert r["deliveries_per_s"] == pytest.approx(r["delivered"] / r["seconds"], rel=1e-3)
    assert r["server"]["cpu_us_per_delivery"] > 0
    assert r["server"]["cpu_s"] == pytest.approx(r["server"]["cpu_us_per_delivery"] * r["delivered"] / 1e6, rel=1e-3)
    if not PORTABLE:
        assert r["server"]["rss"] == pytest.approx(daemon.memory(), rel=0.3)


def test_server_counts_the_same(daemon):
    before = daemon.counters()
    r = bench_json(*FAST, "-r", 4, "-s", 2, "fanout", daemon.url("/counts"))
    check_integrity(r, 6)
    assert daemon.counters()["stored"] - before["stored"] == r["integrity"]["sent"]


def test_many_rooms(daemon):
    r = bench_json(*FAST, "--rooms", 7, "-r", 3, "-s", 2, "fanout", daemon.url("/rooms/{room}/x"))
    assert r["connections"] == 35
    check_integrity(r, 5)
    check_integrity(bench_json(*FAST, "--rooms", 3, "-r", 0, "-s", 2, "fanout", daemon.url("/rooms")), 2)


def test_open_loop(daemon):
    r = bench_json("--warmup", 0.5, "-d", 1.5, "--rate", 200, "-r", 5, "-s", 3, "fanout", daemon.url("/open"))
    assert r["rate"] == 200 and "window" not in r
    check_integrity(r, 8)
    check_latency(r["latency_us"])
    assert r["messages_per_s"] == pytest.approx(200, rel=0.5)  # a machine that stalls has them come later
    assert r["latency_us"]["count"] == pytest.approx(200 * 1.5 * 8, rel=0.5)


def test_a_stall_counts_for_every_message_that_was_due(daemon):
    """No coordinated omission: half a second's stop shows in more than a few latencies."""
    p = subprocess.Popen([BENCH, "--json", "--warmup", "0.2", "-d", "2", "--rate", "500", "-r", "1", "-s", "1", "fanout",
                          daemon.url("/stall")], stdout=subprocess.PIPE, text=True)
    time.sleep(1.5)
    daemon.signal(signal.SIGSTOP)
    time.sleep(0.6)
    daemon.signal(signal.SIGCONT)
    r = json.loads(p.communicate(timeout=DEADLINE)[0])
    check_integrity(r, 2)
    assert r["latency_us"]["max"] > 500e3
    assert r["latency_us"]["p90"] > 100e3  # a quarter of all were due while it stood still


def test_echo(daemon):
    r = bench_json(*FAST, "-n", 10, "-w", 3, "--format", "raw", "echo", daemon.url("/echo"))
    check_integrity(r, 1)
    check_latency(r["latency_us"])
    assert r["message_bytes"] == 64 and r["connections"] == 10


def test_echo_of_a_chat_room(daemon):
    r = bench_json(*FAST, "-n", 5, "--size", 24, "echo", daemon.url("/own-{room}"))
    check_integrity(r, 1)
    assert r["message_bytes"] == 24 + len('{"message":""}')
    shared = bench_json(*FAST, "-n", 3, "echo", daemon.url("/shared"), status=1)
    assert shared["integrity"]["misrouted"] > 0 and shared["integrity"]["lost"] == 0


def test_connect(daemon):
    before = daemon.counters()
    r = bench_json(*FAST, "--concurrency", 8, "-p", daemon.process.pid, "connect", daemon.url("/echo"))
    assert r["handshakes"] > 0 and r["handshakes_failed"] == 0
    check_latency(r["handshake_us"])
    assert r["handshake_us"]["count"] == r["handshakes"]
    assert r["handshakes_per_s"] == pytest.approx(r["handshakes"] / r["seconds"], rel=1e-3)
    assert r["server"]["cpu_us_per_handshake"] > 0
    wait_for("all to be gone", lambda: daemon.counters()["connections"] == before["connections"])


def test_idle(daemon):
    r = bench_json("-n", 300, "-d", 0.5, "-p", daemon.process.pid, "idle", daemon.url("/idle"))
    assert r["connections"] == r["handshakes"] == 300 and r["connections_lost"] == 0
    check_latency(r["handshake_us"])
    assert r["server"]["cpu_us_per_handshake"] > 0
    assert PORTABLE or "bytes_per_connection" in r["server"]


def test_default_limits_are_shown_not_hidden(plain):
    """20 messages a second are what a default natterd lets one sender say."""
    r = bench_json("--warmup", 2, "-d", 2, "-r", 1, "-s", 1, "-w", 60, "fanout", plain.url("/limited"))
    check_integrity(r, 2)
    assert r["messages_per_s"] < 60


def test_unix_socket(start, tmp_path):
    path = tmp_path / "s"
    start(f'listener main {{ path = "{path}" }}\nmessage_rate = 0\n')
    check_integrity(bench_json(*FAST, "-r", 2, "-s", 1, "fanout", f"ws+unix://{path}:/a"), 3)


@pytest.mark.parametrize("size", [24, 125, 126, 500, 60000])
def test_sizes(daemon, size):
    r = bench_json("--warmup", 0, "-d", 0.3, "--size", size, "-r", 2, "-s", 1, "fanout", daemon.url("/sizes"))
    check_integrity(r, 3)


def test_subprotocol_and_header(daemon):
    check_integrity(bench_json(*FAST, "-r", 1, "-s", 1, "--subprotocol", "chat", "--header", "Origin: http://127.0.0.1",
                               "--source", "127.0.0.3", "--text", '{"type":"x","message":"{message}"}', "fanout",
                               daemon.url("/fields")), 2)


def test_deflate(start):
    d = start("deflate = yes\nmessage_rate = 0\n")
    args = (*FAST, "--size", 4000, "-r", 3, "-s", 2, "fanout", d.url("/deflate"))
    r = bench_json("--deflate", *args)
    check_integrity(r, 5)
    assert r["deflated"] >= r["integrity"]["delivered"]
    assert r["bytes_per_s"] < r["deliveries_per_s"] * 1000
    r = bench_json(*args)
    check_integrity(r, 5)
    assert "deflated" not in r and r["bytes_per_s"] > r["deliveries_per_s"] * 4000


# ---- TLS ----


@pytest.fixture(scope="module")
def secure():
    from natterd import Natterd
    with open(CONF, encoding="utf-8") as f:
        with Natterd(re.sub(r"port = \d+", "port = 0", f.read()), tls=True) as d:
            yield d


def cacert():
    return "--cacert", Authority.get().ca


@pytest.mark.parametrize("size", [64, 60000])
def test_tls_fanout(secure, size):
    before = secure.counters()["tls_handshakes"]
    r = bench_json(*FAST, *cacert(), "--size", size, "-r", 20, "-s", 3, "-w", 2, "fanout", secure.url("/tls"))
    check_integrity(r, 23)
    check_latency(r["latency_us"])
    assert r["url"].startswith("wss://") and r["tls"].startswith("TLSv1.")
    assert secure.counters()["tls_handshakes"] == before + 23


def test_tls_open_loop_and_echo(secure):
    check_integrity(bench_json(*FAST, *cacert(), "--rate", 200, "-r", 3, "-s", 2, "fanout", secure.url("/o")), 5)
    check_integrity(bench_json(*FAST, *cacert(), "-n", 10, "-w", 3, "--format", "raw", "echo", secure.url("/echo")), 1)


def test_tls_connect_and_idle(secure):
    before = secure.counters()
    r = bench_json(*FAST, *cacert(), "--concurrency", 4, "connect", secure.url("/echo"))
    assert r["handshakes"] > 0 and r["handshakes_failed"] == 0
    check_latency(r["handshake_us"])
    out = bench("-n", 50, "-d", 0.3, *cacert(), "idle", secure.url("/idle"))
    assert re.search(r"50 connections, TLSv1\.\S+ \S+, 0\.", out) and "still open" in out
    wait_for("all to be gone", lambda: secure.counters()["connections"] == before["connections"])
    assert secure.counters()["tls_resumed"] == before["tls_resumed"]


def test_tls_by_any_name_of_the_certificate(secure):
    check_integrity(bench_json(*FAST, *cacert(), "-r", 1, "fanout", f"wss://localhost:{secure.port}/"), 11)


def test_tls_certificates_are_looked_at(secure, start):
    """As curl does: the system's authorities, or those of a file; or none when one says so."""
    status, out, err = bench(*FAST, "fanout", secure.url("/"), status=None)
    assert status == 2 and out == "" and "certificate" in err and "--cacert" in err and "--insecure" in err
    other = start('listener main { address = {"127.0.0.2"} port = 0 }\n', tls=True)
    status, _, err = bench(*FAST, *cacert(), "fanout", f"wss://127.0.0.2:{other.port}/", status=None)
    assert status == 2 and "mismatch" in err
    for option in ("--insecure", "-k"):
        check_integrity(bench_json(*FAST, option, "-r", 1, "fanout", secure.url("/")), 11)


def test_tls_to_who_speaks_none(daemon):
    status, _, err = bench(*FAST, "-k", "fanout", f"wss://127.0.0.1:{daemon.port}/", status=None)
    assert status == 2 and "TLS handshake" in err


def test_tls_server_dies(start):
    d = start("message_rate = 0\n", tls=True)
    p = subprocess.Popen([BENCH, "--json", "-k", "--warmup", "0.1", "-d", "60", "--timeout", "1", "-r", "2", "-s", "1",
                          "fanout", d.url("/dies")], stdout=subprocess.PIPE, text=True)
    wait_for("all to be there", lambda: d.counters()["sessions"] == 3)
    time.sleep(0.5)
    d.kill()
    r = json.loads(p.communicate(timeout=DEADLINE)[0])
    assert p.returncode == 1 and r["connections_lost"] == 3 and "ended a connection" in r["why"]
    d.start()


# ---- what people read ----


def test_text(daemon):
    out = bench(*FAST, "-r", 3, "-s", 1, "-p", daemon.process.pid, "fanout", daemon.url("/text"))
    assert re.search(r"1 room of 3 receivers and 1 sender, messages of 78 bytes, closed loop \(window 1\)", out)
    assert re.search(r"deliveries +[\d,]+ /s", out)
    assert re.search(r"server CPU +[\d.]+ us per delivery", out)
    assert re.search(r"latency +p50 .*p90 .*p99 .*p99\.9 .*max ", out)
    assert "none lost, none twice, all in one order" in out
    assert "us per handshake" in bench(*FAST, "-p", daemon.process.pid, "connect", daemon.url("/echo"))
    assert "still open" in bench("-n", 10, "-d", 0.1, "idle", daemon.url("/idle"))


def test_progress_only_on_a_terminal(daemon):
    args = [BENCH, "--warmup", "0", "-d", "1.2", "-r", "1", "-s", "1", "fanout", daemon.url("/progress")]
    assert subprocess.run(args, capture_output=True, check=True).stderr == b""
    for quiet in (False, True):
        master, slave = os.openpty()
        subprocess.run(args[:1] + ["-q"] * quiet + args[1:], stdout=subprocess.DEVNULL, stderr=slave, check=True)
        os.close(slave)
        try:
            shown = os.read(master, 65536)
        except OSError:
            shown = b""
        os.close(master)
        assert (b"deliveries/s" in shown) is not quiet


def test_interrupted_prints_what_there_is(daemon):
    p = subprocess.Popen([BENCH, "--json", "--warmup", "0.1", "-d", "60", "-r", "2", "-s", "1", "fanout",
                          daemon.url("/int")], stdout=subprocess.PIPE, text=True)
    time.sleep(1.5)
    p.send_signal(signal.SIGINT)
    r = json.loads(p.communicate(timeout=DEADLINE)[0])
    assert p.returncode == 0 and r["interrupted"] is True and r["seconds"] < 20
    assert r["integrity"]["delivered"] == r["integrity"]["expected"] > 0


# ---- what is wrong ----


@pytest.mark.parametrize("args, what", [
    ([], "say what to measure"),
    (["dance"], "expected fanout, echo, connect or idle"),
    (["fanout", "http://localhost/"], "expected ws://"),
    (["fanout", "wss://"], "wss://HOST:PORT"),
    (["--cacert", "/nowhere", "fanout", "wss://localhost/"], "--cacert /nowhere"),
    (["fanout", "ws://localhost/", "x"], "one URL"),
    (["--rate", "5", "-w", "2", "fanout"], "take one"),
    (["--size", "23", "fanout"], "from 24"),
    (["-s", "0", "fanout"], "from 1"),
    (["-r", "1.5", "fanout"], "whole number"),
    (["--text", "hello", "fanout"], "{message}"),
    (["--format", "xml", "fanout"], "chat or raw"),
    (["--header", "x", "fanout"], "Name: value"),
    (["--source", "here", "fanout"], "IPv4 or IPv6"),
    (["--pid", "999999999", "fanout"], "no process"),
    (["--no-self", "-r", "0", "fanout"], "receiver"),
    (["--no-such-option", "fanout"], "no-such-option"),
])
def test_bad_arguments(args, what):
    status, out, err = bench(*args, status=None)
    assert status == 2 and what in err and out == ""


def test_help_and_version():
    assert "fanout|echo|connect|idle" in bench("--help")
    assert re.match(r"natterbench \d", bench("--version"))


def test_nobody_there():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{s.getsockname()[1]}/"
        for mode in ("fanout", "echo", "connect", "idle"):
            status, _, err = bench(*FAST, mode, url, status=None)
            assert status == 2 and "Is the server running" in err


def test_refused(start):
    d = start("max_connections = 5\n")
    status, _, err = bench(*FAST, "fanout", d.url(), status=None)
    assert status == 2 and "503" in err and "max_connections" in err
    status, _, err = bench(*FAST, "fanout", start("create_rooms = no\n").url("/none"), status=None)
    assert status == 2 and "404" in err


def test_too_few_files(daemon):
    p = subprocess.run(["sh", "-c", f"ulimit -n 100; exec '{BENCH}' -n 200 idle {daemon.url()}"], capture_output=True,
                       text=True, check=False)
    assert p.returncode == 2 and "open files" in p.stderr and "ulimit" in p.stderr


def test_server_dies(start):
    d = start("message_rate = 0\n")
    p = subprocess.Popen([BENCH, "--json", "--warmup", "0.1", "-d", "60", "--timeout", "1", "-r", "2", "-s", "1", "fanout",
                          d.url("/dies")], stdout=subprocess.PIPE, text=True)
    time.sleep(1.5)
    d.kill()
    r = json.loads(p.communicate(timeout=DEADLINE)[0])
    assert p.returncode == 1 and r["connections_lost"] == 3 and "ended a connection" in r["why"]
    d.start()


# ---- servers that are not what they should be ----


class Relay:
    """A chat of one room that sends what it gets to everyone; `fault(n, member, frames)` spoils it.

    It is called for message n to the member-th member, with what to send (a list of one), and
    returns the list that is sent.
    """

    def __init__(self, fault=lambda n, member, frames: frames, to_self=True):
        self.fault, self.to_self, self.members, self.n, self.pongs = fault, to_self, [], 0, 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self.serve, "127.0.0.1", 0), self.loop).result()
        self.url = f"ws://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/"

    async def serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            key = re.search(r"Sec-WebSocket-Key: (\S+)", head)[1].encode()
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
            writer.write(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            self.members.append(writer)
            while True:
                a, b = await reader.readexactly(2)
                n = b & 127
                assert n < 126
                mask = await reader.readexactly(4)
                data = bytes(c ^ mask[i % 4] for i, c in enumerate(await reader.readexactly(n)))
                if a & 15 == 8:
                    break
                if a & 15 in (1, 2):
                    self.publish(writer, bytes([0x81, n]) + data)
                else:
                    self.pongs += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        if writer in self.members:
            self.members.remove(writer)
        writer.close()

    def publish(self, sender, frame):
        for i, member in enumerate(self.members):
            if self.to_self or member is not sender:
                for f in self.fault(self.n, i, [frame]):
                    member.write(f)
        self.n += 1

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


RELAYED = (*FAST, "--timeout", "2", "--rate", "200", "-r", "3", "-s", "2", "fanout")


def test_relay_that_does_well():
    with Relay() as s:
        check_integrity(bench_json(*RELAYED, s.url), 5)


def spoiled(fault, args=RELAYED):
    with Relay(fault) as s:
        r = bench_json(*args, s.url, status=1)
    i = r["integrity"]
    return {k: i[k] for k in ("lost", "duplicates", "out_of_order", "order_mismatches", "misrouted") if i[k]}


def test_loss():
    assert spoiled(lambda n, member, f: [] if n == 10 and member == 2 else f) == {"lost": 1}
    assert spoiled(lambda n, member, f: [] if n >= 20 and member == 1 else f)["lost"] > 1  # to the end


def test_loss_in_a_closed_loop():
    """Senders do not wait for ever."""
    args = ("--warmup", 0.1, "-d", 3, "--timeout", 2, "-r", 1, "-s", 1, "fanout")
    with Relay(lambda n, member, f: [] if n == 5 else f) as s:
        r = bench_json(*args, s.url, status=1)
    assert r["integrity"]["lost"] == 2 and r["integrity"]["stalls"] == 1 and r["integrity"]["sent"] > 10


def test_duplicates():
    assert spoiled(lambda n, member, f: f * 2 if n in (7, 30) and member == 0 else f) == {"duplicates": 2}


def late(of_same):
    """A message reaches member 1 after the next one of the same sender, or of the other one."""
    kept = []

    def sender(frame):
        return frame[frame.index(b"^") + 5:][:4]

    def fault(n, member, frames):
        if member != 1 or n < 10 or kept == [None]:
            return frames
        if not kept:
            kept.append(frames[0])
            return []
        if (sender(frames[0]) == sender(kept[0])) == of_same:
            late_one, kept[0] = kept[0], None
            return frames + [late_one]
        if of_same:
            return frames
        kept[0], in_time = frames[0], kept[0]
        return [in_time]

    return fault


def test_order_within_a_sender():
    assert spoiled(late(True)) == {"out_of_order": 1}


def test_order_of_all():
    assert spoiled(late(False)) == {"order_mismatches": 1}


def test_damaged_stamps_are_no_deliveries():
    assert spoiled(lambda n, member, f: [f[0][:30] + b"!" + f[0][31:]] if n == 9 and member == 0 else f) == {"lost": 1}


def test_server_without_self():
    with Relay(to_self=False) as s:
        args = (*FAST, "--timeout", "2", "-r", 2, "-s", 2)
        r = bench_json(*args, "--no-self", "fanout", s.url)
        check_integrity(r, 3)
        assert r["integrity"]["stalls"] == 0
        r = bench_json(*args, "-d", 3, "fanout", s.url, status=1)  # longer than it waits
        assert r["integrity"]["lost"] == 2 * r["integrity"]["sent"] / 2 and r["integrity"]["stalls"] > 0


def test_fragments_pings_and_batches():
    """A message in three frames, with a ping between; two messages in one."""
    kept = {}

    def fault(n, member, frames):
        data = frames[0][2:]
        if n % 3 == 0:
            return [bytes([0x01, 20]) + data[:20] + b"\x89\x02hi" + b"\x00\x05" + data[20:25],
                    bytes([0x80, len(data) - 25]) + data[25:]]
        if n % 3 == 1:
            kept[member] = data
            return []
        both = b"[" + kept.pop(member) + b"," + data + b"]"
        return [b"\x81\x7e" + struct.pack(">H", len(both)) + both]

    with Relay(fault) as s:
        out = bench("--json", *RELAYED, s.url, status=None)[1]
        assert s.pongs > 0
    i = json.loads(out)["integrity"]
    assert i["lost"] == (5 if i["sent"] % 3 == 2 else 0), i  # the relay may have kept the last one
    assert i["delivered"] + i["lost"] == i["expected"] > 0
    assert not any(i[k] for k in ("duplicates", "out_of_order", "order_mismatches"))


def test_not_websocket():
    def answer(s, text):
        c = s.accept()[0]
        c.recv(4096)
        c.sendall(text)
        c.close()

    for text, what in ((b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200"), (b"SSH-2.0-x\r\n\r\n", "HTTP"),
                       (b"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: wrong\r\n\r\n", "Accept is wrong"),
                       (b"", "ended a connection during the opening handshake")):
        with socket.create_server(("127.0.0.1", 0)) as s:
            t = threading.Thread(target=answer, args=(s, text))
            t.start()
            status, _, err = bench(*FAST, "-n", 1, "idle", f"ws://127.0.0.1:{s.getsockname()[1]}/", status=None)
            t.join()
        assert status == 2 and what in err, err


def test_silence():
    with socket.create_server(("127.0.0.1", 0)) as s:
        url = f"ws://127.0.0.1:{s.getsockname()[1]}/"
        for mode in ("idle", "connect"):
            status, _, err = bench(*FAST, "--timeout", 0.5, "-n", 1, mode, url, status=None)
            assert status == 2 and "answer" in err, (mode, err)
