"""What SNMPALERT-MIB.txt says to somebody who has nothing else: a DESCRIPTION that says what to do
with the object, UNITS, a DISPLAY-HINT; and that names keep to one pattern. The file against the
schema is test_mib.py's."""

import copy
import re

import pytest

from test_mib import columns, entry_name, mib, parsed, schema, text, whole_type  # noqa: F401

NUMBERS = ("integer", "unsigned", "gauge", "counter", "millis", "gauge64")
# Numbers that count nothing: names of rows, places in an order, and values of any unit.
NO_UNITS = {"saProcessPid", "saMetricInteger", "saMetricGauge", "saDefinitionErrorLine",
            "saTrialErrorLine", "saAlertHistory",
            "saHistoryAlert", "saNoticeAlert", "saNoticeHistory", "saNoticeTargetSequence",
            "saRaiseAlert"}
# Scalars and columns that are not named after their table.
OTHER_PREFIX = {"saConfigReload"}


def said(node):
    return " ".join(node["description"].split())


def everything(parsed):
    """(name, node) of all that has a DESCRIPTION of its own to be useful with."""
    for name, node in (parsed["nodes"] | parsed["notifications"]).items():
        if node["nodetype"] != "node":
            yield name, node


def lacks_advice(parsed):
    """What the thing is, is the first sentence; what a manager does with it comes after."""
    return [n for n, node in everything(parsed) if not re.search(r"\. +['_\w]", said(node))]


def lacks_units(schema, parsed):
    return [c["name"] for _, c, _ in columns(schema)
            if c["syntax"] in NUMBERS and c["access"] not in ("not-accessible",)
            and not parsed["nodes"][c["name"]].get("units") and c["name"] not in NO_UNITS]


def lacks_hint(parsed):
    """RFC 2579 section 3.1 has none for enumerations."""
    return [n for n, t in parsed["typedefs"].items()
            if t["basetype"] != "Enumeration" and not t.get("format")]


def is_silent_on_change(schema, parsed):
    """What managers write, and is kept (a trigger is not), says whether they may while the row is
    active."""
    return [c["name"] for _, c, _ in columns(schema)
            if c["access"] == "read-create" and c["syntax"] not in ("rowStatus", "storage")
            and c["keep"] != "computed"
            and not re.search("only while the row is notInService" if c["frozen"]
                              else "while (the row|it) is active|stays active",
                              said(parsed["nodes"][c["name"]]))]


def hides_its_size(schema, parsed):
    return [c["name"] for _, c, _ in columns(schema)
            if c["syntax"] == "text" and c["max"] > 255
            and not re.search(r"This (column|object) is large|this column is large",
                              said(parsed["nodes"][c["name"]]))]


def test_descriptions_say_what_to_do(parsed):
    assert lacks_advice(parsed) == []


def test_quantities_have_units(schema, parsed):
    assert lacks_units(schema, parsed) == []
    assert all("units" not in parsed["nodes"][n] for n in NO_UNITS)


def test_textual_conventions_have_a_display_hint(parsed):
    assert lacks_hint(parsed) == []


def test_descriptions_say_what_may_change_while_active(schema, parsed):
    assert is_silent_on_change(schema, parsed) == []


def test_large_objects_say_so(schema, parsed):
    assert hides_its_size(schema, parsed) == []


def test_these_tests_would_speak_up(schema, parsed):
    broken = copy.deepcopy(parsed)
    nodes, types = broken["nodes"], broken["typedefs"]
    nodes["saProcessEntry"]["description"] = "A process."
    broken["notifications"]["saTest"]["description"] = "A test: nothing more."
    del nodes["saSystemKills"]["units"]
    del types["SaMillis"]["format"]
    for name in ("saTargetHandler", "saDefinitionCondition"):
        nodes[name]["description"] = "A cell. It can be set."
    assert lacks_advice(broken) == ["saProcessEntry", "saTest"]
    assert lacks_units(schema, broken) == ["saSystemKills"]
    assert lacks_hint(broken) == ["SaMillis"]
    assert is_silent_on_change(schema, broken) == ["saDefinitionCondition", "saTargetHandler"]
    assert hides_its_size(schema, broken) == ["saDefinitionCondition"]


def test_descriptions_name_what_there_is(parsed):
    """Every sa... and RFC 2579 word in a text is an object, or the text outlived it."""
    known = set(parsed["nodes"]) | set(parsed["notifications"]) | {"saRoot"}
    for name, node in everything(parsed):
        unknown = set(re.findall(r"\bsa[A-Z]\w*", said(node))) - known
        assert not unknown, f"{name}: {unknown}"


def test_errors_are_those_of_snmp(parsed):
    errors = {"wrongType", "wrongLength", "wrongValue", "noCreation", "notWritable",
              "inconsistentName", "inconsistentValue", "resourceUnavailable", "commitFailed"}
    for name, node in everything(parsed):
        found = set(re.findall(r"\b(?:wrong|inconsistent|resource|commit|undo)[A-Z]\w*|"
                               r"\bno[A-Z]\w*ion\b|\bnotWritable\b", said(node)))
        assert found <= errors, name


def test_names_begin_with_their_table(schema):
    for table, column, _ in columns(schema):
        prefix = "saSystem" if table["scalars"] else table["name"].removesuffix("Table")
        assert column["name"].startswith(prefix) or column["name"] in OTHER_PREFIX, column["name"]


def test_rows_repeat_the_name_of_their_table(schema, parsed):
    for table in (t for t in schema["tables"] if not t["scalars"]):
        assert table["name"].endswith("Table")
        assert parsed["nodes"][entry_name(table)]["nodetype"] == "row"


def test_labels_are_camel_case(schema):
    for _, column, _ in columns(schema):
        for label in column["names"]:
            assert re.fullmatch(r"[a-z][A-Za-z0-9]{0,30}", label), (column["name"], label)


def test_what_two_objects_enumerate_is_a_textual_convention(schema, parsed):
    """A manager that knows one knows the other; idle and run of triggers are clear enough."""
    inline, conventions = [], []
    for _, column, _ in columns(schema):
        kind, _, numbers = whole_type(parsed["nodes"][column["name"]], parsed)
        if numbers and numbers != {"idle": 1, "run": 2}:
            (inline if kind in ("Enumeration", "Bits") else conventions).append(
                (kind, tuple(sorted(numbers.items(), key=lambda n: n[1]))))
    assert len(inline) == len(set(inline))
    assert not {numbers for _, numbers in inline} & {numbers for _, numbers in conventions}


def test_what_ends_in_millis_is_milliseconds(schema, parsed):
    for _, column, _ in columns(schema):
        units = parsed["nodes"][column["name"]].get("units")
        if column["name"].endswith("Millis") or column["syntax"] == "millis":
            assert units == "milliseconds", column["name"]
        elif units == "milliseconds":
            pytest.fail(f"{column['name']} counts milliseconds: its name says so by Millis")


def test_every_object_is_in_one_group_and_every_group_is_required(schema, parsed):
    grouped = [m for g in parsed["groups"].values() for m in g["members"]]
    ours = [c["name"] for _, c, _ in columns(schema) if c["access"] != "not-accessible"]
    ours += [n["name"] for n in schema["notifications"]]
    assert sorted(grouped) == sorted(ours)
    assert set(parsed["compliances"]["saCompliance"]["requires"]) == set(parsed["groups"])


def test_compliance_says_which_storage_types_there_are(schema, parsed):
    """The rule of store/set_rows.c, for managers: theirs are nonVolatile."""
    refined = parsed["compliances"]["saCompliance"]["refinements"]
    assert set(refined) == {c["name"] for _, c, _ in columns(schema) if c["syntax"] == "storage"}
    for name, refinement in refined.items():
        held, taken = ({n for n, v in refinement[part]["type"].items() if "number" in v}
                       for part in ("syntax", "writesyntax"))
        assert held == {"nonVolatile", "permanent", "readOnly"}, name
        assert taken == {"nonVolatile"}, name


def test_groups_have_the_number_of_their_table(schema, parsed):
    """They are numbers that were given, too."""
    numbers = {g["name"].removesuffix("Table") + "Objects": g["id"] for g in schema["tables"]}
    numbers["saNotificationTypes"] = 100
    groups = {n: int(g["oid"].rpartition(".")[2]) for n, g in parsed["groups"].items()}
    assert groups == numbers
    assert parsed["compliances"]["saCompliance"]["oid"].endswith(".2.2.1")


def test_references_are_to_what_the_text_speaks_of(text):
    """An RFC in a text that settles the object is a REFERENCE as well."""
    for name in ("SaText", "SaMillis", "SaGauge64"):
        body = re.search(rf"^{name} ::= .*?^    SYNTAX", text, re.M | re.S).group()
        assert re.search(r'REFERENCE +"RFC \d{4}', body), name
