"""SNMPALERT-MIB.txt against mibs/schema.c, by two parsers that are not ours: libsmi's (smilint,
smidump) and net-snmp's (snmptranslate)."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SNMPALERT_BUILD", ".")).resolve()
SHIM = SOURCE / "mibs/shim"
TEMPLATE = SOURCE / "mibs/SNMPALERT-MIB.txt.in"

WHOLE = {"Integer32": (-2147483648, 2147483647), "Unsigned32": (0, 4294967295),
         "Gauge32": (0, 4294967295), "Counter32": (0, 4294967295)}
# What a column of each syntax is called in the MIB.
TYPES = {"integer": "Integer32", "testAndIncr": "TestAndIncr", "unsigned": "Unsigned32", "gauge": "Gauge32",
         "counter": "Counter32", "truth": "TruthValue", "rowStatus": "RowStatus",
         "storage": "StorageType", "millis": "SaMillis", "gauge64": "SaGauge64",
         "date": "DateAndTime", "text": "SaText", "name": "SaName",
         "nameOrEmpty": "SaNameOrEmpty", "bits": "Bits", "octets": "OctetString"}
# Enumerations of SNMPv2-TC, which smidump does not repeat.
STANDARD = {"TruthValue": {"true": 1, "false": 2},
            "RowStatus": {"active": 1, "notInService": 2, "notReady": 3, "createAndGo": 4,
                          "createAndWait": 5, "destroy": 6},
            "StorageType": {"other": 1, "volatile": 2, "nonVolatile": 3, "permanent": 4,
                            "readOnly": 5}}


def run(*command, **environment):
    """Standard output; whatever is said on standard error fails the test."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "MIBS": "", **environment})
    assert done.returncode == 0 and not done.stderr, f"{command}: {done.stderr}"
    return done.stdout


def translate(folder, *args):
    return run("snmptranslate", "-M", f"{folder}:{SHIM}", "-m", "SNMPALERT-MIB", *args)


def smi(tool, *args):
    """One of libsmi's tools on the stand-ins; returns what it prints, either way."""
    if not shutil.which(tool):
        pytest.skip(f"{tool} is missing (Debian package: smitools)")
    done = subprocess.run([tool, "-c", "/dev/null", *args], capture_output=True, text=True,
                          timeout=60, env={**os.environ, "SMIPATH": str(SHIM)})
    return done.stdout, done.stderr


def dotted(arcs):
    return ".".join(map(str, arcs))


@pytest.fixture(scope="module")
def mib():
    path = BUILD / "mibs/SNMPALERT-MIB.txt"
    assert path.exists(), f"{path} is not built (make builds it)"
    return path


@pytest.fixture(scope="module")
def text(mib):
    """The module without its comments."""
    return re.sub(r"--.*", "", mib.read_text())


@pytest.fixture(scope="module")
def schema():
    return json.loads(run(str(BUILD / "tests/mib/schema_dump")))


@pytest.fixture(scope="module")
def parsed(mib):
    """The module as smidump understands it: a dictionary in Python's own notation."""
    names = {}
    exec(smi("smidump", "-f", "python", str(mib))[0], names)
    return names["MIB"]


def shown(table):
    return [c for c in table["columns"] if c["access"] != "hidden"]


def columns(schema):
    """(table, column, OID) of all that managers see."""
    for table in schema["tables"]:
        entry = [] if table["scalars"] else [1]
        for column in shown(table):
            oid = schema["root"] + [1, table["id"]] + entry + [column["number"]]
            yield table, column, dotted(oid)


def entry_name(table):
    return table["name"].removesuffix("Table") + "Entry"


def whole_type(node, parsed):
    """(type's name, range, named numbers), with what a textual convention adds."""
    kind = node["syntax"]["type"]
    if "basetype" not in kind:
        name = kind["name"]
        convention = parsed["typedefs"].get(name, {})
        base = convention.get("basetype", name)
    else:
        convention, base = kind, kind["basetype"]
        name = kind.get("parent module", {}).get("type", base)
    spans = convention.get("ranges", [])
    assert len(spans) <= 1
    span = (int(spans[0]["min"]), int(spans[0]["max"])) if spans else WHOLE.get(base)
    numbers = {k: int(v["number"]) for k, v in convention.items()
               if isinstance(v, dict) and v.get("nodetype") == "namednumber"}
    return name, span, numbers or STANDARD.get(name, {})


def lint(path):
    """smilint's complaints, but for the one about index objects that notifications carry. (Its
    exit status means nothing.)"""
    out, err = smi("smilint", "-l", "6", "-s", str(path))
    return [line for line in (out + err).splitlines()
            if "should be not-accessible in SMIv2 MIB" not in line]


def test_smilint_has_nothing_to_say(mib):
    assert lint(mib) == []


def test_smilint_would_speak_up(mib, tmp_path):
    """A name that nobody defines: is it heard?"""
    path = tmp_path / "SNMPALERT-MIB.txt"
    path.write_text(mib.read_text().replace("INDEX       { saOwner }", "INDEX       { saNobody }"))
    assert any("saNobody" in line for line in lint(path))


def test_index_objects_of_notifications_alone_are_accessible(mib):
    out, err = smi("smilint", "-l", "6", "-s", str(mib))
    assert set(re.findall(r"index element `(\w+)'", out + err)) == {
        "saOwner", "saDefinitionName", "saHandlerName"}


def test_tables(schema, parsed):
    nodes = parsed["nodes"]
    tables = [t for t in schema["tables"] if not t["scalars"]]
    assert {n for n, v in nodes.items() if v["nodetype"] == "table"} == {
        t["name"] for t in tables}
    for table in tables:
        oid = schema["root"] + [1, table["id"]]
        entry = nodes[entry_name(table)]
        assert nodes[table["name"]]["oid"] == dotted(oid)
        assert entry["oid"] == dotted(oid + [1])
        assert entry["linkage"] == [part["name"] for part in table["index"]]
        assert (entry.get("create") == "true") == (table["row_status"] != 0)


def test_index_parts_have_their_objects_type(schema, parsed):
    for table in schema["tables"]:
        for part in [] if table["scalars"] else table["index"]:
            name, span, _ = whole_type(parsed["nodes"][part["name"]], parsed)
            assert name == TYPES[part["syntax"]], part
            assert span == (part["min"], part["max"]), part


def test_every_object_is_in_both(schema, parsed):
    there = {n: v["oid"] for n, v in parsed["nodes"].items()
             if v["nodetype"] in ("column", "scalar")}
    assert there == {c["name"]: oid for _, c, oid in columns(schema)}


def test_types_ranges_and_enumerations(schema, parsed):
    for _, column, _ in columns(schema):
        name, span, numbers = whole_type(parsed["nodes"][column["name"]], parsed)
        syntax, ours = column["syntax"], (column["min"], column["max"])
        assert numbers == column["names"], column["name"]
        if syntax == "enum":
            assert name in ("Enumeration", "SaCheck", "SaFirmness", "SaLevel", "SaPolicy",
                            "SaSeverity"), column["name"]
            assert (min(numbers.values()), max(numbers.values())) == ours, column["name"]
            continue
        assert name == TYPES[syntax], column["name"]
        if syntax == "bits":
            assert ours == (0, 2 ** (max(numbers.values()) + 1) - 1), column["name"]
        elif syntax not in ("truth", "rowStatus", "storage", "millis", "gauge64", "date",
                            "testAndIncr"):
            assert span == ours, column["name"]


def test_access(schema, text):
    access = dict(re.findall(r"^(sa\w+) OBJECT-TYPE\b.*?MAX-ACCESS\s+(\S+)", text,
                             re.MULTILINE | re.DOTALL))
    for _, column, _ in columns(schema):
        assert access.pop(column["name"]) == column["access"], column["name"]
    assert set(access.values()) == {"not-accessible"}  # the tables and entries


def test_defaults(schema, parsed):
    for _, column, _ in columns(schema):
        given = parsed["nodes"][column["name"]].get("default")
        if (column["access"] not in ("read-create", "read-write") or column["required"]
                or column["syntax"] in ("rowStatus", "testAndIncr")):
            assert given is None, column["name"]
            continue
        if column["syntax"] in ("text", "name", "nameOrEmpty"):
            ours = column["def_text"] or ""
        elif column["syntax"] == "bits":
            ours = "()" if column["def"] == 0 else None
        elif column["syntax"] == "date":
            ours = "0x" + 8 * "00" if column["def"] == 0 else None
        elif column["names"]:
            ours = next(n for n, v in column["names"].items() if v == column["def"])
        else:
            ours = str(column["def"])
        assert given is not None and given.strip('"') == ours, column["name"]


def test_descriptions_begin_with_the_schemas_help(schema, parsed):
    nodes = parsed["nodes"] | parsed["notifications"]
    things = [c for _, c, _ in columns(schema)] + schema["notifications"]
    things += [t for t in schema["tables"] if not t["scalars"]]
    for thing in things:
        said = " ".join(nodes[thing["name"]]["description"].split())
        assert said.startswith(thing["help"]), thing["name"]


def test_sequences_repeat_their_columns(schema, text):
    """Neither parser notices when they differ."""
    sequences = {name: re.findall(r"(sa\w+)\s+([\w -]+?)\s*(?:,|$)", body) for name, body
                 in re.findall(r"^(Sa\w+Entry) ::= SEQUENCE \{\s*(.*?)\s*\}", text,
                               re.MULTILINE | re.DOTALL)}
    types = dict(re.findall(r"^(sa\w+) OBJECT-TYPE\s+SYNTAX\s+(SEQUENCE OF \w+|\w+)", text,
                            re.MULTILINE))
    tables = [t for t in schema["tables"] if not t["scalars"]]
    assert len(sequences) == len(tables)
    for table in tables:
        entry = entry_name(table)
        assert sequences["S" + entry[1:]] == [
            (c["name"], types[c["name"]]) for c in shown(table)], table["name"]


def test_notifications(schema, parsed):
    names = {(t["id"], c["number"]): c["name"] for t, c, _ in columns(schema)}
    ours = {n["name"]: (dotted(schema["root"] + [0, n["number"]]),
                        [names[tuple(o)] for o in n["objects"]])
            for n in schema["notifications"]}
    assert ours == {name: (n["oid"], list(n["objects"]))
                    for name, n in parsed["notifications"].items()}


def test_notifications_carry_nothing_that_snmpv1_lacks(schema):
    by_number = {(t["id"], c["number"]): c for t, c, _ in columns(schema)}
    for notification in schema["notifications"]:
        for where in notification["objects"]:
            assert by_number[tuple(where)]["access"] != "not-accessible"
            assert by_number[tuple(where)]["syntax"] not in ("millis", "gauge64")


def test_net_snmp_resolves_every_name(schema, mib):
    wanted = {c["name"]: oid for _, c, oid in columns(schema)}
    wanted |= {n["name"]: dotted(schema["root"] + [0, n["number"]])
               for n in schema["notifications"]}
    found = translate(mib.parent, "-On", *(f"SNMPALERT-MIB::{n}" for n in wanted)).split()
    assert found == ["." + oid for oid in wanted.values()]
    back = translate(mib.parent, *found).split()
    assert back == [f"SNMPALERT-MIB::{n}" for n in wanted]


def test_net_snmp_prints_the_whole_tree(schema, mib):
    tree = translate(mib.parent, "-Tp", "SNMPALERT-MIB::snmpAlertMIB")
    leaves = re.findall(r"(sa\w+)\((\d+)\)$", tree, re.MULTILINE)
    for _, column, _ in columns(schema):
        assert (column["name"], str(column["number"])) in leaves


def test_net_snmp_shows_names_in_an_index(schema, mib):
    arcs = schema["root"] + [1, 9, 1, 2, 5, *b"admin", 3, *b"cpu"]
    name = 'SNMPALERT-MIB::saDefinitionCondition."admin"."cpu"'
    assert translate(mib.parent, dotted(arcs)).strip() == name
    assert translate(mib.parent, "-On", name).strip() == "." + dotted(arcs)


@pytest.mark.parametrize("modules", ["SNMPALERT-MIB", "ALL"])
def test_net_snmp_leaves_the_template_alone(mib, modules, tmp_path):
    """In a build inside the sources both lie in one folder."""
    shutil.copy(TEMPLATE, tmp_path)
    shutil.copy(mib, tmp_path)
    assert run("snmptranslate", "-M", f"{tmp_path}:{SHIM}", "-m", modules,
               "SNMPALERT-MIB::saTest").strip() == "SNMPALERT-MIB::saTest"


@pytest.mark.parametrize("root", ["1.3.6.1.4.1.8072.9999.9999.1", "1.3.6.1.4.1.54321",
                                  "1.3.6.1.3.77", "2.25.2147483647", "0.9.2342", "1.3",
                                  "1.3.6.1.4.1.1.2.3.4.5.6"])
def test_any_root(root, tmp_path):
    path = tmp_path / "SNMPALERT-MIB.txt"
    path.write_text(run("awk", "-v", f"root={root}", "-f", str(SOURCE / "mibs/root.awk"),
                        str(TEMPLATE)))
    assert "@" not in path.read_text()
    assert translate(tmp_path, "-On", "SNMPALERT-MIB::saNoticeUuid").strip() == (
        f".{root}.1.20.1.2")
    assert lint(path) == []
