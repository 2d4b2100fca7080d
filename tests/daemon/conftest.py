"""Fixtures: `plain` is a daemon without a configuration file, as `natterd HOST PORT` starts it."""
import pytest

from natterd import Natterd


@pytest.fixture(scope="module")
def plain():
    with Natterd() as daemon:
        yield daemon


@pytest.fixture
def start():
    """Starts daemons that are stopped, and looked after, at the test's end."""
    daemons = []

    def go(*args, **kwargs):
        daemons.append(Natterd(*args, **kwargs))
        return daemons[-1]

    yield go
    for d in daemons:
        d.stop()
        d.forget()
