#!/usr/bin/python3
"""The main job of snmpalertd, shown on loopback in a private folder: a polled value becomes an
alert that can be walked, a trap and a mail. Started by "./autogen.sh demo"; with --once it ends by
itself, and fails if anything was not seen."""

import argparse
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

from lib.site import Site, adopt_orphans, build_folder, children  # noqa: E402
from lib.wait import wait_for  # noqa: E402

HOLD_SECONDS = 4

CONFIGURATION = """\
<snmpalertd xmlns="urn:snmpalertd:config">
  <store path="{folder}/store" mapSize="1GiB"/>
  <agentx socket="{agentx}"/>
  <sources>
    <snmp name="localhost" host="127.0.0.1" port="{snmpd}" community="public" interval="1s">
      <get name="sysUpTime" oid="1.3.6.1.2.1.1.3.0"/>
      <get name="sysName" oid="1.3.6.1.2.1.1.5.0"/>
      <table name="if" oid="1.3.6.1.2.1.2.2" columns="ifDescr=2 ifOperStatus=8 ifInOctets=10"/>
    </snmp>
    <http name="cluster.metrics" url="{document}" interval="500ms"/>
  </sources>
  <handlers>
    <smtp name="mail" host="127.0.0.1" port="{smtp}" encryption="none"
          fromAddress="alerts@example.net" fromName="SNMP alerts"/>
    <snmp name="traps" host="127.0.0.1" port="{trapd}" community="public"/>
  </handlers>
  <rows>
    <definition name="busy" service="cluster" timeThresholdMillis="{hold}s"
                condition="_topic['cluster.metrics'].numAppsRunning > 5"
                description="More applications than the cluster was made for."/>
    <group name="on-duty"/>
    <groupDefinition group="on-duty" definition="busy"/>
    <target name="operators" handler="mail" recipients="operators@example.net" digestMillis="0"/>
    <target name="manager" handler="traps"/>
    <groupTarget group="on-duty" target="operators"/>
    <groupTarget group="on-duty" target="manager"/>
  </rows>
</snmpalertd>
"""

# One variable of a trap on each line.
TRAP_FORMAT = ("-OQ", "-F", "%.2h:%.2j:%.2k  trap from %b\n  %V\n  %v\n\n")


class Unseen(Exception):
    """A step's event was not seen."""


# ---- the screen ----

_COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if _COLOURS else text


def say(text=""):
    print(text, flush=True)


def tell(text):
    say(textwrap.fill(" ".join(text.split()), 96))


def headline(text):
    say()
    say(paint("1;36", f"── {text} " + "─" * max(0, 93 - len(text))))


def seen(text):
    say(paint("32", "✓ ") + text)


# ---- what runs ----

class Demo:
    def __init__(self):
        self.site = Site(self._configure, prefix="snmpalert-demo-", trap_options=TRAP_FORMAT)
        self.folder = self.site.folder
        self.mails = 0
        self._keeper = threading.Thread(target=self._keep_mails, daemon=True)
        self._keeper.start()
        self._write_environment()

    def _configure(self, site):
        os.mkdir(site.path("mail"))
        site.publish("cluster.json", {"numAppsRunning": 3})
        return CONFIGURATION.format(
            folder=site.folder, agentx=site.snmpd.agentx, snmpd=site.snmpd.port,
            document=site.web.url("cluster.json"), smtp=site.mail.port, trapd=site.snmptrapd.port,
            hold=HOLD_SECONDS)

    def _keep_mails(self):
        """Each mail becomes a file as it arrives."""
        mail = self.site.mail
        while True:
            with mail.arrived:
                mail.arrived.wait_for(lambda: len(mail.mails) > self.mails)
                for m in mail.mails[self.mails:]:
                    self.mails += 1
                    with open(f"{self.folder}/mail/{self.mails}.eml", "wb") as f:
                        f.write(m.raw.replace(b"\r\n", b"\n"))

    def _write_environment(self):
        """For the commands below, and for the user's own."""
        values = {**self.site.manager.env, "DEMO": self.folder, "AGENT": self.site.snmpd.address()}
        with open(f"{self.folder}/env", "w") as f:
            f.writelines(f"export {k}={shlex.quote(v)}\n" for k, v in values.items())

    # ---- commands ----

    def type(self, command, shown=True):
        """Run COMMAND as somebody would who types it; its output, which is shown."""
        if shown:
            say(paint("1", "$ " + command))
        r = subprocess.run(["sh", "-c", f". '{self.folder}/env'\n{command}"], capture_output=True,
                           text=True, timeout=30, env={**os.environ, "LC_ALL": "C.UTF-8"})
        out = r.stdout + r.stderr
        if shown:
            if out.strip():
                say(textwrap.indent(out.rstrip("\n"), "    ") + "\n")
        return out

    def show(self, command, *patterns):
        """Run COMMAND; every one of PATTERNS must be in its output."""
        out = self.type(command)
        for p in patterns:
            if not re.search(p, out, re.M):
                raise Unseen(f"the output of the last command has no /{p}/")
        return out

    def await_(self, command, pattern, what, timeout=15):
        """Run COMMAND again and again until its output matches PATTERN, then show it once."""
        try:
            wait_for(lambda: re.search(pattern, self.type(command, shown=False), re.M), what,
                     timeout)
        except AssertionError:
            self.type(command)
            raise Unseen(f"{timeout} s passed without {what}")
        return self.show(command, pattern)

    def last_trap(self, kind, what):
        """The last trap in snmptrapd's log, once it is of KIND."""
        command = "awk -v RS= 'END { print }' $DEMO/traps.log"
        return self.await_(command, rf"snmpTrapOID\.0 = SNMPALERT-MIB::{kind}$", what)

    def walk(self, name, *patterns):
        return self.show(f"snmpbulkwalk -v2c -c public $AGENT {name}", *patterns)

    def table(self, name, *patterns):
        return self.show(f"snmptable -v2c -c public -OU -Ci -Cb -Cw 110 $AGENT {name}", *patterns)

    # ---- the steps ----

    def start(self):
        """The daemon starts, polls, and can be walked"""
        tell("""snmpd, snmptrapd, a mail server and a web server run on free ports of loopback. The
             web server has a document, cluster.json. This is the daemon's configuration:""")
        say()
        self.show("cat $DEMO/snmpalertd.xml", "numAppsRunning > 5")
        self.show("cat $DEMO/documents/cluster.json", r'"numAppsRunning": 3')
        self.site.daemon.start()
        seen("snmpalertd has connected to snmpd. It serves SNMPALERT-MIB; its own processes:")
        self.table("saProcessTable", "core +[0-9]+ +running", "dispatcher +[0-9]+ +running")
        tell("Both sources answer, and what they say is there as topics that conditions can read:")
        self.await_("snmpbulkwalk -v2c -c public $AGENT saSourceStatus",
                    r'(?s)"localhost" = INTEGER: up.*"cluster.metrics" = INTEGER: up',
                    "both sources to be up")
        self.walk("saTopicHead", r'STRING: \{"numAppsRunning": 3\}', '"ifDescr":"lo"')

    def pending(self):
        """The document changes: the alert is pending"""
        self.show("""echo '{"numAppsRunning": 7}' >$DEMO/documents/cluster.json""")
        self.await_("snmpbulkwalk -v2c -c public $AGENT saAlertPhase",
                    r"INTEGER: pending\(2\)", "a pending alert")
        seen(f"_topic['cluster.metrics'].numAppsRunning > 5 is true. It must hold for "
             f"{HOLD_SECONDS} s: nobody is told yet.")

    def active(self):
        """It has held: the alert is active"""
        self.await_("snmpbulkwalk -v2c -c public $AGENT saAlertPhase",
                    r"INTEGER: active\(3\)", "an active alert")
        self.table("saAlertTable", r"""^ *"admin"\.1 +busy +critical +ok +active""")

    def trap(self):
        """The trap, as snmptrapd prints it"""
        self.last_trap("saAlertRaised", "a trap that says raised")
        seen("State, history and notices were one transaction; the trap carries its notice's UUID.")

    def mail(self):
        """The mail, as it arrived"""
        self.await_("cat $DEMO/mail/1.eml", r"^Subject: \[CRITICAL\] admin/busy", "a mail")

    def recovery(self):
        """The document changes back: recovery by trap and mail"""
        self.show("""echo '{"numAppsRunning": 2}' >$DEMO/documents/cluster.json""")
        self.await_("snmpbulkwalk -v2c -c public $AGENT saAlertPhase",
                    r"INTEGER: inactive\(1\)", "an inactive alert")
        self.last_trap("saAlertCleared", "a trap that says cleared")
        self.await_("cat $DEMO/mail/2.eml", r"^Subject: \[OK\] admin/busy", "a second mail")

    def records(self):
        """What is kept: history and notices"""
        self.table("saHistoryTable", r"\bbusy\b.* ok +critical\b", r"\bbusy\b.* critical +ok\b")
        self.await_("snmpbulkwalk -v2c -c public $AGENT saNoticeState",
                    r"(?s)(INTEGER: delivered.*){4}", "four delivered notices")
        self.table("saNoticeTable | head -7", r" operators .* raise +delivered",
                   r" manager .* raise +delivered", r" operators .* clear +delivered",
                   r" manager .* clear +delivered")
        self.table("saNoticeRecipientTable", r"operators@example.net +delivered +250 ")

    def define(self):
        """One snmpset makes a definition, a group, memberships and a target"""
        tell("""No file is edited, nothing is restarted. All of it is one transaction, in any order:
             the agent that is polled has been up for less than an hour, which is worth a
             warning.""")
        say()
        self.show(textwrap.dedent("""\
            snmpset -v2c -c public $AGENT \\
                'saDefinitionStatus."admin"."restarted"' i createAndGo \\
                'saDefinitionCondition."admin"."restarted"' s "_topic['localhost'].sysUpTime < 360000" \\
                'saDefinitionSeverity."admin"."restarted"' i warning \\
                'saGroupStatus."admin"."network"' i createAndGo \\
                'saGroupDefinitionStatus."admin"."network"."restarted"' i createAndGo \\
                'saGroupTargetStatus."admin"."network"."console"' i createAndGo \\
                'saTargetStatus."admin"."console"' i createAndGo \\
                'saTargetHandler."admin"."console"' s traps"""),
                  r'saTargetHandler."admin"."console" = STRING: traps')
        trap = self.last_trap("saAlertRaised", "a trap of the new definition")
        if 'saDefinitionName."admin"."restarted" = restarted' not in trap or \
                not re.search(r"saAlertLevel\S+ = warning", trap):
            raise Unseen("the trap is not one of the new definition")
        self.walk("saGroupTargetStatus", r'"network"."console" = INTEGER: active')

    def refuse(self):
        """What makes no sense is refused, in words"""
        self.show("snmpset -v2c -c public $AGENT "
                  "'saDefinitionCondition.\"admin\".\"restarted\"' s \"_topic['localhost'\"",
                  r"^Reason: wrongValue")
        self.show("snmpget -v2c -c public $AGENT 'saOwnerLastError.\"admin\"'", r"STRING: \S+")

    STEPS = (start, pending, active, trap, mail, recovery, records, define, refuse)

    def play_on(self):
        headline("Play on")
        ports = f"mail server: port {self.site.mail.port}, snmptrapd: port {self.site.snmptrapd.port}"
        tell(f"""Everything keeps running ({ports}) until Ctrl-C, which takes all of it away. In
             another terminal:""")
        say(textwrap.indent(textwrap.dedent(f"""
            . {self.folder}/env       # the MIB's names, $AGENT, $DEMO
            echo '{{"numAppsRunning": 9}}' >$DEMO/documents/cluster.json
            snmpbulkwalk -v2c -c public $AGENT saAlertTable
            snmptable -v2c -c public -OU -Ci -Cb -Cw 110 $AGENT saNoticeTable
            snmpset -v2c -c public $AGENT 'saTargetTest."admin"."operators"' i run
            snmpset -v2c -c public $AGENT 'saDefinitionDisable."admin"."restarted"' i true
            tail -f $DEMO/traps.log
            ls $DEMO/mail"""), "    "))
        say()
        tell(f"""README.md goes on from here. Every object is explained by
             {build_folder()}/mibs/SNMPALERT-MIB.html, and by man -l
             {build_folder()}/man/SNMPALERT-MIB.5.""")

    def run(self):
        """The titles of the steps that were not seen, and why the first of them was not."""
        for n, step in enumerate(self.STEPS, 1):
            headline(f"{n}. {step.__doc__}")
            try:
                step(self)
            except (Unseen, AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as e:
                return [s.__doc__ for s in self.STEPS[n - 1:]], str(e)
        return [], ""

    def outputs(self):
        for part in (self.site.daemon, self.site.snmpd, self.site.snmptrapd):
            if part and part.process:
                say(paint("1", f"\noutput of {part.process.name}:"))
                say(part.process.output())

    def close(self):
        self.site.close()


def stop_at_signals():
    def stop(number, frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, stop)


def finish(demo, once, missing, why):
    if missing:
        say()
        say(paint("1;31", "NOT SEEN: ") + missing[0])
        say("  because: " + why)
        for later in missing[1:]:
            say("  and so not tried: " + later)
        demo.outputs()
        return 1
    if once:
        headline("The end")
        seen(f"All {len(demo.STEPS)} steps were seen.")
        return 0
    demo.play_on()
    threading.Event().wait()


def main():
    parser = argparse.ArgumentParser(prog="./autogen.sh demo", description=__doc__)
    parser.add_argument("--once", action="store_true",
                        help="stop everything at the end; exit 0 only if each step was seen")
    once = parser.parse_args().once
    sys.stdout.reconfigure(encoding="utf-8")
    stop_at_signals()
    adopt_orphans()
    demo, status = None, 1
    try:
        demo = Demo()
        status = finish(demo, once, *demo.run())
    except KeyboardInterrupt:
        say("\nStopping.")
        status = 1 if once else 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if demo:
            demo.close()
    left = children()
    if left:
        say(f"these processes did not end: {left}")
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
