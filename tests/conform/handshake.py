#!/usr/bin/python3
"""Opening handshakes and what else comes to the port: requests with their exact answers.

    handshake.py [--deflate] [--seed N]      runs all cases against a daemon of its own ($NATTERD)

A case is a request and what it has to be answered: status line, all fields,
body, and whether the connection lives on. They are in handshake_cases.py:
CASES run with CONFIG; DEFLATE_CASES, for endpoints with permessage-deflate,
run with CONFIG + DEFLATE_CONFIG.
"""
import argparse
import collections
import concurrent.futures
import os
import random
import re
import socket
import struct
import sys
import time
from datetime import datetime

from handshake_cases import CASES, CLOSE, CONFIG, DEFLATE_CASES, DEFLATE_CONFIG, PROOF, REASONS

WRITES = ("whole", "bytes", "pieces")
DEADLINE = 5.0  # seconds of silence
PAUSE = 2e-4    # seconds behind each of the last PACED pieces: the daemon is to see them as such
PACED = 400
IMF_FIXDATE = "%a, %d %b %Y %H:%M:%S GMT"


# ---- the answer ----

def parse(response):
    """A response head as (status line, fields)."""
    line, *lines = response.decode("latin-1").split("\r\n")
    fields = dict(x.split(": ", 1) for x in lines if ": " in x)
    assert len({name.lower() for name in fields}) == len(lines), f"fields malformed or doubled: {response!r}"
    return line, fields


def is_date(date):
    try:
        return datetime.strptime(date, IMF_FIXDATE).strftime(IMF_FIXDATE) == date
    except ValueError:
        return False


def check_fields(answer, fields):
    """All but Content-Length, which is returned as a number; None with a 101."""
    if answer.status == 101:
        assert fields == answer.fields, f"fields: {fields}"
        return None
    date, length = fields.pop("Date", "none"), fields.pop("Content-Length", "none")
    assert fields == answer.fields, f"fields: {fields}"
    assert is_date(date), f"Date: {date}"
    assert re.fullmatch(r"\d+", length), f"Content-Length: {length}"
    return int(length)


def check_body(answer, body, length):
    if answer.head_only:
        assert body == b"", f"a body for HEAD: {body!r}"
        assert answer.body is None or length == len(answer.body), f"Content-Length: {length}"
        return
    assert length == len(body), f"Content-Length: {length}, and the body has {len(body)} bytes"
    if answer.body is None:
        assert re.fullmatch(rb"[ -~]+\n", body), f"no line of words: {body!r}"
    else:
        assert body == answer.body, f"body: {body!r}"


def frames_of(data):
    """A server's frames as (opcode, payload); of a close frame the code alone."""
    got = []
    while data:
        assert len(data) > 1 and data[0] & 0xF0 == 0x80 and data[1] < 126, f"no short final frame: {data!r}"
        opcode, payload, data = data[0] & 15, data[2 : 2 + data[1]], data[2 + data[1] :]
        got.append((opcode, struct.unpack(">H", payload[:2])[0] if opcode == CLOSE else payload))
    return tuple(got)


# ---- one case ----

def split(data, writes, rng):
    """DATA as it is written: whole, byte by byte, or cut in random places."""
    cuts = range(1, len(data)) if writes != "whole" else []
    if writes == "pieces":
        cuts = sorted(rng.sample(cuts, min(len(cuts), rng.randint(1, 9))))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])]


def read_until(sock, end):
    """What comes before END and behind it; END is None or does not come: all up to the peer's end."""
    data = b""
    while end is None or end not in data:
        more = sock.recv(65536)
        if not more:
            return data, None
        data += more
    return data.split(end, 1)


def converse(case, sock, pieces):
    answer = case.answer
    for left, piece in zip(range(len(pieces), 0, -1), pieces):
        sock.sendall(piece)
        if left < PACED:
            time.sleep(PAUSE)
    if case.half_close:
        sock.shutdown(socket.SHUT_WR)
    head, rest = read_until(sock, b"\r\n\r\n")
    if answer.status == 0:
        assert head == b"" and rest is None, f"got {head!r}"
        return
    assert rest is not None, f"the connection ended after {head!r}"
    line, fields = parse(head)
    assert line == f"HTTP/1.1 {answer.status} {REASONS[answer.status]}", line
    length = check_fields(answer, fields)
    if answer.proof:
        sock.sendall(PROOF)
    rest += read_until(sock, None)[0]
    if answer.status != 101:
        check_body(answer, rest, length)
    else:
        assert frames_of(rest) == answer.frames, f"frames: {frames_of(rest)}"


def shorten(value):
    return value if len(value) <= 240 else f"{value[:160]} ... {value[-60:]} ({len(value)} characters)"


def check(case, host, port, writes, rng):
    """Runs a case, written in one of the ways of WRITES; AssertionError says what came instead."""
    try:
        with socket.create_connection((host, port), timeout=DEADLINE) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            converse(case, sock, split(case.request, writes, rng))
    except TimeoutError:
        got = f"{DEADLINE:g} s of silence, the connection open"
    except (OSError, AssertionError) as e:
        got = str(e)
    else:
        return
    choice = f" (not RFC {case.choice})" if case.choice else ""
    raise AssertionError(f"{case.id} {case.name}, {writes}{choice}: sent {shorten(repr(case.request))}; "
                         f"expected {shorten(str(case.answer))}; got {shorten(got)}")


# ---- all cases ----

def failure(case, port, writes, seed):
    try:
        check(case, "127.0.0.1", port, writes, random.Random(f"{seed} {case.id} {writes}"))
    except AssertionError as e:
        return str(e)
    return None


def report(cases, failures):
    """FAILURES: pairs of a case and what is wrong."""
    total = collections.Counter(case.section for case in cases)
    failed = collections.Counter(section for section, _ in {(case.section, case.id) for case, _ in failures})
    for _, text in failures:
        print(text)
    print(f"{'section':38}{'cases':>7}{'passed':>8}{'failed':>8}")
    for section, n in total.items():
        print(f"{section:38}{n:7}{n - failed[section]:8}{failed[section]:8}")
    print(f"{'all':38}{len(cases):7}{len(cases) - failed.total():8}{failed.total():8}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--deflate", action="store_true", help="also the cases for permessage-deflate")
    parser.add_argument("--seed", type=int, default=1, help="of the random pieces")
    args = parser.parse_args()
    cases = CASES + DEFLATE_CASES if args.deflate else CASES
    config = CONFIG + DEFLATE_CONFIG if args.deflate else CONFIG

    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))
    from natterd import Natterd

    jobs = [(case, writes) for writes in WRITES for case in cases]
    with Natterd(config) as daemon, concurrent.futures.ThreadPoolExecutor(24) as pool:
        results = pool.map(lambda job: failure(job[0], daemon.port, job[1], args.seed), jobs)
        failures = [(case, text) for (case, _), text in zip(jobs, results) if text]
    report(cases, failures)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
