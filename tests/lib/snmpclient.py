"""An SNMP manager (v2c) within the process: where a program for each request would cost more than
the request. Messages are BER (X.690) after RFC 3416."""

import itertools
import socket
import time

from .rogueagent import NULL, integer, octets, read_oid, read_tlv, tlv, write_oid
from .snmp import SetRefused
from .wait import PATIENCE

GET, GETNEXT, RESPONSE, SET, GETBULK = 0xA0, 0xA1, 0xA2, 0xA3, 0xA5
ERRORS = ("noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess",
          "wrongType", "wrongLength", "wrongEncoding", "wrongValue", "noCreation",
          "inconsistentValue", "resourceUnavailable", "commitFailed", "undoFailed",
          "authorizationError", "notWritable", "inconsistentName")
INTEGER, OCTETS, GAUGE = 0x02, 0x04, 0x42


def unsigned(n):
    return tlv(GAUGE, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def text(s):
    return octets(s.encode())


def index(*parts):
    """As sub-identifiers: names with their lengths in octets, and numbers."""
    found = ()
    for part in parts:
        name = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else None
        found += (part,) if name is None else (len(name), *name)
    return found


class Client:
    """Names are tuples of sub-identifiers, values what the functions above make. For one thread."""

    def __init__(self, port, community="public"):
        self._address, self._community = ("127.0.0.1", port), community.encode()
        self._ids = itertools.count(1)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def close(self):
        self._socket.close()

    def get(self, *names, timeout=5):
        """Values: int, str, or None where there is no such object."""
        status, at, values = self._ask(GET, [(n, NULL) for n in names], timeout)
        assert status == "noError", f"get {names}: {status} at {at}"
        return values

    def set(self, *assignments, timeout=10):
        """Each (name, value), all in one request. SetRefused, or an AssertionError without an
        answer."""
        status, at, _ = self._ask(SET, assignments, timeout)
        if status != "noError":
            raise SetRefused(status, at, f"{status} at {at}")

    def after(self, name, repetitions=0, timeout=5):
        """[(name, tag, content)] of what follows NAME, by GETNEXT, or by GETBULK if there are to be
        more REPETITIONS than one."""
        command = GETBULK if repetitions else GETNEXT
        answer = self.send(*self.request(command, [(name, NULL)], repetitions), timeout)
        assert not answer.status, f"after {name}: {ERRORS[answer.status]}"
        return answer.varbinds

    def request(self, command, varbinds, repetitions=0):
        """(request-id, the message as it goes on the wire)"""
        request = next(self._ids)
        listed = b"".join(tlv(0x30, tlv(0x06, write_oid(n)) + v) for n, v in varbinds)
        pdu = integer(request) + integer(0) + integer(repetitions) + tlv(0x30, listed)
        return request, tlv(0x30, integer(1) + octets(self._community) + tlv(command, pdu))

    def _ask(self, command, varbinds, timeout):
        answer = self.send(*self.request(command, varbinds), timeout)
        return ERRORS[answer.status], answer.index, answer.values

    def send(self, request, message, timeout=10):
        """Sends what request() made, once more, if you like: the answer to it."""
        self._socket.sendto(message, self._address)
        end = time.monotonic() + timeout * PATIENCE
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                answer = _Answer(self._socket.recv(65536))
            except (TimeoutError, ConnectionError):
                continue
            if answer.id == request:
                return answer
        raise AssertionError(f"no answer within {timeout * PATIENCE} s")


class _Answer:
    """ID, STATUS (see ERRORS), INDEX, VARBINDS: (name, tag, content), VALUES"""

    def __init__(self, message):
        _, content, _ = read_tlv(message)
        _, _, content = read_tlv(content)
        _, _, content = read_tlv(content)
        _, content, _ = read_tlv(content)
        numbers = []
        for _ in range(3):
            _, n, content = read_tlv(content)
            numbers.append(int.from_bytes(n, "big", signed=True))
        self.id, self.status, self.index = numbers
        _, content, _ = read_tlv(content)
        self.varbinds = []
        while content:
            _, varbind, content = read_tlv(content)
            _, name, rest = read_tlv(varbind)
            self.varbinds.append((read_oid(name), *read_tlv(rest)[:2]))
        self.values = [_value(*v[1:]) for v in self.varbinds]


def _value(tag, content):
    if tag in (0x05, 0x80, 0x81, 0x82):
        return None
    if tag == OCTETS:
        return content.decode("utf-8", "replace")
    return int.from_bytes(content, "big", signed=tag == INTEGER)
