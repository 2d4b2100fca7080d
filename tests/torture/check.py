#!/usr/bin/python3
"""Reads what the clients of a torture run wrote down, and the journal, and says what was not as it was promised.

    check.py DIR [N]    DIR: client-*.log and journal.log, see log.py; status 0 when all is well
                        N: so many clients at least have to be there that were never cut

Every acknowledged message is at every member, exactly once, in the journal's order, byte by byte; nothing was
recovered in part; nothing was said twice; no message came from nowhere.
"""
import collections
import glob
import json
import os
import sys

from log import read

SHOWN = 20  # of what is wrong


class Check:
    def __init__(self, path, stay=0):
        self.dir, self.stay = path, stay
        self.wrong = []
        self.journal = {}  # room: {seq: (epoch, text)}
        self.said = {}     # (room, text): (client, cid)
        self.acked = 0
        self.heard = 0
        self.again = 0     # said again after a cut
        self.returns = 0   # joins of those who come back,
        self.missed = 0    # who missed so many
        self.stayed = 0    # clients that were there throughout

    def bad(self, *words):
        self.wrong.append(" ".join(map(str, words)))

    # ---- the journal ----

    def read_journal(self):
        pages = collections.defaultdict(dict)
        for number, line in read(os.path.join(self.dir, "journal.log")):
            kind, room, epoch, seq, text = line
            there = self.journal.setdefault(room, {}) if kind == "M" else pages[room]
            if int(seq) in there:
                self.bad(f"journal.log:{number}: seq {seq} of {room} is there twice")
            there[int(seq)] = (epoch, text)
        if not self.journal:
            self.bad("journal.log: there is nothing")
        for room, there in self.journal.items():
            if sorted(there) != list(range(1, len(there) + 1)):
                self.bad(f"journal: the seqs of {room} have gaps: {len(there)} up to {max(there)}")
            if len({epoch for epoch, _ in there.values()}) != 1:
                self.bad(f"journal: {room} has several epochs")
            if pages and {s: (e, json.loads(t)) for s, (e, t) in there.items()} != \
                    {s: (e, json.loads(t)) for s, (e, t) in pages[room].items()}:
                self.bad(f"journal: the history of {room} differs from what a join since its beginning brought")

    # ---- a client ----

    def check_client(self, path):
        name = os.path.basename(path)
        place, epochs, joins = {}, {}, 0  # room: the seq that it has
        said, acked = {}, {}
        for number, line in read(path):
            at, kind = f"{name}:{number}:", line[0]
            if kind == "J":
                _, room, epoch, seq, recovered = line
                joins += 1
                if recovered == "no":
                    self.bad(at, f"recovered: false in {room}")
                if room not in place:
                    place[room], epochs[room] = int(seq), epoch
                    if int(seq):
                        self.bad(at, f"joined {room} when there were {seq} messages")
                elif recovered == "-":
                    self.bad(at, f"joined {room} anew")
                elif epochs[room] != epoch:
                    self.bad(at, f"another epoch of {room}: {epoch}")
                elif int(seq) < place[room]:
                    self.bad(at, f"joined {room} at {seq}, behind {place[room]}, which it has")
                elif recovered == "yes":
                    self.returns += 1
                    self.missed += int(seq) - place[room]
            elif kind == "M":
                self.check_message(at, place, epochs, *line[1:])
            elif kind == "S":
                text = " ".join(line[3:])
                self.again += line[1] in said
                if said.setdefault(line[1], (line[2], text)) != (line[2], text):
                    self.bad(at, f"said two things under cid {line[1]}")
            elif kind == "A":
                _, cid, room, seq = line
                if acked.setdefault(cid, (room, int(seq))) != (room, int(seq)):
                    self.bad(at, f"{cid} was acknowledged as {acked[cid]} before")
            elif kind == "E":
                self.bad(at, *line[1:])
        self.check_said(name, said, acked)
        self.stayed += joins == len(place)
        for room, seq in place.items():
            if room not in self.journal:
                self.bad(f"{name}: {room} is not in the journal")
            elif seq != len(self.journal[room]):
                self.bad(f"{name}: of {room} it has all up to {seq}, and there are {len(self.journal[room])}")

    def check_message(self, at, place, epochs, room, epoch, seq, text):
        seq = int(seq)
        self.heard += 1
        if room not in place:
            return self.bad(at, f"a message of {room}, where it is not")
        if seq <= place[room]:
            self.bad(at, f"{room} {seq} once more, or late: it has {place[room]}")
        elif seq != place[room] + 1:
            self.bad(at, f"{room} {seq} came, {place[room] + 1} is lost")
        place[room] = max(place[room], seq)
        if self.journal.get(room, {}).get(seq) != (epoch, text):
            self.bad(at, f"{room} {epoch} {seq} is not what the journal has there")
        return None

    def check_said(self, name, said, acked):
        for cid, (room, text) in said.items():
            if (room, text) in self.said:
                self.bad(f"{name}: {cid} is what {self.said[room, text]} said")
            self.said[room, text] = (name, cid)
            if cid not in acked:
                self.bad(f"{name}: {cid} was never acknowledged")
        for cid, (room, seq) in acked.items():
            self.acked += 1
            if cid not in said or said[cid][0] != room:
                self.bad(f"{name}: {cid} was acknowledged in {room}, and not said there")
            elif seq not in self.journal.get(room, {}):
                self.bad(f"{name}: {cid} was acknowledged as {room} {seq}, which the journal does not have")
            elif json.loads(self.journal[room][seq][1])["message"] != said[cid][1]:
                self.bad(f"{name}: {cid} was acknowledged as {room} {seq}, and that is something else")

    # ---- all of it ----

    def run(self):
        self.read_journal()
        logs = sorted(glob.glob(os.path.join(self.dir, "client-*.log")))
        if not logs:
            self.bad("there are no clients' logs")
        for path in logs:
            self.check_client(path)
        if self.stayed < self.stay:
            self.bad(f"{self.stayed} clients stayed connected, and {self.stay} had to")
        for room, there in self.journal.items():
            times = collections.Counter(json.loads(text)["message"] for _, text in there.values())
            for text, n in times.items():
                if n > 1:
                    self.bad(f"journal: in {room} there is {n} times: {text[:40]}")
                if (room, text) not in self.said:
                    self.bad(f"journal: in {room} there is what nobody said: {text[:40]}")
        for line in self.wrong[:SHOWN]:
            print("WRONG", line)
        if len(self.wrong) > SHOWN:
            print(f"… and {len(self.wrong) - SHOWN} more")
        if not self.wrong:
            print(f"well: {len(logs)} clients, {self.acked} messages acknowledged, {self.heard} heard, "
                  f"{sum(map(len, self.journal.values()))} in the journal; {self.returns} times back in a room, "
                  f"{self.missed} missed and recovered, {self.again} said again; {self.stayed} were never cut")
        return not self.wrong


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(0 if Check(sys.argv[1], *map(int, sys.argv[2:])).run() else 1)
