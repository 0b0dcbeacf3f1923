"""Traps and informs of the whole daemon as pysnmp receives them: what SNMPALERT-MIB declares, object by
object, and nothing else."""

import re

import pytest

from lib.mainjob import BUSY, apps_run, notices, sites, wait_alert, wait_notice
from lib.pysnmpclient import Receiver
from lib.site import build_folder, numbers
from lib.snmp import SYS_UPTIME
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

TRAP_OID = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
# SNMPALERT-MIB's syntaxes as they are on the wire
WIRE = {"SaText": "STRING", "SaName": "STRING", "SaNameOrEmpty": "STRING", "DateAndTime": "STRING",
        "INTEGER": "INTEGER", "SaLevel": "INTEGER", "Unsigned32": "Gauge32"}
ADMIN = (5, *b"admin")


class Mib:
    """What the module's text declares, and its OIDs as net-snmp has them."""

    def __init__(self):
        self.text = (build_folder() / "mibs/SNMPALERT-MIB.txt").read_text()

    def oid(self, name):
        return numbers([name])[name]

    def objects(self, notification):
        declared = re.search(rf"^{notification} NOTIFICATION-TYPE\s+OBJECTS\s*{{(.*?)}}", self.text,
                             re.M | re.S)
        return re.findall(r"\w+", declared.group(1))

    def wire_type(self, name):
        syntax = re.search(rf"^{name} OBJECT-TYPE\s+SYNTAX\s+(\w+)", self.text, re.M)
        return WIRE[syntax.group(1)]


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.close()


@pytest.fixture
def site(make_site, receiver):
    handlers = "".join(f'<snmp name="{name}" host="127.0.0.1" port="{receiver.port}" '
                       f'community="public" {more}/>'
                       for name, more in (("told", ""), ("asked", 'confirm="inform"')))
    return make_site('<target name="told" handler="told" global="true"/>'
                     '<target name="asked" handler="asked" global="true"/>', handlers=handlers)


def make_definition(site, condition=BUSY):
    site.manager.set(('saDefinitionCondition."admin"."busy"', "s", condition),
                     ('saDefinitionStaleMultiplier."admin"."busy"', "u", 100),
                     ('saDefinitionStatus."admin"."busy"', "i", "createAndGo"))


def is_whole(mib, name, notification):
    """{object: value} of what came, each in its place, of its type, of an instance of admin's."""
    up, which, *rest = notification.varbinds
    assert (up.oid, up.type) == (SYS_UPTIME, "Timeticks") and up.value > 0
    assert (which.oid, which.type, which.value) == (TRAP_OID, "OID", mib.oid(name))
    declared = mib.objects(name)
    assert len(rest) == len(declared), notification
    for v, column in zip(rest, declared):
        oid = mib.oid(column)
        assert v.oid[:len(oid)] == oid and v.oid[len(oid):][:6] == ADMIN, (column, v)
        assert v.type == mib.wire_type(column), (column, v)
    return {column: v.value for v, column in zip(rest, declared)}


def comes(receiver, mib, name, inform):
    """Waits for it; what it says."""
    oid = mib.oid(name)
    found = receiver.wait(lambda n: n.inform == inform and n.varbinds[1].value == oid,
                          f"{'inform' if inform else 'trap'} {name}")
    return is_whole(mib, name, found)


def in_both_ways(site, receiver, mib, name):
    """What the trap and the inform of one event say, which are different notices."""
    trap, inform = (comes(receiver, mib, name, i) for i in (False, True))
    own = ("saNoticeUuid", "saNoticeTargetSequence")
    assert {k: v for k, v in trap.items() if k not in own} == \
        {k: v for k, v in inform.items() if k not in own}
    assert trap["saNoticeUuid"] != inform["saNoticeUuid"]
    for target, said, confirmation in (("told", trap, "handedOff"),
                                       ("asked", inform, "acknowledged")):
        n = wait_notice(site, Uuid=said["saNoticeUuid"].decode(), State="delivered")
        assert (n["Target"], n["Confirmation"]) == (target, confirmation)
    return trap


def test_an_alert_from_raise_to_clear(site, receiver):
    mib = Mib()
    make_definition(site)
    apps_run(site, 7)
    raised = in_both_ways(site, receiver, mib, "saAlertRaised")
    assert (raised["saOwner"], raised["saDefinitionName"], raised["saAlertLevel"],
            raised["saAlertPreviousLevel"], raised["saAlertValue"]) == (b"admin", b"busy", 4, 1,
                                                                        b"true")
    assert len(raised["saAlertSince"]) == 11
    apps_run(site, 2)
    cleared = in_both_ways(site, receiver, mib, "saAlertCleared")
    assert (cleared["saAlertLevel"], cleared["saAlertPreviousLevel"]) == (1, 4)
    assert cleared["saNoticeTargetSequence"] == raised["saNoticeTargetSequence"] + 1
    wait_alert(site, "busy", "ok", "inactive")
    # An inform that is acknowledged is not sent again.
    assert len(receiver.received) == 4, receiver.received


def test_a_level_that_changes(site, receiver):
    mib = Mib()
    make_definition(site, f"{BUSY.replace('5', '8')} ? 'CRITICAL' : {BUSY} ? 'WARNING' : false")
    apps_run(site, 10)
    in_both_ways(site, receiver, mib, "saAlertRaised")
    apps_run(site, 7)
    changed = in_both_ways(site, receiver, mib, "saAlertChanged")
    assert (changed["saAlertLevel"], changed["saAlertPreviousLevel"]) == (3, 4)


def test_a_definition_disabled_and_enabled_and_a_test(site, receiver):
    mib = Mib()
    make_definition(site)
    for value, name in (("true", "saDefinitionDisabled"), ("false", "saDefinitionEnabled")):
        site.manager.set(('saDefinitionDisable."admin"."busy"', "i", value))
        said = in_both_ways(site, receiver, mib, name)
        assert said["saDefinitionName"] == b"busy"
    site.manager.set(('saTargetTest."admin"."told"', "i", "run"))
    comes(receiver, mib, "saTest", False)
    wait_for(lambda: notices(site, Kind="test", State="delivered"), "the test to be delivered")
