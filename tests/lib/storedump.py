"""Rows of a site's durable store, as tests/crash/storedump prints them."""

import json
import subprocess

from .site import build_folder

MAP_BYTES = 256 << 20  # as the sites of tests have it


def read_rows(site, table):
    """{key: {column number: value}} of TABLE, at one instant."""
    program = build_folder() / "tests/crash/storedump"
    r = subprocess.run([str(program), site.path("store"), str(MAP_BYTES)], capture_output=True,
                       text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    lines = map(json.loads, r.stdout.splitlines())
    return {tuple(line["key"]): line["cells"] for line in lines if line.get("table") == table}
