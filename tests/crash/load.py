"""What keeps snmpalertd busy in the crash test: its configuration, the documents that it polls, and
the SETs that it gets. Each remembers what it did, for the checker."""

import collections
import threading
import time

from checker import COMMIT_LAG
from lib.snmp import SetRefused
from lib.wait import wait_for

MAP_BYTES = 256 << 20
FLAPPING, LEVELLED, HELD, FAMILIES = 5, 2, 3, 3
HOLD = 2.0          # seconds
HOLD_SLACK = 1.5    # from published to polled and judged, on a busy machine
STABLE = ("manager", "noc", "operators", "digest")


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
    return "".join(found)


def configuration(s):
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
  </handlers>
  <rows>{rows()}
    <target name="manager" handler="traps" global="true"/>
    <target name="noc" handler="informs" global="true"/>
    <target name="operators" handler="mail" recipients="operators@example.net" global="true"
            digestMillis="0"/>
    <target name="digest" handler="mail" recipients="digest@example.net" global="true"
            digestMillis="1s"/>
  </rows>
</snmpalertd>
"""


# ---- what is published ----

class Publisher(threading.Thread):
    """A new document every 100 ms, until told to rest."""

    def __init__(self, site, rng):
        super().__init__(daemon=True)
        self.site, self.rng, self.stopped = site, rng, threading.Event()
        self.document = {"n": 0, "v": [0] * FLAPPING, "l": ["OK"] * LEVELLED, "h": [0] * HELD,
                         "f": [0] * FAMILIES}
        self.hold_runs, self._on = [], {}
        self._until = [0.0] * HELD
        self.publish()

    def publish(self):
        self.document["n"] += 1
        self.site.publish("load.json", self.document)

    def _flip(self):
        d = self.document
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
        while not self.stopped.wait(0.1):
            self._flip()
            self.publish()

    def rest(self):
        """The last document; what each definition is at then."""
        self.stopped.set()
        self.join()
        d = self.document
        d.update(v=[i % 2 for i in range(FLAPPING)], l=["WARNING", "OK"], f=[1] * FAMILIES)
        for i in range(HELD):
            if i != 1 and not d["h"][i]:
                self._hold(i, True)
            elif i == 1 and d["h"][i]:
                self._hold(i, False)
        self.publish()
        levels = {f"flap{i}": 4 if i % 2 else 1 for i in range(FLAPPING)}
        levels |= {f"hold{i}": 1 if i == 1 else 4 for i in range(HELD)}
        return levels | {"level0": 3, "level1": 1}


# ---- what is set ----

class Op:
    """One SET: sent, known to have happened (or not) by `known`; None: still under way."""

    def __init__(self, before, after):
        self.before, self.after = before, after
        self.sent, self.known, self.happened = time.time(), None, None


class Setter(threading.Thread):
    """Makes, changes, disables and destroys families: a definition, its group and its target, all
    of one name and with one generation as description. State: None or (generation, disabled)."""

    def __init__(self, site, rng):
        super().__init__(daemon=True)
        self.manager, self.rng, self.stopped = site.manager, rng, threading.Event()
        self.lock = threading.Lock()
        self.names = [f"family{i}" for i in range(FAMILIES)]
        self.state = dict.fromkeys(self.names)
        self.ops = {n: [] for n in self.names}
        self.generation = 0
        self.tests = [0, 0]  # least and most that were made
        self.counts = collections.Counter()
        self.failure = None

    # -- what the checker asks --

    stable_targets = STABLE

    def family_target(self, definition):
        return definition if definition in self.ops else None

    def routed(self, name, at):
        """Was the family's target routed at AT? None: that was being set."""
        state = None
        with self.lock:
            for op in self.ops[name]:
                if op.sent - COMMIT_LAG <= at and (op.known is None or at <= op.known + 0.05):
                    return None
                if op.sent <= at and op.happened:
                    state = op.after
        return state is not None and not state[1]

    def deaths_of(self, name):
        """[(sent, known)]: when it was destroyed, and until when it was made again."""
        done = [op for op in self.ops.get(name, ()) if op.happened]
        return [(a.sent, b.known) for a, b in zip(done, done[1:]) if a.after is None]

    def snapshot(self):
        """{family: states that the store may be in}"""
        with self.lock:
            return {n: [self.state[n]] + [op.after for op in self.ops[n][-1:] if op.known is None]
                    for n in self.names}

    # -- setting --

    def run(self):
        try:
            while not self.stopped.wait(self.rng.uniform(0.1, 0.6)):
                if self.rng.random() < 0.2:
                    self._test()
                else:
                    self._change(self.rng.choice(self.names))
        except Exception as e:  # shown by whoever joins
            self.failure = e

    def _try(self, *assignments):
        """True: acknowledged. False: refused. None: nobody knows."""
        try:
            self.manager.set(*assignments)
            return True
        except SetRefused as e:
            self.counts[e.error] += 1
            return False if e.error in ("inconsistentValue", "noSuchName", "noCreation",
                                        "notWritable") else None
        except AssertionError:  # no answer in time
            self.counts["no answer"] += 1
            return None

    def _test(self):
        done = self._try(('saTargetTest."admin"."manager"', "i", "run"))
        self.tests[0] += done is True
        self.tests[1] += done is not False

    def _change(self, name):
        before = self.state[name]
        self.generation += 1
        if before is None:
            after, what = (self.generation, False), self._create(name)
        elif self.rng.random() < 0.4:
            after, what = None, self._destroy(name)
        else:
            disabled = before[1] != (self.rng.random() < 0.5)
            after, what = (self.generation, disabled), self._edit(name, disabled)
        op = Op(before, after)
        with self.lock:
            self.ops[name].append(op)
        done = self._try(*what)
        if done is None:
            done = self._look(name, op)
        with self.lock:
            op.happened, op.known = done, time.time()
            if done:
                self.state[name] = after
        self.counts["acknowledged" if done else "not done"] += 1

    def _create(self, name):
        text = str(self.generation)
        make = ("i", "createAndGo")
        what = [(f'saDefinitionStatus."admin"."{name}"', *make),
                (f'saDefinitionCondition."admin"."{name}"', "s",
                 f"_topic['load'].f[{self.names.index(name)}] > 0"),
                (f'saDefinitionStaleMultiplier."admin"."{name}"', "u", 1000),
                (f'saTargetStatus."admin"."{name}"', *make),
                (f'saTargetHandler."admin"."{name}"', "s",
                 self.rng.choice(("traps", "informs"))),
                (f'saGroupStatus."admin"."{name}"', *make),
                (f'saGroupDefinitionStatus."admin"."{name}"."{name}"', *make),
                (f'saGroupTargetStatus."admin"."{name}"."{name}"', *make)]
        what += [(f'sa{t}Description."admin"."{name}"', "s", text)
                 for t in ("Definition", "Target", "Group")]
        return self._shuffled(what)

    def _destroy(self, name):
        what = [(f'sa{t}Status."admin"."{name}"', "i", "destroy")
                for t in ("Definition", "Target", "Group")]
        if self.rng.random() < 0.5:  # else they go with their ends
            what += [(f'sa{t}Status."admin"."{name}"."{name}"', "i", "destroy")
                     for t in ("GroupDefinition", "GroupTarget")]
        return self._shuffled(what)

    def _edit(self, name, disabled):
        what = [(f'sa{t}Description."admin"."{name}"', "s", str(self.generation))
                for t in ("Definition", "Target", "Group")]
        what += [(f'saDefinitionDisable."admin"."{name}"', "i", 1 if disabled else 2),
                 (f'saDefinitionSeverity."admin"."{name}"', "i",
                  self.rng.choice(("warning", "critical")))]
        return self._shuffled(what)

    def _shuffled(self, what):
        self.rng.shuffle(what)
        return what

    def _look(self, name, op):
        """Nobody answered: has it happened? Once the agent is there it can tell."""
        def answer():
            version = self.manager.get("saSystemVersion.0")
            if version is None:
                return None
            text = self.manager.get(f'saDefinitionDescription."admin"."{name}"')
            return ("is", text) if self.manager.get("saSystemVersion.0") else None
        _, text = wait_for(answer, "an answer of the agent", 120)
        generation = int(text) if text else None
        was, now = (s[0] if s else None for s in (op.before, op.after))
        if generation not in (was, now):
            raise AssertionError(f"{name} is at {generation}, should be at {was} or {now}")
        return generation == now
