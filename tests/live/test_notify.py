"""Notifications through the master agent (target kind agentx): a real snmpd with the receivers that
its snmpd.conf names."""

import os
import re
import socket
import threading
import time

import pytest

from lib.mainjob import (MAILS, apps_run, definition, notices, sites, traps, wait_notice,
                         wait_trap)
from lib.net import free_port, free_udp_port
from lib.site import MIBS, mib_folders
from lib.snmp import Snmptrapd
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

MASTER = '<agentx name="master"/>'
TOLD = '<target name="told" handler="master" global="true"/>'
FLOOD = int(os.environ.get("SNMPALERT_FLOOD", "3000"))  # notices
FLOOD_TARGETS = 20
FLOOD_ALERTS = FLOOD // FLOOD_TARGETS
FLOOD_PATIENCE_S = 60 + FLOOD // 500


class Receiver:
    """Takes notifications as fast as a master sends them (snmptrapd would lose some), and keeps the
    UUIDs that are in them, in order."""

    def __init__(self):
        self.uuids = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self):
        while datagram := self._socket.recv(65536):
            self.uuids += re.findall(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", datagram)

    def wait(self, n, timeout=FLOOD_PATIENCE_S):
        """Those that arrived, once N different ones have."""
        wait_for(lambda: len(set(self.uuids)) >= n, f"{n} notices", timeout)
        return list(self.uuids)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.close()


@pytest.fixture(params=("unix", "tcp"))
def make_told(make_site, request):
    """A site with the handler MASTER, whose snmpd, reached by either transport, sends to its
    snmptrapd."""

    def make(rows, apps=3, snmpd=""):
        port = free_udp_port()
        master = f"tcp:127.0.0.1:{free_port()}" if request.param == "tcp" else ""
        return make_site(rows, apps, handlers=MASTER, trap_port=port, master=master,
                         snmpd=f"trap2sink 127.0.0.1:{port} public\n{snmpd}")
    return make


def uuids(text):
    return re.findall(r"saNoticeUuid\S* = (?:STRING: )?\"?([0-9a-f-]{36})", text)


def all_delivered(site, n, target):
    found = notices(site, Target=target, State="delivered")
    return len(found) == n and found


# ---- who gets it ----

def test_the_masters_receivers_get_what_is_told(make_told, tmp_path):
    """By trap and by inform, once each."""
    informed = Snmptrapd(str(tmp_path), port=free_udp_port(), options=(
        "-m", MIBS, "-M", mib_folders(), "-OQ"))
    informed.start()
    try:
        site = make_told(definition("busy") + TOLD, apps=7,
                         snmpd=f"informsink 127.0.0.1:{informed.port} public\n"
                               f"trapsess -v 2c -c public 127.0.0.1:{informed.port}\n")
        trap = wait_trap(site, "saAlertRaised")
        assert (trap["saOwner"], trap["saDefinitionName"], trap["saAlertLevel"]) == \
            ("admin", "busy", "critical")
        assert trap["saNoticeUuid"] == notices(site, Kind="raise")[0]["Uuid"]
        apps_run(site, 2)
        wait_trap(site, "saAlertCleared")
        found = wait_for(lambda: all_delivered(site, 2, "told"), "both notices to be delivered")
        for n in found:
            # Nobody knows whether anybody received it, also by inform.
            assert (n["Confirmation"], n["Attempts"], n["LastError"]) == ("handedOff", "1", "")
        assert [len(traps(site, k)) for k in ("saAlertRaised", "saAlertCleared")] == [1, 1]
        wait_for(lambda: len(uuids(informed.process.output())) == 4, "two informs and two traps")
        assert sorted(uuids(informed.process.output())) == sorted(2 * [n["Uuid"] for n in found])
    finally:
        informed.stop()


def test_a_target_can_be_tested(make_told):
    site = make_told('<target name="told" handler="master" override="yes"/>')
    site.manager.set(('saTargetTest."admin"."told"', "i", 2))
    assert wait_trap(site, "saTest")["saHandlerName"] == "master"
    assert wait_notice(site, State="delivered")["Confirmation"] == "handedOff"
    names = site.manager.column("saHandlerPropertyValue")
    assert names[("admin", "master", "context")] == ""


def test_its_master_agent_is_away(make_told):
    """What it should tell waits, without an attempt; the other targets are told. It comes back,
    and is told all, in order."""
    site = make_told(definition("busy") + TOLD + MAILS)
    site.snmpd.stop()
    site.daemon.process.expect("lost the master agent")
    for apps in (7, 3, 7):
        mails = len(site.mail.mails)
        apps_run(site, apps)
        site.mail.wait(mails + 1)
    assert traps(site, "saAlertRaised") == []
    site.snmpd.start()
    wait_for(lambda: len(traps(site, "saAlertRaised")) == 2, "both raises", 20)
    found = wait_for(lambda: all_delivered(site, 3, "told"), "three notices to be delivered")
    assert {n["Attempts"] for n in found} == {"1"}
    assert uuids(site.traps()) == [n["Uuid"] for n in sorted(found, key=lambda n: n["id"])]


# ---- many, and a master that stands still, or ends ----

def flood_rows():
    """Each of FLOOD_TARGETS is told of FLOOD_ALERTS alerts at once. A beat of its own goes by
    mail."""
    beat = definition("beat", "_topic['cluster.metrics'].numAppsRunning % 2 == 1")
    busy = "".join(definition(f"busy{i}", "_topic['cluster.metrics'].numAppsRunning > 100")
                   for i in range(FLOOD_ALERTS))
    groups = '<group name="many"/><group name="one"/>' \
        '<groupDefinition group="one" definition="beat"/>' \
        '<groupTarget group="one" target="operators"/>' \
        '<target name="operators" handler="mail" recipients="operators@example.net"' \
        ' digestMillis="0"/>'
    groups += "".join(f'<groupDefinition group="many" definition="busy{i}"/>'
                      for i in range(FLOOD_ALERTS))
    groups += "".join(f'<target name="told{i}" handler="master" digestMillis="0"/>'
                      f'<groupTarget group="many" target="told{i}"/>'
                      for i in range(FLOOD_TARGETS))
    return beat + busy + groups


def beats(site, apps):
    """The next beat comes by mail; how long that took, in seconds."""
    before, began = len(site.mail.mails), time.monotonic()
    apps_run(site, apps)
    site.mail.wait(before + 1)
    return time.monotonic() - began


def counted(site, column):
    return sum(int(v) for v in site.manager.column(column).values())


def test_a_flood_and_a_stopped_master(make_told, receiver):
    """Everything goes on beside a master that stands still and a queue that waits for it; the
    queue is kept."""
    n, mails = FLOOD_TARGETS * FLOOD_ALERTS, 10
    site = make_told(flood_rows(), apps=2, snmpd=f"trap2sink 127.0.0.1:{receiver.port} public\n")
    idle = max(beats(site, apps) for apps in (3, 2, 3, 2))
    with site.snmpd.process.stopped():
        apps_run(site, 1002)
        wait_for(lambda: len(re.findall(r"object=busy\d+ .*-> critical",
                                        site.daemon.process.output())) == FLOOD_ALERTS,
                 "all alerts to be raised", FLOOD_PATIENCE_S)
        slowest = max(beats(site, apps) for apps in (1003, 1002, 1003, 1002, 1003, 1002))
        assert slowest < idle + 2 + FLOOD / 20000, \
            f"a beat took {slowest:.2f} s, {idle:.2f} s before the flood"
        assert receiver.uuids == []
    receiver.wait(n)
    wait_for(lambda: counted(site, "saTargetDelivered") == n + mails, "all to be delivered", 30)
    assert counted(site, "saTargetPending") == counted(site, "saTargetFailed") == 0
    if "lost the master agent" not in site.daemon.process.output():
        assert len(receiver.uuids) == n
    assert "killed" not in site.daemon.process.output()


def test_a_master_that_is_killed_in_the_middle(make_told, receiver):
    """Nothing is lost; what it had not answered may come twice, under the same UUID."""
    n = FLOOD_TARGETS * FLOOD_ALERTS
    site = make_told(flood_rows(), apps=2, snmpd=f"trap2sink 127.0.0.1:{receiver.port} public\n")
    apps_run(site, 1002)
    receiver.wait(n // 10)
    site.snmpd.process.kill()
    assert len(set(receiver.uuids)) < n, "it was over before the master was killed"
    site.snmpd.start()
    arrived = receiver.wait(n)
    assert len(set(arrived)) == n
    wait_for(lambda: counted(site, "saTargetDelivered") == n, "all to be delivered", 30)
    again = len(arrived) - n
    assert again <= 32, f"{again} came twice: more than a window's"
