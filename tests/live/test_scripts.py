"""Conditions that are longer than a cell: a script of several segments, written and changed by plain
snmpset, one request after the other, in the whole daemon with its real compiler."""

import pytest

from lib.mainjob import TRAPS, alerts, apps_run, sites, wait_alert, wait_trap
from lib.snmp import SetRefused
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

SCRIPT = '"admin"."queues"'
# None of these compiles alone.
SEGMENTS = ["// how many are too many\nfunction limit(hour) {\n  if (hour < 6) {\n    return 50;\n",
            "  }\n  return 5;\n}\n" + "// " + "x" * 950 + "\nvar n = _topic['cluster.metrics'",
            "]\n  .numAppsRunning;\nn > limit(12);\n"]
ERROR = 'saOwnerLastError."admin"'


class Script:
    """What a manager does to the script, a request each time."""

    def __init__(self, site):
        self.manager = site.manager

    def set(self, *assignments):
        return self.manager.set(*assignments)

    def status(self, wanted):
        self.set((f"saScriptStatus.{SCRIPT}", "i", wanted))

    def segment(self, number, text, *status):
        index = f"{SCRIPT}.{number}"
        self.set((f"saScriptTextText.{index}", "s", text),
                 *((f"saScriptTextStatus.{index}", "i", s) for s in status))

    def refused(self, error, words, change, *args):
        with pytest.raises(SetRefused) as caught:
            change(*args)
        assert caught.value.error == error, caught.value
        said = self.manager.get(ERROR)
        assert all(w in said for w in words), said
        return said

    def error(self):
        return self.manager.get(f"saScriptError.{SCRIPT}")


def define(script):
    script.set(('saDefinitionScript."admin"."busy"', "s", "queues"),
               ('saDefinitionStaleMultiplier."admin"."busy"', "u", 100),
               ('saDefinitionStatus."admin"."busy"', "i", "createAndGo"))


def evaluations(script):
    return int(script.manager.get('saDefinitionEvaluations."admin"."busy"'))


@pytest.fixture
def site(make_site):
    return make_site(TRAPS, apps=7)


def test_a_script_written_in_six_requests(site):
    script = Script(site)
    script.status("createAndWait")
    for number, text in enumerate(SEGMENTS, 1):
        script.segment(number, text, "createAndGo")
        assert bool(script.error()) == (number < len(SEGMENTS)), (number, script.error())
    size = sum(len(text) for text in SEGMENTS)
    assert script.manager.get(f"saScriptSize.{SCRIPT}").split()[0] == str(size)
    define(script)  # it waits
    assert "busy" not in alerts(site)
    script.status("active")
    wait_alert(site, "busy", "critical", "active")
    wait_trap(site, "saAlertRaised")


def test_segments_in_the_worst_order_and_the_definition_first(site):
    script = Script(site)
    script.refused("inconsistentValue", ["saDefinitionScript", "queues"], define, script)
    script.status("createAndWait")
    define(script)
    for number in (3, 1, 2):
        script.segment(number, SEGMENTS[number - 1], "createAndGo")
    script.status("active")
    wait_alert(site, "busy", "critical", "active")


def test_a_script_that_does_not_compile_does_not_become_active(site):
    script = Script(site)
    script.status("createAndWait")
    script.segment(1, SEGMENTS[0], "createAndGo")
    script.segment(2, "  }\n  return 5 5;\n}\n", "createAndGo")
    assert "line 6" in script.error()
    said = script.refused("inconsistentValue",
                          [f"saScriptStatus.{SCRIPT}", "does not compile", "line 6"],
                          script.status, "active")
    assert said.endswith(script.error())
    script.segment(2, "  }\n  return 5;\n}\nlimit(1) < 9;")
    assert script.error() == ""
    script.status("active")


def made(site):
    script = Script(site)
    script.status("createAndWait")
    for number, text in enumerate(SEGMENTS, 1):
        script.segment(number, text, "createAndGo")
    script.status("active")
    define(script)
    wait_alert(site, "busy", "critical", "active")
    return script


def test_one_segment_of_an_active_script_changes(site):
    script = made(site)
    script.refused("wrongValue", [f"saScriptTextText.{SCRIPT}.3", "line 11"],
                   script.segment, 3, "]\n  .numAppsRunning;\nn > > limit(12);\n")
    assert script.manager.get(f"saScriptTextText.{SCRIPT}.3").strip().endswith("n > limit(12);")
    script.refused("inconsistentValue", [f"saScriptTextStatus.{SCRIPT}.2"],
                   script.set, (f"saScriptTextStatus.{SCRIPT}.2", "i", "destroy"))
    assert alerts(site)["busy"] == ("critical", "active")
    script.segment(3, "]\n  .numAppsRunning;\nn > limit(12) + 5;\n")
    wait_alert(site, "busy", "ok", "inactive")
    assert script.error() == ""


def test_out_of_service_the_alerts_stay_as_they_are(site):
    script = made(site)
    script.status("notInService")
    script.segment(1, "function limit() {\n  return 9;\n")
    script.segment(2, "}\nvar n = _topic['cluster.metrics'")
    count = evaluations(script)
    polls = int(script.manager.column("saSourceSamples").popitem()[1])
    apps_run(site, 2)
    wait_for(lambda: int(script.manager.column("saSourceSamples").popitem()[1]) > polls + 5,
             "five polls")
    assert evaluations(script) == count
    assert alerts(site)["busy"] == ("critical", "active")
    script.status("active")
    wait_alert(site, "busy", "ok", "inactive")
    apps_run(site, 10)
    wait_alert(site, "busy", "critical", "active")
