"""The AgentX session: master and subagent come and go."""

import os

import pytest

from conftest import program
from lib.process import Process
from lib.snmp import SYS_UPTIME
from lib.wait import wait_for

ROWS = [("saSystem", "1=1.0"), ("saProcessTable", 1, "2=core")]


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def uptime(world):
    return world.tools.get(SYS_UPTIME)[0]


def served(world):
    return world.tools.get(world.oid(2, 1, 2, 1))[0].value == b"core"


def test_master_restarts(make_world):
    world = make_world(ROWS)
    world.wait_served()
    before = descriptors(world.agent)
    for _ in range(3):
        mark = world.agent.mark()
        world.snmpd.stop()
        world.agent.expect("lost the master agent", since=mark)
        world.snmpd.start()
        world.agent.expect("connected to the master agent", since=mark)
        wait_for(lambda: served(world), "the registration to come back")
    assert descriptors(world.agent) == before


def test_master_is_killed(make_world):
    world = make_world(ROWS)
    world.wait_served()
    mark = world.agent.mark()
    world.snmpd.process.kill()
    world.agent.expect("lost the master agent", since=mark)
    world.snmpd.start()
    wait_for(lambda: served(world), "the registration to come back")


def test_agent_starts_before_its_master(make_world):
    world = make_world(ROWS, start_snmpd=False)
    world.agent.expect("no master agent at .* yet")
    world.snmpd.start()
    world.wait_served()


@pytest.mark.parametrize("address, reason", (
    ("tcp:no.such.host.invalid:705", "there is no such host"),
    ("tcp:127.0.0.1:1", "nobody listens there"),
    ("127.0.0.1:1", "no session with the master agent"),  # a form that is left to net-snmp
))
def test_why_there_is_no_master(tmp_path, address, reason):
    agent = Process([program("agenthost"), str(tmp_path), address], stdin=b"")
    try:
        agent.expect(reason)
    finally:
        assert agent.stop() == 0


def test_master_lives_on_without_agent(make_world):
    world = make_world(ROWS)
    world.wait_served()
    world.agent.kill()
    assert uptime(world).type == "Timeticks"
    wait_for(lambda: world.tools.get(world.oid(2, 1, 2, 1))[0].type is None, "the MIB to be gone")
    world.start_agent()
    wait_for(lambda: served(world), "the new agent's registration")


def test_agent_ends_politely(make_world):
    world = make_world(ROWS)
    world.wait_served()
    assert world.agent.stop() == 0
    assert world.tools.get(world.oid(2, 1, 2, 1))[0].type is None
    assert uptime(world).type == "Timeticks"


def test_stopped_agent_does_not_stop_the_master_for_good(make_world):
    world = make_world(ROWS)
    world.wait_served()
    with world.agent.stopped():
        status, _, _ = world.tools.run("snmpget", ".".join(map(str, world.oid(2, 1, 2, 1))),
                                       timeout=20)
        assert status != 0
        assert uptime(world).type == "Timeticks"
    wait_for(lambda: served(world), "the agent to be heard again")


def test_second_agent_is_refused_and_takes_over(make_world):
    """The same OIDs at the same priority are refused (RFC 2741 section 7.1.4.1); net-snmp says so
    in a log line only."""
    world = make_world(ROWS)
    world.wait_served()
    first = world.agent
    second = world.start_agent()
    second.expect("refused our registration")
    assert served(world)
    first.kill()
    wait_for(lambda: served(world), "the second agent to take over", timeout=20)
    assert second.running()


def test_a_refused_agent_ends_and_takes_nothing_with_it(make_world):
    """net-snmp's master takes an Unregister from anybody: it is not sent for what was refused."""
    world = make_world(ROWS)
    world.wait_served()
    first = world.agent
    second = world.start_agent()
    second.expect("refused our registration")
    mark = second.mark()
    second.expect("refused our registration", since=mark, timeout=20)  # asked again
    assert second.stop() == 0
    assert served(world)
    first.kill()
    wait_for(lambda: not served(world), "the first one to have been who served")


def test_reads_no_configuration_and_keeps_no_state(make_world, tmp_path):
    """net-snmp would complain of the unknown word in any file that it read."""
    for name in ("snmp.conf", "snmpd.conf", "snmpalertd-agent.conf", "agentx.conf"):
        (tmp_path / name).write_text("poisonedWord 1\n")
    state = tmp_path / "state"
    world = make_world(ROWS, agent_env={"SNMPCONFPATH": str(tmp_path),
                                        "SNMP_PERSISTENT_DIR": str(state)})
    world.wait_served()
    assert world.agent.stop() == 0
    assert "poisonedWord" not in world.agent.output()
    assert not state.exists()
