"""Reloads of the real daemon, by SIGHUP and by a SET of saConfigReload: what a good file changes, what
a bad one does not, and that nothing is lost on the way."""

import os
import re
import signal
import threading

import pytest

from lib.mainjob import (BUSY, TRAPS, alerts, apps_run, configuration, definition, notices, sites,
                         traps, wait_alert, wait_notice, wait_trap)
from lib.net import free_udp_port
from lib.snmp import SetRefused
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

INFORM = '<snmp name="noc" host="127.0.0.1" port="{}" confirm="inform" retries="0" timeout="300ms"/>'
NOC = '<target name="noc" handler="noc" global="true"/>'


def hang_up(site):
    site.daemon.process.send(signal.SIGHUP)


def ask(site):
    m = site.manager
    m.set(("saConfigReload.0", "i", m.get("saConfigReload.0")))


def counter(site, column, row):
    return int(site.manager.get(f'{column}."admin"."{row}"'))


def reload(site, rows, how=hang_up, **options):
    """The file with ROWS is in force. A script that nothing uses tells one file from another."""
    reload.number += 1
    name = f"file{reload.number}"
    site.daemon.configure(configuration(rows + f'<script name="{name}"/>', **options)(site))
    how(site)
    wait_for(lambda: list(site.manager.column("saScriptStatus")) == [("admin", name)],
             "the file to be in force", 20)
    assert site.manager.get("saSystemConfigStatus.0") == "ok"
    assert site.manager.get("saSystemConfigError.0") == ""


reload.number = 0


def refused(site, xml, how=hang_up):
    """What the daemon says of a file that it does not take; the one before was taken."""
    site.daemon.configure(xml)
    how(site)
    wait_for(lambda: site.manager.get("saSystemConfigStatus.0") == "refused", "a refusal", 20)
    return site.manager.get("saSystemConfigError.0")


class Walk(threading.Thread):
    """Walks the MIB again and again until it is left; every walk must be whole."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site, self.end, self.walks, self.bad = site, threading.Event(), 0, []

    def run(self):
        while not self.end.is_set():
            r = self.site.manager.run("snmpbulkwalk", "SNMPALERT-MIB::saObjects")
            self.walks += 1
            if r.returncode or "saSystemVersion.0" not in r.stdout or "saNotice" not in r.stdout:
                self.bad.append(f"exit {r.returncode}\n{r.stdout[-1000:]}{r.stderr}")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.join(60)
        assert not self.bad, f"{len(self.bad)} of {self.walks} walks: {self.bad[0]}"
        assert self.walks > 1


@pytest.mark.parametrize("how", [hang_up, ask])
def test_a_good_file_takes_the_place_of_the_old_one(make_site, how):
    rows = definition("busy") + TRAPS
    site = make_site(rows, apps=7)
    wait_notice(site, Kind="raise", State="delivered")
    m = site.manager
    before = m.get("saSystemConfigLoaded.0")
    more = definition("more", "_topic['second'].numAppsRunning > 6", intervalMillis="1000")
    reload(site, rows + more, how, http=f'/> <http name="second" url="{site.web.url("cluster.json")}" '
                                        'interval="100ms"')
    wait_alert(site, "more", "critical", "active")
    assert alerts(site)["busy"] == ("critical", "active")
    wait_for(lambda: m.get("saSystemConfigLoaded.0") != before, "another time of loading")
    # What is gone from the file goes, with what was of it.
    reload(site, definition("more", "_topic['second'].numAppsRunning > 6") + TRAPS, how,
           http=f'/> <http name="second" url="{site.web.url("cluster.json")}" interval="200ms"')
    assert m.get('saSourceIntervalMillis."admin"."second"') == "200"
    wait_for(lambda: set(alerts(site)) == {"more"}, "busy to be gone")
    reload(site, definition("more") + TRAPS, how)
    wait_for(lambda: m.get('saSourceKind."admin"."second"') is None, "the source to be gone")
    wait_for(lambda: "second" not in m.column("saTopicName").values(), "its topic to be gone")
    assert alerts(site)["more"] == ("critical", "active")
    apps_run(site, 2)
    wait_alert(site, "more", "ok", "inactive")


@pytest.mark.parametrize("how, spoil, said", [
    (hang_up, lambda x: x.replace("</handlers>", ""), r"snmpalertd\.xml:\d+: "),
    (ask, lambda x: x.replace("> 5", "> "), r"snmpalertd\.xml:\d+: .*SyntaxError"),
    (ask, lambda x: x.replace('handler="traps"', 'handler="nobody"'),
     r"snmpalertd\.xml:\d+: .*nobody"),
    (hang_up, lambda x: x.replace("/store\"", "/other\""), r"snmpalertd\.xml: .*needs a restart"),
    (ask, lambda x: re.sub(r"<snmp name=\"traps\".*?/>", "", x, flags=re.S).replace(TRAPS, ""),
     r"handler 'traps' is gone, but target admin/mine uses it"),
], ids=["not-xml", "condition", "reference", "store", "dangling"])
def test_a_bad_file_changes_nothing(make_site, how, spoil, said):
    site = make_site(definition("busy") + TRAPS)
    m = site.manager
    m.set(('saTargetHandler."admin"."mine"', "s", "traps"),
          ('saTargetStatus."admin"."mine"', "i", "createAndGo"))
    loaded = m.get("saSystemConfigLoaded.0")
    good = configuration(definition("busy") + TRAPS)(site)
    assert re.search(said, refused(site, spoil(good), how))
    assert m.get("saSystemConfigLoaded.0") == loaded
    apps_run(site, 7)  # what was in force is
    wait_trap(site, "saAlertRaised")
    reload(site, definition("busy") + TRAPS, how)


def test_who_names_another_number_reloads_nothing(make_site):
    site = make_site(definition("busy"))
    m = site.manager
    now = int(m.get("saConfigReload.0"))
    with pytest.raises(SetRefused, match="inconsistentValue"):
        m.set(("saConfigReload.0", "i", now + 1))
    assert "saConfigReload" in m.get('saOwnerLastError."admin"')
    reload(site, definition("busy"), ask)
    assert int(m.get("saConfigReload.0")) == now + 1


def test_an_unchanged_source_is_polled_without_a_gap(make_site):
    """Twenty polls a second while sources come and go around it."""
    rows = definition("busy") + TRAPS
    site = make_site(rows)
    polled = []

    def other(i):
        return f'/> <http name="other{i}" url="{site.web.url("cluster.json")}" interval="1s"'

    wait_for(lambda: counter(site, "saSourceSamples", "cluster.metrics") > 0, "a sample")
    pid = site.daemon.pid_of("core")
    for i in range(5):
        reload(site, rows, http=other(i))
        polled.append(counter(site, "saSourceSamples", "cluster.metrics"))
    assert polled == sorted(polled)  # never from the start again
    assert counter(site, "saSourceFailures", "cluster.metrics") == 0
    assert site.daemon.pid_of("core") == pid
    apps_run(site, 7)
    wait_trap(site, "saAlertRaised")


def test_holds_go_on(make_site):
    hold = 4
    rows = definition("busy", timeThresholdMillis=f"{hold}s") + TRAPS
    site = make_site(rows, apps=7)
    wait_alert(site, "busy", "ok", "pending")
    changed = site.manager.column("saAlertChangedAt")
    for _ in range(3):
        reload(site, rows + definition("other", "false"))
        reload(site, rows)
    assert alerts(site)["busy"] == ("ok", "pending")
    assert site.manager.column("saAlertChangedAt") == changed
    wait_alert(site, "busy", "critical", "active", hold + 3)


def test_notices_for_a_dead_target_survive(make_site):
    """They wait while their handler does not answer, and go where it points to in the end."""
    dead = free_udp_port()
    rows = definition("busy") + TRAPS + NOC
    site = make_site(rows, apps=7, handlers=INFORM.format(dead))
    wait_notice(site, Target="noc", Attempts="1")
    queued = wait_notice(site, Target="noc", Kind="raise")["Uuid"]
    reload(site, rows, handlers=INFORM.format(dead))
    assert [n["Uuid"] for n in notices(site, Target="noc")] == [queued]
    reload(site, rows, handlers=INFORM.format(site.snmptrapd.port))
    wait_notice(site, 30, Target="noc", State="delivered")
    uuids = [t["saNoticeUuid"] for t in traps(site, "saAlertRaised")]
    assert uuids.count(queued) == 1 and len(uuids) == 2  # the manager's trap is the other one
    assert len(notices(site)) == 2


def test_a_storm_of_reloads_under_a_walk(make_site):
    rows = definition("busy") + TRAPS
    site = make_site(rows, apps=7)
    wait_trap(site, "saAlertRaised")
    pids = {s: site.daemon.pid_of(s) for s in ("core", "agent", "poller", "dispatcher")}
    good = configuration(rows)(site)
    with Walk(site):
        for i in range(20):
            if i % 3 == 2:
                refused(site, good.replace("</handlers>", ""))
            else:
                reload(site, rows + definition(f"d{i}", "false"))
        for _ in range(20):  # faster than they can be done
            site.daemon.configure(good)
            hang_up(site)
        wait_for(lambda: set(site.manager.column("saDefinitionStatus")) == {("admin", "busy")},
                 "the last file to be in force", 20)
    assert {s: site.daemon.pid_of(s) for s in pids} == pids  # nobody died, nobody started anew
    assert alerts(site)["busy"] == ("critical", "active")
    assert len(traps(site, "saAlertRaised")) == 1
    apps_run(site, 2)
    wait_trap(site, "saAlertCleared")


def test_a_core_that_is_killed_goes_on_with_what_was_in_force(make_site):
    """Whatever has become of the file by then."""
    rows = definition("busy") + TRAPS
    site = make_site(rows)
    m = site.manager
    reload(site, rows + definition("second", BUSY))
    good = configuration(rows)(site)
    refused(site, good.replace("</handlers>", ""))
    pid = site.daemon.pid_of("core")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: site.daemon.pid_of("core") not in (0, pid) and
             m.get("saProcessState.1") == "running", "another core", 20)
    apps_run(site, 7)
    wait_alert(site, "second", "critical", "active")
    assert m.get("saSystemConfigStatus.0") == "refused"  # which it still is
    reload(site, rows)
