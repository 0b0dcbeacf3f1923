"""The demo, as a newcomer runs it."""

import os
import re
import signal
import subprocess
import sys

from lib.process import Process
from lib.site import SOURCE, adopt_orphans, build_folder, children
from lib.wait import wait_for

DEMO = SOURCE / "demo/demo.py"
STEPS = 9


def test_demo_once_sees_every_step():
    r = subprocess.run([sys.executable, "-B", str(DEMO), "--once"], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, r.stdout + r.stderr
    assert re.findall(r"^── (\d+)\. ", r.stdout, re.M) == [str(n + 1) for n in range(STEPS)]
    assert f"All {STEPS} steps were seen." in r.stdout
    assert "NOT SEEN" not in r.stdout


def test_demo_tells_what_it_did_not_see(tmp_path):
    """With a daemon that cannot start, it says so and fails."""
    broken = tmp_path / "build"
    broken.mkdir()
    (broken / "mibs").symlink_to(build_folder() / "mibs")
    (broken / "snmpalertd").write_text("#!/bin/sh\necho no such luck\nexit 1\n")
    (broken / "snmpalertd").chmod(0o755)
    r = subprocess.run([sys.executable, "-B", str(DEMO), "--once"], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=120,
                       env={**os.environ, "SNMPALERT_BUILD": str(broken)})
    assert r.returncode == 1
    assert "NOT SEEN: The daemon starts" in r.stdout
    assert "and so not tried: The trap" in r.stdout
    assert "no such luck" in r.stdout


def test_demo_runs_until_it_is_interrupted_and_leaves_nothing():
    adopt_orphans()
    before = children()
    demo = Process([sys.executable, "-B", str(DEMO)])
    folder = demo.expect(r"^ *\. (\S+)/env", timeout=90).group(1)
    assert os.path.exists(f"{folder}/env")
    demo.send(signal.SIGINT)
    assert demo.wait(30) == 0, demo.output()
    assert not os.path.exists(folder)
    wait_for(lambda: children() == before, "the demo's processes to be gone")
