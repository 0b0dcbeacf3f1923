"""The snmp handler with version 3: against a real snmptrapd, with all protocols, and against a
receiver that speaks USM and does what it should not."""

import itertools
import re
import shutil

import pytest

from lib.dispatchhost import ACKNOWLEDGED, DELIVERED, FAILED, HANDED_OFF, NONE, RETRY
from lib.roguereceiver import NOT_IN_TIME, REPORTS, RogueReceiver, UNKNOWN_ENGINE, User
from lib.snmp import Snmptrapd

ROOT = "1.3.6.1.4.1.8072.9999.9999.1"
ENUM = 1
ENGINE = "0x80001f880461626364"  # dispatchhost's, unless told
AUTH_WORD, PRIV_WORD = "in the beginning", "was the password"
AUTHS = ("MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512")
PRIVS = ("DES", "AES", "AES-192", "AES-256")
PAIRS = ((None, None), *itertools.product(AUTHS, (None, *PRIVS)))
EVENT = {"notification": 1, "message": "too hot",
         "varbinds": [{"oid": [17, 1, 4, 5, 97], "syntax": ENUM, "number": 4}]}


def user_name(auth, priv):
    return f"u-{auth or 'none'}-{priv or 'none'}"


def create_user(name, auth, priv, engine=None, auth_word=AUTH_WORD, priv_word=PRIV_WORD):
    line = f"createUser {'-e ' + engine if engine else ''} {name}"
    if auth:
        line += f' {auth} "{auth_word}"'
    if priv:
        line += f' {priv} "{priv_word}"'
    return line + "\n"


def config_of(users):
    """Each known both as a user of our engine, for traps, and of snmptrapd's own, for informs."""
    return "disableAuthorization yes\n" + "".join(
        create_user(*u, engine=e) for u in users for e in (None, ENGINE))


def properties(auth="SHA-256", priv="AES", **more):
    v = {"version": "3", "user": user_name(auth, priv), "timeout": "300ms", "retries": "1",
         "securityLevel": "authPriv" if priv else "authNoPriv" if auth else "noAuthNoPriv"}
    if auth:
        v.update(authProtocol=auth, authPassword=AUTH_WORD)
    if priv:
        v.update(privProtocol=priv, privPassword=PRIV_WORD)
    return {**v, **more}


def handler(h, port, **more):
    h.handler("snmp", host="127.0.0.1", port=str(port), **properties(**more))


FORMAT = ("-On", "-Ox", "-F", "got [%P], %v END\\n")


@pytest.fixture(scope="module")
def trapd_of_all(tmp_path_factory):
    """One that knows a user for each pair of protocols."""
    config = config_of((user_name(a, p), a, p) for a, p in PAIRS)
    d = Snmptrapd(str(tmp_path_factory.mktemp("trapd")), config=config, options=FORMAT).start()
    yield d
    d.stop()


@pytest.fixture
def trapd(tmp_path):
    made = []

    def make(config=config_of([(user_name("SHA-256", "AES"), "SHA-256", "AES")])):
        made.append(Snmptrapd(str(tmp_path), config=config, options=FORMAT).start())
        return made[-1]

    yield make
    for d in made:
        d.stop()


# ---- every pair of protocols ----

@pytest.mark.parametrize("confirm", ["trap", "inform"])
@pytest.mark.parametrize("auth, priv", PAIRS)
def test_protocols(host, trapd_of_all, auth, priv, confirm):
    handler(host, trapd_of_all.port, auth=auth, priv=priv, confirm=confirm, timeout="5s")
    o = host.deliver(EVENT)
    assert (o["result"], o["error"]) == (DELIVERED, "")
    assert o["confirmation"] == (ACKNOWLEDGED if confirm == "inform" else HANDED_OFF)
    kind = "INFORM" if confirm == "inform" else "TRAP2"
    got = trapd_of_all.process.expect(
        rf"(?s)got \[{kind}, SNMP v3, user {user_name(auth, priv)}, context \].*?END").group()
    assert f"1.3.6.1.6.3.1.1.4.1.0 = OID: .{ROOT}.0.1" in got
    assert f".{ROOT}.1.17.1.4.5.97 = INTEGER: 4" in got


# ---- many, and time ----

def test_many_informs(host, trapd):
    d = trapd()
    handler(host, d.port, confirm="inform", timeout="5s")
    ids = [host.send({**EVENT, "notice": i}) for i in range(500)]
    assert {host.outcome(i)["result"] for i in ids} == {DELIVERED}


def test_context(host, trapd):
    d = trapd()
    handler(host, d.port, confirm="inform", timeout="5s", context="plant")
    assert host.deliver(EVENT)["result"] == DELIVERED
    d.process.expect("context plant")


def test_traps_after_a_restart_of_ours(host, trapd):
    """The receiver remembers boots and time: only higher boots may begin again."""
    d = trapd()
    host.tell(engine={"boots": 4, "age": 5000})
    handler(host, d.port)
    host.deliver(EVENT)
    d.process.expect("(?s)got .*?END")
    host.tell(engine={"boots": 5, "age": 0})
    host.deliver(EVENT)
    d.process.expect("(?s)got .*?END.*got .*?END")


def test_engine_of_the_handlers_own(host, trapd):
    engine = "0x80001f8804706c616e74"
    d = trapd("disableAuthorization yes\n" +
              create_user(user_name("SHA-256", "AES"), "SHA-256", "AES", engine=engine))
    handler(host, d.port, engineId=engine)
    assert host.deliver(EVENT)["result"] == DELIVERED
    d.process.expect("(?s)got .*?END")


def test_receiver_that_forgot_its_boots(host, trapd):
    """Its engine id is the same, its boots and its time begin again."""
    d = trapd(config_of([(user_name("SHA-256", "AES"), "SHA-256", "AES")]) +
              "exactEngineID 0x80001f880472656376\n")
    handler(host, d.port, confirm="inform", timeout="5s")
    for _ in range(3):
        assert host.deliver(EVENT)["result"] == DELIVERED
        d.stop()
        d.start()
    assert host.deliver(EVENT)["result"] == DELIVERED
    d.stop()
    shutil.rmtree(d.folder + "/persistent")
    d.start()
    o = host.deliver(EVENT)
    assert (o["result"], o["confirmation"]) == (DELIVERED, ACKNOWLEDGED), o


def test_receiver_that_became_another_engine(host, trapd):
    d = trapd()
    handler(host, d.port, confirm="inform", timeout="5s")
    assert host.deliver(EVENT)["result"] == DELIVERED
    d.stop()
    shutil.rmtree(d.folder + "/persistent")
    d.start()
    assert host.deliver(EVENT)["result"] == DELIVERED


# ---- what a real receiver refuses ----

def test_unknown_user(host, trapd):
    handler(host, trapd().port, confirm="inform", user="bob", timeout="5s")
    o = host.deliver(EVENT)
    assert (o["result"], o["confirmation"]) == (FAILED, NONE) and "unknownUserNames" in o["error"]


def test_wrong_authentication_password(host, trapd):
    handler(host, trapd().port, confirm="inform", authPassword="another word", timeout="5s")
    o = host.deliver(EVENT)
    assert o["result"] == FAILED and "wrongDigests" in o["error"]
    assert AUTH_WORD not in host.output() and "another word" not in host.output() + str(o)


def test_wrong_privacy_password(host, trapd):
    """net-snmp drops what decrypts to nonsense, and says nothing."""
    handler(host, trapd().port, confirm="inform", privPassword="another word")
    o = host.deliver(EVENT)
    assert (o["result"], o["confirmation"]) != (DELIVERED, ACKNOWLEDGED)
    assert "decryptionErrors" in o["error"] or "not acknowledged in time" in o["error"]


def test_level_that_the_user_does_not_have(host, trapd):
    d = trapd("disableAuthorization yes\n" + create_user("alice", "SHA-256", None))
    handler(host, d.port, confirm="inform", user="alice", timeout="5s")
    o = host.deliver(EVENT)
    assert o["result"] == FAILED and "unsupportedSecLevels" in o["error"]


# ---- what a rogue receiver does ----

@pytest.fixture
def rogue():
    made = []

    def make(auth="SHA-256", priv="AES", **more):
        made.append(RogueReceiver(User(user_name(auth, priv), auth, AUTH_WORD, priv, PRIV_WORD),
                                  **more))
        return made[-1]

    yield make
    for r in made:
        r.stop()


@pytest.mark.parametrize("auth, priv", [("SHA-256", "AES"), ("MD5", "DES"), ("SHA-512", None),
                                        (None, None)])
def test_good_receiver_of_our_own_making(host, rogue, auth, priv):
    """The tests' USM is not the daemon's, nor net-snmp's: the cases below mean what they say."""
    r = rogue(auth, priv)
    handler(host, r.port, auth=auth, priv=priv, confirm="inform", timeout="5s")
    o = host.deliver(EVENT)
    assert (o["result"], o["confirmation"]) == (DELIVERED, ACKNOWLEDGED), o
    assert r.probes == 1 and len(r.informs) == 1
    assert r.informs[0].context_engine == bytes.fromhex(ENGINE[2:])
    assert host.deliver(EVENT)["result"] == DELIVERED
    assert r.probes == 1  # the engine is known now


@pytest.mark.parametrize("name", sorted(set(REPORTS) - {NOT_IN_TIME, UNKNOWN_ENGINE}))
def test_reports_are_final(host, rogue, name):
    r = rogue()
    r.on_inform = lambda m: r.report(m, name)
    handler(host, r.port, confirm="inform", timeout="5s")
    o = host.deliver(EVENT)
    assert (o["result"], o["confirmation"]) == (FAILED, NONE) and name in o["error"]
    assert len(r.informs) == 1
    r.on_inform = r.acknowledge
    assert host.deliver(EVENT)["result"] == DELIVERED


def test_unknown_report_is_none_of_ours(host, rogue):
    r = rogue()
    r.on_inform = lambda m: r.report(m, oid="1.3.6.1.6.3.15.1.1.99.0")
    handler(host, r.port, confirm="inform", timeout="5s")
    o = host.deliver(EVENT)
    assert o["result"] == FAILED and "report that nobody knows" in o["error"]


@pytest.mark.parametrize("boots, time", [(9, 100), (1, 1), (5, 90000), (5, 3)])
def test_clock_of_the_receiver_jumps(host, rogue, boots, time):
    """Forwards and back, and to lower boots: each costs one report, and nothing else."""
    r = rogue(boots=5, time=5000)
    handler(host, r.port, confirm="inform", timeout="5s")
    assert host.deliver(EVENT)["result"] == DELIVERED
    r.set_clock(boots, time)
    o = host.deliver(EVENT)
    assert (o["result"], o["confirmation"]) == (DELIVERED, ACKNOWLEDGED), o
    assert r.reports_sent == [NOT_IN_TIME]
    assert host.deliver(EVENT)["result"] == DELIVERED
    assert r.reports_sent == [NOT_IN_TIME]


def test_probe_that_lies_about_time(host, rogue):
    """What discovery says is proven by nothing; the first authentic report corrects it."""
    r = rogue(boots=5, time=5000)
    r.probe_clock = (2**31 - 2, 77)
    handler(host, r.port, confirm="inform", timeout="5s")
    assert host.deliver(EVENT)["result"] == DELIVERED
    assert r.reports_sent == [NOT_IN_TIME]


def test_never_in_the_window(host, rogue):
    r = rogue()
    r.on_inform = lambda m: r.report(m, NOT_IN_TIME, auth=True)
    handler(host, r.port, confirm="inform", timeout="5s")
    o = host.deliver(EVENT)
    assert o["result"] == RETRY and NOT_IN_TIME in o["error"]
    assert len(r.informs) == 4


def test_time_without_proof_is_not_believed(host, rogue):
    r = rogue()
    r.on_inform = lambda m: r.report(m, NOT_IN_TIME, auth=False)
    handler(host, r.port, confirm="inform")
    o = host.deliver(EVENT)
    assert o["result"] == RETRY and "without proof" in o["error"] and NOT_IN_TIME in o["error"]


def test_engine_that_changes_all_the_time(host, rogue):
    r = rogue()
    r.on_inform = lambda m: r.report(m, UNKNOWN_ENGINE)
    handler(host, r.port, confirm="inform", timeout="5s")
    o = host.deliver(EVENT)
    assert o["result"] == RETRY and UNKNOWN_ENGINE in o["error"]
    assert r.probes == 4


def test_our_own_engine_is_nobody_elses(host, rogue):
    r = rogue(engine=bytes.fromhex(ENGINE[2:]))
    handler(host, r.port, confirm="inform")
    o = host.deliver(EVENT)
    assert o["result"] == RETRY and not r.informs


def test_no_answer_to_discovery(host, rogue):
    r = rogue()
    r.answers_probes = False
    handler(host, r.port, confirm="inform", retries="2")
    o = host.deliver(EVENT)
    assert o["result"] == RETRY and "not acknowledged in time" in o["error"]
    assert r.probes == 3 and not r.informs
    r.answers_probes = True
    assert host.deliver(EVENT)["result"] == DELIVERED


def test_silence_behind_discovery(host, rogue):
    r = rogue()
    r.on_inform = lambda m: None
    handler(host, r.port, confirm="inform", retries="2")
    o = host.deliver(EVENT)
    assert o["result"] == RETRY and "not acknowledged in time" in o["error"]
    assert r.probes == 1 and len(r.informs) == 3
    assert len({m.request_id for m in r.informs}) == 1 and len({m.id for m in r.informs}) == 3


def test_late_answer_to_the_first_attempt(host, rogue):
    r = rogue()
    r.on_inform = lambda m: r.acknowledge(r.informs[0]) if len(r.informs) == 2 else None
    handler(host, r.port, confirm="inform", timeout="500ms", retries="5")
    o = host.deliver(EVENT)
    assert (o["result"], o["confirmation"]) == (DELIVERED, ACKNOWLEDGED)
    assert len(r.informs) == 2


@pytest.mark.parametrize("wrong", [
    {"request_id": 1}, {"id": 1}, {"level": 0}, {"level": 1}, {"user": b"bob"},
    {"context_engine": b"12345"}, {"context": b"other"}, {"command": 0xA7}, {"command": 0xA0},
    {"engine": b"\x80\0\x1f\x88\4zzzz"}, {"spoil": -1}, {"spoil": 60}, {"boots": 1}], ids=str)
def test_what_acknowledges_nothing(host, rogue, wrong):
    r = rogue(boots=5, time=5000)
    handler(host, r.port, confirm="inform", timeout="700ms")
    assert host.deliver(EVENT)["result"] == DELIVERED  # its boots are proven
    r.on_inform = lambda m: r.acknowledge(m, **wrong)
    o = host.deliver(EVENT)
    assert (o["result"], o["confirmation"]) != (DELIVERED, ACKNOWLEDGED), o
    assert r.informs


def test_a_silent_receiver_delays_no_other(host, rogue, trapd):
    r = rogue()
    r.answers_probes = False
    d = trapd()
    host.handler("snmp", id=1, host="127.0.0.1", port=str(r.port),
                 **properties(confirm="inform", timeout="10s"))
    host.handler("snmp", id=2, host="127.0.0.1", port=str(d.port),
                 **properties(confirm="inform", timeout="10s"))
    host.send(EVENT, handler=1)
    assert host.deliver(EVENT, handler=2, timeout=5)["result"] == DELIVERED


def test_in_flight_is_capped(host, rogue):
    r = rogue()
    r.on_inform = lambda m: None
    handler(host, r.port, confirm="inform", timeout="60s", retries="0")
    for i in range(300):
        host.send({**EVENT, "notice": i})
    r.wait(lambda: len(r.informs) >= 100)
    r.on_inform = r.acknowledge
    for m in list(r.informs):
        r.send(r.acknowledge(m))
    assert {host.outcome(i)["result"] for i in range(1, 301)} == {DELIVERED}
    assert r.most_open <= 100


# ---- receivers that expect two texts ----

OIDS = {"trapOid": "1.3.6.1.4.1.18060.16.1.1.1.1", "subjectOid": "1.3.6.1.4.1.18060.16.1.1.1.2",
        "bodyOid": "1.3.6.1.4.1.18060.16.1.1.1.3"}


@pytest.mark.parametrize("version, confirm", [("1", "trap"), ("2c", "trap"), ("2c", "inform"),
                                              ("3", "inform")])
def test_two_texts(host, tmp_path, version, confirm):
    config = config_of([(user_name("SHA-256", "AES"), "SHA-256", "AES")])
    d = Snmptrapd(str(tmp_path), config=config,
                  options=("-On", "-F", "got %N %w%q [%P], %v END\\n")).start()
    try:
        v = properties(confirm=confirm, timeout="5s", **OIDS) if version == "3" else \
            {"version": version, "confirm": confirm, "timeout": "5s", **OIDS}
        host.handler("snmp", host="127.0.0.1", port=str(d.port), **v)
        o = host.deliver({**EVENT, "owner": "alice", "definition": "hot", "instance": "cpu0"},
                         {**EVENT, "definition": "cold", "level": 3})
        assert (o["result"], o["error"]) == (DELIVERED, "")
        got = d.process.expect("(?s)got .*?END").group()
        if version == "1":
            assert got.startswith(f"got .{OIDS['trapOid'].rpartition('.')[0]} 6.1 ")
        else:
            assert f".1.3.6.1.6.3.1.1.4.1.0 = OID: .{OIDS['trapOid']}" in got
        assert f'.{OIDS["subjectOid"]} = STRING: "[CRITICAL] 2 notices: alice/hot cpu0' in got
        assert f'.{OIDS["bodyOid"]} = STRING: "' in got and "cold" in got
        assert f"{ROOT}.1" not in got
        assert host.deliver(EVENT)["result"] == DELIVERED
        d.process.expect("(?s)got .*?END.*got .*?END")
        assert d.process.output().count("END") == 2
    finally:
        d.stop()


def test_two_texts_by_templates_are_cut(host, trapd):
    d = trapd()
    handler(host, d.port, confirm="inform", timeout="5s", subject="${level} of ${definition}",
            text="so: ${message} " + "\u20ac" * 1200, **OIDS)
    o = host.deliver({**EVENT, "message": "too hot"})
    assert (o["result"], o["error"]) == (DELIVERED, "")
    got = d.process.expect("(?s)got .*?END").group()
    subject, body = (bytes.fromhex(re.search(
        rf"\.{OIDS[name]} = Hex-STRING: ((?:[0-9A-F]{{2}}\s+)+)", got).group(1))
        for name in ("subjectOid", "bodyOid"))
    assert subject.decode() == "CRITICAL of hot"
    assert body.decode().startswith("so: too hot \u20ac") and 800 < len(body) < 1472


@pytest.mark.parametrize("missing", OIDS)
def test_the_three_oids_need_each_other(host, rogue, missing):
    two = {k: v for k, v in OIDS.items() if k != missing}
    assert "need each other" in host.check("snmp", **two)
    r = rogue()
    handler(host, r.port, confirm="inform")
    o = host.deliver(EVENT, overrides=two)
    assert o["result"] == FAILED and "need each other" in o["error"]
    assert not r.probes


# ---- what is configured ----

@pytest.mark.parametrize("wrong, words", [
    ({"authPassword": None}, "authPassword"), ({"privPassword": None}, "privPassword"),
    ({"engineId": "0x0000000000"}, "engineId"), ({"engineId": "0x800000zz00"}, "engineId")])
def test_what_is_refused_when_loaded(host, wrong, words):
    v = {k: w for k, w in properties(**wrong).items() if w is not None}
    assert words in host.check("snmp", **v)
    assert host.check("snmp", **properties()) == ""


def test_passwords_in_files(host, trapd, tmp_path):
    auth, priv = tmp_path / "auth", tmp_path / "priv"
    for f, word in ((auth, AUTH_WORD), (priv, PRIV_WORD)):
        f.write_text(word + "\n")
        f.chmod(0o600)
    d = trapd()
    v = {**properties(confirm="inform", timeout="5s"), "authPasswordFile": str(auth),
         "privPasswordFile": str(priv)}
    del v["authPassword"], v["privPassword"]
    assert host.check("snmp", **v) == ""
    host.handler("snmp", host="127.0.0.1", port=str(d.port), **v)
    assert host.deliver(EVENT)["result"] == DELIVERED
    auth.chmod(0o644)
    host.handler("snmp", id=2, host="127.0.0.1", port=str(d.port), **v)
    o = host.deliver(EVENT, handler=2)
    assert o["result"] == RETRY and str(auth) in o["error"] and "everybody" in o["error"]


@pytest.mark.parametrize("change", [{"port": "PORT"}, {"host": "127.0.0.2"}, {"user": "bob"},
                                    {"authProtocol": "MD5"}, {"privProtocol": "DES"},
                                    {"securityLevel": "authNoPriv"}], ids=str)
def test_overrides_drop_the_handlers_passwords(host, rogue, change):
    """A target that goes elsewhere, or asks for what is easier to break, brings its own."""
    own, other = rogue(), rogue()
    handler(host, own.port, confirm="inform")
    o = host.deliver(EVENT, overrides={k: v.replace("PORT", str(other.port))
                                       for k, v in change.items()})
    assert o["result"] == FAILED and "passwords of its own" in o["error"]
    o = host.deliver(EVENT, recipients=[f"127.0.0.1:{other.port}"])
    assert o["result"] == FAILED and "passwords of its own" in o["error"]
    assert not other.informs and not other.probes and not own.informs
    assert host.deliver(EVENT, recipients=[f"127.0.0.1:{own.port}"])["result"] == DELIVERED


def test_target_with_a_user_of_its_own(host, trapd):
    d = trapd(config_of([("bob", "SHA", "DES")]))
    host.handler("snmp", version="3", timeout="5s")
    words = {"user": "bob", "authProtocol": "SHA", "privProtocol": "DES",
             "authPassword": AUTH_WORD, "privPassword": PRIV_WORD, "confirm": "inform"}
    to = [f"127.0.0.1:{d.port}"]
    assert host.deliver(EVENT, recipients=to, overrides=words)["result"] == DELIVERED
    o = host.deliver(EVENT, recipients=to)
    assert o["result"] == FAILED and "names a user" in o["error"]


# ---- validate: does the receiver know the user? ----

UNPROVEN = "; if the privacy password is right only a test can show"


def validated(h, port, **more):
    handler(h, port, **{"confirm": "inform", **more})
    good, words = h.validate()
    return good, re.sub(r"engine 0x[0-9a-f]{10,}", "engine X", words)


@pytest.mark.parametrize("auth, priv", ((None, None), ("SHA-512", None), ("SHA-256", "AES"),
                                        ("MD5", "DES")))
def test_validate_asks_about_the_user(host, trapd_of_all, auth, priv):
    at = f"127.0.0.1:{trapd_of_all.port} is 127.0.0.1:{trapd_of_all.port}"
    user = user_name(auth, priv)
    before = trapd_of_all.process.output()
    assert validated(host, trapd_of_all.port, auth=auth, priv=priv) == \
        (True, f"{at}, engine X, and knows user {user}" + (UNPROVEN if priv else ""))
    # traps come from our own engine, which nobody can be asked about
    assert validated(host, trapd_of_all.port, auth=auth, priv=priv, confirm="trap") == (True, at)
    assert trapd_of_all.process.output() == before  # nothing was taken for a notification


@pytest.mark.parametrize("more, words", (
    ({"user": "nobody"}, "unknownUserNames"),
    ({"authPassword": "another one"}, "wrongDigests"),
    ({"auth": "SHA"}, "unknownUserNames"),  # whose name it is part of
    ({"auth": "SHA", "user": user_name("SHA-256", "AES")}, "wrongDigests"),
    ({"priv": None, "user": user_name("SHA-256", "AES")}, None),  # a lower level will do
))
def test_validate_says_what_is_wrong_with_the_user(host, trapd, more, words):
    d = trapd()
    good, said = validated(host, d.port, **more)
    at = f"127.0.0.1:{d.port} is 127.0.0.1:{d.port}, engine X, "
    assert said.startswith(at + ("which reports about user " if words else "and knows user "))
    assert good == (words is None) and (words or "") in said


def test_validate_of_an_unknown_user_without_authentication(host, trapd):
    good, said = validated(host, trapd().port, auth=None, priv=None, user="nobody")
    assert not good and "unknownUserNames (no such user there)" in said


def test_validate_where_nobody_speaks_version_3(host, rogue):
    r = rogue()
    r.answers_probes = False
    assert validated(host, r.port) == \
        (False, f"127.0.0.1:{r.port} is 127.0.0.1:{r.port}, where no SNMPv3 engine answers")
    assert r.probes == 2 and not r.gets  # retries="1"


def test_validate_proves_it_by_the_clock_and_then_by_silence(host, rogue):
    """A receiver of notifications may leave requests without an answer."""
    r = rogue()
    r.on_get = lambda m: r.judge(m) if not m.boots else None
    good, said = validated(host, r.port)
    assert good and said.endswith("and knows user " + user_name("SHA-256", "AES") + UNPROVEN)
    assert [(m.boots, m.varbinds) for m in r.gets] == [(0, b""), (r.boots, b"")]
    assert not r.informs and r.reports_sent == [NOT_IN_TIME]


@pytest.mark.parametrize("name", sorted(set(REPORTS) - {NOT_IN_TIME, UNKNOWN_ENGINE}))
def test_validate_and_reports_behind_the_proof(host, rogue, name):
    r = rogue()
    r.on_get = lambda m: r.report(m, name) if m.boots else r.judge(m)
    good, said = validated(host, r.port)
    assert good == (name == "unknownPDUHandlers") and (good or name in said)


def test_validate_and_a_receiver_that_answers(host, rogue):
    """Then all is proven."""
    good, said = validated(host, rogue().port)
    assert good and said.endswith("and knows user " + user_name("SHA-256", "AES"))


def test_validate_believes_no_report_that_is_not_signed(host, rogue):
    """Who only says that the time is wrong has not shown that it knows the password."""
    r = rogue()
    r.on_get = lambda m: r.report(m, NOT_IN_TIME, auth=False)
    good, said = validated(host, r.port)
    assert not good and NOT_IN_TIME in said and len(r.gets) == 2


def test_validate_where_the_user_is_not_answered(host, rogue):
    r = rogue()
    r.on_get = lambda m: None
    good, said = validated(host, r.port)
    assert not good and \
        said.endswith("and answers nothing that user " + user_name("SHA-256", "AES") + " signs")


def test_validate_looks_afresh(host, rogue):
    """What delivery has found out before does not count, and stays of use behind it."""
    r = rogue()
    assert validated(host, r.port)[0]
    assert host.deliver(EVENT)["result"] == DELIVERED
    r.answers_probes = False
    assert not host.validate()[0]
    assert host.deliver(EVENT)["result"] == DELIVERED
    r.answers_probes = True
    assert host.validate()[0]
