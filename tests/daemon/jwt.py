"""JSON Web Tokens for the tests: keys, and tokens made with them, by Python and the command openssl.

No code is shared with the daemon, nor with contrib/.
"""
import base64
import functools
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import tempfile
import time
import atexit

import pytest

from natterd import PROGRAM

SECRET = "the-tests-own-secret-0123456789abcdef"
SECRET_2 = "another-secret-of-the-tests-0123456789"


@functools.cache
def supported():
    """Whether the daemon takes such tokens; else WHY not."""
    with tempfile.TemporaryDirectory() as d:
        key, conf = os.path.join(d, "key"), os.path.join(d, "conf")
        for path, text in ((key, SECRET), (conf, f"jwt a {{ algorithm = HS256 key = {key} }}\n")):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
                f.write(text)
        p = subprocess.run([*PROGRAM, "-t", "-c", conf], capture_output=True, text=True, check=False)
    assert p.returncode == 0 or "built without libjwt" in p.stdout + p.stderr, p.stdout + p.stderr
    return p.returncode == 0


def needed():
    """Skips the test where natterd has no libjwt."""
    if not supported():
        pytest.skip("natterd was built without libjwt")


@functools.cache
def folder():
    d = tempfile.mkdtemp(prefix="natter-keys-")
    atexit.register(shutil.rmtree, d, ignore_errors=True)
    return d


@functools.cache
def key_file(name, content=None, mode=0o600):
    path = os.path.join(folder(), name)
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    os.chmod(path, mode)
    return path


def openssl(*args, data=b""):
    p = subprocess.run(["openssl", *args], input=data, capture_output=True, check=False)
    if p.returncode:
        raise AssertionError(p.stderr.decode())
    return p.stdout


@functools.cache
def pair(algorithm):
    """The files with the private and the public key."""
    if not shutil.which("openssl"):
        pytest.skip("there is no command openssl")
    how = {"RS256": ("RSA", "rsa_keygen_bits:2048"), "ES256": ("EC", "ec_paramgen_curve:P-256")}[algorithm]
    private = openssl("genpkey", "-algorithm", how[0], "-pkeyopt", how[1])
    return (key_file(algorithm + ".pem", private),
            key_file(algorithm + ".pub", openssl("pkey", "-pubout", data=private), 0o644))


def section(algorithm="HS256", title=None, secret=SECRET, **options):
    """A key of the configuration."""
    key = key_file("secret-" + secret, secret + "\n") if algorithm == "HS256" else pair(algorithm)[1]
    more = "".join(f"{k} = {json.dumps(v)}\n" for k, v in options.items())
    return f'jwt "{title or algorithm}" {{\nalgorithm = {algorithm}\nkey = {json.dumps(key)}\n{more}}}\n'


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_ecdsa(der):
    """A signature of P-256 as RFC 7518 section 3.4 has it: two numbers of 32 bytes."""
    numbers, at = b"", 2
    for _ in range(2):
        size = der[at + 1]
        numbers += der[at + 2 : at + 2 + size].lstrip(b"\0").rjust(32, b"\0")
        at += 2 + size
    return numbers


def token(sub="ann", ends_in=600, *, algorithm="HS256", secret=SECRET, header=None, **claims):
    """A token of SUB's that ends in so many seconds; claims that are None are left out."""
    payload = {"sub": sub, "exp": int(time.time()) + ends_in, **claims}
    payload = {k: v for k, v in payload.items() if v is not None}
    text = encode(json.dumps({"alg": algorithm, "typ": "JWT", **(header or {})}).encode()) + "." + \
        encode(json.dumps(payload).encode())
    if algorithm == "HS256":
        sig = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    elif algorithm == "none":
        sig = b""
    else:
        sig = openssl("dgst", "-sha256", "-sign", pair(algorithm)[0], data=text.encode())
        if algorithm == "ES256":
            sig = raw_ecdsa(sig)
    return text + "." + encode(sig)
