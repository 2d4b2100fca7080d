"""natterd as a program: arguments, configuration, signals, sockets, logs."""
import ctypes
import hashlib
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from natterd import PROGRAM, Client, Natterd, frame, run, wait_for

SRC = os.environ.get("srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


def conf(tmp_path, text):
    path = tmp_path / "natterd.conf"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return str(path)


# ---- arguments ----

def test_openssl_without_sha1_is_said_at_the_start(tmp_path):
    """As where only FIPS algorithms are allowed: not by a 503 for each client."""
    cnf = tmp_path / "openssl.cnf"
    cnf.write_text("openssl_conf = a\n[a]\nproviders = b\n[b]\nnull = c\n[c]\nactivate = 1\n")
    r = subprocess.run([*PROGRAM, "127.0.0.1", "0"], env={**os.environ, "OPENSSL_CONF": str(cnf)}, capture_output=True,
                       text=True, timeout=20, check=False)
    assert r.returncode == 1
    assert "OpenSSL has no SHA-1" in r.stderr


def test_help_and_version():
    status, out = run("--help")
    assert status == 0 and "Usage: natterd" in out and "--print-config" in out
    status, out = run("--version")
    assert status == 0 and re.fullmatch(r"natterd \d+\.\d+\.\d+\n", out)


@pytest.mark.parametrize("args", [["--wrong"], ["127.0.0.1"], ["a", "1", "b"], ["-c"]])
def test_bad_usage(args):
    status, out = run(*args)
    assert status == 2 and out


@pytest.mark.parametrize("port", ["65536", "http", "80x", "", "+80"])
def test_bad_port(port):
    status, out = run("127.0.0.1", port)
    assert status == 1 and "PORT" in out


def test_configuration_that_is_not_there():
    status, out = run("-c", "/nowhere/natterd.conf")
    assert status == 1 and "/nowhere/natterd.conf: No such file" in out


BAD = [
    ("max_message = many", 1, "max_message"),
    ("\n\nmax_message = 1\n", 3, "max_message"),
    ("port = 9600\n", 1, "port"),
    ("announce = loudly\n", 1, "address name off"),
    ("ping_interval = 3 parsecs\n", 1, "parsecs"),
    ("listener a {\n  port = 99999\n}\n", 2, "port"),
    ("listener a {\n  path = relative\n}\n", 3, "absolute"),
    ("listener a {\n mode = 999\n}\n", 3, "octal"),
    ("endpoint nope { }\n", 1, "begins with /"),
    ('endpoint "/a*" { }\n', 1, "/*"),
    ('endpoint "/a" { handler = dance }\n', 1, "commands"),
    ("listener a { }\nlistener a { }\n", 2, "a"),
    ("max_rooms = 5", 0, None),
    ("page = perhaps\n", 1, "yes or no"),
    ('default_type = "caf\udce9"\n', 1, "UTF-8"),
    ('default_type = "a\\nb"\n', 1, "control characters"),
    ('endpoint "/a" { listener = {"b"} }\n', None, 'no listener "b"'),
]


@pytest.mark.parametrize("text, line, word", BAD, ids=range(len(BAD)))
def test_bad_configuration(tmp_path, text, line, word):
    path = conf(tmp_path, text)
    status, out = run("-t", "-c", path)
    if word is None:
        assert status == 0 and "good" in out
        return
    assert status == 1, out
    assert word in out
    if line:
        assert f"{path}:{line}: " in out


def test_print_config_can_be_loaded_again(tmp_path):
    for source in (os.path.join(SRC, "conf", "natterd.conf"), os.path.join(SRC, "conf", "demo.conf")):
        status, out = run("--print-config", "-c", source)
        assert status == 0 and "max_message = 64K" in out
        again = conf(tmp_path, out)
        assert run("-t", "-c", again)[0] == 0
        assert run("--print-config", "-c", again) == (0, out)


def test_tokens_are_read_and_never_shown(tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o640)
    path = conf(tmp_path, f'token "{token}" {{ user = "4711" }}\n')
    assert run("-t", "-c", path)[0] == 0
    status, out = run("--print-config", "-c", path)
    assert status == 0 and f'token "{token}" {{' in out and 'user = "4711"' in out and "s3cret" not in out
    token.chmod(0o644)
    for args in (["-t"], []):
        status, out = run(*args, "-c", path)
        assert status == 1 and f'{path}:1: token "{token}": everybody on this machine can read' in out
    status, out = run("-t", "-c", conf(tmp_path, "token s3cret { user = u }\n"))
    assert status == 1 and "expected sha256:" in out and "s3cret" not in out


def test_a_key_that_others_can_read_is_refused(tmp_path):
    (tmp_path / "session.key").write_bytes(bytes(32))
    (tmp_path / "session.key").chmod(0o644)
    status, out = run("-c", conf(tmp_path, f"state_dir = {tmp_path}\nlistener main {{ port = 0 }}\n"))
    assert status == 1 and f"{tmp_path}/session.key: others than its owner have access to it" in out


def test_sample_has_the_defaults():
    """conf/natterd.conf shows every option as it is without it, but for announce. (HOST PORT has origins of its own.)"""
    _, sample = run("--print-config", "-c", os.path.join(SRC, "conf", "natterd.conf"))
    _, default = run("--print-config", "127.0.0.1", "9600")
    differing = [a for a, b in zip(sample.splitlines(), default.splitlines()) if a != b]
    own = ("announce = ", "address = ", "origins = ")
    assert [x.strip() for x in differing if not x.strip().startswith(own)] == []
    assert "announce = name" in sample and 'origins = {"same-host"}' in sample


# ---- sockets ----

def test_port_in_use(plain):
    status, out = run("127.0.0.1", str(plain.port))
    assert status == 1
    assert f"cannot listen on 127.0.0.1:{plain.port}" in out and "in use" in out and "another" in out


def test_port_in_use_by_somebody_else():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        status, out = run("127.0.0.1", str(s.getsockname()[1]))
        assert status == 1 and "in use" in out


def test_port_can_be_used_again_at_once(start):
    d = start("shutdown_timeout = 1s\n")  # which the client lets pass
    c = d.connect()
    d.stop()
    c.close()
    e = Natterd("listener main { address = {\"127.0.0.1\"} port = %d }\n" % d.port)
    e.connect().close()
    e.stop()


def test_ipv6(start):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.fail("this machine has no IPv6 loopback")
    d = start(host="::1")
    c = Client("::1", d.port)
    assert c.recv_json()["message"] == "::1 connected"
    c.close()


def test_unix_socket(tmp_path):
    path = str(tmp_path / "natterd.sock")
    config = f'listener local {{ path = "{path}" mode = "0600" }}\n'
    with Natterd(config) as d:
        assert os.stat(path).st_mode & 0o777 == 0o600
        c = Client(None, None, unix=path)
        assert c.recv_json()["message"] == "unix connected"
        c.send_json(message="hi")
        assert c.recv_json()["message"] == "hi"
        c.close()
        status, out = run("-c", d.config_path)
        assert status == 1 and "in use" in out
        assert os.path.exists(path)
    assert not os.path.exists(path)
    # one that a killed daemon left behind is replaced
    with Natterd(config) as d:
        d.kill()
        assert os.path.exists(path)
        d.start()
        Client(None, None, unix=path).close()


def test_host_and_port_replace_the_files_listeners(tmp_path):
    d = Natterd("listener main { address = {\"192.0.2.1\"} port = 80 }\nannounce = off\n", args=["127.0.0.1", "0"])
    c = d.connect()
    c.expect_silence()
    c.close()
    d.stop()


# ---- signals ----

def test_sigterm_closes_with_1001_and_waits(start):
    d = start("announce = name\n")
    clients = [d.connect("/bye") for _ in range(20)]
    half = d.connect(upgrade=False)
    half.send_raw(b"GET /")
    d.signal(signal.SIGTERM)
    for c in clients:
        code, reason = c.recv_close()
        assert code == 1001 and reason
        c.send_raw(frame(8, b"\x03\xe9"))
        c.expect_eof()
        c.close()
    assert d.process.wait(20) == 0
    half.close()


def test_sigterm_does_not_wait_for_ever(start):
    d = start("shutdown_timeout = 1s\nclose_timeout = 60s\n")
    c = d.connect("/stay")
    d.signal(signal.SIGTERM)
    assert d.process.wait(20) == 0
    assert "did not close in time" in d.log()
    c.close()


def test_what_was_queued_arrives_before_the_close(start):
    d = start("message_rate = 0\nsend_queue = 16M\nshutdown_timeout = 1min\n")
    a, slow = d.connect("/q"), d.connect("/q", receive_buffer=4096)
    d.wait_members(2)
    for i in range(400):
        a.send_json(message="q" * 8000, n=i)
        a.recv_until(n=i)
    reader = []
    d.signal(signal.SIGTERM)
    t = threading.Thread(target=lambda: reader.append([slow.recv_until(type="usermsg")["n"] for _ in range(400)]))
    t.start()
    t.join(60)
    assert reader and reader[0] == list(range(400))
    assert slow.recv_close()[0] == 1001
    slow.close()
    a.close()
    assert d.process.wait(20) == 0


def test_sigint_stops_too(start):
    d = start()
    d.signal(signal.SIGINT)
    assert d.process.wait(20) == 0


def test_sigusr1_logs_every_counter(start):
    d = start()
    with open(os.path.join(SRC, "src", "base", "stats.def"), encoding="utf-8") as f:
        names = re.findall(r"^STAT\((\w+),", f.read(), re.M)
    assert list(d.counters()) == names


# ---- the process ----

def test_detach_and_pid_file(tmp_path):
    pid_file = tmp_path / "natterd.pid"
    log = tmp_path / "log"
    path = conf(tmp_path, f'pid_file = "{pid_file}"\nlistener main {{ address = {{"127.0.0.1"}} port = 0 }}\n')
    with open(log, "ab") as out:
        status = subprocess.run([*PROGRAM, "-d", "-c", path], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                timeout=20, check=False).returncode
    assert status == 0
    wait_for("the pid file", lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
    pid = int(pid_file.read_text())
    wait_for("it to be ready", lambda: " ready " in log.read_text())
    port = int(re.search(r"address=127.0.0.1:(\d+)", log.read_text()).group(1))
    Client("127.0.0.1", port).close()
    os.kill(pid, signal.SIGTERM)
    wait_for("it to stop", lambda: not pid_file.exists())
    assert "Sanitizer" not in log.read_text()


def test_detach_reports_a_port_in_use(plain):
    status, out = run("-d", "127.0.0.1", str(plain.port))
    assert status == 1 and "in use" in out


def test_systemd_notification(tmp_path):
    if "portable" in run("--version")[1] or os.environ.get("NATTER_PORTABLE") == "yes":
        return  # built without systemd: nothing is sent, which the next test shows
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(20)
        d = Natterd(env={"NOTIFY_SOCKET": path})
        assert s.recv(100) == b"READY=1"
        d.signal(signal.SIGTERM)
        assert s.recv(100) == b"STOPPING=1"
        d.process.wait(20)
        d.stop()


def test_systemd_watchdog(tmp_path):
    """As long as all workers open their letters; a thread is stopped as a debugger does it."""
    if os.environ.get("NATTER_PORTABLE") == "yes":
        return  # built without systemd
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(20)
        d = Natterd("workers = 2\ncore_dumps = yes\n", env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "150000"})
        assert s.recv(100) == b"READY=1"
        assert [s.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        worker = max(int(t) for t in os.listdir(f"/proc/{d.process.pid}/task"))
        assert worker != d.process.pid
        if ptrace(0x4206, worker, None, None) == 0:  # PTRACE_SEIZE, which needs the right to it
            assert ptrace(0x4207, worker, None, None) == 0  # PTRACE_INTERRUPT
            os.waitpid(worker, 0x40000000)  # __WALL
            s.settimeout(1)
            with pytest.raises(TimeoutError):
                while True:
                    assert s.recv(100) == b"WATCHDOG=1"  # what was on its way
            s.settimeout(20)
            assert ptrace(17, worker, None, None) == 0  # PTRACE_DETACH
            assert s.recv(100) == b"WATCHDOG=1"
        d.stop()
        d.forget()


def test_log_has_no_texts_and_no_tokens(start):
    d = start('log_level = debug\ntoken "sha256:%s" { user = ann }\n' % hashlib.sha256(b"s3cret").hexdigest())
    c = d.connect("/log?token=s3cret&name=ann", headers=["Cookie: s3cret", "Authorization: Bearer s3cret",
                                                        "Sec-WebSocket-Protocol: natter.bearer.s3cret, chat"])
    c.send_json(message="s3cret")
    c.recv_until(message="s3cret")
    c.send("{s3cret")
    c.recv_until(type="error")
    c.close()
    wait_for("the end", lambda: d.counters()["connections"] == 0)
    refused = d.connect("/log", headers=["Authorization: Bearer s3cre7"], upgrade=False)
    refused.send_raw(refused.request)
    refused.read_handshake(401)
    assert "s3cre" not in d.log()


# ---- sockets that are given ----

def given(config, names, socks, tmp_path):
    """natterd as systemd starts it with these listening sockets: as file descriptors 3, 4, …"""
    path = conf(tmp_path, config)
    # moved out of the way first, so that none is overwritten by another's place
    moves = "".join(f"exec {50 + i}<&{s.fileno()} " for i, s in enumerate(socks)).replace("exec", "; exec")
    places = "".join(f"; exec {3 + i}<&{50 + i} {50 + i}<&-" for i in range(len(socks)))
    return subprocess.Popen(["/bin/bash", "-c", f":{moves}{places}; LISTEN_PID=$$ LISTEN_FDS={len(socks)} "
                             f'LISTEN_FDNAMES={names} exec "$@" -c "$0"', path, *PROGRAM], stderr=subprocess.PIPE,
                            text=True, pass_fds=[s.fileno() for s in socks])


def until_listening(p, n):
    log = ""
    while log.count("info: listening") < n:
        line = p.stderr.readline()
        assert line, log
        log += line
    threading.Thread(target=p.stderr.read, daemon=True).start()
    return log


def test_given_sockets(tmp_path):
    """Both kinds; by name; on several workers; a unix socket's file stays for whoever made it."""
    tcp, spare = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    path = str(tmp_path / "sock")
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(path)
    unix.listen()
    p = given('workers = 2\nlistener main { given = yes }\nlistener local { given = yes }\n', "main:other:local",
              [tcp, spare, unix], tmp_path)
    try:
        log = until_listening(p, 2)
        assert f"listener=main address=127.0.0.1:{tcp.getsockname()[1]}" in log
        assert f"listener=local address={path}" in log
        clients = [Client("127.0.0.1", tcp.getsockname()[1], "/room"), Client(None, None, "/room", unix=path)]
        clients += [Client("127.0.0.1", tcp.getsockname()[1], "/room") for _ in range(3)]
        for c in clients:
            c.send_json(type="here")
            c.recv_until(type="here")
        clients[0].send_json(message="hi")
        for c in clients:
            c.recv_until(message="hi")
            c.close()
    finally:
        p.send_signal(signal.SIGTERM)
    assert p.wait(20) == 0
    assert os.path.exists(path)
    for s in (tcp, spare, unix):
        s.close()


def test_the_only_listener_takes_all_that_is_given(tmp_path):
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    p = given("listener web { given = yes }\n", "natterd.socket:natterd.socket", socks, tmp_path)
    try:
        until_listening(p, 2)
        for s in socks:
            c = Client("127.0.0.1", s.getsockname()[1], "/room")
            c.send_json(message="hi")
            c.recv_until(message="hi")
            c.close()
    finally:
        p.send_signal(signal.SIGTERM)
    assert p.wait(20) == 0


@pytest.mark.parametrize("listening, what", [(False, "no listening stream socket"), (None, "no socket was given")])
def test_given_sockets_that_are_none(tmp_path, listening, what):
    s = socket.socket()
    p = given("listener web { given = yes }\n", "web" if listening is False else "a",
              [s] if listening is False else [], tmp_path)
    out = p.communicate(timeout=20)[1]
    assert p.returncode == 1 and what in out, out
    s.close()


def test_given_sockets_of_another_process_are_not_ours(tmp_path):
    path = conf(tmp_path, "listener web { given = yes }\n")
    r = subprocess.run([*PROGRAM, "-c", path], env={**os.environ, "LISTEN_PID": "1", "LISTEN_FDS": "1"}, text=True,
                       capture_output=True, timeout=20, check=False)
    assert r.returncode == 1 and "no socket was given" in r.stderr
