"""A receiver of SNMPv3 informs (RFC 3412, 3414) that does what a test says, for what real ones do not
do on demand. Messages, digests and ciphers are written here from the RFCs: neither net-snmp's code
nor the daemon's."""

import hashlib
import hmac
import os
import socket
import threading
import time as clock

from Cryptodome.Cipher import AES as _AES, DES as _DES

from .rogueagent import counter32, integer, octets, oid as oid_tlv, read_tlv, tlv
from .wait import wait_for

AES, DES = "AES", "DES"
AUTH, PRIV, REPORTABLE = 1, 2, 4
GET, RESPONSE, INFORM, REPORT = 0xA0, 0xA2, 0xA6, 0xA8
NOT_IN_TIME, UNKNOWN_ENGINE = "notInTimeWindows", "unknownEngineIDs"
REPORTS = {"unsupportedSecLevels": "1.3.6.1.6.3.15.1.1.1.0", NOT_IN_TIME: "1.3.6.1.6.3.15.1.1.2.0",
           "unknownUserNames": "1.3.6.1.6.3.15.1.1.3.0", UNKNOWN_ENGINE: "1.3.6.1.6.3.15.1.1.4.0",
           "wrongDigests": "1.3.6.1.6.3.15.1.1.5.0", "decryptionErrors": "1.3.6.1.6.3.15.1.1.6.0",
           "unknownSecurityModels": "1.3.6.1.6.3.11.2.1.1.0",
           "invalidMsgs": "1.3.6.1.6.3.11.2.1.2.0",
           "unknownPDUHandlers": "1.3.6.1.6.3.11.2.1.3.0",
           "unavailableContexts": "1.3.6.1.6.3.12.1.4.0", "unknownContexts": "1.3.6.1.6.3.12.1.5.0"}
_HASHES = {"MD5": ("md5", 12), "SHA": ("sha1", 12), "SHA-224": ("sha224", 16),
           "SHA-256": ("sha256", 24), "SHA-384": ("sha384", 32), "SHA-512": ("sha512", 48)}


class User:
    def __init__(self, name, auth=None, auth_word="", priv=None, priv_word=""):
        self.name, self.auth, self.priv = name.encode(), auth, priv
        self._ku = {w: self._hash((w.encode() * (2**20 // len(w) + 1))[:2**20])
                    for w in {auth_word, priv_word} if auth}
        self._auth_word, self._priv_word = auth_word, priv_word

    def _hash(self, data):
        return hashlib.new(_HASHES[self.auth][0], data).digest()

    def _key(self, word, engine):
        return self._hash(self._ku[word] + engine + self._ku[word])

    @property
    def level(self):
        return (AUTH if self.auth else 0) | (PRIV if self.priv else 0)

    @property
    def digest_len(self):
        return _HASHES[self.auth][1] if self.auth else 0

    def digest(self, engine, data):
        key = self._key(self._auth_word, engine)
        return hmac.new(key, data, _HASHES[self.auth][0]).digest()[:self.digest_len]

    def _cipher(self, engine, boots, time, salt):
        key = self._key(self._priv_word, engine)
        if self.priv == DES:
            iv = bytes(a ^ b for a, b in zip(key[8:16], salt))
            return _DES.new(key[:8], _DES.MODE_CBC, iv=iv)
        iv = boots.to_bytes(4, "big") + time.to_bytes(4, "big") + salt
        return _AES.new(key[:16], _AES.MODE_CFB, iv=iv, segment_size=128)

    def encrypt(self, engine, boots, time, salt, data):
        pad = -len(data) % 8 if self.priv == DES else 0
        return self._cipher(engine, boots, time, salt).encrypt(data + bytes(pad))

    def decrypt(self, engine, boots, time, salt, data):
        return self._cipher(engine, boots, time, salt).decrypt(data)


def _number(content):
    return int.from_bytes(content, "big", signed=True)


class Message:
    """What came, decrypted and checked if USER is who sent it."""

    def __init__(self, data, user):
        _, content, rest = read_tlv(data)
        assert not rest
        _, version, content = read_tlv(content)
        assert _number(version) == 3
        _, header, content = read_tlv(content)
        _, number, header = read_tlv(header)
        _, _, header = read_tlv(header)
        _, flags, header = read_tlv(header)
        self.id, self.flags = _number(number), flags[0]
        assert _number(read_tlv(header)[1]) == 3
        _, security, content = read_tlv(content)
        fields = []
        _, security, _ = read_tlv(security)
        while security:
            _, field, security = read_tlv(security)
            fields.append(field)
        self.engine, boots, time, self.user, self.digest, self.salt = fields
        self.boots, self.time = _number(boots), _number(time)
        self.genuine = True
        if self.flags & AUTH:
            at = data.index(self.digest)
            zeroed = data[:at] + bytes(len(self.digest)) + data[at + len(self.digest):]
            self.genuine = self.user == user.name and \
                self.digest == user.digest(self.engine, zeroed)
        if self.flags & PRIV:
            content = user.decrypt(self.engine, self.boots, self.time, self.salt,
                                   read_tlv(content)[1])
        _, scoped, _ = read_tlv(content)
        _, self.context_engine, scoped = read_tlv(scoped)
        _, self.context, scoped = read_tlv(scoped)
        self.command, pdu, _ = read_tlv(scoped)
        _, request_id, pdu = read_tlv(pdu)
        self.request_id = _number(request_id)
        _, _, pdu = read_tlv(pdu)
        _, _, pdu = read_tlv(pdu)
        self.varbinds = read_tlv(pdu)[1]


class RogueReceiver:
    """Answers discovery, and each genuine inform by ON_INFORM(message): a datagram, or None. Without
    it informs are acknowledged within the time window and refused outside, as they should be. So
    are GETs, by ON_GET."""

    def __init__(self, user, engine=bytes.fromhex("80001f8804726f677565"), boots=3, time=1000):
        self.user, self.engine = user, engine
        self.on_inform, self.answers_probes, self.probe_clock = self.judge, True, None
        self.on_get, self.gets = self.judge, []
        self.informs, self.forged, self.probes, self.reports_sent = [], [], 0, []
        self.most_open, self._open = 0, set()
        self.set_clock(boots, time)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._peer = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def set_clock(self, boots, time):
        self.boots, self._zero = boots, clock.monotonic() - time

    @property
    def time(self):
        return int(clock.monotonic() - self._zero)

    def _run(self):
        while True:
            data, peer = self._socket.recvfrom(65536)
            if not data:
                return
            self._peer = peer
            self.send(self._handle(Message(data, self.user)))

    def _handle(self, m):
        if not m.engine:
            self.probes += 1
            boots, time = self.probe_clock or (self.boots, self.time)
            return self.report(m, UNKNOWN_ENGINE, clock=(boots, time)) \
                if self.answers_probes else None
        if not m.genuine:
            self.forged.append(m)
            return None
        assert m.command in (INFORM, GET) and m.flags == self.user.level | REPORTABLE
        if m.command == GET:
            self.gets.append(m)
            return self.on_get(m)
        self.informs.append(m)
        self._open.add(m.request_id)
        self.most_open = max(self.most_open, len(self._open))
        return self.on_inform(m)

    def judge(self, m):
        late = m.boots != self.boots or abs(m.time - self.time) > 150
        if self.user.auth and late:
            self.reports_sent.append(NOT_IN_TIME)
            return self.report(m, NOT_IN_TIME, auth=True)
        return self.acknowledge(m)

    def send(self, datagram):
        if datagram:
            self._socket.sendto(datagram, self._peer)

    def wait(self, condition):
        wait_for(condition, "the receiver to get what it waits for")

    def report(self, m, name=None, auth=False, oid=None, clock=None):
        listed = tlv(0x30, oid_tlv(oid or REPORTS[name]) + counter32(1))
        return self._message(m, REPORT, listed, level=AUTH if auth else 0, clock=clock)

    def acknowledge(self, m, **wrong):
        self._open.discard(m.request_id)
        return self._message(m, RESPONSE, m.varbinds, **wrong)

    def _message(self, m, right_command, listed, command=None, level=None, id=None,
                 request_id=None, user=None,
                 engine=None, context_engine=None, context=None, boots=None, clock=None,
                 spoil=None):
        """What answers M, but for what is said to be otherwise. SPOIL: an octet to change."""
        user_name = m.user if user is None else user
        level = self.user.level if level is None else level
        engine = self.engine if engine is None else engine
        now_boots, now = clock or (self.boots, self.time)
        now_boots = now_boots if boots is None else boots
        request_id = m.request_id if request_id is None else request_id
        pdu = tlv(command or right_command, integer(request_id) + integer(0) + integer(0) + tlv(0x30, listed))
        scoped = tlv(0x30, octets(m.context_engine if context_engine is None else context_engine) +
                     octets(m.context if context is None else context) + pdu)
        salt = os.urandom(8) if level & PRIV else b""
        if level & PRIV:
            scoped = octets(self.user.encrypt(engine, now_boots, now, salt, scoped))

        def whole(digest):
            security = tlv(0x30, octets(engine) + integer(now_boots) + integer(now) +
                           octets(user_name) + octets(digest) + octets(salt))
            header = tlv(0x30, integer(m.id if id is None else id) + integer(65507) +
                         octets(bytes([level])) + integer(3))
            return tlv(0x30, integer(3) + header + octets(security) + scoped)

        data = whole(b"")
        if level & AUTH:
            data = whole(self.user.digest(engine, whole(bytes(self.user.digest_len))))
        if spoil is not None:
            data = bytearray(data)
            data[spoil] ^= 1
        return bytes(data)

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()
