"""The pages that are made from SNMPALERT-MIB.txt: whole, clean, and their commands work."""

import html.parser
import os
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, World
from lib.snmp import environment
from test_mib import SHIM, SOURCE, mib, parsed, schema  # noqa: F401

EXAMPLES = SOURCE / "mibs/examples.txt"
MANUAL = BUILD / "man/SNMPALERT-MIB.5"
PAGE = BUILD / "mibs/SNMPALERT-MIB.html"

pytestmark = pytest.mark.skipif(not MANUAL.exists(),
                                reason="the pages were not made (Debian package: smitools)")


def examples():
    """Each command, in the order of the file, with the table that it is about."""
    table = None
    lines = EXAMPLES.read_text().replace("\\\n", "").splitlines()
    for line in lines:
        if re.fullmatch(r"sa\w+", line):
            table = line
        elif line and not line.startswith("#"):
            yield table, re.sub(r" +", " ", line)


ROWS = [("saSystem",), ("saHandlerTable", "admin", "mail", "2=smtp"),
        *(("saHandlerPropertyTable", "admin", "mail", name, f"3={value}") for name, value in
          {"host": "192.0.2.1", "fromAddress": "alerts@example.net", "port": 25}.items()),
        *(("saTestTable", "admin", "mail", name, f"2={value}") for name, value in
          {"message": "This is a test.", "recipients": "alerts@example.net"}.items()),
        ("saSourceTable", "admin", "host", "2=snmp", "3=10000"),
        ("saMetricTable", "alice", 1, 1, "2=load", "3=3", "4=0.5", "5=1", "6=1"),
        ("saAlertTable", "alice", 1, "2=cpu", "4=4", "6=3"),
        ("saHistoryTable", "alice", 18, "2=1", "3=cpu", "5=1", "6=4"),
        ("saNoticeTable", "alice", 1, "2=3b241101-e2bb-4255-8caf-4136c566a962", "9=4",
         "15=connection refused")]
# What a command prints, where that is more than an echo of what it set.
SEEN = {"saOwnerLastError": r"saOwnerLastErrorTime", "saMetricPath": r"STRING: load",
        "saMetricGauge": r"Counter64: 1", "saAlertPhase": r"active\(3\)",
        "saHistoryTo": r'"alice"\.18 = INTEGER: critical', "saNoticeState": r"failed\(4\)",
        "saNoticeLastError": "connection refused", "saSystemConfigStatus": r"ok\(1\)"}


# Rows go back to what a file says: tests/live/test_overrides.py has the file.
OF_A_FILE = {"saHandlerPropertyRevert"}


@pytest.fixture(scope="module")
def world():
    w = World([("saOwnerTable", "admin"), ("saOwnerTable", "alice"), *ROWS])
    w.wait_served()
    yield w
    w.close()


def type_command(world, command):
    env = {**os.environ, **environment(world.folder), "MIBDIRS": f"{BUILD}/mibs:{SHIM}",
           "MIBS": "SNMPALERT-MIB"}
    return subprocess.run(["sh", "-c", command.replace("localhost", world.snmpd.address())],
                          env=env, capture_output=True, text=True, timeout=60)


def test_examples_work_in_their_order(world):
    for _, command in examples():
        asked = re.search(r"localhost '?(\w+)", command).group(1)
        if asked in OF_A_FILE:
            continue
        done = type_command(world, command)
        assert done.returncode == 0 and not done.stderr, f"{command}\n{done.stdout}{done.stderr}"
        assert re.search(SEEN.get(asked, r"sa\w+\.\S+ = "), done.stdout), (command, done.stdout)


def test_synopsis_works_as_it_stands(world):
    synopsis = re.search(r"^\.SH SYNOPSIS$(.*?)^\.SH", MANUAL.read_text(), re.M | re.S).group(1)
    commands = [line.replace("\\-", "-") for line in synopsis.splitlines()
                if line.startswith("snmp")]
    assert len(commands) == 3
    for command in commands:
        done = type_command(world, command)
        assert done.returncode == 0 and not done.stderr, f"{command}\n{done.stdout}{done.stderr}"
        assert "saAlert" in done.stdout, command


def test_every_table_can_be_shown_as_one(world, schema):
    for table in (t for t in schema["tables"] if not t["scalars"]):
        done = type_command(
            world, f"snmptable -v2c -c public -OU -Ci -Cb -Cw 110 localhost {table['name']}")
        assert done.returncode == 0, (table["name"], done.stderr)
        assert table["name"] in done.stdout


def test_examples_are_of_tables(schema):
    assert {t for t, _ in examples()} <= {t["name"] for t in schema["tables"]}


class Page(html.parser.HTMLParser):
    """Anchors, links, and whether every element is closed."""
    VOID = {"meta", "br", "link"}

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.text = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if "href" in attrs else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()
        self.text += " " if tag == "p" else ""

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page():
    return Page(PAGE.read_text())


def names(parsed):
    nodes = {n: v for n, v in parsed["nodes"].items() if v["nodetype"] not in ("node", "row")}
    return nodes | parsed["notifications"] | parsed["typedefs"]


def squeezed(text):
    return " ".join(text.split())


def test_the_html_page_is_whole(page, parsed):
    assert page.open == [] and len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert all(link.startswith("#") for link in page.links)  # it stands alone
    assert set(names(parsed)) <= set(page.ids)
    said = squeezed(page.text)
    for name, node in names(parsed).items():
        assert squeezed(node["description"]) in said, name


def test_the_manual_page_is_whole(parsed):
    done = subprocess.run(["groff", "-man", "-Tutf8", "-P-cbou", "-rLL=1000n", MANUAL],
                          capture_output=True, text=True, timeout=60, env={**os.environ,
                                                                           "LC_ALL": "C.UTF-8"})
    said = squeezed(done.stdout.replace("‐", "-").replace("−", "-").replace("’", "'"))
    for name, node in names(parsed).items():
        assert name in said
        assert squeezed(node["description"]) in said, name


def test_pages_have_the_root_of_this_build(schema):
    root = ".".join(map(str, schema["root"]))
    for page in (MANUAL, PAGE):
        assert not re.search(r"@\w+@", page.read_text())
        assert root in page.read_text().replace("\\", "")


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is missing")
def test_groff_has_nothing_to_say():
    done = subprocess.run(["groff", "-man", "-ww", "-W", "break", "-z", "-Tutf8", MANUAL],
                          capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
