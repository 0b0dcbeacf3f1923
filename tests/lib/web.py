"""A web server that serves the files of a folder."""

import functools
import http.server
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
