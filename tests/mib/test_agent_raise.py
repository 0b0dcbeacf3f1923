"""saRaiseTable as a manager sets it: what a command needs, that it is given once, and whose it is.
What the daemon does with it is tests/live/test_raise.py's."""

import itertools

import pytest

from conftest import World
from lib.snmp import SetRefused

RAISE = 18
VERB, RESOURCE_TYPE, ALERT_TYPE, RESOURCE_ID, SEVERITY, MESSAGE, TTL, RESULT, ERROR, ALERT, DONE_AT, \
    STATUS = range(2, 14)
ACTIVE, NOT_IN_SERVICE, NOT_READY, CREATE_AND_GO, CREATE_AND_WAIT, DESTROY = range(1, 7)
ROWS = [("saOwnerTable", owner, "3=0") for owner in ("alice", "bob", "admin")]

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def world(server):
    w = World(ROWS, server=server)
    w.wait_served()
    yield w
    w.close()


class Command:
    def __init__(self, world, owner="alice", number=None):
        self.world, self.owner, self.number = world, owner, number or next(numbers)

    def oid(self, column):
        return self.world.oid(RAISE, 1, column, self.owner, self.number)

    def set(self, status=CREATE_AND_GO, **cells):
        columns = {"type": (RESOURCE_TYPE, "s"), "alert": (ALERT_TYPE, "s"), "id": (RESOURCE_ID, "s"),
                   "verb": (VERB, "i"), "severity": (SEVERITY, "i"), "ttl": (TTL, "u"),
                   "message": (MESSAGE, "s"), "result": (RESULT, "i"), "number": (ALERT, "u")}
        varbinds = [(self.oid(columns[c][0]), columns[c][1], v) for c, v in cells.items()]
        if status:
            varbinds.append((self.oid(STATUS), "i", status))
        return self.world.tools.set(*varbinds)

    def cell(self, column):
        v, = self.world.tools.get(self.oid(column))
        return v.value if v.type else None


def refused(error, command, **cells):
    with pytest.raises(SetRefused) as caught:
        command.set(**cells)
    assert caught.value.error == error, caught.value


def test_a_command_is_queued_with_its_defaults(world):
    c = Command(world)
    c.set(type="node", alert="full")
    assert [c.cell(n) for n in range(VERB, STATUS + 1)] == \
        [1, b"node", b"full", b"", 4, b"", 0, 1, b"", 0, bytes(8), ACTIVE]


def test_what_is_sent_again_is_refused(world):
    c = Command(world)
    c.set(type="node", alert="full")
    refused("inconsistentValue", c, type="node", alert="full")
    refused("inconsistentValue", c, type="node", alert="other")
    assert c.cell(ALERT_TYPE) == b"full"


def test_the_same_number_of_two_owners(world):
    c, other = Command(world), Command(world, "bob")
    other.number = c.number
    c.set(type="node", alert="full")
    other.set(type="disk", alert="slow")
    assert (c.cell(ALERT_TYPE), other.cell(ALERT_TYPE)) == (b"full", b"slow")
    refused("noCreation", Command(world, "mallory"), type="node", alert="full")


@pytest.mark.parametrize("cells, error", [
    ({"type": "node"}, "inconsistentValue"),
    ({"alert": "full"}, "inconsistentValue"),
    ({"type": "", "alert": "full"}, "wrongLength"),
    ({"type": "n" * 33, "alert": "full"}, "wrongLength"),
    ({"type": "node", "alert": "full", "id": "i" * 223}, "wrongLength"),
    ({"type": "node", "alert": "full", "severity": 1}, "wrongValue"),
    ({"type": "node", "alert": "full", "severity": 5}, "wrongValue"),
    ({"type": "node", "alert": "full", "verb": 4}, "wrongValue"),
    ({"type": "node", "alert": "full", "message": "m" * 256}, "wrongLength"),
    ({"type": "node", "alert": "full", "ttl": 3153600001}, "wrongValue"),
    ({"type": "node", "alert": "full", "result": 2}, "notWritable"),
    ({"type": "node", "alert": "full", "number": 1}, "notWritable"),
])
def test_what_a_command_may_not_be(world, cells, error):
    c = Command(world)
    refused(error, c, **cells)
    assert c.cell(STATUS) is None


def test_largest(world):
    c = Command(world, number=4294967295)
    c.set(type="t" * 32, alert="a" * 32, id="i" * 222, message="m" * 255, ttl=3153600000, severity=2)
    assert c.cell(RESOURCE_ID) == b"i" * 222


def test_in_two_steps(world):
    c = Command(world)
    c.set(CREATE_AND_WAIT, type="node")
    assert c.cell(STATUS) == NOT_READY
    c.set(None, alert="full", verb=2)
    assert c.cell(STATUS) == NOT_IN_SERVICE
    c.set(ACTIVE)
    assert (c.cell(STATUS), c.cell(RESULT)) == (ACTIVE, 1)


def test_a_command_is_not_changed_or_taken_back(world):
    c = Command(world)
    c.set(type="node", alert="full")
    for cells in ({"verb": 2}, {"severity": 2}, {"message": "x"}, {"ttl": 1}, {"id": "x"}):
        refused("inconsistentValue", c, status=None, **cells)
    refused("inconsistentValue", c, status=NOT_IN_SERVICE)
    c.set(DESTROY)
    assert c.cell(STATUS) is None
    c.set(type="node", alert="full")  # a command of its own
