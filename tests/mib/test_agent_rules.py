"""The rules of SET as tables: each RowStatus in each state (RFC 2579), StorageType, each refusal with
its words, references in each order, messages as large as they get, messages that come twice."""

import itertools

import pytest

from conftest import World
from lib.rogueagent import NULL, integer, octets
from lib.snmp import SetRefused
from lib.snmpclient import ERRORS, GET, SET, Client
from row import (ACTIVE, CREATE_AND_GO, CREATE_AND_WAIT, DEFINITION, DESTROY, GROUP,
                 GROUP_DEFINITION, GROUP_TARGET, NOT_IN_SERVICE, NOT_READY, SCRIPT, SCRIPT_TEXT,
                 STATUS, STORAGE, TARGET, TARGET_PROPERTY, Row)

OWNER = 3
CONDITION, SEVERITY, INTERVAL, DESCRIPTION, LAST_VALUE = 2, 4, 6, 12, 18
HANDLER, TARGET_DESCRIPTION, VALUE, SCRIPT_ERROR = 2, 8, 2, 6
LAST_ERROR, MAX_DEFINITIONS = 4, 3

ROWS = [
    ("saSystem", "1=1.0"),
    ("saOwnerTable", "alice", "3=0"), ("saOwnerTable", "bob", "3=0"),
    ("saOwnerTable", "few", "3=1"),
    ("saHandlerTable", "admin", "mail", "2=smtp"), ("saHandlerTable", "admin", "post", "2=smtp"),
    ("saDefinitionTable", "few", "only", "2=true", "14=3", "15=1"),
    *(("saDefinitionTable", "alice", f"{kind}-{n}", "2=true", f"14={storage}", "15=1")
      for kind, storage in (("permanent", 4), ("readOnly", 5)) for n in range(2)),
]


@pytest.fixture(scope="module")
def world():
    w = World(ROWS)
    w.wait_served()
    yield w
    w.close()


@pytest.fixture
def client(world):
    c = Client(world.snmpd.port)
    yield c
    c.close()


def outcome(world, *varbinds):
    """"noError", or (error, index)."""
    try:
        world.tools.set(*varbinds)
    except SetRefused as e:
        return e.error, e.index
    return "noError"


def last_error(world, owner):
    v, = world.tools.get(world.oid(OWNER, 1, LAST_ERROR, owner))
    return v.value.decode()


# ---- RowStatus ----------------------------------------------------------------------------------
# The states A to D of RFC 2579's table; here of a target, whose handler must be set and may change
# only while it is not active.

A, B, C, D = "does not exist", NOT_READY, NOT_IN_SERVICE, ACTIVE
NOTHING, OTHER, WANTED = "nothing else", "a column that is not required", "the required column"


def target_in(world, name, state):
    row = Row(world, TARGET, "alice", name)
    if state == B:
        row.set(row.to(CREATE_AND_WAIT))
    elif state == C:
        row.set(row.to(CREATE_AND_WAIT), (row.oid(HANDLER), "s", "mail"))
    elif state == D:
        row.set(row.to(CREATE_AND_GO), (row.oid(HANDLER), "s", "mail"))
    assert row.status() == (None if state == A else state)
    return row


def by_required(without, with_it):
    """Where it depends on whether the required column is set along."""
    return {NOTHING: without, OTHER: without, WANTED: with_it}


NO_ROW = ("inconsistentName", 1)
NOT_NOW = ("inconsistentValue", 1)
NEVER = ("wrongValue", 1)
# Set to (None: only the other column) -> the state that is left, or the refusal, from A, B, C, D.
TABLE = {
    None: (NO_ROW, by_required(B, C), C, D),
    CREATE_AND_GO: (by_required(NOT_NOW, D), NOT_NOW, NOT_NOW, NOT_NOW),
    CREATE_AND_WAIT: (by_required(B, C), NOT_NOW, NOT_NOW, NOT_NOW),
    ACTIVE: (NOT_NOW, by_required(NOT_NOW, D), D, D),
    NOT_IN_SERVICE: (NOT_NOW, by_required(NOT_NOW, C), C, C),
    NOT_READY: (NEVER, NEVER, NEVER, NEVER),
    DESTROY: (A, A, A, A),
}
CASES = [(state, wanted, more) for state in (A, B, C, D) for wanted in TABLE
         for more in (NOTHING, OTHER, WANTED) if wanted or more != NOTHING]


def expected(state, wanted, more):
    found = TABLE[wanted][(A, B, C, D).index(state)]
    return found[more] if isinstance(found, dict) else found


@pytest.mark.parametrize("state,wanted,more", CASES)
def test_row_status(world, name, state, wanted, more):
    row = target_in(world, name, state)
    before = row.whole()
    cells = {NOTHING: [], OTHER: [(row.oid(TARGET_DESCRIPTION), "s", "words")],
             WANTED: [(row.oid(HANDLER), "s", "mail")]}[more]
    found = outcome(world, *([row.to(wanted)] if wanted else []), *cells)
    want = expected(state, wanted, more)
    if isinstance(want, tuple):
        assert found == want
        assert row.whole() == before
        assert last_error(world, "alice").startswith(want[0] + ": saTarget")
        return
    assert found == "noError"
    assert row.status() == (None if want == A else want)
    if want == A:
        assert all(v.type is None for v in row.whole())
    elif more == OTHER:
        assert row.cell(TARGET_DESCRIPTION) == b"words"
    elif more == WANTED:
        assert row.cell(HANDLER) == b"mail"


@pytest.mark.parametrize("wanted,want", [(None, NOT_NOW), (ACTIVE, ("inconsistentValue", 2)),
                                         (NOT_IN_SERVICE, "noError")])
def test_what_is_frozen_changes_on_the_way_out_of_service(world, name, wanted, want):
    row = target_in(world, name, D)
    change = (row.oid(HANDLER), "s", "post")
    assert outcome(world, *([row.to(wanted), change] if wanted else [change])) == want
    assert row.cell(HANDLER) == (b"post" if want == "noError" else b"mail")


def test_all_tables_of_managers_have_the_same_row_status(world, name):
    """Where nothing is required: createAndWait, active, notInService, active, destroy."""
    rows = [Row(world, table, "alice", name) for table in (SCRIPT, GROUP)]
    d, t = Row(world, DEFINITION, "alice", name), Row(world, TARGET, "alice", name)
    d.set((d.oid(CONDITION), "s", "true"), d.to(CREATE_AND_GO), t.to(CREATE_AND_GO),
          (t.oid(HANDLER), "s", "mail"))
    rows += [Row(world, SCRIPT_TEXT, "alice", name, 1), Row(world, GROUP_DEFINITION, "alice", name, name),
             Row(world, GROUP_TARGET, "alice", name, name),
             Row(world, TARGET_PROPERTY, "alice", name, "fromName")]
    for row in rows:
        assert outcome(world, row.to(NOT_IN_SERVICE)) == NOT_NOW
        for wanted, want in ((CREATE_AND_WAIT, NOT_IN_SERVICE), (ACTIVE, ACTIVE),
                             (NOT_IN_SERVICE, NOT_IN_SERVICE), (ACTIVE, ACTIVE)):
            assert outcome(world, row.to(wanted)) == "noError", (row.table, wanted)
            assert row.status() == want
        assert outcome(world, row.to(CREATE_AND_GO)) == NOT_NOW
    for row in reversed(rows):
        assert outcome(world, row.to(DESTROY)) == "noError"
        assert row.status() is None


# ---- StorageType --------------------------------------------------------------------------------

OTHER_STORAGE, VOLATILE, NON_VOLATILE, PERMANENT, READ_ONLY = range(1, 6)


@pytest.mark.parametrize("storage", range(0, 7))
def test_managers_rows_are_non_volatile(world, name, storage):
    """Whether it is said as the row is made, or later."""
    new, old = (Row(world, GROUP, "alice", name + suffix) for suffix in "no")
    old.set(old.to(CREATE_AND_GO))
    want = "noError" if storage == NON_VOLATILE else ("wrongValue", 1)
    assert outcome(world, (old.oid(STORAGE[GROUP]), "i", storage)) == want
    assert old.cell(STORAGE[GROUP]) == NON_VOLATILE
    assert outcome(world, (new.oid(STORAGE[GROUP]), "i", storage), new.to(CREATE_AND_GO)) == want
    assert new.cell(STORAGE[GROUP]) == (NON_VOLATILE if want == "noError" else None)


def test_rows_are_non_volatile_in_all_tables(world, name):
    rows, varbinds = everything(world, name)
    world.tools.set(*varbinds)
    for row in rows:
        assert row.cell(STORAGE[row.table]) == NON_VOLATILE, row.table
        assert outcome(world, (row.oid(STORAGE[row.table]), "i", VOLATILE)) == ("wrongValue", 1)


@pytest.mark.parametrize("change,want", [
    ((SEVERITY, 2), "noError"), ((STATUS[DEFINITION], NOT_IN_SERVICE), "noError"),
    ((STATUS[DEFINITION], ACTIVE), "noError"), ((STORAGE[DEFINITION], PERMANENT), "noError"),
    ((STORAGE[DEFINITION], NON_VOLATILE), NOT_NOW), ((STORAGE[DEFINITION], READ_ONLY), NOT_NOW),
    ((STATUS[DEFINITION], DESTROY), NOT_NOW)])
def test_a_permanent_row_changes_but_stays(world, change, want):
    row = Row(world, DEFINITION, "alice", "permanent-0")
    assert outcome(world, (row.oid(change[0]), "i", change[1])) == want
    assert row.cell(change[0]) == (change[1] if want == "noError" else
                                   {STORAGE[DEFINITION]: PERMANENT}.get(change[0], ACTIVE))


@pytest.mark.parametrize("column,value", [
    (SEVERITY, 2), (SEVERITY, 4), (STATUS[DEFINITION], NOT_IN_SERVICE),
    (STATUS[DEFINITION], ACTIVE), (STATUS[DEFINITION], DESTROY),
    (STORAGE[DEFINITION], NON_VOLATILE), (STORAGE[DEFINITION], READ_ONLY)])
def test_a_read_only_row_takes_nothing(world, column, value):
    row = Row(world, DEFINITION, "alice", "readOnly-0")
    before = row.whole()
    assert outcome(world, (row.oid(column), "i", value)) == ("notWritable", 1)
    assert row.whole() == before
    assert "read-only" in last_error(world, "alice")


# ---- references ---------------------------------------------------------------------------------

def everything(world, name):
    """A row of each table that refers to another one: the rows, and what makes them."""
    d, g, t = (Row(world, table, "alice", name) for table in (DEFINITION, GROUP, TARGET))
    rows = [d, g, t, Row(world, GROUP_DEFINITION, "alice", name, name),
            Row(world, GROUP_TARGET, "alice", name, name),
            Row(world, TARGET_PROPERTY, "alice", name, "fromName")]
    cells = {d: [(d.oid(CONDITION), "s", "true")], t: [(t.oid(HANDLER), "s", "mail")],
             rows[5]: [(rows[5].oid(VALUE), "s", "Alerts")]}
    varbinds = [v for row in rows for v in [row.to(CREATE_AND_GO), *cells.get(row, [])]]
    return rows, varbinds


def raw(varbinds):
    return [(oid, integer(value) if kind == "i" else octets(value.encode()))
            for oid, kind, value in varbinds]


def by_row(rows, varbinds):
    """The varbinds of each row."""
    found = {row: [] for row in rows}
    for v in varbinds:
        found[next(r for r in rows if v[0] == r.oid(v[0][len(r.world.root) + 3]))].append(v)
    return found


def test_references_in_every_order(world, client, name):
    """All permutations of definition, group, target, memberships and target property, each in one
    PDU; and their end in every order, too."""
    rows, varbinds = everything(world, name)
    mine = by_row(rows, varbinds)
    for order in itertools.permutations(rows):
        client.set(*raw(v for row in order for v in mine[row]))
        assert client.get(*(r.oid(STATUS[r.table]) for r in rows)) == [ACTIVE] * len(rows)
        client.set(*raw(r.to(DESTROY) for r in order))
        assert client.get(*(r.oid(STATUS[r.table]) for r in rows)) == [None] * len(rows)


def test_each_reference_is_needed(world, client, name):
    """Without one of those rows, the PDU makes none; what is blamed is the row that refers to it."""
    rows, varbinds = everything(world, name)
    mine = by_row(rows, varbinds)
    blamed = {DEFINITION: GROUP_DEFINITION, GROUP: GROUP_DEFINITION, TARGET: GROUP_TARGET}
    for left_out in rows[:3]:
        rest = [v for row in rows if row is not left_out for v in mine[row]]
        with pytest.raises(SetRefused) as caught:
            client.set(*raw(rest))
        assert caught.value.error == "inconsistentName"
        bad = rest[caught.value.index - 1][0]
        assert bad[len(world.root) + 1] == blamed[left_out.table]
        assert client.get(*(r.oid(STATUS[r.table]) for r in rows)) == [None] * len(rows)
        assert f"'{name}'" in last_error(world, "alice")


# ---- large messages -----------------------------------------------------------------------------

def test_128_varbinds_by_snmpset(world, name):
    rows = [Row(world, DEFINITION, "bob", f"{name}.{i}") for i in range(64)]
    world.tools.set(*(v for r in rows
                      for v in (r.to(CREATE_AND_GO), (r.oid(CONDITION), "s", "true"))))
    assert [r.status() for r in (rows[0], rows[-1])] == [ACTIVE] * 2
    last = [(r.oid(SEVERITY), "i", 2) for r in rows] + [(r.oid(INTERVAL), "u", 2000) for r in rows]
    bad = last[:-1] + [(rows[-1].oid(INTERVAL), "u", 1)]
    assert outcome(world, *bad) == ("wrongValue", 128)
    assert rows[0].cell(SEVERITY) == 4
    world.tools.set(*last)
    assert {v.value for v in world.tools.walk(world.oid(DEFINITION, 1, INTERVAL, "bob"))} == {2000}
    world.tools.set(*(r.to(DESTROY) for r in rows))


AGENTX_MOST, TOO_BIG = 65536, "tooBig"


def agentx_octets(world, varbinds):
    """Of the TestSet: OIDs by four octets a sub-identifier, but for 1.3.6.1.n; octets are padded."""
    return 20 + sum(8 + 4 * (len(oid) - 5)
                    + (4 if isinstance(value, int) else 4 + (len(value) + 3) // 4 * 4)
                    for oid, value in varbinds)


def large_rows(world, name, size, count):
    rows = [Row(world, DEFINITION, "bob", f"{name}.{i:03}") for i in range(count)]
    condition = "true".ljust(size)
    varbinds = [v for r in rows for v in ((r.oid(STATUS[DEFINITION]), CREATE_AND_GO),
                                          (r.oid(CONDITION), condition))]
    wire = [(o, integer(v) if isinstance(v, int) else octets(v.encode())) for o, v in varbinds]
    return rows, wire, agentx_octets(world, varbinds)


@pytest.mark.parametrize("size", [4, 1000])
def test_a_message_as_large_as_agentx_takes(world, client, name, size):
    """Many small rows, or few large ones; with one that is wrong at the end, then all right."""
    count = next(n for n in itertools.count(1)
                 if large_rows(world, name, size, n + 1)[2] > AGENTX_MOST)
    rows, varbinds, _ = large_rows(world, name, size, count)
    bad = varbinds[:-1] + [(varbinds[-1][0], octets(b"1 ?".ljust(size)))]
    with pytest.raises(SetRefused) as caught:
        client.set(*bad, timeout=30)
    assert (caught.value.error, caught.value.index) == ("wrongValue", len(varbinds))
    assert world.tools.walk(world.oid(DEFINITION, 1, STATUS[DEFINITION], "bob")) == []
    client.set(*varbinds, timeout=30)
    assert len(world.tools.walk(world.oid(DEFINITION, 1, STATUS[DEFINITION], "bob"))) == count
    client.set(*raw(r.to(DESTROY) for r in rows), timeout=30)
    # One more row is too much: said at once, and nobody loses the session.
    _, varbinds, _ = large_rows(world, name, size, count + 1)
    mark = world.agent.mark()
    with pytest.raises(SetRefused) as caught:
        client.set(*varbinds, timeout=30)
    assert caught.value.error == TOO_BIG
    assert world.tools.walk(world.oid(DEFINITION, 1, STATUS[DEFINITION], "bob")) == []
    assert "lost the master" not in world.agent.output()[mark:]


def test_questions_and_answers_that_are_too_large(world, client):
    """A GET of more objects than AgentX carries, and one whose answer it does not carry."""
    status = world.oid(DEFINITION, 1, STATUS[DEFINITION], "alice", "permanent-1")
    for n in (400, 1000):
        answer = client.send(*client.request(GET, [(status, NULL)] * n), timeout=30)
        assert (ERRORS[answer.status], len(answer.values) if n == 400 else None) == \
            (("noError", 400) if n == 400 else (TOO_BIG, None))
    large = Row(world, DEFINITION, "bob", "large")
    large.set((large.oid(CONDITION), "s", "1".ljust(1000)), large.to(CREATE_AND_GO))
    answer = client.send(*client.request(GET, [(large.oid(CONDITION), NULL)] * 62), timeout=30)
    assert ERRORS[answer.status] == TOO_BIG
    assert large.cell(CONDITION) == b"1".ljust(1000)
    large.set(large.to(DESTROY))
    assert "lost the master" not in world.agent.output()


# ---- refusals in words --------------------------------------------------------------------------

REFUSALS = [  # error, column, type, value; the reason in saOwnerLastError
    ("wrongType", SEVERITY, "s", "critical", "saDefinitionSeverity"),
    ("wrongType", INTERVAL, "i", 5000, "saDefinitionIntervalMillis"),
    ("wrongLength", DESCRIPTION, "s", "x" * 256, "saDefinitionDescription"),
    ("wrongValue", SEVERITY, "i", 9, "saDefinitionSeverity"),
    ("wrongValue", INTERVAL, "u", 999, "saDefinitionIntervalMillis"),
    ("wrongValue", DESCRIPTION, "x", "c328", "UTF-8"),
    ("wrongValue", CONDITION, "s", "1 ?", "unexpected '?'"),
    ("inconsistentValue", CONDITION, "s", "", "neither a condition nor a script"),
    ("inconsistentValue", STATUS[DEFINITION], "i", CREATE_AND_GO, "exists"),
    ("inconsistentValue", 3, "s", "nowhere", "saDefinitionScript"),
    ("notWritable", LAST_VALUE, "s", "x", "saDefinitionLastValue"),
    ("resourceUnavailable", CONDITION, "s", "1 !", "did not answer in time"),
]


@pytest.mark.parametrize("error,column,kind,value,words", REFUSALS)
def test_a_refusal_names_the_object_and_the_reason(world, name, error, column, kind, value, words):
    row = Row(world, DEFINITION, "bob", name)
    row.set((row.oid(CONDITION), "s", "true"), row.to(CREATE_AND_GO))
    assert outcome(world, (row.oid(column), kind, value)) == (error, 1)
    said = last_error(world, "bob")
    assert said.startswith(f"{error}: saDefinition") and f'."bob"."{name}"' in said, said
    assert words in said, said
    row.set(row.to(DESTROY))


def test_recipients_of_a_definition_have_a_handler_and_a_target(world, name):
    recipients, handler = 30, 31
    row = Row(world, DEFINITION, "bob", name)
    row.set((row.oid(CONDITION), "s", "true"), (row.oid(recipients), "s", "bob@example.net"),
            row.to(CREATE_AND_GO))  # by admin's handler mail
    assert outcome(world, (row.oid(handler), "s", "nowhere")) == ("inconsistentValue", 1)
    assert "no handler 'nowhere', neither of bob nor of admin" in last_error(world, "bob")
    assert outcome(world, (row.oid(handler), "s", "post")) == "noError"
    assert outcome(world, (row.oid(recipients), "s", "x" * 256)) == ("wrongValue", 1)
    assert "at most 64 recipients" in last_error(world, "bob")
    row.set(row.to(DESTROY))
    long = Row(world, DEFINITION, "bob", "n" * 32)
    assert outcome(world, (long.oid(CONDITION), "s", "true"), long.to(CREATE_AND_GO),
                   (long.oid(recipients), "s", "bob@example.net")) == ("inconsistentValue", 3)
    assert "31 octets at most" in last_error(world, "bob")
    target = Row(world, TARGET, "bob", "@" + name)
    assert outcome(world, (target.oid(HANDLER), "s", "mail"),
                   target.to(CREATE_AND_GO))[0] == "inconsistentName"
    assert "begin with @" in last_error(world, "bob")


def test_a_row_that_cannot_be_names_itself_too(world, name):
    none = Row(world, DEFINITION, "bob", name)
    for varbind, words in [
            ((none.oid(SEVERITY), "i", 3), "inconsistentName: saDefinitionSeverity.\"bob\""),
            (none.to(ACTIVE), "inconsistentValue: saDefinitionStatus.\"bob\""),
            (Row(world, GROUP_DEFINITION, "bob", "nowhere", name).to(CREATE_AND_GO),
             "inconsistentName: saGroupDefinitionStatus.\"bob\".\"nowhere\""),
            (Row(world, DEFINITION, "few", name).to(CREATE_AND_GO), "may have 1 definitions at most")]:
        owner = "few" if "may have" in words else "bob"
        more = [(Row(world, DEFINITION, "few", name).oid(CONDITION), "s", "true")] \
            if owner == "few" else []
        assert outcome(world, varbind, *more) != "noError"
        assert words in last_error(world, owner), last_error(world, owner)


@pytest.mark.parametrize("index", [(3, 98, 111, 98, 0), (3, 98, 111, 98, 33) + (97,) * 33])
def test_an_index_that_no_row_can_have(world, index):
    status = world.oid(DEFINITION, 1, STATUS[DEFINITION])
    assert outcome(world, (status + index, "i", CREATE_AND_GO)) == ("noCreation", 1)
    assert last_error(world, "bob").startswith("noCreation: saDefinitionStatus")


# ---- resent messages ----------------------------------------------------------------------------

def twice(world, client, *varbinds):
    """The very same message, as a manager sends again what was not answered in time: both
    answers, and that the second changed nothing."""
    message = client.request(SET, raw(varbinds))
    answers = [client.send(*message)]
    after = world.tools.walk(world.root)
    answers.append(client.send(*message))
    error = world.oid(OWNER, 1, LAST_ERROR)
    when = world.oid(OWNER, 1, LAST_ERROR + 1)
    told = (error, when)

    def kept(found):
        return [v for v in found if v.oid[:len(error)] not in told and not of_store(world, v)]

    assert kept(world.tools.walk(world.root)) == kept(after)
    return [(ERRORS[a.status], a.index) for a in answers]


def of_store(world, v):
    """saSystemStoreUsed and saSystemStoreSize."""
    return v.oid[len(world.root) + 1:len(world.root) + 3] in ((1, 15), (1, 16))


def test_values_that_come_twice(world, client, name):
    row = Row(world, DEFINITION, "alice", name)
    row.set((row.oid(CONDITION), "s", "true"), row.to(CREATE_AND_GO))
    mark = world.agent.mark()
    assert twice(world, client, (row.oid(SEVERITY), "i", 2), (row.oid(CONDITION), "s", "false")) == \
        [("noError", 0)] * 2
    world.agent.expect(r"^set$", since=mark)
    assert (row.cell(SEVERITY), row.cell(CONDITION)) == (2, b"false")


def test_rows_that_are_made_twice(world, client, name):
    """The second is refused, as it must be; createAndWait likewise."""
    for suffix, status in (("g", CREATE_AND_GO), ("w", CREATE_AND_WAIT)):
        row = Row(world, DEFINITION, "alice", name + suffix)
        assert twice(world, client, (row.oid(CONDITION), "s", "true"), row.to(status)) == \
            [("noError", 0), ("inconsistentValue", 2)]
        assert twice(world, client, row.to(ACTIVE)) == [("noError", 0)] * 2
        assert twice(world, client, row.to(DESTROY)) == [("noError", 0)] * 2
        assert row.status() is None


def test_a_lock_that_is_advanced_once(world, client):
    """saConfigReload is a TestAndIncr: a reload that is asked for twice by the same message is one."""
    reload = world.oid(1, 17, 0)
    now, = world.tools.get(reload)
    assert twice(world, client, (reload, "i", now.value)) == \
        [("noError", 0), ("inconsistentValue", 1)]
    assert world.tools.get(reload)[0].value == now.value + 1


# ---- scripts ------------------------------------------------------------------------------------

def test_what_is_wrong_with_a_script(world, name):
    """saScriptError follows the text while the script is not active; tests/live/test_scripts.py has
    the rest."""
    script = Row(world, SCRIPT, "alice", name)
    segment = Row(world, SCRIPT_TEXT, "alice", name, 1)
    script.set(script.to(CREATE_AND_WAIT))
    assert script.cell(SCRIPT_ERROR) == b""
    segment.set((segment.oid(2), "s", "a ? b"), segment.to(CREATE_AND_GO))
    assert script.cell(SCRIPT_ERROR) == b"SyntaxError: unexpected '?'"
    assert outcome(world, script.to(ACTIVE)) == NOT_NOW
    assert last_error(world, "alice").endswith("does not compile: SyntaxError: unexpected '?'")
    segment.set((segment.oid(2), "s", "a ! b"))
    assert outcome(world, script.to(ACTIVE)) == ("resourceUnavailable", 1)
    assert b"did not answer" in script.cell(SCRIPT_ERROR)
    segment.set((segment.oid(2), "s", "a - b"))
    script.set(script.to(ACTIVE))
    assert script.cell(SCRIPT_ERROR) == b""
    assert outcome(world, (script.oid(SCRIPT_ERROR), "s", "x")) == ("notWritable", 1)
