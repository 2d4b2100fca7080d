"""Fixtures: `plain` is a daemon without a configuration file, as `natterd HOST PORT` starts it."""
import shutil
import tempfile

import pytest

import natterd
import proxies
import v1
from natterd import Natterd


def pytest_generate_tests(metafunc):
    """A module with WORKERS = [1, 2] has its tests run with so many workers each; one with TLS = True over TLS."""
    if "workers" in metafunc.fixturenames and hasattr(metafunc.module, "WORKERS"):
        metafunc.parametrize("workers", metafunc.module.WORKERS, indirect=True, scope="module")


@pytest.fixture(scope="module")
def workers(request):
    """How many the daemons of this module have; None: as they like."""
    before = natterd.WORKERS, natterd.TLS
    natterd.WORKERS = getattr(request, "param", natterd.WORKERS)
    natterd.TLS = getattr(request.module, "TLS", natterd.TLS)
    yield natterd.WORKERS
    natterd.WORKERS, natterd.TLS = before


@pytest.fixture(scope="module")
def plain(workers):
    with Natterd() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def server(workers):
    """A daemon for natter.v1 clients, which knows the users of v1.tokens()."""
    with Natterd(v1.COMMON) as daemon:
        yield daemon
        daemon.hang_up()


@pytest.fixture(scope="session")
def certificate():
    """For example.org."""
    if not proxies.find("openssl"):
        pytest.skip("openssl is missing (Debian: openssl)")
    c = proxies.Certificate()
    yield c
    c.remove()


@pytest.fixture
def room():
    """The name of a room that nobody has been in."""
    return v1.new_room()


@pytest.fixture
def state():
    """A state directory."""
    d = tempfile.mkdtemp(prefix="natterd-state-")
    yield d
    shutil.rmtree(d, ignore_errors=True)


@pytest.fixture
def start(workers):
    """Starts daemons that are stopped, and looked after, at the test's end."""
    daemons = []

    def go(*args, **kwargs):
        daemons.append(Natterd(*args, **kwargs))
        return daemons[-1]

    yield go
    for d in daemons:
        d.hang_up()
        d.stop()
        d.forget()
