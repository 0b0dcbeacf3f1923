"""The exec handler: real programs that do as they should, and such as do not. What each leaves behind
is looked for as what this process inherits when it should have been ended."""

import json
import os
import pathlib
import re
import shlex
import signal
import sys
import time

import pytest

from lib.dispatchhost import (ACKNOWLEDGED, DELIVERED, FAILED, NONE, RETRY, STATE_DELIVERED,
                              STATE_FAILED, STATE_PENDING, Host)
from lib.process import children_of, stat_of
from lib.site import none_left
from lib.wait import PATIENCE, wait_for

EVENT = {"message": "too hot", "definition": "hot", "instance": "cpu0", "value": "93"}
TIMEOUT = 600  # ms, of programs that are to run into it
SOON_S = 10 * PATIENCE


@pytest.fixture
def host(live_program):
    with none_left():
        h = Host(live_program("dispatchhost"))
        yield h
        assert h.stop() == 0, h.output()


@pytest.fixture
def make(host, tmp_path):
    """make(TEXT, *ARGS, **VALUES): an exec handler whose program is TEXT, of the shell if it does
    not say of what else; its folder is $D."""

    def make(text, *args, **values):
        program = tmp_path / "program"
        if not text.startswith("#!"):
            text = f"#!/bin/sh\nD={shlex.quote(str(tmp_path))}\n{text}"
        new = tmp_path / "new"  # who still runs the last one keeps it
        new.write_text(text + "\n")
        new.chmod(0o755)
        new.rename(program)
        elements = [{"element": "arg", "value": a} for a in args]
        host.tell(handler={"id": 1, "kind": "exec", "name": "exec", "elements": elements,
                           "values": {"program": str(program), "timeout": "60s", **values}})
        return program
    return make


def python(text):
    return f"#!{sys.executable}\nimport os, signal, sys, time\n{text}"


def outcome(host, *events, **job):
    o = host.deliver(*(events or [EVENT]), **job)
    return o["result"], o["error"]


def pid_in(file):
    return wait_for(lambda: file.exists() and int(file.read_text() or 0), f"a pid in {file.name}")


def gone(pid):
    stat = stat_of(pid)
    return not stat or stat[1][0] == "Z"


# ---- what it gets ----

def test_the_document_is_its_standard_input(host, make, tmp_path):
    make('cat > "$D/got"')
    o = host.deliver(EVENT, {"message": "older"}, recipients=["bob@example.net"])
    assert (o["result"], o["confirmation"], o["error"]) == (DELIVERED, ACKNOWLEDGED, "")
    text = (tmp_path / "got").read_text()
    assert text.count("\n") == 1 and text.endswith("\n")
    d = json.loads(text)
    assert (d["version"], d["owner"], d["target"]) == (1, "alice", "ops")
    assert d["recipients"] == ["bob@example.net"]
    assert [n["message"] for n in d["notices"]] == ["too hot", "older"]
    assert d["notices"][0]["level"] == "CRITICAL"


def test_arguments_are_as_they_are_written(host, make, tmp_path):
    args = ["$(touch x)", "two words", "", "${message}", "'\"\\", "*", "-e", ";exit 3", "\u00fc"]
    make(python(f'open({str(tmp_path / "got")!r}, "w").write(ascii(sys.argv[1:]))'), *args)
    assert outcome(host) == (DELIVERED, "")
    assert (tmp_path / "got").read_text() == ascii(args)


def test_its_environment_is_ours_alone(host, make, tmp_path):
    make("env > $D/got")
    assert outcome(host, {**EVENT, "message": "() { :; }; touch x"}) == (DELIVERED, "")
    got = dict(line.split("=", 1) for line in (tmp_path / "got").read_text().splitlines())
    for shells in ("PWD", "SHLVL", "_", "OLDPWD", "TZ"):
        got.pop(shells, None)
    assert got == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8", "SNMPALERT_UUID": "11111111-2222-4333-8444-555555555555",
        "SNMPALERT_OWNER": "alice", "SNMPALERT_TARGET": "ops", "SNMPALERT_NOTICES": "1",
        "SNMPALERT_KIND": "raise", "SNMPALERT_LEVEL": "CRITICAL", "SNMPALERT_PREVIOUS_LEVEL": "OK",
        "SNMPALERT_DEFINITION_OWNER": "alice", "SNMPALERT_DEFINITION": "hot",
        "SNMPALERT_SERVICE": "", "SNMPALERT_INSTANCE": "cpu0", "SNMPALERT_VALUE": "93",
        "SNMPALERT_MESSAGE": "() { :; }; touch x"}


def test_nothing_else_is_handed_down(host, make, tmp_path):
    """No descriptor, no blocked or ignored signal, no terminal, no group, no folder, no privileges."""
    make(python(f"""
fds = [int(n) for n in os.listdir("/proc/self/fd")]
fds = [n for n in fds if os.path.exists(f"/proc/self/fd/{{n}}")]
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
open({str(tmp_path / "got")!r}, "w").write(repr((
    fds, [os.readlink(f"/proc/self/fd/{{n}}").split(":")[0] for n in fds], os.getcwd(),
    os.getsid(0) == os.getpgid(0) == os.getpid(), int(status["SigBlk"], 16),
    int(status["NoNewPrivs"]))))
"""))
    assert outcome(host) == (DELIVERED, "")
    assert (tmp_path / "got").read_text() == repr(([0, 1, 2], ["pipe"] * 3, "/", True, 0, 1))


def test_signals_are_as_usual(host, make):
    make("yes | head -n 1")  # whoever ignored SIGPIPE would hear of an error
    o = host.deliver(EVENT, recipients=["bob@example.net"])
    assert (o["result"], o["recipients"][0]["reply"], o["response"]) == (DELIVERED, "y", "y")


def test_the_output_is_kept(host, make):
    make("echo one; echo two >&2; exit 1")
    o = host.deliver(EVENT)
    assert o["result"] == FAILED and o["response"] == "one\ntwo" and "one two" in o["error"]
    make("head -c 5000 /dev/zero | tr '\\0' x")
    assert host.deliver(EVENT)["response"] == "x" * 1024


def test_a_program_that_does_not_read(host, make):
    """The document is larger than a pipe; neither EPIPE nor a full pipe is a failure."""
    large = [{"message": "x" * 255, "description": "y" * 255, "notice": i} for i in range(200)]
    make("exec 0<&-; exit 0")
    assert outcome(host, *large) == (DELIVERED, "")
    make("sleep 0.1; exit 0")
    assert outcome(host, *large) == (DELIVERED, "")
    make('test "$(wc -c)" -gt 100000')
    assert outcome(host, *large) == (DELIVERED, "")


# ---- how it ends ----

@pytest.mark.parametrize("status, wanted", (
    (0, (DELIVERED, "")),
    (1, (FAILED, "exit status 1: oh no")),
    (74, (FAILED, "exit status 74: oh no")),
    (75, (RETRY, "exit status 75 (to be tried again): oh no")),
    (76, (FAILED, "exit status 76: oh no")),
    (127, (FAILED, "exit status 127: oh no")),
    (255, (FAILED, "exit status 255: oh no")),
))
def test_its_exit_status(host, make, status, wanted):
    make(f"echo oh no; exit {status}")
    assert outcome(host) == wanted


@pytest.mark.parametrize("signo", (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE))
def test_ended_by_a_signal_it_is_tried_again(host, make, signo):
    make(f"kill -{int(signo)} $$")
    result, words = outcome(host)
    assert result == RETRY and re.fullmatch(rf"ended by signal {int(signo)} \(.*\)", words), words


def test_each_recipient_has_its_output(host, make):
    both = ["alice@example.net", "bob@example.net"]
    for status, state, reply in ((0, STATE_DELIVERED, "sent as 7"),
                                 (3, STATE_FAILED, "exit status 3: sent as 7"),
                                 (75, STATE_PENDING,
                                  "exit status 75 (to be tried again): sent as 7")):
        make(f"echo sent as 7; exit {status}")
        o = host.deliver(EVENT, recipients=both)
        assert o["recipients"] == [{"address": a, "state": state, "reply": reply} for a in both]


def test_its_output_is_one_clean_line(host, make):
    make(python(r'sys.stdout.buffer.write(b"a\x1b[31m\n\xff\xc3\xbc\x00" + b"x" * 500); '
                r'sys.stdout.flush(); sys.exit(1)'))
    result, words = outcome(host)
    assert result == FAILED
    assert words.startswith("exit status 1: a [31m ?\u00fc xxx") and len(words.encode()) == 255


def test_standard_error_is_output_too(host, make):
    make("echo out; echo err >&2; exit 1")
    assert outcome(host) == (FAILED, "exit status 1: out err")


def test_what_is_missing_or_no_program_is_tried_again(host, make, tmp_path):
    program = make("exit 0")
    program.chmod(0o644)
    assert outcome(host) == (RETRY, f"{program} cannot be run: Permission denied")
    program.unlink()
    assert outcome(host) == (RETRY, f"{program} cannot be run: No such file or directory")
    program.mkdir()
    assert outcome(host) == (RETRY, f"{program} cannot be run: Permission denied")
    program.rmdir()
    program.write_text("echo no interpreter\n")
    program.chmod(0o755)
    assert outcome(host) == (RETRY, f"{program} cannot be run: Exec format error")
    make("exit 0")
    assert outcome(host) == (DELIVERED, "")


# ---- its time ----

def times_out(host, words=r"ended after its time of 600 ms"):
    begin = time.monotonic()
    result, said = outcome(host)
    assert result == RETRY and re.fullmatch(words, said), said
    assert TIMEOUT / 1000 <= time.monotonic() - begin < SOON_S


def test_a_program_that_hangs_is_asked_to_end(host, make, tmp_path):
    make('trap "echo asked; exit 0" TERM; while :; do sleep 0.05; done', timeout=f"{TIMEOUT}ms")
    times_out(host, r"ended after its time of 600 ms: (Terminated )?asked")


def test_a_program_that_does_not_listen_is_killed(host, make, tmp_path):
    make(python(f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
while True: time.sleep(100)
"""), timeout=f"{TIMEOUT}ms")
    times_out(host)
    wait_for(lambda: gone(pid_in(tmp_path / "pid")), "the program to be gone")


def test_a_program_that_stopped_itself_is_killed(host, make):
    make("kill -STOP $$", timeout=f"{TIMEOUT}ms")
    times_out(host)


def test_a_flood_does_not_pass(host, make):
    make("exec yes", timeout=f"{TIMEOUT}ms")
    times_out(host, r"ended after its time of 600 ms, standing still for more than 1 MiB of output: "
                    r"y y .*")
    make("yes | head -c 1000000; exit 0")  # this is still read
    assert outcome(host) == (DELIVERED, "")
    rss = int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{host.pid}/status").read_text())[1])
    assert rss < 100 << 10


DAEMONISES = """
for _ in range(2):
    if os.fork(): os._exit(0)
    os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.closerange(0, 3)
open(PID, "w").write(str(os.getpid()))
time.sleep(100)
"""
BOMB = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    if os.fork():
        time.sleep(0.001)
        os._exit(0)
    os.setsid()
    open(PID, "w").write(str(os.getpid()))
"""


def test_a_program_that_leaves_a_daemon_is_answered_and_the_daemon_ended(host, make, tmp_path):
    pid = tmp_path / "pid"
    make(python(f"PID = {str(pid)!r}\n{DAEMONISES}"), timeout=f"{TIMEOUT}ms")
    assert outcome(host) == (DELIVERED, "")
    daemon = pid_in(pid)
    wait_for(lambda: gone(daemon), "the daemon to be gone")


def test_what_a_program_leaves_may_finish_in_its_time(host, make, tmp_path):
    make("(sleep 0.2; echo done > $D/got) & exit 0")
    begin = time.monotonic()
    assert outcome(host) == (DELIVERED, "")
    assert time.monotonic() - begin < SOON_S
    wait_for(lambda: (tmp_path / "got").exists(), "the rest of it")


def test_a_tree_of_sessions_is_ended(host, make, tmp_path):
    """Each in a session of its own, none of which an ancestor waits for; and the program hangs."""
    make(f"""for i in 1 2 3; do
    setsid sh -c 'trap "" TERM; echo $$ > '"$D"'/pid'$i'; setsid sh -c "
        trap \\"\\" TERM; echo \\$\\$ > $D/inner$1; while :; do sleep 1; done" & while :; do sleep 1; done' sh $i &
done
trap "" TERM; while :; do sleep 1; done""".replace("$1", "$i"), timeout=f"{TIMEOUT}ms")
    times_out(host)
    pids = [pid_in(tmp_path / f"pid{i}") for i in (1, 2, 3)]
    wait_for(lambda: all(map(gone, pids)), "the tree to be gone")


def test_one_that_runs_away_from_its_children_is_caught(host, make, tmp_path):
    """Always another process, in another session, the last one's child: the group finds none."""
    pid = tmp_path / "pid"
    make(python(f"PID = {str(pid)!r}\n{BOMB}"), timeout=f"{TIMEOUT}ms")
    assert outcome(host) == (DELIVERED, "")
    first = pid_in(pid)
    wait_for(lambda: pid_in(pid) != first, "it to run")
    wait_for(lambda: gone(pid_in(pid)), "it to be caught")


# ---- it and its neighbours ----

def test_at_most_so_many_run(host, make, tmp_path):
    make("echo x >> $D/started; while test ! -e $D/go; do sleep 0.02; done", maxRunning="2")
    jobs = [host.send(EVENT) for _ in range(5)]
    started = tmp_path / "started"
    wait_for(lambda: started.exists() and started.read_text().count("x") == 2, "two to run")
    host.tell(cancel=jobs[4])
    o = host.outcome(jobs[4])
    assert (o["result"], o["error"]) == (RETRY, "cancelled")
    assert started.read_text().count("x") == 2
    (tmp_path / "go").touch()
    assert [host.outcome(j)["result"] for j in jobs[:4]] == [DELIVERED] * 4
    assert started.read_text().count("x") == 4


def test_what_would_wait_for_too_long_goes_back(host, make, tmp_path):
    """More than 768 never wait; with a second each and one at a time, 240 have their turn within four
    minutes, which is known as soon as one has taken that second."""
    make("sleep 100", maxRunning="1", timeout="1s")
    jobs = [host.send(EVENT) for _ in range(800)]
    for job in (*jobs[769:], *jobs[242:769]):
        o = host.outcome(job)
        assert (o["result"], o["error"]) == \
            (RETRY, "too many notices wait for their turn with this program")
    assert host.outcome(jobs[0])["error"] == "ended after its time of 1000 ms"


def test_many_wait_for_a_program_that_is_fast(host, make):
    make("exit 0")
    jobs = [host.send(EVENT) for _ in range(400)]
    assert {host.outcome(j, 120 * PATIENCE)["result"] for j in jobs} == {DELIVERED}


def test_hanging_programs_delay_no_other_handler(host, make, tmp_path):
    make("while test ! -e $D/go; do sleep 0.02; done", maxRunning="1")
    hanging = [host.send(EVENT) for _ in range(3)]
    host.tell(handler={"id": 2, "kind": "log", "name": "log",
                       "values": {"file": str(tmp_path / "log")}})
    assert host.deliver(EVENT, handler=2)["result"] == DELIVERED
    (tmp_path / "go").touch()
    assert [host.outcome(j)["result"] for j in hanging] == [DELIVERED] * 3


def test_programs_cannot_reach_each_other_or_us(host, make, tmp_path):
    """Signals, by Landlock; where the kernel has it."""
    others = tmp_path / "others"
    make(python(f"""
if not os.path.exists({str(others)!r}):
    open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
    time.sleep(100)
for pid in map(int, open({str(others)!r}).read().split()):
    try: os.kill(pid, 0); print("reached", pid)
    except PermissionError: print("no")
"""), maxRunning="2")
    hanging = host.send(EVENT)
    program, keeper = pid_in(tmp_path / "pid"), children_of(host.pid)[0]
    if not landlock_has_signals():
        pytest.skip("this kernel's Landlock knows no signals")
    others.write_text(f"{host.pid} {keeper} {program}")
    o = host.deliver(EVENT, recipients=["bob"])
    assert o["recipients"][0]["reply"] == "no no no"
    os.kill(program, signal.SIGKILL)
    assert host.outcome(hanging)["error"] == "ended by signal 9 (Killed)"


def landlock_has_signals():
    import ctypes
    return ctypes.CDLL(None).syscall(444, None, 0, 1) >= 6  # landlock_create_ruleset's version


def test_a_killed_keeper_loses_nobody(host, make, tmp_path):
    """What it kept is ours then, and ended."""
    pid = tmp_path / "pid"
    make(python(f"PID = {str(pid)!r}\nif os.fork(): time.sleep(100)\n{DAEMONISES}"))
    job = host.send(EVENT)
    daemon = pid_in(pid)
    os.kill(children_of(host.pid)[0], signal.SIGKILL)
    o = host.outcome(job)
    assert (o["result"], o["error"]) == \
        (RETRY, "nobody knows how it ended: its keeper was killed")
    wait_for(lambda: gone(daemon), "the daemon to be gone")
    wait_for(lambda: not children_of(host.pid), "nobody to be left")
    make("exit 0")
    assert outcome(host) == (DELIVERED, "")


def test_nobody_outlives_the_process_that_runs_them(host, make, tmp_path):
    pid = tmp_path / "pid"
    make(python(f"PID = {str(pid)!r}\nif os.fork(): time.sleep(100)\n{DAEMONISES}"))
    host.send(EVENT)
    daemon = pid_in(pid)
    keeper = children_of(host.pid)[0]
    host.kill()
    wait_for(lambda: gone(daemon) and gone(keeper), "both to be gone")
    host.stop = lambda: 0  # its status is our signal


def test_a_handler_that_is_gone_ends_what_it_left(host, make, tmp_path):
    pid = tmp_path / "pid"
    make(python(f"PID = {str(pid)!r}\n{DAEMONISES}"))
    assert outcome(host) == (DELIVERED, "")
    daemon = pid_in(pid)
    host.gone()
    wait_for(lambda: gone(daemon), "the daemon to be gone")


def test_the_end_waits_for_what_it_ends(host, make, tmp_path):
    make('trap "" TERM; echo $$ > $D/pid; while :; do sleep 1; done')
    host.send(EVENT)
    program = pid_in(tmp_path / "pid")
    begin = time.monotonic()
    assert host.stop() == 0
    assert gone(program) and time.monotonic() - begin < SOON_S


@pytest.mark.parametrize("values, confirmation", (({"program": "/bin/false"}, NONE),))
def test_a_failure_confirms_nothing(host, values, confirmation):
    host.handler("exec", **values)
    assert host.deliver(EVENT)["confirmation"] == confirmation


def test_validate_runs_nothing(host, make, tmp_path):
    program = make("touch $D/ran")
    assert host.validate() == (True, f"{program} can be run")
    assert not (tmp_path / "ran").exists()
    program.chmod(0o644)
    assert host.validate() == (False, f"{program}: Permission denied")
    program.unlink()
    assert host.validate() == (False, f"{program}: No such file or directory")
    program.mkdir()
    assert host.validate() == (False, f"{program} is no regular file")
