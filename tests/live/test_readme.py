"""The README's tour, typed block by block, on free ports and in a private folder."""

import os
import re
import subprocess
import threading

import pytest

from lib.net import free_port, free_udp_port
from lib.site import SOURCE, adopt_orphans, build_folder, children
from lib.wait import wait_for


def blocks():
    """(kind, text) of each block of the tour: kind "xml" or "sh"."""
    text = (SOURCE / "README.md").read_text()
    tour = text[text.index("\n## Five minutes"):text.index("\n## Conditions")]
    found = re.findall(r"^```xml\n((?:(?!```).*\n)*)|((?:^    .*\n|^\n(?=    ))+)", tour, re.M)
    return [("xml", xml) if xml else ("sh", re.sub(r"^    ", "", sh, flags=re.M))
            for xml, sh in found if xml or sh.strip()]


class Shell:
    """A shell that is typed into; its background processes are its own group's."""

    def __init__(self, folder):
        self._lock, self._text = threading.Condition(), ""
        # A user's Python has not been told to write at once.
        env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        self._p = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, cwd=folder,
                                   env={**env, "HOME": str(folder), "LC_ALL": "C.UTF-8"})
        self._n = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._p.stdout:
            with self._lock:
                self._text += line
                self._lock.notify_all()

    def type(self, text):
        """What it printed."""
        self._n += 1
        end = f"-- end of {self._n} --\n"
        with self._lock:
            begin = len(self._text)
        self._p.stdin.write(f"{text}\necho '{end.strip()}'\n")
        self._p.stdin.flush()
        with self._lock:
            assert self._lock.wait_for(lambda: end in self._text[begin:], 30), self._text
            return self._text[begin:self._text.index(end, begin)]

    def close(self):
        self._p.stdin.close()
        self._p.wait(10)


@pytest.fixture
def shell(tmp_path):
    adopt_orphans()
    before = children().keys()
    s = Shell(tmp_path)
    yield s
    s.close()
    left = lambda: children().keys() - before  # noqa: E731
    try:
        wait_for(lambda: not left(), "the tour's processes to be gone")
    finally:
        for pid in left():
            os.kill(pid, 9)


# What is to be seen in a block's output, by something that only this block has. What looks at the
# daemon is typed again until it is seen.
SEEN = (
    ("--check-config", "tour.xml: ok"),
    ("saTopicHead", r'STRING: \{.*"processes":\d+(.|\n)*"admin".* link-down +ok'),
    ("saNoticeConfirmation", r"(?s)active\(3\).*saAlertRaised.*Subject: \[WARNING\] admin/crowded"
                             r".*(acknowledged\(3\).*){2}"),
    ("saOwnerLastError", r'wrongValue(.|\n)*"crowded": line 1: SyntaxError'),
    ("saHistoryTable", r"(?s)EnumVal +saAlertLevel\(4\).*Where the alert is in its life"
                       r'.* poller +\d+ running.*"here" snmp +2000 +up '
                       r'.* crowded +warning +ok +active .* ok +warning .* condition\b'
                       r'.*"crowded" = STRING: _topic'),
)


def tables(out):
    """The lines that snmptable printed, each with or without an index."""
    return [line for line in out.splitlines() if re.match(r' *(index |"admin"\S* |SNMP table)', line)]


def test_tour_of_the_readme(shell, tmp_path):
    ports = {"11161": free_udp_port(), "11162": free_udp_port(), "11125": free_port()}

    def localised(text):
        text = text.replace("SRC=$HOME/snmpalertd ", f"SRC={tmp_path}/src ")
        text = text.replace("/tmp/tour", f"{tmp_path}/tour")
        for written, port in ports.items():
            text = text.replace(written, str(port))
        return text

    (tmp_path / "src").mkdir()
    (tmp_path / "src/build").symlink_to(build_folder())
    (tmp_path / "src/mibs").symlink_to(SOURCE / "mibs")
    seen = []
    for kind, text in map(lambda b: (b[0], localised(b[1])), blocks()):
        if kind == "xml":
            (tmp_path / "tour/tour.xml").write_text(text)
            continue
        key, pattern = next((s for s in SEEN if s[0] in text), (None, ""))
        if key in ("saTopicHead", "saNoticeConfirmation"):
            wait_for(lambda: re.search(pattern, shell.type(text)), f"/{pattern}/ of\n{text}", 20)
        else:
            out = shell.type(text)
            assert re.search(pattern, out), f"{text}\nprinted:\n{out}"
            assert max(map(len, tables(out)), default=0) <= 110, out
        seen.append(key)
    assert [s for s in seen if s] == [s[0] for s in SEEN]
    assert not os.path.exists(tmp_path / "tour")


def test_snmpd_does_not_overwrite_the_tours_snmpd_conf():
    """Net-snmp writes its own snmpd.conf into the persistent folder when snmpd ends."""
    shell_text = "".join(text for kind, text in blocks() if kind == "sh")
    persistent = re.search(r"SNMP_PERSISTENT_DIR=(\S+)", shell_text).group(1)
    work = re.search(r"mkdir \S+ && cd (\S+)", shell_text).group(1)
    assert persistent.startswith(work + "/")
