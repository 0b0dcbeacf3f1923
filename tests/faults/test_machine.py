"""The machine runs out of descriptors or of memory, or the master agent is away, asleep or busy:
alerting goes on where it can, it is said, and it heals by itself."""

import os
import pathlib
import resource
import signal
import threading

import pytest

from lib.mainjob import (MAILS, STAGES, TRAPS, alerts, apps_run, definition, flips, raised, sites,
                         traps, wait_alert, wait_notice, wait_trap)
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")


def limit(pid, what, n):
    resource.prlimit(pid, what, (n, resource.prlimit(pid, what)[1]))


def unlimit(pid, what):
    limit(pid, what, resource.prlimit(pid, what)[1])


def no_descriptors(pid):
    """None beyond those it has; what is free between them is soon taken. (poll(2) itself fails where
    fewer are allowed than it is given.)"""
    limit(pid, resource.RLIMIT_NOFILE, max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1)


def virtual_size(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


@pytest.fixture
def busy_site(make_site):
    site = make_site(definition("busy", override="yes") + TRAPS + MAILS, apps=7)
    wait_trap(site, "saAlertRaised", saDefinitionName="busy")
    site.mail.wait(1)
    return site


# ---- descriptors ----

def test_poller_without_descriptors(busy_site):
    site = busy_site
    pid = site.daemon.pid_of("poller")
    no_descriptors(pid)
    mark = site.daemon.process.mark()
    site.daemon.process.expect(r"object=cluster.metrics msg=\"source fails: .*(open files|resol|"
                               r"connect)", 20, mark)
    unlimit(pid, resource.RLIMIT_NOFILE)
    site.daemon.process.expect(r"object=cluster.metrics msg=\"source is up", 20, mark)
    flips(site)
    assert site.daemon.pid_of("poller") == pid


def test_dispatcher_without_descriptors(busy_site):
    site = busy_site
    pid = site.daemon.pid_of("dispatcher")
    no_descriptors(pid)
    apps_run(site, 3)
    notice = wait_notice(site, 20, Target="operators", Kind="clear", State="pending", Attempts="1")
    assert "open files" in notice["LastError"]
    unlimit(pid, resource.RLIMIT_NOFILE)
    wait_notice(site, 30, Target="operators", Kind="clear", State="delivered")
    flips(site)


@pytest.mark.parametrize("victim", ("poller", "dispatcher", "evaluator", "agent"))
def test_core_without_descriptors_while_another_is_started(busy_site, victim):
    """It cannot take the new one's socket; what it does about that is its own business."""
    site = busy_site
    core = site.daemon.pid_of("core")
    no_descriptors(core)
    pid = site.daemon.pid_of(victim)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: site.daemon.pid_of(victim) not in (pid, 0), f"another {victim}", 30)
    try:
        unlimit(core, resource.RLIMIT_NOFILE)
    except ProcessLookupError:
        pass  # it ended itself, and was started again
    flips(site)
    wait_for(lambda: len(site.manager.column("saProcessState")) == len(STAGES), "all", 20)


# ---- memory ----

@pytest.mark.parametrize("stage", ("core", "poller", "dispatcher", "agent"))
def test_without_memory(busy_site, stage):
    """Whether it says so and goes on or ends and is started again: alerting comes back."""
    site = busy_site
    pid = site.daemon.pid_of(stage)
    limit(pid, resource.RLIMIT_AS, virtual_size(pid) + (64 << 10))
    site.publish("cluster.json", {"numAppsRunning": 3, "ballast": "x" * 900_000})
    wait_for(lambda: site.manager.run("snmpbulkwalk", "saObjects", options=("-Cr50",)).returncode
             is not None, "a walk")
    try:
        wait_alert(site, "busy", "ok", "inactive", 10)
    except AssertionError:
        pass  # as the document cannot be taken
    try:
        unlimit(pid, resource.RLIMIT_AS)
    except ProcessLookupError:
        pass
    flips(site)


# ---- the master agent ----

def test_master_absent_at_the_start(make_site):
    site = make_site(definition("busy") + TRAPS, apps=7, start=False)
    site.snmpd.stop()
    site.daemon.launch()
    wait_trap(site, "saAlertRaised", 20, saDefinitionName="busy")
    site.daemon.process.expect(r"level=(warning|error) .*stage=agent .*agentx")
    site.snmpd.start()
    wait_alert(site, "busy", "critical", "active", 30)


def test_master_stopped(busy_site):
    site = busy_site
    before = raised(site)
    with site.snmpd.process.stopped():
        apps_run(site, 3)
        wait_trap(site, "saAlertCleared", 20)
        apps_run(site, 7)
        wait_for(lambda: raised(site) > before, "the next trap", 20)
        mails = site.mail.wait(3, 20)
        assert len(mails) >= 3
    wait_alert(site, "busy", "critical", "active", 30)
    flips(site)


def test_master_floods(busy_site):
    """Managers that walk all and set as fast as they can: the alerts do not wait for them."""
    site, over, done = busy_site, threading.Event(), [0, 0]

    def walk():
        while not over.is_set():
            r = site.manager.run("snmpbulkwalk", "saObjects", options=("-Cr20",), timeout=20)
            done[0] += r.returncode == 0

    def write(n):
        while not over.is_set():
            r = site.manager.run("snmpset", 'saDefinitionDescription."admin"."busy"', "s", f"by {n}",
                                 timeout=20)
            done[1] += r.returncode == 0
    threads = [threading.Thread(target=walk) for _ in range(3)] + \
              [threading.Thread(target=write, args=(n,)) for n in range(2)]
    for t in threads:
        t.start()
    try:
        for _ in range(3):
            before, cleared = raised(site), len(traps(site, "saAlertCleared"))
            apps_run(site, 3)
            wait_for(lambda: len(traps(site, "saAlertCleared")) > cleared, "the clear's trap", 5)
            apps_run(site, 7)
            wait_for(lambda: raised(site) > before, "the next trap", 5)
    finally:
        over.set()
        for t in threads:
            t.join()
    assert min(done) > 3, done
    assert alerts(site)["busy"] == ("critical", "active")
