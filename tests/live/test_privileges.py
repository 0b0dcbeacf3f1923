"""Who the daemon's processes are and what they may do, as the kernel tells it."""

import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from lib.mainjob import (MAILS, STAGES, TRAPS, alerts, apps_run, configuration, definition,
                         wait_alert, wait_notice, wait_trap)
from lib.site import Site, adopt_orphans, build_folder, children, none_left
from lib.smtpd import Smtpd
from lib.wait import wait_for

# Users that every system has, in the roles of those that an installation makes.
SERVICE, NETWORK, PROGRAM = "daemon", "nobody", "bin"
KILL, SETGID, SETUID, SETPCAP = (1 << n for n in (5, 6, 7, 8))
PASSWORD = "only for the group"

# What /proc/PID/status says: the user, whether the user's own groups are there, capabilities.
OWNER = dict.fromkeys(("core", "agent", "evaluator", "compiler"), (SERVICE, True, 0))
TABLE = {"parent": (SERVICE, True, KILL | SETGID | SETUID), **OWNER,
         "poller": (NETWORK, False, 0), "dispatcher": (NETWORK, False, 0),
         "runner": (PROGRAM, False, 0)}


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def pids(site):
    stages = STAGES if site.daemon.nstages == len(STAGES) else (*STAGES, "runner")
    return {"parent": site.daemon.process.pid, **{s: site.daemon.pid_of(s) for s in stages}}


def as_user(user, code, gid=None):
    """Run Python's CODE as USER; its output."""
    r = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True, timeout=30,
                       user=user, group=gid, extra_groups=[], cwd="/")
    return (r.stdout + r.stderr).strip()


def needs_root():
    needed = KILL | SETGID | SETUID | SETPCAP
    if os.geteuid() or int(status("self")["CapEff"][0], 16) & needed != needed:
        pytest.skip("only root, who has root's capabilities, can start the daemon as other users")
    for user in (SERVICE, NETWORK, PROGRAM):
        try:
            pwd.getpwnam(user)
        except KeyError:
            pytest.skip(f"this system has no user {user}")


def private(site):
    """The configuration: a password that the service's group can read, and no user beside."""
    secret = pathlib.Path(site.path("mail.secret"))
    secret.write_text(PASSWORD + "\n")
    os.chown(secret, 0, pwd.getpwnam(SERVICE).pw_gid)
    secret.chmod(0o640)
    return configuration(
        definition("busy", override="yes") + definition("endless", "for (;;);") + TRAPS + MAILS
        + '<target name="logged" handler="file" global="true"/>'
        + '<target name="run" handler="exec" global="true" recipients="somebody"/>',
        handlers=f'<log name="file" file="{site.path("log")}/alerts.log"/>'
                 f'<exec name="exec" program="{site.path("program")}" timeout="1s"/>',
        mail=f'auth="password" username="alerts" passwordFile="{secret}" allowPlainAuth="yes"')(site)


def install(site):
    """Programs, a configuration and a folder for the store as an installation has them."""
    site.daemon.copy_programs()
    os.mkdir(site.path("store"), 0o700)
    owner = pwd.getpwnam(SERVICE)
    os.chown(site.path("store"), owner.pw_uid, owner.pw_gid)
    os.mkdir(site.path("log"), 0o750)
    shutil.chown(site.path("log"), PROGRAM, PROGRAM)
    program = pathlib.Path(site.path("program"))
    program.write_text(f"""#!/bin/sh
id -un; id -Gn; umask; ulimit -c; cat "{site.path("mail.secret")}" "{site.path("store")}"/*
setsid sh -c 'trap "" TERM; echo $$ > "{site.path("log")}/left"; while :; do sleep 1; done' &
while test ! -s "{site.path("log")}/left"; do sleep 0.02; done
""")
    program.chmod(0o755)
    os.chown(site.daemon.file, 0, owner.pw_gid)
    os.chmod(site.daemon.file, 0o640)


def by_root(site):
    site.daemon.users = [f"--user={SERVICE}", f"--network-user={NETWORK}",
                         f"--program-user={PROGRAM}"]


def by_service_manager(site):
    """As our unit says: as the service's user, with capabilities that are lent, and (if this machine
    lets us) in a /proc where no process sees another."""
    unit = (build_folder() / "systemd/snmpalertd.service").read_text()
    lent = re.search(r"^AmbientCapabilities=(.*)", unit, re.M).group(1)
    assert re.search(r"^CapabilityBoundingSet=(.*)", unit, re.M).group(1) == lent
    caps = "-all," + ",".join(f"+{c.removeprefix('CAP_').lower()}" for c in lent.split())
    options = re.search(r"^ExecStart=\S+ (.*)", unit, re.M).group(1)
    hide = ["unshare", "--mount", "sh", "-c",
            'mount -t proc -o hidepid=invisible proc /proc && exec "$@"', "sh"]
    hides = subprocess.run([*hide, "true"], capture_output=True).returncode == 0
    for option, user in (("network", NETWORK), ("program", PROGRAM)):
        options = re.sub(rf"(--{option}-user)=\S+", rf"\1={user}", options)
    site.daemon.users = options.split()
    site.daemon.prefix = [*(hide if hides else []), "setpriv", f"--reuid={SERVICE}",
                          f"--regid={SERVICE}", "--init-groups", f"--bounding-set={caps}",
                          f"--inh-caps={caps}", f"--ambient-caps={caps}", "--no-new-privs", "--"]


@pytest.fixture
def service():
    """service(START): a daemon that was installed and started so."""
    needs_root()
    made = []

    def make(start):
        site = Site(private, mail=Smtpd(users={"alerts": PASSWORD}),
                    snmpd=f"agentXPerms 0600 0755 {SERVICE}\n")
        made.append(site)
        install(site)
        start(site)
        site.daemon.nstages = 7
        apps_run(site, 3)
        site.daemon.start()
        return site

    with none_left():
        yield make
        for site in made:
            site.close()


def check_process(name, pid, table):
    user, has_groups, caps = table[name]
    entry, group = pwd.getpwnam(user), pwd.getpwnam(SERVICE).pw_gid
    s = status(pid)
    own_groups = sorted(map(str, os.getgrouplist(SERVICE, group)), key=int)
    assert s["Uid"] == [str(entry.pw_uid)] * 4, name
    assert s["Gid"] == [str(entry.pw_gid if user == PROGRAM else group)] * 4, name
    assert s["Groups"] == (own_groups if has_groups else []), name
    for line, wanted in (("CapPrm", caps), ("CapEff", caps), ("CapInh", 0), ("CapAmb", 0),
                         ("CapBnd", 0)):
        assert int(s[line][0], 16) == wanted, f"{line} of {name}"
    check_walls(name, s)
    return True


def check_walls(name, s):
    assert s["NoNewPrivs"] == ["1"], name
    assert s["Seccomp"] == ["2"], f"no filter: {name}"
    assert s["Umask"] == ["0077"], name


@pytest.mark.parametrize("start", (by_root, by_service_manager))
def test_each_process_is_whom_it_should_be(service, start):
    site = service(start)
    for name, pid in pids(site).items():
        check_process(name, pid, TABLE)


def test_processes_of_one_user_have_their_walls_too():
    adopt_orphans()
    site = Site(configuration(definition("busy")))
    try:
        apps_run(site, 3)
        site.daemon.start()
        for name, pid in pids(site).items():
            s = status(pid)
            check_walls(name, s)
            assert s["Uid"] == [str(os.geteuid())] * 4
            for line in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
                assert int(s[line][0], 16) == 0, f"{line} of {name}"
    finally:
        site.close()


@pytest.mark.parametrize("start", (by_root, by_service_manager))
def test_whole_job_without_roots_rights(service, start):
    site = service(start)
    m = site.manager
    assert alerts(site)["busy"] == ("ok", "inactive")
    apps_run(site, 7)
    wait_trap(site, "saAlertRaised", saDefinitionName="busy")
    wait_notice(site, Target="operators", Definition="busy", Kind="raise", State="delivered")
    assert len(site.mail.mails) >= 1
    wait_notice(site, Target="logged", Definition="busy", Kind="raise", State="delivered")
    log = pathlib.Path(site.path("log"), "alerts.log").stat()
    assert (log.st_uid, log.st_mode & 0o777) == (pwd.getpwnam(PROGRAM).pw_uid, 0o640)
    # A program is neither of the other users, and what it leaves is found by its own keeper.
    run = wait_notice(site, Target="run", Definition="busy", Kind="raise", State="delivered")
    output = next(r for i, r in m.column("saNoticeRecipientReply").items() if i[1] == run["id"])
    assert re.fullmatch(rf"{PROGRAM} {PROGRAM} 0077 0 cat: \S+: Permission denied .*", output), output
    left = int(pathlib.Path(site.path("log"), "left").read_text())
    wait_for(lambda: not os.path.exists(f"/proc/{left}"), "what it has left to be ended")
    m.set(('saDefinitionCondition."admin"."busy"', "s", "false"))
    wait_alert(site, "busy", "ok", "inactive")
    wait_trap(site, "saAlertCleared", saDefinitionName="busy")
    # What each process uses is seen, also where they cannot see each other.
    used = {i: int(kib.split()[0]) for i, kib in m.column("saProcessMemory").items()}
    assert used.keys() == m.column("saProcessCpu").keys() == m.column("saProcessName").keys()
    assert min(used.values()) > 1000, str(used)


def by_root_with_deaf_evaluators(site):
    """What tells an evaluator that a condition has had its time does not reach it."""
    by_root(site)
    program = site.daemon.programs / "snmpalertd-evaluator"
    program.rename(site.daemon.programs / "hearing")
    program.write_text(f'#!/bin/sh\nexec env --block-signal=ALRM {site.daemon.programs}/hearing "$@"\n')
    program.chmod(0o755)


@pytest.mark.parametrize("start", (by_root, by_service_manager))
def test_a_handler_is_tried_as_who_delivers(service, start):
    """With a secret that the service's group may read, and with none that only its user may."""
    site = service(start)

    def attempt(*options):
        r = subprocess.run(site.daemon.argv(*options), capture_output=True, text=True, timeout=60)
        assert r.stdout, r.stderr
        return json.loads(r.stdout)

    assert attempt("--validate", "mail")["message"].endswith("authenticated as alerts")
    assert attempt("--test", "mail")["success"]
    assert site.mail.wait(1)[0].authenticated
    secret = site.path("mail.secret")
    os.chown(secret, pwd.getpwnam(SERVICE).pw_uid, 0)
    os.chmod(secret, 0o600)
    said = attempt("--validate", "mail")
    assert not said["success"] and "Permission denied" in said["message"]


def test_core_can_end_an_evaluator(service):
    site = service(by_root_with_deaf_evaluators)
    endless = wait_trap(site, "saAlertRaised", saDefinitionName="endless")
    assert "CPU time" in endless["saAlertMessage"]
    assert int(site.manager.get("saSystemKills.0")) > 0
    apps_run(site, 7)
    wait_alert(site, "busy", "critical", "active")
    # Each comes to the endless condition again, so that the one of a moment ago may be gone.
    wait_for(lambda: check_process("evaluator", site.daemon.pid_of("evaluator"), TABLE),
             "an evaluator like the first")


def test_parent_starts_and_ends_both_users_processes(service):
    site = service(by_root)
    killed = pids(site)["poller"]
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: site.daemon.pid_of("poller") not in (killed, 0), "a new poller")
    check_process("poller", site.daemon.pid_of("poller"), TABLE)
    running = pids(site)
    assert site.daemon.stop() == 0
    assert not [name for name, pid in running.items() if pid in children()]


def test_none_outlives_a_killed_parent(service):
    site = service(by_root)
    running = pids(site)
    site.daemon.process.kill()
    wait_for(lambda: not any(pid in children() for pid in running.values()),
             "the stages to end with their parent")


def test_users_cannot_reach_what_is_not_theirs(service):
    site = service(by_root)
    group = pwd.getpwnam(SERVICE).pw_gid
    running = pids(site)
    trying = "\n".join((
        "import os, socket",
        "def t(what, *a):",
        "    try: print('done', what(*a))",
        "    except OSError as e: print(type(e).__name__)",
        "store, secret, agentx, others = {!r}, {!r}, {!r}, {!r}",
    )).format(site.path("store"), site.path("mail.secret"), site.snmpd.agentx.partition(":")[2],
              running)
    network = as_user(NETWORK, trying + "\n" + "\n".join((
        "t(os.listdir, store)",
        "t(os.open, store + '/state/data.mdb', os.O_RDONLY)",
        "t(os.open, store + '/new', os.O_WRONLY | os.O_CREAT)",
        "t(socket.socket(socket.AF_UNIX).connect, agentx)",
        "t(lambda: open(secret).read())")), gid=group)
    assert network.splitlines() == ["PermissionError"] * 4 + [f"done {PASSWORD}"], network
    # Neither the same user nor the other can look into a process or end it, but for one's own.
    look = trying + """
for name, pid in others.items():
    for part in ('mem', 'environ', 'maps'):
        t(lambda: (name, part, open(f'/proc/{pid}/{part}', 'rb').read(1)))
"""
    for user in (SERVICE, NETWORK, PROGRAM):
        assert set(as_user(user, look, gid=group).splitlines()) == {"PermissionError"}, user
    program = as_user(PROGRAM, trying + "\n" + "\n".join((
        "t(os.listdir, store)",
        "t(os.open, store + '/state/data.mdb', os.O_RDONLY)",
        "t(socket.socket(socket.AF_UNIX).connect, agentx)",
        "t(lambda: open(secret).read())",
        "for name, pid in others.items():",
        "    if name != 'runner': t(os.kill, pid, 0)")))
    assert set(program.splitlines()) == {"PermissionError"}, program
    kill = "\nfor name in ('parent', 'core', 'agent'): t(os.kill, others[name], 0)\n"
    assert as_user(NETWORK, trying + kill).splitlines() == ["PermissionError"] * 3


def test_configuration_is_read_again_by_the_services_user(service):
    site = service(by_root)
    text = pathlib.Path(site.daemon.file).read_text()
    site.daemon.configure(text.replace("</rows>", definition("new", "false") + "</rows>"))
    os.kill(site.daemon.process.pid, signal.SIGHUP)
    wait_for(lambda: site.manager.get('saDefinitionCondition."admin"."new"') == "false",
             "the new definition")
    os.chmod(site.daemon.file, 0o600)  # root's only
    os.kill(site.daemon.process.pid, signal.SIGHUP)
    site.daemon.process.expect(r"snmpalertd\.xml: cannot be opened: Permission denied")
    assert site.daemon.process.running()


def test_missing_user_is_told():
    if os.geteuid():
        pytest.skip("only root becomes another user")
    r = subprocess.run([build_folder() / "snmpalertd", "-c", "/nonexistent", "--user=no-such-user"],
                       capture_output=True, text=True, timeout=30)
    assert r.returncode == 67
    assert "there is no user 'no-such-user'" in r.stderr and "'u no-such-user -'" in r.stderr


def test_socket_of_the_master_that_is_root_s_alone(service):
    """As snmpd makes it without agentXPerms: what to write into snmpd.conf is said, once, and the
    socket is used as soon as it may be."""
    site = service(by_root)
    socket = site.snmpd.agentx.removeprefix("unix:")
    os.chown(socket, 0, 0)
    mark = site.daemon.process.mark()
    os.kill(site.daemon.pid_of("agent"), signal.SIGKILL)
    site.daemon.process.expect(rf"no master agent at .*agentXPerms 0600 0755 {SERVICE}", since=mark)
    os.chown(socket, pwd.getpwnam(SERVICE).pw_uid, 0)
    site.daemon.process.expect("connected to the master agent", since=mark)
    wait_for(lambda: site.manager.get("saSystemVersion.0"), "the MIB to be served")
    assert site.daemon.process.output()[mark:].count("no master agent at") == 1


def test_folder_that_cannot_be_made_is_told_at_once():
    needs_root()
    with tempfile.TemporaryDirectory() as folder:  # root's: others may read it
        os.chmod(folder, 0o755)
        for name in ("snmpalertd", "snmpalertd-evaluator"):
            shutil.copy(build_folder() / name, folder)
        file = pathlib.Path(folder, "snmpalertd.xml")
        file.write_text('<snmpalertd xmlns="urn:snmpalertd:config">'
                        f'<store path="{folder}/store"/></snmpalertd>')
        file.chmod(0o644)
        begin = time.monotonic()
        r = subprocess.run([f"{folder}/snmpalertd", "-c", str(file), f"--user={SERVICE}",
                            f"--evaluator={folder}/snmpalertd-evaluator"],
                           capture_output=True, text=True, timeout=30)
        assert time.monotonic() - begin < 4  # it does not wait as for another daemon's end
    uid = pwd.getpwnam(SERVICE).pw_uid
    assert r.returncode == 1
    assert f"making the folder {folder}/store as user {uid}: Permission denied" in r.stderr
