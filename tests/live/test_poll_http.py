"""HTTP sources against a server on loopback that answers what each test wants."""

import base64
import http.server
import json
import os
import socket
import threading
import urllib.parse

import pytest

from lib.net import free_port
from lib.pollhost import FAILING, MALFORMED, UP, PollHost
from lib.smtpd import Pki
from lib.wait import wait_for


class Server:
    """ANSWERS: path to function(handler). Paths that were asked for are in `seen`."""

    def __init__(self, context=None):
        server = self
        self.answers, self.seen = {}, []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server.seen.append((self.path, self.headers))
                server.answers[self.path](self)

            def log_message(self, *args):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                pass  # clients that leave early are part of the tests

        self._server = Quiet(("127.0.0.1", 0), Handler)
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,),
                                        daemon=True)
        self._thread.start()

    def url(self, path="/", host="127.0.0.1", scheme="http"):
        return f"{scheme}://{host}:{self.port}{path}"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def body(content, status=200, headers=()):
    """Answers CONTENT (octets) with its length."""
    def answer(handler):
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
    return answer


def document(value):
    return body(json.dumps(value).encode())


@pytest.fixture
def server():
    s = Server()
    yield s
    s.stop()


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def secure(pki):
    s = Server(pki.context())
    s.answers["/"] = document({"secure": True})
    yield s
    s.stop()


@pytest.fixture
def host(live_program):
    h = PollHost(live_program("pollhost"))
    yield h
    assert h.stop() == 0, h.output()


def test_document(server, host):
    value = {"clusterMetrics": {"numAppsRunning": 6, "names": ["a", "\u00fc"], "load": 0.25,
                                "big": 9007199254740993, "none": None, "on": True}}
    server.answers["/ws/v2/cluster/metrics"] = document(value)
    host.poll(1, "http", name="cluster.metrics", url=server.url("/ws/v2/cluster/metrics"))
    assert host.sample("cluster.metrics") == value
    status = host.status(1)
    assert (status["code"], status["topics"], status["error"]) == (UP, 1, "")
    headers = server.seen[0][1]
    assert headers["Accept"] == "application/json" and headers["User-Agent"] == "snmpalertd"


def test_connections_are_kept(server, host):
    server.answers["/"] = document(1)
    host.poll(1, "http", url=server.url(), interval=100)
    for _ in range(4):
        host.status(1, UP, since=host.mark())
    assert host.sample("s1") == 1


def test_malformed_keeps_silent_until_it_is_well(server, host):
    server.answers["/"] = body(b'{"a": 1,\n "b": oops}')
    host.poll(1, "http", url=server.url())
    status = host.status(1)
    assert status["code"] == MALFORMED and status["topics"] == 0
    assert "line 2" in status["error"] and "column 10" in status["error"]
    server.answers["/"] = document({"a": 2})
    assert host.sample("s1") == {"a": 2}
    mark = host.mark()
    server.answers["/"] = body(b'{"a": 3')
    host.status(1, MALFORMED, since=mark)
    assert {m["json"]["a"] for m in host.of("sample", 1)} == {2}
    assert not host.of("gone", 1)


@pytest.mark.parametrize("content", [
    b"", b" ", b"<html>", b'{"a":1}x', b'{"a":"\xff"}', b"[" * 5000 + b"]" * 5000,
    b'{"a":1e999}', b"nan", b"{'a':1}",
])
def test_what_is_not_json(server, host, content):
    server.answers["/"] = body(content)
    host.poll(1, "http", url=server.url())
    assert host.status(1)["code"] == MALFORMED
    assert not host.of("sample", 1)


@pytest.mark.parametrize("status, words", [
    (500, "HTTP status 500"), (404, "HTTP status 404"), (401, "check username"),
    (302, "redirects are not followed"), (304, "HTTP status 304"),
])
def test_status(server, host, status, words):
    server.answers["/"] = body(b'{"a":1}' if status != 304 else b"", status,
                               [("Location", "/elsewhere")])
    server.answers["/elsewhere"] = document({"a": 1})
    host.poll(1, "http", url=server.url())
    failing = host.status(1)
    assert failing["code"] == FAILING and words in failing["error"]
    assert not host.of("sample", 1)
    assert {path for path, _ in server.seen} == {"/"}


def chunked(content):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for at in range(0, len(content), 65536):
            part = content[at:at + 65536]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        handler.wfile.write(b"0\r\n\r\n")
    return answer


@pytest.mark.parametrize("how", [body, chunked])
def test_size_limit(server, host, how):
    server.answers["/fits"] = how(b'"' + b"x" * 998 + b'"')
    server.answers["/huge"] = how(b'"' + b"x" * 999 + b'"')
    server.answers["/endless"] = how(b'"' + b"x" * (8 << 20) + b'"')
    for id, path in enumerate(server.answers, 1):
        host.poll(id, "http", url=server.url(path), maxSize=1000)
    assert host.status(1)["code"] == UP
    for id in (2, 3):
        status = host.status(id)
        assert status["code"] == FAILING and "larger than 1000 octets" in status["error"]


def test_largest_topic(server, host):
    server.answers["/"] = body(b'"' + b"x" * ((1 << 20) - 2) + b'"')
    host.poll(1, "http", url=server.url())
    assert len(host.sample("s1")) == (1 << 20) - 2


def test_slow_server(server, host):
    """Headers come, then one octet now and then: the whole exchange has one deadline."""
    done = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not done.wait(0.05):
            handler.wfile.write(b" ")

    server.answers["/slow"] = drip
    server.answers["/fast"] = document({})
    host.poll(1, "http", url=server.url("/slow"), timeout="500ms")
    host.poll(2, "http", url=server.url("/fast"))
    status = host.status(1)
    done.set()
    assert status["code"] == FAILING and "no complete answer within 500 ms" in status["error"]
    assert 450 <= status["latency"] <= 3000
    assert any(m["code"] == UP for m in host.of("status", 2))


def test_silent_and_closed_ports(host):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        host.poll(1, "http", url=f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout="300ms")
        host.poll(2, "http", url=f"http://127.0.0.1:{free_port()}/")
        assert "300 ms" in host.status(1, FAILING)["error"]
        assert "connect" in host.status(2, FAILING)["error"].lower()


def test_cut_answer(server, host):
    def cut(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b'{"a":1}')
        handler.close_connection = True

    server.answers["/"] = cut
    host.poll(1, "http", url=server.url())
    assert host.status(1)["code"] == FAILING
    assert not host.of("sample", 1)


def test_not_http_at_all(host):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)

        def answer():
            peer, _ = listener.accept()
            peer.recv(4096)
            peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            peer.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        host.poll(1, "http", url=f"http://127.0.0.1:{listener.getsockname()[1]}/", interval=60000)
        assert host.status(1)["code"] in (FAILING, MALFORMED)
        thread.join(5)


def basic(headers):
    kind, _, credentials = headers["Authorization"].partition(" ")
    assert kind == "Basic"
    return base64.b64decode(credentials).decode()


def test_password_file(server, host, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("p\u00e4ss:word\nsecond line\n")
    secret.chmod(0o600)
    server.answers["/"] = document({})
    host.poll(1, "http", url=server.url(), username="u", passwordFile=secret)
    assert host.status(1)["code"] == UP
    assert basic(server.seen[-1][1]) == "u:p\u00e4ss:word"
    secret.write_text("other\n")  # read again once the server refuses the old one
    server.answers["/"] = body(b"", 401)
    host.status(1, FAILING, since=host.mark())
    host.status(1, FAILING, since=host.mark())
    host.status(1, FAILING, since=host.mark())
    assert basic(server.seen[-1][1]) == "u:other"


def test_password_file_that_everybody_may_read(server, host, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    secret.chmod(0o644)
    server.answers["/"] = document({})
    host.poll(1, "http", url=server.url(), username="u", passwordFile=secret)
    status = host.status(1)
    assert status["code"] == FAILING and str(secret) in status["error"]
    assert not server.seen
    secret.chmod(0o640)
    host.status(1, UP)
    host.stop()
    assert "s3cret" not in host.output() + str(host.messages)


def test_header(server, host):
    server.answers["/"] = document({})
    host.poll(1, "http", url=server.url(), header="Authorization: Bearer t0ken")
    assert host.status(1)["code"] == UP
    assert server.seen[0][1]["Authorization"] == "Bearer t0ken"


def test_proxies_of_the_environment_are_ignored(server, live_program):
    server.answers["/"] = document({})
    proxy = f"http://127.0.0.1:{free_port()}"
    h = PollHost(live_program("pollhost"), env={**os.environ, "http_proxy": proxy,
                                                "all_proxy": proxy, "ALL_PROXY": proxy})
    h.poll(1, "http", url=server.url())
    assert h.status(1)["code"] == UP
    assert h.stop() == 0


def test_names(server, host):
    server.answers["/"] = document({})
    host.poll(1, "http", url=server.url(host="localhost"))
    assert host.status(1)["code"] == UP
    assert server.seen[0][1]["Host"] == f"localhost:{server.port}"
    host.poll(2, "http", url=server.url(host="no-such-host.invalid"))
    status = host.status(2, timeout=40)
    assert status["code"] == FAILING and "no-such-host.invalid" in status["error"]


def test_certificates(secure, pki, host):
    url = secure.url(host="localhost", scheme="https")
    host.poll(1, "http", url=url)
    host.poll(2, "http", url=url, caFile=pki.ca)
    host.poll(3, "http", url=url, verify="false")
    host.poll(4, "http", url=secure.url(scheme="https", host="127.0.0.1"), caFile=pki.ca)
    status = host.status(1)
    assert status["code"] == FAILING and "certificate" in status["error"].lower()
    for id in (2, 3, 4):
        assert host.status(id)["code"] == UP, host.status(id)


def test_certificate_of_another_host(pki, host):
    other = Server(pki.context("other", "DNS:other.example.net"))
    other.answers["/"] = document({})
    try:
        host.poll(1, "http", url=other.url(host="localhost", scheme="https"), caFile=pki.ca)
        assert host.status(1)["code"] == FAILING
        assert not other.seen
    finally:
        other.stop()


@pytest.mark.parametrize("values, words", [
    ({"url": "file:///etc/passwd"}, "http:// or https://"),
    ({"url": "ftp://127.0.0.1/"}, "http:// or https://"),
    ({"url": "http://user:pw@127.0.0.1/"}, "passwordFile"),
    ({"url": "http://:99999/"}, "not a URL"),
    ({"url": "127.0.0.1:80"}, "http"),
    ({"url": "http://127.0.0.1/", "header": "no colon"}, "Name: value"),
    ({"url": "http://127.0.0.1/", "header": "X: a\r\nY: b"}, ""),
    ({"url": "http://127.0.0.1/", "passwordFile": "/etc/secret"}, "username"),
    ({"url": "http://127.0.0.1/", "passwordFile": "secret", "username": "u"}, ""),
    ({"url": "http://127.0.0.1/", "maxSize": "1048577"}, ""),
])
def test_refused(host, values, words):
    host.poll(1, "http", **values)
    assert words in host.refused()
    assert not host.of("status", 1)


def test_slow_sources_delay_nobody(server, host):
    """Thirty that never answer beside thirty that keep their rhythm."""
    done = threading.Event()
    server.answers["/never"] = lambda handler: done.wait(30)
    server.answers["/"] = document({"a": 1})
    for id in range(1, 31):
        host.poll(id, "http", url=server.url("/never"), timeout="2s", interval=300)
    for id in range(31, 61):
        host.poll(id, "http", url=server.url(), interval=300)
    end = host.status(1, FAILING, timeout=20)["at"]
    for id in range(31, 61):
        times = [m["at"] for m in host.of("status", id) if m["at"] <= end]
        assert all(m["code"] == UP for m in host.of("status", id))
        assert len(times) >= 4, (id, times)
        assert max(b - a for a, b in zip(times, times[1:])) < 1500
    done.set()


def test_replaced_while_it_is_fetched(server, host):
    done = threading.Event()
    server.answers["/never"] = lambda handler: done.wait(30)
    server.answers["/"] = document({"a": 1})
    host.poll(1, "http", url=server.url("/never"), timeout="60s")
    host.poll(2, "http", url=server.url("/never"), timeout="60s")
    wait_for(lambda: len(server.seen) == 2, "two requests")
    host.poll(1, "http", url=server.url())
    assert host.sample("s1") == {"a": 1}
    host.tell(gone=2)
    done.set()
    host.status(1, UP, since=host.mark())
    assert not host.of("status", 2)


def test_url_parts_reach_the_server(server, host):
    path = "/api/" + urllib.parse.quote("a b") + "?q=" + urllib.parse.quote("\u00fc&=")
    server.answers[path] = document([1])
    host.poll(1, "http", url=server.url(path))
    assert host.sample("s1") == [1]
