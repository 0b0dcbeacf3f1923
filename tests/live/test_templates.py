"""Templates and test mails in the daemon: what is refused and in which words, what is in force, and
what arrives."""

import subprocess

import pytest

from lib.mainjob import MAILS, apps_run, configuration, definition, sites, wait_notice
from test_overrides import kill_and_start, prop, refusal, reload, set_property, wait_cell

make_site = pytest.fixture(sites, name="make_site")

ROWS = definition("busy", """
    var n = _topic['cluster.metrics'].numAppsRunning;
    ({level: n > 5, message: '<' + n + ' apps>'})""") + MAILS
HTML = '<![CDATA[\n<p class="${level}">${message}</p>\n<i>${url|nothing}</i>\n]]>'


def mail(attributes="", **children):
    """More of the handler mail: its element has CHILDREN; another one takes what comes after."""
    elements = "".join(f"<{name}>{text}</{name}>" for name, text in children.items())
    return f'{attributes}>{elements}</smtp><smtp name="spare" host="127.0.0.1" ' \
        'encryption="none" fromAddress="alerts@example.net"'


def body(m, kind):
    return m.message.get_body((kind,)).get_content().replace("\r\n", "\n").rstrip("\n")


def subjects(site, count):
    return [m.message["Subject"] for m in site.mail.wait(count)]


def test_mails_by_template_in_one_thread(make_site):
    site = make_site(ROWS, mail=mail('subject="${kind}: ${message}"', html=HTML, text="${host}"))
    apps_run(site, 7)
    raised, = site.mail.wait(1)
    assert raised.message["Subject"] == "raise: <7 apps>"
    assert body(raised, "html") == '<p class="CRITICAL">&lt;7 apps&gt;</p>\n<i>nothing</i>'
    assert body(raised, "plain") == subprocess.run(["hostname"], capture_output=True,
                                                   text=True).stdout.strip()
    wait_notice(site, State="delivered")  # or it would be sent again
    kill_and_start(site)
    apps_run(site, 2)
    cleared = site.mail.wait(2)[1]
    assert cleared.message["Subject"] == "clear: <2 apps>"
    apps_run(site, 8)
    again = site.mail.wait(3)[2]
    first, second, third = (m.message["References"] for m in (raised, cleared, again))
    assert first == second and third not in (None, first)
    assert raised.message["In-Reply-To"] == first != raised.message["Message-ID"]


def test_managers_set_templates(make_site):
    site = make_site(ROWS, mail='subject="file: ${message}"')
    error, words = refusal(site, (prop("Value", "mail", "subject"), "s", "${mesage}"))
    assert error == "wrongValue"
    assert "property 'subject': column 3: unknown name 'mesage'; did you mean 'message'?" in words
    error, words = refusal(site, (prop("Value", "mail", "html"), "s", "<p\nonclick='${message}'>"))
    assert error == "wrongValue" and "'html': line 2, column 12: no value may stand in" in words
    assert site.manager.get(prop("Type", "mail", "html")) == "template"
    set_property(site, "mail", "subject", "set: ${message}")
    apps_run(site, 7)
    assert subjects(site, 1) == ["set: <7 apps>"]
    target = 'saTargetProperty{}."admin"."mine"."subject"'
    site.manager.set(('saTargetHandler."admin"."mine"', "s", "mail"),
                     ('saTargetRecipients."admin"."mine"', "s", "mine@example.net"),
                     ('saTargetGlobal."admin"."mine"', "i", "true"),
                     ('saTargetDigestMillis."admin"."mine"', "i", "0"),
                     ('saTargetStatus."admin"."mine"', "i", "createAndGo"))
    error, words = refusal(site, (target.format("Value"), "s", "${"),
                           (target.format("Status"), "i", "createAndGo"))
    assert error == "wrongValue" and "'${' without its '}'" in words
    site.manager.set((target.format("Value"), "s", "mine: ${state}"),
                     (target.format("Status"), "i", "createAndGo"))
    apps_run(site, 2)
    assert subjects(site, 2)[1] == "set: <2 apps>"  # the new one was told no problem
    apps_run(site, 8)
    assert set(subjects(site, 4)[2:]) == {"set: <8 apps>", "mine: CRITICAL"}


def test_a_long_template_is_whole_in_force_and_cut_to_be_seen(make_site):
    long = "x" * 3000 + "\u20ac ${message}"
    site = make_site(ROWS, mail=mail(html=long))
    shown = site.manager.get(prop("Value", "mail", "html"))
    assert shown == "x" * 1024
    assert site.manager.get(prop("Overridden", "mail", "html")) == "false"
    set_property(site, "mail", "fromName", "Somebody")  # leaves it as it is
    apps_run(site, 7)
    assert body(site.mail.wait(1)[0], "html") == long.replace("${message}", "&lt;7 apps&gt;")
    set_property(site, "mail", "html", "short")
    wait_cell(site, prop("Overridden", "mail", "html"), "true")
    apps_run(site, 2)
    assert body(site.mail.wait(2)[1], "html") == "short"
    wait_notice(site, Kind="clear", State="delivered")  # or it would be sent again
    kill_and_start(site)
    site.manager.set((prop("Revert", "mail", "html"), "i", "run"))
    wait_cell(site, prop("Value", "mail", "html"), shown)
    apps_run(site, 8)
    assert body(site.mail.wait(3)[2], "html") == long.replace("${message}", "&lt;8 apps&gt;")


def test_a_changed_configuration_and_nothing_else_mails_the_test_address(make_site):
    options = {"testAddress": "tester@example.net", "subject": "1: ${message}"}

    def attributes(**changes):
        return " ".join(f'{k}="{v}"' for k, v in {**options, **changes}.items())

    told = "the configuration of the mail handler mail has changed"
    site = make_site(ROWS, mail=attributes())
    kill_and_start(site)                                        # no change
    reload(site, rows=ROWS + '<script name="s"/>', mail=attributes())  # not of this handler
    set_property(site, "mail", "subject", "2: ${message}")
    assert subjects(site, 1) == [f"2: {told}"]
    kill_and_start(site)                                        # what was set stays
    reload(site, rows=ROWS, mail=attributes(fromName="New"))
    assert subjects(site, 2)[1] == f"2: {told}"
    assert site.mail.mails[1].recipients == ["tester@example.net"]
    apps_run(site, 7)
    wait_notice(site, State="delivered")
    assert subjects(site, 3)[2:] == ["2: <7 apps>"]  # and no other in between


def test_check_config_names_the_line(make_site):
    site = make_site(ROWS, start=False)
    bad = HTML.replace("${url", "${ulr")
    site.daemon.configure(configuration(ROWS, mail=mail(html=bad))(site))
    r = subprocess.run(site.daemon.argv("--check-config"), capture_output=True, text=True)
    line = 1 + open(site.daemon.file).read().split("${ulr")[0].count("\n")
    assert r.returncode == 78
    assert (f"snmpalertd.xml:{line}: 'html' of <smtp>: line 2, column 6: unknown name 'ulr'; "
            "did you mean 'url'?") in r.stderr
