"""snmpalert, the command line, with the whole daemon behind a real snmpd."""

import json
import os
import socket
import subprocess
import time

import pytest

from lib.net import free_port, free_udp_port
from lib.rogueagent import GETBULK, RogueAgent, TOO_BIG, integer, octets
from lib.site import Site, build_folder, none_left
from lib.wait import wait_for
from test_daemon import BUSY, MAILS, TRAPS, apps_run, configuration, definition, wait_alert

USAGE = 64


class Snmpalert:
    def __init__(self, site):
        self.site = site

    def run(self, *words, agent=None, env=None, timeout=60):
        """(exit status, standard output, standard error)"""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SNMPALERT_")}
        r = subprocess.run([str(build_folder() / "snmpalert"), "-t", "5", "-a",
                            agent or self.site.snmpd.address(), *words],
                           env={**clean, "TZ": "UTC", **(env or {})}, capture_output=True,
                           text=True, timeout=timeout)
        return r.returncode, r.stdout, r.stderr

    def ok(self, *words, **kwargs):
        status, out, errors = self.run(*words, **kwargs)
        assert (status, errors) == (0, ""), f"{words}: exit {status}\n{out}{errors}"
        return out

    def refused(self, status, *words, **kwargs):
        """Its words, when it ends with STATUS and prints nothing else."""
        found, out, errors = self.run(*words, **kwargs)
        assert (found, out) == (status, ""), f"{words}: exit {found}\n{out}{errors}"
        assert errors.startswith("snmpalert: ") and errors.count("\n") == 1
        return errors[len("snmpalert: "):-1]

    def json(self, *words):
        return json.loads(self.ok("--json", *words))

    def rows(self, table):
        return {r["name"]: r for r in self.json("list", table)}


@pytest.fixture(scope="module")
def site():
    """An alert that is critical and one that is not, mail that is delivered, no failing source."""
    with none_left():
        s = Site(configuration(definition("busy") + definition("quiet", "false") + TRAPS + MAILS))
        try:
            apps_run(s, 7)
            s.daemon.start()
            wait_alert(s, "busy", "critical", "active")
            yield s
        finally:
            s.close()


@pytest.fixture
def cli(site):
    return Snmpalert(site)


# ---- looking ----

def test_list_is_aligned_and_names_enumerations(cli):
    head, *rows = cli.ok("list", "Alerts").splitlines()
    busy = next(r for r in rows if r.split()[2] == "busy")
    assert busy[head.index("level"):].startswith("critical ")
    assert busy[head.index("since"):].startswith(time.strftime("20"))
    assert busy[head.index("message"):].startswith("busy is critical")


def test_every_table_can_be_listed_in_both_versions_and_as_json(cli):
    for table in json.loads(cli.ok("--json", "tables")):
        rows = cli.json("list", table["name"])
        assert isinstance(rows, list)
        parts = set(table["index"])
        assert all(parts <= row.keys() for row in rows)
        assert cli.ok("-v", "1", "list", table["name"]).splitlines()[0]
    assert {r["name"] for r in cli.json("list", "process")} == \
        {"core", "agent", "poller", "dispatcher", "evaluator", "compiler"}


def test_show_tells_one_row_with_help(cli):
    out = cli.ok("show", "definition", "busy", "--help-texts")
    assert f"condition            {BUSY}" in out
    assert "# What the alert means, for the people who receive it." in out
    assert cli.json("show", "definition", "admin", "busy")["severity"] == "critical"
    assert "no such row" in cli.refused(1, "show", "definition", "nosuch")


def test_list_of_an_owner_and_of_columns(cli):
    assert cli.json("list", "definitions", "-o", "nobody") == []
    rows = cli.json("list", "definitions", "--columns", "severity,status")
    assert {"owner": "admin", "name": "busy", "severity": "critical", "status": "active"} in rows


# ---- changing ----

def test_several_rows_are_one_set(cli):
    cli.ok("set", "definition", "slow", "condition=1 > 2", "severity=warning", "--",
           "target", "night", "handler=mail", "recipients=night@example.net", "states=ok,critical",
           "--", "group", "late", "description=Größe", "--", "groupTarget", "late", "night")
    assert cli.rows("definition")["slow"]["severity"] == "warning"
    assert cli.rows("target")["night"]["states"] == ["ok", "critical"]
    assert cli.rows("group")["late"]["description"] == "Größe"
    cli.ok("set", "definition", "slow", "severity=info")
    assert cli.rows("definition")["slow"]["severity"] == "info"
    cli.ok("delete", "groupTarget", "late", "night", "--", "group", "late", "--", "target", "night",
           "--", "definition", "slow")
    assert "slow" not in cli.rows("definition") and "late" not in cli.rows("group")
    assert "no such row" in cli.refused(1, "delete", "definition", "slow")


def test_a_refusal_says_which_column_and_why_and_changes_nothing(cli):
    words = cli.refused(1, "set", "definition", "fine", "condition=1", "--",
                        "definition", "broken", "condition=1 >")
    assert words.startswith("refused: definition broken, condition: wrongValue: ")
    assert words.count("wrongValue") == 1 and "SyntaxError" in words
    assert not {"fine", "broken"} & cli.rows("definition").keys()
    assert "read-only" in cli.refused(1, "set", "definition", "busy", "description=x")
    assert "can be read, not set" in cli.refused(1, "set", "alert", "1", "level=ok")


def test_what_cannot_be_right_is_not_sent(cli):
    for words, wanted in (
            (("set", "definition", "x", "severity=dreadful"), "expected info, warning, critical"),
            (("set", "definition", "x", "severty=info"), "did you mean 'severity'?"),
            (("list", "alrts"), "did you mean 'alert'?"),
            (("lst", "alerts"), "did you mean 'list'?"),
            (("show", "alert", "x"), "is no number"),
            (("show", "definition"), "is named by [owner] name"),
            (("list",), "usage: "), ((), "a command is missing"), (("--jsno", "status"), "'--json'")):
        assert wanted in cli.refused(USAGE, *words), words


def test_disable_and_enable(cli):
    cli.ok("set", "definition", "toggled", "condition=false")
    cli.ok("disable", "toggled")
    assert cli.rows("definition")["toggled"]["disable"] is True
    cli.ok("enable", "admin", "toggled")
    assert cli.rows("definition")["toggled"]["disable"] is False
    cli.ok("delete", "definition", "toggled")
    assert "no such row" in cli.refused(1, "disable", "toggled")


def test_alerts_are_acknowledged(cli, site):
    busy = next(a for a in cli.json("list", "alerts") if a["definition"] == "busy")
    n = str(busy["alert"])
    cli.ok("acknowledge", n, "ackUntil=+1h", "ackText=on it")
    row = cli.json("show", "alert", n)
    assert (row["acknowledge"], row["ackText"]) == ("until", "on it") and row["ackAuthor"]
    assert row["ackUntil"] is not None
    cli.ok("acknowledge", "admin", n, "ackAuthor=bob")
    row = cli.json("show", "alert", n)
    assert (row["acknowledge"], row["ackAuthor"], row["ackText"]) == ("normal", "bob", "")
    cli.ok("acknowledge", n, "acknowledge=none")
    assert cli.json("show", "alert", n)["acknowledge"] == "none"
    quiet = next(a for a in cli.json("list", "alerts") if a["definition"] == "quiet")
    assert "nothing to acknowledge" in cli.refused(1, "acknowledge", str(quiet["alert"]))
    assert "expected a time" in cli.refused(USAGE, "acknowledge", n, "ackUntil=soon")


def test_notices_are_cancelled_and_sent_again(cli, site):
    told = cli.json("test", "operators")
    n, before = str(told["notice"]), len(site.mail.mails)
    assert "already: nothing to cancel" in cli.refused(1, "cancel", n)
    cli.ok("resend", n)
    wait_for(lambda: len(site.mail.mails) == before + 1, "the mail to come again")
    wait_for(lambda: cli.json("show", "notice", n)["state"] == "delivered", "its outcome")
    assert cli.json("show", "notice", n)["attempts"] == 2
    assert "no such row" in cli.refused(1, "resend", "admin", "999999")


def test_a_test_notice_is_waited_for(cli, site):
    before = len(site.mail.mails)
    notice = cli.json("test", "operators")
    assert (notice["target"], notice["kind"], notice["state"]) == ("operators", "test", "delivered")
    again = cli.json("test", "operators")
    assert again["notice"] > notice["notice"] and again["state"] == "delivered"
    assert len(site.mail.mails) == before + 2
    assert "no such row" in cli.refused(1, "test", "nobody")


def test_a_test_without_an_outcome_ends_by_its_deadline(cli, site):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        cli.ok("set", "target", "stuck", "handler=mail", "recipients=a@example.net", "--",
               "targetProperty", "stuck", "port", f"value={silent.getsockname()[1]}")
        status, out, errors = cli.run("test", "stuck", "--wait", "0.5")
    assert status == 1 and "no outcome within 0.5 s" in errors and "stuck" in out
    cli.ok("delete", "target", "stuck", "--", "targetProperty", "stuck", "port")


def test_a_handler_and_a_target_are_validated(cli, site):
    row = cli.json("validate", "handler", "mail")
    assert row["check"] == "succeeded"
    assert row["checkMessage"] == f"127.0.0.1:{site.mail.port}: connected without TLS"
    assert cli.json("validate", "targets", "admin", "operators")["check"] == "succeeded"
    assert cli.json("validate", "target", "operators")["validate"] == 2
    assert "no such row" in cli.refused(1, "validate", "handler", "nobody")
    assert "no row of saGroupTable" in cli.refused(USAGE, "validate", "group", "mail")
    cli.ok("set", "handlerProperty", "mail", "port", f"value={free_port()}")
    try:
        status, out, errors = cli.run("validate", "handler", "mail")
        assert (status, errors) == (1, "") and "Connection refused" in out
    finally:
        cli.ok("set", "handlerProperty", "mail", "port", "revert=run")


def test_a_condition_is_evaluated(cli, site):
    seen = cli.json("evaluate", "_topic['cluster.metrics'].numAppsRunning >= 0")
    assert (seen["state"], seen["outcome"], seen["level"]) == ("done", "true", "critical")
    assert seen["topics"] == "cluster.metrics"
    status, out, errors = cli.run("evaluate", "admin", "var a;\na.b")
    assert (status, errors) == (1, "") and "line 2: TypeError" in out
    assert "line 1" in cli.refused(1, "evaluate", "1 +")
    assert cli.run("list", "trials")[1].count("snmpalert-") == 0


def test_a_handler_is_tried(cli, site):
    before = len(site.mail.mails)
    cli.ok("set", "test", "mail", "message", "value=Tried.")
    assert cli.json("try", "mail")["check"] == "succeeded"
    assert site.mail.wait(before + 1)[-1].message["Subject"] == "[TEST] admin: Tried."
    cli.ok("set", "test", "mail", "message", "revert=run")


def test_a_result_that_does_not_come_ends_by_its_deadline(cli, site):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        cli.ok("set", "test", "mail", "port", f"value={silent.getsockname()[1]}")
        status, out, errors = cli.run("try", "mail", "--wait", "0.5")
        cli.ok("set", "test", "mail", "port", "revert=run")
    assert status == 1 and "no result within 0.5 s" in errors and "running" in out


# ---- status ----

def test_status_is_for_operators_and_monitoring(cli, site):
    status, out, errors = cli.run("status")
    assert (status, errors) == (2, "") and "1 critical" in out and "0 of 2 fail" in out
    status, out, _ = cli.run("status", "--json")
    assert status == 2 and json.loads(out)["alerts"]["critical"] == 1
    try:
        apps_run(site, 1)
        wait_alert(site, "busy", "ok", "inactive")
        assert cli.run("status")[0] == 0
        cli.ok("set", "definition", "mild", "condition=true", "severity=warning")
        wait_alert(site, "mild", "warning", "active")
        assert cli.run("status")[0] == 1
    finally:
        cli.run("delete", "definition", "mild")
        apps_run(site, 7)
        wait_alert(site, "busy", "critical", "active")


def test_no_answer_is_told_with_the_time_waited(cli):
    dead = f"127.0.0.1:{free_udp_port()}"
    for command in (("status",), ("list", "alerts"), ("disable", "busy"), ("test", "operators")):
        words = cli.refused(3, "-t", "0.2", "-r", "1", *command, agent=dead)
        assert words.startswith(f"no answer from {dead} within 0.4 s (2 attempts)")
    assert cli.refused(3, "status", agent="nosuch.invalid").startswith("nosuch.invalid: ")
    assert "no answer" in cli.refused(3, "-t", "0.2", "-r", "0", "-c", "wrong", "status")


def test_the_environment_names_agent_and_owner(cli, site):
    out = cli.run("list", "definitions", "--json", env={"SNMPALERT_OWNER": "nobody"})[1]
    assert json.loads(out) == []


def test_foreign_characters_do_not_reach_the_terminal(cli):
    cli.ok("set", "definition", "rude", "condition=false", "description=a\x1b[31m\x9bb\tc")
    try:
        for words in (("list", "definitions", "--wide"), ("show", "definition", "rude"),
                      ("show", "definition", "rude", "--json")):
            out = cli.ok(*words)
            assert not any(ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160 for c in out)
        assert cli.json("show", "definition", "rude")["description"] == "a\x1b[31m\x9bb\tc"
    finally:
        cli.ok("delete", "definition", "rude")


# ---- agents that are not as they should be ----

@pytest.fixture
def rogue(cli):
    """rogue(objects=..., handle=...): the address of a RogueAgent."""
    agents = []

    def make(**kwargs):
        agents.append(RogueAgent(**kwargs))
        return f"127.0.0.1:{agents[-1].port}"

    yield make
    for agent in agents:
        agent.stop()


def asked_below(cli, rogue):
    """The names that `list processes` asks for: the columns of the table."""
    names = []
    cli.run("list", "processes", agent=rogue(
        handle=lambda a, r: names.append(r.names) or a.serve(r)))
    return [".".join(map(str, n)) for n in names[0]]


def test_an_agent_without_our_mib_is_told_from_an_empty_table(cli, rogue):
    agent = rogue(objects={"1.3.6.1.2.1.1.3.0": integer(1)})
    for command in (("list", "alerts"), ("show", "target", "x"), ("status",)):
        assert "does not serve SNMPALERT-MIB" in cli.refused(3, *command, agent=agent)


def test_a_walk_in_circles_ends(cli, rogue):
    name = asked_below(cli, rogue)[0]
    first = tuple(map(int, name.split("."))) + (1,)
    agent = rogue(handle=lambda a, r: r.answer([(first, octets(b"x"))] * len(r.names)
                                               if r.command == GETBULK else []))
    status, out, errors = cli.run("list", "processes", agent=agent)
    assert status == 0 and len(out.splitlines()) == 2, out + errors


def test_values_and_indexes_that_are_none_of_ours_are_left_out(cli, rogue):
    columns = asked_below(cli, rogue)
    objects = {f"{c}.{i}": octets(b"\x1b[2J\xff") for c in columns for i in ("1", "2", "2.7")}
    out = cli.ok("list", "processes", agent=rogue(objects=objects))
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["1", "2"]
    assert "?[2J?" in out and "\x1b" not in out


def test_too_big_answers_are_asked_for_in_parts(cli, rogue):
    columns = asked_below(cli, rogue)
    objects = {f"{c}.{i}": octets(b"name") for c in columns for i in range(1, 60)}

    def small(agent, request):
        wanted = len(request.names) * max(request.second, 1)
        return request.refuse(TOO_BIG) if wanted > 3 else agent.serve(request)

    out = cli.ok("list", "processes", agent=rogue(objects=objects, handle=small))
    assert [line.split()[0] for line in out.splitlines()[1:]] == [str(i) for i in range(1, 60)]
