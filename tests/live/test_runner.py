"""The runner: handlers that need this machine's files and programs, in the whole daemon."""

import json
import os
import pathlib
import signal

import pytest

from lib.mainjob import (BUSY, MAILS, STAGES, TRAPS, apps_run, definition, notices, sites,
                         wait_notice, wait_trap)
from lib.snmp import SetRefused
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

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
