"""saTrialTable as a manager meets it: rows from their making to their end, what is asked for once
whatever comes twice, and what is refused, with its words. No core is there to answer."""

import pytest

from conftest import World
from lib.snmp import SetRefused
from row import (ACTIVE, CREATE_AND_GO, CREATE_AND_WAIT, DESTROY, NOT_IN_SERVICE, NOT_READY, TRIAL,
                 Row)

CONDITION, SCRIPT, DEFINITION, RUN, STATE, TOPICS, STORAGE = 2, 3, 4, 5, 6, 13, 17
IDLE, RUNNING = 1, 2
OWNER, LAST_ERROR = 3, 4

ROWS = [("saSystem", "1=1.0"), ("saOwnerTable", "alice", "3=0"), ("saOwnerTable", "bob", "3=0"),
        ("saScriptTable", "admin", "common", "4=3", "5=1"),
        ("saScriptTextTable", "admin", "common", 1, "2=1 > 0", "3=3", "4=1"),
        ("saScriptTable", "bob", "own", "4=3", "5=1"),
        ("saDefinitionTable", "bob", "load", "2=true", "14=3", "15=1")]


@pytest.fixture(scope="module")
def world():
    w = World(ROWS)
    w.wait_served()
    yield w
    w.close()


@pytest.fixture
def row(world, request):
    r = Row(world, TRIAL, "alice", request.node.name[:32])
    yield r
    r.set(r.to(DESTROY))
    assert r.status() is None


def refused(row, *varbinds):
    """(error, index), and the words that the owner is left."""
    with pytest.raises(SetRefused) as caught:
        row.set(*varbinds)
    v, = row.world.tools.get(row.world.oid(OWNER, 1, LAST_ERROR, "alice"))
    return (caught.value.error, caught.value.index), v.value.decode()


def test_a_trial_is_made_and_run_by_one_request(row):
    row.set(row.to(CREATE_AND_GO), (row.oid(CONDITION), "s", "1 < 2"), (row.oid(RUN), "i", 0))
    assert (row.status(), row.cell(STATE), row.cell(RUN)) == (ACTIVE, RUNNING, 1)
    assert row.cell(STORAGE) == 3
    # The same request again, as one that was lost on its way back: it asks for nothing.
    assert refused(row, (row.oid(RUN), "i", 0))[0] == ("inconsistentValue", 1)
    assert row.cell(RUN) == 1
    row.set((row.oid(RUN), "i", 1), (row.oid(CONDITION), "s", "2 < 1"))
    assert (row.cell(RUN), row.cell(STATE)) == (2, RUNNING)


def test_a_trial_is_made_step_by_step(row):
    row.set(row.to(CREATE_AND_WAIT))
    assert (row.status(), row.cell(STATE)) == (NOT_IN_SERVICE, IDLE)
    what, words = refused(row, row.to(ACTIVE))
    assert what == ("inconsistentValue", 1)
    assert "neither a condition nor a script nor a definition is given" in words
    row.set((row.oid(SCRIPT), "s", "common"))
    row.set(row.to(ACTIVE))
    assert (row.status(), row.cell(STATE)) == (ACTIVE, IDLE)
    row.set(row.to(NOT_IN_SERVICE))
    assert row.status() == NOT_IN_SERVICE != NOT_READY


@pytest.mark.parametrize("column,text,error,words", [
    (CONDITION, "1 ?", "wrongValue", "SyntaxError: unexpected '?'"),
    (CONDITION, "1!", "resourceUnavailable", "the compiler did not answer in time"),
    (SCRIPT, "nowhere", "inconsistentValue", "no script 'nowhere', neither of alice nor of admin"),
    (SCRIPT, "own", "inconsistentValue", "no script 'own', neither of alice nor of admin"),
    (DEFINITION, "load", "inconsistentValue", "owner alice has no definition 'load'"),
])
def test_what_is_wrong_is_refused(world, column, text, error, words):
    r = Row(world, TRIAL, "alice", "wrong")
    what, said = refused(r, r.to(CREATE_AND_GO), (r.oid(column), "s", text))
    assert what == (error, 2) and words in said
    assert r.status() is None


def test_results_are_not_written(row):
    row.set(row.to(CREATE_AND_GO), (row.oid(CONDITION), "s", "true"))
    for column, kind, value in ((STATE, "i", 3), (TOPICS, "s", "x")):
        assert refused(row, (row.oid(column), kind, value))[0] == ("notWritable", 1)
    what, said = refused(row, (row.oid(SCRIPT), "s", "common"))
    assert what == ("inconsistentValue", 1) and "both a condition and a script" in said
