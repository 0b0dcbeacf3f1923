"""Values at the edges of their types, as managers get them: counters about to wrap, DateAndTime in
UTC in any time zone, 64 bits and SNMPv1, and cells as large as they may be."""

import os
import re
import subprocess

import pytest

from conftest import BUILD, World
from lib.process import find_program
from lib.snmp import Tools, environment
from test_agent_get import NOW_MS, SYSTEM, date, plain
from test_mib import SHIM

KATHMANDU = {"TZ": "Asia/Kathmandu"}  # 5:45 ahead of UTC
LAST_MS = 253402300799999  # of the year 9999
MOMENTS = {1: 1, 2: NOW_MS, 3: 951782399999, 4: LAST_MS, 5: 0}  # saHistoryId: when
LARGE = "x" * 1024
ROWS = [("saSystem", *(f"{c}=4294967295" for c, kind, _ in SYSTEM if kind == "Counter32"))]
ROWS += [("saHistoryTable", "alice", n, "3=cpu", f"7={ms}", f"8={ms}") for n, ms in MOMENTS.items()]
ROWS += [("saMetricTable", "alice", 1, n, "2=load", "3=3", f"6={n}") for n in (1, 2)]
ROWS += [("saTargetTable", "alice", f"t{n:02}", "2=mail", f"3={LARGE}", "11=1") for n in range(30)]


@pytest.fixture(scope="module")
def world():
    w = World(ROWS, agent_env=KATHMANDU)
    w.wait_served()
    yield w
    w.close()


def test_counters_reach_the_last_value_before_they_wrap(world):
    counters = [c for c, kind, _ in SYSTEM if kind == "Counter32"]
    got = world.tools.get(*(world.oid(1, c, 0) for c in counters))
    assert [(v.type, v.value) for v in got] == [("Counter32", 4294967295)] * len(counters)


def test_dates_are_in_utc_whatever_the_time_zone(world):
    got = world.tools.get(*(world.oid(19, 1, 7, "alice", n) for n in MOMENTS))
    assert [v.value for v in got] == [date(ms) if ms else bytes(8) for ms in MOMENTS.values()]
    assert all(v.value[8:] == b"+\0\0" for v in got[:-1])


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns", "UTC"])
def test_managers_in_any_time_zone_read_utc(world, zone):
    """By the DISPLAY-HINT that net-snmp finds in SNMPv2-TC."""
    env = {**os.environ, **environment(world.folder), "TZ": zone}
    done = subprocess.run(
        [find_program("snmpget"), "-v2c", "-c", "public", "-M", f"{BUILD}/mibs:{SHIM}",
         "-m", "SNMPALERT-MIB", "-OQv", world.snmpd.address(),
         *(f'saHistoryAt."alice".{n}' for n in (1, 2, 4))],
        env=env, capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines() == ["1970-1-1,0:0:0.0,+0:0", "2026-9-21,14:13:20.1,+0:0",
                                        "9999-12-31,23:59:59.9,+0:0"], done.stderr


def snmpv1(world):
    return Tools(world.snmpd, version="1")


def walk_one_by_one(tools, oid):
    status, out, errors = tools.run("snmpwalk", oid)
    assert status == 0, out + errors
    return re.findall(r"^(\.[\d.]+) = (?:(\S+): |\"\")", out, re.M)


def test_a_walk_by_snmpv1_is_whole_but_for_64_bits(world):
    """RFC 3584 section 4.2.2.1: the agent goes on to the next object that SNMPv1 can carry."""
    root = "." + ".".join(map(str, world.root))
    wide = walk_one_by_one(Tools(world.snmpd), root)
    narrow = walk_one_by_one(snmpv1(world), root)
    assert narrow == [v for v in wide if v[1] != "Counter64"]
    assert len(wide) - len(narrow) == 2 + 2 * len(MOMENTS)


def test_a_column_of_64_bits_is_not_there_for_snmpv1(world):
    """Not in a GET (noSuchName, section 4.2.2.1), not at the end of a walk of it."""
    column = "." + ".".join(map(str, world.oid(8, 1, 6)))
    status, out, errors = snmpv1(world).run("snmpget", column + ".5.97.108.105.99.101.1.1")
    assert status != 0 and "noSuchName" in errors, out
    assert walk_one_by_one(Tools(world.snmpd), column) != []
    assert walk_one_by_one(snmpv1(world), column) == []


def test_ten_repetitions_of_a_large_column_arrive(world):
    """As many as the module tells a manager to ask for at once."""
    column = world.oid(15, 1, 3)
    found = world.tools.walk(column, repetitions=10)
    assert [len(v.value) for v in found] == [1024] * 30
    got = world.tools.get_bulk(column, repetitions=10)
    assert plain(got) == plain(found[:10])
