"""What keeps snmpalertd busy in the crash test: its configuration, the documents that it polls, and
the SETs that it gets. Each remembers what it did, for the checker."""

import asyncio
import collections
import random
import threading
import time

from facts import COMMIT_LAG
from lib import smtpd
from lib.site import numbers
from lib.snmp import SetRefused
from lib.snmpclient import INTEGER, Client, index, text, tlv, unsigned
from lib.storedump import MAP_BYTES
from lib.wait import wait_for

FLAPPING, LEVELLED, HELD, FAMILIES, STEADY = 5, 2, 3, 3, 2
HOLD = 2.0          # seconds
HOLD_SLACK = 1.0    # a hold timer is right within a second
STABLE = ("manager", "noc", "operators", "digest", "both", "sum")
WARNING, CRITICAL = 3, 4
RUN, CREATE, DESTROY = 2, 4, 6


# ---- the installation ----

def definition(name, condition, **attributes):
    more = " ".join(f'{k}="{v}"' for k, v in attributes.items())
    return f'<definition name="{name}" staleMultiplier="1000" {more}><condition>' \
        f'<![CDATA[{condition}]]></condition></definition>'


def rows():
    found = [definition(f"flap{i}", f"_topic['load'].v[{i}] > 0") for i in range(FLAPPING)]
    found += [definition(f"level{i}", f"_topic['load'].l[{i}]") for i in range(LEVELLED)]
    found += [definition(f"hold{i}", f"_topic['load'].h[{i}] > 0",
                         timeThresholdMillis=f"{int(HOLD * 1000)}ms") for i in range(HELD)]
    found += [definition("kept", "_topic['load'].n < 0", override="true")]
    return "".join(found)


def configuration(s, more=""):
    """MORE: rows."""
    return f"""<snmpalertd xmlns="urn:snmpalertd:config">
  <store path="{s.path("store")}" mapSize="{MAP_BYTES >> 20}MiB"/>
  <agentx socket="{s.snmpd.agentx}"/>
  <sources><http name="load" url="{s.web.url('load.json')}" interval="100ms"/></sources>
  <handlers>
    <smtp name="mail" host="127.0.0.1" port="{s.mail.port}" encryption="none"
          fromAddress="alerts@example.net"/>
    <snmp name="traps" host="127.0.0.1" port="{s.snmptrapd.port}" community="public"/>
    <snmp name="informs" host="127.0.0.1" port="{s.snmptrapd.port}" community="public"
          confirm="inform"/>
    <publish name="both" handlers="traps informs"/>
    <aggregate name="sum" interval="1s" handler="informs"/>
  </handlers>
  <rows>{rows()}{more}
    <target name="manager" handler="traps" global="true" match="level != 'OK' || changed"/>
    <target name="noc" handler="informs" global="true"/>
    <target name="operators" handler="mail" recipients="operators@example.net" global="true"
            digestMillis="0"/>
    <target name="digest" handler="mail" recipients="digest@example.net" global="true"
            digestMillis="1s"/>
    <target name="both" handler="both" global="true"/>
    <target name="sum" handler="sum" global="true"/>
  </rows>
</snmpalertd>
"""


class _SlowHandler(smtpd.Smtpd.handler):
    """Takes its time before a mail is there, and before it says so, so that mails are under way."""

    async def handle_DATA(self, smtp, session, envelope):
        self.server.begun += 1
        await asyncio.sleep(random.uniform(0, 0.04))
        answer = await super().handle_DATA(smtp, session, envelope)
        await asyncio.sleep(random.uniform(0, 0.04))
        return answer


class SlowSmtpd(smtpd.Smtpd):
    handler = _SlowHandler
    begun = 0


# ---- what is published ----

class Publisher(threading.Thread):
    """A new document every 100 ms, until told to rest. Also a witness of the machine: when it comes
    much too late itself, everybody does."""

    LATE = 0.15  # seconds

    def __init__(self, site, rng):
        super().__init__(daemon=True)
        self.site, self.rng, self.stopped = site, rng, threading.Event()
        self.document = {"n": 0, "v": [0] * FLAPPING, "l": ["OK"] * LEVELLED, "h": [0] * HELD,
                         "f": [0] * (FAMILIES + STEADY), **self.more()}
        self.hold_runs, self._on = [], {}
        self._until = [0.0] * HELD
        self.stalls = []  # [(from, to)] wall seconds
        self.publish()

    def publish(self):
        self.document["n"] += 1
        self.site.publish("load.json", self.document)

    # -- what others may publish besides --

    def more(self):
        return {}

    def flip_more(self):
        pass

    def rest_more(self):
        """What its definitions are at then."""
        return {}

    # -- life --

    def _flip(self):
        d = self.document
        self.flip_more()
        for values in (d["v"], d["f"]):
            for i in range(len(values)):
                if self.rng.random() < 0.06:
                    values[i] = 1 - values[i]
        for i in range(LEVELLED):
            if self.rng.random() < 0.06:
                d["l"][i] = self.rng.choice(("OK", "INFO", "WARNING", "CRITICAL"))
        for i in range(HELD):
            if time.time() >= self._until[i]:
                self._hold(i, not d["h"][i])

    def _hold(self, i, on):
        now = time.time()
        self.document["h"][i] = int(on)
        self._until[i] = now + (self.rng.uniform(3, 15) if on else self.rng.uniform(2, 4))
        if on:
            self._on[i] = now
        elif i in self._on:
            self.hold_runs.append((f"hold{i}", self._on.pop(i), now))

    def run(self):
        begun = time.time()
        while not self.stopped.wait(0.1):
            self._flip()
            self.publish()
            if time.time() - begun > 0.1 + self.LATE:
                self.stalls.append((begun, time.time()))
            begun = time.time()

    def rest(self):
        """The last document; what each definition is at then."""
        self.stopped.set()
        self.join()
        d = self.document
        d.update(v=[i % 2 for i in range(FLAPPING)], l=["WARNING", "OK"],
                 f=[1] * (FAMILIES + STEADY))
        for i in range(HELD):
            if i != 1 and not d["h"][i]:
                self._hold(i, True)
            elif i == 1 and d["h"][i]:
                self._hold(i, False)
        more = self.rest_more()
        self.publish()
        levels = {f"flap{i}": 4 if i % 2 else 1 for i in range(FLAPPING)}
        levels |= {f"hold{i}": 1 if i == 1 else 4 for i in range(HELD)}
        return levels | {"level0": 3, "level1": 1, "kept": 1} | more


# ---- what is set ----

COLUMNS = ("saTargetTest", "saSystemVersion", "saDefinitionStatus", "saDefinitionCondition",
           "saDefinitionStaleMultiplier", "saDefinitionDescription", "saDefinitionDisable",
           "saDefinitionSeverity", "saTargetStatus", "saTargetHandler", "saTargetDescription",
           "saGroupStatus", "saGroupDescription", "saGroupDefinitionStatus",
           "saGroupTargetStatus", "saSystemHistoryMaxRows", "saSystemNoticeMaxRows",
           "saAlertAcknowledge", "saAlertAckAuthor", "saAlertAckText", "saAlertAckUntil",
           "saNoticeAction")


class State:
    """What rows hold: {(table, key): {cell: value}, or None where there is no row}. LATE: rows
    that may be there a little longer, until the core has dealt with the SET. ROUTED: do
    notices of the definition go to its own target?"""

    def __init__(self, cells, late=(), routed=False):
        self.cells, self.late, self.routed = cells, late, routed

    def holds(self, dump):
        return all(self._row_holds(dump, key, cells) for key, cells in self.cells.items())

    def _row_holds(self, dump, key, cells):
        row = dump.tables[key[0]].get(key[1])
        if cells is None:
            return row is None or (key in self.late and dump.ring)
        return row is not None and all(row[c] == v for c, v in cells.items())

    def __repr__(self):
        return repr(self.cells)


class Op:
    """One SET: sent, known to have happened (or not) by `known`; None: still under way."""

    def __init__(self, before, after):
        self.before, self.after = before, after
        self.sent, self.known, self.happened = time.time(), None, None


class Thing:
    """What is set as a whole by single SETs, and what the store may hold of it now."""

    REMEMBERED = 60  # operations

    def __init__(self, name, rng):
        self.name, self.rng, self.lock = name, rng, threading.Lock()
        self.state, self.ops, self.forgotten = self.first(), [], 0
        self.generation = 0

    def first(self):
        return State({})

    def begin(self):
        """Now, before a dump; for states()."""
        with self.lock:
            pending = len(self.ops) - (bool(self.ops) and self.ops[-1].known is None)
            return self.state, self.forgotten + pending

    def states(self, begun):
        """(name, what a dump that was taken since then may show, what was before)"""
        state, n = begun
        with self.lock:
            n -= self.forgotten
            return (self.name, [state] + [op.after for op in self.ops[n:]],
                    [op.before for op in self.ops[:n]] + [op.after for op in self.ops[:n]])

    def started(self, after):
        op = Op(self.state, after)
        with self.lock:
            self.ops.append(op)
            if len(self.ops) > 2 * self.REMEMBERED:
                del self.ops[:self.REMEMBERED]
                self.forgotten += self.REMEMBERED
        return op

    def verdict(self, op, value):
        """Of one that nobody answered, from what probe() reads now: has it happened? None: nobody
        can say."""
        was, now = self.probed(op.before), self.probed(op.after)
        if value not in (was, now):
            raise AssertionError(f"{self.name} is at {value!r}, should be at {was!r} or {now!r}")
        return value == now

    def ended(self, op, happened):
        with self.lock:
            op.happened, op.known = happened, time.time()
            if happened:
                self.state = op.after

    def routed(self, at):
        """Were notices routed to the own target at AT? None: that was being set."""
        with self.lock:
            state = self.ops[0].before if self.ops else self.state
            for op in self.ops:
                near = op.sent - COMMIT_LAG <= at and (op.known is None or at <= op.known + 0.05)
                if near and op.before.routed != op.after.routed:
                    return None
                if op.sent <= at and op.happened:
                    state = op.after
        return state.routed


class Family(Thing):
    """A definition, its group and its target, all of one name and with one generation as
    description; made, changed, disabled and destroyed, or (STEADY) only made and changed."""

    def __init__(self, name, rng, topic, steady=False):
        self.rows = [(f"sa{t}Table", ("admin", name)) for t in ("Definition", "Target", "Group")]
        self.links = [(f"sa{t}Table", ("admin", name, name))
                      for t in ("GroupDefinition", "GroupTarget")]
        self.condition = f"_topic['load'].f[{topic}] > 0"
        self.steady, self.deaths = steady, []  # of the definition: [sent, known to be made again]
        super().__init__(name, rng)

    def first(self):
        return State(dict.fromkeys(self.rows + self.links), late=self.links)

    def _made(self, disabled, severity, handler):
        what = {k: {"description": str(self.generation), "status": 1} for k in self.rows}
        what |= {k: {"status": 1} for k in self.links}
        what[self.rows[0]] |= {"condition": self.condition, "disabled": 1 if disabled else 2,
                               "severity": severity}
        what[self.rows[1]]["handler"] = handler
        state = State(what, routed=not disabled)
        state.facts = disabled, severity, handler
        return state

    def probe(self):
        return "saDefinitionDescription", ("admin", self.name)

    def probed(self, state):
        row = state.cells[self.rows[0]]
        return row and row["description"]

    def change(self):
        """(assignments, the state after them)"""
        self.generation += 1
        if not self.state.cells[self.rows[0]]:
            after = self._made(False, self.rng.choice((WARNING, CRITICAL)),
                               self.rng.choice(("traps", "informs")))
            return self._create(after), after
        if not self.steady and self.rng.random() < 0.25:
            return self._destroy(), self.first()
        disabled = self.state.facts[0]
        if not self.steady and self.rng.random() < 0.35:
            disabled = not disabled
        after = self._made(disabled, self.rng.choice((WARNING, CRITICAL)), self.state.facts[2])
        return self._edit(after), after

    def _names(self, tables):
        for t in tables:
            link = t in ("GroupDefinition", "GroupTarget")
            yield t, ("admin", self.name, self.name) if link else ("admin", self.name)

    def _create(self, after):
        _, severity, handler = after.facts
        what = [(f"sa{t}Status", key, tlv(INTEGER, bytes([CREATE])))
                for t, key in self._names(("Definition", "Target", "Group", "GroupDefinition",
                                           "GroupTarget"))]
        key = ("admin", self.name)
        what += [("saDefinitionCondition", key, text(self.condition)),
                 ("saDefinitionStaleMultiplier", key, unsigned(1000)),
                 ("saDefinitionDisable", key, tlv(INTEGER, b"\2")),
                 ("saTargetHandler", key, text(handler))]
        return self._described(what, severity)

    def _destroy(self):
        tables = ["Definition", "Target", "Group"]
        if self.rng.random() < 0.5:  # else they go with their ends
            tables += ["GroupDefinition", "GroupTarget"]
        return [(f"sa{t}Status", key, tlv(INTEGER, bytes([DESTROY])))
                for t, key in self._names(tables)]

    def _edit(self, after):
        disabled, severity, _ = after.facts
        return self._described([("saDefinitionDisable", ("admin", self.name),
                                 tlv(INTEGER, b"\1" if disabled else b"\2"))], severity)

    def _described(self, what, severity):
        what += [(f"sa{t}Description", key, text(str(self.generation)))
                 for t, key in self._names(("Definition", "Target", "Group"))]
        return what + [("saDefinitionSeverity", ("admin", self.name),
                        tlv(INTEGER, bytes([severity])))]

    def ended(self, op, happened):
        super().ended(op, happened)
        if happened and op.after.cells[self.rows[0]] is None:
            self.deaths.append([op.sent, None])
        elif happened and self.deaths and self.deaths[-1][1] is None:
            self.deaths[-1][1] = op.known


class Kept(Thing):
    """A row of the configuration that may be overridden: what was set survives every start."""

    KEY = "saDefinitionTable", ("admin", "kept")

    def change(self):
        self.generation += 1
        severity = self.rng.choice((WARNING, CRITICAL))
        after = State({self.KEY: {"description": str(self.generation), "severity": severity}})
        return [("saDefinitionDescription", self.KEY[1], text(str(self.generation))),
                ("saDefinitionSeverity", self.KEY[1], tlv(INTEGER, bytes([severity])))], after

    def probe(self):
        return "saDefinitionDescription", self.KEY[1]

    def probed(self, state):
        return state.cells[self.KEY]["description"] if state.cells else ""


class Limits(Thing):
    """Scalars: how much history and how many notices are kept. Few, so that rows are purged all the
    while, but more than can be finished between two looks at the store."""

    KEY = "saSystem", (0,)
    LEAST, MOST, MORE = 200, 300, 800  # rows of history; how many more notices

    def change(self):
        self.generation += 1
        n = self.LEAST + (self.generation + self.rng.randrange(2, 40)) % (self.MOST - self.LEAST)
        after = State({self.KEY: {"historyRows": n, "noticeRows": n + self.MORE}})
        return [("saSystemHistoryMaxRows", (0,), unsigned(n)),
                ("saSystemNoticeMaxRows", (0,), unsigned(n + self.MORE))], after

    def probe(self):
        return "saSystemHistoryMaxRows", (0,)

    def probed(self, state):
        return state.cells[self.KEY]["historyRows"] if state.cells else 100000


class Setter(threading.Thread):
    """Changes its things, one after the other and at random."""

    def __init__(self, load, things, rng):
        super().__init__(daemon=True)
        self.load, self.things, self.rng = load, things, rng
        self.client = Client(load.site.snmpd.port)
        self.failure = None

    def run(self):
        try:
            while not self.load.stopped.wait(self.rng.uniform(0.02, 0.35)):
                if self.rng.random() < 0.1:
                    self.test()
                else:
                    self.change(self.rng.choice(self.things))
        except Exception as e:  # shown by whoever joins
            self.failure = e

    def try_(self, *assignments):
        """True: acknowledged. False: refused. None: nobody knows."""
        what = [(self.load.numbers[column] + index(*key), value)
                for column, key, value in assignments]
        self.load.sent += 1
        try:
            self.client.set(*what)
            return True
        except SetRefused as e:
            self.load.counts[e.error] += 1
            return False if e.error in ("inconsistentValue", "noSuchName", "noCreation",
                                        "notWritable") else None
        except AssertionError:  # no answer in time
            self.load.counts["no answer"] += 1
            return None

    def test(self):
        self.load.tests[1] += 1
        done = self.try_(("saTargetTest", ("admin", "manager"), tlv(INTEGER, bytes([RUN]))))
        self.load.tests[0] += done is True
        self.load.tests[1] -= done is False

    def change(self, thing):
        change = thing.change()
        if not change:
            return  # nothing to be done yet
        assignments, after = change
        self.rng.shuffle(assignments)
        op = thing.started(after)
        done = self.try_(*assignments)
        if done is None:
            done = self.look(thing, op)
        thing.ended(op, done)
        self.load.counts["acknowledged" if done else "not done"] += 1

    def look(self, thing, op):
        """Nobody answered: has it happened? Once the agent is there it can tell."""
        version = self.load.numbers["saSystemVersion"] + (0,)
        column, key = thing.probe()
        name = self.load.numbers[column] + index(*key)

        def answer():
            if self.client.get(version)[0] is None:
                return None
            value = self.client.get(name)[0]
            return (value,) if self.client.get(version)[0] is not None else None
        return thing.verdict(op, *wait_for(answer, "an answer of the agent", 120))


class Load:
    """All that is set, and what the checker asks of it."""

    stable_targets = STABLE

    def __init__(self, site, rng):
        self.site, self.numbers, self.stopped = site, numbers(COLUMNS), threading.Event()
        self.families = {f"family{i}": Family(f"family{i}", rng, i) for i in range(FAMILIES)}
        self.families |= {f"steady{i}": Family(f"steady{i}", rng, FAMILIES + i, steady=True)
                          for i in range(STEADY)}
        others = [Kept("kept", rng), Limits("limits", rng)]
        self.things = [*self.families.values(), *others, *self.more(rng)]
        self.tests = [0, 0]  # least and most that were made
        self.counts, self.sent = collections.Counter(), 0
        self.setters = [Setter(self, x, random.Random(rng.random())) for x in self.divided()]

    # -- what others may have otherwise --

    def more(self, rng):
        """Other things to be set."""
        return []

    def divided(self):
        """The things of each setter."""
        return self.things[:2], self.things[2:4], self.things[4:]

    # -- life --

    def start(self):
        for s in self.setters:
            s.start()

    def failure(self):
        return next((s.failure for s in self.setters if s.failure), None)

    def running(self):
        return any(s.is_alive() for s in self.setters)

    # -- what the checker asks --

    def begin(self):
        return [t.begin() for t in self.things]

    def states(self, begun):
        return [t.states(b) for t, b in zip(self.things, begun)]

    def family_target(self, definition):
        return definition if definition in self.families else None

    def routed(self, name, at):
        return self.families[name].routed(at)

    def deaths_of(self, name):
        return self.families[name].deaths if name in self.families else ()
