"""The smtp handler against a real mail server, and against one that breaks at every step."""

import html.parser
import os
import random
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

from lib.dispatchhost import (ACKNOWLEDGED, DELIVERED, FAILED, NONE, RETRY, STATE_DELIVERED,
                              STATE_FAILED, STATE_PENDING, Host)
from lib.net import free_port
from lib.smtpd import DROP, HANG, FaultySmtpd, Smtpd
from lib.wait import wait_for

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

PASSWORD = "pa\u00e4ss w0rd"


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(PASSWORD + "\nsecond line\n")
    path.chmod(0o640)
    return str(path)


def plain(port, **more):
    return {"host": "127.0.0.1", "port": str(port), "encryption": "none", "timeout": "2s",
            "fromAddress": "alerts@example.net", "helo": "client.example.net", **more}


def states(outcome):
    return {r["address"]: r["state"] for r in outcome["recipients"]}


def clean(text):
    """Without control characters, as it is shown."""
    return "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in text)


# ---- the message ----

def test_message(host, serve):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port, fromName='Al "the" \u00c4rm'))
    event = {"definition": "hot", "instance": "cpu0", "message": "too hot: 93 \u00b0C",
             "value": "93", "description": "Temperature \u2013 of the processor", "service": "lab",
             "at": 1795000000000, "since": 1795000000000 - 3725000, "sequence": 12,
             "uuid": "0a0b0c0d-1111-4222-8333-444455556666"}
    o = host.deliver(event, recipients=["bob@example.net"], created=1795000001000,
                     uuid="0a0b0c0d-1111-4222-8333-444455556666")
    assert (o["result"], o["confirmation"], o["error"]) == (DELIVERED, ACKNOWLEDGED, "")
    assert o["recipients"][0]["reply"] == "250 2.0.0 queued as 1"
    m, = server.wait()
    assert (m.sender, m.recipients, m.tls) == ("alerts@example.net", ["bob@example.net"], False)
    msg = m.message
    assert not msg.defects and all(not msg[h].defects for h in ("From", "To", "Subject", "Date"))
    assert msg["Subject"] == "[CRITICAL] alice/hot cpu0: too hot: 93 \u00b0C"
    assert msg["From"].addresses[0].display_name == 'Al "the" \u00c4rm'
    assert msg["From"].addresses[0].addr_spec == "alerts@example.net"
    assert [a.addr_spec for a in msg["To"].addresses] == ["bob@example.net"]
    assert msg["Message-ID"] == "<0a0b0c0d-1111-4222-8333-444455556666@example.net>"
    assert msg["Date"].datetime.timestamp() == 1795000001
    assert msg["Auto-Submitted"] == "auto-generated"
    assert msg["X-SNMPAlert-Sequence"] == "12"
    for line in ("Level:       CRITICAL (was OK)", "Definition:  alice/hot", "Instance:    cpu0",
                 "Service:     lab", "Value:       93", "Message:     too hot: 93 \u00b0C",
                 "Description: Temperature \u2013 of the processor", "Duration:    1h 2m 5s",
                 "Notice:      0a0b0c0d-1111-4222-8333-444455556666", "Sequence:    12"):
        assert line in m.text.splitlines(), m.text


def test_message_is_the_same_at_every_attempt(host, serve):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port))
    for _ in range(2):
        assert host.deliver({"message": "x"}, recipients=["bob@example.net"])["result"] == DELIVERED
    first, second = server.wait(2)
    assert first.raw == second.raw


@pytest.mark.parametrize("event, tag", [
    ({"level": 1, "previous": 4, "kind": 2}, "OK"), ({"level": 3}, "WARNING"),
    ({"kind": 9, "level": 0, "previous": 0}, "TEST"), ({"kind": 7, "level": 0}, "DISABLED")])
def test_subject_tag(host, serve, event, tag):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port))
    host.deliver(event, recipients=["bob@example.net"])
    assert server.wait()[0].message["Subject"] == f"[{tag}] alice/hot"


def test_digest_lists_every_event_newest_first(host, serve):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port))
    events = [{"instance": f"cpu{i}", "at": 1795000000000 + i * 1000, "level": 1 + i % 4,
               "notice": i} for i in range(200)]
    o = host.deliver(*events, recipients=["bob@example.net"])
    assert o["result"] == DELIVERED
    m, = server.wait()
    assert m.message["Subject"].startswith("[CRITICAL] 200 notices: alice/hot cpu3 and 199 more")
    order = [line.split()[-1] for line in m.text.splitlines() if line.startswith("Instance:")]
    assert order == [f"cpu{i}" for i in reversed(range(200))]
    assert max(map(len, m.raw.split(b"\r\n"))) <= 998


HOSTILE = ["a\r\nBcc: victim@example.org", "a\n\n.\r\nMAIL FROM:<x@y>", "=?utf-8?q?x?=",
           "x" * 255, "\u00e9" * 127, "\U0001f525" * 63, " leading and trailing ", "\t\ttabs\t",
           ".\r\n.", "\x01\x02\x7f", "From here", '"quoted" <bob@example.org>', "\u200b\u202e"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_leaves_its_place(host, serve, text):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port))
    event = {k: text for k in ("instance", "message", "value", "description")}
    o = host.deliver(event, recipients=["bob@example.net"])
    assert o["result"] == DELIVERED
    m, = server.wait()
    assert m.recipients == ["bob@example.net"] and not m.message.defects
    assert m.message["Bcc"] is None and len(m.message.get_all("Subject")) == 1
    assert m.raw.isascii() and max(map(len, m.raw.split(b"\r\n"))) <= 998
    assert b"\n" not in m.raw.replace(b"\r\n", b"") and b"\r" not in m.raw.replace(b"\r\n", b"")
    assert f"Message:     {clean(text)}".rstrip() in [s.rstrip() for s in m.text.split("\n")]
    assert str(m.message["Subject"]).split() == \
        f"[CRITICAL] alice/hot {clean(text)}: {clean(text)}".split()


ALPHABETS = ["abc XYZ.,:;", "\r\n\t \x01\x7f", "=?_<>\"\\()@", "\u00e9\u00df\u20ac",
             "\U0001f525\U0001f4a9", "\u202e\u200b\u0301"]


def test_random_texts_arrive(host, serve):
    server, chance = serve(Smtpd), random.Random(5)
    host.handler("smtp", **plain(server.port))

    def text():
        alphabet = "".join(chance.sample(ALPHABETS, chance.randint(1, 3)))
        s = "".join(chance.choice(alphabet) for _ in range(chance.randint(0, 255)))
        return s.encode()[:255].decode("utf-8", "ignore")

    sent = {}
    for _ in range(400):
        event = {"message": text(), "description": text(), "instance": text()}
        sent[host.send(event, recipients=["bob@example.net"],
                       uuid=f"00000000-0000-4000-8000-{len(sent):012d}")] = event
    assert {host.outcome(i)["result"] for i in sent} == {DELIVERED}
    mails = {m.message["Message-ID"]: m for m in server.wait(len(sent))}
    for n, event in enumerate(sent.values()):
        m = mails[f"<00000000-0000-4000-8000-{n:012d}@example.net>"]
        instance, message = (clean(event[k]) for k in ("instance", "message"))
        subject = "[CRITICAL] alice/hot" + (f" {instance}" if instance else "") + \
            (f": {message}" if message else "")
        assert str(m.message["Subject"]).split() == subject.split(), event
        assert not m.message["Subject"].defects and not m.message.defects
        if event["description"]:
            assert f"Description: {clean(event['description'])}".rstrip() in \
                [s.rstrip() for s in m.text.split("\n")], event


@pytest.mark.parametrize("address", [
    "bob@example.net\r\nRCPT TO:<eve@example.org>", "bob", "@example.net", "bob@", "b\u00f6b@x.net",
    "bob@ex\u00e4mple.net", "bob@example..net", "<bob@example.net>", "bob@[127.0.0.1]", "a b@x.net",
    "bob@-x.net", "a" * 65 + "@example.net", ".bob@example.net", "bob@example.net,eve@example.org"])
def test_bad_address_fails_at_once_and_alone(host, serve, address):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port))
    o = host.deliver(recipients=[address, "bob@example.net"])
    assert o["result"] == DELIVERED
    assert states(o)["bob@example.net"] == STATE_DELIVERED
    assert [r["state"] for r in o["recipients"]].count(STATE_FAILED) == 1
    assert server.wait()[0].recipients == ["bob@example.net"]
    o = host.deliver(recipients=[address])
    assert o["result"] == FAILED and "mail address" in o["error"]


# ---- templates ----

HTML = """<!DOCTYPE html>
<h1 title="${instance}">${state}: ${message}</h1>
${#url}<a href="${url}">${url}</a>${/url}
<ul>${#events}<li>${instance} ${level|none} ${value|-}</li>
${/events}</ul>"""


def parts(mail):
    return [(p.get_content_type(), p.get_content().replace("\r\n", "\n"))
            for p in mail.message.iter_parts()]


def test_subject_and_text_by_template(host, serve):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port, subject="${level}! ${instance} \u2013 ${message}",
                                 text="${message}\n${value|no value} since ${since|ever} $$"))
    host.deliver({"instance": "cpu0", "message": "h\u00f6t\r\nBcc: eve@example.net", "since": 0},
                 recipients=["bob@example.net"])
    m, = server.wait()
    assert m.message["Subject"] == "CRITICAL! cpu0 \u2013 h\u00f6t  Bcc: eve@example.net"
    assert m.message["Bcc"] is None and not m.message.is_multipart()
    assert m.text.splitlines() == ["h\u00f6t  Bcc: eve@example.net", "no value since ever $"]


def test_html_beside_the_text(host, serve):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port, html=HTML, text="${message}"))
    host.deliver({"instance": '"><b>', "message": "5 < 7 & \u20ac", "url": "javascript:alert(1)"},
                 recipients=["bob@example.net"])
    m, = server.wait()
    assert m.message.get_content_type() == "multipart/alternative" and not m.message.defects
    (plain_type, text), (html_type, html) = parts(m)
    assert (plain_type, text) == ("text/plain", "5 < 7 & \u20ac")
    assert html_type == "text/html"
    assert '<h1 title="&#34;&gt;&lt;b&gt;">CRITICAL: 5 &lt; 7 &amp; \u20ac</h1>' in html
    assert '<a href="#">javascript:alert(1)</a>' in html
    assert m.message.get_body(("html",)) is not None
    assert m.raw.isascii() and max(map(len, m.raw.split(b"\r\n"))) <= 78


def test_html_has_the_usual_text_beside_it(host, serve):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port, html="<p>${message}</p>"))
    host.deliver({"message": "m"}, recipients=["bob@example.net"])
    (_, text), _ = parts(server.wait()[0])
    assert "Level:       CRITICAL (was OK)" in text.splitlines()


def test_digest_by_template(host, serve):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port, html=HTML, subject="${count} at ${target}"))
    events = [{"instance": f"cpu{i}", "at": 1795000000000 + i, "notice": i} for i in range(200)]
    assert host.deliver(*events, recipients=["bob@example.net"])["result"] == DELIVERED
    m, = server.wait()
    assert m.message["Subject"] == "200 at ops"
    (_, _), (_, html) = parts(m)
    order = re.findall(r"<li>(cpu\d+) CRITICAL -</li>", html)
    assert order == [f"cpu{i}" for i in reversed(range(200))]


def test_target_overrides_templates(host, serve):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port, subject="ours", html="<p>ours</p>"))
    host.deliver(recipients=["bob@example.net"],
                 overrides={"subject": "theirs ${instance|x}", "html": ""})
    m, = server.wait()
    assert m.message["Subject"] == "theirs x" and not m.message.is_multipart()


class Elements(html.parser.HTMLParser):
    """What a reader of HTML sees: elements with attributes, and all text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_no_text_leaves_its_place_in_html(host, serve):
    server, rng = serve(Smtpd), random.Random(20261201)
    host.handler("smtp", **plain(server.port, subject="${message}",
                                 html='<p title="${message}">${message}</p>'))
    pieces = HOSTILE + ["</p>", "<script>", "<!--", "-->", '"', "'", "&lt;", "&#60;", "${level}",
                        "--=_alternative--", "\n--=_alternative\n", "=_"]
    texts = ["".join(rng.sample(pieces, rng.randint(1, 4)))[:120] for _ in range(300)]
    texts = [t.encode()[:250].decode(errors="ignore") for t in texts]
    ids = [host.send({"message": t, "instance": str(i)}, recipients=["bob@example.net"],
                     overrides={"text": "${instance}\n${message}"}) for i, t in enumerate(texts)]
    assert {host.outcome(i)["result"] for i in ids} == {DELIVERED}
    for m in server.wait(len(texts)):
        assert not m.message.defects and not m.message["Subject"].defects
        (_, text), (_, page) = parts(m)
        number, told = text.rstrip("\n").split("\n")
        wanted = clean(texts[int(number)])
        assert told.rstrip() == wanted.rstrip()
        seen = Elements(page)
        assert [e[0] for e in seen.elements] == ["p"]
        keep = "".join(" " if (ord(c) < 32 and c not in "\n\t") or ord(c) == 127 else c
                       for c in texts[int(number)])
        assert seen.elements[0][1] == {"title": keep}
        assert seen.text.rstrip("\n") == keep.rstrip("\n")


# ---- threads ----

def threads(mails):
    assert all(m.message["References"] == m.message["In-Reply-To"] for m in mails)
    return [m.message["References"] for m in mails]


def test_mails_of_an_alert_are_one_thread(host, serve):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port))
    raised = 1795000000000
    told = [{"kind": 1, "level": 4, "instance": "cpu0", "since": raised},
            {"kind": 4, "level": 4, "instance": "cpu0", "since": raised},
            {"kind": 2, "level": 1, "instance": "cpu0", "since": raised},
            {"kind": 1, "level": 4, "instance": "cpu1", "since": raised},
            {"kind": 1, "level": 4, "instance": "cpu0", "since": raised + 1},
            {"kind": 9, "level": 0, "since": 0}]
    for n, event in enumerate(told):
        host.deliver(event, recipients=["bob@example.net"], uuid=f"0a0b0c0d-1111-4222-8333-{n:012}")
        server.wait(n + 1)
    first, reminder, recovery, other, again, test = threads(server.wait(6))
    assert first == reminder == recovery and test is None
    assert len({first, other, again}) == 3
    assert re.fullmatch(r"<[0-9a-f]{32}\.alert@example\.net>", first)
    assert len({m.message["Message-ID"] for m in server.mails}) == 6
    # the same from another process
    before, raw = host, server.mails[0].raw
    before.stop()
    after = Host(before.program)
    after.handler("smtp", **plain(server.port))
    after.deliver(told[0], recipients=["bob@example.net"],
                  uuid="0a0b0c0d-1111-4222-8333-000000000000")
    assert server.wait(7)[6].raw == raw
    assert after.stop() == 0


def test_a_digest_is_of_one_thread_or_none(host, serve):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port))
    one, two = ({"instance": i, "since": 1795000000000} for i in ("cpu0", "cpu1"))
    for events in ((one,), (one, {**one, "notice": 2}), (one, two)):
        host.deliver(*events, recipients=["bob@example.net"])
    alone, twice, mixed = threads(server.wait(3))
    assert alone == twice is not None and mixed is None


# ---- test mails ----

def test_a_changed_configuration_mails_its_test_address(host, serve):
    server = serve(Smtpd)
    values = plain(server.port, testAddress="alice@example.net", subject="${state}: ${message}")
    host.handler("smtp", **values)  # the daemon starts
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED
    host.handler("smtp", changed=True, **values)
    m = server.wait(2)[1]
    assert m.recipients == ["alice@example.net"]
    assert m.message["Subject"] == "TEST: the configuration of the mail handler smtp has changed"
    wait_for(lambda: "the test mail to alice@example.net is delivered" in host.output(),
             "the test mail's outcome in the log")
    # none besides: what is delivered now is the third
    host.handler("smtp", changed=True, **{**values, "testAddress": "carol@example.net"})
    assert server.wait(3)[2].recipients == ["carol@example.net"]
    host.handler("smtp", **values)
    del values["testAddress"]
    host.handler("smtp", changed=True, **values)
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED
    assert [m.recipients for m in server.wait(4)] == [
        ["bob@example.net"], ["alice@example.net"], ["carol@example.net"], ["bob@example.net"]]


def test_a_test_mail_that_fails_is_told(host):
    port = free_port()
    host.handler("smtp", changed=True, **plain(port, testAddress="alice@example.net"))
    wait_for(lambda: "the test mail to alice@example.net is not delivered: "
                     f"127.0.0.1:{port}: connect: Connection refused" in host.output(),
             "the test mail's outcome in the log")


# ---- recipients ----

def test_a_state_for_each_recipient(host, serve):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port))
    everyone = ["bob@example.net", "temp@example.net", "bad@example.net"]
    o = host.deliver(recipients=everyone)
    assert states(o) == dict(zip(everyone, (STATE_DELIVERED, STATE_PENDING, STATE_FAILED)))
    replies = {r["address"]: r["reply"] for r in o["recipients"]}
    assert replies["temp@example.net"] == "450 4.2.1 mailbox busy"
    assert replies["bad@example.net"] == "550 5.1.1 no such user"
    assert o["result"] == RETRY and o["confirmation"] == ACKNOWLEDGED
    assert o["error"] == f"127.0.0.1:{server.port}: temp@example.net: 450 4.2.1 mailbox busy"
    o = host.deliver(recipients=["bad@example.net"])
    assert (o["result"], o["confirmation"]) == (FAILED, NONE)
    o = host.deliver(recipients=["bad@example.net", "bob@example.net"])
    assert (o["result"], o["error"]) == (DELIVERED, "")


def test_no_recipients(host):
    host.handler("smtp", **plain(25))
    assert host.deliver(recipients=[])["result"] == FAILED


def test_jobs_of_one_turn_share_sessions(host, serve):
    server = serve(Smtpd)
    host.handler("smtp", **plain(server.port))
    ids = [host.send({"message": str(i)}, recipients=["bob@example.net"]) for i in range(120)]
    assert {host.outcome(i)["result"] for i in ids} == {DELIVERED}
    mails = server.wait(120)
    assert sorted(int(m.message["Subject"].split()[-1]) for m in mails) == list(range(120))
    assert server.sessions < 20


def test_a_dead_handler_delays_no_other(host, serve):
    dead, server = serve(FaultySmtpd, greeting=HANG), serve(Smtpd)
    host.handler("smtp", id=1, **plain(dead.port, timeout="20s"))
    host.handler("smtp", id=2, **plain(server.port))
    stuck = host.send(handler=1, recipients=["bob@example.net"])
    assert host.deliver(handler=2, recipients=["bob@example.net"], timeout=5)["result"] == DELIVERED
    host.tell(cancel=stuck)
    host.gone(1)


# ---- encryption and authentication ----

def tls(server, pki, **more):
    return plain(server.port, host="localhost", encryption="tls", caFile=pki.ca, **more)


def test_starttls(host, serve, pki):
    server = serve(Smtpd, tls=pki.context())
    host.handler("smtp", **tls(server, pki))
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED
    assert server.wait()[0].tls


def test_starttls_by_address(host, serve, pki):
    server = serve(Smtpd, tls=pki.context())
    host.handler("smtp", **{**tls(server, pki), "host": "127.0.0.1"})
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED


def test_tls_from_the_first_octet(host, serve, pki):
    server = serve(Smtpd, ssl=pki.context())
    host.handler("smtp", **{**tls(server, pki), "encryption": "ssl"})
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED
    plain_server = serve(Smtpd)
    host.handler("smtp", **{**tls(plain_server, pki), "encryption": "ssl"})
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == RETRY and "TLS" in o["error"] and not plain_server.mails


def demanding(serve, pki, how):
    """(A server that wants a certificate of our authority, the names it was asked for.)"""
    context, names = pki.context(), []
    server = serve(Smtpd, **{how: context})
    # now that it has tried itself
    context.load_verify_locations(pki.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    return server, names


@pytest.mark.parametrize("how", ["tls", "ssl"])
@pytest.mark.parametrize("separate", [True, False])
def test_client_certificate(host, serve, pki, tmp_path, how, separate):
    server, names = demanding(serve, pki, how)
    cert, key = pki.certificate("client", "DNS:client.example.net")
    files = {"certFile": cert, "keyFile": key}
    os.chmod(key, 0o640)
    if not separate:
        both = tmp_path / "both.pem"
        both.write_text(open(cert).read() + open(key).read())
        both.chmod(0o600)
        files = {"certFile": str(both)}
    host.handler("smtp", **{**tls(server, pki), "encryption": how, **files})
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED
    m, = server.wait()
    assert m.peer["subjectAltName"] == (("DNS", "client.example.net"),)
    assert names == ["localhost"]


def test_an_address_is_no_server_name(host, serve, pki):
    server, names = demanding(serve, pki, "ssl")
    cert, key = pki.certificate("client", "DNS:client.example.net")
    os.chmod(key, 0o600)
    host.handler("smtp", **{**tls(server, pki), "encryption": "ssl", "host": "127.0.0.1",
                            "certFile": cert, "keyFile": key})
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED
    assert names == [None]


class StrictTls:
    """Wants a client certificate, says so to who has none, and nothing else."""

    def __init__(self, pki, newest):
        self._context = pki.context()
        self._context.load_verify_locations(pki.ca)
        self._context.verify_mode, self._context.maximum_version = ssl.CERT_REQUIRED, newest
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                s, _ = self._listener.accept()
            except OSError:
                return
            try:
                with s, self._context.wrap_socket(s, server_side=True) as secured:
                    secured.recv(1)
            except OSError:
                pass

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.mark.parametrize("newest, words", [
    (ssl.TLSVersion.TLSv1_3, "alert certificate required"),
    (ssl.TLSVersion.TLSv1_2, "TLS handshake: sslv3 alert handshake failure")], ids=["1.3", "1.2"])
def test_no_client_certificate(host, serve, pki, newest, words):
    server = serve(StrictTls, pki, newest)
    host.handler("smtp", **{**tls(server, pki), "encryption": "ssl"})
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == RETRY and words in o["error"], o["error"]


def test_a_bad_client_certificate(host, serve, pki, tmp_path):
    server, _ = demanding(serve, pki, "tls")
    cert, key = pki.certificate("client", "DNS:client.example.net")
    _, other = pki.certificate("other", "DNS:other.example.net")
    locked = str(tmp_path / "locked.key")
    subprocess.run(["openssl", "rsa", "-aes128", "-passout", "pass:x", "-in", key, "-out", locked],
                   check=True, capture_output=True)
    for path in (cert, key, other, locked):
        os.chmod(path, 0o600)
    for n, (files, words) in enumerate([
            ({"certFile": cert, "keyFile": other}, "key values mismatch"),
            ({"certFile": cert, "keyFile": cert}, "cannot use the key in"),
            ({"certFile": cert, "keyFile": locked}, "cannot use the key in"),
            ({"certFile": str(tmp_path / "none"), "keyFile": key}, "cannot use"),
            ({"certFile": cert, "keyFile": str(tmp_path / "none")}, "No such file"),
            ({"certFile": cert, "keyFile": key}, "chmod o-rw")]):
        if "chmod" in words:
            os.chmod(key, 0o644)
        host.handler("smtp", id=n + 1, **tls(server, pki, **files))
        o = host.deliver(handler=n + 1, recipients=["bob@example.net"])
        assert o["result"] == RETRY and words in o["error"], o["error"]
    assert not server.mails


def test_overriding_the_server_drops_the_certificate(host, serve, pki):
    (ours, _), theirs = demanding(serve, pki, "ssl"), serve(StrictTls, pki, ssl.TLSVersion.TLSv1_3)
    cert, key = pki.certificate("client", "DNS:client.example.net")
    os.chmod(key, 0o600)
    host.handler("smtp", **{**tls(ours, pki), "encryption": "ssl", "certFile": cert,
                            "keyFile": key})
    o = host.deliver(recipients=["bob@example.net"], overrides={"port": str(theirs.port)})
    assert o["result"] == RETRY and "certificate required" in o["error"], o["error"]
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED


def test_ipv6(host, serve, pki):
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    server = serve(Smtpd, tls=pki.context("six", "IP:::1"), hostname="::1")
    host.handler("smtp", **{**tls(server, pki), "host": "::1"})
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED


def test_many_mails_over_tls(host, serve, pki):
    server = serve(Smtpd, tls=pki.context())
    host.handler("smtp", **tls(server, pki))
    events = [{"instance": f"i{n}", "message": "m" * 255, "description": "\u00e9" * 120, "notice": n}
              for n in range(200)]
    ids = [host.send(*events, recipients=["bob@example.net"]) for _ in range(12)]
    assert {host.outcome(i)["result"] for i in ids} == {DELIVERED}
    assert all(m.text.count("Instance:") == 200 for m in server.wait(12))


@pytest.mark.parametrize("alternative, trusted, why", [
    ("DNS:other.example.net", True, "ostname mismatch"), ("DNS:localhost", False, "certificate")])
def test_bad_certificate_is_refused(host, serve, pki, alternative, trusted, why):
    server = serve(Smtpd, tls=pki.context("other", alternative))
    values = tls(server, pki)
    if not trusted:
        del values["caFile"]
    host.handler("smtp", **values)
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == RETRY and why in o["error"] and not server.mails
    host.handler("smtp", **values, verify="false")
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED


def test_stripped_starttls_sends_nothing(host, serve, pki):
    server = serve(FaultySmtpd)
    host.handler("smtp", **tls(server, pki))
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == RETRY and "does not offer STARTTLS" in o["error"]
    assert server.commands[:1] == ["EHLO client.example.net"]
    assert not [c for c in server.commands if c.startswith(("MAIL", "AUTH"))]


def test_octets_behind_starttls_break_the_handshake(host, serve, pki):
    server = serve(FaultySmtpd, EHLO=b"250-x\r\n250 STARTTLS\r\n",
                   STARTTLS=b"220 go on\r\n250-injected\r\n250 AUTH PLAIN\r\n")
    host.handler("smtp", **tls(server, pki))
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == RETRY and "TLS handshake" in o["error"]


def auth(server, secret, **more):
    return plain(server.port, auth="password", username="alice", passwordFile=secret,
                 allowPlainAuth="true", **more)


def test_auth_over_tls(host, serve, pki, secret):
    server = serve(Smtpd, tls=pki.context(), users={"alice": PASSWORD})
    host.handler("smtp", **tls(server, pki, auth="password", username="alice",
                               passwordFile=secret))
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED
    assert server.wait()[0].authenticated


def test_auth_refused_sends_nothing(host, serve, secret):
    server = serve(FaultySmtpd, EHLO=b"250-x\r\n250 AUTH PLAIN LOGIN\r\n",
                   AUTH=b"535 5.7.8 wrong\r\n")
    host.handler("smtp", **auth(server, secret))
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == FAILED and "535 5.7.8 wrong" in o["error"]
    assert states(o) == {"bob@example.net": STATE_FAILED}
    assert not server.messages and not [c for c in server.commands if c.startswith("MAIL")]


def test_wrong_password_at_a_real_server(host, serve, secret):
    server = serve(Smtpd, users={"alice": "another"})
    host.handler("smtp", **auth(server, secret))
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == FAILED and "535" in o["error"] and not server.mails


def test_auth_temporarily_refused_is_retried(host, serve, secret):
    server = serve(FaultySmtpd, EHLO=b"250-x\r\n250 AUTH PLAIN\r\n", AUTH=b"454 4.7.0 later\r\n")
    host.handler("smtp", **auth(server, secret))
    assert host.deliver(recipients=["bob@example.net"])["result"] == RETRY
    assert not server.messages


def test_no_auth_offered_sends_nothing(host, serve, secret):
    server = serve(FaultySmtpd)
    host.handler("smtp", **auth(server, secret))
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == RETRY and "AUTH" in o["error"]
    assert not server.messages and not [c for c in server.commands if c.startswith("MAIL")]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_mechanism(host, serve, secret, mechanism):
    others = {"PLAIN", "LOGIN", "CRAM-MD5"} - {mechanism}
    server = serve(Smtpd, users={"alice": PASSWORD}, without=others)
    host.handler("smtp", **auth(server, secret))
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED
    assert server.wait()[0].authenticated


def test_password_file_must_be_private(host, serve, secret):
    server = serve(Smtpd, users={"alice": PASSWORD})
    host.handler("smtp", **auth(server, secret))
    os.chmod(secret, 0o644)
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == RETRY and "open to every user" in o["error"]
    os.chmod(secret, 0o600)  # read anew at every session
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED
    assert PASSWORD not in host.output()


def test_overriding_the_server_drops_the_password(host, serve, secret):
    server, other = serve(Smtpd, users={"alice": PASSWORD}), serve(FaultySmtpd)
    host.handler("smtp", **auth(server, secret))
    o = host.deliver(recipients=["bob@example.net"], overrides={"port": str(other.port)})
    assert o["result"] == FAILED and "password is not sent" in o["error"]
    assert not other.commands
    o = host.deliver(recipients=["bob@example.net"],
                     overrides={"port": str(other.port), "auth": "none"})
    assert o["result"] == DELIVERED
    assert other.messages and not [c for c in other.commands if c.startswith("AUTH")]


@pytest.mark.parametrize("change, word", [
    ({"auth": "password"}, "username"),
    ({"auth": "password", "username": "a"}, "passwordFile"),
    ({"auth": "password", "username": "a", "passwordFile": "/x"}, "allowPlainAuth"),
    ({"fromAddress": "not an address"}, "fromAddress"),
    ({"helo": "two words"}, "helo"),
    ({"testAddress": "not an address"}, "testAddress"),
    ({"keyFile": "/k"}, "keyFile is of no use without certFile"),
    ({"certFile": "/c"}, "certFile is of no use with encryption"),
    ({"certFile": "/c", "keyFile": "/k", "encryption": "ssl"}, ""),
    ({"auth": "password", "username": "a", "passwordFile": "/x", "allowPlainAuth": "true"}, ""),
    ({"helo": "[127.0.0.1]"}, "")])
def test_check(host, change, word):
    said = host.check("smtp", **plain(25, **change))
    assert word in said and bool(said) == bool(word)


# ---- faults ----

FAULTS = [
    ({"greeting": b"421 4.3.2 busy\r\n"}, RETRY, "421"),
    ({"greeting": b"554 5.3.2 no service\r\n"}, RETRY, "554"),
    ({"greeting": DROP}, RETRY, "hung up"),
    ({"greeting": HANG}, RETRY, "timed out"),
    ({"greeting": b"hello there\r\n"}, RETRY, ""),
    ({"greeting": b"\x00\xff" * 3000}, RETRY, ""),
    ({"EHLO": HANG}, RETRY, "timed out"),
    ({"EHLO": DROP}, RETRY, "hung up"),
    ({"EHLO": b"250-unfinished\r\n"}, RETRY, ""),
    ({"EHLO": b"250-" + b"x" * 60000 + b"\r\n"}, RETRY, ""),
    ({"MAIL": b"451 4.3.0 try later\r\n"}, RETRY, "451 4.3.0"),
    ({"MAIL": b"550 5.7.1 not you\r\n"}, FAILED, "550 5.7.1"),
    ({"MAIL": HANG}, RETRY, "timed out"),
    ({"MAIL": DROP}, RETRY, "hung up"),
    ({"RCPT": b"450 4.2.1 busy\r\n"}, RETRY, "450"),
    ({"RCPT": b"550 5.1.1 nobody\r\n"}, FAILED, "550"),
    ({"RCPT": DROP}, RETRY, "hung up"),
    ({"RCPT": b"banana\r\n"}, RETRY, ""),
    ({"DATA": b"451 4.3.0 later\r\n"}, RETRY, "451"),
    ({"DATA": b"554 5.6.0 never\r\n"}, FAILED, "554"),
    ({"DATA": b"250 no need\r\n"}, RETRY, ""),
    ({"body": DROP}, RETRY, ""),
    ({"body": HANG}, RETRY, "timed out"),
    ({"end": b"452 4.3.1 disk full\r\n"}, RETRY, "452"),
    ({"end": b"554 5.7.1 spam\r\n"}, FAILED, "554"),
    ({"end": DROP}, RETRY, ""),
    ({"end": HANG}, RETRY, "timed out"),
    ({"end": b"250x\r\n"}, RETRY, ""),
    ({"end": b"250-a\r\n550 b\r\n"}, RETRY, ""),
]


def fault_name(fault):
    (step, what), = fault.items()
    what = {id(HANG): "hang", id(DROP): "drop"}.get(id(what), repr(what)[:24])
    return f"{step}-{what}"


@pytest.mark.parametrize("fault, result, words", FAULTS, ids=[fault_name(f[0]) for f in FAULTS])
def test_fault(host, serve, fault, result, words):
    server = serve(FaultySmtpd, **fault)
    host.handler("smtp", **plain(server.port, timeout="500ms"))
    begin = time.monotonic()
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == result and o["confirmation"] == NONE
    assert words in o["error"] and f"127.0.0.1:{server.port}" in o["error"], o["error"]
    assert states(o) == {"bob@example.net": STATE_FAILED if result == FAILED else STATE_PENDING}
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("fault", [DROP, HANG], ids=["drop", "hang"])
def test_lost_after_the_final_dot(host, serve, fault):
    """Nobody can know whether it arrived: it is sent again, the same, and counted."""
    server = serve(FaultySmtpd, end=fault)
    host.handler("smtp", **plain(server.port, timeout="500ms"))
    o = host.deliver({"message": "x"}, recipients=["bob@example.net"])
    assert (o["result"], o["confirmation"]) == (RETRY, NONE)
    assert o["error"].endswith("; it may have arrived, and is sent again") and o["inDoubt"]
    assert states(o) == {"bob@example.net": STATE_PENDING}
    server.faults = {}
    o = host.deliver({"message": "x"}, recipients=["bob@example.net"])
    assert o["result"] == DELIVERED and not o["inDoubt"]
    first, second = server.messages
    assert first == second and b"\r\nMessage-ID: <11111111-2222-4333-8444-555555555555@" in first
    wait_for(lambda: "may arrive twice under its Message-ID: 1 since" in host.output(),
             "the count in the log")
    assert host.output().count("may arrive twice") == 1


def test_doubt_is_of_one_mail(host, serve):
    """Of several in a session, those behind it have not been sent."""
    server = serve(FaultySmtpd, end=DROP)
    host.handler("smtp", **plain(server.port))
    ids = [host.send({"message": str(i)}, recipients=["bob@example.net"]) for i in range(3)]
    outcomes = [host.outcome(i) for i in ids]
    errors = [o["error"] for o in outcomes]
    assert len(server.messages) == sum("may have arrived" in e for e in errors) >= 1
    assert all(o["inDoubt"] == ("may have arrived" in o["error"]) for o in outcomes)
    assert all("hung up" in e for e in errors)
    wait_for(lambda: host.output().count("may arrive twice") == len(server.messages),
             "each to be counted")


def test_lost_before_the_final_dot_is_no_doubt(host, serve):
    server = serve(FaultySmtpd, DATA=DROP)
    host.handler("smtp", **plain(server.port))
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == RETRY and "may have arrived" not in o["error"] and not o["inDoubt"]
    assert "may arrive twice" not in host.output()


def test_quit_unanswered_is_delivered_all_the_same(host, serve):
    server = serve(FaultySmtpd, QUIT=DROP)
    host.handler("smtp", **plain(server.port))
    assert host.deliver(recipients=["bob@example.net"])["result"] == DELIVERED


def test_deadline_of_the_session(host, serve):
    """A server that always says a little is cut off as well."""
    server = serve(FaultySmtpd, greeting=b"220-drip\r\n")
    host.handler("smtp", **plain(server.port, timeout="60s", deadline="1s"))
    begin = time.monotonic()
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == RETRY and time.monotonic() - begin < 5


def test_refused_connection(host):
    port = free_port()
    host.handler("smtp", **plain(port))
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == RETRY and "Connection refused" in o["error"]


def test_unanswered_connection(host):
    with socket.socket() as s:  # bound, never listens long enough: its backlog is full
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        fill = [socket.socket() for _ in range(3)]
        for f in fill:
            f.setblocking(False)
            f.connect_ex(s.getsockname())
        host.handler("smtp", **plain(s.getsockname()[1], connectTimeout="300ms"))
        o = host.deliver(recipients=["bob@example.net"])
        assert o["result"] == RETRY and "connect: timed out" in o["error"]
        for f in fill:
            f.close()


def test_unknown_name(host):
    host.handler("smtp", **plain(25, host="nowhere.invalid"))
    o = host.deliver(recipients=["bob@example.net"])
    assert o["result"] == RETRY and "nowhere.invalid:25: cannot resolve" in o["error"]


# ---- validating: as far as MAIL, and nothing sent ----

BOB = ["bob@example.net"]


def test_validate_says_goodbye_and_sends_nothing(host, serve):
    server = serve(FaultySmtpd)
    host.handler("smtp", **plain(server.port))
    assert host.validate(recipients=BOB) == \
        (True, f"127.0.0.1:{server.port}: connected without TLS")
    wait_for(lambda: server.commands[-1:] == ["QUIT"], "QUIT")
    assert server.commands == ["EHLO client.example.net", "QUIT"]


def test_validate_authenticates(host, serve, pki, secret):
    server = serve(Smtpd, tls=pki.context(), users={"alice": PASSWORD})
    host.handler("smtp", **tls(server, pki, auth="password", username="alice",
                               passwordFile=secret))
    assert host.validate(recipients=BOB) == \
        (True, f"localhost:{server.port}: connected with STARTTLS and a good certificate, "
               "authenticated as alice")
    host.handler("smtp", **tls(server, pki, auth="password", username="alice",
                               passwordFile=secret, verify="false"))
    good, message = host.validate(recipients=BOB)
    assert good and "the certificate unseen" in message
    assert not server.mails and PASSWORD not in host.output()


def test_validate_wrong_password(host, serve, secret):
    server = serve(Smtpd, users={"alice": "another"})
    host.handler("smtp", **auth(server, secret))
    good, message = host.validate(recipients=BOB)
    assert not good and f"127.0.0.1:{server.port}: authentication refused: 535" in message
    os.chmod(secret, 0o644)
    good, message = host.validate(recipients=BOB)
    assert not good and "open to every user" in message


@pytest.mark.parametrize("alternative, trusted, why", [
    ("DNS:other.example.net", True, "ostname mismatch"), ("DNS:localhost", False, "certificate")])
def test_validate_bad_certificate(host, serve, pki, alternative, trusted, why):
    server = serve(Smtpd, tls=pki.context("other", alternative))
    values = tls(server, pki)
    if not trusted:
        del values["caFile"]
    host.handler("smtp", **values)
    good, message = host.validate(recipients=BOB)
    assert not good and why in message and message.startswith(f"localhost:{server.port}: ")


def test_validate_where_nobody_is(host, serve):
    port = free_port()
    host.handler("smtp", **plain(port))
    good, message = host.validate(recipients=BOB)
    assert not good and f"127.0.0.1:{port}: " in message and "Connection refused" in message
    host.handler("smtp", **plain(25, host="nowhere.invalid"))
    good, message = host.validate(recipients=BOB)
    assert not good and "nowhere.invalid:25: cannot resolve" in message
    good, message = host.validate(recipients=["bob"])
    assert not good and "mail address" in message


VALIDATE_FAULTS = [
    ({"greeting": b"421 4.3.2 busy\r\n"}, "421 4.3.2 busy"),
    ({"greeting": b"554 5.3.2 no service\r\n"}, "554 5.3.2 no service"),
    ({"greeting": DROP}, "hung up"),
    ({"greeting": HANG}, "timed out"),
    ({"greeting": b"\x00\xff" * 3000}, ""),
    ({"EHLO": HANG}, "EHLO: timed out"),
    ({"EHLO": DROP}, "EHLO: the server hung up"),
]


@pytest.mark.parametrize("fault, words", VALIDATE_FAULTS,
                         ids=[fault_name(f[0]) for f in VALIDATE_FAULTS])
def test_validate_fault(host, serve, fault, words):
    server = serve(FaultySmtpd, **fault)
    host.handler("smtp", **plain(server.port, timeout="500ms"))
    good, message = host.validate(recipients=BOB, timeout=5)
    assert not good and words in message and f"127.0.0.1:{server.port}: " in message, message


@pytest.mark.parametrize("fault", [DROP, HANG, b"\xff\xff\r\n"], ids=["drop", "hang", "garbage"])
def test_validate_whatever_the_server_says_to_quit(host, serve, fault):
    server = serve(FaultySmtpd, QUIT=fault)
    host.handler("smtp", **plain(server.port))
    assert host.validate(recipients=BOB, timeout=5)[0]


def test_validate_waits_for_no_mail(host, serve):
    """What is wrong is told while all sessions of the handler hang."""
    server = serve(FaultySmtpd, DATA=HANG)
    host.handler("smtp", **plain(server.port, timeout="20s"))
    for n in range(300):  # more than six sessions take, and four may run
        host.send({"notice": n + 1}, recipients=BOB)
    wait_for(lambda: server.commands.count("DATA") == 4, "four sessions that hang")
    assert host.validate(recipients=BOB, timeout=5)[0]


def test_validate_of_a_handler_that_goes(host, serve):
    server = serve(FaultySmtpd, EHLO=HANG)
    host.handler("smtp", **plain(server.port, timeout="60s"))
    host.tell(validate={"id": 7, "events": [{}], "recipients": BOB})
    wait_for(lambda: server.commands, "EHLO")
    host.gone()
    a = host.outcome(7, timeout=15)
    assert not a["good"] and "closed" in a["message"]


# ---- handlers come and go ----

def test_unknown_handler(host):
    o = host.deliver(handler=9, recipients=["bob@example.net"])
    assert o["result"] == RETRY and "no such handler" in o["error"]


def test_replaced_handler_finishes_what_it_has(host, serve):
    first, second = serve(Smtpd), serve(Smtpd)
    host.handler("smtp", **plain(first.port))
    one = host.send(recipients=["bob@example.net"])
    host.handler("smtp", **plain(second.port))
    two = host.send(recipients=["bob@example.net"])
    assert host.outcome(one)["result"] == host.outcome(two)["result"] == DELIVERED
    assert len(first.mails) == len(second.mails) == 1


def test_removed_handler_answers_within_its_drain(host, serve):
    server = serve(FaultySmtpd, EHLO=HANG)
    host.handler("smtp", **plain(server.port, timeout="60s"))
    ids = [host.send(recipients=["bob@example.net"]) for _ in range(3)]
    host.gone()
    for i in ids:
        o = host.outcome(i, timeout=15)
        assert o["result"] == RETRY and "closed" in o["error"]


def test_cancel_before_it_is_sent(host, serve):
    server = serve(FaultySmtpd, EHLO=HANG)
    host.handler("smtp", **plain(server.port, timeout="3s"))
    ids = [host.send(recipients=["bob@example.net"], overrides={"host": name, "verify": verify})
           for name in ("127.0.0.1", "localhost") for verify in ("true", "false")]
    wait_for(lambda: len(server.commands) == 4, "four sessions, as many as a handler has")
    waits = host.send(recipients=["bob@example.net"])
    host.tell(cancel=waits)
    o = host.outcome(waits, timeout=2)
    assert o["result"] == RETRY and o["error"] == "cancelled"
    assert {host.outcome(i)["result"] for i in ids} == {RETRY}
