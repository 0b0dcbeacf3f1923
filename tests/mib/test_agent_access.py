"""Access per owner. AgentX hides who asks, so the master's VACM decides: since the owner is the
first index of every table, one view line, with table and column left open by its mask, covers all
that is an owner's."""

import pytest

from conftest import arcs
from lib.snmp import SetRefused, Tools, oid_text

ROWS = [
    ("saSystem", "1=1.0"),
    ("saOwnerTable", "alice", "3=7"), ("saOwnerTable", "bob", "3=8"), ("saOwnerTable", "alicia", "3=9"),
    ("saGroupTable", "alice", "ops", "5=1"), ("saGroupTable", "bob", "ops", "5=1"),
    ("saGroupTable", "alicia", "ops", "5=1"),
    ("saHistoryTable", "alice", 1, "3=cpu"), ("saHistoryTable", "bob", 2, "3=cpu"),
]
GROUP, DESCRIPTION, STATUS, CREATE_AND_GO = 12, 3, 5, 4


def view_line(root, owner):
    """ROOT.1.table.1.column.owner; the two that the mask leaves open are written as 0."""
    oid = root + (1, 0, 1, 0) + arcs(owner)
    open_at = {len(root) + 1, len(root) + 3}
    flags = [0 if i in open_at else 1 for i in range(len(oid))]
    flags += [0] * (-len(flags) % 8)
    octets = [int("".join(map(str, flags[i:i + 8])), 2) for i in range(0, len(flags), 8)]
    return f"view v-{owner} included {oid_text(oid)} {':'.join(f'{o:02x}' for o in octets)}\n"


def configuration(root, owner):
    return (f"com2sec s-{owner} 127.0.0.1 secret-{owner}\n"
            f"group g-{owner} v2c s-{owner}\n"
            + view_line(root, owner)
            + f"access g-{owner} \"\" v2c noauth exact v-{owner} v-{owner} none\n")


@pytest.fixture
def world(make_world, server):
    w = make_world(ROWS, start_snmpd=False, server=server)
    with open(w.snmpd.conf, "a") as f:
        for owner in ("alice", "bob"):
            f.write(configuration(w.root, owner))
    w.snmpd.start()
    w.wait_served()
    return w


def as_owner(world, owner):
    return Tools(world.snmpd, community=f"secret-{owner}")


def owners_of(world, varbinds):
    """Whose rows they are."""
    at = len(world.root) + 4
    return {bytes(v.oid[at + 1:at + 1 + v.oid[at]]).decode() for v in varbinds}


def test_a_walk_shows_what_is_the_owners(world):
    everything = [v for v in world.tools.walk(world.root) if v.oid > world.oid(2)]
    assert owners_of(world, everything) == {"alice", "bob", "alicia"}
    for owner in ("alice", "bob"):
        for repetitions in (1, 25):
            seen = as_owner(world, owner).walk(world.root, repetitions)
            assert owners_of(world, seen) == {owner}
            assert len(seen) == len([v for v in everything if owners_of(world, [v]) == {owner}])


def test_get_of_a_foreign_row(world):
    own, foreign, scalar = (world.oid(GROUP, 1, STATUS, "alice", "ops"),
                            world.oid(GROUP, 1, STATUS, "bob", "ops"), world.oid(1, 1, 0))
    got = as_owner(world, "alice").get(own, foreign, scalar)
    assert [v.type for v in got] == ["INTEGER", None, None]


def test_set_of_a_foreign_row(world):
    alice = as_owner(world, "alice")
    alice.set((world.oid(GROUP, 1, DESCRIPTION, "alice", "ops"), "s", "mine"))
    for oid, kind, value in [
            (world.oid(GROUP, 1, DESCRIPTION, "bob", "ops"), "s", "stolen"),
            (world.oid(GROUP, 1, STATUS, "bob", "new"), "i", CREATE_AND_GO),
            (world.oid(GROUP, 1, STATUS, "alicia", "new"), "i", CREATE_AND_GO)]:
        with pytest.raises(SetRefused) as caught:
            alice.set((world.oid(GROUP, 1, DESCRIPTION, "alice", "ops"), "s", "changed"),
                      (oid, kind, value))
        assert (caught.value.error, caught.value.index) == ("noAccess", 2)
    assert world.tools.get(world.oid(GROUP, 1, DESCRIPTION, "alice", "ops"))[0].value == b"mine"
    assert world.tools.get(world.oid(GROUP, 1, DESCRIPTION, "bob", "ops"))[0].value == b""
