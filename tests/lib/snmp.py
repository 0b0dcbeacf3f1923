"""Private SNMP daemons, unprivileged, on free ports, and the tools that talk to them."""

import os
import re
import signal
import subprocess

from .net import free_udp_port
from .process import Process, find_program
from .wait import wait_for

SYS_UPTIME = (1, 3, 6, 1, 2, 1, 1, 3, 0)
RECEIVE_BUFFER = "[snmp] serverRecvBuf 4194304\n"  # a burst of traps on a busy machine: UDP drops
DEFAULTS = "agentXTimeout 1\nagentXRetries 5\n"  # snmpd's own, which Snmpd does not leave it


def environment(folder):
    """Keep net-snmp programs away from the machine's configuration, MIBs and state."""
    persistent = os.path.join(folder, "persistent")
    os.makedirs(persistent, exist_ok=True)
    return {"SNMP_PERSISTENT_DIR": persistent, "SNMPCONFPATH": persistent, "MIBS": "", "LC_ALL": "C"}


class _Daemon:
    """start() and stop() may be repeated; port and files stay the same."""

    def __init__(self, folder, port=None):
        self.folder = folder
        self.port = port
        self.process = None

    def start(self):
        fixed = self.port is not None
        for attempt in range(5):
            self.port = self.port or free_udp_port()
            self.process = self._spawn()
            if self._up():
                return self
            lost_race = re.search(r"Error opening specified endpoint|in use", self.process.output())
            self.stop()
            assert lost_race and not fixed, \
                f"{self.process.name} did not start:\n{self.process.output()}"
            self.port = None
        raise AssertionError("no free UDP port")

    def stop(self, number=signal.SIGTERM):
        return self.process.stop(number) if self.process else None

    def replace(self):
        """A new one starts while the old one ends, as often as it takes to get the port."""
        old = self.process
        old.send(signal.SIGTERM)
        self.process = self._spawn()
        old.wait()
        while not self._up():
            self.process = self._spawn()

    def address(self):
        return f"127.0.0.1:{self.port}"


class Snmpd(_Daemon):
    """snmpd as AgentX master, at the address AGENTX ("": a socket in FOLDER). CONFIG: more lines for
    its file, of which the last counts."""

    def __init__(self, folder, config="", port=None, read_write=("public",), agentx=""):
        super().__init__(folder, port)
        self.prefix = []  # a program that runs it
        self.agentx = agentx or "unix:" + os.path.join(folder, "agentx")
        self.conf = os.path.join(folder, "snmpd.conf")
        with open(self.conf, "w") as f:
            f.write("master agentx\n"
                    f"agentXSocket {self.agentx}\n"
                    "agentXTimeout 5\nagentXRetries 0\n"
                    "dontLogTCPWrappersConnects yes\n")
            for community in read_write:
                f.write(f"rwcommunity {community} 127.0.0.1\n")
            f.write(config)

    def _spawn(self):
        return Process([*self.prefix, find_program("snmpd"), "-f", "-Lo", "-C", "-c", self.conf, "-I", "-smux",
                        f"udp:127.0.0.1:{self.port}"], env=environment(self.folder))

    def _up(self):
        tools = Tools(self)
        wait_for(lambda: not self.process.running() or
                 tools.run("snmpget", oid_text(SYS_UPTIME), timeout=1)[0] == 0, "snmpd to answer")
        return self.process.running()


class Snmptrapd(_Daemon):
    """snmptrapd; what it receives is in process.output(), one line each ("TRAP ..." first)."""

    def __init__(self, folder, config="", port=None, options=("-On",)):
        super().__init__(folder, port)
        self.options = list(options)
        self.conf = os.path.join(folder, "snmptrapd.conf")
        with open(self.conf, "w") as f:
            f.write(RECEIVE_BUFFER)
            f.write("disableAuthorization yes\n" if not config else "")
            f.write(config)

    def _spawn(self):
        return Process([find_program("snmptrapd"), "-f", "-Lo", "-C", "-c", self.conf,
                        *self.options, f"udp:127.0.0.1:{self.port}"],
                       env=environment(self.folder))

    def _up(self):
        try:
            self.process.expect(r"NET-SNMP version")
        except AssertionError:
            assert not self.process.running()
        return self.process.running()


class Varbind:
    """OID as a tuple of integers, type as the tools print it, value as int or bytes (an exception
    such as "No Such Object ..." has type None and the words as value)."""

    def __init__(self, oid, kind, value):
        self.oid, self.type, self.value = oid, kind, value

    def __eq__(self, other):
        return (self.oid, self.type, self.value) == (other.oid, other.type, other.value)

    def __repr__(self):
        return f"<{'.'.join(map(str, self.oid))} = {self.type}: {self.value!r}>"


def oid_text(oid):
    return "." + ".".join(map(str, oid))


_VARBIND = re.compile(r"^\.(\d[\d.]*) = (.*?)(?=^\.\d[\d.]* = |\Z)", re.M | re.S)
_EXCEPTION = re.compile(r"No Such Object|No Such Instance|No more variables")


def _value(text):
    if _EXCEPTION.match(text):
        return None, text
    if text == '""':
        return "STRING", b""
    kind, _, rest = text.partition(": ")
    if kind == "Hex-STRING":
        return "STRING", bytes.fromhex(rest.replace("\n", " "))
    if kind in ("INTEGER", "Gauge32", "Counter32", "Counter64"):
        return kind, int(rest)
    if kind == "Timeticks":
        return kind, int(rest[1:rest.index(")")])
    return kind, rest


def parse(text):
    """The varbinds in what snmpget, snmpwalk ... printed with -On -Ox."""
    return [Varbind(tuple(map(int, oid.split("."))), *_value(value.strip()))
            for oid, value in _VARBIND.findall(text)]


class SetRefused(Exception):
    """ERROR: "wrongValue" ...; INDEX: the varbind to blame, from 1 (0: none named)."""

    def __init__(self, error, index, text):
        super().__init__(text)
        self.error, self.index = error, index


class Tools:
    """The real snmp* programs, asking one agent."""

    def __init__(self, daemon, community="public", version="2c"):
        self.daemon, self.community, self.version = daemon, community, version

    def run(self, program, *args, options=(), timeout=10, retries=0):
        """(exit status, standard output, standard error)"""
        return self.run_as((f"-v{self.version}", "-c", self.community), program, *args,
                           options=options, timeout=timeout, retries=retries)

    def run_as(self, security, program, *args, options=(), timeout=10, retries=0):
        argv = [find_program(program), *security, "-On", "-Ox", "-m", "", "-t", str(timeout),
                "-r", str(retries), *options, self.daemon.address(), *args]
        r = subprocess.run(argv, env={**os.environ, **environment(self.daemon.folder)},
                           capture_output=True, text=True, timeout=timeout * (retries + 1) + 30)
        return r.returncode, r.stdout, r.stderr

    def _varbinds(self, program, *oids, options=()):
        status, out, errors = self.run(program, *map(oid_text, oids), options=options)
        assert status == 0, f"{program} {options} {oids}: exit {status}\n{out}{errors}"
        return parse(out)

    def get(self, *oids):
        return self._varbinds("snmpget", *oids)

    def get_next(self, *oids):
        return self._varbinds("snmpgetnext", *oids)

    def get_bulk(self, *oids, non_repeaters=0, repetitions=10):
        return self._varbinds("snmpbulkget", *oids,
                              options=(f"-Cn{non_repeaters}", f"-Cr{repetitions}"))

    def walk(self, oid, repetitions=25):
        """All below OID, by GETBULK."""
        found = self._varbinds("snmpbulkwalk", oid, options=(f"-Cr{repetitions}",))
        return [v for v in found if v.type]

    def set(self, *varbinds):
        """Each (oid, type letter of snmpset(1), value). Returns what the agent echoed, or raises
        SetRefused."""
        args = [a for oid, kind, value in varbinds for a in (oid_text(oid), kind, str(value))]
        status, out, errors = self.run("snmpset", *args)
        if status == 0:
            return parse(out)
        reason = re.search(r"^Reason: (\w+)", errors, re.M)
        assert reason, f"snmpset {varbinds}: exit {status}\n{out}{errors}"
        failed = re.search(r"^Failed object: (\.\S+)", errors, re.M)
        names = [oid_text(v[0]) for v in varbinds]
        index = names.index(failed.group(1)) + 1 if failed and failed.group(1) in names else 0
        raise SetRefused(reason.group(1), index, errors)
