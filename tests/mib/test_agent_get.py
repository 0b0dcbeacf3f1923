"""GET, GETNEXT and GETBULK over one array of instances in OID order: GET answers element i, GETNEXT
on element i answers element i + 1, and anything in between is looked up by bisection."""

import bisect
import struct
import time

import pytest

from conftest import World, arcs

# Columns that a manager can read: number, type as the tools print it, value when the row has none.
INT, GAUGE, COUNTER, WIDE, TEXT = "INTEGER", "Gauge32", "Counter32", "Counter64", "STRING"
NEVER = bytes(8)
SYSTEM = [(1, TEXT, b""), (2, TEXT, NEVER), (3, TEXT, b""), (4, TEXT, NEVER), (5, INT, 1),
          (6, TEXT, b""), (7, COUNTER, 0), (8, COUNTER, 0), (9, COUNTER, 0), (10, COUNTER, 0),
          (11, COUNTER, 0), (12, GAUGE, 0), (13, COUNTER, 0), (14, COUNTER, 0),
          (17, INT, 0)]
SYSTEM += [(18, GAUGE, 90 * 24 * 3600), (19, GAUGE, 100000), (20, COUNTER, 0), (21, TEXT, NEVER),
           (22, GAUGE, 90 * 24 * 3600), (23, GAUGE, 100000), (24, COUNTER, 0), (25, TEXT, NEVER),
           (26, COUNTER, 0), (27, COUNTER, 0), (28, GAUGE, 1), (31, GAUGE, 12 * 3600)]
PROCESS = [(2, TEXT, b""), (3, INT, 0), (4, INT, 1), (5, COUNTER, 0), (6, TEXT, b""),
           (7, COUNTER, 0), (8, GAUGE, 0)]
METRIC = [(2, TEXT, b""), (3, INT, 1), (4, TEXT, b""), (5, INT, 0), (6, WIDE, 0)]
GROUP = [(2, INT, 2), (3, TEXT, b""), (4, INT, 3), (5, INT, 3), (6, TEXT, b""), (7, INT, 1)]
MEMBER = [(1, INT, 3), (2, INT, 3)]
TARGET = [(2, TEXT, None), (3, TEXT, b""), (4, INT, 2), (5, INT, 1), (6, TEXT, b"\0"),
          (7, INT, -1), (8, TEXT, b""), (9, INT, 1), (10, INT, 3), (11, INT, 3), (12, GAUGE, 0),
          (13, COUNTER, 0), (14, COUNTER, 0), (15, TEXT, b""), (16, INT, 1),
          (17, GAUGE, 0), (18, INT, 1), (19, TEXT, b""), (20, INT, 0), (21, INT, 1), (22, TEXT, b""),
          (23, TEXT, NEVER), (24, TEXT, b"")]
RAISE = [(2, INT, 1), (3, TEXT, None), (4, TEXT, None), (5, TEXT, b""), (6, INT, 4), (7, TEXT, b""),
         (8, GAUGE, 0), (9, INT, 1), (10, TEXT, b""), (11, GAUGE, 0), (12, TEXT, NEVER), (13, INT, 3)]
HISTORY = [(2, GAUGE, 0), (3, TEXT, None), (4, TEXT, b""), (5, INT, 1), (6, INT, 1),
           (7, TEXT, NEVER), (8, WIDE, 0), (9, WIDE, 0), (10, INT, 1), (11, TEXT, b""),
           (12, TEXT, b""), (13, INT, 2)]
LONG = "n" * 32
NOW_MS = 1790000000123


def date(ms):
    """DateAndTime in UTC, RFC 2579."""
    t = time.gmtime(ms // 1000)
    return struct.pack(">H6B", t.tm_year, t.tm_mon, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
                       ms % 1000 // 100) + b"+\0\0"


# Table, its name, columns, and the rows: index, cells. Neither rows nor tables follow each other
# without gaps; names sort by length first; tables 9 to 11 and 20 to 21 are empty.
TABLES = [
    (1, "saSystem", SYSTEM, [
        ((), {1: "1.0", 2: NOW_MS, 3: "/etc/snmpalertd/snmpalertd.xml", 7: 4294967295})]),
    (2, "saProcessTable", PROCESS, [
        ((1,), {2: "core", 3: 4711, 4: 2, 5: 1, 8: 20480}),
        ((2,), {2: "poller", 3: 2147483647, 4: 4, 6: "signal 9"}),
        ((200,), {2: "agent"})]),
    (8, "saMetricTable", METRIC, [
        (("alice", 1, 1), {2: "apps[0].state", 3: 4, 4: "RUNNING äöü €"}),
        (("alice", 1, 300), {2: "load", 3: 3, 4: "-1.5", 5: -2}),
        (("alice", 65536, 1), {2: "huge", 3: 3, 4: "1e300", 5: 2147483647,
                               6: 9223372036854775807}),
        (("bob", 4294967295, 4294967295), {2: "last", 3: 3, 5: -2147483648})]),
    (12, "saGroupTable", GROUP, [
        (("alice", "a"), {3: "first", 5: 1}),
        (("alice", "ops"), {5: 1}),
        (("bob", "z"), {3: "x" * 255, 4: 5, 5: 1}),
        ((LONG, LONG), {5: 1})]),
    (13, "saGroupDefinitionTable", MEMBER, [
        (("alice", "ops", "disk-full"), {2: 1}),
        (("alice", "ops", "cpu"), {2: 1}),
        ((LONG, LONG, LONG), {2: 1})]),
    (15, "saTargetTable", TARGET, [
        (("alice", "mail"), {2: "smtp", 3: "alice@example.net bob@example.net", 6: 0b01001, 11: 1}),
        (("alice", "unready"), {})]),
    (18, "saRaiseTable", RAISE, [
        (("alice", 1), {}),
        (("alice", 4294967295), {2: 2, 3: "node", 4: "full", 5: "n1", 8: 3153600000, 9: 2, 11: 12,
                                 12: NOW_MS, 13: 1})]),
    (19, "saHistoryTable", HISTORY, [
        (("alice", 1), {2: 1, 3: "cpu", 5: 1, 6: 4, 7: NOW_MS, 8: NOW_MS, 12: "hot"}),
        (("alice", 7), {2: 1, 3: "cpu", 5: 4, 6: 1, 7: NOW_MS, 8: NOW_MS, 9: NOW_MS + 1}),
        (("bob", 4294967295), {2: 4294967295, 3: "z", 10: 4, 11: "v" * 255})]),
]
DATES = {(1, 2), (1, 4), (18, 12), (19, 7)}
BITS = {(15, 6)}


def bits(mask):
    """Bit 0 is the top bit of the first octet (RFC 3416 section 2.5.2), five names fit one."""
    return bytes([sum(0x80 >> n for n in range(8) if mask >> n & 1)])


def shown(table, column, kind, cells, default):
    if column not in cells:
        return default
    value = cells[column]
    if (table, column) in DATES:
        return date(value)
    if (table, column) in BITS:
        return bits(value)
    return value.encode() if kind == TEXT else value


def instances():
    """[(OID below ROOT.1, type, value)] in OID order. A required column that has no value has no
    instance."""
    found = []
    for table, _, columns, rows in TABLES:
        entry = (table,) if table == 1 else (table, 1)
        for column, kind, default in columns:
            for index, cells in rows:
                value = shown(table, column, kind, cells, default)
                suffix = arcs(*index) if table != 1 else (0,)
                if value is not None:
                    found.append((entry + (column,) + suffix, kind, value))
    return sorted(found)


def fixture_rows():
    for _, name, _, rows in TABLES:
        for index, cells in rows:
            yield (name, *index, *(f"{c}={v}" for c, v in cells.items()))


@pytest.fixture(scope="module")
def world(server):
    w = World(list(fixture_rows()), server=server)
    w.wait_served()
    yield w
    w.close()


@pytest.fixture(scope="module")
def array(world):
    return [(world.oid(*oid), kind, value) for oid, kind, value in instances()
            ] + [(world.root + (2**32 - 1,), None, None)]  # behind everything of ours


def plain(varbinds):
    return [(v.oid, v.type, v.value) for v in varbinds]


def chunks(items, size=30):
    for i in range(0, len(items), size):
        yield items[i:i + size]


# The computed cells of the store's size (1.15, 1.16) have no value that a test could know.
def without_computed(world, varbinds):
    return [v for v in varbinds if v.oid[:-1] not in (world.oid(1, 15), world.oid(1, 16))]


def test_get_answers_every_instance(world, array):
    for part in chunks(array[:-1]):
        assert plain(world.tools.get(*(oid for oid, _, _ in part))) == part


def test_get_of_what_is_not_there(world):
    no_instance = [world.oid(2, 1, 2, 3), world.oid(2, 1, 2), world.oid(1, 1), world.oid(1, 1, 1),
                   world.oid(1, 1, 0, 0), world.oid(12, 1, 3, "alice", "b"),
                   world.oid(12, 1, 3, 5, 97), world.oid(12, 1, 3, "alice", "a", 0),
                   world.oid(12, 1, 3, 5, 97, 108, 105, 99, 256 + 101, 1, 97),
                   world.oid(15, 1, 2, "alice", "unready"), world.oid(9, 1, 2, "alice", "cpu")]
    no_object = [world.oid(99, 1, 1, 0), world.oid(2, 1, 99, 1), world.oid(2, 2, 2, 1),
                 world.oid(15, 1, 200, "alice", "mail"), world.root + (0, 1), world.root + (3, 1)]
    for v in world.tools.get(*no_instance):
        assert "No Such Instance" in v.value, v
    for v in world.tools.get(*no_object):
        assert "No Such Object" in v.value, v


def next_of(array, oid):
    return array[bisect.bisect_right([o for o, _, _ in array], oid)]


def same_next(world, got, expected):
    """EXPECTED None, None: whatever comes behind our subtree."""
    if expected[1] is None:
        return got.oid[:len(world.root)] != world.root or got.type is None
    return (got.oid, got.type, got.value) == expected


def computed_between(world, oid, expected):
    """The two instances that the array leaves out are next."""
    return oid < world.oid(1, 16, 0) and expected[0] > world.oid(1, 16, 0)


def check_next(world, array, probes):
    probes = [p for p in probes if len(p) <= 126]
    for part in chunks(probes):
        for probe, got in zip(part, world.tools.get_next(*part)):
            expected = next_of(array, probe)
            if computed_between(world, probe, expected):
                assert got.oid[:-1] in (world.oid(1, 15), world.oid(1, 16)) and got.type == GAUGE
            else:
                assert same_next(world, got, expected), \
                    f"after {probe}: {got}, expected {expected}"


def test_get_next_steps_through_the_array(world, array):
    check_next(world, array, [oid for oid, _, _ in array[:-1]])


def test_get_next_from_partial_oids(world, array):
    """Every instance cut at every length."""
    floor = len(world.root)
    check_next(world, array, sorted({oid[:n] for oid, _, _ in array[:-1]
                                     for n in range(floor, len(oid))}))


def test_get_next_from_over_long_and_neighbouring_oids(world, array):
    probes = set()
    for oid, _, _ in array[:-1]:
        probes.add(oid + (0,))
        probes.add(oid + (4294967295,) * 3)
        for n in range(len(world.root) + 1, len(oid)):
            for arc in {0, oid[n] - 1, oid[n] + 1, 256, oid[n] + 256, 4294967295}:
                if 0 <= arc < 2**32:
                    probes.add(oid[:n] + (arc,) + oid[n + 1:])
    spread = sorted(probes)
    check_next(world, array, spread[::max(1, len(spread) // 1500)])


def test_get_next_around_the_root(world, array):
    first = array[0]
    root = world.root
    for probe in (root, root + (0,), root + (0, 1), root + (0, 255, 7), root + (1,), root + (1, 0),
                  root[:-1] + (root[-1] - 1, 2**32 - 1)):
        got, = world.tools.get_next(probe)
        assert plain([got]) == [first], probe
    for probe in (root + (1, 2**32 - 1), root + (2,), root + (2, 1, 1)):
        got, = world.tools.get_next(probe)
        assert got.oid[:len(root)] != root or got.type is None, (probe, got)


def following(array, oid, count):
    at = bisect.bisect_right([o for o, _, _ in array], oid)
    return array[at:at + count]


@pytest.mark.parametrize("repetitions", [1, 2, 25, 60])
def test_get_bulk(world, array, repetitions):
    behind_computed = world.oid(1, 16, 0)
    starts = [oid for oid, _, _ in array[:-1]][::7] + [world.oid(9), world.oid(12, 1, 3, 5)]
    for start in (s for s in starts if s >= behind_computed):
        got = world.tools.get_bulk(start, repetitions=repetitions)
        expected = following(array, start, repetitions)
        assert len(got) == repetitions or got[-1].type is None
        for g, e in zip(got, expected):
            assert same_next(world, g, e), f"from {start}: {g}, expected {e}"


def test_get_bulk_of_two_columns(world, array):
    """Repeaters take turns; one of them leaves its column and goes on in the next."""
    first, second = world.oid(2, 1, 2), world.oid(19, 1, 11)
    got = world.tools.get_bulk(first, second, repetitions=8)
    one, two = following(array, first, 8), following(array, second, 8)
    for i, g in enumerate(got):
        e = (one, two)[i % 2][i // 2:]
        if e:
            assert same_next(world, g, e[0]), f"{i}: {g}, expected {e[0]}"


def test_get_bulk_with_non_repeaters(world, array):
    one, two = world.oid(12, 1, 3), world.oid(13, 1, 2)
    got = world.tools.get_bulk(one, two, non_repeaters=1, repetitions=3)
    assert plain(got) == following(array, one, 1) + following(array, two, 3)


def test_walk_sees_everything_once(world, array):
    for repetitions in (1, 10, 50):
        found = world.tools.walk(world.root, repetitions)
        assert plain(without_computed(world, found)) == array[:-1]


def test_version_1_skips_counter64(world, array):
    """RFC 3584 section 4.2.2.1: a Counter64 is not there for an SNMPv1 manager."""
    from lib.snmp import Tools
    before = world.oid(8, 1, 6)
    got, = Tools(world.snmpd, version="1").get_next(before)
    narrow = [a for a in array if a[0] > before and a[1] != WIDE]
    assert plain([got]) == [narrow[0]]


def test_get_of_many_instances_of_several_tables(world, array):
    mixed = array[:-1][::5][::-1]
    assert plain(world.tools.get(*(o for o, _, _ in mixed))) == mixed
