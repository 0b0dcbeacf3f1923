"""The parent's care: what ends is started again, what hangs is replaced, an upgrade on disk mixes no
builds, the service manager is told, and stopping is orderly whatever hangs."""

import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

import pytest

from lib.process import children_of
from lib.site import Site, build_folder, children
from lib.wait import elapse, wait_for

STAGES = ("core", "agent", "poller", "dispatcher", "evaluator", "compiler")
USER = "daemon"  # every system has it
SILENCE_MS = 2500


def configuration(site, rows=""):
    return f"""<snmpalertd xmlns="urn:snmpalertd:config">
  <store path="{site.path("store")}" mapSize="64MiB"/>
  <agentx socket="{site.snmpd.agentx}"/>
  <sources>
    <snmp name="localhost" host="127.0.0.1" port="{site.snmpd.port}" community="public"
          interval="1s"><get name="sysUpTime" oid="1.3.6.1.2.1.1.3.0"/></snmp>
  </sources>
  <handlers>
    <snmp name="traps" host="127.0.0.1" port="{site.snmptrapd.port}" community="public"/>
  </handlers>
  <rows>
    <definition name="up"><condition>_topic['localhost'].sysUpTime &lt; 0</condition></definition>
    <target name="manager" handler="traps" global="true"/>
    {rows}
  </rows>
</snmpalertd>
"""


@pytest.fixture
def site():
    s = Site(configuration)
    yield s
    s.close()


@pytest.fixture
def unprivileged_site():
    """A site whose daemon is nobody that limits do not hold for."""
    s = Site(configuration, snmpd="agentXPerms 0666 0755\n")
    if not os.geteuid():
        s.daemon.copy_programs()
        os.mkdir(s.path("store"))
        shutil.chown(s.path("store"), USER)
        s.daemon.users = [f"--user={USER}"]
    yield s
    s.close()


def row_of(site, stage):
    """Its row of saProcessTable."""
    m = site.manager
    index = next((i for i, n in m.column("saProcessName").items() if n == stage), None)
    assert index is not None, f"{stage} is not in the table"
    return {c: m.get(f"saProcess{c}.{index}") for c in ("Pid", "State", "Starts", "LastExit")}


def lines(site, stage, since=0):
    """What the parent has said about STAGE."""
    return re.findall(rf"^.*stage=parent object={stage} msg=(.*)$",
                      site.daemon.process.output()[since:], re.M)


def kill_all(site, stages, number=signal.SIGKILL):
    """End them at once, and wait until the table has others that run; {stage: the old pid}."""
    old = {s: site.daemon.pid_of(s) for s in stages}
    for pid in old.values():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # an evaluator ends by itself when its user has gone

    def others():
        rows = {s: row_of(site, s) for s in stages}
        return all(r["State"] == "running" and int(r["Pid"]) != old[s] for s, r in rows.items())
    wait_for(others, f"others than {old}", 20)
    return old


# ---- ending, starting again ----

def test_backoff_is_seen_in_the_table_and_a_row_of_ends_said_once(site):
    site.daemon.start()
    pid = site.daemon.pid_of("poller")
    os.kill(pid, signal.SIGKILL)
    row = wait_for(lambda: (r := row_of(site, "poller"))["State"] == "failed" and r, "its failure")
    assert row["LastExit"] == "signal 9 (Killed)" and row["Starts"] == "1"
    row = wait_for(lambda: (r := row_of(site, "poller"))["State"] == "running" and r, "its return")
    assert row["Starts"] == "2" and row["LastExit"] == "signal 9 (Killed)"
    started = time.monotonic()
    kill_all(site, ["poller"])
    assert time.monotonic() - started > 1.9  # doubled
    assert lines(site, "poller") == ['"ended: signal 9 (Killed); is started again in 1 s"']


def test_killed_evaluator_is_replaced_at_once_and_without_a_word(site):
    site.daemon.start()
    started = time.monotonic()
    for _ in range(3):
        kill_all(site, ("evaluator", "compiler"))
    assert time.monotonic() - started < 6  # 1 + 2 + 4 with a back-off
    assert lines(site, "evaluator") == lines(site, "compiler") == []


def wrap_evaluator(site, monkeypatch, command):
    """Run the site's evaluators by a script that runs COMMAND instead while the file that comes
    back exists."""
    broken, wrapper = site.path("broken"), site.path("evaluator.sh")
    with open(wrapper, "w") as f:
        f.write(f"#!/bin/sh\n[ -e {broken} ] && {command}\n"
                f"exec {build_folder()}/snmpalertd-evaluator \"$@\"\n")
    os.chmod(wrapper, 0o755)
    site.daemon.options.append(f"--evaluator={wrapper}")
    monkeypatch.setenv("TMPDIR", site.folder)  # what a killed checker leaves
    return broken


def test_quick_deaths_of_an_evaluator_back_off(site, monkeypatch):
    broken = wrap_evaluator(site, monkeypatch, "exit 3")
    site.daemon.start()
    open(broken, "w").close()
    os.kill(site.daemon.pid_of("evaluator"), signal.SIGKILL)
    row = wait_for(lambda: (r := row_of(site, "evaluator"))["State"] == "failed" and
                   r["LastExit"] == "exit 3" and r, "its failure")
    os.unlink(broken)
    wait_for(lambda: row_of(site, "evaluator")["State"] == "running", "its return")
    assert lines(site, "evaluator") == ['"ended: exit 3; is started again in 1 s"']
    assert int(row_of(site, "evaluator")["Starts"]) <= int(row["Starts"]) + 2


def let_fork(pid, processes):
    """Its user may have so many."""
    who = {} if os.geteuid() else {"user": USER, "group": pwd.getpwnam(USER).pw_gid,
                                   "extra_groups": []}
    processes = "unlimited" if processes == resource.RLIM_INFINITY else processes
    subprocess.run(["prlimit", f"--pid={pid}", f"--nproc={processes}:"], check=True, **who)


def test_refused_fork_is_said_once_and_tried_again(unprivileged_site):
    site = unprivileged_site
    site.daemon.start()
    parent, pid = site.daemon.process.pid, site.daemon.pid_of("poller")
    limit, _ = resource.getrlimit(resource.RLIMIT_NPROC)  # which it has from here
    let_fork(parent, 1)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(lines(site, "poller")) > 1, "words about it")
    assert row_of(site, "poller")["State"] == "failed"
    let_fork(parent, limit)
    wait_for(lambda: row_of(site, "poller")["State"] == "running", "its return", 20)
    said = lines(site, "poller")
    assert len(said) == 2 and said[1].startswith('"cannot be started: fork: '), said


# ---- one that hangs ----

def test_stopped_stages_are_replaced(site, monkeypatch):
    monkeypatch.setenv("SNMPALERTD_SILENCE_MS", str(SILENCE_MS))
    site.daemon.start()
    old = kill_all(site, ("core", "agent", "poller", "dispatcher"), signal.SIGSTOP)
    for stage, pid in old.items():
        assert not os.path.exists(f"/proc/{pid}")
        said = lines(site, stage)
        assert re.search(r"gave no sign of life for \d s: killed", said[0]), said
        assert "signal 9" in said[1] and len(said) == 2


def test_stopped_parent_kills_nobody(site, monkeypatch):
    monkeypatch.setenv("SNMPALERTD_SILENCE_MS", str(SILENCE_MS))
    site.daemon.start()
    pids = {s: site.daemon.pid_of(s) for s in STAGES}
    with site.daemon.process.stopped():
        elapse(3 * SILENCE_MS / 1000)
    elapse(SILENCE_MS / 1000)  # its next looks
    assert {s: site.daemon.pid_of(s) for s in STAGES} == pids


# ---- the checker ----

SLOW = "exec cat <&3"  # it never answers, and ends with its user


def checker_of(site):
    """Wait for the process that checks the configuration."""
    def find():
        for pid in children_of(site.daemon.process.pid):
            if "--stage=checker" in open(f"/proc/{pid}/cmdline").read():
                return pid
        return None
    return wait_for(find, "a checker")


def test_crash_of_the_checker_refuses_the_file(site, monkeypatch):
    broken = wrap_evaluator(site, monkeypatch, SLOW)
    site.daemon.start()
    pids = {s: site.daemon.pid_of(s) for s in STAGES}
    open(broken, "w").close()
    site.daemon.process.send(signal.SIGHUP)
    os.kill(checker_of(site), signal.SIGSEGV)
    site.daemon.process.expect("its checker ended without an answer: signal 11 .*in force stays")
    os.unlink(broken)
    site.daemon.process.send(signal.SIGHUP)
    site.daemon.process.expect("was read again and is in force")
    assert {s: site.daemon.pid_of(s) for s in STAGES} == pids


def test_file_that_crashes_the_checker_starts_nothing(site, monkeypatch):
    open(wrap_evaluator(site, monkeypatch, SLOW), "w").close()
    site.daemon.launch()
    os.kill(checker_of(site), signal.SIGSEGV)
    assert site.daemon.process.wait() == 1
    assert "its checker ended without an answer: signal 11" in site.daemon.process.output()


def test_sigterm_ends_the_first_check(site, monkeypatch):
    open(wrap_evaluator(site, monkeypatch, SLOW), "w").close()
    site.daemon.launch()
    checker = checker_of(site)
    started = time.monotonic()
    assert site.daemon.stop() == 0
    assert time.monotonic() - started < 1 and not os.path.exists(f"/proc/{checker}")


# ---- builds ----

def other_build(source, target):
    """A program that says that it is of another build than SOURCE."""
    config = (build_folder() / "config.h").read_text()
    build = re.search(r'#define SA_BUILD_ID "(.*)"', config).group(1).encode()
    program = source.read_bytes()
    assert build in program
    last = b"0" if build[-1:] != b"0" else b"1"
    with open(f"{target}.new", "wb") as f:
        f.write(program.replace(build, build[:-1] + last))
    os.chmod(f"{target}.new", 0o755)
    os.rename(f"{target}.new", target)


@pytest.fixture
def own_programs(site):
    return site.daemon.copy_programs()


def test_upgrade_on_disk_mixes_no_builds(site, own_programs):
    site.daemon.start()
    for name in ("snmpalertd", "snmpalertd-evaluator"):
        other_build(build_folder() / name, own_programs / name)
    site.daemon.process.expect("programs/snmpalertd was replaced: .* restart snmpalertd")
    kill_all(site, STAGES)
    assert "of another build" not in site.daemon.process.output()
    site.daemon.process.send(signal.SIGHUP)
    site.daemon.process.expect("the evaluator is of build .* restart snmpalertd.*what is in force")
    assert site.daemon.process.output().count("was replaced: all goes on") == 1
    assert site.daemon.stop() == 0


def test_evaluator_of_another_build_is_refused(site, own_programs):
    other_build(build_folder() / "snmpalertd-evaluator", own_programs / "snmpalertd-evaluator")
    site.daemon.launch()
    assert site.daemon.process.wait() == 78
    assert "the evaluator is of build" in site.daemon.process.output()


def test_half_an_upgrade_stops_all_to_be_started_again(site, own_programs):
    other_build(build_folder() / "snmpalertd-evaluator", own_programs / "snmpalertd-evaluator")
    site.daemon.configure(re.sub("<definition.*</definition>", "", configuration(site)))
    site.daemon.launch()
    assert site.daemon.process.wait() == 75
    said = site.daemon.process.output()
    assert said.count("is of another build: restart snmpalertd after an upgrade") == 1


# ---- the service manager ----

class ServiceManager:
    """What systemd is to a service: a datagram socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.got = []  # (when, text)

    def receive(self):
        """What has come so far, all of it."""
        while True:
            try:
                text = self.socket.recv(4096, socket.MSG_DONTWAIT).decode()
            except BlockingIOError:
                return [t for _, t in self.got]
            self.got.append((time.monotonic(), text))

    def expect(self, pattern, timeout=10):
        wait_for(lambda: any(re.fullmatch(pattern, t) for t in self.receive()), pattern, timeout)
        return self

    def clear(self):
        self.receive()
        self.got.clear()


@pytest.fixture
def manager(site, monkeypatch):
    m = ServiceManager(site.path("notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", site.path("notify"))
    yield m
    m.socket.close()


def test_service_manager_hears_of_start_reload_and_end(site, manager):
    site.daemon.start()
    manager.expect("READY=1").expect("STATUS=Running")
    environment = open(f"/proc/{site.daemon.pid_of('agent')}/environ").read()
    assert "NOTIFY_SOCKET" not in environment
    assert "WATCHDOG=1" not in manager.receive()
    manager.clear()
    site.daemon.process.send(signal.SIGHUP)
    manager.expect(r"RELOADING=1\nMONOTONIC_USEC=\d+").expect("READY=1")
    os.kill(site.daemon.pid_of("poller"), signal.SIGKILL)
    manager.expect("STATUS=poller fails").expect("STATUS=Running")
    assert site.daemon.stop() == 0
    assert manager.receive()[-1] == "STOPPING=1"


def test_refused_configuration_is_never_ready(site, manager):
    site.daemon.configure("<snmpalertd/>")
    site.daemon.launch()
    assert site.daemon.process.wait() == 78
    assert "READY=1" not in manager.receive()


def test_watchdog_is_fed_while_the_core_lives(site, manager, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    monkeypatch.setenv("SNMPALERTD_SILENCE_MS", "4000")
    site.daemon.start()
    manager.expect("WATCHDOG=1")
    manager.clear()
    core = site.daemon.pid_of("core")
    os.kill(core, signal.SIGSTOP)
    wait_for(lambda: (manager.receive(), os.path.exists(f"/proc/{core}"))[1] is False,
             "the core to be killed", 15)
    manager.expect("STATUS=Running")
    fed = [when for when, text in manager.got if text == "WATCHDOG=1"]
    assert max(b - a for a, b in zip(fed, fed[1:])) > 1


# ---- the store ----

@pytest.mark.parametrize("stage", ("core", "agent"))
def test_crash_makes_the_core_verify_the_store(site, stage):
    site.daemon.start()
    core, agent = site.daemon.pid_of("core"), site.daemon.pid_of("agent")
    os.kill(core if stage == "core" else agent, signal.SIGSEGV)
    site.daemon.process.expect("stage=core object=store .*sound", 20)
    wait_for(lambda: site.daemon.pid_of("core") != core and site.daemon.pid_of("agent") != agent,
             "new ones", 20)
    wait_for(lambda: {row_of(site, s)["State"] for s in STAGES} == {"running"}, "all of them", 20)
    # It was sound: the next crash has another reason.
    marked = site.daemon.process.mark()
    kill_all(site, [stage], signal.SIGSEGV)
    assert "may be damaged" not in site.daemon.process.output()[marked:]


def by_hand(site, option):
    r = subprocess.run(site.daemon.argv(option), capture_output=True, text=True, timeout=30)
    return r.returncode, r.stdout + r.stderr


def test_store_is_checked_and_repaired_by_hand(site):
    assert by_hand(site, "--check-store")[0] == 66
    site.daemon.start()
    status, said = by_hand(site, "--check-store")
    assert status == 75 and "in use" in said
    assert site.daemon.stop() == 0
    status, said = by_hand(site, "--check-store")
    assert status == 0 and "sound" in said, said
    with open(site.path("store/state/data.mdb"), "r+b") as f:
        for page in range(2, os.path.getsize(f.name) // 4096):
            f.seek(page * 4096 + 2048)
            f.write(b"damage" * 16)
    status, said = by_hand(site, "--check-store")
    assert status == 65 and "damaged" in said, said
    status, said = by_hand(site, "--repair-store")
    assert status == 0 and "is kept as" in said, said
    assert by_hand(site, "--check-store")[0] == 0
    site.daemon.start()


# ---- stopping ----

@pytest.mark.parametrize("stages", (("core",), ("agent", "dispatcher")))
def test_daemon_stops_in_time_whoever_hangs(site, stages):
    site.daemon.start()
    pids = {s: site.daemon.pid_of(s) for s in STAGES}
    for stage in stages:
        os.kill(pids[stage], signal.SIGSTOP)
    started = time.monotonic()
    assert site.daemon.stop() == 0
    assert time.monotonic() - started < 10
    said = site.daemon.process.output()
    assert sorted(re.findall("object=(.*) msg=\"does not end: killed", said)) == sorted(stages)
    wait_for(lambda: not any(p in children() for p in pids.values()), "its processes to be gone")
    site.daemon.start()
