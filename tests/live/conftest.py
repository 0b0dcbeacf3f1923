"""Live tests: real programs on loopback."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib.plugin import (pytest_runtest_makereport, pytest_runtest_setup,  # noqa: E402,F401
                        pytest_sessionfinish)

BUILD = pathlib.Path(os.environ.get("SNMPALERT_BUILD", "."))


@pytest.fixture(scope="session")
def live_program():
    """The path of a program of tests/live/."""

    def find(name):
        path = BUILD / "tests/live" / name
        assert path.exists(), f"{path} is not built (make check builds it)"
        return str(path)

    return find
