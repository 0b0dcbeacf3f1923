"""Faults of the machine: real programs on loopback, whose ground is taken away and given back."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib.plugin import (pytest_runtest_makereport, pytest_runtest_setup,  # noqa: E402,F401
                        pytest_sessionfinish)
