"""A whole installation in a private folder on loopback: snmpd, snmptrapd, a mail server, a web
server, snmpalertd, and a manager's tools that know its MIB by name."""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from .process import Process, children_of, find_program, started, stat_of
from .smtpd import Smtpd
from .snmp import SetRefused, Snmpd, Snmptrapd
from .wait import wait_for
from .web import Web

SOURCE = pathlib.Path(__file__).resolve().parents[2]
MIBS = "SNMPALERT-MIB:SNMPv2-MIB"


def build_folder():
    return pathlib.Path(os.environ.get("SNMPALERT_BUILD", ".")).resolve()


def mib_folders():
    return f"{build_folder()}/mibs:{SOURCE}/mibs/shim"


def numbers(names):
    """{name: sub-identifiers}, as net-snmp reads the MIB."""
    r = subprocess.run([find_program("snmptranslate"), "-On", "-M", mib_folders(), "-m", MIBS,
                        *(f"SNMPALERT-MIB::{name}" for name in names)],
                       capture_output=True, text=True, check=True, timeout=60)
    return {name: tuple(map(int, line.strip(".").split(".")))
            for name, line in zip(names, r.stdout.split(), strict=True)}


def adopt_orphans():
    """From now on this process inherits what its children leave behind."""
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER


def children():
    """{pid: name} of this process's children, those that wait to be reaped aside."""
    found = {}
    for pid in children_of("self"):
        stat = stat_of(pid)
        if stat and stat[1][0] != "Z":
            found[pid] = stat[0]
    return found


@contextlib.contextmanager
def none_left():
    """What is started in the block, whoever starts it, is gone behind it."""
    adopt_orphans()
    before = children()
    yield
    wait_for(lambda: children().keys() <= before.keys(), f"all processes but {before} to be gone")


class Snmpalertd:
    """The daemon on FOLDER/snmpalertd.xml, which holds XML."""

    def __init__(self, folder, xml, manager, options=()):
        self.folder, self.manager, self.options = folder, manager, list(options)
        self.programs = build_folder()
        self.users = [f"--user={os.geteuid()}"]  # stays who we are
        self.prefix = []  # a program that runs it
        self.file = os.path.join(folder, "snmpalertd.xml")
        self.process = None
        self.env = {}  # more of the environment
        self.nstages = 6  # that are to be seen in saProcessTable when it is up
        self.configure(xml)

    def configure(self, xml):
        with open(self.file, "w") as f:
            f.write(xml)

    def argv(self, *options):
        return [*self.prefix, str(self.programs / "snmpalertd"), "-c", self.file,
                f"--evaluator={self.programs}/snmpalertd-evaluator", *self.users, *self.options,
                *options]

    def copy_programs(self):
        """From now on it runs copies of the programs, which any user can reach. Their folder."""
        os.chmod(self.folder, 0o755)
        folder = pathlib.Path(self.folder, "programs")
        folder.mkdir(mode=0o755)
        for name in ("snmpalertd", "snmpalertd-evaluator"):
            shutil.copy(self.programs / name, folder)
        self.programs = folder
        return folder

    def launch(self):
        """Start it and do not wait."""
        self.process = Process(self.argv(), name="snmpalertd", env=self.env)
        return self.process

    def start(self):
        """Start it and wait until its MIB is served by all of its processes."""
        self.launch()
        try:
            wait_for(self._up, "snmpalertd to serve its MIB", 20)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.process.output()}")
        return self

    def _up(self):
        if not self.process.running():
            raise RuntimeError(f"snmpalertd ended:\n{self.process.output()}")
        states = self.manager.column("saProcessState")
        pids = self.manager.column("saProcessPid")
        return len(states) == self.nstages and set(states.values()) == {"running"} and \
            self.process.pid in map(_parent_of, map(int, pids.values()))

    def pid_of(self, name):
        """Of the process that saProcessTable calls NAME."""
        names = self.manager.column("saProcessName")
        index = next((i for i, n in names.items() if n == name), None)
        assert index is not None, f"no process {name} among {names}"
        return int(self.manager.column("saProcessPid")[index])

    def stop(self, *args, **kwargs):
        return self.process.stop(*args, **kwargs) if self.process else None


def _parent_of(pid):
    stat = stat_of(pid)
    return int(stat[1][1]) if stat else 0


_INDEX = re.compile(r'"((?:[^"\\]|\\.)*)"|(\d+)')


class Manager:
    """The snmp* programs as somebody uses them who has the MIB."""

    def __init__(self, folder, address, community="public"):
        self.address, self.community = address, community
        persistent = os.path.join(folder, "manager")
        os.makedirs(persistent, exist_ok=True)
        self.env = {"MIBS": MIBS, "MIBDIRS": mib_folders(), "SNMPCONFPATH": persistent,
                    "SNMP_PERSISTENT_DIR": persistent}

    def run(self, program, *args, options=(), timeout=5):
        argv = [find_program(program), "-v2c", "-c", self.community, "-t", str(timeout), "-r", "0",
                *options, self.address, *args]
        return subprocess.run(argv, env={**os.environ, "LC_ALL": "C.UTF-8", **self.env},
                              capture_output=True, text=True, timeout=timeout + 30)

    def _lines(self, program, *args, **kwargs):
        r = self.run(program, *args, **kwargs)
        assert r.returncode == 0, f"{program} {args}: exit {r.returncode}\n{r.stdout}{r.stderr}"
        return r.stdout

    def get(self, name):
        """Its value as text, an enumeration by its label; None where there is no such object."""
        value = _text(self._lines("snmpget", name, options=("-OqvU",)).rstrip("\n"))
        return None if value.startswith("No Such ") else value

    def column(self, name):
        """{index: value}; an index of one part is that part, else a tuple."""
        out = self._lines("snmpbulkwalk", name, options=("-OqsU",))
        found = {}
        for index, value in re.findall(rf"^{name}\.(\S*) (.*?)(?=^{name}\.|\Z)", out, re.M | re.S):
            if not value.startswith("No "):
                found[_parts(index)] = _text(value.rstrip("\n"))
        return found

    def set(self, *assignments):
        """Each (name, type letter of snmpset(1), value), all in one request. SetRefused, or what
        was answered."""
        args = [str(a) for assignment in assignments for a in assignment]
        r = self.run("snmpset", *args, timeout=10)
        if r.returncode == 0:
            return r.stdout
        reason = re.search(r"^Reason: (\w+)", r.stderr, re.M)
        assert reason, f"snmpset {args}: exit {r.returncode}\n{r.stdout}{r.stderr}"
        raise SetRefused(reason.group(1), 0, r.stderr)


def _text(value):
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _parts(index):
    parts = [int(number) if number else name for name, number in _INDEX.findall(index)]
    return parts[0] if len(parts) == 1 else tuple(parts)


class Site:
    """XML: a function that gets the site, with everything but the daemon running, and says what
    the configuration is. SNMPD: more lines of snmpd.conf, which may name TRAP_PORT, where snmptrapd
    will be; MASTER: its AgentX address. Ports and the store stay the same when parts are stopped and
    started."""

    def __init__(self, xml, prefix="snmpalert-live-", trap_options=("-OQ",), mail=None,
                 snmpd="", master="", trap_port=None):
        self.folder = tempfile.mkdtemp(prefix=prefix)
        self.snmpd = self.snmptrapd = self.mail = self.web = self.daemon = None
        try:
            self.documents = os.path.join(self.folder, "documents")
            os.mkdir(self.documents)
            self.snmpd = Snmpd(self._subfolder("snmpd"),
                               config="sysName demo.example.net\nsysLocation On this machine\n"
                                      + snmpd, agentx=master)
            self.snmpd.start()
            self.snmptrapd = Snmptrapd(self._subfolder("snmptrapd"), port=trap_port, options=(
                "-m", MIBS, "-M", mib_folders(), "-Lf", self.path("traps.log"), *trap_options))
            os.makedirs(self.path("snmptrapd/persistent/cert_indexes"))  # else its log tells of it
            self.snmptrapd.start()
            self.mail = mail or Smtpd()
            self.web = Web(self.documents)
            self.manager = Manager(self.folder, self.snmpd.address())
            self.daemon = Snmpalertd(self.folder, xml(self), self.manager)
        except BaseException:
            self.close()
            raise

    def _subfolder(self, name):
        os.mkdir(self.path(name))
        return self.path(name)

    def path(self, name):
        return os.path.join(self.folder, name)

    def publish(self, name, document):
        """Serve DOCUMENT as url(NAME). Whoever reads at this moment gets the old or the new one."""
        new = self.path("new.json")
        with open(new, "w") as f:
            json.dump(document, f)
        os.rename(new, os.path.join(self.documents, name))

    def traps(self):
        """What snmptrapd has printed."""
        return self.snmptrapd.process.output()

    def keep(self):
        """A copy of the folder outlives the site, with what snmpalertd printed; says where."""
        kept = self.folder + "-kept"
        shutil.copytree(self.folder, kept, ignore_dangling_symlinks=True,
                        ignore=shutil.ignore_patterns("agentx"))
        with open(os.path.join(kept, "daemon.log"), "w") as f:
            f.writelines(p.output() for p in started if p.name == "snmpalertd")
        print(f"# kept: {kept}", flush=True)

    def close(self):
        for part in (self.daemon, self.snmptrapd, self.snmpd, self.mail, self.web):
            if part:
                part.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
