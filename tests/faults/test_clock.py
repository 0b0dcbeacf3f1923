"""The wall clock is set while alerts are held, retried and kept: nothing comes early, late or not at
all, nothing is forgotten, and the log says that it happened."""

import glob
import time

import pytest

from lib.mainjob import (BUSY, TRAPS, alerts, apps_run, definition, sites, traps, wait_alert,
                         wait_notice, wait_trap)
from lib.smtpd import Smtpd
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

HOLD = 3
TARGET = '<target name="operators" handler="mail" recipients="temp@example.net" global="true" ' \
         'digestMillis="0"/>'
LIBRARY = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")

pytestmark = pytest.mark.skipif(not LIBRARY, reason="libfaketime is not installed (package faketime)")


class Clock:
    """The wall clock of the processes with this environment."""

    def __init__(self, path):
        self.path = path
        self.set(0)
        self.env = {"LD_PRELOAD": LIBRARY[0], "FAKETIME_TIMESTAMP_FILE": path,
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def set(self, seconds):
        with open(self.path, "w") as f:
            f.write(f"{seconds:+d}\n")


def set_in_the_middle(site, clock, seconds):
    """The clock is set while "held" is pending; how long that was, by a clock that nobody sets."""
    wait_alert(site, "held", "ok", "pending")
    began, mark = time.monotonic(), site.daemon.process.mark()
    clock.set(seconds)
    word = "ahead" if seconds > 0 else "back"
    site.daemon.process.expect(rf"level=warning .*object=clock msg=\"the clock was set {word} by "
                               rf"({abs(seconds) - 1}|{abs(seconds)})\.", 5, mark)
    wait_trap(site, "saAlertRaised", 15, saDefinitionName="held")
    return time.monotonic() - began


@pytest.mark.parametrize("years, seconds", ((0, 3600), (0, -3600), (10, 0), (-10, 0)))
def test_clock_is_set(make_site, tmp_path, years, seconds):
    seconds += years * 365 * 86400
    clock = Clock(str(tmp_path / "clock"))
    mail = Smtpd()
    site = make_site(
        definition("busy") +
        definition("held", timeThresholdMillis=f"{HOLD}s") +
        definition("old", "_age['cluster.metrics'] > 30 || _age['localhost'] > 30") +
        definition("slow", "rate('localhost', 'sysUpTime') < 20") + TRAPS + TARGET,
        mail_server=mail, start=False)
    site.daemon.env = clock.env
    site.daemon.start()
    apps_run(site, 7)
    wait_notice(site, Target="operators", Definition="busy", State="pending", Attempts="1")
    held = set_in_the_middle(site, clock, seconds)
    assert HOLD - 1.5 < held < HOLD + 6
    mail.refuse.clear()
    wait_notice(site, 20, Target="operators", Definition="busy", State="delivered")
    wait_notice(site, 20, Target="operators", Definition="held", State="delivered")
    transitions = list(site.manager.column("saHistoryTo").values())
    assert transitions == ["critical"] * 2, transitions

    site.daemon.stop()  # and the next one knows no other time
    site.daemon.start()
    apps_run(site, 3)
    wait_trap(site, "saAlertCleared", 20, saDefinitionName="busy")
    wait_trap(site, "saAlertCleared", 20, saDefinitionName="held")
    assert set(alerts(site).values()) == {("ok", "inactive")}
    assert not traps(site, "saAlertRaised", saAlertLevel="unknown")
    # What is ten years old to a daemon that knows no other time may go.
    assert list(site.manager.column("saHistoryTo").values())[-2:] == ["ok", "ok"]


def test_clock_is_set_back_while_nobody_runs(make_site, tmp_path):
    """What was to be tried again in a future is tried now."""
    clock = Clock(str(tmp_path / "clock"))
    clock.set(10 * 365 * 86400)
    mail = Smtpd()
    site = make_site(definition("busy", BUSY) + TARGET, mail_server=mail, start=False)
    site.daemon.env = clock.env
    site.daemon.start()
    apps_run(site, 7)
    wait_notice(site, Target="operators", State="pending", Attempts="1")
    site.daemon.stop()
    clock.set(0)
    mail.refuse.clear()
    site.daemon.start()
    wait_notice(site, 20, Target="operators", State="delivered")
    apps_run(site, 3)
    wait_for(lambda: len(mail.mails) == 2, "the recovery's mail", 20)
