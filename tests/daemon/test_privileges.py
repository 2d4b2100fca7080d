"""Who natterd is, and what the system lets it do: users, capabilities, the seccomp filter, files, the unit."""
import ctypes.util
import functools
import glob
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile

import pytest

import certs

from natterd import BINARY, Client, Natterd, wait_for

SRC = os.path.abspath(os.environ.get("srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")))
PORTABLE = os.environ.get("NATTER_PORTABLE") == "yes"
SANITIZER = os.environ.get("NATTER_SANITIZER") or "no"
SECCOMP = (os.environ.get("NATTER_SECCOMP") or "yes") == "yes" and SANITIZER == "no" and not PORTABLE
NOBODY = pwd.getpwnam("nobody")
BIND = 1 << 10  # CAP_NET_BIND_SERVICE

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to start natterd as root")


@pytest.fixture
def folder():
    """One that nobody may write in; pytest's own are closed to all but who runs it."""
    path = tempfile.mkdtemp(prefix="natterd-privs-")
    os.chmod(path, 0o755)
    if os.geteuid() == 0:
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    yield path
    shutil.rmtree(path)


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def statuses(pid):
    """What /proc says of each thread."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/status"):
        with open(path, encoding="ascii") as f:
            found.append(dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line))
    assert found
    return found


def assert_confined(pid, uid, threads, seccomp=SECCOMP, bounded=True, in_unit=False):
    """Every thread: only this user, only that capability, no way to more, and the sandbox."""
    found = statuses(pid)
    assert len(found) >= threads
    for s in found:
        assert s["Uid"].split() == [str(uid)] * 4 and s["NSpid"], s
        if PORTABLE:
            assert uid == 0 or int(s["CapPrm"], 16) == int(s["CapEff"], 16) == 0, s
            continue
        caps = {c: int(s[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
        if not bounded:
            del caps["CapBnd"]
        # In the unit, without capset, it stays inheritable: with no_new_privs, and no program to begin, that is nothing.
        none = ("CapAmb",) if in_unit else ("CapInh", "CapAmb")
        assert caps == {c: 0 if c in none else BIND for c in caps}, s
        assert s["NoNewPrivs"] == "1" and s["Seccomp"] == ("2" if seccomp or in_unit else "0"), s


def limits(pid, name):
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        return re.search(rf"{name}\s+(\S+)\s+(\S+)", f.read()).groups()


def low_port():
    """A free one that only root may take."""
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as f:
        end = int(f.read())
    for port in range(end - 1, 0, -1):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    pytest.skip("every port may be bound by everybody here")
    return None


# ---- started as root ----

@needs_root
def test_root_becomes_the_user_and_keeps_one_capability(folder):
    """All that it makes is that user's; also the thread of the journal, and those of the workers, are."""
    port = low_port()
    d = Natterd(f'user = nobody\nworkers = 2\nstate_dir = "{folder}"\npid_file = "{folder}/pid"\n'
                f'listener main {{ address = {{"127.0.0.1"}} port = {port} }}\n'
                f'listener local {{ path = "{folder}/sock" }}\n', args=["-u", "nobody"])
    assert_confined(d.process.pid, NOBODY.pw_uid, 2)
    for s in statuses(d.process.pid):
        assert s["Gid"].split() == [str(NOBODY.pw_gid)] * 4 and s["Groups"].split() == [str(NOBODY.pw_gid)]
    for c in (Client("127.0.0.1", port, "/tea"), Client(None, None, "/tea", unix=folder + "/sock")):
        c.send_json(message="hi")
        c.recv_until(message="hi")
        c.close()
    for name in ("pid", "sock", "lock", "session.key"):
        assert os.stat(f"{folder}/{name}").st_uid == NOBODY.pw_uid, name
    assert d.log_contains("root's rights are given up user=nobody")
    d.stop()
    assert not os.path.exists(folder + "/pid") and not os.path.exists(folder + "/sock")
    d.forget()


@needs_root
def test_a_reload_opens_ports_below_1024_and_reads_what_is_its_users(folder):
    """The capability is there for that; but what the user may not read is said with what mends it."""
    if PORTABLE:
        pytest.skip("without capabilities low ports are opened at the start only")
    token = write(folder + "/token", "s3cret\n", 0o600)
    os.chown(token, NOBODY.pw_uid, NOBODY.pw_gid)
    base = 'listener main { address = {"127.0.0.1"} port = 0 }\n'
    d = Natterd(base, args=["-u", "nobody"])
    os.chmod(d.dir, 0o755)
    low = base + f'listener low {{ address = {{"127.0.0.1"}} port = {low_port()} }}\ntoken "{token}" {{ user = ann }}\n'
    write(d.config_path, low)
    d.signal(signal.SIGHUP)
    wait_for("the reload", lambda: d.log_contains("info: reloaded "))
    port = int(re.findall(r"listener=low address=127.0.0.1:(\d+)", d.log())[-1])
    Client("127.0.0.1", port, "/tea", headers=["Authorization: Bearer s3cret"]).close()
    os.chown(token, 0, 0)
    d.signal(signal.SIGHUP)
    wait_for("the refusal", lambda: d.log_contains("not reloaded"))
    assert d.log_contains(f"to mend it: setfacl -m u:nobody:r {token}"), d.log()
    Client("127.0.0.1", port, "/tea", headers=["Authorization: Bearer s3cret"]).close()
    d.stop()
    d.forget()


@needs_root
def test_the_option_names_the_user(folder):
    path = write(folder + "/natterd.conf", 'user = "nobody"\nlistener main { address = {"127.0.0.1"} port = 0 }\n')
    with subprocess.Popen([BINARY, "-c", path], stderr=subprocess.PIPE, text=True) as p:
        until(p, " ready ")
        assert_confined(p.pid, NOBODY.pw_uid, 1)
        p.send_signal(signal.SIGTERM)
        assert p.wait(20) == 0


@needs_root
def test_without_anything_configured_nobody_is_enough():
    """`natterd HOST PORT` as root, where natter was never installed."""
    try:
        expected = pwd.getpwnam("natterd").pw_uid
    except KeyError:
        expected = NOBODY.pw_uid
    with subprocess.Popen([BINARY, "127.0.0.1", "0"], stderr=subprocess.PIPE, text=True) as p:
        until(p, " ready ")
        assert_confined(p.pid, expected, 1)
        p.send_signal(signal.SIGTERM)
        assert p.wait(20) == 0


@needs_root
def test_no_such_user(folder):
    path = write(folder + "/natterd.conf", "user = no-such-user\n")
    for args in (["-c", path], ["-t", "-c", path], ["-u", "no-such-user", "127.0.0.1", "0"]):
        p = subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=20, check=False)
        assert p.returncode == 1, p.stderr
        assert re.search(r'there is none: make it \(.*useradd .*no-such-user\), or name another one by the option user or by -u',
                         p.stderr), p.stderr


@needs_root
def test_root_that_stays_root_is_warned_of():
    with Natterd(args=["-u", "root"]) as d:
        assert_confined(d.process.pid, 0, 1)
        assert d.log_contains("warning: the user stays root")


# ---- started by others ----

@needs_root
def test_capabilities_that_are_given_are_given_up_but_for_one(folder):
    """As a unit with User= and AmbientCapabilities=, which gives more than it should."""
    if PORTABLE or shutil.which("setpriv") is None:
        pytest.skip("setpriv is missing (Debian: util-linux), or this natterd knows no capabilities")
    port = low_port()
    path = write(folder + "/natterd.conf", f'listener main {{ address = {{"127.0.0.1"}} port = {port} }}\n')
    caps = "+net_bind_service,+chown"
    with subprocess.Popen(["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups",
                           f"--inh-caps={caps}", f"--ambient-caps={caps}", reachable(folder), "-c", path],
                          stderr=subprocess.PIPE, text=True) as p:
        until(p, " ready ")
        assert_confined(p.pid, NOBODY.pw_uid, 1, bounded=False)
        Client("127.0.0.1", port, "/tea").close()
        p.send_signal(signal.SIGTERM)
        assert p.wait(20) == 0


@needs_root
def test_without_capabilities_low_ports_are_refused(folder):
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is missing (Debian: util-linux)")
    p = subprocess.run(["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups",
                        reachable(folder), "127.0.0.1", str(low_port())], capture_output=True, text=True, timeout=20,
                       check=False)
    assert p.returncode == 1 and "Permission denied" in p.stderr


def reachable(folder):
    """The program where others than root come to it, wherever it was built."""
    return shutil.copy(BINARY, folder + "/natterd")


def until(p, text):
    while True:
        line = p.stderr.readline()
        assert line, f"it ended before it said {text}"
        if text in line:
            return


# ---- the sandbox, core files ----

def test_no_core_file_and_a_filter_for_all_threads(start):
    """As the whole suite runs it: seccomp is on where it was built."""
    d = start("workers = 2\n")
    assert limits(d.process.pid, "Max core file size") == ("0", "0")
    if PORTABLE:
        return
    assert_confined(d.process.pid, os.geteuid(), 2, bounded=os.geteuid() == 0)
    assert d.log_contains("system calls are restricted by=seccomp") == SECCOMP


def test_core_files_and_all_system_calls_by_option(start):
    d = start("seccomp = no\ncore_dumps = yes\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    names = {resource.RLIM_INFINITY: "unlimited"}
    assert limits(d.process.pid, "Max core file size") == (names.get(soft, str(soft)), names.get(hard, str(hard)))
    if not PORTABLE:
        assert {s["Seccomp"] for s in statuses(d.process.pid)} == {"0"}


@needs_root
def test_others_of_the_same_user_may_not_look_into_its_memory(folder):
    """Not dumpable: what /proc has of it is root's."""
    if PORTABLE or SANITIZER != "no":
        pytest.skip("only where the system can, and no sanitizer has to look")
    for yes, uid in (("no", 0), ("yes", NOBODY.pw_uid)):
        p = subprocess.run(["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups", "sh", "-c",
                            '"$0" -c "$1" 2>"$2" & until grep -q " ready " "$2"; do sleep 0.05; done; '
                            'stat -c %u /proc/$!/mem; kill $!; wait $!', reachable(folder),
                            write(folder + "/natterd.conf",
                                  f'core_dumps = {yes}\nlistener main {{ address = {{"127.0.0.1"}} port = 0 }}\n'),
                            f"{folder}/log-{yes}"], capture_output=True, text=True, timeout=20, check=False)
        assert p.returncode == 0 and int(p.stdout) == uid, p


@needs_root
def test_root_raises_the_file_limit_to_what_max_connections_takes():
    """Where root may: containers take that right away, too."""
    files = 300
    d = Natterd("max_connections = 500\n", files=files)
    soft = int(limits(d.process.pid, "Max open files")[0])
    with open("/proc/self/status", encoding="ascii") as f:
        may = int(re.search(r"CapEff:\s*(\w+)", f.read())[1], 16) >> 24 & 1
    if may:
        assert soft >= 500
    else:
        assert soft == files and d.log_contains("max_connections is lowered")
    d.stop()
    d.forget()


# ---- what a reload reads ----

@needs_root
def test_unreadable_files_are_told_with_what_mends_them(folder):
    if shutil.which("setfacl") is None:
        pytest.skip("setfacl is missing (Debian: acl)")
    os.mkdir(folder + "/secret dir", 0o700)
    os.mkdir(folder + "/links", 0o700)
    write(folder + "/secret dir/token", "s3cret\n", 0o600)
    os.symlink("../secret dir/token", folder + "/links/token")
    os.mkdir(folder + "/etc", 0o700)
    path = write(folder + "/etc/natterd.conf", f'user = nobody\ntoken "{folder}/links/token" {{ user = ann }}\n'
                 'listener main { address = {"127.0.0.1"} port = 0 }\n', 0o600)
    # The daemon does not start without the token; the configuration itself was read by root, and is a warning.
    p = subprocess.run([BINARY, "-c", path], capture_output=True, text=True, timeout=20, check=False)
    assert p.returncode == 1 and f"{path}:2: {folder}/links/token: the user nobody may not enter" in p.stderr, p.stderr
    assert f"warning: the configuration cannot be reloaded file={path}" in p.stderr
    mended = []
    while len(mended) < 10:
        p = subprocess.run([BINARY, "-t", "-c", path], capture_output=True, text=True, timeout=20, check=False)
        lines = re.findall(r"to mend it: (.*)", p.stderr)
        if p.returncode == 0:
            break
        assert p.returncode == 1 and lines and "good" not in p.stderr, p.stderr
        for line in lines:
            subprocess.run(line, shell=True, check=True)
        mended += lines
    assert "good" in p.stderr and sorted(mended) == sorted([
        f"setfacl -m u:nobody:x {folder}/etc", f"setfacl -m u:nobody:r {path}",
        f"setfacl -m u:nobody:x {folder}/links", f"setfacl -m u:nobody:x '{folder}/links/../secret dir'",
        f"setfacl -m u:nobody:r '{folder}/links/../secret dir/token'"]), mended
    with subprocess.Popen([BINARY, "-c", path], stderr=subprocess.PIPE, text=True) as p:
        until(p, " ready ")
        p.send_signal(signal.SIGTERM)
        assert "cannot be reloaded" not in p.communicate(timeout=20)[1]


# ---- contrib ----

def unit():
    with open(os.path.join(SRC, "contrib/systemd/natterd.service.in"), encoding="utf-8") as f:
        return f.read().replace("@sbindir@", "/usr/sbin").replace("@sysconfdir@", "/etc")


def test_the_unit_gives_one_capability_and_little_else(tmp_path):
    text = unit()
    for line in ("User=natterd", "Type=notify", "ExecReload=/bin/kill -HUP $MAINPID",
                 "AmbientCapabilities=CAP_NET_BIND_SERVICE", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"):
        assert line + "\n" in text, line
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is missing (Debian: systemd)")
    path = write(str(tmp_path / "natterd.service"), text)
    p = subprocess.run([tool, "security", "--offline=true", "--no-pager", "--threshold=15", path], capture_output=True,
                       text=True, check=False)
    if "unrecognized option" in p.stderr:
        pytest.skip("this systemd-analyze cannot judge a file (systemd 250)")
    score = re.search(r"exposure level for natterd.service: ([0-9.]+)", p.stdout)
    assert score, p.stdout + p.stderr
    assert p.returncode == 0 and float(score[1]) <= 1.5, p.stdout


@functools.lru_cache
def sets_of_calls():
    """systemd's sets of system calls, which hold names and other sets."""
    p = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=False)
    sets = {}
    for line in p.stdout.splitlines():
        if line.startswith("@"):
            inside = sets.setdefault(line.strip(), [])
        elif re.fullmatch(r" +@?[a-z0-9_-]+", line):
            inside.append(line.strip())
    if "@system-service" not in sets:
        pytest.skip("systemd-analyze does not tell its sets of system calls here")
    return sets


def expanded(names):
    """The system calls of these sets."""
    return {x for n in names for x in (expanded(sets_of_calls()[n]) if n.startswith("@") else [n])}


def allowed_by_the_unit():
    """As systemd.exec(5) has SystemCallFilter=: the first line's, without those of a line with ~, and with those of others."""
    calls = set()
    for line in re.findall(r"^SystemCallFilter=(.*)", unit(), re.M):
        calls = calls - expanded(line[1:].split()) if line.startswith("~") else calls | expanded(line.split())
    return calls


class InTheUnit(Natterd):
    """Started as the unit does it: as a user with one capability, and under the unit's filters of system calls."""

    def start(self):
        os.chown(self.dir, NOBODY.pw_uid, NOBODY.pw_gid)
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "unit_filter.py"), encoding="utf-8") as f:
            helper = f.read()
        caps = "-all,+net_bind_service"
        self.command = ["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups",
                        f"--inh-caps={caps}", f"--ambient-caps={caps}", f"--bounding-set={caps}", "/usr/bin/python3", "-c",
                        helper, ",".join(sorted(allowed_by_the_unit())), reachable(self.dir), "-c", self.config_path]
        super().start()

    def port_of(self, name):
        return int(re.findall(rf"listening listener={name} address=127.0.0.1:(\d+)", self.log())[-1])


@needs_root
def test_it_serves_and_reloads_under_the_filters_of_the_unit(folder):
    """A low port, TLS, a store, a reload that opens another port and reads keys, its own filter above the unit's."""
    if SANITIZER != "no" or shutil.which("systemd-analyze") is None or shutil.which("setpriv") is None:
        pytest.skip("systemd-analyze or setpriv is missing (Debian: systemd, util-linux), or this is a sanitizer's build")
    if ctypes.util.find_library("seccomp") is None:
        pytest.skip("libseccomp is missing (Debian: libseccomp2)")
    calls = allowed_by_the_unit()
    assert {"read", "execve", "seccomp"} <= calls and not calls & {"chown", "capset", "setuid", "setrlimit", "mount"}
    chain, key = certs.Authority(folder).issue("unit", "localhost", "127.0.0.1")
    for path in (chain, key):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    config = (f'state_dir = "{folder}"\nworkers = 2\ncertificate all {{ chain = "{chain}" key = "{key}" }}\n'
              'listener main { address = {"127.0.0.1"} port = 0 }\n'
              'listener secure { address = {"127.0.0.1"} port = 0 tls = yes }\n'
              f'listener low {{ address = {{"127.0.0.1"}} port = {low_port()} }}\n')
    d = InTheUnit(config)
    try:
        assert_confined(d.process.pid, NOBODY.pw_uid, 3, in_unit=True)
        assert d.log_contains("system calls are restricted by=seccomp") == SECCOMP
        tls = ssl.create_default_context(cafile=folder + "/ca.pem")

        def chats(port, **kwargs):
            c = Client("127.0.0.1", port, "/tea", **kwargs)
            c.send_json(message=f"by {port}")
            c.recv_until(message=f"by {port}")
            c.close()

        for name in ("main", "low", "secure"):
            chats(d.port_of(name), tls=tls if name == "secure" else False)
        certs.Authority(folder).issue("unit", "localhost", "127.0.0.1", kind="rsa")
        for path in (chain, key):
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        d.reload(config + 'listener late { address = {"127.0.0.1"} port = 0 tls = yes }\n')
        tls = ssl.create_default_context(cafile=folder + "/ca.pem")
        chats(d.port_of("late"), tls=tls)
        chats(d.port_of("secure"), tls=tls)
        d.reload("no_such_option = 1\n", good=False)
        assert d.counters()["stored"] >= 5
        assert not re.findall(r" (?:warning|error): (?!.*not reloaded|.*no_such_option).*", d.log()), d.log()
        d.stop()
        d.forget()
    finally:
        if d.process.poll() is None:
            d.kill()


def test_the_apparmor_profile_can_be_read():
    tool = shutil.which("apparmor_parser", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if tool is None:
        pytest.skip("apparmor_parser is missing (Debian: apparmor)")
    p = subprocess.run([tool, "-Q", "-K", os.path.join(SRC, "contrib/apparmor/usr.sbin.natterd")], capture_output=True,
                       text=True, check=False)
    assert p.returncode == 0 and "Warning" not in p.stderr, p.stderr
