"""The comparison of a store with the MIB finds what is wrong."""

import copy
import os
import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1])]

from lib.snmpclient import index  # noqa: E402
from rows import Schema, date, differences  # noqa: E402

BUILD = pathlib.Path(os.environ.get("SNMPALERT_BUILD", "."))
KEY = ("admin", "hot")
DUMP = {"saTargetTable": {KEY: {"2": "traps", "8": "r\udce4cks", "11": 1}},
        "saNoticeTable": {("admin", 7): {"2": "an id", "11": 1_700_000_000_123}}}


@pytest.fixture(scope="module")
def schema():
    return Schema(str(BUILD / "tests/mib/schema_dump"))


def cell(schema, table, column, key):
    return schema.root + (1, schema.durable[table]["id"], 1, column) + index(*key)


@pytest.fixture
def walked(schema):
    """A walk of DUMP, made from what is missing in none at all."""
    found = {}
    for text in differences(schema, DUMP, {})[2]:
        assert text.endswith("in the store, not in the MIB")
        oid = tuple(map(int, text[text.index("(") + 1:text.index(")")].split(", ")))
        found[oid] = value_of(schema, oid)
    return found


def value_of(schema, oid):
    """(tag, content) as the agent has it for what DUMP says, or for the default."""
    below = oid[len(schema.root) + 1:]
    name, table = next((n, t) for n, t in schema.durable.items() if t["id"] == below[0])
    column = next(c for c in table["columns"] if c["number"] == below[2])
    (_, cells), = DUMP[name].items()
    value = cells.get(str(below[2]))
    if column["syntax"] == "date":
        return 0x04, date(value)
    if column["syntax"] in ("text", "name", "nameOrEmpty"):
        return 0x04, (value or column["def_text"] or "").encode("utf-8", "surrogateescape")
    if column["syntax"] == "bits":
        return 0x04, bytes([sum(0x80 >> b for b in range(8) if column["def"] >> b & 1)])
    return 0x02, (column["def"] if value is None else value).to_bytes(9, "big", signed=True)


def test_what_agrees(schema, walked):
    rows, cells, problems = differences(schema, DUMP, walked)
    assert (rows, cells, problems) == (2, len(walked), [])
    assert cells > 20


def test_a_cell_that_is_not_served(schema, walked):
    del walked[cell(schema, "saTargetTable", 8, KEY)]
    problem, = differences(schema, DUMP, walked)[2]
    assert problem.startswith("saTargetDescription") and "not in the MIB" in problem


def test_a_row_that_is_not_stored(schema, walked):
    dump = copy.deepcopy(DUMP)
    del dump["saNoticeTable"][("admin", 7)]
    problems = differences(schema, dump, walked)[2]
    assert problems and all("not in the store" in p for p in problems)


@pytest.mark.parametrize("table, column, key, value", (
    ("saTargetTable", 8, KEY, (0x04, b"rocks")),
    ("saTargetTable", 11, KEY, (0x02, b"\2")),
    ("saNoticeTable", 11, ("admin", 7), (0x04, date(1_700_000_001_123))),
))
def test_another_value(schema, walked, table, column, key, value):
    assert walked[cell(schema, table, column, key)] != value
    walked[cell(schema, table, column, key)] = value
    problem, = differences(schema, DUMP, walked)[2]
    assert "in the store" in problem and "in the MIB" in problem


def test_dates():
    assert date(0) == bytes(8)
    assert date(1_700_000_000_123) == bytes([0x07, 0xe7, 11, 14, 22, 13, 20, 1]) + b"+\0\0"
