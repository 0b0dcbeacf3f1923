"""Web servers: one that serves the files of a folder, and one that takes webhooks and fails as it is
told to."""

import functools
import http.server
import json
import socket
import sys
import threading


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        """A client that was killed is no error of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, address)


class Web:
    """On a free port of loopback; url("x.json") is the address of FOLDER/x.json."""

    def __init__(self, folder):
        self._server = _Server(
            ("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class Request:
    """What a client sent, as it came. HEADERS: [(name, value)], in order. CERTIFICATE: whether it has
    shown one."""

    def __init__(self, head, body, peer):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, self.version = lines[0].split(" ", 2)
        self.headers = [tuple(x.split(": ", 1)) for x in lines[1:] if x]
        self.body, self.tls = body, hasattr(peer, "getpeercert")
        self.certificate = self.tls and bool(peer.getpeercert())

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def header(self, name):
        """The only value of NAME; None: it is not there."""
        values = self.all(name)
        assert len(values) <= 1, self.headers
        return values[0] if values else None

    @property
    def json(self):
        return json.loads(self.body)


def reply(status=200, body=b"", headers=(), reason="Reason"):
    """An answer with BODY and its length."""
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Length: {len(body)}\r\n"
    octets = (head + "".join(f"{n}: {v}\r\n" for n, v in headers) + "\r\n").encode() + body

    def answer(peer, request):
        peer.sendall(octets)
        return True
    return answer


def say(octets):
    """These OCTETS, whatever they are, and the end of the connection."""
    def answer(peer, request):
        peer.sendall(octets)
    return answer


class Hook:
    """A server on a free port of loopback. ANSWER(peer, request) answers a request, and returns true
    if the connection goes on; `greet`(peer), if there is one, has a connection before it is read, and
    returns true likewise. What came is in `seen`. CONTEXT: an SSLContext; None: no TLS."""

    def __init__(self, context=None, answer=None, host="127.0.0.1"):
        self.context, self.answer, self.greet = context, answer or reply(), None
        self.host, self.port = host, 0
        self.seen, self.arrived = [], threading.Condition()
        self.over = threading.Event()       # answers that take their time wait for this
        self.connections, self.most, self._now = 0, 0, 0
        self.open()

    def open(self):
        """Listen, again on the same port after close()."""
        self._listener = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self.host, self.port))
        self._listener.listen(256)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._thread.start()

    def close(self):
        """From now on connections are refused."""
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def stop(self):
        self.over.set()
        self.close()

    def url(self, path="/", host=None, scheme=None):
        host = host or self.host
        host = f"[{host}]" if ":" in host else host
        return f"{scheme or ('https' if self.context else 'http')}://{host}:{self.port}{path}"

    def wait(self, n=1, timeout=10.0):
        """The first N requests."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.seen) >= n, timeout), self.seen
            return self.seen[:n]

    def _accept(self, listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with self.arrived:
            self.connections += 1
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            self._talk(peer)
        except (OSError, ValueError):
            pass                            # clients that leave early are part of the tests
        finally:
            peer.close()
            with self.arrived:
                self._now -= 1

    def _talk(self, peer):
        if self.greet and not self.greet(peer):
            return
        if self.context:
            peer = self.context.wrap_socket(peer, server_side=True)
        with peer:
            while self._one(peer):
                pass

    def _one(self, peer):
        octets = b""
        while b"\r\n\r\n" not in octets:
            more = peer.recv(65536)
            if not more:
                return False
            octets += more
        head, _, body = octets.partition(b"\r\n\r\n")
        request = Request(head, b"", peer)
        length = int(request.header("Content-Length") or 0)
        while len(body) < length:
            more = peer.recv(65536)
            if not more:
                return False
            body += more
        request.body = body
        with self.arrived:
            self.seen.append(request)
            self.arrived.notify_all()
        return self.answer(peer, request)
