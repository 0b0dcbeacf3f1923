"""A manager that was away finds in the standard modules what it missed, by walking them."""

import signal

import pytest

from lib.mainjob import apps_run, configuration, definition, sites, wait_alert
from lib.snmp import Tools
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

MIB2 = (1, 3, 6, 1, 2, 1)
ALARM, LOG = MIB2 + (118, 1), MIB2 + (92, 1)
ACTIVE, CLEARED, LOGGED = ALARM + (2, 2, 1, 11), ALARM + (3, 2, 1, 9), LOG + (3, 1, 1, 9)
STATS = ALARM + (2, 4, 1)
ADMIN = (5, *b"admin")
RAISED, CLEAR = 1, 2


def indexes(tools, column):
    """{index without the list's name: value}"""
    return {v.oid[len(column) + 6:]: v.value for v in tools.walk(column)
            if v.oid[len(column):len(column) + 6] == ADMIN}


def told(tools):
    """The last arc of each logged notification, in order."""
    return [int(v.rsplit(".", 1)[1]) for v in indexes(tools, LOGGED).values()]


def stats(tools):
    return [tools.get(STATS + (c, *ADMIN))[0].value for c in (1, 2)]


def cycle(site, names, times):
    """Active and over again, TIMES times; nobody is told."""
    for _ in range(times):
        apps_run(site, 7)
        for n in names:
            wait_alert(site, n, "critical", "active")
        apps_run(site, 2)
        for n in names:
            wait_alert(site, n, "ok", "inactive")


def test_a_manager_that_was_away_walks(make_site):
    site = make_site(definition("a") + definition("b"))
    tools = Tools(site.snmpd)
    wait_for(lambda: tools.get(ALARM + (2, 5, 0))[0].type, "ALARM-MIB to be served")
    assert not indexes(tools, ACTIVE) and not indexes(tools, LOGGED)
    cycle(site, "ab", 2)
    apps_run(site, 7)
    wait_alert(site, "a", "critical", "active")
    wait_alert(site, "b", "critical", "active")
    active, cleared, logged = (indexes(tools, c) for c in (ACTIVE, CLEARED, LOGGED))
    assert len(active) == 2 and len(cleared) == 4 and len(logged) == 10
    assert sorted(told(tools)) == [RAISED] * 6 + [CLEAR] * 4
    assert stats(tools) == [2, 6]
    # Each cleared one leads to its entry in the log, and the log is in the order of events.
    entries = {index[0]: value for index, value in logged.items()}
    assert all(entries[n].endswith(f".{CLEAR}") for n in cleared.values())
    dates = [v.value for v in tools.walk(LOG + (3, 1, 1, 3))]
    assert dates == sorted(dates)
    # All that is newer than what it saw last, by one seek.
    seen = max(index[0] for index in logged)
    apps_run(site, 2)
    wait_alert(site, "a", "ok", "inactive")
    wait_alert(site, "b", "ok", "inactive")
    newer = tools.get_next(LOGGED + ADMIN + (seen,))[0]
    assert newer.oid[:len(LOGGED)] == LOGGED and newer.value.endswith(f".{CLEAR}")
    assert not indexes(tools, ACTIVE) and stats(tools) == [0, 6]
    # The daemon and the master go and come back: the log is durable.
    before = told(tools), indexes(tools, CLEARED)
    site.daemon.stop()
    site.snmpd.stop()
    site.snmpd.start()
    site.daemon.start()
    wait_for(lambda: tools.get(ALARM + (2, 5, 0))[0].type, "ALARM-MIB to be served")
    assert (told(tools), indexes(tools, CLEARED)) == before
    # What was before sysUpTime began is at 0 (RFC 3014).
    assert {v.value for v in tools.walk(LOG + (3, 1, 1, 2))} == {0}


def test_the_log_is_bounded_by_its_own_limit(make_site):
    site = make_site(definition("a"))
    tools = Tools(site.snmpd)
    wait_for(lambda: tools.get(ALARM + (2, 5, 0))[0].type, "ALARM-MIB to be served")
    cycle(site, "a", 3)
    tools.set((LOG + (1, 1, 0), "u", 2))
    wait_for(lambda: len(indexes(tools, LOGGED)) == 2, "the older ones to go")
    assert told(tools) == [RAISED, CLEAR] and len(indexes(tools, CLEARED)) == 1
    assert [tools.get(LOG + (2, n, 0))[0].value for n in (1, 2)] == [6, 4]


def test_modules_are_left_to_others(make_site):
    site = make_site(definition("a"), agentx='alarmMib="no"')
    tools = Tools(site.snmpd)
    wait_for(lambda: tools.get(LOG + (2, 3, 1, 1, *ADMIN))[0].type, "the log to be served")
    assert tools.get(ALARM + (2, 5, 0))[0].type is None
    site.daemon.configure(configuration(definition("a"), agentx='notificationLogMib="no"')(site))
    site.daemon.process.send(signal.SIGHUP)
    wait_for(lambda: tools.get(ALARM + (2, 5, 0))[0].type, "ALARM-MIB to be served")
    assert tools.get(LOG + (2, 3, 1, 1, *ADMIN))[0].type is None
