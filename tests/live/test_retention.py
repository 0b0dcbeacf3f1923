"""What is kept of history and notices, and for how long, while the daemon runs."""

import pytest

from lib.mainjob import (BUSY, MAILS, TRAPS, apps_run, definition, notices, sites, traps,
                         wait_notice, wait_trap)
from lib.snmp import SetRefused
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

NAMES = "abcdef"
ROWS = "".join(definition(n) for n in NAMES) + TRAPS


def scalar(site, name):
    return site.manager.get(f"saSystem{name}.0")


def keep(site, **limits):
    site.manager.set(*((f"saSystem{k}.0", "u", v) for k, v in limits.items()))


def told(site, kind, n):
    """All N have been, and nothing is under way."""
    wait_for(lambda: len(traps(site, kind)) == n, f"{n} traps {kind}")
    wait_for(lambda: not [n for n in notices(site) if n["State"] in ("pending", "dispatched")],
             "nothing to be pending")


def raise_and_clear(site, times):
    n = len(NAMES)
    for i in range(1, times + 1):
        apps_run(site, 7)
        told(site, "saAlertRaised", i * n)
        apps_run(site, 2)
        told(site, "saAlertCleared", i * n)


def test_the_oldest_go_when_there_are_too_many(make_site):
    site = make_site(ROWS)
    m = site.manager
    assert (scalar(site, "HistoryMaxAge"), scalar(site, "HistoryMaxRows"),
            scalar(site, "NoticeMaxAge"), scalar(site, "NoticeMaxRows")) == (
                "7776000", "100000") * 2
    raise_and_clear(site, 1)
    history = list(m.column("saHistoryDefinition"))
    assert len(history) == len(notices(site)) == 12
    last = m.column("saAlertHistory")
    keep(site, HistoryMaxRows=4, NoticeMaxRows=3)
    wait_for(lambda: list(m.column("saHistoryDefinition")) == history[-4:], "four rows of history")
    wait_for(lambda: len(notices(site)) == 3, "three notices")
    assert [n["Kind"] for n in notices(site)] == ["clear"] * 3
    assert (scalar(site, "HistoryPurged"), scalar(site, "NoticesPurged")) == ("8", "9")
    assert m.column("saAlertHistory") == last  # also of those whose history has gone
    assert not [i for i in m.column("saNoticeRecipientAddress") if i[1] not in
                {n["id"] for n in notices(site)}]
    # Still so after a restart, and for what comes then.
    site.daemon.stop()
    site.daemon.start()
    apps_run(site, 7)
    told(site, "saAlertRaised", 12)
    wait_for(lambda: scalar(site, "HistoryPurged") == "14", "six more to be purged")
    wait_for(lambda: scalar(site, "NoticesPurged") == "15", "six more notices to be purged")
    assert list(m.column("saHistoryTo").values()) == ["critical"] * 4


def test_what_is_old_goes_but_not_what_is_still_to_be_told(make_site):
    site = make_site(definition("a") + MAILS.replace('digestMillis="0"', 'digestMillis="600000"')
                     + TRAPS, apps=7)
    wait_trap(site, "saAlertRaised")
    wait_notice(site, Target="manager", State="delivered")
    keep(site, HistoryMaxAge=1, NoticeMaxAge=1, NoticeMaxRows=1)
    wait_for(lambda: not site.manager.column("saHistoryTo"), "history to be gone")
    wait_for(lambda: not notices(site, State="delivered"), "what was delivered to be gone")
    assert [n["Target"] for n in notices(site, State="pending")] == ["operators"]
    assert (scalar(site, "HistoryPurged"), scalar(site, "NoticesPurged")) == ("1", "1")
    # It is told of the end although nobody can look up the beginning.
    apps_run(site, 2)
    wait_trap(site, "saAlertCleared")


def test_limits_are_checked(make_site):
    site = make_site(definition("a", BUSY))
    with pytest.raises(SetRefused, match="wrongValue"):
        keep(site, HistoryMaxAge=3153600001)
    keep(site, HistoryMaxAge=0, HistoryMaxRows=0)
    assert scalar(site, "HistoryMaxAge") == "0"
