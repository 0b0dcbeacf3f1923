"""An agent that is late: the master sends its requests again after agentXTimeout, on a stream that
loses nothing. One that comes again is no other request."""

import concurrent.futures
import contextlib
import math
import re

import pytest

from conftest import program
from lib.process import Process
from lib.snmp import DEFAULTS, SetRefused
from lib.snmpclient import Client, text
from lib.wait import elapse, wait_for

ROWS = [("saSystem", "1=1.0"), ("saOwnerTable", "admin"),
        ("saDefinitionTable", "admin", "one", "2=false", "12=old", "14=3", "15=1")]
LATE = 2.5   # seconds: sent again twice
PATIENCE = 6  # of snmpd with DEFAULTS
SHORT = "agentXTimeout 1\nagentXRetries 0\n"
GAVE_UP = r"hung up on an answer that took (\d+\.\d) s.* write 'agentXTimeout (\d+)' into snmpd.conf"


@contextlib.contextmanager
def slow_disk(world):
    """Commits wait for as long as the block lasts."""
    hold = Process([program("storehold"), world.folder + "/store"])
    hold.expect("^held$")
    try:
        yield
    finally:
        hold.stop()


def stopped(world):
    return world.agent.stopped()


def description(world):
    return world.tools.get(world.oid(9, 1, 12, "admin", "one"))[0].value


def set_while(world, lateness, seconds):
    """What became of a SET that the agent can answer after SECONDS only: None, or what was raised."""
    name = world.oid(9, 1, 12, "admin", "one")
    client = Client(world.snmpd.port)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with lateness(world):
            answer = pool.submit(client.set, (name, text("new")), timeout=seconds + 10)
            elapse(seconds)
        try:
            return answer.result()
        except SetRefused as e:
            return e
        finally:
            client.close()


@pytest.mark.parametrize("lateness", (slow_disk, stopped))
def test_late_set_is_done_once(make_world, lateness):
    world = make_world(ROWS, config=DEFAULTS)
    world.wait_served()
    assert set_while(world, lateness, LATE) is None
    assert description(world) == b"new"
    assert world.agent.output().count("set\n") == 1
    assert "bad AgentX request" not in world.agent.output()
    asked_again = "asked again meanwhile; it is answered once"
    assert world.agent.output().count(asked_again) == (lateness == slow_disk)
    assert "snmpd.conf" not in world.agent.output()
    world.tools.set((world.oid(9, 1, 12, "admin", "one"), "s", "newer"))
    assert description(world) == b"newer"


def test_late_get_is_answered_once(make_world):
    world = make_world(ROWS, config=DEFAULTS)
    world.wait_served()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with stopped(world):
            answer = pool.submit(description, world)
            elapse(LATE)
        assert answer.result() == b"old"


def test_set_later_than_the_masters_patience(make_world):
    """The manager hears genErr, the master has the SET undone, hangs up, and we come back."""
    world = make_world(ROWS, config=DEFAULTS)
    world.wait_served()
    mark = world.agent.mark()
    outcome = set_while(world, slow_disk, PATIENCE + 1.5)
    assert isinstance(outcome, SetRefused) and outcome.error == "genErr"
    world.agent.expect("lost the master agent", since=mark)
    world.agent.expect("connected to the master agent", since=mark)
    wait_for(lambda: description(world) == b"old", "the agent to come back with the old value")
    said = re.search(GAVE_UP, world.agent.output())
    assert said and int(said[2]) >= 2 * float(said[1]) >= 2 * PATIENCE
    world.tools.set((world.oid(9, 1, 12, "admin", "one"), "s", "newer"))
    assert description(world) == b"newer"


def test_a_master_without_patience_is_told_of_once(make_world):
    """It cannot be asked for its agentXTimeout: what it does shows it."""
    world = make_world(ROWS, config=SHORT)
    world.wait_served()
    for _ in range(2):
        mark = world.agent.mark()
        outcome = set_while(world, slow_disk, 1.8)
        assert isinstance(outcome, SetRefused) and outcome.error == "genErr"
        world.agent.expect("lost the master agent", since=mark)
        wait_for(lambda: description(world) == b"old", "the agent to come back with the old value")
    said = re.findall(GAVE_UP, world.agent.output())
    assert len(said) == 1
    took, advice = float(said[0][0]), int(said[0][1])
    assert 1.0 < took < 8 and advice == max(5, math.ceil(2 * took))


def test_an_answer_near_the_end_of_the_usual_patience(make_world):
    world = make_world(ROWS, config=DEFAULTS)
    world.wait_served()
    assert set_while(world, slow_disk, 3.7) is None
    assert re.search(r"asked again meanwhile; unless told otherwise it gives up after 6 s: write "
                     r"'agentXTimeout \d+' into snmpd.conf", world.agent.output())


def test_a_master_that_ends_is_not_told_of(make_world):
    """Its end has nothing to do with us."""
    world = make_world(ROWS, config=SHORT)
    world.wait_served()
    description(world)
    for end in (world.snmpd.stop, lambda: world.snmpd.process.kill()):
        mark = world.agent.mark()
        end()
        world.agent.expect("lost the master agent", since=mark)
        world.snmpd.start()
        world.wait_served()
    assert "agentXTimeout" not in world.agent.output()
