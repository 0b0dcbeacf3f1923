#!/usr/bin/env python3
"""snmpalertd under load, whose processes are killed at random instants; checker.py judges what the
store and the receivers have after each death and in the end.

    crash.py [--kills N] [--worlds N] [--seed N] [--keep]

Alerts flap and are acknowledged, definitions, groups and targets are made, changed, disabled and
destroyed by SET, notices are cancelled and sent again, rows are purged, and traps, informs, mails
and digests are under way all the while. Each world is an
installation of its own; the kills are divided among them. Exit status 1 and the list of what is
wrong if anything is."""

import argparse
import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checker import DISPATCHED, Checks, Dump, show_problems  # noqa: E402
from lib import process  # noqa: E402
from lib.site import Site, adopt_orphans  # noqa: E402
from lib.snmp import SYS_UPTIME  # noqa: E402
from lib.snmpclient import Client  # noqa: E402
from lib.storedump import dump_lines  # noqa: E402
from lib.wait import wait_for  # noqa: E402
from asked import AskingLoad, AskingPublisher, asking_configuration  # noqa: E402
from load import HOLD, HOLD_SLACK, Limits, SlowSmtpd  # noqa: E402
from receivers import Receivers  # noqa: E402
from tree import Tree, kill, reap  # noqa: E402

STAGES = {"core": 4, "agent": 2, "dispatcher": 2, "poller": 1, "evaluator": 1,
          "checker": 1}  # how often
PASSING = ("checker",)  # they come and go
CALM = 25         # deaths; then nothing is killed until holds have run out
MASTER_SILENT = 20  # seconds without an acknowledged SET, and it is asked whether it lives


class World:
    def __init__(self, kills, seed):
        self.wanted, self.rng = kills, random.Random(seed)
        self.kills, self.kicked = collections.Counter(), 0
        self.site = Site(asking_configuration, prefix="snmpalert-crash-", mail=SlowSmtpd())
        self.tree = Tree()
        self.load = AskingLoad(self.site, random.Random(seed + 1))
        self.publisher = AskingPublisher(self.site, random.Random(seed + 2))
        self.checks = Checks(self.load, (Limits.LEAST, Limits.LEAST + Limits.MORE))
        self.receivers = Receivers(self.site.path("traps.log"), self.site.mail.mails)
        self.deaths = []  # of the master agent
        self.heard_of_master = time.monotonic(), 0
        self.late = [], []  # hold timers, in seconds

    # ---- what is killed, and when ----

    def launch(self):
        self.tree.parent = self.site.daemon.launch().pid

    def everything_up(self, timeout=90):
        def up():
            assert self.site.daemon.process.running(), self.site.daemon.process.output()
            return self.lasting() == 6
        wait_for(up, "six processes", timeout)

    def lasting(self):
        return sum(stage not in PASSING for stage in self.tree.look().values())

    def kill(self, pid):
        self.kicked += 1
        kill(pid)
        self.tree.killed(pid)

    def kill_all(self):
        pids = set(self.tree.look())
        order = [*pids, self.tree.parent]
        self.rng.shuffle(order)
        for pid in order:
            self.kill(pid)
        pids |= set(self.tree.children())  # what the parent had just started
        for pid in pids:
            kill(pid)
        self.site.daemon.process.wait()
        wait_for(lambda: reap(pids), "the dead to be gone")
        judged = self.rng.random() < 0.5
        if judged:
            self.judge()
        self.launch()
        if not judged:
            self.judge()

    def kill_parent(self):
        pids = set(self.tree.look())
        self.kill(self.tree.parent)
        self.site.daemon.process.wait()
        if self.rng.random() < 0.5:
            wait_for(lambda: reap(pids), "the stages without a parent to end", 15)
            self.judge()
        self.launch()
        wait_for(lambda: reap(pids), "the stages without a parent to end", 15)
        self.judge()

    def kill_some(self, most):
        """The stages that were killed: 1 to MOST of those that live."""
        living = self.tree.look()
        chosen = []
        while living and len(chosen) < most:
            pid = self.rng.choices(list(living), [STAGES[s] for s in living.values()])[0]
            chosen.append(living.pop(pid))
            self.kill(pid)
        if chosen:
            self.judge()
        return chosen

    def wait_for_life(self):
        """What was started last has shown life. Back-off may be long by now: wait a little only."""
        wanted = self.rng.choice((1, 6, 6, 6))
        end = time.monotonic() + 2.5
        wait_for(lambda: self.lasting() >= wanted or time.monotonic() > end, "processes", 10)

    def wait_for_instant(self):
        """Any, or just after something happened."""
        if self.rng.random() < 0.5:
            self.publisher.stopped.wait(self.rng.uniform(0, 0.7))
            return
        log = self.site.path("traps.log")
        signs = (lambda: self.load.sent, lambda: self.load.counts["acknowledged"],
                 lambda: self.site.mail.begun, lambda: os.stat(log).st_size,
                 lambda: self.publisher.document["n"])
        sign = self.rng.choice(signs)
        was, end = sign(), time.monotonic() + 1
        while sign() == was and time.monotonic() < end:
            time.sleep(0.002)
        self.publisher.stopped.wait(self.rng.uniform(0, 0.02))

    def one(self):
        """One more death, or several at once."""
        self.load_is_well()
        self.master_is_well()
        self.wait_for_life()
        self.wait_for_instant()
        daemon = self.site.daemon.process
        assert daemon.running(), f"ended with {daemon.wait()}:\n{daemon.output()[-2000:]}"
        if self.rng.random() < 0.1:  # the same file: nothing may come of it
            daemon.send(signal.SIGHUP)
            self.checks.count("reloads under way")
        x = self.rng.random()
        if x < 0.55:
            for stage in self.kill_some(1):
                self.kills[stage] += 1
        elif x < 0.65:
            self.kills["several at once"] += bool(self.kill_some(self.rng.randint(2, 4)))
        elif x < 0.75:
            self.kill_parent()
            self.kills["parent"] += 1
        else:
            self.kill_all()
            self.kills["all at once"] += 1

    # ---- what is judged ----

    def dump(self):
        return Dump(dump_lines(self.site))

    def judge(self):
        """What a dump says was delivered has arrived, or is about to be logged."""
        self.checks.arrive(self.receivers.read())
        begun, now = self.load.begin(), time.time()
        dump = self.dump()
        self.checks.look(dump, self.load.states(begun), now)
        self.load.saw(dump)
        end = time.monotonic() + 10
        while self.checks.unheard and time.monotonic() < end:
            time.sleep(0.005)
            self.checks.arrive(self.receivers.read())
        for uuid, i in self.checks.unheard.items():
            self.checks.say(f"notice {i} is delivered, but nobody got it: {uuid}")
        if self.checks.problems:
            raise Violated
        return dump

    def load_is_well(self):
        failure = self.load.failure()
        if failure:
            self.checks.say(f"setting: {failure}")
            raise Violated

    def master_is_well(self):
        """The master agent is not under test. Now and then it does not survive the death of its
        subagent (net-snmp issue 69), or answers no more: it is started again, and that is said."""
        snmpd, done = self.site.snmpd, self.load.counts["acknowledged"]
        since, before = self.heard_of_master
        if done != before or time.monotonic() < since + MASTER_SILENT:
            if done != before:
                self.heard_of_master = time.monotonic(), done
            if snmpd.process.running():
                return
        elif snmpd.process.running():
            self.heard_of_master = time.monotonic(), done
            if self.master_answers():
                return
            self.deaths.append("snmpd answered no more")
            snmpd.process.kill()
        self.deaths.append(f"snmpd ended with {snmpd.process.wait()}")
        snmpd.start()

    def master_answers(self):
        client = Client(self.site.snmpd.port)
        try:
            client.get(SYS_UPTIME, timeout=10)
            return True
        except AssertionError:
            return False
        finally:
            client.close()

    # ---- from the start to the end ----

    def run(self):
        self.launch()
        self.everything_up()
        wait_for(lambda: self.site.manager.get("saSystemVersion.0"), "the MIB", 20)
        self.publisher.start()
        self.load.start()
        shown, calm = time.monotonic(), CALM
        while self.kills.total() < self.wanted:
            self.one()
            if self.kills.total() >= calm:
                calm += CALM
                self.calm()
            if time.monotonic() > shown + 30:
                shown = time.monotonic()
                print(f"# {self.kills.total()} kills, {self.checks.counts['transitions']} "
                      f"transitions, {self.checks.last['notice']} notices", flush=True)
        self.finish()

    def calm(self):
        end = time.monotonic() + self.rng.uniform(HOLD + 1, HOLD + 2)
        while time.monotonic() < end:
            self.publisher.stopped.wait(0.5)
            self.judge()

    def finish(self):
        """Nothing more is killed or set: all that waits is delivered."""
        self.kill_all()  # so that nobody waits for a long back-off
        self.everything_up()
        wait_for(self.something_under_way, "notices under way", 30)
        for pid, stage in self.tree.look().items():
            if stage != "core":  # which must get over it without being started again
                self.kill(pid)
        self.everything_up()
        self.load.stopped.set()
        wait_for(self.load_has_ended, "the last SET", 150)
        self.load_is_well()
        expected = self.publisher.rest()
        self.wait_until_quiet(expected)
        self.site.daemon.stop()
        self.tree.stop()
        dump = self.judge()
        self.checks.at_the_end(dump, expected)
        outages = self.tree.gaps("poller") + self.tree.gaps("evaluator", 2) + self.publisher.stalls
        self.late = self.checks.holds(self.publisher.hold_runs, self.tree.spans("core"), outages,
                                      HOLD, HOLD_SLACK)
        if self.checks.problems:
            raise Violated

    def wait_until_quiet(self, expected, timeout=60):
        begun = time.monotonic()
        while why := self.unrest(self.judge(), expected):
            if time.monotonic() > begun + timeout:
                self.checks.say(f"not all is told {timeout} s after the last change: {why}")
                raise Violated
            time.sleep(0.1)

    def unrest(self, dump, expected):
        """What has still to be done; "" for nothing."""
        levels = {a["definition"]: a["level"] for a in dump.tables["saAlertTable"].values()}
        left = {"changes": dump.ring, "pending": len(dump.db["pending"]),
                "acknowledged for a time": len(dump.db["acknowledged"]),
                "levels": {d: levels.get(d) for d, x in expected.items() if levels.get(d) != x},
                "history": len(dump.history) > Limits.MOST and len(dump.history),
                "notices": len(dump.notices) > Limits.MOST + Limits.MORE and len(dump.notices)}
        return ", ".join(f"{what}: {x}" for what, x in left.items() if x)

    def load_has_ended(self):
        self.master_is_well()
        return not self.load.running()

    def something_under_way(self):
        dump = self.judge()
        return any(n["state"] == DISPATCHED for n in dump.notices.values())

    def close(self):
        self.publisher.stopped.set()
        self.load.stopped.set()
        self.tree.stop()
        pids = set(self.tree.children())
        if self.site.daemon.process and self.site.daemon.process.running():
            self.site.daemon.process.kill()
        for pid in pids:
            kill(pid)
        wait_for(lambda: reap(pids), "the processes to be gone")

    def result(self):
        c = self.checks
        counts = c.counts + collections.Counter({
            "looks at the store": c.looks, "rows looked at": c.rows, "SIGKILLs": self.kicked,
            "history rows purged": c.past.gone, "notices purged": c.finished.gone,
            "notices": c.last["notice"], "test notices": c.tests,
            "stalls of the machine": len(self.publisher.stalls)})
        counts += {f"SETs: {k}": n for k, n in self.load.counts.items()}
        return {"kills": self.kills, "counts": counts, "problems": c.problems,
                "deaths": self.deaths, "late": self.late}


class Violated(Exception):
    pass


def keep(world):
    with open(world.site.path("times.json"), "w") as f:
        json.dump({"holds": world.publisher.hold_runs, "raised": world.checks.raised,
                   "cleared": world.checks.cleared,
                   "lives": {s: world.tree.spans(s) for s in world.tree.lives}}, f)
    world.site.keep()


def run_world(o):
    """One world; what became of it as the last line, in JSON."""
    adopt_orphans()
    world = World(o.kills, o.seed)
    try:
        world.run()
    except Violated:
        pass
    except Exception:
        world.checks.say(traceback.format_exc())
    finally:
        world.close()
    if world.checks.problems:
        log = "".join(p.output() for p in process.started if p.name == "snmpalertd").splitlines()
        print("\n".join(f"# {line}" for line in log[-40:]), flush=True)
        if o.keep:
            keep(world)
    world.receivers.close()
    world.site.close()
    print(json.dumps(world.result()))


class Worlds:
    """A process for each world; their lines are shown as they come."""

    def __init__(self, o):
        self.report = Report()
        self._lock = threading.Lock()
        share, more = divmod(o.kills, o.worlds)
        self._running = [self._start(o, n, share + (n < more)) for n in range(o.worlds)]

    def _start(self, o, n, kills):
        argv = [sys.executable, __file__, "--inside", f"--kills={kills}",
                f"--seed={o.seed * 100 + n}"] + ["--keep"] * o.keep
        world = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                 preexec_fn=process.die_with_parent)
        thread = threading.Thread(target=self._read, args=(f"world {n}", world))
        thread.start()
        return thread

    def _read(self, name, world):
        result = None
        for line in world.stdout:
            if line.startswith("{"):
                result = json.loads(line)
            else:
                print(f"# {name}: {line.lstrip('# ').rstrip()}", flush=True)
        status = world.wait()
        with self._lock:
            self.report.add(name, result or {"problems": [f"ended with {status}"]})

    def join(self):
        for thread in self._running:
            thread.join()


class Report:
    """Of all worlds together."""

    def __init__(self):
        self.kills, self.counts = collections.Counter(), collections.Counter()
        self.problems, self.deaths, self.late = [], [], ([], [])

    def add(self, name, result):
        self.kills += collections.Counter(result.get("kills"))
        self.counts += collections.Counter(result.get("counts"))
        self.problems += [f"{name}: {p}" for p in result["problems"]]
        self.deaths += result.get("deaths", ())
        for mine, more in zip(self.late, result.get("late", ())):
            mine += more

    def show(self, seconds):
        print(f"{self.kills.total()} kills in {seconds:.0f} s: " +
              ", ".join(f"{n} {k}" for k, n in sorted(self.kills.items())))
        for what, n in sorted(self.counts.items()):
            print(f"  {n} {what}")
        for late, what in zip(self.late, ("holds in the life of one core: {}, late by {:.2f} to "
                                          "{:.2f} s", "holds over deaths of the core: {}, late by "
                                          "{:.2f} to {:.2f} s for each death")):
            if late:
                print("  " + what.format(len(late), min(late), max(late)))
        for death, n in collections.Counter(self.deaths).items():
            print(f"  {n} times {death}, and was started again")
        show_problems(self.problems)


def main():
    p = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    p.add_argument("--kills", type=int, default=500)
    p.add_argument("--worlds", type=int, default=3, help="installations side by side")
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--keep", action="store_true", help="keep the folder if something is wrong")
    p.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.inside:
        return run_world(o)
    print(f"# seed {o.seed}", flush=True)
    begun = time.monotonic()
    worlds = Worlds(o)
    worlds.join()
    worlds.report.show(time.monotonic() - begun)
    return bool(worlds.report.problems)


if __name__ == "__main__":
    sys.exit(main())
