"""A checker that cannot fail is worth nothing: stores and messages made up here, right at first,
each then with one fault that it must find."""

import collections
import json
import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent),
                str(pathlib.Path(__file__).resolve().parents[1])]

from checker import (CANCELLED, CHANGE, CLEAR, CONDITION, DELIVERED, DISABLE,  # noqa: E402
                     DISABLED, DISPATCHED, FAILED, PENDING, RAISE, TABLES, TEST, WAITING, Checks,
                     Dump, overlap)
from load import Op, State, Thing  # noqa: E402
from receivers import Arrival  # noqa: E402

CRITICAL, OK = 4, 1
NUMBERS = {t: {name: str(n) for n, name in columns.items()} for t, columns in TABLES.items()}


class Load:
    """Of the checker's questions: two global targets, and "own", whose definition has its own."""

    stable_targets = ("manager", "noc")
    recalled = None

    def __init__(self):
        self.tests, self.is_routed, self.deaths = [0, 0], True, []
        self.acknowledged, self.is_suppressed, self.asks = ("acked",), None, {}

    def suppressed(self, name, at, moves):
        return self.is_suppressed

    def asked(self, number):
        return self.asks.get(number, ())

    def all_asked(self):
        return list(self.asks.items())

    def family_target(self, definition):
        return definition if definition == "own" else None

    def routed(self, name, at):
        return self.is_routed

    def deaths_of(self, name):
        return self.deaths


class Made:
    """A store as the daemon would leave it, whose rows tests may spoil."""

    def __init__(self):
        self.targets = {"manager": {"incarnation": 1, "handler": "traps"},
                        "noc": {"incarnation": 2, "handler": "informs"},
                        "own": {"incarnation": 3, "handler": "traps"}}
        self.definitions = {1: "flap", 2: "own"}
        self.notices, self.history, self.alerts = {}, {}, {}
        self.purged = {"historyPurged": 0, "noticesPurged": 0}
        self.sequences = dict.fromkeys((1, 2, 3), 0)
        self.ended = {}
        self.last_notice = self.messages = 0
        self.now, self.ring, self.extra, self.told_ = 1000000, 0, [], {}

    # ---- what the daemon does ----

    def notice(self, target, **cells):
        self.last_notice += 1
        to = self.targets[target]
        self.notices[self.last_notice] = {
            "uuid": f"00000000-0000-4000-8000-{self.last_notice:012}", "target": target,
            "state": PENDING, "created": self.now, "next": 0, "definition": "flap",
            "incarnation": to["incarnation"], "handler": to["handler"], **cells}
        return self.last_notice

    def transition(self, to, alert=1, targets=("manager", "noc"), reason=CONDITION):
        self.now += 100
        old = self.alerts.get(alert, {"level": OK, "history": 0})["level"]
        i = max([0, *self.history, *(n.get("history", 0) for n in self.notices.values())]) + 1
        self.history[i] = {"alert": alert, "definition": self.definitions[alert], "source": old,
                           "to": to, "at": self.now, "reason": reason}
        self.alerts[alert] = {"definition": self.definitions[alert], "level": to, "history": i}
        kind = CLEAR if to == OK else RAISE if old == OK else CHANGE
        return [self.notice(t, alert=alert, history=i, kind=kind, level=to, previous=old,
                            definition=self.definitions[alert]) for t in targets]

    def dispatch(self, *ids):
        for i in ids:
            n = self.notices[i]
            if not n.get("sequence"):
                self.sequences[n["incarnation"]] += 1
                n["sequence"] = self.sequences[n["incarnation"]]
            n["state"] = DISPATCHED

    def arrival(self, i, **cells):
        self.messages += 1
        n = self.notices[i]
        level = {4: "critical", 3: "warning", 1: "ok"}.get(n.get("level"))
        a = Arrival(n["uuid"], self.messages, level, n.get("sequence", 0))
        a.__dict__.update(cells)
        return a

    def finish(self, *ids, state=DELIVERED):
        for i in ids:
            n = self.notices[i]
            self.now += 1
            n.update(state=state, finished=self.now, next=0)
            if state == DELIVERED:
                n["confirmation"] = 2 if n["handler"] == "traps" else 3
                if n.get("alert"):
                    self.told_[n["alert"], n["incarnation"]] = \
                        0 if n["kind"] == CLEAR else n["level"]
            self.ended[n["incarnation"], state] = self.ended.get((n["incarnation"], state), 0) + 1

    def deliver(self, *ids):
        """The arrivals."""
        self.dispatch(*ids)
        arrivals = [self.arrival(i) for i in ids]
        self.finish(*ids)
        return arrivals

    def purge(self, *ids, what="noticesPurged", rows=None):
        for i in ids:
            del (self.notices if rows is None else rows)[i]
            self.purged[what] += 1

    # ---- the dump ----

    def row(self, table, key, cells):
        return {"table": table, "key": list(key),
                "cells": {NUMBERS[table][c]: v for c, v in cells.items()}}

    def lines(self):
        found = [self.row("saNoticeTable", ("admin", i), n) for i, n in self.notices.items()]
        found += [self.row("saHistoryTable", ("admin", i), h) for i, h in self.history.items()]
        found += [self.row("saAlertTable", ("admin", i), a) for i, a in self.alerts.items()]
        found.append(self.row("saSystem", (0,), self.purged))
        open_ = {i: n for i, n in self.notices.items() if n["state"] in WAITING}
        for name, t in self.targets.items():
            x = t["incarnation"]
            found.append(self.row("saTargetTable", ("admin", name), {
                **t, "sequence": self.sequences[x],
                "pending": sum(n["incarnation"] == x for n in open_.values()),
                "delivered": self.ended.get((x, DELIVERED), 0),
                "failed": self.ended.get((x, FAILED), 0)}))
        return found + self.queue(open_) + self.indexes() + self.extra

    def queue(self, open_):
        found, heads, told = [], {}, {k: [v, 0] for k, v in self.told_.items() if v}
        for i, n in sorted(open_.items()):
            x, alert = n["incarnation"], n.get("alert", 0)
            found.append(db("pending", f"{x:08x}{alert:08x}{i:08x}"))
            if n.get("matching"):
                found.append(db("matching", f"{i:08x}"))
            heads.setdefault((x, alert), (i, n["next"]))
            if n["kind"] in (RAISE, CHANGE):
                told.setdefault((alert, x), [0, 0])[1] += 1
        found += [db("due", f"{at:016x}{x:08x}{alert:08x}{i:08x}")
                  for (x, alert), (i, at) in heads.items()]
        found += [db("told", f"{a:08x}{x:08x}", f"{level:02x}{owed:08x}")
                  for (a, x), (level, owed) in told.items()]
        counts = collections.Counter(x for (_, x), (level, _) in told.items() if level & 0x7f)
        return found + [db("toldCount", f"{x:08x}", f"{n:08x}") for x, n in counts.items()]

    def indexes(self):
        found = [db("instances", f"{i:032x}", f"{i:08x}") for i in self.alerts]
        found += [db("held", f"{i:08x}") for i, a in self.alerts.items() if a.get("pendingLevel")]
        found += [db("historyAge", f"{h['at']:016x}{i:08x}") for i, h in self.history.items()]
        found += [db("noticeAge", f"{n['finished']:016x}{i:08x}") for i, n in self.notices.items()
                  if n["state"] not in WAITING]
        return found + [{"ring": self.ring}]


def db(name, key, value=""):
    return {"db": name, "key": key, "value": value}


class Case:
    def __init__(self, least=(2, 2)):
        self.made, self.load = Made(), Load()
        self.checks = Checks(self.load, least)

    def look(self, arrivals=(), states=(), spoil=None):
        self.checks.arrive(arrivals)
        lines = self.made.lines()
        if spoil:
            lines = spoil(lines)
        dump = Dump(map(json.dumps, lines))
        self.checks.look(dump, states)
        return dump

    def finds(self, words):
        found = self.checks.problems
        assert any(words in p for p in found), found or "nothing was found"


@pytest.fixture
def case():
    return Case()


@pytest.fixture
def told(case):
    """An alert that was raised and told, and everything is well."""
    case.look()
    case.look(case.made.deliver(*case.made.transition(CRITICAL)))
    assert not case.checks.problems
    return case


def without(table, **cells):
    """Drops rows of TABLE that have CELLS."""
    wanted = {NUMBERS[table][c]: v for c, v in cells.items()}
    return lambda lines: [x for x in lines if x.get("table") != table or
                          not wanted.items() <= x["cells"].items()]


def without_db(name):
    return lambda lines: [x for x in lines if x.get("db") != name]


def test_right_stores_are_right(case):
    """Every step of a notice's life, purging and what is told of own targets, with no fault."""
    m = case.made
    case.look()
    first = m.transition(CRITICAL)
    case.look()
    m.dispatch(*first)
    arrivals = [m.arrival(i) for i in first]
    case.look(arrivals)
    m.finish(*first)
    case.look(arrivals[:1])  # a copy
    case.look(m.deliver(*m.transition(OK)))
    case.look(m.deliver(*m.transition(CRITICAL, alert=2, targets=("manager", "noc", "own"))))
    m.purge(1, 2)
    m.purge(1, what="historyPurged", rows=m.history)
    dump = case.look()
    case.checks.at_the_end(dump, {"flap": OK, "own": CRITICAL})
    assert not case.checks.problems
    assert case.checks.counts["of these again, after a death or by another handler"] == 1
    assert case.checks.finished.gone == 2 and case.checks.past.gone == 1


# ---- no transition without its notices, none created twice ----

def test_transition_without_a_notice(told):
    told.made.transition(OK, targets=("manager",))
    told.look()
    told.finds("noc should have 1 notices")


def test_transition_without_the_notice_for_its_own_target(told):
    told.made.transition(CRITICAL, alert=2)
    told.look()
    told.finds("no notice for own, which is routed")


def test_notice_for_a_target_that_is_not_routed(told):
    told.load.is_routed = False
    told.made.transition(CRITICAL, alert=2, targets=("manager", "noc", "own"))
    told.look()
    told.finds("which is not routed then")


def test_recovery_that_its_own_target_is_not_told(told):
    m = told.made
    told.look(m.deliver(*m.transition(CRITICAL, alert=2, targets=("manager", "noc", "own"))))
    m.transition(OK, alert=2)
    told.look()
    told.finds("no notice for own, which is routed")


def test_two_notices_of_one_transition(told):
    told.made.transition(OK, targets=("manager", "noc", "noc"))
    told.look()
    told.finds("two notices for incarnations [2]")


def test_notice_made_in_a_later_commit(told):
    told.made.notice("noc", alert=1, history=1, kind=RAISE, level=CRITICAL, previous=OK)
    told.look()
    told.finds("tell of history 1, which is not of their commit")


def test_notice_of_no_transition(told):
    told.made.notice("noc", alert=1, history=7, kind=RAISE, level=CRITICAL, previous=OK)
    told.look()
    told.finds("tell of history 7")


def test_notice_that_tells_something_else(told):
    told.made.notices[told.made.transition(OK)[0]]["level"] = 3
    told.look()
    told.finds("tell something else")


def test_uuid_given_twice(told):
    i, _ = told.made.transition(OK)
    told.made.notices[i]["uuid"] = told.made.notices[1]["uuid"]
    told.look()
    told.finds("has the UUID of notice 1")


def test_transition_written_twice(told):
    m = told.made
    m.transition(OK)
    m.alerts[1]["level"] = CRITICAL
    m.transition(OK)
    told.look()
    told.finds("comes from 4, the alert was at 1")


def test_alert_without_its_last_transition(told):
    told.made.alerts[1]["level"] = OK
    told.look()
    told.finds("but its last history row is 1")


def test_disabling_told_twice(told):
    for _ in range(2):
        told.made.notice("manager", kind=DISABLE, definition="own")
    told.look()
    told.finds("tells again")


def test_transition_of_a_disabled_definition_that_is_told(told):
    told.made.transition(OK, reason=DISABLED)
    told.look()
    told.finds("should have 0 notices")


def test_history_that_is_skipped(told):
    h = told.made
    h.history[5] = h.history.pop(1)
    told.look()
    told.finds("historys [2, 3, 4] were never seen")


# ---- no acknowledged SET lost, half or reverted ----

def rows_of(n):
    return {("saGroupTable", ("admin", "a")): {"description": str(n)},
            ("saTargetTable", ("admin", "noc")): {"handler": "informs"}}


@pytest.fixture
def thing(told):
    """Was set to 1 and 2, both acknowledged."""
    thing = Thing("thing", None)
    thing.ended(thing.started(State(rows_of(1))), True)
    thing.ended(thing.started(State(rows_of(2))), True)
    told.thing = thing

    def look(description, begun=None, there=True):
        m = told.made
        m.extra = [m.row("saGroupTable", ("admin", "a"), {"description": description})] * there
        told.look(states=[thing.states(begun or thing.begin())])
        return told
    thing.look = look
    return thing


def test_set_that_holds(thing):
    case = thing.look("2")
    assert not case.checks.problems


def test_set_that_was_reverted(thing):
    thing.look("1").finds("thing is lost or reverted")


def test_set_that_was_lost(thing):
    thing.look("", there=False).finds("thing is half there")


def test_set_of_which_half_is_there(thing):
    thing.ended(thing.started(State({k: None for k in rows_of(2)})), True)
    thing.look("", there=False).finds("thing is half there")


def test_set_under_way_may_be_there_or_not(thing):
    thing.started(State(rows_of(3)))
    begun = thing.begin()
    thing.look("3", begun)
    assert not thing.look("2", begun).checks.problems
    thing.look("1", begun).finds("thing is lost or reverted")


def test_set_that_was_sent_during_the_dump_may_be_there(thing):
    begun = thing.begin()
    thing.ended(thing.started(State(rows_of(3))), True)
    assert not thing.look("3", begun).checks.problems
    thing.look("2").finds("thing is lost or reverted")


def test_refused_set_that_is_there(thing):
    thing.ended(thing.started(State(rows_of(3))), False)
    thing.look("3").finds("thing is lost or reverted")


def test_row_that_may_linger_only_until_the_core_has_dealt_with_it(told):
    key = "saGroupTable", ("admin", "a")
    thing = Thing("thing", None)
    thing.ended(thing.started(State({key: None}, late=[key])), True)
    told.made.extra = [told.made.row(*key, {"description": ""})]
    told.made.ring = 1
    told.look(states=[thing.states(thing.begin())])
    assert not told.checks.problems
    told.made.ring = 0
    told.look(states=[thing.states(thing.begin())])
    told.finds("thing is half there")


def test_remembered_sets_are_forgotten_one_day():
    thing = Thing("thing", None)
    for n in range(500):
        begun = thing.begin()
        thing.ended(thing.started(State({"n": n})), True)
        _, allowed, earlier = thing.states(begun)
        assert [s.cells.get("n") for s in allowed] == [n - 1 if n else None, n]
    assert len(thing.ops) <= 2 * thing.REMEMBERED


def test_routing_is_known_but_while_it_is_set():
    thing = Thing("thing", None)
    on, off = State({}, routed=True), State({}, routed=False)
    for at, after in ((100, on), (200, on), (300, off)):
        op = thing.started(after)
        thing.ended(op, True)
        op.sent, op.known = at, at + 1
    assert [thing.routed(at) for at in (50, 100.5, 150, 200.5, 250, 299.5, 301, 310)] == \
        [False, None, True, True, True, None, None, False]
    thing.ops.append(Op(off, on))
    thing.ops[-1].sent = 400
    assert thing.routed(10 ** 10) is None


# ---- what is handed on to others, or made one event ----

def test_recipient_who_is_told_again(told):
    def recipient(state):
        return told.made.row("saNoticeRecipientTable", ("admin", 1, 1), {"state": state})
    told.made.extra = [recipient(DELIVERED)]
    told.look()
    told.look()
    assert not told.checks.problems
    told.made.extra = [recipient(PENDING)]
    told.look()
    told.finds("was reached, and is not any more")


EVENT = "11111111-0000-4000-8000-000000000001"


@pytest.fixture
def summed(told):
    """Two notices that are one event, delivered."""
    m = told.made
    m.targets["noc"]["handler"] = "sum"
    ids = [m.notice("noc", kind=TEST, digest=EVENT) for _ in range(2)]
    told.load.tests = [2, 2]
    m.dispatch(*ids)
    m.sequences[2] -= 1
    m.notices[ids[1]]["sequence"] = m.sequences[2]
    m.finish(*ids)
    return told


def test_one_event_of_several_notices(summed):
    m = summed.made
    dump = summed.look([Arrival(EVENT, 100, "critical", m.sequences[2])])
    summed.checks.at_the_end(dump, {})
    assert not summed.checks.problems


def test_event_that_nobody_got(summed):
    summed.checks.at_the_end(summed.look(), {})
    summed.finds("is delivered, but nobody got it: " + EVENT)


def test_event_of_no_notice(summed):
    summed.look([Arrival(EVENT.replace("1", "2"), 100, "critical", 1)])
    summed.finds("arrived, and is not in the store")


def test_tests_that_were_asked_for(told):
    told.load.tests = [1, 1]
    dump = told.look()
    told.checks.at_the_end(dump, {})
    told.finds("0 test notices, 1 SETs")
    for _ in range(2):
        told.made.notice("manager", kind=TEST)
    told.look()
    told.finds("2 test notices, 1 were asked for")


# ---- everything is delivered in the end ----

def test_notice_that_waits_for_ever(told):
    told.made.transition(OK)
    told.checks.at_the_end(told.look(), {})
    told.finds("was never delivered")


def test_delivered_notice_that_nobody_got(told):
    told.made.deliver(*told.made.transition(OK))
    told.checks.at_the_end(told.look(), {})
    told.finds("is delivered, but nobody got it")


def test_notice_that_failed(told):
    i, _ = told.made.transition(OK)
    told.made.dispatch(i)
    told.made.finish(i, state=FAILED)
    told.look()
    told.finds("was not delivered")


def test_notice_cancelled_though_its_target_lives(told):
    told.made.finish(told.made.transition(OK)[0], state=CANCELLED)
    told.look()
    told.finds("was not delivered")


def test_notice_cancelled_with_its_target(told):
    m = told.made
    told.look(m.deliver(*m.transition(CRITICAL, alert=2, targets=("manager", "noc", "own"))))
    *others, last = m.transition(OK, alert=2, targets=("manager", "noc", "own"))
    arrivals = m.deliver(*others)
    m.finish(last, state=CANCELLED)
    del m.targets["own"], m.told_[2, 3]
    told.look(arrivals)
    assert not told.checks.problems


def test_informs_are_acknowledged(told):
    i = told.made.transition(OK)[1]
    arrivals = told.made.deliver(i)
    told.made.notices[i]["confirmation"] = 2
    told.look(arrivals)
    told.finds("is confirmed as 2")


def test_waiting_notice_that_is_gone(told):
    i, _ = told.made.transition(OK)
    told.look()
    del told.made.notices[i]
    told.look()
    told.finds("was still to be told, and is gone")


def test_finished_notice_that_waits_again(told):
    told.made.notices[1].update(state=PENDING)
    told.look()
    told.finds("was finished, and waits again")


def test_finished_notice_that_changes(told):
    told.made.notices[1]["attempts"] = 9
    told.look()
    told.finds("notice 1 changed after it was finished")


def test_waiting_notice_that_changes(told):
    i, _ = told.made.transition(OK)
    told.look()
    told.made.notices[i]["created"] += 1
    told.look()
    told.finds("['created'] changed")


def test_history_that_changes(told):
    told.made.history[1]["to"] = 3
    told.look()
    told.finds("history 1 changed")


@pytest.mark.parametrize("name", ("pending", "due", "told", "toldCount", "instances",
                                  "noticeAge", "historyAge"))
def test_index_that_is_lost(told, name):
    told.made.transition(OK)
    told.look()
    assert not told.checks.problems
    told.look(spoil=without_db(name))
    words = {"instances": "instances [] are not", "noticeAge": "are missing",
             "historyAge": "are missing", "toldCount": "counted are {}"}
    told.finds(words.get(name, name))


def test_match_that_nobody_would_ask(told):
    """Of one that waits for its target's match; one that was sent unasked needs no answer."""
    first, second = told.made.transition(OK)
    told.made.notices[first]["matching"] = told.made.notices[second]["matching"] = 60000
    told.look()
    assert not told.checks.problems
    told.made.dispatch(second)
    told.look(spoil=without_db("matching"))
    told.finds(f"matching: missing {{{first}}}")


def of_way(way, keep):
    """What is due set aside for WAY: moved there, or there as well (KEEP)."""
    def spoil(lines):
        moved = [x | {"key": f"{way:02x}{x['key'][2:]}"} for x in lines if x.get("db") == "due"]
        return [x for x in lines if keep or x.get("db") != "due"] + moved
    return spoil


def test_due_and_set_aside_for_a_way(told):
    told.made.transition(OK)
    told.look(spoil=of_way(1, False))
    assert not told.checks.problems
    told.look(spoil=of_way(2, True))
    told.finds("too much")


def test_due_and_set_aside_for_a_way_that_is_not(told):
    told.made.transition(OK)
    told.look(spoil=of_way(3, False))
    told.finds("way 3")


@pytest.mark.parametrize("cell", ("pending", "delivered", "failed", "sequence"))
def test_target_that_counts_wrong(told, cell):
    def spoil(lines):
        for x in lines:
            if x.get("table") == "saTargetTable":
                x["cells"][NUMBERS["saTargetTable"][cell]] += 1
        return lines
    told.look(spoil=spoil)
    told.finds("(pending, delivered, failed, sequence) are")


def test_hold_without_its_index(told):
    told.made.alerts[1]["pendingLevel"] = 4
    told.look()
    assert not told.checks.problems
    told.look(spoil=without_db("held"))
    told.finds("running hold")


def test_levels_in_the_end(told):
    told.checks.at_the_end(told.look(), {"flap": OK})
    told.finds("should be at 1")


def test_alert_that_outlives_its_definition(told):
    told.load.deaths = [(500.0, 501.0)]
    told.made.transition(CRITICAL, alert=2, targets=("manager", "noc", "own"))
    told.made.history[2]["at"] = 400000
    told.made.transition(OK, alert=2, targets=("manager", "noc", "own"))
    told.checks.at_the_end(told.look(), {})
    told.finds("outlived its definition")


# ---- told is what receivers saw, in order, with sequences ----

def test_told_is_not_what_the_notices_say(told):
    told.made.told_[1, 2] = 3
    told.look()
    told.finds("told (1, 2): is (3, 0), the notices say (4, 0)")


def test_told_is_not_what_the_receiver_heard(told):
    """The store is at one with itself, but the receiver heard something else."""
    told.checks.lines[1, 2].said = 3
    told.look()
    told.finds("told (1, 2): is 4, the receiver heard 3 last")


def test_told_of_a_dead_target_for_ever(told):
    told.made.told_[1, 9] = 4
    told.made.alerts[1]["level"] = OK
    told.look()
    told.finds("told (1, 9) of a dead alert or target")


def test_message_with_another_level(told):
    a, b = told.made.deliver(*told.made.transition(OK))
    a.level = "critical"
    told.look([a, b])
    told.finds("tells level 1, said was critical")


def test_message_with_another_sequence(told):
    a, b = told.made.deliver(*told.made.transition(OK))
    b.sequence = 7
    told.look([a, b])
    told.finds("has sequence 2, said was 7")


def test_message_of_no_notice(told):
    told.look([Arrival("11111111-0000-4000-8000-000000000000", 99, "ok")])
    told.finds("arrived, and is not in the store")


def test_message_that_was_sent_before_it_was_said(told):
    i, _ = told.made.transition(OK)
    told.look([told.made.arrival(i)])
    told.finds("arrived before it was dispatched")


def test_messages_out_of_order(told):
    m = told.made
    i, j = m.transition(OK)[0], m.transition(CRITICAL)[0]
    m.dispatch(i, j)
    late, early = m.arrival(j), m.arrival(i)
    told.look([late, early])
    told.finds("which is newer")


def test_one_digest_may_tell_the_newest_first(told):
    m = told.made
    i, j = m.transition(OK)[0], m.transition(CRITICAL)[0]
    m.dispatch(i, j)
    told.look([m.arrival(j, message=5), m.arrival(i, message=5)])
    assert not told.checks.problems


def test_sequence_with_a_gap(told):
    i, j = told.made.transition(OK)
    told.made.sequences[1] += 1
    told.look(told.made.deliver(i))
    told.finds("incarnation 1: sequence 2 is missing")


def test_sequence_given_twice(told):
    i, _ = told.made.transition(OK)
    told.made.sequences[1] -= 1
    told.look(told.made.deliver(i))
    told.finds("sequence 1 was given twice")


def test_dispatched_without_a_sequence(told):
    i, _ = told.made.transition(OK)
    told.made.notices[i]["state"] = DISPATCHED
    told.look()
    told.finds("dispatched without a sequence")


# ---- purging ----

@pytest.fixture
def many(told):
    for n in range(4):
        told.look(told.made.deliver(*told.made.transition(OK if n % 2 == 0 else CRITICAL)))
    assert not told.checks.problems
    return told


def test_newer_rows_are_purged_first(many):
    many.made.purge(5)
    many.look()
    many.finds("notice 5 is gone, the older 1 is there")


def test_newer_history_is_purged_first(many):
    many.made.purge(3, what="historyPurged", rows=many.made.history)
    many.look()
    many.finds("history 3 is gone, the older 1 is there")


def test_too_much_is_purged(many):
    many.made.purge(*range(1, 10))
    many.look()
    many.finds("only 1 are left of 2 to be kept")


def test_purging_that_is_not_counted(many):
    many.made.purge(1)
    many.made.purged["noticesPurged"] = 0
    many.look()
    many.finds("1 are gone, the store counts 0")


def test_waiting_notice_that_may_be_purged(many):
    i, _ = many.made.transition(OK)
    many.made.extra = [db("noticeAge", f"{1:016x}{i:08x}")]
    many.look()
    many.finds("which are not finished")


def test_purged_row_that_comes_back(many):
    row = many.made.notices[1]
    many.made.purge(1)
    many.look()
    assert not many.checks.problems
    many.made.notices[1] = row
    many.look()
    many.finds("notice 1 appeared late, or again")


def test_recipient_of_a_purged_notice(many):
    many.made.purge(1)
    many.made.extra = [many.made.row("saNoticeRecipientTable", ("admin", 1, 1), {"state": 3})]
    many.look()
    many.finds("recipient 1 of notice 1, which is not there")


# ---- hold timers ----

def hold(told, raised, on=1000.0, off=1010.0, lives=((900.0, 1100.0),), outages=()):
    told.checks.raised["hold"] = [raised] if raised else []
    return told.checks.holds([("hold", on, off)], list(lives), list(outages), 2.0, 1.0)


@pytest.mark.parametrize("raised, lives, outages", (
    (1002.0, ((900, 1100),), ()),
    (1003.0, ((900, 1100),), ()),
    (1006.0, ((900, 1001), (1004, 1100)), ()),             # frozen for 3 s
    (1006.9, ((900, 1001), (1004, 1100)), ()),             # a death: within another second
    (1005.0, ((900, 1100),), ((1000, 1002.5),)),           # nothing could be evaluated
))
def test_holds_that_are_right(told, raised, lives, outages):
    hold(told, raised, lives=lives, outages=outages)
    assert not told.checks.problems


def test_hold_over_a_downtime_that_counted(told):
    hold(told, 1004.1, lives=((900, 1001), (1004, 1100)))
    told.finds("held 1.10 of 2.0 s")


def test_hold_that_is_early(told):
    hold(told, 1001.5)
    told.finds("held 1.50 of 2.0 s")


def test_hold_that_is_late(told):
    hold(told, 1003.2)
    told.finds("lasted 3.20 s")


def test_hold_that_never_ends(told):
    hold(told, None)
    told.finds("lasted 10.00 s")


def test_hold_that_begins_anew_after_a_death(told):
    hold(told, 1008.0, lives=((900, 1001.9), (1004, 1100)))
    told.finds("should be raised by 4.00 s")


def test_hold_of_an_alert_that_was_not_seen_to_end(told):
    told.checks.cleared["hold"] = [1010.1]
    told.checks.raised["hold"] = [990.0]
    told.checks.holds([("hold", 1000, 1010)], [(900, 1100)], [], 2.0, 1.0)
    assert not told.checks.problems
    told.checks.cleared["hold"] = [999.9, 1010.1]
    told.checks.holds([("hold", 1000, 1010)], [(900, 1100)], [], 2.0, 1.0)
    told.finds("lasted 10.00 s")


def test_hold_that_begins_when_the_last_was_seen_to_end(told):
    told.checks.cleared["hold"] = [1001.0, 1010.1]
    told.checks.raised["hold"] = [990.0, 1002.5]
    told.checks.holds([("hold", 1000, 1010)], [(900, 1100)], [], 2.0, 1.0)
    told.finds("held 1.50 of 2.0 s")


def test_hold_that_nobody_saw_interrupted(told):
    """Off from 1001 to 1003 while no core lived: for the next one it was on all the while."""
    runs = [("hold", 1000, 1001), ("hold", 1003, 1010)]
    lives = [(900, 1001), (1003.5, 1100)]
    told.checks.raised["hold"] = [1004.5]
    told.checks.holds(runs, lives, [], 2.0, 1.0)
    assert not told.checks.problems
    told.checks.holds(runs, [(900, 1100)], [], 2.0, 1.0)
    told.finds("held 1.50 of 2.0 s")


def test_overlap():
    assert overlap([(1, 3), (2, 4), (6, 9)], 0, 7) == 4
