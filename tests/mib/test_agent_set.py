"""SET through a real master: RowStatus (RFC 2579), errors and which varbind they blame, several rows
and tables in one PDU, and all or nothing whoever refuses."""

import os
import re
import signal

import pytest

from conftest import World, evaluator_of, program
from lib.process import Process
from lib.snmp import SetRefused
from lib.wait import wait_for
from row import (ACTIVE, CREATE_AND_GO, CREATE_AND_WAIT, DEFINITION, DESTROY, GROUP,
                 GROUP_DEFINITION, GROUP_TARGET, NOT_IN_SERVICE, NOT_READY, STATUS, STORAGE, TARGET,
                 Row)

OWNER_TABLE, HANDLER_TABLE = 3, 4
CONDITION, SEVERITY, INTERVAL, DESCRIPTION, LAST_VALUE = 2, 4, 6, 12, 18
HANDLER, RECIPIENTS, STATES, TARGET_DESCRIPTION = 2, 3, 6, 8
MATCH, MATCH_ERROR = 19, 24

ROWS = [
    ("saOwnerTable", "alice", "3=0"),
    ("saOwnerTable", "bob", "3=0"),
    ("saOwnerTable", "admin", "3=0"),
    ("saHandlerTable", "admin", "mail", "2=smtp"),
    ("saDefinitionTable", "alice", "fixed", "2=true", "14=5", "15=1"),
    ("saDefinitionTable", "alice", "kept", "2=true", "14=4", "15=1"),
]


@pytest.fixture(scope="module")
def world(server):
    w = World(ROWS, server=server)
    w.wait_served()
    yield w
    w.close()


def refused(world, error, index, *varbinds):
    with pytest.raises(SetRefused) as caught:
        world.tools.set(*varbinds)
    assert (caught.value.error, caught.value.index) == (error, index), caught.value
    return caught.value


def definition(world, name, owner="alice"):
    return Row(world, DEFINITION, owner, name)


def heard(world, mark):
    """The agent process tells of a SET; the module has nobody to tell."""
    if world.server == "agent":
        world.agent.expect(r"^set$", since=mark)


def made(world, name):
    """A definition that is active."""
    row = definition(world, name)
    row.set((row.oid(CONDITION), "s", "1 > 0"), row.to(CREATE_AND_GO))
    return row


# ---- RowStatus ----------------------------------------------------------------------------------

def test_create_and_go(world, name):
    row = definition(world, name)
    mark = world.agent.mark()
    row.set((row.oid(CONDITION), "s", "1 > 0"), (row.oid(SEVERITY), "i", 3), row.to(CREATE_AND_GO))
    assert row.status() == ACTIVE
    assert row.cell(CONDITION) == b"1 > 0"
    assert row.cell(SEVERITY) == 3
    assert row.cell(INTERVAL) == 60000
    assert row.cell(STORAGE[DEFINITION]) == 3
    heard(world, mark)


def test_status_first_or_last_is_the_same(world, name):
    row = definition(world, name)
    row.set(row.to(CREATE_AND_GO), (row.oid(CONDITION), "s", "false"))
    assert (row.status(), row.cell(CONDITION)) == (ACTIVE, b"false")


def test_create_and_wait_with_a_required_column(world, name):
    row = Row(world, TARGET, "alice", name)
    row.set(row.to(CREATE_AND_WAIT))
    assert row.status() == NOT_READY
    assert row.cell(HANDLER) is None
    refused(world, "inconsistentValue", 1, row.to(ACTIVE))
    row.set((row.oid(HANDLER), "s", "mail"))
    assert row.status() == NOT_IN_SERVICE
    row.set((row.oid(RECIPIENTS), "s", "alice@example.net"))
    row.set(row.to(ACTIVE))
    assert row.status() == ACTIVE
    row.set(row.to(NOT_IN_SERVICE))
    assert row.status() == NOT_IN_SERVICE
    row.set(row.to(ACTIVE))
    row.set(row.to(DESTROY))
    assert row.status() is None


def test_create_and_wait_activated_at_once(world, name):
    """RFC 2579: a row that has all it needs is notInService, not notReady."""
    row = Row(world, TARGET, "alice", name)
    row.set(row.to(CREATE_AND_WAIT), (row.oid(HANDLER), "s", "mail"))
    assert row.status() == NOT_IN_SERVICE


def test_create_and_go_without_a_required_column(world, name):
    row = Row(world, TARGET, "alice", name)
    refused(world, "inconsistentValue", 1, row.to(CREATE_AND_GO))
    assert row.status() is None


@pytest.mark.parametrize("status", [CREATE_AND_GO, CREATE_AND_WAIT])
def test_create_what_exists(world, name, status):
    row = made(world, name)
    refused(world, "inconsistentValue", 1, row.to(status))
    assert row.status() == ACTIVE


@pytest.mark.parametrize("status", [ACTIVE, NOT_IN_SERVICE])
def test_activate_what_does_not_exist(world, name, status):
    row = definition(world, name)
    refused(world, "inconsistentValue", 1, row.to(status))
    assert row.status() is None


@pytest.mark.parametrize("status", [NOT_READY, 0, 7, -1])
def test_status_that_nobody_may_set(world, name, status):
    row = made(world, name)
    refused(world, "wrongValue", 1, row.to(status))
    assert row.status() == ACTIVE


def test_destroy_what_does_not_exist(world, name):
    row = definition(world, name)
    row.set(row.to(DESTROY))
    assert row.status() is None


def test_destroy_and_make_again(world, name):
    row = made(world, name)
    row.set((row.oid(DESCRIPTION), "s", "old"))
    row.set(row.to(DESTROY))
    assert row.cell(DESCRIPTION) is None
    row.set(row.to(CREATE_AND_WAIT))
    assert row.cell(DESCRIPTION) == b""


# ---- errors -------------------------------------------------------------------------------------

def test_wrong_type(world, name):
    row = made(world, name)
    for column, kind, value in [(CONDITION, "i", 1), (SEVERITY, "s", "critical"),
                                (SEVERITY, "u", 3), (INTERVAL, "i", 5000), (CONDITION, "o", ".1.3")]:
        refused(world, "wrongType", 1, (row.oid(column), kind, value))


def test_wrong_length(world, name):
    row = made(world, name)
    refused(world, "wrongLength", 1, (row.oid(CONDITION), "s", "x" * 1025))
    refused(world, "wrongLength", 1, (row.oid(DESCRIPTION), "s", "x" * 256))
    row.set((row.oid(CONDITION), "s", "x" * 1024))
    assert row.cell(CONDITION) == b"x" * 1024


def test_wrong_value(world, name):
    row = made(world, name)
    for column, kind, value in [(SEVERITY, "i", 1), (SEVERITY, "i", 5), (INTERVAL, "u", 999),
                                (INTERVAL, "u", 86400001), (DESCRIPTION, "x", "c328"),
                                (CONDITION, "s", "a ? b")]:
        refused(world, "wrongValue", 1, (row.oid(column), kind, value))


def is_taken(world, *varbind):
    try:
        return world.tools.set(varbind)
    except SetRefused:
        return False


def test_compiler_that_does_not_answer(world, name):
    """agenthost's takes too long with what has a '!' in it; the module's is a real one."""
    row = made(world, name)
    if world.server == "module":
        os.kill(evaluator_of(world.snmpd.process.pid), signal.SIGSTOP)
    refused(world, "resourceUnavailable", 1, (row.oid(CONDITION), "s", "for (;;) !0"))
    assert row.cell(CONDITION) == b"1 > 0"
    wait_for(lambda: is_taken(world, row.oid(CONDITION), "s", "2 > 1"), "the next compiler")


def test_not_writable(world, name):
    row = made(world, name)
    for oid, kind, value in [
            (row.oid(LAST_VALUE), "s", "x"),           # read-only column
            (world.oid(1, 1, 0), "s", "2.0"),          # scalar
            (world.oid(OWNER_TABLE, 1, 3, "alice"), "u", 1),
            (row.oid(99), "i", 1),                     # no such column
            (world.oid(99, 1, 1, 1), "i", 1),          # no such table
            (world.root + (0, 1), "i", 1)]:            # a notification
        refused(world, "notWritable", 1, (oid, kind, value))


def test_no_creation(world):
    """Indexes that no row can have: a name that is empty, too long, cut short, or followed by
    more."""
    status = world.oid(DEFINITION, 1, STATUS[DEFINITION])
    for index in [(5, 97, 108, 105, 99, 101, 0), (5, 97, 108), (0, 1, 97),
                  (1, 97, 33) + (97,) * 33, (1, 97, 1, 98, 1), (1, 97, 1, 256)]:
        refused(world, "noCreation", 1, (status + index, "i", CREATE_AND_GO))


def test_cell_of_a_row_that_does_not_exist(world, name):
    row = definition(world, name)
    refused(world, "inconsistentName", 1, (row.oid(SEVERITY), "i", 3))
    assert row.status() is None


def test_frozen_while_active(world, name):
    row = Row(world, TARGET, "alice", name)
    row.set((row.oid(HANDLER), "s", "mail"), row.to(CREATE_AND_GO))
    refused(world, "inconsistentValue", 1, (row.oid(HANDLER), "s", "post"))
    row.set((row.oid(TARGET_DESCRIPTION), "s", "may change"))
    assert row.cell(HANDLER) == b"mail"


def test_reference_to_nothing(world, name):
    row = Row(world, TARGET, "alice", name)
    e = refused(world, "inconsistentValue", 1,
                (row.oid(HANDLER), "s", "nowhere"), row.to(CREATE_AND_GO))
    assert row.status() is None, e


def test_rows_of_the_configuration_file(world):
    fixed, kept = definition(world, "fixed"), definition(world, "kept")
    for varbind in ((fixed.oid(SEVERITY), "i", 2), fixed.to(DESTROY), fixed.to(NOT_IN_SERVICE)):
        with pytest.raises(SetRefused) as caught:
            world.tools.set(varbind)
        assert caught.value.error in ("notWritable", "inconsistentValue"), caught.value
    assert fixed.status() == ACTIVE
    kept.set((kept.oid(SEVERITY), "i", 2))
    assert kept.cell(SEVERITY) == 2
    with pytest.raises(SetRefused):
        world.tools.set(kept.to(DESTROY))
    assert kept.status() == ACTIVE


def test_the_reason_in_words(world, name):
    """saOwnerLastError of the owner whose row it was, and of nobody else."""
    row = made(world, name)
    alice, bob = (world.oid(OWNER_TABLE, 1, 4, o) for o in ("alice", "bob"))
    before = world.tools.get(bob)
    refused(world, "wrongValue", 1, (row.oid(CONDITION), "s", "1 ?"))
    said, = world.tools.get(alice)
    assert b"wrongValue" in said.value and b"SyntaxError: unexpected" in said.value, said
    when, = world.tools.get(world.oid(OWNER_TABLE, 1, 5, "alice"))
    assert when.value != bytes(8)
    assert world.tools.get(bob) == before
    refused(world, "wrongType", 1, (definition(world, name, "bob").oid(SEVERITY), "s", "x"))
    assert b"wrongType" in world.tools.get(bob)[0].value


def test_the_match_of_a_target_is_compiled(world, name):
    row = Row(world, TARGET, "alice", name)
    row.set((row.oid(HANDLER), "s", "mail"), row.to(CREATE_AND_GO))
    assert row.cell(MATCH) == b"" and row.cell(MATCH_ERROR) == b""
    row.set((row.oid(MATCH), "s", "changed && level == 'CRITICAL'"))
    refused(world, "wrongValue", 1, (row.oid(MATCH), "s", "changed ?"))
    said, = world.tools.get(world.oid(OWNER_TABLE, 1, 4, "alice"))
    assert re.search(rb'saTargetMatch\."alice"\.".+": (line 1: )?SyntaxError', said.value), said
    assert row.cell(MATCH) == b"changed && level == 'CRITICAL'"
    refused(world, "wrongLength", 1, (row.oid(MATCH), "s", "1" * 1025))
    refused(world, "notWritable", 1, (row.oid(MATCH_ERROR), "s", "x"))
    row.set((row.oid(MATCH), "s", ""))


def test_a_test_and_incr_is_a_lock(world):
    """RFC 2579: naming the value that it has advances it, any other one is refused."""
    reload = world.oid(1, 17, 0)
    now, = world.tools.get(reload)
    world.tools.set((reload, "i", now.value))
    refused(world, "inconsistentValue", 1, (reload, "i", now.value))
    refused(world, "inconsistentValue", 1, (reload, "i", now.value + 2))
    refused(world, "wrongValue", 1, (reload, "i", -1))
    refused(world, "wrongType", 1, (reload, "u", now.value + 1))
    assert world.tools.get(reload)[0].value == now.value + 1
    world.tools.set((reload, "i", now.value + 1))
    assert world.tools.get(reload)[0].value == now.value + 2


def test_the_reason_goes_to_the_owner_of_the_bad_row(world, name):
    row = made(world, name)
    alice = world.tools.get(world.oid(OWNER_TABLE, 1, 4, "alice"))
    refused(world, "inconsistentName", 2, (row.oid(SEVERITY), "i", 2),
            (definition(world, name, "bob").oid(SEVERITY), "i", 2))
    assert world.tools.get(world.oid(OWNER_TABLE, 1, 4, "alice")) == alice
    assert b"inconsistentName" in world.tools.get(world.oid(OWNER_TABLE, 1, 4, "bob"))[0].value


def test_an_owner_that_does_not_exist_gets_no_row(world, name):
    refused(world, "wrongType", 1, (definition(world, name, "mallory").oid(SEVERITY), "s", "x"))
    assert world.tools.get(world.oid(OWNER_TABLE, 1, 4, "mallory"))[0].type is None


# ---- one PDU, one transaction --------------------------------------------------------------------

def network(world, name):
    """A definition, a group, a target and both memberships, as varbinds in the worst order."""
    d, g = definition(world, name), Row(world, GROUP, "alice", name)
    t = Row(world, TARGET, "alice", name)
    gd = Row(world, GROUP_DEFINITION, "alice", name, name)
    gt = Row(world, GROUP_TARGET, "alice", name, name)
    varbinds = [gt.to(CREATE_AND_GO), gd.to(CREATE_AND_GO), t.to(CREATE_AND_GO),
                (t.oid(HANDLER), "s", "mail"), (t.oid(RECIPIENTS), "s", "alice@example.net"),
                (t.oid(STATES), "x", "30"), g.to(CREATE_AND_GO), (d.oid(CONDITION), "s", "true"),
                d.to(CREATE_AND_GO)]
    return (d, g, t, gd, gt), varbinds


def test_several_tables_in_one_set(world, name):
    rows, varbinds = network(world, name)
    world.tools.set(*varbinds)
    assert [r.status() for r in rows] == [ACTIVE] * 5
    assert rows[2].cell(STATES) == b"\x30"
    world.tools.set(*(r.to(DESTROY) for r in rows))
    assert [r.status() for r in rows] == [None] * 5


def test_one_bad_varbind_undoes_all(world, name):
    rows, varbinds = network(world, name)
    for bad, error in [((rows[0].oid(SEVERITY), "i", 9), "wrongValue"),
                       ((rows[0].oid(SEVERITY), "s", "x"), "wrongType"),
                       ((definition(world, name + "x").oid(SEVERITY), "i", 3), "inconsistentName"),
                       ((rows[0].oid(LAST_VALUE), "s", "x"), "notWritable")]:
        for at in (0, 4, len(varbinds)):
            refused(world, error, at + 1, *varbinds[:at], bad, *varbinds[at:])
            assert [r.status() for r in rows] == [None] * 5


def test_missing_reference_within_the_set(world, name):
    rows, varbinds = network(world, name)
    without_target = [v for v in varbinds if v[0][len(world.root) + 1] != TARGET]
    with pytest.raises(SetRefused):
        world.tools.set(*without_target)
    assert [r.status() for r in rows] == [None] * 5


def test_two_rows_of_one_table(world, name):
    one, two = definition(world, name), definition(world, name + "b")
    world.tools.set(one.to(CREATE_AND_GO), two.to(CREATE_AND_GO), (one.oid(CONDITION), "s", "1"),
                    (two.oid(CONDITION), "s", "2"))
    assert (one.cell(CONDITION), two.cell(CONDITION)) == (b"1", b"2")
    world.tools.set(one.to(DESTROY), (two.oid(CONDITION), "s", "3"))
    assert (one.status(), two.cell(CONDITION)) == (None, b"3")


def test_same_instance_twice(world, name):
    row = made(world, name)
    row.set((row.oid(SEVERITY), "i", 3), (row.oid(SEVERITY), "i", 3))
    assert row.cell(SEVERITY) == 3
    with pytest.raises(SetRefused) as caught:
        row.set((row.oid(SEVERITY), "i", 2), (row.oid(SEVERITY), "i", 4))
    assert caught.value.error == "inconsistentValue"
    assert row.cell(SEVERITY) == 3


def test_thirty_rows_in_one_set(world, name):
    rows = [definition(world, f"{name}.{i}") for i in range(30)]
    world.tools.set(*(v for r in rows
                      for v in ((r.oid(CONDITION), "s", "true"), r.to(CREATE_AND_GO))))
    found = world.tools.get(*(r.oid(STATUS[DEFINITION]) for r in rows))
    assert [v.value for v in found] == [ACTIVE] * len(rows)


# ---- another subagent takes part ------------------------------------------------------------------

REFUSER = (1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 8888, 1)
TAKES, REFUSES_TEST, REFUSES_COMMIT = 3, 1, 2


@pytest.fixture
def refuser(world):
    p = Process([program("refuser"), world.snmpd.agentx])
    p.expect(r"^ready$")
    wait_for(lambda: world.tools.get(REFUSER)[0].type == "INTEGER", "the refuser to be registered")
    yield p
    p.stop()


def test_both_subagents_commit(world, refuser, name):
    row = definition(world, name)
    row.set((row.oid(CONDITION), "s", "true"), row.to(CREATE_AND_GO), (REFUSER, "i", TAKES))
    assert row.status() == ACTIVE
    assert world.tools.get(REFUSER)[0].value == TAKES
    refuser.expect(r"^commit$")


@pytest.mark.parametrize("first", [True, False])
def test_the_other_refuses_in_the_test_phase(world, refuser, name, first):
    row = made(world, name)
    mine, other = (row.oid(SEVERITY), "i", 2), (REFUSER, "i", REFUSES_TEST)
    refused(world, "resourceUnavailable", 1 if first else 2,
            *((other, mine) if first else (mine, other)))
    assert row.cell(SEVERITY) == 4
    row.set((row.oid(SEVERITY), "i", 3))
    assert row.cell(SEVERITY) == 3


def undone(world, refuser, *varbinds):
    """A SET that our side has committed when the other's commit fails."""
    mark = refuser.mark()
    with pytest.raises(SetRefused) as caught:
        world.tools.set(*varbinds, (REFUSER, "i", REFUSES_COMMIT))
    assert caught.value.error == "commitFailed"
    refuser.expect(r"^action$", since=mark)


def test_undo_of_a_change(world, refuser, name):
    row = made(world, name)
    row.set((row.oid(DESCRIPTION), "s", "before"))
    mark = world.agent.mark()
    undone(world, refuser, (row.oid(DESCRIPTION), "s", "after"), (row.oid(SEVERITY), "i", 2))
    assert (row.cell(DESCRIPTION), row.cell(SEVERITY)) == (b"before", 4)
    heard(world, mark)


def test_undo_of_creation_and_destruction(world, refuser, name):
    old = made(world, name)
    old.set((old.oid(DESCRIPTION), "s", "lives on"), (old.oid(SEVERITY), "i", 2))
    rows, varbinds = network(world, name + "n")
    undone(world, refuser, *varbinds, old.to(DESTROY))
    assert [r.status() for r in rows] == [None] * 5
    assert (old.status(), old.cell(DESCRIPTION), old.cell(SEVERITY)) == (ACTIVE, b"lives on", 2)
    world.tools.set(*varbinds)
    assert [r.status() for r in rows] == [ACTIVE] * 5


def test_our_refusal_stops_the_other(world, refuser, name):
    world.tools.set((REFUSER, "i", TAKES))
    refuser.expect(r"^commit$")  # which has no answer that the SET could have waited for
    row = definition(world, name)
    mark = refuser.mark()
    with pytest.raises(SetRefused) as caught:
        world.tools.set((REFUSER, "i", TAKES + 1), (row.oid(SEVERITY), "i", 3))
    assert caught.value.error == "inconsistentName"
    assert world.tools.get(REFUSER)[0].value == TAKES
    assert not re.search(r"^action$", refuser.output()[mark:], re.M)


# ---- what survives --------------------------------------------------------------------------------

def test_a_set_survives_the_agent(make_world):
    world = make_world(ROWS)
    world.wait_served()
    row = made(world, "lasting")
    world.agent.kill()
    world.start_agent()
    wait_for(lambda: row.status() == ACTIVE, "the row to be served again")
    assert row.cell(CONDITION) == b"1 > 0"


def test_master_dies_and_sets_go_on(make_world):
    world = make_world(ROWS)
    world.wait_served()
    row = made(world, "before")
    world.snmpd.process.kill()
    world.snmpd.start()
    wait_for(lambda: row.status() == ACTIVE, "the registration to come back")
    row.set((row.oid(SEVERITY), "i", 2))
    assert row.cell(SEVERITY) == 2
