"""As test_checker.py, of what managers ask for: right at first, each then with one fault."""

import collections
import pathlib
import sys
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1])]

from asked import Acknowledged, Acknowledgement, Ask, date_and_time  # noqa: E402
from checker import Dump  # noqa: E402
from facts import (ACKNOWLEDGE, BY_ACKNOWLEDGEMENT, CANCEL, CANCELLED, CHANGE,  # noqa: E402
                   DELIVERED, DISPATCHED, FAILED, FLAG_ACKNOWLEDGED, NONE, NORMAL, PENDING, RESEND,
                   STICKY, SUPPRESSED, UNTIL)
from test_checker import CRITICAL, OK, Case  # noqa: E402

ACKED, WARNING = 3, 3  # the alert; a level
STABLE = ("manager", "noc")
UNTOLD = "its problem was never told"


@pytest.fixture
def case():
    c = Case()
    c.made.definitions[ACKED] = "acked"
    c.look()
    return c


# ---- acknowledgements ----

def held_back(m, alert=ACKED):
    for x in (1, 2):
        m.told_[alert, x] |= 0x80


def move(case, to, targets=STABLE):
    """The alert takes another level; what it says of its acknowledgement stays."""
    row = dict(case.made.alerts.get(ACKED, {}))
    ids = case.made.transition(to, alert=ACKED, targets=targets)
    case.made.alerts[ACKED] = row | case.made.alerts[ACKED]
    return ids


def acknowledge(case, words="1", targets=STABLE, kind=STICKY):
    """The core has taken it in, and tells it."""
    m, row = case.made, case.made.alerts[ACKED]
    row.update(ack=kind, ackAuthor="load", ackText=words, ackTaken=7, flags=FLAG_ACKNOWLEDGED)
    return [m.notice(t, alert=ACKED, history=row["history"], kind=ACKNOWLEDGE, level=row["level"],
                     message=f"acknowledged by load: {words}", definition="acked")
            for t in targets]


def suppress(case, ids, reason=BY_ACKNOWLEDGEMENT):
    case.made.finish(*ids, state=SUPPRESSED)
    for i in ids:
        case.made.notices[i]["suppression"] = reason
    return ids


def late(case):
    """What was held back is told."""
    m, row = case.made, case.made.alerts[ACKED]
    for x in (1, 2):
        m.told_[ACKED, x] &= 0x7f
    return [m.notice(t, alert=ACKED, history=row["history"], kind=CHANGE, level=row["level"],
                     previous=WARNING, definition="acked") for t in STABLE]


def unacknowledged(case):
    for cell in ("ack", "ackAuthor", "ackText", "ackTaken", "flags"):
        del case.made.alerts[ACKED][cell]


@pytest.fixture
def acked(case):
    case.look(case.made.deliver(*move(case, WARNING)))
    case.look(case.made.deliver(*acknowledge(case)))
    assert not case.checks.problems
    return case


@pytest.fixture
def held(acked):
    """A change was held back."""
    acked.load.is_suppressed = True
    suppress(acked, move(acked, CRITICAL))
    held_back(acked.made)
    acked.look()
    assert not acked.checks.problems
    return acked


def test_what_is_held_back_and_told_when_it_is_over(held):
    unacknowledged(held)
    held.look(held.made.deliver(*late(held)))
    held.load.is_suppressed = False
    held.look(held.made.deliver(*move(held, OK)))
    assert not held.checks.problems
    assert held.checks.counts["notices of what was held back"] == 2


def test_held_back_and_told_within_one_look(acked):
    acked.load.is_suppressed = True
    suppress(acked, move(acked, CRITICAL))
    held_back(acked.made)
    unacknowledged(acked)
    acked.look(acked.made.deliver(*late(acked)))
    assert not acked.checks.problems


def test_held_back_without_an_acknowledgement(acked):
    acked.load.is_suppressed = False
    suppress(acked, move(acked, CRITICAL))
    acked.look()
    acked.finds("was held back, should not be")


def test_told_in_spite_of_an_acknowledgement(acked):
    acked.load.is_suppressed = True
    acked.look(acked.made.deliver(*move(acked, CRITICAL)))
    acked.finds("was not held back, should be")


def test_told_to_some_only(acked):
    suppress(acked, move(acked, CRITICAL)[:1])
    acked.look()
    acked.finds("from others it was held back")


def test_an_end_that_is_held_back(acked):
    acked.load.is_suppressed = True
    suppress(acked, move(acked, OK))
    acked.look()
    acked.finds("was held back, should not be")


def test_held_back_without_the_reason(acked):
    suppress(acked, move(acked, CRITICAL), reason=5)
    acked.look()
    acked.finds("was not delivered")


def test_held_back_of_an_alert_that_nobody_acknowledges(case):
    suppress(case, case.made.transition(CRITICAL))
    case.look()
    case.finds("was not delivered")


def test_an_acknowledgement_that_is_not_told(case):
    case.look(case.made.deliver(*move(case, WARNING)))
    case.look(case.made.deliver(*acknowledge(case, targets=("manager",))))
    case.finds("['noc'] were not told")


def test_an_acknowledgement_that_is_told_twice(acked):
    acked.look(acked.made.deliver(*acknowledge(acked, targets=("noc",))))
    acked.finds("tells again that 3 is acknowledged by load: 1")


def look_once_taken_in(case):
    """What the core has still to take in may be as it is; then no more."""
    case.made.ring = 1
    case.look()
    assert not case.checks.problems
    case.made.ring = 0
    case.look()


def test_an_acknowledgement_that_was_not_taken_in(acked):
    acked.made.alerts[ACKED]["ackTaken"] = 0
    look_once_taken_in(acked)
    acked.finds("which [] were not told")


def test_what_was_held_back_is_forgotten(held):
    unacknowledged(held)
    held.look()
    held.finds("is not acknowledged any more")


def test_what_was_held_back_is_told_twice(held):
    unacknowledged(held)
    held.look(held.made.deliver(*late(held)))
    held.look(held.made.deliver(*late(held)))
    held.finds("which is not of their commit")


# ---- what the row of an alert may hold ----

def dump_of(row, moves=()):
    d = Dump(())
    d.tables["saAlertTable"]["admin", ACKED] = row
    d.moves = collections.defaultdict(list, {ACKED: list(moves)})
    return d


def set_to(kind, words="1", due=None):
    a = Acknowledgement(ACKED, kind, words, due)
    a.sent = 1000.0
    return a


ROW = {"ack": STICKY, "ackAuthor": "load", "ackText": "1", "ackUntil": 0}
WIPED = {"ack": NONE}


def test_a_whole_acknowledgement_is_there():
    assert set_to(STICKY).holds(dump_of(ROW))
    for cell, other in (("ack", NORMAL), ("ackAuthor", ""), ("ackText", "2"), ("ackUntil", 5)):
        assert not set_to(STICKY).holds(dump_of(ROW | {cell: other})), cell


@pytest.mark.parametrize("kind, moves, over", (
    (STICKY, (), False),
    (STICKY, ((1001.0, WARNING),), False),
    (STICKY, ((1001.0, OK),), True),
    (STICKY, ((998.0, OK),), False),   # before it
    (NORMAL, ((1001.0, WARNING),), True),
    (NORMAL, ((998.0, WARNING),), False),
))
def test_what_ends_an_acknowledgement(kind, moves, over):
    assert set_to(kind).holds(dump_of(WIPED, moves)) == over


def test_an_acknowledgement_ends_by_time():
    assert set_to(UNTIL, due=time.time() - 1).holds(dump_of(WIPED))
    assert not set_to(UNTIL, due=time.time() + 100).holds(dump_of(WIPED))


def test_one_that_was_taken_back():
    assert set_to(NONE).holds(dump_of(WIPED))
    assert not set_to(NONE).holds(dump_of(ROW))


def test_dates():
    assert date_and_time(1000.3).hex() == "07b20101001028032b0000"


@pytest.fixture
def thing():
    """Sticky from 1000 on, as one SET did it."""
    t = Acknowledged("acked", None)
    t.alert = ACKED

    def did(kind, sent, known, happened=True, due=None):
        op = t.started(set_to(kind, str(sent), due))
        op.sent = op.after.sent = sent
        op.known, op.happened = known, happened
        return op
    t.did = did
    did(STICKY, 1000, 1001)
    return t


def test_what_an_acknowledgement_holds_back(thing):
    assert thing.suppressed(998, []) is None
    assert thing.suppressed(1000.5, []) is None
    assert thing.suppressed(1010, []) is True
    assert thing.suppressed(1010, [(1005, OK)]) is False
    assert thing.suppressed(1010, [(1005, WARNING)]) is True
    assert thing.suppressed(1010, [(1000.5, OK)]) is None
    thing.did(NORMAL, 1020, 1021, happened=False)
    assert thing.suppressed(1030, []) is True
    thing.did(NONE, 1040, 1041, happened=None)  # nobody knows
    assert thing.suppressed(1050, []) is None
    thing.did(NORMAL, 1060, 1061)
    assert thing.suppressed(1070, []) is False
    thing.did(UNTIL, 1080, 1081, due=1090)
    assert thing.suppressed(1085, []) is True
    assert thing.suppressed(1095, []) is None
    thing.did(STICKY, 1100, None)               # under way
    assert thing.suppressed(1099.5, []) is None


def test_what_may_be_there(thing):
    begun = thing.begin()
    assert [s.cells and s.kind for s in thing.states(begun)[1]] == [STICKY]
    thing.did(NORMAL, 1010, 1011, happened=None)
    thing.did(NONE, 1020, 1021, happened=False)
    thing.did(UNTIL, 1030, None, due=1050)
    assert [s.kind for s in thing.states(begun)[1]] == [STICKY, NORMAL, UNTIL]
    thing.did(NORMAL, 1040, 1041)
    assert [s.kind for s in thing.states(thing.begin())[1]] == [NORMAL]


def test_a_set_without_an_answer(thing):
    op = thing.did(STICKY, 1010, None)
    assert thing.verdict(op, "1010") is True
    assert thing.verdict(op, "1000") is False
    assert thing.verdict(op, "") is None


# ---- notices that are cancelled and sent again ----

@pytest.fixture
def recalled(case):
    case.load.recalled = "recalled"
    case.made.targets["recalled"] = {"incarnation": 4, "handler": "informs"}
    case.made.sequences[4] = 0
    return case


def tell(case, to):
    """The notice for the target; the others are delivered."""
    *others, last = case.made.transition(to, targets=(*STABLE, "recalled"))
    case.look(case.made.deliver(*others))
    return last


def ask(case, i, action, happened=True, was=PENDING):
    a = Ask(i, action, was)
    a.sent = case.made.now / 1000
    a.known, a.happened = a.sent, happened
    case.load.asks.setdefault(i, []).append(a)


def cancel(case, i, why="cancelled by a manager"):
    case.made.finish(i, state=CANCELLED)
    case.made.notices[i].update(error=why, action=1)


def told_recalled(case, level):
    case.made.told_[1, 4] = level


def resent(case, i):
    case.made.now += 1000
    ask(case, i, RESEND, was=case.made.notices[i]["state"])
    case.made.notices[i].update(state=PENDING, finished=0)
    case.made.ended[4, DELIVERED] = case.made.ended.get((4, DELIVERED), 1) - 1
    case.look()


def test_cancelled_and_nobody_was_told(recalled):
    first = tell(recalled, CRITICAL)
    ask(recalled, first, CANCEL)
    cancel(recalled, first)
    recalled.look()
    recalled.made.transition(OK)  # and no recovery for it
    recalled.look(recalled.made.deliver(*list(recalled.made.notices)[-2:]))
    assert not recalled.checks.problems
    assert recalled.checks.counts["ends of problems that nobody had been told of"] == 1


def test_cancelled_unasked(recalled):
    cancel(recalled, tell(recalled, CRITICAL))
    recalled.look()
    recalled.finds("was not delivered")


def test_cancelling_that_is_lost(recalled):
    first = tell(recalled, CRITICAL)
    ask(recalled, first, CANCEL)
    recalled.made.notices[first]["action"] = CANCEL  # not yet taken in
    recalled.look()
    assert not recalled.checks.problems
    recalled.made.notices[first]["action"] = 1
    recalled.look()
    recalled.finds("was to be cancelled")


def test_cancelled_that_fails(recalled):
    first = tell(recalled, CRITICAL)
    ask(recalled, first, CANCEL)
    recalled.made.dispatch(first)
    recalled.made.finish(first, state=FAILED)
    recalled.look()
    recalled.finds("was to be cancelled")


def test_cancelled_while_it_was_delivered(recalled):
    first = tell(recalled, CRITICAL)
    ask(recalled, first, CANCEL)
    recalled.look(recalled.made.deliver(first))
    assert not recalled.checks.problems


def test_cancelled_before_it_was_sent_and_arrives(recalled):
    first = tell(recalled, CRITICAL)
    ask(recalled, first, CANCEL)
    cancel(recalled, first)
    recalled.look()
    arrival = recalled.made.arrival(first)
    recalled.checks.arrive([arrival])
    recalled.checks.at_the_end(recalled.look(), {})
    recalled.finds("was cancelled before it was sent, and arrived")


def test_an_end_that_is_not_told_though_the_problem_was(recalled):
    first = tell(recalled, CRITICAL)
    recalled.look(recalled.made.deliver(first))
    recalled.made.now += 10
    recalled.made.transition(OK)
    recalled.look()
    recalled.finds("the end of alert 1 was not told")


def test_an_end_that_is_cancelled_though_the_problem_was_told(recalled):
    first = tell(recalled, CRITICAL)
    recalled.look(recalled.made.deliver(first))
    cancel(recalled, tell(recalled, OK), UNTOLD)
    recalled.look()
    recalled.finds("the end of alert 1 was not told")


def test_a_problem_without_its_notice(recalled):
    recalled.made.transition(CRITICAL)
    recalled.look()
    recalled.finds("recalled should have 1 notices")


def test_sent_again_under_the_same_uuid(recalled):
    m, first = recalled.made, tell(recalled, CRITICAL)
    recalled.look(m.deliver(first))
    resent(recalled, first)
    arrivals = m.deliver(first)
    m.notices[first]["finished"] = m.now + 1
    dump = recalled.look(arrivals)
    recalled.checks.at_the_end(dump, {})
    assert not recalled.checks.problems
    assert recalled.checks.counts["notices that arrived again on request"] == 1


def test_sent_again_and_ended_within_one_look(recalled):
    m, first = recalled.made, tell(recalled, CRITICAL)
    recalled.look(m.deliver(first))
    m.now += 1000
    ask(recalled, first, RESEND, was=DELIVERED)
    m.notices[first]["finished"] = m.now + 1
    dump = recalled.look([m.arrival(first)])
    recalled.checks.at_the_end(dump, {})
    assert not recalled.checks.problems


def test_sent_again_with_another_uuid(recalled):
    first = tell(recalled, CRITICAL)
    recalled.look(recalled.made.deliver(first))
    recalled.checks.uuids["other"] = (7, (1, 4), 4, 1, 1)
    recalled.made.notices[first]["uuid"] = "other"
    resent(recalled, first)
    recalled.finds("has another UUID")


def test_sending_again_that_is_lost(recalled):
    first = tell(recalled, CRITICAL)
    recalled.look(recalled.made.deliver(first))
    recalled.made.now += 1000
    ask(recalled, first, RESEND, was=DELIVERED)
    recalled.made.notices[first]["action"] = RESEND
    look_once_taken_in(recalled)
    recalled.finds("was to be sent again")


def test_sent_again_and_not_arrived_again(recalled):
    m, first = recalled.made, tell(recalled, CRITICAL)
    recalled.look(m.deliver(first))
    resent(recalled, first)
    m.deliver(first)
    m.notices[first]["finished"] = m.now + 1
    recalled.checks.at_the_end(recalled.look(), {})
    recalled.finds("arrived 1 times, not 2")


def test_sent_again_and_waits_for_ever(recalled):
    first = tell(recalled, CRITICAL)
    recalled.look(recalled.made.deliver(first))
    resent(recalled, first)
    recalled.checks.at_the_end(recalled.look(), {})
    recalled.finds("was never delivered")


def test_what_is_under_way_when_an_older_is_sent_again_keeps_its_lease(recalled):
    m, first = recalled.made, tell(recalled, CRITICAL)
    recalled.look(m.deliver(first))
    second = tell(recalled, WARNING)
    m.dispatch(second)
    m.notices[second]["next"] = 77
    resent(recalled, first)
    recalled.finds("due: missing")  # it lost its entry
    recalled.checks.problems.clear()
    m.extra = [{"db": "due", "key": f"{77:016x}{4:08x}{1:08x}{second:08x}", "value": ""}]
    recalled.look()
    assert not recalled.checks.problems
    assert m.notices[second]["state"] == DISPATCHED


def test_what_the_target_is_taken_to_know_in_the_end(recalled):
    first = tell(recalled, CRITICAL)
    recalled.look(recalled.made.deliver(first))
    last = tell(recalled, OK)
    recalled.look(recalled.made.deliver(last))
    told_recalled(recalled, CRITICAL)
    recalled.checks.at_the_end(recalled.look(), {})
    recalled.finds("is taken to know of 1")


def test_an_end_that_a_manager_cancels_stays_unknown(recalled):
    first = tell(recalled, CRITICAL)
    recalled.look(recalled.made.deliver(first))
    last = tell(recalled, OK)
    ask(recalled, last, CANCEL)
    cancel(recalled, last)
    told_recalled(recalled, CRITICAL)
    recalled.checks.at_the_end(recalled.look(), {})
    assert not recalled.checks.problems
    assert recalled.checks.counts["ends that were cancelled, and are not known"] == 1
    recalled.look(recalled.made.deliver(*tell_and_end(recalled)))
    told_recalled(recalled, CRITICAL)
    recalled.checks.at_the_end(recalled.look(), {})
    recalled.finds("is taken to know of 1")


def tell_and_end(case):
    """Another problem and its end."""
    return tell(case, WARNING), tell(case, OK)
