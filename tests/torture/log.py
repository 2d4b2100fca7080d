"""What a client of the torture run writes down, a line each; the one thing that outlives it, and what check.py reads.

    W SESSION                     the secret of its session
    J ROOM EPOCH SEQ RECOVERED    it is in the room; RECOVERED: yes, no, or - where nothing was to be recovered
    S CID ROOM TEXT               it is about to say this (again, when the same line is there already)
    A CID ROOM SEQ                acknowledged
    M ROOM EPOCH SEQ BYTES        a frame of the room's order, as it came
    X WORDS                       how the connection ended, for who reads the log
    E WORDS                       what should not have come

No line is written twice by chance: a client that was killed cuts a half line off, and goes on from the last one.
"""
import os


class Log:
    def __init__(self, path):
        self.path = path
        self.session = None
        self.place = {}    # room: (epoch, seq) of the last that it has
        self.said = {}     # cid: (room, text), in order
        self.acked = {}    # cid: seq
        if os.path.exists(path):
            self.restore()
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.lines = []

    def restore(self):
        with open(self.path, "rb") as f:
            data = f.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self.path, whole)
        for line in data[:whole].decode().split("\n"):
            kind, *rest = line.split(" ", 4)
            if kind == "W":
                self.session = rest[0]
            elif kind == "J":
                if rest[3] == "-" or rest[0] not in self.place:
                    self.place[rest[0]] = (rest[1], int(rest[2]))
            elif kind == "S":
                self.said[rest[0]] = (rest[1], " ".join(rest[2:]))
            elif kind == "A":
                self.acked[rest[0]] = int(rest[2])
            elif kind == "M":
                self.place[rest[0]] = (rest[1], int(rest[2]))

    def put(self, *words):
        self.lines.append(" ".join(map(str, words)))

    def flush(self):
        """After it a SIGKILL takes nothing back."""
        if self.lines:
            data = ("\n".join(self.lines) + "\n").encode()
            self.lines.clear()
            while data:
                data = data[os.write(self.fd, data):]

    def unacked(self):
        return [(cid, room, text) for cid, (room, text) in self.said.items() if cid not in self.acked]


def read(path):
    """The lines of a log as lists of words; the last of an M line is the frame's text."""
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            yield number, line.rstrip("\n").split(" ", 4)
