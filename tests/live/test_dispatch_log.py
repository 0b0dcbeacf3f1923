"""The log handler: files that are rotated, full or not what they should be, and syslog."""

import json
import os
import re
import resource
import socket
import stat

import pytest

from lib.dispatchhost import ACKNOWLEDGED, DELIVERED, HANDED_OFF, RETRY
from lib.wait import wait_for

EVENT = {"message": "too hot", "definition": "hot", "instance": "cpu0", "value": "93"}
SUBJECT = "[CRITICAL] alice/hot cpu0: too hot"


@pytest.fixture
def file(host, tmp_path):
    """The handler's file, which is not there yet."""
    path = tmp_path / "alerts.log"
    host.handler("log", file=str(path))
    return path


def delivered(host, *events, confirmation=HANDED_OFF, **job):
    o = host.deliver(*events, **job)
    assert (o["result"], o["confirmation"], o["error"]) == (DELIVERED, confirmation, "")
    return o


def retried(host, words, *events):
    o = host.deliver(*events)
    assert (o["result"], o["recipients"]) == (RETRY, [])
    assert re.search(words, o["error"]), o["error"]


def lines(path):
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


# ---- files ----

def test_a_notice_is_a_line(host, file):
    delivered(host, EVENT)
    delivered(host, {"message": "a\nb", "level": 1})
    first, second = lines(file)
    assert (first["target"], first["targetOwner"], first["version"]) == ("ops", "alice", 1)
    assert (first["message"], first["level"], first["kind"]) == ("too hot", "CRITICAL", "raise")
    assert first["at"] == "2026-11-18T11:06:40.000Z"
    assert (second["message"], second["level"]) == ("a\nb", "OK")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_of_a_digest_each_notice_is_a_line_the_newest_last(host, file):
    delivered(host, {"message": "new"}, {"message": "old"})
    assert [n["message"] for n in lines(file)] == ["old", "new"]


def test_text(host, tmp_path):
    path = tmp_path / "text.log"
    host.handler("log", file=str(path), format="text")
    delivered(host, EVENT)
    assert path.read_text() == f"2026-11-18T11:06:40.000Z {SUBJECT}\n"


def test_with_sync_it_is_on_the_disk(host, tmp_path):
    host.handler("log", file=str(tmp_path / "alerts.log"), sync="true")
    delivered(host, EVENT, confirmation=ACKNOWLEDGED)


def test_whoever_rotates_needs_to_tell_nobody(host, file):
    delivered(host, {"message": "one"})
    file.rename(file.with_suffix(".1"))
    delivered(host, {"message": "two"})
    file.unlink()
    delivered(host, {"message": "three"})
    os.truncate(file, 0)
    delivered(host, {"message": "four"})
    assert [n["message"] for n in lines(file.with_suffix(".1"))] == ["one"]
    assert [n["message"] for n in lines(file)] == ["four"]


def test_what_is_there_is_appended_to_and_keeps_its_mode(host, file):
    file.write_text('{"message": "before"}\n')
    file.chmod(0o604)
    delivered(host, EVENT)
    assert [n["message"] for n in lines(file)] == ["before", "too hot"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o604


def test_a_file_at_its_limit_is_tried_again_and_stays_whole(host, file):
    delivered(host, {"message": "one"})
    size = file.stat().st_size
    resource.prlimit(host.pid, resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))
    retried(host, f"writing {file}: ", {"message": "two"})
    retried(host, f"writing {file}: ", {"message": "two"})
    assert file.stat().st_size == size
    resource.prlimit(host.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    delivered(host, {"message": "two"})
    assert [n["message"] for n in lines(file)] == ["one", "two"]


def test_a_folder_that_comes_later(host, tmp_path):
    path = tmp_path / "later" / "alerts.log"
    host.handler("log", file=str(path))
    retried(host, f"{path}: No such file or directory", EVENT)
    path.parent.mkdir()
    delivered(host, EVENT)
    assert len(lines(path)) == 1


@pytest.mark.parametrize("make, words", (
    (lambda f: f.symlink_to("/dev/null"), "is a symbolic link"),
    (lambda f: f.symlink_to(f.with_suffix(".nowhere")), "is a symbolic link"),
    (os.mkfifo, "No such device or address|is no regular file"),
    (lambda f: f.mkdir(), "Is a directory"),
    (lambda f: socket.socket(socket.AF_UNIX).bind(str(f)), "No such device or address"),
))
def test_what_is_no_file_is_not_written_to(host, file, make, words):
    delivered(host, {"message": "one"})
    file.unlink()
    make(file)
    retried(host, words, EVENT)
    assert not file.with_suffix(".nowhere").exists()
    file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()
    delivered(host, EVENT)
    assert len(lines(file)) == 1


def test_a_fifo_with_a_reader_is_none_either(host, file):
    os.mkfifo(file)
    reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    retried(host, "is no regular file", EVENT)
    assert os.read(reader, 1) == b""
    os.close(reader)


# ---- syslog ----

class Syslog:
    def __init__(self, path):
        self.path = str(path)
        self.start()

    def start(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(10)

    def read(self):
        return self._socket.recv(1 << 17).decode()

    def stop(self):
        self._socket.close()
        os.unlink(self.path)


@pytest.fixture
def syslog(tmp_path):
    s = Syslog(tmp_path / "log")
    yield s
    s.stop()


def test_syslog(host, syslog):
    host.handler("log", socket=syslog.path, facility="local3", ident="alerts", format="text")
    delivered(host, EVENT)
    month = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    m = re.fullmatch(rf"<(\d+)>{month} [ \d]\d \d\d:\d\d:\d\d alerts\[(\d+)\]: (.*)", syslog.read())
    assert (int(m[1]), int(m[3]), m[4]) == (19 << 3 | 2, host.pid, SUBJECT)


@pytest.mark.parametrize("level, severity", ((0, 5), (1, 5), (2, 6), (3, 4), (4, 2), (5, 3)))
def test_syslog_has_the_level_as_severity(host, syslog, level, severity):
    host.handler("log", socket=syslog.path)
    delivered(host, {**EVENT, "level": level})
    priority, document = re.fullmatch(r"<(\d+)>.*?: (.*)", syslog.read()).groups()
    assert int(priority) == 3 << 3 | severity  # daemon
    assert json.loads(document)["message"] == "too hot"


def test_syslog_that_is_not_there_or_does_not_read(host, syslog):
    host.handler("log", socket=syslog.path)
    syslog.stop()
    retried(host, f"syslog at {syslog.path}: No such file", EVENT)
    syslog.start()
    delivered(host, EVENT)
    assert "too hot" in syslog.read()
    sent = 0
    while (o := host.deliver(EVENT))["result"] == DELIVERED:
        sent += 1
        assert sent < 100000
    assert o["error"] == f"syslog at {syslog.path} does not read"
    for _ in range(sent):
        syslog.read()
    delivered(host, EVENT)
    syslog.stop()  # it is started anew: the socket is another one
    syslog.start()
    wait_for(lambda: host.deliver(EVENT)["result"] == DELIVERED, "the new syslog to be found")
    assert "too hot" in syslog.read()


def test_the_largest_notice_goes_to_syslog(host, syslog):
    host.handler("log", socket=syslog.path)
    large = {k: "\x01" * 255 for k in ("message", "value", "instance", "description", "url")}
    delivered(host, large)
    assert json.loads(syslog.read().partition(": ")[2])["message"] == large["message"]


# ---- what may be configured ----

@pytest.mark.parametrize("values, words", (
    ({"file": "/var/log/a", "facility": "user"}, "facility is of syslog"),
    ({"file": "/var/log/a", "ident": "x"}, "ident is of syslog"),
    ({"file": "/var/log/a", "socket": "/dev/log"}, "socket is of syslog"),
    ({"ident": "two words"}, "ident: expected"),
    ({"ident": "a:"}, "ident: expected"),
    ({"ident": "\u00fc"}, "ident: expected"),
    ({"sync": "true"}, "sync is of files"),
    ({"file": "/var/log/a", "sync": "true", "format": "text"}, "^$"),
    ({}, "^$"),
))
def test_configuration(host, values, words):
    assert re.search(words, host.check("log", **values))


# ---- validate ----

def test_validate_a_file(host, file):
    good, words = host.validate()
    assert good and words == f"{file} can be written"
    assert not file.exists()
    file.write_text("kept\n")
    assert host.validate() == (True, f"{file} can be written")
    assert file.read_text() == "kept\n"


@pytest.mark.parametrize("spoil, words", (
    (lambda f: f.mkdir(), "log is no regular file"),
    (lambda f: f.symlink_to("/dev/null"), "log is no regular file"),
    (lambda f: f.parent.rename(f.parent.with_name("away")),
     "log is not there, and .*: No such file or directory"),
))
def test_validate_no_file(host, tmp_path, spoil, words):
    path = tmp_path / "folder" / "log"
    path.parent.mkdir()
    host.handler("log", file=str(path))
    spoil(path)
    good, said = host.validate()
    assert not good and re.search(words, said), said


def test_validate_syslog(host, tmp_path):
    name = str(tmp_path / "log")
    host.handler("log", socket=name)
    good, words = host.validate()
    assert not good and words == f"syslog at {name}: No such file or directory"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(name)
        assert host.validate() == (True, f"syslog listens at {name}")
        s.settimeout(0)
        with pytest.raises(BlockingIOError):
            s.recv(1)
