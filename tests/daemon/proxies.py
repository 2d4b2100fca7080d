"""Real proxies in front of a natterd, with the snippets of contrib/.

A snippet is taken as it stands but for its ports and paths; what it says of
natterd.conf is natterd's configuration. Each proxy runs on free ports with a
folder of its own for all that it writes, and is ended with its test.
"""
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import tempfile

import pytest

from natterd import DEADLINE, HERE, Natterd, run, wait_for

CONTRIB = os.path.join(HERE, "..", "..", "contrib")
APACHE_MODULES = "/usr/lib/apache2/modules"
STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"


def find(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")


def free_port():
    """One that the system does not give to others who ask for any, before the proxy has it."""
    while True:
        port = random.randrange(10000, 30000)
        try:
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
                return port
        except OSError:
            pass


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def snippet(name):
    with open(os.path.join(CONTRIB, name), encoding="utf-8") as f:
        return f.read()


def swap(text, *pairs):
    """Each PATTERN has to be there, and becomes what stands beside it."""
    for pattern, other in pairs:
        text, n = re.subn(pattern, other, text, flags=re.M)
        assert n, (pattern, text)
    return text


def natterd_conf(text):
    """What a snippet says of natterd.conf, but for the port."""
    block = re.search(r"# In natterd\.conf, .*\n((?:#\t.*\n)+)", text)[1]
    return swap(block, (r"^#\t", ""), (r"port = \d+", "port = 0"))


class Certificate:
    """One for example.org, made once."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="natterd-cert-")
        self.cert, self.key = os.path.join(self.dir, "fullchain.pem"), os.path.join(self.dir, "privkey.pem")
        self.both = os.path.join(self.dir, "example.org.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                        "-subj", "/CN=example.org", "-addext", "subjectAltName=DNS:example.org", "-keyout", self.key,
                        "-out", self.cert], check=True, capture_output=True, timeout=DEADLINE)
        with open(self.both, "w", encoding="ascii") as f:
            for path in (self.cert, self.key):
                with open(path, encoding="ascii") as part:
                    f.write(part.read())
        os.chmod(self.dir, 0o755)
        self.context = ssl.create_default_context(cafile=self.cert)

    def listener(self):
        """Options of a natterd's listener that speaks TLS."""
        if "\ttls = " not in run("--print-config", "127.0.0.1", "0")[1]:
            pytest.skip("this natterd speaks no TLS")
        return f'tls = yes certificate = "{self.cert}" key = "{self.key}" '

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Secured:
    """A socket that speaks TLS, with its hello in the caller's hands."""

    def __init__(self, sock, context):
        self.sock, self.inbox, self.outbox = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.inbox, self.outbox, server_hostname="example.org")
        self.settimeout, self.close = sock.settimeout, sock.close

    def hello(self):
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outbox.read()

    def go_on(self, do, *args):
        while True:
            try:
                result = do(*args)
                self.sock.sendall(self.outbox.read())
                return result
            except ssl.SSLWantReadError:
                self.sock.sendall(self.outbox.read())
                data = self.sock.recv(65536)
                if data:
                    self.inbox.write(data)
                else:
                    self.inbox.write_eof()

    def handshake(self):
        self.go_on(self.tls.do_handshake)

    def sendall(self, data):
        self.go_on(self.tls.write, data)

    def recv(self, n):
        return self.go_on(self.tls.read, n)


class Proxy:
    """One program in front of one natterd. BUILD makes its command of (its folder, its port, natterd's port)."""

    def __init__(self, conf, build):
        self.natterd = Natterd(conf)
        self.process = None
        for _ in range(5):  # somebody else may be quicker to take the port
            self.dir = tempfile.mkdtemp(prefix="natterd-proxy-")
            self.port = free_port()
            self.run(build(self.dir, self.port, self.natterd.port))
            if self.process.poll() is None:
                return
        raise AssertionError(self.output())

    def run(self, command):
        with open(os.path.join(self.dir, "output"), "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=self.dir)
        wait_for("the proxy to listen", lambda: self.process.poll() is not None or self.listens())

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def output(self):
        with open(os.path.join(self.dir, "output"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.natterd.stop()
        self.natterd.forget()
        shutil.rmtree(self.dir, ignore_errors=True)


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


# ---- nginx ----

def nginx(folder, body):
    root = "user root;\n" if os.getuid() == 0 else ""  # so that its workers may write where its master does
    temp = "".join(f"{x}_temp_path {folder}/{x};\n" for x in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    stream = f"load_module {STREAM_MODULE};\n" if "stream {" in body else ""
    text = (f"{stream}{root}daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr;\nevents {{ }}\n"
            + (body if stream else f"http {{\naccess_log off;\n{temp}{body}\n}}\n"))
    return [find("nginx"), "-p", folder, "-e", "stderr", "-c", write(folder, "nginx.conf", text)]


def without_ipv6(text):
    return text if has_ipv6() else re.sub(r"^\s*listen \[::\].*\n", "", text, flags=re.M)


def nginx_http(cert):
    text = snippet("nginx/natter.conf")

    def build(folder, port, to):
        if cert:
            body = swap(text, (r"^\tlisten .*\n", ""), (r"^\t# (listen|ssl_)", r"\t\1"), (r"\b443\b", str(port)),
                        (r"/etc/.*/", cert.dir + "/"), (r"127\.0\.0\.1:9600/;", f"127.0.0.1:{to}/;"))
        else:
            body = swap(text, (r"\b80;", f"{port};"), (r"127\.0\.0\.1:9600/;", f"127.0.0.1:{to}/;"))
        return nginx(folder, without_ipv6(body))

    return natterd_conf(text), build


def nginx_stream(_cert):
    text = snippet("nginx/natter-stream.conf")

    def build(folder, port, to):
        return nginx(folder, without_ipv6(swap(text, (r"\b9600;", f"{port};"), (r"127\.0\.0\.1:9601;", f"127.0.0.1:{to};"))))

    return natterd_conf(text), build


# ---- Apache httpd ----

def apache(name, *modules):
    def variant(cert):
        text = snippet(name)

        def build(folder, port, to):
            load = ["mpm_event", "authz_core", *modules] + (["ssl"] if cert else [])
            body = swap(text, (r"//127\.0\.0\.1:9600/", f"//127.0.0.1:{to}/"))
            tls = f'SSLEngine on\nSSLCertificateFile "{cert.cert}"\nSSLCertificateKeyFile "{cert.key}"\n' if cert else ""
            user = "User www-data\nGroup www-data\n" if os.getuid() == 0 else ""
            text_ = ("".join(f"LoadModule {m}_module {APACHE_MODULES}/mod_{m}.so\n" for m in load) + user
                     + f'ServerRoot "{folder}"\nDefaultRuntimeDir "{folder}"\nPidFile "{folder}/pid"\nErrorLog "{folder}/error"\n'
                     + f"Mutex fcntl:{folder} default\nServerName example.org\nListen {port}\n"
                     + f"<VirtualHost *:{port}>\n{tls}{body}</VirtualHost>\n")
            return [find("apache2"), "-f", write(folder, "apache.conf", text_), "-DFOREGROUND"]

        return natterd_conf(text), build

    return variant


# ---- HAProxy ----

def haproxy(name, *more):
    """MORE: pairs to swap in the snippet besides, and in what it says of natterd.conf."""
    def variant(cert):
        text = snippet(name)
        conf = natterd_conf(text)
        if more:
            conf = swap(conf, (r"port = 0 }", "port = 0 proxy_protocol = yes }"))

        def build(folder, port, to):
            body = swap(text, *more, (r"127\.0\.0\.1:960\d check", f"127.0.0.1:{to} check"))
            if cert:
                body = swap(body, (r"^\tbind :80\n", ""), (r"^\t# bind :443 ", f"\tbind :{port} "), (r"/etc/.*/example", cert.dir + "/example"))
            else:
                body = swap(body, (r"^\tbind :\d+", f"\tbind :{port}"))
            return [find("haproxy"), "-db", "-f", write(folder, "haproxy.cfg", "global\n\tmaxconn 100\n\n" + body)]

        return conf, build

    return variant


# What each is called: the program, whether the path keeps its prefix, how it is built.
VARIANTS = {
    "nginx": ("nginx", "/chat", nginx_http),
    "nginx-stream": ("nginx", "", nginx_stream),
    "apache": ("apache2", "/chat", apache("apache/natter.conf", "proxy", "proxy_http")),
    "apache-wstunnel": ("apache2", "/chat", apache("apache/natter-wstunnel.conf", "proxy", "proxy_http", "proxy_wstunnel", "rewrite")),
    "haproxy": ("haproxy", "/chat", haproxy("haproxy/natter.cfg")),
    "haproxy-v1": ("haproxy", "/chat", haproxy("haproxy/natter.cfg", (r"^\toption forwardfor\n", ""), (r" check$", " check send-proxy"))),
    "haproxy-v2": ("haproxy", "/chat", haproxy("haproxy/natter.cfg", (r"^\toption forwardfor\n", ""),
                                               (r" check$", " check send-proxy-v2-ssl-cn proxy-v2-options crc32c,unique-id"))),
    "haproxy-tcp": ("haproxy", "", haproxy("haproxy/natter-proxy.cfg")),
}
