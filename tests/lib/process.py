"""Child processes that are captured, never outlive the test, and are shown when it fails."""

import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

from .wait import PATIENCE

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1

# What a program built with sanitizers prints when it errs.
_SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:")

# Every process of the running test, for the report of a failure (lib/plugin.py).
started = []


def find_program(name):
    """Daemons are in sbin, which is not on every user's PATH."""
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    assert found, f"{name} is not installed"
    return found


def children_of(pid):
    """The process ids of its children, dead ones that nobody has waited for included; none when it
    is gone itself. A thread that ends while we read hands its children to another of the threads,
    which may have been read already: then all are read again."""
    tasks = pathlib.Path(f"/proc/{pid}/task")
    while tasks.exists():
        try:
            return sorted({int(child) for task in tasks.iterdir()
                           for child in (task / "children").read_text().split()})
        except (FileNotFoundError, ProcessLookupError):
            pass
    return []


def stat_of(pid):
    """(name, the fields of proc_pid_stat(5) from the state on) of a process, or None."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, rest.split()


def die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program whose output (both streams) is gathered line by line as it comes."""

    def __init__(self, argv, name=None, env=None, stdin=None, cwd=None):
        self.name = name or os.path.basename(argv[0])
        self.argv = argv
        self._chunks = []
        self._changed = threading.Condition()
        self._ended = False
        self._popen = subprocess.Popen(
            argv, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd,
            env={**os.environ, **(env or {})}, preexec_fn=die_with_parent)
        started.append(self)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if stdin is not None:
            try:
                self._popen.stdin.write(stdin)
                self._popen.stdin.close()
            except BrokenPipeError:
                pass  # it died; whoever waits for its output will see that

    @property
    def pid(self):
        return self._popen.pid

    def _read(self):
        while True:
            chunk = os.read(self._popen.stdout.fileno(), 65536)
            with self._changed:
                if chunk:
                    self._chunks.append(chunk.decode("utf-8", "replace"))
                else:
                    self._ended = True
                self._changed.notify_all()
            if not chunk:
                return

    @property
    def _text(self):
        """Joined when somebody asks: what is printed is little each time, and much in the end."""
        if len(self._chunks) > 1:
            self._chunks = ["".join(self._chunks)]
        return self._chunks[0] if self._chunks else ""

    def output(self):
        with self._changed:
            return self._text

    def mark(self):
        """A place in the output, to look only behind it later."""
        return len(self.output())

    def expect(self, pattern, timeout=10.0, since=0):
        """Wait until the output behind SINCE matches PATTERN; returns the match."""
        timeout *= PATIENCE
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                m = re.search(pattern, self._text[since:], re.M)
                if m:
                    return m
                left = end - time.monotonic()
                assert not self._ended, \
                    f"{self.name} ended without printing /{pattern}/:\n{self._text}"
                assert left > 0, f"{self.name} did not print /{pattern}/ in {timeout} s:\n" \
                    + self._text
                self._changed.wait(left)

    def running(self):
        return self._popen.poll() is None

    def send(self, number):
        self._popen.send_signal(number)

    @contextlib.contextmanager
    def stopped(self):
        """It stands still for as long as the block lasts, if it lives so long."""
        self.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.send(signal.SIGCONT)

    def wait(self, timeout=10.0):
        """Its exit status; output is complete then."""
        status = self._popen.wait(timeout)
        self._reader.join(timeout)
        return status

    def stop(self, number=signal.SIGTERM, timeout=10.0):
        """End it (the hard way when it does not listen) and return its exit status."""
        if self.running():
            self.send(number)
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self.wait(timeout)
                raise AssertionError(f"{self.name} did not end within {timeout} s of signal {number}")
        status = self.wait(timeout)
        assert not _SANITIZER.search(self.output()), f"{self.name}:\n{self.output()}"
        return status

    def kill(self):
        return self.stop(signal.SIGKILL)
