"""pytest: show what the processes of a failed test had printed, and let none live on."""

import pytest

from . import process

_already = 0  # processes started before the running test


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    global _already
    _already = len(process.started)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Those that the test started, and those that it shares with others."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for n, p in enumerate(process.started):
        if n >= _already or p.running():
            state = "running" if p.running() else f"exit status {p.wait()}"
            report.sections.append((f"output of {p.name} (pid {p.pid}, {state})", p.output()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    for p in process.started:
        if p.running():
            p.kill()
