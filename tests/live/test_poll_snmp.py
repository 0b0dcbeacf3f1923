"""SNMP sources against a real snmpd, and against an agent that does what it should not."""

import os
import socket
import stat

import pytest

from lib import rogueagent as ber
from lib.net import free_udp_port
from lib.pollhost import FAILING, MALFORMED, UP, PollHost, get, table
from lib.rogueagent import RogueAgent
from lib.snmp import Snmpd, Tools
from lib.wait import wait_for

UPTIME, NAME, ABSENT = "1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.99.0"
OR_TABLE = "1.3.6.1.2.1.1.9"
PASS = "1.3.6.1.4.1.8072.9999.9999.42"
IN_TABLE = PASS + ".1"
T = "1.3.6.1.4.1.8072.9999.9999.7"

PASS_SCRIPT = """#!/usr/bin/python3
# snmpd.conf(5), pass_persist: OID, type and value of one object of the file, or NONE.
import sys

def key(name):
    return tuple(map(int, name.strip(".").split(".")))

def find(command, wanted):
    objects = sorted((key(line.split()[0]), line.split(None, 2)) for line in open(sys.argv[1]))
    for name, (text, kind, value) in objects:
        if name == wanted if command == "get" else name > wanted:
            return f".{text}\\n{kind}\\n{value.strip()}"
    return "NONE"

while line := sys.stdin.readline().strip():
    print("PONG" if line == "PING" else find(line, key(sys.stdin.readline())), flush=True)
"""


class PassTable:
    """Objects that snmpd reads from a file whenever it is asked."""

    def __init__(self, folder):
        self.file, self.script = str(folder / "objects"), str(folder / "pass.py")
        with open(self.script, "w") as f:
            f.write(PASS_SCRIPT)
        os.chmod(self.script, stat.S_IRWXU)
        self.rows({})

    def config(self):
        return f"pass_persist .{PASS} {self.script} {self.file}\n"

    def rows(self, rows):
        """{index: {column: (type, value)}}"""
        with open(self.file + ".new", "w") as f:
            for index, cells in rows.items():
                for column, (kind, value) in cells.items():
                    f.write(f"{IN_TABLE}.1.{column}.{index} {kind} {value}\n")
        os.rename(self.file + ".new", self.file)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("snmpd")
    objects = PassTable(folder)
    daemon = Snmpd(str(folder), config="sysName gr\u00fcn\n" + objects.config()).start()
    daemon.objects = objects
    yield daemon
    daemon.stop()


@pytest.fixture
def host(live_program):
    h = PollHost(live_program("pollhost"))
    yield h
    assert h.stop() == 0, h.output()


@pytest.fixture
def agent():
    agents = []

    def make(*args, **kwargs):
        agents.append(RogueAgent(*args, **kwargs))
        return agents[-1]

    yield make
    for a in agents:
        a.stop()


def poll(host, port, *children, id=1, host_name="127.0.0.1", **values):
    host.poll(id, "snmp", *children,
              **{"host": host_name, "port": port, "community": "public", "timeout": "2s", **values})


# ---- a real snmpd ------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("repetitions", [1, 3, 100])
def test_agrees_with_the_tools(world, host, version, repetitions):
    poll(host, world.port, get("up", UPTIME), get("absent", ABSENT), get("name", NAME),
         table("or", OR_TABLE, "id=2 descr=3 none=77"), version=version,
         maxRepetitions=repetitions)
    topic = host.sample("s1")
    tools = Tools(world)
    ids = tools.walk(ber.arcs(OR_TABLE + ".1.2"))
    descriptions = tools.walk(ber.arcs(OR_TABLE + ".1.3"))
    assert len(ids) > 3
    assert topic["name"] == "gr\u00fcn"
    assert topic["absent"] is None
    assert 0 <= tools.get(ber.arcs(UPTIME))[0].value - topic["up"] < 60000
    assert topic["or"] == {
        str(i.oid[-1]): {"id": i.value.strip("."), "descr": d.value.decode(), "none": None}
        for i, d in zip(ids, descriptions)}
    for index, row in topic["or"].items():
        assert host.sample(f"s1.or.{index}") == row
    status = host.status(1)
    assert status["code"] == UP and status["error"] == ""
    assert status["topics"] == 1 + len(ids)


def test_rows_come_and_go(world, host):
    world.objects.rows({"1": {2: ("string", "one")}, "2": {2: ("string", "two")},
                        "3.4": {2: ("string", "three")}})
    poll(host, world.port, table("t", IN_TABLE, "text=2"))
    assert host.sample("s1") == {"t": {"1": {"text": "one"}, "2": {"text": "two"},
                                       "3.4": {"text": "three"}}}
    assert host.sample("s1.t.3.4") == {"text": "three"}
    mark = host.mark()
    world.objects.rows({"2": {2: ("string", "two")}, "5": {2: ("string", "five")}})
    host.sample("s1.t.5", since=mark)
    host.status(1, UP, since=mark)
    wait_for(lambda: len(host.of("gone", 1)) == 2, "two rows gone")
    assert [m["topic"] for m in host.of("gone", 1)] == ["s1.t.1", "s1.t.3.4"]
    mark = host.mark()
    world.objects.rows({})
    assert host.sample("s1", since=mark, where=lambda v: v == {"t": {}}) == {"t": {}}
    wait_for(lambda: len(host.of("gone", 1)) == 4, "the others gone")


def test_holes_in_a_table(world, host):
    world.objects.rows({"1": {2: ("integer", "-5")},
                        "2": {3: ("string", "b")},
                        "10": {2: ("integer", "7"), 3: ("string", "c")}})
    for id, version in ((1, "1"), (2, "2c")):
        poll(host, world.port, table("t", IN_TABLE, "number=2 text=3"), id=id, version=version)
        assert host.sample(f"s{id}") == {"t": {"1": {"number": -5, "text": None},
                                               "2": {"number": None, "text": "b"},
                                               "10": {"number": 7, "text": "c"}}}


def test_agent_that_restarts(tmp_path, host):
    daemon = Snmpd(str(tmp_path)).start()
    poll(host, daemon.port, get("up", UPTIME), timeout="100ms", retries=0)
    host.status(1, UP)
    daemon.stop()
    failing = host.status(1, FAILING, since=host.mark())
    assert failing["error"] == f"127.0.0.1:{daemon.port}: no answer (1 attempts of 100 ms)"
    samples = len(host.of("sample", 1))
    host.status(1, FAILING, since=host.mark())
    assert len(host.of("sample", 1)) == samples
    daemon.start()
    mark = host.mark()
    host.status(1, UP, timeout=20, since=mark)
    daemon.stop()


def test_wrong_community_names_no_secret(world, host):
    poll(host, world.port, get("up", UPTIME), community="s3cret", timeout="50ms")
    assert host.status(1)["code"] == FAILING
    host.stop()
    assert "s3cret" not in host.output() and "s3cret" not in str(host.messages)


def test_names_are_resolved(world, host):
    poll(host, world.port, get("up", UPTIME), host_name="localhost")
    assert host.status(1)["code"] == UP
    poll(host, world.port, get("up", UPTIME), id=2, host_name="no-such-host.invalid")
    failing = host.status(2, timeout=40)
    assert failing["code"] == FAILING
    assert "no-such-host.invalid" in failing["error"]


def test_ipv6(host, agent):
    try:
        a = agent({UPTIME: ber.timeticks(77)}, address="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    poll(host, a.port, get("up", UPTIME), host_name="::1")
    assert host.sample("s1") == {"up": 77}


def test_descriptors_above_1023(world, live_program):
    host = PollHost(live_program("pollhost"), "-f", "1500")
    for id in range(1, 21):
        poll(host, world.port, get("up", UPTIME), table("or", OR_TABLE, "id=2"), id=id)
    for id in range(1, 21):
        assert host.status(id)["code"] == UP
    assert host.stop() == 0, host.output()


def test_poll_now_and_gone(world, host):
    poll(host, world.port, get("up", UPTIME), interval=3600000)
    host.status(1, UP)
    mark = host.mark()
    host.tell(now=1)
    host.status(1, UP, since=mark, timeout=3)
    host.tell(gone=1)
    host.tell(now=1)
    poll(host, world.port, get("up", UPTIME), id=2)
    mark = host.mark()
    for _ in range(3):
        host.status(2, UP, since=mark)
        mark = host.mark()
    assert len(host.of("status", 1)) == 2


def test_dead_hosts_delay_nobody(world, host):
    """Fifty live sources keep their rhythm beside ten dead ones that wait 4 s each time."""
    interval, dead = 400, []
    for id in range(101, 111):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("127.0.0.1", 0))  # takes what comes and is silent
        dead.append(s)
        poll(host, s.getsockname()[1], get("up", UPTIME), id=id, interval=interval,
             timeout="2s", retries=1)
    for id in range(1, 51):
        poll(host, world.port, get("up", UPTIME), table("or", OR_TABLE, "id=2"), id=id,
             interval=interval)
    first = host.status(101, FAILING, timeout=20)
    host.status(101, FAILING, timeout=20, since=host.mark())
    end = host.status(101, FAILING, timeout=20, since=host.mark())["at"]
    begin = first["at"]
    for id in range(1, 51):
        statuses = [m for m in host.of("status", id) if begin <= m["at"] <= end]
        assert all(m["code"] == UP for m in host.of("status", id))
        times = [m["at"] for m in statuses]
        gaps = [b - a for a, b in zip(times, times[1:])]
        assert len(times) >= 0.7 * (end - begin) / interval, (id, len(times), end - begin)
        assert max(gaps) < 2000, (id, max(gaps))  # one dead host's wait, had it been in the way
    for id in range(101, 111):
        assert all(m["code"] == FAILING and m["latency"] >= 3900 for m in host.of("status", id))
    for s in dead:
        s.close()


# ---- what cannot be polled -----------------------------------------------------------------------------

@pytest.mark.parametrize("children, words", [
    ([get("a b", UPTIME)], "letters"),
    ([get("1up", UPTIME)], "begins with a letter"),
    ([get("up", "sysUpTime.0")], "in numbers"),
    ([table("t", T, "a=1 a=2")], "occurs twice"),
    ([table("t", T, "a")], "NAME=NUMBER"),
    ([table("t.x", T, "a=1")], "letters"),
])
def test_refused(host, children, words):
    poll(host, 161, *children)
    assert words in host.refused()


def test_nothing_to_poll(host):
    poll(host, 161)
    status = host.status(1)
    assert status["code"] == FAILING and "nothing to poll" in status["error"]


# ---- agents that do what they should not ---------------------------------------------------------------

def test_every_type(host, agent):
    values = {
        "integer": (ber.integer(-2147483648), -2147483648),
        "text": (ber.octets("tr\u00e4ge \"x\"".encode()), "tr\u00e4ge \"x\""),
        "empty": (ber.octets(b""), ""),
        "mac": (ber.octets(b"\x00\x1b\x2c\xff\x00\x01"), "0x001b2cff0001"),
        "bad": (ber.octets(b"\xff\xfe"), "0xfffe"),
        "oid": (ber.oid("1.3.6.1.4.1.4294967295"), "1.3.6.1.4.1.4294967295"),
        "ip": (ber.ip("192.0.2.200"), "192.0.2.200"),
        "counter": (ber.counter32(4294967295), 4294967295),
        "gauge": (ber.gauge32(3000000000), 3000000000),
        "ticks": (ber.timeticks(4294967295), 4294967295),
        "wide": (ber.counter64(2**63 - 1), 2**63 - 1),
        "widest": (ber.counter64(2**64 - 1), 2**64 - 1),
        "opaque": (ber.opaque(b"\x04\x01x"), "0x040178"),
        "float": (ber.opaque_float(0.1), 0.1),
        "double": (ber.opaque_double(1 / 3), 1 / 3),
        "nan": (ber.opaque_double(float("nan")), None),
        "null": (ber.NULL, None),
        "noObject": (ber.NO_SUCH_OBJECT, None),
        "noInstance": (ber.NO_SUCH_INSTANCE, None),
    }
    a = agent({f"{T}.{n}.0": v for n, (v, _) in enumerate(values.values(), 1)})
    poll(host, a.port, *(get(name, f"{T}.{n}.0") for n, name in enumerate(values, 1)))
    topic = host.sample("s1")
    for name, (_, expected) in values.items():
        if name == "widest":  # pollhost's JSON library rounds it
            assert abs(topic[name] - expected) <= 2048
        else:
            assert topic[name] == expected, name


ROWS = {f"{T}.1.{c}.{i}": ber.integer(i * 100 + c) for c in (1, 2) for i in range(1, 31)}


def not_rising(agent, request):
    """Any question behind row 20 is answered with row 5."""
    if request.command == ber.GETBULK and request.names[0][-1] >= 20:
        return request.answer([(ber.arcs(f"{T}.1.1.5"), ber.integer(1))])
    return agent.serve(request)


def the_same_again(agent, request):
    return request.answer([(name, ber.integer(1)) for name in request.names])


def nothing(agent, request):
    return request.answer([])


def other_objects(agent, request):
    return request.answer([(name[:-1] + (name[-1] + 1,), ber.integer(1))
                           for name in request.names])


@pytest.mark.parametrize("handle", [not_rising, nothing])
def test_table_that_breaks_the_protocol(host, agent, handle):
    a = agent(ROWS, handle)
    poll(host, a.port, table("t", T, "a=1"), maxRepetitions=4)
    status = host.status(1)
    assert status["code"] == MALFORMED and "table 't'" in status["error"]
    assert not host.of("sample", 1)
    assert len(a.requests) < 20


def test_endless_table(host, agent):
    """An agent whose objects rise for ever."""
    def endless(agent, request):
        found = []
        for name in request.names:
            if len(name) == len(ber.arcs(T)) + 2:
                name += (0,)
            found += [(name[:-1] + (name[-1] + n,), ber.integer(n)) for n in range(1, 201)]
        return request.answer(found)

    a = agent({}, endless)
    poll(host, a.port, table("t", T, "a=1"), interval=60000)
    status = host.status(1, timeout=30)
    assert status["code"] == FAILING and "more than" in status["error"]
    assert not host.of("sample", 1)
    assert len(a.requests) <= 10000 / 200 + 1


@pytest.mark.parametrize("handle", [other_objects, nothing])
def test_get_that_breaks_the_protocol(host, agent, handle):
    a = agent({}, handle)
    poll(host, a.port, get("x", f"{T}.1.0"))
    status = host.status(1)
    assert status["code"] == MALFORMED and "'x'" in status["error"]
    assert not host.of("sample", 1)


def test_get_in_a_get_next_agent(host, agent):
    a = agent({}, the_same_again)
    poll(host, a.port, get("x", f"{T}.1.0"), table("t", T, "a=1"))
    assert host.status(1)["code"] == UP  # the columns' own OIDs are not below them: no rows
    assert host.sample("s1") == {"x": 1, "t": {}}


def test_too_big(host, agent):
    """It answers at most three varbinds."""
    def small(agent, request):
        wanted = len(request.names) * (request.second if request.command == ber.GETBULK else 1)
        return request.refuse(ber.TOO_BIG) if wanted > 3 else agent.serve(request)

    gets = [get(f"g{i}", f"{T}.1.1.{i}") for i in range(1, 31)]
    a = agent(ROWS, small)
    poll(host, a.port, *gets, table("t", T, "a=1 b=2"))
    topic = host.sample("s1")
    assert [topic[f"g{i}"] for i in range(1, 31)] == [i * 100 + 1 for i in range(1, 31)]
    assert topic["t"] == {str(i): {"a": i * 100 + 1, "b": i * 100 + 2} for i in range(1, 31)}
    assert host.status(1)["topics"] == 31


def test_always_too_big(host, agent):
    a = agent(ROWS, lambda agent, request: request.refuse(ber.TOO_BIG))
    poll(host, a.port, get("x", f"{T}.1.1.1"), get("y", f"{T}.1.1.2"))
    status = host.status(1)
    assert status["code"] == FAILING and "tooBig" in status["error"]


def test_silent_on_large_answers(host, agent):
    """As snmpd is when its answer does not fit a datagram."""
    def silent(agent, request):
        if request.command == ber.GETBULK and request.second > 5:
            return None
        return agent.serve(request)

    a = agent({**ROWS, f"{T}.9.0": ber.integer(1)}, silent)
    poll(host, a.port, get("x", f"{T}.9.0"), table("t", T, "a=1"), timeout="100ms", retries=0,
         maxRepetitions=20, interval=10000)
    assert len(host.sample("s1")["t"]) == 30
    assert host.status(1)["code"] == UP


def test_error_names_the_object(host, agent):
    a = agent(ROWS, lambda agent, request: request.refuse(ber.GEN_ERR, 2))
    poll(host, a.port, get("x", f"{T}.1.1.1"), get("y", f"{T}.1.1.2"))
    status = host.status(1)
    assert status["code"] == FAILING
    assert "genErr" in status["error"] and "'y'" in status["error"]


def test_too_much_for_a_topic(host, agent):
    big = {f"{T}.1.1.{i}": ber.octets(b"x" * 1000) for i in range(1, 1200)}
    a = agent(big)
    poll(host, a.port, table("t", T, "a=1"), interval=60000)
    status = host.status(1, timeout=30)
    assert status["code"] == FAILING and "more than" in status["error"]
    assert not host.of("sample", 1)


def test_many_gets(host, agent):
    a = agent({f"{T}.{i}.0": ber.integer(i) for i in range(1, 301)})
    poll(host, a.port, *(get(f"g{i}", f"{T}.{i}.0") for i in range(1, 301)))
    assert host.sample("s1") == {f"g{i}": i for i in range(1, 301)}
    assert all(len(r.names) <= 50 for r in a.requests)


def test_next_poll_waits_for_the_running_one(host, agent):
    """The agent answers only the retry, half a second later; polls every 200 ms would overlap."""
    running = []

    def slow(agent, request):
        running.append(request.id)
        return agent.serve(request) if running.count(request.id) == 2 else None

    a = agent({f"{T}.1.0": ber.integer(1)}, slow)
    poll(host, a.port, get("x", f"{T}.1.0"), timeout="500ms", retries=1)
    for _ in range(3):
        host.status(1, UP, since=host.mark())
    order = [r.id for r in a.requests]
    assert all(order[i] == order[i + 1] for i in range(0, len(order) - 1, 2)), order


def test_a_port_that_nobody_has(host):
    poll(host, free_udp_port(), get("x", f"{T}.1.0"), timeout="50ms", retries=2)
    status = host.status(1)
    assert status["code"] == FAILING and "3 attempts of 50 ms" in status["error"]
