#!/usr/bin/python3
"""One process of the torture run: some natter.v1 clients that talk, are cut, and come back.

    client.py '{"dir":…,"seed":…,"clients":[…],"rooms":{client: [room…]},"messages":n,"go":bool}'

A line on its standard output: `in` when all are in their rooms, `acked N` with how many of their messages were
acknowledged so far, `done` when all are. On its standard input: `go`, and then `finish {room: seq}`, after which it
ends when all have heard that much. All that a client decides is drawn from the seed and its own number.
"""
import asyncio
import json
import os
import random
import signal
import socket
import struct
import sys

from log import Log

WINDOW = 8  # messages that a client has under way
PATIENCE = 30  # seconds without anything before a connection is given up for a new one
CUTS = ("reset", "half-open", "reset in mid-frame", "close")


def frame(opcode, payload):
    n = len(payload)
    head = bytes([0x80 | opcode, 0x80 | n]) if n < 126 else bytes([0x80 | opcode, 0xFE]) + struct.pack(">H", n)
    mask = b"\x5a\x17\xc3\x2e"
    pad = (mask * (n // 4 + 1))[:n]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(n, "big")


def decide(seed, number, messages):
    """What client NUMBER does: {index of a message: how it is cut when it has sent that}, some are never cut;
    and for each message its room's index and its length."""
    rng = random.Random(f"{seed}/{number}")
    cuts = {}
    if number % 5:
        for _ in range(rng.randrange(1, max(2, min(12, messages // 20)) + 1)):
            cuts[rng.randrange(1, messages)] = (rng.choice(CUTS), rng.random() * 0.3)
    return cuts, [(rng.random(), rng.randrange(1, 200) if rng.random() < 0.97 else rng.randrange(1000, 5000))
                  for _ in range(messages)]


class Client:
    """One connection after the other of client NUMBER. Its log is its memory."""

    def __init__(self, crew, number):
        self.crew, self.number = crew, number
        self.rooms = crew.rooms[str(number)]
        self.log = Log(os.path.join(crew.dir, f"client-{number:02}.log"))
        self.cuts, self.plan = decide(crew.seed, number, crew.messages)
        self.next = len(self.log.said)  # the message that it has to send next
        self.cuts = {k: v for k, v in self.cuts.items() if k > self.next}
        self.connection = None
        self.ghosts = []  # half-open ones
        self.over = False

    # ---- coming and going ----

    async def run(self):
        loop = asyncio.get_running_loop()
        while not self.over:
            try:
                _, c = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.crew.port())
            except (OSError, ValueError):
                await asyncio.sleep(0.05)  # the daemon is not there just now
                continue
            self.connection = c
            pause = await c.ended
            self.connection = None
            self.log.flush()
            if pause:
                await asyncio.sleep(pause)

    def report_error(self, *words):
        self.log.put("E", *words)
        self.log.flush()
        self.crew.say(f"wrong client {self.number}: {' '.join(map(str, words))}")

    # ---- what it says ----

    def speak(self, c):
        """As much as the window lets it."""
        if not self.crew.going or not c.ready():
            return
        while c.waiting < WINDOW and self.next < len(self.plan):
            where, length = self.plan[self.next]
            room = self.rooms[int(where * len(self.rooms))]
            cid = f"c{self.number}-{self.next}"
            text = f"{cid} " + "x" * length
            self.log.put("S", cid, room, text)
            self.log.said[cid] = (room, text)
            self.next += 1
            cut = self.cuts.pop(self.next, None)
            if cut and cut[0] == "reset in mid-frame":
                self.log.flush()
                c.message(cid, room, text, half=True)
                return c.cut(*cut)
            self.log.flush()
            c.message(cid, room, text)
            if cut:
                return c.cut(*cut)
        return None

    def all_acked(self):
        return len(self.log.acked) == len(self.plan)

    def heard_all(self):
        return all(self.log.place.get(r, ("", -1))[1] >= self.crew.finish[r] for r in self.rooms)


class Connection(asyncio.Protocol):
    def __init__(self, client):
        self.client = client
        self.log = client.log
        self.buffer = bytearray()
        self.ended = asyncio.get_running_loop().create_future()
        self.upgraded = self.cutting = False
        self.asked = {}   # cid: what was asked
        self.joined = {}  # room: epoch
        self.waiting = 0  # messages without an answer
        self.heard = 0

    def ready(self):
        return len(self.joined) == len(self.client.rooms)

    # ---- the socket ----

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.write(b"GET /torture HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n"
                        b"Sec-WebSocket-Protocol: natter.v1\r\n\r\n")
        self.clock = asyncio.get_running_loop().call_later(PATIENCE, self.impatient)

    def impatient(self):
        """Nothing for long: a line that was cut without a word looks like that."""
        if self.ended.done():
            return
        if self.asked or not self.ready() or not self.client.over and self.client.crew.finish and not self.client.heard_all():
            if self.heard == 0:
                self.client.report_error("nothing came for", PATIENCE, "s; asked", list(self.asked)[:5])
                return self.end("nothing came", 0)
        self.heard = 0
        self.clock = asyncio.get_running_loop().call_later(PATIENCE, self.impatient)
        return None

    def connection_lost(self, exc):
        self.end(f"lost: {exc}", 0.01)

    def end(self, words, pause):
        self.clock.cancel()
        if not self.ended.done():
            self.log.put("X", words)
            self.log.flush()
            self.ended.set_result(pause)
            self.transport.abort()

    def cut(self, how, pause):
        """The line goes, and nobody says so."""
        self.cutting = True
        self.log.put("X", "cut:", how)
        self.log.flush()
        self.clock.cancel()
        self.ended.set_result(pause)
        if how == "half-open":  # it is never read again, nor closed
            self.transport.pause_reading()
            self.client.ghosts.append(self)
        elif how == "close":
            self.transport.close()
        else:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()

    # ---- out ----

    def write(self, data):
        if not self.transport.is_closing():  # else it is lost, as it was meant to be
            self.transport.write(data)

    def send(self, **members):
        self.write(frame(1, json.dumps(members).encode()))

    def message(self, cid, room, text, half=False):
        self.asked[cid] = ("message", room)
        self.waiting += 1
        data = frame(1, json.dumps({"type": "message", "cid": cid, "room": room, "message": text}).encode())
        self.write(data[: len(data) // 2] if half else data)

    def enter(self, resume):
        """Without waiting for the answers: its session, its rooms since what it has, what was not acknowledged."""
        if resume:
            self.asked["resume"] = ("resume", None)
            self.send(type="resume", cid="resume", session=self.log.session)
        for room in self.client.rooms:
            self.asked["join " + room] = ("join", room)
            place = self.log.place.get(room)
            self.send(type="join", cid="join " + room, room=room,
                      **({"since": {"epoch": place[0], "seq": place[1]}} if place else {}))
        for cid, room, text in self.log.unacked():
            self.log.put("S", cid, room, text)
            self.message(cid, room, text)

    # ---- in ----

    def data_received(self, data):
        if self.cutting or self.ended.done():
            return
        self.heard += 1
        self.buffer += data
        if not self.upgraded:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self.buffer.startswith(b"HTTP/1.1 101"):
                self.client.report_error("no 101:", self.buffer[:80])
                return self.end("no 101", 0.2)
            del self.buffer[: end + 4]
            self.upgraded = True
        at, b = 0, self.buffer
        while len(b) - at >= 2 and not self.ended.done():
            n, body = b[at + 1], at + 2
            if n == 126:
                if len(b) - at < 4:
                    break
                n, body = struct.unpack_from(">H", b, at + 2)[0], at + 4
            elif n == 127:
                if len(b) - at < 10:
                    break
                n, body = struct.unpack_from(">Q", b, at + 2)[0], at + 10
            if len(b) < body + n:
                break
            opcode, payload = b[at] & 15, bytes(b[body : body + n])
            at = body + n
            if opcode == 1:
                self.receive(payload.decode())
            elif opcode == 9:
                self.write(frame(10, payload))
            elif opcode == 8:
                code = struct.unpack(">H", payload[:2])[0] if n >= 2 else 1005
                if code >= 4500:
                    self.client.report_error("closed", code, payload[2:].decode())
                self.end(f"closed {code}", 0.05)
        del b[:at]
        self.log.flush()
        if not self.ended.done():
            self.client.speak(self)
            self.client.crew.progress()

    def receive(self, text):
        m = json.loads(text)
        t = m["type"]
        if t == "usermsg":
            room = m["room"]
            if room not in self.joined:
                return self.client.report_error("not in that room:", text)
            self.log.place[room] = (self.joined[room], m["seq"])
            self.log.put("M", room, self.joined[room], m["seq"], text)
        elif t in ("ok", "joined", "error"):
            self.answered(m.get("cid"), m, text)
        elif t == "welcome":
            resume = self.log.session is not None
            if not resume:
                self.log.session = m["session"]
                self.log.put("W", m["session"])
                self.log.flush()
            self.enter(resume)
        elif t != "presence":
            self.client.report_error("what is this?", text)
        return None

    def answered(self, cid, m, text):
        kind, room = self.asked.pop(cid, (None, None))
        if kind is None:
            return self.client.report_error("nobody asked that:", text)
        if kind == "message":
            self.waiting -= 1
        if m["type"] == "error":
            if m["code"] == "storage_unavailable":  # to be asked again; the room says so while it is not there
                return self.end("storage_unavailable", 0.2)
            return self.client.report_error("refused:", text)
        if kind == "join":
            known = room in self.log.place
            recovered = {True: "yes", False: "no", None: "-"}[m.get("recovered")]
            self.joined[room] = m["epoch"]
            self.log.put("J", room, m["epoch"], m["seq"], recovered)
            if not known:
                self.log.place[room] = (m["epoch"], m["seq"])
        elif kind == "message" and cid not in self.log.acked:
            self.log.acked[cid] = m["seq"]
            self.log.put("A", cid, room, m["seq"])
            self.client.crew.acked += 1
        return None


class Crew:
    """The clients of this process."""

    def __init__(self, order):
        self.dir, self.seed = order["dir"], order["seed"]
        self.rooms, self.messages, self.going = order["rooms"], order["messages"], order["go"]
        self.finish, self.told, self.was_in, self.was_done = None, 0, False, False
        self.clients = [Client(self, n) for n in order["clients"]]
        self.acked = sum(len(c.log.acked) for c in self.clients)

    def port(self):
        """Where the daemon listens; after a restart it is another one."""
        with open(os.path.join(self.dir, "port"), encoding="ascii") as f:
            return int(f.read())

    @staticmethod
    def say(text):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def progress(self):
        if not self.was_in and all(len(c.log.place) == len(c.rooms) for c in self.clients):
            self.was_in = True
            self.say("in")
        if self.acked - self.told >= 20:
            self.told = self.acked
            self.say(f"acked {self.acked}")
        if not self.was_done and all(c.all_acked() for c in self.clients):
            self.was_done = True
            self.say(f"acked {self.acked}")
            self.say("done")
        if self.finish and all(c.heard_all() for c in self.clients):
            for c in self.clients:
                c.over = True
                c.log.flush()
            self.say("heard all")
            if not self.end.done():
                self.end.set_result(None)

    async def run(self):
        loop = asyncio.get_running_loop()
        self.end = loop.create_future()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        tasks = [loop.create_task(c.run()) for c in self.clients]
        orders = loop.create_task(self.obey(reader))
        await self.end
        for t in [*tasks, orders]:
            t.cancel()

    async def obey(self, reader):
        while line := (await reader.readline()).decode():
            if line == "go\n":
                self.going = True
                for c in self.clients:
                    if c.connection:
                        c.speak(c.connection)
            elif line.startswith("finish "):
                self.finish = json.loads(line[7:])
                self.progress()
        os.kill(os.getpid(), signal.SIGTERM)  # who started it is gone


if __name__ == "__main__":
    asyncio.run(Crew(json.loads(sys.argv[1])).run())
