"""TLS: who may connect and how, which certificate is seen, tickets, deadlines, and that a chat over it is a chat."""
import asyncio
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

import pytest

import certs
from natterd import (BINARY_OP, DEADLINE, TEXT, Authority, Client, Natterd, frame, run, trusting, wait_for)

WORKERS = [1, 2]
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LOCAL = 'listener main { address = {"127.0.0.1"} port = 0 }\n'
ECHO = 'endpoint "/echo" { handler = echo }\nendpoint "/*" { }\n'


@pytest.fixture(scope="module")
def secure(workers):
    with Natterd(LOCAL + ECHO + "max_message = 8M\nmax_frame = 8M\nsend_queue = 16M\nmessage_rate = 0", tls=True) as daemon:
        yield daemon


def s_client(daemon, *args, data=b"", timeout=DEADLINE):
    """What openssl s_client says; it ends with its input, or when it is refused."""
    if certs.OPENSSL is None:
        pytest.skip("openssl is missing (Debian: openssl)")
    p = subprocess.run([certs.OPENSSL, "s_client", "-connect", f"127.0.0.1:{daemon.port}", "-CAfile", Authority.get().ca,
                        *args], input=data, capture_output=True, timeout=timeout, check=False)
    return (p.stdout + p.stderr).decode("utf-8", "replace")


def get(daemon, *args, path="/healthz", **kwargs):
    """The answer to a GET by s_client, which stays until the server closes."""
    return s_client(daemon, "-ign_eof", *args, data=f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), **kwargs)


# ---- clients ----

def test_a_chat_by_websockets(secure):
    import websockets

    async def chat():
        a = await websockets.connect(secure.url("/py"), ssl=trusting())
        await a.recv()  # its own line
        b = await websockets.connect(secure.url("/py"), ssl=trusting())
        await a.recv()
        await a.send(json.dumps({"message": "hello"}))
        heard = [json.loads(await asyncio.wait_for(x.recv(), DEADLINE)) for x in (a,)]
        while json.loads(await asyncio.wait_for(b.recv(), DEADLINE)).get("message") != "hello":
            pass
        await b.close()
        gone = json.loads(await asyncio.wait_for(a.recv(), DEADLINE))
        await a.close()
        return heard[0]["message"], gone["message"]

    said, gone = asyncio.run(chat())
    assert said == "hello" and gone.endswith(" disconnected")


NODE = """
const WebSocket = require(%s);
const ws = new WebSocket(process.argv[1], { ca: require('fs').readFileSync(process.argv[2]) });
ws.on('open', () => ws.send(JSON.stringify({ message: 'from node' })));
ws.on('message', (data) => { if (JSON.parse(data).message === 'from node') { console.log('heard'); ws.close(1000); } });
ws.on('close', (code) => console.log('closed ' + code));
ws.on('error', (e) => console.log('error ' + e.message));
"""


def test_a_chat_by_node(secure):
    module = os.path.join(TOP, "tests/browser/node_modules/ws")
    if shutil.which("node") is None or not os.path.isdir(module):
        pytest.skip("node, or its package ws, is missing (./bootstrap installs them)")
    out = subprocess.run(["node", "-e", NODE % json.dumps(module), secure.url("/node"), Authority.get().ca],
                         capture_output=True, text=True, timeout=3 * DEADLINE, check=False)
    assert out.stdout == "heard\nclosed 1000\n", out


def test_the_page(secure):
    with Natterd() as plain:
        page = plain.connect(upgrade=False)
        page.send_raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert page.read_response() == 200
        want = page.read_to_end()
        page.close()
    c = secure.connect(upgrade=False)
    c.send_raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert c.read_response() == 200
    assert c.read_to_end() == want and len(want) == int(c.headers["content-length"])
    if shutil.which("curl"):
        out = subprocess.run(["curl", "-sS", "-m", "20", "--cacert", Authority.get().ca, "-o", "/dev/null", "-w",
                              "%{http_code} %{size_download}", f"https://127.0.0.1:{secure.port}/"],
                             capture_output=True, text=True, check=True).stdout
        assert out == f"200 {len(want)}"


# ---- versions and options ----

@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_versions(secure, version):
    out = get(secure, "-tls" + version)
    assert "HTTP/1.1 200" in out
    assert f"Protocol  : TLSv{version.replace('_', '.')}" in out or f"New, TLSv{version.replace('_', '.')}" in out
    assert "Compression: NONE" in out
    assert "Secure Renegotiation IS" in out
    assert "Verify return code: 0 (ok)" in out


def test_old_versions_are_refused(secure):
    before = secure.counters()["tls_failed"]
    out = get(secure, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    assert "HTTP/1.1" not in out and "alert" in out
    secure.counter_reaches("tls_failed", before + 1)
    assert re.search(r'info: a TLS handshake failed listener=main address=127.0.0.1 error="unsupported protocol"', secure.log())


def test_renegotiation_is_refused(secure):
    p = subprocess.Popen([certs.OPENSSL or pytest.skip("no openssl"), "s_client", "-connect", f"127.0.0.1:{secure.port}",
                          "-tls1_2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        p.stdin.write(b"R\n")
        p.stdin.flush()
        out = p.communicate(timeout=DEADLINE)[0].decode("utf-8", "replace")
    finally:
        p.kill()
        p.wait()
    assert "RENEGOTIATING" in out and "no renegotiation" in out


def test_ciphers_and_versions_by_option(start):
    only = start(LOCAL + 'tls_ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:TLS_CHACHA20_POLY1305_SHA256"', tls=True)
    assert "Cipher is TLS_CHACHA20_POLY1305_SHA256" in get(only)
    assert "Cipher is ECDHE-ECDSA-AES256-GCM-SHA384" in get(only, "-tls1_2")
    assert "HTTP/1.1" not in get(only, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
    new = start(LOCAL + "tls_min_version = 1.3", tls=True)
    assert "HTTP/1.1 200" in get(new, "-tls1_3")
    assert "HTTP/1.1" not in get(new, "-tls1_2")


def test_ciphers_by_default_are_forward_secret(secure):
    assert "HTTP/1.1 200" in get(secure, "-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305")
    for weak in ("ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA"):
        assert "HTTP/1.1" not in get(secure, "-tls1_2", "-cipher", weak)


def test_alpn(secure):
    for offer, chosen in (("h2,http/1.1", b"http/1.1"), ("h2", None)):
        context = trusting()
        context.set_alpn_protocols(offer.split(","))
        c = secure.connect(tls=context)
        assert c.sock.selected_alpn_protocol() == (chosen.decode() if chosen else None)
        c.close()


# ---- which certificate ----

@pytest.fixture(scope="module")
def several():
    """A daemon with certificates for several names, of two kinds."""
    a = Authority.get()
    issued = [("first", "first.example", "ecdsa"), ("second", "second.example", "ecdsa"), ("second-rsa", "second.example", "rsa"),
              ("wild", "*.wild.example", "ecdsa"), ("exact", "chat.wild.example", "rsa"), ("other", "other.example", "ecdsa")]
    text = ""
    for title, name, kind in issued:
        chain, key = a.issue(title, name, kind=kind)
        text += f'certificate "{title}" {{ chain = "{chain}" key = "{key}" }}\n'
    with Natterd(text + """
listener main { address = {"127.0.0.1"} port = 0 tls = yes certificates = {first, second, second-rsa, wild, exact} }
""") as daemon:
        yield daemon


def subject(daemon, name, *args):
    out = s_client(daemon, *(("-servername", name) if name else ("-noservername",)), *args)
    found = re.search(r"subject=CN ?= ?(\S+)", out)
    return found and found[1]


@pytest.mark.parametrize("name, title", [
    (None, "first"), ("first.example", "first"), ("second.example", "second"), ("SECOND.example", "second"),
    ("a.wild.example", "wild"), ("a.b.wild.example", "first"), ("wild.example", "first"), ("unknown.example", "first"),
    ("other.example", "first"), ("x" * 250, "first")])
def test_sni(several, name, title):
    assert subject(several, name) == title


RSA_ONLY = ("-sigalgs", "RSA-PSS+SHA256:RSA+SHA256")
EC_ONLY = ("-sigalgs", "ECDSA+SHA256")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("name, sigalgs, title", [
    ("second.example", EC_ONLY, "second"), ("second.example", RSA_ONLY, "second-rsa"),
    ("chat.wild.example", RSA_ONLY, "exact"), ("chat.wild.example", EC_ONLY, "wild"), ("a.wild.example", EC_ONLY, "wild"),
    ("first.example", RSA_ONLY, None)])
def test_ecdsa_and_rsa(several, version, name, sigalgs, title):
    assert subject(several, name, version, *sigalgs) == title


# ---- tickets ----

def resumed(daemon, context, session=None):
    """A request's connection; (whether it was resumed, its session)."""
    sock = socket.create_connection(("127.0.0.1", daemon.port), DEADLINE)
    with context.wrap_socket(sock, server_hostname="localhost", session=session) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while s.recv(4096):
            pass
        return s.session_reused, s.session


def client_context(version):
    context = trusting()
    context.maximum_version = context.minimum_version = version
    return context


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
def test_tickets_hold_on_all_workers(start, version):
    daemon = start(LOCAL, tls=True)
    context = client_context(version)
    again, session = resumed(daemon, context)
    assert not again and session.has_ticket

    def everywhere():
        nonlocal session
        again, session = resumed(daemon, context, session)
        assert again
        return all(x["tls_resumed"] for x in daemon.worker_counters())

    wait_for("every worker to resume one", everywhere)
    assert not resumed(daemon, context)[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_ticket_file(start, tmp_path, version):
    file = tmp_path / "tickets"
    file.write_bytes(os.urandom(48))
    file.chmod(0o600)
    shared = f'tls_ticket_file = "{file}"\n'
    one, other, alone = start(LOCAL + shared, tls=True), start(LOCAL + shared, tls=True), start(LOCAL, tls=True)
    context = client_context(version)
    session = resumed(one, context)[1]
    assert resumed(other, context, session)[0]
    assert not resumed(alone, context, session)[0]
    one.stop()
    one.start()
    assert resumed(one, context, session)[0]


def test_no_tickets(start):
    daemon = start(LOCAL + "tls_tickets = 0", tls=True)
    for version in VERSIONS:
        context = client_context(version)
        session = resumed(daemon, context)[1]
        assert session is None or not session.has_ticket
        assert not resumed(daemon, context, session)[0]
    assert daemon.counters()["tls_resumed"] == 0


# ---- what is wrong with a configuration ----

@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files that are no good, and good ones, by name."""
    folder = tmp_path_factory.mktemp("files")
    a = Authority.get()
    f = {"chain": a.chain, "key": a.key}
    f["other_key"] = a.issue("someone-else")[1]
    f["expired"], f["expired_key"] = a.issue("expired", days="-1")
    f["missing"] = str(folder / "missing.pem")
    f["folder"] = str(folder)
    made = {"empty": "", "garbage": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "cut": open(a.chain, encoding="ascii").read()[:300],
            "chain_garbage": open(a.chain, encoding="ascii").read() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}
    for name, text in made.items():
        (folder / name).write_text(text)
        f[name] = str(folder / name)
    f["locked"] = str(folder / "locked.key")
    certs.openssl("pkey", "-in", a.key, "-out", f["locked"], "-aes128", "-passout", "pass:secret")
    for name, size, mode in (("short", 31, 0o600), ("open", 48, 0o644)):
        (folder / name).write_bytes(b"x" * size)
        (folder / name).chmod(mode)
        f[name] = str(folder / name)
    return f


def check(tmp_path, text):
    conf = tmp_path / "natterd.conf"
    conf.write_text(text)
    return run("-t", "-c", str(conf))


@pytest.mark.parametrize("chain, key, said", [
    ("missing", "key", "{missing}: No such file or directory"),
    ("folder", "key", "{folder}: it is no file"),
    ("empty", "key", "{empty}: it has no certificate"),
    ("garbage", "key", "{garbage}: a certificate cannot be read: "),
    ("cut", "key", "{cut}: a certificate cannot be read: "),
    ("chain_garbage", "key", "{chain_garbage}: a certificate of the chain cannot be read: "),
    ("chain", "missing", "{missing}: No such file or directory"),
    ("chain", "chain", "{chain}: it has no private key that can be read"),
    ("chain", "garbage", "{garbage}: it has no private key that can be read"),
    ("chain", "other_key", "{other_key}: this private key does not belong to the certificate: {chain}"),
    ("chain", "locked", "{locked}: the private key has a pass phrase")])
def test_broken_certificates(tmp_path, files, chain, key, said):
    for text in (f'listener x {{ tls = yes certificate = "{files[chain]}" key = "{files[key]}" }}',
                 f'certificate c {{ chain = "{files[chain]}" key = "{files[key]}" }}\nlistener x {{ tls = yes }}'):
        code, out = check(tmp_path, text)
        assert code == 1 and said.format(**files) in out, out
        assert chain == "missing" or key == "missing" or 'natterd: listener "x": ' in out


@pytest.mark.parametrize("text, said", [
    ("listener x { tls = yes }", 'listener "x": tls = yes needs a certificate'),
    ('listener x { tls = yes certificate = "{chain}" key = "{key}" certificates = {{a}} }', "expected certificate, or certificates, not both"),
    ('listener x { key = "{key}" }', "key: expected a certificate, too"),
    ("listener x { certificates = {{a}} }", 'listener "x": there is no certificate "a"'),
    ("certificate c { }", "chain: expected a file"),
    ('listener x { tls = yes certificate = "{chain}" key = "{key}" }\ntls_ciphers = "none-such"', 'tls_ciphers "none-such": no cipher match'),
    ('listener x { tls = yes certificate = "{chain}" key = "{key}" }\ntls_ciphers = "TLS_NONE_SUCH"', 'tls_ciphers "TLS_NONE_SUCH": '),
    ("tls_min_version = 1.1", "expected one of 1.2 1.3, not '1.1'"),
    ('tls_ticket_file = "{missing}"', "tls_ticket_file {missing}: No such file or directory"),
    ('tls_ticket_file = "{short}"', "tls_ticket_file {short}: it has fewer than 32 bytes"),
    ('tls_ticket_file = "{open}"', "tls_ticket_file {open}: everybody on this machine can read or write it")])
def test_mistakes_in_the_configuration(tmp_path, files, text, said):
    for name in files:
        text, said = text.replace("{%s}" % name, files[name]), said.replace("{%s}" % name, files[name])
    code, out = check(tmp_path, text.replace("{{", "{").replace("}}", "}"))
    assert code == 1 and said in out, out


def test_an_expired_certificate_is_a_warning(start, files):
    daemon = start(f'{LOCAL[:-3]} tls = yes certificate = "{files["expired"]}" key = "{files["expired_key"]}" }}')
    assert f"warning: a certificate has expired: clients will refuse it file={files['expired']}" in daemon.log()
    context = trusting()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    Client("127.0.0.1", daemon.port, tls=context).close()


# ---- mistakes of clients ----

def test_no_tls_on_a_port_with_it(secure):
    for request in (Client("127.0.0.1", secure.port, upgrade=False, tls=False).request,
                    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x80\x2e\x01\x03\x01\r\n\r\n"):
        c = Client("127.0.0.1", secure.port, upgrade=False, tls=False)
        c.send_raw(request)
        assert c.read_response() == 400
        assert c.read_to_end() == b"this port speaks TLS: use https:// or wss://\n"
    assert "info: a client without TLS on a listener with tls = yes listener=main address=127.0.0.1" in secure.log()


def test_tls_on_a_port_without(plain):
    s = socket.create_connection(("127.0.0.1", plain.port), DEADLINE)
    with pytest.raises(ssl.SSLError):
        trusting().wrap_socket(s, server_hostname="localhost")
    s.close()
    assert "info: a client with TLS on a listener without tls = yes" in plain.log()
    c = Client("127.0.0.1", plain.port, upgrade=False)
    c.send_raw(bytes.fromhex("160301020001000100") + bytes(500))
    assert c.read_response() == 400
    assert c.read_to_end() == b"this port does not speak TLS: use http:// or ws://\n"


def hello():
    """A ClientHello's bytes."""
    out = ssl.MemoryBIO()
    tls = trusting().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


def test_slow_handshakes_end(start):
    """One byte at a time: of the ClientHello, of a head within TLS; nothing; a hello and nothing more.

    Who has begun a request is answered, the others are just closed; all are counted.
    """
    daemon = start(LOCAL + "handshake_timeout = 1s\nclose_timeout = 1s", tls=True)
    raw = [Client("127.0.0.1", daemon.port, upgrade=False, tls=False) for _ in range(3)]
    inside = daemon.connect(upgrade=False)
    raw[1].send_raw(hello())
    dripping = [(raw[0], iter(hello())), (inside, iter(inside.request))]

    def drip():
        for c, data in list(dripping):
            try:
                c.send_raw(bytes([next(data)]))
            except OSError:
                dripping.remove((c, data))
        time.sleep(0.05)
        return not dripping

    wait_for("the slow ones to be closed", drip)
    assert inside.read_response() == 408
    assert raw[0].read_to_end() == raw[2].read_to_end() == b""
    assert raw[1].read_to_end()[:1] == b"\x16", "the server's part of the TLS handshake"
    assert daemon.counter_reaches("closed_handshake", 4)
    assert daemon.counters()["http_errors"] == 1
    wait_for("all to be gone", lambda: daemon.counters()["connections"] == 0)
    c = daemon.connect()
    assert c.recv_json()["type"] == "system"


def test_crowded_out(start):
    """Too many half done: who has begun a request within TLS is told, a TLS handshake that is half done is closed."""
    daemon = start(LOCAL + "max_handshakes = 2\nhandshake_timeout = 60s\nworkers = 1", tls=True)
    inside = daemon.connect(upgrade=False)
    inside.send_raw(b"GET / HTTP/1.1\r\n")
    half = Client("127.0.0.1", daemon.port, upgrade=False, tls=False)
    half.send_raw(hello())
    half.more()
    time.sleep(1.1)  # the order is that of the seconds in which they came
    late = [daemon.connect(upgrade=False) for _ in range(2)]
    assert inside.read_response() == 503
    assert inside.headers["retry-after"]
    half.read_to_end()
    assert daemon.counters()["closed_crowded_out"] == 2
    for c in late:
        c.send_raw(c.request)
        assert c.read_response() == 101


def test_bytewise(secure):
    """A hello in single bytes, then a head and frames in a record each."""
    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting().wrap_bio(a, b, server_hostname="localhost")
    c = Client("127.0.0.1", secure.port, "/echo", upgrade=False, tls=False)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            c.send_bytewise(b.read())
            c.more()
            a.write(c.take(len(c.buffer)))
    c.send_bytewise(b.read())
    for byte in c.request + frame(TEXT, "drops"):
        tls.write(bytes([byte]))
        c.send_raw(b.read())
    got = b""
    while not got.endswith(b"\x81\x05drops"):
        try:
            got += tls.read(4096)
        except ssl.SSLWantReadError:
            c.more()
            a.write(c.take(len(c.buffer)))
    assert got.startswith(b"HTTP/1.1 101")


def test_garbage_after_the_handshake(secure):
    """A record that is not the client's ends that connection alone."""
    c = secure.connect(path="/garbage")
    other = secure.connect(path="/garbage")
    other.recv_json()
    os.write(c.sock.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(ssl.SSLError):
        while c.sock.recv(4096):
            pass
    assert other.recv_until(type="system")["message"].endswith("disconnected")


def test_tls_behind_a_proxy_header(start):
    """The PROXY header comes first, in plain text, and may come with the hello, or in pieces."""
    daemon = start('listener main { address = {"127.0.0.1"} port = 0 proxy_protocol = yes }\n'
                   'trusted_proxies = {"127.0.0.0/8"}\nannounce = address', tls=True)
    header = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"
    c = daemon.connect(first=header)
    assert c.recv_json()["message"] == "203.0.113.7 connected"
    raw = Client("127.0.0.1", daemon.port, upgrade=False, tls=False)
    raw.send_raw(header[:10])
    time.sleep(0.05)
    raw.send_raw(header[10:] + hello())
    while len(raw.buffer) < 5:
        raw.more()
    assert raw.buffer[:2] == b"\x16\x03"
    plain = Client("127.0.0.1", daemon.port, upgrade=False, tls=False)
    plain.send_raw(header + plain.request)
    assert plain.read_response() == 400
    for c in (raw, plain):
        c.close()


# ---- beginning and end ----

def test_closing(secure):
    """The close frame, then the end of TLS, then that of TCP; from both sides."""
    c = secure.connect(path="/closing")
    c.sock.suppress_ragged_eofs = False
    c.send_raw(frame(8, b"\x03\xe8"))
    assert c.recv_close()[0] == 1000
    c.expect_eof()  # by close_notify, or this raises SSLEOFError
    c.sock.unwrap().close()


def test_a_stopping_daemon_says_so(start):
    daemon = start(LOCAL, tls=True)
    clients = [daemon.connect() for _ in range(5)]
    daemon.signal(15)
    for c in clients:
        c.sock.suppress_ragged_eofs = False
        assert c.recv_close()[0] == 1001
        c.expect_eof()
        c.close()


def test_clients_that_just_go(secure):
    """Without a word of TLS, by a reset, in the middle of a handshake: the others hear that they are gone."""
    stays = secure.connect(path="/going")
    stays.recv_json()
    gone = [secure.connect(path="/going") for _ in range(4)]
    s = gone[0].sock.detach()
    os.close(s)
    gone[1].reset()
    with pytest.raises(ssl.SSLError):  # it says that it ends, and does not wait for what was said to it
        gone[2].sock.unwrap()
    gone[2].close()
    gone[3].send_raw(frame(TEXT, "x" * 1000)[:50])
    gone[3].reset()
    left = 0
    while left < 4:
        left += stays.recv_json().get("message", "").endswith("disconnected")
    for cut in (1, 5, 100, None):
        c = Client("127.0.0.1", secure.port, upgrade=False, tls=False)
        c.send_raw(hello()[:cut])
        c.reset()
    wait_for("all to be gone", lambda: secure.counters()["members"] == 1)


# ---- much ----

def test_big_messages(secure):
    c = secure.connect(path="/echo")
    for size in (0, 1, 16335, 16336, 16337, 100000, 3 << 20):
        data = os.urandom(size)
        c.send(data, BINARY_OP)
        assert c.recv() == data


def test_a_backlog_arrives_whole(secure):
    """More than the system takes waits, in records that were begun and ones that were not."""
    c = Client("127.0.0.1", secure.port, "/echo", receive_buffer=4096, tls=True)
    sizes = [1000, 60000, 16336, 3, 300000, 16384, 40000, 1, 2000000, 17, 70000, 500000, 5]
    messages = [os.urandom(size) for size in sizes]
    short = secure.counters()["sends_short"]
    c.send_raw(b"".join(frame(BINARY_OP, x) for x in messages))
    secure.counter_reaches("sends_short", short + 1)
    for m in messages:
        assert c.recv() == m
    wait_for("the backlog to be gone", lambda: secure.counters()["backlog_bytes"] == 0)


def test_a_slow_reader_goes(start, workers):
    daemon = start(LOCAL + "send_queue = 64K\nmessage_rate = 0\nannounce = off", tls=True)
    slow = Client("127.0.0.1", daemon.port, "/slow", receive_buffer=4096, tls=True)
    fast, speaker = daemon.connect(path="/slow"), daemon.connect(path="/slow")
    daemon.wait_members(3)
    n, text = 0, "x" * 30000

    def flood():
        nonlocal n
        speaker.send_json(message=text)
        n += 1
        for c in (fast, speaker):
            assert c.recv_json()["seq"] == n
        return daemon.counters()["closed_slow"]

    wait_for("the slow one to be closed", flood)
    daemon.wait_members(2)
    slow.close()


N, SPOKEN = 1000, 20


def test_a_thousand_clients():
    """All of them hear all messages in one order."""
    with Natterd(LOCAL + f"workers = 2\nannounce = off\nmax_connections = {N + 100}\nmessage_rate = 0\nbacklog = 2000",
                 tls=True) as daemon:
        crowd(daemon)
        daemon.hang_up()


def crowd(daemon):
    context, session, clients = trusting(), None, []
    for i in range(N):
        c = Client("127.0.0.1", daemon.port, "/crowd", upgrade=False, tls=False)
        c.sock = context.wrap_socket(c.sock, server_hostname="localhost", session=session)
        c.send_raw(c.request)
        c.read_handshake()
        session = c.sock.session
        clients.append(c)
        daemon.clients.add(c)
    daemon.wait_members(N)
    speakers = clients[:: N // 4]
    for i in range(SPOKEN):
        speakers[i % len(speakers)].send_json(message=f"{i} " + "x" * (37 * i))
    first = None
    for c in clients:
        heard = [c.recv() for _ in range(SPOKEN)]
        first = first or heard
        assert heard == first
    assert [json.loads(x)["seq"] for x in first] == list(range(1, SPOKEN + 1))
    assert daemon.counters()["tls_resumed"] == N - 1


# ---- reload ----

def test_reload(start, tmp_path):
    """New certificates for new connections; those that are there chat on, tickets hold, and a broken one changes nothing."""
    a = Authority.get()
    chain, key = str(tmp_path / "live.pem"), str(tmp_path / "live.key")

    def put(title):
        for have, want in zip(a.issue(title, "localhost", "127.0.0.1"), (chain, key)):
            shutil.copy(have, want + ".new")
            os.replace(want + ".new", want)

    put("old")
    config = f'listener main {{ address = {{"127.0.0.1"}} port = 0 tls = yes certificate = "{chain}" key = "{key}" }}\n'
    daemon = start(config + "announce = off")
    assert subject(daemon, "localhost") == "old"
    context = client_context(ssl.TLSVersion.TLSv1_3)
    session = resumed(daemon, context)[1]
    stays = Client("127.0.0.1", daemon.port, "/reload", tls=context)

    put("new")
    daemon.reload(config + "announce = off")
    assert subject(daemon, "localhost") == "new"
    assert resumed(daemon, context, session)[0]

    shutil.copy(a.key, key)
    assert f"{key}: this private key does not belong to the certificate: {chain}" in daemon.reload(config, good=False)
    assert subject(daemon, "localhost") == "new"

    put("newer")
    daemon.reload(config.replace("tls = yes", "tls = no") + "announce = off")
    plain = Client("127.0.0.1", daemon.port, "/reload", tls=False)
    daemon.wait_members(2)
    stays.send_json(message="still here")
    for c in (stays, plain):
        assert c.recv_json()["message"] == "still here"
        c.close()
