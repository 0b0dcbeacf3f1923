"""The webhook handler against web servers of the tests: one that answers, one that fails in every
way."""

import base64
import functools
import os
import shutil
import socket
import ssl
import time
import urllib.parse

import pytest

from lib.dispatchhost import ACKNOWLEDGED, DELIVERED, FAILED, NONE, RETRY, Host
from lib.net import free_port
from lib.smtpd import Pki
from lib.wait import wait_for
from lib.web import Hook, reply, say

UUID = "0a0b0c0d-1111-4222-8333-444455556666"
TOKEN = "Bearer t0ken-of-alice"
PASSWORD = "pa\u00e4ss:w0rd"


@pytest.fixture
def serve(serve):
    return functools.partial(serve, Hook)


@pytest.fixture
def secret(tmp_path):
    def write(content, name="secret", mode=0o640):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode() + b"\nmore\n")
        path.chmod(mode)
        return str(path)
    return write


def header(name, value=None, file=None):
    return {"element": "header", "name": name,
            **({"value": value} if value is not None else {}),
            **({"valueFile": file} if file else {})}


def where(server):
    return f"127.0.0.1:{server.port}: "


# ---- the request ----

def test_request(host, serve):
    server = serve()
    host.handler("webhook", url=server.url("/hook?a=%C3%BC&b"))
    event = {"definition": "hot", "instance": "cpu0", "message": "too \"hot\": 93 \u00b0C\n", "value": "93",
             "description": "\u2028 </script> \U0001f525", "service": "lab", "at": 1795000000000,
             "since": 1794996275000, "sequence": 12, "uuid": UUID}
    o = host.deliver(event, uuid=UUID, created=1795000001000)
    assert (o["result"], o["confirmation"], o["error"]) == (DELIVERED, ACKNOWLEDGED, "")
    r, = server.wait()
    assert (r.method, r.path, r.version) == ("POST", "/hook?a=%C3%BC&b", "HTTP/1.1")
    assert dict(r.headers) == {
        "Host": f"127.0.0.1:{server.port}", "User-Agent": "snmpalertd", "Accept": "*/*",
        "Idempotency-Key": f'"{UUID}"', "Content-Type": "application/json",
        "Content-Length": str(len(r.body))}
    d = r.json
    assert (d["version"], d["uuid"], d["owner"], d["target"]) == (1, UUID, "alice", "ops")
    n, = d["notices"]
    for key in ("definition", "instance", "message", "value", "description", "service", "sequence"):
        assert n[key] == event[key]
    assert (n["level"], n["previousLevel"], n["kind"]) == ("CRITICAL", "OK", "raise")
    assert n["at"] == "2026-11-18T11:06:40.000Z"


def test_put(host, serve):
    server = serve()
    host.handler("webhook", url=server.url("/hook"), method="PUT")
    assert host.deliver()["result"] == DELIVERED
    assert host.deliver(overrides={"method": "POST"})["result"] == DELIVERED
    assert [r.method for r in server.wait(2)] == ["PUT", "POST"]
    assert server.seen[0].json == server.seen[1].json


def test_digest_is_one_request(host, serve):
    server = serve()
    host.handler("webhook", url=server.url())
    events = [{"instance": f"cpu{i}", "notice": i} for i in range(200)]
    assert host.deliver(*events, uuid=UUID)["result"] == DELIVERED
    r, = server.wait()
    assert [n["instance"] for n in r.json["notices"]] == [e["instance"] for e in events]
    assert r.header("Idempotency-Key") == f'"{UUID}"'


def test_a_repeated_attempt_is_the_same_request(host, serve):
    server = serve(answer=reply(503))
    host.handler("webhook", url=server.url())
    for _ in range(2):
        assert host.deliver({"message": "x"}, uuid=UUID)["result"] == RETRY
    first, second = server.wait(2)
    assert first.body == second.body and first.headers == second.headers


HOSTILE = ["a\r\nX-Evil: 1\r\n\r\n{}", "\"}],\"x\":[{", "\\", "\\u0000", "\u0001\u001f\u007f", "\u00e9" * 127,
           "\U0001f525" * 63, "\u2028\u2029", "x" * 255, "'\"`${}<>&%"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_leaves_its_place(host, serve, text):
    server = serve()
    host.handler("webhook", url=server.url())
    keys = ("instance", "message", "value", "description", "url", "service", "definition")
    event = {k: text if k not in ("service", "definition") else text.encode()[:32].decode(
        "utf-8", "ignore") for k in keys}
    assert host.deliver(event)["result"] == DELIVERED
    r, = server.wait()
    assert {k: r.json["notices"][0][k] for k in keys} == event
    assert r.header("X-Evil") is None and len(r.headers) == 6


# ---- bodies by template ----

CHAT = """
{"text": "[${level}] ${message|nothing said}", "number": ${sequence}, "since": ${sinceMillis},
 "value": ${value}, "of": "${owner}/${definition}", "costs": "5 $$", "link": ${url}}"""


def test_body_by_template(host, serve):
    server = serve()
    host.handler("webhook", url=server.url(), body=CHAT)
    for event in ({"message": 'say "hi"\\\n', "definition": "hot", "sequence": 7, "since": 1794996275000,
                   "value": "93", "url": "https://example.net/?a=b&c"}, {"message": ""}):
        assert host.deliver(event)["result"] == DELIVERED
    full, empty = server.wait(2)
    assert full.json == {"text": '[CRITICAL] say "hi"\\\n', "number": 7, "since": 1794996275000,
                         "value": "93", "of": "alice/hot", "costs": "5 $",
                         "link": "https://example.net/?a=b&c"}
    assert empty.json["text"] == "[CRITICAL] nothing said" and empty.json["value"] is None
    assert full.header("Content-Type") == empty.header("Content-Type") == "application/json"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_leaves_its_place_in_a_template(host, serve, text):
    """Each as part of a string and as a value of its own, as a line of a text, and as a field."""
    server = serve()
    names = ("instance", "message", "value", "description", "url")
    inner = ", ".join(f'"{n}": "<${{{n}}}>", "{n} alone": ${{{n}}}' for n in names)
    host.handler("webhook", url=server.url(), body="{" + inner + "}")
    host.handler("webhook", id=2, url=server.url(), text="|".join(f"${{{n}}}" for n in names))
    event = {n: text for n in names}
    assert host.deliver(event)["result"] == DELIVERED
    host.handler("webhook", id=3, url=server.url(), form="&".join(f"{n}=${{{n}}}" for n in names))
    for more in (2, 3):
        assert host.deliver(event, handler=more)["result"] == DELIVERED
    as_json, as_text, as_form = server.wait(3)
    assert as_json.json == {f"{n}{how}": text if how else f"<{text}>"
                            for n in names for how in ("", " alone")}
    line = as_text.body.decode()
    assert len(line.splitlines()) <= 1 or "\u2028" in text
    assert len(line.split("|")) == 5 and line.isascii() == text.isascii()
    assert urllib.parse.parse_qsl(as_form.body.decode("ascii"), strict_parsing=True) == list(
        event.items())
    assert all(r.header("X-Evil") is None and len(r.headers) == 6 for r in (as_json, as_text, as_form))


@pytest.mark.parametrize("values, of_target, body, content_type", [
    ({"text": "${message}"}, {}, b"hot", "text/plain; charset=utf-8"),
    ({"text": "${message}", "contentType": "text/plain; charset=UTF-8"}, {}, b"hot",
     "text/plain; charset=UTF-8"),
    ({"body": "[${message}]", "contentType": "application/vnd.example+json"}, {}, b'["hot"]',
     "application/vnd.example+json"),
    ({"body": "[${message}]"}, {"body": "{}"}, b"{}", "application/json"),
    ({"text": "${message}"}, {"body": "[${level}]"}, b'["CRITICAL"]', "application/json"),
    ({"body": "[${message}]", "contentType": "application/vnd.example+json"},
     {"text": "so: ${message}"}, b"so: hot", "text/plain; charset=utf-8"),
    ({"contentType": "application/vnd.example+json"}, {"text": "x"}, b"x", "text/plain; charset=utf-8"),
    ({"text": "${message}"}, {"body": ""}, None, "application/json"),
    ({"form": "to=bob&${level}=${message}"}, {}, b"to=bob&CRITICAL=hot", "application/x-www-form-urlencoded"),
    ({"contentType": "text/plain", "text": "x"}, {"form": "m=${message}"}, b"m=hot",
     "application/x-www-form-urlencoded"),
    ({"body": "[]", "contentType": "application/a+json"}, {"body": "", "method": "PUT"}, None,
     "application/a+json"),
    ({"contentType": "application/vnd.example+json; v=1"}, {}, None,
     "application/vnd.example+json; v=1")])
def test_what_a_body_is_called(host, serve, values, of_target, body, content_type):
    """BODY None: the document. What a target says counts before all that the handler says."""
    server = serve()
    host.handler("webhook", url=server.url(), **values)
    assert host.deliver({"message": "hot"}, overrides=of_target)["result"] == DELIVERED
    r, = server.wait()
    assert r.header("Content-Type") == content_type
    if body is None:
        assert r.json["notices"][0]["message"] == "hot"
    else:
        assert r.body == body


def test_a_digest_by_template(host, serve):
    """All events, however much escaping makes of them, and outside of their section the worst."""
    server = serve()
    host.handler("webhook", url=server.url(), body="""{"n": ${count}, "worst": ${instance}, "all":
        [${#events|,}{"i": "${instance}", "m": ${message}, "d": ${digest}}${/events}]}""")
    events = [{"instance": f"cpu{i}", "notice": i, "level": 2 + (i == 70), "message": "\u0001" * 255,
               "at": 1795000000000 - i} for i in range(200)]
    assert host.deliver(*events, uuid=UUID)["result"] == DELIVERED
    r, = server.wait()
    assert (r.json["n"], r.json["worst"]) == (200, "cpu70")
    assert [e["i"] for e in r.json["all"]] == [f"cpu{i}" for i in range(200)]
    assert {e["d"] for e in r.json["all"]} == {UUID}


# ---- connections and recipients ----

def test_connections_are_kept(host, serve):
    server = serve()
    host.handler("webhook", url=server.url())
    for _ in range(20):
        assert host.deliver()["result"] == DELIVERED
    assert server.connections == 1


def test_recipients_are_refused(host, serve):
    server = serve()
    host.handler("webhook", url=server.url())
    o = host.deliver(recipients=["https://hooks.example.net/"])
    assert o["result"] == FAILED and "no recipients" in o["error"]
    assert not server.seen


# ---- headers and secrets ----

def test_headers(host, serve, secret):
    server = serve()
    host.handler("webhook", url=server.url(), elements=[
        header("X-Tenant", "alice \u00fc"), header("Authorization", file=secret(TOKEN)),
        header("User-Agent", "x/1")])
    assert host.deliver()["result"] == DELIVERED
    r, = server.wait()
    assert r.header("X-Tenant").encode("latin-1").decode() == "alice \u00fc"
    assert r.header("Authorization") == TOKEN
    assert r.header("User-Agent") == "x/1"


def test_a_changed_secret_is_noticed(host, serve, secret):
    server = serve()
    host.handler("webhook", url=server.url(),
                 elements=[header("Authorization", file=secret("Bearer old"))])
    host.deliver()
    secret("Bearer new")
    host.deliver()
    assert [r.header("Authorization") for r in server.wait(2)] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("content, mode, words", [
    (TOKEN, 0o644, "everybody may read"), (b"", 0o600, "first line is empty"),
    (b"a\x01b\n", 0o600, "cannot be the value of a header"), (b"a\rX-Evil: 1\n", 0o600, "cannot be"),
    (b"   \n", 0o600, "cannot be"), (None, 0, "No such file")])
def test_bad_secret_files(host, serve, secret, tmp_path, content, mode, words):
    server = serve()
    path = secret(content, mode=mode) if content is not None else str(tmp_path / "absent")
    host.handler("webhook", url=server.url(), elements=[header("Authorization", file=path)])
    o = host.deliver()
    assert o["result"] in (RETRY, FAILED) and words in o["error"] and path in o["error"]
    assert not server.seen
    host.stop()
    assert TOKEN not in host.output() + str(o)


def test_basic_authentication(host, serve, secret):
    server = serve()
    host.handler("webhook", url=server.url(), username="u", passwordFile=secret(PASSWORD))
    assert host.deliver()["result"] == DELIVERED
    kind, _, credentials = server.wait()[0].header("Authorization").partition(" ")
    assert kind == "Basic" and base64.b64decode(credentials).decode() == f"u:{PASSWORD}"


def test_url_from_a_file(host, serve, secret):
    """The URL is the secret: no error shows more of it than host and port."""
    server = serve()
    server.answer = lambda peer, r: reply(404, b"no_team")(peer, r) and False
    host.handler("webhook", urlFile=secret(server.url("/services/T0/B0/s3cret")))
    o = host.deliver()
    assert o["error"] == where(server) + "HTTP status 404: no_team"
    assert server.wait()[0].path == "/services/T0/B0/s3cret"
    server.close()
    o = host.deliver()
    assert o["result"] == RETRY
    host.stop()
    assert "s3cret" not in host.output() + o["error"]


@pytest.mark.parametrize("overrides", ["url", "verify"])
def test_the_handlers_secrets_go_nowhere_else(host, serve, secret, pki, overrides):
    """An attack: a target sends the handler's requests to a server of its own, or has it talk to
    whoever stands between."""
    own, other = serve(pki.context()), serve(pki.context())
    for server in (own, other):
        server.context.load_verify_locations(pki.ca)
        server.context.verify_mode = ssl.CERT_OPTIONAL
    cert, key = pki.certificate("client", "DNS:client")
    os.chmod(key, 0o600)
    host.handler("webhook", url=own.url(host="localhost"), caFile=pki.ca, username="u",
                 passwordFile=secret(PASSWORD, "pw"), certFile=cert, keyFile=key,
                 elements=[header("X-Api-Key", file=secret("s3cret")), header("X-Plain", "1")])
    assert host.deliver()["result"] == DELIVERED
    first, = own.wait()
    assert first.header("X-Api-Key") == "s3cret" and first.header("Authorization")
    assert first.certificate
    target = other if overrides == "url" else own
    value = other.url(host="localhost") if overrides == "url" else "false"
    target.answer = reply(401)
    o = host.deliver(overrides={overrides: value})
    assert o["result"] == FAILED and "not sent there" in o["error"]
    stolen = target.wait(1 if target is other else 2)[-1]
    assert stolen.header("X-Api-Key") is None and stolen.header("Authorization") is None
    assert stolen.header("X-Plain") == "1" and not stolen.certificate
    host.stop()
    assert "s3cret" not in str(stolen.headers) + host.output() + o["error"]


def test_a_urlFile_is_not_for_a_target_that_changes_the_way(host, serve, secret):
    server = serve()
    host.handler("webhook", urlFile=secret(server.url("/s3cret")))
    o = host.deliver(overrides={"verify": "false"})
    assert o["result"] == FAILED and "url of its own" in o["error"]
    assert not server.seen


def test_proxies_of_the_environment_are_ignored(live_program, serve):
    server, dead = serve(), f"http://127.0.0.1:{free_port()}"
    h = Host(live_program("dispatchhost"), env={**os.environ, "http_proxy": dead, "all_proxy": dead,
                                                "ALL_PROXY": dead, "no_proxy": ""})
    h.handler("webhook", url=server.url())
    assert h.deliver()["result"] == DELIVERED
    assert h.stop() == 0


def test_proxy(host, serve, secret):
    """A plain request goes to it whole, its name with it: only the proxy is looked up here."""
    proxy = serve()
    host.handler("webhook", url="http://hooks.invalid/x", proxy=f"http://localhost:{proxy.port}")
    o = host.deliver()
    assert o["result"] == DELIVERED, o
    r, = proxy.wait()
    assert (r.path, r.header("Host")) == ("http://hooks.invalid/x", "hooks.invalid")


def test_proxy_of_https_sees_no_secret(host, serve, secret):
    proxy = serve(answer=reply(403))
    host.handler("webhook", url="https://hooks.invalid/s3cret", proxy=proxy.url().rstrip("/"),
                 elements=[header("Authorization", file=secret(TOKEN))])
    o = host.deliver()
    assert o["result"] == RETRY and "403" in o["error"]
    r, = proxy.wait()
    assert (r.method, r.path) == ("CONNECT", "hooks.invalid:443")
    assert r.header("Authorization") is None and r.header("Idempotency-Key") is None


def test_proxy_hides_nothing_of_an_answer(host, serve):
    """What the proxy says to CONNECT is not what the server says."""
    proxy = serve(answer=say(b"HTTP/1.1 200 Established\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"))
    host.handler("webhook", url="https://hooks.invalid/", proxy=proxy.url().rstrip("/"))
    assert host.deliver()["result"] == RETRY


# ---- every class of status ----

@pytest.mark.parametrize("status, result", [
    (200, DELIVERED), (201, DELIVERED), (202, DELIVERED), (204, DELIVERED), (299, DELIVERED),
    (300, FAILED), (301, FAILED), (304, FAILED), (308, FAILED),
    (400, FAILED), (401, FAILED), (403, FAILED), (404, FAILED), (405, FAILED), (409, FAILED),
    (410, FAILED), (413, FAILED), (422, FAILED), (499, FAILED),
    (408, RETRY), (425, RETRY), (429, RETRY),
    (500, RETRY), (501, RETRY), (502, RETRY), (503, RETRY), (504, RETRY), (507, RETRY), (599, RETRY),
    (600, RETRY), (999, RETRY)])
def test_status(host, serve, status, result):
    bodyless = status in (204, 304)
    server = serve(answer=reply(status, b"" if bodyless else b"so it is"))
    host.handler("webhook", url=server.url())
    o = host.deliver()
    assert o["result"] == result
    assert o["confirmation"] == (ACKNOWLEDGED if result == DELIVERED else NONE)
    if result == DELIVERED:
        assert o["error"] == ""
    else:
        words = "" if bodyless else ": so it is"
        assert o["error"] == where(server) + f"HTTP status {status}{words}"


def http_date(seconds):
    """So many from now on, in three forms."""
    then = time.gmtime(time.time() + seconds)
    return [time.strftime(form, then) for form in
            ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y")]


def test_retry_after_is_said(host, serve):
    server = serve(answer=reply(429, b"slow down", [("Retry-After", "120")]))
    host.handler("webhook", url=server.url())
    o = host.deliver()
    assert o["error"] == where(server) + "HTTP status 429, again in 120 s: slow down"
    assert o["pause"] == 120000


@pytest.mark.parametrize("status, result", [
    (408, RETRY), (429, RETRY), (500, RETRY), (503, RETRY), (200, DELIVERED), (301, FAILED), (404, FAILED)])
def test_retry_after_counts_where_there_is_a_retry(host, serve, status, result):
    host.handler("webhook", url=serve(answer=reply(status, b"", [("Retry-After", "7")])).url())
    o = host.deliver()
    assert (o["result"], o["pause"]) == (result, 7000 if result == RETRY else 0)
    assert ("again in 7 s" in o["error"]) == (result == RETRY)


@pytest.mark.parametrize("form", range(3))
def test_retry_after_as_a_date(host, serve, form):
    host.handler("webhook", url=serve(answer=reply(503, b"", [
        ("Retry-After", http_date(100)[form])])).url())
    assert 80000 < host.deliver()["pause"] <= 100000


@pytest.mark.parametrize("value, pause", [
    ("soon", 0), ("-5", 0), ("120 seconds", 0), ("", 0), ("1, 2", 0), ("0", 0),
    ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("9" * 4000, 86400000)])
def test_retry_after_that_is_none(host, serve, value, pause):
    server = serve(answer=reply(503, b"", [("Retry-After", value)]))
    host.handler("webhook", url=server.url())
    o = host.deliver()
    assert (o["result"], o["pause"]) == (RETRY, pause)
    if not pause:
        assert o["error"] == where(server) + "HTTP status 503"


def test_retry_after_of_a_redirect_is_that_of_where_it_leads(host, serve):
    there = serve(answer=reply(503, b"", [("Retry-After", "9")]))
    here = serve(answer=reply(307, b"", [("Location", there.url("/there")), ("Retry-After", "700")]))
    host.handler("webhook", url=here.url(), followRedirects="1")
    assert host.deliver()["pause"] == 9000


@pytest.mark.parametrize("said, kept", [
    (b"a\r\n\tb\x00\x07c", "a b c"), ("\u00fc\U0001f525".encode(), "\u00fc\U0001f525"),
    (b"\xff\xfe\xc0\xaf", "????"), (b"x" * 5000, "x" * 180), ("\u00e9" * 5000, "\u00e9" * 100)])
def test_what_the_server_says_is_kept_in_words(host, serve, said, kept):
    server = serve(answer=reply(400, said if isinstance(said, bytes) else said.encode()))
    host.handler("webhook", url=server.url())
    o = host.deliver()
    start = where(server) + "HTTP status 400: "
    assert o["error"].startswith(start)
    assert " ".join(o["error"][len(start):].split())[:len(kept)] == kept
    assert all(c.isprintable() for c in o["error"]) and len(o["error"].encode()) <= 255


@pytest.mark.parametrize("status, said, kept", [
    (200, b'{"ticket":\r\n 17}', '{"ticket": \n 17}'), (503, b"later", "later"), (200, b"", ""),
    (200, b"x" * 5000, "x" * 1024), (400, "\u00e9".encode() * 800, "\u00e9" * 512),
    (200, b"a\x00\xffb", "a ?b")])
def test_the_response_is_kept(host, serve, status, said, kept):
    host.handler("webhook", url=serve(answer=reply(status, said)).url())
    assert host.deliver()["response"] == kept


def test_no_response_is_none(host):
    host.handler("webhook", url=f"http://127.0.0.1:{free_port()}/")
    assert host.deliver()["response"] == ""


# ---- redirects ----

def to(location, status=307):
    return reply(status, headers=[("Location", location)])


def test_redirects_are_not_followed_unless_said(host, serve):
    other = serve()
    server = serve(answer=to(other.url()))
    host.handler("webhook", url=server.url())
    o = host.deliver()
    assert o["result"] == FAILED
    assert o["error"] == where(server) + "HTTP status 307 (redirects are not followed)"
    assert not other.seen


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_keep_method_and_body(host, serve, status):
    other = serve()
    server = serve(answer=to(other.url("/there"), status))
    host.handler("webhook", url=server.url(), followRedirects="1", method="PUT")
    assert host.deliver(uuid=UUID)["result"] == DELIVERED
    first, second = server.wait()[0], other.wait()[0]
    assert (second.method, second.path) == ("PUT", "/there")
    assert second.body == first.body and second.header("Idempotency-Key") == f'"{UUID}"'


def test_a_303_would_lose_the_notice(host, serve):
    other = serve()
    server = serve(answer=to(other.url(), 303))
    host.handler("webhook", url=server.url(), followRedirects="5")
    assert host.deliver()["result"] == FAILED
    assert not other.seen


def test_secrets_stay_with_the_server(host, serve, secret):
    """Within the server they go along, elsewhere (another port is another server) they do not, also
    not when that sends the request back."""
    server, other = serve(), serve()
    server.answer = lambda peer, r: to("/b")(peer, r) if r.path == "/a" else \
        to(other.url("/c"))(peer, r) if r.path == "/b" else reply()(peer, r)
    other.answer = lambda peer, r: to(server.url("/d"))(peer, r)
    host.handler("webhook", url=server.url("/a"), followRedirects="5", username="u",
                 passwordFile=secret(PASSWORD), elements=[
                     header("X-Api-Key", file=secret("s3cret", "key")), header("X-Plain", "1")])
    o = host.deliver()
    assert o["result"] == DELIVERED, o
    keys = {r.path: (r.header("X-Api-Key"), bool(r.header("Authorization")), r.header("X-Plain"))
            for r in server.wait(3) + other.wait(1)}
    assert keys == {"/a": ("s3cret", True, "1"), "/b": ("s3cret", True, "1"),
                    "/c": (None, False, "1"), "/d": (None, False, "1")}


def test_redirects_have_a_limit(host, serve):
    server = serve()
    server.answer = to(server.url())
    host.handler("webhook", url=server.url(), followRedirects="3")
    o = host.deliver()
    assert o["result"] == FAILED and "too many redirects" in o["error"]
    assert len(server.seen) == 4


@pytest.mark.parametrize("location, words", [
    ("file:///etc/passwd", "no URL of http or https"), ("ftp://127.0.0.1/", "no URL of http"),
    ("http://u:p@127.0.0.1/", "no URL of http"), ("http:///", "no URL of http"),
    ("/" + "x" * 3000, "too long"), ("gopher://x/", "no URL of http")])
def test_redirects_to_nowhere(host, serve, location, words):
    server = serve(answer=to(location))
    host.handler("webhook", url=server.url(), followRedirects="5")
    o = host.deliver()
    assert o["result"] == FAILED and words in o["error"], o
    assert len(server.seen) == 1


def test_a_redirect_does_not_leave_tls(host, serve, pki):
    plain = serve()
    server = serve(pki.context(), to(plain.url()))
    host.handler("webhook", url=server.url(host="localhost"), caFile=pki.ca, followRedirects="5")
    o = host.deliver()
    assert o["result"] == FAILED and "from https to http" in o["error"]
    assert not plain.seen


def test_a_redirect_to_a_name(host, serve):
    other = serve()
    server = serve(answer=to(other.url("/x", host="localhost")))
    host.handler("webhook", url=server.url(), followRedirects="1")
    assert host.deliver()["result"] == DELIVERED
    assert other.wait()[0].header("Host") == f"localhost:{other.port}"
    server.answer = to("http://no-such-host.invalid/")
    o = host.deliver(timeout=40)
    assert o["result"] == RETRY and "no-such-host.invalid" in o["error"]


def test_redirects_share_the_time(host, serve):
    server = serve()

    def late(peer, request):
        server.over.wait(0.4)
        return to(server.url())(peer, request)

    server.answer = late
    host.handler("webhook", url=server.url(), followRedirects="5", timeout="1s")
    start = time.monotonic()
    o = host.deliver()
    assert o["result"] == RETRY and time.monotonic() - start < 1.9, o
    assert len(server.seen) < 5


# ---- names and TLS ----

def test_names(host, serve):
    server = serve()
    host.handler("webhook", url=server.url(host="LocalHost"))
    assert host.deliver()["result"] == DELIVERED
    host.handler("webhook", id=2, url="http://no-such-host.invalid/")
    o = host.deliver(handler=2, timeout=40)
    assert o["result"] == RETRY and o["error"].startswith("no-such-host.invalid:80: ")


def test_ipv6(host, serve):
    server = serve(host="::1", answer=reply(500))
    host.handler("webhook", url=server.url())
    assert host.deliver()["error"] == f"[::1]:{server.port}: HTTP status 500"


def test_certificates(host, serve, pki):
    server = serve(pki.context())
    url = server.url(host="localhost")
    for id, values in enumerate(({"caFile": pki.ca}, {"verify": "false"},
                                 {"caFile": pki.ca, "url": server.url()}), 1):
        host.handler("webhook", id=id, **{"url": url, **values})
        assert host.deliver(handler=id)["result"] == DELIVERED, values
    assert all(r.tls for r in server.seen)


def test_client_certificate(host, serve, pki):
    context = pki.context("mutual")
    context.load_verify_locations(pki.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # it refuses within the handshake
    server = serve(context)
    cert, key = pki.certificate("alerts", "DNS:alerts.example.net")
    os.chmod(key, 0o600)
    host.handler("webhook", url=server.url(host="localhost"), caFile=pki.ca)
    assert host.deliver()["result"] == RETRY
    host.handler("webhook", url=server.url(host="localhost"), caFile=pki.ca, certFile=cert,
                 keyFile=key)
    assert host.deliver()["result"] == DELIVERED
    os.chmod(key, 0o644)
    o = host.deliver()
    assert o["result"] == RETRY and key in o["error"] and "everybody" in o["error"]


# ---- faults ----

def slowly(octets, then=True, pause=0.02, start=b""):
    """START at once, the others one by one."""
    def answer(peer, request):
        peer.sendall(start)
        for i in range(len(octets)):
            peer.sendall(octets[i:i + 1])
            time.sleep(pause)
        return then
    return answer


def endless(start, more, over=None):
    def answer(peer, request):
        peer.sendall(start)
        while True:
            peer.sendall(more)
    return answer


def hang(start=b""):
    def answer(peer, request):
        peer.sendall(start)
        peer.recv(1)
    return answer


def reset(start=b""):
    def answer(peer, request):
        peer.sendall(start)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return answer


CHUNKED = b"HTTP/1.1 %d R\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = b"HTTP/1.1 %d R\r\nContent-Length: 100000000\r\n\r\n"

ANSWERS = {  # name: (answer, result, words)
    "silent": (hang(), RETRY, "no complete answer within"),
    "half a status line": (hang(b"HTTP/1."), RETRY, "no complete answer within"),
    "half a head": (hang(b"HTTP/1.1 200 OK\r\nX: y\r\n"), RETRY, "no complete answer within"),
    "drip-fed head": (slowly(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100), RETRY, "no complete answer"),
    "cut without a word": (say(b""), RETRY, ""),
    "cut in the status line": (say(b"HTTP/1.1 20"), RETRY, ""),
    "cut in the head": (say(b"HTTP/1.1 200 OK\r\nX: y\r\n"), RETRY, ""),
    "reset": (reset(), RETRY, ""),
    "reset in the head": (reset(b"HTTP/1.1 200 OK\r\n"), RETRY, ""),
    "no HTTP": (say(b"SSH-2.0-OpenSSH_9.2\r\n"), RETRY, ""),
    "HTTP/0.9": (say(b"hello\n"), RETRY, ""),
    "nonsense for a version": (say(b"HTTP/x.1 101 R\r\n\r\n"), RETRY, "status line"),
    "nonsense for a status": (say(b"HTTP/1.1 2x0 R\r\n\r\n"), RETRY, ""),
    "garbage": (say(bytes(range(256)) * 8), RETRY, ""),
    "endless line": (endless(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65536), RETRY, ""),
    "endless headers": (endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000), RETRY, "headers"),
    "endless interim": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), RETRY, "headers"),
    "endless octets": (endless(b"", b"\0" * 65536), RETRY, ""),
    "switching": (say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), RETRY, ""),
    # The status is there: it counts, whatever becomes of the body.
    "hang in the body": (hang(LONG % 200 + b"ok"), DELIVERED, ""),
    "hang in the body of 503": (hang(LONG % 503 + b"busy"), RETRY, "HTTP status 503: busy"),
    "hang in the body of 400": (hang(LONG % 400 + b"bad"), FAILED, "HTTP status 400: bad"),
    "cut in the body": (say(LONG % 200 + b"ok"), DELIVERED, ""),
    "reset in the body": (reset(LONG % 500 + b"x"), RETRY, "HTTP status 500"),
    "drip-fed body": (slowly(b" " * 100, start=LONG % 200), DELIVERED, ""),
    "huge body": (endless(LONG % 200, b"x" * 65536), DELIVERED, ""),
    "huge body of 500": (endless(LONG % 500, b"x" * 65536), RETRY, "HTTP status 500: xxx"),
    "body without end": (endless(b"HTTP/1.1 404 R\r\n\r\n", b"y" * 65536), FAILED, "404: yyy"),
    "endless chunks": (endless(CHUNKED % 200, b"4\r\nabcd\r\n"), DELIVERED, ""),
    "bad chunking": (say(CHUNKED % 200 + b"zz\r\nabcd\r\n"), DELIVERED, ""),
    "bad chunking of 503": (say(CHUNKED % 503 + b"4\r\nabcd\r\nzz\r\n"), RETRY, "503: abcd"),
    "chunk without end": (say(CHUNKED % 400 + b"ffffffffffffffff\r\nx"), FAILED, "400"),
    "endless trailers": (endless(CHUNKED % 200 + b"0\r\n", b"X: y\r\n" * 100), DELIVERED, ""),
    "bad length": (say(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), RETRY, ""),
    "two lengths": (say(b"HTTP/1.1 500 R\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
                    RETRY, ""),
}


def assert_fault_ends(host, fault_begins, fault_ends, result, words, place):
    """During the fault others are told as ever; when it ends, this one is."""
    fault_begins()
    slow = host.send(handler=1)
    start = time.monotonic()
    assert host.deliver(handler=2)["result"] == DELIVERED
    assert host.deliver(handler=1, overrides={"url": place[1]})["result"] == DELIVERED
    assert time.monotonic() - start < 0.9
    o = host.outcome(slow)
    assert (o["result"], o["confirmation"]) == (
        result, ACKNOWLEDGED if result == DELIVERED else NONE), o
    if result != DELIVERED:
        assert o["error"].startswith(place[0]) and words in o["error"], o
        assert len(o["error"]) > len(place[0]) + 5
    fault_ends()
    assert host.deliver(handler=1)["result"] == DELIVERED


@pytest.mark.parametrize("name", ANSWERS)
def test_fault(host, serve, name):
    server, live = serve(), serve()
    answer, result, words = ANSWERS[name]
    host.handler("webhook", id=1, url=server.url(), timeout="1s")
    host.handler("webhook", id=2, url=live.url())

    def begins():
        server.answer = answer

    def ends():
        server.answer = reply()

    assert_fault_ends(host, begins, ends, result, words, (where(server), live.url()))


def test_hang_after_connect(host, serve):
    server, live = serve(), serve()
    host.handler("webhook", id=1, url=server.url(), timeout="1s")
    host.handler("webhook", id=2, url=live.url())

    def begins():
        server.greet = lambda peer: server.over.wait(20) and False

    def ends():
        server.greet = None
        server.over.set()

    assert_fault_ends(host, begins, ends, RETRY, "within", (where(server), live.url()))


def test_refused(host, serve):
    server, live = serve(), serve()
    host.handler("webhook", id=1, url=server.url())
    host.handler("webhook", id=2, url=live.url())
    assert_fault_ends(host, server.close, server.open, RETRY, "connect", (where(server), live.url()))


def bad_context(pki, name, folder):
    if name == "self-signed":               # by an authority that nobody here knows
        return Pki(folder).context()
    if name == "expired":
        return pki.context("expired", days=-1)
    if name == "wrong name":
        return pki.context("other", "DNS:other.example.net")
    context = pki.context("old")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name, words", [
    ("self-signed", "certificate"), ("expired", "expired"), ("wrong name", "localhost"),
    ("no common version", "version")])
def test_tls_fault(host, serve, pki, tmp_path, name, words):
    server, live = serve(pki.context()), serve(pki.context())
    good = server.context
    server.context = bad_context(pki, name, tmp_path)
    host.handler("webhook", id=1, url=server.url(host="localhost"), caFile=pki.ca, timeout="2s")
    host.handler("webhook", id=2, url=live.url(host="localhost"), caFile=pki.ca)
    o = host.deliver(handler=1)
    place = f"localhost:{server.port}: "
    assert o["result"] == RETRY and o["error"].startswith(place), o
    assert words in o["error"][len(place):].lower(), o
    assert not server.seen
    assert host.deliver(handler=2)["result"] == DELIVERED
    server.context = good
    assert host.deliver(handler=1)["result"] == DELIVERED


def test_no_tls_at_all(host, serve):
    server = serve(answer=say(b"HTTP/1.1 200 OK\r\n\r\n"))
    server.greet = lambda peer: peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    host.handler("webhook", url=server.url(scheme="https"), verify="false")
    o = host.deliver()
    assert o["result"] == RETRY and "version" in o["error"].lower()


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_faults_leave_nothing_behind(live_program, serve, pki):
    """All of them at once under valgrind, with redirects, names, TLS, bodies by templates, a pause that
    is asked for, what is cancelled and what is cut off at the end."""
    host = Host("valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite,indirect",
                "--errors-for-leak-kinds=definite,indirect", "--error-exitcode=9",
                live_program("dispatchhost"))
    servers = {name: serve(answer=fault[0]) for name, fault in ANSWERS.items()}
    good, secure = serve(), serve(pki.context())
    host.handler("webhook", url=good.url(), timeout="2s", maxInFlight="1")
    host.handler("webhook", id=2, url=good.url(), followRedirects="2", timeout="60s",
                 connectTimeout="60s", caFile=pki.ca, body=CHAT)
    ids = {name: host.send(overrides={"url": s.url()}) for name, s in servers.items()}
    moved = serve(answer=to(good.url(host="localhost")))
    ids["redirect"] = host.send(handler=2, overrides={"url": moved.url()})
    ids["tls"] = host.send(handler=2, overrides={"url": secure.url(host="localhost")})
    ids["wrong name"] = host.send(handler=2, overrides={"url": secure.url(host="127.0.0.2")})
    ids["refused"] = host.send(overrides={"url": f"http://127.0.0.1:{free_port()}/"})
    ids["no URL"] = host.send(overrides={"url": "nonsense"})
    busy = serve(answer=reply(503, b"", [("Retry-After", http_date(100)[0])]))
    ids["busy"] = host.send(*[{"message": "\u0001" * 255}] * 9, handler=2, overrides={
        "url": busy.url(), "form": "${#events|&}m=${message}${/events}"})
    cancelled = host.send(overrides={"url": servers["silent"].url()})
    host.tell(cancel=cancelled)
    results = {name: host.outcome(id, timeout=120)["result"] for name, id in ids.items()}
    for name, (_, result, _) in ANSWERS.items():
        assert results[name] in (result, RETRY), name  # valgrind is slow: time may be up
    assert results["redirect"] == results["tls"] == DELIVERED and results["no URL"] == FAILED
    assert results["busy"] == RETRY and busy.seen[0].body == b"&".join([b"m=" + b"%01" * 255] * 9)
    host.send(overrides={"url": servers["silent"].url()})
    assert host.stop(60) == 0, host.output()


# ---- many ----

def test_many_in_flight_with_a_cap(host, serve):
    server = serve()
    server.answer = lambda peer, r: server.over.wait(20) and reply()(peer, r)
    host.handler("webhook", url=server.url(), maxInFlight="5")
    ids = [host.send({"message": str(i)}) for i in range(50)]
    server.wait(5)
    wait_for(lambda: server.most == 5, "five connections")
    server.over.set()
    assert {host.outcome(i)["result"] for i in ids} == {DELIVERED}
    assert server.most == 5 and len(server.wait(50)) == 50
    assert sorted(int(r.json["notices"][0]["message"]) for r in server.seen) == list(range(50))


def test_a_dead_server_gives_back_what_waits_for_it(host, serve):
    """Of hundreds that wait, none waits for its own time-out: the core has them again, and its room
    for others."""
    dead, live = serve(), serve()
    dead.answer = lambda peer, r: dead.over.wait(30) and False
    host.handler("webhook", url=dead.url(), maxInFlight="2", timeout="1s")
    start = time.monotonic()
    waiting = [host.send() for _ in range(300)]
    others = [host.send(overrides={"url": live.url()}) for _ in range(300)]
    assert {host.outcome(i)["result"] for i in others} == {DELIVERED}
    for o in map(host.outcome, waiting):
        assert o["result"] == RETRY and "within" in o["error"]
    assert time.monotonic() - start < 5
    assert len(dead.seen) <= 4


def test_cancel(host, serve):
    server = serve()
    server.answer = lambda peer, r: server.over.wait(20) and reply()(peer, r)
    host.handler("webhook", url=server.url(), maxInFlight="1")
    first, second = host.send(), host.send({"message": "never"})
    server.wait()
    host.tell(cancel=second)
    host.tell(cancel=first)                 # that is on its way
    o = host.outcome(second)
    assert o["result"] == RETRY and "cancelled" in o["error"]
    server.over.set()
    assert host.outcome(first)["result"] == DELIVERED
    assert len(server.seen) == 1


def test_handler_replaced_with_requests_under_way(host, serve):
    server, other = serve(), serve()
    server.answer = lambda peer, r: server.over.wait(20) and reply()(peer, r)
    host.handler("webhook", url=server.url())
    first = host.send()
    server.wait()
    host.handler("webhook", url=other.url())
    assert host.deliver()["result"] == DELIVERED
    assert len(other.seen) == 1
    server.over.set()
    assert host.outcome(first)["result"] == DELIVERED


def test_handler_gone_with_requests_under_way(host, serve):
    server = serve()
    server.answer = lambda peer, r: server.over.wait(30) and False
    host.handler("webhook", url=server.url(), maxInFlight="1", timeout="60s")
    ids = [host.send(), host.send()]
    server.wait()
    host.gone()
    assert {host.outcome(i)["result"] for i in ids} == {RETRY}


# ---- validate ----

def test_validate_connects_and_sends_nothing(host, serve, pki, secret, tmp_path):
    plain, secure, strange = serve(), serve(pki.context()), serve(Pki(tmp_path).context())
    host.handler("webhook", url=plain.url(), username="alice", passwordFile=secret(PASSWORD))
    assert host.validate() == (True, where(plain) + "connected without TLS")
    at = f"localhost:{secure.port}: "
    host.handler("webhook", url=secure.url(host="localhost"), caFile=pki.ca)
    assert host.validate() == (True, at + "connected with TLS and a good certificate")
    host.handler("webhook", url=secure.url(host="localhost"), verify="false")
    assert host.validate() == (True, at + "connected with TLS, no certificate looked at")
    host.handler("webhook", url=strange.url(host="localhost"), caFile=pki.ca)
    good, words = host.validate()
    assert not good and "certificate" in words, words
    assert not plain.seen and not secure.seen and not strange.seen


def test_validate_through_a_proxy(host, serve):
    proxy = serve(answer=reply(403))
    host.handler("webhook", url="http://hooks.invalid/", proxy=proxy.url().rstrip("/"))
    assert host.validate() == (True, "hooks.invalid:80: connected through the proxy without TLS")
    assert not proxy.seen
    host.handler("webhook", url="https://hooks.invalid/", proxy=proxy.url().rstrip("/"))
    good, words = host.validate()
    assert not good and words.startswith("hooks.invalid:443: ") and "403" in words, words


def test_validate_says_what_is_wrong(host, secret):
    port = free_port()
    host.handler("webhook", url=f"http://127.0.0.1:{port}/")
    good, words = host.validate()
    assert not good and words.startswith(f"127.0.0.1:{port}: ") and "connect" in words, words
    host.handler("webhook", url="http://nowhere.invalid/")
    good, words = host.validate()
    assert not good and words.startswith("nowhere.invalid:80: cannot resolve"), words
    host.handler("webhook", url=f"http://127.0.0.1:{port}/", username="u",
                 passwordFile=secret("x", mode=0o644))
    good, words = host.validate()
    assert not good and "everybody may read" in words, words
    host.handler("webhook", url=f"http://127.0.0.1:{port}/")
    good, words = host.validate(recipients=["bob@example.net"])
    assert not good and words == "a webhook has no recipients: where it goes is the property url"


def test_validate_does_not_wait_for_ever(host):
    with socket.socket() as s:  # takes connections, and shakes no hand
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        host.handler("webhook", url=f"https://127.0.0.1:{port}/", timeout="1s", connectTimeout="1s")
        assert host.validate() == (False, f"127.0.0.1:{port}: no connection within 1000 ms")
        host.handler("webhook", url=f"https://127.0.0.1:{port}/", timeout="60s")
        host.tell(validate={"id": 77, "events": [{}]})  # and the host ends with it under way
