#!/usr/bin/python3
"""pages.py man|html EXAMPLES < MODULE: a page about SNMPALERT-MIB, from what `smidump -f xml` prints.

Object identifiers begin with @SA_ROOT_OID_TEXT@, which the Makefile fills in: the page can be made
once, for any root."""

import html
import re
import sys
import textwrap
import xml.etree.ElementTree as ElementTree

ROOT = "@SA_ROOT_OID_TEXT@"
ACCESS = {"readonly": "read-only", "readwrite": "read-write", "noaccess": "not-accessible",
          "notifyonly": "accessible-for-notify"}
DEFAULTS = {"()": "none set", '""': "empty"}
LABELLED = {"Enumeration": "INTEGER", "Bits": "BITS", "OctetString": "OCTET STRING",
            "Unsigned64": "Counter64"}


# ---- the module ---------------------------------------------------------------------------------

def paragraphs(element, tag="description"):
    """Each as one line."""
    blocks = textwrap.dedent(element.findtext(tag, "")).strip().split("\n")
    text = "\n".join(line.strip() for line in blocks)
    return [" ".join(p.split()) for p in re.split(r"\n\n+", text) if p]


def span(definition, kind):
    """'0..255 octets', or nothing."""
    found = definition.find("range")
    if found is None:
        return ""
    low, high = found.get("min"), found.get("max")
    unit = " octets" if kind == "OctetString" else ""
    return (low if low == high else f"{low}..{high}") + unit


class Type:
    """NAME as the module has it, and what narrows it: a range, or labels."""

    def __init__(self, definition):
        kind = definition.get("basetype")
        parent = definition.find("parent")
        self.name = definition.get("name") if kind is None else \
            parent.get("name") if parent is not None else LABELLED.get(kind, kind)
        self.labels = [(n.get("name"), n.get("number")) for n in definition.iter("namednumber")]
        self.span = span(definition, kind)

    def __str__(self):
        labels = ", ".join(f"{name}({number})" for name, number in self.labels)
        return self.name + (f" {{ {labels} }}" if labels else f", {self.span}" if self.span else "")


class Thing:
    """What has a name, an OID and a description."""

    def __init__(self, element, base):
        self.name = element.get("name")
        self.oid = element.get("oid", "").replace(base, ROOT, 1)
        self.said = paragraphs(element)
        self.references = paragraphs(element, "reference")


class Object(Thing):
    def __init__(self, element, base, create=False):
        super().__init__(element, base)
        self.number = self.oid.rpartition(".")[2]
        self.type = Type(element.find("syntax")[0])
        self.units = element.findtext("units", "")
        self.default = DEFAULTS.get(element.findtext("default"), element.findtext("default", ""))
        access = element.findtext("access")
        self.access = "read-create" if create and access == "readwrite" else ACCESS[access]

    def facts(self):
        yield str(self.type)
        if self.units:
            yield self.units
        yield self.access
        if self.default:
            yield f"default {self.default}"


class Table(Thing):
    """A table, or the scalars of a subtree: then ROW is None."""

    def __init__(self, element, base):
        super().__init__(element, base)
        row = element.find("row")
        self.row = Thing(row, base)
        self.index = [i.get("name") for i in row.iter("index")]
        self.columns = [Object(c, base, row.get("create") == "true") for c in row.iter("column")]


class Compliance(Thing):
    """REFINEMENTS: for each object, what must be in it at least, in words."""

    def __init__(self, element, base):
        super().__init__(element, base)
        self.refinements = [" ".join([f"{r.get('name')}:", *self.terms(r), *paragraphs(r)])
                            for r in element.iter("refinement")]

    @staticmethod
    def terms(refinement):
        for tag, before in (("syntax", "it holds"), ("writesyntax", "It may be set to")):
            found = refinement.find(tag)
            if found is not None:
                yield f"{before} {Type(found[0])}."
        if refinement.find("access") is not None:
            yield f"It is at least {ACCESS[refinement.findtext('access')]}."


class Scalars:
    def __init__(self, oid, name, columns):
        self.name, self.oid, self.row, self.index = name, oid, None, []
        self.said, self.references = ["The daemon as a whole: objects that there are once."], []
        self.columns = columns


class Module:
    def __init__(self, tree, examples):
        module, nodes = tree.find("module"), tree.find("nodes")
        identity = module.find("identity").get("node")
        base = next(n for n in nodes if n.get("name") == identity).get("oid")
        self.name, self.said = module.get("name"), paragraphs(module)
        self.types = []
        for t in tree.iter("typedef"):
            if t.get("name"):
                self.types.append((Thing(t, base), str(Type(t)), t.findtext("format", "")))
        self.parts = [self.scalars(nodes, base)] + [Table(t, base) for t in nodes.iter("table")]
        self.notifications = [(Thing(n, base), [o.get("name") for o in n.iter("object")])
                              for n in tree.find("notifications")]
        self.groups = [Thing(g, base) for g in tree.find("groups")]
        self.compliances = [Compliance(c, base) for c in tree.find("compliances")]
        self.examples = examples

    @staticmethod
    def scalars(nodes, base):
        found = [Object(s, base) for s in nodes.iter("scalar")]
        oid = found[0].oid.rpartition(".")[0]
        node = next(n for n in nodes if n.get("oid", "").replace(base, ROOT, 1) == oid)
        return Scalars(oid, node.get("name"), found)

    def names(self):
        yield from (t.name for t, _, _ in self.types)
        for part in self.parts:
            yield part.name
            yield from (c.name for c in part.columns)
        yield from (n.name for n, _ in self.notifications)


def read_examples(lines):
    """{table: [(what it does, command)]}; a command keeps its lines."""
    found, table, about = {}, None, ""
    for line in lines:
        line = line.rstrip("\n")
        if re.fullmatch(r"sa\w+", line):
            table = line
            found[table] = []
        elif line.startswith("# "):
            about = line[2:]
        elif line.startswith(" "):
            found[table][-1][1].append(line)
        elif line:
            found[table].append((about, [line]))
            about = ""
    return found


def commands(module, part):
    """(what it does, lines) for a table; every table can be shown as one."""
    if part.row:
        yield "as a table", [f"snmptable -v2c -c public -OU -Ci -Cb -Cw 110 localhost {part.name}"]
    else:
        yield "all of them", [f"snmpwalk -v2c -c public localhost {part.name}"]
    yield from module.examples.get(part.name, [])


# ---- the manual page ----------------------------------------------------------------------------

def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    text = text.replace('"', "\\(dq")
    return re.sub(r"^\.", "\\&.", text.replace("^", "\\(ha").replace("~", "\\(ti"))


class Manual:
    def __init__(self, module):
        self.out = []
        self.module = module

    def line(self, text):
        self.out.append(text)

    def words(self, text):
        self.line(textwrap.fill(roff(text), 78, break_long_words=False, break_on_hyphens=False))

    def heading(self, text):
        self.line(f".SH {roff(text)}")

    def gap(self):
        if not self.out[-1].startswith(".SH"):
            self.line(".PP")

    def said(self, thing):
        for i, p in enumerate(thing.said):
            if i:
                self.line(".IP")
            self.words(p)
        for r in thing.references:
            self.words(f"See {r}")

    def paragraph(self, text):
        self.gap()
        self.words(text)

    def tagged(self, tag, facts):
        self.line(".TP 4")
        self.line(f".B {roff(tag)}")
        self.line(f".RI ( \"{roff(facts)}\" )")
        self.line(".br")

    def listing(self, about, lines):
        if about:
            self.paragraph(about[0].upper() + about[1:] + ("" if about[-1] in "?!" else ":"))
        self.gap()
        self.line(".RS 4\n.nf")
        self.out += [roff(line) for line in lines]
        self.line(".fi\n.RE")

    def part(self, part):
        self.heading(part.name)
        for p in part.said:
            self.paragraph(p)
        self.paragraph(f"It is {part.oid}." if not part.row else
                       f"It is {part.oid}, with the index {', '.join(part.index)}. "
                       + " ".join(part.row.said))
        for column in part.columns:
            self.tagged(f"{column.number} {column.name}", "; ".join(column.facts()))
            self.said(column)
        for about, lines in commands(self.module, part):
            self.listing(about, lines)

    def head(self):
        self.line(f".TH {self.module.name} 5 \"\" \"snmpalertd\" \"Management information base\"")
        self.line(".nh\n.ad l\n.ss 12 0")
        self.heading("NAME")
        self.line(f"{roff(self.module.name)} \\- the objects of snmpalertd, table by table")
        self.heading("SYNOPSIS")
        self.listing("", ["export MIBDIRS=@mibdir@:@shimdir@ MIBS=" + self.module.name,
                          f"snmptranslate -Tp {ROOT}",
                          "snmptranslate -Td -OS -IR saAlertLevel",
                          "snmptable -v2c -c public -OU -Ci -Cb -Cw 110 localhost saAlertTable"])
        self.heading("DESCRIPTION")
        for p in self.module.said:
            self.paragraph(p)
        self.paragraph(f"In this build it hangs at {ROOT}. Below, each object has its number, its "
                       "type, and what a manager may do with it. The commands are net-snmp's; "
                       "they take names once MIBDIRS and MIBS are set as above, and communities "
                       "are what snmpd.conf says.")

    def types(self):
        self.heading("TEXTUAL CONVENTIONS")
        for thing, plain, hint in self.module.types:
            self.tagged(thing.name, plain + (f"; shown by {hint}" if hint else ""))
            self.said(thing)

    def notifications(self):
        self.heading("NOTIFICATIONS")
        for thing, objects in self.module.notifications:
            self.tagged(thing.name, thing.oid)
            self.said(thing)
            self.line(".IP")
            self.words("It carries " + ", ".join(objects) + ".")

    def conformance(self):
        self.heading("CONFORMANCE")
        for thing in self.module.compliances:
            self.tagged(thing.name, thing.oid)
            self.said(thing)
            for refinement in thing.refinements:
                self.line(".IP")
                self.words(refinement)
        self.paragraph("Groups: " + ", ".join(g.name for g in self.module.groups) + ".")

    def page(self):
        self.head()
        self.types()
        for part in self.module.parts:
            self.part(part)
        self.notifications()
        self.conformance()
        self.heading("SEE ALSO")
        self.line(".BR snmpalert (1),\n.BR snmpalertd.xml (5),\n.BR snmpalertd (8),\n"
                  ".BR snmpcmd (1),\n.BR snmptable (1),\n.BR snmptranslate (1)")
        return "\n".join(self.out) + "\n"


# ---- the HTML page ------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1em; max-width: 76em; }
h1 { font-size: 1.7em; } h2 { font-size: 1.25em; margin: 2.2em 0 .4em; }
h1, h2 { line-height: 1.2; } h2 small { font-weight: normal; opacity: .7; }
p { max-width: 52em; margin: .5em 0; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35em .6em; text-align: left;
         vertical-align: top; }
th { background: var(--soft); }
td.number { text-align: right; } td.name { white-space: nowrap; }
td.type { width: 14em; }
td p { margin: 0 0 .3em; } .more { opacity: .75; font-size: .92em; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .6em .8em; overflow-x: auto; margin: .3em 0 .8em; }
pre i { opacity: .65; font-style: normal; }
nav { columns: 15em; max-width: none; } nav a { display: block; }
a { text-decoration: none; } a:hover { text-decoration: underline; }
tr:target, h2:target { outline: 2px solid; }
@media (max-width: 50em) {
  thead { display: none; } tr { display: block; border-bottom: 1px solid var(--line); }
  td, td.type { display: block; width: auto; border: 0; padding: .15em .3em; }
  td.number { float: left; opacity: .7; padding-right: .6em; }
}
"""


class Page:
    def __init__(self, module):
        self.module = module
        self.known = set(module.names())
        self.out = []

    def text(self, s):
        """Escaped, with each name that the page has as a link."""
        return re.sub(r"\b[sS]a[A-Z]\w*", lambda m: f'<a href="#{m[0]}">{m[0]}</a>'
                      if m[0] in self.known else m[0], html.escape(s, quote=False))

    def line(self, s):
        self.out.append(s)

    def said(self, thing):
        found = [f"<p>{self.text(p)}</p>" for p in thing.said]
        found += [f'<p class="more">See {self.text(r)}</p>' for r in thing.references]
        return "".join(found)

    def heading(self, name, aside="", anchor=None):
        self.line(f'<h2 id="{anchor or name}">{html.escape(name)}'
                  + (f" <small><code>{aside}</code></small>" if aside else "") + "</h2>")

    def row(self, thing, cells):
        self.line(f'<tr id="{thing.name}">' + "".join(
            f'<td class="{kind}">{cell}</td>' for kind, cell in cells) + "</tr>")

    def table(self, heads, rows):
        self.line("<table><thead><tr>" + "".join(f"<th>{h}</th>" for h in heads)
                  + "</tr></thead><tbody>")
        for thing, cells in rows:
            self.row(thing, cells)
        self.line("</tbody></table>")

    def column(self, column):
        kind = column.type
        more = [", ".join(f"{n}({v})" for n, v in kind.labels) or kind.span, column.units,
                column.access, column.default and f"default {column.default}"]
        facts = "".join(f'<br><span class="more">{html.escape(m)}</span>' for m in more if m)
        return column, [("number", column.number), ("name", f"<b>{column.name}</b>"),
                        ("type", self.text(kind.name) + facts), ("meaning", self.said(column))]

    def examples(self, part):
        shown = []
        for about, lines in commands(self.module, part):
            shown += [f"<i># {html.escape(about)}</i>"] if about else []
            shown += [html.escape(line, quote=False) for line in lines]
        self.line("<pre>" + "\n".join(shown) + "</pre>")

    def part(self, part):
        self.heading(part.name, part.oid)
        for p in part.said + (part.row.said if part.row else []):
            self.line(f"<p>{self.text(p)}</p>")
        if part.index:
            self.line("<p>Index: " + ", ".join(map(self.text, part.index)) + "</p>")
        self.table(("", "object", "type", "meaning"), map(self.column, part.columns))
        self.examples(part)

    def types(self):
        self.heading("Textual conventions", anchor="types")
        rows = [(t, [("name", f"<b>{t.name}</b>"), ("type", html.escape(plain)),
                     ("hint", f"<code>{hint}</code>"), ("meaning", self.said(t))])
                for t, plain, hint in self.module.types]
        self.table(("name", "stands for", "display hint", "meaning"), rows)

    def notifications(self):
        self.heading("Notifications", anchor="notifications")
        rows = [(n, [("number", n.oid.rpartition(".")[2]), ("name", f"<b>{n.name}</b>"),
                     ("type", "<br>".join(map(self.text, objects))), ("meaning", self.said(n))])
                for n, objects in self.module.notifications]
        self.table(("", "notification", "carries", "meaning"), rows)

    def refinements(self, thing):
        return "".join(f"<p>{self.text(r)}</p>" for r in getattr(thing, "refinements", ()))

    def conformance(self):
        self.heading("Conformance", anchor="conformance")
        rows = [(t, [("name", f"<b>{t.name}</b>"), ("type", f"<code>{t.oid}</code>"),
                     ("meaning", self.said(t) + self.refinements(t))])
                for t in self.module.compliances + self.module.groups]
        self.table(("name", "OID", "meaning"), rows)

    def contents(self):
        links = [("types", "Textual conventions")] + [(p.name, p.name) for p in self.module.parts]
        links += [("notifications", "Notifications"), ("conformance", "Conformance")]
        self.line("<nav>" + "".join(f'<a href="#{a}">{t}</a>' for a, t in links) + "</nav>")

    def page(self):
        self.line('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
                  '<meta name="viewport" content="width=device-width">'
                  f"<title>{self.module.name}</title><style>{STYLE}</style></head><body>")
        self.line(f"<h1>{self.module.name}</h1>")
        self.line("<p>The objects of snmpalertd, table by table. In this build the module hangs at "
                  f"<code>{ROOT}</code>.</p>")
        self.contents()
        for p in self.module.said:
            self.line(f"<p>{self.text(p)}</p>")
        self.line("<pre><i># with these, net-snmp's tools take the names below</i>\n"
                  f"export MIBDIRS=@mibdir@:@shimdir@ MIBS={self.module.name}\n"
                  f"snmptranslate -Tp {ROOT}</pre>")
        self.types()
        for part in self.module.parts:
            self.part(part)
        self.notifications()
        self.conformance()
        self.line("</body></html>")
        return "\n".join(self.out) + "\n"


def main():
    kinds = {"man": Manual, "html": Page}
    if len(sys.argv) != 3 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    with open(sys.argv[2], encoding="utf-8") as f:
        examples = read_examples(f)
    module = Module(ElementTree.parse(sys.stdin).getroot(), examples)
    sys.stdout.write(kinds[sys.argv[1]](module).page())


if __name__ == "__main__":
    main()
