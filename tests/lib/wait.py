"""Waiting for something to become true, with a deadline."""

import os
import time

PAUSE = 0.02


# How many times longer than on an idle machine things may take (under valgrind, say).
PATIENCE = float(os.environ.get("SNMPALERT_PATIENCE", "1"))


def wait_for(condition, what, timeout=10.0):
    """Ask CONDITION() until its answer is true, and return it. After TIMEOUT seconds an
    AssertionError says WHAT was waited for and what the last answer or exception was."""
    timeout *= PATIENCE
    end = time.monotonic() + timeout
    while True:
        try:
            last = condition()
            if last:
                return last
        except (AssertionError, OSError, ValueError) as e:
            last = e
        if time.monotonic() >= end:
            raise AssertionError(f"waited {timeout} s in vain for {what}; last: {last!r}")
        time.sleep(PAUSE)


def elapse(seconds):
    """Time itself is what this waits for."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() >= end, "time to pass", seconds + 5)
