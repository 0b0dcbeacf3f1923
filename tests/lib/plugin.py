"""pytest: show what the processes of a failed test had printed, and let none live on."""

import pytest

from . import process


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for p in process.started:
            state = "running" if p.running() else f"exit status {p.wait()}"
            report.sections.append((f"output of {p.name} (pid {p.pid}, {state})", p.output()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    for p in process.started:
        if p.running():
            p.kill()
