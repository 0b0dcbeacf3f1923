"""The daemon without an agent process: snmpd serves its MIB by the module that it loads."""

import os
import pathlib
import pwd
import re
import shutil
import signal

import pytest

from lib.mainjob import (BUSY, TRAPS, apps_run, configuration, definition, sites, wait_alert,
                         wait_trap)
from lib.module import has_sanitizers, module_lines
from lib.site import build_folder
from lib.wait import wait_for

pytestmark = pytest.mark.skipif(
    has_sanitizers(), reason="built with sanitizers: a plain snmpd cannot load the module")

make_site = pytest.fixture(sites, name="make_site")

ROWS = TRAPS + definition("busy")
NO_AGENT = 'enabled="no"'
OTHERS = {"core", "poller", "dispatcher", "evaluator"}


def without_agent(site):
    return configuration(ROWS, agentx=NO_AGENT)(site)


def load_module(site):
    with open(site.snmpd.conf, "a") as f:
        f.write(module_lines(site.path("store")))
    site.snmpd.stop()
    site.snmpd.start()


@pytest.fixture
def site(make_site):
    s = make_site(ROWS, agentx=NO_AGENT, start=False)
    load_module(s)
    s.daemon.nstages = len(OTHERS)
    s.daemon.start()
    return s


def names(site):
    return set(site.manager.column("saProcessName").values())


def log(site):
    return site.daemon.process.output()


def define(site, name):
    """A manager does; what it is about is true."""
    site.manager.set((f'saDefinitionCondition."admin"."{name}"', "s", BUSY),
                     (f'saDefinitionStaleMultiplier."admin"."{name}"', "u", 100),
                     (f'saDefinitionStatus."admin"."{name}"', "i", "createAndGo"))


def test_a_set_through_the_module_reaches_the_core(site):
    assert names(site) == OTHERS
    apps_run(site, 7)
    define(site, "mine")
    wait_alert(site, "mine", "critical", "active")
    assert wait_trap(site, "saAlertRaised", saDefinitionName="mine")["saOwner"] == "admin"
    site.manager.set(('saDefinitionStatus."admin"."mine"', "i", "destroy"))
    wait_trap(site, "saAlertCleared", saDefinitionName="mine")


def test_the_core_is_killed(site):
    pid = site.daemon.pid_of("core")
    mark = site.snmpd.process.mark()
    os.kill(pid, signal.SIGKILL)
    site.snmpd.process.expect("serves the store", since=mark, timeout=20)
    wait_for(lambda: site.daemon.pid_of("core") != pid, "the next core to be seen", 20)
    apps_run(site, 7)
    define(site, "mine")
    wait_alert(site, "mine", "critical", "active")


def test_a_damaged_store_is_let_go_and_repaired(site):
    """Nobody may have it open while it is verified."""
    define(site, "haystack-of-needles")
    path = pathlib.Path(site.path("store"), "state", "data.mdb")
    mark = site.snmpd.process.mark()
    data = path.read_bytes()
    with open(path, "r+b") as f:
        for m in re.finditer(b"numAppsRunning > 5", data):
            f.seek(m.start())
            f.write(b"numAppsRunning > 7")
    site.daemon.process.expect("repaired:|indexes made anew", 60)
    site.snmpd.process.expect("serves the store", since=mark, timeout=60)
    wait_for(lambda: names(site) == OTHERS, "the MIB to be served", 30)
    apps_run(site, 7)
    define(site, "mine")
    wait_alert(site, "mine", "critical", "active", 30)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"),
                    reason="only root can run snmpd as another user")
def test_snmpd_runs_as_another_user(site):
    """It opens the database by the group that <store> names, and by nothing else; that it may not is
    told with where to read what it takes."""
    programs = pathlib.Path(site.path("programs"))
    (programs / "agent").mkdir(parents=True)
    for name in ("agent/snmpalert.so", "snmpalertd-evaluator"):
        shutil.copy(build_folder() / name, programs / name)
    conf = pathlib.Path(site.snmpd.conf)
    conf.write_text(conf.read_text().replace(str(build_folder()), str(programs)))
    for path in (site.folder, site.snmpd.folder):
        os.chmod(path, 0o755)
    shutil.rmtree(os.path.join(site.snmpd.folder, "persistent"), ignore_errors=True)
    os.chown(site.snmpd.folder, pwd.getpwnam("nobody").pw_uid, -1)
    site.snmpd.stop()
    site.snmpd.prefix = ["setpriv", "--reuid=nobody", "--regid=daemon", "--clear-groups"]
    site.snmpd.start()
    site.snmpd.process.expect(r"core.lock as user \d+: Permission denied .*SNMPD MODULE")
    site.daemon.stop()
    text = without_agent(site)
    site.daemon.configure(text.replace("<store ", '<store group="daemon" '))
    refused = site.daemon.launch()
    refused.expect("Operation not permitted: its user must be a member of daemon")
    refused.wait()
    site.daemon.prefix = ["setpriv", "--groups=daemon"]
    site.daemon.start()
    assert names(site) == OTHERS
    apps_run(site, 7)
    define(site, "mine")
    wait_alert(site, "mine", "critical", "active")
    assert "is open to others" not in log(site)


def test_a_reload_starts_and_stops_the_agent_process(site):
    """Which is refused meanwhile, and says so; nothing that was asked for is told as a failure."""
    with_agent = configuration(ROWS)(site)
    site.daemon.configure(with_agent)
    site.daemon.process.send(signal.SIGHUP)
    site.daemon.process.expect("refused our registration", 20)
    wait_for(lambda: names(site) == OTHERS | {"agent", "compiler"}, "all processes to be seen")
    site.daemon.configure(without_agent(site))
    site.daemon.process.send(signal.SIGHUP)
    states = lambda: site.manager.column("saProcessState")  # noqa: E731
    wait_for(lambda: list(states().values()).count("stopped") == 2, "two processes to be stopped")
    assert list(states().values()).count("running") == 4
    assert "is started again" not in log(site)
    assert site.daemon.stop() == 0
