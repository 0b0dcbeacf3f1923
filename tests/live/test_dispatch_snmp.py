"""The snmp handler against a real snmptrapd, and against receivers that misbehave."""

import re
import socket
import threading
import time

import pytest

from lib.dispatchhost import (ACKNOWLEDGED, DELIVERED, FAILED, HANDED_OFF, NONE, RETRY,
                              STATE_DELIVERED, STATE_FAILED, STATE_PENDING)
from lib.net import free_udp_port
from lib.snmp import Snmptrapd
from lib.wait import wait_for

ROOT = (1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 1)
INTEGER, ENUM, UNSIGNED, MILLIS, DATE, TEXT, NAME, BITS = 0, 1, 5, 8, 10, 11, 12, 14


@pytest.fixture
def trapd(tmp_path):
    d = Snmptrapd(str(tmp_path), options=("-On", "-Ox", "-F",
                                          "got %N [%P] uptime, %v END\\n")).start()
    yield d
    d.stop()


class Receiver:
    """A UDP socket that keeps what it gets and returns REPLY(datagram) to the sender."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port, self.datagrams, self.reply = self._socket.getsockname()[1], [], None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            data, sender = self._socket.recvfrom(65536)
            if sender[1] == self.port:
                return  # its own: the end
            self.datagrams.append(data)
            answer = self.reply and self.reply(data)
            if answer:
                self._socket.sendto(answer, sender)

    def wait(self):
        wait_for(lambda: self.datagrams, "a datagram")
        return self.datagrams[0]

    def stop(self):
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.stop()


def handler(h, port, **more):
    h.handler("snmp", **{"host": "127.0.0.1", "port": str(port), "timeout": "200ms",
                         "retries": "1", **more})


def varbind(oid, syntax, value):
    return {"oid": list(oid), "syntax": syntax,
            **({"bytes": value} if isinstance(value, str) else {"number": value})}


def text(oid):
    return "." + ".".join(map(str, ROOT + (1,) + tuple(oid)))


EVENT = {"notification": 1, "message": "too hot", "varbinds": [
    varbind((17, 1, 4, 5, 97), ENUM, 4), varbind((17, 1, 9, 5, 97), TEXT, "too hot: 93 \u00b0C"),
    varbind((20, 1, 4, 1), UNSIGNED, 4294967295), varbind((17, 1, 3, 1), NAME, "hot"),
    varbind((17, 1, 8, 1), DATE, "\x07\x01\x02\x03\x04\x05\x06\x07\x2b\x01\x02"),
    varbind((15, 1, 6, 1), BITS, "`"), varbind((9, 1, 7, 1), INTEGER, -2147483648)]}


def test_trap(host, trapd):
    handler(host, trapd.port)
    o = host.deliver(EVENT)
    assert (o["result"], o["confirmation"], o["error"]) == (DELIVERED, HANDED_OFF, "")
    assert o["recipients"] == []
    got = trapd.process.expect(r"(?s)got .*?END").group()
    assert re.search(r"\.1\.3\.6\.1\.2\.1\.1\.3\.0 = Timeticks: \(\d+\)", got)
    assert f".1.3.6.1.6.3.1.1.4.1.0 = OID: .{'.'.join(map(str, ROOT))}.0.1" in got
    assert f"{text((17, 1, 4, 5, 97))} = INTEGER: 4" in got
    temperature = " ".join(f"{c:02X}" for c in "too hot: 93 \u00b0C".encode())
    assert f"{text((17, 1, 9, 5, 97))} = Hex-STRING: {temperature}" in re.sub(r"\s+", " ", got)
    assert f"{text((20, 1, 4, 1))} = Gauge32: 4294967295" in got
    assert f"{text((17, 1, 3, 1))} = Hex-STRING: 68 6F 74" in got
    assert f"{text((9, 1, 7, 1))} = INTEGER: -2147483648" in got
    assert f"{text((15, 1, 6, 1))} = Hex-STRING: 60" in got


def test_inform_is_acknowledged(host, trapd):
    handler(host, trapd.port, confirm="inform", timeout="5s")
    o = host.deliver(EVENT, recipients=[f"127.0.0.1:{trapd.port}"])
    assert (o["result"], o["confirmation"]) == (DELIVERED, ACKNOWLEDGED)
    assert o["recipients"] == [{"address": f"127.0.0.1:{trapd.port}", "state": STATE_DELIVERED,
                                "reply": "acknowledged"}]
    trapd.process.expect(r"(?s)got .*END")


def test_a_name_is_resolved(host, trapd):
    """Also where the name has an IPv6 address first, on which snmptrapd does not listen."""
    handler(host, trapd.port, host="localhost", confirm="inform", timeout="5s")
    assert host.deliver(EVENT)["result"] == DELIVERED


def test_after_silence_the_next_address_of_a_name(host):
    families = {a[0] for a in socket.getaddrinfo("localhost", 162, type=socket.SOCK_DGRAM)}
    if families != {socket.AF_INET, socket.AF_INET6}:
        pytest.skip("localhost has one address here")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.bind(("::1", 0))
        s.settimeout(10)
        handler(host, s.getsockname()[1], host="localhost", confirm="inform")
        assert host.deliver(EVENT)["result"] == RETRY
        host.send(EVENT)
        assert s.recv(65536)


def test_many_informs(host, trapd):
    handler(host, trapd.port, confirm="inform", timeout="5s")
    ids = [host.send({**EVENT, "notice": i}) for i in range(500)]
    assert {host.outcome(i)["result"] for i in ids} == {DELIVERED}


def test_several_events_are_several_notifications(host, trapd):
    handler(host, trapd.port, confirm="inform", timeout="5s")
    o = host.deliver(*({**EVENT, "varbinds": [varbind((17, 1, 3, i), TEXT, f"event {i}")]}
                       for i in range(150)))
    assert (o["result"], o["confirmation"]) == (DELIVERED, ACKNOWLEDGED)
    for i in (149, 0):  # a job has the newest first; receivers take what comes last for what is
        octets = " ".join(f"{c:02X}" for c in f"event {i}".encode())
        trapd.process.expect(re.escape(f"{text((17, 1, 3, i))} = Hex-STRING: {octets}"))
    came = re.findall(re.escape(text((17, 1, 3))) + r"\.(\d+) = ", trapd.process.output())
    assert came == [str(i) for i in reversed(range(150))]


def test_dead_port(host):
    port = free_udp_port()
    handler(host, port, confirm="inform")
    begin = time.monotonic()
    o = host.deliver(EVENT, recipients=[f"127.0.0.1:{port}"])
    assert (o["result"], o["confirmation"]) == (RETRY, NONE)
    assert o["error"].startswith(f"127.0.0.1:{port}: the inform ")
    assert o["recipients"][0]["state"] == STATE_PENDING
    assert time.monotonic() - begin < 5


def test_silent_receiver_is_asked_again(host, receiver):
    handler(host, receiver.port, confirm="inform", retries="2")
    o = host.deliver(EVENT)
    assert o["result"] == RETRY and "not acknowledged in time" in o["error"]
    assert len(receiver.datagrams) == 3 and len(set(receiver.datagrams)) == 1


def test_a_silent_receiver_delays_no_other(host, receiver, trapd):
    handler(host, receiver.port, confirm="inform", timeout="10s")
    host.send(EVENT)
    o = host.deliver(EVENT, recipients=[f"127.0.0.1:{trapd.port}"], overrides={"community": "x"},
                     timeout=3)
    assert o["result"] == DELIVERED


def response(status, command=0xA2):
    """Turns an InformRequest into a PDU of COMMAND with error-status STATUS."""
    def answer(data):
        at = data.index(b"\xa6")  # the inform's tag; what stands before it is short and has none
        body = bytearray(data)
        body[at] = command
        first = at + 2 if body[at + 1] < 128 else at + 2 + (body[at + 1] & 127)
        error_status = first + 2 + body[first + 1]
        assert bytes(body[error_status:error_status + 3]) == b"\x02\x01\x00"
        body[error_status + 2] = status
        return bytes(body)
    return answer


def test_error_in_the_response_is_final(host, receiver):
    receiver.reply = response(5)
    handler(host, receiver.port, confirm="inform")
    o = host.deliver(EVENT)
    assert o["result"] == FAILED and "answered genErr" in o["error"]


@pytest.mark.parametrize("reply", [
    lambda d: b"", lambda d: b"\x30", lambda d: d[:20], lambda d: b"\xff" * 100,
    lambda d: response(0, 0xA8)(d), lambda d: response(0, 0xA7)(d)])
def test_what_is_no_response_acknowledges_nothing(host, receiver, reply):
    receiver.reply = reply
    handler(host, receiver.port, confirm="inform")
    o = host.deliver(EVENT)
    assert o["result"] == RETRY and o["confirmation"] == NONE


def test_largest_notification_fits_one_frame(host, receiver):
    handler(host, receiver.port)
    owner = (32,) + (97,) * 32
    texts = {9: "\u20ac" * 85, 10: "v" * 255, 11: "d" * 255, 12: "\U0001f525" * 63}
    event = {"notification": 3, "varbinds":
             [varbind((17, 1, c) + owner + (4294967295,), TEXT, t) for c, t in texts.items()] +
             [varbind((9, 1, c) + owner + owner, NAME, "n" * 32) for c in range(2, 8)]}
    assert host.deliver(event)["result"] == DELIVERED
    datagram = receiver.wait()
    assert 1300 < len(datagram) <= 1472
    assert datagram.count(b"n" * 32) == 6          # names stay whole
    for bad in (b"\xe2\x82\x04", b"\xf0\x9f\x94\x04"):
        assert bad not in datagram                  # no character is cut


def test_what_cannot_fit_fails(host, receiver):
    handler(host, receiver.port)
    event = {"varbinds": [varbind((17, 1, c), NAME, "n" * 32 * 20) for c in range(3)]}
    o = host.deliver(event)
    assert o["result"] == FAILED and "1472" in o["error"]
    o = host.deliver({"varbinds": [varbind((6, 1, 4, 1), MILLIS, 1)]})
    assert o["result"] == FAILED and "Counter64" in o["error"]
    o = host.deliver({"notification": 0})
    assert o["result"] == FAILED


# ---- destinations ----

@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.0.0.1:65536", "[::1", "127.0.0.1:x", ":162",
                                     "127.0.0.1:162x", "a b", "[::1]162"])
def test_bad_address_fails_at_once(host, trapd, address):
    handler(host, trapd.port)
    good = f"127.0.0.1:{trapd.port}"
    o = host.deliver(EVENT, recipients=[address, good])
    assert {r["address"]: r["state"] for r in o["recipients"]} == {
        address: STATE_FAILED, good: STATE_DELIVERED}
    assert o["result"] == DELIVERED


def test_neither_handler_nor_target_names_a_host(host):
    host.handler("snmp")
    o = host.deliver(EVENT)
    assert o["result"] == FAILED and "names a host" in o["error"]


def test_the_community_stays_with_its_host(host, receiver, trapd):
    handler(host, trapd.port, community="s3cret")
    o = host.deliver(EVENT, recipients=[f"127.0.0.1:{receiver.port}"])
    assert o["result"] == FAILED and "community of its own" in o["error"]
    o = host.deliver(EVENT, overrides={"port": str(receiver.port)})
    assert o["result"] == FAILED
    assert not receiver.datagrams
    o = host.deliver(EVENT, recipients=[f"127.0.0.1:{receiver.port}"],
                     overrides={"community": "theirs"})
    assert o["result"] == DELIVERED
    assert host.deliver(EVENT, recipients=[f"127.0.0.1:{trapd.port}"])["result"] == DELIVERED
    assert b"theirs" in receiver.wait() and b"s3cret" not in receiver.wait()
    assert "s3cret" not in host.output()


def test_unknown_name_is_retried(host):
    handler(host, 162, host="nowhere.invalid")
    o = host.deliver(EVENT)
    assert o["result"] == RETRY and o["error"].startswith("nowhere.invalid:162: ")


def test_validate_says_where_it_would_go(host, receiver):
    handler(host, receiver.port)
    assert host.validate() == (True, f"127.0.0.1:{receiver.port} is 127.0.0.1:{receiver.port}")
    good, message = host.validate(recipients=["127.0.0.1:162", "localhost:1162"])
    assert good and re.fullmatch(r"localhost:1162 is (127\.0\.0\.1|\[::1\]):1162", message)
    good, message = host.validate(recipients=["127.0.0.1:162", "nowhere.invalid:99"])
    assert not good and message.startswith("nowhere.invalid:99: ")
    good, message = host.validate(recipients=["[::1]x"])
    assert not good and message == "[::1]x: expected host or host:port"
    assert not receiver.datagrams


def test_confirm_is_the_targets_choice(host, trapd):
    handler(host, trapd.port, timeout="5s")
    assert host.deliver(EVENT)["confirmation"] == HANDED_OFF
    assert host.deliver(EVENT, overrides={"confirm": "inform"})["confirmation"] == ACKNOWLEDGED


def test_an_override_that_is_not_allowed_fails(host, trapd):
    handler(host, trapd.port)
    o = host.deliver(EVENT, overrides={"retries": "3"})
    assert o["result"] == FAILED and "may not override" in o["error"]


# ---- version 1 ----

@pytest.fixture
def trapd_v1(tmp_path):
    """Says what only version 1's Trap-PDU has: enterprise, generic and specific number (%q with
    its dot), agent."""
    d = Snmptrapd(str(tmp_path), options=("-On", "-Ox", "-F",
                                          "got %N %w%q from %a [%P], %v END\\n")).start()
    yield d
    d.stop()


@pytest.mark.parametrize("said, address", [({}, "127.0.0.1"),
                                           ({"agentAddress": "192.0.2.7"}, "192.0.2.7")])
def test_version_1(host, trapd_v1, said, address):
    handler(host, trapd_v1.port, version="1", community="area", **said)
    o = host.deliver(EVENT)
    assert (o["result"], o["confirmation"], o["error"]) == (DELIVERED, HANDED_OFF, "")
    got = trapd_v1.process.expect(r"(?s)got .*?END").group()
    assert got.startswith(f"got .{'.'.join(map(str, ROOT))} 6.1 from {address} "
                          "[TRAP, SNMP v1, community area], ")
    assert f"{text((17, 1, 4, 5, 97))} = INTEGER: 4" in got
    assert f"{text((20, 1, 4, 1))} = Gauge32: 4294967295" in got
    assert ".1.3.6.1.6.3.1.1.4.1.0" not in got and ".1.3.6.1.2.1.1.3.0" not in got


def test_version_1_over_ipv6_names_no_agent(host):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.bind(("::1", 0))
        s.settimeout(10)
        handler(host, s.getsockname()[1], host="::1", version="1")
        assert host.deliver(EVENT)["result"] == DELIVERED
        assert b"\x40\x04\0\0\0\0\x02\x01\x06\x02\x01\x01" in s.recv(65536)


def test_version_1_has_no_informs(host, trapd_v1):
    assert "has no informs" in host.check("snmp", version="1", confirm="inform")
    assert host.check("snmp", version="1") == ""
    handler(host, trapd_v1.port, version="1")
    o = host.deliver(EVENT, overrides={"confirm": "inform"})
    assert o["result"] == FAILED and "version 1 has no informs" in o["error"]


def test_agent_address_is_checked(host):
    assert "agentAddress" in host.check("snmp", version="1", agentAddress="999.0.0.1")
