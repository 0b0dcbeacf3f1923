"""Every owner apart, with the whole daemon: what conditions see of topics, what notifications carry
and to whom they go, what error texts tell, and contexts that follow a reload. alice and bob are the
SNMPv3 users of the manual page, each in the own context."""

import re
import signal
import subprocess

import pytest

from lib.mainjob import configuration
from lib.site import Site, build_folder, none_left
from lib.snmp import Snmptrapd
from lib.snmpclient import index as subidentifiers
from lib.usm import Manual
from lib.wait import wait_for

DEFINITION, TOPIC, METRIC, ALERT, NOTICE, TRIAL = 9, 7, 8, 17, 20, 22
TRIAL_RUN, TRIAL_STATE, TRIAL_MESSAGE, TRIAL_TOPICS, TRIAL_STATUS = 5, 6, 10, 13, 18
TRIAL_RUNNING = 2
CONDITION, STATUS, ERROR = 2, 15, 16
CREATE_AND_GO = 4
OWNERS = '<owner name="alice"/><owner name="bob"/>'

# All ways to see a topic that there are.
LOOK = """({level: 'WARNING', message: [
  typeof _topic['secret'], 'secret' in _topic, glob('*').join(), Object.keys(_topic).join(),
  Object.keys(_previous).join(), Object.keys(_age).join(), typeof _previous['secret'],
  typeof _age['secret'], String(rate('secret', 'n')), String(delta('secret', 'n')),
  JSON.stringify([_topic, _previous, _age]).indexOf('secret') >= 0,
  _topic.hasOwnProperty('secret'),
  (function () { var n = 0; for (var k in _topic) n++; return n; })()].join(' ')})"""
SEES_NOT = "undefined false shared shared shared shared undefined undefined undefined undefined " \
    "false false 1"


@pytest.fixture(scope="module")
def manual():
    return Manual(build_folder())


class Owners:
    """A site with two sources: "shared", which both may read, and bob's "secret"."""

    def __init__(self, manual, rows="", handlers=lambda s: "", owners=OWNERS):
        self.manual, self.rows, self.handlers = manual, rows, handlers
        self.owners = owners
        self.receivers, self.root = {}, root_oid()
        self.site = Site(lambda s: self.xml(s, owners), trap_options=("-On",),
                         snmpd=manual.users + manual.contexts)
        self.publish("secret", 0)
        self.site.publish("shared.json", {"n": 1})

    def xml(self, site, owners):
        self.site = site  # its handlers have ports of receivers in the site's folder
        text = configuration(self.rows, handlers=self.handlers(self), owners=owners)(site)
        sources = f'<http name="shared" url="{site.web.url("shared.json")}" interval="100ms" ' \
            'readers="*"/>'
        if "bob" in owners:
            sources += f'<http owner="bob" name="secret" url="{site.web.url("secret.json")}" ' \
                'interval="100ms"/>'
        return re.sub("<sources>.*</sources>", f"<sources>{sources}</sources>", text, flags=re.S)

    def publish(self, name, n):
        self.site.publish(name + ".json", {"n": n, "hidden": "what bob knows"})

    def receiver(self, owner):
        """A manager of the owner's own; its port."""
        if owner not in self.receivers:
            self.receivers[owner] = Snmptrapd(self.site._subfolder("traps-" + owner),
                                              options=("-m", "", "-On")).start()
        return self.receivers[owner].port

    def trap_lines(self, owner):
        return [line for line in self.receivers[owner].process.output().splitlines()
                if self.text(0) in line]

    def text(self, *below):
        return "." + ".".join(map(str, self.root + below))

    def oid(self, table, column, *index):
        return self.root + (1, table, 1, column) + subidentifiers(*index)

    def tools(self, user):
        return self.manual.tools(self.site.snmpd, user, user)

    def start(self):
        self.site.daemon.start()
        for user in ("alice", "bob"):
            if f'<owner name="{user}"/>' in self.owners:
                wait_for(lambda: self.tools(user).walk(self.root), f"{user}'s context")

    def define(self, user, name, condition):
        self.tools(user).set((self.oid(DEFINITION, CONDITION, user, name), "s", condition),
                             (self.oid(DEFINITION, STATUS, user, name), "i", CREATE_AND_GO))

    def cell(self, user, table, column, *index):
        value = self.tools(user).get(self.oid(table, column, user, *index))[0]
        return value.value if value.type else None

    def column(self, user, table, column):
        return [v.value for v in self.tools(user).walk(self.root + (1, table, 1, column))]

    def close(self):
        self.site.close()
        for receiver in self.receivers.values():
            receiver.stop()


def root_oid():
    out = subprocess.run([str(build_folder() / "snmpalertd"), "--version"], capture_output=True,
                         text=True, check=True).stdout
    return tuple(map(int, re.search(r"\d+(\.\d+){5,}", out).group().split(".")))


@pytest.fixture
def make_owners(manual):
    made = []

    def make(*args, **kwargs):
        made.append(Owners(manual, *args, **kwargs))
        made[-1].start()
        return made[-1]

    with none_left():
        yield make
        for one in made:
            one.close()


# ---- topics


def test_conditions_see_the_topics_of_their_owner_alone(make_owners):
    owners = make_owners()
    for user in ("alice", "bob"):
        owners.define(user, "look", LOOK)

    def message(user):
        return (owners.column(user, ALERT, 11) or [b""])[0].decode()
    wait_for(lambda: message("alice") == SEES_NOT, f"{SEES_NOT}")
    wait_for(lambda: message("bob").startswith("object true secret,shared secret,shared "
                                               "secret,shared secret,shared object number "),
             "bob to see both")
    owners.publish("secret", 1)
    wait_for(lambda: message("bob").endswith("true true 2"), "bob to see both")
    assert message("alice") == SEES_NOT


def test_trials_see_the_topics_of_their_owner_alone(make_owners):
    owners = make_owners()
    for user in ("alice", "bob"):
        wait_for(lambda: b"shared" in owners.column(user, TOPIC, 2), "the topics")
    wait_for(lambda: b"secret" in owners.column("bob", TOPIC, 2), "bob's topic")

    def attempt(user):
        owners.tools(user).set((owners.oid(TRIAL, CONDITION, user, "look"), "s", LOOK),
                               (owners.oid(TRIAL, TRIAL_STATUS, user, "look"), "i", CREATE_AND_GO),
                               (owners.oid(TRIAL, TRIAL_RUN, user, "look"), "i", 0))
        wait_for(lambda: owners.cell(user, TRIAL, TRIAL_STATE, "look") != TRIAL_RUNNING,
                 "the trial's end")
        return (owners.cell(user, TRIAL, TRIAL_MESSAGE, "look").decode(),
                owners.cell(user, TRIAL, TRIAL_TOPICS, "look").decode().split("\n"))
    message, topics = attempt("alice")
    assert message == SEES_NOT and topics == ["shared"]
    message, topics = attempt("bob")
    assert message.startswith("object true secret,shared ") and "secret" in topics
    # and nothing of the other's row
    assert len(owners.column("alice", TRIAL, TRIAL_STATE)) == 1


def test_topics_are_shown_to_readers_alone(make_owners):
    owners = make_owners()
    wait_for(lambda: len(owners.column("bob", TOPIC, 2)) == 2, "bob's topics")
    wait_for(lambda: b"what bob knows" in owners.column("bob", METRIC, 4), "bob's metrics")
    assert owners.column("alice", TOPIC, 2) == [b"shared"]
    seen = owners.tools("alice").walk(owners.root)
    assert not [v for v in seen if isinstance(v.value, bytes) and
                (b"secret" in v.value or b"bob" in v.value)]


def test_a_topic_that_changes_is_nothing_to_those_who_may_not_read_it(make_owners):
    owners = make_owners()
    owners.define("alice", "blind", "_topic['secret'] !== undefined || glob('*').length > 1")
    owners.define("bob", "sees", "_topic['secret'].n > 1000")
    wait_for(lambda: owners.cell("alice", DEFINITION, 17, "blind"), "alice's first evaluation")

    def evaluations(user, name):
        return owners.cell(user, DEFINITION, 17, name)
    for n in range(1, 6):
        before = evaluations("bob", "sees")
        owners.publish("secret", n)
        wait_for(lambda: evaluations("bob", "sees") > before, "bob's evaluation")
    assert evaluations("alice", "blind") <= 2  # by itself, and when the shared topic came


def test_errors_do_not_tell_a_hidden_topic_from_none(make_owners):
    owners = make_owners()
    wait_for(lambda: len(owners.column("bob", TOPIC, 2)) == 2, "bob's topics")
    errors = {}
    for name in ("secret", "nobody"):
        owners.define("alice", name, f"_topic['{name}'].n > 1")
        wait_for(lambda: owners.cell("alice", DEFINITION, ERROR, name), "an error")
        errors[name] = owners.cell("alice", DEFINITION, ERROR, name).decode().replace(name, "NAME")
    assert errors["secret"] == errors["nobody"]


# ---- notifications


def handler(owners, owner):
    return f'<snmp owner="{owner}" name="noc" host="127.0.0.1" port="{owners.receiver(owner)}" ' \
        'community="public"/>'


def index_owners(owners, line):
    """Whose index the varbinds of our tables have."""
    base = re.escape(owners.text(1))
    found = set()
    for rest in re.findall(rf"{base}\.\d+\.1\.\d+\.([\d.]+) = ", line):
        index = list(map(int, rest.split(".")))
        found.add(bytes(index[1:1 + index[0]]).decode())
    return found


def test_a_target_hears_of_its_owners_alerts_and_carries_their_objects(make_owners):
    """Also a global one; but for admin's, which hear of everybody's."""
    people = ("alice", "bob", "admin")
    rows = "".join(f'<target owner="{o}" name="noc" handler="noc" global="true"/>' for o in people)
    owners = make_owners(rows, lambda me: "".join(handler(me, o) for o in people))
    for user in ("alice", "bob"):
        owners.define(user, "on", "({level: 'CRITICAL', message: 'of " + user + "'})")
    for person, told in (("alice", {"alice"}), ("bob", {"bob"}), ("admin", {"alice", "bob"})):
        wait_for(lambda: len(owners.trap_lines(person)) >= len(told), f"what {person} is told", 20)
    for user in ("alice", "bob"):
        wait_for(lambda: set(owners.column(user, NOTICE, 9)) == {3}, f"{user}'s notices")
    for person, told in (("alice", {"alice"}), ("bob", {"bob"}), ("admin", {"alice", "bob"})):
        lines = owners.trap_lines(person)
        assert len(lines) == len(told), lines
        assert [len(index_owners(owners, line)) for line in lines] == [1] * len(told), lines
        assert set().union(*(index_owners(owners, line) for line in lines)) == told
        for line in lines:
            (owner,) = index_owners(owners, line)
            assert f"of {owner}" in line
    for user, other in (("alice", "bob"), ("bob", "alice")):
        seen = owners.tools(user).walk(owners.root)
        assert not [v for v in seen if isinstance(v.value, bytes) and other.encode() in v.value]


# ---- reloads


def test_contexts_follow_a_reload(make_owners):
    """bob comes and goes; alice's context stays, and so does the default one."""
    owners = make_owners(owners='<owner name="alice"/>')
    site = owners.site

    def reload(who):
        site.daemon.configure(owners.xml(site, who))
        site.daemon.process.send(signal.SIGHUP)

    def bobs():
        status, out, _ = owners.tools("bob").run("snmpgetnext", owners.text(1, 3))
        return status == 0 and "." + ".".join(map(str, owners.oid(3, 2, "bob"))) in out
    assert not bobs()
    reload(OWNERS)
    wait_for(bobs, "bob's context")
    owners.define("bob", "mine", "false")
    owners.tools("bob").set((owners.oid(DEFINITION, STATUS, "bob", "mine"), "i", 6))
    reload('<owner name="alice"/>')
    wait_for(lambda: not bobs(), "bob's context to be gone")
    assert owners.tools("alice").walk(owners.root)
    assert site.manager.get("saSystemConfigStatus.0") == "ok"
    reload(OWNERS)
    wait_for(bobs, "bob's context once more")
