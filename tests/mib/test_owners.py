"""Every owner apart: two SNMPv3 users (SHA-256, AES) in front of a store in which alice, bob and
admin have a row in each table, by the lines that the manual page has for snmpd.conf. In a context
of the owner's name, and in the default context by a view of the owner."""

import json
import re
import socket
import struct
import subprocess
import threading

import pytest

from conftest import BUILD, arcs
from lib.snmp import SetRefused, Tools, oid_text
from lib.usm import Manual
from lib.wait import wait_for
from test_mib import schema  # noqa: F401

OWNER, DEFINITION, GROUP, TARGET, HISTORY = 3, 9, 12, 15, 19
OWNER_LAST_ERROR, OWNER_LAST_ERROR_TIME = 4, 5
GROUP_DESCRIPTION, GROUP_STATUS = 3, 5
CREATE_AND_GO, DESTROY = 4, 6
OWNERS = ("alice", "bob", "admin")
NUMBERS = {"int": "i", "enum": "i", "truth": "i", "rowStatus": "i", "storageType": "i"}


@pytest.fixture(scope="module")
def manual():
    return Manual(BUILD)


def owned(schema):
    return [t for t in schema["tables"] if t["id"] and t["index"] and
            t["index"][0]["name"] == "saOwner"]


def index_of(table, owner):
    """The same names and ids with everybody: an owner who is not kept apart meets one of others."""
    return (owner, *("common" if part["syntax"] == "name" else 7 for part in table["index"][1:]))


def mark(owner):
    return f"of {owner}"


def cell_of(column, owner):
    """A text of which it can be said whose it is; numbers as they come."""
    if column["syntax"] in ("text", "name", "nameOrEmpty"):
        return mark(owner).ljust(column["min"], "-") if column["max"] >= len(mark(owner)) else None
    if column["syntax"] == "rowStatus":
        return 1
    return column["min"] if column["required"] else None


def row_of(table, owner):
    cells = [(c["number"], cell_of(c, owner)) for c in table["columns"]
             if c["keep"] != "computed" and c["part"] < 0 and c["number"] < 200]
    return (table["name"], *index_of(table, owner),
            *(f"{number}={value}" for number, value in cells if value is not None))


# What nobody but bob has, for what alice may try to refer to.
BOBS = [("saHandlerTable", "bob", "bobs", "2=smtp"), ("saScriptTable", "bob", "bobs", "5=1"),
        ("saDefinitionTable", "bob", "bobs", "2=true", "15=1"), ("saGroupTable", "bob", "bobs", "5=1"),
        ("saTargetTable", "bob", "bobs", "2=bobs", "11=1")]


def rows(schema):
    return [("saSystem", "1=of nobody"), ("saProcessTable", 1, "2=of nobody"), *BOBS] + \
        [row_of(t, owner) for t in owned(schema) for owner in OWNERS]


def owner_at(world, oid):
    """Whose row it is; None: of a table without owners."""
    rest = oid[len(world.root) + 1:]
    if rest[0] in (1, 2):
        return None
    return bytes(rest[4:4 + rest[3]]).decode()


@pytest.fixture(scope="module")
def world(schema, manual):
    from conftest import World

    w = World(rows(schema), config=manual.users + manual.contexts + manual.communities + manual.views)
    try:
        w.wait_served()
        for user in ("alice", "bob"):
            wait_for(lambda: manual.tools(w.snmpd, user, user).walk(w.root), f"{user}'s context")
        yield w
    finally:
        w.close()


# The two ways: what `-n` says.
@pytest.fixture(params=["context", "view"])
def way(request):
    return lambda owner: owner if request.param == "context" else ""


USERS = [("alice", "bob"), ("bob", "alice")]


def everything(world):
    return world.tools.walk(world.root)


def without_reasons(world, varbinds):
    """But for the reasons of refused SETs."""
    at = len(world.root) + 1
    return [v for v in varbinds if not (v.oid[at] == OWNER and
                                        v.oid[at + 2] in (OWNER_LAST_ERROR, OWNER_LAST_ERROR_TIME))]


@pytest.mark.parametrize("user,other", USERS)
@pytest.mark.parametrize("repetitions", [1, 25])
def test_a_walk_has_the_own_rows_and_all_of_them(world, schema, manual, way, user, other,
                                                 repetitions):
    seen = manual.tools(world.snmpd, user, way(user)).walk(world.root, repetitions)
    assert seen == [v for v in everything(world) if owner_at(world, v.oid) == user]
    at = len(world.root) + 1
    assert {v.oid[at] for v in seen} == {t["id"] for t in owned(schema)}
    assert any(isinstance(v.value, bytes) and mark(user).encode() in v.value for v in seen)


def readable(table):
    return [c for c in table["columns"] if c["access"] in ("read-only", "read-write", "read-create")]


@pytest.mark.parametrize("user,other", USERS)
def test_a_get_of_any_foreign_object_finds_nothing(world, schema, manual, way, user, other):
    """Beside the own one, which is found; and as if there were no such row at all."""
    tools = manual.tools(world.snmpd, user, way(user))
    for table in owned(schema):
        oids = [world.oid(table["id"], 1, c["number"], *index_of(table, owner))
                for c in readable(table) for owner in (user, other, "admin", "nobody")]
        for some in (oids[i:i + 48] for i in range(0, len(oids), 48)):
            got = tools.get(*some)
            for own, *foreign in (got[i:i + 4] for i in range(0, len(got), 4)):
                assert own.type is not None, (table["name"], own)
                assert [v.type for v in foreign] == [None] * 3
                assert len({v.value for v in foreign}) == 1


@pytest.mark.parametrize("user,other", USERS)
def test_each_table_is_walked_without_a_foreign_row(world, schema, manual, way, user, other):
    """From the table's arc, and from where the foreign rows begin and end."""
    tools = manual.tools(world.snmpd, user, way(user))
    for table in owned(schema):
        base = world.oid(table["id"])
        assert {owner_at(world, v.oid) for v in tools.walk(base)} == {user}
        last = readable(table)[-1]["number"]
        for start in (world.oid(table["id"], 1, last, *index_of(table, other)),
                      world.oid(table["id"], 1, last) + arcs(other)):
            status, out, _ = tools.run("snmpgetnext", oid_text(start))
            assert mark(other) not in bytes(out, "utf-8").decode()
            assert tools.walk(start) == []


@pytest.mark.parametrize("user,other", USERS)
def test_no_foreign_object_is_set(world, schema, manual, way, user, other):
    """Neither a row that is there nor one that is not, nor a new one; the answer is the same, and
    what is foreign stays as it was."""
    tools = manual.tools(world.snmpd, user, way(user))
    before = without_reasons(world, everything(world))
    refused = 0
    for table in owned(schema):
        writable = [c for c in table["columns"] if c["access"] in ("read-write", "read-create")]
        for column in writable:
            answers = set()
            for owner in (other, "admin", "nobody"):
                kind = NUMBERS.get(column["syntax"])
                varbind = (world.oid(table["id"], 1, column["number"], *index_of(table, owner)),
                           kind or "s", DESTROY if column["syntax"] == "rowStatus" else 1)
                with pytest.raises(SetRefused) as caught:
                    tools.set(varbind)
                answers.add((caught.value.error, caught.value.index))
                refused += 1
            assert len(answers) == 1, (table["name"], column["name"], answers)
            assert answers <= {("noAccess", 1), ("noCreation", 1), ("wrongType", 1),
                               ("wrongLength", 1), ("wrongValue", 1)}
    assert refused > 100
    assert without_reasons(world, everything(world)) == before


@pytest.mark.parametrize("user,other", USERS)
def test_what_has_no_owner_is_not_an_owners(world, manual, way, user, other):
    tools = manual.tools(world.snmpd, user, way(user))
    assert [v.type for v in tools.get(world.oid(1, 1, 0), world.oid(2, 1, 2, 1))] == [None, None]
    with pytest.raises(SetRefused):
        tools.set((world.oid(1, 17, 0), "i", 0))


@pytest.mark.parametrize("user,other", USERS)
def test_nobody_enters_a_foreign_context(world, manual, user, other):
    for context in (other, "admin"):
        tools = manual.tools(world.snmpd, user, context)
        for command in ("snmpget", "snmpgetnext", "snmpbulkget"):
            _, out, errors = tools.run(command, oid_text(world.oid(OWNER, 1, 2, other)))
            assert "authorizationError" in out + errors and " = " not in out, out + errors
        with pytest.raises(SetRefused) as caught:
            tools.set((world.oid(GROUP, 1, GROUP_DESCRIPTION, other, "common"), "s", "stolen"))
        assert caught.value.error == "authorizationError"


def test_a_community_stands_for_a_context(world, manual):
    by_community = Tools(world.snmpd, community="alices-community")
    assert by_community.walk(world.root) == \
        manual.tools(world.snmpd, "alice", "alice").walk(world.root) != []
    with pytest.raises(SetRefused) as caught:
        by_community.set((world.oid(GROUP, 1, GROUP_DESCRIPTION, "bob", "common"), "s", "stolen"))
    assert caught.value.error == "noCreation"


def test_the_command_line_shows_an_owner_what_is_the_owners(world, manual):
    def run(community, *words):
        return subprocess.run([str(BUILD / "snmpalert"), "-a", world.snmpd.address(), "-c", community,
                               *words], capture_output=True, text=True, timeout=60)
    status = run("alices-community", "status")
    assert status.returncode in (0, 1, 2) and re.search(r"^alerts .* 1 ok", status.stdout), status
    told = json.loads(run("alices-community", "--json", "status").stdout)
    assert sum(told["alerts"].values()) == 1 and "system" not in told
    assert "system" in json.loads(run("public", "--json", "status").stdout)
    listed = run("alices-community", "--json", "list", "groups")
    assert [row["owner"] for row in json.loads(listed.stdout)] == ["alice"]
    assert run("alices-community", "list", "scripts").returncode == 0
    assert run("nobodys-community", "-t", "1", "-r", "0", "status").returncode == 3


@pytest.mark.parametrize("user,other", USERS)
def test_own_rows_are_made_read_walked_changed_and_destroyed(world, manual, way, user, other):
    tools = manual.tools(world.snmpd, user, way(user))
    status = world.oid(GROUP, 1, GROUP_STATUS, user, "mine")
    words = world.oid(GROUP, 1, GROUP_DESCRIPTION, user, "mine")
    tools.set((status, "i", CREATE_AND_GO), (words, "s", "made"))
    assert [v.value for v in tools.get(status, words)] == [1, b"made"]
    assert words in [v.oid for v in tools.walk(world.oid(GROUP))]
    tools.set((words, "s", "changed"))
    assert tools.get(words)[0].value == b"changed"
    assert [v.type for v in manual.tools(world.snmpd, other, way(other)).get(words)] == [None]
    tools.set((status, "i", DESTROY))
    assert tools.get(words)[0].type is None


def test_a_pdu_of_two_owners_changes_nothing(world, manual, way):
    tools = manual.tools(world.snmpd, "alice", way("alice"))
    own = world.oid(GROUP, 1, GROUP_DESCRIPTION, "alice", "common")
    with pytest.raises(SetRefused) as caught:
        tools.set((own, "s", "half"),
                  (world.oid(GROUP, 1, GROUP_DESCRIPTION, "bob", "common"), "s", "half"))
    assert caught.value.index == 2
    assert tools.get(own)[0].value == mark("alice").encode()


# ---- error texts


def last_error(world, owner):
    return world.tools.get(world.oid(OWNER, 1, OWNER_LAST_ERROR, owner))[0].value.decode()


def test_a_refusal_in_a_context_is_told_to_its_owner_alone(world, manual):
    """Also when the SET names a row of somebody else, who is not bothered by it."""
    alice = manual.tools(world.snmpd, "alice", "alice")
    bobs = last_error(world, "bob")
    with pytest.raises(SetRefused):
        alice.set((world.oid(GROUP, 1, GROUP_DESCRIPTION, "bob", "common"), "s", "stolen"))
    assert last_error(world, "bob") == bobs
    assert last_error(world, "alice") == \
        'noCreation: saGroupDescription."bob"."common": not a row of owner \'alice\''
    with pytest.raises(SetRefused):
        alice.set((world.oid(1, 17, 0), "i", 0))
    assert last_error(world, "alice").startswith("notWritable: ")


def refused_words(world, tools, *varbinds):
    with pytest.raises(SetRefused) as caught:
        tools.set(*varbinds)
    return caught.value.error, last_error(world, "alice")


def test_references_do_not_tell_what_others_have(world, manual, way):
    """"bobs" exists with bob, and "none" with nobody: handlers, scripts, groups, definitions,
    targets."""
    tools = manual.tools(world.snmpd, "alice", way("alice"))

    def answers(name):
        """Each refers to NAME; without NAME in it the answer says nothing about it."""
        def row(table, column, *index):
            return world.oid(table, 1, column, "alice", *index)
        tried = [
            ((row(DEFINITION, 3, "new"), "s", name), (row(DEFINITION, 15, "new"), "i", CREATE_AND_GO)),
            ((row(TARGET, 2, "new"), "s", name), (row(TARGET, 11, "new"), "i", CREATE_AND_GO)),
            ((row(13, 2, "common", name), "i", CREATE_AND_GO),),
            ((row(13, 2, name, "common"), "i", CREATE_AND_GO),),
            ((row(14, 2, "common", name), "i", CREATE_AND_GO),),
            ((row(14, 2, name, "common"), "i", CREATE_AND_GO),),
            ((row(11, 2, name, 1), "s", "x"), (row(11, 4, name, 1), "i", CREATE_AND_GO)),
            ((row(16, 2, name, "fromAddress"), "s", "x"),
             (row(16, 4, name, "fromAddress"), "i", CREATE_AND_GO)),
        ]
        found = [refused_words(world, tools, *varbinds) for varbinds in tried]
        assert all(name in words for _, words in found), found
        return [(error, words.replace(name, "NAME")) for error, words in found]

    assert answers("bobs") == answers("none")


# ---- what others have costs nothing


class Proxy:
    """Between master and subagent; counts what the master asks."""

    GET, GET_NEXT, GET_BULK = 5, 6, 7

    def __init__(self, master, folder):
        self._master = master.removeprefix("unix:")
        self.address = "unix:" + folder + "/counted"
        self.requests = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(folder + "/counted")
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._listener.close()

    def _serve(self):
        while True:
            try:
                agent, _ = self._listener.accept()
            except OSError:
                return
            master = socket.socket(socket.AF_UNIX)
            master.connect(self._master)
            for source, sink, count in ((agent, master, False), (master, agent, True)):
                threading.Thread(target=self._pass_on, args=(source, sink, count),
                                 daemon=True).start()

    def _pass_on(self, source, sink, count):
        try:
            while header := self._receive(source, 20):
                order = ">" if header[2] & 0x10 else "<"
                body = self._receive(source, struct.unpack_from(order + "I", header, 16)[0])
                if count and header[1] in (self.GET, self.GET_NEXT, self.GET_BULK):
                    self.requests += 1
                sink.sendall(header + body)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @staticmethod
    def _receive(source, n):
        data = b""
        while len(data) < n:
            chunk = source.recv(n - len(data))
            if not chunk:
                return b""
            data += chunk
        return data


FOREIGN_ROWS = 100_000


def counted_walks(make_world, manual, foreign):
    """Round trips of alice's walks through her context: by GETNEXT as snmpwalk does it, and by
    GETBULK, of everything and of a table; each within the tools' default time-out, without a
    single retry."""
    proxies = []

    def between(master, folder):
        proxies.append(Proxy(master, folder))
        return proxies[0].address

    alices = [("saOwnerTable", "alice", "3=0"), ("saHistoryTable", "alice", 50_001, "3=cpu")]
    others = [("saHistoryTable", ("bob", "aa", "zzzzz")[i % 3], i, "3=cpu")
              for i in range(1, foreign + 1) if i != 50_001]
    world = make_world(alices + others, config=manual.users + manual.contexts, agentx=between)
    tools = manual.tools(world.snmpd, "alice", "alice")
    wait_for(lambda: tools.walk(world.root), "alice's context", timeout=60)
    counts = []
    for command in ("snmpwalk", "snmpbulkwalk"):
        for oid in (world.oid(HISTORY), world.root, world.oid(HISTORY, 1, 3)):
            before = proxies[0].requests
            status, out, errors = tools.run(command, oid_text(oid))  # -t 1 -r 0
            assert status == 0 and "alice" not in errors, out + errors
            assert "= " in out
            counts.append(proxies[0].requests - before)
    proxies[0].close()
    return counts


def test_a_walk_costs_the_same_among_100_000_rows_of_others(make_world, manual):
    alone = counted_walks(make_world, manual, 0)
    among = counted_walks(make_world, manual, FOREIGN_ROWS)
    assert all(n > 0 for n in alone)
    assert all(b <= 3 * a for a, b in zip(alone, among)), (alone, among)
    assert among == alone


# ---- as many as there may be

MANY = 1024


def seen_by_prefix(world, owner):
    """By somebody who may enter every context."""
    status, out, _ = world.tools.run_as(
        ("-v3", "-l", "noAuthNoPriv", "-u", "everybody", "-n", owner), "snmpgetnext",
        oid_text(world.oid(OWNER)), timeout=5)
    return status == 0 and oid_text(world.oid(OWNER, 1, 2, owner)) in out


def has_standard_modules(world, owner):
    """nlmConfigGlobalEntryLimit and alarmModelLastChanged, in the context of OWNER."""
    status, out, _ = world.tools.run_as(
        ("-v3", "-l", "noAuthNoPriv", "-u", "everybody", "-n", owner), "snmpget",
        ".1.3.6.1.2.1.92.1.1.1.0", ".1.3.6.1.2.1.118.1.1.1.0", timeout=5)
    return status == 0 and "No Such" not in out


def test_a_thousand_contexts_come_and_come_back(make_world):
    config = ("createUser everybody\ngroup g usm everybody\nview v included .1\n"
              "access g \"\" usm noauth prefix v none none\n")
    names = [f"owner{i}" for i in range(MANY)]
    world = make_world([("saOwnerTable", name, "3=0") for name in names], config=config)
    world.wait_served()
    for name in (names[0], names[-1]):
        wait_for(lambda: seen_by_prefix(world, name), "the contexts", timeout=30)
    wait_for(lambda: has_standard_modules(world, names[-1]), "the standard modules", timeout=10)
    mark_ = world.agent.mark()
    world.snmpd.stop()
    world.agent.expect("lost the master agent", since=mark_)
    world.snmpd.start()
    world.agent.expect("connected to the master agent", since=mark_)
    for name in (names[-1], names[0], names[MANY // 2]):
        wait_for(lambda: seen_by_prefix(world, name), "the contexts to come back", timeout=30)
    wait_for(lambda: has_standard_modules(world, names[-1]), "the standard modules", timeout=10)


def test_a_second_agent_takes_the_contexts_over(make_world, manual):
    """What the master refused is registered again when the other one is gone: all of it."""
    world = make_world([("saOwnerTable", "alice", "3=0"), ("saOwnerTable", "bob", "3=0")],
                       config=manual.users + manual.contexts)
    tools = {user: manual.tools(world.snmpd, user, user) for user in ("alice", "bob")}
    for user in tools:
        wait_for(lambda: tools[user].walk(world.root), f"{user}'s context")
    first = world.agent
    second = world.start_agent()
    second.expect("refused our registration")
    first.kill()
    for user in tools:
        wait_for(lambda: tools[user].walk(world.root), f"{user}'s context of the second agent",
                 timeout=30)
    world.wait_served()
    assert second.running()
