"""The daemon's own SNMP engine: traps of version 3 go on being believed by a receiver that remembers
its boots and time, whatever is killed."""

import os
import re
import signal

import pytest

from lib.mainjob import apps_run, definition, notices, sites, wait_notice
from lib.net import free_udp_port
from lib.snmp import Snmptrapd
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

WORDS = {"authPassword": "in the beginning", "privPassword": "was the password"}
TARGET = '<target name="noc" handler="noc" global="true"/>'


def engine(site):
    """(id, boots) as the log has them."""
    said = re.findall(r"engine=(0x[0-9a-f]+) boots=(\d+)", site.daemon.process.output())
    assert said
    return said[-1][0], int(said[-1][1])


@pytest.fixture
def site(make_site):
    port = free_udp_port()
    words = " ".join(f'{k}="{v}"' for k, v in WORDS.items())
    s = make_site(definition("busy") + TARGET, handlers=f'<snmp name="noc" host="127.0.0.1" '
                  f'port="{port}" version="3" user="alice" {words}/>')
    s.noc_port = port
    return s


@pytest.fixture
def noc(site, tmp_path):
    """Started once the engine's id is known, as its users must name it."""
    config = ("disableAuthorization yes\n"
              f'createUser -e {engine(site)[0]} alice SHA-256 "{WORDS["authPassword"]}" '
              f'AES "{WORDS["privPassword"]}"\n')
    d = Snmptrapd(str(tmp_path), port=site.noc_port, config=config,
                  options=("-On", "-F", "got %P %v END\\n")).start()
    yield d
    d.stop()


def kill_stage(site, name):
    """And wait until another is there."""
    m = site.manager
    index = next(i for i, n in m.column("saProcessName").items() if n == name)
    starts = int(m.get(f"saProcessStarts.{index}"))
    os.kill(site.daemon.pid_of(name), signal.SIGKILL)
    wait_for(lambda: int(m.get(f"saProcessStarts.{index}") or 0) > starts and
             m.get(f"saProcessState.{index}") == "running", f"another {name}", 20)


def wait_traps(noc, n):
    wait_for(lambda: len(re.findall(r"got TRAP2", noc.process.output())) >= n, f"{n} traps")


def test_boots_rise_over_kill_9(site, noc):
    id, boots = engine(site)
    apps_run(site, 7)
    wait_traps(noc, 1)
    for n in range(2, 5):
        wait_notice(site, Target="noc", State="delivered")
        site.daemon.process.kill()
        site.daemon.start()
        assert engine(site) == (id, boots + n - 1)
        apps_run(site, 2 if n % 2 == 0 else 7)
        wait_traps(noc, n)
    assert not notices(site, State="failed")


def test_a_killed_dispatcher_goes_on_in_time(site, noc):
    """Its boots are the core's, which did not start again; so must its time be."""
    before = engine(site)
    apps_run(site, 7)
    wait_traps(noc, 1)
    kill_stage(site, "dispatcher")
    apps_run(site, 2)
    wait_traps(noc, 2)
    assert engine(site) == before


def test_a_killed_core_has_higher_boots(site, noc):
    id, boots = engine(site)
    apps_run(site, 7)
    wait_traps(noc, 1)
    kill_stage(site, "core")
    apps_run(site, 2)
    wait_traps(noc, 2)
    assert engine(site) == (id, boots + 1)
