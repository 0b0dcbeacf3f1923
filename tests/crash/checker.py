"""What must hold of a store that was left at any instant, and of the receivers in the end. Nothing
here comes from the daemon: rows as storedump.c prints them, messages as they arrived, and what the
load did."""

import bisect
import collections
import json
import subprocess

OK = 1
LEVELS = {1: "ok", 2: "info", 3: "warning", 4: "critical", 5: "unknown"}
CONDITION, DISABLED, DELETED = 1, 4, 5                    # reasons
RAISE, CLEAR, CHANGE, DISABLE, ENABLE, TEST = 1, 2, 3, 7, 8, 9
PENDING, DISPATCHED, DELIVERED, FAILED, CANCELLED = 1, 2, 3, 4, 5
WAITING = (PENDING, DISPATCHED)
PROBLEMS = (RAISE, CHANGE)
COMMIT_LAG = 1.0  # a transaction may begin so long after the time that its rows bear


class Row(dict):
    """Cells by name; one that was never set reads as 0."""

    def __missing__(self, name):
        return 0


class Table:
    """How rows of one table are read: their cells by the names of COLUMNS."""

    def __init__(self, **columns):
        self.columns = {str(v): k for k, v in columns.items()}

    def row(self, line):
        r = Row(key=tuple(line["key"]))
        for number, name in self.columns.items():
            if number in line["cells"]:
                r[name] = line["cells"][number]
        return r


TABLES = {
    "saNoticeTable": Table(uuid=2, target=3, sequence=4, handler=5, alert=6, history=7, kind=8,
                           state=9, attempts=10, created=11, next=12, finished=13, error=15,
                           digest=16, definition=17, level=19, previous=20, incarnation=202,
                           confirmation=14),
    "saHistoryTable": Table(alert=2, definition=3, source=5, to=6, at=7, reason=10, message=12),
    "saAlertTable": Table(definition=2, level=4, previous=5, phase=6, history=12, pendingLevel=200,
                          held=201, pendingSince=202, dataSince=203),
    "saTargetTable": Table(handler=2, description=8, status=11, pending=12, delivered=13,
                           failed=14, sequence=200, incarnation=201),
    "saDefinitionTable": Table(description=12, disabled=13, status=15),
    "saGroupTable": Table(description=3, status=5),
    "saGroupDefinitionTable": Table(status=2),
    "saGroupTargetTable": Table(status=2),
}


class Store:
    """The store's rows: what earlier dumps had, and what a new one changed."""

    def __init__(self, program, folder, map_bytes):
        self.argv = [program, folder, str(map_bytes)]
        self.notices, self.history = {}, {}
        self.problems = []
        self.first_open, self.last_history = 1, 0

    def say(self, what):
        self.problems.append(what)

    def read(self, everything=False):
        bounds = [] if everything else [f"saNoticeTable={self.first_open}",
                                        f"saHistoryTable={self.last_history + 1}"]
        r = subprocess.run([*self.argv, *bounds], capture_output=True, text=True, timeout=120)
        assert r.returncode == 0, r.stderr
        self.tables = {name: {} for name in TABLES}
        self.db = collections.defaultdict(dict)
        for text in r.stdout.splitlines():
            line = json.loads(text)
            if "db" in line:
                self.db[line["db"]][bytes.fromhex(line["key"])] = bytes.fromhex(line["value"])
            elif "ring" in line:
                self.ring = bool(line["ring"])
            elif line["table"] in TABLES:
                row = TABLES[line["table"]].row(line)
                self.tables[line["table"]][row["key"]] = row
        self._merge(everything)

    def _merge(self, everything):
        """Ids only grow, and what is finished stays as it is."""
        for key, row in self.tables["saNoticeTable"].items():
            old = self.notices.get(key[1])
            if old:
                self._compare_notice(old, row)
            elif key[1] < self.first_open:
                self.say(f"notice {key[1]} appeared late")
            self.notices[key[1]] = row
        for key, row in self.tables["saHistoryTable"].items():
            old = self.history.get(key[1])
            if old and old != row:
                self.say(f"history {key[1]} changed from {old} to {row}")
            elif not old and key[1] <= self.last_history:
                self.say(f"history {key[1]} appeared late")
            self.history[key[1]] = row
        if everything:
            for kind in ("notices", "history"):
                there = {k[1] for k in self.tables["saNoticeTable" if kind == "notices"
                                                   else "saHistoryTable"]}
                lost = getattr(self, kind).keys() - there
                if lost:
                    self.say(f"{kind} {sorted(lost)[:10]} are gone")
        self.last_history = max(self.history, default=0)
        self.first_open = min((i for i, n in self.notices.items() if n["state"] in WAITING),
                              default=max(self.notices, default=0) + 1)

    def _compare_notice(self, old, new):
        fixed = ("uuid", "target", "alert", "history", "kind", "created", "definition", "level",
                 "previous", "incarnation", "handler")
        differ = [c for c in fixed if old[c] != new[c]]
        if old["state"] not in WAITING and old != new:
            differ.append(f"finished, it was {old}, is {new}")
        if old["sequence"] and old["sequence"] != new["sequence"]:
            differ.append("sequence")
        if differ:
            self.say(f"notice {new['key'][1]}: {differ} changed")


def u32(b, at):
    return int.from_bytes(b[at:at + 4], "big")


class Checks:
    """Of STORE, with LOAD (crash.py) that says which targets are routed when."""

    def __init__(self, store, load):
        self.store, self.load = store, load
        self.checked_history = 0
        self.counts = collections.Counter()

    def say(self, what):
        self.store.say(what)

    def at_rest(self, families):
        """After a kill, while nothing runs. FAMILIES: what load.snapshot() said just now."""
        self.queue()
        self.sequences()
        self.levels()
        self.instances()
        self.transitions()
        self.told()
        self.families(families)

    # ---- the queue's own invariants ----

    def queue(self):
        s = self.store
        waiting = {(n["incarnation"], n["alert"], i) for i, n in s.notices.items()
                   if n["state"] in WAITING}
        pending = {(u32(k, 0), u32(k, 4), u32(k, 8)) for k in s.db["pending"]}
        if waiting != pending:
            self.say(f"pending: missing {waiting - pending}, too much {pending - waiting}")
        heads = {}
        for incarnation, alert, i in sorted(pending):
            heads.setdefault((incarnation, alert), i)
        wanted = {(s.notices[i]["next"], *line, i) for line, i in heads.items()}
        due = {(int.from_bytes(k[:8], "big"), u32(k, 8), u32(k, 12), u32(k, 16))
               for k in s.db["due"]}
        if due != wanted:
            self.say(f"due: missing {wanted - due}, too much {due - wanted}")
        per_target = collections.Counter(p[0] for p in pending)
        for key, row in s.tables["saTargetTable"].items():
            if row["incarnation"] and row["pending"] != per_target[row["incarnation"]]:
                self.say(f"target {key}: pending {row['pending']}, "
                         f"there are {per_target[row['incarnation']]}")
        ended = collections.Counter((n["incarnation"], n["state"]) for n in s.notices.values())
        for key, row in s.tables["saTargetTable"].items():
            have = row["delivered"], row["failed"]
            want = tuple(ended[row["incarnation"], x] for x in (DELIVERED, FAILED))
            if row["incarnation"] and have != want:
                self.say(f"target {key}: counts {have} delivered and failed, there are {want}")

    def sequences(self):
        given = collections.defaultdict(list)
        for i, n in self.store.notices.items():
            if n["sequence"]:
                given[n["incarnation"]].append(n["sequence"])
            elif n["state"] in (DISPATCHED, DELIVERED, FAILED):
                self.say(f"notice {i} is dispatched without a sequence")
        for incarnation, numbers in given.items():
            if sorted(numbers) != list(range(1, len(numbers) + 1)):
                missing = set(range(1, max(numbers) + 1)) - set(numbers)
                self.say(f"incarnation {incarnation}: sequences have gaps {sorted(missing)[:5]} "
                         f"or are given twice ({len(numbers)} given, {len(set(numbers))} differ)")
        for key, row in self.store.tables["saTargetTable"].items():
            if row["incarnation"] and row["sequence"] != len(given[row["incarnation"]]):
                self.say(f"target {key}: sequence {row['sequence']}, "
                         f"given {len(given[row['incarnation']])}")

    # ---- alerts and history ----

    def levels(self):
        last = {}
        for i in sorted(self.store.history):
            h = self.store.history[i]
            before = last.get(h["alert"])
            if h["source"] != (before["to"] if before else OK):
                self.say(f"history {i} comes from {h['source']}, the alert was at "
                         f"{before['to'] if before else OK}")
            if h["source"] == h["to"]:
                self.say(f"history {i} goes nowhere")
            if h["reason"] not in (CONDITION, DISABLED, DELETED) or h["to"] not in (1, 2, 3, 4):
                self.say(f"history {i}: nothing published asks for it: {h}")
            last[h["alert"]] = h
        for key, a in self.store.tables["saAlertTable"].items():
            h = last.get(key[1])
            if a["level"] != (h["to"] if h else OK) or a["history"] != (h["key"][1] if h else 0):
                self.say(f"alert {key}: {a}, but its last history row is {h}")

    def instances(self):
        s = self.store
        alerts = {key[1]: a for key, a in s.tables["saAlertTable"].items()}
        indexed = [u32(v, 0) for v in s.db["instances"].values()]
        if sorted(indexed) != sorted(alerts):
            self.say(f"instances {sorted(indexed)} are not the alerts {sorted(alerts)}")
        held = {u32(k, 0) for k in s.db["held"]}
        wanted = {i for i, a in alerts.items() if a["pendingLevel"] or a["dataSince"]}
        if held != wanted:
            self.say(f"held {held} are not the alerts with a running hold {wanted}")

    # ---- transitions and their notices ----

    def transitions(self):
        s = self.store
        by_history = collections.defaultdict(list)
        for i, n in s.notices.items():
            if n["history"] > self.checked_history:
                by_history[n["history"]].append(n)
        for i in by_history.keys() - s.history.keys():
            self.say(f"notices of history {i}, which is not there")
        for i in sorted(s.history):
            if i <= self.checked_history:
                continue
            self._transition(i, s.history[i], by_history[i])
        self.checked_history = s.last_history

    def _transition(self, i, h, notices):
        twice = [k for k, n in collections.Counter(n["incarnation"] for n in notices).items()
                 if n > 1]
        if twice:
            self.say(f"history {i}: two notices for incarnations {twice}")
        wrong = [n["key"] for n in notices
                 if (n["level"], n["previous"], n["alert"]) != (h["to"], h["source"], h["alert"])]
        if wrong:
            self.say(f"history {i}: notices {wrong} tell something else")
        told = collections.Counter(n["target"] for n in notices)
        for target in self.load.stable_targets:
            want = int(h["reason"] != DISABLED)
            if told.pop(target, 0) != want:
                self.say(f"history {i} ({h}): {target} should have {want} notices")
            self.counts["notices of global targets"] += 1
        own = self.load.family_target(h["definition"])
        if own and h["reason"] == CONDITION:
            routed = self.load.routed(h["definition"], h["at"] / 1000)
            self._own_target(i, h, own, routed, told.pop(own, 0))
        elif own:
            told.pop(own, 0)
        if told:
            self.say(f"history {i}: notices for {told}, which are not routed")

    def _own_target(self, i, h, own, routed, have):
        if routed is None:
            self.counts["transitions while their targets were being set"] += 1
        elif not routed and have:
            self.say(f"history {i} ({h}): a notice for {own}, which is not routed then")
        elif routed and have != 1 and (h["to"] != OK or self._knows(i, h, own)):
            self.say(f"history {i} ({h}): no notice for {own}, which is routed then")
        else:
            self.counts["notices of own targets"] += 1

    def _knows(self, i, h, target):
        """Was the target that is there now told, or owed, the problem that ends in history I?"""
        before = max((j for j, x in self.store.history.items()
                      if j < i and x["alert"] == h["alert"]), default=0)
        row = self.store.tables["saTargetTable"].get(("admin", target))
        return bool(row) and any(n["history"] == before and n["state"] in (*WAITING, DELIVERED) and
                                 n["incarnation"] == row["incarnation"]
                                 for n in self.store.notices.values())

    # ---- what targets know ----

    def told(self):
        """Told and owed follow from the notices' states."""
        s = self.store
        lines = collections.defaultdict(list)
        for i in sorted(s.notices):
            n = s.notices[i]
            if n["alert"] and n["kind"] in (*PROBLEMS, CLEAR):
                lines[n["alert"], n["incarnation"]].append(n)
        found = {(u32(k, 0), u32(k, 4)): (v[0], u32(v, 1)) for k, v in s.db["told"].items()}
        known = dict(found)
        for line, notices in lines.items():
            level = 0
            for n in notices:
                if n["state"] == DELIVERED:
                    level = 0 if n["kind"] == CLEAR else n["level"]
            owed = sum(n["kind"] in PROBLEMS and n["state"] in WAITING for n in notices)
            have = found.pop(line, (0, 0))
            if have == (level, owed):
                continue
            if self.load.family_target(notices[0]["definition"]) and have[0] in (0, level) and \
                    have[1] <= owed:
                continue  # forgotten with a disabled definition
            self.say(f"told {line}: is {have}, the notices say {(level, owed)}")
        for line, have in found.items():
            self.say(f"told {line}: {have}, of no notice")
        self._told_in_vain(known, lines)

    def _told_in_vain(self, found, lines):
        """Nothing is known for ever of alerts or targets that are no more. Of a dead target it may
        be known until the alert is over."""
        s = self.store
        levels = {key[1]: a["level"] for key, a in s.tables["saAlertTable"].items()}
        living = {r["incarnation"] for r in s.tables["saTargetTable"].values()}
        for line in found:
            waits = any(n["state"] in WAITING for n in lines[line])
            over = levels.get(line[0], OK) == OK
            if over and not waits and not s.ring and (line[0] not in levels or
                                                      line[1] not in living):
                self.say(f"told {line} of a dead alert or target stays for ever")

    # ---- what was set ----

    def families(self, snapshot):
        for name, allowed in snapshot.items():
            state = self.family_state(name)
            if state == "half":
                continue
            self.counts["families looked at"] += 1
            if state not in allowed:
                self.say(f"{name} is {state} in the store, should be one of {allowed}")

    def family_state(self, name):
        """None, (generation, disabled), or "half"."""
        t, key = self.store.tables, ("admin", name)
        rows = [t[x].get(key) for x in ("saDefinitionTable", "saTargetTable", "saGroupTable")]
        links = [t[x].get(("admin", name, name)) for x in ("saGroupDefinitionTable",
                                                           "saGroupTargetTable")]
        if not any(rows):
            if any(links) and not self.store.ring:
                self.say(f"{name}: links without ends")
            return None
        if not all(rows) or not all(links) or len({r["description"] for r in rows}) > 1:
            self.say(f"{name} is half there: {rows + links}")
            return "half"
        return int(rows[0]["description"]), rows[0]["disabled"] == 1

    # ---- in the end ----

    def at_the_end(self, arrivals, tests, expected):
        """ARRIVALS: {uuid: Arrival}; TESTS: least and most test notices; EXPECTED: {definition:
        level}."""
        s = self.store
        by_uuid = {n["uuid"]: n for n in s.notices.values()}
        if len(by_uuid) != len(s.notices):
            self.say("a UUID was given twice")
        for i, n in s.notices.items():
            gone = n["incarnation"] not in {r["incarnation"]
                                            for r in s.tables["saTargetTable"].values()}
            if n["state"] == DELIVERED:
                if n["uuid"] not in arrivals:
                    self.say(f"notice {i} is delivered, but nobody got it: {n}")
                if n["confirmation"] != (3 if n["handler"] != "traps" else 2):
                    self.say(f"notice {i} is confirmed as {n['confirmation']}: {n}")
            elif n["state"] != CANCELLED or not gone:
                self.say(f"notice {i} was not delivered: {n}")
            self.counts[f"notices in state {n['state']}"] += 1
        for uuid in arrivals.keys() - by_uuid.keys():
            self.say(f"notice {uuid} arrived, and is not in the store")
        self._lives()
        self._order(arrivals)
        self._last_seen(arrivals)
        made = sum(n["kind"] == TEST for n in s.notices.values())
        if not tests[0] <= made <= tests[1]:
            self.say(f"{made} test notices, should be {tests}")
        for key, a in s.tables["saAlertTable"].items():
            if a["level"] != expected.get(a["definition"], a["level"]):
                self.say(f"alert {a}: should be at {expected[a['definition']]}")
        disabled = {k for k, r in s.tables["saDefinitionTable"].items() if r["disabled"] == 1}
        if len(s.db["disabled"]) != len(disabled):
            self.say(f"known as disabled: {list(s.db['disabled'])}, they are {disabled}")

    def _lives(self):
        """A definition that was destroyed and made again has other alerts than before."""
        times = collections.defaultdict(list)
        for h in self.store.history.values():
            if h["reason"] != DELETED:  # that may come late: as soon as a core lives again
                times[h["definition"], h["alert"]].append(h["at"] / 1000)
        for (definition, alert), at in times.items():
            for destroyed, made in self.load.deaths_of(definition):
                if min(at) < destroyed - COMMIT_LAG and max(at) > made:
                    self.say(f"alert {alert} of {definition} outlived its definition, which was "
                             f"destroyed at {destroyed:.3f} and made again until {made:.3f}")

    def _order(self, arrivals):
        first = collections.defaultdict(list)
        for i in sorted(self.store.notices):
            n = self.store.notices[i]
            a = arrivals.get(n["uuid"])
            if a:
                first[n["alert"], n["incarnation"]].append((a.first, i))
        for line, seen in first.items():
            if line[0] and seen != sorted(seen):
                self.say(f"notices of {line} came out of order: {seen}")

    def _last_seen(self, arrivals):
        """What targets saw last is what the store says that they were told."""
        last = {}
        for n in self.store.notices.values():
            a = arrivals.get(n["uuid"])
            line = n["alert"], n["incarnation"]
            if a and n["alert"] and n["kind"] in (*PROBLEMS, CLEAR) and \
                    not self.load.family_target(n["definition"]):
                seen = a.first, n["key"][1]  # one digest tells several
                if line not in last or last[line][0] < seen:
                    last[line] = seen, n, a
        told = {(u32(k, 0), u32(k, 4)): v[0] for k, v in self.store.db["told"].items()}
        for line, (_, n, a) in last.items():
            if a.level and a.level != LEVELS[n["level"]]:
                self.say(f"notice {n['key']} said {a.level}: {n}")
            want = 0 if n["kind"] == CLEAR else n["level"]
            if told.get(line, 0) != want:
                self.say(f"{line} saw {want} last, and is told {told.get(line, 0)}")
            self.counts["lines whose receiver agrees with the store"] += 1

    def holds(self, runs, core_lives, outages, hold, slack):
        """RUNS: (definition, on, off) wall seconds. CORE_LIVES: [(start, end)]. OUTAGES: [(from,
        to)] when nothing could be evaluated though a core lived."""
        rows = collections.defaultdict(list)
        for h in self.store.history.values():
            if h["to"] != OK:
                rows[h["definition"]].append(h["at"] / 1000)
        for definition, on, off in runs:
            at = sorted(rows[definition])
            n = bisect.bisect_left(at, on)
            raised = at[n] if n < len(at) and at[n] < off + slack else None
            end = raised if raised else off
            lived = overlap(core_lives, on, end)
            kills = sum(on <= b < end for _, b in core_lives)
            if raised and lived < hold - 0.05:
                self.say(f"{definition} held {lived:.2f} of {hold} s when it was raised at {raised}")
            most = hold + slack + 1.2 * kills + overlap(outages, on, end)
            if lived > most:
                self.say(f"{definition} lasted {lived:.2f} s in the life of {kills} cores "
                         f"({on:.2f} to {end:.2f}), should be raised by {most:.2f} s")
            self.counts["holds that " + ("ran out" if raised else "ended before")] += 1


def overlap(spans, start, end):
    """How much of START to END is in any of SPANS."""
    total, covered = 0, start
    for a, b in sorted(spans):
        a, b = max(a, covered), min(b, end)
        total += max(0, b - a)
        covered = max(covered, b)
    return total
