"""A kind of handler that one file adds (tests/kind/datagram.c): the schema, the manual, the checks of
the configuration file, the MIB, overrides, secrets, templates, validation and delivery know it."""

import json
import pathlib
import shutil
import socket
import subprocess

import pytest

from lib.mainjob import apps_run, definition, sites, wait_notice
from lib.site import build_folder
from lib.snmp import SetRefused
from lib.wait import wait_for

make_site = pytest.fixture(sites, name="make_site")

KEY = "k3y:"
TARGET = '<target name="gram" handler="gram" global="true" digestMillis="0"/>'


class Receiver:
    """Datagrams that came to a port."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def next(self):
        self._socket.settimeout(20)
        return self._socket.recv(2048).decode()

    def close(self):
        self._socket.close()


@pytest.fixture
def receivers():
    both = Receiver(), Receiver()
    yield both
    for r in both:
        r.close()


@pytest.fixture
def programs(tmp_path):
    """The daemon that knows of it, and the evaluator as always."""
    for name in ("tests/kind/snmpalertd", "snmpalertd-evaluator"):
        shutil.copy(build_folder() / name, tmp_path)
    return tmp_path


def handler(to, **more):
    values = {"host": "127.0.0.1", "port": to, "key": KEY, "text": "${level}: ${message}", **more}
    return "<datagram name='gram' " + " ".join(f"{k}='{v}'" for k, v in values.items()) + "/>"


@pytest.fixture
def make(make_site, programs):
    """make(HANDLER, start=True)"""

    def make(xml, start=True):
        site = make_site(definition("busy") + TARGET, handlers=xml, start=False)
        site.daemon.programs = programs
        if start:
            site.daemon.start()
        return site
    return make


def made(what, program):
    return subprocess.run([build_folder() / program, what], check=True, capture_output=True,
                          text=True).stdout


@pytest.mark.parametrize("what, words", (
    ("--rng", '"datagram"'), ("--man", "What each datagram begins with."),
))
def test_schema_and_manual_are_made_of_its_table(what, words):
    assert words in made(what, "tests/kind/mkrng")
    assert words not in made(what, "daemon/mkrng")


def test_it_is_what_any_kind_is(make, receivers):
    first, second = receivers
    site = make(handler(first.port))
    m = site.manager

    def cell(column, name):
        return m.get(f'saHandlerProperty{column}."admin"."gram"."{name}"')

    assert m.get('saHandlerKind."admin"."gram"') == "datagram"
    assert (cell("Value", "host"), cell("Value", "port")) == ("127.0.0.1", str(first.port))
    assert cell("Value", "key") == ""  # a secret
    assert cell("Value", "text") == "${level}: ${message}"
    apps_run(site, 7)
    assert first.next() == f"{KEY}CRITICAL: busy is critical"
    n = wait_notice(site, Target="gram", State="delivered")
    assert n["Confirmation"] == "handedOff"
    # What a manager sets is checked by the table; another place gets no secret of the file.
    port = 'saHandlerPropertyValue."admin"."gram"."port"'
    with pytest.raises(SetRefused):
        m.set((port, "s", "65536"))
    assert "from 1 to 65535" in m.get('saOwnerLastError."admin"')
    with pytest.raises(SetRefused):
        m.set(('saHandlerPropertyValue."admin"."gram"."host"', "s", "nowhere.example.net"))
    assert "expected a numeric address" in m.get('saOwnerLastError."admin"')
    m.set((port, "s", str(second.port)))
    apps_run(site, 3)
    assert second.next() == "OK: busy is ok"
    # It is validated as others are, and by a process that was not there when it was set.
    m.set(('saHandlerValidate."admin"."gram"', "i", m.get('saHandlerValidate."admin"."gram"')))
    wait_for(lambda: m.get('saHandlerCheck."admin"."gram"') == "succeeded", "the check")
    assert m.get('saHandlerCheckMessage."admin"."gram"') == f"127.0.0.1:{second.port}"


def test_from_the_command_line(make, receivers):
    first, _ = receivers
    site = make(handler(first.port), start=False)
    for option, message in (("--validate", f"127.0.0.1:{first.port}"), ("--test", None)):
        r = subprocess.run(site.daemon.argv(option, "gram"), capture_output=True, text=True,
                           timeout=60)
        said = json.loads(r.stdout)
        assert said["success"] and message in (None, said["message"]), (said, r.stderr)
    assert first.next().startswith(KEY)


@pytest.mark.parametrize("values, words", (
    ({"port": 0}, "expected a number from 1 to 65535"), ({"host": "x.invalid"}, "numeric address"),
    ({"text": "${nobody}"}, "nobody"), ({"prot": 1}, "did you mean 'port'"),
))
def test_the_file_is_checked_by_its_table(make, receivers, values, words):
    site = make(handler(receivers[0].port, **values), start=False)
    r = subprocess.run(site.daemon.argv("--check-config"), capture_output=True, text=True, timeout=60)
    assert r.returncode and words in r.stderr and pathlib.Path(site.daemon.file).name in r.stderr
