"""Trials of conditions by SNMP (saTrialTable), over topics that are polled."""

import statistics
import threading
import time

import pytest

from lib.mainjob import BUSY, apps_run, configuration, definition, sites, wait_alert
from lib.snmp import SetRefused
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

RESULT = ("State", "Outcome", "Level", "Value", "Message", "Error", "ErrorLine", "Topics", "Missed",
          "Cost")
# One that its budget stops, and one that does all its work within a single step.
HOSTILE = ("while (1);", "/^(a+)+$/.test(new Array(40).join('a') + 'b')")
FLIPS = 5


def row(name):
    return f'."admin"."{name}"'


def result(site, name):
    """None while it runs."""
    if site.manager.get("saTrialState" + row(name)) == "running":
        return None
    return {c: site.manager.get(f"saTrial{c}{row(name)}") for c in RESULT}


def run_again(site, name, *more):
    site.manager.set(*more, ("saTrialRun" + row(name), "=",
                             site.manager.get("saTrialRun" + row(name))))
    return wait_for(lambda: result(site, name), f"the end of trial {name}", 40)


def attempt(site, name, **columns):
    site.manager.set(("saTrialStatus" + row(name), "=", "createAndGo"),
                     *((f"saTrial{c}{row(name)}", "=", v) for c, v in columns.items()),
                     ("saTrialRun" + row(name), "=", "0"))
    return wait_for(lambda: result(site, name), f"the end of trial {name}", 40)


def polled(site):
    wait_for(lambda: "cluster.metrics" in site.manager.column("saTopicName").values(), "the topic")


def test_a_trial_tells_what_it_found_and_read(make_site):
    site = make_site(definition("busy", severity="warning"), apps=7)
    wait_alert(site, "busy", "warning", "active")
    seen = attempt(site, "object", Condition="var n = _topic['cluster.metrics'].numAppsRunning; "
                   "({level: n > 6 ? 'INFO' : 'OK', value: n, message: n + ' run'})")
    assert int(seen.pop("Cost")) > 0
    assert seen == {"State": "done", "Outcome": "level", "Level": "info", "Value": "7",
                    "Message": "7 run", "Error": "", "ErrorLine": "0",
                    "Topics": "cluster.metrics", "Missed": "false"}
    seen = attempt(site, "settings", Definition="busy")
    assert (seen["Outcome"], seen["Level"], seen["Value"]) == ("true", "warning", "true")
    seen = run_again(site, "settings", ("saTrialCondition" + row("settings"), "=", "1 > 2"))
    assert (seen["Outcome"], seen["Level"], seen["Topics"]) == ("false", "ok", "")
    seen = attempt(site, "absent", Condition="_topic['nowhere'].x > 1")
    assert (seen["Outcome"], seen["Level"], seen["Missed"]) == ("noData", "ok", "true")
    seen = attempt(site, "wrong", Condition="var a;\na.b")
    assert (seen["State"], seen["Outcome"], seen["Level"]) == ("done", "error", "unknown")
    assert seen["Error"].startswith("line 2: TypeError") and seen["ErrorLine"] == "2"
    assert site.manager.column("saAlertDefinition").values() and \
        set(site.manager.column("saAlertDefinition").values()) == {"busy"}
    assert len(site.manager.column("saHistoryTo")) == 1  # nothing but the alert's own


def test_a_script_is_tried_and_what_does_not_compile_refused(make_site):
    site = make_site("<script name='s'/><scriptText script='s' segment='1' "
                     """text="_topic['cluster.metrics'].numAppsRunning &gt; 2"/>""")
    polled(site)
    seen = attempt(site, "script", Script="s")
    assert (seen["Outcome"], seen["Level"]) == ("true", "critical")
    with pytest.raises(SetRefused) as refused:
        attempt(site, "bad", Condition="1 +")
    assert refused.value.error == "wrongValue"
    words = site.manager.get('saOwnerLastError."admin"')
    assert 'saTrialCondition."admin"."bad"' in words and "line 1" in words
    with pytest.raises(SetRefused) as refused:
        attempt(site, "both", Condition="1", Script="s")
    assert refused.value.error == "inconsistentValue"
    site.manager.set(("saTrialStatus" + row("script"), "=", "destroy"))
    assert not site.manager.column("saTrialState")


def test_the_result_survives_a_restart(make_site):
    site = make_site("")
    polled(site)
    seen = attempt(site, "kept", Condition=BUSY)
    site.daemon.stop()
    site.daemon.start()
    wait_for(lambda: site.manager.column("saTrialState"), "the table")
    assert result(site, "kept") == seen and seen["Outcome"] == "false"


def test_what_is_read_is_cut_behind_a_whole_name(make_site):
    """50 topics of 32 octets each: there is no room for so many lines."""
    names = [f"t{n}".ljust(32, "x") for n in range(50)]
    site = make_site("", start=False)
    url = site.web.url("cluster.json")
    site.daemon.configure(configuration("")(site).replace("</sources>", "".join(
        f'<http name="{n}" url="{url}" interval="5s"/>' for n in names) + "</sources>"))
    site.daemon.start()
    wait_for(lambda: set(names) <= set(site.manager.column("saTopicName").values()), "the topics")
    seen = attempt(site, "all", Condition="glob('t*').map(function (n) "
                   "{ return JSON.stringify(_topic[n]); }).length")
    lines = seen["Topics"].split("\n")
    assert lines[-1] == "..." and len(set(lines)) == len(lines)
    assert set(lines[:-1]) <= set(names) and len(seen["Topics"]) > 1024 - 33 - 4


# ---- harm ----

def latencies(site):
    """Seconds from what a server says to the alert, FLIPS times each way."""
    taken = []
    for _ in range(FLIPS):
        for apps, state in ((7, ("critical", "active")), (3, ("ok", "inactive"))):
            began = time.monotonic()
            apps_run(site, apps)
            wait_alert(site, "busy", *state)
            taken.append(time.monotonic() - began)
    return taken


@pytest.mark.parametrize("condition", HOSTILE)
def test_a_trial_that_means_harm_delays_no_definition(make_site, condition):
    site = make_site(definition("busy"))
    wait_alert(site, "busy", "ok", "inactive")
    seen = attempt(site, "harm", Condition=condition)
    assert (seen["State"], seen["Outcome"], seen["Level"]) == ("done", "error", "unknown")
    assert seen["Error"]
    alone, over = latencies(site), threading.Event()
    trials = []

    def go_on():
        while not over.is_set():
            trials.append(run_again(site, "harm"))
    harm = threading.Thread(target=go_on)
    harm.start()
    try:
        beside = latencies(site)
        while len(trials) < 10:
            beside += latencies(site)
    finally:
        over.set()
        harm.join()
    assert all(t["Outcome"] == "error" for t in trials)
    print(f"median {statistics.median(alone):.3f} s alone, {statistics.median(beside):.3f} s "
          f"beside {len(trials)} trials")
    # Asking for trials and their results is work for the same machine.
    assert statistics.median(beside) < 2 * statistics.median(alone) + 0.3
