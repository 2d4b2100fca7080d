"""Certificates for tests, made by the openssl command, which a test that needs them is skipped without."""
import os
import shutil
import subprocess

import pytest

OPENSSL = shutil.which("openssl")

KINDS = {"ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"]}


def openssl(*args, data=None):
    if OPENSSL is None:
        pytest.skip("openssl is missing (Debian: openssl)")
    p = subprocess.run([OPENSSL, *args], input=data, capture_output=True, timeout=60, check=False)
    assert p.returncode == 0, (args, p.stderr.decode())
    return p.stdout.decode()


class Authority:
    """A CA in a folder; its certificate's file is `ca`."""

    def __init__(self, folder, name="natter tests"):
        self.folder = folder
        self.ca = os.path.join(folder, "ca.pem")
        self.ca_key = os.path.join(folder, "ca.key")
        openssl("req", "-x509", *KINDS["ecdsa"], "-nodes", "-keyout", self.ca_key, "-out", self.ca, "-days", "30",
                "-subj", f"/CN={name}")

    def issue(self, title, *names, kind="ecdsa", days="10"):
        """(chain, key): files of a certificate for these names."""
        chain, key = (os.path.join(self.folder, title + x) for x in (".pem", ".key"))
        request, ext = chain + ".csr", chain + ".ext"
        with open(ext, "w", encoding="ascii") as f:
            f.write("subjectAltName=" + ",".join(("IP:" if n[0].isdigit() else "DNS:") + n for n in names or ("localhost",)))
        openssl("req", "-new", *KINDS[kind], "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={title}")
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial", "-out", chain,
                "-days", days, "-extfile", ext)
        return chain, key
