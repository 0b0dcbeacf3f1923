"""What is in a site's durable store, as tests/crash/storedump prints it."""

import json
import subprocess

from .site import build_folder

MAP_BYTES = 256 << 20  # as the sites of tests have it


def dump_lines(site, errors="strict", timeout=120):
    """One instant of it, in lines of JSON. ERRORS: what becomes of octets that are no UTF-8, as
    bytes.decode() has it."""
    r = subprocess.run([build_folder() / "tests/crash/storedump", site.path("store"),
                        str(MAP_BYTES)], capture_output=True, timeout=timeout)
    assert r.returncode == 0, r.stderr.decode(errors="replace")
    return r.stdout.decode("utf-8", errors).splitlines()


def read_rows(site, table):
    """{key: {column number: value}} of TABLE, at one instant."""
    lines = map(json.loads, dump_lines(site, timeout=60))
    return {tuple(line["key"]): line["cells"] for line in lines if line.get("table") == table}
