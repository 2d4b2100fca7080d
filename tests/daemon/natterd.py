"""A natterd under test, and a client that shares no code with it.

Natterd starts the built daemon ($NATTERD) on a free loopback port with a
configuration of its own in a temporary folder, and ends it. Client speaks
HTTP and WebSocket over a bare socket, byte by byte where a test wants it.
"""
import atexit
import base64
import hashlib
import json
import os
import re
import signal
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import weakref

import certs

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.environ.get("NATTERD") or os.path.join(HERE, "..", "..", "natterd")
# Tests are run by root where they are; its files are then the daemon's. test_privileges has the others' side.
PROGRAM = [BINARY, "-u", "root"] if os.geteuid() == 0 else [BINARY]
IO_URING = os.environ.get("NATTER_IO_URING")  # auto or off, where a test does not say
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
DEADLINE = 20.0  # seconds that anything may take on a busy machine

# How many workers a Natterd has whose configuration does not say; None: as the daemon's default has it.
WORKERS = int(os.environ.get("NATTERD_WORKERS") or 0) or None

# Whether daemons and clients speak TLS where a test does not say: NATTERD_TLS=1 tests/daemon/run -k …
TLS = bool(os.environ.get("NATTERD_TLS"))

CONT, TEXT, BINARY_OP, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def wait_for(what, check, deadline=DEADLINE):
    """Calls check() until it gives something true, and returns that."""
    end = time.monotonic() + deadline
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s in vain for {what}")
        time.sleep(0.01)


class Authority:
    """The CA of all tests, made when it is first asked for, and what it made: .ca, .chain and .key are files."""

    one = None

    @classmethod
    def get(cls):
        if cls.one is None:
            folder = tempfile.mkdtemp(prefix="natterd-certs-")
            atexit.register(shutil.rmtree, folder, True)
            cls.one = certs.Authority(folder)
            cls.one.chain, cls.one.key = cls.one.issue("natterd", "localhost", "127.0.0.1", "0::1")
        return cls.one


def trusting():
    """An SSL context that knows the CA."""
    return ssl.create_default_context(cafile=Authority.get().ca)


def hide_store(state, hidden):
    """No daemon can open the journal there while it is hidden, not even root's."""
    path = os.path.join(state, "journal.db")
    if hidden:
        os.rename(path, path + ".hidden")
        os.symlink("journal.db", path)  # which leads to itself
    else:
        os.rename(path + ".hidden", path)  # in one go: else it might make a new one


def with_tls(config):
    """The configuration, its TCP listeners speaking TLS."""
    a = Authority.get()
    return (re.sub(r"(listener \w+ *\{)(?![^}]*(path|given|tls))", r"\1 tls = yes ", config)
            + f'\ncertificate all {{ chain = "{a.chain}" key = "{a.key}" }}\n')


class Natterd:
    """One daemon. `config` is the text of its file; without it, it is started as `natterd 127.0.0.1 PORT`."""

    def __init__(self, config=None, args=(), env=None, host="127.0.0.1", files=None, tls=None):
        self.dir = tempfile.mkdtemp(prefix="natterd-test-")
        self.log_path = os.path.join(self.dir, "log")
        self.config_path = os.path.join(self.dir, "natterd.conf")
        self.process = None
        self.clients = weakref.WeakSet()
        self.port = 0
        self.host = host
        self.tls = TLS if tls is None else tls
        self.args = list(args)
        self.env = dict(os.environ, **(env or {}))
        self.files = files
        self.command = [*PROGRAM, *self.args]
        if config is None and self.tls:
            config = ""
        if config is None:
            self.command += [host, "0"]
        config = self.common(config)
        if config:
            self.write_config(config)
            self.command[1:1] = ["-c", self.config_path]
        self.start()

    def common(self, config):
        """The configuration with what every test's has; None is as on the command line."""
        if config is not None and "listener" not in config:
            config += '\nlistener main { address = {"127.0.0.1"} port = 0 }\n'
        if "message_rate = 0" in (config or "") and "byte_rate" not in config:
            config += "\nbyte_rate = 0\n"  # who may send any number of messages may send any number of bytes
        for option, value in (("workers", WORKERS), ("io_uring", IO_URING)):
            if value and option not in (config or ""):
                config = (config or "") + f"\n{option} = {value}\n"
        return with_tls(config) if self.tls else config

    def write_config(self, config):
        """As an editor does it: the file is always whole."""
        with open(self.config_path + ".new", "w", encoding="utf-8") as f:
            f.write(config)
        os.replace(self.config_path + ".new", self.config_path)

    def reload(self, config, good=True):
        """Has it read this configuration; the log lines of that. Unless GOOD it is to be refused."""
        done = (" info: reloaded ", " error: not reloaded,")
        before = self.log()
        self.write_config(self.common(config))
        self.signal(signal.SIGHUP)
        wait_for("the reload", lambda: any(self.log().count(x) > before.count(x) for x in done))
        new = self.log()[len(before):]
        assert (done[0] in new) == good, new
        return new

    def start(self):
        limit = None
        if self.files:
            import resource

            def limit():
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))
        runs = self.log().count(" ready ") if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env=self.env, preexec_fn=limit)
        wait_for("the daemon to be ready", lambda: self.process.poll() is not None or self.log().count(" ready ") > runs)
        assert self.process.poll() is None, self.log()
        ports = re.findall(r"listening listener=\S+ address=\S+:(\d+)", self.log())
        self.port = int(ports[-1]) if ports else 0
        self.workers = int(re.findall(r" ready .* workers=(\d+)", self.log())[-1])

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def log_contains(self, text):
        return text in self.log()

    def signal(self, sig):
        self.process.send_signal(sig)

    def counters(self):
        """The counters as SIGUSR1 logs them."""
        before = self.log().count("info: counters ")
        self.signal(signal.SIGUSR1)
        wait_for("the counters", lambda: self.log().count("info: counters ") > before)
        wait_for("the whole line", lambda: self.log().endswith("\n"))
        line = [x for x in self.log().splitlines() if "info: counters " in x][-1]
        return {k: int(v) for k, v in re.findall(r"(\w+)=(-?\d+)", line)}

    def worker_counters(self):
        """The counters of each worker."""
        self.counters()
        lines = [x for x in self.log().splitlines() if "info: worker's counters " in x][-self.workers :]
        return [{k: int(v) for k, v in re.findall(r"(\w+)=(-?\d+)", x)} for x in lines]

    def counter_reaches(self, name, value):
        return wait_for(f"{name} to reach {value}", lambda: self.counters()[name] >= value)

    def wait_members(self, n):
        """Waits until N clients have their place in a room, of all rooms together.

        A handshake is answered before its room's home, on another worker, has heard of the newcomer: who is to
        hear what somebody else says is waited for, by its own line or message, or by this.
        """
        wait_for(f"{n} members", lambda: self.counters()["members"] == n)

    def memory(self, which="VmRSS"):
        """Resident bytes; the most there ever were: VmHWM."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(which + r":\s*(\d+) kB", f.read())[1]) * 1024

    def cpu(self):
        """Seconds that it has worked."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            return sum(map(int, f.read().split(") ")[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, status=0):
        """SIGTERM; it has to end by itself, and well."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("it did not stop:\n" + self.log()) from None
        log = self.log()
        assert "Sanitizer" not in log and "runtime error" not in log, log
        assert code == status, (code, log)

    def forget(self):
        """Removes its folder, in which nobody will look for what went wrong."""
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
            self.forget()
        elif self.process.poll() is None:
            self.kill()

    def connect(self, *args, **kwargs):
        kwargs.setdefault("tls", self.tls and not kwargs.get("unix"))
        client = Client(self.host, self.port, *args, **kwargs)
        self.clients.add(client)
        return client

    def hang_up(self):
        """Closes what a test left open: a daemon that stops waits for its clients for a while."""
        for c in list(self.clients):
            c.close()

    def url(self, path="/"):
        return f"{'wss' if self.tls else 'ws'}://{self.host}:{self.port}{path}"


def run(*args, timeout=DEADLINE):
    """Runs the daemon to its end; returns (status, output)."""
    p = subprocess.run([*PROGRAM, *args], capture_output=True, text=True, errors="replace", timeout=timeout,
                       stdin=subprocess.DEVNULL, check=False)
    return p.returncode, p.stdout + p.stderr


def frame(opcode, payload=b"", fin=True, mask=b"\x12\x34\x56\x78", rsv=0):
    """A client's frame; mask=None leaves it unmasked."""
    if isinstance(payload, str):
        payload = payload.encode()
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask is not None else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    if mask is None:
        return head + payload
    pad = (mask * (len(payload) // 4 + 1))[: len(payload)]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(payload), "big")
    return head + mask + masked


def close_payload(code, reason=""):
    return struct.pack(">H", code) + reason.encode()


class Closed(Exception):
    """The peer ended the connection."""


class Client:
    """A WebSocket client over a bare socket. Without `upgrade` it is only the socket.

    source: the address of this machine from which it connects. first: what it sends before anything else, TLS included.
    tls: whether it speaks TLS, or the SSL context by which it does.
    """

    def __init__(self, host, port, path="/", headers=(), upgrade=True, unix=None, receive_buffer=None,
                 key="x3JJHMbDL1EzLkh9GBhXDw==", source=None, first=b"", tls=None):
        self.sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.sock.settimeout(DEADLINE)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect(unix or (host, port))
        if not unix:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(first)
        if TLS and not unix if tls is None else tls:
            context = tls if isinstance(tls, ssl.SSLContext) else trusting()
            self.sock = context.wrap_socket(self.sock, server_hostname=host)
        self.buffer = b""
        self.key = key
        self.status = self.headers = None
        self.request = (f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\n"
                        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
                        + "".join(h + "\r\n" for h in headers) + "\r\n").encode()
        if upgrade:
            self.send_raw(self.request)
            self.read_handshake()

    def read_handshake(self, status=101):
        self.read_response()
        assert self.status == status, (self.status, self.headers)
        if status == 101:
            accept = base64.b64encode(hashlib.sha1(self.key.encode() + GUID).digest()).decode()
            assert self.headers["sec-websocket-accept"] == accept
            assert self.headers["upgrade"].lower() == "websocket"
            assert self.headers["connection"].lower() == "upgrade"

    def send_raw(self, data):
        self.sock.sendall(data)

    def send_bytewise(self, data):
        for i in range(len(data)):
            self.sock.sendall(data[i : i + 1])

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed
        self.buffer += data

    def take(self, n):
        while len(self.buffer) < n:
            self.more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def read_response(self):
        """An HTTP response head; the status. Header names in lower case."""
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        assert lines[0].startswith("HTTP/1.1 "), lines
        self.status = int(lines[0].split()[1])
        self.headers = {k.lower(): v.strip() for k, v in (x.split(":", 1) for x in lines[1:])}
        return self.status

    def read_to_end(self):
        """All that comes until the peer closes."""
        try:
            while True:
                self.more()
        except (Closed, ConnectionResetError):
            pass
        data, self.buffer = self.buffer, b""
        return data

    def send(self, text, opcode=TEXT):
        self.send_raw(frame(opcode, text))

    def send_json(self, **members):
        self.send(json.dumps(members))

    def recv_frame(self):
        """(fin, opcode, payload); the server must not mask nor set RSV bits."""
        a, b = self.take(2)
        assert a & 0x70 == 0 and b & 0x80 == 0, (a, b)
        n = b
        if n == 126:
            (n,) = struct.unpack(">H", self.take(2))
            assert n >= 126
        elif n == 127:
            (n,) = struct.unpack(">Q", self.take(8))
            assert n >= 65536
        return bool(a & 0x80), a & 15, self.take(n)

    def recv(self):
        """The next message's text, or bytes of a binary one; pings are answered. Closed on a close frame."""
        while True:
            fin, opcode, payload = self.recv_frame()
            if opcode == PING:
                self.send_raw(frame(PONG, payload))
                continue
            if opcode == CLOSE:
                raise Closed(struct.unpack(">H", payload[:2])[0] if payload else 1005, payload[2:].decode())
            if opcode == PONG:
                continue
            assert fin and opcode in (TEXT, BINARY_OP)
            return payload.decode() if opcode == TEXT else payload

    def recv_json(self):
        return json.loads(self.recv())

    def recv_until(self, **members):
        """Skips to the first object that has these members."""
        while True:
            got = self.recv_json()
            if all(got.get(k) == v for k, v in members.items()):
                return got

    def recv_close(self):
        """Skips to the close frame; (code, reason)."""
        try:
            while True:
                self.recv()
        except Closed as e:
            assert e.args, "the connection ended without a close frame"
            return e.args

    def expect_silence(self, seconds=0.3):
        self.sock.settimeout(seconds)
        try:
            got = self.recv()
        except (TimeoutError, socket.timeout):
            return
        finally:
            self.sock.settimeout(DEADLINE)
        raise AssertionError(f"expected nothing, got {got!r}")

    def expect_eof(self):
        """The peer half-closed in good order: an end, no reset."""
        assert self.buffer == b"", self.buffer
        assert self.sock.recv(65536) == b""

    def close(self):
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
