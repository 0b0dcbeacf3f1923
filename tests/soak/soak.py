#!/usr/bin/env python3
"""snmpalertd beside a master agent that is restarted again and again, for a while, under load.

    soak.py [--seconds N] [--restart N] [--seed N] [--keep]

Three managers walk (by GETNEXT, by small and by large GETBULK; names must rise), two set (rows made,
changed and destroyed, 18 in one request), alerts flap and are told. Every --restart seconds
snmpd ends, in turn by SIGTERM and SIGKILL, and a new one is started: the MIB must be served within
LIMIT of it. The model of what was set takes an answered SET at its word; of one without an answer it
asks the agent when it is there again. In the end the store, the MIB and the model must agree row by
row, and the alerts with what was published last. Exit status 1 and the list of what is wrong if
anything is."""

import argparse
import collections
import pathlib
import random
import signal
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "crash")]

from checker import Dump, show_problems  # noqa: E402
from lib.site import Site, build_folder  # noqa: E402
from lib.snmp import DEFAULTS  # noqa: E402
from lib.snmpclient import INTEGER, Client, text, tlv  # noqa: E402
from lib.storedump import dump_lines  # noqa: E402
from lib.wait import PATIENCE, wait_for  # noqa: E402
from load import (CREATE, DESTROY, FLAPPING, HELD, LEVELLED, STABLE, Load,  # noqa: E402
                  Publisher, SlowSmtpd, State, Thing, configuration)
from rows import Schema, differences, read_dump  # noqa: E402

LIMIT = 5          # seconds from when the master answers until the MIB is served
BATCHES, BATCH = 4, 6  # and how many rows of each kind are in one
DEFINITIONS = [*(f"flap{i}" for i in range(FLAPPING)), *(f"level{i}" for i in range(LEVELLED)),
               *(f"hold{i}" for i in range(HELD)), "kept"]  # of the file


# ---- what is set ----

class Batch(Thing):
    """BATCH definitions, as many targets and as many groups: made, changed and destroyed by one
    request each."""

    def __init__(self, name, rng):
        self.keys = [("admin", f"{name}-{i}") for i in range(BATCH)]
        super().__init__(name, rng)

    def rows(self):
        return [(f"sa{t}Table", key) for t in ("Definition", "Target", "Group")
                for key in self.keys]

    def first(self):
        return State(dict.fromkeys(self.rows()))

    def probe(self):
        return "saDefinitionDescription", self.keys[0]

    def probed(self, state):
        row = state.cells["saDefinitionTable", self.keys[0]]
        return row and row["description"]

    def change(self):
        self.generation += 1
        there = self.probed(self.state) is not None
        if there and self.rng.random() < 0.2:
            return [(f"sa{t}Status", key, tlv(INTEGER, bytes([DESTROY])))
                    for t in ("Definition", "Target", "Group") for key in self.keys], self.first()
        mark = str(self.generation)
        what = [(f"sa{t}Description", key, text(mark)) for t in ("Definition", "Target", "Group")
                for key in self.keys]
        if not there:
            what += self._creation()
        return what, State({row: {"description": mark, "status": 1} for row in self.rows()})

    def _creation(self):
        for key in self.keys:
            yield from ((f"sa{t}Status", key, tlv(INTEGER, bytes([CREATE])))
                        for t in ("Definition", "Target", "Group"))
            yield "saDefinitionCondition", key, text("false")
            yield "saTargetHandler", key, text("traps")


class SoakLoad(Load):
    """Two managers that set."""

    def more(self, rng):
        return [Batch(f"batch{i}", rng) for i in range(BATCHES)]

    def divided(self):
        return self.things[::2], self.things[1::2]


# ---- who walks ----

class Walker(threading.Thread):
    """Walks our part of the MIB, by GETBULK of REPETITIONS or (0) by GETNEXT, until told to stop."""

    def __init__(self, site, root, repetitions):
        super().__init__(daemon=True)
        self.client = Client(site.snmpd.port)
        self.root, self.repetitions = root, repetitions
        self.over = threading.Event()
        self.walks = self.broken = self.variables = 0
        self.problem = None

    def run(self):
        try:
            while not self.over.is_set() and not self.problem:
                self.one()
        except Exception as e:
            self.problem = repr(e)

    def one(self):
        try:
            found = sum(1 for _ in self.walk())
        except AssertionError:  # no answer, or genErr: the master, or we, were not there
            self.broken += 1
            return
        self.variables += found
        self.walks += found > 0
        if not found:
            self.over.wait(0.1)  # nobody serves our MIB

    def walk(self):
        at = self.root
        while not self.over.is_set():
            for name, tag, content in self.client.after(at, self.repetitions, timeout=2):
                if tag == 0x82 or name[:len(self.root)] != self.root:
                    return
                if name <= at:
                    self.problem = f"{name} follows {at}"
                    return
                at = name
                yield name, tag, content

    def stop(self):
        self.over.set()
        self.join()
        self.client.close()


# ---- the whole ----

class Soak:
    def __init__(self, seconds, restart, seed):
        self.seconds, self.restart = seconds, restart
        self.site = Site(configuration, prefix="snmpalert-soak-", mail=SlowSmtpd(),
                         snmpd=DEFAULTS)
        self.schema = Schema(str(build_folder() / "tests/mib/schema_dump"))
        self.publisher = Publisher(self.site, random.Random(seed))
        self.load = SoakLoad(self.site, random.Random(seed + 1))
        root = self.schema.root + (1,)
        self.walkers = [Walker(self.site, root, n) for n in (0, 10, 50)]
        self.problems, self.figures, self.back = [], collections.Counter(), []

    def say(self, what):
        self.problems.append(what)

    def served(self):
        client = Client(self.site.snmpd.port)
        try:
            return client.get(self.load.numbers["saSystemVersion"] + (0,), timeout=1)[0]
        finally:
            client.close()

    def restart_master(self, number):
        snmpd = self.site.snmpd
        if not snmpd.process.running():
            self.figures[f"times snmpd ended by itself, with {snmpd.process.wait()}"] += 1
        snmpd.stop(number)
        snmpd.start()
        begun = time.monotonic()
        wait_for(self.served, "the MIB to be served", 60)
        self.back.append(time.monotonic() - begun)
        self.figures["restarts of the master"] += 1
        if self.back[-1] > LIMIT * PATIENCE:
            self.say(f"the MIB was served {self.back[-1]:.1f} s after the master was there")

    def run(self):
        self.site.daemon.start()
        threads = [self.publisher, *self.walkers]
        for t in threads:
            t.start()
        self.load.start()
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and not self.gone_wrong():
            self.publisher.stopped.wait(min(self.restart, max(0, end - time.monotonic())))
            number = (signal.SIGTERM, signal.SIGKILL)[len(self.back) % 2]
            self.restart_master(number)
        for w in self.walkers:
            w.stop()
        self.load.stopped.set()
        wait_for(lambda: not self.load.running(), "the last SET", 150)
        expected = self.publisher.rest()
        self.gone_wrong()
        if not self.problems:
            self.agree(expected)

    def gone_wrong(self):
        """Whoever walks or sets has found something."""
        self.problems += [f"walking: {w.problem}" for w in self.walkers if w.problem]
        if self.load.failure():
            self.say(f"setting: {self.load.failure()!r}")
        if not self.site.daemon.process.running():
            self.say("snmpalertd has ended")
        return self.problems

    # ---- in the end ----

    def agree(self, expected):
        wait_for(lambda: not self.unrest(expected), "all to be told", 60)
        before = None
        for _ in range(20):
            dump = read_dump(self.schema, self.site)
            walker = Walker(self.site, self.schema.root + (1,), 25)
            walked = {name: (tag, content) for name, tag, content in walker.walk()}
            if dump == before:
                break
            before = dump
        else:
            self.say("the store does not come to rest")
            return
        rows, cells, differ = differences(self.schema, dump, walked)
        self.figures.update({"rows of the store compared with the MIB": rows,
                             "cells of them": cells})
        self.problems += differ
        self.compare_model(dump)

    def unrest(self, expected):
        dump = self.judged()
        levels = {a["definition"]: a["level"] for a in dump.tables["saAlertTable"].values()}
        return dump.ring or dump.db["pending"] or \
            any(levels.get(d) != level for d, level in expected.items())

    def judged(self):
        return Dump(dump_lines(self.site))

    def model(self):
        """{table: keys}: the file's rows, those that were set, and what comes with a definition: it
        is in the default group of its service."""
        keys = {"saDefinitionTable": {("admin", d) for d in DEFINITIONS},
                "saTargetTable": {("admin", t) for t in STABLE}, "saGroupTable": {("admin", "default")},
                "saGroupDefinitionTable": set(), "saGroupTargetTable": set()}
        for thing in self.load.things:
            for (table, key), cells in thing.state.cells.items():
                if cells is not None and table in keys:
                    keys[table].add(key)
        keys["saGroupDefinitionTable"] |= {("admin", "default", d)
                                           for _, d in keys["saDefinitionTable"]}
        return keys

    def compare_model(self, raw):
        """Each row of the model is there as it should be, and there are no others."""
        dump = self.judged()
        for thing in self.load.things:
            if not thing.state.holds(dump):
                self.say(f"{thing.name}: the model has {thing.state}")
        for table, keys in self.model().items():
            self.figures["rows of the model compared with the store"] += len(keys)
            self.problems += [f"{table} {key}: in the store, not in the model"
                              for key in raw.get(table, {}).keys() - keys]
            self.problems += [f"{table} {key}: in the model, not in the store"
                              for key in keys - raw.get(table, {}).keys()]
        purged = raw["saSystem"][(0,)].get("20", 0)  # saSystemHistoryPurged
        self.figures["transitions"] = purged + len(raw["saHistoryTable"])

    def close(self):
        for w in self.walkers:
            w.over.set()
        self.publisher.stopped.set()
        self.load.stopped.set()

    def show(self):
        for w, how in zip(self.walkers, ("GETNEXT", "GETBULK of 10", "GETBULK of 50")):
            print(f"  {w.walks} walks by {how} ({w.variables} variables, {w.broken} broken off)")
        for what, n in sorted(self.load.counts.items()):
            print(f"  SETs: {n} {what}")
        for what, n in sorted(self.figures.items()):
            print(f"  {n} {what}")
        if self.back:
            print(f"  the MIB was back {min(self.back):.2f} to {max(self.back):.2f} s after its master")
        show_problems(self.problems)


def main():
    p = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    p.add_argument("--seconds", type=float, default=600)
    p.add_argument("--restart", type=float, default=30, help="seconds from one restart to the next")
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--keep", action="store_true", help="keep the folder if something is wrong")
    o = p.parse_args()
    print(f"# seed {o.seed}", flush=True)
    soak = Soak(o.seconds, o.restart, o.seed)
    try:
        soak.run()
    except AssertionError as e:
        soak.say(str(e))
    finally:
        soak.close()
        soak.show()
        if soak.problems and o.keep:
            soak.site.keep()
        soak.site.close()
    return bool(soak.problems)


if __name__ == "__main__":
    sys.exit(main())
