"""What must hold of a store at any instant, and of what the receivers got. Nothing here comes from
the daemon: rows as storedump.c prints them, messages as they arrived, and what the load did. The
checker keeps its own memory of all that it saw, since rows are purged; each look costs what the
store holds and what is new, not what happened before."""

import bisect
import collections
import json

from answers import HELD_BACK, Answers
from facts import (ACKNOWLEDGED, CANCELLED, CHANGE, CLEAR, COMMIT_LAG, CONDITION,  # noqa: F401
                   DELETED, DELIVERED, DISABLE, DISABLED, DISPATCHED, ENABLE, FAILED, HANDED_OFF,
                   LEVELS, OK, PENDING, PROBLEMS, RAISE, TEST, WAITING)

HAND_ON = ("both", "sum")  # handlers that lead to others
AGGREGATE = "sum"  # the handler that makes one of many
SEEN = 1.5        # what lasts so long while a core lives is seen; another hold begins after it
WAYS, WAY_SHIFT = 2, 56      # what a due notice may be set aside for, in the top octet of its time


class Row(dict):
    """Cells by name; one that was never set reads as 0."""

    def __missing__(self, name):
        return 0


# Columns by the checker's names; store/FORMAT.md says why they are numbers.
TABLES = {
    "saNoticeTable": {2: "uuid", 3: "target", 4: "sequence", 5: "handler", 6: "alert", 7: "history",
                      8: "kind", 9: "state", 10: "attempts", 11: "created", 12: "next",
                      13: "finished", 14: "confirmation", 15: "error", 16: "digest",
                      17: "definition", 19: "level", 20: "previous", 22: "message", 23: "action",
                      24: "suppression", 202: "incarnation", 210: "matching"},
    "saNoticeRecipientTable": {3: "state"},
    "saHistoryTable": {2: "alert", 3: "definition", 5: "source", 6: "to", 7: "at", 10: "reason",
                       12: "message"},
    "saAlertTable": {2: "definition", 4: "level", 5: "previous", 6: "phase", 7: "flags",
                     11: "message", 12: "history", 13: "ack", 14: "ackAuthor", 15: "ackText",
                     16: "ackUntil", 205: "ackTaken", 206: "ackDue", 200: "pendingLevel", 201: "held", 202: "pendingSince",
                     203: "dataSince"},
    "saTargetTable": {2: "handler", 8: "description", 11: "status", 12: "pending",
                      13: "delivered", 14: "failed", 200: "sequence", 201: "incarnation"},
    "saDefinitionTable": {2: "condition", 4: "severity", 12: "description", 13: "disabled",
                          15: "status"},
    "saGroupTable": {3: "description", 5: "status"},
    "saGroupDefinitionTable": {2: "status"},
    "saGroupTargetTable": {2: "status"},
    "saSystem": {18: "historyAge", 19: "historyRows", 20: "historyPurged", 22: "noticeAge",
                 23: "noticeRows", 24: "noticesPurged"},
}
_NAMES = {table: {str(n): name for n, name in columns.items()}
          for table, columns in TABLES.items()}


class Dump:
    """One instant of a store, from the lines that storedump.c prints."""

    def __init__(self, lines):
        self.tables = {name: {} for name in TABLES}
        self.db = collections.defaultdict(dict)
        self.ring = False
        self.rows = 0
        for line in map(json.loads, lines):
            self.rows += 1
            if "db" in line:
                self.db[line["db"]][bytes.fromhex(line["key"])] = bytes.fromhex(line["value"])
            elif "ring" in line:
                self.ring = bool(line["ring"])
            elif line["table"] in TABLES:
                names, cells = _NAMES[line["table"]], line["cells"]
                self.tables[line["table"]][tuple(line["key"])] = Row(
                    {names[n]: value for n, value in cells.items() if n in names})
        self.notices = {key[1]: row for key, row in self.tables["saNoticeTable"].items()}
        self.history = {key[1]: row for key, row in self.tables["saHistoryTable"].items()}
        self.incarnations = {r["incarnation"] for r in self.tables["saTargetTable"].values()}


def u32(b, at):
    return int.from_bytes(b[at:at + 4], "big")


def u64(b, at):
    return int.from_bytes(b[at:at + 8], "big")


def digest_of(row):
    return hash(tuple(sorted(row.items())))


class Kept:
    """The rows of one table that may be purged, oldest first: those that are there (as they were
    for good), and how many went. LEAST: so many are kept at least."""

    def __init__(self, what, least, say):
        self.what, self.least, self._say = what, least, say
        self.rows = {}                 # id: (time, digest)
        self.gone, self.newest_gone = 0, (0, 0)

    def add(self, i, at, row):
        self.rows[i] = at, digest_of(row)

    def same(self, i, row):
        if self.rows[i][1] != digest_of(row):
            self._say(f"{self.what} {i} changed after it was finished: now {row}")

    def purge(self, there):
        """THERE: the ids that the store has."""
        gone = self.rows.keys() - there
        if gone:
            self.newest_gone = max(self.newest_gone, max((self.rows[i][0], i) for i in gone))
            for i in gone:
                del self.rows[i]
            self.gone += len(gone)
            if len(self.rows) < self.least:
                self._say(f"{self.what}: {len(gone)} are gone ({sorted(gone)[:5]} ...), and only "
                          f"{len(self.rows)} are left of {self.least} to be kept")
        oldest = min(((at, i) for i, (at, _) in self.rows.items()), default=None)
        if self.gone and oldest and oldest < self.newest_gone:
            self._say(f"{self.what} {self.newest_gone[1]} is gone, the older {oldest[1]} is there")

    def judge(self, entries, counted):
        """ENTRIES: the store's index of what may go; COUNTED: what it says has gone."""
        wanted = {(at, i) for i, (at, _) in self.rows.items()}
        if entries != wanted:
            self._say(f"{self.what}: may be purged {sorted(entries - wanted)[:5]}, which are not "
                      f"finished; {sorted(wanted - entries)[:5]} are missing")
        if counted != self.gone:
            self._say(f"{self.what}: {self.gone} are gone, the store counts {counted}")


class Sequence:
    """Numbers from 1 on, each once."""

    def __init__(self):
        self.upto, self.beyond = 0, set()

    def add(self, n):
        """False: it was there already."""
        if n <= self.upto or n in self.beyond:
            return False
        self.beyond.add(n)
        while self.upto + 1 in self.beyond:
            self.upto += 1
            self.beyond.remove(self.upto)
        return True


class Line:
    """The notices of one alert for one incarnation of a target, which are told in order."""

    def __init__(self):
        self.delivered = self.level = 0   # the last that was delivered, and what it told
        self.heard, self.message = 0, -1  # the last that arrived first, and in which message
        self.said = None                  # the level that it said


class Checks:
    """LOAD says what was set and which targets are routed when. LEAST_KEPT: (history, notices)
    that no purge goes below."""

    def __init__(self, load, least_kept=(0, 0)):
        self.load, self.problems = load, []
        self.counts = collections.Counter()
        self.looks = self.rows = 0
        self.last = {"notice": 0, "history": 0}      # the greatest id so far
        self.open = {}                               # id: notice that waits
        self.finished = Kept("notice", least_kept[1], self.say)
        self.past = Kept("history", least_kept[0], self.say)
        self.uuids = {}                              # uuid: (id, line, level, kind, sequence)
        self.sequences = collections.defaultdict(Sequence)
        self.ended = collections.Counter()           # (incarnation, state): notices
        self.lines = collections.defaultdict(Line)
        self.lasting = {}                            # alert: (id, row) of its last history
        self.own = {}                                # (history, incarnation): state
        self.toggled = {}                            # (definition, incarnation): last such notice
        self.lives = {}                              # (definition, alert): [first, last] second
        self.raised = collections.defaultdict(list)  # definition: seconds ...
        self.cleared = collections.defaultdict(list)
        self.events = set()                          # uuids of what was made of several notices
        self.reached = set()                         # rows of recipients who got theirs
        self.arrived, self.fresh = set(), []         # uuids; first arrivals not judged yet
        self.unheard = {}                            # uuid: delivered, but not arrived (yet)
        self.tests = 0
        self.copies = collections.Counter()          # uuid: how often it arrived
        self.moves = collections.defaultdict(list)   # alert: (second, level) ...
        self.answers = Answers(self, load)

    def say(self, what):
        self.problems.append(what)

    def count(self, what, n=1):
        self.counts[what] += n

    # ---- one look ----

    def arrive(self, arrivals):
        """What receivers got, in order."""
        for a in arrivals:
            self.count("messages' notices that arrived")
            self.copies[a.uuid] += 1
            if a.uuid in self.arrived:
                self._again(a)
                continue
            self.arrived.add(a.uuid)
            self.unheard.pop(a.uuid, None)
            self.fresh.append(a)

    def _again(self, a):
        """A copy, as it may come after a death, even behind a newer notice."""
        self.count("of these again, after a death or by another handler")
        i, line, *_ = self.uuids.get(a.uuid, (0, (0, 0)))
        if a.level and line[0] and i < self.lines[line].heard:  # a digest tells many anew
            self.count("of these behind a newer notice")

    def look(self, dump, states=(), begun=float("inf")):
        """DUMP was taken after all that arrive() was given, from the time BEGUN on. STATES: [(what,
        allowed states, earlier states)], see load.py."""
        self.looks += 1
        dump.moves = self.moves
        self.rows += dump.rows
        new_history = self._take_history(dump)
        new, ended = self._take_notices(dump)
        self._transitions(dump, new_history, new)
        self._fold(dump, new, ended)
        self._recipients(dump)
        self._purged(dump)
        self._queue(dump)
        self._targets(dump)
        self._alerts(dump)
        self._instances(dump)
        self._heard()
        self._told(dump)
        self._told_counts(dump)
        self.answers.look(dump, begun)
        for what, allowed, earlier in states:
            self._set(dump, what, allowed, earlier)

    def _ids(self, what, rows):
        """The new ones. Ids are given in order, and none is skipped."""
        last = self.last[what]
        new = sorted(i for i in rows if i > last)
        if new and (new[0] != last + 1 or new[-1] - new[0] != len(new) - 1):
            missing = sorted(set(range(last + 1, new[-1])) - set(new))
            self.say(f"{what}s {missing[:10]} were never seen")
        self.last[what] = new[-1] if new else last
        return new

    def _take_history(self, dump):
        last = self.last["history"]
        new = self._ids("history", dump.history)
        for i, row in dump.history.items():
            if i > last:
                self.past.add(i, row["at"], row)
            elif i in self.past.rows:
                self.past.same(i, row)
            else:
                self.say(f"history {i} appeared late, or again: {row}")
        return new

    def _take_notices(self, dump):
        """Ids of new notices, and of those that have ended since the last look."""
        last = self.last["notice"]
        new, ended = self._ids("notice", dump.notices), []
        for i, row in dump.notices.items():
            waits = row["state"] in WAITING
            old = self.open.get(i)
            if old:
                self._same_notice(i, old, row)
            elif i <= last:
                if i not in self.finished.rows:
                    self.say(f"notice {i} appeared late, or again: {row}")
                elif not self.answers.may_return(i):
                    if waits:
                        self.say(f"notice {i} was finished, and waits again: {row}")
                    else:
                        self.finished.same(i, row)
                elif self._returns(i, row, waits):
                    ended.append(i)
                continue
            if waits:
                self.open[i] = row
            else:
                self.open.pop(i, None)
                ended.append(i)
                self.finished.add(i, row["finished"], row)
        for i in self.open.keys() - dump.notices.keys():
            self.say(f"notice {i} was still to be told, and is gone: {self.open.pop(i)}")
        return new, sorted(ended)

    def _returns(self, i, row, waits):
        """It was finished, and somebody had it sent again. Has it ended again since the last look?
        """
        if self.uuids[row["uuid"]][0] != i:
            self.say(f"notice {i} has another UUID when it is sent again: {row}")
        at, _ = self.finished.rows.pop(i)
        if waits:
            self.open[i] = row
            return False
        self.finished.add(i, row["finished"], row)
        return row["finished"] != at

    def _same_notice(self, i, old, new):
        fixed = ("uuid", "target", "alert", "history", "kind", "created", "definition", "level",
                 "previous", "incarnation", "handler")
        differ = [c for c in fixed if old[c] != new[c]]
        if old["sequence"] and old["sequence"] != new["sequence"]:
            differ.append("sequence")
        if differ:
            self.say(f"notice {i}: {differ} changed from {old} to {new}")

    # ---- transitions and their notices ----

    def _transitions(self, dump, new_history, new):
        by_history, fresh = collections.defaultdict(list), set(new_history)
        for i in new:
            n = dump.notices[i]
            h = n["history"]
            first = h in fresh and n["incarnation"] not in (x["incarnation"]
                                                            for _, x in by_history[h])
            if h and not self.answers.belongs_elsewhere(i, n, first):
                by_history[h].append((i, n))
        for h in by_history.keys() - fresh:
            self.say(f"notices {[i for i, _ in by_history[h]]} tell of history {h}, which is not "
                     "of their commit")
        for i, n in ((i, dump.notices[i]) for i in new):
            if self.load.family_target(n["definition"]):
                self.own[n["history"], n["incarnation"]] = n["state"]
        for i in new_history:
            h = dump.history[i]
            before = self.lasting.get(h["alert"])
            at = h["at"] / 1000
            self._step(i, h, before)
            self._notices_of(dump, i, h, before, by_history[i])
            self.answers.transition(i, h, at, by_history[i])
            self.moves[h["alert"]].append((at, h["to"]))
            self.lasting[h["alert"]] = i, h
            if h["reason"] == CONDITION:  # the others may come late: when a core lives again
                life = self.lives.setdefault((h["definition"], h["alert"]), [at, at])
                life[1] = at
            (self.cleared if h["to"] == OK else self.raised)[h["definition"]].append(at)
            self.count("transitions")

    def _step(self, i, h, before):
        was = before[1]["to"] if before else OK
        if h["source"] != was:
            self.say(f"history {i} comes from {h['source']}, the alert was at {was}")
        if h["source"] == h["to"]:
            self.say(f"history {i} goes nowhere")
        if h["reason"] not in (CONDITION, DISABLED, DELETED) or h["to"] not in (1, 2, 3, 4):
            self.say(f"history {i}: nothing published asks for it: {h}")

    def _notices_of(self, dump, i, h, before, notices):
        twice = [k for k, n in collections.Counter(n["incarnation"] for _, n in notices).items()
                 if n > 1]
        if twice:
            self.say(f"history {i}: two notices for incarnations {twice}")
        wrong = [k for k, n in notices
                 if (n["level"], n["previous"], n["alert"]) != (h["to"], h["source"], h["alert"])]
        if wrong:
            self.say(f"history {i}: notices {wrong} tell something else")
        told = collections.Counter(n["target"] for _, n in notices)
        for target in self.load.stable_targets:
            want = int(h["reason"] != DISABLED)
            if told.pop(target, 0) != want:
                self.say(f"history {i} ({h}): {target} should have {want} notices")
            self.count("transitions' notices for global targets")
        told.pop(self.load.recalled, None)
        own = self.load.family_target(h["definition"])
        if own and h["reason"] == CONDITION:
            routed = self.load.routed(h["definition"], h["at"] / 1000)
            self._own_target(dump, i, h, before, own, routed, told.pop(own, 0))
        elif own:
            told.pop(own, 0)
        if told:
            self.say(f"history {i}: notices for {told}, which are not routed")

    def _own_target(self, dump, i, h, before, own, routed, have):
        if routed is None:
            self.count("transitions while their own targets were being set")
        elif not routed and have:
            self.say(f"history {i} ({h}): a notice for {own}, which is not routed then")
        elif routed and have != 1 and (h["to"] != OK or self._knows(dump, before, own)):
            self.say(f"history {i} ({h}): no notice for {own}, which is routed then")
        else:
            self.count("transitions' notices for their own targets")

    def _knows(self, dump, before, target):
        """Was the target that is there now told, or owed, the problem that ends?"""
        row = dump.tables["saTargetTable"].get(("admin", target))
        return bool(row and before) and \
            self.own.get((before[0], row["incarnation"])) in (*WAITING, DELIVERED)

    # ---- notices that began and ended ----

    def _fold(self, dump, new, ended):
        for i in new:
            n = dump.notices[i]
            if n["uuid"] in self.uuids:
                self.say(f"notice {i} has the UUID of notice {self.uuids[n['uuid']][0]}")
            if n["kind"] == TEST:
                self.tests += 1
            elif n["kind"] in (DISABLE, ENABLE):
                self._toggle(i, n)
        for i in {*new, *self.open, *ended}:
            self._dispatched(i, dump.notices[i])
        for i in ended:
            self._end(dump, i, dump.notices[i])
        if self.tests > self.load.tests[1]:
            self.say(f"{self.tests} test notices, {self.load.tests[1]} were asked for")

    def _dispatched(self, i, n):
        line = n["alert"], n["incarnation"]
        known = self.uuids.get(n["uuid"])
        if not n["sequence"] and n["state"] in (DISPATCHED, DELIVERED, FAILED):
            self.say(f"notice {i} is dispatched without a sequence")
        fresh = n["sequence"] and not (known and known[4])
        # Notices that are one event have one number.
        if fresh and not self.sequences[n["incarnation"]].add(n["sequence"]) and \
                not n["handler"] == AGGREGATE:
            self.say(f"notice {i}: sequence {n['sequence']} was given twice")
        if n["handler"] == AGGREGATE and n["digest"]:
            self.events.add(n["digest"])
        self.uuids[n["uuid"]] = i, line, n["level"], n["kind"], n["sequence"]

    def _end(self, dump, i, n):
        self.ended[n["incarnation"], n["state"]] += 1
        if (n["history"], n["incarnation"]) in self.own:
            self.own[n["history"], n["incarnation"]] = n["state"]
        right = self.answers.end(i, n)
        if n["state"] == DELIVERED:
            self._delivered(dump, i, n)
        elif not right and (n["state"] != CANCELLED or n["incarnation"] in dump.incarnations):
            self.say(f"notice {i} was not delivered: {n}")
        self.count(f"notices in state {n['state']}")

    def _delivered(self, dump, i, n):
        uuid = n["uuid"]
        if n["handler"] == AGGREGATE and n["digest"]:
            uuid = n["digest"]
        if uuid not in self.arrived:
            self.unheard[uuid] = i
        if n["confirmation"] != (HANDED_OFF if n["handler"] in ("traps", "both") else ACKNOWLEDGED):
            self.say(f"notice {i} is confirmed as {n['confirmation']}: {n}")
        if n["kind"] in (*PROBLEMS, CLEAR):
            line = self.lines[n["alert"], n["incarnation"]]
            if i < line.delivered:
                if not self.answers.may_return(i):
                    self.say(f"notice {i} was delivered after {line.delivered}, which is newer")
                return
            line.delivered, line.level = i, 0 if n["kind"] == CLEAR else n["level"]

    def _toggle(self, i, n):
        """Disabled and enabled are told in turn."""
        key = n["definition"], n["incarnation"]
        old = self.toggled.get(key)
        self.toggled[key] = n
        if old and old["kind"] == n["kind"]:
            since, until = old["created"] / 1000 - COMMIT_LAG, n["created"] / 1000 + COMMIT_LAG
            if not any(known is None or (sent < until and known > since)
                       for sent, known in self.load.deaths_of(n["definition"])):
                self.say(f"notice {i} tells again what {old} told")

    def _recipients(self, dump):
        """Who was reached stays so: nobody is told again who has answered."""
        rows = dump.tables["saNoticeRecipientTable"]
        for key in self.reached & rows.keys():
            if rows[key]["state"] != DELIVERED:
                self.say(f"recipient {key} was reached, and is not any more: {rows[key]}")
        self.reached = {key for key, row in rows.items() if row["state"] == DELIVERED}

    # ---- purging ----

    def _purged(self, dump):
        self.finished.purge(dump.notices.keys())
        self.past.purge(dump.history.keys())
        system = dump.tables["saSystem"].get((0,), Row())
        for kept, db, counter in ((self.finished, "noticeAge", "noticesPurged"),
                                  (self.past, "historyAge", "historyPurged")):
            kept.judge({(u64(k, 0), u32(k, 8)) for k in dump.db[db]}, system[counter])
        for _, i, number in dump.tables["saNoticeRecipientTable"]:
            if i not in dump.notices:
                self.say(f"recipient {number} of notice {i}, which is not there")

    # ---- the queue's own invariants ----

    def _queue(self, dump):
        waiting = {(n["incarnation"], n["alert"], i) for i, n in self.open.items()}
        pending = {(u32(k, 0), u32(k, 4), u32(k, 8)) for k in dump.db["pending"]}
        if waiting != pending:
            self.say(f"pending: missing {waiting - pending}, too much {pending - waiting}")
        asked = {i for i, n in self.open.items() if n["matching"] and n["state"] == PENDING}
        lost = asked - {u32(k, 0) for k in dump.db["matching"]}
        if lost:
            self.say(f"matching: missing {lost}")
        heads = {}
        for incarnation, alert, i in sorted(pending & waiting):
            heads.setdefault((incarnation, alert), i)
        wanted = {(self.open[i]["next"], *line, i) for line, i in heads.items()}
        wanted |= {(n["next"], n["incarnation"], n["alert"], i) for i, n in self.open.items()
                   if n["next"] and n["state"] == DISPATCHED and self.answers.recalls(n)}
        due = collections.Counter()
        for k in dump.db["due"]:
            way, at = divmod(u64(k, 0), 1 << WAY_SHIFT)
            due[at, u32(k, 8), u32(k, 12), u32(k, 16)] += 1
            if way > WAYS:
                self.say(f"due: an entry of {at} is set aside for way {way}")
        wanted = collections.Counter(wanted)
        # Behind what others are still to be told: for who has got it.
        passing = {p for p in due - wanted if p[3] in self.open and
                   self.open[p[3]]["next"] == p[0] and self.open[p[3]]["handler"] in HAND_ON}
        if due - wanted - collections.Counter(passing) or wanted - due:
            self.say(f"due: missing {list(wanted - due)}, too much {list(due - wanted)}")
        self.per_target = collections.Counter(p[0] for p in pending)

    def _targets(self, dump):
        for key, row in dump.tables["saTargetTable"].items():
            x = row["incarnation"]
            if not x:
                continue
            want = (self.per_target[x], self.ended[x, DELIVERED], self.ended[x, FAILED],
                    self.sequences[x].upto)
            have = row["pending"], row["delivered"], row["failed"], row["sequence"]
            if key[1] == self.load.recalled:  # of those sent again nobody has counted the ends
                have = have[0], want[1], *have[2:]
            if have != want:
                self.say(f"target {key}: (pending, delivered, failed, sequence) are {have}, the "
                         f"notices say {want}")
        for x, s in self.sequences.items():
            if s.beyond:
                self.say(f"incarnation {x}: sequence {s.upto + 1} is missing, "
                         f"{sorted(s.beyond)[:5]} are there")

    # ---- alerts ----

    def _alerts(self, dump):
        for key, a in dump.tables["saAlertTable"].items():
            i, h = self.lasting.get(key[1], (0, Row(to=OK)))
            if (a["level"], a["history"]) != (h["to"], i):
                self.say(f"alert {key}: {a}, but its last history row is {i}: {h}")

    def _instances(self, dump):
        alerts = {key[1]: a for key, a in dump.tables["saAlertTable"].items()}
        indexed = sorted(u32(v, 0) for v in dump.db["instances"].values())
        if indexed != sorted(alerts):
            self.say(f"instances {indexed} are not the alerts {sorted(alerts)}")
        held = {u32(k, 0) for k in dump.db["held"]}
        wanted = {i for i, a in alerts.items() if a["pendingLevel"] or a["dataSince"]}
        if held != wanted:
            self.say(f"held {held} are not the alerts with a running hold {wanted}")

    # ---- what receivers heard, and targets know ----

    def _heard(self):
        """What arrived had been made, in the order of its line, and says what the notice says."""
        for a in self.fresh:
            if a.uuid in self.events:
                self.count("events of several notices that arrived")
                continue
            if a.uuid not in self.uuids:
                self.say(f"notice {a.uuid} arrived, and is not in the store")
                continue
            i, key, level, kind, sequence = self.uuids[a.uuid]
            if not sequence:
                self.say(f"notice {i} arrived before it was dispatched")
            if a.sequence and a.sequence != sequence:
                self.say(f"notice {i} has sequence {sequence}, said was {a.sequence}")
            if kind not in (*PROBLEMS, CLEAR):
                continue
            if a.level and a.level != LEVELS[level]:
                self.say(f"notice {i} tells level {level}, said was {a.level}")
            line = self.lines[key]
            if i < line.heard and a.message > line.message and not self.answers.may_return(i):
                self.say(f"notice {i} of {key} arrived after {line.heard}, which is newer")
            elif i > line.heard:
                line.heard, line.message = i, a.message
                line.said = 0 if kind == CLEAR else level
        self.fresh.clear()

    def _told(self, dump):
        """Told and owed follow from the notices' states, and are what the receiver heard last."""
        owed, waits = collections.Counter(), set()
        for n in self.open.values():
            if n["alert"]:
                key = n["alert"], n["incarnation"]
                waits.add(key)
                owed[key] += n["kind"] in PROBLEMS
        found = {(u32(k, 0), u32(k, 4)): (v[0] & ~HELD_BACK, u32(v, 1))
                 for k, v in dump.db["told"].items()}
        recalled = dump.tables["saTargetTable"].get(("admin", self.load.recalled), Row())
        self._told_in_vain(dump, found, waits)
        stable = {key[1] for key, a in dump.tables["saAlertTable"].items()
                  if not self.load.family_target(a["definition"])}
        known = {key for key, line in self.lines.items() if line.level}
        for key in {*found, *known, *owed}:
            if key[1] == recalled["incarnation"]:
                continue
            have, line = found.get(key, (0, 0)), self.lines[key]
            want = line.level, owed[key]
            if have != want:
                if key[0] in stable or have[0] not in (0, line.level) or have[1] > owed[key]:
                    self.say(f"told {key}: is {have}, the notices say {want}")
                line.level = have[0]  # forgotten, with a definition that was disabled or destroyed
        for key, line in self.lines.items():
            if key[0] in stable and key not in waits and line.heard >= line.delivered > 0 and \
                    key[1] != recalled["incarnation"]:
                have = found.get(key, (0, 0))[0]
                if have != line.said:
                    self.say(f"told {key}: is {have}, the receiver heard {line.said} last, in "
                             f"notice {line.heard}")
                self.count("times that told was what the receiver had heard last")

    def _told_counts(self, dump):
        """What saTargetTold shows is kept beside it."""
        want = collections.Counter(u32(k, 4) for k, v in dump.db["told"].items()
                                   if v[0] & ~HELD_BACK)
        have = {u32(k, 0): u32(v, 0) for k, v in dump.db["toldCount"].items()}
        if have != want:
            self.say(f"told are, by incarnation, {dict(want)}; counted are {have}")

    def _told_in_vain(self, dump, found, waits):
        """Nothing is known for ever of alerts or targets that are no more. Of a dead target it may
        be known until the alert is over."""
        levels = {key[1]: a["level"] for key, a in dump.tables["saAlertTable"].items()}
        for line in found:
            over = levels.get(line[0], OK) == OK
            if over and line not in waits and not dump.ring and \
                    (line[0] not in levels or line[1] not in dump.incarnations):
                self.say(f"told {line} of a dead alert or target stays for ever")

    # ---- what was set ----

    def _set(self, dump, what, allowed, earlier):
        self.count("looks at what was set")
        if any(s.holds(dump) for s in allowed):
            return
        there = [s for s in earlier if s.cells and s.holds(dump)]
        if there:
            self.say(f"{what} is lost or reverted: the store has {there[-1]}, should be one of "
                     f"{allowed}")
        else:
            rows = {k: dump.tables[k[0]].get(k[1]) for s in allowed for k in s.cells}
            self.say(f"{what} is half there: {rows}, should be one of {allowed}")

    # ---- in the end ----

    def at_the_end(self, dump, expected):
        """Nothing waits any more. EXPECTED: {definition: level}."""
        self.answers.at_the_end(dump)
        for i, n in self.open.items():
            self.say(f"notice {i} was never delivered: {n}")
        for uuid, i in self.unheard.items():
            self.say(f"notice {i} is delivered, but nobody got it: {uuid}")
        if self.tests < self.load.tests[0]:
            self.say(f"{self.tests} test notices, {self.load.tests[0]} SETs for them were "
                     "acknowledged")
        for (definition, alert), (first, last) in self.lives.items():
            for destroyed, made in self.load.deaths_of(definition):
                if first < destroyed - COMMIT_LAG and made is not None and last > made:
                    self.say(f"alert {alert} of {definition} outlived its definition, which was "
                             f"destroyed at {destroyed:.3f} and made again until {made:.3f}")
        for key, a in dump.tables["saAlertTable"].items():
            if a["level"] != expected.get(a["definition"], a["level"]):
                self.say(f"alert {a}: should be at {expected[a['definition']]}")
        disabled = {k for k, r in dump.tables["saDefinitionTable"].items() if r["disabled"] == 1}
        if len(dump.db["disabled"]) != len(disabled):
            self.say(f"known as disabled: {list(dump.db['disabled'])}, they are {disabled}")

    # ---- hold timers ----

    def holds(self, runs, core_lives, outages, hold, slack):
        """RUNS: (definition, on, off) wall seconds, in order. CORE_LIVES: [(start, end)]. OUTAGES:
        [(from, to)] when nothing could be evaluated though a core lived. SLACK: a hold timer may
        be wrong by so much, and by so much more for each death of a core. Returns how late holds
        were: those in the life of one core, and others, for each death."""
        late, first, ended = ([], []), {}, {}
        for definition, on, off in runs:
            gap = ended.get(definition, 0), on
            if overlap(core_lives, *gap) - overlap(outages, *gap) > SEEN:
                first[definition] = on
            ended[definition] = off
            since = self._over(definition, on, off)
            if since is None:
                self.count("holds that never were, since the end of the last was not seen")
                continue
            at = self.raised[definition]
            n = bisect.bisect_left(at, since)
            raised = at[n] if n < len(at) and at[n] < off + slack else None
            end = raised if raised else off
            lived, down = overlap(core_lives, since, end), overlap(outages, since, end)
            kills = sum(since <= b < end for _, b in core_lives)
            begun = max(first.setdefault(definition, on), since if since > on else 0)
            seen = overlap(core_lives, begun, end)
            if raised and seen < hold - 0.05:
                self.say(f"{definition} held {seen:.2f} of {hold} s when it was raised at {raised}")
            most = hold + slack * (1 + kills) + down
            if lived > most:
                self.say(f"{definition} lasted {lived:.2f} s in the life of {kills} cores "
                         f"({since:.2f} to {end:.2f}), should be raised by {most:.2f} s")
            self.count("holds that " + ("ran out" if raised else "ended before"))
            if raised and not down and seen == lived:
                late[bool(kills)].append((lived - hold) / max(1, kills))
        return late

    def _over(self, definition, on, off):
        """From when on it could be held: an alert whose end was not seen, because nobody lived to
        see it, is none (None)."""
        raised, cleared = self.raised[definition], self.cleared[definition]
        before = bisect.bisect_left(raised, on), bisect.bisect_left(cleared, on)
        if before[0] == 0 or (before[1] and cleared[before[1] - 1] >= raised[before[0] - 1]):
            return on
        late = cleared[before[1]] if before[1] < len(cleared) else off
        return late if late < off else None


def overlap(spans, start, end):
    """How much of START to END is in any of SPANS."""
    total, covered = 0, start
    for a, b in sorted(spans):
        a, b = max(a, covered), min(b, end)
        total += max(0, b - a)
        covered = max(covered, b)
    return total


def show_problems(problems):
    for problem in problems[:50]:
        print(f"WRONG: {problem}")
    if len(problems) > 50:
        print(f"... and {len(problems) - 50} more")
