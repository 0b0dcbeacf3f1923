"""The runner: handlers that need this machine's files and programs, in the whole daemon."""

import json
import os
import pathlib
import signal

import pytest

from lib.mainjob import (BUSY, MAILS, STAGES, TRAPS, apps_run, definition, notices, sites,
                         wait_notice, wait_trap)
from lib.process import stat_of
from lib.snmp import SetRefused
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

TIMEOUT_MS = 800
LOGGED = '<target name="logged" handler="file" global="true"/>'


def log_handler(path):
    return f'<log name="file" file="{path}"/>'


@pytest.fixture
def make_logged(make_site, tmp_path):
    """A site whose notices go to tmp_path/alerts.log, too."""

    def make(rows=definition("busy") + LOGGED, handlers="", **options):
        site = make_site(rows, handlers=log_handler(tmp_path / "alerts.log") + handlers,
                         start=False, **options)
        site.daemon.nstages = 7
        site.daemon.start()
        return site
    return make


RUNS = '<target name="run" handler="exec" global="true" recipients="bob@example.net"/>'


@pytest.fixture
def make_run(make_site, tmp_path):
    """make(TEXT, ARGS, ROWS): a site that runs TEXT, of the shell, in which $D is tmp_path."""

    def make(text, args="", rows=definition("busy") + RUNS, **options):
        write_program(tmp_path, text)
        site = make_site(rows, start=False,
                         handlers=f'<exec name="exec" program="{tmp_path}/program" '
                                  f'timeout="{TIMEOUT_MS}ms">{args}</exec>', **options)
        site.daemon.nstages = 7
        site.daemon.start()
        return site
    return make


def write_program(folder, text):
    new = folder / "new"
    new.write_text(f"#!/bin/sh\nD={folder}\n{text}\n")
    new.chmod(0o755)
    new.rename(folder / "program")


def told(site, **wanted):
    """(state, last error, reply) of the notice for the target that runs the program, once it has
    been tried, and while it is not being tried again."""
    def tried():
        return [n for n in notices(site, Target="run", **wanted)
                if n["State"] in ("delivered", "failed")
                or (n["LastError"] and n["State"] != "dispatched")]
    n = wait_for(tried, "the notice to be tried")[0]
    replies = site.manager.column("saNoticeRecipientReply")
    reply = next(r for i, r in replies.items() if i[1] == n["id"])
    return n["State"], n["LastError"], reply


def logged(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def runner_row(site):
    m = site.manager
    found = [i for i, n in m.column("saProcessName").items() if n == "runner"]
    return {c: m.get(f"saProcess{c}.{found[0]}") for c in ("State", "Pid", "Starts", "LastExit")} \
        if found else None


def reload(site, old, new):
    text = pathlib.Path(site.daemon.file).read_text()
    assert old in text
    site.daemon.configure(text.replace(old, new))
    os.kill(site.daemon.process.pid, signal.SIGHUP)


def test_notices_are_logged(make_logged, tmp_path):
    site = make_logged(apps=7)
    n = wait_notice(site, Target="logged", Kind="raise", State="delivered")
    assert (n["Confirmation"], n["Attempts"], n["LastError"]) == ("handedOff", "1", "")
    apps_run(site, 2)
    wait_notice(site, Target="logged", Kind="clear", State="delivered")
    first, second = logged(tmp_path / "alerts.log")
    assert (first["uuid"], first["kind"], first["level"]) == (n["Uuid"], "raise", "CRITICAL")
    assert (second["kind"], second["previousLevel"], second["sequence"]) == \
        ("clear", "CRITICAL", 2)


def test_there_is_a_runner_only_while_a_handler_needs_it(make_site, tmp_path):
    site = make_site(definition("busy"))
    assert runner_row(site) is None
    reload(site, "</handlers>", log_handler(tmp_path / "alerts.log") + "</handlers>")
    wait_for(lambda: (runner_row(site) or {}).get("State") == "running", "a runner")
    reload(site, "</rows>", LOGGED + "</rows>")
    wait_for(lambda: site.manager.column("saTargetHandler"), "the target")
    apps_run(site, 7)
    wait_notice(site, Target="logged", State="delivered")
    reload(site, log_handler(tmp_path / "alerts.log"), '<log name="file"/>')
    wait_for(lambda: site.manager.get('saHandlerPropertyValue."admin"."file"."file"') == "",
             "the other handler")
    reload(site, LOGGED, "")
    wait_for(lambda: not site.manager.column("saTargetHandler"), "the target to go")
    reload(site, '<log name="file"/>', "")
    row = wait_for(lambda: (r := runner_row(site))["State"] == "stopped" and r, "its end")
    assert (row["Pid"], row["LastExit"]) == ("0", "exit 0")
    reload(site, "</handlers>", log_handler(tmp_path / "alerts.log") + "</handlers>")
    wait_for(lambda: runner_row(site)["State"] == "running", "another runner")
    reload(site, "</rows>", LOGGED + definition("idle", BUSY.replace("> 5", "< 5")) + "</rows>")
    apps_run(site, 2)
    wait_for(lambda: len(logged(tmp_path / "alerts.log")) == 2, "the line of another alert")


def test_a_killed_runner_is_replaced_and_nothing_is_lost(make_logged, tmp_path):
    site = make_logged()
    for turn, apps in enumerate((7, 2, 7)):
        os.kill(wait_for(lambda: site.daemon.pid_of("runner"), "a runner"), signal.SIGKILL)
        apps_run(site, apps)
        wait_for(lambda: len(notices(site, Target="logged", State="delivered")) == turn + 1,
                 "the notice to be delivered", 20)
    assert [n["kind"] for n in logged(tmp_path / "alerts.log")] == ["raise", "clear", "raise"]
    assert runner_row(site)["LastExit"] == "signal 9 (Killed)"


def test_what_cannot_be_written_waits_and_delays_nobody(make_logged, tmp_path):
    file = tmp_path / "alerts.log"
    file.mkdir()
    site = make_logged(definition("busy") + LOGGED + TRAPS + MAILS, apps=7)
    wait_trap(site, "saAlertRaised")
    wait_notice(site, Target="operators", State="delivered")
    n = wait_for(lambda: [n for n in notices(site, Target="logged") if n["LastError"]],
                 "the reason")[0]
    assert n["LastError"] == f"{file}: Is a directory"
    file.rmdir()
    n = wait_notice(site, Target="logged", State="delivered", timeout=30)
    assert n["LastError"] == "" and int(n["Attempts"]) > 1
    assert [n["uuid"] for n in logged(file)] == [n["Uuid"]]


def test_no_manager_changes_which_file(make_logged, tmp_path):
    """Nor of a handler, nor of a target, nor where one that is new logs to."""
    site = make_logged(definition("busy") + LOGGED.replace("/>", ' override="yes"/>'))
    m, other = site.manager, tmp_path / "other.log"
    attempts = (
        [('saHandlerPropertyValue."admin"."file"."file"', "s", str(other))],
        [('saHandlerPropertyValue."admin"."file"."socket"', "s", str(other))],
        [('saTargetPropertyValue."admin"."logged"."file"', "s", str(other)),
         ('saTargetPropertyStatus."admin"."logged"."file"', "i", "createAndGo")],
    )
    for assignments in attempts:
        with pytest.raises(SetRefused):
            m.set(*assignments)
    apps_run(site, 7)
    wait_notice(site, Target="logged", State="delivered")
    assert len(logged(tmp_path / "alerts.log")) == 1 and not other.exists()


def test_all_of_it_ends_in_time(make_logged):
    site = make_logged()
    running = [site.daemon.pid_of(s) for s in (*STAGES, "runner")]
    assert site.daemon.stop() == 0
    assert not [p for p in running if os.path.exists(f"/proc/{p}")]


# ---- programs ----

def test_a_program_runs_for_each_notice(make_run, tmp_path):
    site = make_run('cat >> "$D/got"; echo "$1 $SNMPALERT_LEVEL"', '<arg value="as $1"/>', apps=7)
    n = wait_notice(site, Target="run", Kind="raise", State="delivered")
    assert (n["Confirmation"], n["Attempts"], n["LastError"]) == ("acknowledged", "1", "")
    assert told(site) == ("delivered", "", "as $1 CRITICAL")
    apps_run(site, 2)
    wait_notice(site, Target="run", Kind="clear", State="delivered")
    first, second = logged(tmp_path / "got")
    assert (first["uuid"], first["target"], first["recipients"]) == \
        (n["Uuid"], "run", ["bob@example.net"])
    assert [d["notices"][0]["kind"] for d in (first, second)] == ["raise", "clear"]


@pytest.mark.parametrize("text, state, words", (
    ("echo no room; exit 3", "failed", "exit status 3: no room"),
    ("echo later; exit 75", "pending", "exit status 75 (to be tried again): later"),
    ("kill -9 $$", "pending", "ended by signal 9 (Killed)"),
    ('trap "" TERM; while :; do sleep 0.1; done', "pending",
     f"ended after its time of {TIMEOUT_MS} ms"),
    ("exec yes", "pending", f"ended after its time of {TIMEOUT_MS} ms, standing still for more than "
                            "1 MiB of output: y y y"),
    ("exec /dev/null/x", "failed", "exit status 126|exit status 127"),
    ("rm $D/program; kill -TERM $$", "pending", "ended by signal 15 (Terminated)"),
    ("unshare -r true; kill -SYS $$", "pending", "ended by signal 31 (Bad system call)"),
))
def test_its_end_is_told_and_delays_nobody(make_run, tmp_path, text, state, words):
    site = make_run(text, rows=definition("busy") + RUNS + TRAPS + MAILS, apps=7)
    wait_trap(site, "saAlertRaised")
    wait_notice(site, Target="operators", State="delivered")
    got = told(site)
    assert got[0] == state and any(map(got[1].startswith, words.split("|"))), got
    assert got[1].startswith(got[2][:20])
    if state != "pending":
        return
    write_program(tmp_path, "exit 0")  # and then it is well again
    n = wait_notice(site, Target="run", State="delivered", timeout=30)
    assert int(n["Attempts"]) > 1 and n["LastError"] == ""


def test_a_missing_program_is_told_and_recovers(make_run, tmp_path):
    site = make_run("exit 0")
    (tmp_path / "program").rename(tmp_path / "moved")
    apps_run(site, 7)
    assert told(site)[:2] == \
        ("pending", f"{tmp_path}/program cannot be run: No such file or directory")
    (tmp_path / "moved").rename(tmp_path / "program")
    wait_notice(site, Target="run", State="delivered", timeout=30)


def test_what_is_left_behind_ends_with_its_time_or_the_daemon(make_run, tmp_path):
    """In sessions of their own, deaf to SIGTERM: one whose time is up, and one whose time is not."""
    leaves = """setsid sh -c 'trap "" TERM; echo $$ > "$0"; while :; do sleep 1; done' "$D/left" &
while test ! -s "$D/left"; do sleep 0.02; done"""
    site = make_run(leaves, apps=7)
    wait_notice(site, Target="run", Kind="raise", State="delivered")
    left = int((tmp_path / "left").read_text())
    wait_for(lambda: not os.path.exists(f"/proc/{left}"), "it to be ended")
    (tmp_path / "left").unlink()
    reload(site, f'timeout="{TIMEOUT_MS}ms"', 'timeout="60s"')
    wait_for(lambda: site.manager.get('saHandlerPropertyValue."admin"."exec"."timeout"') == "60s",
             "the longer time")
    apps_run(site, 2)
    wait_notice(site, Target="run", Kind="clear", State="delivered")
    left = int((tmp_path / "left").read_text())
    assert os.path.exists(f"/proc/{left}")
    assert site.daemon.stop() == 0
    assert not os.path.exists(f"/proc/{left}")


def test_a_killed_runner_takes_its_programs_with_it(make_run, tmp_path):
    """And the notice is delivered by the next one."""
    site = make_run('echo $$ >> $D/pids; test -e $D/go || sleep 60')
    reload(site, f'timeout="{TIMEOUT_MS}ms"', 'timeout="60s"')
    wait_for(lambda: site.manager.get('saHandlerPropertyValue."admin"."exec"."timeout"') == "60s",
             "the longer time")
    apps_run(site, 7)
    pid = wait_for(lambda: (tmp_path / "pids").exists() and int((tmp_path / "pids").read_text()),
                   "a program")
    (tmp_path / "go").touch()
    os.kill(site.daemon.pid_of("runner"), signal.SIGKILL)
    wait_notice(site, Target="run", State="delivered", timeout=30)
    wait_for(lambda: (stat := stat_of(pid)) is None or stat[1][0] == "Z", "its end")
    assert (tmp_path / "pids").read_text().count("\n") == 2


def test_no_manager_changes_what_runs(make_run, tmp_path):
    """Neither program nor arguments, neither of the handler nor for a target; nor is anything of a
    SET ever an argument."""
    site = make_run('echo "$0" "$@" >> $D/got', '<arg value="one"/>',
                    rows=definition("busy", override="yes") + RUNS.replace("/>", ' override="yes"/>'))
    m, evil = site.manager, str(tmp_path / "evil")
    for name in ("program", "arg", "value", "argv", "file"):
        for assignments in (
                [(f'saHandlerPropertyValue."admin"."exec"."{name}"', "s", evil)],
                [(f'saTargetPropertyValue."admin"."run"."{name}"', "s", evil),
                 (f'saTargetPropertyStatus."admin"."run"."{name}"', "i", "createAndGo")]):
            with pytest.raises(SetRefused):
                m.set(*assignments)
    assert set(m.column("saHandlerPropertyValue")) >= {("admin", "exec", "program")}
    m.set(('saDefinitionDescription."admin"."busy"', "s", f"$(touch {evil}); `touch {evil}`"),
          ('saTargetRecipients."admin"."run"', "s", f"$(touch,{evil})"))
    apps_run(site, 7)
    wait_notice(site, Target="run", State="delivered")
    assert (tmp_path / "got").read_text() == f"{tmp_path}/program one\n"
    assert not os.path.exists(evil)
