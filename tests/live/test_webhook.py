"""Webhooks of the whole daemon, confined as in use: from polled value to request, retried, in order,
and with secrets that stay where they belong."""

import functools
import time
from email.utils import formatdate

import pytest

from lib.mainjob import TRAPS, apps_run, definition, notices, sites, traps, wait_notice, wait_trap
from lib.smtpd import Pki
from lib.site import build_folder
from lib.snmp import SetRefused
from lib.usm import manual_blocks
from lib.wait import wait_for
from lib.web import Hook, reply
from test_overrides import refusal

make_site = pytest.fixture(sites, name="make_site")
TARGET = '<target name="desk" handler="hook" global="true"/>'


@pytest.fixture
def serve(serve):
    return functools.partial(serve, Hook)


def webhook(server, more="", within="", host=None):
    return f'<webhook name="hook" url="{server.url("/hook", host=host)}" {more}>{within}</webhook>'


def test_raised_and_cleared(make_site, serve, tmp_path):
    """By name and TLS, with a secret: everything that the filter of system calls must allow."""
    pki = Pki(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("Bearer t0ken\n")
    secret.chmod(0o600)
    server = serve(pki.context())
    site = make_site(definition("busy") + TARGET, apps=7, handlers=webhook(
        server, f'caFile="{pki.ca}"', f'<header name="Authorization" valueFile="{secret}"/>',
        host="localhost"))
    apps_run(site, 7)
    raised, = server.wait()
    apps_run(site, 2)
    cleared = server.wait(2)[1]
    told = wait_for(lambda: [n for n in notices(site, Target="desk", State="delivered")
                             if "Confirmation" in n][1:], "two delivered notices")
    assert told[0]["Confirmation"] == "acknowledged" and told[0]["LastError"] == ""
    uuids = [n["Uuid"] for n in notices(site, Target="desk")]
    for r, kind, level, uuid in ((raised, "raise", "CRITICAL", uuids[0]),
                                 (cleared, "clear", "OK", uuids[1])):
        n, = r.json["notices"]
        assert (n["kind"], n["level"], n["definition"], n["uuid"]) == (kind, level, "busy", uuid)
        assert r.json["target"] == "desk" and r.header("Idempotency-Key") == f'"{uuid}"'
        assert r.header("Authorization") == "Bearer t0ken"
    assert "t0ken" not in site.daemon.process.output()


def test_retried_in_order_until_it_is_taken(make_site, serve):
    """503 at first: the recovery waits behind the problem, others do not; the same UUID comes again."""
    server = serve(answer=reply(503, b"under maintenance"))
    site = make_site(definition("busy") + TARGET + TRAPS, apps=7, handlers=webhook(server))
    server.wait()
    wait_trap(site, "saAlertRaised")
    apps_run(site, 2)
    wait_trap(site, "saAlertCleared")
    waiting = wait_notice(site, Target="desk", State="pending",
                          LastError=f"127.0.0.1:{server.port}: HTTP status 503: under maintenance")
    assert int(waiting["Attempts"]) >= 1
    response = f'saNoticeResponse."admin".{waiting["id"]}'
    assert site.manager.get(response) == "under maintenance"
    server.answer = reply(201, b'{"ticket": 17}')
    wait_for(lambda: len(notices(site, Target="desk", State="delivered")) == 2,
             "both to be delivered", 30)
    assert site.manager.get(response) == '{"ticket": 17}'
    kinds = [r.json["notices"][0]["kind"] for r in server.seen]
    assert kinds[-2:] == ["raise", "clear"] and set(kinds[:-1]) == {"raise"}
    assert len({r.header("Idempotency-Key") for r in server.seen[:-1]}) == 1
    assert [len(traps(site, k)) for k in ("saAlertRaised", "saAlertCleared")] == [1, 1]


class Busy:
    """Answers 503 with RETRY_AFTER() once, then 200. `times` of what came (monotonic)."""

    def __init__(self, retry_after):
        self.retry_after, self.times = retry_after, []

    def __call__(self, peer, request):
        self.times.append(time.monotonic())
        if len(self.times) > 1:
            return reply()(peer, request)
        return reply(503, b"busy", [("Retry-After", self.retry_after())])(peer, request)

    def pause(self):
        return self.times[1] - self.times[0]


def test_a_server_has_the_pause_that_it_asks_for(make_site, serve):
    """Seconds or a date beyond the usual 4 to 6 seconds; less than these, or nonsense, changes nothing."""
    busy = {"seconds": Busy(lambda: "8"), "date": Busy(lambda: formatdate(time.time() + 9, usegmt=True)),
            "less": Busy(lambda: "1"), "nonsense": Busy(lambda: "600 or so")}
    site = make_site(definition("busy") + "".join(
        f'<target name="{n}" handler="{n}" global="true"/>' for n in busy), apps=7, handlers="".join(
            f'<webhook name="{n}" url="{serve(answer=b).url()}"/>' for n, b in busy.items()))
    wait_for(lambda: len(notices(site, State="delivered")) == 4, "all to be delivered", 40)
    assert all(len(b.times) == 2 for b in busy.values())
    assert busy["seconds"].pause() >= 7.9 and busy["date"].pause() >= 7.9  # whole seconds of it
    assert all(busy[n].pause() >= 3.9 for n in ("less", "nonsense"))


def test_a_refused_notice_has_failed_with_the_servers_words(make_site, serve):
    server = serve(answer=reply(422, "kein Zugang f\u00fcr 'busy'".encode()))
    site = make_site(definition("busy") + TARGET, apps=7, handlers=webhook(server))
    failed = wait_notice(site, Target="desk", State="failed")
    assert failed["LastError"].endswith("HTTP status 422: kein Zugang f\u00fcr 'busy'")
    assert len(server.seen) == 1


def prop(column, name):
    return f'saHandlerProperty{column}."admin"."hook"."{name}"'


def test_a_manager_cannot_have_the_secrets_sent_elsewhere(make_site, serve, tmp_path):
    """An attack: whoever may SET the handler's URL points it to a server of their own."""
    for name in ("secret", "password"):
        (tmp_path / name).write_text(f"s3cret-{name}\n")
        (tmp_path / name).chmod(0o600)
    own, other = serve(), serve()
    site = make_site(definition("busy") + TARGET, apps=7, handlers=webhook(
        own, f'username="u" passwordFile="{tmp_path}/password"',
        f'<header name="X-Api-Key" valueFile="{tmp_path}/secret"/><header name="X-Plain" value="1"/>'))
    first, = own.wait()
    assert first.header("X-Api-Key") == "s3cret-secret" and first.header("Authorization")
    site.manager.set((prop("Value", "url"), "s", other.url("/stolen")))
    apps_run(site, 2)
    other.wait()
    with pytest.raises(SetRefused):
        site.manager.set((prop("Value", "passwordFile"), "s", f"{tmp_path}/secret"))
    # What the file says may be said again: it does not bring the secret back.
    site.manager.set((prop("Value", "passwordFile"), "s", f"{tmp_path}/password"))
    apps_run(site, 7)
    for stolen in other.wait(2):
        assert stolen.header("X-Api-Key") is None and stolen.header("X-Plain") == "1"
        assert stolen.header("Authorization") in (None, "Basic dTo=")  # "u:"
    site.manager.set(('saHandlerRevert."admin"."hook"', "i", "run"))
    wait_for(lambda: site.manager.get(prop("Value", "url")) == own.url("/hook"), "the file's url")
    apps_run(site, 2)
    assert own.wait(2)[1].header("X-Api-Key") == "s3cret-secret"


def test_a_target_goes_elsewhere_without_the_secrets(make_site, serve, tmp_path):
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "secret").chmod(0o600)
    own, other = serve(), serve()
    site = make_site(
        definition("busy") + TARGET + '<target name="mine" handler="hook" global="true"/>'
        f'<targetProperty target="mine" name="url" value="{other.url("/mine")}"/>', apps=7,
        handlers=webhook(own, within=f'<header name="X-Api-Key" valueFile="{tmp_path}/secret"/>'))
    assert own.wait()[0].header("X-Api-Key") == "s3cret"
    assert other.wait()[0].header("X-Api-Key") is None
    assert other.seen[0].json["target"] == "mine"
    assert wait_notice(site, Target="mine", State="delivered")


WORST = """
    var n = _topic['cluster.metrics'].numAppsRunning;
    ({level: n > 5, value: '"' + n + '\\\\',
      message: '"}],\\u0001\\n\\u2028\\u2029\\ud800|\\udc00${level}' + Array(1024).join('\\u00fc')})"""


def test_bodies_by_template(make_site, serve):
    """Of the handler from lines in the file, of a target by SET, which is refused where it makes no
    JSON; what a condition says is never more than its place."""
    own, other = serve(), serve()
    site = make_site(definition("busy", WORST) + TARGET + """
        <target name="mine" handler="chat" global="true"/>""", handlers=webhook(
            own, within='<body><![CDATA[\n{"text": "${message}",\n "v": ${value}, "#": ${sequence}}\n'
            ']]></body>') + f'<webhook name="chat" url="{other.url("/chat")}" text="[${{state}}]"/>')
    target = 'saTargetProperty{}."admin"."mine"."body"'
    error, words = refusal(site, (target.format("Value"), "s", '{"text": "${message}}'),
                           (target.format("Status"), "i", "createAndGo"))
    assert error == "wrongValue" and "it makes no JSON document" in words
    error, words = refusal(site, (prop("Value", "body"), "s", '{"text": ${mesage}}'))
    assert error == "wrongValue"
    assert "column 12: unknown name 'mesage'; did you mean 'message'?" in words
    site.manager.set((target.format("Value"), "s", "[${message}]"),
                     (target.format("Status"), "i", "createAndGo"))
    apps_run(site, 7)
    r, = own.wait()
    text = r.json["text"]
    assert r.json == {"text": text, "v": '"7\\', "#": 1}
    assert text.startswith('"}],') and "\u2028\u2029" in text and "${level}\u00fc" in text
    text.encode()  # no half of a surrogate
    assert len(text.encode()) in (254, 255)
    r, = other.wait()
    assert r.json == [text] and r.header("Content-Type") == "application/json"
    site.manager.set((target.format("Status"), "i", "destroy"))
    wait_notice(site, Target="mine", State="delivered")
    apps_run(site, 2)
    cleared = other.wait(2)[1]
    assert cleared.body == b"[OK]" and cleared.header("Content-Type") == "text/plain; charset=utf-8"


def test_the_chat_of_the_manual(make_site, serve, tmp_path):
    """Its handler as it stands there, but for the place of the secret."""
    server = serve()
    _, chat = manual_blocks(build_folder() / "man/snmpalertd.8", "WEBHOOKS")
    (tmp_path / "chat.url").write_text(server.url("/secret") + "\n")
    (tmp_path / "chat.url").chmod(0o600)
    site = make_site(definition("busy") + definition("full", severity="warning", url="https://example.net/")
                     + """<target name="desk" handler="chat" global="true" digestMillis="1s"/>""", apps=7,
        handlers=chat.replace("/etc/snmpalertd", str(tmp_path)))
    r, = server.wait()
    wait_notice(site, State="delivered")
    assert r.path == "/secret" and r.header("Content-Type") == "application/json"
    assert r.json["text"] == "2 of desk, the worst *CRITICAL*: busy is critical"
    assert r.json["icon"] == "CRITICAL"
    alerts = {a["name"].split(" ")[0]: (a["text"], a["link"]) for a in r.json["alerts"]}
    assert alerts == {"admin/busy": ("busy is critical", None),
                      "admin/full": ("full is warning", "https://example.net/")}
    assert all(abs(a["since"] / 1000 - time.time()) < 60 for a in r.json["alerts"])
