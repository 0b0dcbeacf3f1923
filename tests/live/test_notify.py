"""Notifications through the master agent (target kind agentx): real snmpd, real receivers, and
masters that are stopped, that end, and that answer what no snmpd does."""

import pytest

from lib.mainjob import (apps_run, configuration, definition, notices, traps, wait_trap)
from lib.net import free_udp_port
from lib.site import Site
from lib.wait import wait_for

MASTER = '<agentx name="master"/>'
TOLD = '<target name="told" handler="master" global="true"/>'


def sinks(port, *, informs=None):
    """Lines of snmpd.conf for receivers at PORT and, by inform, at INFORMS."""
    lines = f"trap2sink 127.0.0.1:{port} public\n"
    if informs:
        lines += f"trapsess -v 2c -c public -Ci -t 1 -r 5 127.0.0.1:{informs}\n"
    return lines


@pytest.fixture
def make_site():
    made = []

    def make(rows, apps=3, snmpd=None, start=True, handlers=MASTER):
        port = free_udp_port()
        site = Site(configuration(rows, handlers=handlers), trap_port=port,
                    snmpd=snmpd(port) if snmpd else sinks(port))
        made.append(site)
        apps_run(site, apps)
        if start:
            site.daemon.start()
        return site

    yield make
    for site in made:
        site.close()


def test_the_masters_receivers_get_what_is_told(make_site):
    site = make_site(definition("busy") + TOLD, apps=7)
    trap = wait_trap(site, "saAlertRaised")
    assert (trap["saOwner"], trap["saDefinitionName"], trap["saAlertLevel"]) == \
        ("admin", "busy", "critical")
    apps_run(site, 2)
    wait_trap(site, "saAlertCleared")
    wait_for(lambda: len(notices(site, Target="told", State="delivered")) == 2, "both delivered")
    for n in notices(site, Target="told"):
        assert (n["Confirmation"], n["Attempts"], n["LastError"]) == ("handedOff", "1", "")
    assert [len(traps(site, k)) for k in ("saAlertRaised", "saAlertCleared")] == [1, 1]
