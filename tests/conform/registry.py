"""The cases, by number, and what a case has at hand while it runs.

A case is a function that is given a Trial (and what the table says besides),
and returns when all was well. Its number begins with its section.
"""
import contextlib
import os
import random
import sys
from typing import Callable, NamedTuple

import client

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))
from natterd import Natterd  # noqa: E402

SECTIONS = {  # 1 to 13: as the Autobahn test suite counts them
    1: "Framing",
    2: "Pings and pongs",
    3: "Reserved bits",
    4: "Opcodes",
    5: "Fragmentation",
    6: "UTF-8",
    7: "Closing",
    9: "Limits, many messages",
    10: "Automatic fragmentation",
    12: "Deflate: sizes and fragments",
    13: "Deflate: parameters",
    20: "natter: strict framing and closing",
    21: "natter: deflated messages",
    22: "natter: offers of permessage-deflate",
    23: "natter: random conversations",
}

ALL_WRITES = tuple(client.WRITES)

CONFIG = """
max_frame = 16M
max_message = 16M
max_fragments = 1000000
byte_rate = 0
ping_interval = 0
close_timeout = 2s
send_queue = 64M
deflate_min = 1
endpoint "/deflate" { handler = echo  deflate = yes }
endpoint "/takeover" { handler = echo  deflate = yes  deflate_takeover = yes }
endpoint "/*" { handler = echo }
"""


@contextlib.contextmanager
def daemon():
    """A natterd whose endpoints echo, while it is needed. It has to end well."""
    with Natterd(CONFIG) as natterd:
        yield natterd


class Case(NamedTuple):
    number: str
    title: str
    function: Callable
    arguments: tuple
    quick: tuple  # the ways of writing in which it is part of the quick selection

    @property
    def place(self):
        return tuple(int(part) for part in self.number.split("."))

    @property
    def section(self):
        return self.place[0]


CASES = {}


def add(number, title, function, *arguments, quick=ALL_WRITES):
    """A row of a table: FUNCTION is called with a Trial and ARGUMENTS."""
    assert number not in CASES, number
    CASES[number] = Case(number, title, function, arguments, quick)


def case(number, title, quick=ALL_WRITES):
    """The same for a function that is a case of its own."""
    def decorate(function):
        add(number, title, function, quick=quick)
        return function
    return decorate


class Trial:
    """One run of a case in one way of writing."""

    def __init__(self, number, port, writes, full, seed):
        self.port = port
        self.writes = writes
        self.full = full
        self.seed = seed
        self.rng = random.Random(f"{seed} {number} {writes}")
        self.clients = []

    def connect(self, path="/", fields=(), **how):
        """A Client, closed when the case is over."""
        how = {"port": self.port, "writes": self.writes, **how}
        ws = client.Client(rng=self.rng, path=path, fields=fields, **how)
        self.clients.append(ws)
        return ws

    def hang_up(self):
        """Closes all that is open: for cases of many connections in between, and at their end."""
        for ws in self.clients:
            ws.close()
        self.clients.clear()

    def count(self, full, quick, size):
        """How many messages of SIZE bytes to send; written byte by byte they are few."""
        n = full if self.full else quick
        return min(n, max(2, 65536 // (size + 1))) if self.writes == "bytes" else n
