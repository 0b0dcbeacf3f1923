"""Mail servers for tests: a real one (aiosmtpd), and one that fails at the step it is told to."""

import email
import email.policy
import hmac
import os
import socket
import ssl
import subprocess
import threading
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from .net import free_port


class Pki:
    """A certificate authority of its own and certificates that it signed, as PEM files."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.ca, self._ca_key = self._path("ca.pem"), self._path("ca.key")
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                      "-subj", "/CN=Test CA", "-keyout", self._ca_key, "-out", self.ca,
                      "-addext", "basicConstraints=critical,CA:TRUE",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def _path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def _openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=60)

    def certificate(self, name, alternative, days=2):
        """(certificate, key) for what ALTERNATIVE says, such as "DNS:localhost,IP:127.0.0.1". DAYS:
        how long it is good; -1: it has expired."""
        key, request, out = (self._path(name + s) for s in (".key", ".csr", ".pem"))
        extensions = self._path(name + ".ext")
        with open(extensions, "w") as f:
            f.write(f"subjectAltName={alternative}\nbasicConstraints=CA:FALSE\n")
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._ca_key,
                      "-CAcreateserial", "-days", str(days), "-extfile", extensions, "-out", out)
        return out, key

    def context(self, name="localhost", alternative="DNS:localhost,IP:127.0.0.1", days=2):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate(name, alternative, days))
        return context


class Mail:
    """One message as it arrived."""

    def __init__(self, session, envelope, peer):
        self.sender, self.recipients = envelope.mail_from, list(envelope.rcpt_tos)
        self.raw = envelope.original_content
        self.message = email.message_from_bytes(self.raw, policy=email.policy.default)
        self.tls = session.ssl is not None
        self.peer = peer  # its certificate
        self.authenticated = bool(session.authenticated)

    @property
    def text(self):
        return self.message.get_content()


class _Handler:
    def __init__(self, server):
        self.server = server

    async def handle_RCPT(self, smtp, session, envelope, address, options):
        for start, reply in self.server.refuse.items():
            if address.startswith(start):
                return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 accepted"

    async def handle_DATA(self, smtp, session, envelope):
        with self.server.arrived:
            self.server.mails.append(
                Mail(session, envelope, smtp.transport.get_extra_info("peercert")))
            self.server.arrived.notify_all()
            return f"250 2.0.0 queued as {len(self.server.mails)}"


class _Smtp(SMTP):
    """aiosmtpd's, which lacks CRAM-MD5."""

    async def auth_CRAM__MD5(self, server, args):
        challenge = b"<%d@test>" % time.time_ns()
        answer = await self.challenge_auth(challenge)
        user, _, digest = b"".join([answer or b""]).rpartition(b" ")
        good = self.event_handler.server.check_cram(user, challenge, digest.decode("latin-1"))
        return AuthResult(success=good, handled=False)


class _Controller(Controller):
    sessions = 0

    def factory(self):
        self.sessions += 1
        return _Smtp(self.handler, **self.SMTP_kwargs)


class Smtpd:
    """A mail server on a free port. TLS: a server's SSLContext, then STARTTLS is offered and
    required; SSL: one for TLS from the first octet. USERS: {name: password}, then AUTH is required;
    WITHOUT: mechanisms that it does not offer. REFUSE: {start of address: reply}."""

    handler = _Handler

    def __init__(self, tls=None, ssl=None, users=None, without=(), refuse=None,
                 hostname="127.0.0.1"):
        self.mails, self.arrived = [], threading.Condition()
        self.users = {n.encode(): p.encode() for n, p in (users or {}).items()}
        self.refuse = refuse or {"temp": "450 4.2.1 mailbox busy", "bad": "550 5.1.1 no such user"}
        options = {"hostname": hostname, "tls_context": tls, "require_starttls": tls is not None,
                   "ssl_context": ssl}
        if users:
            options |= {"authenticator": self._authenticate, "auth_required": True,
                        "auth_require_tls": tls is not None, "auth_exclude_mechanism": without}
        self._controller = self._start(options)
        self.port = self._controller.port

    def _start(self, options):
        for attempt in range(5):  # another may take the port first
            # its own name, since it would ask the name servers for one at each connection
            c = _Controller(self.handler(self), port=free_port(), server_hostname="mail.example.net",
                            **options)
            try:
                c.start()
                return c
            except OSError:
                if attempt == 4:
                    raise

    def check_cram(self, user, challenge, digest):
        """RFC 2195."""
        password = self.users.get(user, b"")
        return hmac.compare_digest(hmac.new(password, challenge, "md5").hexdigest(), digest)

    def _authenticate(self, server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and self.users.get(data.login) == data.password
        return AuthResult(success=good, handled=False)

    @property
    def sessions(self):
        """Connections so far; aiosmtpd makes one of its own when it starts."""
        return self._controller.sessions - 1

    def wait(self, count=1, timeout=10.0):
        """The mails, once there are COUNT."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.mails) >= count, timeout), \
                f"{len(self.mails)} of {count} mails arrived"
            return list(self.mails)

    def stop(self):
        self._controller.stop()


HANG, DROP = object(), object()

_STEPS = (("EHLO", b"250-fault\r\n250 8BITMIME\r\n"), ("MAIL", b"250 sender ok\r\n"),
          ("RCPT", b"250 recipient ok\r\n"), ("DATA", b"354 go on\r\n"),
          ("RSET", b"250 ok\r\n"), ("QUIT", b"221 bye\r\n"), ("STARTTLS", b"220 go on\r\n"),
          ("AUTH", b"235 welcome\r\n"))


class FaultySmtpd:
    """Speaks SMTP, but at each step named in FAULTS answers with those octets, or HANGs (keeps the
    connection open and says nothing), or DROPs it. Steps: "greeting", the commands, "body" (drops
    or hangs in the middle of the message), "end" (the reply to the message). COMMANDS: what came,
    MESSAGES: whole messages."""

    def __init__(self, **faults):
        self.faults, self.commands, self.messages = faults, [], []
        self._stop = threading.Event()
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                s, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(s)
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _answer(self, s, step, default):
        """False: the dialogue is over."""
        fault = self.faults.get(step, default)
        if fault is HANG:
            self._stop.wait()
            return False
        if fault is DROP:
            return False
        s.sendall(fault)
        return True

    def _message(self, s, f):
        if self.faults.get("body") in (HANG, DROP):
            f.readline()
            return self._answer(s, "body", None)
        lines = []
        while (line := f.readline()) not in (b".\r\n", b""):
            lines.append(line)
        if not line:
            return False
        self.messages.append(b"".join(lines))
        return self._answer(s, "end", b"250 2.0.0 queued\r\n")

    def _serve(self, s):
        try:
            with s, s.makefile("rb") as f:
                if not self._answer(s, "greeting", b"220 fault ESMTP\r\n"):
                    return
                while line := f.readline():
                    self.commands.append(line.decode("latin-1").rstrip("\r\n"))
                    verb = line.split(None, 1)[0].split(b":")[0].decode("latin-1").upper()
                    default = dict(_STEPS).get(verb, b"500 what?\r\n")
                    if not self._answer(s, verb, default) or verb == "QUIT":
                        return
                    reply = self.faults.get("DATA", b"354")
                    if verb == "DATA" and reply.startswith(b"354") and not self._message(s, f):
                        return
        except (OSError, ValueError):
            pass

    def stop(self):
        self._stop.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for s in self._sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._thread.join(5)
