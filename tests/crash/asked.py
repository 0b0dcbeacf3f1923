"""What managers ask for while processes are killed: alerts of definitions of their own are
acknowledged, and notices to one target are cancelled and sent again. As in load.py each remembers
what it did, for the checker; here also for how long, since the core goes on with what was set."""

import collections
import datetime
import time

from facts import (CANCEL, COMMIT_LAG, NONE, NORMAL, OK, RESEND, STICKY, UNTIL,
                   WAITING)
from lib.snmpclient import INTEGER, octets, text, tlv
from load import Load, Op, Publisher, State, Thing, configuration, definition

ACKNOWLEDGED, RECALLED = 2, "recalled"  # definitions that are acknowledged; the target
ALERTS, DEFINITIONS = "saAlertTable", [f"ack{i}" for i in range(ACKNOWLEDGED)]


def asking_configuration(s):
    """The target gathers, so that its notices wait for a while."""
    return configuration(s, "".join(definition(f"ack{i}", f"_topic['load'].a[{i}]")
                                    for i in range(ACKNOWLEDGED)) +
                         f'<target name="{RECALLED}" handler="informs" global="true" '
                         'digestMillis="1500ms"/>')


class AskingPublisher(Publisher):
    def more(self):
        return {"a": ["OK"] * ACKNOWLEDGED}

    def flip_more(self):
        a = self.document["a"]
        for i in range(ACKNOWLEDGED):
            if self.rng.random() < 0.05:
                a[i] = self.rng.choice(("OK", "INFO", "WARNING", "WARNING", "CRITICAL"))

    def rest_more(self):
        self.document["a"] = ["OK", "WARNING"]
        return {"ack0": 1, "ack1": 3}


# ---- acknowledgements ----

class Acknowledgement(State):
    """What the row of an alert holds of it: all its cells or, when it has ended, none of them.
    DUE: when it ends by time, in wall seconds, or None."""

    def __init__(self, alert, kind, words="", due=None):
        self.alert, self.kind, self.due, self.sent = alert, kind, due, 0.0
        cells = {"ack": kind, "ackAuthor": "load", "ackText": words,
                 "ackUntil": round(due * 1000) if due else 0}
        super().__init__({(ALERTS, ("admin", alert)): cells if kind != NONE else {"ack": NONE}})

    def holds(self, dump):
        row = dump.tables[ALERTS][("admin", self.alert)]
        if row["ack"] in (0, NONE):
            return self.kind == NONE or self.over(dump.moves[self.alert])
        return super().holds(dump)

    def over(self, moves):
        """Is there what ends it? MOVES: (wall seconds, level) of the alert."""
        return bool(self.due and time.time() >= self.due) or any(
            at >= self.sent - COMMIT_LAG and (to == OK or self.kind == NORMAL) for at, to in moves)


class Acknowledged(Thing):
    """The alert of one definition, as somebody who acknowledges it has it."""

    RESTRAINT = 0.6

    def __init__(self, name, rng):
        self.alert = 0  # 0: not seen yet
        super().__init__(name, rng)

    def saw(self, dump):
        for key, row in dump.tables[ALERTS].items():
            if row["definition"] == self.name:
                self.alert = key[1]

    def change(self):
        """Not too often: each makes a notice for each target, and mail takes its time."""
        if not self.alert or self.rng.random() < self.RESTRAINT:
            return None
        self.generation += 1
        kind = self.rng.choices((NONE, NORMAL, STICKY, UNTIL), (3, 3, 8, 4))[0]
        due = round(time.time() + self.rng.uniform(1, 5), 1) if kind == UNTIL else None
        after = Acknowledgement(self.alert, kind, str(self.generation), due)
        key = "admin", self.alert
        what = [("saAlertAcknowledge", key, tlv(INTEGER, bytes([kind])))]
        if kind != NONE:
            what += [("saAlertAckAuthor", key, text("load")),
                     ("saAlertAckText", key, text(str(self.generation)))]
        if due:
            what.append(("saAlertAckUntil", key, octets(date_and_time(due))))
        return what, after

    def started(self, after):
        op = super().started(after)
        after.sent = op.sent
        return op

    def probe(self):
        return "saAlertAckText", ("admin", self.alert)

    def verdict(self, op, value):
        """Of one without an answer. What reads as empty may have been set and have ended since."""
        (cells,) = op.after.cells.values()
        if value and value == cells.get("ackText"):
            return True
        return False if value else None

    # -- several may have happened since the last of which it is known --

    def begin(self):
        with self.lock:
            sure = [i for i, op in enumerate(self.ops) if op.happened]
            return self.forgotten + (sure[-1] if sure else -1)

    def states(self, begun):
        with self.lock:
            n = begun - self.forgotten
            done = [self.ops[n].after if n >= 0 else State({})]
            return (self.name, done + [op.after for op in self.ops[max(n, -1) + 1:]
                                       if op.known is None or op.happened is not False],
                    [op.after for op in self.ops[:max(n, 0)]])

    def suppressed(self, at, moves):
        """Does an acknowledgement hold back what happens to the alert at AT? None: it may. MOVES:
        what happened to it before."""
        with self.lock:
            ops = list(self.ops)
        inside = [op for op in ops if op.happened is not False or op.known is None]
        before = [op for op in inside if op.known is not None and op.known <= at]
        if len(before) < sum(op.sent <= at + COMMIT_LAG for op in inside) or not before:
            return None  # one is under way, or what was before is forgotten
        op = before[-1]
        if op.happened is None:
            return None
        return self._holds_back(op, at, moves)

    def _holds_back(self, op, at, moves):
        a = op.after
        if a.kind in (NONE, NORMAL):
            return False
        ends = [t for t, to in moves if to == OK and t < at and t >= op.sent - COMMIT_LAG]
        if any(t >= op.known for t in ends):
            return False
        if ends or (a.due and a.due <= at + COMMIT_LAG):
            return None
        return True


def date_and_time(seconds):
    """DateAndTime, in UTC."""
    t = datetime.datetime.fromtimestamp(round(seconds, 1), datetime.timezone.utc)
    return t.year.to_bytes(2, "big") + bytes((t.month, t.day, t.hour, t.minute, t.second,
                                              round(t.microsecond / 1e5), 0x2B, 0, 0))


# ---- notices that are cancelled and sent again ----

class Ask(Op):
    """Of notice NUMBER, which was in the state WAS when it was seen last."""

    def __init__(self, number, action, was):
        super().__init__(State({}), State({}))
        self.number, self.action, self.was = number, action, was


class Recalls(Thing):
    """Notices to the target RECALLED."""

    YOUNG = 40  # of those that were seen last

    def __init__(self, rng):
        self.seen = []     # (id, state), the newest last
        self.asked = collections.defaultdict(list)  # id: Ask, in order
        super().__init__("recalls", rng)

    def saw(self, dump):
        self.seen = [(i, n["state"]) for i, n in sorted(dump.notices.items())
                     if n["target"] == RECALLED][-self.YOUNG:]

    def change(self):
        """Mostly what is possible, by what was seen last."""
        if not self.seen:
            return None
        waiting = [x for x in self.seen if x[1] in WAITING]
        number, was = self.rng.choice(waiting if waiting and self.rng.random() < 0.6 else self.seen)
        sensible = CANCEL if was in WAITING else RESEND
        action = sensible if self.rng.random() < 0.9 else CANCEL + RESEND - sensible
        return [("saNoticeAction", ("admin", number), tlv(INTEGER, bytes([action])))], \
            Ask(number, action, was)

    def started(self, ask):
        ask.sent = time.time()
        with self.lock:
            self.asked[ask.number].append(ask)
        return ask

    def ended(self, ask, happened):
        with self.lock:
            ask.happened, ask.known = happened, time.time()

    def probe(self):
        return "saSystemVersion", (0,)

    def verdict(self, op, value):
        """Of one without an answer: nobody can say. It is over, though: the agent answers."""
        return None

    def of(self, number):
        """What was asked for about it and not refused."""
        with self.lock:
            return [a for a in self.asked.get(number, ()) if a.known is None or
                    a.happened is not False]


class AskingLoad(Load):
    recalled = RECALLED

    def more(self, rng):
        self.acknowledged = {name: Acknowledged(name, rng) for name in DEFINITIONS}
        self.recalls = Recalls(rng)
        return [*self.acknowledged.values(), self.recalls]

    def divided(self):
        asked = [*self.acknowledged.values(), self.recalls]
        rest = [t for t in self.things if t not in asked]
        return rest[:2], rest[2:4], rest[4:], asked[:-1], asked[-1:]

    # -- what the checker asks --

    def saw(self, dump):
        """What there is to ask about."""
        for thing in (*self.acknowledged.values(), self.recalls):
            thing.saw(dump)

    def suppressed(self, name, at, moves):
        """None: it may be; False also where nobody acknowledges."""
        thing = self.acknowledged.get(name)
        return thing.suppressed(at, moves) if thing else False

    def asked(self, number):
        return self.recalls.of(number)

    def all_asked(self):
        with self.recalls.lock:
            numbers = list(self.recalls.asked)
        return [(number, asked) for number in numbers if (asked := self.asked(number))]
