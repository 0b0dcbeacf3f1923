"""The whole daemon, from polled value to trap and mail, and what it does when something breaks."""

import calendar
import os
import re
import signal
import subprocess
import time

import pytest

from lib.mainjob import (STAGES, BUSY, MAILS, TRAPS, alerts, apps_run, configuration,
                         definition, notices, sites, traps, wait_alert, wait_notice, wait_trap)
from lib.net import free_udp_port
from lib.site import SOURCE, Site, build_folder, children
from lib.smtpd import DROP, HANG, FaultySmtpd
from lib.snmp import SetRefused
from lib.wait import elapse, wait_for

make_site = pytest.fixture(sites, name="make_site")


# ---- the main job ----

def told(site, n):
    """Each target comes to know of N alerts that are not over."""
    column = "saTargetTold"
    wait_for(lambda: set(site.manager.column(column).values()) == {str(n)}, f"{n} as {column}")


def test_true_condition_is_told_once_and_its_end_too(make_site):
    site = make_site(definition("busy") + TRAPS + MAILS, apps=7)
    trap = wait_trap(site, "saAlertRaised")
    assert (trap["saOwner"], trap["saDefinitionName"], trap["saAlertLevel"],
            trap["saAlertValue"]) == ("admin", "busy", "critical", "true")
    mail = site.mail.wait(1)[0]
    assert mail.recipients == ["operators@example.net"]
    raised = {n["Target"]: n for n in notices(site, Kind="raise")}
    assert trap["saNoticeUuid"] == raised["manager"]["Uuid"]
    assert mail.message["Message-ID"] == f"<{raised['operators']['Uuid']}@example.net>"
    told(site, 1)
    apps_run(site, 2)
    wait_trap(site, "saAlertCleared")
    assert site.mail.wait(2)[1].message["Subject"].startswith("[OK] admin/busy")
    wait_alert(site, "busy", "ok", "inactive")
    wait_for(lambda: len(notices(site, State="delivered")) == 4, "four delivered notices")
    assert [len(traps(site, k)) for k in ("saAlertRaised", "saAlertCleared")] == [1, 1]
    assert [n["TargetSequence"] for n in notices(site, Target="manager")] == ["1", "2"]
    m = site.manager
    assert list(m.column("saHistoryTo").values()) == ["critical", "ok"]
    assert list(m.column("saHistoryReason").values()) == ["condition", "condition"]
    told(site, 0)


def test_trap_is_handed_off_and_inform_acknowledged(make_site):
    informs = '<snmp name="informs" host="127.0.0.1" port="{}" confirm="inform"/>'
    site = Site(lambda s: configuration(
        definition("busy") + TRAPS + '<target name="noc" handler="informs" global="true"/>',
        handlers=informs.format(s.snmptrapd.port))(s))
    try:
        apps_run(site, 7)
        site.daemon.start()
        assert wait_notice(site, Target="noc", State="delivered")["Confirmation"] == "acknowledged"
        assert wait_notice(site, Target="manager", State="delivered")["Confirmation"] == "handedOff"
    finally:
        site.close()


def test_malformed_document_keeps_the_last_good_topic(make_site):
    site = make_site(definition("busy", staleMultiplier=1000) + TRAPS, apps=7)
    wait_alert(site, "busy", "critical", "active")
    with open(os.path.join(site.documents, "cluster.json"), "w") as f:
        f.write('{"numAppsRunning": ')
    m = site.manager
    status = 'saSourceStatus."admin"."cluster.metrics"'
    wait_for(lambda: m.get(status) == "malformed", "a malformed source")
    assert m.get('saSourceLastError."admin"."cluster.metrics"')
    assert '{"numAppsRunning": 7}' in m.column("saTopicHead").values()
    assert alerts(site)["busy"] == ("critical", "active")
    apps_run(site, 2)
    wait_alert(site, "busy", "ok", "inactive")
    wait_for(lambda: m.get(status) == "up", "the source to be up again")


# ---- stopping, dying, starting again ----

def test_sigterm_ends_all_processes(make_site):
    site = make_site(definition("busy"))
    pids = [site.daemon.pid_of(name) for name in STAGES]
    assert site.daemon.stop() == 0
    wait_for(lambda: not any(os.path.exists(f"/proc/{p}") for p in pids
                             if p in children()), "its processes to be gone")


def test_killed_daemon_knows_its_alerts_and_tells_nothing_twice(make_site):
    site = make_site(definition("busy") + TRAPS, apps=7)
    raised = wait_notice(site, Kind="raise", State="delivered")
    started = site.manager.get("saSystemStarted.0")
    site.daemon.process.kill()
    site.daemon.start()
    assert alerts(site)["busy"] == ("critical", "active")
    told(site, 1)
    assert wall(site.manager.get("saSystemStarted.0")) > wall(started)  # counters may begin anew
    wait_for(lambda: int(site.manager.get('saDefinitionEvaluations."admin"."busy"')) > 0,
             "an evaluation after the restart")
    apps_run(site, 2)
    wait_trap(site, "saAlertCleared")
    assert len(traps(site, "saAlertRaised")) == 1
    assert [n["Uuid"] for n in notices(site, Kind="raise")] == [raised["Uuid"]]


def wall(date_and_time):
    """Seconds since 1970 of a DateAndTime as the tools print it (UTC)."""
    day, clock, _ = date_and_time.split(",")
    return calendar.timegm(time.strptime(f"{day} {clock.partition('.')[0]}", "%Y-%m-%d %H:%M:%S")) \
        + float("0." + clock.partition(".")[2])


def test_hold_time_stands_still_while_the_daemon_is_down(make_site):
    hold, down = 6, 6
    site = make_site(definition("busy", timeThresholdMillis=f"{hold}s"), apps=7)
    wait_alert(site, "busy", "ok", "pending")
    m = site.manager
    pending_at = int(m.column("saAlertChangedAt").popitem()[1]) / 1000
    elapse(1)
    site.daemon.process.kill()
    held = time.time() - pending_at
    assert held < hold - 2, "this machine is too slow to see anything"
    elapse(down)
    site.daemon.start()
    assert alerts(site)["busy"] == ("ok", "pending")
    wait_alert(site, "busy", "critical", "active")
    active_at = int(m.column("saHistoryInTime").popitem()[1]) / 1000
    after = active_at - wall(m.get("saSystemStarted.0"))
    # What was left of the hold, give or take the second that the last mark may be old.
    assert hold - held - 0.5 < after < hold - held + 1.5, (held, after)


def test_soft_until_it_was_seen_often_enough_and_clearing_before_it_is_over(make_site):
    site = make_site(definition("busy", repeatTolerance=0, intervalMillis="1s",
                                clearDelayMillis="1s") + TRAPS)
    site.manager.set(("saSystemRepeatTolerance.0", "u", 1000))
    apps_run(site, 7)
    wait_alert(site, "busy", "critical", "active")
    firmness = "saAlertFirmness"
    assert set(site.manager.column(firmness).values()) == {"soft"}
    assert not notices(site)
    site.daemon.process.kill()
    site.daemon.start()
    assert set(site.manager.column(firmness).values()) == {"soft"}
    site.manager.set(("saSystemRepeatTolerance.0", "u", 2))
    wait_trap(site, "saAlertRaised", saAlertLevel="critical", saAlertPreviousLevel="ok")
    assert set(site.manager.column(firmness).values()) == {"hard"}
    apps_run(site, 2)
    wait_alert(site, "busy", "critical", "clearing")
    wait_trap(site, "saAlertCleared")
    assert list(site.manager.column("saHistoryFirmness").values()) == ["soft", "hard"]


def test_levels_with_resets_go_as_kapacitors_do(make_site):
    value = "_topic['cluster.metrics'].numAppsRunning"
    levels = (("crit", 80, 70), ("warn", 70, 60), ("info", 60, 50))
    row = "".join(f"<{k}Condition><![CDATA[{value} > {above}]]></{k}Condition>"
                  f"<{k}Reset><![CDATA[{value} < {below}]]></{k}Reset>"
                  for k, above, below in levels)
    site = make_site('<definition name="busy" staleMultiplier="100" override="yes">'
                     f"{row}</definition>" + TRAPS)
    m = site.manager

    def evaluations():
        return int(m.get('saDefinitionEvaluations."admin"."busy"'))
    for n, level in zip((61, 73, 64, 85, 62, 56, 47),
                        "info warning warning critical info info ok".split()):
        before = evaluations()
        apps_run(site, n)
        wait_for(lambda: evaluations() > before, "an evaluation")
        wait_alert(site, "busy", level, "inactive" if level == "ok" else "active")
    assert list(m.column("saHistoryTo").values()) == ["info", "warning", "critical", "info", "ok"]
    # One that cannot be compiled is refused; one that fails counts as false, and says so.
    crit = 'saDefinitionCritCondition."admin"."busy"'
    with pytest.raises(SetRefused) as refused:
        m.set((crit, "s", "1 +"))
    assert refused.value.error == "wrongValue"
    m.set((crit, "s", "1;\nnope > 1"))
    wait_for(lambda: m.get('saDefinitionErrorLine."admin"."busy"') == "2", "the error")
    assert m.get('saDefinitionError."admin"."busy"') == \
        "critCondition: line 2: ReferenceError: 'nope' is not defined"
    apps_run(site, 99)
    wait_alert(site, "busy", "warning", "active")


def test_flapping_is_told_twice_and_in_between_is_history(make_site):
    site = make_site(definition("busy", flapHistory=5, intervalMillis="1s") + TRAPS)
    for n, level in ((7, "critical"), (2, "ok"), (7, "critical"), (2, "ok")):
        apps_run(site, n)
        wait_alert(site, "busy", level, "active" if n > 5 else "inactive")
    begun = wait_trap(site, "saAlertFlapping")
    assert begun["saAlertMessage"] == "flapping: the level changes too often"
    assert site.manager.column("saAlertFlags").popitem()[1].split()[0] == "04"  # bit 5
    wait_trap(site, "saAlertCleared", 20)
    assert [len(traps(site, k)) for k in ("saAlertRaised", "saAlertFlapping", "saAlertCleared")] \
        == [1, 2, 1]
    assert traps(site, "saAlertFlapping")[1]["saAlertMessage"] == "no longer flapping"
    assert len(site.manager.column("saHistoryTo")) == 4


@pytest.mark.parametrize("stage", STAGES)
def test_killed_stage_is_started_again_and_goes_on(make_site, stage):
    site = make_site(definition("busy") + TRAPS)
    m = site.manager
    index = next(i for i, n in m.column("saProcessName").items() if n == stage)
    pid = site.daemon.pid_of(stage)
    os.kill(pid, signal.SIGKILL)

    def back():
        now = int(m.get(f"saProcessPid.{index}") or 0)
        return now not in (0, pid) and m.get(f"saProcessState.{index}") == "running"
    wait_for(back, f"another {stage}", 20)
    assert int(m.get(f"saProcessStarts.{index}")) == 2
    assert m.get(f"saProcessLastExit.{index}") == "signal 9 (Killed)"
    apps_run(site, 7)
    wait_trap(site, "saAlertRaised", 20)
    m.set(('saGroupStatus."admin"."after"', "i", "createAndGo"))
    m.set(('saDefinitionStatus."admin"."set"', "i", "createAndGo"),
          ('saDefinitionCondition."admin"."set"', "s", "1 > 0"))
    wait_alert(site, "set", "critical", "active")


def test_undelivered_notice_is_delivered_after_a_kill_under_its_uuid(make_site):
    site = make_site(definition("busy") + TRAPS, traps='confirm="inform" timeout="200ms" retries="0"')
    site.snmptrapd.stop()
    apps_run(site, 7)
    wait_for(lambda: int(wait_notice(site, Kind="raise")["Attempts"]) >= 1, "an attempt")
    uuid = wait_notice(site, Kind="raise")["Uuid"]
    site.daemon.process.kill()
    site.snmptrapd.start()
    site.daemon.start()
    trap = wait_trap(site, "saAlertRaised", 20)
    assert trap["saNoticeUuid"] == uuid
    wait_notice(site, Uuid=uuid, State="delivered", Confirmation="acknowledged")


def test_what_was_set_outlives_a_kill_at_once(make_site):
    site = make_site(TRAPS, apps=7)
    site.manager.set(
        ('saGroupTargetStatus."admin"."g"."t"', "i", "createAndGo"),
        ('saGroupDefinitionStatus."admin"."g"."busy"', "i", "createAndGo"),
        ('saGroupStatus."admin"."g"', "i", "createAndGo"),
        ('saTargetStatus."admin"."t"', "i", "createAndGo"),
        ('saTargetHandler."admin"."t"', "s", "traps"),
        ('saDefinitionStatus."admin"."busy"', "i", "createAndGo"),
        ('saDefinitionSeverity."admin"."busy"', "i", "warning"),
        ('saDefinitionCondition."admin"."busy"', "s", BUSY))
    site.daemon.process.kill()
    site.daemon.start()
    wait_alert(site, "busy", "warning", "active")
    wait_for(lambda: {n["Target"] for n in notices(site, Kind="raise")} == {"manager", "t"},
             "notices to both targets")
    # Two notices; a copy that was sent when the kill came is sent again under the same UUID.
    told = lambda **w: {t["saNoticeUuid"] for t in traps(site, "saAlertRaised", **w)}  # noqa: E731
    wait_for(lambda: len(told()) == 2, "two traps")
    assert len(told(saAlertLevel="warning")) == 2


def test_second_daemon_on_the_same_store_is_refused(make_site):
    site = make_site(definition("busy") + TRAPS)
    second = subprocess.run(site.daemon.argv(), capture_output=True, text=True, timeout=30)
    assert second.returncode not in (0, 78)
    assert "another snmpalertd" in second.stderr
    apps_run(site, 7)  # the first goes on, and is still served
    wait_trap(site, "saAlertRaised")
    assert alerts(site)["busy"] == ("critical", "active")
    assert len(notices(site, Kind="raise")) == 1


def test_store_that_others_can_read_is_told(make_site):
    site = make_site(definition("busy"), start=False)
    os.mkdir(site.path("store"), 0o750)
    site.daemon.start()
    assert re.search(r"level=warning .*object=store msg=\".*/store is open to others \(mode 750\): "
                     r"chmod 700 it", site.daemon.process.output())
    site.daemon.stop()
    os.chmod(site.path("store"), 0o700)
    site.daemon.start()
    assert "is open to others" not in site.daemon.process.output()


def test_hangup_is_survived(make_site):
    site = make_site(definition("busy") + TRAPS)
    site.daemon.process.send(signal.SIGHUP)
    site.daemon.process.expect("object=config .*in force")
    apps_run(site, 7)
    wait_trap(site, "saAlertRaised")


def test_master_agent_may_restart(make_site):
    site = make_site(definition("busy") + TRAPS)
    site.snmpd.stop()
    apps_run(site, 7)
    wait_trap(site, "saAlertRaised")  # nobody waits for snmpd
    site.snmpd.start()
    wait_for(lambda: alerts(site).get("busy") == ("critical", "active"), "the MIB to be back", 45)


# ---- configuration ----

GOOD = definition("busy") + TRAPS


@pytest.mark.parametrize("spoil, said", [
    (lambda x: x.replace("</handlers>", ""), r"snmpalertd\.xml:\d+: "),
    (lambda x: x.replace(' community="public" interval', ' comunity="public" interval'),
     r"snmpalertd\.xml:6: .*comunity.*community"),
    (lambda x: x.replace('port="', 'port="9', 1).replace('port="9', 'port="99999'),
     r"snmpalertd\.xml:6: .*99999"),
    (lambda x: x.replace("> 5", "> "), r"snmpalertd\.xml:\d+: .*SyntaxError"),
    (lambda x: x.replace('handler="traps"', 'handler="nobody"'), r"snmpalertd\.xml:\d+: .*nobody"),
    (lambda x: x.replace('handler="traps"', 'handler="traps" match="changed &amp;&amp;"'),
     r"snmpalertd\.xml:\d+: .*Match.*SyntaxError"),
], ids=["not-xml", "attribute", "range", "condition", "reference", "match"])
def test_bad_configuration_is_refused_with_place_and_reason(make_site, spoil, said):
    site = make_site(GOOD, start=False)
    with open(site.daemon.file) as f:
        good = f.read()
    r = check_config(site.daemon.file)
    assert r.returncode == 0, r.stderr
    site.daemon.configure(spoil(good))
    r = check_config(site.daemon.file)
    assert r.returncode == 78 and re.search(said, r.stderr), r.stderr
    started = site.daemon.launch()
    assert started.wait(20) == 78
    assert re.search(said, started.output()), started.output()
    assert not os.path.exists(site.path("store"))


def check_config(file):
    return subprocess.run([str(build_folder() / "snmpalertd"), "-c", str(file), "--check-config",
                           f"--user={os.geteuid()}",
                           f"--evaluator={build_folder()}/snmpalertd-evaluator"],
                          capture_output=True, text=True, timeout=30)


def test_one_thing_at_a_time():
    r = subprocess.run([build_folder() / "snmpalertd", "-c", "/nonexistent", "--check-config",
                        "--check-store"], capture_output=True, text=True, timeout=30)
    assert r.returncode == 64 and "only one of --check-config, --check-store" in r.stderr


def test_sample_configuration_is_good():
    r = check_config(SOURCE / "config/snmpalertd.xml.sample")
    assert r.returncode == 0, r.stderr


def test_readme_examples_are_good(tmp_path):
    examples = re.findall(r"^```xml\n(.*?)^```", (SOURCE / "README.md").read_text(), re.M | re.S)
    assert examples
    file = tmp_path / "example.xml"
    for example in examples:
        file.write_text(example)
        r = check_config(file)
        assert r.returncode == 0, r.stderr


# ---- conditions and what they may read ----

LEVELS = """var n = _topic['cluster.metrics'].numAppsRunning;
({level: n > 8 ? 'CRITICAL' : n > 5 ? 'WARNING' : 'OK', value: n, message: n + ' run'})"""


def test_object_tells_level_value_and_message(make_site):
    site = make_site(definition("apps", LEVELS) + TRAPS, apps=6)
    trap = wait_trap(site, "saAlertRaised", saAlertLevel="warning")
    assert (trap["saAlertValue"], trap["saAlertMessage"]) == ("6", "6 run")
    apps_run(site, 9)
    trap = wait_trap(site, "saAlertChanged", saAlertLevel="critical")
    assert (trap["saAlertPreviousLevel"], trap["saAlertValue"]) == ("warning", "9")
    apps_run(site, 7)
    wait_trap(site, "saAlertChanged", saAlertLevel="warning", saAlertPreviousLevel="critical")
    apps_run(site, 1)
    assert wait_trap(site, "saAlertCleared")["saAlertMessage"] == "1 run"


def test_metrics_can_be_graphed(make_site):
    site = make_site(definition("busy"), apps=7)
    m = site.manager
    metric = wait_for(lambda: next((i for i, path in m.column("saMetricPath").items()
                                    if path == "numAppsRunning"), None), "the metric")
    index = f'"{metric[0]}".{metric[1]}.{metric[2]}'
    assert m.get(f"saMetricGauge.{index}") == m.get(f"saMetricText.{index}") == "7"
    apps_run(site, 9)
    wait_for(lambda: m.get(f"saMetricInteger.{index}") == "9", "the metric's new value")


@pytest.mark.parametrize("readers, phase", [("alice", "active"), ("bob", "inactive")])
def test_condition_reads_only_what_its_owner_may(make_site, readers, phase):
    alices = definition("hers", BUSY, owner="alice", onError="keepLast")
    site = make_site(alices + definition("busy") + TRAPS, apps=7,
                     owners='<owner name="alice"/><owner name="bob"/>', http=f'readers="{readers}"')
    wait_alert(site, "busy", "critical", "active")
    m = site.manager
    wait_for(lambda: int(m.get('saDefinitionEvaluations."alice"."hers"')) > 0, "an evaluation")
    wait_for(lambda: [v for i, v in m.column("saAlertPhase").items() if i[0] == "alice"] == [phase],
             f"alice's alert to be {phase}")
    names = [v for i, v in m.column("saTopicName").items() if i[0] == "alice"]
    assert names == (["cluster.metrics"] if readers == "alice" else [])
    if phase == "active":  # what is global with admin is told of everybody's
        assert wait_trap(site, "saAlertRaised", saDefinitionName="hers")["saOwner"] == "alice"


# ---- by SET ----

def test_condition_that_does_not_compile_is_refused_in_words(make_site):
    site = make_site(definition("busy", override="yes"))
    m = site.manager
    cell = 'saDefinitionCondition."admin"."busy"'
    with pytest.raises(SetRefused) as refused:
        m.set((cell, "s", "true &&\n& false"))
    assert refused.value.error == "wrongValue"
    words = m.get('saOwnerLastError."admin"')
    assert re.search(r'saDefinitionCondition\."admin"\."busy": line 2: SyntaxError', words), words
    assert m.get(cell) == BUSY
    with pytest.raises(SetRefused) as refused:  # nor is anything else of that request done
        m.set(('saGroupStatus."admin"."g"', "i", "createAndGo"),
              ('saDefinitionStatus."admin"."new"', "i", "createAndGo"),
              ('saDefinitionCondition."admin"."new"', "s", "("))
    assert refused.value.error == "wrongValue"
    assert m.get('saGroupStatus."admin"."g"') is None
    assert m.get('saDefinitionStatus."admin"."new"') is None


def test_changed_condition_is_evaluated_at_once(make_site):
    site = make_site(definition("busy", override="yes") + TRAPS)
    wait_for(lambda: site.manager.get('saDefinitionLastValue."admin"."busy"') == "false",
             "an evaluation")
    site.manager.set(('saDefinitionCondition."admin"."busy"', "s", BUSY.replace("5", "2")))
    wait_trap(site, "saAlertRaised")


def test_default_group_leads_to_targets_that_are_linked_by_set(make_site):
    site = make_site(definition("busy", service="cluster") + TRAPS +
                     '<target name="t" handler="traps"/>')
    m = site.manager
    assert m.get('saGroupDefault."admin"."cluster"') == "true"
    assert m.get('saGroupDefinitionStatus."admin"."cluster"."busy"') == "active"
    m.set(('saGroupTargetStatus."admin"."cluster"."t"', "i", "createAndGo"))
    with pytest.raises(SetRefused) as refused:  # it is told anyway
        m.set(('saGroupTargetStatus."admin"."cluster"."manager"', "i", "createAndGo"))
    assert refused.value.error == "inconsistentValue"
    with pytest.raises(SetRefused):
        m.set(('saGroupStatus."admin"."cluster"', "i", "destroy"))
    apps_run(site, 7)
    wait_notice(site, Target="t", Kind="raise", State="delivered")
    wait_notice(site, Target="manager", Kind="raise", State="delivered")


def test_definition_with_recipients_of_its_own(make_site):
    site = make_site("", start=False)
    rows = definition("busy", recipients=f"127.0.0.1:{site.snmptrapd.port}", handler="traps")
    site.daemon.configure(configuration(rows)(site))
    site.daemon.start()
    m = site.manager
    assert m.get('saTargetStorage."admin"."@busy"') == "readOnly"
    apps_run(site, 7)
    wait_notice(site, Target="@busy", Kind="raise", State="delivered")
    wait_trap(site, "saAlertRaised", saDefinitionName="busy")
    for refused in (('saTargetEnabled."admin"."@busy"', "i", "false"),
                    ('saTargetStatus."admin"."@busy"', "i", "destroy"),
                    ('saDefinitionHandler."admin"."busy"', "s", "nobody")):
        with pytest.raises(SetRefused):
            m.set(refused)
    # A file that does not know the target is none of its business; what it was told it hears the
    # end of, though its definition goes.
    site.daemon.configure(configuration(TRAPS)(site))
    site.daemon.process.send(signal.SIGHUP)
    wait_notice(site, Target="@busy", Kind="clear", State="delivered")
    wait_trap(site, "saAlertCleared", saDefinitionName="busy")
    wait_for(lambda: list(m.column("saTargetHandler").values()) == ["traps"], "the target to go")


def test_long_script_is_set_in_segments(make_site):
    site = make_site(TRAPS, apps=7)
    padding = "/* " + "x" * 900 + " */ "
    site.manager.set(
        ('saScriptStatus."admin"."long"', "i", "createAndGo"),
        ('saScriptTextStatus."admin"."long".1', "i", "createAndGo"),
        ('saScriptTextText."admin"."long".1', "s", padding + "var n = _topic['cluster."),
        ('saScriptTextStatus."admin"."long".2', "i", "createAndGo"),
        ('saScriptTextText."admin"."long".2', "s", "metrics'].numAppsRunning; n > 5 " + padding),
        ('saDefinitionStatus."admin"."busy"', "i", "createAndGo"),
        ('saDefinitionScript."admin"."busy"', "s", "long"))
    wait_trap(site, "saAlertRaised", saDefinitionName="busy")
    assert int(site.manager.get('saScriptSize."admin"."long"').split()[0]) > 1024
    site.manager.set(('saScriptTextText."admin"."long".2', "s", "metrics'].numAppsRunning; n > 8"))
    wait_trap(site, "saAlertCleared", saDefinitionName="busy")


def test_owner_has_so_many_definitions_at_most(make_site):
    site = make_site("", owners='<owner name="alice" maxDefinitions="1"/>')
    m = site.manager

    def define(name):
        m.set((f'saDefinitionStatus."alice"."{name}"', "i", "createAndGo"),
              (f'saDefinitionCondition."alice"."{name}"', "s", "false"))
    define("one")
    with pytest.raises(SetRefused) as refused:
        define("two")
    assert refused.value.error == "resourceUnavailable"
    m.set(('saDefinitionStatus."alice"."one"', "i", "destroy"))
    define("two")


def test_disabling_closes_and_tells_and_enabling_tells(make_site):
    site = make_site(definition("busy", override="yes", description="Too many.") + TRAPS, apps=7)
    wait_alert(site, "busy", "critical", "active")
    cell = 'saDefinitionDisable."admin"."busy"'
    site.manager.set((cell, "i", "true"))
    trap = wait_trap(site, "saDefinitionDisabled")
    assert (trap["saDefinitionName"], trap["saDefinitionDescription"]) == ("busy", "Too many.")
    wait_alert(site, "busy", "ok", "inactive")
    assert list(site.manager.column("saHistoryReason").values()) == ["condition", "disabled"]
    assert not traps(site, "saAlertCleared")
    site.manager.set((cell, "i", "false"))
    wait_trap(site, "saDefinitionEnabled")
    wait_alert(site, "busy", "critical", "active")
    wait_for(lambda: len(traps(site, "saAlertRaised")) == 2, "a second raise")


def test_target_is_tested_by_set(make_site):
    site = make_site(TRAPS + MAILS)
    m = site.manager
    for target in ("manager", "operators"):
        m.set((f'saTargetTest."admin"."{target}"', "i", "run"))
        assert m.get(f'saTargetTest."admin"."{target}"') == "idle"
        wait_notice(site, Target=target, Kind="test", State="delivered")
    assert wait_trap(site, "saTest")["saHandlerName"] == "traps"
    assert "[TEST]" in site.mail.wait(1)[0].message["Subject"]
    assert len(notices(site)) == 2


# ---- conditions that misbehave ----

@pytest.mark.parametrize("hostile", [
    "for (;;);",
    "/(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')",
    "var a = []; for (;;) a.push(new Array(1000).join('x') + a.length)",
    "Array.prototype.indexOf.call({length: 2147483647}, 1)",
    "(function f() { return f() + f(); })()",
], ids=["loop", "regexp", "memory", "native", "recursion"])
def test_hostile_condition_is_its_own_problem(make_site, hostile):
    site = make_site(definition("bad", hostile) + definition("busy") + TRAPS, apps=7)
    wait_trap(site, "saAlertRaised", saDefinitionName="busy")
    m = site.manager
    wait_for(lambda: m.get('saDefinitionError."admin"."bad"'), "the hostile one's error")
    apps_run(site, 2)
    wait_trap(site, "saAlertCleared", saDefinitionName="busy")
    assert m.get('saDefinitionError."admin"."busy"') == ""
    assert int(m.get("saSystemFaults.0")) >= 1
    wait_alert(site, "bad", "unknown", "active")


# ---- delivery ----

def test_mails_in_doubt_are_counted(make_site):
    server = FaultySmtpd(end=DROP)
    site = make_site(definition("busy") + MAILS, mail_server=server)
    apps_run(site, 7)
    notice = wait_for(lambda: [n for n in notices(site) if n["LastError"]], "the first attempt")[0]
    assert notice["LastError"].endswith("; it may have arrived, and is sent again")
    in_doubt = 'saHandlerInDoubt."admin"."mail"'
    wait_for(lambda: site.manager.get(in_doubt) == "1", "it to be counted")
    server.faults = {}
    wait_notice(site, State="delivered")
    first, second = server.messages
    assert first == second
    assert site.manager.get(in_doubt) == "1"


def test_dead_mail_server_is_tried_again_and_delays_no_trap(make_site):
    server = FaultySmtpd(greeting=HANG)
    site = make_site(definition("busy") + TRAPS + MAILS, mail_server=server, mail='timeout="1s"',
                     apps=7)
    trapped = wait_trap(site, "saAlertRaised", 5)
    assert trapped["saAlertLevel"] == "critical"
    waiting = wait_for(lambda: [n for n in notices(site, Target="operators", State="pending")
                                if n["LastError"]], "the mail's first failure")[0]
    apps_run(site, 2)
    wait_trap(site, "saAlertCleared", 5)
    server.faults.clear()
    wait_notice(site, 30, Uuid=waiting["Uuid"], State="delivered")
    assert int(notices(site, Uuid=waiting["Uuid"])[0]["Attempts"]) >= 2
    assert waiting["Uuid"].encode() in server.messages[0]
    wait_notice(site, 30, Target="operators", Kind="clear", State="delivered")


def test_each_recipient_has_a_state(make_site):
    site = make_site(definition("busy") + '<target name="t" handler="mail" digestMillis="0" '
                     'recipients="good@example.net, bad@example.net" global="true"/>', apps=7)
    notice = wait_notice(site, Target="t", Kind="raise", State="delivered")
    m = site.manager
    address, state, reply = ({i: v for i, v in m.column("saNoticeRecipient" + c).items()
                              if i[1] == notice["id"]} for c in ("Address", "State", "Reply"))
    by_address = {address[i]: (state[i], reply[i][:3]) for i in address}
    assert by_address == {"good@example.net": ("delivered", "250"),
                          "bad@example.net": ("failed", "550")}
    assert site.mail.wait(1)[0].recipients == ["good@example.net"]


def test_digest_gathers_notices_into_one_mail(make_site):
    site = make_site("".join(definition(n) for n in "abc") +
                     '<target name="t" handler="mail" recipients="operators@example.net" '
                     'digestMillis="2s" global="true"/>', apps=7)
    wait_for(lambda: len(notices(site, State="delivered")) == 3, "three delivered notices")
    mails = site.mail.wait(1)
    assert len(mails) == 1
    assert re.search(r"3 notices", mails[0].message["Subject"])
    assert all(re.search(rf"admin/{n}\b", mails[0].text) for n in "abc")
    digests = {n["Digest"] for n in notices(site)}
    assert len(digests) == 1 and digests != {""}


def test_target_gets_the_levels_that_it_wants(make_site):
    site = make_site(
        definition("busy") +
        definition("few", "_topic['cluster.metrics'].numAppsRunning > 5", severity="warning") +
        '<target name="worst" handler="traps" states="critical" global="true"/>'
        '<target name="bad" handler="traps" minLevel="critical" global="true"/>', apps=7)
    wait_alert(site, "busy", "critical", "active")
    wait_alert(site, "few", "warning", "active")
    apps_run(site, 2)
    wait_alert(site, "busy", "ok", "inactive")
    wait_alert(site, "few", "ok", "inactive")
    wait_notice(site, Target="worst", State="delivered")
    wait_notice(site, Target="bad", Kind="clear", State="delivered")
    assert sorted((n["Target"], n["Definition"], n["Kind"]) for n in notices(site)) == [
        ("bad", "busy", "clear"), ("bad", "busy", "raise"), ("worst", "busy", "raise")]


def test_target_gets_what_its_match_says(make_site):
    """And what it was told of is told to be over, whatever the match says of that; a script that
    never ends takes nothing from its target, nor time from others."""
    site = make_site(
        definition("busy") +
        definition("few", "_topic['cluster.metrics'].numAppsRunning > 5", severity="warning") +
        '<target name="worst" handler="traps" global="true" match="changed &amp;&amp; level == '
        "'CRITICAL' &amp;&amp; definition == 'busy' &amp;&amp; group == '' &amp;&amp; "
        "previousLevel == 'OK' &amp;&amp; service == 'default' &amp;&amp; duration &lt; 60\"/>"
        '<target name="none" handler="traps" global="true"><match>false</match></target>'
        '<target name="loop" handler="traps" match="while (1);"/>'
        '<groupTarget group="default" target="loop"/>'
        "<target name=\"named\" handler=\"traps\" match=\"groups[0] == 'default' &amp;&amp; "
        "group == 'default' &amp;&amp; level == 'WARNING'\"/>"
        '<groupTarget group="default" target="named"/>', apps=7)
    wait_alert(site, "busy", "critical", "active")
    wait_alert(site, "few", "warning", "active")
    wait_notice(site, Target="loop", Definition="busy", State="delivered")
    wait_notice(site, Target="loop", Definition="few", State="delivered")
    apps_run(site, 2)
    wait_alert(site, "busy", "ok", "inactive")
    wait_alert(site, "few", "ok", "inactive")
    wait_for(lambda: len([n for n in notices(site, State="delivered") if n["Kind"] == "clear"]) == 4,
             "all ends to be delivered")
    told = sorted((n["Target"], n["Definition"], n["Kind"]) for n in notices(site))
    assert told == [(t, d, k) for t, d in (("loop", "busy"), ("loop", "few"), ("named", "few"),
                                           ("worst", "busy")) for k in ("clear", "raise")]
    m = site.manager
    assert "over 10 ms" in m.get('saTargetMatchError."admin"."loop"')
    assert [m.get(f'saTargetMatchError."admin"."{t}"') for t in ("worst", "none", "named")] == [""] * 3
    assert [m.get(f'saTargetPending."admin"."{t}"') for t in ("worst", "none")] == ["0", "0"]


def test_source_without_samples_makes_what_reads_it_unknown(make_site):
    site = make_site(definition("busy", staleMultiplier=2) + TRAPS, apps=7)
    wait_alert(site, "busy", "critical", "active")
    os.remove(os.path.join(site.documents, "cluster.json"))
    wait_alert(site, "busy", "unknown", "active")
    trap = wait_trap(site, "saAlertChanged")
    assert (trap["saAlertLevel"], trap["saAlertPreviousLevel"]) == ("unknown", "critical")
    assert (trap["saAlertMessage"], trap["saAlertValue"]) == ("no data", "")
    apps_run(site, 2)
    wait_alert(site, "busy", "ok", "inactive")
    assert wait_trap(site, "saAlertCleared")["saAlertPreviousLevel"] == "unknown"


def test_unreachable_source_is_failing_and_others_go_on(make_site):
    port = free_udp_port()
    site = make_site(definition("busy") + TRAPS, start=False)
    with open(site.daemon.file) as f:
        text = f.read()
    site.daemon.configure(text.replace("<http name", f'<snmp name="dead" host="127.0.0.1" '
                                       f'port="{port}" community="public" interval="500ms" '
                                       'timeout="200ms" retries="0">'
                                       '<get name="x" oid="1.3.6.1.2.1.1.3.0"/></snmp>\n<http name'))
    site.daemon.start()
    m = site.manager
    wait_for(lambda: m.get('saSourceStatus."admin"."dead"') == "failing", "a failing source")
    assert m.get('saSourceLastError."admin"."dead"')
    apps_run(site, 7)
    wait_trap(site, "saAlertRaised", 5)
