"""Alerts that outside systems raise: by SNMP, and by snmpalertd --raise."""

import itertools
import json
import os
import signal
import stat
import subprocess

import pytest

from lib.mainjob import TRAPS, definition, sites, traps, wait_notice, wait_trap
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

numbers = itertools.count(1)
VERBS = {"raise": 1, "clear": 2, "delete": 3}


def command(site, verb="raise", alert="full", resource="n1", number=None, **cells):
    """By SNMP: the number of the row."""
    number = number or next(numbers)

    def at(column):
        return f'saRaise{column}."admin".{number}'

    more = [(at(c), kind, v) for c, (kind, v) in cells.items()]
    site.manager.set((at("Status"), "i", "createAndGo"), (at("Verb"), "i", verb),
                     (at("ResourceType"), "s", "node"), (at("AlertType"), "s", alert),
                     (at("ResourceId"), "s", resource), *more)
    return number


def result(site, number):
    """(what became of it, the alert, why not)"""
    def cell(column):
        return site.manager.get(f'saRaise{column}."admin".{number}')

    wait_for(lambda: cell("Result") != "queued", f"command {number} to be done")
    return cell("Result"), int(cell("Alert")), cell("Error")


def alert_cell(site, alert, column):
    return site.manager.get(f'saAlert{column}."admin".{alert}')


def line(alert="full", resource="n1", **more):
    return {"owner": "admin", "resourceType": "node", "alertType": alert, "resourceId": resource,
            **more}


def by_door(site, *options, lines=None, timeout=60):
    """(exit status, answers, standard error) of snmpalertd --raise."""
    text = "".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines or ())
    r = subprocess.run(site.daemon.argv("--raise", *options), input=text, capture_output=True,
                       text=True, timeout=timeout)
    return r.returncode, [json.loads(a) for a in r.stdout.splitlines()], r.stderr


# ---- by SNMP ----

def test_raise_and_clear_are_told(make_site):
    site = make_site(TRAPS)
    what, alert, why = result(site, command(site, Message=("s", "the disk is full"),
                                            Severity=("i", "warning")))
    assert (what, why) == ("done", "")
    trap = wait_trap(site, "saAlertRaised", saAlertMessage="the disk is full")
    assert (trap["saDefinitionName"], trap["saAlertInstance"], trap["saAlertLevel"],
            trap["saDefinitionService"]) == ("full", "node/n1", "warning", "default")
    assert result(site, command(site))[1] == alert
    assert alert_cell(site, alert, "Count") == "2"
    wait_trap(site, "saAlertChanged", saAlertLevel="critical")
    assert result(site, command(site, "clear")) == ("done", alert, "")
    trap = wait_trap(site, "saAlertCleared")
    assert (trap["saAlertInstance"], trap["saAlertLevel"]) == ("node/n1", "ok")
    assert (alert_cell(site, alert, "IsCleared"), alert_cell(site, alert, "Level")) == ("true", "ok")
    # It goes when a manager says so.
    site.manager.set(("saSystemClearedTtl.0", "u", 1))
    wait_for(lambda: not site.manager.column("saAlertLevel"), "the cleared alert to be purged")
    what, _, why = result(site, command(site, "clear"))
    assert (what, why) == ("refused", "there is no such alert")


def test_delete_and_ttl_tell_the_end(make_site):
    site = make_site(TRAPS)
    result(site, command(site, resource="n1"))
    what, alert, _ = result(site, command(site, "delete", resource="n1"))
    assert what == "done" and not site.manager.column("saAlertLevel")
    wait_trap(site, "saAlertCleared", saAlertInstance="node/n1")
    _, other, _ = result(site, command(site, resource="n2", Ttl=("u", 1)))
    assert other > alert
    wait_trap(site, "saAlertCleared", saAlertInstance="node/n2")
    assert "expired" in site.manager.column("saHistoryReason").values()


def test_it_follows_the_definition_of_its_type(make_site):
    site = make_site(definition("full", "false", description="A disk is full.",
                                override="yes") + TRAPS)
    _, alert, _ = result(site, command(site))
    wait_trap(site, "saAlertRaised", saAlertMessage="A disk is full.")
    site.manager.set(('saDefinitionDisable."admin"."full"', "i", "true"))
    wait_for(lambda: alert_cell(site, alert, "Level") == "ok", "the alert to be closed")
    assert result(site, command(site)) == ("refused", 0, "definition 'full' is disabled")
    assert not traps(site, "saAlertCleared")


# ---- killed ----

def kill_core(site, last):
    """Another one than LAST, which was killed before; its pid."""
    pid = wait_for(lambda: {site.daemon.pid_of("core")} - {0, last}, "a new core").pop()
    os.kill(pid, signal.SIGKILL)
    return pid


def test_a_command_is_done_once_whenever_the_core_is_killed(make_site):
    site = make_site(TRAPS)
    rows, killed = [], None
    for n in range(24):
        rows.append(command(site, resource="n1"))
        if n % 8 == 4:
            killed = kill_core(site, killed)
    found = {result(site, n) for n in rows}
    assert len(found) == 1 and found.pop()[0] == "done"
    alert, = {n[-1] for n in site.manager.column("saAlertCount")}
    assert alert_cell(site, alert, "Count") == "24"
    wait_notice(site, Definition="full", Kind="raise", State="delivered", timeout=30)
    assert traps(site, "saAlertRaised")


# ---- by the local door ----

def test_one_by_options(make_site):
    site = make_site(TRAPS)
    status, answers, errors = by_door(
        site, "owner=admin", "resourceType=node", "alertType=full", "resourceId=n7",
        "severity=info", "message=nearly full", "ttl=3600")
    assert (status, answers, errors) == (0, [{"result": "done", "alert": 1}], "")
    wait_trap(site, "saAlertRaised", saAlertMessage="nearly full", saAlertLevel="info")
    assert alert_cell(site, 1, "Ttl") == "3600"
    status, answers, _ = by_door(site, "owner=admin", "resourceType=node", "alertType=full",
                                 "resourceId=n8", "verb=clear")
    assert (status, answers) == (1, [{"result": "refused", "error": "there is no such alert"}])
    assert by_door(site, "owner")[0] == 64


def test_answers_are_in_the_order_of_the_lines(make_site):
    site = make_site(TRAPS)
    status, answers, errors = by_door(site, lines=[
        line(), "", "{nonsense", line(verb="clear"), line(severity="dreadful"), [],
        line(colour="red"), line(owner="mallory"), {"owner": "admin"}, line(ttl="soon"),
        "x" * 9000, line(verb="delete")])
    assert status == 1 and errors == ""
    assert [a["result"] for a in answers] == ["done", "refused", "done"] + 7 * ["refused"] + ["done"]
    words = [a.get("error", "") for a in answers]
    assert words[3:10] == [
        "'severity' must be one of info, warning and critical", "a line must be a JSON object",
        "there is no 'colour'", "there is no owner 'mallory'", "'resourceType' is missing",
        "'ttl' must be a whole number", "a line has 8192 octets at most"]


def test_a_stream_of_ten_thousand(make_site):
    site = make_site("")
    status, answers, errors = by_door(site, lines=(line(resource=f"n{n % 100}") for n in range(10000)),
                                      timeout=180)
    assert (status, errors, len(answers)) == (0, "", 10000)
    assert {a["result"] for a in answers} == {"done"}
    counts = site.manager.column("saAlertCount")
    assert len(counts) == 100 and set(counts.values()) == {"100"}


def test_what_was_answered_outlives_a_kill(make_site):
    site = make_site("")
    lines = "".join(json.dumps(line(resource=f"n{n}")) + "\n" for n in range(20000))
    p = subprocess.Popen(site.daemon.argv("--raise"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    with p:
        p.stdin.write(lines[:lines.index("\n") + 1])
        p.stdin.flush()
        first = p.stdout.readline()
        os.kill(site.daemon.pid_of("core"), signal.SIGKILL)
        out, errors = p.communicate(timeout=60)
    assert p.returncode == 0 or (p.returncode == 69 and "the daemon ended" in errors)
    answered = [json.loads(a)["alert"] for a in (first + out).splitlines()]
    wait_for(lambda: len(site.manager.column("saAlertCount")) >= len(answered), "what was answered")
    assert answered and set(answered) <= {int(n[-1]) for n in site.manager.column("saAlertCount")}


def test_nobody_at_the_door(make_site):
    site = make_site(TRAPS, start=False)
    status, answers, errors = by_door(site, lines=[line()])
    assert (status, answers) == (69, []) and "no daemon is there" in errors


def test_the_door_is_closed_to_others(make_site):
    site = make_site(TRAPS)
    door = os.stat(os.path.join(site.path("store"), "door"))
    assert stat.S_ISSOCK(door.st_mode) and stat.S_IMODE(door.st_mode) == 0o600
    assert door.st_uid == os.geteuid()
