"""What managers do about alerts and notices by SET: acknowledge, cancel, send again."""

import datetime
import os
import random
import signal

import pytest

from lib.mainjob import (MAILS, TRAPS, alerts, apps_run, definition, notices, sites, traps,
                         wait_alert, wait_notice, wait_trap)
from lib.smtpd import HANG, FaultySmtpd
from lib.snmp import SetRefused
from lib.wait import elapse, wait_for

make_site = pytest.fixture(sites, name="make_site")

LEVELS = """var n = _topic['cluster.metrics'].numAppsRunning;
n > 8 ? 'CRITICAL' : n > 5 ? 'WARNING' : 'OK';"""
NEVER = "0-0-0,0:0:0.0"


def at(name, alert=1):
    return f'saAlert{name}."admin".{alert}'


def date_and_time(seconds_ahead):
    """As snmpset's type x wants it, in UTC."""
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds_ahead)
    return when.year.to_bytes(2, "big").hex() + bytes(
        (when.month, when.day, when.hour, when.minute, when.second,
         when.microsecond // 100000)).hex()


def acknowledge(site, kind, author="bob", text="on it", *more):
    site.manager.set((at("Acknowledge"), "i", kind), (at("AckAuthor"), "s", author),
                     (at("AckText"), "s", text), *more)


def flags(site):
    """Names among saAlertFlags; the tools show its octets."""
    octets = bytes.fromhex(site.manager.get(at("Flags")))
    names = ("noData", "error", "disabled", "acknowledged", "suppressed")
    return {n for i, n in enumerate(names) if octets and octets[0] & 0x80 >> i}


def taken_in(site):
    """The daemon has taken it in, and told it."""
    wait_for(lambda: "acknowledged" in flags(site), "the flag to be set")


def raised(make_site, rows=TRAPS, apps=6, **options):
    site = make_site(definition("apps", LEVELS) + rows, apps=apps, **options)
    wait_trap(site, "saAlertRaised")
    return site


def act(site, notice, action):
    site.manager.set((f'saNoticeAction."admin".{notice["id"]}', "i", action))


def idle(site, notice):
    name = f'saNoticeAction."admin".{notice["id"]}'
    wait_for(lambda: site.manager.get(name) == "idle", "what was asked for to be done")


# ---- acknowledging ----

def test_sticky_holds_changes_back_until_the_end_which_is_told(make_site):
    site = raised(make_site, TRAPS + MAILS)
    m = site.manager
    site.mail.wait(1)
    acknowledge(site, "sticky")
    trap = wait_trap(site, "saAlertAcknowledged")
    assert (trap["saDefinitionName"], trap["saAlertLevel"], trap["saAlertMessage"]) == (
        "apps", "warning", "acknowledged by bob: on it")
    assert trap["saAlertSince"] == traps(site, "saAlertRaised")[0]["saAlertSince"]
    taken_in(site)
    assert m.get(at("AckAt")) != NEVER
    apps_run(site, 9)
    wait_alert(site, "apps", "critical", "active")
    held = wait_notice(site, State="suppressed")
    assert m.get(f'saNoticeSuppression."admin".{held["id"]}') == "acknowledged"
    assert flags(site) == {"acknowledged", "suppressed"}
    apps_run(site, 1)
    assert wait_trap(site, "saAlertCleared")["saAlertPreviousLevel"] == "critical"
    assert not traps(site, "saAlertChanged")  # they would have come before the end
    assert [m.get(at(c)) for c in ("Acknowledge", "AckAuthor", "AckText", "AckAt")] == [
        "none", "", "", NEVER]
    assert m.get("saSystemNoticesSuppressed.0") == "2"  # one for each target
    subjects = [mail.message["Subject"] for mail in site.mail.wait(3)]
    assert subjects[1].startswith("[ACKNOWLEDGED] admin/apps"), subjects
    assert "acknowledged by bob: on it" in site.mail.wait(3)[1].text
    assert [t["saNoticeTargetSequence"] for kind in ("Raised", "Acknowledged", "Cleared")
            for t in traps(site, "saAlert" + kind)] == ["1", "2", "3"]


def test_normal_ends_with_the_level(make_site):
    site = raised(make_site)
    acknowledge(site, "normal")
    taken_in(site)
    apps_run(site, 9)
    assert wait_trap(site, "saAlertChanged")["saAlertLevel"] == "critical"
    assert site.manager.get(at("Acknowledge")) == "none"
    assert not notices(site, State="suppressed")


def test_what_was_held_back_is_told_when_the_time_is_over(make_site):
    site = raised(make_site)
    acknowledge(site, "until", "bob", "", (at("AckUntil"), "x", date_and_time(4)))
    taken_in(site)
    apps_run(site, 9)
    held = wait_notice(site, State="suppressed")
    assert not traps(site, "saAlertChanged"), "this machine is too slow to see anything"
    trap = wait_trap(site, "saAlertChanged", 15)
    assert trap["saAlertLevel"] == "critical" and trap["saNoticeUuid"] != held["Uuid"]
    assert site.manager.get(at("Acknowledge")) == "none"
    assert notices(site, Uuid=held["Uuid"])[0]["State"] == "suppressed"


def test_taken_back_is_not_told_but_what_it_held_back(make_site):
    site = raised(make_site)
    acknowledge(site, "sticky")
    taken_in(site)
    apps_run(site, 9)
    wait_notice(site, State="suppressed")
    site.manager.set((at("Acknowledge"), "i", "none"))
    assert wait_trap(site, "saAlertChanged")["saAlertLevel"] == "critical"
    assert len(notices(site, Kind="acknowledge")) == 1
    assert site.manager.get(at("AckAuthor")) == ""


def test_what_is_refused_and_why(make_site):
    site = make_site(definition("apps", LEVELS) + TRAPS)
    wait_alert(site, "apps", "ok", "inactive")
    m = site.manager

    def refused(why, *assignments, error="inconsistentValue"):
        with pytest.raises(SetRefused) as e:
            m.set(*assignments)
        assert e.value.error == error
        assert why in m.get('saOwnerLastError."admin"')

    refused("the alert is ok", (at("Acknowledge"), "i", "sticky"))
    refused("rows of this table are not made by managers", (at("Acknowledge", 77), "i", "sticky"),
            error="noCreation")
    apps_run(site, 6)
    wait_trap(site, "saAlertRaised")
    refused("together with saAlertAcknowledge", (at("AckText"), "s", "words"))
    refused("the time is past", (at("Acknowledge"), "i", "until"),
            (at("AckUntil"), "x", date_and_time(-5)))
    refused("wants a time", (at("Acknowledge"), "i", "until"))
    refused("of the kind until", (at("Acknowledge"), "i", "normal"),
            (at("AckUntil"), "x", date_and_time(60)))
    told = wait_notice(site, State="delivered")
    refused("delivered already", (f'saNoticeAction."admin".{told["id"]}', "i", "cancel"))
    assert alerts(site)["apps"] == ("warning", "active")
    assert m.get(at("Acknowledge")) == "none"


@pytest.mark.parametrize("kind", ["normal", "sticky"])
def test_acknowledgement_outlives_a_kill_at_once(make_site, kind):
    site = raised(make_site)
    wait_notice(site, State="delivered")
    acknowledge(site, kind)
    site.daemon.process.kill()
    site.daemon.start()
    assert wait_trap(site, "saAlertAcknowledged")["saAlertMessage"] == "acknowledged by bob: on it"
    taken_in(site)
    assert site.manager.get(at("Acknowledge")) == kind
    assert len(notices(site, Kind="acknowledge")) == 1


# ---- cancelling and sending again ----

def failing_mail(make_site, server, rows=TRAPS + MAILS, **options):
    site = raised(make_site, rows, mail_server=server, **options)
    return site, wait_for(lambda: [n for n in notices(site, Target="operators", State="pending")
                                   if n["LastError"]], "the mail's first failure", 20)[0]


def test_cancelled_while_it_waits(make_site):
    server = FaultySmtpd(greeting=HANG)
    site, waiting = failing_mail(make_site, server, mail='timeout="1s"')
    apps_run(site, 1)
    wait_notice(site, Target="operators", Kind="clear", State="pending")
    act(site, waiting, "cancel")
    # The end of what was never told goes with it.
    wait_for(lambda: {n["State"] for n in notices(site, Target="operators")} == {"cancelled"},
             "both to be cancelled")
    assert notices(site, Uuid=waiting["Uuid"])[0]["LastError"] == "cancelled by a manager"
    idle(site, waiting)
    assert site.manager.get("saSystemNoticesCancelled.0") == "2"
    assert not server.messages


def test_cancelled_while_it_is_under_way(make_site):
    server = FaultySmtpd(greeting=HANG)
    site = raised(make_site, TRAPS + MAILS, mail_server=server, mail='timeout="3s"')
    sent = wait_notice(site, Target="operators", State="dispatched")
    act(site, sent, "cancel")
    ended = wait_notice(site, 20, Uuid=sent["Uuid"], State="cancelled")
    assert ended["LastError"] == "cancelled by a manager"
    idle(site, sent)


def test_failed_is_sent_again(make_site):
    site = make_site(definition("apps", LEVELS) + TRAPS + MAILS, start=False)
    site.mail.refuse["operators"] = "550 5.1.1 no such mailbox"
    apps_run(site, 6)
    site.daemon.start()
    failed = wait_notice(site, Target="operators", State="failed")
    site.mail.refuse.clear()
    act(site, failed, "resend")
    again = wait_notice(site, Uuid=failed["Uuid"], State="delivered")
    assert (again["id"], int(again["Attempts"])) == (failed["id"], int(failed["Attempts"]) + 1)
    assert failed["Uuid"] in site.mail.wait(1)[0].message["Message-ID"]
    apps_run(site, 1)  # it was told after all, and so is the end
    assert wait_notice(site, Target="operators", Kind="clear", State="delivered")


def test_delivered_is_sent_again_as_the_same(make_site):
    site = raised(make_site)
    told = wait_notice(site, State="delivered")
    act(site, told, "resend")
    wait_for(lambda: len(traps(site, "saAlertRaised")) == 2, "the trap to come again")
    first, second = traps(site, "saAlertRaised")
    assert first["saNoticeUuid"] == second["saNoticeUuid"] == told["Uuid"]
    assert first["saNoticeTargetSequence"] == second["saNoticeTargetSequence"] == "1"
    assert wait_notice(site, State="delivered", Attempts="2")["Uuid"] == told["Uuid"]


def test_resend_outlives_a_kill_at_once(make_site):
    site = raised(make_site)
    told = wait_notice(site, State="delivered")
    act(site, told, "resend")
    site.daemon.process.kill()
    site.daemon.start()
    wait_for(lambda: len(traps(site, "saAlertRaised", saNoticeUuid=told["Uuid"])) >= 2,
             "the trap to come again")
    wait_notice(site, Uuid=told["Uuid"], State="delivered")
    idle(site, told)


def test_suppressed_is_sent_on_request(make_site):
    site = raised(make_site)
    acknowledge(site, "sticky")
    taken_in(site)
    apps_run(site, 9)
    held = wait_notice(site, State="suppressed")
    act(site, held, "resend")
    assert wait_trap(site, "saAlertChanged")["saNoticeUuid"] == held["Uuid"]
    assert site.manager.get(f'saNoticeSuppression."admin".{held["id"]}') == "none"


def test_resend_to_a_target_that_is_gone_is_refused(make_site):
    site = make_site(definition("apps", LEVELS))
    m = site.manager
    wait_alert(site, "apps", "ok", "inactive")
    m.set(('saTargetStatus."admin"."t"', "i", "createAndGo"),
          ('saTargetHandler."admin"."t"', "s", "traps"),
          ('saTargetGlobal."admin"."t"', "i", "true"))
    apps_run(site, 6)
    told = wait_notice(site, State="delivered")
    m.set(('saTargetStatus."admin"."t"', "i", "destroy"))
    with pytest.raises(SetRefused) as e:
        act(site, told, "resend")
    assert e.value.error == "inconsistentValue"
    assert "target is gone" in m.get('saOwnerLastError."admin"')


def test_cancel_outlives_a_kill_at_once(make_site):
    site = raised(make_site, TRAPS + MAILS, mail_server=FaultySmtpd(greeting=HANG),
                  mail='timeout="60s"')
    sent = wait_notice(site, Target="operators", State="dispatched")
    act(site, sent, "cancel")
    site.daemon.process.kill()
    site.daemon.start()
    ended = wait_notice(site, Uuid=sent["Uuid"], State="cancelled")
    assert ended["LastError"] == "cancelled by a manager"
    idle(site, sent)
    apps_run(site, 1)
    wait_trap(site, "saAlertCleared")
    assert not notices(site, Target="operators", Kind="clear")  # it never heard of the problem


# ---- at any instant ----

def kill_something(site, rng):
    """The whole daemon, or one of its stages, at once or in a moment; until it is back."""
    stage = rng.choice(("core", "core", "dispatcher", "all", "all"))
    elapse(rng.choice((0, rng.uniform(0, 0.05))))
    if stage == "all":
        site.daemon.process.kill()
        site.daemon.start()
        return
    pid = site.daemon.pid_of(stage)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: site.daemon.pid_of(stage) not in (0, pid) and site.daemon._up(),
             f"another {stage}", 30)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_dies_each_set_is_done_and_told_once(make_site, seed):
    site, rng = raised(make_site), random.Random(seed)
    first = wait_notice(site, Kind="raise", State="delivered")
    for n in range(1, 4):
        acknowledge(site, "sticky", "bob", f"round {n}")
        kill_something(site, rng)
        wait_trap(site, "saAlertAcknowledged", 20, saAlertMessage=f"acknowledged by bob: round {n}")
        wait_for(lambda: len(notices(site, Kind="acknowledge", State="delivered")) == n,
                 "so many acknowledgements", 20)
        act(site, first, "resend")
        kill_something(site, rng)
        again = wait_notice(site, 20, Uuid=first["Uuid"], State="delivered", Attempts=str(n + 1))
        assert again["TargetSequence"] == "1"
        idle(site, first)
    # Two copies of one notice have one UUID, whatever died between sending and marking.
    assert len({t["saNoticeUuid"] for t in traps(site, "saAlertAcknowledged")}) == 3
    assert {t["saNoticeUuid"] for t in traps(site, "saAlertRaised")} == {first["Uuid"]}
    assert len(traps(site, "saAlertRaised")) >= 4
    apps_run(site, 1)
    wait_trap(site, "saAlertCleared", 20)
    assert site.manager.get(at("Acknowledge")) == "none"
