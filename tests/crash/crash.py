#!/usr/bin/env python3
"""snmpalertd under load, whose processes are killed at random instants; checker.py judges what is
left after each death and in the end.

    crash.py [--kills N] [--seed N] [--keep]

Alerts flap, definitions, groups and targets are made, changed, disabled and destroyed by SET, and
traps, informs, mails and digests are under way all the while. Exit status 1 and the list of what is
wrong if anything is."""

import argparse
import collections
import os
import pathlib
import random
import re
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checker import DISPATCHED, Checks, Store  # noqa: E402
from lib import process  # noqa: E402
from lib.site import Site, adopt_orphans, build_folder  # noqa: E402
from lib.wait import wait_for  # noqa: E402
from load import HOLD, HOLD_SLACK, MAP_BYTES, Publisher, Setter, configuration  # noqa: E402
from tree import Tree, kill, reap  # noqa: E402


class Crash:
    def __init__(self, kills, seed):
        self.wanted, self.rng = kills, random.Random(seed)
        self.kills = collections.Counter()
        self.site = Site(configuration, prefix="snmpalert-crash-")
        self.tree = Tree()
        self.setter = Setter(self.site, random.Random(seed + 1))
        self.publisher = Publisher(self.site, random.Random(seed + 2))
        program = str(build_folder() / "tests/crash/storedump")
        self.store = Store(program, self.site.path("store"), MAP_BYTES)
        self.checks = Checks(self.store, self.setter)
        self.deaths = []  # of the master agent

    def launch(self):
        self.tree.parent = self.site.daemon.launch().pid

    def everything_up(self):
        """All six run, and the core has judged something since it was started."""
        def up():
            assert self.site.daemon.process.running(), self.site.daemon.process.output()
            return len(self.tree.look()) == 6
        wait_for(up, "six processes", 90)

    def kill_all(self):
        pids = set(self.tree.look())
        order = [*pids, self.tree.parent]
        self.rng.shuffle(order)
        for pid in order:
            kill(pid)
            self.tree.killed(pid)
        pids |= set(self.tree.children())  # what the parent had just started
        for pid in pids:
            kill(pid)
        self.site.daemon.process.wait()
        wait_for(lambda: reap(pids), "the dead to be gone")

    def kill_parent(self):
        pids = set(self.tree.look())
        kill(self.tree.parent)
        self.site.daemon.process.wait()
        if self.rng.random() < 0.5:
            wait_for(lambda: reap(pids), "the stages without a parent to end", 15)
            self.judge()
            pids = set()
        self.launch()
        wait_for(lambda: reap(pids), "the stages without a parent to end", 15)

    def kill_one(self):
        """False: nobody was there."""
        living = self.tree.look()
        if not living:
            return None
        pid = self.rng.choice(sorted(living))
        kill(pid)
        self.tree.killed(pid)
        return living[pid]

    def judge(self):
        snapshot = self.setter.snapshot()
        self.store.read()
        self.checks.at_rest(snapshot)
        if self.store.problems:
            raise Violated

    def master_is_well(self):
        """The master agent is not under test. Now and then it does not survive the death of its
        subagent (net-snmp issue 69): it is started again, and that is said."""
        snmpd = self.site.snmpd
        if not snmpd.process.running():
            self.deaths.append(f"snmpd ended with {snmpd.process.wait()}: "
                               f"{snmpd.process.output()[-500:]}")
            snmpd.start()

    def one(self):
        """One more death."""
        self.setter_is_well()
        self.master_is_well()
        if self.rng.random() < 0.75:
            self.everything_up_or_not()
        self.publisher.stopped.wait(self.rng.uniform(0, 1.2))
        x = self.rng.random()
        if x < 0.5:
            stage = self.kill_one()
            if stage:
                self.kills[stage] += 1
        elif x < 0.6:
            self.kill_parent()
            self.kills["parent"] += 1
        else:
            self.kill_all()
            self.kills["all"] += 1
            self.judge()
            self.launch()

    def everything_up_or_not(self):
        """Back-off may be long by now: wait a little only."""
        end = time.monotonic() + 3
        wait_for(lambda: len(self.tree.look()) == 6 or time.monotonic() > end, "processes", 10)

    def setter_is_well(self):
        if self.setter.failure:
            self.store.say(f"setting: {self.setter.failure}")
            raise Violated

    def run(self):
        self.launch()
        self.everything_up()
        wait_for(lambda: self.site.manager.get("saSystemVersion.0"), "the MIB", 20)
        self.publisher.start()
        self.setter.start()
        shown = time.monotonic()
        while self.kills.total() < self.wanted:
            self.one()
            if time.monotonic() > shown + 30:
                shown = time.monotonic()
                print(f"# {self.kills.total()} kills, {len(self.store.history)} transitions, "
                      f"{len(self.store.notices)} notices", flush=True)
        self.finish()

    def finish(self):
        """Nothing more is killed or set: all that waits is delivered."""
        self.kill_all()  # so that nobody waits for a long back-off
        self.judge()
        self.launch()
        self.everything_up()
        wait_for(self.something_under_way, "notices under way", 30)
        for pid, stage in self.tree.look().items():
            if stage != "core":  # which must get over it without being started again
                kill(pid)
                self.tree.killed(pid)
        self.everything_up()
        self.setter.stopped.set()
        wait_for(self.setter_has_ended, "the last SET", 150)
        self.setter_is_well()
        expected = self.publisher.rest()
        deadline = time.time()

        def quiet():
            self.store.read()
            levels = {a["definition"]: a["level"]
                      for a in self.store.tables["saAlertTable"].values()}
            return not self.store.ring and not self.store.db["pending"] and \
                all(levels.get(d) == level for d, level in expected.items())
        try:
            wait_for(quiet, "all to be told", 60)
        except AssertionError:
            self.store.say(f"not all is told {time.time() - deadline:.0f} s after the last change: "
                           f"ring {self.store.ring}, {len(self.store.db['pending'])} pending")
        self.site.daemon.stop()
        self.tree.stop()
        snapshot = self.setter.snapshot()
        self.store.read(everything=True)
        self.checks.checked_history = 0
        self.checks.at_rest(snapshot)
        self.checks.at_the_end(self.arrivals(), self.setter.tests, expected)
        outages = self.tree.gaps("poller") + self.tree.gaps("evaluator", 2)
        self.checks.holds(self.publisher.hold_runs, self.tree.spans("core"), outages, HOLD,
                          HOLD_SLACK)
        if self.store.problems:
            raise Violated

    def setter_has_ended(self):
        self.master_is_well()
        return not self.setter.is_alive()

    def something_under_way(self):
        self.store.read()
        return any(n["state"] == DISPATCHED for n in self.store.notices.values())

    def arrivals(self):
        """{uuid: Arrival} of traps, informs and mails."""
        found = {}

        def add(uuid, at, level):
            found.setdefault(uuid, Arrival(at, level))
        for n, line in enumerate(self.site.traps().splitlines()):
            uuid = re.search(r"saNoticeUuid\S* = \"?([0-9a-f-]{36})", line)
            level = re.search(r"saAlertLevel\S* = (\w+)", line)
            if uuid:
                add(uuid[1], n, level[1] if level else None)
        for n, mail in enumerate(self.site.mail.mails):
            text = mail.raw.decode() + "".join(p.get_content() for p in mail.message.walk()
                                               if p.get_content_type() == "text/plain")
            level = mail.message["X-SNMPAlert-Level"]
            uuids = set(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                                   text))
            digest = re.match(r"<([0-9a-f-]{36})@", mail.message["Message-ID"])[1]
            if len(uuids) > 1:
                uuids.discard(digest)
            for uuid in uuids:
                add(uuid, n, level.lower() if level and len(uuids) == 1 else None)
        return found

    def report(self, out=sys.stdout):
        print(f"{self.kills.total()} kills: " +
              ", ".join(f"{n} {k}" for k, n in sorted(self.kills.items())), file=out)
        print(f"{len(self.store.history)} transitions, {len(self.store.notices)} notices; "
              f"SETs: {dict(self.setter.counts)}, tests {self.setter.tests}", file=out)
        for death in self.deaths:
            print(death, file=out)
        for what, n in sorted(self.checks.counts.items()):
            print(f"  {n} {what}", file=out)

    def close(self):
        self.publisher.stopped.set()
        self.setter.stopped.set()
        self.tree.stop()
        pids = set(self.tree.children())
        if self.site.daemon.process and self.site.daemon.process.running():
            self.site.daemon.process.kill()
        for pid in pids:
            kill(pid)
        wait_for(lambda: reap(pids), "the processes to be gone")


class Arrival:
    """The first time: which line or mail it was, and the level that it said."""

    def __init__(self, first, level):
        self.first, self.level = first, level


class Violated(Exception):
    pass


def main():
    p = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    p.add_argument("--kills", type=int, default=25)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--keep", action="store_true", help="keep the folder and show all output")
    o = p.parse_args()
    print(f"# seed {o.seed}", flush=True)
    adopt_orphans()
    crash = Crash(o.kills, o.seed)
    try:
        crash.run()
        bad = False
    except Violated:
        bad = True
    except AssertionError as e:
        crash.store.say(str(e))
        bad = True
    finally:
        crash.close()
    crash.report()
    for problem in crash.store.problems[:50]:
        print(f"WRONG: {problem}")
    if len(crash.store.problems) > 50:
        print(f"... and {len(crash.store.problems) - 50} more")
    if o.keep:
        with open(crash.site.path("daemon.log"), "w") as f:
            f.writelines(p.output() for p in process.started if p.name == "snmpalertd")
        with open(crash.site.path("trapd.log"), "w") as f:
            f.write(crash.site.traps())
        kept = crash.site.folder + "-kept"
        shutil.copytree(crash.site.folder, kept, ignore=shutil.ignore_patterns("agentx"))
        print(f"# kept: {kept}")
    crash.site.close()
    return bad


if __name__ == "__main__":
    sys.exit(main())
