"""The store against the MIB: what a dump of the one and a walk of the other say, row by row."""

import datetime
import json
import subprocess

from lib.snmpclient import index
from lib.storedump import dump_lines

INTEGERS = {0x02, 0x41, 0x42, 0x43, 0x46}
READABLE = ("read-only", "read-write", "read-create")


class Schema:
    """PROGRAM: tests/mib/schema_dump."""

    def __init__(self, program):
        found = json.loads(subprocess.run([program], capture_output=True, check=True).stdout)
        self.root = tuple(found["root"])
        self.durable = {t["name"]: t for t in found["tables"] if t["keep"] == "durable"}
        self._kept = {name: {str(c["number"]) for c in t["columns"] if c["keep"] == "durable"}
                      for name, t in self.durable.items()}

    def kept(self, table, cells):
        """What of CELLS is durable: all else may change at any time."""
        return {n: value for n, value in cells.items() if n in self._kept[table]}


def read_dump(schema, site):
    """{table: {key: {column number: value}}} of what is durable."""
    tables = {}
    for row in map(json.loads, dump_lines(site, "surrogateescape")):
        table = row.get("table")
        if table in schema.durable:
            tables.setdefault(table, {})[tuple(row["key"])] = schema.kept(table, row["cells"])
    return tables


def date(ms):
    """DateAndTime (RFC 2579) in UTC, as long as years have four digits."""
    if not ms:
        return bytes(8)
    t = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    return bytes([t.year >> 8, t.year & 255, t.month, t.day, t.hour, t.minute, t.second,
                  t.microsecond // 100000]) + b"+\0\0"


def mask(octets):
    return sum(1 << (8 * i + k) for i, o in enumerate(octets) for k in range(8) if o & 0x80 >> k)


def same(column, stored, tag, content):
    """Is what was walked what is stored?"""
    if column["syntax"] == "bits":
        return mask(content) == stored
    if column["syntax"] == "date":
        return content == date(stored)
    if tag in INTEGERS:
        return int.from_bytes(content, "big", signed=tag == 0x02) == stored
    return content == str(stored).encode("utf-8", "surrogateescape")


def default(column):
    return column["def_text"] or "" if isinstance(column["def_text"], str) or \
        column["syntax"] in ("text", "name", "nameOrEmpty", "octets") else column["def"]


def expected(schema, dump):
    """{OID: (column, value)}: what a walk should find of what is durable; ROWS of the dump."""
    wanted, rows = {}, 0
    for name, table in schema.durable.items():
        for key, cells in dump.get(name, {}).items():
            rows += 1
            at = (0,) if table["scalars"] else index(*key)
            for c in table["columns"]:
                if c["access"] in READABLE and c["keep"] == "durable":
                    arcs = (table["id"], c["number"]) if table["scalars"] \
                        else (table["id"], 1, c["number"])
                    oid = schema.root + (1,) + arcs + at
                    wanted[oid] = c, cells.get(str(c["number"]), default(c))
    return wanted, rows


def durable_column(schema, oid):
    """Is OID of a durable cell?"""
    below = oid[len(schema.root) + 1:]
    for table in schema.durable.values():
        if below[0] == table["id"]:
            number = below[1] if table["scalars"] else below[2]
            return any(c["number"] == number and c["keep"] == "durable" for c in table["columns"])
    return False


def differences(schema, dump, walked):
    """(rows compared, cells compared, [what differs]); WALKED: {OID: (tag, content)}."""
    wanted, rows = expected(schema, dump)
    problems = []
    for oid, (column, value) in wanted.items():
        if oid not in walked:
            problems.append(f"{column['name']} {oid}: in the store, not in the MIB")
        elif not same(column, value, *walked[oid]):
            problems.append(f"{column['name']} {oid}: {value!r} in the store, "
                            f"{walked[oid][1]!r} in the MIB")
    problems += [f"{oid}: in the MIB, not in the store" for oid in walked
                 if oid not in wanted and durable_column(schema, oid)]
    return rows, len(wanted), problems
