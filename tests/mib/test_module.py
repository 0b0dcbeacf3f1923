"""What is the module's own: a guest in snmpd. It comes and goes with who keeps the store, survives what
becomes of it, and leaves snmpd as it was."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from conftest import BUILD, children, evaluator_of, needs_module, program
from lib.module import module_lines
from lib.process import Process
from lib.snmp import SYS_UPTIME, SetRefused, Tools
from lib.storefile import of_version
from lib.wait import wait_for

pytestmark = needs_module
SOURCE = pathlib.Path(__file__).resolve().parents[2]

ROWS = [("saSystem", "1=1.0"), ("saProcessTable", 1, "2=core"), ("saOwnerTable", "alice", "3=0"),
        ("saGroupTable", "alice", "ops", "3=needle in a haystack", "5=1"),
        ("saGroupTable", "alice", "web", "3=the other one", "5=1")]
GROUP, DESCRIPTION, DEFINITION, CONDITION, STATUS, CREATE_AND_GO = 12, 3, 9, 2, 15, 4


@pytest.fixture
def world(make_world):
    w = make_world(ROWS, server="module")
    w.wait_served()
    return w


def uptime(world):
    """snmpd itself."""
    v, = world.tools.get(SYS_UPTIME)
    return v.type == "Timeticks"


def description(world, name="ops"):
    return world.tools.get(world.oid(GROUP, 1, DESCRIPTION, "alice", name))[0]


def served(world):
    return description(world, "web").value == b"the other one"


def gone(world):
    return description(world, "web").type is None


def log(world):
    return world.snmpd.process.output()


def define(world, name):
    row = [world.oid(DEFINITION, 1, column, "alice", name) for column in (CONDITION, STATUS)]
    return world.tools.set((row[0], "s", "1 > 0"), (row[1], "i", CREATE_AND_GO))


def descriptors(world):
    """{number: (what, flags)}"""
    proc = pathlib.Path(f"/proc/{world.snmpd.process.pid}")
    found = {}
    for fd in os.listdir(proc / "fd"):
        flags = re.search(r"^flags:\s*(\d+)", (proc / "fdinfo" / fd).read_text(), re.M)
        found[int(fd)] = (os.readlink(proc / "fd" / fd), int(flags.group(1), 8))
    return found


# ---- it comes and goes ----------------------------------------------------------------------------

def test_there_is_no_store_yet(make_world):
    """Said once, tried every second, served when it is there."""
    world = make_world(ROWS, server="module", start_snmpd=False)
    world.agent.stop()
    os.rename(world.store, world.store + ".away")
    world.snmpd.start()
    world.snmpd.process.expect(r"snmpalertStore: no snmpalertd has the store .*/store open")
    wait_for(lambda: gone(world), "snmpd to answer")
    os.rename(world.store + ".away", world.store)
    world.start_agent()
    wait_for(lambda: served(world), "the MIB to be served")
    assert len(re.findall("no snmpalertd has", log(world))) == 1
    define(world, "first")


def test_who_keeps_the_store_comes_and_goes(world):
    for stop in ("stop", "kill"):
        getattr(world.agent, stop)()
        wait_for(lambda: gone(world), "the MIB to be gone")
        assert uptime(world)
        world.start_agent()
        wait_for(lambda: served(world), "the MIB to come back")
    define(world, "again")


def test_a_keeper_that_is_replaced_between_two_looks(world):
    """The store is opened anew: it may be another one."""
    before = len(re.findall("serves the store", log(world)))
    world.agent.kill()
    world.start_agent()
    wait_for(lambda: len(re.findall("serves the store", log(world))) == before + 1,
             "the store to be opened anew")
    assert served(world)


def test_snmpd_restarts_and_reads_its_configuration_anew(world):
    define(world, "before")
    before = {what for what, _ in descriptors(world).values()}
    for n in range(3):
        mark = world.snmpd.process.mark()
        world.snmpd.process.send(signal.SIGHUP)
        world.snmpd.process.expect("serves the store", since=mark)
        wait_for(lambda: served(world), "the MIB to be served again")
        wait_for(lambda: {s for _, s in children(world.snmpd.process.pid).values()} == {"S"},
                 "one evaluator and nothing to be reaped")
        evaluator_of(world.snmpd.process.pid)
        define(world, f"row{n}")
    assert {re.sub(r"\d+", "", w) for w, _ in descriptors(world).values()} == \
        {re.sub(r"\d+", "", w) for w in before}
    assert world.snmpd.stop() == 0
    world.snmpd.start()
    wait_for(lambda: served(world), "the MIB to be served by the next one")
    define(world, "after")


def test_the_line_is_taken_out_of_the_configuration(world):
    conf = pathlib.Path(world.snmpd.conf)
    text = conf.read_text()
    conf.write_text(re.sub(r"(?m)^(dlmod|snmpalert).*\n", "", text))
    world.snmpd.process.send(signal.SIGHUP)
    wait_for(lambda: gone(world), "the MIB to be gone")
    wait_for(lambda: not children(world.snmpd.process.pid), "the evaluator to be gone")
    assert not [what for what, _ in descriptors(world).values() if what.startswith(world.store)]
    conf.write_text(text)
    world.snmpd.process.send(signal.SIGHUP)
    wait_for(lambda: served(world), "the MIB to be served again")


# ---- what becomes of the store --------------------------------------------------------------------

def poke(path, old, new):
    """In place, as a bad disk does; who has the file mapped sees it."""
    data = path.read_bytes()
    assert old in data
    with open(path, "r+b") as f:
        for m in re.finditer(re.escape(old), data):
            f.seek(m.start())
            f.write(new)


def test_a_damaged_row(world):
    """Told, answered with genErr; the rest is served on."""
    assert description(world).value == b"needle in a haystack"
    poke(pathlib.Path(world.store, "state/data.mdb"), b"needle in", b"beetle in")
    status, out, errors = world.tools.run(
        "snmpget", ".".join(map(str, world.oid(GROUP, 1, DESCRIPTION, "alice", "ops"))))
    assert status and "genErr" in errors, out + errors
    world.snmpd.process.expect(r"snmpalertStore: .*saGroupTable .* is damaged")
    wait_for(lambda: served(world), "the other rows to be served")
    assert uptime(world)


KEEPER = """
import fcntl, os, sys
f = open(sys.argv[1] + "/core.lock", "r+")
fcntl.flock(f, fcntl.LOCK_EX)
os.truncate(f.fileno(), 0)
os.pwrite(f.fileno(), str(os.getpid()).encode(), 0)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def keep(world):
    """Somebody who has the store as a core has, and does not look at it."""
    kept = []

    def keep():
        world.agent.stop()
        wait_for(lambda: gone(world), "the MIB to be gone")
        kept.append(subprocess.Popen([sys.executable, "-c", KEEPER, world.store], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    yield keep, lambda: kept[-1].stdout.readline()
    for p in kept:
        p.kill()
        p.wait()


def newer(path):
    path.write_bytes(of_version(path.read_bytes(), 99))


@pytest.mark.parametrize("spoil,said", [
    (lambda path: path.write_bytes(b"\xa5" * 65536), r"snmpalertStore: .*/state: "),
    (lambda path: path.unlink(), r"snmpalertStore: .*/state/data.mdb.*: No such file"),
    (newer, r"snmpalertStore: .* was made by a newer snmpalertd: its format is 99"),
    (lambda path: path.chmod(0o000), r"snmpalertStore: .*data.mdb as user .*SNMPD MODULE"),
], ids=["corrupt", "missing", "newer", "closed"])
def test_a_store_that_cannot_be_opened(world, keep, spoil, said):
    path = pathlib.Path(world.store, "state/data.mdb")
    hold, ready = keep
    hold()
    good = path.read_bytes()
    if spoil.__code__.co_names[:1] == ("chmod",) and os.geteuid() == 0:
        pytest.skip("root may open everything")
    spoil(path)
    assert ready() == "ready\n"
    world.snmpd.process.expect(said)
    assert uptime(world) and gone(world)
    path.unlink(missing_ok=True)
    path.write_bytes(good)
    wait_for(lambda: served(world), "the store that is good again to be served")
    assert uptime(world)


# ---- who serves -----------------------------------------------------------------------------------

def test_an_agent_process_beside_it_is_refused(world):
    """Each says so in its log, and who is first serves."""
    second = Process([program("agenthost"), world.store, world.snmpd.agentx], stdin=b"")
    second.expect("refused our registration: does another subagent serve the same OIDs")
    assert served(world)
    second.stop()
    assert served(world)


RUDE = """
import socket, struct, sys
# RFC 2741: Open, then Unregister of the root, which is somebody else's.
def pdu(kind, session, payload, n):
    return struct.pack(">BBBBIIII", 1, kind, 0x10, 0, session, 1, n, len(payload)) + payload
def oid(*subids):
    return struct.pack(">BBBB", len(subids), 0, 0, 0) + struct.pack(f">{len(subids)}I", *subids)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
text = b"rude"
s.send(pdu(1, 0, bytes(4) + oid() + struct.pack(">I", len(text)) + text, 1))
session, = struct.unpack_from(">I", s.recv(4096), 4)
root = [int(x) for x in sys.argv[2].split(".")]
s.send(pdu(4, session, struct.pack(">BBBB", 0, 127, 0, 0) + oid(*root), 2))
error, = struct.unpack_from(">H", s.recv(4096), 24)
print("error", error)
"""


def test_a_subagent_that_unregisters_what_is_not_its_own(world):
    """snmpd lets it, and frees our registration."""
    out = subprocess.run([sys.executable, "-c", RUDE, world.snmpd.agentx.partition(":")[2],
                          ".".join(map(str, world.root))], capture_output=True, text=True, check=True)
    assert out.stdout == "error 0\n"
    world.snmpd.process.expect("registers anew: a subagent has unregistered it")
    wait_for(lambda: served(world), "the MIB to be served again")
    assert world.snmpd.stop() == 0


def test_beside_an_agent_process_it_waits(make_world):
    world = make_world(ROWS)
    world.wait_served()
    with open(world.snmpd.conf, "a") as f:
        f.write(module_lines(world.store))
    world.snmpd.process.send(signal.SIGHUP)
    world.snmpd.process.expect(r'registered already.*<agentx enabled="no"/>')
    assert served(world)
    world.agent.stop()
    world.server = "module"  # from now on
    world.start_agent()
    world.snmpd.process.expect("serves the store")
    wait_for(lambda: served(world), "the module to take over")
    assert len(re.findall("registered already", log(world))) == 1


# ---- a guest --------------------------------------------------------------------------------------

@pytest.mark.parametrize("line,said", [
    ("snmpalertStore relative/path", "snmpalertStore: an absolute path is expected, not 'relative/path'"),
    ("snmpalertStore /a /b", "snmpalertStore: one path is expected"),
    ("snmpalertEvaluator " + "/x" * 513, "snmpalertEvaluator: more than 1024 octets"),
    ("snmpalertEvaluator /nonexistent/evaluator",
     "snmpalertEvaluator: no JavaScript can be SET: .*/nonexistent/evaluator"),
])
def test_what_is_wrong_in_the_configuration_is_named(make_world, line, said):
    world = make_world(ROWS, server="module", start_snmpd=False)
    with open(world.snmpd.conf, "a") as f:
        f.write(line + "\n")
    world.snmpd.start()
    world.snmpd.process.expect(said)
    assert uptime(world)
    wait_for(lambda: served(world), "the rest of the configuration to hold")


def test_descriptors_are_not_inherited(world):
    define(world, "one")
    ours = [(what, flags) for what, flags in descriptors(world).values()
            if what.startswith(world.store) or what.startswith("anon_inode:[pidfd")]
    assert len(ours) > 3
    assert all(flags & os.O_CLOEXEC for _, flags in ours), ours


def test_signals_are_snmpds(make_world):
    """The same are handled, ignored and blocked as without it."""
    def masks(pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return re.findall(r"^Sig(?:Blk|Ign|Cgt):\s*(\w+)", status, re.M)

    plain, guest = make_world(ROWS), make_world(ROWS, server="module")
    for w in (plain, guest):
        w.wait_served()
    define(guest, "one")
    assert masks(guest.snmpd.process.pid) == masks(plain.snmpd.process.pid)


def test_an_evaluator_that_dies_is_reaped_and_replaced(world):
    define(world, "one")
    first = evaluator_of(world.snmpd.process.pid)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: evaluator_of(world.snmpd.process.pid) != first, "the next one")
    wait_for(lambda: first not in children(world.snmpd.process.pid), "the first one to be reaped")
    define(world, "two")


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_its_use_of_memory(make_world, tmp_path):
    """All that is done in snmpd under valgrind: what snmpd itself loses is not ours, whatever has one
    of our files in its way is."""
    files = {f.name for folder in ("agent", "alerts", "base", "config", "eval", "mibs", "store")
             for f in (SOURCE / folder).glob("*.c")}
    report = tmp_path / "report"
    world = make_world(ROWS, server="module", start_snmpd=False)
    world.snmpd.prefix = ["valgrind", "--leak-check=full", "--show-leak-kinds=definite,indirect",
                          "--num-callers=40", f"--log-file={report}"]
    world.snmpd.start()
    wait_for(lambda: served(world), "the MIB to be served", 60)
    for n, repetitions in enumerate((1, 7, 50)):
        world.tools.walk(world.root, repetitions)
        define(world, f"row{n}")
        with pytest.raises(SetRefused):
            world.tools.set((world.oid(DEFINITION, 1, CONDITION, "alice", f"row{n}"), "s", "1 >"))
        mark = world.snmpd.process.mark()
        world.snmpd.process.send(signal.SIGHUP)
        world.snmpd.process.expect("serves the store", since=mark, timeout=60)
    world.agent.kill()
    wait_for(lambda: gone(world), "the MIB to be gone", 30)
    world.start_agent()
    wait_for(lambda: served(world), "the MIB to come back", 30)
    world.snmpd.process.stop(timeout=60)
    text = re.sub(r"(?m)^==\d+== ?", "", report.read_text())
    assert "ERROR SUMMARY" in text
    ours = [part for part in text.split("\n\n") if "snmpalert.so)" in part or "liblmdb" in part
            or files & set(re.findall(r"\((\w+\.c):\d+\)", part))]
    assert not ours, "\n\n".join(ours)
    assert "Invalid " not in text and "uninitialised" not in text, text


def test_it_shows_nothing_but_its_two_functions():
    out = subprocess.run(["nm", "-D", "--defined-only", BUILD / "agent/snmpalert.so"],
                         capture_output=True, text=True, check=True).stdout
    assert {line.split()[-1] for line in out.splitlines()} == {"init_snmpalert", "deinit_snmpalert"}


# ---- what else it serves ----

def contexts_of(*owners):
    """Lines of snmpd.conf: a community of each owner's name leads into the owner's context."""
    lines = ["view all included .1"]
    for owner in owners:
        lines += [f"com2sec -Cn {owner} {owner} default {owner}", f"group {owner} v2c {owner}",
                  f"access {owner} {owner} any noauth exact all all none"]
    return "\n".join(lines) + "\n"


def test_a_context_for_each_owner(make_world):
    rows = ROWS + [("saOwnerTable", "bob", "3=0"), ("saGroupTable", "bob", "db", "3=bob's", "5=1")]
    w = make_world(rows, server="module", config=contexts_of("alice", "bob"))
    w.wait_served()
    for owner, names in (("alice", ["ops", "web"]), ("bob", ["db"])):
        tools = Tools(w.snmpd, community=owner)
        wait_for(lambda: tools.get(w.oid(GROUP, 1, DESCRIPTION, owner, names[0]))[0].type,
                 f"the context of {owner}")
        found = tools.walk(w.oid(GROUP, 1, DESCRIPTION))
        assert [v.oid for v in found] == [w.oid(GROUP, 1, DESCRIPTION, owner, n) for n in names]
        assert tools.walk(w.oid(1)) == []  # nobody's


ALARM_MIB, LOG_LIMIT = (1, 3, 6, 1, 2, 1, 118), (1, 3, 6, 1, 2, 1, 92, 1, 1, 1, 0)


def test_standard_modules(make_world):
    w = make_world(ROWS + [("saSystem", "19=77")], server="module")
    w.wait_served()
    wait_for(lambda: w.tools.get(LOG_LIMIT)[0].value == 77, "the log's limit to be ours")
    oids = [v.oid for v in w.tools.walk(ALARM_MIB)]
    assert oids and oids == sorted(oids)
    w.tools.set((LOG_LIMIT, "u", 78))
    assert w.tools.get(LOG_LIMIT)[0].value == 78
    w.agent.stop()  # who kept the store
    wait_for(lambda: w.tools.get(LOG_LIMIT)[0].value != 78, "snmpd's own log")
    assert w.tools.walk(ALARM_MIB) == []


def test_standard_modules_can_be_left_to_others(make_world):
    w = make_world(ROWS, server="module", config="")
    with open(w.snmpd.conf, "a") as f:
        f.write("snmpalertStandard no\n")
    w.snmpd.stop()
    w.snmpd.start()
    w.wait_served()
    assert w.tools.walk(ALARM_MIB) == []
