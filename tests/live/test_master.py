"""Standing beside a real master agent that is restarted, killed, stopped, replaced under load, late,
or whose socket goes: the MIB is back within LIMIT of it, alerting does not notice, and a SET that
was under way is wholly there or not at all."""

import os
import signal
import threading
import time

import pytest

from lib.mainjob import (TRAPS, apps_run, definition, raised, sites, traps, wait_trap)
from lib.net import free_port
from lib.site import numbers
from lib.snmp import DEFAULTS, SYS_UPTIME, SetRefused
from lib.snmpclient import INTEGER, Client, index, text, tlv
from lib.storedump import read_rows
from lib.wait import PATIENCE, wait_for

LIMIT = 5          # seconds from when the master answers until it serves the MIB
STALL = float(os.environ.get("MASTER_STOPPED_SECONDS", "8"))  # of a stopped master
ROWS = 10          # of one SET
CREATE = 4
COLUMNS = ("saSystemVersion", "saDefinitionStatus", "saDefinitionCondition",
           "saDefinitionDescription")

make_site = pytest.fixture(sites, name="make_site")


@pytest.fixture(scope="module")
def oids():
    return numbers(COLUMNS)


@pytest.fixture(params=("unix", "tcp"))
def transport(request):
    return request.param


@pytest.fixture
def beside(make_site, transport):
    """A site whose master is reached by TRANSPORT."""

    def make(**options):
        options["snmpd"] = DEFAULTS
        if transport == "tcp":
            options["master"] = f"tcp:localhost:{free_port()}"
        site = make_site(definition("busy") + TRAPS, apps=7, **options)
        if options.get("start", True):
            wait_trap(site, "saAlertRaised", saDefinitionName="busy")
        return site
    return make


# ---- what holds ----

def wait_served(site, oids, since=None):
    """Within LIMIT of SINCE (now): the master answers for our MIB."""
    since = since or time.monotonic()
    client = Client(site.snmpd.port)
    try:
        wait_for(lambda: client.get(oids["saSystemVersion"] + (0,), timeout=1)[0],
                 "the MIB to be served", LIMIT - (time.monotonic() - since) / PATIENCE)
    finally:
        client.close()


def answers(site):
    """Does the master speak SNMP?"""
    client = Client(site.snmpd.port)
    try:
        return client.get(SYS_UPTIME, timeout=0.2)[0] is not None
    finally:
        client.close()


def evaluations(site):
    system, = read_rows(site, "saSystem").values()
    return system["7"]


def alerting_goes_on(site):
    """Sources are polled, conditions evaluated and traps sent, each in time."""
    counted, told, cleared = evaluations(site), raised(site), len(traps(site, "saAlertCleared"))
    apps_run(site, 3)
    wait_for(lambda: len(traps(site, "saAlertCleared")) > cleared, "the clear's trap", 5)
    apps_run(site, 7)
    wait_for(lambda: raised(site) > told, "the next trap", 5)
    wait_for(lambda: evaluations(site) > counted, "the count of evaluations to grow", 5)


def alerting_goes_on_for(site, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        alerting_goes_on(site)


class Writer(threading.Thread):
    """Makes ROWS definitions by one SET, then changes them all by one SET each, as fast as it gets
    answers. `acknowledged` is the last generation that was; those `doubtful` since got no answer, or
    one that says nothing (genErr: the master lost its subagent)."""

    def __init__(self, site, oids, name):
        super().__init__(daemon=True)
        self.oids, self.name, self.over = oids, name, threading.Event()
        self.client = Client(site.snmpd.port)
        self.acknowledged, self.doubtful, self.generation = 0, [], 0
        self.answers = self.unclear = 0
        self.failure = None

    def keys(self):
        return [("admin", f"{self.name}-{i}") for i in range(ROWS)]

    def run(self):
        try:
            while not self.over.is_set():
                self.one()
        except Exception as e:
            self.failure = e
        finally:
            self.client.close()

    def one(self):
        self.generation += 1
        what = []
        for key in self.keys():
            at = index(*key)
            if not self.acknowledged:
                what += [(self.oids["saDefinitionStatus"] + at, tlv(INTEGER, bytes([CREATE]))),
                         (self.oids["saDefinitionCondition"] + at, text("false"))]
            what.append((self.oids["saDefinitionDescription"] + at, text(str(self.generation))))
        try:
            self.client.set(*what, timeout=2)
        except SetRefused as e:
            self.refused(e)
        except AssertionError:  # nobody knows
            self.unclear += 1
            self.doubtful.append(self.generation)
        else:
            self.answers += 1
            self.acknowledged, self.doubtful = self.generation, []

    def refused(self, e):
        """createAndGo of what an unanswered SET made: that happened."""
        if e.error == "inconsistentValue" and not self.acknowledged and self.doubtful:
            self.acknowledged = self.doubtful[0]
        elif e.error == "genErr":
            self.unclear += 1
            self.doubtful.append(self.generation)
        elif e.error not in ("noSuchName", "notWritable", "noCreation"):  # as nobody has the MIB
            raise e

    def stop(self):
        self.over.set()
        self.join()
        assert not self.failure, self.failure

    def judge(self, site):
        """All rows or none, of the generation that was acknowledged last or of a doubtful one."""
        rows = read_rows(site, "saDefinitionTable")
        found = {rows[k]["12"] if k in rows else None for k in self.keys()}
        assert len(found) == 1, f"half of a SET: {found}"
        allowed = {str(g) for g in [self.acknowledged or None, *self.doubtful] if g}
        assert found <= allowed or found == {None} and not self.acknowledged, \
            f"{found}, should be one of {allowed}"


class Walker(threading.Thread):
    """Walks all that we serve, again and again."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site, self.over, self.walks = site, threading.Event(), 0

    def run(self):
        while not self.over.is_set():
            r = self.site.manager.run("snmpbulkwalk", "saObjects", options=("-Cr20",), timeout=2)
            self.walks += r.returncode == 0

    def stop(self):
        self.over.set()
        self.join()


class Load:
    """Two writers and a walker, for as long as the block lasts; then the store is judged."""

    def __init__(self, site, oids):
        self.site = site
        self.writers = [Writer(site, oids, f"w{n}") for n in range(2)]
        self.threads = [*self.writers, Walker(site)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        self.goes_on()
        return self

    def goes_on(self):
        """From now on, too, SETs are acknowledged."""
        before = [w.answers for w in self.writers]
        wait_for(lambda: all(w.answers > n + 2 or w.failure
                             for w, n in zip(self.writers, before)), "answers to SETs", 20)

    def __exit__(self, *exception):
        for t in self.threads:
            t.stop()
        if not exception[0]:
            for w in self.writers:
                w.judge(self.site)


# ---- the cases ----

@pytest.mark.parametrize("end", (signal.SIGTERM, signal.SIGKILL))
def test_restarted_under_load(beside, oids, end):
    """With and without a farewell."""
    site = beside()
    with Load(site, oids) as load:
        for _ in range(3):
            site.snmpd.stop(end)
            site.snmpd.start()
            wait_served(site, oids)
            load.goes_on()
        alerting_goes_on(site)


def test_upgraded_under_load(beside, oids):
    """The new one is started while the old one still ends."""
    site = beside()
    with Load(site, oids) as load:
        for _ in range(3):
            site.snmpd.replace()
            wait_served(site, oids)
            load.goes_on()
        alerting_goes_on(site)


def test_absent_for_a_while(beside, oids):
    site = beside()
    with Load(site, oids):
        site.snmpd.stop()
        alerting_goes_on(site)
        alerting_goes_on(site)
        site.snmpd.start()
        wait_served(site, oids)


def test_stopped(beside, oids):
    """Its session outlives that."""
    site = beside()
    mark = site.daemon.process.mark()
    with Load(site, oids) as load:
        with site.snmpd.process.stopped():
            alerting_goes_on_for(site, STALL)
            site.daemon.process.expect("does not answer: is it stopped", 30, since=mark)
        wait_for(lambda: answers(site), "the master to answer", 30)
        wait_served(site, oids)
        load.goes_on()
    site.daemon.process.expect("answers again", since=mark)
    assert "lost the master agent" not in site.daemon.process.output()[mark:]


def test_stopped_and_then_killed(beside, oids):
    site = beside()
    with site.snmpd.process.stopped():
        alerting_goes_on_for(site, STALL)
        site.snmpd.stop(signal.SIGKILL)
    site.snmpd.start()
    wait_served(site, oids)


def test_daemon_stops_beside_a_stopped_master(beside):
    site = beside()
    with site.snmpd.process.stopped():
        begun = time.monotonic()
        assert site.daemon.stop(timeout=30) == 0
        assert time.monotonic() - begun < LIMIT * PATIENCE


def test_started_after_the_daemon(beside, oids):
    site = beside(start=False)
    site.snmpd.stop()
    site.daemon.launch()
    wait_trap(site, "saAlertRaised", 20, saDefinitionName="busy")
    site.daemon.process.expect("no master agent at .*: .*'master agentx' .*in snmpd.conf")
    alerting_goes_on(site)
    site.snmpd.start()
    wait_served(site, oids)


def test_stopped_when_the_daemon_starts(beside, oids):
    site = beside(start=False)
    with site.snmpd.process.stopped():
        site.daemon.launch()
        wait_trap(site, "saAlertRaised", 20, saDefinitionName="busy")
        alerting_goes_on_for(site, STALL)
        site.daemon.process.expect("no master agent at .*does not answer: is snmpd stopped")
    wait_for(lambda: answers(site), "the master to answer", 30)
    wait_served(site, oids)


@pytest.mark.parametrize("transport", ("unix",), indirect=True)
def test_socket_removed_and_made_again(beside, oids):
    """What is connected stays so; a new agent finds none, until snmpd makes it again."""
    site = beside()
    with Load(site, oids) as load:
        os.unlink(site.snmpd.agentx.removeprefix("unix:"))
        load.goes_on()
        mark = site.daemon.process.mark()
        os.kill(site.daemon.pid_of("agent"), signal.SIGKILL)
        site.daemon.process.expect("no master agent at", 20, since=mark)
        alerting_goes_on(site)
        site.snmpd.stop()
        site.snmpd.start()
        wait_served(site, oids)
        load.goes_on()
