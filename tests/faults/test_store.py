"""The store's file is damaged, cut short, of another version or machine, may not be written, or its
disk is full: it is said, alerting goes on where it can, nothing is acknowledged that is not stored,
and it heals by itself."""

import ctypes
import mmap
import os
import pathlib
import random
import re
import struct

import pytest

from lib.mainjob import (MAILS, TRAPS, apps_run, definition, flips, raised, sites, wait_notice,
                         wait_trap)
from lib.smtpd import HANG, FaultySmtpd
from lib.snmp import SetRefused
from lib.storefile import of_version
from lib.wait import elapse, wait_for

make_site = pytest.fixture(sites, name="make_site")

PAGE = 4096
BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8
CREATE_AND_GO = "4"
STORE_SIZE = 12 << 20


def state_file(site):
    return pathlib.Path(site.path("store"), "state", "data.mdb")


def create(site, name, text="false"):
    """A definition by SNMP; True if it was acknowledged."""
    index = f'"admin"."{name}"'
    try:
        site.manager.set((f"saDefinitionCondition.{index}", "s", text),
                         (f"saDefinitionStatus.{index}", "i", CREATE_AND_GO))
        return True
    except SetRefused as e:
        assert re.search("resourceUnavailable|commitFailed", str(e)), e
        return False


def create_ten(site, first):
    """Definitions extra000 and so on in one request; each fills a quarter of a page."""
    names = [f"extra{i:03}" for i in range(first, first + 10)]
    assignments = []
    for name in names:
        index = f'"admin"."{name}"'
        assignments += [(f"saDefinitionCondition.{index}", "s", f"false /* {'.' * 900} */"),
                        (f"saDefinitionStatus.{index}", "i", CREATE_AND_GO)]
    site.manager.set(*assignments)
    return names


def create_many(site, n):
    for first in range(0, n, 10):
        create_ten(site, first)


def definitions(site):
    return {index[1] for index in site.manager.column("saDefinitionStatus")}


def extras(site):
    return {name for name in definitions(site) if name.startswith("extra")}


@pytest.fixture
def busy_site(make_site):
    site = make_site(definition("busy", override="yes") + TRAPS + MAILS, apps=7)
    wait_trap(site, "saAlertRaised", saDefinitionName="busy")
    return site


# ---- damage ----

def pages_of(octets, kind):
    """Numbers of the pages of KIND, free ones among them."""
    return [n for n in range(len(octets) // PAGE)
            if struct.unpack_from("<H", octets, n * PAGE + 10)[0] & 15 == kind]


def flip(octets, page, rng, times=8):
    for _ in range(times):
        at = page * PAGE + rng.randrange(160 if page < 2 else PAGE)
        octets[at] ^= 1 << rng.randrange(8)


@pytest.mark.parametrize("kind", (META, BRANCH, LEAF, OVERFLOW), ids=("meta", "branch", "leaf",
                                                                      "overflow"))
def test_damaged_while_it_is_stopped(busy_site, kind):
    site = busy_site
    create_many(site, 60)
    site.daemon.stop()
    octets = bytearray(state_file(site).read_bytes())
    pages = pages_of(octets, kind)
    if kind == OVERFLOW and not pages:
        pages = pages_of(octets, LEAF)[:1]  # no value of this store has pages of its own
    rng = random.Random(kind)
    for page in {META: pages[:1], LEAF: pages[::5]}.get(kind, pages):
        flip(octets, page, rng)
    if kind == META:
        octets[16] ^= 1  # the magic number; the other meta page is enough
    state_file(site).write_bytes(octets)
    site.daemon.start()
    flips(site)
    names = definitions(site)
    assert "busy" in names  # what the configuration file says is there in any case
    if kind in (META, BRANCH):
        site.daemon.process.expect(r"error .*(damage|damaged)", 1)
        site.daemon.process.expect(r"error .*repaired", 1)
        assert len(names) == 61  # all rows stand in leaf pages, which nothing happened to
        kept = [n for n in os.listdir(site.path("store")) if n.startswith("state.damaged-")]
        assert kept, os.listdir(site.path("store"))
    assert create(site, "afterwards")


def test_damaged_while_it_runs(busy_site):
    site = busy_site
    secret = "0123456789 a condition that is easily found 9876543210"
    assert create(site, "victim", f"false && '{secret}'")
    core = site.daemon.pid_of("core")
    mark = site.daemon.process.mark()
    with open(state_file(site), "r+b") as f:
        with mmap.mmap(f.fileno(), 0) as m:
            at = m.find(b"easily found")
            assert at > 0
            while at >= 0:
                m[at:at + 6] = b"EASILY"
                at = m.find(b"easily found", at + 1)
    # Whoever reads it next finds out: never is it served.
    r = site.manager.run("snmpget", 'saDefinitionCondition."admin"."victim"')
    assert "EASILY" not in r.stdout
    site.daemon.process.expect(r"error .*saDefinitionTable 5\.97\.\S+ is damaged", 10, mark)
    site.daemon.process.expect(r"error .*repaired: .*1 row", 30, mark)
    wait_for(lambda: site.daemon.pid_of("core") != core, "another core", 30)
    wait_for(lambda: "victim" not in definitions(site), "the lost row to be gone", 20)
    flips(site)
    assert create(site, "victim")


def test_overwritten_while_it_runs(busy_site):
    """Whole pages, so that LMDB itself is led astray: whatever dies of it comes back."""
    site = busy_site
    create_many(site, 60)
    octets = bytearray(state_file(site).read_bytes())
    with open(state_file(site), "r+b") as f:
        for page in pages_of(octets, LEAF)[::2]:
            f.seek(page * PAGE + 12)
            f.write(b"\xff" * 200)
    apps_run(site, 3)
    site.daemon.process.expect(r"error .*repaired", 40)
    flips(site, 60)
    assert create(site, "afterwards")


def test_cut_short(busy_site):
    site = busy_site
    create_many(site, 60)
    site.daemon.stop()
    os.truncate(state_file(site), state_file(site).stat().st_size // 2 // PAGE * PAGE)
    site.daemon.start()
    site.daemon.process.expect(r"error .*damage: .*data.mdb", 1)
    site.daemon.process.expect(r"error .*repaired", 1)
    flips(site)
    site.daemon.stop()
    os.truncate(state_file(site), 0)
    site.daemon.start()
    site.daemon.process.expect(r"error .*state is empty, or gone", 1)
    flips(site)


# ---- what is not damage: it is said, and nothing is touched ----

def refuses(site, pattern):
    """It does not start, and says why; when the fault ends, it does. Returns what it printed."""
    before = state_file(site).read_bytes()
    process = site.daemon.launch()
    process.expect(pattern, 20)
    process.stop()
    assert state_file(site).read_bytes() == before
    assert not any("damaged" in n for n in os.listdir(site.path("store")))
    return process.output()


def test_of_a_newer_version(busy_site):
    site = busy_site
    site.daemon.stop()
    good = state_file(site).read_bytes()
    newer = of_version(good, 4)
    state_file(site).write_bytes(newer)
    refuses(site, r"error .*made by a newer snmpalertd: its format is 4, this program knows up to 3")
    state_file(site).write_bytes(good)
    site.daemon.start()
    flips(site)


def test_of_another_machine(busy_site):
    site = busy_site
    site.daemon.stop()
    good = state_file(site).read_bytes()
    other = bytearray(good)
    for page in (0, 1):
        other[page * PAGE:page * PAGE + 152] = bytes(152)
        other[page * PAGE + 16:page * PAGE + 20] = b"\xbe\xef\xc0\xde"
    state_file(site).write_bytes(other)
    refuses(site, r"error .*made on a machine of another kind \(the other byte order, 64-bit words")
    state_file(site).write_bytes(good)
    site.daemon.start()
    flips(site)


# ---- a file system that does not take what is written ----

libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def mounted():
    """mount(FOLDER, OPTIONS, FLAGS): a small tmpfs there until the test ends; again: changes it."""
    done = []

    def mount(folder, options="", flags=0):
        again = folder in done
        if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags | (32 if again else 0),
                      options.encode()):
            pytest.skip(f"no tmpfs can be mounted here: {os.strerror(ctypes.get_errno())}")
        if not again:
            done.append(folder)

    yield mount
    for folder in reversed(done):
        libc.umount2(os.fsencode(folder), 2)


def free_room(folder):
    fs = os.statvfs(folder)
    return fs.f_bavail * fs.f_frsize


def fill(folder):
    """Takes all the room there is."""
    with open(os.path.join(folder, "ballast"), "wb", buffering=0) as f:
        for size in (1 << 16, PAGE):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                pass


def make_small(make_site, mounted, **options):
    """Its store is on a file system of a few megabytes."""
    site = make_site(definition("busy", override="yes") + TRAPS + MAILS, apps=7, start=False,
                     **options)
    os.makedirs(site.path("store"), exist_ok=True)
    mounted(site.path("store"), f"size={STORE_SIZE},mode=0750")
    site.daemon.start()
    wait_trap(site, "saAlertRaised", saDefinitionName="busy")
    return site


@pytest.fixture
def small_site(make_site, mounted):
    return make_small(make_site, mounted)


def test_full_disk(small_site):
    site = small_site
    assert create(site, "before")
    mark = site.daemon.process.mark()
    fill(site.path("store"))
    acknowledged, refused = set(), None
    for first in range(0, 1000, 10):  # what was freed in its file is used first
        try:
            acknowledged.update(create_ten(site, first))
        except SetRefused as e:
            refused = e
            break
    assert re.search("resourceUnavailable|commitFailed", str(refused)), refused
    assert extras(site) == acknowledged  # and nothing of the request that was refused
    assert free_room(site.path("store")) < 4 << 20  # what the reserve gave up, at most
    before = raised(site)
    for n in range(3):
        flips(site)  # there is still room for alerts, and for nothing else
        with pytest.raises(SetRefused):
            create_ten(site, 2000)
    assert raised(site) >= before + 3
    assert site.daemon._up()
    said = site.daemon.process.output()[mark:]
    assert len(said.splitlines()) < 200, said
    os.remove(os.path.join(site.path("store"), "ballast"))
    wait_for(lambda: create(site, "afterwards"), "room for a definition", 20)
    flips(site)
    assert extras(site) == acknowledged
    assert {"before", "afterwards", "busy"} <= definitions(site)
    reserve = pathlib.Path(site.path("store"), "reserve")
    wait_for(lambda: reserve.stat().st_size >= 2 << 20, "the reserve to be taken again")


def test_started_on_a_full_disk(small_site):
    """Clean or killed before: it runs, or waits for room; it does not die of the signal of a page
    that has no place."""
    site = small_site
    for hard in (False, True):
        if hard:
            site.daemon.process.kill()
        else:
            site.daemon.stop()
        fill(site.path("store"))
        process = site.daemon.launch()
        process.expect(r"full|No space left|msg=\"?(ready|started|running|up)|core", 20)
        elapse(2)
        assert process.running()
        assert "signal 7" not in process.output() and "SIGBUS" not in process.output()
        os.remove(os.path.join(site.path("store"), "ballast"))
        wait_for(site.daemon._up, "all processes", 70)
        flips(site)


def test_started_on_a_full_disk_with_a_notice_under_way(make_site, mounted):
    """What it had begun to send goes back to the queue, even if the disk is as full as can be."""
    site = make_small(make_site, mounted, mail_server=FaultySmtpd(greeting=HANG),
                      mail='timeout="60s"')
    wait_notice(site, Target="operators", State="dispatched")
    site.daemon.process.kill()
    pathlib.Path(site.path("store/reserve")).write_bytes(b"")  # as when it is given away
    fill(site.path("store"))
    process = site.daemon.launch()
    process.expect(r'stage=parent msg="running"', 20)
    assert "nothing may be added" not in process.output()


def test_damaged_on_a_full_disk(small_site):
    site = small_site
    wait_for(lambda: os.path.getsize(os.path.join(site.path("store"), "reserve")) >= 2 << 20,
             "the reserve")
    site.daemon.stop()
    octets = bytearray(state_file(site).read_bytes())
    for page in pages_of(octets, LEAF)[::2]:
        flip(octets, page, random.Random(page))
    state_file(site).write_bytes(octets)
    fill(site.path("store"))
    site.daemon.start()
    site.daemon.process.expect(r"error .*repaired", 1)
    flips(site)


def test_read_only_file_system(small_site, mounted):
    site = small_site
    site.daemon.stop()
    mounted(site.path("store"), flags=1)
    refuses(site, r"error .*/store.*(Read-only file system|Permission denied)")
    mounted(site.path("store"), f"size={STORE_SIZE}")
    site.daemon.start()
    flips(site)


def test_no_permission(busy_site):
    if not os.geteuid():
        site = busy_site
        site.daemon.stop()
        os.chmod(site.path("store"), 0o700)
        site.daemon.copy_programs()
        users = site.daemon.users
        site.daemon.users = ["--user=daemon"]
        process = site.daemon.launch()
        process.expect(r"/store.*Permission denied", 20)
        process.stop()
        site.daemon.users = users
        site.daemon.start()
        flips(site)
        return
    pytest.skip("only root can become somebody who may not")
