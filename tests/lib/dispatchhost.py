"""The dispatcher in a process of its own (tests/live/dispatchhost.c), told what to do in JSON."""

import itertools
import json
import queue
import subprocess
import threading

from . import process

DELIVERED, RETRY, FAILED = 1, 2, 3                           # a job's result
NONE, HANDED_OFF, ACKNOWLEDGED = 1, 2, 3                     # its confirmation
STATE_PENDING, STATE_DELIVERED, STATE_FAILED = 1, 3, 4       # a recipient's state


class Host:
    def __init__(self, *program, env=None):
        self.name, self._errors, self.program = "dispatchhost", [], program[0]
        self._popen = subprocess.Popen(program, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, preexec_fn=process.die_with_parent)
        process.started.append(self)
        self._answers = queue.Queue()
        self._ids = itertools.count(1)
        self._early = {}
        self._threads = [threading.Thread(target=f, daemon=True)
                         for f in (self._read_answers, self._read_errors)]
        for t in self._threads:
            t.start()

    def _read_answers(self):
        for line in self._popen.stdout:
            self._answers.put(json.loads(line))
        self._answers.put(None)

    def _read_errors(self):
        for line in self._popen.stderr:
            self._errors.append(line.decode("utf-8", "replace"))

    @property
    def pid(self):
        return self._popen.pid

    def running(self):
        return self._popen.poll() is None

    def output(self):
        return "".join(self._errors)

    def wait(self, timeout=10.0):
        return self._popen.wait(timeout)

    def kill(self):
        self._popen.kill()
        return self.wait()

    def stop(self, timeout=10.0):
        """Its exit status after the end of its input."""
        if self.running():
            self._popen.stdin.close()
        status = self._popen.wait(timeout)
        for t in self._threads:
            t.join(timeout)
        return status

    def tell(self, **what):
        self._popen.stdin.write(json.dumps(what).encode() + b"\n")
        self._popen.stdin.flush()

    def _answer(self, timeout):
        a = self._answers.get(timeout=timeout)
        assert a is not None, f"dispatchhost ended:\n{self.output()}"
        return a

    def check(self, kind, **values):
        """Why VALUES are refused; "" when they are not."""
        self.tell(check={"kind": kind, "values": values})
        return self._answer(10)["check"]

    def handler(self, kind, id=1, elements=(), changed=False, **values):
        """ELEMENTS: those within it, as {"element": "header", "name": ...}. Opened as when the daemon
        starts, or CHANGED, as when someone has configured it."""
        how = {"changed": True} if changed else {}
        self.tell(handler={"id": id, "kind": kind, "name": kind, "values": values,
                           "elements": list(elements), **how})

    def gone(self, id=1):
        self.tell(gone=id)

    def send(self, *events, **job):
        """Starts a job, of one event unless told; its id."""
        id = next(self._ids)
        self.tell(job={"id": id, "events": list(events) or [{}], **job})
        return id

    def validate(self, timeout=20.0, **job):
        """(good, message) of a check, with which the job is not sent."""
        id = next(self._ids)
        self.tell(validate={"id": id, "events": [{}], **job})
        a = self.outcome(id, timeout)
        return a["good"], a["message"]

    def outcome(self, id, timeout=20.0):
        """The outcome of job ID, and only one."""
        while id not in self._early:
            try:
                a = self._answer(timeout)
            except queue.Empty:
                raise AssertionError(f"no outcome of job {id} in {timeout} s")
            assert a["job"] not in self._early, f"two outcomes: {a}"
            self._early[a["job"]] = a
        return self._early[id]

    def deliver(self, *events, timeout=20.0, **job):
        return self.outcome(self.send(*events, **job), timeout)
