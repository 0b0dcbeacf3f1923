"""pysnmp (python3-pysnmp4) as manager and as receiver of notifications: an SNMP implementation that
shares nothing with net-snmp's, nor with ours."""

import threading
import warnings

from .net import free_udp_port
from .snmp import SetRefused, Varbind
from .wait import wait_for

try:
    with warnings.catch_warnings():  # it uses modules that Python 3.12 will not have
        warnings.simplefilter("ignore", DeprecationWarning)
        from pysnmp.carrier.asyncore.dgram import udp
        from pysnmp.entity import config, engine
        from pysnmp.entity.rfc3413 import ntfrcv
        from pysnmp.hlapi.asyncore import (CommunityData, ContextData, SnmpEngine, UdpTransportTarget,
                                           UsmUserData, bulkCmd, getCmd, nextCmd, setCmd,
                                           usmAesCfb128Protocol, usmHMAC192SHA256AuthProtocol,
                                           usmHMACSHAAuthProtocol)
        from pysnmp.proto import rfc1902, rfc1905
        from pysnmp.proto.api import v2c
except ImportError as e:
    raise AssertionError(f"pysnmp cannot be imported ({e}); Debian package: python3-pysnmp4") from e

TYPES = {"Integer32": "INTEGER", "Integer": "INTEGER", "OctetString": "STRING",
         "Gauge32": "Gauge32", "Unsigned32": "Gauge32", "Counter32": "Counter32",
         "Counter64": "Counter64", "TimeTicks": "Timeticks", "ObjectIdentifier": "OID",
         "ObjectName": "OID"}
EXCEPTIONS = (rfc1905.NoSuchObject, rfc1905.NoSuchInstance, rfc1905.EndOfMibView)
ANSWER_S = 10


def integer(n):
    return rfc1902.Integer32(n)


def unsigned(n):
    return rfc1902.Unsigned32(n)


def octets(value):
    return rfc1902.OctetString(value.encode() if isinstance(value, str) else value)


def v2c_community(name="public"):
    return CommunityData(name, mpModel=1)


def v3_user(name, auth_pass, priv_pass, sha256=False):
    return UsmUserData(name, auth_pass, priv_pass,
                       authProtocol=usmHMAC192SHA256AuthProtocol if sha256
                       else usmHMACSHAAuthProtocol,
                       privProtocol=usmAesCfb128Protocol)


def _plain(value):
    """Type as net-snmp's tools name it, and the value as int, bytes or tuple."""
    if isinstance(value, EXCEPTIONS):
        return None, type(value).__name__
    kind = TYPES[type(value).__name__]
    if kind == "OID":
        return kind, tuple(value)
    return kind, bytes(value) if kind == "STRING" else int(value)


def _varbinds(pairs):
    return [Varbind(tuple(name), *_plain(value)) for name, value in pairs]


def _nothing(oid):
    return oid, rfc1902.Null("")


class Manager:
    """Of the agent at PORT; varbinds as lib.snmp.Tools has them, but OIDs are names of the values
    that integer(), octets() ... make."""

    def __init__(self, port, security):
        self._engine, self._security = SnmpEngine(), security
        self._target = UdpTransportTarget(("127.0.0.1", port), timeout=ANSWER_S, retries=0)

    def close(self):
        if self._engine.transportDispatcher:
            self._engine.transportDispatcher.closeDispatcher()

    def _ask(self, command, *args):
        """(error-status, error-index, varbinds), the latter row by row where there are rows."""
        answers = []
        command(self._engine, self._security, self._target, ContextData(), *args, lookupMib=False,
                cbFun=lambda *a: answers.append(a[2:6]))
        self._engine.transportDispatcher.runDispatcher()
        error, status, index, pairs = answers[0]
        assert not error, f"{command.__name__}: {error}"
        return status.prettyPrint() if status else "noError", int(index), pairs

    def _read(self, command, *args):
        status, index, pairs = self._ask(command, *args)
        assert status == "noError", f"{command.__name__}: {status} at {index}"
        return pairs

    def get(self, *oids):
        return _varbinds(self._read(getCmd, *map(_nothing, oids)))

    def get_next(self, *oids):
        row, = self._read(nextCmd, *map(_nothing, oids))
        return _varbinds(row)

    def get_bulk(self, *oids, non_repeaters=0, repetitions=10):
        """The varbinds of the response; non-repeaters are in its first row only."""
        rows = self._read(bulkCmd, non_repeaters, repetitions, *map(_nothing, oids))
        return [v for i, row in enumerate(rows)
                for v in _varbinds(row[non_repeaters if i else 0:])]

    def walk(self, root):
        return self._walk(root, lambda at: self.get_next(at))

    def bulk_walk(self, root, repetitions=25):
        return self._walk(root, lambda at: self.get_bulk(at, repetitions=repetitions))

    def _walk(self, root, step):
        found, at = [], root
        while True:
            more = step(at)
            inside = [v for v in more if v.type and v.oid[:len(root)] == root]
            found += inside
            if len(inside) < len(more) or not more:
                return found
            assert inside[-1].oid > at, "the walk goes backwards"
            at = inside[-1].oid

    def set(self, *assignments):
        """Each (oid, value), all in one request: what was answered, or SetRefused."""
        status, index, pairs = self._ask(setCmd, *assignments)
        if status != "noError":
            raise SetRefused(status, index, f"{status} at {index}")
        return _varbinds(pairs)


class Notification:
    """INFORM: its sender wants an acknowledgement, and got it."""

    def __init__(self, inform, varbinds):
        self.inform, self.varbinds = inform, varbinds

    def __repr__(self):
        return f"<{'inform' if self.inform else 'trap'} {self.varbinds}>"


class Receiver:
    """Listens for v2c notifications on PORT; those that came are in RECEIVED."""

    def __init__(self, community="public"):
        self.received, self.port = [], free_udp_port()
        self._inform = False  # the one that is being received
        self._engine = engine.SnmpEngine()
        config.addTransport(self._engine, udp.domainName,
                            udp.UdpTransport().openServerMode(("127.0.0.1", self.port)))
        config.addV1System(self._engine, "area", community)
        self._engine.observer.registerObserver(self._on_request, "rfc3412.receiveMessage:request")
        ntfrcv.NotificationReceiver(self._engine, self._on_notification)
        self._engine.transportDispatcher.jobStarted(1)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        self._engine.transportDispatcher.runDispatcher(timeout=0.1)

    def _on_request(self, snmp_engine, point, variables, context):
        self._inform = variables["pdu"].tagSet == v2c.InformRequestPDU.tagSet

    def _on_notification(self, snmp_engine, reference, engine_id, name, pairs, context):
        self.received.append(Notification(self._inform, _varbinds(pairs)))

    def wait(self, matches, what, timeout=15):
        """The first notification that MATCHES."""
        wait_for(lambda: any(map(matches, self.received)), what, timeout)
        return next(filter(matches, self.received))

    def close(self):
        self._engine.transportDispatcher.jobFinished(1)
        self._thread.join(5)
        self._engine.transportDispatcher.closeDispatcher()
