"""ALARM-MIB, ITU-ALARM-MIB and NOTIFICATION-LOG-MIB out of the store, by the published numbers: one
array of instances in the order of OIDs, as in test_agent_get.py."""

import bisect
import contextlib
import pathlib
import re
import signal

import pytest

from conftest import World, arcs, program
from lib.process import Process
from lib.snmp import SetRefused, Tools
from lib.wait import wait_for
from test_agent_get import date

MIB2 = (1, 3, 6, 1, 2, 1)
ALARM, ITU, LOG = MIB2 + (118, 1), MIB2 + (121, 1), MIB2 + (92, 1)
INT, GAUGE, COUNTER, TEXT = "INTEGER", "Gauge32", "Counter32", "STRING"
OID, TICKS = "OID", "Timeticks"
OK, INFO, WARNING, CRITICAL, UNKNOWN = range(1, 6)
OWNERS = ["bob", "admin", "alice"]  # shorter names come first
STATE = {OK: 1, UNKNOWN: 2, INFO: 3, WARNING: 4, CRITICAL: 6}
SEVERITY = {OK: 1, UNKNOWN: 2, INFO: 6, WARNING: 5, CRITICAL: 3}
NAMES = {OK: b"ok", INFO: b"info", WARNING: b"warning", CRITICAL: b"critical",
         UNKNOWN: b"unknown"}
RAISED, CLEARED, CHANGED = 1, 2, 3
AT = 1790000000000


class Event:
    """An alert as it is, or a transition."""

    def __init__(self, owner, alert, history, level, previous, at, definition="disk",
                 instance="/var", value="97", message="full"):
        self.owner, self.alert, self.history = owner, alert, history
        self.level, self.previous, self.at = level, previous, at
        self.definition, self.instance = definition, instance
        self.value, self.message = value, message

    def told_by(self):
        return CLEARED if self.level == OK else RAISED if self.previous == OK else CHANGED


ALERTS = [
    Event("alice", 1, 12, CRITICAL, WARNING, AT + 5000),
    Event("alice", 2, 13, WARNING, OK, AT + 900, instance="", message="äöü"),
    Event("alice", 3, 11, OK, INFO, AT + 2000),
    Event("alice", 70000, 999, UNKNOWN, OK, AT + 900),  # its history is purged
    Event("bob", 9, 10, INFO, OK, AT + 86400000),
]
HISTORY = [
    Event("alice", 3, 11, OK, INFO, AT + 2000),
    Event("alice", 1, 12, CRITICAL, WARNING, AT + 5000),
    Event("alice", 2, 13, WARNING, OK, AT + 900, instance="", message="äöü"),
    Event("alice", 4, 14, OK, CRITICAL, AT + 100),
    Event("bob", 9, 10, INFO, OK, AT + 86400000),
    Event("bob", 8, 4294967295, OK, UNKNOWN, AT),
]


def rows():
    yield ("saSystem", f"4={AT}")
    for owner in OWNERS:
        yield ("saOwnerTable", owner)
    for a in ALERTS:
        yield ("saAlertTable", a.owner, a.alert, f"2={a.definition}", f"3={a.instance}",
               f"4={a.level}", f"5={a.previous}", f"6={1 if a.level == OK else 3}", f"8={a.at}",
               f"10={a.value}", f"11={a.message}", f"12={a.history}")
    for h in HISTORY:
        yield ("saHistoryTable", h.owner, h.history, f"2={h.alert}", f"3={h.definition}",
               f"4={h.instance}", f"5={h.previous}", f"6={h.level}", f"7={h.at}", f"11={h.value}",
               f"12={h.message}")


def ours(root, *below):
    return root + (1,) + arcs(*below)


def resource(root, e):
    return ours(root, 17, 1, 2, e.owner, e.alert)


def variables(root, e):
    """Those of an alert's notification that are the same whoever hears it: OID, type, value."""
    alert = (e.owner, e.alert)
    definition = (e.owner, e.definition)
    return [
        (ours(root, 3, 1, 1, e.owner), 6, e.owner.encode()),
        (ours(root, 9, 1, 1, *definition), 6, e.definition.encode()),
        (ours(root, 17, 1, 3, *alert), 6, e.instance.encode()),
        (ours(root, 17, 1, 4, *alert), 4, e.level),
        (ours(root, 17, 1, 5, *alert), 4, e.previous),
        (ours(root, 17, 1, 11, *alert), 6, e.message.encode()),
        (ours(root, 17, 1, 10, *alert), 6, e.value.encode()),
        (ours(root, 17, 1, 8, *alert), 6, date(e.at)),
        (ours(root, 9, 1, 5, *definition), 6, b"default"),
    ]


VALUE_COLUMNS = {6: (8, TEXT), 4: (7, INT), 3: (6, TICKS), 7: (10, OID)}
UPTIME, TRAP_OID = MIB2 + (1, 3, 0), (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)


def variable_rows(found, table, index, listed):
    for number, (name, kind, value) in enumerate(listed, 1):
        at = index + (number,)
        found[table + (1, 2) + at] = (OID, name)
        found[table + (1, 3) + at] = (INT, kind)
        column, tag = VALUE_COLUMNS[kind]
        found[table + (1, column) + at] = (tag, value)


def lists(found):
    """One row an owner, and the scalars."""
    found[LOG + (1, 1, 0)] = (GAUGE, 100000)
    found[LOG + (1, 2, 0)] = (GAUGE, 90 * 24 * 60)
    found[LOG + (2, 1, 0)] = found[LOG + (2, 2, 0)] = (COUNTER, 0)
    found[ALARM + (1, 1, 0)] = found[ALARM + (2, 1, 0)] = (TICKS, 0)
    found[ALARM + (2, 5, 0)] = (COUNTER, 0)
    found[ALARM + (3, 1, 0)] = (GAUGE, 100000)
    for owner in OWNERS:
        index = arcs(owner)
        for column, cell in enumerate([(TEXT, owner.encode()), (GAUGE, 0), (INT, 1), (INT, 2),
                                       (INT, 5), (INT, 1)], 2):
            found[LOG + (1, 3, 1, column) + index] = cell
        for column in (1, 2):
            found[LOG + (2, 3, 1, column) + index] = (COUNTER, 0)
        levels = [a.level for a in ALERTS if a.owner == owner and a.level != OK]
        stats = [(GAUGE, len(levels)), (COUNTER, 0), (TICKS, 0), (TICKS, 0)]
        for column, cell in enumerate(stats, 1):
            found[ALARM + (2, 4, 1, column) + index] = cell
        for column, level in enumerate([UNKNOWN, CRITICAL, None, WARNING, INFO], 1):
            found[ITU + (2, 2, 1, column) + index] = (GAUGE, levels.count(level))
            found[ITU + (2, 2, 1, column + 5) + index] = (COUNTER, 0)


def models(found, root):
    model, itu = ALARM + (1, 2, 1), ITU + (1, 1, 1)
    for owner in OWNERS:
        for level, state in STATE.items():
            index = arcs(owner, 1, state)
            severity = arcs(owner, 1, SEVERITY[level])
            cells = [(OID, root + (0, CLEARED if level == OK else RAISED)), (GAUGE, 6),
                     (INT, level), (TEXT, NAMES[level]), (OID, itu + (2,) + severity),
                     (OID, ours(root, 17, 1, 3)), (OID, ours(root, 17, 1, 2)), (INT, 1)]
            for column, cell in enumerate(cells, 3):
                found[model + (column,) + index] = cell
            cells = [(INT, 1), (INT, 1024), (TEXT, NAMES[level]), (OID, model + (3,) + index)]
            for column, cell in enumerate(cells, 2):
                found[itu + (column,) + severity] = cell


def active(found, root):
    for a in ALERTS:
        if a.level == OK:
            continue
        index = arcs(a.owner, 11, *date(a.at), a.alert)
        logged = any(h.history == a.history for h in HISTORY)
        cells = [(TEXT, b""), (INT, 0), (TEXT, b""), (TEXT, b""), (GAUGE, 11),
                 (OID, root + (0, a.told_by())), (OID, resource(root, a)),
                 (TEXT, a.message.encode()),
                 (OID, LOG + (3, 1, 1, 2) + arcs(a.owner, a.history) if logged else (0, 0)),
                 (OID, ALARM + (1, 2, 1, 3) + arcs(a.owner, 1, STATE[a.level])),
                 (OID, ITU + (2, 1, 1, 1) + index)]
        for column, cell in enumerate(cells, 4):
            found[ALARM + (2, 2, 1, column) + index] = cell
        found[ITU + (2, 1, 1, 1) + index] = (INT, 1)
        for column in (2, 3, 4):
            found[ITU + (2, 1, 1, column) + index] = (OID, (0, 0))
        variable_rows(found, ALARM + (2, 3), arcs(a.owner, a.alert),
                      [(UPTIME, 3, 0), (TRAP_OID, 7, root + (0, a.told_by()))] +
                      variables(root, a))


def cleared(found, root):
    for h in HISTORY:
        if h.level != OK:
            continue
        index = arcs(h.owner, 11, *date(h.at), h.alert)
        cells = [(TEXT, b""), (INT, 0), (TEXT, b""), (TEXT, b""), (OID, root + (0, CLEARED)),
                 (OID, resource(root, h)), (GAUGE, h.history),
                 (OID, ALARM + (1, 2, 1, 3) + arcs(h.owner, 1, 1))]
        for column, cell in enumerate(cells, 3):
            found[ALARM + (3, 2, 1, column) + index] = cell


def log(found, root):
    for h in HISTORY:
        index = arcs(h.owner, h.history)
        cells = [(TICKS, 0), (TEXT, date(h.at)), (TEXT, b""), (TEXT, b""), (OID, (0, 0)),
                 (TEXT, b""), (TEXT, b""), (OID, root + (0, h.told_by()))]
        for column, cell in enumerate(cells, 2):
            found[LOG + (3, 1, 1, column) + index] = cell
        variable_rows(found, LOG + (3, 2), index, variables(root, h))


def expected(root):
    """All instances, in order."""
    found = {}
    lists(found)
    models(found, root)
    active(found, root)
    cleared(found, root)
    log(found, root)
    return sorted(found.items())


@pytest.fixture(scope="module")
def world():
    w = World(rows())
    w.wait_served()
    yield w
    w.close()


@pytest.fixture(scope="module")
def instances(world):
    return expected(world.root)


def cell(v):
    """As in the array: an OID as numbers."""
    value = v.value
    if v.type == OID:
        text = value.decode() if isinstance(value, bytes) else str(value)
        value = tuple(map(int, text.strip(".").split(".")))
    return v.type, value


def same(v, oid, want):
    return v.oid == oid and cell(v) == want


def test_get_answers_each(world, instances):
    for start in range(0, len(instances), 20):
        part = instances[start:start + 20]
        found = world.tools.get(*[oid for oid, _ in part])
        assert [(v.oid, cell(v)) for v in found] == part


def test_getnext_answers_the_next(world, instances):
    """In each module; snmpd has other things between and behind them."""
    for start in range(0, len(instances) - 1, 20):
        part = instances[start:start + 21]
        found = world.tools.get_next(*[oid for oid, _ in part[:-1]])
        for v, (oid, want), (before, _) in zip(found, part[1:], part):
            if v.oid[:7] == before[:7]:
                assert same(v, oid, want)


@pytest.mark.parametrize("module", [ALARM, ITU, LOG])
def test_walk_has_all_of_it_and_nothing_else(world, instances, module):
    walked = world.tools.walk(module)
    want = [(oid, c) for oid, c in instances if oid[:len(module)] == module]
    assert [(v.oid, cell(v)) for v in walked] == want
    assert all(a.oid < b.oid for a, b in zip(walked, walked[1:]))


@pytest.mark.parametrize("module", [ALARM, ITU, LOG])
def test_getbulk_repeats_getnext(world, instances, module):
    want = [(oid, c) for oid, c in instances if oid[:len(module)] == module]
    for start in range(0, len(want) - 12, 7):
        found = world.tools.get_bulk(want[start][0], repetitions=10)
        assert [(v.oid, cell(v)) for v in found] == want[start + 1:start + 11]


def between(oid):
    """OIDs that no instance has, around one: cut short, continued, one more, one less."""
    yield from (oid[:-1], oid + (0,), oid + (1, 4294967295), oid[:-2], oid[:-1] + (oid[-1] + 1,)
                if oid[-1] < 4294967295 else oid + (7,))
    if oid[-1]:
        yield oid[:-1] + (oid[-1] - 1,)
        yield oid[:-1] + (oid[-1] - 1, 4294967295)


def test_getnext_of_anything(world, instances):
    """By bisection in the array."""
    oids = [oid for oid, _ in instances]
    asked = sorted({b for oid in oids for b in between(oid) if len(b) > 8})
    asked = [a for a in asked if a not in dict(instances)]
    for start in range(0, len(asked), 20):
        part = asked[start:start + 20]
        for a, v in zip(part, world.tools.get_next(*part)):
            at = bisect.bisect_right(oids, a)
            if at < len(oids) and oids[at][:7] == a[:7]:
                assert v.oid == oids[at], f"behind {a}"
            else:
                assert v.oid[:8] not in (ALARM, ITU, LOG) or v.oid > a


def test_what_is_not_there(world):
    for oid in (ALARM + (2, 2, 1, 3) + arcs("bob", 11), ALARM + (1, 1, 1), ALARM + (1, 1),
                ALARM + (2, 3, 1, 4) + arcs("bob", 9, 1), LOG + (3, 1, 1, 2) + arcs("bob", 11),
                LOG + (3, 2, 1, 2) + arcs("bob", 10, 10), ITU + (1, 1, 1, 2) + arcs("bob", 1, 4)):
        assert world.tools.get(oid)[0].type is None


# ---- limits

LIMIT, AGE_OUT = LOG + (1, 1, 0), LOG + (1, 2, 0)


def value(w, oid):
    return w.tools.get(oid)[0].value


def test_limits_are_those_of_the_system(make_world):
    w = make_world(rows())
    w.wait_served()
    w.tools.set((LIMIT, "u", 17), (AGE_OUT, "u", 3))
    w.agent.expect("^set$")
    assert [value(w, oid) for oid in (LIMIT, AGE_OUT, ALARM + (3, 1, 0))] == [17, 3, 17]
    assert [value(w, w.oid(1, column, 0)) for column in (19, 18)] == [17, 180]
    w.tools.set((w.oid(1, 18, 0), "u", 181))
    assert value(w, AGE_OUT) == 4  # never less than what is kept
    w.tools.set((w.oid(1, 19, 0), "u", 0))
    assert [value(w, oid) for oid in (LIMIT, ALARM + (3, 1, 0))] == [0, 4294967295]


def last_error(w, owner):
    return value(w, w.oid(3, 1, 4, owner)).decode()


@pytest.mark.parametrize("varbinds,error,index,words", [
    ([(LIMIT, "i", 1)], "wrongType", 1, "nlmConfigGlobalEntryLimit takes an Unsigned32"),
    ([(LIMIT, "u", 5), (AGE_OUT, "u", 4294967295)], "wrongValue", 2,
     "nlmConfigGlobalAgeOut is at most 71582788 minutes"),
    ([(LIMIT, "u", 5), (AGE_OUT, "u", 52560001)], "wrongValue", 2, "saSystemHistoryMaxAge"),
    ([(LIMIT, "u", 5), (ALARM + (3, 1, 0), "u", 9)], "notWritable", 2,
     "alarmClearMaximum is read-only"),
    ([(LIMIT, "u", 5), (LOG + (1, 3, 1, 3) + arcs("bob"), "u", 9)], "notWritable", 2,
     "nlmConfigLogEntryLimit is read-only"),
    ([(LOG + (1, 3, 1, 99) + arcs("bob"), "u", 9)], "notWritable", 1, "there is no such object"),
    ([(ALARM + (1, 2, 1, 6) + arcs("bob", 1, 1), "s", "x")], "notWritable", 1,
     "alarmModelDescription is read-only"),
    ([(ITU + (1, 1, 1, 2) + arcs("bob", 1, 1), "i", 2)], "notWritable", 1, "is read-only"),
])
def test_what_cannot_be_set_changes_nothing_and_says_why(world, varbinds, error, index, words):
    with pytest.raises(SetRefused) as refused:
        world.tools.set(*varbinds)
    assert (refused.value.error, refused.value.index) == (error, index)
    assert value(world, LIMIT) == 100000
    said = last_error(world, "admin")
    assert said.startswith(error + ": ") and words in said, said


@contextlib.contextmanager
def another(w, *args):
    """A subagent of somebody else."""
    process = Process([program("refuser"), w.snmpd.agentx, *args])
    try:
        process.expect("^ready$")
        yield process
    finally:
        process.stop()


def test_a_set_that_another_agent_refuses_is_undone(make_world):
    w = make_world(rows())
    w.wait_served()
    with another(w):
        refuser = (1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 8888, 1)
        wait_for(lambda: w.tools.get(refuser)[0].type, "the other subagent")
        with pytest.raises(SetRefused):
            w.tools.set((LIMIT, "u", 5), (refuser, "i", 2))
        assert value(w, LIMIT) == 100000


# ---- conflicts

def test_what_the_master_refuses_is_said_and_taken_later(make_world):
    """The rest is served meanwhile."""
    w = make_world(rows(), start_snmpd=False)
    w.agent.expect("no master agent at .* yet")
    w.agent.send(signal.SIGSTOP)
    try:
        w.snmpd.start()
        with another(w, ".".join(map(str, ALARM))):
            w.agent.send(signal.SIGCONT)
            w.agent.expect(r"does not take 1\.3\.6\.1\.2\.1\.118\.1 of ALARM-MIB: another one serves it "
                           r".*end that, or switch the module off")
            w.wait_served()
            assert value(w, LIMIT) == 100000
            assert value(w, ITU + (2, 2, 1, 2) + arcs("alice")) == 1
            assert w.tools.get(ALARM + (2, 5, 0))[0].type != COUNTER
        wait_for(lambda: w.tools.get(ALARM + (2, 5, 0))[0].type == COUNTER,
                 "ALARM-MIB to be taken", timeout=60)
    finally:
        w.agent.send(signal.SIGCONT)


def test_snmpds_own_log_comes_back(make_world):
    """Ours stands in front of it, and goes with us."""
    w = make_world(rows())
    w.wait_served()
    assert w.tools.get(LOG + (3, 1, 1, 3) + arcs("bob", 10))[0].value == date(HISTORY[4].at)
    assert w.agent.stop() == 0
    assert w.tools.get(LOG + (3, 1, 1, 3) + arcs("bob", 10))[0].type is None
    assert w.tools.get(LOG + (1, 1, 0))[0].type == GAUGE  # snmpd's


# ---- owners

def manual_views():
    """The lines that the manual gives for alice."""
    page = (pathlib.Path(__file__).parents[2] / "man/snmpalertd.8.in").read_text()
    lines = re.findall(r"^    (view alice included \.1\.3\.6\.1\.2\.1\.\S+ \S+)$", page, re.M)
    assert len(lines) == 3
    return "\n".join(lines) + "\n"


def test_a_view_shows_what_is_the_owners(make_world):
    w = make_world(rows(), start_snmpd=False)
    with open(w.snmpd.conf, "a") as f:
        f.write("com2sec s-alice 127.0.0.1 secret-alice\ngroup g-alice v2c s-alice\n"
                + manual_views() +
                'access g-alice "" v2c noauth exact alice none none\n')
    w.snmpd.start()
    w.wait_served()
    alice = Tools(w.snmpd, community="secret-alice")
    want = [(oid, c) for oid, c in expected(w.root) if oid[12:18] == arcs("alice")]
    assert len(want) > 100
    for module in (ALARM, ITU, LOG):
        assert [(v.oid, cell(v)) for v in alice.walk(module)] == \
            [(oid, c) for oid, c in want if oid[:8] == module]


def manual_view_of_contexts():
    """The lines that the manual gives for them."""
    page = (pathlib.Path(__file__).parents[2] / "man/snmpalertd.8.in").read_text()
    lines = re.findall(r"^    (view snmpalert included \.1\.3\.6\.1\.2\.1\.\S+)$", page, re.M)
    assert len(lines) == 3
    return "\n".join(lines) + "\n"


def in_context(make_world, owner="alice"):
    """A world whose community in-context stands for the context of OWNER."""
    w = make_world(rows(), start_snmpd=False)
    with open(w.snmpd.conf, "a") as f:
        f.write(f"com2sec -Cn {owner} s-owner 127.0.0.1 in-context\ngroup g-owner v2c s-owner\n"
                + manual_view_of_contexts() +
                f"access g-owner {owner} v2c noauth exact snmpalert snmpalert none\n")
    w.snmpd.start()
    w.wait_served()
    tools = Tools(w.snmpd, community="in-context")
    wait_for(lambda: all(tools.walk(module) for module in (ALARM, ITU, LOG)), "the context")
    return w, tools


def of_alice(w):
    return [(oid, c) for oid, c in expected(w.root)
            if oid[12:18] == arcs("alice") or len(oid) < 12]


def test_a_context_has_one_owner(make_world):
    """Its scalars count this owner's."""
    w, alice = in_context(make_world)
    for module in (ALARM, ITU, LOG):
        assert [(v.oid, cell(v)) for v in alice.walk(module)] == \
            [(oid, c) for oid, c in of_alice(w) if oid[:8] == module]
    assert alice.get(ALARM + (2, 4, 1, 1) + arcs("bob"))[0].type is None
    with pytest.raises(SetRefused) as refused:
        alice.set((LIMIT, "u", 1))
    assert refused.value.error == "notWritable"
    assert "not in the context of an owner" in last_error(w, "alice")
    assert value(w, LIMIT) == 100000


def test_contexts_come_back_with_the_master(make_world):
    w, alice = in_context(make_world)
    before = [(v.oid, cell(v)) for v in alice.walk(ALARM)]
    mark = w.agent.mark()
    w.snmpd.stop()
    w.agent.expect("lost the master agent", since=mark)
    w.snmpd.start()
    wait_for(lambda: [(v.oid, cell(v)) for v in alice.walk(ALARM)] == before,
             "the context to come back")
