"""Trying a handler: snmpalertd --validate and --test, and the same by SNMP."""

import json
import os
import signal
import subprocess

import pytest

from lib.mainjob import TRAPS, definition, sites, wait_trap
from lib.net import free_port, free_udp_port
from lib.smtpd import HANG, FaultySmtpd, Pki, Smtpd
from lib.snmp import SetRefused
from lib.wait import wait_for
from lib.web import Hook

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

make_site = pytest.fixture(sites, name="make_site")

ROWS = definition("busy") + TRAPS
PASSWORD = "s3cret w0rd"


def command(site, *options):
    """(exit status, what the line of JSON says, standard error)."""
    r = subprocess.run(site.daemon.argv(*options), capture_output=True, text=True, timeout=90)
    return r.returncode, json.loads(r.stdout) if r.stdout else None, r.stderr


def attempt(site, *options):
    """(success, message) of a handler that is there."""
    status, said, errors = command(site, *options)
    assert said and status == (0 if said["success"] else 1), (status, said, errors)
    return said["success"], said["message"]


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path


def smtp(name, port, **more):
    values = {"host": "127.0.0.1", "port": port, "encryption": "none",
              "fromAddress": "alerts@example.net", "timeout": "2s", **more}
    return f"<smtp name='{name}' " + " ".join(f"{k}='{v}'" for k, v in values.items()) + "/>"


# ---- validate ----

def test_validate_mail(make_site, serve, secret, tmp_path):
    pki = Pki(tmp_path)
    good, other = (serve(Smtpd, users={"alice": p}) for p in (PASSWORD, "another"))
    starttls, nobody = serve(Smtpd, tls=pki.context()), free_port()
    auth = {"auth": "password", "username": "alice", "passwordFile": secret,
            "allowPlainAuth": "true"}
    site = make_site(ROWS, start=False, handlers="".join((
        smtp("good", good.port, **auth), smtp("wrong", other.port, **auth),
        smtp("closed", nobody), smtp("nowhere", 25, host="nowhere.invalid"),
        smtp("trusted", starttls.port, encryption="tls", caFile=pki.ca),
        smtp("unverified", starttls.port, encryption="tls"))))
    assert attempt(site, "--validate", "good") == \
        (True, f"127.0.0.1:{good.port}: connected without TLS, authenticated as alice")
    assert attempt(site, "--validate", "trusted") == \
        (True, f"127.0.0.1:{starttls.port}: connected with STARTTLS and a good certificate")
    for name, words in (("wrong", f"127.0.0.1:{other.port}: authentication refused: 535"),
                        ("closed", f"127.0.0.1:{nobody}: connect: Connection refused"),
                        ("nowhere", "nowhere.invalid:25: cannot resolve"),
                        ("unverified", f"127.0.0.1:{starttls.port}: ")):
        success, message = attempt(site, "--validate", name)
        assert not success and message.startswith(words) and PASSWORD not in message
    assert "certificate" in message
    assert not good.mails and not other.mails and not starttls.mails
    assert not os.path.exists(site.path("store"))


def test_validate_snmp(make_site):
    site = make_site(ROWS, start=False, handlers="<snmp name='nowhere' host='nowhere.invalid'/>"
                                                 "<snmp name='none'/>")
    port = site.snmptrapd.port
    assert attempt(site, "--validate", "traps") == \
        (True, f"127.0.0.1:{port} is 127.0.0.1:{port}")
    success, message = attempt(site, "--validate", "admin/nowhere")
    assert not success and message.startswith("nowhere.invalid:162: ")
    success, message = attempt(site, "--validate", "none")
    assert not success and "names a host" in message


def test_validate_webhook_and_what_the_runner_delivers(make_site, serve):
    hook, nobody = serve(Hook), free_port()
    site = make_site(ROWS, start=False, handlers=(
        f"<webhook name='hook' url='{hook.url()}'/>"
        f"<webhook name='closed' url='http://127.0.0.1:{nobody}/'/>"
        f"<exec name='true' program='/bin/true'/><exec name='none' program='/bin/no-such-program'/>"
        f"<log name='file' file='/proc/log'/>"))
    site.daemon.nstages = 7
    site.daemon.start()
    for name, verdict, words in (
            ("hook", "succeeded", f"127.0.0.1:{hook.port}: connected without TLS"),
            ("closed", "failed", f"127.0.0.1:{nobody}: "),
            ("true", "succeeded", "/bin/true can be run"),
            ("none", "failed", "/bin/no-such-program: No such file or directory"),
            ("file", "failed", "/proc/log is not there, and /proc: ")):
        for said, message in (validated(site, name), attempt(site, "--validate", name)):
            assert said == (verdict if isinstance(said, str) else verdict == "succeeded"), message
            assert message.startswith(words), message
    assert not hook.seen


def test_what_hands_on_to_others_is_tried_there(make_site):
    site = make_site(ROWS, handlers="<publish name='both' handlers='traps'/>")
    for option in ("--validate", "--test"):
        success, message = attempt(site, option, "both")
        assert not success and message == "it hands on to other handlers: try those"
    assert validated(site, "both") == ("failed", "it hands on to other handlers: try those")


def test_validate_by_the_master_agent(make_site):
    site = make_site(ROWS, start=False, handlers="<agentx name='master'/>")
    success, message = attempt(site, "--validate", "master")
    assert success and message == f"the master agent at {site.snmpd.agentx} takes notifications"
    site.snmpd.stop()
    success, message = attempt(site, "--validate", "master")
    assert not success and message == f"no master agent answers at {site.snmpd.agentx}"


# ---- test ----

def test_test_really_sends(make_site, secret):
    site = make_site(ROWS, start=False)
    assert attempt(site, "--test", "mail") == \
        (True, "alerts@example.net: 250 2.0.0 queued as 1")
    assert attempt(site, "--test", "mail", "message=Is anybody there?", "level=critical",
                   "recipients=bob@example.net,alice@example.net", "fromName=The tester")[0]
    first, second = site.mail.wait(2)
    assert first.recipients == ["alerts@example.net"]
    assert first.message["Subject"] == "[TEST] admin: This is a test."
    assert second.recipients == ["bob@example.net", "alice@example.net"]
    assert second.message["Subject"] == "[TEST] admin: Is anybody there?"
    assert second.message["From"].addresses[0].display_name == "The tester"
    assert "CRITICAL" in second.text
    assert attempt(site, "--test", "traps", "message=hello") == \
        (True, "sent; nobody says that it arrived")
    trap = wait_trap(site, "saTest", saNoticeMessage="hello")
    assert trap["saHandlerName"] == "traps" and trap["saOwner"] == "admin"
    assert attempt(site, "--test", "traps", "message=again", "confirm=inform") == \
        (True, "acknowledged")
    wait_trap(site, "saTest", saNoticeMessage="again")
    assert not os.path.exists(site.path("store"))


def test_test_by_the_master_agent(make_site):
    port = free_udp_port()
    site = make_site(ROWS, start=False, handlers="<agentx name='master'/>", trap_port=port,
                     snmpd=f"trap2sink 127.0.0.1:{port} public\n")
    assert attempt(site, "--test", "master", "message=by the master")[0]
    wait_trap(site, "saTest", saNoticeMessage="by the master")


def test_test_says_why_nothing_arrived(make_site, serve):
    faulty = serve(FaultySmtpd, RCPT=b"550 5.1.1 nobody here\r\n")
    site = make_site(ROWS, start=False, handlers=smtp("refusing", faulty.port))
    success, message = attempt(site, "--test", "refusing", "recipients=bob@example.net")
    assert not success
    assert message == f"127.0.0.1:{faulty.port}: bob@example.net: 550 5.1.1 nobody here"
    dead = free_port()
    success, message = attempt(site, "--test", "refusing", f"port={dead}")
    assert not success and message.startswith(f"127.0.0.1:{dead}: ")


def test_another_server_does_not_get_the_password(make_site, serve, secret):
    other = serve(FaultySmtpd)
    site = make_site(ROWS, start=False, handlers=smtp(
        "mail2", 25, auth="password", username="alice", passwordFile=secret,
        allowPlainAuth="true"))
    success, message = attempt(site, "--test", "mail2", f"port={other.port}")
    assert not success and "password is not sent there" in message and not other.commands


# ---- the command ----

def test_beside_a_daemon_that_runs(make_site):
    site = make_site(ROWS)
    starts = site.manager.column("saProcessStarts")
    assert attempt(site, "--validate", "mail")[0]
    assert attempt(site, "--test", "mail")[0]
    site.mail.wait(1)
    assert site.manager.column("saProcessStarts") == starts
    assert site.manager.get('saHandlerDelivered."admin"."mail"') == "0"
    assert not site.manager.column("saNoticeUuid")


@pytest.mark.parametrize("options, words", [
    (["--validate", "nobody"], "has no handler 'nobody'"),
    (["--validate", "alice/mail"], "has no handler 'alice/mail'"),
    (["--test", "mail", "recipents=bob@example.net"], "did you mean 'recipients'?"),
    (["--test", "mail", "port=99999"], "port: expected a number from 1 to 65535"),
    (["--test", "mail", "passwordFile=/etc/passwd"], "has no option 'passwordFile'"),
    (["--test", "mail", "level"], "expected OPTION=VALUE"),
    (["--validate", "mail", "port=25"], "unexpected argument 'port=25'"),
    (["--validate", "mail", "--test", "mail"], "only one of"),
    (["--validate", "twice"], "say whose"),
])
def test_what_is_no_command(make_site, options, words):
    site = make_site(ROWS, start=False, owners="<owner name='alice'/><owner name='bob'/>",
                     handlers="".join(f"<snmp name='twice' owner='{o}'/>"
                                      for o in ("alice", "bob")))
    status, said, errors = command(site, *options)
    assert status == 64 and said is None and words in errors, errors


def test_a_bad_file(make_site):
    site = make_site(ROWS, start=False)
    site.daemon.configure("<snmpalertd")
    status, said, errors = command(site, "--validate", "mail")
    assert status == 78 and said is None and "snmpalertd.xml:1" in errors


def test_a_server_that_says_nothing_is_not_waited_for_forever(make_site, serve):
    faulty = serve(FaultySmtpd, greeting=HANG)
    site = make_site(ROWS, start=False, handlers=smtp("hangs", faulty.port, timeout="500ms"))
    success, message = attempt(site, "--validate", "hangs")
    assert not success and "timed out" in message and not faulty.commands


# ---- by SNMP ----

def ask(site, trigger, name, owner="admin"):
    """Advances the trigger of a row, a TestAndIncr."""
    instance = f'{trigger}."{owner}"."{name}"'
    value = int(site.manager.get(instance))
    site.manager.set((instance, "i", value))
    return value


def answer(site, table, name, owner="admin", timeout=20):
    """(state, message) of the row's last validation or test, once it has ended."""
    def cell(column):
        return site.manager.get(f'{table}{column}."{owner}"."{name}"')

    wait_for(lambda: cell("Check") != "running", f"{name} to be answered", timeout)
    return cell("Check"), cell("CheckMessage")


def validated(site, name, table="saHandler", owner="admin"):
    ask(site, table + "Validate", name, owner)
    return answer(site, table, name, owner)


def test_validate_by_snmp(make_site, serve, secret, tmp_path):
    pki = Pki(tmp_path)
    good, other = (serve(Smtpd, users={"alice": p}) for p in (PASSWORD, "another"))
    starttls, nobody = serve(Smtpd, tls=pki.context()), free_port()
    auth = {"auth": "password", "username": "alice", "passwordFile": secret,
            "allowPlainAuth": "true"}
    site = make_site(ROWS, handlers="".join((
        smtp("good", good.port, **auth), smtp("wrong", other.port, **auth),
        smtp("closed", nobody), smtp("unverified", starttls.port, encryption="tls"),
        "<snmp name='nowhere' host='nowhere.invalid'/><agentx name='master'/>")))
    m = site.manager
    assert m.get('saHandlerCheck."admin"."good"') == "none"
    assert validated(site, "good") == \
        ("succeeded", f"127.0.0.1:{good.port}: connected without TLS, authenticated as alice")
    for name, words in (("wrong", f"127.0.0.1:{other.port}: authentication refused: 535"),
                        ("closed", f"127.0.0.1:{nobody}: connect: Connection refused"),
                        ("unverified", f"127.0.0.1:{starttls.port}: "),
                        ("nowhere", "nowhere.invalid:162: ")):
        state, message = validated(site, name)
        assert state == "failed" and message.startswith(words) and PASSWORD not in message
    assert validated(site, "traps")[0] == "succeeded"
    state, message = validated(site, "master")
    assert state == "succeeded" and site.snmpd.agentx in message
    assert not good.mails and not other.mails and not starttls.mails
    assert m.get('saHandlerStatus."admin"."closed"') == "unknown"
    assert not m.column("saNoticeUuid")
    assert PASSWORD not in site.daemon.process.output()


def test_a_set_and_its_validation_are_one_request(make_site, serve):
    first, second = serve(FaultySmtpd), serve(FaultySmtpd)
    site = make_site(ROWS, handlers=smtp("mail2", first.port))
    m = site.manager
    m.set(('saHandlerPropertyValue."admin"."mail2"."port"', "s", second.port),
          ('saHandlerValidate."admin"."mail2"', "i", 0))
    assert answer(site, "saHandler", "mail2") == \
        ("succeeded", f"127.0.0.1:{second.port}: connected without TLS")
    assert not first.commands
    with pytest.raises(SetRefused) as e:  # the same request again, as one that was lost
        m.set(('saHandlerValidate."admin"."mail2"', "i", 0))
    assert e.value.error == "inconsistentValue"


def test_validate_a_target(make_site, serve):
    """A row of the file, and one that is not even active."""
    closed = free_port()
    site = make_site(ROWS + "<target name='ops' handler='mail' recipients='bob@example.net'/>",
                     owners="<owner name='alice'/>")
    m = site.manager
    port = site.mail.port
    assert validated(site, "ops", "saTarget") == \
        ("succeeded", f"127.0.0.1:{port}: connected without TLS")
    m.set(('saTargetStatus."alice"."new"', "i", "createAndWait"),
          ('saTargetHandler."alice"."new"', "s", "mail"),
          ('saTargetPropertyStatus."alice"."new"."port"', "i", "createAndGo"),
          ('saTargetPropertyValue."alice"."new"."port"', "s", closed),
          ('saTargetValidate."alice"."new"', "i", 0))  # made and validated at once
    assert answer(site, "saTarget", "new", "alice") == \
        ("failed", "the target has no recipient that is a mail address")
    m.set(('saTargetRecipients."alice"."new"', "s", "bob@example.net"))
    state, message = validated(site, "new", "saTarget", "alice")
    assert state == "failed" and message.startswith(f"127.0.0.1:{closed}: ")
    assert not site.mail.mails


def test_test_by_snmp(make_site):
    site = make_site(ROWS, mail='fromName="Alerts"')
    m = site.manager
    m.set(('saHandlerEnabled."admin"."mail"', "i", "false"))  # to be tried before it is enabled
    ask(site, "saHandlerTest", "mail")
    assert answer(site, "saHandler", "mail") == \
        ("succeeded", "alerts@example.net: 250 2.0.0 queued as 1")
    assert site.mail.wait(1)[0].message["Subject"] == "[TEST] admin: This is a test."
    ask(site, "saHandlerTest", "traps")
    assert answer(site, "saHandler", "traps") == ("succeeded", "sent; nobody says that it arrived")
    trap = wait_trap(site, "saTest", saHandlerName="traps")
    assert trap["saNoticeTargetSequence"] == "0"
    assert not m.column("saNoticeUuid")
    assert m.get('saHandlerDelivered."admin"."mail"') == "0"


def test_test_of_a_target_by_snmp(make_site, serve):
    refusing = serve(FaultySmtpd, RCPT=b"550 5.1.1 nobody here\r\n")
    site = make_site(ROWS + "<target name='ops' handler='mail' recipients='bob@example.net'/>"
                     "<target name='off' handler='refusing' recipients='bob@example.net'/>",
                     handlers=smtp("refusing", refusing.port))

    def outcome(name):
        site.manager.set((f'saTargetTest."admin"."{name}"', "i", "run"))
        wait_for(lambda: site.manager.get(f'saTargetCheck."admin"."{name}"') in
                 ("succeeded", "failed"), f"the test of {name} to end")
        return answer(site, "saTarget", name)

    assert outcome("ops") == ("succeeded", "the test was delivered")
    site.mail.wait(1)
    state, message = outcome("off")
    assert state == "failed" and "550 5.1.1 nobody here" in message


def test_a_dispatcher_that_dies_meanwhile(make_site, serve):
    faulty = serve(FaultySmtpd, EHLO=HANG)
    site = make_site(ROWS, handlers=smtp("hangs", faulty.port, timeout="60s"))
    ask(site, "saHandlerTest", "hangs")
    wait_for(lambda: faulty.commands, "the test's EHLO")
    os.kill(site.daemon.pid_of("dispatcher"), signal.SIGKILL)
    assert answer(site, "saHandler", "hangs") == ("failed", "the dispatcher ended")


def test_a_core_that_dies_meanwhile(make_site, serve):
    """Whether the test was sent is not known: it is not sent again."""
    faulty = serve(FaultySmtpd, EHLO=HANG)
    site = make_site(ROWS, handlers=smtp("hangs", faulty.port, timeout="60s"))
    ask(site, "saHandlerTest", "hangs")
    wait_for(lambda: faulty.commands, "the test's EHLO")
    os.kill(site.daemon.pid_of("core"), signal.SIGKILL)
    assert answer(site, "saHandler", "hangs") == \
        ("failed", "the daemon ended before there was an answer")
    assert len(faulty.commands) == 1


# ---- options ----

def option(name, handler="mail"):
    return f'saTestValue."admin"."{handler}"."{name}"'


def test_options_of_a_test(make_site):
    site = make_site(ROWS, mail='fromName="Alerts"')
    m = site.manager
    values = {i[2]: v for i, v in m.column("saTestValue").items() if i[:2] == ("admin", "mail")}
    assert values["message"] == "This is a test." and values["level"] == "ok"
    assert values["recipients"] == values["fromAddress"] == "alerts@example.net"
    assert values["port"] == str(site.mail.port) and values["fromName"] == "Alerts"
    assert "passwordFile" not in values
    assert m.get('saTestHelp."admin"."mail"."level"').startswith("Level of the test")
    m.set((option("recipients"), "s", "bob@example.net"), (option("message"), "s", "Hello"),
          (option("fromName"), "s", "The tester"), ('saHandlerTest."admin"."mail"', "i", 0))
    assert answer(site, "saHandler", "mail") == \
        ("succeeded", "bob@example.net: 250 2.0.0 queued as 1")
    message = site.mail.wait(1)[0].message
    assert message["Subject"] == "[TEST] admin: Hello" and "The tester" in message["From"]
    assert m.get('saHandlerPropertyValue."admin"."mail"."fromName"') == "Alerts"


def test_options_follow_what_is_in_force(make_site):
    site = make_site(ROWS)
    m = site.manager
    m.set(('saHandlerPropertyValue."admin"."mail"."fromAddress"', "s", "other@example.net"))
    wait_for(lambda: m.get(option("recipients")) == "other@example.net", "the new sender")
    m.set((option("recipients"), "s", "bob@example.net"))
    m.set(('saHandlerRevert."admin"."mail"', "i", "run"))
    wait_for(lambda: m.get(option("fromAddress")) == "alerts@example.net", "the file's sender")
    assert m.get(option("recipients")) == "bob@example.net"
    site.daemon.process.kill()
    site.daemon.start()
    assert m.get(option("recipients")) == "bob@example.net"
    m.set(('saTestRevert."admin"."mail"."recipients"', "i", "run"))
    assert m.get(option("recipients")) == "alerts@example.net"
    assert m.get('saTestRevert."admin"."mail"."recipients"') == "idle"


def test_options_that_make_no_sense(make_site):
    site = make_site(ROWS)
    m = site.manager
    for name, value, words in (("level", "loud", "expected one of"), ("port", "0", "a number from"),
                               ("recipients", "a@example.net," * 65, "at most 64 addresses")):
        with pytest.raises(SetRefused) as e:
            m.set((option(name), "s", value))
        said = m.get('saOwnerLastError."admin"')
        assert e.value.error == "wrongValue" and f"option '{name}'" in said and words in said
    with pytest.raises(SetRefused) as e:
        m.set((option("passwordFile"), "s", "/etc/passwd"))
    assert e.value.error == "noCreation"


def test_a_test_elsewhere_does_not_get_the_password(make_site, serve, secret):
    """The attack: a manager who may test has the password sent to a server of his own."""
    good, thief = serve(Smtpd, users={"alice": PASSWORD}), serve(FaultySmtpd)
    site = make_site(ROWS, handlers=smtp("mail2", good.port, auth="password", username="alice",
                                         passwordFile=secret, allowPlainAuth="true"))
    for more in ((), ((option("auth", "mail2"), "s", "password"),)):
        site.manager.set((option("port", "mail2"), "s", thief.port), *more)
        ask(site, "saHandlerTest", "mail2")
        state, message = answer(site, "saHandler", "mail2")
        assert state == "failed" and "password is not sent there" in message
    assert not thief.commands
    site.manager.set(('saTestRevert."admin"."mail2"."port"', "i", "run"))
    ask(site, "saHandlerTest", "mail2")
    assert answer(site, "saHandler", "mail2")[0] == "succeeded"
    assert good.wait(1)[0].authenticated
