"""Handlers of kind publish and aggregate in the whole daemon: everybody gets what is theirs once and
only once, whoever else is dead and whatever is killed."""

import subprocess

import pytest

from lib.mainjob import (TRAPS, apps_run, definition, notices, sites, traps, wait_alert, wait_notice,
                         wait_trap)
from lib.net import free_udp_port
from lib.site import MIBS, mib_folders
from lib.snmp import SetRefused, Snmptrapd
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

TARGET = '<target name="manager" handler="{}" global="true"/>'


def inform(name, port):
    return f'<snmp name="{name}" host="127.0.0.1" port="{port}" confirm="inform" retries="0" ' \
        'timeout="300ms"/>'


def recipients(site, notice):
    """{recipient: (state, reply)}"""
    m = site.manager
    columns = [m.column("saNoticeRecipient" + c) for c in ("Address", "State", "Reply")]
    return {columns[0][i]: (columns[1].get(i), columns[2].get(i)) for i in columns[0]
            if i[1] == notice["id"]}


def kill_and_start(site):
    site.daemon.process.kill()
    site.daemon.start()


def hurry(site, handler):
    """What failed by HANDLER is tried again now."""
    for value in ("false", "true"):
        site.manager.set((f'saHandlerEnabled."admin"."{handler}"', "i", value))


class Late:
    """A receiver that is not there yet."""

    def __init__(self, folder):
        self.port = free_udp_port()
        folder.mkdir()
        self.daemon = Snmptrapd(str(folder), port=self.port, options=(
            "-m", MIBS, "-M", mib_folders(), "-Lf", str(folder / "traps.log"), "-OQ"))

    def traps(self):
        return self.daemon.process.output()


@pytest.fixture
def late(tmp_path):
    receiver = Late(tmp_path / "late")
    yield receiver
    if receiver.daemon.process:
        receiver.daemon.stop()


# ---- publish ----

def test_the_others_get_theirs_once(make_site, late):
    """One of three is dead over a kill -9; the list is one of lists, and names one twice."""
    port = free_udp_port()
    handlers = inform("dead", late.port) + inform("asked", port) + \
        '<publish name="all" handlers="dead some traps"/><publish name="some" handlers="traps asked"/>'
    site = make_site(definition("busy") + TARGET.format("all"), handlers=handlers, trap_port=port)
    apps_run(site, 7)
    notice = wait_notice(site, State="pending", Kind="raise")
    wait_for(lambda: recipients(site, notice).get("handler asked of admin") ==
             ("delivered", "acknowledged"), "the inform to be acknowledged")
    assert recipients(site, notice)["handler traps of admin"] == ("delivered", "handed off")
    state, reply = recipients(site, notice)["handler dead of admin"]
    assert state == "pending", reply
    kill_and_start(site)
    apps_run(site, 3)
    wait_for(lambda: len(traps(site, "saAlertCleared")) == 2, "the end, which does not wait")
    assert not notices(site, State="delivered")
    late.daemon.start()
    hurry(site, "dead")
    wait_for(lambda: len(notices(site, State="delivered")) == 2, "everything to be told", 30)
    assert {s for s, _ in recipients(site, notice).values()} == {"delivered"}
    assert notices(site, Kind="raise")[0]["Uuid"] == notice["Uuid"]
    wait_for(lambda: "saAlertCleared" in late.traps(), "what the dead one missed")
    missed = [line for line in late.traps().splitlines() if "SNMPALERT-MIB::saAlert" in line]
    assert ["saAlertRaised" in line for line in missed] == [True, False]
    assert len(traps(site, "saAlertRaised")) == 2  # trap and inform: one each
    assert len(traps(site, "saAlertCleared")) == 2
    assert {t["saNoticeUuid"] for t in traps(site, "saAlertRaised")} == {notice["Uuid"]}


def test_by_dispatcher_and_agent_alike(make_site):
    """The ways differ, and the way by the master is down at first."""
    port = free_udp_port()
    site = make_site(definition("busy") + TARGET.format("both"), trap_port=port,
                     snmpd=f"trap2sink 127.0.0.1:{port} public\n",
                     handlers='<agentx name="master"/><publish name="both" handlers="master traps"/>')
    apps_run(site, 7)
    notice = wait_notice(site, State="delivered", Kind="raise")
    wait_for(lambda: len(traps(site, "saAlertRaised")) == 2, "both traps")
    assert {t["saNoticeUuid"] for t in traps(site, "saAlertRaised")} == {notice["Uuid"]}
    site.snmpd.stop()
    apps_run(site, 3)
    wait_trap(site, "saAlertCleared")  # without the master, too
    site.snmpd.start()
    wait_for(lambda: len(traps(site, "saAlertCleared")) == 2, "the other trap", 40)
    wait_notice(site, State="delivered", Kind="clear")
    assert len(traps(site, "saAlertRaised")) == 2


# ---- aggregate ----

SUMMED = definition("busy", severity="warning") + \
    definition("full", "_topic['cluster.metrics'].numAppsRunning > 6", severity="critical") + \
    definition("calm", "_topic['cluster.metrics'].numAppsRunning > 7", severity="info")


def test_a_kill_does_not_end_the_interval(make_site):
    site = make_site(SUMMED + TARGET.format("sum"),
                     handlers='<aggregate name="sum" interval="6s" handler="traps"/>')
    apps_run(site, 6)  # busy
    wait_alert(site, "busy", "warning", "active")
    kill_and_start(site)
    assert not traps(site, "saAlertRaised")
    apps_run(site, 8)  # all three
    wait_for(lambda: len(notices(site)) == 3, "three notices")
    assert {n["State"] for n in notices(site)} == {"pending"}
    trap = wait_trap(site, "saAlertRaised", timeout=20)
    assert trap["saAlertLevel"] == "critical" and trap["saDefinitionName"] == "full"
    assert trap["saAlertMessage"] == "3 notices, worst CRITICAL: admin/full CRITICAL, " \
        "admin/busy WARNING, admin/calm INFO"
    wait_for(lambda: len(notices(site, State="delivered")) == 3, "all to be delivered")
    told = notices(site)
    assert {n["Digest"] for n in told} == {trap["saNoticeUuid"]}
    assert {n["TargetSequence"] for n in told} == {"1"}
    assert len(traps(site, "saAlertRaised")) == 1
    # The next interval has its own number.
    apps_run(site, 3)
    trap = wait_trap(site, "saAlertCleared", timeout=20)
    assert trap["saNoticeTargetSequence"] == "2"
    assert trap["saAlertMessage"].startswith("3 notices, worst OK: ")
    assert len(traps(site, "saAlertRaised")) == len(traps(site, "saAlertCleared")) == 1


def test_one_event_for_several_handlers(make_site, late):
    """The interval's event goes to a list; a kill while one of it is dead tells only that one."""
    handlers = inform("dead", late.port) + '<publish name="all" handlers="traps dead"/>' \
        '<aggregate name="sum" interval="1s" handler="all"/>'
    site = make_site(SUMMED + TARGET.format("sum"), handlers=handlers)
    apps_run(site, 8)
    wait_trap(site, "saAlertRaised")
    wait_for(lambda: len(notices(site, State="pending", Attempts="1")) == 3, "the dead one to fail")
    kill_and_start(site)
    late.daemon.start()
    hurry(site, "dead")
    wait_for(lambda: len(notices(site, State="delivered")) == 3, "all to be delivered", 30)
    wait_for(lambda: "3 notices, worst CRITICAL" in late.traps(), "the event")
    assert len(traps(site, "saAlertRaised")) == 1


# ---- what is refused ----

def test_lists_that_go_round_are_refused(make_site):
    handlers = '<publish name="a" handlers="traps b"/><publish name="b" handlers="traps"/>'
    site = make_site(definition("busy") + TRAPS + TARGET.format("a").replace("manager", "list"),
                     handlers=handlers)
    m = site.manager
    with pytest.raises(SetRefused) as e:
        m.set(('saHandlerPropertyValue."admin"."b"."handlers"', "s", "traps a"))
    assert e.value.error == "inconsistentValue"
    assert m.get('saOwnerLastError."admin"').endswith("it leads back to itself: b > a > b")
    with open(site.daemon.file) as f:
        text = f.read()
    site.daemon.configure(text.replace('name="b" handlers="traps"', 'name="b" handlers="traps a"'))
    r = subprocess.run(site.daemon.argv("--check-config"), capture_output=True, text=True,
                       timeout=60)
    assert r.returncode == 78  # EX_CONFIG
    line = 1 + text[:text.index("<publish")].count("\n")
    assert f"{site.daemon.file}:{line}: <publish> 'a': it leads back to itself: a > b > a" in r.stderr
    # What a manager may set is in force at once.
    m.set(('saHandlerPropertyValue."admin"."a"."handlers"', "s", "traps"))
    apps_run(site, 7)
    wait_for(lambda: len(traps(site, "saAlertRaised")) == 2, "both targets' traps")
    found = wait_notice(site, Target="list", State="delivered")
    assert list(recipients(site, found)) == ["handler traps of admin"]
