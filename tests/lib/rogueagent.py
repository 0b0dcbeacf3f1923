"""An SNMP agent (v1, v2c) whose answers a test decides, for what real agents do not do on demand.
Messages are BER (X.690) after RFC 1157 and RFC 3416."""

import socket
import struct
import threading

GET, GETNEXT, RESPONSE, GETBULK = 0xA0, 0xA1, 0xA2, 0xA5
TOO_BIG, NO_SUCH_NAME, GEN_ERR = 1, 2, 5


def _length(n):
    if n < 128:
        return bytes([n])
    octets = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def tlv(tag, content):
    return bytes([tag]) + _length(len(content)) + content


def _signed(n):
    return n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True)


def arcs(text):
    return tuple(map(int, text.split(".")))


def _arc(n):
    octets = [n & 0x7F]
    while n := n >> 7:
        octets.append(0x80 | n & 0x7F)
    return bytes(reversed(octets))


def write_oid(name):
    return b"".join(map(_arc, (name[0] * 40 + name[1],) + tuple(name[2:])))


def integer(n):
    return tlv(0x02, _signed(n))


def octets(b):
    return tlv(0x04, b)


def oid(text):
    return tlv(0x06, write_oid(arcs(text)))


def ip(text):
    return tlv(0x40, socket.inet_aton(text))


def counter32(n):
    return tlv(0x41, _signed(n))


def gauge32(n):
    return tlv(0x42, _signed(n))


def timeticks(n):
    return tlv(0x43, _signed(n))


def opaque(b):
    return tlv(0x44, b)


def counter64(n):
    return tlv(0x46, _signed(n))


def opaque_float(x):
    return opaque(b"\x9f\x78\x04" + struct.pack(">f", x))


def opaque_double(x):
    return opaque(b"\x9f\x79\x08" + struct.pack(">d", x))


NULL = tlv(0x05, b"")
NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW = (tlv(t, b"") for t in (0x80, 0x81, 0x82))


def read_tlv(data):
    """(tag, content, what is behind)"""
    tag, n, at = data[0], data[1], 2
    if n & 0x80:
        at += n & 0x7F
        n = int.from_bytes(data[2:at], "big")
    return tag, data[at:at + n], data[at + n:]


def read_oid(content):
    found, n = [], 0
    for octet in content:
        n = n << 7 | octet & 0x7F
        if not octet & 0x80:
            found.append(n)
            n = 0
    return (min(found[0] // 40, 2), found[0] - 40 * min(found[0] // 40, 2), *found[1:])


class Request:
    """names: tuples of sub-identifiers; first, second: error fields, or non-repeaters and
    max-repetitions."""

    def __init__(self, message):
        _, content, _ = read_tlv(message)
        _, version, content = read_tlv(content)
        self.version = int.from_bytes(version, "big")
        _, self.community, content = read_tlv(content)
        self.command, content, _ = read_tlv(content)
        _, self.id, content = read_tlv(content)
        _, first, content = read_tlv(content)
        _, second, content = read_tlv(content)
        self.first, self.second = (int.from_bytes(b, "big") for b in (first, second))
        _, content, _ = read_tlv(content)
        self.names = []
        while content:
            _, varbind, content = read_tlv(content)
            self.names.append(read_oid(read_tlv(varbind)[1]))

    def answer(self, varbinds, error=0, index=0):
        listed = b"".join(tlv(0x30, tlv(0x06, write_oid(name)) + value) for name, value in varbinds)
        pdu = tlv(0x02, self.id) + integer(error) + integer(index) + tlv(0x30, listed)
        return tlv(0x30, integer(self.version) + tlv(0x04, self.community) + tlv(RESPONSE, pdu))

    def refuse(self, error, index=0):
        return self.answer([(name, NULL) for name in self.names], error, index)


class RogueAgent:
    """HANDLE(agent, request) returns a message, or None for silence. Without it the agent serves
    OBJECTS (dotted OID to value) as it should."""

    def __init__(self, objects=(), handle=None, address="127.0.0.1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.objects = {arcs(name): value for name, value in dict(objects).items()}
        self.handle = handle or RogueAgent.serve
        self.requests = []
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            message, peer = self._socket.recvfrom(65536)
            if not message:
                return
            request = Request(message)
            self.requests.append(request)
            reply = self.handle(self, request)
            if reply is not None:
                self._socket.sendto(reply, peer)

    def stop(self):
        family = self._socket.family
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()

    def next(self, name):
        later = [n for n in self.objects if n > name]
        return (min(later), self.objects[min(later)]) if later else (name, END_OF_MIB_VIEW)

    def serve(self, request):
        if request.command == GET:
            return request.answer([(n, self.objects.get(n, NO_SUCH_INSTANCE))
                                   for n in request.names])
        rounds = request.second if request.command == GETBULK else 1
        found, names = [], request.names
        for _ in range(rounds):
            row = [self.next(n) for n in names]
            found += row
            names = [n for n, _ in row]
        return request.answer(found)
