"""The poller in a process of its own (tests/live/pollhost.c), told what to poll in JSON."""

import json
import subprocess
import threading
import time

from . import process

UP, FAILING, MALFORMED = 2, 3, 4


def get(name, oid):
    return {"element": "get", "values": {"name": name, "oid": oid}}


def table(name, oid, columns):
    return {"element": "table", "values": {"name": name, "oid": oid, "columns": columns}}


class PollHost:
    """What the poller sent is in `messages`, in order."""

    def __init__(self, program, *args, env=None):
        self.name, self._errors, self.messages = "pollhost", [], []
        self._changed = threading.Condition()
        self._popen = subprocess.Popen([program, *args], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
                                       preexec_fn=process.die_with_parent)
        process.started.append(self)
        self._threads = [threading.Thread(target=f, daemon=True)
                         for f in (self._read_messages, self._read_errors)]
        for t in self._threads:
            t.start()

    def _read_messages(self):
        for line in self._popen.stdout:
            with self._changed:
                self.messages.append(json.loads(line))
                self._changed.notify_all()

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

    def poll(self, id, kind, *children, name=None, interval=200, **values):
        """Add or replace a source."""
        self.tell(id=id, name=name or f"s{id}", kind=kind, interval=interval,
                  values={k: str(v) for k, v in values.items()}, children=list(children))

    def mark(self):
        with self._changed:
            return len(self.messages)

    def expect(self, wanted, what, timeout=10.0, since=0):
        """The first message behind SINCE that WANTED(message) takes."""
        end = time.monotonic() + timeout
        with self._changed:
            seen = since
            while True:
                for m in self.messages[seen:]:
                    if wanted(m):
                        return m
                seen = len(self.messages)
                left = end - time.monotonic()
                assert left > 0 and self.running(), \
                    f"no {what} in {timeout} s; the last: {self.messages[-3:]}"
                self._changed.wait(min(left, 0.5))

    def sample(self, topic, timeout=10.0, since=0, where=lambda value: True):
        return self.expect(lambda m: m.get("topic") == topic and "sample" in m
                           and where(m["json"]), f"sample of {topic}", timeout, since)["json"]

    def status(self, id, code=None, timeout=10.0, since=0):
        return self.expect(lambda m: m.get("status") == id and code in (None, m["code"]),
                           f"status {code or ''} of {id}", timeout, since)

    def refused(self, timeout=10.0, since=0):
        return self.expect(lambda m: "refused" in m, "refusal", timeout, since)["refused"]

    def of(self, key, id):
        """All messages with KEY ("sample", "status", "gone") of source ID."""
        with self._changed:
            return [m for m in self.messages if m.get(key) == id]
