"""What managers change of the configuration file by snmpset: properties and use of handlers, sources,
rows with override="yes"; that it survives, and how it is taken back."""

import signal

import pytest

from lib.mainjob import (BUSY, MAILS, TRAPS, apps_run, configuration, definition, notices,
                         sites, wait_alert, wait_notice, wait_trap)
from lib.snmp import SetRefused, Snmptrapd
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")


def prop(column, handler, name):
    return f'saHandlerProperty{column}."admin"."{handler}"."{name}"'


def set_property(site, handler, name, value):
    site.manager.set((prop("Value", handler, name), "s", value))


def refusal(site, *assignments):
    """The error of a SET, and the words it leaves."""
    with pytest.raises(SetRefused) as e:
        site.manager.set(*assignments)
    return e.value.error, site.manager.get('saOwnerLastError."admin"')


def wait_cell(site, name, value):
    wait_for(lambda: site.manager.get(name) == value, f"{name} to be {value}")


def reload(site, **options):
    before = site.manager.get("saSystemConfigLoaded.0")
    site.daemon.configure(configuration(options.pop("rows"), **options)(site))
    site.daemon.process.send(signal.SIGHUP)
    wait_for(lambda: site.manager.get("saSystemConfigLoaded.0") != before or
             site.manager.get("saSystemConfigStatus.0") == "refused", "an answer to the reload", 20)
    return site.manager.get("saSystemConfigError.0")


def kill_and_start(site):
    site.daemon.process.kill()
    site.daemon.start()


# ---- properties of handlers ----

def test_a_property_is_in_force_at_once_and_stays(make_site):
    rows = definition("busy") + MAILS
    site = make_site(rows, mail='fromName="The file"')
    m = site.manager
    assert m.get(prop("Overridden", "mail", "fromName")) == "false"
    set_property(site, "mail", "fromName", "A manager")
    apps_run(site, 7)
    assert "A manager" in site.mail.wait(1)[0].message["From"]
    assert m.get(prop("Overridden", "mail", "fromName")) == "true"
    wait_notice(site, State="delivered")  # or it would be sent again
    kill_and_start(site)
    apps_run(site, 3)
    assert "A manager" in site.mail.wait(2)[1].message["From"]
    assert reload(site, rows=rows, mail='fromName="Another file" helo="h.example.net"') == ""
    assert m.get(prop("Value", "mail", "fromName")) == "A manager"
    assert m.get(prop("Value", "mail", "helo")) == "h.example.net"
    m.set((prop("Revert", "mail", "fromName"), "i", "run"))
    assert m.get(prop("Value", "mail", "fromName")) == "Another file"
    assert m.get(prop("Overridden", "mail", "fromName")) == "false"
    apps_run(site, 7)
    assert "Another file" in site.mail.wait(3)[2].message["From"]


def test_what_does_not_fit_is_refused_in_words(make_site):
    site = make_site(definition("busy") + MAILS)
    port, ca = prop("Value", "mail", "port"), prop("Value", "mail", "caFile")
    error, words = refusal(site, (port, "s", "0"))
    assert error == "wrongValue"
    assert "property 'port': expected a number from 1 to 65535" in words
    assert refusal(site, (ca, "s", "/etc/passwd"))[0] == "notWritable"
    assert refusal(site, (prop("Value", "traps", "community"), "s", "x"))[0] == "notWritable"
    error, words = refusal(site, (prop("Value", "mail", "auth"), "s", "password"))
    assert (error, "username" in words) == ("inconsistentValue", True)
    error, _ = refusal(site, (prop("Value", "mail", "nothing"), "s", "x"))
    assert error == "noCreation"
    # Nothing of it is in force, and of several in one SET nothing at all.
    assert refusal(site, (prop("Value", "mail", "helo"), "s", "h.example.net"),
                   (port, "s", "seven"))[0] == "wrongValue"
    assert site.manager.get(prop("Value", "mail", "helo")) == ""


def test_another_host_does_not_get_the_secrets(make_site, tmp_path):
    """The handler authenticates; sent elsewhere it would give the password away."""
    secret = tmp_path / "secret"
    secret.write_text("hidden\n")
    secret.chmod(0o600)
    site = make_site(definition("busy") + MAILS, mail=f'auth="password" username="alerts" '
                     f'passwordFile="{secret}" allowPlainAuth="true"')
    host, auth = prop("Value", "mail", "host"), prop("Value", "mail", "auth")
    error, words = refusal(site, (host, "s", "127.0.0.2"))
    assert (error, "passwordFile" in words) == ("inconsistentValue", True)
    site.manager.set((host, "s", "127.0.0.2"), (auth, "s", "none"))
    wait_cell(site, prop("Value", "mail", "passwordFile"), "")
    # One alone cannot go back: it would authenticate there, or has nothing to do it with.
    error, _ = refusal(site, (prop("Revert", "mail", "auth"), "i", "run"))
    assert error == "inconsistentValue"
    site.manager.set(('saHandlerRevert."admin"."mail"', "i", "run"))
    wait_cell(site, prop("Value", "mail", "passwordFile"), str(secret))
    assert site.manager.get(host) == "127.0.0.1"
    assert site.manager.get(auth) == "password"


def test_a_handler_moves_to_another_receiver(make_site):
    site = make_site(definition("busy") + TRAPS, apps=7)
    wait_trap(site, "saAlertRaised")
    other = Snmptrapd(site._subfolder("other"))
    other.start()
    try:
        set_property(site, "traps", "port", str(other.port))
        apps_run(site, 3)
        other.process.expect(r"SNMPv2-SMI|\.1\.3\.6\.1\.6\.3\.1\.1\.4\.1\.0")
        assert "saAlertCleared" not in site.traps()
    finally:
        other.stop()


# ---- a handler at rest ----

def test_notices_of_a_disabled_handler_wait(make_site):
    site = make_site(definition("busy") + TRAPS + MAILS)
    m = site.manager
    m.set(('saHandlerEnabled."admin"."mail"', "i", "false"))
    apps_run(site, 7)
    waiting = wait_for(lambda: [n for n in notices(site, Target="operators", State="pending",
                                                   LastError="handler 'mail' is disabled")
                                if "Uuid" in n], "a reason")  # all columns of a row that is new
    wait_trap(site, "saAlertRaised")  # delays nobody else
    kill_and_start(site)
    assert m.get('saHandlerEnabled."admin"."mail"') == "false"
    assert site.mail.mails == []
    m.set(('saHandlerEnabled."admin"."mail"', "i", "true"))
    site.mail.wait(1)
    told = wait_notice(site, Target="operators", State="delivered")
    assert told["Uuid"] == waiting[0]["Uuid"]


# ---- sources ----

def test_a_source_at_rest_is_not_polled(make_site):
    site = make_site(definition("busy") + TRAPS)
    m = site.manager
    row = '."admin"."cluster.metrics"'
    wait_cell(site, "saSourceStatus" + row, "up")
    m.set(("saSourceEnabled" + row, "i", "false"))
    wait_cell(site, "saSourceStatus" + row, "disabled")
    samples = m.get("saSourceSamples" + row)
    apps_run(site, 7)
    kill_and_start(site)
    wait_cell(site, "saSourceStatus" + row, "disabled")
    other = int(m.get('saSourceSamples."admin"."localhost"'))
    wait_for(lambda: int(m.get('saSourceSamples."admin"."localhost"')) > other + 1,
             "the other source to be polled")
    assert m.get("saSourceSamples" + row) == samples
    m.set(("saSourceEnabled" + row, "i", "true"))
    wait_alert(site, "busy", "critical", "active")
    wait_cell(site, "saSourceStatus" + row, "up")


def test_a_source_is_polled_when_a_manager_asks(make_site):
    site = make_site(definition("rare", "_topic['rare'].n > 5") + TRAPS, http='/>'
                     '<http name="rare" url="http://127.0.0.1:1/none" interval="1d"')
    row = '."admin"."rare"'
    wait_cell(site, "saSourceStatus" + row, "failing")
    failures = int(site.manager.get("saSourceFailures" + row))
    site.manager.set(("saSourcePollNow" + row, "i", "run"))
    wait_for(lambda: int(site.manager.get("saSourceFailures" + row)) == failures + 1, "a poll")
    assert site.manager.get("saSourcePollNow" + row) == "idle"


# ---- rows ----

def test_a_row_goes_back_to_the_file(make_site):
    rows = definition("busy", override="yes", description="of the file")
    site = make_site(rows + TRAPS, apps=7)
    m = site.manager
    wait_alert(site, "busy", "critical", "active")
    m.set(('saDefinitionCondition."admin"."busy"', "s", "false"),
          ('saDefinitionSeverity."admin"."busy"', "i", "info"))
    wait_alert(site, "busy", "ok", "inactive")
    # What nobody changed follows the file, what a manager changed does not.
    assert reload(site, rows=rows.replace("of the file", "of a newer file") + TRAPS) == ""
    assert m.get('saDefinitionDescription."admin"."busy"') == "of a newer file"
    assert m.get('saDefinitionCondition."admin"."busy"') == "false"
    m.set(('saDefinitionRevert."admin"."busy"', "i", "run"))
    assert m.get('saDefinitionCondition."admin"."busy"') == BUSY
    wait_alert(site, "busy", "critical", "active")
    assert m.get('saDefinitionAlertsCritical."admin"."busy"') == "1"
    m.set(('saDefinitionStatus."admin"."own"', "i", "createAndGo"),
          ('saDefinitionCondition."admin"."own"', "s", "true"))
    error, words = refusal(site, ('saDefinitionRevert."admin"."own"', "i", "run"))
    assert (error, "not of the configuration file" in words) == ("inconsistentValue", True)


def test_an_error_names_its_line(make_site):
    site = make_site(definition("wrong", "1;\nnothing.here;"))
    wait_cell(site, 'saDefinitionErrorLine."admin"."wrong"', "2")


def test_mails_have_the_url(make_site):
    site = make_site(definition("busy", url="https://example.net/busy") + MAILS, apps=7)
    assert "https://example.net/busy" in site.mail.wait(1)[0].message.get_payload(decode=True).decode()
