"""The demo with every process of the daemon under valgrind: no error of memory use, nothing lost.

The evaluators run without their sandbox, in which valgrind cannot; they end by SIGKILL, so that
what they would have lost at their end is not counted, but what they do is watched like the rest."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from lib.site import SOURCE, build_folder

STAGES = ("core", "agent", "poller", "dispatcher")
# Of system calls that this valgrind does not know; the daemon does without them then.
UNKNOWN_CALL = re.compile(
    r"--\d+-- (WARNING: unhandled amd64-linux syscall: \d+|You may be able to write|"
    r"Read the file README_MISSING|Nevertheless we consider this|it at http).*")


def wrapped_build(folder):
    """A folder like the build's, whose snmpalertd runs under valgrind."""
    build = folder / "build"
    build.mkdir()
    for name in ("mibs", "snmpalert", "snmpalertd-evaluator"):
        (build / name).symlink_to(build_folder() / name)
    (build / "snmpalertd").write_text(
        f"#!/bin/sh\nexec valgrind --trace-children=yes --leak-check=full "
        f"--show-leak-kinds=definite,indirect --log-file={folder}/vg.%p "
        f'{build_folder()}/snmpalertd --unconfined "$@"\n')
    (build / "snmpalertd").chmod(0o755)
    return build


def report(path):
    """(command line, what is wrong)."""
    lines = [line for line in path.read_text().splitlines() if not UNKNOWN_CALL.match(line)]
    text = "\n".join(lines)
    command = re.search(r"^==\d+== Command: (.*)$", text, re.M)
    bad = re.search(r"ERROR SUMMARY: (?!0 errors)|(definitely|indirectly) lost: (?!0 bytes)|"
                    r"^==\d+== +(at|by) 0x", text, re.M)
    return command.group(1) if command else "", text if bad else None


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_demo_is_clean(tmp_path):
    build = wrapped_build(tmp_path)
    r = subprocess.run([sys.executable, "-B", str(SOURCE / "demo/demo.py"), "--once"],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
                       env={**os.environ, "SNMPALERT_BUILD": str(build),
                            "SNMPALERT_PATIENCE": "5"})
    assert r.returncode == 0, r.stdout + r.stderr
    reports = [report(path) for path in sorted(pathlib.Path(tmp_path).glob("vg.*"))]
    commands = "\n".join(command for command, _ in reports)
    for stage in STAGES:
        assert f"--stage={stage}" in commands
    assert "snmpalertd-evaluator" in commands
    assert not [bad for _, bad in reports if bad], "\n".join(bad for _, bad in reports if bad)


def test_report_sees_an_error(tmp_path):
    """What it must not overlook."""
    log = tmp_path / "vg.1"
    for text, found in (
            ("==1== Command: x --stage=core\n==1== ERROR SUMMARY: 0 errors from 0 contexts\n", False),
            ("==1== Command: x\n==1== ERROR SUMMARY: 2 errors from 1 contexts\n", True),
            ("==1== Command: x\n==1== Invalid read of size 1\n==1==    at 0x1: f (a.c:1)\n", True),
            ("==1== Command: x\n==1==    definitely lost: 8 bytes in 1 blocks\n", True),
            ("--1-- WARNING: unhandled amd64-linux syscall: 434\n", False)):
        log.write_text(text)
        assert bool(report(log)[1]) == found, text
