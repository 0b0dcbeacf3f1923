"""The MIB through a second SNMP implementation, pysnmp: v2c, and v3 with SHA or SHA-256 and AES. What
it reads is what net-snmp's tools read, and it configures what they can."""

import pytest

from conftest import World
from lib.pysnmpclient import Manager, integer, octets, unsigned, v2c_community, v3_user
from lib.snmp import SetRefused
from test_agent_get import fixture_rows

ACTIVE, NOT_IN_SERVICE, NOT_READY, CREATE_AND_GO, CREATE_AND_WAIT, DESTROY = range(1, 7)
SYSTEM, OWNER, DEFINITION, GROUP, GROUP_DEFINITION, GROUP_TARGET, TARGET = 1, 3, 9, 12, 13, 14, 15
CONDITION, SEVERITY, INTERVAL, DESCRIPTION, LAST_VALUE, DEFINITION_STATUS = 2, 4, 6, 12, 18, 15
GROUP_STATUS, MEMBER_STATUS, HANDLER, STATES, TARGET_STATUS = 5, 2, 2, 6, 11
LAST_ERROR = 4

USERS = {"sha": ("SHA", False), "sha256": ("SHA-256", True)}
AUTH, PRIV = "a secret of alice", "another of alice"
ROWS = [("saOwnerTable", "alice", "3=0"), ("saOwnerTable", "bob", "3=0"),
        ("saHandlerTable", "admin", "mail", "2=smtp"), *fixture_rows()]


@pytest.fixture(scope="module")
def world():
    w = World(ROWS, start_snmpd=False)
    try:
        with open(w.snmpd.conf, "a") as f:
            for user, (auth, _) in USERS.items():
                f.write(f'createUser {user} {auth} "{AUTH}" AES "{PRIV}"\nrwuser {user} priv\n')
        w.snmpd.start()
        w.wait_served()
        yield w
    finally:
        w.close()


@pytest.fixture(scope="module", params=["v2c", *USERS])
def manager(world, request):
    security = v2c_community() if request.param == "v2c" else \
        v3_user(request.param, AUTH, PRIV, sha256=USERS[request.param][1])
    m = Manager(world.snmpd.port, security)
    yield m
    m.close()


# ---- reading ------------------------------------------------------------------------------------

def still(world, varbinds):
    """Without what changes by itself, and what earlier tests left: saOwnerLastError and its time,
    how full the store is, what was set here."""
    moving = {(SYSTEM, 15), (SYSTEM, 16), (OWNER, 4), (OWNER, 5)}
    below = len(world.root) + 1

    def where(v):
        table = v.oid[below]
        return (table, v.oid[below + (1 if table == SYSTEM else 2)])

    return [v for v in varbinds if where(v) not in moving]


def test_a_walk_by_getnext_is_that_of_the_tools(world, manager):
    expected = still(world, world.tools.walk(world.root))
    assert len(expected) > 150
    assert still(world, manager.walk(world.root)) == expected


@pytest.mark.parametrize("repetitions", [1, 7, 40])
def test_a_walk_by_getbulk_is_that_of_the_tools(world, manager, repetitions):
    expected = still(world, world.tools.walk(world.root))
    assert still(world, manager.bulk_walk(world.root, repetitions)) == expected


def test_get(world, manager):
    found = world.tools.walk(world.oid(TARGET))
    assert manager.get(*(v.oid for v in found)) == found
    types = {v.type for v in still(world, world.tools.walk(world.root))}
    assert types == {"INTEGER", "STRING", "Gauge32", "Counter32", "Counter64"}


def test_what_is_not_there(world, manager):
    assert [v.value for v in manager.get(world.oid(SYSTEM, 1, 7), world.oid(99, 1, 1, 1),
                                         world.oid(GROUP, 1, 3, "alice", "none"),
                                         world.oid(GROUP, 1, 99, "alice", "ops"))] == \
        ["NoSuchInstance", "NoSuchObject", "NoSuchInstance", "NoSuchObject"]


def test_getbulk_with_several_columns_and_non_repeaters(world, manager):
    columns = [world.oid(GROUP, 1, c) for c in (3, 4, GROUP_STATUS)]
    assert manager.get_bulk(world.oid(SYSTEM, 1), *columns, non_repeaters=1, repetitions=4) == \
        world.tools.get_bulk(world.oid(SYSTEM, 1), *columns, non_repeaters=1, repetitions=4)


# ---- setting ------------------------------------------------------------------------------------

class Row:
    def __init__(self, world, manager, table, status, *index):
        self.world, self.manager, self.table, self.index = world, manager, table, index
        self.status_column = status

    def oid(self, column):
        return self.world.oid(self.table, 1, column, *self.index)

    def to(self, status):
        return (self.oid(self.status_column), integer(status))

    def cell(self, column):
        v, = self.manager.get(self.oid(column))
        return v.value if v.type else None

    def status(self):
        return self.cell(self.status_column)


def network(world, manager, name):
    """A definition, a group, a target and both memberships; and what makes them, worst order
    first."""
    rows = [Row(world, manager, DEFINITION, DEFINITION_STATUS, "alice", name),
            Row(world, manager, GROUP, GROUP_STATUS, "alice", name),
            Row(world, manager, TARGET, TARGET_STATUS, "alice", name),
            Row(world, manager, GROUP_DEFINITION, MEMBER_STATUS, "alice", name, name),
            Row(world, manager, GROUP_TARGET, MEMBER_STATUS, "alice", name, name)]
    cells = [(rows[0].oid(CONDITION), octets("1 > 0")), (rows[2].oid(HANDLER), octets("mail")),
             (rows[2].oid(STATES), octets(b"\x30"))]
    return rows, cells


def refused(error, index, manager, *assignments):
    with pytest.raises(SetRefused) as caught:
        manager.set(*assignments)
    assert (caught.value.error, caught.value.index) == (error, index), caught.value


def test_rows_of_five_tables_in_one_set(world, manager, name):
    rows, cells = network(world, manager, name)
    assignments = [*(r.to(CREATE_AND_GO) for r in reversed(rows)), *cells]
    answer = manager.set(*assignments)
    assert [v.oid for v in answer] == [oid for oid, _ in assignments]
    assert [r.status() for r in rows] == [ACTIVE] * 5
    assert rows[2].cell(STATES) == b"\x30"
    manager.set(*(r.to(DESTROY) for r in rows))
    assert [r.status() for r in rows] == [None] * 5


def test_the_life_of_each_row_step_by_step(world, manager, name):
    rows, cells = network(world, manager, name)
    for row in rows:
        manager.set(row.to(CREATE_AND_WAIT))
        wants_more = row.table == TARGET
        assert row.status() == (NOT_READY if wants_more else NOT_IN_SERVICE)
        if wants_more or row.table == DEFINITION:
            refused("inconsistentValue", 1, manager, row.to(ACTIVE))
        own = [c for c in cells if c[0][:len(world.root) + 2] == world.oid(row.table)]
        for cell in own:
            manager.set(cell)
        assert row.status() == NOT_IN_SERVICE
        for status in (ACTIVE, NOT_IN_SERVICE, ACTIVE):
            manager.set(row.to(status))
            assert row.status() == status
        for status in (CREATE_AND_GO, CREATE_AND_WAIT):
            refused("inconsistentValue", 1, manager, row.to(status))
        refused("wrongValue", 1, manager, row.to(NOT_READY))
    for row in reversed(rows):
        manager.set(row.to(DESTROY))
        assert row.status() is None
        manager.set(row.to(DESTROY))


def test_a_set_is_read_by_the_tools(world, manager, name):
    row = Row(world, manager, DEFINITION, DEFINITION_STATUS, "alice", name)
    manager.set((row.oid(CONDITION), octets("false")), (row.oid(SEVERITY), integer(2)),
                (row.oid(INTERVAL), unsigned(5000)), (row.oid(DESCRIPTION), octets("äöü €")),
                row.to(CREATE_AND_GO))
    found = world.tools.get(*map(row.oid, (CONDITION, SEVERITY, INTERVAL, DESCRIPTION)))
    assert [(v.type, v.value) for v in found] == [
        ("STRING", b"false"), ("INTEGER", 2), ("Gauge32", 5000), ("STRING", "äöü €".encode())]
    manager.set(row.to(DESTROY))


def test_wrong_values_are_refused_where_they_are(world, manager, name):
    row = Row(world, manager, DEFINITION, DEFINITION_STATUS, "alice", name)
    manager.set((row.oid(CONDITION), octets("false")), row.to(CREATE_AND_GO))
    good = (row.oid(DESCRIPTION), octets("not kept"))
    none = Row(world, manager, DEFINITION, DEFINITION_STATUS, "alice", name + "x")
    nobody = Row(world, manager, DEFINITION, DEFINITION_STATUS, "mallory", name)
    for bad, error in [((row.oid(SEVERITY), octets("critical")), "wrongType"),
                       ((row.oid(INTERVAL), integer(5000)), "wrongType"),
                       ((row.oid(DESCRIPTION), octets("x" * 256)), "wrongLength"),
                       ((row.oid(SEVERITY), integer(9)), "wrongValue"),
                       ((row.oid(CONDITION), octets("a ? b")), "wrongValue"),
                       ((row.oid(DESCRIPTION), octets(b"\xc3\x28")), "wrongValue"),
                       ((row.oid(LAST_VALUE), octets("x")), "notWritable"),
                       ((none.oid(SEVERITY), integer(3)), "inconsistentName"),
                       (none.to(ACTIVE), "inconsistentValue"),
                       (nobody.to(CREATE_AND_GO), "noCreation"),
                       ((row.oid(CONDITION), octets("a ! b")), "resourceUnavailable")]:
        others = [good] if bad[0] != good[0] else [(row.oid(SEVERITY), integer(2))]
        refused(error, 1, manager, bad, *others)
        refused(error, 2, manager, *others, bad)
        assert (row.cell(DESCRIPTION), row.cell(SEVERITY)) == (b"", 4)
    said, = manager.get(world.oid(OWNER, 1, LAST_ERROR, "alice"))
    assert said.value.startswith(b"resourceUnavailable: saDefinitionCondition.")
    manager.set(row.to(DESTROY))


def test_as_many_varbinds_as_a_message_takes(world, manager, name):
    """More than snmpset(1) can name (128): 240 rows of two varbinds."""
    rows = [Row(world, manager, DEFINITION, DEFINITION_STATUS, "bob", f"{name}.{i}")
            for i in range(240)]
    answer = manager.set(*(a for r in rows
                           for a in (r.to(CREATE_AND_GO), (r.oid(CONDITION), octets("true")))))
    assert len(answer) == 480
    assert len(world.tools.walk(world.oid(DEFINITION, 1, DEFINITION_STATUS, "bob"))) == 240
    refused("wrongValue", 240, manager, *((r.oid(SEVERITY), integer(2)) for r in rows[:-1]),
            (rows[-1].oid(SEVERITY), integer(77)))
    assert {v.value for v in world.tools.walk(world.oid(DEFINITION, 1, SEVERITY, "bob"))} == {4}
    manager.set(*(r.to(DESTROY) for r in rows))
    assert world.tools.walk(world.oid(DEFINITION, 1, DEFINITION_STATUS, "bob")) == []
