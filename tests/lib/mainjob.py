"""The main job as tests see it: a site whose cluster runs applications, definitions over their
number, and the alerts, notices and traps that come of it."""

import re

from .site import Site, none_left
from .wait import wait_for

STAGES = ("core", "agent", "poller", "dispatcher", "evaluator", "compiler")
BUSY = "_topic['cluster.metrics'].numAppsRunning > 5"


def configuration(rows, handlers="", mail="", traps="", owners="", http="",
                  agentx=""):
    """What configures a site: ROWS, OWNERS, more HANDLERS, more attributes of the handlers mail and
    traps, of the source and of <agentx>."""
    return lambda s: f"""<snmpalertd xmlns="urn:snmpalertd:config">
  <store path="{s.path("store")}" mapSize="256MiB"/>
  <agentx socket="{s.snmpd.agentx}" {agentx}/>
  <owners>{owners}</owners>
  <sources>
    <snmp name="localhost" host="127.0.0.1" port="{s.snmpd.port}" community="public" interval="1s">
      <get name="sysUpTime" oid="1.3.6.1.2.1.1.3.0"/>
    </snmp>
    <http name="cluster.metrics" url="{s.web.url('cluster.json')}" interval="100ms"
          {http}/>
  </sources>
  <handlers>
    <smtp name="mail" host="127.0.0.1" port="{s.mail.port}" encryption="none"
          fromAddress="alerts@example.net" {mail}/>
    <snmp name="traps" host="127.0.0.1" port="{s.snmptrapd.port}" community="public" {traps}/>
    {handlers}
  </handlers>
  <rows>{rows}</rows>
</snmpalertd>
"""


def definition(name, condition=BUSY, **attributes):
    """Patient by itself: a poll of each tenth of a second comes late where other tests run."""
    attributes.setdefault("staleMultiplier", 100)
    more = " ".join(f'{k}="{v}"' for k, v in attributes.items())
    return f'<definition name="{name}" {more}><condition><![CDATA[{condition}]]></condition></definition>'


TRAPS = '<target name="manager" handler="traps" global="true"/>'
MAILS = '<target name="operators" handler="mail" recipients="operators@example.net" ' \
        'global="true" digestMillis="0"/>'


def sites():
    """The body of a fixture, make_site(ROWS, ...): a site (SNMPD, MASTER, TRAP_PORT: as Site says)
    whose daemon runs and whose cluster runs APPS applications; ended with the test, and no process
    is left."""
    made = []

    def make(rows, apps=3, mail_server=None, start=True, snmpd="", master="", trap_port=None,
             **options):
        site = Site(configuration(rows, **options), mail=mail_server, snmpd=snmpd, master=master,
                    trap_port=trap_port)
        made.append(site)
        apps_run(site, apps)
        if start:
            site.daemon.start()
        return site

    with none_left():
        yield make
        for site in made:
            site.close()


# ---- what the tests do and look for ----

def apps_run(site, n):
    site.publish("cluster.json", {"numAppsRunning": n})


def alerts(site):
    """{definition: (level, phase)}"""
    m = site.manager
    names, levels, phases = (m.column(c) for c in ("saAlertDefinition", "saAlertLevel",
                                                   "saAlertPhase"))
    return {names[i]: (levels.get(i), phases.get(i)) for i in names}


def wait_alert(site, name, level, phase, timeout=15):
    wait_for(lambda: alerts(site).get(name) == (level, phase), f"{name} to be {level}, {phase}",
             timeout)


def notices(site, **wanted):
    """The notices whose columns are as WANTED, each as {column: value}; columns without saNotice.
    One that comes while the columns are walked is not among them."""
    columns = ("Uuid", "Target", "Kind", "State", "Attempts", "Confirmation", "LastError", "Digest",
               "Definition", "Level", "TargetSequence")
    rows = {index: {"id": index[-1]} for index in site.manager.column("saNoticeUuid")}
    for c in columns:
        for index, value in site.manager.column("saNotice" + c).items():
            if index in rows:
                rows[index][c] = value
    return [r for r in rows.values() if all(r.get(k) == v for k, v in wanted.items())]


def wait_notice(site, timeout=15, **wanted):
    return wait_for(lambda: notices(site, **wanted), f"a notice with {wanted}", timeout)[0]


def traps(site, kind, **values):
    """Traps of KIND, as {object without its index: value}, with VALUES among them."""
    found = []
    for line in site.traps().splitlines():
        if f"SNMPALERT-MIB::{kind}" in line:
            trap = {m[1]: m[2] for m in re.finditer(r"MIB::(\w+)\S* = ([^\t]*)", line)}
            if all(trap.get(k) == v for k, v in values.items()):
                found.append(trap)
    return found


def wait_trap(site, kind, timeout=10, **values):
    return wait_for(lambda: traps(site, kind, **values), f"the trap {kind} with {values}", timeout)[0]


def raised(site):
    """How often "busy" was told to the manager."""
    return len(traps(site, "saAlertRaised", saDefinitionName="busy"))


def flips(site, timeout=40):
    """"busy" ends and is raised again, and its trap arrives."""
    before = raised(site)
    apps_run(site, 3)
    wait_alert(site, "busy", "ok", "inactive", timeout)
    apps_run(site, 7)
    wait_for(lambda: raised(site) > before, "the next trap", timeout)
