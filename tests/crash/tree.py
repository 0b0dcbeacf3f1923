"""The processes of an snmpalertd, as /proc shows them: who lives, and who lived when."""

import collections
import os
import pathlib
import signal
import threading
import time

from lib import process


def stat_of(pid):
    """(state, start in wall seconds, start in ticks of its own), or None."""
    stat = process.stat_of(pid)
    if not stat:
        return None
    fields = stat[1]
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    ticks = int(fields[19])
    return fields[0], time.time() - up + ticks / os.sysconf("SC_CLK_TCK"), ticks


def stage_of(pid):
    try:
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    for word in line:
        if word.startswith(b"--stage="):
            return word[8:].decode()
    return "evaluator" if b"snmpalertd-evaluator" in line[0] else None


class Tree:
    """snmpalertd's processes: which there are, and who lived when (seconds of the wall clock)."""

    def __init__(self):
        self.parent = None
        self.lives = collections.defaultdict(list)  # stage: [Life]
        self._present = {}  # pid: Life
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def children(self):
        """{pid: stage}"""
        found = {}
        for pid in process.children_of(self.parent):
            stat, stage = stat_of(pid), stage_of(pid)
            if stat and stage and stat[0] != "Z":
                found[pid] = stage
        return found

    def look(self):
        now = self.children()
        with self._lock:
            for pid, stage in now.items():
                stat, life = stat_of(pid), self._present.get(pid)
                if stat and stat[0] != "Z" and not (life and life.ticks == stat[2]):
                    if life:
                        life.end = life.end or time.time()
                    self._present[pid] = Life(pid, stat)
                    self.lives[stage].append(self._present[pid])
            for pid, life in list(self._present.items()):
                if not alive(pid, life.ticks):
                    life.end = life.end or time.time()
                    del self._present[pid]
        return now

    def killed(self, pid):
        """Now; it may be seen a moment longer."""
        with self._lock:
            if pid in self._present:
                self._present[pid].end = time.time()

    def _watch(self):
        while not self._stop.wait(0.05):
            self.look()

    def stop(self):
        self._stop.set()
        self._thread.join()

    def spans(self, stage):
        with self._lock:
            return [(life.start, life.end or time.time()) for life in self.lives[stage]]

    def gaps(self, stage, n=1):
        """When fewer than N of STAGE lived."""
        edges = sorted([(a, 1) for a, _ in self.spans(stage)] +
                       [(b, -1) for _, b in self.spans(stage)])
        gaps, lived, since = [], 0, edges[0][0] if edges else 0
        for at, step in edges:
            if lived < n and since < at:
                gaps.append((since, at))
            lived, since = lived + step, at
        return gaps


class Life:
    """Of one process: pids are given again."""

    def __init__(self, pid, stat):
        self.pid, self.start, self.ticks, self.end = pid, stat[1], stat[2], None


def alive(pid, ticks=None):
    stat = stat_of(pid)
    return stat is not None and stat[0] != "Z" and ticks in (None, stat[2])


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def reap(pids):
    """Those that have become ours when their parent was killed."""
    for pid in list(pids):
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                pids.discard(pid)
        except ChildProcessError:
            if not alive(pid):
                pids.discard(pid)
    return not pids
