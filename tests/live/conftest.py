"""Live tests: real programs on loopback."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib.dispatchhost import Host  # noqa: E402
from lib.plugin import (pytest_runtest_makereport, pytest_runtest_setup,  # noqa: E402,F401
                        pytest_sessionfinish)
from lib.smtpd import Pki  # noqa: E402

BUILD = pathlib.Path(os.environ.get("SNMPALERT_BUILD", "."))


@pytest.fixture(scope="session")
def live_program():
    """The path of a program of tests/live/."""

    def find(name):
        path = BUILD / "tests/live" / name
        assert path.exists(), f"{path} is not built (make check builds it)"
        return str(path)

    return find


@pytest.fixture
def host(live_program):
    """A dispatcher alone."""
    h = Host(live_program("dispatchhost"))
    yield h
    assert h.stop() == 0, h.output()


@pytest.fixture
def serve():
    """serve(CLASS, ...): a server of that class, ended with the test."""
    servers = []

    def start(cls, *args, **kwargs):
        servers.append(cls(*args, **kwargs))
        return servers[-1]

    yield start
    for s in servers:
        s.stop()


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))
