"""A world for the tests of the MIB: a private snmpd, a store with rows of the test's choosing, which
tests/mib/agenthost has filled, and the real snmp* tools. The MIB is served by agenthost as subagent, or
by the module that snmpd loads: the same tests run against both."""

import itertools
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib.module import has_sanitizers, module_lines  # noqa: E402
from lib.plugin import (pytest_runtest_makereport, pytest_runtest_setup,  # noqa: E402,F401
                        pytest_sessionfinish)
from lib.process import Process, children_of, stat_of  # noqa: E402
from lib.snmp import Snmpd, Tools  # noqa: E402
from lib.wait import wait_for  # noqa: E402

BUILD = pathlib.Path(os.environ.get("SNMPALERT_BUILD", "."))


def program(name):
    path = BUILD / "tests/mib" / name
    assert path.exists(), f"{path} is not built (make check builds it)"
    return str(path)


def children(pid):
    """{pid: (name, state)}"""
    found = {}
    for child in children_of(pid):
        stat = stat_of(child)
        if stat:
            found[child] = (stat[0], stat[1][0])
    return found


def evaluator_of(pid):
    """The one that the module in this snmpd has started."""
    found = [child for child, (name, state) in children(pid).items() if state != "Z"]
    assert len(found) == 1, children(pid)
    return found[0]


needs_module = pytest.mark.skipif(has_sanitizers(), reason="built with sanitizers")
servers = [pytest.param("agent"), pytest.param("module", marks=needs_module)]


class World:
    """ROWS: lines as agenthost reads them (fields in tuples). SERVER: "agent" or "module"; then
    self.agent is who keeps the store, as a core does, and serves nothing."""

    def __init__(self, rows=(), start_snmpd=True, agent_env=None, config="", agentx=None,
                 server="agent"):
        """CONFIG: more lines of snmpd.conf. AGENTX(snmpd's address, folder) answers where the agent
        is to connect to instead."""
        self.folder = tempfile.mkdtemp(prefix="snmpalert-mib-")
        self.server = server
        self.store = self.folder + "/store"
        self.snmpd = Snmpd(self.folder, config=config + (module_lines(self.store)
                                                         if server == "module" else ""))
        self.master = agentx(self.snmpd.agentx, self.folder) if agentx else self.snmpd.agentx
        self.agent = None
        self.agent_env = agent_env
        self.rows = rows
        try:
            if start_snmpd:
                self.snmpd.start()
            self.start_agent()
        except BaseException:
            self.close()
            raise

    def start_agent(self):
        """A subagent on the same store (or only its keeper); only the first one fills it."""
        text = "".join("\t".join(map(str, row)) + "\n" for row in self.rows)
        self.rows = ()
        address = "-" if self.server == "module" else self.master
        self.agent = Process([program("agenthost"), self.store, address],
                             stdin=text.encode(), env=self.agent_env)
        ready = self.agent.expect(r"^ready ([\d.]+)$")
        self.root = tuple(map(int, ready.group(1).split(".")))
        return self.agent

    @property
    def tools(self):
        return Tools(self.snmpd)

    def oid(self, *below):
        """ROOT.1 and what is BELOW it: numbers, or names (length, then octets)."""
        return self.root + (1,) + arcs(*below)

    def wait_served(self, timeout=20.0):
        """Until the master has our registration."""
        wait_for(lambda: self.tools.get(self.oid(1, 1, 0))[0].type is not None,
                 "the MIB to be served", timeout)

    def close(self):
        for p in (self.agent, self.snmpd):
            if p:
                p.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def arcs(*parts):
    """Sub-identifiers: a number is one, a name is its length and its octets."""
    found = []
    for part in parts:
        if isinstance(part, str):
            octets = part.encode()
            found += [len(octets), *octets]
        else:
            found.append(part)
    return tuple(found)


@pytest.fixture(scope="module", params=servers)
def server(request):
    """Who serves: each test that uses it runs for both."""
    return request.param


_names = (f"row{n}" for n in itertools.count())


@pytest.fixture
def name():
    """Of a row that no other test uses."""
    return next(_names)


@pytest.fixture
def make_world():
    """Worlds that live as long as the test."""
    worlds = []

    def make(*args, **kwargs):
        worlds.append(World(*args, **kwargs))
        return worlds[-1]

    yield make
    for w in worlds:
        w.close()
